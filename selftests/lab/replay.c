// SPDX-License-Identifier: GPL-2.0
/*
 * replay LOG IMAGE LOOKS COMMAND: what power cuts leave. LOG is that of the device mapper's target log-writes, which
 * has all writes in the order in which they were done; they are done again to IMAGE, one by one. LOOKS
 * times in between `COMMAND RECORDS` has a look at IMAGE.cut: it has all writes so far, or, every other time, those that a
 * flush has made stable, and of the others some by chance. RECORDS is the highest number of a sector "husk record NUMBER"
 * so far, whether it is in there or not.
 */
#include <endian.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Documentation/admin-guide/device-mapper/log-writes.rst */
#define MAGIC		0x6a736677736872ULL
#define FLUSH		1
#define FUA		2
#define DISCARD		4
#define MARK		8

struct super { uint64_t magic, version, entries; uint32_t sector; } __attribute__((packed));
struct entry { uint64_t sector, sectors, flags, bytes; };

#define BLOCK		512
#define SIGN		"husk record "
#define PENDING		4096

static struct write { struct entry e; char *data; size_t length; off_t to; } pending[PENDING];
static unsigned int pendings;
static unsigned long records;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void find_records(const char *data, size_t length)
{
	for (size_t at = 0; at + BLOCK <= length; at += BLOCK)
		if (!memcmp(data + at, SIGN, strlen(SIGN))) {
			unsigned long n = strtoul(data + at + strlen(SIGN), NULL, 10);

			records = n > records ? n : records;
		}
}

static void apply(int image, const struct write *w)
{
	if (pwrite(image, w->data, w->length, w->to) != (ssize_t)w->length)
		die("image");
}

/* A flush: what is done by now is stable */
static void settle(int image)
{
	for (unsigned int i = 0; i < pendings; i++) {
		apply(image, &pending[i]);
		free(pending[i].data);
	}
	pendings = 0;
}

/* The place in the log after its data. A mark has none there. */
static off_t take(int log, int image, off_t at, uint32_t sector, const struct entry *e)
{
	size_t bytes = e->flags & MARK ? 0 : e->sectors * sector, length = e->flags & DISCARD ? 0 : bytes;
	struct write *w;

	if (e->flags & FLUSH)
		settle(image);
	if (pendings == PENDING)
		die("too many writes without a flush");
	w = &pending[pendings++];
	/* what is discarded may be anything: zeroes */
	*w = (struct write){ *e, calloc(1, bytes + 1), bytes, e->sector * sector };
	if (!w->data || pread(log, w->data, length, at) != (ssize_t)length)
		die("log");
	find_records(w->data, length);
	return at + length;
}

static int look(int image, const char *path, const char *command, int all)
{
	static char chunk[1 << 20];
	char line[1024];
	int cut;
	ssize_t n;

	snprintf(line, sizeof(line), "%s.cut", path);
	cut = open(line, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (off_t at = 0; (n = pread(image, chunk, sizeof(chunk), at)) > 0; at += n)
		if (pwrite(cut, chunk, n, at) != n)
			die("cut");
	for (unsigned int i = 0; i < pendings; i++)
		if (all || pending[i].e.flags & FUA || random() & 1)
			apply(cut, &pending[i]);
	close(cut);
	snprintf(line, sizeof(line), "%s %lu", command, records);
	return system(line);
}

int main(int argc, char **argv)
{
	int log = argc == 5 ? open(argv[1], O_RDONLY) : -1, image = argc == 5 ? open(argv[2], O_RDWR) : -1;
	unsigned long wanted = argc == 5 ? strtoul(argv[3], NULL, 10) : 0, looks = 0, bad = 0, flushes = 0;
	struct super super;
	struct entry e;
	off_t at;

	if (!wanted || log < 0 || image < 0 || pread(log, &super, sizeof(super), 0) != sizeof(super) ||
	    le64toh(super.magic) != MAGIC)
		die("usage: replay LOG IMAGE LOOKS COMMAND");
	at = super.sector;
	for (uint64_t n = 1; n <= super.entries; n++) {
		if (pread(log, &e, sizeof(e), at) != sizeof(e))
			die("log");
		at = take(log, image, at + super.sector, super.sector, &e);
		flushes += !!(e.flags & FLUSH);
		if (n * wanted / super.entries == (n - 1) * wanted / super.entries)
			continue;
		if (look(image, argv[2], argv[4], looks++ & 1)) {
			bad++;
			printf("# after %llu of %llu writes, %lu records\n", (unsigned long long)n, (unsigned long long)super.entries, records);
		}
	}
	settle(image);
	printf("%llu writes, %lu flushes, %lu records, %lu looks, %lu bad\n", (unsigned long long)super.entries, flushes, records, looks, bad);
	return bad ? 1 : 0;
}
