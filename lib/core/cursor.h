/* A reader over bytes somebody else chose.
 *
 * A read beyond the end returns zero (or NULL), makes the cursor bad and moves to the end: the error sticks, so a
 * parser reads all it needs, asks cursor_bad() once, then emits, and a loop on cursor_left() stops.
 * No pointer arithmetic on packet bytes outside this file.
 *
 * Two words, because those are passed and returned in registers. Three go through memory, and are copied there as
 * vectors right after they were written word by word, which no CPU forwards: 25 ns a packet.
 *
 * Threads: a cursor is a value on the caller's stack. Ownership: it never owns the bytes. */
#ifndef CURSOR_H
#define CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *p;
	uint64_t left; /* for cursor_left(); CURSOR_BAD: nothing, and somebody read beyond the end */
};

#define CURSOR_BAD (UINT64_C(1) << 63)

/* No sum of pointers: NULL and 0 bytes are a cursor too. */
static inline const uint8_t *
cursor_after(const uint8_t *p, size_t size)
{
	return (const uint8_t *)((uintptr_t)p + size);
}

/* Fields of a header that was taken whole from a cursor: one check for all of them. */
static inline uint16_t
read_be16(const uint8_t *field)
{
	return (uint16_t)(field[0] << 8 | field[1]);
}

static inline uint32_t
read_be32(const uint8_t *field)
{
	return (uint32_t)field[0] << 24 | (uint32_t)field[1] << 16 | (uint32_t)field[2] << 8 | field[3];
}

static inline uint32_t
read_le32(const uint8_t *field)
{
	return (uint32_t)field[3] << 24 | (uint32_t)field[2] << 16 | (uint32_t)field[1] << 8 | field[0];
}

static inline struct cursor
cursor_make(const void *bytes, size_t size)
{
	return (struct cursor){.p = bytes, .left = size};
}

/* A part of them, for which one comparison is enough; bad when it is not all there. */
static inline struct cursor
cursor_make_part(const void *bytes, uint32_t size, uint32_t offset, uint32_t part)
{
	if ((uint64_t)offset + part > size)
		return (struct cursor){.p = bytes, .left = CURSOR_BAD};
	return cursor_make(cursor_after(bytes, offset), part);
}

static inline size_t
cursor_left(const struct cursor *c)
{
	return (size_t)(c->left & (CURSOR_BAD - 1));
}

static inline bool
cursor_bad(const struct cursor *c)
{
	return (c->left & CURSOR_BAD) != 0;
}

/* What a read beyond the end does, for those who find out otherwise. */
static inline void
cursor_fail(struct cursor *c)
{
	c->p = cursor_after(c->p, cursor_left(c));
	c->left = CURSOR_BAD;
}

/* The next 'size' bytes, or NULL. */
static inline const uint8_t *
cursor_take(struct cursor *c, size_t size)
{
	const uint8_t *p = c->p;

	if (cursor_left(c) < size) {
		cursor_fail(c);
		return NULL;
	}
	c->p = cursor_after(p, size);
	c->left -= size;
	return p;
}

static inline void
cursor_skip(struct cursor *c, size_t size)
{
	(void)cursor_take(c, size);
}

static inline uint8_t
cursor_u8(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 1);

	return p != NULL ? p[0] : 0;
}

static inline uint16_t
cursor_be16(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 2);

	return p != NULL ? read_be16(p) : 0;
}

static inline uint16_t
cursor_le16(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 2);

	return p != NULL ? (uint16_t)(p[1] << 8 | p[0]) : 0;
}

static inline uint32_t
cursor_be24(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 3);

	return p != NULL ? (uint32_t)p[0] << 16 | read_be16(&p[1]) : 0;
}

static inline uint32_t
cursor_be32(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 4);

	return p != NULL ? read_be32(p) : 0;
}

static inline uint32_t
cursor_le32(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 4);

	return p != NULL ? read_le32(p) : 0;
}

static inline uint64_t
cursor_be64(struct cursor *c)
{
	uint64_t high = cursor_be32(c);

	return high << 32 | cursor_be32(c);
}

static inline uint64_t
cursor_le64(struct cursor *c)
{
	uint64_t low = cursor_le32(c);

	return low | (uint64_t)cursor_le32(c) << 32;
}

/* Byte 'offset' from here without moving; 0 beyond the end, and no error. */
static inline uint8_t
cursor_peek(const struct cursor *c, size_t offset)
{
	return offset < cursor_left(c) ? c->p[offset] : 0;
}

/* A child of 'size' bytes. Too few: the child is empty and bad, and so is the parent. */
static inline struct cursor
cursor_sub(struct cursor *c, size_t size)
{
	const uint8_t *p = cursor_take(c, size);

	if (p == NULL)
		return *c;
	return cursor_make(p, size);
}

/* A child up to, not including, the next byte 'stop', which is consumed. None: bad, as in cursor_sub(). */
static inline struct cursor
cursor_until(struct cursor *c, uint8_t stop)
{
	size_t left = cursor_left(c);
	const uint8_t *hit = NULL;
	struct cursor child;

	/* More there never is; without the bound gcc 12 warns of it where it loses track of the size. */
	if (left > 0 && left <= PTRDIFF_MAX)
		hit = memchr(c->p, stop, left);
	if (hit == NULL)
		return cursor_sub(c, left + 1);
	child = cursor_sub(c, (size_t)(hit - c->p));
	cursor_skip(c, 1);
	return child;
}

/* Shortens the cursor to its next 'size' bytes, if it has more. */
static inline void
cursor_limit(struct cursor *c, size_t size)
{
	if (cursor_left(c) > size)
		c->left = size;
}

#endif
