# SPDX-License-Identifier: GPL-2.0
# Every ioctl with bad input.
. ./lib.sh
load || { not_ok abi_load "$(dmesg | tail -n 1)"; exit 0; }
# a block device, since no file system here has direct I/O on all kernels
modprobe loop
truncate -s 1M /tmp/abi.disk
losetup /dev/loop7 /tmp/abi.disk
ABI_DISK=/dev/loop7 $T/abi
losetup -d /dev/loop7
[ "$(refs)" = 0 ] && ok abi_refs || not_ok abi_refs "$(refs) references left"
unload
exit 0
