/* Header blocks of HTTP/2: HPACK (RFC 7541) by nghttp2's decoder, which is what servers and clients themselves use.
 *
 * It takes memory through calls of ours, that is from the session's, and no piece larger than what the bytes at hand
 * can fill. The dynamic table may be as large as the other side allowed it to become, but not more than
 * TABLE_BYTES_MAX; an encoder that goes further ends decoding for its direction, as any error does. That the other side
 * allows less later needs no care: the encoder says itself when it follows.
 *
 * A few bytes may stand for kilobytes of the table, so what is recorded is limited: HEADERS_MAX and BYTES_MAX of a
 * frame, and over the session ALLOWANCE bytes and EXPANSION_MAX times what was received. What is beyond is decoded, to
 * keep the table right, and tagged. */

#include "http2_priv.h"

#include "hooks.h"
#include "text.h"

enum {
	HEADERS_MAX = 256,
	BYTES_MAX = 65536,
	ALLOWANCE = 1 << 20,
	EXPANSION_MAX = 256,
	TABLE_BYTES_FIRST = 4096, /* RFC 9113 6.5.2 */
	TABLE_BYTES_MAX = 65536,
	/* The decoder's own structures, and what of a text may come with the next frame. */
	MEMORY_BASE = 20480,
	MEMORY_NEXT_FRAME = 32768,
};

/* ---- Memory */

static void *
memory_realloc(void *old, size_t size, void *user)
{
	struct http2_local *local = user;

	return size <= local->bytes_max ? shrike_realloc(local->ctx, old, size) : NULL;
}

static void *
memory_alloc(size_t size, void *user)
{
	struct http2_local *local = user;

	return size <= local->bytes_max ? shrike_alloc(local->ctx, size) : NULL;
}

static void *
memory_calloc(size_t n, size_t size, void *user)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : memory_alloc(bytes, user);
}

static void
memory_free(void *old, void *user)
{
	struct http2_local *local = user;

	shrike_free(local->ctx, old);
}

void
http2_memory_init(struct http2_local *local)
{
	local->calls = (nghttp2_mem){.mem_user_data = local,
				     .malloc = memory_alloc,
				     .free = memory_free,
				     .calloc = memory_calloc,
				     .realloc = memory_realloc};
}

/* ---- One header */

static bool
is(const nghttp2_nv *nv, const char *name)
{
	return nv->namelen == strlen(name) && memcmp(nv->name, name, nv->namelen) == 0;
}

/* RFC 9113 8.3 */
static void
pseudo_header(struct shrike_ctx *ctx, struct http2_headers *h, const nghttp2_nv *nv)
{
	struct cursor value = cursor_make(nv->value, nv->valuelen);

	if (is(nv, ":method")) {
		shrike_emit_rest(ctx, HTTP2_METHOD, &value);
	} else if (is(nv, ":path")) {
		shrike_call(ctx, HTTP2_CALL_TARGET, value, NULL);
	} else if (is(nv, ":authority")) {
		ptrdiff_t colon = text_find(nv->value, nv->valuelen, ":");

		shrike_emit_bytes(ctx, HTTP2_HOST, nv->value, colon >= 0 ? (size_t)colon : nv->valuelen);
	} else if (is(nv, ":status")) {
		unsigned digits;
		uint64_t status = text_decimal(&value, &digits);

		if (digits > 0)
			shrike_emit_int(ctx, HTTP2_STATUS, (int64_t)(status & UINT32_MAX));
		h->status = (uint16_t)status;
	}
}

/* Names are lower case by RFC 9113 8.2.1; a peer that does not care has them cut to what we have room for. */
static void
header(struct shrike_ctx *ctx, struct http2_local *local, struct http2_headers *h, const nghttp2_nv *nv,
       bool is_request)
{
	struct shrike_http_field field = {
		.is_request = is_request, .lower_name = (const char *)nv->name, .name_bytes = nv->namelen};

	message_tap_piece(&local->taps, &h->tap, TAP_HTTP_NAME, nv->name, nv->namelen);
	message_tap_piece(&local->taps, &h->tap, TAP_HTTP_VALUE, nv->value, nv->valuelen);
	if (nv->namelen > 0 && nv->name[0] == ':') {
		pseudo_header(ctx, h, nv);
		return;
	}
	for (size_t i = 0; i < nv->namelen; i++) {
		if (nv->name[i] < 'A' || nv->name[i] > 'Z')
			continue;
		if (field.name_bytes > sizeof(local->name))
			field.name_bytes = sizeof(local->name);
		text_lower(local->name, nv->name, field.name_bytes);
		field.lower_name = local->name;
		break;
	}
	shrike_call(ctx, HTTP2_CALL_FIELD, cursor_make(nv->value, nv->valuelen), &field);
}

/* ---- A block */

static bool
is_within(struct http2_headers *h, const nghttp2_nv *nv, unsigned *n_headers, size_t *bytes)
{
	size_t size = nv->namelen + nv->valuelen;

	*n_headers += 1;
	*bytes += size;
	if (*n_headers > HEADERS_MAX || *bytes > BYTES_MAX || size > h->allowance)
		return false;
	h->allowance -= size;
	return true;
}

static void
block(struct shrike_ctx *ctx, struct http2_local *local, struct http2_headers *h, struct cursor in, bool is_request,
      bool is_last)
{
	unsigned n_headers = 0;
	size_t bytes = 0;
	bool within = true;

	for (;;) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t n = nghttp2_hd_inflate_hd2(h->inflater, &nv, &flags, in.p, cursor_left(&in), is_last);

		if (n < 0) {
			h->is_lost = true;
			return;
		}
		cursor_skip(&in, (size_t)n);
		if (flags & NGHTTP2_HD_INFLATE_EMIT) {
			if (within && !is_within(h, &nv, &n_headers, &bytes)) {
				within = false;
				h->is_cut = true;
				shrike_add_tag(ctx, "http2:hpack-budget-exceeded");
			}
			if (within)
				header(ctx, local, h, &nv, is_request);
		} else if (flags & NGHTTP2_HD_INFLATE_FINAL) {
			nghttp2_hd_inflate_end_headers(h->inflater);
			return;
		} else if (cursor_left(&in) == 0) {
			return;
		}
	}
}

/* Only between blocks; within one it is tried again with the next. */
static void
table_resize(struct http2_headers *h)
{
	uint32_t wanted = h->table_allowed < TABLE_BYTES_MAX ? h->table_allowed : TABLE_BYTES_MAX;

	if (wanted > h->table_limit && nghttp2_hd_inflate_change_table_size(h->inflater, wanted) == 0)
		h->table_limit = wanted;
}

void
http2_headers_read(struct shrike_ctx *ctx, struct http2_local *local, struct http2_headers *h, struct cursor in,
		   bool is_request, bool is_last)
{
	size_t size = cursor_left(&in);

	if (h->is_lost)
		return;
	local->ctx = ctx;
	local->bytes_max = MEMORY_BASE + 2 * size + (is_last ? 0 : MEMORY_NEXT_FRAME);
	if (h->inflater == NULL) {
		h->allowance = ALLOWANCE;
		h->table_limit = TABLE_BYTES_FIRST;
		h->is_lost = nghttp2_hd_inflate_new2(&h->inflater, &local->calls) != 0;
	}
	h->allowance += EXPANSION_MAX * (uint64_t)size;
	if (!h->is_lost) {
		table_resize(h);
		block(ctx, local, h, in, is_request, is_last);
	}
	local->ctx = NULL;
}
