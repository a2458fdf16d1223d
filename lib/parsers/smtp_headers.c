/* Headers of a message to fields: who, to whom, what about, and the way it came (RFC 5322 3.6, RFC 5321 4.4).
 *
 * Addresses are taken as they are written and are not checked: what is wrong in them may be what one looks for. */

#include "smtp_priv.h"

#include "addresses.h"
#include "text.h"

enum {
	RECEIVED_WORD_MIN = 10, /* bytes that have to follow for a keyword to be looked at */
	ADDRESS_LITERAL_MAX = 64,
	HEADER_NAME_SHOWN_MAX = 1024,
};

static struct cursor
skip_blanks(struct cursor text)
{
	while (cursor_left(&text) > 0 && strchr(" \t\r\n\v\f", cursor_peek(&text, 0)) != NULL &&
	       cursor_peek(&text, 0) != '\0')
		cursor_skip(&text, 1);
	return text;
}

/* What comes before 'stop', or all of it; 'stop' is consumed. */
static struct cursor
up_to(struct cursor *text, uint8_t stop)
{
	const uint8_t *hit = memchr(text->p, stop, cursor_left(text));

	if (hit != NULL)
		return cursor_until(text, stop);
	return cursor_sub(text, cursor_left(text));
}

struct cursor
smtp_address(struct cursor text)
{
	text = skip_blanks(text);
	if (cursor_peek(&text, 0) == '<')
		cursor_skip(&text, 1);
	return up_to(&text, '>');
}

static void
emit_lower(struct shrike_ctx *ctx, unsigned field, const struct cursor *text)
{
	shrike_emit_lower(ctx, field, text->p, cursor_left(text));
}

static void
header_addresses(struct shrike_ctx *ctx, unsigned field, struct cursor list)
{
	struct cursor address;

	while (address_next(&list, &address))
		emit_lower(ctx, field, &address);
}

static void
header_subject(struct shrike_ctx *ctx, struct cursor value)
{
	struct smtp_local *local = shrike_local(ctx);
	struct cursor text;

	if (cursor_peek(&value, 0) != ' ')
		shrike_add_tag(ctx, "smtp:missing-subject-space");
	else
		cursor_skip(&value, 1);
	text = encoded_words_decode(&local->words, value);
	shrike_emit_rest(ctx, F_SUBJECT, &text);
}

/* An address literal (RFC 5321 4.1.3), without its brackets. */
static void
emit_ip(struct shrike_ctx *ctx, struct cursor literal)
{
	if (text_starts_nocase(&literal, "IPv6:"))
		cursor_skip(&literal, 5);
	(void)shrike_emit_ip_text(ctx, F_IP, literal.p, cursor_left(&literal));
}

/* "[literal]" at the cursor; false when it is none, and nothing is consumed. */
static bool
received_literal(struct shrike_ctx *ctx, struct cursor *in)
{
	struct cursor literal = *in, near = *in;

	cursor_limit(&near, ADDRESS_LITERAL_MAX);
	if (cursor_peek(in, 0) != '[' || memchr(near.p, ']', cursor_left(&near)) == NULL)
		return false;
	cursor_skip(&literal, 1);
	near = cursor_until(&literal, ']');
	emit_ip(ctx, near);
	*in = literal;
	return true;
}

/* A host up to a blank or a bracket; of USER@HOST the host. */
static void
received_host(struct shrike_ctx *ctx, struct cursor *in)
{
	struct cursor rest = *in, host;
	size_t length = 0;

	while (length < cursor_left(&rest) && cursor_peek(&rest, length) != ' ' && cursor_peek(&rest, length) != ')')
		length++;
	host = cursor_sub(&rest, length);
	*in = rest;
	if (length > 0 && memchr(host.p, '@', length) != NULL)
		(void)up_to(&host, '@');
	emit_lower(ctx, F_HOST, &host);
}

static bool
at_word(const struct cursor *in, const char *word)
{
	size_t size = strlen(word);

	return cursor_left(in) >= size && memcmp(in->p, word, size) == 0;
}

static void
header_received(struct shrike_ctx *ctx, struct cursor in)
{
	uint8_t before = 0;

	while (cursor_left(&in) > RECEIVED_WORD_MIN) {
		uint8_t c = cursor_peek(&in, 0);

		if (c == 'f' && before != '-' && at_word(&in, "from ")) {
			cursor_skip(&in, 5);
			in = skip_blanks(in);
			if (!received_literal(ctx, &in))
				received_host(ctx, &in);
			before = ' ';
			continue;
		}
		if (c == 'b' && at_word(&in, "by ")) {
			cursor_skip(&in, 3);
			in = skip_blanks(in);
			received_host(ctx, &in);
			before = ' ';
			continue;
		}
		before = c;
		if (c != '[' || !received_literal(ctx, &in))
			cursor_skip(&in, 1);
	}
}

/* Headers that come as they are into one field. */
static void
header_text(struct shrike_ctx *ctx, unsigned field, struct cursor value)
{
	value = skip_blanks(value);
	shrike_emit_rest(ctx, field, &value);
}

static void
header_id(struct shrike_ctx *ctx, struct cursor value)
{
	struct cursor id = smtp_address(value);

	shrike_emit_rest(ctx, F_ID, &id);
}

static bool
header_ip(struct shrike_ctx *ctx, const struct smtp_shared *shared, const char *name, size_t name_size,
	  struct cursor value)
{
	for (unsigned i = 0; i < shared->n_ip_headers; i++) {
		const struct smtp_ip_header *header = &shared->ip_header[i];

		if (header->name_size != name_size || memcmp(header->name, name, name_size) != 0)
			continue;
		if (memchr(value.p, '[', cursor_left(&value)) != NULL) {
			(void)up_to(&value, '[');
			value = up_to(&value, ']');
		}
		emit_ip(ctx, text_trim(value));
		return true;
	}
	return false;
}

static void
header_other(struct shrike_ctx *ctx, const char *name, size_t name_size, struct cursor value)
{
	const struct smtp_shared *shared = shrike_shared(ctx);
	const struct header_field *field = header_fields_find(shared->headers, name, name_size);

	if (field != NULL) {
		value = skip_blanks(value);
		header_field_emit(ctx, field, value.p, cursor_left(&value));
	} else if (!header_ip(ctx, shared, name, name_size, value) && shared->header_all) {
		shrike_emit_bytes(ctx, F_HEADER_FIELD, name, name_size);
		header_text(ctx, F_HEADER_VALUE, value);
	}
}

enum header_kind {
	HEADER_OTHER,
	HEADER_FROM,
	HEADER_TO,
	HEADER_ID,
	HEADER_TYPE,
	HEADER_SUBJECT,
	HEADER_AGENT,
	HEADER_MIME,
	HEADER_RECEIVED
};

static const struct {
	const char *name;
	enum header_kind kind;
} known_headers[] = {
	{"from", HEADER_FROM},	       {"to", HEADER_TO},	    {"cc", HEADER_TO},
	{"message-id", HEADER_ID},     {"subject", HEADER_SUBJECT}, {"received", HEADER_RECEIVED},
	{"content-type", HEADER_TYPE}, {"x-mailer", HEADER_AGENT},  {"user-agent", HEADER_AGENT},
	{"mime-version", HEADER_MIME},
};

static enum header_kind
header_kind(const char *name, size_t size)
{
	for (unsigned i = 0; i < sizeof(known_headers) / sizeof(known_headers[0]); i++)
		if (strlen(known_headers[i].name) == size && memcmp(known_headers[i].name, name, size) == 0)
			return known_headers[i].kind;
	return HEADER_OTHER;
}

void
smtp_header(struct shrike_ctx *ctx, struct smtp_side *side, struct cursor header)
{
	char lower[HEADER_NAME_SHOWN_MAX];
	struct cursor name = cursor_until(&header, ':');

	cursor_limit(&name, sizeof(lower));
	text_lower(lower, name.p, cursor_left(&name));
	shrike_emit_bytes(ctx, F_HEADER, lower, cursor_left(&name));
	switch (header_kind(lower, cursor_left(&name))) {
	case HEADER_FROM:
		header_addresses(ctx, F_SRC, header);
		return;
	case HEADER_TO:
		header_addresses(ctx, F_DST, header);
		return;
	case HEADER_ID:
		header_id(ctx, header);
		return;
	case HEADER_TYPE:
		header_text(ctx, F_CONTENT_TYPE, header);
		smtp_boundary_add(ctx, side, header);
		return;
	case HEADER_SUBJECT:
		header_subject(ctx, header);
		return;
	case HEADER_AGENT:
		header_text(ctx, F_USERAGENT, header);
		return;
	case HEADER_MIME:
		header_text(ctx, F_MIME_VERSION, header);
		return;
	case HEADER_RECEIVED:
		header_received(ctx, header);
		return;
	case HEADER_OTHER:
		header_other(ctx, lower, cursor_left(&name), header);
		return;
	}
}
