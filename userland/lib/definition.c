// SPDX-License-Identifier: GPL-2.0
/* Definitions of VMs, see definition.h. */
#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/definition.h"
#include "lib/libhusk.h"
#include "lib/run_options.h"

#define OPTIONS_MAX	200	/* of a VM */
#define LINE_MAX_BYTES	65536	/* a kernel command line is the longest */

struct reading {
	struct husk_definition *d;
	char *why;
	size_t room;
	bool wrong;
};

static int wrong(struct reading *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int wrong(struct reading *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, r->room, fmt, ap);
	va_end(ap);
	r->wrong = true;
	return 0;	/* ini_parse() ends */
}

/* ---- [vm] ---- */

static const struct {
	const char *name;
	bool argument;
} options[] = {
#define SECTION(title)
#define OPTION(id, name, argument, text) { name, argument ? true : false },
	HUSK_RUN_OPTIONS(SECTION, OPTION)
#undef OPTION
#undef SECTION
};

static int add(struct reading *r, const char *name, const char *value)
{
	struct husk_definition *d = r->d;
	char *text;

	if (d->argc == OPTIONS_MAX)
		return wrong(r, "more than %d options", OPTIONS_MAX);
	if ((value ? asprintf(&text, "--%s=%s", name, value) : asprintf(&text, "--%s", name)) < 0)
		return wrong(r, "out of memory");
	d->argv[d->argc++] = text;
	return 1;
}

static int option(struct reading *r, const char *name, const char *value)
{
	size_t i, n = sizeof(options) / sizeof(options[0]);

	for (i = 0; i < n && strcmp(options[i].name, name); i++)
		;
	if (i == n || !strcmp(name, "name"))
		return wrong(r, "[vm] has no \"%s\": its keys are the options of 'husk run', but for the name", name);
	if (!strcmp(name, "memory"))
		r->d->memory = husk_parse_size(value);
	if (!strcmp(name, "cpus"))
		r->d->cpus = atoi(value);
	if (!strcmp(name, "export"))
		r->d->exports = !strcmp(value, "yes");
	if (options[i].argument)
		return add(r, name, value);
	if (!strcmp(value, "yes"))
		return add(r, name, NULL);
	return strcmp(value, "no") ? wrong(r, "%s = %s: say yes or no", name, value) : 1;
}

/* ---- [service] ---- */

static bool number(const char *text, unsigned int most, unsigned int *value)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || n > most)
		return false;
	*value = n;
	return true;
}

static int set_restart(struct reading *r, const char *value)
{
	for (unsigned int i = 0; *husk_restart_name(i) != '?'; i++)
		if (!strcmp(value, husk_restart_name(i))) {
			r->d->restart = i;
			return 1;
		}
	return wrong(r, "restart = %s: say never, on-failure or always", value);
}

static int set_stop_timeout(struct reading *r, const char *value)
{
	return number(value, 86400, &r->d->stop_timeout) ? 1 :
	       wrong(r, "stop-timeout = %s: a number of seconds, 86400 at most", value);
}

static int set_owner(struct reading *r, const char *value)
{
	if (!*value || strlen(value) >= sizeof(r->d->owner))
		return wrong(r, "owner = %s: the name of a user", value);
	strcpy(r->d->owner, value);
	return 1;
}

static int set_cpu_max(struct reading *r, const char *value)
{
	return number(value, 100000, &r->d->cpu_max) && r->d->cpu_max ? 1 :
	       wrong(r, "cpu-max = %s: percent of a CPU, 1 to 100000", value);
}

static int set_memory_max(struct reading *r, const char *value)
{
	r->d->memory_max = husk_parse_size(value);
	return r->d->memory_max ? 1 : wrong(r, "memory-max = %s: a size, such as 300M", value);
}

static const struct {
	const char *name;
	int (*set)(struct reading *r, const char *value);
} service[] = {
	{ "restart", set_restart },
	{ "stop-timeout", set_stop_timeout },
	{ "owner", set_owner },
	{ "cpu-max", set_cpu_max },
	{ "memory-max", set_memory_max },
};

static int line(void *arg, const char *section, const char *name, const char *value)
{
	struct reading *r = arg;

	if (!strcmp(section, "vm"))
		return option(r, name, value);
	if (strcmp(section, "service"))
		return wrong(r, "\"%s\" is in section [%s]: there are [vm] and [service]", name, section);
	for (size_t i = 0; i < sizeof(service) / sizeof(service[0]); i++)
		if (!strcmp(service[i].name, name))
			return service[i].set(r, value);
	return wrong(r, "[service] has no \"%s\"", name);
}

int husk_definition_read(struct husk_definition *d, const char *path, const char *name, char *why, size_t room)
{
	struct reading r = { d, why, room, false };
	FILE *f = fopen(path, "re");
	int n;

	*d = (struct husk_definition){ .stop_timeout = HUSK_STOP_TIMEOUT };
	snprintf(d->name, sizeof(d->name), "%s", name);
	d->argv = calloc(OPTIONS_MAX + 1, sizeof(*d->argv));
	if (!f || !d->argv) {
		n = errno;
		if (f)
			fclose(f);
		snprintf(why, room, "%s: %s", path, strerror(n));
		return -n;
	}
	ini_use_stack = false;
	ini_allow_realloc = true;
	ini_max_line = LINE_MAX_BYTES;
	ini_allow_inline_comments = false;
	ini_allow_multiline = false;
	ini_stop_on_first_error = true;
	n = ini_parse_file(f, line, &r);
	fclose(f);
	if (!n)
		return 0;
	if (!r.wrong)
		snprintf(why, room, "%s:%d: no line of the form KEY = VALUE", path, n);
	else {
		char *said = strdup(why);

		snprintf(why, room, "%s:%d: %s", path, n, said ? said : "");
		free(said);
	}
	return -EINVAL;
}

void husk_definition_free(struct husk_definition *d)
{
	for (size_t i = 0; i < d->argc; i++)
		free(d->argv[i]);
	free(d->argv);
	d->argv = NULL;
	d->argc = 0;
}

/* ---- folders ---- */

void husk_definition_path(char path[HUSK_DEFINITION_PATH], const char *dir, const char *name, const char *suffix)
{
	snprintf(path, HUSK_DEFINITION_PATH, "%s/%s%s", dir, name, suffix);
}

static int is_conf(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && !strcmp(dot, ".conf");
}

int husk_definition_names(const char *dir, int (*fn)(const char *name, void *arg), void *arg)
{
	struct dirent **entry;
	int n = scandir(dir, &entry, is_conf, alphasort), ret = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		*strrchr(entry[i]->d_name, '.') = 0;
		if (!ret && husk_name_valid(entry[i]->d_name))
			ret = fn(entry[i]->d_name, arg);
		free(entry[i]);
	}
	free(entry);
	return ret;
}

const char *husk_restart_name(unsigned int restart)
{
	static const char * const names[] = {
#define X(id, name, what) name,
		HUSK_RESTARTS(X)
#undef X
	};

	return restart < sizeof(names) / sizeof(names[0]) ? names[restart] : "?";
}
