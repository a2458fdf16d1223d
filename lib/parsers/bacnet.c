/* BACnet/IP (ASHRAE 135, annexes J and U: BVLL over IPv4 and IPv6).
 *
 * Recorded are the functions of the virtual link layer, the kinds of application messages, the services that are asked
 * for, and the first name in answers that have one. Names are not decoded by the grammar of their service, but found by
 * their tags, byte by byte. A datagram that is not understood says nothing; the next one is read again. */
#include "parser.h"

#include <rte_common.h>

enum { F_FUNCTION, F_SERVICE, F_APDU_TYPE, F_OBJECT_NAME, N_FIELDS };

static const struct field bacnet_fields[N_FIELDS] = {
	[F_FUNCTION] = {"bacnet.function", "bacnet.function", "bacnet", "termfield", FIELD_STR_SET,
			FIELD_COUNT | FIELD_TO_NUL, "Function", "Functions of the virtual link layer", NULL},
	[F_SERVICE] = {"bacnet.service", "bacnet.service", "bacnet", "termfield", FIELD_STR_SET,
		       FIELD_COUNT | FIELD_TO_NUL, "Service", "Services that requests ask for", NULL},
	[F_APDU_TYPE] = {"bacnet.apduType", "bacnet.apdu-type", "bacnet", "termfield", FIELD_STR_SET,
			 FIELD_COUNT | FIELD_TO_NUL, "APDU Type", "Kinds of application messages", NULL},
	[F_OBJECT_NAME] = {"bacnet.objectName", "bacnet.object-name", "bacnet", "termfield", FIELD_STR_SET,
			   FIELD_COUNT | FIELD_TO_NUL, "Object Name", "Names of objects", NULL},
};

enum {
	BVLL_BYTES = 4,
	BVLL_IPV4 = 0x81,
	BVLL_IPV6 = 0x82,
	FORWARDED = 4,
	DISTRIBUTE_BROADCAST = 9,
	ORIGINAL_UNICAST = 10,
	ORIGINAL_BROADCAST = 11,
	ORIGIN_IPV4_BYTES = 6, /* of a forwarded message: address and port */
	ORIGIN_IPV6_BYTES = 18,

	NPDU_VERSION = 1,
	NPDU_HAS_SOURCE = 0x08,
	NPDU_HAS_DESTINATION = 0x20,
	NPDU_IS_NETWORK = 0x80, /* a message between routers: no APDU */

	CONFIRMED_REQUEST = 0,
	UNCONFIRMED_REQUEST = 1,
	COMPLEX_ACK = 3,
	APDU_IS_SEGMENTED = 0x08,
	SEGMENT_BYTES = 2, /* number and window */

	I_AM = 0,
	I_HAVE = 1,
	WHO_HAS = 7,
	READ_PROPERTY = 12,
	READ_PROPERTY_MULTIPLE = 14,

	/* 20.2.1: number of the tag, its class, and three bits of length. */
	TAG_MASK = 0xf8,
	TAG_CHARACTER_STRING = 0x70,
	TAG_CONTEXT_3 = 0x38,
	TAG_LENGTH_MASK = 0x07,
	TAG_LENGTH_EXTENDED = 5,
	LENGTH_IS_16_BITS = 254,
	LENGTH_IS_32_BITS = 255,
	NAME_TAG_MIN_BYTES = 3,
};

static const char *const function_names[] = {
	"result",	    "write-bdt",
	"read-bdt",	    "read-bdt-ack",
	"forwarded-npdu",   "register-foreign-device",
	"read-fdt",	    "read-fdt-ack",
	"delete-fdt-entry", "distribute-broadcast",
	"original-unicast", "original-broadcast",
	"secured-bvll",
};

static const char *const apdu_names[] = {
	"confirmed-request",
	"unconfirmed-request",
	"simple-ack",
	"complex-ack",
	"segment-ack",
	"error",
	"reject",
	"abort",
};

static const char *const confirmed_names[] = {
	"acknowledge-alarm",
	"confirmed-cov-notification",
	"confirmed-event-notification",
	"get-alarm-summary",
	"get-enrollment-summary",
	"subscribe-cov",
	"atomic-read-file",
	"atomic-write-file",
	"add-list-element",
	"remove-list-element",
	"create-object",
	"delete-object",
	"read-property",
	"read-property-conditional",
	"read-property-multiple",
	"write-property",
	"write-property-multiple",
	"device-communication-control",
	"confirmed-private-transfer",
	"confirmed-text-message",
	"reinitialize-device",
	"vt-open",
	"vt-close",
	"vt-data",
	"authenticate",
	"request-key",
	"read-range",
	"life-safety-operation",
	"subscribe-cov-property",
	"get-event-information",
};

static const char *const unconfirmed_names[] = {
	"i-am",
	"i-have",
	"unconfirmed-cov-notification",
	"unconfirmed-event-notification",
	"unconfirmed-private-transfer",
	"unconfirmed-text-message",
	"time-synchronization",
	"who-has",
	"who-is",
	"utc-time-synchronization",
};

static bool
is_bacnet(struct cursor in)
{
	size_t size = cursor_left(&in);
	uint8_t type = cursor_u8(&in), function = cursor_u8(&in);
	uint16_t length = cursor_be16(&in);

	return (type == BVLL_IPV4 || type == BVLL_IPV6) && function < RTE_DIM(function_names) && length >= BVLL_BYTES &&
	       length <= size;
}

/* The length of what follows a tag, where its low bits say; bad: it is not all there. */
static uint32_t
tag_length(struct cursor *in, uint8_t tag)
{
	uint32_t length = tag & TAG_LENGTH_MASK;

	if (length == TAG_LENGTH_EXTENDED)
		length = cursor_u8(in);
	else
		return length;
	if (length == LENGTH_IS_16_BITS)
		return cursor_be16(in);
	return length == LENGTH_IS_32_BITS ? cursor_be32(in) : length;
}

static bool
is_name_tag(uint8_t tag)
{
	return ((tag & TAG_MASK) == TAG_CHARACTER_STRING || (tag & TAG_MASK) == TAG_CONTEXT_3) &&
	       (tag & TAG_LENGTH_MASK) <= TAG_LENGTH_EXTENDED;
}

static void
emit_first_name(struct shrike_ctx *ctx, struct cursor in)
{
	struct cursor name;
	uint32_t length;
	uint8_t tag;

	while (cursor_left(&in) >= NAME_TAG_MIN_BYTES) {
		tag = cursor_u8(&in);
		if (!is_name_tag(tag))
			continue;
		length = tag_length(&in, tag);
		name = cursor_sub(&in, length);
		if (cursor_bad(&in) || length == 0)
			return;
		cursor_skip(&name, 1); /* character set */
		shrike_emit_rest(ctx, F_OBJECT_NAME, &name);
		return;
	}
}

/* Invoke id, place of the segment, service. */
static uint8_t
invoked_service(struct cursor *in, uint8_t flags)
{
	cursor_skip(in, 1);
	if ((flags & APDU_IS_SEGMENTED) != 0)
		cursor_skip(in, SEGMENT_BYTES);
	return cursor_u8(in);
}

static void
take_apdu(struct shrike_ctx *ctx, struct cursor in)
{
	uint8_t first = cursor_u8(&in), type = first >> 4, service;

	if (cursor_bad(&in) || type >= RTE_DIM(apdu_names))
		return;
	shrike_emit_str(ctx, F_APDU_TYPE, apdu_names[type]);
	switch (type) {
	case CONFIRMED_REQUEST:
		cursor_skip(&in, 1); /* how many segments it takes */
		service = invoked_service(&in, first);
		if (!cursor_bad(&in))
			SHRIKE_EMIT_NAME(ctx, F_SERVICE, confirmed_names, service);
		break;
	case UNCONFIRMED_REQUEST:
		service = cursor_u8(&in);
		if (cursor_bad(&in))
			break;
		SHRIKE_EMIT_NAME(ctx, F_SERVICE, unconfirmed_names, service);
		if (service == I_AM || service == I_HAVE || service == WHO_HAS)
			emit_first_name(ctx, in);
		break;
	case COMPLEX_ACK:
		service = invoked_service(&in, first);
		if (service == READ_PROPERTY || service == READ_PROPERTY_MULTIPLE)
			emit_first_name(ctx, in);
		break;
	default:
		break;
	}
}

/* Network and address, whose length is before it. */
static void
skip_network(struct cursor *in)
{
	cursor_skip(in, 2);
	cursor_skip(in, cursor_u8(in));
}

static void
take_npdu(struct shrike_ctx *ctx, struct cursor in)
{
	uint8_t version = cursor_u8(&in), control = cursor_u8(&in);

	if (version != NPDU_VERSION)
		return;
	if ((control & NPDU_HAS_DESTINATION) != 0)
		skip_network(&in);
	if ((control & NPDU_HAS_SOURCE) != 0)
		skip_network(&in);
	if ((control & NPDU_HAS_DESTINATION) != 0)
		cursor_skip(&in, 1); /* hop count */
	if (!cursor_bad(&in) && (control & NPDU_IS_NETWORK) == 0)
		take_apdu(ctx, in);
}

static enum shrike_verdict
bacnet_parse(struct shrike_ctx *ctx, struct cursor in)
{
	uint8_t type, function;

	if (!shrike_has_protocol(ctx, "bacnet")) {
		if (!is_bacnet(in))
			return SHRIKE_NOT_MINE;
		shrike_add_protocol(ctx, "bacnet");
	}
	type = cursor_u8(&in);
	function = cursor_u8(&in);
	cursor_skip(&in, 2); /* what is behind the length that it says is read too */
	if (cursor_bad(&in) || function >= RTE_DIM(function_names))
		return SHRIKE_MORE;
	shrike_emit_str(ctx, F_FUNCTION, function_names[function]);
	if (function == FORWARDED)
		cursor_skip(&in, type == BVLL_IPV6 ? ORIGIN_IPV6_BYTES : ORIGIN_IPV4_BYTES);
	if (function == FORWARDED || (function >= DISTRIBUTE_BROADCAST && function <= ORIGINAL_BROADCAST))
		take_npdu(ctx, in);
	return SHRIKE_MORE;
}

static const struct shrike_parser bacnet = {
	.api = SHRIKE_API,
	.name = "bacnet",
	.match =
		(const struct shrike_match[]){
			{.transports = SHRIKE_UDP, SHRIKE_BYTES("\x81")},
			{.transports = SHRIKE_UDP, SHRIKE_BYTES("\x82")},
			{0},
		},
	.fields = bacnet_fields,
	.n_fields = N_FIELDS,
	.parse = bacnet_parse,
};
SHRIKE_PARSER(bacnet);
