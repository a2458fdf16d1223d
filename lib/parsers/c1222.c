/* Meters and those who read them over networks: ANSI C12.22 (IEEE 1703, RFC 6142), over TCP.
 *
 * Recorded is what is in clear in every message, an ACSE APDU in BER: who calls whom in which invocation, and how the
 * services inside (EPSEM) are protected and want to be answered. */
#include "ber.h"
#include "parser.h"

enum { F_CALLED_TITLE, F_CALLING_TITLE, F_CALLED_INVOCATION, F_CALLING_INVOCATION, F_SECURITY, F_RESPONSE, N_FIELDS };

static const struct field c1222_fields[N_FIELDS] = {
	[F_CALLED_TITLE] = {"c1222.calledApTitle", "c1222.calledApTitle", "c1222", "termfield", FIELD_STR_SET,
			    FIELD_COUNT | FIELD_TO_NUL, "Called AP Title", "Object identifiers of those called", NULL},
	[F_CALLING_TITLE] = {"c1222.callingApTitle", "c1222.callingApTitle", "c1222", "termfield", FIELD_STR_SET,
			     FIELD_COUNT | FIELD_TO_NUL, "Calling AP Title", "Object identifiers of those who call",
			     NULL},
	[F_CALLED_INVOCATION] = {"c1222.calledApInvocationId", "c1222.calledApInvocationId", "c1222", "integer",
				 FIELD_INT_SET, FIELD_COUNT, "Called AP Invocation ID", "Invocations that are answered",
				 NULL},
	[F_CALLING_INVOCATION] = {"c1222.callingApInvocationId", "c1222.callingApInvocationId", "c1222", "integer",
				  FIELD_INT_SET, FIELD_COUNT, "Calling AP Invocation ID", "Invocations of the sender",
				  NULL},
	[F_SECURITY] = {"c1222.securityMode", "c1222.securityMode", "c1222", "termfield", FIELD_STR_SET,
			FIELD_COUNT | FIELD_TO_NUL, "Security Mode", "How services are protected", NULL},
	[F_RESPONSE] = {"c1222.responseControl", "c1222.responseControl", "c1222", "termfield", FIELD_STR_SET,
			FIELD_COUNT | FIELD_TO_NUL, "Response Control", "When services want a response", NULL},
};

enum {
	MESSAGE_MIN = 6,
	MESSAGE_MAX = 8192,
	ELEMENTS_MAX = 10,

	/* Of elements in the APDU: context class, its number. */
	TAG_CALLED_TITLE = 2,
	TAG_CALLED_INVOCATION = 4,
	TAG_CALLING_TITLE = 6,
	TAG_CALLING_INVOCATION = 8,
	TAG_USER_INFORMATION = 30,

	/* Of the EPSEM control byte. */
	SECURITY_SHIFT = 2,
	CONTROL_MASK = 3,
};

static const char *const security_names[] = {"cleartext", "cleartext-with-auth", "ciphertext-with-auth", "unknown"};
static const char *const response_names[] = {"always", "on-exception", "never", "unknown"};

struct c1222 {
	struct shrike_buffer buffer[2];
};

static bool
is_c1222(struct cursor in)
{
	struct ber_element apdu, first;

	return cursor_left(&in) >= MESSAGE_MIN && ber_next(&in, &apdu) && ber_next(&apdu.value, &first) &&
	       (first.tag == TAG_CALLED_TITLE || first.tag == TAG_CALLED_INVOCATION || first.tag == TAG_CALLING_TITLE);
}

/* Titles relative to that of their network are not recorded. */
static void
title(struct shrike_ctx *ctx, unsigned field, struct cursor in)
{
	char text[BER_OID_TEXT_MAX];
	struct ber_element oid;

	if (ber_next(&in, &oid) && oid.tag == BER_OID && ber_oid_text(oid.value, text, sizeof(text)) > 0)
		shrike_emit_str(ctx, field, text);
}

static void
invocation(struct shrike_ctx *ctx, unsigned field, const struct ber_element *element)
{
	int32_t value = ber_int(element);

	if (value >= 0)
		shrike_emit_int(ctx, field, value);
}

/* External, single ASN.1 type, EPSEM: its control byte comes first. */
static void
user_information(struct shrike_ctx *ctx, struct cursor in)
{
	struct ber_element external, service;
	uint8_t control;

	if (!ber_next(&in, &external) || !ber_next(&external.value, &service) || cursor_left(&service.value) == 0)
		return;
	control = cursor_peek(&service.value, 0);
	shrike_emit_str(ctx, F_SECURITY, security_names[control >> SECURITY_SHIFT & CONTROL_MASK]);
	shrike_emit_str(ctx, F_RESPONSE, response_names[control & CONTROL_MASK]);
}

static void
element(struct shrike_ctx *ctx, const struct ber_element *e)
{
	switch (e->tag) {
	case TAG_CALLED_TITLE:
		title(ctx, F_CALLED_TITLE, e->value);
		break;
	case TAG_CALLING_TITLE:
		title(ctx, F_CALLING_TITLE, e->value);
		break;
	case TAG_CALLED_INVOCATION:
		invocation(ctx, F_CALLED_INVOCATION, e);
		break;
	case TAG_CALLING_INVOCATION:
		invocation(ctx, F_CALLING_INVOCATION, e);
		break;
	case TAG_USER_INFORMATION:
		user_information(ctx, e->value);
		break;
	default:
		break;
	}
}

static void
message(struct shrike_ctx *ctx, struct cursor in)
{
	struct ber_element elements[ELEMENTS_MAX];
	unsigned n = ber_sequence(in, false, elements, ELEMENTS_MAX);

	for (unsigned i = 0; i < n; i++)
		element(ctx, &elements[i]);
}

/* False: these are no messages (any more). */
static bool
messages(struct shrike_ctx *ctx, struct cursor *in)
{
	while (cursor_left(in) > 0) {
		struct cursor c = *in;
		uint8_t identifier;
		uint32_t length;
		enum ber_header header = ber_header(&c, &identifier, &length);

		if (header == BER_HEADER_MORE)
			return true;
		if (header == BER_HEADER_BAD || (uint64_t)cursor_left(in) - cursor_left(&c) + length > MESSAGE_MAX)
			return false;
		if (length > cursor_left(&c))
			return true;
		message(ctx, cursor_sub(&c, length));
		*in = c;
	}
	return true;
}

static enum shrike_verdict
c1222_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct c1222 *state = shrike_state(ctx);
	struct shrike_buffer *buffer = &state->buffer[shrike_direction(ctx)];
	struct cursor joined;

	if (!shrike_has_protocol(ctx, "c1222")) {
		if (!is_c1222(in))
			return SHRIKE_NOT_MINE;
		shrike_add_protocol(ctx, "c1222");
	}
	if (!shrike_join(ctx, buffer, in, MESSAGE_MAX, &joined) || !messages(ctx, &joined))
		return SHRIKE_DONE;
	shrike_keep(ctx, buffer, joined);
	return SHRIKE_MORE;
}

static const struct shrike_parser c1222 = {
	.api = SHRIKE_API,
	.name = "c1222",
	.match = (const struct shrike_match[]){{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x60")}, {0}},
	.fields = c1222_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct c1222),
	.parse = c1222_parse,
};
SHRIKE_PARSER(c1222);
