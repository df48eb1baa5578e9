// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "asleep.h"

static bool asleep(int thread)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
	file = fopen(path, "r");
	if (!file)
		return true;	/* it has ended */
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(file);
	return state == 'S';
}

static bool all_asleep(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	bool all = dir;

	while (all && (entry = readdir(dir)))
		all = *entry->d_name == '.' || atoi(entry->d_name) == getpid() || asleep(atoi(entry->d_name));
	if (dir)
		closedir(dir);
	return all;
}

void others_asleep(void)
{
	do
		usleep(10000);
	while (!all_asleep());
}
