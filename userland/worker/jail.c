// SPDX-License-Identifier: GPL-2.0
/* Giving up rights, see jail.h. The system calls that stay are in jail_calls.c. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/tools.h"
#include "worker/jail.h"
#include "worker/jail_calls.h"
#include "worker/privileges.h"

#define FILE_MIN	(1 << 20)	/* bytes: a log */

/*
 * An empty file system that nobody else sees, as our root. The host's are let go of, so that they can be unmounted there;
 * where the host's root is the kernel's first one, which has to stay, there is no way back to it without capabilities.
 */
static const char *empty_root(void)
{
	const char *dir = husk_rundir();

	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS) < 0)
		return "no namespaces";
	if (!dir || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", dir, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=0555") < 0 || chdir(dir) < 0)
		return "no empty file system";
	if (!syscall(SYS_pivot_root, ".", "."))
		return umount2(".", MNT_DETACH) < 0 || chdir("/") < 0 ? "the host's root stays" : NULL;
	return errno != EINVAL || chroot(".") < 0 || chdir("/") < 0 ? "no root of our own" : NULL;
}

/* Files that are open do not become longer: disks are of one size, and what is said has an end. */
static const char *limit_files(uint64_t most)
{
	const struct rlimit limit = { most > FILE_MIN ? most : FILE_MIN, most > FILE_MIN ? most : FILE_MIN };

	signal(SIGXFSZ, SIG_IGN);	/* an error is enough */
	return setrlimit(RLIMIT_FSIZE, &limit) < 0 ? "the length of files can't be limited" : NULL;
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

/* A kernel without landlock is no error: the other walls stand. */
static const char *landlock(void)
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
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		why = "landlock";
	close(ruleset);
	return why;
}

enum husk_status jail_enter(const struct jail *jail)
{
	const char *why = jail->uid ? empty_root() : NULL;

	if (!why)
		why = limit_files(jail->file_max);
	if (!why)
		why = drop_privileges(jail);
	if (!why)
		why = landlock();
	if (!why && jail_calls(jail) < 0)
		why = "seccomp";
	if (why)
		return fail(HUSK_STATUS_FAIL, "the worker's jail can't be closed: %s: %s", why, strerror(errno));
	return HUSK_STATUS_OK;
}
