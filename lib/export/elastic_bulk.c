/* Bodies of bulk requests: an action line and a document for each record.
 *
 * "create" under the record's own id makes a repeated request harmless: what is there already is answered with 409.
 * With autoGenerateId=true the index makes the ids, as users of it expect, and a request whose answer was lost is then
 * written twice: README says so. */
#include <stdlib.h>
#include <string.h>

#include "elastic_priv.h"

enum { FIRST_BYTES = 256 << 10, FIRST_ITEMS = 256, ACTION_BYTES = 64, SPARES_MAX = 32 };

struct bulk *
bulk_get(struct elastic *e)
{
	struct bulk *b = e->spare;

	if (b == NULL)
		return calloc(1, sizeof(*b));
	e->spare = b->next;
	b->next = NULL;
	b->bytes = 0;
	b->n_items = 0;
	b->attempts = 0;
	b->not_before_ns = 0;
	return b;
}

static void
bulk_free(struct bulk *b)
{
	free(b->text);
	free(b->item);
	free(b);
}

void
bulk_put(struct elastic *e, struct bulk *b)
{
	unsigned n = 0;

	for (const struct bulk *spare = e->spare; spare != NULL; spare = spare->next)
		n++;
	if (n >= SPARES_MAX) {
		bulk_free(b);
		return;
	}
	b->next = e->spare;
	e->spare = b;
}

void
bulk_free_spares(struct elastic *e)
{
	while (e->spare != NULL) {
		struct bulk *b = e->spare;

		e->spare = b->next;
		bulk_free(b);
	}
}

static bool
reserve(struct bulk *b, size_t bytes)
{
	size_t capacity = b->capacity > 0 ? b->capacity : FIRST_BYTES;
	unsigned items = b->item_capacity > 0 ? b->item_capacity : FIRST_ITEMS;

	if (b->n_items == b->item_capacity) {
		struct bulk_item *grown = realloc(b->item, (size_t)items * 2 * sizeof(*grown));

		if (grown == NULL)
			return false;
		b->item = grown;
		b->item_capacity = items * 2;
	}
	if (b->bytes + bytes > b->capacity) {
		char *grown;

		while (capacity < b->bytes + bytes)
			capacity *= 2;
		grown = realloc(b->text, capacity);
		if (grown == NULL)
			return false;
		b->text = grown;
		b->capacity = capacity;
	}
	return true;
}

static char *
put_text(char *out, const char *text)
{
	size_t length = strlen(text);

	memcpy(out, text, length);
	return out + length;
}

/* Ids hold the node's name, which may hold anything. */
static char *
put_escaped(char *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			*out++ = '\\';
		*out++ = *text >= 0 && *text < ' ' ? '_' : *text;
	}
	return out;
}

bool
bulk_append(struct elastic *e, struct bulk *b, const struct export_row *row, const char *text, uint32_t batch,
	    uint32_t row_number)
{
	size_t most = ACTION_BYTES + ELASTIC_PREFIX_BYTES + sizeof(row->index_period) + 2 * sizeof(row->id);
	struct bulk_item *item;
	char *out;

	if (!reserve(b, most + row->json_bytes + 1))
		return false;
	item = &b->item[b->n_items++];
	out = b->text + b->bytes;
	*item = (struct bulk_item){.begin = (uint32_t)b->bytes, .batch = batch, .row = row_number};
	out = put_text(out, "{\"create\":{\"_index\":\"");
	out = put_text(out, e->prefix);
	out = put_text(out, "sessions3-");
	out = put_text(out, row->index_period);
	if (e->document->id_style != DOCUMENT_ID_DATABASE) {
		out = put_text(out, "\",\"_id\":\"");
		out = put_escaped(out, row->id);
	}
	out = put_text(out, "\"}}\n");
	item->document = (uint32_t)(out - b->text);
	memcpy(out, text + row->json_offset, row->json_bytes);
	out[row->json_bytes] = '\n';
	b->bytes = item->document + row->json_bytes + 1;
	return true;
}

bool
bulk_copy(struct bulk *b, const struct bulk *from, unsigned item)
{
	const struct bulk_item *old = &from->item[item];
	size_t end = item + 1 < from->n_items ? from->item[item + 1].begin : from->bytes, bytes = end - old->begin;

	if (!reserve(b, bytes))
		return false;
	memcpy(b->text + b->bytes, from->text + old->begin, bytes);
	b->item[b->n_items++] = (struct bulk_item){
		.begin = (uint32_t)b->bytes,
		.document = (uint32_t)(b->bytes + old->document - old->begin),
		.batch = old->batch,
		.row = old->row,
	};
	b->bytes += bytes;
	return true;
}

bool
bulk_copy_all(struct bulk *b, const struct bulk *from)
{
	unsigned n_items = b->n_items;
	size_t bytes = b->bytes;

	for (unsigned i = 0; i < from->n_items; i++) {
		if (!bulk_copy(b, from, i)) {
			b->n_items = n_items;
			b->bytes = bytes;
			return false;
		}
	}
	return true;
}
