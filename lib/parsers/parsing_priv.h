/* Inside of the parser framework; parser files do not include it. */
#ifndef PARSING_PRIV_H
#define PARSING_PRIV_H

#include "magic_priv.h"
#include "parser_memory.h"
#include "parsing.h"

enum {
	PARSERS_MAX = 256,
	ATTACHED_MAX = 31, /* parsers on one session */
	ATTACHED_FIRST = 4,
	TRANSPORTS = 3,
	LOWER_MAX = RECORD_VALUE_BYTES_MAX,
};

/* A parser as configured. */
struct parser_entry {
	const struct shrike_parser *parser;
	uint16_t index;
	void *shared;
	field_id *field; /* by place; further ones behind the table's */
	unsigned n_fields;
	struct field *extra; /* shrike_setup_field() */
	unsigned n_extra;
	struct call_list *call; /* by place of parser.calls */
	unsigned n_calls;
};

struct call_target {
	const struct parser_entry *owner;
	const struct shrike_hook *hook;
};
struct call_list {
	struct call_target *target;
	unsigned n;
};

/* ---- classify.c */

struct rule {
	const struct shrike_match *match;
	const struct parser_entry *entry;
};

/* Rules that share a key: places [first, first + n) of the table's rule array. */
struct rule_slot {
	uint32_t key; /* + 1; 0: empty */
	uint16_t first, n;
};

struct rule_table {
	struct rule_slot *slot;
	uint32_t mask;
	struct rule *rule;
};

enum rule_kind { RULE_SOURCE_PORT, RULE_DESTINATION_PORT, RULE_ANYWHERE, RULE_ONE_BYTE, RULE_BYTES, RULE_KINDS };

struct classifier {
	struct rule_table table[TRANSPORTS][RULE_KINDS];
	struct rule_table session; /* by packet protocol id */
};

struct loaded;

struct parsers {
	struct parser_entry entry[PARSERS_MAX];
	unsigned n;
	struct classifier classifier;
	enum magic_mode magic_mode;
	struct loaded *loaded;
};

/* Builds the tables; the rules for sessions come with parsers_bind_protocols(). False: out of memory. */
bool classifier_build(struct parsers *);
bool classifier_build_sessions(struct parsers *, const char *(*name_of)(uint8_t id), unsigned n);
void classifier_free(struct classifier *);

struct shrike_ctx;
/* Applies every rule that these bytes of the session match. */
void classify_payload(struct shrike_ctx *, struct cursor);
void classify_session(struct shrike_ctx *, uint8_t protocol, struct cursor);

/* ---- parsing.c */

/* A parser on a session. */
struct attached {
	uint16_t parser;
	bool is_new;	 /* parse() was not called yet */
	bool is_waiting; /* attached during this chunk by name: begins with the next */
	bool is_done;
	uint32_t blocks; /* its memory */
	uint32_t variant;
	void *state;
	struct shrike_digest *digests;
	uint64_t skip[2]; /* bytes of each direction that it does not want to see */
};

/* What hangs on a session. */
struct parsed_session {
	uint64_t bytes[2];
	uint64_t ever[PARSERS_MAX / 64]; /* was attached, or is */
	uint32_t blocks;		 /* this struct's own memory list */
	uint8_t n, capacity;
	uint8_t classified, classify_next; /* bits by direction */
	struct attached *attached;
	uint32_t *skip;	     /* the session's, or NULL */
	uint32_t offered[2]; /* what 'skip' was set to; it is less by what was kept back since */
};

struct parsing {
	const struct parsers *parsers;
	struct record_pool *records;
	struct counters *counters;
	struct parsing_host host;
	struct parser_memory memory;
	void *local[PARSERS_MAX];
	struct magic *magic;
	struct shrike_digest *free_digests;
	const struct digest_algorithms *algorithms;
	field_id protocol, tags;
	uint16_t worker;
	struct mailbox *mailbox; /* NULL: no commands */
	char lower[LOWER_MAX];	 /* not on the stack, where it would be zeroed for every call */
};

struct shrike_ctx {
	struct parsing *parsing;
	const struct parsing_chunk *chunk;
	struct parsed_session *session;
	const struct parser_entry *entry; /* whose fields and calls count: the parser's, or a hook's owner's */
	struct attached *attached;	  /* whose memory and state; NULL while a 'check' runs */
	struct record *record;		  /* opened in this feed, or NULL */
	struct parsing_facts facts;
	bool has_facts, is_consumed, record_failed;
	bool is_command; /* there is no chunk */
};

/* A rule or a parser wants 'entry' on the session. */
struct attached *parsing_attach(struct shrike_ctx *, const struct parser_entry *, unsigned variant);
const struct parser_entry *parsers_find(const struct parsers *, const char *name);
struct record *context_record(struct shrike_ctx *);
const struct parsing_facts *context_facts(const struct shrike_ctx *);

/* A command: 'run' in a context of that parser. */
void parsing_run(struct parsing *, const struct parsing_named *, unsigned parser,
		 void (*run)(struct shrike_ctx *, void *, size_t), void *data, size_t length);

/* ---- commands.c */
struct mailbox;
struct mailbox *parsing_mailbox_open(unsigned worker); /* NULL with errno */
void parsing_mailbox_close(struct mailbox *);	       /* accepts NULL; frees what waits */

/* ---- digest.c */
struct digest_algorithms;
const struct digest_algorithms *digest_algorithms_get(void); /* fetched once; NULL with errno */
void digests_free_all(struct parsing *, struct attached *);
void digests_destroy(struct parsing *);

#endif
