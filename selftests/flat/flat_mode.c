// SPDX-License-Identifier: GPL-2.0
/* Real mode from the reset vector, 32-bit protected mode with and without paging. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "flat.h"

extern const u8 mode_real[], mode_real_end[], mode_protected[], mode_protected_end[];

/* The vCPU as it comes out of its creation starts at 0xfffffff0 with CS base 0xffff0000 (SDM 3A 10.1.4) */
static void real_mode(void)
{
	struct guest *g = calloc(1, sizeof(*g));
	u8 *rom = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(vmm_create(&g->vm, flat_backend), 0);
	memset(rom, 0xf4, 65536);
	memcpy(rom + 0x8000, mode_real, mode_real_end - mode_real);
	/* An interrupt loads CS anew: base 0xf0000 from then on, so the code is there too */
	vmm_load(&g->vm, 0xf8000, mode_real, mode_real_end - mode_real);
	memcpy(rom + 0xfff0, "\xe9\x0d\x80", 3);	/* jmp 0x8000 */
	EXPECT(g->vm.be->memory(&g->vm, 1, 0xffff0000, 65536, rom, HUSK_MEM_READONLY), 0);
	guest_run(g);
	EXPECT(*(u32 *)(g->vm.ram + 0x500), 0x12345678);
	EXPECT(*(u16 *)(g->vm.ram + 0x504), 3);
	EXPECT(g->mmio[4], 0x5a);
	guest_destroy(g);
	free(g);
	munmap(rom, 65536);
}

static void protected_mode(void)
{
	struct guest *g = calloc(1, sizeof(*g));

	EXPECT(vmm_create(&g->vm, flat_backend), 0);
	vmm_load(&g->vm, IMAGE_GPA, mode_protected, mode_protected_end - mode_protected);
	EXPECT(vmm_protected_mode(&g->vm, 0, IMAGE_GPA, STACK_GPA), 0);
	guest_run(g);
	EXPECT(*(u32 *)(g->mmio + 0), 0xaabbccdd);
	EXPECT(*(u32 *)(g->mmio + 8), 0x11223344);
	guest_destroy(g);
	free(g);
}

const struct flat_test flat_mode_tests[] = {
	{ "real_mode_reset", real_mode, false, 0 },
	{ "protected_mode", protected_mode, false, 0 },
	FLAT_END
};
