/* packetPos, packetLen and fileId (RECORD.md 2).
 *
 * The three arrays are three walks over the positions that see file markers at the same places; the last stops when it
 * has seen all of them, which is after one packet for nearly every record. */
#include "document_priv.h"

enum {
	ITEM_BYTES = JSON_U64_BYTES + 2, /* a number, its sign and its comma */
	LIST_BYTES = 32,		 /* a key, two brackets and a comma */
	SHORT_GAP_MAX = 99999999,
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

/* The entries that follow in this chunk, as long as they are what nearly all are: a short way on in the same file,
 * which needs no marker. Thirty positions a session are a third of its document, so here is nothing that they do not
 * need. */
static inline char *
put_short_gaps(struct marker_walk *w, uint64_t *last_gap, char *p)
{
	const struct record_chunk *c = w->at.chunk;
	uint32_t offset = w->at.offset;
	uint64_t position = w->at.position, last = *last_gap;

	while (c != NULL && offset < c->used) {
		const uint8_t *entry = c->bytes + offset;
		unsigned head = entry[0], gap_bytes = (head & POSITION_GAP_BYTES) + 1u;
		uint64_t gap;

		memcpy(&gap, entry + 1, sizeof(gap));
		gap &= UINT64_MAX >> (64 - 8 * gap_bytes);
		if ((head & (POSITION_OTHER_FILE | POSITION_GOES_BACK)) != 0 || gap - 1 >= SHORT_GAP_MAX)
			break;
		offset += 1 + gap_bytes + position_length_bytes[head >> POSITION_LENGTH_SHIFT & POSITION_LENGTH_CODES];
		position += gap;
		p = json_put_short(p, gap != last ? (uint32_t)gap : 0);
		*p++ = ',';
		last = gap;
	}
	w->at.offset = offset;
	w->at.position = position;
	*last_gap = last;
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
		if (is_gap_coded(&w))
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
