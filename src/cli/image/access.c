#include "cli/image/access.h"

#include <stdio.h>
#include <time.h>

/* skopeo's: 1 s, 2 s, 4 s, … */
#define RETRY_MAX_S 64

static int read_creds(const struct access_options *o, struct arena *a, struct image_access *x,
		      struct err *e)
{
	const char *colon;

	x->username = o->username;
	x->password = o->password;
	if (o->creds && (o->username || o->password))
		return err_set(e, -EINVAL, "credentials are given twice");
	if (o->password && !o->username)
		return err_set(e, -EINVAL, "a password needs a user name");
	if (!o->creds)
		return 0;
	colon = strchr(o->creds, ':');
	x->username = arena_strndup(a, o->creds,
				    colon ? (size_t)(colon - o->creds) : strlen(o->creds));
	x->password = colon ? colon + 1 : NULL;
	if (!x->username)
		return err_set(e, -ENOMEM, "out of memory");
	return *x->username ? 0 : err_set(e, -EINVAL, "credentials need a user name");
}

int access_read(const struct access_options *o, const struct access_options *both, struct arena *a,
		struct image_access *ret, struct err *e)
{
	int tls = o->tls_verify < 0 && both ? both->tls_verify : o->tls_verify;
	int r;

	*ret = (struct image_access){
		.token = o->token,
		.authfile = !o->authfile && both ? both->authfile : o->authfile,
		.cert_dir = o->cert_dir,
		.is_anonymous = o->is_anonymous,
		.tls = tls < 0 ? IMAGE_TLS_CONFIGURED
		       : tls   ? IMAGE_TLS_VERIFY
			       : IMAGE_TLS_SKIP,
	};
	r = read_creds(o, a, ret, e);
	if (r == 0 && !!ret->username + !!ret->token + ret->is_anonymous > 1)
		r = err_set(e, -EINVAL,
			    "credentials, a token and none at all are given at the same time");
	return r;
}

static bool may_pass(int r)
{
	static const int passing[] = { -ETIMEDOUT,    -ECONNRESET, -ECONNREFUSED,
				       -EHOSTUNREACH, -EPIPE,	   -EBUSY };

	for (size_t i = 0; i < ARRAY_LEN(passing); i++)
		if (passing[i] == r)
			return true;
	return false;
}

int access_try(uint32_t times, int (*attempt)(void *data, struct err *e), void *data, struct err *e)
{
	struct timespec pause = { .tv_sec = 1 };

	for (;;) {
		struct err why = ERR_INIT;
		int r = attempt(data, &why);

		if (r >= 0)
			return r;
		if (times-- == 0 || !may_pass(r)) {
			*e = why;
			return r;
		}
		fprintf(stderr, "corten: %s; trying again in %llds\n", err_text(&why, r),
			(long long)pause.tv_sec);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		pause.tv_sec = MIN(pause.tv_sec * 2, RETRY_MAX_S);
	}
}

const char *access_name(const char *what)
{
	const char *name = str_skip(what, "docker://");

	return name ? name : what;
}
