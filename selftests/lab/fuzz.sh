# SPDX-License-Identifier: GPL-2.0
# Guests that do all the harm they can (selftests/fuzz), a seed each: the worker ends as it should, the host and the VM
# beside it are unharmed. SEEDS: how many; FIRST: the first one.
. ./lib.sh
load || { not_ok fuzz_load "$(dmesg | tail -n 1)"; exit 0; }
modprobe -a tun ext4 loop vhost_vsock vhost_net 2>/dev/null
ip tuntap add fuzz0 mode tap && ip link set fuzz0 up || { not_ok fuzz_tap "no tap"; exit 0; }
ip tuntap add fuzz1 mode tap multi_queue && ip link set fuzz1 up
truncate -s 16M /tmp/fuzz.img
# a file with direct I/O
mkdir -p /tmp/fuzz
truncate -s 40M /tmp/fuzz-host.img
mke2fs -q -t ext4 /tmp/fuzz-host.img && mount -o loop /tmp/fuzz-host.img /tmp/fuzz && truncate -s 16M /tmp/fuzz/disk ||
	not_ok fuzz_disk "no file system"
out=/tmp/fuzz.out

$T/stress spin 100000 >/tmp/spin.out 2>&1 &
neighbour=$!

# fuzz NAME SEED STATUSES OPTION...
fuzz() {
	_name=$1 _seed=$2 _statuses=$3
	shift 3
	case "$*" in end) _time=30 ;; *) _time=$((120 * ${SLOW:-1})) ;; esac	# what may spin does so to the end
	timeout $_time husk run --name fuzz --memory 48M --kernel $T/fuzz.elf --disk /tmp/fuzz.img --disk /tmp/fuzz/disk,bus=pvscsi --net tap=fuzz0 \
		--net tap=fuzz1,where=kernel,queues=2 --rng --balloon --vsock 77 --console virtio --debug-exit --testdev --no-reboot --cmdline "seed=$_seed ops=${OPS:-5000} $*" </dev/null >$out 2>&1
	_status=$?
	[ $_status != 1 ] || [ "$*" ] || done=$((done + 1))
	case " $_statuses " in
	*" $_status "*) ok "$_name" ;;
	*) not_ok "$_name" "status $_status: $(tail -n 1 $out | tr -dc ' -~' | cut -c1-150)" ;;
	esac
}

# 1: by port 0xf4. It may also send itself an INIT, and crash (6); with `end` reset (7), power off (0), spin (124)
seed=${FIRST:-1} done=0
last=$((seed + ${SEEDS:-10} - 1))
while [ $seed -le $last ]; do
	fuzz fuzz_$seed $seed "1 6"
	fuzz fuzz_end_$seed $seed "0 1 6 7 124" end
	seed=$((seed + 1))
done
[ $done -ge $((${SEEDS:-10} * 2 / 3)) ] && ok fuzz_ends || not_ok fuzz_ends "only $done of ${SEEDS:-10} came to their end"
kill -0 $neighbour 2>/dev/null && ok fuzz_neighbour || not_ok fuzz_neighbour "$(tail -n 1 /tmp/spin.out)"
kill $neighbour
wait $neighbour 2>/dev/null
ip link del fuzz0
umount /tmp/fuzz && ok fuzz_unused || not_ok fuzz_unused "the file system is in use"
ip link del fuzz1
check fuzz_unload unload
exit 0
