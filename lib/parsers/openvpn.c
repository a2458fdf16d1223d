/* OpenVPN (its own protocol, draft-openvpn-wire-protocol), as far as its control channel is in clear or only signed.
 *
 * Peers carry a TLS handshake in control packets; what tls.c records of hellos and certificates is recorded here too,
 * but the session is not called TLS. Over UDP a datagram is a packet, over TCP two bytes of length come before each.
 * The client's first packet, a hard reset without anything in it, is recognised by its length, which also tells how
 * many bytes of HMAC (tls-auth) are in each control packet. Numbers of packets are not looked at: what is sent again
 * spoils the stream of TLS.
 *
 * Data packets end the parser, as does everything that is no handshake. Limits: PACKETS_MAX packets, BUFFER_MAX_BYTES
 * of each direction and of its TLS; READ_MAX hellos and certificates of each direction, because every one costs
 * digests. */
#include "parser.h"

#include <rte_common.h>

enum { CALL_CLIENT_HELLO, CALL_SERVER_HELLO, CALL_CERTIFICATES };
static const char *const openvpn_calls[] = {"tls.client_hello", "tls.server_hello", "certs.list", NULL};

enum {
	LENGTH_BYTES = 2,
	OPCODE_SHIFT = 3, /* the lower bits are the number of a key */
	OPCODE_CONTROL_1 = 4,
	OPCODE_DATA_1 = 6,
	OPCODE_RESET_CLIENT_2 = 7,
	OPCODE_DATA_2 = 9,

	SESSION_BYTES = 8,
	NUMBER_BYTES = 4,
	NUMBER_AND_TIME_BYTES = 8, /* beside an HMAC, against replay */
	RESET_BYTES = 1 + SESSION_BYTES + 1 + NUMBER_BYTES,
	RESET_ZERO_BYTES = 1 + NUMBER_BYTES, /* nothing is acknowledged, and it is packet 0 */

	TLS_TYPE_HANDSHAKE = 22,
	TLS_CLIENT_HELLO = 1,
	TLS_SERVER_HELLO = 2,
	TLS_CERTIFICATE = 11,

	PACKETS_MAX = 256,
	BUFFER_MAX_BYTES = 65535,
	READ_MAX = 16,
};

struct openvpn_side {
	struct shrike_buffer packets, tls;
	uint8_t messages_read;
};

struct openvpn {
	struct openvpn_side side[2];
	uint16_t n_packets;
	uint8_t hmac_bytes;
	bool is_openvpn;
};

/* ---- TLS inside */

static void
parse_message(struct shrike_ctx *ctx, struct openvpn_side *side, uint8_t type, struct cursor body)
{
	if ((type != TLS_CLIENT_HELLO && type != TLS_SERVER_HELLO && type != TLS_CERTIFICATE) ||
	    side->messages_read == READ_MAX)
		return;
	side->messages_read++;
	if (type == TLS_CLIENT_HELLO)
		(void)shrike_call(ctx, CALL_CLIENT_HELLO, body, NULL);
	else if (type == TLS_SERVER_HELLO)
		(void)shrike_call(ctx, CALL_SERVER_HELLO, body, NULL);
	else
		(void)shrike_call(ctx, CALL_CERTIFICATES, body, NULL);
}

/* The messages of a record, which have to end in it. */
static bool
parse_messages(struct shrike_ctx *ctx, struct openvpn_side *side, struct cursor in)
{
	while (cursor_left(&in) > 0) {
		uint32_t word = cursor_be32(&in);
		struct cursor body = cursor_sub(&in, word & 0xffffff);

		if (cursor_bad(&in))
			return false;
		parse_message(ctx, side, (uint8_t)(word >> 24), body);
	}
	return true;
}

static bool
parse_tls(struct shrike_ctx *ctx, struct openvpn_side *side, struct cursor in)
{
	struct cursor joined;

	if (!shrike_join(ctx, &side->tls, in, BUFFER_MAX_BYTES, &joined))
		return false;
	while (cursor_left(&joined) > 0) {
		struct cursor c = joined, record;

		if (cursor_u8(&c) != TLS_TYPE_HANDSHAKE)
			return false;
		cursor_skip(&c, 2); /* version */
		record = cursor_sub(&c, cursor_be16(&c));
		if (cursor_bad(&c))
			break;
		joined = c;
		if (!parse_messages(ctx, side, record))
			return false;
	}
	shrike_keep(ctx, &side->tls, joined);
	return true;
}

/* ---- Packets */

/* Session, HMAC, what is acknowledged and of which session, number. */
static bool
parse_control(struct shrike_ctx *ctx, struct openvpn *s, struct cursor in)
{
	uint8_t n_acknowledged;

	cursor_skip(&in, SESSION_BYTES);
	if (s->hmac_bytes > 0)
		cursor_skip(&in, s->hmac_bytes + (size_t)NUMBER_AND_TIME_BYTES);
	n_acknowledged = cursor_u8(&in);
	if (n_acknowledged > 0)
		cursor_skip(&in, n_acknowledged * (size_t)NUMBER_BYTES + SESSION_BYTES);
	cursor_skip(&in, NUMBER_BYTES);
	return !cursor_bad(&in) && parse_tls(ctx, &s->side[shrike_direction(ctx)], in);
}

/* False: nothing that follows is of interest. */
static bool
parse_packet(struct shrike_ctx *ctx, struct openvpn *s, struct cursor in)
{
	uint8_t opcode = cursor_u8(&in) >> OPCODE_SHIFT;

	if (s->n_packets == PACKETS_MAX)
		return false;
	s->n_packets++;
	if (opcode == OPCODE_CONTROL_1)
		return parse_control(ctx, s, in);
	return opcode != OPCODE_DATA_1 && opcode != OPCODE_DATA_2;
}

static bool
parse_stream(struct shrike_ctx *ctx, struct openvpn *s, struct cursor in)
{
	struct shrike_buffer *buffer = &s->side[shrike_direction(ctx)].packets;
	struct cursor joined;

	if (!shrike_join(ctx, buffer, in, BUFFER_MAX_BYTES, &joined))
		return false;
	while (cursor_left(&joined) >= LENGTH_BYTES) {
		struct cursor c = joined, packet;
		uint16_t size = cursor_be16(&c);

		packet = cursor_sub(&c, size);
		if (size == 0)
			return false;
		if (cursor_bad(&c))
			break;
		joined = c;
		if (!parse_packet(ctx, s, packet))
			return false;
	}
	shrike_keep(ctx, buffer, joined);
	return true;
}

/* A whole packet: the client's first one. */
static bool
is_reset(struct cursor in, uint8_t *hmac_bytes)
{
	static const uint8_t sizes[] = {0, 16, 20, 32, 64}, zeroes[RESET_ZERO_BYTES];
	size_t left = cursor_left(&in);

	if (cursor_peek(&in, 0) != OPCODE_RESET_CLIENT_2 << OPCODE_SHIFT)
		return false;
	for (size_t i = 0; i < RTE_DIM(sizes); i++) {
		size_t size = sizes[i] > 0 ? RESET_BYTES + NUMBER_AND_TIME_BYTES + (size_t)sizes[i] : RESET_BYTES;

		if (left != size)
			continue;
		*hmac_bytes = sizes[i];
		cursor_skip(&in, size - RESET_ZERO_BYTES);
		return memcmp(cursor_take(&in, RESET_ZERO_BYTES), zeroes, RESET_ZERO_BYTES) == 0;
	}
	return false;
}

static enum shrike_verdict
openvpn_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct openvpn *s = shrike_state(ctx);
	bool is_stream = shrike_transport(ctx) == SHRIKE_TCP;
	struct cursor first = in;

	if (!s->is_openvpn) {
		if (is_stream)
			first = cursor_sub(&first, cursor_be16(&first));
		if (!is_reset(first, &s->hmac_bytes))
			return SHRIKE_NOT_MINE;
		s->is_openvpn = true;
		shrike_add_protocol(ctx, "openvpn");
	}
	return (is_stream ? parse_stream(ctx, s, in) : parse_packet(ctx, s, in)) ? SHRIKE_MORE : SHRIKE_DONE;
}

static const struct shrike_match openvpn_match[] = {
	{.transports = SHRIKE_UDP, SHRIKE_BYTES("\x38")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\0\x0e\x38")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\0\x26\x38")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\0\x2a\x38")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\0\x36\x38")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("\0\x56\x38")},
	{0},
};

static const struct shrike_parser openvpn = {
	.api = SHRIKE_API,
	.name = "openvpn",
	.match = openvpn_match,
	.calls = openvpn_calls,
	.state_bytes = sizeof(struct openvpn),
	.parse = openvpn_parse,
};
SHRIKE_PARSER(openvpn);
