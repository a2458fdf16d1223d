/* STUN and TURN (RFC 8489, RFC 8656; without the cookie: RFC 3489).
 *
 * Recorded are the kinds of messages, the addresses that a client learns of itself, of its relay and of its peers, who
 * asks, the server's software and realm, errors, and some attributes of ICE (RFC 8445). An address of the client that
 * is not one of the session's shows that somebody translates addresses: tag stun:nat-discovered.
 *
 * Over UDP the first datagram that is no message ends the parser. Over TCP all is taken as messages by their lengths,
 * as the reference does, also ChannelData (RFC 8656, section 12.4).
 *
 * Limits: MESSAGE_MAX_BYTES for a message over TCP, and lengths of texts below. */
#include "parser.h"
#include "text.h"

#include <rte_common.h>

enum {
	F_TYPE,
	F_MAPPED_IP,
	F_MAPPED_PORT,
	F_XOR_MAPPED_IP,
	F_XOR_MAPPED_PORT,
	F_USERNAME,
	F_SOFTWARE,
	F_REALM,
	F_ERROR,
	F_XOR_RELAYED_IP,
	F_XOR_RELAYED_PORT,
	F_XOR_PEER_IP,
	F_XOR_PEER_PORT,
	F_ATTRIBUTES,
	N_FIELDS
};

enum { TEXT_FLAGS = FIELD_COUNT | FIELD_TO_NUL };

static const struct field stun_fields[N_FIELDS] = {
	[F_TYPE] = {"stun.type", "stun.type", "stun", "termfield", FIELD_STR_SET, TEXT_FLAGS, "Message Type",
		    "Methods and classes of messages", NULL},
	[F_MAPPED_IP] = {"stun.mappedIp", "stun.mapped-ip", "stun", "ip", FIELD_IP_SET, FIELD_COUNT, "Mapped IP",
			 "Addresses of the client as the server sees them", NULL},
	[F_MAPPED_PORT] = {"stun.mappedPort", "stun.mapped-port", "stun", "integer", FIELD_INT_SET, FIELD_COUNT,
			   "Mapped Port", "Ports of the client as the server sees them", NULL},
	[F_XOR_MAPPED_IP] = {"stun.xorMappedIp", "stun.xor-mapped-ip", "stun", "ip", FIELD_IP_SET, FIELD_COUNT,
			     "XOR Mapped IP", "The same, from the form that is hidden from translators", NULL},
	[F_XOR_MAPPED_PORT] = {"stun.xorMappedPort", "stun.xor-mapped-port", "stun", "integer", FIELD_INT_SET,
			       FIELD_COUNT, "XOR Mapped Port",
			       "The same, from the form that is hidden from translators", NULL},
	[F_USERNAME] = {"stun.username", "stun.username", "stun", "termfield", FIELD_STR_SET, TEXT_FLAGS, "Username",
			"Names of users", "category=user"},
	[F_SOFTWARE] = {"stun.software", "stun.software", "stun", "termfield", FIELD_STR_SET, TEXT_FLAGS, "Software",
			"Software of either side", NULL},
	[F_REALM] = {"stun.realm", "stun.realm", "stun", "termfield", FIELD_STR_SET, TEXT_FLAGS, "Realm",
		     "Realms of servers", NULL},
	[F_ERROR] = {"stun.error", "stun.error", "stun", "integer", FIELD_INT_SET, FIELD_COUNT, "Error Code",
		     "Errors of servers", NULL},
	[F_XOR_RELAYED_IP] = {"stun.xorRelayedIp", "stun.xor-relayed-ip", "stun", "ip", FIELD_IP_SET, FIELD_COUNT,
			      "XOR Relayed IP", "Addresses at which the relay stands for the client", NULL},
	[F_XOR_RELAYED_PORT] = {"stun.xorRelayedPort", "stun.xor-relayed-port", "stun", "integer", FIELD_INT_SET,
				FIELD_COUNT, "XOR Relayed Port", "Ports at which the relay stands for the client",
				NULL},
	[F_XOR_PEER_IP] = {"stun.xorPeerIp", "stun.xor-peer-ip", "stun", "ip", FIELD_IP_SET, FIELD_COUNT, "XOR Peer IP",
			   "Addresses of peers behind the relay", NULL},
	[F_XOR_PEER_PORT] = {"stun.xorPeerPort", "stun.xorPeerPort", "stun", "integer", FIELD_INT_SET, FIELD_COUNT,
			     "XOR Peer Port", "Ports of peers behind the relay",
			     "category=port; aliases=[\"stun.xor-peer-port\"]"},
	[F_ATTRIBUTES] = {"stun.attributes", "stun.attributes", "stun", "termfield", FIELD_STR_SET, TEXT_FLAGS,
			  "Attributes", "Attributes of ICE, and fingerprint", NULL},
};

enum {
	HEADER_BYTES = 20,
	LENGTH_OFFSET = 2,
	TRANSACTION_BYTES = 12,
	MESSAGE_MAX_BYTES = 8192,
	USERNAME_MAX_BYTES = 512,
	TEXT_MAX_BYTES = 762,
	IPV4_BYTES = 4,
	IPV6_BYTES = 16,
	ADDRESS_BYTES_MIN = 8,
	ERROR_BYTES_MIN = 4,
	FAMILY_IPV4 = 1,
	FAMILY_IPV6 = 2,
	RSP_TEXT_FROM = 7,

	/* RFC 8489, section 18.3; 8020 and 8022: drafts before it. */
	ATTRIBUTE_MAPPED = 0x0001,
	ATTRIBUTE_USERNAME = 0x0006,
	ATTRIBUTE_ERROR = 0x0009,
	ATTRIBUTE_XOR_PEER = 0x0012,
	ATTRIBUTE_REALM = 0x0014,
	ATTRIBUTE_XOR_RELAYED = 0x0016,
	ATTRIBUTE_XOR_MAPPED = 0x0020,
	ATTRIBUTE_USE_CANDIDATE = 0x0025,
	ATTRIBUTE_XOR_MAPPED_OLD = 0x8020,
	ATTRIBUTE_SOFTWARE = 0x8022,
	ATTRIBUTE_FINGERPRINT = 0x8028,
	ATTRIBUTE_ICE_CONTROLLED = 0x8029,
	ATTRIBUTE_ICE_CONTROLLING = 0x802a,
};
static const uint32_t cookie = 0x2112a442;

static const char *const method_names[] = {
	[0x01] = "Binding",	   [0x03] = "Allocate",		 [0x04] = "Refresh",	 [0x06] = "Send",
	[0x07] = "Data",	   [0x08] = "CreatePermission",	 [0x09] = "ChannelBind", [0x0a] = "Connect",
	[0x0b] = "ConnectionBind", [0x0c] = "ConnectionAttempt", [0x80] = "GooglePing",
};

struct stun {
	bool is_stun;
	struct shrike_buffer buffer[2];
};

/* ---- Attributes */

/* What addresses are hidden with: the cookie and the transaction. */
struct mask {
	uint8_t bytes[IPV6_BYTES];
};

/* The type's bits stand between those of the class (RFC 8489, figure 3). */
static void
emit_type(struct shrike_ctx *ctx, uint16_t type)
{
	static const char *const classes[] = {"Request", "Indication", "Response", "Error"};
	unsigned method = (type & 0x0f) | (type & 0xe0) >> 1 | (type & 0x3e00) >> 2;
	unsigned class = (type & 0x10) >> 4 | (type & 0x100) >> 7;

	if (method < RTE_DIM(method_names) && method_names[method] != NULL)
		shrike_emit_format(ctx, F_TYPE, "%s %s", method_names[method], classes[class]);
}

static bool
is_of_session(const struct shrike_ctx *ctx, const uint8_t address[IPV6_BYTES])
{
	return memcmp(shrike_address(ctx, 0), address, IPV6_BYTES) == 0 ||
	       memcmp(shrike_address(ctx, 1), address, IPV6_BYTES) == 0;
}

/* RFC 8489, 14.1 and 14.2. The address as 16 bytes; false: there is none. */
static bool
take_address(struct shrike_ctx *ctx, struct cursor in, unsigned ip_field, const struct mask *mask,
	     uint8_t address[IPV6_BYTES])
{
	static const uint8_t prefix[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	uint16_t port;
	uint8_t family;
	size_t size;

	if (cursor_left(&in) < ADDRESS_BYTES_MIN)
		return false;
	cursor_skip(&in, 1);
	family = cursor_u8(&in);
	port = cursor_be16(&in);
	shrike_emit_int(ctx, ip_field + 1, port ^ (mask->bytes[0] << 8 | mask->bytes[1]));
	size = family == FAMILY_IPV4 ? IPV4_BYTES : IPV6_BYTES;
	if ((family != FAMILY_IPV4 && family != FAMILY_IPV6) || cursor_left(&in) < size)
		return false;
	memcpy(address, prefix, sizeof(prefix));
	for (size_t i = 0; i < size; i++)
		address[IPV6_BYTES - size + i] = cursor_u8(&in) ^ mask->bytes[i];
	shrike_emit_ip(ctx, ip_field, address);
	return true;
}

static void
take_mapped(struct shrike_ctx *ctx, struct cursor value, const struct mask *mask)
{
	uint8_t address[IPV6_BYTES];

	if (take_address(ctx, value, F_XOR_MAPPED_IP, mask, address) && !is_of_session(ctx, address))
		shrike_add_tag(ctx, "stun:nat-discovered");
}

static void
emit_text(struct shrike_ctx *ctx, unsigned field, struct cursor value, size_t max)
{
	if (cursor_left(&value) > 0 && cursor_left(&value) <= max)
		shrike_emit_rest(ctx, field, &value);
}

/* RFC 8489, 14.8; the three bits of the hundreds are not cut out. */
static void
take_error(struct shrike_ctx *ctx, struct cursor value)
{
	unsigned hundreds;

	if (cursor_left(&value) < ERROR_BYTES_MIN)
		return;
	cursor_skip(&value, 2);
	hundreds = cursor_u8(&value);
	shrike_emit_int(ctx, F_ERROR, hundreds * 100 + cursor_u8(&value));
}

static void
take_attribute(struct shrike_ctx *ctx, uint16_t type, struct cursor value, const struct mask *mask)
{
	static const struct mask no_mask;
	uint8_t address[IPV6_BYTES];

	switch (type) {
	case ATTRIBUTE_MAPPED:
		(void)take_address(ctx, value, F_MAPPED_IP, &no_mask, address);
		break;
	case ATTRIBUTE_XOR_MAPPED:
	case ATTRIBUTE_XOR_MAPPED_OLD:
		take_mapped(ctx, value, mask);
		break;
	case ATTRIBUTE_XOR_RELAYED:
		(void)take_address(ctx, value, F_XOR_RELAYED_IP, mask, address);
		break;
	case ATTRIBUTE_XOR_PEER:
		(void)take_address(ctx, value, F_XOR_PEER_IP, mask, address);
		break;
	case ATTRIBUTE_USERNAME:
		emit_text(ctx, F_USERNAME, value, USERNAME_MAX_BYTES);
		break;
	case ATTRIBUTE_SOFTWARE:
		emit_text(ctx, F_SOFTWARE, value, TEXT_MAX_BYTES);
		break;
	case ATTRIBUTE_REALM:
		emit_text(ctx, F_REALM, value, TEXT_MAX_BYTES);
		break;
	case ATTRIBUTE_ERROR:
		take_error(ctx, value);
		break;
	default:
		break;
	}
}

static void
name_attribute(struct shrike_ctx *ctx, uint16_t type)
{
	static const struct {
		uint16_t type;
		const char *name;
	} names[] = {
		{ATTRIBUTE_USE_CANDIDATE, "use-candidate"},
		{ATTRIBUTE_ICE_CONTROLLED, "ice-controlled"},
		{ATTRIBUTE_ICE_CONTROLLING, "ice-controlling"},
		{ATTRIBUTE_FINGERPRINT, "fingerprint"},
	};

	for (size_t i = 0; i < RTE_DIM(names); i++)
		if (names[i].type == type)
			shrike_emit_str(ctx, F_ATTRIBUTES, names[i].name);
}

/* ---- Messages */

/* A whole message. */
static void
parse_message(struct shrike_ctx *ctx, struct cursor in)
{
	struct mask mask = {{0x21, 0x12, 0xa4, 0x42}};

	emit_type(ctx, cursor_be16(&in));
	cursor_skip(&in, HEADER_BYTES - 2 - TRANSACTION_BYTES);
	memcpy(&mask.bytes[sizeof(cookie)], cursor_take(&in, TRANSACTION_BYTES), TRANSACTION_BYTES);
	while (cursor_left(&in) > 0) {
		uint16_t type = cursor_be16(&in), size = cursor_be16(&in);
		struct cursor value = cursor_sub(&in, size);

		if (cursor_bad(&in))
			return;
		name_attribute(ctx, type);
		take_attribute(ctx, type, value, &mask);
		cursor_skip(&in, (size_t)-size % 4);
	}
}

struct header {
	uint8_t first_byte;
	uint32_t size; /* of the message */
	bool has_cookie;
};

/* False: not all there. */
static bool
read_header(struct cursor in, struct header *header)
{
	if (cursor_left(&in) < HEADER_BYTES)
		return false;
	header->first_byte = cursor_peek(&in, 0);
	cursor_skip(&in, LENGTH_OFFSET);
	header->size = HEADER_BYTES + (uint32_t)cursor_be16(&in);
	header->has_cookie = cursor_be32(&in) == cookie;
	return true;
}

static bool
is_stun(struct cursor in, bool is_stream)
{
	struct header header;

	if (!read_header(in, &header))
		return false;
	if (is_stream)
		return header.has_cookie && header.first_byte >> 6 == 0;
	return header.has_cookie || (header.size == cursor_left(&in) && header.first_byte <= 1);
}

static enum shrike_verdict
parse_datagram(struct shrike_ctx *ctx, struct cursor in)
{
	struct header header;
	size_t size = cursor_left(&in);

	if (!read_header(in, &header) || (header.has_cookie ? header.size > size : header.size != size))
		return SHRIKE_DONE;
	cursor_limit(&in, header.size);
	parse_message(ctx, in);
	return SHRIKE_MORE;
}

static enum shrike_verdict
parse_stream(struct shrike_ctx *ctx, struct shrike_buffer *buffer, struct cursor in)
{
	struct cursor joined;
	struct header header;

	if (!shrike_join(ctx, buffer, in, MESSAGE_MAX_BYTES, &joined))
		return SHRIKE_DONE;
	while (read_header(joined, &header)) {
		if (header.size > MESSAGE_MAX_BYTES) {
			shrike_add_tag(ctx, "stun:message-too-long");
			return SHRIKE_DONE;
		}
		if (header.size > cursor_left(&joined))
			break;
		parse_message(ctx, cursor_sub(&joined, header.size));
	}
	shrike_keep(ctx, buffer, joined);
	return SHRIKE_MORE;
}

static enum shrike_verdict
stun_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct stun *s = shrike_state(ctx);
	bool is_stream = shrike_transport(ctx) == SHRIKE_TCP;

	if (!s->is_stun) {
		if (shrike_has_protocol(ctx, "stun") || !is_stun(in, is_stream))
			return SHRIKE_NOT_MINE;
		s->is_stun = true;
		shrike_add_protocol(ctx, "stun");
	}
	return is_stream ? parse_stream(ctx, &s->buffer[shrike_direction(ctx)], in) : parse_datagram(ctx, in);
}

/* "RSP/2.0 STUN": a client of a service asks whether STUN would come through. */
static bool
rsp_check(struct shrike_ctx *ctx, struct cursor in)
{
	size_t size;

	(void)ctx;
	cursor_skip(&in, RSP_TEXT_FROM);
	size = cursor_left(&in);
	return text_find(cursor_take(&in, size), size, "STUN") >= 0;
}

static const struct shrike_match stun_match[] = {
	{.transports = SHRIKE_UDP | SHRIKE_TCP, SHRIKE_BYTES("RSP/"), .protocol = "stun", .check = rsp_check},
	{.transports = SHRIKE_UDP | SHRIKE_TCP, SHRIKE_BYTES("\0\1\0")},
	{.transports = SHRIKE_UDP | SHRIKE_TCP, SHRIKE_BYTES("\0\3\0")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\0\4\0")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\0\x08\0")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\0\x09\0")},
	{.transports = SHRIKE_UDP | SHRIKE_TCP, SHRIKE_BYTES("\1\1\0")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\1\3\0")},
	{0},
};

static const struct shrike_parser stun = {
	.api = SHRIKE_API,
	.name = "stun",
	.match = stun_match,
	.fields = stun_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct stun),
	.parse = stun_parse,
};
SHRIKE_PARSER(stun);
