#include "spec/fetch_setup.h"

#define ROW JSON_ROW

static const struct json_field endpoint_rows[] = {
	ROW(fetch_endpoint, url, "url", JSON_STR, JSON_REQUIRED),
	ROW(fetch_endpoint, host, "host", JSON_STR, JSON_REQUIRED),
	ROW(fetch_endpoint, ns, "ns", JSON_STR, 0),
	ROW(fetch_endpoint, may_resolve, "resolve", JSON_BOOL, 0),
	ROW(fetch_endpoint, may_pull, "pull", JSON_BOOL, 0),
	ROW(fetch_endpoint, may_push, "push", JSON_BOOL, 0),
	ROW(fetch_endpoint, is_plain, "plain", JSON_BOOL, 0),
	ROW(fetch_endpoint, skip_verify, "skipVerify", JSON_BOOL, 0),
	ROW(fetch_endpoint, is_fallback, "fallback", JSON_BOOL, 0),
	ROW(fetch_endpoint, ca, "ca", JSON_STR, 0),
	ROW(fetch_endpoint, cert, "cert", JSON_STR, 0),
	ROW(fetch_endpoint, key, "key", JSON_STR, 0),
	ROW(fetch_endpoint, headers, "headers", JSON_STRS, 0),
	ROW(fetch_endpoint, connect_ms, "connectMs", JSON_U32, 0),
	ROW(fetch_endpoint, username, "username", JSON_STR, 0),
	ROW(fetch_endpoint, password, "password", JSON_STR, 0),
	ROW(fetch_endpoint, identity_token, "identityToken", JSON_STR, 0),
};
static JSON_TABLE(endpoint_table, "endpoint", fetch_endpoint, endpoint_rows);

static const struct json_field rows[] = {
	ROW(fetch_setup, host, "host", JSON_STR, JSON_REQUIRED),
	ROW(fetch_setup, repository, "repository", JSON_STR, JSON_REQUIRED | JSON_ALWAYS),
	JSON_ROW_SUB(fetch_setup, endpoints, "endpoints", JSON_OBJS, JSON_REQUIRED, endpoint_table),
	ROW(fetch_setup, proxy.http, "httpProxy", JSON_STR, 0),
	ROW(fetch_setup, proxy.https, "httpsProxy", JSON_STR, 0),
	ROW(fetch_setup, proxy.none, "noProxy", JSON_STR, 0),
};
JSON_TABLE(fetch_setup_table, "fetch", fetch_setup, rows);
