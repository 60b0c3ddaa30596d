/* login and logout, with docker's words. */
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "image/registry/login.h"

#define SECRET_MAX ((size_t)64 << 10)
#define LINE_MAX_BYTES 4096

struct login_options {
	const char *username, *password;
	bool is_stdin;
};

static const struct opt login_rows[] = {
	{ "password", 'p', OPT_STR, 0, offsetof(struct login_options, password), "string",
	  "Password", NULL },
	{ "password-stdin", 0, OPT_BOOL, 0, offsetof(struct login_options, is_stdin), NULL,
	  "Take the password from standard input", NULL },
	{ "username", 'u', OPT_STR, 0, offsetof(struct login_options, username), "string",
	  "Username", NULL },
	OPT_END,
};

/* ---- asking ---- */

/* One line from the terminal, without its end. */
static int prompt(const char *words, bool is_secret, char buf[LINE_MAX_BYTES], struct err *e)
{
	struct termios before, quiet;
	bool is_line;

	fputs(words, stdout);
	fflush(stdout);
	if (is_secret && tcgetattr(STDIN_FILENO, &before) == 0) {
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	is_line = fgets(buf, LINE_MAX_BYTES, stdin);
	if (is_secret) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		putchar('\n');
	}
	if (!is_line)
		return err_set(e, -ECANCELED, "nothing was typed");
	buf[strcspn(buf, "\r\n")] = '\0';
	return 0;
}

static int read_stdin(struct arena *a, const char **ret, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len;
	int r = fd_read_all(STDIN_FILENO, SECRET_MAX, &text, &len);

	if (r < 0)
		return err_sys(e, r, "read the password from standard input");
	/* As docker: one end of a line does not belong to it. */
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len > 0 && text[len - 1] == '\r')
		len--;
	*ret = memchr(text, '\0', len) ? NULL : arena_strndup(a, text, len);
	explicit_bzero(text, len);
	return *ret ? 0 : err_set(e, -EINVAL, "the password is no text");
}

static int ask_terminal(struct login_options *o, struct arena *a, struct err *e)
{
	char line[LINE_MAX_BYTES];
	int r = 0;

	if ((!o->username || !o->password) && !isatty(STDIN_FILENO))
		return err_set(e, -ENOTTY,
			       "cannot perform an interactive login from a non TTY device");
	if (!o->username) {
		r = prompt("Username: ", false, line, e);
		o->username = r == 0 ? arena_strdup(a, line) : NULL;
	}
	if (r == 0 && !o->password) {
		r = prompt("Password: ", true, line, e);
		o->password = r == 0 ? arena_strdup(a, line) : NULL;
	}
	explicit_bzero(line, sizeof(line));
	if (r < 0)
		return r;
	if (!o->username || !o->password)
		return err_set(e, -ENOMEM, "out of memory");
	return *o->username && *o->password ? 0
					    : err_set(e, -EINVAL, "%s is required",
						      *o->username ? "password" : "username");
}

static int complete(struct login_options *o, struct arena *a, struct err *e)
{
	if (o->password && o->is_stdin)
		return err_set(e, -EINVAL,
			       "--password and --password-stdin are mutually exclusive");
	if (o->is_stdin && !o->username)
		return err_set(e, -EINVAL, "must provide --username with --password-stdin");
	if (o->password)
		fputs("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n",
		      stderr);
	return o->is_stdin ? read_stdin(a, &o->password, e) : ask_terminal(o, a, e);
}

/* ---- the commands ---- */

/* 0 when what is kept is good. */
static int try_kept(const char *host, const struct login_options *o)
{
	struct err e = ERR_INIT;
	int r;

	if (o->username || o->password || o->is_stdin)
		return -ENOENT;
	r = registry_login_try_kept(host, &e);
	if (r == -ENOENT && !e.errnum)
		return r;
	puts("Authenticating with existing credentials...");
	if (r < 0)
		printf("Login did not succeed, error: %s\n", err_text(&e, r));
	return r;
}

static int login(const char *server, struct login_options *o, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	const char *host, *path = NULL;
	int r = registry_server_host(server, &a, &host, e);

	if (r < 0)
		return r;
	if (try_kept(host, o) < 0) {
		r = complete(o, &a, e);
		if (r == 0)
			r = registry_login_try(host, o->username, o->password, e);
		if (r == 0)
			r = registry_login_keep(host, o->username, o->password, &a, &path, e);
	}
	if (r < 0)
		return r;
	if (path)
		fprintf(stderr,
			"WARNING! Your password will be stored unencrypted in %s.\n"
			"Configure a credential helper to remove this warning. See\n"
			"https://docs.docker.com/engine/reference/commandline/login/#credential-stores\n\n",
			path);
	puts("Login Succeeded");
	return 0;
}

static int login_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct login_options o = { 0 };
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, &o, &code), r;

	(void)c;
	if (first < 0)
		return code;
	r = login(first < argc ? argv[first] : NULL, &o, &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_login = {
	"login", "[OPTIONS] [SERVER]", "Authenticate to a registry", login_rows, 0, 0, 1,
	false,	 login_main,
};

static int logout(const char *server, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	const char *host;
	bool was = false;
	int r = registry_server_host(server, &a, &host, e);

	if (r == 0)
		r = registry_logout(host, &was, e);
	if (r < 0)
		return r;
	printf("%s %s\n", was ? "Removing login credentials for" : "Not logged in to",
	       registry_server_name(host));
	return 0;
}

static int logout_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, NULL, &code), r;

	(void)c;
	if (first < 0)
		return code;
	r = logout(first < argc ? argv[first] : NULL, &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_logout = {
	"logout", "[SERVER]", "Log out from a registry", NULL, 0, 0, 1, false, logout_main,
};
