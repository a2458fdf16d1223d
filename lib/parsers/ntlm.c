/* NTLM messages (MS-NLMP 2.2.1) within other protocols: HTTP, SMB, mail, LDAP, TDS.
 *
 * It has no rules of its own: who finds a message calls the hook "ntlm", or "ntlm.base64" with its text form. Names are
 * found by offsets that the peer chose, each checked against the message. Names of a message with the Unicode flag
 * become UTF-8, others are kept as they are: nobody says their code page. */
#include "parser.h"

#include <stdlib.h>

#include "text.h"

enum {
	NEGOTIATE = 1,
	CHALLENGE = 2,
	AUTHENTICATE = 3,
	FLAG_UNICODE = 0x1,
	FLAG_VERSION = 0x02000000,
	VERSION_BYTES = 8,
	NAME_BYTES_MAX = 4096,
	BASE64_CHARACTERS_MIN = 11,
	BASE64_CHARACTERS_MAX = 16384,
};

#define SIGNATURE	 "NTLMSSP"
#define SIGNATURE_BASE64 "TlRMTVNTUA"

enum { F_DOMAIN, F_HOST, F_TARGET, F_VERSION, F_TYPE, F_USER, N_FIELDS };
static const struct field ntlm_fields[N_FIELDS] = {
	[F_DOMAIN] = {.name = "ntlm.domain"},	  [F_HOST] = {.name = "ntlm.host"},
	[F_TARGET] = {.name = "ntlm.targetName"}, [F_VERSION] = {.name = "ntlm.version"},
	[F_TYPE] = {.name = "ntlm.type"},	  [F_USER] = {.name = "user"},
};

/* Of a worker. */
struct scratch {
	char name[NAME_BYTES_MAX / 2 * 3]; /* UTF-8 takes three bytes for two at most */
	uint8_t message[BASE64_CHARACTERS_MAX / 4 * 3];
};

static uint32_t
flags_at(struct cursor message, size_t offset)
{
	cursor_skip(&message, offset);
	return cursor_le32(&message);
}

/* The security buffer at 'offset': length, room, offset of the bytes. Empty when it does not fit. */
static struct cursor
buffer_at(struct cursor message, size_t offset)
{
	struct cursor header = message, bytes;
	uint16_t length;

	cursor_skip(&header, offset);
	length = cursor_le16(&header);
	cursor_skip(&header, 2);
	cursor_skip(&message, cursor_le32(&header));
	bytes = cursor_sub(&message, length);
	if (cursor_bad(&header))
		return cursor_make("", 0);
	cursor_limit(&bytes, NAME_BYTES_MAX);
	return bytes;
}

static void
emit_name(struct shrike_ctx *ctx, unsigned field, struct cursor message, size_t offset, bool unicode)
{
	struct cursor bytes = buffer_at(message, offset);
	struct scratch *scratch = shrike_local(ctx);
	size_t size;

	if (cursor_left(&bytes) == 0)
		return;
	if (!unicode)
		shrike_emit_rest(ctx, field, &bytes);
	else if (text_ucs2le_to_utf8(scratch->name, sizeof(scratch->name), &size, bytes))
		shrike_emit_utf8(ctx, field, scratch->name, size);
}

/* MS-NLMP 2.2.2.10. */
static void
emit_version(struct shrike_ctx *ctx, struct cursor message, size_t offset, uint32_t flags)
{
	struct cursor version;
	uint8_t major, minor;
	uint16_t build;

	cursor_skip(&message, offset);
	version = cursor_sub(&message, VERSION_BYTES);
	major = cursor_u8(&version);
	minor = cursor_u8(&version);
	build = cursor_le16(&version);
	if ((flags & FLAG_VERSION) != 0 && !cursor_bad(&version))
		shrike_emit_format(ctx, F_VERSION, "%u.%u.%u", major, minor, build);
}

/* MS-NLMP 2.2.1.1 to 2.2.1.3. */
static void
emit_message(struct shrike_ctx *ctx, struct cursor message, uint32_t type)
{
	static const uint8_t flags_offset[] = {[NEGOTIATE] = 12, [CHALLENGE] = 20, [AUTHENTICATE] = 60};
	uint32_t flags = flags_at(message, flags_offset[type]);
	bool unicode = (flags & FLAG_UNICODE) != 0;

	if (cursor_left(&message) < flags_offset[type] + sizeof(flags))
		return;
	switch (type) {
	case NEGOTIATE:
		emit_name(ctx, F_DOMAIN, message, 16, false);
		emit_name(ctx, F_HOST, message, 24, false);
		emit_version(ctx, message, 32, flags);
		break;
	case CHALLENGE:
		emit_name(ctx, F_TARGET, message, 12, unicode);
		emit_version(ctx, message, 48, flags);
		break;
	default:
		emit_name(ctx, F_DOMAIN, message, 28, unicode);
		emit_name(ctx, F_USER, message, 36, unicode);
		emit_name(ctx, F_HOST, message, 44, unicode);
		emit_version(ctx, message, 64, flags);
		break;
	}
}

static int
ntlm_message(struct shrike_ctx *ctx, struct cursor message, void *argument)
{
	struct cursor c = message;
	const uint8_t *signature = cursor_take(&c, sizeof(SIGNATURE));
	uint32_t type = cursor_le32(&c);

	(void)argument;
	if (cursor_bad(&c) || memcmp(signature, SIGNATURE, sizeof(SIGNATURE)) != 0 || type < NEGOTIATE ||
	    type > AUTHENTICATE)
		return 0;
	shrike_add_protocol(ctx, "ntlm");
	shrike_emit_int(ctx, F_TYPE, type);
	emit_message(ctx, message, type);
	return 1;
}

static int
ntlm_base64(struct shrike_ctx *ctx, struct cursor text, void *argument)
{
	struct scratch *scratch = shrike_local(ctx);
	size_t size;

	text = text_trim(text);
	if (cursor_left(&text) < BASE64_CHARACTERS_MIN ||
	    memcmp(text.p, SIGNATURE_BASE64, sizeof(SIGNATURE_BASE64) - 1) != 0)
		return 0;
	cursor_limit(&text, BASE64_CHARACTERS_MAX);
	size = text_base64_decode(scratch->message, sizeof(scratch->message), text.p, cursor_left(&text));
	return ntlm_message(ctx, cursor_make(scratch->message, size), argument);
}

static void *
ntlm_create_local(const void *shared)
{
	(void)shared;
	return calloc(1, sizeof(struct scratch));
}

/* Only its hooks are used. */
static enum shrike_verdict
ntlm_parse(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	(void)in;
	return SHRIKE_NOT_MINE;
}

static const struct shrike_parser ntlm = {
	.api = SHRIKE_API,
	.name = "ntlm",
	.fields = ntlm_fields,
	.n_fields = N_FIELDS,
	.create_local = ntlm_create_local,
	.destroy_local = free,
	.parse = ntlm_parse,
};
SHRIKE_PARSER(ntlm);

static const struct shrike_hook ntlm_hook = {.name = "ntlm", .owner = &ntlm, .call = ntlm_message};
SHRIKE_HOOK(ntlm_hook);
static const struct shrike_hook ntlm_base64_hook = {.name = "ntlm.base64", .owner = &ntlm, .call = ntlm_base64};
SHRIKE_HOOK(ntlm_base64_hook);
