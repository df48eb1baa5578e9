// SPDX-License-Identifier: GPL-2.0
/* The guest's RAM. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "worker/machine.h"

#define HUGE	(2ULL << 20)

/* A file that nobody can make shorter below us */
static int shared_file(uint64_t size)
{
	int fd = memfd_create("husk-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (!ftruncate(fd, size) && !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return fd;
	close(fd);
	return -1;
}

/*
 * At a multiple of 2 MiB: only where host and guest address agree in the low 21 bits can the kernel map a huge
 * page as one. fd: the file, or -1.
 */
static void *map_aligned(uint64_t size, int fd)
{
	uint8_t *area = mmap(NULL, size + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED | MAP_NORESERVE;
	uint64_t before, after;
	void *ram;

	if (area == MAP_FAILED)
		return area;
	before = -(uintptr_t)area & (HUGE - 1);
	after = HUGE - before;
	ram = mmap(area + before, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
	if (ram == MAP_FAILED) {
		munmap(area, size + HUGE);
		return ram;
	}
	if (before)
		munmap(area, before);
	munmap(area + before + size, after);
	return ram;
}

enum husk_status ram_map(struct machine *m)
{
	uint64_t size = m->config->memory, most = machine_low_max(m->config);
	void *ram = MAP_FAILED;

	m->low = size < most ? size : most;
	m->high = size - m->low;
	if (m->config->shared_ram)
		m->ram_fd = shared_file(size);
	if (!m->config->shared_ram || m->ram_fd >= 0)
		ram = map_aligned(size, m->ram_fd);
	if (ram == MAP_FAILED)
		return fail(HUSK_STATUS_INPUT, "no %llu MiB of memory for the guest: %s",
			    (unsigned long long)size >> 20, strerror(errno));
	madvise(ram, size, MADV_DONTDUMP);
	madvise(ram, size, MADV_HUGEPAGE);
	m->ram = ram;
	m->guest = (struct pvio_memory){ ram, m->low, RAM_HIGH_BASE, m->high };
	return HUSK_STATUS_OK;
}

void ram_unmap(struct machine *m)
{
	if (m->ram)
		munmap(m->ram, m->low + m->high);
	if (m->ram_fd >= 0)
		close(m->ram_fd);
}

/* The kernel's notifier takes the pages out of the guest's tables. */
void ram_release(const struct machine *m, void *start, size_t length)
{
	madvise(start, length, m->ram_fd < 0 ? MADV_DONTNEED : MADV_REMOVE);
}
