/* Request lines (RFC 9112 3).
 *
 * The library refuses methods it does not know (QUERY, HTTP/2's PRI) and targets that are neither a path, '*' nor a
 * URI; sensors meet them all, and the reference takes them. So a request line is read here, whole, and the library's
 * machine begins behind it.
 *
 * A line without a version is HTTP/0.9, and what then looks like a version is its target ("GET HTTP/1.1"). */
#include <string.h>

#include "http_priv.h"

static const char *const methods[] = {
	"DELETE",    "GET",	    "HEAD",	  "POST",     "PUT",	    "CONNECT",	"OPTIONS", "TRACE",    "COPY",
	"LOCK",	     "MKCOL",	    "MOVE",	  "PROPFIND", "PROPPATCH",  "SEARCH",	"UNLOCK",  "ACL",      "BIND",
	"REBIND",    "UNBIND",	    "MKCALENDAR", "REPORT",   "MKACTIVITY", "CHECKOUT", "MERGE",   "M-SEARCH", "NOTIFY",
	"SUBSCRIBE", "UNSUBSCRIBE", "PATCH",	  "PURGE",    "LINK",	    "UNLINK",	"SOURCE",  "PRI",      "QUERY",
};

enum { N_METHODS = sizeof(methods) / sizeof(methods[0]), METHOD_BYTES_MAX = 11, VERSION_NUMBER_MAX = 999 };

const char *
http_method_name(unsigned method)
{
	return methods[method];
}

/* The method that 'word' is, or that it begins (is_prefix); N_METHODS: none. */
static unsigned
method_find(struct cursor word, bool is_prefix)
{
	size_t size = cursor_left(&word);
	unsigned i;

	for (i = 0; i < N_METHODS; i++) {
		size_t length = strlen(methods[i]);

		if ((is_prefix ? length >= size : length == size) && memcmp(methods[i], word.p, size) == 0)
			break;
	}
	return i;
}

bool
http_line_may_be(struct cursor begin)
{
	struct cursor rest = begin;
	struct cursor word = cursor_until(&rest, ' ');

	if (!cursor_bad(&rest))
		return cursor_left(&word) <= METHOD_BYTES_MAX && method_find(word, false) < N_METHODS;
	return cursor_left(&begin) <= METHOD_BYTES_MAX && method_find(begin, true) < N_METHODS;
}

/* Tab, form feed and bytes above ASCII pass, as in the reference, which tags them. */
static bool
target_is_sane(struct cursor target)
{
	if (cursor_left(&target) == 0)
		return false;
	while (cursor_left(&target) > 0) {
		uint8_t c = cursor_u8(&target);

		if ((c < 0x20 && c != '\t' && c != '\f') || c == 0x7f)
			return false;
	}
	return true;
}

static bool
version_number(struct cursor *c, unsigned *out)
{
	unsigned digits = 0;

	*out = 0;
	while (cursor_peek(c, 0) >= '0' && cursor_peek(c, 0) <= '9' && *out <= VERSION_NUMBER_MAX) {
		*out = *out * 10 + cursor_u8(c) - '0';
		digits++;
	}
	return digits > 0 && *out <= VERSION_NUMBER_MAX;
}

static bool
version_parse(struct cursor version, struct http_line *line)
{
	const uint8_t *name = cursor_take(&version, 5);

	if (name == NULL || memcmp(name, "HTTP/", 5) != 0)
		return false;
	if (!version_number(&version, &line->major) || cursor_u8(&version) != '.')
		return false;
	return version_number(&version, &line->minor) && cursor_left(&version) == 0;
}

static void
skip_blanks(struct cursor *c)
{
	while (cursor_peek(c, 0) == ' ')
		cursor_skip(c, 1);
}

enum http_line_verdict
http_line_parse(struct cursor line, struct http_line *out)
{
	struct cursor rest = line, word = cursor_until(&rest, ' '), from_target;

	if (cursor_bad(&rest) || cursor_left(&word) > METHOD_BYTES_MAX)
		return LINE_IS_NONE;
	out->method = method_find(word, false);
	if (out->method == N_METHODS)
		return LINE_IS_NONE;
	skip_blanks(&rest);
	from_target = rest;
	out->target_offset = (uint32_t)(cursor_left(&line) - cursor_left(&rest));
	out->target = cursor_until(&rest, ' ');
	if (cursor_bad(&rest)) {
		out->target = from_target;
		out->major = 0;
		out->minor = 9;
		return target_is_sane(out->target) ? LINE_IS_REQUEST : LINE_IS_NONE;
	}
	if (!target_is_sane(out->target))
		return LINE_IS_NONE;
	skip_blanks(&rest);
	return version_parse(rest, out) ? LINE_IS_REQUEST : LINE_WITHOUT_VERSION;
}
