#pragma once
/*
 * Unit tests in one header. A test program lists its cases and ends with TEST_MAIN:
 *
 *	TEST(a_missing_file_gives_enoent)
 *	{
 *		CHECK_EQ(file_read_at(...), -ENOENT);
 *	}
 *	TEST_MAIN()
 *
 * Output is TAP, so that meson counts the cases. A failed CHECK ends its case, not the program.
 * One case runs alone with its name as argument. TEST_SKIP("why") marks a case that the machine cannot run.
 */
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_case {
	const char *name;
	void (*run)(void);
	struct test_case *next;
};

extern struct test_case *test_first, **test_last;
extern jmp_buf test_jump;
extern char test_words[1024];
enum test_result { TEST_PASSED = 0, TEST_FAILED = 1, TEST_SKIPPED = 2 };

#define TEST(case_name)                                                             \
	static void case_name(void);                                                \
	static struct test_case case_##case_name = { #case_name, case_name, NULL }; \
	__attribute__((constructor)) static void add_##case_name(void)              \
	{                                                                           \
		*test_last = &case_##case_name;                                     \
		test_last = &case_##case_name.next;                                 \
	}                                                                           \
	static void case_name(void)

#define TEST_END(result, ...)                                          \
	do {                                                           \
		snprintf(test_words, sizeof(test_words), __VA_ARGS__); \
		longjmp(test_jump, result);                            \
	} while (0)
#define TEST_SKIP(...) TEST_END(TEST_SKIPPED, __VA_ARGS__)
#define CHECK(x)                                                                    \
	do {                                                                        \
		if (!(x))                                                           \
			TEST_END(TEST_FAILED, "%s:%d: %s", __FILE__, __LINE__, #x); \
	} while (0)
#define CHECK_EQ(a, b)                                                                    \
	do {                                                                              \
		long long a_ = (long long)(a), b_ = (long long)(b);                       \
		if (a_ != b_)                                                             \
			TEST_END(TEST_FAILED, "%s:%d: %s is %lld, wanted %lld", __FILE__, \
				 __LINE__, #a, a_, b_);                                   \
	} while (0)
#define CHECK_STR(a, b)                                                                   \
	do {                                                                              \
		const char *a_ = (a), *b_ = (b);                                          \
		if (!a_ || !b_ || strcmp(a_, b_) != 0)                                    \
			TEST_END(TEST_FAILED, "%s:%d: %s is '%s', wanted '%s'", __FILE__, \
				 __LINE__, #a, a_ ? a_ : "(null)", b_ ? b_ : "(null)");   \
	} while (0)

#define TEST_MAIN()                                                               \
	struct test_case *test_first, **test_last = &test_first;                  \
	jmp_buf test_jump;                                                        \
	char test_words[1024];                                                    \
	int main(int argc, char **argv)                                           \
	{                                                                         \
		static const char *const verdict[] = { "ok", "not ok", "ok" };    \
		static int n, failed, result;                                     \
		static struct test_case *c;                                       \
		for (c = test_first; c; c = c->next)                              \
			n += argc < 2 || strcmp(argv[1], c->name) == 0;           \
		printf("1..%d\n", n);                                             \
		n = 0;                                                            \
		for (c = test_first; c; c = c->next) {                            \
			if (argc > 1 && strcmp(argv[1], c->name) != 0)            \
				continue;                                         \
			result = setjmp(test_jump);                               \
			if (result == TEST_PASSED)                                \
				c->run();                                         \
			failed += result == TEST_FAILED;                          \
			printf("%s %d - %s%s%s\n", verdict[result], ++n, c->name, \
			       result == TEST_SKIPPED ? " # SKIP "                \
			       : result		      ? "\n# "                    \
						      : "",                                     \
			       result ? test_words : "");                         \
			fflush(stdout);                                           \
		}                                                                 \
		return failed ? 1 : 0;                                            \
	}
