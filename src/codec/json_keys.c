/* Texts in which an unknown key is an error: tables skip those. */
#include <string.h>

#include "base/err.h"
#include "codec/json.h"

static const struct json_field *find_key(const struct json_table *t, const char *key)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->fields[i].key, key) == 0)
			return &t->fields[i];
	return NULL;
}

int json_check_keys(struct json_reader *rd, const struct json_table *t)
{
	enum json_token token;

	while ((token = json_next(rd)) == JSON_T_KEY) {
		const struct json_field *row = find_key(t, rd->text);
		int r;

		if (!row)
			return json_fail(rd, -EBADMSG, "unknown key");
		if (row->kind != JSON_OBJ) {
			r = json_skip(rd, NULL);
		} else {
			token = json_next(rd);
			r = token == JSON_T_OBJECT ? json_check_keys(rd, row->sub)
			    : token == JSON_T_NULL ? 0
						   : json_fail(rd, -EBADMSG, "no object");
		}
		if (r < 0)
			return r;
	}
	return token == JSON_T_ERROR ? rd->r : 0;
}
