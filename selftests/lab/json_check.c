// SPDX-License-Identifier: GPL-2.0
/* json_check [lines] FILE: is what FILE has one JSON text, or one on each line? Else it says where not. */
#include <stdio.h>
#include <stdlib.h>

#include "../json.h"

static char *read_all(FILE *f)
{
	size_t n = 0, room = 0;
	char *text = NULL;

	do {
		room += 1 << 20;
		text = realloc(text, room);
		if (!text)
			return NULL;
		n += fread(text + n, 1, room - 1 - n, f);
	} while (n == room - 1);
	text[n] = 0;
	return strlen(text) == n ? text : NULL;
}

int main(int argc, char **argv)
{
	bool lines = argc == 3 && !strcmp(argv[1], "lines");
	FILE *f = argc == 2 + lines ? fopen(argv[1 + lines], "r") : NULL;
	char *text = f ? read_all(f) : NULL, *line;

	if (!text)
		return 2;
	for (int i = 1; (line = lines ? strsep(&text, "\n") : text); i++) {
		if ((!lines || *line || i == 1) && !json_valid(line)) {
			printf("line %d is no JSON: %.200s\n", i, line);
			return 1;
		}
		if (!lines)
			break;
	}
	return 0;
}
