#include "oci/intel_rdt.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "sys/resctrl.h"

static bool is_given(const char *s)
{
	return s && *s;
}

static const char *class_name(const struct oci_intel_rdt *rdt, const char *id)
{
	return is_given(rdt->clos_id) ? rdt->clos_id : id;
}

bool intel_rdt_has_monitor(const struct oci_intel_rdt *rdt)
{
	return rdt && (rdt->enable_monitoring || rdt->enable_cmt || rdt->enable_mbm);
}

int intel_rdt_check(const struct oci_intel_rdt *rdt, const struct host *host, struct err *e)
{
	const char *clos = is_given(rdt->clos_id) ? rdt->clos_id : "x";

	if (streq(clos, ".") || streq(clos, "..") || (clos[1] && strchr(clos, '/')))
		return err_set(e, -EINVAL, "invalid intelRdt.ClosID \"%s\"", clos);
	if (!host->has_intel_rdt)
		return err_set_code(
			e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
			"intelRdt is specified in config, but Intel RDT is not enabled");
	if (is_given(rdt->l3_cache_schema) && !host->has_rdt_l3)
		return err_set_code(
			e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
			"intelRdt.l3CacheSchema is specified in config, but Intel RDT/CAT is not enabled");
	if (is_given(rdt->mem_bw_schema) && !host->has_rdt_mb)
		return err_set_code(
			e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
			"intelRdt.memBwSchema is specified in config, but Intel RDT/MBA is not enabled");
	return 0;
}

static void add_line(struct strbuf *b, const char *line)
{
	if (is_given(line))
		strbuf_addf(b, "%s\n", line);
}

int intel_rdt_apply(const struct oci_intel_rdt *rdt, const char *id, pid_t pid, bool *ret_is_own,
		    struct err *e)
{
	AUTO_STRBUF struct strbuf schemata = { 0 };
	AUTO_FD root = resctrl_open(e);
	struct resctrl_group g = { .name = class_name(rdt, id),
				   .monitor = intel_rdt_has_monitor(rdt) ? id : NULL };
	bool is_made;
	int r;

	if (root < 0)
		return root;
	add_line(&schemata, rdt->l3_cache_schema);
	add_line(&schemata, rdt->mem_bw_schema);
	for (size_t i = 0; i < rdt->schemata.n; i++)
		add_line(&schemata, rdt->schemata.v[i]);
	r = strbuf_ok(&schemata);
	if (r < 0)
		return err_sys(e, r, "write schemata");
	g.schemata = schemata.p;
	g.is_existing = is_given(rdt->clos_id) && !schemata.len;
	r = resctrl_put(root, &g, pid, &is_made, e);
	*ret_is_own = r == 0 && is_made && !is_given(rdt->clos_id);
	return r;
}

static int take_away(const char *name, bool is_own, const char *monitor, struct err *e)
{
	AUTO_FD root = is_own || monitor ? resctrl_open(NULL) : -EBADF;

	/* A monitoring group goes with the class that it lies in. */
	return root < 0 ? 0 : resctrl_remove(root, name, is_own ? NULL : monitor, e);
}

void intel_rdt_undo(const struct oci_intel_rdt *rdt, const char *id, bool is_own)
{
	take_away(class_name(rdt, id), is_own, intel_rdt_has_monitor(rdt) ? id : NULL, NULL);
}

const char *intel_rdt_path(const struct oci_intel_rdt *rdt, const char *id, struct arena *a)
{
	const char *name = class_name(rdt, id);

	return streq(name, "/") ? RESCTRL_ROOT : arena_printf(a, RESCTRL_ROOT "/%s", name);
}

static const char *name_of(const struct state *s)
{
	const char *name = s->intel_rdt_path ? str_skip(s->intel_rdt_path, RESCTRL_ROOT) : NULL;

	return !name ? NULL : *name == '/' && name[1] ? name + 1 : "/";
}

int intel_rdt_destroy(const struct state *s, struct err *e)
{
	const struct state_extra *x = s->corten;
	const char *name = name_of(s);

	if (!name || !x)
		return 0;
	return take_away(name, x->intel_rdt_is_own, x->intel_rdt_has_monitor ? s->id : NULL, e);
}

int intel_rdt_update(const struct state *s, const char *l3, const char *mb, struct err *e)
{
	AUTO_STRBUF struct strbuf schemata = { 0 };
	AUTO_FD root = resctrl_open(NULL);
	const char *name = name_of(s);
	int r;

	if (is_given(l3) && !resctrl_has(root, "L3"))
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "Intel RDT/CAT: l3 cache schema is not enabled");
	if (is_given(mb) && !resctrl_has(root, "MB"))
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "Intel RDT/MBA: memory bandwidth schema is not enabled");
	add_line(&schemata, l3);
	add_line(&schemata, mb);
	r = strbuf_ok(&schemata);
	if (r < 0 || !schemata.len)
		return r < 0 ? err_sys(e, r, "write schemata") : 0;
	if (!name)
		return err_set(e, -EINVAL,
			       "updating a non-existent Intel RDT configuration is not supported");
	return resctrl_write(root, name, schemata.p, e);
}
