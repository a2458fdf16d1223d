/* MIME parts (RFC 2045, RFC 2046): the names of attached files, and digests and type of those in base64.
 *
 * Nesting is not followed: the boundaries of all levels are in one list, and a line that begins with "--" and any of
 * them ends the part before it. So parts nested without end cost nothing but their boundaries, which are bounded in
 * number and bytes. Only a part whose end was seen has digests: those of half a file would be nobody's. */

#include "smtp_priv.h"

#include "text.h"

enum { BOUNDARY_ROOM_MIN = 256, PART_HEADER_BLANKS = 2 };

static bool
boundary_room(struct shrike_ctx *ctx, struct smtp_boundaries *b, size_t size)
{
	uint32_t capacity = b->capacity == 0 ? BOUNDARY_ROOM_MIN : b->capacity;
	uint8_t *bytes;

	if (b->used + size > SMTP_BOUNDARY_BYTES_MAX)
		return false;
	while (capacity < b->used + size)
		capacity *= 2;
	if (capacity == b->capacity)
		return true;
	bytes = shrike_realloc(ctx, b->bytes, capacity);
	if (bytes == NULL)
		return false;
	b->bytes = bytes;
	b->capacity = capacity;
	return true;
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* The value of 'parameter' ("boundary=") of a Content-Type: quoted, or up to a blank or ';'. */
static struct cursor
parameter_value(struct cursor text, const char *parameter)
{
	ptrdiff_t at = text_find_nocase(text.p, cursor_left(&text), parameter);
	size_t length = 0;

	if (at < 0)
		return cursor_sub(&text, 0);
	cursor_skip(&text, (size_t)at + strlen(parameter));
	while (is_blank(cursor_peek(&text, 0)))
		cursor_skip(&text, 1);
	if (cursor_peek(&text, 0) == '"') {
		cursor_skip(&text, 1);
		while (length < cursor_left(&text) && cursor_peek(&text, length) != '"')
			length++;
	} else {
		while (length < cursor_left(&text) && !is_blank(cursor_peek(&text, length)) &&
		       cursor_peek(&text, length) != ';')
			length++;
	}
	return cursor_sub(&text, length);
}

void
smtp_boundary_add(struct shrike_ctx *ctx, struct smtp_side *side, struct cursor content_type)
{
	struct smtp_boundaries *b = &side->boundaries;
	struct cursor boundary = parameter_value(content_type, "boundary=");
	size_t size = cursor_left(&boundary);
	uint8_t length[2] = {(uint8_t)size, (uint8_t)(size >> 8)};

	if (size == 0 || b->n == SMTP_BOUNDARIES_MAX || !boundary_room(ctx, b, sizeof(length) + size))
		return;
	memcpy(b->bytes + b->used, length, sizeof(length));
	memcpy(b->bytes + b->used + sizeof(length), boundary.p, size);
	b->used += (uint32_t)(sizeof(length) + size);
	b->n++;
}

bool
smtp_boundary_matches(const struct smtp_side *side, const struct cursor *line)
{
	struct cursor text = *line, list;

	if (side->boundaries.n == 0 || cursor_be16(&text) != ('-' << 8 | '-'))
		return false;
	list = cursor_make(side->boundaries.bytes, side->boundaries.used);
	while (cursor_left(&list) > 0) {
		struct cursor boundary = cursor_sub(&list, cursor_le16(&list));
		size_t size = cursor_left(&boundary);

		if (cursor_left(&text) >= size && memcmp(text.p, boundary.p, size) == 0)
			return true;
	}
	return false;
}

/* A quoted name ends at its quote; one without ends with the header. */
static void
emit_filename(struct shrike_ctx *ctx, struct cursor disposition)
{
	static const char parameter[] = "filename=";
	struct smtp_local *local = shrike_local(ctx);
	ptrdiff_t at = text_find_nocase(disposition.p, cursor_left(&disposition), parameter);
	const uint8_t *quote;
	struct cursor name;

	if (at < 0)
		return;
	cursor_skip(&disposition, (size_t)at + sizeof(parameter) - 1);
	while (is_blank(cursor_peek(&disposition, 0)))
		cursor_skip(&disposition, 1);
	if (cursor_peek(&disposition, 0) == '"')
		cursor_skip(&disposition, 1);
	quote = memchr(disposition.p, '"', cursor_left(&disposition));
	if (quote != NULL)
		disposition = cursor_until(&disposition, '"');
	name = encoded_words_decode(&local->words, disposition);
	shrike_emit_rest(ctx, F_FILENAME, &name);
}

void
smtp_part_header(struct shrike_ctx *ctx, struct smtp_side *side, struct cursor header)
{
	if (text_starts_nocase(&header, "content-type:"))
		smtp_boundary_add(ctx, side, header);
	else if (text_starts_nocase(&header, "content-disposition:"))
		emit_filename(ctx, header);
	else if (text_starts_nocase(&header, "content-transfer-encoding:") &&
		 text_find_nocase(header.p, cursor_left(&header), "base64") >= 0)
		side->is_base64 = true;
}

static int
base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 2045 6.8: bytes outside the alphabet are passed over, digits may wait for those of the next line. '=' ends a
 * group; what follows begins the next one, as in files that were encoded in pieces. */
static size_t
base64_decode(struct smtp_side *side, const struct cursor *line, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < cursor_left(line); i++) {
		uint8_t c = cursor_peek(line, i);
		uint8_t *digit = side->base64;
		int value = base64_digit(c);

		if (value < 0 && c != '=')
			continue;
		if (value >= 0 && side->n_base64 < 3) {
			digit[side->n_base64++] = (uint8_t)value;
			continue;
		}
		if (side->n_base64 >= 2)
			out[n++] = (uint8_t)(digit[0] << 2 | digit[1] >> 4);
		if (side->n_base64 >= 3)
			out[n++] = (uint8_t)(digit[1] << 4 | digit[2] >> 2);
		if (value >= 0)
			out[n++] = (uint8_t)(digit[2] << 6 | value);
		side->n_base64 = 0;
	}
	return n;
}

void
smtp_part_line(struct shrike_ctx *ctx, struct smtp_side *side, const struct cursor *line)
{
	const struct smtp_shared *shared = shrike_shared(ctx);
	struct smtp_local *local = shrike_local(ctx);
	struct cursor bytes;
	const char *magic;

	if (!side->is_base64)
		return;
	bytes = cursor_make(local->decoded, base64_decode(side, line, local->decoded));
	if (cursor_left(&bytes) == 0)
		return;
	if (!side->has_magic) {
		side->has_magic = true;
		magic = shrike_magic(ctx, bytes.p, cursor_left(&bytes));
		if (magic != NULL)
			shrike_emit_str(ctx, F_BODY_MAGIC, magic);
	}
	body_update(ctx, &shared->bodies, &side->body, &bytes, BODY_LENGTH_UNKNOWN);
}

static void
part_reset(struct smtp_side *side)
{
	side->is_base64 = false;
	side->has_magic = false;
	side->n_base64 = 0;
}

void
smtp_part_finish(struct shrike_ctx *ctx, struct smtp_side *side)
{
	const struct smtp_shared *shared = shrike_shared(ctx);

	body_finish(ctx, &shared->bodies, &side->body, F_MD5, F_SHA256);
	part_reset(side);
}

void
smtp_part_drop(struct shrike_ctx *ctx, struct smtp_side *side)
{
	body_drop(ctx, &side->body);
	part_reset(side);
}

void
smtp_parts_end(struct shrike_ctx *ctx, struct smtp_side *side)
{
	shrike_free(ctx, side->boundaries.bytes);
	side->boundaries = (struct smtp_boundaries){.n = 0};
}
