/* ipMasq: what leaves the container's network has the host's address. */
#include "base/err.h"
#include "base/str.h"
#include "net/plugin/priv.h"

int masquerade_check_backend(const char *name, struct err *e)
{
	/* Ours is nftables whatever is asked for; iptables-nft of the host sees it too. */
	if (name && !streq(name, "iptables") && !streq(name, "nftables"))
		return err_set(e, -EINVAL, "unknown ipmasq backend \"%.40s\"", name);
	return 0;
}

int masquerade_add(const struct cni_call *call, const struct cni_result *res, struct err *e)
{
	return err_set(e, -EOPNOTSUPP, "ipMasq is not built in yet");
}

int masquerade_del(const struct cni_call *call, struct err *e)
{
	return 0;
}

int masquerade_gc(const struct cni_call *call, struct err *e)
{
	return 0;
}
