#include "codec/base64.h"

#include <errno.h>

#include "base/test.h"

TEST(the_rfc_examples_go_both_ways)
{
	static const char *const rows[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};
	char buf[16], raw[16];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ssize_t n;

		CHECK_STR(base64_encode(BASE64_STANDARD, rows[i][0], strlen(rows[i][0]), buf),
			  rows[i][1]);
		CHECK_EQ(strlen(buf), BASE64_LEN(strlen(rows[i][0])));
		n = base64_decode(BASE64_STANDARD, buf, strlen(buf), raw);
		CHECK_EQ(n, strlen(rows[i][0]));
		CHECK(memcmp(raw, rows[i][0], (size_t)n) == 0);
	}
}

TEST(every_byte_value_survives)
{
	unsigned char data[257], back[BASE64_RAW_MAX(BASE64_LEN(257))];
	char buf[BASE64_LEN(257) + 1];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7);
	for (size_t n = 0; n <= sizeof(data); n++) {
		base64_encode(BASE64_URL, data, n, buf);
		CHECK_EQ(base64_decode(BASE64_URL, buf, strlen(buf), back), n);
		CHECK(memcmp(data, back, n) == 0);
	}
}

TEST(wrong_texts_are_refused)
{
	static const char *const rows[] = {
		"Zg=",	  "Zg",	  "Z",	      "Z===", "Zh==", "Zm9=",  "Zm 9",
		"Zm9v\n", "====", "Zg==Zg==", "Zm-_", "=Zm9", "Zm9v=",
	};
	char raw[16];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_EQ(base64_decode(BASE64_STANDARD, rows[i], strlen(rows[i]), raw), -EBADMSG);
	CHECK_EQ(base64_decode(BASE64_URL, "Zg", 2, raw), 1);
	CHECK_EQ(base64_decode(BASE64_URL, "-_-_", 4, raw), 3);
	CHECK_EQ(base64_decode(BASE64_URL, "+/+/", 4, raw), -EBADMSG);
}

TEST_MAIN()
