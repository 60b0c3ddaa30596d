/* Until the built-in plugins are there: none is. */
#include "net/plugin/plugin.h"

#include "base/err.h"

const struct cni_plugin *cni_plugin_find(const char *type)
{
	return NULL;
}

int cni_plugin_run(const struct cni_plugin *p, struct cni_call *call, struct cni_result **ret,
		   struct err *e)
{
	return err_set(e, -ENOSYS, "no plugin is built in");
}
