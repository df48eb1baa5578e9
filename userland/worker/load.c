// SPDX-License-Identifier: GPL-2.0
/* Filling the RAM of a new machine. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "worker/acpi.h"
#include "worker/machine.h"

static enum husk_status read_image(const struct image *image, uint64_t offset, uint8_t *to, uint64_t size)
{
	while (size) {
		ssize_t n = pread(image->fd, to, size, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(HUSK_STATUS_INPUT, "%s: %s", image->path,
				    n < 0 ? strerror(errno) : "the file became shorter while it was read");
		to += n;
		offset += n;
		size -= n;
	}
	return HUSK_STATUS_OK;
}

enum husk_status machine_load(struct machine *m)
{
	const struct config *c = m->config;
	struct boot_setup setup = {
		.head = c->head,
		.head_len = c->head_len,
		.kernel = &c->boot,
		.low = m->low,
		.high = m->high,
		.initrd_size = c->initrd.size,
		.rsdp = BOOT_BIOS,
		.cmdline = c->cmdline,
	};
	enum husk_status status;
	const char *why;

	why = boot_place_initrd(&c->boot, m->low, c->initrd.size, &setup.initrd);
	if (why)
		return fail(HUSK_STATUS_INPUT, "%s: it needs %llu MiB, --memory gives %llu", why,
			    (unsigned long long)(c->boot.load + c->boot.run_size + c->initrd.size +
						 (2 << 20)) >> 20,
			    (unsigned long long)c->memory >> 20);
	status = read_image(&c->kernel, c->boot.setup_size, m->ram + c->boot.load, c->boot.image_size);
	if (!status && c->initrd.size)
		status = read_image(&c->initrd, 0, m->ram + setup.initrd, c->initrd.size);
	if (status)
		return status;
	if (!acpi_build(m->ram + BOOT_BIOS, BOOT_BIOS_END - BOOT_BIOS, BOOT_BIOS, c->cpus))
		return fail(HUSK_STATUS_FAIL, "the ACPI tables do not fit");
	pci_assign(&m->chipset.pci);
	boot_write(m->ram, &setup);
	return HUSK_STATUS_OK;
}
