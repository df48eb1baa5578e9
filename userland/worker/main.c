// SPDX-License-Identifier: GPL-2.0
/*
 * husk-vm: the worker. One process is one VM: it loads the guest, has a
 * thread for each vCPU, is the devices, and ends with it. 'husk run' starts it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "worker/config.h"
#include "worker/control.h"
#include "worker/jail.h"

static const struct {
	enum husk_status status;
	const char *what;
} ends[] = {
#define X(id, status, what) [END_##id] = { HUSK_STATUS_##status, what },
	MACHINE_ENDS(X)
#undef X
};

/* Wanted by somebody outside the guest */
static bool asked(struct machine *m, int end)
{
	return end == END_KILLED || end == END_STOPPED || end == END_QUIT || atomic_load(&m->stop_deadline);
}

static void tell_daemon(const struct config *c, struct machine *m, enum husk_status status)
{
	int end = atomic_load(&m->end);
	/* it did not come to an end of the guest's: it could not be started, perhaps after a reset */
	bool failed = status == HUSK_STATUS_FAIL || status == HUSK_STATUS_INPUT;
	const char *what = failed ? fail_last() : *ends[end].what ? ends[end].what : end == END_QUIT ? "the VM was ended" :
			   "the guest powered off";
	static uint8_t output[CONSOLE_RING];
	uint64_t cursor = 0;
	ssize_t n;

	if (c->last_console >= 0) {
		n = console_read(m->console, &cursor, output, sizeof(output));
		if (write(c->last_console, output, n) < n)
			fail(HUSK_STATUS_FAIL, "the console's last output is lost: %s", strerror(errno));
	}
	if (c->last_word >= 0)
		dprintf(c->last_word, "%d %d %s\n", status, !failed && asked(m, end), what);
}

static enum husk_status last_word(struct control *ctl, struct machine *m)
{
	int end = atomic_load(&m->end);

	control_flush(ctl, m);
	if (end == END_CRASH)
		machine_report(m);
	if (end == END_FAIL)
		fail(HUSK_STATUS_FAIL, "%s: %s", ends[end].what, strerror(atomic_load(&m->error)));
	/* a log without a terminal is of use if something went wrong: from the jail it can't be removed */
	else if (*ends[end].what && (end == END_CRASH || !ctl->detached))
		fail(HUSK_STATUS_FAIL, "%s: %s", m->config->name, ends[end].what);
	return end == END_EXIT ? (enum husk_status)atomic_load(&m->exit_status) : ends[end].status;
}

/* Boot, and boot again at each reset, until something else ends the machine. */
static enum husk_status run_machine(struct control *ctl, struct machine *m)
{
	enum husk_status status = machine_start(m);

	if (!status)
		control_ready(ctl);
	while (!status) {
		control_serve(ctl, m);
		machine_join(m);
		if (atomic_load(&m->end) != END_RESET || ctl->config->no_reboot)
			return last_word(ctl, m);
		status = machine_reset(m);
		if (!status)
			status = machine_start(m);
	}
	return status;
}

/* The daemon's workers have an identity that owns nothing. */
static enum husk_status enter_jail(const struct machine *m)
{
	const struct config *c = m->config;

	return jail_enter(&(struct jail){ .uid = c->jail_uid, .devices = c->jail_devices, .file_max = m->largest_disk });
}

static enum husk_status run(struct control *ctl, int dev)
{
	static struct machine m;
	enum husk_status status = machine_create(&m, ctl->config, ctl->console, dev);

	/* In the jail no VM can be made; and when ours is seen to be gone, nothing of ours holds the module. */
	close(dev);
	if (status)
		return status;
	status = control_listen(ctl);
	if (!status)
		status = enter_jail(&m);
	if (!status)
		status = run_machine(ctl, &m);
	tell_daemon(ctl->config, &m, status);
	machine_destroy(&m);
	return status;
}

/*
 * While a VM of KVM's exists, KVM keeps VMX operation on, and husk need not enter
 * it for each stay in the guest. Both stay open until the process ends.
 */
static enum husk_status kvm_anchor(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		return fail(HUSK_STATUS_HOST, errno == ENOENT ?
			    "--kvm-anchor: no /dev/kvm: load kvm_intel, or leave the option away" :
			    "--kvm-anchor: /dev/kvm: %s", strerror(errno));
	if (ioctl(kvm, KVM_CREATE_VM, 0) < 0)
		return fail(HUSK_STATUS_HOST, "--kvm-anchor: KVM makes no VM: %s", strerror(errno));
	return HUSK_STATUS_OK;
}

/* What a process owns alone goes with it: no undoing at the end but what others see. */
int main(int argc, char **argv)
{
	static struct console console;
	static struct control ctl;
	static struct config config;
	enum husk_status status = config_init(&config, argc, argv);
	int dev;

	if (status || config.check)
		goto out_config;
	dev = husk_open();
	if (dev < 0) {
		status = fail(HUSK_STATUS_HOST, "%s", husk_open_error(errno));
		goto out_config;
	}
	status = config_check_host(&config, dev);
	if (!status && config.cpuid.show) {
		status = cpuid_print(&config, dev);
		close(dev);
		goto out_config;
	}
	if (!status && config.kvm_anchor)
		status = kvm_anchor();
	if (!status && console_init(&console) < 0)
		status = fail(HUSK_STATUS_FAIL, "no eventfd: %s", strerror(errno));
	if (!status)
		status = control_init(&ctl, &config, &console);
	if (!status) {
		status = run(&ctl, dev);
		control_fini(&ctl, status == HUSK_STATUS_CRASH || status == HUSK_STATUS_FAIL);
	}
out_config:
	config_fini(&config);
	return status;
}
