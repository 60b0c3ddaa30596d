/*
 * corten-cni: the built-in network plugins as ordinary CNI plugins. Which one is said by the name it is called by (a link
 * "bridge" in a folder of CNI_PATH), or by the first argument. "corten-cni hook" is an OCI hook.
 */
#include <stdio.h>
#include <string.h>

#include "net/plugin/hook.h"
#include "net/plugin/plugin.h"
#include "net/plugin/program.h"

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int main(int argc, char **argv)
{
	const char *name = base_name(argc > 0 ? argv[0] : "");

	if (cni_plugin_find(name))
		return cni_program(name);
	if (argc >= 2 && argc <= 3 && strcmp(argv[1], "hook") == 0)
		return cni_hook(argv[2]);
	if (argc == 2)
		return cni_program(argv[1]);
	fputs("usage: corten-cni TYPE         CNI's environment, the configuration on standard input\n"
	      "       TYPE                    the same, by a link of that name\n"
	      "       corten-cni hook [FILE]  an OCI hook: prestart or createRuntime, and poststop\n",
	      stderr);
	return 2;
}
