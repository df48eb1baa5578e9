// SPDX-License-Identifier: GPL-2.0
/* The rare parts of account.h, and the switch for statistics by reason. */
#include <linux/kstrtox.h>
#include <linux/math64.h>
#include <linux/moduleparam.h>
#include <linux/sysfs.h>
#include <asm/tsc.h>

#include "account.h"

DEFINE_STATIC_KEY_TRUE(husk_stats_on);

static int husk_stats_set(const char *value, const struct kernel_param *param)
{
	bool on;
	int ret = kstrtobool(value, &on);

	if (ret)
		return ret;
	if (on)
		static_branch_enable(&husk_stats_on);
	else
		static_branch_disable(&husk_stats_on);
	return 0;
}

static int husk_stats_show(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%c\n", static_key_enabled(&husk_stats_on) ? 'Y' : 'N');
}

static const struct kernel_param_ops husk_stats_ops = {
	.set = husk_stats_set,
	.get = husk_stats_show,
};
module_param_cb(stats, &husk_stats_ops, NULL, 0644);
MODULE_PARM_DESC(stats, "count and time exits by reason");

void husk_exit_trace(struct husk_vcpu *vcpu)
{
	const struct husk_flight *f = vcpu->flight;
	s64 ticks = max_t(s64, rdtsc() - f->tsc, 0);

	trace_husk_exit(vcpu->vm->id, vcpu->id, f->reason, f->rip, f->info0, f->info1, f->level,
			mul_u64_u32_div(ticks, NSEC_PER_MSEC, tsc_khz));
}

void husk_exit_time_long(struct husk_vcpu *vcpu, u64 ticks)
{
	struct husk_exit_stats *stats = &vcpu->stats->reason[vcpu->exit.reason];

	if ((s64)ticks < 0) {
		stats->times[0]++;
		return;
	}
	vcpu->flight->ticks = U32_MAX;
	stats->ticks += ticks;
	stats->times[HUSK_TIME_BUCKETS - 1]++;
}
