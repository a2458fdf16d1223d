/* SOCKS 4, 4a and 5 (RFC 1928, 1929): where a client wants to go and as whom; what is inside is parsed as what it is.
 *
 * Each message of the handshake is small and comes in a segment of its own, because the other side has to answer before
 * the next; messages are joined when they do not. Once the proxy agrees, the rest of the stream belongs to the protocol
 * inside: both directions are classified anew and this parser is done. Bytes of the handshake are nobody else's. */
#include "parser.h"
#include "text.h"

enum { MESSAGE_MAX = 1024, VERSION_4 = 4, VERSION_5 = 5, METHODS_MAX = 3 };
enum { METHOD_NONE = 0, METHOD_PASSWORD = 2 };
enum {
	COMMAND_CONNECT = 1,
	COMMAND_BIND = 2,
	SOCKS4_REPLY_FIRST = 0x5a,
	SOCKS4_REPLY_LAST = 0x5d,
	SOCKS4_REPLY_BYTES = 8
};
enum { ADDRESS_IPV4 = 1, ADDRESS_NAME = 3, ADDRESS_IPV6 = 4 };

enum { F_IP, F_HOST, F_HOST_TOKENS, F_PORT, F_USER, N_FIELDS };

static const struct field socks_fields[N_FIELDS] = {
	[F_IP] = {"socks.ip", "ip.socks", "socks", "ip", FIELD_IP, FIELD_IP_PREFIX, "IP",
		  "Address that the client asks the proxy for",
		  "aliases=[\"socks.ip\"]; portField=sockspo; portField2=socks.port"},
	[F_HOST] = {"socks.host", "host.socks", "socks", "lotermfield", FIELD_STR, 0, "Socks Hostname",
		    "Name that the client asks the proxy for", "aliases=[\"socks.host\"]; category=host"},
	[F_HOST_TOKENS] = {"socks.hostTokens", "host.socks.tokens", "socks", "lotextfield", FIELD_STR, FIELD_FAKE,
			   "Hostname Tokens", "Searches the words of the name", "aliases=[\"socks.host.tokens\"]"},
	[F_PORT] = {"socks.port", "port.socks", "socks", "integer", FIELD_INT, 0, "Port",
		    "Port that the client asks the proxy for", "aliases=[\"socks.port\"]; category=port"},
	[F_USER] = {"socks.user", "socks.user", "socks", "termfield", FIELD_STR, 0, "User",
		    "Name that the client gives to the proxy", "aliases=[\"socksuser\"]; category=user"},
};

enum socks_phase {
	PHASE_FIRST,
	PHASE_REPLY_4,
	PHASE_METHOD, /* the server chooses */
	PHASE_PASSWORD,
	PHASE_PASSWORD_REPLY,
	PHASE_REQUEST,
	PHASE_REPLY_5,
};

enum step { STEP_MORE, STEP_NEXT, STEP_DONE };

struct socks_state {
	struct shrike_buffer buffer[2];
	uint8_t phase, client;
	bool has_ip;
	uint8_t ip[4];
	uint16_t port;
	/* What SOCKS 4 asks is only recorded when the proxy has answered: a user and a name. */
	char *user, *host;
	size_t user_bytes, host_bytes;
};

/* ---- Version 4 */

static char *
keep_text(struct shrike_ctx *ctx, struct cursor text, size_t *size)
{
	char *copy;

	*size = cursor_left(&text);
	if (*size == 0)
		return NULL;
	copy = shrike_alloc(ctx, *size);
	if (copy != NULL)
		memcpy(copy, cursor_take(&text, *size), *size);
	return copy;
}

/* 0.0.0.x asks for a name behind the user (SOCKS 4a). */
static bool
request_4(struct shrike_ctx *ctx, struct socks_state *state, struct cursor in)
{
	struct cursor user, host = {0};
	const uint8_t *ip;

	cursor_skip(&in, 2);
	state->port = cursor_be16(&in);
	ip = cursor_take(&in, 4);
	user = cursor_until(&in, '\0');
	if (ip == NULL || cursor_bad(&in))
		return false;
	memcpy(state->ip, ip, 4);
	state->has_ip = ip[0] != 0 || ip[1] != 0 || ip[2] != 0;
	if (!state->has_ip)
		host = cursor_until(&in, '\0');
	state->user = keep_text(ctx, user, &state->user_bytes);
	state->host = keep_text(ctx, host, &state->host_bytes);
	return true;
}

static bool
is_request_4(struct cursor in)
{
	size_t size = cursor_left(&in);

	return size >= 8 && (cursor_peek(&in, 1) == COMMAND_CONNECT || cursor_peek(&in, 1) == COMMAND_BIND) &&
	       cursor_peek(&in, size - 1) == 0;
}

/* Both directions from here on, and what is left of this chunk, belong to what is inside. */
static enum step
hand_over(struct shrike_ctx *ctx, struct cursor rest)
{
	unsigned d = shrike_direction(ctx);

	shrike_consume(ctx);
	shrike_reclassify(ctx, rest);
	shrike_reclassify_next(ctx, !d);
	return STEP_DONE;
}

static enum step
reply_4(struct shrike_ctx *ctx, struct socks_state *state, struct cursor *in)
{
	uint8_t code;

	if (cursor_left(in) < SOCKS4_REPLY_BYTES)
		return STEP_MORE;
	code = cursor_peek(in, 1);
	if (cursor_peek(in, 0) != 0 || code < SOCKS4_REPLY_FIRST || code > SOCKS4_REPLY_LAST)
		return STEP_DONE;
	shrike_add_protocol(ctx, "socks");
	if (state->has_ip)
		shrike_emit_ipv4(ctx, F_IP, state->ip);
	shrike_emit_int(ctx, F_PORT, state->port);
	if (state->user != NULL)
		shrike_emit_bytes(ctx, F_USER, state->user, state->user_bytes);
	if (state->host != NULL)
		shrike_emit_lower(ctx, F_HOST, state->host, state->host_bytes);
	cursor_skip(in, SOCKS4_REPLY_BYTES);
	return hand_over(ctx, *in);
}

/* ---- Version 5 */

static bool
is_methods(struct cursor in)
{
	size_t size = cursor_left(&in);

	return size >= 3 && cursor_peek(&in, 1) >= 1 && cursor_peek(&in, 1) == size - 2 &&
	       cursor_peek(&in, 2) <= METHODS_MAX;
}

static enum step
method(struct shrike_ctx *ctx, struct socks_state *state, struct cursor *in)
{
	uint8_t chosen = cursor_peek(in, 1);

	if (cursor_left(in) < 2)
		return STEP_MORE;
	if (cursor_peek(in, 0) != VERSION_5 || (chosen != METHOD_NONE && chosen != METHOD_PASSWORD))
		return STEP_DONE;
	shrike_add_protocol(ctx, "socks");
	cursor_skip(in, 2);
	state->phase = chosen == METHOD_PASSWORD ? PHASE_PASSWORD : PHASE_REQUEST;
	return STEP_NEXT;
}

/* RFC 1929: version 1, name, password. */
static enum step
password(struct shrike_ctx *ctx, struct socks_state *state, struct cursor *in)
{
	struct cursor c = *in, user;
	uint8_t version = cursor_u8(&c);

	user = cursor_sub(&c, cursor_u8(&c));
	cursor_skip(&c, cursor_u8(&c));
	if (cursor_bad(&c))
		return STEP_MORE;
	if (version != 1)
		return STEP_DONE;
	*in = c;
	shrike_emit_rest(ctx, F_USER, &user);
	shrike_add_tag(ctx, "socks:password");
	state->phase = PHASE_PASSWORD_REPLY;
	return STEP_NEXT;
}

static enum step
password_reply(struct shrike_ctx *ctx, struct socks_state *state, struct cursor *in)
{
	if (cursor_left(in) < 2)
		return STEP_MORE;
	if (cursor_peek(in, 1) != 0) {
		shrike_add_tag(ctx, "socks:auth-failed");
		return STEP_DONE;
	}
	cursor_skip(in, 2);
	state->phase = PHASE_REQUEST;
	return STEP_NEXT;
}

/* The address of a request or reply; false: it is not whole yet, or of a kind that nobody knows (*known). */
static bool
address(struct cursor *in, uint8_t type, struct cursor *host, bool *known)
{
	*known = true;
	if (type == ADDRESS_NAME)
		*host = cursor_sub(in, cursor_u8(in));
	else if (type == ADDRESS_IPV4)
		*host = cursor_sub(in, 4);
	else if (type == ADDRESS_IPV6)
		*host = cursor_sub(in, 16);
	else
		*known = false;
	return *known && !cursor_bad(in);
}

static enum step
request_5(struct shrike_ctx *ctx, struct socks_state *state, struct cursor *in)
{
	struct cursor c = *in, host = {0};
	uint8_t version = cursor_u8(&c), command = cursor_u8(&c), reserved = cursor_u8(&c), type = cursor_u8(&c);
	bool known;
	uint16_t port;
	size_t size;

	if (cursor_bad(&c))
		return STEP_MORE;
	if (version != VERSION_5 || command != COMMAND_CONNECT || reserved != 0)
		return STEP_DONE;
	if (!address(&c, type, &host, &known))
		return known ? STEP_MORE : STEP_DONE;
	port = cursor_be16(&c);
	if (cursor_bad(&c))
		return STEP_MORE;
	*in = c;
	size = cursor_left(&host);
	if (type == ADDRESS_IPV4)
		shrike_emit_ipv4(ctx, F_IP, cursor_take(&host, size));
	else if (type == ADDRESS_NAME)
		shrike_emit_lower(ctx, F_HOST, cursor_take(&host, size), size);
	if (type != ADDRESS_IPV6)
		shrike_emit_int(ctx, F_PORT, port);
	state->phase = PHASE_REPLY_5;
	return STEP_NEXT;
}

static enum step
reply_5(struct shrike_ctx *ctx, struct cursor *in)
{
	struct cursor c = *in, host = {0};
	uint8_t type;
	bool known;

	if (cursor_left(in) < 2)
		return STEP_MORE;
	if (cursor_peek(in, 1) != 0) {
		shrike_add_tag(ctx, "socks:connect-failed");
		return STEP_DONE;
	}
	cursor_skip(&c, 3);
	type = cursor_u8(&c);
	if (cursor_bad(&c) || !address(&c, type, &host, &known))
		return cursor_bad(&c) || known ? STEP_MORE : STEP_DONE;
	cursor_skip(&c, 2);
	if (cursor_bad(&c))
		return STEP_MORE;
	return hand_over(ctx, c);
}

/* ---- The conversation */

/* Who speaks next. */
static unsigned
speaker(const struct socks_state *state)
{
	switch (state->phase) {
	case PHASE_PASSWORD:
	case PHASE_REQUEST:
		return state->client;
	default:
		return !state->client;
	}
}

static enum step
one_message(struct shrike_ctx *ctx, struct socks_state *state, struct cursor *in)
{
	switch (state->phase) {
	case PHASE_REPLY_4:
		return reply_4(ctx, state, in);
	case PHASE_METHOD:
		return method(ctx, state, in);
	case PHASE_PASSWORD:
		return password(ctx, state, in);
	case PHASE_PASSWORD_REPLY:
		return password_reply(ctx, state, in);
	case PHASE_REQUEST:
		return request_5(ctx, state, in);
	default:
		return reply_5(ctx, in);
	}
}

static bool
first_message(struct shrike_ctx *ctx, struct socks_state *state, struct cursor in)
{
	state->client = (uint8_t)shrike_direction(ctx);
	if (cursor_peek(&in, 0) == VERSION_5) {
		state->phase = PHASE_METHOD;
		return is_methods(in);
	}
	state->phase = PHASE_REPLY_4;
	return is_request_4(in) && request_4(ctx, state, in);
}

/* What one side has said so far, as far as it is its turn. */
static enum step
listen(struct shrike_ctx *ctx, struct socks_state *state, unsigned side, struct cursor in)
{
	struct cursor joined;
	enum step step = STEP_MORE;

	if (!shrike_join(ctx, &state->buffer[side], in, MESSAGE_MAX, &joined))
		return STEP_DONE;
	while (speaker(state) == side && (step = one_message(ctx, state, &joined)) == STEP_NEXT)
		;
	if (step != STEP_DONE)
		shrike_keep(ctx, &state->buffer[side], joined);
	return step;
}

static enum shrike_verdict
socks_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct socks_state *state = shrike_state(ctx);
	unsigned side = shrike_direction(ctx);

	if (state->phase == PHASE_FIRST) {
		if (!first_message(ctx, state, in))
			return SHRIKE_NOT_MINE;
		shrike_consume(ctx);
		return SHRIKE_MORE;
	}
	shrike_consume(ctx);
	if (listen(ctx, state, side, in) == STEP_DONE)
		return SHRIKE_DONE;
	/* The other side may have spoken before it was asked. */
	if (speaker(state) != side && state->buffer[!side].used > 0 &&
	    listen(ctx, state, !side, (struct cursor){0}) == STEP_DONE)
		return SHRIKE_DONE;
	return SHRIKE_MORE;
}

static const struct shrike_parser socks = {
	.api = SHRIKE_API,
	.name = "socks",
	.match = (const struct shrike_match[]){{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x05")},
					       {.transports = SHRIKE_TCP, SHRIKE_BYTES("\x04\x01")},
					       {.transports = SHRIKE_TCP, SHRIKE_BYTES("\x04\x02")},
					       {0}},
	.fields = socks_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct socks_state),
	.parse = socks_parse,
};
SHRIKE_PARSER(socks);
