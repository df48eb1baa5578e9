/* SPDX-License-Identifier: GPL-2.0 */
/* What 'husk show' asks the worker for: JSON, or the same for people, written bit by bit. */
#ifndef HUSK_WORKER_SHOW_H
#define HUSK_WORKER_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine;

struct show {
	char *out;
	size_t room, len;	/* len > room: it did not fit */
	bool json;
	bool comma;		/* one is due before the next member */
	unsigned int depth;	/* of brackets */
};

/* key NULL: a member of an array */
void show_open(struct show *show, const char *key, char bracket);
void show_close(struct show *show, char bracket);
void show_text(struct show *show, const char *key, const char *text);
void show_number(struct show *show, const char *key, uint64_t number);
/* As text: 0x... */
void show_address(struct show *show, const char *key, uint64_t address);

/* The machine as the guest sees it; the lock is held. Bytes, 0: no room */
size_t machine_show(struct machine *m, bool json, char *out, size_t room);

#endif
