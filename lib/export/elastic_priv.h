/* The sink "elasticsearch" inside: what its files share.
 *
 * Threads: all of it belongs to the sink's thread, but for the atomics of struct elastic and elastic_interrupt(). */
#ifndef ELASTIC_PRIV_H
#define ELASTIC_PRIV_H

#include <stdatomic.h>
#include <stdio.h>

#include <jansson.h>

#include "elastic_http.h"
#include "export.h"

enum {
	ELASTIC_SCHEMA_MIN = 83, /* RECORD.md 8 */
	ELASTIC_PREFIX_BYTES = 64,
	ELASTIC_NAME_BYTES = 128,  /* of an index */
	ELASTIC_PATH_BYTES = 1536, /* of a request: the longest node name, percent-encoded, fits */
	ELASTIC_BULK_BYTES_MIN = 64 << 10,
	ELASTIC_REASON_BYTES = 1000,
	ELASTIC_TIMEOUT_S = 5,	      /* of what is not a bulk request */
	ELASTIC_NUMBER_TIMEOUT_S = 2, /* a worker may wait for a file number */
};

struct elastic_conf {
	const char *urls, *api_key, *basic, *ca_file, *client_certificate, *client_key, *client_key_password;
	const char *bulk_path, *reject_path;
	bool compress, health_check, refresh, insecure;
	int compression;
	uint32_t bulk_bytes, bulk_records, max_connections, connect_timeout_s, request_timeout_s;
};
extern const struct setting_group elastic_settings_group;

/* Where one document of a bulk request is, and whose it is. */
struct bulk_item {
	uint32_t begin;	   /* its action line, in the body */
	uint32_t document; /* its document */
	uint32_t batch, row;
};

struct delivery;

struct bulk {
	struct bulk *next;
	struct http_call call;
	struct delivery *delivery;
	char *text;
	size_t bytes, capacity;
	struct bulk_item *item;
	unsigned n_items, item_capacity;
	unsigned attempts;
	uint64_t not_before_ns, sent_ns;
};

/* Document numbers of files, see elastic_numbers.c. */
struct elastic_numbers {
	int fd;
	char path[4096];
	uint32_t raise_to; /* the sequence document has to get here; 0: it is */
};

struct elastic {
	struct elastic_conf conf;
	const struct document_conf *document;
	struct http *http;
	char *bulk_path;		   /* with the filter of answers */
	char prefix[ELASTIC_PREFIX_BYTES]; /* with its underscore */
	bool schema_checked, fields_written, wrote;
	struct elastic_numbers numbers;
	struct bulk *spare; /* to be used again */

	/* How much the store takes at once. */
	size_t bulk_bytes; /* of one request */
	double window;	   /* requests at once */
	uint64_t window_cut_ns, accepted_ns;

	uint64_t stats_version; /* of the node's stats document; 0: to be asked for */
	uint64_t next_health_ns;
	char health[32];

	char why[1024]; /* the last error in words */
	struct counters counters;
	_Atomic uint32_t requests, health_ms;
};

/* The settings, and a connection with them. NULL and 'why'. */
struct http *elastic_connect(const struct conf *, struct elastic_conf *, char *why, size_t why_size);
bool elastic_prefix(const struct document_conf *, char out[ELASTIC_PREFIX_BYTES]);

/* "PREFIXfiles/_doc/NODE-7": 'id' is escaped. False: too long. */
bool elastic_path(const char *prefix, const char *index_and_more, const char *id, char out[ELASTIC_PATH_BYTES]);

/* A request whose answer is JSON: the status, or -errno with e->why. *json (NULL: not wanted) is the caller's to
 * json_decref(), NULL when there was none. */
int elastic_request(struct elastic *, const char *method, const char *path, const char *body, json_t **json);
int elastic_request_within(struct elastic *, unsigned timeout_s, const char *method, const char *path, const char *body,
			   json_t **json);

/* What an error says in its answer, "mapper_parsing_exception: failed to parse", into out. */
void elastic_explain(const json_t *answer, int status, char *out, size_t size);
/* -errno for a status that is none of success. */
int elastic_status_error(int status);

/* 0 when the store has our schema and our fields; asks until it has. */
int elastic_ready(struct elastic *);
int elastic_schema_ready(struct elastic *);

/* elastic_fields.c: writes what is not there yet; 'of_schema': also what no sensor posts. 0 or -errno. */
int elastic_fields_write(struct elastic *, bool of_schema);
/* Calls back with the id and the JSON of every fields document of ours. */
void elastic_fields_each(bool of_schema, void (*each)(const char *expression, const char *document, void *context),
			 void *context);

/* elastic_answer.c */
enum item_fate { ITEM_TAKEN, ITEM_AGAIN, ITEM_REFUSED };
struct item_answer {
	enum item_fate fate;
	bool is_double; /* taken before */
	int status;
	const char *type, *reason;
};
/* The answer says that all of 'n' items were taken. False says nothing. */
bool answer_is_clean(const char *text, size_t bytes, unsigned n);
/* Calls back for each of 'n' items; -EPROTO when the answer is not what it has to be (nothing was called back then). */
int answer_each(const char *text, size_t bytes, unsigned n,
		void (*each)(unsigned item, const struct item_answer *, void *context), void *context);

/* elastic_bulk.c */
struct bulk *bulk_get(struct elastic *); /* an empty one; NULL: no memory */
void bulk_put(struct elastic *, struct bulk *);
void bulk_free_spares(struct elastic *);
/* False: no memory, and nothing was appended. */
bool bulk_append(struct elastic *, struct bulk *, const struct export_row *, const char *text, uint32_t batch,
		 uint32_t row_number);
/* Item 'from' of another bulk. */
bool bulk_copy(struct bulk *, const struct bulk *from, unsigned item);
bool bulk_copy_all(struct bulk *, const struct bulk *from);

/* elastic_deliver.c: the kind's write() when the store is ready. */
int elastic_deliver(struct elastic *, struct sink_batch *, unsigned n);
void elastic_deliver_count(struct counters *, uint64_t acknowledged, uint64_t rejected);

/* elastic_reject.c: what the store will never take, in memory until all of a delivery is answered. */
struct reject_list {
	struct reject {
		uint32_t batch, row;
		int status;
		char *why; /* "type: reason" */
	} * reject;
	unsigned n, room;
};
bool reject_add(struct reject_list *, uint32_t batch, uint32_t row, int status, const char *type, const char *reason);
/* One of another list, whose text stays that list's: this one is freed by free(list.reject). */
bool reject_share(struct reject_list *, const struct reject *);
void reject_clear(struct reject_list *);
/* Appends all of them to the reject file. 0 or -errno with e->why: then none is there. */
int reject_write(struct elastic *, const struct reject_list *, const struct sink_batch *);

/* elastic_documents.c */
int elastic_write_file(struct elastic *, const struct export_file *);
int elastic_write_stats(struct elastic *, const struct export_stats *);
int elastic_each_file(const struct sink_params *, export_file_callback, void *context);
int elastic_read_stats(const struct sink_params *, char *json, size_t json_size);

/* A connection without a sink, for one thread. NULL and 'why'. */
struct elastic *elastic_open(const struct conf *, const struct document_conf *, char *why, size_t why_size);
void elastic_close(struct elastic *);

/* elastic_numbers.c */
int elastic_numbers_open(struct elastic *, const char *directory); /* 0 or -errno */
void elastic_numbers_close(struct elastic *);
uint32_t elastic_numbers_take(struct elastic *, unsigned n);
void elastic_numbers_return(struct elastic *, uint32_t first, unsigned n);
/* Tells the sequence document of numbers that were taken without it. 0 or -errno. */
int elastic_numbers_reconcile(struct elastic *);

#endif
