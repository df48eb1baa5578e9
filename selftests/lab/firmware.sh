# SPDX-License-Identifier: GPL-2.0
# What a machine boots beside a bzImage: multiboot, PVH, firmware and boot loaders.
. ./lib.sh
F=/lab/firmware
[ -e $F/grub.img ] || { skip firmware "no images here (scripts/mk-firmware-images)"; exit 0; }
load || { not_ok firmware_load "$(dmesg | tail -n 1)"; exit 0; }
mkdir -p /usr/share/seabios /usr/share/ovmf
ln -sf $F/bios-256k.bin /usr/share/seabios/
ln -sf $F/OVMF.fd /usr/share/ovmf/
# statuses of userland/lib/status.h
USAGE=2 INPUT=3


# ends NAME STATUS TEXT ARGS...: 'husk run' ends so, and the console has had TEXT (a regular expression)
ends() {
	_name=$1 _status=$2 _text=$3
	shift 3
	timeout -s KILL 60 husk run "$@" </dev/null >/tmp/ends.out 2>&1
	_got=$?
	if [ $_got != "$_status" ]; then
		not_ok "$_name" "status $_got: $(tail -n 1 /tmp/ends.out | tr -d '\r' | cut -c1-150)"
	elif ! tr -d '\r' </tmp/ends.out | grep -qaE -e "$_text"; then
		not_ok "$_name" "no '$_text': $(tail -n 1 /tmp/ends.out | tr -d '\r' | cut -c1-150)"
	else
		ok "$_name"
	fi
}

# wait_for TEXT SECONDS: until the console in /tmp/shows.out has it
wait_for() {
	_tries=$(($2 * 5))
	while [ $_tries -gt 0 ]; do
		tr -d '\r' </tmp/shows.out | grep -qaE -e "$1" && return
		_tries=$((_tries - 1))
		sleep 0.2
	done
	return 1
}

# a VM whose console is /tmp/shows.out and whose keys come from /tmp/keys
begin() {
	rm -f /tmp/keys /tmp/shows.out
	mkfifo /tmp/keys
	husk run --name shows "$@" <>/tmp/keys >>/tmp/shows.out 2>&1 &
	_run=$!
}

finish() {
	kill $_run
	wait $_run 2>/dev/null
}

# seen NAME TEXT SECONDS: the console has TEXT within so many seconds
seen() {
	if wait_for "$2" "$3"; then ok "$1"; else not_ok "$1" "no '$2': $(tail -n 1 /tmp/shows.out | tr -d '\r' | cut -c1-150)"; fi
}

# shows NAME TEXT SECONDS ARGS...: that; then the VM is ended
shows() {
	_name=$1 _text=$2 _seconds=$3
	shift 3
	begin "$@"
	seen "$_name" "$_text" "$_seconds"
	finish
}

# to its prompt; after a reset from there it is what boots again
u_boot() {
	begin --firmware $F/u-boot.rom --memory 512M
	wait_for 'autoboot' 30 && printf 'x' >/tmp/keys
	seen u_boot '^=> ' 30
	: >/tmp/shows.out
	printf 'reset\r' >/tmp/keys
	seen u_boot_reset '^U-Boot 20' 30
	finish
}

# The test kernel in three formats. A stack segment that wraps at 4 GiB is more than QEMU's CPU
# takes in an interrupt, so the one that is linked high gets none.
formats() {
	echo 'content of the first' >/tmp/first
	echo 'content of the second' >/tmp/second
	ends multiboot_elf 1 'ok no_testdev' --kernel $T/boot_mb.elf --debug-exit --module /tmp/first,words --cmdline "some devless"
	ends multiboot_flat 1 'ok line' --kernel $T/boot_mb.bin --debug-exit --testdev --cmdline testdev
	ends pvh 1 'ok line' --kernel $T/boot_pvh.elf --debug-exit --testdev --cmdline testdev
	for f in mb.elf mb.bin pvh.elf; do
		ends modules_$f 1 'module 1: .*other$' --kernel $T/boot_$f --debug-exit --module /tmp/first,words --module /tmp/second,other
		grep -qa 'not ok' /tmp/ends.out && not_ok "modules_$f" "$(grep -a 'not ok' /tmp/ends.out | head -n 1)"
		grep -qa 'content: content of the second' /tmp/ends.out && ok modules_content_$f ||
			not_ok modules_content_$f "the second module has other content"
		ends initrd_$f 1 'content: content of the first' --kernel $T/boot_$f --debug-exit --initrd /tmp/first
	done
	ends debug_exit_8 103 'cmdline' --kernel $T/boot_mb.elf --debug-exit --cmdline exit8
	ends debug_exit_16 43 'cmdline' --kernel $T/boot_pvh.elf --debug-exit --cmdline exit16
	ends multiboot_vcpus 1 'ok magic' --kernel $T/boot_mb.elf --debug-exit --cpus 2
}

bad() {
	cp $T/boot_mb.elf /tmp/bad
	printf '\377\377\377\377' | dd of=/tmp/bad bs=1 seek=64 conv=notrunc 2>/dev/null	# the physical address of the first segment
	refused bad_segment $INPUT 'segment' husk run --kernel /tmp/bad
	head -c 8000 $T/boot_mb.elf >/tmp/bad
	refused bad_truncated $INPUT 'truncated|shorter' husk run --kernel /tmp/bad
	refused bad_module_missing $INPUT 'nosuch' husk run --kernel $T/boot_mb.elf --module /tmp/nosuch
	head -c 20000000 /dev/zero >/tmp/large
	refused bad_module_large $INPUT 'memory' husk run --kernel $T/boot_mb.elf --module /tmp/large --memory 16M
	rm /tmp/large
	refused bad_firmware_missing $INPUT 'nosuch' husk run --firmware /tmp/nosuch
	refused bad_firmware_small $INPUT '64K' husk run --firmware /tmp/first
	refused bad_firmware_and_kernel $USAGE 'firmware' husk run --firmware seabios --kernel $T/boot_mb.elf
	refused bad_firmware_and_initrd $USAGE 'belong to a --kernel' husk run --firmware seabios --initrd /tmp/first
	refused bad_kernel_and_fw_cfg $USAGE 'belong to a --firmware' husk run --kernel $T/boot_mb.elf --fw-cfg opt/a=b
	refused bad_fw_cfg $USAGE 'NAME=' husk run --firmware seabios --fw-cfg word
	refused bad_uuid $USAGE 'uuid' husk run --kernel $T/boot_mb.elf --uuid 1234
	refused bad_cpuid $USAGE 'nosuch' husk run --kernel $T/boot_mb.elf --cpuid hide=nosuch
	husk run --cpuid show,hide=rdrand >/tmp/cpuid.out 2>&1 && grep -q '^0x1.0: .* pae ' /tmp/cpuid.out && ! grep -q rdrand /tmp/cpuid.out &&
		ok cpuid_show || not_ok cpuid_show "$(head -n 1 /tmp/cpuid.out)"
	refused bad_serial $USAGE 'printable' husk run --kernel $T/boot_mb.elf --serial-number "$(head -c 65 /dev/zero | tr '\0' a)"
}

# Ready-made images
images() {
	shows seabios 'No bootable device' 15 --firmware seabios --memory 64M --cpus 2
	ends grub 7 'ALL TESTS PASSED' --memory 64M --disk $F/grub.img,readonly --no-reboot
	# the same from a disk that the kernel serves: a firmware's buffers lie anyhow
	modprobe loop
	losetup -r /dev/loop5 $F/grub.img
	ends grub_kernel 7 'ALL TESTS PASSED' --memory 64M --disk /dev/loop5,readonly,where=kernel --no-reboot
	ends grub_pvscsi 7 'ALL TESTS PASSED' --memory 64M --disk /dev/loop5,readonly,bus=pvscsi --no-reboot
	losetup -d /dev/loop5
	# the second disk first: a file of the user's in place of ours
	head -c 1000000 /dev/zero >/tmp/blank
	ends boot_order 7 'ALL TESTS PASSED' --memory 64M --disk /tmp/blank --disk $F/grub.img,readonly --no-reboot \
		--fw-cfg bootorder=/pci@i0cf8/scsi@2/disk@0,0
	u_boot
	shows memtest 'Testing: +0KB|#0 +\[Address test' 90 --kernel $F/memtest.bin --memory 32M --cmdline console=ttyS0,115200
	shows gnumach 'GNU Mach' 20 --kernel $F/gnumach --cmdline console=com0
	shows xen 'dom0 kernel not specified' 30 --kernel $F/xen --memory 512M --cmdline 'console=com1 com1=115200,8n1,0x3f8 noreboot no-real-mode'
	# QEMU's nested paging hangs with PAE; neither machine has a reason to do without it
	case $LAB_MACHINE in qemu-*) k=686 ;; *) k=686-pae ;; esac
	ends linux_$k 0 "HUSK-GUEST-UP .*$k" --kernel $F/vmlinuz-$k --initrd $F/initrd-686.gz --cmdline 'console=ttyS0 quiet'
	case $LAB_MACHINE${SOAK:-} in
	qemu-*4) shows ovmf 'Shell>' 120 --firmware ovmf --memory 256M --disk $F/grub.img,readonly ;;
	*) skip ovmf "takes a minute, with --all; Bochs stops at an instruction of it" ;;
	esac
}

# linux NAME TEXT WORDS [ARGS...]: Debian's kernel with those words on its command line
linux() {
	_n=$1 _t=$2 _w=$3
	shift 3
	ends "linux_$_n" 0 "$_t" --kernel /lab/guest/vmlinuz-6.1 --initrd /lab/guest/initrd.gz --cmdline "console=ttyS0 panic=-1 quiet $_w" "$@"
}

odd_command_lines() {
	ends linux_pvh 0 'HUSK-GUEST-UP' --kernel $F/vmlinux-pvh --initrd /lab/guest/initrd.gz --memory 384M --cmdline 'console=ttyS0 quiet panic=-1'
	[ -e /lab/guest/vmlinuz-6.1 ] || { skip odd_command_lines "no guest kernel here"; return; }
	linux nox2apic_notsc HUSK-GUEST-UP 'nox2apic notsc clocksource=acpi_pm' --cpus 2
	linux nosmp_noapic HUSK-GUEST-UP 'nosmp noapic' --cpus 2
	if [ -n "${SOAK:-}" ]; then
		for words in nox2apic noapic nosmp notsc clocksource=acpi_pm nolapic; do
			linux "$words" HUSK-GUEST-UP "$words" --cpus 2
		done
	fi
	linux smbios_cpuid '^01234567-89ab-4def-8012-3456789abcde a serial number 0 1 husk$' \
		'husk.run="echo $(cat /sys/class/dmi/id/product_uuid /sys/class/dmi/id/product_serial; grep -cw rdrand /proc/cpuinfo; grep -cw apic /proc/cpuinfo; grep -o husk /proc/cpuinfo)"' \
		--cpuid hide=rdrand,0x80000002.eax=0x6b737568 --uuid 01234567-89AB-4def-8012-3456789abcde --serial-number 'a serial number'
}

formats
bad
images
odd_command_lines
check firmware_unload unload
exit 0
