# SPDX-License-Identifier: GPL-2.0
# Bad input of the CLI: one clear line, its status, nothing left behind.
. ./lib.sh
image=$(ls /lab/guest/vmlinuz-* 2>/dev/null | head -n 1)
[ -n "$image" ] || { skip cli "no guest kernel here"; exit 0; }
# statuses of userland/lib/status.h
FAIL=1 USAGE=2 INPUT=3 HOST=4 NAME=5

echo 'no kernel' >/tmp/text
head -c 3000 "$image" >/tmp/short
: >/tmp/empty
chmod 644 /tmp/text /tmp/short /tmp/empty

refused cli_no_module $HOST 'husk' husk run --kernel "$image"
refused cli_no_module_ls $HOST 'husk' husk ls
refused cli_no_module_top $HOST 'husk' husk top
refused cli_no_module_console $HOST 'husk' husk console nosuchvm
husk doctor >/tmp/doctor
_got=$?
[ $_got = $HOST ] && grep -q '^fail  module ' /tmp/doctor && ok cli_doctor_fail || not_ok cli_doctor_fail "status $_got: $(grep module /tmp/doctor)"
load || { not_ok cli_load "$(dmesg | tail -n 1)"; exit 0; }
husk doctor >/tmp/doctor
_got=$?
mkdir -p /tmp/bin && : >/tmp/bin/passt && chmod 755 /tmp/bin/passt
[ $_got = 0 ] && grep -q '^info  passt  .*install the package passt$' /tmp/doctor && grep -q "^info  vsock .*modprobe vhost_vsock'$" /tmp/doctor &&
	PATH=$PATH:/tmp/bin husk doctor | grep -q '^ok    passt ' && ok cli_doctor || not_ok cli_doctor "status $_got: $(grep passt /tmp/doctor)"
husk doctor --json | grep -q '{"check": "passt", "verdict": "info"' && ok cli_doctor_json || not_ok cli_doctor_json "$(husk doctor --json | grep passt)"
refused cli_no_command $USAGE 'usage|command' husk nosuchcommand
refused cli_no_option $USAGE 'option' husk run --nosuchoption
refused cli_ambiguous $USAGE 'ambiguous' husk run --m 1G
refused cli_no_kernel $USAGE 'kernel' husk run
refused cli_kernel_missing $INPUT 'no such|not found' husk run --kernel /tmp/nosuchfile
refused cli_kernel_folder $INPUT 'tmp' husk run --kernel /tmp
refused cli_kernel_text $INPUT 'kernel|bzImage' husk run --kernel /tmp/text
refused cli_kernel_short $INPUT 'kernel|bzImage|short|truncated|cut' husk run --kernel /tmp/short
refused cli_kernel_empty $INPUT 'kernel|bzImage|empty|short' husk run --kernel /tmp/empty
refused cli_kernel_device $INPUT 'null' husk run --kernel /dev/null
refused cli_initrd_missing $INPUT 'no such|not found' husk run --kernel "$image" --initrd /tmp/nosuchfile
refused cli_memory_little $INPUT 'memory' husk run --kernel "$image" --memory 1M
refused cli_memory_zero $USAGE 'memory' husk run --kernel "$image" --memory 0
refused cli_memory_absurd $INPUT 'memory' husk run --kernel "$image" --memory 9999999G
refused cli_memory_word $USAGE 'memory' husk run --kernel "$image" --memory lots
refused cli_memory_negative $USAGE 'memory' husk run --kernel "$image" --memory=-5M
refused cli_cmdline_long $INPUT 'cmdline|command line' husk run --kernel "$image" --cmdline "$(head -c 9000 /dev/zero | tr '\0' a)"
refused cli_balloon_word $USAGE 'size' husk balloon nosuchvm lots
refused cli_uuid_zero $USAGE 'all zero' husk run --kernel "$image" --uuid 00000000-0000-0000-0000-000000000000
refused cli_events_count $USAGE 'count' husk events --count 99999999999999999999
refused cli_pin_word $USAGE 'vCPU=CPU' husk run --kernel "$image" --pin first
refused cli_pin_half $USAGE 'vCPU=CPU' husk run --kernel "$image" --pin 0=0,1=
refused cli_pin_more $USAGE 'vCPU=CPU' husk run --kernel "$image" --pin 0=0,
refused cli_pin_twice $USAGE 'twice' husk run --kernel "$image" --pin 0=0,0=0
refused cli_pin_no_vcpu $USAGE 'no such vCPU' husk run --kernel "$image" --cpus 2 --pin 2=0
refused cli_pin_no_cpu $INPUT 'no such CPU' husk run --kernel "$image" --pin 0=999
refused cli_name_bad "[$USAGE$INPUT$NAME]" 'name' husk run --kernel "$image" --name 'a/b'
refused cli_no_kvm $HOST 'load kvm|VT-x only' husk run --kernel "$image" --kvm-anchor
refused cli_top_interval $USAGE 'interval' husk top --interval 0
refused cli_top_sort $USAGE 'cpu, exits' husk top --sort size
refused cli_console_escape $USAGE 'key' husk console --escape Ctrl-A nosuchvm
for command in show top console pause resume stop kill; do
	refused cli_no_vm_$command $NAME 'no' husk $command nosuchvm
done
chmod 755 /lab /lab/guest 2>/dev/null
refused cli_no_rights $HOST 'permission|right|group' setuidgid user husk run --kernel "$image"
setuidgid user husk doctor >/tmp/doctor
_got=$?
[ $_got = $HOST ] && grep -q '^fail  rights .*group husk' /tmp/doctor && ok cli_doctor_rights || not_ok cli_doctor_rights "status $_got: $(grep rights /tmp/doctor)"

# A guest that says a few lines and halts, twice: on two consoles at once, and in a file. wait_for NAME FILE N: it was there N times
wait_for() {
	for _i in $(seq 1 100); do
		[ "$(grep -c 'ok bss_zero' $2 2>/dev/null)" = $3 ] && { ok $1; return; }
		sleep 0.1
	done
	not_ok $1 "$(tail -n 1 $2)"
}
head -c 1048576 /dev/zero >/tmp/disk
check cli_detach husk run --detach --name talker --kernel $T/boot_mb.elf --disk /tmp/disk
husk console --read-only --log /tmp/talker.log talker >/tmp/console1 2>&1 </dev/null &
consoles=$!
husk console talker >/tmp/console2 2>&1 </dev/null &
consoles="$consoles $!"
wait_for cli_console /tmp/console1 1
wait_for cli_console_second /tmp/console2 1
check cli_console_reset husk reset talker
wait_for cli_console_follows /tmp/console1 2
wait_for cli_console_second_follows /tmp/console2 2
kill $consoles
wait $consoles && ok cli_console_signal || not_ok cli_console_signal "status $?"
check cli_console_log cmp /tmp/console1 /tmp/talker.log

# What it and a busy one use; the worker tells of its disk
$T/hold busy &
hold=$!
for _i in $(seq 1 50); do husk show busy >/dev/null 2>&1 && break; sleep 0.1; done
husk top --json --count 1 --interval 0.3 >/tmp/top
grep -q '"name": "busy".*"cpu_percent": [0-9.]*[1-9][0-9.]*, "exits_per_s": [1-9].*"reason": "cpuid", "level": "fast", "per_s": [1-9].*"resident_bytes": [1-9]' /tmp/top &&
	ok cli_top_busy || not_ok cli_top_busy "$(cut -c1-300 /tmp/top)"
grep -q '"name": "talker".*"cpu_percent": 0.*"read_bytes_per_s": 0.00' /tmp/top && ok cli_top_disk || not_ok cli_top_disk "$(cut -c1-300 /tmp/top)"
husk top --count 1 --interval 0.2 busy >/tmp/top
grep -q '^NAME .* SENT/s$' /tmp/top && grep -q '^busy  *running ' /tmp/top && grep -q '^cpuid ' /tmp/top && ! grep -q talker /tmp/top &&
	ok cli_top_one || not_ok cli_top_one "$(tail -n 1 /tmp/top)"
# a worker that does not answer holds nobody up; nor does a reader that is gone
kill $hold
kill -STOP $(pidof husk-vm)
check cli_top_stopped timeout 5 husk top --count 2 --interval 0.1
kill -CONT $(pidof husk-vm)
check cli_top_pipe timeout 5 sh -c 'husk top --batch --interval 0.1 | head -n 1'
husk kill talker
wait

# VMs of another user's, whom root asks about: of what they say nothing does harm
D=/tmp/decoy
mkdir -m 777 $D
chmod 666 /dev/husk
decoys=
# decoy NAME ARGUMENTS...: in the background, as the user but for root's own
decoy() {
	_decoy=$1
	shift
	if [ $_decoy = root ]; then
		$T/decoy "$@" >$D/$_decoy.said 2>&1 &
	else
		setpriv --reuid=1000 --regid=1000 --clear-groups $T/decoy "$@" >$D/$_decoy.said 2>&1 &
	fi
	decoys="$decoys $!"
	for _i in 1 2 3 4 5 6 7 8 9 10; do grep -qs ready $D/$_decoy.said && return; sleep 0.2; done
	not_ok cli_decoy_$_decoy "$(head -n 1 $D/$_decoy.said)"
}
decoy root socket $D/root.sock ok
decoy thief vm thief $D/root.sock
decoy liar socket $D/liar.sock "$(printf '\033[2Jlie\n')"
decoy liar_vm vm liar $D/liar.sock
decoy forger socket $D/forger.sock '{"a": "}\""}, "state": "forged", "b": {}'
decoy forger_vm vm forger $D/forger.sock
decoy honest socket $D/honest.sock "$(printf '{"a": "}\\"", "b": [{}], "c": "\2332J"}')"
decoy honest_vm vm honest $D/honest.sock
decoy path_vm vm path "$(printf '/tmp/\033[2J')"
refused cli_control_stolen $HOST "another user" husk balloon thief 1M
refused cli_console_stolen $FAIL "not permitted" husk console thief
[ "$(cat $D/root.said)" = ready ] && ok cli_control_unheard || not_ok cli_control_unheard "$(tail -n 1 $D/root.said)"
husk show liar >$D/out
grep -q 'lie$' $D/out && ok cli_show_asks || not_ok cli_show_asks "$(tail -n 1 $D/out)"
husk show path >>$D/out
husk console path >>$D/out 2>&1
husk ls --json >>$D/out
husk top --json --count 1 --interval 0.1 >>$D/out
husk show --json honest >>$D/out
LC_ALL=C grep -q "[$(printf '\033\233')]" $D/out && not_ok cli_show_plain "escape sequences reach the terminal" || ok cli_show_plain
husk show --json forger | grep -q '"machine": null}' && ok cli_show_forged || not_ok cli_show_forged "$(husk show --json forger | tail -n 1)"
husk show --json honest | grep -q '"machine": {"a"' && ok cli_show_honest || not_ok cli_show_honest "$(husk show --json honest | tail -n 1)"
kill $decoys
wait
chmod 660 /dev/husk

[ -z "$(husk ls | tail -n +2)" ] && ok cli_nothing_left || not_ok cli_nothing_left "$(husk ls | tail -n 1)"
[ "$(refs)" = 0 ] && ok cli_refs || not_ok cli_refs "$(refs) references left"
pidof husk-vm >/dev/null && not_ok cli_processes "a husk-vm is left" || ok cli_processes
check cli_unload unload
exit 0
