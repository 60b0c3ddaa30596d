/* What `info` tells of host and store. */
#include <stdio.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/priv.h"
#include "sys/cgroup.h"

#define OS_RELEASE_MAX ((size_t)16 << 10)

/* PRETTY_NAME of /etc/os-release. */
static const char *os_name(struct arena *a)
{
	AUTO_FREE char *text = NULL;
	char *p, *end;

	if (file_read_at(-100, "/etc/os-release", OS_RELEASE_MAX, &text, NULL) < 0)
		return "Linux";
	p = strstr(text, "PRETTY_NAME=\"");
	if (!p)
		return "Linux";
	p += strlen("PRETTY_NAME=\"");
	end = strchr(p, '"');
	return end ? arena_strndup(a, p, (size_t)(end - p)) : "Linux";
}

static int count_containers(struct engine *en, struct arena *a, struct engine_info *ret,
			    struct err *e)
{
	struct engine_container *v;
	struct image_listed *images;
	size_t n, n_images;
	int r = engine_container_list(en, true, a, &v, &n, e);

	if (r == 0)
		r = image_list(en->store, en->ns, a, &images, &n_images, e);
	if (r < 0)
		return r;
	ret->containers = (int64_t)n;
	ret->images = (int64_t)n_images;
	for (size_t i = 0; i < n; i++) {
		ret->running += v[i].status == ENGINE_RUNNING;
		ret->paused += v[i].status == ENGINE_PAUSED;
	}
	ret->stopped = ret->containers - ret->running - ret->paused;
	return 0;
}

static const char *cgroup_mode(void)
{
	static const char *const names[] = {
		[CG_MODE_NONE] = "none",
		[CG_MODE_V1] = "v1",
		[CG_MODE_HYBRID] = "hybrid",
		[CG_MODE_V2] = "v2",
	};
	struct cg_host host;
	const char *name;

	if (cg_host_probe(&host, NULL) < 0)
		return "none";
	name = names[host.mode];
	cg_host_done(&host);
	return name;
}

/* What keeps packets of containers from getting through: chains of others that drop by default. */
static int warn_of_networks(struct engine *en, struct arena *a, struct engine_info *ret,
			    struct err *e)
{
	AUTO_STRBUF struct strbuf words = { 0 };
	struct net n = engine_net(en);
	const char **v = arena_calloc(a, 1, sizeof(*v));
	int r = v ? net_foreign_drop(&n, &words, e) : err_sys(e, -ENOMEM, "info");

	/* Who may not look sees no networks either. */
	if (r <= 0)
		return r == -EPERM ? 0 : r;
	v[0] = arena_strndup(a, words.p ? words.p : "", words.len);
	if (!v[0])
		return err_sys(e, -ENOMEM, "info");
	ret->warnings = (struct json_strs){ v, 1 };
	return 0;
}

int engine_info(struct engine *en, struct arena *a, struct engine_info *ret, struct err *e)
{
	static const char *security[] = { "name=seccomp,profile=builtin", "name=cgroupns" };
	struct utsname u;
	struct sysinfo si;
	int r = count_containers(en, a, ret, e);

	if (r < 0)
		return r;
	uname(&u);
	sysinfo(&si);
	ret->kernel = arena_strdup(a, u.release);
	ret->arch = arena_strdup(a, u.machine);
	ret->hostname = arena_strdup(a, u.nodename);
	ret->os = os_name(a);
	ret->ncpu = sysconf(_SC_NPROCESSORS_ONLN);
	ret->memory = (int64_t)si.totalram * si.mem_unit;
	ret->cgroup_mode = cgroup_mode();
	ret->root = en->root;
	ret->state = en->state;
	ret->security = (struct json_strs){ security, ARRAY_LEN(security) };
	if (!ret->kernel || !ret->arch || !ret->hostname)
		return err_sys(e, -ENOMEM, "info");
	return warn_of_networks(en, a, ret, e);
}
