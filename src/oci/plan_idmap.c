/*
 * Which ids an id-mapped mount has: its own mappings, those of the container, or crun's option
 * "idmap=uids=0-1000-1#@1-0-10;gids=0-1000-1" (crun 1.28, crun.1): id in the filesystem, id of the host, how many; "@" makes
 * the second one an id of the container.
 */
#include "oci/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

/* The kernel's own bound is 340 lines. */
#define MAPS_MAX 340

static int copy_maps(const struct oci_id_mapping *v, size_t n, struct arena *a,
		     const struct ns_id_map **ret)
{
	struct ns_id_map *m = arena_calloc(a, n, sizeof(*m));

	for (size_t i = 0; m && i < n; i++)
		m[i] = (struct ns_id_map){ v[i].container_id, v[i].host_id, v[i].size };
	*ret = m;
	return m ? 0 : -ENOMEM;
}

/* "0-1000-1", ended by '#', ';' or the end. Returns what is behind, or NULL. */
static const char *read_triple(const char *p, struct ns_id_map *ret)
{
	uint32_t *const values[] = { &ret->inside, &ret->outside, &ret->count };

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		unsigned long long v = 0;
		int n = 0;

		for (; *p >= '0' && *p <= '9' && n < 11; p++, n++)
			v = v * 10 + (unsigned int)(*p - '0');
		if (!n || v > UINT32_MAX || (i < 2 && *p++ != '-'))
			return NULL;
		*values[i] = (uint32_t)v;
	}
	return strchr("#;", *p) ? p : NULL;
}

/* The container's id to the host's; the range may not leave the mapping that it begins in. */
static int make_absolute(const struct ns_id_map *v, size_t n, struct ns_id_map *m)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t end = (uint64_t)v[i].inside + v[i].count;

		if (m->outside < v[i].inside || m->outside >= end)
			continue;
		if ((uint64_t)m->outside + m->count > end)
			return -ERANGE;
		m->outside = m->outside - v[i].inside + v[i].outside;
		return 0;
	}
	return -ERANGE;
}

/* One list of triples; `*text` goes to what is behind it. Returns how many, or -errno. */
static int read_list(const char **text, const struct ns_id_map *container, size_t container_n,
		     struct arena *a, const struct ns_id_map **ret)
{
	struct ns_id_map *v = arena_calloc(a, MAPS_MAX, sizeof(*v));
	const char *p = *text;
	int n = 0;

	if (!v)
		return -ENOMEM;
	do {
		bool is_relative = *p == '@';

		if (n == MAPS_MAX)
			return -E2BIG;
		p = read_triple(p + is_relative, &v[n]);
		if (!p)
			return -EINVAL;
		if (is_relative && make_absolute(container, container_n, &v[n]) < 0)
			return -ERANGE;
		n++;
	} while (*p++ == '#');
	*text = p[-1] ? p : p - 1;
	*ret = v;
	return n;
}

static int read_option(const char *text, const struct plan *p, struct arena *a, struct step *s)
{
	while (*text) {
		const char *gids = str_skip(text, "gids="), *list = str_skip(text, "uids=");
		int n;

		list = list ? list : gids;
		if (!list || (gids ? s->idmap_gids_n : s->idmap_uids_n))
			return -EINVAL;
		n = read_list(&list, gids ? p->gid_maps : p->uid_maps,
			      gids ? p->gid_maps_n : p->uid_maps_n, a,
			      gids ? &s->idmap_gids : &s->idmap_uids);
		if (n < 0)
			return n;
		*(gids ? &s->idmap_gids_n : &s->idmap_uids_n) = (size_t)n;
		text = list;
	}
	return s->idmap_uids_n && s->idmap_gids_n ? 0 : -EINVAL;
}

static int take_option(const char *text, const struct plan *p, struct arena *a, struct step *s,
		       struct err *e)
{
	int r = read_option(text, p, a, s);

	if (r == -ERANGE)
		return err_set(e, -EINVAL,
			       "mount '%s': idmap=%s: no mapping of the container's user namespace "
			       "has these ids",
			       s->path, text);
	return r < 0 ? err_set(e, r,
			       "mount '%s': idmap=%s is not of the form uids=0-1000-1;gids=0-1000-1",
			       s->path, text)
		     : 0;
}

int plan_idmap_make(const struct oci_mount *o, const char *option, const struct plan *p,
		    struct arena *a, struct step *s, struct err *e)
{
	int r;

	if (s->mount.kind != MNT_BIND)
		return err_set(e, -EINVAL, "mount '%s': id mappings need a bind mount", s->path);
	if (!o->uid_mappings.n != !o->gid_mappings.n)
		return err_set(e, -EINVAL, "mount '%s': uidMappings and gidMappings come together",
			       s->path);
	if (option && o->uid_mappings.n)
		return err_set(e, -EINVAL, "mount '%s': idmap=%s beside uidMappings", s->path,
			       option);
	if (option)
		return take_option(option, p, a, s, e);
	if (!o->uid_mappings.n) {
		if (!p->uid_maps_n)
			return err_set(e, -EINVAL,
				       "mount '%s': idmap without mappings or a user namespace",
				       s->path);
		s->idmap_uids = p->uid_maps;
		s->idmap_uids_n = p->uid_maps_n;
		s->idmap_gids = p->gid_maps;
		s->idmap_gids_n = p->gid_maps_n;
		return 0;
	}
	r = copy_maps(o->uid_mappings.v, o->uid_mappings.n, a, &s->idmap_uids);
	if (r == 0)
		r = copy_maps(o->gid_mappings.v, o->gid_mappings.n, a, &s->idmap_gids);
	s->idmap_uids_n = o->uid_mappings.n;
	s->idmap_gids_n = o->gid_mappings.n;
	return r < 0 ? err_sys(e, r, "plan mounts") : 0;
}
