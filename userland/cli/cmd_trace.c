// SPDX-License-Identifier: GPL-2.0
/* husk trace: what was asked for, and the loop of each mode. See trace.h. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "trace.h"
#include "vm.h"

static const char trace_usage[] =
	"usage: husk trace [OPTIONS]\n"
	"\n"
	"Count and time the exits of all VMs, or of those that are chosen, until Ctrl-C. Needs root.\n"
	"\n"
	"  --summary               print a table by VM, reason and level (the default); P50 and P99\n"
	"                          are upper bounds, to a power of two\n"
	"  --latency               print a histogram of times for each VM, reason and level\n"
	"  --live                  print each exit as it happens\n"
	"  --flame[=ns|count]      print folded stacks for flame graphs: by time, or by number\n"
	"  --chrome FILE           write each exit to FILE, for Perfetto and chrome://tracing\n"
	"  --vm VM                 only exits of this VM\n"
	"  --vcpu N                only of vCPUs of this number\n"
	"  --reason REASON[,...]   only for these reasons, see below\n"
	"  --level fast|kernel|worker  only those that were served there\n"
	"  --rip FROM-TO           only at guest addresses from FROM up to before TO (hexadecimal)\n"
	"  --slower-than TIME      only those that took longer, as 50us, 1ms\n"
	"  --symbols FILE          name guest addresses by this System.map or copy of /proc/kallsyms\n"
	"  --duration S            end after S seconds\n"
	"  --json                  print JSON\n"
	"\n"
	"Reasons:\n"
#define X(id, name, what) "  " name "  " what "\n"
	HUSK_REASONS(X);
#undef X

#define TICK_MS		100
#define QUIET_S		2	/* longer runs say so */

enum mode { SUMMARY, LATENCY, LIVE, FLAME, CHROME, MODES };

struct trace_args {
	enum mode mode;		/* MODES: none was given */
	const char *vm, *chrome, *symbols;
	double duration;	/* seconds, 0: until a signal */
	bool weigh_count, json;
	struct exits_config config;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

/* ---- arguments ---- */

static void set_mode(struct trace_args *args, enum mode mode)
{
	if (args->mode != MODES && args->mode != mode)
		die(HUSK_STATUS_USAGE, "only one of --summary, --latency, --live, --flame and --chrome");
	args->mode = mode;
}

static void set_weight(struct trace_args *args, const char *text)
{
	if (text && strcmp(text, "ns") && strcmp(text, "count"))
		die(HUSK_STATUS_USAGE, "bad weight \"%s\": ns or count", text);
	args->weigh_count = text && !strcmp(text, "count");
}

static void set_duration(struct trace_args *args, const char *text)
{
	char *end;

	args->duration = strtod(text, &end);
	if (end == text || *end || !isfinite(args->duration) || args->duration <= 0)
		die(HUSK_STATUS_USAGE, "bad duration \"%s\": a number of seconds above 0", text);
}

static void set_filter(struct trace_args *args, trace_filter_fn *fn, const char *text)
{
	struct trace_error error;

	if (!fn(&args->config, text, &error))
		die(HUSK_STATUS_USAGE, "%s", error.text);
}

/* What getopt answers: a mode; MODES and above: what the switch below says */
enum { OPTION_VM = MODES, OPTION_SYMBOLS, OPTION_DURATION, OPTION_JSON, OPTION_FILTER };

static trace_filter_fn * const filters[] = {
	trace_filter_vcpu, trace_filter_reasons, trace_filter_levels, trace_filter_rip, trace_filter_slower,
};

static const struct option options[] = {
	{ "summary", no_argument, NULL, SUMMARY },
	{ "latency", no_argument, NULL, LATENCY },
	{ "live", no_argument, NULL, LIVE },
	{ "flame", optional_argument, NULL, FLAME },
	{ "chrome", required_argument, NULL, CHROME },
	{ "vm", required_argument, NULL, OPTION_VM },
	{ "symbols", required_argument, NULL, OPTION_SYMBOLS },
	{ "duration", required_argument, NULL, OPTION_DURATION },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "vcpu", required_argument, NULL, OPTION_FILTER },
	{ "reason", required_argument, NULL, OPTION_FILTER + 1 },
	{ "level", required_argument, NULL, OPTION_FILTER + 2 },
	{ "rip", required_argument, NULL, OPTION_FILTER + 3 },
	{ "slower-than", required_argument, NULL, OPTION_FILTER + 4 },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static void take_option(struct trace_args *args, int c)
{
	switch (c) {
	case OPTION_VM:
		args->vm = optarg;
		break;
	case OPTION_SYMBOLS:
		args->symbols = optarg;
		break;
	case OPTION_DURATION:
		set_duration(args, optarg);
		break;
	case OPTION_JSON:
		args->json = true;
		break;
	default:
		set_filter(args, filters[c - OPTION_FILTER], optarg);
	}
}

static void trace_parse(int argc, char **argv, struct trace_args *args)
{
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h' || c == '?')
			usage(trace_usage, c == 'h');
		if (c >= MODES) {
			take_option(args, c);
			continue;
		}
		set_mode(args, c);
		if (c == FLAME)
			set_weight(args, optarg);
		if (c == CHROME)
			args->chrome = optarg;
	}
	if (optind != argc)
		usage(trace_usage, false);
	if (args->mode == MODES)
		args->mode = SUMMARY;
	if (args->symbols && args->mode < LIVE)
		die(HUSK_STATUS_USAGE, "--symbols goes with --live, --flame or --chrome: the others show no addresses");
}

static struct trace_symbols *read_symbols(const char *path)
{
	struct trace_symbols *symbols;
	struct trace_error error;
	FILE *file = fopen(path, "re");

	if (!file)
		die(HUSK_STATUS_INPUT, "can't read %s: %s", path, strerror(errno));
	symbols = trace_symbols_read(file, &error);
	if (!symbols)
		die(HUSK_STATUS_INPUT, "%s has no symbols that can be used: %s", path, error.text);
	fclose(file);
	return symbols;
}

/* ---- the modes ---- */

struct trace {
	const struct trace_args *args;
	struct trace_view view;
	struct trace_bpf *bpf;
	struct trace_chrome *chrome;
	uint64_t start;		/* CLOCK_BOOTTIME */
	uint64_t first_ns, last_ns, lost;	/* of live records */
	uint64_t shown_ns;	/* when progress was shown */
};

/* A reader of a pipe that went away, while there is nothing to write */
static bool unheard(void)
{
	struct pollfd fd = { .fd = STDOUT_FILENO };

	return ferror(stdout) || (poll(&fd, 1, 0) == 1 && (fd.revents & POLLERR));
}

static bool over(const struct trace *t)
{
	return interrupted || (t->args->mode != CHROME && unheard()) ||
	       (t->args->duration > 0 && vm_now() - t->start >= t->args->duration * 1e9);
}

static void count(struct trace *t)
{
	double duration = t->args->duration;
	struct trace_row *rows = NULL;
	struct trace_rip *rips = NULL;
	uint64_t lost, ns;
	size_t n;

	if (isatty(STDERR_FILENO) && duration > QUIET_S)
		fprintf(stderr, "counting exits for %g s; Ctrl-C ends it\n", duration);
	else if (isatty(STDERR_FILENO) && !duration)
		fprintf(stderr, "counting exits; Ctrl-C ends it\n");
	while (!over(t))
		usleep(TICK_MS * 1000);
	ns = vm_now() - t->start;
	trace_bpf_detach(t->bpf);
	trace_names_update(t->view.names);
	lost = trace_bpf_lost(t->bpf);
	if (t->args->mode == FLAME) {
		n = trace_bpf_rips(t->bpf, &rips);
		trace_print_flame(rips, n, t->args->weigh_count, lost, ns, &t->view);
	} else {
		n = trace_bpf_rows(t->bpf, &rows);
		if (t->args->mode == LATENCY && !t->args->json)
			trace_print_latency(rows, n, lost, &t->view);
		else
			trace_print_summary(rows, n, lost, ns, &t->view);
	}
	free(rows);
	free(rips);
}

static void print_live(void *arg, const struct exits_record *r)
{
	struct trace *t = arg;

	if (!t->first_ns)
		t->first_ns = r->time_ns;
	/* those of two CPUs may be in another order than their times */
	if (r->time_ns < t->first_ns)
		t->last_ns = t->first_ns;
	else
		t->last_ns = r->time_ns;
	trace_print_record(r, t->last_ns - t->first_ns, &t->view);
}

static void say_lost(struct trace *t)
{
	uint64_t lost = trace_bpf_lost(t->bpf);

	if (lost > t->lost)
		trace_print_lost(lost - t->lost, t->last_ns - t->first_ns, &t->view);
	t->lost = lost;
	fflush(stdout);
}

static void live(struct trace *t)
{
	while (!over(t)) {
		trace_bpf_poll(t->bpf, TICK_MS, print_live, t);
		say_lost(t);
	}
	trace_bpf_detach(t->bpf);
	if (!unheard())
		trace_bpf_poll(t->bpf, 0, print_live, t);
	say_lost(t);
	if (t->lost)
		complain("%" PRIu64 " exits are not shown: they came faster than they could be printed", t->lost);
}

static void write_chrome(void *arg, const struct exits_record *r)
{
	struct trace *t = arg;

	trace_chrome_record(t->chrome, r);
}

static void show_progress(struct trace *t, bool end)
{
	uint64_t now = vm_now();

	if (!isatty(STDERR_FILENO) || (!end && now - t->shown_ns < 1000000000))
		return;
	t->shown_ns = now;
	/* the last one is over all of the one before */
	fprintf(stderr, "\r%" PRIu64 " exits written, %" PRIu64 " lost%-16s%s", trace_chrome_count(t->chrome), t->lost,
		end ? "" : "; Ctrl-C ends it", end ? "\n" : "");
}

static void chrome(struct trace *t)
{
	const char *path = t->args->chrome;
	uint64_t written;

	while (!over(t)) {
		trace_bpf_poll(t->bpf, TICK_MS, write_chrome, t);
		t->lost = trace_bpf_lost(t->bpf);
		trace_chrome_flush(t->chrome, t->lost);
		show_progress(t, false);
	}
	trace_bpf_detach(t->bpf);
	trace_bpf_poll(t->bpf, 0, write_chrome, t);
	t->lost = trace_bpf_lost(t->bpf);
	show_progress(t, true);
	written = trace_chrome_count(t->chrome);
	trace_chrome_close(t->chrome, t->lost);
	if (t->args->json) {
		printf("{\"duration_ns\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"written\": %" PRIu64 ", \"file\": ",
		       vm_now() - t->start, t->lost, written);
		json_string(path);
		puts("}");
	} else if (t->lost) {
		complain("%" PRIu64 " exits are not in %s: they came faster than they could be written", t->lost, path);
	}
}

static void (* const modes[])(struct trace *t) = {
	[SUMMARY] = count, [LATENCY] = count, [LIVE] = live, [FLAME] = count, [CHROME] = chrome,
};

static const __u32 bpf_modes[] = {
	[SUMMARY] = EXITS_COUNT, [LATENCY] = EXITS_COUNT, [LIVE] = EXITS_LIVE, [FLAME] = EXITS_RIPS, [CHROME] = EXITS_LIVE,
};

static uint64_t monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

int cmd_trace(int argc, char **argv)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	const struct sigaction action = { .sa_handler = on_signal };
	struct trace_args args = { .mode = MODES };
	struct trace t = { .args = &args };
	struct trace_symbols *symbols = NULL;
	struct husk_nl_vm vm = {};
	struct husk_nl *nl;

	trace_parse(argc, argv, &args);
	if (args.symbols)
		symbols = read_symbols(args.symbols);
	nl = vm_connect();
	if (args.vm)
		vm_find(nl, args.vm, &vm);
	args.config.vm = vm.id;
	args.config.mode = bpf_modes[args.mode];
	t.view = (struct trace_view){ trace_names_open(nl), symbols, trace_vendor(nl), args.json };
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
	t.bpf = trace_bpf_open(&args.config);
	/* not before: what may not trace makes no file */
	if (args.chrome)
		t.chrome = trace_chrome_open(args.chrome, monotonic(), &t.view);
	t.start = vm_now();
	modes[args.mode](&t);
	trace_bpf_close(t.bpf);
	trace_names_close(t.view.names);
	trace_symbols_free(symbols);
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}
