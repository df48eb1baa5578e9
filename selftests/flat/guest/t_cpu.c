// SPDX-License-Identifier: GPL-2.0
/* CPUID, MSRs, hypercalls, control and debug registers, the TSC. */
#include "guest.h"

void test_cpuid(u64 arg)
{
	u32 a[4], b[4];
	u64 rax = ~0UL << 32, rbx = ~0UL, rcx = ~0UL << 32, rdx = ~0UL;

	(void)arg;
	cpuid(0, 0, a);
	CHECK(a[0] >= 7);
	CHECK(a[1] && a[2] && a[3]);
	cpuid(1, 0, a);
	CHECK(a[2] & 1u << 31);		/* a hypervisor is there */
	EXPECT(a[1] >> 24, 0);		/* APIC id */
	EXPECT(a[2] >> 27 & 1, READ_CR(4) >> 18 & 1);	/* OSXSAVE follows CR4 */
	if (a[2] & 1u << 26) {
		WRITE_CR(4, READ_CR(4) | 1 << 18);
		cpuid(1, 0, b);
		CHECK(b[2] & 1u << 27);
		WRITE_CR(4, READ_CR(4) & ~(1 << 18));
	}
	/* 32-bit results are zero-extended */
	asm volatile("cpuid" : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx));
	CHECK(!(rax >> 32) && !(rbx >> 32) && !(rcx >> 32) && !(rdx >> 32));
	/* Prefixes make the instruction longer: a fixed length would be wrong */
	cpuid(0x80000000, 0, a);
	asm volatile(".byte 0x66, 0x48; cpuid" : "=a"(b[0]), "=b"(b[1]), "=c"(b[2]), "=d"(b[3]) : "a"(0x80000000), "c"(0));
	EXPECT(b[0], a[0]);
	asm volatile(".byte 0xf3, 0x2e; cpuid" : "=a"(b[0]), "=b"(b[1]), "=c"(b[2]), "=d"(b[3]) : "a"(0x80000000), "c"(0));
	EXPECT(b[0], a[0]);
	/* A gap between the ranges is not another leaf's data with a fault */
	EXPECT(TRY("cpuid", , "=a"(a[0]), "=b"(a[1]), "=c"(a[2]), "=d"(a[3]) : "a"(0x20000000), "c"(0)), -1);
}

void test_msr_known(u64 arg)
{
	static const struct { u32 index; u64 a, b; } msrs[] = {
		{ 0xc0000100, 0x123456789a, 0 }, { 0xc0000101, 0xffff800000001000, 0 },	/* FS, GS base */
		{ 0xc0000102, 0x7fff00001000, 0 }, { 0xc0000081, 0x0023001000000000, 0 }, /* KERNEL_GS, STAR */
		{ 0xc0000082, 0xffffffff81000000, 0 }, { 0xc0000083, 0x1000, 0 }, { 0xc0000084, 0x47700, 0 },
		{ 0x174, 0x10, 0 }, { 0x175, 0xffffc00000000000, 0 }, { 0x176, 0xffffffff82000000, 0 },
		{ 0x277, 0x0407050600070106, 0x0007040600070406 },	/* PAT */
		{ 0x2ff, 0xc06, 0x0 }, { 0x3b, 0, 0 },			/* MTRRdefType, TSC_ADJUST */
	};
	u64 v;

	(void)arg;
	for (u32 i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		if (msrs[i].index == 0xc0000083)
			continue;	/* CSTAR is not settable everywhere */
		if (try_wrmsr(msrs[i].index, msrs[i].a) != -1) {
			fail_value("WRMSR of a known MSR faults", msrs[i].index);
			continue;
		}
		if (try_rdmsr(msrs[i].index, &v) != -1)
			fail_value("RDMSR of a known MSR faults", msrs[i].index);
		else if (v != msrs[i].a)
			fail_value("MSR does not keep its value", msrs[i].index);
		try_wrmsr(msrs[i].index, msrs[i].b);
	}
	EXPECT(rdmsr(0xc0000080) & 0xd00, 0xd00);
	EXPECT(try_wrmsr(0xc0000080, rdmsr(0xc0000080) | 1), -1);	/* SCE */
	CHECK(rdmsr(0xc0000080) & 1);
	EXPECT(rdmsr(0x1b) & 0x100, 0x100);				/* the bootstrap processor */
	EXPECT(rdmsr(0x1b) >> 12 << 12, 0xfee00000);
	/* The upper halves of the registers are cleared by RDMSR */
	{
		u64 rax = ~0UL, rdx = ~0UL;

		asm volatile("rdmsr" : "+a"(rax), "+d"(rdx) : "c"(0x277));
		CHECK(!(rax >> 32) && !(rdx >> 32));
	}
}

void test_msr_unknown(u64 arg)
{
	static const u32 unknown[] = { 0x12345, 0xc0009999, 0x40009999, 0xffffffff, 0x8ff };
	u64 v;

	(void)arg;
	for (u32 i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		EXPECT(try_rdmsr(unknown[i], &v), 13);
		EXPECT(trap.error, 0);
		EXPECT(try_wrmsr(unknown[i], 1), 13);
	}
	/* Values that the architecture forbids */
	EXPECT(try_wrmsr(0xc0000080, rdmsr(0xc0000080) | 1UL << 40), 13);	/* EFER, reserved */
	EXPECT(try_wrmsr(0x277, 0x0202020202020202), 13);			/* PAT, no such type */
	EXPECT(try_wrmsr(0x1b, rdmsr(0x1b) | 1UL << 60), 13);			/* APIC_BASE, reserved */
	EXPECT(try_wrmsr(0xc0000080, rdmsr(0xc0000080) & ~0x100UL), 13);	/* LME while paging is on */
	/* The fault's address is the instruction's */
	{
		u64 before;

		trap.vector = -1;
		trap.fixup = 0;
		asm volatile("movq $2f, %0\n\tlea 1f(%%rip), %1\n1:\trdmsr\n2:" :
			     "+m"(trap.fixup), "=r"(before) : "c"(0x12345) : "rax", "rdx", "memory");
		EXPECT(trap.rip, before);
	}
}

static u64 hypercall(u64 nr)
{
	u64 ret;

	asm volatile(HYPERCALL : "=a"(ret) : "a"(nr), "b"(0UL), "c"(0UL), "d"(0UL), "S"(0UL) : "memory");
	return ret;
}

void test_hypercall(u64 arg)
{
	u64 rbx = 0x1111, rcx = 0x2222, ret;

	(void)arg;
	EXPECT(hypercall(0xdead), -1000);
	EXPECT(hypercall(~0UL >> 1), -1000);
	asm volatile(HYPERCALL : "=a"(ret), "+b"(rbx), "+c"(rcx) : "a"(0x7777UL) : "memory");
	EXPECT(rbx, 0x1111);
	EXPECT(rcx, 0x2222);
	asm volatile(".byte 0x2e\n\t" HYPERCALL : "=a"(ret) : "a"(0x7777UL) : "memory");
	EXPECT(ret, -1000);
	if (guest_vendor == VENDOR_INTEL)
		return;		/* 66h makes it another, undefined instruction there */
	asm volatile(".byte 0x66\n\t" HYPERCALL : "=a"(ret) : "a"(0x7777UL) : "memory");
	EXPECT(ret, -1000);
}

static void svm_insns(u64 page)
{
	EXPECT(TRY("vmrun %%rax", : "a"(page)), 6);
	EXPECT(TRY("vmload %%rax", : "a"(page)), 6);
	EXPECT(TRY("vmsave %%rax", : "a"(page)), 6);
	EXPECT_STRICT(TRY("stgi"), 6);
	EXPECT_STRICT(TRY("clgi"), 6);
	EXPECT(TRY("invlpga %%rax, %%ecx", : "a"(page), "c"(0)), 6);
}

static void vmx_insns(u64 page)
{
	EXPECT(TRY("vmxon (%1)", : "r"(page) : "memory"), 6);
	EXPECT(TRY("vmclear (%1)", : "r"(page) : "memory"), 6);
	EXPECT(TRY("vmptrld (%1)", : "r"(page) : "memory"), 6);
	EXPECT(TRY("vmread %1, %1", : "r"(page) : "memory"), 6);
	EXPECT(TRY("vmwrite %1, %1", : "r"(page) : "memory"), 6);
	EXPECT(TRY("vmlaunch"), 6);
	EXPECT(TRY("vmresume"), 6);
	EXPECT(TRY("vmxoff"), 6);
	EXPECT(TRY("invept (%1), %1", : "r"(page) : "memory"), 6);
	EXPECT(TRY("invvpid (%1), %1", : "r"(page) : "memory"), 6);
	EXPECT(TRY("getsec", : "a"(0)), 6);
}

/* A guest has no virtualization of its own (those of the other vendor are the CPU's matter, not husk's) */
void test_virt_insns(u64 arg)
{
	u64 page = SCRATCH_GPA;

	(void)arg;
	if (guest_vendor == VENDOR_INTEL)
		vmx_insns(page);
	else
		svm_insns(page);
	EXPECT_STRICT(guest_vendor == VENDOR_INTEL ? TRY("vmmcall", : : "rax") : TRY("vmcall", : : "rax"), 6);
	EXPECT(TRY(".byte 0x66, 0x0f, 0x01, 0xcf"), 6);		/* SEAMCALL */
	EXPECT(TRY(".byte 0x66, 0x0f, 0x01, 0xcc"), 6);		/* TDCALL */
	EXPECT_STRICT(TRY("mov %1, %%cr4", : "r"(READ_CR(4) | 1UL << 13)), 13);	/* VMXE */
	EXPECT_STRICT(TRY("mov %1, %%cr4", : "r"(READ_CR(4) | 1UL << 14)), 13);	/* SMXE */
	EXPECT_STRICT(try_wrmsr(0xc0000080, rdmsr(0xc0000080) | 1 << 12), 13);	/* SVME */
	/* Not shown in CPUID either, and no way round it */
	EXPECT_STRICT(TRY("monitor", : "a"(page), "c"(0), "d"(0)), 6);
	EXPECT_STRICT(TRY("mwait", : "a"(0), "c"(0)), 6);
	EXPECT_STRICT(TRY("rdpmc", : "c"(0) : "rax", "rdx"), 13);
}

void test_cr_access(u64 arg)
{
	u64 cr0 = READ_CR(0), cr4 = READ_CR(4);

	(void)arg;
	WRITE_CR(0, cr0 | 8);			/* TS */
	EXPECT(READ_CR(0) & 8, 8);
	asm volatile("clts");
	EXPECT(READ_CR(0) & 8, 0);
	WRITE_CR(0, cr0 | 0x40000000);		/* CD */
	EXPECT(READ_CR(0), cr0 | 0x40000000);
	WRITE_CR(0, cr0);
	EXPECT(READ_CR(0), cr0);
	asm volatile("wbinvd" ::: "memory");
	WRITE_CR(4, cr4 | 0x80);		/* PGE */
	EXPECT(READ_CR(4), cr4 | 0x80);
	WRITE_CR(4, cr4 | 0x40);		/* MCE, whatever the host has there */
	EXPECT(READ_CR(4), cr4 | 0x40);
	EXPECT(READ_CR(0), cr0);
	WRITE_CR(4, cr4 & ~0x40UL);
	EXPECT(READ_CR(4), cr4 & ~0x40UL);
	EXPECT(READ_CR(0), cr0);
	WRITE_CR(4, cr4);
	WRITE_CR(3, READ_CR(3));
	EXPECT(TRY("mov %1, %%cr0", : "r"(cr0 & ~1UL)), 13);		/* PG without PE */
	EXPECT(TRY("mov %1, %%cr0", : "r"((cr0 | 0x20000000) & ~0x40000000UL)), 13);	/* NW without CD */
	EXPECT_STRICT(TRY("mov %1, %%cr4", : "r"(cr4 | 1UL << 40)), 13);
	EXPECT(TRY("mov %1, %%cr4", : "r"(cr4 & ~0x20UL)), 13);		/* PAE off in long mode */
	EXPECT(READ_CR(0), cr0);
	EXPECT(READ_CR(4), cr4);
	{
		u64 msw;

		asm volatile("smsw %0" : "=r"(msw));
		EXPECT(msw & 0xffff, cr0 & 0xffff);
		asm volatile("lmsw %w0" :: "r"(cr0 | 8));
		EXPECT(READ_CR(0) & 8, 8);
		asm volatile("clts");
	}
}

void test_xsetbv(u64 arg)
{
	u32 r[4], lo, hi;

	(void)arg;
	cpuid(1, 0, r);
	if (!(r[2] & 1u << 26))
		skip("no XSAVE in CPUID");
	EXPECT_STRICT(TRY("xsetbv", : "c"(0), "a"(1), "d"(0)), 6);	/* CR4.OSXSAVE is off */
	WRITE_CR(4, READ_CR(4) | 1 << 18);
	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	EXPECT(lo & 1, 1);
	cpuid(0xd, 0, r);
	EXPECT(TRY("xsetbv", : "c"(0), "a"(3), "d"(0)), -1);
	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	EXPECT(lo, 3);
	EXPECT(TRY("xsetbv", : "c"(0), "a"(2), "d"(0)), 13);	/* x87 can't be off */
	EXPECT(TRY("xsetbv", : "c"(0), "a"(5), "d"(0)), 13);	/* AVX without SSE */
	EXPECT(TRY("xsetbv", : "c"(1), "a"(1), "d"(0)), 13);	/* no such register */
	EXPECT(TRY("xsetbv", : "c"(0), "a"(~0u), "d"(~0u)), 13);
	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	EXPECT(lo, 3);
	/* The size of the area in leaf 0xd follows XCR0 */
	cpuid(0xd, 0, r);
	EXPECT(r[1], 576);
	if (r[0] & 4) {
		asm volatile("xsetbv" :: "c"(0), "a"(7), "d"(0));
		cpuid(0xd, 0, r);
		EXPECT(r[1], 832);
	}
}

void test_tsc_monotonic(u64 arg)
{
	u64 last = rdtsc(), now;
	u32 r[4];

	(void)arg;
	for (u32 i = 0; i < 200; i++) {
		cpuid(0, 0, r);
		in8(PORT_ECHO);
		now = rdtsc();
		if (now <= last) {
			fail_value("the TSC went back by", last - now);
			break;
		}
		last = now;
	}
	/* TSC_ADJUST and TSC are one clock (SDM 3B 17.17.3) */
	if (try_wrmsr(0x3b, 1UL << 44) == -1) {
		now = rdtsc();
		CHECK(now - last >= 1UL << 44 && now - last < 1UL << 45);
		wrmsr(0x3b, 0);
		CHECK(rdtsc() - last < 1UL << 40);
	}
	wrmsr(0x10, 0x1000000000000);
	CHECK(rdtsc() - 0x1000000000000 < 1UL << 40);
}

static u64 watched;

void test_debug_registers(u64 arg)
{
	u32 r[4];

	(void)arg;
	WRITE_DR(0, 0x1000);
	WRITE_DR(1, 0x7fff12345678);
	WRITE_DR(2, &watched);
	WRITE_DR(3, 0xffff800000000000);
	WRITE_DR(6, 0xffff0ff0);
	cpuid(0, 0, r);
	in8(PORT_ECHO);			/* the host has its own in between */
	EXPECT(READ_DR(0), 0x1000);
	EXPECT(READ_DR(1), 0x7fff12345678);
	EXPECT(READ_DR(3), 0xffff800000000000);
	EXPECT(READ_DR(7), 0x400);
	/* Write watchpoint: a trap after the store */
	WRITE_DR(7, 0x400 | 1 << 4 | 0xdUL << 24);	/* L2, write, 4 bytes */
	trap.vector = -1;
	trap.fixup = 0;
	asm volatile("movq $1f, %1\n\tmovl $5, %0\n\tnop\n1:" : "+m"(watched), "+m"(trap.fixup) : : "memory");
	trap.fixup = 0;
	WRITE_DR(7, 0x400);
	EXPECT(watched, 5);
	EXPECT(trap.vector, 1);
	CHECK(trap.dr6 & 4);
	WRITE_DR(6, 0xffff0ff0);
	/* Execution breakpoint: a fault before the instruction */
	{
		u64 at;

		asm volatile("lea 1f(%%rip), %0\n\tmov %0, %%dr0\n\tmov %2, %%dr7\n\tmovq $2f, %1\n1:\tnop\n2:"
			     : "=&r"(at), "+m"(trap.fixup) : "r"(0x402UL) : "memory");
		trap.fixup = 0;
		WRITE_DR(7, 0x400);
		EXPECT(trap.vector, 1);
		EXPECT(trap.rip, at);
		CHECK(trap.dr6 & 1);
	}
	EXPECT(TRY("mov %1, %%dr7", : "r"(1UL << 40)), 13);
}
