#include "engine/caps.h"

#include <stdio.h>
#include <strings.h>
#include <sys/prctl.h>

#include "base/err.h"
#include "base/str.h"
#include "sys/caps.h"

#define BIT(n) (1ULL << (n))

/* docker's fourteen: chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw
 * sys_chroot mknod audit_write setfcap */
#define DEFAULT_CAPS                                                                       \
	(BIT(0) | BIT(1) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(10) | \
	 BIT(13) | BIT(18) | BIT(27) | BIT(29) | BIT(31))

static uint64_t grantable(void)
{
	uint64_t set = 0;

	for (unsigned int i = 0; caps_name(i); i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
			set |= BIT(i);
	return set;
}

/* A bit, or all bits for "ALL". */
static int parse_cap(const char *name, uint64_t *ret, struct err *e)
{
	char whole[64];
	int n;

	if (strcasecmp(name, "ALL") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	snprintf(whole, sizeof(whole), "CAP_%s", name);
	n = caps_find(name);
	if (n < 0)
		n = caps_find(whole);
	if (n >= 0) {
		*ret = BIT(n);
		return 0;
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
	ret->v = arena_calloc(a, 64, sizeof(*ret->v));
	if (!ret->v)
		return err_sys(e, -ENOMEM, "capabilities");
	for (unsigned int i = 0; caps_name(i); i++)
		if (set & BIT(i))
			ret->v[ret->n++] = caps_name(i);
	return 0;
}
