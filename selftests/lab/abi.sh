# SPDX-License-Identifier: GPL-2.0
# Every ioctl with bad input.
. ./lib.sh
load || { not_ok abi_load "$(dmesg | tail -n 1)"; exit 0; }
$T/abi
[ "$(refs)" = 0 ] && ok abi_refs || not_ok abi_refs "$(refs) references left"
unload
exit 0
