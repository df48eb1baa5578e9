// SPDX-License-Identifier: GPL-2.0
/* What a multiboot or PVH kernel is told. */
#include <string.h>

#include "worker/info_block.h"

void info_init(struct info_block *block, uint8_t *ram)
{
	*block = (struct info_block){ .ram = ram, .next = BOOT_INFO };
}

void *info_add(struct info_block *block, size_t size, uint32_t *addr)
{
	static uint8_t nowhere[BOOT_EBDA - BOOT_INFO];

	if (size > BOOT_EBDA - block->next) {
		block->full = true;
		block->next = BOOT_INFO;
		*addr = 0;
		return nowhere;
	}
	*addr = block->next;
	block->next += (size + 7) & ~7UL;
	return memset(block->ram + *addr, 0, size);
}

uint32_t info_add_string(struct info_block *block, const char *first, const char *second)
{
	size_t n = strlen(first), m = strlen(second);
	uint32_t addr;
	char *text;

	if (n + m + 2 > BOOT_EBDA - BOOT_INFO) {
		block->full = true;
		return 0;
	}
	text = info_add(block, n + m + 2, &addr);
	memcpy(text, first, n);
	if (m)
		text[n++] = ' ';
	memcpy(text + n, second, m + 1);
	return addr;
}
