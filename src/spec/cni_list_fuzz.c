/* Configurations and lists: files of administrators, and what runtimes hand to plugins. */
#include <stddef.h>
#include <stdint.h>

#include "spec/cni.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_ARENA struct arena a = { .budget = (size_t)24 << 20 };
	const char *text = (const char *)data;
	struct cni_list list;
	struct cni_conf conf;
	struct cni_runtime_config rc;
	struct json_raw *plugins;
	size_t n;

	if (cni_list_read(text, len, &a, &list, NULL) == 0 &&
	    cni_split_array(list.plugins, 64, &a, &plugins, &n, NULL) == 0)
		for (size_t i = 0; i < n; i++)
			(void)json_read(&cni_conf_table, plugins[i].p, plugins[i].len, NULL, &a,
					&conf, NULL);
	if (json_read(&cni_conf_table, text, len, NULL, &a, &conf, NULL) == 0 &&
	    conf.runtime_config.p)
		(void)json_read(&cni_runtime_config_table, conf.runtime_config.p,
				conf.runtime_config.len, NULL, &a, &rc, NULL);
	return 0;
}
