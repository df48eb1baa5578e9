# SPDX-License-Identifier: GPL-2.0
# BPF programs that decide exits, by the writable tracepoint and plain bpftool.
. ./lib.sh
. ./decide_lib.sh
load || { not_ok policy_load "$(dmesg | tail -n 1)"; exit 0; }
[ -d $TRACING/events ] || mount -t tracefs tracefs $TRACING

start one
start other
check policy_attach bpftool prog load /lab/bpf/policy_table.bpf.o $BPF/policy autoattach

# nothing in the table: all as before
a=$(count one worker)
sleep 0.3
more policy_pass "$(count one worker)" "$a"

# a port that is answered in the kernel, of one VM only
one=$(id one) other=$(id other)
check policy_rule rule "$one" $PIO 0x80 $HANDLED
sleep 0.3
a=$(count one fast) b=$(count one worker) c=$(count other worker)
sleep 0.5
more policy_pio_fast "$(count one fast)" "${a:-0}"
same policy_pio_worker "$(count one worker)" "$b"
more policy_pio_other "$(count other worker)" "$c"
more policy_hits "$(hits "$one" $PIO 0x80)" 0
unrule "$one" $PIO 0x80
b=$(count one worker)
sleep 0.3
more policy_pio_back "$(count one worker)" "$b"

# CPUID's answer arrives in the guest: it writes al to the port
rule 0 $CPUID $ALL $HANDLED 0 0 0x12345677
echo "reason == $PIO" >$TRACING/events/husk/husk_policy/filter
echo 1 >$TRACING/events/husk/husk_policy/enable
sleep 0.3
echo 0 >$TRACING/events/husk/husk_policy/enable
grep -q "reason=5 .*address=0x80 data=0x77" $TRACING/trace && ok policy_cpuid || not_ok policy_cpuid "$(tail -n 2 $TRACING/trace)"
echo >$TRACING/trace
unrule 0 $CPUID $ALL

# pause: it is asked again when it goes on
rule "$one" $PIO $ALL $PAUSE
until_is is one paused && ok policy_pause || not_ok policy_pause "$(state one)"
husk resume one
until_is is one paused && ok policy_pause_again || not_ok policy_pause_again "$(state one)"
unrule "$one" $PIO $ALL
husk resume one
until_is is one running && ok policy_resume || not_ok policy_resume "$(state one)"
same policy_other_runs "$(state other)" running

# a program that asks for nonsense, or for a fault that is none, ends its VM and no other
rule "$one" $PIO $ALL 99
until_is gone one && ok policy_nonsense || not_ok policy_nonsense "$(state one)"
start one
rule "$(id one)" $CPUID $ALL $FAULT 3
until_is gone one && ok policy_no_fault || not_ok policy_no_fault "$(state one)"
start one
rule "$(id one)" $CPUID $ALL $FAULT 64
until_is gone one && ok policy_big_fault || not_ok policy_big_fault "$(state one)"
# one that it can get: this guest has no memory for a handler
start one
rule "$(id one)" $CPUID $ALL $FAULT 13 0
until_is gone one && ok policy_fault || not_ok policy_fault "$(state one)"
start one
rule "$(id one)" $PIO 0x80 $KILL
until_is gone one && ok policy_kill || not_ok policy_kill "$(state one)"
same policy_other_lives "$(state other)" running

# held while attached; the program goes while it decides all exits of a VM
rmmod husk 2>/dev/null && not_ok policy_hold "unloaded" || ok policy_hold
rule "$other" $PIO $ALL $HANDLED
rule "$other" $CPUID $ALL $HANDLED
sleep 0.3
b=$(count other worker)
rm $BPF/policy
sleep 0.5
more policy_detach "$(count other worker)" "$b"

# a program whose process is killed while it decides the exits of a guest that has nothing else to do
start busy fast
$T/attach /lab/tests/decide_always.bpf >/tmp/attach.out &
owner=$!
until_is grep -q attached /tmp/attach.out && ok policy_process || not_ok policy_process "does not attach"
sleep 0.3
b=$(count busy worker)
sleep 0.3
same policy_process_decides "$(count busy worker)" "$b"
kill -9 $owner
worked() { [ "$(count busy worker)" -gt "$b" ]; }
until_is worked && ok policy_process_killed || not_ok policy_process_killed "$(count busy worker), still"
husk kill busy
until_is gone busy

# a program that writes beyond the record
# (bpftool pins it, unattached)
bpftool prog load /lab/tests/policy_beyond.bpf $BPF/beyond autoattach >/tmp/beyond 2>&1
bpftool link list | grep -q raw_tracepoint && not_ok policy_beyond "attached" || ok policy_beyond
grep -qiE "invalid argument|falling back" /tmp/beyond && ok policy_beyond_told || not_ok policy_beyond_told "$(tail -n 1 /tmp/beyond)"
rm -f $BPF/beyond
husk kill other
until_is gone other
check policy_unload unload
exit 0
