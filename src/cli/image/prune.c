/* image prune, and what system prune has in common with it */
#include "cli/image/prune.h"

#include <stdio.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "engine/engine.h"
#include "image/image.h"

struct prune_options {
	bool is_all, is_forced;
	char **filters;
};

const struct opt prune_rows[] = {
	{ "all", 'a', OPT_BOOL, 0, offsetof(struct prune_options, is_all), NULL,
	  "Remove all unused images, not just dangling ones", NULL },
	{ "filter", 0, OPT_STRV, 0, offsetof(struct prune_options, filters), "filter",
	  "Provide filter values (until=<timestamp>, label=<key>[=<value>], label!=KEY)", NULL },
	{ "force", 'f', OPT_BOOL, 0, offsetof(struct prune_options, is_forced), NULL,
	  "Do not prompt for confirmation", NULL },
	OPT_END,
};

/* A time, seconds since 1970, or how long ago ("24h"). */
static int parse_until(const char *text, int64_t *ret, struct err *e)
{
	int64_t ns;

	if (clock_parse_duration(text, &ns) == 0)
		*ret = clock_wall_ns() - ns;
	else if (str_to_i64(text, 0, INT64_MAX / NSEC_PER_SEC, &ns) == 0)
		*ret = ns * NSEC_PER_SEC;
	else if (clock_parse_rfc3339(text, ret) < 0)
		return err_set(e, -EINVAL, "invalid filter 'until=%.60s'", text);
	return 0;
}

static int parse_filters(char *const *filters, struct image_prune_options *ret, struct err *e)
{
	int r = 0;

	for (size_t i = 0; filters && filters[i] && r >= 0; i++) {
		const char *f = filters[i], *until = str_skip(f, "until=");

		if (until)
			r = parse_until(until, &ret->until_ns, e);
		else if (str_skip(f, "label="))
			r = strv_add(&ret->labels, str_skip(f, "label="));
		else if (str_skip(f, "label!="))
			r = strv_add(&ret->not_labels, str_skip(f, "label!="));
		else if (!streq(f, "dangling=true") && !streq(f, "dangling=false"))
			return err_set(e, -EINVAL, "invalid filter '%s'", f);
		else
			ret->is_all = streq(f, "dangling=false");
	}
	return r;
}

static void print(const struct image_pruned *p)
{
	if (p->untagged.n + p->deleted.n == 0)
		return;
	puts("Deleted Images:");
	for (size_t i = 0; i < p->untagged.n; i++)
		printf("untagged: %s\n", p->untagged.v[i]);
	for (size_t i = 0; i < p->deleted.n; i++)
		printf("deleted: %s\n", p->deleted.v[i]);
	putchar('\n');
}

int prune_command(struct cli *c, const struct cli_command *cmd, int argc, char **argv,
		  const struct prune_kind *kind)
{
	struct image_prune_options images = { 0 };
	struct prune_options o = { 0 };
	struct err e = ERR_INIT;
	int code, r;

	if (cli_parse(cmd, argc, argv, &o, &code) < 0)
		return code;
	images.is_all = o.is_all;
	r = parse_filters(o.filters, &images, &e);
	if (r >= 0 && !o.is_forced &&
	    !cli_confirm(images.is_all ? kind->warning_all : kind->warning))
		r = err_set(&e, -ECANCELED, "%s has been cancelled", cmd->name);
	if (r >= 0 && !cli_engine(c))
		return 1;
	if (r >= 0)
		r = kind->run(c, &images, &e);
	strv_free(images.labels);
	strv_free(images.not_labels);
	strv_free(o.filters);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

int prune_images(struct cli *c, const struct image_prune_options *o, int64_t reclaimed,
		 struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_pruned pruned;
	char size[HUMAN_MAX];
	int r = image_prune(engine_store(c->engine), engine_ns(c->engine), o, &a, &pruned, e);

	if (r < 0)
		return r;
	print(&pruned);
	printf("Total reclaimed space: %s\n", human_size(reclaimed + pruned.reclaimed, size));
	return 0;
}

static int prune(struct cli *c, const struct image_prune_options *o, struct err *e)
{
	return prune_images(c, o, 0, e);
}

static int prune_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	static const struct prune_kind kind = {
		"WARNING! This will remove all dangling images.",
		"WARNING! This will remove all images without at least one container "
		"associated to them.",
		prune,
	};

	return prune_command(c, cmd, argc, argv, &kind);
}

const struct cli_command cli_image_prune = {
	.name = "image prune",
	.usage = "[OPTIONS]",
	.summary = "Remove unused images",
	.rows = prune_rows,
	.run = prune_main,
};
