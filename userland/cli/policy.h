/* SPDX-License-Identifier: GPL-2.0 */
/* Loading of BPF programs that decide exits, for husk policy. */
#ifndef HUSK_CLI_POLICY_H
#define HUSK_CLI_POLICY_H

/*
 * Load a program of type syscall from an object file, or open a pinned one; its fd. If the
 * file has several, name says which; else NULL will do. Dies with the verifier's log on
 * standard error if the kernel refuses it.
 */
int policy_load(const char *path, const char *name);

#endif
