#include "base/mem.h"

#include <errno.h>

#include "base/test.h"

TEST(arena_memory_is_zeroed_and_aligned)
{
	AUTO_ARENA struct arena a = { 0 };

	for (size_t n = 1; n < 3000; n += 97) {
		char *p = arena_alloc(&a, n);

		CHECK(p != NULL);
		CHECK_EQ((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			CHECK_EQ(p[i], 0);
		memset(p, 0xff, n);
	}
}

TEST(an_arena_stops_at_its_budget)
{
	AUTO_ARENA struct arena a = { .budget = 100000 };
	size_t got = 0;

	while (arena_alloc(&a, 1000))
		got += 1000;
	CHECK(got > 80000 && got <= 100000);
	CHECK(arena_calloc(&a, SIZE_MAX / 2, 3) == NULL);
}

TEST(a_large_block_leaves_the_small_ones_usable)
{
	AUTO_ARENA struct arena a = { 0 };
	char *first = arena_alloc(&a, 16), *big = arena_alloc(&a, 1 << 20),
	     *second = arena_alloc(&a, 16);

	CHECK(first && big && second);
	CHECK_EQ(second - first, 16);
}

TEST(arrays_grow_and_keep_their_elements)
{
	AUTO_FREE int *v = NULL;
	size_t cap = 0;

	for (int i = 0; i < 1000; i++) {
		CHECK_EQ(mem_grow(&v, &cap, (size_t)i + 1, sizeof(*v)), 0);
		v[i] = i;
	}
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(v[i], i);
	CHECK_EQ(mem_grow(&v, &cap, SIZE_MAX / 2, sizeof(*v)), -ENOMEM);
}

TEST(strings_are_copied_into_the_arena)
{
	AUTO_ARENA struct arena a = { 0 };

	CHECK_STR(arena_strndup(&a, "abcdef", 3), "abc");
	CHECK_STR(arena_printf(&a, "%s-%d", "x", 7), "x-7");
}

TEST_MAIN()
