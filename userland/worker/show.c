// SPDX-License-Identifier: GPL-2.0
/* The machine as the guest sees it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "worker/machine.h"
#include "worker/show.h"
#include "worker/virtio/virtio.h"

static void put(struct show *show, const char *text, size_t n)
{
	if (show->len + n <= show->room)
		memcpy(show->out + show->len, text, n);
	show->len += n;
}

static void put_text(struct show *show, const char *text)
{
	put(show, text, strlen(text));
}

static void put_string(struct show *show, const char *text)
{
	char escape[8];

	put_text(show, "\"");
	for (; *text; text++) {
		unsigned char c = *text;

		if (c == '"' || c == '\\')
			put(show, escape, snprintf(escape, sizeof(escape), "\\%c", c));
		else if (c < 0x20)
			put(show, escape, snprintf(escape, sizeof(escape), "\\u%04x", c));
		else
			put(show, text, 1);
	}
	put_text(show, "\"");
}

/* For people: a list is a heading, each of its members a line, and in a line all is "key=value". */
enum { DEPTH_HEADING = 1, DEPTH_LINE };

static void put_key(struct show *show, const char *key)
{
	if (show->json && show->comma)
		put_text(show, ", ");
	else if (!show->json && show->comma)
		put_text(show, " ");
	show->comma = true;
	if (!key)
		return;
	if (!show->json) {
		put_text(show, key);
		put_text(show, "=");
		return;
	}
	put_string(show, key);
	put_text(show, ": ");
}

static void open_line(struct show *show, const char *key)
{
	if (show->depth == DEPTH_HEADING) {
		put_text(show, "\n");
		put_text(show, key);
		put_text(show, ":\n");
	} else if (show->depth == DEPTH_LINE) {
		put_text(show, "  ");
	}
}

void show_open(struct show *show, const char *key, char bracket)
{
	if (show->json || show->depth > DEPTH_LINE) {
		put_key(show, key);
		put(show, &bracket, 1);
	} else {
		open_line(show, key);
	}
	show->depth++;
	show->comma = false;
}

void show_close(struct show *show, char bracket)
{
	show->depth--;
	if (show->json || show->depth > DEPTH_LINE)
		put(show, &bracket, 1);
	else if (show->depth == DEPTH_LINE)
		put_text(show, "\n");
	show->comma = true;
}

void show_text(struct show *show, const char *key, const char *text)
{
	put_key(show, key);
	if (show->json)
		put_string(show, text);
	else
		put_text(show, text);
}

void show_number(struct show *show, const char *key, uint64_t number)
{
	char text[24];

	put_key(show, key);
	put(show, text, snprintf(text, sizeof(text), "%" PRIu64, number));
}

void show_address(struct show *show, const char *key, uint64_t address)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	show_text(show, key, text);
}

static void show_range(struct show *show, const char *space, const struct bus_range *range)
{
	show_open(show, NULL, '{');
	if (range->name)
		show_text(show, "name", range->name);
	show_text(show, "space", space);
	show_address(show, "base", range->base);
	show_number(show, "size", range->size);
	show_close(show, '}');
}

static void show_bus(struct show *show, const char *space, const struct bus *bus)
{
	for (unsigned int i = 0; i < bus->count; i++)
		if (bus->range[i]->name)
			show_range(show, space, bus->range[i]);
}

static void show_bars(struct show *show, const struct pci_device *dev)
{
	show_open(show, "bars", '[');
	for (unsigned int i = 0; i < PCI_BARS; i++)
		if (dev->bar[i].mapped)
			show_range(show, dev->bar[i].kind == PCI_BAR_IO ? "port" : "memory", &dev->bar[i].range);
	show_close(show, ']');
}

static void show_virtio(struct show *show, struct virtio *v)
{
	show_text(show, "data_path", v->backend);
	show_text(show, "driver", virtio_running(v) ? "running" : v->status & VIRTIO_NEEDS_RESET ? "broken" : "none");
	show_number(show, "queues", v->queues);
	if (msix_enabled(&v->msix)) {
		show_open(show, "msix", '[');
		for (unsigned int i = 0; i < v->queues; i++)
			if (v->queue[i].vector < v->msix.count)
				show_number(show, NULL, v->queue[i].vector);
		show_close(show, ']');
	}
	if (v->class->show)
		v->class->show(v, show);
}

static struct virtio *virtio_at(struct machine *m, const struct pci_device *dev)
{
	for (unsigned int i = 0; i < m->virtio_count; i++)
		if (&m->virtio[i]->pci == dev)
			return m->virtio[i];
	return NULL;
}

static void show_device(struct show *show, struct machine *m, const struct pci_device *dev)
{
	struct virtio *v = virtio_at(m, dev);
	char text[16];

	show_open(show, NULL, '{');
	snprintf(text, sizeof(text), "00:%02x.0", dev->slot);
	show_text(show, "pci", text);
	snprintf(text, sizeof(text), "%04x:%04x", pci_get16(dev, PCI_VENDOR), pci_get16(dev, PCI_DEVICE));
	show_text(show, "id", text);
	show_text(show, "name", dev->name);
	if (dev->config[PCI_PIN])
		show_number(show, "gsi", pci_gsi(dev));
	if (v)
		show_virtio(show, v);
	else if (dev->ops && dev->ops->show)
		dev->ops->show((struct pci_device *)dev, show);
	show_bars(show, dev);
	show_close(show, '}');
}

size_t machine_show(struct machine *m, bool json, char *out, size_t room)
{
	struct show show = { .out = out, .room = room, .json = json };

	show_open(&show, NULL, '{');
	show_open(&show, "devices", '[');
	show_bus(&show, "port", &m->ports);
	show_bus(&show, "memory", &m->memory);
	show_close(&show, ']');
	show_open(&show, "pci", '[');
	for (unsigned int i = 0; i < PCI_SLOTS; i++)
		if (m->chipset.pci.device[i])
			show_device(&show, m, m->chipset.pci.device[i]);
	show_close(&show, ']');
	show_close(&show, '}');
	return show.len <= room ? show.len : 0;
}
