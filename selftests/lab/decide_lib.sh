# SPDX-License-Identifier: GPL-2.0
# What the groups about BPF programs that decide exits share, after lib.sh
BPF=/sys/fs/bpf
TRACING=/sys/kernel/tracing
CPUID=3 HLT=4 PIO=5 MMIO=10
PASS=0 HANDLED=1 FAULT=2 PAUSE=3 KILL=4 WORKER=5 AFTER=6
ALL=-1
# bytes WIDTH VALUE, low one first
bytes() { _v=$(($2)); for _b in $(seq "$1"); do printf '%02x ' $((_v & 255)); _v=$((_v >> 8)); done; }
key() { echo "key hex $(bytes 4 "$1") $(bytes 4 "$2") $(bytes 8 "$3")"; }
# rule VM REASON ADDRESS VERDICT [FAULT ERROR EAX DATA]
rule() {
	bpftool map update name policy_table $(key "$1" "$2" "$3") value hex $(bytes 4 "$4") $(bytes 4 "${5:-0}") $(bytes 4 "${6:-0}") \
		$(bytes 4 "${7:-0}") $(bytes 12 0) $(bytes 4 0) $(bytes 8 "${8:-0}") $(bytes 8 0)
}
unrule() { bpftool map delete name policy_table $(key "$1" "$2" "$3"); }
hits() { bpftool map lookup name policy_table $(key "$1" "$2" "$3") | grep -o '"hits": [0-9]*' | cut -d' ' -f2; }
id() { husk show --json "$1" 2>/dev/null | head -n 1 | grep -o '^{"id": [0-9]*' | cut -d' ' -f2; }
state() { husk show "$1" 2>/dev/null | awk '/^  state/ { print $2 }'; }
count() { husk stat --json "$1" | grep '"reason": "pio"' | grep -o "\"$2\": [0-9]*" | cut -d' ' -f2; }
# until COMMAND...: within 5 s
until_is() { for _i in $(seq 50); do "$@" && return; sleep 0.1; done; return 1; }
is() { [ "$(state "$1")" = "$2" ]; }
gone() { ! id "$1" | grep -q .; }
start() { $T/hold "$@" & until_is is "$1" running || not_ok policy_start "$1 does not run"; }
same() { [ "$2" = "$3" ] && ok "$1" || not_ok "$1" "$2, not $3"; }
more() { [ "${2:-0}" -gt "${3:-0}" ] && ok "$1" || not_ok "$1" "$2, no more than $3"; }
# by the libbpf of the host's release, which knows struct_ops of modules from 6.12 on: there is none before
fast() { /lab/release/ld-linux-x86-64.so.2 --library-path /lab/release:/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu /usr/bin/husk policy attach --fast "$@"; }
# answers ID VERDICT: how often the attached program has given it
answers() { husk policy show --json "$1" | grep -o "\"$2\": [0-9]*" | cut -d' ' -f2; }
# told PORT VALUE: the guest writes it there
told() {
	echo "reason == $PIO && address == $1" >$TRACING/events/husk/husk_policy/filter
	echo >$TRACING/trace
	echo 1 >$TRACING/events/husk/husk_policy/enable
	sleep 0.3
	echo 0 >$TRACING/events/husk/husk_policy/enable
	grep -q "address=$1 data=$2" $TRACING/trace
}
