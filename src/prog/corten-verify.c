/*
 * corten-verify: the worker's verify role, the one program that links libcrypto and has no network. Started by the image
 * room alone, with the control channel of spec/worker_protocol.h.
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

	if (argc == 2 && streq(argv[1], "verify") &&
	    getsockopt(WORKER_CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0)
		return worker_verify_main();
	fprintf(stderr, "corten-verify is started by corten, not by hand\n");
	return 2;
}
