/* What the first packets of each direction say beside their payload: MACs, TTL, DSCP, VLAN, ethertype, tunnels; and the
 * types of ICMP messages.
 *
 * The first value of each is kept in 'start', which is all that most sessions ever show. A second, different one makes
 * the record, to which 'start' is copied, and from then on every other value goes there; sets in the record drop what
 * they have already, but to ask them costs 50 to 100 ns, so the values in 'start' and the last other MAC are looked at
 * first.
 *
 * What lies around the innermost packet, and tags beside the first, is compared as a whole with what the last packet of
 * this direction had, in one cache line, and needs no record either until one of them changes: a sensor behind a
 * VXLAN mirror or in a mobile network sees nothing but tunnels, and would hold 1 KB for each session. */
#include "session_priv.h"

#include <rte_branch_prediction.h>
#include <string.h>

#include "json.h"

enum { MAC_BYTES = 6, MAC_TEXT = 17, ETHERTYPE_8021Q = 0x8100, ETHERTYPE_8021AD = 0x88a8 };

/* Both directions through the same pair of routers, or a generated trace: no record is needed to say so. False: another
 * MAC, or the record is there already and has to have it. */
static bool
note_peer_mac(struct session *s, const struct session_start *start, unsigned side, const uint8_t mac[MAC_BYTES])
{
	if ((s->seen & SEEN_MAC_0 << !side) == 0 || memcmp(start->mac[!side], mac, MAC_BYTES) != 0)
		return false;
	if ((s->seen & SEEN_PEER_MAC_0 << side) != 0)
		return true;
	s->seen |= (uint16_t)(SEEN_PEER_MAC_0 << side);
	return (s->flags & SESSION_IN_RECORD) == 0;
}

static void
flush_mac(const struct session_table *t, struct record *r, unsigned side, const uint8_t mac[MAC_BYTES])
{
	char text[MAC_TEXT];

	(void)json_put_hex_colons(text, mac, MAC_BYTES);
	record_add_str(t->records, r, t->fields.mac[side], text, MAC_TEXT);
}

/* Neither the first of this side nor, unless there is a record already, the first of the other one. */
static __rte_noinline void
note_other_mac(struct session_table *t, struct session *s, unsigned side, const uint8_t mac[MAC_BYTES])
{
	struct attachment *att = session_attach(t, s);
	char text[MAC_TEXT];

	if ((s->seen & SEEN_OTHER_MAC_0 << side) != 0 && memcmp(att->other_mac[side], mac, MAC_BYTES) == 0)
		return;
	s->seen |= (uint16_t)(SEEN_OTHER_MAC_0 << side);
	memcpy(att->other_mac[side], mac, MAC_BYTES);
	(void)json_put_hex_colons(text, mac, MAC_BYTES);
	session_add_str(t, s, t->fields.mac[side], text, MAC_TEXT);
}

static inline void
note_mac(struct session_table *t, struct session *s, unsigned side, const uint8_t mac[MAC_BYTES])
{
	struct session_start *start = session_start_of(t, s);

	if ((s->seen & SEEN_MAC_0 << side) == 0) {
		s->seen |= (uint16_t)(SEEN_MAC_0 << side);
		memcpy(start->mac[side], mac, MAC_BYTES);
		if ((s->flags & SESSION_IN_RECORD) == 0)
			return;
	} else if (likely(memcmp(start->mac[side], mac, MAC_BYTES) == 0) || note_peer_mac(s, start, side, mac)) {
		return;
	}
	note_other_mac(t, s, side, mac);
}

static void
note_ttl(struct session_table *t, struct session *s, unsigned direction, uint8_t ttl)
{
	struct session_start *start = session_start_of(t, s);

	if ((s->seen & SEEN_TTL_0 << direction) == 0) {
		s->seen |= (uint16_t)(SEEN_TTL_0 << direction);
		start->ttl[direction] = ttl;
		if ((s->flags & SESSION_IN_RECORD) == 0)
			return;
	} else if (likely(start->ttl[direction] == ttl)) {
		return;
	}
	session_add_int(t, s, t->fields.ttl[direction], ttl);
}

/* Only values that are not zero are recorded. */
static void
note_dscp(struct session_table *t, struct session *s, unsigned direction, uint8_t dscp)
{
	struct session_start *start = session_start_of(t, s);

	if (dscp == start->dscp[direction] || dscp == 0)
		return;
	if (start->dscp[direction] == 0) {
		start->dscp[direction] = dscp;
		if ((s->flags & SESSION_IN_RECORD) == 0)
			return;
	}
	session_add_int(t, s, t->fields.dscp[direction], dscp);
}

static void
add_vlan(struct session_table *t, struct record *r, uint16_t code)
{
	record_add_int(t->records, r, t->fields.vlan, code & VLAN_ID_MASK);
	if ((code & VLAN_DOT1Q) != 0)
		record_add_int(t->records, r, t->fields.dot1q, code & VLAN_ID_MASK);
	if ((code & VLAN_DOT1AD) != 0)
		record_add_int(t->records, r, t->fields.dot1ad, code & VLAN_ID_MASK);
}

static void
record_vlan(struct session_table *t, struct session *s, uint16_t code)
{
	struct record *r = session_record_open(t, s);

	if (r == NULL)
		return;
	add_vlan(t, r, code);
	session_record_close(t, s);
}

/* 'code' is the id and its kind. What is not the session's first one is the outer's. */
static void
note_vlan(struct session_table *t, struct session *s, struct session_outer *outer, uint16_t code)
{
	struct session_start *start = session_start_of(t, s);

	if ((s->seen & SEEN_VLAN) == 0) {
		s->seen |= SEEN_VLAN;
		start->vlan = code;
		if ((s->flags & SESSION_IN_RECORD) != 0)
			record_vlan(t, s, code);
		return;
	}
	if (likely(start->vlan == code))
		return;
	for (unsigned i = 0; i < OUTER_TAGS; i++) {
		if (outer->tag[i] == 0)
			outer->tag[i] = code;
		if (outer->tag[i] == code)
			return;
	}
	record_vlan(t, s, code);
}

static void
note_ethertype(const struct session_table *t, struct session *s, uint16_t type)
{
	if (likely((s->seen & SEEN_ETHERTYPE) != 0) || type == 0)
		return;
	s->seen |= SEEN_ETHERTYPE;
	session_start_of(t, s)->ethertype = type;
}

static bool
is_tag(uint16_t type)
{
	return type == ETHERTYPE_8021Q || type == ETHERTYPE_8021AD;
}

/* What follows the MACs of the outer frame; 0: nothing. */
static uint16_t
frame_type(const struct packet *p)
{
	struct cursor c = cursor_make(p->data, p->captured_bytes);

	cursor_skip(&c, p->frame_offset + 2 * MAC_BYTES);
	return cursor_be16(&c);
}

/* Tags and type of the outer frame. Returns whether one of its tags is not zero. */
static bool
note_outer_frame(struct session_table *t, struct session *s, const struct packet *p, struct session_outer *outer)
{
	struct cursor c = cursor_make(p->data, p->captured_bytes);
	bool has_tag = false;
	uint16_t type;

	cursor_skip(&c, p->frame_offset + 2 * MAC_BYTES);
	type = cursor_be16(&c);
	for (unsigned i = 0; i < PACKET_VLAN_MAX && is_tag(type); i++) {
		uint16_t id = cursor_be16(&c) & VLAN_ID_MASK;

		if (cursor_bad(&c))
			return has_tag;
		note_vlan(t, s, outer, id | (type == ETHERTYPE_8021Q ? VLAN_DOT1Q : VLAN_DOT1AD));
		has_tag |= id != 0;
		type = cursor_be16(&c);
	}
	note_ethertype(t, s, type);
	return has_tag;
}

static void
note_macs(struct session_table *t, struct session *s, const struct packet *p)
{
	struct cursor c = cursor_make(p->data, p->captured_bytes);
	const uint8_t *macs;

	cursor_skip(&c, p->ethernet_offset);
	macs = cursor_take(&c, 2 * MAC_BYTES);
	if (macs == NULL)
		return;
	note_mac(t, s, p->direction, macs + MAC_BYTES);
	note_mac(t, s, !p->direction, macs);
}

/* Which side is the source does not matter: both packets of a tunnel that answers name both of its ends on both sides,
 * as in the reference. */
static void
read_outer_ip(const struct packet *p, struct session_outer *outer)
{
	struct cursor c = cursor_make(p->data, p->captured_bytes);
	const uint8_t *addresses;

	cursor_skip(&c, p->outer_ip_offset + (p->outer_ip_version == 6 ? 8u : 12u));
	if (p->outer_ip_version == 6) {
		addresses = cursor_take(&c, 2 * 16);
		if (addresses == NULL)
			return;
		memcpy(outer->address, addresses, 2 * 16);
	} else {
		addresses = cursor_take(&c, 2 * 4);
		if (addresses == NULL)
			return;
		for (unsigned i = 0; i < 2; i++) {
			outer->address[i][10] = outer->address[i][11] = 0xff;
			memcpy(&outer->address[i][12], addresses + (size_t)i * 4, 4);
		}
	}
	outer->has_addresses = 1;
}

static void
read_outer_macs(const struct packet *p, struct session_outer *outer)
{
	struct cursor c = cursor_make(p->data, p->captured_bytes);
	const uint8_t *macs;

	cursor_skip(&c, p->outer_ethernet_offset);
	macs = cursor_take(&c, 2 * MAC_BYTES);
	if (macs == NULL)
		return;
	memcpy(outer->mac, macs, 2 * MAC_BYTES);
	outer->has_macs = 1;
}

static void
read_outer(const struct packet *p, struct session_outer *outer)
{
	outer->tunnels = p->tunnels;
	outer->vni = p->vni;
	if (p->outer_ip_version != 0)
		read_outer_ip(p, outer);
	if (p->outer_ethernet_offset != PACKET_NO_OFFSET)
		read_outer_macs(p, outer);
}

static void
add_outer(struct session_table *t, struct record *r, const struct session_outer *outer)
{
	char text[MAC_TEXT];

	for (unsigned i = 0; i < OUTER_TAGS && outer->tag[i] != 0; i++)
		add_vlan(t, r, outer->tag[i]);
	for (unsigned left = outer->tunnels; left != 0; left &= left - 1) {
		const char *name = packet_tunnel_name((unsigned)__builtin_ctz(left));

		record_add_str(t->records, r, t->fields.protocol, name, strlen(name));
	}
	if (outer->vni != 0)
		record_add_int(t->records, r, t->fields.vni, outer->vni);
	for (unsigned i = 0; outer->has_addresses != 0 && i < 2; i++)
		record_add_ip(t->records, r, t->fields.outer_ip[i], outer->address[i]);
	for (unsigned i = 0; outer->has_macs != 0 && i < 2; i++) {
		(void)json_put_hex_colons(text, outer->mac[i], MAC_BYTES);
		record_add_str(t->records, r, t->fields.outer_mac[i], text, MAC_TEXT);
	}
}

static void
keep_outer(struct session_table *t, struct session *s, unsigned direction, const struct session_outer *outer)
{
	struct session_outer *kept = session_outer_of(t, s);

	if ((s->seen & SEEN_OUTER) == 0) {
		UNPOISON(kept, 2 * sizeof(*kept));
		t->n_outer++;
	}
	s->seen |= (uint16_t)(SEEN_OUTER | SEEN_OUTER_0 << direction);
	kept[direction] = *outer;
}

static void
note_outer(struct session_table *t, struct session *s, unsigned direction, const struct session_outer *outer)
{
	bool is_known = (s->seen & SEEN_OUTER_0 << direction) != 0;
	struct record *r;

	if (likely(is_known && memcmp(&session_outer_of(t, s)[direction], outer, sizeof(*outer)) == 0))
		return;
	/* Tags are a list: the record has them in the order in which they came, and direction 0 writes first. */
	if (is_known || (s->flags & SESSION_IN_RECORD) != 0 ||
	    (direction == 1 && outer->tag[0] != 0 && (s->seen & SEEN_OUTER_0) == 0)) {
		r = session_record_open(t, s);
		if (r == NULL)
			return;
		add_outer(t, r, outer);
		session_record_close(t, s);
	}
	keep_outer(t, s, direction, outer);
}

/* Tags, and what lies around the innermost packet. */
static __rte_noinline void
note_around(struct session_table *t, struct session *s, const struct packet *p)
{
	struct session_outer outer = {0};
	bool has_tag = p->is_ethernet && note_outer_frame(t, s, p, &outer);

	/* A tag inside a tunnel or of a cooked header is no dot1q of the frame's own; one that the NIC took out is. */
	if (p->vlan != 0 && !has_tag)
		note_vlan(t, s, &outer,
			  p->vlan | (p->vlan_from_link && p->link_type == LINK_ETHERNET ? VLAN_DOT1Q : 0));
	if (unlikely(p->has_outer))
		read_outer(p, &outer);
	if (unlikely(p->has_outer || outer.tag[0] != 0))
		note_outer(t, s, p->direction, &outer);
}

void
session_first_packet(struct session_table *t, struct session *s, const struct packet *p)
{
	uint16_t type = p->is_ethernet ? frame_type(p) : 0;

	if (p->ip_version != 0) {
		note_ttl(t, s, p->direction, p->hop_limit);
		note_dscp(t, s, p->direction, p->traffic_class >> 2);
	}
	if (p->is_ethernet && p->ethernet_offset != PACKET_NO_OFFSET)
		note_macs(t, s, p);
	if (unlikely(p->has_outer || p->vlan != 0 || is_tag(type)))
		note_around(t, s, p);
	else
		note_ethertype(t, s, type);
}

static bool
has_value(const uint8_t *values, uint8_t n, uint8_t value)
{
	for (unsigned i = 0; i < n; i++)
		if (values[i] == value)
			return true;
	return false;
}

void
session_icmp(struct session_table *t, struct session *s, const struct packet *p)
{
	struct cursor c = cursor_make(p->data, p->captured_bytes);
	struct session_start *start = session_start_of(t, s);
	uint8_t type, code;

	cursor_skip(&c, p->transport_offset);
	cursor_limit(&c, p->transport_bytes);
	type = cursor_u8(&c);
	code = cursor_u8(&c);
	if (cursor_bad(&c))
		return;
	if (start->icmp.first_type == 0 && start->icmp.first_code == 0) {
		start->icmp.first_type = type;
		start->icmp.first_code = code;
	}
	if ((s->flags & SESSION_IN_RECORD) == 0) {
		bool has_type = has_value(start->icmp.type, start->icmp.n_types, type);
		bool has_code = has_value(start->icmp.code, start->icmp.n_codes, code);

		if (!has_type && start->icmp.n_types < ICMP_INLINE_VALUES) {
			start->icmp.type[start->icmp.n_types++] = type;
			has_type = true;
		}
		if (!has_code && start->icmp.n_codes < ICMP_INLINE_VALUES) {
			start->icmp.code[start->icmp.n_codes++] = code;
			has_code = true;
		}
		if (has_type && has_code)
			return;
	}
	session_add_int(t, s, t->fields.icmp_type, type);
	session_add_int(t, s, t->fields.icmp_code, code);
}

void
session_first_flush(struct session_table *t, const struct session *s, struct record *r)
{
	const struct session_start *start = session_start_of(t, s);

	for (unsigned i = 0; i < 2; i++) {
		if ((s->seen & SEEN_MAC_0 << i) != 0)
			flush_mac(t, r, i, start->mac[i]);
		if ((s->seen & SEEN_PEER_MAC_0 << i) != 0)
			flush_mac(t, r, i, start->mac[!i]);
		if ((s->seen & SEEN_TTL_0 << i) != 0)
			record_add_int(t->records, r, t->fields.ttl[i], start->ttl[i]);
		if (start->dscp[i] != 0)
			record_add_int(t->records, r, t->fields.dscp[i], start->dscp[i]);
	}
	if ((s->seen & SEEN_VLAN) != 0)
		add_vlan(t, r, start->vlan);
	for (unsigned i = 0; i < 2; i++)
		if (unlikely((s->seen & SEEN_OUTER_0 << i) != 0))
			add_outer(t, r, &session_outer_of(t, s)[i]);
	if (session_type_of(t, s) != SESSION_ICMP)
		return;
	for (unsigned i = 0; i < start->icmp.n_types; i++)
		record_add_int(t->records, r, t->fields.icmp_type, start->icmp.type[i]);
	for (unsigned i = 0; i < start->icmp.n_codes; i++)
		record_add_int(t->records, r, t->fields.icmp_code, start->icmp.code[i]);
}
