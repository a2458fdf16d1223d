/* Reassembly of IP fragments.
 *
 * The bytes of a datagram lie where they belong, in blocks of 2 KB, with a bit for each unit of 8 bytes that is there:
 * offsets count in such units. So a fragment costs its own length, in whatever order and however small the others were,
 * there is no list to sort or to make long, and a datagram is whole when it has as many units as its length asks for.
 * What it gives up: a tiny fragment takes a block, 2 KB, which is why the pool of blocks is bounded by itself.
 *
 * A datagram is known by addresses, identification, IP version, the protocol (IPv4) and what tracks sessions
 * (sessionIdTracking), under a keyed hash. When something runs out the oldest datagram goes: floods push out each
 * other, and a real datagram is whole within moments.
 *
 * Hosts disagree about fragments that overlap with different bytes: those of today drop the datagram (RFC 5722, Linux
 * since 4.9 for IPv4 too), older ones prefer the first or the last. Such a datagram is never taken for a good one in
 * silence: packet.fragments_differ says so, and ipOverlap what it is worth. Fragments that repeat what is there are
 * harmless and counted. A last fragment that disagrees with where others end is refused.
 *
 * The whole frame is headers of the fragment that came last with the lengths and the checksum made right. Decode goes
 * on at the IP header, not at the frame's start, so what is outside, tunnels above all, keeps its lengths and is
 * not counted twice. */
#include "fragments.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "clock.h"
#include "decode_priv.h"
#include "flow_key_priv.h"
#include "pool.h"

COUNTER(reassembled, "fragment.reassembled", "IP datagrams put together", LEDGER_NONE, LEDGER_IN);
COUNTER(differing, "fragment.differing", "IP datagrams put together whose fragments overlap with different bytes",
	LEDGER_NONE, LEDGER_IN);
COUNTER(joined, "fragment.joined", "fragments that became part of a datagram which a later one completed",
	LEDGER_PACKETS, LEDGER_OUT);
COUNTER(duplicate, "fragment.duplicate", "fragments that only repeat bytes that were there", LEDGER_PACKETS,
	LEDGER_OUT);
COUNTER(malformed, "fragment.malformed", "fragments without bytes, or of a length that none but the last may have",
	LEDGER_PACKETS, LEDGER_OUT);
COUNTER(too_long, "fragment.too_long", "fragments that reach beyond what a datagram can have", LEDGER_PACKETS,
	LEDGER_OUT);
COUNTER_LOSS(overlapping, "fragment.overlap", "fragments refused because they contradict those that were there",
	     LEDGER_PACKETS);
COUNTER_LOSS(expired, "fragment.expired", "fragments of datagrams that were not whole after fragsTimeout",
	     LEDGER_PACKETS);
COUNTER_LOSS(pushed_out, "fragment.pushed_out",
	     "fragments of datagrams that gave way to newer ones (maxFrags, "
	     "fragmentMemory)",
	     LEDGER_PACKETS);
COUNTER_LOSS(unfinished, "fragment.unfinished", "fragments of datagrams that were not whole at the end of the input",
	     LEDGER_PACKETS);

enum {
	IP_BYTES_MAX = 65535,
	UNIT_BYTES = 8,
	BLOCK_BYTES = 2048,
	BLOCK_UNITS = BLOCK_BYTES / UNIT_BYTES,
	BLOCKS_MAX = (IP_BYTES_MAX + BLOCK_BYTES - 1) / BLOCK_BYTES, /* of a datagram */
	FRAGMENT_HEADER_BYTES = 8,
	FRAME_BYTES_MAX = PACKET_HEADER_OFFSET_MAX + IPV6_HEADER_BYTES + IP_BYTES_MAX,
	EXPIRE_MAX = 64,
};

static const char *const overlap_words[] = {"refuse", "first", "last", "drop", NULL};

static const struct setting fragments_settings[] = {
	SETTING_U32(struct fragments_conf, timeout_s, "fragsTimeout", 480, 60, 65535, "seconds",
		    "how long fragments of an IP datagram wait for the others"),
	SETTING_U32(struct fragments_conf, max_datagrams, "maxFrags", 10000, 100, 16777215, "",
		    "IP datagrams that may wait for fragments, of all workers; beyond that the oldest is given up"),
	SETTING_U64(struct fragments_conf, memory_bytes, "fragmentMemory", 67108864, 1048576, 1099511627776, "bytes",
		    "memory of all workers for fragments that wait; touched as it is used"),
	SETTING_ENUM(
		struct fragments_conf, overlap, "ipOverlap", "refuse", overlap_words,
		"an IP datagram whose fragments overlap with different bytes: stored and counted but not parsed, or "
		"parsed with the bytes that came first or last; its session is tagged ip-overlap in these cases; drop: "
		"it is left out"),
};
SETTINGS(fragments, "IP fragments", fragments_settings);

struct block {
	uint64_t present[BLOCK_UNITS / 64];
	uint8_t bytes[BLOCK_BYTES];
};

struct datagram {
	struct flow_key key;
	uint64_t first_ns;     /* arrival_ns() of its first fragment */
	uint32_t chain;	       /* next of the bucket */
	uint32_t older, newer; /* by first fragment */
	uint32_t units;	       /* present */
	uint32_t end;	       /* of the fragment that reaches furthest */
	uint32_t total_bytes;  /* 0: the last fragment has not come */
	uint32_t fragments;    /* held */
	uint8_t version;
	uint8_t next_header; /* IPv6: of the first fragment */
	bool differs;
	uint32_t blocks;	    /* a bit for each block that it has */
	uint32_t block[BLOCKS_MAX]; /* defined where that bit is set */
};

struct fragments {
	struct fragments_conf conf;
	const struct decode_conf *decode;
	const struct hash_secret *secret;
	struct counters *counters;
	struct pool *datagrams, *blocks;
	uint32_t *bucket;
	uint32_t mask;
	uint32_t oldest, newest;
	uint64_t held;
	struct ledger_gauge gauge;
	uint8_t *frame; /* the whole datagram */
};

/* What a fragment's headers say. */
struct fragment {
	struct flow_key key;
	struct cursor payload;
	uint32_t offset, end;
	bool is_last;
	uint8_t version;
	uint8_t next_header;
};

/* --- the table -------------------------------------------------------------------------------------------------- */

static uint64_t
read_held(const void *context)
{
	return fragments_held(context);
}

uint64_t
fragments_held(const struct fragments *f)
{
	return f->held;
}

static struct datagram *
datagram_at(const struct fragments *f, uint32_t handle)
{
	return pool_at(f->datagrams, handle);
}

static uint32_t *
bucket_of(const struct fragments *f, const struct flow_key *key)
{
	return &f->bucket[flow_key_mix(key, f->secret) & f->mask];
}

static void
unlink_datagram(struct fragments *f, uint32_t handle)
{
	struct datagram *d = datagram_at(f, handle);
	uint32_t *link = bucket_of(f, &d->key);

	while (*link != handle)
		link = &datagram_at(f, *link)->chain;
	*link = d->chain;
	if (d->older != 0)
		datagram_at(f, d->older)->newer = d->newer;
	else
		f->oldest = d->newer;
	if (d->newer != 0)
		datagram_at(f, d->newer)->older = d->older;
	else
		f->newest = d->older;
}

/* What it held is counted as the caller says. */
static void
remove_datagram(struct fragments *f, uint32_t handle, unsigned counter)
{
	struct datagram *d = datagram_at(f, handle);

	f->counters->value[counter] += d->fragments;
	f->held -= d->fragments;
	unlink_datagram(f, handle);
	for (uint32_t left = d->blocks; left != 0; left &= left - 1)
		pool_put(f->blocks, d->block[__builtin_ctz(left)]);
	pool_put(f->datagrams, handle);
}

/* What the block says it has, and the bytes before 'end': those of a flood's fragments are in one place. */
static void
prefetch_block(const struct fragments *f, uint32_t handle, uint32_t end)
{
	const struct block *b = pool_at(f->blocks, handle);
	const uint8_t *bytes = &b->bytes[(end - 1) % BLOCK_BYTES];

	rte_prefetch0(b);
	rte_prefetch0(bytes);
	rte_prefetch0(bytes - RTE_CACHE_LINE_SIZE);
}

/* Whose turn comes with the next fragments of a flood: a datagram that nobody has looked at since it came, somewhere in
 * 20 MB. It is asked for two removals ahead; with the first of these its bucket and a block can be. */
static void
prefetch_oldest(const struct fragments *f)
{
	const struct datagram *d = datagram_at(f, f->oldest);

	if (f->oldest == 0)
		return;
	rte_prefetch0(bucket_of(f, &d->key));
	if (d->blocks != 0)
		prefetch_block(f, d->block[__builtin_ctz(d->blocks)], d->end);
	if (d->newer == 0)
		return;
	for (size_t at = 0; at < sizeof(*d); at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0((const uint8_t *)datagram_at(f, d->newer) + at);
}

static uint32_t
add_datagram(struct fragments *f, const struct fragment *in, uint64_t time_ns)
{
	uint32_t *link = bucket_of(f, &in->key), handle;
	struct datagram *d;

	if (unlikely(pool_room(f->datagrams) == 0)) {
		remove_datagram(f, f->oldest, COUNTER_INDEX(pushed_out));
		prefetch_oldest(f);
	}
	handle = pool_get(f->datagrams);
	d = datagram_at(f, handle);
	memset(d, 0, offsetof(struct datagram, block));
	d->key = in->key;
	d->version = in->version;
	d->first_ns = time_ns;
	d->chain = *link;
	d->older = f->newest;
	*link = handle;
	if (f->newest != 0)
		datagram_at(f, f->newest)->newer = handle;
	else
		f->oldest = handle;
	f->newest = handle;
	return handle;
}

/* Stamps may lie far behind the clock (captures of several machines in one file): such fragments wait as long as
 * others. */
static uint64_t
arrival_ns(const struct packet *p)
{
	return p->time_ns > p->clock_ns ? p->time_ns : p->clock_ns;
}

static bool
is_over(const struct fragments *f, const struct datagram *d, uint64_t now_ns)
{
	return now_ns > d->first_ns && now_ns - d->first_ns > f->conf.timeout_s * NS_PER_S;
}

/* The fragment's datagram; one that began too long ago is not it. */
static uint32_t
lookup_datagram(struct fragments *f, const struct fragment *in, uint64_t time_ns)
{
	for (uint32_t handle = *bucket_of(f, &in->key); handle != 0; handle = datagram_at(f, handle)->chain) {
		const struct datagram *d = datagram_at(f, handle);

		if (d->version != in->version || !flow_key_equal(&d->key, &in->key))
			continue;
		if (likely(!is_over(f, d, time_ns)))
			return handle;
		remove_datagram(f, handle, COUNTER_INDEX(expired));
		break;
	}
	return add_datagram(f, in, time_ns);
}

void
fragments_expire(struct fragments *f, uint64_t clock_ns)
{
	for (unsigned i = 0; i < EXPIRE_MAX && f->oldest != 0; i++) {
		if (!is_over(f, datagram_at(f, f->oldest), clock_ns))
			return;
		remove_datagram(f, f->oldest, COUNTER_INDEX(expired));
	}
}

void
fragments_flush(struct fragments *f)
{
	while (f->oldest != 0)
		remove_datagram(f, f->oldest, COUNTER_INDEX(unfinished));
}

/* --- bytes ------------------------------------------------------------------------------------------------------ */

/* Blocks for all bytes from 'offset' to 'end'; older datagrams give way. There are enough for any one. */
static void
make_blocks(struct fragments *f, uint32_t handle, uint32_t offset, uint32_t end)
{
	struct datagram *d = datagram_at(f, handle);

	for (uint32_t i = offset / BLOCK_BYTES; i <= (end - 1) / BLOCK_BYTES; i++) {
		if ((d->blocks >> i & 1) != 0)
			continue;
		while (unlikely(pool_room(f->blocks) == 0))
			remove_datagram(f, f->oldest != handle ? f->oldest : d->newer, COUNTER_INDEX(pushed_out));
		d->block[i] = pool_get(f->blocks);
		d->blocks |= 1u << i;
		memset(((struct block *)pool_at(f->blocks, d->block[i]))->present, 0,
		       sizeof(((struct block *)NULL)->present));
	}
}

/* Of the units from 'first' to 'last' those in this word of 'present'. */
static inline uint64_t
units_in_word(unsigned word, unsigned first, unsigned last)
{
	uint64_t from = word == first / 64 ? UINT64_MAX << first % 64 : UINT64_MAX;

	return word == last / 64 ? from & UINT64_MAX >> (63 - last % 64) : from;
}

/* Makes these units present when none of them is; else false. */
static bool
claim_units(struct block *b, unsigned first, unsigned last)
{
	for (unsigned word = first / 64; word <= last / 64; word++)
		if ((b->present[word] & units_in_word(word, first, last)) != 0)
			return false;
	for (unsigned word = first / 64; word <= last / 64; word++)
		b->present[word] |= units_in_word(word, first, last);
	return true;
}

/* Bytes of one block, from this unit of it on. Returns how many units changed. */
static unsigned
store_in_block(struct fragments *f, struct datagram *d, struct block *b, unsigned first, struct cursor payload)
{
	unsigned n = (unsigned)(cursor_left(&payload) + UNIT_BYTES - 1) / UNIT_BYTES, changed = 0;

	/* Nearly always. */
	if (likely(claim_units(b, first, first + n - 1))) {
		size_t size = cursor_left(&payload);

		memcpy(&b->bytes[first * UNIT_BYTES], cursor_take(&payload, size), size);
		d->units += n;
		return n;
	}
	for (unsigned unit = first; unit < first + n; unit++) {
		uint8_t *to = &b->bytes[unit * UNIT_BYTES];
		size_t size = cursor_left(&payload) < UNIT_BYTES ? cursor_left(&payload) : UNIT_BYTES;
		const uint8_t *from = cursor_take(&payload, size);

		if (!bit_test(b->present, unit)) {
			bit_set(b->present, unit);
			d->units++;
		} else if (memcmp(to, from, size) != 0) {
			d->differs = true;
			if (f->conf.overlap != FRAGMENTS_LAST)
				continue;
		} else {
			continue;
		}
		memcpy(to, from, size);
		changed++;
	}
	return changed;
}

/* Returns how many units changed: new ones, and with ipOverlap=last others. */
static unsigned
store_bytes(struct fragments *f, struct datagram *d, const struct fragment *in)
{
	struct cursor payload = in->payload;
	uint32_t offset = in->offset;
	unsigned changed = 0;

	while (cursor_left(&payload) > 0) {
		size_t room = BLOCK_BYTES - offset % BLOCK_BYTES;
		struct cursor part = cursor_sub(&payload, room < cursor_left(&payload) ? room : cursor_left(&payload));

		changed += store_in_block(f, d, pool_at(f->blocks, d->block[offset / BLOCK_BYTES]),
					  offset % BLOCK_BYTES / UNIT_BYTES, part);
		offset += (uint32_t)room;
	}
	return changed;
}

/* The last one says where the datagram ends, and nothing may be behind it. */
static bool
fits_end(const struct datagram *d, const struct fragment *in)
{
	if (d->total_bytes != 0)
		return in->is_last ? in->end == d->total_bytes : in->end <= d->total_bytes;
	return !in->is_last || in->end >= d->end;
}

/* False: nothing of it is held. */
static bool
store_fragment(struct fragments *f, uint32_t handle, const struct fragment *in)
{
	struct datagram *d = datagram_at(f, handle);
	bool had_differed = d->differs;
	unsigned changed;

	if (!fits_end(d, in)) {
		d->differs = true;
		COUNTER_ADD(f->counters, overlapping, 1);
		return false;
	}
	make_blocks(f, handle, in->offset, in->end);
	d->differs = false;
	changed = store_bytes(f, d, in);
	if (changed == 0 && d->differs)
		COUNTER_ADD(f->counters, overlapping, 1);
	else if (changed == 0)
		COUNTER_ADD(f->counters, duplicate, 1);
	d->differs |= had_differed;
	if (changed == 0)
		return false;
	if (in->is_last)
		d->total_bytes = in->end;
	if (in->end > d->end)
		d->end = in->end;
	if (in->offset == 0)
		d->next_header = in->next_header;
	d->fragments++;
	f->held++;
	return true;
}

static bool
is_whole(const struct datagram *d)
{
	return d->total_bytes != 0 && d->units == (d->total_bytes + UNIT_BYTES - 1) / UNIT_BYTES;
}

/* --- headers ---------------------------------------------------------------------------------------------------- */

/* The pair of addresses, the identification and what else makes two fragments parts of one datagram. */
static struct flow_key
make_key(const struct fragments *f, const struct packet *p, const uint8_t *addresses, unsigned address_bytes,
	 uint32_t id, uint8_t protocol)
{
	uint32_t tracking = packet_tracking_id(f->decode, p);
	struct flow_key key = {
		.port = {(uint16_t)(id >> 16), (uint16_t)id},
		.tracking = {(uint8_t)(tracking >> 16), (uint8_t)(tracking >> 8), (uint8_t)tracking},
		.protocol = protocol,
	};

	memcpy(key.address[0], &addresses[0], address_bytes);
	memcpy(key.address[1], &addresses[address_bytes], address_bytes);
	return key;
}

/* Lengths were verified by decode. False: no fragment. */
static bool
read_ipv4(const struct fragments *f, const struct packet *p, struct fragment *out)
{
	struct cursor c = packet_from(p, p->ip_offset);
	const uint8_t *header = cursor_take(&c, IPV4_HEADER_BYTES);
	uint32_t bytes = p->transport_bytes;
	uint16_t field;

	if (header == NULL)
		return false;
	field = read_be16(&header[6]);
	*out = (struct fragment){.version = 4,
				 .key = make_key(f, p, &header[12], 4, read_be16(&header[4]), header[9]),
				 .offset = (uint32_t)(field & 0x1fff) * UNIT_BYTES,
				 .is_last = (field & 0x2000) == 0};
	/* Only the last may end anywhere; hosts cut the others to whole units. */
	if (!out->is_last)
		bytes &= ~(uint32_t)(UNIT_BYTES - 1);
	out->payload = packet_from(p, p->transport_offset);
	cursor_limit(&out->payload, bytes);
	return true;
}

static bool
read_ipv6(const struct fragments *f, const struct packet *p, struct fragment *out)
{
	struct cursor c = packet_from(p, p->ip_offset), payload = packet_from(p, p->transport_offset);
	const uint8_t *header = cursor_take(&c, IPV6_HEADER_BYTES), *extension;
	uint16_t field;

	cursor_limit(&payload, p->transport_bytes);
	extension = cursor_take(&payload, FRAGMENT_HEADER_BYTES);
	if (header == NULL || extension == NULL)
		return false;
	field = read_be16(&extension[2]);
	/* RFC 8200 section 4.5: addresses and identification, not the next header. */
	*out = (struct fragment){.version = 6,
				 .key = make_key(f, p, &header[8], 16, read_be32(&extension[4]), IP_PROTOCOL_FRAGMENT),
				 .offset = field & 0xfff8u,
				 .is_last = (field & 1) == 0,
				 .next_header = extension[0],
				 .payload = payload};
	return out->is_last || cursor_left(&payload) % UNIT_BYTES == 0;
}

static uint16_t
ipv4_checksum(const uint8_t *header, uint32_t bytes)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < bytes; i += 2)
		sum += read_be16(&header[i]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void
write_be16(uint8_t *field, uint32_t value)
{
	field[0] = (uint8_t)(value >> 8);
	field[1] = (uint8_t)value;
}

static void
finish_ipv4(const struct packet *p, uint8_t *frame, uint32_t ip_bytes)
{
	uint8_t *header = &frame[p->ip_offset];

	write_be16(&header[2], ip_bytes);
	write_be16(&header[6], 0);
	write_be16(&header[10], 0);
	write_be16(&header[10], ipv4_checksum(header, p->transport_offset - p->ip_offset));
}

/* The header before the fragment header is followed by what that one was followed by. */
static void
finish_ipv6(const struct packet *p, uint8_t *frame, uint32_t ip_bytes, uint8_t next_header)
{
	uint32_t field = p->ip_offset + 6u, extension = p->ip_offset + (uint32_t)IPV6_HEADER_BYTES;

	while (extension < p->transport_offset) {
		field = extension;
		extension += (frame[extension + 1] + 1u) * 8;
	}
	frame[field] = next_header;
	write_be16(&frame[p->ip_offset + 4], ip_bytes - IPV6_HEADER_BYTES);
}

/* --- whole datagrams -------------------------------------------------------------------------------------------- */

/* Headers of the fragment that came last, before the IP payload. */
static void
begin_frame(struct fragments *f, const struct packet *p)
{
	UNPOISON(f->frame, FRAME_BYTES_MAX);
	/* What is inside a datagram that was whole may be a fragment again: then it lies there. */
	if (p->data != f->frame)
		memcpy(f->frame, p->data, p->transport_offset);
}

static void
end_frame(struct fragments *f, struct packet *p, uint32_t payload_bytes, uint8_t next_header)
{
	uint32_t size = p->transport_offset + payload_bytes;

	if (p->ip_version == 4)
		finish_ipv4(p, f->frame, size - p->ip_offset);
	else
		finish_ipv6(p, f->frame, size - p->ip_offset, next_header);
	POISON(f->frame + size, FRAME_BYTES_MAX - size);
	p->data = f->frame;
	p->captured_bytes = p->wire_bytes = size;
}

static void
copy_blocks(const struct fragments *f, const struct datagram *d, uint8_t *to)
{
	for (uint32_t at = 0; at < d->total_bytes; at += BLOCK_BYTES) {
		uint32_t left = d->total_bytes - at;
		const struct block *b = pool_at(f->blocks, d->block[at / BLOCK_BYTES]);

		memcpy(to + at, b->bytes, left < BLOCK_BYTES ? left : BLOCK_BYTES);
	}
}

/* Decode, from the IP header on. It may find a fragment again, inside; each time counts as nesting. */
static void
decode_whole(const struct fragments *f, struct packet *p)
{
	const struct decode_conf *conf = f->decode;
	struct cursor c = packet_from(p, p->ip_offset);
	enum packet_verdict verdict = PACKET_CORRUPT;

	if (++p->dispatches <= PACKET_DISPATCH_MAX)
		verdict = p->ip_version == 6 ? packet_decode_ipv6(conf, p, c) : packet_decode_ipv4(conf, p, c);
	if (verdict == PACKET_CORRUPT && conf->save.corrupt && packet_key_corrupt(p))
		verdict = PACKET_OK;
	p->verdict = (uint8_t)verdict;
}

static bool
is_too_long(const struct packet *p, uint32_t payload_bytes)
{
	uint32_t headers = p->transport_offset - p->ip_offset - (p->ip_version == 6 ? IPV6_HEADER_BYTES : 0);

	return headers + payload_bytes > IP_BYTES_MAX;
}

/* The packet becomes its datagram, which leaves the table. */
static bool
take_datagram(struct fragments *f, struct packet *p, uint32_t handle)
{
	struct datagram *d = datagram_at(f, handle);

	if (unlikely(is_too_long(p, d->total_bytes))) {
		remove_datagram(f, handle, COUNTER_INDEX(too_long));
		return false;
	}
	if (unlikely(d->differs && f->conf.overlap == FRAGMENTS_DROP)) {
		remove_datagram(f, handle, COUNTER_INDEX(overlapping));
		return false;
	}
	begin_frame(f, p);
	copy_blocks(f, d, &f->frame[p->transport_offset]);
	end_frame(f, p, d->total_bytes, d->next_header);
	p->fragments_differ |= d->differs;
	COUNTER_ADD(f->counters, reassembled, 1);
	if (d->differs)
		COUNTER_ADD(f->counters, differing, 1);
	/* This packet goes on, and is counted by others. */
	d->fragments--;
	f->held--;
	remove_datagram(f, handle, COUNTER_INDEX(joined));
	return true;
}

/* RFC 6946: a fragment that is the whole datagram has nothing to do with others. */
static bool
take_atomic(struct fragments *f, struct packet *p, const struct fragment *in)
{
	size_t size = cursor_left(&in->payload);

	begin_frame(f, p);
	memmove(&f->frame[p->transport_offset], in->payload.p, size);
	end_frame(f, p, (uint32_t)size, in->next_header);
	COUNTER_ADD(f->counters, reassembled, 1);
	return true;
}

/* One fragment. True: the packet is a whole datagram. */
static bool
push(struct fragments *f, struct packet *p)
{
	struct fragment in;
	uint32_t handle;
	bool good = p->ip_version == 6 ? read_ipv6(f, p, &in) : read_ipv4(f, p, &in);

	if (good && in.is_last && in.offset == 0)
		return take_atomic(f, p, &in);
	if (!good || cursor_left(&in.payload) == 0) {
		COUNTER_ADD(f->counters, malformed, 1);
		return false;
	}
	in.end = in.offset + (uint32_t)cursor_left(&in.payload);
	if (is_too_long(p, in.end)) {
		COUNTER_ADD(f->counters, too_long, 1);
		return false;
	}
	handle = lookup_datagram(f, &in, arrival_ns(p));
	if (!store_fragment(f, handle, &in) || !is_whole(datagram_at(f, handle)))
		return false;
	return take_datagram(f, p, handle);
}

bool
fragments_push(struct fragments *f, struct packet *p)
{
	fragments_expire(f, p->clock_ns);
	while (p->verdict == PACKET_FRAGMENT) {
		if (!push(f, p))
			return false;
		decode_whole(f, p);
	}
	if (unlikely(p->fragments_differ && f->conf.overlap == FRAGMENTS_REFUSE))
		p->payload_bytes = 0;
	return true;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

static uint32_t
share(uint64_t all, unsigned n_workers, uint32_t min, uint32_t max)
{
	uint64_t mine = all / (n_workers != 0 ? n_workers : 1);

	return (uint32_t)(mine < min ? min : mine > max ? max : mine);
}

static size_t
bucket_bytes(const struct fragments *f)
{
	return ((size_t)f->mask + 1) * sizeof(*f->bucket);
}

static bool
create_parts(struct fragments *f, unsigned n_workers)
{
	struct pool_params datagrams = {.name = "IP datagrams",
					.object_bytes = sizeof(struct datagram),
					.max_objects = share(f->conf.max_datagrams, n_workers, 1, 1 << 24)};
	struct pool_params blocks = {.name = "IP fragments",
				     .object_bytes = sizeof(struct block),
				     .max_objects = share(f->conf.memory_bytes / sizeof(struct block), n_workers,
							  BLOCKS_MAX, UINT32_MAX / 2)};

	while (f->mask < datagrams.max_objects)
		f->mask = f->mask << 1 | 1;
	f->datagrams = pool_create(&datagrams);
	f->blocks = pool_create(&blocks);
	f->bucket = vmem_reserve(bucket_bytes(f));
	f->frame = vmem_reserve(FRAME_BYTES_MAX);
	return f->datagrams != NULL && f->blocks != NULL && f->bucket != NULL && f->frame != NULL;
}

struct fragments *
fragments_create(const struct fragments_params *params)
{
	struct fragments *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->conf = *params->conf;
	f->decode = params->decode;
	f->secret = params->secret;
	f->counters = params->counters;
	if (!create_parts(f, params->n_workers)) {
		fragments_destroy(f);
		errno = ENOMEM;
		return NULL;
	}
	f->gauge = (struct ledger_gauge){
		.name = "fragment.held", .account = LEDGER_PACKETS, .read = read_held, .context = f};
	ledger_gauge_attach(&f->gauge);
	return f;
}

void
fragments_destroy(struct fragments *f)
{
	if (f == NULL)
		return;
	if (f->gauge.read != NULL) {
		ledger_gauge_detach(&f->gauge);
		fragments_flush(f);
	}
	pool_destroy(f->datagrams);
	pool_destroy(f->blocks);
	vmem_release(f->bucket, bucket_bytes(f));
	if (f->frame != NULL)
		UNPOISON(f->frame, FRAME_BYTES_MAX);
	vmem_release(f->frame, FRAME_BYTES_MAX);
	free(f);
}
