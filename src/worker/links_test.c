#include "worker/links.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/str.h"
#include "base/test.h"

static const char *next(const char *value)
{
	static char buf[256];
	AUTO_FREE char *p = link_next(value);

	snprintf(buf, sizeof(buf), "%s", p ? p : "-");
	return buf;
}

TEST(the_next_page_is_found_among_links)
{
	CHECK_STR(next("</v2/a/tags/list?last=b&n=2>; rel=\"next\""), "/v2/a/tags/list?last=b&n=2");
	CHECK_STR(next("<x>;rel=next"), "x");
	CHECK_STR(next("<a>; rel=\"prev\", <b>; title=\"t, <c>\"; rel=\"last next\""), "b");
	CHECK_STR(next("<a>; REL=NEXT"), "a");
	CHECK_STR(next("<a>; rel=\"nextpage\""), "-");
	CHECK_STR(next("<a>; rel=\"next"), "-");
	CHECK_STR(next("<a"), "-");
	CHECK_STR(next("<>; rel=next"), "-");
	CHECK_STR(next("a; rel=next"), "-");
	CHECK_STR(next(""), "-");
}

static const char *resolve(const char *base, const char *to)
{
	static char buf[512];
	AUTO_FREE char *p = NULL;
	struct err e = ERR_INIT;
	int r = url_resolve(base, to, &p, &e);

	snprintf(buf, sizeof(buf), "%s", r == 0 ? p : "-");
	return buf;
}

TEST(a_location_may_be_relative_and_keeps_its_query)
{
	static const char base[] = "https://r.test/v2/a/blobs/uploads/?mount=x";

	CHECK_STR(resolve(base, "/v2/a/blobs/uploads/1?_state=s%3D"),
		  "https://r.test/v2/a/blobs/uploads/1?_state=s%3D");
	CHECK_STR(resolve(base, "1?s=2"), "https://r.test/v2/a/blobs/uploads/1?s=2");
	CHECK_STR(resolve(base, "https://store.test/u"), "https://store.test/u");
	CHECK_STR(resolve(base, "//other.test/u"), "https://other.test/u");
}

TEST(a_location_leads_to_no_worse_place)
{
	CHECK_STR(resolve("https://r.test/v2/", "http://r.test/u"), "-");
	CHECK_STR(resolve("http://r.test/v2/", "http://r.test/u"), "http://r.test/u");
	CHECK_STR(resolve("https://r.test/v2/", "file:///etc/passwd"), "-");
	CHECK_STR(resolve("https://r.test/v2/", "https://me:secret@r.test/u"), "-");
	CHECK_STR(resolve("https://r.test/v2/", "/a\r\nb"), "-");
	CHECK_STR(resolve("https://r.test/v2/", "/a b"), "-");
}

TEST(a_parameter_is_added_behind_those_there)
{
	AUTO_FREE char *a = url_add_query("https://r/u?s=1#f", "digest", "sha256:ab");
	AUTO_FREE char *b = url_add_query("https://r/u", "from", "a/b&c");

	CHECK_STR(a, "https://r/u?s=1&digest=sha256%3aab");
	CHECK_STR(b, "https://r/u?from=a%2fb%26c");
}

TEST_MAIN()
