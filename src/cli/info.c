/* inspect, info, version, and the hidden system commands. */
#include <stdio.h>

#include "cli/commands.h"
#include "store/store.h"

/* ---- inspect ---- */
struct inspect_options {
	const char *format, *type;
	bool has_size;
};

static const struct opt inspect_rows[] = {
	{ "format", 'f', OPT_STR, 0, offsetof(struct inspect_options, format), "string",
	  "Format output using a custom template: 'json' or 'TEMPLATE'", NULL },
	{ "size", 's', OPT_UNSUPPORTED, 0, 0, NULL, NULL, NULL },
	{ "type", 0, OPT_STR, 0, offsetof(struct inspect_options, type), "string",
	  "Only inspect objects of the given type (container, image, network)", NULL },
	OPT_END,
};

static int inspect_one(struct cli *c, const struct inspect_options *o, const char *name,
		       struct strbuf *out, struct err *e)
{
	int r = -ENOENT;

	if (!o->type || streq(o->type, "container"))
		r = engine_container_inspect(c->engine, name, out, e);
	if (r == -ENOENT && (!o->type || streq(o->type, "image")))
		r = engine_image_inspect(c->engine, name, out, e);
	if (r == -ENOENT && (!o->type || streq(o->type, "network")))
		r = engine_network_inspect(c->engine, name, out, e);
	if (r == -ENOENT)
		return err_set(e, r, "No such %s: %s", o->type ? o->type : "object", name);
	return r;
}

/* Indents by four, as docker does; the text is our own and valid. */
static void print_pretty(const char *p, size_t len, FILE *f)
{
	int depth = 1;
	bool is_string = false;

	fprintf(f, "    ");
	for (size_t i = 0; i < len; i++) {
		char c = p[i];

		if (is_string) {
			fputc(c, f);
			if (c == '\\')
				fputc(p[++i], f);
			else if (c == '"')
				is_string = false;
			continue;
		}
		if ((c == '{' || c == '[') && i + 1 < len && (p[i + 1] == '}' || p[i + 1] == ']'))
			fprintf(f, "%c%c", c, p[++i]);
		else if (c == '{' || c == '[')
			fprintf(f, "%c\n%*s", c, ++depth * 4, "");
		else if (c == '}' || c == ']')
			fprintf(f, "\n%*s%c", --depth * 4, "", c);
		else if (c == ',')
			fprintf(f, ",\n%*s", depth * 4, "");
		else if (c == ':')
			fputs(": ", f);
		else
			fputc(c, f);
		is_string = c == '"';
	}
}

int cli_print_formatted(const char *format, const struct strbuf *json, struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	int r;

	if (streq(format, "json")) {
		puts(json->p);
		return 0;
	}
	r = template_print(format, json->p, json->len, &out, e);
	if (r == 0)
		puts(out.p ? out.p : "");
	return r;
}

int cli_inspect_objects(struct cli *c, const char *format, const char *type, char *const *names,
			int n_names)
{
	const struct inspect_options o = { .format = format, .type = type };
	int code = 0, n = 0;

	if (!cli_engine(c))
		return 1;
	if (!o.format)
		putchar('[');
	for (int i = 0; i < n_names; i++) {
		AUTO_STRBUF struct strbuf json = { 0 };
		struct err e = ERR_INIT;
		int r = inspect_one(c, &o, names[i], &json, &e);

		if (r == 0 && o.format)
			r = cli_print_formatted(o.format, &json, &e);
		else if (r == 0) {
			fputs(n++ ? ",\n" : "\n", stdout);
			print_pretty(json.p, json.len, stdout);
		}
		if (r < 0)
			code = cli_fail(&e, r, 1);
	}
	if (!o.format)
		puts(n ? "\n]" : "]");
	return code;
}

static int inspect_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct inspect_options o = { 0 };
	int code, first = cli_parse(cmd, argc, argv, &o, &code);

	return first < 0 ? code
			 : cli_inspect_objects(c, o.format, o.type, argv + first, argc - first);
}

/* ---- version, info ---- */
static int version_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	int code;

	(void)c;
	if (cli_parse(cmd, argc, argv, NULL, &code) < 0)
		return code;
	printf("Corten:\n Version:           %s\n OS/Arch:           linux/%s\n", CORTEN_VERSION,
#if defined(__x86_64__)
	       "amd64"
#elif defined(__aarch64__)
	       "arm64"
#else
	       "unknown"
#endif
	);
	printf(" Runtime spec:      1.3.0\n Image spec:        1.1.0\n");
	return 0;
}

static void print_gib(const char *label, int64_t bytes)
{
	printf(" %s: %.4gGiB\n", label, (double)bytes / (1 << 30));
}

static int info_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	AUTO_ARENA struct arena a = { 0 };
	struct engine_info i = { 0 };
	struct err e = ERR_INIT;
	int code, r;

	if (cli_parse(cmd, argc, argv, NULL, &code) < 0)
		return code;
	if (!cli_engine(c))
		return 1;
	r = engine_info(c->engine, &a, &i, &e);
	if (r < 0)
		return cli_fail(&e, r, 1);
	printf(" Containers: %lld\n  Running: %lld\n  Paused: %lld\n  Stopped: %lld\n Images: %lld\n",
	       (long long)i.containers, (long long)i.running, (long long)i.paused,
	       (long long)i.stopped, (long long)i.images);
	printf(" Version: %s\n Storage Driver: %s\n Logging Driver: json-file\n", CORTEN_VERSION,
	       store_snapshotter(engine_store(c->engine)));
	printf(" Cgroup Driver: cgroupfs\n Cgroup Mode: %s\n Default Runtime: corten-runtime\n",
	       i.cgroup_mode);
	puts(" Security Options:");
	for (size_t k = 0; k < i.security.n; k++)
		printf("  %s\n", i.security.v[k]);
	printf(" Kernel Version: %s\n Operating System: %s\n OSType: linux\n Architecture: %s\n CPUs: %lld\n",
	       i.kernel, i.os, i.arch, (long long)i.ncpu);
	print_gib("Total Memory", i.memory);
	printf(" Name: %s\n Root Dir: %s\n State Dir: %s\n", i.hostname, i.root, i.state);
	for (size_t k = 0; k < i.warnings.n; k++)
		fprintf(stderr, "WARNING: %s\n", i.warnings.v[k]);
	return 0;
}

/* ---- system task-exited: the shim's exit command ---- */
static int task_exited_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct err e = ERR_INIT;
	int code, first = cli_parse(cmd, argc, argv, NULL, &code), r;

	if (first < 0)
		return code;
	if (!cli_engine(c))
		return 1;
	r = engine_task_finish(c->engine, argv[first], &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_inspect = {
	"inspect",
	"[OPTIONS] NAME|ID [NAME|ID...]",
	"Return low-level information on containers and images",
	inspect_rows,
	0,
	1,
	-1,
	false,
	inspect_main,
};
const struct cli_command cli_version = {
	"version", "", "Show the Corten version information", NULL, 0, 0, 0, false, version_main,
};
const struct cli_command cli_info = {
	"info", "", "Display system-wide information", NULL, 0, 0, 0, false, info_main,
};
const struct cli_command cli_system_task_exited = {
	"system task-exited",
	"CONTAINER",
	"Finish a task whose init has ended",
	NULL,
	0,
	1,
	1,
	true,
	task_exited_main,
};
