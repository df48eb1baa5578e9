// SPDX-License-Identifier: GPL-2.0
/*
 * attach FILE: load the first program of a BPF object, attach it as long as this process
 * lives, and say so.
 */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct bpf_object *object = argc == 2 ? bpf_object__open_file(argv[1], NULL) : NULL;

	if (!object || bpf_object__load(object) || !bpf_program__attach(bpf_object__next_program(object, NULL)))
		return 1;
	puts("attached");
	fflush(stdout);
	pause();
	return 0;
}
