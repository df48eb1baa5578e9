/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The VMCB and the SVM exit codes, spelled as in APM2 appendix B and C.
 */
#ifndef HUSK_SVM_VMCB_H
#define HUSK_SVM_VMCB_H

#include <linux/build_bug.h>
#include <linux/types.h>

/* intercept words: bit numbers of word 0..5, APM2 appendix B */
#define SVM_W2_VEC(v)		BIT(v)		/* word 2: exceptions */

#define SVM_W3_INTR		BIT(0)
#define SVM_W3_NMI		BIT(1)
#define SVM_W3_SMI		BIT(2)
#define SVM_W3_INIT		BIT(3)
#define SVM_W3_VINTR		BIT(4)
#define SVM_W3_CR0_SEL_WRITE	BIT(5)
#define SVM_W3_RDPMC		BIT(15)
#define SVM_W3_CPUID		BIT(18)
#define SVM_W3_RSM		BIT(19)
#define SVM_W3_IRET		BIT(20)
#define SVM_W3_INVD		BIT(22)
#define SVM_W3_PAUSE		BIT(23)
#define SVM_W3_HLT		BIT(24)
#define SVM_W3_INVLPGA		BIT(26)
#define SVM_W3_IOIO_PROT	BIT(27)
#define SVM_W3_MSR_PROT		BIT(28)
#define SVM_W3_TASK_SWITCH	BIT(29)
#define SVM_W3_FERR_FREEZE	BIT(30)
#define SVM_W3_SHUTDOWN		BIT(31)

#define SVM_W4_VMRUN		BIT(0)
#define SVM_W4_VMMCALL		BIT(1)
#define SVM_W4_VMLOAD		BIT(2)
#define SVM_W4_VMSAVE		BIT(3)
#define SVM_W4_STGI		BIT(4)
#define SVM_W4_CLGI		BIT(5)
#define SVM_W4_SKINIT		BIT(6)
#define SVM_W4_RDTSCP		BIT(7)
#define SVM_W4_WBINVD		BIT(9)
#define SVM_W4_MONITOR		BIT(10)
#define SVM_W4_MWAIT		BIT(11)
#define SVM_W4_MWAIT_ARMED	BIT(12)
#define SVM_W4_XSETBV		BIT(13)
#define SVM_W4_RDPRU		BIT(14)

#define SVM_TLB_DO_NOTHING	0
#define SVM_TLB_FLUSH_ALL	1
#define SVM_TLB_FLUSH_ASID	3

#define SVM_NP_ENABLE		BIT_ULL(0)

/* v_intr word at 60h */
#define SVM_V_TPR_MASK		0xfULL
#define SVM_V_IRQ		BIT_ULL(8)
#define SVM_V_INTR_PRIO_HIGH	(0xfULL << 16)
#define SVM_V_IGN_TPR		BIT_ULL(20)
#define SVM_V_INTR_MASKING	BIT_ULL(24)

#define SVM_INTERRUPT_SHADOW	BIT_ULL(0)

/* EVENTINJ and EXITINTINFO */
#define SVM_EVENT_VECTOR	0xffULL
#define SVM_EVENT_TYPE_SHIFT	8
#define SVM_EVENT_TYPE		(7ULL << SVM_EVENT_TYPE_SHIFT)
#define SVM_EVENT_EV		BIT_ULL(11)
#define SVM_EVENT_V		BIT_ULL(31)

/* VMCB clean bits, APM2 15.15.3 */
#define SVM_CLEAN_INTERCEPTS	BIT(0)
#define SVM_CLEAN_IOPM		BIT(1)
#define SVM_CLEAN_ASID		BIT(2)
#define SVM_CLEAN_TPR		BIT(3)
#define SVM_CLEAN_NP		BIT(4)
#define SVM_CLEAN_CRX		BIT(5)
#define SVM_CLEAN_DRX		BIT(6)
#define SVM_CLEAN_DT		BIT(7)
#define SVM_CLEAN_SEG		BIT(8)
#define SVM_CLEAN_CR2		BIT(9)
#define SVM_CLEAN_LBR		BIT(10)
#define SVM_CLEAN_AVIC		BIT(11)
/* What husk may leave marked clean from one entry to the next */
#define SVM_CLEAN_ALL		0xfff

struct vmcb_seg {
	u16 selector;
	u16 attrib;
	u32 limit;
	u64 base;
};

struct vmcb {
	/* control area */
	u32 intercept[6];		/* 000h CR, DR, exceptions, 3, 4, 5 */
	u8 reserved_018[0x3c - 0x18];
	u16 pause_filter_threshold;	/* 03ch */
	u16 pause_filter_count;
	u64 iopm_base_pa;		/* 040h */
	u64 msrpm_base_pa;
	u64 tsc_offset;			/* 050h */
	u32 asid;			/* 058h */
	u8 tlb_control;
	u8 reserved_05d[3];
	u64 v_intr;			/* 060h */
	u64 interrupt_shadow;		/* 068h */
	u64 exitcode;			/* 070h */
	u64 exitinfo1;
	u64 exitinfo2;			/* 080h */
	u64 exitintinfo;
	u64 np_control;			/* 090h */
	u64 avic_apic_bar;
	u64 ghcb_pa;			/* 0a0h */
	u64 eventinj;
	u64 n_cr3;			/* 0b0h */
	u64 lbr_control;
	u32 clean;			/* 0c0h */
	u32 reserved_0c4;
	u64 nrip;			/* 0c8h */
	u8 insn_len;			/* 0d0h */
	u8 insn[15];
	u8 reserved_0e0[0x400 - 0xe0];
	/* state save area */
	struct vmcb_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	u8 reserved_4a0[0x4cb - 0x4a0];
	u8 cpl;				/* 4cbh */
	u8 reserved_4cc[4];
	u64 efer;			/* 4d0h */
	u8 reserved_4d8[0x548 - 0x4d8];
	u64 cr4;			/* 548h */
	u64 cr3, cr0;
	u64 dr7, dr6;			/* 560h */
	u64 rflags, rip;		/* 570h */
	u8 reserved_580[0x5d8 - 0x580];
	u64 rsp;			/* 5d8h */
	u8 reserved_5e0[0x5f8 - 0x5e0];
	u64 rax;			/* 5f8h */
	u64 star, lstar, cstar, sfmask;	/* 600h */
	u64 kernel_gs_base;		/* 620h */
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 cr2;			/* 640h */
	u8 reserved_648[0x668 - 0x648];
	u64 g_pat;			/* 668h */
	u64 dbgctl;
	u8 reserved_678[0x1000 - 0x678];
};

static_assert(offsetof(struct vmcb, iopm_base_pa) == 0x40);
static_assert(offsetof(struct vmcb, v_intr) == 0x60);
static_assert(offsetof(struct vmcb, eventinj) == 0xa8);
static_assert(offsetof(struct vmcb, nrip) == 0xc8);
static_assert(offsetof(struct vmcb, es) == 0x400);
static_assert(offsetof(struct vmcb, cpl) == 0x4cb);
static_assert(offsetof(struct vmcb, efer) == 0x4d0);
static_assert(offsetof(struct vmcb, cr4) == 0x548);
static_assert(offsetof(struct vmcb, rip) == 0x578);
static_assert(offsetof(struct vmcb, rsp) == 0x5d8);
static_assert(offsetof(struct vmcb, rax) == 0x5f8);
static_assert(offsetof(struct vmcb, cr2) == 0x640);
static_assert(offsetof(struct vmcb, g_pat) == 0x668);
static_assert(sizeof(struct vmcb) == 0x1000);

/* exit codes, APM2 appendix C */
#define VMEXIT_CR0_READ		0x000
#define VMEXIT_CR0_WRITE	0x010
#define VMEXIT_DR0_READ		0x020
#define VMEXIT_DR15_WRITE	0x03f
#define VMEXIT_EXCP0		0x040
#define VMEXIT_EXCP_DB		0x041
#define VMEXIT_EXCP_AC		0x051
#define VMEXIT_EXCP_MC		0x052
#define VMEXIT_EXCP31		0x05f
#define VMEXIT_INTR		0x060
#define VMEXIT_NMI		0x061
#define VMEXIT_SMI		0x062
#define VMEXIT_INIT		0x063
#define VMEXIT_VINTR		0x064
#define VMEXIT_CR0_SEL_WRITE	0x065
#define VMEXIT_RDPMC		0x06f
#define VMEXIT_CPUID		0x072
#define VMEXIT_RSM		0x073
#define VMEXIT_IRET		0x074
#define VMEXIT_INVD		0x076
#define VMEXIT_PAUSE		0x077
#define VMEXIT_HLT		0x078
#define VMEXIT_INVLPG		0x079
#define VMEXIT_INVLPGA		0x07a
#define VMEXIT_IOIO		0x07b
#define VMEXIT_MSR		0x07c
#define VMEXIT_TASK_SWITCH	0x07d
#define VMEXIT_FERR_FREEZE	0x07e
#define VMEXIT_SHUTDOWN		0x07f
#define VMEXIT_VMRUN		0x080
#define VMEXIT_VMMCALL		0x081
#define VMEXIT_VMLOAD		0x082
#define VMEXIT_VMSAVE		0x083
#define VMEXIT_STGI		0x084
#define VMEXIT_CLGI		0x085
#define VMEXIT_SKINIT		0x086
#define VMEXIT_RDTSCP		0x087
#define VMEXIT_WBINVD		0x089
#define VMEXIT_MONITOR		0x08a
#define VMEXIT_MWAIT		0x08b
#define VMEXIT_MWAIT_CONDITIONAL 0x08c
#define VMEXIT_XSETBV		0x08d
#define VMEXIT_RDPRU		0x08e
#define VMEXIT_NPF		0x400
#define VMEXIT_INVALID		(~0ULL)

/* EXITINFO1 of VMEXIT_IOIO, APM2 15.10.2 */
#define SVM_IOIO_IN		BIT(0)
#define SVM_IOIO_STR		BIT(2)
#define SVM_IOIO_SIZE_SHIFT	4
#define SVM_IOIO_SIZE_MASK	7

/* EXITINFO1 of VMEXIT_NPF: page-fault error code and two more, APM2 15.25.6 */
#define SVM_NPF_WRITE		BIT_ULL(1)
#define SVM_NPF_FETCH		BIT_ULL(4)
#define SVM_NPF_TABLE_WALK	BIT_ULL(33)

#endif
