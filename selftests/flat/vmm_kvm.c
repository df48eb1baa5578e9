// SPDX-License-Identifier: GPL-2.0
/* The KVM back end: validates the guests, and is what husk is measured against. */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm.h"

static int kvm_call(int fd, unsigned long command, void *arg)
{
	int ret = ioctl(fd, command, arg);

	return ret < 0 ? -errno : ret;
}

static int kvm_create(struct vmm *vm)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	int err;

	vm->fd = kvm_call(vm->dev, KVM_CREATE_VM, NULL);
	if (vm->fd < 0)
		return vm->fd;
	err = kvm_call(vm->fd, KVM_SET_TSS_ADDR, (void *)0xfeffd000UL);
	if (err)
		return err;
	err = kvm_call(vm->fd, KVM_CREATE_IRQCHIP, NULL);
	if (err)
		return err;
	return kvm_call(vm->fd, KVM_CREATE_PIT2, &pit);
}

static int kvm_memory(struct vmm *vm, u32 slot, u64 gpa, u64 length, void *hva, u32 flags)
{
	struct kvm_userspace_memory_region arg = {
		.slot = slot,
		.flags = (flags & HUSK_MEM_READONLY ? KVM_MEM_READONLY : 0) |
			 (flags & HUSK_MEM_LOG_DIRTY ? KVM_MEM_LOG_DIRTY_PAGES : 0),
		.guest_phys_addr = gpa, .memory_size = length, .userspace_addr = (uintptr_t)hva,
	};

	return kvm_call(vm->fd, KVM_SET_USER_MEMORY_REGION, &arg);
}

static int kvm_harvest(struct vmm *vm, u32 slot, u64 pages, u64 *bitmap)
{
	struct kvm_dirty_log arg = { .slot = slot, .dirty_bitmap = bitmap };

	return kvm_call(vm->fd, KVM_GET_DIRTY_LOG, &arg);
}

/* KVM leaves TSC_DEADLINE (it depends on the irqchip) and HYPERVISOR out of its list */
static int kvm_cpuid(struct vmm *vm, u32 id)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 128 * sizeof(cpuid->entries[0]));
	int err;

	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = 128;
	err = kvm_call(vm->dev, KVM_GET_SUPPORTED_CPUID, cpuid);
	for (u32 i = 0; !err && i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1) {
			cpuid->entries[i].ecx |= 1U << 24 | 1U << 31;
			cpuid->entries[i].ebx = (cpuid->entries[i].ebx & 0xffffff) | id << 24;
		}
	if (!err)
		err = kvm_call(vm->vcpu[id].fd, KVM_SET_CPUID2, cpuid);
	free(cpuid);
	return err;
}

static int kvm_vcpu(struct vmm *vm, u32 id)
{
	struct vmm_vcpu *vcpu = &vm->vcpu[id];
	void *run;

	vcpu->fd = kvm_call(vm->fd, KVM_CREATE_VCPU, (void *)(uintptr_t)id);
	if (vcpu->fd < 0)
		return vcpu->fd;
	vcpu->run_size = kvm_call(vm->dev, KVM_GET_VCPU_MMAP_SIZE, NULL);
	run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run == MAP_FAILED)
		return -errno;
	vcpu->run = run;
	return kvm_cpuid(vm, id);
}

static struct kvm_segment to_kvm(const struct husk_segment *s)
{
	return (struct kvm_segment) {
		.base = s->base, .limit = s->limit, .selector = s->selector,
		.type = s->attr & 15, .s = s->attr >> 4 & 1, .dpl = s->attr >> 5 & 3,
		.present = s->attr >> 7 & 1, .avl = s->attr >> 8 & 1, .l = s->attr >> 9 & 1,
		.db = s->attr >> 10 & 1, .g = s->attr >> 11 & 1, .unusable = !(s->attr >> 7 & 1),
	};
}

static struct husk_segment from_kvm(const struct kvm_segment *s)
{
	return (struct husk_segment) {
		.base = s->base, .limit = s->limit, .selector = s->selector,
		.attr = s->type | s->s << 4 | s->dpl << 5 | s->present << 7 | s->avl << 8 |
			s->l << 9 | s->db << 10 | s->g << 11,
	};
}

/* Encoding order to KVM's */
#define KVM_ORDER(X) \
	X(0, rax) X(1, rcx) X(2, rdx) X(3, rbx) X(4, rsp) X(5, rbp) X(6, rsi) X(7, rdi) \
	X(8, r8) X(9, r9) X(10, r10) X(11, r11) X(12, r12) X(13, r13) X(14, r14) X(15, r15)
#define KVM_SEGMENTS(X) X(es) X(cs) X(ss) X(ds) X(fs) X(gs) X(tr)

static int kvm_set(struct vmm *vm, u32 id, const struct husk_general *regs, const struct husk_system *sys)
{
	struct kvm_regs r = { .rip = regs->rip, .rflags = regs->rflags };
	struct kvm_sregs s;
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	int err = kvm_call(vm->vcpu[id].fd, KVM_GET_SREGS, &s);

	if (err)
		return err;
#define X(n, name) r.name = regs->gpr[n];
	KVM_ORDER(X)
#undef X
#define X(name) s.name = to_kvm(&sys->name);
	KVM_SEGMENTS(X)
#undef X
	s.ldt = to_kvm(&sys->ldtr);
	s.gdt = (struct kvm_dtable) { .base = sys->gdtr.base, .limit = sys->gdtr.limit };
	s.idt = (struct kvm_dtable) { .base = sys->idtr.base, .limit = sys->idtr.limit };
	s.cr0 = sys->cr0;
	s.cr2 = sys->cr2;
	s.cr3 = sys->cr3;
	s.cr4 = sys->cr4;
	s.efer = sys->efer;
	err = kvm_call(vm->vcpu[id].fd, KVM_SET_SREGS, &s);
	if (!err && id)
		err = kvm_call(vm->vcpu[id].fd, KVM_SET_MP_STATE, &mp);
	return err ? err : kvm_call(vm->vcpu[id].fd, KVM_SET_REGS, &r);
}

static int kvm_get(struct vmm *vm, u32 id, struct husk_general *regs, struct husk_system *sys)
{
	struct kvm_regs r;
	struct kvm_sregs s;
	int err = kvm_call(vm->vcpu[id].fd, KVM_GET_REGS, &r);

	if (!err)
		err = kvm_call(vm->vcpu[id].fd, KVM_GET_SREGS, &s);
	if (err)
		return err;
	memset(sys, 0, sizeof(*sys));
	regs->rip = r.rip;
	regs->rflags = r.rflags;
#define X(n, name) regs->gpr[n] = r.name;
	KVM_ORDER(X)
#undef X
#define X(name) sys->name = from_kvm(&s.name);
	KVM_SEGMENTS(X)
#undef X
	sys->cr0 = s.cr0;
	sys->cr2 = s.cr2;
	sys->cr3 = s.cr3;
	sys->cr4 = s.cr4;
	sys->efer = s.efer;
	return 0;
}

static int kvm_irq_line(struct vmm *vm, u32 gsi, u32 level)
{
	struct kvm_irq_level arg = { .irq = gsi, .level = level };

	return kvm_call(vm->fd, KVM_IRQ_LINE, &arg);
}

static int kvm_msi(struct vmm *vm, u64 address, u32 data)
{
	struct kvm_msi arg = { .address_lo = address, .address_hi = address >> 32, .data = data };
	int ret = kvm_call(vm->fd, KVM_SIGNAL_MSI, &arg);

	return ret < 0 ? ret : 0;
}

static int kvm_routes(struct vmm *vm, const struct husk_route *route, u32 count)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[64];
	} arg = { .head.nr = count };

	for (u32 i = 0; i < count && i < 64; i++) {
		struct kvm_irq_routing_entry *e = &arg.entry[i];

		e->gsi = route[i].gsi;
		if (route[i].kind == HUSK_ROUTE_MSI) {
			e->type = KVM_IRQ_ROUTING_MSI;
			e->u.msi.address_lo = route[i].address;
			e->u.msi.address_hi = route[i].address >> 32;
			e->u.msi.data = route[i].data;
		} else {
			e->type = KVM_IRQ_ROUTING_IRQCHIP;
			e->u.irqchip.irqchip = route[i].kind;	/* in the same order */
			e->u.irqchip.pin = route[i].pin;
		}
	}
	return kvm_call(vm->fd, KVM_SET_GSI_ROUTING, &arg);
}

static int kvm_irqfd(struct vmm *vm, int fd, u32 gsi, int resample, u32 flags)
{
	struct kvm_irqfd arg = {
		.fd = fd, .gsi = gsi, .resamplefd = resample,
		.flags = (flags & HUSK_IRQFD_DEASSIGN ? KVM_IRQFD_FLAG_DEASSIGN : 0) |
			 (flags & HUSK_IRQFD_RESAMPLE ? KVM_IRQFD_FLAG_RESAMPLE : 0),
	};

	return kvm_call(vm->fd, KVM_IRQFD, &arg);
}

static int kvm_ioeventfd(struct vmm *vm, int fd, u64 addr, u32 width, u64 data, u32 flags)
{
	struct kvm_ioeventfd arg = {
		.fd = fd, .addr = addr, .len = width, .datamatch = data,
		.flags = (flags & HUSK_IOEVENTFD_PIO ? KVM_IOEVENTFD_FLAG_PIO : 0) |
			 (flags & HUSK_IOEVENTFD_MATCH ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0) |
			 (flags & HUSK_IOEVENTFD_DEASSIGN ? KVM_IOEVENTFD_FLAG_DEASSIGN : 0),
	};

	return kvm_call(vm->fd, KVM_IOEVENTFD, &arg);
}

static void kvm_immediate_exit(struct vmm *vm, u32 id, bool on)
{
	struct kvm_run *run = vm->vcpu[id].run;

	run->immediate_exit = on;
}

/* One access of a batch of string I/O */
static void kvm_pio(struct vmm_vcpu *vcpu, struct vmm_exit *exit)
{
	struct kvm_run *run = vcpu->run;

	exit->kind = VMM_PIO;
	exit->addr = run->io.port;
	exit->width = run->io.size;
	exit->write = run->io.direction == KVM_EXIT_IO_OUT;
	exit->answer = (u8 *)run + run->io.data_offset + vcpu->batch_done++ * run->io.size;
	exit->data = 0;
	memcpy(&exit->data, exit->answer, exit->width);
}

static void kvm_run(struct vmm *vm, u32 id, struct vmm_exit *exit)
{
	struct vmm_vcpu *vcpu = &vm->vcpu[id];
	struct kvm_run *run = vcpu->run;

	exit->error = 0;
	if (vcpu->batch_done < vcpu->batch) {
		kvm_pio(vcpu, exit);
		return;
	}
	vcpu->batch = vcpu->batch_done = 0;
	if (ioctl(vcpu->fd, KVM_RUN, 0)) {
		exit->kind = errno == EINTR && run->immediate_exit ? VMM_NONE : VMM_ERROR;
		exit->error = errno;
		return;
	}
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		vcpu->batch = run->io.count;
		kvm_pio(vcpu, exit);
		return;
	case KVM_EXIT_MMIO:
		exit->kind = VMM_MMIO;
		exit->addr = run->mmio.phys_addr;
		exit->width = run->mmio.len;
		exit->write = run->mmio.is_write;
		exit->answer = run->mmio.data;
		exit->data = 0;
		memcpy(&exit->data, run->mmio.data, exit->width);
		return;
	case KVM_EXIT_SHUTDOWN:
		exit->kind = VMM_SHUTDOWN;
		return;
	case KVM_EXIT_FAIL_ENTRY:
		exit->kind = VMM_ENTRY_FAIL;
		return;
	default:
		exit->kind = VMM_UNHANDLED;
		exit->data = run->exit_reason;
	}
}

const struct vmm_backend vmm_kvm = {
	.name = "kvm",
	.device = "/dev/kvm",
	.create = kvm_create,
	.memory = kvm_memory,
	.harvest = kvm_harvest,
	.vcpu = kvm_vcpu,
	.set = kvm_set,
	.get = kvm_get,
	.irq_line = kvm_irq_line,
	.msi = kvm_msi,
	.routes = kvm_routes,
	.irqfd = kvm_irqfd,
	.ioeventfd = kvm_ioeventfd,
	.immediate_exit = kvm_immediate_exit,
	.run = kvm_run,
};
