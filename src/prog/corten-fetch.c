/*
 * corten-fetch: the worker's fetch role, a program of its own because libcurl and OpenSSL make a start slow. Started
 * by the image room alone, with the control channel of spec/worker_protocol.h.
 */
#include <stdio.h>
#include <sys/socket.h>

#include "base/str.h"
#include "spec/worker_protocol.h"
#include "worker/worker.h"

int main(int argc, char **argv)
{
	int type;
	socklen_t len = sizeof(type);

	if (argc == 2 && streq(argv[1], "fetch") &&
	    getsockopt(WORKER_CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0)
		return worker_fetch_main();
	fprintf(stderr, "corten-fetch is started by corten, not by hand\n");
	return 2;
}
