// SPDX-License-Identifier: GPL-2.0
/*
 * The emulator in the kernel: guest memory by gpa, devices of the irqchip, and
 * the worker by the run page. Process context, interrupts on; owned by the
 * vCPU's thread.
 */
#include <linux/cpufeature.h>
#include <linux/slab.h>
#include <asm/processor-flags.h>

#include "emulate.h"
#include "exits.h"
#include "irqchip/irqchip.h"
#include "policy.h"
#include "state_check.h"
#include "traced.h"
#include "vendor.h"

/* ---- operations for the emulator; ctx is the vCPU ---- */

static int glue_read(void *ctx, u64 gpa, void *data, u32 len)
{
	struct husk_vcpu *vcpu = ctx;

	return husk_read_gpa(vcpu->vm, gpa, data, len);
}

static int glue_cmpxchg(void *ctx, u64 gpa, u64 old, u64 new, u32 width)
{
	struct husk_vcpu *vcpu = ctx;

	return husk_cmpxchg_gpa(vcpu->vm, gpa, old, new, width);
}

/* What can't be read or written is a device's; if it is nobody's, the worker says so. */
static int glue_mem_read(void *ctx, u64 gpa, void *data, u32 len)
{
	return glue_read(ctx, gpa, data, len) ? 1 : 0;
}

static int glue_mem_write(void *ctx, u64 gpa, const void *data, u32 len)
{
	struct husk_vcpu *vcpu = ctx;

	return husk_write_gpa(vcpu->vm, gpa, data, len) ? 1 : 0;
}

static int glue_mem_cmpxchg(void *ctx, u64 gpa, u64 old, u64 new, u32 width)
{
	int ret = glue_cmpxchg(ctx, gpa, old, new, width);

	return ret == -EFAULT ? 1 : ret;
}

static noinline bool glue_chip_port(struct husk_vcpu *vcpu, u16 port, u8 width, bool write, u64 *data)
{
	u32 word = *data;

	if (!husk_irqchip_pio(vcpu, port, width, write, &word))
		return false;
	*data = word;
	return true;
}

static bool glue_traced(void)
{
	return trace_husk_pio_enabled() || trace_husk_mmio_enabled();
}

static __always_inline int glue_device(struct husk_vcpu *vcpu, u64 addr, u8 width, bool write, bool port, u64 *data)
{
	enum husk_ioeventfd_space space = port ? HUSK_IOEVENTFD_PORTS : HUSK_IOEVENTFD_MEMORY;

	if (!(port ? glue_chip_port(vcpu, addr, width, write, data) : husk_irqchip_mmio(vcpu, addr, width, write, data)) &&
	    !(write && rcu_access_pointer(vcpu->vm->ioeventfds[space]) &&
	      husk_ioeventfd_write(vcpu, space, addr, width, *data)))
		return 1;
	if (glue_traced())
		husk_traced_io(vcpu, port, addr, width, write, HUSK_LEVEL_KERNEL, *data);
	return 0;
}

/* Programs have a word in it. As glue_dev_io(); not inlined: its local variable would cost all a stack guard */
static noinline int glue_asked(struct husk_vcpu *vcpu, u64 addr, u8 width, bool write, bool port, u64 *data)
{
	struct husk_policy_io io = { .addr = addr, .data = *data, .width = width, .write = write, .port = port };

	switch (husk_policy_io(vcpu, &io)) {
	case HUSK_DISPATCH:
		return glue_device(vcpu, addr, width, write, port, data);
	case HUSK_RETIRE:
		*data = io.data;
		return 0;
	case HUSK_TO_USER:
		return 1;
	default:
		return -EAGAIN;
	}
}

static int glue_dev_io(void *ctx, u64 addr, u8 width, bool write, bool port, u64 *data)
{
	if (trace_husk_policy_enabled())
		return glue_asked(ctx, addr, width, write, port, data);
	return glue_device(ctx, addr, width, write, port, data);
}

static void glue_segments(void *ctx)
{
	husk_fetch(ctx, HUSK_SYS_SEG);
}

static const struct husk_emul_ops glue_ops = {
	.walk = { .read = glue_read, .update = glue_cmpxchg },
	.mem_read = glue_mem_read,
	.mem_write = glue_mem_write,
	.mem_cmpxchg = glue_mem_cmpxchg,
	.dev_io = glue_dev_io,
	.segments = glue_segments,
};

/* ---- one exit ---- */

/**
 * husk_walk_mode_init - the paging mode that the guest is in
 * @vcpu: its thread is the caller
 * @mode: out
 *
 * Address width and 1 GiB pages are those of the host: the CPU walks the
 * guest's tables with them, whatever CPUID told the guest.
 */
void husk_walk_mode_init(struct husk_vcpu *vcpu, struct husk_walk_mode *mode)
{
	const struct husk_system *sys = &vcpu->sys;

	husk_fetch(vcpu, HUSK_SYS_CR);
	mode->cr0 = sys->cr0;
	mode->cr3 = sys->cr3;
	mode->cr4 = sys->cr4;
	mode->efer = sys->efer;
	mode->smap_off = vcpu->regs.rflags & X86_EFLAGS_AC;
	mode->phys_bits = husk_host.phys_bits;
	mode->has_1g = boot_cpu_has(X86_FEATURE_GBPAGES);
}

static void glue_setup(struct husk_vcpu *vcpu, struct husk_emul *e)
{
	husk_walk_mode_init(vcpu, &e->walk);
	e->regs = &vcpu->regs;
	e->sys = &vcpu->sys;
	e->mode = husk_code_size(&vcpu->sys);
	e->cpl = husk_cpl(vcpu);
}

static void glue_begin(struct husk_vcpu *vcpu, struct husk_emul *e)
{
	const struct husk_exit_info *exit = &vcpu->exit;

	glue_setup(vcpu, e);
	husk_emulate_begin(e);
	if (exit->insn_len && exit->insn_len <= sizeof(exit->insn)) {
		memcpy(e->insn, exit->insn, sizeof(e->insn));
		e->insn_count = min_t(u8, exit->insn_len, 15);
	} else if (e->mode == 8 && husk_code_page_read(vcpu, vcpu->regs.rip, e->insn)) {
		e->insn_count = 15;
	}
	if (exit->reason == HUSK_REASON_PIO) {
		e->io_width = exit->pio.width;
	} else if (exit->reason == HUSK_REASON_MMIO) {
		e->hint_gpa = exit->gpa;
		e->hint_access = exit->access & HUSK_ACCESS_WRITE ? HUSK_ACCESS_WRITE : HUSK_ACCESS_READ;
	}
}

/* The instruction is complete: no interrupt shadow is left, a single-step trap is due (SDM 3B 18.3.1.4) */
static enum husk_verdict glue_done(struct husk_vcpu *vcpu)
{
	husk_vendor->set_shadow(vcpu, false);
	if (unlikely(vcpu->regs.rflags & X86_EFLAGS_TF))
		husk_single_step_trap(vcpu);
	return HUSK_RESUME;
}

/* Ask the worker */
static enum husk_verdict glue_need(struct husk_vcpu *vcpu, const struct husk_emul_access *a)
{
	struct husk_run *run = vcpu->run;

	if (a->port) {
		run->pio.port = a->addr;
		run->pio.width = a->width;
		run->pio.write = a->write;
		run->pio.data = a->data;
		run->exit = HUSK_EXIT_PIO;
	} else {
		run->mmio.gpa = a->addr;
		run->mmio.width = a->width;
		run->mmio.write = a->write;
		run->mmio.data = a->data;
		run->exit = HUSK_EXIT_MMIO;
	}
	if (a->write && glue_traced())
		husk_traced_io(vcpu, a->port, a->addr, a->width, true, HUSK_LEVEL_WORKER, a->data);
	vcpu->io_pending = HUSK_IO_EMULATE;
	return HUSK_TO_USER;
}

static enum husk_verdict glue_sysreg(struct husk_vcpu *vcpu, struct husk_emul *e)
{
	const struct husk_emul_sysreg *s = &e->sysreg;

	/*
	 * QEMU's AMD CPU takes any read of a control register for one of CR0
	 * when that is intercepted: so all are served.
	 */
	if (s->number != 0 && s->number != 8 && (s->number < 2 || s->number > 4)) {
		husk_inject_ud(vcpu);
		return HUSK_RESUME;
	}
	if (!s->write) {
		vcpu->regs.gpr[s->gpr & 15] = husk_read_cr(vcpu, s->number);
	} else if (!husk_write_cr(vcpu, s->number, s->value)) {
		husk_inject_gp(vcpu);
		return HUSK_RESUME;
	}
	husk_emulate_retire(e);
	return glue_done(vcpu);
}

static enum husk_verdict glue_run(struct husk_vcpu *vcpu)
{
	struct husk_emul *e = vcpu->emul;

	switch (husk_emulate(e, &glue_ops, vcpu)) {
	case HUSK_EMUL_DONE:
		return glue_done(vcpu);
	case HUSK_EMUL_NEED:
		return glue_need(vcpu, &e->need);
	case HUSK_EMUL_FAULT:
		husk_inject_exception(vcpu, e->fault.vector, e->fault.has_error, e->fault.error, e->fault.cr2);
		return HUSK_RESUME;
	case HUSK_EMUL_RETRY:
		return HUSK_RESUME;
	case HUSK_EMUL_SYSTEM:
		return glue_sysreg(vcpu, e);
	default:
		break;
	}
	vcpu->exit.insn_len = e->insn_count;
	memcpy(vcpu->exit.insn, e->insn, sizeof(vcpu->exit.insn));
	return husk_unhandled(vcpu);
}

/**
 * husk_emulate_exit - emulate the instruction of an MMIO or string I/O exit
 * @vcpu: the vCPU, its exit in vcpu->exit
 *
 * Return: HUSK_RESUME: done, or a fault is queued; HUSK_TO_USER: the worker must
 * answer vcpu->run; HUSK_DEAD: not an instruction that is emulated.
 */
enum husk_verdict husk_emulate_exit(struct husk_vcpu *vcpu)
{
	struct husk_emul *e = vcpu->emul;
	enum husk_verdict verdict;
	bool fetched;

	glue_begin(vcpu, e);
	fetched = !e->insn_count;
	verdict = glue_run(vcpu);
	if (unlikely(fetched) && e->decoded_valid && e->mode == 8)
		husk_code_page_note(vcpu, e->rip);
	return verdict;
}

/**
 * husk_emulate_cr - emulate a control register instruction
 * @vcpu: the vCPU; its exit is a CR_ACCESS without operands
 *
 * Return: as husk_emulate_exit().
 */
enum husk_verdict husk_emulate_cr(struct husk_vcpu *vcpu)
{
	return husk_emulate_exit(vcpu);
}

/**
 * husk_emulate_continue - go on with the worker's answer
 * @vcpu: the vCPU; its run page holds the data, which is read once
 *
 * Return: as husk_emulate_exit().
 */
enum husk_verdict husk_emulate_continue(struct husk_vcpu *vcpu)
{
	struct husk_emul *e = vcpu->emul;

	if (!e->need.write)
		e->need.data = e->need.port ? READ_ONCE(vcpu->run->pio.data) : READ_ONCE(vcpu->run->mmio.data);
	if (e->need.width < 8)
		e->need.data &= BIT_ULL(e->need.width * 8) - 1;
	if (!e->need.write && glue_traced())
		husk_traced_io(vcpu, e->need.port, e->need.addr, e->need.width, false, HUSK_LEVEL_WORKER, e->need.data);
	e->need.done = true;
	/* The worker may have changed any register since */
	glue_setup(vcpu, e);
	if (e->mode != e->decoded.mode)
		return HUSK_RESUME;
	return glue_run(vcpu);
}

/* ---- translation for others ---- */

/* The guest's tables as they are: no accessed or dirty bit is set */
static int glue_look(void *ctx, u64 gpa, u64 old, u64 new, u32 width)
{
	return 0;
}

static const struct husk_walk_ops glue_look_ops = { .read = glue_read, .update = glue_look };

/**
 * husk_translate_gva - guest virtual to guest physical, at any privilege
 * @vcpu: the vCPU; the caller runs in its VM's mm
 * @gva: linear address
 * @access: HUSK_ACCESS_x
 * @gpa: out
 * @fault: out
 *
 * Return: 0, 1 for a page fault, -EFAULT if the tables are not in memory.
 */
int husk_translate_gva(struct husk_vcpu *vcpu, u64 gva, u32 access, u64 *gpa, struct husk_walk_fault *fault)
{
	struct husk_walk_mode mode;

	husk_walk_mode_init(vcpu, &mode);
	mode.cr4 &= ~(u64)(X86_CR4_SMEP | X86_CR4_SMAP);
	if ((mode.efer & EFER_LMA) && !husk_canonical(gva)) {
		*fault = (struct husk_walk_fault) { .cr2 = gva };
		return 1;
	}
	return husk_walk(&mode, gva, access, &glue_look_ops, vcpu, gpa, fault);
}

/**
 * husk_read_gva - read guest virtual memory, for a report
 * @vcpu: the vCPU; the caller runs in its VM's mm
 * @gva: linear address
 * @data: out
 * @len: bytes
 * @access: HUSK_ACCESS_x
 *
 * Return: bytes read, fewer than @len where a page is not there.
 */
u32 husk_read_gva(struct husk_vcpu *vcpu, u64 gva, void *data, u32 len, u32 access)
{
	struct husk_walk_fault fault;
	u32 done = 0;
	u64 gpa;

	while (done < len) {
		u32 piece = min_t(u32, len - done, PAGE_SIZE - ((gva + done) & ~PAGE_MASK));

		if (husk_translate_gva(vcpu, gva + done, access, &gpa, &fault) ||
		    husk_read_gpa(vcpu->vm, gpa, data + done, piece))
			break;
		done += piece;
	}
	return done;
}

int husk_emul_create(struct husk_vcpu *vcpu)
{
	vcpu->emul = kzalloc(sizeof(*vcpu->emul), GFP_KERNEL_ACCOUNT);
	return vcpu->emul ? 0 : -ENOMEM;
}

void husk_emul_destroy(struct husk_vcpu *vcpu)
{
	kfree(vcpu->emul);
	vcpu->emul = NULL;
}
