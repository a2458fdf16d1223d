/* IRC. */
#include "harness.h"

#include <stdlib.h>

#define client(h, text) harness_tcp(h, 0, HARNESS_TEXT(text))
#define server(h, text) harness_tcp(h, 1, HARNESS_TEXT(text))

TEST(nicks_and_channels_are_recorded)
{
	struct harness *h = harness_create();

	client(h, "NICK tester\r\nUSER t 0 * :T\r\n");
	server(h, ":irc.example NOTICE * :hi\r\nNICK server\r\n");
	client(h, "JOIN #one,#two key\r\nnick lower\r\n JOIN #no\r\nNICK late");
	EXPECT_FIELD(h, "protocol", "irc");
	EXPECT_FIELD(h, "irc.nick", "tester");
	EXPECT_FIELD(h, "irc.channel", "#one,#two");
	harness_every_truncation(h);
	harness_every_split(h, 8, NULL);
	harness_save(h, true);
	EXPECT_FIELD(h, "irc.nick", "tester,late");
	harness_destroy(h);
}

TEST(irc_is_known_by_its_first_line)
{
	static const struct {
		const char *text;
		bool is_irc;
	} first[] = {
		{":irc.example NOTICE * :hi\r\n", true},
		{":irc.example 001 x\r\n", false},
		{"NOTICE AUTH :*** x\r\n", true},
		{"USER x +iw x :X\r\n", true},
		{"USER x 0 * :X\r\nNICK x\r\n", true},
		{"USER x 0 * :X\r\n", false},
		{"CAP REQ :x\r\n", true},
		{"CAP LS\r\n", false},
	};
	struct harness *h = harness_create();

	for (unsigned i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		(void)harness_tcp(h, 0, first[i].text, strlen(first[i].text));
		if (harness_has(h, "protocol", "irc") != first[i].is_irc)
			test_fail(__FILE__, __LINE__, first[i].text);
		harness_reset(h);
	}
	EXPECT(server(h, ":irc.exa"));
	EXPECT(server(h, "mple NOTICE * :hi\r\n"));
	EXPECT_FIELD(h, "protocol", "irc");
	harness_destroy(h);
}

TEST(zeroes_behind_a_line_are_passed_over)
{
	struct harness *h = harness_create();

	client(h, "NICK one\r\n\0\0JOIN #a\r\n");
	EXPECT_FIELD(h, "irc.channel", "#a");
	harness_destroy(h);
}

TEST(of_a_very_long_line_only_the_beginning_counts)
{
	enum { SIZE = 20000 };
	char *line = malloc(SIZE);
	struct harness *h = harness_create();

	memset(line, 'a', SIZE);
	client(h, "NICK tester\r\n");
	client(h, "JOIN #x ");
	EXPECT(harness_tcp(h, 0, line, SIZE));
	EXPECT(harness_tcp(h, 0, line, SIZE));
	EXPECT(harness_memory_bytes(h) < 4096);
	client(h, "JOIN #inside\r\nJOIN #y\r\n");
	EXPECT_FIELD(h, "irc.channel", "#x,#y");
	harness_destroy(h);
	free(line);
}
