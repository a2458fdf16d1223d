/* Inside of the document writer. */
#ifndef DOCUMENT_PRIV_H
#define DOCUMENT_PRIV_H

#include <openssl/evp.h>

#include "base64.h"
#include "document.h"
#include "record_priv.h"

/* Keys of a field as they stand in the text, made once. Short ones are padded, and copied without looking at their
 * size. */
enum { KEY_BYTES = 32 };

struct key_text {
	const char *text;
	uint16_t size;
};

struct field_text {
	const struct field *field;
	const char *group;     /* what is before the first dot; NULL: the field is a member of the document itself */
	struct key_text open;  /* "group":{ */
	struct key_text name;  /* "tail": */
	struct key_text count; /* "tailCnt": or "tail-cnt": ; size 0: not counted */
	struct key_text geo, asn, rir; /* of address sets */
};

/* The values of one field in the order they were added: a list through 'entry'. */
struct field_values {
	uint32_t first, last, n;
};

struct value_entry {
	const struct value_head *head;
	uint32_t next;
};

struct formatter {
	struct document_conf conf;
	struct json json;
	const struct record *record; /* the one being written */

	struct arena *texts;
	struct field_text *field_text; /* by field id */
	unsigned n_fields;
	uint64_t *touched; /* a bit for each field that has values */
	struct field_values *values;
	struct value_entry *entry; /* 0 is not used */
	uint32_t n_entries, entries_max;
	struct key_text node; /* "node":"NAME" */
	uint32_t n_markers;   /* file numbers in packetPos */
	uint8_t *long_text;   /* RECORD_VALUE_BYTES_MAX */
	field_id mac[2], vlan, protocol;

	EVP_MD *sha1;
	EVP_MD_CTX *digest;

	uint64_t period_hour; /* hours since 1970 for which 'period' holds */
	char period[DOCUMENT_PERIOD_BYTES];
};

static inline void
json_key_text(struct json *j, const struct key_text *key)
{
	uint32_t copied = key->size > KEY_BYTES ? key->size : KEY_BYTES;

	if (!json_next(j, copied))
		return;
	if (key->size <= KEY_BYTES)
		memcpy(j->text + j->size, key->text, KEY_BYTES);
	else
		memcpy(j->text + j->size, key->text, key->size);
	j->size += key->size;
	j->comma = false;
}

/* document_fields.c */
int fields_text_create(struct formatter *);
bool values_collect(struct formatter *, const struct record *); /* false: out of memory */
void values_forget(struct formatter *);

static inline bool
values_has(const struct formatter *f, field_id id)
{
	return (f->touched[id / 64] >> id % 64 & 1) != 0; /* never for id 0 */
}

void write_field_values(struct formatter *, field_id); /* name and value, or count, name and array */
void write_field_array(struct formatter *, field_id);  /* the array alone */
void write_sorted_fields(struct formatter *);

/* document_positions.c */
void write_positions(struct formatter *);

/* document_id.c */
void document_id_write(struct formatter *, const struct record *, struct document *);
void document_root_id(struct formatter *, const struct record *, const char *own_id, char out[DOCUMENT_ID_BYTES]);

/* community_id.c */
void community_id_write(EVP_MD_CTX *, EVP_MD *, const struct record_summary *, char out[COMMUNITY_ID_BYTES]);

#endif
