# SPDX-License-Identifier: GPL-2.0
# Disks that the kernel serves: a hostile driver without a guest, then Debian's kernels as guests.
. ./lib.sh
load $device_options || { not_ok disk_load "$(dmesg | tail -n 1)"; exit 0; }
D=/tmp/disk
rm -rf /tmp/virtio	# of the group before, in RAM
mkdir -p $D/host $D/small $D/plain $D/mnt
images=$(ls /lab/guest/vmlinuz-* 2>/dev/null)
first=${images%%
*}
. ./virtio_lib.sh

# and a file system without direct I/O
host_folders || { not_ok disk_host "no file system"; exit 0; }
mount -t ramfs ramfs $D/plain

# ---- the driver's side by a program ----

truncate -s 16M $D/host/try
$T/disk_try $D/host/try "${SEEDS:-50}"
truncate -s 16M $D/try.img
losetup /dev/loop6 $D/try.img
$T/disk_try /dev/loop6 5 device
losetup -d /dev/loop6

# ---- harm ----

modprobe -a vfat nls_cp437 nls_ascii
mkdir -p $D/fat $D/kept
truncate -s 64M $D/fat.img
mkdosfs $D/fat.img >/dev/null
check disk_copies_host $T/disk_hostile copies $D/host/try
if grep -qw vfat /proc/filesystems; then
	mount -t vfat -o loop $D/fat.img $D/fat
	truncate -s 16M $D/fat/file
	check disk_copies_fat $T/disk_hostile copies $D/fat/file
	umount $D/fat
else
	skip disk_copies_fat "this kernel has no vfat"
fi
# each write has ended what it began
check disk_freeze timeout 10 fsfreeze --freeze $D/host
fsfreeze --unfreeze $D/host
truncate -s 1G $D/host/long
check disk_kill $T/disk_hostile kill $D/host/long
check disk_stop $T/disk_hostile stop $D/host/long
# blocks that are kept for root; half of them
truncate -s 64M $D/kept.img
mke2fs -q -t ext4 -m 50 $D/kept.img && mount -o loop $D/kept.img $D/kept
truncate -s 1G $D/kept/file
check disk_work timeout 60 $T/disk_hostile work $D/host/long
check disk_starve $T/disk_hostile starve $D/kept/file $D/host/long
rm $D/host/long
chown 1000 $D/kept/file
chmod 711 $D
mode=$(stat -c %a /dev/husk)
chmod 666 /dev/husk
zeroed=$(setuidgid user $T/disk_hostile reserve $D/kept/file)
chmod $mode /dev/husk
[ "$zeroed" -gt 5 ] && [ "$zeroed" -lt 30 ] && ok disk_kept || not_ok disk_kept "'$zeroed' MiB of 27 were to be had"
umount $D/kept

# ---- tracepoints, and programs that decide ----

. ./decide_lib.sh
VIRTIO=34
reads() { echo "$1" >&5; await 60 lines $((_lines + 1)); _lines=$(grep -c . $D/load.out); result=$(tail -n 1 $D/load.out); }
lines() { [ "$(grep -c . $D/load.out)" -ge "$1" ]; }
took() { echo "$result" | sed -n 's/.*changed, \([0-9]*\) ms/\1/p'; }
in_map() { bpftool map dump name disk_times | grep -o "\"$1\": [0-9]*" | cut -d' ' -f2 | head -n 1; }
mkfifo $D/numbers
$T/disk_try $D/host/try load <$D/numbers >$D/load.out 2>&1 &
load=$!
exec 5>$D/numbers
await 60 lines 1
_lines=1
[ -d $TRACING/events ] || mount -t tracefs tracefs $TRACING
[ -d $BPF ] && mountpoint -q $BPF || mount -t bpf bpf $BPF

echo 1 | tee $TRACING/events/husk/husk_virtio_begin/enable >$TRACING/events/husk/husk_virtio_end/enable
reads 7
echo 0 | tee $TRACING/events/husk/husk_virtio_begin/enable >$TRACING/events/husk/husk_virtio_end/enable
same disk_trace_reads "${result%, *}" "load: 7 reads, 0 failed, 7 changed"
same disk_trace_begin "$(grep -c "husk_virtio_begin: vm=$(id disk) disk=0 queue=0 type=in chain=0 offset=0x0 length=4096\$" $TRACING/trace)" 7
same disk_trace_end "$(grep -c "husk_virtio_end: vm=$(id disk) .* length=4096 error=0 ns=[1-9][0-9]*\$" $TRACING/trace)" 7
echo >$TRACING/trace

no_map() { ! bpftool map show name "$1" >/dev/null 2>&1; }
# 100 a second and 10 at once; then bytes; by all doors
limit_disk() { bpftool map update name disk_limits key hex $(bytes 4 "$(id disk)") $(bytes 4 0) value hex $(bytes 8 $1) $(bytes 8 $2) $(bytes 8 $3) $(bytes 8 $4); }
for door in all vm fast; do
	case $door in
	all) check disk_policy_$door bpftool prog load /lab/bpf/policy_disk.bpf.o $BPF/disk autoattach ;;
	vm) attached=$(husk policy attach --on virtio disk /lab/bpf/policy_disk.bpf.o) && ok disk_policy_$door || not_ok disk_policy_$door "not attached" ;;
	fast)
		[ -d /lab/release ] || { skip disk_policy_fast "no struct_ops for modules here"; continue; }
		attached=$(fast disk /lab/bpf/policy_disk.ops.bpf.o) && ok disk_policy_$door || not_ok disk_policy_$door "not attached" ;;
	esac
	reads 20
	same disk_policy_times_$door "$(in_map requests) $(in_map bytes) $(in_map errors)" "20 81920 0"
	limit_disk 100 10 0 0
	reads 60
	same disk_policy_all_$door "${result%, *}" "load: 60 reads, 0 failed, 60 changed"
	[ "$(took)" -ge 450 ] && ok disk_policy_requests_$door || not_ok disk_policy_requests_$door "$result"
	limit_disk 0 0 409600 40960
	reads 60
	[ "$(took)" -ge 450 ] && ok disk_policy_bytes_$door || not_ok disk_policy_bytes_$door "$result"
	if [ $door = all ]; then rm $BPF/disk; else husk policy detach "$attached"; fi
	until_is no_map disk_times || not_ok disk_policy_off_$door "the map is still there"
done

# what a program says of a request
check disk_decide bpftool prog load /lab/bpf/policy_table.bpf.o $BPF/table autoattach
rule 0 $VIRTIO 0 $HANDLED
reads 3
same disk_decide_handled "${result%, *}" "load: 3 reads, 0 failed, 0 changed"
rule 0 $VIRTIO 0 $FAULT
reads 3
same disk_decide_fault "${result%, *}" "load: 3 reads, 3 failed, 0 changed"
rule 0 $VIRTIO 0 $PAUSE
reads 1
same disk_decide_pause "${result%, *}" "load: 1 reads, 0 failed, 1 changed"
until_is is disk paused && ok disk_decide_paused || not_ok disk_decide_paused "$(state disk)"
unrule 0 $VIRTIO 0
attached=$(husk policy attach --on virtio disk $T/decide_disk.bpf)
reads 3
same disk_decide_after "${result%, *}" "load: 3 reads, 3 failed, 3 changed"
husk policy detach "$attached"
if [ -d /lab/release ]; then
	attached=$(fast disk $T/decide_disk_ops.bpf)
	reads 3
	same disk_decide_memory "${result%, *}" "load: 3 reads, 3 failed, 0 changed"
	husk policy detach "$attached"
fi
rule 0 $VIRTIO 0 $KILL
echo 1 >&5
until_is is disk dead && ok disk_decide_kill || not_ok disk_decide_kill "$(state disk)"
exec 5>&-
wait $load
rm $BPF/table

# ---- guests ----

if [ -n "$images" ]; then

head -c 5999616 /dev/urandom >$D/host/payload
payload=$(sum $D/host/payload)
initrd <<'END'
#!/bin/sh
. /guest/lib
echo "serial: $(cat /sys/block/vdb/serial)"
echo "ro: $(cat /sys/block/vdb/ro) $(cat /sys/block/vda/queue/write_cache)"
dd if=/dev/zero of=/dev/vdb bs=512 count=1 2>/dev/null && echo "written: yes"
mount -t ext4 /dev/vda /mnt
# several at once
for i in 1 2 3 4; do (cat /dev/vdb >/mnt/file$i; fsync /mnt/file$i) & done
wait
sum_files
sum_of vdb /dev/vdb
echo "written:"
read line
rm /mnt/file2 /mnt/file3 /mnt/file4
sync
fstrim /mnt && echo "trimmed: yes"
echo 3 >/proc/sys/vm/drop_caches
sum_of after /mnt/file1
umount /mnt
# whole zeroes, by the file system's way
dd if=/dev/zero of=/dev/vda bs=1M seek=60 count=1 oflag=direct 2>/dev/null
END
for image in $images; do
	k=${image##*-}
	new_disk $D/host/raw
	typed d$k "$image" --disk $D/host/raw,where=kernel --disk $D/host/payload,readonly,serial=SN-$k,where=kernel
	reached disk_written_$k d$k written
	husk show d$k >$D/show
	grep -q 'name=block.*kernel.*reads=[1-9][0-9]* read_bytes=[1-9][0-9]* writes=[1-9][0-9]* write_bytes=[1-9][0-9]\{7,\} errors=0 .*kicks=direct calls=direct' $D/show &&
		ok disk_show_$k || not_ok disk_show_$k "$(grep name=block $D/show)"
	same disk_no_ring_$k "$(grep -c io_uring /proc/$(pidof husk-vm)/maps)" 0
	before=$(stat -c %b $D/host/raw)
	echo >&5
	ended disk_off_$k d$k
	same disk_serial_$k "$(said d$k serial)" SN-$k
	same disk_ro_$k "$(said d$k ro) $(said d$k vdb)" "1 write back $payload"
	same disk_sums_$k "$(sums d$k)" "$payload"
	same disk_trimmed_$k "$(said d$k trimmed) $(said d$k after)" "yes $payload"
	[ "$(stat -c %b $D/host/raw)" -lt $((before - 30000)) ] && ok disk_holes_$k ||
		not_ok disk_holes_$k "$before blocks before, $(stat -c %b $D/host/raw) after"
	check disk_fsck_$k e2fsck -fn $D/host/raw
	mount -o loop,ro $D/host/raw $D/mnt
	same disk_host_$k "$(sum $D/mnt/file1)" "$payload"
	umount $D/mnt
done

# moved to and fro while four write, by several queues, with its cache switched off and on; then limits in both places
new_disk $D/host/raw
initrd <<'END'
#!/bin/sh
. /guest/lib
echo "queues: $(ls /sys/block/vda/mq | wc -l)"
mount -t ext4 /dev/vda /mnt
for i in 1 2 3 4; do
	(for j in 1 2 3 4; do
		dd if=/dev/vdb of=/mnt/file$i bs=64k conv=fsync 2>/dev/null
		sed -n 1p /sys/block/vda/cache_type >>/tmp/types
		[ $i != 1 ] || echo "write through" >/sys/block/vda/cache_type
		[ $i != 2 ] || echo "write back" >/sys/block/vda/cache_type
	done) &
done
echo "writing:"
wait
sum_files
umount /mnt
echo "types: $(sort -u /tmp/types | wc -l)"
echo "write back" >/sys/block/vda/cache_type
echo "written:"
while read line; do
	[ "$line" != end ] || exit
	for i in 1 2 3 4; do dd if=/dev/vda of=/dev/vda bs=512 count=1 conv=notrunc,fsync 2>/dev/null; done
	begin=$(cut -d. -f1 /proc/uptime)
	dd if=/dev/vda of=/dev/null bs=4k count=60 iflag=direct 2>/dev/null
	echo "took $line: $(($(cut -d. -f1 /proc/uptime) - begin))"
done
END
typed moved "$first" --cpus 2 --disk $D/host/raw,movable,queues=4 --disk $D/host/payload,readonly,where=kernel,movable,queues=2
reached disk_writing moved writing
moves=0
while ! grep -q ^written: $D/moved.out && [ $moves -lt 1000 ]; do
	for where in kernel worker; do
		husk disk moved 0 where=$where && husk disk moved 1 where=$where && moves=$((moves + 1)) || break 2
		usleep 50000
	done
done
grep -q ^written: $D/moved.out && [ $moves -gt 5 ] && ok disk_moves || not_ok disk_moves "$moves moves: $(tail -n 1 $D/moved.out | tr -d '\r') $(tail -n 1 $D/moved.err)"
same disk_moved_queues "$(said moved queues)" 2	# one for each CPU
same disk_moved_sums "$(sums moved)" "$payload"
same disk_moved_types "$(said moved types)" 2
# flushes of the kernel's disk are done, and paid for, by a thread of the VM's process
flushes() {
	for _task in $(grep -lx disk-flush /proc/$(pidof husk-vm)/task/*/comm); do
		awk '/^voluntary/ && $2 >= 3 { found = 1 } END { exit !found }' ${_task%/comm}/status && return
	done
	return 1
}
# 60 reads, 20 a second and one at once: 2.95 s
for where in kernel worker; do
	check disk_limit_$where husk disk moved 0 where=$where,iops=20,iops-burst=1
	echo $where >&5
	await 30 grep -q "^took $where" $D/moved.out
	took=$(said moved "took $where")
	[ $where = worker ] || check disk_flushes flushes
	[ "${took:-0}" -ge 2 ] && ok disk_limit_took_$where || not_ok disk_limit_took_$where "${took:-?} s"
done
check disk_limit_off husk disk moved 0 iops=0,bps=10M
refused disk_change_none 3 'no such disk' husk disk moved 2 iops=1
refused disk_change_key 3 'where, iops' husk disk moved 0 color=red
refused disk_change_where 3 'worker or kernel' husk disk moved 0 where=there
refused disk_change_bps 3 '4K' husk disk moved 0 bps=1K
refused disk_change_number 2 'number' husk disk moved x iops=1
refused disk_change_text 2 'say' husk disk moved 0 "iops 1"
refused disk_change_vm 5 'no' husk disk nosuchvm 0 iops=1
husk show moved >$D/show
grep -q 'number=0 .*errors=0' $D/show && grep -q 'data_path=worker' $D/show && ok disk_moved_show || not_ok disk_moved_show "$(grep number=0 $D/show)"
echo end >&5
ended disk_moved_off moved
check disk_moved_fsck e2fsck -fn $D/host/raw

# interrupts without messages
initrd <<'END'
#!/bin/sh
. /guest/lib
sum_of sum /dev/vda
END
interrupts_without_messages disk --disk $D/host/payload,readonly,where=kernel

# a reset while the disk is written
new_disk $D/host/raw
initrd <<'END'
#!/bin/sh
. /guest/lib
reset_while_writing /dev/vda /dev/vdb "dd if=/dev/vdb of=/dev/null bs=4k iflag=direct &"
END
guest reset "$first" 120 --disk $D/host/raw,where=kernel --disk $D/host/payload,readonly,where=kernel
status=$?
same disk_reset "$status $(said reset after)" "0 $payload"
check disk_reset_fsck e2fsck -fn $D/host/raw

# a file that is cut off, a file system that is full; and a worker that is killed
initrd <<'END'
#!/bin/sh
. /guest/lib
fail_disks /dev/vda /dev/vdb
echo "busy:"
while :; do dd if=/dev/vda of=/dev/null bs=4k count=16 iflag=direct 2>/dev/null; done
END
head -c 4194304 /dev/urandom >$D/host/cut
whole=$(sum $D/host/cut)
truncate -s 64M $D/small/disk
typed faults "$first" --disk $D/host/cut,where=kernel --disk $D/small/disk,where=kernel
if await 60 grep -q ^cut: $D/faults.out; then
	refused disk_immovable 3 'movable' husk disk faults 0 where=worker
	refused disk_locked 3 'in use' husk run --name other --kernel "$first" --disk $D/host/cut,where=kernel
	truncate -s 1M $D/host/cut
	echo >&5
	await 60 grep -q ^busy: $D/faults.out && ok disk_busy || not_ok disk_busy "$(tail -n 1 $D/faults.out)"
	grep -q 'errors=[1-9]' <<SHOWN && ok disk_errors || not_ok disk_errors "none were counted"
$(husk show faults)
SHOWN
else
	not_ok disk_faults "$(tail -n 1 $D/faults.out)"
fi
kill -9 "$(pidof husk-vm)"
exec 5>&-
wait $run
complained disk 'disk .*/cut: read' 'disk .*small/disk: write.*No space'
[ "$(wc -l <$D/faults.err)" -le 6 ] && ok disk_lines || not_ok disk_lines "$(wc -l <$D/faults.err) lines"
same disk_cut "$(said faults before) $(said faults read) $(said faults first)" "$whole error whole"
same disk_full "$(said faults write) $(said faults again)" "error whole"

# a block device
losetup /dev/loop6 $D/host/payload
initrd <<'END'
#!/bin/sh
echo "vda: $(md5sum /dev/vda | cut -d' ' -f1)"
END
guest device "$first" 60 --disk /dev/loop6,readonly,where=kernel
same disk_device "$(said device vda)" "$payload"
losetup -d /dev/loop6

refused disk_where 2 'worker, kernel' husk run --kernel "$first" --disk $D/host/raw,where=there
refused disk_qcow2 2 'raw' husk run --kernel "$first" --disk $D/host/raw,format=qcow2,where=kernel
truncate -s 1M $D/plain/disk
refused disk_plain 3 'direct I/O' husk run --kernel "$first" --disk $D/plain/disk,where=kernel
else
	skip disk_guests "no guest kernel here"
fi

umount $D/host && ok disk_unused || not_ok disk_unused "the file system is in use"
umount $D/small $D/plain
rm -rf $D
[ "$(refs)" = 0 ] && ok disk_refs || not_ok disk_refs "$(refs) references left"
check disk_unload unload
exit 0
