// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-vsock (virtio 1.2, 5.10) by the kernel's vhost-vsock: sockets between host and
 * guest. The kernel serves the two data queues. In the queue of events nothing ever happens
 * (a transport that is reset, say).
 */
#include <ctype.h>
#include <errno.h>
#include <linux/vhost.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "worker/config.h"
#include "worker/jail.h"
#include "worker/virtio/vhost.h"

#define QUEUE_SIZE	128
#define QUEUES		(VHOST_QUEUES + 1)
#define CID_MIN		3	/* below are the host's and reserved ones */
#define CID_MAX		0xfffffffeUL

struct vsock {
	struct virtio virtio;
	struct vhost vhost;
};

static struct vsock *vsock_of(struct virtio *v)
{
	return (struct vsock *)v;
}

static void vsock_kick(struct virtio *v, unsigned int queue)
{
	if (queue < VHOST_QUEUES)
		vhost_kick(&vsock_of(v)->vhost, queue);
}

static void update(struct virtio *v)
{
	vhost_update(&vsock_of(v)->vhost);
}

static void vsock_start(struct virtio *v)
{
	struct vhost *h = &vsock_of(v)->vhost;
	int on = 1;

	if (vhost_start(h, v->accepted) < 0 || ioctl(h->fd, VHOST_VSOCK_SET_RUNNING, &on) < 0)
		virtio_broken(v);
	update(v);
}

/* When it returns, the kernel's thread has let go of the queues. */
static void vsock_stop(struct virtio *v)
{
	struct vhost *h = &vsock_of(v)->vhost;
	int off = 0;

	if (h->running)
		ioctl(h->fd, VHOST_VSOCK_SET_RUNNING, &off);
	vhost_stop(h);
}

static void vsock_show(struct virtio *v, struct show *show)
{
	uint64_t cid;

	memcpy(&cid, v->config, sizeof(cid));
	show_number(show, "cid", cid);
	vhost_show(&vsock_of(v)->vhost, show);
}

static void vsock_destroy(struct virtio *v)
{
	vhost_close(&vsock_of(v)->vhost);
	free(v);
}

static const struct virtio_class vsock_class = {
	.id = 19, .name = "vsock", .pci_class = 0x028000,
	.kick = vsock_kick, .start = vsock_start, .stop = vsock_stop,
	.vector_changed = update, .moved = update, .show = vsock_show, .destroy = vsock_destroy,
};

static enum husk_status open_vhost(struct vsock *s, uint64_t cid)
{
	enum husk_status status = vhost_open(&s->vhost, "/dev/vhost-vsock", "vhost_vsock", "--vsock");

	if (status)
		return status;
	if (ioctl(s->vhost.fd, VHOST_VSOCK_SET_GUEST_CID, &cid) < 0)
		return fail(HUSK_STATUS_INPUT, "--vsock %llu: %s", (unsigned long long)cid,
			    errno == EADDRINUSE ? "another VM has it" : strerror(errno));
	s->virtio.offered &= s->vhost.features;
	return HUSK_STATUS_OK;
}

static enum husk_status vsock_create(struct machine *m, void *options)
{
	uint64_t cid = *(uint64_t *)options;
	struct vsock *s = calloc(1, sizeof(*s));
	enum husk_status status;

	if (!s)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	virtio_init(&s->virtio, &vsock_class, m, 0, QUEUES, QUEUE_SIZE);
	vhost_init(&s->vhost, &s->virtio, 0);
	s->virtio.backend = "kernel (vhost)";
	s->virtio.config_len = sizeof(cid);
	memcpy(s->virtio.config, &cid, sizeof(cid));
	status = open_vhost(s, cid);
	if (status)
		vsock_destroy(&s->virtio);
	else if (virtio_add(&s->virtio) < 0)
		status = fail(HUSK_STATUS_USAGE, "no free PCI slot for --vsock");
	return status;
}

enum husk_status option_vsock(struct config *config, const char *text)
{
	uint64_t *cid = malloc(sizeof(*cid));
	char *end;

	if (!cid)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	errno = 0;
	*cid = strtoull(text, &end, 10);
	if (errno || !isdigit((unsigned char)*text) || *end || *cid < CID_MIN || *cid > CID_MAX)
		return fail(HUSK_STATUS_USAGE, "--vsock %s: give a number from %d to %lu", text, CID_MIN, CID_MAX);
	for (unsigned int i = 0; i < config->devices; i++)
		if (config->device[i].create == vsock_create)
			return fail(HUSK_STATUS_USAGE, "--vsock: once only");
	config->jail_devices |= JAIL_VHOST;
	return config_add_device(config, vsock_create, cid);
}
