// SPDX-License-Identifier: GPL-2.0
/* The ACPI tables: pointers, lengths, checksums; and iasl's opinion, where it is installed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "worker/acpi.h"
#include "worker/platform.h"

#define BASE	0xe0000ULL
#define ROOM	0x20000

static uint8_t out[ROOM] __attribute__((aligned(64)));

static uint64_t get(const uint8_t *p, int n)
{
	uint64_t value = 0;

	memcpy(&value, p, n);
	return value;
}

static int sum_is_zero(const uint8_t *p, size_t n)
{
	uint8_t sum = 0;

	while (n--)
		sum += *p++;
	return !sum;
}

/* A table at a guest address: inside the area, signature and checksum right; or NULL */
static const uint8_t *table(uint64_t addr, size_t total, const char *signature)
{
	const uint8_t *t = out + (addr - BASE);
	int good = addr >= BASE && addr + 36 <= BASE + total && !memcmp(t, signature, 4) &&
		   addr + get(t + 4, 4) <= BASE + total && sum_is_zero(t, get(t + 4, 4));

	check_why(signature, good, "wrong place, signature or checksum");
	return good ? t : NULL;
}

static void test_madt(const uint8_t *madt, unsigned int vcpus)
{
	size_t end = get(madt + 4, 4), at = 44;
	unsigned int lapics = 0, ioapics = 0, overrides = 0;

	while (at + 2 <= end && madt[at + 1] >= 2) {
		const uint8_t *entry = madt + at;

		lapics += entry[0] == 0 && entry[3] == lapics && get(entry + 4, 4) == 1;
		ioapics += entry[0] == 1 && get(entry + 4, 4) == IOAPIC_BASE;
		overrides += entry[0] == 2 &&
			     ((entry[3] == 0 && get(entry + 4, 4) == 2) ||
			      (entry[3] == PM_IRQ && get(entry + 8, 2) == 0xd));
		at += entry[1];
	}
	check_why("MADT entries", at == end && lapics == vcpus && ioapics == 1 && overrides == 2,
	      "wrong number or end");
}

static void test_tables(unsigned int vcpus)
{
	size_t total = acpi_build(out, sizeof(out), BASE, vcpus, PCI_ECAM_BASE, NULL);
	const uint8_t *xsdt, *fadt, *madt, *mcfg, *facs;

	check_why("RSDP", total && !memcmp(out, "RSD PTR ", 8) && out[15] == 2 && sum_is_zero(out, 20) &&
	      sum_is_zero(out, 36), "signature or checksum");
	xsdt = table(get(out + 24, 8), total, "XSDT");
	if (!xsdt)
		return;
	check_why("XSDT length", get(xsdt + 4, 4) == 36 + 3 * 8, "wrong");
	fadt = table(get(xsdt + 36, 8), total, "FACP");
	madt = table(get(xsdt + 44, 8), total, "APIC");
	mcfg = table(get(xsdt + 52, 8), total, "MCFG");
	if (!fadt || !madt || !mcfg)
		return;
	check_why("MCFG entry", get(mcfg + 4, 4) == 60 && get(mcfg + 44, 8) == PCI_ECAM_BASE && !mcfg[54] && !mcfg[55],
	      "wrong length, address or buses");
	test_madt(madt, vcpus);
	check_why("FADT pointers", get(fadt + 40, 4) == get(fadt + 140, 8) &&
	      table(get(fadt + 140, 8), total, "DSDT"), "X_DSDT");
	facs = out + get(fadt + 36, 4) - BASE;
	check_why("FACS", !memcmp(facs, "FACS", 4) && get(facs + 4, 4) == 64 && !(get(fadt + 36, 4) & 63),
	      "signature, length or alignment");
	check_why("FADT blocks", get(fadt + 56, 4) == get(fadt + 152, 8) &&
	      get(fadt + 64, 4) == get(fadt + 176, 8) && get(fadt + 76, 4) == get(fadt + 212, 8),
	      "32-bit and extended address differ");
}

static void test_room(void)
{
	size_t total = acpi_build(out, sizeof(out), BASE, 64, PCI_ECAM_BASE, NULL);

	for (size_t room = 0; room < total; room++) {
		uint8_t *tight = aligned_alloc(64, (room + 64) & ~63UL);
		int fits = acpi_build(tight, room, BASE, 64, PCI_ECAM_BASE, NULL) != 0;

		free(tight);
		if (fits) {
			check_why("too little room", 0, "answered a length");
			return;
		}
	}
	check_why("too little room", acpi_build(out, total, BASE, 64, PCI_ECAM_BASE, NULL) == total, "exact room refused");
}

/* Disassemble and compile again, in a scratch folder: 0 errors, 0 warnings. */
static void test_iasl(void)
{
	static const char command[] =
		"cd %s && iasl -d dsdt.dat fadt.dat madt.dat mcfg.dat >log 2>&1 && iasl dsdt.dsl >>log 2>&1 && "
		"grep -q '0 Errors, 0 Warnings' log && ! grep -qiE 'invalid|error -' log";
	static const char * const names[] = { "fadt", "madt", "mcfg", "dsdt" };
	char dir[] = "/tmp/husk-acpi-XXXXXX", line[400];
	const uint8_t *xsdt, *tables[4];

	if (system("command -v iasl >/dev/null 2>&1")) {
		printf("# iasl is not installed (package acpica-tools): not disassembled\n");
		return;
	}
	if (!mkdtemp(dir)) {
		check_why("iasl", 0, "no scratch folder");
		return;
	}
	acpi_build(out, sizeof(out), BASE, 1, PCI_ECAM_BASE, NULL);
	xsdt = out + get(out + 24, 8) - BASE;
	tables[0] = out + get(xsdt + 36, 8) - BASE;
	tables[1] = out + get(xsdt + 44, 8) - BASE;
	tables[2] = out + get(xsdt + 52, 8) - BASE;
	tables[3] = out + get(tables[0] + 140, 8) - BASE;
	for (int i = 0; i < 4; i++) {
		FILE *f;

		snprintf(line, sizeof(line), "%s/%s.dat", dir, names[i]);
		f = fopen(line, "w");
		if (f) {
			fwrite(tables[i], 1, get(tables[i] + 4, 4), f);
			fclose(f);
		}
	}
	snprintf(line, sizeof(line), command, dir);
	check_why("iasl takes the tables", !system(line), "see its log below");
	snprintf(line, sizeof(line), "%s %s/log; rm -r %s", failed ? "cat" : ": ", dir, dir);
	if (system(line))
		printf("# %s is left behind\n", dir);
}

int main(void)
{
	test_tables(1);
	test_tables(64);
	test_room();
	test_iasl();
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
