# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Bochs with an Intel CPU that has VMX, EPT and all the rest of it.
bochs_model=tigerlake
. "$LAB_D/bochs.sh"

machine_about() {
	echo "Bochs 3.0, Intel Tiger Lake with VMX, EPT, VPID, APIC virtualization"
}
