#include "spec/fetch_setup.h"

#define ROW JSON_ROW

static const struct json_field rows[] = {
	ROW(fetch_setup, host, "host", JSON_STR, JSON_REQUIRED),
	ROW(fetch_setup, repository, "repository", JSON_STR, JSON_REQUIRED),
	ROW(fetch_setup, username, "username", JSON_STR, 0),
	ROW(fetch_setup, password, "password", JSON_STR, 0),
	ROW(fetch_setup, identity_token, "identityToken", JSON_STR, 0),
	ROW(fetch_setup, ca, "ca", JSON_STR, 0),
	ROW(fetch_setup, is_plain, "plain", JSON_BOOL, 0),
};
JSON_TABLE(fetch_setup_table, "fetch", fetch_setup, rows);
