/* Unit tests: TEST(name) in any file under test/unit/ registers itself.
 *
 *   unit-tests            runs all of them
 *   unit-tests FILE...    runs those of these files ("core/cursor_test.c")
 *   unit-tests --list     prints "FILE:name"
 *
 * A failed EXPECT is printed and the test goes on; a failed REQUIRE ends it. The last line is "N passed, N failed". */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "registry.h"

struct test {
	const char *file, *name;
	void (*run)(void);
};
REGISTRY_DECLARE(test, struct test);

#define TEST(name_)                                                                                                    \
	static void test_##name_(void);                                                                                \
	static const struct test test_entry_##name_ = {.file = __FILE__, .name = #name_, .run = test_##name_};         \
	REGISTRY_ADD(test, test_entry_##name_);                                                                        \
	static void test_##name_(void)

void test_fail(const char *file, int line, const char *what);
void test_expect_str(const char *file, int line, const char *what, const char *a, const char *b);
void test_skip(const char *why); /* the rest of the test may return early */

#define EXPECT(condition)                                                                                              \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			test_fail(__FILE__, __LINE__, #condition);                                                     \
	} while (0)
#define REQUIRE(condition)                                                                                             \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			test_fail(__FILE__, __LINE__, #condition);                                                     \
			return;                                                                                        \
		}                                                                                                      \
	} while (0)
#define EXPECT_EQ(a, b)                                                                                                \
	do {                                                                                                           \
		long long a_ = (long long)(a), b_ = (long long)(b);                                                    \
		char text_[256];                                                                                       \
		if (a_ != b_) {                                                                                        \
			snprintf(text_, sizeof(text_), "%s == %s: %lld, %lld", #a, #b, a_, b_);                        \
			test_fail(__FILE__, __LINE__, text_);                                                          \
		}                                                                                                      \
	} while (0)
#define EXPECT_STR(a, b) test_expect_str(__FILE__, __LINE__, #a " == " #b, (a), (b))

/* EAL for tests that need mbufs, rings or ports: without hugepages, in memory, once a process. */
void test_eal(void);

/* 'size' bytes whose end lies at an unmapped page: a read one byte beyond them is a SIGSEGV. Freed with
 * test_guard_free(). */
uint8_t *test_guard(const void *bytes, size_t size);
void test_guard_free(uint8_t *, size_t size);

/* CPU time of this thread. */
double test_cpu_seconds(void);

/* Does what costs so many seconds at this size cost at most 'times' as much, and 'slack_s', at the larger one? Others
 * use the machine too: both are measured in turn, up to ten times, until the best of each say yes. */
typedef double (*test_cost)(const void *what, size_t size);
bool test_grows_at_most(test_cost, const void *what, size_t size, size_t larger, double times, double slack_s);

#endif
