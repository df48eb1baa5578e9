// SPDX-License-Identifier: GPL-2.0
/* The script by which a firmware places the ACPI tables. */
#include <string.h>

#include "worker/fw_cfg.h"
#include "worker/table_loader.h"

#define PACKED __attribute__((packed))

enum { ALLOCATE = 1, ADD_POINTER = 2, ADD_CHECKSUM = 3 };
enum { ZONE_HIGH = 1, ZONE_FSEG = 2 };

struct command {
	uint32_t command;
	union {
		struct {
			char file[FW_CFG_NAME];
			uint32_t align;
			uint8_t zone;
		} PACKED allocate;
		struct {
			char in[FW_CFG_NAME], to[FW_CFG_NAME];
			uint32_t at;
			uint8_t size;
		} PACKED pointer;
		struct {
			char file[FW_CFG_NAME];
			uint32_t at, start, length;
		} PACKED checksum;
		uint8_t pad[TABLE_LOADER_STEP - 4];
	};
} PACKED;
_Static_assert(sizeof(struct command) == TABLE_LOADER_STEP, "a command");

static const char *file_of(uint32_t at)
{
	return at < ACPI_RSDP_ROOM ? TABLE_LOADER_RSDP : TABLE_LOADER_TABLES;
}

static uint32_t place_in_file(uint32_t at)
{
	return at < ACPI_RSDP_ROOM ? at : at - ACPI_RSDP_ROOM;
}

static struct command allocate(const char *file, uint32_t align, uint8_t zone)
{
	struct command c = { .command = ALLOCATE, .allocate = { .align = align, .zone = zone } };

	strcpy(c.allocate.file, file);
	return c;
}

static struct command add_pointer(uint32_t at, uint32_t size)
{
	struct command c = { .command = ADD_POINTER, .pointer = { .at = place_in_file(at), .size = size } };

	strcpy(c.pointer.in, file_of(at));
	strcpy(c.pointer.to, TABLE_LOADER_TABLES);
	return c;
}

static struct command add_checksum(uint32_t at, uint32_t start, uint32_t length)
{
	struct command c = {
		.command = ADD_CHECKSUM,
		.checksum = { .at = place_in_file(at), .start = place_in_file(start), .length = length },
	};

	strcpy(c.checksum.file, file_of(at));
	return c;
}

/* Checksums come last, the RSDP's second one, which counts the first one in, at the very end. */
size_t table_loader_build(const struct acpi_fixups *fixups, uint8_t out[TABLE_LOADER_ROOM])
{
	struct command *c = (struct command *)out;

	*c++ = allocate(TABLE_LOADER_TABLES, 64, ZONE_HIGH);
	*c++ = allocate(TABLE_LOADER_RSDP, 16, ZONE_FSEG);
	for (unsigned int i = 0; i < fixups->pointers; i++)
		*c++ = add_pointer(fixups->pointer[i].at, fixups->pointer[i].size);
	for (unsigned int i = 0; i < fixups->checksums; i++)
		*c++ = add_checksum(fixups->checksum[i].at, fixups->checksum[i].start, fixups->checksum[i].length);
	return (uint8_t *)c - out;
}
