// SPDX-License-Identifier: GPL-2.0
/*
 * A pvSCSI adapter. Its doorbells and its interrupt go from the guest to the module's thread and
 * back without the worker, but for INTx and a message that is masked, of which the module tells us.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "worker/machine.h"
#include "worker/msix.h"
#include "worker/pvscsi/pvscsi.h"
#include "worker/virtio/disk_kernel.h"

#define VENDOR		0x15ad
#define DEVICE		0x07c0
#define REVISION	2
#define CLASS		0x010000	/* a SCSI controller */
#define FIRST_SLOT	1

#define BAR_REGISTERS	0
#define BAR_MSIX	1
#define BAR_SIZE	0x8000

enum {
	REG_COMMAND = 0, REG_COMMAND_DATA = 4, REG_COMMAND_STATUS = 8,
	REG_INTR_STATUS = 0x100c, REG_INTR_MASK = 0x2010, REG_KICK = 0x3014, REG_KICK_RW = 0x4018,
};

#define STATUS_DONE	0
#define STATUS_FAILED	(~0U)		/* or there is no such command */
#define STATUS_MORE	(~0U - 1)	/* the command's data are not all there */

#define INTR_COMPLETION	1		/* the only one: there are no messages */
#define VECTOR		0

#define PAGE		4096ULL
#define RING_PAGES	32
#define DOORBELLS	2

/* What comes with commands */
struct setup_rings {
	uint32_t requests, completions;
	uint64_t state, request[RING_PAGES], completion[RING_PAGES];
};

struct config_page {
	uint64_t to;
	uint32_t unused, kind, page, reserved;
};

#define PAGE_CONTROLLER	0x1958
#define KIND_CONTROLLER	0x2120
#define HOST_BAD	0x1a
#define SCSI_BAD	2

/* struct PVSCSIConfigPageController */
struct controller_page {
	uint32_t page;
	uint16_t words, host, scsi, reserved[3];
	uint64_t name;
	uint16_t manufacturer[64], serial[64], rom[32], hardware[32], firmware[32];
	uint32_t targets;
	uint8_t consecutive, reserved2[3];
};
_Static_assert(sizeof(struct controller_page) == 480, "as the driver has it");

struct pvscsi {
	struct machine *machine;	/* immutable, as the next two */
	unsigned int number;		/* of the disk, in the order of --disk */
	struct pci_device pci;
	struct msix msix;
	struct disk_options *options;
	struct disk_kernel kernel;
	struct setup_rings rings;	/* while @running */
	bool running, broken;
	uint64_t doorbell[DOORBELLS];	/* that the module has; 0: none */
	uint32_t gsi;			/* 0: not needed yet */
	bool direct;			/* the module interrupts by @gsi */
	struct watch call;		/* signalled by the module otherwise */

	uint32_t command, arrived, status;
	uint32_t data[sizeof(struct setup_rings) / 4];
	uint32_t intr_status, intr_mask;
};

static struct pvscsi *pvscsi_of(struct pci_device *dev)
{
	return (struct pvscsi *)((char *)dev - offsetof(struct pvscsi, pci));
}

/* ---- interrupts and doorbells ---- */

static void update_line(struct pvscsi *p)
{
	pci_set_intx(&p->pci, !msix_enabled(&p->msix) && p->intr_status & p->intr_mask);
}

/* There is something to be told, or may be: the mask is another one. */
static void interrupt(struct pvscsi *p)
{
	if (msix_enabled(&p->msix) && p->intr_status & p->intr_mask)
		msix_notify(&p->msix, VECTOR);
	update_line(p);
}

static void call_ready(void *ctx, uint32_t events)
{
	struct pvscsi *p = ctx;

	(void)events;
	if (!disk_kernel_take(&p->call))
		return;
	p->intr_status |= INTR_COMPLETION;
	interrupt(p);
}

static bool set_route(struct pvscsi *p)
{
	const struct msix_entry *entry = &p->msix.entry[VECTOR];
	struct machine *m = p->machine;

	if (!p->gsi)
		p->gsi = routes_new_gsi(&m->routes);
	return p->gsi && !routes_set_message(&m->routes, m->vm, p->gsi, entry->address, entry->data);
}

static void set_doorbell(struct pvscsi *p, unsigned int i, uint64_t address)
{
	int vm = p->machine->vm;

	if (p->doorbell[i] == address)
		return;
	if (p->doorbell[i])
		husk_vm_ioeventfd(vm, p->kernel.fd, p->doorbell[i], 4, 0, HUSK_IOEVENTFD_DIRECT | HUSK_IOEVENTFD_DEASSIGN);
	p->doorbell[i] = address && !husk_vm_ioeventfd(vm, p->kernel.fd, address, 4, 0, HUSK_IOEVENTFD_DIRECT) ? address : 0;
}

/* The doorbells and the message are those of now. */
static void update(struct pvscsi *p)
{
	static const uint16_t regs[DOORBELLS] = { REG_KICK, REG_KICK_RW };
	const struct pci_bar *bar = &p->pci.bar[BAR_REGISTERS];

	p->direct = p->intr_mask & INTR_COMPLETION && msix_open(&p->msix, VECTOR) && set_route(p);
	husk_disk_set_call(p->kernel.fd, 0, p->direct ? HUSK_DISK_CALL_GSI : HUSK_DISK_CALL_EVENTFD, p->gsi, p->call.fd);
	for (unsigned int i = 0; i < DOORBELLS; i++)
		set_doorbell(p, i, p->running && bar->mapped ? bar->range.base + regs[i] : 0);
}

static void send_msi(void *ctx, uint64_t address, uint32_t data)
{
	struct pvscsi *p = ctx;

	husk_vm_signal_msi(p->machine->vm, address, data);
}

static void msix_changed(void *ctx)
{
	update(ctx);
	update_line(ctx);
}

static const struct msix_ops msix_ops = { .send = send_msi, .changed = msix_changed };

/* ---- rings ---- */

static void stop_queue(struct pvscsi *p)
{
	struct husk_disk_stop queue = {};

	husk_disk_stop(p->kernel.fd, &queue);
}

/* When it has stopped nothing is in flight: what the module took has been answered. */
static void stop(struct pvscsi *p)
{
	if (!p->running)
		return;
	p->running = false;
	stop_queue(p);
	disk_kernel_join(&p->kernel);
	update(p);
}

/* A size that SCSI can tell */
static uint32_t physical(const struct disk *disk)
{
	return disk->physical > disk->block && !(disk->physical & (disk->physical - 1)) ? disk->physical : disk->block;
}

static bool start(struct pvscsi *p)
{
	uint64_t pages[1 + 2 * RING_PAGES] = { p->rings.state };
	struct husk_disk_start_pvscsi arg = {
		.requests = p->rings.requests, .completions = p->rings.completions, .block = p->kernel.disk.block,
		.physical = physical(&p->kernel.disk), .pages = (uintptr_t)pages,
	};

	memcpy(pages + 1, p->rings.request, arg.requests * sizeof(*pages));
	memcpy(pages + 1 + arg.requests, p->rings.completion, arg.completions * sizeof(*pages));
	if (husk_disk_start_pvscsi(p->kernel.fd, &arg) < 0)
		return false;
	if (!disk_kernel_run(&p->kernel)) {
		stop_queue(p);
		return false;
	}
	p->running = true;
	p->broken = false;
	update(p);
	return true;
}

static void ring_broken(void *ctx)
{
	struct pvscsi *p = ctx;

	p->broken = true;
}

/* ---- commands: their data are in p->data ---- */

static uint32_t setup_rings(struct pvscsi *p)
{
	struct setup_rings rings;
	uint8_t *state;

	memcpy(&rings, p->data, sizeof(rings));
	stop(p);
	state = rings.state >> 52 ? NULL : machine_ram(p->machine, rings.state * PAGE, PAGE);
	if (!state || rings.requests > RING_PAGES || rings.completions > RING_PAGES)
		return STATUS_FAILED;
	memset(state, 0, 6 * sizeof(uint32_t));		/* indices and sizes */
	p->rings = rings;
	return start(p) ? STATUS_DONE : STATUS_FAILED;
}

static uint32_t adapter_reset(struct pvscsi *p)
{
	stop(p);
	p->broken = false;
	p->intr_status = p->intr_mask = 0;
	update(p);
	update_line(p);
	return STATUS_DONE;
}

/* What is in flight ends as it would have: a file takes nothing back. */
static uint32_t let_end(struct pvscsi *p)
{
	if (!p->running)
		return STATUS_DONE;
	stop(p);
	return start(p) ? STATUS_DONE : STATUS_FAILED;
}

/* Likewise; the driver waits for its completion. */
static uint32_t abort_command(struct pvscsi *p)
{
	(void)p;
	return STATUS_DONE;
}

/* Of the adapter itself; there are no others. */
static uint32_t get_config(struct pvscsi *p)
{
	struct controller_page page = { .page = PAGE_CONTROLLER, .words = sizeof(page) / 4, .targets = 1 };
	struct config_page c;
	uint8_t *to;

	memcpy(&c, p->data, sizeof(c));
	to = machine_ram(p->machine, c.to, sizeof(page));
	if (!to)
		return STATUS_FAILED;
	if (c.page != PAGE_CONTROLLER || c.kind != KIND_CONTROLLER)
		page = (struct controller_page){ .page = c.page, .words = 4, .host = HOST_BAD, .scsi = SCSI_BAD };
	for (unsigned int i = 0; i < 4; i++)
		page.manufacturer[i] = page.targets ? "husk"[i] : 0;
	memcpy(to, &page, page.words * 4);
	return STATUS_DONE;
}

/* Those that are not here: that is what STATUS_FAILED says, at once */
static const struct {
	uint16_t words;
	uint32_t (*run)(struct pvscsi *p);
} commands[] = {
	[1] = { 0, adapter_reset },
	[3] = { sizeof(struct setup_rings) / 4, setup_rings },
	[4] = { 0, let_end },		/* RESET_BUS */
	[5] = { 3, let_end },		/* RESET_DEVICE */
	[6] = { 4, abort_command },
	[7] = { sizeof(struct config_page) / 4, get_config },
};
#define COMMANDS	(sizeof(commands) / sizeof(commands[0]))

static void run_command(struct pvscsi *p)
{
	uint32_t command = p->command;

	if (p->arrived < commands[command].words)
		return;
	p->command = 0;
	p->status = commands[command].run(p);
}

static void set_command(struct pvscsi *p, uint32_t command)
{
	bool known = command < COMMANDS && commands[command].run;

	p->command = known ? command : 0;
	p->arrived = 0;
	p->status = known ? STATUS_MORE : STATUS_FAILED;
	if (known)
		run_command(p);
}

static void add_data(struct pvscsi *p, uint32_t value)
{
	if (!p->command)
		return;
	p->data[p->arrived++] = value;
	run_command(p);
}

/* ---- registers ---- */

static uint64_t registers_read(void *ctx, uint64_t offset, unsigned int width)
{
	struct pvscsi *p = ctx;

	if (width != 4)
		return 0;
	switch (offset) {
	case REG_COMMAND_STATUS:
		return p->status;
	case REG_INTR_STATUS:
		return p->intr_status;
	case REG_INTR_MASK:
		return p->intr_mask;
	default:
		return 0;
	}
}

static void registers_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct pvscsi *p = ctx;

	if (width != 4)
		return;
	switch (offset) {
	case REG_COMMAND:
		set_command(p, value);
		break;
	case REG_COMMAND_DATA:
		add_data(p, value);
		break;
	case REG_INTR_STATUS:
		p->intr_status &= ~value;
		update_line(p);
		break;
	case REG_INTR_MASK:
		p->intr_mask = value;
		update(p);
		interrupt(p);
		break;
	case REG_KICK:
	case REG_KICK_RW:
		if (p->running)
			husk_disk_kick(p->kernel.fd);
		break;
	}
}

/* ---- the device ---- */

static void pci_written(struct pci_device *dev, unsigned int reg, unsigned int width)
{
	msix_written(&pvscsi_of(dev)->msix, reg, width);
}

static void pci_moved(struct pci_device *dev)
{
	update(pvscsi_of(dev));
}

static void pci_reset_device(struct pci_device *dev)
{
	struct pvscsi *p = pvscsi_of(dev);

	msix_reset(&p->msix);
	adapter_reset(p);
	p->command = p->status = 0;
}

static void pci_show(struct pci_device *dev, struct show *show)
{
	struct pvscsi *p = pvscsi_of(dev);
	struct husk_disk_stats stats;

	husk_disk_get_stats(p->kernel.fd, &stats, NULL);
	show_text(show, "data_path", "kernel");
	show_text(show, "driver", p->broken ? "broken" : p->running ? "running" : "none");
	show_number(show, "number", p->number);
	show_text(show, "file", p->options->path);
	show_text(show, "format", "raw");
	show_number(show, "size", p->kernel.disk.size);
	show_number(show, "readonly", p->options->readonly);
	show_number(show, "reads", stats.reads);
	show_number(show, "read_bytes", stats.read_bytes);
	show_number(show, "writes", stats.writes);
	show_number(show, "write_bytes", stats.write_bytes);
	show_number(show, "errors", stats.errors);
	disk_kernel_show(&p->kernel, show);
	show_text(show, "kicks", p->doorbell[0] && p->doorbell[1] ? "direct" : "worker");
	show_text(show, "calls", p->direct ? "direct" : "worker");
}

static void free_all(struct pvscsi *p)
{
	stop(p);
	disk_kernel_unwatch(&p->kernel, &p->call);
	disk_kernel_close(&p->kernel);
	free(p);
}

static void pci_destroy_device(struct pci_device *dev)
{
	free_all(pvscsi_of(dev));
}

static const struct pci_ops pci_ops = {
	.written = pci_written, .moved = pci_moved, .reset = pci_reset_device, .show = pci_show, .destroy = pci_destroy_device,
};

static enum husk_status add_device(struct pvscsi *p)
{
	struct bus_range registers = { .size = BAR_SIZE, .read = registers_read, .write = registers_write, .ctx = p };
	unsigned int slot = FIRST_SLOT;

	pci_init_device(&p->pci, VENDOR, DEVICE, CLASS, REVISION);
	pci_put16(&p->pci, PCI_SUBDEVICE, DEVICE);
	p->pci.ops = &pci_ops;
	p->pci.name = "pvscsi";
	p->pci.boot_disk = "channel@0/disk@0,0";
	p->pci.config[PCI_PIN] = 1;
	pci_add_bar(&p->pci, BAR_REGISTERS, PCI_BAR_MEM32, &registers);
	msix_init(&p->msix, &p->pci, BAR_MSIX, 1, &msix_ops, p);
	while (pci_add(&p->machine->chipset.pci, &p->pci, slot) < 0)
		if (++slot == PCI_SLOTS)
			return fail(HUSK_STATUS_USAGE, "no free PCI slot for the disk");
	return HUSK_STATUS_OK;
}

static enum husk_status open_disk(struct pvscsi *p)
{
	struct machine *m = p->machine;
	enum husk_status status = disk_kernel_open(&p->kernel, m, p->options, 1, p->number);

	if (!status)
		status = disk_kernel_watch(&p->kernel, &p->call, call_ready, p);
	if (status)
		return status;
	disk_kernel_limit(&p->kernel);
	if (p->kernel.disk.size > m->largest_disk)
		m->largest_disk = p->kernel.disk.size;
	m->disks++;
	return add_device(p);
}

enum husk_status pvscsi_create(struct machine *m, void *options)
{
	struct pvscsi *p = calloc(1, sizeof(*p));
	enum husk_status status;

	if (!p)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	p->machine = m;
	p->options = options;
	p->number = m->disks;
	p->kernel.broken = ring_broken;
	p->kernel.ctx = p;
	p->call.fd = -1;
	status = open_disk(p);
	if (status)
		free_all(p);
	return status;
}

/* ---- changes while it runs ---- */

static struct pvscsi *find(struct machine *m, unsigned int number)
{
	for (unsigned int i = 0; i < PCI_SLOTS; i++) {
		struct pci_device *dev = m->chipset.pci.device[i];

		if (dev && dev->ops == &pci_ops && pvscsi_of(dev)->number == number)
			return pvscsi_of(dev);
	}
	return NULL;
}

static const char *change(struct pvscsi *p, const char *key, const char *value)
{
	if (!strcmp(key, "where"))
		return "a disk at a pvSCSI adapter stays in the kernel";
	return value ? disk_options_limit(&p->options->limit, key, value) : "give KEY=VALUE: iops, iops-burst, bps or bps-burst";
}

bool pvscsi_change(struct machine *m, unsigned int number, char *changes, const char **why)
{
	struct pvscsi *p = find(m, number);
	char *key, *value;

	if (!p)
		return false;
	*why = NULL;
	while (!*why && (key = strsep(&changes, ","))) {
		value = strchr(key, '=');
		if (value)
			*value++ = 0;
		*why = change(p, key, value);
	}
	disk_kernel_limit(&p->kernel);
	return true;
}
