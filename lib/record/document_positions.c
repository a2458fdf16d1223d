/* packetPos, packetLen and fileId (RECORD.md 2).
 *
 * The three arrays are three walks over the positions that see file markers at the same places; the last stops when it
 * has seen all of them, which is after one packet for nearly every record. */
#include "document_priv.h"

/* A number, its sign and its comma. */
enum { ITEM_BYTES = JSON_U64_BYTES + 2 };

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
static char *
put_positions(struct formatter *f, char *p)
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
		if (w.gap_coded && w.with_markers && w.at.file != 0) {
			uint64_t gap = number - w.last;

			number = gap != last_gap ? gap : 0;
			last_gap = gap;
		}
		p = JSON_PUT(json_put_u64(p, number), ",");
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

/* "[" + what 'put' writes, each with a comma behind it, of which the last becomes the bracket. */
static void
write_list(struct formatter *f, const char *key, char *(*put)(struct formatter *, char *))
{
	struct json *j = &f->json;
	char *begin, *end;

	json_key(j, key);
	if (!json_room(j, (size_t)f->record->n_positions * 2 * ITEM_BYTES + 2))
		return;
	begin = JSON_PUT(j->text + j->size, "[");
	end = put(f, begin);
	end = JSON_PUT(end > begin ? end - 1 : end, "]");
	j->size = (size_t)(end - j->text);
	j->comma = true;
}

void
write_positions(struct formatter *f)
{
	write_list(f, "packetPos", put_positions);
	if (f->conf.packet_lengths)
		write_list(f, "packetLen", put_lengths);
	write_list(f, "fileId", put_files);
}
