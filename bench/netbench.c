/*
 * ADD and DEL of a chain of bridge, host-local and portmap: netbench ROUNDS [FOLDER...]. In process, then with the programs of
 * each folder in turn. In a network namespace and with a temporary folder of one's own: bench/net.sh sees to that.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "net/cni/cni.h"

#define ROUNDS_MAX 2000
/* The first ones make the bridge and the table, and are not counted. */
#define WARM_UP 3

static const char conf[] =
	"{\"cniVersion\":\"1.0.0\",\"name\":\"bench\",\"plugins\":["
	"{\"type\":\"bridge\",\"bridge\":\"bench0\",\"isGateway\":true,\"ipMasq\":true,"
	"\"ipam\":{\"type\":\"host-local\",\"dataDir\":\"ipam\",\"subnet\":\"10.99.0.0/16\"}},"
	"{\"type\":\"portmap\",\"capabilities\":{\"portMappings\":true}}]}";
static const char args[] =
	"{\"portMappings\":[{\"hostPort\":8080,\"containerPort\":80,\"protocol\":\"tcp\"}]}";

struct figures {
	int64_t add_ns[ROUNDS_MAX], del_ns[ROUNDS_MAX];
	int64_t cpu_us; /* of all counted rounds */
	size_t n;
};

static int64_t cpu_us(void)
{
	int64_t sum = 0;
	struct rusage u;

	for (int who = RUSAGE_CHILDREN; who <= RUSAGE_SELF; who++) {
		getrusage(who, &u);
		sum += (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000LL + u.ru_utime.tv_usec +
		       u.ru_stime.tv_usec;
	}
	return sum;
}

/* A new network namespace; the caller stays where it was. */
static int new_namespace(void)
{
	AUTO_FD back = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd;

	if (back < 0 || unshare(CLONE_NEWNET) < 0)
		return -errno;
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (setns(back, CLONE_NEWNET) < 0)
		abort();
	return fd;
}

static int round_of(const struct cni_runtime *rt, const struct cni_network *n, struct figures *f,
		    bool is_counted, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FD fd = new_namespace();
	AUTO_FREE char *path = str_printf("/proc/%d/fd/%d", getpid(), fd);
	struct cni_attach at = { "bench", "eth0", path, fd, NULL, { args, sizeof(args) - 1 } };
	struct cni_result *result;
	int64_t began = clock_mono_ns(), cpu = cpu_us(), added;
	int r = cni_add(rt, n, &at, &a, &result, e);

	added = clock_mono_ns();
	/* The container has ended, and its namespace with it. */
	fd_closep(&fd);
	at.netns_fd = -EBADF;
	at.netns_path = NULL;
	r = r < 0 ? r : cni_del(rt, n, &at, e);
	if (r < 0 || !is_counted)
		return r;
	f->add_ns[f->n] = added - began;
	f->del_ns[f->n++] = clock_mono_ns() - added;
	f->cpu_us += cpu_us() - cpu;
	return 0;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void print(const char *name, struct figures *f)
{
	qsort(f->add_ns, f->n, sizeof(*f->add_ns), compare);
	qsort(f->del_ns, f->n, sizeof(*f->del_ns), compare);
	printf("%-24s %10.2f %10.2f %10.2f %10.2f %10.2f\n", name, (double)f->cpu_us / f->n / 1000,
	       f->add_ns[0] / 1e6, f->add_ns[f->n / 2] / 1e6, f->del_ns[0] / 1e6,
	       f->del_ns[f->n / 2] / 1e6);
}

/* `folder` NULL: in process. */
static int measure(const char *folder, size_t rounds, struct err *e)
{
	static struct figures f;
	AUTO_ARENA struct arena a = { 0 };
	struct cni_runtime rt = { .bin_path = folder ? folder : "none", .cache_dir = "cache" };
	struct cni_network *n;
	int r = cni_network_parse(NULL, conf, sizeof(conf) - 1, &a, &n, e);

	f = (struct figures){ .n = 0 };
	if (r == 0)
		n->is_builtin = !folder;
	for (size_t i = 0; i < rounds + WARM_UP && r == 0; i++)
		r = round_of(&rt, n, &f, i >= WARM_UP, e);
	if (r == 0)
		print(folder ? folder : "in process", &f);
	return r;
}

int main(int argc, char **argv)
{
	size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 50;
	struct err e = ERR_INIT;

	printf("%-24s %10s %10s %10s %10s %10s\n", "ms", "CPU both", "ADD min", "ADD median",
	       "DEL min", "DEL median");
	if (rounds == 0 || rounds > ROUNDS_MAX || measure(NULL, rounds, &e) < 0) {
		fprintf(stderr, "netbench: %s\n", e.msg);
		return 1;
	}
	for (int i = 2; i < argc; i++) {
		e = ERR_INIT;
		if (measure(argv[i], rounds, &e) < 0)
			fprintf(stderr, "netbench: %s: %s\n", argv[i], e.msg);
	}
	return 0;
}
