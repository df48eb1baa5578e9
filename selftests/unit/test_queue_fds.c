// SPDX-License-Identifier: GPL-2.0
/* Eventfds that a hostile process has open, too: nobody waits for it who has the machine's lock. */
#include <fcntl.h>
#include <signal.h>
#include <time.h>

#include "check.h"
#include "worker/virtio/queue_fds.c"
#include "worker/virtio/kicker.c"

#define LATE	20		/* seconds */

static struct machine machine;
static struct virtio virtio;
static struct queue_fds queue[2];
static unsigned int interrupts;
static bool open_message;
static const uint64_t full = ~0ULL - 1;

int husk_vm_ioeventfd(int vm, int fd, __u64 addr, __u32 width, __u64 data, __u32 flags) { return 0; }
int husk_vm_irqfd(int vm, int fd, __u32 gsi, int resample, __u32 flags) { return 0; }
uint32_t routes_new_gsi(struct routes *routes) { return 24; }
int routes_set_message(struct routes *routes, int vm, uint32_t gsi, uint64_t address, uint32_t data) { return 0; }
uint16_t virtio_doorbell(const struct virtio *v, unsigned int index) { return 0xc000; }
bool msix_open(const struct msix *msix, unsigned int vector) { return open_message; }
void virtio_interrupt(struct virtio *v, uint16_t vector, uint8_t isr) { interrupts++; }

static void crashed(int signo)
{
	static const char text[] = "not ok queue_fds: it hangs\n";

	(void)signo;
	_exit(write(1, text, sizeof(text) - 1) < 0 ? 2 : 1);
}

static void no_handler(int signo)
{
	(void)signo;
}

static void signal_call(void)
{
	const uint64_t one = 1;

	if (write(queue[0].call.fd, &one, sizeof(one)) < 0)
		return;
	loop_round(&machine.loop);
	loop_round(&machine.loop);
}

static void test_call(void)
{
	uint64_t count;

	queue_fds_update(&queue[0], true);
	signal_call();
	check("call_one", interrupts == 1);
	signal_call();
	signal_call();
	check("call_each", interrupts == 3);
	open_message = true;
	queue_fds_update(&queue[0], true);
	signal_call();
	check("call_direct", queue[0].direct && interrupts == 3);
	open_message = false;
	queue_fds_update(&queue[0], true);
	loop_round(&machine.loop);
	check("call_masked", !queue[0].direct && interrupts == 4);
	/* the other end was faster, and a read waits */
	fcntl(queue[0].call.fd, F_SETFL, 0);
	check("call_taken", read(queue[0].call.fd, &count, sizeof(count)) == sizeof(count) && count == 4);
	call_ready(&queue[0], EPOLLIN);
	check("call_waits_not", interrupts == 5);
}

/* By the other end */
static uint64_t taken(unsigned int index)
{
	uint64_t count = 0;

	for (int i = 0; i < 1000 && read(queue[index].kick, &count, sizeof(count)) < 0; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	return count;
}

static void test_kick(void)
{
	struct kicker k;

	check("kick_open", !kicker_open(&k, queue) && !kicker_start(&k) && !kicker_start(&k));
	kicker_kick(&k, 1);
	check("kick_one", taken(1) == 1);
	kicker_kick(&k, 0);
	kicker_kick(&k, 1);
	check("kick_both", taken(0) == 1 && taken(1) == 1);
	check("kick_full", write(queue[0].kick, &full, sizeof(full)) == sizeof(full) && !fcntl(queue[0].kick, F_SETFL, 0));
	/* which it lets go of, and then not */
	kicker_kick(&k, 0);
	nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	check("kick_let_go", taken(0) == full && taken(0) == 1);
	check("kick_full_again", write(queue[0].kick, &full, sizeof(full)) == sizeof(full));
	kicker_kick(&k, 0);
	nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	kicker_close(&k);
	check("kick_ends", !k.running && k.wake < 0);
}

int main(void)
{
	signal(SIGALRM, crashed);
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = no_handler }, NULL);
	alarm(LATE);
	pthread_mutex_init(&machine.lock, NULL);
	loop_init(&machine.loop, &machine.lock);
	virtio.machine = &machine;
	virtio.status = VIRTIO_DRIVER_OK;
	for (unsigned int i = 0; i < 2; i++) {
		queue_fds_init(&queue[i], &virtio, i);
		check("open", !queue_fds_open(&queue[i]));
	}
	test_call();
	test_kick();
	for (unsigned int i = 0; i < 2; i++)
		queue_fds_close(&queue[i]);
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
