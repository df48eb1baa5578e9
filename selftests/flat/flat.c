// SPDX-License-Identifier: GPL-2.0
/*
 * flat [--kvm] [--list] [--seed N] [--repeat N] [NAME...]: guest tests. Prints
 * `ok NAME`, `not ok NAME: why` or `skip NAME: why`, and at last a line of sums.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "flat.h"

extern const u8 guest_image[], guest_image_end[];

const struct vmm_backend *flat_backend = &vmm_husk;
u32 flat_seed = 1;

static int report_fd = -1;
static bool failed;

/* ---- inside a test's process ---- */

static void report(char kind, const char *format, va_list ap)
{
	char line[512];
	int n;

	line[0] = kind;
	n = vsnprintf(line + 1, sizeof(line) - 2, format, ap) + 1;
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(report_fd, line, n) != n)
		_exit(3);
}

void flat_fail(const char *format, ...)
{
	va_list ap;

	failed = true;
	va_start(ap, format);
	report('F', format, ap);
	va_end(ap);
}

void flat_skip(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	report('S', format, ap);
	va_end(ap);
	_exit(0);
}

const struct husk_stats *guest_stats(struct guest *g)
{
	if (!g->stats)
		g->stats = mmap(NULL, HUSK_STATS_BYTES, PROT_READ, MAP_SHARED, g->vm.vcpu[0].fd, 4096);
	if (g->stats == MAP_FAILED) {
		flat_fail("no statistics page: %s", strerror(errno));
		_exit(1);
	}
	return g->stats;
}

u64 stats_exits(const struct husk_stats *stats, enum husk_reason reason)
{
	u64 sum = 0;

	for (int level = 0; level < HUSK_LEVEL_COUNT; level++)
		sum += stats->reason[reason].exits[level];
	return sum;
}

u64 modes_usable(struct guest *g)
{
	struct husk_caps caps = { .size = sizeof(caps) };

	if (flat_backend == &vmm_husk)
		EXPECT(ioctl(g->vm.dev, HUSK_GET_CAPS, &caps), 0);
	return caps.modes_usable;
}

void guest_create(struct guest *g, enum guest_test test, u64 arg)
{
	int err;

	memset(g, 0, sizeof(*g));
	err = vmm_create(&g->vm, flat_backend);
	if (err) {
		flat_fail("can't create a VM: %s", strerror(-err));
		_exit(1);
	}
	vmm_load(&g->vm, IMAGE_GPA, guest_image, guest_image_end - guest_image);
	err = vmm_long_mode(&g->vm, 0, IMAGE_GPA, STACK_GPA, test, arg);
	if (err) {
		flat_fail("can't set the start state: %s", strerror(-err));
		_exit(1);
	}
}

void guest_destroy(struct guest *g)
{
	if (g->stats)
		munmap((void *)g->stats, HUSK_STATS_BYTES);
	vmm_destroy(&g->vm);
}

static const char *guest_string(struct guest *g, u32 address)
{
	return address < g->vm.ram_size - 256 ? (char *)g->vm.ram + address : "(bad address)";
}

static bool serve_report(struct guest *g, struct vmm_exit *exit)
{
	if (!exit->write)
		return false;
	switch (exit->addr) {
	case PORT_VALUE:
		g->value = g->value >> 32 | exit->data << 32;
		return true;
	case PORT_FAIL:
		flat_fail("guest: %.200s (value %#llx)", guest_string(g, exit->data), (unsigned long long)g->value);
		g->value = 0;
		return true;
	case PORT_SKIP:
		flat_skip("%.200s", guest_string(g, exit->data));
	case PORT_DONE:
		g->done = true;
		return true;
	}
	return false;
}

static bool serve_pio(struct guest *g, struct vmm_exit *exit)
{
	u64 at = exit->addr, data = 0;

	if (serve_report(g, exit))
		return true;
	if (at >= PORT_ECHO && at + exit->width <= PORT_ECHO + 4) {
		if (exit->write)
			memcpy(g->echo + (at - PORT_ECHO), &exit->data, exit->width);
		memcpy(&data, g->echo + (at - PORT_ECHO), exit->width);
	} else if (at == PORT_STREAM) {
		if (exit->write)
			g->stream_sum += exit->data;
		else
			data = g->stream_next++;
	} else if (at == PORT_STREAM_SUM) {
		data = g->stream_sum;
		g->stream_next = g->stream_sum = 0;
	} else if (at == PORT_SYNC) {
		if (exit->write)
			g->seen_sync++;
		if (g->sync)
			data = g->sync(g, exit->write, exit->data);
	} else if (at >= PORT_LINE && at < PORT_LINE + 24) {
		EXPECT(g->vm.be->irq_line(&g->vm, at - PORT_LINE, exit->data & 1), 0);
	} else if (at == PORT_MSI) {
		EXPECT(g->vm.be->msi(&g->vm, 0xfee00000, exit->data), 0);
	} else {
		data = ~0ULL;
	}
	if (!exit->write)
		vmm_answer(exit, data);
	return true;
}

static bool serve_mmio(struct guest *g, struct vmm_exit *exit)
{
	u64 at = exit->addr - MMIO_GPA;
	u64 data = ~0ULL;

	if (at < MMIO_SIZE && at + exit->width <= MMIO_SIZE) {
		if (exit->write)
			memcpy(g->mmio + at, &exit->data, exit->width);
		memcpy(&data, g->mmio + at, exit->width);
	}
	if (!exit->write)
		vmm_answer(exit, data);
	return true;
}

bool guest_serve(struct guest *g, struct vmm_exit *exit)
{
	if (exit->kind == VMM_PIO)
		return serve_pio(g, exit);
	if (exit->kind == VMM_MMIO)
		return serve_mmio(g, exit);
	return false;
}

static volatile sig_atomic_t alarms;

void guest_enter(struct guest *g, u32 id, struct vmm_exit *exit)
{
	static __thread sig_atomic_t seen;

	do {
		memset(exit, 0, sizeof(*exit));
		g->vm.be->run(&g->vm, id, exit);
	} while (exit->kind == VMM_ERROR && exit->error == EINTR && seen == alarms);
	seen = alarms;
}

struct vmm_exit guest_run_raw(struct guest *g, bool stop_at_sync)
{
	struct vmm_exit exit = {};

	while (!g->done) {
		u64 seen = g->seen_sync;

		guest_enter(g, 0, &exit);
		if (!guest_serve(g, &exit) || (stop_at_sync && g->seen_sync != seen))
			break;
	}
	return exit;
}

void guest_run(struct guest *g)
{
	struct vmm_exit exit = guest_run_raw(g, false);
	struct husk_general regs = {};
	struct husk_system sys;

	if (g->done)
		return;
	g->vm.be->get(&g->vm, 0, &regs, &sys);
	flat_fail("exit kind %d, error %d (%s), rip %#llx, data %#llx", exit.kind, exit.error, strerror(exit.error),
		  (unsigned long long)regs.rip, (unsigned long long)exit.data);
}

static void on_alarm(int sig)
{
	alarms++;
}

void flat_alarm(unsigned int ms)
{
	struct itimerval it = {};
	struct sigaction act = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &act, NULL);
	it.it_interval.tv_sec = it.it_value.tv_sec = ms / 1000;
	it.it_interval.tv_usec = it.it_value.tv_usec = ms % 1000 * 1000;
	setitimer(ITIMER_REAL, &it, NULL);
}

/* The guest tests that need no host function: one each */
#define X(name) static void self_##name(void) \
{ \
	struct guest *g = malloc(sizeof(*g)); \
	guest_create(g, GUEST_##name, flat_backend == &vmm_kvm); \
	guest_run(g); \
	guest_destroy(g); \
	free(g); \
}
GUEST_SELF_TESTS(X)
#undef X

static const struct flat_test self_tests[] = {
#define X(name) { #name, self_##name, false, 0 },
	GUEST_SELF_TESTS(X)
#undef X
	FLAT_END
};

static const struct flat_test *const groups[] = {
	self_tests, flat_mem_tests, flat_fpu_tests, flat_mode_tests, flat_control_tests, flat_state_tests,
	flat_apic_tests, flat_hostile_tests, flat_log_tests, flat_eventfd_tests, flat_smp_tests, flat_pv_tests,
};

/* ---- the harness ---- */

static int passed, not_passed, skipped;

static int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/* Of husk.ko, -1 if there is none */
static int module_refs(void)
{
	FILE *file = fopen("/sys/module/husk/refcnt", "r");
	int n = -1;

	if (file) {
		if (fscanf(file, "%d", &n) != 1 || flat_backend != &vmm_husk)
			n = -1;
		fclose(file);
	}
	return n;
}

static u32 deadline(const struct flat_test *test)
{
	return test->seconds ? test->seconds : 20;
}

#define NO_MASKED_EXITS	"Bochs lets no host interrupt in while a guest that was entered with IF clear leaves it so"
#define STEP_TO_HOST	"Bochs hands a single-step trap of the guest's to the host at an exit"
#define NO_VINTR	"Bochs takes no virtual interrupt in a guest that was entered with IF set"
#define TOO_SLOW	"64 vCPUs take Bochs many minutes"
#define NO_DR6		"Bochs leaves DR6 in the VMCB as it was when #DB is intercepted"

/* What an emulator of the lab can't do. Bochs 3.0: svm.cc, exception.cc, event.cc */
static const struct quirk {
	const char *machine, *test, *why;
} quirks[] = {
	{ "bochs-vmx", "control_signal_masked", NO_MASKED_EXITS },
	{ "bochs-vmx", "hostile_code_64", NO_MASKED_EXITS },
	{ "bochs-vmx", "hostile_code_32", NO_MASKED_EXITS },
	{ "bochs-vmx", "smp_init_masked_2_1", NO_MASKED_EXITS },
	{ "bochs-vmx", "smp_reset_4", NO_MASKED_EXITS },
	{ "bochs-vmx", "smp_storm_64", TOO_SLOW },
	{ "bochs-vmx", "smp_ipi_64", TOO_SLOW },
	{ "bochs-svm", "smp_init_masked_2_1", NO_MASKED_EXITS },
	{ "bochs-svm", "smp_reset_4", NO_MASKED_EXITS },
	{ "bochs-svm", "smp_storm_64", TOO_SLOW },
	{ "bochs-svm", "smp_ipi_64", TOO_SLOW },
	{ "bochs-svm", "control_signal_masked", NO_MASKED_EXITS },
	{ "bochs-svm", "hostile_code_64", NO_MASKED_EXITS },
	{ "bochs-svm", "hostile_code_32", NO_MASKED_EXITS },
	{ "bochs-svm", "debug_registers", NO_DR6 },
	{ "bochs-svm", "single_step", NO_DR6 },
	{ "bochs-svm", "single_step_exits", STEP_TO_HOST },
	{ "bochs-svm", "state_refused", STEP_TO_HOST },
	{ "bochs-svm", "sti_shadow", NO_VINTR },
	{ "bochs-svm", "hostile_windows", NO_VINTR },
	{ "bochs-svm", "pio_string_fault", "Bochs does not load CR2 at VMRUN" },
	{ "bochs-svm", "real_mode_reset", "Bochs tells of no INT in EXITINTINFO, but of the exception before it" },
};

static void skip_quirks(const struct flat_test *test)
{
	const char *machine = getenv("LAB_MACHINE");

	for (size_t i = 0; machine && i < sizeof(quirks) / sizeof(quirks[0]); i++)
		if (!strcmp(machine, quirks[i].machine) && !strcmp(test->name, quirks[i].test))
			flat_skip("%s", quirks[i].why);
}

static int child(const struct flat_test *test, int fd)
{
	int fds = open_fds();

	report_fd = fd;
	skip_quirks(test);
	/* A guest that hangs is told about with its rip; the deadline proper comes later */
	flat_alarm(deadline(test) * 750);
	test->fn();
	if (open_fds() != fds)
		flat_fail("the test left %d file descriptors open", open_fds() - fds);
	return failed;
}

static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/* Wait for the child, kill it at the deadline. Answers the status, -1 for the deadline */
static int reap(pid_t pid, u32 seconds)
{
	u64 end = now_ms() + seconds * 1000ULL;
	struct timespec nap = { .tv_nsec = 2000000 };
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (now_ms() > end) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		nanosleep(&nap, NULL);
	}
	return status;
}

static void run_one(const struct flat_test *test)
{
	int refs = module_refs(), pipes[2], status;
	char text[4096];
	ssize_t n;
	pid_t pid;

	if (pipe(pipes))
		exit(2);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(pipes[0]);
		_exit(child(test, pipes[1]));
	}
	close(pipes[1]);
	status = reap(pid, deadline(test));
	n = read(pipes[0], text, sizeof(text) - 1);
	close(pipes[0]);
	text[n > 0 ? n : 0] = 0;
	if (n > 0 && text[0] == 'S') {
		skipped++;
		printf("skip %s: %s", test->name, text + 1);
		return;
	}
	if (status == 0 && module_refs() == refs) {
		passed++;
		printf("ok %s\n", test->name);
		return;
	}
	not_passed++;
	if (text[0]) {
		char *end = strchr(text, '\n');

		*end = 0;
		printf("not ok %s: %s\n", test->name, text + 1);
		for (char *line = end + 1; *line; line = end + 1) {
			end = strchr(line, '\n');
			if (!end)
				break;
			*end = 0;
			printf("#   %s\n", line + 1);
		}
	} else if (status == -1) {
		printf("not ok %s: no end within %u s\n", test->name, deadline(test));
	} else if (status == 0) {
		printf("not ok %s: the module has %d references, %d before\n", test->name, module_refs(), refs);
	} else {
		printf("not ok %s: status %#x\n", test->name, status);
	}
}

static bool wanted(const struct flat_test *test, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(*names, test->name))
			return true;
	return false;
}

static void run_all(char **names, bool list)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (const struct flat_test *test = groups[i]; test->name; test++) {
			if (!wanted(test, names) || (test->husk_only && flat_backend != &vmm_husk))
				continue;
			if (list)
				printf("%s\n", test->name);
			else
				run_one(test);
		}
}

int main(int argc, char **argv)
{
	bool list = false;
	int repeat = 1;

	for (argv++; argc > 1 && *argv && !strncmp(*argv, "--", 2); argv++) {
		if (!strcmp(*argv, "--kvm"))
			flat_backend = &vmm_kvm;
		else if (!strcmp(*argv, "--list"))
			list = true;
		else if (!strcmp(*argv, "--seed") && argv[1])
			flat_seed = strtoul(*++argv, NULL, 0);
		else if (!strcmp(*argv, "--repeat") && argv[1])
			repeat = atoi(*++argv);
		else
			return fprintf(stderr, "usage: flat [--kvm] [--list] [--seed N] [--repeat N] [NAME...]\n"), 2;
	}
	for (int i = 0; i < repeat; i++)
		run_all(argv, list);
	if (!list)
		printf("# %s: %d passed, %d failed, %d skipped\n", flat_backend->name, passed, not_passed, skipped);
	return not_passed ? 1 : 0;
}
