/* The command line: EAL's part, ours, contradictions. */
#include "options.h"

#include "test.h"

static enum exit_code
parse(struct options *o, int argc, const char *const *words)
{
	static char copy[32][64];
	char *argv[33];

	for (int i = 0; i < argc; i++) {
		snprintf(copy[i], sizeof(copy[i]), "%s", words[i]);
		argv[i] = copy[i];
	}
	argv[argc] = NULL;
	return options_parse(o, argc, argv);
}

#define PARSE(o, ...)                                                                                                  \
	parse(o, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), (const char *const[]){__VA_ARGS__})

TEST(without_double_dash_all_arguments_are_ours)
{
	struct options o;

	REQUIRE(PARSE(&o, "shrike", "-r", "a.pcap", "-n", "node", "-c", "x.conf") == EXIT_FINE);
	EXPECT_EQ(o.eal_argc, 0);
	EXPECT_EQ(o.files.n, 1);
	EXPECT_STR(o.files.item[0], "a.pcap");
	EXPECT_STR(o.node, "node");
	EXPECT_STR(o.conf_path, "x.conf");
	options_free(&o);
}

TEST(what_comes_before_the_double_dash_is_eals)
{
	struct options o;

	REQUIRE(PARSE(&o, "shrike", "-l", "0-3", "-n", "4", "--", "-n", "node") == EXIT_FINE);
	EXPECT_EQ(o.eal_argc, 5);
	EXPECT_STR(o.eal_argv[1], "-l");
	EXPECT_STR(o.node, "node");
	EXPECT(!options_is_replay(&o));
	options_free(&o);
}

TEST(further_arguments_are_captures_and_options_may_follow)
{
	struct options o;

	REQUIRE(PARSE(&o, "shrike", "-r", "a", "b", "c", "--copy", "-t", "x", "d") == EXIT_FINE);
	EXPECT_EQ(o.files.n, 4);
	EXPECT_STR(o.files.item[2], "c");
	EXPECT_STR(o.files.item[3], "d");
	EXPECT(o.copy);
	EXPECT_EQ(o.tags.n, 1);
	options_free(&o);
}

static enum exit_code
refused(int argc, const char *const *words)
{
	struct options o;
	enum exit_code code = parse(&o, argc, words);

	options_free(&o);
	return code;
}

#define REFUSED(...)                                                                                                   \
	refused((int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), (const char *const[]){__VA_ARGS__})

TEST(contradictions_are_usage_errors)
{
	EXPECT(REFUSED("shrike", "-r", "a", "--delete") == EXIT_USAGE);
	EXPECT(REFUSED("shrike", "-r", "a", "-i", "eth0") == EXIT_USAGE);
	EXPECT(REFUSED("shrike", "-r", "a", "--skip", "--copy") == EXIT_USAGE);
	EXPECT(REFUSED("shrike", "-l", "0", "--", "--copy") == EXIT_USAGE);
	EXPECT(REFUSED("shrike", "-r", "a", "--no-such-option") == EXIT_USAGE);
	EXPECT(REFUSED("shrike", "a.pcap") == EXIT_USAGE);
	EXPECT(REFUSED("shrike", "-r", "a", "--packetcnt", "x") == EXIT_USAGE);
	EXPECT(REFUSED("shrike", "-r", "a", "--monitor") == EXIT_USAGE);
}

TEST(interfaces_may_be_named_several_times)
{
	struct options o;

	REQUIRE(PARSE(&o, "shrike", "-i", "eth0", "--interface", "af_xdp:eth1") == EXIT_FINE);
	EXPECT_EQ(o.interfaces.n, 2);
	EXPECT_STR(o.interfaces.item[1], "af_xdp:eth1");
	EXPECT(!options_is_replay(&o));
	options_free(&o);
}
