/* From options to a container: image, merged settings, document, spec, one transaction. */
#include <fcntl.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/rand.h"
#include "base/str.h"
#include "engine/priv.h"
#include "engine/user.h"
#include "image/forms/forms.h"
#include "sys/signame.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define DEFAULT_LOG_SIZE ((int64_t)16 << 20)
#define DEFAULT_LOG_FILES 3
#define NAME_TRIES 10

static struct json_strs strs_of_strv(char *const *v)
{
	return (struct json_strs){ (const char **)v, strv_len(v) };
}

/* docker's rule: [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
static int check_name(const char *name, struct err *e)
{
	static const char first[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char rest[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t len = strlen(name);

	if (len >= 2 && len <= LIMIT_NAME && strchr(first, name[0]) && strspn(name, rest) == len)
		return 0;
	return err_set(e, -EINVAL,
		       "Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
		       name);
}

/* entrypoint + command, with docker's rule: an own entrypoint drops the image's command. */
static int choose_args(const struct engine_create_options *o, const struct image_record *img,
		       struct doc *d, struct arena *a, struct err *e)
{
	struct json_strs entry = img->entrypoint, cmd = strs_of_strv(o->command);
	const char **v;

	if (o->entrypoint) {
		v = arena_calloc(a, 1, sizeof(*v));
		if (!v)
			return err_sys(e, -ENOMEM, "command");
		v[0] = o->entrypoint;
		entry = (struct json_strs){ v, *o->entrypoint ? 1 : 0 };
	}
	if (cmd.n == 0 && !o->entrypoint)
		cmd = img->cmd;
	if (entry.n + cmd.n == 0)
		return err_set(e, -EINVAL, "no command specified");
	v = arena_calloc(a, entry.n + cmd.n, sizeof(*v));
	if (!v)
		return err_sys(e, -ENOMEM, "command");
	if (entry.n)
		memcpy(v, entry.v, entry.n * sizeof(*v));
	if (cmd.n)
		memcpy(v + entry.n, cmd.v, cmd.n * sizeof(*v));
	d->entrypoint = entry;
	d->cmd = cmd;
	d->entrypoint_path = v[0];
	d->args = (struct json_strs){ v + 1, entry.n + cmd.n - 1 };
	return 0;
}

/* docker's order: PATH, HOSTNAME, TERM, the image's, the user's. */
static int merge_env(const struct engine_create_options *o, const struct image_record *img,
		     struct doc *d, struct arena *a, struct err *e)
{
	char *hostname = arena_printf(a, "HOSTNAME=%s", d->hostname);
	char *base[] = { (char *)DEFAULT_PATH, hostname,
			 o->is_terminal ? (char *)"TERM=xterm" : NULL, NULL };
	char **image_env;
	int r;

	image_env = arena_calloc(a, img->env.n + 1, sizeof(*image_env));
	if (!hostname || !image_env)
		return err_sys(e, -ENOMEM, "environment");
	for (size_t i = 0; i < img->env.n; i++)
		image_env[i] = (char *)img->env.v[i];
	r = env_apply(&d->env, base, a, e);
	if (r == 0)
		r = env_apply(&d->env, image_env, a, e);
	return r < 0 ? r : env_apply(&d->env, o->env, a, e);
}

static int check_binds(const struct engine_create_options *o, struct doc *d, struct arena *a,
		       struct err *e)
{
	d->binds.v = arena_calloc(a, o->binds_len + 1, sizeof(*d->binds.v));
	if (!d->binds.v)
		return err_sys(e, -ENOMEM, "mounts");
	for (size_t i = 0; i < o->binds_len; i++) {
		const struct engine_bind *b = &o->binds[i];

		if (b->target[0] != '/' || streq(b->target, "/"))
			return err_set(
				e, -EINVAL,
				"invalid volume specification: '%s:%s': destination must be an absolute path "
				"below '/'",
				b->source, b->target);
		if (b->source[0] != '/')
			return err_set_code(
				e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				"named volume '%s' is not supported yet: give an absolute path",
				b->source);
		/* As docker -v: a folder that misses on the host is made. */
		if (access(b->source, F_OK) < 0) {
			int r = dir_make_all(b->source, 0755);

			if (r < 0)
				return err_sys(e, r, "mount source '%s'", b->source);
		}
		d->binds.v[d->binds.n++] = (struct doc_bind){ b->source, b->target, b->propagation,
							      b->is_readonly };
	}
	return 0;
}

static int check_stop_signal(const struct doc *d, struct err *e)
{
	if (d->stop_signal && signame_parse(d->stop_signal) < 0)
		return err_set(e, -EINVAL, "Invalid signal: %s", d->stop_signal);
	return 0;
}

/* `id` NULL: of a bundle, which is in no network. */
static int build_doc(struct engine *en, const struct engine_create_options *o,
		     const struct image_record *img, const char *id, struct doc *d, struct arena *a,
		     struct err *e)
{
	char host[256];
	int r;

	*d = (struct doc){
		.version = DOC_VERSION,
		.image_id = img->config_digest,
		.user = o->user ? o->user : img->user,
		.workdir = o->workdir ? o->workdir : img->working_dir,
		.network = "none",
		.cap_add = strs_of_strv(o->cap_add),
		.cap_drop = strs_of_strv(o->cap_drop),
		.memory = o->memory,
		.nano_cpus = o->nano_cpus,
		.pids_limit = o->pids_limit,
		.log_size = o->log_size ? o->log_size : DEFAULT_LOG_SIZE,
		.log_files = o->log_files ? o->log_files : DEFAULT_LOG_FILES,
		.stop_signal = o->stop_signal ? o->stop_signal : img->stop_signal,
		.stop_timeout_s = o->stop_timeout_s,
		.is_readonly = o->is_readonly,
		.is_privileged = o->is_privileged,
		.is_terminal = o->is_terminal,
		.has_stdin = o->has_stdin,
		.is_stdin_once = o->has_stdin && o->is_attached,
		.is_auto_remove = o->is_auto_remove,
		.is_attached = o->is_attached,
		.state = arena_alloc(a, sizeof(*d->state)),
	};
	if (d->workdir && *d->workdir && d->workdir[0] != '/')
		return err_set(
			e, -EINVAL,
			"the working directory '%s' is invalid, it needs to be an absolute path",
			d->workdir);
	r = id ? engine_network_plan(en, o, img, d, a, e) : 0;
	if (r < 0)
		return r;
	if (o->hostname)
		d->hostname = o->hostname;
	else if (streq(d->network, "host") && gethostname(host, sizeof(host)) == 0)
		d->hostname = arena_strdup(a, host);
	else
		d->hostname = arena_strndup(a, id ? id : "", 12);
	if (!d->hostname || !d->state)
		return err_sys(e, -ENOMEM, "container");
	r = choose_args(o, img, d, a, e);
	if (r == 0)
		r = merge_env(o, img, d, a, e);
	if (r == 0)
		r = check_binds(o, d, a, e);
	return r < 0 ? r : check_stop_signal(d, e);
}

static int merge_labels(const struct engine_create_options *o, const struct image_record *img,
			struct json_map *ret, struct arena *a, struct err *e)
{
	size_t n = strv_len(o->labels);

	ret->n = 0;
	ret->v = arena_calloc(a, img->labels.n + n + 1, sizeof(*ret->v));
	if (!ret->v)
		return err_sys(e, -ENOMEM, "labels");
	for (size_t i = 0; i < img->labels.n; i++)
		ret->v[ret->n++] = img->labels.v[i];
	for (size_t i = 0; i < n; i++) {
		size_t key = strcspn(o->labels[i], "="), j = 0;
		struct json_pair p = { arena_strndup(a, o->labels[i], key),
				       o->labels[i][key] ? o->labels[i] + key + 1 : "" };

		if (!p.key)
			return err_sys(e, -ENOMEM, "labels");
		if (key == 0)
			return err_set(e, -EINVAL, "invalid label '%s': empty name", o->labels[i]);
		while (j < ret->n && !streq(ret->v[j].key, p.key))
			j++;
		ret->v[j] = p;
		ret->n = MAX(ret->n, j + 1);
	}
	return 0;
}

/* Folders of the image's layers, topmost first, to look users up in. */
static int open_layers(const struct snapshot_mounts *m, struct arena *a, int **ret, size_t *ret_n,
		       struct err *e)
{
	int *fds = arena_calloc(a, m->lowers.n + 1, sizeof(*fds));

	if (!fds)
		return err_sys(e, -ENOMEM, "layers");
	*ret = fds;
	*ret_n = 0;
	for (size_t i = 0; i < m->lowers.n; i++) {
		int fd = open(m->lowers.v[i], O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return err_sys(e, -errno, "layer '%s'", m->lowers.v[i]);
		fds[(*ret_n)++] = fd;
	}
	return 0;
}

static int resolve_user(const struct snapshot_mounts *m, const char *user, struct arena *a,
			struct oci_user **ret, struct err *e)
{
	int *fds = NULL;
	size_t n = 0;
	int r = open_layers(m, a, &fds, &n, e);

	if (r == 0)
		r = user_resolve(user, fds, n, a, ret, e);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	return r;
}

struct creation {
	const struct engine_create_options *o;
	struct image_record *image;
	const char *chain_key;
	struct container_row row;
	struct doc doc;
};

/* In the open transaction: name, snapshot, spec, row, event. */
static int write_container(struct engine *en, struct creation *c, struct arena *a, char ***warnings,
			   struct err *e)
{
	AUTO_STRBUF struct strbuf spec = { 0 };
	struct snapshot_mounts mounts;
	struct oci_user *user;
	int r = store_snapshot_prepare(en->store, en->ns, c->row.snapshot_key, c->chain_key,
				       SNAPSHOT_ACTIVE, NULL, a, &mounts, e);

	if (r == 0)
		r = resolve_user(&mounts, c->doc.user, a, &user, e);
	if (r == 0)
		r = engine_spec_build(en, c->o, &c->doc, user, c->row.id, a, &spec, warnings, e);
	if (r < 0)
		return r;
	c->row.spec = spec.p;
	c->row.spec_len = spec.len;
	r = doc_to_row(&c->doc, &c->row, a, e);
	if (r == 0)
		r = store_container_create(en->store, en->ns, &c->row, e);
	if (r == 0)
		r = engine_event(en, "/containers/create", c->row.id, e, "image", c->row.image,
				 "name", c->row.name, NULL);
	return r;
}

static int try_create(struct engine *en, struct creation *c, struct arena *a, char ***warnings,
		      struct err *e)
{
	int r = store_begin(en->store, e);

	if (r < 0)
		return r;
	r = write_container(en, c, a, warnings, e);
	if (r == 0)
		r = store_commit(en->store, e);
	if (r < 0)
		store_rollback(en->store);
	return r;
}

static int find_image(struct engine *en, struct creation *c, struct arena *a, struct err *e)
{
	const char *name;
	int r = image_find(en->store, en->ns, c->o->image, a, &c->image, &name, e);

	if (r == -ENOENT) {
		r = image_ensure_builtin(en->store, en->ns, c->o->image, a, e);
		if (r == 0)
			r = image_find(en->store, en->ns, c->o->image, a, &c->image, &name, e);
	}
	if (r == 0)
		r = image_policy_check(en->store, en->ns, name, c->image, e);
	if (r == 0)
		r = image_ensure_unpacked(en->store, en->ns, c->image, NULL, NULL, a, &c->chain_key,
					  e);
	return r;
}

int engine_container_create(struct engine *en, const struct engine_create_options *o,
			    struct arena *a, const char **ret_id, char ***warnings, struct err *e)
{
	struct creation c = { .o = o };
	char id[65];
	int r = o->name ? check_name(o->name, e) : 0;

	if (r == 0)
		r = find_image(en, &c, a, e);
	if (r < 0)
		return r;
	rand_hex(id, 64);
	c.row = (struct container_row){
		.id = arena_strdup(a, id),
		.name = o->name,
		.image = o->image,
		.runtime = "io.containerd.runc.v2",
		.snapshotter = store_snapshotter(en->store),
		.created_ns = clock_wall_ns(),
	};
	c.row.updated_ns = c.row.created_ns;
	c.row.snapshot_key = c.row.id;
	if (!c.row.id)
		return err_sys(e, -ENOMEM, "container");
	r = build_doc(en, o, c.image, c.row.id, &c.doc, a, e);
	if (r == 0)
		r = merge_labels(o, c.image, &c.row.labels, a, e);
	if (r < 0)
		return r;
	for (int i = 0; i < (o->name ? 1 : NAME_TRIES); i++) {
		if (!o->name)
			c.row.name = engine_random_name(a);
		r = try_create(en, &c, a, warnings, e);
		if (r != -EEXIST)
			break;
	}
	if (r < 0)
		return r;
	engine_knock(en);
	*ret_id = c.row.id;
	return 0;
}

/* ---- bundles ---- */

/* As for a container with all defaults; an image without a command gets a shell, as umoci gives it. */
static int build_bundle_spec(struct engine *en, const struct image_record *img, int rootfs,
			     struct arena *a, struct strbuf *out, struct err *e)
{
	char *shell[] = { (char *)"sh", NULL };
	struct engine_create_options o = { .command = img->entrypoint.n + img->cmd.n ? NULL : shell,
					   .hostname = "corten",
					   .stop_timeout_s = -1 };
	struct oci_user *user = NULL;
	struct doc d;
	int r = build_doc(en, &o, img, NULL, &d, a, e);

	if (r == 0)
		r = user_resolve(d.user, &rootfs, 1, a, &user, e);
	return r < 0 ? r : engine_spec_build(en, &o, &d, user, NULL, a, out, NULL, e);
}

int engine_bundle_unpack(struct engine *en, const char *image, const char *path, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_STRBUF struct strbuf spec = { 0 };
	struct creation c = { .o = &(struct engine_create_options){ .image = image } };
	AUTO_FD bundle = -EBADF;
	AUTO_FD rootfs = -EBADF;
	int r = find_image(en, &c, &a, e);

	if (r == 0)
		r = image_bundle_unpack(en->store, en->ns, c.image, image, path, e);
	if (r < 0)
		return r;
	bundle = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rootfs = bundle < 0 ? -EBADF
			    : openat(bundle, "rootfs",
				     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (rootfs < 0)
		return err_sys(e, -errno, "bundle '%s'", path);
	r = build_bundle_spec(en, c.image, rootfs, &a, &spec, e);
	if (r == 0)
		r = file_replace_at(bundle, "config.json", spec.p, spec.len, 0644, 0);
	return r < 0 ? err_wrap(e, r, "config.json of bundle '%s'", path) : 0;
}
