#include "base/opt.h"

#include <errno.h>

#include "base/err.h"
#include "base/str.h"
#include "base/test.h"

struct values {
	bool is_i, is_t;
	const char *name, *mem_text;
	char **env;
	int64_t memory, cpus, wait;
	int proxy;
};

#define AT(m) offsetof(struct values, m)
static const struct opt rows[] = {
	{ "interactive", 'i', OPT_BOOL, 0, AT(is_i), NULL, "Keep", NULL },
	{ "tty", 't', OPT_BOOL, 0, AT(is_t), NULL, "Terminal", NULL },
	{ "name", 0, OPT_STR, 0, AT(name), "string", "Name", "CORTEN_OPT_TEST_NAME" },
	{ "env", 'e', OPT_STRV, 0, AT(env), "list", "Environment", NULL },
	{ "memory", 'm', OPT_BYTES, 0, AT(memory), "bytes", "Memory", NULL },
	{ "cpus", 0, OPT_CPUS, 0, AT(cpus), "decimal", "CPUs", NULL },
	{ "wait", 0, OPT_DURATION, OPT_GO, AT(wait), "duration", "Wait", NULL },
	{ "sig-proxy", 0, OPT_TRISTATE, 0, AT(proxy), NULL, "Proxy", NULL },
	{ "gpus", 0, OPT_UNSUPPORTED_ARG, 0, 0, NULL, NULL, NULL },
	OPT_END,
};

static int parse(struct values *v, unsigned int flags, char **argv, int *first, struct err *e)
{
	bool is_help;

	*v = (struct values){ .proxy = -1 };
	return opt_parse(rows, flags, (int)strv_len(argv), argv, v, first, &is_help, e);
}
#define ARGV(...) ((char **)(const char *[]){ "prog", __VA_ARGS__, NULL })

TEST(every_form_of_an_option_is_understood)
{
	struct values v;
	int first;

	CHECK_EQ(parse(&v, 0,
		       ARGV("-it", "--name=x", "-e", "A=1", "-eB=2", "-m", "1g", "--cpus", "1.5",
			    "IMG"),
		       &first, NULL),
		 0);
	CHECK(v.is_i && v.is_t);
	CHECK_STR(v.name, "x");
	CHECK_EQ(strv_len(v.env), 2);
	CHECK_STR(v.env[1], "B=2");
	CHECK_EQ(v.memory, 1LL << 30);
	CHECK_EQ(v.cpus, 1500000000);
	CHECK_EQ(first, 10);
	strv_free(v.env);
}

TEST(switches_take_a_value_after_an_equals_sign)
{
	struct values v;
	int first;

	CHECK_EQ(parse(&v, 0, ARGV("--tty=false", "--sig-proxy=false", "-i=true"), &first, NULL),
		 0);
	CHECK(!v.is_t && v.is_i);
	CHECK_EQ(v.proxy, 0);
}

TEST(options_behind_arguments_count_unless_the_command_stops_there)
{
	struct values v;
	int first;

	char **a = ARGV("IMG", "-t", "cmd", "--", "-i");

	CHECK_EQ(parse(&v, 0, a, &first, NULL), 0);
	CHECK(v.is_t && !v.is_i);
	CHECK_STR(a[first], "IMG");
	CHECK_STR(a[first + 1], "cmd");
	CHECK_STR(a[first + 2], "-i");
	CHECK_EQ(parse(&v, OPT_STOP_AT_POSITIONAL, ARGV("IMG", "-t"), &first, NULL), 0);
	CHECK(!v.is_t);
	CHECK_EQ(first, 1);
}

TEST(errors_have_dockers_words)
{
	static const struct {
		const char *arg, *words;
	} bad[] = {
		{ "--nope", "unknown flag: --nope" },
		{ "-tx", "unknown shorthand flag: 'x' in -tx" },
		{ "--name", "flag needs an argument: --name" },
		{ "-e", "flag needs an argument: 'e' in -e" },
		{ "--memory=x",
		  "invalid argument \"x\" for \"-m, --memory\" flag: invalid syntax" },
		{ "--gpus=all", "option '--gpus' is not supported yet" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct values v;
		int first;

		CHECK(parse(&v, 0, ARGV(bad[i].arg), &first, &e) < 0);
		CHECK_STR(e.msg, bad[i].words);
	}
}

TEST(a_go_option_has_one_dash_too)
{
	struct values v;
	int first;

	CHECK_EQ(parse(&v, 0, ARGV("-wait", "2s"), &first, NULL), 0);
	CHECK_EQ(v.wait, 2000000000);
	CHECK_EQ(parse(&v, OPT_ALL_GO, ARGV("-name", "n"), &first, NULL), 0);
	CHECK_STR(v.name, "n");
}

TEST(the_environment_gives_defaults)
{
	struct values v = { 0 };

	setenv("CORTEN_OPT_TEST_NAME", "from-env", 1);
	CHECK_EQ(opt_from_env(rows, &v, NULL), 0);
	CHECK_STR(v.name, "from-env");
}

TEST_MAIN()
