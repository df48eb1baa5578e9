// SPDX-License-Identifier: GPL-2.0
/*
 * parity FILE: run the guest of parity_guest.S and write its exits to FILE in the
 * order in which they came, in words that do not depend on the CPU's vendor:
 *
 *	SITE REASON [DETAIL]...
 *
 * SITE is the guest's name for the instruction. Exits for the host's own interrupts and NMIs
 * are left out. The first line is the vendor, svm or vmx, and the lab's machine.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "vmm.h"

#define BASE		0xa000
#define ROM_GPA		0xfffff000
#define TESTED		0x400000	/* and up: pages that the guest touches on purpose */

struct site {
	u32 rip, msr;
	char name[24];
};

extern const u8 parity_guest[], parity_guest_end[], parity_no_step[];
extern const struct site parity_sites[], parity_sites_end[];

static const char *const reasons[] = {
#define X(id, name, what) name,
	HUSK_REASONS(X)
#undef X
};

static FILE *file;
static bool vmx;

static int fail(const char *what, int err)
{
	printf("not ok parity_record: %s: %s\n", what, strerror(err));
	return 1;
}

static const struct site *site_at(u64 rip)
{
	static const struct site nowhere = { .name = "-" };

	for (const struct site *s = parity_sites; s < parity_sites_end; s++)
		if (s->rip == rip)
			return s;
	return &nowhere;
}

/* ---- the hardware's information words, in neutral terms ---- */

/* APM2 15.10.2; SDM 3C table 28-5 */
static void pio(const struct husk_flight *f)
{
	u64 info = f->info0;
	bool in = vmx ? info & 8 : info & 1, string = vmx ? info & 16 : info & 4;
	int width = vmx ? (info & 7) + 1 : info >> 4 & 7;

	fprintf(file, " %s%s port=%#llx width=%d", in ? "in" : "out", string ? "s" : "",
		(unsigned long long)(info >> 16 & 0xffff), width);
}

/* APM2 appendix C; SDM 3C table 28-3: MOV to, MOV from, CLTS, LMSW */
static void control_register(const struct husk_flight *f)
{
	int number = vmx ? f->info0 & 15 : f->hw_reason < 0x20 ? f->hw_reason & 15 : 0;
	bool write = vmx ? (f->info0 >> 4 & 3) != 1 : f->hw_reason >= 0x10;

	fprintf(file, " cr%d %s", number, write ? "write" : "read");
}

/* APM2 appendix C; SDM 3C table 28-4 */
static void debug_register(const struct husk_flight *f)
{
	bool write = vmx ? !(f->info0 & 16) : f->hw_reason & 16;

	fprintf(file, " dr%d %s", (int)(vmx ? f->info0 & 7 : f->hw_reason & 15), write ? "write" : "read");
}

/* Where, by APM2 15.25.6 and, for VMX, what husk puts into the second word (the guest physical address) */
static void memory(const struct husk_flight *f)
{
	if (f->reason == HUSK_REASON_MMIO)
		fprintf(file, " gpa=%#llx %s", (unsigned long long)f->info1, f->info0 & 2 ? "write" : "read");
	else
		fprintf(file, " page=%#llx", (unsigned long long)f->info1 & ~4095ULL);
}

/* APM2 15.12; for VMX husk puts the interruption information into the second word */
static void exception(const struct husk_flight *f)
{
	fprintf(file, " vector=%d", (vmx ? (int)(f->info1 & 255) : f->hw_reason - 0x40));
}

static void record(const struct husk_flight *f)
{
	const struct site *site = site_at(f->rip);
	static bool opened;

	/*
	 * An interrupt of the host's at the very moment spares the window its exit.
	 * One that comes when the guest's handler is back there does not.
	 */
	if (f->reason == HUSK_REASON_EXTINT && !opened && !strcmp(site->name, "sti_after"))
		fprintf(file, "sti_after %s\n", reasons[HUSK_REASON_INTR_WINDOW]);
	opened |= !strcmp(site->name, "sti_after");
	if (f->reason == HUSK_REASON_EXTINT || f->reason == HUSK_REASON_NMI || f->reason == HUSK_REASON_TIMER)
		return;
	/* Code and page tables, which no test is about: the host may map them around others, move them, take them back. */
	if (f->reason == HUSK_REASON_FAULT2 && (f->info1 < TESTED || f->info1 >= ROM_GPA))
		return;
	fprintf(file, "%s %s", site->name, f->reason < HUSK_REASON_COUNT ? reasons[f->reason] : "?");
	if (f->reason == HUSK_REASON_PIO)
		pio(f);
	else if (f->reason == HUSK_REASON_RDMSR || f->reason == HUSK_REASON_WRMSR)
		fprintf(file, " msr=%#x", site->msr);
	else if (f->reason == HUSK_REASON_CR_ACCESS)
		control_register(f);
	else if (f->reason == HUSK_REASON_DR_ACCESS)
		debug_register(f);
	else if (f->reason == HUSK_REASON_FAULT2 || f->reason == HUSK_REASON_MMIO)
		memory(f);
	else if (f->reason == HUSK_REASON_EXCEPTION)
		exception(f);
	fprintf(file, "\n");
}

/* What is new in the flight recorder. false: more than it holds */
static bool drain(const struct husk_stats *stats)
{
	static u32 next = 1;

	for (;; next++) {
		const struct husk_flight *f = &stats->flight[next % HUSK_FLIGHT_LEN];

		if ((int)(f->sequence - next) > 0)
			return false;
		if (f->sequence != next)
			return true;
		record(f);
	}
}

static int run(struct vmm *vm, const struct husk_stats *stats)
{
	struct vmm_exit exit = {};
	struct husk_general regs;
	struct husk_system sys;

	for (;;) {
		memset(&exit, 0, sizeof(exit));
		vm->be->run(vm, 0, &exit);
		if (!drain(stats))
			return fail("too many exits between two of the worker", EOVERFLOW);
		if (exit.kind == VMM_ERROR && exit.error == EINTR)
			continue;
		if (exit.kind != VMM_PIO && exit.kind != VMM_MMIO)
			break;
		if (!exit.write)
			vmm_answer(&exit, 0x1234567812345678);
	}
	if (exit.kind == VMM_SHUTDOWN) {
		printf("ok parity_record\n");
		return 0;
	}
	vm->be->get(vm, 0, &regs, &sys);
	printf("not ok parity_record: exit kind %d, error %d, at %s (rip %#llx)\n", exit.kind, exit.error,
	       site_at(regs.rip)->name, (unsigned long long)regs.rip);
	return 1;
}

/* The record says where it was made */
static void machine(struct vmm *vm)
{
	const char *name = getenv("LAB_MACHINE");

	fprintf(file, "%s %s\n", vmx ? "vmx" : "svm", name ? name : "-");
	if (name && !strcmp(name, "bochs-svm")) {
		printf("skip parity_step: Bochs hands a single-step trap of the guest's to the host at an exit\n");
		vm->ram[BASE + (parity_no_step - parity_guest)] = 1;
	}
}

int main(int argc, char **argv)
{
	struct husk_caps caps = { .size = sizeof(caps) };
	const struct husk_stats *stats;
	struct vmm vm;
	u8 *rom;
	int err;

	if (argc != 2)
		return fprintf(stderr, "usage: parity FILE\n"), 2;
	file = fopen(argv[1], "w");
	if (!file)
		return fail(argv[1], errno);
	/* Each page of 4 KiB is to fault by itself */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	err = vmm_create(&vm, &vmm_husk);
	if (err)
		return fail("no VM", -err);
	if (ioctl(vm.dev, HUSK_GET_CAPS, &caps))
		return fail("HUSK_GET_CAPS", errno);
	vmx = caps.modes & 1ULL << HUSK_MODE_VMX;
	rom = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(rom + 0xff0, "\xea\x00\xa0\x00\x00", 5);		/* ljmp $0, $BASE */
	err = vm.be->memory(&vm, 1, ROM_GPA, 4096, rom, HUSK_MEM_READONLY);
	if (err)
		return fail("no ROM", -err);
	vmm_load(&vm, BASE, parity_guest, parity_guest_end - parity_guest);
	machine(&vm);
	stats = mmap(NULL, HUSK_STATS_BYTES, PROT_READ, MAP_SHARED, vm.vcpu[0].fd, 4096);
	if (stats == MAP_FAILED)
		return fail("no statistics", errno);
	err = run(&vm, stats);
	vmm_destroy(&vm);
	return fclose(file) ? fail(argv[1], errno) : err;
}
