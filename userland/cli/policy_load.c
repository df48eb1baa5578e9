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
#include "uapi/husk.h"

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

static char verifier_log[LOG_BYTES];
static const char *verified;	/* the program that it is about */

/* The one program that is loaded leaves its log. */
static void log_program(struct bpf_program *prog)
{
	verified = bpf_program__name(prog);
	bpf_program__set_log_buf(prog, verifier_log, sizeof(verifier_log));
}

static void refuse(const char *path, int err)
{
	if (!*verifier_log)
		load_die(path, err);
	fputs(verifier_log, stderr);
	die(HUSK_STATUS_FAIL, "cannot load %s: the kernel refuses program \"%s\", for the reason above", path, verified);
}

static int load_object(const char *path, const char *name)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *prog;
	int err, fd;

	if (!object)
		load_die(path, -errno);
	prog = choose(object, path, name);
	log_program(prog);
	err = bpf_object__load(object);
	if (err)
		refuse(path, err);
	fd = fcntl(bpf_program__fd(prog), F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		load_die(path, -errno);
	bpf_object__close(object);
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

/* ---- as a struct_ops ---- */

#define FAST_NEEDS "it takes Linux 6.12, husk.ko with BTF, and libbpf 1.4"

static struct bpf_map *choose_ops(struct bpf_object *object, const char *path, const char *name)
{
	struct bpf_map *map, *chosen = NULL;
	int count = 0;

	bpf_object__for_each_map(map, object) {
		if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		if (name && strcmp(bpf_map__name(map), name)) {
			bpf_map__set_autocreate(map, false);
			continue;
		}
		chosen = map;
		count++;
	}
	if (count == 1)
		return chosen;
	if (count)
		die(HUSK_STATUS_USAGE, "%s has several struct_ops: say which one by --program", path);
	die(HUSK_STATUS_USAGE, "%s has no %s%sstruct_ops: it is to be compiled with -DHUSK_POLICY_STRUCT_OPS; husk's own are "
	    "*.ops.bpf.o", path, name ? name : "", name ? ", or not as a " : "");
}

static void set_up(struct bpf_map *map, const char *path, uint32_t vm, uint64_t reasons)
{
	size_t size = 0;
	struct husk_policy_ops *ops = (void *)bpf_map__initial_value(map, &size);	/* const until libbpf 1.4 */

	if (!ops || size < sizeof(*ops))
		die(HUSK_STATUS_HOST, "cannot attach %s: this libbpf can't set up a struct_ops: " FAST_NEEDS, path);
	ops->vm = vm;
	if (reasons)
		ops->reasons = reasons;
	if (!*ops->name)
		snprintf(ops->name, sizeof(ops->name), "%s", bpf_map__name(map));
}

static void attach_die(const char *path, int err, const char *name)
{
	switch (-err) {
	case EEXIST:
		die(HUSK_STATUS_FAIL, "cannot attach %s: there is a struct_ops \"%s\" already: detach it first", path, name);
	case ENOSPC:
		die(HUSK_STATUS_FAIL, "cannot attach %s: there are 8 already: detach one", path);
	case EIO:
		die(HUSK_STATUS_FAIL, "cannot attach %s: the VM is dead", path);
	default:
		die(HUSK_STATUS_FAIL, "cannot attach %s: %s", path, strerror(-err));
	}
}

char *policy_pin(uint32_t vm, const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "/sys/fs/bpf/husk_policy_%u_%s", vm, name) < 0)
		die(HUSK_STATUS_FAIL, "out of memory");
	return path;
}

char *policy_load_fast(const char *path, const char *name, uint32_t vm, uint64_t reasons)
{
	struct bpf_object *object;
	struct bpf_link *link;
	struct bpf_map *map;
	char *pin, *own;
	int err;

	libbpf_set_print(listen_to);
	object = bpf_object__open_file(path, NULL);
	if (!object)
		load_die(path, -errno);
	map = choose_ops(object, path, name);
	set_up(map, path, vm, reasons);
	own = strdup(((const struct husk_policy_ops *)bpf_map__initial_value(map, &(size_t){ 0 }))->name);
	if (!own)
		die(HUSK_STATUS_FAIL, "out of memory");
	for (struct bpf_program *prog = NULL; (prog = bpf_object__next_program(object, prog));)
		log_program(prog);
	err = bpf_object__load(object);
	if (err && !*verifier_log && err != -EPERM && err != -EACCES)
		die(HUSK_STATUS_HOST, "cannot load %s as a struct_ops: " FAST_NEEDS "; libbpf says: %.*s", path,
		    (int)strcspn(said, "\n"), said);
	if (err)
		refuse(path, err);
	link = bpf_map__attach_struct_ops(map);
	if (!link)
		attach_die(path, -errno, own);
	pin = policy_pin(vm, own);
	err = bpf_link__pin(link, pin);
	if (err)
		die(HUSK_STATUS_FAIL, "cannot pin %s, which keeps it attached: %s (is a bpffs mounted?)", pin, strerror(-err));
	free(pin);
	bpf_object__close(object);
	return own;
}
