#pragma once
/* Signal names and numbers, as kill(1) and runc take them. Safe after fork: yes. */

/* "9", "KILL", "SIGKILL", "sigkill", "RTMIN+3" to the number; -EINVAL. */
int signame_parse(const char *s);
/* "KILL" for 9, or NULL. */
const char *signame_of(int sig);
