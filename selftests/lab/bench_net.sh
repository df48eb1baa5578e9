#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# bench_net.sh HOW TEST...: in the lab, with --icount: what a guest's network costs, which is a tap of this host, by KVM with
# QEMU and vhost-net (kvm_vhost), with QEMU alone (kvm_qemu), or by husk's kernel (vhost-net, too) or worker. veth: no guest,
# the same programs in two network namespaces. scripts/bench reads the lines:
#	net HOW NAME TICKS BUSY ok
# as those of bench_io.sh.
how=$1 kind=net
shift
. /lab/groups/bench_lib.sh
modprobe -a tun vhost_net
append="$append net=$(echo "$*" | tr ' ' ,)"
mac=52:54:00:00:00:02

# Nothing but the load
for default in all default; do echo 1 >/proc/sys/net/ipv6/conf/$default/disable_ipv6; done

tap() {
	ip tuntap add tap0 mode tap
	ip addr add 10.9.0.1/24 dev tap0
	ip link set tap0 up
}

kvm() {	# vhost=
	tap
	measure qemu -netdev tap,id=net,ifname=tap0,script=no,downscript=no,vhost=$1 \
		-device virtio-net-pci,netdev=net,mac=$mac,romfile=
}

veth() {
	modprobe veth
	ip netns add guest
	ip link add tap0 type veth peer name eth0 netns guest
	ip addr add 10.9.0.1/24 dev tap0
	ip link set tap0 up
	measure ip netns exec guest $T/net_load guest eth0 10.9.0.2 10.9.0.1 "$@"
}

$T/net_load peer >/tmp/peer 2>&1 &
begin || exit
case $how in
veth) veth "$@" ;;
kvm_vhost) kvm on ;;
kvm_qemu) kvm off ;;
*) tap && measure husk_run --net "tap=tap0,mac=$mac,where=$how" ;;
esac
status=$?
cat /tmp/peer
exit $status
