// SPDX-License-Identifier: GPL-2.0
/*
 * One CPU's virtualization mode, borrowed for each stay in the guest, and its
 * address-space identifiers.
 *
 * Ownership. EFER.SVME and VM_HSAVE_PA may belong to another hypervisor (KVM
 * turns SVME on when it is loaded, for good; on 6.1 from its first VM to its
 * last). Between svm_open() and svm_close() interrupts are off, so nobody else
 * can look. What another hypervisor had is put back exactly. Where SVME was off
 * it is again, but VM_HSAVE_PA keeps husk's page as a mark: whoever uses SVM in
 * the meantime replaces it.
 *
 * ASIDs. TLB entries carry nothing but the ASID. While husk is alone, each CPU
 * hands out its ASIDs in turn and flushes all when they run out, or when the
 * mark is gone. While another hypervisor is there it uses the same numbers: then
 * husk flushes at the first entry after a vCPU came to the CPU, and once more
 * when it departs, since the other may have a vCPU scheduled next whose ASID it
 * thinks is clean. Alone, husk does not care when its threads come and go.
 */
#include <linux/cpu.h>
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>

#include "hostcpu.h"
#include "svm/svm.h"

struct svm_cpu {
	struct page *hsave;	/* VM_HSAVE_PA while a guest runs; and the mark */
	struct page *host;	/* VMSAVE of the host */
	struct vmcb *flush;	/* see husk_svm_flush_run() */
	struct page *empty;	/* its nested page table */
	u64 own_hsave_pa, host_pa;	/* of @hsave and @host; immutable after load */
	u64 efer, hsave_pa;	/* of whoever was here before; valid while open. @hsave_pa is put back if @foreign */
	u64 asid_generation;
	u32 asid_next;
	bool flush_all;		/* this generation's ASIDs may have old entries: no entry has flushed them yet */
	bool foreign;		/* SVME was on at the last svm_open() */
};

static u64 svm_page_pa(struct page *page)
{
	return __sme_set(page_to_phys(page));
}

static DEFINE_PER_CPU(struct svm_cpu, svm_cpus);
static u32 svm_asid_max;	/* immutable after load */

void svm_cpu_fini(int cpu)
{
	struct svm_cpu *c = per_cpu_ptr(&svm_cpus, cpu);

	if (c->hsave)
		__free_page(c->hsave);
	if (c->host)
		__free_page(c->host);
	if (c->empty)
		__free_page(c->empty);
	free_page((unsigned long)c->flush);
	memset(c, 0, sizeof(*c));
}

/* A guest that faults on its first fetch, whatever it is: real mode over an empty nested table. */
static void svm_flush_vmcb_init(struct svm_cpu *c)
{
	struct vmcb *vmcb = c->flush;

	vmcb->intercept[2] = ~0U;
	vmcb->intercept[3] = ~0U & ~SVM_W3_CR0_SEL_WRITE;
	vmcb->intercept[4] = SVM_W4_VMRUN;
	vmcb->asid = 1;
	vmcb->tlb_control = SVM_TLB_FLUSH_ALL;
	vmcb->v_intr = SVM_V_INTR_MASKING;
	vmcb->np_control = SVM_NP_ENABLE;
	vmcb->n_cr3 = svm_page_pa(c->empty);
	vmcb->iopm_base_pa = vmcb->msrpm_base_pa = svm_page_pa(c->empty);
	vmcb->cs = (struct vmcb_seg) { .selector = 0xf000, .attrib = 0x9b, .limit = 0xffff, .base = 0xffff0000 };
	vmcb->ss = (struct vmcb_seg) { .attrib = 0x93, .limit = 0xffff };
	vmcb->ds = vmcb->es = vmcb->fs = vmcb->gs = vmcb->ss;
	vmcb->gdtr.limit = vmcb->idtr.limit = 0xffff;
	vmcb->ldtr = (struct vmcb_seg) { .attrib = 0x82, .limit = 0xffff };
	vmcb->tr = (struct vmcb_seg) { .attrib = 0x8b, .limit = 0xffff };
	vmcb->efer = EFER_SVME;
	vmcb->cr0 = X86_CR0_ET;
	vmcb->dr6 = 0xffff0ff0;
	vmcb->dr7 = 0x400;
	vmcb->rflags = 2;
	vmcb->rip = 0xfff0;
	vmcb->g_pat = 0x0007040600070406ULL;
}

int svm_cpu_init(int cpu)
{
	struct svm_cpu *c = per_cpu_ptr(&svm_cpus, cpu);
	gfp_t gfp = GFP_KERNEL | __GFP_ZERO;
	int node = cpu_to_node(cpu);

	c->hsave = alloc_pages_node(node, gfp, 0);
	c->host = alloc_pages_node(node, gfp, 0);
	c->empty = alloc_pages_node(node, gfp, 0);
	c->flush = (void *)get_zeroed_page(GFP_KERNEL);
	if (!c->hsave || !c->host || !c->empty || !c->flush)
		return -ENOMEM;
	c->own_hsave_pa = svm_page_pa(c->hsave);
	c->host_pa = svm_page_pa(c->host);
	svm_flush_vmcb_init(c);
	c->asid_generation = 1;
	c->asid_next = svm_asid_max + 1;	/* the first vCPU flushes all */
	return 0;
}

/* Before the CPUs */
void svm_asid_setup(void)
{
	/* ASID 0 is the host's; APM2 15.16 */
	svm_asid_max = cpuid_ebx(0x8000000a) - 1;
	if (!husk_mode(HUSK_MODE_TLB_TAG))
		svm_asid_max = 1;
}

/* Take the mark away before its page is freed. */
static void svm_cpu_unmark(void *unused)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);

	if (c->hsave && !svm_foreign() && husk_host_rdmsr(MSR_VM_HSAVE_PA) == c->own_hsave_pa)
		husk_host_wrmsr(MSR_VM_HSAVE_PA, 0);
}

void svm_cpus_unmark(void)
{
	on_each_cpu(svm_cpu_unmark, NULL, 1);
}

bool svm_foreign(void)
{
	return husk_host_rdmsr(MSR_EFER) & EFER_SVME;
}

/* From now on no vCPU has an ASID on this CPU. */
static void svm_asid_restart(struct svm_cpu *c)
{
	c->asid_generation++;
	c->asid_next = 1;
	c->flush_all = true;
}

static void svm_asid_draw(struct svm_vcpu *svm, struct svm_cpu *c)
{
	struct vmcb *vmcb = svm->vmcb;

	if (c->asid_next > svm_asid_max)
		svm_asid_restart(c);
	svm->asid_generation = c->asid_generation;
	vmcb->asid = c->asid_next++;
	vmcb->clean &= ~SVM_CLEAN_ASID;
}

void svm_open(struct husk_vcpu *vcpu)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);
	struct svm_vcpu *svm = to_svm(vcpu);

	c->efer = husk_host_rdmsr(MSR_EFER);
	c->foreign = c->efer & EFER_SVME;
	if (!c->foreign)
		husk_host_wrmsr(MSR_EFER, c->efer | EFER_SVME);
	c->hsave_pa = husk_host_rdmsr(MSR_VM_HSAVE_PA);
	if (c->hsave_pa != c->own_hsave_pa) {
		husk_host_wrmsr(MSR_VM_HSAVE_PA, c->own_hsave_pa);
		if (!c->foreign)
			svm_asid_restart(c);
	}
	if (unlikely(c->foreign)) {
		husk_vcpu_guard(vcpu);
		c->flush_all |= svm->departed;
		svm->departed = false;
	}
	if (svm->asid_generation != c->asid_generation)
		svm_asid_draw(svm, c);
	/* Whoever enters first flushes: who drew the first ASID may never enter, or on another CPU. */
	if (c->flush_all)
		svm->vmcb->tlb_control = SVM_TLB_FLUSH_ALL;
	/* FS, GS, TR and LDTR are loaded here, not by VMRUN. */
	if (vcpu->sys_dirty)
		svm_commit(svm);
	husk_svm_load(c->host_pa, svm->vmcb_pa, svm->gs_base);
}

void svm_close(struct husk_vcpu *vcpu)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);
	struct svm_vcpu *svm = to_svm(vcpu);

	husk_svm_unload(c->host_pa, svm->vmcb_pa, svm->gs_base);
	/* The guest's DR6 is still in the register; the host's #DB handler expects none of its sticky bits. */
	if (unlikely(svm->vmcb->dr6 != DR6_RESERVED))
		husk_host_reset_dr6();
	if (svm->vmcb->tlb_control == SVM_TLB_DO_NOTHING)
		c->flush_all = false;	/* there was an entry, and it flushed */
	if (c->foreign)
		husk_host_wrmsr(MSR_VM_HSAVE_PA, c->hsave_pa);
	else
		husk_host_wrmsr(MSR_EFER, c->efer);
}

void svm_flush(struct husk_vcpu *vcpu)
{
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;

	/* Never less than what is due already */
	if (vmcb->tlb_control != SVM_TLB_FLUSH_ALL)
		vmcb->tlb_control = husk_mode(HUSK_MODE_FLUSH_ASID) ? SVM_TLB_FLUSH_ASID : SVM_TLB_FLUSH_ALL;
}

/* Clean bits and ASIDs speak of one CPU. */
void svm_moved(struct husk_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->vmcb->clean = 0;
	svm->asid_generation = 0;
}

void svm_depart(struct husk_vcpu *vcpu)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);
	struct svm_vcpu *svm = to_svm(vcpu);
	unsigned long flags;
	u64 hsave_pa;

	if (svm->departed)
		return;
	svm->departed = true;
	if (!svm_foreign())
		return;
	local_irq_save(flags);
	hsave_pa = husk_host_rdmsr(MSR_VM_HSAVE_PA);
	husk_host_wrmsr(MSR_VM_HSAVE_PA, c->own_hsave_pa);
	husk_svm_flush_run(__sme_pa(c->flush));
	husk_host_restore_dr7();
	husk_host_wrmsr(MSR_VM_HSAVE_PA, hsave_pa);
	local_irq_restore(flags);
}
