// SPDX-License-Identifier: GPL-2.0
/* Where the VM's GSIs go. */
#include <string.h>

#include "worker/routes.h"

#define ISA_GSIS	16
#define IOAPIC_PINS	24
#define CASCADE		2	/* no input of the 8259; pin 2 of the IOAPIC is the 8254's */

static void add(struct routes *routes, uint32_t gsi, uint32_t kind, uint32_t pin)
{
	routes->route[routes->count++] = (struct husk_route){ .gsi = gsi, .kind = kind, .pin = pin };
}

void routes_init(struct routes *routes)
{
	memset(routes, 0, sizeof(*routes));
	for (uint32_t i = 0; i < IOAPIC_PINS; i++) {
		if (i == CASCADE)
			continue;
		if (i < ISA_GSIS)
			add(routes, i, i < 8 ? HUSK_ROUTE_PIC_MASTER : HUSK_ROUTE_PIC_SLAVE, i % 8);
		add(routes, i, HUSK_ROUTE_IOAPIC, i ? i : CASCADE);
	}
	routes->next_gsi = IOAPIC_PINS;
}

uint32_t routes_new_gsi(struct routes *routes)
{
	return routes->next_gsi < IOAPIC_PINS + ROUTES_MESSAGES ? routes->next_gsi++ : 0;
}

static struct husk_route *find_message(struct routes *routes, uint32_t gsi)
{
	for (unsigned int i = 0; i < routes->count; i++)
		if (routes->route[i].gsi == gsi)
			return &routes->route[i];
	return &routes->route[routes->count++];
}

int routes_set_message(struct routes *routes, int vm, uint32_t gsi, uint64_t address, uint32_t data)
{
	struct routes new = *routes;
	struct husk_route *route = find_message(&new, gsi);

	if (route->gsi == gsi && route->address == address && route->data == data)
		return 0;
	*route = (struct husk_route){ .gsi = gsi, .kind = HUSK_ROUTE_MSI, .address = address, .data = data };
	if (husk_vm_set_routes(vm, new.route, new.count) < 0)
		return -1;
	*routes = new;
	return 0;
}
