/* One DNS message (RFC 1035, 4), by the same code for unicast DNS, mDNS (RFC 6762) and LLMNR (RFC 4795).
 *
 * A message has one question; mDNS may have none, or several, of which the first counts. The question finds the object
 * that the message belongs to; of a response all records of all sections follow, those of class IN only. What
 * contradicts the protocol in the question or in a name ends the message; a record that does not fit ends it too,
 * because nothing behind it can be found, but keeps what was read. */
#include "dns_priv.h"

enum {
	MESSAGE_BYTES_MIN = 17,
	OPCODE_MAX = 5,
	CLASS_IN = 1,
	TYPE_OPT = 41,
	MULTICAST_BIT = 0x8000, /* RFC 6762, 5.4 and 10.2: QU question, cache-flush record */
};

enum section { SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL, SECTIONS };

struct header {
	uint16_t id, flags, n_questions, n_records[SECTIONS];
};

struct record_head {
	uint16_t type, class;
	uint32_t ttl;
	struct cursor rdata;
};

static void
read_header(struct header *h, struct cursor *c)
{
	h->id = cursor_be16(c);
	h->flags = cursor_be16(c);
	h->n_questions = cursor_be16(c);
	for (unsigned i = 0; i < SECTIONS; i++)
		h->n_records[i] = cursor_be16(c);
}

static bool
is_response(const struct header *h)
{
	return (h->flags & 0x8000) != 0;
}

static unsigned
opcode_of(const struct header *h)
{
	return h->flags >> 11 & 0xf;
}

enum dns_name_result
dns_message_name(struct dns_message *m, struct dns_name *name, struct cursor *at)
{
	enum dns_name_result result = dns_name_read(name, m->whole, at);

	m->names_text += name->raw_size;
	if (m->names_text > DNS_NAMES_TEXT_MAX) {
		m->store->is_truncated = true;
		return DNS_NAME_BROKEN;
	}
	if (result == DNS_NAME_LOOP)
		shrike_add_tag(m->ctx, "dns:bad-pointer-loop");
	return result;
}

static uint16_t
class_of(const struct dns_message *m, uint16_t class)
{
	return m->is_multicast ? class & (uint16_t)~MULTICAST_BIT : class;
}

/* The question that mDNS responses answer without asking it. */
static const struct dns_key no_question = {.host = "<root>", .host_size = 6, .is_root = true};

static bool
read_question(struct dns_message *m, struct dns_key *key, struct cursor *c)
{
	struct dns_name *name = &m->local->question;

	if (dns_message_name(m, name, c) != DNS_NAME_OK)
		return false;
	key->type = cursor_be16(c);
	key->class = class_of(m, cursor_be16(c));
	if (cursor_bad(c))
		return false;
	if (!dns_name_convert(name)) {
		shrike_add_tag(m->ctx, name->is_ace ? "bad-punycode" : "bad-hostname");
		return false;
	}
	key->host = name->text;
	key->host_size = name->size;
	key->is_root = name->is_root;
	return true;
}

static bool
skip_question(struct dns_message *m, struct cursor *c)
{
	if (dns_message_name(m, &m->local->owner, c) != DNS_NAME_OK)
		return false;
	cursor_skip(c, 4);
	return !cursor_bad(c);
}

static bool
read_questions(struct dns_message *m, const struct header *h, struct dns_key *key, struct cursor *c)
{
	if (h->n_questions != 1 && !m->is_multicast) {
		shrike_add_tag(m->ctx, "dns:qdcount-not-1");
		return false;
	}
	*key = no_question;
	if (h->n_questions > 0 && !read_question(m, key, c))
		return false;
	for (unsigned i = 1; i < h->n_questions; i++)
		if (!skip_question(m, c))
			return false;
	return true;
}

/* RFC 6891, 6.1.3: the OPT record has the upper eight bits of the status. */
static void
extend_status(struct dns_object *object, const struct record_head *r)
{
	unsigned status = (r->ttl >> 24) << 4 | (object->status & 0xf);

	if (dns_status_name(status) != NULL)
		object->status = (uint8_t)status;
}

static void
write_answer_tail(struct json *j, const struct record_head *r, const struct dns_name *owner)
{
	const char *type = dns_type_name(r->type);

	json_key(j, "class");
	json_text(j, "IN");
	if (type != NULL) {
		json_key(j, "type");
		json_text(j, type);
	}
	json_key(j, "ttl");
	json_u64(j, r->ttl);
	json_key(j, "name");
	json_str(j, owner->text, owner->size, true);
	json_object_end(j);
}

static void
take_record(struct dns_message *m, const struct record_head *r)
{
	struct dns_name *owner = &m->local->owner;
	struct json *j = &m->local->json;

	if (!dns_name_convert(owner))
		return;
	json_reset(j);
	json_object_begin(j);
	if (!dns_rdata_write(m, r->type, r->rdata))
		return;
	if (owner->is_ace)
		dns_store_add(m->ctx, m->store, m->object, DNS_PUNY, owner->raw, owner->raw_size);
	write_answer_tail(j, r, owner);
	if (j->failed)
		return;
	if (!m->conf->output_answers || dns_store_answer(m->ctx, m->store, m->object, j->text, j->size))
		m->object->n_answers++;
}

static bool
has_room(const struct dns_message *m)
{
	return !m->store->is_full && !m->store->no_memory && (m->object == NULL || !m->object->is_full);
}

/* Where a record or the rest of the message ends; RECORD_BROKEN: a name that is none. */
enum record_result { RECORD_TAKEN, RECORD_CUT, RECORD_BROKEN };

static enum record_result
read_record(struct dns_message *m, enum section section, struct cursor *c)
{
	struct record_head r;

	if (cursor_left(c) == 0 || !has_room(m))
		return RECORD_CUT;
	if (dns_message_name(m, &m->local->owner, c) != DNS_NAME_OK)
		return RECORD_BROKEN;
	r.type = cursor_be16(c);
	r.class = class_of(m, cursor_be16(c));
	r.ttl = cursor_be32(c);
	r.rdata = cursor_sub(c, cursor_be16(c));
	if (cursor_bad(c))
		return RECORD_CUT;
	if (r.type == TYPE_OPT && section == SECTION_ADDITIONAL)
		extend_status(m->object, &r);
	if (r.class == CLASS_IN)
		take_record(m, &r);
	return RECORD_TAKEN;
}

static void
read_response(struct dns_message *m, const struct header *h, struct cursor *c)
{
	enum record_result result = RECORD_TAKEN;

	m->object->has_response = true;
	m->object->status = h->flags & 0xf;
	for (unsigned section = 0; section < SECTIONS && result == RECORD_TAKEN; section++)
		for (unsigned i = 0; i < h->n_records[section] && result == RECORD_TAKEN; i++)
			result = read_record(m, section, c);
	if (result != RECORD_BROKEN)
		m->object->header_flags = (uint8_t)(h->flags >> 4 & 0x7f);
}

bool
dns_message_parse(struct dns_message *m, const char *protocol)
{
	struct cursor c = m->whole;
	struct dns_key key;
	struct header h;

	if (cursor_left(&c) < MESSAGE_BYTES_MIN)
		return false;
	read_header(&h, &c);
	if (opcode_of(&h) > OPCODE_MAX)
		return false;
	shrike_add_protocol(m->ctx, protocol);
	if (!read_questions(m, &h, &key, &c))
		return true;
	key.id = h.id;
	key.opcode = (uint8_t)opcode_of(&h);
	if (!has_room(m))
		return true;
	m->object = dns_store_object(m->ctx, m->store, &key);
	if (m->object == NULL)
		return true;
	if (h.n_questions > 0 && m->local->question.is_ace)
		dns_store_add(m->ctx, m->store, m->object, DNS_PUNY, m->local->question.raw,
			      m->local->question.raw_size);
	if (is_response(&h))
		read_response(m, &h, &c);
	return true;
}
