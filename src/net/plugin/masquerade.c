/* ipMasq: what leaves the container's network has the host's address. */
#include "base/err.h"
#include "base/str.h"
#include "net/plugin/priv.h"
#include "net/rules/rules.h"

int masquerade_check_backend(const char *name, struct err *e)
{
	/* Ours is nftables whatever is asked for; iptables-nft of the host sees it too. */
	if (name && !streq(name, "iptables") && !streq(name, "nftables"))
		return err_set(e, -EINVAL, "unknown ipmasq backend \"%.40s\"", name);
	return 0;
}

static struct rules_owner owner_of(const struct cni_call *call)
{
	return (struct rules_owner){ call->container_id, call->c->name, call->ifname };
}

int masquerade_add(const struct cni_call *call, const struct cni_result *res, struct err *e)
{
	struct rules_owner owner = owner_of(call);
	struct rules_place place;
	struct rules rules;
	int r = rules_of_conf(call->conf, call->conf_len, &place, &rules, e);

	return r < 0 ? r : rules_masquerade_add(&rules, &owner, res, e);
}

int masquerade_del(const struct cni_call *call, struct err *e)
{
	struct rules_owner owner = owner_of(call);
	struct rules_place place;
	struct rules rules;
	int r = rules_of_conf(call->conf, call->conf_len, &place, &rules, e);

	r = r < 0 ? r : rules_masquerade_del(&rules, &owner, e);
	return r < 0 ? r : rules_reference_del(RULES_MASQUERADE, &owner, NULL, e);
}

int masquerade_gc(const struct cni_call *call, struct err *e)
{
	struct rules_place place;
	struct rules rules;
	int r = rules_of_conf(call->conf, call->conf_len, &place, &rules, e);

	return r < 0 ? r
		     : rules_gc(&rules, RULES_MASQUERADE, call->c->name,
				call->c->valid_attachments.v, call->c->valid_attachments.n, e);
}
