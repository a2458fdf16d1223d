/* The files of a replay: opened one after another, told of when they end.
 *
 * A file that cannot be opened, or is damaged, is logged and counted, and the next one has its turn: who replays a
 * folder wants the rest of it. The records that the reader passed over are counted when their file ends. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "log.h"
#include "replay_priv.h"

COUNTER_LOSS(skipped, "replay.skipped", "records of capture files too long for a packet, or of no described interface",
	     LEDGER_WIRE);

static void
refuse_file(struct replay *r, const char *path, const char *why)
{
	bool is_ignored = r->params.ignore_errors && errno == EPROTONOSUPPORT;
	char quoted[512];

	log_quote(quoted, sizeof(quoted), path);
	if (is_ignored) {
		LOG_WARN("replay.ignored", "file=\"%s\" reason=\"%s\"", quoted, why);
	} else {
		LOG_ERROR("replay.refused", "file=\"%s\" reason=\"%s\"", quoted, why);
		r->files_damaged++;
	}
	r->files_done++;
}

void
replay_open_file(struct replay *r)
{
	const char *path = r->params.files->path[r->next_file++];
	uint32_t index = atomic_load_explicit(&r->n_inputs, memory_order_relaxed);
	struct replay_input *input = &r->inputs[index];
	const struct capture_info *info;
	char why[256];

	r->capture = capture_open_into(path, r->in_place ? &r->views.source : NULL, why, sizeof(why));
	if (r->capture == NULL) {
		refuse_file(r, path, why);
		return;
	}
	info = capture_info(r->capture);
	*input = (struct replay_input){
		.path = path, /* the caller's list */
		.absolute = info->absolute != NULL ? strdup(info->absolute) : NULL,
		.plain_pcap = info->plain_pcap,
		.has_nanoseconds = info->has_nanoseconds,
		.link_type = info->link_type,
		.snap_length = info->snap_length,
		.size_bytes = info->size_bytes,
	};
	r->input = input;
	r->input_index = index;
	r->file_begins = true;
	r->packets_in_file = 0;
	/* Whoever sees the count, or a packet of this file, sees the input. */
	atomic_fetch_add_explicit(&r->n_inputs, 1, memory_order_release);
}

void
replay_close_file(struct replay *r)
{
	uint64_t n_skipped = capture_skipped_records(r->capture);

	replay_count_read(r, n_skipped);
	COUNTER_ADD(&r->counters, skipped, n_skipped);
	r->input->read_bytes = capture_consumed_bytes(r->capture);
	r->input->done = true;
	r->bytes_done += r->input->size_bytes;
	r->files_done++;
	capture_close(r->capture);
	r->capture = NULL;
	r->has_next = false;
}

static void
report_damage(struct replay *r)
{
	char quoted[512];
	uint64_t offset = 0;
	const char *why = capture_damage(r->capture, &offset);

	LOG_ERROR("replay.damaged", "file=\"%s\" offset=%" PRIu64 " reason=\"%s\" packets=%" PRIu64,
		  log_quote(quoted, sizeof(quoted), r->input->path), offset, why, r->input->packets);
	r->files_damaged++;
}

/* True: r->next is a packet. False: there is nothing to do before the next call, or for ever. */
bool
replay_read_packet(struct replay *r)
{
	if (r->params.packets_per_file_max != 0 && r->packets_in_file >= r->params.packets_per_file_max) {
		replay_close_file(r);
		return false;
	}
	switch (capture_next(r->capture, &r->next)) {
	case CAPTURE_PACKET:
		r->has_next = true;
		return true;
	case CAPTURE_DAMAGED:
		report_damage(r);
		return false;
	case CAPTURE_END:
		replay_close_file(r);
		return false;
	case CAPTURE_WAIT:
		return false;
	}
	return false;
}

const struct replay_input *
replay_input(const struct replay *r, uint32_t index)
{
	return &r->inputs[index];
}

uint32_t
replay_input_count(const struct replay *r)
{
	return atomic_load_explicit(&r->n_inputs, memory_order_acquire);
}

void
replay_progress(const struct replay *r, struct replay_progress *progress)
{
	uint32_t n = replay_input_count(r);
	const struct replay_input *last = n > 0 ? &r->inputs[n - 1] : NULL;

	*progress = (struct replay_progress){
		.files = r->params.files->n,
		.files_done = r->files_done,
		.files_damaged = r->files_damaged,
		.bytes = r->bytes,
		.bytes_done = r->bytes_done + (last != NULL && !last->done ? last->read_bytes : 0),
		.packets = r->sequence,
		.path = last != NULL ? last->path : NULL,
	};
}
