/* SPDX-License-Identifier: GPL-2.0 */
/* husk top: what is counted (top_sample.c, top_policy.c), how it is printed (top_print.c), the terminal (cmd_top.c). */
#ifndef HUSK_CLI_TOP_H
#define HUSK_CLI_TOP_H

#include "stat.h"
#include "vm.h"

/* Bytes that a VM's devices moved, of which each disk and net says a part: X(id, its name there, column) */
#define TOP_IO(X) \
	X(READ,		"read_bytes",		"READ/s") \
	X(WRITE,	"write_bytes",		"WRITE/s") \
	X(RECEIVED,	"received_bytes",	"RECV/s") \
	X(SENT,		"sent_bytes",		"SENT/s")

enum top_io {
#define X(id, name, column) TOP_##id,
	TOP_IO(X)
#undef X
	TOP_IO_COUNT
};

#define TOP_VCPUS	64	/* more than any kernel module allows */

struct top_vcpu {
	bool waits;			/* halted, or for SIPI */
	uint64_t entries, halted_ns;
};

struct top_counts {
	bool exits_known, io_known[TOP_IO_COUNT];	/* a VM without disks has not read 0 bytes */
	uint64_t exits_ns, io_ns;	/* when they were read */
	struct stat_sums sums;		/* of all vCPUs */
	struct top_vcpu vcpu[TOP_VCPUS];
	unsigned int vcpus;
	uint64_t io[TOP_IO_COUNT];
};

/* Percent of the time of all vCPUs */
struct top_time {
	bool known;
	double guest;		/* at most; what is left of the time, and was CPU time */
	double exits;		/* from an exit until it is served, by the worker too */
	double halted;
};

/* All a second, since the round before */
struct top_rates {
	bool cpu_known, exits_known, io_known[TOP_IO_COUNT];
	double cpu;			/* percent of one CPU */
	double exits[HUSK_REASON_COUNT][HUSK_LEVEL_COUNT], level[HUSK_LEVEL_COUNT], all;
	double io[TOP_IO_COUNT];
	struct top_time time;
	struct stat_sums since;
	uint64_t vcpus_ns;	/* the time that it is of, of all vCPUs */
};

struct top_vm {
	struct husk_nl_vm vm;
	struct top_counts now;
	struct top_rates rate;
	uint64_t resident;		/* bytes, 0: not known */
	unsigned int silent;		/* rounds in which the worker, which did not answer, is not asked */
};

/* An attached program that decides exits */
struct top_policy {
	struct husk_nl_policy policy;
	bool known;			/* the two rates, a second */
	double answers, decided;
};

struct top_round {
	struct top_vm *vm;
	size_t count;
	struct top_policy *policy;	/* of all VMs, as far as one may see them */
	size_t policies;
	uint64_t policies_ns;
	uint64_t time_ns;
};

typedef int top_order(const void *a, const void *b);

/* List the VMs, or the one of that id. 0, or a negative errno */
int top_list(struct husk_nl *nl, uint32_t only, struct top_round *round);
/* By id if order is NULL */
void top_sort(struct top_round *round, top_order *order);
void top_free(struct top_round *round);
/* Read the counters of one, which cost a request each. The round before, here and below, is in the order of ids. */
void top_count(struct husk_nl *nl, struct top_vm *vm, const struct top_round *before);
/* Its rates; what one of the two has not counted is not known. */
void top_rate(struct top_vm *vm, const struct top_round *now, const struct top_round *before);

/* List the programs that decide exits; where there is no such list there are none. */
void top_policies(struct husk_nl *nl, struct top_round *now, const struct top_round *before);
/* How many of them decide exits of that VM, or of all; and print at most so many */
size_t top_policies_of(const struct top_round *round, uint32_t vm);
void top_print_policies(FILE *out, const struct top_round *round, uint32_t vm, unsigned int width, size_t rows,
			const char *eol);
/* As an array */
void top_json_policies(const struct top_round *round);

#define TOP_ORDERS	5
extern const struct top_order_name {
	const char *name;
	top_order *fn;
	bool counted;		/* by what top_count() reads */
} top_orders[TOP_ORDERS];

struct top_view {
	const struct top_round *round;
	const char *order;
	size_t selected;	/* an index; count: none */
	bool live;
};
/* The VMs from first on, at most rows of them; then the exits of the one selected, and programs that decide them, at most reasons lines */
void top_print(FILE *out, const struct top_view *view, unsigned int width, size_t first, size_t rows, size_t reasons);
void top_print_json(const struct top_round *round, uint64_t interval_ns);

#endif
