// SPDX-License-Identifier: GPL-2.0
/* Files that define VMs: what is taken, and what is said of what is not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "lib/definition.h"

static char dir[] = "/tmp/definition.XXXXXX", path[HUSK_DEFINITION_PATH], why[512];
static struct husk_definition d;

static int read_text(const char *text)
{
	FILE *f = fopen(path, "w");

	husk_definition_free(&d);
	*why = 0;
	if (!f || fputs(text, f) < 0 || fclose(f))
		return 1;
	return husk_definition_read(&d, path, "web", why, sizeof(why));
}

static void taken(const char *name, const char *text)
{
	check_why(name, !read_text(text), why);
}

/* ... with a line of the file and those words */
static void refused(const char *name, const char *text, int line, const char *words)
{
	char place[HUSK_DEFINITION_PATH + 16];

	snprintf(place, sizeof(place), "%s:%d: ", path, line);
	check_why(name, read_text(text) == -EINVAL && !strncmp(why, place, strlen(place)) && strstr(why, words), why);
}

static void test_values(void)
{
	taken("whole", "# a comment\n; another\n[vm]\nmemory = 512M\n  disk=/a,readonly\ndisk = /b;c\ncmdline = a=b # c ; d\nrng = yes\n"
	      "balloon = no\ncpus = 3\nexport = yes\n\n[service]\nrestart = on-failure\nstop-timeout = 60\nowner = alice\ncpu-max = 250\nmemory-max = 1G\n");
	check("name", !strcmp(d.name, "web"));
	check("options", d.argc == 7 && !strcmp(d.argv[0], "--memory=512M") && !strcmp(d.argv[1], "--disk=/a,readonly") &&
	      !strcmp(d.argv[2], "--disk=/b;c") && !strcmp(d.argv[3], "--cmdline=a=b # c ; d") && !strcmp(d.argv[4], "--rng") &&
	      !strcmp(d.argv[5], "--cpus=3") && !strcmp(d.argv[6], "--export") && !d.argv[7]);
	check("export", d.exports);
	check("sizes", d.memory == 512ULL << 20 && d.cpus == 3);
	check("service", d.restart == HUSK_RESTART_ON_FAILURE && d.stop_timeout == 60 && !strcmp(d.owner, "alice") && d.cpu_max == 250 &&
	      d.memory_max == 1ULL << 30);
	taken("empty", "");
	check("defaults", !d.argc && d.restart == HUSK_RESTART_NEVER && d.stop_timeout == HUSK_STOP_TIMEOUT && !*d.owner && !d.cpu_max &&
	      !d.memory_max && !d.memory && !d.cpus && !d.exports);
}

static void test_refused(void)
{
	refused("no_section", "memory = 1G\n", 1, "section []");
	refused("other_section", "[vm]\n[net]\nx = y\n", 3, "[net]");
	refused("unknown_key", "[vm]\ncolour = blue\n", 2, "\"colour\"");
	refused("name_key", "[vm]\nname = other\n", 2, "\"name\"");
	refused("worker_key", "[vm]\nowner = 0\n", 2, "\"owner\"");
	refused("jail_key", "[vm]\njail-uid = 0\n", 2, "\"jail-uid\"");
	refused("unknown_service", "[service]\nmemory = 1G\n", 2, "\"memory\"");
	refused("flag_value", "[vm]\nrng = maybe\n", 2, "yes or no");
	refused("no_value", "[vm]\n\nmemory\n", 3, "KEY = VALUE");
	refused("open_section", "[vm\n", 1, "KEY = VALUE");
	refused("restart", "[service]\nrestart = maybe\n", 2, "on-failure");
	refused("timeout_word", "[service]\nstop-timeout = soon\n", 2, "seconds");
	refused("timeout_large", "[service]\nstop-timeout = 86401\n", 2, "86400");
	refused("timeout_negative", "[service]\nstop-timeout = -1\n", 2, "seconds");
	refused("cpu_zero", "[service]\ncpu-max = 0\n", 2, "percent");
	refused("memory_word", "[service]\nmemory-max = much\n", 2, "size");
	refused("owner_long", "[service]\nowner = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", 2, "user");
}

static void test_long(void)
{
	static char text[40000];
	char *at = text + sprintf(text, "[vm]\ncmdline = ");
	size_t n = 30000;

	memset(at, 'x', n);
	strcpy(at + n, "\n");
	taken("long_line", text);
	check("long_value", d.argc == 1 && strlen(d.argv[0]) == strlen("--cmdline=") + n);
	at = text + sprintf(text, "[vm]\n");
	for (int i = 0; i < 201; i++)
		at += sprintf(at, "rng = yes\n");
	refused("many_options", text, 202, "more than 200");
}

static int list(const char *name, void *arg)
{
	strcat(strcat(arg, name), " ");
	return 0;
}

static void test_names(void)
{
	static const char * const files[] = { "b.conf", "a.conf", ".hidden.conf", "c.new", "conf", "-x.conf", "a b.conf" };
	char file[128], names[256] = "";

	unlink(path);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(file, sizeof(file), "%s/%s", dir, files[i]);
		fclose(fopen(file, "w"));
	}
	check_why("names", !husk_definition_names(dir, list, names) && !strcmp(names, "a b "), names);
	check("names_no_folder", !husk_definition_names("/tmp/no such folder", list, names));
	check("no_file", husk_definition_read(&d, path, "web", why, sizeof(why)) == -ENOENT && strstr(why, path));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(file, sizeof(file), "%s/%s", dir, files[i]);
		unlink(file);
	}
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	husk_definition_path(path, dir, "web", ".conf");
	test_values();
	test_refused();
	test_long();
	husk_definition_free(&d);
	test_names();
	husk_definition_free(&d);
	rmdir(dir);
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
