# SPDX-License-Identifier: GPL-2.0
# Statistics that are always on, and the flight recorder: husk stat, husk debug.
. ./lib.sh
USAGE=2 NAME=5 FAIL=1
load || { not_ok stat_load "$(dmesg | tail -n 1)"; exit 0; }
like() { echo "$2" | tr '\n' ' ' | grep -qE -e "$3" && ok "$1" || not_ok "$1" "no '$3' in: $(echo "$2" | head -n 5)"; }

refused stat_no_vm $NAME "no such VM" husk stat nobody
refused stat_no_operand $USAGE "usage" husk stat
refused stat_bad_interval $USAGE "bad interval" husk stat --interval 0 nobody
refused stat_count_alone $USAGE "usage" husk stat --count 2 nobody
refused stat_bad_vcpu $USAGE "bad vCPU" husk stat --vcpu x nobody
refused debug_no_vm $NAME "no such VM" husk debug nobody exits
refused debug_what $USAGE "usage" husk debug nobody entries
refused debug_bad_vcpu $USAGE "bad vCPU" husk debug --vcpu -1 nobody exits

$T/hold watched &
for _i in $(seq 1 50); do husk ls 2>/dev/null | grep -q watched && break; sleep 0.1; done
sleep 0.5
like stat_table "$(husk stat watched)" 'EXIT +FAST +KERNEL +WORKER +TIME +% +AVG +P50 +P99 .*cpuid +[1-9][0-9]* +0 +0 .*pio +0 +0 +[1-9]'
like stat_json "$(husk stat --json watched)" '"name": "watched", .*"tsc_khz": [1-9].*"reason": "cpuid", "fast": [1-9][0-9]*, "kernel": 0, "worker": 0, "total_ns": [1-9][0-9]*, "avg_ns": [1-9][0-9]*, "p50_ns": [1-9][0-9]*, "p99_ns": [1-9][0-9]*, "max_ns": [1-9][0-9]*, "log2_ticks": \[0'
# show has the same for each vCPU
like show_table "$(husk show watched)" 'EXIT +fast +kernel +worker +avg +p50 +p99 .*cpuid +[1-9][0-9]* +0 +0 +[0-9.]+[num]s +[0-9.]+[num]s .*pio +0 +0 +[1-9]'
husk show --json watched >/tmp/show
like show_json "$(cat /tmp/show)" '"tsc_khz": [1-9].*"id": 0, .*"times": \[.*"reason": "cpuid", "fast": [1-9][0-9]*, "kernel": 0, "worker": 0, "total_ns": [1-9].*"max_ns": [1-9][0-9]*, "log2_ticks": \[0'
check show_json_whole $T/json_check /tmp/show
# top: of an interval, and as part of the time. The worker sleeps a millisecond for each OUT
husk top --json --count 1 --interval 0.5 watched >/tmp/top
like top_time "$(cat /tmp/top)" '"guest_percent": [0-9.]+, "exit_percent": [1-9][0-9.]+, "halted_percent": 0.00, "times": \[.*"reason": "pio", "percent": [1-9][0-9.]+, "avg_ns": [1-9][0-9]{5,}, "p50_ns": [1-9][0-9]{5,}, "p99_ns": '
check top_json_whole $T/json_check /tmp/top
husk top --count 1 --interval 0.5 watched >/tmp/top
like top_table "$(cat /tmp/top)" 'CPU% +GUEST% +EXIT% +HALT% .* watched: guest [0-9.]+%, exits [1-9][0-9.]+%, halted 0.0% REASON +EXITS/s +FAST/s +KERNEL/s +WORKER/s +TIME% +AVG +P50 +P99 pio '
id=$(husk policy attach --on cpuid watched /lab/bpf/policy_cpuid.bpf.o)
husk top --count 2 --interval 0.3 watched >/tmp/top
like top_policy "$(tail -n 2 /tmp/top)" "POLICY +PROGRAM +VM +ANSWERS/s +DECIDED/s  *$id +policy_cpuid[^ ]* +watched +[1-9][0-9.k]* +0[.0]* "
husk top --json --count 1 --interval 0.3 watched >/tmp/top
like top_policy_json "$(cat /tmp/top)" "\"policies\": \[.\"id\": $id, \"vm_id\": [0-9]+, \"program\": \"policy_cpuid[^\"]*\", \"answers_per_s\": [1-9]"
husk policy detach "$id"
refused stat_vcpu_none $FAIL "no vCPU 5" husk stat --vcpu 5 watched
husk stat --interval 0.2 --count 3 --json watched >/tmp/stat 2>&1
[ "$(grep -c '"name"' /tmp/stat)" = 3 ] && ok stat_interval || not_ok stat_interval "$(head -n 3 /tmp/stat)"

# What is counted is timed: once the VM stands still both agree
husk pause watched
sleep 0.2
husk stat --json watched >/tmp/stat
# by reason, those that were counted and those that were timed; the worker may still have one
tr -d '\n' </tmp/stat | sed 's/{"reason"/\n&/g' | sed -n 's/^{"reason": "\([a-z0-9_]*\)", "fast": \([0-9]*\), "kernel": \([0-9]*\), "worker": \([0-9]*\), .*"log2_ticks": \[\([0-9, ]*\)\].*/\1 \2 \3 \4 \5/p' |
	tr -d , | awk '{ n = t = 0; for (i = 5; i <= NF; i++) t += $i; n = $2 + $3 + $4; rows++; if (t != n && t + 1 != n) { print $1, n, t; bad = 1 } }
	END { if (rows < 2) { print rows, "reasons"; bad = 1 } exit bad }' >/tmp/sums && ok stat_sums || not_ok stat_sums "counted and timed differ: $(cat /tmp/sums)"
like debug_table "$(husk debug watched exits)" '^vCPU 0 +NUMBER +AGO +REASON +LEVEL .*cpuid +fast +- +000000000000fff0 .*pio +worker +[0-9.]+[num]s '
n=$(husk debug watched exits | grep -c 00000000)
[ "$n" -ge 250 ] && [ "$n" -le 256 ] && ok debug_256 || not_ok debug_256 "$n exits"
husk debug --json watched exits >/tmp/debug
sed -n 's/.*"number": \([0-9]*\), "tsc": \([0-9]*\),.*/\1 \2/p' /tmp/debug | awk 'NR > 1 && ($1 != n + 1 || $2 < t) { print n, t, $0; bad = 1 }
	{ n = $1; t = $2 } END { exit bad || NR < 250 }' >/tmp/order && ok debug_order || not_ok debug_order "numbers or times not in order: $(cat /tmp/order)"
husk debug --vcpu 3 watched exits 2>&1 | grep -q "no exit of this vCPU" && ok debug_no_vcpu || not_ok debug_no_vcpu "no word of it"
refused stat_another_user 4 "another user" setuidgid user husk stat watched
husk resume watched

# off: nothing is counted by reason, but the recorder and the entries go on
echo N >/sys/module/husk/parameters/stats
sum() { husk stat --json watched | tr -d '\n ' | grep -o '"fast":[0-9]*' | awk -F: '{ n += $2 } END { print n + 0 }'; }
entries() { husk show --json watched | grep -o '"entries": [0-9]*' | cut -d' ' -f2; }
a=$(sum) e=$(entries)
sleep 0.3
b=$(sum) f=$(entries)
[ "$a" = "$b" ] && ok stat_off || not_ok stat_off "$a then $b"
husk top --json --count 1 --interval 0.3 watched >/tmp/top
like top_off "$(cat /tmp/top)" '"exit_percent": null, .*"times": \[\]'
[ "$f" -gt "$e" ] && ok stat_off_entries || not_ok stat_off_entries "$e then $f"
grep -q N /sys/module/husk/parameters/stats && ok stat_off_shown || not_ok stat_off_shown "$(cat /sys/module/husk/parameters/stats)"
echo maybe >/sys/module/husk/parameters/stats 2>/dev/null && not_ok stat_bad_switch "taken" || ok stat_bad_switch
echo Y >/sys/module/husk/parameters/stats
sleep 0.3
[ "$(sum)" -gt "$b" ] && ok stat_on_again || not_ok stat_on_again "still $b"
husk kill watched
check stat_unload unload
exit 0
