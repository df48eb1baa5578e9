// SPDX-License-Identifier: GPL-2.0
/*
 * A control group for each VM, version 2, beside those of systemd: a group below our own
 * unit's would keep systemd from starting us again while VMs live in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "huskd/huskd.h"
#include "worker/export_page.h"

#define MIB		(1ULL << 20)
#define MEMORY_DEFAULT	(256 * MIB)	/* of the worker */
#define WORKER_MEMORY	(128 * MIB)	/* itself, and what the kernel keeps for it, beside an eighth of the guest's */
#define WORKER_TASKS	64		/* beside the vCPUs: those of io_uring, programs of devices */
#define PERIOD_US	100000

static void path_of(char path[256], const char *name, const char *file)
{
	/* a prefix: a VM may be called as one of the kernel's files there is */
	snprintf(path, 256, "%s%s%s%s%s", HUSK_CGROUPS, *name ? "/vm-" : "", name, *file ? "/" : "", file);
}

static int put(const char *name, const char *file, const char *value)
{
	char path[256];
	int fd, ret;

	path_of(path, name, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = write(fd, value, strlen(value)) < 0 ? -1 : 0;
	close(fd);
	return ret;
}

/* The controllers, from the root down to the VMs; of those that the kernel has */
static int make_parent(void)
{
	static const char * const controllers[] = { "+cpu", "+memory", "+pids" };
	int done = 0;

	if (mkdir(HUSK_CGROUPS, 0755) < 0 && errno != EEXIST)
		return -1;
	for (int i = 0; i < 3; i++) {
		put("", "../cgroup.subtree_control", controllers[i]);
		done += !put("", "cgroup.subtree_control", controllers[i]);
	}
	return done ? 0 : -1;
}

/*
 * A page of a client's memory is charged to who touches it first: a client that never has, and has all of it read into,
 * would have the VM that serves it killed.
 */
static unsigned long long memory_max(const struct husk_definition *d)
{
	unsigned long long memory = d->memory ? d->memory : MEMORY_DEFAULT;

	return d->memory_max ? d->memory_max : memory + memory / 8 + WORKER_MEMORY + (d->exports ? EXPORT_WINDOW : 0);
}

static int set_limits(const struct husk_definition *d)
{
	unsigned int cpus = d->cpus ? d->cpus : 1, percent = d->cpu_max ? d->cpu_max : 100 * (cpus + 1);
	char text[64];
	int ret = 0;

	snprintf(text, sizeof(text), "%llu", memory_max(d));
	ret |= put(d->name, "memory.max", text);
	snprintf(text, sizeof(text), "%llu %d", percent * (PERIOD_US / 100ULL), PERIOD_US);
	ret |= put(d->name, "cpu.max", text);
	snprintf(text, sizeof(text), "%u", cpus + WORKER_TASKS);
	ret |= put(d->name, "pids.max", text);
	/* all of the VM or nothing: half a worker is of no use */
	put(d->name, "memory.oom.group", "1");
	return ret;
}

/* The parent is made when it is not there: to look at its controllers takes the kernel a walk through all VMs' groups. */
static int make(const char *path)
{
	static bool parent;

	for (int tries = 0; tries < 2; tries++) {
		if (!parent && make_parent() < 0)
			return -1;
		parent = true;
		if (!mkdir(path, 0755) || errno == EEXIST)
			return 0;
		if (errno != ENOENT)
			break;
		parent = false;
	}
	return -1;
}

int cgroup_make(const struct husk_definition *d)
{
	char path[256];

	path_of(path, d->name, "");
	if (make(path) < 0 || set_limits(d) < 0) {
		int err = errno;

		say("%s: its memory and CPU time are not limited: %s: %s", d->name, path, strerror(err));
		errno = err;
		return -1;
	}
	return 0;
}

int cgroup_join(const char *name)
{
	return put(name, "cgroup.procs", "0");
}

void cgroup_remove(const char *name)
{
	char path[256];

	path_of(path, name, "");
	put(name, "cgroup.kill", "1");
	/* those that are killed take their time to be gone */
	for (int i = 0; i < 100 && rmdir(path) < 0 && errno == EBUSY; i++)
		usleep(1000);
}
