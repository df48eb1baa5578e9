/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Intel has VMCALL (0f 01 c1) where AMD has VMMCALL (0f 01 d9); the other one is
 * #UD. For assembly that has done CPUID leaf 0 and still has its ebx: eax is
 * the number, then the answer.
 */
#define VENDOR_INTEL_EBX	0x756e6547	/* "Genu" */

#ifdef __ASSEMBLER__
	.macro hypercall number
	cmp	$VENDOR_INTEL_EBX, %ebx
	mov	$\number, %eax
	je	.Lintel\@
	vmmcall
	jmp	.Ldone\@
.Lintel\@:
	vmcall
.Ldone\@:
	.endm
#endif
