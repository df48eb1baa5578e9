// SPDX-License-Identifier: GPL-2.0
/* The PCI device of --export, by sysfs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/device.h"

#define DEVICES	"/sys/bus/pci/devices"

static unsigned long number(const char *device, const char *file)
{
	char path[300], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), DEVICES "/%.200s/%s", device, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		*text = 0;
	close(fd);
	return strtoul(text, NULL, 16);
}

static void *map(const char *device, const char *file, size_t length)
{
	char path[300];
	void *memory;
	int fd;

	snprintf(path, sizeof(path), DEVICES "/%.200s/%s", device, file);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return memory == MAP_FAILED ? NULL : memory;
}

static void enable(const char *device)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), DEVICES "/%.200s/enable", device);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	/* whether it is, the page tells */
	if (fd >= 0 && write(fd, "1", 1) < 0)
		errno = 0;
	if (fd >= 0)
		close(fd);
}

static const char *open_device(struct device *d, const char *name)
{
	enable(name);
	d->page = map(name, "resource0", sizeof(*d->page));
	d->doorbells = map(name, "resource1", sizeof(*d->page));
	d->window = map(name, "resource2", EXPORT_WINDOW);
	if (!d->page || !d->doorbells || !d->window)
		return "its memory can't be mapped";
	errno = EPROTO;
	return d->page->magic == EXPORT_MAGIC ? NULL : "it is not as it should be";
}

const char *device_open(struct device *d)
{
	DIR *dir = opendir(DEVICES);
	const char *why = "there is no PCI bus";
	struct dirent *entry;

	if (!dir)
		return why;
	why = "no device of --export";
	errno = ENODEV;
	while ((entry = readdir(dir)))
		if (number(entry->d_name, "vendor") == EXPORT_VENDOR && number(entry->d_name, "device") == EXPORT_DEVICE) {
			why = open_device(d, entry->d_name);
			break;
		}
	closedir(dir);
	return why;
}

static void notify(struct device *d)
{
	d->doorbells[EXPORT_AT_NOTIFY / 4] = 1;
}

void device_ready(struct device *d)
{
	__atomic_store_n(&d->page->ready, 1, __ATOMIC_RELEASE);
	notify(d);
}

uint32_t device_change(const struct device *d)
{
	return __atomic_load_n(&d->page->change, __ATOMIC_ACQUIRE);
}

void device_seen(struct device *d, uint32_t change)
{
	__atomic_store_n(&d->page->change_seen, change, __ATOMIC_SEQ_CST);
	notify(d);
}

void device_ring(struct device *d, unsigned int queue)
{
	d->doorbells[queue] = 1;
}
