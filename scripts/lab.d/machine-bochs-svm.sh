# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Bochs with an AMD CPU: a second opinion on SVM.
bochs_model=ryzen
. "$LAB_D/bochs.sh"

machine_about() {
	echo "Bochs 3.0, AMD Ryzen with SVM, NPT, NRIPS, flush by ASID"
}
