/* What a whole header block says: method, version, uri, host, authorization; status.
 *
 * The uri is the Host header, lower-cased, and the target; a target that names the host itself stands alone, as the
 * reference has it. Host, Cookie and the authorization headers are looked at once per block: several of a kind count
 * as one text without separator. */
#include <string.h>

#include "http_priv.h"
#include "text.h"

enum { URI_HOST_OFFSET_MAX = 8, CREDENTIALS_BYTES_MAX = 4096 };

static void
emit_version(struct http_call *call, unsigned place, unsigned major, unsigned minor)
{
	if (major == 1 && minor <= 1)
		shrike_emit_bytes(call->ctx, place, minor == 1 ? "1.1" : "1.0", 3);
	else
		shrike_emit_format(call->ctx, place, "%u.%u", major, minor);
}

/* Bytes that an accepted target may have and that no honest one does. */
static void
tag_control_characters(struct http_call *call, struct cursor target)
{
	while (cursor_left(&target) > 0) {
		uint8_t c = cursor_u8(&target);

		if (c < 0x20 || c >= 0x80) {
			shrike_add_tag(call->ctx, "http:control-char");
			return;
		}
	}
}

static size_t
uri_append(struct http_local *local, size_t used, struct cursor piece, bool *is_cut)
{
	size_t size = cursor_left(&piece), room = sizeof(local->uri) - used;
	const uint8_t *bytes;

	if (size > room) {
		*is_cut = true;
		size = room;
	}
	bytes = cursor_take(&piece, size);
	if (bytes == NULL)
		return used;
	memcpy(&local->uri[used], bytes, size);
	return used + size;
}

static bool
target_names_host(struct cursor target, struct cursor host)
{
	size_t size = cursor_left(&host);

	for (unsigned offset = 0; offset <= URI_HOST_OFFSET_MAX && cursor_left(&target) >= size; offset++) {
		if (memcmp(target.p, host.p, size) == 0)
			return true;
		cursor_skip(&target, 1);
	}
	return false;
}

static void
emit_uri(struct http_call *call, bool has_host, struct cursor host, struct cursor target)
{
	bool is_cut = false;
	size_t used = 0;

	if (has_host && cursor_peek(&target, 0) == '/') {
		used = uri_append(call->local, used, host, &is_cut);
	} else if (has_host && !target_names_host(target, host)) {
		used = uri_append(call->local, used, host, &is_cut);
		used = uri_append(call->local, used, cursor_make(";", 1), &is_cut);
	}
	used = uri_append(call->local, used, target, &is_cut);
	shrike_emit_bytes(call->ctx, F_URI, call->local->uri, used);
	if (is_cut)
		shrike_add_tag(call->ctx, "http:url-truncated");
}

/* Lower case, in the worker's scratch space; empty when there is none. */
static struct cursor
lower_host(struct http_call *call)
{
	struct cursor host = http_text_cursor(&call->side->collected[COLLECT_HOST]);

	cursor_limit(&host, sizeof(call->local->lower));
	return cursor_make(call->local->lower, text_lower(call->local->lower, host.p, cursor_left(&host)));
}

static void
emit_host(struct http_call *call, struct cursor host)
{
	struct cursor rest = host, name = cursor_until(&rest, ':');

	if (cursor_bad(&rest))
		name = host;
	shrike_emit_rest(call->ctx, F_HOST, &name);
}

void
http_emit_request(struct http_call *call)
{
	struct http_side *side = call->side;
	bool has_host = (side->collected_seen & 1u << COLLECT_HOST) != 0;
	struct cursor host = lower_host(call), target = http_side_target(side);

	shrike_emit_str(call->ctx, F_METHOD, http_method_name(side->method));
	if (side->method < HTTP_COUNTED_METHODS)
		call->state->method_count[side->method]++;
	emit_version(call, F_CLIENT_VERSION, side->major, side->minor);
	tag_control_characters(call, target);
	if (has_host)
		emit_host(call, host);
	emit_uri(call, has_host, host, target);
	if (has_host)
		http_emit_target(call->ctx, call->shared, call->local, target);
}

void
http_emit_response(struct http_call *call)
{
	shrike_emit_int(call->ctx, F_STATUS_CODE, call->side->machine.status_code);
	emit_version(call, F_SERVER_VERSION, call->side->machine.http_major, call->side->machine.http_minor);
}

/* ---- Authorization */

/* RFC 7617 2: name:password in base64. */
static void
emit_basic(struct http_call *call, struct cursor credentials)
{
	struct cursor decoded, name;
	size_t size;

	if (text_starts_nocase(&credentials, "token="))
		return;
	cursor_limit(&credentials, CREDENTIALS_BYTES_MAX);
	size = text_base64_decode(call->local->text, CREDENTIALS_BYTES_MAX, credentials.p, cursor_left(&credentials));
	decoded = cursor_make(call->local->text, size);
	name = cursor_until(&decoded, ':');
	if (!cursor_bad(&decoded))
		shrike_emit_rest(call->ctx, F_USER, &name);
}

/* RFC 7616 3.4: username="name" */
static void
emit_digest(struct http_call *call, struct cursor parameters)
{
	static const char key[] = "username=";
	ptrdiff_t at = text_find_nocase(parameters.p, cursor_left(&parameters), key);
	struct cursor rest, name;
	uint8_t stop = ',';

	if (at < 0)
		return;
	cursor_skip(&parameters, (size_t)at + sizeof(key) - 1);
	if (cursor_peek(&parameters, 0) == '"') {
		cursor_skip(&parameters, 1);
		stop = '"';
	}
	rest = parameters;
	name = cursor_until(&rest, stop);
	if (cursor_bad(&rest))
		name = parameters;
	shrike_emit_rest(call->ctx, F_USER, &name);
}

static void
emit_authorization(struct http_call *call, struct cursor value)
{
	struct cursor type = cursor_until(&value, ' ');

	if (cursor_bad(&value))
		return;
	value = text_trim(value);
	cursor_limit(&type, sizeof(call->local->lower));
	shrike_emit_bytes(call->ctx, F_AUTH_TYPE, call->local->lower,
			  text_lower(call->local->lower, type.p, cursor_left(&type)));
	if (text_equals_nocase(&type, "basic"))
		emit_basic(call, value);
	else if (text_equals_nocase(&type, "digest"))
		emit_digest(call, value);
	else if (text_equals_nocase(&type, "ntlm") || text_equals_nocase(&type, "negotiate"))
		(void)shrike_call(call->ctx, CALL_NTLM, value, NULL);
}

void
http_emit_collected(struct http_call *call)
{
	struct http_side *side = call->side;

	if ((side->collected_seen & 1u << COLLECT_COOKIE) != 0)
		http_emit_cookies(call->ctx, call->shared, http_text_cursor(&side->collected[COLLECT_COOKIE]));
	for (unsigned i = COLLECT_AUTHORIZATION; i <= COLLECT_PROXY; i++)
		if ((side->collected_seen & 1u << i) != 0)
			emit_authorization(call, http_text_cursor(&side->collected[i]));
}
