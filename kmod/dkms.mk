# SPDX-License-Identifier: GPL-2.0
# What DKMS runs, in its copy of the sources: KDIR is the kernel's headers. It adds
# variables of its own to the command line, so this is a makefile.
modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules
	sh kmod/btf.sh $(KDIR) husk.ko

.PHONY: modules
