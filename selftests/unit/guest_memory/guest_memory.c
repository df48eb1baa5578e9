// SPDX-License-Identifier: GPL-2.0
/* Guest memory for fuzzers. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "pvio_port.h"

struct pvio_memory guest;

u32 guest_random(u64 *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 32;
}

/* Each by itself, so that ASan sees what goes beyond its end; the noise is an address only */
void guest_init(void)
{
	void *noise = mmap(NULL, GUEST_NOISE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (noise == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	guest = (struct pvio_memory){ .piece = {
		{ 0, GUEST_RAM, calloc(1, GUEST_RAM), false, false },
		{ GUEST_RAM, GUEST_ROM, calloc(1, GUEST_ROM), true, false },
		{ GUEST_HIGH_BASE, GUEST_HIGH, calloc(1, GUEST_HIGH), false, false },
		{ GUEST_NOISE_BASE, GUEST_NOISE, noise, false, true },
	} };
}

const struct guest_piece *guest_piece_of(const void *at, u64 bytes)
{
	for (unsigned int i = 0; i < 4; i++) {
		const struct guest_piece *p = &guest.piece[i];
		u64 offset = (uintptr_t)at - (uintptr_t)p->at;

		if ((uintptr_t)at >= (uintptr_t)p->at && offset < p->bytes && bytes <= p->bytes - offset)
			return p;
	}
	return NULL;
}

void *pvio_map(const struct pvio_memory *m, u64 gpa, u32 length, bool write)
{
	for (unsigned int i = 0; i < 4; i++) {
		const struct guest_piece *p = &m->piece[i];

		if (gpa >= p->gpa && gpa - p->gpa < p->bytes && length <= p->bytes - (gpa - p->gpa))
			return p->readonly && write ? NULL : p->at + (gpa - p->gpa);
	}
	return NULL;
}

u64 guest_some_address(u64 *s)
{
	const struct guest_piece *p = &guest.piece[guest_random(s) % 4];

	switch (guest_random(s) % 8) {
	case 0: return (u64)guest_random(s) << 32 | guest_random(s);
	case 1: return p->gpa + p->bytes - guest_random(s) % 64;
	case 2: return p->gpa + guest_random(s) % p->bytes;
	default: return guest_random(s) % GUEST_RAM;
	}
}

static void noise(u8 *to, size_t bytes)
{
	while (bytes--)
		*to++ = guest_random(&guest.random);
}

void guest_peek(void *to, u64 gpa, size_t bytes)
{
	const u8 *at = pvio_map(&guest, gpa, bytes, false);

	memset(to, 0, bytes);
	if (at && !guest_piece_of(at, bytes)->noise)
		memcpy(to, at, bytes);
}

void guest_poke(u64 gpa, const void *from, size_t bytes)
{
	u8 *at = pvio_map(&guest, gpa, bytes, false);

	if (at && !guest_piece_of(at, bytes)->noise)
		memcpy(at, from, bytes);
}

static const struct guest_piece *checked(const void *at, u64 bytes, bool write)
{
	const struct guest_piece *p = guest_piece_of(at, bytes);

	if (!p || (write && p->readonly)) {
		printf("not ok guest_memory: %llu bytes %s at %p, which is %s\n", (unsigned long long)bytes,
		       write ? "written" : "read", at, p ? "read-only" : "no guest memory");
		fflush(stdout);
		abort();
	}
	return p;
}

void guest_may_read(const void *at, u64 bytes)
{
	checked(at, bytes, false);
}

void guest_may_write(const void *at, u64 bytes)
{
	checked(at, bytes, true);
}

/* What was read is another thing if it is read once more. */
void guest_read(void *to, const void *at, size_t bytes)
{
	const struct guest_piece *p = checked(at, bytes, false);

	guest.reads++;
	if (p->noise) {
		noise(to, bytes);
		return;
	}
	memcpy(to, at, bytes);
	if (!guest.change || guest_random(&guest.random) % guest.change)
		return;
	if (guest_random(&guest.random) % 2)
		noise((u8 *)at, bytes);
	else
		((u8 *)at)[guest_random(&guest.random) % bytes] ^= 1 << guest_random(&guest.random) % 8;
}

void guest_write(void *at, const void *from, size_t bytes)
{
	if (!checked(at, bytes, true)->noise)
		memcpy(at, from, bytes);
}

void guest_fuzz(int argc, char **argv, void (*run)(u64 seed, bool quiet), const unsigned long *bad, unsigned long *first, unsigned long *count)
{
	*first = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	*count = argc > 2 ? strtoul(argv[2], NULL, 0) : 20000;
	guest_init();
	for (unsigned long i = 0; i < 2 * *count && !*bad; i++)
		run(*first + i / 2, i % 2);
}
