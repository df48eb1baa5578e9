# SPDX-License-Identifier: GPL-2.0
# Network cards, where their frames are moved by the worker and by the host kernel's vhost: Debian's kernels as guests.
. ./lib.sh
load $device_options || { not_ok vhost_load "$(dmesg | tail -n 1)"; exit 0; }
D=/tmp/vhost
rm -rf /tmp/virtio /tmp/disk	# of the groups before, in RAM
mkdir -p $D
images=$(ls /lab/guest/vmlinuz-* 2>/dev/null)
[ -n "$images" ] || { skip vhost "no guest kernel here"; unload; exit 0; }
first=${images%%
*}
. ./virtio_lib.sh

modprobe tun
rmmod vhost_net 2>/dev/null
ip link del tap0 2>/dev/null
ip tuntap add tap0 mode tap user 1001 && ip addr add 10.9.0.1/24 dev tap0 && ip link set tap0 up || { not_ok vhost_tap "no tap"; exit 0; }
ip tuntap add tap1 mode tap multi_queue && ip addr add 10.9.1.1/24 dev tap1 && ip link set tap1 up
echo 1 >/proc/sys/net/ipv4/conf/tap0/arp_accept
head -c 6000000 /dev/urandom >$D/payload
payload=$(sum $D/payload)
head -c 2000000 $D/payload >$D/part
part=$(sum $D/part)
serve_files 80

# ---- what can't be begun with ----

chgrp husk /dev/husk
chmod 660 /dev/husk
chmod 666 /dev/net/tun
as_member() { setpriv --reuid=1001 --regid=1001 --groups=900 "$@"; }
refused vhost_no_module 4 'tap=tap0.*/dev/vhost-net: No such.*modprobe vhost_net' husk run --kernel "$first" --net tap=tap0,where=kernel
modprobe vhost_net
chmod 600 /dev/vhost-net
refused vhost_no_right 4 'tap=tap0.*/dev/vhost-net: no right' as_member husk run --kernel "$first" --net tap=tap0,where=kernel
chmod 666 /dev/vhost-net
refused vhost_no_tap 4 'tap=nosuch: no right to it' as_member husk run --kernel "$first" --net tap=nosuch,where=kernel
refused vhost_one_queue 4 'multi_queue' husk run --kernel "$first" --net tap=tap0,where=kernel,queues=2
refused vhost_where 2 'worker or kernel' husk run --kernel "$first" --net tap=tap0,where=there
refused vhost_user 2 'where=kernel is for' husk run --kernel "$first" --net user,where=kernel
refused vhost_worker_queues 2 'where=kernel' husk run --kernel "$first" --net tap=tap0,queues=2
for n in 0 9 9999 -1 two; do
	refused vhost_queues_$n 2 '1 to 8' husk run --kernel "$first" --net tap=tap1,where=kernel,queues=$n
done
refused vhost_announce_none 5 'no' husk announce nosuchvm

# ---- the same in both places ----

# of the tap's counters; what it has sent is what the guest has received
counter() { cat /sys/class/net/tap0/statistics/$1; }
# average NAME COMMAND...: bytes of a packet (rx or tx) while the command runs
average() {
	_dir=$1 _bytes=$(counter $1_bytes) _packets=$(counter $1_packets)
	shift
	"$@"
	echo $((($(counter ${_dir}_bytes) - _bytes) / ($(counter ${_dir}_packets) - _packets + 1)))
}
# reads and writes of the worker
calls() { awk '/^sysc/ { n += $2 } END { print n }' "/proc/$(pidof husk-vm)/io"; }
more_than() { [ "$2" -gt "$3" ] && ok "$1" || not_ok "$1" "$2, not more than $3"; }
not_above() { [ "$2" -le "$3" ] && ok "$1" || not_ok "$1" "$2, more than $3"; }
# step WORD [SECONDS]: let the guest go on until it says so
step() {
	echo >&5
	await ${2:-60} grep -q "^$1:" $D/$name.out || not_ok vhost_${name}_$1 "$(tail -n 1 $D/$name.out | tr -d '\r')"
}
known() { grep -q '^10.9.0.2 ' /proc/net/arp; }

places() {
	name=$2_${1##*-} where=$2
	rm -f $D/type
	mkfifo $D/type
	busybox nc -l -p 5000 </dev/null >$D/upload &
	nc=$!
	husk run --name $name --kernel "$1" --initrd $D/initrd --net tap=tap0,mac=52:54:00:00:00:02,where=$where \
		--cmdline "console=ttyS0 quiet panic=-1" <$D/type >$D/$name.out 2>$D/$name.err &
	run=$!
	exec 5>$D/type
	await 60 grep -q ^ready: $D/$name.out || not_ok vhost_${name}_ready "$(tail -n 1 $D/$name.out | tr -d '\r')"
	husk show $name >$D/show
	before=$(calls)
	more_than vhost_${name}_large_in "$(average tx step downloaded)" 2000
	calls=$(($(calls) - before))
	more_than vhost_${name}_large_out "$(average rx step uploaded)" 2000
	# the guest says that it wants no large packets: then there are none
	not_above vhost_${name}_small_in "$(average tx step again)" 1600
	# as the guest sees it, whoever moves the frames
	husk show $name >$D/counts
	grep -qE 'received=[0-9]{3,} received_bytes=[0-9]{6,} sent=[0-9]{3,} sent_bytes=[0-9]{6,} ' $D/counts && ok vhost_${name}_counts ||
		not_ok vhost_${name}_counts "$(grep name=net $D/counts)"
	ip neigh flush dev tap0
	known && not_ok vhost_${name}_flushed "it is known" || ok vhost_${name}_flushed
	check vhost_${name}_announce husk announce $name
	await 10 known && ok vhost_${name}_announced || not_ok vhost_${name}_announced "nothing came"
	packets=$(counter tx_packets)
	step receiving
	sleep 1
	$T/net_try send 10.9.0.2 6000 1000 200
	await 20 grep -q ^received: $D/$name.out
	udp_in=$(($(counter tx_packets) - packets))
	$T/net_try receive 6000 200 >$D/udp &
	udp=$!
	packets=$(counter rx_packets)
	step sent
	wait $udp
	udp_out=$(($(counter rx_packets) - packets))
	echo >&5
	wait $run && ok vhost_${name}_off || not_ok vhost_${name}_off "status $?: $(tail -n 1 $D/$name.err)"
	exec 5>&-
	kill $nc 2>/dev/null
	same vhost_${name}_ping "$(said $name ping)" 3
	same vhost_${name}_download "$(said $name download) $(said $name download_again)" "$payload $payload"
	same vhost_${name}_upload "$(sum $D/upload)" "$payload"
	same vhost_${name}_udp "$(said $name received), $(cat $D/udp)" "200 of 1000 bytes, 200 of 1000 bytes"
	case $LAB_KERNEL-$name in 6.12-*_6.1 | 7.2-*_6.1) uso= ;; 6.12-* | 7.2-*) uso=tx-udp-segmentation ;; *) uso= ;; esac
	for what in tx-tcp-segmentation tx-tcp6-segmentation rx-gro-hw $uso; do
		case " $(said $name features) " in *" $what "*) ok vhost_${name}_$what ;; *) not_ok vhost_${name}_$what "$(said $name features)" ;; esac
	done
	# datagrams that are cut on the way: 20 in a packet, where both kernels know that
	case " $(said $name features) " in
	*" tx-udp-segmentation "*)
		not_above vhost_${name}_udp_large_in $udp_in 60
		not_above vhost_${name}_udp_large_out $udp_out 60
		;;
	*) more_than vhost_${name}_udp_small $udp_out 199 ;;
	esac
}

initrd /lab/tests/net_try <<'END'
#!/bin/sh
exec 2>&1
stty -echo
ip link set lo up; ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up
echo "ping: $(ping -c 3 -W 5 10.9.0.1 | grep -c 'bytes from')"
# what some kernels can do but do not by themselves
/guest/net_try set eth0 tx-udp-segmentation on 2>/dev/null
echo "features: $(/guest/net_try features eth0)"
echo "ready:"
read go
wget -q -O /tmp/file http://10.9.0.1/payload
echo "download: $(md5sum /tmp/file | cut -d' ' -f1)"
echo "downloaded:"
read go
/guest/net_try push 10.9.0.1 5000 </tmp/file
echo "uploaded:"
read go
/guest/net_try set eth0 rx-gro-hw off || echo "set: error"
wget -q -O /tmp/file http://10.9.0.1/payload
echo "download_again: $(md5sum /tmp/file | cut -d' ' -f1)"
/guest/net_try set eth0 rx-gro-hw on
echo "again:"
read go
echo "receiving:"
echo "received: $(/guest/net_try receive 6000 200)"
read go
/guest/net_try send 10.9.0.1 6000 1000 200
echo "sent:"
read go
END
for image in $images; do
	places "$image" worker
	moved=$calls
	more_than vhost_${name}_worker_moves $moved 200
	grep -q 'name=net .*data_path=worker ' $D/show && ok vhost_${name}_show || not_ok vhost_${name}_show "$(grep name=net $D/show)"
	places "$image" kernel
	echo "# calls: $calls of $moved"
	not_above vhost_${name}_worker_rests $calls $((moved / 4))
	grep -q 'name=net .*data_path=kernel (vhost) .*interface=tap0 pairs=1 pairs_used=1 received=[0-9]* received_bytes=[0-9]* sent=[0-9]* sent_bytes=[0-9]* kicks=ioeventfd calls=irqfd' $D/show &&
		ok vhost_${name}_show || not_ok vhost_${name}_show "$(grep name=net $D/show)"
done

# ---- several queues, two vCPUs ----

initrd /lab/tests/net_try <<'END'
#!/bin/sh
exec 2>&1
stty -echo
ip link set lo up; ip addr add 10.9.1.2/24 dev eth0; ip link set eth0 up
echo "channels: $(/guest/net_try channels eth0)"
# four downloads, two on each vCPU
fetch() {
	wgets=
	for i in 1 2 3 4; do
		taskset $((i % 2 + 1)) wget -q -O /tmp/file$i http://10.9.1.1/part &
		wgets="$wgets $!"
	done
	# a vector is masked while its message changes
	while [ -n "$irqs" ] && kill -0 $wgets 2>/dev/null; do
		for irq in $irqs; do echo $((n % 2 + 1)) >/proc/irq/$irq/smp_affinity; done
		n=$((n + 1))
	done
	wait
	md5sum /tmp/file[1-4] | cut -d' ' -f1 | sort -u | tr '\n' ' '
	rm -f /tmp/file[1-4]
}
irqs=
echo "two: $(fetch)"
for vector in input.0 output.0 input.1 output.1; do
	awk -v v=$vector '$NF ~ v "$" { print "used: " v, ($2 + $3 > 2 ? "yes" : "no") }' /proc/interrupts
done
echo "both:"
read go
/guest/net_try channels eth0 1
echo "fewer: $(/guest/net_try channels eth0) $(fetch)"
echo "one:"
read go
/guest/net_try channels eth0 2
n=0
irqs=$(awk '/virtio0-(in|out)put/ { sub(":", "", $1); print $1 }' /proc/interrupts)
echo "moved: $(fetch)"
/guest/net_try channels eth0 3 2>/dev/null && echo "three: taken"
echo "ping: $(ping -c 3 -W 5 10.9.1.1 | grep -c 'bytes from')"
END
for image in $images; do
	name=mq_${image##*-}
	rm -f $D/type
	mkfifo $D/type
	husk run --name $name --cpus 2 --kernel "$image" --initrd $D/initrd --net tap=tap1,where=kernel,queues=2 \
		--cmdline "console=ttyS0 quiet panic=-1" <$D/type >$D/$name.out 2>$D/$name.err &
	run=$!
	exec 5>$D/type
	await 100 grep -q ^both: $D/$name.out || not_ok vhost_${name}_both "$(tail -n 1 $D/$name.out | tr -d '\r')"
	husk show $name >$D/show
	grep -q 'name=net .*pairs=2 pairs_used=2 received=.* kicks=ioeventfd calls=irqfd' $D/show && ok vhost_${name}_show || not_ok vhost_${name}_show "$(grep name=net $D/show)"
	step one
	husk show $name >$D/show
	grep -q 'name=net .*pairs=2 pairs_used=1 ' $D/show && ok vhost_${name}_show_one || not_ok vhost_${name}_show_one "$(grep name=net $D/show)"
	echo >&5
	wait $run && ok vhost_${name}_off || not_ok vhost_${name}_off "status $?: $(tail -n 1 $D/$name.err)"
	exec 5>&-
	same vhost_${name}_channels "$(said $name channels)" "2 of 2"
	same vhost_${name}_used "$(tr -d '\r' <$D/$name.out | grep -c '^used: .* yes')" 4
	same vhost_${name}_sums "$(said $name two), $(said $name fewer), $(said $name moved)" "$part , 1 of 2 $part , $part "
	same vhost_${name}_three "$(said $name three)" ""
	same vhost_${name}_ping "$(said $name ping)" 3
done

# ---- as many queues as there can be; interrupts without messages ----

initrd /lab/tests/net_try <<'END'
#!/bin/sh
exec 2>&1
stty -echo
card=$(ls /sys/class/net | grep ^eth | tail -n 1)
ip link set lo up; ip addr add 10.9.1.2/24 dev $card; ip link set $card up
echo "channels: $card $(/guest/net_try channels $card)"
wget -q -O /tmp/file http://10.9.1.1/part
echo "download: $(md5sum /tmp/file | cut -d' ' -f1)"
[ $card = eth0 ] || read go
END
guest many "$first" 60 --net tap=tap1,where=kernel,queues=8
same vhost_many "$? $(said many channels) $(said many download)" "0 eth0 1 of 8 $part"
# more queues than the kernel has messages for: the worker passes on those of the last card
name=more
mkfifo $D/more
husk run --name more --kernel "$first" --initrd $D/initrd --net tap=tap2,where=kernel,queues=8 --net tap=tap3,where=kernel,queues=8 \
	--net tap=tap4,where=kernel,queues=8 --net tap=tap5,where=kernel,queues=8 --net tap=tap1,where=kernel,queues=8 \
	--cmdline "console=ttyS0 quiet panic=-1" <$D/more >$D/more.out 2>$D/more.err &
run=$!
exec 5>$D/more
await 60 grep -q ^download: $D/more.out
husk show more >$D/show
echo >&5
wait $run && ok vhost_more_off || not_ok vhost_more_off "status $?: $(tail -n 1 $D/more.err)"
exec 5>&-
same vhost_more "$(said more channels) $(said more download)" "eth4 1 of 8 $part"
grep -q 'interface=tap2 .*kicks=ioeventfd calls=irqfd' $D/show && grep -q 'interface=tap1 .*kicks=ioeventfd calls=worker' $D/show &&
	ok vhost_more_show || not_ok vhost_more_show "$(grep -o 'interface=.*calls=[a-z]*' $D/show | tr '\n' ' ')"
for how in "pci=nomsi" "pci=nomsi noapic"; do
	name=intx_$(echo "$how" | wc -w)
	append=$how
	guest $name "$first" 60 --net tap=tap1,where=kernel
	status=$?
	append=
	same vhost_$name "$status $(said $name download)" "0 $part"
done

# ---- resets in the middle of traffic ----

initrd <<'END'
#!/bin/sh
exec 2>&1
up() { ip link set lo up; ip addr add 10.9.1.2/24 dev eth0; ip link set eth0 up; }
up
if [ "$(head -c 5 /dev/vda)" = again ]; then
	device=$(readlink /sys/class/net/eth0/device)
	device=${device##*/}
	# the driver goes and comes again
	for i in 1 2 3 4 5; do
		wget -q -O /dev/null http://10.9.1.1/part &
		usleep 100000
		echo $device >/sys/bus/virtio/drivers/virtio_net/unbind
		kill $!
		echo $device >/sys/bus/virtio/drivers/virtio_net/bind
		up
	done
	wget -q -O /tmp/file http://10.9.1.1/part
	echo "after: $(md5sum /tmp/file | cut -d' ' -f1)"
	exit
fi
echo again >/dev/vda
sync
wget -q -O /dev/null http://10.9.1.1/part &
wget -q -O /dev/null http://10.9.1.1/part &
nc 10.9.1.1 5001 </dev/zero &
usleep 300000
# at once: on its orderly way down a Linux 6.1 can spin in start_xmit() for ever, once it has marked the card as broken
echo b >/proc/sysrq-trigger
END
truncate -s 1M $D/state
busybox nc -l -p 5001 </dev/null >/dev/null &
nc=$!
guest reset "$first" 120 --cpus 2 --disk $D/state --net tap=tap1,where=kernel,queues=2
status=$?
same vhost_reset "$status $(said reset after)" "0 $part"
kill $nc 2>/dev/null

# ---- the worker ends in the middle of traffic; the modules ----

initrd <<'END'
#!/bin/sh
exec 2>&1
ip link set lo up; ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up
ping -c 1 -W 5 10.9.0.1 >/dev/null && echo "busy:"
while :; do wget -q -O /dev/null http://10.9.0.1/part; done
END
as_member husk run --name busy --kernel "$first" --initrd $D/initrd --net tap=tap0,where=kernel \
	--cmdline "console=ttyS0 quiet panic=-1" </dev/null >$D/busy.out 2>&1 &
run=$!
await 60 grep -q ^busy: $D/busy.out && ok vhost_member || not_ok vhost_member "$(tail -n 1 $D/busy.out)"
refused vhost_taken 4 'in use' husk run --kernel "$first" --net tap=tap0,where=kernel
refused vhost_module_used 1 'in use' rmmod vhost_net
kill -9 "$(pidof husk-vm)"
wait $run
# a guest that has no driver for it
husk run --detach --name bare --kernel $T/boot_mb.bin --cmdline serve --net tap=tap0,where=kernel >/dev/null
refused vhost_announce_no_driver 3 'no network card' husk announce bare
husk kill bare >/dev/null

# by the daemon, whose workers have no rights
initrd <<'END'
#!/bin/sh
ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up
while :; do sleep 1; done
END
huskd 2>$D/huskd.log &
daemon=$!
await 10 grep -q 'huskd: ready' $D/huskd.log
check vhost_daemon_create husk create --kernel "$first" --initrd $D/initrd --net tap=tap0,where=kernel --cmdline "console=ttyS0 quiet" served
check vhost_daemon_start husk start served
await 60 ping -c 1 -W 1 10.9.0.2 && ok vhost_daemon_ping || not_ok vhost_daemon_ping "$(husk show served | grep name=net)"
husk show served >$D/show
grep -q 'name=net .*kicks=ioeventfd calls=irqfd' $D/show && ok vhost_daemon_show || not_ok vhost_daemon_show "$(grep name=net $D/show)"
husk kill served >/dev/null
await 10 husk delete served || not_ok vhost_daemon_delete "it stays"
kill $daemon
wait $daemon

await 10 rmmod vhost_net && ok vhost_module || not_ok vhost_module "vhost_net is in use"
ip link del tap0
ip link del tap1
kill $servers
rm -rf $D
[ "$(refs)" = 0 ] && ok vhost_refs || not_ok vhost_refs "$(refs) references left"
check vhost_unload unload
exit 0
