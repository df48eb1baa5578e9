#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# conftest.sh SRCTREE: look into a kernel's headers and print a -D flag for
# each feature of a newer kernel that is there. Version numbers would lie:
# stable kernels carry backports. kmod/compat.h gives the rest.
inc=$1/include
asm=$1/arch/x86/include/asm

has() {	# MACRO REGEX FILE...
	_macro=$1
	_regex=$2
	shift 2
	if grep -Eqs -e "$_regex" "$@"; then printf ' -DHUSK_HAVE_%s' "$_macro"; fi
}

has HRTIMER_SETUP	'\bhrtimer_setup\('		$inc/linux/hrtimer.h
has EVENTFD_SIGNAL_1	'\beventfd_signal\(struct eventfd_ctx \*ctx\)' $inc/linux/eventfd.h
has VM_FLAGS_SET	'\bvm_flags_set\('		$inc/linux/mm.h
has ENTRY_VIRT		.				$inc/linux/entry-virt.h
has YOUNG_BOOL		'bool \(\*test_young\)'		$inc/linux/mmu_notifier.h
has IPI_TRACE		'\btrace_ipi_send_cpu\('	$inc/linux/smp.h
has STRUCT_OPS		'\bregister_bpf_struct_ops\('	$inc/linux/bpf.h
has KF_TRUSTED		'define KF_TRUSTED_ARGS\b'	$inc/linux/btf.h
has KIOCB_WRITE		'\bkiocb_start_write\('	$inc/linux/fs.h
has CPUID_API		.				$asm/cpuid/api.h
echo
