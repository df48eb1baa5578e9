/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Definitions of VMs: one file each, NAME.conf in HUSK_DEFINITIONS, with the options of
 * 'husk run' in a section [vm] and what huskd does with the VM in a section [service];
 * husk.conf(5) describes it. A link of that name in HUSK_AUTOSTART has huskd start the VM.
 */
#ifndef HUSK_LIB_DEFINITION_H
#define HUSK_LIB_DEFINITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uapi/husk.h"

#define HUSK_DEFINITIONS	"/etc/husk/vms"
#define HUSK_AUTOSTART		"/etc/husk/autostart"
#define HUSK_LOGS		"/var/log/husk"
#define HUSK_RUN		"/run/husk/vms"		/* of VMs that the daemon has started: NAME.vm, NAME.sock */
#define HUSK_RUN_LOGS		"/run/husk/logs"	/* NAME.log, NAME.console, NAME.end */
#define HUSK_DEFINITION_PATH	128	/* of one of its files, its NUL included */

/* When huskd starts a VM again that has ended. X(constant, "name", "what it means") */
#define HUSK_RESTARTS(X) \
	X(NEVER,	"never",	"not by itself") \
	X(ON_FAILURE,	"on-failure",	"if the guest crashed, or the worker failed or was killed by a signal") \
	X(ALWAYS,	"always",	"also if the guest powered off by itself; not after a stop or kill")

enum husk_restart {
#define X(id, name, what) HUSK_RESTART_##id,
	HUSK_RESTARTS(X)
#undef X
};

/**
 * struct husk_definition - a VM as its file tells it
 * @name: of the VM, that of the file
 * @argv: the worker's options, "--memory=512M"; ends with NULL
 * @argc: how many
 * @memory: bytes, 0: not given
 * @cpus: 0: not given
 * @exports: it serves a disk of another VM, whose memory may be charged to it
 * @restart: when to start it again
 * @stop_timeout: seconds that 'husk stop' gives it
 * @owner: the user whose VM it is, "" for root
 * @cpu_max: percent of a CPU that worker and guest get together; 0: 100 for each vCPU and 100
 * @memory_max: bytes that they get; 0: what the guest has, and one that it serves, and some for the worker
 */
struct husk_definition {
	char name[HUSK_NAME_LEN];
	char **argv;
	size_t argc;
	uint64_t memory;
	unsigned int cpus;
	bool exports;
	enum husk_restart restart;
	unsigned int stop_timeout;
	char owner[33];
	unsigned int cpu_max;
	uint64_t memory_max;
};

#define HUSK_STOP_TIMEOUT	30	/* s, if the definition has no other */

/**
 * husk_definition_path - where a VM's file is
 * @path: out
 * @dir: HUSK_DEFINITIONS, HUSK_AUTOSTART or HUSK_LOGS
 * @name: a valid name, see husk_name_valid()
 * @suffix: ".conf", ".log"
 */
void husk_definition_path(char path[HUSK_DEFINITION_PATH], const char *dir, const char *name, const char *suffix);

/**
 * husk_definition_read - read a file
 * @d: out; to be freed with husk_definition_free() in any case
 * @path: the file
 * @name: of the VM
 * @why: out, one line that tells a person what is wrong, if something is
 * @room: of @why
 *
 * Checks keys and the values of section [service]; those of section [vm] are
 * checked by the worker, which knows them.
 *
 * Return: 0, -ENOENT if there is no such file, or another negative errno.
 */
int husk_definition_read(struct husk_definition *d, const char *path, const char *name, char *why, size_t room);
void husk_definition_free(struct husk_definition *d);

/**
 * husk_definition_names - the VMs that have a file in a folder
 * @dir: the folder; none is an empty one
 * @fn: called with each name, in the order of the alphabet; what it answers other than 0 ends the list
 * @arg: for @fn
 *
 * Return: 0, what @fn answered, or a negative errno.
 */
int husk_definition_names(const char *dir, int (*fn)(const char *name, void *arg), void *arg);

const char *husk_restart_name(unsigned int restart);

#endif
