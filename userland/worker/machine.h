/* SPDX-License-Identifier: GPL-2.0 */
/* One VM: its file descriptors, memory, devices and the thread of its vCPU. */
#ifndef HUSK_WORKER_MACHINE_H
#define HUSK_WORKER_MACHINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/libhusk.h"
#include "worker/boot.h"
#include "worker/console.h"
#include "worker/pm.h"
#include "worker/rtc.h"
#include "worker/serial.h"

/* A file given by the user; stays open, so that a reset reads it again. */
struct image {
	const char *path;
	int fd;			/* -1: none */
	uint64_t size;
};

/* What the user asked for; immutable once the first machine is made. */
struct config {
	struct image kernel, initrd;
	uint8_t head[BOOT_HEAD];	/* of the kernel's file */
	size_t head_len;
	struct boot_kernel boot;
	const char *cmdline;
	const char *name;
	char control[HUSK_CONTROL_LEN];
	uint64_t memory;
	bool no_reboot;
	bool kvm_anchor;
	int lifeline;			/* -1: none */
};

/* Why a machine ended. X(constant, status of husk-vm, "what to say", "" for nothing) */
#define MACHINE_ENDS(X) \
	X(NONE,		FAIL,	"") \
	X(POWEROFF,	OK,	"") \
	X(RESET,	RESET,	"the guest asked for a reset") \
	X(CRASH,	CRASH,	"the guest crashed") \
	X(KILLED,	ENDED,	"the VM was killed") \
	X(STOPPED,	ENDED,	"the guest did not power off in time and was ended") \
	X(QUIT,		ENDED,	"") \
	X(FAIL,		FAIL,	"the kernel refused to run the vCPU")

enum machine_end {
#define X(id, status, what) END_##id,
	MACHINE_ENDS(X)
#undef X
};

/* Members without a remark belong to the vCPU's thread while it runs. */
struct machine {
	const struct config *config;	/* immutable */
	struct console *console;	/* immutable; has its own lock */
	int dev, vm, vcpu;		/* immutable */
	uint32_t id;			/* immutable */
	struct husk_run *run;
	const struct husk_stats *stats;	/* immutable */
	uint8_t *ram;			/* immutable; high memory follows low memory */
	uint64_t low, high;		/* immutable: bytes below and above 4 GiB */

	pthread_t thread;
	bool started;			/* main thread only */
	atomic_int end;			/* enum machine_end; set once */
	atomic_int error;		/* errno behind END_FAIL */
	atomic_llong stop_deadline;	/* CLOCK_MONOTONIC ms by which a stopping guest must be off; 0: none */

	struct serial com1;		/* has its own lock */
	struct pm pm;			/* has its own lock */
	struct rtc rtc;
	uint8_t reset_control;
	uint64_t unknown_ports;		/* accesses to ports without a device */
};

/* Print "husk: MESSAGE" on stderr, answer status. */
enum husk_status fail(enum husk_status status, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Make the VM, load the guest. On failure everything is undone and one line printed. */
enum husk_status machine_create(struct machine *m, const struct config *config,
				struct console *console, int dev);
void machine_destroy(struct machine *m);
enum husk_status machine_start(struct machine *m);
/* Make the vCPU's thread leave the guest and wait for it. */
void machine_join(struct machine *m);
/* Any thread. The first reason counts. */
void machine_end(struct machine *m, enum machine_end reason);
/* Bytes of guest memory at gpa, or NULL if they are not all in RAM */
uint8_t *machine_ram(const struct machine *m, uint64_t gpa, uint64_t length);
long long machine_now_ms(void);

/* load.c: kernel, initrd, tables into the RAM of a machine */
enum husk_status machine_load(struct machine *m);
/* cpuid.c */
enum husk_status machine_set_cpuid(struct machine *m);
/* vcpu.c: the thread */
void *vcpu_thread(void *machine);
enum husk_status vcpu_set_boot_state(struct machine *m);
/* report.c: what the guest was doing when it crashed; after machine_join() */
void machine_report(struct machine *m);

#endif
