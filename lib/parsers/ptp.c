/* PTP version 2 over UDP (IEEE 1588-2008, 13.3): kinds of messages and the clocks that sent them.
 *
 * The first datagram of a direction decides whether it is PTP; of later ones only the lengths are looked at. */
#include "json.h"
#include "parser.h"

#include <rte_common.h>

enum { F_TYPE, F_CLOCK, N_FIELDS };

static const struct field ptp_fields[N_FIELDS] = {
	[F_TYPE] = {"ptp.msgType", "ptp.msgType", "ptp", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		    "Message Type", "Kinds of messages", NULL},
	[F_CLOCK] = {"ptp.clockId", "ptp.clockId", "ptp", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		     "Clock ID", "Identities of the clocks that sent", NULL},
};

enum {
	EVENT_PORT = 319,
	GENERAL_PORT = 320,
	HEADER_BYTES = 34,
	VERSION = 2,
	LENGTH_OFFSET = 2,
	CLOCK_OFFSET = 20,
	CLOCK_BYTES = 8,
	NIBBLE = 0x0f,
};

static const char *const type_names[] = {
	[0] = "sync",
	[1] = "delay-req",
	[2] = "pdelay-req",
	[3] = "pdelay-resp",
	[8] = "follow-up",
	[9] = "delay-resp",
	[10] = "pdelay-resp-follow-up",
	[11] = "announce",
	[12] = "signaling",
	[13] = "management",
};

static const char *
type_name(struct cursor message)
{
	uint8_t type = cursor_peek(&message, 0) & NIBBLE;

	return type < RTE_DIM(type_names) ? type_names[type] : NULL;
}

static bool
is_length_right(struct cursor message)
{
	size_t size = cursor_left(&message);
	uint16_t length;

	cursor_skip(&message, LENGTH_OFFSET);
	length = cursor_be16(&message);
	return length >= HEADER_BYTES && length <= size;
}

static bool
is_ptp(struct cursor message)
{
	return (cursor_peek(&message, 1) & NIBBLE) == VERSION && type_name(message) != NULL && is_length_right(message);
}

static void
emit_clock(struct shrike_ctx *ctx, struct cursor message)
{
	char text[3 * CLOCK_BYTES - 1];
	const uint8_t *id;

	cursor_skip(&message, CLOCK_OFFSET);
	id = cursor_take(&message, CLOCK_BYTES);
	if (id == NULL)
		return;
	(void)json_put_hex_colons(text, id, CLOCK_BYTES);
	shrike_emit_bytes(ctx, F_CLOCK, text, sizeof(text));
}

static enum shrike_verdict
ptp_parse(struct shrike_ctx *ctx, struct cursor in)
{
	const char *name = type_name(in);

	if (!shrike_has_protocol(ctx, "ptp")) {
		if (!is_ptp(in))
			return SHRIKE_NOT_MINE;
		shrike_add_protocol(ctx, "ptp");
	}
	if (!is_length_right(in))
		return SHRIKE_MORE;
	if (name != NULL)
		shrike_emit_str(ctx, F_TYPE, name);
	emit_clock(ctx, in);
	return SHRIKE_MORE;
}

static const struct shrike_match ptp_match[] = {
	{.transports = SHRIKE_UDP, .port = EVENT_PORT},
	{.transports = SHRIKE_UDP, .port = GENERAL_PORT},
	{0},
};

static const struct shrike_parser ptp = {
	.api = SHRIKE_API,
	.name = "ptp",
	.match = ptp_match,
	.fields = ptp_fields,
	.n_fields = N_FIELDS,
	.parse = ptp_parse,
};
SHRIKE_PARSER(ptp);
