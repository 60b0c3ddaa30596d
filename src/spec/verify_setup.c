#include "spec/verify_setup.h"

#define ROW JSON_ROW

static const struct json_field candidate_rows[] = {
	ROW(signature_candidate, kind, "kind", JSON_STR, 0),
	ROW(signature_candidate, signature, "signature", JSON_STR, 0),
	ROW(signature_candidate, payload_digest, "payloadDigest", JSON_STR, 0),
	ROW(signature_candidate, payload_size, "payloadSize", JSON_I64, 0),
	ROW(signature_candidate, payload, "payload", JSON_STR, 0),
	ROW(signature_candidate, payload_type, "payloadType", JSON_STR, 0),
	ROW(signature_candidate, source, "source", JSON_STR, JSON_REQUIRED),
	ROW(signature_candidate, unusable, "unusable", JSON_STR, 0),
};
JSON_TABLE(signature_candidate_table, "signature", signature_candidate, candidate_rows);

static const struct json_field setup_rows[] = {
	ROW(verify_setup, kind, "kind", JSON_STR, JSON_REQUIRED),
	ROW(verify_setup, signature, "signature", JSON_STR, JSON_REQUIRED),
	ROW(verify_setup, payload_type, "payloadType", JSON_STR, 0),
	ROW(verify_setup, digest, "digest", JSON_STR, JSON_REQUIRED),
	ROW(verify_setup, keys, "keys", JSON_STRS, JSON_REQUIRED),
};
JSON_TABLE(verify_setup_table, "verify", verify_setup, setup_rows);

static const struct json_field result_rows[] = {
	ROW(verify_result, key, "key", JSON_I64, JSON_REQUIRED | JSON_ALWAYS),
	ROW(verify_result, algorithm, "algorithm", JSON_STR, JSON_REQUIRED),
	ROW(verify_result, digest, "digest", JSON_STR, JSON_REQUIRED),
	ROW(verify_result, reference, "reference", JSON_STR, JSON_ALWAYS),
};
JSON_TABLE(verify_result_table, "result", verify_result, result_rows);
