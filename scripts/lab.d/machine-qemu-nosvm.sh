# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# The same QEMU with a CPU that has no SVM: husk must refuse it in one line.
. "$LAB_D/machine-qemu-svm.sh"

machine_about() {
	echo "QEMU TCG, AMD EPYC without SVM"
}

qemu_cpu() {
	if [ "$(qemu_major)" -ge 10 ]; then echo EPYC,-svm; else echo EPYC,-cx16,-svm; fi
}
