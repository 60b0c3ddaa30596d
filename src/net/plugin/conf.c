/* What plugins read of a call besides the keys that all have. */
#include "base/err.h"
#include "base/str.h"
#include "net/plugin/priv.h"

static const struct json_limits limits = { .bytes = CNI_TEXT_MAX };

/* Pairs in CNI_ARGS; Kubernetes gives five. */
#define ARGS_MAX 64

int conf_read(const struct cni_call *call, const struct json_table *t, void *ret, struct err *e)
{
	return json_read(t, call->conf, call->conf_len, &limits, call->a, ret, e);
}

/* Reads an object that may miss. */
static int read_raw(const struct cni_call *call, const struct json_table *t, struct json_raw raw,
		    void *ret, struct err *e)
{
	if (!raw.p) {
		memset(ret, 0, t->size);
		return 0;
	}
	return json_read(t, raw.p, raw.len, &limits, call->a, ret, e);
}

struct args {
	struct json_raw cni;
};
static const struct json_field args_rows[] = { JSON_ROW(args, cni, "cni", JSON_RAW, 0) };
static JSON_TABLE(args_table, "args", args, args_rows);

int conf_cni_args(const struct cni_call *call, const struct json_table *t, void *ret, struct err *e)
{
	struct args args;
	int r = read_raw(call, &args_table, call->c->args, &args, e);

	return r < 0 ? r : read_raw(call, t, args.cni, ret, e);
}

struct cni_args {
	struct json_strs ips;
};
static const struct json_field ips_rows[] = { JSON_ROW(cni_args, ips, "ips", JSON_STRS, 0) };
static JSON_TABLE(ips_table, "args.cni", cni_args, ips_rows);

int conf_cni_ips(const struct cni_call *call, struct json_strs *ret, struct err *e)
{
	struct cni_args args;
	int r = conf_cni_args(call, &ips_table, &args, e);

	if (r == 0)
		*ret = args.ips;
	return r;
}

int conf_runtime(const struct cni_call *call, struct cni_runtime_config *ret, struct err *e)
{
	return read_raw(call, &cni_runtime_config_table, call->c->runtime_config, ret, e);
}

static bool is_true(const char *s)
{
	return s && (streq(s, "1") || strcasecmp(s, "true") == 0);
}

/* Takes "K=V" apart; the first key that no row knows is remembered. */
static int take_arg(char *pair, const struct conf_arg *rows, size_t n, const char **ret_ignore,
		    const char **ret_unknown, struct err *e)
{
	char *value = strchr(pair, '=');

	if (!value || strchr(value + 1, '='))
		return err_set(e, -EINVAL, "ARGS: invalid pair '%.60s'", pair);
	*value++ = '\0';
	if (streq(pair, "IgnoreUnknown")) {
		*ret_ignore = value;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		if (streq(pair, rows[i].key)) {
			*rows[i].value = value;
			return 0;
		}
	*ret_unknown = pair;
	return 0;
}

int conf_args(const struct cni_call *call, const struct conf_arg *rows, size_t n, struct err *e)
{
	const char *ignore = NULL, *unknown = NULL;
	char *text, *rest = NULL;
	int left = ARGS_MAX, r = 0;

	if (!call->args || !*call->args)
		return 0;
	text = arena_strdup(call->a, call->args);
	if (!text)
		return err_set(e, -ENOMEM, "no memory for CNI_ARGS");
	for (char *pair = strtok_r(text, ";", &rest); pair && r == 0;
	     pair = strtok_r(NULL, ";", &rest)) {
		if (left-- == 0)
			return err_set(e, -E2BIG, "ARGS: more than %d pairs", ARGS_MAX);
		r = take_arg(pair, rows, n, &ignore, &unknown, e);
	}
	if (r == 0 && unknown && !is_true(ignore))
		return err_set(e, -EINVAL,
			       "ARGS: unknown args [\"%.60s\"] (IgnoreUnknown=1 passes them over)",
			       unknown);
	return r;
}

struct mac_args {
	const char *mac;
};
static const struct json_field mac_rows[] = { JSON_ROW(mac_args, mac, "mac", JSON_STR, 0) };
static JSON_TABLE(mac_table, "args.cni", mac_args, mac_rows);

int conf_mac(const struct cni_call *call, const char *configured, uint8_t mac[MAC_LEN],
	     bool *ret_has, struct err *e)
{
	const char *arg = NULL;
	struct conf_arg row = { "MAC", &arg };
	struct cni_runtime_config runtime;
	struct mac_args args;
	const char *text = configured;
	int r = conf_args(call, &row, 1, e);

	r = r < 0 ? r : conf_cni_args(call, &mac_table, &args, e);
	r = r < 0 ? r : conf_runtime(call, &runtime, e);
	if (r < 0)
		return r;
	text = arg && *arg ? arg : text;
	text = args.mac && *args.mac ? args.mac : text;
	text = runtime.mac && *runtime.mac ? runtime.mac : text;
	*ret_has = text && *text;
	if (*ret_has && mac_parse(text, mac) < 0)
		return err_set(e, -EINVAL, "'%.60s' is no MAC address", text);
	return 0;
}

bool conf_has_dns(const struct cni_dns *dns)
{
	return dns && (dns->nameservers.v || dns->search.v || dns->options.v ||
		       (dns->domain && *dns->domain));
}

bool conf_has_ipam(const struct cni_call *call)
{
	return call->c->ipam && call->c->ipam->type && *call->c->ipam->type;
}
