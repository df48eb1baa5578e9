# SPDX-License-Identifier: GPL-2.0
# A whole Debian from its disk (scripts/mk-guest-disk), by SeaBIOS and GRUB, with two vCPUs, disk and network in
# use, as its user would: log in by ssh, work, power off. KERNELS: how many
# kernels of GRUB's menu, one after the other.
. ./lib.sh
load || { not_ok system_load "$(dmesg | tail -n 1)"; exit 0; }
[ -b "$LAB_DISK" ] || { not_ok system_disk "the lab has no disk: --disk"; exit 0; }
key=/tmp/key out=/tmp/system.out
cp /lab/guest-key $key
chmod 600 $key
trap '' PIPE
mkdir -p /usr/share/seabios
ln -sf /lab/firmware/bios-256k.bin /usr/share/seabios/

modprobe -a tun ext4
ip tuntap add system0 mode tap && ip addr add 10.77.0.1/24 dev system0 && ip link set system0 up ||
	{ not_ok system_tap "no tap"; exit 0; }

in_guest() { timeout 60 ssh -q -i $key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=20 root@10.77.0.2 "$@"; }

# wait_for TEXT SECONDS: on the console
wait_for() {
	_end=$(($(date +%s) + $2))
	until grep -qa -e "$1" $out; do
		[ "$(date +%s)" -lt $_end ] && kill -0 $vm 2>/dev/null || return 1
		sleep 0.5
	done
}

# system NUMBER: that entry of the menu
system() {
	n=system_$1
	: >$out
	rm -f /tmp/keys
	mkfifo /tmp/keys
	husk run --name "$n" --cpus 2 --memory 512M --disk "$LAB_DISK" --net tap=system0 </tmp/keys >$out 2>&1 &
	vm=$!
	exec 9>/tmp/keys
	wait_for 'Debian, kernel' $((60 * slow)) && ok ${n}_grub || not_ok ${n}_grub "$(tail -n 1 $out | tr -d '\r')"
	printf '%s' "$1" >&9
	wait_for 'Reached target.*multi-user.target' $((300 * slow)) && ok ${n}_multi_user ||
		{ not_ok ${n}_multi_user "$(tail -n 1 $out | tr -d '\r')"; tail -n 30 $out | sed 's/^/#   /'; }
	wait_for 'husk-guest login:' $((60 * slow)) && ok ${n}_login || not_ok ${n}_login "no prompt"
	check ${n}_ssh in_guest 'systemctl is-system-running --wait; ! systemctl --failed --plain --no-legend | grep .'
	[ "$(in_guest nproc)" = 2 ] && ok ${n}_cpus || not_ok ${n}_cpus "not 2 CPUs"
	[ "$(in_guest findmnt -no SOURCE /)" = /dev/vda1 ] && ok ${n}_root || not_ok ${n}_root "/ is not on the disk"
	check ${n}_ping in_guest ping -c 3 -i 0.2 10.77.0.1
	# the same bytes by the network, to the disk and back
	dd if=/dev/urandom of=/tmp/data bs=64k count=64 2>/dev/null
	[ "$(in_guest 'cat >/data && sync && echo 3 >/proc/sys/vm/drop_caches && sha256sum </data' </tmp/data)" = "$(sha256sum </tmp/data)" ] &&
		ok ${n}_data || not_ok ${n}_data "other bytes"
	in_guest 'dmesg --level=emerg,alert,crit,err' >/tmp/dmesg
	[ -s /tmp/dmesg ] && not_ok ${n}_log "$(head -n 1 /tmp/dmesg)" || ok ${n}_log
	in_guest poweroff
	wait_for 'no such line' $((90 * slow))	# or until it is gone
	kill $vm 2>/dev/null
	exec 9>&-
	wait $vm
	status=$?
	[ $status = 0 ] && ok ${n}_poweroff || not_ok ${n}_poweroff "husk run: status $status: $(tail -n 1 $out | tr -d '\r')"
	check ${n}_fsck e2fsck -fn "${LAB_DISK}1"
}

case $LAB_MACHINE in bochs-*) slow=8 ;; *) slow=1 ;; esac
i=1
while [ $i -le "${KERNELS:-1}" ]; do
	system $i
	i=$((i + 1))
done
ip link del system0
check system_unload unload
exit 0
