/* Answers to bulk requests.
 *
 * Nearly always every item was taken, and then the answer says "errors":false in its first bytes. It is not believed on
 * its own: as many items as were sent have to be there, each with a status of success, and the text has to end. A few
 * searches see that; only an answer with an error in it is read as JSON.
 *
 * An item's fate. A document with this id is there (409): it was taken before, by a request whose answer was lost. The
 * store cannot take it now (429, 5xx, an index that is blocked because the disk is full, a limit of shards, a right
 * that is missing, an index that cannot be made): again later, for these are not about the document. Anything else,
 * such as a value that does not fit the mapping, will be said of this document for ever: it is refused. */
#include <errno.h>
#include <string.h>

#include "elastic_priv.h"

enum { ERRORS_WITHIN_BYTES = 256 };

bool
answer_is_clean(const char *text, size_t bytes, unsigned n)
{
	static const char clean[] = "\"errors\":false", status[] = "\"status\":2";
	const char *p = text, *end = text + bytes;
	unsigned seen = 0;

	while (end > text && (end[-1] == '\n' || end[-1] == ' '))
		end--;
	if (end - text < 3 || text[0] != '{' || memcmp(end - 2, "]}", 2) != 0)
		return false;
	if (memmem(text, bytes < ERRORS_WITHIN_BYTES ? bytes : ERRORS_WITHIN_BYTES, clean, sizeof(clean) - 1) == NULL)
		return false;
	while ((p = memmem(p, (size_t)(end - p), status, sizeof(status) - 1)) != NULL) {
		p += sizeof(status) - 1;
		seen++;
	}
	return seen == n;
}

static bool
is_about_capacity(const struct item_answer *a)
{
	static const char *const reasons[] = {"maximum normal shards", "maximum shards open", "cluster currently has",
					      "FORBIDDEN/", "index write blocked"};

	if (strcmp(a->type, "cluster_block_exception") == 0 || strcmp(a->type, "validation_exception") == 0 ||
	    strcmp(a->type, "circuit_breaking_exception") == 0)
		return true;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strstr(a->reason, reasons[i]) != NULL)
			return true;
	return false;
}

static enum item_fate
fate_of(const struct item_answer *a)
{
	if ((a->status >= 200 && a->status < 300) || a->status == 409)
		return ITEM_TAKEN;
	if (a->status >= 500 || a->status < 200)
		return ITEM_AGAIN;
	switch (a->status) {
	case 401:
	case 403:
	case 404:
	case 408:
	case 429:
		return ITEM_AGAIN;
	default:
		return is_about_capacity(a) ? ITEM_AGAIN : ITEM_REFUSED;
	}
}

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

/* The one member of an item is named after its operation. False: this is no item. */
static bool
read_item(json_t *item, struct item_answer *out)
{
	void *at = json_object_iter(item);
	json_t *result = at != NULL ? json_object_iter_value(at) : NULL;
	json_t *status = json_object_get(result, "status"), *error = json_object_get(result, "error");

	if (!json_is_integer(status))
		return false;
	*out = (struct item_answer){.status = (int)json_integer_value(status), .type = "", .reason = ""};
	if (json_is_string(error))
		out->reason = json_string_value(error);
	if (json_is_object(error)) {
		out->type = text_of(error, "type");
		out->reason = text_of(error, "reason");
	}
	out->is_double = out->status == 409;
	out->fate = fate_of(out);
	return true;
}

static bool
all_are_items(const json_t *items, unsigned n)
{
	struct item_answer ignored;

	if (json_array_size(items) != n)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!read_item(json_array_get(items, i), &ignored))
			return false;
	return true;
}

int
answer_each(const char *text, size_t bytes, unsigned n,
	    void (*each)(unsigned item, const struct item_answer *, void *context), void *context)
{
	json_error_t error;
	json_t *root = json_loadb(text, bytes, 0, &error);
	const json_t *items = json_object_get(root, "items");
	bool good = all_are_items(items, n);

	for (unsigned i = 0; good && i < n; i++) {
		struct item_answer a;

		if (read_item(json_array_get(items, i), &a))
			each(i, &a, context);
	}
	json_decref(root);
	return good ? 0 : -EPROTO;
}

/* Reasons are nested: the innermost cause says what was wrong. */
static const json_t *
error_of(const json_t *answer)
{
	const json_t *error = json_object_get(answer, "error");
	const json_t *root = json_array_get(json_object_get(error, "root_cause"), 0);

	return root != NULL && text_of(root, "reason")[0] != '\0' ? root : error;
}

void
elastic_explain(const json_t *answer, int status, char *out, size_t size)
{
	const json_t *error = error_of(answer);

	if (json_is_string(error))
		snprintf(out, size, "%d %s", status, json_string_value(error));
	else if (json_is_object(error))
		snprintf(out, size, "%d %s: %s", status, text_of(error, "type"), text_of(error, "reason"));
	else
		snprintf(out, size, "answers %d", status);
}

int
elastic_status_error(int status)
{
	switch (status) {
	case 401:
	case 403:
		return -EACCES;
	case 404:
		return -ENOENT;
	case 408:
	case 429:
		return -EBUSY;
	default:
		return status >= 500 ? -EBUSY : -EPROTO;
	}
}
