/* packetPos, packetLen and fileId (RECORD.md 2).
 *
 * The three arrays are three walks over the positions that see file markers at the same places; the last stops when it
 * has seen all of them, which is after one packet for nearly every record. */
#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "document_priv.h"

enum {
	ITEM_BYTES = JSON_U64_BYTES + 2, /* a number, its sign and its comma */
	LIST_BYTES = 32,		 /* a key, two brackets and a comma */
	SHORT_GAP_MAX = 9999999,	 /* seven digits */
	GROUP = 8,			 /* positions that are made into text at once */
};

/* Where a walk stands. */
struct marker_walk {
	struct position_reader at;
	uint64_t last; /* position before this one; 0 behind a marker */
	uint32_t file; /* of the last marker */
	bool with_markers, gap_coded;
};

static inline struct marker_walk
walk_begin(const struct formatter *f)
{
	return (struct marker_walk){.at = {.chunk = f->record->positions_first},
				    .with_markers = !f->conf.dry_run,
				    .gap_coded = f->conf.gap_packet_positions};
}

/* Moves on; *marker says that the file's number comes first: a new file, or (gap coded) a position that does not lie
 * behind the last, which only a marker can say. Positions without a file have none: nobody could look it up. */
static inline bool
walk_next(struct marker_walk *w, bool *marker)
{
	w->last = w->at.position;
	if (!position_reader_next(&w->at))
		return false;
	*marker = w->with_markers && w->at.file != 0 &&
		  (w->at.file != w->file || (w->gap_coded && w->at.position <= w->last));
	if (*marker) {
		w->file = w->at.file;
		w->last = 0;
	}
	return true;
}

/* gap0: the distance from the last position, or 0 when it is the same as the distance before. Only for positions in a
 * file, because its files document is where a reader learns of the coding. */
static inline bool
is_gap_coded(const struct marker_walk *w)
{
	return w->gap_coded && w->with_markers && w->at.file != 0;
}

#ifdef __AVX2__
/* The text of eight numbers at once, in vectors: of each the seven digits with all its zeros and a comma, the first
 * digit in the lowest byte. */
typedef uint32_t lanes_u32 __attribute__((vector_size(4 * GROUP)));
typedef uint16_t lanes_u16 __attribute__((vector_size(4 * GROUP)));
typedef uint64_t lanes_u64 __attribute__((vector_size(4 * GROUP)));

/* The digits of numbers below 10^4 as bytes, as json_eight_digits() makes them. */
static inline lanes_u32
four_digits(lanes_u32 v)
{
	lanes_u32 hundreds = v * 10486 >> 20, pairs = hundreds | (v - hundreds * 100) << 16;
	lanes_u16 tens = (lanes_u16)pairs * 103 >> 10;

	return (lanes_u32)(tens | ((lanes_u16)pairs - tens * 10) << 8);
}

struct group_text {
	lanes_u64 digits[2];
};

static inline void
group_digits(lanes_u32 v, struct group_text *out)
{
	lanes_u32 upper, lower, before;

	/* A number below 2^24 by 10^4, one too many now and then. */
	upper = (v >> 4) * 3356 >> 21;
	lower = v - upper * 10000;
	before = (lanes_u32)(lower >> 31);
	upper = four_digits(upper - before);
	lower = four_digits(lower + before * 10000);
	out->digits[0] = (lanes_u64)__builtin_shufflevector(upper, lower, 0, 8, 1, 9, 2, 10, 3, 11) >> 8;
	out->digits[1] = (lanes_u64)__builtin_shufflevector(upper, lower, 4, 12, 5, 13, 6, 14, 7, 15) >> 8;
}

#if defined(__AVX512VBMI2__) && defined(__AVX512BW__) && defined(__AVX512VL__)
enum { FEW = 0 };

/* All of the text is pressed together in one step. */
static inline char *
put_group(char *p, lanes_u32 numbers, unsigned n)
{
	struct group_text group;
	__m512i digits, text, leading;
	__mmask64 kept;

	group_digits(numbers, &group);
	digits = _mm512_inserti64x4(_mm512_castsi256_si512((__m256i)group.digits[0]), (__m256i)group.digits[1], 1);
	text = _mm512_or_si512(digits, _mm512_set1_epi64(0x2c30303030303030));
	/* Of the lowest bit that is set in a lane, less one, those bytes are full that lie below the first digit. */
	digits = _mm512_or_si512(digits, _mm512_set1_epi64(INT64_C(1) << 48));
	leading = _mm512_andnot_si512(digits, _mm512_add_epi64(digits, _mm512_set1_epi64(-1)));
	kept = ~_mm512_cmpeq_epi8_mask(leading, _mm512_set1_epi8(-1)) & UINT64_MAX >> (64 - 8 * n);
	_mm512_storeu_si512(p, _mm512_maskz_compress_epi8(kept, text));
	return p + __builtin_popcountll(kept);
}

/* The entries at 'entry' that are nothing but a distance, up to the first that is more; zeros behind them. Returns how
 * many. */
static inline unsigned
take_short(const uint8_t *entry, const uint8_t *end, lanes_u32 *out)
{
	unsigned n = end - entry < 4 * GROUP ? (unsigned)(end - entry) / 4 : GROUP;
	__m256i words = _mm256_maskz_loadu_epi32((__mmask8)(0xff >> (GROUP - n)), entry);
	unsigned is_long = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(words)) | 1 << n;

	n = (unsigned)__builtin_ctz(is_long);
	*out = (lanes_u32)_mm256_maskz_mov_epi32((__mmask8)(0xff >> (GROUP - n)), words);
	return n;
}
#else
enum { FEW = 3 }; /* positions that do not pay for a group */

/* Without a branch on how many digits there are, which nobody can predict. */
static inline char *
put_group(char *p, lanes_u32 numbers, unsigned n)
{
	struct group_text group;

	group_digits(numbers, &group);
	for (unsigned half = 0; half < 2 && 4 * half < n; half++) {
		lanes_u64 text = group.digits[half] | (UINT64_C(0x30303030303030) | (uint64_t)',' << 56);
		lanes_u64 guarded = group.digits[half] | UINT64_C(1) << 48;

		for (unsigned i = 0; i < 4; i++) {
			uint64_t zero_bits = (uint64_t)__builtin_ctzll(guarded[i]) & ~UINT64_C(7),
				 word = text[i] >> zero_bits;

			memcpy(p, &word, sizeof(word));
			p += 4 * half + i < n ? 8 - zero_bits / 8 : 0;
		}
	}
	return p;
}

/* The entries at 'entry' that are nothing but a distance, up to the first that is more; zeros behind them. Returns how
 * many. */
static inline unsigned
take_short(const uint8_t *entry, const uint8_t *end, lanes_u32 *out)
{
	uint32_t word[GROUP] = {0};
	uint64_t pair[GROUP / 2];
	unsigned n = 0;

	if ((size_t)(end - entry) >= sizeof(pair)) {
		memcpy(pair, entry, sizeof(pair));
		memcpy(out, entry, sizeof(pair));
		if (((pair[0] | pair[1] | pair[2] | pair[3]) & (POSITION_LONG | (uint64_t)POSITION_LONG << 32)) == 0)
			return GROUP;
	}
	for (; n < GROUP && entry < end; n++, entry += sizeof(word[0])) {
		memcpy(&word[n], entry, sizeof(word[0]));
		if ((word[n] & POSITION_LONG) != 0) {
			word[n] = 0;
			break;
		}
	}
	memcpy(out, word, sizeof(word));
	return n;
}

#endif

/* Entries of a chunk, eight by eight, as long as they are nothing but a distance. Returns where it stopped. */
static inline const uint8_t *
put_groups(struct marker_walk *w, const uint8_t *entry, const uint8_t *end, uint32_t *last, char **p)
{
	unsigned n = GROUP;

	while (end - entry > (ptrdiff_t)(FEW * sizeof(*last)) && n == GROUP) {
		lanes_u32 gaps, before;

		n = take_short(entry, end, &gaps);
		if (n == 0)
			break;
		before = __builtin_shufflevector(gaps, (lanes_u32){0} + *last, 8, 0, 1, 2, 3, 4, 5, 6);
		*p = put_group(*p, gaps & (lanes_u32)(gaps != before), n);
		for (unsigned i = 0; i < GROUP; i++)
			w->at.position += gaps[i];
		entry += n * sizeof(*last);
		memcpy(last, entry - sizeof(*last), sizeof(*last));
	}
	return entry;
}
#endif

/* One that is not in a group. */
static inline char *
put_short_item(char *p, uint32_t number)
{
	p = json_put_short(p, number);
	*p = ',';
	return p + 1;
}

/* The entries that follow in this chunk, as long as they are what nearly all are: a short way on in the same file,
 * which needs no marker. Thirty positions a session are a third of its document, so here is nothing that they do not
 * need. */
static inline char *
put_short_gaps(struct marker_walk *w, uint64_t *last_gap, char *p)
{
	const struct record_chunk *c = w->at.chunk;
	const uint8_t *begin = c->bytes + w->at.offset, *entry = begin, *end = c->bytes + c->used;
	uint32_t last = *last_gap <= POSITION_SHORT_MAX ? (uint32_t)*last_gap : 0;

#ifdef __AVX2__
	entry = put_groups(w, entry, end, &last, &p);
#endif
	for (; entry < end; entry += sizeof(last)) {
		uint32_t gap;

		memcpy(&gap, entry, sizeof(gap));
		if ((gap & POSITION_LONG) != 0)
			break;
		p = put_short_item(p, gap != last ? gap : 0);
		w->at.position += gap;
		last = gap;
	}
	if (entry != begin) /* else it may be one that is too long for here */
		*last_gap = last;
	w->at.offset = (uint32_t)(entry - c->bytes);
	return p;
}

static char *
put_numbers(struct formatter *f, char *p)
{
	struct marker_walk w = walk_begin(f);
	uint32_t n_markers = 0;
	uint64_t last_gap = 0;
	bool marker;

	while (walk_next(&w, &marker)) {
		uint64_t number = w.at.position;

		if (marker) {
			n_markers++;
			last_gap = 0;
			p = JSON_PUT(json_put_u64(JSON_PUT(p, "-"), w.at.file), ",");
		}
		if (is_gap_coded(&w)) {
			uint64_t gap = number - w.last;

			number = gap != last_gap ? gap : 0;
			last_gap = gap;
		}
		p = JSON_PUT(json_put_u64(p, number), ",");
		if (is_gap_coded(&w) && w.at.chunk != NULL)
			p = put_short_gaps(&w, &last_gap, p);
	}
	f->n_markers = n_markers;
	return p;
}

static char *
put_lengths(struct formatter *f, char *p)
{
	struct marker_walk w = walk_begin(f);
	bool marker;

	while (walk_next(&w, &marker)) {
		if (marker)
			p = JSON_PUT(p, "0,");
		p = JSON_PUT(json_put_u64(p, w.at.length), ",");
	}
	return p;
}

static char *
put_files(struct formatter *f, char *p)
{
	struct marker_walk w = walk_begin(f);
	bool marker;

	for (uint32_t left = f->n_markers; left > 0 && walk_next(&w, &marker); left -= marker)
		if (marker)
			p = JSON_PUT(json_put_u64(p, w.at.file), ",");
	return p;
}

/* Behind a bracket: the list's end, which is in the place of its last comma when there is one. */
static char *
put_end(char *p, const char *begin)
{
	return JSON_PUT(p > begin ? p - 1 : p, "],");
}

size_t
positions_room(const struct formatter *f, const struct record *r)
{
	return ((size_t)r->n_positions * 2 * ITEM_BYTES + LIST_BYTES) * (f->conf.packet_lengths ? 3 : 2);
}

char *
put_positions(struct formatter *f, char *p)
{
	char *begin = JSON_PUT(p, "\"packetPos\":[");

	p = put_end(put_numbers(f, begin), begin);
	if (f->conf.packet_lengths) {
		begin = JSON_PUT(p, "\"packetLen\":[");
		p = put_end(put_lengths(f, begin), begin);
	}
	begin = JSON_PUT(p, "\"fileId\":[");
	return put_end(put_files(f, begin), begin);
}
