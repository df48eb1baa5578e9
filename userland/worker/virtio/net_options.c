// SPDX-License-Identifier: GPL-2.0
/* --net tap=INTERFACE[,mac=MAC][,where=worker|kernel][,queues=N] and --net user[,mac=MAC][,loopback][,hostfwd=tcp|udp:HOST:GUEST]... */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/config.h"
#include "worker/jail.h"
#include "worker/virtio/net.h"
#include "worker/virtio/option.h"

static const char *set_mac(void *to, const char *value)
{
	struct net_options *o = to;
	unsigned int b[6];
	char end;

	if (sscanf(value, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &end) != 6 ||
	    strspn(value, "0123456789abcdefABCDEF:") != 17 || b[0] & 1)
		return "not the address of one interface, such as 52:54:00:12:34:56";
	for (int i = 0; i < 6; i++)
		o->mac[i] = b[i];
	o->has_mac = true;
	return NULL;
}

/* Digits, then end; 0: no port */
static unsigned long parse_port(const char *text, char end)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long port = digits <= 5 ? strtoul(text, NULL, 10) : 0;

	return digits && text[digits] == end && port <= 65535 ? port : 0;
}

static const char *set_hostfwd(void *to, const char *value)
{
	struct net_options *o = to;
	char *list = !strncmp(value, "udp:", 4) ? o->udp : o->tcp;
	unsigned long host = 0, guest = 0;
	size_t len = strlen(list);

	if (list == o->udp || !strncmp(value, "tcp:", 4))
		host = parse_port(value + 4, ':');
	if (host)
		guest = parse_port(strchr(value + 4, ':') + 1, 0);
	if (!guest)
		return "give tcp:HOST-PORT:GUEST-PORT, or udp:";
	if (snprintf(list + len, NET_FORWARD - len, "%s%lu:%lu", len ? "," : "", host, guest) >= (int)(NET_FORWARD - len))
		return "too many of them";
	return NULL;
}

static const char *set_loopback(void *to, const char *value)
{
	(void)value;
	((struct net_options *)to)->loopback = true;
	return NULL;
}

static const char *set_where(void *to, const char *value)
{
	struct net_options *o = to;

	o->in_kernel = !strcmp(value, "kernel");
	return o->in_kernel || !strcmp(value, "worker") ? NULL : "give worker or kernel";
}

static const char *set_queues(void *to, const char *value)
{
	struct net_options *o = to;

	if (strlen(value) != 1 || *value < '1' || *value > '0' + NET_PAIRS)
		return "give 1 to 8";
	o->queues = *value - '0';
	return NULL;
}
_Static_assert(NET_PAIRS == 8, "as it is said");

static enum husk_status check(const struct net_options *o, const char *text)
{
	if (o->interface && (!*o->interface || strlen(o->interface) >= IFNAMSIZ || strchr(o->interface, '/')))
		return fail(HUSK_STATUS_USAGE, "--net %s: not the name of an interface", text);
	if (o->interface && (o->tcp[0] || o->udp[0] || o->loopback))
		return fail(HUSK_STATUS_USAGE, "--net %s: hostfwd and loopback are for --net user", text);
	if (!o->interface && o->in_kernel)
		return fail(HUSK_STATUS_USAGE, "--net %s: where=kernel is for --net tap", text);
	if (!o->in_kernel && o->queues > 1)
		return fail(HUSK_STATUS_USAGE, "--net %s: several queues are for where=kernel", text);
	return HUSK_STATUS_OK;
}

enum husk_status option_net(struct config *config, const char *text)
{
	static const struct option_key keys[] = {
		{ "mac", false, set_mac },
		{ "hostfwd", false, set_hostfwd },
		{ "loopback", true, set_loopback },
		{ "where", false, set_where },
		{ "queues", false, set_queues },
		{ },
	};
	struct net_options *o = calloc(1, sizeof(*o));
	enum husk_status status;
	const char *kind;

	if (!o)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	o->queues = 1;
	status = option_parse("net", text, &kind, keys, o);
	if (status)
		return status;
	if (!strncmp(kind, "tap=", 4))
		o->interface = kind + 4;
	else if (strcmp(kind, "user"))
		return fail(HUSK_STATUS_USAGE, "--net %s: give tap=INTERFACE or user", text);
	status = check(o, text);
	config->jail_devices |= (o->interface ? JAIL_TAP : 0) | (o->in_kernel ? JAIL_VHOST : 0);
	return status ? status : config_add_device(config, o->in_kernel ? net_kernel_create : net_create, o);
}
