/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parts of husk trace: cmd_trace.c (what was asked for), trace_bpf.c (the BPF
 * program), trace_filter.c (what it lets through), and a file for each thing that is
 * shown of what it counts and records.
 */
#ifndef HUSK_CLI_TRACE_H
#define HUSK_CLI_TRACE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bpf/exits.h"
#include "lib/netlink.h"

/* ---- trace_bpf.c: the program and its maps ---- */

struct trace_row {
	struct exits_key key;
	struct exits_value value;
};

struct trace_rip {
	struct exits_rip_key key;
	struct exits_rip_value value;
};

struct trace_bpf;
/* Load and attach it, or die: what is counted starts from here. */
struct trace_bpf *trace_bpf_open(const struct exits_config *config);
/* No exit is counted any more; what was remains to be read. */
void trace_bpf_detach(struct trace_bpf *bpf);
void trace_bpf_close(struct trace_bpf *bpf);
/* Exits that passed the filter and are in no map; a record, if one was wanted */
uint64_t trace_bpf_lost(const struct trace_bpf *bpf);
/* Both: to be freed */
size_t trace_bpf_rows(const struct trace_bpf *bpf, struct trace_row **out);
size_t trace_bpf_rips(const struct trace_bpf *bpf, struct trace_rip **out);
/* Call fn for records that are there or come within so many ms; 0: for all that are there, after a detach */
typedef void trace_record_fn(void *arg, const struct exits_record *r);
void trace_bpf_poll(struct trace_bpf *bpf, int ms, trace_record_fn *fn, void *arg);

/* ---- trace_filter.c ---- */

/* Each adds to the filter what an option's text says. false: error says what is wrong with it */
struct trace_error {
	char text[600];
};
typedef bool trace_filter_fn(struct exits_config *config, const char *text, struct trace_error *error);
trace_filter_fn trace_filter_vcpu, trace_filter_reasons, trace_filter_levels, trace_filter_rip, trace_filter_slower;

/* ---- trace_names.c: names of VMs by id, also of those that went away since they were first seen ---- */

struct trace_names;
struct trace_names *trace_names_open(struct husk_nl *nl);
void trace_names_update(struct trace_names *names);
void trace_names_close(struct trace_names *names);
/* "" if the VM was gone before anyone asked; those that are new are asked for */
const char *trace_name(struct trace_names *names, uint32_t id);
/* The same, but "id N" for "" */
struct trace_label {
	char s[HUSK_NAME_LEN + 16];
};
const char *trace_label(struct trace_names *names, uint32_t id, struct trace_label *label);

/* ---- trace_symbols.c: names of guest addresses ---- */

struct trace_symbols;
/* A file as System.map or /proc/kallsyms have it. NULL: error says why not */
struct trace_symbols *trace_symbols_read(FILE *file, struct trace_error *error);
void trace_symbols_free(struct trace_symbols *symbols);
/* The function that an address is in, or NULL; also without symbols */
const char *trace_symbol(const struct trace_symbols *symbols, uint64_t rip);

/* ---- trace_decode.c: what the CPU's words about an exit mean ---- */

enum trace_vendor { TRACE_SVM, TRACE_VMX, TRACE_VENDORS };	/* TRACE_VENDORS: not known */
enum trace_vendor trace_vendor(struct husk_nl *nl);
/* " port=0x80 width=1 out"; the words themselves where nothing is known of them */
void trace_decode_text(FILE *out, const struct exits_record *r, enum trace_vendor vendor);
/* The same as further members of a JSON object */
void trace_decode_json(FILE *out, const struct exits_record *r, enum trace_vendor vendor);

/* ---- what is shown ---- */

struct trace_view {
	struct trace_names *names;
	const struct trace_symbols *symbols;	/* NULL: none */
	enum trace_vendor vendor;
	bool json;
};

/* trace_print.c. The rows get sorted. @lost: exits that found no room in the table */
void trace_print_summary(struct trace_row *rows, size_t count, uint64_t lost, uint64_t ns,
			 const struct trace_view *view);
void trace_print_record(const struct exits_record *r, uint64_t since_ns, const struct trace_view *view);
void trace_print_lost(uint64_t lost, uint64_t since_ns, const struct trace_view *view);
/* Say that there were no exits, or that some were lost. */
void trace_complain(size_t count, uint64_t lost);
void trace_sort_rows(struct trace_row *rows, size_t count);
/* The upper bound of the slot that the share of all exits (in percent) ends in */
uint64_t trace_percentile(const struct exits_value *v, unsigned int percent);

/* trace_latency.c; lines of at most so many columns, with blocks of UTF-8 or with # */
void trace_print_latency(struct trace_row *rows, size_t count, uint64_t lost, const struct trace_view *view);
void trace_histogram(FILE *out, const struct exits_value *v, unsigned int columns, bool utf8);

/* trace_flame.c: a line for each stack, "VM;vcpuN;reason;level;rip WEIGHT" */
void trace_print_flame(const struct trace_rip *rips, size_t count, bool weigh_count, uint64_t lost, uint64_t ns,
		       const struct trace_view *view);

/*
 * trace_chrome.c: a file in the Trace Event Format, for Perfetto and chrome://tracing.
 * Between two calls the file is complete, unless it is none that can be written anew
 * from some place on (a pipe), which is complete after close.
 */
struct trace_chrome;
struct trace_chrome *trace_chrome_open(const char *path, uint64_t start_ns, const struct trace_view *view);
void trace_chrome_record(struct trace_chrome *chrome, const struct exits_record *r);
/* @lost: so far */
void trace_chrome_flush(struct trace_chrome *chrome, uint64_t lost);
void trace_chrome_close(struct trace_chrome *chrome, uint64_t lost);
uint64_t trace_chrome_count(const struct trace_chrome *chrome);

#endif
