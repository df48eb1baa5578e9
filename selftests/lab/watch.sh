# SPDX-License-Identifier: GPL-2.0
# husk trace: its modes, its filters, its end, exits that it lost.
. ./lib.sh
FAIL=1 USAGE=2 INPUT=3 HOST=4 NAME=5
load || { not_ok watch_load "$(dmesg | tail -n 1)"; exit 0; }

like() { echo "$2" | tr '\n' ' ' | grep -qE -e "$3" && ok "$1" || not_ok "$1" "no '$3' in: $(echo "$2" | head -n 3)"; }
refused trace_no_right $HOST "root" setuidgid user husk trace --duration 1
refused trace_no_vm $NAME "no such VM" husk trace --vm nobody
refused trace_bad_duration $USAGE "bad duration" husk trace --duration -1
refused trace_two_modes $USAGE "only one of" husk trace --summary --live

echo nonsense >/tmp/nonsense
$T/hold traced &
sleep 1
husk trace --duration 1 >/tmp/summary 2>&1
like trace_summary "$(cat /tmp/summary)" 'VM +REASON +LEVEL +COUNT .*traced +cpuid +fast +[1-9]'
husk trace --duration 1 --vm traced --json >/tmp/summary 2>&1
like trace_json "$(cat /tmp/summary)" '"lost": 0, "exits": .*"name": "traced", "reason": "pio", "level": "worker", "count": [1-9].*"log2_ns": \[0'
husk trace --live --duration 1 --vm 1 >/tmp/live 2>&1
like trace_live "$(grep -m 1 cpuid /tmp/live)" 'traced/0 +cpuid +fast +.*s +rip=000000000000fff0 info='
like trace_live_decoded "$(grep -m 1 pio /tmp/live)" 'traced/0 +pio +worker +.*s +rip=000000000000fff2 out port=0x80 width=1 $'
husk trace --live --duration 1 --json >/tmp/live 2>&1
like trace_live_json "$(head -n 1 /tmp/live)" '^.*"name": "traced", "vcpu": 0, "reason": "[a-z0-9]*", "level": "[a-z]*", "rip": 655'
like trace_live_json_decoded "$(grep -m 1 pio /tmp/live)" '"direction": "out", "port": 128, "width": 1, "string": false, "rep": false}'
check trace_live_json_valid $T/json_check lines /tmp/live

# What follows does not depend on the vendor's CPU, and takes Bochs ten minutes.
case $LAB_MACHINE in
bochs-*)
	husk kill traced
	check watch_unload unload
	exit 0 ;;
esac

# ---- the other modes ----
json() { check "$1" $T/json_check "$2"; }
# only NAME FILE PATTERN: each line is so, and there is one
only() {
	if ! [ -s "$2" ]; then not_ok "$1" "nothing was printed"
	elif grep -qvE -e "$3" "$2"; then not_ok "$1" "$(grep -m 1 -vE -e "$3" "$2")"
	else ok "$1"; fi
}
# nothing of ours is attached any more
# a program ends a while after the process that had it was killed
detached() {
	for _i in $(seq 30); do bpftool prog show | grep -q exits_count || { ok "$1"; return; }; sleep 0.1; done
	not_ok "$1" "$(bpftool prog show | grep exits_count)"
}
refused trace_bad_weight $USAGE "bad weight" husk trace --flame=bytes
refused trace_bad_vcpu $USAGE "bad vCPU" husk trace --vcpu one
refused trace_bad_reason $USAGE 'unknown reason "cpu": one of none,.* cpuid,.* virtio$' husk trace --reason hlt,cpu
refused trace_bad_level $USAGE "one of fast, kernel, worker" husk trace --level slow
refused trace_bad_rip $USAGE "bad range" husk trace --rip fff0
refused trace_bad_time $USAGE "bad time" husk trace --slower-than 50
refused trace_no_addresses $USAGE "--symbols goes with" husk trace --symbols /tmp/nonsense
refused trace_no_symbols $INPUT "can't read /nowhere" husk trace --flame --symbols /nowhere
refused trace_bad_symbols $INPUT "line 1 is not" husk trace --flame --symbols /tmp/nonsense
refused trace_no_file $FAIL "can't write /nowhere/x" husk trace --chrome /nowhere/x
detached trace_refused_detached

LC_ALL=C husk trace --latency --duration 0.5 >/tmp/latency 2>&1
like trace_latency "$(grep -A 9 'traced  pio' /tmp/latency)" '^traced  pio  worker  [1-9][0-9]* exits, average [0-9.]+[mu]?s, .*s \.\. .*s +[1-9][0-9]*  ##########'
grep -q "$(printf '\033')" /tmp/latency && not_ok trace_latency_plain "colours" || ok trace_latency_plain
LC_ALL=C.UTF-8 husk trace --latency --duration 0.5 >/tmp/latency 2>&1
like trace_latency_utf8 "$(cat /tmp/latency)" '  ██████████'
husk trace --latency --json --duration 0.5 >/tmp/latency
json trace_latency_json /tmp/latency

husk trace --flame --duration 0.5 >/tmp/flame 2>/tmp/err
only trace_flame /tmp/flame '^traced;vcpu0;[a-z0-9_]+;(fast|kernel|worker);0xfff[0-9a-f] [0-9]+$'
like trace_flame_cpuid "$(cat /tmp/flame)" 'traced;vcpu0;cpuid;fast;0xfff0 [1-9][0-9]{3}'
printf '000000000000fff0 T reset_vector\n000000000000fff2 t again\n' >/tmp/symbols
husk trace --flame=count --symbols /tmp/symbols --duration 0.5 >/tmp/flame 2>/tmp/err
like trace_flame_symbols "$(cat /tmp/flame)" 'cpuid;fast;reset_vector [1-9][0-9]* .*pio;worker;again [1-9][0-9]* $'
husk trace --flame --json --symbols /tmp/symbols --duration 0.5 >/tmp/flame
like trace_flame_json "$(cat /tmp/flame)" '"lost": 0, "stacks": .*"reason": "cpuid", "level": "fast", "symbol": "reset_vector", "count": [1-9]'
json trace_flame_json_valid /tmp/flame

husk trace --chrome /tmp/chrome --symbols /tmp/symbols --duration 0.5 >/tmp/err 2>&1
[ -s /tmp/err ] && not_ok trace_chrome_silent "$(head -n 1 /tmp/err)" || ok trace_chrome_silent
json trace_chrome /tmp/chrome
like trace_chrome_names "$(head -n 3 /tmp/chrome)" '"process_name", .*"name": "traced".*"thread_name", .*"name": "vcpu0"'
like trace_chrome_event "$(grep -m 1 '"name": "pio"' /tmp/chrome)" '"ph": "X", .*"ts": [0-9.]+, "dur": [0-9.]+, "args": .*"level": "worker", "rip": "0xfff2", .*"port": 128.*"symbol": "again"'
like trace_chrome_end "$(tail -n 1 /tmp/chrome)" '"exits": [1-9][0-9]*, "lost_exits": 0'
husk trace --chrome /dev/stdout --duration 0.5 | cat >/tmp/chrome
json trace_chrome_pipe /tmp/chrome
husk trace --chrome /tmp/chrome --duration 0.5 --json >/tmp/err
like trace_chrome_json "$(cat /tmp/err)" '"lost": 0, "written": [1-9][0-9]*, "file": "/tmp/chrome"'
husk trace --chrome /dev/full --duration 0.5 2>/tmp/err
[ $? = $FAIL ] && like trace_chrome_full "$(cat /tmp/err)" "can't write /dev/full" || not_ok trace_chrome_full "$(cat /tmp/err)"

# ---- filters: what passes one is there, and nothing else is; in each of the modes ----
$T/hold other &
sleep 0.3
husk trace --duration 0.5 --live --vm other >/tmp/live
only trace_filter_vm /tmp/live ' other/0 '
husk trace --duration 0.5 --live --vcpu 0 >/tmp/live
only trace_filter_vcpu /tmp/live ' (traced|other)/0 '
husk trace --duration 0.5 --live --vcpu 1 >/tmp/live
[ -s /tmp/live ] && not_ok trace_filter_no_vcpu "$(head -n 1 /tmp/live)" || ok trace_filter_no_vcpu
husk trace --duration 0.5 --vcpu 1 >/tmp/summary 2>/tmp/err
like trace_filter_nothing "$(cat /tmp/err)" 'no VM had such an exit'
husk trace --duration 0.5 --live --reason cpuid >/tmp/live
only trace_filter_reason /tmp/live ' cpuid '
husk trace --duration 0.5 --flame --reason hlt,pio --reason cpuid >/tmp/flame
only trace_filter_reasons /tmp/flame ';(cpuid|pio);'
like trace_filter_reasons_all "$(cat /tmp/flame)" ';cpuid;.*;pio;'
husk trace --duration 0.5 --live --level worker >/tmp/live
only trace_filter_level /tmp/live ' pio +worker '
husk trace --duration 0.5 --flame --rip fff2-fff4 >/tmp/flame
only trace_filter_rip /tmp/flame ';0xfff[23] '
husk trace --duration 0.5 --live --json --slower-than 0.5ms >/tmp/live
sed 's/.*"ns": \([0-9]*\).*/\1/' /tmp/live | awk '$1 <= 500000 { bad = 1 } END { exit bad || !NR }' && ok trace_filter_slower ||
	not_ok trace_filter_slower "$(cat /tmp/live | head -n 1)"
husk trace --duration 0.5 --slower-than 1000s >/tmp/summary 2>/tmp/err
like trace_filter_slower_nothing "$(cat /tmp/err)" 'no VM had such an exit'
every="--vm traced --vcpu 0 --reason cpuid --level fast --rip 0-10000 --slower-than 1ns"
husk trace --duration 0.5 $every | tail -n +2 >/tmp/summary
only trace_filters_summary /tmp/summary '^traced +cpuid +fast '
husk trace --duration 0.5 $every --latency | grep exits >/tmp/summary
only trace_filters_latency /tmp/summary '^traced  cpuid  fast '
husk trace --duration 0.5 $every --live >/tmp/live
only trace_filters_live /tmp/live ' traced/0 +cpuid +fast '
husk trace --duration 0.5 $every --flame >/tmp/flame
only trace_filters_flame /tmp/flame '^traced;vcpu0;cpuid;fast;0xfff0 '
husk trace --duration 0.5 $every --chrome /tmp/chrome
grep '"ph": "X"' /tmp/chrome >/tmp/live
only trace_filters_chrome /tmp/live '"name": "cpuid", .*"level": "fast"'
husk kill other

# ---- its end: by a signal, or nobody reads any more ----
for signal in INT TERM HUP; do
	husk trace --chrome /tmp/chrome &
	sleep 0.5
	kill -$signal $!
	wait $! && json trace_chrome_$signal /tmp/chrome || not_ok trace_chrome_$signal "status $?"
done
timeout -s INT 0.5 husk trace >/tmp/summary
like trace_summary_interrupted "$(cat /tmp/summary)" 'traced +cpuid +fast '
timeout 5 sh -c 'husk trace --live | head -n 1' >/tmp/live && only trace_live_head /tmp/live 'traced/0' || not_ok trace_live_head "status $?"
timeout 5 sh -c 'husk trace --live --reason shutdown | sleep 0.2' && ok trace_live_unheard || not_ok trace_live_unheard "status $?"
timeout -s KILL 0.5 husk trace --live >/dev/null
detached trace_detached

# ---- lost exits: what reads them stands still until the buffer has overflowed ----
# overflow OPTION...: such a trace has lost some
overflow() {
	# the map of the one before is freed later
	for _i in $(seq 50); do bpftool map show name exits_lost >/dev/null 2>&1 || break; sleep 0.2; done
	husk trace "$@" >/tmp/lost 2>/tmp/err &
	tracer=$!
	sleep 0.5
	kill -STOP $tracer
	for _i in $(seq 100); do
		bpftool map dump name exits_lost | grep -q '"no_room": [1-9]' && break
		sleep 0.3
	done
	kill -CONT $tracer
	sleep 0.5
	kill -INT $tracer
	wait $tracer
}
$T/hold busy fast &
overflow --live
like trace_live_lost "$(grep -m 1 -F LOST /tmp/lost)" 'LOST [1-9][0-9]* exits: they came faster'
like trace_live_lost_end "$(cat /tmp/err)" '[1-9][0-9]* exits are not shown'
overflow --live --json
like trace_live_lost_json "$(grep -m 1 -F '{"lost' /tmp/lost)" '^[{]"lost": [1-9][0-9]*[}] $'
overflow --chrome /tmp/chrome --json
like trace_chrome_lost_json "$(cat /tmp/lost)" '"lost": [1-9]'
like trace_chrome_lost "$(tail -n 1 /tmp/chrome)" '"lost_exits": [1-9]'
like trace_chrome_lost_mark "$(grep -m 1 'exits lost' /tmp/chrome)" '"ph": "i", .*"name": "[1-9][0-9]* exits lost"'
json trace_chrome_lost_valid /tmp/chrome
husk kill busy
husk kill traced
check watch_unload unload
exit 0
