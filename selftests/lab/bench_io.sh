#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# bench_io.sh HOW TEST...: in the lab, with --icount: what a guest's disk costs, by KVM with QEMU (kvm; kvm_no_poll: its
# thread does not poll), or by husk's kernel or worker; bare: the guest's own part. scripts/bench reads the lines:
#	io HOW NAME TICKS BUSY ok
# TICKS are the time by the guest's clock, a ns for each instruction of the machine and for as long when its CPU was halted.
# BUSY are instructions of the whole machine around it, the guest's included; a test of the name null has those for asking.
# The disk takes no time: null_blk, which has no data either.
how=$1 kind=io
shift
. /lab/groups/bench_lib.sh
modprobe null_blk nr_devices=1 gb=1
append="$append io=$(echo "$*" | tr ' ' ,)"

kvm() {	# OPTIONS of the thread
	measure qemu -object "iothread,id=io$1" -drive file=/dev/nullb0,format=raw,if=none,id=disk,cache=none,aio=io_uring \
		-device virtio-blk-pci,drive=disk,iothread=io
}

begin || exit
case $how in
bare) measure $T/io_load "$LAB_DISK" "$@" ;;	# the same kernel and program, and a device that costs no instructions here
kvm) kvm "" ;;
kvm_no_poll) kvm ,poll-max-ns=0 ;;
*) measure husk_run --disk "/dev/nullb0,where=$how" ;;
esac
