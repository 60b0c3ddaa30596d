#include "spec/registry_call.h"

#include <string.h>

#define ROW JSON_ROW
#define TAG_MAX 128

static const struct json_field call_rows[] = {
	ROW(registry_call, verb, "verb", JSON_I64, JSON_REQUIRED),
	ROW(registry_call, path, "path", JSON_STR, 0),
	ROW(registry_call, digest, "digest", JSON_STR, 0),
	ROW(registry_call, media_type, "mediaType", JSON_STR, 0),
	ROW(registry_call, artifact_type, "artifactType", JSON_STR, 0),
	ROW(registry_call, size, "size", JSON_I64, 0),
	ROW(registry_call, from, "from", JSON_STRS, 0),
	JSON_ROW_SUB(registry_call, self, "self", JSON_OBJ, 0, oci_descriptor_table),
	ROW(registry_call, subject, "subject", JSON_STR, 0),
};
JSON_TABLE(registry_call_table, "call", registry_call, call_rows);

static const struct json_field answer_rows[] = {
	ROW(registry_answer, is_there, "isThere", JSON_BOOL, 0),
	ROW(registry_answer, is_mounted, "isMounted", JSON_BOOL, 0),
	ROW(registry_answer, is_fallback, "isFallback", JSON_BOOL, 0),
	ROW(registry_answer, size, "size", JSON_I64, 0),
	ROW(registry_answer, digest, "digest", JSON_STR, 0),
	ROW(registry_answer, media_type, "mediaType", JSON_STR, 0),
	ROW(registry_answer, mounted, "mounted", JSON_STR, 0),
	ROW(registry_answer, tags, "tags", JSON_STRS, 0),
	JSON_ROW_SUB(registry_answer, referrers, "referrers", JSON_OBJS, 0, oci_descriptor_table),
};
JSON_TABLE(registry_answer_table, "answer", registry_answer, answer_rows);

bool registry_tag_is_valid(const char *tag)
{
	static const char first[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	size_t n = strlen(tag);

	return n > 0 && n <= TAG_MAX && strchr(first, tag[0]) &&
	       strspn(tag, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		       n;
}
