/* filter.c and filter_program.c. The interpreter is libpcap's own bpf_filter(). */
#include "filter_priv.h"

#include <stdlib.h>

#include "filter_expressions.h"
#include "packet.h"
#include "test.h"

static bool
make(struct filter_program *program, const char *expression, uint16_t link_type)
{
	char why[PCAP_ERRBUF_SIZE];

	if (!filter_program_make(program, expression, link_type, why, sizeof(why))) {
		EXPECT_STR(expression, why);
		return false;
	}
	filter_program_compile(program);
	return true;
}

/* A frame that is plausible enough for headers to be looked at, or not quite. */
static size_t
random_frame(uint64_t *state, uint8_t *bytes)
{
	size_t size = random_next(state) % 120;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(random_next(state) >> 33);
	if (size > 40 && random_next(state) % 8 != 0) {
		static const uint8_t protocols[] = {6, 17, 1, 132};

		bytes[12] = random_next(state) % 3 == 0 ? 0x86 : 0x08;
		bytes[13] = bytes[12] == 0x86 ? 0xdd : 0x00;
		bytes[14] = bytes[12] == 0x86 ? 0x60 : (uint8_t)(0x45 + random_next(state) % 3);
		bytes[20] &= random_next(state) % 3 == 0 ? 0x3f : 0;
		bytes[21] &= random_next(state) % 3 == 0 ? 0xff : 0;
		bytes[bytes[12] == 0x86 ? 20 : 23] = protocols[random_next(state) % 4];
		bytes[26] = 10;
		bytes[30] = 10;
	}
	return size;
}

/* Both engines on many frames, each of which ends at an unmapped page. */
static void
expect_agreement(const char *expression, const struct filter_program *program, uint64_t *state)
{
	struct rte_mbuf m = {.nb_segs = 1};
	uint8_t bytes[128];

	for (unsigned i = 0; i < 200; i++) {
		size_t size = random_frame(state, bytes);
		uint8_t *guarded = test_guard(bytes, size);
		bool plain = filter_run_interpreter(program, guarded, (uint32_t)size, (uint32_t)size);
		bool native = filter_run_native(program, &m, guarded, (uint32_t)size);

		test_guard_free(guarded, size);
		if (plain != native) {
			EXPECT_STR(expression, plain ? "libpcap takes a frame" : "libpcap does not take a frame");
			return;
		}
	}
}

TEST(usual_expressions_run_as_machine_code)
{
	static const char *const expressions[] = {
		"tcp",
		"tcp port 80",
		"not port 22",
		"host 10.1.2.3",
		"net 10.0.0.0/8 and udp",
		"ip6",
		"vlan 5",
		"vlan and tcp port 443",
		"portrange 1000-2000",
		"ether[12:2] = 0x0800",
		"icmp[icmptype] = 8",
		"ip[8] < 5",
		"len < 100",
		"greater 60",
		"ether host 02:00:00:00:00:01",
		"arp or rarp or stp",
	};
	uint64_t state = 88172645463325252;

	test_eal();
	for (unsigned i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++) {
		struct filter_program program;

		REQUIRE(make(&program, expressions[i], LINK_ETHERNET));
		if (program.run == NULL)
			EXPECT_STR(expressions[i], "machine code");
		else
			expect_agreement(expressions[i], &program, &state);
		filter_program_free(&program);
	}
}

TEST(what_rte_bpf_gets_wrong_runs_in_the_interpreter)
{
	static const char *const expressions[] = {
		"tcp[13] & 7 != 0",    /* JSET with a small constant */
		"ether[ether[0]] = 1", /* an offset that traffic chooses */
		"ip[0] >> ip[1] = 1",  /* a shift it chooses */
		"ip[2:2] / ip[8] = 3", /* a divisor it chooses */
		"ip[ip[0] * 16777216] = 7",
	};

	test_eal();
	for (unsigned i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++) {
		struct filter_program program;

		REQUIRE(make(&program, expressions[i], LINK_ETHERNET));
		EXPECT(program.run == NULL);
		filter_program_free(&program);
	}
}

/* --- random expressions ----------------------------------------------------------------------------------------- */

TEST(both_engines_agree_on_random_expressions_and_frames)
{
	enum { EXPRESSIONS = 3000 };
	static const uint16_t link_types[] = {LINK_ETHERNET,  LINK_ETHERNET, LINK_RAW,
					      LINK_LINUX_SLL, LINK_NULL,     LINK_IPV4};
	unsigned compiled = 0, native = 0;
	struct filter_dice dice = {.state = 88172645463325252};

	test_eal();
	for (unsigned i = 0; i < EXPRESSIONS; i++) {
		struct filter_program program;
		struct filter_text t = {.size = 0};
		char why[PCAP_ERRBUF_SIZE];

		filter_add_expression(&t, &dice, i % 4);
		if (filter_program_make(&program, t.bytes, link_types[i % 6], why, sizeof(why))) {
			compiled++;
			filter_program_compile(&program);
			if (program.run != NULL) {
				native++;
				expect_agreement(t.bytes, &program, &dice.state);
			}
		}
		filter_program_free(&program);
	}
	/* Of others libpcap says that they cannot be true, or mean nothing for the link type. */
	EXPECT(compiled > EXPRESSIONS / 3);
	EXPECT(native > EXPRESSIONS / 10);
	printf("    %u expressions, %u compiled by libpcap, %u as machine code\n", EXPRESSIONS, compiled, native);
}

/* --- filters ---------------------------------------------------------------------------------------------------- */

static struct filter *
filter_with(const char *expression, bool machine_code)
{
	char why[PCAP_ERRBUF_SIZE];
	struct filter *f;

	test_eal();
	f = filter_create(&(struct filter_conf){.bpf = expression, .machine_code = machine_code}, why, sizeof(why));
	if (f == NULL)
		EXPECT_STR(expression, why);
	return f;
}

static struct filter *
filter_of(const char *expression)
{
	return filter_with(expression, false);
}

static enum filter_answer
ask(struct filter *f, uint32_t captured_bytes, uint32_t wire_bytes, uint16_t link_type)
{
	uint8_t bytes[256] = {[12] = 0x08, [14] = 0x45, [23] = 17, [36] = 0, [37] = 53};
	uint8_t *guarded = test_guard(bytes, captured_bytes);
	enum filter_answer answer = filter_ask(f, guarded, captured_bytes, wire_bytes, link_type);

	test_guard_free(guarded, captured_bytes);
	return answer;
}

static void
expect_wire_length(bool machine_code)
{
	struct filter *f = filter_with("greater 100", machine_code);
	struct filter *g = filter_with("udp port 53 and len = 1500", machine_code);

	REQUIRE(f != NULL && g != NULL);
	EXPECT_EQ(ask(f, 60, 60, LINK_ETHERNET), FILTER_NO);
	EXPECT_EQ(ask(f, 60, 100, LINK_ETHERNET), FILTER_YES);
	EXPECT_EQ(ask(f, 100, 100, LINK_ETHERNET), FILTER_YES);
	EXPECT_EQ(ask(g, 60, 1500, LINK_ETHERNET), FILTER_YES);
	EXPECT_EQ(ask(g, 60, 60, LINK_ETHERNET), FILTER_NO);
	filter_destroy(f);
	filter_destroy(g);
}

TEST(the_length_is_that_on_the_wire)
{
	expect_wire_length(false);
	expect_wire_length(true);
}

/* DPDK 22.11's machine code of it jumps into the middle of an instruction when a load fails. */
TEST(an_expression_of_which_rte_bpf_makes_wrong_code_is_safe_unless_that_is_asked_for)
{
	struct filter *f = filter_of("(((dst host 2001:db8::1 or vlan 7) or tcp port 80) or ip6 proto 6)");

	REQUIRE(f != NULL);
	for (uint32_t size = 0; size < 100; size++)
		EXPECT_EQ(ask(f, size, 100, LINK_ETHERNET), FILTER_NO);
	filter_destroy(f);
}

TEST(frames_cut_short_are_not_taken_and_nothing_behind_them_is_read)
{
	struct filter *f = filter_of("udp port 53");

	REQUIRE(f != NULL);
	for (uint32_t size = 0; size < 100; size++)
		EXPECT_EQ(ask(f, size, 100, LINK_ETHERNET), size < 38 ? FILTER_NO : FILTER_YES);
	filter_destroy(f);
}

TEST(each_link_type_has_its_own_program)
{
	struct filter *f = filter_of("udp"), *g = filter_of("ether host 2:0:0:0:0:1");

	REQUIRE(f != NULL && g != NULL);
	EXPECT_EQ(ask(f, 60, 60, LINK_ETHERNET), FILTER_YES);
	EXPECT_EQ(ask(f, 60, 60, LINK_RAW), FILTER_NO);
	EXPECT_EQ(ask(f, 60, 60, LINK_IPV4), FILTER_NO);
	EXPECT_EQ(ask(f, 60, 60, LINK_ETHERNET), FILTER_YES);
	EXPECT_EQ(ask(g, 60, 60, LINK_ETHERNET), FILTER_NO);
	EXPECT_EQ(ask(g, 60, 60, LINK_RAW), FILTER_IMPOSSIBLE);
	EXPECT_EQ(ask(g, 60, 60, LINK_ETHERNET), FILTER_NO);
	EXPECT_EQ(ask(g, 60, 60, LINK_RAW), FILTER_IMPOSSIBLE);
	filter_destroy(f);
	filter_destroy(g);
	filter_destroy(NULL);
}

TEST(more_link_types_than_there_is_room_for_are_refused)
{
	struct filter *f = filter_of("tcp");

	REQUIRE(f != NULL);
	for (unsigned i = 0; i < 2 * FILTER_LINK_TYPES_MAX; i++)
		(void)ask(f, 60, 60, (uint16_t)(30000 + i));
	EXPECT_EQ(ask(f, 60, 60, LINK_RAW), FILTER_IMPOSSIBLE);
	EXPECT_EQ(ask(f, 60, 60, LINK_ETHERNET), FILTER_NO);
	filter_destroy(f);
}

TEST(a_bad_expression_is_refused_with_libpcaps_words)
{
	char why[PCAP_ERRBUF_SIZE] = "";

	EXPECT(filter_check("tcp port 80", why, sizeof(why)));
	EXPECT(!filter_check("tcp prot 80", why, sizeof(why)));
	EXPECT(strstr(why, "syntax error") != NULL);
	test_eal();
	EXPECT(filter_create(&(struct filter_conf){.bpf = "tcp and"}, why, sizeof(why)) == NULL);
	EXPECT(strstr(why, "syntax error") != NULL);
}
