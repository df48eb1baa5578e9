# SPDX-License-Identifier: GPL-2.0
# Who may do what: each action as each kind of user, against the table at the end.
. ./lib.sh
load || { not_ok rights_load "$(dmesg | tail -n 1)"; exit 0; }
chgrp husk /dev/husk
chmod 660 /dev/husk
husk_gid=$(stat -c %g /dev/husk)
# The owner's VMs were made when he was in the group
as_owner() { setpriv --reuid=1000 --regid=1000 --groups="$husk_gid" "$@"; }
as_user() { _uid=$1; shift; setpriv --reuid="$_uid" --regid="$_uid" --clear-groups "$@"; }
NS="unshare --user --map-root-user"
# as USER COMMAND...
as() {
	_who=$1
	shift
	case $_who in
	owner) as_user 1000 "$@" ;;
	other) as_user 2000 "$@" ;;
	member) setpriv --reuid=1001 --regid=1001 --groups="$husk_gid" "$@" ;;
	root) "$@" ;;
	root-less) setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$@" ;;
	owner-ns) as_user 1000 $NS "$@" ;;
	other-ns) as_user 2000 $NS "$@" ;;
	owner-net) as_user 1000 $NS --net "$@" ;;
	esac
}
USERS="owner other member root root-less owner-ns other-ns owner-net"
# Those that an action ends come again
herd() {
	while [ -e /tmp/herd ]; do as_owner $T/hold $1 >/dev/null 2>&1; done
}
wait_all() {
	for _i in $(seq 200); do
		[ "$(husk ls --json | grep -cE '"(nmi|stop|kill)".*"state": "running"')" = 3 ] && return
		sleep 0.05
	done
	not_ok rights_herd "$(husk ls | tail -n 5)"
}

mkdir -p /etc/husk/vms /tmp/got
printf '[vm]\nkernel = %s\nmemory = 16M\ncmdline = serve\n' $T/boot_mb.bin >/etc/husk/vms/roots.conf
printf '[vm]\nkernel = %s\nmemory = 16M\ncmdline = serve\n[service]\nowner = user\n' $T/boot_mb.bin >/etc/husk/vms/owned.conf
touch /tmp/herd
as_owner $T/hold mine >/dev/null &
as_owner $NS $T/hold nested >/dev/null &
for name in nmi stop kill; do herd $name & done
wait_all
husk set --cpu-limit 6400 mine
for user in $USERS; do
	wait_all
	as $user $T/nl_rights device list=mine show=mine vcpus=mine pause=mine resume=mine button=mine reset=mine \
		set-stats=mine set-limit=mine show=nested pause=nested resume=nested nmi=nmi stop=stop kill=kill \
		caps events faults stats daemon >/tmp/got/$user
done
rm /tmp/herd
for name in nmi stop kill mine nested; do husk kill $name >/dev/null 2>&1; done
huskd 2>/tmp/huskd.log &
daemon=$!
for _i in $(seq 100); do grep -q 'huskd: ready' /tmp/huskd.log && break; sleep 0.05; done
for user in $USERS; do
	as $user $T/nl_rights start=roots start=owned >>/tmp/got/$user
	grep -q 'start=.* y' /tmp/got/$user && husk stop --all
done
kill $daemon
wait $daemon

# y: done, n: refused
while read -r action expected; do
	[ "$action" ] || continue
	case $action in '#'*) continue ;; esac
	set -- $expected
	for user in $USERS; do
		_got=$(grep "^$action " /tmp/got/$user)
		[ "$_got" = "$action $1" ] && ok "rights_${action}_$user" || not_ok "rights_${action}_$user" "'${_got#* }', not '$1'"
		shift
	done
done <<'TABLE'
#		owner	other	member	root	root-less owner-ns other-ns owner-net
device		n	n	y	y	y	n	n	n
list=mine	y	n	n	y	n	y	n	n
show=mine	y	n	n	y	n	y	n	n
vcpus=mine	y	n	n	y	n	y	n	n
pause=mine	y	n	n	y	n	y	n	n
resume=mine	y	n	n	y	n	y	n	n
button=mine	y	n	n	y	n	y	n	n
reset=mine	y	n	n	y	n	y	n	n
set-stats=mine	y	n	n	y	n	y	n	n
set-limit=mine	n	n	n	y	n	n	n	n
show=nested	y	n	n	y	n	y	n	n
pause=nested	y	n	n	y	n	y	n	n
resume=nested	y	n	n	y	n	y	n	n
nmi=nmi		y	n	n	y	n	y	n	n
stop=stop	y	n	n	y	n	y	n	n
kill=kill	y	n	n	y	n	y	n	n
caps		y	y	y	y	y	y	y	n
events		n	n	n	y	y	n	n	n
faults		n	n	n	y	n	n	n	n
stats		n	n	n	y	y	n	n	n
daemon		n	n	n	y	n	n	n	n
start=roots	n	n	n	y	y	n	n	n
start=owned	y	n	n	y	y	y	n	n
TABLE
check rights_unload unload
exit 0
