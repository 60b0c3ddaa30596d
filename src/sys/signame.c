#include "sys/signame.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <strings.h>

#include "base/str.h"

/* The kernel's range; the C library keeps the first two real-time signals for itself. */
#define RT_FIRST 34
#define RT_LAST 64

static const struct {
	char name[8];
	int sig;
} rows[] = {
	{ "HUP", SIGHUP },   { "INT", SIGINT },	  { "QUIT", SIGQUIT },	   { "ILL", SIGILL },
	{ "TRAP", SIGTRAP }, { "ABRT", SIGABRT }, { "BUS", SIGBUS },	   { "FPE", SIGFPE },
	{ "KILL", SIGKILL }, { "USR1", SIGUSR1 }, { "SEGV", SIGSEGV },	   { "USR2", SIGUSR2 },
	{ "PIPE", SIGPIPE }, { "ALRM", SIGALRM }, { "TERM", SIGTERM },	   { "STKFLT", SIGSTKFLT },
	{ "CHLD", SIGCHLD }, { "CONT", SIGCONT }, { "STOP", SIGSTOP },	   { "TSTP", SIGTSTP },
	{ "TTIN", SIGTTIN }, { "TTOU", SIGTTOU }, { "URG", SIGURG },	   { "XCPU", SIGXCPU },
	{ "XFSZ", SIGXFSZ }, { "PROF", SIGPROF }, { "VTALRM", SIGVTALRM }, { "WINCH", SIGWINCH },
	{ "IO", SIGIO },     { "PWR", SIGPWR },	  { "SYS", SIGSYS },	   { "IOT", SIGABRT },
	{ "CLD", SIGCHLD },  { "POLL", SIGIO },
};

static int parse_rt(const char *s)
{
	int64_t n = 0;

	if (strncasecmp(s, "RTMIN", 5) == 0)
		return !s[5] ? RT_FIRST
		       : s[5] == '+' && str_to_i64(s + 6, 0, RT_LAST - RT_FIRST, &n) == 0
			       ? RT_FIRST + (int)n
			       : -EINVAL;
	if (strncasecmp(s, "RTMAX", 5) == 0)
		return !s[5] ? RT_LAST
		       : s[5] == '-' && str_to_i64(s + 6, 0, RT_LAST - RT_FIRST, &n) == 0
			       ? RT_LAST - (int)n
			       : -EINVAL;
	return -EINVAL;
}

int signame_parse(const char *s)
{
	int64_t n;

	if (str_to_i64(s, 0, RT_LAST, &n) == 0)
		return (int)n;
	if (strncasecmp(s, "SIG", 3) == 0)
		s += 3;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcasecmp(rows[i].name, s) == 0)
			return rows[i].sig;
	return parse_rt(s);
}

const char *signame_of(int sig)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].sig == sig)
			return rows[i].name;
	return NULL;
}
