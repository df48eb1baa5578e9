// SPDX-License-Identifier: GPL-2.0
/* --export: the device. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "worker/config.h"
#include "worker/export.h"
#include "worker/jail.h"
#include "worker/virtio/block.h"

#define PAGE		4096
#define BAR_PAGE	0
#define BAR_DOORBELL	1
#define BAR_WINDOW	2
#define SLOT_PAGE	3	/* memory slots: 0 and 1 are RAM, 2 is a firmware */
#define SLOT_WINDOW	4

/* What a guest can do of a disk's features */
#define FEATURES	(PVIO_BLOCK_F(SEG_MAX) | PVIO_BLOCK_F(RO) | PVIO_BLOCK_F(BLK_SIZE) | PVIO_BLOCK_F(FLUSH) | \
			 PVIO_BLOCK_F(TOPOLOGY) | PVIO_BLOCK_F(CONFIG_WCE) | PVIO_BLOCK_F(MQ) | PVIO_BLOCK_F(DISCARD) | PVIO_BLOCK_F(WRITE_ZEROES) | \
			 VIRTIO_FEATURE_INDIRECT | VIRTIO_FEATURE_EVENT_INDEX | VIRTIO_FEATURE_VERSION_1)

unsigned int export_queues(const struct export *e)
{
	uint32_t queues = __atomic_load_n(&e->page->queues, __ATOMIC_RELAXED);

	return queues < EXPORT_QUEUES ? queues : EXPORT_QUEUES;
}

uint64_t export_features(const struct export *e)
{
	return __atomic_load_n(&e->page->offered, __ATOMIC_RELAXED) & FEATURES;
}

static void interrupt(struct export *e)
{
	if (!e->armed)
		return;
	e->armed = false;
	pci_set_intx(&e->pci, true);
}

void export_changed(struct export *e)
{
	__atomic_store_n(&e->page->change, e->page->change + 1, __ATOMIC_RELEASE);
	interrupt(e);
}

bool export_seen(const struct export *e)
{
	return __atomic_load_n(&e->page->change_seen, __ATOMIC_ACQUIRE) == e->page->change;
}

/* ---- where things are ---- */

/* A slot that is not to be had leaves nothing there. */
static void place(struct export *e, uint32_t slot, uint64_t *at, unsigned int bar, void *memory, uint64_t bytes)
{
	uint64_t wanted = memory && e->pci.bar[bar].mapped ? e->pci.bar[bar].range.base : 0;
	int vm = e->machine->vm;

	if (*at == wanted)
		return;
	if (*at)
		husk_vm_set_memory(vm, slot, *at, memory, 0, 0);
	*at = wanted && !husk_vm_set_memory(vm, slot, wanted, memory, bytes, 0) ? wanted : 0;
}

static void set_doorbell(struct export *e, unsigned int queue, uint64_t address)
{
	struct export_line *line = &e->line[queue];
	int vm = e->machine->vm;

	if (line->address == address)
		return;
	if (line->address)
		husk_vm_ioeventfd(vm, line->call, line->address, 4, 0, HUSK_IOEVENTFD_DEASSIGN);
	line->address = address && !husk_vm_ioeventfd(vm, line->call, address, 4, 0, 0) ? address : 0;
}

static void place_all(struct export *e)
{
	const struct pci_bar *doorbell = &e->pci.bar[BAR_DOORBELL];

	place(e, SLOT_PAGE, &e->page_at, BAR_PAGE, e->page, PAGE);
	place(e, SLOT_WINDOW, &e->window_at, BAR_WINDOW, e->memory, e->bytes);
	for (unsigned int i = 0; i < EXPORT_QUEUES; i++)
		set_doorbell(e, i, doorbell->mapped && e->line[i].call >= 0 ? doorbell->range.base + 4 * i : 0);
}

int export_set_call(struct export *e, unsigned int queue, int fd)
{
	struct export_line *line = &e->line[queue];

	set_doorbell(e, queue, 0);
	if (line->call >= 0)
		close(line->call);
	line->call = fd;
	place_all(e);
	return fd >= 0 && e->pci.bar[BAR_DOORBELL].mapped && !line->address ? -1 : 0;
}

/* ---- the client's kicks ---- */

static void unwatch(struct export_line *line)
{
	if (line->watched)
		loop_remove(&line->export->machine->loop, &line->kick);
	line->watched = false;
}

/* The next ones are looked at when the guest has asked again: so they keep neither of us from anything. */
static void kicked(void *ctx, uint32_t events)
{
	struct export_line *line = ctx;

	(void)events;
	unwatch(line);
	interrupt(line->export);
}

/* The client may send any file, and a read of some could wait for what the client does. The module takes eventfds alone. */
static bool is_eventfd(const struct export *e, int fd)
{
	/* there is no doorbell of ours at 0 */
	return husk_vm_ioeventfd(e->machine->vm, fd, 0, 4, 0, HUSK_IOEVENTFD_DEASSIGN) < 0 && errno == ENOENT;
}

int export_set_kick(struct export *e, unsigned int queue, int fd)
{
	struct export_line *line = &e->line[queue];

	if (fd >= 0 && !is_eventfd(e, fd))
		return -1;
	unwatch(line);
	if (line->kick.fd >= 0)
		close(line->kick.fd);
	line->kick = (struct watch){ fd, EPOLLIN, kicked, line };
	interrupt(e);
	return 0;
}

/* The client can make a read of its eventfd wait, but not this one. Where it can't be watched the guest goes on looking. */
static void watch_kicks(struct export_line *line)
{
	uint64_t kicks;
	struct iovec iov = { &kicks, sizeof(kicks) };

	if (line->kick.fd < 0 || line->watched)
		return;
	line->watched = (preadv2(line->kick.fd, &iov, 1, -1, RWF_NOWAIT) > 0 || errno == EAGAIN) &&
			!loop_add(&line->export->machine->loop, &line->kick);
	if (!line->watched)
		interrupt(line->export);
}

static void arm(struct export *e)
{
	pci_set_intx(&e->pci, false);
	e->armed = true;
	for (unsigned int i = 0; i < EXPORT_QUEUES; i++)
		watch_kicks(&e->line[i]);
}

/* ---- the client's memory ---- */

/*
 * The module may know addresses in it for longer than it is there: those of rings which the guest has put there. So nothing
 * else is ever at these: who has no client's memory there has none at all.
 */
static bool clear_window(struct export *e)
{
	const int fixed = e->window ? MAP_FIXED : 0;
	void *window = mmap(e->window, EXPORT_WINDOW, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);

	if (window == MAP_FAILED)
		return false;
	e->window = window;
	return true;
}

/* Whoever has the file can't make it shorter, so that no access to it fails; nor are there huge pages that could run out. */
static bool file_fine(int fd, uint64_t offset, uint64_t bytes)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;
	struct stat st;

	return !fstatfs(fd, &fs) && fs.f_type == TMPFS_MAGIC && seals >= 0 && seals & F_SEAL_SHRINK &&
	       !fstat(fd, &st) && !(offset % PAGE) && offset <= (uint64_t)st.st_size &&
	       bytes <= (uint64_t)st.st_size - offset;
}

int export_map(struct export *e, int fd, uint64_t offset, uint64_t bytes)
{
	void *memory;

	errno = EINVAL;
	if (e->memory || !bytes || bytes % PAGE || bytes > EXPORT_WINDOW || !file_fine(fd, offset, bytes))
		return -1;
	/* what can be wrong with the file is wrong now, and not when it has taken the window's place */
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (memory == MAP_FAILED)
		return -1;
	madvise(memory, bytes, MADV_DONTDUMP);
	if (mremap(memory, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, e->window) == MAP_FAILED)
		abort();	/* there may be a hole */
	e->memory = e->window;
	e->bytes = bytes;
	place_all(e);
	e->page->bytes = bytes;
	e->page->session = ++e->sessions | 1;
	return 0;
}

static void unmap(struct export *e)
{
	if (!e->memory)
		return;
	e->memory = NULL;
	place_all(e);
	if (!clear_window(e))
		abort();
	e->bytes = 0;
}

void export_leave(struct export *e)
{
	for (unsigned int i = 0; i < EXPORT_QUEUES; i++) {
		export_set_call(e, i, -1);
		export_set_kick(e, i, -1);
		e->page->queue[i].running = 0;
	}
	e->sessions = (e->sessions | 1) + 1;
	e->page->session = e->sessions;
	e->page->bytes = 0;
	export_changed(e);
}

/* ---- the device ---- */

/* Those of queues are the module's, which never waits: a write of ours to what a client has sent could. */
static void doorbell(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct export *e = ctx;

	(void)width;
	(void)value;
	if (offset == EXPORT_AT_WAIT)
		arm(e);
	if (offset != EXPORT_AT_NOTIFY)
		return;
	if (e->client.fd < 0 && export_seen(e))
		unmap(e);
	export_look(e);
}

static void clear_page(struct export *e)
{
	memset(e->page, 0, sizeof(*e->page));
	e->page->magic = EXPORT_MAGIC;
}

static struct export *export_of(struct pci_device *dev)
{
	return (struct export *)((char *)dev - offsetof(struct export, pci));
}

static void moved(struct pci_device *dev)
{
	place_all(export_of(dev));
}

/* No driver: nothing is looked at any more. */
static void reset(struct pci_device *dev)
{
	struct export *e = export_of(dev);

	e->armed = false;
	export_hang_up(e);
	unmap(e);
	clear_page(e);
	export_look(e);
}

static const struct pci_ops ops = { .moved = moved, .reset = reset };

static void add_bars(struct export *e)
{
	const struct bus_range page = { .size = PAGE }, doorbells = { .size = PAGE, .write = doorbell, .ctx = e };
	const struct bus_range window = { .size = EXPORT_WINDOW };

	pci_add_bar(&e->pci, BAR_PAGE, PCI_BAR_MEM32, &page);
	pci_add_bar(&e->pci, BAR_DOORBELL, PCI_BAR_MEM32, &doorbells);
	pci_add_bar(&e->pci, BAR_WINDOW, PCI_BAR_MEM32, &window);
}

static enum husk_status export_create(struct machine *m, void *options)
{
	struct export *e = calloc(1, sizeof(*e));
	unsigned int slot = PCI_SLOTS - 1;

	(void)options;
	if (!e)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	e->machine = m;
	e->fd = e->listener.fd = e->client.fd = -1;
	for (unsigned int i = 0; i < EXPORT_QUEUES; i++)
		e->line[i] = (struct export_line){ .export = e, .call = -1, .kick.fd = -1 };
	e->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (e->page == MAP_FAILED || !clear_window(e))
		return fail(HUSK_STATUS_FAIL, "out of memory");
	clear_page(e);
	/* 0x4855 is no vendor's; class 0xff: none of the classes */
	pci_init_device(&e->pci, EXPORT_VENDOR, EXPORT_DEVICE, 0xff0000, 1);
	e->pci.config[PCI_PIN] = 1;
	e->pci.ops = &ops;
	e->pci.name = "export";
	add_bars(e);
	/* behind all others: the large window takes no place from them */
	while (pci_add(&m->chipset.pci, &e->pci, slot) < 0)
		if (!--slot)
			return fail(HUSK_STATUS_USAGE, "no free PCI slot for --export");
	return export_listen(e);
}

enum husk_status option_export(struct config *c, const char *text)
{
	(void)text;
	if (c->exports++)
		return fail(HUSK_STATUS_USAGE, "--export: once is enough");
	c->jail_devices |= JAIL_VHOST_USER;
	return config_add_device(c, export_create, NULL);
}
