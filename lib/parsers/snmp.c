/* SNMP versions 1, 2c (RFC 1157, RFC 3416) and 3 (RFC 3412, RFC 3414).
 *
 * Of versions 1 and 2c the community, the kind of request, its error and the variables are recorded; of version 3,
 * whose requests are mostly encrypted, the security level, the engine and the user. Only tag numbers and the
 * constructed bit of BER elements are looked at, not their class. Each variable takes bytes of the datagram, which
 * bounds their number; names of variables are cut at OID_TEXT_MAX characters. */
#include "ber.h"
#include "parser.h"

#include <rte_common.h>

enum { F_VERSION, F_COMMUNITY, F_ERROR, F_VARIABLE, F_TYPE, F_TRAP_OID, F_ENGINE_ID, F_LEVEL, F_USER, N_FIELDS };

static const struct field snmp_fields[N_FIELDS] = {
	[F_VERSION] = {"snmp.version", "snmp.version", "snmp", "integer", FIELD_INT_SET, FIELD_COUNT, "Version",
		       "Protocol versions: 1, 2, 3", NULL},
	[F_COMMUNITY] = {"snmp.community", "snmp.community", "snmp", "termfield", FIELD_STR_SET, FIELD_COUNT,
			 "Community", "Communities, which serve as passwords", NULL},
	[F_ERROR] = {"snmp.error", "snmp.error", "snmp", "termfield", FIELD_STR_SET, FIELD_COUNT, "Error",
		     "Errors in responses", NULL},
	[F_VARIABLE] = {"snmp.variable", "snmp.variable", "snmp", "termfield", FIELD_STR_SET, FIELD_COUNT, "Variable",
			"Object identifiers of variables", NULL},
	[F_TYPE] = {"snmp.type", "snmp.type", "snmp", "termfield", FIELD_STR_SET, FIELD_COUNT, "Type",
		    "Kinds of messages", NULL},
	[F_TRAP_OID] = {"snmp.trapOid", "snmp.trap-oid", "snmp", "termfield", FIELD_STR_SET, FIELD_COUNT, "Trap OID",
			"Object identifiers of traps", NULL},
	[F_ENGINE_ID] = {"snmp.engineId", "snmp.engineId", "snmp", "termfield", FIELD_STR_SET, FIELD_COUNT, "Engine ID",
			 "Engines of version 3, in hex", NULL},
	[F_LEVEL] = {"snmp.secLevel", "snmp.secLevel", "snmp", "termfield", FIELD_STR_SET, FIELD_COUNT,
		     "Security Level", "Security of version 3: noAuthNoPriv, authNoPriv, authPriv", NULL},
	[F_USER] = {.name = "user"},
};

enum {
	DATAGRAM_BYTES_MIN = 12,
	MESSAGE_BYTES_MIN = 16,
	WIRE_VERSION_1 = 0,
	WIRE_VERSION_2 = 1,
	WIRE_VERSION_3 = 3,
	OID_TEXT_MAX = 99,
	ENGINE_ID_BYTES_MAX = 128,

	/* RFC 3416, section 3. */
	PDU_TRAP = 4,
	PDU_GET_BULK = 5,
	PDU_TRAP_V2 = 7,
	PDU_ELEMENTS = 4, /* request, error, its index, variables */

	/* RFC 3412, section 6, and RFC 3414, 2.4. */
	HEAD_ELEMENTS = 3,
	HEAD_FLAGS = 2,
	LEVEL_FLAGS = 3,
	USM_ELEMENTS = 4,
	USM_ENGINE_ID = 0,
	USM_USER = 3,
};

static const char trap_oid_name[] = "1.3.6.1.6.3.1.1.4.1.0";

static const char *const pdu_names[] = {"GetRequest", "GetNextRequest", "GetResponse",	 "SetRequest",
					"Trap",	      "GetBulkRequest", "InformRequest", "SNMPv2-Trap"};

static const char *const error_names[] = {
	NULL,
	"tooBig",
	"noSuchName",
	"badValue",
	"readOnly",
	"genErr",
	"noAccess",
	"wrongType",
	"wrongLength",
	"wrongEncoding",
	"wrongValue",
	"noCreation",
	"inconsistentValue",
	"resourceUnavailable",
	"commitFailed",
	"undoFailed",
	"authorizationError",
	"notWritable",
	"inconsistentName",
};

static void
emit_oid(struct shrike_ctx *ctx, unsigned field, struct cursor oid)
{
	char text[OID_TEXT_MAX + 1];
	size_t size = ber_oid_text(oid, text, sizeof(text));

	shrike_emit_bytes(ctx, field, text, size);
}

static bool
is_trap_oid_name(struct cursor oid)
{
	char text[OID_TEXT_MAX + 1];

	ber_oid_text(oid, text, sizeof(text));
	return strcmp(text, trap_oid_name) == 0;
}

static bool
next_oid(struct cursor *in, struct ber_element *oid)
{
	return ber_next(in, oid) && !oid->constructed && oid->tag == BER_OID;
}

static void
parse_variables(struct shrike_ctx *ctx, unsigned pdu, struct cursor in)
{
	struct ber_element variable, oid, value;

	while (ber_next(&in, &variable) && variable.constructed && next_oid(&variable.value, &oid)) {
		emit_oid(ctx, F_VARIABLE, oid.value);
		if (pdu == PDU_TRAP_V2 && is_trap_oid_name(oid.value) && next_oid(&variable.value, &value))
			emit_oid(ctx, F_TRAP_OID, value.value);
	}
}

static void
emit_error(struct shrike_ctx *ctx, const struct ber_element *element)
{
	if (element->tag == BER_INTEGER)
		SHRIKE_EMIT_NAME(ctx, F_ERROR, error_names, cursor_peek(&element->value, 0));
}

static void
parse_pdu(struct shrike_ctx *ctx, unsigned pdu, struct cursor in)
{
	struct ber_element element;

	shrike_emit_str(ctx, F_TYPE, pdu_names[pdu]);
	if (pdu == PDU_TRAP) {
		if (next_oid(&in, &element))
			emit_oid(ctx, F_TRAP_OID, element.value);
		return;
	}
	for (unsigned i = 0; i < PDU_ELEMENTS; i++) {
		if (!ber_next(&in, &element))
			return;
		if (i == 1 && pdu != PDU_GET_BULK)
			emit_error(ctx, &element);
	}
	if (element.constructed)
		parse_variables(ctx, pdu, element.value);
}

static enum shrike_verdict
parse_community_based(struct shrike_ctx *ctx, struct cursor in)
{
	struct ber_element community, pdu;

	if (!ber_next(&in, &community) || community.constructed || cursor_left(&community.value) == 0)
		return SHRIKE_DONE;
	shrike_emit_rest(ctx, F_COMMUNITY, &community.value);
	if (!ber_next(&in, &pdu))
		return SHRIKE_MORE;
	/* 8 is a report, which only version 3 has. */
	if (pdu.tag >= RTE_DIM(pdu_names))
		return SHRIKE_DONE;
	if (pdu.constructed && cursor_left(&pdu.value) > 0)
		parse_pdu(ctx, pdu.tag, pdu.value);
	return SHRIKE_MORE;
}

static void
emit_level(struct shrike_ctx *ctx, uint8_t flags)
{
	static const char *const names[] = {"noAuthNoPriv", "authNoPriv", "noAuthNoPriv", "authPriv"};

	shrike_emit_str(ctx, F_LEVEL, names[flags & LEVEL_FLAGS]);
}

static void
parse_user_based(struct shrike_ctx *ctx, struct cursor in)
{
	struct ber_element head, security, element[USM_ELEMENTS];
	struct cursor engine;
	unsigned n;

	if (!ber_next(&in, &head) || !head.constructed ||
	    ber_sequence(head.value, false, element, HEAD_ELEMENTS) < HEAD_ELEMENTS ||
	    cursor_left(&element[HEAD_FLAGS].value) == 0)
		return;
	emit_level(ctx, cursor_peek(&element[HEAD_FLAGS].value, 0));
	if (!ber_next(&in, &security) || security.constructed)
		return;
	n = ber_sequence(security.value, true, element, USM_ELEMENTS);
	engine = element[USM_ENGINE_ID].value;
	if (n > USM_ENGINE_ID && cursor_left(&engine) > 0) {
		size_t size = RTE_MIN(cursor_left(&engine), (size_t)ENGINE_ID_BYTES_MAX);

		shrike_emit_hex(ctx, F_ENGINE_ID, cursor_take(&engine, size), size);
	}
	if (n > USM_USER && cursor_left(&element[USM_USER].value) > 0)
		shrike_emit_rest(ctx, F_USER, &element[USM_USER].value);
}

static bool
is_port(uint16_t port)
{
	return port == 161 || port == 162 || port == 8161;
}

/* The message behind its version; false: this is no SNMP. */
static bool
open_message(struct cursor in, struct cursor *rest, uint8_t *version)
{
	struct ber_element message, number;

	if (cursor_left(&in) < DATAGRAM_BYTES_MIN || !ber_next(&in, &message) || !message.constructed ||
	    message.tag != BER_SEQUENCE || cursor_left(&message.value) < MESSAGE_BYTES_MIN)
		return false;
	*rest = message.value;
	if (!ber_next(rest, &number) || number.constructed || number.tag != BER_INTEGER ||
	    cursor_left(&number.value) != 1)
		return false;
	*version = cursor_u8(&number.value);
	return *version == WIRE_VERSION_1 || *version == WIRE_VERSION_2 || *version == WIRE_VERSION_3;
}

static enum shrike_verdict
snmp_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct cursor rest;
	uint8_t version;

	if ((!is_port(shrike_port(ctx, 0)) && !is_port(shrike_port(ctx, 1))) || !open_message(in, &rest, &version))
		return SHRIKE_NOT_MINE;
	shrike_add_protocol(ctx, "snmp");
	shrike_emit_int(ctx, F_VERSION, version == WIRE_VERSION_3 ? version : version + 1);
	if (version != WIRE_VERSION_3)
		return parse_community_based(ctx, rest);
	parse_user_based(ctx, rest);
	return SHRIKE_MORE;
}

static const struct shrike_parser snmp = {
	.api = SHRIKE_API,
	.name = "snmp",
	.match =
		(const struct shrike_match[]){
			{.transports = SHRIKE_UDP, SHRIKE_BYTES("\x30"), .min_bytes = DATAGRAM_BYTES_MIN}, {0}},
	.fields = snmp_fields,
	.n_fields = N_FIELDS,
	.parse = snmp_parse,
};
SHRIKE_PARSER(snmp);
