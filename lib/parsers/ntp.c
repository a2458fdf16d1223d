/* NTP (RFC 5905, 7.3).
 *
 * Of every packet version, mode, stratum and reference are recorded. The reference is a name where it names a kind of
 * clock (stratum 0 and 1), else the address of a server as eight hex digits. The first datagram of a direction decides
 * whether port 123 speaks NTP at all; control and private messages (modes 6 and 7) have no stratum of their own and
 * are read like the others. */
#include "parser.h"

#include <stdio.h>

enum { F_VERSION, F_MODE, F_STRATUM, F_REFERENCE, N_FIELDS };

static const struct field ntp_fields[N_FIELDS] = {
	[F_VERSION] = {"ntp.version", "ntp.version", "ntp", "integer", FIELD_INT_SET, FIELD_COUNT, "Version",
		       "Protocol versions", NULL},
	[F_MODE] = {"ntp.mode", "ntp.mode", "ntp", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL, "Mode",
		    "Roles of the senders: client, server, broadcast, ...", NULL},
	[F_STRATUM] = {"ntp.stratum", "ntp.stratum", "ntp", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		       "Stratum", "How far from a reference clock the senders are", NULL},
	[F_REFERENCE] = {"ntp.refId", "ntp.ref-id", "ntp", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
			 "Reference ID", "Reference clocks by name, or the senders' own servers in hex", NULL},
};

enum {
	NTP_PORT = 123,
	PACKET_BYTES_MIN = 48,
	VERSION_MAX = 4,
	STRATUM_PRIMARY = 1,
	STRATUM_SECONDARY_MAX = 15,
	STRATUM_UNSYNCHRONIZED = 16,
	REFERENCE_OFFSET = 12,
	REFERENCE_BYTES = 4,
};

static const char *const mode_names[] = {"reserved", "symmetric-active", "symmetric-passive", "client",
					 "server",   "broadcast",	 "control",	      "private"};

static const char *
stratum_name(uint8_t stratum)
{
	if (stratum == 0)
		return "unspecified";
	if (stratum == STRATUM_PRIMARY)
		return "primary";
	if (stratum <= STRATUM_SECONDARY_MAX)
		return "secondary";
	return stratum == STRATUM_UNSYNCHRONIZED ? "unsynchronized" : NULL;
}

static bool
is_printable(const uint8_t *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return true;
}

/* RFC 5905, figure 12: four characters, filled up with zeroes. */
static void
emit_clock(struct shrike_ctx *ctx, const uint8_t *id)
{
	size_t size = REFERENCE_BYTES;

	while (size > 0 && (id[size - 1] == '\0' || id[size - 1] == ' '))
		size--;
	if (size == 0)
		return;
	if (is_printable(id, size))
		shrike_emit_bytes(ctx, F_REFERENCE, id, size);
	else
		shrike_emit_hex(ctx, F_REFERENCE, id, REFERENCE_BYTES);
}

static enum shrike_verdict
ntp_parse(struct shrike_ctx *ctx, struct cursor in)
{
	bool is_known = shrike_has_protocol(ctx, "ntp"), is_short = cursor_left(&in) < PACKET_BYTES_MIN;
	uint8_t first = cursor_u8(&in), stratum = cursor_u8(&in), version = first >> 3 & 7, mode = first & 7;
	const uint8_t *reference;

	cursor_skip(&in, REFERENCE_OFFSET - 2);
	reference = cursor_take(&in, REFERENCE_BYTES);
	if (is_short || reference == NULL)
		return is_known ? SHRIKE_MORE : SHRIKE_NOT_MINE;
	if (!is_known && (stratum > STRATUM_UNSYNCHRONIZED || version < 1 || version > VERSION_MAX || mode == 0))
		return SHRIKE_NOT_MINE;
	shrike_add_protocol(ctx, "ntp");
	shrike_emit_int(ctx, F_VERSION, version);
	shrike_emit_str(ctx, F_MODE, mode_names[mode]);
	if (stratum_name(stratum) != NULL)
		shrike_emit_str(ctx, F_STRATUM, stratum_name(stratum));
	if (stratum <= STRATUM_PRIMARY)
		emit_clock(ctx, reference);
	else if (stratum <= STRATUM_SECONDARY_MAX)
		shrike_emit_hex(ctx, F_REFERENCE, reference, REFERENCE_BYTES);
	return SHRIKE_MORE;
}

static const struct shrike_parser ntp = {
	.api = SHRIKE_API,
	.name = "ntp",
	.match = (const struct shrike_match[]){{.transports = SHRIKE_UDP, .port = NTP_PORT}, {0}},
	.fields = ntp_fields,
	.n_fields = N_FIELDS,
	.parse = ntp_parse,
};
SHRIKE_PARSER(ntp);
