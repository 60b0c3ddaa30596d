/* The host's table and the groups, over texts and fake trees; the real kernel is in cgroup_real_test.c. */
#include "sys/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/test.h"

#define V1_MOUNTS                                                                                       \
	"22 27 0:21 / /proc rw - proc proc rw\n"                                                        \
	"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"                           \
	"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n" \
	"33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"                             \
	"35 31 0:32 / /sys/fs/cgroup/devices rw - cgroup cgroup rw,devices\n"                           \
	"34 31 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
#define V1_SELF "4:devices:/\n3:name=systemd:/user\n2:memory:/user/a\n1:cpu,cpuacct:/\n"
#define UNIFIED_MOUNT "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
#define V2_MOUNTS "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"

static int parse(const char *mounts, const char *self, const char *prefix, struct cg_host *h)
{
	return cg_host_parse(mounts, strlen(mounts), self, strlen(self), prefix, h, NULL);
}

TEST(v1_hierarchies_are_found_with_their_controllers)
{
	struct cg_host h;

	CHECK_EQ(parse(V1_MOUNTS, V1_SELF, NULL, &h), 0);
	CHECK_EQ(h.mode, CG_MODE_V1);
	CHECK_EQ(h.n, 4);
	CHECK_EQ(h.unified, -1);
	CHECK_STR(h.h[h.where[CG_CPUACCT]].mount, "/sys/fs/cgroup/cpu,cpuacct");
	CHECK_EQ(h.where[CG_CPUACCT], h.where[CG_CPU]);
	CHECK_EQ(h.h[h.where[CG_CPU]].names_n, 2);
	CHECK_STR(h.h[h.where[CG_CPU]].names[1], "cpuacct");
	CHECK_STR(h.h[h.where[CG_MEMORY]].own, "/user/a");
	CHECK_EQ(h.where[CG_PIDS], -1);
	CHECK_STR(h.h[1].mount_data, "none,name=systemd");
	cg_host_done(&h);
}

TEST(hybrid_takes_freezing_from_the_unified_hierarchy_and_devices_from_v1)
{
	struct cg_host h;

	CHECK_EQ(parse(V1_MOUNTS UNIFIED_MOUNT, V1_SELF "0::/x\n", NULL, &h), 0);
	CHECK_EQ(h.mode, CG_MODE_HYBRID);
	CHECK_EQ(h.where[CG_FREEZER], h.unified);
	CHECK(h.where[CG_DEVICES] != h.unified);
	CHECK_STR(h.h[h.unified].own, "/x");
	CHECK_STR(h.h[h.unified].names[0], "");
	cg_host_done(&h);
}

TEST(pure_v2_ignores_a_v1_hierarchy_elsewhere)
{
	struct cg_host h;

	CHECK_EQ(parse(V2_MOUNTS "50 1 0:40 / /mnt/nc rw - cgroup cgroup rw,net_cls\n",
		       "1:net_cls:/\n0::/init.scope\n", NULL, &h),
		 0);
	CHECK_EQ(h.mode, CG_MODE_V2);
	CHECK_EQ(h.n, 1);
	CHECK_EQ(h.where[CG_DEVICES], h.unified);
	cg_host_done(&h);
}

TEST(a_nested_container_sees_its_own_group_as_the_mounts_top)
{
	struct cg_host h;

	CHECK_EQ(
		parse("33 31 0:30 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
		      "2:memory:/docker/abc/in\n", NULL, &h),
		0);
	CHECK_STR(h.h[0].own, "/in");
	CHECK_STR(h.h[0].root, "/docker/abc");
	CHECK(h.h[0].is_readonly);
	cg_host_done(&h);
}

TEST(a_group_above_the_cgroup_namespace_is_out_of_sight)
{
	struct cg_host h;
	struct cgroup g;
	struct err e = ERR_INIT;

	CHECK_EQ(parse("33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
		       "2:memory:/../other\n", NULL, &h),
		 0);
	CHECK(!h.h[0].own);
	CHECK_EQ(cg_create(&h, "rel", "x", &g, &e), -ENOENT);
	CHECK(strstr(e.msg, "absolute cgroupsPath"));
	cg_host_done(&h);
}

TEST(the_usual_mount_point_wins_over_a_bind_elsewhere)
{
	struct cg_host h;

	CHECK_EQ(parse("9 1 0:30 /a /mnt/m rw - cgroup cgroup rw,memory\n"
		       "10 1 0:30 / /sys/fs/cgroup/mem\\040ory rw - cgroup cgroup rw,memory\n"
		       "11 1 0:30 /b /sys/fs/cgroup/late rw - cgroup cgroup rw,memory\n",
		       "2:memory:/\n", NULL, &h),
		 0);
	CHECK_STR(h.h[0].mount, "/sys/fs/cgroup/mem ory");
	CHECK_STR(h.h[0].root, "/");
	cg_host_done(&h);
}

TEST(no_cgroups_is_a_mode_and_creating_an_error)
{
	struct cg_host h;
	struct cgroup g;

	CHECK_EQ(parse("22 27 0:21 / /proc rw - proc proc rw\n", "0::/\n", NULL, &h), 0);
	CHECK_EQ(h.mode, CG_MODE_NONE);
	CHECK_EQ(cg_create(&h, NULL, "x", &g, NULL), -ENODEV);
	cg_host_done(&h);
}

TEST(malformed_lines_and_too_many_hierarchies_are_errors)
{
	AUTO_STRBUF struct strbuf self = { 0 };
	struct cg_host h;

	CHECK_EQ(parse("", "4:memory\n", NULL, &h), -EIO);
	CHECK_EQ(parse("", "4:memory:relative\n", NULL, &h), -EIO);
	for (int i = 0; i <= CG_HIERARCHIES_MAX; i++)
		strbuf_addf(&self, "%d:name=n%d:/\n", i, i);
	CHECK_EQ(strbuf_ok(&self), 0);
	CHECK_EQ(parse("", self.p, NULL, &h), -E2BIG);
}

/* A tree below /tmp that stands for the cgroup mounts. */
static char top[64];

static void make(const char *path)
{
	AUTO_FREE char *full = str_printf("%s%s", top, path);

	CHECK(full);
	CHECK_EQ(dir_make_all(full, 0755), 0);
}

static void fill(const char *path, const char *text)
{
	AUTO_FREE char *full = str_printf("%s%s", top, path);

	CHECK(full);
	CHECK_EQ(file_replace_at(AT_FDCWD, full, text, strlen(text), 0644, 0), 0);
}

static const char *content(const char *path)
{
	static char text[256];
	AUTO_FREE char *full = str_printf("%s%s", top, path), *got = NULL;

	CHECK(full);
	CHECK_EQ(file_read_at(AT_FDCWD, full, sizeof(text) - 1, &got, NULL), 0);
	snprintf(text, sizeof(text), "%s", got);
	return text;
}

static bool is_there(const char *path)
{
	AUTO_FREE char *full = str_printf("%s%s", top, path);

	return full && access(full, F_OK) == 0;
}

static void begin(void)
{
	snprintf(top, sizeof(top), "/tmp/corten-cgroup-XXXXXX");
	CHECK(mkdtemp(top));
}

static void end(void)
{
	CHECK_EQ(dir_remove_at(AT_FDCWD, top), 0);
}

static void begin_v1(struct cg_host *h)
{
	begin();
	make("/sys/fs/cgroup/cpu,cpuacct");
	make("/sys/fs/cgroup/memory/user/a");
	make("/sys/fs/cgroup/devices");
	make("/sys/fs/cgroup/systemd/user");
	CHECK_EQ(parse(V1_MOUNTS, V1_SELF, top, h), 0);
}

TEST(an_absolute_path_begins_at_each_hierarchys_top_and_a_relative_one_at_the_caller)
{
	struct cg_host h;
	struct cgroup g, k;

	begin_v1(&h);
	CHECK_EQ(cg_create(&h, "/docker//abc/", "x", &g, NULL), 0);
	CHECK(is_there("/sys/fs/cgroup/memory/docker/abc"));
	CHECK(is_there("/sys/fs/cgroup/cpu,cpuacct/docker/abc"));
	CHECK(is_there("/sys/fs/cgroup/systemd/docker/abc"));
	CHECK_EQ(cg_create(&h, "rel", "x", &k, NULL), 0);
	CHECK(is_there("/sys/fs/cgroup/memory/user/a/rel"));
	CHECK(is_there("/sys/fs/cgroup/cpu,cpuacct/rel"));
	CHECK_EQ(cg_remove(&k, 100, NULL), 0);
	CHECK(!is_there("/sys/fs/cgroup/memory/user/a/rel"));
	CHECK_EQ(cg_remove(&g, 100, NULL), 0);
	CHECK(is_there("/sys/fs/cgroup/memory/docker"));
	CHECK_EQ(cg_remove(&g, 100, NULL), 0);
	CHECK(!cg_exists(&g));
	cg_done(&g);
	cg_done(&k);
	cg_host_done(&h);
	end();
}

TEST(no_path_is_the_id_and_bad_paths_are_refused)
{
	static const char *const bad[] = { "/a/../b", "..", "a/./b", "/", "//" };
	struct cg_host h;
	struct cgroup g;

	begin_v1(&h);
	CHECK_EQ(cg_create(&h, "", "myid", &g, NULL), 0);
	CHECK(is_there("/sys/fs/cgroup/memory/myid"));
	cg_done(&g);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_EQ(cg_create(&h, bad[i], "x", &g, NULL), -EINVAL);
	cg_host_done(&h);
	end();
}

TEST(a_group_with_processes_is_not_entered_and_what_was_made_is_undone)
{
	struct cg_host h;
	struct cgroup g;
	struct err e = ERR_INIT;

	begin_v1(&h);
	make("/sys/fs/cgroup/cpu,cpuacct/busy"); /* the last of /proc/self/cgroup's lines */
	fill("/sys/fs/cgroup/cpu,cpuacct/busy/cgroup.procs", "12\n");
	CHECK_EQ(cg_create(&h, "/busy", "x", &g, &e), -EBUSY);
	CHECK(strstr(e.msg, "container's cgroup is not empty"));
	CHECK(!is_there("/sys/fs/cgroup/memory/busy"));
	CHECK(is_there("/sys/fs/cgroup/cpu,cpuacct/busy"));
	cg_host_done(&h);
	end();
}

TEST(stored_paths_open_the_same_group_again)
{
	struct cg_path paths[CG_PATHS_MAX];
	struct cg_host h;
	struct cgroup g, again;
	size_t n;

	begin_v1(&h);
	CHECK_EQ(cg_create(&h, "/re", "x", &g, NULL), 0);
	n = cg_paths(&g, paths);
	CHECK_EQ(n, 5); /* cpu and cpuacct are two entries with one path */
	CHECK_EQ(cg_open(&h, paths, n, &again, NULL), 0);
	for (int i = 0; i < 4; i++)
		CHECK_STR(again.place[i].path, g.place[i].path);
	CHECK(cg_exists(&again));
	CHECK_EQ(cg_remove(&again, 100, NULL), 0);
	cg_done(&again);
	CHECK_EQ(cg_open(&h, paths, n, &again, NULL), 0);
	CHECK(!cg_exists(&again));
	cg_done(&again);
	paths[0].path = "/etc";
	CHECK_EQ(cg_open(&h, paths, n, &again, NULL), -EINVAL);
	cg_done(&g);
	cg_host_done(&h);
	end();
}

TEST(a_group_is_found_by_its_path_without_being_made)
{
	struct cg_host h;
	struct cgroup g;

	begin_v1(&h);
	CHECK_EQ(cg_find(&h, "/lost", "x", &g, NULL), 0);
	CHECK(!cg_exists(&g));
	CHECK(!is_there("/sys/fs/cgroup/memory/lost"));
	cg_done(&g);
	make("/sys/fs/cgroup/memory/lost");
	CHECK_EQ(cg_find(&h, "/lost", "x", &g, NULL), 0);
	CHECK(cg_exists(&g));
	CHECK_EQ(cg_remove(&g, 100, NULL), 0);
	CHECK(!is_there("/sys/fs/cgroup/memory/lost"));
	cg_done(&g);
	CHECK_EQ(cg_find(&h, "../lost", "x", &g, NULL), -EINVAL);
	cg_host_done(&h);
	end();
}

TEST(groups_below_are_removed_too)
{
	struct cg_host h;
	struct cgroup g;

	begin_v1(&h);
	CHECK_EQ(cg_create(&h, "/deep", "x", &g, NULL), 0);
	make("/sys/fs/cgroup/systemd/deep/system.slice/a.service");
	make("/sys/fs/cgroup/systemd/deep/init.scope");
	CHECK_EQ(cg_remove(&g, 1000, NULL), 0);
	CHECK(!is_there("/sys/fs/cgroup/systemd/deep"));
	cg_done(&g);
	cg_host_done(&h);
	end();
}

TEST(v2_hands_controllers_down_and_relative_is_beside_the_caller)
{
	struct cg_host h;
	struct cgroup g;

	begin();
	make("/sys/fs/cgroup/user.slice/me");
	fill("/sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n");
	fill("/sys/fs/cgroup/cgroup.subtree_control", "");
	fill("/sys/fs/cgroup/user.slice/cgroup.subtree_control", "");
	CHECK_EQ(parse(V2_MOUNTS, "0::/user.slice/me\n", top, &h), 0);
	CHECK_EQ(h.where[CG_BLKIO], 0);
	CHECK_EQ(h.where[CG_CPUSET], -1);
	CHECK_EQ(cg_create(&h, "box", "x", &g, NULL), 0);
	CHECK(is_there("/sys/fs/cgroup/user.slice/box"));
	CHECK_STR(content("/sys/fs/cgroup/cgroup.subtree_control"), "+cpu +memory +io +pids");
	CHECK_STR(content("/sys/fs/cgroup/user.slice/cgroup.subtree_control"),
		  "+cpu +memory +io +pids");
	CHECK(cg_clone_fd(&g) >= 0);
	CHECK_EQ(cg_remove(&g, 100, NULL), 0);
	cg_done(&g);
	cg_host_done(&h);
	end();
}

static const struct cg_mount *mount_named(const struct cg_mounts *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (streq(m->v[i].name, name))
			return &m->v[i];
	return NULL;
}

TEST(the_containers_view_on_v1_is_a_tmpfs_with_folders_and_links)
{
	struct cg_mounts m;
	struct cg_host h;
	struct cgroup g;

	begin_v1(&h);
	CHECK_EQ(cg_create(&h, "/view", "x", &g, NULL), 0);
	CHECK_EQ(cg_mount_plan(&g, false, &m, NULL), 0);
	CHECK_EQ(m.v[0].kind, CG_MOUNT_TMPFS);
	CHECK_EQ(m.n, 7);
	CHECK_EQ(mount_named(&m, "memory")->kind, CG_MOUNT_BIND);
	CHECK(str_ends(mount_named(&m, "memory")->source, "/memory/view"));
	CHECK_EQ(mount_named(&m, "cpuacct")->kind, CG_MOUNT_LINK);
	CHECK_STR(mount_named(&m, "cpuacct")->data, "cpu,cpuacct");
	CHECK_EQ(cg_mount_plan(&g, true, &m, NULL), 0);
	CHECK_EQ(mount_named(&m, "systemd")->kind, CG_MOUNT_FRESH);
	CHECK_STR(mount_named(&m, "systemd")->data, "none,name=systemd");
	CHECK_STR(mount_named(&m, "cpu,cpuacct")->data, "cpu,cpuacct");
	cg_done(&g);
	cg_host_done(&h);
	end();
}

TEST(the_containers_view_on_v2_is_one_mount_and_a_bind_without_namespace)
{
	struct cg_mounts m;
	struct cg_host h;
	struct cgroup g;

	begin();
	make("/sys/fs/cgroup");
	CHECK_EQ(parse(V2_MOUNTS, "0::/\n", top, &h), 0);
	CHECK_EQ(cg_create(&h, NULL, "v", &g, NULL), 0);
	CHECK_EQ(cg_mount_plan(&g, true, &m, NULL), 0);
	CHECK_EQ(m.n, 1);
	CHECK_STR(m.v[0].fstype, "cgroup2");
	CHECK_EQ(cg_mount_plan(&g, false, &m, NULL), 0);
	CHECK_EQ(m.v[0].kind, CG_MOUNT_BIND);
	CHECK(m.v[0].fd >= 0);
	cg_done(&g);
	cg_host_done(&h);
	end();
}

TEST_MAIN()
