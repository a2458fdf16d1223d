/* Decode: link type, dispatch by ethertype and IP protocol, bursts.
 *
 * A packet is decoded by calls from the outer header to the inner one; each gets a cursor and returns the verdict of
 * the whole packet. Handlers that carry other packets call back into the dispatch functions here, so depth is bounded
 * by PACKET_DISPATCH_MAX and not by what a sender wrote.
 *
 * Nearly all packets are Ethernet II with at most two VLAN tags, IPv4 without options or IPv6 without extension
 * headers, then TCP or UDP. packet_decode_fast() reads these after two or three length checks, in less than half of the
 * general path's time. It decides nothing by itself: whatever is not exactly in order (a fragment, a bad length, a UDP
 * port with a handler) goes to the general path, and a test holds both against each other over all reference captures.
 */

#include "decode_priv.h"
#include "flow_key_priv.h"
#include "key_priv.h"

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

COUNTER(packet_corrupt, "packet.corrupt", "packets whose headers or lengths contradict each other", LEDGER_PACKETS,
	LEDGER_OUT);
COUNTER(packet_unknown_ether, "packet.unknown_ether", "packets of a link type, ethertype or LLC protocol not decoded",
	LEDGER_PACKETS, LEDGER_OUT);
COUNTER(packet_unknown_ip, "packet.unknown_ip", "packets of an IP protocol not decoded", LEDGER_PACKETS, LEDGER_OUT);
COUNTER(packet_filtered, "packet.dropped_ip", "packets from or to an address that packet-drop-ips drops",
	LEDGER_PACKETS, LEDGER_OUT);
COUNTER(packet_duplicate, "packet.duplicate", "packets dropped as copies of one before (enablePacketDedup)",
	LEDGER_PACKETS, LEDGER_OUT);

/* Distance at which frames are fetched ahead: about the time one takes, times the latency of the next cache. */
enum { PREFETCH_PACKETS = 6 };

enum { RUNT_BYTES = 4, VLAN_TAG_BYTES = 4, FAST_TAGS_MAX = 2 };

static void
packet_reset(struct packet *p)
{
	memset(&p->verdict, 0, offsetof(struct packet, session) - offsetof(struct packet, verdict));
	p->ethernet_offset = p->outer_ethernet_offset = PACKET_NO_OFFSET;
}

enum packet_verdict
packet_decode_ethertype_in(const struct decode_conf *conf, struct packet *p, uint16_t ethertype, struct span in)
{
	struct cursor c = span_cursor(in);
	packet_handler handle;

	if (++p->dispatches > PACKET_DISPATCH_MAX)
		return PACKET_CORRUPT;
	if (ethertype == ETHERTYPE_IPV4)
		return packet_decode_ipv4_in(conf, p, in);
	if (ethertype == ETHERTYPE_IPV6)
		return packet_decode_ipv6_in(conf, p, in);

	packet_set_transport(p, &c);
	handle = conf->ethertype[conf->ethertype_slot[ethertype]];
	return handle != NULL ? handle(conf, p, c) : packet_unknown_ethertype(conf, p, ethertype);
}

enum packet_verdict
packet_decode_ip_protocol_in(const struct decode_conf *conf, struct packet *p, uint8_t protocol, struct span in)
{
	struct cursor c = span_cursor(in);
	packet_handler handle;

	if (++p->dispatches > PACKET_DISPATCH_MAX)
		return PACKET_CORRUPT;
	packet_set_transport(p, &c);
	if (protocol == IP_PROTOCOL_TCP)
		return packet_decode_tcp(conf, p);
	if (protocol == IP_PROTOCOL_UDP)
		return packet_decode_udp(conf, p, in);

	handle = conf->ip_protocol[protocol];
	return handle != NULL ? handle(conf, p, c) : packet_unknown_ip_protocol(conf, p, protocol);
}

static packet_handler
link_decoder(uint16_t link_type)
{
	switch (link_type) {
	case LINK_ETHERNET:
		return packet_decode_ethernet;
	case LINK_ETHERNET_MPACKET:
		return packet_decode_mpacket;
	case LINK_LINUX_SLL:
		return packet_decode_sll;
	case LINK_LINUX_SLL2:
		return packet_decode_sll2;
	case LINK_RAW_12:
	case LINK_RAW:
		return packet_decode_raw_ip;
	case LINK_IPV4:
		return packet_decode_ipv4;
	case LINK_IPV6:
		return packet_decode_ipv6;
	case LINK_NULL:
	case LINK_LOOP:
		return packet_decode_null;
	case LINK_FRAME_RELAY:
		return packet_decode_frame_relay;
	case LINK_IEEE802_11_RADIO:
		return packet_decode_radiotap;
	case LINK_NFLOG:
		return packet_decode_nflog;
	case LINK_PPP:
		return packet_decode_ppp;
	case LINK_PPP_HDLC:
		return packet_decode_ppp_hdlc;
	case LINK_CISCO_HDLC:
		return packet_decode_cisco_hdlc;
	default:
		return NULL;
	}
}

enum packet_verdict
packet_decode_general(const struct decode_conf *conf, struct packet *p)
{
	packet_handler handle = link_decoder(p->link_type);
	enum packet_verdict verdict;

	packet_reset(p);
	p->is_ethernet = p->link_type == LINK_ETHERNET || p->link_type == LINK_ETHERNET_MPACKET;
	if (p->captured_bytes <= RUNT_BYTES)
		return p->verdict = PACKET_CORRUPT;
	if (handle == NULL)
		return p->verdict = PACKET_UNKNOWN_ETHER;

	verdict = handle(conf, p, cursor_make(p->data, p->captured_bytes));
	/* A handler of somebody else's that forgot the key, or whose protocol is not registered. */
	if (unlikely(verdict == PACKET_OK && p->protocol == 0))
		verdict = PACKET_CORRUPT;
	if (verdict == PACKET_CORRUPT && conf->save.corrupt && packet_key_corrupt(p))
		verdict = PACKET_OK;
	return p->verdict = (uint8_t)verdict;
}

/* Version 4, a header of 20 bytes, and no fragment: of the first eight bytes in one comparison. */
static inline bool
is_plain_ipv4(const uint8_t *ip)
{
	static const uint8_t compared[8] = {0xff, 0, 0, 0, 0, 0, 0x3f, 0xff};
	uint64_t word, mask;

	memcpy(&word, ip, sizeof(word));
	memcpy(&mask, compared, sizeof(mask));
	return (word & mask) == 0x45;
}

/* Lengths of a TCP segment or UDP datagram. */
struct plain {
	uint32_t transport_bytes, header_bytes, payload_bytes, data_bytes;
	uint8_t ip_protocol, tcp_flags;
	uint64_t protocol; /* as wide as the key's tail: gcc would write a byte and wait for it when it reads eight */
};

/* 'bytes': the 20 behind the IP header, of 'left' that were captured; the IP header says transport_bytes. False: not
 * such a packet, or not a good one. */
static inline __attribute__((always_inline)) bool
read_plain_transport(const struct decode_conf *conf, uint8_t ip_protocol, const uint8_t *bytes, uint32_t left,
		     struct plain *out)
{
	out->ip_protocol = ip_protocol;
	if (likely(ip_protocol == IP_PROTOCOL_TCP)) {
		out->header_bytes = (uint32_t)(bytes[12] >> 4) * 4;
		if (unlikely(out->header_bytes < TCP_HEADER_BYTES || out->header_bytes > left))
			return false;
		out->payload_bytes =
			out->transport_bytes > out->header_bytes ? out->transport_bytes - out->header_bytes : 0;
		out->data_bytes = 0;
		out->tcp_flags = bytes[13];
		out->protocol = conf->tcp;
	} else if (likely(ip_protocol == IP_PROTOCOL_UDP)) {
		uint32_t length = read_be16(&bytes[4]);

		if (unlikely(length < UDP_HEADER_BYTES || length > out->transport_bytes ||
			     bit_test(conf->udp_port_bits, read_be16(&bytes[2]))))
			return false;
		out->header_bytes = UDP_HEADER_BYTES;
		out->payload_bytes = out->data_bytes = length - UDP_HEADER_BYTES;
		out->tcp_flags = 0;
		out->protocol = conf->udp;
	} else {
		return false;
	}
	return true;
}

/* 'ip': the 40 bytes behind the link header, of 'left' that were captured. */
static inline __attribute__((always_inline)) bool
read_plain_ipv4(const struct decode_conf *conf, const uint8_t *ip, uint32_t left, struct plain *out)
{
	uint32_t total_bytes = read_be16(&ip[2]);

	if (unlikely(!is_plain_ipv4(ip) || total_bytes < IPV4_HEADER_BYTES || total_bytes > left))
		return false;
	out->transport_bytes = total_bytes - IPV4_HEADER_BYTES;
	return read_plain_transport(conf, ip[9], &ip[IPV4_HEADER_BYTES], left - IPV4_HEADER_BYTES, out);
}

/* 'ip': the 60 bytes behind the link header. */
static inline __attribute__((always_inline)) bool
read_plain_ipv6(const struct decode_conf *conf, const uint8_t *ip, uint32_t left, struct plain *out)
{
	out->transport_bytes = read_be16(&ip[4]);
	if (unlikely(ip[0] >> 4 != 6 || out->transport_bytes > left - IPV6_HEADER_BYTES))
		return false;
	return read_plain_transport(conf, ip[6], &ip[IPV6_HEADER_BYTES], left - IPV6_HEADER_BYTES, out);
}

/* What decode says of an untagged frame with IPv4, but for what its headers say. Where set_plain() is given the same
 * offsets, the compiler leaves them as they are. */
static const struct packet plain_ipv4 = {
	.ip_version = 4,
	.dispatches = 2,
	.is_ethernet = true,
	.outer_ethernet_offset = PACKET_NO_OFFSET,
	.ip_offset = ETHERNET_HEADER_BYTES,
	.transport_offset = ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES,
};

/* All but the key and what the IP header says by itself. The link header ends at 'ip_offset'. */
static inline __attribute__((always_inline)) void
set_plain(struct packet *p, const struct plain *plain, uint32_t ip_offset, uint32_t ip_header_bytes)
{
	memcpy(&p->verdict, &plain_ipv4.verdict, offsetof(struct packet, key) - offsetof(struct packet, verdict));
	p->protocol = (uint8_t)plain->protocol;
	p->ip_protocol = plain->ip_protocol;
	p->tcp_flags = plain->tcp_flags;
	p->ip_offset = (uint16_t)ip_offset;
	p->transport_offset = ip_offset + ip_header_bytes;
	p->transport_bytes = plain->transport_bytes;
	p->payload_offset = ip_offset + ip_header_bytes + plain->header_bytes;
	p->payload_bytes = plain->payload_bytes;
	p->data_bytes = plain->data_bytes;
}

static inline uint64_t
plain_tail(const struct decode_conf *conf, const struct packet *p, const struct plain *plain)
{
	return key_tail(unlikely(conf->tracks) ? packet_tracking_id(conf, p) : 0, plain->protocol);
}

/* The link header ends at 'offset'. */
static inline __attribute__((always_inline)) bool
decode_fast_ipv4(const struct decode_conf *conf, struct packet *p, const uint8_t *ip, uint32_t offset, uint16_t vlan)
{
	const struct drop_ips *drops = packet_drop_ips(conf);
	struct plain plain;

	if (unlikely(!read_plain_ipv4(conf, ip, p->captured_bytes - offset, &plain)))
		return false;
	if (unlikely(drops != NULL) && drop_ips_either_ipv4(drops, read_be32(&ip[12]), read_be32(&ip[16])))
		return false;
	set_plain(p, &plain, offset, IPV4_HEADER_BYTES);
	p->vlan = vlan;
	p->traffic_class = ip[1];
	p->hop_limit = ip[8];
	p->reversed = key_set_plain_ipv4(&p->key, &ip[12], plain_tail(conf, p, &plain));
	return true;
}

/* No extension headers. */
static __attribute__((noinline)) bool
decode_fast_ipv6(const struct decode_conf *conf, struct packet *p, uint32_t offset, uint16_t vlan)
{
	const struct drop_ips *drops = packet_drop_ips(conf);
	struct cursor c = cursor_make(p->data, p->captured_bytes);
	const uint8_t *ip;
	struct plain plain;

	cursor_skip(&c, offset);
	ip = cursor_take(&c, IPV6_HEADER_BYTES + TCP_HEADER_BYTES);
	if (ip == NULL || !read_plain_ipv6(conf, ip, p->captured_bytes - offset, &plain))
		return false;
	if (unlikely(drops != NULL) && drop_ips_either_ipv6(drops, &ip[8], &ip[24]))
		return false;
	set_plain(p, &plain, offset, IPV6_HEADER_BYTES);
	p->vlan = vlan;
	p->ip_version = 6;
	p->traffic_class = (uint8_t)(read_be16(ip) >> 4);
	p->hop_limit = ip[7];
	p->reversed =
		key_set_ipv6(&p->key, &ip[8], read_be16(&ip[40]), read_be16(&ip[42]), plain_tail(conf, p, &plain));
	return true;
}

static inline bool
is_vlan(uint16_t type)
{
	return type == ETHERTYPE_VLAN || type == ETHERTYPE_SERVICE_VLAN;
}

/* One or two tags. Apart from the untagged path, which is a third slower when it shares its code with this one. */
static __attribute__((noinline)) bool
decode_fast_tagged(const struct decode_conf *conf, struct packet *p)
{
	struct cursor c = cursor_make(p->data, p->captured_bytes);
	uint16_t vlan = 0, type = ETHERTYPE_VLAN;
	uint32_t offset = ETHERNET_HEADER_BYTES;
	const uint8_t *ip;

	cursor_skip(&c, ETHERNET_HEADER_BYTES);
	for (unsigned tags = 0; is_vlan(type); tags++) {
		const uint8_t *tag = cursor_take(&c, VLAN_TAG_BYTES);

		if (tag == NULL || tags == FAST_TAGS_MAX)
			return false;
		if (vlan == 0)
			vlan = read_be16(&tag[0]) & 0x0fff;
		type = read_be16(&tag[2]);
		offset += VLAN_TAG_BYTES;
	}
	if (type == ETHERTYPE_IPV6)
		return decode_fast_ipv6(conf, p, offset, vlan);
	ip = cursor_take(&c, IPV4_HEADER_BYTES + TCP_HEADER_BYTES);
	if (type != ETHERTYPE_IPV4 || ip == NULL)
		return false;
	return decode_fast_ipv4(conf, p, ip, offset, vlan);
}

/* No tag, and IPv4: nearly all packets. False: not such a packet, or not a good one. */
static inline __attribute__((always_inline)) bool
decode_fastest(const struct decode_conf *conf, struct packet *p)
{
	struct cursor c = cursor_make(p->data, p->captured_bytes);
	const uint8_t *frame = cursor_take(&c, ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES + TCP_HEADER_BYTES);

	if (unlikely(frame == NULL || p->link_type != LINK_ETHERNET || !conf->fast) ||
	    read_be16(&frame[12]) != ETHERTYPE_IPV4)
		return false;
	return decode_fast_ipv4(conf, p, &frame[ETHERNET_HEADER_BYTES], ETHERNET_HEADER_BYTES, 0);
}

/* The rest of those that are decoded fast. */
static bool
decode_fast_rest(const struct decode_conf *conf, struct packet *p)
{
	struct cursor c = cursor_make(p->data, p->captured_bytes);
	uint16_t type;

	cursor_skip(&c, ETHERNET_HEADER_BYTES - 2);
	type = cursor_be16(&c);
	if (p->link_type != LINK_ETHERNET || !conf->fast || cursor_bad(&c))
		return false;
	if (type == ETHERTYPE_IPV6)
		return decode_fast_ipv6(conf, p, ETHERNET_HEADER_BYTES, 0);
	return is_vlan(type) && decode_fast_tagged(conf, p);
}

bool
packet_decode_fast(const struct decode_conf *conf, struct packet *p)
{
	return decode_fastest(conf, p) || decode_fast_rest(conf, p);
}

bool
packet_glance(const struct decode_conf *conf, const uint8_t *frame, uint32_t bytes, struct flow_key *key)
{
	struct cursor c = cursor_make(frame, bytes);
	struct plain plain;
	const uint8_t *ip;
	uint32_t left;
	uint16_t type;

	cursor_skip(&c, ETHERNET_HEADER_BYTES - 2);
	type = cursor_be16(&c);
	for (unsigned tags = 0; unlikely(is_vlan(type)) && tags < FAST_TAGS_MAX; tags++) {
		cursor_skip(&c, VLAN_TAG_BYTES - 2);
		type = cursor_be16(&c);
	}
	left = (uint32_t)cursor_left(&c);
	ip = cursor_take(&c, IPV4_HEADER_BYTES + TCP_HEADER_BYTES);
	if (unlikely(ip == NULL || !conf->fast))
		return false;
	if (likely(type == ETHERTYPE_IPV4)) {
		if (!read_plain_ipv4(conf, ip, left, &plain))
			return false;
		(void)key_set_plain_ipv4(key, &ip[12], key_tail(0, plain.protocol));
		return true;
	}
	if (type != ETHERTYPE_IPV6 || cursor_take(&c, IPV6_HEADER_BYTES - IPV4_HEADER_BYTES) == NULL ||
	    !read_plain_ipv6(conf, ip, left, &plain))
		return false;
	(void)key_set_ipv6(key, &ip[8], read_be16(&ip[40]), read_be16(&ip[42]), key_tail(0, plain.protocol));
	return true;
}

enum packet_verdict
packet_decode(const struct decode_conf *conf, struct packet *p)
{
	return packet_decode_fast(conf, p) ? PACKET_OK : packet_decode_general(conf, p);
}

/* Those for which decode_fastest() is not enough. */
static __attribute__((noinline)) void
decode_others(const struct decode_conf *conf, const struct hash_secret *secret, struct packet *packet, uint64_t others)
{
	for (; others != 0; others &= others - 1) {
		struct packet *p = &packet[__builtin_ctzll(others)];

		if (decode_fast_rest(conf, p) || packet_decode_general(conf, p) == PACKET_OK)
			p->hash = flow_key_mix(&p->key, secret);
	}
}

_Static_assert(BURST_MAX <= 64, "a bit for each packet");

/* Others wait, so that the loop has its constants in registers, which no call takes from it. */
void
decode_part(const struct decode_conf *conf, const struct hash_secret *secret, struct burst *b, unsigned first,
	    unsigned end)
{
	uint64_t others = 0;

	if (first == 0)
		for (unsigned i = 0; i < b->n && i < PREFETCH_PACKETS; i++)
			rte_prefetch0(b->packet[i].data);
	for (unsigned i = first; i < end; i++) {
		struct packet *p = &b->packet[i];

		if (i + PREFETCH_PACKETS < b->n)
			rte_prefetch0(p[PREFETCH_PACKETS].data);
		if (likely(decode_fastest(conf, p)))
			p->hash = flow_key_mix(&p->key, secret);
		else
			others |= UINT64_C(1) << i;
	}
	decode_others(conf, secret, b->packet, others);
}

void
packet_count_verdict(struct counters *counters, const struct packet *p)
{
	switch ((enum packet_verdict)p->verdict) {
	case PACKET_OK:
	case PACKET_FRAGMENT: /* fragments_push() says what became of it */
	case PACKET_ELSEWHERE:
		break;
	case PACKET_CORRUPT:
		COUNTER_ADD(counters, packet_corrupt, 1);
		break;
	case PACKET_UNKNOWN_ETHER:
		COUNTER_ADD(counters, packet_unknown_ether, 1);
		break;
	case PACKET_UNKNOWN_IP:
		COUNTER_ADD(counters, packet_unknown_ip, 1);
		break;
	case PACKET_FILTERED:
		COUNTER_ADD(counters, packet_filtered, 1);
		break;
	case PACKET_DUPLICATE:
		COUNTER_ADD(counters, packet_duplicate, 1);
		break;
	}
}
