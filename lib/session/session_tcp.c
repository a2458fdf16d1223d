/* TCP, as far as the headers of one packet after the other tell: flag counters, initRTT, sequence numbers, validation,
 * port reuse, and when a connection is over (PARSERS 1.1, RECORD 1.9).
 *
 * The order of the steps, and the early returns between them, are the reference's: they decide what is counted. Each
 * direction has an expected sequence number, set once from its SYN or from the SYN-ACK of the other side, and a state:
 * none, FIN seen, FIN acknowledged. Payload counts when it continues what was seen; bytes seen before are trimmed. What
 * lies behind a hole waits for lib/tcp: it is neither counted nor does it move the expected number. */
#include "session_priv.h"

#include <rte_branch_prediction.h>

enum {
	FIN = 0x01,
	SYN = 0x02,
	RST = 0x04,
	PSH = 0x08,
	ACK = 0x10,
	URG = 0x20,
	ECE = 0x40,
	CWR = 0x80,
	TCP_HEADER_BYTES = 20,
	TCP_FLAGS_OFFSET = 13,
	ISN_COUNT_MAX = 255,
};

struct segment {
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags;
	bool accurate_ecn; /* low bit of the reserved ones */
	bool is_short;	   /* the header ends beyond the IP packet: it lies in padding */
	struct cursor payload;
};

static bool
segment_read(const struct packet *p, struct segment *seg)
{
	struct cursor c = cursor_make(p->data, p->captured_bytes);
	uint8_t offset;

	cursor_skip(&c, p->transport_offset + 4);
	seg->seq = cursor_be32(&c);
	seg->ack = cursor_be32(&c);
	offset = cursor_u8(&c);
	seg->flags = cursor_u8(&c);
	seg->window = cursor_be16(&c);
	if (c.bad)
		return false;
	seg->accurate_ecn = (offset & 1) != 0;
	seg->is_short = p->transport_bytes < (uint32_t)(offset >> 4) * 4;
	seg->payload = cursor_make(p->data, p->captured_bytes);
	cursor_skip(&seg->payload, p->payload_offset);
	cursor_limit(&seg->payload, p->payload_bytes);
	return true;
}

static uint8_t
flags_of(const struct packet *p)
{
	struct cursor c = cursor_make(p->data, p->captured_bytes);

	return cursor_peek(&c, (size_t)p->transport_offset + TCP_FLAGS_OFFSET);
}

bool
session_tcp_is_syn_ack(const struct packet *p)
{
	return (flags_of(p) & (SYN | ACK)) == (SYN | ACK);
}

static uint32_t
client_isn(const struct session_table *t, const struct session *s)
{
	const struct session_start *start = session_start_of(t, s);

	return start->tcp.isn[(s->flags & TCP_SYN_FROM_1) != 0];
}

static uint16_t
low_count(const struct session_table *t, const struct session *s, unsigned which)
{
	const struct attachment *att = session_attachment(t, s);

	return (uint16_t)(s->tcp_low[which] | (att != NULL ? att->high[which] << 8 : 0));
}

bool
session_tcp_reuses_ports(const struct session_table *t, const struct session *s, const struct packet *p)
{
	struct segment seg;

	if (likely((flags_of(p) & (SYN | ACK)) != SYN))
		return false;
	if (!segment_read(p, &seg) || seg.seq == client_isn(t, s))
		return false;
	return low_count(t, s, TCP_LOW_FIN) != 0 || low_count(t, s, TCP_LOW_RST) != 0;
}

static void
count_low(struct session_table *t, struct session *s, unsigned which)
{
	if (unlikely(++s->tcp_low[which] == 0))
		session_attach(t, s)->high[which]++;
}

static void
count_wide(struct session_table *t, struct session *s, const struct segment *seg, unsigned direction)
{
	static const struct {
		uint8_t flag, which;
	} wide[] = {{URG, TCP_WIDE_URG}, {ECE, TCP_WIDE_ECE}, {CWR, TCP_WIDE_CWR}};
	struct attachment *att;

	if (likely((seg->flags & (URG | ECE | CWR)) == 0 && !seg->accurate_ecn && seg->window != 0))
		return;
	if (seg->window == 0 && (seg->flags & RST) == 0)
		session_attach(t, s)->wide[TCP_WIDE_SRC_ZERO + direction]++;
	if (seg->is_short || ((seg->flags & (URG | ECE | CWR)) == 0 && !seg->accurate_ecn))
		return;
	att = session_attach(t, s);
	for (unsigned i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
		if ((seg->flags & wide[i].flag) != 0)
			att->wide[wide[i].which]++;
	if (seg->accurate_ecn)
		att->wide[TCP_WIDE_AE]++;
}

/* Milliseconds from the first packet, plus 1; seconds and microseconds are subtracted and cut apart, as the reference
 * does it. */
static uint32_t
handshake_ms(uint64_t first_ns, uint64_t now_ns)
{
	int64_t seconds = (int64_t)(now_ns / NS_PER_S) - (int64_t)(first_ns / NS_PER_S);
	int64_t us = (int64_t)(now_ns % NS_PER_S / NS_PER_US) - (int64_t)(first_ns % NS_PER_S / NS_PER_US);

	return (uint32_t)(seconds * 1000 + us / 1000 + 1);
}

static void
syn(struct session_table *t, struct session *s, const struct packet *p, const struct segment *seg)
{
	struct session_start *start = session_start_of(t, s);
	unsigned d = p->direction;
	bool acknowledged = (s->flags & TCP_SYN_ACK_FIRST) != 0 && seg->seq == start->tcp.isn[d];

	count_low(t, s, TCP_LOW_SYN);
	if (start->tcp.syn_ms == 0) {
		start->tcp.syn_ms = handshake_ms(start->first_ns, p->time_ns);
		start->tcp.ack_ms = 0;
		s->flags &= ~(uint32_t)TCP_ACK_TIMED;
		s->isn_count = 1;
		s->flags = (s->flags & ~(uint32_t)TCP_SYN_FROM_1) | (d == 1 ? TCP_SYN_FROM_1 : 0);
		start->tcp.isn[d] = seg->seq;
	} else if (seg->seq != client_isn(t, s) && s->isn_count < ISN_COUNT_MAX) {
		s->isn_count++;
	}
	if ((s->flags & TCP_SYN_SEEN_0 << d) == 0) {
		s->flags |= (uint32_t)TCP_SYN_SEEN_0 << d;
		start->tcp.isn[d] = seg->seq;
		/* The other side's SYN-ACK came first and has acknowledged this very number. */
		if ((s->flags & TCP_SYN_ACK_SEEN_0 << !d) != 0 && acknowledged)
			s->flags |= TCP_SYN_VALIDATED;
	}
	if (s->tcp_next[d] == 0)
		s->tcp_next[d] = seg->seq + 1;
	s->flags |= TCP_STARTED;
}

static void
syn_ack(struct session_table *t, struct session *s, const struct packet *p, const struct segment *seg)
{
	struct session_start *start = session_start_of(t, s);
	unsigned d = p->direction;

	count_low(t, s, TCP_LOW_SYN_ACK);
	if ((s->flags & TCP_STARTED) == 0) {
		s->flags |= TCP_SYN_ACK_FIRST | (d == 0 ? TCP_SYN_FROM_1 : 0);
		/* What the client must have begun with, when its SYN comes late. */
		start->tcp.isn[!d] = seg->ack - 1;
	}
	if ((s->flags & TCP_SYN_ACK_SEEN_0 << d) == 0) {
		s->flags |= (uint32_t)TCP_SYN_ACK_SEEN_0 << d;
		if ((s->flags & TCP_SYN_SEEN_0 << d) == 0)
			start->tcp.isn[d] = seg->seq;
		if ((s->flags & TCP_SYN_SEEN_0 << !d) != 0 && seg->ack == start->tcp.isn[!d] + 1)
			s->flags |= TCP_SYN_VALIDATED;
	}
	if (s->tcp_next[d] == 0)
		s->tcp_next[d] = seg->seq + 1;
	if (s->tcp_next[!d] == 0 && (s->flags & TCP_STARTED) == 0)
		s->tcp_next[!d] = seg->ack;
	s->flags |= TCP_STARTED;
}

/* True: the packet goes no further. Only a reset at exactly the expected number closes. */
static bool
reset(struct session_table *t, struct session *s, unsigned d, const struct segment *seg)
{
	uint32_t expected = s->tcp_next[d];

	count_low(t, s, TCP_LOW_RST);
	if (seg->seq == expected) {
		session_mark_closing(t, s);
		return true;
	}
	/* Without an expected number every reset is ahead. */
	if (expected == 0 || (int32_t)(seg->seq - expected) > 0)
		return true;
	s->flags = (s->flags & ~((uint32_t)TCP_FIN_0 << d)) | (uint32_t)TCP_FIN_ACKED_0 << d;
	return false;
}

static bool
is_between(uint32_t low, uint32_t value, uint32_t high)
{
	return value - low <= high - low;
}

/* The third packet of the handshake, or what stands for it. */
static void
validate(const struct session_table *t, struct session *s, unsigned d, const struct segment *seg)
{
	const struct session_start *start;

	if (likely((s->flags & TCP_SYN_ACK_VALIDATED) != 0) || (seg->flags & (ACK | RST)) != ACK ||
	    (s->flags & TCP_SYN_ACK_SEEN_0 << !d) == 0)
		return;
	start = session_start_of(t, s);
	if (!is_between(start->tcp.isn[!d] + 1, seg->ack, s->tcp_next[!d]))
		return;
	if ((s->flags & TCP_SYN_SEEN_0 << d) != 0 && !is_between(start->tcp.isn[d] + 1, seg->seq, s->tcp_next[d]))
		return;
	s->flags |= TCP_SYN_ACK_VALIDATED;
}

static void
pure_ack(struct session_table *t, struct session *s, const struct packet *p)
{
	s->tcp_ack++;
	if (likely((s->flags & TCP_ACK_TIMED) != 0))
		return;
	s->flags |= TCP_ACK_TIMED;
	session_start_of(t, s)->tcp.ack_ms = handshake_ms(session_start_of(t, s)->first_ns, p->time_ns);
}

/* True: both sides are done, and the payload is ignored. */
static bool
acknowledge_fin(struct session_table *t, struct session *s, unsigned d, const struct segment *seg)
{
	if (likely((s->flags & TCP_FIN_0 << !d) == 0) || (seg->flags & (ACK | RST)) == 0)
		return false;
	s->flags = (s->flags & ~((uint32_t)TCP_FIN_0 << !d)) | (uint32_t)TCP_FIN_ACKED_0 << !d;
	if ((s->flags & TCP_FIN_ACKED_0 << d) == 0)
		return false;
	session_mark_closing(t, s);
	return true;
}

/* The comparison with the expected number is the reference's: plain, not modulo 2^32. Without a SYN nothing is
 * expected, that is 0, and only a stream that begins there is taken. */
static void
payload(struct session_table *t, struct session *s, unsigned d, const struct segment *seg)
{
	struct cursor c = seg->payload;
	uint32_t seen = s->tcp_next[d] - seg->seq;

	if (cursor_left(&c) == 0 || (seg->flags & RST) != 0)
		return;
	if (s->tcp_next[d] < seg->seq || seen >= cursor_left(&c))
		return;
	cursor_skip(&c, seen);
	s->tcp_next[d] += (uint32_t)cursor_left(&c);
	session_payload(t, s, d, c);
}

void
session_tcp(struct session_table *t, struct session *s, const struct packet *p)
{
	unsigned d = p->direction;
	struct segment seg;

	if (unlikely(!segment_read(p, &seg)))
		return;
	count_wide(t, s, &seg, d);
	if (unlikely(seg.is_short))
		return;
	if (unlikely((s->flags & TCP_TIMED) == 0)) {
		s->flags |= TCP_TIMED;
		session_timer_stop(t, s);
		session_timer_start(t, s);
	}
	if (unlikely((seg.flags & SYN) != 0)) {
		if ((seg.flags & ACK) != 0)
			syn_ack(t, s, p, &seg);
		else
			syn(t, s, p, &seg);
		return;
	}
	if (unlikely((seg.flags & RST) != 0) && reset(t, s, d, &seg))
		return;
	if (unlikely((seg.flags & FIN) != 0)) {
		count_low(t, s, TCP_LOW_FIN);
		s->flags = (s->flags & ~((uint32_t)TCP_FIN_ACKED_0 << d)) | (uint32_t)TCP_FIN_0 << d;
	}
	if ((seg.flags & (FIN | RST | PSH | SYN | ACK)) == ACK)
		pure_ack(t, s, p);
	if ((seg.flags & PSH) != 0)
		s->tcp_psh++;
	validate(t, s, d, &seg);
	if ((s->flags & TCP_STARTED) != 0 && s->tcp_next[d] == 0 && low_count(t, s, TCP_LOW_SYN_ACK) == 0) {
		session_add_tag(t, s, "no-syn-ack");
		s->tcp_next[d] = seg.seq;
	}
	if (acknowledge_fin(t, s, d, &seg))
		return;
	payload(t, s, d, &seg);
}

void
session_tcp_summary(const struct session_table *t, const struct session *s, struct record_summary *out)
{
	const struct session_start *start = session_start_of(t, s);
	const struct attachment *att = session_attachment(t, s);
	uint16_t syn_acks = low_count(t, s, TCP_LOW_SYN_ACK);

	out->tcp_count[TCP_COUNT_SYN] = low_count(t, s, TCP_LOW_SYN);
	out->tcp_count[TCP_COUNT_SYN_ACK] = syn_acks;
	out->tcp_count[TCP_COUNT_ACK] = s->tcp_ack;
	out->tcp_count[TCP_COUNT_PSH] = s->tcp_psh;
	out->tcp_count[TCP_COUNT_FIN] = low_count(t, s, TCP_LOW_FIN);
	out->tcp_count[TCP_COUNT_RST] = low_count(t, s, TCP_LOW_RST);
	for (unsigned i = 0; att != NULL && i < TCP_WIDE_COUNTS; i++)
		out->tcp_count[TCP_COUNT_URG + i] = att->wide[i];

	out->has_init_rtt = start->tcp.syn_ms != 0 && start->tcp.ack_ms != 0;
	if (out->has_init_rtt)
		out->init_rtt_ms = (uint32_t)((int32_t)(start->tcp.ack_ms - start->tcp.syn_ms) / 2);
	out->has_seq_source = start->tcp.syn_ms != 0;
	out->has_seq_destination = syn_acks > 0;
	out->has_tcp_seq = out->has_seq_source || out->has_seq_destination;
	out->seq[0] = client_isn(t, s);
	out->seq[1] = (s->flags & TCP_SYN_ACK_FIRST) != 0 ? start->tcp.isn[1] : 0;
	out->syn_validated = (s->flags & TCP_SYN_VALIDATED) != 0;
	out->syn_ack_validated = (s->flags & TCP_SYN_ACK_VALIDATED) != 0;
	out->source_isn_count = s->isn_count;
}

void
session_tcp_mid_save(struct session_table *t, struct session *s)
{
	struct session_start *start = session_start_of(t, s);
	struct attachment *att = session_attached(t, s);

	start->tcp.syn_ms = start->tcp.ack_ms = 0;
	s->flags &= ~(uint32_t)TCP_INTERVAL_FLAGS;
	s->isn_count = 0;
	s->tcp_ack = s->tcp_psh = 0;
	for (unsigned i = 0; i < TCP_LOW_COUNTS; i++)
		s->tcp_low[i] = att->high[i] = 0;
	for (unsigned i = 0; i < TCP_WIDE_COUNTS; i++)
		att->wide[i] = 0;
}
