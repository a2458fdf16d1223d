/* Parsing: which parsers read which session, and the calls to them. For the worker; parsers only see parser.h.
 *
 * struct parsers is made once: all parsers (built in and from parsersDir), their classification tables, hooks, field
 * ids and settings, read-only afterwards. Each worker has a struct parsing over it with its memory and digests. What a
 * session has attached hangs on one pointer that the session keeps for us.
 *
 * Order for every chunk: classification when it is due (PARSERS.md 0.1), then all parsers attached, in the order in
 * which they were.
 *
 * Threads: struct parsers read-only; struct parsing one worker. Ownership: *slot belongs to struct parsing, from the
 * first parsing_feed() to parsing_end(). Limits: parserMemory bytes a worker; when it is used up parsers end early,
 * counted as "parser.no_memory". */
#ifndef PARSING_H
#define PARSING_H

#include "counters.h"
#include "parser.h"
#include "record.h"

struct parsers;

/* Loads parsersDir, calls every create(). Before fields_init(), which it calls. NULL, and the reasons in the log, with
 * errno. 'disabled' names ("arp.so") come from disableParsers. */
struct parsers *parsers_create(const struct conf *);
void parsers_destroy(struct parsers *); /* accepts NULL */
unsigned parsers_count(const struct parsers *);
const struct shrike_parser *parsers_at(const struct parsers *, unsigned i); /* in name order, disabled ones left out */

/* Calls every reload(); who cannot is named in 'errors', one a line. Workers may be running. */
void parsers_reload(const struct parsers *, const struct conf *, FILE *errors);

/* Gives every .so that was loaded, and its path, to 'take', until that does not return 0; returns what it did: for what
 * a .so registers and parsing knows nothing of. The paths are those of the parsers. */
struct shrike_plugin;
int parsers_each_plugin(const struct parsers *, int (*take)(const struct shrike_plugin *, const char *path));

/* What parsing asks of the session's owner, and when it has to: most chunks need none of it. */
struct parsing_facts {
	uint8_t ip_protocol;
	uint16_t port[2];
	uint8_t address[2][16];
	uint64_t first_ns;
};
struct parsing_named {
	void *session, **slot;
	uint64_t time_ns; /* of its last packet */
};
struct parsing_host {
	void *context;
	/* The session's record, made when it has none; NULL: the pool is empty (counted by the host). Called at most
	 * once per feed, before the first parser is called; record_close() at the feed's end, if it was opened. Either
	 * may save other sessions to make room, and so call parsing_save() for them; record_open() never for this one.
	 */
	struct record *(*record_open)(void *context, void *session);
	void (*record_close)(void *context, void *session);
	/* The record as it is, or NULL. */
	const struct record *(*record_peek)(void *context, void *session);
	void (*facts)(void *context, void *session, struct parsing_facts *out);
	/* For commands; both NULL: there are none. A session's name for other threads, and what has that name. False:
	 * it has ended. */
	void (*name)(void *context, void *session, uint64_t *generation, uint32_t *place);
	bool (*named)(void *context, uint64_t generation, uint32_t place, struct parsing_named *out);
	/* shrike_save_after(). NULL: sessions are saved as they are. */
	void (*save_after)(void *context, void *session, uint64_t second);
};

struct parsing;
struct parsing_params {
	const struct parsers *parsers;
	struct record_pool *records;
	struct counters *counters;
	struct parsing_host host;
	uint64_t memory_bytes;
	uint16_t worker;
};
struct parsing *parsing_create(const struct parsing_params *); /* NULL with errno */
void parsing_destroy(struct parsing *);			       /* accepts NULL; logs what was not given back */

/* One chunk of one session. */
struct parsing_chunk {
	void *session; /* for the host */
	void **slot;   /* the session's own pointer; *slot NULL at its first chunk */
	/* [2], the session's own, where *slot is; 0 at its first chunk. So many of the next bytes of a direction need
	 * not be fed: who keeps them back takes them off. NULL: every byte is fed. */
	uint32_t *skip;
	uint64_t time_ns;
	struct cursor bytes;
	uint32_t missing; /* bytes before 'bytes' that will never come; then 'bytes' may be empty */
	bool is_heard;	  /* somebody else wants every byte of the session: nothing is kept back, and *slot stays */
	uint8_t direction;
	uint8_t transport;	/* enum shrike_transport; 0: a session of 'protocol' */
	uint8_t protocol;	/* packet_protocol() id, for rules with 'session' */
	uint32_t sctp_protocol; /* payload protocol of an SCTP message */
};

/* Asks for what parsing_feed() will need of sessions with these slots (*parsing_chunk.slot; NULL: nothing). */
void parsing_prefetch(void *const slot[], unsigned n);

/* The same for one that is not NULL, step by step: each reads what the one before asked for. */
enum { PARSING_PREFETCH_STEPS = 3 };
void parsing_prefetch_step(const void *slot, unsigned step);

/* False: nobody wants more of this session, *slot is NULL again (unless 'is_heard'), and no further chunk need be fed;
 * those that are fed all the same while *slot is there do nothing. */
bool parsing_feed(struct parsing *, const struct parsing_chunk *);

/* True when a session of this packet protocol (by name) has parsers that want its packets. At start only. */
bool parsers_want_session(const struct parsers *, const char *protocol_name);
/* The caller's ids of packet protocols: id -> name, for the rules with 'session'. At start, once. */
void parsers_bind_protocols(struct parsers *, const char *(*name_of)(uint8_t id), unsigned n);

/* Before a record of the session is closed. */
void parsing_save(struct parsing *, void *session, void **slot, uint64_t time_ns, bool is_final);
/* The session is gone: memory back. parsing_save(..., true) does it too. Accepts *slot NULL. */
void parsing_end(struct parsing *, void **slot);

/* Runs some of the commands that other threads have sent to sessions of this worker; returns how many. Between packets;
 * it may save other sessions. */
unsigned parsing_commands(struct parsing *);

uint64_t parsing_bytes_used(const struct parsing *);

#endif
