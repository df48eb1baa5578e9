/* SPDX-License-Identifier: GPL-2.0 */
/* Loading of BPF programs that decide exits, for husk policy. */
#ifndef HUSK_CLI_POLICY_H
#define HUSK_CLI_POLICY_H

#include <stdint.h>

/*
 * Load a program of type syscall from an object file, or open a pinned one; its fd. If the
 * file has several, name says which; else NULL will do. Dies with the verifier's log on
 * standard error if the kernel refuses it.
 */
int policy_load(const char *path, const char *name);

/*
 * Load a struct husk_policy_ops from an object file, attach it to a VM (0: all) and pin
 * the link. Answers its name, to be freed. name and errors as above.
 */
char *policy_load_fast(const char *path, const char *name, uint32_t vm, uint64_t reasons);

/* Where that link is pinned. To be freed */
char *policy_pin(uint32_t vm, const char *name);

#endif
