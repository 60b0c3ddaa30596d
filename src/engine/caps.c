#include "engine/caps.h"

#include <strings.h>
#include <sys/prctl.h>

#include "base/err.h"
#include "base/str.h"

/* By number; linux/capability.h. */
static const char *const cap_names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

#define BIT(n) (1ULL << (n))

/* docker's fourteen: chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw
 * sys_chroot mknod audit_write setfcap */
#define DEFAULT_CAPS                                                                       \
	(BIT(0) | BIT(1) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(10) | \
	 BIT(13) | BIT(18) | BIT(27) | BIT(29) | BIT(31))

static uint64_t grantable(void)
{
	uint64_t set = 0;

	for (size_t i = 0; i < ARRAY_LEN(cap_names); i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
			set |= BIT(i);
	return set;
}

/* A bit, or all bits for "ALL". */
static int parse_cap(const char *name, uint64_t *ret, struct err *e)
{
	if (strcasecmp(name, "ALL") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(cap_names); i++) {
		if (strcasecmp(name, cap_names[i]) == 0 ||
		    strcasecmp(name, cap_names[i] + 4) == 0) {
			*ret = BIT(i);
			return 0;
		}
	}
	return err_set(e, -EINVAL, "invalid capability: \"%s\"", name);
}

static int parse_caps(const struct json_strs *names, uint64_t *ret, struct err *e)
{
	*ret = 0;
	for (size_t i = 0; i < names->n; i++) {
		uint64_t bits = 0;
		int r = parse_cap(names->v[i], &bits, e);

		if (r < 0)
			return r;
		/* "ALL" must not hide single names that are added after it was dropped. */
		*ret |= bits == UINT64_MAX ? BIT(63) : bits;
	}
	return 0;
}

static uint64_t choose(uint64_t add, uint64_t drop)
{
	uint64_t names_add = add & ~BIT(63), names_drop = drop & ~BIT(63);

	/* docker: --cap-drop ALL leaves what was added by name; --cap-add ALL leaves out what was dropped by name. */
	if (drop & BIT(63))
		return add & BIT(63) ? grantable() & ~names_drop : names_add;
	if (add & BIT(63))
		return grantable() & ~names_drop;
	return (DEFAULT_CAPS | names_add) & ~names_drop;
}

int caps_choose(bool is_privileged, const struct json_strs *add, const struct json_strs *drop,
		struct arena *a, struct json_strs *ret, struct err *e)
{
	uint64_t set, added, dropped;
	int r = parse_caps(add, &added, e);

	if (r == 0)
		r = parse_caps(drop, &dropped, e);
	if (r < 0)
		return r;
	set = is_privileged ? grantable() : choose(added, dropped);
	ret->n = 0;
	ret->v = arena_calloc(a, ARRAY_LEN(cap_names), sizeof(*ret->v));
	if (!ret->v)
		return err_sys(e, -ENOMEM, "capabilities");
	for (size_t i = 0; i < ARRAY_LEN(cap_names); i++)
		if (set & BIT(i))
			ret->v[ret->n++] = cap_names[i];
	return 0;
}
