# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# QEMU TCG with an AMD CPU that has SVM, nested paging and vGIF.
# The interface of a machine file is described in machine.txt.

machine_about() {
	echo "QEMU TCG, AMD EPYC with SVM, NPT, vGIF"
}

qemu_major() {
	qemu-system-x86_64 --version 2>/dev/null | sed -n '1s/.*version \([0-9]*\).*/\1/p'
}

machine_usable() {
	[ -n "$(qemu_major)" ] || { echo "no qemu-system-x86_64: run scripts/deps qemu"; return 1; }
}

qemu_cpu() {
	# QEMU before 10 crashes newer kernels at random around cmpxchg16b
	if [ "$(qemu_major)" -ge 10 ]; then echo EPYC,+svm,+npt,+vgif; else echo EPYC,-cx16,+svm,+npt; fi
}

# QEMU 10.0 loses an interrupt now and then: it stays in the APIC's IRR, while the CPU, GIF
# and IF set, halts or runs on for ever (at #VMEXIT it changes interrupt_request without the
# lock under which its timers' thread does). With any other interrupt QEMU looks at IRR again:
# a key each second, as long as QEMU is there, whose process id is given.
press_keys() {
	exec </dev/null >/dev/null 2>&1 8<>"$LAB_DIR/keys"
	while sleep 1 && kill -0 "$1"; do echo 'sendkey shift' >&8; done
}

# Any XRSTOR, FXRSTOR or FNINIT of any CPU makes QEMU clear a flag of its *first* CPU's (IGNNE, of the days of FERR#), in
# a word that has the flags for GIF and nested paging as well, and with no lock: what #VMEXIT or VMRUN of the first CPU
# write there at that moment is lost, and the host runs over nested page tables, or the guest without them. So a machine
# with several CPUs has one more, the first, where nothing runs that is not told to.
machine_cpus() {
	if [ "$LAB_CPUS" = 1 ] || [ "$LAB_ICOUNT" ]; then echo "$LAB_CPUS"; else echo $((LAB_CPUS + 1)); fi
}

machine_start() {
	local kernel=$LAB_VMLINUX append self=$BASHPID
	# the sanitizer kernel triple-faults by the PVH entry
	[ "$LAB_KERNEL" != san ] && [ -e "$kernel" ] || kernel=$LAB_VMLINUZ
	local -a opt=(-accel tcg -cpu "${LAB_CPU:-$(qemu_cpu)}" -m "$LAB_MEMORY" -smp "$(machine_cpus)" -display none -no-reboot
		-nodefaults -no-user-config -kernel "$kernel" -initrd "$LAB_INITRD"
		-chardev "file,id=console,path=$LAB_DIR/console.log" -serial chardev:console
		-device virtio-serial-pci,id=ports
		-chardev "file,id=status,path=$LAB_DIR/status" -device virtserialport,nr=2,chardev=status
		-chardev "file,id=tar,path=$LAB_DIR/out.tar" -device virtserialport,nr=3,chardev=tar
		-chardev "file,id=log,path=$LAB_DIR/boot.log" -device virtserialport,nr=4,chardev=log)
	append="lab.modules=virtio_pci,virtio_console lab.status=/dev/vport0p2 lab.tar=/dev/vport0p3 lab.log=/dev/vport0p4"
	if [ "$LAB_MODE" = shell ]; then
		opt+=(-chardev stdio,id=tty,mux=on,signal=off -serial chardev:tty -mon chardev=tty,mode=readline)
		append+=" lab.out=/dev/ttyS1"
	else
		mkfifo "$LAB_DIR/monitor.in" "$LAB_DIR/monitor.out"
		opt+=(-chardev stdio,id=out,signal=off -device virtserialport,nr=1,chardev=out
			-chardev "pipe,id=monitor,path=$LAB_DIR/monitor" -mon chardev=monitor)
		append+=" lab.out=/dev/vport0p1"
	fi
	if [ -z "$LAB_ICOUNT" ]; then	# there the key's interrupts would be counted
		mkfifo "$LAB_DIR/keys"
		press_keys "$self" &
		opt+=(-chardev "file,id=keys,path=/dev/null,input-path=$LAB_DIR/keys" -mon chardev=keys)
	fi
	if [ "$LAB_DISK" ]; then
		opt+=(-drive "file=$LAB_DISK,format=raw,if=none,snapshot=on,id=disk" -device virtio-blk-pci,drive=disk)
		append+=" lab.disk=/dev/vda"
		append=${append/lab.modules=/lab.modules=virtio_blk,}
	fi
	# all CPUs have one TSC here, which CPUID does not tell; what the keys do for the first, init does for the others
	[ "$LAB_CPUS" = 1 ] || append+=" tsc=reliable lab.visit"
	[ "$LAB_CPUS" = "$(machine_cpus)" ] || append+=" isolcpus=0"
	[ -z "$LAB_ICOUNT" ] || opt+=(-icount "shift=0,sleep=off" -seed 1 -rtc clock=vm)
	exec qemu-system-x86_64 "${opt[@]}" -append "console=ttyS0 cryptomgr.notests no_timer_check $append $LAB_APPEND"
}

# An interrupt in IRR while the CPU has halted with RFL's IF (0x200) set is one that QEMU has lost
machine_autopsy() {
	# where QEMU has not opened them, opening them would wait for ever
	timeout 3 sh -c 'printf "info lapic\ninfo registers -a\n" >"$0.in"; cat "$0.out"' "$LAB_DIR/monitor"
}

# results are where they belong already
machine_finish() { :; }
