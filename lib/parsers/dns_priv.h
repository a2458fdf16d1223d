/* Inside the DNS parser: names, what the answers say, and what is kept of a session until its record is closed.
 *
 * dns.c cuts messages out of datagrams and streams, dns_message.c walks one, dns_name.c reads names, dns_rdata.c writes
 * an answer as JSON, dns_store.c keeps the objects, dns_codes.c knows the words. */
#ifndef DNS_PRIV_H
#define DNS_PRIV_H

#include "json.h"
#include "parser.h"

enum {
	/* RFC 1035, 2.3.4: a name has 255 bytes, each of which takes up to four characters ("m-^a"). */
	DNS_NAME_TEXT_MAX = 1020,
	DNS_LABEL_TEXT_MAX = 63 * 4,
	DNS_UNICODE_BYTES_MAX = 4 * DNS_NAME_TEXT_MAX,
	DNS_POINTERS_MAX = 10,
	/* Characters that the names of one message may expand to: compression turns 12 bytes into a thousand. */
	DNS_NAMES_TEXT_MAX = 512 * 1024,
	DNS_TEXT_BYTES_MAX = 16384,	       /* one NSEC, HTTPS, ... as text */
	DNS_ANSWER_BYTES_MAX = 64 * 1024,      /* one answer as JSON */
	DNS_OBJECT_BYTES_MAX = 384 * 1024,     /* what is kept of one query; as JSON below RECORD_OBJECT_BYTES_MAX */
	DNS_STORE_BYTES_MAX = 4 * 1024 * 1024, /* what is kept of a session until its record is closed */
	DNS_JSON_BYTES_MAX = 1024 * 1024,
};

struct dns_conf {
	bool output_answers;
	bool parse_record_all;
};

struct dns_name {
	const char *text; /* lower case, ACE labels decoded to UTF-8; "<root>" */
	uint32_t size, raw_size;
	bool is_root;
	bool is_ace; /* a label begins with xn--, or it is somewhere inside */
	bool is_too_long;
	char raw[DNS_NAME_TEXT_MAX]; /* lower case, as it was sent */
	char unicode[DNS_UNICODE_BYTES_MAX];
};

/* One for each worker: scratch space of the message that is being read, and the secret of its hashes. */
struct dns_local {
	uint64_t secret[2];
	struct json json;
	struct dns_name question, owner, target;
	char text[DNS_TEXT_BYTES_MAX];
};

/* ---- Names */

enum dns_name_result { DNS_NAME_OK, DNS_NAME_BROKEN, DNS_NAME_LOOP };

/* The name at 'at', which is moved behind it; 'whole' is the message that pointers count from. Only 'raw' is filled:
 * dns_name_convert() makes the text. */
enum dns_name_result dns_name_read(struct dns_name *, struct cursor whole, struct cursor *at);

/* False: longer than names can be, or a label that starts with xn-- is no Punycode. */
bool dns_name_convert(struct dns_name *);

/* RFC 3492, 6.2. 'out' needs 4 * in_size bytes; false: not decodable to characters. At most DNS_LABEL_TEXT_MAX. */
bool dns_punycode_decode(const char *in, size_t in_size, char *out, size_t *out_size);

/* ---- Words. NULL: there is none. */

const char *dns_type_name(uint16_t);
const char *dns_class_name(uint16_t);
const char *dns_opcode_name(unsigned);
const char *dns_status_name(unsigned);

/* ---- What is kept of a session */

enum dns_set {
	DNS_HOST,
	DNS_NAMESERVER_HOST,
	DNS_MAILSERVER_HOST,
	DNS_PUNY,
	DNS_IP,
	DNS_NAMESERVER_IP,
	DNS_MAILSERVER_IP,
	DNS_SETS,
};

struct dns_key {
	uint16_t id, type, class;
	uint8_t opcode;
	const char *host;
	uint32_t host_size;
	bool is_root;
};

struct dns_answer {
	struct dns_answer *next;
	uint32_t size;
	char json[];
};

struct dns_object {
	struct dns_object *next;
	struct dns_key key;
	uint32_t order; /* the reference's hash, by which records list objects */
	uint32_t bytes;
	uint32_t n_answers;
	uint32_t serial;
	uint8_t header_flags; /* AA TC RD RA Z AD CD, AA being 0x40 */
	uint8_t status;
	bool has_response, is_full;
	struct dns_entry *first_entry, *last_entry;
	struct dns_answer *first_answer, *last_answer;
};

struct dns_block;
struct dns_store {
	struct dns_block *blocks;
	struct dns_object *first, *last;
	struct dns_entry **buckets, *first_bucket;
	uint32_t n_buckets, n_entries, n_objects, bytes;
	bool is_full;	   /* DNS_STORE_BYTES_MAX was reached since the last record */
	bool is_truncated; /* something was left out since the last record */
	bool no_memory;	   /* the worker's pool is empty */
};

/* The object of a question, made when it is new. NULL: no room. */
struct dns_object *dns_store_object(struct shrike_ctx *, struct dns_store *, const struct dns_key *);
/* Values a set has already are not added. False: no room. */
bool dns_store_add(struct shrike_ctx *, struct dns_store *, struct dns_object *, enum dns_set, const void *,
		   uint32_t size);
bool dns_store_has(struct shrike_ctx *, struct dns_store *, const struct dns_object *, enum dns_set, const void *,
		   uint32_t size);
bool dns_store_answer(struct shrike_ctx *, struct dns_store *, struct dns_object *, const char *json, size_t size);
/* Emits every object as 'field' and forgets them all. */
void dns_store_emit(struct shrike_ctx *, struct dns_store *, unsigned field, bool with_answers);

/* ---- Messages */

struct dns_message {
	struct shrike_ctx *ctx;
	const struct dns_conf *conf;
	struct dns_local *local;
	struct dns_store *store;
	struct dns_object *object;
	struct cursor whole;
	uint32_t names_text;
	bool is_multicast; /* mDNS (RFC 6762) */
};

/* One whole message. False: it is no DNS, nothing was done. */
bool dns_message_parse(struct dns_message *, const char *protocol);

enum dns_name_result dns_message_name(struct dns_message *, struct dns_name *, struct cursor *at);

/* Writes the members that belong to the type into local->json, and adds what names and addresses it brings to the
 * object's sets. False: malformed, the answer does not count. 'owner' is converted. */
bool dns_rdata_write(struct dns_message *, uint16_t type, struct cursor rdata);

#endif
