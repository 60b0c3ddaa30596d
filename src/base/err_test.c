#include "base/err.h"

#include "base/test.h"

TEST(an_error_carries_words_errno_and_class)
{
	struct err e = ERR_INIT;

	CHECK_EQ(err_set(&e, -ENOENT, "no such container '%s'", "x"), -ENOENT);
	CHECK_EQ(e.errnum, ENOENT);
	CHECK_EQ(e.code, ERR_NOT_FOUND);
	CHECK_STR(e.msg, "no such container 'x'");
}

TEST(context_goes_before_the_words_and_keeps_the_class)
{
	struct err e = ERR_INIT;

	err_set_code(&e, -EBUSY, ERR_ABORTED, "busy");
	CHECK_EQ(err_wrap(&e, -EBUSY, "mount '%s'", "/a"), -EBUSY);
	CHECK_STR(e.msg, "mount '/a': busy");
	CHECK_EQ(e.code, ERR_ABORTED);
}

TEST(wrapping_nothing_says_what_the_errno_says)
{
	struct err e = ERR_INIT;

	err_wrap(&e, -ENOENT, "open");
	CHECK_STR(e.msg, "open: no such file or directory");
}

TEST(a_long_text_is_cut_and_marked)
{
	struct err e = ERR_INIT;
	char big[2 * ERR_MSG_MAX];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&e, -EINVAL, "%s", big);
	CHECK_EQ(strlen(e.msg), ERR_MSG_MAX - 1);
	CHECK_STR(e.msg + ERR_MSG_MAX - 4, "...");
	err_wrap(&e, -EINVAL, "%s", big);
	CHECK_EQ(strlen(e.msg), ERR_MSG_MAX - 1);
}

TEST(nobody_has_to_want_words)
{
	CHECK_EQ(err_set(NULL, -EPERM, "x"), -EPERM);
	CHECK_EQ(err_wrap(NULL, -EPERM, "x"), -EPERM);
	CHECK_EQ(err_sys(NULL, -EPERM, "x"), -EPERM);
	CHECK_STR(err_text(NULL, -EPERM), "operation not permitted");
}

TEST(classes_have_grpcs_names)
{
	CHECK_STR(err_code_name(ERR_FAILED_PRECONDITION), "failed_precondition");
	CHECK_STR(err_code_name(ERR_UNAUTHENTICATED), "unauthenticated");
	CHECK_STR(err_code_name((enum err_code)99), "unknown");
}

TEST_MAIN()
