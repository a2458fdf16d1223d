#include <stdlib.h>
#include <time.h>

#include "dns_priv.h"
#include "harness.h"

/* ---- Messages, put together piece by piece */

struct message {
	size_t size;
	uint8_t bytes[2 + 65535];
};

static struct message message;

enum { QUERY = 0x0100, RESPONSE = 0x8180, UPDATE = 5 << 11, MULTICAST_ANSWER = 0x8400 };
enum { A = 1, NS = 2, CNAME = 5, SOA = 6, MX = 15, TXT = 16, AAAA = 28, OPT = 41, DS = 43, RRSIG = 46, NSEC = 47 };
enum { HTTPS = 65, SVCB = 64, CAA = 257, IN = 1 };

static void
put(const void *bytes, size_t size)
{
	if (message.size + size > sizeof(message.bytes))
		abort();
	memcpy(message.bytes + message.size, bytes, size);
	message.size += size;
}

static void
put8(unsigned value)
{
	put(&(uint8_t){(uint8_t)value}, 1);
}

static void
put16(unsigned value)
{
	put8(value >> 8);
	put8(value & 0xff);
}

static void
put32(uint32_t value)
{
	put16(value >> 16);
	put16(value & 0xffff);
}

/* "" is the root, and "@12" a pointer to that offset. */
static void
put_name(const char *name)
{
	while (*name != '\0') {
		size_t size = strcspn(name, ".");

		if (*name == '@') {
			put16(0xc000 | (unsigned)strtoul(name + 1, NULL, 10));
			return;
		}
		put8((unsigned)size);
		put(name, size);
		name += size + (name[size] == '.');
	}
	put8(0);
}

static void
begin(unsigned id, unsigned flags, unsigned questions, unsigned answers, unsigned authorities, unsigned additionals)
{
	message.size = 0;
	put16(id);
	put16(flags);
	put16(questions);
	put16(answers);
	put16(authorities);
	put16(additionals);
}

static void
ask(const char *name, unsigned type, unsigned class)
{
	put_name(name);
	put16(type);
	put16(class);
}

/* Up to its data, which the caller puts; ended by end_record(). */
static size_t
begin_record(const char *name, unsigned type, unsigned class, uint32_t ttl)
{
	ask(name, type, class);
	put32(ttl);
	put16(0);
	return message.size;
}

static void
end_record(size_t start)
{
	message.bytes[start - 2] = (uint8_t)((message.size - start) >> 8);
	message.bytes[start - 1] = (uint8_t)(message.size - start);
}

static void
record(const char *name, unsigned type, uint32_t ttl, const void *data, size_t size)
{
	size_t start = begin_record(name, type, IN, ttl);

	put(data, size);
	end_record(start);
}

#define RECORD(name, type, ttl, literal) record((name), (type), (ttl), (literal), sizeof(literal) - 1)

static void
record_name(const char *name, unsigned type, uint32_t ttl, const char *target)
{
	size_t start = begin_record(name, type, IN, ttl);

	if (type == MX)
		put16(10);
	put_name(target);
	end_record(start);
}

static struct harness *
client(const char *setting)
{
	struct harness *h = setting != NULL ? harness_create(setting) : harness_create();

	harness_ports(h, 40000, 53);
	return h;
}

static bool
send_udp(struct harness *h, unsigned direction)
{
	return harness_udp(h, direction, message.bytes, message.size);
}

/* As it goes over TCP, with its length. */
static size_t
framed(uint8_t *out)
{
	out[0] = (uint8_t)(message.size >> 8);
	out[1] = (uint8_t)message.size;
	memcpy(out + 2, message.bytes, message.size);
	return message.size + 2;
}

static bool
send_tcp(struct harness *h, unsigned direction)
{
	static uint8_t stream[sizeof(message.bytes) + 2];

	return harness_tcp(h, direction, stream, framed(stream));
}

/* The answers of one response to one question, as the record shows them. */
static const char *
answers_of(struct harness *h)
{
	static char text[8192];
	const char *object, *start;

	send_udp(h, 1);
	harness_save(h, false);
	object = harness_values(h, "dns");
	if (object == NULL)
		return NULL;
	start = strstr(object, "\"answersCnt\"");
	snprintf(text, sizeof(text), "%s", start != NULL ? start : "(none)");
	return text;
}

static void
begin_response(unsigned answers)
{
	begin(7, RESPONSE, 1, answers, 0, 0);
	ask("example.com", A, IN);
}

/* ---- One object a question */

TEST(query_and_response_are_one_object)
{
	struct harness *h = client(NULL);

	begin(0x1234, QUERY, 1, 0, 0, 0);
	ask("WWW.example.com", A, IN);
	EXPECT(send_udp(h, 0));
	begin(0x1234, RESPONSE, 1, 1, 0, 0);
	ask("www.EXAMPLE.com", A, IN);
	RECORD("@12", A, 300, "\x0a\x01\x02\x03");
	EXPECT(send_udp(h, 1));
	EXPECT(harness_has(h, "protocol", "dns"));
	EXPECT_NO_FIELD(h, "dns");
	harness_save(h, true);
	EXPECT_FIELD(h, "dns",
		     "{\"opcode\":\"QUERY\",\"queryHost\":\"www.example.com\",\"qc\":\"IN\",\"qt\":\"A\",\"hostCnt\":1,"
		     "\"host\":[\"www.example.com\"],\"ipCnt\":1,\"ip\":[\"10.1.2.3\"],\"GEO\":[\"---\"],"
		     "\"ASN\":[\"---\"],\"RIR\":[\"\"],\"headerFlags\":[\"RD\",\"RA\"],\"status\":\"NOERROR\","
		     "\"answersCnt\":1,\"answers\":[{\"ip\":\"10.1.2.3\",\"class\":\"IN\",\"type\":\"A\",\"ttl\":300,"
		     "\"name\":\"www.example.com\"}]}");
	harness_destroy(h);
}

TEST(a_question_without_a_response_has_no_status)
{
	struct harness *h = client(NULL);

	begin(1, QUERY, 1, 0, 0, 0);
	ask("", 65534, 254);
	send_udp(h, 0);
	harness_save(h, true);
	EXPECT_FIELD(h, "dns",
		     "{\"opcode\":\"QUERY\",\"queryHost\":\"<root>\",\"qc\":\"CLASS254\",\"qt\":\"TYPE65534\"}");
	harness_destroy(h);
}

TEST(a_difference_in_any_part_of_the_question_is_another_object)
{
	struct harness *h = client(NULL);

	for (unsigned repeat = 0; repeat < 2; repeat++) {
		for (unsigned i = 0; i < 5; i++) {
			begin(i == 1 ? 8 : 7, i == 2 ? UPDATE : QUERY, 1, 0, 0, 0);
			ask("example.com", i == 3 ? AAAA : A, i == 4 ? 3 : IN);
			send_udp(h, 0);
		}
	}
	harness_save(h, true);
	EXPECT_EQ(harness_count(h, "dns"), 5);
	harness_destroy(h);
}

TEST(objects_begin_anew_after_a_save)
{
	struct harness *h = client(NULL);

	begin(7, QUERY, 1, 0, 0, 0);
	ask("example.com", A, IN);
	send_udp(h, 0);
	harness_save(h, false);
	EXPECT_EQ(harness_count(h, "dns"), 1);
	harness_save(h, false);
	EXPECT_EQ(harness_count(h, "dns"), 1);
	send_udp(h, 0);
	harness_save(h, true);
	EXPECT_EQ(harness_count(h, "dns"), 2);
	harness_destroy(h);
}

/* Expected by the published constants of FNV-1a, computed apart: buckets 0, 2, 2, 6, 7, 9, 9. */
TEST(objects_are_listed_by_bucket_and_falling_hash)
{
	static const struct {
		const char *name;
		unsigned id, type;
	} asked[] = {{"b.example", 1, A},    {"a.example", 2, A}, {"c.example", 9, MX}, {"d.example", 1, A},
		     {"f.example", 4, AAAA}, {"e.example", 3, A}, {"g.example", 5, A}};
	struct harness *h = client(NULL);
	char order[16] = "";
	unsigned n = 0;

	for (unsigned i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		begin(asked[i].id, QUERY, 1, 0, 0, 0);
		ask(asked[i].name, asked[i].type, IN);
		send_udp(h, 0);
	}
	harness_save(h, true);
	for (const char *at = harness_values(h, "dns"); at != NULL && n < 8; n++) {
		at = strstr(at, "\"queryHost\":\"");
		if (at != NULL)
			order[n] = *(at += 13);
	}
	EXPECT_STR(order, "agfecdb");
	harness_destroy(h);
}

/* ---- Answers */

TEST(addresses_belong_to_names_that_came_before_them)
{
	struct harness *h = client("parseDNSRecordAll=true");

	begin_response(6);
	record_name("@12", CNAME, 1, "alias.example.com");
	record_name("@12", NS, 2, "ns.example.com");
	record_name("@12", MX, 3, "mail.example.com");
	RECORD("alias.example.com", A, 4, "\1\1\1\1");
	RECORD("ns.example.com", A, 5, "\2\2\2\2");
	RECORD("mail.example.com", AAAA, 6, "\x20\1\0\0\0\0\0\0\0\0\0\0\0\0\0\3");
	send_udp(h, 1);
	harness_save(h, true);
	EXPECT(strstr(harness_values(h, "dns"),
		      "\"hostCnt\":2,\"host\":[\"example.com\",\"alias.example.com\"],\"nameserverHostCnt\":1,"
		      "\"nameserverHost\":[\"ns.example.com\"],\"mailserverHostCnt\":1,"
		      "\"mailserverHost\":[\"mail.example.com\"],\"ipCnt\":1,\"ip\":[\"1.1.1.1\"],\"GEO\":[\"---\"],"
		      "\"ASN\":[\"---\"],\"RIR\":[\"\"],\"nameserverIpCnt\":1,\"nameserverIp\":[\"2.2.2.2\"],"
		      "\"nameserverGEO\":[\"---\"],\"nameserverASN\":[\"---\"],\"nameserverRIR\":[\"\"],"
		      "\"mailserverIpCnt\":1,\"mailserverIp\":[\"2001::3\"],\"mailserverGEO\":[\"---\"],"
		      "\"mailserverASN\":[\"---\"],\"mailserverRIR\":[\"\"],\"headerFlags\"") != NULL);
	EXPECT(strstr(harness_values(h, "dns"),
		      "\"answersCnt\":6,\"answers\":[{\"cname\":\"alias.example.com\",\"class\":\"IN\","
		      "\"type\":\"CNAME\",\"ttl\":1,\"name\":\"example.com\"},{\"nameserver\":\"ns.example.com\","
		      "\"class\":\"IN\",\"type\":\"NS\",\"ttl\":2,\"name\":\"example.com\"},{\"priority\":10,"
		      "\"mx\":\"mail.example.com\",\"class\":\"IN\",\"type\":\"MX\",\"ttl\":3,"
		      "\"name\":\"example.com\"},{\"ip\":\"1.1.1.1\"") != NULL);
	harness_destroy(h);
}

TEST(mail_servers_are_hosts_where_nobody_wants_them_apart)
{
	struct harness *h = client(NULL);

	begin_response(3);
	record_name("@12", NS, 2, "ns.example.com");
	record_name("@12", MX, 3, "mail.example.com");
	RECORD("ns.example.com", A, 5, "\2\2\2\2");
	send_udp(h, 1);
	harness_save(h, true);
	EXPECT(strstr(harness_values(h, "dns"),
		      "\"hostCnt\":2,\"host\":[\"example.com\",\"mail.example.com\"],\"headerFlags\"") != NULL);
	harness_destroy(h);
}

TEST(texts_of_txt_records_are_a_list_without_the_empty_ones)
{
	struct harness *h = client(NULL);

	begin_response(3);
	RECORD("@12", TXT, 0xffffffff, "\2ab\0\3\"\xc3\xbc\1c");
	RECORD("@12", TXT, 1, "\0");
	RECORD("@12", TXT, 2, "\1x\5cut");
	EXPECT_STR(answers_of(h),
		   "\"answersCnt\":3,\"answers\":[{\"txt\":[\"ab\",\"\\\"\xc3\xbc\",\"c\"],\"class\":\"IN\","
		   "\"type\":\"TXT\",\"ttl\":4294967295,\"name\":\"example.com\"},{\"class\":\"IN\",\"type\":\"TXT\","
		   "\"ttl\":1,\"name\":\"example.com\"},{\"txt\":[\"x\"],\"class\":\"IN\",\"type\":\"TXT\",\"ttl\":2,"
		   "\"name\":\"example.com\"}]}");
	harness_destroy(h);
}

TEST(service_parameters_are_written_in_their_order)
{
	struct harness *h = client(NULL);

	begin_response(3);
	RECORD("@12", HTTPS, 1,
	       "\0\1\0\0\1\0\6\2h3\2h2\0\3\0\2\x1f\x90\0\4\0\x08\1\2\3\4\5\6\7\x08\0\5\0\1x"
	       "\0\6\0\x10\x20\1\0\0\0\0\0\0\0\0\0\0\0\0\0\1");
	RECORD("@12", HTTPS, 2, "\0\0\3foo\3com\0\0\1\0\6\2h2\x08h3\0\3\0\3\1\2\3");
	RECORD("@12", SVCB, 3, "\0\1\0");
	EXPECT_STR(answers_of(h),
		   "\"answersCnt\":3,\"answers\":[{\"https\":\"HTTPS 1 . alpn=h3,h2 port=8080 "
		   "ipv4hint=1.2.3.4,5.6.7.8 ipv6hint=2001::1\",\"class\":\"IN\",\"type\":\"HTTPS\",\"ttl\":1,"
		   "\"name\":\"example.com\"},{\"https\":\"HTTPS 0 foo.com alpn=h2\",\"class\":\"IN\","
		   "\"type\":\"HTTPS\",\"ttl\":2,\"name\":\"example.com\"},{\"class\":\"IN\",\"ttl\":3,"
		   "\"name\":\"example.com\"}]}");
	harness_destroy(h);
}

TEST(empty_service_parameters_are_shown_by_their_names)
{
	struct harness *h = client(NULL);

	begin_response(1);
	RECORD("@12", HTTPS, 1, "\0\1\0\0\1\0\0\0\3\0\0\0\4\0\3\1\2\3\0\6\0\0");
	EXPECT_STR(answers_of(h), "\"answersCnt\":1,\"answers\":[{\"https\":\"HTTPS 1 . alpn= ipv4hint= ipv6hint=\","
				  "\"class\":\"IN\",\"type\":\"HTTPS\",\"ttl\":1,\"name\":\"example.com\"}]}");
	harness_destroy(h);
}

TEST(records_of_dnssec_and_caa_are_texts)
{
	struct harness *h = client(NULL);

	begin_response(4);
	RECORD("@12", CAA, 1, "\x80\5issueca.example");
	RECORD("@12", RRSIG, 1, "\0\1\x08\2\0\0\x0e\x10\x60\0\0\2\x60\0\0\1\x12\x34\7example\3com\0sig");
	RECORD("@12", NSEC, 1, "\1a\7example\3com\0\0\6\x40\1\0\0\0\3\1\1\x40");
	RECORD("@12", DS, 1, "\x12\x34\x08\2\xab\xcd\1");
	EXPECT_STR(answers_of(h),
		   "\"answersCnt\":4,\"answers\":[{\"caa\":\"CAA 128 issue ca.example\",\"class\":\"IN\","
		   "\"type\":\"CAA\",\"ttl\":1,\"name\":\"example.com\"},{\"rrsig\":\"RRSIG A 8 2 3600 1610612738 "
		   "1610612737 4660 example.com\",\"class\":\"IN\",\"type\":\"RRSIG\",\"ttl\":1,"
		   "\"name\":\"example.com\"},{\"nsec\":\"NSEC a.example.com A MX RRSIG NSEC CAA\",\"class\":\"IN\","
		   "\"type\":\"NSEC\",\"ttl\":1,\"name\":\"example.com\"},{\"ds\":\"DS 4660 8 2 ABCD01\","
		   "\"class\":\"IN\",\"type\":\"DS\",\"ttl\":1,\"name\":\"example.com\"}]}");
	harness_destroy(h);
}

TEST(malformed_answers_do_not_count)
{
	struct harness *h = client(NULL);

	begin_response(12);
	RECORD("@12", A, 1, "\1\2\3");
	RECORD("@12", A, 1, "\1\2\3\4\5");
	RECORD("@12", AAAA, 1, "\1\2\3\4");
	RECORD("@12", NS, 1, "\0");
	RECORD("@12", CNAME, 1,
	       "\x41"
	       "a");
	RECORD("@12", MX, 1, "\0\0\0");
	RECORD("@12", MX, 1, "\0");
	RECORD("@12", RRSIG, 1, "\0\1\x08\2\0\0\x0e\x10\x60\0\0\2\x60\0\0\1\x12\x34\0");
	RECORD("@12", NSEC, 1, "\0\0\1\x40");
	RECORD("@12", DS, 1, "\x12\x34\x08");
	RECORD("@12", CAA, 1, "\0\5iss");
	RECORD("@12", HTTPS, 1, "\0\1");
	EXPECT_STR(answers_of(h), "\"answersCnt\":0}");
	harness_destroy(h);
}

TEST(records_of_other_classes_are_passed_over)
{
	struct harness *h = client(NULL);
	size_t start;

	begin_response(3);
	start = begin_record("@12", A, 255, 1);
	put32(0x01020304);
	end_record(start);
	start = begin_record("@12", A, IN | 0x8000, 1);
	put32(0x01020304);
	end_record(start);
	RECORD("@12", SOA, 9, "whatever");
	EXPECT_STR(answers_of(h), "\"answersCnt\":1,\"answers\":[{\"class\":\"IN\",\"type\":\"SOA\",\"ttl\":9,"
				  "\"name\":\"example.com\"}]}");
	harness_destroy(h);
}

TEST(a_record_that_does_not_fit_ends_the_message_but_not_what_was_read)
{
	struct harness *h = client(NULL);

	begin(7, RESPONSE, 1, 2, 65535, 65535);
	ask("example.com", A, IN);
	RECORD("@12", A, 1, "\1\2\3\4");
	RECORD("@12", A, 1, "\1\2\3\4");
	message.size -= 2;
	send_udp(h, 1);
	harness_save(h, true);
	EXPECT(strstr(harness_values(h, "dns"),
		      "\"headerFlags\":[\"RD\",\"RA\"],\"status\":\"NOERROR\",\"answersCnt\":1,"
		      "\"answers\":[{\"ip\":\"1.2.3.4\"") != NULL);
	harness_destroy(h);
}

TEST(a_broken_name_ends_the_message_before_its_flags)
{
	struct harness *h = client(NULL);

	begin_response(2);
	RECORD("@12", A, 1, "\1\2\3\4");
	put8(0x80);
	put(message.bytes, 20);
	send_udp(h, 1);
	harness_save(h, true);
	EXPECT(strstr(harness_values(h, "dns"), "\"RIR\":[\"\"],\"status\":\"NOERROR\",\"answersCnt\":1") != NULL);
	EXPECT_NO_FIELD(h, "tags");
	harness_destroy(h);
}

TEST(answers_are_left_out_where_nobody_wants_them)
{
	struct harness *h = client("dnsOutputAnswers=false");

	begin_response(1);
	RECORD("@12", A, 1, "\1\2\3\4");
	EXPECT_STR(answers_of(h), "\"answersCnt\":1}");
	EXPECT(strstr(harness_values(h, "dns"), "\"ip\":[\"1.2.3.4\"]") != NULL);
	harness_destroy(h);
}

/* ---- Header */

TEST(the_last_response_decides_status_and_flags)
{
	struct harness *h = client(NULL);

	begin(7, RESPONSE | 3, 1, 0, 0, 0);
	ask("example.com", A, IN);
	send_udp(h, 1);
	begin(7, 0x8000 | 0x07f0 | 5, 1, 0, 0, 0);
	ask("example.com", A, IN);
	send_udp(h, 1);
	harness_save(h, true);
	EXPECT(strstr(harness_values(h, "dns"), "\"headerFlags\":[\"AA\",\"TC\",\"RD\",\"RA\",\"Z\",\"AD\",\"CD\"],"
						"\"status\":\"REFUSED\",\"answersCnt\":0}") != NULL);
	harness_destroy(h);
}

TEST(the_upper_part_of_the_status_is_in_the_opt_record)
{
	static const struct {
		uint32_t ttl;
		unsigned status;
		const char *name;
	} cases[] = {{0, 5, "REFUSED"},		 {0x01000000, 0, "BADSIG_VERS"}, {0x01000000, 7, "BADCOOKIE"},
		     {0x01000000, 8, "NXRRSET"}, {0xff000000, 1, "FORMERR"},	 {0, 12, "12"}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = client(NULL);
		char expected[64];

		begin(7, RESPONSE | cases[i].status, 1, 0, 0, 1);
		ask("example.com", A, IN);
		end_record(begin_record("", OPT, 4096, cases[i].ttl));
		send_udp(h, 1);
		harness_save(h, true);
		snprintf(expected, sizeof(expected), "\"status\":\"%s\",\"answersCnt\":0}", cases[i].name);
		EXPECT(strstr(harness_values(h, "dns"), expected) != NULL);
		harness_destroy(h);
	}
}

TEST(what_is_too_short_or_of_an_unknown_operation_is_no_dns)
{
	struct harness *h = client(NULL);

	begin(7, 6 << 11, 1, 0, 0, 0);
	ask("example.com", A, IN);
	EXPECT(send_udp(h, 0));
	begin(7, QUERY, 1, 0, 0, 0);
	put32(0);
	EXPECT_EQ(message.size, 16);
	EXPECT(send_udp(h, 1));
	EXPECT_NO_FIELD(h, "protocol");
	put8(0);
	EXPECT(send_udp(h, 1));
	EXPECT_FIELD(h, "protocol", "dns");
	harness_destroy(h);
}

TEST(unicast_messages_have_one_question)
{
	for (unsigned n = 0; n < 3; n += 2) {
		struct harness *h = client(NULL);

		begin(7, QUERY, n, 0, 0, 0);
		ask("example.com", A, IN);
		ask("example.com", A, IN);
		send_udp(h, 0);
		harness_save(h, true);
		EXPECT_FIELD(h, "tags", "dns:qdcount-not-1");
		EXPECT_FIELD(h, "protocol", "dns");
		EXPECT_NO_FIELD(h, "dns");
		harness_destroy(h);
	}
}

/* ---- Names */

TEST(international_names_are_kept_in_both_forms)
{
	struct harness *h = client("parseDNSRecordAll=true");

	begin(7, RESPONSE, 1, 1, 0, 0);
	ask("xn--tda.example", NS, IN);
	record_name("@12", NS, 1, "NS.xn--TDA.example");
	send_udp(h, 1);
	harness_save(h, true);
	EXPECT(strstr(harness_values(h, "dns"), "\"queryHost\":\"\xc3\xbc.example\",\"qc\":\"IN\",\"qt\":\"NS\",") !=
	       NULL);
	EXPECT(strstr(harness_values(h, "dns"), "\"nameserverHost\":[\"ns.\xc3\xbc.example\"]") != NULL);
	EXPECT(strstr(harness_values(h, "dns"),
		      "\"punyCnt\":2,\"puny\":[\"xn--tda.example\",\"ns.xn--tda.example\"]") != NULL);
	harness_destroy(h);
}

TEST(questions_that_are_no_host_names_are_tagged)
{
	static const char label[] =
		"\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8f\x90\x91\x92\x93\x94\x95\x96";
	struct harness *h = client(NULL);

	begin(7, QUERY, 1, 0, 0, 0);
	ask("xn--a-b!.example", A, IN);
	send_udp(h, 0);
	EXPECT_FIELD(h, "tags", "bad-punycode");
	harness_reset(h);
	begin(7, QUERY, 1, 0, 0, 0);
	for (unsigned i = 0; i < 13; i++) {
		put8(sizeof(label) - 1);
		put(label, sizeof(label) - 1);
	}
	ask("", A, IN);
	send_udp(h, 0);
	EXPECT_FIELD(h, "tags", "bad-hostname");
	harness_save(h, true);
	EXPECT_NO_FIELD(h, "dns");
	harness_destroy(h);
}

TEST(loops_of_pointers_are_tagged)
{
	struct harness *h = client(NULL);

	begin(7, QUERY, 1, 0, 0, 0);
	ask("a.@12", A, IN);
	send_udp(h, 0);
	harness_save(h, true);
	EXPECT_FIELD(h, "tags", "dns:bad-pointer-loop");
	EXPECT_NO_FIELD(h, "dns");
	harness_destroy(h);
}

/* ---- mDNS and LLMNR */

TEST(multicast_answers_have_no_question)
{
	struct harness *h = harness_create();
	size_t start;

	harness_ports(h, 5353, 5353);
	begin(0, MULTICAST_ANSWER, 0, 1, 0, 0);
	start = begin_record("printer.local", A, IN | 0x8000, 120);
	put32(0xc0a80002);
	end_record(start);
	send_udp(h, 0);
	harness_save(h, true);
	EXPECT_FIELD(h, "protocol", "mdns");
	EXPECT_FIELD(h, "dns",
		     "{\"opcode\":\"QUERY\",\"queryHost\":\"<root>\",\"headerFlags\":[\"AA\"],"
		     "\"status\":\"NOERROR\",\"answersCnt\":1,\"answers\":[{\"ip\":\"192.168.0.2\","
		     "\"class\":\"IN\",\"type\":\"A\",\"ttl\":120,\"name\":\"printer.local\"}]}");
	harness_destroy(h);
}

TEST(the_first_of_several_multicast_questions_counts)
{
	struct harness *h = harness_create();

	harness_ports(h, 5353, 5353);
	begin(0, MULTICAST_ANSWER, 3, 1, 0, 0);
	ask("a.local", A, 0x8000 | IN);
	ask("@12", AAAA, IN);
	ask("b.local", A, IN);
	RECORD("@12", A, 1, "\1\2\3\4");
	send_udp(h, 0);
	harness_save(h, true);
	EXPECT_EQ(harness_count(h, "dns"), 1);
	EXPECT(strstr(harness_values(h, "dns"), "\"queryHost\":\"a.local\",\"qc\":\"IN\",\"qt\":\"A\",\"hostCnt\":1,"
						"\"host\":[\"a.local\"],\"ipCnt\":1,\"ip\":[\"1.2.3.4\"]") != NULL);
	harness_destroy(h);
}

TEST(ports_name_the_protocol_and_53_comes_first)
{
	static const struct {
		uint16_t source, destination;
		const char *protocol;
	} cases[] = {{50000, 5355, "llmnr"},
		     {5355, 50000, "llmnr"},
		     {50000, 5353, "mdns"},
		     {5353, 53, "dns"},
		     {53, 5355, "dns"}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct harness *h = harness_create();

		harness_ports(h, cases[i].source, cases[i].destination);
		begin(7, QUERY, 1, 0, 0, 0);
		ask("host.local", A, IN);
		send_udp(h, 0);
		EXPECT_FIELD(h, "protocol", cases[i].protocol);
		harness_destroy(h);
	}
}

/* ---- TCP */

/* A query of one direction and the response of the other, twice. */
static void
send_conversation(struct harness *h)
{
	for (unsigned i = 0; i < 2; i++) {
		begin(i, QUERY, 1, 0, 0, 0);
		ask("example.com", NS, IN);
		send_tcp(h, 0);
		begin(i, RESPONSE, 1, 2, 0, 0);
		ask("example.com", NS, IN);
		record_name("@12", NS, 1, "ns.@12");
		RECORD("@12", A, 1, "\1\2\3\4");
		send_tcp(h, 1);
	}
}

TEST(streams_are_the_same_in_all_segments)
{
	struct harness *h = client("parseDNSRecordAll=true");

	send_conversation(h);
	harness_every_split(h, 2, NULL);
	harness_every_truncation(h);
	harness_reset(h);
	send_conversation(h);
	harness_save(h, true);
	EXPECT_EQ(harness_count(h, "dns"), 2);
	EXPECT_FIELD(h, "protocol", "dns");
	harness_destroy(h);
}

TEST(datagrams_may_end_anywhere)
{
	struct harness *h = client("parseDNSRecordAll=true");

	begin_response(8);
	record_name("@12", CNAME, 1, "xn--tda.@12");
	record_name("@12", MX, 3, "mail.example.com");
	RECORD("@12", AAAA, 6, "\x20\1\0\0\0\0\0\0\0\0\0\0\0\0\0\3");
	RECORD("@12", TXT, 1, "\2ab\1c");
	RECORD("@12", HTTPS, 1, "\0\1\0\0\1\0\6\2h3\2h2\0\3\0\2\x1f\x90\0\4\0\x08\1\2\3\4\5\6\7\x08");
	RECORD("@12", CAA, 1, "\x80\5issueca.example");
	RECORD("@12", RRSIG, 1, "\0\1\x08\2\0\0\x0e\x10\x60\0\0\2\x60\0\0\1\x12\x34\7example\3com\0sig");
	RECORD("@12", NSEC, 1, "\1a\7example\3com\0\0\6\x40\1\0\0\0\3\1\1\x40");
	RECORD("@12", DS, 1, "\x12\x34\x08\2\xab\xcd\1");
	send_udp(h, 1);
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(chunks_of_any_size_are_read_whole_behind_a_piece)
{
	static uint8_t stream[40000];
	struct harness *h = client(NULL);
	size_t size = 0;

	for (unsigned i = 0; size < sizeof(stream) - 100; i++) {
		begin(i, QUERY, 1, 0, 0, 0);
		ask("a.example", A, IN);
		size += framed(stream + size);
	}
	EXPECT(harness_tcp(h, 0, stream, 5));
	EXPECT(harness_tcp(h, 0, stream + 5, size - 5));
	harness_save(h, true);
	EXPECT_EQ(harness_count(h, "dns"), size / 29);
	harness_destroy(h);
}

TEST(two_messages_in_one_segment_are_both_read)
{
	struct harness *h = client(NULL);
	uint8_t stream[512];
	size_t size;

	begin(1, QUERY, 1, 0, 0, 0);
	ask("a.example", A, IN);
	size = framed(stream);
	begin(2, QUERY, 1, 0, 0, 0);
	ask("b.example", A, IN);
	size += framed(stream + size);
	EXPECT(harness_tcp(h, 0, stream, size));
	harness_save(h, true);
	EXPECT_EQ(harness_count(h, "dns"), 2);
	harness_destroy(h);
}

TEST(long_messages_of_streams_are_passed_over_with_a_tag)
{
	struct harness *h = client(NULL);

	for (size_t padding = 8190; padding <= 8191; padding++) {
		begin((unsigned)padding, QUERY, 1, 0, 0, 1);
		ask("example.com", A, IN);
		while (message.size < padding)
			put8(0);
		EXPECT(send_tcp(h, 0));
		EXPECT_EQ(harness_count(h, "tags"), padding - 8190);
	}
	EXPECT_FIELD(h, "tags", "dns:tcp-message-too-long");
	begin(3, QUERY, 1, 0, 0, 0);
	ask("example.com", A, IN);
	EXPECT(send_tcp(h, 0));
	harness_save(h, true);
	EXPECT_EQ(harness_count(h, "dns"), 2);
	harness_destroy(h);
}

TEST(streams_of_something_else_end_the_parser_with_what_it_has)
{
	struct harness *h = client(NULL);

	begin(1, QUERY, 1, 0, 0, 0);
	ask("a.example", A, IN);
	EXPECT(send_tcp(h, 0));
	EXPECT(harness_tcp(h, 1, HARNESS_TEXT("\0\x10tooshort")) == false);
	EXPECT_FIELD(h, "protocol", "dns");
	EXPECT_EQ(harness_count(h, "dns"), 1);
	EXPECT_EQ(harness_memory_bytes(h), 0);
	harness_destroy(h);
}

TEST(the_other_direction_is_read_on_after_a_loss)
{
	struct harness *h = client(NULL);

	begin(1, QUERY, 1, 0, 0, 0);
	ask("a.example", A, IN);
	EXPECT(send_tcp(h, 0));
	EXPECT(harness_gap(h, 0, 10));
	EXPECT(send_tcp(h, 0));
	begin(2, RESPONSE, 1, 0, 0, 0);
	ask("b.example", A, IN);
	EXPECT(send_tcp(h, 1));
	EXPECT(!harness_gap(h, 1, 10));
	EXPECT_EQ(harness_count(h, "dns"), 2);
	harness_destroy(h);
}

/* ---- What peers may choose */

/* Different questions in one stream, in segments of many messages. */
static double
cost_of_names(const void *unused, size_t n)
{
	static uint8_t stream[60000];
	struct harness *h = client(NULL);
	size_t used = 0;
	double start = test_cpu_seconds(), took;

	(void)unused;
	for (unsigned i = 0; i < n; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%u.example.com", i);
		begin(i, QUERY, 1, 0, 0, 0);
		ask(name, A, IN);
		if (used + message.size + 2 > sizeof(stream)) {
			harness_tcp(h, 0, stream, used);
			used = 0;
		}
		used += framed(stream + used);
	}
	harness_tcp(h, 0, stream, used);
	harness_save(h, true);
	took = test_cpu_seconds() - start;
	EXPECT(harness_count(h, "dns") > 10000);
	harness_destroy(h);
	return took;
}

/* Up to where the session is full, and far beyond it. */
TEST(time_grows_with_the_number_of_names_and_no_faster)
{
	EXPECT(test_grows_at_most(cost_of_names, NULL, 10500, 21000, 2.5, 0.01));
	EXPECT(test_grows_at_most(cost_of_names, NULL, 21000, 100000, 2.5 * 5, 0.01));
	EXPECT(cost_of_names(NULL, 100000) < 2);
}

TEST(a_session_keeps_a_bounded_number_of_names_and_says_so)
{
	struct harness *h = client(NULL);

	for (unsigned i = 0; i < 60000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%u.example.com", i);
		begin(i, QUERY, 1, 0, 0, 0);
		ask(name, A, IN);
		send_udp(h, 0);
	}
	EXPECT(harness_memory_bytes(h) < 6 << 20);
	harness_save(h, false);
	EXPECT_FIELD(h, "tags", "dns:truncated");
	EXPECT(harness_count(h, "dns") > 10000);
	EXPECT(harness_count(h, "dns") < 60000);
	harness_save(h, true);
	harness_destroy(h);
}

/* A response of the most records that fit, all with the longest name there is. */
static double
cost_of_compression(const void *unused, size_t size)
{
	struct harness *h = client(NULL);
	double start, took;

	(void)unused;
	begin(7, RESPONSE, 1, 65535, 0, 0);
	ask("\1\2\3\4\5\6\7.\1\2\3\4\5\6\7", A, IN);
	while (message.size < 200) {
		message.size -= 5;
		put8(20);
		put("\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8f\x90\x91\x92\x93\x94\x95", 20);
		ask("", A, IN);
	}
	for (unsigned i = 0; message.size + 16 < size; i++)
		RECORD("@12", A, i, "\1\2\3\4");
	start = test_cpu_seconds();
	send_udp(h, 1);
	harness_save(h, true);
	took = test_cpu_seconds() - start;
	EXPECT_EQ(harness_count(h, "dns"), 1);
	EXPECT_FIELD(h, "tags", "dns:truncated");
	harness_destroy(h);
	return took;
}

TEST(compression_buys_a_bounded_amount_of_work)
{
	EXPECT(test_grows_at_most(cost_of_compression, NULL, 32000, 65500, 2.5, 0.01));
	EXPECT(cost_of_compression(NULL, 65500) < 0.1);
}

static double
cost_of_sets(const void *unused, size_t size)
{
	struct harness *h = client("parseDNSRecordAll=true");
	double start, took;

	(void)unused;
	begin(7, RESPONSE, 1, 65535, 0, 0);
	ask("a.b", A, IN);
	for (uint32_t n = 0; message.size < size; n++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", n);
		record_name("@12", n % 2 == 0 ? NS : CNAME, n, name);
	}
	start = test_cpu_seconds();
	send_udp(h, 1);
	harness_save(h, true);
	took = test_cpu_seconds() - start;
	EXPECT_EQ(harness_count(h, "dns"), 1);
	harness_destroy(h);
	return took;
}

TEST(one_message_of_any_set_size_takes_linear_time)
{
	EXPECT(test_grows_at_most(cost_of_sets, NULL, 32000, 64000, 2.5, 0.01));
}

TEST(counts_without_anything_behind_them_cost_nothing)
{
	struct harness *h = harness_create();

	harness_ports(h, 5353, 5353);
	for (unsigned i = 0; i < 1000; i++) {
		begin(0, MULTICAST_ANSWER, 1, 65535, 65535, 65535);
		ask("a.local", A, IN);
		send_udp(h, 0);
		begin(0, MULTICAST_ANSWER, 65535, 65535, 65535, 65535);
		ask("a.local", A, IN);
		send_udp(h, 0);
	}
	harness_save(h, true);
	EXPECT_EQ(harness_count(h, "dns"), 1);
	harness_destroy(h);
}

TEST(a_bitmap_of_all_types_is_cut)
{
	struct harness *h = client(NULL);
	size_t start;

	begin_response(1);
	start = begin_record("@12", NSEC, IN, 1);
	put_name("a");
	for (unsigned window = 0; window < 256; window++) {
		put8(window);
		put8(32);
		for (unsigned i = 0; i < 32; i++)
			put8(0xff);
	}
	end_record(start);
	send_udp(h, 1);
	harness_save(h, true);
	EXPECT_EQ(harness_count(h, "dns"), 1);
	EXPECT(strlen(harness_values(h, "dns")) < DNS_TEXT_BYTES_MAX + 1024);
	EXPECT(strlen(harness_values(h, "dns")) > DNS_TEXT_BYTES_MAX);
	harness_destroy(h);
}

TEST(random_messages_do_no_harm)
{
	struct harness *h = client("parseDNSRecordAll=true");
	uint32_t random = 1;

	for (unsigned round = 0; round < 20000; round++) {
		begin_response(4);
		record_name("@12", CNAME, 1, "xn--tda.@12");
		RECORD("@12", TXT, 1, "\2ab\1c");
		RECORD("@12", HTTPS, 1, "\0\1\0\0\1\0\6\2h3\2h2\0\3\0\2\x1f\x90\0\4\0\x08\1\2\3\4\5\6\7\x08");
		RECORD("@12", NSEC, 1, "\1a\7example\3com\0\0\6\x40\1\0\0\0\3\1\1\x40");
		for (unsigned i = 0; i < 1 + round % 4; i++) {
			random = random * 1664525u + 1013904223u;
			message.bytes[4 + (random >> 8) % (message.size - 4)] = (uint8_t)(random >> 24);
		}
		send_udp(h, round & 1);
	}
	harness_save(h, true);
	EXPECT(harness_count(h, "dns") > 0);
	harness_destroy(h);
}
