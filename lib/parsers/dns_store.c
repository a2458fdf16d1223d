/* What is kept of a session's queries until its record is closed.
 *
 * One object per distinct question (message id, opcode, class, type, name): the query and its answers meet in it,
 * however far apart they are. Everything lies in blocks that only grow and are given back together, so a small session
 * costs one block of 512 bytes, which a question with a few answers does. One chained hash table, keyed with a secret
 * because peers choose the names, finds objects and the values of their sets; it doubles while it can, so an add takes
 * the same time in a session of ten names and of a hundred thousand. Answers are kept as the JSON they become.
 *
 * Limits: DNS_STORE_BYTES_MAX a session, DNS_OBJECT_BYTES_MAX a question. At either the rest is not recorded, and the
 * record says so with the tag "dns:truncated". An empty worker pool ends the parser after it has emitted what it has.
 */
#include "dns_priv.h"

#include <string.h>

enum {
	BLOCK_BYTES_FIRST = 512, /* with what the allocator adds, so that blocks fit its sizes */
	BLOCK_BYTES_MAX = 32 * 1024,
	BLOCK_HEADS_BYTES = 32,
	BLOCK_ALIGN = 8,
	BUCKETS_FIRST = 32,
	BUCKETS_MAX = SHRIKE_ALLOC_MAX / sizeof(void *),
	ENTRIES_PER_BUCKET = 2,
	SORT_BINS = 32,
	ORDER_BUCKETS = 13,
	KIND_KEY = DNS_SETS, /* an entry that leads to an object */
	KIND_KEY_HOST,
	KEY_BYTES = 8,
};

struct dns_block {
	struct dns_block *next;
	uint32_t used, capacity;
	char bytes[];
};

struct dns_entry {
	struct dns_entry *next_in_bucket, *next;
	struct dns_object *object;
	uint64_t hash;
	uint32_t size;
	uint8_t kind;
	uint8_t bytes[];
};

/* ---- Memory */

static bool
block_add(struct shrike_ctx *ctx, struct dns_store *store, uint32_t size)
{
	uint32_t bytes = store->blocks == NULL ? BLOCK_BYTES_FIRST : 2 * (store->blocks->capacity + BLOCK_HEADS_BYTES);
	uint32_t capacity = (bytes < BLOCK_BYTES_MAX ? bytes : BLOCK_BYTES_MAX) - BLOCK_HEADS_BYTES;
	struct dns_block *block;

	if (capacity < size)
		capacity = size;
	block = shrike_alloc(ctx, sizeof(*block) + capacity);
	if (block == NULL) {
		store->no_memory = true;
		return false;
	}
	block->capacity = capacity;
	block->next = store->blocks;
	store->blocks = block;
	return true;
}

static void *
store_alloc(struct shrike_ctx *ctx, struct dns_store *store, size_t size)
{
	void *p;

	size = (size + BLOCK_ALIGN - 1) & ~(size_t)(BLOCK_ALIGN - 1);
	if (store->bytes + size > DNS_STORE_BYTES_MAX) {
		store->is_full = store->is_truncated = true;
		return NULL;
	}
	if ((store->blocks == NULL || store->blocks->capacity - store->blocks->used < size) &&
	    !block_add(ctx, store, (uint32_t)size))
		return NULL;
	p = store->blocks->bytes + store->blocks->used;
	store->blocks->used += (uint32_t)size;
	store->bytes += (uint32_t)size;
	return p;
}

/* As store_alloc(), within what one object may have. */
static void *
object_alloc(struct shrike_ctx *ctx, struct dns_store *store, struct dns_object *object, size_t size)
{
	void *p;

	if (object->bytes + size > DNS_OBJECT_BYTES_MAX) {
		object->is_full = store->is_truncated = true;
		return NULL;
	}
	p = store_alloc(ctx, store, size);
	if (p != NULL)
		object->bytes += (uint32_t)size;
	return p;
}

/* ---- The table */

static uint64_t
fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t
hash_of(struct shrike_ctx *ctx, const struct dns_object *object, unsigned kind, const void *bytes, uint32_t size)
{
	const uint64_t *secret = ((const struct dns_local *)shrike_local(ctx))->secret;
	uint64_t hash = secret[0] ^ (uint64_t)(object != NULL ? object->serial : 0) << 32 ^ (uint64_t)kind << 24 ^ size;
	struct cursor c = cursor_make(bytes, size);

	while (cursor_left(&c) >= 8)
		hash = fold(hash ^ cursor_le64(&c), secret[1]);
	while (cursor_left(&c) >= 4)
		hash = fold(hash ^ cursor_le32(&c), secret[1]);
	while (cursor_left(&c) > 0)
		hash = fold(hash ^ cursor_u8(&c), secret[1]);
	return fold(hash ^ secret[0], secret[1] ^ UINT64_C(0x9e3779b97f4a7c15));
}

static struct dns_entry **
bucket_of(struct dns_store *store, uint64_t hash)
{
	if (store->buckets == NULL)
		return &store->first_bucket;
	return &store->buckets[hash & (store->n_buckets - 1)];
}

/* The hash covers the object and the set too. */
static bool
has_value(struct dns_store *store, uint64_t hash, const struct dns_object *object, enum dns_set set, const void *bytes,
	  uint32_t size)
{
	for (const struct dns_entry *e = *bucket_of(store, hash); e != NULL; e = e->next_in_bucket)
		if (e->hash == hash && e->kind == set && e->object == object && e->size == size &&
		    memcmp(e->bytes, bytes, size) == 0)
			return true;
	return false;
}

static void
bucket_push(struct dns_store *store, struct dns_entry *e)
{
	struct dns_entry **bucket = bucket_of(store, e->hash);

	e->next_in_bucket = *bucket;
	*bucket = e;
}

/* Without memory for a bigger table the old one goes on with longer chains. */
static void
table_grow(struct shrike_ctx *ctx, struct dns_store *store)
{
	uint32_t n_old = store->n_buckets, n = n_old == 0 ? BUCKETS_FIRST : 4 * n_old;
	struct dns_entry **old = store->buckets, **buckets;

	if (n_old == BUCKETS_MAX)
		return;
	if (n > BUCKETS_MAX)
		n = BUCKETS_MAX;
	buckets = shrike_alloc(ctx, n * sizeof(buckets[0]));
	if (buckets == NULL)
		return;
	for (uint32_t i = 0; i < (old == NULL ? 1 : n_old); i++) {
		struct dns_entry *e = old == NULL ? store->first_bucket : old[i], *next;

		store->buckets = buckets;
		store->n_buckets = n;
		for (; e != NULL; e = next) {
			next = e->next_in_bucket;
			bucket_push(store, e);
		}
	}
	shrike_free(ctx, old);
}

static struct dns_entry *
entry_add(struct shrike_ctx *ctx, struct dns_store *store, struct dns_object *object, unsigned kind, uint64_t hash,
	  const void *bytes, uint32_t size)
{
	struct dns_entry *e = object_alloc(ctx, store, object, sizeof(*e) + size);

	if (e == NULL)
		return NULL;
	e->object = object;
	e->hash = hash;
	e->kind = (uint8_t)kind;
	e->size = size;
	memcpy(e->bytes, bytes, size);
	if (store->n_entries >= ENTRIES_PER_BUCKET * (store->n_buckets > 0 ? store->n_buckets : BUCKETS_FIRST / 4))
		table_grow(ctx, store);
	bucket_push(store, e);
	store->n_entries++;
	return e;
}

/* ---- Objects */

/* FNV-1a of the name, mixed with the rest of the question: records list objects in the order that this gives. */
static uint32_t
order_of(const struct dns_key *key)
{
	uint32_t hash = UINT32_C(2166136261);

	for (uint32_t i = 0; i < key->host_size; i++)
		hash = (hash ^ (uint8_t)key->host[i]) * UINT32_C(16777619);
	return hash ^ ((uint32_t)key->opcode << 24 | (uint32_t)key->id << 8) ^ ((uint32_t)key->type << 16 | key->class);
}

static struct dns_object *
object_make(struct shrike_ctx *ctx, struct dns_store *store, const struct dns_key *key)
{
	struct dns_object *object = store_alloc(ctx, store, sizeof(*object) + key->host_size);
	char *host;

	if (object == NULL)
		return NULL;
	*object = (struct dns_object){.key = *key, .order = order_of(key), .serial = ++store->n_objects};
	host = (char *)(object + 1);
	memcpy(host, key->host, key->host_size);
	object->key.host = host;
	return object;
}

/* The fixed part of a key is hashed and compared as bytes of an entry, the name as that of its object. */
struct dns_object *
dns_store_object(struct shrike_ctx *ctx, struct dns_store *store, const struct dns_key *key)
{
	const uint8_t fixed[KEY_BYTES] = {
		(uint8_t)(key->id >> 8),
		(uint8_t)key->id,
		(uint8_t)(key->type >> 8),
		(uint8_t)key->type,
		(uint8_t)(key->class >> 8),
		(uint8_t)key->class,
		key->opcode,
		key->is_root,
	};
	uint64_t hash = hash_of(ctx, NULL, KIND_KEY, fixed, KEY_BYTES) ^
			hash_of(ctx, NULL, KIND_KEY_HOST, key->host, key->host_size);
	struct dns_object *object;

	for (struct dns_entry *e = *bucket_of(store, hash); e != NULL; e = e->next_in_bucket)
		if (e->hash == hash && e->kind == KIND_KEY && memcmp(e->bytes, fixed, KEY_BYTES) == 0 &&
		    e->object->key.host_size == key->host_size &&
		    memcmp(e->object->key.host, key->host, key->host_size) == 0)
			return e->object;
	object = object_make(ctx, store, key);
	if (object == NULL || entry_add(ctx, store, object, KIND_KEY, hash, fixed, KEY_BYTES) == NULL)
		return NULL;
	if (store->last != NULL)
		store->last->next = object;
	else
		store->first = object;
	store->last = object;
	return object;
}

/* That name is in the set of hosts without an entry. */
static bool
is_question(const struct dns_object *object, enum dns_set set, const void *bytes, uint32_t size)
{
	return set == DNS_HOST && !object->key.is_root && size == object->key.host_size &&
	       memcmp(bytes, object->key.host, size) == 0;
}

bool
dns_store_has(struct shrike_ctx *ctx, struct dns_store *store, const struct dns_object *object, enum dns_set set,
	      const void *bytes, uint32_t size)
{
	if (is_question(object, set, bytes, size))
		return true;
	return object->first_entry != NULL &&
	       has_value(store, hash_of(ctx, object, set, bytes, size), object, set, bytes, size);
}

bool
dns_store_add(struct shrike_ctx *ctx, struct dns_store *store, struct dns_object *object, enum dns_set set,
	      const void *bytes, uint32_t size)
{
	uint64_t hash = hash_of(ctx, object, set, bytes, size);
	struct dns_entry *e;

	if (is_question(object, set, bytes, size) || has_value(store, hash, object, set, bytes, size))
		return true;
	e = entry_add(ctx, store, object, set, hash, bytes, size);
	if (e == NULL)
		return false;
	if (object->last_entry != NULL)
		object->last_entry->next = e;
	else
		object->first_entry = e;
	object->last_entry = e;
	return true;
}

bool
dns_store_answer(struct shrike_ctx *ctx, struct dns_store *store, struct dns_object *object, const char *json,
		 size_t size)
{
	struct dns_answer *answer;

	if (size > DNS_ANSWER_BYTES_MAX) {
		store->is_truncated = true;
		return false;
	}
	answer = object_alloc(ctx, store, object, sizeof(*answer) + size);
	if (answer == NULL)
		return false;
	answer->size = (uint32_t)size;
	memcpy(answer->json, json, size);
	if (object->last_answer != NULL)
		object->last_answer->next = answer;
	else
		object->first_answer = answer;
	object->last_answer = answer;
	return true;
}

/* ---- Order */

static bool
comes_before(const struct dns_object *a, const struct dns_object *b)
{
	uint32_t bucket_a = a->order % ORDER_BUCKETS, bucket_b = b->order % ORDER_BUCKETS;

	return bucket_a != bucket_b ? bucket_a < bucket_b : a->order > b->order;
}

/* Those of 'a' first where both are equal. */
static struct dns_object *
merge(struct dns_object *a, struct dns_object *b)
{
	struct dns_object *head, **tail = &head;

	while (a != NULL && b != NULL) {
		struct dns_object **from = comes_before(b, a) ? &b : &a;

		*tail = *from;
		tail = &(*from)->next;
		*from = (*from)->next;
	}
	*tail = a != NULL ? a : b;
	return head;
}

/* Merge sort from below: bin i holds a sorted list of 2^i objects, or none. */
static struct dns_object *
sorted(struct dns_object *list)
{
	struct dns_object *bin[SORT_BINS] = {NULL}, *next, *result = NULL;
	unsigned i;

	for (; list != NULL; list = next) {
		struct dns_object *carry = list;

		next = list->next;
		carry->next = NULL;
		for (i = 0; i < SORT_BINS - 1 && bin[i] != NULL; i++) {
			carry = merge(bin[i], carry);
			bin[i] = NULL;
		}
		bin[i] = carry;
	}
	for (i = 0; i < SORT_BINS; i++)
		result = merge(bin[i], result);
	return result;
}

/* ---- JSON */

struct set_names {
	const char *count, *values;
	const char *geo, *as, *registry; /* addresses only */
};

/* In the order in which records have them. */
static const struct set_names set_names[DNS_SETS] = {
	[DNS_HOST] = {"hostCnt", "host", NULL, NULL, NULL},
	[DNS_NAMESERVER_HOST] = {"nameserverHostCnt", "nameserverHost", NULL, NULL, NULL},
	[DNS_MAILSERVER_HOST] = {"mailserverHostCnt", "mailserverHost", NULL, NULL, NULL},
	[DNS_PUNY] = {"punyCnt", "puny", NULL, NULL, NULL},
	[DNS_IP] = {"ipCnt", "ip", "GEO", "ASN", "RIR"},
	[DNS_NAMESERVER_IP] = {"nameserverIpCnt", "nameserverIp", "nameserverGEO", "nameserverASN", "nameserverRIR"},
	[DNS_MAILSERVER_IP] = {"mailserverIpCnt", "mailserverIp", "mailserverGEO", "mailserverASN", "mailserverRIR"},
};

/* What is not known of an address, for each of them: this sensor has no geographic data yet. */
static void
write_unknown(struct json *j, const char *key, const char *text, uint32_t n)
{
	json_key(j, key);
	json_array_begin(j);
	for (uint32_t i = 0; i < n; i++)
		json_text(j, text);
	json_array_end(j);
}

static void
write_set(struct json *j, const struct dns_object *object, enum dns_set set, uint32_t n)
{
	const struct set_names *names = &set_names[set];
	bool has_question = set == DNS_HOST && !object->key.is_root;

	json_key(j, names->count);
	json_u64(j, n);
	json_key(j, names->values);
	json_array_begin(j);
	if (has_question)
		json_str(j, object->key.host, object->key.host_size, true);
	for (const struct dns_entry *e = object->first_entry; e != NULL; e = e->next) {
		if (e->kind != set)
			continue;
		if (names->geo != NULL)
			json_ip(j, e->bytes, 0);
		else
			json_str(j, e->bytes, e->size, true);
	}
	json_array_end(j);
	if (names->geo == NULL)
		return;
	write_unknown(j, names->geo, "---", n);
	write_unknown(j, names->as, "---", n);
	write_unknown(j, names->registry, "", n);
}

static void
write_sets(struct json *j, const struct dns_object *object)
{
	uint32_t n[DNS_SETS] = {[DNS_HOST] = !object->key.is_root};

	for (const struct dns_entry *e = object->first_entry; e != NULL; e = e->next)
		n[e->kind]++;
	for (unsigned set = 0; set < DNS_SETS; set++)
		if (n[set] > 0)
			write_set(j, object, set, n[set]);
}

/* RFC 1035, 4.1.1, and RFC 4035, 3.2: the bits below the operation code, from the left. */
static void
write_header_flags(struct json *j, uint8_t flags)
{
	static const char *const names[] = {"AA", "TC", "RD", "RA", "Z", "AD", "CD"};

	if (flags == 0)
		return;
	json_key(j, "headerFlags");
	json_array_begin(j);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((flags & 0x40 >> i) != 0)
			json_text(j, names[i]);
	json_array_end(j);
}

static void
write_response(struct json *j, const struct dns_object *object, bool with_answers)
{
	json_key(j, "status");
	json_text(j, dns_status_name(object->status));
	json_key(j, "answersCnt");
	json_u64(j, object->n_answers);
	if (!with_answers || object->first_answer == NULL)
		return;
	json_key(j, "answers");
	json_array_begin(j);
	for (const struct dns_answer *a = object->first_answer; a != NULL; a = a->next)
		json_raw(j, a->json, a->size);
	json_array_end(j);
}

/* "IN", else "CLASS7"; nothing for 0, which only questions that nobody asked have. */
static void
write_code(struct json *j, const char *key, const char *name, const char *prefix, uint16_t code)
{
	char text[16];

	if (code == 0)
		return;
	if (name == NULL) {
		snprintf(text, sizeof(text), "%s%u", prefix, code);
		name = text;
	}
	json_key(j, key);
	json_text(j, name);
}

static void
write_object(struct json *j, const struct dns_object *object, bool with_answers)
{
	const struct dns_key *key = &object->key;

	json_object_begin(j);
	json_key(j, "opcode");
	json_text(j, dns_opcode_name(key->opcode));
	json_key(j, "queryHost");
	json_str(j, key->host, key->host_size, true);
	write_code(j, "qc", dns_class_name(key->class), "CLASS", key->class);
	write_code(j, "qt", dns_type_name(key->type), "TYPE", key->type);
	write_sets(j, object);
	write_header_flags(j, object->header_flags);
	if (object->has_response)
		write_response(j, object, with_answers);
	json_object_end(j);
}

static void
store_reset(struct shrike_ctx *ctx, struct dns_store *store)
{
	struct dns_block *next;

	for (struct dns_block *block = store->blocks; block != NULL; block = next) {
		next = block->next;
		shrike_free(ctx, block);
	}
	shrike_free(ctx, store->buckets);
	*store = (struct dns_store){.no_memory = store->no_memory};
}

void
dns_store_emit(struct shrike_ctx *ctx, struct dns_store *store, unsigned field, bool with_answers)
{
	struct json *j = &((struct dns_local *)shrike_local(ctx))->json;

	store->first = sorted(store->first);
	for (const struct dns_object *object = store->first; object != NULL; object = object->next) {
		json_reset(j);
		write_object(j, object, with_answers);
		if (!j->failed)
			shrike_emit_object(ctx, field, j->text, j->size);
	}
	if (store->is_truncated)
		shrike_add_tag(ctx, "dns:truncated");
	store_reset(ctx, store);
}
