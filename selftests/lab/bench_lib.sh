# SPDX-License-Identifier: GPL-2.0
# What bench_io.sh and bench_net.sh share: a guest with a load, in a lab with --icount. Sourced, with $how and $kind set.
. /lab/groups/lib.sh
image=$(ls /lab/guest/vmlinuz-* | head -n 1)
cat /lab/guest/initrd.gz /lab/tests/io-guest.gz >/tmp/initrd
append="console=ttyS0 quiet nokaslr panic=-1"

# Instructions so far that were not idle ones: with --icount a ns is one
busy() {
	awk '/^now at/ { n += $3 } /\.(idle|iowait)_sleeptime/ { split($0, f, ":"); n -= f[2] } END { printf "%.0f", n }' /proc/timer_list
}

# The guest's console is our input, its keyboard is open as 5. It waits for a line before a test and after it.
drive() {
	while read -r word name ticks rest; do
		rest=$(echo "$rest" | tr -d '\r')
		case $word in
		ready) before=$(busy) ;;
		done) echo "$kind $how $name $ticks $(($(busy) - before)) $rest" ;;
		*) continue ;;
		esac
		echo >&5
	done
}

measure() {	# COMMAND...
	mkfifo /tmp/type
	exec 5<>/tmp/type
	"$@" <&5 2>/tmp/err | tee /tmp/out | drive
	exec 5>&-
	grep -q '^done' /tmp/out || { tail -n 5 /tmp/err /tmp/out; return 1; }
}

qemu() {	# OPTION...
	qemu-system-x86_64 -accel kvm -cpu host -M q35 -nodefaults -no-user-config -display none -no-reboot -m 256 \
		-kernel "$image" -initrd /tmp/initrd -append "$append" -chardev stdio,id=console,signal=off -serial chardev:console "$@"
}

husk_run() {	# OPTION...
	husk run --name bench --memory 256M --kernel "$image" --initrd /tmp/initrd --cmdline "$append" "$@"
}

# KVM without its polling before it halts, which costs instructions: as cheap as it can be
begin() {
	case $how in
	kvm*) modprobe kvm halt_poll_ns=0 && kvm_on ;;
	*) insmod /lab/husk.ko ;;
	esac
}
