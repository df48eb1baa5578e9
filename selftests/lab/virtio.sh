# SPDX-License-Identifier: GPL-2.0
# PCI and virtio devices as Debian's kernels use them: data both ways with checksums, and what
# happens when the host's side fails.
. ./lib.sh
load $device_options || { not_ok virtio_load "$(dmesg | tail -n 1)"; exit 0; }
D=/tmp/virtio
mkdir -p $D
images=$(ls /lab/guest/vmlinuz-* 2>/dev/null)
[ -n "$images" ] || { skip virtio "no guest kernel here"; unload; exit 0; }
first=${images%%
*}

. ./virtio_lib.sh

# ---- everything at once, with each kernel ----

head -c 6000000 /dev/urandom >$D/payload
payload=$(sum $D/payload)
modprobe -a tun vhost_vsock ext4 loop
ip tuntap add tap0 mode tap user 1000 && ip addr add 10.9.0.1/24 dev tap0 && ip link set tap0 up
serve_files 10.9.0.1:80

initrd /lab/tests/vsock <<'END'
#!/bin/sh
exec 2>&1
# what is typed while nobody has it open is lost
exec 3</dev/hvc0
# nor shall its echo come between what ttyS0 says
stty -echo <&3
ls /sys/bus/pci/devices | tr '\n' ' ' | sed 's/^/pci: /'; echo
dmesg | grep -iE 'pci|acpi|virtio' | grep -iE 'fail|error|warn|bug|conflict|can.t|invalid' |
	grep -v 'if necessary, use .pci=nocrs. and report a bug' | sed 's/^/complaint: /'
ip link set lo up; ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up
echo "ping: $(ping -c 3 -W 5 10.9.0.1 | grep -c 'bytes from')"
echo "serial: $(cat /sys/block/vdc/serial)"
echo "ro: $(cat /sys/block/vdc/ro)"
echo "vdc: $(md5sum /dev/vdc | cut -d' ' -f1)"
dd if=/dev/zero of=/dev/vdc bs=512 count=1 2>/dev/null && echo "vdc written: yes"
mount -t ext4 /dev/vda /mnt && wget -q -O /mnt/file http://10.9.0.1/payload
echo "download: $(md5sum /mnt/file | cut -d' ' -f1)"
mke2fs /dev/vdb >/dev/null && mkdir /tmp/b && mount -t ext4 /dev/vdb /tmp/b && cp /mnt/file /tmp/b/file && rm /mnt/file
cp /tmp/b/file /mnt/copy && fsync /mnt/copy
sync
echo 3 >/proc/sys/vm/drop_caches
echo "raw: $(md5sum /mnt/copy | cut -d' ' -f1)"
echo "qcow2: $(md5sum /tmp/b/file | cut -d' ' -f1)"
nc 10.9.0.1 5000 </mnt/copy
echo "rng: $(cat /sys/class/misc/hw_random/rng_current) $(dd if=/dev/hwrng bs=64 count=16 2>/dev/null | md5sum | cut -c1-32)"
/guest/vsock connect 2 7000 </mnt/copy
/guest/vsock connect 2 7001 </dev/null >/tmp/back
echo "vsock: $(md5sum /tmp/back | cut -d' ' -f1)"
umount /mnt; umount /tmp/b
dd if=/dev/urandom of=/tmp/fill bs=1M count=80 2>/dev/null
echo "full:"
sleep 1
rm /tmp/fill
echo "empty:"
read line <&3
cat /dev/vda >/dev/null
echo "cached:"
echo "to-hvc0" >/dev/hvc0
read line <&3
echo "from-hvc0: $line"
END

all_devices() {
	k=${1##*-}
	rm -f $D/qcow2
	new_disk $D/raw
	head -c 1048576 /dev/urandom >$D/ro
	qemu-img create -q -f qcow2 $D/qcow2 64M
	# an input that stays open: at its end nc would close the connection
	mkfifo $D/open
	busybox nc -l -p 5000 <>$D/open >$D/upload &
	nc=$!
	$T/vsock listen 7000 </dev/null >$D/vsock.in 2>&1 &
	vs=$!
	$T/vsock listen 7001 <$D/payload >/dev/null 2>&1 &
	vs="$vs $!"
	husk run --detach --name v$k --kernel "$1" --initrd $D/initrd --disk $D/raw --disk $D/qcow2,format=qcow2 \
		--disk $D/ro,readonly,serial=SN-$k --net tap=tap0,mac=52:54:00:00:00:02 --rng --balloon --vsock 42 --console virtio \
		--cmdline "console=ttyS0 quiet panic=-1" </dev/null >$D/v$k.err 2>&1 || not_ok virtio_run_$k "$(tail -n 1 $D/v$k.err)"
	mkfifo $D/type
	husk console v$k <$D/type >$D/v$k.out 2>&1 &
	con=$!
	exec 5>$D/type
	rm $D/type
	await 80 grep -q full: $D/v$k.out || not_ok virtio_end_$k "$(tail -n 1 $D/v$k.out | tr -d '\r')"
	filled=$(rss)
	await 5 grep -q empty: $D/v$k.out
	# what was filled and is free again comes back by free page reporting; then the balloon takes more
	await 15 less_than $((filled - 40000)) && ok virtio_reporting_$k || not_ok virtio_reporting_$k "$(rss) KB of $filled"
	echo go >&5
	await 20 grep -q cached: $D/v$k.out || not_ok virtio_cached_$k "$(tail -n 1 $D/v$k.out | tr -d '\r')"
	before=$(rss)
	check virtio_balloon_$k husk balloon v$k 140M
	await 15 sh -c "husk show --json v$k | grep -q '\"size\": 146800640'" && ok virtio_inflated_$k || not_ok virtio_inflated_$k "$(husk show v$k | grep balloon)"
	less_than $((before - 30000)) && ok virtio_shrunk_$k || not_ok virtio_shrunk_$k "$(rss) KB of $before"
	check virtio_deflate_$k husk balloon v$k 0
	for what in block balloon vsock console rng net; do
		husk show v$k | grep -q "name=$what .*driver=running" && ok virtio_show_${what}_$k || not_ok virtio_show_${what}_$k "$(husk show v$k | grep "name=$what")"
	done
	husk show v$k | grep -q 'name=vsock .*kicks=ioeventfd calls=irqfd' && ok virtio_vsock_direct_$k ||
		not_ok virtio_vsock_direct_$k "$(husk show v$k | grep name=vsock)"
	# it has read all of a disk of 64 MiB, written to it, and sent and received files
	husk show v$k >$D/show
	grep -qE 'name=block .*reads=[1-9][0-9]* read_bytes=[1-9][0-9]{7,} writes=[1-9][0-9]* write_bytes=[1-9][0-9]{3,} errors=0' $D/show &&
		grep -qE 'name=net .*received=[1-9][0-9]* received_bytes=[1-9][0-9]{3,} sent=[1-9][0-9]* sent_bytes=[1-9][0-9]{3,}' $D/show &&
		ok virtio_counts_$k || not_ok virtio_counts_$k "$(grep -oE '(reads|received)=.*errors=[0-9]*|received=.*' $D/show | tr '\n' ' ')"
	echo hello >&5
	await 20 sh -c "! husk ls | grep -q v$k" && ok virtio_off_$k || { not_ok virtio_off_$k "still there"; husk kill v$k; }
	exec 5>&-
	wait $con
	kill $nc $vs 2>/dev/null
	rm $D/open
	same virtio_pci_$k "$(said v$k pci | wc -w)" 10
	same virtio_complaints_$k "$(said v$k complaint)" ""
	same virtio_ping_$k "$(said v$k ping)" 3
	same virtio_serial_$k "$(said v$k serial)" SN-$k
	same virtio_ro_$k "$(said v$k ro) $(said v$k vdc) $(said v$k 'vdc written')" "1 $(sum $D/ro) "
	for what in download raw qcow2 vsock; do same virtio_${what}_$k "$(said v$k $what)" "$payload"; done
	same virtio_upload_$k "$(sum $D/upload)" "$payload"
	same virtio_vsock_in_$k "$(sum $D/vsock.in)" "$payload"
	case $(said v$k rng) in 'virtio_rng.0 '*) ok virtio_rng_$k ;; *) not_ok virtio_rng_$k "$(said v$k rng)" ;; esac
	grep -q to-hvc0 $D/v$k.out && ok virtio_hvc0_out_$k || not_ok virtio_hvc0_out_$k "nothing came"
	same virtio_hvc0_in_$k "$(said v$k from-hvc0)" hello
	check virtio_fsck_raw_$k e2fsck -fn $D/raw
	check virtio_qcow2_check_$k qemu-img check -q $D/qcow2
	qemu-img convert -O raw $D/qcow2 $D/flat
	check virtio_fsck_qcow2_$k e2fsck -fn $D/flat
	mkdir -p $D/mnt
	mount -o loop,ro $D/raw $D/mnt && same virtio_host_raw_$k "$(sum $D/mnt/copy)" "$payload"
	umount $D/mnt
	mount -o loop,ro $D/flat $D/mnt && same virtio_host_qcow2_$k "$(sum $D/mnt/file)" "$payload"
	umount $D/mnt
	pidof qemu-nbd passt >/dev/null && not_ok virtio_children_$k "a child is left" || ok virtio_children_$k
}
for image in $images; do all_devices "$image"; done

# ---- interrupts without messages: by the IOAPIC, and by the 8259 pair ----

initrd <<'END'
#!/bin/sh
exec 2>&1
grep virtio /proc/interrupts | sed 's/^/line: /'
echo "vda: $(md5sum /dev/vda | cut -d' ' -f1)"
END
for how in "pci=nomsi" "pci=nomsi noapic"; do
	name=intx_$(echo "$how" | wc -w)
	append=$how
	guest $name "$first" 60 --rng --disk $D/payload,readonly
	append=
	same virtio_${name} "$(said $name vda)" "$(head -c $(($(wc -c <$D/payload) / 512 * 512)) $D/payload | md5sum | cut -d' ' -f1)"
	case "$how $(said $name line)" in
	'pci=nomsi noapic'*XT-PIC* | 'pci=nomsi '*IO-APIC*17-*) ok virtio_${name}_line ;;
	*) not_ok virtio_${name}_line "$(said $name line)" ;;
	esac
done

# ---- a reset while the disk is written ----

new_disk $D/raw
initrd <<'END'
#!/bin/sh
. /guest/lib
reset_while_writing /dev/vda /dev/vdb
END
guest reset "$first" 120 --disk $D/raw --disk $D/ro,readonly --net tap=tap0 --rng --balloon --vsock 42 --console virtio
status=$?
same virtio_reset "$status $(said reset after)" "0 $(sum $D/ro)"
check virtio_reset_fsck e2fsck -fn $D/raw

# ---- what fails on the host's side ----

k=faults
initrd <<'END'
#!/bin/sh
. /guest/lib
# and a disk that ends by itself
fail_disks /dev/vda /dev/vdb
dd if=/dev/vdc of=/dev/null bs=64k iflag=direct 2>/dev/null && echo "nbd: whole" || echo "nbd: error"
END
rm -f $D/raw
head -c 4194304 /dev/urandom >$D/raw
mkdir -p $D/small
mount -t tmpfs -o size=8M tmpfs $D/small
truncate -s 64M $D/small/disk
qemu-img create -q -f qcow2 $D/qcow2 64M
typed faults "$first" --disk $D/raw --disk $D/small/disk --disk $D/qcow2,format=qcow2
if await 60 grep -q cut: $D/faults.out; then
	refused virtio_locked 3 'in use' husk run --name other --kernel "$first" --disk $D/raw
	refused virtio_locked_qcow2 '[34]' 'lock|qemu-nbd' husk run --name other --kernel "$first" --disk $D/qcow2,format=qcow2
	same virtio_before "$(said faults before)" "$(sum $D/raw)"
	truncate -s 1M $D/raw
	kill -9 "$(pidof qemu-nbd)"
	echo >&5
	await 60 grep -q nbd: $D/faults.out
else
	not_ok virtio_faults "$(tail -n 1 $D/faults.out)"
	husk kill faults
fi
exec 5>&-
wait $run
rm $D/type
same virtio_cut_read "$(said faults read) $(said faults first)" "error whole"
same virtio_full_write "$(said faults write) $(said faults again)" "error whole"
same virtio_nbd_gone "$(said faults nbd)" error
complained virtio 'disk .*/raw: read' 'disk .*small/disk: write.*No space' 'qemu-nbd is gone'
[ "$(wc -l <$D/faults.err)" -le 8 ] && ok virtio_lines || not_ok virtio_lines "$(wc -l <$D/faults.err) lines"
cmp -s -n 1048576 $D/small/disk /dev/zero && ok virtio_flushed_stays || not_ok virtio_flushed_stays "not what was flushed"
umount $D/small

# ---- what can't be begun with ----

echo text >$D/short
: >$D/empty
truncate -s 1M $D/disk
chmod 400 $D/disk
refused virtio_disk_missing 3 'no such' husk run --kernel "$first" --disk $D/nosuch
refused virtio_disk_folder 3 'neither' husk run --kernel "$first" --disk $D
refused virtio_disk_short 3 'short' husk run --kernel "$first" --disk $D/short
refused virtio_disk_device 3 'neither' husk run --kernel "$first" --disk /dev/null
refused virtio_disk_format 2 'raw or qcow2' husk run --kernel "$first" --disk $D/disk,format=vmdk
refused virtio_disk_key 2 'nosuchkey' husk run --kernel "$first" --disk $D/disk,nosuchkey
refused virtio_disk_serial 2 '20 characters' husk run --kernel "$first" --disk $D/disk,serial=123456789012345678901
refused virtio_disk_nothing 2 'nothing' husk run --kernel "$first" --disk ""
refused virtio_disk_no_qcow2 3 'qemu-nbd' husk run --kernel "$first" --disk $D/disk,format=qcow2
qemu-img create -q -f qcow2 -F raw -b $D/short $D/backed 1M
qemu-img create -q -f qcow2 -o data_file=$D/data,data_file_raw=on $D/outside 1M
refused virtio_disk_backing 3 'backing file' husk run --kernel "$first" --disk $D/backed,format=qcow2
refused virtio_disk_data_file 3 'another file' husk run --kernel "$first" --disk $D/outside,format=qcow2,backing
refused virtio_disk_many 2 'devices' husk run --kernel "$first" $(for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do echo --rng --rng; done)
refused virtio_net_kind 2 'tap=' husk run --kernel "$first" --net bridge
refused virtio_net_mac 2 'address' husk run --kernel "$first" --net tap=tap0,mac=01:00:00:00:00:00
refused virtio_net_name 2 'name' husk run --kernel "$first" --net tap=12345678901234567
refused virtio_net_forward 2 'HOST' husk run --kernel "$first" --net user,hostfwd=tcp:22
refused virtio_vsock_cid 2 'number' husk run --kernel "$first" --vsock 2
refused virtio_console_kind 2 'serial or virtio' husk run --kernel "$first" --console vga
refused virtio_balloon_none 5 'no' husk balloon nosuchvm 1M

# ---- without rights: a member of group husk, the network by passt ----

# passt makes itself a root of its own, which the initramfs's can't give: a bind mount of all, moved over it
real_root() {
	unshare -m sh -c 'mkdir -p /newroot && mount --rbind / /newroot && cd /newroot && mount --move . / && exec chroot . "$@"' sh "$@"
}
initrd <<'END'
#!/bin/sh
exec 2>&1
ip link set lo up; ip addr add 10.8.0.1/24 dev eth0; ip link set eth0 up; ip route add default via 10.8.0.254
wget -q -O /tmp/file http://10.8.0.2:8080/payload
echo "download: $(md5sum /tmp/file | cut -d' ' -f1)"
timeout 10 wget -q -O /dev/null http://10.8.0.254:8080/little && echo "loopback: reached" || echo "loopback: out of reach"
grep -q another /proc/cmdline && poweroff -f
nc -l -p 22 >/tmp/in </dev/console &
nc=$!
while ! cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ':0016 .* 0A '; do sleep 0.1; done
echo "listening:"
wait $nc
echo "forwarded: $(md5sum /tmp/in | cut -d' ' -f1)"
END
echo little >$D/little
modprobe dummy
chgrp husk /dev/husk
chmod 660 /dev/husk
chmod 666 /dev/net/tun
ip link set lo up
ip link add d0 type dummy && ip addr add 10.8.0.1/24 dev d0 && ip addr add 10.8.0.2/24 dev d0 && ip link set d0 up && ip route add default via 10.8.0.254
serve_files 127.0.0.1:8080
serve_files 10.8.0.2:8080
real_root timeout -s KILL $((90 * ${SLOW:-1})) setpriv --reuid=1001 --regid=1001 --groups=900 husk run --name user --kernel "$first" --initrd $D/initrd \
	--net user,hostfwd=tcp:2222:22 --cmdline "console=ttyS0 quiet panic=-1" </dev/null >$D/user.out 2>$D/user.err &
run=$!
if await 60 grep -q listening: $D/user.out; then
	busybox nc 127.0.0.1 2222 <$D/payload &
	nc=$!
	await 30 grep -q forwarded: $D/user.out
	kill $nc 2>/dev/null
else
	not_ok virtio_user "$(tail -n 1 $D/user.out; tail -n 1 $D/user.err)"
fi
wait $run
same virtio_user_download "$(said user download)" "$payload"
same virtio_user_forward "$(said user forwarded)" "$payload"
same virtio_user_no_loopback "$(said user loopback)" "out of reach"
real_root timeout -s KILL $((90 * ${SLOW:-1})) setpriv --reuid=1001 --regid=1001 --groups=900 husk run --kernel "$first" --initrd $D/initrd \
	--net user,loopback --cmdline "console=ttyS0 quiet panic=-1 another" </dev/null >$D/user.out 2>$D/user.err
same virtio_user_loopback "$(said user loopback)" "reached"
refused virtio_user_port 1 'tcp:8080 of the host: address already in use' husk run --kernel "$first" --net user,hostfwd=tcp:8080:22
# a passt that does not start
mkdir $D/broken
printf '#!/bin/sh\necho "no way out" >&2\nexit 1\n' >$D/broken/passt
chmod 755 $D/broken/passt
refused virtio_user_passt 1 'no network: no way out' env PATH=$D/broken:$PATH husk run --kernel "$first" --net user
ip tuntap add tap1 mode tap user 1002	# one that is nobody's is free to all
refused virtio_tap_rights 4 'no right to it' setpriv --reuid=1001 --regid=1001 --groups=900 husk run --kernel "$first" --net tap=tap1
ip link del tap0
ip link del tap1
ip link del d0
kill $servers
pidof passt >/dev/null && not_ok virtio_user_children "passt is left" || ok virtio_user_children

check virtio_unload unload
exit 0
