// SPDX-License-Identifier: GPL-2.0
/*
 * Routes: to which inputs of the chips, or as which message, a global system
 * interrupt (GSI) goes.
 *
 * A table is never changed, only replaced, and read under RCU from any context.
 * It is sorted by GSI; a GSI has three routes at most, one for each chip.
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "irqchip/chips.h"

struct route {
	u64 address;	/* of an MSI */
	u32 data;
	u16 gsi;
	u8 kind;	/* HUSK_ROUTE_x */
	u8 pin;		/* of a chip */
};

struct husk_routes_table {
	struct rcu_head rcu;
	u32 count;
	struct route route[];
};

#define ROUTE(n, chip, input)	{ .gsi = n, .kind = HUSK_ROUTE_##chip, .pin = input }
#define ROUTE_MASTER(n, pin)	ROUTE(n, PIC_MASTER, n), ROUTE(n, IOAPIC, pin)
#define ROUTE_SLAVE(n)		ROUTE(n, PIC_SLAVE, (n) - 8), ROUTE(n, IOAPIC, n)
#define ROUTE_PCI(n)		ROUTE(n, IOAPIC, n)
#define ROUTE_DEFAULTS \
	ROUTE_MASTER(0, 2), ROUTE_MASTER(1, 1), ROUTE_MASTER(3, 3), ROUTE_MASTER(4, 4), \
	ROUTE_MASTER(5, 5), ROUTE_MASTER(6, 6), ROUTE_MASTER(7, 7), \
	ROUTE_SLAVE(8), ROUTE_SLAVE(9), ROUTE_SLAVE(10), ROUTE_SLAVE(11), \
	ROUTE_SLAVE(12), ROUTE_SLAVE(13), ROUTE_SLAVE(14), ROUTE_SLAVE(15), \
	ROUTE_PCI(16), ROUTE_PCI(17), ROUTE_PCI(18), ROUTE_PCI(19), \
	ROUTE_PCI(20), ROUTE_PCI(21), ROUTE_PCI(22), ROUTE_PCI(23)

/* Every VM's at first. GSI 0 is at pin 2, as the MADT's override says; 2 is the cascade and has no input. */
static struct husk_routes_table routes_default = {
	.count = sizeof((struct route[]) { ROUTE_DEFAULTS }) / sizeof(struct route),
	.route = { ROUTE_DEFAULTS },
};

/* ---- use ---- */

/* The first route of a GSI, or of the next that has one; may be the end of the table */
static const struct route *routes_find(const struct husk_routes_table *table, u32 gsi)
{
	u32 low = 0, high = table->count;

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (table->route[middle].gsi < gsi)
			low = middle + 1;
		else
			high = middle;
	}
	return &table->route[low];
}

#define routes_for_each(route, table, n) \
	for ((route) = routes_find(table, n); \
	     (route) < (table)->route + (table)->count && (route)->gsi == (n); (route)++)

static void route_set(struct husk_vm *vm, const struct route *route, enum husk_irq_source source, bool level)
{
	switch (route->kind) {
	case HUSK_ROUTE_PIC_MASTER:
		husk_irqchip_pic_line(vm, route->pin, source, level);
		break;
	case HUSK_ROUTE_PIC_SLAVE:
		husk_irqchip_pic_line(vm, 8 + route->pin, source, level);
		break;
	case HUSK_ROUTE_IOAPIC:
		husk_ioapic_set_line(vm, route->pin, source, level);
		break;
	default:
		if (level)
			husk_irq_msi(vm, route->address, route->data);
	}
}

/**
 * husk_irq_set - raise or lower a GSI
 * @vm: the VM
 * @gsi: any value
 * @source: on whose behalf
 * @level: raise
 *
 * Any context.
 *
 * Return: 0, or -ENOENT if it has no route.
 */
int husk_irq_set(struct husk_vm *vm, u32 gsi, enum husk_irq_source source, bool level)
{
	const struct husk_routes_table *table;
	const struct route *route;
	int ret = -ENOENT;

	rcu_read_lock();
	table = rcu_dereference(vm->irqchip->routes);
	routes_for_each(route, table, gsi) {
		route_set(vm, route, source, level);
		ret = 0;
	}
	rcu_read_unlock();
	return ret;
}

bool husk_routes_reach(struct husk_vm *vm, u32 gsi, enum husk_route_kind chip, u32 inputs)
{
	const struct husk_routes_table *table = rcu_dereference(vm->irqchip->routes);
	const struct route *route;

	routes_for_each(route, table, gsi)
		if (route->kind == chip && (inputs & BIT(route->pin)))
			return true;
	return false;
}

/* ---- change ---- */

static bool route_valid(const struct husk_route *r)
{
	static const u8 pins[HUSK_ROUTE_KIND_COUNT] = {
		[HUSK_ROUTE_PIC_MASTER] = 8, [HUSK_ROUTE_PIC_SLAVE] = 8,
		[HUSK_ROUTE_IOAPIC] = IOAPIC_PINS, [HUSK_ROUTE_MSI] = 1,
	};

	if (r->reserved || r->gsi >= HUSK_GSI_COUNT || r->kind >= HUSK_ROUTE_KIND_COUNT)
		return false;
	if (r->pin >= pins[array_index_nospec(r->kind, HUSK_ROUTE_KIND_COUNT)])
		return false;
	if (r->kind == HUSK_ROUTE_MSI)
		return husk_msi_valid(r->address, r->data);
	if (r->kind == HUSK_ROUTE_PIC_MASTER && r->pin == PIC_CASCADE)
		return false;
	return !r->address && !r->data;
}

static int route_compare(const void *a, const void *b)
{
	const struct route *x = a, *y = b;

	return x->gsi != y->gsi ? x->gsi - y->gsi : x->kind - y->kind;
}

/* Sorted: no two of a GSI to one chip, and none beside an MSI, which comes last */
static bool routes_distinct(const struct husk_routes_table *table)
{
	u32 i;

	for (i = 1; i < table->count; i++) {
		const struct route *a = &table->route[i - 1], *b = &table->route[i];

		if (a->gsi == b->gsi && (a->kind == b->kind || b->kind == HUSK_ROUTE_MSI))
			return false;
	}
	return true;
}

static void routes_replace(struct husk_vm *vm, struct husk_routes_table *table)
{
	struct husk_routes_table *old;

	old = rcu_replace_pointer(vm->irqchip->routes, table, lockdep_is_held(&vm->lock));
	if (old != &routes_default)
		kvfree_rcu(old, rcu);
}

/**
 * husk_routes_set - replace all routes
 * @vm: vm->lock is held
 * @route: as a user gave them
 * @count: up to HUSK_GSI_COUNT
 *
 * Return: 0; or -EINVAL, -ENOMEM, and nothing has changed.
 */
int husk_routes_set(struct husk_vm *vm, const struct husk_route *route, u32 count)
{
	struct husk_routes_table *table;
	u32 i;

	for (i = 0; i < count; i++)
		if (!route_valid(&route[i]))
			return -EINVAL;
	table = kvmalloc(struct_size(table, route, count), GFP_KERNEL_ACCOUNT);
	if (!table)
		return -ENOMEM;
	table->count = count;
	for (i = 0; i < count; i++)
		table->route[i] = (struct route) {
			.address = route[i].address, .data = route[i].data, .gsi = route[i].gsi,
			.kind = route[i].kind, .pin = route[i].pin,
		};
	sort(table->route, count, sizeof(table->route[0]), route_compare, NULL);
	if (!routes_distinct(table)) {
		kvfree(table);
		return -EINVAL;
	}
	routes_replace(vm, table);
	return 0;
}

void husk_routes_init(struct husk_vm *vm)
{
	RCU_INIT_POINTER(vm->irqchip->routes, &routes_default);
}

/* Nobody uses the VM any more. */
void husk_routes_fini(struct husk_vm *vm)
{
	struct husk_routes_table *table = rcu_dereference_protected(vm->irqchip->routes, true);

	if (table != &routes_default)
		kvfree(table);
}
