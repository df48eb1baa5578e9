/* SPDX-License-Identifier: GPL-2.0 */
/* What the commands on live VMs share. */
#ifndef HUSK_CLI_VM_H
#define HUSK_CLI_VM_H

#include "lib/netlink.h"

/* Connect to the kernel module, or die with what to do. */
struct husk_nl *vm_connect(void);

/* Die with the reason of a failed request: "cannot VERB NAME: why". */
void vm_die(const struct husk_nl *nl, int err, const char *verb, const char *name)
	__attribute__((noreturn));

/* Find a VM by the name or id that the user gave, or die. */
void vm_find(struct husk_nl *nl, const char *name, struct husk_nl_vm *vm);

/* VMs that the caller may see, or die. To be freed. */
struct husk_nl_vm *vm_list(struct husk_nl *nl, size_t *count);

/* A VM as members of a JSON object, without braces */
void vm_json(const struct husk_nl_vm *vm);

/*
 * Send a line to the VM's worker; its answer, NUL-terminated, and how long it is. 0: the
 * worker is not ours to ask, or gone, or says nothing for 5 seconds.
 */
size_t vm_ask(const struct husk_nl_vm *vm, const char *line, char *answer, size_t room);

/* The same with a descriptor that goes along, -1: none; what is done with it may take its time: 60 seconds */
size_t vm_pass(const struct husk_nl_vm *vm, const char *line, int pass, char *answer, size_t room);

/* With --json: {"id": ..., "name": ..., "done": WHAT} */
void done_json(bool json, const struct husk_nl_vm *vm, const char *what);

/* The same with a patience of its own */
size_t vm_ask_for(const struct husk_nl_vm *vm, const char *line, char *answer, size_t room, unsigned int ms);

/* Remove sockets and empty logs of VMs that are gone, in this user's folder of them. */
void sweep(void);

/* Nanoseconds on CLOCK_BOOTTIME, the clock of created_ns. */
uint64_t vm_now(void);

#endif
