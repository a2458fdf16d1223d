/* SMB (MS-CIFS, MS-SMB, MS-SMB2) directly over TCP: dialect, shares, names of files that are opened or deleted, and who
 * logs in from where.
 *
 * Each message has a byte of zero and its length of 3 bytes (BE) before it, and begins with ff "SMB" (version 1) or fe
 * "SMB" (2 and 3); fd "SMB", which is encrypted, is read like fe, as the reference does. Only messages that say one of
 * the above are kept until they are whole (smb1.c, smb2.c); all others, above all contents of files, are passed over
 * without being kept, and where they span segments without being seen. A message that is kept is at most BODY_MAX_BYTES
 * long, or it ends the parser, unless it came in one chunk. Of messages that are chained (MS-SMB2 3.2.4.1.4) the first
 * is read. */
#include "smb_priv.h"

#include <stdlib.h>

#include "text.h"

enum {
	LENGTH_BYTES = 4,
	PEEK_BYTES = LENGTH_BYTES + 1, /* as far as the byte that tells versions apart */
	VERSION_1 = 0xff,
	VERSION_2 = 0xfe,
	BODY_MAX_BYTES = 8192,
	BUFFER_MAX_BYTES = LENGTH_BYTES + SMB2_HEADER_BYTES + BODY_MAX_BYTES,
	TEXT_MAX_BYTES = BODY_MAX_BYTES,
};

static const struct field smb_fields[SMB_N_FIELDS] = {
	[SMB_SHARE] = {"smb.share", "smb.share", "smb", "termfield", FIELD_STR_SET, FIELD_COUNT, "Share",
		       "Shares that the client connects to", NULL},
	[SMB_FILENAME] = {"smb.filename", "smb.fn", "smb", "termfield", FIELD_STR_SET, FIELD_COUNT, "Filename",
			  "Files that the client opens, creates or deletes", NULL},
	[SMB_OS] = {"smb.os", "smb.os", "smb", "termfield", FIELD_STR_SET, FIELD_COUNT, "OS",
		    "Operating system of the client", NULL},
	[SMB_DOMAIN] = {"smb.domain", "smb.domain", "smb", "termfield", FIELD_STR_SET, FIELD_COUNT, "Domain",
			"Domain that the client logs in to", NULL},
	[SMB_VERSION] = {"smb.version", "smb.ver", "smb", "termfield", FIELD_STR_SET, FIELD_COUNT, "Version",
			 "Version of the client", NULL},
	[SMB_DIALECT] = {"smb.dialect", "smb.dialect", "smb", "termfield", FIELD_STR, 0, "Dialect",
			 "Dialect that the server chooses", NULL},
	[SMB_USER] = {"smb.user", "smb.user", "smb", "termfield", FIELD_STR_SET, FIELD_COUNT, "User",
		      "User who logs in", "category=user"},
	[SMB_HOST] = {"smb.host", "host.smb", "smb", "termfield", FIELD_STR_SET, FIELD_COUNT, "SMB Host",
		      "Name of the client's machine", "category=host; aliases=[\"smb.host\"]"},
	[SMB_HOST_TOKENS] = {"smb.hostTokens", "host.smb.tokens", "smb", "lotextfield", FIELD_STR_SET, FIELD_FAKE,
			     "Hostname Tokens", "Searches the words of the name", "aliases=[\"smb.host.tokens\"]"},
};

static const char *const smb_calls[] = {[SMB_CALL_NTLM] = "ntlm", NULL};

/* Of a worker. */
struct scratch {
	char text[TEXT_MAX_BYTES / 2 * 3]; /* UTF-8 takes three bytes for two at most */
};

void
smb_emit_text(struct shrike_ctx *ctx, enum smb_field field, struct cursor text, bool is_unicode, bool may_be_empty)
{
	struct scratch *scratch = shrike_local(ctx);
	size_t size;

	cursor_limit(&text, TEXT_MAX_BYTES);
	if (is_unicode) {
		if (!text_ucs2le_to_utf8(scratch->text, sizeof(scratch->text), &size, text))
			return;
		text = cursor_make(scratch->text, size);
	}
	if (cursor_left(&text) > 0 || may_be_empty)
		shrike_emit_rest(ctx, field, &text);
}

enum step { STEP_NEXT, STEP_MORE, STEP_END };

struct frame {
	uint8_t version;
	uint32_t length; /* of the message */
	uint32_t header_bytes;
};

static struct frame
read_frame(struct cursor in)
{
	struct frame frame;

	cursor_skip(&in, 1);
	frame.length = cursor_be24(&in);
	frame.version = cursor_peek(&in, 0);
	frame.header_bytes = frame.version == VERSION_1 ? SMB1_HEADER_BYTES : SMB2_HEADER_BYTES;
	return frame;
}

static bool
is_wanted(const struct frame *frame, struct cursor in)
{
	cursor_skip(&in, LENGTH_BYTES);
	cursor_limit(&in, frame->header_bytes);
	return frame->version == VERSION_1 ? smb1_is_wanted(in) : smb2_is_wanted(in);
}

static void
message(struct shrike_ctx *ctx, struct smb *s, const struct frame *frame, struct cursor in)
{
	cursor_skip(&in, LENGTH_BYTES);
	cursor_limit(&in, frame->length);
	if (frame->version == VERSION_1)
		smb1_message(ctx, s, in);
	else
		smb2_message(ctx, in);
}

/* The next message off 'in', and off what follows it. STEP_MORE: not all that is needed of it is there. */
static enum step
next_message(struct shrike_ctx *ctx, struct smb *s, struct cursor *in)
{
	size_t have = cursor_left(in), whole;
	struct frame frame = read_frame(*in);

	if (have < PEEK_BYTES)
		return STEP_MORE;
	whole = LENGTH_BYTES + (size_t)frame.length;
	if (frame.length >= frame.header_bytes) {
		if (have < LENGTH_BYTES + frame.header_bytes)
			return STEP_MORE;
		if (is_wanted(&frame, *in)) {
			if (have < whole)
				return have - LENGTH_BYTES - frame.header_bytes > BODY_MAX_BYTES ? STEP_END : STEP_MORE;
			message(ctx, s, &frame, *in);
		}
	}
	if (have < whole)
		shrike_skip(ctx, whole - have);
	cursor_skip(in, whole < have ? whole : have);
	return STEP_NEXT;
}

static bool
is_smb(struct cursor in)
{
	const uint8_t *magic;

	cursor_skip(&in, LENGTH_BYTES);
	magic = cursor_take(&in, 4);
	return magic != NULL && (magic[0] == VERSION_1 || magic[0] == VERSION_2) && memcmp(&magic[1], "SMB", 3) == 0;
}

static enum shrike_verdict
smb_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct smb *s = shrike_state(ctx);
	struct shrike_buffer *buffer = &s->buffer[shrike_direction(ctx)];
	struct cursor joined;
	enum step step;

	if (!s->is_smb) {
		if (!is_smb(in) || shrike_has_protocol(ctx, "smb"))
			return SHRIKE_NOT_MINE;
		s->is_smb = true;
		shrike_add_protocol(ctx, "smb");
	}
	if (!shrike_join(ctx, buffer, in, BUFFER_MAX_BYTES, &joined))
		return SHRIKE_DONE;
	do
		step = next_message(ctx, s, &joined);
	while (step == STEP_NEXT);
	if (step == STEP_END)
		return SHRIKE_DONE;
	shrike_keep(ctx, buffer, joined);
	return SHRIKE_MORE;
}

static void *
smb_create_local(const void *shared)
{
	(void)shared;
	return calloc(1, sizeof(struct scratch));
}

static const struct shrike_match smb_match[] = {
	{.transports = SHRIKE_TCP, .offset = LENGTH_BYTES + 1, SHRIKE_BYTES("SMB")},
	{0},
};

static const struct shrike_parser smb = {
	.api = SHRIKE_API,
	.name = "smb",
	.match = smb_match,
	.fields = smb_fields,
	.n_fields = SMB_N_FIELDS,
	.calls = smb_calls,
	.state_bytes = sizeof(struct smb),
	.create_local = smb_create_local,
	.destroy_local = free,
	.parse = smb_parse,
};
SHRIKE_PARSER(smb);
