/* Includes the source, to compare the portable block function with the chosen one. */
#include "codec/digest.c"

#include "base/test.h"

/* FIPS 180-4 and NIST's example values. */
static const struct {
	const char *text;
	size_t times;
	const char *digest;
} known[] = {
	{ "", 1, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", 1, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
	  "sha256:248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	{ "a", 1000000, "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
	{ "{}", 1, "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" },
};

static void check_known(void)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		char buf[DIGEST_TEXT_MAX];
		struct sha256 s;

		sha256_init(&s);
		for (size_t k = 0; k < known[i].times; k++)
			sha256_update(&s, known[i].text, strlen(known[i].text));
		CHECK_STR(sha256_digest(&s, buf), known[i].digest);
	}
}

TEST(known_answers_with_the_cpu_s_own_way)
{
	chosen_blocks = NULL;
	check_known();
}

TEST(known_answers_portably)
{
	chosen_blocks = blocks_portable;
	check_known();
	chosen_blocks = NULL;
}

TEST(both_ways_agree_however_the_bytes_are_cut)
{
	static uint8_t data[4096];
	char one[DIGEST_TEXT_MAX], two[DIGEST_TEXT_MAX];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * i >> 3);
	for (size_t len = 0; len < sizeof(data); len += 37) {
		struct sha256 s;

		chosen_blocks = blocks_portable;
		digest_of(data, len, one);
		chosen_blocks = NULL;
		sha256_init(&s);
		for (size_t at = 0, n; at < len; at += n) {
			n = MIN(len - at, 1 + at % 131);
			sha256_update(&s, data + at, n);
		}
		CHECK_STR(sha256_digest(&s, two), one);
	}
}

TEST(sha256sum_agrees)
{
	char command[] = "sha256sum /proc/self/exe 2>/dev/null", line[128] = "",
	     buf[DIGEST_TEXT_MAX];
	static char data[8 << 20];
	char path[256];
	size_t n;
	FILE *f;

	/* The path that sha256sum sees is its own program: the file that it names is read here too. */
	f = popen("readlink -f \"$(command -v sha256sum)\"", "r");
	CHECK(f);
	n = fread(path, 1, sizeof(path) - 1, f);
	pclose(f);
	path[n] = '\0';
	path[strcspn(path, "\n")] = '\0';
	if (!*path)
		TEST_SKIP("no sha256sum");
	f = popen(command, "r");
	CHECK(f && fgets(line, sizeof(line), f));
	pclose(f);
	f = fopen(path, "re");
	CHECK(f);
	n = fread(data, 1, sizeof(data), f);
	fclose(f);
	CHECK(n < sizeof(data));
	line[64] = '\0';
	CHECK_STR(digest_hex(digest_of(data, n, buf)), line);
}

TEST(sha512sum_agrees)
{
	static char text[300];
	char command[100], want[SHA512_LEN * 2 + 1], got[SHA512_LEN * 2 + 1];
	uint8_t hash[SHA512_LEN];

	for (size_t len = 0; len < sizeof(text); len += 37) {
		FILE *p;
		bool is_read;

		memset(text, 'x', len);
		snprintf(command, sizeof(command), "head -c %zu /dev/zero | tr '\\0' x | sha512sum",
			 len);
		p = popen(command, "r");
		is_read = p && fscanf(p, "%128s", want) == 1;
		if (p)
			pclose(p);
		if (!is_read)
			TEST_SKIP("needs sha512sum");
		sha512(text, len, hash);
		for (size_t i = 0; i < SHA512_LEN; i++)
			snprintf(got + 2 * i, 3, "%02x", hash[i]);
		CHECK_STR(got, want);
	}
}

TEST(only_real_digests_are_valid)
{
	char s[DIGEST_TEXT_MAX + 2];

	CHECK(digest_is_valid(known[0].digest));
	CHECK(!digest_is_valid(NULL));
	CHECK(!digest_is_valid(""));
	CHECK(!digest_is_valid("sha256:"));
	CHECK(!digest_is_valid("sha256:../../etc/passwd"));
	CHECK(!digest_is_valid(known[0].digest + 1));
	snprintf(s, sizeof(s), "%sa", known[0].digest);
	CHECK(!digest_is_valid(s));
	snprintf(s, sizeof(s), "%s", known[0].digest);
	s[10] = 'A';
	CHECK(!digest_is_valid(s));
	s[10] = '/';
	CHECK(!digest_is_valid(s));
	snprintf(s, sizeof(s), "sha512:%s%s", known[0].digest + 7, known[1].digest + 7);
	CHECK(digest_is_valid(s));
	CHECK_EQ(strlen(s), DIGEST_TEXT_MAX - 1);
	memcpy(s, "sha256", 6);
	CHECK(!digest_is_valid(s));
	memcpy(s, "md5:12", 6);
	CHECK(!digest_is_valid(s));
}

TEST_MAIN()
