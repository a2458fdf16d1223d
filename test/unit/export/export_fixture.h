/* What the tests of lib/export share: a folder, a conf whose paths are in it, batches made by hand. */
#ifndef EXPORT_FIXTURE_H
#define EXPORT_FIXTURE_H

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export.h"
#include "test.h"

struct fixture {
	char folder[64];
	char path[4096];
	struct conf *conf;
	struct document_conf document;
	struct export_conf export_conf;
};

static inline int
fixture_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

/* A path in the fixture's folder, until the next call. */
static inline const char *
fixture_path(struct fixture *f, const char *name)
{
	snprintf(f->path, sizeof(f->path), "%s/%s", f->folder, name);
	return f->path;
}

/* 'settings': "key=value", NULL at the end; later ones win. False: the folder or the conf cannot be made. */
static inline bool
fixture_load(struct fixture *f, const char *const *settings)
{
	char sqlite_file[128], ndjson_file[128], state[128], spool[128];
	const char *overrides[16] = {sqlite_file, ndjson_file, state, spool};
	struct conf_params params = {.node = "test", .overrides = overrides, .n_overrides = 4};

	snprintf(sqlite_file, sizeof(sqlite_file), "sqliteFile=%s/store/s.sqlite", f->folder);
	snprintf(ndjson_file, sizeof(ndjson_file), "ndjsonFile=%s/lines/s.ndjson", f->folder);
	snprintf(state, sizeof(state), "stateDir=%s/state", f->folder);
	snprintf(spool, sizeof(spool), "spoolDir=%s/spool", f->folder);
	while (settings != NULL && *settings != NULL && params.n_overrides < 16)
		overrides[params.n_overrides++] = *settings++;
	f->conf = conf_load(&params, stderr);
	if (f->conf == NULL)
		return false;
	conf_fill(f->conf, &export_settings_group, &f->export_conf);
	conf_fill(f->conf, &document_settings_group, &f->document);
	f->document.node = "test";
	f->document.process_id = (uint16_t)getpid();
	return true;
}

static inline bool
fixture_init(struct fixture *f, const char *const *settings)
{
	*f = (struct fixture){.folder = "/tmp/shrike-export-XXXXXX"};
	return fields_init() && mkdtemp(f->folder) != NULL && fixture_load(f, settings);
}

static inline void
fixture_fini(struct fixture *f)
{
	conf_destroy(f->conf);
	nftw(f->folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const struct sink_kind *
fixture_kind(const char *name)
{
	REGISTRY_FOREACH (sink_kind, struct sink_kind, slot)
		if (strcmp((*slot)->name, name) == 0)
			return *slot;
	return NULL;
}

/* A sink without a thread: the test makes its calls. */
static inline void *
fixture_sink(struct fixture *f, const char *name, const char *target, char *why, size_t why_size)
{
	struct sink_params params = {.conf = f->conf, .document = &f->document, .target = target};

	return fixture_kind(name)->create(&params, why, why_size);
}

enum { MADE_ROWS_MAX = 512 };

struct made {
	struct export_batch batch;
	struct export_row row[MADE_ROWS_MAX];
	uint64_t bits[MADE_ROWS_MAX / 64];
	struct sink_batch sink;
};

/* "261121-" and a number that looks random and is another for every sequence. */
static inline void
made_id(uint64_t sequence, char *out, size_t size)
{
	snprintf(out, size, "261121-%016" PRIx64 "%08" PRIx64, sequence * UINT64_C(0x9e3779b97f4a7c15), sequence);
}

static inline void
made_row(struct export_batch *b, uint64_t sequence)
{
	struct export_row *row = &b->row[b->n_rows++];

	*row = (struct export_row){.json_offset = (uint32_t)b->text_bytes,
				   .packets = 3,
				   .bytes = 1000,
				   .data_bytes = 500,
				   .first_ms = 1700000000000 + (int64_t)sequence,
				   .last_ms = 1700000001000 + (int64_t)sequence,
				   .port = {40000, 443},
				   .ip_version = 4,
				   .ip_protocol = 6,
				   .index_period = "261121",
				   .community_id = "1:abc=",
				   .protocols = "tcp;tls"};
	for (unsigned side = 0; side < 2; side++) {
		uint8_t *address = row->address[side];

		address[10] = address[11] = 0xff;
		address[12] = side == 0 ? 10 : 192;
		address[13] = (uint8_t)(sequence >> 16);
		address[14] = (uint8_t)(sequence >> 8);
		address[15] = (uint8_t)sequence;
	}
	made_id(sequence, row->id, sizeof(row->id));
	row->json_bytes = (uint32_t)snprintf(b->text + b->text_bytes, 256, "{\"sequence\":%" PRIu64 ",\"id\":\"%s\"}",
					     sequence, row->id);
	b->text_bytes += row->json_bytes;
	b->text[b->text_bytes++] = '\n';
}

/* Rows of sequence first .. first + n - 1. To be freed with made_free(). */
static inline struct made *
made_batch(uint64_t first, unsigned n)
{
	struct made *m = calloc(1, sizeof(*m));

	m->batch = (struct export_batch){.text = malloc(MADE_ROWS_MAX * 256), .row = m->row, .first_sequence = first};
	for (unsigned i = 0; i < n; i++)
		made_row(&m->batch, first + i);
	m->sink = (struct sink_batch){.batch = &m->batch, .rejected = m->bits};
	return m;
}

static inline void
made_free(struct made *m)
{
	free(m->batch.text);
	free(m);
}

/* Writes them through a sink of fixture_sink(), waiting while the store is busy. */
static inline int
made_write(const struct sink_kind *kind, void *state, uint64_t first, unsigned n)
{
	struct made *m = made_batch(first, n);
	int rc;

	while ((rc = kind->write(state, &m->sink, 1)) == -EBUSY)
		usleep(1000);
	made_free(m);
	return rc;
}

#endif
