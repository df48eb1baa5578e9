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
has REGISTER_SYSCORE	'\bregister_syscore\('		$inc/linux/syscore_ops.h
has ASSIGN_STR_1	'define __assign_str\(dst\)'	$inc/trace/stages/stage6_event_callback.h
has VM_FLAGS_SET	'\bvm_flags_set\('		$inc/linux/mm.h
has ENTRY_VIRT		.				$inc/linux/entry-virt.h
has RDMSRQ		'define rdmsrq\('		$asm/msr.h
has FOLLOW_PFNMAP	'\bfollow_pfnmap_start\('	$inc/linux/mm.h
has YOUNG_BOOL		'bool \(\*test_young\)'		$inc/linux/mmu_notifier.h
has BTF_KFUNCS		'define BTF_KFUNCS_START'	$inc/linux/btf_ids.h
has BPF_KFUNC		'define __bpf_kfunc\b'		$inc/linux/btf.h
has BPF_KFUNC_DEFS	'define __bpf_kfunc_start_defs'	$inc/linux/btf.h
has FMODRET		'\bregister_btf_fmodret_id_set\(' $inc/linux/btf.h
has STRUCT_OPS		'define register_bpf_struct_ops\(' $inc/linux/bpf.h
has IPI_TRACE		'\btrace_ipi_send_cpu\('	$inc/linux/smp.h
has BYPASS_EVENTFD	'eventfd_ctx \*eventfd'		$inc/linux/irqbypass.h
has CPUID_API		.				$asm/cpuid/api.h
has FRED		.				$asm/fred.h
echo
