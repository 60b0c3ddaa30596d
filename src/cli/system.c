/* system df, system prune, and what runs behind other commands */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/image/prune.h"
#include "codec/ref.h"
#include "image/image.h"

#define SHORT_ID 12
#define COMMAND_MAX 20

/* ---- df ---- */
struct df_options {
	bool is_verbose;
	const char *format;
};

static const struct opt df_rows[] = {
	{ "format", 0, OPT_STR, 0, offsetof(struct df_options, format), "string",
	  "Format output: table, json, 'table TEMPLATE' or 'TEMPLATE'", NULL },
	{ "verbose", 'v', OPT_BOOL, 0, offsetof(struct df_options, is_verbose), NULL,
	  "Show detailed information on space usage", NULL },
	OPT_END,
};

struct df {
	struct image_usage images;
	struct engine_container *containers;
	int64_t *sizes; /* of their writable layers */
	size_t containers_n, containers_active;
	int64_t containers_size, containers_free;
	struct arena *a;
};

static const struct table_column df_columns[] = {
	{ "Type", "TYPE", false },
	{ "TotalCount", "TOTAL", false },
	{ "Active", "ACTIVE", false },
	{ "Size", "SIZE", false },
	{ "Reclaimable", "RECLAIMABLE", false },
};
static const struct table_column df_image_columns[] = {
	{ "Repository", "REPOSITORY", false },
	{ "Tag", "TAG", false },
	{ "ID", "IMAGE ID", false },
	{ "CreatedSince", "CREATED", false },
	{ "Size", "SIZE", false },
	{ "SharedSize", "SHARED SIZE", false },
	{ "UniqueSize", "UNIQUE SIZE", false },
	{ "Containers", "CONTAINERS", false },
};
static const struct table_column df_container_columns[] = {
	{ "ID", "CONTAINER ID", false }, { "Image", "IMAGE", false },
	{ "Command", "COMMAND", false }, { "LocalVolumes", "LOCAL VOLUMES", false },
	{ "Size", "SIZE", false },	 { "RunningFor", "CREATED", false },
	{ "Status", "STATUS", false },	 { "Names", "NAMES", false },
};
static const struct table_column df_volume_columns[] = {
	{ "Name", "VOLUME NAME", false },
	{ "Links", "LINKS", false },
	{ "Size", "SIZE", false },
};
static const struct table_column df_cache_columns[] = {
	{ "ID", "CACHE ID", false },
	{ "CacheType", "CACHE TYPE", false },
	{ "Size", "SIZE", false },
	{ "CreatedSince", "CREATED", false },
	{ "LastUsedSince", "LAST USED", false },
	{ "UsageCount", "USAGE", false },
	{ "Shared", "SHARED", false },
};

static bool is_active(const struct engine_container *c)
{
	return c->status == ENGINE_RUNNING || c->status == ENGINE_PAUSED;
}

static int collect(struct cli *c, struct df *d, struct err *e)
{
	struct store *s = engine_store(c->engine);
	const char *ns = engine_ns(c->engine);
	int r = image_usage(s, ns, d->a, &d->images, e);

	if (r >= 0)
		r = engine_container_list(c->engine, true, d->a, &d->containers, &d->containers_n,
					  e);
	if (r < 0)
		return r;
	d->sizes = arena_calloc(d->a, d->containers_n + 1, sizeof(*d->sizes));
	if (!d->sizes)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < d->containers_n; i++) {
		const struct engine_container *one = &d->containers[i];
		int64_t inodes;

		/* Its writable layer goes by its id; one that goes meanwhile takes nothing. */
		(void)store_snapshot_usage(s, ns, one->id, &d->sizes[i], &inodes, NULL);
		d->containers_size += d->sizes[i];
		d->containers_active += is_active(one);
		d->containers_free += is_active(one) ? 0 : d->sizes[i];
	}
	return 0;
}

static const char *number(struct df *d, size_t n)
{
	const char *text = arena_printf(d->a, "%zu", n);

	return text ? text : "";
}

static const char *size_text(struct df *d, int64_t size)
{
	char buf[HUMAN_MAX];
	const char *text = arena_strdup(d->a, human_size(size, buf));

	return text ? text : "";
}

static const char *part_text(struct df *d, int64_t part, int64_t size)
{
	char buf[HUMAN_MAX];
	const char *text;

	if (size <= 0)
		return size_text(d, part);
	text = arena_printf(d->a, "%s (%lld%%)", human_size(part, buf),
			    (long long)(part * 100 / size));
	return text ? text : "";
}

static const char *since(struct df *d, int64_t created_ns)
{
	char buf[HUMAN_MAX];
	const char *text = "N/A";

	if (created_ns > 0)
		text = arena_printf(d->a, "%s ago",
				    human_duration(clock_wall_ns() - created_ns, buf));
	return text ? text : "";
}

static int add_totals(struct table *t, struct df *d)
{
	const struct image_usage *i = &d->images;
	int r = table_add(t, (const char *[]){ "Images", number(d, i->n), number(d, i->active),
					       size_text(d, i->size),
					       part_text(d, i->reclaimable, i->size) });

	if (r >= 0)
		r = table_add(t, (const char *[]){
					 "Containers", number(d, d->containers_n),
					 number(d, d->containers_active),
					 size_text(d, d->containers_size),
					 part_text(d, d->containers_free, d->containers_size) });
	if (r >= 0)
		r = table_add(t, (const char *[]){ "Local Volumes", "0", "0", "0B", "0B" });
	return r < 0 ? r : table_add(t, (const char *[]){ "Build Cache", "0", "0", "0B", "0B" });
}

static int add_images(struct table *t, struct df *d)
{
	int r = 0;

	for (size_t k = 0; k < d->images.n && r >= 0; k++) {
		const struct image_use *i = &d->images.v[k];
		char name[REF_TEXT_MAX] = "<none>";
		const char *tag = "<none>";
		struct ref ref;

		if (i->name && ref_parse(i->name, &ref, NULL) == 0) {
			ref_familiar_name(&ref, name);
			if (ref.tag[0])
				tag = ref.tag;
		}
		r = table_add(t, (const char *[]){ name, tag,
						   arena_strndup(d->a, digest_hex(i->id), SHORT_ID),
						   since(d, i->created_ns), size_text(d, i->size),
						   size_text(d, i->shared),
						   size_text(d, i->size - i->shared),
						   number(d, i->containers) });
	}
	return r;
}

static int add_containers(struct table *t, struct df *d)
{
	int r = 0;

	for (size_t k = 0; k < d->containers_n && r >= 0; k++) {
		const struct engine_container *c = &d->containers[k];
		const char *command = c->command;

		if (strlen(command) > COMMAND_MAX)
			command = arena_printf(d->a, "%.*s…", COMMAND_MAX - 1, command);
		r = table_add(t,
			      (const char *[]){ arena_strndup(d->a, c->id, SHORT_ID), c->image,
						arena_printf(d->a, "\"%s\"", command), "0",
						size_text(d, d->sizes[k]), since(d, c->created_ns),
						human_status(c, d->a), c->name });
	}
	return r;
}

/* No volumes and no build cache yet: their tables have heads. */
static int add_nothing(struct table *t, struct df *d)
{
	return 0;
}

static int print_table(struct df *d, const struct table_column *columns, size_t n,
		       int (*add)(struct table *t, struct df *d), const char *format, struct err *e)
{
	struct table *t = NULL;
	int r = table_new(columns, n, &t);

	if (r >= 0)
		r = add(t, d);
	r = r < 0 ? err_set(e, r, "out of memory") : table_print(t, format, e);
	table_free(t);
	return r;
}

static int print_verbose(struct df *d, struct err *e)
{
	int r;

	puts("Images space usage:\n");
	r = print_table(d, df_image_columns, ARRAY_LEN(df_image_columns), add_images, NULL, e);
	if (r < 0)
		return r;
	puts("\nContainers space usage:\n");
	r = print_table(d, df_container_columns, ARRAY_LEN(df_container_columns), add_containers,
			NULL, e);
	if (r < 0)
		return r;
	puts("\nLocal Volumes space usage:\n");
	r = print_table(d, df_volume_columns, ARRAY_LEN(df_volume_columns), add_nothing, NULL, e);
	if (r < 0)
		return r;
	puts("\nBuild cache usage: 0B\n");
	return print_table(d, df_cache_columns, ARRAY_LEN(df_cache_columns), add_nothing, NULL, e);
}

static int df_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	AUTO_ARENA struct arena a = { 0 };
	struct df_options o = { 0 };
	struct df d = { .a = &a };
	struct err e = ERR_INIT;
	int code, r;

	if (cli_parse(cmd, argc, argv, &o, &code) < 0)
		return code;
	if (o.is_verbose && o.format)
		return cli_failf(EXIT_OWN_FAILURE,
				 "the format cannot be chosen together with --verbose");
	if (!cli_engine(c))
		return 1;
	r = collect(c, &d, &e);
	if (r >= 0)
		r = o.is_verbose ? print_verbose(&d, &e)
				 : print_table(&d, df_columns, ARRAY_LEN(df_columns), add_totals,
					       o.format, &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

/* ---- prune ---- */
static bool has_label(const struct json_map *labels, const char *wanted)
{
	size_t key = strcspn(wanted, "=");

	for (size_t i = 0; i < labels->n; i++)
		if (strncmp(labels->v[i].key, wanted, key) == 0 && !labels->v[i].key[key] &&
		    (!wanted[key] || streq(labels->v[i].value, wanted + key + 1)))
			return true;
	return false;
}

static bool is_pruned(const struct engine_container *c, const struct image_prune_options *o)
{
	if (is_active(c) || (o->until_ns && c->created_ns > o->until_ns))
		return false;
	for (char **l = o->labels; l && *l; l++)
		if (!has_label(&c->labels, *l))
			return false;
	for (char **l = o->not_labels; l && *l; l++)
		if (has_label(&c->labels, *l))
			return false;
	return true;
}

/* Somebody may start or remove one meanwhile: it is passed over. */
static int prune_containers(struct cli *c, const struct image_prune_options *o,
			    int64_t *ret_reclaimed, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct df d = { .a = &a };
	size_t removed = 0;
	int r = collect(c, &d, e);

	for (size_t i = 0; r >= 0 && i < d.containers_n; i++) {
		if (!is_pruned(&d.containers[i], o) ||
		    engine_container_remove(c->engine, d.containers[i].id, false, NULL) < 0)
			continue;
		if (removed++ == 0)
			puts("Deleted Containers:");
		puts(d.containers[i].id);
		*ret_reclaimed += d.sizes[i];
	}
	if (removed)
		putchar('\n');
	return r;
}

static int prune(struct cli *c, const struct image_prune_options *o, struct err *e)
{
	int64_t reclaimed = 0;
	int r = prune_containers(c, o, &reclaimed, e);

	return r < 0 ? r : prune_images(c, o, reclaimed, e);
}

static int prune_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	static const struct prune_kind kind = {
		"WARNING! This will remove:\n  - all stopped containers\n"
		"  - all dangling images\n",
		"WARNING! This will remove:\n  - all stopped containers\n"
		"  - all images without at least one container associated to them\n",
		prune,
	};

	return prune_command(c, cmd, argc, argv, &kind);
}

/* ---- empty-trash: behind a removal ---- */

#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_IDLE (3 << 13)

static int empty_trash_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct err e = ERR_INIT;
	int code, r;

	if (cli_parse(cmd, argc, argv, NULL, &code) < 0)
		return code;
	/* Only when nobody else wants CPU or disk. */
	(void)setpriority(PRIO_PROCESS, 0, 19);
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
	if (!cli_engine(c))
		return 1;
	r = store_empty_trash_whole(engine_store(c->engine), &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_system_df = {
	.name = "system df",
	.usage = "[OPTIONS]",
	.summary = "Show disk usage",
	.rows = df_rows,
	.run = df_main,
};
const struct cli_command cli_system_prune = {
	.name = "system prune",
	.usage = "[OPTIONS]",
	.summary = "Remove stopped containers and unused images",
	.rows = prune_rows,
	.run = prune_main,
};
const struct cli_command cli_system_empty_trash = {
	.name = "system empty-trash",
	.usage = "",
	.summary = "Remove the files of what was deleted",
	.is_hidden = true,
	.run = empty_trash_main,
};
