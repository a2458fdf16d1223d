/* IMAP (RFC 3501, RFC 9051): folders, NTLM log-ins, and who wrote to whom about what in fetched headers.
 *
 * What a FETCH brings is read line by line until the line that closes it, and not by the lengths of its literals: of a
 * mail only the header lines are looked at, and of those only the first line of each. Limits: a line has at most
 * LINE_MAX_BYTES. */

#include "addresses.h"
#include "parser.h"
#include "text.h"

enum { F_SRC, F_DST, F_SUBJECT, F_FOLDER, N_FIELDS };

static const struct field imap_fields[N_FIELDS] = {
	[F_SRC] = {.name = "email.src"},
	[F_DST] = {.name = "email.dst"},
	[F_SUBJECT] = {.name = "email.subject"},
	[F_FOLDER] = {"email.folder", "email.folder", "email", "termfield", FIELD_STR_SET, FIELD_COUNT, "Folder",
		      "Folders that were opened", NULL},
};

enum { CALL_NTLM };
static const char *const imap_calls[] = {[CALL_NTLM] = "ntlm.base64", NULL};

enum {
	LINE_MAX_BYTES = 16384,
	GREETING_MIN_BYTES = 10,
	GREETING_MAX_BYTES = 1024,
};

struct imap {
	bool is_imap, is_waiting, has_ntlm;
	bool in_fetch, in_headers;
	unsigned server; /* its direction */
	struct shrike_buffer buffer[2];
};

static void
emit_addresses(struct shrike_ctx *ctx, unsigned field, struct cursor list)
{
	struct cursor address;

	while (address_next(&list, &address))
		if (cursor_left(&address) > 0)
			shrike_emit_lower(ctx, field, address.p, cursor_left(&address));
}

/* Blanks at its end stay. */
static void
emit_subject(struct shrike_ctx *ctx, struct cursor text)
{
	while (cursor_peek(&text, 0) == ' ' || cursor_peek(&text, 0) == '\t')
		cursor_skip(&text, 1);
	shrike_emit_rest(ctx, F_SUBJECT, &text);
}

static void
header_line(struct shrike_ctx *ctx, struct cursor line)
{
	static const struct {
		const char *name;
		unsigned field;
	} headers[] = {{"From:", F_SRC}, {"To:", F_DST}, {"Cc:", F_DST}, {"Subject:", F_SUBJECT}};

	for (unsigned i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		if (!text_starts_nocase(&line, headers[i].name))
			continue;
		cursor_skip(&line, strlen(headers[i].name));
		if (headers[i].field == F_SUBJECT)
			emit_subject(ctx, line);
		else
			emit_addresses(ctx, headers[i].field, text_trim(line));
		return;
	}
}

static void
server_line(struct shrike_ctx *ctx, struct imap *s, struct cursor line)
{
	if (cursor_peek(&line, 0) == '*' && text_find_nocase(line.p, cursor_left(&line), "fetch") >= 0) {
		s->in_fetch = s->in_headers = true;
		return;
	}
	if (!s->in_fetch)
		return;
	if (cursor_peek(&line, 0) == ')')
		s->in_fetch = false;
	else if (cursor_left(&line) == 0)
		s->in_headers = false;
	else if (s->in_headers)
		header_line(ctx, line);
}

/* The next word and the blanks behind it. */
static struct cursor
word(struct cursor *line)
{
	const uint8_t *blank = memchr(line->p, ' ', cursor_left(line));
	struct cursor text;

	if (blank == NULL)
		return cursor_sub(line, cursor_left(line));
	text = cursor_until(line, ' ');
	*line = text_trim(*line);
	return text;
}

static void
emit_folder(struct shrike_ctx *ctx, struct cursor folder)
{
	folder = text_trim(folder);
	if (cursor_peek(&folder, 0) == '"') {
		cursor_skip(&folder, 1);
		if (memchr(folder.p, '"', cursor_left(&folder)) != NULL)
			folder = cursor_until(&folder, '"');
	}
	shrike_emit_rest(ctx, F_FOLDER, &folder);
}

static void
client_line(struct shrike_ctx *ctx, struct imap *s, struct cursor line)
{
	struct cursor command;

	(void)word(&line); /* the tag */
	command = word(&line);
	if (text_equals_nocase(&command, "SELECT") || text_equals_nocase(&command, "EXAMINE")) {
		if (cursor_left(&line) > 0)
			emit_folder(ctx, line);
	} else if (text_equals_nocase(&command, "AUTHENTICATE")) {
		command = word(&line);
		if (!text_equals_nocase(&command, "NTLM"))
			return;
		s->has_ntlm = true;
		(void)shrike_call(ctx, CALL_NTLM, line, NULL);
	}
}

static void
ntlm_line(struct shrike_ctx *ctx, struct cursor line)
{
	if (text_starts_nocase(&line, "+ "))
		cursor_skip(&line, 2);
	(void)shrike_call(ctx, CALL_NTLM, line, NULL);
}

static enum shrike_verdict
too_long(struct shrike_ctx *ctx)
{
	shrike_add_tag(ctx, "imap:line-too-long");
	return SHRIKE_DONE;
}

static enum shrike_verdict
lines(struct shrike_ctx *ctx, struct imap *s, unsigned d, struct cursor joined)
{
	struct cursor line;

	while (text_line(&joined, &line)) {
		if (cursor_left(&line) > LINE_MAX_BYTES)
			return too_long(ctx);
		if (s->has_ntlm)
			ntlm_line(ctx, line);
		if (d == s->server)
			server_line(ctx, s, line);
		else
			client_line(ctx, s, line);
	}
	if (cursor_left(&joined) > LINE_MAX_BYTES + 1)
		return too_long(ctx);
	shrike_keep(ctx, &s->buffer[d], joined);
	return SHRIKE_MORE;
}

static enum shrike_verdict
imap_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct imap *s = shrike_state(ctx);
	unsigned d = shrike_direction(ctx);
	struct cursor joined;

	if (!shrike_join(ctx, &s->buffer[d], in, LINE_MAX_BYTES + 1, &joined))
		return s->is_imap ? too_long(ctx) : SHRIKE_DONE;
	if (s->is_imap)
		return lines(ctx, s, d, joined);
	if (!s->is_waiting)
		s->server = d;
	if (d != s->server)
		return SHRIKE_NOT_MINE;
	if (cursor_left(&joined) < GREETING_MIN_BYTES || text_find_nocase(joined.p, cursor_left(&joined), "imap") < 0) {
		/* The first line may come in pieces. */
		if (memchr(joined.p, '\n', cursor_left(&joined)) != NULL || cursor_left(&joined) > GREETING_MAX_BYTES)
			return SHRIKE_NOT_MINE;
		s->is_waiting = true;
		shrike_keep(ctx, &s->buffer[d], joined);
		return SHRIKE_MORE;
	}
	s->is_imap = true;
	shrike_add_protocol(ctx, "imap");
	return lines(ctx, s, d, joined);
}

/* Reading goes on at the next line; a mail's headers may have ended meanwhile. */
static enum shrike_verdict
imap_gap(struct shrike_ctx *ctx, uint32_t missing)
{
	struct imap *s = shrike_state(ctx);
	unsigned d = shrike_direction(ctx);

	(void)missing;
	if (!s->is_imap)
		return SHRIKE_DONE;
	if (d == s->server)
		s->in_headers = false;
	shrike_buffer_free(ctx, &s->buffer[d]);
	return SHRIKE_MORE;
}

static const struct shrike_parser imap = {
	.api = SHRIKE_API,
	.name = "imap",
	.match = (const struct shrike_match[]){{.transports = SHRIKE_TCP, SHRIKE_BYTES("* OK ")}, {0}},
	.fields = imap_fields,
	.n_fields = N_FIELDS,
	.calls = imap_calls,
	.state_bytes = sizeof(struct imap),
	.parse = imap_parse,
	.gap = imap_gap,
};
SHRIKE_PARSER(imap);
