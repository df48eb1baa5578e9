// SPDX-License-Identifier: GPL-2.0
/* Checks of a VM entry on the controls and the host state: SDM 3C 27.2. */
#include "vmx/check_rules.h"

#define PAGE_TEXT	"bits 11:0 and bits beyond the physical-address width must be 0"
#define ALLOWED_TEXT	"a bit is 0 that must be 1, or 1 that must be 0: see the IA32_VMX_x_CTLS MSR"
#define AREA_TEXT	"bits 3:0 and bits beyond the physical-address width must be 0, up to the area's last byte"

static bool vmx_legal_cr3_targets(const struct vmx_check *c, u64 value, u64 arg)
{
	return value <= VMX_MISC_CR3_TARGETS(c->limits->misc);
}

/* Bits 31:4 count unless virtual-interrupt delivery is on */
static bool vmx_legal_tpr_threshold(const struct vmx_check *c, u64 value, u64 arg)
{
	return c->word[W_PROC2] & VMX_PROC2_VIRTUAL_INTERRUPT || !(value & ~0xfULL);
}

static bool vmx_legal_tpr_below(const struct vmx_check *c, u64 value, u64 arg)
{
	return c->word[W_PROC2] & (VMX_PROC2_VIRTUAL_INTERRUPT | VMX_PROC2_VIRTUALIZE_APIC) ||
	       (value & 0xf) <= c->limits->vtpr >> 4;
}

static bool vmx_legal_eptp_type(const struct vmx_check *c, u64 value, u64 arg)
{
	switch (value & VMX_EPTP_MEMORY_TYPE) {
	case VMX_EPTP_UC:
		return c->limits->ept_vpid & VMX_EPT_CAP_UC;
	case VMX_EPTP_WB:
		return c->limits->ept_vpid & VMX_EPT_CAP_WB;
	}
	return false;
}

static bool vmx_legal_eptp_walk(const struct vmx_check *c, u64 value, u64 arg)
{
	switch (value & VMX_EPTP_WALK(8)) {
	case VMX_EPTP_WALK(4):
		return c->limits->ept_vpid & VMX_EPT_CAP_WALK_4;
	case VMX_EPTP_WALK(5):
		return c->limits->ept_vpid & VMX_EPT_CAP_WALK_5;
	}
	return false;
}

static bool vmx_legal_eptp_features(const struct vmx_check *c, u64 value, u64 arg)
{
	if (value & VMX_EPTP_ACCESSED_DIRTY && !(c->limits->ept_vpid & VMX_EPT_CAP_ACCESSED_DIRTY))
		return false;
	return !(value & VMX_EPTP_SHADOW_STACK) || c->limits->ept_vpid & VMX_EPT_CAP_SHADOW_STACK;
}

static bool vmx_legal_event_type(const struct vmx_check *c, u64 value, u64 arg)
{
	switch (value & VMX_INTR_TYPE) {
	case 1U << VMX_INTR_TYPE_SHIFT:
		return false;
	case VMX_INTR_OTHER_EVENT:
		return c->limits->proc >> 32 & VMX_PROC_MONITOR_TRAP_FLAG;
	}
	return true;
}

static bool vmx_legal_event_vector(const struct vmx_check *c, u64 value, u64 arg)
{
	u8 vector = value & VMX_INTR_VECTOR;

	switch (value & VMX_INTR_TYPE) {
	case VMX_INTR_NMI:
		return vector == 2;
	case VMX_INTR_HARDWARE_EXCEPTION:
		return vector < 32;
	case VMX_INTR_OTHER_EVENT:
		return vector == 0;
	}
	return true;
}

/*
 * #DF #TS #NP #SS #GP #PF #AC have an error code, except in real mode; #CP
 * exists only on CPUs that don't look (IA32_VMX_BASIC bit 56)
 */
static bool vmx_legal_event_error(const struct vmx_check *c, u64 value, u64 arg)
{
	bool delivers = value & VMX_INTR_ERROR_CODE, has;
	u8 vector = value & VMX_INTR_VECTOR;

	if ((value & VMX_INTR_TYPE) != VMX_INTR_HARDWARE_EXCEPTION ||
	    !(c->read(c->ctx, VMCS_GUEST_CR0) & CR0_PE_BIT))
		return !delivers;
	if (c->limits->basic & VMX_INFO_ANY_ERROR_CODE)
		return true;
	has = vector < 32 && 0x00027d00U >> vector & 1;
	return delivers == has;
}

static bool vmx_legal_insn_length(const struct vmx_check *c, u64 value, u64 arg)
{
	return value ? value <= 15 : !!(c->limits->misc & VMX_MISC_ZERO_LENGTH);
}

const struct vmx_rule vmx_control_rules[] = {
	/* SDM 3C 27.2.1.1 */
	{ VMCS_PIN_BASED_CONTROLS, 0, ALWAYS, ALLOWED(pin), ALLOWED_TEXT },
	{ VMCS_PROC_BASED_CONTROLS, 0, ALWAYS, ALLOWED(proc), ALLOWED_TEXT },
	{ VMCS_PROC_BASED_CONTROLS2, 0, COND(PROC, VMX_PROC_SECONDARY), ALLOWED(proc2), ALLOWED_TEXT },
	{ VMCS_PROC_BASED_CONTROLS3, 0, COND(PROC, VMX_PROC_TERTIARY), WITHIN(proc3), ALLOWED_TEXT },
	{ VMCS_CR3_TARGET_COUNT, 0, ALWAYS, BY(cr3_targets), "must not exceed IA32_VMX_MISC bits 24:16" },
	{ VMCS_IO_BITMAP_A, 0, COND(PROC, VMX_PROC_IO_BITMAPS), ADDRESS(0xfff), PAGE_TEXT },
	{ VMCS_IO_BITMAP_B, 0, COND(PROC, VMX_PROC_IO_BITMAPS), ADDRESS(0xfff), PAGE_TEXT },
	{ VMCS_MSR_BITMAP, 0, COND(PROC, VMX_PROC_MSR_BITMAPS), ADDRESS(0xfff), PAGE_TEXT },
	{ VMCS_VIRTUAL_APIC_ADDR, 0, COND(PROC, VMX_PROC_TPR_SHADOW), ADDRESS(0xfff), PAGE_TEXT },
	{ VMCS_TPR_THRESHOLD, 0, COND(PROC, VMX_PROC_TPR_SHADOW), BY(tpr_threshold),
	  "bits 31:4 must be 0 with \"use TPR shadow\" and without \"virtual-interrupt delivery\"" },
	{ VMCS_PIN_BASED_CONTROLS, 0, COND(PIN, VMX_PIN_VIRTUAL_NMIS), NEED(PIN, VMX_PIN_NMI),
	  "\"virtual NMIs\" needs \"NMI exiting\"" },
	{ VMCS_PROC_BASED_CONTROLS, 0, COND(PROC, VMX_PROC_NMI_WINDOW), NEED(PIN, VMX_PIN_VIRTUAL_NMIS),
	  "\"NMI-window exiting\" needs \"virtual NMIs\"" },
	{ VMCS_APIC_ACCESS_ADDR, 0, COND(PROC2, VMX_PROC2_VIRTUALIZE_APIC), ADDRESS(0xfff), PAGE_TEXT },
	{ VMCS_PROC_BASED_CONTROLS2, 0, COND(PROC2, VMX_PROC2_VIRTUALIZE_X2APIC), NEED(PROC, VMX_PROC_TPR_SHADOW),
	  "\"virtualize x2APIC mode\" needs \"use TPR shadow\"" },
	{ VMCS_PROC_BASED_CONTROLS2, 0, COND(PROC2, VMX_PROC2_APIC_REGISTER), NEED(PROC, VMX_PROC_TPR_SHADOW),
	  "\"APIC-register virtualization\" needs \"use TPR shadow\"" },
	{ VMCS_PROC_BASED_CONTROLS2, 0, COND(PROC2, VMX_PROC2_VIRTUAL_INTERRUPT), NEED(PROC, VMX_PROC_TPR_SHADOW),
	  "\"virtual-interrupt delivery\" needs \"use TPR shadow\"" },
	{ VMCS_PROC_BASED_CONTROLS3, 0, COND(PROC3, VMX_PROC3_IPI), NEED(PROC, VMX_PROC_TPR_SHADOW),
	  "\"IPI virtualization\" needs \"use TPR shadow\"" },
	{ VMCS_PROC_BASED_CONTROLS2, 0, COND(PROC2, VMX_PROC2_VIRTUALIZE_X2APIC), ZERO(VMX_PROC2_VIRTUALIZE_APIC),
	  "\"virtualize x2APIC mode\" excludes \"virtualize APIC accesses\"" },
	{ VMCS_PROC_BASED_CONTROLS2, 0, COND(PROC2, VMX_PROC2_VIRTUAL_INTERRUPT), NEED(PIN, VMX_PIN_EXTERNAL_INTERRUPT),
	  "\"virtual-interrupt delivery\" needs \"external-interrupt exiting\"" },
	{ VMCS_PIN_BASED_CONTROLS, 0, COND(PIN, VMX_PIN_POSTED_INTERRUPTS), NEED(PROC2, VMX_PROC2_VIRTUAL_INTERRUPT),
	  "\"process posted interrupts\" needs \"virtual-interrupt delivery\"" },
	{ VMCS_PIN_BASED_CONTROLS, 0, COND(PIN, VMX_PIN_POSTED_INTERRUPTS), NEED(EXITC, VMX_EXITC_ACK_INTERRUPT),
	  "\"process posted interrupts\" needs \"acknowledge interrupt on exit\"" },
	{ VMCS_POSTED_INTR_VECTOR, 0, COND(PIN, VMX_PIN_POSTED_INTERRUPTS), ZERO(0xff00), "must be 0 to 255" },
	{ VMCS_POSTED_INTR_DESC_ADDR, 0, COND(PIN, VMX_PIN_POSTED_INTERRUPTS), ADDRESS(0x3f),
	  "bits 5:0 and bits beyond the physical-address width must be 0" },
	{ VMCS_VPID, 0, COND(PROC2, VMX_PROC2_VPID), BY(nonzero), "must not be 0 with \"enable VPID\"" },
	{ VMCS_EPT_POINTER, 0, COND(PROC2, VMX_PROC2_EPT), BY(eptp_type),
	  "bits 2:0 must be a memory type of IA32_VMX_EPT_VPID_CAP" },
	{ VMCS_EPT_POINTER, 0, COND(PROC2, VMX_PROC2_EPT), BY(eptp_walk),
	  "bits 5:3 must be a page-walk length of IA32_VMX_EPT_VPID_CAP, less 1" },
	{ VMCS_EPT_POINTER, 0, COND(PROC2, VMX_PROC2_EPT), BY(eptp_features),
	  "bits 6 and 7 must be 0 if accessed and dirty flags, shadow-stack control are not supported" },
	{ VMCS_EPT_POINTER, 0, COND(PROC2, VMX_PROC2_EPT), ADDRESS(0xf00),
	  "bits 11:8 and bits beyond the physical-address width must be 0" },
	{ VMCS_PROC_BASED_CONTROLS2, 0, COND(PROC2, VMX_PROC2_PML), NEED(PROC2, VMX_PROC2_EPT),
	  "\"enable PML\" needs \"enable EPT\"" },
	{ VMCS_PML_ADDR, 0, COND(PROC2, VMX_PROC2_PML), ADDRESS(0xfff), PAGE_TEXT },
	{ VMCS_PROC_BASED_CONTROLS2, 0, COND(PROC2, VMX_PROC2_UNRESTRICTED_GUEST), NEED(PROC2, VMX_PROC2_EPT),
	  "\"unrestricted guest\" needs \"enable EPT\"" },
	{ VMCS_PROC_BASED_CONTROLS2, 0, COND(PROC2, VMX_PROC2_MODE_BASED_EXECUTE), NEED(PROC2, VMX_PROC2_EPT),
	  "\"mode-based execute control for EPT\" needs \"enable EPT\"" },
	{ VMCS_PROC_BASED_CONTROLS2, 0, COND(PROC2, VMX_PROC2_SUB_PAGE), NEED(PROC2, VMX_PROC2_EPT),
	  "\"sub-page write permissions for EPT\" needs \"enable EPT\"" },
	{ VMCS_SPP_TABLE_POINTER, 0, COND(PROC2, VMX_PROC2_SUB_PAGE), ADDRESS(0xfff), PAGE_TEXT },
	{ VMCS_VM_FUNCTION_CONTROLS, 0, COND(PROC2, VMX_PROC2_VMFUNC), WITHIN(vmfunc),
	  "a bit is 1 that IA32_VMX_VMFUNC does not allow" },
	{ VMCS_VM_FUNCTION_CONTROLS, 0, COND(STATE, S_EPTP_SWITCHING), NEED(PROC2, VMX_PROC2_EPT),
	  "\"EPTP switching\" needs \"enable EPT\"" },
	{ VMCS_EPTP_LIST_ADDR, 0, COND(STATE, S_EPTP_SWITCHING), ADDRESS(0xfff), PAGE_TEXT },
	{ VMCS_VMREAD_BITMAP, 0, COND(PROC2, VMX_PROC2_VMCS_SHADOWING), ADDRESS(0xfff), PAGE_TEXT },
	{ VMCS_VMWRITE_BITMAP, 0, COND(PROC2, VMX_PROC2_VMCS_SHADOWING), ADDRESS(0xfff), PAGE_TEXT },
	{ VMCS_VE_INFO_ADDR, 0, COND(PROC2, VMX_PROC2_EPT_VIOLATION_VE), ADDRESS(0xfff), PAGE_TEXT },
	{ VMCS_PROC_BASED_CONTROLS2, 0, COND(PROC2, VMX_PROC2_PT_GUEST_PHYSICAL), NEED(PROC2, VMX_PROC2_EPT),
	  "\"Intel PT uses guest physical addresses\" needs \"enable EPT\"" },
	{ VMCS_PROC_BASED_CONTROLS2, 0, COND(PROC2, VMX_PROC2_PT_GUEST_PHYSICAL), NEED(ENTRY, VMX_ENTRY_LOAD_RTIT_CTL),
	  "\"Intel PT uses guest physical addresses\" needs \"load IA32_RTIT_CTL\" at entry" },
	{ VMCS_PROC_BASED_CONTROLS2, 0, COND(PROC2, VMX_PROC2_PT_GUEST_PHYSICAL), NEED(EXITC, VMX_EXITC_CLEAR_RTIT_CTL),
	  "\"Intel PT uses guest physical addresses\" needs \"clear IA32_RTIT_CTL\" at exit" },
	{ VMCS_TSC_MULTIPLIER, 0, COND(PROC2, VMX_PROC2_TSC_SCALING), BY(nonzero),
	  "must not be 0 with \"use TSC scaling\"" },
	{ VMCS_PID_POINTER_TABLE_ADDR, 0, COND(PROC3, VMX_PROC3_IPI), ADDRESS(7),
	  "bits 2:0 and bits beyond the physical-address width must be 0" },

	/* 27.2.1.2 */
	{ VMCS_EXIT_CONTROLS, 0, ALWAYS, ALLOWED(exit), ALLOWED_TEXT },
	{ VMCS_EXIT_CONTROLS, 0, COND(EXITC, VMX_EXITC_SAVE_PREEMPTION_TIMER), NEED(PIN, VMX_PIN_PREEMPTION_TIMER),
	  "\"save VMX-preemption timer value\" needs \"activate VMX-preemption timer\"" },
	{ VMCS_EXIT_MSR_STORE_ADDR, 0, ALWAYS, MSR_AREA(VMCS_EXIT_MSR_STORE_COUNT), AREA_TEXT },
	{ VMCS_EXIT_MSR_LOAD_ADDR, 0, ALWAYS, MSR_AREA(VMCS_EXIT_MSR_LOAD_COUNT), AREA_TEXT },

	/* 27.2.1.3 */
	{ VMCS_ENTRY_CONTROLS, 0, ALWAYS, ALLOWED(entry), ALLOWED_TEXT },
	{ VMCS_ENTRY_INTR_INFO, 0, COND(EVENT, VMX_INTR_VALID), BY(event_type),
	  "type 1 is reserved, type 7 needs the monitor trap flag" },
	{ VMCS_ENTRY_INTR_INFO, 0, COND(EVENT, VMX_INTR_VALID), BY(event_vector),
	  "the vector of an NMI is 2, of an exception at most 31, of another event 0" },
	{ VMCS_ENTRY_INTR_INFO, 0, COND(EVENT, VMX_INTR_VALID), BY(event_error),
	  "an error code goes with #DF #TS #NP #SS #GP #PF #AC in protected mode, and with nothing else" },
	{ VMCS_ENTRY_INTR_INFO, 0, COND(EVENT, VMX_INTR_VALID), ZERO(0x7ffff000), "bits 30:12 must be 0" },
	{ VMCS_ENTRY_ERROR_CODE, 0, COND(EVENT, VMX_INTR_VALID | VMX_INTR_ERROR_CODE), ZERO(0xffff0000),
	  "bits 31:16 must be 0" },
	{ VMCS_ENTRY_INSN_LENGTH, 0, COND(STATE, S_SOFTWARE), BY(insn_length),
	  "must be 1 to 15, or 0 if IA32_VMX_MISC bit 30 is 1" },
	{ VMCS_ENTRY_MSR_LOAD_ADDR, 0, ALWAYS, MSR_AREA(VMCS_ENTRY_MSR_LOAD_COUNT), AREA_TEXT },
	{ VMCS_ENTRY_CONTROLS, 0, ALWAYS, ZERO(VMX_ENTRY_SMM | VMX_ENTRY_DUAL_MONITOR),
	  "\"entry to SMM\" and \"deactivate dual-monitor treatment\" must be 0 outside SMM" },

	/* 27.2.1.1 again: last, as VTPR may not be known */
	{ VMCS_TPR_THRESHOLD, 0, COND(PROC, VMX_PROC_TPR_SHADOW), BY(tpr_below),
	  "bits 3:0 must not exceed bits 7:4 of VTPR without APIC virtualization" },
	{ }
};

#define SELECTOR_TEXT	"RPL (bits 1:0) and the TI flag (bit 2) must be 0"

const struct vmx_rule vmx_host_rules[] = {
	/* SDM 3C 27.2.2 */
	{ VMCS_HOST_CR0, 0, ALWAYS, BY(cr0), "a bit is not as IA32_VMX_CR0_FIXED0 and FIXED1 demand" },
	{ VMCS_HOST_CR4, 0, ALWAYS, BY(cr4), "a bit is not as IA32_VMX_CR4_FIXED0 and FIXED1 demand" },
	{ VMCS_HOST_CR0, 0, COND(STATE, S_HOST_CET), ONES(CR0_WP_BIT), "WP must be 1 if CR4.CET is" },
	{ VMCS_HOST_CR3, 0, ALWAYS, BY(cr3), "bits beyond the physical-address width must be 0" },
	{ VMCS_HOST_SYSENTER_ESP, 0, ALWAYS, CANONICAL, CANONICAL_TEXT },
	{ VMCS_HOST_SYSENTER_EIP, 0, ALWAYS, CANONICAL, CANONICAL_TEXT },
	{ VMCS_HOST_PERF_GLOBAL_CTRL, 0, COND(EXITC, VMX_EXITC_LOAD_PERF_GLOBAL_CTRL), WITHIN(perf_global_ctrl),
	  "a reserved bit is 1" },
	{ VMCS_HOST_PAT, 0, COND(EXITC, VMX_EXITC_LOAD_PAT), PAT, "each byte must be 0, 1, 4, 5, 6 or 7" },
	{ VMCS_HOST_EFER, 0, COND(EXITC, VMX_EXITC_LOAD_EFER), WITHIN(efer), "a reserved bit is 1" },
	{ VMCS_HOST_EFER, 0, COND(EXITC, VMX_EXITC_LOAD_EFER), ONES(EFER_LME_BIT | EFER_LMA_BIT),
	  "LMA and LME must be 1, as \"host address-space size\" is" },
	{ VMCS_HOST_S_CET, 0, COND(EXITC, VMX_EXITC_LOAD_CET), CET,
	  "bits 9:6 must be 0, bits 11:10 not both 1, the address canonical" },
	{ VMCS_HOST_SSP, 0, COND(EXITC, VMX_EXITC_LOAD_CET), ZERO(3), "bits 1:0 must be 0" },
	{ VMCS_HOST_SSP, 0, COND(EXITC, VMX_EXITC_LOAD_CET), CANONICAL, CANONICAL_TEXT },
	{ VMCS_HOST_INTR_SSP_TABLE, 0, COND(EXITC, VMX_EXITC_LOAD_CET), CANONICAL, CANONICAL_TEXT },
	{ VMCS_HOST_PKRS, 0, COND(EXITC, VMX_EXITC_LOAD_PKRS), ZERO(HIGH_HALF), "bits 63:32 must be 0" },

	/* 27.2.3 */
	{ VMCS_HOST_ES_SELECTOR, 0, ALWAYS, ZERO(7), SELECTOR_TEXT },
	{ VMCS_HOST_CS_SELECTOR, 0, ALWAYS, ZERO(7), SELECTOR_TEXT },
	{ VMCS_HOST_SS_SELECTOR, 0, ALWAYS, ZERO(7), SELECTOR_TEXT },
	{ VMCS_HOST_DS_SELECTOR, 0, ALWAYS, ZERO(7), SELECTOR_TEXT },
	{ VMCS_HOST_FS_SELECTOR, 0, ALWAYS, ZERO(7), SELECTOR_TEXT },
	{ VMCS_HOST_GS_SELECTOR, 0, ALWAYS, ZERO(7), SELECTOR_TEXT },
	{ VMCS_HOST_TR_SELECTOR, 0, ALWAYS, ZERO(7), SELECTOR_TEXT },
	{ VMCS_HOST_CS_SELECTOR, 0, ALWAYS, BY(nonzero), "must not be 0" },
	{ VMCS_HOST_TR_SELECTOR, 0, ALWAYS, BY(nonzero), "must not be 0" },
	{ VMCS_HOST_FS_BASE, 0, ALWAYS, CANONICAL, CANONICAL_TEXT },
	{ VMCS_HOST_GS_BASE, 0, ALWAYS, CANONICAL, CANONICAL_TEXT },
	{ VMCS_HOST_GDTR_BASE, 0, ALWAYS, CANONICAL, CANONICAL_TEXT },
	{ VMCS_HOST_IDTR_BASE, 0, ALWAYS, CANONICAL, CANONICAL_TEXT },
	{ VMCS_HOST_TR_BASE, 0, ALWAYS, CANONICAL, CANONICAL_TEXT },

	/* 27.2.4, from IA-32e mode */
	{ VMCS_EXIT_CONTROLS, 0, ALWAYS, NEED(EXITC, VMX_EXITC_HOST_64),
	  "\"host address-space size\" must be 1 on an entry from IA-32e mode" },
	{ VMCS_HOST_CR4, 0, ALWAYS, ONES(CR4_PAE_BIT), "PAE must be 1 with \"host address-space size\"" },
	{ VMCS_HOST_RIP, 0, ALWAYS, CANONICAL, CANONICAL_TEXT },
	{ }
};
