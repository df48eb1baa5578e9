/* SPDX-License-Identifier: GPL-2.0 */
/*
 * --cpuid: what the user changes of the leaves that a guest sees. Pure.
 *
 *	show			print the leaves, boot nothing
 *	hide=FEATURE, show=FEATURE	clear or set a bit. FEATURE is a name of Linux's
 *				/proc/cpuinfo, or LEAF[.INDEX].REGISTER.BIT
 *	LEAF[.INDEX].REGISTER=VALUE	the register as a whole
 */
#ifndef HUSK_WORKER_CPUID_RULES_H
#define HUSK_WORKER_CPUID_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "uapi/husk.h"

#define CPUID_RULES	64

/* The bits of @mask of a register become those of @value */
struct cpuid_rule {
	uint32_t function, index;
	bool has_index;
	uint8_t reg;			/* 0 EAX, 1 EBX, 2 ECX, 3 EDX */
	uint32_t mask, value;
};

struct cpuid_rules {
	struct cpuid_rule rule[CPUID_RULES];
	unsigned int count;
	bool show;			/* print the leaves */
};

/* Items, separated by commas. NULL, or what is wrong with *item, which points to it */
const char *cpuid_rules_parse(struct cpuid_rules *rules, const char *text, const char **item);
/* In the order in which they came. false: more than @room leaves */
bool cpuid_rules_apply(const struct cpuid_rules *rules, struct husk_cpuid_entry *entry, uint32_t *count, uint32_t room);
/* The name of a bit of a leaf, NULL: it has none here */
const char *cpuid_feature_name(uint32_t function, uint32_t index, unsigned int reg, unsigned int bit);
const uint32_t *cpuid_register(const struct husk_cpuid_entry *entry, unsigned int reg);

#endif
