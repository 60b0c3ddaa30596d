/*
 * The plugin tuning: sysctls of the container's namespace and attributes of its interface, behind another plugin. What the
 * interface had is written to a file, in the reference's place and form, and put back at DEL.
 */
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "net/plugin/priv.h"
#include "sys/ns.h"

#define DATA_DIR "/run/cni/tuning"
#define ALLOW_LIST "/etc/cni/tuning/allowlist.conf"
#define ALLOW_LIST_MAX ((size_t)64 << 10)
#define BACKUP_MAX ((size_t)4096)
#define SYSCTLS_MAX 256
#define SYSCTL_VALUE_MAX ((size_t)4096)

/* The same keys in the configuration, in args.cni and in the backup. */
struct settings {
	const char *mac;
	bool is_promiscuous, is_allmulti;
	bool has_is_promiscuous, has_is_allmulti, has_tx_queue_len;
	int64_t mtu;
	int64_t tx_queue_len;
	struct json_map sysctls;
	const char *data_dir;
};
#define SETTINGS_ROWS                                                            \
	JSON_ROW(settings, mac, "mac", JSON_STR, 0),                             \
		JSON_ROW_HAS(settings, is_promiscuous, "promisc", JSON_BOOL, 0), \
		JSON_ROW(settings, mtu, "mtu", JSON_I64, 0),                     \
		JSON_ROW_HAS(settings, is_allmulti, "allmulti", JSON_BOOL, 0),   \
		JSON_ROW_HAS(settings, tx_queue_len, "txQLen", JSON_I64, 0)

static const struct json_field conf_rows[] = {
	SETTINGS_ROWS,
	JSON_ROW(settings, sysctls, "sysctl", JSON_MAP, 0),
	JSON_ROW(settings, data_dir, "dataDir", JSON_STR, 0),
};
static JSON_TABLE(conf_table, "configuration", settings, conf_rows);
static const struct json_field backup_rows[] = { SETTINGS_ROWS };
static JSON_TABLE(backup_table, "backup", settings, backup_rows);

/* -- configuration -- */

static int merge_sysctls(const struct cni_call *call, struct settings *s,
			 const struct json_map *more, struct err *e)
{
	struct json_pair *all;

	if (more->n == 0)
		return 0;
	all = arena_calloc(call->a, s->sysctls.n + more->n, sizeof(*all));
	if (!all)
		return err_set(e, -ENOMEM, "no memory for sysctls");
	if (s->sysctls.n > 0)
		memcpy(all, s->sysctls.v, s->sysctls.n * sizeof(*all));
	for (size_t i = 0; i < more->n; i++) {
		size_t k = 0;

		while (k < s->sysctls.n && !streq(all[k].key, more->v[i].key))
			k++;
		all[k] = more->v[i];
		s->sysctls.n += k == s->sysctls.n;
	}
	s->sysctls.v = all;
	return 0;
}

static int check_settings(const struct settings *s, struct err *e)
{
	uint8_t mac[MAC_LEN];

	if (s->mac && *s->mac && mac_parse(s->mac, mac) < 0)
		return err_set(e, -EINVAL, "'%.60s' is no MAC address", s->mac);
	if (s->mtu < 0 || s->mtu > UINT16_MAX)
		return err_set(e, -EINVAL, "invalid mtu %lld", (long long)s->mtu);
	if (s->has_tx_queue_len && (s->tx_queue_len < 0 || s->tx_queue_len > UINT32_MAX))
		return err_set(e, -EINVAL, "invalid txQLen %lld", (long long)s->tx_queue_len);
	if (s->sysctls.n > SYSCTLS_MAX)
		return err_set(e, -E2BIG, "more than %d sysctls", SYSCTLS_MAX);
	return 0;
}

static int read_settings(const struct cni_call *call, struct settings *s, struct err *e)
{
	struct settings args;
	struct cni_runtime_config runtime;
	const char *mac = NULL;
	struct conf_arg row = { "MAC", &mac };
	int r = conf_read(call, &conf_table, s, e);

	r = r < 0 ? r : conf_args(call, &row, 1, e);
	r = r < 0 ? r : conf_runtime(call, &runtime, e);
	r = r < 0 ? r : conf_cni_args(call, &conf_table, &args, e);
	if (r < 0)
		return r;
	s->mac = mac && *mac ? mac : s->mac;
	s->mac = runtime.mac && *runtime.mac ? runtime.mac : s->mac;
	s->mac = args.mac ? args.mac : s->mac;
	s->mtu = args.mtu ? args.mtu : s->mtu;
	if (args.has_is_promiscuous)
		s->is_promiscuous = args.is_promiscuous;
	if (args.has_is_allmulti) {
		s->has_is_allmulti = true;
		s->is_allmulti = args.is_allmulti;
	}
	if (args.has_tx_queue_len) {
		s->has_tx_queue_len = true;
		s->tx_queue_len = args.tx_queue_len;
	}
	/* Of promisc only "true" counts: "false" leaves the interface as it is. */
	s->has_is_promiscuous = s->is_promiscuous;
	r = merge_sysctls(call, s, &args.sysctls, e);
	return r < 0 ? r : check_settings(s, e);
}

/* -- sysctls -- */

/* "net.ipv4.conf.IFNAME.arp_notify" as a file of /proc/sys. */
static int sysctl_path(const char *key, const char *ifname, char *buf, size_t size, struct err *e)
{
	AUTO_FREE char *path = strdup(key);
	char *name;
	int n;

	if (!path)
		return err_set(e, -ENOMEM, "no memory for a sysctl");
	for (char *p = path; *p; p++)
		if (*p == '.')
			*p = '/';
	name = strstr(path, "IFNAME");
	n = name ? snprintf(buf, size, "/proc/sys/%.*s%s%s", (int)(name - path), path, ifname,
			    name + strlen("IFNAME"))
		 : snprintf(buf, size, "/proc/sys/%s", path);
	/* A ".." of the key has become "//", which the kernel takes for "/"; one of the name is refused as a name. */
	if (n < 0 || (size_t)n >= size || !str_skip(path, "net/") || strstr(buf, "/../"))
		return err_set(e, -EINVAL, "invalid net sysctl key: \"%.100s\"", key);
	return 0;
}

static bool is_allowed(char *list, const char *key)
{
	char *rest = NULL;

	for (char *line = strtok_r(list, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		regex_t re;
		bool is_match;

		line += strspn(line, " \t\r");
		line[strcspn(line, "\r")] = '\0';
		if (!*line || regcomp(&re, line, REG_EXTENDED | REG_NOSUB) != 0)
			continue;
		is_match = regexec(&re, key, 0, NULL, 0) == 0;
		regfree(&re);
		if (is_match)
			return true;
	}
	return false;
}

/* The administrator's list, when there is one. */
static int check_allowed(const struct settings *s, struct err *e)
{
	AUTO_FREE char *text = NULL;
	int r = file_read_at(AT_FDCWD, ALLOW_LIST, ALLOW_LIST_MAX, &text, NULL);

	if (r < 0)
		return r == -ENOENT ? 0 : err_sys(e, r, "read '%s'", ALLOW_LIST);
	for (size_t i = 0; i < s->sysctls.n; i++) {
		AUTO_FREE char *list = strdup(text);

		if (!list)
			return err_set(e, -ENOMEM, "no memory for '%s'", ALLOW_LIST);
		if (!is_allowed(list, s->sysctls.v[i].key))
			return err_set(e, -EPERM, "Sysctl %.100s is not allowed by '%s'",
				       s->sysctls.v[i].key, ALLOW_LIST);
	}
	return 0;
}

typedef int each_sysctl(const char *path, const char *value, struct err *e);

static int write_sysctl(const char *path, const char *value, struct err *e)
{
	int r = file_write_at(AT_FDCWD, path, value);

	return r < 0 ? err_sys(e, r, "write \"%.100s\" to '%s'", value, path) : 0;
}

static int compare_sysctl(const char *path, const char *value, struct err *e)
{
	AUTO_FREE char *now = NULL;
	size_t len;
	int r = file_read_at(AT_FDCWD, path, SYSCTL_VALUE_MAX, &now, &len);

	if (r < 0)
		return err_sys(e, r, "read '%s'", path);
	if (len > 0 && now[len - 1] == '\n')
		now[len - 1] = '\0';
	if (streq(now, value))
		return 0;
	return err_set(e, -EREMOTEIO,
		       "Tuning configured value of %s is %.100s, current value is %.100s", path,
		       value, now);
}

static int for_sysctls(const struct cni_call *call, const struct settings *s, each_sysctl *each,
		       struct err *e)
{
	AUTO_NETNS back = -EBADF;
	int r = s->sysctls.n > 0 ? ns_net_enter(call->netns_fd, &back, e) : 0;
	char path[512];

	for (size_t i = 0; i < s->sysctls.n && r == 0; i++) {
		r = sysctl_path(s->sysctls.v[i].key, call->ifname, path, sizeof(path), e);
		r = r < 0 ? r : each(path, s->sysctls.v[i].value, e);
	}
	return r;
}

/* -- the interface -- */

static bool changes_link(const struct settings *s)
{
	return (s->mac && *s->mac) || s->mtu > 0 || s->has_is_promiscuous || s->has_is_allmulti ||
	       s->has_tx_queue_len;
}

static int change_link(struct iface *f, const struct rtnl_link *l, const struct settings *s,
		       struct err *e)
{
	uint8_t mac[MAC_LEN];
	struct rtnl_change c = {
		.mtu = (uint32_t)s->mtu,
		.has_tx_queue_len = s->has_tx_queue_len,
		.tx_queue_len = (uint32_t)s->tx_queue_len,
		.mac = s->mac && mac_parse(s->mac, mac) == 0 ? mac : NULL,
	};
	struct netlink_batch b;

	if (s->has_is_promiscuous) {
		c.change |= IFF_PROMISC;
		c.flags |= s->is_promiscuous ? IFF_PROMISC : 0;
	}
	if (s->has_is_allmulti) {
		c.change |= IFF_ALLMULTI;
		c.flags |= s->is_allmulti ? IFF_ALLMULTI : 0;
	}
	netlink_begin(&b, &f->inner);
	rtnl_change(&b, l->index, l->name, &c);
	return netlink_send(&b, e);
}

/* -- what it had -- */

static int backup_path(const struct cni_call *call, const struct settings *s, char **ret,
		       struct err *e)
{
	*ret = str_printf("%s/%s_%s.json", s->data_dir && *s->data_dir ? s->data_dir : DATA_DIR,
			  call->container_id, call->ifname);
	return *ret ? 0 : err_set(e, -ENOMEM, "no memory for a path");
}

static int write_backup(const struct cni_call *call, const struct settings *s,
			const struct rtnl_link *l, struct err *e)
{
	const char *dir = s->data_dir && *s->data_dir ? s->data_dir : DATA_DIR;
	AUTO_STRBUF struct strbuf text = { 0 };
	AUTO_FREE char *path = NULL;
	char mac[MAC_TEXT_MAX];
	struct settings was = {
		.mac = s->mac && *s->mac ? mac_text(l->mac, mac) : NULL,
		.has_is_promiscuous = s->has_is_promiscuous,
		.is_promiscuous = l->promiscuity > 0,
		.mtu = s->mtu > 0 ? l->mtu : 0,
		.has_is_allmulti = s->has_is_allmulti,
		.is_allmulti = l->flags & IFF_ALLMULTI,
		.has_tx_queue_len = s->has_tx_queue_len,
		.tx_queue_len = l->tx_queue_len,
	};
	int r = backup_path(call, s, &path, e);

	if (r < 0)
		return r;
	json_write(&backup_table, &was, JSON_PRETTY, &text);
	r = strbuf_ok(&text);
	r = r < 0 ? r : dir_make_all(dir, 0700);
	r = r < 0 ? r : file_replace_at(AT_FDCWD, path, text.p, text.len, 0600, 0);
	return r < 0 ? err_sys(e, r, "write '%s'", path) : 0;
}

static int restore(const struct cni_call *call, const char *text, size_t len, struct err *e)
{
	AUTO_IFACE struct iface f = IFACE_NONE;
	struct settings was;
	struct rtnl_link l;
	int r;

	/* A file that is not ours to understand goes, as the link it was about. */
	if (call->netns_fd < 0 ||
	    json_read(&backup_table, text, len, NULL, call->a, &was, NULL) < 0 ||
	    check_settings(&was, NULL) < 0)
		return 0;
	r = iface_open(call, &f, e);
	r = r < 0 ? r : rtnl_link_get(&f.inner, call->ifname, 0, &l, e);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	return change_link(&f, &l, &was, e);
}

/* -- commands -- */

static int set_mac_in(const struct cni_call *call, const struct settings *s, struct cni_result *res,
		      struct err *e)
{
	struct cni_interface *all;

	if (!s->mac || !*s->mac || res->interfaces.n == 0)
		return 0;
	all = arena_calloc(call->a, res->interfaces.n, sizeof(*all));
	if (!all)
		return err_set(e, -ENOMEM, "no memory for a result");
	memcpy(all, res->interfaces.v, res->interfaces.n * sizeof(*all));
	res->interfaces.v = all;
	for (size_t i = 0; i < res->interfaces.n; i++)
		if (streq(all[i].name, call->ifname))
			all[i].mac = s->mac;
	return 0;
}

static int tuning_add(const struct cni_call *call, struct cni_result **ret, struct err *e)
{
	AUTO_IFACE struct iface f = IFACE_NONE;
	struct cni_result *res;
	struct settings s;
	struct rtnl_link l;
	int r = read_settings(call, &s, e);

	if (r == 0 && !call->prev)
		return err_set(e, -EINVAL, "Required prevResult missing");
	r = r < 0 ? r : check_allowed(&s, e);
	r = r < 0 ? r : iface_open(call, &f, e);
	r = r < 0 ? r : for_sysctls(call, &s, write_sysctl, e);
	if (r == 0 && changes_link(&s)) {
		r = rtnl_link_get(&f.inner, call->ifname, 0, &l, e);
		r = r < 0 ? r : write_backup(call, &s, &l, e);
		r = r < 0 ? r : change_link(&f, &l, &s, e);
	}
	if (r < 0)
		return r;
	res = result_copy(call, call->prev, e);
	if (!res)
		return -ENOMEM;
	*ret = res;
	return set_mac_in(call, &s, res, e);
}

static int tuning_del(const struct cni_call *call, struct err *e)
{
	AUTO_FREE char *path = NULL, *text = NULL;
	struct settings s;
	size_t len;
	int r = conf_read(call, &conf_table, &s, e);

	r = r < 0 ? r : backup_path(call, &s, &path, e);
	if (r < 0)
		return r;
	/* As in the reference a failure to put things back is none of DEL. */
	if (file_read_at(AT_FDCWD, path, BACKUP_MAX, &text, &len) == 0)
		(void)restore(call, text, len, NULL);
	unlink(path);
	return 0;
}

static int mismatch(const struct cni_call *call, const char *what, struct err *e)
{
	return err_set(e, -EREMOTEIO, "Tuning configured %s of %s is not the current one", what,
		       call->ifname);
}

static int tuning_check(const struct cni_call *call, struct err *e)
{
	AUTO_IFACE struct iface f = IFACE_NONE;
	struct settings s;
	struct rtnl_link l;
	uint8_t mac[MAC_LEN];
	int r = read_settings(call, &s, e);

	if (r == 0 && !call->prev)
		return err_set(e, -EINVAL, "Required prevResult missing");
	r = r < 0 ? r : iface_open(call, &f, e);
	r = r < 0 ? r : for_sysctls(call, &s, compare_sysctl, e);
	r = r < 0 ? r : rtnl_link_get(&f.inner, call->ifname, 0, &l, e);
	if (r < 0)
		return r;
	if (s.mac && *s.mac && (mac_parse(s.mac, mac) < 0 || memcmp(mac, l.mac, MAC_LEN) != 0))
		return mismatch(call, "Ethernet", e);
	if (s.is_promiscuous != (l.promiscuity > 0))
		return mismatch(call, "promisc", e);
	if (s.mtu > 0 && s.mtu != l.mtu)
		return mismatch(call, "MTU", e);
	if (s.has_is_allmulti && s.is_allmulti != !!(l.flags & IFF_ALLMULTI))
		return mismatch(call, "all-multicast mode", e);
	if (s.has_tx_queue_len && s.tx_queue_len != l.tx_queue_len)
		return mismatch(call, "transmit queue length", e);
	return 0;
}

const struct cni_plugin cni_plugin_tuning = {
	.type = "tuning",
	.add = tuning_add,
	.del = tuning_del,
	.check = tuning_check,
};
