// SPDX-License-Identifier: GPL-2.0
/*
 * MSRs as a guest sees them: one sorted table. What is not in it is #GP, as
 * the architecture has it for an MSR that is not there; operating systems
 * probe with accessors that survive that. Counted, never printed.
 *
 * Reads of kept values, the TSC, and the local APIC's MSRs are served in the
 * fast loop; the rest leaves it, since its value may be in the hardware or its
 * change reaches further.
 */
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <asm/cpufeature.h>
#include <asm/kvm_para.h>
#include <asm/msr-index.h>
#include <asm/tsc.h>

#include "hostcpu.h"
#include "irqchip/irqchip.h"
#include "msr.h"
#include "state_check.h"
#include "vendor.h"

#define HUSK_MSR_APIC_FIRST	0x800	/* x2APIC registers, SDM 3A table 11-6 */
#define HUSK_MSR_APIC_COUNT	0x100

/* Not in the kernel's headers under a name common to 6.1 and 7.2 */
#define HUSK_MSR_TOP_MEM	0xc001001a
#define HUSK_MSR_TOP_MEM2	0xc001001d
#define HUSK_MSR_MMIO_CONF	0xc0010058
#define HUSK_MSR_SYSCFG		0xc0010010
#define HUSK_MSR_DE_CFG		0xc0011029

#define HUSK_PAT_RESET		0x0007040600070406ULL	/* SDM 3A table 12-12 */
#define HUSK_MISC_ENABLE_RESET	(BIT_ULL(0) | BIT_ULL(11) | BIT_ULL(12))	/* fast strings; no BTS, no PEBS */
#define HUSK_DEBUGCTL_IGNORED	(BIT_ULL(0) | BIT_ULL(1))	/* LBR, BTF: no branch is recorded, each step is one */
#define HUSK_HWCR_RESET		BIT_ULL(24)		/* the TSC counts at P0 frequency */
#define HUSK_HWCR_KEPT		(BIT_ULL(18) | BIT_ULL(24))
#define HUSK_HWCR_IGNORED	(BIT_ULL(3) | BIT_ULL(6) | BIT_ULL(8))	/* cache and flush filters, IGNNE */

enum {
	HUSK_MSR_KEPT	= BIT(0),	/* at .offset of struct husk_vcpu */
	HUSK_MSR_VENDOR	= BIT(1),	/* where husk_vendor->host_msr() says */
	HUSK_MSR_STATE	= BIT(2),	/* in the state class MSRS; implies one of the two above */
	HUSK_MSR_CONST	= BIT(3),	/* reads .value; a write is #GP unless IGNORE */
	HUSK_MSR_IGNORE	= BIT(4),	/* a checked write changes nothing */
	HUSK_MSR_APIC	= BIT(5),	/* the local APIC's matter */
	HUSK_MSR_SLOW	= BIT(6),	/* reads need interrupts on */
	HUSK_MSR_FAST_WRITE = BIT(7),
	HUSK_MSR_SET_WRITES = BIT(8),	/* a state class sets it by .write, too */
};

/**
 * struct husk_msr_row - an MSR, or consecutive ones
 * @index: of the first
 * @count: how many
 * @offset: HUSK_MSR_KEPT: of the first one's value in struct husk_vcpu
 * @flags: HUSK_MSR_x
 * @pv: bit KVM_FEATURE_x that the VM must have; 0: none
 * @value: HUSK_MSR_CONST: what it reads as
 * @there: does this host let guests have it; NULL: always
 * @check: is the value legal for a guest's write and in a snapshot
 * @read: if not kept. The functions get the MSR's index
 * @write: after @check; for what a write does beyond keeping the value
 */
struct husk_msr_row {
	u32 index;
	u16 count;
	u16 offset;
	u32 flags;
	u32 pv;
	u64 value;
	bool (*there)(void);
	bool (*check)(struct husk_vcpu *vcpu, u32 index, u64 value);
	u64 (*read)(struct husk_vcpu *vcpu, u32 index);
	void (*write)(struct husk_vcpu *vcpu, u32 index, u64 value);
};

/* ---- what is legal ---- */

static bool husk_msr_check_zero(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return !value;
}

static bool husk_msr_check_32bit(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return !(value >> 32);
}

static bool husk_msr_check_address(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return husk_canonical(value);
}

static bool husk_msr_check_pat(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return husk_pat_valid(value);
}

static bool husk_msr_check_mtrr(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return husk_mtrr_valid(index, value, husk_host.phys_bits);
}

static bool husk_msr_check_misc_enable(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return ((value | BIT_ULL(0)) == HUSK_MISC_ENABLE_RESET);
}

static bool husk_msr_check_mcg_status(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return !(value & ~7ULL);	/* RIPV EIPV MCIP */
}

static bool husk_msr_check_hwcr(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return !(value & ~(HUSK_HWCR_KEPT | HUSK_HWCR_IGNORED));
}

static bool husk_msr_check_spec_ctrl(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return !(value & ~husk_host_spec_ctrl_bits());
}

static bool husk_msr_check_pred_cmd(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return !(value & ~(u64)PRED_CMD_IBPB);
}

static bool husk_msr_check_debugctl(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return !(value & ~HUSK_DEBUGCTL_IGNORED);
}

static bool husk_msr_there_amd(void)
{
	return husk_mode(HUSK_MODE_SVM);
}

static bool husk_msr_there_intel(void)
{
	return husk_mode(HUSK_MODE_VMX);
}

static bool husk_msr_there_ibpb(void)
{
	return boot_cpu_has(X86_FEATURE_IBPB);
}

static bool husk_msr_there_pv(void)
{
	return true;
}

static bool husk_msr_there_tsc_aux(void)
{
	return boot_cpu_has(X86_FEATURE_RDTSCP) || boot_cpu_has(X86_FEATURE_RDPID);
}

/* ---- what has its own way ---- */

static u64 husk_msr_read_tsc(struct husk_vcpu *vcpu, u32 index)
{
	return husk_guest_tsc(vcpu);
}

static void husk_msr_move_tsc(struct husk_vcpu *vcpu, u64 delta)
{
	WRITE_ONCE(vcpu->tsc_offset, vcpu->tsc_offset + delta);
	husk_dirty(vcpu, HUSK_SYS_TSC);
	husk_lapic_tsc_changed(vcpu);
	husk_pv_tsc_moved(vcpu->vm);
}

/* A write to one moves the other by as much (SDM 3B 18.17.3). */
static void husk_msr_write_tsc(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	u64 delta = value - husk_guest_tsc(vcpu);

	vcpu->tsc_adjust += delta;
	husk_msr_move_tsc(vcpu, delta);
}

static void husk_msr_write_tsc_adjust(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	u64 delta = value - vcpu->tsc_adjust;

	vcpu->tsc_adjust = value;
	husk_msr_move_tsc(vcpu, delta);
}

static void husk_msr_write_pred_cmd(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	if (value)
		husk_host_ibpb();
}

/*
 * What a CPU is immune to, and a few weaknesses, which are told as well (SDM 4
 * table 2-2): RDCL_NO IBRS_ALL RSBA SKIP_L1DFL_VMENTRY SSB_NO MDS_NO
 * PSCHANGE_MC_NO TAA_NO SBDR_SSDP_NO FBSDP_NO PSDP_NO FB_CLEAR RRSBA BHI_NO
 * PBRSB_NO GDS_NO RFDS_NO RFDS_CLEAR ITS_NO. Without those that promise an MSR.
 */
#define HUSK_ARCH_CAPS \
	(GENMASK_ULL(6, 0) | BIT_ULL(8) | GENMASK_ULL(15, 13) | BIT_ULL(17) | BIT_ULL(19) | BIT_ULL(20) | \
	 BIT_ULL(24) | GENMASK_ULL(28, 26) | BIT_ULL(62))
#define HUSK_ARCH_CAP_PSCHANGE_MC_NO	BIT_ULL(6)

bool husk_msr_has_arch_caps(void)
{
	return husk_msr_there_intel() && boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES);
}

static u64 husk_msr_read_arch_caps(struct husk_vcpu *vcpu, u32 index)
{
	u64 value;

	if (husk_host_rdmsr_safe(MSR_IA32_ARCH_CAPABILITIES, &value))
		value = 0;
	/* iTLB multihit is a matter of second-level pages: ept_npt/fault.c */
	return (value & HUSK_ARCH_CAPS) | HUSK_ARCH_CAP_PSCHANGE_MC_NO;
}

/* Intel puts the revision in the upper half (SDM 3A 10.11.7.1), AMD in the lower */
static u64 husk_msr_read_microcode(struct husk_vcpu *vcpu, u32 index)
{
	u64 revision = boot_cpu_data.microcode;

	return boot_cpu_data.x86_vendor == X86_VENDOR_INTEL ? revision << 32 : revision;
}

static void husk_msr_write_pat(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	husk_fetch(vcpu, HUSK_SYS_CR);
	vcpu->pat = value;
	husk_dirty(vcpu, HUSK_SYS_CR);	/* the vendor writes PAT with it */
}

static void husk_msr_write_hwcr(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	vcpu->misc_msrs[HUSK_MISC_HWCR] = value & HUSK_HWCR_KEPT;
}

static struct husk_segment *husk_msr_segment(struct husk_vcpu *vcpu, u32 index)
{
	husk_fetch(vcpu, HUSK_SYS_SEG);
	return index == MSR_FS_BASE ? &vcpu->sys.fs : &vcpu->sys.gs;
}

static u64 husk_msr_read_base(struct husk_vcpu *vcpu, u32 index)
{
	return husk_msr_segment(vcpu, index)->base;
}

static void husk_msr_write_base(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	husk_msr_segment(vcpu, index)->base = value;
	husk_dirty(vcpu, HUSK_SYS_SEG);
}

static u64 husk_msr_read_efer(struct husk_vcpu *vcpu, u32 index)
{
	husk_fetch(vcpu, HUSK_SYS_CR);
	return vcpu->sys.efer;
}

/* ---- the table, sorted by index ---- */

#define KEPT(member)	.offset = offsetof(struct husk_vcpu, member), .flags = HUSK_MSR_KEPT | HUSK_MSR_STATE
#define MISC(slot)	KEPT(misc_msrs[HUSK_MISC_##slot])
#define VENDOR		.flags = HUSK_MSR_VENDOR | HUSK_MSR_STATE
/* The paravirtual ones. With .there, so that the feature is asked for each time */
#define PV(feature, slot) \
	.pv = BIT(KVM_FEATURE_##feature), .there = husk_msr_there_pv, .offset = offsetof(struct husk_vcpu, pv.msr[HUSK_PV_##slot]), \
	.flags = HUSK_MSR_KEPT | HUSK_MSR_STATE
#define PV_WRITES(feature, slot)	PV(feature, slot) | HUSK_MSR_SET_WRITES
#define AMD		.there = husk_msr_there_amd
#define INTEL		.there = husk_msr_there_intel

static const struct husk_msr_row husk_msr_rows[] = {
	{ MSR_IA32_TSC, 1, .read = husk_msr_read_tsc, .write = husk_msr_write_tsc },
	{ MSR_KVM_WALL_CLOCK, 1, PV(CLOCKSOURCE, WALL_CLOCK), .write = husk_pv_write_wall_clock },
	{ MSR_KVM_SYSTEM_TIME, 1, PV_WRITES(CLOCKSOURCE, CLOCK), .write = husk_pv_write_clock },
	{ MSR_IA32_PLATFORM_ID, 1, .flags = HUSK_MSR_CONST },
	{ MSR_IA32_APICBASE, 1, .flags = HUSK_MSR_APIC },
	{ MSR_SMI_COUNT, 1, INTEL, .flags = HUSK_MSR_CONST },
	/* Locked with everything off: no nested guests, no SGX */
	{ MSR_IA32_FEAT_CTL, 1, INTEL, .flags = HUSK_MSR_CONST, .value = FEAT_CTL_LOCKED },
	{ MSR_IA32_TSC_ADJUST, 1, KEPT(tsc_adjust), .write = husk_msr_write_tsc_adjust },
	{ MSR_IA32_SPEC_CTRL, 1, MISC(SPEC_CTRL), .there = husk_host_has_spec_ctrl,
	  .check = husk_msr_check_spec_ctrl },
	{ MSR_IA32_PRED_CMD, 1, .flags = HUSK_MSR_FAST_WRITE, .there = husk_msr_there_ibpb,
	  .check = husk_msr_check_pred_cmd, .write = husk_msr_write_pred_cmd },
	{ MSR_IA32_UCODE_WRITE, 1, .flags = HUSK_MSR_IGNORE },
	{ MSR_IA32_UCODE_REV, 1, .flags = HUSK_MSR_IGNORE, .read = husk_msr_read_microcode },
	{ MSR_PLATFORM_INFO, 1, .flags = HUSK_MSR_CONST },
	/* MTRRcap: WC, fixed ranges, 8 variable (SDM 3A 12.11.1) */
	{ MSR_MTRRcap, 1, .flags = HUSK_MSR_CONST, .value = BIT(10) | BIT(8) | HUSK_MTRR_VARIABLE },
	{ MSR_IA32_ARCH_CAPABILITIES, 1, .there = husk_msr_has_arch_caps, .read = husk_msr_read_arch_caps },
	{ MSR_IA32_SYSENTER_CS, 1, VENDOR, .check = husk_msr_check_32bit },
	{ MSR_IA32_SYSENTER_ESP, 1, VENDOR, .check = husk_msr_check_address },
	{ MSR_IA32_SYSENTER_EIP, 1, VENDOR, .check = husk_msr_check_address },
	{ MSR_IA32_MCG_CAP, 1, .flags = HUSK_MSR_CONST },	/* no banks */
	{ MSR_IA32_MCG_STATUS, 1, MISC(MCG_STATUS), .check = husk_msr_check_mcg_status },
	{ MSR_IA32_MISC_ENABLE, 1, MISC(MISC_ENABLE), .check = husk_msr_check_misc_enable },
	{ MSR_IA32_DEBUGCTLMSR, 1, .flags = HUSK_MSR_CONST | HUSK_MSR_IGNORE, .check = husk_msr_check_debugctl },
	{ MSR_IA32_LASTBRANCHFROMIP, 4, .flags = HUSK_MSR_CONST },
	{ 0x200, 2 * HUSK_MTRR_VARIABLE, MISC(MTRR_VARIABLE), .check = husk_msr_check_mtrr },
	{ MSR_MTRRfix64K_00000, 1, MISC(MTRR_FIX64K), .check = husk_msr_check_mtrr },
	{ MSR_MTRRfix16K_80000, 2, MISC(MTRR_FIX16K), .check = husk_msr_check_mtrr },
	{ MSR_MTRRfix4K_C0000, 8, MISC(MTRR_FIX4K), .check = husk_msr_check_mtrr },
	{ MSR_IA32_CR_PAT, 1, KEPT(pat) | HUSK_MSR_SET_WRITES, .check = husk_msr_check_pat, .write = husk_msr_write_pat },
	{ MSR_MTRRdefType, 1, KEPT(mtrr_def_type), .check = husk_msr_check_mtrr },
	{ MSR_IA32_TSC_DEADLINE, 1, .flags = HUSK_MSR_APIC | HUSK_MSR_FAST_WRITE },
	{ HUSK_MSR_APIC_FIRST, HUSK_MSR_APIC_COUNT, .flags = HUSK_MSR_APIC | HUSK_MSR_FAST_WRITE },
	{ MSR_KVM_WALL_CLOCK_NEW, 1, PV(CLOCKSOURCE2, WALL_CLOCK), .write = husk_pv_write_wall_clock },
	{ MSR_KVM_SYSTEM_TIME_NEW, 1, PV_WRITES(CLOCKSOURCE2, CLOCK), .write = husk_pv_write_clock },
	{ MSR_KVM_STEAL_TIME, 1, PV_WRITES(STEAL_TIME, STEAL), .check = husk_pv_check_steal,
	  .write = husk_pv_write_steal },
	{ MSR_KVM_PV_EOI_EN, 1, PV_WRITES(PV_EOI, EOI), .check = husk_pv_check_eoi, .write = husk_pv_write_eoi },
	{ MSR_KVM_POLL_CONTROL, 1, PV(POLL_CONTROL, POLL), .check = husk_pv_check_poll },
	{ MSR_EFER, 1, .read = husk_msr_read_efer },	/* write: husk_wrmsr() */
	{ MSR_STAR, 1, VENDOR },
	{ MSR_LSTAR, 1, VENDOR, .check = husk_msr_check_address },
	{ MSR_CSTAR, 1, VENDOR, .check = husk_msr_check_address },
	{ MSR_SYSCALL_MASK, 1, VENDOR, .check = husk_msr_check_32bit },
	{ MSR_FS_BASE, 1, .flags = HUSK_MSR_SLOW, .check = husk_msr_check_address,
	  .read = husk_msr_read_base, .write = husk_msr_write_base },
	{ MSR_GS_BASE, 1, .flags = HUSK_MSR_SLOW, .check = husk_msr_check_address,
	  .read = husk_msr_read_base, .write = husk_msr_write_base },
	{ MSR_KERNEL_GS_BASE, 1, VENDOR, .check = husk_msr_check_address },
	{ MSR_TSC_AUX, 1, KEPT(tsc_aux), .there = husk_msr_there_tsc_aux, .check = husk_msr_check_32bit },
	/* Four counters that never count: no performance monitoring yet */
	{ MSR_K7_EVNTSEL0, 8, AMD, .flags = HUSK_MSR_CONST | HUSK_MSR_IGNORE, .check = husk_msr_check_zero },
	{ HUSK_MSR_SYSCFG, 1, AMD, .flags = HUSK_MSR_CONST },
	{ MSR_K7_HWCR, 1, AMD, MISC(HWCR), .check = husk_msr_check_hwcr, .write = husk_msr_write_hwcr },
	{ HUSK_MSR_TOP_MEM, 1, AMD, .flags = HUSK_MSR_CONST },
	{ HUSK_MSR_TOP_MEM2, 1, AMD, .flags = HUSK_MSR_CONST },
	{ MSR_AMD64_NB_CFG, 1, AMD, .flags = HUSK_MSR_CONST | HUSK_MSR_IGNORE },
	{ MSR_AMD64_PATCH_LOADER, 1, AMD, .flags = HUSK_MSR_IGNORE },
	{ MSR_K8_INT_PENDING_MSG, 1, AMD, .flags = HUSK_MSR_CONST },
	{ HUSK_MSR_MMIO_CONF, 1, AMD, .flags = HUSK_MSR_CONST },
	/* SVMDIS and LOCK: no nested guests (APM2 15.30.1) */
	{ MSR_VM_CR, 1, AMD, .flags = HUSK_MSR_CONST, .value = BIT(4) | BIT(3) },
	/* LFENCE serializes, as every host of husk has it */
	{ HUSK_MSR_DE_CFG, 1, AMD, .flags = HUSK_MSR_CONST, .value = BIT(1) },
};

static const struct husk_msr_row *husk_msr_search(const struct husk_vcpu *vcpu, u32 index)
{
	u32 low = 0, high = ARRAY_SIZE(husk_msr_rows);

	BUILD_BUG_ON(HUSK_MISC_COUNT > ARRAY_SIZE(((struct husk_vcpu *)0)->misc_msrs));
	while (low < high) {
		u32 middle = (low + high) / 2;
		const struct husk_msr_row *row = &husk_msr_rows[middle];

		if (index < row->index)
			high = middle;
		else if (index - row->index >= row->count)
			low = middle + 1;
		else
			return (row->there && !row->there()) || (row->pv & ~vcpu->vm->pv.features) ? NULL : row;
	}
	return NULL;
}

static const struct husk_msr_row *husk_msr_find(const struct husk_vcpu *vcpu, u32 index)
{
	/* Numbers of rows that were found: any value is a legal row, and a wrong one is seen. */
	static u8 found[64];
	u8 *place = &found[(index ^ index >> 7) % ARRAY_SIZE(found)];
	const struct husk_msr_row *row = &husk_msr_rows[READ_ONCE(*place)];

	BUILD_BUG_ON(ARRAY_SIZE(husk_msr_rows) > 256);
	if (likely(index - row->index < row->count && !row->there))
		return row;
	row = husk_msr_search(vcpu, index);
	if (row)
		WRITE_ONCE(*place, row - husk_msr_rows);
	return row;
}

/* Where the value is, NULL if nowhere */
static u64 *husk_msr_place(struct husk_vcpu *vcpu, const struct husk_msr_row *row, u32 index)
{
	u64 *first = (void *)vcpu + row->offset;

	if (row->flags & HUSK_MSR_VENDOR)
		return husk_vendor->host_msr(vcpu, index);
	if (row->flags & HUSK_MSR_KEPT)
		return first + array_index_nospec(index - row->index, row->count);
	return NULL;
}

/* ---- RDMSR and WRMSR ---- */

static bool husk_msr_read(struct husk_vcpu *vcpu, const struct husk_msr_row *row, u32 index, u64 *value)
{
	u64 *place;

	if (row->flags & HUSK_MSR_APIC)
		return husk_lapic_rdmsr(vcpu, index, value);
	if (row->read) {
		*value = row->read(vcpu, index);
		return true;
	}
	place = husk_msr_place(vcpu, row, index);
	*value = place ? *place : row->value;
	return place || (row->flags & HUSK_MSR_CONST);
}

static bool husk_msr_write(struct husk_vcpu *vcpu, const struct husk_msr_row *row, u32 index, u64 value)
{
	u64 *place;

	if (row->flags & HUSK_MSR_APIC)
		return husk_lapic_wrmsr(vcpu, index, value);
	if (index == MSR_EFER)
		return husk_write_efer(vcpu, value);
	if (row->check && !row->check(vcpu, index, value))
		return false;
	if (row->write) {
		row->write(vcpu, index, value);
		return true;
	}
	place = husk_msr_place(vcpu, row, index);
	if (place)
		*place = value;
	return place || (row->flags & HUSK_MSR_IGNORE);
}

static enum husk_verdict husk_msr_fault(struct husk_vcpu *vcpu)
{
	husk_inject_gp(vcpu);
	return HUSK_RESUME;
}

static enum husk_verdict husk_msr_unknown(struct husk_vcpu *vcpu)
{
	vcpu->stats->unknown_msrs++;
	return husk_msr_fault(vcpu);
}

static enum husk_verdict husk_rdmsr_done(struct husk_vcpu *vcpu)
{
	vcpu->regs.gpr[0] = (u32)vcpu->exit.msr;
	vcpu->regs.gpr[2] = vcpu->exit.msr >> 32;
	return HUSK_RETIRE;
}

static enum husk_verdict husk_rdmsr_finish(struct husk_vcpu *vcpu, const struct husk_msr_row *row)
{
	/* in no local variable, whose address would cost a stack guard */
	if (!husk_msr_read(vcpu, row, vcpu->regs.gpr[1], &vcpu->exit.msr))
		return husk_msr_fault(vcpu);
	return husk_rdmsr_done(vcpu);
}

static enum husk_verdict husk_wrmsr_finish(struct husk_vcpu *vcpu, const struct husk_msr_row *row)
{
	u64 value = (u32)vcpu->regs.gpr[0] | vcpu->regs.gpr[2] << 32;

	return husk_msr_write(vcpu, row, vcpu->regs.gpr[1], value) ? HUSK_RETIRE : husk_msr_fault(vcpu);
}

enum husk_verdict husk_rdmsr_fast(struct husk_vcpu *vcpu)
{
	u32 index = vcpu->regs.gpr[1];
	const struct husk_msr_row *row;

	if (index - HUSK_MSR_APIC_FIRST < HUSK_MSR_APIC_COUNT)
		return husk_lapic_rdmsr(vcpu, index, &vcpu->exit.msr) ? husk_rdmsr_done(vcpu) : husk_msr_fault(vcpu);
	row = husk_msr_find(vcpu, index);
	if (!row)
		return husk_msr_unknown(vcpu);
	/* In a stay the hardware has the vendor's ones. */
	if (row->flags & (HUSK_MSR_VENDOR | HUSK_MSR_SLOW))
		return HUSK_DISPATCH;
	return husk_rdmsr_finish(vcpu, row);
}

enum husk_verdict husk_rdmsr(struct husk_vcpu *vcpu)
{
	const struct husk_msr_row *row = husk_msr_find(vcpu, vcpu->regs.gpr[1]);

	return row ? husk_rdmsr_finish(vcpu, row) : husk_msr_unknown(vcpu);
}

enum husk_verdict husk_wrmsr_fast(struct husk_vcpu *vcpu)
{
	u32 index = vcpu->regs.gpr[1];
	u64 value = (u32)vcpu->regs.gpr[0] | vcpu->regs.gpr[2] << 32;
	const struct husk_msr_row *row;

	/* By far the most frequent: timer, ICR, EOI */
	if (index == MSR_IA32_TSC_DEADLINE || index - HUSK_MSR_APIC_FIRST < HUSK_MSR_APIC_COUNT)
		return husk_lapic_wrmsr(vcpu, index, value) ? HUSK_RETIRE : husk_msr_fault(vcpu);
	row = husk_msr_find(vcpu, index);
	if (!row)
		return husk_msr_unknown(vcpu);
	return row->flags & HUSK_MSR_FAST_WRITE ? husk_wrmsr_finish(vcpu, row) : HUSK_DISPATCH;
}

enum husk_verdict husk_wrmsr(struct husk_vcpu *vcpu)
{
	const struct husk_msr_row *row = husk_msr_find(vcpu, vcpu->regs.gpr[1]);

	return row ? husk_wrmsr_finish(vcpu, row) : husk_msr_unknown(vcpu);
}

/* ---- the state class MSRS ---- */

static u64 *husk_msr_state_place(struct husk_vcpu *vcpu, const struct husk_msr_row *row, u32 index)
{
	return row && (row->flags & HUSK_MSR_STATE) ? husk_msr_place(vcpu, row, index) : NULL;
}

int husk_msr_get(struct husk_vcpu *vcpu, u32 index, u64 *value)
{
	const u64 *place = husk_msr_state_place(vcpu, husk_msr_find(vcpu, index), index);

	if (!place)
		return -ENOENT;
	*value = *place;
	return 0;
}

/*
 * Set the value and nothing beyond it: the TSC does not move with TSC_ADJUST,
 * as it does for a guest's write; class CLOCK sets it.
 */
int husk_msr_set(struct husk_vcpu *vcpu, u32 index, u64 value, bool commit)
{
	const struct husk_msr_row *row = husk_msr_find(vcpu, index);
	u64 *place = husk_msr_state_place(vcpu, row, index);

	if (!place)
		return -ENOENT;
	if (row->check && !row->check(vcpu, index, value))
		return -EINVAL;
	if (!commit)
		return 0;
	if (row->flags & HUSK_MSR_SET_WRITES)
		row->write(vcpu, index, value);
	else
		*place = value;
	return 0;
}

u32 husk_msr_list(u32 *index, u32 room)
{
	u32 i, j, n = 0;

	for (i = 0; i < ARRAY_SIZE(husk_msr_rows); i++) {
		const struct husk_msr_row *row = &husk_msr_rows[i];

		if (!(row->flags & HUSK_MSR_STATE) || (row->there && !row->there()))
			continue;
		for (j = 0; j < row->count && n < room; j++)
			index[n++] = row->index + j;
	}
	return n;
}

/* Power-on values (APM2 14.1.3); INIT keeps all. */
void husk_msr_reset(struct husk_vcpu *vcpu)
{
	u32 index[HUSK_MSRS_MAX], n = husk_msr_list(index, ARRAY_SIZE(index)), i;

	for (i = 0; i < n; i++)
		husk_msr_set(vcpu, index[i], 0, true);
	husk_msr_set(vcpu, MSR_IA32_CR_PAT, HUSK_PAT_RESET, true);
	husk_msr_set(vcpu, MSR_IA32_MISC_ENABLE, HUSK_MISC_ENABLE_RESET, true);
	husk_msr_set(vcpu, MSR_K7_HWCR, HUSK_HWCR_RESET, true);
}
