# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# What the Bochs machines share. A machine file sources this and sets bochs_model.
# The four serial ports carry everything out: console, the script's output, boot
# log and status, files. The interface of a machine is described in machine.txt.

BOCHS=$CACHE/bochs

# How a network namespace is to be had: by rights, or by a user namespace, which a chroot has none of
bochs_namespace() {
	local options
	for options in -n -rn; do
		unshare $options true 2>/dev/null && { echo $options; return; }
	done
	return 1
}

machine_usable() {
	[ -e "$BOCHS/bochs-bin" ] || { echo "no Bochs: run scripts/deps bochs"; return 1; }
	bochs_namespace >/dev/null || { echo "Bochs is run in a network namespace, and unshare makes none here, with -n or -rn"; return 1; }
}

# path of the option ROM that starts the kernel; made on first use of its source
bochs_rom() {
	local rom tmp=$BOCHS/loader.$$
	rom=$BOCHS/loader-$(cat "$LAB_D/bochs-loader.S" "$LAB_D/bochs-disk" | cksum | cut -d' ' -f1).rom
	[ -e "$rom" ] || {
		gcc -m32 -c -o "$tmp.o" "$LAB_D/bochs-loader.S" && ld -m elf_i386 -Ttext 0 --oformat binary -o "$tmp.bin" "$tmp.o" &&
			"$LAB_D/bochs-disk" rom "$tmp.bin" "$tmp.rom" && mv "$tmp.rom" "$rom"
		rm -f "$tmp".*
	}
	echo "$rom"
}

machine_start() {
	local rom second= tty=file,dev=/dev/fd/3
	local append="console=ttyS0,115200 lab.out=/dev/ttyS1 lab.status=/dev/ttyS2 lab.log=/dev/ttyS2 lab.tar=/dev/ttyS3"
	# FSRM: the kernel would copy by rep movsb, which is slow there. APERF and MPERF are
	# offered and missing. A reset would boot again: a triple fault ends it.
	# A search for leaks takes minutes.
	append+=" clearcpuid=fsrm,aperfmperf cryptomgr.notests no_timer_check nokaslr reboot=t kmemleak=off $LAB_APPEND"
	if [ "$LAB_DISK" ]; then
		second="ata0-slave: type=disk, path=\"$LAB_DISK\", mode=volatile, journal=\"$LAB_DIR/journal\""
		append+=" lab.modules=ata_piix,sd_mod lab.disk=/dev/sdb"
	fi
	rom=$(bochs_rom)
	"$LAB_D/bochs-disk" disk "$LAB_VMLINUX" "$LAB_INITRD" "$LAB_MEMORY" "$append" "$LAB_DIR/disk" || exit
	[ "$LAB_MODE" != shell ] || tty=term,dev=/dev/tty
	# more memory than 2 GB may be offered, not touched
	cat >"$LAB_DIR/bochsrc" <<-END
		config_interface: textconfig
		display_library: rfb, options="timeout=0"
		cpu: model=${LAB_CPU:-$bochs_model}, count=$LAB_CPUS, ips=50000000, reset_on_triple_fault=0
		memory: guest=$LAB_MEMORY, host=$((LAB_MEMORY < 2048 ? LAB_MEMORY : 2048)), block_size=512
		romimage: file="$BOCHS/BIOS-bochs-latest", options=fastboot
		vgaromimage: file="$BOCHS/vgabios.bin"
		optromimage1: file="$rom", address=0xd0000
		ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
		ata0-master: type=disk, path="$LAB_DIR/disk", mode=flat
		$second
		plugin_ctrl: speaker=0, parallel=0, gameport=0, iodebug=0, biosdev=0
		sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
		boot: disk
		clock: sync=none, time0=utc
		com1: enabled=1, mode=file, dev="$LAB_DIR/console.log"
		com2: enabled=1, mode=${tty%%,*}, ${tty#*,}
		com3: enabled=1, mode=file, dev="$LAB_DIR/boot.log"
		com4: enabled=1, mode=file, dev="$LAB_DIR/out.tar"
		log: $LAB_DIR/bochs.log
		panic: action=fatal
		error: action=report
		info: action=ignore
	END
	# Debian's build starts in its debugger
	echo c >"$LAB_DIR/bochs.rc"
	export BXSHARE=$BOCHS LTDL_LIBRARY_PATH=$BOCHS/plugins
	# its only display without a screen listens on the network: on one of its own
	exec unshare $(bochs_namespace) "$BOCHS/lib/ld-linux-x86-64.so.2" --library-path "$BOCHS/lib" "$BOCHS/bochs-bin" \
		-q -f "$LAB_DIR/bochsrc" -rc "$LAB_DIR/bochs.rc" 3>&1 </dev/null >&2
}

machine_finish() {
	grep -a '^DONE ' "$LAB_DIR/boot.log" 2>/dev/null | tr -d '\r' >"$LAB_DIR/status"
	# why it ended, which VM entry failed on which check
	[ ! -s "$LAB_DIR/bochs.log" ] || grep -avE 'Unknown register|VMEXIT: ' "$LAB_DIR/bochs.log" | tail -n 1000 >"$LAB_DIR/emulator.log"
}
