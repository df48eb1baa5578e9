# SPDX-License-Identifier: GPL-2.0
# Do disks keep what they were given? Under load by fio, under a file system that sums its data up, and after a power
# cut between any two writes. Each in the places where a disk can be served.
. ./lib.sh
load || { not_ok integrity_load "$(dmesg | tail -n 1)"; exit 0; }
D=/tmp/integrity
mkdir -p $D/host $D/mnt
. ./virtio_lib.sh
k=$(uname -r | cut -d. -f1,2)
image=/lab/guest/vmlinuz-$k
[ -e "$image" ] || { skip integrity "no guest kernel $k here"; exit 0; }
modprobe -a ext4 btrfs loop dm_mod dm_log_writes

# ---- where a disk is served, and at which front end ----

# What --disk takes, and who serves it then; what the guest calls this disk and the next two; in a check that is not to take
# long, quarters of the load, and the test that is left out
PLACES="
kernel FILE,where=kernel,queues=2 nobody vda vdb vdc 2 -
worker FILE,where=worker,queues=2 nobody vda vdb vdc 1 -
vhost-user FILE,where=vhost-user:$D/socket,queues=2 daemon vda vdb vdc 1 btrfs
vm FILE,where=vm:service,queues=2 service vda vdb vdc 1 btrfs
pvscsi FILE,bus=pvscsi nobody sda vda vdb 1 -
"
# places TEST: where it is done
places() { echo "$PLACES" | sed -n "/${PARTS:+ALL} $1\$/d; s/^\([a-z-]\+\) .*/\1/p"; }
begin_nobody() { :; }
end_nobody() { :; }
begin_daemon() { serve socket $1 writable=on num-queues=2; }
end_daemon() { end $back socket; }
begin_service() { service "$image" $1,where=kernel,queues=2; }

# in_place PLACE FILE NAME SECONDS OPTION...: guest NAME, whose first disk is FILE, served in the place
in_place() {
	_disk_file=$2 _as=$3 _time=$4
	read -r _place _option _who _first _second _third part _left_out <<END
$(echo "$PLACES" | grep "^$1 ")
END
	shift 4
	part=${PARTS:-$part}
	begin_$_who $_disk_file || not_ok integrity_begin_$_as "$(tail -qn 1 $D/back.out $D/service.err 2>/dev/null)"
	append="disk=/dev/$_first tools=/dev/$_second payload=/dev/$_third part=$part"
	guest $_as "$image" $_time --disk $(echo $_option | sed "s,FILE,$_disk_file,") "$@"
	_came=$?
	append=
	end_$_who || not_ok integrity_end_$_as "status $?: $(tail -qn 1 $D/back.out $D/service.err 2>/dev/null)"
	return $_came
}

# ---- programs for the guest, with the libraries that they need, on a disk; and the modules of its kernel, which is the host's ----

need() { /lib64/ld-linux-x86-64.so.2 --list "$1" 2>/dev/null | grep -o "/[^ ]*"; }
tools() {
	mkdir -p $D/tools/bin $D/tools/lib
	for _p in fio btrfs; do
		cp "$(command -v $_p)" $D/tools/bin/
		for _l in $(need "$(command -v $_p)"); do cp -L "$_l" $D/tools/lib/; done
	done
	for _m in $(modprobe -D btrfs 2>/dev/null | awk '$1 == "insmod" { print $2 }'); do cp "$_m" $D/tools/; done
	modprobe -D btrfs | awk '$1 == "insmod" { n = split($2, f, "/"); print f[n] }' >$D/tools/order
	truncate -s 200M $D/tools.img
	mke2fs -q -t ext4 -d $D/tools $D/tools.img
	rm -r $D/tools
}
tools
# in the guest: run PROGRAM ARGUMENT...
cat >$D/run <<'END'
mkdir -p /tools
mount -o ro $tools /tools
run() { p=$1; shift; /tools/lib/ld-linux-x86-64.so.2 --library-path /tools/lib /tools/bin/$p "$@"; }
END

# a file system of the host that has direct I/O
truncate -s 400M $D/host.img
mke2fs -q -t ext4 $D/host.img && mount -o loop $D/host.img $D/host || { not_ok integrity_host "no file system"; exit 0; }

# ---- fio: what was written is read, at once and at the end ----

{ cat <<'END'
#!/bin/sh
exec 2>&1
# a pvSCSI driver finds its disks later
until [ -b $disk ]; do usleep 10000; done
END
cat $D/run
cat <<'END'
run fio --filename=$disk --direct=1 --verify=crc32c --verify_fatal=1 --random_generator=lfsr --ioengine=libaio \
	--iodepth=32 --group_reporting --output-format=terse --terse-version=3 --rw=randwrite \
	--name=small --bs=4k --size=$((part * 4))m --verify_backlog=64 \
	--name=mixed --bsrange=512-128k --offset=16m --size=$((part * 8))m --fsync=32 --verify_backlog=0 \
	--name=several --bs=4k --numjobs=4 --size=${part}m --offset_increment=4m --offset=48m --fsync=0 >/tmp/out 2>&1
echo "fio: $?"
tail -n 3 /tmp/out | cut -c1-300
END
} >$D/script
initrd <$D/script
for place in $(places fio); do
	rm -f $D/host/raw
	truncate -s 64M $D/host/raw
	in_place $place $D/host/raw fio_$place 240 --cpus 2 --memory 256M --disk $D/tools.img,readonly
	same integrity_fio_$place "$? $(said fio_$place fio)" "0 0"
done

# ---- btrfs ----

{ cat <<'END'
#!/bin/sh
exec 2>&1
# a pvSCSI driver finds its disks later
until [ -b $disk ]; do usleep 10000; done
END
cat $D/run
cat <<'END'
while read m; do insmod /tools/$m 2>/dev/null; done </tools/order
mount -t btrfs $disk /mnt && echo "mounted: yes"
for i in 1 2 3 4; do (for j in $(seq $((part / 2 + 1))); do cat $payload >/mnt/file$i; fsync /mnt/file$i; done) & done
wait
sync
umount /mnt
mount -t btrfs $disk /mnt
echo "scrub: $(run btrfs scrub start -B /mnt | grep -c 'no errors found')"
for i in 1 2 3 4; do md5sum /mnt/file$i; done | cut -d' ' -f1 | sort -u | sed 's/^/sums: /'
umount /mnt
END
} >$D/script
initrd <$D/script
head -c 5999616 /dev/urandom >$D/host/payload
for place in $(places btrfs); do
	rm -f $D/host/raw
	truncate -s 160M $D/host/raw
	mkfs.btrfs -q $D/host/raw >/dev/null 2>&1
	in_place $place $D/host/raw btrfs_$place 240 --cpus 2 --memory 256M --disk $D/tools.img,readonly --disk $D/host/payload,readonly
	same integrity_btrfs_$place "$? $(said btrfs_$place scrub) $(tr -d '\r' <$D/btrfs_$place.out | sed -n 's/^sums: //p')" "0 1 $(sum $D/host/payload)"
	check integrity_btrfs_check_$place btrfs check --check-data-csum $D/host/raw
done

# ---- a power cut ----

# Records that the guest has synchronized one after the other, while others are written: what is on the disk of one
# says that all before it are there.
initrd <<'END'
#!/bin/sh
exec 2>&1
until [ -b $disk ]; do usleep 10000; done
mount -t ext4 $disk /mnt
(for i in $(seq 30); do dd if=/dev/urandom of=/mnt/other$((i % 5)) bs=8k count=$i 2>/dev/null; mv /mnt/other$((i % 5)) /mnt/moved$((i % 7)); done) &
pad=$(head -c 4074 /dev/zero | tr '\0' x)
records=$(($part * 12 + 12))
for i in $(seq $records); do
	printf 'husk record %-8d %s\n' $i "$pad" | dd of=/mnt/records bs=4096 oflag=append conv=notrunc,fsync 2>/dev/null
done
wait
umount /mnt
echo "records: $records"
END
cat >$D/look <<END
#!/bin/sh
e2fsck -fp $D/image.cut >$D/fsck 2>&1
[ \$? -le 1 ] || { tail -n 3 $D/fsck; exit 1; }
mount -o loop $D/image.cut $D/mnt || exit 1
bad=\$(awk 'length && \$3 != NR { print NR; exit }' $D/mnt/records 2>/dev/null)
n=\$(grep -c '^husk record' $D/mnt/records 2>/dev/null)
umount $D/mnt
[ ! "\$bad" ] && [ "\${n:-0}" -ge \$((\$1 - 1)) ] || { echo "# \${n:-0} records of \$1, wrong: \$bad"; exit 1; }
END
chmod 755 $D/look
for place in $(places cut); do
	rm -f $D/before $D/log
	truncate -s 24M $D/before
	truncate -s 120M $D/log
	mke2fs -q -t ext4 $D/before
	cp $D/before $D/image
	losetup /dev/loop6 $D/before
	losetup /dev/loop7 $D/log
	echo "0 $((24 << 11)) log-writes /dev/loop6 /dev/loop7" | dmsetup --noudevsync create cut || not_ok integrity_log_$place "$(dmesg | tail -n 1)"
	in_place $place /dev/dm-0 cut_$place 120
	status=$? records=$((part * 12 + 12))
	same integrity_cut_guest_$place "$status $(said cut_$place records)" "0 $records"
	dmsetup --noudevsync remove cut
	losetup -d /dev/loop6
	$T/replay /dev/loop7 $D/image $((${LOOKS:-24} * part / 4)) $D/look >$D/replay 2>&1
	status=$?
	replayed=$(tail -n 1 $D/replay)
	echo "# $place: $replayed"
	[ $status = 0 ] && ok integrity_cut_$place || not_ok integrity_cut_$place "$replayed $(head -n 3 $D/replay | tr '\n' ' ')"
	flushes=${replayed#*, } flushes=${flushes%% *}
	case $replayed in *" $records records"*) same integrity_cut_all_$place "$((flushes >= records))" 1 ;; *) not_ok integrity_cut_all_$place "$replayed" ;; esac
	check integrity_cut_end_$place cmp $D/image $D/before
	losetup -d /dev/loop7
done

umount $D/host
rm -rf $D
check integrity_unload unload
exit 0
