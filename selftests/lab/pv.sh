# SPDX-License-Identifier: GPL-2.0
# Debian guests take their paravirtual paths, and each as husk offers it.
. ./lib.sh
load || { not_ok pv_load "$(dmesg | tail -n 1)"; exit 0; }

out=/tmp/pv.out

# boot NAME KERNEL COMMANDS [OPTION]...: two vCPUs, the kernel's messages and the commands' output in $out
boot() {
	name=$1 image=$2 commands=$3
	shift 3
	timeout -s KILL $((120 * ${SLOW:-1})) husk run --name "$name" --cpus 2 --kernel "$image" --initrd /lab/guest/initrd.gz --memory 256M \
		"$@" --cmdline "console=ttyS0 loglevel=7 panic=-1 husk.run=\"$commands\"" </dev/null >$out 2>&1
}

# says NAME TEXT: the guest's kernel has logged it
says() {
	if grep -qE -e "$2" $out; then ok "$1"; else not_ok "$1" "no '$2' in the guest's log: $(tail -n 1 $out | tr -d '\r' | cut -c1-100)"; fi
}

silent() {
	if grep -qE -e "$2" $out; then not_ok "$1" "'$2' in the guest's log"; else ok "$1"; fi
}

for image in /lab/guest/vmlinuz-*; do
	[ -e "$image" ] || { skip pv_guest "no guest kernel here"; break; }
	k=${image##*-}
	# both vCPUs are busy, on a host with fewer CPUs than would do
	boot "pv$k" "$image" 'yes >/dev/null & yes >/dev/null & sleep 2; head -n 1 /proc/stat; cat /sys/devices/system/clocksource/clocksource0/available_clocksource'
	says "pv_up_$k" 'HUSK-GUEST-DONE 0'
	says "pv_clock_$k" 'kvm-clock: Using msrs 4b564d01 and 4b564d00'
	says "pv_clocksource_$k" '^[a-z_ -]*kvm-clock'
	silent "pv_clock_tsc_$k" 'Unable to calibrate|Fast TSC calibration|calibration failed'
	says "pv_spinlocks_$k" 'PV qspinlock hash table entries'
	says "pv_tlb_$k" 'KVM setup pv remote TLB flush'
	says "pv_ipi_$k" 'setup PV IPIs'
	says "pv_yield_$k" 'setup PV sched yield'
	case $k in
	6.1) skip "pv_eoi_$k" "this kernel says nothing of it" ;;
	*)
		if [ $virt = vmx ] && husk doctor 2>/dev/null | grep -w modes | grep -qw apic_accel; then
			silent "pv_eoi_$k" kvm_guest_apic_eoi_write
		else
			says "pv_eoi_$k" 'eoi\(\) replaced with kvm_guest_apic_eoi_write'
		fi ;;
	esac
	# user nice system idle iowait irq softirq steal
	if [ "$(nproc)" = 1 ]; then
		awk '/^cpu / { n = $9 } END { exit !(n > 20) }' $out && ok "pv_steal_$k" ||
			not_ok "pv_steal_$k" "$(grep '^cpu ' $out)"
	fi
done

image=$(ls /lab/guest/vmlinuz-* 2>/dev/null | head -n 1)
if [ -n "$image" ]; then
	boot bare "$image" true --personality none
	says pv_none_up 'HUSK-GUEST-DONE 0'
	silent pv_none 'kvm-clock|kvm-guest|Hypervisor detected'
	boot noeoi "$image" true --cpuid hide=kvm_pv_ipi
	says pv_hidden_up 'HUSK-GUEST-DONE 0'
	silent pv_hidden 'setup PV IPIs'
	says pv_hidden_others 'setup PV sched yield'
	refused pv_unknown 2 'personality' husk run --kernel "$image" --personality xen
fi
check pv_unload unload
exit 0
