/*
 * Verifiers: the administrator's programs, by the protocol of containerd's io.containerd.image-verifier.v1.bindir. Differences:
 * a folder that is not there or empty refuses the image, because the policy asked for a check, and more programs
 * than the limit are an error, because a check that is skipped is none.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "image/trust/verify.h"

/* containerd's defaults. */
#define TIMEOUT_S 10
#define VERIFIERS 10
#define OUTPUT_MAX ((size_t)32 << 10)
#define REASON_MAX 300 /* of it goes into an error */

#define MT_DESCRIPTOR "application/vnd.oci.descriptor.v1+json"

/* ---- one program ---- */

static int write_descriptor(int fd, const struct trust_target *target, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	struct json_writer w = { .out = &b };

	json_begin_object(&w, NULL);
	json_put_str(&w, "mediaType", target->media_type);
	json_put_str(&w, "digest", target->digest);
	json_put_i64(&w, "size", target->size);
	json_end_object(&w);
	strbuf_addc(&b, '\n');
	if (strbuf_ok(&b) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	/* Less than a pipe holds: it never blocks, whether the program reads it or not. */
	return fd_write_full(fd, b.p, b.len);
}

/* Reads all, keeps the begin. -ETIMEDOUT. */
static int read_output(int fd, int64_t deadline_ms, struct strbuf *out)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = deadline_ms - clock_mono_ms();
		char buf[4096];
		ssize_t n;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (!p.revents)
			continue;
		n = read(fd, buf, sizeof(buf));
		if (n == 0)
			return 0;
		if (n > 0)
			strbuf_add(out, buf, MIN((size_t)n, OUTPUT_MAX - out->len));
		else if (errno != EINTR)
			return -errno;
	}
}

/* Words of a program, fit for one line on a terminal. */
static void tidy(struct strbuf *b)
{
	if (!b->p)
		return;
	while (b->len > 0 && (unsigned char)b->p[b->len - 1] <= ' ')
		b->p[--b->len] = '\0';
	for (size_t i = 0; i < b->len; i++)
		if ((unsigned char)b->p[i] < ' ' || b->p[i] == 0x7f)
			b->p[i] = ' ';
}

static int start(const char *path, const char *name, const struct trust_target *target, int in,
		 int out, struct child *ret, struct err *e)
{
	const char *argv[] = { path,	       "-name",
			       name,	       "-digest",
			       target->digest, "-stdin-media-type",
			       MT_DESCRIPTOR,  NULL };

	return proc_spawn(
		&(struct spawn_options){ .path = path,
					 .argv = (char *const *)argv,
					 .fds = (struct spawn_fd[]){ { in, 0 }, { out, 1 } },
					 .fds_len = 2,
					 .is_session_leader = true,
					 .dies_with_parent = true },
		ret, e);
}

/* Its exit code, 128 and up: a signal. One that hangs ends with all of its session. */
static int run(const char *path, const char *name, const struct trust_target *target,
	       int64_t timeout_ms, struct strbuf *out, struct err *e)
{
	int64_t deadline = clock_mono_ms() + timeout_ms;
	AUTO_FD in_read = -EBADF;
	AUTO_FD in_write = -EBADF;
	AUTO_FD out_read = -EBADF;
	AUTO_FD out_write = -EBADF;
	struct child c = { 0 };
	int in[2], pipe_out[2], status = 0, r;

	if (pipe2(in, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "start verifier");
	in_read = in[0];
	in_write = in[1];
	if (pipe2(pipe_out, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "start verifier");
	out_read = pipe_out[0];
	out_write = pipe_out[1];
	r = write_descriptor(in_write, target, e);
	fd_closep(&in_write);
	if (r == 0)
		r = start(path, name, target, in_read, out_write, &c, e);
	if (r < 0)
		return r;
	fd_closep(&out_write);
	r = read_output(out_read, deadline, out);
	if (r == 0)
		r = proc_wait(&c, (int)MAX(deadline - clock_mono_ms(), 0), &status);
	if (r < 0) {
		kill(-c.pid, SIGKILL);
		proc_kill_wait(&c);
	}
	tidy(out);
	if (r == -ETIMEDOUT)
		return err_set(e, r, "no verdict within %lld s", (long long)timeout_ms / 1000);
	return r < 0 ? err_sys(e, r, "run") : status;
}

static int ask(struct trust *t, const struct policy_requirement *q, const char *program,
	       const struct trust_target *target, struct err *e)
{
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX] = "";
	const char *path = arena_printf(t->a, "%s/%s", q->path, program);
	int64_t timeout_s = q->has_timeout_s ? q->timeout_s : TIMEOUT_S;
	AUTO_STRBUF struct strbuf out = { 0 };
	struct err why = ERR_INIT;
	AUTO_FD file = -EBADF;
	int r;

	if (!path)
		return err_set(e, -ENOMEM, "out of memory");
	file = policy_open_trusted(path, 0, e);
	if (file < 0)
		return file;
	r = run(path, t->ref ? ref_full(t->ref, full) : "", target, timeout_s * 1000, &out, &why);
	if (r < 0)
		return err_set(e, -EACCES, "Source image rejected: verifier '%s': %s", path,
			       err_text(&why, r));
	if (r > 0)
		return err_set(
			e, -EACCES,
			"Source image rejected: verifier %s rejected image (exit code %d): %.*s",
			program, r, REASON_MAX, out.p ? out.p : "");
	return trust_add_words(
		t, arena_printf(t->a, "verifier: %s => %.*s", path, REASON_MAX, out.p ? out.p : ""),
		e);
}

/* ---- the folder ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list(struct trust *t, const struct policy_requirement *q, struct json_strs *ret,
		struct err *e)
{
	size_t max = (size_t)(q->has_max_verifiers ? q->max_verifiers : VERIFIERS);
	int fd = policy_open_trusted(q->path, O_DIRECTORY, e), r = 0;
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	ret->v = arena_calloc(t->a, max, sizeof(char *));
	if (!dir || !ret->v) {
		if (dir)
			closedir(dir);
		else
			close(fd);
		return err_set(e, -ENOMEM, "out of memory");
	}
	while (r == 0 && (entry = readdir(dir))) {
		const char *name;

		if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
			continue;
		name = ret->n < max ? arena_strdup(t->a, entry->d_name) : NULL;
		if (!name)
			r = err_set(e, -E2BIG, "'%s' has more than %zu verifiers", q->path, max);
		else
			ret->v[ret->n++] = name;
	}
	closedir(dir);
	if (r == 0)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	return r;
}

int trust_check_verifiers(struct trust *t, const struct policy_requirement *q,
			  const struct trust_target *target, struct err *e)
{
	struct json_strs programs = { 0 };
	int r = list(t, q, &programs, e);

	if (r < 0)
		return err_wrap(e, r, "Source image rejected: verifiers");
	if (programs.n == 0)
		return err_set(e, -EACCES, "Source image rejected: there is no verifier in '%s'",
			       q->path);
	for (size_t i = 0; i < programs.n && r == 0; i++)
		r = ask(t, q, programs.v[i], target, e);
	return r;
}
