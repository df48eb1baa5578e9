# SPDX-License-Identifier: GPL-2.0
# The daemon in bad times: many lives of a VM, kill -9 at any moment of a start and a stop, two daemons, no
# room on disk, jumps of the clock. CYCLES and ROUNDS say how many lives and kills.
. ./lib.sh
: "${CYCLES:=20}" "${ROUNDS:=15}" "${SEED:=1}"
FAIL=1
load || { not_ok daemon_load "$(dmesg | tail -n 1)"; exit 0; }

equal() { [ "$2" = "$3" ] && ok "$1" || not_ok "$1" "'$2', not '$3'"; }
like() { echo "$2" | tr '\n' ' ' | grep -qE -e "$3" && ok "$1" || not_ok "$1" "no '$3' in: $2"; }
says() { grep -qE -e "$2" "$1"; }
# until_ NAME SECONDS COMMAND...: it succeeds in that time
until_() {
	_name=$1 _tries=$(($2 * 10))
	shift 2
	for _i in $(seq 1 $_tries); do "$@" >/tmp/until.out 2>&1 && { ok "$_name"; return; }; sleep 0.1; done
	not_ok "$_name" "$(tail -n 1 /tmp/until.out)"
}
state() { husk ls --all --json | grep -o "\"name\": \"$1\".*\"state\": \"[a-z]*\"" | sed 's/.*"state": "//; s/".*//'; }
is() { [ "$(state "$1")" = "$2" ]; }
worker() { husk show --json "$1" | grep -o '"owner_pid": [0-9]*' | tr -dc 0-9; }
# processes by their names
processes() { grep -lxE "$1" /proc/[0-9]*/comm 2>/dev/null | cut -d/ -f3 | tr '\n' ' '; }
left() { ls -d /run/husk/vms/$1.* /run/husk/logs/$1.* /sys/fs/cgroup/husk/vm-$1 2>/dev/null | tr '\n' ' '; }
nothing_left() { [ ! "$(left $1)" ]; }
types() { echo "$2" | husk console "$1" >/dev/null 2>&1 & sleep 0.3; kill $! 2>/dev/null; }
define() { printf '[vm]\nkernel = %s\nmemory = 16M\ncmdline = serve\n[service]\n%s\n' $T/boot_mb.bin "$2" >/etc/husk/vms/$1.conf; }
daemon_on() {
	huskd 2>/tmp/huskd.log &
	daemon=$!
	for _i in $(seq 1 200); do grep -q 'huskd: ready' /tmp/huskd.log && return; sleep 0.02; done
	not_ok daemon_ready "$(tail -n 1 /tmp/huskd.log)"
}
daemon_killed() {
	kill -9 $daemon
	wait $daemon 2>/dev/null
}
mkdir -p /etc/husk/vms
define web

# ---- many lives ----
cycles() {
	for _n in $(seq $1); do
		husk start web && husk stop web || return
	done
}
rss() { awk '/^Rss:/ { print $2 }' /proc/$daemon/smaps_rollup; }
fds() { ls /proc/$daemon/fd | wc -l; }
dying() { awk '$1 == "nr_dying_descendants" { print $2 }' /sys/fs/cgroup/husk/cgroup.stat; }
daemon_on
check cycles_first cycles 5
until_ cycles_first_end 5 nothing_left web
settle
free=$(memfree) slab=$(slab) rss=$(rss) fds=$(fds) dying=$(dying)
check cycles cycles $CYCLES
until_ cycles_clean 5 nothing_left web
settle
lost=$((free - $(memfree))) grown=$(($(slab) - slab))
# the log of the VM's lives is kept in this machine's memory
kept=$(du -sk /var/log/husk | cut -f1)
[ $grown -le 600 ] && [ $((lost - kept)) -le 2000 ] && ok cycles_leak || not_ok cycles_leak "slab grew by $grown KB, free memory fell by $lost KB, $kept KB of them logs"
[ $kept -le 2200 ] && ok cycles_logs || not_ok cycles_logs "$kept KB"
[ $(($(rss) - rss)) -le 64 ] && ok cycles_daemon || not_ok cycles_daemon "from $rss to $(rss) KB"
equal cycles_descriptors "$(fds)" "$fds"
equal cycles_refs "$(refs)" 0
[ $(($(dying) - dying)) -le 4 ] && ok cycles_cgroups || not_ok cycles_cgroups "$(dying) that are dying, $dying before"
equal cycles_processes "$(processes 'husk-vm|huskd')" "$daemon "

# ---- killed in between ----
# whole VM: it runs, with all that belongs to it, under this daemon; or it is off, and nothing is left
whole() {
	_state=$(state $1)
	case $_state in
	running)
		_pid=$(worker $1)
		[ "$_pid" ] && [ "$(cut -d' ' -f1 /run/husk/vms/$1.vm)" = "$_pid" ] && [ "$(cat /proc/$_pid/cgroup)" = "0::/husk/vm-$1" ] &&
			[ -S /run/husk/vms/$1.sock ] && husk start $1 2>&1 | grep -q 'is running'
		;;
	off) nothing_left $1 && [ ! "$(processes husk-vm)" ] ;;
	*) false ;;
	esac
}
# a number below $1, in $number, of a sequence that the seed begins
random() {
	SEED=$(((SEED * 1103515245 + 12345) % 2147483648))
	number=$((SEED / 65536 % $1))
}
runs=0 offs=0 bad= _state=off
for round in $(seq $ROUNDS); do
	command=start
	if [ $_state = running ]; then
		random 3
		case $number in 0) command=stop ;; 1) command=kill ;; 2) command=restart ;; esac
	fi
	husk $command web >/dev/null 2>&1 &
	asker=$!
	random 200
	usleep $((number * 1000))
	daemon_killed
	daemon_on
	wait $asker
	for _i in $(seq 1 50); do whole web && break; sleep 0.05; done
	if [ $_i = 50 ]; then
		bad="round $round: $command, killed after $number ms: $_state $(left web)$(processes husk-vm)"
		break
	fi
	case $_state in running) runs=$((runs + 1)) ;; off) offs=$((offs + 1)) ;; esac
done
[ ! "$bad" ] && ok killed_whole || not_ok killed_whole "$bad"
[ $runs -gt 0 ] && [ $offs -gt 0 ] && ok killed_both || not_ok killed_both "$runs times running, $offs times off after it"
is web running || check killed_start husk start web
check killed_stop husk stop web
until_ killed_clean 5 nothing_left web

# ---- two and more at once ----
check two_start husk start web
pid=$(worker web)
daemon_killed
for n in 1 2 3 4 5; do
	{ huskd 2>/tmp/huskd.$n; echo $? >/tmp/status.$n; } &
done
until_ two_ready 10 sh -c "grep -q 'huskd: ready' /tmp/huskd.[1-5]"
for _i in $(seq 1 50); do [ "$(ls /tmp/status.* 2>/dev/null | wc -l)" = 4 ] && break; sleep 0.1; done
equal two_others "$(cat /tmp/status.* | tr '\n' ' ')" "1 1 1 1 "
equal two_adopted "$(cat /tmp/huskd.? | grep -c "web: runs on, process $pid")" 1
equal two_words "$(cat /tmp/huskd.? | grep -c 'there is a daemon already')" 4
equal two_runs "$(worker web)" "$pid"
check two_stop husk stop web
kill $(processes huskd)
until_ two_last 5 sh -c '[ "$(ls /tmp/status.* | wc -l)" = 5 ]'

# ---- no room ----
fill() { dd if=/dev/zero of=$1/fill bs=4k >/dev/null 2>&1; }
mount -t tmpfs -o size=256k none /var/log/husk
daemon_on
check log_full_start husk start web
fill /var/log/husk
check log_full_stop husk stop web
until_ log_full_says 5 says /tmp/huskd.log 'web.log is not whole: No space'
until_ log_full_clean 5 nothing_left web
rm /var/log/husk/fill
check log_full_again husk start web
check log_full_stop_again husk stop web
until_ log_full_kept 5 grep -q 'powered off' /var/log/husk/web.log
kill $daemon
wait $daemon
umount /var/log/husk
umount /run/husk/logs
mount -t tmpfs -o size=256k none /run/husk
daemon_on
fill /run/husk
refused run_full_start $FAIL 'No space' husk start web
until_ run_full_clean 5 nothing_left web
rm /run/husk/fill
check run_full_again husk start web
fill /run/husk
types web x
is web running && ok run_full_runs || not_ok run_full_runs "$(state web)"
daemon_killed
daemon_on
is web running && ok run_full_adopted || not_ok run_full_adopted "$(state web)"
check run_full_stop husk stop web
until_ run_full_stop_clean 5 nothing_left web
kill $daemon
wait $daemon
umount /run/husk/logs /run/husk

# ---- the clock jumps ----
define web 'restart = on-failure'
daemon_on
now=$(date +%s)
for jump in 86400 -86400; do
	husk start web
	types web c
	until_ clock_waits$jump 20 says /tmp/huskd.log 'is started again in 1 s'
	date -s @$(($(date +%s) + jump)) >/dev/null
	until_ clock_restarts$jump 10 is web running
	check clock_stop$jump husk stop web
	until_ clock_clean$jump 5 nothing_left web
	: >/tmp/huskd.log
done
# while a guest has time to power off
define deaf 'stop-timeout = 1'
sed -i 's/serve/serve deaf/' /etc/husk/vms/deaf.conf
check clock_deaf_start husk start deaf
husk stop deaf &
asker=$!
sleep 0.3
date -s @$((now - 86400)) >/dev/null
_up=$(cut -d. -f1 /proc/uptime)
wait $asker
equal clock_deaf_stop $? 0
[ $(($(cut -d. -f1 /proc/uptime) - _up)) -le 4 ] && ok clock_deaf_time || not_ok clock_deaf_time "$_up to $(cut -d. -f1 /proc/uptime) s"
kill $daemon
wait $daemon
check daemon_unload unload
exit 0
