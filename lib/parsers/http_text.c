/* A text that arrives in pieces, see http_priv.h.
 *
 * A header value nearly always lies in one piece in one chunk, and is read where it lies. Only a second piece (a folded
 * line, a header block over two chunks) or the end of the chunk copies it. The room doubles, so appending is linear. */
#include <string.h>

#include "http_priv.h"

enum { TEXT_BYTES_MIN = 64 };

static bool
text_reserve(struct shrike_ctx *ctx, struct http_text *text, uint32_t size)
{
	uint32_t capacity = text->capacity > 0 ? text->capacity : TEXT_BYTES_MIN;
	uint8_t *memory;

	while (capacity < size)
		capacity *= 2;
	if (capacity == text->capacity)
		return true;
	memory = shrike_realloc(ctx, text->capacity > 0 ? text->memory : NULL, capacity);
	if (memory == NULL)
		return false;
	if (text->capacity == 0 && text->size > 0)
		memcpy(memory, text->bytes, text->size);
	text->memory = memory;
	text->capacity = capacity;
	return true;
}

bool
http_text_append(struct shrike_ctx *ctx, struct http_text *text, struct cursor piece, uint32_t max)
{
	size_t size;

	cursor_limit(&piece, max > text->size ? max - text->size : 0);
	size = cursor_left(&piece);
	if (size == 0)
		return true;
	if (text->size == 0 && text->capacity == 0) {
		text->bytes = piece.p;
		text->size = (uint32_t)size;
		return true;
	}
	if (!text_reserve(ctx, text, text->size + (uint32_t)size))
		return false;
	memcpy(&text->memory[text->size], piece.p, size);
	text->size += (uint32_t)size;
	return true;
}

bool
http_text_own(struct shrike_ctx *ctx, struct http_text *text)
{
	return text->capacity > 0 || text->size == 0 || text_reserve(ctx, text, text->size);
}

void
http_text_clear(struct shrike_ctx *ctx, struct http_text *text)
{
	if (text->capacity > 0)
		shrike_free(ctx, text->memory);
	*text = (struct http_text){0};
}

struct cursor
http_text_cursor(const struct http_text *text)
{
	static const uint8_t nothing[1];

	return text->size > 0 ? cursor_make(text->bytes, text->size) : cursor_make(nothing, 0);
}
