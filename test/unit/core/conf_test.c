#include "conf.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_priv.h"
#include "test.h"

struct sample {
	bool flag;
	uint32_t timeout_s;
	uint64_t bytes;
	double size_gib;
	const char *name, *unset;
	int mode;
	struct conf_list dirs;
};

static const char *const modes[] = {"none", "vlan", "vni", NULL};
static const struct setting sample_settings[] = {
	SETTING_BOOL(struct sample, flag, "sampleFlag", "true", "turns something on"),
	SETTING_U32(struct sample, timeout_s, "tcpTimeout", 480, 10, 65535, "seconds", "idle time of TCP sessions"),
	SETTING_U64(struct sample, bytes, "sampleBytes", 5000000000, 0, UINT64_MAX, "bytes", "how much"),
	SETTING_DOUBLE(struct sample, size_gib, "maxFileSizeG", 12, 0.01, 1024, "GiB", "size of a file"),
	SETTING_STR(struct sample, name, "sampleName", "x", "a name"),
	SETTING_STR(struct sample, unset, "sampleUnset", NULL, "a name that need not be"),
	SETTING_ENUM(struct sample, mode, "sessionIdTracking", "none", modes, "part of the session id"),
	SETTING_LIST(struct sample, dirs, "pcapDir", "/a; /b", "directories for pcap files"),
};
static const struct setting_group sample_group = {
	.name = "sample",
	.title = "Samples",
	.settings = sample_settings,
	.n_settings = sizeof(sample_settings) / sizeof(sample_settings[0]),
};
static const struct setting_group *const groups[] = {&sample_group, &conf_settings_group};
static const struct conf_tables tables = {.groups = groups, .n = 2};

static char folder[64];

static void
folder_remove(void)
{
	char path[128];

	for (const char *const *name = (const char *const[]){"c.conf", "d.conf", NULL}; *name != NULL; name++) {
		snprintf(path, sizeof(path), "%s/%s", folder, *name);
		unlink(path);
	}
	rmdir(folder);
}

/* Path of a file of the test's folder. */
static const char *
path_of(const char *name)
{
	static char path[4][128];
	static unsigned turn;

	if (folder[0] == '\0') {
		snprintf(folder, sizeof(folder), "/tmp/shrike-conf-XXXXXX");
		if (mkdtemp(folder) == NULL)
			abort();
		atexit(folder_remove);
	}
	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", folder, name);
	return path[turn];
}

static const char *
write_file(const char *name, const char *bytes, size_t size)
{
	const char *path = path_of(name);
	FILE *file = fopen(path, "we");

	if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
		abort();
	return path;
}

/* What the load printed, without the folder's name. */
static char printed[1 << 20];

static void
forget_folder(char *text)
{
	size_t n = strlen(folder) + 1;

	for (char *hit = text; n > 1 && (hit = strstr(hit, folder)) != NULL;)
		memmove(hit, hit + n, strlen(hit + n) + 1);
}

static struct conf *
load_with(const struct conf_params *params)
{
	FILE *errors = fmemopen(printed, sizeof(printed), "w");
	struct conf *conf;

	if (errors == NULL)
		abort();
	printed[0] = '\0'; /* A stream nobody writes to leaves it alone. */
	conf = conf_load_tables(params, &tables, errors);
	fclose(errors);
	forget_folder(printed);
	return conf;
}

static struct conf *
load_bytes(const char *bytes, size_t size)
{
	return load_with(&(struct conf_params){.path = write_file("c.conf", bytes, size), .node = "sensor1"});
}

static struct conf *
load(const char *text)
{
	return load_bytes(text, strlen(text));
}

/* The errors of a text that has to be refused. */
static const char *
errors_of(const char *text)
{
	struct conf *conf = load(text);

	if (conf != NULL) {
		conf_destroy(conf);
		return "(it was taken)";
	}
	return printed;
}

static struct sample
fill(const struct conf *conf)
{
	struct sample sample;

	memset(&sample, 0xa5, sizeof(sample));
	conf_fill(conf, &sample_group, &sample);
	return sample;
}

TEST(without_a_file_everything_has_its_default)
{
	struct conf *conf = load_with(&(struct conf_params){.node = "sensor1"});
	struct sample sample;

	REQUIRE(conf != NULL);
	EXPECT_STR(printed, "");
	sample = fill(conf);
	EXPECT(sample.flag);
	EXPECT_EQ(sample.timeout_s, 480);
	EXPECT_EQ(sample.bytes, 5000000000);
	EXPECT(sample.size_gib == 12);
	EXPECT_STR(sample.name, "x");
	EXPECT(sample.unset == NULL);
	EXPECT_EQ(sample.mode, 0);
	REQUIRE(sample.dirs.n == 2);
	EXPECT_STR(sample.dirs.item[0], "/a");
	EXPECT_STR(sample.dirs.item[1], "/b");
	EXPECT(!conf_is_set(conf, "tcpTimeout"));
	conf_destroy(conf);
	conf_destroy(NULL);
}

TEST(every_type_is_read)
{
	struct conf *conf = load("# a comment\n"
				 "; another\n"
				 "[default]\n"
				 "sampleFlag = false\n"
				 "  tcpTimeout=65535  \n"
				 "sampleBytes=18446744073709551615\n"
				 "maxFileSizeG = 0.5\n"
				 "\tsampleName = two words = three\n"
				 "sampleUnset=\n"
				 "\n"
				 "sessionIdTracking=vni\n"
				 "pcapDir= /one ;;/two three; \n");
	struct sample sample;

	REQUIRE(conf != NULL);
	EXPECT_STR(printed, "");
	sample = fill(conf);
	EXPECT(!sample.flag);
	EXPECT_EQ(sample.timeout_s, 65535);
	EXPECT(sample.bytes == UINT64_MAX);
	EXPECT(sample.size_gib == 0.5);
	EXPECT_STR(sample.name, "two words = three");
	EXPECT_STR(sample.unset, "");
	EXPECT_EQ(sample.mode, 2);
	REQUIRE(sample.dirs.n == 2);
	EXPECT_STR(sample.dirs.item[0], "/one");
	EXPECT_STR(sample.dirs.item[1], "/two three");
	EXPECT(conf_is_set(conf, "tcpTimeout"));
	EXPECT(!conf_is_set(conf, "nodeClass"));
	conf_destroy(conf);
}

TEST(booleans_have_eight_words)
{
	static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};
	char text[64];

	for (unsigned i = 0; i < 8; i++) {
		struct conf *conf;

		snprintf(text, sizeof(text), "[default]\nsampleFlag=%s\n", words[i]);
		conf = load(text);
		REQUIRE(conf != NULL);
		EXPECT_EQ(fill(conf).flag, i % 2);
		conf_destroy(conf);
	}
	EXPECT_STR(errors_of("[default]\nsampleFlag=TRUE\n"),
		   "c.conf:2: sampleFlag: 'TRUE' is neither (true or false)\n");
	EXPECT_STR(errors_of("[default]\nsampleFlag=\n"), "c.conf:2: sampleFlag: '' is neither (true or false)\n");
}

TEST(an_unknown_key_is_an_error_with_the_nearest_name)
{
	EXPECT_STR(errors_of("[default]\n\ntcpTimout=5\n"),
		   "c.conf:3: unknown setting 'tcpTimout'; did you mean 'tcpTimeout'?\n");
	EXPECT_STR(errors_of("[default]\ntcptimeout=50\n"),
		   "c.conf:2: unknown setting 'tcptimeout'; did you mean 'tcpTimeout'?\n");
	EXPECT_STR(errors_of("[default]\nTCPTIMEOUT=50\n"),
		   "c.conf:2: unknown setting 'TCPTIMEOUT'; did you mean 'tcpTimeout'?\n");
	EXPECT_STR(errors_of("[default]\ntcpTimeotu=50\n"),
		   "c.conf:2: unknown setting 'tcpTimeotu'; did you mean 'tcpTimeout'?\n");
	/* One of Arkime's that has no entry here. */
	EXPECT_STR(errors_of("[default]\nwiseHots=a\n"),
		   "c.conf:2: unknown setting 'wiseHots'; did you mean 'wiseHost'?\n");
	EXPECT_STR(errors_of("[default]\ncompletelyDifferent=1\n"),
		   "c.conf:2: unknown setting 'completelyDifferent'; --list-settings shows all\n");
	EXPECT_STR(errors_of("[default]\nx\"\x1b[1m=1\n"),
		   "c.conf:2: unknown setting 'x\\\"\\x1b[1m'; --list-settings shows all\n");
}

TEST(a_key_twice_in_a_section_is_an_error_with_both_lines)
{
	EXPECT_STR(errors_of("[default]\ntcpTimeout=50\nsampleName=y\ntcpTimeout=50\n"),
		   "c.conf:4: duplicate setting 'tcpTimeout', already set in line 2\n");
	EXPECT_STR(errors_of("[default]\ntcpTimeout=50\n[sensor1]\n[default]\ntcpTimeout=60\ntcpTimeout=70\n"),
		   "c.conf:5: duplicate setting 'tcpTimeout', already set in line 2\n"
		   "c.conf:6: duplicate setting 'tcpTimeout', already set in line 5\n");
}

TEST(a_number_out_of_range_is_refused_with_range_and_unit)
{
	EXPECT_STR(errors_of("[default]\ntcpTimeout=9\n"),
		   "c.conf:2: tcpTimeout: '9' is out of range (10 to 65535 seconds)\n");
	EXPECT_STR(errors_of("[default]\ntcpTimeout=65536\n"),
		   "c.conf:2: tcpTimeout: '65536' is out of range (10 to 65535 seconds)\n");
	EXPECT_STR(errors_of("[default]\ntcpTimeout=-1\n"),
		   "c.conf:2: tcpTimeout: '-1' is out of range (10 to 65535 seconds)\n");
	/* 2^32 + 480: not the default through the back door. */
	EXPECT_STR(errors_of("[default]\ntcpTimeout=4294967776\n"),
		   "c.conf:2: tcpTimeout: '4294967776' is out of range (10 to 65535 seconds)\n");
	EXPECT_STR(errors_of("[default]\nsampleBytes=18446744073709551616\n"),
		   "c.conf:2: sampleBytes: '18446744073709551616' is out of range (0 to 18446744073709551615 bytes)\n");
	EXPECT_STR(errors_of("[default]\nmaxFileSizeG=0.001\n"),
		   "c.conf:2: maxFileSizeG: '0.001' is out of range (0.01 to 1024 GiB)\n");
	EXPECT_STR(errors_of("[default]\nmaxFileSizeG=1e999\n"),
		   "c.conf:2: maxFileSizeG: '1e999' is out of range (0.01 to 1024 GiB)\n");
}

TEST(what_is_not_a_number_is_refused)
{
	static const char *const words[] = {"",	   "abc",  "480s", "1.5", "0x10",  "1e3", "+5",
					    "5 6", "4 80", "-",	   "10K", "1,000", "--5", "\xc2\xb2"};
	char text[64], expected[160];

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		snprintf(text, sizeof(text), "[default]\ntcpTimeout=%s\n", words[i]);
		snprintf(expected, sizeof(expected),
			 "c.conf:2: tcpTimeout: '%s' is not a whole number (10 to 65535 seconds)\n", words[i]);
		EXPECT_STR(errors_of(text), expected);
	}
	for (const char *const *word = (const char *const[]){"nan", "inf", "0x1p3", "", "1;2", NULL}; *word; word++) {
		snprintf(text, sizeof(text), "[default]\nmaxFileSizeG=%s\n", *word);
		snprintf(expected, sizeof(expected),
			 "c.conf:2: maxFileSizeG: '%s' is not a number (0.01 to 1024 GiB)\n", *word);
		EXPECT_STR(errors_of(text), expected);
	}
}

TEST(a_comment_behind_a_value_is_explained)
{
	EXPECT_STR(
		errors_of("[default]\ntcpTimeout=60 # a minute\n"),
		"c.conf:2: tcpTimeout: '60 # a minute' is not a whole number (10 to 65535 seconds); a comment has to "
		"begin its line\n");
}

TEST(a_wrong_word_is_refused_with_all_words)
{
	EXPECT_STR(errors_of("[default]\nsessionIdTracking=Vlan\n"),
		   "c.conf:2: sessionIdTracking: 'Vlan' is none of the words (none, vlan, vni)\n");
}

TEST(a_line_that_is_nothing_is_an_error)
{
	EXPECT_STR(errors_of("[default]\ntcpTimeout 50\n"),
		   "c.conf:2: neither key=value nor [section] nor # comment: tcpTimeout 50\n");
	EXPECT_STR(errors_of("[default]\n= 50\n"), "c.conf:2: no key before '='\n");
	EXPECT_STR(errors_of("[default\ntcpTimeout=50\n"), "c.conf:1: section without ']' at its end: [default\n");
	EXPECT_STR(errors_of("[default] x\n"), "c.conf:1: section without ']' at its end: [default] x\n");
	EXPECT_STR(errors_of("[]\n"), "c.conf:1: section without a name\n");
	EXPECT_STR(errors_of("[ ]\n"), "c.conf:1: section without a name\n");
	EXPECT_STR(errors_of("[\n"), "c.conf:1: section without ']' at its end: [\n");
	EXPECT_STR(errors_of("tcpTimeout=50\n"), "c.conf:1: 'tcpTimeout' is in no section; put [default] above it\n");
}

TEST(all_errors_are_printed_in_the_order_of_lines)
{
	EXPECT_STR(errors_of("[default]\n"
			     "tcpTimeout=50\n"
			     "nonsense\n"
			     "sampleName=a\n"
			     "tcpTimeout=5\n"
			     "sampleFlag=maybe\n"
			     "[other-node]\n"
			     "tcpTimout=50\n"),
		   "c.conf:3: neither key=value nor [section] nor # comment: nonsense\n"
		   "c.conf:5: tcpTimeout: '5' is out of range (10 to 65535 seconds)\n"
		   "c.conf:5: duplicate setting 'tcpTimeout', already set in line 2\n"
		   "c.conf:6: sampleFlag: 'maybe' is neither (true or false)\n"
		   "c.conf:8: unknown setting 'tcpTimout'; did you mean 'tcpTimeout'?\n");
}

TEST(more_errors_than_anybody_reads_are_counted)
{
	static char text[64 * (CONF_ISSUES_MAX + 10)];
	size_t n = (size_t)snprintf(text, sizeof(text), "[default]\n");
	unsigned lines = 0;

	for (int i = 0; i < CONF_ISSUES_MAX + 7; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "unknownKeyNumber%d=1\n", i);
	errors_of(text);
	for (const char *p = printed; *p != '\0'; p++)
		lines += *p == '\n';
	EXPECT_EQ(lines, CONF_ISSUES_MAX + 1);
	EXPECT(strstr(printed, "\nand 7 more\n") != NULL);
}

TEST(crlf_and_a_byte_order_mark_are_tolerated)
{
	struct conf *conf = load("\xef\xbb\xbf[default]\r\ntcpTimeout=50\r\nsampleName=gr\xc3\xbc\xc3\x9f\r\n");

	REQUIRE(conf != NULL);
	EXPECT_EQ(fill(conf).timeout_s, 50);
	EXPECT_STR(fill(conf).name, "gr\xc3\xbc\xc3\x9f");
	conf_destroy(conf);
	/* No newline at the end. */
	conf = load("[default]\ntcpTimeout=51");
	REQUIRE(conf != NULL);
	EXPECT_EQ(fill(conf).timeout_s, 51);
	conf_destroy(conf);
	conf = load("");
	EXPECT(conf != NULL);
	conf_destroy(conf);
}

TEST(values_may_have_any_length)
{
	enum { LENGTH = 300000 };
	static char text[LENGTH + 64];
	struct conf *conf;
	size_t n = (size_t)snprintf(text, sizeof(text), "[default]\nsampleName=");

	memset(text + n, 'v', LENGTH);
	conf = load(text);
	REQUIRE(conf != NULL);
	EXPECT_EQ(strlen(fill(conf).name), LENGTH);
	conf_destroy(conf);
}

TEST(a_nul_byte_is_an_error)
{
	static const char text[] = "[default]\ntcpTimeout=50\0\nsampleName=y\n";

	EXPECT(load_bytes(text, sizeof(text) - 1) == NULL);
	EXPECT_STR(printed, "c.conf: a NUL byte is in it; save it as UTF-8 text\n");
}

TEST(a_file_that_cannot_be_read_says_why_and_what_to_do)
{
	EXPECT(load_with(&(struct conf_params){.path = path_of("missing.conf")}) == NULL);
	EXPECT_STR(printed, "missing.conf: No such file or directory; name the file with -c FILE, or start from "
			    "conf/shrike.conf\n");
	EXPECT(load_with(&(struct conf_params){.path = path_of(".")}) == NULL);
	EXPECT_STR(printed, ".: Is a directory; name the file in it with -c FILE\n");
	EXPECT(load_with(&(struct conf_params){.path = "/dev/zero"}) == NULL);
	EXPECT_STR(printed, "/dev/zero: File too large; this cannot be a conf file\n");
}

TEST(an_unreadable_file_says_so)
{
	const char *path = write_file("d.conf", "", 0);

	REQUIRE(chmod(path, 0) == 0);
	if (access(path, R_OK) == 0) {
		/* root reads everything; as somebody else it does not. */
		if (seteuid(65534) != 0) {
			test_skip("cannot change the user");
			return;
		}
		chmod(folder, 0755);
		EXPECT(load_with(&(struct conf_params){.path = path}) == NULL);
		REQUIRE(seteuid(0) == 0);
	} else {
		EXPECT(load_with(&(struct conf_params){.path = path}) == NULL);
	}
	EXPECT(strstr(printed, "Permission denied; ") != NULL);
}

TEST(the_node_section_wins_over_the_class_and_both_over_default)
{
	struct conf *conf =
		load("[default]\ntcpTimeout=100\nsampleName=default\nsessionIdTracking=vlan\nnodeClass=big\n"
		     "[big]\ntcpTimeout=200\nsampleName=class\n"
		     "[sensor1]\ntcpTimeout=300\n"
		     "[sensor2]\ntcpTimeout=400\nsampleName=other\n");
	struct sample sample;

	REQUIRE(conf != NULL);
	sample = fill(conf);
	EXPECT_EQ(sample.timeout_s, 300);
	EXPECT_STR(sample.name, "class");
	EXPECT_EQ(sample.mode, 1);
	EXPECT_STR(conf_node(conf), "sensor1");
	conf_destroy(conf);
}

TEST(the_node_section_names_the_class)
{
	struct conf *conf = load("[default]\nnodeClass=small\n[small]\nsampleName=small\n[big]\nsampleName=big\n"
				 "[sensor1]\nnodeClass=big\n");

	REQUIRE(conf != NULL);
	EXPECT_STR(fill(conf).name, "big");
	conf_destroy(conf);
}

TEST(the_node_is_the_host_name_up_to_its_first_dot)
{
	struct conf *conf = load_with(&(struct conf_params){0});
	char name[256] = "";

	REQUIRE(conf != NULL && gethostname(name, sizeof(name) - 1) == 0);
	name[strcspn(name, ".")] = '\0';
	EXPECT_STR(conf_node(conf), name);
	conf_destroy(conf);
}

TEST(sections_of_other_nodes_are_checked)
{
	EXPECT_STR(errors_of("[sensor2]\ntcpTimeout=5\n"),
		   "c.conf:2: tcpTimeout: '5' is out of range (10 to 65535 seconds)\n");
	EXPECT_STR(errors_of("[sensor2]\nabsolutelyNothing=5\n"),
		   "c.conf:2: unknown setting 'absolutelyNothing' in [sensor2], which is read as a node's section\n");
}

struct pairs {
	char text[512];
};

static void
pair(const char *key, const char *value, void *context)
{
	struct pairs *pairs = context;
	size_t n = strlen(pairs->text);

	snprintf(pairs->text + n, sizeof(pairs->text) - n, "%s>%s|", key, value);
}

TEST(free_sections_are_kept_as_they_are_in_order)
{
	struct conf *conf =
		load("[override-ips]\n10.0.0.0/8 = tag:home;country:DE\n2001:db8::/32=tag:a=b\n10.0.0.0/8=tag:x\n"
		     "[default]\ntcpTimeout=60\n"
		     "[headers-http-request]\nReferer=type:string;count:true\n"
		     "[override-ips]\n192.168.0.0/16=rir:none\n");
	struct pairs pairs = {0};

	REQUIRE(conf != NULL);
	EXPECT_STR(printed, "");
	conf_section_each(conf, "override-ips", pair, &pairs);
	EXPECT_STR(pairs.text, "10.0.0.0/8>tag:home;country:DE|2001:db8::/32>tag:a=b|10.0.0.0/8>tag:x|"
			       "192.168.0.0/16>rir:none|");
	pairs.text[0] = '\0';
	conf_section_each(conf, "headers-http-request", pair, &pairs);
	EXPECT_STR(pairs.text, "Referer>type:string;count:true|");
	pairs.text[0] = '\0';
	conf_section_each(conf, "keks", pair, &pairs);
	EXPECT_STR(pairs.text, "");
	conf_destroy(conf);
}

TEST(a_misspelt_free_section_is_one_error)
{
	EXPECT_STR(errors_of("[overide-ips]\n10.0.0.0/8=tag:a\n11.0.0.0/8=tag:b\n"),
		   "c.conf:1: unknown section [overide-ips]; did you mean [override-ips]?\n");
	/* A node that happens to be called so keeps its section. */
	struct conf *conf = load("[kek]\ntcpTimeout=60\n");

	EXPECT(conf != NULL);
	conf_destroy(conf);
}

TEST(settings_of_arkime_without_an_entry_give_one_warning_each)
{
	struct conf *conf = load("[default]\nyaraFastMode=true\ntcpTimeout=60\nwiseHost=a\n"
				 "[sensor1]\nwiseHost=b\n[sensor2]\nwisePort=9\n");

	REQUIRE(conf != NULL);
	EXPECT(strstr(printed,
		      "c.conf:2: warning: 'yaraFastMode' is a setting of Arkime that does nothing here yet\n") != NULL);
	EXPECT(strstr(printed, "warning: 'wiseHost' is") != NULL);
	EXPECT(strstr(printed, "wisePort") == NULL); /* Of another node. */
	EXPECT(strstr(printed, "tcpTimeout") == NULL);
	EXPECT(strstr(strstr(printed, "wiseHost") + 1, "wiseHost") == NULL);
	conf_destroy(conf);
}

TEST(settings_of_the_viewer_are_none_of_our_business)
{
	struct conf *conf = load("[default]\nviewPort=8005\npasswordSecret=x\nspiDataMaxIndices=-1\n"
				 "[value-actions]\nVTIP=url:https://example.com/%TEXT%\n");

	REQUIRE(conf != NULL);
	EXPECT_STR(printed, "");
	conf_destroy(conf);
}

/* SETTINGS.tsv is not in the tree; these are drawn from each part of it. */
TEST(keys_of_arkime_are_known)
{
	static const char *const keys[] = {"autoGenerateId", "bpf",	  "zeekIntelTag",    "sqsAccessKeyId",
					   "snfFlags",	     "parseSMTP", "yaraEveryPacket", "s3Bucket"};

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		EXPECT_EQ(conf_foreign_key(keys[i]), CONF_FOREIGN_CAPTURE);
	EXPECT_EQ(conf_foreign_key("viewPort"), CONF_FOREIGN_VIEWER);
	EXPECT_EQ(conf_foreign_key("nothingOfTheKind"), CONF_FOREIGN_NO);
	EXPECT(conf_section_is_free("keks"));
	EXPECT(!conf_section_is_free("default"));
}

static struct conf *
load_overrides(const char *text, unsigned n, const char *const *overrides)
{
	return load_with(&(struct conf_params){.path = write_file("c.conf", text, strlen(text)),
					       .node = "sensor1",
					       .overrides = overrides,
					       .n_overrides = n});
}

TEST(overrides_win_over_everything_and_the_last_one_counts)
{
	struct conf *conf;

	setenv("SHRIKE__tcpTimeout", "70", 1);
	conf = load_overrides("[default]\ntcpTimeout=60\n[sensor1]\ntcpTimeout=65\n", 3,
			      (const char *const[]){"tcpTimeout=80", "sampleName = a=b ", "tcpTimeout=90"});
	unsetenv("SHRIKE__tcpTimeout");
	REQUIRE(conf != NULL);
	EXPECT_EQ(fill(conf).timeout_s, 90);
	EXPECT_STR(fill(conf).name, "a=b");
	conf_destroy(conf);
}

TEST(wrong_overrides_are_errors)
{
	EXPECT(load_overrides("[default]\n", 4,
			      (const char *const[]){"tcpTimout=80", "tcpTimeout=5", "tcpTimeout", "=5"}) == NULL);
	EXPECT_STR(printed, "-o tcpTimout=80: unknown setting 'tcpTimout'; did you mean 'tcpTimeout'?\n"
			    "-o tcpTimeout=5: tcpTimeout: '5' is out of range (10 to 65535 seconds)\n"
			    "-o tcpTimeout: not of the form key=value\n"
			    "-o =5: not of the form key=value\n");
}

TEST(the_environment_wins_over_the_file)
{
	struct conf *conf;

	setenv("ARKIME__tcpTimeout", "70", 1);
	setenv("ARKIME__sampleName", "arkime", 1);
	setenv("SHRIKE__sampleName", "shrike", 1);
	conf = load("[default]\ntcpTimeout=60\n[sensor1]\ntcpTimeout=65\nsampleName=file\n");
	REQUIRE(conf != NULL);
	EXPECT_EQ(fill(conf).timeout_s, 70);
	EXPECT_STR(fill(conf).name, "shrike");
	conf_destroy(conf);
	setenv("ARKIME_sensor1__tcpTimeout", "75", 1);
	setenv("ARKIME_HOME", "/opt/arkime", 1); /* Not a setting. */
	conf = load("[default]\ntcpTimeout=60\n");
	REQUIRE(conf != NULL);
	EXPECT_EQ(fill(conf).timeout_s, 75);
	conf_destroy(conf);
	unsetenv("ARKIME__tcpTimeout");
	unsetenv("ARKIME__sampleName");
	unsetenv("SHRIKE__sampleName");
	unsetenv("ARKIME_sensor1__tcpTimeout");
	unsetenv("ARKIME_HOME");
}

TEST(names_in_the_environment_spell_what_a_shell_forbids)
{
	struct pairs pairs = {0};
	struct conf *conf;

	setenv("ARKIME_overrideDASHips__10DOT0DOT0DOT0SLASH8", "tag:env", 1);
	setenv("ARKIME_overrideDASHips__fe80COLONCOLON1", "tag:six", 1);
	conf = load("[override-ips]\n11.0.0.0/8=tag:file\n");
	unsetenv("ARKIME_overrideDASHips__10DOT0DOT0DOT0SLASH8");
	unsetenv("ARKIME_overrideDASHips__fe80COLONCOLON1");
	REQUIRE(conf != NULL);
	conf_section_each(conf, "override-ips", pair, &pairs);
	EXPECT(strstr(pairs.text, "11.0.0.0/8>tag:file|") == pairs.text);
	EXPECT(strstr(pairs.text, "|10.0.0.0/8>tag:env|") != NULL);
	EXPECT(strstr(pairs.text, "|fe80::1>tag:six|") != NULL);
	conf_destroy(conf);
}

TEST(a_wrong_variable_is_an_error)
{
	setenv("ARKIME__tcpTimout", "70", 1);
	EXPECT_STR(errors_of("[default]\n"),
		   "environment ARKIME__tcpTimout: unknown setting 'tcpTimout'; did you mean 'tcpTimeout'?\n");
	unsetenv("ARKIME__tcpTimout");
	setenv("SHRIKE__tcpTimeout", "7", 1);
	EXPECT_STR(errors_of("[default]\n"), "environment SHRIKE__tcpTimeout: tcpTimeout: '7' is out of range "
					     "(10 to 65535 seconds)\n");
	unsetenv("SHRIKE__tcpTimeout");
	setenv("SHRIKE__", "7", 1);
	EXPECT_STR(errors_of("[default]\n"), "environment SHRIKE__: no key after '__'\n");
	unsetenv("SHRIKE__");
}

TEST(included_files_win_and_a_leading_dash_makes_one_optional)
{
	char text[512];
	struct conf *conf;

	write_file("d.conf", "[default]\ntcpTimeout=90\n", strlen("[default]\ntcpTimeout=90\n"));
	snprintf(text, sizeof(text), "[default]\ntcpTimeout=60\nincludes=%s;-%s\n", path_of("d.conf"),
		 path_of("missing.conf"));
	conf = load(text);
	REQUIRE(conf != NULL);
	EXPECT_EQ(fill(conf).timeout_s, 90);
	conf_destroy(conf);

	snprintf(text, sizeof(text), "[default]\nincludes=%s\n", path_of("missing.conf"));
	EXPECT(strstr(errors_of(text), "missing.conf: No such file or directory; ") == printed);

	write_file("d.conf", "[default]\nincludes=x\n", strlen("[default]\nincludes=x\n"));
	snprintf(text, sizeof(text), "[default]\nincludes=%s\n", path_of("d.conf"));
	EXPECT_STR(errors_of(text), "d.conf:2: includes: only the first file may include others\n");
}

TEST(too_many_sections_are_an_error_not_a_burden)
{
	static char text[16 * (CONF_SECTIONS_MAX + 2)];
	size_t n = 0;

	for (int i = 0; i <= CONF_SECTIONS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "[n%d]\n", i);
	EXPECT_STR(errors_of(text), "c.conf:4097: more than 4096 sections\n");
}

static char out_text[1 << 16];

static FILE *
out_open(void)
{
	FILE *out = fmemopen(out_text, sizeof(out_text), "w");

	if (out == NULL)
		abort();
	out_text[0] = '\0';
	return out;
}

TEST(a_dump_says_where_every_value_is_from)
{
	struct conf *conf;
	FILE *out;

	setenv("ARKIME__sampleName", "env", 1);
	conf = load_overrides("[default]\ntcpTimeout=60\n", 1, (const char *const[]){"maxFileSizeG=2.5"});
	unsetenv("ARKIME__sampleName");
	REQUIRE(conf != NULL);
	out = out_open();
	conf_dump(conf, out);
	fclose(out);
	forget_folder(out_text);
	EXPECT_STR(out_text, "# node sensor1\n"
			     "\n# ---- Configuration\n"
			     "nodeClass =  # from default\n"
			     "includes =  # from default\n"
			     "\n# ---- Samples\n"
			     "sampleFlag = true  # from default\n"
			     "tcpTimeout = 60  # from c.conf:2\n"
			     "sampleBytes = 5000000000  # from default\n"
			     "maxFileSizeG = 2.5  # from override\n"
			     "sampleName = env  # from environment ARKIME__sampleName\n"
			     "sampleUnset =  # from default\n"
			     "sessionIdTracking = none  # from default\n"
			     "pcapDir = /a; /b  # from default\n");
	conf_destroy(conf);
}

TEST(the_list_of_settings_is_aligned)
{
	static const struct setting_group *const one[] = {&sample_group};
	FILE *out = out_open();

	conf_list_tables(&(struct conf_tables){.groups = one, .n = 1}, out);
	fclose(out);
	EXPECT(strstr(out_text,
		      "KEY                TYPE     DEFAULT     RANGE                      UNIT     MEANING\n"
		      "sampleFlag         boolean  true        true or false              -        turns something on\n"
		      "tcpTimeout         integer  480         10 to 65535                seconds  idle time of TCP "
		      "sessions\n") == out_text);
	EXPECT(strstr(out_text, "\npcapDir            list     /a; /b      -                          -        dire") !=
	       NULL);
}

TEST(the_template_has_every_setting_as_a_comment_and_loads)
{
	struct conf *conf;
	FILE *out = out_open();

	conf_template_tables(&tables, out);
	fclose(out);
	EXPECT(strstr(out_text, "\n[default]\n") != NULL);
	EXPECT(strstr(out_text, "\n# ---- Samples\n\n# turns something on (true or false)\n#sampleFlag = true\n") !=
	       NULL);
	EXPECT(strstr(out_text, "\n# idle time of TCP sessions (10 to 65535 seconds)\n#tcpTimeout = 480\n") != NULL);
	EXPECT(strstr(out_text, "\n# part of the session id (none, vlan, vni)\n#sessionIdTracking = none\n") != NULL);
	EXPECT(strstr(out_text, "\n#sampleUnset =\n") != NULL);
	conf = load(out_text);
	EXPECT(conf != NULL);
	EXPECT(!conf_is_set(conf, "tcpTimeout"));
	conf_destroy(conf);
	/* And with every comment sign before a setting removed it sets each to its default. */
	for (char *p = out_text; (p = strchr(p, '#')) != NULL; p++)
		if (p[1] != ' ' && p[1] != '\n')
			*p = ' ';
	conf = load(out_text);
	REQUIRE(conf != NULL);
	EXPECT_STR(printed, "");
	EXPECT(conf_is_set(conf, "tcpTimeout"));
	EXPECT_EQ(fill(conf).bytes, 5000000000);
	EXPECT_EQ(fill(conf).dirs.n, 2);
	conf_destroy(conf);
}

TEST(tables_that_contradict_themselves_are_refused)
{
	static const struct setting bad[] = {
		SETTING_U32(struct sample, timeout_s, "tooLow", 5, 10, 20, "", "a default out of range"),
		SETTING_U32(struct sample, timeout_s, "notANumber", 2 * 5, 10, 20, "", "an expression as default"),
		SETTING_BOOL(struct sample, flag, "sampleFlag", "true", "a key that is there twice"),
		SETTING_ENUM(struct sample, mode, "badWord", "vxlan", modes, "a default that is no word"),
		SETTING_STR(struct sample, name, "with space", "", "a key nobody can write"),
		SETTING_STR(struct sample, name, "noHelp", "", ""),
		SETTING_U32(struct sample, timeout_s, "noRange", 15, 20, 10, "", "an empty range"),
	};
	static const struct setting_group bad_group = {
		.name = "bad", .title = "Bad", .settings = bad, .n_settings = sizeof(bad) / sizeof(bad[0])};
	static const struct setting_group *const with_bad[] = {&sample_group, &bad_group};
	FILE *out = out_open();

	EXPECT(!conf_validate_groups(&(struct conf_tables){.groups = with_bad, .n = 2}, out));
	fclose(out);
	EXPECT_STR(out_text, "setting tooLow: its default: '5' is out of range (10 to 20)\n"
			     "setting notANumber: its default: '2 * 5' is not a whole number (10 to 20)\n"
			     "setting sampleFlag: two have this key\n"
			     "setting badWord: its default: 'vxlan' is none of the words (none, vlan, vni)\n"
			     "setting with space: this key cannot be written in a file\n"
			     "setting noHelp: has no help\n"
			     "setting noRange: its range is empty\n");
	out = out_open();
	EXPECT(conf_validate_groups(&tables, out));
	fclose(out);
	EXPECT_STR(out_text, "");
}

TEST(the_tables_of_this_program_are_valid)
{
	EXPECT(conf_validate_tables(stdout));
}

TEST(conf_shrike_conf_is_what_the_tables_say)
{
	static char file_text[1 << 20], template_text[1 << 20];
	FILE *file = fopen(SOURCE_ROOT "/conf/shrike.conf", "re"), *out;

	if (file == NULL) {
		test_skip("conf/shrike.conf is not there; run scripts/generate-conf");
		return;
	}
	file_text[fread(file_text, 1, sizeof(file_text) - 1, file)] = '\0';
	fclose(file);
	out = fmemopen(template_text, sizeof(template_text), "w");
	REQUIRE(out != NULL);
	conf_print_template(out);
	fclose(out);
	if (strcmp(file_text, template_text) != 0)
		test_fail(__FILE__, __LINE__,
			  "conf/shrike.conf is not what the settings say; run scripts/generate-conf");
}

struct names {
	char text[512];
};

static void
add_name(const char *name, void *context)
{
	struct names *names = context;
	size_t used = strlen(names->text);

	snprintf(&names->text[used], sizeof(names->text) - used, "%s|", name);
}

static const char *
differences(const char *a, const char *b)
{
	static struct names names;
	struct conf *first = load(a), *second = load(b);

	if (first == NULL || second == NULL)
		abort();
	names = (struct names){0};
	conf_differences(first, second, add_name, &names);
	conf_destroy(first);
	conf_destroy(second);
	return names.text;
}

TEST(what_two_confs_say_differently_is_named)
{
	EXPECT_STR(differences("[default]\ntcpTimeout=60\n", "[default]\n# other words\ntcpTimeout = 60\n"), "");
	EXPECT_STR(differences("[default]\ntcpTimeout=60\n", "[default]\ntcpTimeout=61\n"), "tcpTimeout|");
	/* A default that is written down is no difference. */
	EXPECT_STR(differences("[default]\n", "[default]\ntcpTimeout=480\n"), "");
	EXPECT_STR(differences("[default]\ntcpTimeout=60\n", "[default]\n"), "tcpTimeout|");
	EXPECT_STR(differences("[keks]\na=1\n", "[keks]\na=1\n[packet-drop-ips]\n10/8=drop\n"), "[packet-drop-ips]|");
	EXPECT_STR(differences("[keks]\na=1\n", "[keks]\na=2\n"), "[keks]|");
	EXPECT_STR(differences("[keks]\na=1\n", "[keks]\na=1\nb=1\n"), "[keks]|");
}
