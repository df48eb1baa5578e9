# SPDX-License-Identifier: GPL-2.0
# The exits of one guest that does each kind: the same sequence on every host. Here
# against parity.golden; scripts/check compares the machines' records. Without what one
# vendor's CPUs alone do without exits.
. ./lib.sh
load mask=apic_accel || { not_ok parity_load "$(dmesg | tail -n 1)"; exit 0; }
mkdir -p /out
$T/parity /out/parity
./parity-compare parity.golden /out/parity >/tmp/parity.diff 2>&1 && ok parity_golden ||
	{ not_ok parity_golden "$(grep -c '^[-+]' /tmp/parity.diff) lines differ:"; sed 's/^/#   /' /tmp/parity.diff; }
check parity_unload unload
exit 0
