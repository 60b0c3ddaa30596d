#include "codec/toml.h"

#include <math.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"
#include "codec/json.h"

static struct arena a;
static struct err e;

static const struct toml *read_text(const char *text)
{
	struct toml *root = NULL;

	arena_done(&a);
	a = (struct arena){ 0 };
	e = ERR_INIT;
	return toml_read(text, strlen(text), NULL, &a, &root, &e) == 0 ? root : NULL;
}

TEST(a_hosts_file_reads_in_its_order)
{
	const struct toml *root = read_text(
		"server = \"https://registry-1.docker.io\" # the upstream\r\n"
		"\r\n"
		"[host.\"https://mirror.example:5000\"]\r\n"
		"  capabilities = [ \"pull\", # first\n\n   'resolve', ]\n"
		"  client = [[\"a.cert\", \"a.key\"], [\"b\", \"\"]]\n"
		"  [host.\"https://mirror.example:5000\".header]\n"
		"    x-custom = [\"one\", \"two\"]\n"
		"[host.'http://10.0.0.1']\n"
		"skip_verify = true\n"
		"dial_timeout = \"3s\"\n");
	const struct toml *host;
	struct json_strs strs;
	bool is_on = false;

	CHECK(root);
	CHECK_STR(toml_get(root, "server")->s, "https://registry-1.docker.io");
	host = toml_get(root, "host")->first;
	CHECK_STR(host->key, "https://mirror.example:5000");
	CHECK_STR(host->next->key, "http://10.0.0.1");
	CHECK_EQ(toml_get_strs(host, "capabilities", &a, &strs, &e), 0);
	CHECK_EQ(strs.n, 2);
	CHECK_STR(strs.v[1], "resolve");
	CHECK_EQ(toml_get(host, "client")->n, 2);
	CHECK_STR(toml_get(host, "client")->first->last->s, "a.key");
	CHECK_EQ(toml_at(host, "header", "x-custom", NULL)->n, 2);
	CHECK(!toml_at(host, "header", "none", "deeper", NULL));
	CHECK_EQ(toml_get_bool(host->next, "skip_verify", &is_on, &e), 0);
	CHECK(is_on);
	CHECK_EQ(host->next->line, 10);
}

TEST(strings_of_four_kinds)
{
	const struct toml *root = read_text(
		"a = \"\\b\\t\\n\\f\\r\\\"\\\\\\u00e9\\U0001F600\"\n"
		"b = 'C:\\n'\n"
		"c = \"\"\"\none \\\n   \n\t two\"\" \\\"\\\"\\\" x\"\"\"\"\"\n"
		"d = '''\r\nI'll ''keep\\it\r\n'''''\n"
		"e = \"\"\n"
		"\"quoted \\u0061\".'x y' = 1\n");

	CHECK(root);
	CHECK_STR(toml_get(root, "a")->s, "\b\t\n\f\r\"\\\xc3\xa9\xf0\x9f\x98\x80");
	CHECK_STR(toml_get(root, "b")->s, "C:\\n");
	CHECK_STR(toml_get(root, "c")->s, "one two\"\" \"\"\" x\"\"");
	CHECK_STR(toml_get(root, "d")->s, "I'll ''keep\\it\n''");
	CHECK_STR(toml_get(root, "e")->s, "");
	CHECK_EQ(toml_at(root, "quoted a", "x y", NULL)->i, 1);
}

TEST(numbers_and_times)
{
	const struct toml *root = read_text(
		"a = +1_000\nb = -17\nc = 0xdead_BEEF\nd = 0o755\ne = 0b1101\n"
		"f = 9223372036854775807\ng = -9223372036854775808\nh = 6.626e-34\n"
		"i = -inf\nj = nan\nk = 1979-05-27 07:32:00.5-07:00 # then\n"
		"l = 07:32:00\nm = 1979-05-27\nn = 5e+2_2\n");

	CHECK(root);
	CHECK_EQ(toml_get(root, "a")->i, 1000);
	CHECK_EQ(toml_get(root, "b")->i, -17);
	CHECK_EQ(toml_get(root, "c")->i, 0xdeadbeef);
	CHECK_EQ(toml_get(root, "d")->i, 0755);
	CHECK_EQ(toml_get(root, "e")->i, 13);
	CHECK_EQ(toml_get(root, "f")->i, INT64_MAX);
	CHECK_EQ(toml_get(root, "g")->i, INT64_MIN);
	CHECK(toml_get(root, "h")->f > 6e-34 && toml_get(root, "h")->f < 7e-34);
	CHECK(isinf(toml_get(root, "i")->f) && toml_get(root, "i")->f < 0);
	CHECK(isnan(toml_get(root, "j")->f));
	CHECK_EQ(toml_get(root, "k")->kind, TOML_TIME);
	CHECK_STR(toml_get(root, "k")->s, "1979-05-27 07:32:00.5-07:00");
	CHECK_EQ(toml_get(root, "l")->kind, TOML_TIME);
	CHECK_EQ(toml_get(root, "m")->kind, TOML_TIME);
	CHECK(toml_get(root, "n")->f > 4e22);
}

TEST(tables_in_any_order_and_arrays_of_them)
{
	const struct toml *root = read_text(
		"[a.b.c]\nx = 1\n[a]\ny = { p.q = 2, r = [{}, {s = 3}] }\n"
		"[[list]]\nn = 1\n[list.sub]\nm = 1\n[[list]]\nn = 2\n"
		"[[list.deep]]\n[[list.deep]]\n"
		"[fruit]\napple.color = 'red'\n[fruit.apple.seeds]\nn = 4\n");

	CHECK(root);
	CHECK_EQ(toml_at(root, "a", "b", "c", "x", NULL)->i, 1);
	CHECK_EQ(toml_at(root, "a", "y", "p", "q", NULL)->i, 2);
	CHECK_EQ(toml_at(root, "a", "y", "r", NULL)->last->first->i, 3);
	CHECK_EQ(toml_get(root, "list")->n, 2);
	CHECK_EQ(toml_at(toml_get(root, "list")->first, "sub", "m", NULL)->i, 1);
	CHECK_EQ(toml_get(toml_get(root, "list")->last, "deep")->n, 2);
	CHECK_EQ(toml_at(root, "fruit", "apple", "seeds", "n", NULL)->i, 4);
}

TEST(what_is_wrong_is_refused_with_its_line)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{ "a = 1\na = 2", "line 2: the key 'a' stands twice" },
		{ "[a]\n[a]", "line 2: the table 'a' is defined twice" },
		{ "a.b = 1\n[a]", "line 2: the table 'a' is defined twice" },
		{ "[a.b]\nx=1\n[a]\nb.y = 2", "line 4: 'b' is no table that can be added to" },
		{ "a = {b = 1}\n[a.c]", "line 2: 'a' is no table that can be added to" },
		{ "a = [{}]\n[[a]]", "line 2: 'a' is no array of tables" },
		{ "[[a]]\n[a]", "line 2: the table 'a' is defined twice" },
		{ "a = {b = 1\n}", "line 1: an inline table does not end" },
		{ "a = {b = 1,}", "line 1: a key is missing" },
		{ "a = [1 2]", "line 1: an array does not end" },
		{ "a = [,]", "line 1: a value is missing" },
		{ "a = \"x\n\"", "line 1: a string does not end" },
		{ "\n\na = '''x", "line 3: a string does not end" },
		{ "a = \"\\x\"", "line 1: unknown escape in a string" },
		{ "a = \"\\u0000\"", "line 1: an escape is no character" },
		{ "a = \"\\ud800\"", "line 1: an escape is no character" },
		{ "a = \"\x01\"", "line 1: control character in a string" },
		{ "# \x01", "line 1: control character in a comment" },
		{ "a = '\xff'", "line 1: invalid UTF-8" },
		{ "a = 1 b = 2", "line 1: the line goes on behind its end" },
		{ "a", "line 1: '=' is missing behind the key 'a'" },
		{ "= 1", "line 1: a key is missing" },
		{ "a =", "line 1: a value is missing" },
		{ "[a", "line 1: the table's header does not end" },
		{ "[[a]", "line 1: the table's header does not end" },
		{ "a = 01", "line 1: '01' is no value" },
		{ "a = 1__0", "line 1: '1__0' is no value" },
		{ "a = _1", "line 1: '_1' is no value" },
		{ "a = 1_", "line 1: '1_' is no value" },
		{ "a = .5", "line 1: '.5' is no value" },
		{ "a = 5.", "line 1: '5.' is no value" },
		{ "a = 0xg", "line 1: '0xg' is no number" },
		{ "a = +0x1", "line 1: '+0x1' is no value" },
		{ "a = 9223372036854775808",
		  "line 1: the number '9223372036854775808' is out of range" },
		{ "a = True", "line 1: 'True' is no value" },
		{ "a = 1979-5-27", "line 1: '1979-5-27' is no value" },
		{ "a = 1\r", "line 1: the line goes on behind its end" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK(!read_text(rows[i].text));
		CHECK_STR(e.msg, rows[i].words);
		CHECK_EQ(e.errnum, EBADMSG);
	}
}

TEST(wrong_kinds_are_named_and_absent_keys_change_nothing)
{
	const struct toml *root = read_text("a = 1\nb = ['x', 2]\nc = 'one'");
	const char *s = "before";
	struct json_strs strs = { 0 };
	int64_t i = 7;
	bool b = true;

	CHECK_EQ(toml_get_str(root, "none", &s, &e), 0);
	CHECK_STR(s, "before");
	CHECK_EQ(toml_get_str(root, "a", &s, &e), -EBADMSG);
	CHECK_STR(e.msg, "line 1: 'a' is no string");
	CHECK_EQ(toml_get_bool(root, "c", &b, &e), -EBADMSG);
	CHECK_STR(e.msg, "line 3: 'c' is no boolean");
	CHECK_EQ(toml_get_int(root, "a", &i, &e), 0);
	CHECK_EQ(i, 1);
	CHECK_EQ(toml_get_strs(root, "b", &a, &strs, &e), -EBADMSG);
	CHECK_STR(e.msg, "line 2: 'b' has an element that is no string");
	CHECK_EQ(toml_get_strs(root, "c", &a, &strs, &e), 0);
	CHECK_EQ(strs.n, 1);
	CHECK_EQ(toml_get_strs(root, "a", &a, &strs, &e), -EBADMSG);
}

static int read_repeated(const char *unit, size_t times, const struct toml_limits *lim)
{
	AUTO_STRBUF struct strbuf b = { 0 };
	struct toml *root;

	arena_done(&a);
	a = (struct arena){ 0 };
	for (size_t i = 0; i < times; i++)
		strbuf_adds(&b, unit);
	return toml_read(b.p, b.len, lim, &a, &root, &e);
}

TEST(bytes_depth_and_nodes_are_limited)
{
	static const struct toml_limits few = { .bytes = 100, .depth = 4, .nodes = 5 };

	CHECK_EQ(read_repeated("#\n", 51, &few), -E2BIG);
	CHECK_EQ(read_repeated("[[a]]\n", 4, &few), -E2BIG);
	CHECK(strstr(e.msg, "more than 5 values"));
	CHECK_EQ(read_repeated("a.", 5, &few), -E2BIG);
	CHECK(strstr(e.msg, "nested more than 4 deep"));
	CHECK(!read_text("a = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["));
	CHECK_EQ(e.errnum, E2BIG);
	CHECK(!read_text("[a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.1.2.3.4.5.6.7]"));
	CHECK_EQ(e.errnum, E2BIG);
}

TEST_MAIN()
