/* The columns of a document: what sinks with columns store beside it.
 *
 * They come from the record's summary, not from the JSON, so nothing is read back that was just written. Only
 * 'protocols' needs the record's values; a walk over them is cheap beside writing them. */
#include "row_priv.h"

#include <string.h>

#include "clock.h"

static void
append_protocol(char *out, size_t size, const void *name, size_t length)
{
	size_t used = strlen(out);

	if (length == 0 || used + length + 2 > size)
		return;
	if (used > 0)
		out[used++] = ';';
	memcpy(out + used, name, length);
	out[used + length] = '\0';
}

static void
row_protocols(const struct record *r, field_id protocol_field, struct export_row *row)
{
	const char *first = r->summary.protocol;
	struct record_iterator at;
	struct record_value value;

	row->protocols[0] = '\0';
	if (first != NULL)
		append_protocol(row->protocols, sizeof(row->protocols), first, strlen(first));
	record_values_begin(r, &at);
	while (protocol_field != 0 && record_values_next(&at, &value)) {
		if (value.field != protocol_field || value.type != FIELD_STR || value.more)
			continue;
		if (first != NULL && value.str.size == strlen(first) &&
		    memcmp(value.str.text, first, value.str.size) == 0)
			continue;
		append_protocol(row->protocols, sizeof(row->protocols), value.str.text, value.str.size);
	}
}

void
row_columns(const struct record *r, field_id protocol_field, struct export_row *row)
{
	const struct record_summary *s = &r->summary;

	row->packets = s->packets[0] + s->packets[1];
	row->bytes = s->bytes[0] + s->bytes[1];
	row->data_bytes = s->data_bytes[0] + s->data_bytes[1];
	row->first_ms = (int64_t)(s->first_ns / NS_PER_MS);
	row->last_ms = (int64_t)(s->last_ns / NS_PER_MS);
	row->ip_version = s->ip_version;
	row->ip_protocol = s->ip_protocol;
	memcpy(row->port, s->port, sizeof(row->port));
	memcpy(row->address, s->address, sizeof(row->address));
	row_protocols(r, protocol_field, row);
}
