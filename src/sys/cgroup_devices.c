#include "sys/cgroup_devices.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/str.h"
#include "sys/cgroup_priv.h"

#define ACCESS_ALL (CG_DEVICE_READ | CG_DEVICE_WRITE | CG_DEVICE_MKNOD)

void cg_device_set_done(struct cg_device_set *s)
{
	free(s->v);
	s->v = NULL;
	s->n = s->cap = 0;
}

struct rule_text {
	char s[64];
};

static struct rule_text rule_text(const struct cg_device_rule *r)
{
	struct rule_text t;
	char major[24] = "*", minor[24] = "*";

	if (r->major >= 0)
		snprintf(major, sizeof(major), "%lld", (long long)r->major);
	if (r->minor >= 0)
		snprintf(minor, sizeof(minor), "%lld", (long long)r->minor);
	snprintf(t.s, sizeof(t.s), "%c %s:%s %s%s%s", r->type, major, minor,
		 r->access & CG_DEVICE_READ ? "r" : "", r->access & CG_DEVICE_WRITE ? "w" : "",
		 r->access & CG_DEVICE_MKNOD ? "m" : "");
	return t;
}

static bool same_device(const struct cg_device_rule *a, const struct cg_device_rule *b)
{
	return a->type == b->type && a->major == b->major && a->minor == b->minor;
}

static bool covers(const struct cg_device_rule *wide, const struct cg_device_rule *r)
{
	return wide->type == r->type && (wide->major < 0 || wide->major == r->major) &&
	       (wide->minor < 0 || wide->minor == r->minor);
}

static bool overlaps(const struct cg_device_rule *a, const struct cg_device_rule *b)
{
	return a->type == b->type && (a->major < 0 || b->major < 0 || a->major == b->major) &&
	       (a->minor < 0 || b->minor < 0 || a->minor == b->minor);
}

/* A rule against the default is an exception more. */
static int except(struct cg_device_set *s, const struct cg_device_rule *r)
{
	int err;

	for (size_t i = 0; i < s->n; i++)
		if (same_device(&s->v[i], r)) {
			s->v[i].access |= r->access;
			return 0;
		}
	err = mem_grow(&s->v, &s->cap, s->n + 1, sizeof(*s->v));
	if (err < 0)
		return err;
	s->v[s->n++] = *r;
	return 0;
}

/* A rule for the default takes exceptions back. */
static int take_back(struct cg_device_set *s, const struct cg_device_rule *r, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		if (!covers(r, &s->v[i]) && overlaps(r, &s->v[i]) && r->access & s->v[i].access)
			return err_set(
				e, -EINVAL,
				"device rule '%s %s' takes a part out of '%s %s', which cgroup v1 "
				"cannot hold",
				r->is_allow ? "allow" : "deny", rule_text(r).s,
				r->is_allow ? "deny" : "allow", rule_text(&s->v[i]).s);
	for (size_t i = 0; i < s->n; i++) {
		if (covers(r, &s->v[i]))
			s->v[i].access &= ~r->access;
		if (s->v[i].access)
			s->v[n++] = s->v[i];
	}
	s->n = n;
	return 0;
}

static int play_one(struct cg_device_set *s, const struct cg_device_rule *r, struct err *e)
{
	int err;

	if (r->is_allow == s->is_allow)
		return take_back(s, r, e);
	err = except(s, r);
	return err < 0 ? err_set(e, err, "no memory for device rules") : 0;
}

int cg_device_play(struct cg_device_set *s, const struct cg_device_rule *rules, size_t n,
		   struct err *e)
{
	if (n > LIMIT_DEVICES)
		return err_set(e, -E2BIG, "%zu device rules, at most %d", n, LIMIT_DEVICES);
	for (size_t i = 0; i < n; i++) {
		struct cg_device_rule r = rules[i];
		int err = 0;

		r.access &= ACCESS_ALL;
		if (r.major > UINT32_MAX || r.minor > UINT32_MAX)
			return err_set(e, -ERANGE, "device rule '%s' is out of range",
				       rule_text(&r).s);
		if (r.type == 'b' || r.type == 'c') {
			err = play_one(s, &r, e);
		} else if (r.type != 'a') {
			return err_set(e, -EINVAL, "device rule of unknown type '%c'", r.type);
		} else if (r.major < 0 && r.minor < 0 && r.access == ACCESS_ALL) {
			s->is_allow = r.is_allow;
			s->n = 0;
		} else { /* v1's 'a' ignores numbers and access */
			r.type = 'b';
			err = play_one(s, &r, e);
			r.type = 'c';
			if (err == 0)
				err = play_one(s, &r, e);
		}
		if (err < 0)
			return err;
	}
	return 0;
}

/* "*" is any. */
static int parse_number(char **at, char end, int64_t *ret)
{
	char *p = *at, *stop = strchr(p, end);

	if (!stop)
		return -EINVAL;
	*stop = '\0';
	*at = stop + 1;
	*ret = -1;
	return streq(p, "*") ? 0 : str_to_i64(p, 0, UINT32_MAX, ret);
}

static int parse_rule(char *line, struct cg_device_rule *ret)
{
	struct cg_device_rule r = { .is_allow = true, .type = line[0] };
	char *p = line + 2;

	if (!strchr("abc", line[0]) || line[0] == '\0' || line[1] != ' ' ||
	    parse_number(&p, ':', &r.major) < 0 || parse_number(&p, ' ', &r.minor) < 0)
		return -EINVAL;
	for (; *p; p++)
		r.access |= *p == 'r'	? CG_DEVICE_READ
			    : *p == 'w' ? CG_DEVICE_WRITE
					: CG_DEVICE_MKNOD;
	*ret = r;
	return 0;
}

int cg_device_parse(const char *list, struct cg_device_set *ret, struct err *e)
{
	AUTO_FREE char *text = strdup(list);
	struct cg_device_set s = { .is_allow = false };

	if (!text)
		return err_set(e, -ENOMEM, "no memory for device rules");
	for (char *line = text, *next; line && *line; line = next) {
		struct cg_device_rule r = { 0 };
		int err = 0;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		err = parse_rule(line, &r);
		if (err == 0 && r.type == 'a')
			s.is_allow = true;
		else if (err == 0)
			err = except(&s, &r);
		if (err < 0) {
			cg_device_set_done(&s);
			return err_set(e, err, "devices.list is malformed");
		}
	}
	*ret = s;
	return 0;
}

/* Both files, opened when first needed: a default config has some twenty rules. */
struct writer {
	const struct cgroup *g;
	int place;
	int fd[2]; /* deny, allow */
};

static int write_rule(struct writer *w, bool is_allow, const char *text, struct err *e)
{
	static const char *const files[] = { "devices.deny", "devices.allow" };
	int *fd = &w->fd[is_allow];
	ssize_t n;

	if (*fd < 0)
		*fd = openat(w->g->place[w->place].fd, files[is_allow], O_WRONLY | O_CLOEXEC);
	if (*fd < 0)
		return err_sys(e, -errno, "open '%s/%s'", w->g->place[w->place].path,
			       files[is_allow]);
	do
		n = write(*fd, text, strlen(text));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, -errno, "write '%s' to '%s/%s'", text, w->g->place[w->place].path,
			       files[is_allow]);
	return 0;
}

/* Writes what `to` has and `from` lacks, as exceptions (or, with `is_undo`, against them). */
static int write_missing(struct writer *w, const struct cg_device_set *to,
			 const struct cg_device_set *from, bool is_allow, struct err *e)
{
	for (size_t i = 0; i < to->n; i++) {
		struct cg_device_rule r = to->v[i];
		int err;

		for (size_t k = 0; k < from->n; k++)
			if (same_device(&r, &from->v[k]))
				r.access &= ~from->v[k].access;
		if (!r.access)
			continue;
		err = write_rule(w, is_allow, rule_text(&r).s, e);
		if (err < 0)
			return err;
	}
	return 0;
}

static int write_change(struct writer *w, const struct cg_device_set *now,
			const struct cg_device_set *want, bool is_known, struct err *e)
{
	static const struct cg_device_set none = { 0 };
	int r;

	/* v1 does not list the exceptions of an allow-all group: unless it is fresh it starts over. */
	if (now->is_allow != want->is_allow || !is_known) {
		r = write_rule(w, want->is_allow, "a", e);
		return r < 0 ? r : write_missing(w, want, &none, !want->is_allow, e);
	}
	r = write_missing(w, want, now, !want->is_allow, e);
	return r < 0 ? r : write_missing(w, now, want, want->is_allow, e);
}

int cg_devices_v1(const struct cgroup *g, int i, const struct cg_device_rule *rules, size_t n,
		  bool is_update, struct err *e)
{
	CLEANUP(cg_device_set_done) struct cg_device_set now = { .is_allow = true };
	CLEANUP(cg_device_set_done) struct cg_device_set want = { .is_allow = true };
	struct writer w = { g, i, { -EBADF, -EBADF } };
	/* Only a group made just now is known to have its parent's default and nothing else: all of
	 * v1's groups that a container may be put in allow everything or inherit a list. */
	bool is_fresh = g->place[i].is_made && !is_update;
	int r = 0;

	if (!is_fresh) {
		AUTO_FREE char *list = NULL;

		r = file_read_at(g->place[i].fd, "devices.list", CG_FILE_MAX, &list, NULL);
		if (r < 0)
			return err_sys(e, r, "read '%s/devices.list'", g->place[i].path);
		r = cg_device_parse(list, &now, e);
		if (r < 0)
			return r;
	}
	want.is_allow = now.is_allow;
	for (size_t k = 0; r == 0 && k < now.n; k++)
		r = except(&want, &now.v[k]);
	if (r == 0)
		r = cg_device_play(&want, rules, n, e);
	if (r == 0)
		r = write_change(&w, &now, &want, is_fresh || !now.is_allow, e);
	fd_closep(&w.fd[0]);
	fd_closep(&w.fd[1]);
	return r;
}
