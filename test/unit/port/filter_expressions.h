/* Expressions of pcap-filter(7) as dice will have them: what the unit test and the fuzz target of filters ask. */
#ifndef FILTER_EXPRESSIONS_H
#define FILTER_EXPRESSIONS_H

#include <stdint.h>
#include <stdio.h>

#include "cursor.h"

static inline uint64_t
random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Bytes as long as there are any, then random numbers. */
struct filter_dice {
	uint64_t state;
	struct cursor bytes;
};

static inline uint64_t
filter_dice_throw(struct filter_dice *dice)
{
	if (cursor_left(&dice->bytes) < sizeof(uint64_t))
		return random_next(&dice->state);
	return cursor_le64(&dice->bytes);
}

struct filter_text {
	char bytes[2048];
	size_t size;
};

static inline void
filter_add(struct filter_text *t, const char *words)
{
	int n = snprintf(&t->bytes[t->size], sizeof(t->bytes) - t->size, "%s", words);

	t->size += (size_t)n < sizeof(t->bytes) - t->size ? (size_t)n : 0;
}

static inline void
filter_add_number(struct filter_text *t, uint64_t number)
{
	char word[32];

	snprintf(word, sizeof(word), "%llu", (unsigned long long)number);
	filter_add(t, word);
}

/* A load, or sums of loads and numbers. */
static inline void
filter_add_arithmetic(struct filter_text *t, struct filter_dice *from, unsigned depth)
{
	static const char *const protocols[] = {"ether", "ip", "tcp", "udp", "icmp", "ip6"};
	static const char *const operators[] = {" + ", " - ", " * ", " & ", " | ", " ^ ", " / ", " % ", " << ", " >> "};
	static const char *const sizes[] = {"", ":2", ":4"};
	uint64_t dice = filter_dice_throw(from);

	if (depth > 0 && dice % 3 == 0) {
		unsigned operator_ = (unsigned)(dice >> 8) % 10;

		filter_add(t, "(");
		filter_add_arithmetic(t, from, depth - 1);
		filter_add(t, operators[operator_]);
		/* Divisors and shifts that libpcap refuses when it folds constants are no test. */
		if (operator_ >= 6)
			filter_add_number(t, 1 + (dice >> 16) % 31);
		else
			filter_add_arithmetic(t, from, depth - 1);
		filter_add(t, ")");
	} else if (dice % 5 == 1) {
		filter_add_number(t, dice % 7 == 0 ? dice >> 32 : (dice >> 32) % 300);
	} else if (dice % 11 == 2) {
		filter_add(t, "len");
	} else {
		filter_add(t, protocols[(dice >> 8) % 6]);
		filter_add(t, "[");
		filter_add_number(t, (dice >> 16) % 60);
		filter_add(t, sizes[(dice >> 40) % 3]);
		filter_add(t, "]");
	}
}

static inline void
filter_add_primitive(struct filter_text *t, struct filter_dice *from)
{
	static const char *const primitives[] = {"tcp",
						 "udp",
						 "ip",
						 "ip6",
						 "icmp",
						 "sctp",
						 "arp",
						 "multicast",
						 "broadcast",
						 "ip multicast",
						 "vlan 7",
						 "tcp port 80",
						 "udp port 53",
						 "src port 1024",
						 "dst portrange 10-3000",
						 "host 10.2.3.4",
						 "net 10.0.0.0/8",
						 "src net 10.128.0.0/9",
						 "dst host 2001:db8::1",
						 "ip6 net 6000::/8",
						 "ip proto 132",
						 "ip6 proto 6",
						 "less 80",
						 "greater 40",
						 "ether proto 0x800",
						 "ether src 00:00:00:00:00:01",
						 "ip broadcast"};
	static const char *const relations[] = {" = ", " != ", " < ", " > ", " <= ", " >= "};
	uint64_t dice = filter_dice_throw(from);

	if (dice % 2 == 0) {
		filter_add(t, primitives[(dice >> 8) % (sizeof(primitives) / sizeof(primitives[0]))]);
		return;
	}
	filter_add_arithmetic(t, from, 2);
	filter_add(t, relations[(dice >> 8) % 6]);
	filter_add_arithmetic(t, from, 1);
}

static inline void
filter_add_expression(struct filter_text *t, struct filter_dice *from, unsigned depth)
{
	uint64_t dice = filter_dice_throw(from);

	if (depth == 0 || dice % 4 == 0) {
		filter_add_primitive(t, from);
		return;
	}
	if (dice % 3 == 0)
		filter_add(t, "not ");
	filter_add(t, "(");
	filter_add_expression(t, from, depth - 1);
	filter_add(t, dice % 2 == 0 ? " and " : " or ");
	filter_add_expression(t, from, depth - 1);
	filter_add(t, ")");
}

#endif
