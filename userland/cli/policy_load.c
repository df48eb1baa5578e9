// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "cli.h"
#include "policy.h"

#define BPFFS_MAGIC	0xcafe4a11
#define LOG_BYTES	(1 << 20)
#define DOOR		"_vm"	/* what HUSK_POLICY puts after the name of a program for VMs */

static char said[512];		/* libbpf's last complaint */

static int listen_to(enum libbpf_print_level level, const char *format, va_list ap)
{
	if (level == LIBBPF_WARN)
		vsnprintf(said, sizeof(said), format, ap);
	return 0;
}

static void load_die(const char *path, int err)
{
	if (err == -EPERM || err == -EACCES)
		die(HUSK_STATUS_HOST, "cannot load %s: not permitted: it needs root", path);
	said[strcspn(said, "\n")] = 0;
	die(HUSK_STATUS_FAIL, "cannot load %s: %s", path, *said ? said : strerror(-err));
}

static bool is_called(const struct bpf_program *prog, const char *name)
{
	const char *own = bpf_program__name(prog);
	size_t len = strlen(name);

	return !strncmp(own, name, len) && (!own[len] || !strcmp(own + len, DOOR));
}

/* The program that is meant; others are not loaded. */
static struct bpf_program *choose(struct bpf_object *object, const char *path, const char *name)
{
	struct bpf_program *prog, *chosen = NULL;
	int count = 0;

	bpf_object__for_each_program(prog, object) {
		bpf_program__set_autoload(prog, false);
		if (bpf_program__type(prog) != BPF_PROG_TYPE_SYSCALL || (name && !is_called(prog, name)))
			continue;
		chosen = prog;
		count++;
	}
	if (!count && name)
		die(HUSK_STATUS_USAGE, "%s has no program \"%s\" of type syscall", path, name);
	if (!count)
		die(HUSK_STATUS_USAGE, "%s has no program of type syscall: HUSK_POLICY of <husk/policy.bpf.h> makes them", path);
	if (count > 1) {
		fprintf(stderr, "husk: %s has several programs, say which one by --program:\n", path);
		bpf_object__for_each_program(prog, object)
			if (bpf_program__type(prog) == BPF_PROG_TYPE_SYSCALL)
				fprintf(stderr, "  %s\n", bpf_program__name(prog));
		exit(HUSK_STATUS_USAGE);
	}
	bpf_program__set_autoload(chosen, true);
	return chosen;
}

static int load_object(const char *path, const char *name)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	char *log = calloc(1, LOG_BYTES);
	struct bpf_program *prog;
	int err, fd;

	if (!object)
		load_die(path, -errno);
	if (!log)
		die(HUSK_STATUS_FAIL, "out of memory");
	prog = choose(object, path, name);
	bpf_program__set_log_buf(prog, log, LOG_BYTES);
	err = bpf_object__load(object);
	if (err && *log) {
		fputs(log, stderr);
		die(HUSK_STATUS_FAIL, "cannot load %s: the kernel refuses program \"%s\", for the reason above", path,
		    bpf_program__name(prog));
	}
	if (err)
		load_die(path, err);
	fd = fcntl(bpf_program__fd(prog), F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		load_die(path, -errno);
	bpf_object__close(object);
	free(log);
	return fd;
}

static bool is_pinned(const char *path)
{
	struct statfs fs;

	if (statfs(path, &fs))
		die(HUSK_STATUS_USAGE, "cannot open %s: %s", path, strerror(errno));
	return (unsigned long)fs.f_type == BPFFS_MAGIC;
}

int policy_load(const char *path, const char *name)
{
	int fd;

	libbpf_set_print(listen_to);
	if (!is_pinned(path))
		return load_object(path, name);
	if (name)
		die(HUSK_STATUS_USAGE, "%s is one program: --program is for object files", path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		load_die(path, -errno);
	return fd;
}
