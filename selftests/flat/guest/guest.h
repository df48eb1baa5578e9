/* SPDX-License-Identifier: GPL-2.0 */
/* The library of the flat guest: 64-bit, ring 0, identity-mapped 4 GiB. */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../hypercall.h"
#include "../tests.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

struct frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

/* The last exception, and where to go on after it (0: it is a failure of the test) */
struct trap {
	volatile u64 count;
	volatile s64 vector;
	volatile u64 error, cr2, rip, dr6;
	volatile u64 fixup;
};
extern struct trap trap;

/* Interrupts seen, by vector; how handlers end them */
extern volatile u32 irq_count[256];
extern volatile u8 irq_order[64];
extern volatile u32 irq_seen;
enum eoi { EOI_NONE, EOI_X2APIC, EOI_XAPIC, EOI_PIC };
extern volatile enum eoi eoi_how;
extern void (*irq_hook)(struct frame *frame);	/* called for each interrupt and NMI */
extern bool (*trap_hook)(struct frame *frame);	/* true: dealt with */

void fail(const char *why);
void fail_value(const char *why, u64 value);
void skip(const char *why) __attribute__((noreturn));
void finish(void) __attribute__((noreturn));
#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define CHECK(cond) do { if (!(cond)) fail(__FILE__ ":" STRING(__LINE__) ": " #cond); } while (0)
/* The value goes into the report */
#define EXPECT(value, want) do { u64 v_ = (value); \
	if (v_ != (u64)(want)) fail_value(__FILE__ ":" STRING(__LINE__) ": " #value " is not " #want, v_); } while (0)

/* Only where the hypervisor is to be held to the letter: KVM is known to differ */
extern bool strict;
#define EXPECT_STRICT(value, want) do { if (strict) EXPECT(value, want); } while (0)

/* The CPU's maker, since the two name some things differently */
enum vendor { VENDOR_AMD, VENDOR_INTEL };
extern enum vendor guest_vendor;
/* For asm: the hypercall instruction, which is the vendor's own from the start of the test on */
#define HYPERCALL "771:\tvmmcall\n\t.pushsection hypercalls, \"a\"\n\t.quad 771b\n\t.popsection\n\t"

/* Run asm that may fault: answers the vector, or -1. The faulting instruction is left by the fixup. */
#define TRY(insn, ...) ({ \
	trap.vector = -1; \
	asm volatile("movq $1f, %0\n\t" insn "\n1:\tmovq $0, %0" : "+m"(trap.fixup) __VA_ARGS__); \
	trap.vector; })

static inline void out8(u16 port, u8 v) { asm volatile("outb %0, %1" :: "a"(v), "Nd"(port) : "memory"); }
static inline void out16(u16 port, u16 v) { asm volatile("outw %0, %1" :: "a"(v), "Nd"(port) : "memory"); }
static inline void out32(u16 port, u32 v) { asm volatile("outl %0, %1" :: "a"(v), "Nd"(port) : "memory"); }
static inline u8 in8(u16 port) { u8 v; asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory"); return v; }
static inline u16 in16(u16 port) { u16 v; asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory"); return v; }
static inline u32 in32(u16 port) { u32 v; asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory"); return v; }
static inline u64 rdtsc(void)
{
	u32 lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) :: "memory");
	return (u64)hi << 32 | lo;
}
static inline u64 rdmsr(u32 index)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(index) : "memory");
	return (u64)hi << 32 | lo;
}
static inline void wrmsr(u32 index, u64 v)
{
	asm volatile("wrmsr" :: "c"(index), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}
static inline s64 try_rdmsr(u32 index, u64 *v)
{
	u32 lo = 0, hi = 0;
	s64 vector = TRY("rdmsr", , "+a"(lo), "+d"(hi) : "c"(index) : "memory");

	*v = (u64)hi << 32 | lo;
	return vector;
}
static inline s64 try_wrmsr(u32 index, u64 v)
{
	return TRY("wrmsr", : "c"(index), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}
static inline void cpuid(u32 leaf, u32 sub, u32 r[4])
{
	asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
}
static inline void sti(void) { asm volatile("sti" ::: "memory"); }
static inline void cli(void) { asm volatile("cli" ::: "memory"); }
static inline void sti_nop(void) { asm volatile("sti; nop" ::: "memory"); }
static inline void sti_hlt_cli(void) { asm volatile("sti; hlt; cli" ::: "memory"); }
static inline void pause(void) { asm volatile("pause" ::: "memory"); }
/* In a loop that waits: interrupts, and the host's, get in */
static inline void relax(void) { asm volatile("sti; nop; pause; cli" ::: "memory"); }
#define READ_CR(n) ({ u64 v_; asm volatile("mov %%cr" #n ", %0" : "=r"(v_) :: "memory"); v_; })
#define WRITE_CR(n, v) asm volatile("mov %0, %%cr" #n :: "r"((u64)(v)) : "memory")
#define READ_DR(n) ({ u64 v_; asm volatile("mov %%dr" #n ", %0" : "=r"(v_)); v_; })
#define WRITE_DR(n, v) asm volatile("mov %0, %%dr" #n :: "r"((u64)(v)))

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

/* Local APIC */
#define APIC_ID 0x20
#define APIC_TPR 0x80
#define APIC_PPR 0xa0
#define APIC_EOI 0xb0
#define APIC_LDR 0xd0
#define APIC_DFR 0xe0
#define APIC_SVR 0xf0
#define APIC_ISR 0x100
#define APIC_IRR 0x200
#define APIC_ICR 0x300
#define APIC_ICR2 0x310
#define APIC_LVTT 0x320
#define APIC_LINT0 0x350
#define APIC_TMICT 0x380
#define APIC_TMCCT 0x390
#define APIC_TDCR 0x3e0
void apic_init(bool x2);		/* software-enabled, EOI mode set, TPR 0 */
u32 apic_read(u32 reg);			/* in the mode that apic_init chose */
void apic_write(u32 reg, u32 v);
bool apic_bit(u32 reg, u8 vector);	/* in ISR or IRR */
void apic_self(u32 icr);		/* ICR with the self shorthand */
void ioapic_write(u32 reg, u32 v);
u32 ioapic_read(u32 reg);
void pic_init(u8 base, u8 mask1, u8 mask2);
/* Wait for a count with interrupts on; false after so many milliseconds by the TSC */
bool wait_irq_ms(u8 vector, u32 count, u64 ms);
static inline bool wait_irq(u8 vector, u32 count) { return wait_irq_ms(vector, count, 2000); }
u64 tsc_per_ms(void);

/* ---- other processors: smp.c ---- */

struct smp_cpu {
	volatile u32 hits[256];		/* interrupts it took, by vector */
	volatile u32 starts;		/* SIPIs that it followed */
	volatile u32 calls;		/* of smp_fn */
	volatile u32 count;		/* for the test */
};
#define SMP_FN_VECTOR	0x40		/* makes the processor call smp_fn(id) */
#define SMP_FENCE	0x30		/* smp_fence() */
extern bool x2_mode;
extern u32 smp_cpus;
extern void (*volatile smp_fn)(u32 id);
extern void (*volatile smp_task)(u32 id);	/* what a processor does once it is up, instead of HLT */

static inline struct smp_cpu *smp_cpu(u32 id)
{
	return (struct smp_cpu *)(SMP_CPU_GPA + id * SMP_CPU_SIZE);
}
u32 smp_id(void);			/* of this processor, by its stack */
void smp_begin(u64 arg);		/* SMP_ARG: start all */
void smp_send(u32 dest, u32 icr);	/* write ICR; the destination in the mode's form */
bool smp_start(u32 id);			/* INIT, SIPI, and wait; false: it does not come */
bool smp_wait(volatile u32 *word, u32 value);	/* until it is at least that; interrupts on meanwhile */
void smp_call(u32 id, void (*fn)(u32 id));	/* have a processor call fn, and wait until it does */
/*
 * What was sent to other processors (bits of mask) before has arrived, if its vector is above SMP_FENCE's class; and
 * what smp_call() made them do is done.
 */
void smp_fence(u64 mask);
static inline u64 smp_all(void) { return smp_cpus == 64 ? ~0UL : (1UL << smp_cpus) - 1; }

/* Map one 4 KiB page at va (in 0x60000000..0x601fffff) to pa with entry bits */
#define MAP_VA 0x60000000UL
void map_page(u64 va, u64 pa, u64 bits);
#define PTE_P 1UL
#define PTE_W 2UL
#define PTE_U 4UL
#define PTE_NX (1UL << 63)
/* Call fn(arg) in ring 3; answers when it faults or executes int $0x80 */
void call_user(void (*fn)(u64), u64 arg);

struct idt_gate { u16 lo, selector; u8 ist, type; u16 mid; u32 hi, zero; } __attribute__((packed));
extern struct idt_gate idt[256];
void traps_init(void);
void traps_load(void);			/* IDTR of another processor */

#define X(name) void test_##name(u64 arg);
GUEST_TESTS(X)
#undef X

#endif
