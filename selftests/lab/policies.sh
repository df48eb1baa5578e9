# SPDX-License-Identifier: GPL-2.0
# The policies that come with husk, each by the tracepoint and for one VM.
. ./lib.sh
. ./decide_lib.sh
load || { not_ok policies_load "$(dmesg | tail -n 1)"; exit 0; }
[ -d $TRACING/events ] || mount -t tracefs tracefs $TRACING
RDMSR=6 WRMSR=7 HYPERCALL=8 MSR=0x200 GP=13

# its maps go a little later than the program
no_map() { ! bpftool map show name "$1" >/dev/null 2>&1; }
# by DOOR POLICY MAP [VM REASON,...]: attached by the tracepoint, or to the VM; a map of it
by() {
	case $1 in
	all) check policies_"$2"_attach bpftool prog load /lab/bpf/policy_"$2".bpf.o $BPF/"$2" autoattach ;;
	vm) attached=$(husk policy attach --on "$5" "$4" /lab/bpf/policy_"$2".bpf.o) && ok policies_"$2"_attach_vm || not_ok policies_"$2"_attach_vm "not attached" ;;
	esac
	policy=$2 map=$3
}
off() {
	[ ! -e $BPF/"$policy" ] || rm $BPF/"$policy"
	[ ! "$attached" ] || husk policy detach "$attached"
	attached=
	until_is no_map "$map" || not_ok policies_"$policy"_off "map $map is still there"
}
# field MAP NAME: of its entries, one a line
field() { bpftool map dump name "$1" | grep -o "\"$2\": [0-9][0-9]*" | cut -d' ' -f2; }
# tells NAME PORT VALUE: the guest does
tells() { told "$2" "$3" && ok "$1" || not_ok "$1" "$(tail -n 1 $TRACING/trace)"; }
# what a port was told in a while, each value once
values() { told "$1" nothing; grep -o "address=$1 data=0x[0-9a-f]*" $TRACING/trace | sed 's/.*data=//' | sort -u | tr '\n' ' '; }

# ---- a service and a device, budgets ----
start driver device
one=$(id driver)
by all service service_answers
tells policies_service_none 0x81 0xfe
bpftool map update name service_answers key hex $(bytes 8 0) value hex $(bytes 8 0x5a)
tells policies_service 0x81 0x5a
off
by all device device_state
tells policies_device_count 0x80 '0x[1-9a-f]'
bells() { field device_state bells; }
a=$(bells)
sleep 0.3
more policies_device_bells "$(bells)" "${a:-0}"
a=$(count driver worker)
sleep 0.3
more policies_device_others "$(count driver worker)" "$a"	# ports that are not its own
off
# 10 accesses a second, 50 at once: only counted, then for a pause
by all budget budget_limits
limit() { bpftool map update name budget_limits key hex $(bytes 4 $PIO) value hex $(bytes 4 10) $(bytes 4 50) $(bytes 4 "$1"); }
limit $PASS
over() { field budget_state over; }
is_over() { [ "$(over)" -gt 0 ] 2>/dev/null; }
until_is is_over && ok policies_budget_over || not_ok policies_budget_over "$(over)"
same policies_budget_runs "$(state driver)" running
limit $PAUSE
until_is is driver paused && ok policies_budget_pause || not_ok policies_budget_pause "$(state driver)"
off
husk resume driver
until_is is driver running && ok policies_budget_resume || not_ok policies_budget_resume "$(state driver)"
husk kill driver
until_is gone driver

# ---- masks of CPUID ----
start probe probe
# mask VM LEAF SUBLEAF AND-EAX OR-EAX
mask() {
	bpftool map update name mask_rules key hex $(bytes 4 "$1") $(bytes 4 "$2") $(bytes 4 "$3") \
		value hex $(bytes 4 "$4") $(bytes 4 -1) $(bytes 4 -1) $(bytes 4 -1) $(bytes 4 "$5") $(bytes 12 0)
}
unmask() { bpftool map delete name mask_rules key hex $(bytes 4 "$1") $(bytes 4 "$2") $(bytes 4 "$3"); }
plain=$(values 0x85) plain_d=$(values 0x87)
same policies_probe "$(echo "$plain$plain_d" | wc -w)" 2
for door in all vm; do
	by $door mask mask_rules probe cpuid
	same policies_mask_none_$door "$(values 0x85)" "$plain"
	mask 0 1 -1 0xffffff00 0x3c
	same policies_mask_all_$door "$(values 0x85)" "0x3c "
	same policies_mask_leaf_$door "$(values 0x87)" "$plain_d"
	mask 0 0xd 2 0 0x11
	same policies_mask_subleaf_other_$door "$(values 0x87)" "$plain_d"
	mask 0 0xd 1 0 0x22
	same policies_mask_subleaf_$door "$(values 0x87)" "0x22 "
	mask "$(id probe)" 0xd -1 0 0x33
	same policies_mask_vm_$door "$(values 0x87)" "0x33 "
	mask 99999 1 -1 0 0x44
	same policies_mask_vm_other_$door "$(values 0x85)" "0x3c "
	off
done
same policies_mask_off "$(values 0x85)" "$plain"

# ---- MSRs ----
# msr VM MSR READ WRITE VALUE
msr() { bpftool map update name msr_rules key hex $(bytes 4 "$1") $(bytes 4 "$2") value hex $(bytes 4 "$3") $(bytes 4 "$4") $(bytes 8 "${5:-0}"); }
# audit WRITE NAME: what is known of reads (0) or writes (1)
audit() { bpftool map lookup name msr_audit key hex $(bytes 4 "$(id probe)") $(bytes 4 $MSR) $(bytes 4 "$1") | grep -o "\"$2\": [0-9][0-9]*" | cut -d' ' -f2; }
NEXT=0 ALLOW=1 DENY=2 IGNORE=3 WATCH=4
for door in all vm; do
	by $door msr msr_rules probe rdmsr,wrmsr
	same policies_msr_none_$door "$(values 0x84)" "0x0 0x6 "
	more policies_msr_count_$door "$(audit 0 count)" 0
	same policies_msr_allowed_$door "$(audit 1 denied)$(values 0x86)" 0
	same policies_msr_rip_$door "$(audit 1 rip)" $((0x1e))
	# a default for all VMs; what is written is known
	msr 0 -1 $ALLOW $DENY
	tells policies_msr_deny_$door 0x86 0xee
	same policies_msr_deny_other_$door "$(values 0x87)" "$plain_d"
	more policies_msr_denied_$door "$(audit 1 denied)" 0
	more policies_msr_total_$door "$(field msr_totals denied)" 0
	# the MSR's own rule comes first, and what it leaves out is the default's
	msr 0 $MSR $IGNORE $NEXT 0x4d
	tells policies_msr_constant_$door 0x84 0x4d
	same policies_msr_constant_noted_$door "$(audit 0 value)" $((0x4d))
	tells policies_msr_next_$door 0x86 0xee
	msr 0 $MSR $NEXT $IGNORE
	same policies_msr_dropped_$door "$(values 0x84 | wc -w) $(values 0x86)" "1 "
	more policies_msr_ignored_$door "$(field msr_totals ignored)" 0
	# the VM's own rule comes before that for all
	msr "$(id probe)" $MSR $WATCH $ALLOW
	same policies_msr_own_$door "$(values 0x84)" "0x0 0x6 "
	case $(audit 0 value) in 0 | 6) ok policies_msr_watch_$door ;; *) not_ok policies_msr_watch_$door "$(audit 0 value)" ;; esac
	# what is no action is none that lets through
	msr "$(id probe)" $MSR 77 $ALLOW
	tells policies_msr_bad_action_$door 0x86 0xee
	off
done
is probe running && ok policies_msr_runs || not_ok policies_msr_runs "$(state probe)"

# ---- learning ----
CLASS=7
# learn_key REASON ADDRESS [ACCESS WIDTH]
learn_key() { echo "key hex $(bytes 4 ${class:-$CLASS}) $(bytes 4 "$1") $(bytes 4 "${3:-0}") $(bytes 4 "${4:-0}") $(bytes 8 "$2")"; }
learnt() { bpftool map lookup name learn_list $(learn_key "$@") | grep -q value; }
config() { bpftool map update name learn_config key hex $(bytes 4 ${class:-$CLASS}) value hex $(bytes 4 "$1") $(bytes 4 "$2") $(bytes 4 "${3:-0}") $(bytes 4 0); }
class_of() { bpftool map update name learn_class key hex $(bytes 4 "$1") value hex $(bytes 4 $CLASS); }
refusals() { bpftool map lookup name learn_refused $(learn_key "$@") | grep -o '"value": [0-9][0-9]*' | cut -d' ' -f2; }
stats() { bpftool map lookup name learn_stats key hex $(bytes 4 ${class:-$CLASS}) | grep -o "\"$1\": [0-9]*" | cut -d' ' -f2; }
# as husk-policy(7) has it
save() {
	bpftool -j map dump name learn_list | sed 's/{"key"/\n&/g' |
		sed -n 's/^{"key":\[\([^]]*\)\],"value":\[\([^]]*\)\].*/map update name learn_list key \1 value \2/p' | tr '",' '  '
}
RECORD=0 ENFORCE=1
for door in all vm; do
	by $door learn learn_list probe cpuid,rdmsr,wrmsr,pio,mmio,hypercall
	class_of "$(id probe)"
	sleep 0.3
	learnt $RDMSR $MSR && learnt $WRMSR $MSR && learnt $CPUID 0xd && learnt $PIO 0x87 2 1 && ok policies_learn_$door ||
		not_ok policies_learn_$door "$(save | head -n 1)"
	learnt $PIO 0x87 1 1 && not_ok policies_learn_direction_$door "reads of the port, too" || ok policies_learn_direction_$door
	more policies_learn_stats_$door "$(stats learnt)" 5
	# what it does is what it may do
	config $ENFORCE $FAULT $GP
	sleep 0.3
	same policies_learn_enforce_$door "$(stats refused)" 0
	is probe running && ok policies_learn_runs_$door || not_ok policies_learn_runs_$door "$(state probe)"
	# what it has not done: counted, then an exception, of which its handler tells
	save >/tmp/learn.$door
	config $ENFORCE $PASS
	bpftool map delete name learn_list $(learn_key $CPUID 0xd)
	sleep 0.3
	more policies_learn_counted_$door "$(refusals $CPUID 0xd)" 0
	same policies_learn_passed_$door "$(values 0x87)" "$plain_d"
	bpftool map update name learn_list $(learn_key $PIO 0x86 2 1) value hex $(bytes 8 0)
	config $ENFORCE $FAULT $GP
	tells policies_learn_fault_$door 0x86 0xee
	config $ENFORCE $PAUSE
	until_is is probe paused && ok policies_learn_pause_$door || not_ok policies_learn_pause_$door "$(state probe)"
	off
	husk resume probe
	until_is is probe running && ok policies_learn_resume_$door || not_ok policies_learn_resume_$door "$(state probe)"

	# saved and loaded
	by $door learn learn_list probe cpuid,rdmsr,wrmsr,pio,mmio,hypercall
	config $ENFORCE $KILL
	check policies_learn_load_$door bpftool batch file /tmp/learn.$door
	class_of "$(id probe)"
	sleep 0.3
	is probe running && ok policies_learn_loaded_$door || not_ok policies_learn_loaded_$door "$(state probe)"
	same policies_learn_loaded_refused_$door "$(stats refused)" ""
	off
done

# a list that is full, but for what the VM did meanwhile: that is told, and no escape
by all learn learn_list
seq 16384 | awk '{ printf "map update name learn_list key hex 00 00 00 00 06 00 00 00 00 00 00 00 00 00 00 00 %02x %02x %02x ff 00 00 00 00 value hex 00 00 00 00 00 00 00 00\n",
	$1 % 256, int($1 / 256) % 256, int($1 / 65536) }' >/tmp/fill
bpftool batch file /tmp/fill >/dev/null 2>&1
class_of "$(id probe)"
sleep 0.3
more policies_learn_full "$(stats full)" 0
learnt $CPUID 0xd && not_ok policies_learn_full_list "it is on it" || ok policies_learn_full_list
config $ENFORCE $KILL
until_is gone probe && ok policies_learn_full_kill || not_ok policies_learn_full_kill "$(state probe)"
off

# device memory by its page, and hypercalls by number
start driver device
for door in all vm; do
	by $door learn learn_list driver pio,mmio,hypercall
	class_of "$(id driver)"
	sleep 0.3
	learnt $MMIO 0xd0000 1 && ok policies_learn_mmio_$door || not_ok policies_learn_mmio_$door "$(save | tail -n 1)"
	learnt $HYPERCALL 0x48550001 && ok policies_learn_hypercall_$door || not_ok policies_learn_hypercall_$door "$(save | tail -n 1)"
	config $ENFORCE $PAUSE
	sleep 0.3
	is driver running && ok policies_learn_driver_$door || not_ok policies_learn_driver_$door "$(state driver)"
	bpftool map delete name learn_list $(learn_key $MMIO 0xd0000 1)
	until_is is driver paused && ok policies_learn_mmio_pause_$door || not_ok policies_learn_mmio_pause_$door "$(state driver)"
	more policies_learn_mmio_refused_$door "$(refusals $MMIO 0xd0000 1)" 0
	off
	husk resume driver
	until_is is driver running || not_ok policies_learn_mmio_resume_$door "$(state driver)"
done
husk kill driver
until_is gone driver

# a kernel that boots: once to learn, once more, and one that does something else. The map outlives the program
class=0
boots() { husk run --name kernel --kernel $T/boot_mb.elf --memory 16M --debug-exit --testdev --cmdline "$1" </dev/null >/tmp/boots.out 2>&1; status=$?; }
check policies_learn_maps bpftool prog loadall /lab/bpf/policy_learn.bpf.o $BPF/learn_programs pinmaps $BPF/learn_maps
attached=$(husk policy attach --all $BPF/learn_programs/policy_learn_vm)
boots plain
same policies_learn_boot "$status" 1
learnt $PIO 0x3f8 2 1 && ok policies_learn_boot_learnt || not_ok policies_learn_boot_learnt "$(save | head -n 1)"
config $ENFORCE $KILL
husk policy detach "$attached"
rm -r $BPF/learn_programs
check policies_learn_reuse bpftool prog load /lab/bpf/policy_learn.bpf.o $BPF/learn map name learn_list pinned $BPF/learn_maps/learn_list \
	map name learn_config pinned $BPF/learn_maps/learn_config autoattach
rm -r $BPF/learn_maps
attached=
single() { [ "$(bpftool map list | grep -c " name $1 ")" = 1 ]; }
until_is single learn_refused	# the detached program's own is gone
boots plain
same policies_learn_boot_again "$status" 1
boots testdev
same policies_learn_boot_other "$status" 8
more policies_learn_boot_refused "$(refusals $PIO 0xe0 2 4)" 0
off

# ---- phases of a boot ----
# phase NAME: of that VM; in_phase PHASE REASON: how many exits of the only VM
phase() { bpftool map lookup name boot_vms key hex $(bytes 4 "$(id "$1")") | grep -o '"phase": [0-9]*' | cut -d' ' -f2; }
phase_is() { [ "$(phase "$1")" = "$2" ]; }
in_phase() { bpftool map lookup name boot_phases key hex $(bytes 4 "$(id "$1")") $(bytes 4 "$2") $(bytes 4 "$3") | grep -o "\"$4\": [0-9][0-9]*" | cut -d' ' -f2; }
FIRMWARE=0 LOADER=1 KERNEL=2 IDLE=3
by all boot boot_vms
start probe probe
sleep 0.3
same policies_boot_firmware "$(phase probe)" $FIRMWARE
more policies_boot_firmware_cpuid "$(in_phase probe $FIRMWARE $CPUID count)" 1
husk kill probe
until_is gone probe
husk run --detach --name low --kernel $T/boot_mb.bin --memory 16M --cmdline serve </dev/null >/dev/null
until_is phase_is low $LOADER && ok policies_boot_loader || not_ok policies_boot_loader "$(phase low)"
husk kill low
off
for door in all vm; do
	by all boot boot_vms
	[ $door = all ] || { off; attached=$(husk policy attach --all /lab/bpf/policy_boot.bpf.o); }
	husk run --detach --name high --kernel $T/boot_mb.elf --memory 16M --cmdline serve </dev/null >/dev/null
	until_is phase_is high $IDLE && ok policies_boot_idle_$door || not_ok policies_boot_idle_$door "$(phase high)"
	more policies_boot_kernel_$door "$(in_phase high $KERNEL $PIO count)" 1
	more policies_boot_hlt_$door "$(in_phase high $IDLE $HLT count)" 0
	same policies_boot_no_hlt_$door "$(in_phase high $KERNEL $HLT count)" ""
	more policies_boot_times_$door "$(in_phase high $IDLE $HLT first_ns)" "$(in_phase high $KERNEL $PIO first_ns)"
	husk kill high
	until_is gone high
	off
done

# ---- the examples of husk-policy(7) ----
no_maps() { ! bpftool map list | grep -q .; }
# each to a file with a number and its section; the first one is a function for all others
examples() {
	mkdir -p /tmp/examples
	awk '/^\.S[hs] / { section = $2 }
	/^\.\\" run$/ { file = sprintf("/tmp/examples/%02d_%s", ++n, section) }
	/^\.Ed$/ { file = "" }
	file && !/^\./ { print >file }' /lab/husk-policy.7
	sed -i 's/\\e/\\/g' /tmp/examples/*
}
if [ -e /lab/husk-policy.7 ]; then
	start web probe
	examples
	set -- /tmp/examples/*
	same policies_examples "$(ls /tmp/examples | sed 's/^.._//' | sort -u | grep -c '^policy_')" 10
	first=$1
	shift
	for example; do
		until_is no_maps || not_ok policies_example_maps "$(bpftool map list | head -n 1)"
		(cd /lab/bpf && cat "$first" "$example" | sh -e) >/tmp/example.out 2>&1 && ok policies_example_"${example##*/}" ||
			not_ok policies_example_"${example##*/}" "$(tail -n 1 /tmp/example.out)"
		rm -rf $BPF/*
		for i in $(husk policy list --json | grep -o '^{"id": [0-9]*' | cut -d' ' -f2); do husk policy detach "$i"; done
	done
	is web running && ok policies_examples_run || not_ok policies_examples_run "$(state web)"
	husk kill web
	until_is gone web
else
	skip policies_examples "the manual page is not here (scripts/check puts it there)"
fi
check policies_unload unload
exit 0
