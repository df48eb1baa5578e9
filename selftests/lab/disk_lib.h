/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk that the kernel serves, without a guest: a VM, its memory, the disk, its thread. For programs that are the
 * driver's side, of one disk each.
 */
#ifndef SELFTESTS_LAB_DISK_LIB_H
#define SELFTESTS_LAB_DISK_LIB_H

#include <stdint.h>

#include "husk.h"

#define DISK		(16U << 20)
#define RAM		(4U << 20)
#define ROM		0x10000000	/* READONLY, behind the RAM */
#define DATA		0x100000
#define UNTOUCHED	0xaa

/* call: an eventfd, the disk's interrupt; broken: bits of rings, as the thread is told */
extern int vm, disk, call, file, passed, failed;
extern unsigned int broken;
extern uint8_t *ram;

/* The disk is the file of that path, in a VM of that name; 0, or -1 with errno */
int set_up(const char *path, const char *name);

/* "ok TRY_NAME", or not, with a value that may tell why; what it is called before that is for a program to say */
extern const char *try_name;
void check(const char *name, int good, long value);

/* The disk's thread, until it is stopped */
void *serve(void *unused);
void kick(void);
int stop(struct husk_disk_stop *arg);
/* For the next interrupt; -1: none comes */
int wait_call(void);

void fill(uint32_t at, uint32_t length, unsigned int seed);
int same_as_file(uint32_t at, uint64_t offset, uint32_t length);

/* The log of written pages: on and off, with checks; and those that it has are those that are wanted */
void log_written(int on);
void check_log(int (*wanted)(unsigned int page));

uint32_t next_random(uint32_t *seed);
/*
 * So many rounds of a ring that is started, filled with nonsense a few times, and stopped. Most of it has to be refused,
 * but some served: errors_min, reads_min
 */
void fuzz(unsigned int rounds, int (*start)(void), void (*nonsense)(uint32_t seed), unsigned int errors_min, unsigned int reads_min);

#endif
