/* Random records become JSON that another reader understands as what was put in. */
#include <jansson.h>
#include <stdlib.h>

#include "document.h"
#include "record_fields.h"
#include "test.h"

enum { RECORDS = 400, VALUES_MAX = 60 };

static uint64_t state;

static uint32_t
random_below(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33) % n;
}

static unsigned
random_text(uint8_t *out, unsigned max)
{
	unsigned n = random_below(8) == 0 ? random_below(max) : random_below(40);
	bool high = random_below(2) == 0;

	for (unsigned i = 0; i < n; i++)
		out[i] = (uint8_t)(random_below(high ? 255 : 127) + 1);
	return n;
}

/* What the document has to say: the texts of the list field, one after the other. */
struct expectation {
	json_t *texts, *numbers;
	unsigned positions;
};

/* Latin-1 as UTF-8, by hand. */
static json_t *
latin1(const uint8_t *text, unsigned n)
{
	char *out = malloc(2 * n + 1);
	unsigned size = 0;
	json_t *value;

	for (unsigned i = 0; i < n; i++) {
		if (text[i] < 0x80) {
			out[size++] = (char)text[i];
			continue;
		}
		out[size++] = (char)(0xc0 | text[i] >> 6);
		out[size++] = (char)(0x80 | (text[i] & 0x3f));
	}
	value = json_stringn(out, size);
	free(out);
	return value;
}

static void
fill(struct record_pool *pool, struct record *r, struct expectation *e)
{
	static uint8_t text[RECORD_VALUE_BYTES_MAX];

	for (unsigned left = random_below(VALUES_MAX); left > 0; left--) {
		unsigned n = random_text(text, random_below(20) == 0 ? RECORD_VALUE_BYTES_MAX : 300);
		uint32_t number = random_below(1000000);

		EXPECT(record_add_str(pool, r, test_field(T_STR_LIST), text, n));
		json_array_append_new(e->texts, latin1(text, n));
		EXPECT(record_add_str(pool, r, test_field(T_STR_UTF8), text, n));
		EXPECT(record_add_str(pool, r, test_field(T_STR_SET), text, n));
		EXPECT(record_add_str(pool, r, test_field(T_STR), text, n));
		EXPECT(record_add_int(pool, r, test_field(T_INT_LIST), number));
		json_array_append_new(e->numbers, json_integer(number));
		EXPECT(record_add_double(pool, r, test_field(T_FLOAT_SET), number / 1000.0));
		EXPECT(record_add_object(pool, r, test_field(T_OBJECT), "{\"a\":[]}", 8));
	}
	for (e->positions = random_below(200); r->n_positions < e->positions;)
		EXPECT(record_add_position(pool, r, 1 + random_below(10) / 9, 24 + random_below(UINT32_MAX / 2),
					   random_below(70000)));
}

static void
random_summary(struct record_summary *s)
{
	uint8_t *bytes = (uint8_t *)s->address;

	s->first_ns = (uint64_t)random_below(UINT32_MAX / 2) * 1000000000;
	s->last_ns = s->first_ns + random_below(UINT32_MAX / 2);
	for (unsigned i = 0; i < sizeof(s->address); i++)
		bytes[i] = (uint8_t)random_below(256);
	s->ip_version = (uint8_t[]){0, 4, 6}[random_below(3)];
	s->is_tcp = s->has_tcp_seq = s->has_init_rtt = s->has_seq_source = random_below(2) == 0;
	s->has_community_id = random_below(2) == 0;
	s->protocol = random_below(2) == 0 ? "tcp" : NULL;
	s->payload8_bytes[0] = (uint8_t)random_below(9);
	s->is_linked = random_below(2) == 0;
}

/* Undoes gap0 (RECORD.md 2) and compares with what was stored. */
static void
check_positions(const struct record *r, const json_t *coded, bool gap_coded)
{
	struct record_position_iterator it;
	struct record_position p;
	int64_t file = 0, last = 0, gap = 0;

	record_positions_begin(r, &it);
	for (size_t i = 0; i < json_array_size(coded); i++) {
		int64_t value = json_integer_value(json_array_get(coded, i));

		if (value < 0) {
			file = -value;
			last = gap = 0;
			continue;
		}
		if (gap_coded) {
			gap = value != 0 ? value : gap;
			value = last = last + gap;
		}
		REQUIRE(record_positions_next(&it, &p));
		EXPECT_EQ(p.file, file);
		EXPECT_EQ(p.position, value);
	}
	EXPECT(!record_positions_next(&it, &p));
}

static void
check(const struct record *r, const struct expectation *e, const struct document *d, const struct document_conf *conf)
{
	json_error_t error;
	json_t *document = json_loadb(d->json, d->json_bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	const json_t *zt = json_object_get(document, "zt"), *positions = json_object_get(document, "packetPos");

	if (document == NULL) {
		test_fail(__FILE__, __LINE__, error.text);
		return;
	}
	if (json_array_size(e->texts) > 0) {
		EXPECT(json_equal(json_object_get(zt, "strList"), e->texts));
		EXPECT(json_equal(json_object_get(zt, "intList"), e->numbers));
		EXPECT_EQ(json_integer_value(json_object_get(zt, "strListCnt")), json_array_size(e->texts));
		EXPECT_EQ(json_integer_value(json_object_get(zt, "strSet-cnt")),
			  json_array_size(json_object_get(zt, "strSet")));
		EXPECT(json_equal(json_object_get(document, "ztStr"),
				  json_array_get(e->texts, json_array_size(e->texts) - 1)));
	}
	EXPECT_EQ(json_array_size(json_object_get(document, "packetLen")), json_array_size(positions));
	EXPECT_EQ(json_array_size(positions) - e->positions, json_array_size(json_object_get(document, "fileId")));
	check_positions(r, positions, conf->gap_packet_positions);
	json_decref(document);
}

TEST(random_records_are_read_back_as_they_were)
{
	struct record_pool *pool = test_record_pool(8192);
	struct document_conf conf = {.node = "node", .packet_lengths = true};
	struct formatter *f[2];

	REQUIRE(pool != NULL);
	state = 20251121;
	f[0] = formatter_create(&conf);
	conf.gap_packet_positions = true;
	f[1] = formatter_create(&conf);
	REQUIRE(f[0] != NULL && f[1] != NULL);
	for (unsigned i = 0; i < RECORDS; i++) {
		struct expectation e = {.texts = json_array(), .numbers = json_array()};
		struct record *r = record_create(pool);
		struct document d;

		random_summary(&r->summary);
		fill(pool, r, &e);
		conf.gap_packet_positions = i % 2 == 1;
		EXPECT(formatter_write(f[i % 2], r, &d));
		check(r, &e, &d, &conf);
		record_free(pool, r);
		json_decref(e.texts);
		json_decref(e.numbers);
	}
	formatter_destroy(f[0]);
	formatter_destroy(f[1]);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}
