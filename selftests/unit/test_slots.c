// SPDX-License-Identifier: GPL-2.0
/* Memory slots: look-up, replacement and overlap, the way back from the worker's addresses. */
#include "unit_shim.h"
#include "../../kmod/ept_npt/slots.c"

static struct husk_slots *slots_new(void)
{
	return calloc(1, sizeof(struct husk_slots) + (HUSK_MAX_SLOTS + 1) * sizeof(struct husk_slot));
}

/* What husk_slots_find() should say, slowly */
static const struct husk_slot *find_slowly(const struct husk_slots *slots, u64 gpa)
{
	for (u32 i = 0; i < slots->count; i++)
		if (gpa >= slots->slot[i].gpa && gpa - slots->slot[i].gpa < slots->slot[i].length)
			return &slots->slot[i];
	return NULL;
}

static int put(struct husk_slots **slots, u32 id, u64 gpa, u64 length, u64 hva)
{
	struct husk_slot slot = { .id = id, .gpa = gpa, .length = length, .hva = hva };
	struct husk_slots *new = slots_new();
	int err = husk_slots_replace(*slots, &slot, new);

	if (err) {
		free(new);
		return err;
	}
	free(*slots);
	*slots = new;
	return 0;
}

static void test_edges(void)
{
	struct husk_slots *slots = slots_new();

	unit_report(!husk_slots_find(slots, 0) && !husk_slots_find(slots, ~0ULL), "slots_empty",
		    "found a slot in an empty set");
	unit_report(put(&slots, 0, 0, 0, 0) == -ENOENT, "slots_delete_missing", "not ENOENT");

	put(&slots, 0, 0x1000, 0x3000, 0x700000);
	put(&slots, 1, 0x4000, 0x1000, 0x900000);
	put(&slots, 2, (1ULL << 48) - 0x1000, 0x1000, 0xa00000);
	unit_report(!husk_slots_find(slots, 0xfff) && husk_slots_find(slots, 0x1000)->id == 0 &&
		    husk_slots_find(slots, 0x3fff)->id == 0 && husk_slots_find(slots, 0x4000)->id == 1 &&
		    !husk_slots_find(slots, 0x5000) && husk_slots_find(slots, (1ULL << 48) - 1)->id == 2 &&
		    !husk_slots_find(slots, 1ULL << 48) && !husk_slots_find(slots, ~0ULL),
		    "slots_find_edges", "wrong slot at an edge");
	unit_report(husk_slot_hva(husk_slots_find(slots, 0x3210), 0x3210) == 0x702210, "slots_hva",
		    "wrong address");

	unit_report(put(&slots, 3, 0, 0x2000, 0) == -EEXIST && put(&slots, 3, 0x3000, 0x1000, 0) == -EEXIST &&
		    put(&slots, 3, 0, 0x10000, 0) == -EEXIST && put(&slots, 3, 0x2000, 0x1000, 0) == -EEXIST,
		    "slots_overlap", "overlap not refused");
	unit_report(!put(&slots, 3, 0, 0x1000, 0) && !put(&slots, 0, 0x1000, 0x2000, 0x800000) &&
		    slots->count == 4 && !husk_slots_find(slots, 0x3000) &&
		    husk_slots_find(slots, 0x1000)->hva == 0x800000, "slots_replace", "replaced slot is wrong");
	unit_report(!put(&slots, 0, 0, 0, 0) && slots->count == 3 && !husk_slots_find(slots, 0x1000),
		    "slots_delete", "slot is still there");
	free(slots);
}

static u64 random_page(u64 pages)
{
	return (u64)(random() % pages) << 12;
}

static void test_random(void)
{
	struct husk_slots *slots = slots_new();
	int wrong = 0;

	for (int round = 0; round < 20000; round++) {
		u64 gpa;

		put(&slots, random() % HUSK_MAX_SLOTS, random_page(4096), random_page(32), random_page(1 << 20));
		for (u32 i = 1; i < slots->count; i++)
			wrong += slots->slot[i - 1].gpa + slots->slot[i - 1].length > slots->slot[i].gpa;
		for (u32 i = 0; i < slots->count; i++)
			for (u32 j = 0; j < i; j++)
				wrong += slots->slot[i].id == slots->slot[j].id || !slots->slot[i].length;
		gpa = random_page(4200) + random() % 4096;
		wrong += husk_slots_find(slots, gpa) != find_slowly(slots, gpa);
	}
	unit_report(!wrong, "slots_random", "%d broken promises", wrong);
	free(slots);
}

/* Every gpa whose worker address is in the range is seen once, no other is. */
static void test_next(void)
{
	struct husk_slots *slots = slots_new();
	static u8 seen[4200];
	int wrong = 0;

	for (int round = 0; round < 3000; round++) {
		u64 start = random_page(2048), end = start + random_page(600), gpa = 0, gpa_end = 0, last = 0;

		put(&slots, random() % 24, random_page(4096), random_page(64), random_page(2048));
		memset(seen, 0, sizeof(seen));
		while (husk_slots_next(slots, start, end, &gpa, &gpa_end)) {
			wrong += gpa >= gpa_end || gpa < last;
			if (random() & 1)	/* the caller may take a smaller step */
				gpa_end = gpa + 4096;
			for (; gpa < gpa_end; gpa += 4096)
				seen[gpa >> 12]++;
			last = gpa;
		}
		for (u64 page = 0; page < ARRAY_SIZE(seen); page++) {
			const struct husk_slot *slot = find_slowly(slots, page << 12);
			u64 hva = slot ? husk_slot_hva(slot, page << 12) : 0;

			wrong += seen[page] != (slot && hva >= start && hva < end);
		}
	}
	unit_report(!wrong, "slots_next", "%d pages missed or seen twice", wrong);

	put(&slots, 30, 0x10000000, 0x1000, 0x7fffffffe000);
	{
		u64 gpa = 0x10000000, gpa_end = 0;

		unit_report(husk_slots_next(slots, 0, ~0ULL, &gpa, &gpa_end) && gpa == 0x10000000 &&
			    gpa_end == 0x10001000, "slots_next_all", "the whole address space misses a slot");
	}
	free(slots);
}

int main(void)
{
	srandom(1);
	test_edges();
	test_random();
	test_next();
	return unit_done();
}
