/* CNI's configurations, lists, capability arguments, versions and errors. Results: cni_result.c. */
#include "spec/cni.h"

#include "base/err.h"
#include "base/str.h"

#define ROW JSON_ROW
#define SUB JSON_ROW_SUB
#define NEED JSON_REQUIRED
#define ALWAYS JSON_ALWAYS

static const struct json_limits limits = { .bytes = CNI_TEXT_MAX };

static const struct json_field dns_rows[] = {
	ROW(cni_dns, nameservers, "nameservers", JSON_STRS, 0),
	ROW(cni_dns, domain, "domain", JSON_STR, 0),
	ROW(cni_dns, search, "search", JSON_STRS, 0),
	ROW(cni_dns, options, "options", JSON_STRS, 0),
};
JSON_TABLE(cni_dns_table, "dns", cni_dns, dns_rows);

/* ---- configurations ---- */

static const struct json_field ipam_rows[] = {
	ROW(cni_ipam, type, "type", JSON_STR, 0),
};
static JSON_TABLE(ipam_table, "ipam", cni_ipam, ipam_rows);

static const struct json_field attachment_rows[] = {
	ROW(cni_attachment, container_id, "containerID", JSON_STR, NEED),
	ROW(cni_attachment, ifname, "ifname", JSON_STR, NEED),
};
static JSON_TABLE(attachment_table, "attachment", cni_attachment, attachment_rows);

static const struct json_field conf_rows[] = {
	ROW(cni_conf, version, "cniVersion", JSON_STR, 0),
	ROW(cni_conf, name, "name", JSON_STR, 0),
	ROW(cni_conf, type, "type", JSON_STR, 0),
	SUB(cni_conf, ipam, "ipam", JSON_OBJ, 0, ipam_table),
	ROW(cni_conf, args, "args", JSON_RAW, 0),
	ROW(cni_conf, runtime_config, "runtimeConfig", JSON_RAW, 0),
	ROW(cni_conf, prev_result, "prevResult", JSON_RAW, 0),
	ROW(cni_conf, capabilities, "capabilities", JSON_RAW, 0),
	SUB(cni_conf, dns, "dns", JSON_OBJ, 0, cni_dns_table),
	SUB(cni_conf, valid_attachments, "cni.dev/valid-attachments", JSON_OBJS, 0,
	    attachment_table),
};
JSON_TABLE(cni_conf_table, "configuration", cni_conf, conf_rows);

struct list {
	const char *version;
	struct json_strs versions;
	const char *name;
	struct json_raw disable_check, disable_gc, load_only_inlined, plugins;
};
static const struct json_field list_rows[] = {
	ROW(list, version, "cniVersion", JSON_STR, 0),
	ROW(list, versions, "cniVersions", JSON_STRS, 0),
	ROW(list, name, "name", JSON_STR, 0),
	ROW(list, disable_check, "disableCheck", JSON_RAW, 0),
	ROW(list, disable_gc, "disableGC", JSON_RAW, 0),
	ROW(list, load_only_inlined, "loadOnlyInlinedPlugins", JSON_RAW, 0),
	ROW(list, plugins, "plugins", JSON_RAW, 0),
};
static JSON_TABLE(list_table, "list", list, list_rows);

static const struct json_field error_rows[] = {
	ROW(cni_error, version, "cniVersion", JSON_STR, 0),
	ROW(cni_error, code, "code", JSON_U32, ALWAYS),
	ROW(cni_error, msg, "msg", JSON_STR, ALWAYS),
	ROW(cni_error, details, "details", JSON_STR, 0),
};
JSON_TABLE(cni_error_table, "error", cni_error, error_rows);

/* ---- capability arguments ---- */

static const struct json_field port_rows[] = {
	ROW(cni_port, host_port, "hostPort", JSON_I64, ALWAYS),
	ROW(cni_port, container_port, "containerPort", JSON_I64, ALWAYS),
	ROW(cni_port, protocol, "protocol", JSON_STR, 0),
	ROW(cni_port, host_ip, "hostIP", JSON_STR, 0),
};
static JSON_TABLE(port_table, "portMapping", cni_port, port_rows);

static const struct json_field bandwidth_rows[] = {
	ROW(cni_bandwidth, ingress_rate, "ingressRate", JSON_U64, 0),
	ROW(cni_bandwidth, ingress_burst, "ingressBurst", JSON_U64, 0),
	ROW(cni_bandwidth, egress_rate, "egressRate", JSON_U64, 0),
	ROW(cni_bandwidth, egress_burst, "egressBurst", JSON_U64, 0),
	ROW(cni_bandwidth, unshaped_subnets, "unshapedSubnets", JSON_STRS, 0),
	ROW(cni_bandwidth, shaped_subnets, "shapedSubnets", JSON_STRS, 0),
};
static JSON_TABLE(bandwidth_table, "bandwidth", cni_bandwidth, bandwidth_rows);

/* CONVENTIONS.md has other words for it here than a result has. */
static const struct json_field dns_argument_rows[] = {
	ROW(cni_dns, nameservers, "servers", JSON_STRS, 0),
	ROW(cni_dns, search, "searches", JSON_STRS, 0),
	ROW(cni_dns, options, "options", JSON_STRS, 0),
};
static JSON_TABLE(dns_argument_table, "dns", cni_dns, dns_argument_rows);

static const struct json_field runtime_config_rows[] = {
	SUB(cni_runtime_config, ports, "portMappings", JSON_OBJS, 0, port_table),
	SUB(cni_runtime_config, bandwidth, "bandwidth", JSON_OBJ, 0, bandwidth_table),
	ROW(cni_runtime_config, ips, "ips", JSON_STRS, 0),
	ROW(cni_runtime_config, ip_ranges, "ipRanges", JSON_RAW, 0),
	ROW(cni_runtime_config, mac, "mac", JSON_STR, 0),
	SUB(cni_runtime_config, dns, "dns", JSON_OBJ, 0, dns_argument_table),
	ROW(cni_runtime_config, aliases, "aliases", JSON_RAW, 0),
	ROW(cni_runtime_config, device_id, "deviceID", JSON_STR, 0),
	ROW(cni_runtime_config, infiniband_guid, "infinibandGUID", JSON_STR, 0),
	ROW(cni_runtime_config, cgroup_path, "cgroupPath", JSON_STR, 0),
};
JSON_TABLE(cni_runtime_config_table, "runtimeConfig", cni_runtime_config, runtime_config_rows);

/* ---- versions ---- */

static const char *const known_versions[] = {
	CNI_VERSION_OLDEST, "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", CNI_VERSION
};

bool cni_version_is_known(const char *v)
{
	for (size_t i = 0; v && i < ARRAY_LEN(known_versions); i++)
		if (streq(v, known_versions[i]))
			return true;
	return false;
}

/* "1.1" and "1" are versions too, as in libcni. */
static int version_parse(const char *v, int64_t parts[3], struct err *e)
{
	const char *p = v ? v : "";

	memset(parts, 0, 3 * sizeof(parts[0]));
	for (size_t i = 0; *p; i++) {
		size_t n = strcspn(p, ".");
		char digits[12];

		if (i == 3 || n >= sizeof(digits) || (p[n] && !p[n + 1]))
			return err_set(e, -EINVAL, "'%.40s' is no CNI version", v);
		memcpy(digits, p, n);
		digits[n] = '\0';
		if (str_to_i64(digits, 0, INT32_MAX, &parts[i]) < 0)
			return err_set(e, -EINVAL, "'%.40s' is no CNI version", v);
		p += n + (p[n] == '.');
	}
	return 0;
}

int cni_version_compare(const char *a, const char *b, int *ret, struct err *e)
{
	int64_t x[3], y[3];
	int r = version_parse(a, x, e);

	r = r < 0 ? r : version_parse(b, y, e);
	if (r < 0)
		return r;
	*ret = 0;
	for (size_t i = 0; i < 3 && *ret == 0; i++)
		*ret = x[i] < y[i] ? -1 : x[i] > y[i];
	return 0;
}

/* ---- names ---- */

/* IFNAMSIZ without the NUL. */
#define IFNAME_MAX 15

/* [a-zA-Z0-9][a-zA-Z0-9_.-]* */
static bool is_name(const char *s)
{
	static const char alnum[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = strspn(s, alnum);

	return n > 0 && s[n] == '\0' && !strchr("_.-", s[0]);
}

int cni_check_network(const char *name, struct err *e)
{
	if (!name || !*name)
		return err_set(e, -EINVAL, "missing network name");
	if (!is_name(name) || strlen(name) > LIMIT_NAME)
		return err_set(e, -EINVAL, "invalid characters found in network name '%.100s'",
			       name);
	return 0;
}

int cni_check_container(const char *id, struct err *e)
{
	if (!id || !*id)
		return err_set(e, -ENXIO, "missing containerID");
	if (!is_name(id) || strlen(id) > LIMIT_NAME)
		return err_set(e, -EBADR, "invalid characters in containerID '%.100s'", id);
	return 0;
}

int cni_check_ifname(const char *name, struct err *e)
{
	if (!name || !*name)
		return err_set(e, -EBADR, "interface name is empty");
	if (strlen(name) > IFNAME_MAX)
		return err_set(e, -EBADR,
			       "interface name '%.60s' is too long, at most %d characters", name,
			       IFNAME_MAX);
	if (streq(name, ".") || streq(name, "..") || strpbrk(name, "/: \t\n\v\f\r"))
		return err_set(e, -EBADR,
			       "interface name '%s' is . or .. or contains / or : or white space",
			       name);
	return 0;
}

/* ---- lists ---- */

static int read_switch(struct json_raw raw, const char *key, bool *ret, struct err *e)
{
	static const struct {
		const char *text;
		bool is_on;
	} rows[] = {
		{ "true", true },	{ "false", false },   { "\"true\"", true },
		{ "\"false\"", false }, { "\"True\"", true }, { "\"False\"", false },
	};

	*ret = false;
	if (!raw.p)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (raw.len != strlen(rows[i].text) || memcmp(raw.p, rows[i].text, raw.len) != 0)
			continue;
		*ret = rows[i].is_on;
		return 0;
	}
	return err_set(e, -EBADMSG, "%s: '%.*s' is neither true nor false", key,
		       (int)MIN(raw.len, 40u), raw.p);
}

int cni_list_read(const char *text, size_t len, struct arena *a, struct cni_list *ret,
		  struct err *e)
{
	struct cni_list list;
	struct list l;
	int r = json_read(&list_table, text, len, &limits, a, &l, e);

	if (r < 0)
		return r;
	list = (struct cni_list){
		.version = l.version, .versions = l.versions, .name = l.name, .plugins = l.plugins
	};
	r = read_switch(l.disable_check, "disableCheck", &list.disable_check, e);
	r = r < 0 ? r : read_switch(l.disable_gc, "disableGC", &list.disable_gc, e);
	r = r < 0 ? r
		  : read_switch(l.load_only_inlined, "loadOnlyInlinedPlugins",
				&list.load_only_inlined, e);
	if (r < 0)
		return r;
	*ret = list;
	return 0;
}

/* The whole value that comes: 1, 0 behind the last one, -errno. */
static int next_element(struct json_reader *rd, struct json_raw *ret)
{
	enum json_token token = json_next(rd);
	const char *from = rd->at;

	if (token == JSON_T_ARRAY_END)
		return 0;
	for (int level = 0;; token = json_next(rd)) {
		level += token == JSON_T_OBJECT || token == JSON_T_ARRAY;
		level -= token == JSON_T_OBJECT_END || token == JSON_T_ARRAY_END;
		if (token == JSON_T_ERROR || token == JSON_T_END)
			return rd->r < 0 ? rd->r : json_fail(rd, -EBADMSG, "the array is cut");
		if (level == 0)
			break;
	}
	*ret = (struct json_raw){ from, (size_t)(rd->p - from) };
	return 1;
}

int cni_split_array(struct json_raw array, size_t max, struct arena *a, struct json_raw **ret,
		    size_t *ret_n, struct err *e)
{
	struct json_reader rd;
	struct json_raw *v = NULL;

	/* Twice: to count, and to keep. */
	for (int pass = 0; pass < 2; pass++) {
		struct json_raw one;
		size_t n = 0;
		int r;

		json_reader_init(&rd, array.p ? array.p : "", array.len, &limits, a, e);
		if (json_next(&rd) != JSON_T_ARRAY)
			return rd.r < 0 ? rd.r : json_fail(&rd, -EBADMSG, "an array is wanted");
		while ((r = next_element(&rd, &one)) > 0) {
			if (n == max)
				return json_fail(&rd, -E2BIG, "more than %zu elements", max);
			if (v)
				v[n] = one;
			n++;
		}
		if (r < 0)
			return r;
		v = v ? v : arena_calloc(a, n + 1, sizeof(*v));
		if (!v)
			return err_set(e, -ENOMEM, "no memory for %zu elements", n);
		*ret_n = n;
	}
	*ret = v;
	return 0;
}

/* ---- errors ---- */

static const struct {
	int errnum;
	uint32_t code;
} codes[] = {
	{ EPROTONOSUPPORT, CNI_INCOMPATIBLE_VERSION },
	{ EOPNOTSUPP, CNI_UNSUPPORTED_FIELD },
	{ ENXIO, CNI_UNKNOWN_CONTAINER },
	{ EBADR, CNI_INVALID_ENVIRONMENT },
	{ EIO, CNI_IO_FAILURE },
	{ EBADMSG, CNI_DECODE_FAILURE },
	{ EINVAL, CNI_INVALID_CONFIG },
	{ EAGAIN, CNI_TRY_AGAIN },
	{ EHOSTDOWN, CNI_NOT_AVAILABLE },
	{ ENETDOWN, CNI_LIMITED },
};

uint32_t cni_code_of(const struct err *e, int r)
{
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i].errnum == -r)
			return codes[i].code;
	return e && e->code == ERR_INVALID_ARGUMENT ? CNI_INVALID_CONFIG : CNI_INTERNAL;
}

int cni_error_take(const struct cni_error *ce, const char *type, const char *verb, struct err *e)
{
	int r = -EREMOTEIO;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i].code == ce->code)
			r = -codes[i].errnum;
	err_set(e, r, "plugin type=\"%s\" failed (%s): %s%s%s", type, verb,
		ce->msg && *ce->msg ? ce->msg : "no message",
		ce->details && *ce->details ? "; " : "", ce->details ? ce->details : "");
	for (char *p = e ? e->msg : NULL; p && *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	return r;
}
