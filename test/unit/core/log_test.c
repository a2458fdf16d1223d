#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <regex.h>
#include <stdatomic.h>
#include <time.h>

#include "core/capture_stderr.h"
#include "test.h"

static struct capture_stderr capture;

static bool
matches(const char *text, const char *pattern)
{
	regex_t regex;
	bool found;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	found = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return found;
}

static unsigned
count_lines(const char *text)
{
	unsigned n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

TEST(a_line_has_utc_time_level_event_and_pairs)
{
	capture_stderr_begin(&capture);
	LOG_WARN("replay.damaged", "file=\"%s\" offset=%d", "x.pcap", 1048);
	capture_stderr_end(&capture);
	EXPECT(matches(capture.text, "^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{3}Z "
				     "warn replay.damaged file=\"x.pcap\" offset=1048\n$"));
}

TEST(the_time_is_now_and_in_utc)
{
	struct tm tm = {0};
	time_t now = time(NULL), logged;

	setenv("TZ", "Pacific/Kiritimati", 1);
	tzset();
	capture_stderr_begin(&capture);
	LOG_ERROR("log.test", "x=1");
	capture_stderr_end(&capture);
	unsetenv("TZ");
	tzset();
	REQUIRE(strptime(capture.text, "%Y-%m-%dT%H:%M:%S", &tm) != NULL);
	logged = timegm(&tm);
	EXPECT(logged >= now && logged <= now + 2);
}

TEST(lines_above_the_level_are_not_written)
{
	enum log_level before = log_get_level();

	log_set_level(LOG_LEVEL_WARN);
	capture_stderr_begin(&capture);
	LOG_INFO("log.info", "x=1");
	LOG_DEBUG("log.debug", "x=1");
	LOG_WARN("log.warn", "x=1");
	LOG_ERROR("log.error", "x=1");
	capture_stderr_end(&capture);
	EXPECT(strstr(capture.text, "log.info") == NULL);
	EXPECT(strstr(capture.text, "log.debug") == NULL);
	EXPECT(strstr(capture.text, " warn log.warn x=1\n") != NULL);
	EXPECT(strstr(capture.text, " error log.error x=1\n") != NULL);
	log_set_level(LOG_LEVEL_DEBUG);
	capture_stderr_begin(&capture);
	LOG_DEBUG("log.debug", "x=1");
	EXPECT(strstr(capture_stderr_end(&capture), " debug log.debug x=1\n") != NULL);
	log_set_level(before);
}

/* The second of the monotonic clock may change in between; then the burst starts anew. Begin just after a change. */
static void
wait_for_a_new_second(void)
{
	struct timespec now, rest = {0};

	clock_gettime(CLOCK_MONOTONIC, &now);
	rest.tv_nsec = 999999999 - now.tv_nsec;
	nanosleep(&rest, NULL);
	do {
		rest.tv_nsec = 1000000;
		nanosleep(&rest, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_nsec > 500000000);
}

static void
one_site(int x)
{
	LOG_INFO("log.burst", "x=%d", x);
}

TEST(a_site_is_limited_and_says_how_many_were_suppressed)
{
	wait_for_a_new_second();
	capture_stderr_begin(&capture);
	for (int i = 0; i < LOG_BURST + 7; i++)
		one_site(i);
	LOG_INFO("log.other", "x=1"); /* Another site has a limit of its own. */
	capture_stderr_end(&capture);
	EXPECT_EQ(count_lines(capture.text), LOG_BURST + 1);
	EXPECT(strstr(capture.text, "suppressed") == NULL);
	EXPECT(strstr(capture.text, "log.other") != NULL);

	wait_for_a_new_second();
	capture_stderr_begin(&capture);
	one_site(100);
	one_site(101);
	capture_stderr_end(&capture);
	EXPECT_EQ(count_lines(capture.text), 2);
	EXPECT(strstr(capture.text, "x=100 suppressed=7\n") != NULL);
	EXPECT(strstr(capture.text, "x=101\n") != NULL);
}

TEST(a_message_too_long_is_cut_and_marked_and_stays_one_write)
{
	static char text[3 * PIPE_BUF];

	memset(text, 'a', sizeof(text) - 1);
	capture_stderr_begin(&capture);
	LOG_INFO("log.long", "text=%s", text);
	capture_stderr_end(&capture);
	EXPECT(strlen(capture.text) <= PIPE_BUF);
	EXPECT(strlen(capture.text) > PIPE_BUF - 64);
	EXPECT_EQ(count_lines(capture.text), 1);
	EXPECT(strstr(capture.text, "aaa...\n") != NULL);
}

TEST(control_bytes_in_a_message_do_not_make_a_second_line)
{
	capture_stderr_begin(&capture);
	LOG_INFO("log.control", "a=%s", "1\n2\x1b[31m\x7f");
	capture_stderr_end(&capture);
	EXPECT_EQ(count_lines(capture.text), 1);
	EXPECT(strstr(capture.text, "a=1?2?[31m?\n") != NULL);
}

TEST(errno_survives_a_log_line)
{
	capture_stderr_begin(&capture);
	errno = ENOSPC;
	LOG_INFO("log.errno", "x=1");
	EXPECT_EQ(errno, ENOSPC);
	capture_stderr_end(&capture);
}

static void
hook_one(void)
{
	EXPECT(write(STDERR_FILENO, "<", 1) == 1);
}

static void
hook_two(void)
{
	EXPECT(write(STDERR_FILENO, ">", 1) == 1);
}

TEST(hooks_run_before_and_after_a_line)
{
	log_set_hooks(hook_one, hook_two);
	capture_stderr_begin(&capture);
	LOG_INFO("log.hooks", "x=1");
	capture_stderr_end(&capture);
	log_set_hooks(NULL, NULL);
	EXPECT(matches(capture.text, "^<[^<>\n]* info log.hooks x=1\n>$"));
	capture_stderr_begin(&capture);
	LOG_INFO("log.hooks", "x=2");
	EXPECT(matches(capture_stderr_end(&capture), "^[^<>\n]* info log.hooks x=2\n$"));
}

enum { WRITERS = 4, LINES = 200 };

static void *
write_lines(void *argument)
{
	static const char letters[] = "abcd";
	char word[200];
	struct log_site *site = NULL; /* No limit. */

	memset(word, letters[*(int *)argument], sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	for (int i = 0; i < LINES; i++)
		log_write(LOG_LEVEL_INFO, site, "log.thread", "%s", word);
	return NULL;
}

TEST(lines_of_threads_do_not_mix)
{
	static char text[WRITERS * LINES * 300];
	pthread_t thread[WRITERS];
	int number[WRITERS], file = memfd_create("log", 0), saved = dup(STDERR_FILENO);
	unsigned good = 0;
	ssize_t size;

	/* Appending, as a log file is opened: each write goes to the end. */
	REQUIRE(file >= 0 && saved >= 0 && fcntl(file, F_SETFL, O_APPEND) == 0 && dup2(file, STDERR_FILENO) >= 0);
	for (int i = 0; i < WRITERS; i++) {
		number[i] = i;
		REQUIRE(pthread_create(&thread[i], NULL, write_lines, &number[i]) == 0);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(thread[i], NULL);
	dup2(saved, STDERR_FILENO);
	close(saved);
	size = pread(file, text, sizeof(text) - 1, 0);
	close(file);
	REQUIRE(size > 0);
	text[size] = '\0';
	for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0';)
		good += matches(line, "Z info log.thread (a{199}|b{199}|c{199}|d{199})$");
	EXPECT_EQ(good, WRITERS * LINES);
}

static const char *
quote(const char *text)
{
	static char out[64];

	return log_quote(out, sizeof(out), text);
}

TEST(quotes_backslashes_and_controls_are_escaped)
{
	EXPECT_STR(quote("plain text"), "plain text");
	EXPECT_STR(quote("say \"x\""), "say \\\"x\\\"");
	EXPECT_STR(quote("c:\\dir"), "c:\\\\dir");
	EXPECT_STR(quote("a\nb\tc\x1b\x7f"), "a\\x0ab\\x09c\\x1b\\x7f");
	EXPECT_STR(quote(""), "");
	EXPECT_STR(quote(NULL), "");
}

TEST(utf8_passes_and_what_is_not_utf8_is_escaped)
{
	EXPECT_STR(quote("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa6"),
		   "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa6");
	EXPECT_STR(quote("\xff\xfe"), "\\xff\\xfe");
	EXPECT_STR(quote("\xc3"), "\\xc3");			       /* Cut off. */
	EXPECT_STR(quote("\xc0\xaf"), "\\xc0\\xaf");		       /* Overlong. */
	EXPECT_STR(quote("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");	       /* Overlong. */
	EXPECT_STR(quote("\xed\xa0\x80"), "\\xed\\xa0\\x80");	       /* A surrogate. */
	EXPECT_STR(quote("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80"); /* Beyond the last code point. */
	EXPECT_STR(quote("\xc2\x9b"), "\\xc2\\x9b");		       /* CSI of an 8-bit terminal. */
}

TEST(a_quote_that_does_not_fit_ends_before_the_escape)
{
	char out[6];

	EXPECT_STR(log_quote(out, sizeof(out), "abcdefg"), "abcde");
	EXPECT_STR(log_quote(out, sizeof(out), "abc\n"), "abc");
	EXPECT_STR(log_quote(out, sizeof(out), "abc\xe2\x82\xac"), "abc");
	EXPECT_STR(log_quote(out, 1, "abc"), "");
	out[0] = 'x';
	EXPECT(log_quote(out, 0, "abc") == out && out[0] == 'x');
}
