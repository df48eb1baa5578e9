// SPDX-License-Identifier: GPL-2.0
/*
 * Requests to start a VM that the daemon knows: from whoever asks to the
 * registered daemon, and its answer back. Nothing else goes this way.
 *
 * A request waits here until the daemon has answered, its time is over, the
 * daemon's socket is closed, or the asker's is. Each ends with one answer. One that
 * the daemon has not answered keeps its place for a second at least, so that nobody
 * fills the daemon's queue by asking and going away.
 */
#include <linux/cred.h>
#include <linux/netlink.h>
#include <net/sock.h>

#include "husk.h"
#include "netlink.h"

struct relay_start {
	u64 token;		/* 0: the place is free */
	u32 portid, seq;	/* of the asker's socket and request. portid 0: he does not wait any more */
	kuid_t uid;		/* whose request it counts as */
	unsigned long expires;	/* jiffies; and when the place may be free: */
	unsigned long free_at;
	char name[HUSK_NAME_LEN];
};

static DEFINE_MUTEX(relay_lock);	/* protects all of the following */
static struct relay_start relay_starts[HUSK_START_PENDING];
static u64 relay_last_token;
static u32 relay_daemon;		/* portid, 0: there is none */
static const struct sock *relay_daemon_sk;	/* to be compared only: the number may be another socket's for a moment */
static struct pid *relay_daemon_pid;

#define RELAY_ADMINS	4	/* places that only CAP_SYS_ADMIN takes */
#define RELAY_KEEP	HZ

static void relay_expire(struct work_struct *work);
static DECLARE_DELAYED_WORK(relay_work, relay_expire);

u32 husk_relay_daemon_pid(void)
{
	u32 pid = 0;

	mutex_lock(&relay_lock);
	rcu_read_lock();
	if (relay_daemon && pid_task(relay_daemon_pid, PIDTYPE_TGID))
		pid = pid_vnr(relay_daemon_pid);
	rcu_read_unlock();
	mutex_unlock(&relay_lock);
	return pid;
}

/* ---- the end of a request ---- */

/* Tell the asker, if he still waits. @id: of the VM, 0: there is none. If it does not reach him, that is his own affair. */
static void relay_tell(struct relay_start *s, u32 error, const char *message, u32 id)
{
	struct sk_buff *skb = s->portid ? genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL) : NULL;
	void *header = skb ? genlmsg_put(skb, s->portid, s->seq, &husk_nl_family, 0, HUSK_CMD_VM_START) : NULL;

	lockdep_assert_held(&relay_lock);
	if (!header || nla_put_string(skb, HUSK_A_START_NAME, s->name) ||
	    nla_put_u32(skb, HUSK_A_START_ERROR, error) ||
	    (message && nla_put_string(skb, HUSK_A_START_MESSAGE, message)) ||
	    (id && nla_put_u32(skb, HUSK_A_START_VM_ID, id))) {
		nlmsg_free(skb);
	} else {
		genlmsg_end(skb, header);
		genlmsg_unicast(&init_net, skb, s->portid);
	}
	s->portid = 0;
}

/* Nobody waits for it any more, but the daemon has it. */
static void relay_orphan(struct relay_start *s)
{
	s->portid = 0;
	if (time_after_eq(jiffies, s->free_at))
		s->token = 0;
	else
		s->expires = s->free_at;
}

/* End those whose time is over, and come again for the next one. */
static void relay_expire(struct work_struct *work)
{
	unsigned long next = 0;
	struct relay_start *s;

	mutex_lock(&relay_lock);
	for (s = relay_starts; s < relay_starts + HUSK_START_PENDING; s++) {
		if (s->token && time_after_eq(jiffies, s->expires)) {
			relay_tell(s, ETIMEDOUT, "the daemon did not answer in time", 0);
			relay_orphan(s);
		}
		if (s->token && (!next || time_before(s->expires, next)))
			next = s->expires;
	}
	if (next)
		mod_delayed_work(husk_wq, &relay_work, max_t(long, next - jiffies, 1));
	mutex_unlock(&relay_lock);
}

static void relay_end_all(const char *message)
{
	struct relay_start *s;

	for (s = relay_starts; s < relay_starts + HUSK_START_PENDING; s++) {
		if (!s->token)
			continue;
		relay_tell(s, ECONNRESET, message, 0);
		s->token = 0;
	}
}

/* ---- daemon ---- */

int husk_nl_daemon(struct sk_buff *skb, struct genl_info *info)
{
	int ret = 0;

	if (!netlink_capable(skb, CAP_SYS_ADMIN)) {
		GENL_SET_ERR_MSG(info, "the daemon needs CAP_SYS_ADMIN");
		return -EPERM;
	}
	mutex_lock(&relay_lock);
	if (relay_daemon && relay_daemon_sk != NETLINK_CB(skb).sk) {
		GENL_SET_ERR_MSG(info, "there is a daemon already");
		ret = -EBUSY;
	} else if (!relay_daemon) {
		relay_daemon = info->snd_portid;
		relay_daemon_sk = NETLINK_CB(skb).sk;
		relay_daemon_pid = get_pid(task_tgid(current));
	}
	mutex_unlock(&relay_lock);
	return ret;
}

/* A netlink socket was closed: the daemon's, or one that a request came from? */
static int relay_released(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct netlink_notify *notify = data;
	struct relay_start *s;

	if (event != NETLINK_URELEASE || notify->protocol != NETLINK_GENERIC || notify->net != &init_net)
		return NOTIFY_DONE;
	mutex_lock(&relay_lock);
	if (relay_daemon && notify->portid == relay_daemon) {
		relay_end_all("the daemon ended");
		relay_daemon = 0;
		put_pid(relay_daemon_pid);
	}
	for (s = relay_starts; s < relay_starts + HUSK_START_PENDING; s++)
		if (s->token && s->portid == notify->portid) {
			relay_orphan(s);
			mod_delayed_work(husk_wq, &relay_work, 1);	/* it looks when the next is due */
		}
	mutex_unlock(&relay_lock);
	return NOTIFY_DONE;
}

static struct notifier_block relay_notifier = { .notifier_call = relay_released };

/* ---- vm-start, start-answer ---- */

static int relay_ask(const struct relay_start *s, u32 timeout_ms)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *header = skb ? genlmsg_put(skb, 0, 0, &husk_nl_family, 0, HUSK_CMD_START_REQUEST) : NULL;

	if (!header || husk_nl_put_u64(skb, HUSK_A_START_TOKEN, s->token) ||
	    nla_put_string(skb, HUSK_A_START_NAME, s->name) ||
	    nla_put_u32(skb, HUSK_A_START_UID, from_kuid_munged(&init_user_ns, current_euid())) ||
	    nla_put_u32(skb, HUSK_A_START_TIMEOUT_MS, timeout_ms)) {
		nlmsg_free(skb);
		return -ENOMEM;
	}
	genlmsg_end(skb, header);
	return genlmsg_unicast(&init_net, skb, relay_daemon);
}

/* Whose request it counts as: who has made a user namespace may be many users in it. */
static kuid_t relay_user(void)
{
	kuid_t uid = current_euid();
	struct user_namespace *ns;

	for (ns = current_user_ns(); ns != &init_user_ns; ns = ns->parent)
		uid = ns->owner;
	return uid;
}

/* A free place, or NULL: too many wait, of all users or of this one */
static struct relay_start *relay_place(kuid_t uid, bool admin)
{
	struct relay_start *s, *place = NULL;
	int users = 0, all = 0;

	for (s = relay_starts; s < relay_starts + HUSK_START_PENDING; s++) {
		if (!s->token)
			place = s;
		else
			all++;
		if (s->token && uid_eq(s->uid, uid))
			users++;
	}
	if (admin)
		return place;
	return users < HUSK_START_PENDING_USER && all < HUSK_START_PENDING - RELAY_ADMINS ? place : NULL;
}

static int relay_start(struct genl_info *info, u32 timeout_ms, bool admin)
{
	struct relay_start *s = relay_place(relay_user(), admin);
	int ret;

	lockdep_assert_held(&relay_lock);
	if (!relay_daemon) {
		GENL_SET_ERR_MSG(info, "no daemon runs: start huskd");
		return -ESRCH;
	}
	if (!s) {
		GENL_SET_ERR_MSG(info, "too many requests wait for the daemon: try again");
		return -EAGAIN;
	}
	*s = (struct relay_start){
		.token = ++relay_last_token,
		.portid = info->snd_portid,
		.seq = info->snd_seq,
		.uid = relay_user(),
		.expires = jiffies + msecs_to_jiffies(timeout_ms),
		.free_at = jiffies + RELAY_KEEP,
	};
	nla_strscpy(s->name, info->attrs[HUSK_A_START_NAME], sizeof(s->name));
	ret = relay_ask(s, timeout_ms);
	if (ret) {
		s->token = 0;
		GENL_SET_ERR_MSG(info, "the daemon does not keep up: try again");
		return -EAGAIN;
	}
	mod_delayed_work(husk_wq, &relay_work, 1);
	return 0;
}

int husk_nl_start(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *name = info->attrs[HUSK_A_START_NAME], *timeout = info->attrs[HUSK_A_START_TIMEOUT_MS];
	int ret;

	if (GENL_REQ_ATTR_CHECK(info, HUSK_A_START_NAME)) {
		GENL_SET_ERR_MSG(info, "name is missing");
		return -EINVAL;
	}
	if (!*(const char *)nla_data(name) || !husk_vm_name_ok(nla_data(name))) {
		NL_SET_ERR_MSG_ATTR(info->extack, name, "nothing that a VM can be called");
		return -EINVAL;
	}
	/* Who wrote the request and who opened the socket must be the same, as in husk_nl_may(). */
	if (!uid_eq(current_euid(), READ_ONCE(NETLINK_CB(skb).sk->sk_uid))) {
		GENL_SET_ERR_MSG(info, "the socket is another user's");
		return -EPERM;
	}
	mutex_lock(&relay_lock);
	ret = relay_start(info, timeout ? nla_get_u32(timeout) : HUSK_START_TIMEOUT_MS,
			  netlink_capable(skb, CAP_SYS_ADMIN));
	mutex_unlock(&relay_lock);
	return ret;
}

static struct relay_start *relay_find(u64 token)
{
	struct relay_start *s;

	for (s = relay_starts; token && s < relay_starts + HUSK_START_PENDING; s++)
		if (s->token == token)
			return s;
	return NULL;
}

static int relay_answer(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *token = info->attrs[HUSK_A_START_TOKEN], *error = info->attrs[HUSK_A_START_ERROR];
	struct nlattr *message = info->attrs[HUSK_A_START_MESSAGE], *id = info->attrs[HUSK_A_START_VM_ID];
	struct relay_start *s;

	lockdep_assert_held(&relay_lock);
	if (!relay_daemon || relay_daemon_sk != NETLINK_CB(skb).sk) {
		GENL_SET_ERR_MSG(info, "only the daemon answers");
		return -EPERM;
	}
	s = relay_find(nla_get_u64(token));
	if (!s) {
		NL_SET_ERR_MSG_ATTR(info->extack, token, "no such request, or it is over");
		return -ENOENT;
	}
	relay_tell(s, error ? nla_get_u32(error) : 0, message ? nla_data(message) : NULL, id ? nla_get_u32(id) : 0);
	s->token = 0;
	return 0;
}

int husk_nl_answer(struct sk_buff *skb, struct genl_info *info)
{
	int ret;

	if (GENL_REQ_ATTR_CHECK(info, HUSK_A_START_TOKEN)) {
		GENL_SET_ERR_MSG(info, "token is missing");
		return -EINVAL;
	}
	mutex_lock(&relay_lock);
	ret = relay_answer(skb, info);
	mutex_unlock(&relay_lock);
	return ret;
}

/* ---- load, unload ---- */

int husk_relay_init(void)
{
	return netlink_register_notifier(&relay_notifier);
}

/* No request comes any more: the family is gone. */
void husk_relay_exit(void)
{
	netlink_unregister_notifier(&relay_notifier);
	cancel_delayed_work_sync(&relay_work);
	mutex_lock(&relay_lock);
	relay_end_all("husk.ko was unloaded");
	if (relay_daemon)
		put_pid(relay_daemon_pid);
	mutex_unlock(&relay_lock);
}
