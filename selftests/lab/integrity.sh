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
PLACES="kernel worker"

# ---- programs for the guest, with the libraries that they need, on a disk; and the modules of its kernel, which is the host's ----

need() { /lib64/ld-linux-x86-64.so.2 --list "$1" 2>/dev/null | grep -o "/[^ ]*"; }
tools() {
	mkdir -p $D/tools/bin $D/tools/lib
	for _p in fio btrfs; do
		cp "$(command -v $_p)" $D/tools/bin/
		for _l in $(need "$(command -v $_p)"); do cp -L "$_l" $D/tools/lib/; done
	done
	for _m in $(modprobe -D btrfs 2>/dev/null | awk '{ print $2 }'); do cp "$_m" $D/tools/; done
	modprobe -D btrfs | awk '{ n = split($2, f, "/"); print f[n] }' >$D/tools/order
	truncate -s 200M $D/tools.img
	mke2fs -q -t ext4 -d $D/tools $D/tools.img
	rm -r $D/tools
}
tools
# in the guest: run PROGRAM ARGUMENT...
cat >$D/run <<'END'
mkdir -p /tools
mount -o ro /dev/vdb /tools
run() { p=$1; shift; /tools/lib/ld-linux-x86-64.so.2 --library-path /tools/lib /tools/bin/$p "$@"; }
END

# a file system of the host that has direct I/O
truncate -s 400M $D/host.img
mke2fs -q -t ext4 $D/host.img && mount -o loop $D/host.img $D/host || { not_ok integrity_host "no file system"; exit 0; }

# ---- fio: what was written is read, at once and at the end ----

{ cat <<'END'
#!/bin/sh
exec 2>&1
END
cat $D/run
cat <<'END'
job() { run fio --filename=/dev/vda --direct=1 --verify=crc32c --verify_fatal=1 --random_generator=lfsr --ioengine=libaio \
	--iodepth=32 --group_reporting --output-format=terse --terse-version=3 "$@" >/tmp/out 2>&1; echo "$?"; }
echo "small: $(job --name=small --rw=randwrite --bs=4k --size=16m --verify_backlog=64)"
echo "mixed: $(job --name=mixed --rw=randwrite --bsrange=512-128k --offset=16m --size=32m --fsync=32)"
echo "several: $(job --name=several --rw=randwrite --bs=4k --numjobs=4 --size=4m --offset_increment=4m --offset=48m)"
tail -n 3 /tmp/out | cut -c1-300
END
} >$D/script
initrd <$D/script
for place in $PLACES; do
	rm -f $D/host/raw
	truncate -s 64M $D/host/raw
	guest fio_$place "$image" 240 --cpus 2 --memory 512M --disk $D/host/raw,queues=2,where=$place --disk $D/tools.img,readonly
	same integrity_fio_$place "$? $(said fio_$place small) $(said fio_$place mixed) $(said fio_$place several)" "0 0 0 0"
done

# ---- btrfs ----

{ cat <<'END'
#!/bin/sh
exec 2>&1
END
cat $D/run
cat <<'END'
while read m; do insmod /tools/$m 2>/dev/null; done </tools/order
mount -t btrfs /dev/vda /mnt && echo "mounted: yes"
for i in 1 2 3 4; do (for j in 1 2 3; do cat /dev/vdc >/mnt/file$i; fsync /mnt/file$i; done) & done
wait
sync
umount /mnt
mount -t btrfs /dev/vda /mnt
echo "scrub: $(run btrfs scrub start -B /mnt | grep -c 'no errors found')"
for i in 1 2 3 4; do md5sum /mnt/file$i; done | cut -d' ' -f1 | sort -u | sed 's/^/sums: /'
umount /mnt
END
} >$D/script
initrd <$D/script
head -c 5999616 /dev/urandom >$D/host/payload
for place in $PLACES; do
	rm -f $D/host/raw
	truncate -s 160M $D/host/raw
	mkfs.btrfs -q $D/host/raw
	guest btrfs_$place "$image" 240 --cpus 2 --memory 512M --disk $D/host/raw,where=$place --disk $D/tools.img,readonly --disk $D/host/payload,readonly
	same integrity_btrfs_$place "$? $(said btrfs_$place scrub) $(tr -d '\r' <$D/btrfs_$place.out | sed -n 's/^sums: //p')" "0 1 $(sum $D/host/payload)"
	check integrity_btrfs_check_$place btrfs check --check-data-csum $D/host/raw
done

# ---- a power cut ----

# Records that the guest has synchronized one after the other, while others are written: what is on the disk of one
# says that all before it are there.
initrd <<'END'
#!/bin/sh
exec 2>&1
mount -t ext4 /dev/vda /mnt
(for i in $(seq 30); do dd if=/dev/urandom of=/mnt/other$((i % 5)) bs=8k count=$i 2>/dev/null; mv /mnt/other$((i % 5)) /mnt/moved$((i % 7)); done) &
pad=$(head -c 4074 /dev/zero | tr '\0' x)
for i in $(seq 60); do
	printf 'husk record %-8d %s\n' $i "$pad" | dd of=/mnt/records bs=4096 oflag=append conv=notrunc,fsync 2>/dev/null
done
wait
umount /mnt
echo "records: 60"
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
for place in $PLACES; do
	rm -f $D/before $D/log
	truncate -s 24M $D/before
	truncate -s 120M $D/log
	mke2fs -q -t ext4 $D/before
	cp $D/before $D/image
	losetup /dev/loop6 $D/before
	losetup /dev/loop7 $D/log
	echo "0 $((24 << 11)) log-writes /dev/loop6 /dev/loop7" | dmsetup --noudevsync create cut || not_ok integrity_log_$place "$(dmesg | tail -n 1)"
	guest cut_$place "$image" 120 --disk /dev/dm-0,where=$place
	same integrity_cut_guest_$place "$? $(said cut_$place records)" "0 60"
	dmsetup --noudevsync remove cut
	losetup -d /dev/loop6
	$T/replay /dev/loop7 $D/image "${LOOKS:-24}" $D/look >$D/replay 2>&1
	status=$?
	replayed=$(tail -n 1 $D/replay)
	echo "# $place: $replayed"
	[ $status = 0 ] && ok integrity_cut_$place || not_ok integrity_cut_$place "$replayed $(head -n 3 $D/replay | tr '\n' ' ')"
	flushes=${replayed#*, } flushes=${flushes%% *}
	case $replayed in *' 60 records'*) same integrity_cut_all_$place "$((flushes >= 60))" 1 ;; *) not_ok integrity_cut_all_$place "$replayed" ;; esac
	check integrity_cut_end_$place cmp $D/image $D/before
	losetup -d /dev/loop7
done

umount $D/host
rm -rf $D
check integrity_unload unload
exit 0
