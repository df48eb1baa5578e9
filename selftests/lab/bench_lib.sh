# SPDX-License-Identifier: GPL-2.0
# What bench_io.sh and bench_net.sh share: guests with a load, in a lab with --icount. Sourced, with $how and $kind set.
. /lab/groups/lib.sh
image=$(ls /lab/guest/vmlinuz-* | head -n 1)
cat /lab/guest/initrd.gz /lab/tests/io-guest.gz >/tmp/initrd
append="console=ttyS0 quiet nokaslr panic=-1"
guests=1 memory=256

# Instructions so far that were not idle ones: with --icount a ns is one
busy() {
	awk '/^now at/ { n += $3 } /\.(idle|iowait)_sleeptime/ { split($0, f, ":"); n -= f[2] } END { printf "%.0f", n }' /proc/timer_list
}

# A word for the first COUNT guests, and another one for the others
tell() {	# COUNT
	for i in $(seq $guests); do
		if [ $i -le $1 ]; then echo go; else echo no; fi >/tmp/type$i
	done
}

# Lines of the guests' consoles are our input. All wait for a line before a test and after it. As many take part as the
# name of a test says behind "vms".
drive() {
	readies=0 dones=0 longest=0
	while read -r word name ticks rest; do
		rest=$(echo "$rest" | tr -d '\r')
		case $word in
		ready)
			readies=$((readies + 1))
			[ $readies = $guests ] || continue
			name=$(echo "$name" | tr -d '\r')
			case $name in vms*) part=${name#vms} ;; *) part=$guests ;; esac
			readies=0 dones=0 longest=0 bad=ok before=$(busy)
			tell $part
			;;
		done)
			dones=$((dones + 1))
			[ "$ticks" -lt $longest ] || longest=$ticks
			[ "$rest" = ok ] || bad=failed
			[ $dones = $guests ] || continue
			echo "$kind $how $name $longest $(($(busy) - before)) $bad"
			tell $guests
			;;
		esac
	done
}

# A line at a time, so that several can write
lines() { while read -r line; do echo "$line"; done; }

measure() {	# COMMAND...: once for each guest, which is $i
	for i in $(seq $guests); do
		rm -f /tmp/type$i
		mkfifo /tmp/type$i
		sleep 100000 <>/tmp/type$i &
		keys="$keys $!"
	done
	(
		for i in $(seq $guests); do "$@" </tmp/type$i 2>/tmp/err$i | lines & done
		wait
	) | tee /tmp/out | drive
	kill $keys
	grep -q '^done' /tmp/out || { tail -n 5 /tmp/err* /tmp/out; return 1; }
}

qemu() {	# OPTION...
	qemu-system-x86_64 -accel kvm -cpu host -M q35 -nodefaults -no-user-config -display none -no-reboot -m $memory \
		-kernel "$image" -initrd /tmp/initrd -append "$append" -chardev stdio,id=console,signal=off -serial chardev:console "$@"
}

husk_run() {	# OPTION...
	husk run --name bench$i --memory ${memory}M --kernel "$image" --initrd /tmp/initrd --cmdline "$append" "$@"
}

# KVM without its polling before it halts, which costs instructions: as cheap as it can be
begin() {
	case $how in
	kvm*) modprobe kvm halt_poll_ns=0 && kvm_on ;;
	*) insmod /lab/husk.ko ;;
	esac
}
