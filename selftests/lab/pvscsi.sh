# SPDX-License-Identifier: GPL-2.0
# Disks that the kernel serves as pvSCSI adapters: a hostile driver without a guest, then Debian's kernels with their vmw_pvscsi.
. ./lib.sh
load $device_options || { not_ok pvscsi_load "$(dmesg | tail -n 1)"; exit 0; }
D=/tmp/pvscsi
mkdir -p $D/host $D/small $D/mnt
images=$(ls /lab/guest/vmlinuz-* 2>/dev/null)
first=${images%%
*}
. ./virtio_lib.sh

# script: as initrd, of a script whose $a, $b, $c are the disks in slots 1, 2, 3: the driver names them as it finds them
script() {
	{
		cat <<'END'
#!/bin/sh
. /guest/lib
disk() { ls /sys/bus/pci/devices/0000:00:0$1.0/host*/target*/*/block 2>/dev/null; }
find_disks() {
	for slot; do until [ "$(disk $slot)" ] && [ -b /dev/$(disk $slot) ]; do usleep 10000; done; done
	a=$(disk 1) b=$(disk 2) c=$(disk 3)
}
END
		cat
	} | initrd
}

host_folders || { not_ok pvscsi_host "no file system"; exit 0; }

truncate -s 16M $D/host/try
$T/pvscsi_try $D/host/try "${SEEDS:-50}"

if [ -n "$images" ]; then

refused pvscsi_bus 2 'virtio or pvscsi' husk run --kernel "$first" --disk $D/host/try,bus=ide
refused pvscsi_where 2 'where=kernel' husk run --kernel "$first" --disk $D/host/try,bus=pvscsi,where=worker
refused pvscsi_qcow2 2 'raw' husk run --kernel "$first" --disk $D/host/try,bus=pvscsi,format=qcow2

# a file system of its own, written and read by several at once, and a reset in the middle
head -c 5999616 /dev/urandom >$D/host/payload
payload=$(sum $D/host/payload)
script <<'END'
find_disks 1 2
queue=/sys/block/$a/queue
mount -t ext4 /dev/$a /mnt || exit
if [ -e /mnt/file1 ]; then
	sum_of after /mnt/file1
	rm -f /mnt/file[234] /mnt/junk
	sync
	fstrim /mnt && echo "trimmed: yes"
	umount /mnt
	mount -t ext4 /dev/$a /mnt
	sum_of last /mnt/file1
	umount /mnt
	exit
fi
echo "disk: $(cat $queue/rotational $queue/logical_block_size $queue/physical_block_size $queue/fua $queue/write_cache | tr '\n' ' ')"
echo "discard: $(cat $queue/discard_max_bytes $queue/write_zeroes_max_bytes | tr '\n' ' ')"
echo "serial: $(tail -c +5 /sys/block/$b/device/vpd_pg80)"
echo "ro: $(cat /sys/block/$a/ro /sys/block/$b/ro | tr '\n' ' ')"
dd if=/dev/zero of=/dev/$b bs=512 count=1 2>/dev/null && echo "written: yes"
for i in 1 2 3 4; do (dd if=/dev/$b of=/mnt/file$i bs=32k conv=fsync 2>/dev/null) & done
wait
sum_files
# the driver goes and comes back
umount /mnt
for device in /sys/bus/pci/drivers/vmw_pvscsi/0*; do
	echo ${device##*/} >/sys/bus/pci/drivers/vmw_pvscsi/unbind
	echo ${device##*/} >/sys/bus/pci/drivers/vmw_pvscsi/bind
done
find_disks 1 2
sum_of again /dev/$b
mount -t ext4 /dev/$a /mnt
echo "messages: $(dmesg | grep -cE 'Buffer I/O|DID_|Sense Key|vmw_pvscsi.*fail|blk_update')"
echo "busy:"
read line
(dd if=/dev/zero of=/mnt/junk bs=64k count=400 oflag=direct) &
(dd if=/dev/$b of=/dev/null bs=4k iflag=direct) &
usleep 100000
reboot -f
END
for image in $images; do
	k=${image##*-}
	new_disk $D/host/raw
	typed p$k "$image" --disk $D/host/raw,bus=pvscsi --disk $D/host/payload,readonly,serial=SN-$k,bus=pvscsi
	reached pvscsi_busy_$k p$k busy
	husk show p$k >$D/show
	grep -q 'id=15ad:07c0 name=pvscsi.*kernel driver=running.*reads=[1-9][0-9]* read_bytes=[1-9][0-9]* writes=[1-9][0-9]* write_bytes=[1-9][0-9]\{7,\} errors=0 .*kicks=direct calls=direct' $D/show &&
		ok pvscsi_show_$k || not_ok pvscsi_show_$k "$(grep name=pvscsi $D/show)"
	echo >&5
	ended pvscsi_off_$k p$k
	same pvscsi_disk_$k "$(said p$k disk) $(said p$k discard)" "0 512 4096 1 write back  1073741824 16777216 "
	same pvscsi_serial_$k "$(said p$k serial) $(said p$k ro)" "SN-$k 0 1 "
	same pvscsi_written_$k "$(said p$k written)" ""
	same pvscsi_sums_$k "$(sums p$k)" "$payload"
	same pvscsi_again_$k "$(said p$k again)" "$payload"
	same pvscsi_messages_$k "$(said p$k messages)" 0
	same pvscsi_after_$k "$(said p$k after) $(said p$k trimmed) $(said p$k last)" "$payload yes $payload"
	check pvscsi_fsck_$k e2fsck -fn $D/host/raw
	mount -o loop,ro $D/host/raw $D/mnt
	same pvscsi_host_$k "$(sum $D/mnt/file1)" "$payload"
	umount $D/mnt
	[ "$(stat -c %b $D/host/raw)" -lt 40000 ] && ok pvscsi_holes_$k || not_ok pvscsi_holes_$k "$(stat -c %b $D/host/raw) blocks"
done

# interrupts without messages
script <<'END'
find_disks 1
sum_of sum /dev/$a
END
interrupts_without_messages pvscsi --disk $D/host/payload,readonly,bus=pvscsi

# beside virtio; of four, and two vCPUs
script <<'END'
find_disks 1 3 4
for disk in $a $c $(disk 4) vda; do md5sum /dev/$disk & done | cut -d' ' -f1 | sort | uniq -c | sed 's/^ */sums: /'
END
guest several "$first" 60 --cpus 2 --disk $D/host/payload,readonly,bus=pvscsi --disk $D/host/payload,readonly \
	--disk $D/host/payload,readonly,bus=pvscsi --disk $D/host/payload,readonly,bus=pvscsi
same pvscsi_several "$(said several sums)" "4 $payload"

# limits, so that the driver loses its patience: it aborts requests, and resets what it can
script <<'END'
find_disks 2
a=$b
echo 2 >/sys/block/$a/device/timeout
echo "ready:"
read line
for i in $(seq 1 16); do dd if=/dev/$a of=/dev/null bs=4k count=1 skip=$i iflag=direct 2>/dev/null & done
until dmesg | grep -q 'task abort'; do usleep 100000; done
echo "aborts:"
wait
sum_of sum /dev/$a
END
typed slow "$first" --disk $D/host/payload,readonly --disk $D/host/payload,readonly,bus=pvscsi
reached pvscsi_ready slow ready
refused pvscsi_immovable 3 'stays in the kernel' husk disk slow 1 where=worker
refused pvscsi_change 3 'iops' husk disk slow 1 color=red
refused pvscsi_no_disk 3 'no such disk' husk disk slow 2 iops=1
check pvscsi_limit husk disk slow 1 iops=1,iops-burst=1
echo >&5
await 60 grep -q ^aborts: $D/slow.out && ok pvscsi_aborts || not_ok pvscsi_aborts "$(tail -n 1 $D/slow.out | tr -d '\r')"
sleep 3
check pvscsi_limit_off husk disk slow 1 iops=0
ended pvscsi_slow_off slow
same pvscsi_slow "$(said slow sum)" "$payload"

# a file that is cut off, a file system that is full; and a worker that is killed
script <<'END'
find_disks 1 2
fail_disks /dev/$a /dev/$b
echo "medium: $(dmesg | grep -c 'Sense Key : Medium Error')"
echo "full: $(grep -o 'No space left' /tmp/write | head -n 1)"
echo "busy:"
while :; do dd if=/dev/$a of=/dev/null bs=4k count=16 iflag=direct 2>/dev/null; done
END
head -c 4194304 /dev/urandom >$D/host/cut
whole=$(sum $D/host/cut)
truncate -s 64M $D/small/disk
typed faults "$first" --disk $D/host/cut,bus=pvscsi --disk $D/small/disk,bus=pvscsi
if await 60 grep -q ^cut: $D/faults.out; then
	refused pvscsi_locked 3 'in use' husk run --name other --kernel "$first" --disk $D/host/cut,bus=pvscsi
	truncate -s 1M $D/host/cut
	echo >&5
	await 60 grep -q ^busy: $D/faults.out && ok pvscsi_busy || not_ok pvscsi_busy "$(tail -n 1 $D/faults.out)"
	grep -q 'errors=[1-9]' <<SHOWN && ok pvscsi_errors || not_ok pvscsi_errors "none were counted"
$(husk show faults)
SHOWN
else
	not_ok pvscsi_faults "$(tail -n 1 $D/faults.out)"
fi
kill -9 "$(pidof husk-vm)"
exec 5>&-
wait $run
complained pvscsi 'disk .*/cut: read' 'disk .*small/disk: write.*No space'
same pvscsi_cut "$(said faults before) $(said faults read) $(said faults first)" "$whole error whole"
[ "$(said faults medium)" -ge 1 ] && ok pvscsi_medium || not_ok pvscsi_medium "the guest saw no medium error"
same pvscsi_full "$(said faults write) $(said faults full) $(said faults again)" "error No space left whole"
else
	skip pvscsi_guests "no guest kernel here"
fi

umount $D/host && ok pvscsi_unused || not_ok pvscsi_unused "the file system is in use"
umount $D/small
rm -rf $D
[ "$(refs)" = 0 ] && ok pvscsi_refs || not_ok pvscsi_refs "$(refs) references left"
check pvscsi_unload unload
exit 0
