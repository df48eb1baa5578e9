// SPDX-License-Identifier: GPL-2.0
/* husk trace --chrome: exits in the Trace Event Format: a VM is a process, a vCPU its thread. See trace.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "trace.h"

struct trace_chrome {
	FILE *file;
	const char *path;
	const struct trace_view *view;
	uint64_t start_ns, last_ns;	/* of the trace; when the last exit ended */
	uint64_t events, count, lost;
	bool seekable;
	struct seen {
		uint32_t vm, vcpu;
	} *seen;			/* those that have names in the file */
	size_t seen_count;
};

static void __attribute__((noreturn)) die_writing(const struct trace_chrome *c)
{
	die(HUSK_STATUS_FAIL, "can't write %s: %s", c->path, strerror(errno));
}

struct trace_chrome *trace_chrome_open(const char *path, uint64_t start_ns, const struct trace_view *view)
{
	struct trace_chrome *c = calloc(1, sizeof(*c));

	if (!c)
		die(HUSK_STATUS_FAIL, "out of memory");
	*c = (struct trace_chrome){ .path = path, .view = view, .start_ns = start_ns, .last_ns = start_ns };
	c->file = fopen(path, "we");
	if (!c->file)
		die_writing(c);
	c->seekable = ftello(c->file) == 0;
	fputs("{\"displayTimeUnit\": \"ns\", \"traceEvents\": [", c->file);
	trace_chrome_flush(c, 0);
	return c;
}

static void begin_event(struct trace_chrome *c)
{
	fputs(c->events++ ? ",\n" : "\n", c->file);
}

/* Microseconds since the trace began */
static void put_time(FILE *f, const char *name, uint64_t ns)
{
	fprintf(f, ", \"%s\": %" PRIu64 ".%03u", name, ns / 1000, (unsigned int)(ns % 1000));
}

/* A thread's number is one higher than its vCPU's: 0 is the idle thread to viewers. */
static void put_thread(FILE *f, uint32_t vm, uint32_t vcpu)
{
	fprintf(f, ", \"pid\": %" PRIu32 ", \"tid\": %llu", vm, vcpu + 1ULL);
}

static void add_name(struct trace_chrome *c, uint32_t vm, uint32_t vcpu, const char *what, const char *name)
{
	begin_event(c);
	fprintf(c->file, "{\"ph\": \"M\", \"name\": \"%s\"", what);
	put_thread(c->file, vm, vcpu);
	fputs(", \"args\": {\"name\": ", c->file);
	json_string_to(c->file, name);
	fputs("}}", c->file);
}

/* Name a VM and a vCPU before their first event. */
static void see(struct trace_chrome *c, uint32_t vm, uint32_t vcpu)
{
	struct trace_label label;
	bool vm_seen = false;
	char thread[24];

	for (size_t i = 0; i < c->seen_count; i++) {
		if (c->seen[i].vm != vm)
			continue;
		if (c->seen[i].vcpu == vcpu)
			return;
		vm_seen = true;
	}
	c->seen = reallocarray(c->seen, c->seen_count + 1, sizeof(*c->seen));
	if (!c->seen)
		die(HUSK_STATUS_FAIL, "out of memory");
	c->seen[c->seen_count++] = (struct seen){ vm, vcpu };
	if (!vm_seen)
		add_name(c, vm, vcpu, "process_name", trace_label(c->view->names, vm, &label));
	snprintf(thread, sizeof(thread), "vcpu%" PRIu32, vcpu);
	add_name(c, vm, vcpu, "thread_name", thread);
}

void trace_chrome_record(struct trace_chrome *c, const struct exits_record *r)
{
	const char *symbol = trace_symbol(c->view->symbols, r->rip);
	uint64_t begin = r->time_ns - r->ns, end = r->time_ns;
	FILE *f = c->file;

	/* It may have begun before, if something else was tracing already. */
	if (begin < c->start_ns || begin > end)
		begin = c->start_ns;
	if (end < begin)
		end = begin;
	if (end > c->last_ns)
		c->last_ns = end;
	see(c, r->vm, r->vcpu);
	begin_event(c);
	c->count++;
	fprintf(f, "{\"ph\": \"X\", \"cat\": \"exit\", \"name\": \"%s\"", husk_reason_name(r->reason));
	put_thread(f, r->vm, r->vcpu);
	put_time(f, "ts", begin - c->start_ns);
	put_time(f, "dur", end - begin);
	fprintf(f, ", \"args\": {\"level\": \"%s\", \"rip\": \"0x%llx\", \"info0\": \"0x%llx\", \"info1\": \"0x%llx\"",
		husk_level_name(r->level), r->rip, r->info0, r->info1);
	trace_decode_json(f, r, c->view->vendor);
	if (symbol) {
		fputs(", \"symbol\": ", f);
		json_string_to(f, symbol);
	}
	fputs("}}", f);
}

/* A mark where it was noticed that exits are missing */
static void add_lost(struct trace_chrome *c, uint64_t lost)
{
	begin_event(c);
	fprintf(c->file, "{\"ph\": \"i\", \"s\": \"g\", \"name\": \"%" PRIu64 " exits lost\", \"pid\": 0, \"tid\": 0",
		lost - c->lost);
	put_time(c->file, "ts", c->last_ns - c->start_ns);
	fputs("}", c->file);
	c->lost = lost;
}

static void put_end(struct trace_chrome *c)
{
	fprintf(c->file, "\n], \"otherData\": {\"program\": \"husk trace %s\", \"exits\": %" PRIu64 ", \"lost_exits\": %" PRIu64
		"}}\n", HUSK_VERSION, c->count, c->lost);
}

void trace_chrome_flush(struct trace_chrome *c, uint64_t lost)
{
	off_t at;

	if (lost > c->lost)
		add_lost(c, lost);
	at = c->seekable ? ftello(c->file) : -1;
	if (at >= 0)
		put_end(c);
	/* what comes next is written over the end, and is longer */
	if (fflush(c->file) || ferror(c->file) || (at >= 0 && fseeko(c->file, at, SEEK_SET)))
		die_writing(c);
}

void trace_chrome_close(struct trace_chrome *c, uint64_t lost)
{
	if (lost > c->lost)
		add_lost(c, lost);
	put_end(c);
	if (ferror(c->file) || fclose(c->file))
		die_writing(c);
	free(c->seen);
	free(c);
}

uint64_t trace_chrome_count(const struct trace_chrome *c)
{
	return c->count;
}
