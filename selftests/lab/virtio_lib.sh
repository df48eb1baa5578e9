# SPDX-License-Identifier: GPL-2.0
# What groups with a guest that uses devices share; after lib.sh. Files are in $D.

# same NAME VALUE WANTED
same() { [ "$2" = "$3" ] && ok "$1" || not_ok "$1" "'$2', not '$3'"; }

# initrd SCRIPT FILE...: the guest's initramfs with a script that its init runs, and programs
initrd() {
	rm -rf $D/root
	mkdir -p $D/root/guest
	cat >$D/root/guest/run
	chmod 755 $D/root/guest/run
	for _f; do cp "$_f" $D/root/guest/; done
	(cd $D/root && find guest -type f | cpio -o -H newc 2>/dev/null) >$D/more.cpio
	cat /lab/guest/initrd.gz >$D/initrd
	# an archive begins at a multiple of 4
	head -c $(((4 - $(wc -c <$D/initrd) % 4) % 4)) /dev/zero >>$D/initrd
	cat $D/more.cpio >>$D/initrd
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
