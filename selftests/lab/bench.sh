#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In the lab, with --icount: KVM and husk in one boot. scripts/bench reads the lines.
. /lab/groups/lib.sh
EVENTS=/sys/kernel/tracing/events
modprobe null_blk nr_devices=1 gb=1	# a disk for doorbells
if kvm_on; then
	/lab/tests/bench kvm
	echo 1 >$EVENTS/kvm/kvm_exit/enable
	/lab/tests/bench kvm kvm_traced
	echo 0 >$EVENTS/kvm/kvm_exit/enable
	kvm_off
fi
insmod /lab/husk.ko || exit 1
/lab/tests/bench husk
echo N >/sys/module/husk/parameters/stats
/lab/tests/bench husk nostats
echo Y >/sys/module/husk/parameters/stats
echo 1 >$EVENTS/husk/husk_exit/enable
/lab/tests/bench husk traced
echo 0 >$EVENTS/husk/husk_exit/enable
# with PROGRAM LABEL: while the BPF program is attached
with() {
	bpftool prog load "$1" /sys/fs/bpf/bench autoattach && /lab/tests/bench husk "$2"
	rm /sys/fs/bpf/bench
}
with /lab/bpf/exits.bpf.o counted
with /lab/tests/policy_bench.bpf policy
# by LABEL COMMAND...: CPUID while what the command has attached decides it
by() {
	label=$1
	shift
	id=$("$@") && /lab/tests/bench husk "$label" cpuid && husk policy detach "$id"
}
mount -t bpf bpf /sys/fs/bpf 2>/dev/null
[ ! -d /lab/release ] || by struct_ops /lab/release/ld-linux-x86-64.so.2 --library-path /lab/release:/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu \
	/usr/bin/husk policy attach --fast --all /lab/tests/policy_bench_ops.bpf
by syscall husk policy attach --all --on cpuid /lab/tests/policy_bench.bpf
by worker husk policy attach --all --on cpuid /lab/tests/policy_worker.bpf

# From `husk run` to the guest's user space: the clock counts instructions
now() { awk '{ printf "%d", $1 * 100 }' /proc/uptime; }
image=$(ls /lab/guest/vmlinuz-* 2>/dev/null | head -n 1)
if [ -n "$image" ]; then
	start=$(now)
	husk run --detach --name bench --kernel "$image" --initrd /lab/guest/initrd.gz \
		--cmdline "console=ttyS0 quiet panic=-1 husk.run=\"sleep 1000\"" </dev/null >/tmp/run.out 2>&1
	# silence on the console: wait for the guest's init by its HLTs
	husk console bench </dev/null >/tmp/console.out 2>&1 &
	for i in $(seq 300); do
		grep -q HUSK-GUEST-UP /tmp/console.out && break
		sleep 0.1
	done
	if grep -q HUSK-GUEST-UP /tmp/console.out; then
		echo "bench husk boot_ms $((($(now) - start) * 10))"
		husk show --json bench >/tmp/show.json
		echo "bench husk boot_exits $(grep -o '"count": *[0-9]*' /tmp/show.json | awk -F: '{ n += $2 } END { print n }')"
	fi
	husk kill bench >/dev/null 2>&1
fi
rmmod husk
