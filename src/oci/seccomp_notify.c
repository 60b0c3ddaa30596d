#include "oci/seccomp_notify.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/sock.h"
#include "base/str.h"
#include "oci/annotation.h"

static void write_state(const struct oci_spec *spec, const struct oci_state *container, pid_t pid,
			struct strbuf *out)
{
	const struct oci_seccomp *s = spec->linux_ ? spec->linux_->seccomp : NULL;
	struct oci_state state = *container;
	struct json_writer w = { .out = out };

	state.oci_version = spec->oci_version;
	state.annotations = spec->annotations;
	json_begin_object(&w, NULL);
	json_put_str(&w, "ociVersion", spec->oci_version);
	json_begin_array(&w, "fds");
	json_put_str(&w, NULL, "seccompFd");
	json_end_array(&w);
	json_put_i64(&w, "pid", pid);
	json_put_str(&w, "metadata", s && s->listener_metadata ? s->listener_metadata : "");
	json_put_obj(&w, "state", &oci_state_table, &state);
	json_end_object(&w);
}

const char *seccomp_notify_path(const struct oci_spec *spec)
{
	const struct oci_seccomp *s = spec->linux_ ? spec->linux_->seccomp : NULL;
	const char *path = s ? s->listener_path : NULL;

	if (!path || !*path)
		path = annotation_get(spec, ANNOTATION_SECCOMP_RECEIVER);
	if (!path || !*path)
		path = getenv("RUN_OCI_SECCOMP_RECEIVER");
	return path && *path ? path : NULL;
}

int seccomp_notify_send(const struct oci_spec *spec, const struct oci_state *container, pid_t pid,
			int fd, struct err *e)
{
	const char *path = seccomp_notify_path(spec);
	AUTO_STRBUF struct strbuf text = { 0 };
	AUTO_FD sock = -EBADF;
	int r;

	if (!path)
		return err_set(e, -EINVAL,
			       "seccomp actions of SCMP_ACT_NOTIFY need a listenerPath");
	if (path[0] != '/')
		return err_set(e, -EINVAL, "the seccomp agent's path '%s' is not absolute", path);
	write_state(spec, container, pid, &text);
	r = strbuf_ok(&text);
	if (r < 0)
		return err_sys(e, r, "write process state");
	sock = sock_connect(path, SOCK_STREAM);
	if (sock < 0)
		return err_sys(e, sock, "failed to connect with seccomp agent '%s'", path);
	r = sock_send_fds(sock, text.p, text.len, &fd, 1);
	return r < 0 ? err_sys(e, r, "send to seccomp agent") : 0;
}
