// SPDX-License-Identifier: GPL-2.0
/* The console's output ring. */
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "worker/console.h"

void console_wake(struct console *c)
{
	uint64_t one = 1;

	/* It can only fail if the counter is full, and then the reader is awake. */
	if (write(c->wake_fd, &one, sizeof(one)) < 0)
		return;
}

void console_write(struct console *c, const uint8_t *data, size_t n)
{
	bool announce;

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < n; i++)
		c->ring[c->head++ % CONSOLE_RING] = data[i];
	announce = !c->announced;
	c->announced = true;
	pthread_mutex_unlock(&c->lock);
	if (announce)
		console_wake(c);
}

bool console_looked(struct console *c)
{
	bool announced;

	pthread_mutex_lock(&c->lock);
	announced = c->announced;
	c->announced = false;
	pthread_mutex_unlock(&c->lock);
	return announced;
}

size_t console_read(struct console *c, uint64_t *cursor, uint8_t *out, size_t n)
{
	size_t i;

	pthread_mutex_lock(&c->lock);
	if (c->head - *cursor > CONSOLE_RING)
		*cursor = c->head - CONSOLE_RING;
	if (n > c->head - *cursor)
		n = c->head - *cursor;
	for (i = 0; i < n; i++)
		out[i] = c->ring[(*cursor + i) % CONSOLE_RING];
	pthread_mutex_unlock(&c->lock);
	return n;
}

int console_init(struct console *c)
{
	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return c->wake_fd < 0 ? -1 : 0;
}
