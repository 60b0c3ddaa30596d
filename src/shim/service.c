#include "shim/task.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "containerd_types.pb-c.h"
#include "containerd_v1_types.pb-c.h"
#include "google_protobuf.pb-c.h"
#include "shim/serve.h"
#include "task_v2.pb-c.h"
#include "wire/ttrpc.h"

/* Shorter names for what protoc-c generates. Versions 2 and 3 have the same messages (task_v3_test). */
#define DESC(name) &containerd__task__v2__##name##__descriptor
#define EMPTY &google__protobuf__empty__descriptor

static int check_id(const struct task *t, const char *id, struct err *e)
{
	if (id[0] && !streq(id, t->o.id))
		return err_set(e, -ENOENT, "container %s not found", id);
	return 0;
}

static int find_proc(struct task *t, const char *id, const char *exec_id, struct proc **ret,
		     struct err *e)
{
	int r = check_id(t, id, e);

	if (r < 0)
		return r;
	*ret = task_find(t, exec_id);
	return *ret ? 0 : err_set(e, -ENOENT, "process %s not found", exec_id);
}

/* An exec that was forgotten, or deleted, before its client's last question: true and its end. */
static bool find_ended(const struct task *t, const char *id, const char *exec_id,
		       struct journal_record *ret)
{
	return exec_id[0] && check_id(t, id, NULL) == 0 &&
	       journal_find(t->dir, exec_id, 0, JOURNAL_COMMAND, ret) == 0;
}

static Google__Protobuf__Timestamp stamp_of(int64_t ns)
{
	Google__Protobuf__Timestamp stamp = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	stamp.seconds = ns / NSEC_PER_SEC;
	stamp.nanos = (int32_t)(ns % NSEC_PER_SEC);
	return stamp;
}

void service_answer_empty(struct ttrpc_call *call)
{
	Google__Protobuf__Empty out = GOOGLE__PROTOBUF__EMPTY__INIT;

	ttrpc_reply(call, &out.base);
}

void service_answer_pid(struct ttrpc_call *call, bool is_create, pid_t pid)
{
	Containerd__Task__V2__CreateTaskResponse created =
		CONTAINERD__TASK__V2__CREATE_TASK_RESPONSE__INIT;
	Containerd__Task__V2__StartResponse started = CONTAINERD__TASK__V2__START_RESPONSE__INIT;

	created.pid = started.pid = (uint32_t)pid;
	ttrpc_reply(call, is_create ? &created.base : &started.base);
}

void service_answer_exit(struct ttrpc_call *call, const struct journal_record *x)
{
	Containerd__Task__V2__WaitResponse out = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	Google__Protobuf__Timestamp stamp = stamp_of(x->exited_at_ns);

	out.exit_status = x->status;
	out.exited_at = &stamp;
	ttrpc_reply(call, &out.base);
}

void service_answer_deleted(struct ttrpc_call *call, const struct journal_record *x)
{
	Containerd__Task__V2__DeleteResponse out = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	Google__Protobuf__Timestamp stamp = stamp_of(x->exited_at_ns);

	out.pid = (uint32_t)x->pid;
	out.exit_status = x->status;
	out.exited_at = &stamp;
	ttrpc_reply(call, &out.base);
}

static const Containerd__V1__Types__Status statuses[PROC_STATES] = {
	[PROC_NEW] = CONTAINERD__V1__TYPES__STATUS__UNKNOWN,
	[PROC_CREATING] = CONTAINERD__V1__TYPES__STATUS__UNKNOWN,
	[PROC_CREATED] = CONTAINERD__V1__TYPES__STATUS__CREATED,
	[PROC_STARTING] = CONTAINERD__V1__TYPES__STATUS__CREATED,
	[PROC_RUNNING] = CONTAINERD__V1__TYPES__STATUS__RUNNING,
	[PROC_PAUSED] = CONTAINERD__V1__TYPES__STATUS__PAUSED,
	[PROC_STOPPED] = CONTAINERD__V1__TYPES__STATUS__STOPPED,
	[PROC_DELETING] = CONTAINERD__V1__TYPES__STATUS__STOPPED,
	[PROC_DELETED] = CONTAINERD__V1__TYPES__STATUS__STOPPED,
};

static int on_state(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	const Containerd__Task__V2__StateRequest *in = (const void *)m;
	Containerd__Task__V2__StateResponse out = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	Google__Protobuf__Timestamp stamp;
	struct task *t = data;
	struct proc *p;
	int r = find_proc(t, in->id, in->exec_id, &p, e);

	if (r < 0)
		return r;
	if (p == t->init && p->state == PROC_DELETED)
		return err_set(e, -ENOENT, "container %s was deleted", t->o.id);
	out.id = (char *)(uintptr_t)t->o.id;
	out.exec_id = p->id;
	out.pid = (uint32_t)p->pid;
	out.status = p != t->init && p->state == PROC_NEW ? CONTAINERD__V1__TYPES__STATUS__CREATED
							  : statuses[p->state];
	out.terminal = p->io.is_terminal;
	if (out.status == CONTAINERD__V1__TYPES__STATUS__STOPPED) {
		out.exit_status = p->exit.status;
		stamp = stamp_of(p->exit.exited_at_ns);
		out.exited_at = &stamp;
	}
	ttrpc_reply(call, &out.base);
	return 0;
}

static int on_create(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	const Containerd__Task__V2__CreateTaskRequest *in = (const void *)m;
	int r = check_id(data, in->id, e);

	if (r < 0)
		return r;
	if (in->checkpoint[0])
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "restoring a checkpoint is not supported");
	if (in->n_rootfs || in->stdin[0] || in->stdout[0] || in->stderr[0])
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "this shim takes mounts and stdio from its options.json only");
	return task_create(data, call, e);
}

static int on_start(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	const Containerd__Task__V2__StartRequest *in = (const void *)m;
	struct proc *p;
	int r = find_proc(data, in->id, in->exec_id, &p, e);

	return r < 0 ? r : task_start(p, call, e);
}

static int on_delete(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	const Containerd__Task__V2__DeleteRequest *in = (const void *)m;
	struct journal_record x;
	struct proc *p;
	int r = find_proc(data, in->id, in->exec_id, &p, e);

	if (r == -ENOENT && find_ended(data, in->id, in->exec_id, &x)) {
		service_answer_deleted(call, &x);
		return 0;
	}
	return r < 0 ? r : task_delete(p, call, e);
}

static int on_pids(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	const Containerd__Task__V2__PidsRequest *in = (const void *)m;
	Containerd__Task__V2__PidsResponse out = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FREE pid_t *pids = NULL;
	Containerd__V1__Types__ProcessInfo *infos, **refs;
	size_t n = 0;
	int r = check_id(data, in->id, e);

	if (r == 0)
		r = task_pids(data, &pids, &n, e);
	if (r < 0)
		return r;
	infos = arena_calloc(&a, n + 1, sizeof(*infos));
	refs = arena_calloc(&a, n + 1, sizeof(*refs));
	if (!infos || !refs)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		containerd__v1__types__process_info__init(&infos[i]);
		infos[i].pid = (uint32_t)pids[i];
		refs[i] = &infos[i];
	}
	out.n_processes = n;
	out.processes = refs;
	ttrpc_reply(call, &out.base);
	return 0;
}

static int on_pause(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	const Containerd__Task__V2__PauseRequest *in = (const void *)m;
	int r = check_id(data, in->id, e);

	return r < 0 ? r : task_pause(data, call, true, e);
}

static int on_resume(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	const Containerd__Task__V2__ResumeRequest *in = (const void *)m;
	int r = check_id(data, in->id, e);

	return r < 0 ? r : task_pause(data, call, false, e);
}

static int on_checkpoint(struct ttrpc_call *call, void *data, const ProtobufCMessage *m,
			 struct err *e)
{
	(void)call;
	(void)data;
	(void)m;
	return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED, "checkpoint is not supported");
}

static int on_stats(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	(void)call;
	(void)data;
	(void)m;
	return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
			    "stats over the shim are not supported");
}

static int on_kill(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	const Containerd__Task__V2__KillRequest *in = (const void *)m;
	struct proc *p;
	int r = find_proc(data, in->id, in->exec_id, &p, e);

	if (r == 0)
		r = task_kill(p, in->signal > INT32_MAX ? -1 : (int)in->signal, in->all, e);
	if (r == 0)
		service_answer_empty(call);
	return r;
}

static int on_exec(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	const Containerd__Task__V2__ExecProcessRequest *in = (const void *)m;
	struct task *t = data;
	struct proc *p;
	int r = check_id(t, in->id, e);

	if (r < 0)
		return r;
	if (!in->spec || !in->spec->value.len)
		return err_set(e, -EINVAL, "exec '%s' has no process", in->exec_id);
	if (in->stdout[0] || in->stderr[0])
		return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
				    "this shim's execs are attached to by socket only");
	r = task_add_exec(t, in->exec_id, &p, e);
	if (r < 0)
		return r;
	p->spec = strndup((const char *)in->spec->value.data, in->spec->value.len);
	if (!p->spec) {
		task_remove_exec(p);
		return err_set(e, -ENOMEM, "out of memory");
	}
	p->io.is_terminal = in->terminal;
	/* "attach:" is our client's word for input by attach.sock. */
	p->io.has_stdin = in->terminal || in->stdin[0];
	p->io.is_stdin_once = true;
	p->is_ours = !in->stdin[0] || streq(in->stdin, "attach:");
	service_answer_empty(call);
	proc_forget_later(p);
	return 0;
}

static int on_resize(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	const Containerd__Task__V2__ResizePtyRequest *in = (const void *)m;
	struct proc *p;
	int r = find_proc(data, in->id, in->exec_id, &p, e);

	if (r == 0 && (in->width > UINT16_MAX || in->height > UINT16_MAX))
		r = err_set(e, -EINVAL, "terminal size %ux%u is too large", in->width, in->height);
	if (r == 0) {
		r = stdio_resize(&p->io, (uint16_t)in->width, (uint16_t)in->height);
		if (r < 0)
			err_sys(e, r, "resize");
	}
	if (r == 0)
		service_answer_empty(call);
	return r;
}

static int on_close_io(struct ttrpc_call *call, void *data, const ProtobufCMessage *m,
		       struct err *e)
{
	const Containerd__Task__V2__CloseIORequest *in = (const void *)m;
	struct proc *p;
	int r = find_proc(data, in->id, in->exec_id, &p, e);

	if (r < 0)
		return r;
	if (in->stdin)
		stdio_close_input(&p->io);
	service_answer_empty(call);
	return 0;
}

static int on_update(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	const Containerd__Task__V2__UpdateTaskRequest *in = (const void *)m;
	int r = check_id(data, in->id, e);

	if (r == 0 && !in->resources)
		r = err_set(e, -EINVAL, "update without resources");
	return r < 0 ? r
		     : task_update(data, call, in->resources->value.data, in->resources->value.len,
				   e);
}

static int on_wait(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	const Containerd__Task__V2__WaitRequest *in = (const void *)m;
	struct journal_record x;
	struct proc *p;
	int r = find_proc(data, in->id, in->exec_id, &p, e);

	if (r == -ENOENT && find_ended(data, in->id, in->exec_id, &x)) {
		service_answer_exit(call, &x);
		return 0;
	}
	if (r < 0)
		return r;
	if (p->state >= PROC_STOPPED) {
		service_answer_exit(call, &p->exit);
		return 0;
	}
	return proc_add_waiter(p, call);
}

static int on_connect(struct ttrpc_call *call, void *data, const ProtobufCMessage *m, struct err *e)
{
	Containerd__Task__V2__ConnectResponse out = CONTAINERD__TASK__V2__CONNECT_RESPONSE__INIT;
	struct task *t = data;

	(void)m;
	(void)e;
	out.shim_pid = (uint32_t)getpid();
	out.task_pid = (uint32_t)t->init->pid;
	out.version = (char *)(uintptr_t) "v2";
	ttrpc_reply(call, &out.base);
	return 0;
}

static int on_shutdown(struct ttrpc_call *call, void *data, const ProtobufCMessage *m,
		       struct err *e)
{
	const Containerd__Task__V2__ShutdownRequest *in = (const void *)m;
	struct task *t = data;
	int r = check_id(t, in->id, e);

	if (r < 0)
		return r;
	if (!in->now && t->init->state != PROC_DELETED && t->init->state != PROC_NEW)
		return err_set_code(e, -EBUSY, ERR_FAILED_PRECONDITION,
				    "cannot shut down: the container is %s",
				    proc_state_name(t->init->state));
	service_answer_empty(call);
	shim_quit(t);
	return 0;
}

static const struct ttrpc_method methods[] = {
	{ "State", DESC(state_request), DESC(state_response), on_state },
	{ "Create", DESC(create_task_request), DESC(create_task_response), on_create },
	{ "Start", DESC(start_request), DESC(start_response), on_start },
	{ "Delete", DESC(delete_request), DESC(delete_response), on_delete },
	{ "Pids", DESC(pids_request), DESC(pids_response), on_pids },
	{ "Pause", DESC(pause_request), EMPTY, on_pause },
	{ "Resume", DESC(resume_request), EMPTY, on_resume },
	{ "Checkpoint", DESC(checkpoint_task_request), EMPTY, on_checkpoint },
	{ "Kill", DESC(kill_request), EMPTY, on_kill },
	{ "Exec", DESC(exec_process_request), EMPTY, on_exec },
	{ "ResizePty", DESC(resize_pty_request), EMPTY, on_resize },
	{ "CloseIO", DESC(close_iorequest), EMPTY, on_close_io },
	{ "Update", DESC(update_task_request), EMPTY, on_update },
	{ "Wait", DESC(wait_request), DESC(wait_response), on_wait },
	{ "Stats", DESC(stats_request), DESC(stats_response), on_stats },
	{ "Connect", DESC(connect_request), DESC(connect_response), on_connect },
	{ "Shutdown", DESC(shutdown_request), EMPTY, on_shutdown },
};

const struct ttrpc_service shim_services[2] = {
	{ "containerd.task.v2.Task", methods, ARRAY_LEN(methods) },
	{ "containerd.task.v3.Task", methods, ARRAY_LEN(methods) },
};
