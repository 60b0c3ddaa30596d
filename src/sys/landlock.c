#include "sys/landlock.h"

#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/str.h"
#include "sys/calls.h"

#define CREATE_VERSION 1u
#define RULE_PATH 1
#define RULE_PORT 2

/* Own names: the build's <linux/landlock.h> may be older than the kernel. */
static const struct landlock_row rows[] = {
	{ "execute", LANDLOCK_FS, 0, 1 },
	{ "write_file", LANDLOCK_FS, 1, 1 },
	{ "read_file", LANDLOCK_FS, 2, 1 },
	{ "read_dir", LANDLOCK_FS, 3, 1 },
	{ "remove_dir", LANDLOCK_FS, 4, 1 },
	{ "remove_file", LANDLOCK_FS, 5, 1 },
	{ "make_char", LANDLOCK_FS, 6, 1 },
	{ "make_dir", LANDLOCK_FS, 7, 1 },
	{ "make_reg", LANDLOCK_FS, 8, 1 },
	{ "make_sock", LANDLOCK_FS, 9, 1 },
	{ "make_fifo", LANDLOCK_FS, 10, 1 },
	{ "make_block", LANDLOCK_FS, 11, 1 },
	{ "make_sym", LANDLOCK_FS, 12, 1 },
	{ "refer", LANDLOCK_FS, 13, 2 },
	{ "truncate", LANDLOCK_FS, 14, 3 },
	{ "ioctl_dev", LANDLOCK_FS, 15, 5 },
	{ "bind_tcp", LANDLOCK_NET, 0, 4 },
	{ "connect_tcp", LANDLOCK_NET, 1, 4 },
	{ "abstract_unix_socket", LANDLOCK_SCOPE, 0, 6 },
	{ "signal", LANDLOCK_SCOPE, 1, 6 },
	{ "log_same_exec_off", LANDLOCK_FLAGS, 0, 7 },
	{ "log_new_exec_on", LANDLOCK_FLAGS, 1, 7 },
	{ "log_subdomains_off", LANDLOCK_FLAGS, 2, 7 },
};

/* execute, write_file, read_file, truncate, ioctl_dev: the kernel refuses others on a file. */
#define FILE_RIGHTS 0xc007ull

struct ruleset_attr {
	uint64_t fs, net, scope;
};

struct path_attr {
	uint64_t access;
	int32_t fd;
} __attribute__((packed));

struct port_attr {
	uint64_t access, port;
};

const struct landlock_row *landlock_find(enum landlock_set set, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].set == set && streq(rows[i].name, name))
			return &rows[i];
	return NULL;
}

const char *landlock_name(enum landlock_set set, size_t i)
{
	for (size_t k = 0; k < ARRAY_LEN(rows); k++)
		if (rows[k].set == set && i-- == 0)
			return rows[k].name;
	return NULL;
}

static int create(const struct ruleset_attr *a, size_t size, unsigned int flags)
{
	return k_ret(syscall(SYS_landlock_create_ruleset, a, size, flags));
}

int landlock_abi(void)
{
	int abi = create(NULL, 0, CREATE_VERSION);

	return abi < 0 ? 0 : abi;
}

int landlock_open(uint64_t fs, uint64_t net, uint64_t scope, struct err *e)
{
	const struct ruleset_attr a = { fs, net, scope };
	/* An old kernel takes the members that it knows, and the rest only as zeros behind them. */
	int fd = create(&a, sizeof(a), 0);

	return fd < 0 ? err_sys(e, fd, "make Landlock ruleset") : fd;
}

static int add_rule(int ruleset, int type, const void *attr)
{
	return k_ret(syscall(SYS_landlock_add_rule, ruleset, type, attr, 0));
}

int landlock_allow_path(int ruleset, int fd, uint64_t access, struct err *e)
{
	struct path_attr a = { access, fd };
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_sys(e, -errno, "stat path of a Landlock rule");
	if (!S_ISDIR(st.st_mode))
		a.access &= FILE_RIGHTS;
	r = a.access ? add_rule(ruleset, RULE_PATH, &a) : 0;
	return r < 0 ? err_sys(e, r, "add Landlock rule") : 0;
}

int landlock_allow_port(int ruleset, uint16_t port, uint64_t access, struct err *e)
{
	const struct port_attr a = { access, port };
	int r = add_rule(ruleset, RULE_PORT, &a);

	return r < 0 ? err_sys(e, r, "add Landlock rule for port %u", port) : 0;
}

int landlock_restrict(int ruleset, uint32_t flags, struct err *e)
{
	int r = k_ret(syscall(SYS_landlock_restrict_self, ruleset, flags));

	return r < 0 ? err_sys(e, r, "restrict the process by Landlock") : 0;
}
