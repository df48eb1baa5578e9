#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In a guest with several CPUs: smp.sh CPUS CLOCKSOURCE, or smp.sh reboot. Prints
# "SMP ok NAME" or "SMP not ok NAME: why".
ok() { echo "SMP ok $1"; }
not_ok() { echo "SMP not ok $1: $2"; }
online() { grep -c ^processor /proc/cpuinfo; }
CPU=/sys/devices/system/cpu

# put CPU N on line (1) or off (0)
turn() { echo "$2" >$CPU/cpu$1/online && [ "$(cat $CPU/cpu$1/online)" = "$2" ]; }

# all but the first off, one after the other, and back, ROUNDS times
cycles() {
	_n=0
	while [ $_n -lt "$1" ]; do
		for _c in $others; do turn $_c 0 || { echo "CPU $_c does not go off line"; return 1; }; done
		[ "$(online)" = 1 ] || { echo "$(online) CPUs are left"; return 1; }
		for _c in $others; do turn $_c 1 || { echo "CPU $_c does not come back"; return 1; }; done
		_n=$((_n + 1))
	done
	[ "$(online)" = "$cpus" ] || { echo "$(online) CPUs came back"; return 1; }
}

others=$(ls -d $CPU/cpu[0-9]* | sed 's/.*cpu//' | grep -vx 0 | sort -n)

if [ "$1" = reboot ]; then
	/guest/ipis 1000 &
	(while :; do cycles 1; done) >/dev/null 2>&1 &
	echo SMP-BUSY
	sleep 1
	reboot -f
fi
cpus=$1
[ "$(online)" = "$cpus" ] && ok cpus || not_ok cpus "$(online), not $cpus"
/guest/ipis 2 && ok storm || not_ok storm "status $?"
if [ "$cpus" -gt 1 ]; then
	why=$(cycles 3) && ok offline || not_ok offline "$why"
	/guest/ipis 4 &
	why=$(cycles 1) && ok offline_storm || not_ok offline_storm "$why"
	wait
	# each CPU but the one that asks tells by an NMI what it does
	dmesg -c >/tmp/log
	echo l >/proc/sysrq-trigger
	sleep 1
	dmesg >/tmp/nmi
	cat /tmp/nmi >>/tmp/log
	heard=$(grep -c 'NMI backtrace for cpu' /tmp/nmi)
	[ "$heard" = "$cpus" ] && ok nmi || not_ok nmi "$heard CPUs answered"
	sed -i '/^.*sysrq: /,$d' /tmp/log	# those are no complaints
else
	dmesg >/tmp/log
fi
# not before: Linux measures the TSC's frequency for a second first
clock=$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)
[ "$clock" = "$2" ] && ok clocksource || not_ok clocksource "$clock, not $2"
if [ "$2" = tsc ]; then unsteady='|TSC unstable|TSC warp|unsynchronized'; else unsteady=; fi
bad=$(grep -E "stall|lockup|hung task|BUG|WARNING: CPU|Call Trace|inconsistent|Firmware Bug|clocksource:.*unstable|CPU[0-9]* is stuck$unsteady" /tmp/log | head -n 1)
[ -z "$bad" ] && ok log || not_ok log "$bad"
