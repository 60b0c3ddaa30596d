/*
 * corten-docgen OUT: manual pages in OUT/man1 and OUT/man8, completions in OUT/corten.bash, OUT/_corten and
 * OUT/corten.fish. Run by the build; what it writes is complete or the program fails.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "prog/docgen.h"

/* An empty folder, so that a page of a command that is gone does not stay. */
static int fresh_dir(int parent, const char *name, struct err *e)
{
	int r = dir_remove_at(parent, name), fd;

	if (r < 0)
		return err_sys(e, r, "remove '%s'", name);
	fd = dir_open_make_at(parent, name, 0755);
	return fd < 0 ? err_sys(e, fd, "make '%s'", name) : fd;
}

struct output {
	char *text;
	size_t len;
	FILE *f;
};

static int output_begin(struct output *o, struct err *e)
{
	o->f = open_memstream(&o->text, &o->len);
	return o->f ? 0 : err_sys(e, -ENOMEM, "a document");
}

static int output_end(struct output *o, int dir, const char *name, struct err *e)
{
	int r = fclose(o->f) == 0 ? 0 : -ENOMEM;

	if (r == 0)
		r = file_replace_at(dir, name, o->text, o->len, 0644, 0);
	free(o->text);
	return r < 0 ? err_sys(e, r, "write '%s'", name) : 0;
}

static int write_pages(int out, const struct doc_program *p, struct err *e)
{
	AUTO_FD dir = fresh_dir(out, "man1", e);
	struct output o;
	char name[64];
	int r = dir < 0 ? dir : output_begin(&o, e);

	if (r < 0)
		return r;
	man_program(o.f, p);
	r = output_end(&o, dir, "corten.1", e);
	for (size_t i = 0; r == 0 && i < p->commands_n; i++) {
		const struct doc_command *c = &p->commands[i];

		if (!doc_has_page(c))
			continue;
		r = output_begin(&o, e);
		if (r < 0)
			break;
		man_command(o.f, p, c);
		snprintf(name, sizeof(name), "corten-%s.1", c->page);
		r = output_end(&o, dir, name, e);
	}
	return r;
}

static int write_runtime_page(int out, const struct doc_program *p, struct err *e)
{
	AUTO_FD dir = fresh_dir(out, "man8", e);
	struct output o;
	int r = dir < 0 ? dir : output_begin(&o, e);

	if (r < 0)
		return r;
	man_whole(o.f, p);
	return output_end(&o, dir, "corten-runtime.8", e);
}

static int write_completions(int out, const struct doc_program *p, struct err *e)
{
	static const struct {
		const char *file;
		void (*write)(FILE *f, const struct doc_program *p);
	} shells[] = {
		{ "corten.bash", complete_bash },
		{ "_corten", complete_zsh },
		{ "corten.fish", complete_fish },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(shells); i++) {
		struct output o;

		r = output_begin(&o, e);
		if (r < 0)
			break;
		shells[i].write(o.f, p);
		r = output_end(&o, out, shells[i].file, e);
	}
	return r;
}

int main(int argc, char **argv)
{
	AUTO_ARENA struct arena a = { 0 };
	struct doc_program corten, runtime;
	struct err e = ERR_INIT;
	AUTO_FD out = -EBADF;
	int r;

	if (argc != 2) {
		fputs("usage: corten-docgen OUT\n", stderr);
		return 2;
	}
	out = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = out < 0 ? err_sys(&e, -errno, "open '%s'", argv[1]) : 0;
	if (r == 0)
		r = doc_collect_corten(&a, &corten, &e);
	if (r == 0)
		r = doc_collect_runtime(&a, &runtime, &e);
	if (r == 0)
		r = write_pages(out, &corten, &e);
	if (r == 0)
		r = write_runtime_page(out, &runtime, &e);
	if (r == 0)
		r = write_completions(out, &corten, &e);
	if (r < 0)
		fprintf(stderr, "corten-docgen: %s\n", err_text(&e, r));
	return r < 0 ? 1 : 0;
}
