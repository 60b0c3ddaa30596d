#include "net/plugin/program.h"

#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "net/plugin/plugin.h"

enum { FOR_ATTACHMENT = 1 << 0, FOR_DEL = 1 << 1, FOR_ANY = 1 << 2 };

/* The environment, and what of it a command needs. */
static const struct {
	const char *name;
	unsigned int needed_for;
} variables[] = {
	{ "CNI_CONTAINERID", FOR_ATTACHMENT | FOR_DEL },
	{ "CNI_NETNS", FOR_ATTACHMENT },
	{ "CNI_IFNAME", FOR_ATTACHMENT | FOR_DEL },
	{ "CNI_PATH", FOR_ATTACHMENT | FOR_DEL | FOR_ANY },
};

static const struct {
	const char *name;
	enum cni_command command;
	unsigned int needs;
} commands[] = {
	{ "ADD", CNI_ADD, FOR_ATTACHMENT }, { "CHECK", CNI_CHECK, FOR_ATTACHMENT },
	{ "DEL", CNI_DEL, FOR_DEL },	    { "GC", CNI_GC, FOR_ANY },
	{ "STATUS", CNI_STATUS, FOR_ANY },  { "VERSION", CNI_VERSIONS, 0 },
};

static const char *variable(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

static int check_environment(unsigned int needs, struct err *e)
{
	char missing[200] = "";
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		if (variables[i].needed_for & needs && !variable(variables[i].name))
			len += (size_t)snprintf(missing + len, sizeof(missing) - len, "%s%s",
						len ? "," : "", variables[i].name);
	return len ? err_set(e, -EBADR, "required env variables [%s] missing", missing) : 0;
}

static int read_command(struct cni_call *call, struct err *e)
{
	const char *name = variable("CNI_COMMAND");

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (streq(commands[i].name, name)) {
			call->command = commands[i].command;
			return check_environment(commands[i].needs, e);
		}
	return err_set(e, -EBADR, "unknown CNI_COMMAND: %.40s", name);
}

/* -- documents -- */

static int print(const struct strbuf *out)
{
	return strbuf_ok(out) < 0 || fd_write_full(STDOUT_FILENO, out->p, out->len) < 0;
}

static int print_error(const struct err *e, int r)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	struct cni_error error = { .code = cni_code_of(e, r), .msg = err_text(e, r) };

	json_write(&cni_error_table, &error, JSON_PRETTY | JSON_ESCAPE_HTML, &out);
	(void)print(&out);
	return 1;
}

static int print_versions(void)
{
	static const char *const versions[] = {
		CNI_VERSION_OLDEST, "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", CNI_VERSION
	};
	AUTO_STRBUF struct strbuf out = { 0 };
	struct json_writer w = { .out = &out };

	json_begin_object(&w, NULL);
	json_put_str(&w, "cniVersion", CNI_VERSION);
	json_begin_array(&w, "supportedVersions");
	for (size_t i = 0; i < ARRAY_LEN(versions); i++)
		json_put_str(&w, NULL, versions[i]);
	json_end_array(&w);
	json_end_object(&w);
	strbuf_addc(&out, '\n');
	return print(&out);
}

static int print_about(const char *type)
{
	fprintf(stderr,
		"CNI %s plugin of corten %s\n"
		"CNI protocol versions supported: %s to %s\n",
		type, CORTEN_VERSION, CNI_VERSION_OLDEST, CNI_VERSION);
	return 0;
}

/* -- the call -- */

static int run(const struct cni_plugin *p, struct cni_call *call, struct strbuf *out, struct err *e)
{
	AUTO_FREE char *conf = NULL;
	struct cni_result *res = NULL;
	int r = fd_read_all(STDIN_FILENO, CNI_TEXT_MAX, &conf, &call->conf_len);

	if (r < 0)
		return err_set(e, -EIO, "error reading from stdin: %s",
			       r == -EFBIG ? "more than 1 MiB" : strerror(-r));
	call->conf = conf;
	r = cni_plugin_run(p, call, &res, e);
	if (r == 0 && res)
		r = cni_result_write(res, call->c->version, out, e);
	return r;
}

int cni_program(const char *type)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_STRBUF struct strbuf out = { 0 };
	struct cni_call call = {
		.container_id = variable("CNI_CONTAINERID"),
		.ifname = variable("CNI_IFNAME"),
		.netns_path = variable("CNI_NETNS"),
		.netns_fd = -EBADF,
		.args = variable("CNI_ARGS"),
		.path = variable("CNI_PATH"),
		.a = &a,
	};
	const struct cni_plugin *p = cni_plugin_find(type);
	struct err e = ERR_INIT;
	int r;

	if (!p)
		return print_error(&e, err_set(&e, -EBADR, "unknown plugin '%.60s'", type));
	if (!variable("CNI_COMMAND"))
		return print_about(type);
	r = read_command(&call, &e);
	if (r == 0 && call.command == CNI_VERSIONS)
		return print_versions();
	r = r < 0 ? r : run(p, &call, &out, &e);
	if (r < 0)
		return print_error(&e, r);
	return out.len > 0 ? print(&out) : 0;
}
