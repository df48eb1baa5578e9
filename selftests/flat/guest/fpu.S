/* SPDX-License-Identifier: GPL-2.0 */
/* FPU state in and out; the only place in the guest where such registers are used. */
	.text
	.globl fpu_fxsave, fpu_fxrstor, fpu_xsave, fpu_xrstor
fpu_fxsave:
	fxsave64 (%rdi)
	ret
fpu_fxrstor:
	fxrstor64 (%rdi)
	ret
/* (area, xcr0 bits) */
fpu_xsave:
	mov	%esi, %eax
	xor	%edx, %edx
	xsave64	(%rdi)
	ret
fpu_xrstor:
	mov	%esi, %eax
	xor	%edx, %edx
	xrstor64 (%rdi)
	ret
	.section .note.GNU-stack,"",@progbits
