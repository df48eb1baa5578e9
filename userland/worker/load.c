// SPDX-License-Identifier: GPL-2.0
/* Filling the RAM of a new machine. */
#include "worker/acpi.h"
#include "worker/machine.h"

static enum husk_status load_kernel(struct machine *m)
{
	const struct config *c = m->config;
	struct boot_request rq = c->boot;
	struct boot_state state;
	const char *why;

	rq.ram = m->ram;
	rq.low = m->low;
	rq.high = m->high;
	rq.rsdp = BOOT_BIOS;
	why = c->loader->load(&rq, &state);
	if (why)
		return fail(HUSK_STATUS_INPUT, "--kernel %s: %s", c->kernel.path, why);
	return vcpu_set_boot_state(&m->vcpu[0], &state);
}

enum husk_status machine_load(struct machine *m)
{
	if (!acpi_build(m->ram + BOOT_BIOS, BOOT_BIOS_END - BOOT_BIOS, BOOT_BIOS, m->config->cpus))
		return fail(HUSK_STATUS_FAIL, "the ACPI tables do not fit");
	pci_assign(&m->chipset.pci);
	return load_kernel(m);
}
