/* SIP (RFC 3261), over UDP and TCP: start lines and the headers that say who calls whom.
 *
 * A datagram is a message. In a stream messages follow each other: headers up to the first empty line, then as many
 * bytes of body as Content-Length says, which are passed over without being kept. Headers have to end within
 * HEADERS_MAX_BYTES. Who signals over one connection for long (a trunk) repeats itself: after CHUNKS_MAX chunks the
 * parser has seen enough. Behind a hole in the stream reading goes on with the next chunk that begins a message.
 *
 * Given up: of a folded header (RFC 3261, section 7.3.1) only the first line is read, and a header with a blank before
 * its colon is none. */
#include "parser.h"
#include "text.h"

#include <rte_common.h>

enum { F_METHOD, F_STATUS, F_CALL_ID, F_FROM, F_TO, F_USER_AGENT, F_VIA, F_CONTACT, F_USER, N_FIELDS };

static const struct field sip_fields[N_FIELDS] = {
	[F_METHOD] = {"sip.method", "sip.method", "sip", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		      "Method", "Methods of requests", NULL},
	[F_STATUS] = {"sip.statuscode", "sip.statuscode", "sip", "integer", FIELD_INT_SET, FIELD_COUNT, "Status Code",
		      "Status codes of responses", NULL},
	[F_CALL_ID] = {"sip.callid", "sip.callid", "sip", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		       "Call ID", "Call-ID headers: one for each call or registration", NULL},
	[F_FROM] = {"sip.from", "sip.from", "sip", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL, "From",
		    "From headers: who calls", NULL},
	[F_TO] = {"sip.to", "sip.to", "sip", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL, "To",
		  "To headers: who is called", NULL},
	[F_USER_AGENT] = {"sip.useragent", "sip.user-agent", "sip", "termfield", FIELD_STR_SET,
			  FIELD_COUNT | FIELD_TO_NUL, "User-Agent", "User-Agent headers", NULL},
	[F_VIA] = {"sip.via", "sip.via", "sip", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL, "Via",
		   "Via headers: the path that requests took", NULL},
	[F_CONTACT] = {"sip.contact", "sip.contact", "sip", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		       "Contact", "Contact headers: where somebody can be reached", NULL},
	[F_USER] = {"sip.user", "sip.user", "sip", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL, "User",
		    "Users in From and To headers, and those that authenticate", "category=user"},
};

enum {
	FIRST_MIN_BYTES = 12,
	FIRST_VERSION_BYTES = 200, /* within these the first payload says SIP/2.0 */
	HEADERS_MAX_BYTES = 8192,
	CHUNKS_MAX = 200,

	STATUS_LINE_MIN_BYTES = 12,  /* "SIP/2.0 200 " */
	AFTER_METHOD_MIN_BYTES = 10, /* " x SIP/2.0" */
	STATUS_MIN = 100,	     /* RFC 3261, section 7.2 */
	STATUS_MAX = 699,
	END_BYTES = sizeof("\r\n\r\n") - 1,
};

static const char version[] = "SIP/2.0", status_start[] = "SIP/2.0 ";

/* RFC 3261, and 2976, 3262, 3265, 3311, 3428, 3515, 3903. */
static const char *const methods[] = {
	"ACK",	   "BYE",   "CANCEL",  "INVITE",   "INFO",  "MESSAGE",	 "NOTIFY",
	"OPTIONS", "PRACK", "PUBLISH", "REGISTER", "REFER", "SUBSCRIBE", "UPDATE",
};

struct sip {
	bool is_sip;
	uint32_t n_chunks;
	struct side {
		struct shrike_buffer buffer;
		uint32_t searched; /* the headers in the buffer do not end before this */
		bool has_lost;	   /* bytes, so where messages begin is not known */
	} side[2];
};

static bool
has_version(struct cursor text, size_t within)
{
	cursor_limit(&text, within);
	return text_find(text.p, cursor_left(&text), version) >= 0;
}

/* ---- Start lines (RFC 3261, sections 7.1 and 7.2) */

/* NULL: this is no request of a method that we know. */
static const char *
method_of(const struct cursor *line)
{
	for (unsigned i = 0; i < RTE_DIM(methods); i++) {
		size_t size = strlen(methods[i]);

		if (!text_starts(line, methods[i]) || cursor_peek(line, size) != ' ')
			continue;
		if (cursor_left(line) < size + AFTER_METHOD_MIN_BYTES || !has_version(*line, SIZE_MAX))
			return NULL;
		return methods[i];
	}
	return NULL;
}

/* 0: this is no response. */
static unsigned
status_of(struct cursor line)
{
	uint64_t status;
	unsigned digits;

	if (cursor_left(&line) < STATUS_LINE_MIN_BYTES || !text_starts(&line, status_start))
		return 0;
	cursor_skip(&line, strlen(status_start));
	status = text_decimal(&line, &digits);
	return status >= STATUS_MIN && status <= STATUS_MAX ? (unsigned)status : 0;
}

static void
take_start_line(struct shrike_ctx *ctx, struct cursor line)
{
	const char *method = method_of(&line);
	unsigned status = status_of(line);

	if (method != NULL)
		shrike_emit_str(ctx, F_METHOD, method);
	if (status != 0)
		shrike_emit_int(ctx, F_STATUS, status);
}

static bool
begins_message(struct cursor in)
{
	struct cursor line;

	return text_line(&in, &line) && (method_of(&line) != NULL || status_of(line) != 0);
}

/* ---- Headers (RFC 3261, section 7.3) */

/* The user part of the first SIP URI, if it has one. */
static void
take_user(struct shrike_ctx *ctx, struct cursor value)
{
	static const char ends[] = {'@', '>', ';', ' '};
	size_t scheme = strlen("sip:"), size = 0;
	ptrdiff_t at = text_find_nocase(value.p, cursor_left(&value), "sip:");

	if (at < 0) {
		scheme = strlen("sips:");
		at = text_find_nocase(value.p, cursor_left(&value), "sips:");
	}
	if (at < 0)
		return;
	cursor_skip(&value, (size_t)at + scheme);
	while (size < cursor_left(&value) && memchr(ends, cursor_peek(&value, size), sizeof(ends)) == NULL)
		size++;
	if (size > 0 && cursor_peek(&value, size) == '@')
		shrike_emit_bytes(ctx, F_USER, value.p, size);
}

/* RFC 3261, section 22.4. */
static void
take_authorization(struct shrike_ctx *ctx, struct cursor value)
{
	static const char parameter[] = "username=\"";
	ptrdiff_t at = text_find_nocase(value.p, cursor_left(&value), parameter);
	struct cursor user;

	if (at < 0)
		return;
	cursor_skip(&value, (size_t)at + strlen(parameter));
	user = cursor_until(&value, '"');
	if (!cursor_bad(&user) && cursor_left(&user) > 0)
		shrike_emit_rest(ctx, F_USER, &user);
}

static uint32_t
content_length(const struct cursor *value)
{
	unsigned digits;
	uint64_t size = text_decimal(value, &digits);

	return size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
}

enum header_kind { HEADER_TEXT, HEADER_ADDRESS, HEADER_AUTHORIZATION, HEADER_LENGTH };

static const struct header {
	const char *name, *compact; /* section 7.3.3 */
	enum header_kind kind;
	unsigned field;
} headers[] = {
	{"Via", "v", HEADER_TEXT, F_VIA},
	{"From", "f", HEADER_ADDRESS, F_FROM},
	{"To", "t", HEADER_ADDRESS, F_TO},
	{"Call-ID", "i", HEADER_TEXT, F_CALL_ID},
	{"Contact", "m", HEADER_TEXT, F_CONTACT},
	{"User-Agent", NULL, HEADER_TEXT, F_USER_AGENT},
	{"Authorization", NULL, HEADER_AUTHORIZATION, F_USER},
	{"Content-Length", "l", HEADER_LENGTH, N_FIELDS},
};

static const struct header *
header_of(const struct cursor *name)
{
	for (unsigned i = 0; i < RTE_DIM(headers); i++)
		if (text_equals_nocase(name, headers[i].name) ||
		    (headers[i].compact != NULL && text_equals_nocase(name, headers[i].compact)))
			return &headers[i];
	return NULL;
}

static void
take_header(struct shrike_ctx *ctx, struct cursor line, uint32_t *body)
{
	struct cursor name = cursor_until(&line, ':');
	const struct header *header = cursor_bad(&name) ? NULL : header_of(&name);

	while (cursor_peek(&line, 0) == ' ' || cursor_peek(&line, 0) == '\t')
		cursor_skip(&line, 1);
	if (header == NULL || cursor_left(&line) == 0)
		return;
	switch (header->kind) {
	case HEADER_ADDRESS:
		take_user(ctx, line);
		shrike_emit_rest(ctx, header->field, &line);
		break;
	case HEADER_TEXT:
		shrike_emit_rest(ctx, header->field, &line);
		break;
	case HEADER_AUTHORIZATION:
		take_authorization(ctx, line);
		break;
	case HEADER_LENGTH:
		*body = content_length(&line);
		break;
	}
}

/* ---- Messages */

/* They may stand before a start line (section 7.5), and alone they keep a connection alive (RFC 5626, section 4.4.1).
 */
static void
skip_empty_lines(struct cursor *in)
{
	while (cursor_peek(in, 0) == '\r' && cursor_peek(in, 1) == '\n')
		cursor_skip(in, 2);
}

/* Returns the length of the body that follows. */
static uint32_t
take_message(struct shrike_ctx *ctx, struct cursor message)
{
	struct cursor line;
	uint32_t body = 0;

	if (text_line(&message, &line))
		take_start_line(ctx, line);
	while (text_line(&message, &line) && cursor_left(&line) > 0)
		take_header(ctx, line, &body);
	return body;
}

/* Start line, headers and the empty line; 0: they do not end here, or only beyond what is allowed. */
static size_t
headers_size(struct side *side, struct cursor in)
{
	size_t size;
	ptrdiff_t at;

	cursor_limit(&in, HEADERS_MAX_BYTES);
	size = cursor_left(&in);
	cursor_skip(&in, side->searched);
	at = text_find(in.p, cursor_left(&in), "\r\n\r\n");
	if (at < 0) {
		side->searched = size < END_BYTES ? 0 : (uint32_t)(size - END_BYTES + 1);
		return 0;
	}
	size = side->searched + (size_t)at + END_BYTES;
	side->searched = 0;
	return size;
}

static enum shrike_verdict
take_messages(struct shrike_ctx *ctx, struct side *side, struct cursor joined)
{
	size_t size;

	for (;;) {
		uint32_t body;

		skip_empty_lines(&joined);
		size = headers_size(side, joined);
		if (size == 0)
			break;
		body = take_message(ctx, cursor_sub(&joined, size));
		if (body > cursor_left(&joined)) {
			shrike_skip_next(&side->buffer, body - cursor_left(&joined));
			body = (uint32_t)cursor_left(&joined);
		}
		cursor_skip(&joined, body);
	}
	if (cursor_left(&joined) >= HEADERS_MAX_BYTES) {
		shrike_add_tag(ctx, "sip:headers-too-long");
		return SHRIKE_DONE;
	}
	shrike_keep(ctx, &side->buffer, joined);
	return SHRIKE_MORE;
}

static enum shrike_verdict
take_chunk(struct shrike_ctx *ctx, struct side *side, struct cursor in)
{
	struct cursor joined;

	if (side->has_lost) {
		skip_empty_lines(&in);
		if (!begins_message(in))
			return SHRIKE_MORE;
		side->has_lost = false;
	}
	if (!shrike_join(ctx, &side->buffer, in, HEADERS_MAX_BYTES, &joined))
		return SHRIKE_DONE;
	return take_messages(ctx, side, joined);
}

static enum shrike_verdict
sip_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct sip *s = shrike_state(ctx);
	enum shrike_verdict verdict;

	if (!s->is_sip) {
		if (cursor_left(&in) < FIRST_MIN_BYTES || !has_version(in, FIRST_VERSION_BYTES))
			return SHRIKE_NOT_MINE;
		s->is_sip = true;
		shrike_add_protocol(ctx, "sip");
	}
	if (shrike_transport(ctx) == SHRIKE_UDP) {
		skip_empty_lines(&in);
		(void)take_message(ctx, in);
		return SHRIKE_MORE;
	}
	verdict = take_chunk(ctx, &s->side[shrike_direction(ctx)], in);
	return s->n_chunks++ < CHUNKS_MAX ? verdict : SHRIKE_DONE;
}

/* Within a body nothing is lost. */
static enum shrike_verdict
sip_gap(struct shrike_ctx *ctx, uint32_t missing)
{
	struct sip *s = shrike_state(ctx);
	struct side *side = &s->side[shrike_direction(ctx)];

	if (missing <= side->buffer.skip) {
		side->buffer.skip -= missing;
		return SHRIKE_MORE;
	}
	shrike_buffer_free(ctx, &side->buffer);
	side->buffer.skip = 0;
	side->searched = 0;
	side->has_lost = true;
	return SHRIKE_MORE;
}

static const struct shrike_match sip_match[] = {
	{.transports = SHRIKE_TCP | SHRIKE_UDP, SHRIKE_BYTES("SIP/2.0")},
	{.transports = SHRIKE_TCP | SHRIKE_UDP, SHRIKE_BYTES("INVITE sip:")},
	{.transports = SHRIKE_TCP | SHRIKE_UDP, SHRIKE_BYTES("REGISTER sip:")},
	{.transports = SHRIKE_TCP | SHRIKE_UDP, SHRIKE_BYTES("OPTIONS sip:")},
	{.transports = SHRIKE_TCP | SHRIKE_UDP, SHRIKE_BYTES("NOTIFY sip:")},
	{0},
};

static const struct shrike_parser sip = {
	.api = SHRIKE_API,
	.name = "sip",
	.match = sip_match,
	.fields = sip_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct sip),
	.parse = sip_parse,
	.gap = sip_gap,
};
SHRIKE_PARSER(sip);
