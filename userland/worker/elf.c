// SPDX-License-Identifier: GPL-2.0
/* ELF executables as kernels. */
#include <elf.h>
#include <string.h>

#include "worker/elf.h"

#define NOTES_MAX	65536U		/* what is looked at of a segment of notes */
#define MIB		(1ULL << 20)

bool elf_probe(const struct boot_request *rq)
{
	const uint8_t *ident = rq->head;

	return rq->head_len >= sizeof(Elf64_Ehdr) && !memcmp(ident, ELFMAG, SELFMAG) && ident[EI_DATA] == ELFDATA2LSB &&
	       (ident[EI_CLASS] == ELFCLASS32 || ident[EI_CLASS] == ELFCLASS64);
}

static struct elf_segment segment_32(const Elf32_Phdr *ph)
{
	return (struct elf_segment){ ph->p_type, ph->p_offset, ph->p_vaddr, ph->p_paddr, ph->p_filesz, ph->p_memsz };
}

static struct elf_segment segment_64(const Elf64_Phdr *ph)
{
	return (struct elf_segment){ ph->p_type, ph->p_offset, ph->p_vaddr, ph->p_paddr, ph->p_filesz, ph->p_memsz };
}

static const char *read_segment(const struct boot_request *rq, uint64_t offset, bool wide, struct elf_segment *segment)
{
	Elf64_Phdr header_64;
	Elf32_Phdr header_32;
	const char *why;

	if (wide) {
		why = image_read(rq->kernel, offset, &header_64, sizeof(header_64));
		if (!why)
			*segment = segment_64(&header_64);
	} else {
		why = image_read(rq->kernel, offset, &header_32, sizeof(header_32));
		if (!why)
			*segment = segment_32(&header_32);
	}
	return why;
}

const char *elf_parse(const struct boot_request *rq, struct elf *elf)
{
	bool wide = rq->head[EI_CLASS] == ELFCLASS64;
	unsigned int count, size, least = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	const char *why = NULL;
	uint64_t offset;
	Elf64_Ehdr h64;
	Elf32_Ehdr h32;

	memcpy(&h64, rq->head, sizeof(h64));
	memcpy(&h32, rq->head, sizeof(h32));
	elf->entry = wide ? h64.e_entry : h32.e_entry;
	offset = wide ? h64.e_phoff : h32.e_phoff;
	count = wide ? h64.e_phnum : h32.e_phnum;
	size = wide ? h64.e_phentsize : h32.e_phentsize;
	if ((wide ? h64.e_type : h32.e_type) != ET_EXEC)
		return "it is an ELF file, but not one to execute at fixed addresses";
	if (!count || count > ELF_SEGMENTS || size < least)
		return "its ELF header has no, or too many, program headers";
	if (offset > rq->kernel->size || (uint64_t)count * size > rq->kernel->size - offset)
		return "it is truncated: the program headers are missing";
	elf->segments = count;
	for (unsigned int i = 0; i < count && !why; i++)
		why = read_segment(rq, offset + i * size, wide, &elf->segment[i]);
	return why;
}

bool elf_loadable(uint64_t addr, uint64_t size, uint64_t low)
{
	uint64_t top = addr < BOOT_INFO ? BOOT_INFO : low;

	return (addr < BOOT_INFO || addr >= MIB) && addr <= top && size <= top - addr;
}

static bool overlap(const struct elf_segment *a, const struct elf_segment *b)
{
	return a->paddr < b->paddr + b->memory_size && b->paddr < a->paddr + a->memory_size;
}

static const char *check_segment(const struct boot_request *rq, const struct elf *elf, unsigned int i)
{
	const struct elf_segment *s = &elf->segment[i];

	if (s->file_size > s->memory_size)
		return "a segment has more bytes in the file than in memory";
	if (s->offset > rq->kernel->size || s->file_size > rq->kernel->size - s->offset)
		return "it is truncated: the file ends inside a segment";
	if (!elf_loadable(s->paddr, s->memory_size, rq->low))
		return "a segment is not in RAM below 0x90000 or from 1 MiB on; more may be given by --memory";
	for (unsigned int j = 0; j < i; j++)
		if (elf->segment[j].type == PT_LOAD && overlap(s, &elf->segment[j]))
			return "two segments overlap";
	return NULL;
}

const char *elf_load(const struct boot_request *rq, const struct elf *elf, uint64_t *end)
{
	const char *why = NULL;

	*end = MIB;
	for (unsigned int i = 0; i < elf->segments && !why; i++) {
		const struct elf_segment *s = &elf->segment[i];

		if (s->type != PT_LOAD || !s->memory_size)
			continue;
		why = check_segment(rq, elf, i);
		if (!why)
			why = image_read(rq->kernel, s->offset, rq->ram + s->paddr, s->file_size);
		if (s->paddr + s->memory_size > *end)
			*end = s->paddr + s->memory_size;
	}
	return why;
}

uint64_t elf_physical(const struct elf *elf, uint64_t vaddr)
{
	for (unsigned int i = 0; i < elf->segments; i++) {
		const struct elf_segment *s = &elf->segment[i];

		if (s->type == PT_LOAD && vaddr >= s->vaddr && vaddr - s->vaddr < s->memory_size)
			return vaddr - s->vaddr + s->paddr;
	}
	return vaddr;
}

/* Names and descriptions are padded to 4 bytes */
static uint64_t padded(uint32_t size)
{
	return ((uint64_t)size + 3) & ~3ULL;
}

static bool note_in(const uint8_t *notes, size_t size, const char *name, uint32_t type, uint32_t *value)
{
	Elf32_Nhdr note;

	for (uint64_t at = 0; at + sizeof(note) <= size;) {
		uint64_t desc;

		memcpy(&note, notes + at, sizeof(note));
		desc = at + sizeof(note) + padded(note.n_namesz);
		if (desc + padded(note.n_descsz) > size)
			return false;
		if (note.n_type == type && note.n_namesz == strlen(name) + 1 && note.n_descsz >= 4 &&
		    !memcmp(notes + at + sizeof(note), name, note.n_namesz)) {
			memcpy(value, notes + desc, 4);
			return true;
		}
		at = desc + padded(note.n_descsz);
	}
	return false;
}

bool elf_note(const struct boot_request *rq, const struct elf *elf, const char *name, uint32_t type, uint32_t *value)
{
	static uint8_t notes[NOTES_MAX];

	for (unsigned int i = 0; i < elf->segments; i++) {
		const struct elf_segment *s = &elf->segment[i];
		size_t size = s->file_size < NOTES_MAX ? s->file_size : NOTES_MAX;

		if (s->type == PT_NOTE && s->offset <= rq->kernel->size && !image_read(rq->kernel, s->offset, notes, size) &&
		    note_in(notes, size, name, type, value))
			return true;
	}
	return false;
}
