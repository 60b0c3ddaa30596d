/* The tables of names: capabilities, signals, rlimits, namespaces, mount options, CPU lists. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "base/test.h"
#include "sys/calls.h"
#include "sys/caps.h"
#include "sys/mnt.h"
#include "sys/ns.h"
#include "sys/signame.h"
#include "sys/task.h"

TEST(capabilities_have_the_kernels_numbers)
{
	CHECK_EQ(caps_find("CAP_CHOWN"), 0);
	CHECK_EQ(caps_find("cap_sys_admin"), 21);
	CHECK_EQ(caps_find("CAP_CHECKPOINT_RESTORE"), 40);
	CHECK_EQ(caps_find("SYS_ADMIN"), -EINVAL);
	CHECK_STR(caps_name(39), "CAP_BPF");
	CHECK(!caps_name(41));
}

TEST(signals_by_number_and_name)
{
	CHECK_EQ(signame_parse("9"), SIGKILL);
	CHECK_EQ(signame_parse("KILL"), SIGKILL);
	CHECK_EQ(signame_parse("sigterm"), SIGTERM);
	CHECK_EQ(signame_parse("RTMIN"), 34);
	CHECK_EQ(signame_parse("SIGRTMIN+3"), 37);
	CHECK_EQ(signame_parse("RTMAX-1"), 63);
	CHECK_EQ(signame_parse("65"), -EINVAL);
	CHECK_EQ(signame_parse("NOSUCH"), -EINVAL);
	CHECK_EQ(signame_parse(""), -EINVAL);
	CHECK_STR(signame_of(SIGCHLD), "CHLD");
}

TEST(rlimits_by_name)
{
	CHECK_EQ(task_rlimit_find("RLIMIT_NOFILE"), RLIMIT_NOFILE);
	CHECK_EQ(task_rlimit_find("RLIMIT_FOO"), -EINVAL);
	CHECK_STR(task_rlimit_name(RLIMIT_CORE), "RLIMIT_CORE");
}

TEST(namespaces_have_one_row_each)
{
	CHECK_EQ(ns_find_spec("network")->flag, CLONE_NEWNET);
	CHECK_STR(ns_find_spec("mount")->runc, "NEWNS");
	CHECK_STR(ns_find_runc("NEWNS")->proc, "mnt");
	CHECK(!ns_find_spec("net"));
}

TEST(mount_options_set_and_clear)
{
	struct mnt m = { 0 };
	bool a = false, b = false;

	CHECK_EQ(mnt_option_apply(&m, "ro", &a, &b), 1);
	CHECK_EQ(m.attr.set, K_ATTR_RDONLY);
	CHECK_EQ(mnt_option_apply(&m, "rw", &a, &b), 1);
	CHECK_EQ(m.attr.set, 0);
	CHECK_EQ(m.attr.clr, K_ATTR_RDONLY);
	CHECK_EQ(mnt_option_apply(&m, "rro", &a, &b), 1);
	CHECK_EQ(m.rec.set, K_ATTR_RDONLY);
	CHECK_EQ(mnt_option_apply(&m, "noatime", &a, &b), 1);
	CHECK_EQ(m.attr.set, K_ATTR_NOATIME);
	CHECK_EQ(m.attr.clr & K_ATTR_ATIME_MASK, K_ATTR_ATIME_MASK);
	CHECK_EQ(mnt_option_apply(&m, "rbind", &a, &b), 1);
	CHECK(m.kind == MNT_BIND && m.is_recursive);
	CHECK_EQ(mnt_option_apply(&m, "rslave", &a, &b), 1);
	CHECK(m.propagation == MS_SLAVE && m.is_propagation_rec);
	CHECK_EQ(mnt_option_apply(&m, "ridmap", &a, &b), 1);
	CHECK(b && !a);
	CHECK_EQ(mnt_option_apply(&m, "mode=755", &a, &b), 0);
}

TEST(cpu_lists)
{
	unsigned long m[16];

	CHECK_EQ(task_cpus_parse("0-3,5,64", m), 0);
	CHECK_EQ(m[0], 0x2f);
	CHECK_EQ(m[1], 1);
	CHECK_EQ(task_cpus_parse("0-2147483647", m), -EINVAL);
	CHECK_EQ(task_cpus_parse("1024", m), -ERANGE);
	CHECK_EQ(task_cpus_parse("3-1", m), -EINVAL);
	CHECK_EQ(task_cpus_parse("1,", m), 0);
	CHECK_EQ(task_cpus_parse("a", m), -EINVAL);
	CHECK_EQ(task_cpus_parse("1;2", m), -EINVAL);
}

TEST_MAIN()
