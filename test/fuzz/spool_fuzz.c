/* libFuzzer: a sink's spool as a former run, or somebody else, left it.
 *
 *   1 byte   1: as files in a folder; else each entry by itself; 2: a file that says how far it was answered: of
 * segment 1, up to 2 bytes of offset then pieces: 1 byte of kind, 2 bytes little endian of length, that many bytes
 *
 * Kinds: rows and documents, a files document, and any bytes; 4: the checksum is wrong; 8: another segment begins. But
 * for that checksums are right, as nothing else comes far. Everything that is found is read or counted as lost, what is
 * read lies within its entry, and nothing is left. */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "spool_priv.h"

enum {
	IN_FOLDER = 1,
	HAS_POSITION = 2,

	KINDS = 3, /* 0: any bytes */
	WRONG_CHECKSUM = 4,
	NEXT_SEGMENT = 8,

	SEGMENTS_MAX = 4,
	READ_AT_ONCE = 3,
	SEGMENT_ROOM = 1 << 20,
};

static struct {
	char parent[64], folder[80];
	uint8_t segment[SEGMENT_ROOM];
	size_t used;
	unsigned n_segments;
	uint64_t lost, read;
} fuzz;

static volatile uint8_t sink;

static void
path_of(unsigned number, char *out, size_t size)
{
	snprintf(out, size, "%s/%012u.spool", fuzz.folder, number);
}

static void
clear_folder(void)
{
	char path[128];

	for (unsigned i = 1; i <= SEGMENTS_MAX + 1; i++) {
		path_of(i, path, sizeof(path));
		(void)unlink(path);
	}
	snprintf(path, sizeof(path), "%s/position", fuzz.folder);
	(void)unlink(path);
}

static void
remove_folder(void)
{
	clear_folder();
	(void)rmdir(fuzz.folder);
	(void)rmdir(fuzz.parent);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_set_level(LOG_LEVEL_ERROR);
	snprintf(fuzz.parent, sizeof(fuzz.parent), "/dev/shm/shrike-spool-fuzz.XXXXXX");
	fuzz_require(mkdtemp(fuzz.parent) != NULL, "a folder in memory");
	snprintf(fuzz.folder, sizeof(fuzz.folder), "%s/fuzz.0", fuzz.parent);
	fuzz_require(mkdir(fuzz.folder, 0700) == 0, "a folder in memory");
	atexit(remove_folder);
	return 0;
}

/* ---- What is read */

static void
touch(const void *bytes, size_t size)
{
	const uint8_t *b = bytes;
	uint8_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + b[i]);
	sink = sum;
}

static void
check_row(const struct export_batch *b, const struct export_row *r)
{
	fuzz_require((uint64_t)r->json_offset + r->json_bytes < b->text_bytes, "a document lies in the text");
	touch(&b->text[r->json_offset], r->json_bytes + 1u);
	fuzz_require(memchr(r->id, '\0', sizeof(r->id)) != NULL &&
			     memchr(r->index_period, '\0', sizeof(r->index_period)) != NULL &&
			     memchr(r->community_id, '\0', sizeof(r->community_id)) != NULL &&
			     memchr(r->protocols, '\0', sizeof(r->protocols)) != NULL,
		     "texts end");
}

static void
check_entry(const struct spool_entry *e)
{
	if (e->is_file) {
		touch(e->file.name, strlen(e->file.name));
		return;
	}
	touch(e->batch.text, e->batch.text_bytes);
	for (unsigned i = 0; i < e->batch.n_rows; i++)
		check_row(&e->batch, &e->batch.row[i]);
}

/* ---- Pieces into bytes */

/* Header, checksum and the bytes behind them. */
static size_t
make_entry(unsigned kind, struct cursor bytes, bool is_wrong, uint8_t *out)
{
	struct spool_entry_header header = {.magic = SPOOL_ENTRY_MAGIC, .kind = kind & 3};
	size_t size;
	const uint8_t *payload;

	if (header.kind == SPOOL_BATCH)
		header.n_rows = cursor_u8(&bytes);
	size = cursor_left(&bytes);
	payload = cursor_take(&bytes, size);
	header.payload_bytes = size;
	header.checksum = spool_checksum(payload, size, spool_checksum(&header, sizeof(header), 0));
	header.checksum ^= is_wrong;
	memcpy(out, &header, sizeof(header));
	memcpy(out + sizeof(header), payload, size);
	return sizeof(header) + size;
}

static void
decode(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size);
	struct spool_entry_header header;
	struct export_row *row;
	struct spool_entry out;

	fuzz_require(copy != NULL, "memory");
	memcpy(copy, bytes, size);
	if (spool_entry_is_whole(copy, size)) {
		memcpy(&header, copy, sizeof(header));
		row = calloc(header.n_rows + (header.n_rows == 0), sizeof(*row));
		fuzz_require(row != NULL, "memory");
		if (spool_decode(copy, size, row, header.n_rows, &out))
			check_entry(&out);
		free(row);
	}
	free(copy);
}

static void
write_segment(void)
{
	static const struct spool_segment_header header = {
		.magic = "SHRKSPL", .version = SPOOL_VERSION, .byte_order = SPOOL_BYTE_ORDER};
	char path[128];
	int fd;

	path_of(++fuzz.n_segments, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	fuzz_require(fd >= 0 && write(fd, &header, sizeof(header)) == (ssize_t)sizeof(header) &&
			     write(fd, fuzz.segment, fuzz.used) == (ssize_t)fuzz.used,
		     "a segment in memory");
	close(fd);
	fuzz.used = 0;
}

static void
take_pieces(struct cursor in, bool in_folder)
{
	fuzz.used = 0;
	fuzz.n_segments = 0;
	while (cursor_left(&in) > 3) {
		unsigned kind = cursor_u8(&in);
		size_t size = cursor_le16(&in), left = cursor_left(&in);
		struct cursor bytes = cursor_sub(&in, size < left ? size : left);

		size = cursor_left(&bytes);
		if (fuzz.used + size + sizeof(struct spool_entry_header) > SEGMENT_ROOM)
			break;
		if ((kind & 3) % KINDS == 0) {
			memcpy(&fuzz.segment[fuzz.used], cursor_take(&bytes, size), size);
			if (!in_folder)
				decode(fuzz.segment, size);
		} else {
			size = make_entry(kind, bytes, (kind & WRONG_CHECKSUM) != 0, &fuzz.segment[fuzz.used]);
			if (!in_folder)
				decode(&fuzz.segment[fuzz.used], size);
		}
		if (in_folder)
			fuzz.used += size;
		if (in_folder && (kind & NEXT_SEGMENT) != 0 && fuzz.n_segments + 1 < SEGMENTS_MAX)
			write_segment();
	}
	if (in_folder)
		write_segment();
}

/* ---- The folder */

static void
write_position(uint16_t offset)
{
	struct spool_position p = {.number = 1, .offset = offset};
	char path[128];
	int fd;

	spool_position_seal(&p);
	snprintf(path, sizeof(path), "%s/position", fuzz.folder);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	fuzz_require(fd >= 0 && write(fd, &p, sizeof(p)) == (ssize_t)sizeof(p), "a file in memory");
	close(fd);
}

static void
count_lost(struct spool_ticket *ticket, unsigned documents, void *context)
{
	(void)context;
	fuzz_require(ticket == NULL, "what a former run left has no ticket");
	fuzz.lost += documents;
}

static void
read_folder(void)
{
	const struct spool_params params = {
		.directory = fuzz.parent, .sink = "fuzz", .max_bytes = 64 << 20, .lost = count_lost};
	struct spool_numbers numbers;
	struct spool_entry *entry;
	char why[256];
	struct spool *s = spool_create(&params, why, sizeof(why));
	uint64_t found;
	int n;

	fuzz_require(s != NULL, why);
	spool_numbers(s, &numbers);
	found = numbers.found_documents;
	fuzz.lost = fuzz.read = 0;
	while ((n = spool_read(s, READ_AT_ONCE, &entry)) > 0) {
		unsigned some = ((unsigned)n + 1) / 2; /* the others come again */

		for (unsigned i = 0; i < (unsigned)n; i++) {
			check_entry(&entry[i]);
			if (i < some)
				fuzz.read += entry[i].is_file ? 0 : entry[i].batch.n_rows;
		}
		spool_consume(s, some);
	}
	fuzz_require(n == 0, "it can be read");
	spool_numbers(s, &numbers);
	fuzz_require(found == fuzz.read + fuzz.lost, "what was found is read or lost");
	fuzz_require(numbers.documents == 0 && numbers.former_documents == 0 && spool_entries(s) == 0 &&
			     spool_file_entries(s) == 0 && numbers.bytes == 0,
		     "nothing is left");
	spool_destroy(s, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct cursor in = cursor_make(bytes, size);
	unsigned flags = cursor_u8(&in);
	uint16_t offset = flags & HAS_POSITION ? cursor_le16(&in) : 0;

	if (cursor_bad(&in))
		return -1;
	take_pieces(in, (flags & IN_FOLDER) != 0);
	if ((flags & IN_FOLDER) == 0)
		return 0;
	if ((flags & HAS_POSITION) != 0)
		write_position(offset);
	read_folder();
	clear_folder();
	return 0;
}
