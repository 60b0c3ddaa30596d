/* The parts of the command line that need no engine: templates, words, terminal keys, volumes. */
#include "cli/cli.h"
#include "cli/image/layers.h"

#include "base/clock.h"
#include "base/test.h"
#include "cli/volume.h"

#define OBJECT                                                                                          \
	"{\"Id\":\"abc\",\"State\":{\"Pid\":12,\"Running\":true},\"Args\":[\"a\",\"b\"],\"None\":null," \
	"\"Labels\":{\"x.y\":\"z\"}}"

static char *expand(const char *tmpl, int *ret)
{
	static struct strbuf out;

	strbuf_reset(&out);
	*ret = template_print(tmpl, OBJECT, strlen(OBJECT), &out, NULL);
	return out.p ? out.p : (char *)"";
}

TEST(a_template_prints_values_as_go_does)
{
	static const struct {
		const char *tmpl, *text;
	} cases[] = {
		{ "{{.Id}}", "abc" },
		{ "{{ .State.Pid }}/{{.State.Running}}", "12/true" },
		{ "{{.Args}} {{len .Args}}", "[a b] 2" },
		{ "{{json .State}}", "{\"Pid\":12,\"Running\":true}" },
		{ "{{json .Id}}\\t{{.None}}", "\"abc\"\t<nil>" },
		{ "{{index .Labels \"x.y\"}}", "z" },
		{ "{{index .Labels \"missing\"}}plain", "plain" },
		{ "{{- .Id -}}", "abc" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int r;
		const char *text = expand(cases[i].tmpl, &r);

		CHECK_EQ(r, 0);
		CHECK_STR(text, cases[i].text);
	}
}

TEST(what_a_template_cannot_is_an_error)
{
	int r;

	expand("{{range .Args}}x{{end}}", &r);
	CHECK_EQ(r, -EOPNOTSUPP);
	expand("{{.Nope}}", &r);
	CHECK_EQ(r, -EINVAL);
	expand("{{.Id", &r);
	CHECK_EQ(r, -EINVAL);
}

TEST(durations_and_sizes_have_dockers_words)
{
	static const struct {
		int64_t s;
		const char *text;
	} durations[] = {
		{ 0, "Less than a second" }, { 1, "1 second" },
		{ 59, "59 seconds" },	     { 60, "About a minute" },
		{ 150, "2 minutes" },	     { 3599, "59 minutes" },
		{ 3600, "About an hour" },   { 7200, "2 hours" },
		{ 3 * 86400, "3 days" },     { 15 * 86400, "2 weeks" },
		{ 70 * 86400, "2 months" },  { 800 * 86400LL, "2 years" },
	};
	static const struct {
		int64_t n;
		const char *text;
	} sizes[] = { { 0, "0B" },
		      { 999, "999B" },
		      { 1000, "1kB" },
		      { 2110000, "2.11MB" },
		      { 51100000, "51.1MB" } };
	char buf[HUMAN_MAX];

	for (size_t i = 0; i < ARRAY_LEN(durations); i++)
		CHECK_STR(human_duration(durations[i].s * NSEC_PER_SEC, buf), durations[i].text);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		CHECK_STR(human_size(sizes[i].n, buf), sizes[i].text);
}

static size_t type(struct detach_keys *d, const char *in, char *out, bool *is_detached)
{
	size_t n = detach_filter(d, (const uint8_t *)in, strlen(in), (uint8_t *)out, is_detached);

	out[n] = '\0';
	return n;
}

TEST(the_detach_sequence_is_kept_from_the_process)
{
	struct detach_keys d;
	char out[64];
	bool is_detached;

	CHECK_EQ(detach_parse("ctrl-p,ctrl-q", &d, NULL), 0);
	CHECK_EQ(type(&d, "ab\x10", out, &is_detached), 2);
	CHECK(!is_detached);
	CHECK_EQ(type(&d, "\x11", out, &is_detached), 0);
	CHECK(is_detached);
}

TEST(a_broken_sequence_belongs_to_the_process)
{
	struct detach_keys d;
	char out[64];
	bool is_detached;

	CHECK_EQ(detach_parse("ctrl-p,ctrl-q", &d, NULL), 0);
	type(&d, "\x10x\x10", out, &is_detached);
	CHECK_STR(out, "\x10x");
	type(&d, "\x10\x10", out, &is_detached);
	CHECK_STR(out, "\x10\x10");
	type(&d, "\x11", out, &is_detached);
	CHECK(is_detached);
}

TEST(detach_keys_are_checked)
{
	struct detach_keys d;

	CHECK_EQ(detach_parse("a,ctrl-@,ctrl-_", &d, NULL), 0);
	CHECK_EQ(d.n, 3);
	CHECK_EQ(d.keys[2], 31);
	CHECK_EQ(detach_parse("ctrl-", &d, NULL), -EINVAL);
	CHECK_EQ(detach_parse("ctrl-1", &d, NULL), -EINVAL);
	CHECK_EQ(detach_parse("abc", &d, NULL), -EINVAL);
}

TEST(volumes_are_taken_apart)
{
	AUTO_ARENA struct arena a = { 0 };
	char *specs[] = { (char *)"/a:/b", (char *)"/c:/d:ro,rslave", NULL };
	struct engine_bind *v;
	size_t n;

	CHECK_EQ(volume_parse_all(specs, &a, &v, &n, NULL), 0);
	CHECK_EQ(n, 2);
	CHECK_STR(v[0].source, "/a");
	CHECK(!v[0].is_readonly && v[1].is_readonly);
	CHECK_STR(v[1].target, "/d");
	CHECK_STR(v[1].propagation, "rslave");
}

TEST(wrong_volumes_are_errors)
{
	static const struct {
		const char *spec;
		int r;
	} bad[] = { { "/only", -EOPNOTSUPP },
		    { "/a:/b:nope", -EINVAL },
		    { ":/b", -EINVAL },
		    { "/a:", -EINVAL } };
	AUTO_ARENA struct arena a = { 0 };
	struct engine_bind *v;
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *specs[] = { (char *)bad[i].spec, NULL };

		CHECK_EQ(volume_parse_all(specs, &a, &v, &n, NULL), bad[i].r);
	}
}

TEST(a_layers_line_fits_its_window)
{
	const struct layer_bar b = {
		.id = "0123456789ab", .done = 25000000, .total = 100000000, .begun_ms = 1000
	};
	const struct layer_bar unknown = { .id = "archive", .done = 5000, .begun_ms = 1000 };
	char line[LAYER_LINE_MAX];

	layers_line(&b, 11000, 60, line);
	CHECK_STR(line, "0123456789ab: [====>              ] 25MB/100MB 2.5MB/s 0:30");
	for (size_t width = 1; width < 300; width++) {
		layers_line(&b, 11000, width, line);
		CHECK(strlen(line) < width);
	}
	layers_line(&b, 11000, 20, line);
	CHECK_STR(line, "0123456789ab: 25MB/");
	layers_line(&unknown, 1000, 80, line);
	CHECK_STR(line, "archive: 5kB");
}

TEST_MAIN()
