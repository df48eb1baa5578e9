/* SPDX-License-Identifier: GPL-2.0 */
/* A guest's writes that signal an eventfd: ioeventfd.c */
#ifndef HUSK_IOEVENTFD_H
#define HUSK_IOEVENTFD_H

#include <linux/types.h>

/* The two address spaces, each with a set of its own */
enum husk_ioeventfd_space { HUSK_IOEVENTFD_PORTS, HUSK_IOEVENTFD_MEMORY, HUSK_IOEVENTFD_SPACES };

struct husk_ioeventfd_set;

#endif
