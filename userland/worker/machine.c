// SPDX-License-Identifier: GPL-2.0
/* Making and taking down a VM. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "worker/machine.h"
#include "worker/virtio/console.h"
#include "worker/virtio/virtio.h"

long long machine_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

uint8_t *machine_ram(const struct machine *m, uint64_t gpa, uint64_t length)
{
	return pvio_map(&m->guest, gpa, length, true);
}

/* Until the guest has a driver for hvc0, there is the serial port. */
size_t machine_input(struct machine *m, const uint8_t *data, size_t n)
{
	size_t taken;

	pthread_mutex_lock(&m->lock);
	if (m->virtio_console && virtio_running(m->virtio_console))
		taken = virtio_console_receive(m->virtio_console, data, n);
	else
		taken = serial_receive(&m->chipset.com1, data, n);
	pthread_mutex_unlock(&m->lock);
	return taken;
}

/* A VM belongs to who makes it. */
static int create_for(struct machine *m, uid_t owner)
{
	const struct config *c = m->config;
	uid_t own = geteuid();
	int vm, err;

	if (seteuid(owner) < 0)
		return -1;
	vm = husk_vm_create(m->dev, c->name, c->control, c->uuid, &m->id);
	err = errno;
	if (seteuid(own) < 0 && vm >= 0) {
		close(vm);
		vm = -1;
	}
	errno = err;
	return vm;
}

static enum husk_status create_vm(struct machine *m)
{
	const struct config *c = m->config;

	m->vm = create_for(m, c->owner);
	if (m->vm < 0 && errno == EEXIST)
		return fail(HUSK_STATUS_NAME, "\"%s\": %s", c->name, husk_create_error(errno));
	if (m->vm < 0)
		return fail(HUSK_STATUS_HOST, "%s", husk_create_error(errno));
	if (husk_vm_set_memory(m->vm, 0, 0, m->ram, m->low, 0) < 0 ||
	    (m->high && husk_vm_set_memory(m->vm, 1, RAM_HIGH_BASE, m->ram + m->low, m->high, 0) < 0))
		return fail(HUSK_STATUS_FAIL, "the kernel refused the guest's memory: %s", strerror(errno));
	return machine_set_cpuid(m);
}

static enum husk_status create_vcpus(struct machine *m)
{
	enum husk_status status = HUSK_STATUS_OK;

	for (unsigned int i = 0; i < m->config->cpus && !status; i++)
		status = vcpu_create(&m->vcpu[i], m, i);
	return status;
}

static enum husk_status create_devices(struct machine *m)
{
	const struct config *c = m->config;
	enum husk_status status = HUSK_STATUS_OK;

	for (unsigned int i = 0; i < c->devices && !status; i++)
		status = c->device[i].create(m, c->device[i].options);
	return status;
}

enum husk_status machine_create(struct machine *m, const struct config *config,
				struct console *console, int dev)
{
	enum husk_status status;

	memset(m, 0, sizeof(*m));
	m->config = config;
	m->console = console;
	m->dev = dev;
	m->vm = m->ram_fd = -1;
	atomic_store(&m->crashed, -1);
	for (int i = 0; i < MACHINE_CPUS; i++)
		m->vcpu[i].fd = -1;
	pthread_mutex_init(&m->lock, NULL);
	if (loop_init(&m->loop, &m->lock) < 0)
		return fail(HUSK_STATUS_FAIL, "no epoll instance: %s", strerror(errno));
	routes_init(&m->routes);
	status = chipset_init(m);
	testdev_init(m);

	if (!status)
		status = ram_map(m);
	if (!status)
		status = create_vm(m);
	if (!status)
		status = firmware_create(m);
	if (!status)
		status = create_vcpus(m);
	if (!status)
		status = create_devices(m);
	if (status)
		machine_destroy(m);
	return status;
}

void machine_destroy(struct machine *m)
{
	pthread_mutex_lock(&m->lock);
	while (m->virtio_count)
		virtio_destroy(m->virtio[--m->virtio_count]);
	pci_destroy(&m->chipset.pci);
	chipset_fini(m);
	pthread_mutex_unlock(&m->lock);
	for (int i = 0; i < MACHINE_CPUS; i++)
		vcpu_destroy(&m->vcpu[i]);
	if (m->vm >= 0)
		close(m->vm);
	firmware_destroy(m);
	ram_unmap(m);
	loop_fini(&m->loop);
	pthread_mutex_destroy(&m->lock);
}

/* The signal only has to interrupt HUSK_VCPU_RUN. */
static void on_kick(int signo)
{
	(void)signo;
}

enum husk_status machine_start(struct machine *m)
{
	struct sigaction kick = { .sa_handler = on_kick };
	enum husk_status status = machine_load(m);

	for (unsigned int i = 1; i < m->config->cpus && !status; i++)
		status = vcpu_set_boot_state(&m->vcpu[i], NULL);
	sigaction(SIGUSR1, &kick, NULL);
	for (unsigned int i = 0; i < m->config->cpus && !status; i++)
		status = vcpu_start(&m->vcpu[i]);
	if (status)
		machine_join(m);
	return status;
}

void machine_join(struct machine *m)
{
	machine_end(m, END_QUIT);
	for (unsigned int i = 0; i < m->config->cpus; i++)
		vcpu_join(&m->vcpu[i]);
}

enum husk_status machine_reset(struct machine *m)
{
	pthread_mutex_lock(&m->lock);
	chipset_reset(m);
	testdev_reset(m);
	pthread_mutex_unlock(&m->lock);
	if (husk_vm_reset(m->vm) < 0)
		return fail(HUSK_STATUS_FAIL, "the kernel does not reset the VM: %s", strerror(errno));
	ram_release(m, m->ram, m->low + m->high);
	atomic_store(&m->stop_deadline, 0);
	atomic_store(&m->end, END_NONE);
	return HUSK_STATUS_OK;
}

void machine_end(struct machine *m, enum machine_end reason)
{
	int none = END_NONE;

	if (atomic_compare_exchange_strong(&m->end, &none, reason))
		console_wake(m->console);
}
