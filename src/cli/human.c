/* Durations and sizes in docker's words. */
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli.h"

const char *human_duration(int64_t ns, char buf[HUMAN_MAX])
{
	int64_t s = ns / NSEC_PER_SEC, m = s / 60, h = (s + 1800) / 3600;

	if (s < 1)
		snprintf(buf, HUMAN_MAX, "Less than a second");
	else if (s == 1)
		snprintf(buf, HUMAN_MAX, "1 second");
	else if (s < 60)
		snprintf(buf, HUMAN_MAX, "%lld seconds", (long long)s);
	else if (m == 1)
		snprintf(buf, HUMAN_MAX, "About a minute");
	else if (m < 60)
		snprintf(buf, HUMAN_MAX, "%lld minutes", (long long)m);
	else if (h == 1)
		snprintf(buf, HUMAN_MAX, "About an hour");
	else if (h < 48)
		snprintf(buf, HUMAN_MAX, "%lld hours", (long long)h);
	else if (h < 24 * 7 * 2)
		snprintf(buf, HUMAN_MAX, "%lld days", (long long)(h / 24));
	else if (h < 24 * 30 * 2)
		snprintf(buf, HUMAN_MAX, "%lld weeks", (long long)(h / 24 / 7));
	else if (h < 24 * 365 * 2)
		snprintf(buf, HUMAN_MAX, "%lld months", (long long)(h / 24 / 30));
	else
		snprintf(buf, HUMAN_MAX, "%lld years", (long long)(h / 24 / 365));
	return buf;
}

const char *human_size(int64_t bytes, char buf[HUMAN_MAX])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)bytes;
	size_t i = 0;

	while (v >= 1000.0 && i + 1 < ARRAY_LEN(units)) {
		v /= 1000.0;
		i++;
	}
	snprintf(buf, HUMAN_MAX, "%.3g%s", v, units[i]);
	return buf;
}

const char *human_status(const struct engine_container *c, struct arena *a)
{
	int64_t now = clock_wall_ns();
	char buf[HUMAN_MAX];

	switch (c->status) {
	case ENGINE_RUNNING:
		return arena_printf(a, "Up %s", human_duration(now - c->started_ns, buf));
	case ENGINE_PAUSED:
		return arena_printf(a, "Up %s (Paused)", human_duration(now - c->started_ns, buf));
	case ENGINE_EXITED:
		return arena_printf(a, "Exited (%lld) %s ago", (long long)c->exit_code,
				    human_duration(now - c->finished_ns, buf));
	case ENGINE_REMOVING:
		return "Removal In Progress";
	case ENGINE_DEAD:
		return "Dead";
	default:
		return "Created";
	}
}
