/* Documents against text written by hand. */
#include "document.h"

#include <errno.h>
#include <stdlib.h>

#include "record_fields.h"
#include "test.h"

#define T0 UINT64_C(1763716200123456789) /* 2025-11-21 09:10:00.123456789 UTC */

static struct record_pool *pool;
static struct record *r;
static char text[65536];
static struct document last_document;

static void
begin(void)
{
	pool = test_record_pool(2048);
	r = record_create(pool);
	memset(&r->summary.id, 0, 16);
	r->summary = (struct record_summary){
		.first_ns = T0,
		.last_ns = T0 + 1500000000,
		.saved_ns = T0 + 9000000000,
		.segment_count = 1,
		.is_final = true,
	};
}

static void
end(void)
{
	record_free(pool, r);
	EXPECT_EQ(record_pool_destroy(pool), 0);
}

static struct document_conf
plain_conf(void)
{
	return (struct document_conf){.node = "sensor", .rotate_index = DOCUMENT_DAILY, .process_id = 0x1234};
}

static const char *
write_with(const struct document_conf *conf)
{
	struct formatter *f = formatter_create(conf);

	text[0] = '\0';
	if (f == NULL || !formatter_write(f, r, &last_document) || last_document.json_bytes >= sizeof(text)) {
		test_fail(__FILE__, __LINE__, "the record was not written");
	} else {
		memcpy(text, last_document.json, last_document.json_bytes);
		text[last_document.json_bytes] = '\0';
	}
	formatter_destroy(f);
	return text;
}

static const char *
write_plain(void)
{
	struct document_conf conf = plain_conf();

	return write_with(&conf);
}

static void
set_v4(unsigned side, uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
	uint8_t address[16] = {[10] = 0xff, [11] = 0xff, [12] = a, [13] = b, [14] = c, [15] = d};

	memcpy(r->summary.address[side], address, 16);
	r->summary.port[side] = port;
	r->summary.ip_version = 4;
}

static bool
add(const char *name, const char *value)
{
	return record_add_str(pool, r, field_find(name), value, strlen(value));
}

static void
fill_tcp(void)
{
	struct record_summary *s = &r->summary;
	static const uint16_t counts[TCP_COUNTS] = {1, 1, 3, 2, 2, 0, 0, 0, 0, 0, 0, 4};

	/* The published Community ID of these endpoints is 1:LQU9qZlK+B5F3KDmev6m5PMibrg= */
	set_v4(0, 128, 232, 110, 120, 34855);
	set_v4(1, 66, 35, 250, 204, 80);
	s->ip_protocol = 6;
	s->ethertype = 2048;
	s->protocol = "tcp";
	s->has_community_id = s->is_tcp = s->has_init_rtt = s->has_tcp_seq = s->has_seq_source =
		s->has_seq_destination = true;
	s->syn_validated = true;
	s->source_isn_count = 1;
	s->init_rtt_ms = 12;
	s->seq[0] = UINT32_MAX;
	memcpy(s->tcp_count, counts, sizeof(counts));
	memcpy(s->payload8[0], "GET / HT", 8);
	s->payload8_bytes[0] = 8;
	memcpy(s->payload8[1], "\x01\xff", 2);
	s->payload8_bytes[1] = 2;
	s->packets[0] = 5;
	s->packets[1] = 4;
	s->bytes[0] = 500;
	s->bytes[1] = 4000000000;
	s->data_bytes[0] = 100;
	s->data_bytes[1] = 3999999000;
}

TEST(a_tcp_document)
{
	begin();
	fill_tcp();
	EXPECT(add("source.mac", "00:11:22:33:44:55"));
	EXPECT(add("destination.mac", "00:11:22:33:44:66"));
	EXPECT(add("destination.mac", "00:11:22:33:44:77"));
	EXPECT(add("protocol", "http"));
	EXPECT(add("protocol", "tcp"));
	EXPECT(add("tags", "two words"));
	EXPECT(record_add_int(pool, r, field_find("srcTTL"), 64));
	EXPECT(record_add_int(pool, r, field_find("dstTTL"), 57));
	EXPECT(record_add_int(pool, r, field_find("network.vlan.id"), 100));
	EXPECT(record_add_int(pool, r, field_find("dot1q.id"), 100));
	for (unsigned i = 0; i < 9; i++)
		EXPECT(record_add_position(pool, r, 101, 24 + i * 100, 100));
	EXPECT_STR(write_plain(),
		   "{\"packetRange\":{\"gte\":1763716200123,\"lte\":1763716201623},\"firstPacket\":1763716200123,"
		   "\"lastPacket\":1763716201623,\"length\":1500,\"ipProtocol\":6,\"ethertype\":2048,"
		   "\"tcpflags\":{\"syn\":1,\"syn-ack\":1,\"ack\":3,\"psh\":2,\"fin\":2,\"rst\":0,\"urg\":0,\"ece\":0,"
		   "\"cwr\":0,\"ae\":0,\"srcZero\":0,\"dstZero\":4},\"initRTT\":12,"
		   "\"tcpseq\":{\"src\":4294967295,\"dst\":0},\"tcpSynValidated\":true,\"tcpSynAckValidated\":false,"
		   "\"srcISNCnt\":1,\"srcPayload8\":\"474554202f204854\",\"dstPayload8\":\"01ff\","
		   "\"@timestamp\":1763716209123,"
		   "\"source\":{\"ip\":\"128.232.110.120\",\"port\":34855,\"bytes\":500,\"packets\":5,\"mac-cnt\":1,"
		   "\"mac\":[\"00:11:22:33:44:55\"]},"
		   "\"destination\":{\"ip\":\"66.35.250.204\",\"port\":80,\"bytes\":4000000000,\"packets\":4,"
		   "\"mac-cnt\":2,\"mac\":[\"00:11:22:33:44:66\",\"00:11:22:33:44:77\"]},"
		   "\"network\":{\"packets\":9,\"bytes\":4000000500,"
		   "\"community_id\":\"1:LQU9qZlK+B5F3KDmev6m5PMibrg=\",\"vlan\":{\"id-cnt\":1,\"id\":[100]}},"
		   "\"client\":{\"bytes\":100},\"server\":{\"bytes\":3999999000},\"totDataBytes\":3999999100,"
		   "\"segmentCnt\":1,\"node\":\"sensor\","
		   "\"packetPos\":[-101,24,124,224,324,424,524,624,724,824],\"fileId\":[101],"
		   "\"dot1q\":{\"idCnt\":1,\"id\":[100]},\"dstTTLCnt\":1,\"dstTTL\":[57],"
		   "\"protocolCnt\":2,\"protocol\":[\"tcp\",\"http\"],\"srcTTLCnt\":1,\"srcTTL\":[64],"
		   "\"tagsCnt\":1,\"tags\":[\"two words\"]}");
	EXPECT_STR(last_document.community_id, "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
	EXPECT_STR(last_document.index_period, "251121");
	end();
}

TEST(what_tcp_does_not_know_is_absent)
{
	begin();
	fill_tcp();
	r->summary.has_init_rtt = r->summary.has_tcp_seq = false;
	EXPECT(strstr(write_plain(), "\"dstZero\":4},\"srcPayload8\":") != NULL);
	r->summary.has_tcp_seq = true;
	r->summary.has_seq_source = false;
	r->summary.source_isn_count = 0;
	EXPECT(strstr(write_plain(), "\"tcpseq\":{\"dst\":0},\"tcpSynValidated\":true,\"tcpSynAckValidated\":false,"
				     "\"srcPayload8\"") != NULL);
	end();
}

TEST(a_udp_document_of_a_dry_run)
{
	struct document_conf conf = plain_conf();

	begin();
	conf.dry_run = conf.packet_lengths = conf.gap_packet_positions = true;
	r->summary.ip_version = 6;
	memcpy(r->summary.address[0], "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
	memcpy(r->summary.address[1], "\0\0\0\0\0\0\0\0\0\0\xff\xff\x01\x02\x03\x04", 16);
	r->summary.port[0] = 53;
	r->summary.ip_protocol = 17;
	r->summary.protocol = "udp";
	r->summary.last_ns = T0 - 2000000; /* out of order: the range is still in order, the length positive */
	EXPECT(record_add_position(pool, r, 0, 24, 80));
	EXPECT(record_add_position(pool, r, 0, 104, 70));
	EXPECT_STR(write_with(&conf),
		   "{\"packetRange\":{\"gte\":1763716200121,\"lte\":1763716200123},\"firstPacket\":1763716200123,"
		   "\"lastPacket\":1763716200121,\"length\":2,\"ipProtocol\":17,\"@timestamp\":1763716209123,"
		   "\"source\":{\"ip\":\"2001:db8::1\",\"port\":53,\"bytes\":0,\"packets\":0},"
		   "\"destination\":{\"ip\":\"::ffff:1.2.3.4\",\"port\":0,\"bytes\":0,\"packets\":0},"
		   "\"network\":{\"packets\":0,\"bytes\":0},\"client\":{\"bytes\":0},\"server\":{\"bytes\":0},"
		   "\"totDataBytes\":0,\"segmentCnt\":1,\"node\":\"sensor\",\"packetPos\":[24,104],"
		   "\"packetLen\":[80,70],\"fileId\":[],\"protocolCnt\":1,\"protocol\":[\"udp\"]}");
	end();
}

TEST(an_icmp_document_with_outer_addresses)
{
	uint8_t outer[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 9};

	begin();
	set_v4(0, 192, 168, 0, 89, 0);
	set_v4(1, 192, 168, 0, 1, 0);
	r->summary.ip_protocol = 1;
	r->summary.icmp_type = 8;
	r->summary.has_community_id = true;
	r->summary.protocol = "icmp";
	EXPECT(record_add_int(pool, r, field_find("icmp.type"), 8));
	EXPECT(record_add_int(pool, r, field_find("icmp.code"), 0));
	EXPECT(record_add_ip(pool, r, field_find("srcOuterIp"), outer));
	outer[0] = 0x20;
	EXPECT(record_add_ip(pool, r, field_find("srcOuterIp"), outer));
	EXPECT_STR(strstr(write_plain(), "\"network\""),
		   "\"network\":{\"packets\":0,\"bytes\":0,\"community_id\":\"1:X0snYXpgwiv9TZtqg64sgzUn6Dk=\"},"
		   "\"client\":{\"bytes\":0},\"server\":{\"bytes\":0},\"totDataBytes\":0,\"segmentCnt\":1,"
		   "\"node\":\"sensor\",\"packetPos\":[],\"fileId\":[],\"icmp\":{\"code\":[0],\"type\":[8]},"
		   "\"protocolCnt\":1,\"protocol\":[\"icmp\"],\"srcOuterIpCnt\":2,"
		   "\"srcOuterIp\":[\"10.0.0.9\",\"2000::ffff:a00:9\"],\"srcOuterGEO\":[\"---\",\"---\"],"
		   "\"srcOuterASN\":[\"---\",\"---\"],\"srcOuterRIR\":[\"\",\"\"]}");
	end();
}

TEST(an_arp_document_has_no_addresses)
{
	begin();
	r->summary.ethertype = 0x806;
	r->summary.protocol = "arp";
	EXPECT(add("source.mac", "00:11:22:33:44:55"));
	EXPECT(strstr(write_plain(), "\"ipProtocol\":0,\"ethertype\":2054,\"@timestamp\":1763716209123,"
				     "\"source\":{\"bytes\":0,\"packets\":0,\"mac-cnt\":1,"
				     "\"mac\":[\"00:11:22:33:44:55\"]},\"destination\":{\"bytes\":0,\"packets\":0},"
				     "\"network\":{\"packets\":0,\"bytes\":0},") != NULL);
	end();
}

TEST(values_of_every_type)
{
	uint8_t ip[16] = {[15] = 1};

	begin();
	EXPECT(record_add_int(pool, r, test_field(T_INT), -5));
	EXPECT(record_add_int(pool, r, test_field(T_INT_LIST), -1));
	EXPECT(record_add_int(pool, r, test_field(T_INT_LIST), 7));
	EXPECT(record_add_int(pool, r, test_field(T_INT_LIST), 7));
	EXPECT(record_add_double(pool, r, test_field(T_FLOAT), 0.5));
	EXPECT(record_add_double(pool, r, test_field(T_FLOAT_LIST), 2));
	EXPECT(record_add_str(pool, r, test_field(T_STR), "\xe9\"", 2));
	EXPECT(record_add_str(pool, r, test_field(T_STR_UTF8), "\xc3\xa9", 2));
	EXPECT(record_add_str(pool, r, test_field(T_STR_LIST), "\xc3\xa9", 2));
	EXPECT(record_add_utf8(pool, r, test_field(T_STR_LIST), "\xc3\xa9", 2));
	EXPECT(record_add_str(pool, r, test_field(T_STR_SET), "a", 1));
	EXPECT(record_add_str(pool, r, test_field(T_STR_SET), "a\0b", 3));
	EXPECT(record_add_ip(pool, r, test_field(T_IP), ip));
	EXPECT(record_add_ip(pool, r, test_field(T_IP_DOTTED), ip));
	EXPECT(record_add_object(pool, r, test_field(T_OBJECT), "{\"x\":1}", 7));
	EXPECT(record_add_object(pool, r, test_field(T_OBJECT), "{}", 2));
	EXPECT_STR(strstr(write_plain(), "\"fileId\""),
		   "\"fileId\":[],\"zt\":{\"float\":0.500000,\"floatList\":[2.000000],\"int\":-5,"
		   "\"intList\":[4294967295,7,7],\"ip\":\"::1\",\"other.ipCnt\":1,\"other.ip\":[\"::1\"],"
		   "\"other.GEO\":[\"---\"],\"other.ASN\":[\"---\"],\"other.RIR\":[\"\"],"
		   "\"strListCnt\":2,\"strList\":[\"\xc3\x83\xc2\xa9\",\"\xc3\xa9\"],"
		   "\"strSet-cnt\":2,\"strSet\":[\"a\",\"a\"],\"strUtf8\":[\"\xc3\xa9\"]},"
		   "\"ztObjectCnt\":2,\"ztObject\":[{\"x\":1},{}],\"ztStr\":\"\xc3\xa9\\\"\"}");
	end();
}

TEST(a_long_text_is_written_whole_though_it_lies_in_several_chunks)
{
	char *value = malloc(RECORD_VALUE_BYTES_MAX), *found;
	struct document_conf conf = plain_conf();

	begin();
	/* Sequences of three bytes: the ends of chunks fall into them. */
	for (unsigned i = 0; i < RECORD_VALUE_BYTES_MAX - 3; i += 3)
		memcpy(value + i, "\xe2\x82\xac", 3);
	EXPECT(record_add_str(pool, r, test_field(T_STR_UTF8), value, 16380));
	found = strstr(write_with(&conf), "\"strUtf8\":[\"");
	REQUIRE(found != NULL);
	EXPECT(memcmp(found + 12, value, 16380) == 0);
	EXPECT_STR(found + 12 + 16380, "\"]}}");
	end();
	free(value);
}

/* Room is made once, for the longest that everything can become. */
TEST(a_document_of_which_every_byte_grows_has_room)
{
	char value[1000];
	const char *found;
	struct document_conf conf = plain_conf();

	memset(value, 1, sizeof(value));
	begin();
	for (unsigned i = 0; i < 10; i++) {
		value[0] = (char)(1 + i);
		EXPECT(record_add_str(pool, r, test_field(T_STR_SET), value, sizeof(value)));
		EXPECT(record_add_double(pool, r, test_field(T_FLOAT_LIST), -1e308));
		EXPECT(record_add_position(pool, r, UINT32_MAX - i, UINT64_MAX / 2 - i, UINT32_MAX));
	}
	found = write_with(&conf);
	REQUIRE(strstr(found, "\"strSet-cnt\":10,") != NULL);
	REQUIRE(strstr(found, "-100000000000000001097") != NULL);
	EXPECT(strlen(found) > 10 * (6 * sizeof(value) + 300));
	EXPECT_STR(found + strlen(found) - 8, "0001\"]}}");
	end();
}

TEST(of_many_addresses_2000_are_written_and_all_are_counted)
{
	struct document_conf conf = plain_conf();
	unsigned commas = 0;
	uint8_t ip[16] = {[10] = 0xff, [11] = 0xff, [12] = 1};
	const char *p;

	begin();
	for (unsigned i = 0; i < 2005; i++) {
		ip[14] = (uint8_t)(i >> 8);
		ip[15] = (uint8_t)i;
		EXPECT(record_add_ip(pool, r, test_field(T_IP_SET), ip));
	}
	p = strstr(write_with(&conf), "\"ztSetIpCnt\":2005,\"ztSetIp\":[\"1.0.0.0\",");
	REQUIRE(p != NULL);
	for (p = strchr(p, '['); *p != ']'; p++)
		commas += *p == ',';
	EXPECT_EQ(commas, 1999);
	EXPECT(strncmp(p, "],\"ztSetGEO\":[", 14) == 0);
	for (commas = 0, p += 2; *p != ']'; p++)
		commas += *p == ',';
	EXPECT_EQ(commas, 1999);
	end();
}

TEST(positions_of_several_files)
{
	static const struct record_position positions[] = {{5, 24, 100}, {5, 124, 100}, {5, 224, 90},
							   {5, 324, 80}, {6, 24, 60},	{6, 84, 60},
							   {5, 424, 70}, {5, 848, 50},	{5, 1272, 50}};
	struct document_conf conf = plain_conf();

	begin();
	for (unsigned i = 0; i < sizeof(positions) / sizeof(positions[0]); i++)
		EXPECT(record_add_position(pool, r, positions[i].file, positions[i].position, positions[i].length));
	conf.packet_lengths = true;
	EXPECT_STR(strstr(write_with(&conf), "\"packetPos\""),
		   "\"packetPos\":[-5,24,124,224,324,-6,24,84,-5,424,848,1272],"
		   "\"packetLen\":[0,100,100,90,80,0,60,60,0,70,50,50],\"fileId\":[5,6,5]}");
	conf.gap_packet_positions = true;
	/* RECORD.md 2: 0 is the distance before once more; a marker starts again. */
	EXPECT_STR(strstr(write_with(&conf), "\"packetPos\""),
		   "\"packetPos\":[-5,24,100,0,0,-6,24,60,-5,424,0,0],"
		   "\"packetLen\":[0,100,100,90,80,0,60,60,0,70,50,50],\"fileId\":[5,6,5]}");
	end();
}

/* The null writer: offsets of an imaginary file, which nobody could decode. */
TEST(positions_without_a_file_are_neither_marked_nor_coded)
{
	struct document_conf conf = plain_conf();

	begin();
	EXPECT(record_add_position(pool, r, 0, 24, 100));
	EXPECT(record_add_position(pool, r, 0, 124, 100));
	conf.gap_packet_positions = true;
	EXPECT_STR(strstr(write_with(&conf), "\"packetPos\""), "\"packetPos\":[24,124],\"fileId\":[]}");
	end();
}

/* A distance cannot be negative or zero: the marker says that positions start again. */
TEST(a_position_that_goes_back_gets_a_marker)
{
	struct document_conf conf = plain_conf();

	begin();
	EXPECT(record_add_position(pool, r, 5, 500, 100));
	EXPECT(record_add_position(pool, r, 5, 24, 100));
	EXPECT(record_add_position(pool, r, 5, 24, 100));
	conf.gap_packet_positions = true;
	EXPECT_STR(strstr(write_with(&conf), "\"packetPos\""),
		   "\"packetPos\":[-5,500,-5,24,-5,24],\"fileId\":[5,5,5]}");
	end();
}

/* Distances of all lengths, repeated now and then, in one file and in others: as many as fill chunks. */
TEST(distances_of_every_length_are_written)
{
	struct document_conf conf = plain_conf();
	static char expected[1 << 16];

	conf.gap_packet_positions = true;
	for (unsigned n = 1; n < 400; n += n < 40 ? 1 : 37) {
		uint64_t position = 0, gap = 0, before, state = n;
		char *to = expected, *limit = expected + sizeof(expected);
		uint32_t file = 0;

		begin();
		to += snprintf(to, (size_t)(limit - to), "\"packetPos\":[");
		for (unsigned i = 0; i < n; i++) {
			bool other = i == 0;

			state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			other = other || state >> 58 == 0;
			before = gap;
			if (other || (state >> 40 & 3) != 0)
				gap = (state >> 20) % (UINT64_C(1) << (1 + (state >> 50) % 34)) + 1;
			if (other) {
				file++;
				position = 0;
				to += snprintf(to, (size_t)(limit - to), "-%u,", file);
			}
			position += gap;
			EXPECT(record_add_position(pool, r, file, position, 0));
			to += snprintf(to, (size_t)(limit - to), "%llu,",
				       !other && gap == before ? 0ULL : (unsigned long long)gap);
		}
		snprintf(to - 1, (size_t)(limit - to), "],\"fileId\":[");
		EXPECT(strncmp(strstr(write_with(&conf), "\"packetPos\""), expected, strlen(expected)) == 0);
		end();
	}
}

TEST(counts_of_flags_have_as_many_digits_as_they_need)
{
	begin();
	fill_tcp();
	for (unsigned i = 0; i < TCP_COUNTS; i++)
		r->summary.tcp_count[i] = (uint16_t)(i < 8 ? 9 + i % 2 : 1);
	r->summary.tcp_count[TCP_COUNT_ACK] = UINT16_MAX;
	EXPECT(strstr(write_plain(),
		      "\"tcpflags\":{\"syn\":9,\"syn-ack\":10,\"ack\":65535,\"psh\":10,\"fin\":9,\"rst\":10,"
		      "\"urg\":9,\"ece\":10,\"cwr\":1,\"ae\":1,\"srcZero\":1,\"dstZero\":1}") != NULL);
	for (unsigned i = 0; i < TCP_COUNTS; i++)
		r->summary.tcp_count[i] = (uint16_t)(i % 10);
	EXPECT(strstr(write_plain(),
		      "\"tcpflags\":{\"syn\":0,\"syn-ack\":1,\"ack\":2,\"psh\":3,\"fin\":4,\"rst\":5,\"urg\":6,"
		      "\"ece\":7,\"cwr\":8,\"ae\":9,\"srcZero\":0,\"dstZero\":1}") != NULL);
	end();
}

/* The upper digits of times are kept from one document to the next. */
TEST(times_of_other_days_do_not_take_digits_from_each_other)
{
	static const uint64_t times_ms[] = {1763716200123, 1763716200124, 1763800000000, 1763799999999, 20000,
					    99999999,	   100000000,	  1763800000001, 4102444800000, 18446744073709};
	struct document_conf conf = plain_conf();
	struct formatter *f = formatter_create(&conf);
	struct document d;
	char expected[200];

	REQUIRE(f != NULL);
	begin();
	for (unsigned i = 1; i < sizeof(times_ms) / sizeof(times_ms[0]); i++) {
		unsigned long long first = times_ms[i - 1], last = times_ms[i];

		r->summary.first_ns = first * NS_PER_MS;
		r->summary.last_ns = r->summary.saved_ns = last * NS_PER_MS;
		REQUIRE(formatter_write(f, r, &d));
		snprintf(expected, sizeof(expected),
			 "{\"packetRange\":{\"gte\":%llu,\"lte\":%llu},\"firstPacket\":%llu,\"lastPacket\":%llu,"
			 "\"length\":%llu,",
			 first < last ? first : last, first < last ? last : first, first, last,
			 first < last ? last - first : first - last);
		EXPECT(memcmp(d.json, expected, strlen(expected)) == 0);
		snprintf(expected, sizeof(expected), "\"@timestamp\":%llu,", last);
		EXPECT(memmem(d.json, d.json_bytes, expected, strlen(expected)) != NULL);
	}
	formatter_destroy(f);
	end();
}

TEST(packets_of_the_first_seconds_of_1970_are_moved)
{
	begin();
	r->summary.first_ns = 0;
	r->summary.last_ns = UINT64_C(9999000000);
	EXPECT(strstr(write_plain(), "{\"packetRange\":{\"gte\":10000,\"lte\":19999},\"firstPacket\":10000,"
				     "\"lastPacket\":19999,\"length\":9999,") != NULL);
	r->summary.first_ns = r->summary.last_ns = UINT64_C(10000000000);
	EXPECT(strstr(write_plain(), "\"firstPacket\":10000,\"lastPacket\":10000,") != NULL);
	end();
}

TEST(events_and_node_are_escaped)
{
	struct document_conf conf = plain_conf();

	begin();
	conf.node = "a\"b";
	EXPECT(strstr(write_with(&conf), "\"node\":\"a\\\"b\",\"packetPos\":[],\"fileId\":[]}") != NULL);
	conf.event_provider = "pro\\vider";
	EXPECT(strstr(write_with(&conf), "\"fileId\":[],\"event\":{\"provider\":\"pro\\\\vider\"}}") != NULL);
	conf.event_dataset = "data";
	conf.event_provider = "";
	EXPECT(strstr(write_with(&conf), "\"fileId\":[],\"event\":{\"dataset\":\"data\"}}") != NULL);
	end();
}

static void
set_ids(uint8_t own, uint8_t root)
{
	memset(r->summary.id, own, 16);
	memset(r->summary.root_id, root, 16);
}

/* "PERIOD-" and base64 of the process id and sixteen bytes. */
TEST(random_ids_begin_with_their_period)
{
	struct document_conf conf = plain_conf();

	begin();
	set_ids(0xff, 0);
	write_with(&conf);
	EXPECT_STR(last_document.id, "251121-NBL_____________________");
	EXPECT_EQ(strlen(last_document.id), 31); /* RECORD.md 1.4: what the viewer takes for an id with a period */
	conf.rotate_index = DOCUMENT_MONTHLY;
	set_ids(0xfb, 0);
	write_with(&conf);
	EXPECT_STR(last_document.id, "25m11-NBL7-_v7-_v7-_v7-_v7-_v7");
	end();
}

TEST(linked_documents_name_their_root)
{
	struct document_conf conf = plain_conf();
	char expected[256];

	begin();
	EXPECT(strstr(write_with(&conf), "rootId") == NULL);
	r->summary.is_linked = true;
	set_ids(7, 7);
	write_with(&conf);
	snprintf(expected, sizeof(expected), "\"segmentCnt\":1,\"node\":\"sensor\",\"rootId\":\"%s\",\"packetPos\"",
		 last_document.id);
	EXPECT(strstr(text, expected) != NULL);
	/* A later one: the root was saved the day before. */
	set_ids(8, 0xff);
	r->summary.root_last_ns = T0 - 86400 * UINT64_C(1000000000);
	EXPECT(strstr(write_with(&conf), "\"rootId\":\"251120-NBL_____________________\"") != NULL);
	end();
}

TEST(consistent_ids_name_the_first_packet)
{
	struct document_conf conf = plain_conf();

	begin();
	conf.id_style = DOCUMENT_ID_CONSISTENT;
	set_ids(1, 2);
	write_with(&conf);
	EXPECT_EQ(strlen(last_document.id), 31); /* no packet: as random */
	EXPECT(record_add_position(pool, r, 101, 4711, 100));
	EXPECT(record_add_position(pool, r, 102, 24, 100));
	r->summary.is_linked = true;
	r->summary.root_last_ns = T0;
	r->summary.root_file = 99;
	r->summary.root_position = 24;
	write_with(&conf);
	EXPECT_STR(last_document.id, "251121-sensor-101-4711");
	EXPECT(strstr(text, "\"rootId\":\"251121-sensor-99-24\"") != NULL);
	set_ids(1, 1);
	EXPECT(strstr(write_with(&conf), "\"rootId\":\"251121-sensor-101-4711\"") != NULL);
	conf.node = "a-name-that-is-much-too-long-for-an-id-"
		    "because-it-has-more-than-one-hundred-and-twenty-eight-characters-"
		    "and-so-no-room-is-left";
	write_with(&conf);
	EXPECT_EQ(strlen(last_document.id), 31);
	end();
}

TEST(periods_of_every_rotation)
{
	static const char *const expected[] = {"251121h23", "251121h22", "251121h21", "251121h20", "251121h18",
					       "251121h16", "251121h12", "251121",    "25w46",	   "25m11"};
	char out[DOCUMENT_PERIOD_BYTES];

	for (int i = DOCUMENT_HOURLY; i <= DOCUMENT_MONTHLY; i++) {
		document_period(i, UINT64_C(1763769599999999999), out); /* 2025-11-21 23:59:59.999999999 */
		EXPECT_STR(out, expected[i]);
	}
	document_period(DOCUMENT_WEEKLY, UINT64_C(1767225600000000000), out); /* 2026-01-01: day of the year 0 */
	EXPECT_STR(out, "26w00");
	document_period(DOCUMENT_WEEKLY, UINT64_C(1767830399000000000), out); /* the last second of January 7th */
	EXPECT_STR(out, "26w00");
	document_period(DOCUMENT_WEEKLY, UINT64_C(1767830400000000000), out);
	EXPECT_STR(out, "26w01");
}

TEST(one_formatter_changes_the_period_with_the_hour)
{
	struct document_conf conf = plain_conf();
	struct formatter *f;
	struct document d;

	begin();
	conf.rotate_index = DOCUMENT_HOURLY;
	f = formatter_create(&conf);
	REQUIRE(f != NULL);
	for (int i = 0; i < 30; i++) {
		char expected[DOCUMENT_PERIOD_BYTES];

		r->summary.last_ns = T0 + (uint64_t)(i * 7 % 30) * 3600 * 1000000000;
		document_period(DOCUMENT_HOURLY, r->summary.last_ns, expected);
		EXPECT(formatter_write(f, r, &d));
		EXPECT_STR(d.index_period, expected);
	}
	formatter_destroy(f);
	end();
}

TEST(index_names_have_a_prefix_that_ends_with_an_underscore)
{
	struct document_conf conf = {.prefix = "arkime_"};
	char out[128];

	EXPECT_EQ(document_index_name(&conf, "251121", out, sizeof(out)), 0);
	EXPECT_STR(out, "arkime_sessions3-251121");
	conf.prefix = "tests";
	EXPECT_EQ(document_index_name(&conf, "25m11", out, sizeof(out)), 0);
	EXPECT_STR(out, "tests_sessions3-25m11");
	conf.prefix = "";
	EXPECT_EQ(document_index_name(&conf, "25m11", out, sizeof(out)), 0);
	EXPECT_STR(out, "sessions3-25m11");
	conf.prefix = "123456789 123456789 123456789 123456789 123456789 1";
	EXPECT_EQ(document_index_name(&conf, "25m11", out, sizeof(out)), -ENAMETOOLONG);
	conf.prefix = "arkime";
	EXPECT_EQ(document_index_name(&conf, "25m11", out, 10), -ENAMETOOLONG);
}

/* One formatter, many records: nothing of one is left in the next. */
TEST(a_formatter_forgets_the_record_before)
{
	struct document_conf conf = plain_conf();
	struct formatter *f = formatter_create(&conf);
	struct record *other;
	struct document d;
	char *first;

	REQUIRE(f != NULL);
	begin();
	EXPECT(formatter_write(f, r, &d));
	first = strndup(d.json, d.json_bytes);
	other = record_create(pool);
	for (int i = 0; i < 300; i++)
		EXPECT(record_add_int(pool, other, test_field(T_INT_LIST), i));
	EXPECT(record_add_str(pool, other, field_find("protocol"), "dns", 3));
	EXPECT(record_add_position(pool, other, 9, 24, 100));
	EXPECT(formatter_write(f, other, &d));
	EXPECT(formatter_write(f, r, &d));
	EXPECT_EQ(d.json_bytes, strlen(first));
	EXPECT(memcmp(d.json, first, d.json_bytes) == 0);
	free(first);
	record_free(pool, other);
	formatter_destroy(f);
	formatter_destroy(NULL);
	end();
}
