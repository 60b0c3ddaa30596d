#include "oci/systemd_bus.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "spec/systemd_call.h"

#define SERVICE "org.freedesktop.systemd1"
#define OBJECT "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"
#define PRIVATE "unix:path=/run/systemd/private"
#define NO_SUCH_UNIT "org.freedesktop.systemd1.NoSuchUnit"
#define UNIT_EXISTS "org.freedesktop.systemd1.UnitExists"

/* runc's deadline for a job. */
#define JOB_TIMEOUT_MS 30000
/* A bus with hundreds of starts at a time answers EAGAIN to a connect. */
#define CONNECT_TRIES 20
#define CONNECT_PAUSE_MS 50

#define AUTO_MESSAGE CLEANUP(sd_bus_message_unrefp) sd_bus_message
#define AUTO_BUS_ERROR CLEANUP(sd_bus_error_free) sd_bus_error

static int open_private(bool is_user, sd_bus **ret)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	AUTO_FREE char *address = NULL;
	CLEANUP(sd_bus_unrefp) sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	if (is_user && (!run || *run != '/'))
		return -ENOMEDIUM;
	if (is_user)
		address = str_printf("unix:path=%s/systemd/private", run);
	if (r >= 0 && is_user && !address)
		r = -ENOMEM;
	if (r >= 0)
		r = sd_bus_set_address(bus, is_user ? address : PRIVATE);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r >= 0)
		*ret = TAKE_PTR(bus);
	return r;
}

int systemd_bus_open(bool is_user, struct systemd_bus *ret, struct err *e)
{
	sd_bus *bus = NULL;
	int r = -EAGAIN;

	for (int try = 0; r == -EAGAIN && try < CONNECT_TRIES; try++) {
		if (try > 0)
			poll(NULL, 0, CONNECT_PAUSE_MS);
		r = is_user ? sd_bus_open_user(&bus) : sd_bus_open_system(&bus);
	}
	if (r < 0 && open_private(is_user, &bus) >= 0)
		r = 0;
	if (r < 0 && is_user)
		return err_set_code(
			e, r, ERR_UNAVAILABLE,
			"cannot reach the user's systemd (%s): DBUS_SESSION_BUS_ADDRESS or "
			"XDG_RUNTIME_DIR must name its bus; log in again with "
			"dbus-user-session installed",
			strerror(-r));
	if (r < 0)
		return err_set_code(e, r, ERR_UNAVAILABLE, "cannot reach systemd: %s",
				    strerror(-r));
	*ret = (struct systemd_bus){ .bus = bus };
	return 0;
}

void systemd_bus_done(struct systemd_bus *b)
{
	b->bus = sd_bus_flush_close_unref(b->bus);
}

static uint32_t version(struct systemd_bus *b)
{
	AUTO_FREE char *text = NULL;
	char digits[16];
	const char *p;

	if (b->version || sd_bus_get_property_string(b->bus, SERVICE, OBJECT, MANAGER, "Version",
						     NULL, &text) < 0)
		return b->version;
	p = text + strcspn(text, "0123456789"); /* "v252.4-1", "252" */
	snprintf(digits, sizeof(digits), "%.*s", (int)strspn(p, "0123456789"), p);
	str_to_u32(digits, &b->version);
	return b->version;
}

/* One value of a basic D-Bus type. */
static int append_basic(sd_bus_message *m, char type, const char *text)
{
	union {
		uint8_t y;
		int16_t n;
		uint16_t q;
		int32_t i;
		uint32_t u;
		int64_t x;
		uint64_t t;
		double d;
	} v;
	int64_t i = 0;
	uint64_t u = 0;
	int r = 0;

	if (type == 's')
		return sd_bus_message_append_basic(m, type, text);
	if (type == 'b') {
		v.i = streq(text, "true");
		return sd_bus_message_append_basic(m, type, &v);
	}
	if (type == 'd')
		v.d = strtod(text, NULL);
	else if (strchr("nix", type))
		r = str_to_i64(text, INT64_MIN, INT64_MAX, &i);
	else
		r = str_to_u64(text, UINT64_MAX, &u);
	if (r < 0)
		return r;
	switch (type) {
	case 'y':
		v.y = (uint8_t)u;
		break;
	case 'n':
		v.n = (int16_t)i;
		break;
	case 'q':
		v.q = (uint16_t)u;
		break;
	case 'i':
		v.i = (int32_t)i;
		break;
	case 'u':
		v.u = (uint32_t)u;
		break;
	case 'x':
		v.x = i;
		break;
	case 't':
		v.t = u;
		break;
	}
	return sd_bus_message_append_basic(m, type, &v);
}

static int append_array(sd_bus_message *m, const struct systemd_property *p, const char *types,
			size_t n)
{
	bool is_struct = p->signature[1] == '(';
	char element[16], inner[16];
	int r;

	/* "(ss)" is the array's element, "ss" the struct's. */
	snprintf(element, sizeof(element), "%s", p->signature + 1);
	snprintf(inner, sizeof(inner), "%.*s", (int)n, types);
	r = sd_bus_message_open_container(m, 'a', element);
	for (size_t i = 0; r >= 0 && i < p->values.n; i++) {
		if (is_struct && i % n == 0)
			r = sd_bus_message_open_container(m, 'r', inner);
		if (r >= 0)
			r = append_basic(m, types[i % n], p->values.v[i]);
		if (r >= 0 && is_struct && i % n == n - 1)
			r = sd_bus_message_close_container(m);
	}
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_property(sd_bus_message *m, const struct systemd_property *p)
{
	const char *types;
	size_t n = systemd_signature(p->signature, &types);
	int r = sd_bus_message_open_container(m, 'r', "sv");

	if (r >= 0)
		r = sd_bus_message_append_basic(m, 's', p->name);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', p->signature);
	if (r >= 0)
		r = *p->signature == 'a' ? append_array(m, p, types, n)
					 : append_basic(m, *types, p->values.v[0]);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

/* The array of properties; with `pid` the scope's first process among them. */
static int append_properties(struct systemd_bus *b, sd_bus_message *m, const struct systemd_call *c,
			     uint32_t pid, struct err *e)
{
	int r = sd_bus_message_open_container(m, 'a', "(sv)");

	for (size_t i = 0; r >= 0 && i < c->properties.n; i++) {
		const struct systemd_property *p = &c->properties.v[i];

		if (p->since && version(b) < p->since)
			continue;
		r = append_property(m, p);
		if (r < 0)
			return err_set(e, r, "property %s of type '%s': %s", p->name, p->signature,
				       strerror(-r));
	}
	if (r >= 0 && pid)
		r = sd_bus_message_append(m, "(sv)", "PIDs", "au", 1, pid);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? err_sys(e, r, "write properties of '%s'", c->unit) : 0;
}

static int new_call(struct systemd_bus *b, const char *method, sd_bus_message **ret, struct err *e)
{
	int r = sd_bus_message_new_method_call(b->bus, ret, SERVICE, OBJECT, MANAGER, method);

	return r < 0 ? err_sys(e, r, "make D-Bus call %s", method) : 0;
}

/* What a job became: "done", "failed", "timeout"… */
struct job {
	const char *path; /* NULL until the call has answered */
	char result[32];
};

static int on_job_removed(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	struct job *job = arg;
	const char *path, *unit, *result;
	uint32_t id;

	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	if (job->path && streq(job->path, path))
		snprintf(job->result, sizeof(job->result), "%s", result);
	return 0;
}

/* -ETIMEDOUT without words. */
static int wait_job(struct systemd_bus *b, struct job *job)
{
	int64_t end = clock_mono_ms() + JOB_TIMEOUT_MS;

	while (!job->result[0]) {
		int64_t left = end - clock_mono_ms();
		int r = sd_bus_process(b->bus, NULL);

		if (r < 0)
			return r;
		if (r > 0)
			continue;
		if (left <= 0)
			return -ETIMEDOUT;
		r = sd_bus_wait(b->bus, (uint64_t)left * 1000);
		if (r < 0 && r != -EINTR)
			return r;
	}
	return 0;
}

/* Sends a call that makes a job and waits for that. `error` has systemd's answer when the call fails. */
static int run_job(struct systemd_bus *b, sd_bus_message *m, struct job *job, sd_bus_error *error)
{
	CLEANUP(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
	AUTO_MESSAGE *reply = NULL;
	int r = sd_bus_match_signal(b->bus, &slot, NULL, OBJECT, MANAGER, "JobRemoved",
				    on_job_removed, job);

	if (r >= 0)
		r = sd_bus_call(b->bus, m, 0, error, &reply);
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &job->path);
	if (r >= 0)
		r = wait_job(b, job);
	job->path = NULL;
	return r;
}

static const char *words(const sd_bus_error *error, int r)
{
	return error->message ? error->message : strerror(-r);
}

static int call(struct systemd_bus *b, sd_bus_message *m, const char *what, const char *unit,
		struct err *e)
{
	AUTO_BUS_ERROR error = SD_BUS_ERROR_NULL;
	int r = sd_bus_call(b->bus, m, 0, &error, NULL);

	if (r >= 0)
		return 0;
	return err_set(e, r, "unable to %s unit \"%s\": %s", what, unit, words(&error, r));
}

static void reset_failed(struct systemd_bus *b, const struct systemd_call *c)
{
	(void)sd_bus_call_method(b->bus, SERVICE, OBJECT, MANAGER, "ResetFailedUnit", NULL, NULL,
				 "s", c->unit);
}

static int make_start(struct systemd_bus *b, const struct systemd_call *c, uint32_t pid,
		      sd_bus_message **ret, struct err *e)
{
	AUTO_MESSAGE *m = NULL;
	int r = new_call(b, "StartTransientUnit", &m, e);

	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "ss", c->unit, "replace");
	if (r < 0)
		return err_sys(e, r, "write the call");
	r = append_properties(b, m, c, pid, e);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (r < 0)
		return err_sys(e, r, "write the call");
	*ret = TAKE_PTR(m);
	return 0;
}

int systemd_bus_start(struct systemd_bus *b, const struct systemd_call *c, uint32_t pid,
		      struct err *e)
{
	/* A unit of this name may be a failed one of before: reset, and tried once more. */
	for (int try = 0;; try++) {
		AUTO_BUS_ERROR error = SD_BUS_ERROR_NULL;
		AUTO_MESSAGE *m = NULL;
		struct job job = { 0 };
		int r = make_start(b, c, pid, &m, e);

		if (r < 0)
			return r;
		r = run_job(b, m, &job, &error);
		if (r >= 0 && streq(job.result, "done"))
			return 0;
		reset_failed(b, c);
		if (r >= 0)
			return err_set(e, -EIO, "error creating systemd unit `%s`: got `%s`",
				       c->unit, job.result);
		if (r == -ETIMEDOUT && !error.message)
			return err_set(e, r, "Timeout waiting for systemd to create %s", c->unit);
		if (try > 0 || !sd_bus_error_has_name(&error, UNIT_EXISTS))
			return err_set(e, r, "unable to start unit \"%s\": %s", c->unit,
				       words(&error, r));
	}
}

int systemd_bus_set(struct systemd_bus *b, const struct systemd_call *c, struct err *e)
{
	AUTO_MESSAGE *m = NULL;
	int r = new_call(b, "SetUnitProperties", &m, e);

	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "sb", c->unit, 1);
	if (r < 0)
		return err_sys(e, r, "write the call");
	r = append_properties(b, m, c, 0, e);
	return r < 0 ? r : call(b, m, "set the properties of", c->unit, e);
}

int systemd_bus_attach(struct systemd_bus *b, const char *unit, const char *sub, uint32_t pid,
		       struct err *e)
{
	AUTO_MESSAGE *m = NULL;
	int r = new_call(b, "AttachProcessesToUnit", &m, e);

	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "ssau", unit, sub, 1, pid);
	return r < 0 ? err_sys(e, r, "write the call") : call(b, m, "move a process into", unit, e);
}

int systemd_bus_stop(struct systemd_bus *b, const struct systemd_call *c, struct err *e)
{
	AUTO_BUS_ERROR error = SD_BUS_ERROR_NULL;
	AUTO_MESSAGE *m = NULL;
	struct job job = { 0 };
	int r;

	/* Or a scope would wait for its processes to heed SIGTERM, by default 90 s. */
	(void)sd_bus_call_method(b->bus, SERVICE, OBJECT, MANAGER, "KillUnit", NULL, NULL, "ssi",
				 c->unit, "all", SIGKILL);
	r = new_call(b, "StopUnit", &m, e);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "ss", c->unit, "replace");
	if (r < 0)
		return err_sys(e, r, "write the call");
	r = run_job(b, m, &job, &error);
	reset_failed(b, c);
	if (r == -ETIMEDOUT && !error.message)
		return err_set(e, r, "Timed out while waiting for systemd to remove %s", c->unit);
	if (r < 0 && !sd_bus_error_has_name(&error, NO_SUCH_UNIT))
		return err_set(e, r, "unable to stop unit \"%s\": %s", c->unit, words(&error, r));
	return 0;
}
