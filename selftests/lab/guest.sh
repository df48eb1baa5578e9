# SPDX-License-Identifier: GPL-2.0
# Stock Debian kernels as guests, to their user space and to power-off.
. ./lib.sh
load || { not_ok guest_load "$(dmesg | tail -n 1)"; exit 0; }
for image in /lab/guest/vmlinuz-*; do
	[ -e "$image" ] || { skip guest "no guest kernel here"; break; }
	k=${image##*-}
	out=/tmp/guest.out
	timeout -s KILL 90 husk run --name "g$k" --kernel "$image" --initrd /lab/guest/initrd.gz --memory 256M \
		--cmdline "console=ttyS0 quiet panic=-1" </dev/null >$out 2>&1
	status=$?
	if grep -q 'HUSK-GUEST-UP' $out; then ok "guest_up_$k"; else not_ok "guest_up_$k" "status $status: $(tail -n 1 $out | tr -d '\r' | cut -c1-150)"; fi
	[ $status = 0 ] && ok "guest_off_$k" || not_ok "guest_off_$k" "husk run: status $status"
done

# live control of the first one
image=$(ls /lab/guest/vmlinuz-* 2>/dev/null | head -n 1)
if [ -n "$image" ] && husk run --detach --name live --kernel "$image" --initrd /lab/guest/initrd.gz \
	--cmdline "console=ttyS0 quiet panic=-1 husk.run=\"sleep 100\"" </dev/null >/tmp/detach.out 2>&1; then
	ok guest_detach
	sleep 3
	husk ls | grep -q live && ok guest_ls || not_ok guest_ls "$(husk ls 2>&1 | tail -n 1)"
	husk ls --json | grep -q '"live"' && ok guest_ls_json || not_ok guest_ls_json "no such name"
	check guest_show husk show live
	check guest_pause husk pause live
	check guest_resume husk resume live
	refused guest_name_taken 5 'taken|exists|in use|name' husk run --name live --kernel "$image"
	refused guest_unload 1 'in use' rmmod husk
	check guest_kill husk kill live
	husk ls | grep -q live && not_ok guest_gone "still listed" || ok guest_gone
elif [ -n "$image" ]; then
	not_ok guest_detach "$(tail -n 1 /tmp/detach.out)"
fi
check guest_unload_after unload
exit 0
