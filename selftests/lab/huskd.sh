# SPDX-License-Identifier: GPL-2.0
# The daemon: definitions, start, stop, restart, its own death, the worker's jail.
. ./lib.sh
FAIL=1 USAGE=2 INPUT=3 HOST=4 NAME=5
KERNEL=$T/boot_mb.bin
refused huskd_no_module $HOST 'husk.ko|not loaded' huskd
load || { not_ok huskd_load "$(dmesg | tail -n 1)"; exit 0; }
chmod 666 /dev/husk

equal() { [ "$2" = "$3" ] && ok "$1" || not_ok "$1" "'$2', not '$3'"; }
like() { echo "$2" | tr '\n' ' ' | grep -qE -e "$3" && ok "$1" || not_ok "$1" "no '$3' in: $2"; }
# until NAME SECONDS COMMAND...: it succeeds in that time
until_() {
	_name=$1 _tries=$(($2 * 5))
	shift 2
	for _i in $(seq 1 $_tries); do "$@" >/tmp/until.out 2>&1 && { ok "$_name"; return; }; sleep 0.2; done
	not_ok "$_name" "$(tail -n 1 /tmp/until.out)"
}
# says FILE PATTERN
says() { grep -qE -e "$2" "$1"; }
state() { husk ls --all --json | grep -o "\"name\": \"$1\".*\"state\": \"[a-z]*\"" | sed 's/.*"state": "//; s/".*//'; }
is() { [ "$(state "$1")" = "$2" ]; }
worker() { husk show --json "$1" | grep -o '"owner_pid": [0-9]*' | tr -dc 0-9; }
types() { echo "$2" | husk console "$1" >/dev/null 2>&1 & sleep 0.3; kill $! 2>/dev/null; }
daemon_on() {
	huskd 2>>/tmp/huskd.log &
	daemon=$!
	for _i in $(seq 1 100); do husk_ready && return; sleep 0.1; done
	not_ok huskd_ready "$(tail -n 1 /tmp/huskd.log)"
}
husk_ready() { [ "$(grep -c 'huskd: ready' /tmp/huskd.log)" -ge "$daemons" ]; }
daemons=1
: >/tmp/huskd.log

# ---- definitions ----
refused define_no_name $USAGE 'name' husk create --kernel $KERNEL
refused define_bad_name $USAGE 'no name' husk create --kernel $KERNEL ../etc
refused define_not_root $HOST 'root' setuidgid user husk create --kernel $KERNEL mine
refused define_no_kernel $INPUT 'nosuch' husk create --kernel /tmp/nosuch web
refused define_bad_memory $INPUT 'memory' husk create --kernel $KERNEL --memory 1M web
refused define_bad_restart $INPUT 'restart' husk create --kernel $KERNEL --restart sometimes web
refused define_line $USAGE 'one line' husk create --kernel $KERNEL --cmdline 'a
b' web
[ ! -e /etc/husk/vms/web.conf ] && ok define_none || not_ok define_none "$(ls /etc/husk/vms)"
cp $KERNEL /tmp/kernel
(cd /tmp && husk create --kernel kernel --memory 32M --cmdline serve --restart on-failure web) && ok define || not_ok define "status $?"
refused define_twice $NAME 'already' husk create --kernel $KERNEL web
like define_file "$(cat /etc/husk/vms/web.conf)" '\[vm\].*kernel = /tmp/kernel memory = 32M cmdline = serve uuid = .*\[service\] restart = on-failure'
is web off && ok define_off || not_ok define_off "$(state web)"
like define_table "$(husk ls --all)" '- +web +off'
EDITOR='sed -i s/32M/48M/' check edit husk edit web
EDITOR='sed -i s/48M/none/' refused edit_bad $INPUT 'memory' husk edit web
EDITOR=false refused edit_fails $FAIL 'as it was' husk edit web
like edit_kept "$(cat /etc/husk/vms/web.conf)" 'memory = 48M'
echo 'colour = blue' >>/etc/husk/vms/web.conf
refused edit_key $INPUT 'no "colour"' env EDITOR=true husk edit web
sed -i /colour/d /etc/husk/vms/web.conf
refused start_no_daemon $FAIL 'no daemon' husk start web

# ---- a life ----
daemon_on
refused second_daemon "[$FAIL$HOST]" 'daemon|registered' huskd
refused daemon_user $HOST 'root' setuidgid user huskd
refused start_unknown $NAME 'no VM is defined' husk start nobody
refused start_not_yours $HOST 'not yours' setuidgid user husk start web
check start husk start web
is web running && ok start_runs || not_ok start_runs "$(state web)"
refused start_twice $FAIL 'is running' husk start web
pid=$(worker web)
uid=$(awk '/^Uid:/ { print $2, $3, $4, $5 }' /proc/$pid/status)
equal jail_uid "$uid" "1879113728 1879113728 1879113728 1879113728"
equal jail_privileges "$(awk '/^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp|Groups):/ { printf "%s ", $2 }' /proc/$pid/status)" \
	" 0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 1 2 "
for ns in mnt net ipc uts; do
	_ns=$(readlink /proc/$pid/ns/$ns)
	[ "$_ns" ] && [ "$_ns" != "$(readlink /proc/self/ns/$ns)" ] && ok jail_ns_$ns || not_ok jail_ns_$ns "the host's"
done
equal jail_root "$(ls -A /proc/$pid/root/)" ""
equal jail_cgroup "$(cat /proc/$pid/cgroup)" "0::/husk/vm-web"
equal jail_memory "$(cat /sys/fs/cgroup/husk/vm-web/memory.max)" "$((48 * 1048576 * 9 / 8 + 128 * 1048576))"
equal jail_tasks "$(cat /sys/fs/cgroup/husk/vm-web/pids.max)" "65"
[ ! -e /sys/fs/cgroup/husk/vm-web/cpu.max ] || equal jail_cpu "$(cat /sys/fs/cgroup/husk/vm-web/cpu.max)" "200000 100000"
like console_output "$(husk logs --console web)" 'ok bss_zero.*serving'
like show "$(husk show web)" 'state +running.*owner +uid 0'

# out of the jail
$T/jail_try 1879113800
$T/jail_try 0
equal jail_device "$(ls -l /proc/$pid/fd | grep -c /dev/husk)" 0
equal jail_files "$(ls -l /proc/$pid/fd | grep -oE '/(run|tmp|lab|etc|var|dev|sys|proc)/.*' | sort -u | tr '\n' ' ')" \
	"/dev/null /run/husk/logs/web.console /run/husk/logs/web.end /run/husk/logs/web.log /run/husk/vms/web.vm /tmp/kernel "
sed 's/^\[service\]/[service]\nmemory-max = 128K/; s/^uuid.*//' /etc/husk/vms/web.conf >/etc/husk/vms/tight.conf
refused jail_memory_max $FAIL 'signal 9' husk start tight
sed 's/^\[service\]/[service]\ncpu-max = 10/; s/^\[vm\]/[vm]\nexport = yes/; s/^uuid.*//' /etc/husk/vms/web.conf >/etc/husk/vms/tight.conf
check jail_cpu_start husk start tight
equal jail_memory_export "$(cat /sys/fs/cgroup/husk/vm-tight/memory.max)" "$((48 * 1048576 * 9 / 8 + 128 * 1048576 + 256 * 1048576))"
types tight s
until_ jail_cpu_max 10 grep -q 'nr_throttled [1-9]' /sys/fs/cgroup/husk/vm-tight/cpu.stat
check jail_cpu_kill husk kill tight

# killed, and started again: the guest runs on
before=$(husk show --json web | grep -o '"id": [0-9]*' | head -n 1)
kill -9 $daemon
wait $daemon 2>/dev/null
refused start_daemon_gone $FAIL 'no daemon' husk start web
daemons=2
daemon_on
says /tmp/huskd.log "web: runs on, process $pid" && ok adopted || not_ok adopted "$(tail -n 2 /tmp/huskd.log)"
equal adopted_same "$(husk show --json web | grep -o '"id": [0-9]*' | head -n 1)" "$before"
refused adopted_running $FAIL 'is running' husk start web

# ends
check stop husk stop web
is web off && ok stop_off || not_ok stop_off "$(state web)"
until_ stop_clean 5 [ ! -e /run/husk/vms/web.vm ]
equal stop_left "$(ls /run/husk/vms /run/husk/logs /sys/fs/cgroup/husk | grep web)" ""
like stop_log "$(husk logs web)" '^20[0-9-]+ [0-9:]+ web: the guest powered off'
like stop_console "$(husk logs --console web)" 'serving.*button'
check start_anew husk start web
types web c
until_ crash_again 20 says /tmp/huskd.log 'web: is started again in 1 s'
until_ crash_restarts 30 is web running
like crash_log "$(husk logs web)" 'the guest crashed.*cause: shutdown.*last exits'
pid=$(worker web)
husk events --json >/tmp/events &
events=$!
until_ events_on 10 says /tmp/events '"web"'
kill -9 $pid
until_ killed_fault 10 says /tmp/events '"fault".*"name": "web".*"signal": 9, .*"last": \[\{'
kill $events
like killed_event "$(cat /tmp/events)" '"destroyed".*"detail": 9'
until_ killed_again 20 says /tmp/huskd.log 'web: has ended: the worker was ended by signal 9'
until_ killed_waits 10 is web waiting
check stop_waiting husk stop web
is web off && ok stop_waits_no_more || not_ok stop_waits_no_more "$(state web)"
check restart_start husk start web
pid=$(worker web)
check restart husk restart web
[ "$(worker web)" != "$pid" ] && is web running && ok restart_new || not_ok restart_new "the same worker"
refused delete_running $FAIL 'running' husk delete web
check kill husk kill web
until_ kill_off 5 is web off
sleep 0.5
is web off && ok kill_stays || not_ok kill_stays "$(state web)"

# a worker that hangs is ended by force, and that is that
check hang_start husk start web
pid=$(worker web)
kill -STOP $pid
check hang_kill husk kill web
sleep 1.5
is web off && ok hang_stays || not_ok hang_stays "$(state web)"

# a name that is taken
husk run --detach --name web --kernel $KERNEL --cmdline serve --memory 16M >/dev/null
refused name_start $FAIL 'not the daemon.s: user 0' husk start web
refused name_restart $FAIL 'not the daemon' husk restart web
like name_console "$(husk logs --console web)" 'serving'
check name_kill husk kill web
equal name_left "$(ls /run/husk)" "logs
vms"

# ended while nobody looked, and it is to be started again
check away_start husk start web
pid=$(worker web)
kill -9 $daemon
wait $daemon 2>/dev/null
kill -9 $pid
daemons=3
daemon_on
until_ away_restarts 30 is web running

# another owner; autostart
sed 's/^\[service\]/[service]\nowner = user/; s/^uuid.*//; s/serve/serve deaf/' /etc/husk/vms/web.conf >/etc/husk/vms/mine.conf
check owner_start setuidgid user husk start mine
equal owner_list "$(setuidgid user husk ls --json | grep -o '"name": "[a-z]*"')" '"name": "mine"'
like owner_console "$(setuidgid user husk logs --console mine)" 'serving'
check owner_pause setuidgid user husk pause mine
check owner_resume setuidgid user husk resume mine
[ "$(awk '/^Uid:/ { print $2 }' /proc/$(worker mine)/status)" = 1879113729 ] && ok owner_jail || not_ok owner_jail "not a uid of its own"
equal autostart_none "$(husk autostart --json)" "[]"
check autostart_on husk autostart mine on
equal autostart_list "$(husk autostart --json)" '["mine"]'
check stop_deaf husk stop --timeout 0.2 mine
like stop_deaf_log "$(husk logs mine)" 'did not power off in time'
check owner_start_again setuidgid user husk start mine
kill $daemon
wait $daemon
equal daemon_status $? 0
is mine running && ok daemon_leaves || not_ok daemon_leaves "$(state mine)"
check stop_all husk stop --timeout 20 --all
equal stop_all_none "$(husk ls --json)" "[]"
rm /run/husk/vms/autostarted
daemons=4
daemon_on
until_ autostarted 10 is mine running
is web off && ok autostart_only || not_ok autostart_only "$(state web)"

# the daemon is gone while a VM starts, by a worker that takes its time
kill $daemon
wait $daemon
check slow_kill husk kill mine
mkdir -p /tmp/slow
cp "$(command -v huskd)" "$(command -v husk)" /tmp/slow/
printf '#!/bin/sh\n[ -e /tmp/slow/go ] || sleep 1000\nexec /usr/bin/husk-vm "$@"\n' >/tmp/slow/husk-vm
chmod 755 /tmp/slow/husk-vm
PATH=/tmp/slow:$PATH
daemons=5
daemon_on
husk start --timeout 1 web 2>/tmp/slow/err
like slow_start "$(cat /tmp/slow/err)" 'in time|timed out'
is web changing && ok slow_changing || not_ok slow_changing "$(state web)"
refused slow_twice $FAIL 'is being started' husk start web
refused slow_delete $FAIL 'running' husk delete web
kill -9 $daemon
wait $daemon 2>/dev/null
touch /tmp/slow/go
daemons=6
daemon_on
until_ slow_again 20 is web running
rm /tmp/slow/go
check slow_stop husk stop web
husk start --timeout 0.3 web 2>/dev/null
check slow_kill_start husk kill web
until_ slow_off 5 is web off
check slow_mine husk autostart mine on
touch /tmp/slow/go

# a definition that does not start says why
sed 's/^kernel.*/kernel = \/tmp\/nosuch/' /etc/husk/vms/web.conf >/etc/husk/vms/bad.conf
refused start_says $FAIL 'nosuch' husk start bad
echo '[vm' >/etc/husk/vms/bad.conf
refused start_no_ini $FAIL 'bad.conf:1' husk start bad
check delete husk delete bad
refused delete_twice $NAME 'no VM' husk delete bad
check delete_autostarted husk delete mine
equal deleted "$(ls /etc/husk/autostart /var/log/husk | grep mine)" ""
kill $daemon
wait $daemon
grep -v '^huskd: \|^[a-z]*: \(runs\|has ended\|is \|stop-req\|killed\|crashed\|paused\|resumed\|does not\|can.t\|events\)' /tmp/huskd.log >/tmp/huskd.odd
[ ! -s /tmp/huskd.odd ] && ok huskd_log || not_ok huskd_log "$(head -n 1 /tmp/huskd.odd)"
unload && ok huskd_unload || not_ok huskd_unload "still in use"
