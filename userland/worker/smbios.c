// SPDX-License-Identifier: GPL-2.0
/* The SMBIOS tables' layout: DSP0134 2.8, chapter 7. */
#include <string.h>

#include "worker/boot.h"
#include "worker/smbios.h"

#define PACKED __attribute__((packed))

#define VERSION_MAJOR	2
#define VERSION_MINOR	8
#define NONE		0xfffe		/* no handle: no error information */
#define ARRAY_HANDLE	0x1000
#define KIB		(1ULL << 10)
#define MIB		(1ULL << 20)

struct header {
	uint8_t type, length;
	uint16_t handle;
} PACKED;

/* A member that is a number of a string is 1 for the first string behind the structure */
struct bios {			/* 7.1 */
	struct header header;
	uint8_t vendor, version;
	uint16_t segment;
	uint8_t date, rom_size;
	uint64_t characteristics;
	uint8_t extension[2], release[2], controller[2];
} PACKED;

struct system {			/* 7.2 */
	struct header header;
	uint8_t manufacturer, product, version, serial;
	uint8_t uuid[16];
	uint8_t wake_up, sku, family;
} PACKED;

struct chassis {		/* 7.4 */
	struct header header;
	uint8_t manufacturer, kind, version, serial, asset;
	uint8_t boot_state, power_state, thermal_state, security;
	uint32_t oem;
	uint8_t height, cords, elements, element_length;
} PACKED;

struct processor {		/* 7.5 */
	struct header header;
	uint8_t socket, kind, family, manufacturer;
	uint32_t signature, features;
	uint8_t version, voltage;
	uint16_t clock, max_speed, speed;
	uint8_t status, upgrade;
	uint16_t cache[3];
	uint8_t serial, asset, part, cores, enabled, threads;
	uint16_t characteristics, family2;
} PACKED;

struct memory_array {		/* 7.17 */
	struct header header;
	uint8_t location, use, correction;
	uint32_t capacity;		/* KiB; 0x80000000: see extended */
	uint16_t error, devices;
	uint64_t extended;
} PACKED;

struct memory_device {		/* 7.18 */
	struct header header;
	uint16_t array, error, total_width, data_width, size;
	uint8_t form, set, locator, bank, kind;
	uint16_t detail, speed;
	uint8_t manufacturer, serial, asset, part, attributes;
	uint32_t extended;
	uint16_t configured_speed;
} PACKED;

struct mapped_address {		/* 7.20 */
	struct header header;
	uint32_t start, end;		/* KiB */
	uint16_t array;
	uint8_t width;
	uint64_t extended_start, extended_end;
} PACKED;

struct boot_info {		/* 7.33 */
	struct header header;
	uint8_t reserved[6], status;
} PACKED;

struct entry {			/* 5.2.1 */
	char anchor[4];
	uint8_t checksum, length, major, minor;
	uint16_t largest;
	uint8_t revision, formatted[5];
	char anchor2[5];
	uint8_t checksum2;
	uint16_t table_length;
	uint32_t table;
	uint16_t count;
	uint8_t bcd;
} PACKED;
_Static_assert(sizeof(struct entry) == SMBIOS_ENTRY_SIZE, "entry point of SMBIOS 2.1");

struct builder {
	uint8_t *out;
	size_t room, len;		/* len > room: it did not fit */
};

static void put(struct builder *b, const void *data, size_t n)
{
	if (b->len + n <= b->room)
		memcpy(b->out + b->len, data, n);
	b->len += n;
}

/* A structure and its strings, which end by an empty one (6.1.3). strings: NULL-terminated */
static void add(struct builder *b, void *structure, uint8_t type, uint8_t length, uint16_t handle,
		const char *const *strings)
{
	struct header *header = structure;

	header->type = type;
	header->length = length;
	header->handle = handle;
	put(b, structure, length);
	for (int i = 0; strings && strings[i]; i++)
		put(b, strings[i], strlen(strings[i]) + 1);
	put(b, "\0", strings && strings[0] ? 1 : 2);
}
#define ADD(b, structure, type, handle, ...) \
	add(b, structure, type, sizeof(*(structure)), handle, (const char *const[]){ __VA_ARGS__ __VA_OPT__(,) NULL })

static void add_bios(struct builder *b)
{
	struct bios bios = {
		.vendor = 1, .version = 2, .segment = 0xe800, .date = 3,
		.characteristics = 1 << 3,		/* none are given */
		.extension = { 0, 1 << 4 | 1 << 2 },	/* a virtual machine; content may be targeted */
		.release = { 1, 0 }, .controller = { 0xff, 0xff },
	};

	ADD(b, &bios, 0, 0, "husk", "1", "01/01/2026");
}

/* 7.2.1: the first three fields of the UUID are little-endian */
static void swap_uuid(const uint8_t *from, uint8_t to[16])
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

	for (int i = 0; i < 16; i++)
		to[i] = from[order[i]];
}

static void add_system(struct builder *b, const struct smbios *s)
{
	struct system system = { .manufacturer = 1, .product = 2, .version = 3, .wake_up = 6 };

	swap_uuid(s->uuid, system.uuid);
	system.serial = *s->serial ? 4 : 0;
	ADD(b, &system, 1, 0x100, "husk", "virtual machine", "1", *s->serial ? s->serial : NULL);
}

static void add_chassis(struct builder *b)
{
	struct chassis chassis = {
		.manufacturer = 1, .kind = 1, .boot_state = 3, .power_state = 3, .thermal_state = 3, .security = 2,
	};

	ADD(b, &chassis, 3, 0x300, "husk");
}

static void add_processor(struct builder *b, const struct smbios *s)
{
	struct processor cpu = {
		.socket = 1, .kind = 3, .family = 1, .manufacturer = 2,
		.signature = s->cpu_signature, .features = s->cpu_features,
		.status = 0x41, .upgrade = 1, .cache = { 0xffff, 0xffff, 0xffff },
		.cores = s->cpus, .enabled = s->cpus, .threads = s->cpus, .characteristics = 1 << 2, .family2 = 1,
	};

	ADD(b, &cpu, 4, 0x400, "CPU 0", "husk");
}

static void add_memory(struct builder *b, const struct smbios *s)
{
	uint64_t size = s->low + s->high;
	struct memory_array array = {
		.location = 1, .use = 3, .correction = 3, .error = NONE, .devices = 1,
		.capacity = size / KIB < 0x80000000 ? size / KIB : 0x80000000,
		.extended = size / KIB < 0x80000000 ? 0 : size,
	};
	struct memory_device device = {
		.array = ARRAY_HANDLE, .error = NONE, .total_width = 0xffff, .data_width = 0xffff,
		.size = size / MIB < 0x7fff ? size / MIB : 0x7fff,
		.extended = size / MIB < 0x7fff ? 0 : size / MIB,
		.form = 9, .locator = 1, .kind = 7, .detail = 1 << 1,
	};

	ADD(b, &array, 16, ARRAY_HANDLE);
	ADD(b, &device, 17, 0x1100, "DIMM 0");
}

static void add_mapped(struct builder *b, uint16_t handle, uint64_t start, uint64_t size)
{
	struct mapped_address mapped = { .array = ARRAY_HANDLE, .width = 1 };
	uint64_t last = start + size - 1;

	if (!size)
		return;
	if (last / KIB < 0xffffffff) {
		mapped.start = start / KIB;
		mapped.end = last / KIB;
	} else {
		mapped.start = mapped.end = 0xffffffff;
		mapped.extended_start = start;
		mapped.extended_end = last;
	}
	ADD(b, &mapped, 19, handle);
}

size_t smbios_tables(const struct smbios *s, uint8_t *out, size_t room)
{
	struct builder b = { .out = out, .room = room };
	struct boot_info boot = {};
	struct header end = {};

	add_bios(&b);
	add_system(&b, s);
	add_chassis(&b);
	add_processor(&b, s);
	add_memory(&b, s);
	add_mapped(&b, 0x1300, 0, s->low);
	add_mapped(&b, 0x1301, RAM_HIGH_BASE, s->high);
	ADD(&b, &boot, 32, 0x2000);
	ADD(&b, &end, 127, 0x7f00);
	return b.len <= room ? b.len : 0;
}

static uint8_t checksum(const uint8_t *p, size_t n)
{
	uint8_t sum = 0;

	while (n--)
		sum += *p++;
	return -sum;
}

/* The end of a structure's strings: two zeroes */
static size_t structure_size(const uint8_t *structure)
{
	size_t n = structure[1];

	while (structure[n] || structure[n + 1])
		n++;
	return n + 2;
}

void smbios_entry(const uint8_t *tables, size_t length, uint32_t address, uint8_t out[SMBIOS_ENTRY_SIZE])
{
	struct entry entry = {
		.length = sizeof(entry), .major = VERSION_MAJOR, .minor = VERSION_MINOR,
		.table_length = length, .table = address, .bcd = VERSION_MAJOR << 4 | VERSION_MINOR,
	};
	size_t size;

	memcpy(entry.anchor, "_SM_", 4);
	memcpy(entry.anchor2, "_DMI_", 5);
	for (size_t at = 0; at < length; at += size, entry.count++) {
		size = structure_size(tables + at);
		if (size > entry.largest)
			entry.largest = size;
	}
	entry.checksum2 = checksum((uint8_t *)&entry + 16, 15);
	entry.checksum = checksum((uint8_t *)&entry, sizeof(entry));
	memcpy(out, &entry, sizeof(entry));
}
