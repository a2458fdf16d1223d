/* TDS, of Microsoft SQL Server (MS-TDS: version 7 and later) and Sybase (versions 4 and 5): the user who logs in, and
 * NTLM messages of both sides, which go to "ntlm".
 *
 * Version 7 is read as packets: a header of 8 bytes with the length, then the payload. Nobody says where TLS begins, so
 * what is encrypted is read as packets too, until a length is impossible. Of versions 4 and 5 only the client's login
 * record is read, whose fields have fixed places. Limit: PACKET_MAX_BYTES, also for what waits of a direction. */
#include "parser.h"
#include "text.h"

enum { F_USER, N_FIELDS };

static const struct field tds_fields[N_FIELDS] = {[F_USER] = {.name = "user"}};

enum { CALL_NTLM };
static const char *const tds_calls[] = {[CALL_NTLM] = "ntlm", NULL};

enum {
	PACKET_MAX_BYTES = 8192,
	HEADER_BYTES = 8,
	LENGTH_OFFSET = 2,
	TYPE_LOGIN7 = 0x10,
	TYPE_SSPI = 0x11,

	/* MS-TDS 2.2.6.4, from the payload's first byte. */
	LOGIN7_BYTES = 94,
	USER_OFFSET = 40,
	SSPI_OFFSET = 78,
	SSPI_LONG_SIZE_OFFSET = 90,
	SSPI_SIZE_IS_LONG = 0xffff,

	/* The login record of versions 4 and 5, with its header. */
	LOGIN_BYTES = 599,
	LOGIN_USER_OFFSET = 39,
	LOGIN_USER_SIZE_OFFSET = 69,
};

enum variant { VARIANT_7, VARIANT_4_5 };
static const uint16_t first_bytes_min[] = {[VARIANT_7] = 50, [VARIANT_4_5] = 512};

struct tds {
	bool is_begun, is_tds;
	uint8_t variant; /* of enum variant */
	struct shrike_buffer buffer[2];
};

/* ---- Version 7 */

static uint16_t
le16_at(struct cursor c, size_t offset)
{
	cursor_skip(&c, offset);
	return cursor_le16(&c);
}

static uint32_t
le32_at(struct cursor c, size_t offset)
{
	cursor_skip(&c, offset);
	return cursor_le32(&c);
}

/* Empty when it does not fit. */
static struct cursor
part(struct cursor payload, size_t offset, size_t size)
{
	cursor_skip(&payload, offset);
	return cursor_sub(&payload, size);
}

static void
login7_user(struct shrike_ctx *ctx, struct cursor payload)
{
	struct cursor name =
		part(payload, le16_at(payload, USER_OFFSET), 2 * (size_t)le16_at(payload, USER_OFFSET + 2));
	size_t room = cursor_left(&name) / 2 * 3, size;
	char *text;

	if (room == 0)
		return;
	text = shrike_alloc(ctx, room);
	if (text == NULL)
		return;
	if (text_ucs2le_to_utf8(text, room, &size, name) && size > 0)
		shrike_emit_lower(ctx, F_USER, text, size);
	shrike_free(ctx, text);
}

static void
login7(struct shrike_ctx *ctx, struct cursor payload)
{
	size_t size;

	if (cursor_left(&payload) < LOGIN7_BYTES)
		return;
	login7_user(ctx, payload);
	size = le16_at(payload, SSPI_OFFSET + 2);
	if (size == SSPI_SIZE_IS_LONG)
		size = le32_at(payload, SSPI_LONG_SIZE_OFFSET);
	(void)shrike_call(ctx, CALL_NTLM, part(payload, le16_at(payload, SSPI_OFFSET), size), NULL);
}

/* False: what stands there is no header. */
static bool
packets(struct shrike_ctx *ctx, struct cursor *in)
{
	while (cursor_left(in) >= HEADER_BYTES) {
		struct cursor c = *in, packet;
		uint8_t type = cursor_u8(&c);
		uint16_t size;

		cursor_skip(&c, LENGTH_OFFSET - 1);
		size = cursor_be16(&c);
		if (size < HEADER_BYTES || size > PACKET_MAX_BYTES)
			return false;
		if (cursor_left(in) < size)
			return true;
		packet = cursor_sub(in, size);
		cursor_skip(&packet, HEADER_BYTES);
		if (type == TYPE_LOGIN7 && shrike_direction(ctx) == 0)
			login7(ctx, packet);
		else if (type == TYPE_SSPI)
			(void)shrike_call(ctx, CALL_NTLM, packet, NULL);
	}
	return true;
}

/* ---- Versions 4 and 5 */

/* The length is not checked against the 30 bytes that the record has for a name: the reference does not either. */
static void
login_user(struct shrike_ctx *ctx, struct cursor record)
{
	uint8_t size = cursor_peek(&record, LOGIN_USER_SIZE_OFFSET);

	cursor_skip(&record, LOGIN_USER_OFFSET);
	shrike_emit_lower(ctx, F_USER, cursor_take(&record, size), size);
}

/* ---- Both */

/* The first packet is too short to be told, but by its own length it is long enough: more segments have to come. */
static bool
has_begun(const struct tds *state, struct cursor in)
{
	size_t size = cursor_left(&in);

	cursor_skip(&in, LENGTH_OFFSET);
	return size < LENGTH_OFFSET + 2 || cursor_be16(&in) >= first_bytes_min[state->variant];
}

/* SHRIKE_DONE: go on, it is TDS. */
static enum shrike_verdict
judge(struct shrike_ctx *ctx, struct tds *state, struct cursor in)
{
	struct cursor joined;

	if (!state->is_begun) {
		if (shrike_direction(ctx) != 0 || shrike_has_protocol(ctx, "tds"))
			return SHRIKE_NOT_MINE;
		*state = (struct tds){.is_begun = true, .variant = (uint8_t)shrike_variant(ctx)};
	}
	if (shrike_direction(ctx) != 0)
		return SHRIKE_MORE;
	if (state->buffer[0].used + cursor_left(&in) >= first_bytes_min[state->variant]) {
		state->is_tds = true;
		shrike_add_protocol(ctx, "tds");
		return SHRIKE_DONE;
	}
	if (!shrike_join(ctx, &state->buffer[0], in, PACKET_MAX_BYTES, &joined) || !has_begun(state, joined))
		return SHRIKE_NOT_MINE;
	shrike_keep(ctx, &state->buffer[0], joined);
	return SHRIKE_MORE;
}

static enum shrike_verdict
too_long(struct shrike_ctx *ctx)
{
	shrike_add_tag(ctx, "tds:packet-too-long");
	return SHRIKE_DONE;
}

static enum shrike_verdict
tds_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct tds *state = shrike_state(ctx);
	unsigned direction = shrike_direction(ctx);
	struct shrike_buffer *buffer = &state->buffer[direction];
	struct cursor joined;

	if (!state->is_tds) {
		enum shrike_verdict verdict = judge(ctx, state, in);

		if (verdict != SHRIKE_DONE)
			return verdict;
	}
	if (state->variant == VARIANT_4_5 && direction == 1)
		return SHRIKE_MORE;
	if (!shrike_join(ctx, buffer, in, PACKET_MAX_BYTES, &joined))
		return SHRIKE_DONE;
	if (state->variant == VARIANT_4_5 && cursor_left(&joined) >= LOGIN_BYTES) {
		login_user(ctx, joined);
		return SHRIKE_DONE;
	}
	if (state->variant == VARIANT_7 && !packets(ctx, &joined))
		return too_long(ctx);
	shrike_keep(ctx, buffer, joined);
	return SHRIKE_MORE;
}

static const struct shrike_match tds_match[] = {
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x10\x01"), .variant = VARIANT_7},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x12\x01"), .variant = VARIANT_7},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x02\0\x02\0\0\0\x01\0"), .variant = VARIANT_4_5},
	{0},
};

static const struct shrike_parser tds = {
	.api = SHRIKE_API,
	.name = "tds",
	.match = tds_match,
	.fields = tds_fields,
	.n_fields = N_FIELDS,
	.calls = tds_calls,
	.state_bytes = sizeof(struct tds),
	.parse = tds_parse,
};
SHRIKE_PARSER(tds);
