/*
 * Python's tomllib as the oracle: whatever we accept, it accepts with the same values. The other direction does not hold
 * on purpose (toml.h says where we are stricter). Random texts are made here, read here, written as JSON by both sides.
 */
#include <math.h>
#include <unistd.h>

#include "base/err.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/test.h"
#include "codec/json.h"
#include "codec/toml.h"

#define TEXTS 20000
#define WORDS_MAX 14
#define OUTPUT_MAX ((size_t)64 << 20)
#define PYTHON_MS 60000

/* Reads texts ending with NUL in a file, prints one line each: sorted JSON, or "error". */
static const char oracle[] =
	"import json, sys, tomllib\n"
	"def plain(v):\n"
	"    if isinstance(v, dict): return {k: plain(x) for k, x in v.items()}\n"
	"    if isinstance(v, list): return [plain(x) for x in v]\n"
	"    if isinstance(v, float): return 'f' + (v.hex() if v == v else 'nan')\n"
	"    if isinstance(v, (bool, int, str)): return v\n"
	"    return 'time'\n"
	"for text in open(sys.argv[1], 'rb').read().split(b'\\0')[:-1]:\n"
	"    try: print(json.dumps(plain(tomllib.loads(text.decode())), separators=(',', ':')))\n"
	"    except (ValueError, RecursionError): print('error')\n";

static uint64_t seed = 88172645463325252u;

static uint32_t random_below(uint32_t n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)((seed * 0x2545f4914f6cdd1du) >> 33) % n;
}

static const char *const words[] = {
	"a",	       "b",
	"c.a",	       "'a'",
	"\"b\"",       " = ",
	" = ",	       "=",
	"\n",	       "\n",
	"\n",	       "\r\n",
	"[a]\n",       "[a.b]\n",
	"[[a]]\n",     "[[c]]\n",
	"[",	       "]",
	"{",	       "}",
	",",	       ".",
	"1",	       "0x1F",
	"-0.5e3",      "1_000",
	"inf",	       "true",
	"false",       "'x'",
	"\"\\n\\\"\"", "\"\"\"x\n\"y\"\"\"\"",
	"'''\n'''",    "# no\n",
	" ",	       "a = 1\n",
	"b.a = 2\n",   "[c]\n",
	"1979-05-27",  "07:32:00",
	"a = {}\n",    "c = [1, [2]]\n",
	"\"\\u00e9\"", "1979-05-27T07:32:00Z",
	"+7",	       "1e3",
	"0",	       "nan",
};

static void put_value(struct strbuf *b, const struct toml *n);

static void put_string(struct strbuf *b, const char *s)
{
	AUTO_STRBUF struct strbuf list = { 0 };
	struct json_writer w = { .out = &list };

	json_put_str(&w, NULL, s);
	/* Python escapes what is not ASCII. */
	for (const char *p = list.p; *p; p++)
		if ((unsigned char)p[0] == 0xc3 && (unsigned char)p[1] == 0xa9)
			p++, strbuf_adds(b, "\\u00e9");
		else
			strbuf_addc(b, *p);
}

static void put_members(struct strbuf *b, const struct toml *n)
{
	strbuf_addc(b, n->kind == TOML_TABLE ? '{' : '[');
	for (const struct toml *m = n->first; m; m = m->next) {
		if (m->key) {
			put_string(b, m->key);
			strbuf_addc(b, ':');
		}
		put_value(b, m);
		if (m->next)
			strbuf_addc(b, ',');
	}
	strbuf_addc(b, n->kind == TOML_TABLE ? '}' : ']');
}

/* As Python's float.hex writes it. */
static void put_float(struct strbuf *b, double f)
{
	if (isnan(f))
		strbuf_adds(b, "\"fnan\"");
	else if (isinf(f))
		strbuf_adds(b, f < 0 ? "\"f-inf\"" : "\"finf\"");
	else if (fpclassify(f) == FP_ZERO)
		strbuf_adds(b, signbit(f) ? "\"f-0x0.0p+0\"" : "\"f0x0.0p+0\"");
	else
		strbuf_addf(b, "\"f%.13a\"", f);
}

static void put_value(struct strbuf *b, const struct toml *n)
{
	switch ((enum toml_kind)n->kind) {
	case TOML_STRING:
		put_string(b, n->s);
		break;
	case TOML_INTEGER:
		strbuf_addf(b, "%lld", (long long)n->i);
		break;
	case TOML_FLOAT:
		put_float(b, n->f);
		break;
	case TOML_BOOLEAN:
		strbuf_adds(b, n->b ? "true" : "false");
		break;
	case TOML_TIME:
		strbuf_adds(b, "\"time\"");
		break;
	default:
		put_members(b, n);
		break;
	}
}

static char *make_text(void)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	char *text;

	for (uint32_t n = 1 + random_below(WORDS_MAX); n > 0; n--)
		strbuf_adds(&b, words[random_below(ARRAY_LEN(words))]);
	return strbuf_take(&b, &text) == 0 ? text : NULL;
}

/* The oracle's lines for all texts, or NULL where there is no tomllib. */
static char *ask(const struct strbuf *all)
{
	char path[] = "/tmp/toml-oracle.XXXXXX", *output = NULL;
	char python[] = "python3", option[] = "-c";
	char *argv[] = { python, option, (char *)oracle, path, NULL };
	const char *const programs[] = { "/usr/bin/python3", "python3" };
	int fd = mkstemp(path), status = 1;

	CHECK(fd >= 0);
	CHECK(write(fd, all->p, all->len) == (ssize_t)all->len);
	close(fd);
	for (size_t i = 0; i < ARRAY_LEN(programs) && status != 0; i++) {
		struct spawn_options o = { .path = programs[i], .argv = argv };

		free(output);
		output = NULL;
		if (proc_run(&o, NULL, OUTPUT_MAX, PYTHON_MS, &output, &status, NULL) < 0)
			status = 1;
	}
	unlink(path);
	if (status != 0) {
		free(output);
		return NULL;
	}
	return output;
}

TEST(what_is_accepted_here_tomllib_accepts_with_the_same_values)
{
	AUTO_STRBUF struct strbuf all = { 0 };
	AUTO_FREE char *output = NULL;
	char *line, *save = NULL;
	const char *text;
	size_t accepted = 0;

	for (int i = 0; i < TEXTS; i++) {
		AUTO_FREE char *one = make_text();

		CHECK(one);
		strbuf_add(&all, one, strlen(one) + 1);
	}
	CHECK_EQ(strbuf_ok(&all), 0);
	output = ask(&all);
	if (!output)
		TEST_SKIP("no Python with tomllib (3.11 or newer)");
	text = all.p;
	line = strtok_r(output, "\n", &save);
	for (int i = 0; i < TEXTS;
	     i++, text += strlen(text) + 1, line = strtok_r(NULL, "\n", &save)) {
		AUTO_STRBUF struct strbuf mine = { 0 };
		AUTO_ARENA struct arena a = { 0 };
		struct toml *root;

		CHECK(line);
		if (toml_read(text, strlen(text), NULL, &a, &root, NULL) < 0)
			continue;
		accepted++;
		put_members(&mine, root);
		if (!streq(mine.p, line))
			printf("# %s\n# %s\n# for:\n%s\n", mine.p, line, text);
		CHECK_STR(mine.p, line);
	}
	/* Or it would compare nothing. */
	CHECK(accepted > TEXTS / 50);
	printf("# %zu of %d texts accepted\n", accepted, TEXTS);
}

TEST_MAIN()
