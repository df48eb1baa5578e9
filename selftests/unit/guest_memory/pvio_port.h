/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What kmod/pvio needs of its surroundings, for its fuzzers: guest memory in several pieces, which the driver changes as
 * soon as it was read, if it is told to. Each access is checked: no byte outside of the pieces, none written that is
 * read-only. One piece is too large to be there: its bytes are noise, so that lengths may be what they like.
 *
 * Each fuzzer is one program of several files: what they share is in guest_memory.c.
 */
#ifndef PVIO_PORT_H
#define PVIO_PORT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define __guest

#define GUEST_RAM	0x10000ULL
#define GUEST_ROM	0x4000ULL		/* behind that */
#define GUEST_HIGH_BASE	0x100000000ULL
#define GUEST_HIGH	0x8000ULL
#define GUEST_NOISE_BASE 0x200000000ULL
#define GUEST_NOISE	0x180000000ULL

struct guest_piece {
	u64 gpa, bytes;
	u8 *at;
	bool readonly, noise;
};

/**
 * struct pvio_memory - guest memory
 * @random: state of the driver's dice
 * @change: one of so many reads is of bytes that change after it; 0: none do
 * @reads: number of them
 */
struct pvio_memory {
	struct guest_piece piece[4];
	u64 random;
	unsigned int change;
	unsigned long reads;
};
extern struct pvio_memory guest;

/* The piece that has all of these bytes, or NULL */
const struct guest_piece *guest_piece_of(const void *at, u64 bytes);
void guest_init(void);
/* A fuzzer's seeds, "[FIRST [COUNT]]", each with a driver that keeps still and one that changes what was read, until there is something bad */
void guest_fuzz(int argc, char **argv, void (*run)(u64 seed, bool quiet), const unsigned long *bad, unsigned long *first, unsigned long *count);
u32 guest_random(u64 *state);
/* Mostly in a piece */
u64 guest_some_address(u64 *state);
/* As the device sees it: not counted, and nothing changes */
void guest_peek(void *to, u64 gpa, size_t bytes);
void guest_poke(u64 gpa, const void *from, size_t bytes);
/* An access that must not be ends the program */
void guest_read(void *to, const void *at, size_t bytes);
void guest_write(void *at, const void *from, size_t bytes);
/* The same without the bytes themselves */
void guest_may_read(const void *at, u64 bytes);
void guest_may_write(const void *at, u64 bytes);

/* As the kernel's, whose length has 32 bits */
void *pvio_map(const struct pvio_memory *m, u64 gpa, u32 length, bool write);

static inline u16 pvio_load16(const void *p)
{
	u16 value;

	guest_read(&value, p, sizeof(value));
	return value;
}

static inline u32 pvio_load32(const void *p)
{
	u32 value;

	guest_read(&value, p, sizeof(value));
	return value;
}

static inline u64 pvio_load64(const void *p)
{
	u64 value;

	guest_read(&value, p, sizeof(value));
	return value;
}

static inline void pvio_store16(void *p, u16 value)
{
	guest_write(p, &value, sizeof(value));
}

static inline void pvio_store32(void *p, u32 value)
{
	guest_write(p, &value, sizeof(value));
}

#define pvio_rmb()	do { } while (0)
#define pvio_wmb()	do { } while (0)
#define pvio_mb()	do { } while (0)
#define pvio_copy_to(to, from, n)	guest_write(to, from, n)
#define pvio_copy_from(to, from, n)	guest_read(to, from, n)

#endif
