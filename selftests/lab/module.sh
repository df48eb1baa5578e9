# SPDX-License-Identifier: GPL-2.0
# Loading and unloading.
. ./lib.sh

before=$(dmesg | wc -l)
check module_load insmod /lab/husk.ko
# the kernel's own word on the module aside, and what else it happens to say
dmesg | tail -n +$((before + 1)) | grep -i 'husk' | grep -v 'out-of-tree\|signature\|taint' >/tmp/load.out
lines=$(grep -c . /tmp/load.out)
[ "$lines" = 1 ] && ok module_one_line || not_ok module_one_line "$lines lines in dmesg: $(head -n 1 /tmp/load.out)"
[ -c /dev/husk ] && ok module_device || not_ok module_device "no /dev/husk"
if insmod /lab/husk.ko 2>/dev/null; then not_ok module_twice "loads a second time"; else ok module_twice; fi
$T/first >/tmp/first.out && ok module_first || not_ok module_first "$(grep '^not ok' /tmp/first.out | head -n 1)"
[ "$(refs)" = 0 ] && ok module_refs || not_ok module_refs "$(refs) references, no VM"

# in use: refused, and the VM is not hurt
$T/stress spin 600 >/tmp/spin.out 2>&1 &
spin=$!
sleep 1
if rmmod husk 2>/dev/null; then not_ok module_busy "unloads under a VM"; else ok module_busy; fi
kill $spin
wait $spin && ok module_busy_vm || not_ok module_busy_vm "$(tail -n 1 /tmp/spin.out)"
check module_unload unload
[ ! -e /dev/husk ] && ok module_device_gone || not_ok module_device_gone "/dev/husk is still there"

for i in 1 2 3 4 5; do
	load && $T/stress create 1 >/dev/null && unload || { not_ok module_cycles "round $i"; break; }
done
[ "$i" = 5 ] && ok module_cycles

# mask_refused MODE TEXT: does not load, and the kernel's log says why
mask_refused() {
	if insmod /lab/husk.ko "mask=$1" 2>/dev/null; then
		not_ok "module_mask_$1" "loads"
		unload
	elif dmesg | tail -n 1 | grep -q "$2"; then
		ok "module_mask_$1"
	else
		not_ok "module_mask_$1" "no '$2' in: $(dmesg | tail -n 1)"
	fi
}

for mode in $virt nested_paging unrestricted; do mask_refused $mode "can't do without"; done
mask_refused nosuchthing nosuchthing
