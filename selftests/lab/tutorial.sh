# SPDX-License-Identifier: GPL-2.0
# The tutorial, userland/bpf/README.md: each of its commands, as it stands there, after the build has made its files from its text.
. ./lib.sh
load || { not_ok tutorial_load "$(dmesg | tail -n 1)"; exit 0; }

# what a command says; it is one line then, blanks as they are
expected() {
	case $1 in
	'husk run '*) ;;
	'timeout 1 husk console'*) echo "$says" ;;
	*'map dump name exits') echo '"reason": 5, "level": 2 \}, "values": [^}]*"count": [1-9]' ;;
	*'map lookup name by_reason key hex 05'*) echo '"value": [1-9]' ;;
	*'map dump name device_state') echo '"select": 7, *"reg": \[0,[1-9][0-9]*,0,.*"bells": [1-9]' ;;
	'husk policy show '*) echo 'vm +toy .* on +cpuid,pio .* pass +[1-9].* handled +[1-9]' ;;
	'husk top '*) echo 'toy +running .* toy: guest .* cpuid .* POLICY .* decide_vm +toy +[1-9]' ;;
	'husk policy list') echo '^[^0-9]*$' ;;
	'bpftool prog load '* | 'policy='* | 'device='* | 'rm '* | 'husk policy detach '* | 'husk kill '*) ;;
	*) echo 'a command that the test expects' ;;
	esac
}
# What the guest says from here on, on lines of its own
note() {
	case $1 in
	'husk run '*) says='(^| )007 ' ;;
	*/decide\ autoattach | 'policy='*) says='(^| )577 ' ;;
	*/decide | 'husk policy detach $policy') says='(^| )007 007 ' ;;
	'device='*) says='(^| )000 001 002 |(^| )005 006 007 000' ;;
	esac
}

mkdir /tmp/tutorial
for file in $T/tutorial/*; do
	case $file in *.bpf) cp "$file" "/tmp/tutorial/${file##*/}.o" ;; *) cp "$file" /tmp/tutorial ;; esac
done
mkdir -p /usr/local/share/husk
ln -s /lab/bpf /usr/local/share/husk/bpf
cd /tmp/tutorial || exit
n=0 says=
while read -r line <&3; do
	n=$((n + 1))
	name=tutorial_$n$(echo "${line%% *}" | tr -dc 'a-z')
	note "$line"
	eval "$line" >/tmp/said 2>&1 </dev/null
	status=$?
	[ $status = 0 ] || { not_ok "$name" "status $status: $(tail -n 1 /tmp/said)"; continue; }
	{ cat /tmp/said; echo; } | tr '\r\n' '  ' | tr -s ' ' >/tmp/line
	grep -qE -e "$(expected "$line")" /tmp/line && ok "$name" || not_ok "$name" "no '$(expected "$line")' in: $(cut -c1-400 /tmp/line)"
done 3<commands
[ "$n" -gt 20 ] && ok tutorial_all || not_ok tutorial_all "$n commands"
for _i in $(seq 50); do husk ls --json | grep -q toy || break; sleep 0.1; done
check tutorial_unload unload
exit 0
