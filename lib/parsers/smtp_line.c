/* Lines of SMTP: they end at CR, and a LF behind it is passed over (RFC 5321 2.3.8 asks for both; a lone LF is a
 * character like others, so that a body with Unix lines cannot end a message early).
 *
 * A line that is whole in the chunk is not copied. One that is not is collected, up to SMTP_LINE_MAX bytes. */

#include "smtp_priv.h"

enum { LINE_ROOM_MIN = 256 };

static bool
room(struct shrike_ctx *ctx, struct smtp_line *l, size_t size)
{
	uint32_t capacity = l->capacity == 0 ? LINE_ROOM_MIN : l->capacity;
	char *bytes;

	if (size <= l->capacity)
		return true;
	while (capacity < size)
		capacity *= 2;
	if (capacity > SMTP_LINE_MAX)
		capacity = SMTP_LINE_MAX;
	bytes = shrike_realloc(ctx, l->bytes, capacity);
	if (bytes == NULL)
		return false;
	l->bytes = bytes;
	l->capacity = capacity;
	return true;
}

enum smtp_line_result
smtp_line_append(struct shrike_ctx *ctx, struct smtp_line *l, const void *bytes, size_t size)
{
	if (size > SMTP_LINE_MAX - l->used)
		return SMTP_LINE_TOO_LONG;
	if (size == 0)
		return SMTP_LINE_WHOLE;
	if (!room(ctx, l, l->used + size))
		return SMTP_LINE_NO_MEMORY;
	memcpy(l->bytes + l->used, bytes, size);
	l->used += (uint32_t)size;
	return SMTP_LINE_WHOLE;
}

struct cursor
smtp_line_text(const struct smtp_line *l)
{
	static const char none[1];

	return l->used > 0 ? cursor_make(l->bytes, l->used) : cursor_make(none, 0);
}

void
smtp_line_free(struct shrike_ctx *ctx, struct smtp_line *l)
{
	shrike_free(ctx, l->bytes);
	*l = (struct smtp_line){.after_cr = l->after_cr};
}

/* The line in *line is valid until the next call for 'l'. */
enum smtp_line_result
smtp_line_next(struct shrike_ctx *ctx, struct smtp_line *l, struct cursor *in, struct cursor *line)
{
	struct cursor piece = *in;
	enum smtp_line_result result;
	const uint8_t *end;

	if (cursor_left(in) == 0)
		return SMTP_LINE_NONE;
	cursor_limit(&piece, SMTP_LINE_MAX + 1 - l->used);
	end = memchr(piece.p, '\r', cursor_left(&piece));
	if (end == NULL) {
		result = smtp_line_append(ctx, l, piece.p, cursor_left(&piece));
		cursor_skip(in, cursor_left(&piece));
		return result == SMTP_LINE_WHOLE ? SMTP_LINE_NONE : result;
	}
	piece = cursor_sub(in, (size_t)(end - piece.p));
	cursor_skip(in, 1);
	l->after_cr = true;
	if (l->used == 0) {
		*line = piece;
		return SMTP_LINE_WHOLE;
	}
	result = smtp_line_append(ctx, l, piece.p, cursor_left(&piece));
	*line = smtp_line_text(l);
	l->used = 0;
	return result;
}
