/* SPDX-License-Identifier: GPL-2.0 */
/* One VM: its file descriptors, memory, devices and vCPUs. */
#ifndef HUSK_WORKER_MACHINE_H
#define HUSK_WORKER_MACHINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/tools.h"
#include "worker/boot.h"
#include "worker/bus.h"
#include "worker/chipset.h"
#include "worker/console.h"
#include "worker/cpuid_rules.h"
#include "worker/fail.h"
#include "worker/firmware.h"
#include "worker/loop.h"
#include "worker/ram.h"
#include "worker/routes.h"
#include "worker/testdev.h"
#include "worker/virtio/pvio_port.h"

#define MACHINE_CPUS	64
#define MACHINE_VIRTIO	30	/* slots of the PCI bus that are free */

struct machine;
struct virtio;

/* A device of the command line: @options are those of its kind, checked */
struct device_config {
	enum husk_status (*create)(struct machine *m, void *options);
	void *options;
};

/* What the user asked for; immutable once the first machine is made. */
struct config {
	struct image kernel, initrd;
	uint8_t head[BOOT_HEAD];	/* of the kernel's file */
	struct boot_module module[BOOT_MODULES];
	unsigned int modules;
	const struct loader *loader;
	struct boot_kernel kernel_info;
	struct boot_request boot;	/* but for the memory, which each machine has its own of */
	const char *cmdline;		/* NULL: not given */
	struct image firmware;		/* fd -1: the machine boots the kernel */
	int firmware_log;		/* -1: none */
	struct firmware_file firmware_file[FIRMWARE_USER_FILES];
	unsigned int firmware_files;
	uint8_t uuid[16];		/* as in RFC 4122; all zero: not given */
	const char *serial;		/* of the system */
	const char *name;
	char control[HUSK_CONTROL_LEN];
	uint64_t memory;
	unsigned int exports;		/* --export was given */
	bool shared_ram;		/* another process maps it, too */
	unsigned int cpus;
	unsigned int pin[MACHINE_CPUS];	/* the host's CPU of each vCPU and 1, 0: any */
	struct cpuid_rules cpuid;
	bool check;			/* only the command line */
	bool no_reboot;
	bool kvm_anchor;
	bool debug_exit, testdev;
	bool bare;		/* no personality: the guest sees no paravirtual interface */
	int lifeline;			/* -1: none */
	int last_word;			/* a file that is told how the VM ended; -1: none */
	int last_console;		/* a file that gets the console's last output; -1: none */
	uid_t jail_uid;			/* 0: the worker stays who it is */
	uid_t owner;			/* whose the VM is */
	unsigned int jail_devices;	/* JAIL_x */
	struct device_config device[MACHINE_VIRTIO];
	unsigned int devices, disks;	/* disks: how many of them can be booted from */
};

/* How much of the RAM can be below 4 GiB */
static inline uint64_t machine_low_max(const struct config *c)
{
	return c->firmware.path ? FIRMWARE_LOW_MAX : RAM_LOW_MAX;
}

/* Why a machine ended. X(constant, status of husk-vm, "what to say", "" for nothing) */
#define MACHINE_ENDS(X) \
	X(NONE,		FAIL,	"") \
	X(POWEROFF,	OK,	"") \
	X(RESET,	RESET,	"the guest asked for a reset") \
	X(CRASH,	CRASH,	"the guest crashed") \
	X(EXIT,		OK,	"") \
	X(KILLED,	ENDED,	"the VM was killed") \
	X(STOPPED,	ENDED,	"the guest did not power off in time and was ended") \
	X(QUIT,		ENDED,	"") \
	X(FAIL,		FAIL,	"the kernel refused to run the vCPU")

enum machine_end {
#define X(id, status, what) END_##id,
	MACHINE_ENDS(X)
#undef X
};

/* A vCPU; its members are immutable, but those of its thread */
struct vcpu {
	struct machine *machine;
	uint32_t id;
	int fd;				/* -1: not made */
	struct husk_run *run;
	const struct husk_stats *stats;
	pthread_t thread;
	bool started;			/* main thread only */
};

/* Members without a remark are protected by @lock. */
struct machine {
	const struct config *config;	/* immutable */
	struct console *console;	/* immutable; has its own lock */
	int dev, vm;			/* immutable */
	uint32_t id;			/* immutable */
	uint8_t *ram;			/* immutable; high memory follows low memory */
	int ram_fd;			/* immutable: of a RAM that is shared; -1: it is not */
	uint64_t low, high;		/* immutable: bytes below and above 4 GiB */
	uint32_t cpu_signature, cpu_features;	/* immutable: EAX and EDX of the guest's CPUID leaf 1 */
	struct vcpu vcpu[MACHINE_CPUS];	/* the first config->cpus */

	atomic_int end;			/* enum machine_end; set once a boot */
	atomic_int error;		/* errno behind END_FAIL */
	atomic_int exit_status;		/* behind END_EXIT: 0..255 */
	atomic_int crashed;		/* id of the vCPU behind END_CRASH */
	atomic_llong stop_deadline;	/* CLOCK_MONOTONIC ms by which a stopping guest must be off; 0: none */

	pthread_mutex_t lock;		/* of all devices: a guest's access, or a callback of the loop */
	struct loop loop;
	struct bus ports, memory;
	struct chipset chipset;
	struct testdev testdev;
	struct routes routes;
	struct pvio_memory guest;	/* immutable: @ram, as the rings reach it */
	struct virtio *virtio[MACHINE_VIRTIO];
	unsigned int virtio_count;
	struct firmware firmware;
	uint64_t largest_disk;		/* immutable: bytes */
	unsigned int disks;		/* immutable */
	struct virtio *virtio_console;	/* immutable; NULL: the terminal is the serial port */
};

/* Make the VM and its devices. On failure everything is undone and one line printed. */
enum husk_status machine_create(struct machine *m, const struct config *config,
				struct console *console, int dev);
void machine_destroy(struct machine *m);
/* Load the guest, start its vCPUs. The machine is new, or machine_reset(). */
enum husk_status machine_start(struct machine *m);
/* Make the vCPUs' threads leave the guest and wait for them. */
void machine_join(struct machine *m);
/* To power-on state, with empty memory. No vCPU runs. */
enum husk_status machine_reset(struct machine *m);
/* Any thread. The first reason counts. */
void machine_end(struct machine *m, enum machine_end reason);
/* Bytes typed at the terminal; answers how many the guest took. console_wake() is called when it may take more. */
size_t machine_input(struct machine *m, const uint8_t *data, size_t n);
/* Bytes of guest memory at gpa, or NULL if they are not all in RAM */
uint8_t *machine_ram(const struct machine *m, uint64_t gpa, uint64_t length);
long long machine_now_ms(void);

/* load.c: kernel, initrd, tables into the RAM of a machine; the first vCPU's registers */
enum husk_status machine_load(struct machine *m);
/* The SMBIOS tables; bytes written, 0 if they do not fit */
size_t machine_smbios(const struct machine *m, uint8_t *out, size_t room);
/* cpuid.c */
enum husk_status machine_set_cpuid(struct machine *m);
/* --cpuid show */
enum husk_status cpuid_print(const struct config *c, int dev);
/* vcpu.c */
enum husk_status vcpu_create(struct vcpu *v, struct machine *m, uint32_t id);
void vcpu_destroy(struct vcpu *v);
enum husk_status vcpu_start(struct vcpu *v);
void vcpu_join(struct vcpu *v);
/* NULL: one that waits for SIPI */
enum husk_status vcpu_set_boot_state(struct vcpu *v, const struct boot_state *state);
/* report.c: what the guest was doing when it crashed; after machine_join() */
void machine_report(struct machine *m);

#endif
