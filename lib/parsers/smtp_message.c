/* Messages (RFC 5322) inside SMTP: headers, body, and the headers and bodies of MIME parts (RFC 2046 5.1).
 *
 * A header is handed on when the first byte of the next line shows that it is not folded (RFC 5322 2.2.3). A message of
 * DATA ends at the line "."; one of BDAT at the end of its last chunk, and chunks may be cut anywhere (RFC 3030 2),
 * which is why the message keeps its own unfinished line. */

#include "smtp_priv.h"

void
smtp_fail(struct shrike_ctx *ctx, struct smtp *s, enum smtp_line_result result)
{
	if (result == SMTP_LINE_TOO_LONG)
		shrike_add_tag(ctx, "smtp:line-too-long");
	s->is_done = true;
}

void
smtp_message_begin(struct shrike_ctx *ctx, struct smtp_side *side)
{
	smtp_part_drop(ctx, side);
	smtp_parts_end(ctx, side);
	side->message_phase = SMTP_HEADERS;
	side->message.used = 0;
	side->message.after_cr = false;
	side->header.used = 0;
	side->has_header = false;
	side->is_folding = false;
	side->is_damaged = false;
}

/* The header that waited; the byte after a line without a colon is lost with it, as in the reference. */
static void
header_finish(struct shrike_ctx *ctx, struct smtp_side *side, struct cursor *in)
{
	struct cursor header = smtp_line_text(&side->header);
	bool has_colon = memchr(header.p, ':', cursor_left(&header)) != NULL;

	side->has_header = false;
	side->header.used = 0;
	if (side->message_phase == SMTP_PART_HEADERS)
		smtp_part_header(ctx, side, header);
	else if (has_colon)
		smtp_header(ctx, side, header);
	else if (in != NULL)
		cursor_skip(in, 1);
}

/* At the first byte of a line. Part headers keep the blank that folds them, message headers get one space for it. */
static enum smtp_line_result
header_begin(struct shrike_ctx *ctx, struct smtp_side *side, struct cursor *in)
{
	uint8_t first = cursor_peek(in, 0);

	if (!side->has_header)
		return SMTP_LINE_WHOLE;
	if (first != ' ' && first != '\t') {
		header_finish(ctx, side, in);
		return SMTP_LINE_WHOLE;
	}
	cursor_skip(in, 1);
	side->is_folding = true;
	if (side->message_phase != SMTP_PART_HEADERS)
		first = ' ';
	return smtp_line_append(ctx, &side->header, &first, 1);
}

static bool
is_end(const struct smtp_side *side, const struct cursor *line)
{
	return !side->is_bdat && cursor_left(line) == 1 && cursor_peek(line, 0) == '.';
}

static enum smtp_line_result
header_line(struct shrike_ctx *ctx, struct smtp_side *side, const struct cursor *line)
{
	if (!side->is_folding && cursor_left(line) == 0) {
		side->message_phase = SMTP_BODY;
		smtp_line_free(ctx, &side->header);
		return SMTP_LINE_WHOLE;
	}
	side->is_folding = false;
	side->has_header = true;
	return smtp_line_append(ctx, &side->header, line->p, cursor_left(line));
}

static void
body_line(struct shrike_ctx *ctx, struct smtp_side *side, const struct cursor *line)
{
	if (smtp_boundary_matches(side, line)) {
		smtp_part_finish(ctx, side);
		side->message_phase = SMTP_PART_HEADERS;
	} else {
		smtp_part_line(ctx, side, line);
	}
}

/* False: it was the last one. */
static bool
message_line(struct shrike_ctx *ctx, struct smtp *s, struct smtp_side *side, const struct cursor *line)
{
	enum smtp_line_result result = SMTP_LINE_WHOLE;

	if (side->is_damaged) { /* The rest of a line whose beginning is lost. */
		side->is_damaged = false;
		return true;
	}
	if (!side->is_folding && is_end(side, line)) {
		smtp_message_end(ctx, s, side);
		return false;
	}
	if (side->message_phase == SMTP_BODY)
		body_line(ctx, side, line);
	else
		result = header_line(ctx, side, line);
	if (result != SMTP_LINE_WHOLE)
		smtp_fail(ctx, s, result);
	return true;
}

bool
smtp_message_bytes(struct shrike_ctx *ctx, struct smtp *s, struct smtp_side *side, struct cursor *in)
{
	while (cursor_left(in) > 0 && !s->is_done) {
		bool in_headers = side->message_phase != SMTP_BODY;
		enum smtp_line_result result = SMTP_LINE_WHOLE;
		struct cursor line;

		if (side->message.after_cr) {
			side->message.after_cr = false;
			if (cursor_peek(in, 0) == '\n')
				cursor_skip(in, 1);
			continue;
		}
		if (in_headers && side->message.used == 0 && !side->is_folding && !side->is_damaged)
			result = header_begin(ctx, side, in);
		if (result == SMTP_LINE_WHOLE)
			result = smtp_line_next(ctx, &side->message, in, &line);
		if (result == SMTP_LINE_NONE)
			continue;
		if (result != SMTP_LINE_WHOLE)
			smtp_fail(ctx, s, result);
		else if (!message_line(ctx, s, side, &line))
			return false;
	}
	return true;
}

void
smtp_message_end(struct shrike_ctx *ctx, struct smtp *s, struct smtp_side *side)
{
	struct cursor line = smtp_line_text(&side->message);

	if (side->is_bdat && cursor_left(&line) > 0) { /* A last line needs no CRLF there. */
		side->message.used = 0;
		(void)message_line(ctx, s, side, &line);
	}
	if (side->has_header)
		header_finish(ctx, side, NULL);
	smtp_part_drop(ctx, side);
	smtp_parts_end(ctx, side);
	smtp_line_free(ctx, &side->header);
	smtp_line_free(ctx, &side->message);
	side->phase = SMTP_COMMAND;
}
