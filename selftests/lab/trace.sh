# SPDX-License-Identifier: GPL-2.0
# Tracepoints and their fields, the BPF program by plain bpftool, husk trace.
. ./lib.sh
FAIL=1 USAGE=2 HOST=4 NAME=5
EVENTS=/sys/kernel/tracing/events/husk
BPF=/sys/fs/bpf
load || { not_ok trace_load "$(dmesg | tail -n 1)"; exit 0; }

like() { echo "$2" | tr '\n' ' ' | grep -qE -e "$3" && ok "$1" || not_ok "$1" "no '$3' in: $(echo "$2" | head -n 3)"; }
fields() { sed -n 's/.*field:\([^;]*\);.*/\1/p' $EVENTS/"$1"/format | grep -v common_ | tr '\n' ','; }
shape() { [ "$(fields "$1")" = "$2" ] && ok trace_fields_"$1" || not_ok trace_fields_"$1" "$(fields "$1")"; }

shape husk_entry "u32 vm,u32 vcpu,u64 rip,u32 event,"
shape husk_exit "u32 vm,u32 vcpu,u32 reason,u32 level,u64 rip,u64 info0,u64 info1,u64 ns,"
shape husk_inject "u32 vm,u32 vcpu,u32 type,u32 vector,u32 error,"
shape husk_lifecycle "u32 vm,u32 kind,u64 detail,"

refused trace_no_right $HOST "root" setuidgid user husk trace --duration 1
refused trace_no_vm $NAME "no such VM" husk trace --vm nobody
refused trace_bad_duration $USAGE "bad duration" husk trace --duration -1
refused trace_two_modes $USAGE "usage" husk trace --summary --live

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

husk trace --duration 1 >/tmp/summary 2>&1
like trace_summary "$(cat /tmp/summary)" 'VM +REASON +LEVEL +COUNT .*traced +cpuid +fast +[1-9]'
husk trace --duration 1 --vm traced --json >/tmp/summary 2>&1
like trace_json "$(cat /tmp/summary)" '"lost": 0, "exits": .*"name": "traced", "reason": "pio", "level": "worker", "count": [1-9].*"log2_ns": \[0'
husk trace --live --duration 1 --vm 1 >/tmp/live 2>&1
like trace_live "$(grep -m 1 cpuid /tmp/live)" 'traced/0 +cpuid +fast +.*s +rip=000000000000fff0 info='
husk trace --live --duration 1 --json >/tmp/live 2>&1
like trace_live_json "$(head -n 1 /tmp/live)" '^.*"name": "traced", "vcpu": 0, "reason": "[a-z0-9]*", "level": "[a-z]*", "rip": 655'
husk kill traced
check trace_unload unload
exit 0
