/* QUIC of the IETF: RFC 9000 and 9001, version 2 (RFC 9369), drafts 27 to 29, mvfst.
 *
 * Initial packets of both sides are protected with keys of the connection id that the client's first one was sent to.
 * The client takes another id as soon as the server has answered, and a Retry makes it begin anew with yet another one,
 * so a packet is tried with the keys at hand and then, as a client's, with those of its own id; the tag tells which are
 * right. Datagrams are read as they may be put together: several packets, padding, frames in any order, a hello over
 * several packets and datagrams. The hellos go to the TLS parser.
 *
 * A client may not send Initials in datagrams of less than 1200 bytes (RFC 9000 14.1), nor a server any that ask for an
 * answer: small datagrams are passed over, which also is what a flood of them costs. The parser ends after
 * DATAGRAMS_MAX at the latest. */

#include "quic_priv.h"

enum {
	DATAGRAMS_MAX = 32,
	DATAGRAM_BYTES_MIN = 1100, /* somewhat below 1200: early clients */
	PACKETS_MAX = 8,	   /* of a datagram */
	PROTECTED_BYTES_MIN = 4 + 16 + 1,

	FORM_AND_FIXED = 0xc0,
	VERSION_2 = 0x6b3343cf,

	FRAME_PADDING = 0,
	FRAME_PING = 1,
	FRAME_ACK = 2,
	FRAME_ACK_ECN = 3,
	FRAME_CRYPTO = 6,

	TLS_CLIENT_HELLO = 1,
	TLS_SERVER_HELLO = 2,
	TLS_HEADER_BYTES = 4,
};

/* Long packet types by the bits of the first byte. */
enum packet_type { PACKET_INITIAL, PACKET_0RTT, PACKET_HANDSHAKE, PACKET_RETRY };

struct packet {
	uint32_t version;
	enum packet_type type;
	struct cursor connection_id;
	struct cursor header;	 /* up to the packet number */
	struct cursor protected; /* from it on */
};

static enum packet_type
packet_type(uint8_t first, uint32_t version)
{
	unsigned bits = first >> 4 & 3;

	return version == VERSION_2 ? (bits + 3) % 4 : bits; /* RFC 9369 3.2 */
}

/* Takes one packet with a long header and a length off the datagram (RFC 9000 17.2); false: there is none. */
static bool
packet_read(struct cursor *in, struct packet *p)
{
	struct cursor whole = *in;
	uint8_t first = cursor_u8(in), size;
	uint64_t length;

	p->version = cursor_be32(in);
	p->type = packet_type(first, p->version);
	if ((first & FORM_AND_FIXED) != FORM_AND_FIXED || p->version == 0 || p->type == PACKET_RETRY)
		return false;
	size = cursor_u8(in);
	p->connection_id = cursor_sub(in, size);
	cursor_skip(in, cursor_u8(in));
	if (size > QUIC_CONNECTION_ID_MAX || cursor_bad(in))
		return false;
	if (p->type == PACKET_INITIAL) {
		length = quic_varint(in);
		if (length > cursor_left(in))
			return false;
		cursor_skip(in, length);
	}
	length = quic_varint(in);
	if (cursor_bad(in) || length > cursor_left(in))
		return false;
	p->header = cursor_sub(&whole, cursor_left(&whole) - cursor_left(in));
	p->protected = cursor_sub(in, length);
	return true;
}

/* ---- Keys */

static bool
unprotect_known(struct quic_ietf *q, struct quic_protection *protection, const struct packet *p, unsigned direction,
		struct cursor *plain)
{
	enum quic_role role = direction == q->client ? QUIC_CLIENT : QUIC_SERVER;

	if (q->connection_id_bytes == 0)
		return false;
	/* The server may answer in another version (RFC 9368), with that one's keys of the same id. */
	if (q->keys_version[role] != p->version) {
		quic_keys_derive(p->version, q->connection_id, q->connection_id_bytes, role, &q->keys[role]);
		q->keys_version[role] = p->version;
	}
	return quic_unprotect(protection, &q->keys[role], p->header, p->protected, plain);
}

/* As a client's first Initial, or its first after a Retry: then all begins anew. */
static bool
unprotect_first(struct shrike_ctx *ctx, struct quic_ietf *q, struct quic_protection *protection, const struct packet *p,
		unsigned direction, struct cursor *plain)
{
	size_t size = cursor_left(&p->connection_id);
	struct quic_keys keys;

	if (size == 0)
		return false;
	quic_keys_derive(p->version, p->connection_id.p, size, QUIC_CLIENT, &keys);
	if (!quic_unprotect(protection, &keys, p->header, p->protected, plain))
		return false;
	for (unsigned role = QUIC_CLIENT; role <= QUIC_SERVER; role++)
		quic_crypto_reset(ctx, &q->crypto[role]);
	q->keys[QUIC_CLIENT] = keys;
	q->keys_version[QUIC_CLIENT] = p->version;
	q->keys_version[QUIC_SERVER] = 0;
	memcpy(q->connection_id, p->connection_id.p, size);
	q->connection_id_bytes = (uint8_t)size;
	q->client = (uint8_t)direction;
	return true;
}

/* ---- Frames */

static const struct {
	uint8_t type;
	unsigned call;
} hellos[] = {
	[QUIC_CLIENT] = {TLS_CLIENT_HELLO, QUIC_CALL_CLIENT_HELLO},
	[QUIC_SERVER] = {TLS_SERVER_HELLO, QUIC_CALL_SERVER_HELLO},
};

static void
crypto_frame(struct shrike_ctx *ctx, struct quic_ietf *q, enum quic_role role, uint64_t offset, struct cursor data)
{
	struct quic_crypto *c = &q->crypto[role];
	struct cursor message;

	if (!quic_crypto_add(ctx, c, offset, data, &message))
		return;
	if (cursor_peek(&message, 0) == hellos[role].type) {
		cursor_skip(&message, TLS_HEADER_BYTES);
		shrike_call(ctx, hellos[role].call, message, NULL);
	}
	quic_crypto_finish(ctx, c);
}

/* RFC 9000 19.3: ranges are of two numbers each, and in the bytes or not at all. */
static void
ack_skip(struct cursor *in, bool with_ecn)
{
	uint64_t n_ranges;

	(void)quic_varint(in); /* largest */
	(void)quic_varint(in); /* delay */
	n_ranges = quic_varint(in);
	(void)quic_varint(in); /* first range */
	for (uint64_t i = 0; i < n_ranges && !cursor_bad(in); i++) {
		(void)quic_varint(in);
		(void)quic_varint(in);
	}
	for (unsigned i = 0; i < (with_ecn ? 3 : 0); i++)
		(void)quic_varint(in);
}

/* What may be in an Initial (RFC 9000 12.4); anything else, a CONNECTION_CLOSE too, ends it. */
static void
frames_read(struct shrike_ctx *ctx, struct quic_ietf *q, enum quic_role role, struct cursor in)
{
	while (cursor_left(&in) > 0) {
		uint8_t type = cursor_u8(&in);

		if (type == FRAME_ACK || type == FRAME_ACK_ECN) {
			ack_skip(&in, type == FRAME_ACK_ECN);
		} else if (type == FRAME_CRYPTO) {
			uint64_t offset = quic_varint(&in);
			uint64_t length = quic_varint(&in);

			shrike_add_protocol(ctx, "quic");
			if (cursor_bad(&in) || length > cursor_left(&in))
				return;
			crypto_frame(ctx, q, role, offset, cursor_sub(&in, length));
		} else if (type != FRAME_PADDING && type != FRAME_PING) {
			return;
		}
	}
}

static void
initial_read(struct shrike_ctx *ctx, struct quic_ietf *q, struct quic_protection *protection, const struct packet *p)
{
	unsigned direction = shrike_direction(ctx);
	struct cursor plain;

	if (cursor_left(&p->protected) < PROTECTED_BYTES_MIN)
		return;
	if (unprotect_known(q, protection, p, direction, &plain) ||
	    unprotect_first(ctx, q, protection, p, direction, &plain))
		frames_read(ctx, q, direction == q->client ? QUIC_CLIENT : QUIC_SERVER, plain);
}

static bool
same_connection(const struct cursor *a, const struct cursor *b)
{
	return cursor_left(a) == cursor_left(b) && memcmp(a->p, b->p, cursor_left(a)) == 0;
}

enum shrike_verdict
quic_ietf_parse(struct shrike_ctx *ctx, struct quic_ietf *q, struct quic_protection *protection, bool server_hello,
		struct cursor in)
{
	struct packet p, first = {0};

	if (++q->n_datagrams >= DATAGRAMS_MAX)
		return SHRIKE_DONE;
	if (cursor_left(&in) < DATAGRAM_BYTES_MIN || cursor_left(&in) > QUIC_DATAGRAM_BYTES_MAX)
		return SHRIKE_MORE;
	if (!server_hello)
		quic_crypto_finish(ctx, &q->crypto[QUIC_SERVER]);
	for (unsigned i = 0; i < PACKETS_MAX && cursor_left(&in) > 0 && packet_read(&in, &p); i++) {
		/* RFC 9000 12.2: packets of other connections in the same datagram do not count. */
		if (i == 0)
			first = p;
		if (p.type == PACKET_INITIAL && same_connection(&first.connection_id, &p.connection_id))
			initial_read(ctx, q, protection, &p);
	}
	return q->crypto[QUIC_CLIENT].is_done && (q->crypto[QUIC_SERVER].is_done || !server_hello) ? SHRIKE_DONE
												   : SHRIKE_MORE;
}
