// SPDX-License-Identifier: GPL-2.0
/*
 * The code page that the last emulated instruction was fetched from. A driver
 * touches its device from the same place each time; to look whether the four
 * page-table entries are still what they were costs far less than to walk them
 * again. 64-bit code only.
 */
#include <linux/uaccess.h>

#include "emulate.h"

#define PTE_PRESENT	BIT_ULL(0)
#define PTE_HUGE	BIT_ULL(7)
#define PTE_ADDRESS	GENMASK_ULL(51, 12)

static bool code_page_unchanged(const struct husk_code_page *code)
{
	u64 entry;
	int i;

	for (i = 0; i < code->levels; i++)
		if (__get_user(entry, code->user[i]) || entry != code->entry[i])
			return false;
	return true;
}

/**
 * husk_code_page_read - read the instruction at a remembered place
 * @vcpu: its thread is the caller; class CR is valid
 * @gva: canonical address of the instruction
 * @insn: out, 15 bytes
 *
 * Return: false if the place is not known, or may have changed.
 */
bool husk_code_page_read(struct husk_vcpu *vcpu, u64 gva, u8 insn[16])
{
	const struct husk_code_page *code = &vcpu->code;
	const u8 __user *user;
	u64 first, last;
	bool read;

	if (code->page != (gva & PAGE_MASK) || code->cr3 != vcpu->sys.cr3 || !code->levels ||
	    offset_in_page(gva) > PAGE_SIZE - 15 ||
	    code->generation != READ_ONCE(vcpu->vm->mem.slots_generation))
		return false;
	user = code->bytes + offset_in_page(gva);
	pagefault_disable();
	read = code_page_unchanged(code) && !__get_user(first, (const u64 __user *)user) &&
	       !__get_user(last, (const u64 __user *)(user + 7));
	pagefault_enable();
	if (!read)
		return false;
	memcpy(insn, &first, 8);
	memcpy(insn + 7, &last, 8);
	return true;
}

/**
 * husk_code_page_note - remember where an instruction was fetched from
 * @vcpu: its thread is the caller; class CR is valid, 64-bit code
 * @gva: canonical address of the instruction, which was fetched and run
 */
void husk_code_page_note(struct husk_vcpu *vcpu, u64 gva)
{
	struct husk_code_page *code = &vcpu->code;
	int shift = vcpu->sys.cr4 & X86_CR4_LA57 ? 48 : 39;
	u64 entry = vcpu->sys.cr3;
	u8 level = 0;

	code->levels = 0;
	code->generation = READ_ONCE(vcpu->vm->mem.slots_generation);
	code->cr3 = entry;
	code->page = gva & PAGE_MASK;
	for (;; shift -= 9, level++) {
		code->user[level] = husk_gpa_to_user(vcpu->vm, (entry & PTE_ADDRESS) + ((gva >> shift) & 511) * 8);
		if (!code->user[level] || __get_user(entry, code->user[level]) || !(entry & PTE_PRESENT))
			return;
		code->entry[level] = entry;
		if (shift == 12 || ((entry & PTE_HUGE) && shift <= 30))
			break;
	}
	entry = (entry & PTE_ADDRESS & ~(BIT_ULL(shift) - 1)) | (gva & (BIT_ULL(shift) - 1) & PAGE_MASK);
	code->bytes = husk_gpa_to_user(vcpu->vm, entry);
	if (code->bytes)
		code->levels = level + 1;
}
