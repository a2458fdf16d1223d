/* Diameter (RFC 6733), over TCP and SCTP.
 *
 * Recorded are commands, applications, and of the attributes (AVPs) on the top level: names of hosts, realms, sessions
 * and users, and result codes. Vendors of attributes are not looked at. Over SCTP a chunk is one message; over TCP
 * messages follow one another. Limits: MESSAGE_MAX_BYTES. */
#include "parser.h"

#include <rte_common.h>

enum {
	F_ORIGIN_HOST,
	F_ORIGIN_REALM,
	F_DESTINATION_HOST,
	F_DESTINATION_REALM,
	F_SESSION_ID,
	F_USER,
	F_COMMAND,
	F_APPLICATION,
	F_RESULT_CODE,
	N_FIELDS
};

#define TEXTS FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL

static const struct field diameter_fields[N_FIELDS] = {
	[F_ORIGIN_HOST] = {"diameter.originHost", "diameter.origin-host", "diameter", "termfield", TEXTS, "Origin Host",
			   "Hosts that messages come from", NULL},
	[F_ORIGIN_REALM] = {"diameter.originRealm", "diameter.origin-realm", "diameter", "termfield", TEXTS,
			    "Origin Realm", "Realms that messages come from", NULL},
	[F_DESTINATION_HOST] = {"diameter.destHost", "diameter.dest-host", "diameter", "termfield", TEXTS, "Dest Host",
				"Hosts that messages are for", NULL},
	[F_DESTINATION_REALM] = {"diameter.destRealm", "diameter.dest-realm", "diameter", "termfield", TEXTS,
				 "Dest Realm", "Realms that messages are for", NULL},
	[F_SESSION_ID] = {"diameter.sessionId", "diameter.session-id", "diameter", "termfield", TEXTS, "Session ID",
			  "Identifiers of sessions", NULL},
	[F_USER] = {"diameter.user", "diameter.user", "diameter", "termfield", TEXTS, "User", "Names of users",
		    "category=user"},
	[F_COMMAND] = {"diameter.cmd", "diameter.cmd", "diameter", "termfield", TEXTS, "Command",
		       "Commands with their codes", NULL},
	[F_APPLICATION] = {"diameter.app", "diameter.app", "diameter", "termfield", TEXTS, "Application",
			   "Applications with their identifiers", NULL},
	[F_RESULT_CODE] = {"diameter.resultCode", "diameter.resultCode", "diameter", "integer", FIELD_INT_SET,
			   FIELD_COUNT, "Result Code", "Results of requests", NULL},
};

enum {
	VERSION = 1,
	HEADER_BYTES = 20,
	MESSAGE_MAX_BYTES = 8192,
	IDENTIFIER_BYTES = 8, /* hop by hop, end to end */
	FLAG_REQUEST = 0x80,
	FLAGS_RESERVED = 0x0f,

	/* RFC 6733, section 4.1 and 4.5. */
	AVP_BYTES = 8,
	AVP_VENDOR_BYTES = 4,
	AVP_FLAG_VENDOR = 0x80,
	AVP_ALIGNMENT = 4,
	AVP_RESULT_CODE = 268,
};

struct name {
	uint32_t code;
	const char *name;
};

static const struct name command_names[] = {
	{257, "Capabilities-Exchange"},
	{258, "Re-Auth"},
	{271, "Accounting"},
	{272, "Credit-Control"},
	{274, "Abort-Session"},
	{275, "Session-Termination"},
	{280, "Device-Watchdog"},
	{282, "Disconnect-Peer"},
	{300, "User-Authorization"},
	{301, "Server-Assignment"},
	{302, "Location-Info"},
	{303, "Multimedia-Auth"},
	{304, "Registration-Termination"},
	{305, "Push-Profile"},
	{306, "User-Data"},
	{307, "Profile-Update"},
	{308, "Subscribe-Notifications"},
	{309, "Push-Notification"},
	{316, "Update-Location"},
	{317, "Cancel-Location"},
	{318, "Authentication-Information"},
	{319, "Insert-Subscriber-Data"},
	{320, "Delete-Subscriber-Data"},
	{321, "Purge-UE"},
	{322, "Reset"},
	{323, "Notify"},
};

static const struct name application_names[] = {
	{0, "Common"},
	{1, "NASREQ"},
	{2, "Mobile-IPv4"},
	{3, "Base-Accounting"},
	{4, "Credit-Control"},
	{5, "EAP"},
	{6, "SIP"},
	{7, "MIP6I"},
	{8, "MIP6A"},
	{9, "QoS"},
	{16777216, "3GPP-Cx"},
	{16777217, "3GPP-Sh"},
	{16777236, "3GPP-Rx"},
	{16777238, "3GPP-Gx"},
	{16777251, "3GPP-S6a"},
	{16777252, "3GPP-S13"},
	{16777255, "3GPP-SLg"},
	{16777264, "3GPP-SWm"},
	{16777265, "3GPP-SWx"},
	{16777272, "3GPP-S6b"},
	{16777291, "3GPP-SLh"},
	{4294967295, "Relay"},
};

static const struct {
	uint32_t code;
	unsigned field;
} texts[] = {
	{1, F_USER},
	{263, F_SESSION_ID},
	{264, F_ORIGIN_HOST},
	{283, F_DESTINATION_REALM},
	{293, F_DESTINATION_HOST},
	{296, F_ORIGIN_REALM},
};

struct header {
	uint8_t version, flags;
	uint32_t length, command, application;
};

struct diameter {
	struct shrike_buffer buffer[2]; /* TCP only */
};

enum read { READ_OK, READ_MORE, READ_BAD };

static bool
read_header(struct cursor *in, struct header *h)
{
	h->version = cursor_u8(in);
	h->length = cursor_be24(in);
	h->flags = cursor_u8(in);
	h->command = cursor_be24(in);
	h->application = cursor_be32(in);
	cursor_skip(in, IDENTIFIER_BYTES);
	return !cursor_bad(in);
}

static bool
is_diameter(struct cursor in)
{
	struct header h;

	return read_header(&in, &h) && h.version == VERSION && h.length >= HEADER_BYTES &&
	       h.length <= MESSAGE_MAX_BYTES && (h.flags & FLAGS_RESERVED) == 0 && h.command != 0;
}

static const char *
find_name(const struct name *names, size_t n, uint32_t code)
{
	for (size_t i = 0; i < n; i++)
		if (names[i].code == code)
			return names[i].name;
	return NULL;
}

static void
emit_header(struct shrike_ctx *ctx, const struct header *h)
{
	const char *command = find_name(command_names, RTE_DIM(command_names), h->command);
	const char *application = find_name(application_names, RTE_DIM(application_names), h->application);
	const char *kind = (h->flags & FLAG_REQUEST) != 0 ? "Request" : "Answer";

	if (command != NULL)
		shrike_emit_format(ctx, F_COMMAND, "%s-%s (%u)", command, kind, h->command);
	else
		shrike_emit_format(ctx, F_COMMAND, "%s (%u)", kind, h->command);
	if (application != NULL)
		shrike_emit_format(ctx, F_APPLICATION, "%s (%u)", application, h->application);
	else
		shrike_emit_format(ctx, F_APPLICATION, "%u", h->application);
}

static void
take_avp(struct shrike_ctx *ctx, uint32_t code, struct cursor data)
{
	if (code == AVP_RESULT_CODE && cursor_left(&data) == sizeof(uint32_t))
		shrike_emit_int(ctx, F_RESULT_CODE, cursor_be32(&data));
	for (size_t i = 0; i < RTE_DIM(texts); i++)
		if (texts[i].code == code)
			shrike_emit_rest(ctx, texts[i].field, &data);
}

/* One without its padding is not recorded, as in the reference. */
static void
take_avps(struct shrike_ctx *ctx, struct cursor in)
{
	while (cursor_left(&in) >= AVP_BYTES) {
		uint32_t code = cursor_be32(&in), head = AVP_BYTES, length;
		uint8_t flags = cursor_u8(&in);
		struct cursor data;

		length = cursor_be24(&in);
		if ((flags & AVP_FLAG_VENDOR) != 0) {
			cursor_skip(&in, AVP_VENDOR_BYTES);
			head += AVP_VENDOR_BYTES;
		}
		if (length < head)
			return;
		data = cursor_sub(&in, length - head);
		cursor_skip(&in, -length % AVP_ALIGNMENT);
		if (cursor_bad(&in))
			return;
		take_avp(ctx, code, data);
	}
}

/* A message of at most 'max' bytes off '*in'; otherwise '*in' is as it was. */
static enum read
take_message(struct shrike_ctx *ctx, struct cursor *in, uint32_t max)
{
	struct cursor body = *in;
	struct header h;

	if (!read_header(&body, &h))
		return READ_MORE;
	if (h.version != VERSION || h.length < HEADER_BYTES || h.length > max)
		return READ_BAD;
	if (h.length > cursor_left(in))
		return READ_MORE;
	cursor_skip(in, h.length);
	cursor_limit(&body, h.length - HEADER_BYTES);
	emit_header(ctx, &h);
	take_avps(ctx, body);
	return READ_OK;
}

/* What is behind the first message of a chunk is not read. */
static enum shrike_verdict
take_chunk(struct shrike_ctx *ctx, struct cursor in)
{
	if (cursor_left(&in) < HEADER_BYTES)
		return SHRIKE_MORE;
	return take_message(ctx, &in, UINT32_MAX) == READ_OK ? SHRIKE_MORE : SHRIKE_DONE;
}

/* More than MESSAGE_MAX_BYTES together are not looked at, even where messages of them are whole (as in the
 * reference). */
static enum shrike_verdict
take_stream(struct shrike_ctx *ctx, struct shrike_buffer *buffer, struct cursor in)
{
	struct cursor joined;
	enum read read;

	if (!shrike_join(ctx, buffer, in, MESSAGE_MAX_BYTES, &joined))
		return SHRIKE_DONE;
	do
		read = take_message(ctx, &joined, MESSAGE_MAX_BYTES);
	while (read == READ_OK);
	if (read == READ_BAD)
		return SHRIKE_DONE;
	shrike_keep(ctx, buffer, joined);
	return SHRIKE_MORE;
}

static enum shrike_verdict
diameter_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct diameter *s = shrike_state(ctx);

	if (!shrike_has_protocol(ctx, "diameter")) {
		if (!is_diameter(in))
			return SHRIKE_NOT_MINE;
		shrike_add_protocol(ctx, "diameter");
	}
	if (shrike_transport(ctx) == SHRIKE_SCTP)
		return take_chunk(ctx, in);
	return take_stream(ctx, &s->buffer[shrike_direction(ctx)], in);
}

static const struct shrike_parser diameter = {
	.api = SHRIKE_API,
	.name = "diameter",
	.match =
		(const struct shrike_match[]){
			{.transports = SHRIKE_TCP | SHRIKE_SCTP, .port = 3868},
			{.transports = SHRIKE_TCP | SHRIKE_SCTP, .port = 5658},
			{0},
		},
	.fields = diameter_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct diameter),
	.parse = diameter_parse,
};
SHRIKE_PARSER(diameter);
