/* SPDX-License-Identifier: GPL-2.0 */
/* How the guest reaches devices: instructions. test_devices_fuzz.c has its own of these. */
#ifndef FUZZ_ACCESS_H
#define FUZZ_ACCESS_H

#include <stdint.h>

static inline void outb(uint16_t port, uint8_t v) { asm volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outw(uint16_t port, uint16_t v) { asm volatile("outw %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outl(uint16_t port, uint32_t v) { asm volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }
static inline uint8_t inb(uint16_t port) { uint8_t v; asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline uint16_t inw(uint16_t port) { uint16_t v; asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline uint32_t inl(uint16_t port) { uint32_t v; asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }

static inline void outs(uint16_t port, uint32_t from, uint32_t count, int size)
{
	if (size == 0)
		asm volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(port) : "memory");
	else if (size == 1)
		asm volatile("rep outsw" : "+S"(from), "+c"(count) : "d"(port) : "memory");
	else
		asm volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(port) : "memory");
}

static inline void ins(uint16_t port, uint32_t to, uint32_t count, int size)
{
	if (size == 0)
		asm volatile("rep insb" : "+D"(to), "+c"(count) : "d"(port) : "memory");
	else if (size == 1)
		asm volatile("rep insw" : "+D"(to), "+c"(count) : "d"(port) : "memory");
	else
		asm volatile("rep insl" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

static inline void write8(uint32_t at, uint8_t v) { asm volatile("movb %0, %1" : : "q"(v), "m"(*(uint8_t *)at)); }
static inline void write16(uint32_t at, uint16_t v) { asm volatile("movw %0, %1" : : "r"(v), "m"(*(uint16_t *)at)); }
static inline void write32(uint32_t at, uint32_t v) { asm volatile("movl %0, %1" : : "r"(v), "m"(*(uint32_t *)at)); }
static inline uint8_t read8(uint32_t at) { uint8_t v; asm volatile("movb %1, %0" : "=q"(v) : "m"(*(uint8_t *)at)); return v; }
static inline uint16_t read16(uint32_t at) { uint16_t v; asm volatile("movw %1, %0" : "=r"(v) : "m"(*(uint16_t *)at)); return v; }
static inline uint32_t read32(uint32_t at) { uint32_t v; asm volatile("movl %1, %0" : "=r"(v) : "m"(*(uint32_t *)at)); return v; }

static inline uint32_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return low;
}

static inline void wrmsr64(uint32_t msr, uint32_t low, uint32_t high)
{
	asm volatile("wrmsr" : : "c"(msr), "a"(low), "d"(high));
}

static inline void wrmsr(uint32_t msr, uint32_t low) { wrmsr64(msr, low, 0); }

/* By the vendor's instruction: the other one faults */
static inline void hypercall(uint32_t nr, uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t eax = 0, ebx, ecx = 0, edx;

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	eax = nr;
	if (ebx == 0x756e6547)	/* "Genu" */
		asm volatile("vmcall" : "+a"(eax) : "b"(a), "c"(b), "d"(c) : "memory");
	else
		asm volatile("vmmcall" : "+a"(eax) : "b"(a), "c"(b), "d"(c) : "memory");
}

static inline void interrupts(void) { asm volatile("sti; nop; pause; pause; pause; cli" ::: "memory"); }

#endif
