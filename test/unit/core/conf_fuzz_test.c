/* The conf reader with what nobody wrote on purpose: random bytes, and a real file with bytes changed, lost and
 * doubled.
 *
 * Whatever comes: no finding of the sanitizers, a refusal always says where, and what is taken is within its range. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "conf_priv.h"
#include "test.h"

enum { ROUNDS = 2000, TEXT_MAX = 4096, SECONDS_MAX = 20 };

struct sample {
	bool flag;
	uint32_t timeout_s;
	double size_gib;
	const char *name;
	int mode;
	struct conf_list dirs;
};

static const char *const modes[] = {"none", "vlan", "vni", NULL};
static const struct setting settings[] = {
	SETTING_BOOL(struct sample, flag, "flag", "true", "a flag"),
	SETTING_U32(struct sample, timeout_s, "tcpTimeout", 480, 10, 65535, "seconds", "a number"),
	SETTING_DOUBLE(struct sample, size_gib, "maxFileSizeG", 12, 0.01, 1024, "GiB", "a size"),
	SETTING_STR(struct sample, name, "name", "x", "a name"),
	SETTING_ENUM(struct sample, mode, "sessionIdTracking", "none", modes, "a word"),
	SETTING_LIST(struct sample, dirs, "pcapDir", "/a;/b", "a list"),
};
static const struct setting_group group = {
	.name = "fuzz", .title = "Fuzz", .settings = settings, .n_settings = sizeof(settings) / sizeof(settings[0])};
static const struct setting_group *const groups[] = {&group, &conf_settings_group};
static const struct conf_tables tables = {.groups = groups, .n = 2};

static const char real[] = "\xef\xbb\xbf# a comment\r\n"
			   "[default]\n"
			   "flag = false\n"
			   "tcpTimeout=60\n"
			   "; another = comment\n"
			   "maxFileSizeG = 2.5\n"
			   "name = a name with spaces and = signs\n"
			   "nodeClass=big\n"
			   "yaraFastMode=true\n"
			   "viewPort=8005\n"
			   "\n"
			   "[sensor1]\n"
			   "sessionIdTracking=vni\n"
			   "pcapDir=/one;/two; /three ;;\n"
			   "[big]\n"
			   "tcpTimeout=100\n"
			   "[override-ips]\n"
			   "10.0.0.0/8=tag:home;country:DE\n"
			   "[other]\n"
			   "name=\n";

static uint64_t seed;

/* splitmix64: the same bytes in every run. */
static uint64_t
random_number(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static size_t
random_below(size_t n)
{
	return random_number() % n;
}

static size_t
make_random(char *text)
{
	/* Half of them from the alphabet of the format, which gets further than any byte. */
	static const char alphabet[] = "[]=;#\n\n\n \t\r-019.abefglmnostTu";
	bool any = random_below(2) == 0;
	size_t n = random_below(512);

	for (size_t i = 0; i < n; i++)
		text[i] = any ? (char)random_number() : alphabet[random_below(sizeof(alphabet) - 1)];
	return n;
}

static size_t
mutate(char *text, size_t n)
{
	size_t at = random_below(n), length = random_below(40);

	if (length > n - at)
		length = n - at;
	switch (random_below(5)) {
	case 0:
		text[at] = (char)random_number();
		break;
	case 1: /* Lost. */
		memmove(text + at, text + at + length, n - at - length);
		n -= length;
		break;
	case 2: /* Doubled. */
		if (n + length <= TEXT_MAX) {
			memmove(text + at + length, text + at, n - at);
			n += length;
		}
		break;
	case 3: /* Cut off. */
		n = at + 1;
		break;
	default: /* From elsewhere. */
		memmove(text + at, text + random_below(n - length + 1), length);
		break;
	}
	return n > 0 ? n : 1;
}

static size_t
make_mutated(char *text)
{
	size_t n = sizeof(real) - 1;

	memcpy(text, real, n);
	for (size_t times = random_below(6); times > 0; times--)
		n = mutate(text, n);
	return n;
}

static char printed[1 << 18];

static struct conf *
load(int file, const char *text, size_t n)
{
	FILE *errors = fmemopen(printed, sizeof(printed), "w");
	struct conf_params params = {.node = "sensor1"};
	struct conf *conf;
	char path[64];

	if (errors == NULL || ftruncate(file, 0) != 0 || pwrite(file, text, n, 0) != (ssize_t)n)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	params.path = path;
	printed[0] = '\0';
	conf = conf_load_tables(&params, &tables, errors);
	fclose(errors);
	return conf;
}

static void
expect_good(const struct conf *conf)
{
	struct sample sample;
	FILE *nowhere = fopen("/dev/null", "we");

	conf_fill(conf, &group, &sample);
	EXPECT(sample.timeout_s >= 10 && sample.timeout_s <= 65535);
	EXPECT(sample.size_gib >= 0.01 && sample.size_gib <= 1024);
	EXPECT(sample.mode >= 0 && sample.mode <= 2);
	EXPECT(sample.name != NULL);
	for (unsigned i = 0; i < sample.dirs.n; i++)
		EXPECT(sample.dirs.item[i][0] != '\0');
	if (nowhere != NULL) {
		conf_dump(conf, nowhere);
		fclose(nowhere);
	}
}

/* Every line names the file, and is one that a terminal can show. */
static void
expect_explained(void)
{
	EXPECT(printed[0] != '\0');
	for (char *rest = printed, *line; (line = strsep(&rest, "\n")) != NULL && rest != NULL;) {
		EXPECT(strncmp(line, "/proc/self/fd/", 14) == 0);
		for (const char *p = line; *p != '\0'; p++)
			EXPECT((unsigned char)*p >= 0x20);
	}
}

static void
run(size_t (*make)(char *text), unsigned *taken, unsigned *refused)
{
	static char text[TEXT_MAX];
	uint64_t end = clock_monotonic_ns() + SECONDS_MAX * NS_PER_S;
	int file = memfd_create("conf", MFD_CLOEXEC);

	REQUIRE(file >= 0);
	for (int i = 0; i < ROUNDS && clock_monotonic_ns() < end; i++) {
		struct conf *conf = load(file, text, make(text));

		if (conf != NULL) {
			expect_good(conf);
			++*taken;
		} else {
			expect_explained();
			++*refused;
		}
		conf_destroy(conf);
	}
	close(file);
}

TEST(random_bytes_are_refused_with_a_reason)
{
	unsigned taken = 0, refused = 0;

	seed = 1;
	run(make_random, &taken, &refused);
	EXPECT(refused > ROUNDS / 2);
}

TEST(a_damaged_file_is_refused_with_a_reason_or_read_within_its_ranges)
{
	unsigned taken = 0, refused = 0;

	seed = 2;
	run(make_mutated, &taken, &refused);
	/* Both happen often, or this would test nothing. */
	EXPECT(taken > ROUNDS / 20);
	EXPECT(refused > ROUNDS / 20);
}
