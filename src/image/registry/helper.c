#include "image/registry/helper.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/proc.h"
#include "base/str.h"
#include "codec/json.h"

#define OUTPUT_MAX ((size_t)64 << 10)
#define NAME_BYTES_MAX 64
#define NOT_FOUND "credentials not found in native keychain"

struct answer {
	const char *server, *username, *secret;
};
static const struct json_field answer_rows[] = {
	JSON_ROW(answer, server, "ServerURL", JSON_STR, 0),
	JSON_ROW(answer, username, "Username", JSON_STR, 0),
	JSON_ROW(answer, secret, "Secret", JSON_STR, 0),
};
static JSON_TABLE(answer_table, "credentials", answer, answer_rows);

bool helper_name_is_valid(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= NAME_BYTES_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       n;
}

/* The output without its white space at the end, made safe for a terminal. */
static void trim(char *s)
{
	size_t n = strlen(s);

	while (n > 0 && strchr(" \t\r\n", s[n - 1]))
		s[--n] = '\0';
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = ' ';
}

/* `what`: "getting", "storing", "erasing", as docker says it. The output is the caller's to wipe. */
static int run(const char *name, const char *verb, const char *what, const char *input,
	       char **ret_output, int *ret_status, struct err *e)
{
	AUTO_FREE char *program = str_printf("docker-credential-%s", name);
	AUTO_FREE char *action = strdup(verb);
	struct spawn_options o = { .path = program, .keep_stdio = true };
	char *argv[] = { program, action, NULL };
	int r;

	if (!helper_name_is_valid(name))
		return err_set(e, -EINVAL, "'%.100s' is no name of a credential helper", name);
	if (!program || !action)
		return err_set(e, -ENOMEM, "out of memory");
	o.argv = argv;
	r = proc_run(&o, input, OUTPUT_MAX + 1, HELPER_MS, ret_output, ret_status, e);
	if (r == -ENOENT)
		return err_set(
			e, -ENOENT,
			"error %s credentials - err: exec: \"%s\": executable file not found "
			"in $PATH, out: ``",
			what, program);
	if (r < 0)
		return err_wrap(e, r, "error %s credentials", what);
	if (strlen(*ret_output) > OUTPUT_MAX)
		return err_set(e, -E2BIG, "error %s credentials: %s says more than %zu bytes", what,
			       program, OUTPUT_MAX);
	return 0;
}

static int failed(const char *what, int status, char *output, struct err *e)
{
	trim(output);
	return err_set(e, -EACCES, "error %s credentials - err: exit status %d, out: `%.200s`",
		       what, status, output);
}

static void wipe(char **p)
{
	if (*p)
		explicit_bzero(*p, strlen(*p));
	free(*p);
}

int helper_get(const char *name, const char *server, struct arena *a, struct helper_answer *ret,
	       struct err *e)
{
	CLEANUP(wipe) char *output = NULL;
	struct answer answer;
	int status, r = run(name, "get", "getting", server, &output, &status, e);

	if (r < 0)
		return r;
	if (status != 0) {
		trim(output);
		return streq(output, NOT_FOUND) ? 0 : failed("getting", status, output, e);
	}
	r = json_read(&answer_table, output, strlen(output), NULL, a, &answer, e);
	if (r < 0)
		return err_wrap(e, r, "what docker-credential-%s says", name);
	if (!answer.secret || !*answer.secret)
		return 0;
	ret->username = answer.username ? answer.username : "";
	ret->secret = answer.secret;
	return 1;
}

int helper_store(const char *name, const char *server, const char *username, const char *secret,
		 struct err *e)
{
	const struct answer answer = { server, username, secret };
	CLEANUP(wipe) char *output = NULL;
	AUTO_STRBUF struct strbuf b = { 0 };
	int status, r;

	json_write(&answer_table, &answer, 0, &b);
	if (strbuf_ok(&b) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	r = run(name, "store", "storing", b.p, &output, &status, e);
	explicit_bzero(b.p, b.len);
	return r < 0 || status == 0 ? r : failed("storing", status, output, e);
}

int helper_erase(const char *name, const char *server, struct err *e)
{
	CLEANUP(wipe) char *output = NULL;
	int status, r = run(name, "erase", "erasing", server, &output, &status, e);

	if (r < 0 || status == 0)
		return r;
	trim(output);
	return streq(output, NOT_FOUND) ? 0 : failed("erasing", status, output, e);
}
