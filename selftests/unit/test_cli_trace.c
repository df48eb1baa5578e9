// SPDX-License-Identifier: GPL-2.0
/* husk trace without a kernel: filters, symbols, what is decoded, histograms, folded stacks, the file for Perfetto. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "cli/cli.h"
#include "cli/trace.h"
#include "../json.h"

void die(enum husk_status status, const char *fmt, ...)
{
	printf("not ok died: %s\n", fmt);
	exit(status ? status : 1);
}

void complain(const char *fmt, ...)
{
	(void)fmt;
}

/* ---- VM 1 is web, VM 3 has a name that no VM can have, others are gone ---- */

const char *trace_name(struct trace_names *names, uint32_t id)
{
	(void)names;
	return id == 1 ? "web" : id == 3 ? "a\"b\\\n\033" : "";
}

const char *trace_label(struct trace_names *names, uint32_t id, struct trace_label *label)
{
	const char *name = trace_name(names, id);

	if (*name)
		return name;
	snprintf(label->s, sizeof(label->s), "id %u", id);
	return label->s;
}

static const char *present_mode;

int husk_nl_caps(struct husk_nl *nl, struct husk_nl_caps *out)
{
	(void)nl;
	*out = (struct husk_nl_caps){ .modes = 2 };
	strcpy(out->mode[0].name, "vmx");
	strcpy(out->mode[1].name, "svm");
	out->mode[0].present = !strcmp(present_mode, "vmx");
	out->mode[1].present = !strcmp(present_mode, "svm");
	return *present_mode ? 0 : -1;
}

/* ---- filters ---- */

static struct exits_config config;
static struct trace_error error;

static bool takes(trace_filter_fn *fn, const char *text)
{
	memset(&config, 0, sizeof(config));
	*error.text = 0;
	return fn(&config, text, &error);
}

/* Refused with a text that says so, and nothing is set */
static bool refuses(trace_filter_fn *fn, const char *text, const char *why)
{
	static const struct exits_config none;

	return !takes(fn, text) && strstr(error.text, why) && !memcmp(&config, &none, sizeof(none));
}

static void test_filters(void)
{
	check("filter_vcpu", takes(trace_filter_vcpu, "0") && config.one_vcpu && !config.vcpu &&
	      takes(trace_filter_vcpu, "4294967295") && config.vcpu == UINT32_MAX);
	check("filter_vcpu_bad", refuses(trace_filter_vcpu, "-1", "\"-1\"") && refuses(trace_filter_vcpu, "", "vCPU") &&
	      refuses(trace_filter_vcpu, "4294967296", "vCPU") && refuses(trace_filter_vcpu, "1x", "vCPU") &&
	      refuses(trace_filter_vcpu, " 1", "vCPU"));
	check("filter_reason", takes(trace_filter_reasons, "cpuid") && config.reasons == 1ULL << HUSK_REASON_CPUID);
	check("filter_reasons", takes(trace_filter_reasons, "log_full,none,pio") &&
	      config.reasons == (1ULL << HUSK_REASON_LOG_FULL | 1 | 1ULL << HUSK_REASON_PIO));
	check("filter_reason_twice", trace_filter_reasons(&config, "hlt", &error) && config.reasons & 1 << HUSK_REASON_HLT &&
	      config.reasons & 1 << HUSK_REASON_PIO);
	check("filter_reason_bad", refuses(trace_filter_reasons, "cpuid,cpui", "\"cpui\"") &&
	      refuses(trace_filter_reasons, "", "\"\"") && refuses(trace_filter_reasons, "pio,", "\"\"") &&
	      refuses(trace_filter_reasons, "?", "unknown reason"));
	check("filter_reason_lists_all", refuses(trace_filter_reasons, "x", "one of none, extint,") && strstr(error.text, ", log_full"));
	check("filter_level", takes(trace_filter_levels, "fast,worker") &&
	      config.levels == (1 << HUSK_LEVEL_FAST | 1 << HUSK_LEVEL_WORKER));
	check("filter_level_bad", refuses(trace_filter_levels, "slow", "fast, kernel, worker"));
	check("filter_rip", takes(trace_filter_rip, "ffffffff81000000-0xffffffff82000000") &&
	      config.rip_from == 0xffffffff81000000 && config.rip_end == 0xffffffff82000000);
	check("filter_rip_zero", takes(trace_filter_rip, "0-1") && !config.rip_from && config.rip_end == 1);
	check("filter_rip_bad", refuses(trace_filter_rip, "2-1", "range") && refuses(trace_filter_rip, "1-1", "range") &&
	      refuses(trace_filter_rip, "1", "range") && refuses(trace_filter_rip, "-1", "range") &&
	      refuses(trace_filter_rip, "1-2-", "range") && refuses(trace_filter_rip, "g-h", "range") &&
	      refuses(trace_filter_rip, "1-12345678123456789", "range") && refuses(trace_filter_rip, "0x-1", "range"));
	check("filter_slower", takes(trace_filter_slower, "50us") && config.slower_ns == 50000 &&
	      takes(trace_filter_slower, "1.5ms") && config.slower_ns == 1500000 &&
	      takes(trace_filter_slower, "2s") && config.slower_ns == 2000000000 &&
	      takes(trace_filter_slower, "7ns") && config.slower_ns == 7);
	check("filter_slower_bad", refuses(trace_filter_slower, "50", "unit") && refuses(trace_filter_slower, "us", "time") &&
	      refuses(trace_filter_slower, "0us", "above 0") && refuses(trace_filter_slower, "-1s", "time") &&
	      refuses(trace_filter_slower, "nans", "time") && refuses(trace_filter_slower, "infs", "time") &&
	      refuses(trace_filter_slower, "1e30s", "time") && refuses(trace_filter_slower, "1 us", "time"));
}

/* ---- symbols ---- */

static struct trace_symbols *symbols_of(const char *text)
{
	FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	struct trace_symbols *s;

	*error.text = 0;
	s = trace_symbols_read(f, &error);
	fclose(f);
	return s;
}

static bool named(const struct trace_symbols *s, uint64_t rip, const char *wanted)
{
	const char *name = trace_symbol(s, rip);

	return name && wanted ? !strcmp(name, wanted) : name == wanted;
}

static void test_symbols(void)
{
	struct trace_symbols *s = symbols_of(
		"0000000000000000 A fixed_percpu_data\n0000000000030000 A __per_cpu_end\n"
		"ffffffff81000040 t local_alias\nffffffff81000000 T first\nffffffff81000040 T second\n"
		"ffffffff81000100 D data\nffffffff81000040 D at_second\n"
		"ffffffffc0001000 t in_module\t[virtio;net]\n");

	check("symbols", named(s, 0xffffffff81000000, "first") && named(s, 0xffffffff8100003f, "first"));
	check("symbols_alias", named(s, 0xffffffff81000040, "second") && named(s, 0xffffffff810000ff, "second"));
	check("symbols_data", named(s, 0xffffffff81000100, NULL));
	check("symbols_user", named(s, 0x401000, NULL) && named(s, 0x20, NULL) && named(s, 0xffffffff80ffffff, NULL));
	check("symbols_far", named(s, 0xffffffffc0010fff, "in_module[virtio?net]") && named(s, 0xffffffffc0011000, NULL) &&
	      named(s, ~0ULL, NULL));
	check("symbols_none", named(NULL, 0, NULL));
	trace_symbols_free(s);
	s = symbols_of("c1000000 T startup_32\nc1000100 t next\n");
	check("symbols_32", named(s, 0xc10000ff, "startup_32") && named(s, 0xc1000100, "next"));
	trace_symbols_free(s);
	check("symbols_empty", !symbols_of("\n") && !symbols_of(" ") && *error.text);
	check("symbols_bad", !symbols_of("ffffffff81000000 T first\nhello\n") && strstr(error.text, "line 2"));
	check("symbols_bad_type", !symbols_of("ffffffff81000000 TT first\n") && !symbols_of("ffffffff81000000 T\n") &&
	      !symbols_of("T first\n"));
	check("symbols_hidden", !symbols_of("0000000000000000 T first\n0000000000000000 T second\n") && strstr(error.text, "kallsyms"));
}

/* ---- what is printed ---- */

static struct trace_view view = { .vendor = TRACE_VENDORS };

/* What is written to a stream, or by what prints on standard output (restore() then gives that back) */
static char *output;
static size_t output_size;
static FILE *real_stdout;

static FILE *capture(void)
{
	free(output);
	output = NULL;
	return open_memstream(&output, &output_size);
}

static void redirect(void)
{
	real_stdout = stdout;
	stdout = capture();
}

static void restore(void)
{
	fclose(stdout);
	stdout = real_stdout;
}

static void expect_text(const char *name, const char *wanted)
{
	check_why(name, !strcmp(output, wanted), output);
}

static void expect_decode(const char *name, struct exits_record r, enum trace_vendor vendor, const char *text, const char *json)
{
	FILE *f = capture();

	trace_decode_text(f, &r, vendor);
	putc('|', f);
	trace_decode_json(f, &r, vendor);
	fclose(f);
	check_why(name, !strncmp(output, text, strlen(text)) && !strcmp(output + strlen(text) + 1, json), output);
}

static void test_decode(void)
{
	present_mode = "svm";
	check("vendor_svm", trace_vendor(NULL) == TRACE_SVM);
	present_mode = "vmx";
	check("vendor_vmx", trace_vendor(NULL) == TRACE_VMX);
	present_mode = "";
	check("vendor_unknown", trace_vendor(NULL) == TRACE_VENDORS);
	expect_decode("decode_svm_out", (struct exits_record){ .reason = HUSK_REASON_PIO, .info0 = 0x00800010, .info1 = 0xfff4 },
		      TRACE_SVM, " out port=0x80 width=1",
		      ", \"direction\": \"out\", \"port\": 128, \"width\": 1, \"string\": false, \"rep\": false");
	expect_decode("decode_svm_insl", (struct exits_record){ .reason = HUSK_REASON_PIO, .info0 = 0x0cfc004d },
		      TRACE_SVM, " in port=0xcfc width=4 string rep",
		      ", \"direction\": \"in\", \"port\": 3324, \"width\": 4, \"string\": true, \"rep\": true");
	expect_decode("decode_vmx_out", (struct exits_record){ .reason = HUSK_REASON_PIO, .info0 = 0x00800040 },
		      TRACE_VMX, " out port=0x80 width=1",
		      ", \"direction\": \"out\", \"port\": 128, \"width\": 1, \"string\": false, \"rep\": false");
	expect_decode("decode_vmx_insl", (struct exits_record){ .reason = HUSK_REASON_PIO, .info0 = 0x0cfc003b },
		      TRACE_VMX, " in port=0xcfc width=4 string rep",
		      ", \"direction\": \"in\", \"port\": 3324, \"width\": 4, \"string\": true, \"rep\": true");
	expect_decode("decode_svm_mmio", (struct exits_record){ .reason = HUSK_REASON_MMIO, .info0 = 0x100000006, .info1 = 0xfee000b0 },
		      TRACE_SVM, " gpa=0xfee000b0 write", ", \"gpa\": 4276093104, \"write\": true, \"fetch\": false");
	expect_decode("decode_vmx_fault", (struct exits_record){ .reason = HUSK_REASON_FAULT2, .info0 = 0x184, .info1 = ~0ULL },
		      TRACE_VMX, " gpa=0xffffffffffffffff fetch", ", \"gpa\": 18446744073709551615, \"write\": false, \"fetch\": true");
	expect_decode("decode_vmx_cr", (struct exits_record){ .reason = HUSK_REASON_CR_ACCESS, .info0 = 0x303 },
		      TRACE_VMX, " write cr=3 gpr=3", ", \"access\": \"write\", \"cr\": 3, \"gpr\": 3");
	expect_decode("decode_nothing", (struct exits_record){ .reason = HUSK_REASON_CPUID, .info0 = 1, .info1 = 2 },
		      TRACE_SVM, " info=1,2", "");
	expect_decode("decode_no_vendor", (struct exits_record){ .reason = HUSK_REASON_PIO, .info0 = 0x00800010, .info1 = 0xfff4 },
		      TRACE_VENDORS, " info=800010,fff4", "");
	expect_decode("decode_new_reason", (struct exits_record){ .reason = 4000 }, TRACE_SVM, " info=0,0", "");
}

static void expect_histogram(const char *name, const struct exits_value *v, unsigned int columns, bool utf8, const char *wanted)
{
	FILE *f = capture();

	trace_histogram(f, v, columns, utf8);
	fclose(f);
	expect_text(name, wanted);
}

static void test_histogram(void)
{
	struct exits_value v = { .slots = { [10] = 80, [12] = 39, [13] = 1 } };

	expect_histogram("histogram", &v, 44, false,
			 "  1.02us .. 2.05us            80  ##########\n"
			 "  2.05us .. 4.10us             0\n"
			 "  4.10us .. 8.19us            39  #####\n"
			 "  8.19us .. 16.4us             1  #\n");
	expect_histogram("histogram_utf8", &v, 44, true,
			 "  1.02us .. 2.05us            80  \u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\n"
			 "  2.05us .. 4.10us             0\n"
			 "  4.10us .. 8.19us            39  \u2588\u2588\u2588\u2588\u2589\n"
			 "  8.19us .. 16.4us             1  \u258f\n");
	expect_histogram("histogram_narrow", &v, 1, false,
			 "  1.02us .. 2.05us            80  ####\n"
			 "  2.05us .. 4.10us             0\n"
			 "  4.10us .. 8.19us            39  ##\n"
			 "  8.19us .. 16.4us             1  #\n");
	v = (struct exits_value){ .slots = { [0] = 1 } };
	expect_histogram("histogram_first", &v, 40, false, "     0ns .. 2ns                1  ######\n");
	v = (struct exits_value){ .slots = { [EXITS_SLOTS - 1] = ~0ULL } };
	expect_histogram("histogram_last", &v, 38, false, "   34.4s ..         18446744073709551615  ####\n");
	v = (struct exits_value){};
	expect_histogram("histogram_empty", &v, 80, false, "");
}

static void test_latency(void)
{
	struct trace_row rows[] = {
		{ { 1, HUSK_REASON_CPUID, HUSK_LEVEL_FAST }, { .count = 1, .total_ns = 5, .max_ns = 5, .slots = { [2] = 1 } } },
		{ { 9, HUSK_REASON_HLT, HUSK_LEVEL_KERNEL }, { .count = 2, .total_ns = 3000, .max_ns = 2000, .slots = { [9] = 1, [10] = 1 } } },
	};

	int terminal = dup(STDOUT_FILENO), none = open("/dev/null", O_WRONLY);

	/* no terminal: 80 columns */
	fflush(stdout);
	dup2(none, STDOUT_FILENO);
	redirect();
	trace_print_latency(rows, 2, 0, &view);
	restore();
	dup2(terminal, STDOUT_FILENO);
	close(terminal);
	close(none);
	/* longest first */
	expect_text("latency",
		    "id 9  hlt  kernel  2 exits, average 1.50us, p50 2.00us, p99 2.00us, max 2.00us\n"
		    "   512ns .. 1.02us             1  ##############################################\n"
		    "  1.02us .. 2.05us             1  ##############################################\n"
		    "\n"
		    "web  cpuid  fast  1 exits, average 5ns, p50 5ns, p99 5ns, max 5ns\n"
		    "     4ns .. 8ns                1  ##############################################\n");
}

static const struct trace_rip rips[] = {
	{ { 1, 1, HUSK_REASON_PIO, HUSK_LEVEL_WORKER, 0xffffffff81000002 }, { 2, 200 } },
	{ { 1, 0, HUSK_REASON_PIO, HUSK_LEVEL_WORKER, 0xffffffff81000001 }, { 1, 50 } },
	{ { 1, 0, HUSK_REASON_PIO, HUSK_LEVEL_WORKER, 0xffffffff81000002 }, { 3, 70 } },
	{ { 7, 0, HUSK_REASON_HLT, HUSK_LEVEL_FAST, 0x401000 }, { 1, 0 } },
};

static void flame(bool json, bool count, const struct trace_symbols *symbols)
{
	struct trace_view v = { .vendor = TRACE_VENDORS, .json = json, .symbols = symbols };

	redirect();
	trace_print_flame(rips, 4, count, 12, 99, &v);
	restore();
}

static void test_flame(void)
{
	struct trace_symbols *s = symbols_of("ffffffff81000000 T native_outb\n");

	flame(false, false, NULL);
	expect_text("flame",
		    "id 7;vcpu0;hlt;fast;0x401000 0\n"
		    "web;vcpu0;pio;worker;0xffffffff81000001 50\n"
		    "web;vcpu0;pio;worker;0xffffffff81000002 70\n"
		    "web;vcpu1;pio;worker;0xffffffff81000002 200\n");
	flame(false, true, s);
	expect_text("flame_symbols_count",
		    "id 7;vcpu0;hlt;fast;0x401000 1\n"
		    "web;vcpu0;pio;worker;native_outb 4\n"
		    "web;vcpu1;pio;worker;native_outb 2\n");
	flame(true, false, s);
	check_why("flame_json", json_valid(output) && strstr(output, "\"lost\": 12") &&
		  strstr(output, "\"vcpu\": 0, \"reason\": \"pio\", \"level\": \"worker\", \"symbol\": \"native_outb\", \"count\": 4, \"total_ns\": 120"),
		  output);
	trace_symbols_free(s);
}

static void test_live(void)
{
	const struct exits_record r = {
		.vm = 3, .vcpu = 2, .reason = HUSK_REASON_PIO, .level = HUSK_LEVEL_WORKER, .rip = 0xfff2, .info0 = 0x800010, .ns = 1500,
	};
	struct trace_symbols *s = symbols_of("fff0 T reset\n");
	struct trace_view v = { .vendor = TRACE_SVM, .json = true, .symbols = s };

	redirect();
	trace_print_record(&r, 5, &v);
	restore();
	check_why("live_json", json_valid(output) && strstr(output, "\"port\": 128") && strstr(output, "\"symbol\": \"reset\"") &&
		  strstr(output, "\"a\\\"b\\\\\\u000a\\u001b\""), output);
	redirect();
	trace_print_lost(8, 5, &v);
	restore();
	expect_text("live_lost_json", "{\"lost\": 8}\n");
	v.json = false;
	redirect();
	trace_print_lost(8, 1002003000, &v);
	restore();
	check_why("live_lost", strstr(output, "1.002003  LOST 8 exits"), output);
	trace_symbols_free(s);
}

/* ---- the file for Perfetto ---- */

static char *read_file(const char *path)
{
	static char text[8192];
	FILE *f = fopen(path, "r");

	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	return text;
}

static void test_chrome(void)
{
	struct exits_record r = {
		.time_ns = 5000002500, .vm = 3, .vcpu = 1, .reason = HUSK_REASON_PIO, .level = HUSK_LEVEL_WORKER, .rip = 0xfff2,
		.info0 = 0x800010, .ns = 1500,
	};
	struct trace_view v = { .vendor = TRACE_SVM };
	char path[] = "/tmp/test_cli_trace.XXXXXX", *text;
	struct trace_chrome *c;

	close(mkstemp(path));
	c = trace_chrome_open(path, 5000000000, &v);
	check_why("chrome_empty", json_valid(read_file(path)), read_file(path));
	trace_chrome_record(c, &r);
	trace_chrome_flush(c, 0);
	text = read_file(path);
	check_why("chrome_valid", json_valid(text), text);
	check_why("chrome_event", strstr(text, "\"ph\": \"X\", \"cat\": \"exit\", \"name\": \"pio\", \"pid\": 3, \"tid\": 2"
		  ", \"ts\": 1.000, \"dur\": 1.500, \"args\": {\"level\": \"worker\", \"rip\": \"0xfff2\""), text);
	check_why("chrome_names", strstr(text, "\"process_name\", \"pid\": 3, \"tid\": 2, \"args\": {\"name\": \"a\\\"b\\\\\\u000a\\u001b\"}}") &&
		  strstr(text, "\"thread_name\", \"pid\": 3, \"tid\": 2, \"args\": {\"name\": \"vcpu1\"}}"), text);
	check_why("chrome_decoded", strstr(text, "\"port\": 128"), text);
	r.vcpu = 2;
	r.ns = 3000000000;	/* began before the trace */
	trace_chrome_record(c, &r);
	trace_chrome_flush(c, 7);
	trace_chrome_flush(c, 7);
	text = read_file(path);
	check_why("chrome_lost", json_valid(text) && strstr(text, "\"7 exits lost\"") && strstr(text, "\"exits\": 2, \"lost_exits\": 7}"), text);
	check_why("chrome_early", strstr(text, "\"ts\": 0.000, \"dur\": 2.500"), text);
	check_why("chrome_one_process", !strstr(strstr(text, "process_name") + 1, "process_name"), text);
	check("chrome_count", trace_chrome_count(c) == 2);
	trace_chrome_close(c, 9);
	text = read_file(path);
	check_why("chrome_closed", json_valid(text) && strstr(text, "\"2 exits lost\"") && strstr(text, "\"lost_exits\": 9"), text);
	unlink(path);
}

int main(void)
{
	/* whatever runs the test has */
	setenv("NO_COLOR", "1", 1);
	setenv("LC_ALL", "C", 1);
	check("json_check", json_valid(" {\"a\": [1, -0.5e+3, \"\\u00e9\", {}, [], null]} ") && !json_valid("[1,]") && !json_valid("{\"a\"}") &&
	      !json_valid("[01]") && !json_valid("[\"\n\"]") && !json_valid("[] []") && !json_valid("") && !json_valid("[1") && !json_valid("\"\\x\""));
	test_filters();
	test_symbols();
	test_decode();
	test_histogram();
	test_latency();
	test_flame();
	test_live();
	test_chrome();
	free(output);
	printf("%d passed, %d failed\n", passed, failed);
	return !!failed;
}
