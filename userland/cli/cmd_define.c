// SPDX-License-Identifier: GPL-2.0
/* husk create, edit, delete, autostart: the definitions of VMs, see lib/definition.h. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "defined.h"
#include "format.h"
#include "lib/tools.h"
#include "lib/run_options.h"
#include "run_help.h"
#include "vm.h"

/* A value each, see run.c */
#define SECTION(title)
#define OPTION(id, name, argument, text) OPT_##id,
enum { OPT_HELP = 'h', OPT_AUTOSTART = 1000, OPT_RESTART, OPT_STOP_TIMEOUT, OPT_OWNER, OPT_CPU_MAX, OPT_MEMORY_MAX,
	OPT_FIRST, HUSK_RUN_OPTIONS(SECTION, OPTION) };
#undef OPTION

static const struct option options[] = {
#define OPTION(id, name, argument, text) { name, argument ? required_argument : no_argument, NULL, OPT_##id },
	HUSK_RUN_OPTIONS(SECTION, OPTION)
#undef OPTION
#undef SECTION
	{ "autostart", no_argument, NULL, OPT_AUTOSTART },
	{ "restart", required_argument, NULL, OPT_RESTART },
	{ "stop-timeout", required_argument, NULL, OPT_STOP_TIMEOUT },
	{ "owner", required_argument, NULL, OPT_OWNER },
	{ "cpu-max", required_argument, NULL, OPT_CPU_MAX },
	{ "memory-max", required_argument, NULL, OPT_MEMORY_MAX },
	{ "help", no_argument, NULL, OPT_HELP },
	{ }
};

static void help(void) __attribute__((noreturn));
static void help(void)
{
	puts("usage: husk create [OPTIONS] NAME\n"
	     "\n"
	     "Define a VM in " HUSK_DEFINITIONS "/NAME.conf, for root to start by 'husk start NAME'\n"
	     "and for the daemon to look after. The options are those of 'husk run', but for\n"
	     "the name, and these:\n"
	     "\n"
	     "What the daemon does with it:");
	help_option("autostart", NULL, "start it when the host has booted");
	help_option("restart", "never|on-failure|always", "start it again when it has ended (never)");
	help_option("stop-timeout", "S", "seconds that 'husk stop' gives it (30)");
	help_option("owner", "USER", "whose VM it is, who may start it, too (root)");
	help_option("cpu-max", "PERCENT", "of a CPU, for guest and worker together\n(100 for each vCPU, and 100)");
	help_option("memory-max", "SIZE", "the same for memory (the guest's, an eighth more, and 128M)");
	help_run_options();
	exit(HUSK_STATUS_OK);
}

/* ---- files ---- */

/* Die, saying what to do about it */
static void cannot(const char *what, const char *path) __attribute__((noreturn));
static void cannot(const char *what, const char *path)
{
	if (errno == EACCES || errno == EPERM)
		die(HUSK_STATUS_HOST, "cannot %s %s: run as root: VMs are defined by it", what, path);
	die(HUSK_STATUS_FAIL, "cannot %s %s: %s", what, path, strerror(errno));
}

static void make_folders(void)
{
	static const char * const folders[] = { "/etc/husk", HUSK_DEFINITIONS, HUSK_AUTOSTART };

	umask(0022);
	for (int i = 0; i < 3; i++)
		if (mkdir(folders[i], 0755) < 0 && errno != EEXIST)
			cannot("make", folders[i]);
}

/* The worker looks at its options, and says what is wrong with them; that is put on our stderr. */
static bool worker_accepts(const struct husk_definition *d)
{
	char path[PATH_MAX], *argv[256] = { "husk-vm", "--check" }, name[HUSK_NAME_LEN + 8];
	int status = -1;
	pid_t pid;

	if (husk_worker_path(path) < 0)
		die(HUSK_STATUS_FAIL, "husk-vm is neither beside husk nor in ../libexec/husk from there");
	snprintf(name, sizeof(name), "--name=%s", d->name);
	argv[2] = name;
	memcpy(argv + 3, d->argv, (d->argc + 1) * sizeof(*argv));
	pid = fork();
	if (!pid) {
		if (chdir("/"))		/* where the daemon starts it */
			_exit(HUSK_STATUS_FAIL);
		execv(path, argv);
		_exit(HUSK_STATUS_FAIL);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* Is the file a definition that a VM can be started with? If not, why has been said. */
static bool check_file(const char *path, const char *name)
{
	struct husk_definition d;
	char why[512];
	bool good = !husk_definition_read(&d, path, name, why, sizeof(why));

	if (!good)
		complain("%s", why);
	else
		good = worker_accepts(&d);
	husk_definition_free(&d);
	return good;
}

static int set_autostart(const char *name, bool on)
{
	char link[HUSK_DEFINITION_PATH], target[HUSK_DEFINITION_PATH];

	husk_definition_path(link, HUSK_AUTOSTART, name, ".conf");
	husk_definition_path(target, "../vms", name, ".conf");
	if (on)
		return symlink(target, link) < 0 && errno != EEXIST ? -1 : 0;
	return unlink(link) < 0 && errno != ENOENT ? -1 : 0;
}

/* ---- create ---- */

/* An argument is two lines: "KEY = VALUE" of a section */
struct draft {
	char vm[65536], service[1024];
	bool autostart, uuid;
};

static void put(char *text, size_t room, const char *key, const char *value)
{
	size_t len = strlen(text);

	if (strpbrk(value, "\r\n"))
		die(HUSK_STATUS_USAGE, "--%s: a value is one line", key);
	if (len + strlen(key) + strlen(value) + 5 > room)
		die(HUSK_STATUS_USAGE, "--%s: too much in all", key);
	sprintf(text + len, "%s = %s\n", key, value);
}

/* The daemon is elsewhere: files get their whole path. Where in the value is one? NULL: there is none */
static const char *file_in(int opt, const char *value)
{
	const char *at = strstr(value, "=@");

	switch (opt) {
	case OPT_kernel:
	case OPT_initrd:
	case OPT_module:
	case OPT_disk:
	case OPT_firmware_log:
		return value;
	case OPT_firmware:
		return strchr(value, '/') ? value : NULL;
	case OPT_fw_cfg:
		return at ? at + 2 : NULL;
	default:
		return NULL;
	}
}

/* The value anew, with the whole path of the file that begins there; NULL: there is none */
static char *make_whole(const char *value, const char *file)
{
	bool relative = file && *file != '/';
	char *dir = relative ? get_current_dir_name() : NULL, *whole;

	if (relative && !dir)
		die(HUSK_STATUS_FAIL, "the current folder: %s", strerror(errno));
	if ((relative ? asprintf(&whole, "%.*s%s/%s", (int)(file - value), value, dir, file) : asprintf(&whole, "%s", value)) < 0)
		die(HUSK_STATUS_FAIL, "out of memory");
	free(dir);
	return whole;
}

static void put_option(struct draft *d, int opt, const char *key, const char *value)
{
	static const char vhost_user[] = ",where=vhost-user:";
	char *first, *second, *socket;

	d->uuid |= opt == OPT_uuid;
	if (!value) {
		put(d->vm, sizeof(d->vm), key, "yes");
		return;
	}
	first = make_whole(value, file_in(opt, value));
	socket = opt == OPT_disk ? strstr(first, vhost_user) : NULL;
	second = make_whole(first, socket ? socket + strlen(vhost_user) : NULL);
	put(d->vm, sizeof(d->vm), key, second);
	free(first);
	free(second);
}

/* It is the same one at each start. */
static void put_uuid(struct draft *d)
{
	struct text text;
	uint8_t uuid[16];

	if (d->uuid)
		return;
	if (getrandom(uuid, sizeof(uuid), 0) != sizeof(uuid))
		die(HUSK_STATUS_FAIL, "no random numbers for a UUID: %s", strerror(errno));
	uuid[6] = (uuid[6] & 0xf) | 0x40;	/* RFC 4122 4.4 */
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
	put(d->vm, sizeof(d->vm), "uuid", format_uuid(&text, uuid));
}

static const char *parse(struct draft *d, int argc, char **argv)
{
	int opt, index;

	while ((opt = getopt_long(argc, argv, "h", options, &index)) != -1)
		switch (opt) {
		case OPT_HELP:
			help();
		case '?':
			die(HUSK_STATUS_USAGE, "'husk create --help' lists the options");
		case OPT_name:
			die(HUSK_STATUS_USAGE, "--name: the name is what follows the options");
		case OPT_AUTOSTART:
			d->autostart = true;
			break;
		default:
			if (opt < OPT_FIRST)
				put(d->service, sizeof(d->service), options[index].name, optarg);
			else
				put_option(d, opt, options[index].name, optarg);
		}
	if (argc - optind != 1)
		die(HUSK_STATUS_USAGE, "give one name: 'husk create --help' tells more");
	return argv[optind];
}

static void write_draft(const struct draft *d, const char *path, const char *name)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f)
		cannot("write", path);
	fprintf(f, "# %s, a VM of husk: husk.conf(5). 'husk edit %s' changes this, 'husk start %s' boots it.\n"
		"[vm]\n%s\n[service]\n%s", name, name, name, d->vm, d->service);
	if (fflush(f) || fsync(fd) || fclose(f)) {
		int err = errno;

		unlink(path);
		errno = err;
		cannot("write", path);
	}
}

int cmd_create(int argc, char **argv)
{
	static struct draft draft;
	const char *name = parse(&draft, argc, argv);
	char path[HUSK_DEFINITION_PATH], new[HUSK_DEFINITION_PATH];
	int err = 0;

	defined_check_name(name);
	put_uuid(&draft);
	make_folders();
	husk_definition_path(path, HUSK_DEFINITIONS, name, ".conf");
	husk_definition_path(new, HUSK_DEFINITIONS, name, ".new");
	write_draft(&draft, new, name);
	if (!check_file(new, name)) {
		unlink(new);
		return HUSK_STATUS_INPUT;
	}
	if (link(new, path) < 0)
		err = errno;
	unlink(new);
	if (err == EEXIST)
		die(HUSK_STATUS_NAME, "%s is defined already: 'husk edit %s' changes it", name, name);
	errno = err;
	if (err || (draft.autostart && set_autostart(name, true) < 0))
		cannot("make", path);
	return HUSK_STATUS_OK;
}

/* ---- edit ---- */

/* With the same rights: there may be secrets in it */
static bool copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct stat st;
	char data[4096];
	ssize_t n = -1;
	bool good = out >= 0 && !fstat(in, &st) && !fchmod(out, st.st_mode & 0777);

	while (good && (n = read(in, data, sizeof(data))) > 0)
		good = write(out, data, n) == n;
	if (in >= 0)
		close(in);
	if (out >= 0 && close(out) < 0)
		good = false;
	return good && !n;
}

static bool store(const char *new, const char *path)
{
	int fd = open(new, O_RDONLY | O_CLOEXEC);
	bool good = fd >= 0 && !fsync(fd);

	if (fd >= 0)
		close(fd);
	return good && !rename(new, path);
}

/* By the shell: the variable may be a command with options. */
static bool run_editor(const char *path)
{
	const char *editor = getenv("VISUAL") ?: getenv("EDITOR") ?: access("/usr/bin/editor", X_OK) ? "vi" : "editor";
	char *command;
	int status;

	if (asprintf(&command, "%s '%s'", editor, path) < 0)
		return false;
	status = system(command);
	free(command);
	return !status;
}

static bool once_more(void)
{
	int c;

	if (!isatty(0) || !isatty(2))
		return false;
	fputs("Edit it again? [Y/n] ", stderr);
	c = getchar();
	return c != 'n' && c != 'N' && c != EOF;
}

int cmd_edit(int argc, char **argv)
{
	static const char text[] =
		"usage: husk edit NAME\n"
		"\n"
		"Change the definition of a VM with $VISUAL, $EDITOR or vi. It is checked before it\n"
		"takes the place of the old one; a VM that runs has it from its next start on.\n";
	const char *name = argv[parse_plain(argc, argv, text, NULL, 1, 1)];
	char path[HUSK_DEFINITION_PATH], new[HUSK_DEFINITION_PATH];

	defined_check_name(name);
	if (!defined_exists(name))
		die(HUSK_STATUS_NAME, "no VM is defined as %s: 'husk create' does it", name);
	husk_definition_path(path, HUSK_DEFINITIONS, name, ".conf");
	husk_definition_path(new, HUSK_DEFINITIONS, name, ".new");
	if (!copy(path, new))
		cannot("write", new);
	do {
		if (!run_editor(new)) {
			unlink(new);
			die(HUSK_STATUS_FAIL, "the editor failed: %s is as it was", name);
		}
		if (check_file(new, name)) {
			if (!store(new, path))
				cannot("replace", path);
			return HUSK_STATUS_OK;
		}
	} while (once_more());
	unlink(new);
	die(HUSK_STATUS_INPUT, "%s is as it was", name);
}

/* ---- delete ---- */

static void remove_file(const char *dir, const char *name, const char *suffix)
{
	char path[HUSK_DEFINITION_PATH];

	husk_definition_path(path, dir, name, suffix);
	if (unlink(path) < 0 && errno != ENOENT)
		cannot("remove", path);
}

int cmd_delete(int argc, char **argv)
{
	static const char text[] =
		"usage: husk delete NAME\n"
		"\n"
		"Remove the definition of a VM and its logs. It must not run. Its disks stay.\n";
	const char *name = argv[parse_plain(argc, argv, text, NULL, 1, 1)];

	defined_check_name(name);
	if (!defined_exists(name))
		die(HUSK_STATUS_NAME, "no VM is defined as %s", name);
	if (defined_state(name) == DEFINED_LIVE)
		die(HUSK_STATUS_FAIL, "%s is running: 'husk stop %s' or 'husk kill %s' first", name, name, name);
	remove_file(HUSK_DEFINITIONS, name, ".conf");
	remove_file(HUSK_AUTOSTART, name, ".conf");
	defined_forget(name);
	remove_file(HUSK_LOGS, name, ".log");
	remove_file(HUSK_LOGS, name, ".log.1");
	remove_file(HUSK_LOGS, name, ".console");
	return HUSK_STATUS_OK;
}

/* ---- autostart ---- */

static int print_name(const char *name, void *arg)
{
	const char **before = arg;

	if (!*before) {
		printf("%s\n", name);
		return 0;
	}
	fputs(*before, stdout);
	json_string(name);
	*before = ", ";
	return 0;
}

int cmd_autostart(int argc, char **argv)
{
	static const char text[] =
		"usage: husk autostart NAME on|off\n"
		"       husk autostart [--json]\n"
		"\n"
		"Have the daemon start a VM that is defined when the host has booted, or not; or list\n"
		"those that it starts.\n";
	const char *before = NULL, *name;
	bool json = false, on;
	int arg = parse_plain(argc, argv, text, &json, 0, 2), err;

	if (argc == arg) {
		before = json ? "[" : NULL;
		err = husk_definition_names(HUSK_AUTOSTART, print_name, &before);
		if (json)
			printf("%s]\n", *before == '[' ? "[" : "");
		if (err)
			die(HUSK_STATUS_FAIL, "%s: %s", HUSK_AUTOSTART, strerror(-err));
		return HUSK_STATUS_OK;
	}
	if (argc - arg != 2)
		usage(text, false);
	name = argv[arg];
	on = !strcmp(argv[arg + 1], "on");
	if (!on && strcmp(argv[arg + 1], "off"))
		usage(text, false);
	defined_check_name(name);
	if (!defined_exists(name))
		die(HUSK_STATUS_NAME, "no VM is defined as %s: 'husk create' does it", name);
	if (set_autostart(name, on) < 0)
		cannot("change", HUSK_AUTOSTART);
	return HUSK_STATUS_OK;
}
