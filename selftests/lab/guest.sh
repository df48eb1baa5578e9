# SPDX-License-Identifier: GPL-2.0
# Stock Debian kernels as guests, to their user space and to power-off.
. ./lib.sh
load || { not_ok guest_load "$(dmesg | tail -n 1)"; exit 0; }

# how often the vCPUs of a VM entered the guest
entries() { husk show --json "$1" | grep -o '"entries": *[0-9]*' | tr -dc '0-9\n' | awk '{ n += $1 } END { print n + 0 }'; }

# boot_all PREFIX IMAGE...: each kernel to user space and to power-off
boot_all() {
	prefix=$1
	shift
	for image; do
		[ -e "$image" ] || { skip "${prefix}guest" "no guest kernel here"; break; }
		k=${image##*-}
		out=/tmp/guest.out
		timeout -s KILL 90 husk run --name "g$k" --kernel "$image" --initrd /lab/guest/initrd.gz --memory 256M \
			--cmdline "console=ttyS0 quiet panic=-1" </dev/null >$out 2>&1
		status=$?
		if grep -q 'HUSK-GUEST-UP' $out; then ok "${prefix}guest_up_$k"; else not_ok "${prefix}guest_up_$k" "status $status: $(tail -n 1 $out | tr -d '\r' | cut -c1-150)"; fi
		[ $status = 0 ] && ok "${prefix}guest_off_$k" || not_ok "${prefix}guest_off_$k" "husk run: status $status"
	done
}

# a worker that holds an empty KVM VM: KVM stays as long as it runs
anchored() {
	image=$(ls /lab/guest/vmlinuz-* 2>/dev/null | head -n 1)
	[ -n "$image" ] || { skip kvm_anchor "no guest kernel here"; return; }
	[ $virt = vmx ] || { refused kvm_anchor_svm 4 'VT-x only' husk run --kvm-anchor --kernel "$image"; return; }
	husk run --detach --name anchor --kvm-anchor --kernel "$image" --initrd /lab/guest/initrd.gz \
		--cmdline "console=ttyS0 quiet panic=-1 husk.run=\"sleep 100\"" </dev/null >/tmp/anchor.out 2>&1 &&
		ok kvm_anchor_run || not_ok kvm_anchor_run "$(tail -n 1 /tmp/anchor.out)"
	rmmod $kvm_module 2>/dev/null && not_ok kvm_anchor_holds "$kvm_module was unloaded" || ok kvm_anchor_holds
	check kvm_anchor_kill husk kill anchor
}

boot_all "" /lab/guest/vmlinuz-*

# the same with KVM loaded, and a KVM guest run before, meanwhile and after
if kvm_on; then
	check kvm_guest_before $T/flat --kvm cpuid exceptions
	$T/stress --kvm spin 3000 >/tmp/spin.out 2>&1 &
	spin=$!
	# the kernels differ in nothing that KVM has to do with: one of them, but in the long run
	images=/lab/guest/vmlinuz-*
	[ -n "$SOAK" ] || images=$(ls $images | head -n 1)
	boot_all kvm_ $images
	kill -0 $spin 2>/dev/null && ok kvm_guest_meanwhile || not_ok kvm_guest_meanwhile "$(tail -n 1 /tmp/spin.out)"
	kill $spin
	wait $spin 2>/dev/null
	check kvm_guest_after $T/flat --kvm cpuid exceptions
	anchored
	kvm_off && ok kvm_guest_unload || not_ok kvm_guest_unload "$kvm_module does not unload"
else
	skip kvm_guest "no $kvm_module here"
fi

# the real-time clock's alarm interrupts
image=$(ls /lab/guest/vmlinuz-* 2>/dev/null | head -n 1)
if [ -n "$image" ]; then
	timeout -s KILL 90 husk run --name clock --kernel "$image" --initrd /lab/guest/initrd.gz --memory 256M --cmdline \
		'console=ttyS0 quiet panic=-1 husk.run="echo +2 >/sys/class/rtc/rtc0/wakealarm; sleep 2.5; grep rtc0 /proc/interrupts"' \
		</dev/null >/tmp/clock.out 2>&1
	grep -q '8: *1 .*rtc0' /tmp/clock.out && ok guest_rtc_alarm ||
		not_ok guest_rtc_alarm "$(grep rtc0 /tmp/clock.out | tail -n 1 | tr -d '\r')"
else
	skip guest_rtc_alarm "no guest kernel here"
fi

# live control of the first one
image=$(ls /lab/guest/vmlinuz-* 2>/dev/null | head -n 1)
if [ -n "$image" ] && husk run --detach --name live --kernel "$image" --initrd /lab/guest/initrd.gz \
	--cmdline "console=ttyS0 quiet panic=-1 husk.run=\"sleep 100\"" </dev/null >/tmp/detach.out 2>&1; then
	ok guest_detach
	for _i in 1 2 3 4 5 6 7 8 9 10; do [ "$(entries live)" -gt 10000 ] && break; sleep 0.3; done
	husk ls | grep -q live && ok guest_ls || not_ok guest_ls "$(husk ls 2>&1 | tail -n 1)"
	husk ls --json | grep -q '"live"' && ok guest_ls_json || not_ok guest_ls_json "no such name"
	check guest_show husk show live
	check guest_pause husk pause live
	before=$(entries live)
	worker=$(pidof husk-vm)
	for t in /proc/$worker/task/*; do [ "${t##*/}" = "$worker" ] || kill -USR1 "${t##*/}"; done
	sleep 0.5
	[ "$(entries live)" = "$before" ] && ok guest_paused_signal || not_ok guest_paused_signal "a paused VM ran on after a signal"
	check guest_resume husk resume live
	sleep 0.5
	[ "$(entries live)" != "$before" ] && ok guest_resumed_runs || not_ok guest_resumed_runs "no entry since"
	refused guest_name_taken 5 'taken|exists|in use|name' husk run --name live --kernel "$image"
	refused guest_unload 1 'in use' rmmod husk
	check guest_stop_paused_pause husk pause live
	check guest_stop_paused timeout 30 husk stop --timeout 1 live
	husk ls | grep -q live && not_ok guest_gone "still listed" || ok guest_gone
elif [ -n "$image" ]; then
	not_ok guest_detach "$(tail -n 1 /tmp/detach.out)"
fi
check guest_unload_after unload
exit 0
