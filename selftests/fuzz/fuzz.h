/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the fuzzing guest share. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_BASE	0x1000000	/* 16..32 MiB is what devices are given */
#define RING_SIZE	0x1000000

/* random.c; end: addresses may be any */
extern struct fuzz_random {
	uint64_t state;		/* not 0 */
	bool end;
} fuzz_random;
uint32_t any(void);
uint32_t below(uint32_t n);
bool chance(uint32_t percent);
uint32_t value(void);
uint32_t dma(void);

/* start.S */
extern const uint8_t isr_table[];
bool try(void) __attribute__((returns_twice));
void fuzz_main(uint32_t magic, const uint32_t *info);
void fuzz_fault(void);
bool fuzz_interrupt(uint32_t vector);

/* devices.c */
void fuzz_find_devices(void);
void fuzz_pci(void);
void fuzz_virtio(void);
void fuzz_fw_cfg(void);

/* pvscsi.c */
void fuzz_pvscsi(void);

#include "access.h"

#endif
