# SPDX-License-Identifier: GPL-2.0
# Tracepoints: their layout, what they say, the recipes of README.md.
. ./lib.sh
EVENTS=/sys/kernel/tracing/events/husk
BPF=/sys/fs/bpf
load || { not_ok trace_load "$(dmesg | tail -n 1)"; exit 0; }

like() { echo "$2" | tr '\n' ' ' | grep -qE -e "$3" && ok "$1" || not_ok "$1" "no '$3' in: $(echo "$2" | head -n 3)"; }
# The list in uapi/husk_trace.h, the kernel, and what was promised once
layout() {
	for _format in $EVENTS/*/format; do
		sed -n "s/.*field:\(.*\) \([a-z0-9_]*\);.*offset:\([0-9]*\);.*size:\([0-9]*\);.*/$(basename "$(dirname "$_format")") \1 \2 \3 \4/p" \
			"$_format" | grep -v ' common_'
	done
}
same() { diff /tmp/want /tmp/have >/tmp/diff && ok "$1" || not_ok "$1" "$(grep -m 3 '^[<>]' /tmp/diff | tr '\n' ' ')"; }
layout | sort >/tmp/all
# husk_policy is for programs that decide: uapi/husk_bpf.h has it
grep -v '^husk_policy ' /tmp/all >/tmp/have
$T/trace_list layout | sort >/tmp/want
same trace_list
cp /tmp/all /tmp/have
grep -v '^#' trace.golden | sort >/tmp/want
same trace_golden

echo 1 >$EVENTS/enable
$T/hold traced &
sleep 1
echo 0 >$EVENTS/enable
grep -v '^#' /sys/kernel/tracing/trace >/tmp/trace
like trace_text_entry "$(grep -m 1 husk_entry: /tmp/trace)" 'vm=1 vcpu=0 rip=0xfff0 event=0x0'
like trace_text_exit "$(grep -m 1 'reason=cpuid' /tmp/trace)" 'vm=1 vcpu=0 reason=cpuid level=fast rip=0xfff0 .* ns=[1-9]'
like trace_text_level "$(grep -m 1 'reason=pio' /tmp/trace)" 'level=worker'
like trace_text_lifecycle "$(grep husk_lifecycle: /tmp/trace)" 'kind=created .*kind=vcpu-created .*kind=running '
echo >/sys/kernel/tracing/trace

# plain bpftool
check trace_bpftool_load bpftool prog load /lab/bpf/exits.bpf.o $BPF/exits autoattach
sleep 1
bpftool map dump name exits >/tmp/dump 2>&1
like trace_bpftool_dump "$(cat /tmp/dump)" '"reason": 3.*"count": [1-9]'
rmmod husk 2>/dev/null && not_ok trace_bpftool_hold "unloaded with a program attached" || ok trace_bpftool_hold
rm $BPF/exits

# the recipes of README.md
expected() {
	case $1 in
	'perf record'* | 'husk trace --flame'* | 'husk trace --chrome'*) ;;
	'perf stat'*) echo '[1-9][0-9]* +husk:husk_exit' ;;
	'perf script'*) echo 'husk:husk_exit: vm=1 vcpu=0 reason=pio level=worker .*ns=[1-9]' ;;
	'perf trace'*) echo 'husk:husk_entry\(vm: 1.*husk:husk_cpuid\(vm: 1' ;;
	'trace-cmd '*) echo 'husk_pio: +vm=1 vcpu=0 port=0x80 width=1 write=1 level=worker' ;;
	'bpftrace '*) echo '@ns\[1, 5\].*\[1M, 2M\) +[1-9]' ;;
	'bpftool map'*) echo '"reason": 3.*"count": [1-9]' ;;
	'bpftool '*) ;;
	'husk trace --latency'*) echo 'traced +cpuid +fast +[1-9]' ;;
	'husk trace --summary'*) echo 'traced +cpuid +fast +[1-9]' ;;
	*) echo 'a recipe that the test expects' ;;
	esac
}
recipe() {
	_tool=${1%% *}
	_name=trace_recipe_$n$(echo "$_tool" | tr -dc a-z)
	command -v "$_tool" >/dev/null || { skip "$_name" "no $_tool in this machine"; return; }
	sh -c "$1" >/tmp/recipe 2>&1 </dev/null && like "$_name" "$(cat /tmp/recipe)" "$(expected "$1")" ||
		not_ok "$_name" "status $?: $(tail -n 1 /tmp/recipe)"
}
mkdir -p /tmp/watch/build
ln -s /lab/bpf /tmp/watch/build/bpf
sed -n '/^<!-- watch:/,/^## /s/^    //p' /lab/README.md 2>/dev/null >/tmp/recipes
[ -s /tmp/recipes ] || skip trace_recipes "no README.md in this machine"
groups=$PWD n=0
cd /tmp/watch || exit
while read -r line <&3; do
	n=$((n + 1))
	recipe "$line"
done 3</tmp/recipes
cd "$groups" || exit
rm -f $BPF/exits

husk kill traced
wait

# what guests do, told once each, with the answer
record() {
	echo >/sys/kernel/tracing/trace
	echo 1 >$EVENTS/enable
	for _test; do $T/flat "$_test" >/tmp/flat 2>&1 || not_ok trace_record "$_test: $(tail -n 1 /tmp/flat)"; done
	echo 0 >$EVENTS/enable
	grep -v '^#' /sys/kernel/tracing/trace >/tmp/trace
}
# seen TEXT...: lines with one of them
seen() { printf '%s\n' "$@" >/tmp/texts; grep -cF -f /tmp/texts /tmp/trace; }
# shows EVENT[_WHAT] REGEX: there is such an event
shows() {
	grep -F "husk_${1%%_*}: " /tmp/trace >/tmp/events
	grep -qE "$2" /tmp/events && ok trace_"$1" || not_ok trace_"$1" "no '$2' in $(wc -l </tmp/events): $(head -n 1 /tmp/events)"
}
equal() { [ "$2" = "$3" ] && [ "$2" != 0 ] && ok trace_"$1" || not_ok trace_"$1" "$2, not $3"; }

record cpuid msr_known msr_unknown hypercall pio_widths
shows cpuid 'vm=[0-9]+ vcpu=0 function=0x0 index=0x0 eax=0x[0-9a-f]+ ebx=0x(68747541|756e6547) '
equal cpuid_once "$(seen husk_cpuid:)" "$(seen 'reason=cpuid ')"
shows msr ' index=0x277 write=0 fault=0 data=0x407050600070106$'
shows msr_refused ' index=0x12345 write=1 fault=1 data=0x1$'
equal msr_once "$(seen husk_msr:)" "$(seen 'reason=rdmsr ' 'reason=wrmsr ')"
shows hypercall ' number=57005 a0=0x0 .* result=-1000$'
equal hypercall_once "$(seen husk_hypercall:)" "$(seen 'reason=hypercall ')"
shows pio ' port=0xe0 width=4 write=1 level=worker data=0xa1b2c3d4$'
shows pio_answer ' port=0xe0 width=4 write=0 level=worker data=0xa1b2c3d4$'
# the last one, which ends the test, is no exit that was served
equal pio_once "$(($(seen husk_pio:) - $(seen ' port=0xf4 ')))" "$(seen 'reason=pio ')"
shows fault2 ' gpa=0x[0-9a-f]+ access=0x[0-9a-f]+ result=mapped$'
equal fault2_once "$(seen husk_fault2:)" "$(seen 'reason=fault2 ' 'reason=mmio ')"

record mmio_mov hlt_oneshot_xapic doorbells pv_hypercalls
shows mmio ' gpa=0xd0000000 width=8 write=1 level=worker data=0x1122334455667788$'
shows mmio_answer ' gpa=0xd0000000 width=8 write=0 level=worker data=0x1122334455667788$'
shows mmio_chip ' gpa=0xfee000f0 width=4 write=1 level=kernel data=0x1ff$'
shows fault2_device ' gpa=0xd0000000 .* result=noslot$'
shows pio_chip ' port=0x21 width=1 write=1 level=fast data='
shows timer ' mode=oneshot vector=64 late=[0-9]{1,10}$'
shows halt ' state=hlt slept=[01] over=1 ns=[1-9]'
shows eoi 'vm=[0-9]+ vcpu=0 vector=64$'
shows ipi ' mode=fixed vector=[0-9]+ to=[a-z]+ dest='
shows ipi_set ' mode=fixed vector=97 to=set dest=0x0 set=0x1$'
shows doorbell ' space=port addr=0x2200 width=2 data=0x1$'
shows doorbell_memory ' space=memory addr=0xd8000000 width='

# what a program counts is what the statistics say
$T/hold counted &
for _i in $(seq 50); do husk pause counted 2>/dev/null && break; sleep 0.1; done
# total NAME: of the statistics, all levels
total() { husk stat --json counted | grep "\"reason\": \"$1\"" | grep -oE '"(fast|kernel|worker)": [0-9]+' | awk '{ n += $2 } END { print n + 0 }'; }
# counted NUMBER: of the program, all levels and CPUs
counted() { awk -v reason="$1," '$1 == "\"reason\":" { on = $2 == reason } on && $1 == "\"count\":" { n += $2 } END { print n + 0 }' /tmp/dump; }
sleep 0.2
cpuid=$(total cpuid) pio=$(total pio) extint=$(total extint)
check trace_counts_load bpftool prog load /lab/bpf/exits.bpf.o $BPF/exits autoattach
husk resume counted
sleep 1
husk pause counted
sleep 0.2
bpftool map dump name exits >/tmp/dump 2>&1
equal counts_cpuid "$(counted 3)" "$(($(total cpuid) - cpuid))"
equal counts_pio "$(counted 5)" "$(($(total pio) - pio))"
[ "$(counted 1)" = "$(($(total extint) - extint))" ] && ok trace_counts_extint || not_ok trace_counts_extint "$(counted 1), not $(($(total extint) - extint))"
rm -f $BPF/exits
husk kill counted

check trace_unload unload
exit 0
