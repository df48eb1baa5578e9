/* SPDX-License-Identifier: GPL-2.0 */
/* virtio-console: a second console of the guest, its hvc0. The machine's lock is held around every call. */
#ifndef HUSK_WORKER_VIRTIO_CONSOLE_H
#define HUSK_WORKER_VIRTIO_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

struct virtio;

/* Bytes from the terminal; answers how many the guest took. More may come when console_wake() was called. */
size_t virtio_console_receive(struct virtio *v, const uint8_t *data, size_t n);

#endif
