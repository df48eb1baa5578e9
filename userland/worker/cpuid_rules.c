// SPDX-License-Identifier: GPL-2.0
/* What the user changes of the leaves that a guest sees. */
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "worker/cpuid_rules.h"

enum { EAX, EBX, ECX, EDX };

static const char * const registers[4] = { "eax", "ebx", "ecx", "edx" };

/* Names by bit, as in Linux's /proc/cpuinfo; NULL: reserved, or of no use to a guest */
static const struct {
	uint32_t function, index;
	uint8_t reg;
	const char *name[32];
} features[] = {
	{ 0x1, 0, EDX, { "fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", NULL, "sep", "mtrr", "pge", "mca",
			 "cmov", "pat", "pse36", "pn", "clflush", NULL, "dts", "acpi", "mmx", "fxsr", "sse", "sse2", "ss",
			 "ht", "tm", "ia64", "pbe" } },
	{ 0x1, 0, ECX, { "pni", "pclmulqdq", "dtes64", "monitor", "ds_cpl", "vmx", "smx", "est", "tm2", "ssse3", "cid", "sdbg",
			 "fma", "cx16", "xtpr", "pdcm", NULL, "pcid", "dca", "sse4_1", "sse4_2", "x2apic", "movbe", "popcnt",
			 "tsc_deadline_timer", "aes", "xsave", "osxsave", "avx", "f16c", "rdrand", "hypervisor" } },
	{ 0x6, 0, EAX, { [2] = "arat" } },
	{ 0x7, 0, EBX, { "fsgsbase", "tsc_adjust", "sgx", "bmi1", "hle", "avx2", NULL, "smep", "bmi2", "erms", "invpcid", "rtm",
			 "cqm", NULL, "mpx", "rdt_a", "avx512f", "avx512dq", "rdseed", "adx", "smap", "avx512ifma", NULL,
			 "clflushopt", "clwb", "intel_pt", "avx512pf", "avx512er", "avx512cd", "sha_ni", "avx512bw",
			 "avx512vl" } },
	{ 0x7, 0, ECX, { NULL, "avx512vbmi", "umip", "pku", "ospke", "waitpkg", "avx512_vbmi2", NULL, "gfni", "vaes",
			 "vpclmulqdq", "avx512_vnni", "avx512_bitalg", "tme", "avx512_vpopcntdq", NULL, "la57",
			 [22] = "rdpid", [25] = "cldemote", [27] = "movdiri", [28] = "movdir64b" } },
	{ 0x7, 0, EDX, { [4] = "fsrm", [8] = "avx512_vp2intersect", [10] = "md_clear", [14] = "serialize",
			 [26] = "spec_ctrl", [27] = "intel_stibp", [28] = "flush_l1d", [29] = "arch_capabilities",
			 [31] = "spec_ctrl_ssbd" } },
	{ 0xd, 1, EAX, { "xsaveopt", "xsavec", "xgetbv1", "xsaves" } },
	{ 0x40000001, 0, EAX, { "kvmclock_old", "kvm_nopiodelay", [3] = "kvmclock", [5] = "kvm_steal_time", [6] = "kvm_pv_eoi",
				[7] = "kvm_pv_unhalt", [9] = "kvm_pv_tlb_flush", [11] = "kvm_pv_ipi",
				[12] = "kvm_poll_control", [13] = "kvm_pv_sched_yield", [24] = "kvmclock_stable" } },
	{ 0x80000001, 0, EDX, { [11] = "syscall", [19] = "mp", [20] = "nx", [22] = "mmxext", [25] = "fxsr_opt", [26] = "pdpe1gb",
				[27] = "rdtscp", [29] = "lm", [30] = "3dnowext", [31] = "3dnow" } },
	{ 0x80000001, 0, ECX, { "lahf_lm", "cmp_legacy", "svm", "extapic", "cr8_legacy", "abm", "sse4a", "misalignsse",
				"3dnowprefetch", "osvw", "ibs", "xop", "skinit", "wdt", NULL, "lwp", "fma4", "tce", NULL,
				"nodeid_msr", NULL, "tbm", "topoext", "perfctr_core" } },
	{ 0x80000007, 0, EDX, { [8] = "constant_tsc" } },
	{ 0x80000008, 0, EBX, { "clzero", [2] = "xsaveerptr", [9] = "wbnoinvd", [12] = "ibpb", [14] = "ibrs", [15] = "stibp",
				[24] = "ssbd", [25] = "virt_ssbd" } },
};
#define FEATURES	(sizeof(features) / sizeof(features[0]))

const char *cpuid_feature_name(uint32_t function, uint32_t index, unsigned int reg, unsigned int bit)
{
	for (unsigned int i = 0; i < FEATURES; i++)
		if (features[i].function == function && features[i].index == index && features[i].reg == reg)
			return features[i].name[bit];
	return NULL;
}

const uint32_t *cpuid_register(const struct husk_cpuid_entry *entry, unsigned int reg)
{
	const uint32_t *const place[4] = { &entry->eax, &entry->ebx, &entry->ecx, &entry->edx };

	return place[reg];
}

static bool find_name(const char *name, size_t length, struct cpuid_rule *rule)
{
	for (unsigned int i = 0; i < FEATURES; i++)
		for (unsigned int bit = 0; bit < 32; bit++) {
			const char *own = features[i].name[bit];

			if (!own || strlen(own) != length || memcmp(own, name, length))
				continue;
			*rule = (struct cpuid_rule){ .function = features[i].function, .index = features[i].index,
						     .has_index = features[i].index, .reg = features[i].reg, .mask = 1U << bit };
			return true;
		}
	return false;
}

/* A number, decimal or with 0x, of at most max. Moves *text behind it */
static bool number(const char **text, uint32_t max, uint32_t *value)
{
	unsigned long long n;
	char *end;

	if (!isdigit((unsigned char)**text))
		return false;
	errno = 0;
	n = strtoull(*text, &end, 0);
	*text = end;
	*value = n;
	return !errno && n <= max;
}

/* LEAF[.INDEX].REGISTER; moves *text behind it */
static bool place(const char **text, struct cpuid_rule *rule)
{
	*rule = (struct cpuid_rule){};
	if (!number(text, ~0U, &rule->function) || *(*text)++ != '.')
		return false;
	if (isdigit((unsigned char)**text)) {
		rule->has_index = true;
		if (!number(text, ~0U, &rule->index) || *(*text)++ != '.')
			return false;
	}
	for (rule->reg = 0; rule->reg < 4; rule->reg++)
		if (!strncmp(*text, registers[rule->reg], 3)) {
			*text += 3;
			return true;
		}
	return false;
}

static bool bit(const char *text, size_t length, struct cpuid_rule *rule)
{
	const char *end = text + length;
	uint32_t n;

	if (find_name(text, length, rule))
		return true;
	if (!place(&text, rule) || *text++ != '.' || !number(&text, 31, &n) || text != end)
		return false;
	rule->mask = 1U << n;
	return true;
}

static const char *parse_item(struct cpuid_rules *rules, const char *text, size_t length)
{
	const char *at = text, *end = text + length;
	struct cpuid_rule rule;

	if (length == 4 && !memcmp(text, "show", 4)) {
		rules->show = true;
		return NULL;
	}
	if (rules->count == CPUID_RULES)
		return "too many";
	if (length > 5 && (!memcmp(text, "hide=", 5) || !memcmp(text, "show=", 5))) {
		if (!bit(text + 5, length - 5, &rule))
			return "no such feature; give a name of /proc/cpuinfo, or LEAF[.INDEX].REGISTER.BIT";
		rule.value = *text == 's' ? rule.mask : 0;
	} else {
		if (!place(&at, &rule) || *at++ != '=' || !number(&at, ~0U, &rule.value) || at != end)
			return "give show, hide=FEATURE, show=FEATURE or LEAF[.INDEX].REGISTER=VALUE";
		rule.mask = ~0U;
	}
	rules->rule[rules->count++] = rule;
	return NULL;
}

const char *cpuid_rules_parse(struct cpuid_rules *rules, const char *text, const char **item)
{
	const char *why = NULL;

	for (const char *end; !why; text = end + 1) {
		*item = text;
		end = strchrnul(text, ',');
		why = parse_item(rules, text, end - text);
		if (!*end)
			break;
	}
	return why;
}

static struct husk_cpuid_entry *find(struct husk_cpuid_entry *entry, uint32_t count, const struct cpuid_rule *rule)
{
	for (uint32_t i = 0; i < count; i++)
		if (entry[i].function == rule->function &&
		    (entry[i].index == rule->index || !(entry[i].flags & HUSK_CPUID_INDEX)))
			return &entry[i];
	return NULL;
}

bool cpuid_rules_apply(const struct cpuid_rules *rules, struct husk_cpuid_entry *entry, uint32_t *count, uint32_t room)
{
	for (unsigned int i = 0; i < rules->count; i++) {
		const struct cpuid_rule *rule = &rules->rule[i];
		struct husk_cpuid_entry *e = find(entry, *count, rule);
		uint32_t *reg;

		if (!e && !rule->value)
			continue;
		if (!e) {
			if (*count == room)
				return false;
			e = &entry[(*count)++];
			*e = (struct husk_cpuid_entry){ .function = rule->function, .index = rule->index,
							.flags = rule->has_index ? HUSK_CPUID_INDEX : 0 };
		}
		reg = (uint32_t *)cpuid_register(e, rule->reg);
		*reg = (*reg & ~rule->mask) | rule->value;
	}
	return true;
}
