// SPDX-License-Identifier: GPL-2.0
/*
 * The set of memory slots. A VM has two or three and at most HUSK_MAX_SLOTS,
 * so a look-up is at most six compares in two or three cache lines. There is
 * no last-hit cache: it would be a word that all vCPUs write.
 */
#include "slots.h"

/**
 * husk_slots_find - the slot that holds a guest physical address
 * @slots: the set
 * @gpa: guest physical address, any value
 *
 * Return: the slot or NULL.
 */
const struct husk_slot *husk_slots_find(const struct husk_slots *slots, u64 gpa)
{
	const struct husk_slot *slot;
	u32 low = 0, high = slots->count;

	/* the last slot that begins at or below gpa is slot[low - 1] */
	while (low < high) {
		u32 middle = (low + high) / 2;

		if (slots->slot[middle].gpa <= gpa)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	slot = &slots->slot[low - 1];
	return gpa - slot->gpa < slot->length ? slot : NULL;
}

/**
 * husk_slots_by_id - a slot by the user's number
 * @slots: the set
 * @id: any value
 *
 * Return: the slot or NULL.
 */
const struct husk_slot *husk_slots_by_id(const struct husk_slots *slots, u32 id)
{
	u32 i;

	for (i = 0; i < slots->count; i++)
		if (slots->slot[i].id == id)
			return &slots->slot[i];
	return NULL;
}

static bool slots_overlap(const struct husk_slot *a, const struct husk_slot *b)
{
	return a->gpa < b->gpa + b->length && b->gpa < a->gpa + a->length;
}

/**
 * husk_slots_replace - a set with one slot made, replaced or deleted
 * @old: the set as it is
 * @slot: takes the place of the slot with the same id; length 0 only deletes that
 * @new: out, room for old->count + 1 slots
 *
 * Return: 0, -EEXIST if @slot overlaps one with another id, -ENOENT if there is
 * nothing to delete.
 */
int husk_slots_replace(const struct husk_slots *old, const struct husk_slot *slot,
		       struct husk_slots *new)
{
	bool placed = !slot->length, deleted = false;
	u32 i;

	new->count = 0;
	for (i = 0; i < old->count; i++) {
		const struct husk_slot *other = &old->slot[i];

		if (other->id == slot->id) {
			deleted = true;
			continue;
		}
		if (slot->length && slots_overlap(slot, other))
			return -EEXIST;
		if (!placed && slot->gpa < other->gpa) {
			new->slot[new->count++] = *slot;
			placed = true;
		}
		new->slot[new->count++] = *other;
	}
	if (!placed)
		new->slot[new->count++] = *slot;
	return slot->length || deleted ? 0 : -ENOENT;
}

/**
 * husk_slots_next - the next guest range that a range of the worker backs
 * @slots: the set
 * @start: first byte of the worker's range
 * @end: the byte after it
 * @gpa: in, where to look from; out, first byte of the guest range found
 * @gpa_end: out, the byte after it
 *
 * A loop that goes on at @gpa_end sees every guest range once, in rising
 * order, even if the set is replaced meanwhile by one that keeps those slots.
 *
 * Return: false if there are no more.
 */
bool husk_slots_next(const struct husk_slots *slots, u64 start, u64 end,
		     u64 *gpa, u64 *gpa_end)
{
	u32 i;

	for (i = 0; i < slots->count; i++) {
		const struct husk_slot *slot = &slots->slot[i];
		u64 low = max(slot->hva, start);
		u64 high = min(slot->hva + slot->length, end);
		u64 first, last;

		if (low >= high)
			continue;
		first = max(slot->gpa + (low - slot->hva), *gpa);
		last = slot->gpa + (high - slot->hva);
		if (first >= last)
			continue;
		*gpa = first;
		*gpa_end = last;
		return true;
	}
	return false;
}
