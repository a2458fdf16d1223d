/* Kerberos 5 (RFC 4120): who asks a key distribution centre for which service, and why it refuses.
 *
 * Recorded are names, realms and encryption types of requests (AS-REQ, TGS-REQ) and of errors; replies only show that
 * it is Kerberos, since what they say is encrypted or was in the request. Over UDP a datagram is a message, over TCP
 * four bytes of length come before each.
 *
 * As in the reference, a chunk of TCP gives one message: a second one in it waits for the direction's next chunk. It is
 * recognised by the place of its version, so only when both outer lengths have the same form of more than one byte.
 *
 * Limits: RECORD_MAX_BYTES for a message over TCP, TYPES_MAX encryption types of a request, NAME_MAX_BYTES of a name.
 */
#include "ber.h"
#include "parser.h"

#include <rte_common.h>

enum { F_REALM, F_CLIENT, F_SERVER, F_TYPE, F_ERROR, N_FIELDS };

#define SET FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL
static const struct field krb5_fields[N_FIELDS] = {
	[F_REALM] = {"krb5.realm", "krb5.realm", "krb5", "termfield", SET, "Realm", "Realms", NULL},
	[F_CLIENT] = {"krb5.cname", "krb5.cname", "krb5", "termfield", SET, "cname", "Names of clients", NULL},
	[F_SERVER] = {"krb5.sname", "krb5.sname", "krb5", "termfield", SET, "sname", "Names of services", NULL},
	[F_TYPE] = {"krb5.etype", "krb5.etype", "krb5", "termfield", SET, "Encryption Type",
		    "Encryption types that clients offer", NULL},
	[F_ERROR] = {"krb5.error", "krb5.error", "krb5", "termfield", SET, "Error Code", "Errors of servers", NULL},
};
#undef SET

enum {
	LENGTH_BYTES = 4,
	RECORD_MAX_BYTES = 8192 - LENGTH_BYTES,
	TYPES_MAX = 20,
	NAME_MAX_BYTES = 254,
	VERSION = 5,

	/* RFC 4120, 5.10: tags of messages, which are their types too. */
	AS_REQ = 10,
	AS_REP = 11,
	TGS_REQ = 12,
	TGS_REP = 13,
	KRB_ERROR = 30,

	REQUEST_ELEMENTS_MIN = 3,
	REQUEST_ELEMENTS = 4, /* version, type, preauthentication (optional), body */
	REQUEST_BODY = 4,
	BODY_ELEMENTS = 12,
	ERROR_ELEMENTS_MIN = 2,
	ERROR_ELEMENTS = 13,
	NAME_ELEMENTS = 2, /* type, parts */
};

/* RFC 3961, section 8, RFC 4757, RFC 6803, RFC 8009. */
static const char *const type_names[] = {
	[1] = "des-cbc-crc",
	[2] = "des-cbc-md4",
	[3] = "des-cbc-md5",
	[5] = "des3-cbc-md5",
	[7] = "des3-cbc-sha1",
	[16] = "des3-cbc-sha1-kd",
	[17] = "aes128-cts-hmac-sha1-96",
	[18] = "aes256-cts-hmac-sha1-96",
	[19] = "aes128-cts-hmac-sha256-128",
	[20] = "aes256-cts-hmac-sha384-192",
	[23] = "rc4-hmac",
	[24] = "rc4-hmac-exp",
	[25] = "camellia128-cts-cmac",
	[26] = "camellia256-cts-cmac",
};

/* RFC 4120, 7.5.9. */
static const char *const error_names[] = {
	[0] = "KDC_ERR_NONE",
	[1] = "KDC_ERR_NAME_EXP",
	[2] = "KDC_ERR_SERVICE_EXP",
	[3] = "KDC_ERR_BAD_PVNO",
	[4] = "KDC_ERR_C_OLD_MAST_KVNO",
	[5] = "KDC_ERR_S_OLD_MAST_KVNO",
	[6] = "KDC_ERR_C_PRINCIPAL_UNKNOWN",
	[7] = "KDC_ERR_S_PRINCIPAL_UNKNOWN",
	[8] = "KDC_ERR_PRINCIPAL_NOT_UNIQUE",
	[9] = "KDC_ERR_NULL_KEY",
	[10] = "KDC_ERR_CANNOT_POSTDATE",
	[11] = "KDC_ERR_NEVER_VALID",
	[12] = "KDC_ERR_POLICY",
	[13] = "KDC_ERR_BADOPTION",
	[14] = "KDC_ERR_ETYPE_NOSUPP",
	[15] = "KDC_ERR_SUMTYPE_NOSUPP",
	[16] = "KDC_ERR_PADATA_TYPE_NOSUPP",
	[17] = "KDC_ERR_TRTYPE_NOSUPP",
	[18] = "KDC_ERR_CLIENT_REVOKED",
	[19] = "KDC_ERR_SERVICE_REVOKED",
	[20] = "KDC_ERR_TGT_REVOKED",
	[21] = "KDC_ERR_CLIENT_NOTYET",
	[22] = "KDC_ERR_SERVICE_NOTYET",
	[23] = "KDC_ERR_KEY_EXPIRED",
	[24] = "KDC_ERR_PREAUTH_FAILED",
	[25] = "KDC_ERR_PREAUTH_REQUIRED",
	[26] = "KDC_ERR_SERVER_NOMATCH",
	[27] = "KDC_ERR_MUST_USE_USER2USER",
	[28] = "KDC_ERR_PATH_NOT_ACCEPTED",
	[29] = "KDC_ERR_SVC_UNAVAILABLE",
	[31] = "KRB_AP_ERR_BAD_INTEGRITY",
	[32] = "KRB_AP_ERR_TKT_EXPIRED",
	[33] = "KRB_AP_ERR_TKT_NYV",
	[34] = "KRB_AP_ERR_REPEAT",
	[35] = "KRB_AP_ERR_NOT_US",
	[36] = "KRB_AP_ERR_BADMATCH",
	[37] = "KRB_AP_ERR_SKEW",
	[38] = "KRB_AP_ERR_BADADDR",
	[39] = "KRB_AP_ERR_BADVERSION",
	[40] = "KRB_AP_ERR_MSG_TYPE",
	[41] = "KRB_AP_ERR_MODIFIED",
	[42] = "KRB_AP_ERR_BADORDER",
	[44] = "KRB_AP_ERR_BADKEYVER",
	[45] = "KRB_AP_ERR_NOKEY",
	[46] = "KRB_AP_ERR_MUT_FAIL",
	[47] = "KRB_AP_ERR_BADDIRECTION",
	[48] = "KRB_AP_ERR_METHOD",
	[49] = "KRB_AP_ERR_BADSEQ",
	[50] = "KRB_AP_ERR_INAPP_CKSUM",
	[51] = "KRB_AP_PATH_NOT_ACCEPTED",
	[52] = "KRB_ERR_RESPONSE_TOO_BIG",
	[60] = "KRB_ERR_GENERIC",
	[61] = "KRB_ERR_FIELD_TOOLONG",
	[62] = "KDC_ERROR_CLIENT_NOT_TRUSTED",
	[63] = "KDC_ERROR_KDC_NOT_TRUSTED",
	[64] = "KDC_ERROR_INVALID_SIG",
	[65] = "KDC_ERR_KEY_TOO_WEAK",
	[66] = "KDC_ERR_CERTIFICATE_MISMATCH",
	[67] = "KRB_AP_ERR_NO_TGT",
	[68] = "KDC_ERR_WRONG_REALM",
	[69] = "KRB_AP_ERR_USER_TO_USER_REQUIRED",
	[70] = "KDC_ERR_CANT_VERIFY_CERTIFICATE",
	[71] = "KDC_ERR_INVALID_CERTIFICATE",
	[72] = "KDC_ERR_REVOKED_CERTIFICATE",
	[73] = "KDC_ERR_REVOCATION_STATUS_UNKNOWN",
	[74] = "KDC_ERR_REVOCATION_STATUS_UNAVAILABLE",
	[75] = "KDC_ERR_CLIENT_NAME_MISMATCH",
	[76] = "KDC_ERR_KDC_NAME_MISMATCH",
};

static void
emit_string(struct shrike_ctx *ctx, unsigned field, const struct ber_element *element)
{
	struct cursor text = ber_string(element);

	if (cursor_left(&text) > 0)
		shrike_emit_rest(ctx, field, &text);
}

static size_t
append(char *out, size_t used, struct cursor text)
{
	size_t size = RTE_MIN(cursor_left(&text), NAME_MAX_BYTES - used);

	if (size > 0)
		memcpy(out + used, cursor_take(&text, size), size);
	return used + size;
}

/* PrincipalName (RFC 4120, 5.2.2), inside its tag: of more than two parts the first two. */
static void
emit_principal(struct shrike_ctx *ctx, unsigned field, struct cursor in)
{
	struct ber_element name[NAME_ELEMENTS], part[2];
	char text[NAME_MAX_BYTES];
	size_t size;
	unsigned n;

	if (ber_sequence(in, true, name, NAME_ELEMENTS) < NAME_ELEMENTS)
		return;
	n = ber_sequence(name[1].value, true, part, RTE_DIM(part));
	if (n == 0)
		return;
	if (n == 1) {
		size = append(text, 0, ber_string(&part[0]));
	} else {
		size = append(text, 0, ber_string(&part[0]));
		size = append(text, size, cursor_make("/", 1));
		size = append(text, size, ber_string(&part[1]));
	}
	if (size > 0)
		shrike_emit_bytes(ctx, field, text, size);
}

static void
emit_types(struct shrike_ctx *ctx, struct cursor in)
{
	struct ber_element type[TYPES_MAX];
	unsigned n = ber_sequence(in, true, type, TYPES_MAX);

	for (unsigned i = 0; i < n; i++)
		SHRIKE_EMIT_NAME(ctx, F_TYPE, type_names, (uint32_t)ber_int(&type[i]));
}

/* KDC-REQ-BODY (RFC 4120, 5.4.1). */
static void
parse_body(struct shrike_ctx *ctx, struct cursor in)
{
	struct ber_element element[BODY_ELEMENTS];
	unsigned n = ber_sequence(in, true, element, BODY_ELEMENTS);

	for (unsigned i = 0; i < n; i++)
		switch (element[i].tag) {
		case 1:
			emit_principal(ctx, F_CLIENT, element[i].value);
			break;
		case 2:
			emit_string(ctx, F_REALM, &element[i]);
			break;
		case 3:
			emit_principal(ctx, F_SERVER, element[i].value);
			break;
		case 8:
			emit_types(ctx, element[i].value);
			break;
		default:
			break;
		}
}

static void
parse_request(struct shrike_ctx *ctx, struct cursor in)
{
	struct ber_element element[REQUEST_ELEMENTS + 1];
	unsigned n = ber_sequence(in, true, element, RTE_DIM(element));
	int32_t type;

	if (n < REQUEST_ELEMENTS_MIN || ber_int(&element[0]) != VERSION)
		return;
	type = ber_int(&element[1]);
	if (type != AS_REQ && type != TGS_REQ)
		return;
	shrike_add_protocol(ctx, "krb5");
	if (element[2].tag == REQUEST_BODY)
		parse_body(ctx, element[2].value);
	else if (n == REQUEST_ELEMENTS)
		parse_body(ctx, element[3].value);
}

/* RFC 4120, 5.9.1. */
static void
parse_error(struct shrike_ctx *ctx, struct cursor in)
{
	struct ber_element element[ERROR_ELEMENTS];
	unsigned n = ber_sequence(in, true, element, ERROR_ELEMENTS);

	if (n < ERROR_ELEMENTS_MIN)
		return;
	shrike_add_protocol(ctx, "krb5");
	for (unsigned i = 0; i < n; i++)
		switch (element[i].tag) {
		case 6:
			SHRIKE_EMIT_NAME(ctx, F_ERROR, error_names, (uint32_t)ber_int(&element[i]));
			break;
		case 7:
		case 9:
			emit_string(ctx, F_REALM, &element[i]);
			break;
		case 8:
			emit_principal(ctx, F_CLIENT, element[i].value);
			break;
		case 10:
			emit_principal(ctx, F_SERVER, element[i].value);
			break;
		default:
			break;
		}
}

static void
parse_message(struct shrike_ctx *ctx, struct cursor in)
{
	struct ber_element message;

	if (!ber_next(&in, &message) || !message.constructed)
		return;
	switch (message.tag) {
	case AS_REQ:
	case TGS_REQ:
		parse_request(ctx, message.value);
		break;
	case AS_REP:
	case TGS_REP:
		shrike_add_protocol(ctx, "krb5");
		break;
	case KRB_ERROR:
		parse_error(ctx, message.value);
		break;
	default:
		break;
	}
}

/* ---- Datagrams and records */

struct krb5 {
	bool is_krb5;
	struct shrike_buffer buffer[2];
};

static bool
is_datagram(struct cursor in)
{
	struct ber_element message;

	return ber_next(&in, &message) && message.constructed && !message.clipped &&
	       (message.tag == AS_REQ || message.tag == TGS_REQ || message.tag == KRB_ERROR);
}

static bool
is_record(struct cursor in)
{
	uint16_t high = cursor_be16(&in);
	uint8_t identifier;

	cursor_skip(&in, 2);
	identifier = cursor_u8(&in);
	return high == 0 && ((identifier >= 0x6a && identifier <= 0x6d) || identifier == 0x7e);
}

/* False: one is too long. */
static bool
parse_records(struct shrike_ctx *ctx, struct cursor *in)
{
	for (;;) {
		struct cursor c = *in, record;
		uint32_t length = cursor_be32(&c);

		if (cursor_bad(&c))
			return true;
		if (length > RECORD_MAX_BYTES)
			return false;
		record = cursor_sub(&c, length);
		if (cursor_bad(&c))
			return true;
		*in = c;
		parse_message(ctx, record);
	}
}

static enum shrike_verdict
parse_stream(struct shrike_ctx *ctx, struct shrike_buffer *buffer, struct cursor in)
{
	struct cursor joined;

	if (!shrike_join(ctx, buffer, in, LENGTH_BYTES + RECORD_MAX_BYTES, &joined))
		return SHRIKE_DONE;
	if (!parse_records(ctx, &joined)) {
		shrike_add_tag(ctx, "krb5:record-too-long");
		return SHRIKE_DONE;
	}
	shrike_keep(ctx, buffer, joined);
	return SHRIKE_MORE;
}

static enum shrike_verdict
krb5_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct krb5 *s = shrike_state(ctx);
	bool is_stream = shrike_transport(ctx) == SHRIKE_TCP;

	if (!s->is_krb5 && !(is_stream ? is_record(in) : is_datagram(in)))
		return SHRIKE_NOT_MINE;
	s->is_krb5 = true;
	if (is_stream)
		return parse_stream(ctx, &s->buffer[shrike_direction(ctx)], in);
	parse_message(ctx, in);
	return SHRIKE_MORE;
}

/* The version, behind the outer tags and lengths. */
#define VERSION_BYTES SHRIKE_BYTES("\3\2\1\5")

static const struct shrike_match krb5_match[] = {
	{.transports = SHRIKE_UDP, .offset = 7, VERSION_BYTES},
	{.transports = SHRIKE_UDP, .offset = 9, VERSION_BYTES},
	{.transports = SHRIKE_TCP, .offset = 11, VERSION_BYTES},
	{.transports = SHRIKE_TCP, .offset = 13, VERSION_BYTES},
	{0},
};

static const struct shrike_parser krb5 = {
	.api = SHRIKE_API,
	.name = "krb5",
	.match = krb5_match,
	.fields = krb5_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct krb5),
	.parse = krb5_parse,
};
SHRIKE_PARSER(krb5);
