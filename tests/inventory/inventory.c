/*
 * inventory: lists what an instance of Corten has on the machine, and compares two such lists.
 * See README.md for how tests use it.
 */
#include "inventory.h"

#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define IGNORES_MAX 256
#define CHECK_TIMEOUT_MS 3000
#define CHECK_NAP_MS 20

struct ignores {
	char *patterns[IGNORES_MAX];
	size_t n;
};

struct request {
	struct inventory inv;
	struct ignores ignores;
	long timeout_ms;
	char **args; /* the command and its operands */
	int n_args;
};

/* One pattern a line, of "KIND VALUE", as in fnmatch with * matching everything; # starts a comment. */
static void read_ignores(struct ignores *g, const char *path)
{
	size_t len;
	char *save = NULL, *text = file_read(path, &len);
	if (!text)
		fail("cannot read", path);
	for (char *row = strtok_r(text, "\n", &save); row; row = strtok_r(NULL, "\n", &save)) {
		if (*row == '#' || !*row)
			continue;
		if (g->n == IGNORES_MAX)
			fail("too many patterns in", path);
		g->patterns[g->n++] = row;
	}
}

/* True for a line that matches a pattern or is of a kind nobody asked for. */
static bool is_ignored(const struct request *q, const char *text)
{
	char plain[LINE_MAX_BYTES + 32], kind[32];
	snprintf(plain, sizeof(plain), "%s", text);
	snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(text, "\t"), text);
	char *tab = strchr(plain, '\t');
	if (tab)
		*tab = ' ';
	for (size_t i = 0; i < q->ignores.n; i++)
		if (fnmatch(q->ignores.patterns[i], plain, 0) == 0)
			return true;
	return !inventory_wants(&q->inv, kind);
}

static void drop_ignored(const struct request *q, struct lines *l)
{
	size_t kept = 0;
	for (size_t i = 0; i < l->n; i++) {
		if (is_ignored(q, l->rows[i].text)) {
			free(l->rows[i].text);
			free(l->rows[i].note);
			continue;
		}
		l->rows[kept++] = l->rows[i];
	}
	l->n = kept;
}

static void read_snapshot(struct lines *l, const char *path)
{
	size_t len;
	char *save = NULL, *text = file_read(path, &len);
	if (!text)
		fail("cannot read", path);
	for (char *row = strtok_r(text, "\n", &save); row; row = strtok_r(NULL, "\n", &save)) {
		char *tab = strchr(row, '\t'), *note = tab ? strchr(tab + 1, '\t') : NULL;
		if (note)
			*note++ = '\0';
		lines_add_row(l, row, note);
	}
	free(text);
	lines_sort(l);
}

static void take(struct inventory *inv)
{
	lines_done(&inv->lines);
	free(inv->processes);
	inv->processes = NULL;
	inv->n_processes = 0;
	places_find(inv);
	processes_scan(inv);
	add_processes(inv);
	add_mounts(inv);
	add_cgroups(inv);
	add_network(inv);
	add_files(inv);
	lines_sort(&inv->lines);
}

static int command_snapshot(struct request *q)
{
	take(&q->inv);
	drop_ignored(q, &q->inv.lines);
	for (size_t i = 0; i < q->inv.lines.n; i++) {
		const struct line *row = &q->inv.lines.rows[i];
		printf("%s%s%s\n", row->text, row->note ? "\t" : "", row->note ? row->note : "");
	}
	return 0;
}

static int command_diff(struct request *q)
{
	struct lines before = { 0 }, after = { 0 };
	read_snapshot(&before, q->args[1]);
	read_snapshot(&after, q->args[2]);
	drop_ignored(q, &before);
	drop_ignored(q, &after);
	size_t differences = lines_compare(&before, &after);
	lines_done(&before);
	lines_done(&after);
	return differences != 0;
}

static bool is_same(const struct lines *a, const struct lines *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->rows[i].text, b->rows[i].text) != 0)
			return false;
	return true;
}

static long now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Looks again until the machine is as it was, or the time is up: a shim may still be on its way out. */
static int command_check(struct request *q)
{
	struct lines before = { 0 };
	struct timespec nap = { .tv_nsec = CHECK_NAP_MS * 1000000L };
	long deadline = now_ms() + q->timeout_ms;
	read_snapshot(&before, q->args[1]);
	drop_ignored(q, &before);
	for (;;) {
		take(&q->inv);
		drop_ignored(q, &q->inv.lines);
		if (is_same(&before, &q->inv.lines) || now_ms() >= deadline)
			break;
		nanosleep(&nap, NULL);
	}
	size_t differences = lines_compare(&before, &q->inv.lines);
	lines_done(&before);
	return differences != 0;
}

static const struct command {
	const char *name;
	int n_operands;
	int (*run)(struct request *q);
} commands[] = {
	{ "snapshot", 0, command_snapshot },
	{ "diff", 2, command_diff },
	{ "check", 1, command_check },
};

static const char usage[] =
	"Usage: inventory [OPTION...] snapshot | diff BEFORE AFTER | check BEFORE\n"
	"\n"
	"  --root DIR, --state DIR  the instance (default $CORTEN_ROOT, $CORTEN_STATE, or\n"
	"                           /var/lib/corten, /run/corten)\n"
	"  --ignore FILE            leave out lines that match a pattern of FILE (repeatable)\n"
	"  --only KIND,...          process namespace fd mount cgroup link address nft file\n"
	"  --cgroup PATTERN         groups of this name and all below them (default *corten*)\n"
	"  --timeout MS             check: look again for so long (default 3000)\n"
	"\n"
	"snapshot prints KIND TAB VALUE lines; diff and check print differences and exit 1.\n";

/* An absolute path without links where it exists; where it does not, as given. */
static void set_folder(char *folder, const char *path)
{
	char resolved[PATH_BUF];
	if (realpath(path, resolved))
		path = resolved;
	if (path[0] != '/')
		fail("the folder does not exist and is not absolute:", path);
	snprintf(folder, PATH_BUF, "%s", path);
	for (size_t n = strlen(folder); n > 1 && folder[n - 1] == '/'; n--)
		folder[n - 1] = '\0';
	if (strcmp(folder, "/") == 0)
		fail("cannot take an inventory of", path);
}

static void set_default_folder(char *folder, const char *variable, const char *path)
{
	const char *value = getenv(variable);
	set_folder(folder, value && *value ? value : path);
}

static void parse_options(struct request *q, int argc, char **argv)
{
	static const struct option options[] = {
		{ "root", required_argument, NULL, 'r' },
		{ "state", required_argument, NULL, 's' },
		{ "ignore", required_argument, NULL, 'i' },
		{ "only", required_argument, NULL, 'o' },
		{ "cgroup", required_argument, NULL, 'c' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	set_default_folder(q->inv.root, "CORTEN_ROOT", ROOT_DEFAULT);
	set_default_folder(q->inv.state, "CORTEN_STATE", STATE_DEFAULT);
	for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) >= 0;) {
		switch (c) {
		case 'r':
			set_folder(q->inv.root, optarg);
			break;
		case 's':
			set_folder(q->inv.state, optarg);
			break;
		case 'i':
			read_ignores(&q->ignores, optarg);
			break;
		case 'o':
			q->inv.only = optarg;
			break;
		case 'c':
			q->inv.cgroup_pattern = optarg;
			break;
		case 't':
			q->timeout_ms = strtol(optarg, NULL, 10);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	q->args = argv + optind;
	q->n_args = argc - optind;
}

int main(int argc, char **argv)
{
	static struct request q = {
		.inv = { .cgroup_pattern = CGROUP_PATTERN_DEFAULT },
		.timeout_ms = CHECK_TIMEOUT_MS,
	};
	parse_options(&q, argc, argv);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *c = &commands[i];
		if (q.n_args == c->n_operands + 1 && strcmp(q.args[0], c->name) == 0)
			return c->run(&q);
	}
	fputs(usage, stderr);
	return 2;
}
