// SPDX-License-Identifier: GPL-2.0
/* What both back ends share: RAM, descriptor and page tables, start states. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm.h"

int vmm_open(struct vmm *vm, const struct vmm_backend *be)
{
	memset(vm, 0, sizeof(*vm));
	vm->be = be;
	vm->fd = -1;
	for (int i = 0; i < VMM_VCPUS; i++)
		vm->vcpu[i].fd = -1;
	vm->dev = open(be->device, O_RDWR | O_CLOEXEC);
	return vm->dev < 0 ? -errno : 0;
}

int vmm_create(struct vmm *vm, const struct vmm_backend *be)
{
	int err = vmm_open(vm, be);

	if (err)
		return err;
	err = be->create(vm);
	if (err)
		goto fail;
	vm->ram_size = RAM_SIZE;
	vm->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vm->ram == MAP_FAILED) {
		vm->ram = NULL;
		err = -errno;
		goto fail;
	}
	err = be->memory(vm, 0, 0, RAM_SIZE, vm->ram, 0);
	if (err)
		goto fail;
	vmm_tables(vm);
	err = be->vcpu(vm, 0);
	if (err)
		goto fail;
	return 0;
fail:
	vmm_destroy(vm);
	return err;
}

void vmm_destroy(struct vmm *vm)
{
	for (int i = 0; i < VMM_VCPUS; i++) {
		if (vm->vcpu[i].run)
			munmap(vm->vcpu[i].run, vm->vcpu[i].run_size);
		if (vm->vcpu[i].fd >= 0)
			close(vm->vcpu[i].fd);
	}
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->dev >= 0)
		close(vm->dev);
	if (vm->ram)
		munmap(vm->ram, vm->ram_size);
	memset(vm, 0, sizeof(*vm));
	vm->fd = vm->dev = -1;
}

void vmm_answer(struct vmm_exit *exit, u64 data)
{
	exit->data = data;
	memcpy(exit->answer, &data, exit->width);
}

void vmm_load(struct vmm *vm, u64 gpa, const void *data, size_t length)
{
	memcpy(vm->ram + gpa, data, length);
}

/* GDT: 8 code64, 10 data, 18 user code64 (RPL 3: 1b), 20 user data (23), 28 TSS (2 slots), 38 code32 */
void vmm_tables(struct vmm *vm)
{
	static const u64 gdt[] = {
		0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00affb000000ffff,
		0x00cff3000000ffff, 0, 0, 0x00cf9b000000ffff,
	};
	u64 *pml4 = (u64 *)(vm->ram + PML4_GPA);
	u64 *pdpt = pml4 + 512, *pd = pdpt + 512;

	vmm_load(vm, GDT_GPA, gdt, sizeof(gdt));
	memset(pml4, 0, 6 * 4096);
	pml4[0] = (PML4_GPA + 0x1000) | 7;
	for (u64 i = 0; i < 4; i++)
		pdpt[i] = (PML4_GPA + 0x2000 + i * 0x1000) | 7;
	for (u64 i = 0; i < 2048; i++)
		pd[i] = (i << 21) | 0x87;
}

static struct husk_segment segment(u16 selector, u16 attr, u32 limit)
{
	return (struct husk_segment) { .selector = selector, .attr = attr, .limit = limit };
}

struct husk_system vmm_long_system(void)
{
	struct husk_segment data = segment(0x10, 0xc93, 0xffffffff);

	return (struct husk_system) {
		.cs = segment(0x08, 0xa9b, 0xffffffff),
		.ss = data, .ds = data, .es = data, .fs = data, .gs = data,
		.tr = segment(0, 0x8b, 0x67), .ldtr = segment(0, 0x82, 0),
		.gdtr = { .base = GDT_GPA, .limit = 0x3f },
		.cr0 = 0x80010031,	/* PG WP NE ET PE */
		.cr3 = PML4_GPA,
		.cr4 = 0x620,		/* PAE OSFXSR OSXMMEXCPT */
		.efer = 0xd00,		/* LMA LME NXE */
		.dr6 = 0xffff0ff0, .dr7 = 0x400, .xcr0 = 1,
	};
}

int vmm_long_mode(struct vmm *vm, u32 id, u64 rip, u64 rsp, u64 rdi, u64 rsi)
{
	struct husk_system sys = vmm_long_system();
	struct husk_general regs = { .rip = rip, .rflags = 2 };

	regs.gpr[4] = rsp;
	regs.gpr[7] = rdi;
	regs.gpr[6] = rsi;
	return vm->be->set(vm, id, &regs, &sys);
}

int vmm_protected_mode(struct vmm *vm, u32 id, u64 rip, u64 rsp)
{
	struct husk_system sys = vmm_long_system();
	struct husk_general regs = { .rip = rip, .rflags = 2 };

	sys.cs = segment(0x38, 0xc9b, 0xffffffff);
	sys.cr0 = 0x31;
	sys.cr3 = 0;
	sys.cr4 = 0;
	sys.efer = 0;
	regs.gpr[4] = rsp;
	return vm->be->set(vm, id, &regs, &sys);
}
