// SPDX-License-Identifier: GPL-2.0
/* Devices for test kernels. */
#include <string.h>
#include <sys/mman.h>

#include "worker/config.h"
#include "worker/machine.h"

#define EXIT_PORT	0xf4		/* v written ends the VM with status (v << 1) | 1 */
#define SCRATCH_PORT	0xe0		/* 4 bytes that keep what is written */
#define UNMAP_PORT	0xe4		/* a guest address: its page is taken from the guest, and given again */
#define LINES_PORT	0x2000		/* port + n: the level of interrupt line n */
#define LINES		24
#define MEMORY_BASE	0xff000000ULL	/* memory that is reached by exits alone */
#define PAGE		4096ULL

static void exit_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct machine *m = ctx;

	(void)offset;
	(void)width;
	if (atomic_load(&m->end) == END_NONE)
		atomic_store(&m->exit_status, (value << 1 | 1) & 0xff);
	machine_end(m, END_EXIT);
}

static uint64_t scratch_read(void *ctx, uint64_t offset, unsigned int width)
{
	struct machine *m = ctx;

	(void)width;
	return m->testdev.scratch >> 8 * offset;
}

static void scratch_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct machine *m = ctx;

	(void)width;
	m->testdev.scratch &= ~(0xffU << 8 * offset);
	m->testdev.scratch |= (uint32_t)value << 8 * offset;
}

/* To be without access for a moment is enough: the kernel takes the page from the guest */
static void unmap_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct machine *m = ctx;
	uint8_t *page = machine_ram(m, value & ~(PAGE - 1), PAGE);

	(void)offset;
	(void)width;
	if (!page)
		return;
	mprotect(page, PAGE, PROT_NONE);
	mprotect(page, PAGE, PROT_READ | PROT_WRITE);
}

static void lines_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct machine *m = ctx;

	(void)width;
	husk_vm_irq_line(m->vm, offset, value != 0);
}

static uint64_t memory_read(void *ctx, uint64_t offset, unsigned int width)
{
	struct machine *m = ctx;
	uint64_t value = 0;

	memcpy(&value, m->testdev.memory + offset, width);
	return value;
}

static void memory_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct machine *m = ctx;

	memcpy(m->testdev.memory + offset, &value, width);
}

static const struct bus_range exit_range = { EXIT_PORT, 4, false, NULL, exit_write, NULL, "debug-exit" };
static const struct bus_range memory_range = {
	MEMORY_BASE, TESTDEV_MEMORY_SIZE, false, memory_read, memory_write, NULL, "testdev",
};
static const struct bus_range port_ranges[] = {
	{ SCRATCH_PORT, 4, true, scratch_read, scratch_write, NULL, "testdev" },
	{ UNMAP_PORT, 4, false, NULL, unmap_write, NULL, "testdev" },
	{ LINES_PORT, LINES, false, NULL, lines_write, NULL, "testdev" },
};

static void add(struct machine *m, struct bus *bus, const struct bus_range *range, unsigned int *n)
{
	struct bus_range *own = &m->testdev.range[(*n)++];

	*own = *range;
	own->ctx = m;
	bus_add(bus, own);
}

void testdev_reset(struct machine *m)
{
	m->testdev.scratch = 0;
	if (m->config->testdev)
		memset(m->testdev.memory, 0, TESTDEV_MEMORY_SIZE);
}

void testdev_init(struct machine *m)
{
	unsigned int n = 0;

	if (m->config->debug_exit)
		add(m, &m->ports, &exit_range, &n);
	for (unsigned int i = 0; m->config->testdev && i < sizeof(port_ranges) / sizeof(port_ranges[0]); i++)
		add(m, &m->ports, &port_ranges[i], &n);
	if (m->config->testdev)
		add(m, &m->memory, &memory_range, &n);
}

enum husk_status option_debug_exit(struct config *c, const char *text)
{
	(void)text;
	c->debug_exit = true;
	return HUSK_STATUS_OK;
}

enum husk_status option_testdev(struct config *c, const char *text)
{
	(void)text;
	c->testdev = true;
	return HUSK_STATUS_OK;
}
