# SPDX-License-Identifier: GPL-2.0
# BPF programs that decide exits of one VM, or of all, by husk policy.
. ./lib.sh
. ./decide_lib.sh
load || { not_ok decide_load "$(dmesg | tail -n 1)"; exit 0; }
[ -d $TRACING/events ] || mount -t tracefs tracefs $TRACING
P=/lab/bpf/policy_table.bpf.o

start one
start other
id=$(husk policy attach --on cpuid,pio one $P)
[ "$id" -gt 0 ] 2>/dev/null && ok decide_attach || not_ok decide_attach "id '$id'"
husk policy list | grep -q "^ *$id *one *policy_table_e.* *cpuid,pio" && ok decide_list || not_ok decide_list "$(husk policy list | tail -n 1)"
husk policy list --json one | grep -q "^{\"id\": $id, \"vm_id\": $(id one), \"vm\": \"one\".*\"on\": \\[\"cpuid\", \"pio\"\\]" &&
	ok decide_list_json || not_ok decide_list_json "$(husk policy list --json one)"
same decide_list_other "$(husk policy list --json other)" ""
husk policy show "$id" | grep -q 'map .* policy_table' && ok decide_show || not_ok decide_show "$(husk policy show "$id" 2>&1 | tr '\n' ' ')"

# nothing in the table: as before
a=$(answers "$id" pass) b=$(count one worker)
sleep 0.3
more decide_pass "$(answers "$id" pass)" "${a:-0}"
more decide_pass_worker "$(count one worker)" "$b"

# for its VM only, though the rule is for all
rule 0 $PIO 0x80 $HANDLED
sleep 0.3
a=$(count one kernel) b=$(count one worker) c=$(count other worker)
sleep 0.5
more decide_pio "$(count one kernel)" "${a:-0}"
same decide_pio_worker "$(count one worker)" "$b"
more decide_other "$(count other worker)" "$c"
more decide_counted "$(answers "$id" handled)" 0

unrule 0 $PIO 0x80

# CPUID's answer, from the program
rule 0 $CPUID $ALL $HANDLED 0 0 0x12345677
told 0x80 0x77 && ok decide_cpuid || not_ok decide_cpuid "$(tail -n 1 $TRACING/trace)"
unrule 0 $CPUID $ALL

# over a pause
rule 0 $PIO 0x80 $HANDLED
husk pause one
husk resume one
a=$(count one kernel)
sleep 0.3
more decide_after_pause "$(count one kernel)" "$a"
unrule 0 $PIO 0x80

# a program that writes what is not its own: the next one, which it deceives, is asked all the same, and the exit is what it was
lie=$(husk policy attach one /lab/tests/decide_lie.bpf) after=$(husk policy attach --on cpuid one /lab/tests/decide_after.bpf)
sleep 0.3
more decide_lie "$(answers "$after" pass)" 0
is one running && ok decide_lie_runs || not_ok decide_lie_runs "$(state one)"
husk policy detach "$lie" "$after"

# the worker decides
rule 0 $CPUID $ALL $WORKER
a=$(answers "$id" worker)
sleep 0.3
more decide_worker_passes "$(answers "$id" worker)" "${a:-0}"
is one running && ok decide_worker_runs || not_ok decide_worker_runs "$(state one)"
unrule 0 $CPUID $ALL
check decide_detach husk policy detach "$id"
refused decide_detach_again 5 "no program with this id" husk policy detach "$id"
start clerk answer
id=$(husk policy attach --on cpuid clerk $P)
rule 0 $CPUID $ALL $WORKER
told 0x80 0x3c && ok decide_worker_answers || not_ok decide_worker_answers "$(tail -n 1 $TRACING/trace)"
unrule 0 $CPUID $ALL
husk policy detach "$id"

# after the kernel
id=$(husk policy attach --on cpuid one /lab/tests/decide_after.bpf)
told 0x80 0x5c && ok decide_after || not_ok decide_after "$(tail -n 1 $TRACING/trace)"
more decide_after_counted "$(answers "$id" after)" 0
husk policy detach "$id"
is one running && ok decide_after_runs || not_ok decide_after_runs "$(state one)"
check decide_after_tracepoint bpftool prog load /lab/tests/decide_after.bpf $BPF/after autoattach
told 0x80 0x5c && ok decide_after_fast || not_ok decide_after_fast "$(tail -n 1 $TRACING/trace)"
rm -f $BPF/after

# memory that is no memory
start driver device
id=$(husk policy attach --on mmio,hlt,fault2 driver $P)
rule 0 $MMIO 0xd0010 $HANDLED 0 0 0 0x66
told 0x82 0x66 && ok decide_mmio || not_ok decide_mmio "$(tail -n 1 $TRACING/trace)"
rule 0 $MMIO 0xd0010 $PAUSE
until_is is driver paused && ok decide_mmio_pause || not_ok decide_mmio_pause "$(state driver)"
unrule 0 $MMIO 0xd0010
husk resume driver
told 0x82 0 && ok decide_mmio_back || not_ok decide_mmio_back "$(tail -n 1 $TRACING/trace)"
rule 0 $MMIO 0xd0010 $FAULT 13
until_is gone driver && ok decide_mmio_fault || not_ok decide_mmio_fault "$(state driver)"
unrule 0 $MMIO 0xd0010
husk policy list --json | grep -q "\"id\": $id," && not_ok decide_released "it is listed" || ok decide_released
bpftool prog list | grep -q policy_table && not_ok decide_released_bpf "$(bpftool prog list | grep policy_table)" || ok decide_released_bpf

# a plain MOV of 64-bit code is refused before the device sees it
start mover long
id=$(husk policy attach --on mmio mover $P)
seen() { husk stat --json mover | grep '"reason": "mmio"' | grep -o '"worker": [0-9]*' | cut -d' ' -f2; }
until_is [ "$(seen)" ] && ok decide_mov || not_ok decide_mov "no access of its"
rule 0 $MMIO 0xd0000010 $PAUSE
until_is is mover paused
a=$(seen)
for i in 1 2 3; do husk resume mover; until_is is mover paused; done
same decide_mov_pause "$(seen)" "$a"
rule 0 $MMIO 0xd0000010 $HANDLED 0 0 0 0x66
husk resume mover
told 0x80 0x66 && ok decide_mov_handled || not_ok decide_mov_handled "$(tail -n 1 $TRACING/trace)"
same decide_mov_quiet "$(seen)" "$a"
rule 0 $MMIO 0xd0000010 $FAULT 13
until_is gone mover && ok decide_mov_fault || not_ok decide_mov_fault "$(state mover)"
unrule 0 $MMIO 0xd0000010

# HLT without waiting
start sleeper halt
sleep 0.3
same decide_hlt_waits "$(count sleeper worker)" ""
husk kill sleeper
until_is gone sleeper
id=$(husk policy attach --all --on hlt $P)
rule 0 $HLT $ALL $HANDLED
start sleeper halt
sleep 0.3
more decide_hlt "$(count sleeper worker)" 0
husk kill sleeper
until_is gone sleeper
husk policy detach "$id"

# how long it polls: an idle guest, woken by its power button
echo 0 >/sys/module/husk/parameters/halt_poll_ns
husk run --detach --name idle --memory 16M --kernel $T/boot_mb.bin --cmdline "serve deaf" </dev/null >/tmp/run.out 2>&1
polls() { husk show --json idle | grep -oE '"poll_(hits|misses)": [0-9]+' | awk '{ n += $2 } END { print n + 0 }'; }
halted() { [ "$(husk stat --json idle | grep -c '"reason": "hlt"')" -gt 0 ]; }
until_is halted
husk button idle
sleep 0.3
same decide_poll_not "$(polls)" 0
id=$(husk policy attach --on hlt idle /lab/tests/decide_poll.bpf)
husk button idle	# ends the HLT that it is in, which nobody was asked about
polled() { [ "$(polls)" -gt 0 ]; }
until_is polled && ok decide_poll || not_ok decide_poll "$(polls) in $(answers "$id" pass) HLTs"
husk kill idle
until_is gone idle
echo 200000 >/sys/module/husk/parameters/halt_poll_ns

# another in its place, again and again: no exit in between that nobody decides
id=$(husk policy attach --on pio one /lab/tests/decide_always.bpf)
a=$(count one worker) b=$(count one kernel) first=$id bad=
for i in $(seq 6); do id=$(husk policy attach --replace "$id" one /lab/tests/decide_always.bpf) || bad="round $i"; done
same decide_replaced "$bad$(count one worker)" "$a"
more decide_replaced_runs "$(count one kernel)" "$b"
more decide_replaced_id "$id" "$first"
same decide_replaced_list "$(husk policy list --json one | grep -c '"id"')" 1
husk policy detach "$id"

# all VMs, also new ones; several programs: the first that decides counts
id=$(husk policy attach --all --on pio $P)
rule 0 $PIO 0x80 $HANDLED
start late
sleep 0.3
a=$(count late worker)
sleep 0.3
same decide_all_new "$(count late worker)" "$a"
more decide_all_decided "$(answers "$id" handled)" 0
husk policy list | grep -q "^ *$id *all " && ok decide_all_list || not_ok decide_all_list "$(husk policy list | tail -n 1)"
ids=
for i in 1 2 3 4 5 6 7 8; do ids="$ids $(husk policy attach --on cpuid one /lab/tests/decide_after.bpf)"; done
same decide_eight "$(husk policy list --json one | grep -c '"vm"')" 8
refused decide_nine 1 "8 programs" husk policy attach one /lab/tests/decide_after.bpf
check decide_detach_many husk policy detach $ids

# pinned
bpftool prog loadall /lab/tests/decide_after.bpf $BPF/pinned
check decide_pinned husk policy attach one $BPF/pinned/after_vm
husk policy detach "$(cat /tmp/check.out)"

# what is refused
refused decide_no_vm 5 "no such VM" husk policy attach nobody $P
refused decide_no_file 2 "no such file" husk policy attach one /nowhere
refused decide_no_object 1 "cannot load" husk policy attach one /etc/passwd
refused decide_reason 2 "bad reason" husk policy attach --on cpuid,nonsense one $P
refused decide_reason_unasked 2 "bad reason" husk policy attach --on extint one $P
refused decide_id 2 "bad id" husk policy detach x
refused decide_usage 2 "give a VM" husk policy attach $P
refused decide_verb 2 "no command" husk policy nonsense
refused decide_replace_none 5 "no program with this id" husk policy attach --replace 999999 one $P
refused decide_replace_other 5 "no program with this id" husk policy attach --replace "$id" one $P
refused decide_beyond 1 "beyond the end" husk policy attach one /lab/tests/decide_beyond.bpf
# before Linux 7.0 the verifier refuses it
husk policy attach one /lab/tests/decide_tail.bpf >/tmp/refused.out 2>&1 && not_ok decide_tail "attached" || ok decide_tail
grep -qE 'tail calls|Sleepable programs can only use' /tmp/refused.out && ok decide_tail_told || not_ok decide_tail_told "$(tail -n 1 /tmp/refused.out)"
refused decide_type 1 "not a BPF program of type syscall" husk policy attach one $BPF/pinned/after
husk policy attach one /lab/tests/decide_refused.bpf >/tmp/refused.out 2>&1
grep -q "invalid mem access 'map_value_or_null'" /tmp/refused.out && tail -n 1 /tmp/refused.out | grep -q 'the kernel refuses program "refused_vm"' &&
	ok decide_verifier || not_ok decide_verifier "$(tail -n 4 /tmp/refused.out | tr '\n' ' ')"
rm -r $BPF/pinned
chmod 666 /dev/husk
setuidgid 1000 $T/hold users & until_is is users running
refused decide_user_own "[34]" "needs|not permitted" setuidgid 1000 husk policy attach users $P
husk kill users
refused decide_user 4 "another user" setuidgid 1000 husk policy attach one $P
refused decide_user_detach 4 "CAP_SYS_ADMIN" setuidgid 1000 husk policy detach "$id"
same decide_user_list "$(setuidgid 1000 husk policy list --json)" ""

# attached and detached while two VMs run as fast as they can
start fast1 fast
start fast2 fast
bad=
for i in $(seq 8); do
	a=$(husk policy attach --on cpuid,pio fast1 $P) && b=$(husk policy attach --all /lab/tests/decide_after.bpf) &&
		husk policy detach "$a" "$b" || bad="round $i"
done
[ ! "$bad" ] && is fast1 running && is fast2 running && ok decide_load || not_ok decide_load "$bad $(state fast1) $(state fast2)"

# ---- in the fast loop, as a struct_ops ----
# with the libbpf of the kernel's own release
O=/lab/bpf/policy_table.ops.bpf.o
if [ ! -d /lab/release ]; then
	refused decide_fast_unknown "[123]" "struct_ops" husk policy attach --fast one $O
	skip decide_fast "no struct_ops of modules before Linux 6.12"
else
	husk policy detach "$id"	# of all: no other table
	until_is sh -c '! bpftool map show name policy_table | grep -q policy_table'
	id=$(fast --on cpuid,pio one $O)
	[ "$id" -gt 0 ] 2>/dev/null && ok decide_fast || not_ok decide_fast "id '$id'"
	husk policy list --json | grep -q "\"id\": $id, \"vm_id\": $(id one), .*\"fast\": true" && ok decide_fast_list || not_ok decide_fast_list "$(husk policy list --json)"
	husk policy show "$id" | grep -q 'a struct_ops' && ok decide_fast_show || not_ok decide_fast_show "$(husk policy show "$id" 2>&1 | head -n 3 | tr '\n' ' ')"
	rule 0 $PIO 0x80 $HANDLED
	sleep 0.3
	a=$(count one fast) b=$(count one worker) c=$(count other worker)
	sleep 0.5
	more decide_fast_pio "$(count one fast)" "${a:-0}"
	same decide_fast_worker "$(count one worker)" "$b"
	more decide_fast_other "$(count other worker)" "$c"
	more decide_fast_counted "$(answers "$id" handled)" 0
	unrule 0 $PIO 0x80
	rule 0 $CPUID $ALL $HANDLED 0 0 0x12345677
	told 0x80 0x77 && ok decide_fast_cpuid || not_ok decide_fast_cpuid "$(tail -n 1 $TRACING/trace)"
	unrule 0 $CPUID $ALL
	refused decide_fast_twice 1 "already" fast one $O
	rmmod husk 2>/dev/null && not_ok decide_fast_holds "unloaded" || ok decide_fast_holds
	check decide_fast_detach husk policy detach "$id"
	ls $BPF/husk_policy_* >/dev/null 2>&1 && not_ok decide_fast_unpinned "$(ls $BPF)" || ok decide_fast_unpinned
	a=$(count one worker)
	sleep 0.3
	more decide_fast_gone "$(count one worker)" "$a"
	id=$(fast --on cpuid one /lab/tests/decide_after_ops.bpf)
	told 0x80 0x5c && ok decide_fast_after || not_ok decide_fast_after "$(tail -n 1 $TRACING/trace)"
	husk policy detach "$id"
	id=$(fast --on cpuid one /lab/tests/decide_memory.bpf)
	told 0x84 0x && ok decide_fast_memory || not_ok decide_fast_memory "$(tail -n 1 $TRACING/trace)"
	bpftool map dump name decide_m.bss >/tmp/bss 2>&1 || bpftool map list >/tmp/bss
	same decide_fast_memory_right "$(grep -o '"decide_wrong": [0-9]*' /tmp/bss | cut -d' ' -f2)" 0
	husk policy detach "$id"
	fast one /lab/tests/decide_write.bpf >/tmp/refused.out 2>&1
	grep -q "only gpr, data, fault, error and fault_address" /tmp/refused.out && ok decide_fast_verifier || not_ok decide_fast_verifier "$(tail -n 2 /tmp/refused.out | tr '\n' ' ')"
	refused decide_fast_no_ops 2 "no struct_ops" fast one $P
	# its VM goes first; then the link
	start mortal
	id=$(fast mortal $O)
	husk kill mortal
	until_is gone mortal
	husk policy list --json | grep -q "\"id\": $id," && not_ok decide_fast_released "it is listed" || ok decide_fast_released
	check decide_fast_link rm $BPF/husk_policy_*
	id=$(fast --all --on cpuid $O)
	husk policy list | grep -q "^ *$id *all " && ok decide_fast_all || not_ok decide_fast_all "$(husk policy list | tail -n 1)"
	# on and off while two VMs run as fast as they can
	bad=
	for i in $(seq 5); do a=$(fast --on cpuid,pio fast1 $O) && husk policy detach "$a" || bad="round $i"; done
	[ ! "$bad" ] && is fast1 running && is fast2 running && ok decide_fast_load || not_ok decide_fast_load "$bad $(state fast1) $(state fast2)"
	husk policy detach "$id"
	id=$(husk policy attach --all --on pio $P)
fi

# whoever attached it is killed: it stays. The VM's process is killed: it goes
id2=$(husk policy attach --on pio fast1 $P)
kill -9 $(husk show --json fast1 | grep -o '"owner_pid": [0-9]*' | cut -d' ' -f2)
until_is gone fast1
husk policy list --json | grep -q "\"id\": $id2," && not_ok decide_killed "it is listed" || ok decide_killed

# a program for all does not hold the module
for vm in one other clerk late fast2; do husk kill $vm; until_is gone $vm; done
check decide_unload unload
bpftool prog list | grep -q policy_table && not_ok decide_unload_bpf "$(bpftool prog list | grep policy_table)" || ok decide_unload_bpf
exit 0
