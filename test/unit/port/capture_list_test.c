/* -r, -R and -F. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"

static char root[64], why[512];

static void
touch(const char *name)
{
	char path[256];
	int file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	file = open(path, O_CREAT | O_WRONLY, 0600);
	if (file < 0)
		abort();
	close(file);
}

static void
make_tree(void)
{
	static const char *const names[] = {"b.pcap",	  "a.PCAP",	"c.cap",	 "d.pcapng",   "e.pcap.gz",
					    "f.txt",	  ".g.pcap",	"h.pcap.zst",	 "i.pcap.bz2", "pcap",
					    "sub/j.pcap", "sub/k.text", ".hidden/l.pcap"};
	char path[256];

	snprintf(root, sizeof(root), "/tmp/shrike-test-XXXXXX");
	if (mkdtemp(root) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/sub", root);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/.hidden", root);
	mkdir(path, 0700);
	/* A link that leads back. */
	snprintf(path, sizeof(path), "%s/sub/loop", root);
	if (symlink(root, path) != 0)
		abort();
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		touch(names[i]);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
remove_tree(void)
{
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* The names behind the root, one after another. */
static const char *
names_of(const struct capture_list *list)
{
	static char text[1024];
	size_t n = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < list->n && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s ", list->path[i] + strlen(root) + 1);
	return text;
}

TEST(a_folder_gives_its_captures_sorted_and_no_hidden_ones)
{
	struct capture_list list = {0};

	make_tree();
	EXPECT_EQ(capture_list_add_folder(&list, root, NULL, false, true, why, sizeof(why)), 0);
	EXPECT_STR(names_of(&list), "a.PCAP b.pcap c.cap d.pcapng e.pcap.gz h.pcap.zst ");
	capture_list_free(&list);
	EXPECT_EQ(list.n, 0);
	remove_tree();
}

TEST(recursion_enters_folders_but_no_hidden_ones_and_no_loops)
{
	struct capture_list list = {0};

	make_tree();
	EXPECT_EQ(capture_list_add_folder(&list, root, NULL, true, true, why, sizeof(why)), 0);
	EXPECT_STR(names_of(&list), "a.PCAP b.pcap c.cap d.pcapng e.pcap.gz h.pcap.zst sub/j.pcap ");
	capture_list_free(&list);
	remove_tree();
}

TEST(the_expression_of_the_user_decides_with_or_without_case)
{
	struct capture_list list = {0};

	make_tree();
	EXPECT_EQ(capture_list_add_folder(&list, root, "(?i)\\.(pcap|cap)$", false, true, why, sizeof(why)), 0);
	EXPECT_STR(names_of(&list), "a.PCAP b.pcap c.cap ");
	capture_list_free(&list);
	EXPECT_EQ(capture_list_add_folder(&list, root, "\\.(pcap|cap)$", false, true, why, sizeof(why)), 0);
	EXPECT_STR(names_of(&list), "b.pcap c.cap ");
	capture_list_free(&list);
	EXPECT_EQ(capture_list_add_folder(&list, root, "(pcap", false, true, why, sizeof(why)), -EINVAL);
	EXPECT(why[0] != '\0');
	remove_tree();
}

TEST(folders_that_are_missing_empty_or_none_are_errors)
{
	struct capture_list list = {0};
	char path[256];

	make_tree();
	EXPECT_EQ(capture_list_add_folder(&list, root, "nothing", true, false, why, sizeof(why)), -ENOENT);
	EXPECT(strstr(why, root) != NULL);
	EXPECT_EQ(capture_list_add_folder(&list, "/nonexistent", NULL, true, false, why, sizeof(why)), -ENOENT);
	EXPECT(strstr(why, "/nonexistent") != NULL);
	EXPECT_EQ(capture_list_add_folder(&list, "", NULL, true, false, why, sizeof(why)), -ENOENT);
	snprintf(path, sizeof(path), "%s/b.pcap", root);
	EXPECT_EQ(capture_list_add_folder(&list, path, NULL, true, false, why, sizeof(why)), -ENOTDIR);
	EXPECT_EQ(list.n, 0);
	remove_tree();
}

TEST(a_list_has_one_path_a_line)
{
	struct capture_list list = {0};
	char path[64] = "/tmp/shrike-test-XXXXXX";
	int file = mkstemp(path);

	REQUIRE(file >= 0);
	EXPECT(write(file, "/a b.pcap\n\n/c.pcap\r\n-\n/last.pcap", 33) == 33);
	close(file);
	EXPECT_EQ(capture_list_add_file(&list, "first"), 0);
	EXPECT_EQ(capture_list_add_list(&list, path, why, sizeof(why)), 0);
	REQUIRE(list.n == 5);
	EXPECT_STR(list.path[0], "first");
	EXPECT_STR(list.path[1], "/a b.pcap");
	EXPECT_STR(list.path[2], "/c.pcap");
	EXPECT_STR(list.path[3], "-");
	EXPECT_STR(list.path[4], "/last.pcap");
	capture_list_free(&list);
	unlink(path);
	EXPECT_EQ(capture_list_add_list(&list, path, why, sizeof(why)), -ENOENT);
	EXPECT(strstr(why, path) != NULL);
}
