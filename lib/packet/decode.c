/* Decode: link type, dispatch by ethertype and IP protocol, bursts.
 *
 * A packet is decoded by calls from the outer header to the inner one; each gets a cursor and returns the verdict of
 * the whole packet. Handlers that carry other packets call back into the dispatch functions here, so depth is bounded
 * by PACKET_DISPATCH_MAX and not by what a sender wrote.
 *
 * Nearly all packets are Ethernet II, IPv4 without options, then TCP or UDP. packet_decode_fast() reads these after one
 * check of 54 bytes. It decides nothing by itself: whatever is not exactly in order (a fragment, a bad length, a UDP
 * port with a handler) goes to the general path, and a test holds both against each other over all reference captures.
 */

#include "decode_priv.h"
#include "flow_key_priv.h"

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

COUNTER(packet_corrupt, "packet.corrupt", "packets whose headers or lengths contradict each other", LEDGER_PACKETS,
	LEDGER_OUT);
COUNTER(packet_unknown_ether, "packet.unknown_ether", "packets of a link type, ethertype or LLC protocol not decoded",
	LEDGER_PACKETS, LEDGER_OUT);
COUNTER(packet_unknown_ip, "packet.unknown_ip", "packets of an IP protocol not decoded, IPv6 fragments among them",
	LEDGER_PACKETS, LEDGER_OUT);
COUNTER_LOSS(packet_fragment, "packet.fragment", "IPv4 fragments: not reassembled", LEDGER_PACKETS);
COUNTER(packet_filtered, "packet.filtered", "packets that a filter drops", LEDGER_PACKETS, LEDGER_OUT);

/* Distance at which frames are fetched ahead: about the time one takes, times the latency of the next cache. */
enum { PREFETCH_PACKETS = 6 };

enum { RUNT_BYTES = 4 };

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "packet_decode_fast() composes the key's words");
_Static_assert(offsetof(struct flow_key, port) == 32 && offsetof(struct flow_key, protocol) == 39, "see key_tail()");

static void
packet_reset(struct packet *p)
{
	memset(&p->verdict, 0, offsetof(struct packet, session) - offsetof(struct packet, verdict));
	p->ethernet_offset = PACKET_NO_OFFSET;
}

void
packet_set_transport(struct packet *p, const struct cursor *c)
{
	p->transport_offset = p->payload_offset = packet_offset(p, c);
	p->transport_bytes = p->payload_bytes = (uint32_t)cursor_left(c);
}

enum packet_verdict
packet_decode_ethertype(const struct decode_conf *conf, struct packet *p, uint16_t ethertype, struct cursor c)
{
	packet_handler handle;

	if (++p->dispatches > PACKET_DISPATCH_MAX)
		return PACKET_CORRUPT;
	if (ethertype == ETHERTYPE_IPV4)
		return packet_decode_ipv4(conf, p, c);
	if (ethertype == ETHERTYPE_IPV6)
		return packet_decode_ipv6(conf, p, c);

	packet_set_transport(p, &c);
	handle = conf->ethertype[conf->ethertype_slot[ethertype]];
	return handle != NULL ? handle(conf, p, c) : packet_unknown_ethertype(conf, p, ethertype);
}

enum packet_verdict
packet_decode_ip_protocol(const struct decode_conf *conf, struct packet *p, uint8_t protocol, struct cursor c)
{
	packet_handler handle;

	if (++p->dispatches > PACKET_DISPATCH_MAX)
		return PACKET_CORRUPT;
	packet_set_transport(p, &c);
	if (protocol == IP_PROTOCOL_TCP)
		return packet_decode_tcp(conf, p);
	if (protocol == IP_PROTOCOL_UDP)
		return packet_decode_udp(conf, p, c);

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
	packet_handler decode = link_decoder(p->link_type);
	enum packet_verdict verdict;

	packet_reset(p);
	p->is_ethernet = p->link_type == LINK_ETHERNET || p->link_type == LINK_ETHERNET_MPACKET;
	if (p->captured_bytes <= RUNT_BYTES)
		return p->verdict = PACKET_CORRUPT;
	if (decode == NULL)
		return p->verdict = PACKET_UNKNOWN_ETHER;

	verdict = decode(conf, p, cursor_make(p->data, p->captured_bytes));
	if (verdict == PACKET_CORRUPT && conf->save.corrupt && packet_key_corrupt(p))
		verdict = PACKET_OK;
	return p->verdict = (uint8_t)verdict;
}

/* The last 8 bytes of a key: ports, tracking, protocol. */
static inline uint64_t
key_tail(uint16_t first_port, uint16_t second_port, uint32_t tracking, uint8_t protocol)
{
	return (uint64_t)protocol << 56 | (uint64_t)(tracking & 0xff) << 48 | (uint64_t)(tracking >> 8 & 0xff) << 40 |
	       (uint64_t)(tracking >> 16 & 0xff) << 32 | (uint64_t)second_port << 16 | first_port;
}

/* 'address' in host order. Stored as words: the hash loads them as such. */
static inline void
key_set_ipv4(uint8_t out[16], uint32_t address)
{
	uint64_t word[2] = {0, (uint64_t)__builtin_bswap32(address) << 32 | 0xffff0000};

	memcpy(out, word, sizeof(word));
}

static inline void
key_fast(const struct decode_conf *conf, struct packet *p, const uint8_t *frame, uint8_t protocol)
{
	uint32_t source = read_be32(&frame[26]), destination = read_be32(&frame[30]);
	uint16_t source_port = read_be16(&frame[34]), destination_port = read_be16(&frame[36]);
	bool reversed = ((uint64_t)source << 16 | source_port) > ((uint64_t)destination << 16 | destination_port);
	uint64_t tail = key_tail(reversed ? destination_port : source_port, reversed ? source_port : destination_port,
				 packet_tracking_id(conf, p), protocol);

	key_set_ipv4(p->key.address[0], reversed ? destination : source);
	key_set_ipv4(p->key.address[1], reversed ? source : destination);
	memcpy(p->key.port, &tail, sizeof(tail));
	p->protocol = protocol;
	p->reversed = reversed;
}

/* False: not such a packet, or not a good one. The offsets are those of a frame without VLAN tags and IP options: the
 * IP header is at 14, the transport header at 34. */
bool
packet_decode_fast(const struct decode_conf *conf, struct packet *p)
{
	enum { IP = ETHERNET_HEADER_BYTES, TRANSPORT = IP + IPV4_HEADER_BYTES };
	struct cursor c = cursor_make(p->data, p->captured_bytes);
	const uint8_t *frame = cursor_take(&c, TRANSPORT + TCP_HEADER_BYTES);
	uint32_t total_bytes, transport_bytes, header_bytes, payload_bytes;

	if (unlikely(frame == NULL || p->link_type != LINK_ETHERNET || !conf->fast))
		return false;
	/* Ethertype, version and header length at once; then flags and fragment offset. */
	if (unlikely((read_be32(&frame[12]) & 0xffffff00) != 0x08004500 || (read_be16(&frame[20]) & 0x3fff) != 0))
		return false;
	total_bytes = read_be16(&frame[16]);
	if (unlikely(total_bytes < IPV4_HEADER_BYTES || total_bytes > p->captured_bytes - IP))
		return false;
	transport_bytes = total_bytes - IPV4_HEADER_BYTES;

	packet_reset(p);
	if (likely(frame[23] == IP_PROTOCOL_TCP)) {
		header_bytes = (uint32_t)(frame[46] >> 4) * 4;
		if (unlikely(header_bytes < TCP_HEADER_BYTES || header_bytes > p->captured_bytes - TRANSPORT))
			return false;
		payload_bytes = transport_bytes > header_bytes ? transport_bytes - header_bytes : 0;
		key_fast(conf, p, frame, conf->tcp);
	} else if (frame[23] == IP_PROTOCOL_UDP) {
		uint32_t length = read_be16(&frame[38]);

		if (unlikely(length < UDP_HEADER_BYTES || length > transport_bytes ||
			     bit_test(conf->udp_port_bits, read_be16(&frame[36]))))
			return false;
		header_bytes = UDP_HEADER_BYTES;
		payload_bytes = length - UDP_HEADER_BYTES;
		p->data_bytes = payload_bytes;
		key_fast(conf, p, frame, conf->udp);
	} else {
		return false;
	}
	p->ip_version = 4;
	p->ip_protocol = frame[23];
	p->traffic_class = frame[15];
	p->hop_limit = frame[22];
	p->dispatches = 2;
	p->is_ethernet = true;
	p->ethernet_offset = 0;
	p->ip_offset = IP;
	p->transport_offset = TRANSPORT;
	p->transport_bytes = transport_bytes;
	p->payload_offset = TRANSPORT + header_bytes;
	p->payload_bytes = payload_bytes;
	return true;
}

enum packet_verdict
packet_decode(const struct decode_conf *conf, struct packet *p)
{
	if (likely(packet_decode_fast(conf, p)))
		return PACKET_OK;
	return packet_decode_general(conf, p);
}

void
decode_burst(const struct decode_conf *conf, const struct hash_secret *secret, struct burst *b)
{
	unsigned n = b->n;

	for (unsigned i = 0; i < n && i < PREFETCH_PACKETS; i++)
		rte_prefetch0(b->packet[i].data);
	for (unsigned i = 0; i < n; i++) {
		if (i + PREFETCH_PACKETS < n)
			rte_prefetch0(b->packet[i + PREFETCH_PACKETS].data);
		packet_decode(conf, &b->packet[i]);
	}
	/* A pass of its own: the key was stored in pieces that are smaller than the hash's loads, which would wait. */
	for (unsigned i = 0; i < n; i++)
		if (likely(b->packet[i].verdict == PACKET_OK))
			b->packet[i].hash = flow_key_mix(&b->packet[i].key, secret);
}

void
packet_count_verdict(struct counters *counters, const struct packet *p)
{
	switch ((enum packet_verdict)p->verdict) {
	case PACKET_OK:
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
	case PACKET_FRAGMENT:
		COUNTER_ADD(counters, packet_fragment, 1);
		break;
	case PACKET_FILTERED:
		COUNTER_ADD(counters, packet_filtered, 1);
		break;
	}
}
