/* DCE/RPC over TCP, connection-oriented (C706 12.6, MS-RPCE 2.2.2): kinds of messages, the interfaces that the client
 * asks for and the numbers of the operations that it calls.
 *
 * Each side says in its headers which byte order it has. A message (fragment) is read when it is whole; limits:
 * FRAGMENT_MAX_BYTES, also for what waits of a direction. NTLM messages of authentication trailers go to "ntlm";
 * Kerberos and SPNEGO are not looked at. */
#include "parser.h"

#include <stdio.h>

#include <rte_common.h>

enum { F_UUID, F_INTERFACE, F_TYPE, F_OPNUM, F_VERSION, N_FIELDS };

static const struct field dcerpc_fields[N_FIELDS] = {
	[F_UUID] = {"dcerpc.uuid", "dcerpc.uuid", "dcerpc", "termfield", FIELD_STR_SET, FIELD_COUNT, "UUID",
		    "Identifiers of the interfaces that are asked for", NULL},
	[F_INTERFACE] = {"dcerpc.interface", "dcerpc.interface", "dcerpc", "termfield", FIELD_STR_SET, FIELD_COUNT,
			 "Interface", "Names of those interfaces that are well known", NULL},
	[F_TYPE] = {"dcerpc.msgType", "dcerpc.msgType", "dcerpc", "termfield", FIELD_STR_SET, FIELD_COUNT,
		    "Message Type", "Kinds of messages", NULL},
	[F_OPNUM] = {"dcerpc.opnum", "dcerpc.opnum", "dcerpc", "integer", FIELD_INT_SET, FIELD_COUNT, "Opnum",
		     "Numbers of the operations that are called", NULL},
	[F_VERSION] = {"dcerpc.version", "dcerpc.version", "dcerpc", "termfield", FIELD_STR_SET, FIELD_COUNT, "Version",
		       "Major versions of the interfaces that are asked for", NULL},
};

enum { CALL_NTLM };
static const char *const dcerpc_calls[] = {[CALL_NTLM] = "ntlm", NULL};

enum {
	FRAGMENT_MAX_BYTES = 8192,
	HEADER_BYTES = 16,
	TYPE_OFFSET = 2,
	LITTLE_ENDIAN_BIT = 0x10,
	CALL_HEADER_BYTES = 24, /* of a request; no trailer begins before it, whatever the type */
	OPNUM_OFFSET = 22,

	TYPE_REQUEST = 0,
	TYPE_BIND = 11,
	TYPE_ALTER_CONTEXT = 14,

	BIND_LIMITS_BYTES = 8, /* fragment sizes and association group */
	CONTEXT_BYTES_MIN = 44,
	UUID_CHARACTERS = 36,
	TRANSFER_SYNTAX_BYTES = 20,

	TRAILER_BYTES = 8,
	AUTH_NTLM = 10, /* MS-RPCE 2.2.1.1.7 */
};

struct dcerpc {
	bool is_dcerpc;
	struct shrike_buffer buffer[2];
};

struct pdu {
	uint8_t type;
	bool is_little;
	uint16_t size, auth_size;
	struct cursor whole;
};

static const char *const type_names[] = {
	[0] = "request",   [2] = "response",   [3] = "fault",	       [11] = "bind",
	[12] = "bind-ack", [13] = "bind-nak",  [14] = "alter-context", [15] = "alter-context-resp",
	[17] = "shutdown", [18] = "co-cancel", [19] = "orphaned",
};

static const struct {
	const char *uuid, *name;
} interfaces[] = {
	{"e3514235-4b06-11d1-ab04-00c04fc2dcd2", "drsuapi"},
	{"12345778-1234-abcd-ef00-0123456789ac", "samr"},
	{"12345678-1234-abcd-ef00-01234567cffb", "netlogon"},
	{"367abb81-9844-35f1-ad32-98f038001003", "svcctl"},
	{"4b324fc8-1670-01d3-1278-5a47bf6ee188", "srvsvc"},
	{"1ff70682-0a51-30e8-076d-740be8cee98b", "atsvc"},
	{"338cd001-2244-31f1-aaaa-900038001003", "winreg"},
	{"c681d488-d850-11d0-8c52-00c04fd90f7e", "efsrpc"},
	{"df1941c5-fe89-4e79-bf10-463657acf44d", "efsr"},
	{"12345678-1234-abcd-ef00-0123456789ab", "rprn"},
	{"76f03f96-cdfd-44fc-a22c-64950a001209", "par"},
	{"4fc742e0-4a10-11cf-8273-00aa004ae673", "dfsnm"},
	{"a8e0653c-2744-4389-a61d-7373df8b2292", "fsrvp"},
	{"9556dc99-828c-11cf-a37e-00aa003240c7", "wmi"},
	{"91ae6020-9e3c-11cf-8d7c-00aa00c091be", "icertpassage"},
	{"d99e6e71-fc88-11d0-b498-00a0c90312f3", "icertrequestd"},
	{"7f1343fe-50a9-4927-a778-0c5859517bac", "icertrequestd2"},
	{"3dde7c30-165d-11d1-ab8f-00805f14db40", "bkrp"},
	{"f6beaff7-1e19-4fbb-9f8f-b89e2018337c", "even6"},
	{"897e2e5f-93f3-4376-9c9c-fd2277495c27", "frs2"},
	{"99fcfec4-5260-101b-bbcb-00aa0021347a", "ioxidresolver"},
	{"12345778-1234-abcd-ef00-0123456789ab", "lsarpc"},
	{"6bffd098-a112-3610-9833-46c3f87e345a", "wkssvc"},
	{"3919286a-b10c-11d0-9ba8-00c04fd92ef5", "dssetup"},
	{"e1af8308-5d1f-11c9-91a4-08002b14a0fa", "epmapper"},
	{"86d35949-83c9-4044-b424-db363231fd0c", "itaskscheduler"},
	{"00000131-0000-0000-c000-000000000046", "iremunknown"},
	{"00000134-0000-0000-c000-000000000046", "iremunknown2"},
	{"000001a0-0000-0000-c000-000000000046", "isystemactivator"},
	{"ccd8c074-d0e5-4a40-92b4-d074faa6ba28", "witness"},
	{"afa8bd80-7d8a-11c9-bef4-08002b102989", "mgmt"},
	{"f5cc5a18-4264-101a-8c59-08002b2f8426", "nspi"},
	{"82273fdc-e32a-18c3-3f78-827929dc23ea", "even"},
	{"a4f1db00-ca47-1067-b31f-00dd010662da", "mapi"},
	{"f309ad18-d86a-11d0-a075-00c04fb68820", "iwbemlevel1login"},
	{"5a7b91f8-ff00-11d0-a9b2-00c04fb6e6fc", "msrp"},
	{"50abc2a4-574d-40b3-9d66-ee4fd5fba076", "dnsserver"},
};

static uint16_t
read_u16(struct cursor *c, bool is_little)
{
	return is_little ? cursor_le16(c) : cursor_be16(c);
}

static uint32_t
read_u32(struct cursor *c, bool is_little)
{
	return is_little ? cursor_le32(c) : cursor_be32(c);
}

/* C706 appendix A: three numbers and eight bytes. */
static void
emit_interface(struct shrike_ctx *ctx, struct cursor *c, bool is_little)
{
	char uuid[UUID_CHARACTERS + 1];
	uint32_t low = read_u32(c, is_little);
	uint16_t middle = read_u16(c, is_little), high = read_u16(c, is_little);
	const uint8_t *b = cursor_take(c, 8);

	if (b == NULL)
		return;
	(void)snprintf(uuid, sizeof(uuid), "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", low, middle, high, b[0],
		       b[1], b[2], b[3], b[4], b[5], b[6], b[7]);
	shrike_emit_str(ctx, F_UUID, uuid);
	for (size_t i = 0; i < RTE_DIM(interfaces); i++)
		if (strcmp(interfaces[i].uuid, uuid) == 0) {
			shrike_emit_str(ctx, F_INTERFACE, interfaces[i].name);
			shrike_add_protocol(ctx, interfaces[i].name);
			return;
		}
}

/* The list of presentation contexts (C706 12.6.3.1), as bind and alter-context have it. */
static void
contexts(struct shrike_ctx *ctx, const struct pdu *pdu)
{
	struct cursor c = pdu->whole;
	uint8_t n_contexts;

	cursor_skip(&c, HEADER_BYTES + BIND_LIMITS_BYTES);
	n_contexts = cursor_u8(&c);
	cursor_skip(&c, 3);
	for (unsigned i = 0; i < n_contexts && cursor_left(&c) >= CONTEXT_BYTES_MIN; i++) {
		uint8_t n_syntaxes;

		cursor_skip(&c, 2);
		n_syntaxes = cursor_u8(&c);
		cursor_skip(&c, 1);
		emit_interface(ctx, &c, pdu->is_little);
		shrike_emit_format(ctx, F_VERSION, "%u", read_u16(&c, pdu->is_little));
		cursor_skip(&c, 2 + (size_t)n_syntaxes * TRANSFER_SYNTAX_BYTES);
	}
}

static void
operation(struct shrike_ctx *ctx, const struct pdu *pdu)
{
	struct cursor c = pdu->whole;
	uint16_t opnum;

	cursor_skip(&c, OPNUM_OFFSET);
	opnum = read_u16(&c, pdu->is_little);
	if (!cursor_bad(&c))
		shrike_emit_int(ctx, F_OPNUM, opnum);
}

/* sec_trailer of MS-RPCE 2.2.2.11: the credentials end the message. */
static void
authentication(struct shrike_ctx *ctx, const struct pdu *pdu)
{
	struct cursor c = pdu->whole;

	if (pdu->auth_size == 0 || pdu->size < CALL_HEADER_BYTES + pdu->auth_size)
		return;
	cursor_skip(&c, (size_t)pdu->size - pdu->auth_size - TRAILER_BYTES);
	if (cursor_peek(&c, 0) != AUTH_NTLM)
		return;
	cursor_skip(&c, TRAILER_BYTES);
	(void)shrike_call(ctx, CALL_NTLM, c, NULL);
}

static void
take_pdu(struct shrike_ctx *ctx, const struct pdu *pdu)
{
	SHRIKE_EMIT_NAME(ctx, F_TYPE, type_names, pdu->type);
	switch (pdu->type) {
	case TYPE_BIND:
	case TYPE_ALTER_CONTEXT:
		contexts(ctx, pdu);
		break;
	case TYPE_REQUEST:
		operation(ctx, pdu);
		break;
	default:
		break;
	}
	authentication(ctx, pdu);
}

static struct pdu
read_header(struct cursor c)
{
	struct pdu pdu = {0};

	cursor_skip(&c, TYPE_OFFSET);
	pdu.type = cursor_u8(&c);
	cursor_skip(&c, 1);
	pdu.is_little = (cursor_u8(&c) & LITTLE_ENDIAN_BIT) != 0;
	cursor_skip(&c, 3);
	pdu.size = read_u16(&c, pdu.is_little);
	pdu.auth_size = read_u16(&c, pdu.is_little);
	return pdu;
}

/* False: what stands there is no header, and where the next one would be nobody knows. */
static bool
take_pdus(struct shrike_ctx *ctx, struct cursor *in)
{
	while (cursor_left(in) >= HEADER_BYTES) {
		struct pdu pdu = read_header(*in);

		if (pdu.size < HEADER_BYTES) {
			shrike_add_tag(ctx, "dcerpc:bad-fraglen");
			return false;
		}
		if (pdu.size > FRAGMENT_MAX_BYTES) {
			shrike_add_tag(ctx, "dcerpc:fragment-too-long");
			return false;
		}
		if (cursor_left(in) < pdu.size)
			return true;
		pdu.whole = cursor_sub(in, pdu.size);
		take_pdu(ctx, &pdu);
	}
	return true;
}

static enum shrike_verdict
dcerpc_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct dcerpc *state = shrike_state(ctx);
	struct shrike_buffer *buffer = &state->buffer[shrike_direction(ctx)];
	struct cursor joined;

	if (!state->is_dcerpc) {
		if (cursor_left(&in) < HEADER_BYTES || shrike_has_protocol(ctx, "dcerpc"))
			return SHRIKE_NOT_MINE;
		state->is_dcerpc = true;
		shrike_add_protocol(ctx, "dcerpc");
	}
	if (!shrike_join(ctx, buffer, in, FRAGMENT_MAX_BYTES, &joined) || !take_pdus(ctx, &joined))
		return SHRIKE_DONE;
	shrike_keep(ctx, buffer, joined);
	return SHRIKE_MORE;
}

static const struct shrike_match dcerpc_match[] = {
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x05\0\x0b")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x05\0\0")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x05\0\x02")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x05\0\x0c")},
	{0},
};

static const struct shrike_parser dcerpc = {
	.api = SHRIKE_API,
	.name = "dcerpc",
	.match = dcerpc_match,
	.fields = dcerpc_fields,
	.n_fields = N_FIELDS,
	.calls = dcerpc_calls,
	.state_bytes = sizeof(struct dcerpc),
	.parse = dcerpc_parse,
};
SHRIKE_PARSER(dcerpc);
