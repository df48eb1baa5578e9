// SPDX-License-Identifier: GPL-2.0
/* Where the worker's program is. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/tools.h"

int husk_worker_path(char path[PATH_MAX])
{
	static const char * const places[] = { "/husk-vm", "/../libexec/husk/husk-vm" };
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return -1;
	self[n] = 0;
	*strrchr(self, '/') = 0;
	for (int i = 0; i < 2; i++)
		if (snprintf(path, PATH_MAX, "%s%s", self, places[i]) < PATH_MAX && !access(path, X_OK))
			return 0;
	errno = ENOENT;
	return -1;
}
