#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t clock_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
	return clock_mono_ns() / NSEC_PER_MSEC;
}

int64_t clock_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

/* Own calendar arithmetic: gmtime_r drags the time zone files into static programs. */
static int64_t days_of_date(int64_t y, int64_t m, int64_t d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_of_days(int64_t z, int *y, int *m, int *d)
{
	int64_t era, doe, yoe, doy, mp;

	z += 719468;
	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = z - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = (int)(yoe + era * 400 + (*m <= 2));
}

const char *clock_rfc3339(int64_t wall_ns, char buf[CLOCK_TEXT_MAX])
{
	int64_t s = wall_ns / NSEC_PER_SEC, ns = wall_ns % NSEC_PER_SEC, day, rest;
	int y, m, d;

	if (ns < 0) {
		ns += NSEC_PER_SEC;
		s--;
	}
	day = s / 86400;
	rest = s % 86400;
	if (rest < 0) {
		rest += 86400;
		day--;
	}
	date_of_days(day, &y, &m, &d);
	snprintf(buf, CLOCK_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ", y, m, d,
		 (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60), (int)ns);
	return buf;
}

/* Reads exactly `n` digits. */
static bool take_digits(const char **s, int n, int *ret)
{
	int v = 0;

	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		v = v * 10 + (**s - '0');
	}
	*ret = v;
	return true;
}

static bool take_char(const char **s, const char *set)
{
	if (!**s || !strchr(set, **s))
		return false;
	(*s)++;
	return true;
}

static int64_t take_fraction(const char **s)
{
	int64_t ns = 0, unit = NSEC_PER_SEC / 10;

	for (; **s >= '0' && **s <= '9'; (*s)++, unit /= 10)
		ns += (**s - '0') * unit;
	return ns;
}

int clock_parse_rfc3339(const char *s, int64_t *ret_wall_ns)
{
	int y, mo, d, h, mi, sec, oh = 0, om = 0;
	int64_t ns = 0, t;
	char sign;

	if (!take_digits(&s, 4, &y) || !take_char(&s, "-") || !take_digits(&s, 2, &mo) ||
	    !take_char(&s, "-") || !take_digits(&s, 2, &d) || !take_char(&s, "Tt ") ||
	    !take_digits(&s, 2, &h) || !take_char(&s, ":") || !take_digits(&s, 2, &mi) ||
	    !take_char(&s, ":") || !take_digits(&s, 2, &sec))
		return -EINVAL;
	if (mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || sec > 60)
		return -EINVAL;
	if (take_char(&s, "."))
		ns = take_fraction(&s);
	sign = *s;
	if (!take_char(&s, "Zz+-"))
		return -EINVAL;
	if ((sign == '+' || sign == '-') &&
	    (!take_digits(&s, 2, &oh) || !take_char(&s, ":") || !take_digits(&s, 2, &om)))
		return -EINVAL;
	if (*s)
		return -EINVAL;
	t = days_of_date(y, mo, d) * 86400 + h * 3600 + mi * 60 + sec;
	t += (sign == '-' ? 1 : -1) * (oh * 3600 + om * 60);
	if (__builtin_mul_overflow(t, NSEC_PER_SEC, &t) || __builtin_add_overflow(t, ns, &t))
		return -EINVAL;
	*ret_wall_ns = t;
	return 0;
}

static const struct {
	const char *name;
	int64_t ns;
} duration_units[] = {
	/* "ms" stands before "m" so that the longer name is tried first. */
	{ "ns", 1 },
	{ "us", 1000 },
	{ "\xc2\xb5s", 1000 },
	{ "ms", NSEC_PER_MSEC },
	{ "s", NSEC_PER_SEC },
	{ "m", 60 * NSEC_PER_SEC },
	{ "h", 3600 * NSEC_PER_SEC },
};

/* One "1.5h" of a duration, added to `sum`. */
static int take_part(const char **s, int64_t *sum)
{
	int64_t whole = 0, frac = 0, add;
	bool has_digits = false;

	for (; **s >= '0' && **s <= '9'; (*s)++, has_digits = true)
		if (__builtin_mul_overflow(whole, (int64_t)10, &whole) ||
		    __builtin_add_overflow(whole, (int64_t)(**s - '0'), &whole))
			return -ERANGE;
	if (take_char(s, ".")) {
		const char *start = *s;

		frac = take_fraction(s);
		has_digits |= *s > start;
	}
	if (!has_digits)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(duration_units) / sizeof(duration_units[0]); i++) {
		size_t n = strlen(duration_units[i].name);
		int64_t unit = duration_units[i].ns;

		if (strncmp(*s, duration_units[i].name, n) != 0)
			continue;
		*s += n;
		if (__builtin_mul_overflow(whole, unit, &add) ||
		    __builtin_add_overflow(add, (int64_t)((__int128)frac * unit / NSEC_PER_SEC),
					   &add) ||
		    __builtin_add_overflow(*sum, add, sum))
			return -ERANGE;
		return 0;
	}
	return -EINVAL;
}

int clock_parse_duration(const char *s, int64_t *ret_ns)
{
	bool is_negative = take_char(&s, "-");
	int64_t sum = 0;

	if (!is_negative)
		take_char(&s, "+");
	if (strcmp(s, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	do {
		int r = take_part(&s, &sum);

		if (r < 0)
			return r;
	} while (*s);
	*ret_ns = is_negative ? -sum : sum;
	return 0;
}
