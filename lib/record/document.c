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

enum { DOCUMENT_BYTES_MAX = 64 << 20, ARENA_BLOCK_BYTES = 64 << 10 };

/* Packets of the first ten seconds of 1970 are moved, or viewers would not find them. */
static const uint64_t least_ns = 10 * NS_PER_S;

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

static int
formatter_init(struct formatter *f)
{
	int status;

	json_init(&f->json, DOCUMENT_BYTES_MAX);
	if (!fields_init())
		return -EINVAL;
	f->texts = arena_create(ARENA_BLOCK_BYTES);
	f->long_text = malloc(RECORD_VALUE_BYTES_MAX);
	f->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	f->digest = EVP_MD_CTX_new();
	if (f->texts == NULL || f->long_text == NULL || f->sha1 == NULL || f->digest == NULL)
		return -ENOMEM;
	status = fields_text_create(f);
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
	EVP_MD_CTX_free(f->digest);
	EVP_MD_free(f->sha1);
	arena_destroy(f->texts);
	free(f->entry);
	free(f->long_text);
	free(f);
}

/* Milliseconds as the document says them. */
static uint64_t
shown_ms(uint64_t ns)
{
	return (ns < least_ns ? ns + least_ns : ns) / NS_PER_MS;
}

static void
write_times(struct json *j, const struct record_summary *s)
{
	uint64_t first = shown_ms(s->first_ns), last = shown_ms(s->last_ns);
	uint64_t early = first < last ? first : last, late = first < last ? last : first;

	JSON_KEY(j, "packetRange");
	json_object_begin(j);
	JSON_KEY(j, "gte");
	json_u64(j, early);
	JSON_KEY(j, "lte");
	json_u64(j, late);
	json_object_end(j);
	JSON_KEY(j, "firstPacket");
	json_u64(j, first);
	JSON_KEY(j, "lastPacket");
	json_u64(j, last);
	JSON_KEY(j, "length");
	json_u64(j, late - early);
}

static void
write_tcp_flags(struct json *j, const uint16_t count[TCP_COUNTS])
{
	JSON_KEY(j, "tcpflags");
	json_object_begin(j);
#define FLAG(index, name)                                                                                              \
	do {                                                                                                           \
		JSON_KEY(j, name);                                                                                     \
		json_u64(j, count[index]);                                                                             \
	} while (0)
	FLAG(TCP_COUNT_SYN, "syn");
	FLAG(TCP_COUNT_SYN_ACK, "syn-ack");
	FLAG(TCP_COUNT_ACK, "ack");
	FLAG(TCP_COUNT_PSH, "psh");
	FLAG(TCP_COUNT_FIN, "fin");
	FLAG(TCP_COUNT_RST, "rst");
	FLAG(TCP_COUNT_URG, "urg");
	FLAG(TCP_COUNT_ECE, "ece");
	FLAG(TCP_COUNT_CWR, "cwr");
	FLAG(TCP_COUNT_AE, "ae");
	FLAG(TCP_COUNT_SRC_ZERO, "srcZero");
	FLAG(TCP_COUNT_DST_ZERO, "dstZero");
#undef FLAG
	json_object_end(j);
}

static void
write_tcp_sequence(struct json *j, const struct record_summary *s)
{
	JSON_KEY(j, "tcpseq");
	json_object_begin(j);
	if (s->has_seq_source) {
		JSON_KEY(j, "src");
		json_u64(j, s->seq[0]);
	}
	if (s->has_seq_destination) {
		JSON_KEY(j, "dst");
		json_u64(j, s->seq[1]);
	}
	json_object_end(j);
	JSON_KEY(j, "tcpSynValidated");
	json_bool(j, s->syn_validated);
	JSON_KEY(j, "tcpSynAckValidated");
	json_bool(j, s->syn_ack_validated);
	if (s->source_isn_count != 0) {
		JSON_KEY(j, "srcISNCnt");
		json_u64(j, s->source_isn_count);
	}
}

static void
write_tcp(struct json *j, const struct record_summary *s)
{
	write_tcp_flags(j, s->tcp_count);
	if (s->has_init_rtt) {
		JSON_KEY(j, "initRTT");
		json_u64(j, s->init_rtt_ms);
	}
	if (s->has_tcp_seq)
		write_tcp_sequence(j, s);
}

static void
write_payload(struct json *j, const struct record_summary *s)
{
	if (s->payload8_bytes[0] > 0) {
		JSON_KEY(j, "srcPayload8");
		json_hex(j, s->payload8[0], s->payload8_bytes[0]);
	}
	if (s->payload8_bytes[1] > 0) {
		JSON_KEY(j, "dstPayload8");
		json_hex(j, s->payload8[1], s->payload8_bytes[1]);
	}
}

/* The members of 'source' or 'destination' (RECORD.md 1.6). */
static void
write_side(struct formatter *f, const struct record_summary *s, unsigned side)
{
	struct json *j = &f->json;

	json_object_begin(j);
	if (s->ip_version != 0) {
		JSON_KEY(j, "ip");
		json_ip(j, s->address[side], s->ip_version);
		JSON_KEY(j, "port");
		json_u64(j, s->port[side]);
	}
	JSON_KEY(j, "bytes");
	json_u64(j, s->bytes[side]);
	JSON_KEY(j, "packets");
	json_u64(j, s->packets[side]);
	if (values_has(f, f->mac[side]))
		write_field_values(f, f->mac[side]);
	json_object_end(j);
}

static void
write_vlan(struct formatter *f)
{
	struct json *j = &f->json;

	/* The field is network.vlan.id: the only one of this library with two groups. */
	JSON_KEY(j, "vlan");
	json_object_begin(j);
	JSON_KEY(j, "id-cnt");
	json_u64(j, f->values[f->vlan].n);
	JSON_KEY(j, "id");
	write_field_array(f, f->vlan);
	json_object_end(j);
}

static void
write_network(struct formatter *f, const struct record_summary *s, const char *community)
{
	struct json *j = &f->json;

	JSON_KEY(j, "network");
	json_object_begin(j);
	JSON_KEY(j, "packets");
	json_u64(j, s->packets[0] + s->packets[1]);
	JSON_KEY(j, "bytes");
	json_u64(j, s->bytes[0] + s->bytes[1]);
	if (community[0] != '\0') {
		JSON_KEY(j, "community_id");
		json_text(j, community);
	}
	if (values_has(f, f->vlan))
		write_vlan(f);
	json_object_end(j);
}

static void
write_data_bytes(struct json *j, const struct record_summary *s)
{
	JSON_KEY(j, "client");
	json_object_begin(j);
	JSON_KEY(j, "bytes");
	json_u64(j, s->data_bytes[0]);
	json_object_end(j);
	JSON_KEY(j, "server");
	json_object_begin(j);
	JSON_KEY(j, "bytes");
	json_u64(j, s->data_bytes[1]);
	json_object_end(j);
	JSON_KEY(j, "totDataBytes");
	json_u64(j, s->data_bytes[0] + s->data_bytes[1]);
}

/* Texts of the configuration: whatever they hold is escaped. */
static void
write_conf_text(struct json *j, const char *text)
{
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
	JSON_KEY(j, "event");
	json_object_begin(j);
	if (is_set(f->conf.event_provider)) {
		JSON_KEY(j, "provider");
		write_conf_text(j, f->conf.event_provider);
	}
	if (is_set(f->conf.event_dataset)) {
		JSON_KEY(j, "dataset");
		write_conf_text(j, f->conf.event_dataset);
	}
	json_object_end(j);
}

static void
write_head(struct formatter *f, const struct record_summary *s)
{
	struct json *j = &f->json;

	write_times(j, s);
	JSON_KEY(j, "ipProtocol");
	json_u64(j, s->ip_protocol);
	if (s->ethertype != 0) {
		JSON_KEY(j, "ethertype");
		json_u64(j, s->ethertype);
	}
	if (s->is_tcp)
		write_tcp(j, s);
	write_payload(j, s);
	JSON_KEY(j, "@timestamp");
	json_u64(j, s->saved_ns / NS_PER_MS);
}

static void
write_origin(struct formatter *f, const struct record *r, const struct document *d)
{
	struct json *j = &f->json;
	char root[DOCUMENT_ID_BYTES];

	JSON_KEY(j, "segmentCnt");
	json_u64(j, r->summary.segment_count);
	JSON_KEY(j, "node");
	write_conf_text(j, f->conf.node != NULL ? f->conf.node : "");
	if (r->summary.is_linked) {
		document_root_id(f, r, d->id, root);
		JSON_KEY(j, "rootId");
		write_conf_text(j, root);
	}
}

static void
write_document(struct formatter *f, const struct record *r, const struct document *d)
{
	const struct record_summary *s = &r->summary;
	struct json *j = &f->json;

	json_object_begin(j);
	write_head(f, s);
	JSON_KEY(j, "source");
	write_side(f, s, 0);
	JSON_KEY(j, "destination");
	write_side(f, s, 1);
	write_network(f, s, d->community_id);
	write_data_bytes(j, s);
	write_origin(f, r, d);
	write_positions(f);
	write_event(f);
	write_sorted_fields(f);
	json_object_end(j);
}

bool
formatter_write(struct formatter *f, const struct record *r, struct document *out)
{
	json_reset(&f->json);
	f->record = r;
	if (!values_collect(f, r)) {
		values_forget(f);
		return false;
	}
	document_id_write(f, r, out);
	community_id_write(f->digest, f->sha1, &r->summary, out->community_id);
	write_document(f, r, out);
	values_forget(f);
	out->json = f->json.text;
	out->json_bytes = f->json.size;
	return !f->json.failed;
}
