#pragma once
/*
 * The exit journal: file "exits" in the task folder, one record of fixed size for each process that ended,
 * written before anybody hears of it. A record torn by a crash is cut off at the next opening; readers need
 * no lock and stop at the first record whose check sum is wrong. Safe after fork: no.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define JOURNAL_ID_MAX 128

enum journal_flags {
	JOURNAL_OOM = 1 << 0,	  /* the cgroup saw an OOM kill */
	JOURNAL_GUESSED = 1 << 1, /* nobody could tell the status */
	JOURNAL_COMMAND = 1 << 2, /* not an exit: the exit command was started */
};

struct journal_record {
	uint32_t magic;
	uint32_t flags;
	uint64_t seq; /* from 1 */
	int64_t exited_at_ns;
	int32_t pid;
	uint32_t status;
	char exec_id[JOURNAL_ID_MAX]; /* "" for the init */
	uint32_t zero;
	uint32_t sum;
};

struct journal {
	int fd;
	uint64_t seq; /* of the last record */
};

/* Opens for appending and cuts a torn tail. 0 or -errno. */
int journal_open(int task_fd, struct journal *ret);
/* Fills in magic, seq and sum, and writes. 0 or -errno. */
int journal_append(struct journal *j, struct journal_record *r);
void journal_close(struct journal *j);
/*
 * The last record of a process whose flags hold all of `with` and none of `without`. -ENOENT when there is
 * none.
 */
int journal_find(int task_fd, const char *exec_id, unsigned int with, unsigned int without,
		 struct journal_record *ret);
