#include "oci/annotation.h"

#include <errno.h>

#include "base/err.h"
#include "base/str.h"

static const struct {
	const char *key;
	const char *refusal; /* NULL: it is honoured */
} rows[] = {
	{ ANNOTATION_LANDLOCK, NULL },
	{ "run.oci.delegate-cgroup", "a group below the container's for its payload" },
	{ "run.oci.handler", "virtual machines and WebAssembly in place of a process" },
	{ ANNOTATION_HOOKS_STDERR, NULL },
	{ ANNOTATION_HOOKS_STDOUT, NULL },
	{ ANNOTATION_KEEP_GROUPS, NULL },
	{ ANNOTATION_MOUNT_CONTEXT, NULL },
	{ ANNOTATION_PIDFD_RECEIVER, NULL },
	{ "run.oci.seccomp.plugins", "loading libraries into the runtime" },
	{ ANNOTATION_SECCOMP_RECEIVER, NULL },
	{ ANNOTATION_SECCOMP_BPF, NULL },
	{ ANNOTATION_FAIL_UNKNOWN, NULL },
	{ ANNOTATION_FORCE_V1, NULL },
	{ ANNOTATION_SUBGROUP, NULL },
	{ ANNOTATION_SYSTEMD, NULL },
};

const char *annotation_get(const struct oci_spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->annotations.n; i++)
		if (streq(spec->annotations.v[i].key, key))
			return spec->annotations.v[i].value;
	return NULL;
}

const char *annotation_name(size_t i)
{
	for (size_t k = 0; k < ARRAY_LEN(rows); k++)
		if (!rows[k].refusal && i-- == 0)
			return rows[k].key;
	return NULL;
}

int annotation_check(const struct oci_spec *spec, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *value = rows[i].refusal ? annotation_get(spec, rows[i].key) : NULL;

		if (value && *value)
			return err_set_code(e, -EOPNOTSUPP, ERR_UNIMPLEMENTED,
					    "annotation %s=%s: %s is not supported", rows[i].key,
					    value, rows[i].refusal);
	}
	return 0;
}
