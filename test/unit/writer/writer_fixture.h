/* What the writer's tests share: a writer with its streams, file numbers and events; packets made from a seed; and the
 * check that every one of them is where its position says. */
#ifndef WRITER_FIXTURE_H
#define WRITER_FIXTURE_H

#include <fcntl.h>
#include <ftw.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_ring.h>

#include "clock.h"
#include "test.h"
#include "writer_priv.h"

enum { FIXTURE_STREAMS = 4, FIXTURE_EVENTS = 1024, FIXTURE_FILES = 1024, FIXTURE_PACKETS = 20000 };

struct stored {
	uint64_t seed, time_ns, position;
	uint32_t file, length, wire;
	uint16_t link_type;
	bool nanoseconds;
};

struct fixture {
	struct writer_conf conf;
	struct writer_params params;
	struct writer *writer;
	struct writer_stream *stream[FIXTURE_STREAMS];
	struct counters counters[FIXTURE_STREAMS];
	struct rte_ring *events;
	char directory[64];
	const char *item[4];
	_Atomic uint32_t numbers; /* taken so far */
	uint32_t numbers_max;	  /* then: none ready */
	struct file_event *created[FIXTURE_FILES], *closed[FIXTURE_FILES];
	unsigned n_created, n_closed;
	struct stored *stored;
	unsigned n_stored;
	uint64_t now_ns;
};

static inline uint64_t
fixture_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline void
fixture_bytes(uint64_t seed, uint8_t *out, uint32_t length)
{
	for (uint32_t i = 0; i < length; i += 8) {
		uint64_t v = fixture_random(&seed);

		memcpy(out + i, &v, length - i < 8 ? length - i : 8);
	}
}

static inline uint32_t
fixture_number(void *context)
{
	struct fixture *f = context;

	if (atomic_load(&f->numbers) >= f->numbers_max)
		return 0;
	return atomic_fetch_add(&f->numbers, 1) + 1;
}

/* A small pool and small files, so that blocks run out and files rotate. */
static inline void
fixture_init(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	test_eal();
	snprintf(f->directory, sizeof(f->directory), "/var/tmp/shrike-writer-XXXXXX");
	if (mkdtemp(f->directory) == NULL)
		abort();
	f->item[0] = f->directory;
	f->conf = (struct writer_conf){
		.directories = {.item = f->item, .n = 1},
		.file_size_max_gib = 0.01,
		.snap_length = 16384,
		.wire_length = true,
		.gap_positions = true,
		.lock_input_files = true,
		.effective_method = WRITER_SIMPLE,
		.node = "node1",
	};
	f->events = rte_ring_create("test_events", FIXTURE_EVENTS, SOCKET_ID_ANY, RING_F_SC_DEQ);
	f->stored = calloc(FIXTURE_PACKETS, sizeof(*f->stored));
	f->numbers_max = UINT32_MAX;
	f->params = (struct writer_params){
		.conf = &f->conf,
		.n_workers = 1,
		.file_events = f->events,
		.take_number = fixture_number,
		.number_context = f,
		.socket = SOCKET_ID_ANY,
	};
}

static inline bool
fixture_start(struct fixture *f, unsigned n_workers)
{
	char why[256];

	f->params.n_workers = n_workers;
	f->writer = writer_create(&f->params, why, sizeof(why));
	if (f->writer == NULL) {
		printf("writer_create: %s\n", why);
		return false;
	}
	for (unsigned i = 0; i < n_workers; i++) {
		counters_attach(&f->counters[i], "test worker");
		f->stream[i] = writer_stream_create(f->writer, i, &f->counters[i]);
		if (f->stream[i] == NULL)
			return false;
	}
	return true;
}

static inline void
fixture_take_events(struct fixture *f)
{
	void *p;

	while (rte_ring_dequeue(f->events, &p) == 0) {
		struct file_event *e = p;

		if (e->closing)
			f->closed[f->n_closed++] = e;
		else
			f->created[f->n_created++] = e;
	}
}

static inline void
fixture_tick(struct fixture *f, uint64_t step_ns)
{
	f->now_ns += step_ns;
	for (unsigned i = 0; i < f->params.n_workers; i++)
		writer_stream_tick(f->stream[i], f->now_ns);
}

/* Polls until everything that was handed over is done. */
static inline void
fixture_settle(struct fixture *f)
{
	do {
		if (writer_poll(f->writer) == 0)
			usleep(100);
		fixture_take_events(f);
	} while (!writer_idle(f->writer));
}

static inline void
fixture_finish(struct fixture *f)
{
	for (unsigned i = 0; i < f->params.n_workers; i++)
		while (!writer_stream_finish(f->stream[i]))
			writer_poll(f->writer);
	fixture_settle(f);
}

static inline int
fixture_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void
fixture_stop(struct fixture *f)
{
	for (unsigned i = 0; i < f->params.n_workers; i++)
		writer_stream_destroy(f->stream[i]);
	writer_destroy(f->writer);
	fixture_take_events(f);
	for (unsigned i = 0; f->stream[0] != NULL && i < f->params.n_workers; i++)
		counters_detach(&f->counters[i]);
	for (unsigned i = 0; i < f->n_created; i++)
		file_event_free(f->created[i]);
	for (unsigned i = 0; i < f->n_closed; i++)
		file_event_free(f->closed[i]);
	rte_ring_free(f->events);
	free(f->stored);
	nftw(f->directory, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* A packet of 'length' bytes for link type and resolution; its bytes are in a static buffer. */
static inline struct packet
fixture_packet(uint64_t seed, uint32_t length, uint64_t time_ns)
{
	static _Thread_local uint8_t bytes[PACKET_BYTES_MAX + 8];

	fixture_bytes(seed, bytes, length);
	return (struct packet){
		.data = bytes,
		.time_ns = time_ns,
		.captured_bytes = length,
		.store_bytes = length,
		.wire_bytes = length + (uint32_t)(seed % 3) * 7,
		.link_type = LINK_ETHERNET,
	};
}

static inline void
fixture_note(struct fixture *f, const struct packet *p, uint64_t seed)
{
	f->stored[f->n_stored++] = (struct stored){
		.seed = seed,
		.time_ns = p->time_ns,
		.position = p->position,
		.file = p->file,
		.length = p->captured_bytes,
		.wire = p->wire_bytes,
		.link_type = p->link_type,
		.nanoseconds = p->has_nanoseconds,
	};
}

/* Appends as a worker in a replay does: waits while there is no room. */
static inline void
fixture_append(struct fixture *f, unsigned stream, struct packet *p, uint64_t seed, uint32_t session_file)
{
	while (!writer_stream_room(f->stream[stream], 1) || !writer_append(f->stream[stream], p, session_file))
		writer_poll(f->writer);
	if (p->position != 0)
		fixture_note(f, p, seed);
}

static inline const struct file_event *
fixture_event(struct file_event *const *events, unsigned n, uint32_t number)
{
	for (unsigned i = 0; i < n; i++)
		if (events[i]->number == number)
			return events[i];
	return NULL;
}

static inline bool
fixture_read(int fd, void *out, size_t size, uint64_t offset)
{
	return pread(fd, out, size, (off_t)offset) == (ssize_t)size;
}

/* The packet is at its position: header, bytes, time, lengths. */
static inline bool
fixture_is_there(const struct stored *s, int fd, bool wire_length)
{
	static uint8_t want[PACKET_BYTES_MAX + 8], got[PACKET_BYTES_MAX + 8];
	uint32_t record[4], fraction = (uint32_t)(s->time_ns % NS_PER_S), magic;

	if (!fixture_read(fd, &magic, 4, 0) || !fixture_read(fd, record, sizeof(record), s->position) ||
	    !fixture_read(fd, got, s->length, s->position + sizeof(record)))
		return false;
	fixture_bytes(s->seed, want, s->length);
	return magic == (s->nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4) && record[0] == s->time_ns / NS_PER_S &&
	       record[1] == (s->nanoseconds ? fraction : fraction / 1000) && record[2] == s->length &&
	       record[3] == (wire_length ? s->wire : s->length) && memcmp(want, got, s->length) == 0;
}

/* Every stored packet read back from the file that the documents name. Returns how many are not there. */
static inline unsigned
fixture_missing(struct fixture *f)
{
	unsigned missing = 0;
	uint32_t number = 0;
	int fd = -1;

	for (unsigned i = 0; i < f->n_stored; i++) {
		const struct stored *s = &f->stored[i];

		if (s->file != number) {
			const struct file_event *e = fixture_event(f->created, f->n_created, s->file);

			if (fd >= 0)
				close(fd);
			fd = e != NULL ? open(e->name, O_RDONLY | O_CLOEXEC) : -1;
			number = s->file;
		}
		if (fd < 0 || !fixture_is_there(s, fd, f->conf.wire_length))
			missing++;
	}
	if (fd >= 0)
		close(fd);
	return missing;
}

/* libpcap reads the packets of one file, all of them and no others, in the order in which they were stored. */
static inline bool
fixture_pcap_agrees(const struct fixture *f, const struct file_event *e)
{
	static uint8_t want[PACKET_BYTES_MAX + 8];
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline_with_tstamp_precision(e->name, PCAP_TSTAMP_PRECISION_NANO, error);
	struct pcap_pkthdr *header;
	const u_char *bytes;
	bool good = pcap != NULL;

	for (unsigned i = 0; i < f->n_stored && good; i++) {
		const struct stored *s = &f->stored[i];
		uint64_t ns = s->nanoseconds ? s->time_ns : s->time_ns / 1000 * 1000;

		if (s->file != e->number)
			continue;
		fixture_bytes(s->seed, want, s->length);
		good = pcap_next_ex(pcap, &header, &bytes) == 1 && header->caplen == s->length &&
		       header->len == s->wire &&
		       (uint64_t)header->ts.tv_sec * NS_PER_S + (uint64_t)header->ts.tv_usec == ns &&
		       memcmp(bytes, want, s->length) == 0;
	}
	good = good && pcap_next_ex(pcap, &header, &bytes) == PCAP_ERROR_BREAK;
	if (pcap != NULL)
		pcap_close(pcap);
	return good;
}

static inline uint64_t
fixture_file_bytes(const char *name)
{
	struct stat st;

	return stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
}

#endif
