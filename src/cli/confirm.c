/* docker's question before something is removed. */
#include <stdio.h>

#include "cli/cli.h"

bool cli_confirm(const char *warning)
{
	char line[64];

	printf("%s\nAre you sure you want to continue? [y/N] ", warning);
	fflush(stdout);
	return fgets(line, sizeof(line), stdin) &&
	       (streq(line, "y\n") || streq(line, "Y\n") || streq(line, "y") || streq(line, "Y"));
}
