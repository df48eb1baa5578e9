# SPDX-License-Identifier: GPL-2.0
# husk: a hypervisor as a Linux kernel module. `make help` lists the targets.

KDIR ?= /lib/modules/$(shell uname -r)/build
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
KERNELS ?= 6.1 6.12 7.2
# options for scripts/lab in `make lab-shell`
LAB ?=

# of libhusk and of the packages; debian/changelog has it, too
VERSION := 0.5

export BUILD PREFIX DESTDIR VERSION

.PHONY: all deps modules modules-all $(KERNELS:%=module-%) userland selftests lab-shell demo check check-all \
	bench install uninstall package modules-install clean help

all: modules userland

help:
	@echo 'make                module for the running kernel (if its headers are here), userland'
	@echo 'make deps           install what building and the lab need (Debian 12; root or sudo)'
	@echo 'make modules        husk.ko for the kernel whose build folder is KDIR'
	@echo 'make modules-all    husk.ko for each of KERNELS ($(KERNELS)) in $(BUILD)/modules'
	@echo 'make module-6.1     the same for one of them'
	@echo 'make userland       tools and BPF programs, in $(BUILD)/bin and $(BUILD)/bpf'
	@echo 'make lab-shell      root shell in an emulated machine, LAB="--kernel 6.12" and so on'
	@echo 'make demo           boot a guest under husk in that machine'
	@echo 'make selftests      the programs of the tests'
	@echo 'make check          the quick tests; check-all: all tests; bench: measurements'
	@echo 'make install        programs, manual pages, libhusk, units under DESTDIR/PREFIX; uninstall removes them'
	@echo 'make package        Debian packages, in $(BUILD)/deb'
	@echo 'make modules-install  husk.ko for KDIR into /lib/modules (root)'
	@echo 'make clean          remove $(BUILD)'

deps:
	scripts/deps

# the sources are copied, so that a kernel's build leaves nothing among them
modules:
	@if [ -d '$(KDIR)' ]; then \
		mkdir -p '$(BUILD)/kbuild/native' && \
		cp -rpu Kbuild kmod uapi '$(BUILD)/kbuild/native/' && \
		$(MAKE) -C '$(KDIR)' M='$(abspath $(BUILD))/kbuild/native' modules && \
		sh kmod/btf.sh '$(KDIR)' '$(BUILD)/kbuild/native/husk.ko'; \
	else \
		echo 'no kernel headers in $(KDIR): building the userland only (modules for stock kernels: make modules-all)'; \
	fi

modules-install: modules
	$(MAKE) -C '$(KDIR)' M='$(abspath $(BUILD))/kbuild/native' modules_install

modules-all: $(KERNELS:%=module-%)

# a static pattern: phony targets get no implicit rules
$(KERNELS:%=module-%): module-%:
	@HUSK_BUILD='$(abspath $(BUILD))' scripts/build-module $*

userland:
	$(MAKE) -C userland O='$(abspath $(BUILD))'

selftests:
	$(MAKE) -C selftests O='$(abspath $(BUILD))'

lab-shell:
	scripts/lab shell $(LAB)

demo:
	scripts/demo

check:
	scripts/check

check-all:
	scripts/check --all

bench:
	scripts/bench

install: userland
	scripts/install

uninstall:
	scripts/install --uninstall

package:
	scripts/package

clean:
	rm -rf '$(BUILD)'
