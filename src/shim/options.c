#include "shim/options.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/json.h"

struct mount_json {
	const char *type, *source, *target;
	struct json_strs options;
};

struct options_json {
	const char *ns, *id, *runtime, *runtime_root, *stdio_uri;
	struct {
		struct mount_json *v;
		size_t n;
	} mounts;
	struct json_strs exit_command;
	bool is_terminal, has_stdin, is_stdin_once, no_pivot, no_new_keyring;
};

static const struct json_field mount_rows[] = {
	JSON_ROW(mount_json, type, "type", JSON_STR, 0),
	JSON_ROW(mount_json, source, "source", JSON_STR, 0),
	JSON_ROW(mount_json, target, "target", JSON_STR, 0),
	JSON_ROW(mount_json, options, "options", JSON_STRS, 0),
};
static JSON_TABLE(mount_table, "mount", mount_json, mount_rows);

static const struct json_field options_rows[] = {
	JSON_ROW(options_json, ns, "namespace", JSON_STR, 0),
	JSON_ROW(options_json, id, "id", JSON_STR, JSON_REQUIRED),
	JSON_ROW(options_json, runtime, "runtime", JSON_STR, JSON_REQUIRED),
	JSON_ROW(options_json, runtime_root, "runtimeRoot", JSON_STR, JSON_REQUIRED),
	JSON_ROW(options_json, stdio_uri, "stdio", JSON_STR, 0),
	JSON_ROW_SUB(options_json, mounts, "mounts", JSON_OBJS, 0, mount_table),
	JSON_ROW(options_json, exit_command, "exitCommand", JSON_STRS, 0),
	JSON_ROW(options_json, is_terminal, "terminal", JSON_BOOL, 0),
	JSON_ROW(options_json, has_stdin, "stdin", JSON_BOOL, 0),
	JSON_ROW(options_json, is_stdin_once, "stdinOnce", JSON_BOOL, 0),
	JSON_ROW(options_json, no_pivot, "noPivot", JSON_BOOL, 0),
	JSON_ROW(options_json, no_new_keyring, "noNewKeyring", JSON_BOOL, 0),
};
static JSON_TABLE(options_table, "options", options_json, options_rows);

static struct json_strs strs_of(char *const *v)
{
	return (struct json_strs){ (const char **)(uintptr_t)v, v ? strv_len(v) : 0 };
}

/* A NULL-terminated copy in the arena; NULL for an empty list or when memory is out. */
static char *const *list_of(struct arena *a, struct json_strs s)
{
	char **v = s.n ? arena_calloc(a, s.n + 1, sizeof(*v)) : NULL;

	for (size_t i = 0; v && i < s.n; i++)
		v[i] = (char *)(uintptr_t)s.v[i];
	return v;
}

int shim_options_write(int task_fd, const struct shim_options *o, struct err *e)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	AUTO_ARENA struct arena a = { 0 };
	struct options_json j = {
		.ns = o->ns,
		.id = o->id,
		.runtime = o->runtime,
		.runtime_root = o->runtime_root,
		.stdio_uri = o->stdio_uri,
		.exit_command = strs_of(o->exit_command),
		.is_terminal = o->is_terminal,
		.has_stdin = o->has_stdin,
		.is_stdin_once = o->is_stdin_once,
		.no_pivot = o->no_pivot,
		.no_new_keyring = o->no_new_keyring,
	};
	int r;

	j.mounts.n = o->mounts_len;
	j.mounts.v = arena_calloc(&a, o->mounts_len + 1, sizeof(*j.mounts.v));
	if (!j.mounts.v)
		return err_set(e, -ENOMEM, "options of '%s': out of memory", o->id);
	for (size_t i = 0; i < o->mounts_len; i++) {
		const struct shim_mount *m = &o->mounts[i];

		j.mounts.v[i] = (struct mount_json){ m->type, m->source, m->target,
						     strs_of(m->options) };
	}
	json_write(&options_table, &j, 0, &text);
	r = strbuf_ok(&text);
	if (r == 0)
		r = file_replace_at(task_fd, "options.json", text.p, text.len, 0600, 0);
	return r < 0 ? err_sys(e, r, "write options.json of '%s'", o->id) : 0;
}

int shim_options_read(int task_fd, struct arena *a, struct shim_options *ret, struct err *e)
{
	AUTO_FREE char *text = NULL;
	struct options_json j;
	struct shim_mount *mounts;
	size_t len;
	int r = file_read_at(task_fd, "options.json", LIMIT_SPEC_BYTES, &text, &len);

	if (r < 0)
		return err_sys(e, r, "read options.json");
	r = json_read(&options_table, text, len, NULL, a, &j, e);
	if (r < 0)
		return err_wrap(e, r, "options.json");
	mounts = arena_calloc(a, j.mounts.n + 1, sizeof(*mounts));
	if (!mounts)
		return err_set(e, -ENOMEM, "options.json: out of memory");
	for (size_t i = 0; i < j.mounts.n; i++) {
		const struct mount_json *m = &j.mounts.v[i];

		mounts[i] = (struct shim_mount){ m->type, m->source, m->target,
						 list_of(a, m->options) };
	}
	*ret = (struct shim_options){
		.ns = j.ns ? j.ns : "default",
		.id = j.id,
		.runtime = j.runtime,
		.runtime_root = j.runtime_root,
		.stdio_uri = j.stdio_uri,
		.mounts = mounts,
		.mounts_len = j.mounts.n,
		.exit_command = list_of(a, j.exit_command),
		.is_terminal = j.is_terminal,
		.has_stdin = j.has_stdin,
		.is_stdin_once = j.is_stdin_once,
		.no_pivot = j.no_pivot,
		.no_new_keyring = j.no_new_keyring,
	};
	return 0;
}
