// SPDX-License-Identifier: GPL-2.0
/* What the CPU's two words about an exit mean: for SVM EXITINFO1 and 2, for VMX qualification and physical address. */
#include <string.h>

#include "trace.h"

enum kind { HEX, DECIMAL, FLAG, NAME };

/* Some bits of a word. FLAG: its name is printed if they are not 0; NAME: that of the value */
struct field {
	const char *name;
	enum kind kind;
	unsigned char word, shift, bits, plus;
	const char *names[4];
};

#define GPA	{ "gpa", HEX, 1, 0, 64, 0, {} }

/* APM2 15.10.2 */
static const struct field svm_pio[] = {
	{ "direction", NAME, 0, 0, 1, 0, { "out", "in" } }, { "port", HEX, 0, 16, 16, 0, {} },
	{ "width", DECIMAL, 0, 4, 3, 0, {} }, { "string", FLAG, 0, 2, 1, 0, {} }, { "rep", FLAG, 0, 3, 1, 0, {} }, {}
};

/* SDM 3C table 28-5 */
static const struct field vmx_pio[] = {
	{ "direction", NAME, 0, 3, 1, 0, { "out", "in" } }, { "port", HEX, 0, 16, 16, 0, {} },
	{ "width", DECIMAL, 0, 0, 3, 1, {} }, { "string", FLAG, 0, 4, 1, 0, {} }, { "rep", FLAG, 0, 5, 1, 0, {} }, {}
};

/* APM2 15.25.6 */
static const struct field svm_fault[] = { GPA, { "write", FLAG, 0, 1, 1, 0, {} }, { "fetch", FLAG, 0, 4, 1, 0, {} }, {} };
/* SDM 3C table 28-7 */
static const struct field vmx_fault[] = { GPA, { "write", FLAG, 0, 1, 1, 0, {} }, { "fetch", FLAG, 0, 2, 1, 0, {} }, {} };

/* SDM 3C table 28-3; SVM has the register in its exit code */
static const struct field vmx_cr[] = {
	{ "access", NAME, 0, 4, 2, 0, { "write", "read", "clts", "lmsw" } }, { "cr", DECIMAL, 0, 0, 4, 0, {} },
	{ "gpr", DECIMAL, 0, 8, 4, 0, {} }, {}
};

/* SDM 3C table 28-4 */
static const struct field vmx_dr[] = {
	{ "access", NAME, 0, 4, 1, 0, { "write", "read" } }, { "dr", DECIMAL, 0, 0, 3, 0, {} },
	{ "gpr", DECIMAL, 0, 8, 4, 0, {} }, {}
};

static const struct field * const fields[HUSK_REASON_COUNT][TRACE_VENDORS] = {
	[HUSK_REASON_PIO]	= { svm_pio, vmx_pio },
	[HUSK_REASON_FAULT2]	= { svm_fault, vmx_fault },
	[HUSK_REASON_MMIO]	= { svm_fault, vmx_fault },
	[HUSK_REASON_CR_ACCESS]	= { NULL, vmx_cr },
	[HUSK_REASON_DR_ACCESS]	= { NULL, vmx_dr },
};

enum trace_vendor trace_vendor(struct husk_nl *nl)
{
	struct husk_nl_caps caps;

	if (husk_nl_caps(nl, &caps))
		return TRACE_VENDORS;
	for (uint32_t i = 0; i < caps.modes; i++) {
		if (caps.mode[i].present && !strcmp(caps.mode[i].name, husk_mode_name(HUSK_MODE_SVM)))
			return TRACE_SVM;
		if (caps.mode[i].present && !strcmp(caps.mode[i].name, husk_mode_name(HUSK_MODE_VMX)))
			return TRACE_VMX;
	}
	return TRACE_VENDORS;
}

static const struct field *find_fields(const struct exits_record *r, enum trace_vendor vendor)
{
	return r->reason < HUSK_REASON_COUNT && vendor < TRACE_VENDORS ? fields[r->reason][vendor] : NULL;
}

static uint64_t value_of(const struct exits_record *r, const struct field *f)
{
	uint64_t word = f->word ? r->info1 : r->info0;

	return (word >> f->shift & ~0ULL >> (64 - f->bits)) + f->plus;
}

void trace_decode_text(FILE *out, const struct exits_record *r, enum trace_vendor vendor)
{
	const struct field *f = find_fields(r, vendor);

	if (!f)
		fprintf(out, " info=%llx,%llx", r->info0, r->info1);
	for (; f && f->name; f++) {
		uint64_t value = value_of(r, f);

		if (f->kind == NAME)
			fprintf(out, " %s", f->names[value]);
		else if (f->kind != FLAG)
			fprintf(out, f->kind == HEX ? " %s=0x%llx" : " %s=%llu", f->name, (unsigned long long)value);
		else if (value)
			fprintf(out, " %s", f->name);
	}
}

void trace_decode_json(FILE *out, const struct exits_record *r, enum trace_vendor vendor)
{
	const struct field *f = find_fields(r, vendor);

	for (; f && f->name; f++) {
		uint64_t value = value_of(r, f);

		if (f->kind == NAME)
			fprintf(out, ", \"%s\": \"%s\"", f->name, f->names[value]);
		else if (f->kind == FLAG)
			fprintf(out, ", \"%s\": %s", f->name, value ? "true" : "false");
		else
			fprintf(out, ", \"%s\": %llu", f->name, (unsigned long long)value);
	}
}
