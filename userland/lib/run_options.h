/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The options of 'husk run' in one place: the command makes its help of them and hands
 * them to the worker, which has a function option_ID() for each.
 *
 * SECTION("title")
 * OPTION(id, "name", "ARGUMENT" or NULL, "help, a line or several")
 */
#ifndef HUSK_RUN_OPTIONS_H
#define HUSK_RUN_OPTIONS_H

#define HUSK_RUN_OPTIONS(SECTION, OPTION) \
	SECTION("What to boot") \
	OPTION(kernel, "kernel", "FILE", "a kernel: bzImage (vmlinuz), multiboot, or ELF with a\n" \
						"PVH entry point (vmlinux)") \
	OPTION(initrd, "initrd", "FILE", "the initial RAM file system") \
	OPTION(cmdline, "cmdline", "TEXT", "the kernel's command line (Linux: console=ttyS0)") \
	OPTION(module, "module", "FILE[,ARGS]", "a file for a multiboot or PVH kernel; repeatable") \
	OPTION(firmware, "firmware", "seabios|ovmf|FILE", "boot a disk by a firmware; seabios for a --disk without\n" \
								 "--kernel") \
	OPTION(fw_cfg, "fw-cfg", "NAME=TEXT|@FILE", "a file for the firmware, such as\n" \
						"opt/org.example/setting=on; repeatable") \
	OPTION(firmware_log, "firmware-log", "FILE", "what the firmware says on port 0x402") \
	SECTION("Size and name") \
	OPTION(memory, "memory", "SIZE", "with K, M, G or T; without, in MiB (256M)") \
	OPTION(cpus, "cpus", "N", "number of vCPUs, up to 64 (1)") \
	OPTION(pin, "pin", "VCPU=CPU[,...]", "a vCPU runs on that CPU of the host only (any);\n" \
					   "repeatable") \
	OPTION(cpuid, "cpuid", "ITEM[,ITEM]...", "what the guest's CPUID says: hide=FEATURE,\n" \
						"show=FEATURE, LEAF[.INDEX].REGISTER=VALUE, where a\n" \
						"FEATURE is a name of /proc/cpuinfo or\n" \
						"LEAF[.INDEX].REGISTER.BIT; show alone prints it all\n" \
						"and boots nothing; repeatable") \
	OPTION(name, "name", "NAME", "of the VM, for the other commands (vm-PID)") \
	OPTION(uuid, "uuid", "UUID", "of the VM, in its SMBIOS tables, too (random)") \
	OPTION(serial_number, "serial-number", "TEXT", "of the system, in the SMBIOS tables (none)") \
	SECTION("Devices, on the PCI bus in the order given; --disk, --net and --rng may be repeated") \
	OPTION(disk, "disk", "FILE[,format=raw|qcow2][,backing][,readonly][,serial=TEXT][,KEY=VALUE]...", \
	       "a file or a block device as a disk (raw). More keys:\n" \
	       "bus=virtio|pvscsi, where=worker|kernel|vhost-user:SOCKET|vm:NAME,\n" \
	       "movable, queues=N, iops=N, iops-burst=N, bps=SIZE,\n" \
	       "bps-burst=SIZE") \
	OPTION(export, "export", NULL, "the guest can serve a disk of another VM, by husk-backend:\n" \
				       "of one with --disk FILE,where=vm:NAME, NAME being this one's") \
	OPTION(net, "net", "tap=INTERFACE[,mac=MAC][,where=worker|kernel][,queues=N] | user[,KEY[=VALUE]]...", \
	       "a network card: on a tap interface of the host, its\n" \
	       "frames moved by husk-vm (worker) or by vhost_net; or\n" \
	       "without rights, by passt: mac=MAC, hostfwd=tcp|udp:HOST:\n" \
	       "GUEST for each port to forward, and loopback: the\n" \
	       "gateway's address is the host's 127.0.0.1") \
	OPTION(rng, "rng", NULL, "a source of randomness: the host's") \
	OPTION(balloon, "balloon", NULL, "the guest gives back memory that it does not use, and\n" \
					 "what 'husk balloon' asks for") \
	OPTION(vsock, "vsock", "CID", "sockets between host and guest (vsock(7)), the guest's\n" \
				      "address being CID, 3 or more") \
	OPTION(console, "console", "serial|virtio", "what the terminal is to the guest: ttyS0, or hvc0 (serial)") \
	SECTION("For test kernels") \
	OPTION(debug_exit, "debug-exit", NULL, "a value v written to port 0xf4 ends the VM;\n" \
						"the status is then (v << 1) | 1") \
	OPTION(testdev, "testdev", NULL, "ports 0xe0..0xe3 keep what is written; 0xe4 takes the\n" \
						"page at that address from the guest and gives it again;\n" \
						"0x2000 + n is interrupt line n; memory behind exits at\n" \
						"0xff000000, 64K") \
	SECTION("Behaviour") \
	OPTION(personality, "personality", "NAME", "the hypervisor that the guest sees: kvm, with KVM's\n" \
						   "paravirtual interface, or none (kvm)") \
	OPTION(no_reboot, "no-reboot", NULL, "a reset by the guest ends the VM, with status 7") \
	OPTION(kvm_anchor, "kvm-anchor", NULL, "on VT-x: hold an empty KVM VM, with which the CPU stays\n" \
						"in VMX operation between two stays in the guest")

#endif
