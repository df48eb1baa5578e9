/* SPDX-License-Identifier: GPL-2.0 */
/* ELF executables of 32 and 64 bits as kernels: their segments, their notes. */
#ifndef HUSK_WORKER_ELF_H
#define HUSK_WORKER_ELF_H

#include "worker/boot.h"

#define ELF_SEGMENTS	32

struct elf_segment {
	uint32_t type;
	uint64_t offset, vaddr, paddr, file_size, memory_size;
};

struct elf {
	uint64_t entry;			/* a virtual address */
	unsigned int segments;
	struct elf_segment segment[ELF_SEGMENTS];
};

bool elf_probe(const struct boot_request *rq);
/* NULL, or what is wrong with it */
const char *elf_parse(const struct boot_request *rq, struct elf *elf);
/* Read what is to be loaded into RAM. *end: the first address after all of it. */
const char *elf_load(const struct boot_request *rq, const struct elf *elf, uint64_t *end);
/* The physical address of a virtual one, by the segment that it is in; itself, if it is in none. */
uint64_t elf_physical(const struct elf *elf, uint64_t vaddr);
/* The 32 bits of a note; false: no such note */
bool elf_note(const struct boot_request *rq, const struct elf *elf, const char *name, uint32_t type, uint32_t *value);

/* Is it RAM that a kernel may be loaded to? Not what the worker needs below 1 MiB. */
bool elf_loadable(uint64_t addr, uint64_t size, uint64_t low);

#endif
