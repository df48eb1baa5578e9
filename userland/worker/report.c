// SPDX-License-Identifier: GPL-2.0
/* The report about a guest that crashed: why, registers, code, last exits. */
#include <stdio.h>

#include "worker/machine.h"

#define CODE_BYTES	16

typedef unsigned long long ull;

static void report_cause(const struct husk_run *run)
{
	fprintf(stderr, "cause: %s, behind it %s at rip %#llx\n", husk_exit_name(run->exit),
		husk_reason_name(run->reason), (ull)run->rip);
	if (run->exit == HUSK_EXIT_UNHANDLED) {
		unsigned int n = run->unhandled.insn_length;

		fprintf(stderr, "hardware reason %#llx, info %#llx %#llx, instruction",
			(ull)run->unhandled.hw_reason, (ull)run->unhandled.info[0],
			(ull)run->unhandled.info[1]);
		for (unsigned int i = 0; i < n && i < sizeof(run->unhandled.insn); i++)
			fprintf(stderr, " %02x", run->unhandled.insn[i]);
		fprintf(stderr, "%s\n", n ? "" : " not known");
	}
	if (run->exit == HUSK_EXIT_ENTRY_FAIL)
		fprintf(stderr, "hardware reason %#llx, info %#llx %#llx\n", (ull)run->entry_fail.hw_reason,
			(ull)run->entry_fail.info[0], (ull)run->entry_fail.info[1]);
}

static void report_general(const struct husk_general *regs)
{
	static const char * const names[16] = {
		"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
	};

	fprintf(stderr, "rip %016llx  rflags %08llx\n", (ull)regs->rip, (ull)regs->rflags);
	for (int i = 0; i < 16; i++)
		fprintf(stderr, "%-3s %016llx%s", names[i], (ull)regs->gpr[i], i % 4 == 3 ? "\n" : "  ");
}

static void report_segment(const char *name, const struct husk_segment *s)
{
	fprintf(stderr, "%-4s %04x  base %016llx  limit %08x  attr %03x\n", name, s->selector,
		(ull)s->base, s->limit, s->attr);
}

static void report_system(const struct husk_system *sys)
{
	report_segment("cs", &sys->cs);
	report_segment("ss", &sys->ss);
	report_segment("ds", &sys->ds);
	report_segment("es", &sys->es);
	report_segment("fs", &sys->fs);
	report_segment("gs", &sys->gs);
	report_segment("tr", &sys->tr);
	report_segment("ldtr", &sys->ldtr);
	fprintf(stderr, "gdtr %016llx/%04x  idtr %016llx/%04x\n", (ull)sys->gdtr.base, sys->gdtr.limit,
		(ull)sys->idtr.base, sys->idtr.limit);
	fprintf(stderr, "cr0 %08llx  cr2 %016llx  cr3 %012llx  cr4 %08llx  cr8 %llx  efer %llx  xcr0 %llx\n",
		(ull)sys->cr0, (ull)sys->cr2, (ull)sys->cr3, (ull)sys->cr4, (ull)sys->cr8,
		(ull)sys->efer, (ull)sys->xcr0);
}

static void report_code(const struct vcpu *v, const struct husk_general *regs,
			const struct husk_system *sys)
{
	uint64_t gva = regs->rip + (sys->efer & 0x400 ? 0 : sys->cs.base);
	const uint8_t *code;
	__u64 gpa;

	fprintf(stderr, "code:");
	for (int i = 0; i < CODE_BYTES; i++) {
		code = husk_vcpu_translate(v->fd, gva + i, &gpa) < 0 ? NULL : machine_ram(v->machine, gpa, 1);
		if (!code)
			break;
		fprintf(stderr, " %02x", *code);
	}
	fprintf(stderr, "\n");
}

static void report_flight(const struct husk_stats *stats)
{
	uint64_t count = stats->entries < HUSK_FLIGHT_LEN ? stats->entries : HUSK_FLIGHT_LEN;
	uint64_t tsc = stats->flight[stats->entries % HUSK_FLIGHT_LEN].tsc;

	fprintf(stderr, "last exits (number, us before the last, reason, level, rip, information, vector injected before):\n");
	for (uint32_t n = stats->entries - count + 1; count; n++, count--) {
		const struct husk_flight *f = &stats->flight[n % HUSK_FLIGHT_LEN];

		fprintf(stderr, "%10u  %10.1f  %-11s %-6s %016llx  %llx %llx", n,
			stats->tsc_khz ? (tsc - f->tsc) * 1000.0 / stats->tsc_khz : 0, husk_reason_name(f->reason),
			husk_level_name(f->level), (ull)f->rip, (ull)f->info0, (ull)f->info1);
		if (f->event)
			fprintf(stderr, "  %u", f->vector);
		fprintf(stderr, "\n");
	}
}

void machine_report(struct machine *m)
{
	struct vcpu *v = &m->vcpu[atomic_load(&m->crashed)];
	struct husk_general regs;
	struct husk_system sys;

	fprintf(stderr, "---- husk: VM %u \"%s\", vCPU %u of %u ----\n", m->id, m->config->name, v->id, m->config->cpus);
	report_cause(v->run);
	if (!husk_vcpu_get(v->fd, HUSK_STATE_GENERAL, &regs) &&
	    !husk_vcpu_get(v->fd, HUSK_STATE_SYSTEM, &sys)) {
		report_general(&regs);
		report_system(&sys);
		report_code(v, &regs, &sys);
	}
	report_flight(v->stats);
	fprintf(stderr, "entries %llu, accesses where no device is: ports %llu, memory %llu\n---- end ----\n",
		(ull)v->stats->entries, (ull)m->ports.unknown, (ull)m->memory.unknown);
}
