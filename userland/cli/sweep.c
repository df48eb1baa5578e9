// SPDX-License-Identifier: GPL-2.0
/* What workers leave in the folder of the control sockets: from their jail they can't remove it. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/tools.h"
#include "vm.h"

struct names {
	char (*name)[HUSK_NAME_LEN];
	size_t count, room;
};

static int add(const struct husk_nl_vm *vm, void *arg)
{
	struct names *n = arg;

	if (n->count == n->room) {
		size_t room = n->room ? 2 * n->room : 64;
		void *more = reallocarray(n->name, room, sizeof(*n->name));

		if (!more)
			return -ENOMEM;
		n->name = more;
		n->room = room;
	}
	strcpy(n->name[n->count++], vm->name);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* A VM is there before its socket is: who sees the socket, and no VM after, sees what was left. */
static void look(struct husk_nl *nl, const struct names *live, const char *dir, const char *file)
{
	size_t len = strlen(file);
	char name[HUSK_NAME_LEN], path[4096];
	struct husk_nl_vm vm;
	struct stat st;

	if (len < sizeof(".sock") || len - 5 >= sizeof(name) || strcmp(file + len - 5, ".sock"))
		return;
	snprintf(name, sizeof(name), "%.*s", (int)len - 5, file);
	if ((live->count && bsearch(name, live->name, live->count, sizeof(*live->name), compare)) ||
	    husk_nl_show(nl, name, &vm) != -ENOENT)
		return;
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	unlink(path);
	/* of --export */
	snprintf(path, sizeof(path), "%s/%s.disk", dir, name);
	unlink(path);
	/* a log with something in it is what is left of a crash */
	snprintf(path, sizeof(path), "%s/%s.log", dir, name);
	if (!stat(path, &st) && !st.st_size)
		unlink(path);
}

void sweep(void)
{
	const char *dir = husk_rundir();
	struct names live = {};
	struct dirent *entry;
	struct husk_nl *nl;
	DIR *d;

	if (!dir || husk_nl_open(&nl))
		return;
	d = opendir(dir);
	if (d && !husk_nl_list(nl, add, &live)) {
		if (live.count)
			qsort(live.name, live.count, sizeof(*live.name), compare);
		while ((entry = readdir(d)))
			look(nl, &live, dir, entry->d_name);
	}
	if (d)
		closedir(d);
	free(live.name);
	husk_nl_close(nl);
}
