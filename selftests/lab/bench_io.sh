#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# bench_io.sh HOW TEST...: in the lab, with --icount: what a guest's disk costs, by KVM with QEMU (kvm; kvm_no_poll: its
# thread does not poll), or by husk's kernel or worker; bare: the guest's own part. scripts/bench reads the lines:
#	io HOW NAME TICKS IDLE ok
# TICKS are instructions of the whole machine, the guest's included, and IDLE those of them that no CPU executed, as it
# was halted. The disk takes no time: null_blk, which has no data either.
. /lab/groups/lib.sh
how=$1
shift
image=$(ls /lab/guest/vmlinuz-* | head -n 1)
cat /lab/guest/initrd.gz /lab/tests/io-guest.gz >/tmp/initrd
modprobe null_blk nr_devices=1 gb=1
append="console=ttyS0 quiet nokaslr panic=-1 io=$(echo "$*" | tr ' ' ,)"

idle() { tr : ' ' </proc/timer_list | awk '/\.(idle|iowait)_sleeptime/ { n += $2 } END { printf "%.0f", n }'; }

# The guest's console is our input, its keyboard is open as 5.
drive() {
	while read -r word name ticks rest; do
		rest=$(echo "$rest" | tr -d '\r')
		case $word in
		ready) before=$(idle) && echo >&5 ;;
		done) echo "io $how $name $ticks $(($(idle) - before)) $rest" ;;
		esac
	done
}

measure() {	# COMMAND...
	mkfifo /tmp/type
	exec 5<>/tmp/type
	"$@" <&5 2>/tmp/err | tee /tmp/out | drive
	exec 5>&-
	grep -q '^done' /tmp/out || { tail -n 5 /tmp/err /tmp/out; return 1; }
}

with_kvm() {	# OPTIONS of the thread
	kvm_on || exit
	measure qemu-system-x86_64 -accel kvm -cpu host -M q35 -nodefaults -no-user-config -display none -no-reboot -m 256 \
		-kernel "$image" -initrd /tmp/initrd -append "$append" -chardev stdio,id=console,signal=off -serial chardev:console \
		-object "iothread,id=io$1" -drive file=/dev/nullb0,format=raw,if=none,id=disk,cache=none,aio=io_uring \
		-device virtio-blk-pci,drive=disk,iothread=io
}

with_husk() {	# where=
	insmod /lab/husk.ko || exit
	measure husk run --name bench --memory 256M --kernel "$image" --initrd /tmp/initrd --cmdline "$append" \
		--disk "/dev/nullb0,where=$1"
}

# The same kernel and program on the lab's own virtio disk, whose device costs no instructions here
bare() {
	(cd /tmp && gunzip -c /lab/tests/io-guest.gz | cpio -id 2>/dev/null)
	measure /tmp/guest/io_load "$LAB_DISK" "$@"
}

case $how in
bare) bare "$@" ;;
kvm) with_kvm "" ;;
kvm_no_poll) with_kvm ,poll-max-ns=0 ;;
*) with_husk "$how" ;;
esac
