# SPDX-License-Identifier: GPL-2.0
# What the groups share. Sourced by each; a group prints ok/not ok/skip lines.

T=/lab/tests
# The machine's kind: what husk calls it, and KVM's module for it
if grep -qw vmx /proc/cpuinfo; then virt=vmx kvm_module=kvm_intel; else virt=svm kvm_module=kvm_amd; fi
# Bochs refuses KVM's entries with APIC virtualization
case $LAB_MACHINE in bochs-vmx) kvm_options=enable_apicv=0 ;; *) kvm_options= ;; esac
# For guests that use devices. Bochs loses a virtual interrupt whose delivery faults (x2apic_stack), and there memory is
# taken away again and again.
case $LAB_MACHINE in bochs-vmx) device_options=mask=apic_accel ;; *) device_options= ;; esac

ok() { echo "ok $1"; }
not_ok() { echo "not ok $1: $2"; }
skip() { echo "skip $1: $2"; }

# check NAME COMMAND...: the command must succeed
check() {
	_name=$1
	shift
	if "$@" >/tmp/check.out 2>&1; then ok "$_name"; else not_ok "$_name" "status $?: $(tail -n 1 /tmp/check.out)"; fi
}

# refused NAME STATUS TEXT COMMAND...: fails so (STATUS: a shell pattern), with one line that has TEXT (a regular expression)
refused() {
	_name=$1 _status=$2 _text=$3
	shift 3
	"$@" >/tmp/refused.out 2>/tmp/refused.err </dev/null
	_got=$?
	case $_got in
	$_status) ;;
	*) not_ok "$_name" "status $_got, not $_status: $(head -n 1 /tmp/refused.err)"; return ;;
	esac
	if ! grep -qiE -e "$_text" /tmp/refused.err; then
		not_ok "$_name" "no '$_text' in: $(head -n 1 /tmp/refused.err)"
	elif [ "$(grep -c . /tmp/refused.err)" -gt 2 ]; then
		not_ok "$_name" "$(grep -c . /tmp/refused.err) lines of complaint"
	else
		ok "$_name"
	fi
}

# as the unprivileged user of the lab
setuidgid() { _user=$1; shift; setpriv --reuid=1000 --regid=1000 --clear-groups "$@"; }
load() { grep -q '^husk ' /proc/modules || insmod /lab/husk.ko "$@"; }
unload() {
	# a killed process may still be on its way out
	for _i in 1 2 3 4 5 6 7 8 9 10; do
		rmmod husk 2>/dev/null && return
		sleep 0.2
	done
	rmmod husk
}
refs() { cat /sys/module/husk/refcnt; }
# KB of free pages, those in the CPUs' lists too
memfree() { cat /proc/sys/vm/stat_refresh; awk '/pages free/ { n += $3 } /^ *count:/ { n += $2 } END { print n * 4 }' /proc/zoneinfo; }
# what is freed by RCU and work queues comes back
settle() { sync; echo 3 >/proc/sys/vm/drop_caches; sleep 0.5; }
slab() { awk '/^SUnreclaim/ { print $2 }' /proc/meminfo; }
kvm_on() { modprobe $kvm_module $kvm_options && [ -e /dev/kvm ]; }
kvm_off() { rmmod $kvm_module kvm 2>/dev/null || { sleep 0.5; rmmod $kvm_module; rmmod kvm; }; }
