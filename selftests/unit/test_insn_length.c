// SPDX-License-Identifier: GPL-2.0
/* The length of an intercepted instruction, from bytes that the guest may have changed. */
#include "unit_shim.h"
#include "../../kmod/guest_walk.c"
#include "../../kmod/decode.c"
#include "../../kmod/decode_table.c"

#define PAGE_SIZE	4096UL
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define HUSK_SYS_CR	1
#define RAM		(1 << 16)
#define CODE		0x8000	/* where the code is, physically */

struct husk_vm {
	int unused;
};

struct husk_vcpu {
	struct husk_vm *vm;
	struct husk_general regs;
	struct husk_system sys;
	struct { u8 reason; } exit;
	u64 length_page, length_cr3;
	const u8 *length_user;
};

static u8 ram[RAM];
static int reads;

static void husk_fetch(struct husk_vcpu *vcpu, u8 classes)
{
	(void)vcpu, (void)classes;
}

u8 husk_code_size(const struct husk_system *sys)
{
	return (sys->efer & EFER_LMA) && (sys->cs.attr & BIT(9)) ? 8 : sys->cs.attr & BIT(10) ? 4 : 2;
}

static int husk_read_gpa_atomic(struct husk_vm *vm, u64 gpa, void *data, u32 len)
{
	(void)vm;
	reads++;
	if (gpa > RAM - len)
		return -EFAULT;
	memcpy(data, ram + gpa, len);
	return 0;
}

static void husk_walk_mode_init(struct husk_vcpu *vcpu, struct husk_walk_mode *mode)
{
	*mode = (struct husk_walk_mode){ .cr0 = vcpu->sys.cr0, .cr3 = vcpu->sys.cr3, .cr4 = vcpu->sys.cr4,
					 .efer = vcpu->sys.efer, .phys_bits = 40, .has_1g = true };
}

static u32 husk_read_gva(struct husk_vcpu *vcpu, u64 gva, void *data, u32 len, u32 access)
{
	(void)vcpu, (void)access;
	memcpy(data, ram + CODE + (gva & 0xfff), len);
	return len;
}

static const void *husk_gpa_to_user(struct husk_vm *vm, u64 gpa)
{
	(void)vm;
	return gpa < RAM ? ram + gpa : NULL;
}

#define __user
#define offset_in_page(a) ((a) & 0xfff)
#define pagefault_disable()
#define pagefault_enable()
#define __get_user(value, at) (memcpy(&(value), at, sizeof(value)), 0)

u8 husk_insn_length(struct husk_vcpu *vcpu);
u8 husk_insn_length_fast(struct husk_vcpu *vcpu, u64 cr3, u64 gva);
#include "../../kmod/insn_length.c"

static u8 length_fast(struct husk_vcpu *vcpu)
{
	return husk_insn_length_fast(vcpu, vcpu->sys.cr3, insn_gva(vcpu));
}

/* 64-bit code at the end of the kernel's half: 2 MiB or 4 KiB leaves */
static void long_mode(struct husk_vcpu *vcpu, bool huge)
{
	static const u64 gva = 0xffffffff81000000;
	u64 entry[4] = { 0x2003, 0x3003, huge ? 0x83 : 0x4003, CODE | 3 };
	int i;

	memset(vcpu, 0, sizeof(*vcpu));
	vcpu->sys.efer = EFER_LMA;
	vcpu->sys.cs.attr = BIT(9);
	vcpu->sys.cr0 = X86_CR0_PG | X86_CR0_PE;
	vcpu->sys.cr4 = X86_CR4_PAE;
	vcpu->sys.cr3 = 0x1000;
	vcpu->regs.rip = gva + (huge ? CODE : 0);
	for (i = 0; i < 4; i++)
		memcpy(ram + (i + 1) * 0x1000 + ((gva >> (39 - 9 * i)) & 511) * 8, &entry[i], 8);
}

/* 32-bit code of a user, under a kernel that may not execute it */
static void legacy_user(struct husk_vcpu *vcpu)
{
	static const u32 gva = 0x08048000;
	u32 entry[2] = { 0x2007 | PTE_ACCESSED, CODE | 0x25 };

	memset(vcpu, 0, sizeof(*vcpu));
	vcpu->sys.cs.attr = BIT(10) | 0x60;
	vcpu->sys.cr0 = X86_CR0_PG | X86_CR0_PE;
	vcpu->sys.cr4 = X86_CR4_PSE | X86_CR4_SMEP | X86_CR4_SMAP;
	vcpu->sys.cr3 = 0x1000;
	vcpu->regs.rip = gva;
	memcpy(ram + 0x1000 + (gva >> 22) * 4, &entry[0], 4);
	memcpy(ram + 0x2000 + (gva >> 12 & 1023) * 4, &entry[1], 4);
}

static void expect(struct husk_vcpu *vcpu, const char *name, u8 reason, const u8 *bytes, u32 count, u32 at, u8 length)
{
	u64 rip = vcpu->regs.rip;
	u8 fast, slow;

	memset(ram + CODE, 0x90, 0x1000);
	memcpy(ram + CODE + at, bytes, count);
	vcpu->regs.rip += at;
	vcpu->exit.reason = reason;
	reads = 0;
	fast = length_fast(vcpu);
	slow = husk_insn_length(vcpu);
	vcpu->regs.rip = rip;
	unit_report(fast == length && slow == length, name, "%u, slowly %u", fast, slow);
}
#define EXPECT(vcpu, name, reason, length, ...) \
	expect(vcpu, name, HUSK_REASON_##reason, (const u8[]){ __VA_ARGS__ }, \
	       sizeof((const u8[]){ __VA_ARGS__ }), 0x100, length)

int main(void)
{
	struct husk_vcpu vcpu;

	long_mode(&vcpu, true);
	EXPECT(&vcpu, "cpuid", CPUID, 2, 0x0f, 0xa2);
	unit_report(reads == 4, "reads", "%d reads", reads);
	EXPECT(&vcpu, "cpuid-again", CPUID, 2, 0x0f, 0xa2);
	unit_report(reads == 0, "remembered", "%d reads", reads);
	vcpu.sys.cr3 = 0x5000;			/* another address space: nothing mapped there */
	vcpu.exit.reason = HUSK_REASON_CPUID;
	unit_report(!length_fast(&vcpu), "remembered-cr3", "answered for another address space");
	vcpu.sys.cr3 = 0x1000;
	EXPECT(&vcpu, "cpuid-prefixes", CPUID, 4, 0x66, 0x48, 0x0f, 0xa2);
	EXPECT(&vcpu, "cpuid-changed", CPUID, 0, 0x0f, 0x32);
	EXPECT(&vcpu, "cpuid-garbage", CPUID, 0, 0xc5, 0xf8, 0x77);
	EXPECT(&vcpu, "rdmsr", RDMSR, 2, 0x0f, 0x32);
	EXPECT(&vcpu, "wrmsr", WRMSR, 2, 0x0f, 0x30);
	EXPECT(&vcpu, "vmmcall", HYPERCALL, 3, 0x0f, 0x01, 0xd9);
	EXPECT(&vcpu, "vmcall", HYPERCALL, 3, 0x0f, 0x01, 0xc1);
	EXPECT(&vcpu, "hypercall-changed", HYPERCALL, 0, 0x0f, 0x01, 0xd8);
	EXPECT(&vcpu, "hlt", HLT, 1, 0xf4);
	EXPECT(&vcpu, "hlt-prefix", HLT, 2, 0x66, 0xf4);
	EXPECT(&vcpu, "xsetbv", XSETBV, 3, 0x0f, 0x01, 0xd1);
	EXPECT(&vcpu, "invd", CACHE, 2, 0x0f, 0x08);
	EXPECT(&vcpu, "wbnoinvd", CACHE, 3, 0xf3, 0x0f, 0x09);
	EXPECT(&vcpu, "pause", PAUSE, 2, 0xf3, 0x90);
	EXPECT(&vcpu, "pause-prefix", PAUSE, 3, 0x66, 0xf3, 0x90);
	EXPECT(&vcpu, "mov-to-cr0", CR_ACCESS, 3, 0x0f, 0x22, 0xc0);
	EXPECT(&vcpu, "mov-from-dr7", DR_ACCESS, 3, 0x0f, 0x21, 0xf8);
	EXPECT(&vcpu, "reason-without-instruction", EXTINT, 0, 0x0f, 0xa2);

	long_mode(&vcpu, false);
	EXPECT(&vcpu, "cpuid-4k", CPUID, 2, 0x0f, 0xa2);
	unit_report(reads == 5, "reads-4k", "%d reads", reads);
	expect(&vcpu, "page-end", HUSK_REASON_CPUID, (const u8[]){ 0x0f, 0xa2 }, 2, 0xffe, 2);
	memset(ram + 0x4000, 0, 0x1000);
	vcpu.exit.reason = HUSK_REASON_CPUID;
	unit_report(!length_fast(&vcpu), "not-mapped", "answered");

	legacy_user(&vcpu);
	EXPECT(&vcpu, "cpuid-user-smep", CPUID, 2, 0x0f, 0xa2);

	memset(&vcpu, 0, sizeof(vcpu));		/* real mode */
	vcpu.sys.cs.base = CODE;
	vcpu.sys.cs.limit = 0xffff;
	EXPECT(&vcpu, "cpuid-real-mode", CPUID, 2, 0x0f, 0xa2);
	EXPECT(&vcpu, "cpuid-real-mode-prefix", CPUID, 3, 0x66, 0x0f, 0xa2);
	return unit_done();
}
