# SPDX-License-Identifier: GPL-2.0
# Disks that another process serves by vhost-user: qemu-storage-daemon, and another VM.
. ./lib.sh
case $LAB_MACHINE in bochs-svm) skip split "programs of guests die in Bochs when there are two, KVM's guests too"; exit 0 ;; esac
load $device_options || { not_ok split_load "$(dmesg | tail -n 1)"; exit 0; }
D=/tmp/split
mkdir -p $D/mnt
images=$(ls /lab/guest/vmlinuz-* 2>/dev/null)
[ -n "$images" ] || { skip split_guests "no guest kernel here"; exit 0; }
first=${images%%
*}
. ./virtio_lib.sh
modprobe -a ext4 loop
APPEND="console=ttyS0 quiet panic=-1"	# of those that "typed" is not for

worker_of() { for _p in $(pidof husk-vm); do tr '\0' ' ' </proc/$_p/cmdline | grep -q -e "--name.$1 " && echo $_p; done; }

# ---- a guest's disk: several queues, caches, a reset while it is busy, and what is there after it ----

head -c 5999616 /dev/urandom >$D/payload
payload=$(sum $D/payload)
serve data $D/payload || not_ok split_serve "$(tail -n 1 $D/back.out)"
data=$back
initrd <<'END'
#!/bin/sh
. /guest/lib
mount -t ext4 /dev/vda /mnt
if [ -e /mnt/file1 ]; then
	echo "after: $(md5sum /mnt/file1 | cut -d' ' -f1) $(ls /mnt | grep -c file)"
	rm /mnt/file4
	fstrim /mnt && echo "trimmed: yes"
	echo "again: $(md5sum /mnt/file3 | cut -d' ' -f1)"
	umount /mnt
	exit
fi
echo "ro: $(cat /sys/block/vdb/ro) $(cat /sys/block/vda/queue/write_cache) queues $(ls /sys/block/vda/mq | wc -l)"
dd if=/dev/zero of=/dev/vdb bs=512 count=1 2>/dev/null && echo "written: yes"
echo "write through" >/sys/block/vda/cache_type
for i in 1 2 3 4; do (cat /dev/vdb >/mnt/file$i; fsync /mnt/file$i) & done
wait
echo "write back" >/sys/block/vda/cache_type
sum_files
sum_of vdb /dev/vdb
# busy when it is reset
(dd if=/dev/zero of=/mnt/junk bs=64k count=100 oflag=direct) &
(dd if=/dev/vdb of=/dev/null bs=4k iflag=direct) &
echo "written:"
read line
reboot -f
END
for image in $images; do
	k=${image##*-}
	new_disk $D/raw
	serve socket $D/raw writable=on num-queues=2
	typed s$k "$image" --cpus 2 --disk disk,where=vhost-user:$D/socket,queues=2 --disk data,where=vhost-user:$D/data
	reached split_written_$k s$k written
	husk show s$k >$D/show
	grep -q "number=0 file=disk .*socket=$D/socket back_end=connected kicks=direct calls=direct" $D/show && ok split_show_$k || not_ok split_show_$k "$(grep name=block $D/show)"
	same split_no_ring_$k "$(grep -c io_uring /proc/$(pidof husk-vm)/maps)" 0
	echo >&5
	ended split_off_$k s$k
	same split_ro_$k "$(said s$k ro) $(said s$k written)" "1 write back queues 2 "
	same split_sums_$k "$(sums s$k) $(said s$k vdb)" "$payload $payload"
	same split_after_$k "$(said s$k after) $(said s$k again) $(said s$k trimmed)" "$payload 4 $payload yes"
	same split_quiet_$k "$(cat $D/s$k.err)" ""
	end $back socket
	check split_fsck_$k e2fsck -fn $D/raw
	mount -o loop,ro $D/raw $D/mnt
	same split_host_$k "$(sum $D/mnt/file1)" "$payload"
	umount $D/mnt
done

# ---- interrupts without messages ----

initrd <<'END'
#!/bin/sh
. /guest/lib
sum_of vda /dev/vda
END
append=pci=nomsi
guest intx "$first" 60 --disk data,where=vhost-user:$D/data
append=
same split_intx "$(said intx vda)" "$payload"

# memory that the guest gives back is given back
initrd <<'END'
#!/bin/sh
. /guest/lib
cat /dev/vda >/dev/null
dd if=/dev/zero of=/tmp/fill bs=1M count=100 2>/dev/null
rm /tmp/fill
echo 3 >/proc/sys/vm/drop_caches
echo "full:"
read line
sum_of vda /dev/vda
END
shared() { awk '/^RssShmem/ { print $2 }' "/proc/$(pidof husk-vm)/status"; }
below() { [ "$(shared)" -lt "$1" ]; }
typed balloon "$first" --disk data,where=vhost-user:$D/data --balloon
reached split_full balloon full
full=$(shared)
husk balloon balloon 100M
await 30 below $((full - 40000)) && ok split_balloon || not_ok split_balloon "$full KB, then $(shared)"
husk balloon balloon 0
echo >&5
wait $run
exec 5>&-
same split_balloon_after "$(said balloon vda)" "$payload"
end $data data

# ---- one back-end after the other, while four write; then the disk is idle, and its back-end is killed ----

new_disk $D/raw
serve data $D/payload
data=$back
initrd <<'END'
#!/bin/sh
. /guest/lib
mount -t ext4 /dev/vda /mnt
for i in 1 2 3 4; do
	(for j in 1 2 3 4 5 6; do dd if=/dev/vdb of=/mnt/file$i bs=64k conv=fsync 2>/dev/null; done) &
done
echo "writing:"
wait
sum_files
umount /mnt
echo "written:"
while read line; do
	case $line in
	read) echo 3 >/proc/sys/vm/drop_caches; echo "vda: $(dd if=/dev/vda bs=64k count=10 2>/dev/null | md5sum | cut -d' ' -f1)" ;;
	load)
		mount -t ext4 /dev/vda /mnt
		for i in 1 2 3 4; do (while :; do dd if=/dev/zero of=/mnt/load$i bs=64k count=40 oflag=direct 2>/dev/null; done) & done
		(while :; do echo "alive: $(cut -d' ' -f1 /proc/uptime)"; sleep 1; done) &
		echo "loaded:" ;;
	again) echo b >/proc/sysrq-trigger ;;
	*) exit ;;
	esac
done
END
serve socket0 $D/raw writable=on
typed moved "$first" --disk disk,where=vhost-user:$D/socket0 --disk data,where=vhost-user:$D/data
reached split_writing moved writing
moves=0
while ! grep -q ^written: $D/moved.out && [ $moves -lt 100 ]; do
	old=$back
	# two have the file open: each has a lock of its own unless told otherwise
	qemu-storage-daemon --blockdev driver=file,filename=$D/raw,node-name=disk,locking=off \
		--export type=vhost-user-blk,id=disk,node-name=disk,addr.type=unix,addr.path=$D/socket$((moves + 1)),writable=on >>$D/back.out 2>&1 &
	back=$!
	await 20 test -S $D/socket$((moves + 1))
	husk disk moved 0 where=vhost-user:$D/socket$((moves + 1)) || { not_ok split_move "$moves moves"; break; }
	end $old socket$moves
	moves=$((moves + 1))
done
await 60 grep -q ^written: $D/moved.out && [ $moves -gt 2 ] && ok split_moves || not_ok split_moves "$moves moves: $(tail -n 1 $D/moved.out | tr -d '\r') $(tail -n 1 $D/moved.err)"
same split_moved_sums "$(sums moved)" "$payload"
same split_moved_socket "$(husk show moved | grep number=0 | grep -c socket=)" 0	# that is the first one's
same split_moved_quiet "$(cat $D/moved.err)" ""
gone() { husk show moved | grep -q 'number=0 .*back_end=gone'; }
kill -9 $back
wait $back 2>/dev/null
until_gone() { await 10 gone && ok $1 || not_ok $1 "$(husk show moved | grep number=0)"; }
until_gone split_killed_idle
same split_killed_line "$(grep -c 'back-end is gone: .*requests wait' $D/moved.err)" 1
echo read >&5
sleep 1
same split_waits "$(said moved vda)" ""
truncate -s 32M $D/other
serve other $D/other writable=on
refused split_other 3 'another disk' husk disk moved 0 where=vhost-user:$D/other
end $back other
serve next $D/raw writable=on
check split_next husk disk moved 0 where=vhost-user:$D/next
await 30 grep -q ^vda: $D/moved.out
same split_next_read "$(said moved vda)" "$(head -c 655360 $D/raw | md5sum | cut -d' ' -f1)"
check split_moved_fsck e2fsck -fn $D/raw

# ---- killed under load: the VM goes on; after a reset it has the disk again ----

echo load >&5
await 30 grep -q ^loaded: $D/moved.out || not_ok split_loaded "$(tail -n 1 $D/moved.out)"
# so that something is in flight
sleep 1
kill -STOP $back
sleep 1
kill -9 $back
wait $back 2>/dev/null
rm -f $D/next
until_gone split_killed_busy
grep -q 'back-end is gone: .*has to reset the disk' $D/moved.err && ok split_busy_line || not_ok split_busy_line "$(tail -n 1 $D/moved.err)"
alive=$(grep -c ^alive $D/moved.out)
more_alive() { [ "$(grep -c ^alive $D/moved.out)" -gt $((alive + 1)) ]; }
await 20 more_alive && ok split_alive || not_ok split_alive "the guest stands still: $(tail -n 1 $D/moved.out)"
serve again $D/raw writable=on
check split_again husk disk moved 0 where=vhost-user:$D/again
: >$D/moved.out
echo again >&5
await 60 grep -q ^written: $D/moved.out && ok split_rebooted || not_ok split_rebooted "$(tail -n 1 $D/moved.out | tr -d '\r') $(tail -n 1 $D/moved.err)"
same split_rebooted_sums "$(sums moved)" "$payload"
echo end >&5
ended split_moved_off moved
same split_lines "$(wc -l <$D/moved.err)" 2
end $back again
check split_again_fsck e2fsck -fn $D/raw

# ---- a disk that another VM serves ----

# What follows does not depend on the vendor's CPU, and Bochs did not finish with it in half an hour
case $LAB_MACHINE in
bochs-*)
	skip split_vm "Bochs does a million instructions a second of it"
	end $data data
	rm -rf $D
	check split_unload unload
	exit 0 ;;
esac
exits_of() { husk show --json $1 | grep -o '"count": *[0-9]*' | awk -F: '{ n += $2 } END { print n }'; }

new_disk $D/raw
service "$first" $D/raw || not_ok split_service "$(tail -n 1 $D/service.out) $(cat $D/service.err)"
# it looked for requests 500 times a second if it were not interrupted
sleep 2
exits=$(exits_of service)
sleep 2
exits=$(($(exits_of service) - exits))
echo "# exits of a service VM without work, in 2 s: $exits"
[ $exits -lt 500 ] && ok split_service_rests || not_ok split_service_rests "$exits exits in 2 s"
initrd $T/zero <<'END'
#!/bin/sh
. /guest/lib
mount -t ext4 /dev/vda /mnt
if [ -e /mnt/file1 ]; then
	echo "after: $(md5sum /mnt/file1 | cut -d' ' -f1) $(ls /mnt | grep -c file)"
	rm /mnt/file4
	fstrim /mnt && echo "trimmed: yes"
	umount /mnt
	dd if=/dev/vda of=/tmp/begin bs=64k count=4 2>/dev/null
	/guest/zero /dev/vda 4096 126976
	echo "zeroed: $(cat /sys/block/vda/queue/write_zeroes_max_bytes) $(head -c 262144 /dev/vda | cmp -l - /tmp/begin | awk '$1 > 4096 && $1 <= 131072 && $2 == 0 { n++; next } { other++ } END { print (n > 0) + 0, other + 0 }')"
	dd if=/tmp/begin of=/dev/vda bs=64k conv=fsync 2>/dev/null
	exit
fi
echo "vda: $(cat /sys/block/vda/serial) $(cat /sys/block/vda/queue/write_cache)"
echo "write through" >/sys/block/vda/cache_type
echo "write back" >/sys/block/vda/cache_type
for i in 1 2 3 4; do (cat /dev/vdb >/mnt/file$i; fsync /mnt/file$i) & done
wait
sum_files
(while :; do dd if=/dev/zero of=/mnt/junk bs=64k count=40 oflag=direct 2>/dev/null; done) &
echo "written:"
read line
reboot -f
END
typed client "$first" --cpus 2 --disk disk,where=vm:service,queues=2 --disk $D/payload,readonly
reached split_vm_written client written
husk show client >$D/show
grep -q "number=0 file=disk .*vm=service back_end=connected kicks=direct calls=direct" $D/show && ok split_vm_show || not_ok split_vm_show "$(grep number=0 $D/show)"
# the program that serves it is killed, and another one goes on
echo again >&6
await 20 grep -q ^again: $D/service.out || not_ok split_vm_again "$(tail -n 1 $D/service.out)"
sleep 1
refused split_vm_busy 3 'no back-end|timed out' timeout 20 husk run --name second --kernel "$first" --disk disk,where=vm:service
echo >&5
ended split_vm_off client
same split_vm_first "$(said client vda)" "husk-backend write back"
same split_vm_sums "$(sums client)" "$payload"
same split_vm_after "$(said client after)" "$payload 4"
same split_vm_trimmed "$(said client trimmed)" yes
same split_vm_zeroed "$(said client zeroed)" "16777216 1 0"
same split_vm_quiet "$(cat $D/client.err)" ""
# the next client, which is killed at work; then the service
initrd <<'END'
#!/bin/sh
exec 2>&1
echo "vda: $(dd if=/dev/vda bs=64k count=100 2>/dev/null | md5sum | cut -d' ' -f1)"
echo "busy:"
while :; do dd if=/dev/vda of=/dev/null bs=4k count=100 iflag=direct 2>/dev/null; done
END
for n in 1 2; do
	husk run --name next$n --kernel "$first" --initrd $D/initrd --disk disk,where=vm:service --cmdline "$APPEND" </dev/null >$D/next$n.out 2>$D/next$n.err &
	run=$!
	await 60 grep -q ^busy: $D/next$n.out && ok split_vm_next$n || not_ok split_vm_next$n "$(tail -n 1 $D/next$n.out) $(cat $D/next$n.err)"
	[ $n = 2 ] || { kill -9 $(worker_of next1); wait $run; }
done
echo interrupts >&6
await 20 grep -q ^interrupts: $D/service.out
[ "$(said service interrupts)" -gt 2 ] && ok split_service_interrupts || not_ok split_service_interrupts "$(said service interrupts)"
end_service && ok split_service_off || not_ok split_service_off "status $?: $(tail -n 1 $D/service.err)"
same split_vm_next_sum "$(said next1 vda) $(said next2 vda)" "$(head -c 6553600 $D/raw | md5sum | cut -d' ' -f1) $(head -c 6553600 $D/raw | md5sum | cut -d' ' -f1)"
gone2() { grep -q 'disk disk: the back-end.*where=vm:NAME' $D/next2.err; }
await 10 gone2 && ok split_vm_gone || not_ok split_vm_gone "$(cat $D/next2.err)"
kill -9 $(worker_of next2)
wait $run
check split_vm_fsck e2fsck -fn $D/raw

# ---- under the daemon, with memory above 4 GiB, which is a part of its own ----

initrd <<'END'
#!/bin/sh
exec 2>&1
echo "high: $(awk '/^Node.*Normal/ { n = 1 } n && /present/ { print $2; exit }' /proc/zoneinfo)"
echo "vda: $(md5sum /dev/vda | cut -d' ' -f1)"
END
# this machine has not as much; a guest that does not use it needs none
truncate -s 5G $D/swap
losetup /dev/loop7 $D/swap && mkswap /dev/loop7 >/dev/null && swapon /dev/loop7 || not_ok split_swap "none"
huskd 2>$D/huskd.log &
daemon=$!
await 10 grep -q 'huskd: ready' $D/huskd.log
(cd $D && husk create --kernel "$first" --initrd initrd --memory 4G --disk data,where=vhost-user:data --cmdline "$APPEND" --restart never served) || not_ok split_create "status $?"
grep -qx "disk = $D/data,where=vhost-user:$D/data" /etc/husk/vms/served.conf && ok split_create_path || not_ok split_create_path "$(grep disk /etc/husk/vms/served.conf)"
check split_start husk start served
ended() { husk logs served | grep -q 'powered off'; }
await 60 ended || not_ok split_daemon_end "$(husk logs served | tail -n 1)"
husk logs --console served >$D/served.out
[ "$(said served high)" -gt 1000 ] && ok split_large_memory || not_ok split_large_memory "$(said served high) pages"
same split_daemon "$(said served vda)" "$payload"
await 20 husk delete served || not_ok split_delete "it stays"
kill $daemon
wait $daemon
swapoff /dev/loop7
losetup -d /dev/loop7

# ---- refusals ----

refused split_none 3 'no back-end at .*/nothing: No such file' husk run --kernel "$first" --disk disk,where=vhost-user:$D/nothing
refused split_file 3 'no back-end at .*: Connection refused' husk run --kernel "$first" --disk disk,where=vhost-user:$D/raw
refused split_readonly 2 'only queues' husk run --kernel "$first" --disk data,where=vhost-user:$D/data,readonly
refused split_vm_none 3 'no back-end at nobody' husk run --kernel "$first" --disk disk,where=vm:nobody
refused split_vm_memory 3 '256 MiB' husk run --kernel "$first" --disk disk,where=vm:nobody --memory 257M
refused split_queues 3 'fewer queues' husk run --kernel "$first" --disk data,where=vhost-user:$D/data,queues=3
end $data data

rm -rf $D
[ "$(refs)" = 0 ] && ok split_refs || not_ok split_refs "$(refs) references left"
check split_unload unload
exit 0
