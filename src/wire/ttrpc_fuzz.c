/*
 * Feeds bytes to a ttrpc server as one connection's input; handlers answer at once, later or never, by the
 * first byte. Corpus: fuzz/corpus/ttrpc.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "ev/ev.h"
#include "task_v2.pb-c.h"
#include "wire/ttrpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DESC(name) &containerd__task__v2__##name##__descriptor

static struct ttrpc_call *kept;

static void on_end(struct ttrpc_call *call, void *data)
{
	(void)data;
	if (kept == call)
		kept = NULL;
}

static int on_call(struct ttrpc_call *call, void *data, const ProtobufCMessage *in, struct err *e)
{
	Containerd__Task__V2__StartResponse out = CONTAINERD__TASK__V2__START_RESPONSE__INIT;
	int way = *(const uint8_t *)data % 3;

	(void)in;
	if (way == 0)
		return err_set(e, -EINVAL, "no");
	if (way == 1 && !kept) {
		kept = call;
		ttrpc_call_on_end(call, on_end, NULL);
		return 0;
	}
	ttrpc_reply(call, &out.base);
	if (kept)
		ttrpc_reply(TAKE_PTR(kept), &out.base);
	return 0;
}

static const struct ttrpc_method methods[] = {
	{ "Create", DESC(create_task_request), DESC(start_response), on_call },
	{ "Update", DESC(update_task_request), DESC(start_response), on_call },
};
static const struct ttrpc_service services[] = { { "T", methods, ARRAY_LEN(methods) } };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ev_loop *loop;
	struct ttrpc_server *server;
	int pair[2];
	char sink[4096];

	if (size < 1 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return 0;
	if (ev_loop_new(&loop) < 0)
		return 0;
	if (ttrpc_server_new(loop, services, ARRAY_LEN(services), (void *)(uintptr_t)data,
			     &server) == 0 &&
	    ttrpc_server_add(server, pair[0]) == 0) {
		for (size_t done = 1; done < size;) {
			ssize_t n = send(pair[1], data + done, MIN(size - done, sizeof(sink)),
					 MSG_DONTWAIT | MSG_NOSIGNAL);

			if (n > 0)
				done += (size_t)n;
			ev_loop_once(loop, 0);
			while (recv(pair[1], sink, sizeof(sink), MSG_DONTWAIT) > 0)
				;
			if (n <= 0 && ttrpc_server_conns(server) == 0)
				break;
		}
		ev_loop_once(loop, 0);
	}
	close(pair[1]);
	ev_loop_once(loop, 0);
	ttrpc_server_free(server);
	kept = NULL;
	ev_loop_free(loop);
	return 0;
}
