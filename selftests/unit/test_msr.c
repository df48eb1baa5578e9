// SPDX-License-Identifier: GPL-2.0
/* A guest's MSRs: the table itself, what an Intel and an AMD host have of it, and the state class. */
#include "guest_cpu_shim.h"

#define HUSK_IRQCHIP_H
#define HUSK_VENDOR_H

enum husk_verdict { HUSK_RESUME, HUSK_RETIRE, HUSK_DISPATCH };

static u64 host_arch_caps;
static u32 faults, barriers;

static void husk_inject_gp(struct husk_vcpu *vcpu)
{
	faults++;
}

static bool husk_lapic_rdmsr(struct husk_vcpu *vcpu, u32 index, u64 *value)
{
	*value = 0xa91c;
	return true;
}

static bool husk_lapic_wrmsr(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return true;
}

static void husk_lapic_tsc_changed(struct husk_vcpu *vcpu)
{
}

static void husk_dirty(struct husk_vcpu *vcpu, u8 classes)
{
}

static bool husk_write_efer(struct husk_vcpu *vcpu, u64 value)
{
	vcpu->sys.efer = value;
	return true;
}

static u64 husk_guest_tsc(struct husk_vcpu *vcpu)
{
	return 1000 + vcpu->tsc_offset;
}

static void husk_host_ibpb(void)
{
	barriers++;
}

static u64 husk_host_spec_ctrl_bits(void)
{
	return 7;
}

static int husk_host_rdmsr_safe(u32 index, u64 *value)
{
	*value = host_arch_caps;
	return index == 0x10a ? 0 : -EIO;
}

static u64 *vendor_msr(struct husk_vcpu *vcpu, u32 index)
{
	return &vcpu->vendor_msrs[index & 15];
}

static const struct { u64 *(*host_msr)(struct husk_vcpu *vcpu, u32 index); } vendor = { vendor_msr }, *husk_vendor = &vendor;

static u32 pv_writes;

bool husk_pv_check_steal(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return !(value & 0x3e);
}

bool husk_pv_check_poll(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return value <= 1;
}

bool husk_pv_check_eoi(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return !(value & 2);
}

void husk_pv_write_wall_clock(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	vcpu->pv.msr[HUSK_PV_WALL_CLOCK] = value;
	pv_writes++;
}

void husk_pv_write_clock(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	vcpu->pv.msr[HUSK_PV_CLOCK] = value;
	pv_writes += 0x100;
}

void husk_pv_write_steal(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	vcpu->pv.msr[HUSK_PV_STEAL] = value;
	pv_writes += 0x10000;
}

void husk_pv_write_eoi(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	vcpu->pv.msr[HUSK_PV_EOI] = value;
	pv_writes += 0x1000000;
}

void husk_pv_tsc_moved(struct husk_vm *vm)
{
}

#include "../../kmod/state_check.c"
#include "../../kmod/msr.c"

static u64 unknown;
static struct husk_vm vm;
static struct husk_vcpu vcpu;

static void host(bool intel)
{
	memset(&vcpu, 0, sizeof(vcpu));
	vcpu.vm = &vm;
	vcpu.stats = (void *)&unknown;
	host_modes = BIT_ULL(intel ? HUSK_MODE_VMX : HUSK_MODE_SVM);
	host_flags = BIT(X86_FEATURE_IBPB) | BIT(X86_FEATURE_RDTSCP) | BIT(X86_FEATURE_ARCH_CAPABILITIES) |
		     BIT(HOST_SPEC_CTRL);
	boot_cpu_data.x86_vendor = intel ? X86_VENDOR_INTEL : X86_VENDOR_AMD;
	boot_cpu_data.microcode = 0xb4;
	husk_host.phys_bits = 46;
	husk_msr_reset(&vcpu);
}

/* RDMSR; false: #GP */
static bool rd(u32 index, u64 *value)
{
	u32 before = faults;

	vcpu.regs.gpr[1] = index;
	husk_rdmsr(&vcpu);
	*value = (u32)vcpu.regs.gpr[0] | vcpu.regs.gpr[2] << 32;
	return faults == before;
}

static bool wr(u32 index, u64 value)
{
	u32 before = faults;

	vcpu.regs.gpr[1] = index;
	vcpu.regs.gpr[0] = (u32)value;
	vcpu.regs.gpr[2] = value >> 32;
	husk_wrmsr(&vcpu);
	return faults == before;
}

static bool reads(u32 index, u64 want)
{
	u64 value;

	return rd(index, &value) && value == want;
}

static bool absent(u32 index)
{
	u64 value, before = unknown;

	return !rd(index, &value) && !wr(index, 0) && unknown == before + 2;
}

/* The look-up halves the table: it must be sorted. */
static void test_table(void)
{
	u32 i, j, bad = 0;

	for (i = 1; i < ARRAY_SIZE(husk_msr_rows); i++)
		bad += husk_msr_rows[i - 1].index + husk_msr_rows[i - 1].count > husk_msr_rows[i].index;
	unit_report(!bad, "msr-sorted", "%u rows are out of order", bad);
	host(true);
	for (i = bad = 0; i < ARRAY_SIZE(husk_msr_rows); i++) {
		const struct husk_msr_row *row = &husk_msr_rows[i];

		for (j = 0; j < row->count; j++)
			bad += husk_msr_find(&vcpu, row->index + j) != (row->pv || (row->there && !row->there()) ? NULL : row);
		bad += husk_msr_find(&vcpu, row->index - 1) == row || husk_msr_find(&vcpu, row->index + row->count) == row;
	}
	unit_report(!bad, "msr-find", "%u wrong rows", bad);
}

/* What a Linux guest reads, or writes, without being ready for a fault */
static void test_linux_intel(void)
{
	static const u32 read[] = {
		MSR_IA32_TSC, MSR_IA32_PLATFORM_ID, MSR_IA32_APICBASE, MSR_IA32_TSC_ADJUST, MSR_IA32_SPEC_CTRL,
		MSR_IA32_UCODE_REV, MSR_MTRRcap, MSR_IA32_ARCH_CAPABILITIES, MSR_IA32_SYSENTER_CS, MSR_IA32_MCG_CAP,
		MSR_IA32_MCG_STATUS, MSR_IA32_MISC_ENABLE, MSR_IA32_DEBUGCTLMSR, 0x200, 0x20f, MSR_MTRRfix64K_00000,
		MSR_MTRRfix4K_C0000 + 7, MSR_IA32_CR_PAT, MSR_MTRRdefType, MSR_EFER, MSR_STAR, MSR_KERNEL_GS_BASE,
		MSR_TSC_AUX,
	};
	u32 i, bad = 0;
	u64 value;

	host(true);
	for (i = 0; i < ARRAY_SIZE(read); i++)
		bad += !rd(read[i], &value);
	bad += !wr(MSR_IA32_UCODE_REV, 0) || !wr(MSR_IA32_PRED_CMD, 1) || barriers != 1;
	bad += !wr(MSR_IA32_DEBUGCTLMSR, 2) || !reads(MSR_IA32_DEBUGCTLMSR, 0) || wr(MSR_IA32_DEBUGCTLMSR, 1 << 6);
	unit_report(!bad, "msr-intel-linux", "%u faults", bad);
}

static void test_intel(void)
{
	static const u32 none[] = {
		0x3f, 0x10b, 0x122, 0x123, 0x140, 0x1a2, 0x1b0, 0x345, 0x480, 0x48b, 0x606, 0x611, 0xd90, 0xda0,
		MSR_K7_EVNTSEL0, 0xc0010010, MSR_K7_HWCR, MSR_VM_CR, 0xc0011029,
	};
	u32 i, bad = 0;

	host(true);
	for (i = 0; i < ARRAY_SIZE(none); i++)
		bad += !absent(none[i]);
	unit_report(!bad, "msr-intel-absent", "%u are there", bad);
	unit_report(reads(MSR_IA32_FEAT_CTL, 1) && !wr(MSR_IA32_FEAT_CTL, 5) && reads(MSR_SMI_COUNT, 0) &&
		    reads(MSR_IA32_UCODE_REV, 0xb4ULL << 32), "msr-intel-values", "not what a CPU without VMX has");
	host_arch_caps = ~0ULL;
	bad = !reads(MSR_IA32_ARCH_CAPABILITIES, 0x400000001d1ae17fULL);
	bad += wr(MSR_IA32_ARCH_CAPABILITIES, 0);
	host_arch_caps = 0;
	bad += !reads(MSR_IA32_ARCH_CAPABILITIES, 1 << 6);
	host_flags = 0;
	bad += !absent(MSR_IA32_ARCH_CAPABILITIES) || !absent(MSR_IA32_SPEC_CTRL) || !absent(MSR_IA32_PRED_CMD);
	unit_report(!bad, "msr-intel-arch-caps", "%u wrong answers", bad);
}

static void test_amd(void)
{
	host(false);
	unit_report(absent(MSR_IA32_FEAT_CTL) && absent(MSR_SMI_COUNT) && absent(MSR_IA32_ARCH_CAPABILITIES),
		    "msr-amd-absent", "an MSR that AMD has not");
	unit_report(reads(MSR_K7_HWCR, 1 << 24) && reads(MSR_VM_CR, 0x18) && reads(0xc0011029, 2) &&
		    reads(MSR_IA32_UCODE_REV, 0xb4) && wr(MSR_K7_EVNTSEL0 + 7, 0) && !wr(MSR_K7_EVNTSEL0, 1),
		    "msr-amd-values", "wrong answers");
}

/* Each of the class can be read and given back; what is not in it can't. */
static void test_state(bool intel, const char *name)
{
	u32 index[HUSK_MSRS_MAX + 1], n, i, bad = 0;
	u64 value, again;

	host(intel);
	vm.pv.features = ~0U;
	n = husk_msr_list(index, ARRAY_SIZE(index));
	bad += n > HUSK_MSRS_MAX;
	for (i = 0; i < n; i++) {
		bad += i && index[i] <= index[i - 1];
		bad += husk_msr_get(&vcpu, index[i], &value) || husk_msr_set(&vcpu, index[i], value, true);
		bad += husk_msr_get(&vcpu, index[i], &again) || again != value;
	}
	bad += husk_msr_get(&vcpu, MSR_IA32_MCG_CAP, &value) != -ENOENT;
	bad += husk_msr_set(&vcpu, intel ? MSR_K7_HWCR : MSR_IA32_FEAT_CTL, 0, true) != -ENOENT;
	bad += husk_msr_set(&vcpu, MSR_LSTAR, 1ULL << 47, false) != -EINVAL;
	bad += husk_msr_set(&vcpu, MSR_LSTAR, 0x1234, false) || husk_msr_get(&vcpu, MSR_LSTAR, &value) || value;
	bad += husk_msr_get(&vcpu, MSR_IA32_CR_PAT, &value) || value != 0x0007040600070406ULL;
	vm.pv.features = 0;
	unit_report(!bad, name, "%u wrong answers", bad);
}

/* The fast loop leaves what the hardware holds to the slow one. */
static void test_fast(void)
{
	bool good;

	host(true);
	vcpu.regs.gpr[1] = MSR_LSTAR;
	good = husk_rdmsr_fast(&vcpu) == HUSK_DISPATCH && husk_wrmsr_fast(&vcpu) == HUSK_DISPATCH;
	vcpu.regs.gpr[1] = MSR_IA32_TSC;
	good &= husk_rdmsr_fast(&vcpu) == HUSK_RETIRE && vcpu.regs.gpr[0] == 1000;
	good &= husk_wrmsr_fast(&vcpu) == HUSK_DISPATCH;
	vcpu.regs.gpr[1] = 0x80b;
	good &= husk_wrmsr_fast(&vcpu) == HUSK_RETIRE;
	vcpu.regs.gpr[1] = 0x12345;
	good &= husk_rdmsr_fast(&vcpu) == HUSK_RESUME && husk_wrmsr_fast(&vcpu) == HUSK_RESUME;
	unit_report(good, "msr-fast", "wrong verdict");
}

/* TSC and TSC_ADJUST move together (SDM 3B 18.17.3). */
static void test_tsc(void)
{
	bool good;

	host(true);
	good = wr(MSR_IA32_TSC, 5000) && reads(MSR_IA32_TSC, 5000) && reads(MSR_IA32_TSC_ADJUST, 4000);
	good &= wr(MSR_IA32_TSC_ADJUST, 0) && reads(MSR_IA32_TSC, 1000);
	unit_report(good, "msr-tsc", "they don't");
}

/* The paravirtual ones come and go with the VM's features, and a state sets all but the wall clock as the guest does. */
static void test_pv(void)
{
	static const u32 all[] = {
		MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME, MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW,
		MSR_KVM_STEAL_TIME, MSR_KVM_PV_EOI_EN,
	};
	u32 i, bad = 0;
	u64 value;

	host(true);
	pv_writes = 0;
	for (i = 0; i < ARRAY_SIZE(all); i++)
		bad += !absent(all[i]) || husk_msr_get(&vcpu, all[i], &value) != -ENOENT;
	vm.pv.features = 1 << KVM_FEATURE_CLOCKSOURCE2 | 1 << KVM_FEATURE_STEAL_TIME;
	bad += !absent(MSR_KVM_SYSTEM_TIME) || !absent(MSR_KVM_PV_EOI_EN);
	bad += !wr(MSR_KVM_SYSTEM_TIME_NEW, 0x1001) || !reads(MSR_KVM_SYSTEM_TIME_NEW, 0x1001) || pv_writes != 0x100;
	bad += wr(MSR_KVM_STEAL_TIME, 0x1003) || !wr(MSR_KVM_STEAL_TIME, 0x1001) || pv_writes != 0x10100;
	vm.pv.features = ~0U;
	bad += !reads(MSR_KVM_SYSTEM_TIME, 0x1001);
	pv_writes = 0;
	for (i = 0; i < ARRAY_SIZE(all); i++)
		bad += husk_msr_set(&vcpu, all[i], 0x2001, true) || !reads(all[i], 0x2001);
	bad += pv_writes != 0x1010200;
	bad += husk_msr_set(&vcpu, MSR_KVM_PV_EOI_EN, 2, true) != -EINVAL;
	vm.pv.features = 0;
	unit_report(!bad, "msr-pv", "%u wrong answers", bad);
}

int main(void)
{
	test_table();
	test_linux_intel();
	test_intel();
	test_amd();
	test_state(true, "msr-state-intel");
	test_state(false, "msr-state-amd");
	test_fast();
	test_tsc();
	test_pv();
	return unit_done();
}
