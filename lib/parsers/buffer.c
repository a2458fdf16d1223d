/* Buffers for what is not whole yet.
 *
 * Most messages are whole in their chunk: then the bytes are read where they are and the buffer stays empty. What is
 * left over is copied once, by shrike_keep(); the next chunk is appended to it. The buffer grows by half, so a message
 * that comes byte by byte is copied a constant number of times. */
#include <string.h>

#include "parsing_priv.h"

enum { BUFFER_FIRST = 256 };

static bool
reserve(struct shrike_ctx *ctx, struct shrike_buffer *b, size_t need)
{
	size_t capacity = b->capacity + b->capacity / 2;
	uint8_t *grown;

	if (need <= b->capacity)
		return true;
	if (capacity < need)
		capacity = need;
	if (capacity < BUFFER_FIRST)
		capacity = BUFFER_FIRST;
	if (capacity > SHRIKE_ALLOC_MAX)
		capacity = SHRIKE_ALLOC_MAX;
	if (capacity < need)
		return false;
	grown = shrike_realloc(ctx, b->bytes, capacity);
	if (grown == NULL)
		return false;
	b->bytes = grown;
	b->capacity = (uint32_t)capacity;
	return true;
}

static void
append(struct shrike_buffer *b, struct cursor in)
{
	size_t size = cursor_left(&in);

	if (size > 0)
		memcpy(b->bytes + b->used, cursor_take(&in, size), size);
	b->used += (uint32_t)size;
}

static void
pass_over(struct shrike_buffer *b, struct cursor *in)
{
	size_t size = cursor_left(in);

	if (size > b->skip)
		size = (size_t)b->skip;
	cursor_skip(in, size);
	b->skip -= size;
}

bool
shrike_join(struct shrike_ctx *ctx, struct shrike_buffer *b, struct cursor in, uint32_t max, struct cursor *joined)
{
	if (b->skip > 0)
		pass_over(b, &in);
	*joined = in;
	if (b->has_lost)
		return false;
	if (b->used == 0)
		return true;
	if (b->used > max || !reserve(ctx, b, b->used + cursor_left(&in)))
		return false;
	append(b, in);
	*joined = cursor_make(b->bytes, b->used);
	return true;
}

void
shrike_skip_next(struct shrike_buffer *b, uint64_t n)
{
	b->skip += n;
}

void
shrike_keep(struct shrike_ctx *ctx, struct shrike_buffer *b, struct cursor rest)
{
	size_t size;

	if (b->skip > 0)
		pass_over(b, &rest);
	size = cursor_left(&rest);
	if (size == 0) {
		shrike_buffer_free(ctx, b);
		return;
	}
	if (b->used > 0) {
		/* 'rest' is the end of what the buffer holds; all of it, as long as a message waits for its bytes one
		 * by one, and then nothing may be moved. */
		if (size < b->used)
			memmove(b->bytes, cursor_take(&rest, size), size);
		b->used = (uint32_t)size;
		return;
	}
	b->has_lost = !reserve(ctx, b, size);
	if (!b->has_lost)
		append(b, rest);
}

void
shrike_buffer_free(struct shrike_ctx *ctx, struct shrike_buffer *b)
{
	shrike_free(ctx, b->bytes);
	b->bytes = NULL;
	b->used = b->capacity = 0;
}
