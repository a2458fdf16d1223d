/* TCP: flag counters, initRTT, sequence numbers, validation, port reuse, when a connection is over, and its payload
 * (PARSERS 1.1, RECORD 1.9).
 *
 * The order of the steps, and the early returns between them, are the reference's: they decide what is counted. Each
 * direction has an expected sequence number, set once from its SYN or from the SYN-ACK of the other side (with
 * tcpMidstream also from its first payload), and a state: none, FIN seen, FIN acknowledged. Payload that continues what
 * was seen is the usual case and is handed on from here; anything else is lib/tcp's. It counts as data when it is
 * delivered. */
#include "session_priv.h"

#include <rte_branch_prediction.h>

COUNTER(zero_windows, "tcp.zero_window", "TCP packets that close the sender's window", LEDGER_NONE, LEDGER_IN);
COUNTER(probes, "tcp.keep_alive_empty", "TCP keep-alives without a byte", LEDGER_NONE, LEDGER_IN);
COUNTER(given_up, "tcp.given_up", "TCP sessions in which too much waited behind a hole (without tcpGapSkip)",
	LEDGER_NONE, LEDGER_IN);
COUNTER(midstream, "tcp.midstream", "TCP sessions picked up without a SYN (tcpMidstream)", LEDGER_NONE, LEDGER_IN);

enum {
	FIN = 0x01,
	SYN = TCP_FLAG_SYN,
	RST = 0x04,
	PSH = 0x08,
	ACK = TCP_FLAG_ACK,
	URG = 0x20,
	ECE = 0x40,
	CWR = 0x80,
	TCP_HEADER_BYTES = 20,
	ISN_COUNT_MAX = 255,
};

/* By value: two registers, and nothing on the stack. */
struct segment {
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags;
	bool accurate_ecn; /* low bit of the reserved ones */
	bool is_short;	   /* the header ends beyond the IP packet: it lies in padding */
};

/* Not a part of the segment: copied from one that was just made in pieces it would wait for them, 7 ns a packet. */
static inline struct cursor
payload_of(const struct packet *p)
{
	return cursor_make_part(p->data, p->captured_bytes, p->payload_offset, p->payload_bytes);
}

/* NULL: there is no whole one, which decode lets nobody see. */
static inline const uint8_t *
header_of(const struct packet *p)
{
	struct cursor c = cursor_make_part(p->data, p->captured_bytes, p->transport_offset, TCP_HEADER_BYTES);

	return cursor_take(&c, TCP_HEADER_BYTES);
}

static inline bool
segment_read(const struct packet *p, struct segment *seg)
{
	const uint8_t *header = header_of(p);

	if (unlikely(header == NULL))
		return false;
	seg->seq = read_be32(&header[4]);
	seg->ack = read_be32(&header[8]);
	seg->flags = p->tcp_flags;
	seg->window = read_be16(&header[14]);
	seg->accurate_ecn = (header[12] & 1) != 0;
	seg->is_short = p->transport_bytes < (uint32_t)(header[12] >> 4) * 4;
	return true;
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

/* Is there anything that count_wide() counts? */
static inline bool
is_wide(struct segment seg)
{
	return (seg.flags & (URG | ECE | CWR)) != 0 || seg.accurate_ecn || seg.window == 0;
}

static __rte_noinline void
count_wide(struct session_table *t, struct session *s, struct segment seg, unsigned direction)
{
	static const struct {
		uint8_t flag, which;
	} wide[] = {{URG, TCP_WIDE_URG}, {ECE, TCP_WIDE_ECE}, {CWR, TCP_WIDE_CWR}};
	struct attachment *att;

	if (seg.window == 0 && (seg.flags & RST) == 0) {
		session_attach(t, s)->wide[TCP_WIDE_SRC_ZERO + direction]++;
		COUNTER_ADD(t->counters, zero_windows, 1);
	}
	if (seg.is_short || ((seg.flags & (URG | ECE | CWR)) == 0 && !seg.accurate_ecn))
		return;
	att = session_attach(t, s);
	for (unsigned i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
		if ((seg.flags & wide[i].flag) != 0)
			att->wide[wide[i].which]++;
	if (seg.accurate_ecn)
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

static __rte_noinline void
syn(struct session_table *t, struct session *s, const struct packet *p, struct segment seg)
{
	struct session_start *start = session_start_of(t, s);
	unsigned d = p->direction;
	bool acknowledged = (s->flags & TCP_SYN_ACK_FIRST) != 0 && seg.seq == start->tcp.isn[d];

	count_low(t, s, TCP_LOW_SYN);
	if (start->tcp.syn_ms == 0) {
		start->tcp.syn_ms = handshake_ms(start->first_ns, p->time_ns);
		start->tcp.ack_ms = 0;
		s->flags &= ~(uint32_t)TCP_ACK_TIMED;
		s->isn_count = 1;
		s->flags = (s->flags & ~(uint32_t)TCP_SYN_FROM_1) | (d == 1 ? TCP_SYN_FROM_1 : 0);
		start->tcp.isn[d] = seg.seq;
	} else if (seg.seq != client_isn(t, s) && s->isn_count < ISN_COUNT_MAX) {
		s->isn_count++;
	}
	if ((s->flags & TCP_SYN_SEEN_0 << d) == 0) {
		s->flags |= (uint32_t)TCP_SYN_SEEN_0 << d;
		start->tcp.isn[d] = seg.seq;
		/* The other side's SYN-ACK came first and has acknowledged this very number. */
		if ((s->flags & TCP_SYN_ACK_SEEN_0 << !d) != 0 && acknowledged)
			s->flags |= TCP_SYN_VALIDATED;
	}
	/* What was picked up in the middle was another connection. */
	if (s->tcp_next[d] == 0 || (s->flags & TCP_SYNCHRONISED) == TCP_MIDSTREAM) {
		struct attachment *att = session_attachment(t, s);

		s->tcp_next[d] = seg.seq + 1;
		if (att != NULL)
			tcp_recent_forget(&att->recent, d);
	}
	s->flags |= TCP_STARTED;
}

static __rte_noinline void
syn_ack(struct session_table *t, struct session *s, const struct packet *p, struct segment seg)
{
	struct session_start *start = session_start_of(t, s);
	unsigned d = p->direction;

	count_low(t, s, TCP_LOW_SYN_ACK);
	if ((s->flags & TCP_STARTED) == 0) {
		s->flags |= TCP_SYN_ACK_FIRST | (d == 0 ? TCP_SYN_FROM_1 : 0);
		/* What the client must have begun with, when its SYN comes late. */
		start->tcp.isn[!d] = seg.ack - 1;
	}
	if ((s->flags & TCP_SYN_ACK_SEEN_0 << d) == 0) {
		s->flags |= (uint32_t)TCP_SYN_ACK_SEEN_0 << d;
		if ((s->flags & TCP_SYN_SEEN_0 << d) == 0)
			start->tcp.isn[d] = seg.seq;
		if ((s->flags & TCP_SYN_SEEN_0 << !d) != 0 && seg.ack == start->tcp.isn[!d] + 1)
			s->flags |= TCP_SYN_VALIDATED;
	}
	if (s->tcp_next[d] == 0)
		s->tcp_next[d] = seg.seq + 1;
	if (s->tcp_next[!d] == 0 && (s->flags & TCP_STARTED) == 0)
		s->tcp_next[!d] = seg.ack;
	s->flags |= TCP_STARTED;
}

/* True: the packet goes no further. Only a reset at exactly the expected number closes. */
static __rte_noinline bool
reset(struct session_table *t, struct session *s, unsigned d, struct segment seg)
{
	uint32_t expected = s->tcp_next[d];

	count_low(t, s, TCP_LOW_RST);
	if (seg.seq == expected) {
		session_mark_closing(t, s);
		return true;
	}
	/* Without an expected number every reset is ahead. */
	if (expected == 0 || (int32_t)(seg.seq - expected) > 0)
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
static __rte_noinline void
validate(const struct session_table *t, struct session *s, unsigned d, struct segment seg)
{
	const struct session_start *start;

	if ((seg.flags & (ACK | RST)) != ACK || (s->flags & TCP_SYN_ACK_SEEN_0 << !d) == 0)
		return;
	start = session_start_of(t, s);
	if (!is_between(start->tcp.isn[!d] + 1, seg.ack, s->tcp_next[!d]))
		return;
	if ((s->flags & TCP_SYN_SEEN_0 << d) != 0 && !is_between(start->tcp.isn[d] + 1, seg.seq, s->tcp_next[d]))
		return;
	s->flags |= TCP_SYN_ACK_VALIDATED;
}

/* The first packet that is nothing but an acknowledgement. */
static __rte_noinline void
time_ack(struct session_table *t, struct session *s, const struct packet *p)
{
	s->flags |= TCP_ACK_TIMED;
	session_start_of(t, s)->tcp.ack_ms = handshake_ms(session_start_of(t, s)->first_ns, p->time_ns);
}

/* Both directions were delivered up to their FINs, which the segment and its acknowledgement stand behind. */
static bool
is_complete(const struct session *s, unsigned d, struct segment seg)
{
	return (s->flags & TCP_HELD) == 0 && seg.seq - s->tcp_next[d] <= 1 && seg.ack - s->tcp_next[!d] <= 1;
}

/* The other side has sent its FIN. True: both sides are done, and the payload is ignored. */
static __rte_noinline bool
acknowledge_fin(struct session_table *t, struct session *s, unsigned d, struct segment seg)
{
	if ((seg.flags & (ACK | RST)) == 0)
		return false;
	s->flags = (s->flags & ~((uint32_t)TCP_FIN_0 << !d)) | (uint32_t)TCP_FIN_ACKED_0 << !d;
	if ((s->flags & TCP_FIN_ACKED_0 << d) == 0)
		return false;
	session_mark_closing(t, s);
	if (is_complete(s, d, seg))
		session_payload_over(t, s);
	return true;
}

static struct tcp_stream
stream_of(struct session_table *t, struct session *s, unsigned d)
{
	struct attachment *att = session_attach(t, s);

	/* The record shows the first bytes, wanted or not. */
	return (struct tcp_stream){.next = s->tcp_next,
				   .queue = &att->queue,
				   .recent = &att->recent,
				   .synchronised = (s->flags & TCP_SYNCHRONISED) != 0,
				   .keeps_bytes = (s->flags & SESSION_NO_PAYLOAD) == 0 ||
						  att->payload8_bytes[d] < PAYLOAD8_BYTES};
}

static void
tag_once(struct session_table *t, struct session *s, uint8_t which, const char *tag)
{
	struct attachment *att = session_attach(t, s);

	if ((att->tcp_tags & which) != 0)
		return;
	att->tcp_tags |= which;
	session_add_tag(t, s, tag);
}

static void
to_session_chunk(const struct session *s, const struct tcp_chunk *from, struct session_chunk *out)
{
	*out = (struct session_chunk){.bytes = from->bytes,
				      .time_ns = from->time_ns,
				      .missing = from->missing,
				      .direction = from->direction,
				      .type = SESSION_TCP,
				      .protocol = s->key.protocol};
}

bool
session_tcp_pull(struct session_table *t, struct session *s, struct session_chunk *out)
{
	struct tcp_stream stream = stream_of(t, s, 0);
	struct tcp_chunk chunk;

	while (tcp_pull(t->tcp, &stream, &chunk)) {
		session_payload(t, s, chunk.direction, chunk.bytes, chunk.length);
		if (chunk.missing > 0)
			tcp_recent_forget(&session_attached(t, s)->recent, chunk.direction);
		tcp_recent_add(&session_attached(t, s)->recent, chunk.direction, chunk.bytes);
		if ((s->flags & SESSION_NO_PAYLOAD) != 0)
			continue;
		to_session_chunk(s, &chunk, out);
		return true;
	}
	s->flags = stream.queue->n > 0 ? s->flags | TCP_HELD : s->flags & ~(uint32_t)TCP_HELD;
	return false;
}

/* Nothing more comes. What is behind holes is still worth something (tcpGapSkip). Else the reference looks at the only
 * segment of a session when there was one PSH, and does not count it. */
bool
session_tcp_pull_last(struct session_table *t, struct session *s, struct session_chunk *out)
{
	struct tcp_stream stream = stream_of(t, s, 0);
	struct tcp_chunk chunk;

	if (t->conf->tcp.gap_skip && stream.synchronised) {
		while (stream.queue->n > 0) {
			tcp_skip_gap(t->tcp, &stream);
			if (session_tcp_pull(t, s, out))
				return true;
		}
		return false;
	}
	if (s->tcp_psh != 1 || (s->flags & SESSION_NO_PAYLOAD) != 0 || !tcp_pull_single(t->tcp, &stream, &chunk))
		return false;
	to_session_chunk(s, &chunk, out);
	return true;
}

void
session_tcp_end(struct session_table *t, struct session *s)
{
	if (likely((s->flags & TCP_HELD) == 0))
		return;
	if (session_type_of(t, s) == SESSION_TCP)
		tcp_clear(t->tcp, &session_attached(t, s)->queue);
	else
		held_clear(tcp_hold_memory(t->tcp), &session_attached(t, s)->queue);
	s->flags &= ~(uint32_t)TCP_HELD;
}

static void
give_up(struct session_table *t, struct session *s)
{
	session_tcp_end(t, s);
	COUNTER_ADD(t->counters, given_up, 1);
	session_add_tag(t, s, "incomplete-tcp");
	s->flags |= TCP_STOPPED | SESSION_NO_PAYLOAD;
}

/* Segments wait, and another packet comes. False: they waited in vain, and so does this one. */
static __rte_noinline bool
check_waiting(struct session_table *t, struct session *s, const struct packet *p, struct segment seg)
{
	struct tcp_stream stream = stream_of(t, s, p->direction);
	struct tcp_segment ack = {.ack = seg.ack, .direction = p->direction, .time_ns = p->time_ns};
	bool skips = t->conf->tcp.gap_skip && stream.synchronised;

	if (unlikely(tcp_is_full(t->tcp, stream.queue))) {
		if (!skips) {
			give_up(t, s);
			return false;
		}
		tcp_skip_gap(t->tcp, &stream);
	} else if (skips && (seg.flags & ACK) != 0 && tcp_gap_is_lost(t->tcp, &stream, &ack)) {
		tcp_skip_gap(t->tcp, &stream);
	}
	return true;
}

/* What the sender acknowledges was never delivered from the other side. One byte may be the FIN. */
static __rte_noinline void
check_acknowledged(struct session_table *t, struct session *s, struct segment seg, unsigned d)
{
	if ((seg.flags & ACK) == 0 || s->tcp_next[!d] == 0 || (s->flags & TCP_STARTED) == 0)
		return;
	tag_once(t, s, (uint8_t)(TCP_TAG_ACKED_UNSEEN_0 << d),
		 d == 0 ? "acked-unseen-segment-src" : "acked-unseen-segment-dst");
}

static __rte_noinline bool
push(struct session_table *t, struct session *s, const struct packet *p, struct segment seg)
{
	unsigned d = p->direction;
	struct tcp_stream stream = stream_of(t, s, d);
	struct tcp_segment segment = {.seq = seg.seq,
				      .ack = seg.ack,
				      .direction = (uint8_t)d,
				      .payload = payload_of(p),
				      .time_ns = p->time_ns};
	unsigned result;
	struct session_chunk unwanted;

	if ((seg.flags & RST) != 0)
		cursor_limit(&segment.payload, 0);
	result = tcp_push(t->tcp, &stream, &segment);
	if ((result & TCP_OUT_OF_ORDER) != 0 && (s->flags & TCP_STARTED) != 0)
		tag_once(t, s, (uint8_t)(TCP_TAG_OUT_OF_ORDER_0 << d),
			 d == 0 ? "out-of-order-src" : "out-of-order-dst");
	if ((result & TCP_OVERLAP_DIFFERS) != 0)
		tag_once(t, s, TCP_TAG_OVERLAP, "tcp-overlap");
	if ((result & TCP_PULL) == 0)
		return false;
	if ((s->flags & SESSION_NO_PAYLOAD) == 0) {
		t->ready = READY_TCP;
		return true;
	}
	return session_tcp_pull(t, s, &unwanted);
}

/* The next bytes of the packet's direction. */
static __rte_noinline bool
hand_on(struct session_table *t, struct session *s, const struct packet *p, struct cursor bytes)
{
	session_payload(t, s, p->direction, bytes, (uint32_t)cursor_left(&bytes));
	tcp_recent_add(&session_attached(t, s)->recent, p->direction, bytes);
	return session_ready(t, s, p, bytes);
}

static bool
payload(struct session_table *t, struct session *s, const struct packet *p, struct segment seg)
{
	struct tcp_segment segment = {.seq = seg.seq, .payload = payload_of(p), .direction = p->direction};
	uint32_t size = (uint32_t)cursor_left(&segment.payload);

	if (unlikely((s->flags & TCP_HELD) != 0))
		return push(t, s, p, seg);
	if (size == 0 || (seg.flags & RST) != 0) {
		if (unlikely(seg.seq + 1 == s->tcp_next[p->direction]) && (seg.flags & (FIN | RST)) == 0 &&
		    (s->flags & TCP_SYNCHRONISED) != 0)
			COUNTER_ADD(t->counters, probes, 1);
		return false;
	}
	if (unlikely(!tcp_in_order(s->tcp_next, true, &segment)))
		return push(t, s, p, seg);
	return hand_on(t, s, p, segment.payload);
}

/* Where a direction begins of which nothing is known yet. */
static __rte_noinline void
first_number(struct session_table *t, struct session *s, const struct packet *p, struct segment seg)
{
	unsigned d = p->direction;
	struct cursor bytes = payload_of(p);

	if ((s->flags & TCP_STARTED) != 0) {
		if (low_count(t, s, TCP_LOW_SYN_ACK) != 0)
			return;
		session_add_tag(t, s, "no-syn-ack");
		s->tcp_next[d] = seg.seq;
	} else if (t->conf->tcp.midstream && cursor_left(&bytes) > 0 && (seg.flags & RST) == 0) {
		if ((s->flags & TCP_MIDSTREAM) == 0)
			COUNTER_ADD(t->counters, midstream, 1);
		s->flags |= TCP_MIDSTREAM;
		s->tcp_next[d] = seg.seq;
	}
}

/* Anything at all, in the reference's order. */
static __rte_noinline bool
any_segment(struct session_table *t, struct session *s, const struct packet *p)
{
	unsigned d = p->direction;
	struct segment seg;

	if (unlikely(!segment_read(p, &seg)))
		return false;
	if (unlikely(is_wide(seg)))
		count_wide(t, s, seg, d);
	if (unlikely(seg.is_short))
		return false;
	if (unlikely((s->flags & TCP_TIMED) == 0)) {
		s->flags |= TCP_TIMED;
		session_timer_stop(t, s);
		session_timer_start(t, s);
	}
	if (unlikely((seg.flags & SYN) != 0)) {
		if ((seg.flags & ACK) != 0)
			syn_ack(t, s, p, seg);
		else
			syn(t, s, p, seg);
		return false;
	}
	if (unlikely((seg.flags & RST) != 0) && reset(t, s, d, seg))
		return false;
	if (unlikely((seg.flags & FIN) != 0)) {
		count_low(t, s, TCP_LOW_FIN);
		s->flags = (s->flags & ~((uint32_t)TCP_FIN_ACKED_0 << d)) | (uint32_t)TCP_FIN_0 << d;
	}
	if ((seg.flags & (FIN | RST | PSH | SYN | ACK)) == ACK) {
		s->tcp_ack++;
		if (unlikely((s->flags & TCP_ACK_TIMED) == 0))
			time_ack(t, s, p);
	}
	if ((seg.flags & PSH) != 0)
		s->tcp_psh++;
	if (unlikely((s->flags & TCP_SYN_ACK_VALIDATED) == 0))
		validate(t, s, d, seg);
	if (unlikely((s->flags & TCP_STOPPED) != 0))
		return false;
	if (unlikely(s->tcp_next[d] == 0))
		first_number(t, s, p, seg);
	if (unlikely((s->flags & TCP_HELD) != 0) && !check_waiting(t, s, p, seg))
		return false;
	if (unlikely((s->flags & TCP_FIN_0 << !d) != 0) && acknowledge_fin(t, s, d, seg))
		return false;
	if (unlikely((int32_t)(seg.ack - s->tcp_next[!d]) > 1))
		check_acknowledged(t, s, seg, d);
	return payload(t, s, p, seg);
}

/* Header prediction, as receivers of TCP have it: the handshake is over, nobody has ended anything, nothing waits, and
 * the segment is what has to come next and acknowledges nothing unseen. Nothing that any_segment() looks at is there
 * but the payload. Not by way of a struct segment, which would be put together for any_segment() each time. */
static inline bool
is_predicted(const struct session *s, const struct packet *p, const uint8_t *header)
{
	const uint32_t set = TCP_TIMED | TCP_STARTED | TCP_ACK_TIMED | TCP_SYN_ACK_VALIDATED;
	const uint32_t clear = TCP_STOPPED | TCP_HELD | 3 * TCP_FIN_0 | 3 * TCP_FIN_ACKED_0;
	uint32_t seq = read_be32(&header[4]), ack = read_be32(&header[8]);

	if ((p->tcp_flags & ~PSH) != ACK || (s->flags & (set | clear)) != set)
		return false;
	if (seq != s->tcp_next[p->direction] || seq == 0 || (int32_t)(ack - s->tcp_next[!p->direction]) > 1)
		return false;
	return read_be16(&header[14]) != 0 && (header[12] & 1) == 0 &&
	       p->transport_bytes >= p->payload_offset - p->transport_offset;
}

static inline bool
predicted(struct session_table *t, struct session *s, const struct packet *p)
{
	struct cursor bytes = payload_of(p);
	uint32_t size = (uint32_t)cursor_left(&bytes);
	unsigned d = p->direction;
	struct attachment *att;

	s->tcp_psh += (p->tcp_flags & PSH) != 0;
	s->tcp_ack += (p->tcp_flags & PSH) == 0;
	if (size == 0)
		return false;
	s->tcp_next[d] += size;
	att = session_attachment(t, s);
	/* The direction's first bytes, or too few to be its last ones. */
	if (att == NULL || att->payload8_bytes[d] != PAYLOAD8_BYTES || size < TCP_RECENT_BYTES)
		return hand_on(t, s, p, bytes);
	att->data_bytes[d] += size;
	tcp_recent_add(&att->recent, d, bytes);
	return !session_skips(s, att, d, size) && session_ready(t, s, p, bytes);
}

bool
session_tcp(struct session_table *t, struct session *s, const struct packet *p)
{
	const uint8_t *header = header_of(p);

	if (unlikely(header == NULL))
		return false;
	return likely(is_predicted(s, p, header)) ? predicted(t, s, p) : any_segment(t, s, p);
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
