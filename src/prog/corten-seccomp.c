/*
 * corten-seccomp: compiles seccomp profiles for the runtime, on a miss of its cache.
 *
 * The text it reads may be anyone's, so it gives up its privileges between reading and parsing
 * (prog/seccomp_confine.h). What it writes is checked again by whoever loads it.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/opt.h"
#include "base/str.h"
#include "engine/seccomp_default.h"
#include "prog/seccomp_confine.h"
#include "spec/seccomp_blob.h"
#include "spec/seccomp_compile.h"

static int cmd_compile(int argc, char **argv, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FREE char *text = NULL;
	AUTO_FREE void *blob = NULL;
	struct oci_seccomp spec;
	const struct seccomp_compile_options o = {
		.fails_unknown = argc == 2 && streq(argv[1], "--fail-unknown"),
	};
	size_t len, blob_len;
	int r;

	if (argc > 1 && !o.fails_unknown)
		return err_set(e, -EINVAL, "compile takes --fail-unknown, not '%s'", argv[1]);
	r = fd_read_all(STDIN_FILENO, LIMIT_SPEC_BYTES, &text, &len);
	if (r < 0)
		return err_sys(e, r, "cannot read the profile");
	r = seccomp_confine(e);
	if (r == 0)
		r = json_read(&oci_seccomp_table, text, len, NULL, &a, &spec, e);
	if (r == 0)
		r = seccomp_compile(&spec, &o, &blob, &blob_len, e);
	if (r == 0)
		r = fd_write_full(STDOUT_FILENO, blob, blob_len);
	return r < 0 ? err_wrap(e, r, "seccomp profile") : 0;
}

struct default_options {
	char **caps;
};
static const struct opt default_rows[] = {
	{ "cap", 0, OPT_STRV, 0, offsetof(struct default_options, caps), "CAP",
	  "A capability that the container has", NULL },
	OPT_END,
};

/* What the default profile is for a container with these capabilities, on this machine. */
static int cmd_default(int argc, char **argv, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_STRBUF struct strbuf out = { 0 };
	struct default_options o = { 0 };
	struct seccomp_subject subject;
	struct oci_seccomp *spec;
	struct json_strs caps;
	bool wants_help = false;
	int first, r = opt_parse(default_rows, 0, argc, argv, &o, &first, &wants_help, e);
	AUTO_STRV char **owned = o.caps;

	if (r < 0 || wants_help || first < argc)
		return r < 0 ? r
			     : err_set(e, -EINVAL, "usage: corten-seccomp default [--cap CAP]...");
	caps = (struct json_strs){ (const char **)owned, strv_len(owned) };
	r = seccomp_subject_init(&caps, &subject, e);
	if (r == 0)
		r = seccomp_default_resolve(&subject, &a, &spec, e);
	if (r < 0)
		return r;
	json_write(&oci_seccomp_table, spec, JSON_PRETTY, &out);
	strbuf_addc(&out, '\n');
	r = strbuf_ok(&out);
	return r < 0 ? r : fd_write_full(STDOUT_FILENO, out.p, out.len);
}

/* Part of the key of a cache: another libseccomp knows other names. */
static int cmd_version(int argc, char **argv, struct err *e)
{
	const struct scmp_version *v = seccomp_version();

	(void)argc, (void)argv, (void)e;
	printf("corten-seccomp %s %.8s libseccomp %u.%u.%u\n", CORTEN_VERSION, SECCOMP_BLOB_MAGIC,
	       v->major, v->minor, v->micro);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv, struct err *e);
} commands[] = {
	{ "compile", cmd_compile },
	{ "default", cmd_default },
	{ "version", cmd_version },
};

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		int r;

		if (argc < 2 || !streq(argv[1], commands[i].name))
			continue;
		r = commands[i].run(argc - 1, argv + 1, &e);
		if (r < 0)
			fprintf(stderr, "corten-seccomp: %s\n", err_text(&e, r));
		return r < 0 ? 1 : 0;
	}
	fprintf(stderr,
		"usage: corten-seccomp compile [--fail-unknown] <linux.seccomp.json >blob | default [--cap CAP]... "
		"| version\n");
	return 1;
}
