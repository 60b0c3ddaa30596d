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

static int check_object(struct json_reader *rd, const struct json_table *t, enum json_token token)
{
	return token == JSON_T_OBJECT ? json_check_keys(rd, t)
	       : token == JSON_T_NULL ? 0
				      : json_fail(rd, -EBADMSG, "no object");
}

static int check_list(struct json_reader *rd, const struct json_table *t)
{
	enum json_token token = json_next(rd);
	int r = 0;

	if (token == JSON_T_NULL)
		return 0;
	if (token != JSON_T_ARRAY)
		return json_fail(rd, -EBADMSG, "no array");
	while (r == 0 && (token = json_next(rd)) != JSON_T_ARRAY_END)
		r = token == JSON_T_ERROR ? rd->r : check_object(rd, t, token);
	return r;
}

int json_check_keys(struct json_reader *rd, const struct json_table *t)
{
	enum json_token token;

	while ((token = json_next(rd)) == JSON_T_KEY) {
		const struct json_field *row = find_key(t, rd->text);
		int r;

		if (!row)
			return json_fail(rd, -EBADMSG, "unknown key");
		r = row->kind == JSON_OBJ    ? check_object(rd, row->sub, json_next(rd))
		    : row->kind == JSON_OBJS ? check_list(rd, row->sub)
					     : json_skip(rd, NULL);
		if (r < 0)
			return r;
	}
	return token == JSON_T_ERROR ? rd->r : 0;
}
