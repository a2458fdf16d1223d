/* RDP (MS-RDPBCGR 2.2.1): the user that the client names, the security protocols that both sides agree on, and what the
 * client says of itself when the connection stays in clear.
 *
 * X.224 connection request and confirm come first, each in a TPKT (RFC 1006). Where they do not choose TLS, the
 * client's MCS Connect-Initial carries name, keyboard and build. */
#include "parser.h"
#include "text.h"
#include "tpkt.h"

enum {
	TPKT_MIN = 7,
	TPKT_MAX = 8192,
	TPKT_EXCESS_MAX = 100, /* how much longer than its first segment a message may say it is */
	X224_REQUEST = 0xe0,
	X224_CONFIRM = 0xd0,
	X224_DATA = 0xf0,
	X224_BYTES = 7,
	NEGOTIATION_REQUEST = 1,
	NEGOTIATION_RESPONSE = 2,
	NEGOTIATION_FAILURE = 3,
	COOKIE_BYTES_MIN = 28,
	MCS_CONNECT_INITIAL = 0x7f65,
	MCS_BYTES_MIN = 30,
	CORE_TYPE = 0xc001,
	CORE_BYTES_MIN = 134,
	CLIENT_NAME_BYTES = 32,
	CLIENT_NAME_TEXT_MAX = 64,
};

enum { F_NAME, F_KEYBOARD, F_BUILD, F_REQUESTED, F_SELECTED, F_USER, N_FIELDS };

static const struct field rdp_fields[N_FIELDS] = {
	[F_NAME] = {"rdp.clientName", "rdp.client-name", "rdp", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		    "Client Name", "Name of the client's machine", NULL},
	[F_KEYBOARD] = {"rdp.keyboardLayout", "rdp.keyboard-layout", "rdp", "termfield", FIELD_STR_SET,
			FIELD_COUNT | FIELD_TO_NUL, "Keyboard Layout", "Keyboard layout of the client", NULL},
	[F_BUILD] = {"rdp.clientBuild", "rdp.client-build", "rdp", "integer", FIELD_INT_SET, FIELD_COUNT,
		     "Client Build", "Build number of the client", NULL},
	[F_REQUESTED] = {"rdp.requestedProtocols", "rdp.requested-protocols", "rdp", "termfield", FIELD_STR_SET,
			 FIELD_COUNT | FIELD_TO_NUL, "Requested Protocols", "Security protocols that the client offers",
			 NULL},
	[F_SELECTED] = {"rdp.selectedProtocol", "rdp.selected-protocol", "rdp", "termfield", FIELD_STR_SET,
			FIELD_COUNT | FIELD_TO_NUL, "Selected Protocol", "Security protocol that the server chooses",
			NULL},
	[F_USER] = {.name = "user"},
};

struct rdp_side {
	struct shrike_buffer buffer;
	bool is_done;
};

struct rdp_state {
	struct rdp_side side[2];
};

static const char cookie_text[] = "Cookie: mstshash=";

static bool
starts_with_cookie(struct cursor in)
{
	const uint8_t *bytes = cursor_take(&in, sizeof(cookie_text) - 1);

	return bytes != NULL && memcmp(bytes, cookie_text, sizeof(cookie_text) - 1) == 0;
}

static bool
is_rdp(struct cursor in)
{
	size_t size = cursor_left(&in);
	struct cursor c = in;
	uint16_t length;
	uint8_t code, type;

	cursor_skip(&c, 2);
	length = cursor_be16(&c);
	code = cursor_peek(&in, 5);
	if (size < 12 || length > size + TPKT_EXCESS_MAX || (code != X224_REQUEST && code != X224_CONFIRM))
		return false;
	cursor_skip(&in, TPKT_BYTES + X224_BYTES);
	type = cursor_peek(&in, 0);
	return (size >= COOKIE_BYTES_MIN && starts_with_cookie(in)) ||
	       (type >= NEGOTIATION_REQUEST && type <= NEGOTIATION_FAILURE);
}

static void
protocols(struct shrike_ctx *ctx, unsigned field, uint32_t value)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {{1, "ssl"}, {2, "nla"}, {4, "rdstls"}, {8, "nla-ext"}};

	if (value == 0)
		shrike_emit_str(ctx, field, "rdp");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((value & names[i].bit) != 0)
			shrike_emit_str(ctx, field, names[i].name);
}

/* RDP_NEG_REQ and RDP_NEG_RSP: type, flags, length, protocols. */
static void
negotiation(struct shrike_ctx *ctx, struct cursor in, uint8_t wanted, unsigned field)
{
	uint8_t type = cursor_u8(&in);
	uint32_t value;

	cursor_skip(&in, 3);
	value = cursor_le32(&in);
	if (!cursor_bad(&in) && type == wanted)
		protocols(ctx, field, value);
}

static void
connection_request(struct shrike_ctx *ctx, struct cursor in)
{
	struct cursor user;
	size_t size = 0;

	if (starts_with_cookie(in)) {
		cursor_skip(&in, sizeof(cookie_text) - 1);
		while (size < cursor_left(&in) && cursor_peek(&in, size) != '\r' && cursor_peek(&in, size) != '\n')
			size++;
		user = cursor_sub(&in, size);
		if (size > 0)
			shrike_emit_lower(ctx, F_USER, cursor_take(&user, size), size);
		cursor_skip(&in, 2);
	}
	negotiation(ctx, in, NEGOTIATION_REQUEST, F_REQUESTED);
}

static void
keyboard(struct shrike_ctx *ctx, uint32_t layout)
{
	static const struct {
		uint16_t id;
		const char *name;
	} names[] = {
		{0x0401, "ar-SA"}, {0x0404, "zh-TW"}, {0x0405, "cs-CZ"}, {0x0407, "de-DE"}, {0x0408, "el-GR"},
		{0x0409, "en-US"}, {0x040c, "fr-FR"}, {0x040d, "he-IL"}, {0x040e, "hu-HU"}, {0x0410, "it-IT"},
		{0x0411, "ja-JP"}, {0x0412, "ko-KR"}, {0x0413, "nl-NL"}, {0x0415, "pl-PL"}, {0x0416, "pt-BR"},
		{0x0418, "ro-RO"}, {0x0419, "ru-RU"}, {0x041b, "sk-SK"}, {0x041e, "th-TH"}, {0x041f, "tr-TR"},
		{0x0422, "uk-UA"}, {0x0429, "fa-IR"}, {0x042a, "vi-VN"}, {0x0804, "zh-CN"}, {0x0809, "en-GB"},
		{0x0816, "pt-PT"}, {0x0c0a, "es-ES"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].id == layout) {
			shrike_emit_str(ctx, F_KEYBOARD, names[i].name);
			return;
		}
	if (layout > 0)
		shrike_emit_format(ctx, F_KEYBOARD, "0x%04x", layout);
}

/* TS_UD_CS_CORE (2.2.1.3.2): version, desktop, ...; what is wanted begins at byte 12 behind the block's header. */
static void
client_core(struct shrike_ctx *ctx, struct cursor in)
{
	char name[CLIENT_NAME_TEXT_MAX];
	size_t size = 0;
	uint32_t layout, build;

	cursor_skip(&in, 12);
	layout = cursor_le32(&in);
	build = cursor_le32(&in);
	if (text_utf16le_to_utf8(name, sizeof(name), &size, cursor_sub(&in, CLIENT_NAME_BYTES)) && size > 0)
		shrike_emit_bytes(ctx, F_NAME, name, size);
	if (build > 0)
		shrike_emit_int(ctx, F_BUILD, build);
	keyboard(ctx, layout);
}

/* The GCC user data, read directly behind the client's key "Duca". Most clients put a length there (X.691 11.9), which
 * the reference does not pass over: it has these values only from those who do not. */
static void
client_blocks(struct shrike_ctx *ctx, struct cursor in)
{
	while (cursor_left(&in) >= 4) {
		uint16_t type = cursor_le16(&in), length = cursor_le16(&in);
		struct cursor block;

		if (length < 4)
			return;
		block = cursor_sub(&in, length - 4u);
		if (type == CORE_TYPE && cursor_left(&block) >= CORE_BYTES_MIN)
			client_core(ctx, block);
	}
}

/* True: it was the client's MCS Connect-Initial. */
static bool
connect_initial(struct shrike_ctx *ctx, struct cursor in)
{
	size_t size;
	ptrdiff_t key;
	struct cursor c;

	cursor_skip(&in, 1); /* end of TSDU */
	if (cursor_left(&in) < MCS_BYTES_MIN || cursor_be16(&in) != MCS_CONNECT_INITIAL)
		return false;
	size = cursor_left(&in);
	c = in;
	key = text_find(cursor_take(&c, size), size, "Duca");
	if (key >= 0) {
		cursor_skip(&in, (size_t)key + 4);
		client_blocks(ctx, in);
	}
	return true;
}

/* A whole TPKT. */
static void
message(struct shrike_ctx *ctx, struct rdp_side *side, struct cursor in)
{
	uint8_t code;

	cursor_skip(&in, TPKT_BYTES + 1);
	code = cursor_u8(&in);
	if (code == X224_DATA) {
		side->is_done |= connect_initial(ctx, in);
		return;
	}
	cursor_skip(&in, X224_BYTES - 2);
	if (code == X224_REQUEST) {
		connection_request(ctx, in);
	} else if (code == X224_CONFIRM) {
		negotiation(ctx, in, NEGOTIATION_RESPONSE, F_SELECTED);
		side->is_done = true;
	}
}

/* False: these are not TPKTs (any more). */
static bool
messages(struct shrike_ctx *ctx, struct rdp_side *side, struct cursor *in)
{
	struct cursor whole;
	enum tpkt next;

	while ((next = tpkt_next(in, TPKT_MIN, TPKT_MAX, &whole)) == TPKT_WHOLE)
		message(ctx, side, whole);
	return next == TPKT_MORE;
}

static enum shrike_verdict
rdp_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct rdp_state *state = shrike_state(ctx);
	struct rdp_side *side = &state->side[shrike_direction(ctx)];
	struct cursor joined;

	if (!shrike_has_protocol(ctx, "rdp")) {
		if (!is_rdp(in))
			return SHRIKE_NOT_MINE;
		shrike_add_protocol(ctx, "rdp");
	}
	if (!shrike_join(ctx, &side->buffer, in, TPKT_MAX, &joined))
		return SHRIKE_DONE;
	if (!messages(ctx, side, &joined))
		return SHRIKE_DONE;
	shrike_keep(ctx, &side->buffer, joined);
	return state->side[0].is_done && state->side[1].is_done ? SHRIKE_DONE : SHRIKE_MORE;
}

static const struct shrike_parser rdp = {
	.api = SHRIKE_API,
	.name = "rdp",
	.match = (const struct shrike_match[]){{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x03\0")},
					       {.transports = SHRIKE_UDP,
						.port = 3389,
						.min_bytes = 8,
						SHRIKE_BYTES("\xff\xff\xff\xff"),
						.protocol = "rdpudp"},
					       {0}},
	.fields = rdp_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct rdp_state),
	.parse = rdp_parse,
};
SHRIKE_PARSER(rdp);
