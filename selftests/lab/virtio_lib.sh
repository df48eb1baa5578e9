# SPDX-License-Identifier: GPL-2.0
# What groups with a guest that uses devices share; after lib.sh. Files are in $D.

# same NAME VALUE WANTED
same() { [ "$2" = "$3" ] && ok "$1" || not_ok "$1" "'$2', not '$3'"; }

# serve_files [ADDRESS:]PORT: by HTTP, what is in $D; to be ended as one of $servers
serve_files() {
	busybox httpd -f -p $1 -h $D &
	servers="$servers $!"
}

# initrd SCRIPT FILE...: the guest's initramfs with a script that its init runs, and programs
initrd() {
	rm -rf $D/root
	mkdir -p $D/root/guest
	cat >$D/root/guest/run
	chmod 755 $D/root/guest/run
	guest_lib >$D/root/guest/lib
	for _f; do cp "$_f" $D/root/guest/; done
	(cd $D/root && find guest -type f | cpio -o -H newc 2>/dev/null) >$D/more.cpio
	cat /lab/guest/initrd.gz >$D/initrd
	# an archive begins at a multiple of 4
	head -c $(((4 - $(wc -c <$D/initrd) % 4) % 4)) /dev/zero >>$D/initrd
	cat $D/more.cpio >>$D/initrd
}

# What the guests' scripts share: ". /guest/lib"
guest_lib() {
	cat <<'END'
exec 2>&1
stty -echo
mount_disk() { mount -t ext4 $1 /mnt; }
# of what four have written, once more from the disk
sum_files() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	for i in 1 2 3 4; do md5sum /mnt/file$i; done | cut -d' ' -f1 | sort -u | sed 's/^/sums: /'
}
sum_of() { echo "$1: $(md5sum $2 | cut -d' ' -f1)"; }
# A, whose file is cut off, and B, whose file system is full
fail_disks() {
	sum_of before $1
	dd if=/dev/zero of=$2 bs=64k count=16 conv=fsync 2>/dev/null && echo "flushed: yes"
	echo "cut:"
	read go
	echo 3 >/proc/sys/vm/drop_caches
	dd if=$1 of=/dev/null bs=64k 2>/dev/null && echo "read: whole" || echo "read: error"
	dd if=$1 of=/dev/null bs=64k count=1 2>/dev/null && echo "first: whole"
	dd if=/dev/zero of=$2 bs=1M count=48 oflag=direct 2>/tmp/write && echo "write: whole" || echo "write: error"
	dd if=$2 of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null && echo "again: whole"
}
# DISK FROM COMMAND: is reset while it writes, and COMMAND runs; then tells what it had written before
reset_while_writing() {
	mount_disk $1
	if [ -e /mnt/file ]; then
		sum_of after /mnt/file
		umount /mnt
		exit
	fi
	cat $2 >/mnt/file && fsync /mnt/file && sync
	(dd if=/dev/zero of=/mnt/junk bs=64k count=500 oflag=direct) &
	eval "$3"
	usleep 100000
	reboot -f
}
END
}

# interrupts_without_messages GROUP OPTION...: a disk is read by INTx, at the IOAPIC and at the 8259 pair; its sum is $payload
interrupts_without_messages() {
	_group=$1
	shift
	for how in "pci=nomsi" "pci=nomsi noapic"; do
		name=intx_$(echo "$how" | wc -w)
		append=$how
		guest $name "$first" 60 "$@"
		append=
		same ${_group}_$name "$(said $name sum)" "$payload"
	done
}

# host_folders: $D/host, a file system with direct I/O, and $D/small, one that has little room
host_folders() {
	modprobe -a ext4 loop
	truncate -s 220M $D/host.img
	mke2fs -q -t ext4 $D/host.img && mount -o loop $D/host.img $D/host || return
	truncate -s 12M $D/small.img
	mke2fs -q -t ext4 $D/small.img && mount -o loop $D/small.img $D/small
}

# A file system in a file of 64 MiB
new_disk() {
	rm -f "$1"
	truncate -s 64M "$1"
	mke2fs -q -t ext4 "$1"
}

# typed NAME IMAGE OPTION...: a guest that runs beside us as $run: fd 5 is its keyboard; output in $D/NAME.out, complaints in $D/NAME.err
typed() {
	_name=$1 _image=$2
	shift 2
	rm -f $D/type
	mkfifo $D/type
	husk run --name "$_name" --kernel "$_image" --initrd $D/initrd --cmdline "console=ttyS0 quiet panic=-1" "$@" \
		<$D/type >$D/$_name.out 2>$D/$_name.err &
	run=$!
	exec 5>$D/type
}
# reached TEST NAME TEXT: the guest says "TEXT:" within a minute
reached() { await 60 grep -q "^$3:" $D/$2.out || not_ok "$1" "$(tail -n 1 $D/$2.out | tr -d '\r') $(tail -n 1 $D/$2.err)"; }
# ended TEST NAME: it ends by itself, and well
ended() {
	wait $run && ok "$1" || not_ok "$1" "status $?: $(tail -n 1 $D/$2.err)"
	exec 5>&-
}
# complained GROUP TEXT...: of guest faults husk said so
complained() {
	_group=$1
	shift
	for line; do
		grep -q "$line" $D/faults.err && ok "${_group}_line_${line##* }" || not_ok "${_group}_line_${line##* }" "nothing like '$line' was said"
	done
}

# guest NAME IMAGE SECONDS OPTION...: run to its end, output in $D/NAME.out
guest() {
	_name=$1 _image=$2 _seconds=$3
	shift 3
	timeout -s KILL $((_seconds * ${SLOW:-1})) husk run --name "$_name" --kernel "$_image" --initrd $D/initrd \
		--cmdline "console=ttyS0 quiet panic=-1 $append" "$@" </dev/null >$D/$_name.out 2>&1
}
# said NAME KEY: what the guest said behind "KEY: "
said() { tr -d '\r' <$D/$1.out | sed -n "s/^$2: *//p" | head -n 1; }
# sums NAME: all those of sum_files
sums() { tr -d '\r' <$D/$1.out | sed -n 's/^sums: //p'; }
# RSS of guest memory in KB
rss() { awk '/^RssAnon/ { print $2 }' "/proc/$(pidof husk-vm)/status"; }
less_than() { [ "$(rss)" -lt "$1" ]; }
sum() { md5sum "$1" 2>/dev/null | cut -d' ' -f1; }
await() {	# SECONDS COMMAND...: until it succeeds
	_n=$(($1 * 5 * ${SLOW:-1}))
	shift
	while [ $_n -gt 0 ]; do
		"$@" >/dev/null 2>&1 && return
		sleep 0.2
		_n=$((_n - 1))
	done
	return 1
}
append=

# ---- what serves a disk in the worker's place ----

# serve SOCKET FILE OPTION...: by vhost-user, in the background; $back is its process. FILE may have options of the block layer behind it
serve() {
	_socket=$D/$1 _file=$2
	shift 2
	_options=
	for _o; do _options=$_options,$_o; done
	[ -b ${_file%%,*} ] && _driver=host_device || _driver=file
	qemu-storage-daemon --blockdev driver=$_driver,filename=$_file,node-name=disk \
		--export type=vhost-user-blk,id=disk,node-name=disk,addr.type=unix,addr.path=$_socket$_options >>$D/back.out 2>&1 &
	back=$!
	await 20 test -S $_socket
}
# end the back-end, and not its guest
end() { kill "$1" && wait "$1"; rm -f $D/$2; }

# service IMAGE DISK: a VM, whose process is $service, that serves its disk for others. On its console, 6, it reads what to do
service() {
	mkdir -p $D/of_service
	# beside the other's initramfs
	(D=$D/of_service; initrd $(command -v husk-backend)) <<'END'
#!/bin/sh
. /guest/lib
echo "up:"
while read line; do
	case $line in
	serve) /guest/husk-backend /dev/vda & echo "serving:" ;;
	again) kill -9 $(pidof husk-backend); /guest/husk-backend /dev/vda & echo "again:" ;;
	interrupts) echo "interrupts: $(awk '/uio_pci_generic/ { print $2 }' /proc/interrupts)" ;;
	end) sync; exit ;;
	esac
done
END
	rm -f $D/service
	mkfifo $D/service
	husk run --name service --kernel "$1" --initrd $D/of_service/initrd --disk $2 --export --cmdline "console=ttyS0 quiet panic=-1" \
		<$D/service >$D/service.out 2>$D/service.err &
	service=$!
	exec 6>$D/service
	await 60 grep -q ^up: $D/service.out
	echo serve >&6
	await 60 grep -q ^serving: $D/service.out
}
end_service() { echo end >&6; exec 6>&-; wait $service; }
