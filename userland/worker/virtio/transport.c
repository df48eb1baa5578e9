// SPDX-License-Identifier: GPL-2.0
/*
 * virtio over PCI, the modern way (virtio 1.2, 4.1): BAR 0 has a port for each queue's
 * doorbell (a write to a port is the cheapest exit), BAR 1 MSI-X, BAR 4 the rest.
 */
#include <string.h>

#include "worker/machine.h"
#include "worker/virtio/virtio.h"

#define VENDOR		0x1af4
#define DEVICE		0x1040		/* and the device's type */
#define FIRST_SLOT	1

#define BAR_NOTIFY	0
#define BAR_MSIX	1
#define BAR_MEMORY	4

#define NOTIFY_STEP	4		/* bytes from a queue's doorbell to the next */
#define NOTIFY_SIZE	32		/* of most devices; a power of two */
#define MEMORY_SIZE	0x1000
#define AT_COMMON	0x000
#define AT_ISR		0x100
#define AT_DEVICE	0x200
_Static_assert(VIRTIO_QUEUES + 1 <= MSIX_VECTORS, "a message for each");

/* ---- 4.1.4.3: the common configuration ---- */

static struct virtio_queue *selected(struct virtio *v)
{
	return v->queue_select < v->queues ? &v->queue[v->queue_select] : NULL;
}

/* Features come 32 at a time; there are 64. */
static uint32_t half(uint64_t value, uint32_t select)
{
	return select < 2 ? value >> 32 * select : 0;
}

static uint64_t get_offered_select(struct virtio *v) { return v->offered_select; }
static uint64_t get_offered(struct virtio *v) { return half(v->offered, v->offered_select); }
static uint64_t get_accepted_select(struct virtio *v) { return v->accepted_select; }
static uint64_t get_accepted(struct virtio *v) { return half(v->accepted, v->accepted_select); }
static uint64_t get_config_vector(struct virtio *v) { return v->config_vector; }
static uint64_t get_queues(struct virtio *v) { return v->queues; }
static uint64_t get_status(struct virtio *v) { return v->status; }
static uint64_t get_generation(struct virtio *v) { return v->generation; }
static uint64_t get_queue_select(struct virtio *v) { return v->queue_select; }
static uint64_t get_queue_size(struct virtio *v) { return selected(v) ? selected(v)->ring.size : 0; }
static uint64_t get_queue_vector(struct virtio *v) { return selected(v) ? selected(v)->vector : VIRTIO_NO_VECTOR; }
static uint64_t get_queue_enable(struct virtio *v) { return selected(v) && selected(v)->enabled; }
static uint64_t get_notify_off(struct virtio *v) { return selected(v) ? v->queue_select : 0; }

static void set_offered_select(struct virtio *v, uint64_t value) { v->offered_select = value; }
static void set_accepted_select(struct virtio *v, uint64_t value) { v->accepted_select = value; }
static void set_queue_select(struct virtio *v, uint64_t value) { v->queue_select = value; }
static void set_status(struct virtio *v, uint64_t value) { virtio_set_status(v, value); }

static void set_accepted(struct virtio *v, uint64_t value)
{
	unsigned int shift = 32 * (v->accepted_select & 1);

	if (v->accepted_select < 2 && !(v->status & VIRTIO_FEATURES_OK))
		v->accepted = (v->accepted & ~(0xffffffffULL << shift)) | value << shift;
}

static uint16_t vector(const struct virtio *v, uint64_t value)
{
	return value < v->msix.count ? value : VIRTIO_NO_VECTOR;
}

static void vectors_changed(void *ctx)
{
	struct virtio *v = ctx;

	if (v->class->vector_changed && virtio_running(v))
		v->class->vector_changed(v);
}

static void set_config_vector(struct virtio *v, uint64_t value)
{
	v->config_vector = vector(v, value);
}

static void set_queue_vector(struct virtio *v, uint64_t value)
{
	if (!selected(v))
		return;
	selected(v)->vector = vector(v, value);
	vectors_changed(v);
}

static void set_queue_size(struct virtio *v, uint64_t value)
{
	if (selected(v) && !selected(v)->enabled)
		selected(v)->ring.size = value;
}

static void set_queue_enable(struct virtio *v, uint64_t value)
{
	if (selected(v) && value == 1)
		virtio_enable_queue(v, v->queue_select);
}

static const struct field {
	uint8_t at, width;
	uint64_t (*get)(struct virtio *v);
	void (*set)(struct virtio *v, uint64_t value);
} fields[] = {
	{ 0, 4, get_offered_select, set_offered_select },
	{ 4, 4, get_offered, NULL },
	{ 8, 4, get_accepted_select, set_accepted_select },
	{ 12, 4, get_accepted, set_accepted },
	{ 16, 2, get_config_vector, set_config_vector },
	{ 18, 2, get_queues, NULL },
	{ 20, 1, get_status, set_status },
	{ 21, 1, get_generation, NULL },
	{ 22, 2, get_queue_select, set_queue_select },
	{ 24, 2, get_queue_size, set_queue_size },
	{ 26, 2, get_queue_vector, set_queue_vector },
	{ 28, 2, get_queue_enable, set_queue_enable },
	{ 30, 2, get_notify_off, NULL },
};
#define FIELDS		(sizeof(fields) / sizeof(fields[0]))
#define AT_PARTS	32	/* three addresses of 64 bits, written whole or by halves */
#define COMMON_SIZE	56

static const struct field *field_at(uint64_t offset, unsigned int width)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (fields[i].at == offset && fields[i].width == width)
			return &fields[i];
	return NULL;
}

static uint64_t *part_at(struct virtio *v, uint64_t offset, unsigned int width)
{
	struct virtio_queue *q = selected(v);

	if (!q || offset < AT_PARTS || offset >= COMMON_SIZE || (width != 4 && width != 8) || offset % width)
		return NULL;
	return (uint64_t *[]){ &q->ring.desc_gpa, &q->ring.avail_gpa, &q->ring.used_gpa }[(offset - AT_PARTS) / 8];
}

static uint64_t common_read(struct virtio *v, uint64_t offset, unsigned int width)
{
	const struct field *field = field_at(offset, width);
	const uint64_t *part = part_at(v, offset, width);

	if (field)
		return field->get(v);
	return part ? *part >> 8 * (offset & 4) : 0;
}

static void common_write(struct virtio *v, uint64_t offset, unsigned int width, uint64_t value)
{
	const struct field *field = field_at(offset, width);
	uint64_t *part = part_at(v, offset, width);

	if (field && field->set)
		field->set(v, value);
	else if (part && width == 8 && !selected(v)->enabled)
		*part = value;
	else if (part && !selected(v)->enabled)
		*part = (*part & ~(0xffffffffULL << 8 * (offset & 4))) | value << 8 * (offset & 4);
}

/* ---- the other parts of BAR 4 ---- */

/* 4.1.4.5: a read clears it, and takes the line down */
static uint64_t isr_read(struct virtio *v)
{
	uint64_t value = v->isr;

	v->isr = 0;
	pci_set_intx(&v->pci, false);
	return value;
}

static uint64_t config_read(struct virtio *v, uint64_t offset, unsigned int width)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < width; i++)
		if (offset + i < v->config_len)
			value |= (uint64_t)v->config[offset + i] << 8 * i;
	return value;
}

static void config_write(struct virtio *v, uint64_t offset, unsigned int width, uint64_t value)
{
	for (unsigned int i = 0; i < width; i++, value >>= 8)
		if (offset + i < v->config_len) {
			uint8_t mask = v->config_writable[offset + i];

			v->config[offset + i] = (v->config[offset + i] & ~mask) | (value & mask);
		}
	if (v->class->configured)
		v->class->configured(v);
}

static uint64_t memory_read(void *ctx, uint64_t offset, unsigned int width)
{
	if (offset >= AT_DEVICE)
		return config_read(ctx, offset - AT_DEVICE, width);
	if (offset >= AT_ISR)
		return offset == AT_ISR ? isr_read(ctx) : 0;
	return common_read(ctx, offset, width);
}

static void memory_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	if (offset >= AT_DEVICE)
		config_write(ctx, offset - AT_DEVICE, width, value);
	else if (offset < AT_ISR)
		common_write(ctx, offset, width, value);
}

static void doorbell(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	(void)width;
	(void)value;
	virtio_kick(ctx, offset / NOTIFY_STEP);
}

uint16_t virtio_doorbell(const struct virtio *v, unsigned int queue)
{
	const struct pci_bar *bar = &v->pci.bar[BAR_NOTIFY];

	return bar->mapped ? bar->range.base + queue * NOTIFY_STEP : 0;
}

/* ---- interrupts ---- */

void virtio_interrupt(struct virtio *v, uint16_t number, uint8_t isr)
{
	if (msix_enabled(&v->msix)) {
		msix_notify(&v->msix, number);
		return;
	}
	v->isr |= isr;
	pci_set_intx(&v->pci, true);
}

static void send_msi(void *ctx, uint64_t address, uint32_t data)
{
	struct virtio *v = ctx;

	husk_vm_signal_msi(v->machine->vm, address, data);
}

static const struct msix_ops msix_ops = { .send = send_msi, .changed = vectors_changed };

/* ---- capabilities: 4.1.4 ---- */

enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI_CFG };
enum { CAP_LENGTH = 2, CAP_TYPE, CAP_BAR, CAP_OFFSET = 8, CAP_SIZE = 12, CAP_EXTRA = 16 };

static unsigned int add_cap(struct virtio *v, uint8_t type, uint8_t bar, uint32_t offset, uint32_t size,
			    unsigned int length)
{
	unsigned int at = pci_add_cap(&v->pci, 9, length);

	v->pci.config[at + CAP_LENGTH] = length;
	v->pci.config[at + CAP_TYPE] = type;
	v->pci.config[at + CAP_BAR] = bar;
	pci_put32(&v->pci, at + CAP_OFFSET, offset);
	pci_put32(&v->pci, at + CAP_SIZE, size);
	return at;
}

/* A port for each queue */
static unsigned int notify_size(const struct virtio *v)
{
	unsigned int size = NOTIFY_SIZE;

	while (size < v->queues * NOTIFY_STEP)
		size *= 2;
	return size;
}

static void add_caps(struct virtio *v)
{
	unsigned int at;

	add_cap(v, CAP_COMMON, BAR_MEMORY, AT_COMMON, COMMON_SIZE, 16);
	add_cap(v, CAP_ISR, BAR_MEMORY, AT_ISR, 1, 16);
	add_cap(v, CAP_DEVICE, BAR_MEMORY, AT_DEVICE, VIRTIO_CONFIG, 16);
	at = add_cap(v, CAP_NOTIFY, BAR_NOTIFY, 0, notify_size(v), 20);
	pci_put32(&v->pci, at + CAP_EXTRA, NOTIFY_STEP);
	v->pci_cfg = add_cap(v, CAP_PCI_CFG, 0, 0, 0, 20);
	v->pci.writable[v->pci_cfg + CAP_BAR] = 0xff;
	memset(&v->pci.writable[v->pci_cfg + CAP_OFFSET], 0xff, 12);
}

/* 4.1.4.9: a window in config space through which the BARs are reached. NULL: it points nowhere */
static struct bus_range *window(struct virtio *v, uint32_t *offset, uint32_t *width)
{
	uint8_t bar = v->pci.config[v->pci_cfg + CAP_BAR];

	*offset = pci_get32(&v->pci, v->pci_cfg + CAP_OFFSET);
	*width = pci_get32(&v->pci, v->pci_cfg + CAP_SIZE);
	if (bar >= PCI_BARS || v->pci.bar[bar].kind == PCI_BAR_NONE || (*width != 1 && *width != 2 && *width != 4) ||
	    *offset % *width || *offset >= v->pci.bar[bar].range.size)
		return NULL;
	return &v->pci.bar[bar].range;
}

static bool in_window(const struct virtio *v, unsigned int reg, unsigned int width)
{
	return reg < v->pci_cfg + CAP_EXTRA + 4 && reg + width > v->pci_cfg + CAP_EXTRA;
}

static struct virtio *virtio_of(struct pci_device *dev)
{
	return (struct virtio *)((char *)dev - offsetof(struct virtio, pci));
}

static void pci_written(struct pci_device *dev, unsigned int reg, unsigned int width)
{
	struct virtio *v = virtio_of(dev);
	struct bus_range *range;
	uint32_t offset, n;

	msix_written(&v->msix, reg, width);
	if (!in_window(v, reg, width))
		return;
	range = window(v, &offset, &n);
	if (range && range->write)
		range->write(range->ctx, offset, n, pci_get32(dev, v->pci_cfg + CAP_EXTRA) & (~0U >> (32 - 8 * n)));
}

static void pci_read(struct pci_device *dev, unsigned int reg, unsigned int width)
{
	struct virtio *v = virtio_of(dev);
	struct bus_range *range;
	uint32_t offset, n;

	if (!in_window(v, reg, width))
		return;
	range = window(v, &offset, &n);
	if (range)
		pci_put32(dev, v->pci_cfg + CAP_EXTRA, range->read ? range->read(range->ctx, offset, n) : ~0U);
}

static void pci_moved(struct pci_device *dev)
{
	struct virtio *v = virtio_of(dev);

	if (v->class->moved && virtio_running(v))
		v->class->moved(v);
}

static void pci_reset_device(struct pci_device *dev)
{
	struct virtio *v = virtio_of(dev);

	virtio_reset(v);
	msix_reset(&v->msix);
	memcpy(v->config, v->config_power_on, sizeof(v->config));
}

static const struct pci_ops pci_ops = { .written = pci_written, .read = pci_read, .moved = pci_moved, .reset = pci_reset_device };

int virtio_attach(struct virtio *v)
{
	struct bus_range notify = { .size = notify_size(v), .write = doorbell, .ctx = v };
	struct bus_range memory = { .size = MEMORY_SIZE, .read = memory_read, .write = memory_write, .ctx = v };
	unsigned int slot = FIRST_SLOT;

	pci_init_device(&v->pci, VENDOR, DEVICE + v->class->id, v->class->pci_class, 1);
	pci_put16(&v->pci, PCI_SUBDEVICE, DEVICE + v->class->id);
	v->pci.ops = &pci_ops;
	v->pci.name = v->class->name;
	v->pci.boot_disk = v->class->id == VIRTIO_ID_BLOCK ? "disk@0,0" : NULL;
	v->pci.config[PCI_PIN] = 1;
	pci_add_bar(&v->pci, BAR_NOTIFY, PCI_BAR_IO, &notify);
	msix_init(&v->msix, &v->pci, BAR_MSIX, v->queues + 1, &msix_ops, v);
	pci_add_bar(&v->pci, BAR_MEMORY, PCI_BAR_MEM64, &memory);
	add_caps(v);
	while (pci_add(&v->machine->chipset.pci, &v->pci, slot) < 0)
		if (++slot == PCI_SLOTS)
			return -1;
	return 0;
}
