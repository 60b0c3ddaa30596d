/* Whole image archives: outer compression, tar, JSON, choice, record. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/err.h"
#include "base/fd.h"
#include "worker/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int open_sink(struct parse *p, uint64_t index, struct err *e)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)p, (void)index;
	return fd < 0 ? err_sys(e, -errno, "open") : fd;
}

static int take_entry(struct parse *p, uint64_t index, int64_t size, const char *digest,
		      struct err *e)
{
	(void)p, (void)index, (void)e;
	ASSERT(size >= 0 && digest_is_valid(digest));
	return 0;
}

/* What is sent must be readable by the other side. */
static int take_image(struct parse *p, const char *json, size_t len, struct err *e)
{
	static const struct json_limits lim = { .bytes = (size_t)8 << 20 };
	AUTO_ARENA struct arena a = { 0 };
	struct image_offer offer;

	(void)p, (void)e;
	ASSERT(json_read(&image_offer_table, json, len, &lim, &a, &offer, NULL) == 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct parse_peer peer = { open_sink, take_entry, take_image };
	struct parse p = { .peer = &peer, .a = { .budget = (size_t)48 << 20 } };
	AUTO_FD fd = memfd_create("archive", MFD_CLOEXEC);
	struct err e = ERR_INIT;

	if (fd < 0 || fd_write_full(fd, data, len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	parse_platform_read("linux/amd64", &p.platform, &e);
	(void)parse_run(&p, fd, NULL, NULL, &e);
	arena_done(&p.a);
	free(p.entries);
	return 0;
}
