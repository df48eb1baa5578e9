// SPDX-License-Identifier: GPL-2.0
/* Giving up rights, see jail.h. The system calls that stay are in jail_calls.c. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/tools.h"
#include "worker/jail.h"
#include "worker/jail_calls.h"
#include "worker/privileges.h"

/* An empty file system that nobody else sees, as our root: without capabilities there is no way out of it. */
static const char *empty_root(void)
{
	const char *dir = husk_rundir();

	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS) < 0)
		return "no namespaces";
	if (!dir || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", dir, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=0555") < 0)
		return "no empty file system";
	return chroot(dir) < 0 || chdir("/") < 0 ? "no root of our own" : NULL;
}

static const char *drop_privileges(const struct jail *jail)
{
	if (privileges_bound(NULL, 0) < 0)
		return "capabilities can't be given up";
	if (jail->uid && (setgroups(0, NULL) < 0 || setresgid(jail->uid, jail->uid, jail->uid) < 0 ||
			  setresuid(jail->uid, jail->uid, jail->uid) < 0))
		return "another user can't be become";
	if (privileges_set(NULL, 0) < 0)
		return "capabilities can't be given up";
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? "no_new_privs" : NULL;
}

/* Of the rights on files those that a kernel of this version of landlock knows */
static __u64 landlock_rights(int version)
{
	__u64 rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;	/* the first version's, the last of them this one */

	return version >= 2 ? rights | LANDLOCK_ACCESS_FS_REFER : rights;
}

static bool allow_folder(int ruleset, const char *folder)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_REMOVE_FILE,
		.parent_fd = open(folder, O_PATH | O_CLOEXEC),
	};
	bool done;

	if (rule.parent_fd < 0)
		return false;
	done = !syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
	return done;
}

/* A kernel without landlock is no error: the other walls stand. */
static const char *landlock(const struct jail *jail)
{
	int version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION), ruleset;
	struct landlock_ruleset_attr attr;
	const char *why = NULL;

	if (version <= 0)
		return NULL;
	attr.handled_access_fs = landlock_rights(version);
	ruleset = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return "landlock makes no rules";
	if (jail->folder && !allow_folder(ruleset, jail->folder))
		why = "landlock takes no rule";
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		why = "landlock";
	close(ruleset);
	return why;
}

enum husk_status jail_enter(const struct jail *jail)
{
	const char *why = jail->uid ? empty_root() : NULL;

	if (!why)
		why = drop_privileges(jail);
	if (!why)
		why = landlock(jail);
	if (!why && jail_calls(jail) < 0)
		why = "seccomp";
	if (why)
		return fail(HUSK_STATUS_FAIL, "the worker's jail can't be closed: %s: %s", why, strerror(errno));
	return HUSK_STATUS_OK;
}
