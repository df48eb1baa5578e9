#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In the lab, with --icount: what control costs with 1, 10, 100 and 200 VMs under one huskd.
# scripts/bench reads the lines "scale VMS WHAT NUMBER": KB, or us of CPU time, which with --icount are thousands of instructions.
. /lab/groups/lib.sh
: "${STEPS:=1 10 100 200}"
KERNEL=$T/boot_mb.bin

line() { echo "scale $vms $1 $2"; }
# measure WHAT ARGUMENTS...: the CPU time, and of what ends with another process's work the time
measure() {
	_what=$1
	shift
	set -- $($T/scale "$@")
	line $_what $(($1 / 1000))
	case $_what in start_husk | stop_husk) line ${_what%_husk}_time $(($2 / 1000)) ;; esac
}
# CPU time of a process so far, in us
used() { awk '{ printf "%d", $1 / 1000 }' /proc/$1/schedstat; }
pid_of() { husk show --json $1 | grep -o '"owner_pid": [0-9]*' | tr -dc 0-9; }
meminfo() { awk -v name="$1:" '$1 == name { print $2 }' /proc/meminfo; }
kernel_kb() { echo $(($(meminfo SUnreclaim) + $(meminfo KernelStack) + $(meminfo PageTables) + $(meminfo Percpu))); }
define() {
	printf '[vm]\nkernel = %s\nmemory = 16M\ncmdline = serve\n[service]\nrestart = on-failure\n' $KERNEL >/etc/husk/vms/$1.conf
}
start() { define $1; husk start $1 || echo "not ok scale_start: $1"; }

start_daemon() {
	: >/tmp/huskd.log
	huskd 2>/tmp/huskd.log &
	daemon=$!
	for _i in $(seq 100); do grep -q 'huskd: ready' /tmp/huskd.log && break; sleep 0.1; done
}
stop_daemon() {
	kill $daemon
	wait $daemon
}

insmod /lab/husk.ko || exit 1
mkdir -p /etc/husk/vms
start_daemon
start warm
husk stop warm
settle
free=$(memfree) kernel=$(kernel_kb) have=0
for vms in $STEPS; do
	while [ $have -lt $vms ]; do have=$((have + 1)); start vm$have; done
	settle
	line memory_kb $(((free - $(memfree)) / vms))
	line kernel_kb $((($(kernel_kb) - kernel) / vms))
	line pss_kb "$(awk '/^Pss:/ { print $2 }' /proc/$(pid_of vm$vms)/smaps_rollup)"
	line huskd_kb "$(awk '/^Rss:/ { print $2 }' /proc/$daemon/smaps_rollup)"
	line huskd_fds "$(ls /proc/$daemon/fd | wc -l)"
	stop_daemon
	start_daemon
	line adopt $(used $daemon)
	line adopted "$(grep -c 'runs on' /tmp/huskd.log)"
	line idle $(($($T/scale others 2000 | cut -d' ' -f1) / 2000))
	measure ls run 9 husk ls --json
	measure ls_all run 9 husk ls --all --json
	measure show run 9 husk show --json vm$vms
	measure list list 99
	_before=$(used $daemon)
	measure event event 200 vm$vms
	line event_huskd $((($(used $daemon) - _before) / 200))
	# one VM more: what the command, huskd and the worker use, and how long it takes
	define more
	husk start more
	husk stop more
	sleep 0.5
	_before=$(used $daemon)
	measure start_husk run 1 husk start more
	_daemon=$(($(used $daemon) - _before)) _worker=$(used "$(pid_of more)")
	line start_huskd $_daemon
	line start_worker $_worker
	_before=$(used $daemon)
	measure stop_husk run 1 husk stop more
	sleep 0.5
	line stop_huskd $(($(used $daemon) - _before))
	# statistics of all, each second, and one who listens to them
	for _i in $(seq $vms); do husk set --stats 1 vm$_i >/dev/null; done
	husk events --stats --json >/tmp/stats &
	events=$!
	sleep 2
	_lines=$(grep -c '"group": "stats"' /tmp/stats) _before=$(used $events)
	line stats $(($($T/scale others 2000 | cut -d' ' -f1) / 2000))
	# it listens for two seconds
	line stats_seen $((($(grep -c '"group": "stats"' /tmp/stats) - _lines) / 2))
	line stats_listener $((($(used $events) - _before) / 2))
	kill $events
	wait $events 2>/dev/null
	for _i in $(seq $vms); do husk set --stats 0 vm$_i >/dev/null; done
done
husk stop --timeout 60 --all
sleep 1
line left "$(ls /run/husk /sys/fs/cgroup/husk | grep -c '^vm[0-9]')"
stop_daemon
rmmod husk
