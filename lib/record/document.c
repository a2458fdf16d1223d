/* The session document (RECORD.md 1.5): key order, and what stands under which condition.
 *
 * Written straight into one buffer that stays from record to record; nothing is built in memory first. Keys known here
 * are copied with their quotes and colon as one constant, those of fields are made once at start (document_fields.c).
 */
#include "document.h"

#include <errno.h>
#include <stdlib.h>

#include "arena.h"
#include "clock.h"
#include "document_priv.h"

enum {
	DOCUMENT_BYTES_MAX = 64 << 20,
	MS_UPPER = 100000000, /* 28 hours */
	PREFETCH_BYTES = 256,
	ARENA_BLOCK_BYTES = 64 << 10,
	BUFFER_BYTES_MAX = INT32_MAX, /* room for a document of which every byte is escaped */
	/* Every key and number of the summary with the most digits it can have are some 1100 bytes, and a root id of
	   which every byte is escaped 800. */
	SUMMARY_BYTES_MAX = 2048 + JSON_STR_BYTES(DOCUMENT_ID_BYTES),
};

static const char *const rotate_words[] = {
	[DOCUMENT_HOURLY] = "hourly",
	[DOCUMENT_HOURLY2] = "hourly2",
	[DOCUMENT_HOURLY3] = "hourly3",
	[DOCUMENT_HOURLY4] = "hourly4",
	[DOCUMENT_HOURLY6] = "hourly6",
	[DOCUMENT_HOURLY8] = "hourly8",
	[DOCUMENT_HOURLY12] = "hourly12",
	[DOCUMENT_DAILY] = "daily",
	[DOCUMENT_WEEKLY] = "weekly",
	[DOCUMENT_MONTHLY] = "monthly",
	NULL,
};

static const char *const id_words[] = {
	[DOCUMENT_ID_RANDOM] = "false",
	[DOCUMENT_ID_DATABASE] = "true",
	[DOCUMENT_ID_CONSISTENT] = "consistent",
	[DOCUMENT_ID_SEQUENTIAL] = "sequential",
	NULL,
};

static const struct setting document_settings[] = {
	SETTING_ENUM(struct document_conf, id_style, "autoGenerateId", "false", id_words,
		     "ids of session documents: false random, true made by the index, consistent from node and packet "
		     "position, sequential random once and then counted"),
	SETTING_ENUM(struct document_conf, rotate_index, "rotateIndex", "daily", rotate_words,
		     "how much time one session index covers; viewer and database scripts need the same"),
	SETTING_BOOL(struct document_conf, gap_packet_positions, "gapPacketPos", "true",
		     "write packet positions as distances (shorter documents)"),
	SETTING_BOOL(struct document_conf, packet_lengths, "enablePacketLen", "false",
		     "write the length of every packet into the session document"),
	SETTING_STR(struct document_conf, event_provider, "ecsEventProvider", "",
		    "event.provider of every session document; empty: none"),
	SETTING_STR(struct document_conf, event_dataset, "ecsEventDataset", "",
		    "event.dataset of every session document; empty: none"),
	SETTING_STR(struct document_conf, prefix, "prefix", "arkime_",
		    "in front of every index name; an underscore is added when it has none"),
};
SETTINGS(document, "Session documents", document_settings);

/* What is in 'json', which is empty then. */
static int
keep_text(struct formatter *f, struct key_text *out)
{
	struct json *j = &f->json;
	char *text = arena_alloc(f->texts, j->size > KEY_BYTES ? j->size : KEY_BYTES);

	if (text == NULL || j->failed || j->size > UINT16_MAX)
		return -ENOMEM;
	memcpy(text, j->text, j->size);
	*out = (struct key_text){text, (uint16_t)j->size};
	json_reset(j);
	return 0;
}

/* Texts of the configuration: whatever they hold is escaped. */
static void
write_conf_member(struct json *j, const char *key, const char *text)
{
	json_key(j, key);
	json_str(j, text, strlen(text), true);
}

static bool
is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static void
write_event(struct formatter *f)
{
	struct json *j = &f->json;

	if (!is_set(f->conf.event_provider) && !is_set(f->conf.event_dataset))
		return;
	json_key(j, "event");
	json_object_begin(j);
	if (is_set(f->conf.event_provider))
		write_conf_member(j, "provider", f->conf.event_provider);
	if (is_set(f->conf.event_dataset))
		write_conf_member(j, "dataset", f->conf.event_dataset);
	json_object_end(j);
	json_bytes(j, ",", 1);
}

/* The members that are the same in all documents. */
static int
fixed_texts_create(struct formatter *f)
{
	struct json *j = &f->json;
	int status;

	write_conf_member(j, "node", f->conf.node != NULL ? f->conf.node : "");
	json_bytes(j, ",", 1);
	status = keep_text(f, &f->node);
	if (status != 0)
		return status;
	write_event(f);
	return keep_text(f, &f->event);
}

static int
formatter_init(struct formatter *f)
{
	int status;

	json_init(&f->json, BUFFER_BYTES_MAX);
	f->ms_upper = UINT64_MAX;
	if (!fields_init())
		return -EINVAL;
	f->texts = arena_create(ARENA_BLOCK_BYTES);
	f->long_text = malloc(RECORD_VALUE_BYTES_MAX);
	if (f->texts == NULL || f->long_text == NULL)
		return -ENOMEM;
	status = fields_text_create(f);
	if (status == 0)
		status = fixed_texts_create(f);
	if (status != 0)
		return status;
	f->mac[0] = field_find("source.mac");
	f->mac[1] = field_find("destination.mac");
	f->vlan = field_find("network.vlan.id");
	f->protocol = field_find("protocol");
	return 0;
}

struct formatter *
formatter_create(const struct document_conf *conf)
{
	struct formatter *f = calloc(1, sizeof(*f));
	int status;

	if (f == NULL)
		return NULL;
	f->conf = *conf;
	status = formatter_init(f);
	if (status != 0) {
		formatter_destroy(f);
		errno = -status;
		return NULL;
	}
	return f;
}

void
formatter_destroy(struct formatter *f)
{
	if (f == NULL)
		return;
	json_fini(&f->json);
	arena_destroy(f->texts);
	free(f->entry);
	free(f->long_text);
	free(f);
}

/* Milliseconds since 1970. The upper digits of all times of a day are the same, and kept; false: they are others. */
static inline bool
has_same_upper(const struct formatter *f, uint64_t ms)
{
	return __builtin_expect(ms / MS_UPPER == f->ms_upper, 1);
}

static inline uint64_t
lower_digits(uint64_t ms)
{
	return json_eight_digits((uint32_t)(ms % MS_UPPER)) | JSON_ONES * '0';
}

static inline char *
put_ms(const struct formatter *f, char *p, uint64_t lower)
{
	memcpy(p, f->ms_upper_text, sizeof(f->ms_upper_text));
	p += f->ms_upper_size;
	memcpy(p, &lower, sizeof(lower));
	return p + sizeof(lower);
}

/* For the next ones. */
static void
keep_upper(struct formatter *f, uint64_t ms)
{
	char text[JSON_U64_BYTES];
	size_t size = (size_t)(json_put_u64(text, ms / MS_UPPER) - text);

	if (ms < MS_UPPER || size > sizeof(f->ms_upper_text))
		return;
	f->ms_upper = ms / MS_UPPER;
	f->ms_upper_size = (unsigned)size;
	memcpy(f->ms_upper_text, text, sizeof(f->ms_upper_text));
}

static char *
put_range(struct formatter *f, char *p, uint64_t first, uint64_t last)
{
	uint64_t early = first < last ? first : last, late = first < last ? last : first;

	p = json_put_u64(JSON_PUT(p, "{\"packetRange\":{\"gte\":"), early);
	p = json_put_u64(JSON_PUT(p, ",\"lte\":"), late);
	p = json_put_u64(JSON_PUT(p, "},\"firstPacket\":"), first);
	p = json_put_u64(JSON_PUT(p, ",\"lastPacket\":"), last);
	keep_upper(f, first);
	return json_put_u64(JSON_PUT(p, ",\"length\":"), late - early);
}

static char *
put_times(struct formatter *f, char *p, const struct record_summary *s)
{
	uint64_t first = document_ms(s->first_ns), last = document_ms(s->last_ns), lower[2];

	if (!has_same_upper(f, first) || !has_same_upper(f, last) || first > last)
		return put_range(f, p, first, last);
	lower[0] = lower_digits(first);
	lower[1] = lower_digits(last);
	p = put_ms(f, JSON_PUT(p, "{\"packetRange\":{\"gte\":"), lower[0]);
	p = put_ms(f, JSON_PUT(p, ",\"lte\":"), lower[1]);
	p = put_ms(f, JSON_PUT(p, "},\"firstPacket\":"), lower[0]);
	p = put_ms(f, JSON_PUT(p, ",\"lastPacket\":"), lower[1]);
	return json_put_u64(JSON_PUT(p, ",\"length\":"), last - first);
}

static char *
put_saved(struct formatter *f, char *p, uint64_t ms)
{
	p = JSON_PUT(p, ",\"@timestamp\":");
	return has_same_upper(f, ms) ? put_ms(f, p, lower_digits(ms)) : json_put_u64(p, ms);
}

/* From 'fin' on. They are below ten nearly always, so that the text is there but for the digits. */
static char *
put_rare_flags(char *p, const uint16_t *count)
{
	static const char text[] =
		",\"fin\":0,\"rst\":0,\"urg\":0,\"ece\":0,\"cwr\":0,\"ae\":0,\"srcZero\":0,\"dstZero\":0}";
	static const uint8_t digit_at[] = {7, 15, 23, 31, 39, 46, 58, 70};
	unsigned some = 0, begin = 0;
	char *to = p;

	_Static_assert(TCP_COUNTS - TCP_COUNT_FIN == sizeof(digit_at), "the text has all of them");
	for (unsigned i = 0; i < sizeof(digit_at); i++)
		some |= count[i] + 6U;
	if (some < 16) {
		for (unsigned i = 0; i < sizeof(text) - 1; i += 24)
			memcpy(p + i, text + i, 24);
		for (unsigned i = 0; i < sizeof(digit_at); i++)
			p[digit_at[i]] = (char)('0' + count[i]);
		return p + sizeof(text) - 1;
	}
	for (unsigned i = 0; i < sizeof(digit_at); begin = digit_at[i++] + 1U) {
		to = json_put_bytes(to, text + begin, digit_at[i] - begin);
		to = json_put_u64(to, count[i]);
	}
	return JSON_PUT(to, "}");
}

static char *
put_tcp_flags(char *p, const uint16_t count[TCP_COUNTS])
{
	p = json_put_count(JSON_PUT(p, ",\"tcpflags\":{\"syn\":"), count[TCP_COUNT_SYN]);
	p = json_put_count(JSON_PUT(p, ",\"syn-ack\":"), count[TCP_COUNT_SYN_ACK]);
	/* These two may be one digit as well as two: no branch can be right. */
	p = json_put_short(JSON_PUT(p, ",\"ack\":"), count[TCP_COUNT_ACK]);
	p = json_put_short(JSON_PUT(p, ",\"psh\":"), count[TCP_COUNT_PSH]);
	return put_rare_flags(p, &count[TCP_COUNT_FIN]);
}

static char *
put_bool(char *p, bool value)
{
	return value ? JSON_PUT(p, "true") : JSON_PUT(p, "false");
}

static char *
put_tcp_sequence(char *p, const struct record_summary *s)
{
	p = JSON_PUT(p, ",\"tcpseq\":{");
	if (s->has_seq_source)
		p = json_put_u64(JSON_PUT(p, "\"src\":"), s->seq[0]);
	if (s->has_seq_source && s->has_seq_destination)
		p = JSON_PUT(p, ",");
	if (s->has_seq_destination)
		p = json_put_u64(JSON_PUT(p, "\"dst\":"), s->seq[1]);
	p = put_bool(JSON_PUT(p, "},\"tcpSynValidated\":"), s->syn_validated);
	p = put_bool(JSON_PUT(p, ",\"tcpSynAckValidated\":"), s->syn_ack_validated);
	if (s->source_isn_count != 0)
		p = json_put_count(JSON_PUT(p, ",\"srcISNCnt\":"), s->source_isn_count);
	return p;
}

static char *
put_tcp(char *p, const struct record_summary *s)
{
	p = put_tcp_flags(p, s->tcp_count);
	if (s->has_init_rtt)
		p = json_put_u64(JSON_PUT(p, ",\"initRTT\":"), s->init_rtt_ms);
	if (s->has_tcp_seq)
		p = put_tcp_sequence(p, s);
	return p;
}

static char *
put_payload(char *p, const struct record_summary *s)
{
	if (s->payload8_bytes[0] > 0) {
		p = json_put_hex(JSON_PUT(p, ",\"srcPayload8\":\""), s->payload8[0], s->payload8_bytes[0]);
		p = JSON_PUT(p, "\"");
	}
	if (s->payload8_bytes[1] > 0) {
		p = json_put_hex(JSON_PUT(p, ",\"dstPayload8\":\""), s->payload8[1], s->payload8_bytes[1]);
		p = JSON_PUT(p, "\"");
	}
	return p;
}

static char *
put_head(struct formatter *f, char *p, const struct record_summary *s)
{
	p = put_times(f, p, s);
	p = json_put_u64(JSON_PUT(p, ",\"ipProtocol\":"), s->ip_protocol);
	if (s->ethertype != 0)
		p = json_put_u64(JSON_PUT(p, ",\"ethertype\":"), s->ethertype);
	if (s->is_tcp)
		p = put_tcp(p, s);
	p = put_payload(p, s);
	return put_saved(f, p, s->saved_ns / NS_PER_MS);
}

/* The members of 'source' or 'destination' (RECORD.md 1.6), as far as the summary has them. */
static char *
put_side(char *p, const struct record_summary *s, unsigned side)
{
	if (s->ip_version != 0) {
		p = json_put_ip(JSON_PUT(p, "{\"ip\":\""), s->address[side], s->ip_version);
		p = json_put_u64(JSON_PUT(p, "\",\"port\":"), s->port[side]);
		p = JSON_PUT(p, ",");
	} else {
		p = JSON_PUT(p, "{");
	}
	p = json_put_u64(JSON_PUT(p, "\"bytes\":"), s->bytes[side]);
	return json_put_u64(JSON_PUT(p, ",\"packets\":"), s->packets[side]);
}

static char *
put_network(char *p, const struct record_summary *s, const char *community)
{
	p = json_put_u64(JSON_PUT(p, ",\"network\":{\"packets\":"), s->packets[0] + s->packets[1]);
	p = json_put_u64(JSON_PUT(p, ",\"bytes\":"), s->bytes[0] + s->bytes[1]);
	if (community[0] != '\0') {
		p = json_put_bytes(JSON_PUT(p, ",\"community_id\":\""), community, COMMUNITY_ID_LENGTH);
		p = JSON_PUT(p, "\"");
	}
	return p;
}

static char *
put_data_bytes(char *p, const struct record_summary *s)
{
	p = json_put_u64(JSON_PUT(p, "},\"client\":{\"bytes\":"), s->data_bytes[0]);
	p = json_put_u64(JSON_PUT(p, "},\"server\":{\"bytes\":"), s->data_bytes[1]);
	p = json_put_u64(JSON_PUT(p, "},\"totDataBytes\":"), s->data_bytes[0] + s->data_bytes[1]);
	return json_put_u64(JSON_PUT(p, ",\"segmentCnt\":"), s->segment_count);
}

/* Members of an object that has some already. */
static char *
put_macs(struct formatter *f, char *p, unsigned side)
{
	if (!values_has(f, f->mac[side]))
		return p;
	return put_field_values(f, JSON_PUT(p, ","), f->mac[side]) - 1;
}

/* The field is network.vlan.id: the only one of this library with two groups. */
static char *
put_vlan(struct formatter *f, char *p)
{
	if (!values_has(f, f->vlan))
		return p;
	p = json_put_u64(JSON_PUT(p, ",\"vlan\":{\"id-cnt\":"), f->values[f->vlan].n);
	return JSON_PUT(put_field_array(f, JSON_PUT(p, ",\"id\":"), f->vlan), "}");
}

static char *
put_summary(struct formatter *f, char *p, const struct record_summary *s, const char *community)
{
	p = put_side(JSON_PUT(put_head(f, p, s), ",\"source\":"), s, 0);
	p = put_side(JSON_PUT(put_macs(f, p, 0), "},\"destination\":"), s, 1);
	p = put_network(JSON_PUT(put_macs(f, p, 1), "}"), s, community);
	return JSON_PUT(put_data_bytes(put_vlan(f, p), s), ",");
}

static char *
put_root(struct formatter *f, char *p, const struct record *r, const struct document *d)
{
	char root[DOCUMENT_ID_BYTES];

	if (!r->summary.is_linked)
		return p;
	document_root_id(f, r, d->id, root);
	return JSON_PUT(json_put_str(JSON_PUT(p, "\"rootId\":"), root, strlen(root), true), ",");
}

static char *
put_document(struct formatter *f, char *p, const struct record *r, const struct document *d)
{
	p = put_summary(f, p, &r->summary, d->community_id);
	p = put_root(f, put_key(p, &f->node), r, d);
	p = put_positions(f, p);
	p = put_sorted_fields(f, put_key(p, &f->event));
	return put_close(p, '}');
}

/* Room for the whole document, whatever its values are: nothing is checked while it is written. */
static bool
make_room(struct formatter *f, const struct record *r)
{
	json_reset(&f->json);
	return json_room(&f->json, SUMMARY_BYTES_MAX + f->node.size + f->event.size + positions_room(f, r) + f->room);
}

/* What formatter_prefetch() does not reach: id and hash are made meanwhile. */
static inline void
prefetch_next(const struct record_chunk *c)
{
	const char *next = (const char *)(c->next != NULL ? c->next : c);

	for (unsigned i = 0; i < PREFETCH_BYTES; i += 64)
		__builtin_prefetch(next + i);
}

bool
formatter_write(struct formatter *f, const struct record *r, struct document *out)
{
	bool good;

	f->record = r;
	prefetch_next(r->values_first);
	prefetch_next(r->positions_first);
	document_id_write(f, r, out);
	community_id(&r->summary, out->community_id);
	good = values_collect(f, r) && make_room(f, r);
	if (good) {
		out->json = f->json.text;
		out->json_bytes = (size_t)(put_document(f, f->json.text, r, out) - f->json.text);
		good = out->json_bytes <= DOCUMENT_BYTES_MAX;
	}
	values_forget(f);
	return good;
}
