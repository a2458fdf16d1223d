/* Ids and index periods of documents (RECORD.md 1.3, 1.4). */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "clock.h"
#include "document_priv.h"

enum { PREFIX_MAX = 50, ID_TEXT = 24 };

static const uint8_t period_hours[] = {
	[DOCUMENT_HOURLY] = 1,	[DOCUMENT_HOURLY2] = 2, [DOCUMENT_HOURLY3] = 3,	  [DOCUMENT_HOURLY4] = 4,
	[DOCUMENT_HOURLY6] = 6, [DOCUMENT_HOURLY8] = 8, [DOCUMENT_HOURLY12] = 12,
};

void
document_period(int rotate_index, uint64_t last_ns, char out[DOCUMENT_PERIOD_BYTES])
{
	time_t seconds = (time_t)(last_ns / NS_PER_S);
	struct tm t;
	unsigned year, hours;

	gmtime_r(&seconds, &t);
	year = (unsigned)(t.tm_year % 100);
	switch (rotate_index) {
	case DOCUMENT_DAILY:
		snprintf(out, DOCUMENT_PERIOD_BYTES, "%02u%02u%02u", year, (unsigned)t.tm_mon + 1, (unsigned)t.tm_mday);
		break;
	case DOCUMENT_WEEKLY:
		snprintf(out, DOCUMENT_PERIOD_BYTES, "%02uw%02u", year, (unsigned)t.tm_yday / 7);
		break;
	case DOCUMENT_MONTHLY:
		snprintf(out, DOCUMENT_PERIOD_BYTES, "%02um%02u", year, (unsigned)t.tm_mon + 1);
		break;
	default:
		hours = period_hours[rotate_index];
		snprintf(out, DOCUMENT_PERIOD_BYTES, "%02u%02u%02uh%02u", year, (unsigned)t.tm_mon + 1,
			 (unsigned)t.tm_mday, (unsigned)t.tm_hour / hours * hours);
		break;
	}
}

int
document_index_name(const struct document_conf *conf, const char *period, char *out, size_t size)
{
	const char *prefix = conf->prefix != NULL ? conf->prefix : "";
	size_t length = strlen(prefix);
	const char *underscore = length > 0 && prefix[length - 1] != '_' ? "_" : "";
	int n = snprintf(out, size, "%s%ssessions3-%s", prefix, underscore, period);

	return length > PREFIX_MAX || n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* Periods change at full hours: one conversion serves all records of an hour. */
static const char *
period_of(struct formatter *f, uint64_t last_ns)
{
	uint64_t hour = last_ns / (3600 * NS_PER_S);

	if (hour != f->period_hour || f->period[0] == '\0') {
		document_period(f->conf.rotate_index, last_ns, f->period);
		f->period_hour = hour;
	}
	return f->period;
}

static void
random_id(struct formatter *f, const char *period, const uint8_t random[16], char out[DOCUMENT_ID_BYTES])
{
	size_t length = strlen(period);
	uint64_t half[2];

	memcpy(half, random, sizeof(half));
	memcpy(out, period, DOCUMENT_PERIOD_BYTES);
	out[length] = '-';
	/* The process in front, two bytes. */
	base64_put_words(
		out + length + 1,
		(const uint64_t[]){f->conf.process_id | half[0] << 16, half[0] >> 48 | half[1] << 16, half[1] >> 48},
		true);
	out[length + 1 + ID_TEXT] = '\0';
}

/* PERIOD-NODE-FILE-POSITION; false when it is too long for an id. */
static bool
consistent_id(struct formatter *f, const char *period, uint32_t file, uint64_t position, char out[DOCUMENT_ID_BYTES])
{
	const char *node = f->conf.node != NULL ? f->conf.node : "";
	int n = snprintf(out, DOCUMENT_ID_BYTES, "%s-%s-%u-%llu", period, node, file, (unsigned long long)position);

	return n > 0 && n < DOCUMENT_ID_BYTES;
}

/* The reference takes packetPos[1], which is the first position when there is a file marker in front. */
static bool
has_stored_packet(const struct formatter *f, const struct record *r, struct record_position *first)
{
	struct record_position_iterator it;

	if (f->conf.dry_run)
		return false;
	record_positions_begin(r, &it);
	return record_positions_next(&it, first) && first->file != 0;
}

void
document_id_write(struct formatter *f, const struct record *r, struct document *out)
{
	const char *period = period_of(f, r->summary.last_ns);
	struct record_position first;

	memcpy(out->index_period, period, sizeof(out->index_period));
	if (f->conf.id_style == DOCUMENT_ID_CONSISTENT && has_stored_packet(f, r, &first) &&
	    consistent_id(f, period, first.file, first.position, out->id))
		return;
	random_id(f, period, r->summary.id, out->id);
}

void
document_root_id(struct formatter *f, const struct record *r, const char *own_id, char out[DOCUMENT_ID_BYTES])
{
	const struct record_summary *s = &r->summary;
	char period[DOCUMENT_PERIOD_BYTES];

	/* The first document of the session is its own root. */
	if (memcmp(s->id, s->root_id, sizeof(s->id)) == 0) {
		memcpy(out, own_id, DOCUMENT_ID_BYTES);
		return;
	}
	document_period(f->conf.rotate_index, s->root_last_ns, period);
	if (f->conf.id_style == DOCUMENT_ID_CONSISTENT && !f->conf.dry_run && s->root_file != 0 &&
	    consistent_id(f, period, s->root_file, s->root_position, out))
		return;
	random_id(f, period, s->root_id, out);
}
