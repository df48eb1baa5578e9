# SPDX-License-Identifier: GPL-2.0
# The example of libhusk, built from an installed tree, boots a stock kernel.
. ./lib.sh
image=$(ls /lab/guest/vmlinuz-* 2>/dev/null | head -n 1)
[ -n "$image" ] || { skip libhusk "no guest kernel here"; exit 0; }
refused libhusk_no_module 1 'not loaded' $T/example_boot "$image"
load || { not_ok libhusk_load "$(dmesg | tail -n 1)"; exit 0; }
refused libhusk_no_kernel 1 'not a 64-bit Linux kernel' $T/example_boot /lab/husk.ko
refused libhusk_no_rights 1 'no right' setuidgid user $T/example_boot "$image"
timeout -s KILL 90 $T/example_boot "$image" </dev/null >/tmp/example.out 2>&1
_got=$?
grep -q "Linux version ${image##*-}\." /tmp/example.out && ok libhusk_speaks || not_ok libhusk_speaks "status $_got: $(tail -n 1 /tmp/example.out)"
# its own end: no root to mount, then the reset that it is told to do by a triple fault
[ $_got = 0 ] && grep -q 'Kernel panic - not syncing: VFS' /tmp/example.out && ok libhusk_ends ||
	not_ok libhusk_ends "status $_got: $(tail -n 1 /tmp/example.out)"
[ "$(refs)" = 0 ] && ok libhusk_refs || not_ok libhusk_refs "$(refs) references left"
check libhusk_unload unload
exit 0
