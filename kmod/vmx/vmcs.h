/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The VMCS: fields (SDM 3D appendix B), controls (SDM 3C 25.6 to 25.8), exit
 * reasons (appendix C) and the layout of what an exit and an entry carry.
 * Names are the SDM's. Pure data: compiles in user space too.
 */
#ifndef HUSK_VMX_VMCS_H
#define HUSK_VMX_VMCS_H

#ifdef __ASSEMBLER__

#define VMCS_HOST_RSP			0x6c14
#define VMCS_HOST_RIP			0x6c16

#else

#ifdef __KERNEL__
#include <linux/bits.h>
#include <linux/types.h>
#else
#include "unit_shim.h"
#endif

/*
 * F(name, encoding, what the SDM calls it). Bits 14:13 of an encoding are the
 * width: 16 bits, 64, 32, natural; 11:10 the class: control, read-only, guest,
 * host; bit 0 the high half of a 64-bit field, for 32-bit code only.
 */
#define VMCS_FIELDS(F) \
	/* 16-bit control fields */ \
	F(VMCS_VPID, 0x0000, "Virtual-processor identifier (VPID)") \
	F(VMCS_POSTED_INTR_VECTOR, 0x0002, "Posted-interrupt notification vector") \
	F(VMCS_LAST_PID_POINTER_INDEX, 0x0008, "Last PID-pointer index") \
	/* 16-bit guest-state fields */ \
	F(VMCS_GUEST_ES_SELECTOR, 0x0800, "Guest ES selector") \
	F(VMCS_GUEST_CS_SELECTOR, 0x0802, "Guest CS selector") \
	F(VMCS_GUEST_SS_SELECTOR, 0x0804, "Guest SS selector") \
	F(VMCS_GUEST_DS_SELECTOR, 0x0806, "Guest DS selector") \
	F(VMCS_GUEST_FS_SELECTOR, 0x0808, "Guest FS selector") \
	F(VMCS_GUEST_GS_SELECTOR, 0x080a, "Guest GS selector") \
	F(VMCS_GUEST_LDTR_SELECTOR, 0x080c, "Guest LDTR selector") \
	F(VMCS_GUEST_TR_SELECTOR, 0x080e, "Guest TR selector") \
	F(VMCS_GUEST_INTR_STATUS, 0x0810, "Guest interrupt status") \
	F(VMCS_PML_INDEX, 0x0812, "PML index") \
	F(VMCS_GUEST_UINV, 0x0814, "Guest UINV") \
	/* 16-bit host-state fields */ \
	F(VMCS_HOST_ES_SELECTOR, 0x0c00, "Host ES selector") \
	F(VMCS_HOST_CS_SELECTOR, 0x0c02, "Host CS selector") \
	F(VMCS_HOST_SS_SELECTOR, 0x0c04, "Host SS selector") \
	F(VMCS_HOST_DS_SELECTOR, 0x0c06, "Host DS selector") \
	F(VMCS_HOST_FS_SELECTOR, 0x0c08, "Host FS selector") \
	F(VMCS_HOST_GS_SELECTOR, 0x0c0a, "Host GS selector") \
	F(VMCS_HOST_TR_SELECTOR, 0x0c0c, "Host TR selector") \
	/* 64-bit control fields */ \
	F(VMCS_IO_BITMAP_A, 0x2000, "Address of I/O bitmap A") \
	F(VMCS_IO_BITMAP_B, 0x2002, "Address of I/O bitmap B") \
	F(VMCS_MSR_BITMAP, 0x2004, "Address of MSR bitmaps") \
	F(VMCS_EXIT_MSR_STORE_ADDR, 0x2006, "VM-exit MSR-store address") \
	F(VMCS_EXIT_MSR_LOAD_ADDR, 0x2008, "VM-exit MSR-load address") \
	F(VMCS_ENTRY_MSR_LOAD_ADDR, 0x200a, "VM-entry MSR-load address") \
	F(VMCS_PML_ADDR, 0x200e, "PML address") \
	F(VMCS_TSC_OFFSET, 0x2010, "TSC offset") \
	F(VMCS_VIRTUAL_APIC_ADDR, 0x2012, "Virtual-APIC address") \
	F(VMCS_APIC_ACCESS_ADDR, 0x2014, "APIC-access address") \
	F(VMCS_POSTED_INTR_DESC_ADDR, 0x2016, "Posted-interrupt descriptor address") \
	F(VMCS_VM_FUNCTION_CONTROLS, 0x2018, "VM-function controls") \
	F(VMCS_EPT_POINTER, 0x201a, "EPT pointer (EPTP)") \
	F(VMCS_EOI_EXIT_BITMAP0, 0x201c, "EOI-exit bitmap 0") \
	F(VMCS_EOI_EXIT_BITMAP1, 0x201e, "EOI-exit bitmap 1") \
	F(VMCS_EOI_EXIT_BITMAP2, 0x2020, "EOI-exit bitmap 2") \
	F(VMCS_EOI_EXIT_BITMAP3, 0x2022, "EOI-exit bitmap 3") \
	F(VMCS_EPTP_LIST_ADDR, 0x2024, "EPTP-list address") \
	F(VMCS_VMREAD_BITMAP, 0x2026, "VMREAD-bitmap address") \
	F(VMCS_VMWRITE_BITMAP, 0x2028, "VMWRITE-bitmap address") \
	F(VMCS_VE_INFO_ADDR, 0x202a, "Virtualization-exception information address") \
	F(VMCS_XSS_EXITING_BITMAP, 0x202c, "XSS-exiting bitmap") \
	F(VMCS_ENCLS_EXITING_BITMAP, 0x202e, "ENCLS-exiting bitmap") \
	F(VMCS_SPP_TABLE_POINTER, 0x2030, "Sub-page-permission-table pointer") \
	F(VMCS_TSC_MULTIPLIER, 0x2032, "TSC multiplier") \
	F(VMCS_PROC_BASED_CONTROLS3, 0x2034, "Tertiary processor-based VM-execution controls") \
	F(VMCS_PID_POINTER_TABLE_ADDR, 0x2042, "PID-pointer table address") \
	/* 64-bit read-only field */ \
	F(VMCS_GUEST_PHYSICAL_ADDRESS, 0x2400, "Guest-physical address") \
	/* 64-bit guest-state fields */ \
	F(VMCS_LINK_POINTER, 0x2800, "VMCS link pointer") \
	F(VMCS_GUEST_DEBUGCTL, 0x2802, "Guest IA32_DEBUGCTL") \
	F(VMCS_GUEST_PAT, 0x2804, "Guest IA32_PAT") \
	F(VMCS_GUEST_EFER, 0x2806, "Guest IA32_EFER") \
	F(VMCS_GUEST_PERF_GLOBAL_CTRL, 0x2808, "Guest IA32_PERF_GLOBAL_CTRL") \
	F(VMCS_GUEST_PDPTE0, 0x280a, "Guest PDPTE0") \
	F(VMCS_GUEST_PDPTE1, 0x280c, "Guest PDPTE1") \
	F(VMCS_GUEST_PDPTE2, 0x280e, "Guest PDPTE2") \
	F(VMCS_GUEST_PDPTE3, 0x2810, "Guest PDPTE3") \
	F(VMCS_GUEST_BNDCFGS, 0x2812, "Guest IA32_BNDCFGS") \
	F(VMCS_GUEST_RTIT_CTL, 0x2814, "Guest IA32_RTIT_CTL") \
	F(VMCS_GUEST_LBR_CTL, 0x2816, "Guest IA32_LBR_CTL") \
	F(VMCS_GUEST_PKRS, 0x2818, "Guest IA32_PKRS") \
	/* 64-bit host-state fields */ \
	F(VMCS_HOST_PAT, 0x2c00, "Host IA32_PAT") \
	F(VMCS_HOST_EFER, 0x2c02, "Host IA32_EFER") \
	F(VMCS_HOST_PERF_GLOBAL_CTRL, 0x2c04, "Host IA32_PERF_GLOBAL_CTRL") \
	F(VMCS_HOST_PKRS, 0x2c06, "Host IA32_PKRS") \
	/* 32-bit control fields */ \
	F(VMCS_PIN_BASED_CONTROLS, 0x4000, "Pin-based VM-execution controls") \
	F(VMCS_PROC_BASED_CONTROLS, 0x4002, "Primary processor-based VM-execution controls") \
	F(VMCS_EXCEPTION_BITMAP, 0x4004, "Exception bitmap") \
	F(VMCS_PF_ERROR_CODE_MASK, 0x4006, "Page-fault error-code mask") \
	F(VMCS_PF_ERROR_CODE_MATCH, 0x4008, "Page-fault error-code match") \
	F(VMCS_CR3_TARGET_COUNT, 0x400a, "CR3-target count") \
	F(VMCS_EXIT_CONTROLS, 0x400c, "Primary VM-exit controls") \
	F(VMCS_EXIT_MSR_STORE_COUNT, 0x400e, "VM-exit MSR-store count") \
	F(VMCS_EXIT_MSR_LOAD_COUNT, 0x4010, "VM-exit MSR-load count") \
	F(VMCS_ENTRY_CONTROLS, 0x4012, "VM-entry controls") \
	F(VMCS_ENTRY_MSR_LOAD_COUNT, 0x4014, "VM-entry MSR-load count") \
	F(VMCS_ENTRY_INTR_INFO, 0x4016, "VM-entry interruption-information field") \
	F(VMCS_ENTRY_ERROR_CODE, 0x4018, "VM-entry exception error code") \
	F(VMCS_ENTRY_INSN_LENGTH, 0x401a, "VM-entry instruction length") \
	F(VMCS_TPR_THRESHOLD, 0x401c, "TPR threshold") \
	F(VMCS_PROC_BASED_CONTROLS2, 0x401e, "Secondary processor-based VM-execution controls") \
	F(VMCS_PLE_GAP, 0x4020, "PLE_Gap") \
	F(VMCS_PLE_WINDOW, 0x4022, "PLE_Window") \
	F(VMCS_INSN_TIMEOUT, 0x4024, "Instruction-timeout control") \
	/* 32-bit read-only fields */ \
	F(VMCS_INSTRUCTION_ERROR, 0x4400, "VM-instruction error") \
	F(VMCS_EXIT_REASON, 0x4402, "Exit reason") \
	F(VMCS_EXIT_INTR_INFO, 0x4404, "VM-exit interruption information") \
	F(VMCS_EXIT_INTR_ERROR_CODE, 0x4406, "VM-exit interruption error code") \
	F(VMCS_IDT_VECTORING_INFO, 0x4408, "IDT-vectoring information field") \
	F(VMCS_IDT_VECTORING_ERROR_CODE, 0x440a, "IDT-vectoring error code") \
	F(VMCS_EXIT_INSN_LENGTH, 0x440c, "VM-exit instruction length") \
	F(VMCS_EXIT_INSN_INFO, 0x440e, "VM-exit instruction information") \
	/* 32-bit guest-state fields */ \
	F(VMCS_GUEST_ES_LIMIT, 0x4800, "Guest ES limit") \
	F(VMCS_GUEST_CS_LIMIT, 0x4802, "Guest CS limit") \
	F(VMCS_GUEST_SS_LIMIT, 0x4804, "Guest SS limit") \
	F(VMCS_GUEST_DS_LIMIT, 0x4806, "Guest DS limit") \
	F(VMCS_GUEST_FS_LIMIT, 0x4808, "Guest FS limit") \
	F(VMCS_GUEST_GS_LIMIT, 0x480a, "Guest GS limit") \
	F(VMCS_GUEST_LDTR_LIMIT, 0x480c, "Guest LDTR limit") \
	F(VMCS_GUEST_TR_LIMIT, 0x480e, "Guest TR limit") \
	F(VMCS_GUEST_GDTR_LIMIT, 0x4810, "Guest GDTR limit") \
	F(VMCS_GUEST_IDTR_LIMIT, 0x4812, "Guest IDTR limit") \
	F(VMCS_GUEST_ES_AR, 0x4814, "Guest ES access rights") \
	F(VMCS_GUEST_CS_AR, 0x4816, "Guest CS access rights") \
	F(VMCS_GUEST_SS_AR, 0x4818, "Guest SS access rights") \
	F(VMCS_GUEST_DS_AR, 0x481a, "Guest DS access rights") \
	F(VMCS_GUEST_FS_AR, 0x481c, "Guest FS access rights") \
	F(VMCS_GUEST_GS_AR, 0x481e, "Guest GS access rights") \
	F(VMCS_GUEST_LDTR_AR, 0x4820, "Guest LDTR access rights") \
	F(VMCS_GUEST_TR_AR, 0x4822, "Guest TR access rights") \
	F(VMCS_GUEST_INTERRUPTIBILITY, 0x4824, "Guest interruptibility state") \
	F(VMCS_GUEST_ACTIVITY_STATE, 0x4826, "Guest activity state") \
	F(VMCS_GUEST_SMBASE, 0x4828, "Guest SMBASE") \
	F(VMCS_GUEST_SYSENTER_CS, 0x482a, "Guest IA32_SYSENTER_CS") \
	F(VMCS_PREEMPTION_TIMER, 0x482e, "VMX-preemption timer value") \
	/* 32-bit host-state field */ \
	F(VMCS_HOST_SYSENTER_CS, 0x4c00, "Host IA32_SYSENTER_CS") \
	/* natural-width control fields */ \
	F(VMCS_CR0_GUEST_HOST_MASK, 0x6000, "CR0 guest/host mask") \
	F(VMCS_CR4_GUEST_HOST_MASK, 0x6002, "CR4 guest/host mask") \
	F(VMCS_CR0_READ_SHADOW, 0x6004, "CR0 read shadow") \
	F(VMCS_CR4_READ_SHADOW, 0x6006, "CR4 read shadow") \
	F(VMCS_CR3_TARGET_VALUE0, 0x6008, "CR3-target value 0") \
	F(VMCS_CR3_TARGET_VALUE1, 0x600a, "CR3-target value 1") \
	F(VMCS_CR3_TARGET_VALUE2, 0x600c, "CR3-target value 2") \
	F(VMCS_CR3_TARGET_VALUE3, 0x600e, "CR3-target value 3") \
	/* natural-width read-only fields */ \
	F(VMCS_EXIT_QUALIFICATION, 0x6400, "Exit qualification") \
	F(VMCS_GUEST_LINEAR_ADDRESS, 0x640a, "Guest-linear address") \
	/* natural-width guest-state fields */ \
	F(VMCS_GUEST_CR0, 0x6800, "Guest CR0") \
	F(VMCS_GUEST_CR3, 0x6802, "Guest CR3") \
	F(VMCS_GUEST_CR4, 0x6804, "Guest CR4") \
	F(VMCS_GUEST_ES_BASE, 0x6806, "Guest ES base") \
	F(VMCS_GUEST_CS_BASE, 0x6808, "Guest CS base") \
	F(VMCS_GUEST_SS_BASE, 0x680a, "Guest SS base") \
	F(VMCS_GUEST_DS_BASE, 0x680c, "Guest DS base") \
	F(VMCS_GUEST_FS_BASE, 0x680e, "Guest FS base") \
	F(VMCS_GUEST_GS_BASE, 0x6810, "Guest GS base") \
	F(VMCS_GUEST_LDTR_BASE, 0x6812, "Guest LDTR base") \
	F(VMCS_GUEST_TR_BASE, 0x6814, "Guest TR base") \
	F(VMCS_GUEST_GDTR_BASE, 0x6816, "Guest GDTR base") \
	F(VMCS_GUEST_IDTR_BASE, 0x6818, "Guest IDTR base") \
	F(VMCS_GUEST_DR7, 0x681a, "Guest DR7") \
	F(VMCS_GUEST_RSP, 0x681c, "Guest RSP") \
	F(VMCS_GUEST_RIP, 0x681e, "Guest RIP") \
	F(VMCS_GUEST_RFLAGS, 0x6820, "Guest RFLAGS") \
	F(VMCS_GUEST_PENDING_DEBUG, 0x6822, "Guest pending debug exceptions") \
	F(VMCS_GUEST_SYSENTER_ESP, 0x6824, "Guest IA32_SYSENTER_ESP") \
	F(VMCS_GUEST_SYSENTER_EIP, 0x6826, "Guest IA32_SYSENTER_EIP") \
	F(VMCS_GUEST_S_CET, 0x6828, "Guest IA32_S_CET") \
	F(VMCS_GUEST_SSP, 0x682a, "Guest SSP") \
	F(VMCS_GUEST_INTR_SSP_TABLE, 0x682c, "Guest IA32_INTERRUPT_SSP_TABLE_ADDR") \
	/* natural-width host-state fields */ \
	F(VMCS_HOST_CR0, 0x6c00, "Host CR0") \
	F(VMCS_HOST_CR3, 0x6c02, "Host CR3") \
	F(VMCS_HOST_CR4, 0x6c04, "Host CR4") \
	F(VMCS_HOST_FS_BASE, 0x6c06, "Host FS base") \
	F(VMCS_HOST_GS_BASE, 0x6c08, "Host GS base") \
	F(VMCS_HOST_TR_BASE, 0x6c0a, "Host TR base") \
	F(VMCS_HOST_GDTR_BASE, 0x6c0c, "Host GDTR base") \
	F(VMCS_HOST_IDTR_BASE, 0x6c0e, "Host IDTR base") \
	F(VMCS_HOST_SYSENTER_ESP, 0x6c10, "Host IA32_SYSENTER_ESP") \
	F(VMCS_HOST_SYSENTER_EIP, 0x6c12, "Host IA32_SYSENTER_EIP") \
	F(VMCS_HOST_RSP, 0x6c14, "Host RSP") \
	F(VMCS_HOST_RIP, 0x6c16, "Host RIP") \
	F(VMCS_HOST_S_CET, 0x6c18, "Host IA32_S_CET") \
	F(VMCS_HOST_SSP, 0x6c1a, "Host SSP") \
	F(VMCS_HOST_INTR_SSP_TABLE, 0x6c1c, "Host IA32_INTERRUPT_SSP_TABLE_ADDR")

enum vmcs_field {
#define VMCS_ENUM(name, encoding, text)	name = encoding,
	VMCS_FIELDS(VMCS_ENUM)
#undef VMCS_ENUM
};

/* Segment registers in the order of their fields, which are 2 apart */
enum vmcs_segment {
	VMCS_ES, VMCS_CS, VMCS_SS, VMCS_DS, VMCS_FS, VMCS_GS, VMCS_LDTR, VMCS_TR,
	VMCS_SEGMENTS
};

#define VMCS_GUEST_SELECTOR(seg)	(VMCS_GUEST_ES_SELECTOR + 2 * (seg))
#define VMCS_GUEST_LIMIT(seg)		(VMCS_GUEST_ES_LIMIT + 2 * (seg))
#define VMCS_GUEST_AR(seg)		(VMCS_GUEST_ES_AR + 2 * (seg))
#define VMCS_GUEST_BASE(seg)		(VMCS_GUEST_ES_BASE + 2 * (seg))

/* access rights, SDM 3C table 25-2 */
#define VMX_AR_TYPE		0xf
#define VMX_AR_S		BIT(4)
#define VMX_AR_DPL_SHIFT	5
#define VMX_AR_DPL(ar)		(((ar) >> VMX_AR_DPL_SHIFT) & 3)
#define VMX_AR_P		BIT(7)
#define VMX_AR_L		BIT(13)
#define VMX_AR_DB		BIT(14)
#define VMX_AR_G		BIT(15)
#define VMX_AR_UNUSABLE		BIT(16)
#define VMX_AR_RESERVED		0xfffe0f00U

/* pin-based VM-execution controls */
#define VMX_PIN_EXTERNAL_INTERRUPT	BIT(0)
#define VMX_PIN_NMI			BIT(3)
#define VMX_PIN_VIRTUAL_NMIS		BIT(5)
#define VMX_PIN_PREEMPTION_TIMER	BIT(6)
#define VMX_PIN_POSTED_INTERRUPTS	BIT(7)

/* primary processor-based VM-execution controls */
#define VMX_PROC_INTERRUPT_WINDOW	BIT(2)
#define VMX_PROC_TSC_OFFSETTING		BIT(3)
#define VMX_PROC_HLT			BIT(7)
#define VMX_PROC_INVLPG			BIT(9)
#define VMX_PROC_MWAIT			BIT(10)
#define VMX_PROC_RDPMC			BIT(11)
#define VMX_PROC_RDTSC			BIT(12)
#define VMX_PROC_CR3_LOAD		BIT(15)
#define VMX_PROC_CR3_STORE		BIT(16)
#define VMX_PROC_TERTIARY		BIT(17)
#define VMX_PROC_CR8_LOAD		BIT(19)
#define VMX_PROC_CR8_STORE		BIT(20)
#define VMX_PROC_TPR_SHADOW		BIT(21)
#define VMX_PROC_NMI_WINDOW		BIT(22)
#define VMX_PROC_MOV_DR			BIT(23)
#define VMX_PROC_UNCONDITIONAL_IO	BIT(24)
#define VMX_PROC_IO_BITMAPS		BIT(25)
#define VMX_PROC_MONITOR_TRAP_FLAG	BIT(27)
#define VMX_PROC_MSR_BITMAPS		BIT(28)
#define VMX_PROC_MONITOR		BIT(29)
#define VMX_PROC_PAUSE			BIT(30)
#define VMX_PROC_SECONDARY		BIT(31)

/* secondary processor-based VM-execution controls */
#define VMX_PROC2_VIRTUALIZE_APIC	BIT(0)
#define VMX_PROC2_EPT			BIT(1)
#define VMX_PROC2_DESCRIPTOR_TABLE	BIT(2)
#define VMX_PROC2_RDTSCP		BIT(3)
#define VMX_PROC2_VIRTUALIZE_X2APIC	BIT(4)
#define VMX_PROC2_VPID			BIT(5)
#define VMX_PROC2_WBINVD		BIT(6)
#define VMX_PROC2_UNRESTRICTED_GUEST	BIT(7)
#define VMX_PROC2_APIC_REGISTER		BIT(8)
#define VMX_PROC2_VIRTUAL_INTERRUPT	BIT(9)
#define VMX_PROC2_APIC			(VMX_PROC2_VIRTUALIZE_X2APIC | VMX_PROC2_APIC_REGISTER | VMX_PROC2_VIRTUAL_INTERRUPT)
#define VMX_PROC2_PAUSE_LOOP		BIT(10)
#define VMX_PROC2_RDRAND		BIT(11)
#define VMX_PROC2_INVPCID		BIT(12)
#define VMX_PROC2_VMFUNC		BIT(13)
#define VMX_PROC2_VMCS_SHADOWING	BIT(14)
#define VMX_PROC2_ENCLS			BIT(15)
#define VMX_PROC2_RDSEED		BIT(16)
#define VMX_PROC2_PML			BIT(17)
#define VMX_PROC2_EPT_VIOLATION_VE	BIT(18)
#define VMX_PROC2_CONCEAL_PT		BIT(19)
#define VMX_PROC2_XSAVES		BIT(20)
#define VMX_PROC2_PASID			BIT(21)
#define VMX_PROC2_MODE_BASED_EXECUTE	BIT(22)
#define VMX_PROC2_SUB_PAGE		BIT(23)
#define VMX_PROC2_PT_GUEST_PHYSICAL	BIT(24)
#define VMX_PROC2_TSC_SCALING		BIT(25)
#define VMX_PROC2_USER_WAIT		BIT(26)
#define VMX_PROC2_PCONFIG		BIT(27)
#define VMX_PROC2_ENCLV			BIT(28)
#define VMX_PROC2_BUS_LOCK		BIT(30)
#define VMX_PROC2_INSN_TIMEOUT		BIT(31)

/* tertiary processor-based VM-execution controls, 64 bits */
#define VMX_PROC3_IPI			BIT_ULL(4)

/* primary VM-exit controls */
#define VMX_EXITC_SAVE_DEBUG		BIT(2)
#define VMX_EXITC_HOST_64		BIT(9)	/* host address-space size */
#define VMX_EXITC_LOAD_PERF_GLOBAL_CTRL	BIT(12)
#define VMX_EXITC_ACK_INTERRUPT		BIT(15)
#define VMX_EXITC_SAVE_PAT		BIT(18)
#define VMX_EXITC_LOAD_PAT		BIT(19)
#define VMX_EXITC_SAVE_EFER		BIT(20)
#define VMX_EXITC_LOAD_EFER		BIT(21)
#define VMX_EXITC_SAVE_PREEMPTION_TIMER	BIT(22)
#define VMX_EXITC_CLEAR_BNDCFGS		BIT(23)
#define VMX_EXITC_CONCEAL_PT		BIT(24)
#define VMX_EXITC_CLEAR_RTIT_CTL	BIT(25)
#define VMX_EXITC_CLEAR_LBR_CTL		BIT(26)
#define VMX_EXITC_CLEAR_UINV		BIT(27)
#define VMX_EXITC_LOAD_CET		BIT(28)
#define VMX_EXITC_LOAD_PKRS		BIT(29)
#define VMX_EXITC_SAVE_PERF_GLOBAL_CTRL	BIT(30)
#define VMX_EXITC_SECONDARY		BIT(31)

/* VM-entry controls */
#define VMX_ENTRY_LOAD_DEBUG		BIT(2)
#define VMX_ENTRY_IA32E			BIT(9)	/* IA-32e mode guest */
#define VMX_ENTRY_SMM			BIT(10)
#define VMX_ENTRY_DUAL_MONITOR		BIT(11)
#define VMX_ENTRY_LOAD_PERF_GLOBAL_CTRL	BIT(13)
#define VMX_ENTRY_LOAD_PAT		BIT(14)
#define VMX_ENTRY_LOAD_EFER		BIT(15)
#define VMX_ENTRY_LOAD_BNDCFGS		BIT(16)
#define VMX_ENTRY_CONCEAL_PT		BIT(17)
#define VMX_ENTRY_LOAD_RTIT_CTL		BIT(18)
#define VMX_ENTRY_LOAD_UINV		BIT(19)
#define VMX_ENTRY_LOAD_CET		BIT(20)
#define VMX_ENTRY_LOAD_LBR_CTL		BIT(21)
#define VMX_ENTRY_LOAD_PKRS		BIT(22)

/* exit reason: the word, SDM 3C 25.9.1 */
#define VMX_REASON_BASIC		0xffffU
#define VMX_REASON_BUS_LOCK_ASSERTED	BIT(26)
#define VMX_REASON_ENCLAVE		BIT(27)
#define VMX_REASON_PENDING_MTF		BIT(28)
#define VMX_REASON_ENTRY_FAILURE	BIT(31)

/* basic exit reasons, SDM 3D appendix C; 35, 38, 42 and 71 are not used */
#define VMX_REASON_EXCEPTION_NMI	0
#define VMX_REASON_EXTERNAL_INTERRUPT	1
#define VMX_REASON_TRIPLE_FAULT		2
#define VMX_REASON_INIT			3
#define VMX_REASON_SIPI			4
#define VMX_REASON_IO_SMI		5
#define VMX_REASON_OTHER_SMI		6
#define VMX_REASON_INTERRUPT_WINDOW	7
#define VMX_REASON_NMI_WINDOW		8
#define VMX_REASON_TASK_SWITCH		9
#define VMX_REASON_CPUID		10
#define VMX_REASON_GETSEC		11
#define VMX_REASON_HLT			12
#define VMX_REASON_INVD			13
#define VMX_REASON_INVLPG		14
#define VMX_REASON_RDPMC		15
#define VMX_REASON_RDTSC		16
#define VMX_REASON_RSM			17
#define VMX_REASON_VMCALL		18
#define VMX_REASON_VMCLEAR		19
#define VMX_REASON_VMLAUNCH		20
#define VMX_REASON_VMPTRLD		21
#define VMX_REASON_VMPTRST		22
#define VMX_REASON_VMREAD		23
#define VMX_REASON_VMRESUME		24
#define VMX_REASON_VMWRITE		25
#define VMX_REASON_VMXOFF		26
#define VMX_REASON_VMXON		27
#define VMX_REASON_CR_ACCESS		28
#define VMX_REASON_MOV_DR		29
#define VMX_REASON_IO			30
#define VMX_REASON_RDMSR		31
#define VMX_REASON_WRMSR		32
#define VMX_REASON_INVALID_GUEST_STATE	33	/* entry failure */
#define VMX_REASON_MSR_LOADING		34	/* entry failure */
#define VMX_REASON_MWAIT		36
#define VMX_REASON_MONITOR_TRAP_FLAG	37
#define VMX_REASON_MONITOR		39
#define VMX_REASON_PAUSE		40
#define VMX_REASON_MACHINE_CHECK	41	/* entry failure */
#define VMX_REASON_TPR_BELOW_THRESHOLD	43
#define VMX_REASON_APIC_ACCESS		44
#define VMX_REASON_VIRTUALIZED_EOI	45
#define VMX_REASON_GDTR_IDTR		46
#define VMX_REASON_LDTR_TR		47
#define VMX_REASON_EPT_VIOLATION	48
#define VMX_REASON_EPT_MISCONFIG	49
#define VMX_REASON_INVEPT		50
#define VMX_REASON_RDTSCP		51
#define VMX_REASON_PREEMPTION_TIMER	52
#define VMX_REASON_INVVPID		53
#define VMX_REASON_WBINVD		54
#define VMX_REASON_XSETBV		55
#define VMX_REASON_APIC_WRITE		56
#define VMX_REASON_RDRAND		57
#define VMX_REASON_INVPCID		58
#define VMX_REASON_VMFUNC		59
#define VMX_REASON_ENCLS		60
#define VMX_REASON_RDSEED		61
#define VMX_REASON_PML_FULL		62
#define VMX_REASON_XSAVES		63
#define VMX_REASON_XRSTORS		64
#define VMX_REASON_PCONFIG		65
#define VMX_REASON_SPP			66
#define VMX_REASON_UMWAIT		67
#define VMX_REASON_TPAUSE		68
#define VMX_REASON_LOADIWKEY		69
#define VMX_REASON_ENCLV		70
#define VMX_REASON_ENQCMD		72
#define VMX_REASON_ENQCMDS		73
#define VMX_REASON_BUS_LOCK		74
#define VMX_REASON_INSN_TIMEOUT		75
#define VMX_REASON_SEAMCALL		76
#define VMX_REASON_TDCALL		77
#define VMX_REASONS			78

/* exit qualification of an entry failure with reason 33, SDM 3C 27.8 */
#define VMX_ENTRY_FAIL_PDPTE		2
#define VMX_ENTRY_FAIL_NMI		3
#define VMX_ENTRY_FAIL_LINK_POINTER	4

/* VM-entry and VM-exit interruption information, IDT-vectoring information */
#define VMX_INTR_VECTOR			0xffU
#define VMX_INTR_TYPE_SHIFT		8
#define VMX_INTR_TYPE			(7U << VMX_INTR_TYPE_SHIFT)
#define VMX_INTR_ERROR_CODE		BIT(11)	/* at entry: deliver it; at exit: there is one */
#define VMX_INTR_NMI_UNBLOCKING		BIT(12)	/* at exit only: due to IRET */
#define VMX_INTR_VALID			BIT(31)

/* its type, in place */
#define VMX_INTR_EXTERNAL		(0U << VMX_INTR_TYPE_SHIFT)
#define VMX_INTR_NMI			(2U << VMX_INTR_TYPE_SHIFT)
#define VMX_INTR_HARDWARE_EXCEPTION	(3U << VMX_INTR_TYPE_SHIFT)
#define VMX_INTR_SOFTWARE_INTERRUPT	(4U << VMX_INTR_TYPE_SHIFT)
#define VMX_INTR_PRIVILEGED_SOFTWARE	(5U << VMX_INTR_TYPE_SHIFT)	/* INT1 */
#define VMX_INTR_SOFTWARE_EXCEPTION	(6U << VMX_INTR_TYPE_SHIFT)	/* INT3, INTO */
#define VMX_INTR_OTHER_EVENT		(7U << VMX_INTR_TYPE_SHIFT)	/* vector 0: MTF exit */

/* guest interruptibility state, SDM 3C table 25-3 */
#define VMX_BLOCKING_STI		BIT(0)
#define VMX_BLOCKING_MOV_SS		BIT(1)
#define VMX_BLOCKING_SMI		BIT(2)
#define VMX_BLOCKING_NMI		BIT(3)
#define VMX_BLOCKING_ENCLAVE		BIT(4)
#define VMX_BLOCKING_RESERVED		0xffffffe0U

/* guest activity state */
#define VMX_ACTIVITY_ACTIVE		0
#define VMX_ACTIVITY_HLT		1
#define VMX_ACTIVITY_SHUTDOWN		2
#define VMX_ACTIVITY_WAIT_FOR_SIPI	3

/* guest pending debug exceptions, SDM 3C table 25-4 */
#define VMX_PENDING_DEBUG_B		0xfU
#define VMX_PENDING_DEBUG_BUS_LOCK	BIT(11)
#define VMX_PENDING_DEBUG_ENABLED	BIT(12)
#define VMX_PENDING_DEBUG_BS		BIT(14)
#define VMX_PENDING_DEBUG_RTM		BIT(16)

/* exit qualification of MOV CR, CLTS, LMSW: SDM 3C table 28-3 */
#define VMX_CR_NUMBER(q)		((q) & 0xf)
#define VMX_CR_TYPE(q)			(((q) >> 4) & 3)
#define VMX_CR_MOV_TO			0
#define VMX_CR_MOV_FROM			1
#define VMX_CR_CLTS			2
#define VMX_CR_LMSW			3
#define VMX_CR_LMSW_MEMORY		BIT(6)
#define VMX_CR_GPR(q)			(((q) >> 8) & 0xf)
#define VMX_CR_LMSW_SOURCE(q)		(((q) >> 16) & 0xffff)

/* of MOV DR: table 28-4 */
#define VMX_DR_NUMBER(q)		((q) & 7)
#define VMX_DR_MOV_FROM			BIT(4)
#define VMX_DR_GPR(q)			(((q) >> 8) & 0xf)

/* of I/O instructions: table 28-5 */
#define VMX_IO_SIZE(q)			(((q) & 7) + 1)
#define VMX_IO_IN			BIT(3)
#define VMX_IO_STRING			BIT(4)
#define VMX_IO_REP			BIT(5)
#define VMX_IO_IMMEDIATE		BIT(6)
#define VMX_IO_PORT(q)			(((q) >> 16) & 0xffff)

/* of an APIC access: table 28-6 */
#define VMX_APIC_OFFSET(q)		((q) & 0xfff)
#define VMX_APIC_TYPE(q)		(((q) >> 12) & 0xf)

/* guest interrupt status, SDM 3C 25.4.2: RVI and SVI */
#define VMX_INTR_STATUS(rvi, svi)	((rvi) | (svi) << 8)

/* of a task switch: table 28-2 */
#define VMX_TASK_SELECTOR(q)		((q) & 0xffff)
#define VMX_TASK_SOURCE(q)		(((q) >> 30) & 3)
#define VMX_TASK_CALL			0
#define VMX_TASK_IRET			1
#define VMX_TASK_JMP			2
#define VMX_TASK_GATE			3

/* of an EPT violation: table 28-7 */
#define VMX_EPT_VIOLATION_READ		BIT(0)	/* what the access was */
#define VMX_EPT_VIOLATION_WRITE		BIT(1)
#define VMX_EPT_VIOLATION_FETCH		BIT(2)
#define VMX_EPT_VIOLATION_READABLE	BIT(3)	/* what the entries allow */
#define VMX_EPT_VIOLATION_WRITABLE	BIT(4)
#define VMX_EPT_VIOLATION_EXECUTABLE	BIT(5)
#define VMX_EPT_VIOLATION_USER_EXECUTE	BIT(6)
#define VMX_EPT_VIOLATION_LINEAR_VALID	BIT(7)	/* guest-linear address field */
#define VMX_EPT_VIOLATION_TRANSLATED	BIT(8)	/* the access itself, not a walk of the guest's tables */
#define VMX_EPT_VIOLATION_LINEAR_USER	BIT(9)	/* 9 to 11: with advanced information */
#define VMX_EPT_VIOLATION_LINEAR_WRITE	BIT(10)
#define VMX_EPT_VIOLATION_LINEAR_XD	BIT(11)
#define VMX_EPT_VIOLATION_NMI_UNBLOCKING BIT(12)
#define VMX_EPT_VIOLATION_ASYNCHRONOUS	BIT(16)

/* EPT pointer, SDM 3C table 25-9 */
#define VMX_EPTP_MEMORY_TYPE		7ULL
#define VMX_EPTP_UC			0ULL
#define VMX_EPTP_WB			6ULL
#define VMX_EPTP_WALK_SHIFT		3
#define VMX_EPTP_WALK(levels)		((u64)((levels) - 1) << VMX_EPTP_WALK_SHIFT)
#define VMX_EPTP_ACCESSED_DIRTY		BIT_ULL(6)
#define VMX_EPTP_SHADOW_STACK		BIT_ULL(7)

/* INVEPT: types */
#define VMX_INVEPT_SINGLE		1UL
#define VMX_INVEPT_ALL			2UL

/* VM-function controls */
#define VMX_VMFUNC_EPTP_SWITCH		BIT_ULL(0)

/* VM-instruction error numbers, SDM 3C 31.4, without those of SMM monitors */
enum vmx_instruction_error {
	VMX_ERROR_VMCALL_IN_ROOT		= 1,
	VMX_ERROR_VMCLEAR_ADDRESS		= 2,
	VMX_ERROR_VMCLEAR_VMXON_POINTER		= 3,
	VMX_ERROR_VMLAUNCH_NOT_CLEAR		= 4,
	VMX_ERROR_VMRESUME_NOT_LAUNCHED		= 5,
	VMX_ERROR_VMRESUME_AFTER_VMXOFF		= 6,
	VMX_ERROR_ENTRY_CONTROLS		= 7,
	VMX_ERROR_ENTRY_HOST_STATE		= 8,
	VMX_ERROR_VMPTRLD_ADDRESS		= 9,
	VMX_ERROR_VMPTRLD_VMXON_POINTER		= 10,
	VMX_ERROR_VMPTRLD_REVISION		= 11,
	VMX_ERROR_NO_SUCH_FIELD			= 12,
	VMX_ERROR_VMWRITE_READ_ONLY		= 13,
	VMX_ERROR_VMXON_IN_ROOT			= 15,
	VMX_ERROR_ENTRY_BLOCKED_BY_MOV_SS	= 26,
	VMX_ERROR_INVEPT_INVVPID_OPERAND	= 28,
};

#endif
#endif
