#include "net/dns/book.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/test.h"

static struct arena a;
static char top[] = "/tmp/book-test.XXXXXX";
static int dir = -EBADF;

static struct dns_book *new_book(void)
{
	struct dns_book *b;

	if (dir >= 0) {
		close(dir);
		dir_remove_at(AT_FDCWD, top);
		CHECK_EQ(dir_make_all(top, 0700), 0);
	} else if (!mkdtemp(top)) {
		abort();
	}
	dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_EQ(dns_book_new(dir, &b), 0);
	return b;
}

static void put(const char *id, const char *text)
{
	CHECK_EQ(file_replace_at(dir, id, text, strlen(text), 0600, 0), 0);
}

/* The addresses that a container sees, in order: "10.1.0.2 10.1.0.3"; "-": no such name. */
static const char *seen(struct dns_book *b, const char *asker, const char *name, int family)
{
	static char text[400];
	struct ip_addr v[8];
	char buf[IP_TEXT_MAX];
	int n;

	CHECK_EQ(dns_book_refresh(b), 0);
	CHECK(dns_book_entry(b, asker));
	n = dns_book_addresses(b, dns_book_entry(b, asker), name, family, v, 8);
	snprintf(text, sizeof(text), "%s", n < 0 ? "-" : "");
	for (int i = 0; i < n; i++) {
		size_t at = strlen(text);

		snprintf(text + at, sizeof(text) - at, "%s%s", i ? " " : "",
			 ip_addr_text(&v[i], buf));
	}
	return text;
}

#define WEB "corten-dns 1\nnetwork a\naddress 10.1.0.2\naddress fd00::2\nname Web\nname www\n"
#define DB                                                                                   \
	"corten-dns 1\nserver 10.0.0.1#53\nnetwork a\naddress 10.1.0.3\nname db\nname www\n" \
	"network B\naddress 10.2.0.3\nname db\n"
#define OTHER "corten-dns 1\ninternal\nnetwork B\naddress 10.2.0.4\nname other\n"

TEST(names_are_seen_on_common_networks_only)
{
	struct dns_book *b = new_book();

	put("web", WEB);
	put("db", DB);
	put("other", OTHER);
	CHECK_STR(seen(b, "web", "db", AF_INET), "10.1.0.3");
	CHECK_STR(seen(b, "other", "db", AF_INET), "10.2.0.3");
	CHECK_STR(seen(b, "db", "db", AF_INET), "10.1.0.3 10.2.0.3");
	CHECK_STR(seen(b, "web", "other", AF_INET), "-");
	CHECK_STR(seen(b, "other", "web", AF_INET), "-");
	CHECK_STR(seen(b, "web", "www", AF_INET), "10.1.0.3 10.1.0.2");
	CHECK_STR(seen(b, "db", "web", AF_INET6), "fd00::2");
	CHECK_STR(seen(b, "web", "db", AF_INET6), "");
	CHECK_STR(seen(b, "web", "db.a", AF_INET), "10.1.0.3");
	CHECK_STR(seen(b, "db", "db.b", AF_INET), "10.2.0.3");
	CHECK_STR(seen(b, "web", "db.b", AF_INET), "-");
	dns_book_free(b);
}

TEST(what_changes_is_seen_at_the_next_look)
{
	struct dns_book *b = new_book();

	put("web", WEB);
	CHECK_STR(seen(b, "web", "db", AF_INET), "-");
	put("db", DB);
	CHECK_STR(seen(b, "web", "db", AF_INET), "10.1.0.3");
	put("db", "corten-dns 1\nnetwork a\naddress 10.1.0.9\nname db\n");
	CHECK_STR(seen(b, "web", "db", AF_INET), "10.1.0.9");
	put("db", "wrong");
	CHECK_STR(seen(b, "web", "db", AF_INET), "-");
	CHECK_STR(seen(b, "web", "web", AF_INET), "10.1.0.2");
	CHECK_EQ(unlinkat(dir, "web", 0), 0);
	CHECK_EQ(dns_book_refresh(b), 0);
	CHECK(!dns_book_entry(b, "web"));
	dns_book_free(b);
}

TEST(addresses_have_names)
{
	struct dns_book *b = new_book();
	struct ip_addr addr;

	put("web", WEB);
	put("db", DB);
	CHECK_EQ(dns_book_refresh(b), 0);
	CHECK_EQ(ip_addr_parse("10.1.0.3", &addr), 0);
	CHECK_STR(dns_book_name(b, dns_book_entry(b, "web"), &addr), "db");
	CHECK_EQ(ip_addr_parse("10.2.0.3", &addr), 0);
	CHECK(!dns_book_name(b, dns_book_entry(b, "web"), &addr));
	dns_book_free(b);
	close(dir);
	dir_remove_at(AT_FDCWD, top);
}

TEST(an_entry_is_written_and_read_back)
{
	static const char text[] = "corten-dns 1\nnetns 4 99 /run/netns/a b\nserver 10.0.0.1#53\n"
				   "server ::1#5353\ninternal\nnetwork a\naddress 10.1.0.2\n"
				   "address fd00::2\nname web\nnetwork b\n";
	AUTO_STRBUF struct strbuf out = { 0 };
	struct dns_entry entry;

	CHECK_EQ(dns_entry_read(text, strlen(text), &a, &entry, NULL), 0);
	CHECK_STR(entry.netns, "/run/netns/a b");
	CHECK_EQ(entry.netns_ino, 99);
	CHECK(entry.is_internal);
	dns_entry_write(&entry, &out);
	CHECK_STR(out.p, text);
}

TEST(a_wrong_entry_says_the_line)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{ "", "no entry" },
		{ "corten-dns 2\n", "no entry" },
		{ "corten-dns 1\naddress 10.0.0.1\n", "line 2: a wrong 'address'" },
		{ "corten-dns 1\nnetwork a\naddress x\n", "line 3" },
		{ "corten-dns 1\nnetwork a\n\nname a..b\n", "line 4: a wrong 'name'" },
		{ "corten-dns 1\nserver 1.1.1.1#0\n", "line 2" },
		{ "corten-dns 1\nserver 1.1.1.1#99999\n", "line 2" },
		{ "corten-dns 1\nnetns 1\n", "line 2" },
		{ "corten-dns 1\nnetwork\n", "line 2" },
	};
	struct dns_entry entry;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = ERR_INIT;

		CHECK_EQ(dns_entry_read(rows[i].text, strlen(rows[i].text), &a, &entry, &e),
			 -EBADMSG);
		if (!strstr(e.msg, rows[i].words))
			TEST_END(TEST_FAILED, "%s: %s", rows[i].text, e.msg);
	}
	CHECK_EQ(dns_entry_read("corten-dns 1\nfuture words\n", 26, &a, &entry, NULL), 0);
}

TEST_MAIN()
