#include "inventory.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fail(const char *what, const char *arg)
{
	fprintf(stderr, "inventory: %s '%s'\n", what, arg);
	exit(2);
}

static char *copy_of(const char *s)
{
	char *c = strdup(s);
	if (!c)
		fail("out of memory at", s);
	return c;
}

void lines_add_row(struct lines *l, const char *text, const char *note)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 256;
		struct line *rows = realloc(l->rows, l->cap * sizeof(*rows));
		if (!rows)
			fail("out of memory at", text);
		l->rows = rows;
	}
	l->rows[l->n++] = (struct line){
		.text = copy_of(text),
		.note = note && *note ? copy_of(note) : NULL,
	};
}

bool path_is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool is_path_char(char c)
{
	return isalnum((unsigned char)c) || strchr("/._-", c);
}

bool text_names_path(const char *text, size_t len, const char *path)
{
	size_t n = strlen(path);
	const char *end = text + len;
	for (const char *at = text; n && (size_t)(end - at) >= n; at++) {
		at = memmem(at, (size_t)(end - at), path, n);
		if (!at)
			return false;
		char after = at + n < end ? at[n] : '\0';
		bool starts = at == text || !at[-1] || !is_path_char(at[-1]);
		if (starts && (!after || after == '/' || !is_path_char(after)))
			return true;
	}
	return false;
}

bool inventory_is_named(const struct inventory *inv, const char *text, size_t len)
{
	return text_names_path(text, len, inv->root) || text_names_path(text, len, inv->state);
}

bool inventory_wants(const struct inventory *inv, const char *kind)
{
	size_t n = strlen(kind);
	for (const char *at = inv->only; at && *at;) {
		size_t len = strcspn(at, ",");
		if (len == n && strncmp(at, kind, n) == 0)
			return true;
		at += len + (at[len] == ',');
	}
	return inv->only == NULL;
}

/* Writes `in` to `out` with every occurrence of the folder `dir` replaced by `name`. */
static void replace_folder(char *out, size_t size, const char *in, const char *dir,
			   const char *name)
{
	size_t n = strlen(dir), used = 0;
	while (*in && used + 1 < size) {
		bool is_here = n > 1 && strncmp(in, dir, n) == 0 &&
			       (in[n] == '/' || !is_path_char(in[n]));
		if (!is_here) {
			out[used++] = *in++;
			continue;
		}
		used += (size_t)snprintf(out + used, size - used, "%s", name);
		used = used < size ? used : size - 1;
		in += n;
	}
	out[used] = '\0';
}

void lines_add(struct inventory *inv, const char *kind, const char *note, const char *fmt, ...)
{
	char value[LINE_MAX_BYTES], one[LINE_MAX_BYTES], two[LINE_MAX_BYTES];
	char text[LINE_MAX_BYTES + 32];
	bool is_state_longer = strlen(inv->state) > strlen(inv->root);
	va_list ap;
	if (!inventory_wants(inv, kind))
		return;
	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	for (char *c = value; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	/* The longer folder first: one may lie in the other. */
	replace_folder(one, sizeof(one), value, is_state_longer ? inv->state : inv->root,
		       is_state_longer ? "{state}" : "{root}");
	replace_folder(two, sizeof(two), one, is_state_longer ? inv->root : inv->state,
		       is_state_longer ? "{root}" : "{state}");
	snprintf(text, sizeof(text), "%s\t%s", kind, two);
	lines_add_row(&inv->lines, text, note);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->text, ((const struct line *)b)->text);
}

void lines_sort(struct lines *l)
{
	if (l->n)
		qsort(l->rows, l->n, sizeof(*l->rows), by_text);
}

void lines_done(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->rows[i].text);
		free(l->rows[i].note);
	}
	free(l->rows);
	*l = (struct lines){ 0 };
}

static void print_difference(const char *what, const struct line *row)
{
	printf("%-5s %s%s%s%s\n", what, row->text, row->note ? "  (" : "",
	       row->note ? row->note : "", row->note ? ")" : "");
}

size_t lines_compare(const struct lines *before, const struct lines *after)
{
	size_t i = 0, j = 0, differences = 0;
	while (i < before->n || j < after->n) {
		int order = i == before->n  ? 1
			    : j == after->n ? -1
					    : by_text(&before->rows[i], &after->rows[j]);
		if (order == 0) {
			i++;
			j++;
			continue;
		}
		if (order < 0)
			print_difference("gone", &before->rows[i++]);
		else
			print_difference("new", &after->rows[j++]);
		differences++;
	}
	return differences;
}

char *file_read(const char *path, size_t *ret_len)
{
	size_t len = 0, cap = 0;
	char *buf = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	for (ssize_t r = 1; r > 0; len += r > 0 ? (size_t)r : 0) {
		if (len == cap) {
			char *bigger = realloc(buf, (cap = cap ? cap * 2 : 4096) + 1);
			if (!bigger)
				fail("out of memory at", path);
			buf = bigger;
		}
		r = read(fd, buf + len, cap - len);
	}
	close(fd);
	buf[len] = '\0';
	*ret_len = len;
	return buf;
}
