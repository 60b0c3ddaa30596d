/* What a synchronisation has to copy: skopeo's three kinds of sources, and where each image goes. */
#include "image/copy/sync.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/ref.h"

int sync_add(struct sync_list *l, const char *from, const char *suffix,
	     const struct image_access *access, struct err *e)
{
	if (l->n >= SYNC_IMAGES_MAX)
		return err_set(e, -E2BIG, "there are more than %d images", SYNC_IMAGES_MAX);
	if (!from || !suffix || mem_grow(&l->v, &l->cap, l->n + 1, sizeof(*l->v)) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	l->v[l->n++] = (struct image_sync_item){ from, suffix, access };
	return 0;
}

/* ---- registries ---- */

int sync_add_ref(struct sync_list *l, const struct ref *ref, const struct image_access *access,
		 struct err *e)
{
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX];
	const char *text = arena_strdup(l->a, ref_full(ref, full));

	return sync_add(l, text ? arena_printf(l->a, "docker://%s", text) : NULL, text, access, e);
}

int sync_add_tags(struct sync_list *l, const char *repository, const struct image_access *access,
		  const regex_t *pattern, struct err *e)
{
	const struct image_remote_options o = { .access = access,
						.warned = l->o->warned,
						.data = l->o->data };
	struct json_strs tags;
	struct ref ref;
	int r = ref_parse(repository, &ref, e);

	if (r == 0)
		r = image_remote_tags(repository, &o, l->a, &tags, e);
	for (size_t i = 0; r == 0 && i < tags.n; i++) {
		const char *one;

		if (pattern && regexec(pattern, tags.v[i], 0, NULL, 0) != 0)
			continue;
		one = arena_printf(l->a, "%s/%s:%s", ref.host, ref.path, tags.v[i]);
		r = one ? ref_parse(one, &ref, e) : err_set(e, -ENOMEM, "out of memory");
		if (r == 0)
			r = sync_add_ref(l, &ref, access, e);
	}
	return r < 0 ? err_wrap(e, r, "%s", repository) : 0;
}

static bool has_tag(const char *what)
{
	const char *slash = strrchr(what, '/');

	return strchr(slash ? slash : what, ':') || strchr(what, '@');
}

static int list_registry(struct sync_list *l, const char *source, struct err *e)
{
	struct ref ref;
	int r = ref_parse(source, &ref, e);

	if (r < 0)
		return r;
	return has_tag(source) ? sync_add_ref(l, &ref, l->o->access, e)
			       : sync_add_tags(l, source, l->o->access, NULL, e);
}

/* ---- folders of images ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_names(int dirfd, char ***ret)
{
	AUTO_STRV char **names = NULL;
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!d) {
		r = -errno;
		fd_closep(&fd);
		return r;
	}
	while (r == 0 && (entry = readdir(d)))
		if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
			r = strv_len(names) < SYNC_NAMES_MAX ? strv_add(&names, entry->d_name)
							     : -E2BIG;
	closedir(d);
	if (r < 0)
		return r;
	if (names)
		qsort(names, strv_len(names), sizeof(*names), by_name);
	*ret = TAKE_PTR(names);
	return 0;
}

static int walk(struct sync_list *l, int dirfd, const char *path, const char *suffix, int depth,
		struct err *e);

static int walk_into(struct sync_list *l, int dirfd, const char *path, const char *suffix,
		     const char *name, int depth, struct err *e)
{
	AUTO_FD fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	const char *below = arena_printf(l->a, "%s/%s", path, name);
	const char *end = arena_printf(l->a, "%s/%s", suffix, name);

	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP ? 0
							  : err_sys(e, -errno, "open '%s'", below);
	return below && end ? walk(l, fd, below, end, depth + 1, e)
			    : err_set(e, -ENOMEM, "out of memory");
}

/* A folder with a manifest.json is an image; what lies deeper is looked at all the same, as skopeo does. */
static int walk(struct sync_list *l, int dirfd, const char *path, const char *suffix, int depth,
		struct err *e)
{
	AUTO_STRV char **names = NULL;
	int r = depth > SYNC_DEPTH_MAX ? -ELOOP : list_names(dirfd, &names);

	if (r < 0)
		return err_sys(e, r, "read '%s'", path);
	if (faccessat(dirfd, "manifest.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		r = sync_add(l, arena_printf(l->a, "dir:%s", path), suffix, NULL, e);
	for (size_t i = 0; r == 0 && names && names[i]; i++)
		r = walk_into(l, dirfd, path, suffix, names[i], depth, e);
	return r;
}

/* Of the folder itself if it is an image, else of those below it. */
static int list_folder(struct sync_list *l, const char *source, struct err *e)
{
	const char *path = arena_strdup(l->a, source), *slash;
	AUTO_FD fd = folder_open(source, false, e);
	size_t n = strlen(source);
	int r;

	if (fd < 0)
		return fd;
	while (n > 1 && source[n - 1] == '/')
		n--;
	path = arena_strndup(l->a, source, n);
	if (!path)
		return err_set(e, -ENOMEM, "out of memory");
	r = walk(l, fd, path, "", 0, e);
	slash = strrchr(path, '/');
	if (r == 0 && l->n > 0 && !*l->v[0].suffix)
		l->v[0].suffix = slash ? slash + 1 : path;
	if (r == 0 && l->n == 0)
		r = err_set(e, -ENOENT, "no images to sync found in '%s'", source);
	return r;
}

/* ---- all ---- */

int image_sync_list(enum image_sync_kind kind, const char *source,
		    const struct image_remote_options *o, struct arena *a,
		    struct image_sync_item **ret, size_t *ret_n, struct err *e)
{
	struct sync_list l = { .o = o, .a = a };
	int r;

	if (kind == IMAGE_SYNC_REGISTRY)
		r = list_registry(&l, source, e);
	else if (kind == IMAGE_SYNC_FOLDER)
		r = list_folder(&l, source, e);
	else
		r = sync_list_file(&l, source, e);
	if (r == 0) {
		*ret = arena_calloc(a, l.n + 1, sizeof(**ret));
		if (!*ret)
			r = err_set(e, -ENOMEM, "out of memory");
	}
	if (r == 0 && l.n)
		memcpy(*ret, l.v, l.n * sizeof(**ret));
	*ret_n = l.n;
	free(l.v);
	return r;
}

int image_sync_target(enum image_sync_kind kind, const char *target, bool is_scoped,
		      const struct image_sync_item *item, struct arena *a, const char **ret,
		      struct err *e)
{
	const char *suffix = item->suffix, *slash = strrchr(suffix, '/');
	size_t n = strlen(target);
	struct stat st;

	if (!is_scoped && slash)
		suffix = slash + 1;
	while (*suffix == '/')
		suffix++;
	while (n > 1 && target[n - 1] == '/')
		n--;
	*ret = arena_printf(a, "%s%.*s/%s", kind == IMAGE_SYNC_FOLDER ? "dir:" : "docker://",
			    (int)n, target, suffix);
	if (!*ret)
		return err_set(e, -ENOMEM, "out of memory");
	if (kind == IMAGE_SYNC_FOLDER && stat(*ret + strlen("dir:"), &st) == 0)
		return err_set(e, -EEXIST, "'%s' is there already: sync does not overwrite",
			       *ret + strlen("dir:"));
	return 0;
}
