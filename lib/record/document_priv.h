/* Inside of the document writer. */
#ifndef DOCUMENT_PRIV_H
#define DOCUMENT_PRIV_H

#include "base64.h"
#include "document.h"
#include "record_priv.h"

/* Keys of a field as they stand in the text, made once. Short ones are padded, and copied without looking at their
 * size. */
enum { KEY_BYTES = 32, LONG_KEY_BYTES = 64 };

struct key_text {
	const char *text;
	uint16_t size;
};

struct field_text {
	bool is_single, is_saved, is_utf8, is_address_set;
	uint32_t room; /* for all that is not a value of it */
	const char
		*group; /* what is before the first dot, one pointer for each group; NULL: a member of the document */
	struct key_text alone; /* "tailCnt":1,"tail":[ : before the only value; as much of it as the field has */
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
	uint64_t *touched;	/* a bit for each field that has values */
	uint64_t touched_words; /* bit 'word modulo 64': one of these may not be zero */
	struct field_values *values;
	struct value_entry *entry; /* 0 is not used */
	uint32_t entries_max;
	size_t room;	       /* enough for all that comes from values */
	struct key_text node;  /* "node":"NAME", */
	struct key_text event; /* "event":{...}, or nothing */
	uint32_t n_markers;    /* file numbers in packetPos */
	uint8_t *long_text;    /* RECORD_VALUE_BYTES_MAX */
	field_id mac[2], vlan, protocol;

	const char *first_protocol; /* of the last record that had one, with quotes and comma */
	uint16_t first_size;	    /* 0: it is too long for that */
	char first_text[32];

	uint64_t ms_upper; /* all but eight digits of a time, and their text; UINT64_MAX: none yet */
	unsigned ms_upper_size;
	char ms_upper_text[8];

	uint64_t period_hour; /* hours since 1970 for which 'period' holds */
	char period[DOCUMENT_PERIOD_BYTES];
};

static inline char *
put_key(char *p, const struct key_text *key)
{
	if (key->size <= KEY_BYTES)
		memcpy(p, key->text, KEY_BYTES);
	else
		memcpy(p, key->text, key->size);
	return p + key->size;
}

static inline char *
put_long_key(char *p, const struct key_text *key)
{
	if (key->size <= LONG_KEY_BYTES)
		memcpy(p, key->text, LONG_KEY_BYTES);
	else
		memcpy(p, key->text, key->size);
	return p + key->size;
}

/* Everything below writes from a pointer on, into room that formatter_write() has made for the whole document. Members
 * and elements have a comma behind them; whoever closes puts the bracket in the place of the last. */
static inline char *
put_close(char *p, char bracket)
{
	p[-1] = bracket;
	return p;
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

char *put_field_values(struct formatter *, char *, field_id); /* name and value, or count, name and array */
char *put_field_array(struct formatter *, char *, field_id);  /* the array alone, no comma behind it */
char *put_sorted_fields(struct formatter *, char *);

/* document_positions.c */
size_t positions_room(const struct formatter *, const struct record *);
char *put_positions(struct formatter *, char *);

/* document_id.c */
void document_id_write(struct formatter *, const struct record *, struct document *);
void document_root_id(struct formatter *, const struct record *, const char *own_id, char out[DOCUMENT_ID_BYTES]);

#endif
