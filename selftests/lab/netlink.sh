#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the lab: netlink commands on live VMs, rights, bad requests, events.
. "$(dirname "$0")/lib.sh" 2>/dev/null || . /lab/lib.sh

insmod /lab/husk.ko || exit 1
chmod 666 /dev/husk	# rights on VMs are the subject here, not those on the device
tests=/lab/tests

check "no VM: empty list" eq "$(husk ls --json)" "[]"
timeout 60 husk events --json >/tmp/events &
events=$!
wait_for grep -q . <(sleep 1; echo) || true

$tests/hold web &
wait_for husk show web
su -s /bin/sh user -c "exec $tests/hold mine" &
wait_for husk show mine

check "list by root" eq "$(husk ls --json | grep -o '"name": "[a-z]*"' | tr -d '\n')" '"name": "web""name": "mine"'
check "table" matches "$(husk ls)" '^ +ID +NAME .*web +running +1 +64.0K'
check "show" matches "$(husk show web)" 'state +running.*cpuid +[1-9].*pio '
check "show by id" matches "$(husk show --json 2)" '"name": "mine".*"owner_uid": 1000.*"control": "/run/mine".*"reason": "cpuid"'

check "list by a user" eq "$(as_user husk ls --json | grep -o '"name": "[a-z]*"')" '"name": "mine"'
for command in show pause resume stop kill; do
	refuses "$command of another's VM" 4 "another user" as_user husk $command web
done
refuses "events by a user" 4 "CAP_NET_ADMIN" as_user husk events
check "pause by the owner" as_user husk pause mine
check "paused" matches "$(husk ls --json)" '"mine".*"state": "paused"'
check "paused: no entries" eq "$(entries mine)" "$(sleep 0.2; entries mine)"
refuses "pause twice" 1 "paused already" husk pause mine
check "resume by root" husk resume mine
refuses "resume twice" 1 "not paused" husk resume mine
check "resumed: entries" differ "$(entries mine)" "$(sleep 0.3; entries mine)"
refuses "no such VM" 5 "no such VM" husk show nobody
refuses "no VM given" 2 "usage" husk stop
refuses "bad timeout" 2 "bad timeout" husk stop --timeout never web

"$tests"/nl_bad
check "bad requests" eq $? 0

check "stop by the owner" as_user husk stop --timeout 5 mine
refuses "stopped: gone" 5 "no such VM" husk show mine
check "kill" husk kill web
check "empty again" eq "$(husk ls --json)" "[]"
$tests/hold mule stubborn &
wait_for husk show mule
refuses "stubborn VM does not stop" 1 "husk kill mule" husk stop --timeout 0.1 mule
check "kill ends the process of a stubborn VM" husk kill mule
check "empty at the end" eq "$(husk ls --json)" "[]"

sleep 0.5
kill $events
check "events of one VM" eq "$(grep '"mine"' /tmp/events | grep -o '"event": "[a-z-]*"' | cut -d'"' -f4 | tr '\n' ' ')" \
	"created vcpu-created running paused resumed stop-requested destroyed "
check "events of a killed VM" matches "$(grep '"web"' /tmp/events | tr -d '\n')" 'running.*killed.*destroyed'
check "sequence without gaps" eq "$(grep -o '"seq": [0-9]*' /tmp/events | cut -c8- | tr '\n' ' ')" \
	"$(seq -s ' ' 1 "$(grep -c '"seq"' /tmp/events)") "
check "no event lost" eq "$(grep -c lost /tmp/events)" 0

# A listener that does not read loses events, and finds its way by itself.
husk events --json >/tmp/slow &
slow=$!
sleep 0.5
kill -STOP $slow
for i in $(seq 1 60); do
	$tests/hold burst$i &
	wait_for husk show burst$i
	for n in 1 2 3 4 5 6 7 8; do husk pause burst$i; husk resume burst$i; done
	[ $((i % 20)) = 0 ] && for n in $(seq $((i - 19)) $i); do husk kill burst$n; done
done
kill -CONT $slow
sleep 0.5
kill $slow
check "burst: every number is heard or told lost" covers /tmp/slow

check "unload" rmmod husk
refuses "no module" 4 "not loaded" husk ls
finish
