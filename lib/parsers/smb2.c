/* SMB 2 and 3 (MS-SMB2 2.2): the dialect of the server's NEGOTIATE response, the path of TREE_CONNECT requests, the
 * name of CREATE requests.
 *
 * Texts are UTF-16LE; their places are counted from the first byte of the header. */
#include "smb_priv.h"

enum {
	COMMAND_OFFSET = 12,
	FLAGS_OFFSET = 16,
	FLAG_RESPONSE = 0x1,
	NEGOTIATE = 0,
	TREE_CONNECT = 3,
	CREATE = 5,
	DIALECT_OFFSET = 4, /* this and the next two: in the body */
	PATH_OFFSET = 4,
	NAME_OFFSET = 44,
	PATH_FIRST = SMB2_HEADER_BYTES + 8, /* a text that would begin before these is none */
	NAME_FIRST = SMB2_HEADER_BYTES + 48,
	DIALECT_NOT_YET = 0x02ff, /* the answer to a NEGOTIATE of SMB 1: the client has to ask again (2.2.4) */
};

struct header {
	uint16_t command;
	bool is_response;
};

static struct header
read_header(struct cursor c)
{
	struct cursor flags = c;

	cursor_skip(&c, COMMAND_OFFSET);
	cursor_skip(&flags, FLAGS_OFFSET);
	return (struct header){.command = cursor_le16(&c), .is_response = (cursor_le16(&flags) & FLAG_RESPONSE) != 0};
}

bool
smb2_is_wanted(struct cursor header)
{
	struct header h = read_header(header);

	if (h.is_response)
		return h.command == NEGOTIATE;
	return h.command == TREE_CONNECT || h.command == CREATE;
}

static void
dialect(struct shrike_ctx *ctx, struct cursor message)
{
	uint16_t revision;

	cursor_skip(&message, SMB2_HEADER_BYTES + DIALECT_OFFSET);
	revision = cursor_le16(&message);
	if (revision != 0 && revision != DIALECT_NOT_YET)
		shrike_emit_format(ctx, SMB_DIALECT, "SMB %u.%u.%u", revision >> 8 & 0xf, revision >> 4 & 0xf,
				   revision & 0xf);
}

/* The text whose offset and length are at 'place' in the body. */
static void
text(struct shrike_ctx *ctx, enum smb_field field, struct cursor message, size_t place, uint16_t first,
     bool may_be_empty)
{
	struct cursor c = message, bytes;
	uint16_t offset, length;

	cursor_skip(&c, SMB2_HEADER_BYTES + place);
	offset = cursor_le16(&c);
	length = cursor_le16(&c);
	cursor_skip(&message, offset);
	bytes = cursor_sub(&message, length);
	if (!cursor_bad(&c) && !cursor_bad(&bytes) && offset >= first)
		smb_emit_text(ctx, field, bytes, true, may_be_empty);
}

void
smb2_message(struct shrike_ctx *ctx, struct cursor message)
{
	struct header h = read_header(message);

	if (h.is_response && h.command == NEGOTIATE)
		dialect(ctx, message);
	else if (!h.is_response && h.command == TREE_CONNECT)
		text(ctx, SMB_SHARE, message, PATH_OFFSET, PATH_FIRST, false);
	else if (!h.is_response && h.command == CREATE)
		text(ctx, SMB_FILENAME, message, NAME_OFFSET, NAME_FIRST, true);
}
