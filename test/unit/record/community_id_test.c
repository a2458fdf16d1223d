/* Community ID: published vectors, and our own for what the reference does otherwise. */
#include <arpa/inet.h>

#include "document.h"
#include "test.h"

struct vector {
	const char *source, *destination;
	uint8_t protocol;
	uint16_t port[2]; /* ICMP: type, code */
	const char *id;
};

/* From the baseline of the public Community ID project (seed 0). */
static const struct vector vectors[] = {
	{"128.232.110.120", "66.35.250.204", 6, {34855, 80}, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
	{"66.35.250.204", "128.232.110.120", 6, {80, 34855}, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
	{"192.168.1.52", "8.8.8.8", 17, {54585, 53}, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
	{"8.8.8.8", "192.168.1.52", 17, {53, 54585}, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
	{"192.168.170.8", "192.168.170.56", 132, {7, 80}, "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="},
	{"192.168.0.89", "192.168.0.1", 1, {8, 0}, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
	{"192.168.0.1", "192.168.0.89", 1, {0, 0}, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
	{"fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 58, {135, 0}, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
	{"fe80::260:97ff:fe07:69ea", "fe80::200:86ff:fe05:80da", 58, {136, 0}, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
};

static bool
read_address(const char *text, uint8_t out[16], uint8_t *version)
{
	memset(out, 0, 16);
	*version = strchr(text, ':') != NULL ? 6 : 4;
	if (*version == 6)
		return inet_pton(AF_INET6, text, out) == 1;
	out[10] = out[11] = 0xff;
	return inet_pton(AF_INET, text, out + 12) == 1;
}

static const char *
id_of(const struct vector *v)
{
	static char out[COMMUNITY_ID_BYTES];
	struct record_summary s = {.has_community_id = true, .ip_protocol = v->protocol};

	if (!read_address(v->source, s.address[0], &s.ip_version) ||
	    !read_address(v->destination, s.address[1], &s.ip_version))
		return NULL;
	if (v->protocol == 1 || v->protocol == 58) {
		s.icmp_type = (uint8_t)v->port[0];
		s.icmp_code = (uint8_t)v->port[1];
	} else {
		s.port[0] = v->port[0];
		s.port[1] = v->port[1];
	}
	community_id(&s, out);
	return out;
}

TEST(published_community_ids)
{
	for (unsigned i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		EXPECT_STR(id_of(&vectors[i]), vectors[i].id);
}

/* RECORD.md 1.7: where the public definition keeps the direction, the reference does not. */
TEST(icmp_without_an_answer_is_ordered_by_address_too)
{
	static const struct vector there = {"192.168.0.89", "192.168.0.1", 1, {3, 1}, NULL};
	static const struct vector turned = {"192.168.0.1", "192.168.0.89", 1, {1, 3}, NULL};
	char first[COMMUNITY_ID_BYTES];

	snprintf(first, sizeof(first), "%s", id_of(&there));
	EXPECT_STR(id_of(&turned), first);
}

TEST(sessions_that_have_no_community_id_get_an_empty_text)
{
	struct record_summary s = {.ip_version = 4, .ip_protocol = 6};
	char out[COMMUNITY_ID_BYTES] = "x";

	community_id(&s, out);
	EXPECT_STR(out, "");
	s = (struct record_summary){.has_community_id = true};
	community_id(&s, out);
	EXPECT_STR(out, "");
}
