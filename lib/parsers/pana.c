/* PANA, the carrier of EAP for access to a network (RFC 5191).
 *
 * Recorded are the kinds of messages, the sessions, and the identities that EAP asks for and answers with. A datagram
 * that contradicts itself ends it; what it said until then stays. */
#include "parser.h"

#include <rte_common.h>

enum { F_USER, F_TYPE, F_SESSION_ID, N_FIELDS };

static const struct field pana_fields[N_FIELDS] = {
	[F_USER] = {"pana.user", "pana.user", "pana", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL, "User",
		    "Identities of users", "category=user"},
	[F_TYPE] = {"pana.msgType", "pana.msg-type", "pana", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		    "Msg Type", "Kinds of messages", NULL},
	[F_SESSION_ID] = {"pana.sessionId", "pana.session-id", "pana", "termfield", FIELD_STR_SET,
			  FIELD_COUNT | FIELD_TO_NUL, "Session ID", "Identifiers of sessions", NULL},
};

enum {
	HEADER_BYTES = 16,
	RESERVED_BYTES = 2,
	FLAGS_BYTES = 2,
	SEQUENCE_BYTES = 4,

	/* Section 6.3: code, flags, length of the data, reserved. */
	AVP_BYTES = 8,
	AVP_ALIGNMENT = 4,
	AVP_EAP = 2,

	/* RFC 3748, section 4. */
	EAP_BYTES = 5, /* with the type */
	EAP_REQUEST = 1,
	EAP_RESPONSE = 2,
	EAP_IDENTITY = 1,
};

static const char *const type_names[] = {
	[1] = "client-initiation",
	[2] = "auth",
	[3] = "termination",
	[4] = "notification",
};

struct header {
	uint16_t length, type;
	uint32_t session_id;
};

static bool
read_header(struct cursor *in, struct header *h)
{
	cursor_skip(in, RESERVED_BYTES);
	h->length = cursor_be16(in);
	cursor_skip(in, FLAGS_BYTES);
	h->type = cursor_be16(in);
	h->session_id = cursor_be32(in);
	cursor_skip(in, SEQUENCE_BYTES);
	return !cursor_bad(in);
}

static bool
has_name(const struct header *h)
{
	return h->type < RTE_DIM(type_names) && type_names[h->type] != NULL;
}

static bool
is_pana(struct cursor in)
{
	size_t size = cursor_left(&in);
	struct header h;

	return read_header(&in, &h) && h.length == size && has_name(&h);
}

static void
take_eap(struct shrike_ctx *ctx, struct cursor in)
{
	uint8_t code = cursor_u8(&in), type;
	uint16_t length;
	struct cursor identity;

	cursor_skip(&in, 1); /* identifier */
	length = cursor_be16(&in);
	type = cursor_u8(&in);
	if (cursor_bad(&in) || (code != EAP_REQUEST && code != EAP_RESPONSE) || type != EAP_IDENTITY ||
	    length <= EAP_BYTES)
		return;
	identity = cursor_sub(&in, length - (size_t)EAP_BYTES);
	if (!cursor_bad(&in))
		shrike_emit_rest(ctx, F_USER, &identity);
}

/* False: one is longer than the message. Padding may be missing behind the last one. */
static bool
take_avps(struct shrike_ctx *ctx, struct cursor in)
{
	while (cursor_left(&in) >= AVP_BYTES) {
		uint16_t code = cursor_be16(&in), length;
		struct cursor data;

		cursor_skip(&in, FLAGS_BYTES);
		length = cursor_be16(&in);
		cursor_skip(&in, RESERVED_BYTES);
		data = cursor_sub(&in, length);
		if (cursor_bad(&in))
			return false;
		if (code == AVP_EAP)
			take_eap(ctx, data);
		cursor_skip(&in, -(uint32_t)length % AVP_ALIGNMENT);
	}
	return true;
}

static enum shrike_verdict
pana_parse(struct shrike_ctx *ctx, struct cursor in)
{
	size_t size = cursor_left(&in);
	struct header h;

	if (!shrike_has_protocol(ctx, "pana")) {
		if (!is_pana(in))
			return SHRIKE_NOT_MINE;
		shrike_add_protocol(ctx, "pana");
	}
	if (!read_header(&in, &h) || h.length < HEADER_BYTES || h.length > size)
		return SHRIKE_DONE;
	if (has_name(&h))
		shrike_emit_str(ctx, F_TYPE, type_names[h.type]);
	if (h.session_id != 0)
		shrike_emit_format(ctx, F_SESSION_ID, "%08x", h.session_id);
	cursor_limit(&in, h.length - (size_t)HEADER_BYTES);
	return take_avps(ctx, in) ? SHRIKE_MORE : SHRIKE_DONE;
}

static const struct shrike_parser pana = {
	.api = SHRIKE_API,
	.name = "pana",
	.match =
		(const struct shrike_match[]){
			{.transports = SHRIKE_UDP, SHRIKE_BYTES("\0\0")},
			{0},
		},
	.fields = pana_fields,
	.n_fields = N_FIELDS,
	.parse = pana_parse,
};
SHRIKE_PARSER(pana);
