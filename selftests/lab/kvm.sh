# SPDX-License-Identifier: GPL-2.0
# husk and KVM in one kernel: before, beside and after each other.
. ./lib.sh
kvm_on || { skip kvm "no $kvm_module here"; exit 0; }
few="cpuid hypercall msr_unknown hlt_oneshot_x2apic mmio_mov fpu_keep avx_keep memory_touch exceptions"
# Bochs takes no virtual interrupt in a guest that was entered with IF set, so KVM's loses one now and then
case $LAB_MACHINE in bochs-svm) kvm_few=$few ;; *) kvm_few="$few self_ipi_xapic" ;; esac
few="$few self_ipi_xapic"

# bad NAME FILE: ok unless a test in FILE failed
verdict() {
	_bad=$(grep '^not ok' "$2" | head -n 1)
	if [ -n "$_bad" ]; then not_ok "$1" "$_bad"
	elif ! grep -q '^ok ' "$2"; then not_ok "$1" "nothing ran"
	else ok "$1"; fi
}

$T/flat --kvm $kvm_few >/tmp/kvm.out
verdict kvm_before /tmp/kvm.out
load || { not_ok kvm_load "$(dmesg | tail -n 1)"; exit 0; }
$T/flat $few >/tmp/husk.out
verdict kvm_loaded /tmp/husk.out
$T/stress --kvm spin 600 >/tmp/spin.out 2>&1 &
spin=$!
$T/flat $few control_signal memory_dontneed fpu_swap >/tmp/husk.out
verdict kvm_beside_husk /tmp/husk.out
$T/flat --kvm $kvm_few >/tmp/kvm.out
verdict kvm_beside_kvm /tmp/kvm.out
$T/stress create 30 >/tmp/create.out
verdict kvm_beside_create /tmp/create.out
kill $spin
wait $spin
verdict kvm_beside_spin /tmp/spin.out
$T/flat --kvm $kvm_few >/tmp/kvm.out
verdict kvm_after /tmp/kvm.out

# KVM leaves while husk stays, and comes back
kvm_off && ok kvm_unload || not_ok kvm_unload "$kvm_module does not unload"
$T/flat $few >/tmp/husk.out
verdict kvm_gone_husk /tmp/husk.out
$T/stress spin 600 >/tmp/spin.out 2>&1 &
spin=$!
sleep 0.5
kvm_on && $T/flat --kvm $kvm_few >/tmp/kvm.out
verdict kvm_loaded_under_husk /tmp/kvm.out
kill $spin
wait $spin
verdict kvm_loaded_under_husk_vm /tmp/spin.out
check kvm_husk_unload unload
$T/flat --kvm $kvm_few >/tmp/kvm.out
verdict kvm_husk_gone /tmp/kvm.out
kvm_off && ok kvm_unload_last || not_ok kvm_unload_last "$kvm_module does not unload"
exit 0
