# SPDX-License-Identifier: GPL-2.0
# What bench_io.sh and bench_net.sh share: a guest with a load, in a lab with --icount, or so many $guests, of so many $cpus each;
# $guest is which one. Sourced, with $how and $kind set.
. /lab/groups/lib.sh
image=$(ls /lab/guest/vmlinuz-* | head -n 1)
cat /lab/guest/initrd.gz /lab/tests/io-guest.gz >/tmp/initrd
append="console=ttyS0 quiet nokaslr panic=-1"
guests=1 cpus=1

# Instructions so far that were not idle ones: the TSC counts them with --icount
mhz=$(awk '/^cpu MHz/ { print $4; exit }' /proc/cpuinfo)
busy() {
	awk -v mhz="$mhz" '/^now at/ { n += $3 } /\.(idle|iowait)_sleeptime/ { split($0, f, ":"); n -= f[2] }
		END { printf "%.0f", n * mhz / 1000 }' /proc/timer_list
}

# The guests' consoles are our input. Each waits for a line before a test and after it, which all get when the last one has come.
drive() {
	come=0
	while read -r word name ticks rest; do
		case $word in ready | done) come=$((come + 1)) ;; *) continue ;; esac
		[ $come = $guests ] || continue
		come=0
		[ $word = done ] && echo "$kind $how $name $ticks $(($(busy) - before)) $(echo "$rest" | tr -d '\r')" || before=$(busy)
		for _n in $(seq $guests); do echo >/tmp/type$_n; done
	done
}

# Whole lines
lines() { while read -r _line; do echo "$_line"; done; }

run() {	# COMMAND...
	for guest in $(seq $guests); do
		mkfifo /tmp/type$guest
		"$@" <>/tmp/type$guest 2>/tmp/err$guest | lines &
	done
	wait
}

measure() {	# COMMAND...
	run "$@" | tee /tmp/out | drive
	grep -q '^done' /tmp/out || { tail -n 5 /tmp/err* /tmp/out; return 1; }
}

qemu() {	# OPTION...
	qemu-system-x86_64 -accel kvm -cpu host -M q35 -nodefaults -no-user-config -display none -no-reboot -m 256 -smp $cpus \
		-kernel "$image" -initrd /tmp/initrd -append "$append" -chardev stdio,id=console,signal=off -serial chardev:console "$@"
}

husk_run() {	# OPTION...
	husk run --name bench$guest --memory 256M --cpus $cpus --kernel "$image" --initrd /tmp/initrd --cmdline "$append" "$@"
}

# KVM without its polling before it halts, which costs instructions: as cheap as it can be
begin() {
	case $how in
	kvm*) modprobe kvm halt_poll_ns=0 && kvm_on ;;
	*) insmod /lab/husk.ko $device_options ;;
	esac
}
