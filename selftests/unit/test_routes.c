// SPDX-License-Identifier: GPL-2.0
/* The table of GSIs: a PC's, with messages beside it. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "worker/routes.h"

static int calls, refuse;
static struct husk_route last[ROUTES_MAX];
static __u32 last_count;

int husk_vm_set_routes(int vm, const struct husk_route *route, __u32 count)
{
	(void)vm;
	calls++;
	if (refuse)
		return -1;
	memcpy(last, route, count * sizeof(*route));
	last_count = count;
	return 0;
}

/* How many routes are just so */
static int has(__u32 gsi, __u32 kind, __u32 pin, __u64 address, __u32 data)
{
	int n = 0;

	for (__u32 i = 0; i < last_count; i++)
		n += last[i].gsi == gsi && last[i].kind == kind && last[i].pin == pin && last[i].address == address &&
		     last[i].data == data;
	return n;
}

int main(void)
{
	struct routes routes;
	uint32_t gsi, other = 0;

	routes_init(&routes);
	gsi = routes_new_gsi(&routes);
	check("a GSI beyond the chips'", gsi == 24 && !calls);
	check("message", !routes_set_message(&routes, 0, gsi, 0xfee01000, 0x41) && has(24, HUSK_ROUTE_MSI, 0, 0xfee01000, 0x41) == 1);
	check("a PC's", last_count == 15 + 23 + 1 && has(0, HUSK_ROUTE_IOAPIC, 2, 0, 0) && has(0, HUSK_ROUTE_PIC_MASTER, 0, 0, 0) &&
	      has(9, HUSK_ROUTE_PIC_SLAVE, 1, 0, 0) && has(9, HUSK_ROUTE_IOAPIC, 9, 0, 0) && has(23, HUSK_ROUTE_IOAPIC, 23, 0, 0) &&
	      !has(2, HUSK_ROUTE_PIC_MASTER, 2, 0, 0) && !has(16, HUSK_ROUTE_PIC_MASTER, 0, 0, 0));
	calls = 0;
	check("the same again", !routes_set_message(&routes, 0, gsi, 0xfee01000, 0x41) && !calls);
	check("another one", !routes_set_message(&routes, 0, gsi, 0xfee02000, 0x42) && calls == 1 && last_count == 15 + 23 + 1 &&
	      has(24, HUSK_ROUTE_MSI, 0, 0xfee02000, 0x42) == 1);
	refuse = 1;
	check("refused", routes_set_message(&routes, 0, gsi, 0xfee03000, 0x43) < 0 && routes.count == 15 + 23 + 1);
	refuse = 0;
	check("and asked again", !routes_set_message(&routes, 0, gsi, 0xfee03000, 0x43) && has(24, HUSK_ROUTE_MSI, 0, 0xfee03000, 0x43) == 1);
	for (int i = 1; i < ROUTES_MESSAGES; i++)
		other = routes_new_gsi(&routes);
	check("all", other == 24 + ROUTES_MESSAGES - 1 && !routes_new_gsi(&routes));
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
