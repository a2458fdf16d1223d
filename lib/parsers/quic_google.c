/* QUIC as Google had it before the IETF's (versions 24 to 48), and its handshake message.
 *
 * The client's first stream frame carries a CHLO in the clear: tags with values, of which the host, the user agent and
 * the version are recorded. Nothing else is readable, so the parser ends with it. Until version 38 numbers are little
 * endian, from 39 on big endian; the CHLO itself is always little endian. */

#include "quic_priv.h"
#include "text.h"

enum {
	/* public flags of versions up to 43 */
	FLAG_VERSION = 0x01,
	FLAG_RESET = 0x02,
	FLAG_CONNECTION_ID = 0x08,
	FLAGS_PACKET_NUMBER = 0x30,
	PUBLIC_HEADER_BYTES_MIN = 9,
	MESSAGE_HASH_BYTES = 12,
	PRIVATE_FLAGS_GONE = 34,
	BIG_ENDIAN_SINCE = 39,
	VERSION_MIN = 24,
	/* stream frames */
	FRAME_STREAM = 0x80,
	STREAM_HAS_LENGTH = 0x20,
	STREAM_OFFSET = 0x1c,
	STREAM_ID = 0x03,
	/* versions 46 to 48 */
	LONG_HEADER = 0xc0,
	LONG_HEADER_BYTES = 5,
	CHLO_BYTES_MIN = 20,
	TAG_BYTES = 4,
};

/* A tag's letters are its bytes in order; short ones end in NULs. */
static const struct {
	char tag[TAG_BYTES];
	unsigned field;
} chlo_tags[] = {
	{{'S', 'N', 'I', '\0'}, QUIC_HOST},
	{{'U', 'A', 'I', 'D'}, QUIC_USERAGENT},
	{{'V', 'E', 'R', '\0'}, QUIC_VERSION},
};

static void
emit_tag(struct shrike_ctx *ctx, const uint8_t tag[TAG_BYTES], const struct cursor *value)
{
	for (unsigned i = 0; i < sizeof(chlo_tags) / sizeof(chlo_tags[0]); i++)
		if (memcmp(tag, chlo_tags[i].tag, TAG_BYTES) == 0 && cursor_left(value) > 0)
			shrike_emit_rest(ctx, chlo_tags[i].field, value);
}

bool
quic_chlo(struct shrike_ctx *ctx, struct cursor in)
{
	const uint8_t *name = cursor_take(&in, TAG_BYTES);
	unsigned n_tags = cursor_le16(&in);
	struct cursor tags;
	uint32_t begin = 0;

	cursor_skip(&in, 2);
	if (cursor_bad(&in))
		return false;
	shrike_add_protocol(ctx, "quic");
	tags = cursor_sub(&in, (size_t)n_tags * 8);
	if (memcmp(name, "CHLO", TAG_BYTES) != 0 || cursor_bad(&tags))
		return false;
	while (cursor_left(&tags) > 0) {
		const uint8_t *tag = cursor_take(&tags, TAG_BYTES);
		uint32_t end = cursor_le32(&tags);
		struct cursor value;

		if (end < begin)
			break;
		value = cursor_sub(&in, end - begin);
		if (cursor_bad(&value))
			break;
		emit_tag(ctx, tag, &value);
		begin = end;
	}
	return true;
}

/* "Q043" -> 43; 0: it is none. */
static unsigned
version_number(struct cursor *in)
{
	const uint8_t *p = cursor_take(in, TAG_BYTES);
	unsigned version = 0;

	if (p == NULL || p[0] != 'Q')
		return 0;
	for (unsigned i = 1; i < TAG_BYTES; i++) {
		if (p[i] < '0' || p[i] > '9')
			return 0;
		version = version * 10 + p[i] - '0';
	}
	return version;
}

/* The data of a stream frame, whose first byte is 'type'. */
static struct cursor
stream_data(struct cursor in, uint8_t type, unsigned version)
{
	unsigned offset = (type & STREAM_OFFSET) >> 2;

	cursor_skip(&in, (type & STREAM_ID) + 1U);
	cursor_skip(&in, offset == 0 ? 0 : offset + 1);
	if (type & STREAM_HAS_LENGTH)
		cursor_limit(&in, version < BIG_ENDIAN_SINCE ? cursor_le16(&in) : cursor_be16(&in));
	return in;
}

enum shrike_verdict
quic_google_parse(struct shrike_ctx *ctx, struct cursor in)
{
	bool is_short = cursor_left(&in) < PUBLIC_HEADER_BYTES_MIN;
	uint8_t flags = cursor_u8(&in), type;
	unsigned version = 0, number = (flags & FLAGS_PACKET_NUMBER) >> 4;

	if (is_short || flags & FLAG_RESET)
		return SHRIKE_MORE;
	cursor_skip(&in, flags & FLAG_CONNECTION_ID ? 8 : 0);
	if (cursor_left(&in) < TAG_BYTES + 1)
		return SHRIKE_MORE;
	if (flags & FLAG_VERSION)
		version = version_number(&in);
	if (version < VERSION_MIN)
		return SHRIKE_DONE;
	cursor_skip(&in, number == 0 ? 1 : 2 * number);
	cursor_skip(&in, MESSAGE_HASH_BYTES + (version < PRIVATE_FLAGS_GONE));
	type = cursor_u8(&in);
	if (!(type & FRAME_STREAM))
		return SHRIKE_MORE;
	quic_chlo(ctx, stream_data(in, type, version));
	return SHRIKE_DONE;
}

enum shrike_verdict
quic_google_46_parse(struct shrike_ctx *ctx, struct cursor in)
{
	bool is_short = cursor_left(&in) < CHLO_BYTES_MIN;
	uint8_t flags = cursor_u8(&in);
	unsigned version = version_number(&in);
	ptrdiff_t at;

	if (is_short || (flags & LONG_HEADER) != LONG_HEADER || version < 46 || version > 48)
		return SHRIKE_DONE;
	/* What is before the frame has one of several lengths; the message is looked for instead. */
	at = text_find(in.p, cursor_left(&in), "CHLO");
	if (at < 0 || cursor_left(&in) - (size_t)at < CHLO_BYTES_MIN)
		return SHRIKE_MORE;
	cursor_skip(&in, (size_t)at);
	quic_chlo(ctx, in);
	return SHRIKE_DONE;
}
