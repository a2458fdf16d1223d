/* ISAKMP and IKE version 1 (RFC 2408, RFC 2409) and IKE version 2 (RFC 7296).
 *
 * Recorded are who speaks (SPIs, which version 1 calls cookies), the exchanges, what is offered or chosen for the
 * association that protects the rest, vendor ids, and certificates. The rest is encrypted, which version 1 says in a
 * flag; in version 2 only the first exchange is not.
 *
 * On port 4500 four bytes of zeroes come first, because ESP uses the same port (RFC 3948, section 2.2); the first
 * datagram of a direction decides, later ones that are ESP are passed over. Payloads, proposals and transforms are
 * chains that take bytes of the datagram, which bounds them. */
#include "parser.h"

#include <rte_common.h>

enum {
	F_INITIATOR,
	F_RESPONDER,
	F_VERSION,
	F_EXCHANGE,
	F_VENDOR,
	F_ENCRYPTION,
	F_HASH,
	F_GROUP,
	F_AUTHENTICATION,
	N_FIELDS
};

enum { FLAGS = FIELD_COUNT | FIELD_TO_NUL };

static const struct field isakmp_fields[N_FIELDS] = {
	[F_INITIATOR] = {"isakmp.initiatorSpi", "isakmp.initiator-spi", "isakmp", "termfield", FIELD_STR_SET, FLAGS,
			 "Initiator SPI", "Identifiers of initiators, in hex", NULL},
	[F_RESPONDER] = {"isakmp.responderSpi", "isakmp.responder-spi", "isakmp", "termfield", FIELD_STR_SET, FLAGS,
			 "Responder SPI", "Identifiers of responders, in hex", NULL},
	[F_VERSION] = {"isakmp.version", "isakmp.version", "isakmp", "termfield", FIELD_STR_SET, FLAGS, "Version",
		       "Protocol versions", NULL},
	[F_EXCHANGE] = {"isakmp.exchangeType", "isakmp.exchange-type", "isakmp", "termfield", FIELD_STR_SET, FLAGS,
			"Exchange Type", "Kinds of exchanges", NULL},
	[F_VENDOR] = {"isakmp.vendorId", "isakmp.vendor-id", "isakmp", "termfield", FIELD_STR_SET, FLAGS, "Vendor ID",
		      "Extensions and vendors, by name or in hex", NULL},
	[F_ENCRYPTION] = {"isakmp.encryption", "isakmp.encryption", "isakmp", "termfield", FIELD_STR_SET, FLAGS,
			  "Encryption", "Encryption algorithms that are offered or chosen", NULL},
	[F_HASH] = {"isakmp.hash", "isakmp.hash", "isakmp", "termfield", FIELD_STR_SET, FLAGS, "Hash/PRF",
		    "Hashes, or pseudorandom functions, that are offered or chosen", NULL},
	[F_GROUP] = {"isakmp.dhGroup", "isakmp.dh-group", "isakmp", "termfield", FIELD_STR_SET, FLAGS, "DH Group",
		     "Groups of key exchanges that are offered or chosen", NULL},
	[F_AUTHENTICATION] = {"isakmp.authMethod", "isakmp.auth-method", "isakmp", "termfield", FIELD_STR_SET, FLAGS,
			      "Auth Method", "Ways to authenticate that are offered or chosen", NULL},
};

enum { CALL_CERTIFICATE };
static const char *const isakmp_calls[] = {[CALL_CERTIFICATE] = "certs.one", NULL};

enum {
	PORT = 500,
	PORT_NAT = 4500,
	HEADER_BYTES = 28,
	SPI_BYTES = 8,
	MESSAGE_AND_LENGTH_BYTES = 8,
	PAYLOAD_HEAD_BYTES = 4,
	ELEMENT_BYTES_MIN = 8, /* of proposals and transforms */
	SITUATION_BYTES = 4,
	DOI_IPSEC = 1,
	ATTRIBUTE_SHORT = 0x8000, /* the value is in the place of the length */
	VENDOR_NAMED_BYTES = 8,
	VENDOR_HEX_BYTES = 16,
	CERTIFICATE_X509_SIGNATURE = 4,

	FLAG_ENCRYPTED = 0x01, /* of version 1 */
	FLAGS_UNUSED_1 = 0xf8,
	FLAGS_UNUSED_2 = 0xc7,

	/* RFC 7296, section 3.1. */
	EXCHANGE_SA_INIT = 34,
	EXCHANGE_LAST = 37,

	/* RFC 2408, section 3.1; RFC 7296, section 3.2. */
	PAYLOAD_SA_1 = 1,
	PAYLOAD_CERTIFICATE_1 = 6,
	PAYLOAD_VENDOR_1 = 13,
	PAYLOAD_SA_2 = 33,
	PAYLOAD_CERTIFICATE_2 = 37,
	PAYLOAD_VENDOR_2 = 43,
};

/* ---- Names */

static const char *const exchange_names_1[] = {
	[0] = "none",	    [1] = "base",	   [2] = "identity-protection", [3] = "authentication-only",
	[4] = "aggressive", [5] = "informational", [32] = "quick-mode",		[33] = "new-group-mode",
};

static const char *const exchange_names_2[] = {
	[34] = "ike-sa-init",
	[35] = "ike-auth",
	[36] = "create-child-sa",
	[37] = "informational",
};

/* RFC 2409, appendix A, and IANA's registries after it. */
static const char *const encryption_names_1[] = {
	[1] = "des-cbc",  [2] = "idea-cbc", [3] = "blowfish-cbc", [4] = "rc5-r16-b64-cbc",
	[5] = "3des-cbc", [6] = "cast-cbc", [7] = "aes-cbc",	  [8] = "camellia-cbc",
};

static const char *const hash_names_1[] = {
	[1] = "md5", [2] = "sha1", [3] = "tiger", [4] = "sha2-256", [5] = "sha2-384", [6] = "sha2-512",
};

/* RFC 7296, section 3.3.2. */
static const char *const encryption_names_2[] = {
	[1] = "des-iv64",
	[2] = "des",
	[3] = "3des",
	[4] = "rc5",
	[5] = "idea",
	[6] = "cast",
	[7] = "blowfish",
	[8] = "3idea",
	[9] = "des-iv32",
	[11] = "null",
	[12] = "aes-cbc",
	[13] = "aes-ctr",
	[14] = "aes-ccm-8",
	[15] = "aes-ccm-12",
	[16] = "aes-ccm-16",
	[18] = "aes-gcm-8",
	[19] = "aes-gcm-12",
	[20] = "aes-gcm-16",
	[21] = "null-auth-aes-gmac",
	[23] = "camellia-cbc",
	[24] = "camellia-ctr",
	[25] = "camellia-ccm-8",
	[26] = "camellia-ccm-12",
	[27] = "camellia-ccm-16",
	[28] = "chacha20-poly1305",
};

static const char *const prf_names[] = {
	[1] = "prf-hmac-md5",	   [2] = "prf-hmac-sha1",     [3] = "prf-hmac-tiger",	 [4] = "prf-aes128-xcbc",
	[5] = "prf-hmac-sha2-256", [6] = "prf-hmac-sha2-384", [7] = "prf-hmac-sha2-512",
};

static const char *const group_names[] = {
	[1] = "modp768",	[2] = "modp1024",	[5] = "modp1536",	[14] = "modp2048",
	[15] = "modp3072",	[16] = "modp4096",	[17] = "modp6144",	[18] = "modp8192",
	[19] = "ecp256",	[20] = "ecp384",	[21] = "ecp521",	[22] = "modp1024s160",
	[23] = "modp2048s224",	[24] = "modp2048s256",	[25] = "ecp192",	[26] = "ecp224",
	[27] = "brainpoolp224", [28] = "brainpoolp256", [29] = "brainpoolp384", [30] = "brainpoolp512",
	[31] = "curve25519",	[32] = "curve448",
};

struct code_name {
	uint64_t code;
	const char *name;
};

static const struct code_name authentication_names[] = {
	{1, "psk"},	{2, "dss-sig"},	       {3, "rsa-sig"},	     {4, "rsa-enc"},
	{5, "rsa-enc"}, {64221, "hybrid-rsa"}, {65001, "xauth-psk"}, {65005, "xauth-rsa"},
};

/* The first bytes of hashes of names, or of the names themselves. */
static const struct code_name vendor_names[] = {
	{0x4a131c8107035845, "rfc3947-nat-t"},
	{0x90cb80913ebb696e, "draft-ietf-nat-t-02"},
	{0xcd60464335df21f8, "draft-ietf-nat-t-03"},
	{0x7d9419a65310ca6f, "draft-ietf-nat-t-rfc"},
	{0xafcad71368a1f1c9, "dpd"},
	{0x12f5f28c457168a9, "cisco-unity"},
	{0x09002689dfd6b712, "xauth"},
	{0x1f07f70eaa6514d3, "cisco-concentrator"},
	{0x4048b7d56ebce885, "ikev2"},
	{0x4d532d4d616d6965, "ms-ikev2"},
	{0x1e2b516905991c7d, "windows"},
	{0x4f452e484a52414e, "fortigate"},
	{0x166f932d55eb64d8, "strongswan"},
	{0x699369228741c6d4, "openswan"},
	{0x4f50454e5377616e, "openswan2"},
	{0xfbf47614984031fa, "checkpoint"},
	{0xf4ed19e0c114eb51, "checkpoint-ng"},
};

static bool
emit_code(struct shrike_ctx *ctx, unsigned field, const struct code_name *names, size_t n, uint64_t code)
{
	for (size_t i = 0; i < n; i++)
		if (names[i].code == code) {
			shrike_emit_str(ctx, field, names[i].name);
			return true;
		}
	return false;
}

/* ---- Associations */

/* A generic header (RFC 2408, section 3.2) and what it is of, as a child; false: the chain ends here. */
static bool
next_element(struct cursor *in, size_t size_min, uint8_t *next, struct cursor *body)
{
	uint16_t size;

	*next = cursor_u8(in);
	cursor_skip(in, 1);
	size = cursor_be16(in);
	if (cursor_bad(in) || size < size_min)
		return false;
	*body = cursor_sub(in, size - (size_t)PAYLOAD_HEAD_BYTES);
	return !cursor_bad(in);
}

static void
take_attribute(struct shrike_ctx *ctx, unsigned type, uint16_t value)
{
	switch (type) {
	case 1:
		SHRIKE_EMIT_NAME(ctx, F_ENCRYPTION, encryption_names_1, value);
		break;
	case 2:
		SHRIKE_EMIT_NAME(ctx, F_HASH, hash_names_1, value);
		break;
	case 3:
		(void)emit_code(ctx, F_AUTHENTICATION, authentication_names, RTE_DIM(authentication_names), value);
		break;
	case 4:
		SHRIKE_EMIT_NAME(ctx, F_GROUP, group_names, value);
		break;
	default:
		break;
	}
}

/* RFC 2408, sections 3.6 and 3.3: number, id, reserved, attributes. */
static void
transform_1(struct shrike_ctx *ctx, struct cursor in)
{
	cursor_skip(&in, 4);
	while (cursor_left(&in) > 0) {
		uint16_t type = cursor_be16(&in), value = cursor_be16(&in);

		if (cursor_bad(&in))
			return;
		if ((type & ATTRIBUTE_SHORT) != 0)
			take_attribute(ctx, type & ~(unsigned)ATTRIBUTE_SHORT, value);
		else
			cursor_skip(&in, value);
	}
}

/* RFC 7296, section 3.3.2: type, reserved, id, attributes. */
static void
transform_2(struct shrike_ctx *ctx, struct cursor in)
{
	uint8_t type = cursor_u8(&in);
	uint16_t id;

	cursor_skip(&in, 1);
	id = cursor_be16(&in);
	switch (type) {
	case 1:
		SHRIKE_EMIT_NAME(ctx, F_ENCRYPTION, encryption_names_2, id);
		break;
	case 2:
		SHRIKE_EMIT_NAME(ctx, F_HASH, prf_names, id);
		break;
	case 4:
		SHRIKE_EMIT_NAME(ctx, F_GROUP, group_names, id);
		break;
	default:
		break;
	}
}

static void
parse_proposals(struct shrike_ctx *ctx, struct cursor in, bool is_version_2)
{
	struct cursor proposal, transform;
	uint8_t next = 1, n_transforms, spi_bytes, unused;

	while (next != 0 && next_element(&in, ELEMENT_BYTES_MIN, &next, &proposal)) {
		cursor_skip(&proposal, 2); /* number, protocol */
		spi_bytes = cursor_u8(&proposal);
		n_transforms = cursor_u8(&proposal);
		cursor_skip(&proposal, spi_bytes);
		for (; n_transforms > 0 && next_element(&proposal, ELEMENT_BYTES_MIN, &unused, &transform);
		     n_transforms--)
			if (is_version_2)
				transform_2(ctx, transform);
			else
				transform_1(ctx, transform);
	}
}

/* ---- Payloads */

static void
parse_vendor(struct shrike_ctx *ctx, struct cursor in)
{
	struct cursor c = in;
	uint64_t code = cursor_be64(&c);
	size_t size = RTE_MIN(cursor_left(&in), (size_t)VENDOR_HEX_BYTES);

	if (cursor_bad(&c) || !emit_code(ctx, F_VENDOR, vendor_names, RTE_DIM(vendor_names), code))
		shrike_emit_hex(ctx, F_VENDOR, cursor_take(&in, size), size);
}

static void
parse_payload(struct shrike_ctx *ctx, uint8_t type, struct cursor in, bool is_version_2)
{
	switch (type) {
	case PAYLOAD_SA_1:
		if (is_version_2 || cursor_be32(&in) != DOI_IPSEC)
			break;
		cursor_skip(&in, SITUATION_BYTES);
		parse_proposals(ctx, in, false);
		break;
	case PAYLOAD_SA_2:
		if (is_version_2)
			parse_proposals(ctx, in, true);
		break;
	case PAYLOAD_VENDOR_1:
	case PAYLOAD_VENDOR_2:
		parse_vendor(ctx, in);
		break;
	case PAYLOAD_CERTIFICATE_1:
	case PAYLOAD_CERTIFICATE_2:
		if (cursor_u8(&in) == CERTIFICATE_X509_SIGNATURE)
			(void)shrike_call(ctx, CALL_CERTIFICATE, in, NULL);
		break;
	default:
		break;
	}
}

static void
parse_payloads(struct shrike_ctx *ctx, uint8_t type, struct cursor in, bool is_version_2)
{
	struct cursor body;
	uint8_t next;

	while (type != 0 && next_element(&in, PAYLOAD_HEAD_BYTES, &next, &body)) {
		parse_payload(ctx, type, body, is_version_2);
		type = next;
	}
}

/* ---- Messages */

struct header {
	struct cursor initiator, responder;
	uint8_t next_payload, major, minor, exchange, flags;
};

/* Off the beginning of the message; false: it is too short, or ESP. */
static bool
read_header(const struct shrike_ctx *ctx, struct cursor *in, struct header *header)
{
	uint8_t version;

	if ((shrike_port(ctx, 0) == PORT_NAT || shrike_port(ctx, 1) == PORT_NAT) && cursor_be32(in) != 0)
		return false;
	if (cursor_left(in) < HEADER_BYTES)
		return false;
	header->initiator = cursor_sub(in, SPI_BYTES);
	header->responder = cursor_sub(in, SPI_BYTES);
	header->next_payload = cursor_u8(in);
	version = cursor_u8(in);
	header->major = version >> 4;
	header->minor = version & 0x0f;
	header->exchange = cursor_u8(in);
	header->flags = cursor_u8(in);
	cursor_skip(in, MESSAGE_AND_LENGTH_BYTES);
	return true;
}

static bool
is_isakmp(const struct header *header)
{
	uint8_t exchange = header->exchange;

	if (header->major == 1)
		return (header->flags & FLAGS_UNUSED_1) == 0 &&
		       (exchange <= 5 || exchange == 32 || exchange == 33 || exchange >= 240);
	return header->major == 2 && (header->flags & FLAGS_UNUSED_2) == 0 && exchange >= EXCHANGE_SA_INIT &&
	       exchange <= EXCHANGE_LAST;
}

static void
emit_header(struct shrike_ctx *ctx, const struct header *header)
{
	struct cursor initiator = header->initiator, responder = header->responder, c = responder;

	shrike_emit_hex(ctx, F_INITIATOR, cursor_take(&initiator, SPI_BYTES), SPI_BYTES);
	if (cursor_be64(&c) != 0)
		shrike_emit_hex(ctx, F_RESPONDER, cursor_take(&responder, SPI_BYTES), SPI_BYTES);
	shrike_emit_format(ctx, F_VERSION, "%u.%u", header->major, header->minor);
	if (header->major == 2)
		SHRIKE_EMIT_NAME(ctx, F_EXCHANGE, exchange_names_2, header->exchange);
	else
		SHRIKE_EMIT_NAME(ctx, F_EXCHANGE, exchange_names_1, header->exchange);
}

static enum shrike_verdict
isakmp_parse(struct shrike_ctx *ctx, struct cursor in)
{
	bool *is_known = shrike_state(ctx), is_version_2;
	struct header header;

	if (!read_header(ctx, &in, &header))
		return *is_known ? SHRIKE_MORE : SHRIKE_NOT_MINE;
	if (!*is_known) {
		if (!is_isakmp(&header))
			return SHRIKE_NOT_MINE;
		*is_known = true;
		shrike_add_protocol(ctx, "isakmp");
	}
	emit_header(ctx, &header);
	is_version_2 = header.major == 2;
	if (is_version_2 ? header.exchange == EXCHANGE_SA_INIT : (header.flags & FLAG_ENCRYPTED) == 0)
		parse_payloads(ctx, header.next_payload, in, is_version_2);
	return SHRIKE_MORE;
}

static const struct shrike_match isakmp_match[] = {
	{.transports = SHRIKE_UDP, .port = PORT, .min_bytes = HEADER_BYTES},
	{.transports = SHRIKE_UDP, .port = PORT_NAT, .min_bytes = HEADER_BYTES},
	{0},
};

static const struct shrike_parser isakmp = {
	.api = SHRIKE_API,
	.name = "isakmp",
	.match = isakmp_match,
	.fields = isakmp_fields,
	.n_fields = N_FIELDS,
	.calls = isakmp_calls,
	.state_bytes = sizeof(bool),
	.parse = isakmp_parse,
};
SHRIKE_PARSER(isakmp);
