/* DHCP (RFC 2131, options RFC 2132) and DHCPv6 (RFC 8415).
 *
 * The sessions are those of the packet protocols "dhcp" and "dhcpv6" (lib/packet/dhcp.c), which have looked at the
 * fixed part already; what does not look like DHCP there is an ordinary UDP session and does not come here. Recorded
 * are message types, the client's hardware address, names, vendor classes, transactions and the addresses asked for.
 * Options in the fields for server and file name (option 52) and messages inside a relay's message are not read. */
#include "parser.h"
#include "text.h"

enum { F_TYPE, F_HOST, F_HOST_TOKENS, F_MAC, F_OUI, F_ID, F_CLASS, F_REQUEST_IP, N_FIELDS };

static const struct field dhcp_fields[N_FIELDS] = {
	[F_TYPE] = {"dhcp.type", "dhcp.type", "dhcp", "uptermfield", FIELD_STR_SET, FIELD_COUNT, "DHCP Type",
		    "Message types", NULL},
	[F_HOST] = {"dhcp.host", "dhcp.host", "dhcp", "lotermfield", FIELD_STR_SET, FIELD_COUNT, "DHCP Host",
		    "Names that clients gave themselves or got", "aliases=[\"host.dhcp\"]; category=host"},
	[F_HOST_TOKENS] = {"dhcp.hostTokens", "dhcp.host.tokens", "dhcp", "lotextfield", FIELD_STR_SET, FIELD_FAKE,
			   "Hostname Tokens", "Words of the names", "aliases=[\"host.dhcp.tokens\"]"},
	[F_MAC] = {"dhcp.mac", "dhcp.mac", "dhcp", "lotermfield", FIELD_STR_SET, FIELD_COUNT, "DHCP Client MAC",
		   "Hardware addresses of clients", NULL},
	[F_OUI] = {"dhcp.oui", "dhcp.oui", "dhcp", "termfield", FIELD_STR_SET, FIELD_COUNT, "DHCP Client OUI",
		   "Vendors of the hardware addresses", NULL},
	[F_ID] = {"dhcp.id", "dhcp.id", "dhcp", "lotermfield", FIELD_STR_SET, FIELD_COUNT, "DHCP Transaction id",
		  "Transactions, in hex", NULL},
	[F_CLASS] = {"dhcp.classId", "dhcp.classId", "dhcp", "termfield", FIELD_STR_SET, FIELD_COUNT,
		     "DHCP Vendor Class", "What clients say that they are", NULL},
	[F_REQUEST_IP] = {"dhcp.requestIp", "dhcp.requestIp", "dhcp", "ip", FIELD_IP_SET, FIELD_COUNT,
			  "DHCP Request IP", "Addresses that clients asked for", NULL},
};

enum { VARIANT_V4, VARIANT_V6 };

enum {
	MAC_BYTES = 6,
	IPV4_BYTES = 4,

	/* RFC 2131, section 2. */
	V4_TRANSACTION_OFFSET = 4,
	V4_MAC_OFFSET = 28,
	V4_OPTIONS_OFFSET = 240,

	/* RFC 2132; option 81: RFC 4702. */
	OPTION_PAD = 0,
	OPTION_HOST_NAME = 12,
	OPTION_REQUESTED_ADDRESS = 50,
	OPTION_MESSAGE_TYPE = 53,
	OPTION_CLASS = 60,
	OPTION_CLIENT_ID = 61,
	OPTION_FQDN = 81,
	OPTION_END = 255,
	HARDWARE_ETHERNET = 1,
	FQDN_HEAD_BYTES = 3,

	/* RFC 8415, sections 8, 9 and 21.16. */
	V6_RELAY_FORWARD = 12,
	V6_RELAY_REPLY = 13,
	V6_RELAY_HEAD_BYTES = 33, /* behind the type: hop count and two addresses */
	V6_OPTION_CLASS = 16,
	V6_TRANSACTION_BYTES = 3,

	HOST_BYTES_MAX = UINT8_MAX,
};

static const char *const v4_types[] = {
	NULL,		"DISCOVER",    "OFFER",		 "REQUEST",	   "DECLINE",	       "ACK",
	"NAK",		"RELEASE",     "INFORM",	 "FORCERENEW",	   "LEASEQUERY",       "LEASEUNASSIGNED",
	"LEASEUNKNOWN", "LEASEACTIVE", "BULKLEASEQUERY", "LEASEQUERYDONE", "ACTIVELEASEQUERY", "LEASEQUERYSTATUS",
	"TLS",
};

static const char *const v6_types[] = {
	NULL,
	"SOLICIT",
	"ADVERTISE",
	"REQUEST",
	"CONFIRM",
	"RENEW",
	"REBIND",
	"REPLY",
	"RELEASE",
	"DECLINE",
	"RECONFIGURE",
	"INFORMATION_REQUEST",
	"RELAY_FORW",
	"RELAY_REPL",
	"LEASEQUERY",
	"LEASEQUERY_REPLY",
	"LEASEQUERY_DONE",
	"LEASEQUERY_DATA",
	"RECONFIGURE_REQUEST",
	"RECONFIGURE_REPLY",
	"DHCPV4_QUERY",
	"DHCPV4_RESPONSE",
};

static void
emit_host(struct shrike_ctx *ctx, struct cursor name)
{
	size_t size = cursor_left(&name);

	shrike_emit_lower(ctx, F_HOST, cursor_take(&name, size), size);
}

static void
take_client_id(struct shrike_ctx *ctx, struct cursor option)
{
	size_t size = cursor_left(&option);
	uint8_t hardware = cursor_u8(&option);

	if (size == 1 + MAC_BYTES && hardware == HARDWARE_ETHERNET)
		shrike_emit_mac(ctx, F_MAC, cursor_take(&option, MAC_BYTES));
}

/* With flags the name may be in the form of DNS messages, or meant for the server only. */
static void
take_fqdn(struct shrike_ctx *ctx, struct cursor option)
{
	uint8_t flags = cursor_peek(&option, 0);

	cursor_skip(&option, FQDN_HEAD_BYTES);
	if (flags == 0 && !cursor_bad(&option))
		emit_host(ctx, option);
}

static void
take_v4_option(struct shrike_ctx *ctx, uint8_t code, struct cursor option)
{
	switch (code) {
	case OPTION_HOST_NAME:
		emit_host(ctx, option);
		break;
	case OPTION_REQUESTED_ADDRESS:
		if (cursor_left(&option) == IPV4_BYTES)
			shrike_emit_ipv4(ctx, F_REQUEST_IP, cursor_take(&option, IPV4_BYTES));
		break;
	case OPTION_MESSAGE_TYPE:
		if (cursor_left(&option) == 1)
			SHRIKE_EMIT_NAME(ctx, F_TYPE, v4_types, cursor_u8(&option));
		break;
	case OPTION_CLASS:
		shrike_emit_rest(ctx, F_CLASS, &option);
		break;
	case OPTION_CLIENT_ID:
		take_client_id(ctx, option);
		break;
	case OPTION_FQDN:
		take_fqdn(ctx, option);
		break;
	default:
		break;
	}
}

static void
parse_v4(struct shrike_ctx *ctx, struct cursor in)
{
	struct cursor fixed = cursor_sub(&in, V4_OPTIONS_OFFSET);
	const uint8_t *mac;

	if (cursor_bad(&in))
		return;
	shrike_add_protocol(ctx, "dhcp");
	cursor_skip(&fixed, V4_TRANSACTION_OFFSET);
	shrike_emit_format(ctx, F_ID, "%x", cursor_be32(&fixed));
	cursor_skip(&fixed, V4_MAC_OFFSET - V4_TRANSACTION_OFFSET - sizeof(uint32_t));
	mac = cursor_take(&fixed, MAC_BYTES);
	shrike_emit_mac(ctx, F_MAC, mac);
	while (cursor_left(&in) > 0) {
		uint8_t code = cursor_u8(&in);
		struct cursor option;

		if (code == OPTION_PAD)
			continue;
		if (code == OPTION_END)
			break;
		option = cursor_sub(&in, cursor_u8(&in));
		if (!cursor_bad(&in))
			take_v4_option(ctx, code, option);
	}
}

/* Vendor class: a number and texts with their lengths. Recorded is what a C string of it would be, as in the reference:
 * mostly nothing, because the number begins with a zero byte. */
static void
take_v6_class(struct shrike_ctx *ctx, struct cursor option)
{
	struct cursor text = option, up_to_nul = cursor_until(&text, '\0');

	shrike_emit_rest(ctx, F_CLASS, cursor_bad(&text) ? &option : &up_to_nul);
}

static void
parse_v6(struct shrike_ctx *ctx, struct cursor in)
{
	uint8_t type = cursor_u8(&in);
	const uint8_t *id;

	shrike_add_protocol(ctx, "dhcpv6");
	SHRIKE_EMIT_NAME(ctx, F_TYPE, v6_types, type);
	if (type == V6_RELAY_FORWARD || type == V6_RELAY_REPLY) {
		cursor_skip(&in, V6_RELAY_HEAD_BYTES);
	} else {
		id = cursor_take(&in, V6_TRANSACTION_BYTES);
		if (id != NULL)
			shrike_emit_format(ctx, F_ID, "%x", (unsigned)id[0] << 16 | (unsigned)id[1] << 8 | id[2]);
	}
	while (cursor_left(&in) > 0) {
		uint16_t code = cursor_be16(&in);
		struct cursor option = cursor_sub(&in, cursor_be16(&in));

		if (code == V6_OPTION_CLASS && !cursor_bad(&in))
			take_v6_class(ctx, option);
	}
}

static enum shrike_verdict
dhcp_parse(struct shrike_ctx *ctx, struct cursor in)
{
	bool *is_v6 = shrike_state(ctx);

	if (shrike_variant(ctx) == VARIANT_V6)
		*is_v6 = true;
	if (*is_v6)
		parse_v6(ctx, in);
	else
		parse_v4(ctx, in);
	return SHRIKE_MORE;
}

static const struct shrike_parser dhcp = {
	.api = SHRIKE_API,
	.name = "dhcp",
	.match =
		(const struct shrike_match[]){
			{.session = "dhcp", .variant = VARIANT_V4},
			{.session = "dhcpv6", .variant = VARIANT_V6},
			{0},
		},
	.fields = dhcp_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(bool),
	.parse = dhcp_parse,
};
SHRIKE_PARSER(dhcp);
