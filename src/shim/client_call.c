#include "shim/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "google_protobuf.pb-c.h"
#include "shim/client_priv.h"
#include "task_v2.pb-c.h"
#include "wire/ttrpc.h"

#define DESC(name) &containerd__task__v2__##name##__descriptor
#define EMPTY &google__protobuf__empty__descriptor

static int call(struct shim *s, const char *method, const ProtobufCMessage *in,
		const ProtobufCMessageDescriptor *out, struct arena *a,
		const ProtobufCMessage **ret, struct err *e)
{
	struct ttrpc_request q = {
		.service = "containerd.task.v2.Task",
		.method = method,
		.in = in,
		.out = out,
		.timeout_ms = s->timeout_ms,
	};
	ProtobufCMessage *m;
	int r = ttrpc_client_call(s->ttrpc, &q, a, &m, e);

	if (r == 0)
		*ret = m;
	return r;
}

static int call_empty(struct shim *s, const char *method, const ProtobufCMessage *in, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	const ProtobufCMessage *out;

	return call(s, method, in, EMPTY, &a, &out, e);
}

/* protobuf-c has no const strings; nothing writes to them. */
static char *str_of(const char *s)
{
	return (char *)(uintptr_t)(s ? s : "");
}

static int64_t ns_of(const Google__Protobuf__Timestamp *t)
{
	return t ? t->seconds * NSEC_PER_SEC + t->nanos : 0;
}

int shim_create(struct shim *s, pid_t *ret_pid, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	Containerd__Task__V2__CreateTaskRequest in =
		CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	const Containerd__Task__V2__CreateTaskResponse *out;
	const ProtobufCMessage *m;
	int r = call(s, "Create", &in.base, DESC(create_task_response), &a, &m, e);

	if (r < 0)
		return r;
	out = (const void *)m;
	*ret_pid = (pid_t)out->pid;
	return 0;
}

int shim_exec(struct shim *s, const struct shim_exec_options *o, struct err *e)
{
	Containerd__Task__V2__ExecProcessRequest in =
		CONTAINERD__TASK__V2__EXEC_PROCESS_REQUEST__INIT;
	Google__Protobuf__Any spec = GOOGLE__PROTOBUF__ANY__INIT;

	spec.type_url = str_of("types.containerd.io/opencontainers/runtime-spec/1/Process");
	spec.value.data = (uint8_t *)str_of(o->process_json);
	spec.value.len = strlen(o->process_json);
	in.exec_id = str_of(o->exec_id);
	in.terminal = o->is_terminal;
	in.stdin = str_of(o->has_stdin ? "attach:" : "");
	in.spec = &spec;
	return call_empty(s, "Exec", &in.base, e);
}

int shim_start_process(struct shim *s, const char *exec_id, pid_t *ret_pid, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	Containerd__Task__V2__StartRequest in = CONTAINERD__TASK__V2__START_REQUEST__INIT;
	const Containerd__Task__V2__StartResponse *out;
	const ProtobufCMessage *m;
	int r;

	in.exec_id = str_of(exec_id);
	r = call(s, "Start", &in.base, DESC(start_response), &a, &m, e);
	if (r < 0 || !ret_pid)
		return r;
	out = (const void *)m;
	*ret_pid = (pid_t)out->pid;
	return 0;
}

int shim_get_state(struct shim *s, const char *exec_id, struct shim_state *ret, struct err *e)
{
	static const enum shim_status statuses[] = {
		[CONTAINERD__V1__TYPES__STATUS__UNKNOWN] = SHIM_UNKNOWN,
		[CONTAINERD__V1__TYPES__STATUS__CREATED] = SHIM_CREATED,
		[CONTAINERD__V1__TYPES__STATUS__RUNNING] = SHIM_RUNNING,
		[CONTAINERD__V1__TYPES__STATUS__STOPPED] = SHIM_STOPPED,
		[CONTAINERD__V1__TYPES__STATUS__PAUSED] = SHIM_PAUSED,
		[CONTAINERD__V1__TYPES__STATUS__PAUSING] = SHIM_RUNNING,
	};
	AUTO_ARENA struct arena a = { 0 };
	Containerd__Task__V2__StateRequest in = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	const Containerd__Task__V2__StateResponse *out;
	const ProtobufCMessage *m;
	int r;

	in.exec_id = str_of(exec_id);
	r = call(s, "State", &in.base, DESC(state_response), &a, &m, e);
	if (r < 0)
		return r;
	out = (const void *)m;
	*ret = (struct shim_state){
		.status = (size_t)out->status < ARRAY_LEN(statuses) ? statuses[out->status]
								    : SHIM_UNKNOWN,
		.pid = (pid_t)out->pid,
		.exit = { .status = out->exit_status,
			  .exited_at_ns = ns_of(out->exited_at),
			  .pid = (pid_t)out->pid },
	};
	return 0;
}

int shim_wait(struct shim *s, const char *exec_id, int timeout_ms, struct shim_exit *ret,
	      struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	Containerd__Task__V2__WaitRequest in = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	const Containerd__Task__V2__WaitResponse *out;
	const ProtobufCMessage *m;
	int saved = s->timeout_ms, r;

	in.exec_id = str_of(exec_id);
	s->timeout_ms = timeout_ms;
	r = call(s, "Wait", &in.base, DESC(wait_response), &a, &m, e);
	s->timeout_ms = saved;
	if (r < 0)
		return r;
	out = (const void *)m;
	*ret = (struct shim_exit){ .status = out->exit_status,
				   .exited_at_ns = ns_of(out->exited_at) };
	return 0;
}

int shim_kill(struct shim *s, const char *exec_id, int sig, bool is_all, struct err *e)
{
	Containerd__Task__V2__KillRequest in = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;
	int r;

	in.exec_id = str_of(exec_id);
	in.signal = (uint32_t)sig;
	in.all = is_all;
	r = call_empty(s, "Kill", &in.base, e);
	return r == -ENOENT ? -ESRCH : r;
}

int shim_pause(struct shim *s, struct err *e)
{
	Containerd__Task__V2__PauseRequest in = CONTAINERD__TASK__V2__PAUSE_REQUEST__INIT;

	return call_empty(s, "Pause", &in.base, e);
}

int shim_resume(struct shim *s, struct err *e)
{
	Containerd__Task__V2__ResumeRequest in = CONTAINERD__TASK__V2__RESUME_REQUEST__INIT;

	return call_empty(s, "Resume", &in.base, e);
}

int shim_resize(struct shim *s, const char *exec_id, uint16_t width, uint16_t height, struct err *e)
{
	Containerd__Task__V2__ResizePtyRequest in = CONTAINERD__TASK__V2__RESIZE_PTY_REQUEST__INIT;

	in.exec_id = str_of(exec_id);
	in.width = width;
	in.height = height;
	return call_empty(s, "ResizePty", &in.base, e);
}

int shim_close_stdin(struct shim *s, const char *exec_id, struct err *e)
{
	Containerd__Task__V2__CloseIORequest in = CONTAINERD__TASK__V2__CLOSE_IOREQUEST__INIT;

	in.exec_id = str_of(exec_id);
	in.stdin = true;
	return call_empty(s, "CloseIO", &in.base, e);
}

int shim_pids(struct shim *s, pid_t **ret, size_t *ret_len, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	Containerd__Task__V2__PidsRequest in = CONTAINERD__TASK__V2__PIDS_REQUEST__INIT;
	const Containerd__Task__V2__PidsResponse *out;
	const ProtobufCMessage *m;
	pid_t *pids;
	int r = call(s, "Pids", &in.base, DESC(pids_response), &a, &m, e);

	if (r < 0)
		return r;
	out = (const void *)m;
	pids = calloc(out->n_processes + 1, sizeof(*pids));
	if (!pids)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < out->n_processes; i++)
		pids[i] = (pid_t)out->processes[i]->pid;
	*ret = pids;
	*ret_len = out->n_processes;
	return 0;
}

int shim_update(struct shim *s, const char *resources_json, struct err *e)
{
	Containerd__Task__V2__UpdateTaskRequest in =
		CONTAINERD__TASK__V2__UPDATE_TASK_REQUEST__INIT;
	Google__Protobuf__Any resources = GOOGLE__PROTOBUF__ANY__INIT;

	resources.type_url =
		str_of("types.containerd.io/opencontainers/runtime-spec/1/LinuxResources");
	resources.value.data = (uint8_t *)str_of(resources_json);
	resources.value.len = strlen(resources_json);
	in.resources = &resources;
	return call_empty(s, "Update", &in.base, e);
}

int shim_delete(struct shim *s, const char *exec_id, struct shim_exit *ret, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	Containerd__Task__V2__DeleteRequest in = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;
	const Containerd__Task__V2__DeleteResponse *out;
	const ProtobufCMessage *m;
	int r;

	in.exec_id = str_of(exec_id);
	r = call(s, "Delete", &in.base, DESC(delete_response), &a, &m, e);
	if (r < 0 || !ret)
		return r;
	out = (const void *)m;
	*ret = (struct shim_exit){
		.status = out->exit_status,
		.exited_at_ns = ns_of(out->exited_at),
		.pid = (pid_t)out->pid,
	};
	return 0;
}

/* Tries of 1 ms each: the kernel takes the ended shim out of its group a moment after its sockets closed. */
#define GROUP_TRIES 20

/* Removes one group and the one above it if no shim is left there. */
static void remove_group(char *path)
{
	AUTO_FREE char *procs = str_printf("%s/cgroup.procs", path);

	for (int i = 0; procs && i < GROUP_TRIES && rmdir(path) < 0; i++) {
		AUTO_FREE char *text = NULL;

		/* Another shim lives there, or the group is gone. */
		if (errno != EBUSY || file_read_at(AT_FDCWD, procs, 1 << 20, &text, NULL) < 0 ||
		    text[0])
			return;
		poll(NULL, 0, 1);
	}
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

void shim_forget(int dir)
{
	AUTO_FREE char *text = NULL;
	char *save = NULL;

	if (file_read_at(dir, "groups", LIMIT_SPEC_BYTES, &text, NULL) < 0)
		return;
	unlinkat(dir, "groups", 0);
	for (char *p = strtok_r(text, "\n", &save); p; p = strtok_r(NULL, "\n", &save))
		if (p[0] == '/' && str_ends(p, "/corten/shims"))
			remove_group(p);
}

int shim_shutdown(struct shim *s, struct err *e)
{
	Containerd__Task__V2__ShutdownRequest in = CONTAINERD__TASK__V2__SHUTDOWN_REQUEST__INIT;
	struct pollfd p = { .fd = ttrpc_client_fd(s->ttrpc), .events = POLLIN | POLLRDHUP };
	int r = call_empty(s, "Shutdown", &in.base, e);

	if (r < 0)
		return r;
	/* The connection ends with the process and not before. */
	if (poll(&p, 1, s->timeout_ms) == 0)
		return err_set(e, -ETIMEDOUT, "the shim does not end");
	shim_forget(s->dir);
	return 0;
}
