/* Request targets: path, query, and the protocols that are known by their path.
 *
 * The query is read as the reference does: every '=' ends a piece, the first one of a pair its key and all others a
 * value each; a key at the very end without '=' is no key. Pieces are percent-decoded (RFC 3986 2.1), '+' stays, and
 * what cannot be decoded is kept as it was sent. */
#include <string.h>

#include "http_priv.h"
#include "text.h"

#define PATH(path_, protocol_)                                                                                         \
	{                                                                                                              \
		.path = path_, .path_bytes = sizeof(path_) - 1, .protocol = protocol_                                  \
	}
static const struct {
	const char *path, *protocol;
	size_t path_bytes;
} protocols[] = {
	PATH("/adpolicyprovider_cep_kerberos/service.svc/cep", "adcs-cep"),
	PATH("/adpolicyprovider_cep_usernamepassword/service.svc/cep", "adcs-cep"),
	PATH("/certsrv/", "adcs-web"),
	PATH("/certsrv/certcarc.asp", "adcs-web"),
	PATH("/certsrv/certfnsh.asp", "adcs-web"),
	PATH("/certsrv/certrqma.asp", "adcs-web"),
	PATH("/certsrv/certrqus.asp", "adcs-web"),
	PATH("/certsrv/certrqxt.asp", "adcs-web"),
	PATH("/certsrv/mscep/mscep.dll", "adcs-ndes"),
	PATH("/certsrv/mscep_admin/", "adcs-ndes"),
	PATH("/enrollmentserver/service.svc", "adcs-ces"),
	PATH("/wsman", "winrm"),
};

static void
emit_piece(struct shrike_ctx *ctx, struct http_local *local, unsigned place, struct cursor piece)
{
	size_t size = cursor_left(&piece), decoded;

	if (size == 0)
		return;
	if (size <= sizeof(local->text) && memchr(piece.p, '%', size) != NULL &&
	    text_percent_decode(local->text, &decoded, piece.p, size))
		shrike_emit_bytes(ctx, place, local->text, decoded);
	else
		shrike_emit_bytes(ctx, place, piece.p, size);
}

/* One pair without its '&'. */
static void
emit_pair(struct shrike_ctx *ctx, const struct http_shared *shared, struct http_local *local, struct cursor pair,
	  bool is_last)
{
	struct cursor rest = pair, piece = cursor_until(&rest, '=');

	if (cursor_bad(&rest)) {
		if (!is_last)
			emit_piece(ctx, local, F_KEY, pair);
		return;
	}
	emit_piece(ctx, local, F_KEY, piece);
	while (shared->settings.query_values && !cursor_bad(&rest)) {
		struct cursor whole = rest;

		piece = cursor_until(&rest, '=');
		emit_piece(ctx, local, F_VALUE, cursor_bad(&rest) ? whole : piece);
	}
}

static void
emit_query(struct shrike_ctx *ctx, const struct http_shared *shared, struct http_local *local, struct cursor query)
{
	while (!cursor_bad(&query)) {
		struct cursor whole = query, pair = cursor_until(&query, '&');

		emit_pair(ctx, shared, local, cursor_bad(&query) ? whole : pair, cursor_bad(&query));
	}
}

static void
add_protocols(struct shrike_ctx *ctx, const struct cursor *path)
{
	for (unsigned i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (cursor_left(path) == protocols[i].path_bytes && text_equals_nocase(path, protocols[i].path))
			shrike_add_protocol(ctx, protocols[i].protocol);
}

void
http_emit_target(struct shrike_ctx *ctx, const struct http_shared *shared, struct http_local *local,
		 struct cursor target)
{
	struct cursor query = target, path = cursor_until(&query, '?');

	if (cursor_bad(&query))
		path = target;
	shrike_emit_rest(ctx, F_PATH, &path);
	add_protocols(ctx, &path);
	if (!cursor_bad(&query))
		emit_query(ctx, shared, local, query);
}

static int
target_called(struct shrike_ctx *ctx, struct cursor in, void *argument)
{
	(void)argument;
	http_emit_target(ctx, shrike_shared(ctx), shrike_local(ctx), in);
	return 0;
}

static const struct shrike_hook target_hook = {.name = "http.target", .owner = &http_protocol, .call = target_called};
SHRIKE_HOOK(target_hook);
