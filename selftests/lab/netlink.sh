# SPDX-License-Identifier: GPL-2.0
# Netlink: commands on live VMs, rights, bad requests, lifecycle events.
. ./lib.sh
FAIL=1 USAGE=2 HOST=4 NAME=5
load || { not_ok nl_load "$(dmesg | tail -n 1)"; exit 0; }
chmod 666 /dev/husk	# rights on VMs are the subject here, not those on the device

# equal NAME GOT WANTED; like NAME GOT PATTERN (a regular expression, lines joined)
equal() { [ "$2" = "$3" ] && ok "$1" || not_ok "$1" "'$2', not '$3'"; }
like() { echo "$2" | tr '\n' ' ' | grep -qE -e "$3" && ok "$1" || not_ok "$1" "no '$3' in: $2"; }
names() { grep -o '"name": "[a-z0-9]*"' | cut -d'"' -f4 | tr '\n' ' '; }
numbers() { grep -o '"seq": [0-9]*' "$1" | cut -c8-; }
entries() { husk show --json "$1" | grep -o '"entries": [0-9]*'; }
# wait_line FILE PATTERN: until a line of the file has it, 60 s at most
wait_line() {
	for _i in $(seq 1 300); do
		grep -q -e "$2" "$1" && return
		sleep 0.2
	done
}
# hold NAME...: a VM, as the user who calls
hold() {
	"$@" &
	for _i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		entries "$_vm" 2>/dev/null | grep -q ': [1-9]' && return
		sleep 0.1
	done
	not_ok nl_hold "no VM $_vm"
}

equal nl_list_empty "$(husk ls --json)" "[]"
husk events --json >/tmp/events &
events=$!
sleep 0.5
_vm=web hold $T/hold web
_vm=mine hold setuidgid user $T/hold mine

equal nl_list_root "$(husk ls --json | names)" "web mine "
like nl_list_table "$(husk ls)" '^ID +NAME +STATE .*web +running +1 +64.0K'
like nl_show "$(husk show web)" 'state +running.*owner +uid 0, pid [1-9].*cpuid +[1-9].*pio '
like nl_show_id "$(husk show --json 2)" '"name": "mine".*"owner_uid": 1000.*"control": "/run/mine".*"reason": "cpuid"'
equal nl_list_user "$(setuidgid user husk ls --json | names)" "mine "
for command in show pause resume button reset nmi "set --stats 1" stop kill; do
	refused "nl_not_yours_${command%% *}" $HOST "another user" setuidgid user husk $command web
done
refused nl_events_user $HOST "CAP_NET_ADMIN" setuidgid user husk events

check nl_pause_owner setuidgid user husk pause mine
like nl_paused "$(husk ls --json)" '"mine".*"state": "paused"'
before=$(entries mine)
sleep 0.2
equal nl_paused_still "$(entries mine)" "$before"
refused nl_pause_twice $FAIL "paused already" husk pause mine
check nl_resume_root husk resume mine
sleep 0.2
[ "$(entries mine)" != "$before" ] && ok nl_resumed || not_ok nl_resumed "no entries after resume"
refused nl_resume_twice $FAIL "not paused" husk resume mine
refused nl_no_vm $NAME "no such VM" husk show nobody
refused nl_no_argument $USAGE "usage" husk stop
refused nl_bad_timeout $USAGE "bad timeout" husk stop --timeout never web
$T/nl_bad

# Requests to the worker
_vm=asked hold $T/hold asked >/tmp/asked
check nl_button husk button asked
wait_line /tmp/asked 'asked for 1'
check nl_reset husk reset asked
wait_line /tmp/asked 'asked for 2'
equal nl_asked "$(tr '\n' ' ' </tmp/asked)" "asked for 1 asked for 2 "
refused nl_nmi_vcpu $NAME "no such vCPU" husk nmi --vcpu 1 asked
refused nl_nmi_number $USAGE "bad vCPU" husk nmi --vcpu x asked
# There is no memory for its handler's address: the guest can't go on.
check nl_nmi husk nmi --vcpu 0 asked
for _i in $(seq 1 50); do husk ls --json | grep -q '"asked"' || break; sleep 0.1; done
equal nl_nmi_end "$(husk ls --json | names)" "web mine "

# Limits, and statistics
husk events --stats --json >/tmp/stats &
stats=$!
wait_line /tmp/stats '"present".*"mine"'
_vm=fast hold setuidgid user $T/hold fast fast
equal nl_set_none "$(husk set fast | tr -s ' ' | tr '\n' ' ')" "cpu-limit none exit-limit none stats none "
# rate SECONDS MEMBER: of a counter of the VM fast, and how long that was in ms
count() { husk show --json fast | grep -o "\"$1\": [0-9]*" | head -n 1 | tr -dc 0-9; }
rate() {
	_up=$(cut -d' ' -f1 /proc/uptime) _before=$(count $2)
	sleep $1
	_ms=$(awk -v a=$_up '{ print int(1000 * ($1 - a)) }' /proc/uptime)
	used=$(($(count $2) - _before)) ms=$_ms
}
rate 0.5 entries
full=$((used * 1000 / ms))	# a second
limit=$((full / 10 + 1))
check nl_set_owner setuidgid user husk set --exit-limit $limit --stats 0.2 fast
equal nl_set_shown "$(husk set --json fast | cut -d, -f3-)" " \"cpu_limit\": 0, \"exit_limit\": $limit, \"stats_ms\": 200}"
# what the limit allows at once, and what is done between two looks, come on top
rate 1 entries
most=$((limit * ms / 1000 + full / 10))
[ $used -gt 0 ] && [ $used -le $most ] && ok nl_exit_limit || not_ok nl_exit_limit "$used exits in $ms ms, not 1 to $most; $full a second without"
like nl_held "$(husk show fast)" 'limit [0-9]+ exits a second, held back for [0-9.]+(ms|s)'
check nl_set_root husk set --exit-limit 0 --cpu-limit 5 fast
refused nl_set_admin $HOST "administrator" setuidgid user husk set --cpu-limit 0 fast
# nor in a user namespace of his own, where he has all capabilities
refused nl_set_namespace $HOST "administrator|another user" setuidgid user unshare --user --map-root-user husk set --cpu-limit 0 fast
check nl_set_stats setuidgid user husk set --stats 1 fast
sleep 0.3
# 5 % of what its thread spends in the kernel's RUN; it is busy outside, too
rate 1 run_ns
used=$((used / 1000000)) most=$((ms / 5 + 30))
[ $used -gt 0 ] && [ $used -le $most ] && ok nl_cpu_limit || not_ok nl_cpu_limit "$used of $ms ms, not 1 to $most"
check nl_set_off husk set --cpu-limit 0 fast
refused nl_set_small $USAGE "0.1 seconds" husk set --stats 0.05 fast
refused nl_set_large $USAGE "6400" husk set --cpu-limit 6401 fast
check nl_kill_fast husk kill fast
kill $stats
wait $stats 2>/dev/null
like nl_stats "$(grep '"group": "stats"' /tmp/stats | head -n 1)" '"event": "stats".*"name": "fast".*"run_ns": [1-9].*"entries": [1-9].*"reason": "cpuid", "level": "fast"'
equal nl_stats_numbers "$(grep '"group": "stats"' /tmp/stats | numbers /dev/stdin | tr '\n' ' ')" \
	"$(seq -s ' ' 1 "$(grep -c '"group": "stats"' /tmp/stats)") "
like nl_event_held "$(grep '"held"' /tmp/stats | head -n 1)" '"name": "fast".*"detail": 2'

# The way to the daemon and back
refused nl_start_none $FAIL "no daemon runs" husk start web
refused nl_daemon_user 1 "CAP_SYS_ADMIN" setuidgid user $T/nl_daemon
daemon() {
	: >/tmp/daemon
	$T/nl_daemon >/tmp/daemon 2>&1 &
	daemon=$!
	wait_line /tmp/daemon ready
}
daemon
refused nl_daemon_twice 1 "already" $T/nl_daemon twice
like nl_start_good "$(setuidgid user husk start --json good-7)" '"id": 7, "name": "good-7", "done": "started"'
like nl_start_told "$(cat /tmp/daemon)" 'request good-7 uid 1000 timeout 30000'
refused nl_start_refused $HOST "cannot start bad: it is not yours" husk start bad
refused nl_start_late $FAIL "did not answer in time" husk start --timeout 0.3 late
check nl_start_wrong_token husk start wrong
check nl_start_answered_twice husk start again
check nl_start_after husk start good-1
refused nl_start_name 1 "can be called" husk start ../etc
refused nl_start_long $USAGE "bad timeout" husk start --timeout 601 late
# four of one user wait, twelve of all users, sixteen with root's; the one that had no answer keeps its place for a second
sleep 1
late() { setpriv --reuid=$1 --clear-groups husk start --timeout 60 late >/dev/null 2>&1 & _late="$_late $!"; }
_late=
for _i in 1 2 3 4; do late 1000; done
for _i in $(seq 1 300); do [ "$(grep -c 'request late' /tmp/daemon)" -ge 5 ] && break; sleep 0.1; done
refused nl_start_many $FAIL "too many" setuidgid user husk start late
check nl_start_others husk start good-2
for _u in 2001 2002; do for _i in 1 2 3 4; do late $_u; done; done
for _i in $(seq 1 300); do [ "$(grep -c 'request late' /tmp/daemon)" -ge 13 ] && break; sleep 0.1; done
refused nl_start_full $FAIL "too many" setpriv --reuid=2003 --clear-groups husk start good-3
check nl_start_root husk start good-3
# an asker that is gone leaves its place, but not at once: the daemon has its request
kill $_late
wait $_late 2>/dev/null
sleep 1.1
check nl_start_room setpriv --reuid=2003 --clear-groups husk start good-4
husk start --timeout 60 late >/dev/null 2>/tmp/orphan &
_asker=$!
for _i in $(seq 1 300); do [ "$(grep -c 'request late' /tmp/daemon)" -ge 14 ] && break; sleep 0.1; done
kill -9 $daemon
wait $_asker
like nl_start_orphan "$(cat /tmp/orphan)" 'the daemon ended'
refused nl_start_gone $FAIL "no daemon runs" husk start good-1
daemon
check nl_daemon_again husk start good-1
husk start --timeout 60 quit >/dev/null 2>/tmp/orphan
like nl_start_quit "$(cat /tmp/orphan)" 'the daemon ended'

check nl_stop_owner setuidgid user husk stop --timeout 5 mine
refused nl_stopped $NAME "no such VM" husk show mine
check nl_kill husk kill web
_vm=mule hold $T/hold mule stubborn
refused nl_stop_stubborn $FAIL "husk kill mule" husk stop --timeout 0.1 mule
check nl_kill_stubborn husk kill mule
equal nl_list_end "$(husk ls --json)" "[]"

wait_line /tmp/events '"destroyed".*"mule"'
kill $events
wait $events 2>/dev/null
equal nl_events "$(grep '"mine"' /tmp/events | grep -o '"event": "[a-z-]*"' | cut -d'"' -f4 | tr '\n' ' ')" \
	"created vcpu-created running paused resumed stop-requested destroyed "
like nl_events_kill "$(grep '"web"' /tmp/events)" 'running.*killed.*destroyed'
like nl_events_asked "$(grep '"asked"' /tmp/events)" '"button".*"reset-requested".*"crashed".*"fault".*"destroyed"'
like nl_events_nmi "$(grep '"nmi"' /tmp/events)" '"asked".*"detail": 0'
like nl_fault "$(grep '"faults"' /tmp/events)" '"event": "fault".*"name": "asked".*"vcpu": 0, "exit": "(unhandled|shutdown)".*"last": \[.*"reason": "cpuid", "level": "fast"'
sed -i '/"faults"/d' /tmp/events	# they have numbers of their own
equal nl_events_numbers "$(numbers /tmp/events | tr '\n' ' ')" "$(seq -s ' ' 1 "$(numbers /tmp/events | wc -l)") "
equal nl_events_lost "$(grep -c '"lost"' /tmp/events)" 0

# A listener that does not read: what it misses it says, and each number comes once.
_vm=burst hold $T/hold burst
husk events --json >/tmp/burst &
slow=$!
wait_line /tmp/burst '"present".*"burst"'
kill -STOP $slow
first=$(($(numbers /tmp/events | tail -n 1) + 4))	# created, vcpu-created, running come before
$T/nl_bad burst burst 2000
kill -CONT $slow
for _ in $(seq 1 300); do	# it has thousands of lines to print before it sees the loss
	sed -n '/"lost"/,$p' /tmp/burst | grep -q '"present".*"burst"' && break
	sleep 0.2
done
kill $slow
wait $slow 2>/dev/null
like nl_burst_lost "$(grep -v '"seq"' /tmp/burst)" '"event": "lost"'
like nl_burst_resync "$(sed -n '/"lost"/,$p' /tmp/burst | tail -n 3)" '"event": "present".*"name": "burst"'
equal nl_burst_numbers "$(sed -n 's/.*"seq": \([0-9]*\),.*/\1 \1/p; s/.*"first_seq": \([0-9]*\), "last_seq": \([0-9]*\).*/\1 \2/p' /tmp/burst |
	awk -v next_seq="$first" '$1 != next_seq { print "hole at " next_seq; exit } { next_seq = $2 + 1 } END { if (next_seq < 4000) print "ends at " next_seq }')" ""
husk kill burst

# Requests made from the specification, good and bad: root's to a VM that comes again when they have ended it, a user's to
# his own and to one of root's, of which nothing may change
: "${NL_SEEDS:=3}" "${SLOW:=1}"
# herd COMMAND...: a VM prey for ever
herd() {
	while [ -e /tmp/herd ]; do "$@" $T/hold prey >/dev/null 2>&1; done
}
# fuzz NAME COMMAND...: one seed each, memory after them as before
fuzz() {
	_name=$1 _bad=
	shift
	"$@" 1 300 prey $id >/dev/null	# warms caches
	settle
	_free=$(memfree) _slab=$(slab)
	for _seed in $(seq 2 $((NL_SEEDS + 1))); do "$@" $_seed 300 prey $id || _bad=$_seed; done
	settle
	_lost=$((_free - $(memfree))) _grown=$(($(slab) - _slab))
	[ ! "$_bad" ] && ok $_name || not_ok $_name "seed $_bad"
	[ $_grown -le $((600 * SLOW)) ] && [ $_lost -le $((2000 * SLOW)) ] && ok ${_name}_leak || not_ok ${_name}_leak "slab grew by $_grown KB, free memory fell by $_lost KB"
}
fuzz_end() {
	rm /tmp/herd
	for _i in $(seq 1 50); do
		husk kill prey >/dev/null 2>&1
		kill -0 $herd 2>/dev/null || break
		sleep 0.1
	done
	wait $herd
}
touch /tmp/herd
herd & herd=$!
id=
fuzz nl_fuzz_root $T/nl_fuzz
fuzz_end
_vm=other hold $T/hold other
husk events --json >/tmp/events &
events=$!
wait_line /tmp/events '"present".*"other"'
touch /tmp/herd
herd setuidgid user & herd=$!
id="other $(husk show --json other | grep -o '"id": [0-9]*' | tr -dc '0-9')"
fuzz nl_fuzz_user setuidgid user $T/nl_fuzz
fuzz_end
equal nl_fuzz_other_set "$(husk set --json other | cut -d, -f3-)" ' "cpu_limit": 0, "exit_limit": 0, "stats_ms": 0}'
before=$(entries other)
sleep 0.2
[ "$(entries other)" != "$before" ] && ok nl_fuzz_other_runs || not_ok nl_fuzz_other_runs "no entries"
kill $events
wait $events 2>/dev/null
equal nl_fuzz_other_events "$(grep '"other"' /tmp/events | grep -o '"event": "[a-z-]*"' | cut -d'"' -f4 | tr '\n' ' ')" "present "
check nl_fuzz_kill husk kill other
check nl_unload unload
refused nl_no_module $HOST "not loaded" husk ls
exit 0
