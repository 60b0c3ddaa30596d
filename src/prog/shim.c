/*
 * containerd-shim-corten-v2: one container's shim.
 *
 *	serve	an engine of Corten started it: sockets as descriptors 3 and 4, the task folder as working directory
 *	adopt	the same for a container whose shim is gone
 *	-v	prints the version
 *
 * A daemon of containerd's kind starts it with -namespace, -id and an action; that form is refused by name.
 */
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "shim/serve.h"

/* The parent ends at once, so that whoever started the shim neither waits for it nor has it as a child. */
static int run(bool is_adopt)
{
	struct err e = ERR_INIT;
	pid_t pid = fork();
	int r;

	if (pid != 0)
		return pid < 0;
	r = shim_serve(is_adopt, &e);
	if (r < 0)
		log_error("%s", err_text(&e, r));
	return r < 0 ? 1 : r;
}

static int cmd_serve(void)
{
	return run(false);
}

static int cmd_adopt(void)
{
	return run(true);
}

static int cmd_version(void)
{
	static const char text[] = "containerd-shim-corten-v2 " CORTEN_VERSION "\n";

	return write(1, text, sizeof(text) - 1) < 0;
}

struct command {
	const char *name;
	int (*run)(void);
};

static const struct command commands[] = {
	{ "serve", cmd_serve },
	{ "adopt", cmd_adopt },
	{ "-v", cmd_version },
	{ "--version", cmd_version },
};

int main(int argc, char **argv)
{
	static const char usage[] =
		"usage: containerd-shim-corten-v2 serve|adopt|-v\n"
		"containerd's bootstrap (-namespace -id start|delete|-info) is not supported\n";

	for (size_t i = 0; argc == 2 && i < ARRAY_LEN(commands); i++)
		if (streq(argv[1], commands[i].name))
			return commands[i].run();
	return write(2, usage, sizeof(usage) - 1) < 0 ? 1 : 2;
}
