#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In a guest: the tests that io= on the kernel's command line names, separated by commas
stty -echo
exec /guest/io_load /dev/vda $(sed -n 's/.*io=\([^ ]*\).*/\1/p' /proc/cmdline | tr , ' ')
