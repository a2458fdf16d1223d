/* The .so files are those of test/plugin. */
#include "load_priv.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#include "core/capture_stderr.h"

enum { FOLDERS_MAX = 4, PATH_BYTES = 512 };

/* Folders with links to plugins. */
struct folders {
	char root[64];
	char setting[FOLDERS_MAX * PATH_BYTES];
	unsigned n;
};

static void
folders_init(struct folders *f)
{
	memset(f, 0, sizeof(*f));
	snprintf(f->root, sizeof(f->root), "/tmp/shrike-plugins.XXXXXX");
	if (mkdtemp(f->root) == NULL)
		abort();
	snprintf(f->setting, sizeof(f->setting), "parsersDir=");
}

static void
folder_add(struct folders *f)
{
	char path[PATH_BYTES];
	size_t used = strlen(f->setting);

	snprintf(path, sizeof(path), "%s/%u", f->root, f->n++);
	if (mkdir(path, 0700) != 0)
		abort();
	snprintf(&f->setting[used], sizeof(f->setting) - used, "%s%s", f->n > 1 ? ";" : "", path);
}

/* Into the folder that was added last. */
static void
link_plugin(const struct folders *f, const char *plugin, const char *as)
{
	char from[PATH_BYTES], to[PATH_BYTES];

	snprintf(from, sizeof(from), "%s/%s.so", PLUGIN_FOLDER, plugin);
	snprintf(to, sizeof(to), "%s/%u/%s", f->root, f->n - 1, as);
	if (access(from, R_OK) != 0 || symlink(from, to) != 0)
		abort();
}

static void
write_file(const struct folders *f, const char *name, const void *bytes, size_t size)
{
	char path[PATH_BYTES];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%u/%s", f->root, f->n - 1, name);
	file = fopen(path, "w");
	if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
		abort();
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

static void
folders_remove(const struct folders *f)
{
	nftw(f->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct conf *
load_settings(const char *setting)
{
	struct conf_params params = {.node = "test", .overrides = &setting, .n_overrides = 1};

	return conf_load(&params, stderr);
}

static struct capture_stderr said;

/* What load_parsers() makes of the setting: its plugins by name, or "errno N". The log is in said.text. */
static const char *
load(const struct folders *f)
{
	static char names[256];
	struct conf *conf = load_settings(f->setting);
	struct loaded *loaded;
	size_t used = 0;

	if (conf == NULL)
		abort();
	capture_stderr_begin(&said);
	loaded = load_parsers(conf);
	if (loaded == NULL)
		snprintf(names, sizeof(names), "errno %d", errno);
	(void)capture_stderr_end(&said);
	names[0] = loaded != NULL ? '\0' : names[0];
	for (unsigned i = 0; loaded != NULL && i < load_count(loaded); i++)
		used += (size_t)snprintf(&names[used], sizeof(names) - used, "%s%s", used > 0 ? "," : "",
					 load_plugin(loaded, i)->name);
	load_unload(loaded);
	conf_destroy(conf);
	return names;
}

TEST(every_so_of_a_folder_is_loaded_by_name)
{
	struct folders f;

	folders_init(&f);
	folder_add(&f);
	link_plugin(&f, "shadow_1", "b.so");
	link_plugin(&f, "acme", "c.so");
	write_file(&f, "a.txt", HARNESS_TEXT("shrike_parser_init"));
	write_file(&f, ".hidden.so", HARNESS_TEXT("shrike_parser_init"));
	folder_add(&f);
	link_plugin(&f, "shadow_2", "a.so");
	EXPECT_STR(load(&f), "shadow,acme,shadow");
	EXPECT_STR(said.text, "");
	folders_remove(&f);
}

TEST(files_of_another_program_are_passed_over_unopened)
{
	struct folders f;

	folders_init(&f);
	folder_add(&f);
	link_plugin(&f, "foreign", "a.so");
	write_file(&f, "b.so", HARNESS_TEXT("no library at all"));
	write_file(&f, "empty.so", "", 0);
	link_plugin(&f, "acme", "z.so");
	EXPECT_STR(load(&f), "acme");
	EXPECT(getenv("SHRIKE_TEST_FOREIGN_WAS_OPENED") == NULL);
	EXPECT(strstr(said.text, "warn parsers.foreign") != NULL);
	EXPECT(strstr(said.text, "files=3") != NULL);
	folders_remove(&f);
}

TEST(a_file_of_ours_that_cannot_be_loaded_is_an_error)
{
	struct folders f;
	char expected[32];

	snprintf(expected, sizeof(expected), "errno %d", ELIBBAD);
	folders_init(&f);
	folder_add(&f);
	link_plugin(&f, "unresolved", "a.so");
	EXPECT_STR(load(&f), expected);
	EXPECT(strstr(said.text, "error parsers.load") != NULL);
	EXPECT(strstr(said.text, "a.so") != NULL);
	EXPECT(strstr(said.text, "function_of_nobody") != NULL);
	folders_remove(&f);
	folders_init(&f);
	folder_add(&f);
	write_file(&f, "text.so", "shrike_parser_init", sizeof("shrike_parser_init"));
	EXPECT_STR(load(&f), expected);
	EXPECT(strstr(said.text, "text.so") != NULL);
	folders_remove(&f);
}

TEST(a_file_for_another_version_of_the_header_is_an_error)
{
	struct folders f;
	char expected[32];

	snprintf(expected, sizeof(expected), "errno %d", EPROTO);
	folders_init(&f);
	folder_add(&f);
	link_plugin(&f, "acme", "a.so");
	link_plugin(&f, "old_api", "b.so");
	EXPECT_STR(load(&f), expected);
	EXPECT(strstr(said.text, "b.so") != NULL);
	EXPECT(strstr(said.text, "another version") != NULL);
	folders_remove(&f);
}

TEST(a_folder_that_is_missing_is_told_when_it_was_named)
{
	struct folders f;

	folders_init(&f);
	folder_add(&f);
	folders_remove(&f);
	EXPECT_STR(load(&f), "");
	EXPECT(strstr(said.text, "warn parsers.folder") != NULL);
	snprintf(f.setting, sizeof(f.setting), "maxPackets=100");
	EXPECT_STR(load(&f), "");
	EXPECT_STR(said.text, "");
}

TEST(a_parser_from_a_file_reads_sessions_like_any_other)
{
	struct folders f;
	struct harness *h;

	folders_init(&f);
	folder_add(&f);
	link_plugin(&f, "acme", "acme.so");
	h = harness_create(f.setting);
	EXPECT(harness_tcp(h, 0, HARNESS_TEXT("ACME road runner\n")));
	EXPECT(harness_tcp(h, 0, HARNESS_TEXT("ACME coyote\n")));
	harness_save(h, true);
	EXPECT_FIELD(h, "acme.name", "road runner,coyote");
	EXPECT_FIELD(h, "acme.lines", "2");
	EXPECT(harness_has(h, "protocol", "acme"));
	/* By its hook, whose field another table defines. */
	EXPECT_FIELD(h, "user", "road runner,coyote");
	harness_every_truncation(h);
	harness_reset(h);
	(void)harness_tcp(h, 0, HARNESS_TEXT("ACME\n"));
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
	folders_remove(&f);
}

static const uint8_t tftp_request[] = "\0\1boot\0octet";

TEST(the_first_of_a_name_wins_over_later_ones_and_the_built_in_one)
{
	struct folders f;
	struct harness *h = harness_create();

	harness_ports(h, 1, 69);
	(void)harness_udp(h, 0, tftp_request, sizeof(tftp_request));
	EXPECT(harness_has(h, "protocol", "tftp"));
	harness_destroy(h);

	folders_init(&f);
	folder_add(&f);
	link_plugin(&f, "shadow_2", "a.so");
	folder_add(&f);
	link_plugin(&f, "shadow_1", "a.so");
	h = harness_create(f.setting);
	harness_ports(h, 1, 69);
	(void)harness_udp(h, 0, tftp_request, sizeof(tftp_request));
	EXPECT_FIELD(h, "tags", "shadow-2");
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
	folders_remove(&f);
}
