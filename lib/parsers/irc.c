/* IRC (RFC 1459): nicknames and channels, as the source of the session asks for them.
 *
 * Only the beginnings of lines matter. A line that is not whole in its chunk waits, up to LINE_MAX_BYTES (IRCv3 message
 * tags: 8191 and 512); of a longer one the rest is passed over. */

#include "parser.h"
#include "text.h"

enum { F_NICK, F_CHANNEL, N_FIELDS };

static const struct field irc_fields[N_FIELDS] = {
	[F_NICK] = {"irc.nick", "irc.nick", "irc", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL, "Nickname",
		    "Nicknames that were asked for", "category=user"},
	[F_CHANNEL] = {"irc.channel", "irc.channel", "irc", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		       "Channel", "Channels that were joined", NULL},
};

enum {
	LINE_MAX_BYTES = 8191 + 512,
	FIRST_MIN_BYTES = 8,
	FIRST_MAX_BYTES = 1024,
	COMMAND_MIN_BYTES = 7, /* "NICK x" and the end of its line */
};

struct irc {
	bool is_irc, is_waiting, is_skipping;
	unsigned first; /* direction of the bytes that were classified */
	struct shrike_buffer buffer[2];
};

static void
client_line(struct shrike_ctx *ctx, struct cursor line)
{
	struct cursor rest = line;
	unsigned field;
	size_t length = 0;

	if (text_find(line.p, cursor_left(&line) < 5 ? cursor_left(&line) : 5, "JOIN ") == 0)
		field = F_CHANNEL;
	else if (text_find(line.p, cursor_left(&line) < 5 ? cursor_left(&line) : 5, "NICK ") == 0)
		field = F_NICK;
	else
		return;
	cursor_skip(&rest, 5);
	while (length < cursor_left(&rest) && strchr(" \r\n", cursor_peek(&rest, length)) == NULL)
		length++;
	shrike_emit_bytes(ctx, field, rest.p, length);
}

static void
skip_zeroes(struct cursor *in)
{
	while (cursor_left(in) > 0 && cursor_peek(in, 0) == '\0')
		cursor_skip(in, 1);
}

/* The rest of a line that was too long. */
static void
skip_line(struct irc *s, struct cursor *in)
{
	struct cursor line;

	if (!s->is_skipping)
		return;
	if (text_line(in, &line))
		s->is_skipping = false;
	else
		cursor_skip(in, cursor_left(in));
}

static void
lines(struct shrike_ctx *ctx, struct irc *s, unsigned d, struct cursor joined)
{
	struct cursor line;

	skip_line(s, &joined);
	skip_zeroes(&joined);
	while (text_line(&joined, &line)) {
		client_line(ctx, line);
		skip_zeroes(&joined);
	}
	if (cursor_left(&joined) > LINE_MAX_BYTES) {
		client_line(ctx, joined);
		s->is_skipping = true;
		cursor_skip(&joined, cursor_left(&joined));
	}
	shrike_keep(ctx, &s->buffer[d], joined);
}

enum looks { LOOKS_UNLIKE, LOOKS_UNDECIDED, LOOKS_LIKE };

static bool
contains(const struct cursor *text, const char *word)
{
	return text_find(text->p, cursor_left(text), word) >= 0;
}

/* What has to be in the first bytes may come in pieces, up to the end of the first line. */
static enum looks
looks(const struct cursor *first)
{
	bool is_found = text_starts(first, "NOTICE AUTH") || text_starts(first, "NICK ") ||
			text_starts(first, "CAP REQ ") || (text_starts(first, ":") && contains(first, " NOTICE ")) ||
			(text_starts(first, "USER ") && (contains(first, "\nNICK ") || contains(first, " +iw ")));

	if (is_found && cursor_left(first) >= FIRST_MIN_BYTES)
		return LOOKS_LIKE;
	if (cursor_left(first) >= FIRST_MAX_BYTES || memchr(first->p, '\n', cursor_left(first)) != NULL)
		return LOOKS_UNLIKE;
	return LOOKS_UNDECIDED;
}

static enum shrike_verdict
probe(struct shrike_ctx *ctx, struct irc *s, unsigned d, struct cursor in)
{
	struct cursor first;

	if (!s->is_waiting)
		s->first = d;
	if (d != s->first || !shrike_join(ctx, &s->buffer[d], in, LINE_MAX_BYTES, &first))
		return SHRIKE_NOT_MINE;
	switch (looks(&first)) {
	case LOOKS_UNLIKE:
		return SHRIKE_NOT_MINE;
	case LOOKS_UNDECIDED:
		s->is_waiting = true;
		shrike_keep(ctx, &s->buffer[d], first);
		return SHRIKE_MORE;
	case LOOKS_LIKE:
		break;
	}
	s->is_irc = true;
	shrike_add_protocol(ctx, "irc");
	if (d == 0)
		lines(ctx, s, d, first);
	else
		shrike_buffer_free(ctx, &s->buffer[d]);
	return SHRIKE_MORE;
}

static enum shrike_verdict
irc_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct irc *s = shrike_state(ctx);
	unsigned d = shrike_direction(ctx);
	struct cursor joined;

	if (!s->is_irc)
		return probe(ctx, s, d, in);
	if (d != 0)
		return SHRIKE_MORE;
	if (!shrike_join(ctx, &s->buffer[d], in, LINE_MAX_BYTES, &joined))
		return SHRIKE_DONE;
	lines(ctx, s, d, joined);
	return SHRIKE_MORE;
}

/* A last line without its end. */
static void
irc_save(struct shrike_ctx *ctx, bool is_final)
{
	const struct irc *s = shrike_state(ctx);
	const struct shrike_buffer *b = &s->buffer[0];

	if (is_final && s->is_irc && b->used >= COMMAND_MIN_BYTES)
		client_line(ctx, cursor_make(b->bytes, b->used));
}

/* Reading goes on at the next line. */
static enum shrike_verdict
irc_gap(struct shrike_ctx *ctx, uint32_t missing)
{
	struct irc *s = shrike_state(ctx);

	(void)missing;
	if (!s->is_irc)
		return SHRIKE_DONE;
	if (shrike_direction(ctx) == 0) {
		shrike_buffer_free(ctx, &s->buffer[0]);
		s->is_skipping = true;
	}
	return SHRIKE_MORE;
}

static const struct shrike_match irc_match[] = {
	{.transports = SHRIKE_TCP, SHRIKE_BYTES(":")},	      {.transports = SHRIKE_TCP, SHRIKE_BYTES("NOTICE AUTH")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("NICK ")},    {.transports = SHRIKE_TCP, SHRIKE_BYTES("USER ")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("CAP REQ ")}, {0},
};

static const struct shrike_parser irc = {
	.api = SHRIKE_API,
	.name = "irc",
	.match = irc_match,
	.fields = irc_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct irc),
	.parse = irc_parse,
	.gap = irc_gap,
	.save = irc_save,
};
SHRIKE_PARSER(irc);
