/* SPDX-License-Identifier: GPL-2.0 */
/* Between cmd_trace.c (the BPF program) and trace_print.c (what is shown of it). */
#ifndef HUSK_CLI_TRACE_H
#define HUSK_CLI_TRACE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/exits.h"
#include "lib/netlink.h"

struct trace_row {
	struct exits_key key;
	struct exits_value value;
};

/* Names of VMs by id, also of those that went away since they were first seen */
struct trace_names;
struct trace_names *trace_names_open(struct husk_nl *nl);
void trace_names_update(struct trace_names *names);
void trace_names_close(struct trace_names *names);

/* Sorts the rows. @lost: exits that found no room in the table */
void trace_print_summary(struct trace_row *rows, size_t count, uint64_t lost, uint64_t ns,
			 const struct trace_names *names, bool json);
void trace_print_record(const struct exits_record *r, uint64_t since_ns, struct trace_names *names, bool json);

#endif
