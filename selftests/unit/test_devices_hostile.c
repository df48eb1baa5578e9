// SPDX-License-Identifier: GPL-2.0
/* What one driver with a plan could do to the worker's virtio devices, where the fuzzer needs luck. */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#define RAM		(16U << 20)
#include "check.h"
#include "device_machine.h"
#include "worker/virtio/child.h"

#define DESC		0x100000
#define AVAIL		0x200000
#define USED		0x300000
#define INDIRECT	0x400000
#define DATA		0x500000
#define STEP		0x10000		/* from a queue's part to the next queue's */
#define PAGE		4096
#define LATE		20		/* seconds: a call that is not back by then does not come back */

static uint8_t *ram;
static const char *volatile running;
static uint16_t offered[VIRTIO_QUEUES];
static bool listening;
static unsigned int sent, accepted;
static uint64_t offloads;

static void too_late(int signo)
{
	(void)signo;
	printf("not ok %s: it does not come back\n", running);
	fflush(stdout);
	_exit(1);
}

/* ---- the driver ---- */

static void desc_at(uint64_t table, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	struct pvio_desc d = { addr, len, flags, next };

	memcpy(ram + table + i * sizeof(d), &d, sizeof(d));
}

static void desc(unsigned int queue, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	desc_at(DESC + queue * STEP, i, addr, len, flags, next);
}

static uint16_t *avail_idx(unsigned int queue)
{
	return (uint16_t *)(ram + AVAIL + queue * STEP + 2);
}

static uint16_t used_idx(unsigned int queue)
{
	return *(uint16_t *)(ram + USED + queue * STEP + 2);
}

static void offer(struct virtio *v, unsigned int queue, uint16_t head)
{
	uint16_t *entry = avail_idx(queue) + 1;

	entry[offered[queue]++ % v->queue[queue].ring.size] = head;
	*avail_idx(queue) = offered[queue];
}

/* size: 0: what the device has */
static void drive(struct virtio *v, uint64_t features, uint16_t size)
{
	memset(ram, 0, RAM);
	memset(offered, 0, sizeof(offered));
	virtio_set_status(v, 0);
	virtio_set_status(v, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
	v->accepted = features | VIRTIO_FEATURE_VERSION_1 | VIRTIO_FEATURE_INDIRECT;
	virtio_set_status(v, v->status | VIRTIO_FEATURES_OK);
	for (unsigned int i = 0; i < v->queues; i++) {
		struct pvio_ring *ring = &v->queue[i].ring;

		ring->size = size ? size : ring->size;
		ring->desc_gpa = DESC + i * STEP;
		ring->avail_gpa = AVAIL + i * STEP;
		ring->used_gpa = USED + i * STEP;
		virtio_enable_queue(v, i);
	}
	virtio_set_status(v, v->status | VIRTIO_DRIVER_OK);
}

/* ---- a disk that is never done before it must ---- */

#define SLOW_SIZE	(1ULL << 40)

static struct {
	struct disk disk;
	struct disk_request *taken[DISK_REQUESTS];
	uint64_t bytes, most;
} slow;

static void slow_submit(struct disk *disk, struct disk_request *r)
{
	slow.taken[disk->in_flight++] = r;
	slow.bytes += r->length;
	if (slow.bytes > slow.most)
		slow.most = slow.bytes;
}

static void slow_commit(struct disk *disk)
{
	(void)disk;
}

static void slow_finish(void)
{
	unsigned int n = slow.disk.in_flight;

	slow.bytes = 0;
	for (unsigned int i = 0; i < n; i++)
		disk_done(&slow.disk, slow.taken[n - 1 - i], 0);
	slow.disk.reaped(slow.disk.ctx);
}

static void slow_drain(struct disk *disk)
{
	(void)disk;
	slow_finish();
}

static void slow_close(struct disk *disk)
{
	(void)disk;
}

static const struct disk_ops slow_ops = { "slow", slow_submit, slow_commit, slow_drain, slow_close };

enum husk_status disk_open_qcow2(struct disk **disk, const struct disk_options *options, struct loop *loop)
{
	slow.disk = (struct disk){ .ops = &slow_ops, .options = options, .loop = loop, .size = SLOW_SIZE,
		.block = PVIO_SECTOR, .physical = PVIO_SECTOR };
	*disk = &slow.disk;
	return HUSK_STATUS_OK;
}

/* ---- tests ---- */

/* Has what 'husk show' tells of the device this text? */
static bool shows(struct virtio *v, bool json, const char *text)
{
	char out[1024];
	struct show show = { .out = out, .room = sizeof(out) - 1, .json = json, .depth = 3 };

	v->class->show(v, &show);
	out[show.len <= show.room ? show.len : 0] = 0;
	return strstr(out, text);
}

static void hostile_listen(struct net_backend *b, bool on)
{
	(void)b;
	listening = on;
}

static bool hostile_send(struct net_backend *b, const struct iovec *iov, unsigned int count, size_t bytes)
{
	(void)b;
	(void)iov;
	(void)count;
	(void)bytes;
	sent++;
	return true;
}

static void hostile_offload(struct net_backend *b, uint64_t features)
{
	(void)b;
	accepted++;
	offloads = features;
}

static const struct net_ops hostile_net_ops = {
	.name = "hostile", .send = hostile_send, .receive = wire_receive, .listen = hostile_listen,
	.offload = hostile_offload, .close = wire_close,
};

static void frame_arrives(size_t length)
{
	memset(wire.frame, 0x5a, length);
	wire.length = length;
	wire.backend.readable(wire.backend.ctx);
}

/* Three buffers of a page for a frame of four: the loop must not be called for it again until there are more */
static void test_net_few_buffers(struct virtio *v, uint64_t event_index)
{
	const char *how = event_index ? "_event_index" : "";
	uint8_t *used = ram + USED;
	char name[64];

	drive(v, NET_F_MRG_RXBUF | event_index, 0);
	for (unsigned int i = 0; i < 4; i++)
		desc(0, i, DATA + i * PAGE, PAGE, 2, 0);
	for (unsigned int i = 0; i < 3; i++)
		offer(v, 0, i);
	virtio_kick(v, 0);
	frame_arrives(4 * PAGE);
	snprintf(name, sizeof(name), "net_few_buffers%s", how);
	check(name, !listening && !used_idx(0));
	snprintf(name, sizeof(name), "net_few_buffers_kick%s", how);
	check(name, event_index ? *(uint16_t *)(used + 4 + 8 * v->queue[0].ring.size) == 3 : !(used[0] & 1));
	offer(v, 0, 3);
	virtio_kick(v, 0);
	snprintf(name, sizeof(name), "net_enough_buffers%s", how);
	check(name, used_idx(0) == 4 && ram[DATA + 10] == 4 && ram[DATA + 3 * PAGE] == 0x5a && listening);
}

static void test_net_runts(struct virtio *v)
{
	drive(v, 0, 0);
	sent = 0;
	for (unsigned int i = 0; i < 3; i++) {
		desc(1, i, DATA, NET_HEADER + (i ? 12 + i : 1), 0, 0);
		offer(v, 1, i);
	}
	virtio_kick(v, 1);
	check("net_no_frame_below_14_bytes", sent == 1 && used_idx(1) == 3);
	/* one of 14 bytes; two of four pages with their headers came before */
	check("net_counts", shows(v, true, "\"received\": 2, \"received_bytes\": 32744, \"sent\": 1, \"sent_bytes\": 14"));
	check("net_counts_text", shows(v, false, "received=2 received_bytes=32744 sent=1 sent_bytes=14"));
}

/* A command of the control queue; its answer, 0xff: none */
static uint8_t control(struct virtio *v, const void *command, unsigned int length, bool answer)
{
	memcpy(ram + DATA, command, length);
	ram[DATA + PAGE] = 0xff;
	desc(2, 0, DATA, length, answer ? 1 : 0, 1);
	desc(2, 1, DATA + PAGE, 1, 2, 0);
	offer(v, 2, 0);
	virtio_kick(v, 2);
	return ram[DATA + PAGE];
}

static void test_net_control(struct virtio *v)
{
	/* class, command, data */
	static const uint8_t announced[] = { 3, 0 }, pairs[] = { 4, 0, 1, 0 }, unknown[] = { 6, 0 }, longer[12] = { 3, 0 },
		csum[] = { 5, 0, 2, 0, 0, 0, 0, 0, 0, 0 }, tso[] = { 5, 0, 0x82, 0, 0, 0, 0, 0, 0, 0 };

	drive(v, NET_F_CTRL_VQ | NET_F_STATUS | NET_F_GUEST_OFFLOADS | NET_F_GUEST_CSUM, 0);
	check("net_announce_not_accepted", !net_announce(&machine) && v->config[6] == 1 && control(v, announced, 2, true) == 1);
	drive(v, NET_F_CTRL_VQ | NET_F_STATUS | NET_F_GUEST_OFFLOADS | NET_F_GUEST_CSUM | NET_F_GUEST_ANNOUNCE, 0);
	check("net_announce", net_announce(&machine) == 1 && v->config[6] == 3 && v->generation);
	check("net_announced", control(v, announced, 2, true) == 0 && v->config[6] == 1);
	check("net_offloads", control(v, csum, sizeof(csum), true) == 0 && offloads == NET_F_GUEST_CSUM);
	check("net_offloads_not_accepted", control(v, tso, sizeof(tso), true) == 1 && offloads == NET_F_GUEST_CSUM);
	check("net_pairs_not_accepted", control(v, pairs, sizeof(pairs), true) == 1);
	check("net_control_unknown", control(v, unknown, 2, true) == 1);
	check("net_control_short", control(v, announced, 1, true) == 1 && control(v, csum, 5, true) == 1);
	check("net_control_long", control(v, longer, 3, true) == 1 && control(v, longer, sizeof(longer), true) == 1);
	net_announce(&machine);
	check("net_control_no_answer", control(v, announced, 2, false) == 0xff && v->config[6] == 1 && used_idx(2) == 10);
	drive(v, NET_F_MRG_RXBUF, 0);
	check("net_no_control", control(v, announced, 2, true) == 0xff && !used_idx(2) && v->config[6] == 1);
}

/* A queue larger than the device's: there is no ring, and nothing may be started that would use it */
static void test_queue_too_large(struct virtio *v)
{
	accepted = 0;
	drive(v, 0, 0x8000);
	check("queue_too_large", !accepted && (v->status & VIRTIO_NEEDS_RESET));
}

static volatile bool race;

static void *racer(void *ctx)
{
	(void)ctx;
	while (race)
		__atomic_store_n(avail_idx(0), __atomic_load_n((uint16_t *)(ram + USED + 2), __ATOMIC_RELAXED) + 32,
				 __ATOMIC_RELAXED);
	return NULL;
}

/* Buffers without room, by a vCPU that makes them faster than they are used */
static void test_console_no_room(struct virtio *v)
{
	unsigned int most = 0, all = 0;
	pthread_t thread;

	drive(v, 0, 0);
	running = "console_no_room";
	race = true;
	pthread_create(&thread, NULL, racer, NULL);
	while (*(volatile uint16_t *)avail_idx(0) != 32)
		;
	alarm(LATE);
	while (all < 100 * VIRTIO_WEIGHT && most <= VIRTIO_WEIGHT) {
		uint16_t before = used_idx(0), taken;

		virtio_console_receive(v, (const uint8_t *)"typed", 5);
		taken = used_idx(0) - before;
		most = taken > most ? taken : most;
		all += taken;
	}
	alarm(0);
	race = false;
	pthread_join(thread, NULL);
	check(running, most <= VIRTIO_WEIGHT);
}

/* A read of so many bytes: its header, a table of segments that are all the same memory, its status */
static void offer_read(struct virtio *v, unsigned int request, uint32_t segment, unsigned int segments)
{
	uint64_t table = INDIRECT + request * 0x1000;

	desc_at(table, 0, DATA, 16, 1, 1);		/* T_IN, sector 0 */
	for (unsigned int i = 1; i <= segments; i++)
		desc_at(table, i, DATA + PAGE, segment, 3, i + 1);
	desc_at(table, segments + 1, DATA + 16 + request, 1, 2, 0);
	desc(0, request, table, (segments + 2) * 16, 4, 0);
	offer(v, 0, request);
}

/* What is in flight has to be waited for at a reset: it must not be without bound */
static void test_block_in_flight(struct virtio *v)
{
	slow.most = slow.bytes = 0;
	drive(v, 0, 0);
	for (unsigned int i = 0; i < 16; i++)
		offer_read(v, i, 8U << 20, 8);		/* 64 MiB each */
	virtio_kick(v, 0);
	check("block_in_flight", slow.disk.in_flight == 4);
	for (unsigned int i = 0; i < 16 && slow.disk.in_flight; i++)
		slow_finish();
	check("block_all_done", used_idx(0) == 16 && !ram[DATA + 16] && slow.most <= 256U << 20);
	offer_read(v, 0, 8U << 20, 64);			/* 512 MiB: alone */
	offer_read(v, 1, 8U << 20, 1);
	virtio_kick(v, 0);
	check("block_large_alone", slow.disk.in_flight == 1);
	virtio_set_status(v, 0);
	drive(v, 0, 0);
	offer_read(v, 0, 8U << 20, 250);		/* 2000 MiB */
	virtio_kick(v, 0);
	check("block_too_large", !slow.disk.in_flight && ram[DATA + 16] == 1);
}

/* A page written, one read, one read that fails, and requests that are neither, on top of what was done before */
static void test_block_counts(struct virtio *v)
{
	drive(v, 0, 0);
	offer_read(v, 0, PAGE, 1);
	ram[DATA] = 1;					/* T_OUT */
	desc_at(INDIRECT, 1, DATA + PAGE, PAGE, 1, 2);
	virtio_kick(v, 0);
	slow_finish();
	ram[DATA] = 0;
	offer_read(v, 0, PAGE, 1);
	virtio_kick(v, 0);
	slow_finish();
	offer_read(v, 0, PAGE, 1);
	virtio_kick(v, 0);
	disk_done(&slow.disk, slow.taken[0], 5);
	ram[DATA] = 4;					/* T_FLUSH */
	offer_read(v, 0, PAGE, 1);
	virtio_kick(v, 0);
	slow_finish();
	check("block_counts", shows(v, true, "\"reads\": 18, \"read_bytes\": 1610616832, \"writes\": 1, \"write_bytes\": 4096, \"errors\": 1"));
	check("block_counts_text", shows(v, false, "reads=18 read_bytes=1610616832 writes=1 write_bytes=4096 errors=1"));
}

static void test_balloon(struct virtio *v)
{
	static const uint32_t pages[] = { DATA / PAGE + 4, DATA / PAGE + 3, 0xffffffff, RAM / PAGE, DATA / PAGE + 6 };

	drive(v, 0, 0);
	memset(ram + DATA + 2 * PAGE, 0x5a, 6 * PAGE);
	memcpy(ram + DATA, pages, sizeof(pages));
	desc(0, 0, DATA, 6, 1, 1);			/* a number may be in two segments */
	desc(0, 1, DATA + 6, sizeof(pages) - 6, 0, 0);
	offer(v, 0, 0);
	virtio_kick(v, 0);
	check("balloon_pages", used_idx(0) == 1 && ram[DATA + 2 * PAGE] && !ram[DATA + 3 * PAGE] && !ram[DATA + 4 * PAGE] &&
	      ram[DATA + 5 * PAGE] && !ram[DATA + 6 * PAGE] && ram[DATA + 7 * PAGE]);
}

/* Each report may be of all memory: others have their turn between; memory several times over is nothing. */
static void test_balloon_reports(struct virtio *v)
{
	drive(v, 1ULL << 5, 0);
	memset(ram + DATA, 0x5a, 4 * PAGE);
	desc(2, 0, DATA, PAGE, 2, 0);
	for (unsigned int i = 0; i < 3; i++)
		desc(2, 1 + i, DATA + PAGE, RAM / 2, i < 2 ? 3 : 2, 2 + i);
	offer(v, 2, 1);
	for (unsigned int i = 1; i < 100; i++)
		offer(v, 2, 0);
	virtio_kick(v, 2);
	check("balloon_weight", used_idx(2) < 32);
	for (unsigned int i = 0; i < 100; i++) {
		pthread_mutex_unlock(&machine.lock);
		loop_round(&machine.loop);
		pthread_mutex_lock(&machine.lock);
	}
	check("balloon_reported", used_idx(2) == 100 && !ram[DATA]);
	check("balloon_reported_twice", ram[DATA + PAGE]);
}

/* What a child says goes into memory of ours, and what it says may be the guest's doing */
static void test_child_log(void)
{
	static char text[PAGE];
	int log = child_log();
	ssize_t n = 0;

	check("child_said_nothing", !strcmp(child_said(log, "nothing"), "nothing"));
	memset(text, 'x', sizeof(text));
	if (write(log, "first\n", 6) == 6)
		check("child_said", !strcmp(child_said(log, "nothing"), "first"));
	if (write(log, "second\n\n", 8) == 8)
		check("child_said_last", !strcmp(child_said(log, "nothing"), "second"));
	for (int i = 0; i < 1000 && n >= 0; i++)
		n = write(log, text, sizeof(text));
	check("child_log_is_bounded", n < 0);
	close(log);
}

static void make(void)
{
	static struct disk_options disk = { .path = "slow", .format = "qcow2", .queues = 1 };
	static struct net_options net = { .queues = 1 };

	begin_machine(ram);
	if (block_create(&machine, &disk) || net_create(&machine, &net) || option_balloon(&config, NULL) ||
	    option_console(&config, "virtio"))
		_exit(2);
	wire.backend.ops = &hostile_net_ops;
}

int main(void)
{
	ram = aligned_alloc(PAGE, RAM);
	if (!ram || console_init(&console) < 0) {
		printf("skip devices_hostile: no memory\n");
		return 0;
	}
	signal(SIGALRM, too_late);
	make();
	pthread_mutex_lock(&machine.lock);
	test_net_few_buffers(machine.virtio[1], 0);
	test_net_few_buffers(machine.virtio[1], VIRTIO_FEATURE_EVENT_INDEX);
	test_net_runts(machine.virtio[1]);
	test_net_control(machine.virtio[1]);
	test_queue_too_large(machine.virtio[1]);
	test_block_in_flight(machine.virtio[0]);
	test_block_counts(machine.virtio[0]);
	test_balloon(machine.virtio[2]);
	test_balloon_reports(machine.virtio[2]);
	test_child_log();
	test_console_no_room(machine.virtio[3]);
	destroy_machine();
	pthread_mutex_unlock(&machine.lock);
	free(ram);
	printf("# %d passed, %d failed\n", passed, failed);
	return failed != 0;
}
