/* CRYPTO frames in order (RFC 9000 19.6).
 *
 * Clients cut their hello into frames, put these in any order into one or several datagrams, and send some of them
 * again with other borders. So the bytes go to their place in one buffer with a bit for each that has arrived: whatever
 * the frames are, the time is in proportion to their bytes and the memory to the highest of them below
 * QUIC_CRYPTO_BYTES_MAX. Where two frames differ about a byte, the first wins. A hello that is whole in one frame is
 * not copied. */

#include "quic_priv.h"

enum { CRYPTO_BYTES_MIN = 2048, MESSAGE_HEADER_BYTES = 4 };

static uint8_t *
arrived(const struct quic_crypto *c)
{
	return c->bytes + c->capacity;
}

static bool
reserve(struct shrike_ctx *ctx, struct quic_crypto *c, uint32_t bytes)
{
	struct quic_crypto bigger = {.capacity = CRYPTO_BYTES_MIN, .ready = c->ready};

	if (bytes <= c->capacity)
		return true;
	while (bigger.capacity < bytes)
		bigger.capacity *= 2;
	bigger.bytes = shrike_alloc(ctx, bigger.capacity + bigger.capacity / 8);
	if (bigger.bytes == NULL)
		return false;
	if (c->bytes != NULL) {
		memcpy(bigger.bytes, c->bytes, c->capacity);
		memcpy(arrived(&bigger), arrived(c), c->capacity / 8);
		shrike_free(ctx, c->bytes);
	}
	*c = bigger;
	return true;
}

static void
store(struct quic_crypto *c, uint32_t offset, struct cursor data)
{
	uint8_t *bits = arrived(c);

	for (uint32_t i = offset; cursor_left(&data) > 0;) {
		if (i % 8 == 0 && bits[i / 8] == 0 && cursor_left(&data) >= 8) {
			memcpy(c->bytes + i, cursor_take(&data, 8), 8);
			bits[i / 8] = 0xff;
			i += 8;
			continue;
		}
		uint8_t byte = cursor_u8(&data);

		if (!(bits[i / 8] >> i % 8 & 1))
			c->bytes[i] = byte;
		bits[i / 8] |= (uint8_t)(1U << i % 8);
		i++;
	}
	while (c->ready < c->capacity && bits[c->ready / 8] >> c->ready % 8 & 1)
		c->ready += c->ready % 8 == 0 && bits[c->ready / 8] == 0xff ? 8 : 1;
}

void
quic_crypto_finish(struct shrike_ctx *ctx, struct quic_crypto *c)
{
	shrike_free(ctx, c->bytes);
	*c = (struct quic_crypto){.is_done = true};
}

/* The first message, if 'in' holds the whole of it. False in 'possible': it never will. */
static bool
first_message(struct cursor in, struct cursor *message, bool *possible)
{
	struct cursor header = in;
	uint32_t size = MESSAGE_HEADER_BYTES + (cursor_be32(&header) & 0xffffff);

	*possible = cursor_bad(&header) || size <= QUIC_CRYPTO_BYTES_MAX;
	if (cursor_bad(&header) || cursor_left(&in) < size)
		return false;
	*message = cursor_sub(&in, size);
	return *possible;
}

bool
quic_crypto_add(struct shrike_ctx *ctx, struct quic_crypto *c, uint64_t offset, struct cursor data,
		struct cursor *message)
{
	bool possible = true;

	if (c->is_done || offset >= QUIC_CRYPTO_BYTES_MAX || cursor_left(&data) == 0)
		return false;
	if (offset == 0 && c->bytes == NULL && first_message(data, message, &possible))
		return true;
	cursor_limit(&data, QUIC_CRYPTO_BYTES_MAX - offset);
	if (possible && reserve(ctx, c, (uint32_t)(offset + cursor_left(&data)))) {
		store(c, (uint32_t)offset, data);
		if (first_message(cursor_make(c->bytes, c->ready), message, &possible))
			return true;
	} else {
		possible = false;
	}
	if (!possible)
		quic_crypto_finish(ctx, c);
	return false;
}

void
quic_crypto_reset(struct shrike_ctx *ctx, struct quic_crypto *c)
{
	shrike_free(ctx, c->bytes);
	*c = (struct quic_crypto){0};
}
