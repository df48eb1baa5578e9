// SPDX-License-Identifier: GPL-2.0
/*
 * What the guest's CPUID says: everything that the kernel supports on this
 * host, the personality among it: leaves 0x40000000 and following.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "worker/config.h"

#define CPUID_POWER		0x80000007
#define CPUID_INVARIANT_TSC	(1U << 8)
#define CPUID_PERSONALITY	0x40000000	/* to 0x4fffffff */

enum husk_status option_personality(struct config *c, const char *text)
{
	c->bare = !strcmp(text, "none");
	if (!c->bare && strcmp(text, "kvm"))
		return fail(HUSK_STATUS_USAGE, "--personality %s: give kvm or none", text);
	return HUSK_STATUS_OK;
}

/*
 * A host whose kernel keeps time by the TSC has found it to run steadily; then
 * so does the guest's, even if the host's CPU (a virtual one, say) does not
 * promise it. The guest then needs no second clock to watch it.
 */
static bool host_trusts_tsc(void)
{
	FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
	char name[16] = "";
	bool trusts = f && fgets(name, sizeof(name), f) && !strcmp(name, "tsc\n");

	if (f)
		fclose(f);
	return trusts;
}

static void promise_steady_tsc(struct husk_cpuid_entry *entry, __u32 count)
{
	for (__u32 i = 0; i < count; i++)
		if (entry[i].function == CPUID_POWER)
			entry[i].edx |= CPUID_INVARIANT_TSC;
}

/* One package of cpus cores with a thread each; the APIC id is the vCPU's number (SDM 3A 9.9, APM3 E.5). */
static void set_topology(struct husk_cpuid_entry *entry, __u32 count, unsigned int cpus)
{
	bool amd = entry[0].ebx == 0x68747541 || entry[0].ebx == 0x6f677948;	/* Auth(enticAMD), Hygo(nGenuine) */
	unsigned int bits = 0;

	while (1U << bits < cpus)
		bits++;
	for (__u32 i = 0; i < count && cpus > 1; i++) {
		struct husk_cpuid_entry *e = &entry[i];

		switch (e->function) {
		case 0x1:
			e->ebx = (e->ebx & ~0xff0000U) | (1U << bits) << 16;
			e->edx |= 1U << 28;				/* HTT: EBX counts */
			break;
		case 0x4:
			e->eax |= ((1U << bits) - 1) << 26;
			if ((e->eax >> 5 & 7) == 3)			/* the third level is for all */
				e->eax |= ((1U << bits) - 1) << 14;
			break;
		case 0xb:
			if (e->index == 1) {
				e->eax = bits;
				e->ebx = cpus;
			}
			break;
		case 0x80000001:
			e->ecx |= amd ? 1U << 1 : 0;		/* CmpLegacy */
			break;
		case 0x80000008:
			e->ecx = amd ? bits << 12 | (cpus - 1) : e->ecx;
			break;
		}
	}
}

/* Answers how many are left */
static __u32 drop_personality(struct husk_cpuid_entry *entry, __u32 count)
{
	__u32 left = 0;

	for (__u32 i = 0; i < count; i++)
		if (entry[i].function >> 28 != CPUID_PERSONALITY >> 28)
			entry[left++] = entry[i];
	return left;
}

/* The leaves as a guest sees them, but for what the kernel fills in at run time */
static enum husk_status make_leaves(const struct config *c, int dev, struct husk_cpuid_entry entry[HUSK_CPUID_MAX],
				    __u32 *total)
{
	__u32 count = HUSK_CPUID_MAX;

	if (husk_get_cpuid(dev, entry, &count) < 0)
		return fail(HUSK_STATUS_HOST, "the kernel does not tell its CPUID leaves: %s", strerror(errno));
	if (host_trusts_tsc())
		promise_steady_tsc(entry, count);
	set_topology(entry, count, c->cpus);
	*total = c->bare ? drop_personality(entry, count) : count;
	if (!cpuid_rules_apply(&c->cpuid, entry, total, HUSK_CPUID_MAX))
		return fail(HUSK_STATUS_INPUT, "--cpuid: more than %d leaves", HUSK_CPUID_MAX);
	return HUSK_STATUS_OK;
}

enum husk_status machine_set_cpuid(struct machine *m)
{
	struct husk_cpuid_entry entry[HUSK_CPUID_MAX];
	__u32 count;
	enum husk_status status = make_leaves(m->config, m->dev, entry, &count);

	if (status)
		return status;
	for (__u32 i = 0; i < count; i++)
		if (entry[i].function == 1) {
			m->cpu_signature = entry[i].eax;
			m->cpu_features = entry[i].edx;
		}
	if (husk_vm_set_cpuid(m->vm, entry, count) < 0)
		return fail(HUSK_STATUS_FAIL, "the kernel refused the CPUID leaves: %s", strerror(errno));
	return HUSK_STATUS_OK;
}

static void print_features(const struct husk_cpuid_entry *e)
{
	const char *name;

	for (unsigned int reg = 0; reg < 4; reg++)
		for (unsigned int bit = 0; bit < 32; bit++) {
			name = cpuid_feature_name(e->function, e->index, reg, bit);
			if (name && *cpuid_register(e, reg) >> bit & 1)
				printf(" %s", name);
		}
}

enum husk_status cpuid_print(const struct config *c, int dev)
{
	struct husk_cpuid_entry entry[HUSK_CPUID_MAX];
	__u32 count;
	enum husk_status status = make_leaves(c, dev, entry, &count);

	if (status)
		return status;
	for (__u32 i = 0; i < count; i++) {
		const struct husk_cpuid_entry *e = &entry[i];

		printf("0x%x.%u: eax=0x%08x ebx=0x%08x ecx=0x%08x edx=0x%08x", e->function, e->index,
		       e->eax, e->ebx, e->ecx, e->edx);
		print_features(e);
		printf("\n");
	}
	return fflush(stdout) ? fail(HUSK_STATUS_FAIL, "standard output: %s", strerror(errno)) : HUSK_STATUS_OK;
}

enum husk_status option_cpuid(struct config *c, const char *text)
{
	const char *item, *why = cpuid_rules_parse(&c->cpuid, text, &item);

	return why ? fail(HUSK_STATUS_USAGE, "--cpuid %s: %s", item, why) : HUSK_STATUS_OK;
}
