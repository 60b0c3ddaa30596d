/*
 * corten-worker: everything that reads bytes from outside, in roles by argument. Started by the image room
 * alone, with the descriptors of spec/worker_protocol.h.
 */
#include <locale.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/str.h"
#include "spec/worker_protocol.h"
#include "worker/worker.h"

static const struct {
	const char *name;
	int (*run)(void);
} roles[] = {
	{ "parse", worker_parse_main },	      { "unpack", worker_unpack_main },
	{ "copy", worker_copy_main },	      { "manifest", worker_manifest_main },
	{ "describe", worker_describe_main }, { "signatures", worker_signatures_main },
	{ "pack", worker_pack_main },	      { "compose", worker_compose_main },
	{ "import", worker_import_main },
};

int main(int argc, char **argv)
{
	int type;
	socklen_t len = sizeof(type);

	/* A heap for each thread would be room that the limits count. */
	mallopt(M_ARENA_MAX, 1);
	/* Names in archives are bytes to us, UTF-8 to libarchive; loaded before the sandbox closes. */
	setlocale(LC_CTYPE, "C.UTF-8");
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (argc == 2 && streq(argv[1], roles[i].name) &&
		    getsockopt(WORKER_CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0)
			return roles[i].run();
	fprintf(stderr, "corten-worker is started by corten, not by hand\n");
	return 2;
}
