/* The columns of a document. Threads: the exporter's. */
#ifndef ROW_PRIV_H
#define ROW_PRIV_H

#include "export.h"
#include "record.h"

/* Everything in 'row' but its place in the text and what the document itself says (ids, Community ID).
 * 'protocol_field': of the field "protocol", or 0. */
void row_columns(const struct record *, field_id protocol_field, struct export_row *row);

#endif
