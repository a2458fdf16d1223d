/* The parser interface: one file per protocol.
 *
 * A parser is a const object: fields, match rules, size of its state, and functions over bytes and a context. It never
 * sees mbufs, sessions or TCP. The same file is built in, or built as a .so when it also says SHRIKE_PLUGIN()
 * (plugin.h). Link and IP protocols of one's own: protocol.h.
 *
 * Life. When a rule matches the first payload of a direction (TCP, SCTP) or the first datagram of a direction (UDP),
 * parse() is called with zeroed state. SHRIKE_NOT_MINE then means that nothing was emitted and nothing is kept: that
 * call is the probe. After SHRIKE_MORE every later chunk of either direction comes, in order, until it returns
 * SHRIKE_DONE or the session ends. Then all its memory goes back. A parser is attached to a session once, however many
 * rules match, unless it says 'repeats'. All parsers of a session see every chunk.
 *
 * Threads: a context belongs to one worker and one call; keep no pointer to it, nor to bytes of a cursor, after the
 * call returns. Parser objects are const, without mutable statics: what a parser learns at start it returns from
 * create(). Memory: shrike_alloc() only; bounded per session; NULL when the worker's pool is empty, which a parser
 * answers with SHRIKE_DONE (the context has counted it). Cost: no system call, no lock, no log, no malloc. Time: packet
 * time, ns since 1970. Errors: bytes that contradict the protocol end the parser (SHRIKE_DONE), never the process.
 *
 * Every length or count that a peer chooses needs a named maximum. */
#ifndef PARSER_H
#define PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "cursor.h"
#include "field.h"
#include "plugin.h"

struct shrike_ctx; /* one call's view of a session */

enum shrike_verdict {
	SHRIKE_NOT_MINE, /* first call only, nothing emitted; later it means SHRIKE_DONE */
	SHRIKE_MORE,
	SHRIKE_DONE,
};

enum shrike_transport { SHRIKE_TCP = 1, SHRIKE_UDP = 2, SHRIKE_SCTP = 4 };

/* One rule; a table of them ends with a rule of transports 0 and no session. Ports and
 * bytes both have to fit where a rule has both; a rule without either, or a session, is for every first payload. */
struct shrike_match {
	uint8_t transports; /* of enum shrike_transport */
	uint16_t port;	    /* either side's port (source_port, destination_port: that of the session's source ...) */
	uint16_t source_port, destination_port;
	uint16_t offset;   /* of 'bytes' in the payload */
	const char *bytes; /* must be there; any bytes, see SHRIKE_BYTES() */
	uint16_t n_bytes;
	const char *session;  /* every packet of sessions that this packet protocol owns: "dhcp", "icmp", "arp", ... */
	const char *protocol; /* not NULL: a match adds this protocol name (after 'check'), and parse() is not called */
	uint8_t min_bytes;    /* of payload; 0: no minimum (classification itself asks for 2 on TCP) */
	/* A further condition, NULL: none. Only for rules with 'protocol'; parsers check in parse(). It may emit. */
	bool (*check)(struct shrike_ctx *, struct cursor);
	unsigned variant; /* for shrike_variant() */
};
#define SHRIKE_BYTES(literal) .bytes = (literal), .n_bytes = sizeof(literal) - 1

struct shrike_setup; /* at start only */

struct shrike_parser {
	unsigned api;	  /* SHRIKE_API */
	const char *name; /* of the file: "tls"; what disableParsers names as "tls.so" */

	const struct shrike_match *match; /* NULL: only attached by others */
	const struct field *fields;	  /* rows with a name and nothing else refer to another table's field */
	unsigned n_fields;
	const char *const *calls; /* names of hooks this parser calls, by place; NULL-terminated (shrike_call()) */
	uint32_t state_bytes;	  /* zeroed memory per session, shrike_state() */
	bool repeats;		  /* attached again when a rule matches again after it was done */

	/* Once, before the first packet: settings (conf_fill()), tables, further fields (shrike_setup_field()). What it
	 * returns is shrike_shared() of every call, read-only from then on. NULL with errno when it cannot. */
	void *(*create)(const struct conf *, struct shrike_setup *);
	void (*destroy)(void *shared);

	/* Once for every worker, at start: what several sessions of one worker share and one thread may change (a
	 * cache, scratch space, library contexts): shrike_local(). NULL with errno when it cannot. May use malloc. */
	void *(*create_local)(const void *shared);
	void (*destroy_local)(void *local);

	/* When the settings are read again while workers run (SIGHUP), on a thread that sees no packets: what changes
	 * is replaced, the old one given to shrike_free_later(). Nothing of the conf may be kept. 0, or -errno: what
	 * was there stays. NULL: it knows what create() saw. */
	int (*reload)(void *shared, const struct conf *);

	/* The next bytes of one direction, never empty. */
	enum shrike_verdict (*parse)(struct shrike_ctx *, struct cursor in);
	/* 'missing' bytes of this direction will never come (tcpGapSkip). NULL: the parser is done then. */
	enum shrike_verdict (*gap)(struct shrike_ctx *, uint32_t missing);
	/* Before a record of this session is closed; 'is_final': nothing follows, and the state goes back after it. */
	void (*save)(struct shrike_ctx *, bool is_final);
};

/* Registers a parser and its fields. */
#define SHRIKE_PARSER(object) REGISTRY_ADD(shrike_parser, object)

/* ---- What the parser may ask */

void *shrike_state(struct shrike_ctx *);
const void *shrike_shared(const struct shrike_ctx *);
void *shrike_local(struct shrike_ctx *);
unsigned shrike_variant(const struct shrike_ctx *);   /* of the rule that matched; in the first call only */
unsigned shrike_direction(const struct shrike_ctx *); /* 0: these bytes come from the session's source */
enum shrike_transport shrike_transport(const struct shrike_ctx *);
uint8_t shrike_ip_protocol(const struct shrike_ctx *);
uint32_t shrike_sctp_protocol(const struct shrike_ctx *);	/* payload protocol of an SCTP message; else 0 */
uint16_t shrike_port(const struct shrike_ctx *, unsigned side); /* 0: source, 1: destination */
const uint8_t *shrike_address(const struct shrike_ctx *, unsigned side); /* 16 bytes, IPv4 as v4-mapped; zeroes: none */
uint64_t shrike_time_ns(const struct shrike_ctx *);			 /* of the packet that brought the bytes */
uint64_t shrike_first_time_ns(const struct shrike_ctx *); /* of the session's (interval's) first packet */
/* The session's first packet after this second is the last one of its record; what follows goes into a linked one. */
void shrike_save_after(struct shrike_ctx *, uint64_t second);
/* Payload bytes of a direction that came before this chunk, over the session's whole life. */
uint64_t shrike_bytes_before(const struct shrike_ctx *, unsigned direction);

/* ---- What it says. 'field' is the place in the parser's own table. Texts are any bytes; empty ones are stored. */

void shrike_emit_int(struct shrike_ctx *, unsigned field, int64_t);
void shrike_emit_double(struct shrike_ctx *, unsigned field, double);
void shrike_emit_str(struct shrike_ctx *, unsigned field, const char *text); /* NUL-terminated */
/* names[code]; nothing when there is none. */
void shrike_emit_name(struct shrike_ctx *, unsigned field, const char *const *names, size_t n_names, uint64_t code);
#define SHRIKE_EMIT_NAME(ctx, field, names, code)                                                                      \
	shrike_emit_name((ctx), (field), (names), sizeof(names) / sizeof((names)[0]), (code))
void shrike_emit_bytes(struct shrike_ctx *, unsigned field, const void *text, size_t size);
void shrike_emit_rest(struct shrike_ctx *, unsigned field, const struct cursor *); /* what is left of the cursor */
void shrike_emit_lower(struct shrike_ctx *, unsigned field, const void *text, size_t size); /* ASCII lower case */
/* Known to be UTF-8 although the field is not FIELD_FORCE_UTF8. */
void shrike_emit_utf8(struct shrike_ctx *, unsigned field, const void *text, size_t size);
void shrike_emit_hex(struct shrike_ctx *, unsigned field, const void *bytes, size_t size); /* lower case */
void shrike_emit_mac(struct shrike_ctx *, unsigned field, const uint8_t mac[6]);	   /* 02:00:... */
void shrike_emit_ip(struct shrike_ctx *, unsigned field, const uint8_t address[16]);
void shrike_emit_ipv4(struct shrike_ctx *, unsigned field, const uint8_t address[4]);
/* An address as somebody wrote it (RECORD.md 1.10); false: it is none. */
bool shrike_emit_ip_text(struct shrike_ctx *, unsigned field, const void *text, size_t size);
void shrike_emit_object(struct shrike_ctx *, unsigned field, const char *json, size_t size);
__attribute__((format(printf, 3, 4))) void shrike_emit_format(struct shrike_ctx *, unsigned field, const char *, ...);

void shrike_add_protocol(struct shrike_ctx *, const char *name);
bool shrike_has_protocol(const struct shrike_ctx *, const char *name);
void shrike_remove_protocol(struct shrike_ctx *, const char *name);
void shrike_add_tag(struct shrike_ctx *, const char *tag);
void shrike_remove_field(struct shrike_ctx *, unsigned field); /* all its values of this record */
bool shrike_has_field(const struct shrike_ctx *, unsigned field);
/* Object 'i' of 'field' in the record as it is, in the order in which they were emitted: its length, and its text if
 * that is not more than 'size'. 0: there is none. Looks at every value of the record. */
size_t shrike_object_at(struct shrike_ctx *, unsigned field, unsigned i, char *out, size_t size);

/* ---- Memory: zeroed, of this parser on this session, given back when it is done. */

enum { SHRIKE_ALLOC_MAX = 128 * 1024 };
void *shrike_alloc(struct shrike_ctx *, size_t size); /* NULL: more than SHRIKE_ALLOC_MAX, or the pool is empty */
void *shrike_realloc(struct shrike_ctx *, void *, size_t size);
void shrike_free(struct shrike_ctx *, void *); /* accepts NULL */

/* Bytes of a stream that wait for more. The usual loop, which copies nothing when messages are whole in a chunk:
 *
 *   if (!shrike_join(ctx, &state->buffer[d], in, MESSAGE_MAX, &joined))
 *           return SHRIKE_DONE;            more than MESSAGE_MAX has waited, or there is no memory
 *   while (a whole message is in 'joined')
 *           take it off 'joined';
 *   shrike_keep(ctx, &state->buffer[d], joined);
 *
 * 'joined' is valid until shrike_keep(). It may be longer than MESSAGE_MAX: a chunk is as large as receive offload
 * makes it, and is no reason to end. Who knows a message's length before the message is there refuses it by that. A
 * message that wants 'n' more bytes to be passed over without looking at them: shrike_skip_next(), and what follows
 * begins there. */
struct shrike_buffer {
	uint8_t *bytes;
	uint32_t used, capacity;
	uint64_t skip;
	bool has_lost; /* there was no memory for what had to be kept: shrike_join() is false from then on */
};
bool shrike_join(struct shrike_ctx *, struct shrike_buffer *, struct cursor in, uint32_t max, struct cursor *joined);
void shrike_keep(struct shrike_ctx *, struct shrike_buffer *, struct cursor rest);
void shrike_skip_next(struct shrike_buffer *, uint64_t n);
void shrike_buffer_free(struct shrike_ctx *, struct shrike_buffer *);

/* ---- Other parsers */

/* From the next chunk on (of either direction) the parser of that name reads this session too, as if a rule had
 * matched. Unknown or disabled: nothing happens and false. */
bool shrike_attach(struct shrike_ctx *, const char *parser, unsigned variant);

/* 'rest' of this chunk is classified as if the session began here, and newly attached parsers get it. Empty: the next
 * chunk of this direction is. For tunnels inside a stream: CONNECT, SOCKS, STARTTLS, h2c. */
void shrike_reclassify(struct shrike_ctx *, struct cursor rest);
/* As above with nothing left of this chunk, for the next chunk of 'direction' (0, 1). */
void shrike_reclassify_next(struct shrike_ctx *, unsigned direction);

/* The next 'n' bytes of this direction, behind this chunk, are of no use to this parser: it is not called for them, nor
 * for a gap within them. What such bytes cost is then a few instructions a packet. */
void shrike_skip(struct shrike_ctx *, uint64_t n);

/* Parsers after this one do not see this chunk. */
void shrike_consume(struct shrike_ctx *);

/* Named functions between parsers, and event feeds for plugins: "tls.client_hello", "ntlm", "http.body", ... Any number
 * of hooks may have one name; shrike_call() calls them all, each with its owner's fields, and returns what the last one
 * returned (0: nobody listens). 'call' is the place in the caller's 'calls'. What 'argument' points to is said where
 * the name is defined. A hook has no state of its own: shrike_state() is the caller's, shrike_shared() and
 * shrike_local() are the owner's, and so are the places of shrike_call() within it. */
struct shrike_hook {
	const char *name;
	const struct shrike_parser *owner;
	int (*call)(struct shrike_ctx *, struct cursor in, void *argument);
};
#define SHRIKE_HOOK(object) REGISTRY_ADD(shrike_hook, object)

int shrike_call(struct shrike_ctx *, unsigned call, struct cursor in, void *argument);
bool shrike_has_listener(const struct shrike_ctx *, unsigned call);

/* ---- Digests of bodies, by OpenSSL. As memory: of this parser, given back when it is done. */

enum shrike_digest_kind { SHRIKE_MD5 = 1, SHRIKE_SHA256 = 2, SHRIKE_SHA1 = 4 };
enum { SHRIKE_DIGEST_HEX_BYTES = 65 };
struct shrike_digest;
struct shrike_digest *shrike_digest_begin(struct shrike_ctx *, unsigned kinds); /* NULL as shrike_alloc() */
void shrike_digest_update(struct shrike_digest *, const void *bytes, size_t size);
/* Lower-case hex of one kind; then it can only be freed. */
void shrike_digest_hex(struct shrike_digest *, enum shrike_digest_kind, char out[SHRIKE_DIGEST_HEX_BYTES]);
void shrike_digest_free(struct shrike_ctx *, struct shrike_digest *); /* accepts NULL */
/* All at once; returns the number of bytes written (16, 32, 20). */
unsigned shrike_digest_of(struct shrike_ctx *, enum shrike_digest_kind, const void *bytes, size_t size,
			  uint8_t out[32]);

/* The media type of a body or file by its first bytes, as magicMode says (PARSERS.md 0.2); NULL: none. The text is
 * valid until the next call. */
const char *shrike_magic(struct shrike_ctx *, const void *bytes, size_t size);

/* ---- Other threads

 * A parser's own threads (a look-up in a service, a file that is followed) bring results back by a command: a function
 * that runs on the worker that has the session, between two packets.
 *
 *   in parse():          state->asked = ask(address, shrike_session_of(ctx));
 *   on another thread:   shrike_session_command(session, answer, data, length, free);
 *   on the worker:       answer(ctx, data, length) may ask and emit as parse() does, with the fields of the parser
 *                        that asked, shrike_state() too while it is still attached (else NULL)
 *
 * There are no bytes in a command: what belongs to a chunk (shrike_direction(), shrike_skip(), shrike_attach(),
 * shrike_reclassify(), ...) means nothing and does nothing. */

/* A session, for any thread and for as long as one likes; copied freely. All zero: none. */
struct shrike_session {
	uint64_t generation;
	uint32_t place;
	uint16_t worker, parser;
};
struct shrike_session shrike_session_of(struct shrike_ctx *);

/* From any thread, without waiting. 'free_data' (NULL: none) is called exactly once in every case: on the worker after
 * 'run', or instead of it when the session has ended (counted); or at once, when this fails: -ENOBUFS, the worker has
 * too many waiting already (counted); -ESHUTDOWN, it is gone; -EINVAL, no session. Both run between packets: they do
 * not wait, and are short. Commands of one thread to one session run in order. */
int shrike_session_command(struct shrike_session, void (*run)(struct shrike_ctx *, void *data, size_t length),
			   void *data, size_t length, void (*free_data)(void *));

/* For tables that a parser replaces while workers read them: 'old' can no longer be found, and is freed when no worker
 * is in the middle of a poll that began before. From any thread but not from parse(). 0, and 'free_old' is called once,
 * on the control thread; -ENOSPC: too many wait, try again; -ENODEV: no workers run (any more), free it yourself. */
int shrike_free_later(void *old, void (*free_old)(void *));

/* ---- At start */

/* A further field, as from a conf section; returns its place for the emit calls, behind the table's. The texts are
 * copied. Two parsers may name the same field. */
unsigned shrike_setup_field(struct shrike_setup *, const struct field *);

#endif
