# SPDX-License-Identifier: GPL-2.0
# Guests with several vCPUs: flat ones, and Debian's kernel: with SOAK each number of them,
# else as many as the host has CPUs, and twice that.
. ./lib.sh
host=$(nproc)
allowed=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
if [ -n "$SOAK" ]; then CPUS="1 2 4 8"; else CPUS="$host $((2 * host))"; fi
load || { not_ok smp_load "$(dmesg | tail -n 1)"; exit 0; }

$T/flat $($T/flat --list | grep ^smp_)

image=$(ls /lab/guest/vmlinuz-* 2>/dev/null | head -n 1)
[ -n "$image" ] || { skip smp_guest "no guest kernel here"; exit 0; }
cat /lab/guest/initrd.gz $T/smp-guest.gz >/tmp/initrd.gz
# a guest keeps time by its TSC if the host does
clock=$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)
case $clock in tsc) ;; *) clock=acpi_pm ;; esac

# guest CPUS: what its smp.sh finds
guest() {
	timeout -s KILL $((100 * ${SLOW:-1})) husk run --cpus $1 --kernel "$image" --initrd /tmp/initrd.gz \
		--cmdline "console=ttyS0 quiet panic=-1 husk.run=\"/guest/smp.sh $1 $clock\"" </dev/null >/tmp/guest.out 2>&1
	_status=$?
	tr -d '\r' </tmp/guest.out | sed -n "s/^SMP ok /ok smp_guest_$1_/p; s/^SMP not ok /not ok smp_guest_$1_/p"
	grep -q 'SMP .*ok log' /tmp/guest.out && [ $_status = 0 ] && ok smp_guest_$1 ||
		not_ok smp_guest_$1 "status $_status: $(tail -n 1 /tmp/guest.out | tr -d '\r' | cut -c1-150)"
}

# resets CPUS: while all is busy, three times
resets() {
	: >/tmp/reset.out	# the loop below may look before the shell beside us has made it
	husk run --cpus $1 --name busy$1 --kernel "$image" --initrd /tmp/initrd.gz \
		--cmdline "console=ttyS0 quiet panic=-1 husk.run=\"/guest/smp.sh reboot\"" </dev/null >/tmp/reset.out 2>&1 &
	_n=0
	while [ "$(grep -c SMP-BUSY /tmp/reset.out)" -lt 4 ] && [ $_n -lt $((100 * ${SLOW:-1})) ]; do
		sleep 1
		_n=$((_n + 1))
	done
	_seen=$(grep -c SMP-BUSY /tmp/reset.out)
	husk kill busy$1 >/dev/null 2>&1
	wait
	[ "$_seen" -ge 4 ] && ok smp_reset_$1 ||
		not_ok smp_reset_$1 "$_seen boots: $(grep -a -e '^cause:' -e '^husk:' /tmp/reset.out | tr -d '\r' | tail -n 2 | tr '\n' ' ' | cut -c1-250)"
}

# pinned: each vCPU's thread where it was put
pinned() {
	_first=${allowed%%[-,]*} _last=${allowed##*[-,]}
	husk run --detach --cpus 2 --name pinned --pin 0=$_last,1=$_first --kernel "$image" --initrd /tmp/initrd.gz \
		--cmdline "console=ttyS0 quiet husk.run=\"sleep 100\"" </dev/null >/tmp/pin.out 2>&1
	_where=
	for _t in /proc/$(pidof husk-vm)/task/*; do
		case $(cat $_t/comm) in vcpu*) _where="$_where $(cat $_t/comm)=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' $_t/status)" ;; esac
	done
	husk kill pinned >/dev/null 2>&1
	[ "$_where" = " vcpu0=$_last vcpu1=$_first" ] && ok smp_pin || not_ok smp_pin "$_where $(tail -n 1 /tmp/pin.out)"
}

for n in $CPUS; do guest $n; done
for n in $CPUS; do [ $n = 1 ] || resets $n; done
pinned
check smp_unload unload
exit 0
