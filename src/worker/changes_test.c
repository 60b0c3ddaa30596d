#include "worker/changes.h"

#include "base/err.h"
#include "base/str.h"
#include "base/test.h"
#include "spec/image.h"

/* Applies instructions to empty settings and compares what comes out as JSON; "!" before words of an error. */
static void check(const char *const *lines, const char *want)
{
	AUTO_ARENA struct arena a = { 0 };
	AUTO_STRBUF struct strbuf out = { 0 };
	struct oci_image_settings s = { 0 };
	struct changes c = { .s = &s, .a = &a };
	struct err e = ERR_INIT;
	int r = 0;

	for (size_t i = 0; lines[i] && r == 0; i++)
		r = changes_apply(&c, lines[i], &e);
	if (*want == '!') {
		if (r >= 0 || !strstr(e.msg, want + 1))
			TEST_END(TEST_FAILED, "%s: '%s', wanted '%s'", lines[0], e.msg, want + 1);
		return;
	}
	json_write(&oci_image_settings_table, &s, 0, &out);
	if (r < 0 || !streq(out.p, want))
		TEST_END(TEST_FAILED, "%s: %s, wanted %s", lines[0], r < 0 ? e.msg : out.p, want);
}

#define CHANGES(...) ((const char *const[]){ __VA_ARGS__, NULL })

TEST(commands_have_two_forms)
{
	check(CHANGES("CMD [\"a\", \"b c\"]"), "{\"Cmd\":[\"a\",\"b c\"]}");
	check(CHANGES("cmd a  b"), "{\"Cmd\":[\"/bin/sh\",\"-c\",\"a  b\"]}");
	check(CHANGES("CMD [a]"), "{\"Cmd\":[\"/bin/sh\",\"-c\",\"[a]\"]}");
	check(CHANGES("CMD [\"a\"],\"x\":[]"),
	      "{\"Cmd\":[\"/bin/sh\",\"-c\",\"[\\\"a\\\"],\\\"x\\\":[]\"]}");
	check(CHANGES("CMD"), "!CMD requires at least one argument");
	check(CHANGES("RUN x"), "!RUN is not a valid change command");
}

TEST(an_entrypoint_drops_the_command_before_it)
{
	check(CHANGES("CMD [\"a\"]", "ENTRYPOINT [\"e\"]"),
	      "{\"Entrypoint\":[\"e\"],\"Cmd\":[\"a\"]}");
	check(CHANGES("ENTRYPOINT [\"e\"]"), "{\"Entrypoint\":[\"e\"]}");
}

TEST(pairs_have_quotes_and_variables)
{
	check(CHANGES("ENV A=1 B=\"2 3\" C='$A'", "ENV A=x D=$A-${B}_$"),
	      "{\"Env\":[\"A=x\",\"B=2 3\",\"C=$A\",\"D=x-2 3_$\"]}");
	check(CHANGES("ENV OLD the \"rest\" of it"), "{\"Env\":[\"OLD=the rest of it\"]}");
	check(CHANGES("LABEL a.b=\"c d\" e=f", "LABEL e=g"),
	      "{\"Labels\":{\"a.b\":\"c d\",\"e\":\"g\"}}");
	check(CHANGES("ENV A"), "!must have two arguments");
	check(CHANGES("ENV A=1 B"), "!can't find =");
	check(CHANGES("ENV A=\"1"), "!double-quote");
	check(CHANGES("ENV A=${B:-c}"), "!only $NAME and ${NAME}");
}

TEST(ports_and_volumes_are_sets)
{
	check(CHANGES("EXPOSE 80 80/tcp 53/UDP 8000-8002"),
	      "{\"ExposedPorts\":{\"80/tcp\":{},\"53/udp\":{},\"8000/tcp\":{},\"8001/tcp\":{},\"8002/tcp\":{}}}");
	check(CHANGES("EXPOSE 70000"), "!invalid containerPort");
	check(CHANGES("EXPOSE 1-65535"), "!more than");
	check(CHANGES("EXPOSE 80/x"), "!invalid containerPort");
	check(CHANGES("VOLUME /a /b", "VOLUME [\"/a\", \"/c d\"]"),
	      "{\"Volumes\":{\"/a\":{},\"/b\":{},\"/c d\":{}}}");
}

TEST(folders_are_relative_to_the_one_before)
{
	check(CHANGES("WORKDIR /a/./b", "WORKDIR ../c", "WORKDIR d//e"),
	      "{\"WorkingDir\":\"/a/c/d/e\"}");
	check(CHANGES("WORKDIR ../.."), "{\"WorkingDir\":\"/\"}");
	check(CHANGES("USER 1:2", "STOPSIGNAL SIGHUP"),
	      "{\"User\":\"1:2\",\"StopSignal\":\"SIGHUP\"}");
}

TEST(health_checks_have_flags)
{
	check(CHANGES("HEALTHCHECK NONE"), "{\"Healthcheck\":{\"Test\":[\"NONE\"]}}");
	check(CHANGES("HEALTHCHECK --timeout=1s --retries=2 CMD [\"a\"]"),
	      "{\"Healthcheck\":{\"Test\":[\"CMD\",\"a\"],\"Timeout\":1000000000,\"Retries\":2}}");
	check(CHANGES("HEALTHCHECK CMD a b"),
	      "{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"a b\"]}}");
	check(CHANGES("HEALTHCHECK --interval=x CMD a"), "!invalid duration");
	check(CHANGES("HEALTHCHECK --what=1 CMD a"), "!unknown flag");
	check(CHANGES("HEALTHCHECK a"), "!Unknown type");
	check(CHANGES("ONBUILD RUN x", "ONBUILD COPY . ."),
	      "{\"OnBuild\":[\"RUN x\",\"COPY . .\"]}");
	check(CHANGES("ONBUILD from x"), "!FROM isn't allowed");
}

TEST_MAIN()
