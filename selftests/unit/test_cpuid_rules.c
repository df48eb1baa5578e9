// SPDX-License-Identifier: GPL-2.0
/* --cpuid: items good and bad, and what becomes of the leaves. */
#include "unit_shim.h"

#include "worker/cpuid_rules.h"

static struct cpuid_rules rules;
static struct husk_cpuid_entry entry[8];
static uint32_t count;

static void parse(const char *text, bool good)
{
	const char *item, *why;

	memset(&rules, 0, sizeof(rules));
	why = cpuid_rules_parse(&rules, text, &item);
	unit_report(!why == good, text, "%s", why ? why : "accepted");
}

static void apply(const char *text)
{
	static const struct husk_cpuid_entry leaves[] = {
		{ .function = 1, .eax = 0x830f10, .ecx = ~0U, .edx = ~0U },
		{ .function = 7, .flags = HUSK_CPUID_INDEX, .ebx = 0x20 },
		{ .function = 7, .index = 1, .flags = HUSK_CPUID_INDEX, .eax = 0x10 },
	};

	memcpy(entry, leaves, sizeof(leaves));
	count = 3;
	parse(text, true);
	unit_report(cpuid_rules_apply(&rules, entry, &count, 4), "room", "none");
}
#define EXPECT(good) unit_report(good, #good, "is not so")

int main(void)
{
	apply("hide=x2apic");
	EXPECT(entry[0].ecx == (uint32_t)~(1 << 21));
	apply("hide=avx2,hide=x2apic,show=smep");
	EXPECT(entry[1].ebx == 0x80 && entry[0].ecx == (uint32_t)~(1 << 21));
	apply("7.0.ebx=0x12,show=7.1.eax.0");
	EXPECT(entry[1].ebx == 0x12 && entry[2].eax == 0x11 && count == 3);
	apply("0x80000002.eax=0x6b737568,0x80000002.ebx=1");
	EXPECT(count == 4 && entry[3].function == 0x80000002 && entry[3].eax == 0x6b737568 && entry[3].ebx == 1 && !entry[3].flags);
	apply("7.2.edx=5");
	EXPECT(count == 4 && entry[3].index == 2 && entry[3].flags == HUSK_CPUID_INDEX && entry[3].edx == 5);
	apply("hide=nx,hide=9.eax.0,5.eax=0");
	EXPECT(count == 3);
	apply("hide=x2apic,show=x2apic");
	EXPECT(entry[0].ecx == ~0U);
	parse("2.eax=1,3.eax=1", true);
	unit_report(!cpuid_rules_apply(&rules, entry, &count, 4), "no room", "two leaves more");
	parse("show", true);
	EXPECT(rules.show && !rules.count);
	EXPECT(!strcmp(cpuid_feature_name(7, 0, 1, 5), "avx2") && !cpuid_feature_name(7, 2, 1, 5));
	parse("", false);
	parse(",", false);
	parse("hide", false);
	parse("hide=", false);
	parse("hide=nosuch", false);
	parse("hide=avx", true);
	parse("hide=av", false);
	parse("hide=7.ebx.32", false);
	parse("hide=7.ebx.5x", false);
	parse("hide=7.ebx", false);
	parse("7.ebx=", false);
	parse("7.ebx=-1", false);
	parse("7.ebx=0x100000000", false);
	parse("7.efx=1", false);
	parse("7.ebx.1=1", false);
	parse("-1.ebx=1", false);
	parse("show,", false);
	return unit_done();
}
