#include "oci/seccomp_cache.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/str.h"
#include "codec/base64.h"
#include "codec/digest.h"
#include "oci/annotation.h"
#include "spec/seccomp_blob.h"

#define HELPER "corten-seccomp"
#define COMPILE_TIMEOUT_MS 10000
#define FILE_MAX (SECCOMP_BLOB_BYTES_MAX + SHA256_LEN)
_Static_assert(sizeof(struct sock_filter) == SECCOMP_BLOB_INSN_SIZE,
	       "a filter's instruction has 8 bytes");

static int find_helper(char **ret, struct stat *st)
{
	AUTO_FREE char *path = NULL;
	int r = proc_program_find(HELPER, &path);

	if (r < 0)
		return r;
	if (stat(path, st) < 0)
		return -errno;
	*ret = TAKE_PTR(path);
	return 0;
}

static void hex_key(const uint8_t sum[SHA256_LEN], char key[72])
{
	for (size_t i = 0; i < SHA256_LEN; i++)
		snprintf(key + 2 * i, 3, "%02x", sum[i]);
}

static void make_key(const struct strbuf *profile, const struct stat *helper, bool fails_unknown,
		     char key[72])
{
	struct utsname u;
	struct sha256 h;
	uint8_t sum[SHA256_LEN];
	struct {
		uint64_t dev, ino, size, mtime, options;
	} id = { helper->st_dev, helper->st_ino, (uint64_t)helper->st_size,
		 (uint64_t)helper->st_mtim.tv_sec * 1000000000u + (uint64_t)helper->st_mtim.tv_nsec,
		 fails_unknown };

	uname(&u);
	sha256_init(&h);
	sha256_update(&h, SECCOMP_BLOB_MAGIC CORTEN_VERSION,
		      strlen(SECCOMP_BLOB_MAGIC CORTEN_VERSION));
	sha256_update(&h, u.machine, strlen(u.machine) + 1);
	/* A new libseccomp comes with a new build of the helper; its file tells without executing it. */
	sha256_update(&h, &id, sizeof(id));
	sha256_update(&h, profile->p, profile->len);
	sha256_final(&h, sum);
	hex_key(sum, key);
}

static int take_blob(const char *p, size_t len, struct arena *a, struct seccomp_ready *ret)
{
	struct seccomp_blob b;
	struct sock_filter *f;

	if (!seccomp_blob_check(p, len))
		return -EBADMSG;
	memcpy(&b, p, sizeof(b));
	f = arena_calloc(a, b.insns, sizeof(*f));
	if (!f)
		return -ENOMEM;
	memcpy(f, p + sizeof(b), b.insns * sizeof(*f));
	*ret = (struct seccomp_ready){ .is_set = true,
				       .prog = { (unsigned short)b.insns, f },
				       .flags = b.flags };
	return 0;
}

static int open_cache(int root, bool is_made)
{
	AUTO_FD top = is_made ? dir_open_make_at(root, ".cache", 0700)
			      : openat(root, ".cache",
				       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int fd;

	if (top < 0)
		return is_made ? top : -errno;
	if (is_made)
		return dir_open_make_at(top, "seccomp", 0700);
	fd = openat(top, "seccomp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A file is its blob with the blob's SHA-256 behind. */
static int load(int root, const char *key, struct arena *a, struct seccomp_ready *ret)
{
	AUTO_FD dir = open_cache(root, false);
	AUTO_FD fd = dir < 0 ? dir
			     : openat(dir, key, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_FREE char *text = NULL;
	uint8_t sum[SHA256_LEN];
	struct sha256 h;
	struct stat st;
	size_t len;
	int r;

	if (fd < 0)
		return dir < 0 ? dir : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)
		return -EPERM;
	r = fd_read_all(fd, FILE_MAX, &text, &len);
	if (r < 0)
		return r;
	if (len <= SHA256_LEN)
		return -EBADMSG;
	len -= SHA256_LEN;
	sha256_init(&h);
	sha256_update(&h, text, len);
	sha256_final(&h, sum);
	return memcmp(sum, text + len, SHA256_LEN) ? -EBADMSG : take_blob(text, len, a, ret);
}

static int store(int root, const char *key, const char *blob, size_t len)
{
	AUTO_FD dir = open_cache(root, true);
	AUTO_STRBUF struct strbuf b = { 0 };
	uint8_t sum[SHA256_LEN];
	struct sha256 h;
	int r;

	if (dir < 0)
		return dir;
	sha256_init(&h);
	sha256_update(&h, blob, len);
	sha256_final(&h, sum);
	strbuf_add(&b, blob, len);
	strbuf_add(&b, sum, sizeof(sum));
	r = strbuf_ok(&b);
	return r < 0 ? r : file_replace_at(dir, key, b.p, b.len, 0600, 0);
}

/* proc_run's output is text and stderr alike, so the blob goes into a file of its own. */
static int compile(const char *helper, const struct strbuf *profile, bool fails_unknown, char **ret,
		   size_t *ret_len, struct err *e)
{
	char *argv[] = { (char *)HELPER, (char *)"compile",
			 fails_unknown ? (char *)"--fail-unknown" : NULL, NULL };
	AUTO_FD in = memfd_create("profile", MFD_CLOEXEC);
	AUTO_FD out = memfd_create("filter", MFD_CLOEXEC);
	struct spawn_fd fds[] = { { in, 0 }, { out, 1 }, { 2, 2 } };
	struct spawn_options o = {
		.path = helper, .argv = argv, .fds = fds, .fds_len = 3, .dies_with_parent = true
	};
	struct child c = { 0 };
	int status = 0, r;

	if (in < 0 || out < 0)
		return err_sys(e, -errno, "make memfd");
	r = fd_write_full(in, profile->p, profile->len);
	if (r == 0 && lseek(in, 0, SEEK_SET) < 0)
		r = -errno;
	if (r < 0)
		return err_sys(e, r, "write profile");
	r = proc_spawn(&o, &c, e);
	if (r < 0)
		return r;
	r = proc_wait(&c, COMPILE_TIMEOUT_MS, &status);
	if (r < 0) {
		proc_kill_wait(&c);
		return err_sys(e, r, "wait for %s", HELPER);
	}
	if (status != 0)
		return err_set(e, -EINVAL, "%s cannot compile linux.seccomp (exit status %d)",
			       HELPER, status);
	if (lseek(out, 0, SEEK_SET) < 0)
		return err_sys(e, -errno, "read filter");
	r = fd_read_all(out, SECCOMP_BLOB_BYTES_MAX, ret, ret_len);
	return r < 0 ? err_sys(e, r, "read filter") : 0;
}

int seccomp_cache_make(int root, const struct oci_seccomp *profile, bool fails_unknown,
		       struct arena *a, struct seccomp_ready *ret, char key[72], struct err *e)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	AUTO_FREE char *helper = NULL, *blob = NULL;
	struct stat st;
	size_t len;
	int r;

	key[0] = '\0';
	*ret = (struct seccomp_ready){ 0 };
	if (!profile || !profile->default_action)
		return 0;
	json_write(&oci_seccomp_table, profile, 0, &text);
	r = strbuf_ok(&text);
	if (r == 0)
		r = find_helper(&helper, &st);
	if (r < 0)
		return err_set_code(e, r, ERR_UNAVAILABLE,
				    "linux.seccomp is asked for, but %s is not installed", HELPER);
	make_key(&text, &st, fails_unknown, key);
	r = load(root, key, a, ret);
	if (r == 0)
		return 0;
	r = compile(helper, &text, fails_unknown, &blob, &len, e);
	if (r < 0)
		return r;
	r = take_blob(blob, len, a, ret);
	if (r < 0)
		return err_set(e, r, "%s gave no valid filter", HELPER);
	/* A cache that cannot be written costs time only. */
	store(root, key, blob, len);
	return 0;
}

int seccomp_cache_take(int root, const char *base64, bool has_listener, struct arena *a,
		       struct seccomp_ready *ret, char key[72], struct err *e)
{
	size_t len = strlen(base64);
	char *blob = arena_alloc(a, sizeof(struct seccomp_blob) + BASE64_RAW_MAX(len));
	struct seccomp_blob head = { .magic = SECCOMP_BLOB_MAGIC,
				     .flags = has_listener ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0,
				     .has_listener = has_listener };
	uint8_t sum[SHA256_LEN];
	struct sha256 h;
	ssize_t n;

	if (!blob)
		return err_sys(e, -ENOMEM, "read seccomp filter");
	n = base64_decode(BASE64_STANDARD, base64, len, blob + sizeof(head));
	if (n < 0 || n % SECCOMP_BLOB_INSN_SIZE)
		return err_set(e, -EINVAL,
			       "annotation " ANNOTATION_SECCOMP_BPF
			       ": no base64 of whole instructions");
	head.insns = (uint32_t)(n / SECCOMP_BLOB_INSN_SIZE);
	memcpy(blob, &head, sizeof(head));
	len = sizeof(head) + (size_t)n;
	if (take_blob(blob, len, a, ret) < 0)
		return err_set(e, -EINVAL,
			       "annotation " ANNOTATION_SECCOMP_BPF
			       ": not between 1 and %d instructions",
			       SECCOMP_BLOB_INSNS_MAX);
	sha256_init(&h);
	sha256_update(&h, blob, len);
	sha256_final(&h, sum);
	hex_key(sum, key);
	/* Here it is more than a cache: exec finds the filter by its key, and by nothing else. */
	n = store(root, key, blob, len);
	return n < 0 ? err_sys(e, (int)n, "save seccomp filter") : 0;
}

int seccomp_cache_get(int root, const char *key, struct arena *a, struct seccomp_ready *ret,
		      struct err *e)
{
	int r = load(root, key, a, ret);

	return r < 0 ? err_sys(e, r, "load seccomp filter of the container") : 0;
}
