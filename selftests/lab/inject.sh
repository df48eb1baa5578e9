# SPDX-License-Identifier: GPL-2.0
# Each allocation of a VM's life fails once (fault injection; the sanitizer kernel
# has it). What leaks is found by the kmemleak scan at the lab's end.
. ./lib.sh
if [ -d /sys/kernel/debug/failslab ]; then
	for f in failslab fail_page_alloc; do
		echo N >/sys/kernel/debug/$f/ignore-gfp-wait
		echo 0 >/sys/kernel/debug/$f/verbose
	done
	echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
fi
load || { not_ok inject_load "$(dmesg | tail -n 1)"; exit 0; }
$T/inject
refs_left=$(refs)
[ "$refs_left" = 0 ] && ok inject_refs || not_ok inject_refs "$refs_left references to the module are left"
check inject_unload unload
exit 0
