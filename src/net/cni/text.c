/* The texts that plugins get: their own configuration with what the runtime adds; and a network as one list. */
#include "base/err.h"
#include "base/str.h"
#include "net/cni/priv.h"

/* Walks the members of an object: 1, 0 at the end, -errno. */
static int next_member(struct json_reader *rd, const char **key, struct json_raw *ret)
{
	enum json_token token = json_next(rd);
	int r;

	if (token == JSON_T_OBJECT_END)
		return 0;
	if (token != JSON_T_KEY)
		return rd->r < 0 ? rd->r : json_fail(rd, -EBADMSG, "a key is wanted");
	*key = rd->text;
	r = json_skip(rd, ret);
	return r < 0 ? r : 1;
}

static bool has_word(const struct json_strs *words, const char *word)
{
	for (size_t i = 0; words && i < words->n; i++)
		if (streq(words->v[i], word))
			return true;
	return false;
}

/* Whether any argument is one that the plugin announces; those are written when there is a writer. */
static int put_arguments(const struct cni_inject *in, struct json_writer *w, bool *ret_has,
			 struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = 4 * CNI_TEXT_MAX };
	struct json_reader rd;
	struct json_raw value;
	const char *key;
	int r;

	*ret_has = false;
	if (!in->capability_args.p || !in->announced || !in->announced->n)
		return 0;
	json_reader_init(&rd, in->capability_args.p, in->capability_args.len, NULL, &a, e);
	if (json_next(&rd) != JSON_T_OBJECT)
		return rd.r < 0 ? rd.r
				: json_fail(&rd, -EBADMSG, "capability arguments are no object");
	while ((r = next_member(&rd, &key, &value)) > 0) {
		if (!has_word(in->announced, key))
			continue;
		*ret_has = true;
		if (w)
			json_put_raw(w, key, value.p, value.len);
	}
	return r;
}

/* The keys that are put beside a plugin's own, and whether they are. */
enum key { KEY_VERSION, KEY_NAME, KEY_PREV, KEY_RUNTIME, KEY_VALID, KEY_VALID_OLD, KEYS };
static const char *const keys[KEYS] = {
	"cniVersion",	       "name", "prevResult", "runtimeConfig", "cni.dev/valid-attachments",
	"cni.dev/attachments",
};

static bool is_replaced(const bool replaced[KEYS], const char *key)
{
	for (int i = 0; i < KEYS; i++)
		if (replaced[i] && streq(keys[i], key))
			return true;
	return false;
}

static int put_own(struct json_raw plugin, const bool replaced[KEYS], struct json_writer *w,
		   struct err *e)
{
	AUTO_ARENA struct arena a = { .budget = 4 * CNI_TEXT_MAX };
	struct json_reader rd;
	struct json_raw value;
	const char *key;
	int r;

	json_reader_init(&rd, plugin.p, plugin.len, NULL, &a, e);
	if (json_next(&rd) != JSON_T_OBJECT)
		return rd.r < 0 ? rd.r : json_fail(&rd, -EBADMSG, "a plugin is an object");
	while ((r = next_member(&rd, &key, &value)) > 0)
		if (!is_replaced(replaced, key))
			json_put_raw(w, key, value.p, value.len);
	return r;
}

static void put_attachments(const struct cni_inject *in, const char *key, struct json_writer *w)
{
	json_begin_array(w, key);
	for (size_t i = 0; i < in->valid_n; i++) {
		json_begin_object(w, NULL);
		json_put_str(w, "containerID", in->valid[i].container_id);
		json_put_str(w, "ifname", in->valid[i].ifname);
		json_end_object(w);
	}
	json_end_array(w);
}

int cni_inject(struct json_raw plugin, const struct cni_inject *in, struct strbuf *out,
	       struct err *e)
{
	struct json_writer w = { .out = out };
	bool replaced[KEYS] = { [KEY_VERSION] = true,
				[KEY_NAME] = true,
				[KEY_PREV] = in->prev,
				[KEY_VALID] = in->is_gc,
				[KEY_VALID_OLD] = in->is_gc };
	AUTO_STRBUF struct strbuf prev = { 0 };
	int r = put_arguments(in, NULL, &replaced[KEY_RUNTIME], e);

	if (r == 0 && in->prev)
		r = cni_result_write(in->prev, in->version, &prev, e);
	if (r < 0)
		return r;
	json_begin_object(&w, NULL);
	json_put_str(&w, keys[KEY_VERSION], in->version);
	json_put_str(&w, keys[KEY_NAME], in->name);
	r = put_own(plugin, replaced, &w, e);
	if (r == 0 && replaced[KEY_RUNTIME]) {
		json_begin_object(&w, keys[KEY_RUNTIME]);
		r = put_arguments(in, &w, &replaced[KEY_RUNTIME], e);
		json_end_object(&w);
	}
	if (r < 0)
		return r;
	if (in->is_gc) {
		put_attachments(in, keys[KEY_VALID], &w);
		/* libcni 1.2 wrote this one, and plugins of its time read it. */
		put_attachments(in, keys[KEY_VALID_OLD], &w);
	}
	if (in->prev)
		json_put_raw(&w, keys[KEY_PREV], prev.p, prev.len);
	json_end_object(&w);
	return strbuf_ok(out) < 0 ? err_set(e, -ENOMEM, "no memory for a configuration") : 0;
}

void cni_network_write(const struct cni_network *n, struct strbuf *out)
{
	struct json_writer w = { .out = out };

	json_begin_object(&w, NULL);
	json_put_str(&w, "cniVersion", n->version);
	json_put_str(&w, "name", n->name);
	if (n->disable_check)
		json_put_bool(&w, "disableCheck", true);
	if (n->disable_gc)
		json_put_bool(&w, "disableGC", true);
	json_begin_array(&w, "plugins");
	for (size_t i = 0; i < n->plugins.n; i++)
		json_put_raw(&w, NULL, n->plugins.v[i].text.p, n->plugins.v[i].text.len);
	json_end_array(&w);
	json_end_object(&w);
}
