# SPDX-License-Identifier: GPL-2.0
# Flat guests on husk.
. ./lib.sh
load || { not_ok flat_load "$(dmesg | tail -n 1)"; exit 0; }
$T/flat
unload
exit 0
