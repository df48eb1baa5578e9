// SPDX-License-Identifier: GPL-2.0
/* The PCI device of --export, by sysfs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/device.h"

#define DEVICES		"/sys/bus/pci/devices"
#define WAIT_MS		1000	/* for an interrupt at most, then it looks */
#define COMMAND		4	/* in configuration space */
#define COMMAND_NO_INTX	0x04	/* of its second byte */

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

/* ---- interrupts: Linux's driver for programs ---- */

static bool bind_driver(void)
{
	static const char id[] = "4855 0001";	/* EXPORT_VENDOR, EXPORT_DEVICE */
	int fd = open("/sys/bus/pci/drivers/uio_pci_generic/new_id", O_WRONLY | O_CLOEXEC);
	bool bound = fd >= 0 && (write(fd, id, sizeof(id) - 1) > 0 || errno == EEXIST);

	if (fd >= 0)
		close(fd);
	return bound;
}

static void load_driver(void)
{
	char *const argv[] = { "modprobe", "-q", "uio_pci_generic", NULL };
	pid_t pid;

	if (!posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ))
		waitpid(pid, NULL, 0);
}

static int open_irq(const char *device)
{
	char path[300];
	struct dirent *entry;
	int fd = -1;
	DIR *dir;

	snprintf(path, sizeof(path), DEVICES "/%.200s/uio", device);
	dir = opendir(path);
	while (dir && fd < 0 && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/dev/%.200s", entry->d_name);
		if (*entry->d_name != '.')
			fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (dir)
		closedir(dir);
	return fd;
}

static void open_interrupts(struct device *d, const char *name)
{
	char path[300];

	if (!bind_driver()) {
		load_driver();
		bind_driver();
	}
	snprintf(path, sizeof(path), DEVICES "/%.200s/config", name);
	d->config = open(path, O_RDWR | O_CLOEXEC);
	d->irq = d->config < 0 ? -1 : open_irq(name);
	d->masked = true;	/* a process before this one may have been interrupted */
}

static void unmask(struct device *d)
{
	uint8_t high;

	if (pread(d->config, &high, 1, COMMAND + 1) != 1)
		return;
	high &= ~COMMAND_NO_INTX;
	d->masked = pwrite(d->config, &high, 1, COMMAND + 1) != 1;
}

bool device_arm(struct device *d)
{
	if (d->irq < 0)
		return false;
	d->doorbells[EXPORT_AT_WAIT / 4] = 1;
	if (d->masked)
		unmask(d);
	return !d->masked;
}

void device_wait(struct device *d)
{
	struct pollfd irq = { .fd = d->irq, .events = POLLIN };
	uint32_t count;

	/* an interrupt can be lost if another device on its line has no driver */
	if (poll(&irq, 1, WAIT_MS) <= 0)
		return;
	if (read(d->irq, &count, sizeof(count)) == sizeof(count)) {
		d->masked = true;
	} else if (errno != EINTR) {
		/* the driver was taken away */
		close(d->irq);
		d->irq = -1;
	}
}

/* ---- the device ---- */

static const char *open_device(struct device *d, const char *name)
{
	open_interrupts(d, name);
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
