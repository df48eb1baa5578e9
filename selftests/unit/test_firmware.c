// SPDX-License-Identifier: GPL-2.0
/*
 * What a firmware is told: fw_cfg by ports and DMA, with a seeded fuzzer, the script that places
 * the ACPI tables, the SMBIOS tables. Built with the address sanitizer.
 */
#include <endian.h>

#include "unit_shim.h"

#include "worker/acpi.h"
#include "worker/fw_cfg.h"
#include "worker/smbios.h"
#include "worker/table_loader.h"

#define RAM		65536
#define ROUNDS		300000

static struct bus ports;
static struct fw_cfg fw;
static uint8_t *ram;
static const char *last_selected;

static uint8_t *memory(void *ctx, uint64_t gpa, uint64_t length)
{
	(void)ctx;
	return gpa < RAM && length <= RAM - gpa ? ram + gpa : NULL;
}

static void selected(void *ctx, const char *name)
{
	(void)ctx;
	last_selected = name;
}

static uint64_t pull(unsigned int bytes)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < bytes; i++)
		value |= bus_read(&ports, FW_CFG_PORT + 1, 1) << 8 * i;
	return value;
}

static void select_item(uint16_t key)
{
	bus_write(&ports, FW_CFG_PORT, 2, key);
}

/* The control word after a request at ram + 0x100 */
static uint32_t dma(uint32_t control, uint64_t address, uint32_t length)
{
	uint32_t request[4] = { htobe32(control), htobe32(length), htobe32(address >> 32), htobe32((uint32_t)address) };
	uint32_t result;

	memcpy(ram + 0x100, request, sizeof(request));
	bus_write(&ports, FW_CFG_DMA_PORT, 4, 0);
	bus_write(&ports, FW_CFG_DMA_PORT + 4, 4, htobe32(0x100));
	memcpy(&result, ram + 0x100, 4);
	return be32toh(result);
}

static void fill(void)
{
	static const uint8_t first[5] = { 1, 2, 3, 4, 5 }, second[300] = { 9, 9 };

	fw_cfg_reset(&fw);
	fw_cfg_add_item(&fw, FW_CFG_CPUS, "\4", 2);
	fw_cfg_add_file(&fw, "etc/first", first, sizeof(first));
	fw_cfg_add_file(&fw, "opt/second", second, sizeof(second));
}
#define EXPECT(good) unit_report(good, #good, "is not so")

static void test_ports(void)
{
	fill();
	select_item(FW_CFG_SIGNATURE);
	EXPECT(pull(4) == 0x554d4551 && !pull(4));
	select_item(FW_CFG_ID);
	EXPECT(pull(4) == 3);
	select_item(FW_CFG_CPUS);
	EXPECT(pull(2) == 4);
	select_item(FW_CFG_FILE_DIR);
	EXPECT(be32toh(pull(4)) == 2 && be32toh(pull(4)) == 5 && be16toh(pull(2)) == 0x20 && !pull(2) && pull(1) == 'e');
	select_item(0x20);
	EXPECT(!strcmp(last_selected, "etc/first") && pull(5) == 0x0504030201 && !pull(8));
	select_item(0x22);
	EXPECT(!pull(8));
	select_item(0x4020);			/* bit 14 does not count */
	EXPECT(pull(2) == 0x0201);
	EXPECT(bus_read(&ports, FW_CFG_DMA_PORT, 4) == 0x554d4551 && bus_read(&ports, FW_CFG_DMA_PORT + 4, 4) == 0x47464320);
	bus_write(&ports, FW_CFG_PORT + 1, 1, 5);	/* data can't be written */
	EXPECT(pull(1) == 3);
}

static void test_dma(void)
{
	fill();
	memset(ram, 0xaa, RAM);
	EXPECT(!dma(0x20 << 16 | 8 | 2, 0x1000, 8) && !memcmp(ram + 0x1000, "\1\2\3\4\5\0\0\0\xaa", 9));
	EXPECT(!dma(0x20 << 16 | 8, 0, 0) && !dma(4, 0, 3) && !dma(2, 0x1000, 1) && ram[0x1000] == 4);
	EXPECT(dma(0x20 << 16 | 8 | 2, RAM - 4, 8) == 1);
	EXPECT(dma(0x20 << 16 | 8 | 2, ~0ULL, 2) == 1 && dma(2, 0, ~0U) == 1);
	EXPECT(dma(16, 0x1000, 4) == 1);
	EXPECT(!dma(4, 0, ~0U) && !dma(2, 0x1000, 1) && !ram[0x1000]);
	EXPECT(!dma(0x21 << 16 | 8 | 2, RAM - 300, 300) && ram[RAM - 300] == 9 && !ram[RAM - 1]);
	bus_write(&ports, FW_CFG_DMA_PORT + 4, 4, htobe32(RAM - 8));	/* the request is not in RAM */
	bus_write(&ports, FW_CFG_DMA_PORT, 4, ~0U);
	bus_write(&ports, FW_CFG_DMA_PORT + 4, 4, ~0U);
}

static void test_files(void)
{
	char name[FW_CFG_NAME + 1];
	unsigned int n;

	fill();
	fw_cfg_add_file(&fw, "etc/first", "x", 1);	/* the one that came first stays */
	EXPECT(fw.files == 2 && fw.file[0].size == 5);
	memset(name, 'a', sizeof(name));
	name[FW_CFG_NAME] = 0;
	EXPECT(!fw_cfg_add_file(&fw, name, "x", 1));
	for (n = 2; n < 100; n++) {
		snprintf(name, sizeof(name), "opt/%u", n);
		if (!fw_cfg_add_file(&fw, name, "x", 1))
			break;
	}
	EXPECT(n == FW_CFG_FILES);
}

static void test_fuzz(void)
{
	srand(1);
	fill();
	for (int i = 0; i < ROUNDS; i++) {
		uint16_t port = (rand() & 1 ? FW_CFG_PORT : FW_CFG_DMA_PORT) + rand() % 8;
		unsigned int width = 1 << rand() % 3;
		uint32_t value = rand() & 1 ? (uint32_t)rand() << 1 : htobe32(rand() % RAM);

		switch (rand() % 4) {
		case 0:
			bus_read(&ports, port, width);
			break;
		case 1:
			bus_write(&ports, port, width, value);
			break;
		case 2:
			ram[rand() % RAM] = rand();
			break;
		default:
			dma((rand() % 64) << 16 | rand() % 32, rand() % (2 * RAM), rand() % (rand() & 1 ? 64 : 2 * RAM));
		}
	}
	unit_report(fw.files == 2, "fuzz", "files changed");
}

/* ---- the script, executed as a firmware does ---- */

struct step {
	uint32_t command;
	char file[56];
	union {
		struct { char to[56]; uint32_t at; uint8_t size; } __attribute__((packed)) pointer;
		struct { uint32_t at, start, length; } checksum;
		uint8_t pad[68];
	};
} __attribute__((packed));
_Static_assert(sizeof(struct step) == TABLE_LOADER_STEP, "a step");

static uint8_t sum(const uint8_t *p, size_t n)
{
	uint8_t total = 0;

	while (n--)
		total += *p++;
	return total;
}

static void execute(const uint8_t *script, size_t size, uint8_t *rsdp, uint8_t *tables, uint64_t base)
{
	for (size_t i = 0; i < size; i += sizeof(struct step)) {
		struct step s;
		uint8_t *file;
		uint64_t pointer = 0;

		memcpy(&s, script + i, sizeof(s));
		file = !strcmp(s.file, TABLE_LOADER_RSDP) ? rsdp : tables;
		if (s.command == 2) {
			memcpy(&pointer, file + s.pointer.at, s.pointer.size);
			pointer += base;
			memcpy(file + s.pointer.at, &pointer, s.pointer.size);
		} else if (s.command == 3) {
			file[s.checksum.at] -= sum(file + s.checksum.start, s.checksum.length);
		}
	}
}

/* Made for a firmware and placed by its script, the tables are those of a direct boot */
static void test_script(void)
{
	static uint8_t own[32768], direct[32768] __attribute__((aligned(64))), script[TABLE_LOADER_ROOM];
	uint64_t base = 0x7ffe0000, xsdt;
	struct acpi_fixups fixups;
	size_t n = acpi_build(own, sizeof(own), -(uint64_t)ACPI_RSDP_ROOM, 3, 0xe0000000, &fixups), m, size;

	size = table_loader_build(&fixups, script);
	execute(script, size, own, own + ACPI_RSDP_ROOM, base);
	m = acpi_build(direct, sizeof(direct), base - ACPI_RSDP_ROOM, 3, 0xe0000000, NULL);
	unit_report(n && n == m && !memcmp(own, direct, n), "tables placed by the script", "they differ from those of a direct boot");
	memcpy(&xsdt, own + 24, 8);
	EXPECT(xsdt > base && xsdt < base + n && !memcmp(own + ACPI_RSDP_ROOM + (xsdt - base), "XSDT", 4) && !sum(own, 20) && !sum(own, 36));
}

/* ---- SMBIOS ---- */

/* A string of a structure; at: its formatted part */
static const char *string_of(const uint8_t *at, unsigned int number)
{
	const char *text = (const char *)at + at[1];

	while (--number)
		text += strlen(text) + 1;
	return text;
}

static void test_smbios(void)
{
	static const uint8_t uuid[16] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0x4d, 0xef, 0x80, 0x12, 1, 2, 3, 4, 5, 6 };
	static const uint8_t types[] = { 0, 1, 3, 4, 16, 17, 19, 19, 32, 127 };
	const struct smbios s = { .uuid = uuid, .serial = "number", .cpus = 2, .low = 3ULL << 30, .high = 5ULL << 40 };
	uint8_t out[SMBIOS_ROOM], entry[SMBIOS_ENTRY_SIZE], tight[SMBIOS_ROOM];
	size_t n = smbios_tables(&s, out, sizeof(out)), at = 0, i;
	uint32_t extended;
	bool good = true;

	for (i = 0; i < sizeof(types) && good; i++) {
		const uint8_t *p = out + at;

		good = at + 4 < n && p[0] == types[i];
		if (p[0] == 1)
			good &= !memcmp(p + 8, "\x67\x45\x23\x01\xab\x89\xef\x4d\x80\x12\1\2\3\4\5\6", 16) &&
				!strcmp(string_of(p, p[7]), "number");
		if (p[0] == 17) {
			memcpy(&extended, p + 28, sizeof(extended));
			good &= p[12] == 0xff && p[13] == 0x7f && extended == (s.low + s.high) >> 20;
		}
		for (at += p[1]; out[at] || out[at + 1]; at++)
			;
		at += 2;
	}
	unit_report(good && at == n, "structures", "wrong at the one of number %zu", i);
	smbios_entry(out, n, 0xf0020, entry);
	EXPECT(!sum(entry, sizeof(entry)) && !sum(entry + 16, 15) && !memcmp(entry, "_SM_", 4) && entry[28] == sizeof(types));
	for (i = 0; i < n && !smbios_tables(&s, tight, i); i++)
		;
	EXPECT(i == n);
}

int main(void)
{
	static const struct fw_cfg_ops ops = { memory, selected };

	ram = malloc(RAM);
	fw_cfg_init(&fw, &ops, NULL, &ports);
	test_ports();
	test_dma();
	test_files();
	test_fuzz();
	test_script();
	test_smbios();
	free(ram);
	return unit_done();
}
