/* Single header fields: what is recorded of name and value.
 *
 * Every name goes to one of two sets. The value goes to the field that its header has: user-agent, host and
 * x-forwarded-for have one, the conf's sections [headers-http-request] and [headers-http-response] give others one
 * (header_fields.h). The rest goes to the lists of names and values when the settings want it. */
#include <string.h>

#include "http_priv.h"
#include "text.h"

static const struct setting settings[] = {
	SETTING_BOOL(struct http_settings, request_all, "parseHTTPHeaderRequestAll", "false",
		     "keep name and value of every request header that has no field of its own"),
	SETTING_BOOL(struct http_settings, response_all, "parseHTTPHeaderResponseAll", "false",
		     "keep name and value of every response header that has no field of its own"),
	SETTING_U32(struct http_settings, value_bytes_max, "parseHTTPHeaderValueMaxLen", 1024, 1, 2048, "bytes",
		    "kept of a value by the two settings above"),
	SETTING_BOOL(struct http_settings, query_values, "parseQSValue", "false", "keep the values of URL queries"),
	SETTING_BOOL(struct http_settings, cookie_values, "parseCookieValue", "false", "keep the values of cookies"),
	SETTING_U32(struct http_settings, request_body_max, "maxReqBody", 256, 0, 32767, "bytes",
		    "longest request body that is kept in the record; 0: none"),
	SETTING_BOOL(struct http_settings, body_utf8_only, "reqBodyOnlyUtf8", "true",
		     "keep request bodies only when they are UTF-8"),
};
SETTINGS(http, "HTTP", settings);

/* ---- Headers that have a field of their own */

enum known_kind { KNOWN_TEXT, KNOWN_ADDRESSES };

static const struct known {
	const char *name;
	size_t name_bytes;
	enum known_kind kind;
	unsigned place;
} knowns[] = {
	{"host", 4, KNOWN_TEXT, F_HOST},
	{"user-agent", 10, KNOWN_TEXT, F_USERAGENT},
	{"x-forwarded-for", 15, KNOWN_ADDRESSES, F_XFF},
};

static const struct known *
known_find(const struct shrike_http_field *field)
{
	if (!field->is_request)
		return NULL;
	for (unsigned i = 0; i < sizeof(knowns) / sizeof(knowns[0]); i++)
		if (knowns[i].name_bytes == field->name_bytes &&
		    memcmp(knowns[i].name, field->lower_name, field->name_bytes) == 0)
			return &knowns[i];
	return NULL;
}

bool
http_fields_create(const struct conf *conf, struct shrike_setup *setup, struct http_shared *shared)
{
	static const char *const taken[] = {"host", "user-agent", "x-forwarded-for", NULL};
	static const struct header_fields_section sections[] = {
		{"headers-http-request", "http", "http.request-", "http.request.", "http.", taken},
		{"headers-http-response", "http", "http.response-", "http.response.", "http.", NULL},
	};

	conf_fill(conf, &http_settings_group, &shared->settings);
	conf_fill(conf, &bodies_settings_group, &shared->bodies);
	for (unsigned i = 0; i < 2; i++) {
		shared->header_fields[i] = header_fields_create(conf, setup, &sections[i]);
		if (shared->header_fields[i] == NULL)
			return false;
	}
	return true;
}

void
http_fields_destroy(struct http_shared *shared)
{
	header_fields_destroy(shared->header_fields[0]);
	header_fields_destroy(shared->header_fields[1]);
}

/* ---- Names and values */

void
http_emit_name(struct shrike_ctx *ctx, bool is_request, const char *lower_name, size_t name_bytes)
{
	shrike_emit_bytes(ctx, is_request ? F_REQUEST_HEADER : F_RESPONSE_HEADER, lower_name, name_bytes);
}

/* The pieces are not trimmed: after "a, b" only a is an address (RECORD.md 1.10), as in the reference. */
static void
emit_addresses(struct shrike_ctx *ctx, unsigned place, struct cursor value)
{
	while (!cursor_bad(&value)) {
		struct cursor whole = value, piece = cursor_until(&value, ',');

		if (cursor_bad(&value))
			piece = whole;
		shrike_emit_ip_text(ctx, place, piece.p, cursor_left(&piece));
	}
}

static void
emit_lower(struct shrike_ctx *ctx, struct http_local *local, unsigned place, struct cursor value)
{
	cursor_limit(&value, sizeof(local->lower));
	shrike_emit_bytes(ctx, place, local->lower, text_lower(local->lower, value.p, cursor_left(&value)));
}

void
http_emit_value(struct shrike_ctx *ctx, const struct http_shared *shared, struct http_local *local,
		const struct shrike_http_field *field, struct cursor value)
{
	const struct known *known = known_find(field);
	const struct header_field *configured;

	if (known != NULL && known->kind == KNOWN_TEXT) {
		shrike_emit_rest(ctx, known->place, &value);
		return;
	}
	if (known != NULL) {
		emit_addresses(ctx, known->place, value);
		return;
	}
	configured = header_fields_find(shared->header_fields[field->is_request ? 0 : 1], field->lower_name,
					field->name_bytes);
	if (configured != NULL) {
		header_field_emit(ctx, configured, value.p, cursor_left(&value));
		return;
	}
	cursor_limit(&value, shared->settings.value_bytes_max);
	if (field->is_request && shared->settings.request_all) {
		shrike_emit_bytes(ctx, F_REQUEST_HEADER_FIELD, field->lower_name, field->name_bytes);
		emit_lower(ctx, local, F_REQUEST_HEADER_VALUE, value);
	} else if (!field->is_request && shared->settings.response_all) {
		shrike_emit_bytes(ctx, F_RESPONSE_HEADER_FIELD, field->lower_name, field->name_bytes);
		emit_lower(ctx, local, F_RESPONSE_HEADER_VALUE, value);
	}
}

static void
skip_blanks(struct cursor *c)
{
	while (cursor_peek(c, 0) == ' ' || cursor_peek(c, 0) == '\t')
		cursor_skip(c, 1);
}

/* RFC 6265 4.2, and as the reference: a pair without '=' is taken for the beginning of the next key. */
void
http_emit_cookies(struct shrike_ctx *ctx, const struct http_shared *shared, struct cursor cookies)
{
	while (cursor_left(&cookies) > 0) {
		struct cursor key, value, rest;

		skip_blanks(&cookies);
		key = cursor_until(&cookies, '=');
		if (cursor_bad(&cookies))
			return;
		shrike_emit_rest(ctx, F_COOKIE_KEY, &key);
		rest = cookies;
		value = cursor_until(&rest, ';');
		if (cursor_bad(&rest))
			value = cookies;
		cookies = rest;
		skip_blanks(&value);
		if (shared->settings.cookie_values && cursor_left(&value) > 0)
			shrike_emit_rest(ctx, F_COOKIE_VALUE, &value);
	}
}

/* ---- For http2 */

static int
field_called(struct shrike_ctx *ctx, struct cursor value, void *argument)
{
	const struct shrike_http_field *field = argument;
	const struct http_shared *shared = shrike_shared(ctx);
	struct shrike_http_field kept = *field;

	if (kept.name_bytes > HTTP_NAME_BYTES_MAX)
		kept.name_bytes = HTTP_NAME_BYTES_MAX;
	cursor_limit(&value, HTTP_VALUE_BYTES_MAX);
	http_emit_name(ctx, kept.is_request, kept.lower_name, kept.name_bytes);
	http_emit_value(ctx, shared, shrike_local(ctx), &kept, value);
	if (kept.is_request && kept.name_bytes == 6 && memcmp(kept.lower_name, "cookie", 6) == 0)
		http_emit_cookies(ctx, shared, value);
	return 0;
}

static const struct shrike_hook field_hook = {.name = "http.field", .owner = &http_protocol, .call = field_called};
SHRIKE_HOOK(field_hook);
