/* POP3 (RFC 1939), as far as the user's name: USER, or AUTH NTLM (RFC 5034 with MS-POP3).
 *
 * With the name the parser is done; mails are not looked into. Limits: a line has at most LINE_MAX_BYTES. */

#include "parser.h"
#include "text.h"

enum { F_USER, N_FIELDS };

static const struct field pop3_fields[N_FIELDS] = {
	[F_USER] = {.name = "user"},
};

enum { CALL_NTLM };
static const char *const pop3_calls[] = {[CALL_NTLM] = "ntlm.base64", NULL};

enum {
	LINE_MAX_BYTES = 16384,
	GREETING_MIN_BYTES = 8,
	GREETING_MAX_BYTES = 1024,
	NTLM_MESSAGES = 3,
};

struct pop3 {
	bool is_pop3, is_waiting, has_ntlm;
	unsigned server; /* its direction */
	unsigned n_ntlm;
	struct shrike_buffer buffer[2];
};

static bool
ntlm_line(struct shrike_ctx *ctx, struct pop3 *s, struct cursor line)
{
	if (text_starts_nocase(&line, "+ "))
		cursor_skip(&line, 2);
	if (shrike_call(ctx, CALL_NTLM, line, NULL) == 1)
		s->n_ntlm++;
	return s->n_ntlm < NTLM_MESSAGES;
}

/* False: all is known. */
static bool
client_line(struct shrike_ctx *ctx, struct pop3 *s, struct cursor line)
{
	if (text_starts_nocase(&line, "AUTH NTLM")) {
		shrike_add_tag(ctx, "pop3:authntlm");
		s->has_ntlm = true;
	} else if (text_starts_nocase(&line, "USER ")) {
		cursor_skip(&line, 5);
		line = text_trim(line);
		shrike_emit_lower(ctx, F_USER, line.p, cursor_left(&line));
		return false;
	} else if (s->has_ntlm) {
		return ntlm_line(ctx, s, line);
	}
	return true;
}

static enum shrike_verdict
too_long(struct shrike_ctx *ctx)
{
	shrike_add_tag(ctx, "pop3:line-too-long");
	return SHRIKE_DONE;
}

static enum shrike_verdict
lines(struct shrike_ctx *ctx, struct pop3 *s, unsigned d, struct cursor joined)
{
	struct cursor line;

	while (text_line(&joined, &line)) {
		if (cursor_left(&line) > LINE_MAX_BYTES)
			return too_long(ctx);
		if (d == s->server ? s->has_ntlm && !ntlm_line(ctx, s, line) : !client_line(ctx, s, line))
			return SHRIKE_DONE;
	}
	if (cursor_left(&joined) > LINE_MAX_BYTES + 1)
		return too_long(ctx);
	shrike_keep(ctx, &s->buffer[d], joined);
	return SHRIKE_MORE;
}

static enum shrike_verdict
pop3_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct pop3 *s = shrike_state(ctx);
	unsigned d = shrike_direction(ctx);
	struct cursor joined;

	if (!shrike_join(ctx, &s->buffer[d], in, LINE_MAX_BYTES + 1, &joined))
		return s->is_pop3 ? too_long(ctx) : SHRIKE_DONE;
	if (s->is_pop3)
		return lines(ctx, s, d, joined);
	if (!s->is_waiting)
		s->server = d;
	if (d != s->server)
		return SHRIKE_NOT_MINE;
	if (cursor_left(&joined) < GREETING_MIN_BYTES || text_find_nocase(joined.p, cursor_left(&joined), "pop") < 0) {
		/* The first line may come in pieces. */
		if (memchr(joined.p, '\n', cursor_left(&joined)) != NULL || cursor_left(&joined) > GREETING_MAX_BYTES)
			return SHRIKE_NOT_MINE;
		s->is_waiting = true;
		shrike_keep(ctx, &s->buffer[d], joined);
		return SHRIKE_MORE;
	}
	s->is_pop3 = true;
	shrike_add_protocol(ctx, "pop3");
	return lines(ctx, s, d, joined);
}

/* Reading goes on at the next line. */
static enum shrike_verdict
pop3_gap(struct shrike_ctx *ctx, uint32_t missing)
{
	struct pop3 *s = shrike_state(ctx);

	(void)missing;
	if (!s->is_pop3)
		return SHRIKE_DONE;
	shrike_buffer_free(ctx, &s->buffer[shrike_direction(ctx)]);
	return SHRIKE_MORE;
}

static const struct shrike_parser pop3 = {
	.api = SHRIKE_API,
	.name = "pop3",
	.match = (const struct shrike_match[]){{.transports = SHRIKE_TCP, SHRIKE_BYTES("+OK ")}, {0}},
	.fields = pop3_fields,
	.n_fields = N_FIELDS,
	.calls = pop3_calls,
	.state_bytes = sizeof(struct pop3),
	.parse = pop3_parse,
	.gap = pop3_gap,
};
SHRIKE_PARSER(pop3);
