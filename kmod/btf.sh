#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# btf.sh KDIR MODULE: give a module BTF if the kernel's own build system could not.
# The headers of Debian's 6.1 lack vmlinux, whose types a module's refer to; newer
# ones have it. They are in the running kernel, or in its image:
#
#	HUSK_VMLINUZ	the image, if it is not /boot/vmlinuz-RELEASE
#
# A module without BTF is a good one, but tools that need types of it won't work: so
# this says in one line why there is none, and succeeds.
set -u
kdir=$1 module=$2
release=$(sed -n 's/^#define UTS_RELEASE "\(.*\)"/\1/p' "$kdir/include/generated/utsrelease.h") || release=$kdir
tmp=

without() { echo "${module##*/} for $release has no BTF: $*"; exit 0; }
section() { objdump -h "$1" | grep -q " $2 "; }
at() { od -An -t"u$3" -j"$2" -N"$3" "$1" | tr -d ' '; }

# The kernel proper in an image (Documentation/arch/x86/boot.rst): payload_offset is counted from behind the setup sectors
unpack() {	# IMAGE OUT
	_first=$((($(at "$1" 497 1) + 1) * 512 + $(at "$1" 584 4)))
	_packed=$(at "$1" 588 4)
	tail -c +$((_first + 1)) "$1" | head -c "$_packed" >"$2.packed"
	# the last four bytes are the unpacked size: the tools say so, and have done their work
	case $(od -An -tx4 -N4 "$2.packed" | tr -d ' ') in
	587a37fd) xz -dc --single-stream "$2.packed" ;;
	fd2fb528) zstd -dcq "$2.packed" ;;
	184c2102) lz4 -dcq "$2.packed" ;;
	*) zcat "$2.packed" ;;
	esac >"$2" 2>/dev/null
	[ -s "$2" ]
}

base() {	# OUT: types of the kernel
	if [ -z "${HUSK_VMLINUZ-}" ] && [ "$release" = "$(uname -r)" ] && [ -r /sys/kernel/btf/vmlinux ]; then
		cp /sys/kernel/btf/vmlinux "$1"
		return
	fi
	_image=${HUSK_VMLINUZ:-/boot/vmlinuz-$release}
	[ -r "$_image" ] || without "this kernel does not run, and there is no $_image"
	unpack "$_image" "$1.elf" || without "can't unpack $_image"
	objcopy --dump-section .BTF="$1" "$1.elf" /dev/null 2>/dev/null && [ -s "$1" ] || without "the kernel has none in $_image"
}

! section "$module" .BTF || exit 0
grep -qs '^CONFIG_DEBUG_INFO_BTF_MODULES=y' "$kdir/include/config/auto.conf" || without "the kernel has none for modules"
command -v pahole >/dev/null || without "install pahole"
! section "$module" .BTF_ids || without "it would need resolve_btfids, which $kdir lacks"
tmp=$(mktemp -d) || exit
trap 'rm -rf "$tmp"' EXIT
base "$tmp/base"
cp "$module" "$tmp/module.ko" &&
	pahole -J --btf_gen_floats --btf_base "$tmp/base" "$tmp/module.ko" 2>"$tmp/log" && section "$tmp/module.ko" .BTF ||
	without "pahole failed: $(head -n 1 "$tmp/log")"
cp "$tmp/module.ko" "$module"
