/* Networks from files: lists, single configurations, plugins that lie in a folder beside their list. */
#include <dirent.h>
#include <fcntl.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "net/cni/priv.h"

/* Files in a folder of configurations: each network of ours is one, and a bridge has an address range each. */
#define FILES_MAX 4096
/* Plugins of a chain; the longest known ones have six. */
#define PLUGINS_MAX 32

/* ---- one plugin ---- */

/* {"portMappings": true}: those that are true. */
static int read_capabilities(struct json_raw raw, struct arena *a, struct json_strs *ret,
			     struct err *e)
{
	struct json_reader rd;
	enum json_token token;

	*ret = (struct json_strs){ 0 };
	if (!raw.p)
		return 0;
	/* A member takes four characters at least. */
	ret->v = arena_calloc(a, raw.len / 4 + 1, sizeof(ret->v[0]));
	if (!ret->v)
		return err_set(e, -ENOMEM, "no memory for capabilities");
	json_reader_init(&rd, raw.p, raw.len, NULL, a, e);
	token = json_next(&rd);
	if (token != JSON_T_OBJECT)
		return rd.r < 0 ? rd.r : json_fail(&rd, -EBADMSG, "capabilities: no object");
	while ((token = json_next(&rd)) == JSON_T_KEY) {
		const char *key = rd.text;

		token = json_next(&rd);
		if (token == JSON_T_TRUE)
			ret->v[ret->n++] = key;
		else if (token != JSON_T_FALSE)
			return rd.r < 0 ? rd.r
					: json_fail(&rd, -EBADMSG,
						    "capabilities: '%s' is no boolean", key);
	}
	return token == JSON_T_ERROR ? rd.r : 0;
}

static int read_plugin(struct json_raw text, struct arena *a, struct cni_conf *c,
		       struct cni_plugin_conf *ret, struct err *e)
{
	int r = json_read(&cni_conf_table, text.p, text.len, NULL, a, c, e);

	r = r < 0 ? r : cni_check_type(c->type, e);
	r = r < 0 ? r : read_capabilities(c->capabilities, a, &ret->capabilities, e);
	if (r < 0)
		return r;
	ret->type = c->type;
	ret->text = (struct json_raw){ arena_strndup(a, text.p, text.len), text.len };
	return ret->text.p ? 0 : err_set(e, -ENOMEM, "no memory for a plugin");
}

static int add_plugin(struct cni_network *n, struct json_raw text, struct arena *a, struct err *e)
{
	struct cni_conf c;
	int r;

	if (n->plugins.n == PLUGINS_MAX)
		return err_set(e, -E2BIG, "more than %d plugins", PLUGINS_MAX);
	r = read_plugin(text, a, &c, &n->plugins.v[n->plugins.n], e);
	if (r < 0)
		return err_wrap(e, r, "plugin %zu", n->plugins.n + 1);
	n->plugins.n++;
	return 0;
}

/* ---- one network ---- */

/* libcni 1.2: the newest one that is not above ours, of the list and cniVersion. */
static int choose_version(const struct cni_list *list, const char **ret, struct err *e)
{
	const char *best = NULL;
	int order, r = 0;

	for (size_t i = 0; r == 0 && i <= list->versions.n; i++) {
		const char *v = i < list->versions.n ? list->versions.v[i] : list->version;

		r = cni_version_compare(v, CNI_VERSION, &order, e);
		if (r == 0 && order <= 0) {
			(void)cni_version_compare(v, best, &order, NULL);
			best = order > 0 ? v : best;
		}
	}
	if (r == 0)
		*ret = best ? best : list->version;
	return r;
}

static int check_network(struct cni_network *n, struct err *e)
{
	int r = cni_check_network(n->name, e);

	if (!n->version || !*n->version)
		n->version = CNI_VERSION_OLDEST;
	if (r < 0)
		return r;
	if (!cni_version_is_known(n->version))
		return err_set(e, -EPROTONOSUPPORT,
			       "CNI version '%.40s' is not supported, %s to %s are", n->version,
			       CNI_VERSION_OLDEST, CNI_VERSION);
	return 0;
}

static int read_list(struct cni_network *n, const struct cni_list *list, struct arena *a,
		     struct err *e)
{
	struct json_raw *plugins = NULL;
	size_t count = 0;
	int r = choose_version(list, &n->version, e);

	n->name = list->name;
	n->disable_check = list->disable_check;
	n->disable_gc = list->disable_gc;
	if (r == 0 && list->plugins.p)
		r = cni_split_array(list->plugins, PLUGINS_MAX, a, &plugins, &count, e);
	if (r == 0 && list->plugins.p && !count)
		r = err_set(e, -EINVAL, "no plugins in list");
	if (r == 0 && !list->plugins.p && list->load_only_inlined)
		r = err_set(e, -EINVAL, "loadOnlyInlinedPlugins is true, and no 'plugins' key");
	r = r < 0 ? r : check_network(n, e);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_plugin(n, plugins[i], a, e);
	return r;
}

/* A configuration of one plugin, as it was before there were lists. */
static int read_single(struct cni_network *n, const char *text, size_t len, struct arena *a,
		       struct err *e)
{
	struct cni_conf c;
	int r = read_plugin((struct json_raw){ text, len }, a, &c, &n->plugins.v[0], e);

	n->plugins.n = 1;
	n->name = c.name;
	n->version = c.version;
	return r < 0 ? r : check_network(n, e);
}

static int list_files(int dir_fd, const char *endings, struct arena *a, const char ***ret,
		      size_t *ret_n, struct err *e);

/* Plugins of 1.1 in a folder of the network's name, by the names of their files. */
static int read_folder(struct cni_network *n, int conf_dir, struct arena *a, struct err *e)
{
	AUTO_FD dir = openat(conf_dir, n->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FREE const char **names = NULL;
	size_t count = 0;
	int r;

	if (dir < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : err_sys(e, -errno, "open folder '%s'", n->name);
	r = list_files(dir, ".conf", a, &names, &count, e);
	for (size_t i = 0; r == 0 && i < count; i++) {
		AUTO_FREE char *text = NULL;
		size_t len;

		r = file_read_at(dir, names[i], CNI_TEXT_MAX, &text, &len);
		if (r < 0)
			return err_sys(e, r, "read '%s/%s'", n->name, names[i]);
		r = add_plugin(n, (struct json_raw){ text, len }, a, e);
		if (r < 0)
			return err_wrap(e, r, "'%s/%s'", n->name, names[i]);
	}
	return r;
}

/* `conf_dir` below 0: there is no folder. */
static int parse(const char *text, size_t len, int conf_dir, struct arena *a, struct cni_network *n,
		 struct err *e)
{
	struct json_limits lim = { .bytes = CNI_TEXT_MAX };
	struct cni_list list;
	struct cni_conf c;
	int r = json_read(&cni_conf_table, text, len, &lim, a, &c, e);

	n->plugins.v = arena_calloc(a, PLUGINS_MAX, sizeof(n->plugins.v[0]));
	if (!n->plugins.v)
		return err_set(e, -ENOMEM, "no memory for a network");
	r = r < 0 ? r : cni_list_read(text, len, a, &list, e);
	if (r < 0)
		return r;
	if (c.type && !list.plugins.p)
		r = read_single(n, text, len, a, e);
	else
		r = read_list(n, &list, a, e);
	if (r == 0 && conf_dir >= 0 && !list.load_only_inlined && !c.type)
		r = read_folder(n, conf_dir, a, e);
	if (r == 0 && !n->plugins.n)
		r = err_set(e, -EINVAL, "no plugin configs found");
	n->is_builtin = r == 0;
	for (size_t i = 0; i < n->plugins.n && n->is_builtin; i++)
		n->is_builtin = cni_plugin_find(n->plugins.v[i].type);
	return r;
}

int cni_network_parse(const char *file, const char *text, size_t len, struct arena *a,
		      struct cni_network **ret, struct err *e)
{
	struct cni_network *n = arena_alloc(a, sizeof(*n));
	int r = n ? parse(text, len, -EBADF, a, n, e)
		  : err_set(e, -ENOMEM, "no memory for a network");

	if (r < 0)
		return err_wrap(e, r, "network configuration '%s'", file ? file : "(text)");
	n->file = file ? arena_strdup(a, file) : NULL;
	*ret = n;
	return 0;
}

/* ---- a folder of them ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool ends_so(const char *name, const char *endings)
{
	const char *dot = strrchr(name, '.'), *p = endings;
	size_t n;

	for (; dot && *p; p += n + (p[n] == ' ')) {
		n = strcspn(p, " ");
		if (strlen(dot) == n && memcmp(dot, p, n) == 0)
			return true;
	}
	return false;
}

static int add_name(const char *name, struct arena *a, const char ***names, size_t *cap, size_t *n)
{
	int r = *n == FILES_MAX ? -E2BIG : mem_grow(names, cap, *n + 1, sizeof(**names));

	if (r < 0)
		return r;
	(*names)[*n] = arena_strdup(a, name);
	return (*names)[(*n)++] ? 0 : -ENOMEM;
}

/* Names of what is no folder and ends with one of `endings` (".conf .json"), sorted; the array is the caller's. */
static int list_files(int dir_fd, const char *endings, struct arena *a, const char ***ret,
		      size_t *ret_n, struct err *e)
{
	int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	AUTO_FREE const char **names = NULL;
	size_t n = 0, cap = 0;
	struct dirent *d;
	int r = 0;

	if (!dir) {
		r = err_sys(e, -errno, "read the folder");
		fd_closep(&fd);
		return r;
	}
	while (r == 0 && (d = readdir(dir)))
		if (d->d_type != DT_DIR && ends_so(d->d_name, endings))
			r = add_name(d->d_name, a, &names, &cap, &n);
	closedir(dir);
	if (r < 0)
		return err_sys(e, r, "more than %d files in the folder", FILES_MAX);
	if (n)
		qsort(names, n, sizeof(*names), by_name);
	*ret = TAKE_PTR(names);
	*ret_n = n;
	return 0;
}

static int load_one(int dir, const char *conf_dir, const char *name, struct arena *a,
		    struct cni_network *n, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = file_read_at(dir, name, CNI_TEXT_MAX, &text, &len);

	*n = (struct cni_network){ .file = arena_printf(a, "%s/%s", conf_dir, name) };
	r = r < 0 ? err_sys(e, r, "read it") : parse(text, len, dir, a, n, e);
	return r < 0 ? err_wrap(e, r, "network configuration '%s/%s'", conf_dir, name) : 0;
}

static bool is_known(const struct cni_network *v, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (streq(v[i].name, name))
			return true;
	return false;
}

int cni_networks_load(const char *conf_dir, void (*warn)(void *data, const char *text), void *data,
		      struct arena *a, struct cni_network **ret, size_t *ret_n, struct err *e)
{
	AUTO_FD dir = open(conf_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FREE const char **names = NULL;
	struct cni_network *v;
	size_t count = 0, n = 0;
	int r = 0;

	if (dir < 0 && errno != ENOENT)
		return err_sys(e, -errno, "open '%s'", conf_dir);
	if (dir >= 0)
		r = list_files(dir, ".conflist .conf .json", a, &names, &count, e);
	if (r < 0)
		return err_wrap(e, r, "'%s'", conf_dir);
	v = arena_calloc(a, count + 1, sizeof(*v));
	if (!v)
		return err_set(e, -ENOMEM, "no memory for %zu networks", count);
	for (size_t i = 0; i < count; i++) {
		struct err why = ERR_INIT;

		r = load_one(dir, conf_dir, names[i], a, &v[n], &why);
		if (r == 0 && is_known(v, n, v[n].name))
			r = err_set(&why, -EEXIST, "'%s/%s' is left out: '%s' is a network already",
				    conf_dir, names[i], v[n].name);
		if (r == 0)
			n++;
		else if (warn)
			warn(data, err_text(&why, r));
	}
	*ret = v;
	*ret_n = n;
	return 0;
}
