/* BGP-4 (RFC 4271, 4.1): kinds of messages.
 *
 * Of each chunk only the first message is looked at, and only where one begins there: neighbours send one at a time.
 * Their connections last for months and say little, so a record ends with the first packet that comes long enough after
 * a message. */
#include "clock.h"
#include "parser.h"

enum { F_TYPE, N_FIELDS };

static const struct field bgp_fields[N_FIELDS] = {
	[F_TYPE] = {"bgp.type", "bgp.type", "bgp", "uptermfield", FIELD_STR_SET, FIELD_TO_NUL, "Type",
		    "Kinds of messages", NULL},
};

enum {
	BGP_PORT = 179,
	HEADER_BYTES = 19,
	MESSAGE_MAX_BYTES = 4096,
	SAVE_AFTER_S = 10,
};

#define MARKER "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
enum { MARKER_BYTES = sizeof(MARKER) - 1 };

static const char *const type_names[] = {
	[1] = "OPEN",
	[2] = "UPDATE",
	[3] = "NOTIFICATION",
	[4] = "KEEPALIVE",
};

static enum shrike_verdict
bgp_parse(struct shrike_ctx *ctx, struct cursor in)
{
	size_t size = cursor_left(&in);
	const uint8_t *marker = cursor_take(&in, MARKER_BYTES);
	uint16_t length = cursor_be16(&in);
	uint8_t type = cursor_u8(&in);

	shrike_add_protocol(ctx, "bgp");
	if (cursor_bad(&in) || memcmp(marker, MARKER, MARKER_BYTES) != 0)
		return SHRIKE_MORE;
	if (length < HEADER_BYTES || length > MESSAGE_MAX_BYTES || length > size)
		return SHRIKE_DONE;
	shrike_save_after(ctx, shrike_time_ns(ctx) / NS_PER_S + SAVE_AFTER_S);
	SHRIKE_EMIT_NAME(ctx, F_TYPE, type_names, type);
	return SHRIKE_MORE;
}

static enum shrike_verdict
bgp_gap(struct shrike_ctx *ctx, uint32_t missing)
{
	(void)ctx;
	(void)missing;
	return SHRIKE_MORE;
}

static const struct shrike_match bgp_match[] = {
	{.transports = SHRIKE_TCP, .destination_port = BGP_PORT, SHRIKE_BYTES(MARKER), .min_bytes = HEADER_BYTES},
	{0},
};

static const struct shrike_parser bgp = {
	.api = SHRIKE_API,
	.name = "bgp",
	.match = bgp_match,
	.fields = bgp_fields,
	.n_fields = N_FIELDS,
	.repeats = true,
	.parse = bgp_parse,
	.gap = bgp_gap,
};
SHRIKE_PARSER(bgp);
