/* Where the bytes come from: files that change while they are read, errors, pipes, gzip and zstd. */
#include "port/capture_build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include "packet.h"

static struct build b, packed;
static bool frames_right;
static uint64_t last_position;

static void
check_frame(const struct capture_packet *p, unsigned index)
{
	frames_right = (index == 0 || frames_right) && is_frame(p, index);
	last_position = p->position;
}

/* Returns the number of packets. */
static unsigned
many_packets(size_t bytes)
{
	unsigned n = 0;

	b = (struct build){0};
	put_pcap_header(&b, 0xa1b2c3d4, LINK_ETHERNET);
	for (; b.n < bytes; n++)
		put_pcap_record(&b, n, 0, 60 + n % 1400, 1500, n);
	return n;
}

static struct capture_file *
open_built(char path[64])
{
	char why[100];

	return capture_open(build_write(&b, b.n, path), why, sizeof(why));
}

/* Reads to the end: how many packets, and the status that ended them. */
static unsigned
drain(struct capture_file *f, enum capture_status *status)
{
	struct capture_packet p;
	unsigned n = 0;

	while ((*status = capture_next(f, &p)) == CAPTURE_PACKET)
		n++;
	return n;
}

TEST(a_file_that_shrinks_while_it_is_read_is_damage_with_the_offset)
{
	struct capture_packet p;
	enum capture_status status;
	struct capture_file *f;
	uint64_t offset = 0;
	char path[64];
	unsigned all = many_packets(1900000), n;

	f = open_built(path);
	REQUIRE(f != NULL);
	EXPECT_EQ(capture_next(f, &p), CAPTURE_PACKET);
	EXPECT(truncate(path, 1500000) == 0);
	n = 1 + drain(f, &status);
	EXPECT_EQ(status, CAPTURE_DAMAGED);
	EXPECT(n > 1000 && n < all);
	REQUIRE(capture_damage(f, &offset) != NULL);
	EXPECT(strstr(capture_damage(f, NULL), "shrank") != NULL);
	EXPECT(offset <= 1500000 && offset > 1500000 - 1600);
	EXPECT_EQ(capture_next(f, &p), CAPTURE_END);
	capture_close(f);
	unlink(path);
}

TEST(a_file_that_shrinks_below_what_was_read_is_damage)
{
	struct capture_packet p;
	enum capture_status status;
	struct capture_file *f;
	char path[64];
	unsigned all = many_packets(100000);

	f = open_built(path);
	REQUIRE(f != NULL);
	EXPECT_EQ(capture_next(f, &p), CAPTURE_PACKET);
	EXPECT(truncate(path, 0) == 0);
	EXPECT_EQ(1 + drain(f, &status), all);
	EXPECT_EQ(status, CAPTURE_DAMAGED);
	capture_close(f);
	unlink(path);
}

TEST(a_file_that_grows_is_read_to_its_first_size_and_is_damage)
{
	struct capture_packet p;
	enum capture_status status;
	struct capture_file *f;
	uint64_t offset = 0;
	char path[64];
	unsigned all = many_packets(100000);
	int file;

	f = open_built(path);
	REQUIRE(f != NULL);
	EXPECT_EQ(capture_next(f, &p), CAPTURE_PACKET);
	file = open(path, O_WRONLY | O_APPEND);
	EXPECT(write(file, b.bytes + 24, 1000) == 1000);
	close(file);
	EXPECT_EQ(1 + drain(f, &status), all);
	EXPECT_EQ(status, CAPTURE_DAMAGED);
	REQUIRE(capture_damage(f, &offset) != NULL);
	EXPECT(strstr(capture_damage(f, NULL), "grew") != NULL);
	EXPECT_EQ(offset, b.n);
	capture_close(f);
	unlink(path);
}

/* The reader's own file descriptor of 'path'. */
static int
find_descriptor(const char *path)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;
	char name[300], target[300];
	int found = -1;

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		ssize_t n;

		snprintf(name, sizeof(name), "/proc/self/fd/%s", entry->d_name);
		n = readlink(name, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		if (strcmp(target, path) == 0)
			found = (int)strtoul(entry->d_name, NULL, 10);
	}
	closedir(folder);
	return found;
}

TEST(a_read_that_fails_is_damage_with_the_offset)
{
	struct capture_packet p;
	enum capture_status status;
	struct capture_file *f;
	char path[64];
	uint64_t offset = 0;
	int folder = open("/tmp", O_RDONLY | O_DIRECTORY);
	unsigned all = many_packets(1900000), n;

	f = open_built(path);
	REQUIRE(f != NULL);
	EXPECT_EQ(capture_next(f, &p), CAPTURE_PACKET);
	/* Reading from a folder is EISDIR: an error in the middle of the file. */
	EXPECT(dup2(folder, find_descriptor(path)) >= 0);
	n = 1 + drain(f, &status);
	EXPECT_EQ(status, CAPTURE_DAMAGED);
	EXPECT(n < all);
	REQUIRE(capture_damage(f, &offset) != NULL);
	EXPECT(strstr(capture_damage(f, NULL), "directory") != NULL);
	EXPECT(offset > 100000 && offset < b.n - 2000);
	capture_close(f);
	close(folder);
	unlink(path);
}

/* --- compressed ------------------------------------------------------------------------------------------------- */

static void
append_gzip(size_t from, size_t to)
{
	z_stream z = {0};

	deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	z.next_in = b.bytes + from;
	z.avail_in = (uInt)(to - from);
	z.next_out = packed.bytes + packed.n;
	z.avail_out = (uInt)(BUILD_MAX - packed.n);
	deflate(&z, Z_FINISH);
	packed.n += z.total_out;
	deflateEnd(&z);
}

static void
append_zstd(size_t from, size_t to)
{
	packed.n += ZSTD_compress(packed.bytes + packed.n, BUILD_MAX - packed.n, b.bytes + from, to - from, 3);
}

static void
pack(void (*append)(size_t, size_t), unsigned members)
{
	packed.n = 0;
	for (unsigned i = 0; i < members; i++)
		append(b.n * i / members, b.n * (i + 1) / members);
}

static void
check_packed(unsigned n)
{
	struct build_result r = build_read_bytes(&packed, packed.n, check_frame);

	EXPECT(r.opened && !r.damaged && frames_right);
	EXPECT_EQ(r.packets, n);
	EXPECT_EQ(last_position, b.n - 16 - (60 + (n - 1) % 1400));
}

TEST(gzip_and_zstd_in_one_or_many_members_give_the_packets)
{
	unsigned n = many_packets(1900000);

	for (unsigned members = 1; members < 8; members += 3) {
		pack(append_gzip, members);
		check_packed(n);
		pack(append_zstd, members);
		check_packed(n);
	}
}

TEST(a_record_of_length_zero_ends_a_full_decompressor_too)
{
	/* Exactly one read's worth: the decompressor ends with a full output buffer and no input left. */
	unsigned n = 0;

	b = (struct build){0};
	put_pcap_header(&b, 0xa1b2c3d4, LINK_ETHERNET);
	for (; b.n + 16 + 1000 <= 1 << 20; n++)
		put_pcap_record(&b, n, 0, 1000, 1500, n);
	if (b.n < 1 << 20)
		put_pcap_record(&b, n, 0, (uint32_t)((1 << 20) - b.n - 16), 1500, n), n++;
	EXPECT_EQ(b.n, 1 << 20);
	pack(append_gzip, 1);
	EXPECT_EQ(build_read_bytes(&packed, packed.n, check_frame).packets, n);
	pack(append_zstd, 1);
	EXPECT_EQ(build_read_bytes(&packed, packed.n, check_frame).packets, n);
	EXPECT(frames_right);
}

TEST(a_compressed_file_is_no_place_for_positions)
{
	char path[64], why[100];
	struct capture_file *f;

	many_packets(1000);
	pack(append_gzip, 1);
	f = capture_open(build_write(&packed, packed.n, path), why, sizeof(why));
	unlink(path);
	REQUIRE(f != NULL);
	EXPECT(!capture_info(f)->plain_pcap);
	EXPECT_EQ(capture_info(f)->size_bytes, packed.n);
	capture_close(f);
}

TEST(zeroes_after_gzip_are_padding_and_anything_else_is_damage)
{
	unsigned n = many_packets(10000);
	struct build_result r;

	pack(append_gzip, 1);
	put(&packed, (uint8_t[100]){0}, 100);
	r = build_read_bytes(&packed, packed.n, NULL);
	EXPECT(!r.damaged);
	EXPECT_EQ(r.packets, n);
	put(&packed, "garbage", 7);
	r = build_read_bytes(&packed, packed.n, NULL);
	EXPECT(r.damaged);
	EXPECT_EQ(r.packets, n);
}

TEST(every_truncation_of_a_compressed_file_is_refused_or_damage)
{
	void (*const append[])(size_t, size_t) = {append_gzip, append_zstd};
	unsigned n = many_packets(500);

	for (unsigned kind = 0; kind < 2; kind++) {
		pack(append[kind], 1);
		for (size_t size = 0; size < packed.n; size++) {
			struct build_result r = build_read_bytes(&packed, size, check_frame);

			EXPECT(!r.opened || r.damaged);
			EXPECT(r.packets <= n);
			EXPECT(r.packets == 0 || frames_right);
			if (!r.opened)
				EXPECT(r.why[0] != '\0');
		}
	}
}

TEST(every_damaged_byte_of_a_compressed_file_ends_somehow)
{
	void (*const append[])(size_t, size_t) = {append_gzip, append_zstd};

	many_packets(500);
	for (unsigned kind = 0; kind < 2; kind++) {
		pack(append[kind], 2);
		for (size_t at = 0; at < packed.n; at++) {
			packed.bytes[at] ^= 0x55;
			EXPECT(build_read_bytes(&packed, packed.n, NULL).packets < 1000);
			packed.bytes[at] ^= 0x55;
		}
	}
}

/* --- pipes ------------------------------------------------------------------------------------------------------ */

static struct capture_file *
open_pipe(int pipes[2], char *why, size_t why_size)
{
	char path[64];

	if (pipe(pipes) != 0)
		return NULL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", pipes[0]);
	return capture_open(path, why, why_size);
}

TEST(a_pipe_that_says_nothing_waits_at_every_byte)
{
	struct capture_packet p;
	struct capture_file *f;
	unsigned n = 0, all = many_packets(300);
	char why[100];
	int pipes[2];

	f = open_pipe(pipes, why, sizeof(why));
	REQUIRE(f != NULL);
	EXPECT(capture_info(f)->absolute == NULL);
	EXPECT_EQ(capture_next(f, &p), CAPTURE_WAIT);
	for (size_t i = 0; i < b.n; i++) {
		EXPECT(write(pipes[1], b.bytes + i, 1) == 1);
		if (capture_next(f, &p) == CAPTURE_PACKET)
			check_frame(&p, n++);
		EXPECT_EQ(capture_next(f, &p), CAPTURE_WAIT);
	}
	EXPECT_EQ(n, all);
	EXPECT(frames_right);
	EXPECT(!capture_info(f)->plain_pcap);
	close(pipes[1]);
	EXPECT_EQ(capture_next(f, &p), CAPTURE_END);
	capture_close(f);
	close(pipes[0]);
}

TEST(a_compressed_pipe_gives_what_has_come)
{
	void (*const append[])(size_t, size_t) = {append_gzip, append_zstd};
	unsigned all = many_packets(3000);

	for (unsigned kind = 0; kind < 2; kind++) {
		struct capture_packet p;
		struct capture_file *f;
		unsigned n = 0;
		char why[100];
		int pipes[2];

		pack(append[kind], 3);
		f = open_pipe(pipes, why, sizeof(why));
		REQUIRE(f != NULL);
		for (size_t i = 0; i < packed.n; i++) {
			enum capture_status status;

			EXPECT(write(pipes[1], packed.bytes + i, 1) == 1);
			while ((status = capture_next(f, &p)) == CAPTURE_PACKET)
				check_frame(&p, n++);
			EXPECT_EQ(status, CAPTURE_WAIT);
		}
		/* Everything was given out before the writer closed. */
		EXPECT_EQ(n, all);
		EXPECT(frames_right);
		close(pipes[1]);
		EXPECT_EQ(capture_next(f, &p), CAPTURE_END);
		capture_close(f);
		close(pipes[0]);
	}
}

TEST(a_pipe_that_is_no_capture_is_damage)
{
	struct capture_packet p;
	struct capture_file *f;
	char why[100];
	int pipes[2];

	f = open_pipe(pipes, why, sizeof(why));
	REQUIRE(f != NULL);
	EXPECT(write(pipes[1], "hello, world", 12) == 12);
	EXPECT_EQ(capture_next(f, &p), CAPTURE_DAMAGED);
	EXPECT(capture_damage(f, NULL) != NULL);
	EXPECT_EQ(capture_next(f, &p), CAPTURE_END);
	capture_close(f);
	close(pipes[0]);
	close(pipes[1]);
}

TEST(a_fifo_is_opened_without_its_writer)
{
	struct capture_packet p;
	struct capture_file *f;
	char path[64], why[100];
	unsigned all = many_packets(1000);
	enum capture_status status;
	int file;

	snprintf(path, sizeof(path), "/tmp/shrike-test-fifo-%d", (int)getpid());
	REQUIRE(mkfifo(path, 0600) == 0);
	f = capture_open(path, why, sizeof(why));
	REQUIRE(f != NULL);
	EXPECT_EQ(capture_next(f, &p), CAPTURE_WAIT);
	file = open(path, O_WRONLY);
	EXPECT_EQ(capture_next(f, &p), CAPTURE_WAIT);
	EXPECT(write(file, b.bytes, b.n) == (ssize_t)b.n);
	EXPECT_EQ(drain(f, &status), all);
	EXPECT_EQ(status, CAPTURE_WAIT);
	close(file);
	EXPECT_EQ(capture_next(f, &p), CAPTURE_END);
	capture_close(f);
	unlink(path);
}

TEST(standard_input_is_a_dash)
{
	int before = dup(STDIN_FILENO), file;
	struct build_result r;
	char path[64];
	unsigned all = many_packets(10000);

	file = open(build_write(&b, b.n, path), O_RDONLY);
	dup2(file, STDIN_FILENO);
	r = build_read("-", check_frame);
	EXPECT(r.opened && !r.damaged && frames_right);
	EXPECT_EQ(r.packets, all);
	/* It is still open: it was not ours to close. */
	EXPECT(fcntl(STDIN_FILENO, F_GETFD) >= 0);
	if (before >= 0) {
		dup2(before, STDIN_FILENO);
		close(before);
	}
	close(file);
	unlink(path);
}

TEST(consumed_bytes_reach_the_size_of_the_file)
{
	void (*const append[])(size_t, size_t) = {append_gzip, append_zstd};
	enum capture_status status;
	struct capture_packet p;
	struct capture_file *f;
	char path[64], why[100];

	many_packets(10000);
	f = open_built(path);
	REQUIRE(f != NULL);
	EXPECT_EQ(capture_next(f, &p), CAPTURE_PACKET);
	EXPECT_EQ(capture_consumed_bytes(f), 24 + 16 + 60);
	drain(f, &status);
	EXPECT_EQ(capture_consumed_bytes(f), b.n);
	capture_close(f);
	unlink(path);
	for (unsigned kind = 0; kind < 2; kind++) {
		pack(append[kind], 2);
		f = capture_open(build_write(&packed, packed.n, path), why, sizeof(why));
		REQUIRE(f != NULL);
		drain(f, &status);
		EXPECT_EQ(capture_consumed_bytes(f), packed.n);
		capture_close(f);
		unlink(path);
	}
}
