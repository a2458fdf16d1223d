/* packetPos, packetLen and fileId (RECORD.md 2). */
#include "document_priv.h"

/* Where a walk over the positions stands. */
struct position_walk {
	struct record_position_iterator it;
	struct record_position now;
	uint32_t file;
	uint64_t last, last_gap;
	bool with_markers;
};

static void
walk_begin(struct position_walk *w, const struct formatter *f)
{
	*w = (struct position_walk){.with_markers = !f->conf.dry_run};
	record_positions_begin(f->record, &w->it);
}

/* A new file, or (gap coded) a position that does not lie behind the last, which only a marker can say. */
static bool
needs_marker(const struct position_walk *w, bool gap_coded)
{
	return w->with_markers && w->now.file != 0 &&
	       (w->now.file != w->file || (gap_coded && w->now.position <= w->last));
}

/* Moves on; *marker says that the file's number comes first. All three arrays walk alike. */
static bool
walk_next(struct position_walk *w, const struct formatter *f, bool *marker)
{
	bool gap_coded = f->conf.gap_packet_positions;

	w->last = w->now.position;
	if (!record_positions_next(&w->it, &w->now))
		return false;
	*marker = needs_marker(w, gap_coded);
	if (*marker) {
		w->file = w->now.file;
		w->last = w->last_gap = 0;
	}
	return true;
}

/* gap0: the distance from the last position, or 0 when it is the same as the distance before. Only for positions in a
 * file: its files document is where a reader learns of the coding. */
static uint64_t
gap_code(struct position_walk *w)
{
	uint64_t gap = w->now.position - w->last;

	if (gap == w->last_gap)
		return 0;
	w->last_gap = gap;
	return gap;
}

static void
write_packet_positions(struct formatter *f)
{
	struct position_walk w;
	bool marker;

	walk_begin(&w, f);
	f->n_markers = 0;
	JSON_KEY(&f->json, "packetPos");
	json_array_begin(&f->json);
	while (walk_next(&w, f, &marker)) {
		bool gap_coded = f->conf.gap_packet_positions && w.with_markers && w.now.file != 0;

		if (marker) {
			f->n_markers++;
			json_i64(&f->json, -(int64_t)w.now.file);
		}
		json_u64(&f->json, gap_coded ? gap_code(&w) : w.now.position);
	}
	json_array_end(&f->json);
}

static void
write_packet_lengths(struct formatter *f)
{
	struct position_walk w;
	bool marker;

	walk_begin(&w, f);
	JSON_KEY(&f->json, "packetLen");
	json_array_begin(&f->json);
	while (walk_next(&w, f, &marker)) {
		if (marker)
			json_u64(&f->json, 0);
		json_u64(&f->json, w.now.length);
	}
	json_array_end(&f->json);
}

static void
write_file_numbers(struct formatter *f)
{
	struct position_walk w;
	bool marker;

	walk_begin(&w, f);
	JSON_KEY(&f->json, "fileId");
	json_array_begin(&f->json);
	/* Nearly every record stays in one file: no need to look at all its packets again. */
	for (uint32_t left = f->n_markers; left > 0 && walk_next(&w, f, &marker); left -= marker)
		if (marker)
			json_u64(&f->json, w.now.file);
	json_array_end(&f->json);
}

void
write_positions(struct formatter *f)
{
	write_packet_positions(f);
	if (f->conf.packet_lengths)
		write_packet_lengths(f);
	write_file_numbers(f);
}
