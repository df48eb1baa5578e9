# SPDX-License-Identifier: GPL-2.0
# The kernel tree's own netlink client drives the family from the specification alone.
. ./lib.sh
load || { not_ok ynl_load "$(dmesg | tail -n 1)"; exit 0; }
like() { echo "$2" | tr '\n' ' ' | grep -qE -e "$3" && ok "$1" || not_ok "$1" "no '$3' in: $2"; }
ynl() { python3 /lab/ynl/cli.py --spec /lab/husk.yaml --no-schema --output-json "$@" 2>&1; }
vm() { ynl --do "$1" --json '{"name": "web"'"$2"'}'; }

$T/hold web &
for _i in $(seq 1 50); do husk ls | grep -q web && break; sleep 0.1; done
uuid=$(husk show --json web | grep -o '"uuid": "[^"]*"' | cut -d'"' -f4 | tr -d -)
like ynl_caps "$(ynl --do caps-get --json '{}')" '"abi-version": 1.*"max-vms": [1-9].*"max-vcpus": 64'
like ynl_dump "$(ynl --dump vm-get)" '^\[\{"id": 1, "name": "web", "uuid": .*"state": "running".*"memory": 65536'
like ynl_show "$(vm vm-get)" '"name": "web".*"owner-uid": 0.*"control": "/run/web"'
vm vm-get | tr -d ' "-' | grep -qi "$uuid" && ok ynl_uuid || not_ok ynl_uuid "no $uuid in $(vm vm-get)"
like ynl_vcpus "$(ynl --dump vcpu-get --json '{"id": 1}')" '"vcpu": \{"id": 0.*"exits": \[.*"reason": [0-9]+, "level": 0, "count": [1-9]'
ynl --subscribe lifecycle --sleep 40 >/tmp/ynl.events &
listener=$!
sleep 1
vm vm-pause >/tmp/ynl.out
like ynl_paused "$(vm vm-get)" '"state": "paused"'
like ynl_twice "$(vm vm-pause)" 'paused already'
vm vm-resume >/tmp/ynl.out
like ynl_resumed "$(vm vm-get)" '"state": "running"'
vm vm-set ', "cpu-limit": 50, "stats-ms": 1000' >/tmp/ynl.out
like ynl_set "$(vm vm-get)" '"cpu-limit": 50, .*"stats-ms": 1000'
like ynl_bounds "$(vm vm-set ', "stats-ms": 1')" 'stats-ms|bad-attr|out of range'
like ynl_no_vm "$(ynl --do vm-get --json '{"name": "nobody"}')" 'no VM with this id or name.*bad-attr'
vm vm-kill >/tmp/ynl.out
wait $listener
like ynl_events "$(cat /tmp/ynl.events)" '"paused".*"resumed".*"set".*"killed"'
unload && ok ynl_unload || not_ok ynl_unload "still in use"
