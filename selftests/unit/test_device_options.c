// SPDX-License-Identifier: GPL-2.0
/* What --disk and --net make of their arguments. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "worker/config.h"
#include "worker/jail.h"
#include "worker/pvscsi/pvscsi.h"
#include "worker/virtio/block.h"
#include "worker/virtio/disk.h"
#include "worker/virtio/net.h"

static int passed, failed;
static struct config config;
static void *made;
static enum husk_status (*maker)(struct machine *m, void *options);

static void check(const char *name, int good)
{
	if (good) {
		passed++;
		printf("ok option \"%.40s\"\n", name);
	} else {
		failed++;
		printf("not ok option \"%.40s\": another answer was expected\n", name);
	}
}

static struct config config;

enum husk_status config_add_device(struct config *c, enum husk_status (*create)(struct machine *m, void *options),
				   void *options)
{
	(void)c;
	maker = create;
	made = options;
	return HUSK_STATUS_OK;
}

enum husk_status block_create(struct machine *m, void *options)
{
	(void)m;
	(void)options;
	return HUSK_STATUS_OK;
}

enum husk_status pvscsi_create(struct machine *m, void *options)
{
	return block_create(m, options);
}

enum husk_status net_create(struct machine *m, void *options)
{
	return block_create(m, options);
}

enum husk_status net_kernel_create(struct machine *m, void *options)
{
	return block_create(m, options);
}

/* The line that says what is wrong */
static char said[512];

enum husk_status fail(enum husk_status status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	return status;
}

static void test_disk(void)
{
	static const char * const bad[] = { "", ",readonly", "f,format=vdi", "f,format", "f,readonly=1", "f,color=red", "f,",
		"f,serial=123456789012345678901", "f,where", "f,where=there", "f,where=kernel,format=qcow2",
		"f,movable,format=qcow2", "f,queues=0", "f,queues=17", "f,queues=4x", "f,iops=", "f,iops=fast", "f,iops=10K",
		"f,iops=1000000001", "f,bps=1K", "f,bps=5X", "f,bps=2000000M", "f,iops-burst=-1", "f,bus", "f,bus=ide",
		"f,bus=pvscsi,where=worker", "f,where=worker,bus=pvscsi", "f,bus=pvscsi,format=qcow2", "f,bus=pvscsi,movable",
		"f,bus=pvscsi,queues=2",
		"f,where=vhost-user:s,readonly", "f,where=vhost-user:s,serial=x", "f,where=vhost-user:s,movable", "f,where=vhost-user:s,format=raw",
		"f,where=vhost-user:s,bps=10M", "f,where=vhost-user", "f,where=vhost-user:", "f,where=vm", "f,where=vm:", "f,where=vm:x,iops=5", "f,where=vm:x,bus=pvscsi" };
	struct disk_options *o;

	check("file", !option_disk(&config, "a b") && (o = made) && !strcmp(o->path, "a b") && !o->readonly && !o->backing && !o->format && !o->serial);
	check("all keys", !option_disk(&config, "f,serial=x=y,readonly,backing,format=qcow2") && (o = made) && !strcmp(o->path, "f") &&
	      o->readonly && o->backing && !strcmp(o->format, "qcow2") && !strcmp(o->serial, "x=y"));
	check("in the kernel", !option_disk(&config, "f,where=kernel") && (o = made) && o->in_kernel);
	check("limits", !option_disk(&config, "f,iops=100,iops-burst=7,bps=10M,bps-burst=1M,queues=4,movable") && (o = made) &&
	      o->limit.requests == 100 && o->limit.requests_burst == 7 && o->limit.bytes == 10 << 20 && o->limit.bytes_burst == 1 << 20 &&
	      o->queues == 4 && o->movable);
	check("no limits", !option_disk(&config, "f,iops=0,bps=0") && (o = made) && !o->limit.requests && !o->limit.bytes && o->queues == 1);
	check("by another process", !config.shared_ram && !option_disk(&config, "f,where=vhost-user:/s,queues=3") && (o = made) && !strcmp(o->peer, "/s") &&
	      !o->vm && !o->in_kernel && o->queues == 3 && config.shared_ram && config.jail_devices & JAIL_VHOST_USER);
	check("by another VM", !option_disk(&config, "f,where=vm:service") && (o = made) && !o->peer && !strcmp(o->vm, "service") && !strcmp(o->path, "f"));
	check("in the worker", !option_disk(&config, "f,where=worker") && (o = made) && !o->in_kernel);
	check("pvSCSI", !option_disk(&config, "f,bus=pvscsi") && (o = made) && o->pvscsi && o->in_kernel && maker == pvscsi_create);
	check("pvSCSI in the kernel", !option_disk(&config, "f,bus=pvscsi,where=kernel") && maker == pvscsi_create);
	check("virtio", !option_disk(&config, "f,bus=virtio,where=kernel") && maker == block_create);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		*said = 0;
		check(bad[i], option_disk(&config, bad[i]) == HUSK_STATUS_USAGE && strstr(said, "--disk"));
	}
}

static void test_net(void)
{
	static const char * const bad[] = { "", "tap=", "tap=a/b", "tap=1234567890123456", "bridge", "user,mac=52:54:00:00:00",
		"user,mac=53:54:00:00:00:01", "user,mac=52:54:00:00:00:0g", "user,mac=52:54:00:00:00:011", "user,hostfwd=22",
		"user,hostfwd=tcp:0:22", "user,hostfwd=tcp:65536:22", "user,hostfwd=tcp:22:22x", "user,hostfwd=sctp:1:1", "user,hostfwd=tcp: 22:22", "user,hostfwd=tcp:22:+22",
		"user,hostfwd=udp:22:", "user,hostfwd=tcp::22", "user,hostfwd=tcp:000022:22", "user,mac=52:54:00:00:00:+1",
		"tap=a,hostfwd=tcp:1:1", "user,hostfwd", "tap=a,loopback", "user,loopback=yes",
		"tap=a,where", "tap=a,where=there", "user,where=kernel", "tap=a,queues=2", "tap=a,where=worker,queues=2", "user,queues=2",
		"tap=a,where=kernel,queues=0", "tap=a,where=kernel,queues=9", "tap=a,where=kernel,queues=9999",
		"tap=a,where=kernel,queues=2x", "tap=a,where=kernel,queues=", "tap=a,where=kernel,queues" };
	struct net_options *o;
	char many[2048] = "user";

	check("tap", !option_net(&config, "tap=tap0,mac=52:54:00:aB:00:01") && (o = made) && !strcmp(o->interface, "tap0") && o->has_mac &&
	      o->mac[3] == 0xab && o->mac[5] == 1);
	check("user", !option_net(&config, "user,hostfwd=tcp:2222:22,hostfwd=udp:53:53,hostfwd=tcp:80:8080") && (o = made) &&
	      !o->interface && !strcmp(o->tcp, "2222:22,80:8080") && !strcmp(o->udp, "53:53") && !o->has_mac && !o->loopback);
	check("tap's default", !option_net(&config, "tap=tap0") && (o = made) && !o->in_kernel && o->queues == 1);
	check("tap in the worker", !option_net(&config, "tap=tap0,where=worker,queues=1") && (o = made) && !o->in_kernel && o->queues == 1);
	config.jail_devices = 0;
	check("tap in the kernel", !option_net(&config, "tap=tap0,where=kernel,queues=8") && (o = made) && o->in_kernel && o->queues == 8 &&
	      config.jail_devices == (JAIL_TAP | JAIL_VHOST));
	check("user in the worker", !option_net(&config, "user,where=worker") && (o = made) && !o->in_kernel);
	check("user loopback", !option_net(&config, "user,loopback") && (o = made) && o->loopback);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		*said = 0;
		check(bad[i], option_net(&config, bad[i]) == HUSK_STATUS_USAGE && strstr(said, "--net"));
	}
	for (int i = 0; i < 50; i++)
		strcat(many, ",hostfwd=tcp:11111:22222");
	check("too many forwards", option_net(&config, many) == HUSK_STATUS_USAGE && strstr(said, "too many"));
}

/* Options live as long as the process. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

int main(void)
{
	test_disk();
	test_net();
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
