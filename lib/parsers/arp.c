/* ARP (RFC 826): what was asked and who answered. Only where disableParsers does not name it (it does by default): a
 * network says nothing more often. */
#include "parser.h"

enum { OPERATION_REPLY = 2, MAC_BYTES = 6, ADDRESSES_OFFSET = 8 };

enum { F_MAC, F_OUI, F_OPCODE, F_IP, N_FIELDS };

static const struct field arp_fields[N_FIELDS] = {
	[F_MAC] = {"arp.mac", "arp.mac", "arp", "lotermfield", FIELD_STR_SET, FIELD_COUNT, "ARP Sender MAC",
		   "Ethernet addresses that replies give", NULL},
	[F_OUI] = {"arp.oui", "arp.oui", "arp", "termfield", FIELD_STR_SET, FIELD_COUNT, "ARP Sender OUI",
		   "Vendors of the addresses that replies give", NULL},
	[F_OPCODE] = {"arp.opcode", "arp.opcode", "arp", "integer", FIELD_INT_SET, FIELD_COUNT, "ARP Opcode",
		      "1: request, 2: reply", NULL},
	[F_IP] = {"arp.ip", "arp.ip", "arp", "ip", FIELD_IP_SET, FIELD_COUNT, "ARP Sender IP",
		  "Addresses that replies are about", NULL},
};

/* Hardware and protocol are Ethernet and IPv4, or the packet had no session. */
static enum shrike_verdict
arp_parse(struct shrike_ctx *ctx, struct cursor in)
{
	uint16_t operation;
	const uint8_t *mac, *ip;

	cursor_skip(&in, ADDRESSES_OFFSET - 2);
	operation = cursor_be16(&in);
	mac = cursor_take(&in, MAC_BYTES);
	ip = cursor_take(&in, 4);
	if (cursor_bad(&in))
		return SHRIKE_MORE;
	shrike_emit_int(ctx, F_OPCODE, operation);
	if (operation != OPERATION_REPLY)
		return SHRIKE_MORE;
	shrike_emit_ipv4(ctx, F_IP, ip);
	shrike_emit_mac(ctx, F_MAC, mac);
	return SHRIKE_MORE;
}

static const struct shrike_parser arp = {
	.api = SHRIKE_API,
	.name = "arp",
	.match = (const struct shrike_match[]){{.session = "arp"}, {0}},
	.fields = arp_fields,
	.n_fields = N_FIELDS,
	.parse = arp_parse,
};
SHRIKE_PARSER(arp);
