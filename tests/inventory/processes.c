/*
 * Whose a process is, is decided in this order:
 * it names a folder of the instance (arguments, environment, executable, cwd, root, an open file) and
 * means the same folder: ours; it names another instance's: other; it has a name of Corten or lives on
 * mounts from the instance: whoever its nearest decided ancestor belongs to, else ours. Children follow
 * their parents. A cgroup with a name of Corten decides nothing: other instances have those too.
 */
#include "inventory.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANCESTORS_MAX 256
#define FDS_MAX 4096
#define COMMAND_SHOWN 160

static const char *const namespace_types[] = { "cgroup", "ipc",	 "mnt",	 "net",
					       "pid",	 "time", "user", "uts" };
#define NAMESPACE_TYPES (sizeof(namespace_types) / sizeof(namespace_types[0]))

/* Where another instance would show in arguments and environment. */
static const char *const instance_marks[] = { "CORTEN_ROOT=", "CORTEN_STATE=" };

static int by_pid(const void *a, const void *b)
{
	return ((const struct process *)a)->pid - ((const struct process *)b)->pid;
}

const struct process *processes_find(const struct inventory *inv, pid_t pid)
{
	struct process key = { .pid = pid };
	if (!inv->n_processes)
		return NULL;
	return bsearch(&key, inv->processes, inv->n_processes, sizeof(key), by_pid);
}

/* Reads the link /proc/PID/WHAT; false when there is none. */
static bool read_link(pid_t pid, const char *what, char *buf, size_t size)
{
	char path[300];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	ssize_t n = readlink(path, buf, size - 1);
	if (n < 0)
		return false;
	buf[n] = '\0';
	return true;
}

static char *read_text(pid_t pid, const char *what, size_t *ret_len)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	return file_read(path, ret_len);
}

/* True when the text sets a root or state folder; that it is not ours was asked before. */
static bool names_some_instance(const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof(instance_marks) / sizeof(instance_marks[0]); i++) {
		size_t n = strlen(instance_marks[i]);
		const char *at = memmem(text, len, instance_marks[i], n);
		if (at && at[n])
			return true;
	}
	return text_names_path(text, len, ROOT_DEFAULT) ||
	       text_names_path(text, len, STATE_DEFAULT);
}

static enum owner owner_of_text(const struct inventory *inv, const char *text, size_t len)
{
	if (inventory_is_named(inv, text, len))
		return OWNER_OURS;
	return names_some_instance(text, len) ? OWNER_OTHER : OWNER_NONE;
}

static enum owner better(enum owner a, enum owner b)
{
	return a > b ? a : b;
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool is_in_our_mounts(pid_t pid)
{
	char own[64], its[64];
	return read_link(pid, "ns/mnt", its, sizeof(its)) &&
	       read_link(getpid(), "ns/mnt", own, sizeof(own)) && strcmp(own, its) == 0;
}

/* True when the folder of ours is the same folder for the process, whatever its mounts are. */
static bool sees_folder(pid_t pid, const char *folder)
{
	char path[PATH_BUF + 64];
	snprintf(path, sizeof(path), "/proc/%d/root%s", pid, folder);
	return is_same_file(path, folder);
}

/* In a mount namespace of its own a path may be another file: then it must be the same one. */
static enum owner owner_of_link(const struct inventory *inv, pid_t pid, const char *link,
				bool is_same_view)
{
	char target[PATH_BUF], path[300];
	if (!read_link(pid, link, target, sizeof(target)))
		return OWNER_NONE;
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, link);
	enum owner owner = owner_of_text(inv, target, strlen(target));
	if (owner == OWNER_NONE || is_same_view || is_same_file(path, target))
		return owner;
	return OWNER_NONE;
}

static enum owner owner_of_links(const struct inventory *inv, pid_t pid, bool is_same_view)
{
	static const char *const links[] = { "exe", "cwd", "root" };
	char path[64], name[280];
	enum owner owner = OWNER_NONE;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		owner = better(owner, owner_of_link(inv, pid, links[i], is_same_view));
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		snprintf(name, sizeof(name), "fd/%s", e->d_name);
		if (e->d_name[0] != '.')
			owner = better(owner, owner_of_link(inv, pid, name, is_same_view));
	}
	if (d)
		closedir(d);
	return owner;
}

static bool is_named_corten(const struct process *p)
{
	return strncmp(p->name, "corten", 6) == 0 ||
	       strncmp(p->name, "containerd-shim-corten", 22) == 0;
}

/*
 * True for another command of the test that runs us, such as the sort in `inventory snapshot | sort`: it
 * has the instance in its environment only because the test has. Orphans are init's children, so not.
 */
static bool is_of_the_test(const struct inventory *inv, const struct process *p)
{
	const struct process *parent = processes_find(inv, p->parent);
	return parent && parent->owner == OWNER_SELF && parent->pid != 1 && !is_named_corten(p);
}

static enum owner owner_of_texts(const struct inventory *inv, const struct process *p)
{
	static const char *const texts[] = { "cmdline", "environ" };
	enum owner owner = OWNER_NONE;
	size_t len, n = is_of_the_test(inv, p) ? 1 : 2;
	for (size_t i = 0; i < n && owner != OWNER_OURS; i++) {
		char *text = read_text(p->pid, texts[i], &len);
		if (text)
			owner = better(owner, owner_of_text(inv, text, len));
		free(text);
	}
	return owner;
}

static bool is_in_our_pids(pid_t pid)
{
	char own[64], its[64];
	return read_link(getpid(), "ns/pid", own, sizeof(own)) &&
	       read_link(pid, "ns/pid", its, sizeof(its)) && strcmp(own, its) == 0;
}

/* A shim or runtime that stands in the task folder of another instance, or is a test's in another pid namespace. */
static bool is_of_another(const struct inventory *inv, const struct process *p)
{
	char cwd[PATH_BUF];
	if (p->is_zombie || !is_in_our_pids(p->pid))
		return true;
	return read_link(p->pid, "cwd", cwd, sizeof(cwd)) && strstr(cwd, "/tasks/") &&
	       strncmp(cwd, inv->state, strlen(inv->state)) != 0;
}

/* Weak signs: a name of Corten, or mounts from the instance in a mount namespace of its own. */
static bool has_weak_sign(const struct inventory *inv, const struct process *p, bool is_same_view)
{
	if (is_named_corten(p) && !is_of_another(inv, p))
		return true;
	size_t len;
	char *text = is_same_view ? NULL : read_text(p->pid, "mountinfo", &len);
	bool has_mounts = text && mounts_are_ours(inv, text);
	free(text);
	return has_mounts;
}

static enum owner owner_of_process(const struct inventory *inv, const struct process *p)
{
	bool is_same_view = is_in_our_mounts(p->pid);
	enum owner owner = owner_of_texts(inv, p);
	if (owner == OWNER_OURS && !is_same_view && !sees_folder(p->pid, inv->root) &&
	    !sees_folder(p->pid, inv->state))
		owner = OWNER_OTHER;
	if (owner != OWNER_OURS)
		owner = better(owner, owner_of_links(inv, p->pid, is_same_view));
	if (owner != OWNER_NONE)
		return owner;
	return has_weak_sign(inv, p, is_same_view) ? OWNER_WEAK : OWNER_NONE;
}

/* Reads name, state and parent; false for a kernel thread or a process that is gone. */
static bool read_process(struct process *p)
{
	char exe[PATH_BUF], state;
	size_t len;
	char *stat = read_text(p->pid, "stat", &len);
	char *open = stat ? strchr(stat, '(') : NULL, *close = stat ? strrchr(stat, ')') : NULL;
	bool ok = open && close && sscanf(close + 1, " %c %d", &state, &p->parent) == 2;
	if (ok) {
		p->is_zombie = state == 'Z' || state == 'X';
		snprintf(p->name, sizeof(p->name), "%.*s", (int)(close - open - 1), open + 1);
		ok = p->parent != 2 && p->pid != 2;
	}
	free(stat);
	if (ok && read_link(p->pid, "exe", exe, sizeof(exe))) {
		char *slash = strrchr(exe, '/'), *end = strstr(exe, " (deleted)");
		if (end)
			*end = '\0';
		if (slash)
			snprintf(p->name, sizeof(p->name), "%.*s", (int)sizeof(p->name) - 1,
				 slash + 1);
	}
	return ok;
}

/* The nearest decided ancestor passes its owner on; SELF passes nothing. */
static enum owner inherited_owner(const struct inventory *inv, const struct process *p)
{
	for (int i = 0; p && i < ANCESTORS_MAX; i++) {
		if (p->owner == OWNER_OURS || p->owner == OWNER_OTHER)
			return p->owner;
		if (p->owner == OWNER_SELF)
			return OWNER_NONE;
		p = processes_find(inv, p->parent);
	}
	return OWNER_NONE;
}

static void mark_self(struct inventory *inv)
{
	pid_t pid = getpid();
	for (int i = 0; i < ANCESTORS_MAX && pid; i++) {
		struct process *p = (struct process *)processes_find(inv, pid);
		if (!p)
			return;
		p->owner = OWNER_SELF;
		pid = p->parent;
	}
}

void processes_scan(struct inventory *inv)
{
	size_t cap = 0;
	DIR *d = opendir("/proc");
	if (!d)
		fail("cannot read", "/proc");
	for (struct dirent *e; (e = readdir(d));) {
		struct process p = { .pid = (pid_t)strtol(e->d_name, NULL, 10) };
		if (!isdigit((unsigned char)e->d_name[0]) || !read_process(&p))
			continue;
		if (inv->n_processes == cap) {
			cap = cap ? cap * 2 : 128;
			struct process *all = realloc(inv->processes, cap * sizeof(p));
			if (!all)
				fail("out of memory at", "/proc");
			inv->processes = all;
		}
		inv->processes[inv->n_processes++] = p;
	}
	closedir(d);
	if (inv->n_processes)
		qsort(inv->processes, inv->n_processes, sizeof(*inv->processes), by_pid);
	mark_self(inv);
	for (size_t i = 0; i < inv->n_processes; i++)
		if (inv->processes[i].owner != OWNER_SELF)
			inv->processes[i].owner = owner_of_process(inv, &inv->processes[i]);
	for (size_t i = 0; i < inv->n_processes; i++) {
		struct process *p = &inv->processes[i];
		enum owner from = inherited_owner(inv, p);
		if (p->owner == OWNER_NONE || p->owner == OWNER_WEAK)
			p->owner = from != OWNER_NONE ? from : p->owner;
	}
	for (size_t i = 0; i < inv->n_processes; i++)
		if (inv->processes[i].owner == OWNER_WEAK) {
			inv->processes[i].owner = OWNER_OURS;
			inv->processes[i].is_guess = true;
		}
}

static void add_process(struct inventory *inv, const struct process *p, const char *note)
{
	size_t len = 0;
	char *command = read_text(p->pid, "cmdline", &len);
	for (size_t i = 0; command && i + 1 < len; i++)
		if (!command[i])
			command[i] = ' ';
	lines_add(inv, "process", note, "%s%s %.*s", p->name, p->is_zombie ? " [zombie]" : "",
		  COMMAND_SHOWN, command ? command : "");
	free(command);
}

/* One line for each namespace that is not this program's own; `seen` keeps those listed already. */
static void add_namespaces(struct inventory *inv, const struct process *p, struct lines *seen)
{
	char what[32], own[64], its[64];
	for (size_t i = 0; i < NAMESPACE_TYPES; i++) {
		bool is_new = true;
		snprintf(what, sizeof(what), "ns/%s", namespace_types[i]);
		if (!read_link(p->pid, what, its, sizeof(its)) ||
		    !read_link(getpid(), what, own, sizeof(own)) || strcmp(own, its) == 0)
			continue;
		for (size_t j = 0; j < seen->n && is_new; j++)
			is_new = strcmp(seen->rows[j].text, its) != 0;
		if (!is_new)
			continue;
		lines_add_row(seen, its, NULL);
		lines_add(inv, "namespace", its, "%s of %s", namespace_types[i], p->name);
	}
}

/* "socket:[123]" becomes "socket": numbers of sockets, pipes and namespaces differ each time. */
static void strip_number(char *target)
{
	char *open = strstr(target, ":[");
	if (open && target[0] != '/' && isdigit((unsigned char)open[2]))
		*open = '\0';
}

static void add_fds(struct inventory *inv, const struct process *p, const char *note)
{
	char path[64], name[280], target[PATH_BUF];
	int count = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", p->pid);
	DIR *d = opendir(path);
	for (struct dirent *e; d && count < FDS_MAX && (e = readdir(d));) {
		snprintf(name, sizeof(name), "fd/%s", e->d_name);
		if (e->d_name[0] == '.' || !read_link(p->pid, name, target, sizeof(target)))
			continue;
		strip_number(target);
		lines_add(inv, "fd", note, "%s %.1024s", p->name, target);
		count++;
	}
	if (d)
		closedir(d);
	lines_add(inv, "fd", note, "%s count %d", p->name, count);
}

void add_processes(struct inventory *inv)
{
	struct lines seen = { 0 };
	char note[32];
	for (size_t i = 0; i < inv->n_processes; i++) {
		const struct process *p = &inv->processes[i];
		if (p->owner != OWNER_OURS)
			continue;
		snprintf(note, sizeof(note), "pid %d%s", p->pid, p->is_guess ? ", by signs" : "");
		add_process(inv, p, note);
		if (p->is_zombie)
			continue;
		if (inventory_wants(inv, "namespace"))
			add_namespaces(inv, p, &seen);
		if (inventory_wants(inv, "fd"))
			add_fds(inv, p, note);
	}
	lines_done(&seen);
}
