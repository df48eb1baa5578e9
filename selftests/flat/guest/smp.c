// SPDX-License-Identifier: GPL-2.0
/* Starting other processors of the flat guest, and talking to them. */
#include "guest.h"

#define SMP_STACKS	0x600000UL	/* start.S knows it */
#define SMP_STACK	0x2000UL

_Static_assert(offsetof(struct smp_cpu, count) == SMP_COUNT_AT && sizeof(struct smp_cpu) <= SMP_CPU_SIZE, "tests.h");

u32 smp_cpus = 1;
void (*volatile smp_fn)(u32 id);
void (*volatile smp_task)(u32 id);

extern u8 ap_code[], ap_code_end[];

u32 smp_id(void)
{
	u64 at = (u64)__builtin_frame_address(0) - SMP_STACKS;

	return at < SMP_MAX * SMP_STACK ? at / SMP_STACK : 0;
}

static void smp_hook(struct frame *frame)
{
	void (*fn)(u32 id) = smp_fn;

	if (frame->vector != SMP_FN_VECTOR)
		return;
	smp_cpu(smp_id())->calls++;
	fn(smp_id());
}

/* From start.S */
void ap_main(u32 id);
void ap_main(u32 id)
{
	traps_load();
	wrmsr(0x1b, rdmsr(0x1b) | (x2_mode ? 0xc00 : 0x800));
	apic_write(APIC_SVR, 0x1ff);
	if (!x2_mode)
		apic_write(APIC_LDR, 1U << (24 + id % 8));
	smp_cpu(id)->starts++;
	if (smp_task)
		smp_task(id);
	for (;;)
		asm volatile("sti; hlt; cli");
}

void smp_send(u32 dest, u32 icr)
{
	if (x2_mode) {
		wrmsr(0x830, (u64)dest << 32 | icr);
	} else {
		apic_write(APIC_ICR2, dest << 24);
		apic_write(APIC_ICR, icr);
	}
}

bool smp_wait(volatile u32 *word, u32 value)
{
	u64 start = rdtsc(), limit = 4000 * tsc_per_ms();

	while ((s64)(s32)(*word - value) < 0 && rdtsc() - start < limit)
		relax();
	return (s32)(*word - value) >= 0;
}

bool smp_start(u32 id)
{
	u32 starts = smp_cpu(id)->starts;

	smp_send(id, 0x4500);
	smp_send(id, 0x4606);
	return smp_wait(&smp_cpu(id)->starts, starts + 1);
}

void smp_begin(u64 arg)
{
	smp_cpus = arg & 0xff;
	apic_init(arg >> 8 & 1);
	if (!x2_mode)
		apic_write(APIC_LDR, 1U << 24);
	tsc_per_ms();
	irq_hook = smp_hook;
	memcpy((void *)0x6000, ap_code, ap_code_end - ap_code);
	for (u32 id = 1; id < smp_cpus; id++)
		if (!smp_start(id)) {
			fail_value("a processor does not start", id);
			finish();
		}
}

void smp_call(u32 id, void (*fn)(u32 id))
{
	u32 calls = smp_cpu(id)->calls;

	smp_fn = fn;
	smp_send(id, 0x4000 | SMP_FN_VECTOR);
	if (!smp_wait(&smp_cpu(id)->calls, calls + 1))
		fail_value("a processor does not answer", id);
}

/* Of what is pending the higher class comes first: with the fence's interrupt all else was taken. */
void smp_fence(u64 mask)
{
	u32 before[SMP_MAX];

	for (u32 id = 0; id < smp_cpus; id++)
		before[id] = smp_cpu(id)->hits[SMP_FENCE];
	smp_send(0, 0xc4000 | SMP_FENCE);
	for (u32 id = 0; id < smp_cpus; id++)
		if (id != smp_id() && (mask >> id & 1) && !smp_wait(&smp_cpu(id)->hits[SMP_FENCE], before[id] + 1))
			fail_value("the fence does not reach a processor", id);
	sti_nop();
	cli();
}
