/* TFTP (RFC 1350; the options of RFC 2347 are not recorded).
 *
 * Recorded are the kinds of messages on port 69 and the names of requested files. The server answers from a fresh port,
 * so the blocks of a file mostly belong to another session, which nothing marks as TFTP. */
#include "parser.h"

enum { F_OPCODE, F_FILENAME, N_FIELDS };

static const struct field tftp_fields[N_FIELDS] = {
	[F_OPCODE] = {"tftp.opcode", "tftp.opcode", "tftp", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		      "Opcode", "Kinds of messages: rrq (read), wrq (write), data, ack, error", NULL},
	[F_FILENAME] = {"tftp.filename", "tftp.filename", "tftp", "termfield", FIELD_STR_SET,
			FIELD_COUNT | FIELD_TO_NUL, "Filename", "Files that were asked for or offered", NULL},
};

enum { TFTP_PORT = 69, MESSAGE_BYTES_MIN = 4, OPCODE_RRQ = 1, OPCODE_WRQ = 2, OPCODE_MAX = 5 };

static const char *const opcode_names[OPCODE_MAX + 1] = {NULL, "rrq", "wrq", "data", "ack", "error"};

static bool
is_request(uint16_t opcode)
{
	return opcode == OPCODE_RRQ || opcode == OPCODE_WRQ;
}

/* RFC 1350, figure 5-1: the name and the mode, both ended by a zero byte and neither empty. */
static bool
read_file(struct cursor in, struct cursor *file)
{
	struct cursor mode;

	*file = cursor_until(&in, '\0');
	mode = cursor_until(&in, '\0');
	return !cursor_bad(&in) && cursor_left(file) > 0 && cursor_left(&mode) > 0;
}

static enum shrike_verdict
tftp_parse(struct shrike_ctx *ctx, struct cursor in)
{
	enum shrike_verdict otherwise = shrike_has_protocol(ctx, "tftp") ? SHRIKE_MORE : SHRIKE_NOT_MINE;
	struct cursor file;
	uint16_t opcode;

	if (cursor_left(&in) < MESSAGE_BYTES_MIN)
		return otherwise;
	opcode = cursor_be16(&in);
	if (opcode < OPCODE_RRQ || opcode > OPCODE_MAX || (is_request(opcode) && !read_file(in, &file)))
		return otherwise;
	shrike_add_protocol(ctx, "tftp");
	shrike_emit_str(ctx, F_OPCODE, opcode_names[opcode]);
	if (is_request(opcode))
		shrike_emit_rest(ctx, F_FILENAME, &file);
	return SHRIKE_MORE;
}

static const struct shrike_parser tftp = {
	.api = SHRIKE_API,
	.name = "tftp",
	.match = (const struct shrike_match[]){{.transports = SHRIKE_UDP, .port = TFTP_PORT}, {0}},
	.fields = tftp_fields,
	.n_fields = N_FIELDS,
	.parse = tftp_parse,
};
SHRIKE_PARSER(tftp);
