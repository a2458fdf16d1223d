/* RADIUS (RFC 2865, RFC 2866).
 *
 * Recorded are the kinds of messages and who asks for access from where: user, network access server, the address the
 * user gets, and the station's hardware address or IP address. The first datagram of a direction decides whether it is
 * RADIUS; attributes end at the length that the message gives for itself. */
#include "parser.h"

enum { F_USER, F_MAC, F_ENDPOINT_IP, F_FRAMED_IP, F_TYPE, F_NAS_IP, F_NAS_PORT, N_FIELDS };

static const struct field radius_fields[N_FIELDS] = {
	[F_USER] = {"radius.user", "radius.user", "radius", "termfield", FIELD_STR_SET, FIELD_TO_NUL, "User",
		    "Names of users", "category=user"},
	[F_MAC] = {"radius.mac", "radius.mac", "radius", "lotermfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		   "MAC", "Hardware addresses of stations", NULL},
	[F_ENDPOINT_IP] = {"radius.endpointIp", "radius.endpoint-ip", "radius", "ip", FIELD_IP_SET, FIELD_COUNT,
			   "Endpoint IP", "Addresses that tunnels begin at", NULL},
	[F_FRAMED_IP] = {"radius.framedIp", "radius.framed-ip", "radius", "ip", FIELD_IP_SET, FIELD_COUNT, "Framed IP",
			 "Addresses that users get", NULL},
	[F_TYPE] = {"radius.msgType", "radius.msgType", "radius", "lotermfield", FIELD_STR_SET,
		    FIELD_COUNT | FIELD_TO_NUL, "Msg Type", "Kinds of messages", NULL},
	[F_NAS_IP] = {"radius.nasIp", "radius.nasIp", "radius", "ip", FIELD_IP_SET, FIELD_COUNT, "NAS IP",
		      "Addresses of network access servers", NULL},
	[F_NAS_PORT] = {"radius.nasPort", "radius.nasPort", "radius", "integer", FIELD_INT_SET, FIELD_COUNT, "NAS Port",
			"Ports of network access servers", NULL},
};

enum {
	HEADER_BYTES = 20,
	AUTHENTICATOR_BYTES = 16,
	ATTRIBUTE_HEAD_BYTES = 2,
	IPV4_BYTES = 4,
	MAC_DIGITS = 12,

	/* RFC 2865, section 5; 66: RFC 2868. */
	ATTRIBUTE_USER = 1,
	ATTRIBUTE_NAS_IP = 4,
	ATTRIBUTE_NAS_PORT = 5,
	ATTRIBUTE_FRAMED_IP = 8,
	ATTRIBUTE_CALLING_STATION = 31,
	ATTRIBUTE_TUNNEL_CLIENT = 66,
};

static const char *const type_names[] = {
	[1] = "access-request",	     [2] = "access-accept",	[3] = "access-reject",	[4] = "accounting-request",
	[5] = "accounting-response", [11] = "access-challenge", [12] = "status-server", [13] = "status-client",
};

static bool
is_port(uint16_t port)
{
	return port == 1812 || port == 1813 || port == 1645 || port == 1646;
}

static bool
is_radius(const struct shrike_ctx *ctx, struct cursor in)
{
	size_t size = cursor_left(&in);

	cursor_skip(&in, 2);
	return size >= HEADER_BYTES && size >= cursor_be16(&in) &&
	       (is_port(shrike_port(ctx, 0)) || is_port(shrike_port(ctx, 1)));
}

static void
emit_address(struct shrike_ctx *ctx, unsigned field, struct cursor value)
{
	if (cursor_left(&value) == IPV4_BYTES)
		shrike_emit_ipv4(ctx, field, cursor_take(&value, IPV4_BYTES));
}

/* Twelve characters without separators; other forms are not recorded. */
static void
emit_mac(struct shrike_ctx *ctx, struct cursor value)
{
	char text[MAC_DIGITS + MAC_DIGITS / 2];
	size_t size = 0;

	if (cursor_left(&value) != MAC_DIGITS)
		return;
	while (cursor_left(&value) > 0) {
		if (size > 0)
			text[size++] = ':';
		text[size++] = (char)cursor_u8(&value);
		text[size++] = (char)cursor_u8(&value);
	}
	shrike_emit_lower(ctx, F_MAC, text, size);
}

static void
take_attribute(struct shrike_ctx *ctx, uint8_t type, struct cursor value)
{
	size_t size = cursor_left(&value);

	switch (type) {
	case ATTRIBUTE_USER:
		shrike_emit_rest(ctx, F_USER, &value);
		break;
	case ATTRIBUTE_NAS_IP:
		emit_address(ctx, F_NAS_IP, value);
		break;
	case ATTRIBUTE_NAS_PORT:
		if (size == sizeof(uint32_t))
			shrike_emit_int(ctx, F_NAS_PORT, cursor_be32(&value));
		break;
	case ATTRIBUTE_FRAMED_IP:
		emit_address(ctx, F_FRAMED_IP, value);
		break;
	case ATTRIBUTE_CALLING_STATION:
		emit_mac(ctx, value);
		break;
	case ATTRIBUTE_TUNNEL_CLIENT:
		shrike_emit_ip_text(ctx, F_ENDPOINT_IP, cursor_take(&value, size), size);
		break;
	default:
		break;
	}
}

static enum shrike_verdict
radius_parse(struct shrike_ctx *ctx, struct cursor in)
{
	uint16_t length;
	uint8_t code;

	if (!shrike_has_protocol(ctx, "radius") && !is_radius(ctx, in))
		return SHRIKE_NOT_MINE;
	if (cursor_left(&in) < HEADER_BYTES)
		return SHRIKE_MORE;
	shrike_add_protocol(ctx, "radius");
	code = cursor_u8(&in);
	cursor_skip(&in, 1);
	length = cursor_be16(&in);
	cursor_skip(&in, AUTHENTICATOR_BYTES);
	cursor_limit(&in, length > HEADER_BYTES ? length - (size_t)HEADER_BYTES : 0);
	SHRIKE_EMIT_NAME(ctx, F_TYPE, type_names, code);
	while (cursor_left(&in) >= ATTRIBUTE_HEAD_BYTES) {
		uint8_t type = cursor_u8(&in), size = cursor_u8(&in);
		struct cursor value;

		if (size < ATTRIBUTE_HEAD_BYTES)
			break;
		value = cursor_sub(&in, size - (size_t)ATTRIBUTE_HEAD_BYTES);
		if (!cursor_bad(&in))
			take_attribute(ctx, type, value);
	}
	return SHRIKE_MORE;
}

static const struct shrike_parser radius = {
	.api = SHRIKE_API,
	.name = "radius",
	.match =
		(const struct shrike_match[]){
			{.transports = SHRIKE_UDP, SHRIKE_BYTES("\1")},
			{.transports = SHRIKE_UDP, SHRIKE_BYTES("\2")},
			{.transports = SHRIKE_UDP, SHRIKE_BYTES("\3")},
			{.transports = SHRIKE_UDP, SHRIKE_BYTES("\4")},
			{.transports = SHRIKE_UDP, SHRIKE_BYTES("\5")},
			{0},
		},
	.fields = radius_fields,
	.n_fields = N_FIELDS,
	.parse = radius_parse,
};
SHRIKE_PARSER(radius);
