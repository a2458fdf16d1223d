/* Builds small capture files for the tests: bytes in memory, then a file under /tmp. */
#ifndef CAPTURE_BUILD_H
#define CAPTURE_BUILD_H

#include <stdlib.h>
#include <unistd.h>

#include "capture.h"
#include "test.h"

enum { BUILD_MAX = 2 << 20 };

struct build {
	bool big_endian;
	size_t n;
	uint8_t bytes[BUILD_MAX];
};

static inline void
put(struct build *b, const void *bytes, size_t n)
{
	if (b->n + n > BUILD_MAX)
		abort();
	if (n > 0)
		memcpy(b->bytes + b->n, bytes, n);
	b->n += n;
}

static inline void
put16(struct build *b, uint16_t v)
{
	uint8_t little[2] = {(uint8_t)v, (uint8_t)(v >> 8)}, big[2] = {little[1], little[0]};

	put(b, b->big_endian ? big : little, 2);
}

static inline void
put32(struct build *b, uint32_t v)
{
	uint8_t little[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
	uint8_t big[4] = {little[3], little[2], little[1], little[0]};

	put(b, b->big_endian ? big : little, 4);
}

/* Frame 'seed' of 'size' bytes: every byte follows from both. */
static inline uint8_t
frame_byte(unsigned seed, size_t at)
{
	return (uint8_t)(seed * 31 + at * 7 + (at >> 8));
}

static inline void
put_frame(struct build *b, unsigned seed, size_t size)
{
	for (size_t i = 0; i < size; i++)
		put(b, &(uint8_t){frame_byte(seed, i)}, 1);
}

static inline bool
is_frame(const struct capture_packet *p, unsigned seed)
{
	for (size_t i = 0; i < p->captured_bytes; i++)
		if (p->data[i] != frame_byte(seed, i))
			return false;
	return true;
}

static inline void
put_pcap_header(struct build *b, uint32_t magic, uint32_t network)
{
	put32(b, magic);
	put16(b, 2);
	put16(b, 4);
	put32(b, 0);
	put32(b, 0);
	put32(b, 65535);
	put32(b, network);
}

static inline void
put_pcap_record(struct build *b, uint32_t seconds, uint32_t fraction, uint32_t captured, uint32_t wire, unsigned seed)
{
	put32(b, seconds);
	put32(b, fraction);
	put32(b, captured);
	put32(b, wire);
	put_frame(b, seed, captured);
}

/* The file's name; the caller unlinks it. */
static inline const char *
build_write(const struct build *b, size_t size, char path[64])
{
	int file;

	snprintf(path, 64, "/tmp/shrike-test-XXXXXX");
	file = mkstemp(path);
	if (file < 0 || write(file, b->bytes, size) != (ssize_t)size)
		abort();
	close(file);
	return path;
}

struct build_result {
	bool opened;
	int error;
	char why[256];
	unsigned packets, waits;
	uint64_t skipped;
	bool damaged;
	uint64_t offset;
	char damage[256];
};

/* Reads to the end. 'each' sees every packet. The packets end where the reader says so, once, and then for good. */
static inline struct build_result
build_read(const char *path, void (*each)(const struct capture_packet *, unsigned index))
{
	struct build_result r = {0};
	struct capture_file *f = capture_open(path, r.why, sizeof(r.why));
	struct capture_packet p;
	enum capture_status status;

	if (f == NULL)
		return r;
	r.opened = true;
	while ((status = capture_next(f, &p)) == CAPTURE_PACKET || status == CAPTURE_WAIT) {
		if (status == CAPTURE_WAIT) {
			r.waits++;
			usleep(1000);
			continue;
		}
		if (each != NULL)
			each(&p, r.packets);
		r.packets++;
	}
	r.damaged = status == CAPTURE_DAMAGED;
	if (r.damaged)
		snprintf(r.damage, sizeof(r.damage), "%s", capture_damage(f, &r.offset));
	EXPECT_EQ(r.damaged, capture_damage(f, NULL) != NULL);
	EXPECT_EQ(capture_next(f, &p), CAPTURE_END);
	EXPECT_EQ(capture_next(f, &p), CAPTURE_END);
	r.skipped = capture_skipped_records(f);
	capture_close(f);
	return r;
}

static inline struct build_result
build_read_bytes(const struct build *b, size_t size, void (*each)(const struct capture_packet *, unsigned index))
{
	char path[64];
	struct build_result r = build_read(build_write(b, size, path), each);

	unlink(path);
	return r;
}

#endif
