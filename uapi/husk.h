/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * husk's user ABI: the ioctls of /dev/husk, of a VM fd, a vCPU fd and a disk fd, the
 * mapped run page and the mapped statistics.
 *
 * Rules that hold for every command
 *
 *  - Every struct begins with its size and a flags word. A shorter struct than
 *    the kernel's is taken as if zero-extended, down to the first version's
 *    size (EINVAL below that); a longer one must have a zero tail (E2BIG).
 *  - An unknown flag or class: EOPNOTSUPP. A non-zero reserved field or a value
 *    out of range: EINVAL. An unknown command: ENOTTY. No such id: ENOENT.
 *    A wrong state: EBUSY. A missing right: EPERM or EACCES. A dead VM: EIO.
 *  - VM, vCPU and disk fds are for the process that made the VM, whose memory is the
 *    guest's: EPERM in another one.
 *  - Addresses are __aligned_u64, never pointers. Padding must be zero.
 *
 * Units: addresses and lengths in bytes, times in nanoseconds unless named.
 */
#ifndef _UAPI_HUSK_H
#define _UAPI_HUSK_H

#include <linux/ioctl.h>
#include <linux/types.h>

#include "husk_bpf.h"

#define HUSK_ABI_VERSION	1

#define HUSK_NAME_LEN		64	/* with the terminating NUL */
#define HUSK_CONTROL_LEN	108	/* as sun_path of a unix socket */
#define HUSK_MODES_LEN		32

/*
 * Exit reasons, vendor-neutral. One list; the enum, the names, the trace
 * symbols and the CLI's columns expand from it. Append only.
 * X(constant, "name", what it is)
 */
#define HUSK_REASONS(X) \
	X(NONE,		"none",		"no exit yet") \
	X(EXTINT,	"extint",	"host interrupt") \
	X(NMI,		"nmi",		"host NMI") \
	X(CPUID,	"cpuid",	"CPUID") \
	X(HLT,		"hlt",		"HLT") \
	X(PIO,		"pio",		"IN, OUT, INS, OUTS") \
	X(RDMSR,	"rdmsr",	"RDMSR") \
	X(WRMSR,	"wrmsr",	"WRMSR") \
	X(HYPERCALL,	"hypercall",	"VMCALL or VMMCALL") \
	X(FAULT2,	"fault2",	"second-level page fault backed by a memory slot") \
	X(MMIO,		"mmio",		"second-level page fault outside the memory slots") \
	X(EXCEPTION,	"exception",	"intercepted guest exception") \
	X(INTR_WINDOW,	"intr_window",	"guest can take an interrupt") \
	X(NMI_WINDOW,	"nmi_window",	"guest can take an NMI") \
	X(SHUTDOWN,	"shutdown",	"triple fault") \
	X(CR_ACCESS,	"cr_access",	"MOV to or from a control register, CLTS, LMSW") \
	X(DR_ACCESS,	"dr_access",	"MOV to or from a debug register") \
	X(XSETBV,	"xsetbv",	"XSETBV") \
	X(CACHE,	"cache",	"INVD, WBINVD") \
	X(INVLPG,	"invlpg",	"INVLPG, INVLPGA") \
	X(RDPMC,	"rdpmc",	"RDPMC") \
	X(RDTSC,	"rdtsc",	"RDTSC, RDTSCP") \
	X(MWAIT,	"mwait",	"MONITOR, MWAIT") \
	X(PAUSE,	"pause",	"PAUSE") \
	X(TASK_SWITCH,	"task_switch",	"task switch") \
	X(VIRT_INSN,	"virt_insn",	"a VMX or SVM instruction of the guest") \
	X(INIT,		"init",		"INIT signal") \
	X(SMI,		"smi",		"SMI, RSM") \
	X(MCHECK,	"mcheck",	"host machine check") \
	X(APIC_ACCESS,	"apic_access",	"APIC write or EOI that the CPU has done and others must know of") \
	X(ENTRY_FAIL,	"entry_fail",	"the CPU refused the guest state") \
	X(OTHER,	"other",	"an exit reason husk does not know") \
	X(TIMER,	"timer",	"the guest's timer is due (VMX preemption timer)") \
	X(LOG_FULL,	"log_full",	"the CPU's log of written pages is full") \
	X(VIRTIO,	"virtio",	"no exit: a request to a disk, that programs decide (husk_bpf.h)")

enum husk_reason {
#define X(id, name, what) HUSK_REASON_##id,
	HUSK_REASONS(X)
#undef X
	HUSK_REASON_COUNT
};

/* Who served an exit. X(constant, "name", what) */
#define HUSK_LEVELS(X) \
	X(FAST,		"fast",		"the fast loop, interrupts off") \
	X(KERNEL,	"kernel",	"the common exit table, interrupts on") \
	X(WORKER,	"worker",	"the VM's process")

enum husk_level {
#define X(id, name, what) HUSK_LEVEL_##id,
	HUSK_LEVELS(X)
#undef X
	HUSK_LEVEL_COUNT
};

/*
 * CPU features that husk looks for; bits of husk_caps.modes and modes_usable,
 * each maskable by the module parameter mask=. X(constant, "name", what)
 * Not used yet: vgif, posted_intr, tsc_scaling, and AMD's apic_accel.
 */
#define HUSK_MODES(X) \
	X(VMX,		"vmx",		"Intel VT-x") \
	X(SVM,		"svm",		"AMD-V") \
	X(NESTED_PAGING, "nested_paging", "EPT or NPT") \
	X(UNRESTRICTED,	"unrestricted",	"guests may run without paging") \
	X(TLB_TAG,	"tlb_tag",	"VPID or ASIDs") \
	X(NRIPS,	"nrips",	"the CPU reports the next RIP") \
	X(DECODE,	"decode",	"the CPU reports instruction bytes") \
	X(FLUSH_ASID,	"flush_asid",	"flush by ASID or VPID") \
	X(HUGE_2M,	"huge_2m",	"2 MiB second-level leaves") \
	X(HUGE_1G,	"huge_1g",	"1 GiB second-level leaves") \
	X(AD_BITS,	"ad_bits",	"second-level accessed and dirty bits") \
	X(VGIF,		"vgif",		"virtual GIF") \
	X(APIC_ACCEL,	"apic_accel",	"the CPU virtualizes the local APIC") \
	X(POSTED_INTR,	"posted_intr",	"posted interrupts") \
	X(PREEMPT_TIMER, "preempt_timer", "VMX preemption timer") \
	X(PML,		"pml",		"page-modification logging") \
	X(TSC_SCALING,	"tsc_scaling",	"TSC scaling") \
	X(PAUSE_FILTER,	"pause_filter",	"pause-loop exiting or pause filter") \
	X(CLEAN_BITS,	"clean_bits",	"VMCB clean bits") \
	X(XSAVE,	"xsave",	"XSAVE for guests") \
	X(TPR_SHADOW,	"tpr_shadow",	"CR8 without exits")

enum husk_mode {
#define X(id, name, what) HUSK_MODE_##id,
	HUSK_MODES(X)
#undef X
	HUSK_MODE_COUNT
};

/* ---- /dev/husk -------------------------------------------------------- */

/**
 * struct husk_caps - HUSK_GET_CAPS: what this host and module can do
 * @size: sizeof(struct husk_caps)
 * @flags: 0
 * @abi_version: out, HUSK_ABI_VERSION
 * @max_vms: out, limit of VMs on this host (module parameter)
 * @max_vcpus: out, limit of vCPUs in a VM
 * @max_slots: out, limit of memory slots in a VM
 * @modes: out, bit HUSK_MODE_x: the CPU has it
 * @modes_usable: out, the CPU has it and the module may use it
 * @state_classes: out, bit HUSK_STATE_x: classes of HUSK_VCPU_GET_STATE
 * @guest_phys_bits: out, width of a guest physical address
 * @gsi_count: out, limit of global system interrupts (GSIs), and of routes, in a VM
 * @tsc_khz: out, the host's TSC frequency in kHz
 * @xcr0: out, XCR0 bits a guest may set (0: no XSAVE)
 * @xsave_size: out, bytes of the XSAVE area in state class FPU
 * @foreign_virt: out, 1 if another hypervisor has the CPU's mode on right now
 * @reserved: 0
 * @vm_state_classes: out, bit HUSK_VM_CLASS_x: classes of HUSK_VM_GET_STATE
 */
struct husk_caps {
	__u32 size;
	__u32 flags;
	__u32 abi_version;
	__u32 max_vms;
	__u32 max_vcpus;
	__u32 max_slots;
	__u64 modes;
	__u64 modes_usable;
	__u64 state_classes;
	__u32 guest_phys_bits;
	__u32 gsi_count;
	__u32 tsc_khz;
	__u32 xsave_size;
	__u64 xcr0;
	__u32 foreign_virt;
	__u32 reserved;
	__u64 vm_state_classes;
};

/**
 * struct husk_create_vm - HUSK_CREATE_VM: make a VM, return its fd
 * @size: sizeof(struct husk_create_vm)
 * @flags: 0
 * @uuid: label, RFC 4122 byte order; all zero: the kernel makes one
 * @name: label, NUL-terminated, 1..63 of [A-Za-z0-9._-], not starting with
 *	'-' or '.'; EEXIST if a live VM has it. Empty: "vm<id>"
 * @control: path of the worker's control socket, or empty
 * @id: out, the VM's number, never used twice while the module is loaded
 * @reserved: 0
 *
 * Errors: ENOSPC too many VMs, EEXIST name taken, EINVAL bad name.
 */
struct husk_create_vm {
	__u32 size;
	__u32 flags;
	__u8 uuid[16];
	char name[HUSK_NAME_LEN];
	char control[HUSK_CONTROL_LEN];
	__u32 id;
	__u64 reserved;
};

/**
 * struct husk_cpuid_entry - one CPUID leaf as the guest sees it
 * @function: EAX in
 * @index: ECX in; counts only if flags has HUSK_CPUID_INDEX
 * @flags: HUSK_CPUID_INDEX
 * @eax: out
 * @ebx: out
 * @ecx: out
 * @edx: out
 * @reserved: 0
 */
struct husk_cpuid_entry {
	__u32 function;
	__u32 index;
	__u32 flags;
	__u32 eax;
	__u32 ebx;
	__u32 ecx;
	__u32 edx;
	__u32 reserved;
};
#define HUSK_CPUID_INDEX	(1U << 0)
#define HUSK_CPUID_MAX		128

/**
 * struct husk_cpuid - HUSK_GET_CPUID (device), HUSK_VM_SET_CPUID (VM)
 * @size: sizeof(struct husk_cpuid)
 * @flags: 0
 * @count: number of entries at @entries; on GET in: room, out: filled
 *	(E2BIG, and the number needed here, if the room is too small)
 * @reserved: 0
 * @entries: address of an array of struct husk_cpuid_entry
 *
 * GET answers the leaves that husk supports on this host. SET fixes what the
 * guest sees, before the first vCPU is created (EBUSY after). The kernel fills
 * in what changes at run time: the APIC id, OSXSAVE, the XSAVE sizes.
 */
struct husk_cpuid {
	__u32 size;
	__u32 flags;
	__u32 count;
	__u32 reserved;
	__aligned_u64 entries;
};

/* ---- VM fd ------------------------------------------------------------ */

/**
 * struct husk_memory - HUSK_VM_SET_MEMORY: make, replace or delete a slot
 * @size: sizeof(struct husk_memory)
 * @flags: HUSK_MEM_READONLY: the guest's writes come to the worker as MMIO.
 *	HUSK_MEM_LOG_DIRTY: keep a log of the pages that are written, for
 *	HUSK_VM_HARVEST. Setting the slot again switches the log on or off; if it
 *	was on, it begins anew
 * @slot: 0 .. max_slots-1
 * @reserved: 0
 * @gpa: guest physical address, 4 KiB aligned
 * @length: bytes, 4 KiB aligned; 0 deletes the slot (ENOENT if not there)
 * @hva: the caller's virtual address of the backing, 4 KiB aligned
 *
 * While a slot is logged the guest's memory is mapped by pages of 4 KiB, and the
 * log takes a bit for each: kernel memory, charged to the caller. A logged slot is
 * at most four times as large as the host's memory (ENOMEM).
 *
 * Errors: EINVAL alignment, wrap, beyond guest_phys_bits or over the local
 * APIC's or IOAPIC's page; EEXIST overlap with another slot; ENOMEM.
 */
struct husk_memory {
	__u32 size;
	__u32 flags;
	__u32 slot;
	__u32 reserved;
	__u64 gpa;
	__u64 length;
	__aligned_u64 hva;
};
#define HUSK_MEM_READONLY	(1U << 0)
#define HUSK_MEM_LOG_DIRTY	(1U << 1)

/**
 * struct husk_harvest - HUSK_VM_HARVEST: get and clear a part of a slot's log
 * @size: sizeof(struct husk_harvest)
 * @flags: 0
 * @slot: its number; ENOENT if not there, EBUSY if it is not logged
 * @reserved: 0
 * @first: first page of the part, counted from the slot's start; a multiple of 64
 * @pages: 1 .. HUSK_HARVEST_MAX; a multiple of 64, unless the part ends where
 *	the slot does
 * @dirty: out, number of bits that are set
 * @bitmap: address of an array of __u64, one for 64 pages or the rest: bit n % 64
 *	of word n / 64 is set if page @first + n was written
 *
 * A write that was done before the call is in this answer or an earlier one. One
 * that comes after it sets the bit anew: who reads the page's content after the
 * call and harvests again has lost nothing. Pages may be reported that were
 * not written (a CPU may count a walk over the guest's page tables as writes).
 *
 * Logged are writes by the guest at this slot's addresses, and those that the
 * kernel does for it. Not logged: what the worker, or anyone else, writes
 * through a mapping of its own, and writes through another slot with the same
 * memory.
 *
 * Errors: EINVAL a part that is not as said above, EFAULT @bitmap can't be written
 * (nothing is cleared), ENOMEM. EFAULT also if this struct can't be written: then
 * @bitmap is the answer.
 */
struct husk_harvest {
	__u32 size;
	__u32 flags;
	__u32 slot;
	__u32 reserved;
	__u64 first;
	__u64 pages;
	__u64 dirty;
	__aligned_u64 bitmap;
};
#define HUSK_HARVEST_MAX	(1U << 18)	/* 1 GiB, a bitmap of 32 KiB */

/**
 * struct husk_create_vcpu - HUSK_VM_CREATE_VCPU: make a vCPU, return its fd
 * @size: sizeof(struct husk_create_vcpu)
 * @flags: 0
 * @id: number and APIC id, below max_vcpus; EEXIST if taken
 * @reserved: 0
 *
 * vCPU 0 starts at the reset vector, the others wait for INIT/SIPI.
 */
struct husk_create_vcpu {
	__u32 size;
	__u32 flags;
	__u32 id;
	__u32 reserved;
};

/**
 * struct husk_irq_line - HUSK_VM_IRQ_LINE: set the level of an interrupt input
 * @size: sizeof(struct husk_irq_line)
 * @flags: 0
 * @gsi: 0 .. gsi_count-1; ENOENT if it has no route. See HUSK_VM_SET_ROUTES
 * @level: 0 or 1. A route to an MSI sends it for 1 and ignores 0
 *
 * An input is asserted while anyone asserts it: this command, an irqfd, a chip.
 */
struct husk_irq_line {
	__u32 size;
	__u32 flags;
	__u32 gsi;
	__u32 level;
};

/**
 * struct husk_msi - HUSK_VM_SIGNAL_MSI: deliver one message-signalled interrupt
 * @size: sizeof(struct husk_msi)
 * @flags: 0
 * @address: MSI address, SDM 3A 11.11.1
 * @data: MSI data, SDM 3A 11.11.2
 * @reserved: 0
 */
struct husk_msi {
	__u32 size;
	__u32 flags;
	__u64 address;
	__u32 data;
	__u32 reserved;
};

/* Where a GSI goes. X(constant, "name", what) */
#define HUSK_ROUTE_KINDS(X) \
	X(PIC_MASTER,	"pic-master",	"input 0..7, but 2, of the 8259 at 20h") \
	X(PIC_SLAVE,	"pic-slave",	"input 0..7 of the 8259 at a0h") \
	X(IOAPIC,	"ioapic",	"pin 0..23") \
	X(MSI,		"msi",		"a message")

enum husk_route_kind {
#define X(id, name, what) HUSK_ROUTE_##id,
	HUSK_ROUTE_KINDS(X)
#undef X
	HUSK_ROUTE_KIND_COUNT
};

/**
 * struct husk_route - one route of a GSI
 * @gsi: 0 .. gsi_count-1
 * @kind: HUSK_ROUTE_x
 * @pin: of a chip; 0 for an MSI
 * @data: of an MSI; else 0
 * @address: likewise; the two are what HUSK_VM_SIGNAL_MSI takes
 * @reserved: 0
 */
struct husk_route {
	__u32 gsi;
	__u32 kind;
	__u32 pin;
	__u32 data;
	__u64 address;
	__u64 reserved;
};

/**
 * struct husk_routes - HUSK_VM_SET_ROUTES: replace all routes of the VM
 * @size: sizeof(struct husk_routes)
 * @flags: 0
 * @count: 0 .. gsi_count
 * @reserved: 0
 * @routes: address of an array of struct husk_route, in any order
 *
 * A GSI may go to one input of each chip, or to one MSI (EINVAL otherwise). A VM
 * begins with: GSI 0..15, but 2, to the same input of the 8259 pair; GSI 0 to pin
 * 2 of the IOAPIC, 1 and 3..23 to the pin of that number. A level that was set
 * before the call stays where it was set. The 8254 is GSI 0.
 *
 * Errors: EINVAL, EFAULT, ENOMEM; then the routes stay as they were.
 */
struct husk_routes {
	__u32 size;
	__u32 flags;
	__u32 count;
	__u32 reserved;
	__aligned_u64 routes;
};

/**
 * struct husk_irqfd - HUSK_VM_IRQFD: an eventfd whose signals are a GSI
 * @size: sizeof(struct husk_irqfd)
 * @flags: HUSK_IRQFD_DEASSIGN: undo it, for the same @fd and @gsi (ENOENT); once the
 *	call has returned no signal reaches the VM. HUSK_IRQFD_RESAMPLE: @resample is
 *	one, for a level-triggered interrupt
 * @fd: an eventfd; its file may be closed afterwards, which undoes it, too, when
 *	nobody else has it open
 * @gsi: 0 .. gsi_count-1; needs no route yet
 * @resample: with HUSK_IRQFD_RESAMPLE an eventfd, which tells the device that
 *	the interrupt was served; else 0
 * @reserved: 0
 *
 * A signal raises the GSI and lowers it again. With HUSK_IRQFD_RESAMPLE it stays
 * raised until the guest ends the interrupt (EOI to the IOAPIC pin or the 8259
 * input that it is routed to): then it is lowered and @resample is signalled, so
 * that the device can raise it again if it still has reason to. HUSK_VM_RESET
 * does likewise.
 *
 * Errors: EBADF; EINVAL not an eventfd; EBUSY @fd is an irqfd of this VM already;
 * ENOSPC more than gsi_count, or than HUSK_RESAMPLES_MAX with HUSK_IRQFD_RESAMPLE; ENOMEM.
 */
struct husk_irqfd {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 gsi;
	__s32 resample;
	__u32 reserved;
};
#define HUSK_IRQFD_DEASSIGN	(1U << 0)
#define HUSK_IRQFD_RESAMPLE	(1U << 1)
#define HUSK_RESAMPLES_MAX	128

/**
 * struct husk_ioeventfd - HUSK_VM_IOEVENTFD: a guest's write signals an eventfd
 * @size: sizeof(struct husk_ioeventfd)
 * @flags: HUSK_IOEVENTFD_PIO: @addr is a port, else a guest physical address.
 *	HUSK_IOEVENTFD_MATCH: only writes of @data. HUSK_IOEVENTFD_DEASSIGN: undo it,
 *	for arguments equal to those that it was made with (ENOENT).
 *	HUSK_IOEVENTFD_DIRECT: @fd is a disk of this VM
 * @fd: an eventfd; stays in use until it is undone or the VM ends. Or a disk, whose
 *	thread looks at its queues then (as by HUSK_DISK_KICK); undone, too, when the disk ends
 * @width: of the write: 1, 2, 4, or 8 (not for ports), or 0 for any, without
 *	HUSK_IOEVENTFD_MATCH
 * @addr: first byte
 * @data: with HUSK_IOEVENTFD_MATCH, within @width; else 0
 *
 * A write that fits is done by that: nobody else sees it, and the guest goes on.
 * Addresses are those outside of memory slots; an interrupt chip of the kernel
 * that has the address is served first.
 *
 * Errors: EBADF; EINVAL; EEXIST a write could fit two; ENOSPC more than
 * HUSK_IOEVENTFDS_MAX of ports or of memory; ENOMEM.
 */
struct husk_ioeventfd {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 width;
	__u64 addr;
	__u64 data;
};
#define HUSK_IOEVENTFD_PIO	(1U << 0)
#define HUSK_IOEVENTFD_MATCH	(1U << 1)
#define HUSK_IOEVENTFD_DEASSIGN	(1U << 2)
#define HUSK_IOEVENTFD_DIRECT	(1U << 3)
#define HUSK_IOEVENTFDS_MAX	1024

/**
 * struct husk_create_disk - HUSK_VM_CREATE_DISK: the data path of a virtio block device, or of a pvSCSI adapter with one disk
 * @size: sizeof(struct husk_create_disk)
 * @flags: HUSK_DISK_READONLY
 * @fd: a regular file or a block device, open with O_DIRECT (and not O_APPEND) for reading, and
 *	for writing unless READONLY; may be closed afterwards
 * @queues: 1 .. HUSK_DISK_QUEUES_MAX
 * @bytes: of the disk, a multiple of 512, not 0
 * @serial: what the guest reads as the device's id; padded with 0
 * @number: of the disk in its VM, for tracepoints and programs (husk_bpf.h); the owner's choice
 *
 * The kernel serves the device's queues (virtio 1.2, 5.2; or HUSK_DISK_START_PVSCSI): it takes the requests from guest
 * memory, has the file's file system or driver do them, and gives them back. What else a device has (its
 * configuration, its interrupts' table) is the owner's, and so is the thread: see HUSK_DISK_RUN.
 *
 * A buffer whose addresses or lengths are no multiples of 512 is copied. A discard, or a write of
 * zeroes, does what the file can: zeroes are written where it makes none itself.
 *
 * Return: the disk's fd, which holds the VM. Its last close waits for what is in flight.
 *
 * Errors: EBADF; EINVAL, not such a file; EACCES, it is not open for that; ENOMEM, EMFILE.
 */
struct husk_create_disk {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 queues;
	__u64 bytes;
	__u8 serial[20];
	__u32 number;
};
#define HUSK_DISK_READONLY	(1U << 0)
#define HUSK_DISK_QUEUES_MAX	16

/**
 * struct husk_disk_start - HUSK_DISK_START: serve a queue
 * @size: sizeof(struct husk_disk_start)
 * @flags: 0
 * @index: 0 .. queues-1
 * @entries: a power of two, up to 256
 * @last_avail: index of the first chain to be taken; 0 for a queue that is new
 * @used: number of chains given back, modulo 2^16; likewise
 * @reserved: 0
 * @features: as negotiated (virtio 1.2, 2.2 and 5.2.3). Without VIRTIO_BLK_F_FLUSH writes are
 *	stable when they are done
 * @desc: guest address of the descriptors
 * @avail: of the driver's part
 * @used_part: of the device's part
 *
 * Errors: EBUSY, it is served already; EINVAL; EFAULT, a part of it is not in guest memory; ENOMEM.
 */
struct husk_disk_start {
	__u32 size;
	__u32 flags;
	__u32 index;
	__u16 entries;
	__u16 last_avail;
	__u16 used;
	__u16 reserved[3];
	__u64 features;
	__u64 desc;
	__u64 avail;
	__u64 used_part;
};

/**
 * struct husk_disk_start_pvscsi - HUSK_DISK_START_PVSCSI: serve a queue, which is the rings of a pvSCSI adapter
 * @size: sizeof(struct husk_disk_start_pvscsi)
 * @flags: 0
 * @index: 0 .. queues-1
 * @requests: pages of the ring of requests: a power of two, up to 32
 * @completions: of the ring of completions: likewise
 * @block: bytes of a block of the disk: a power of two, 512 .. 4096, of which the disk has whole ones
 * @physical: bytes that the disk writes at once: a power of two, not less than @block, up to 1 GiB
 * @reserved: 0
 * @pages: address of as many u64: the number of the guest's page with the indices of both rings, then of those of
 *	requests, then of completions
 *
 * The disk is unit 0 of target 0 of the adapter; others are not there. The kernel understands the SCSI commands.
 * A queue goes on where the indices in its page are, which the owner makes 0 for one that is new, and writes the
 * rings' sizes there. HUSK_DISK_STOP leaves the indices of all that was taken and given back there, and answers 0 for
 * those of virtio.
 *
 * Errors: EBUSY, it is served already; EINVAL; EFAULT, a page of it is not in guest memory; ENOMEM.
 */
struct husk_disk_start_pvscsi {
	__u32 size;
	__u32 flags;
	__u32 index;
	__u32 requests;
	__u32 completions;
	__u32 block;
	__u32 physical;
	__u32 reserved;
	__u64 pages;
};

/**
 * struct husk_disk_stop - HUSK_DISK_STOP: do not serve a queue any longer
 * @size: sizeof(struct husk_disk_stop)
 * @flags: 0
 * @index: 0 .. queues-1
 * @last_avail: out: as HUSK_DISK_START takes it
 * @used: out: likewise
 *
 * Waits until no request of the queue is in flight: then the kernel has let go of guest memory.
 *
 * Errors: EINVAL; EBUSY, it is not served; EINTR, a fatal signal.
 */
struct husk_disk_stop {
	__u32 size;
	__u32 flags;
	__u32 index;
	__u16 last_avail;
	__u16 used;
};

/**
 * struct husk_disk_call - HUSK_DISK_SET_CALL: how a queue interrupts its driver
 * @size: sizeof(struct husk_disk_call)
 * @flags: HUSK_DISK_CALL_GSI: raise and lower @gsi. HUSK_DISK_CALL_EVENTFD: signal @fd. Without: not at all
 * @index: 0 .. queues-1
 * @gsi: with HUSK_DISK_CALL_GSI 0 .. gsi_count-1; else 0
 * @fd: with HUSK_DISK_CALL_EVENTFD an eventfd; else 0
 * @reserved: 0
 *
 * At any time: what the queue has to tell goes the one way or the other.
 *
 * Errors: EINVAL; EBADF; EINTR, a fatal signal.
 */
struct husk_disk_call {
	__u32 size;
	__u32 flags;
	__u32 index;
	__u32 gsi;
	__s32 fd;
	__u32 reserved;
};
#define HUSK_DISK_CALL_GSI	(1U << 0)
#define HUSK_DISK_CALL_EVENTFD	(1U << 1)

/**
 * struct husk_disk_kick - HUSK_DISK_KICK: look at the queues
 * @size: sizeof(struct husk_disk_kick)
 * @flags: 0
 * @reserved: 0
 *
 * For a driver's notification that did not come by HUSK_IOEVENTFD_DIRECT.
 */
struct husk_disk_kick {
	__u32 size;
	__u32 flags;
	__u64 reserved;
};

/**
 * struct husk_disk_run - HUSK_DISK_RUN: serve the queues
 * @size: sizeof(struct husk_disk_run)
 * @flags: 0
 * @broken: out: a bit for each queue whose driver broke the rules since the last call. It is
 *	served no more; the device needs a reset
 * @error: out: an errno: the file failed a request, the first one since the last call. 0: none did
 * @type: out: of that request (virtio 1.2, 5.2.6)
 * @reserved: 0
 * @offset: out: of it, in bytes
 * @length: out: likewise
 *
 * The calling thread does the work, but for that of HUSK_DISK_WORK's, and so what that costs is its own. It stays in the kernel while
 * there is a queue that is served and nothing to tell: 0 then. What was to be told when no queue is served is told
 * by the next call.
 *
 * Errors: EBUSY, another thread is at it; EINTR, a signal: call again; requests in flight
 * go on meanwhile. EINVAL; EIO.
 */
struct husk_disk_run {
	__u32 size;
	__u32 flags;
	__u32 broken;
	__s32 error;
	__u32 type;
	__u32 reserved;
	__u64 offset;
	__u64 length;
};

/**
 * struct husk_disk_work - HUSK_DISK_WORK: do what may take long
 * @size: sizeof(struct husk_disk_work)
 * @flags: 0
 * @reserved: 0
 *
 * A second thread, for flushes, discards and zeroes, so that reads and writes go on meanwhile. It stays in the kernel
 * while there is a queue that is served: 0 then. Without it the thread of HUSK_DISK_RUN does them, one after the other.
 * What it has taken waits for it when it comes back with an error.
 *
 * Errors: EBUSY, another thread is at it; EINTR, a signal: call again. EINVAL; EIO.
 */
struct husk_disk_work {
	__u32 size;
	__u32 flags;
	__u64 reserved;
};

/**
 * struct husk_disk_limit - HUSK_DISK_SET_LIMIT: how much a second
 * @size: sizeof(struct husk_disk_limit)
 * @flags: 0
 * @requests: a second, up to 10^9; 0: no limit
 * @requests_burst: at once, up to 2^32; 0: as many as in a tenth of a second
 * @bytes: of reads and writes a second, 4096 to 2^40; 0: no limit
 * @bytes_burst: at once, up to 2^40; 0: likewise
 *
 * Of all queues together. What is over it waits in its queue.
 *
 * Errors: EINVAL; EINTR, a fatal signal.
 */
struct husk_disk_limit {
	__u32 size;
	__u32 flags;
	__u64 requests;
	__u64 requests_burst;
	__u64 bytes;
	__u64 bytes_burst;
};

#define HUSK_DISK_BUCKETS	32

/**
 * struct husk_disk_times - how long requests took that succeeded, from being taken to being given back
 * @ns: all together
 * @times: those that took 2^n .. 2^(n+1) - 1 ns; the first also has those that took none, the last those that took more
 */
struct husk_disk_times {
	__u64 ns;
	__u64 times[HUSK_DISK_BUCKETS];
};

enum { HUSK_DISK_TIMES_READ, HUSK_DISK_TIMES_WRITE, HUSK_DISK_TIMES_OTHER, HUSK_DISK_TIMES_COUNT };

/**
 * struct husk_disk_stats - HUSK_DISK_GET_STATS: what was done since the disk was made
 * @size: sizeof(struct husk_disk_stats)
 * @flags: 0
 * @reads: that succeeded, as the next four
 * @read_bytes: by these
 * @writes: likewise
 * @write_bytes: likewise
 * @flushes: likewise
 * @ranges: discards and writes of zeroes
 * @errors: requests that failed
 * @copied: reads and writes whose buffer was copied
 * @calls: interrupts
 * @sleeps: times that the thread slept
 * @polls: times that it waited awake and work came
 * @in_flight: requests, now
 * @times: address of HUSK_DISK_TIMES_COUNT times struct husk_disk_times, which are filled in; 0: not asked for
 *
 * Errors: EFAULT; EINTR, a fatal signal.
 */
struct husk_disk_stats {
	__u32 size;
	__u32 flags;
	__u64 reads;
	__u64 read_bytes;
	__u64 writes;
	__u64 write_bytes;
	__u64 flushes;
	__u64 ranges;
	__u64 errors;
	__u64 copied;
	__u64 calls;
	__u64 sleeps;
	__u64 polls;
	__u64 in_flight;
	__u64 times;
};

/**
 * struct husk_reset - HUSK_VM_RESET: vCPUs and interrupt hardware to power-on state
 * @size: sizeof(struct husk_reset)
 * @flags: 0
 * @reserved: 0
 *
 * Memory slots, CPUID, routes and eventfds stay, and so does what is in memory.
 * Inputs of the interrupt controllers keep their levels, but those of irqfds. The guest's TSC begins at 0.
 *
 * While it lasts HUSK_VCPU_RUN answers EBUSY.
 *
 * Errors: EBUSY while a vCPU runs or its state is got or set: nothing is reset then, so stop all first.
 */
struct husk_reset {
	__u32 size;
	__u32 flags;
	__u64 reserved;
};

/* ---- vCPU fd ---------------------------------------------------------- */

struct husk_segment {
	__u64 base;
	__u32 limit;		/* in bytes, scaled by G already */
	__u16 selector;
	__u16 attr;		/* descriptor bits 40..47 in 0..7, 52..55 in 8..11 (APM2 15.5) */
};

struct husk_table {
	__u64 base;
	__u16 limit;
	__u16 reserved[3];
};

/* General registers in the order of their encoding: rax rcx rdx rbx rsp rbp rsi rdi r8..r15 */
struct husk_general {
	__u64 gpr[16];
	__u64 rip;
	__u64 rflags;
};

struct husk_system {
	struct husk_segment es, cs, ss, ds, fs, gs, ldtr, tr;
	struct husk_table gdtr, idtr;
	__u64 cr0, cr2, cr3, cr4, cr8;
	__u64 efer;
	__u64 dr[4];
	__u64 dr6, dr7;
	__u64 xcr0;
};

struct husk_fpu {
	__u32 length;		/* bytes used of data: husk_caps.xsave_size */
	__u32 reserved;
	__u8 data[4088];	/* standard-format XSAVE area (SDM 1 13.4), 64-byte header at 512 */
};

struct husk_msr {
	__u32 index;
	__u32 reserved;
	__u64 value;
};
#define HUSK_MSRS_MAX	64
struct husk_msrs {
	__u32 count;
	__u32 reserved;
	struct husk_msr msr[HUSK_MSRS_MAX];
};

struct husk_lapic_state {
	__u64 apic_base;	/* IA32_APIC_BASE */
	__u64 tsc_deadline;	/* IA32_TSC_DEADLINE, 0: not armed */
	__u32 timer_left;	/* current count of the one-shot or periodic timer */
	__u32 reserved;
	__u32 regs[64];		/* register at offset 16*n of the xAPIC page (SDM 3A 11.4.1) */
};

/* mp_state */
#define HUSK_MP_RUNNABLE	0
#define HUSK_MP_HALTED		1
#define HUSK_MP_WAIT_SIPI	2
#define HUSK_MP_WAIT_INIT	3

struct husk_vcpu_events {
	__u8 exception_pending;
	__u8 exception_vector;
	__u8 exception_has_error;
	__u8 interrupt_pending;	/* an interrupt taken from the APIC, not yet delivered */
	__u8 interrupt_vector;
	__u8 nmi_pending;
	__u8 nmi_masked;
	__u8 interrupt_shadow;	/* 1: STI or MOV SS shadow */
	__u32 exception_error;
	__u32 mp_state;
	__u64 exception_cr2;
};

struct husk_clock {
	__u64 tsc;		/* guest TSC now */
	__u64 ns;		/* CLOCK_MONOTONIC at that moment; SET: not in the future, 0 for now */
};

/*
 * State classes. X(constant, "name", payload struct, version)
 * Registers' order and the records' form are also the snapshot format.
 */
#define HUSK_STATES(X) \
	X(GENERAL,	"general",	struct husk_general,	1) \
	X(SYSTEM,	"system",	struct husk_system,	1) \
	X(FPU,		"fpu",		struct husk_fpu,	1) \
	X(MSRS,		"msrs",		struct husk_msrs,	1) \
	X(LAPIC,	"lapic",	struct husk_lapic_state, 1) \
	X(EVENTS,	"events",	struct husk_vcpu_events, 1) \
	X(CLOCK,	"clock",	struct husk_clock,	1)

enum husk_state_class {
#define X(id, name, type, version) HUSK_STATE_##id,
	HUSK_STATES(X)
#undef X
	HUSK_STATE_COUNT
};

/* A record in the buffer: this header, then the payload, each a multiple of 8 bytes. */
struct husk_state_record {
	__u32 class_id;
	__u32 version;
	__u32 length;		/* of the payload */
	__u32 reserved;
};

/**
 * struct husk_state - HUSK_VCPU_GET_STATE, HUSK_VCPU_SET_STATE, HUSK_VM_GET_STATE, HUSK_VM_SET_STATE
 * @size: sizeof(struct husk_state)
 * @flags: 0
 * @classes: GET: bits HUSK_STATE_x wanted. SET: bits that the buffer must hold,
 *	no more and no fewer (EINVAL)
 * @length: bytes at @buffer; GET: in room, out bytes written (E2BIG and the
 *	bytes needed here if the room is too small)
 * @reserved: 0
 * @buffer: address of the records
 *
 * SET checks all records before it applies any. EBUSY while the vCPU runs. The
 * classes of a VM are below.
 */
struct husk_state {
	__u32 size;
	__u32 flags;
	__u64 classes;
	__u32 length;
	__u32 reserved;
	__aligned_u64 buffer;
};

/* The IOAPIC */
struct husk_ioapic_state {
	__u8 select;		/* its register that the window shows */
	__u8 id;
	__u8 reserved[6];
	__u32 lines;		/* inputs asserted by HUSK_VM_IRQ_LINE, a bit each */
	__u32 resample;		/* inputs asserted by irqfds until their EOI */
	__u64 entry[24];	/* redirection table; bit 14, Remote IRR, is set as it is */
};

/* An 8259; inputs are a bit each */
struct husk_pic_chip_state {
	__u8 lines, resample;	/* as above */
	__u8 irr, isr, imr;	/* irr of a level-triggered input follows from its lines */
	__u8 elcr;		/* 1: level triggered */
	__u8 base;		/* vector of input 0 */
	__u8 lowest;		/* input with the lowest priority */
	__u8 init_step;		/* the ICW that is next: 2, 3, 4; 0: it is set up */
	__u8 flags;		/* HUSK_PIC_x */
	__u8 reserved[6];
};
#define HUSK_PIC_NEED_ICW4	(1U << 0)
#define HUSK_PIC_SINGLE		(1U << 1)
#define HUSK_PIC_READ_ISR	(1U << 2)
#define HUSK_PIC_POLL		(1U << 3)
#define HUSK_PIC_AUTO_EOI	(1U << 4)
#define HUSK_PIC_ROTATE		(1U << 5)	/* in automatic EOI */
#define HUSK_PIC_NESTED		(1U << 6)	/* special fully nested */
#define HUSK_PIC_SPECIAL_MASK	(1U << 7)

struct husk_pic_state {
	struct husk_pic_chip_state chip[2];	/* master, slave */
};

/* A counter of the 8254 */
struct husk_pit_channel_state {
	__u64 elapsed;		/* ticks of 1193182 Hz since the count began; below 2^18 */
	__u32 count;		/* 1..65536; 0: none yet */
	__u32 next;		/* likewise: the count that comes after it */
	__u16 latch;
	__u8 status;		/* latched */
	__u8 access;		/* 1 low byte, 2 high byte, 3 both */
	__u8 mode;		/* 0..5 */
	__u8 low;		/* the byte that was written first */
	__u16 flags;		/* HUSK_PIT_x */
};
#define HUSK_PIT_BCD		(1U << 0)
#define HUSK_PIT_GATE		(1U << 1)
#define HUSK_PIT_COUNTING	(1U << 2)
#define HUSK_PIT_LATCHED	(1U << 3)
#define HUSK_PIT_STATUS_LATCHED	(1U << 4)
#define HUSK_PIT_READ_HIGH	(1U << 5)	/* the high byte is next */
#define HUSK_PIT_WRITE_HIGH	(1U << 6)

struct husk_pit_state {
	struct husk_pit_channel_state channel[3];
	__u8 port61;		/* bits 3:0 */
	__u8 reserved[7];
};

/*
 * The TSC that vCPUs begin with; one that is there has a clock of its own, class CLOCK of the vCPU.
 * And the paravirtual clock, which is the VM's.
 */
struct husk_vm_clock {
	__u64 tsc;		/* guest TSC now */
	__u64 ns;		/* CLOCK_MONOTONIC at that moment; SET: not in the future, 0 for now */
	__u32 tsc_khz;		/* SET: the host's, or 0 */
	__u32 reserved0;
	__u64 pv_ns;		/* the guest's kvmclock, at that moment */
	__u64 reserved[4];
};

/* State classes of a VM. X(constant, "name", payload struct, version) */
#define HUSK_VM_CLASSES(X) \
	X(IOAPIC,	"ioapic",	struct husk_ioapic_state, 1) \
	X(PIC,		"pic",		struct husk_pic_state,	1) \
	X(PIT,		"pit",		struct husk_pit_state,	1) \
	X(CLOCK,	"clock",	struct husk_vm_clock,	1)

enum husk_vm_class {
#define X(id, name, type, version) HUSK_VM_CLASS_##id,
	HUSK_VM_CLASSES(X)
#undef X
	HUSK_VM_CLASS_COUNT
};

/*
 * HUSK_VM_GET_STATE, HUSK_VM_SET_STATE: struct husk_state with classes
 * HUSK_VM_CLASS_x. Each chip is read or set at one moment; the VM may run, but
 * only if it does not do all classes belong together. Interrupts on their way
 * between the chips are in the local APICs, which are of the vCPUs.
 */

/**
 * struct husk_translate - HUSK_VCPU_TRANSLATE: walk the guest's page tables
 * @size: sizeof(struct husk_translate)
 * @flags: 0
 * @gva: guest virtual address
 * @gpa: out, guest physical address
 * @valid: out, 1 if mapped
 * @reserved: 0
 */
struct husk_translate {
	__u32 size;
	__u32 flags;
	__u64 gva;
	__u64 gpa;
	__u32 valid;
	__u32 reserved;
};

/* Sizes are ABI */
#define HUSK_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), #type)
HUSK_ASSERT_SIZE(husk_caps, 88);
HUSK_ASSERT_SIZE(husk_create_vm, 208);
HUSK_ASSERT_SIZE(husk_cpuid_entry, 32);
HUSK_ASSERT_SIZE(husk_cpuid, 24);
HUSK_ASSERT_SIZE(husk_memory, 40);
HUSK_ASSERT_SIZE(husk_harvest, 48);
HUSK_ASSERT_SIZE(husk_create_vcpu, 16);
HUSK_ASSERT_SIZE(husk_irq_line, 16);
HUSK_ASSERT_SIZE(husk_msi, 24);
HUSK_ASSERT_SIZE(husk_route, 32);
HUSK_ASSERT_SIZE(husk_routes, 24);
HUSK_ASSERT_SIZE(husk_irqfd, 24);
HUSK_ASSERT_SIZE(husk_ioeventfd, 32);
HUSK_ASSERT_SIZE(husk_reset, 16);
HUSK_ASSERT_SIZE(husk_general, 144);
HUSK_ASSERT_SIZE(husk_system, 264);
HUSK_ASSERT_SIZE(husk_fpu, 4096);
HUSK_ASSERT_SIZE(husk_msrs, 1032);
HUSK_ASSERT_SIZE(husk_lapic_state, 280);
HUSK_ASSERT_SIZE(husk_vcpu_events, 24);
HUSK_ASSERT_SIZE(husk_state, 32);
HUSK_ASSERT_SIZE(husk_ioapic_state, 208);
HUSK_ASSERT_SIZE(husk_pic_state, 32);
HUSK_ASSERT_SIZE(husk_pit_state, 80);
HUSK_ASSERT_SIZE(husk_vm_clock, 64);
HUSK_ASSERT_SIZE(husk_translate, 32);
HUSK_ASSERT_SIZE(husk_create_disk, 48);
HUSK_ASSERT_SIZE(husk_disk_start, 56);
HUSK_ASSERT_SIZE(husk_disk_start_pvscsi, 40);
HUSK_ASSERT_SIZE(husk_disk_stop, 16);
HUSK_ASSERT_SIZE(husk_disk_call, 24);
HUSK_ASSERT_SIZE(husk_disk_kick, 16);
HUSK_ASSERT_SIZE(husk_disk_run, 40);
HUSK_ASSERT_SIZE(husk_disk_times, 264);
HUSK_ASSERT_SIZE(husk_disk_limit, 40);
HUSK_ASSERT_SIZE(husk_disk_stats, 112);

/*
 * Commands. One list: the kernel's table, the tests of bad input and strace-like
 * tools expand from it. X(NAME, nr, object, struct, first size, known flags)
 * The size is in the struct, so the number does not change when a struct
 * grows. HUSK_VCPU_RUN takes no argument (EINVAL unless 0).
 */
#define HUSK_IOCTLS(X) \
	X(GET_CAPS,		0x00, DEV,  husk_caps,		80, 0) \
	X(CREATE_VM,		0x01, DEV,  husk_create_vm,	208, 0) \
	X(GET_CPUID,		0x02, DEV,  husk_cpuid,		24, 0) \
	X(VM_SET_MEMORY,	0x10, VM,   husk_memory,	40, HUSK_MEM_READONLY | HUSK_MEM_LOG_DIRTY) \
	X(VM_CREATE_VCPU,	0x11, VM,   husk_create_vcpu,	16, 0) \
	X(VM_SET_CPUID,		0x12, VM,   husk_cpuid,		24, 0) \
	X(VM_IRQ_LINE,		0x13, VM,   husk_irq_line,	16, 0) \
	X(VM_SIGNAL_MSI,	0x14, VM,   husk_msi,		24, 0) \
	X(VM_HARVEST,		0x15, VM,   husk_harvest,	48, 0) \
	X(VM_RESET,		0x16, VM,   husk_reset,		16, 0) \
	X(VM_SET_ROUTES,	0x17, VM,   husk_routes,	24, 0) \
	X(VM_IRQFD,		0x18, VM,   husk_irqfd,		24, HUSK_IRQFD_DEASSIGN | HUSK_IRQFD_RESAMPLE) \
	X(VM_IOEVENTFD,		0x19, VM,   husk_ioeventfd,	32, \
	  HUSK_IOEVENTFD_PIO | HUSK_IOEVENTFD_MATCH | HUSK_IOEVENTFD_DEASSIGN | HUSK_IOEVENTFD_DIRECT) \
	X(VM_GET_STATE,		0x1a, VM,   husk_state,		32, 0) \
	X(VM_SET_STATE,		0x1b, VM,   husk_state,		32, 0) \
	X(VM_CREATE_DISK,	0x1c, VM,   husk_create_disk,	48, HUSK_DISK_READONLY) \
	X(VCPU_GET_STATE,	0x20, VCPU, husk_state,		32, 0) \
	X(VCPU_SET_STATE,	0x21, VCPU, husk_state,		32, 0) \
	X(VCPU_TRANSLATE,	0x22, VCPU, husk_translate,	32, 0) \
	X(DISK_START,		0x30, DISK, husk_disk_start,	56, 0) \
	X(DISK_STOP,		0x31, DISK, husk_disk_stop,	16, 0) \
	X(DISK_SET_CALL,	0x32, DISK, husk_disk_call,	24, HUSK_DISK_CALL_GSI | HUSK_DISK_CALL_EVENTFD) \
	X(DISK_KICK,		0x33, DISK, husk_disk_kick,	16, 0) \
	X(DISK_GET_STATS,	0x34, DISK, husk_disk_stats,	112, 0) \
	X(DISK_SET_LIMIT,	0x35, DISK, husk_disk_limit,	40, 0) \
	X(DISK_START_PVSCSI,	0x36, DISK, husk_disk_start_pvscsi, 40, 0) \
	X(DISK_WORK,		0x37, DISK, husk_disk_work,	16, 0) \
	X(DISK_RUN,		0x3f, DISK, husk_disk_run,	40, 0)

#define HUSK_IOC_MAGIC		0xB7
#define HUSK_GET_CAPS		_IO(HUSK_IOC_MAGIC, 0x00)
#define HUSK_CREATE_VM		_IO(HUSK_IOC_MAGIC, 0x01)
#define HUSK_GET_CPUID		_IO(HUSK_IOC_MAGIC, 0x02)
#define HUSK_VM_SET_MEMORY	_IO(HUSK_IOC_MAGIC, 0x10)
#define HUSK_VM_CREATE_VCPU	_IO(HUSK_IOC_MAGIC, 0x11)
#define HUSK_VM_SET_CPUID	_IO(HUSK_IOC_MAGIC, 0x12)
#define HUSK_VM_IRQ_LINE	_IO(HUSK_IOC_MAGIC, 0x13)
#define HUSK_VM_SIGNAL_MSI	_IO(HUSK_IOC_MAGIC, 0x14)
#define HUSK_VM_HARVEST		_IO(HUSK_IOC_MAGIC, 0x15)
#define HUSK_VM_RESET		_IO(HUSK_IOC_MAGIC, 0x16)
#define HUSK_VM_SET_ROUTES	_IO(HUSK_IOC_MAGIC, 0x17)
#define HUSK_VM_IRQFD		_IO(HUSK_IOC_MAGIC, 0x18)
#define HUSK_VM_IOEVENTFD	_IO(HUSK_IOC_MAGIC, 0x19)
#define HUSK_VM_GET_STATE	_IO(HUSK_IOC_MAGIC, 0x1a)
#define HUSK_VM_SET_STATE	_IO(HUSK_IOC_MAGIC, 0x1b)
#define HUSK_VM_CREATE_DISK	_IO(HUSK_IOC_MAGIC, 0x1c)
#define HUSK_VCPU_GET_STATE	_IO(HUSK_IOC_MAGIC, 0x20)
#define HUSK_VCPU_SET_STATE	_IO(HUSK_IOC_MAGIC, 0x21)
#define HUSK_VCPU_TRANSLATE	_IO(HUSK_IOC_MAGIC, 0x22)
#define HUSK_VCPU_RUN		_IO(HUSK_IOC_MAGIC, 0x2f)
#define HUSK_DISK_START		_IO(HUSK_IOC_MAGIC, 0x30)
#define HUSK_DISK_STOP		_IO(HUSK_IOC_MAGIC, 0x31)
#define HUSK_DISK_SET_CALL	_IO(HUSK_IOC_MAGIC, 0x32)
#define HUSK_DISK_KICK		_IO(HUSK_IOC_MAGIC, 0x33)
#define HUSK_DISK_GET_STATS	_IO(HUSK_IOC_MAGIC, 0x34)
#define HUSK_DISK_SET_LIMIT	_IO(HUSK_IOC_MAGIC, 0x35)
#define HUSK_DISK_START_PVSCSI	_IO(HUSK_IOC_MAGIC, 0x36)
#define HUSK_DISK_WORK		_IO(HUSK_IOC_MAGIC, 0x37)
#define HUSK_DISK_RUN		_IO(HUSK_IOC_MAGIC, 0x3f)

/* ---- run page: mmap of the vCPU fd at offset 0, read-write -------------- */

/*
 * Why HUSK_VCPU_RUN came back with 0. X(constant, "name", what)
 * It returns -1 with EINTR for a signal or other work that the thread has to do
 * in user mode (call again), EIO when the VM is dead, ENOMEM when there is no
 * memory for a log of written pages (likewise), EBUSY while another thread runs
 * this vCPU, gets or sets its state, or resets the VM.
 */
#define HUSK_EXITS(X) \
	X(NONE,		"none",		"immediate_exit was set, or nothing to report") \
	X(PIO,		"pio",		"port access: run.pio; for IN the worker stores the data") \
	X(MMIO,		"mmio",		"memory access outside the slots: run.mmio; likewise") \
	X(SHUTDOWN,	"shutdown",	"triple fault") \
	X(UNHANDLED,	"unhandled",	"an instruction or event that husk does not emulate: run.unhandled") \
	X(ENTRY_FAIL,	"entry_fail",	"the CPU refused the guest state: run.entry_fail") \
	X(STOP,		"stop",		"someone asked for the power button or a reset: run.stop; asked once") \
	X(KILLED,	"killed",	"the VM was killed; it will not run again") \
	X(POLICY,	"policy",	"a program leaves the decision to the worker: run.policy, which is answered as by a program")

enum husk_exit {
#define X(id, name, what) HUSK_EXIT_##id,
	HUSK_EXITS(X)
#undef X
	HUSK_EXIT_COUNT
};

/* What someone asked for by netlink. X(constant, "name", what) */
#define HUSK_STOPS(X) \
	X(POWER_OFF,	"power-off",	"press the power button, and end the VM if the guest does not, in time") \
	X(BUTTON,	"button",	"press the power button") \
	X(RESET,	"reset",	"as if the guest had done it")

enum husk_stop {
#define X(id, name, what) HUSK_STOP_##id,
	HUSK_STOPS(X)
#undef X
	HUSK_STOP_COUNT
};

/* Bits of sync_valid and sync_dirty: bit HUSK_STATE_GENERAL and HUSK_STATE_SYSTEM only. */

/*
 * struct husk_run - the page shared by the kernel and the vCPU's thread
 * @immediate_exit: in, if non-zero RUN finishes a pending PIO or MMIO and
 *	returns 0 with HUSK_EXIT_NONE before it enters the guest
 * @sync_want: in, classes that the kernel shall copy out at each return
 * @sync_dirty: in, classes that the kernel shall load before entry; the kernel
 *	clears it. EINVAL from RUN for a bad value. Class GENERAL, here or by
 *	HUSK_VCPU_SET_STATE, cancels a PIO or MMIO that is not finished: what runs
 *	next is the instruction at the rip that was set
 * @sync_valid: out, classes that are valid in @general and @system
 * @exit: out, HUSK_EXIT_x
 * @reason: out, HUSK_REASON_x of the exit behind it
 *
 * The kernel reads every field once and believes none.
 */
struct husk_run {
	__u8 immediate_exit;
	__u8 reserved0[7];
	__u64 sync_want;
	__u64 sync_dirty;
	__u64 sync_valid;
	__u32 exit;
	__u32 reason;
	__u64 rip;		/* of the instruction that exited */
	union {
		struct {
			__u16 port;
			__u8 width;	/* 1, 2 or 4 */
			__u8 write;	/* 1: OUT */
			__u32 data;
		} pio;
		struct {
			__u64 gpa;
			__u8 width;	/* 1, 2, 4 or 8 */
			__u8 write;
			__u8 reserved[6];
			__u64 data;
		} mmio;
		struct {
			__u64 info[2];	/* the hardware's exit information */
			__u64 hw_reason;
			__u8 insn_length;
			__u8 insn[15];
		} unhandled;
		struct {
			__u64 hw_reason;
			__u64 info[2];
		} entry_fail;
		struct {
			__u32 timeout_ms;	/* POWER_OFF: how long to wait for the guest before ending it */
			__u32 action;		/* HUSK_STOP_x; of several requests the last counts */
		} stop;
		/*
		 * verdict, gpr, data, fault, error and fault_address are the answer: verdict is
		 * PASS before, and may be any but WORKER and AFTER. Instead of it, other
		 * registers than gpr can be set by @sync_dirty, which also cancels the question.
		 */
		struct husk_exit_record policy;
		__u8 pad[256];
	};
	struct husk_general general;
	struct husk_system system;
};

/* ---- statistics: mmap of the vCPU fd at offset 4096, HUSK_STATS_BYTES, read-only ------ */

#define HUSK_FLIGHT_LEN		256
#define HUSK_TIME_BUCKETS	32

/**
 * struct husk_flight - one exit in the flight recorder
 * @rip: of the guest
 * @info0: the hardware's first information word (SVM: EXITINFO1, VMX: exit qualification)
 * @info1: the second (SVM: EXITINFO2, VMX: guest physical address)
 * @tsc: the host's TSC at the exit
 * @sequence: low 32 bits of the exit's number, from 1
 * @reason: HUSK_REASON_x; NONE: the guest runs, or its exit is not served yet, and
 *	of this entry only @sequence, @vector and @event count
 * @level: HUSK_LEVEL_x that served it
 * @vector: what went into the guest with the entry before this exit, if @event says so
 * @event: 0: nothing; else its type, as in EVENTINJ (APM2 15.20), and 1
 * @ticks: of the TSC until it was served, the largest number also for more; counts
 *	for other levels than FAST only, with the module parameter stats on
 * @hw_reason: low 16 bits of the hardware's exit code
 * @reserved: 0
 */
struct husk_flight {
	__u64 rip;
	__u64 info0;
	__u64 info1;
	__u64 tsc;
	__u32 sequence;
	__u8 reason;
	__u8 level;
	__u8 vector;
	__u8 event;
	__u32 ticks;
	__u16 hw_reason;
	__u16 reserved;
};
HUSK_ASSERT_SIZE(husk_flight, 48);

/**
 * struct husk_exit_stats - exits for one reason
 * @exits: their number by the level that served them. What the worker serves is
 *	counted when it is handed over, and timed when the worker comes back
 * @ticks: of the host's TSC, for all together, from exit to the end of service
 * @times: those that took 2^n .. 2^(n+1) - 1 ticks; the first also has those
 *	that took none, the last those that took more
 */
struct husk_exit_stats {
	__u64 exits[HUSK_LEVEL_COUNT];
	__u64 ticks;
	__u64 times[HUSK_TIME_BUCKETS];
};

/**
 * struct husk_stats - counters of one vCPU
 * @entries: entries into the guest
 * @user_returns: returns of HUSK_VCPU_RUN
 * @injections: interrupts, NMIs and exceptions given to the guest
 * @halted_ns: time spent in HLT
 * @unknown_msrs: RDMSR and WRMSR of MSRs that the guest does not have (#GP)
 * @poll_hits: HLTs that ended while the thread polled (module parameter halt_poll_ns)
 * @poll_misses: HLTs where it polled in vain, and slept
 * @yields: times that its CPU was given to another vCPU, since it only spun
 * @tsc_khz: of the host
 * @reserved: 0
 * @flight: the last exits; entry of number n is at n % HUSK_FLIGHT_LEN
 * @reason: by HUSK_REASON_x; all 0 while the module parameter stats is off
 *
 * Always on, but for @reason.
 */
struct husk_stats {
	__u64 entries;
	__u64 user_returns;
	__u64 injections;
	__u64 halted_ns;
	__u64 unknown_msrs;
	__u64 poll_hits;
	__u64 poll_misses;
	__u64 yields;
	__u32 tsc_khz;
	__u32 reserved[15];
	struct husk_flight flight[HUSK_FLIGHT_LEN];
	struct husk_exit_stats reason[HUSK_REASON_COUNT];
};

#define HUSK_STATS_BYTES	((sizeof(struct husk_stats) + 4095) / 4096 * 4096)

#endif
