/* skopeo's YAML file of registries and images (skopeo-sync(1), "YAML file content"). */
#include "image/copy/sync.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/yaml.h"

struct file {
	struct sync_list *l;
	const char *path;
	const char *host;
	const struct image_access *access;
};

static int fail(const struct file *f, const struct yaml *at, const char *words, struct err *e)
{
	return err_set(e, -EBADMSG, "'%s', line %d: '%s' %s", f->path, at->line,
		       at->key ? at->key : at->text, words);
}

/* ---- images ---- */

static int add_one(const struct file *f, const char *repository, const struct yaml *tag,
		   struct err *e)
{
	bool is_digest = digest_is_valid(tag->text);
	struct ref ref;
	const char *name = arena_printf(f->l->a, "%s%c%s", repository, is_digest ? '@' : ':',
					tag->text);
	int r;

	if (tag->kind != YAML_SCALAR || !*tag->text)
		return fail(f, tag, "is no tag", e);
	if (!name)
		return err_set(e, -ENOMEM, "out of memory");
	r = ref_parse(name, &ref, e);
	return r < 0 ? r : sync_add_ref(f->l, &ref, f->access, e);
}

static int add_images(const struct file *f, const struct yaml *image, struct err *e)
{
	const char *repository = arena_printf(f->l->a, "%s/%s", f->host, image->key);
	int r = 0;

	if (!repository)
		return err_set(e, -ENOMEM, "out of memory");
	if (image->kind == YAML_MAP || (image->kind == YAML_SCALAR && *image->text))
		return fail(f, image, "needs a list of tags, which may be empty", e);
	if (!image->first)
		return sync_add_tags(f->l, repository, f->access, NULL, e);
	for (const struct yaml *tag = image->first; r == 0 && tag; tag = tag->next)
		r = add_one(f, repository, tag, e);
	return r;
}

static int add_matching(const struct file *f, const struct yaml *image, struct err *e)
{
	const char *repository = arena_printf(f->l->a, "%s/%s", f->host, image->key);
	regex_t pattern;
	int r;

	if (!repository)
		return err_set(e, -ENOMEM, "out of memory");
	if (image->kind != YAML_SCALAR ||
	    regcomp(&pattern, image->text, REG_EXTENDED | REG_NOSUB) != 0)
		return fail(f, image, "needs a regular expression (POSIX, extended)", e);
	r = sync_add_tags(f->l, repository, f->access, &pattern, e);
	regfree(&pattern);
	return r;
}

/* ---- a registry ---- */

static int read_credentials(const struct file *f, const struct yaml *y, struct image_access *x,
			    struct err *e)
{
	const struct yaml *username = yaml_get(y, "username"), *password = yaml_get(y, "password");

	if (!username || username->kind != YAML_SCALAR || !*username->text ||
	    (password && password->kind != YAML_SCALAR))
		return fail(f, y, "needs a username and a password", e);
	x->username = username->text;
	x->password = password ? password->text : NULL;
	x->is_anonymous = false;
	x->token = NULL;
	return 0;
}

static int read_tls(const struct file *f, const struct yaml *y, struct image_access *x,
		    struct err *e)
{
	if (!streq(y->text, "true") && !streq(y->text, "false"))
		return fail(f, y, "is true or false", e);
	x->tls = streq(y->text, "true") ? IMAGE_TLS_VERIFY : IMAGE_TLS_SKIP;
	return 0;
}

static int read_cert_dir(const struct file *f, const struct yaml *y, struct image_access *x,
			 struct err *e)
{
	if (y->kind != YAML_SCALAR)
		return fail(f, y, "is a path", e);
	x->cert_dir = *y->text ? y->text : NULL;
	return 0;
}

static const struct {
	const char *key;
	int (*settings)(const struct file *f, const struct yaml *y, struct image_access *x,
			struct err *e);
	int (*images)(const struct file *f, const struct yaml *image, struct err *e);
} keys[] = {
	{ "credentials", read_credentials, NULL },     { "tls-verify", read_tls, NULL },
	{ "cert-dir", read_cert_dir, NULL },	       { "images", NULL, add_images },
	{ "images-by-tag-regex", NULL, add_matching },
};

static int check_keys(const struct file *f, const struct yaml *host, struct err *e)
{
	if (host->kind != YAML_MAP)
		return fail(f, host, "needs images", e);
	for (const struct yaml *y = host->first; y; y = y->next) {
		bool is_known = false;

		for (size_t i = 0; i < ARRAY_LEN(keys); i++)
			is_known |= streq(keys[i].key, y->key);
		if (!is_known)
			return fail(f, y, "is not supported", e);
	}
	return 0;
}

static int add_host(struct file *f, const struct yaml *host, struct err *e)
{
	struct image_access *x = arena_alloc(f->l->a, sizeof(*x));
	int r = x ? check_keys(f, host, e) : err_set(e, -ENOMEM, "out of memory");

	if (r < 0)
		return r;
	*x = f->l->o->access ? *f->l->o->access : (struct image_access){ 0 };
	f->host = host->key;
	f->access = x;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(keys); i++) {
		const struct yaml *y = yaml_get(host, keys[i].key);

		if (y && keys[i].settings)
			r = keys[i].settings(f, y, x, e);
		else if (y && y->kind != YAML_MAP)
			r = fail(f, y, "needs names of images", e);
		for (y = y && keys[i].images ? y->first : NULL; r == 0 && y; y = y->next)
			r = keys[i].images(f, y, e);
	}
	return r;
}

int sync_list_file(struct sync_list *l, const char *path, struct err *e)
{
	struct file f = { .l = l, .path = path };
	AUTO_FREE char *text = NULL;
	struct yaml *top;
	size_t len;
	int r = file_read_at(AT_FDCWD, path, SYNC_FILE_MAX, &text, &len);

	if (r < 0)
		return err_sys(e, r, "read '%s'", path);
	r = yaml_read(text, len, l->a, &top, e);
	if (r < 0)
		return err_wrap(e, r, "'%s'", path);
	if (top->kind != YAML_MAP)
		return err_set(e, -EBADMSG, "'%s' is no mapping of registries", path);
	for (const struct yaml *host = top->first; r == 0 && host; host = host->next)
		r = add_host(&f, host, e);
	return r;
}
