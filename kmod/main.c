// SPDX-License-Identifier: GPL-2.0
/*
 * husk: a hypervisor that loads into a stock kernel.
 */
#include <linux/cpumask.h>
#include <linux/module.h>

#include "dev.h"
#include "hostcpu.h"
#include "husk.h"
#include "ioctl.h"
#include "policy.h"
#include "vendor.h"

struct workqueue_struct *husk_wq;

unsigned int husk_max_vms = 4096;
module_param_named(max_vms, husk_max_vms, uint, 0644);
MODULE_PARM_DESC(max_vms, "limit of VMs on this host");

unsigned int husk_max_vcpus = HUSK_MAX_VCPUS;
unsigned int husk_max_slots = HUSK_MAX_SLOTS;

const struct husk_vendor *husk_vendor;

#define X(op) DEFINE_STATIC_CALL_NULL(husk_vendor_##op, *((struct husk_vendor *)NULL)->op);
HUSK_HOT_OPS(X)
#undef X

static void __init husk_vendor_set(const struct husk_vendor *vendor)
{
	husk_vendor = vendor;
#define X(op) static_call_update(husk_vendor_##op, vendor->op);
	HUSK_HOT_OPS(X)
#undef X
}

static void husk_vendor_cleanup(void)
{
	int cpu;

	husk_vendor->cleanup();
	for_each_possible_cpu(cpu)
		husk_vendor->cpu_fini(cpu);
}

static int __init husk_vendor_setup(void)
{
	int cpu, ret = husk_vendor->setup();

	if (ret)
		return ret;
	for_each_possible_cpu(cpu) {
		ret = husk_vendor->cpu_init(cpu);
		if (ret) {
			husk_vendor_cleanup();
			return ret;
		}
	}
	return 0;
}

static int __init husk_init(void)
{
	const struct husk_vendor *vendor;
	int ret;

	ret = husk_mode_probe(&vendor);
	if (ret)
		return ret;
	husk_vendor_set(vendor);
	ret = husk_host_setup();
	if (ret)
		return ret;
	husk_cpuid_setup();
	ret = husk_vendor_setup();
	if (ret)
		goto host;
	ret = husk_vcpu_caches_init();
	if (ret)
		goto vendor;
	ret = husk_pv_clock_init();
	if (ret)
		goto caches;
	husk_wq = alloc_workqueue("husk", WQ_UNBOUND, 0);
	ret = husk_wq ? 0 : -ENOMEM;
	if (ret)
		goto clock;
	ret = husk_netlink_init();
	if (ret)
		goto queue;
	ret = husk_dev_init();
	if (ret)
		goto netlink;
	husk_policy_ops_setup();
	husk_mode_print();
	return 0;

netlink:
	husk_netlink_exit();
queue:
	destroy_workqueue(husk_wq);
clock:
	husk_pv_clock_exit();
caches:
	husk_vcpu_caches_exit();
vendor:
	husk_vendor_cleanup();
host:
	husk_host_cleanup();
	return ret;
}

static void __exit husk_exit(void)
{
	flush_workqueue(husk_wq);	/* what policies asked for; it may hold the last reference to a VM */
	husk_dev_exit();
	husk_netlink_exit();
	husk_policy_cleanup();
	destroy_workqueue(husk_wq);
	husk_pv_clock_exit();
	husk_vcpu_caches_exit();
	husk_vendor_cleanup();
	husk_host_cleanup();
	rcu_barrier();	/* freed slots */
}

module_init(husk_init);
module_exit(husk_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("husk: a hypervisor that loads into a stock kernel");
