#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# bench_io.sh HOW TEST...: in the lab, with --icount: what a guest's disk costs, by KVM with QEMU (kvm; kvm_no_poll: its
# thread does not poll), by husk's kernel or worker, by another process (vhost_user, which is qemu-storage-daemon) or by
# another VM (vm); bare: the guest's own part. kernel_x, kvm_x, where x is devices: a guest with 8 disks; queues: as many as the
# test has jobs, and vCPUs; vms: as many VMs, each with a disk and its share. scripts/bench reads the lines:
#	io HOW NAME TICKS BUSY ok
# TICKS are the time by the guest's TSC, one for each instruction of the machine and for as long when its CPU was halted.
# BUSY are instructions of the whole machine around it, the guests' included; a test of the name null has those for asking.
# A disk takes no time: null_blk, which has no data either.
how=$1 kind=io
shift
. /lab/groups/bench_lib.sh
disks=0 queues=1
case $how in
*_devices) disks=$(seq 0 7) ;;
*_queues | *_vms)	# one test in a boot, and what asking costs
	IFS=: read -r name op block depth count jobs <<-END
	$2
	END
	case $how in
	*_queues) cpus=$jobs queues=$jobs ;;
	*_vms) guests=$jobs jobs=1 ;;
	esac
	set -- "$1" "$name:$op:$block:$((depth / guests)):$((count / guests)):$jobs"
	;;
esac
modprobe null_blk nr_devices=8 gb=1
append="$append io=$(echo "$*" | tr ' ' ,)"
# of this guest
disks() { [ $guests = 1 ] && echo $disks || echo $((guest - 1)); }

# On one thread, QEMU's way to have many
kvm() {	# OPTIONS of the thread
	_options=
	for _n in $(disks); do
		_options="$_options -drive file=/dev/nullb$_n,format=raw,if=none,id=disk$_n,cache=none,aio=io_uring"
		_options="$_options -device virtio-blk-pci,drive=disk$_n,iothread=io,num-queues=$queues"
	done
	qemu -object "iothread,id=io$1" $_options
}

kernel() {
	_options=
	for _n in $(disks); do _options="$_options --disk /dev/nullb$_n,where=kernel,queues=$queues"; done
	husk_run $_options
}

await() {	# COMMAND...: until it succeeds
	for _n in $(seq 100); do
		"$@" 2>/dev/null && return
		sleep 0.2
	done
	cat /tmp/service.out
	return 1
}

vhost_user() {
	qemu-storage-daemon --blockdev driver=host_device,filename=/dev/nullb0,node-name=disk,cache.direct=on,aio=io_uring \
		--export type=vhost-user-blk,id=disk,node-name=disk,addr.type=unix,addr.path=/tmp/socket,writable=on &
	_back=$!
	await test -S /tmp/socket || return
	measure husk_run --disk disk,where=vhost-user:/tmp/socket
	kill $_back
}

# The VM that serves has its disk by husk's kernel
vm() {
	mkdir -p /tmp/service/guest
	cp "$(command -v husk-backend)" /tmp/service/guest/
	printf '#!/bin/sh\nstty -echo\n/guest/husk-backend /dev/vda &\necho serving:\nread line\n' >/tmp/service/guest/run
	chmod 755 /tmp/service/guest/run
	(cd /tmp/service && find guest | cpio -o -H newc 2>/dev/null | gzip >../service.gz)
	cat /lab/guest/initrd.gz /tmp/service.gz >/tmp/service.initrd
	mkfifo /tmp/service.type
	sleep 100000 <>/tmp/service.type &
	keys=$!
	husk run --name service --memory 256M --kernel "$image" --initrd /tmp/service.initrd --cmdline "$append" \
		--disk /dev/nullb0,where=kernel --export </tmp/service.type >/tmp/service.out 2>&1 &
	await grep -q ^serving: /tmp/service.out || return
	measure husk_run --disk disk,where=vm:service
	husk kill service
	kill $keys
}

begin || exit
case $how in
bare) measure $T/io_load "$LAB_DISK" "$@" ;;	# the same kernel and program, and a device that costs no instructions here
kvm_no_poll) measure kvm ,poll-max-ns=0 ;;
kvm*) measure kvm "" ;;
kernel*) measure kernel ;;
worker) measure husk_run --disk /dev/nullb0,where=worker ;;
*) $how ;;
esac
