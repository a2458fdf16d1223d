/* GTP control messages and GTP' (3GPP TS 29.060, 29.274, 32.295): recognised by port, version and length, not parsed.
 * User packets (GTP-U) are a tunnel of lib/packet. */
#include "parser.h"

enum {
	GTP_C_PORT = 2123,
	GTP_U_PORT = 2152,
	GTP_PRIME_PORT = 3386,
	GTP_BYTES_MIN = 4,
	G_PDU = 255,
	VERSION_1_HEADER_BYTES = 8,
	OTHER_HEADER_BYTES = 4,
};

static bool
gtp_check(struct shrike_ctx *ctx, struct cursor in)
{
	size_t size = cursor_left(&in);
	uint8_t version = cursor_u8(&in) >> 5, type = cursor_u8(&in);
	uint16_t length = cursor_be16(&in);

	(void)ctx;
	if (cursor_bad(&in) || version > 2)
		return false;
	if (version == 1)
		return type != G_PDU && (size_t)length + VERSION_1_HEADER_BYTES <= size;
	return (size_t)length + OTHER_HEADER_BYTES <= size;
}

static const struct shrike_match gtp_match[] = {
	{.transports = SHRIKE_UDP, .destination_port = GTP_C_PORT, .protocol = "gtp", .check = gtp_check},
	{.transports = SHRIKE_UDP, .port = GTP_PRIME_PORT, .protocol = "gtp", .check = gtp_check},
	{.transports = SHRIKE_UDP, .port = GTP_U_PORT, .protocol = "gtp", .check = gtp_check},
	{0},
};

static const struct shrike_parser gtp = {.api = SHRIKE_API, .name = "gtp", .match = gtp_match};
SHRIKE_PARSER(gtp);
