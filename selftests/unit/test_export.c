// SPDX-License-Identifier: GPL-2.0
/* --export: what a client, and the guest that serves it, can do to the worker between them. */
#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/eventfd.h>

#include "check.h"
#include "worker/export.c"
#include "worker/export_server.c"

#define LATE	60		/* seconds */
#define ROUNDS	300
#define MESSAGES 60

static struct machine machine;
static struct config config;
static struct export *export;
static unsigned int slots[8];	/* bytes of each */
static unsigned int doorbells;
static bool level;		/* of INTx */
static uint64_t seed = 1;

static void crashed(int signo)
{
	static const char text[] = "not ok export: it crashed, or hangs\n";

	(void)signo;
	_exit(write(1, text, sizeof(text) - 1) < 0 ? 2 : 1);
}

enum husk_status fail(enum husk_status status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	return status;
}

enum husk_status config_add_device(struct config *c, enum husk_status (*create)(struct machine *m, void *options), void *options)
{
	(void)c;
	return create(&machine, options);
}

int husk_vm_set_memory(int vm, __u32 slot, __u64 gpa, void *hva, __u64 length, __u32 flags)
{
	(void)vm;
	(void)gpa;
	(void)hva;
	(void)flags;
	slots[slot] = length;
	return 0;
}

int husk_vm_ioeventfd(int vm, int fd, __u64 addr, __u32 width, __u64 data, __u32 flags)
{
	char link[64], to[64] = "";

	(void)vm;
	(void)width;
	(void)data;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	errno = EINVAL;
	if (readlink(link, to, sizeof(to) - 1) < 0 || !strstr(to, "eventfd"))
		return -1;
	errno = ENOENT;
	if (!addr)
		return -1;
	doorbells += flags & HUSK_IOEVENTFD_DEASSIGN ? -1 : 1;
	return 0;
}

static void gsi(void *ctx, unsigned int gsi, bool now)
{
	(void)ctx;
	(void)gsi;
	level = now;
}

static uint32_t random32(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return seed >> 33;
}

static unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int memory_file(uint64_t bytes, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (ftruncate(fd, bytes) < 0 || (seals && fcntl(fd, F_ADD_SEALS, seals) < 0))
		return -1;
	return fd;
}

static void rounds(void)
{
	for (int i = 0; i < 4; i++)
		loop_round(&machine.loop);
}

static int client_connect(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.*s.disk", (int)strlen(config.control) - 5, config.control);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		/* enough wait */
		close(fd);
		return -1;
	}
	rounds();
	return fd;
}

static void client_send(int to, struct message *msg, uint32_t request, uint32_t size, int fd)
{
	union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } rights = {
		.head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) },
	};
	struct iovec iov = { msg, HEAD + (size < sizeof(*msg) - HEAD ? size : sizeof(*msg) - HEAD) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

	msg->request = request;
	msg->flags = VERSION | NEED_REPLY;
	msg->size = size;
	if (fd >= 0) {
		memcpy(CMSG_DATA(&rights.head), &fd, sizeof(fd));
		hdr.msg_control = &rights;
		hdr.msg_controllen = sizeof(rights);
	}
	if (sendmsg(to, &hdr, MSG_NOSIGNAL) < 0)
		return;
	rounds();
}

/* The guest: its program is there, and looks */
static void guest_ready(void)
{
	export->page->queues = 2;
	export->page->offered = ~0ULL;
	export->page->ready = 1;
	doorbell(export, EXPORT_AT_NOTIFY, 4, 1);
}

static void guest_sees(void)
{
	export->page->change_seen = export->page->change;
	doorbell(export, EXPORT_AT_NOTIFY, 4, 1);
}

static bool answered(int fd, uint64_t *number)
{
	struct message msg = {};
	ssize_t n = recv(fd, &msg, sizeof(msg), 0);

	*number = msg.number;
	return n >= HEAD && msg.flags == (VERSION | REPLY);
}

static void map_memory(int fd, int file, uint64_t bytes)
{
	struct message msg = { .memory = { .count = 1, .region = { { 0, bytes, 1ULL << 40, 0 } } } };

	client_send(fd, &msg, SET_MEM_TABLE, 40, file);
}

static void end_client(int fd)
{
	close(fd);
	rounds();
	guest_sees();
	rounds();
}

/* The client's memory is at one place, always the same, without a hole in which something else could come to be. */
static bool window_kept(void)
{
	static uint8_t *window;

	if (!window)
		window = export->window;
	return window && export->window == window && (!export->memory || export->memory == window) && !madvise(window, EXPORT_WINDOW, MADV_COLD);
}

static void test_memory(const char *name, uint64_t file_bytes, int seals, uint64_t bytes, bool good)
{
	int fd = client_connect(), file = memory_file(file_bytes, seals);

	map_memory(fd, file, bytes);
	check(name, good ? export->memory && slots[SLOT_WINDOW] == bytes && export->page->session & 1 : !export->memory && export->client.fd < 0);
	check("export_window", window_kept());
	close(file);
	close(fd);
	rounds();
	if (good)
		check("export_held", export->memory && !(export->page->session & 1));
	guest_sees();
	rounds();
	check("export_window_after", window_kept());
	check("export_let_go", !export->memory && !slots[SLOT_WINDOW] && export->client.fd < 0);
}

static void test_stop(void)
{
	int fd = client_connect(), file = memory_file(1 << 20, F_SEAL_SHRINK), call = eventfd(0, EFD_NONBLOCK);
	struct message msg = {};
	uint64_t number, full = ~0ULL - 1, count = 0;

	map_memory(fd, file, 1 << 20);
	msg.number = 1;
	client_send(fd, &msg, SET_VRING_CALL, 8, call);
	check("export_doorbell", doorbells == 1);
	/* a doorbell that the module has not taken (of one byte): nothing waits for the client, which has the same open file */
	check("export_full", write(call, &full, sizeof(full)) == sizeof(full) && fcntl(call, F_SETFL, 0) == 0);
	doorbell(export, 4, 1, 1);
	check("export_call", read(call, &count, sizeof(count)) == sizeof(count) && count == full);
	msg.state.index = 1;
	msg.state.number = 1;
	client_send(fd, &msg, SET_VRING_ENABLE, 8, -1);
	check("export_running", export->page->queue[1].running == 1);
	check("export_no_ack", !answered(fd, &number));
	client_send(fd, &msg, GET_VRING_BASE, 8, -1);
	check("export_waits", !answered(fd, &number) && !export->page->queue[1].running);
	export->page->stopped_at[1] = 0xfff0;
	guest_sees();
	check("export_stopped", answered(fd, &number) && number >> 32 == 0xfff0);
	/* it goes while the guest is waited for */
	client_send(fd, &msg, GET_VRING_BASE, 8, -1);
	close(file);
	close(call);
	end_client(fd);
	check("export_left", export->client.fd < 0 && !export->memory && !doorbells && !export->waits);
}

static void guest_waits(void)
{
	doorbell(export, EXPORT_AT_WAIT, 4, 1);
}

static bool kick(int fd)
{
	bool sent = eventfd_write(fd, 1) == 0;

	rounds();
	return sent && level;
}

static void test_kicks(void)
{
	int fd = client_connect(), file = memory_file(1 << 20, F_SEAL_SHRINK), event = eventfd(0, EFD_NONBLOCK);
	struct message msg = { .number = 1 };

	client_send(fd, &msg, SET_VRING_KICK, 8, file);
	check("export_kick_file", export->client.fd < 0);
	end_client(fd);
	fd = client_connect();
	msg.number = 1;
	client_send(fd, &msg, SET_VRING_KICK, 8, event);
	check("export_kick_unasked", !level && !kick(event));
	guest_waits();
	rounds();
	check("export_kick_before", !level);
	check("export_kick", kick(event));
	check("export_kick_again", kick(event) && !export->line[1].watched);
	guest_waits();
	check("export_kick_lowered", !level && export->line[1].watched);
	export_changed(export);
	check("export_kick_change", level);
	guest_waits();
	pci_put16(&export->pci, PCI_COMMAND, pci_get16(&export->pci, PCI_COMMAND) | PCI_COMMAND_NO_INTX);
	check("export_kick_masked", !kick(event) && export->pci.config[PCI_STATUS] & PCI_STATUS_INTX);
	pci_put16(&export->pci, PCI_COMMAND, pci_get16(&export->pci, PCI_COMMAND) & ~PCI_COMMAND_NO_INTX);
	guest_waits();
	/* it keeps the eventfd when it goes */
	close(file);
	end_client(fd);
	guest_waits();
	check("export_kick_left", !kick(event) && export->line[1].kick.fd < 0);
	close(event);
}

/* Anything, by both of them */
static void test_random(void)
{
	unsigned int before = open_fds(), longest = 0;

	for (int round = 0; round < ROUNDS; round++) {
		int fd = client_connect();

		for (int i = 0; i < MESSAGES; i++) {
			int files[] = { -1, memory_file(1 << 16, F_SEAL_SHRINK), memory_file(1 << 16, 0), eventfd(0, EFD_NONBLOCK) };
			struct message msg;

			for (size_t n = 0; n < sizeof(msg) / 4; n++)
				((uint32_t *)&msg)[n] = random32() % 3 ? random32() % 4 : random32();
			if (random32() % 4 == 0)
				msg.memory = (typeof(msg.memory)){ .count = 1, .region = { { 0, 1 << 16, random32(), 0 } } };
			client_send(fd, &msg, requests[random32() % (sizeof(requests) / sizeof(requests[0]))].request + (random32() % 50 == 0),
				    random32() % 3 ? (uint32_t[]){ 8, 40, 0, 13, 72 }[random32() % 5] : random32() % 80, files[random32() % 4]);
			for (int n = 1; n < 4; n++)
				close(files[n]);
			for (int n = random32() % 8; n > 0; n--)
				((uint32_t *)export->page)[random32() % 1024] = random32() % 3;
			guest_ready();
			if (random32() % 2)
				guest_waits();
			if (random32() % 2)
				guest_sees();
			if (open_fds() > longest)
				longest = open_fds();
			if (export->client.fd < 0) {
				close(fd);
				fd = client_connect();
			}
		}
		end_client(fd);
	}
	/* a connection, and two eventfds for each queue */
	check("export_random_fds", open_fds() == before && longest < before + 24);
	check("export_random_doorbells", !doorbells);
}

int main(void)
{
	signal(SIGALRM, crashed);
	signal(SIGSEGV, crashed);
	alarm(LATE);
	snprintf(config.control, sizeof(config.control), "/tmp/test_export-%d.sock", getpid());
	config.owner = geteuid();
	machine.config = &config;
	pthread_mutex_init(&machine.lock, NULL);
	loop_init(&machine.loop, &machine.lock);
	pci_init(&machine.chipset.pci, &(struct pci_wires){ &machine.ports, &machine.memory, gsi, NULL });
	check("export_created", option_export(&config, NULL) == HUSK_STATUS_OK && config.jail_devices & JAIL_VHOST_USER);
	for (int i = 0; i < PCI_SLOTS; i++)
		if (machine.chipset.pci.device[i])
			export = export_of(machine.chipset.pci.device[i]);
	pci_assign(&machine.chipset.pci);
	check("export_placed", slots[SLOT_PAGE] == PAGE && !slots[SLOT_WINDOW]);
	check("export_no_guest", client_connect() >= 0 && export->client.fd < 0);
	guest_ready();
	rounds();
	check("export_guest", export->client.fd >= 0);
	pci_reset(&machine.chipset.pci);
	check("export_reset", export->client.fd < 0 && !export->page->ready);
	pci_assign(&machine.chipset.pci);
	guest_ready();
	test_memory("export_memory", 1 << 20, F_SEAL_SHRINK, 1 << 20, true);
	test_memory("export_unsealed", 1 << 20, 0, 1 << 20, false);
	test_memory("export_short", 1 << 20, F_SEAL_SHRINK, 2 << 20, false);
	test_memory("export_odd", 1 << 20, F_SEAL_SHRINK, 1000, false);
	test_memory("export_large", 512ULL << 20, F_SEAL_SHRINK, 512ULL << 20, false);
	test_stop();
	test_kicks();
	test_random();
	snprintf(config.control + strlen(config.control) - 5, 6, ".disk");
	unlink(config.control);
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
