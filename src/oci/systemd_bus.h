#pragma once
/*
 * systemd's manager over D-Bus, as verbs: one connection, one unit at a time, every wait with a deadline.
 *
 * Links libsystemd (sd-bus), so corten-systemd alone may use it. Errors have systemd's own words behind runc's.
 * Source: org.freedesktop.systemd1(5). Safe after fork: no.
 */
#include <stdbool.h>
#include <stdint.h>

struct err;
struct sd_bus;
struct systemd_call;

struct systemd_bus {
	struct sd_bus *bus;
	uint32_t version; /* of systemd; 0 until something asks */
};

/*
 * The system's bus, or with `is_user` the bus of the caller's own manager; where no bus runs, the manager's
 * private socket. A connection that is refused because the bus is busy is tried again.
 */
int systemd_bus_open(bool is_user, struct systemd_bus *ret, struct err *e);
void systemd_bus_done(struct systemd_bus *b);

/* Makes the scope with the process `pid` in it and waits for the job. A failed unit of that name is reset. */
int systemd_bus_start(struct systemd_bus *b, const struct systemd_call *c, uint32_t pid,
		      struct err *e);
int systemd_bus_set(struct systemd_bus *b, const struct systemd_call *c, struct err *e);
/* `sub`: "/a" below the unit's group, or "". */
int systemd_bus_attach(struct systemd_bus *b, const char *unit, const char *sub, uint32_t pid,
		       struct err *e);
/* Fine when the unit is not there. */
int systemd_bus_stop(struct systemd_bus *b, const struct systemd_call *c, struct err *e);
