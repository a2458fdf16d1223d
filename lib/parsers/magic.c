/* Media types by first bytes.
 *
 * A table of ours knows what the web and mail carry most, in a few comparisons: rows are found by their first byte, and
 * the first row that fits wins. libmagic knows thousands more and takes a hundred times as long; it sees 50 bytes,
 * which bounds that. Which of the two is asked, and in which order, is the setting's. */
#include "magic_priv.h"

#include <errno.h>
#include <magic.h>
#include <stdlib.h>

#include "cursor.h"
#include "log.h"
#include "text.h"

enum { BYTES_MIN = 5, LIBMAGIC_BYTES_MAX = 50, TYPE_BYTES = 128, FIRST_BYTES = 256 };

struct magic_row {
	const char *bytes; /* at offset 0 */
	uint8_t n_bytes;
	uint8_t longer_than;
	bool any_case;
	const char *type;		    /* or, when NULL: */
	const char *(*look)(struct cursor); /* NULL: the next row */
};

static const char *const words[] = {"both", "libmagic", "libmagicnotext", "basic", "none", "molochmagic", NULL};
enum { WORD_MOLOCHMAGIC = 5 };

struct magic_settings {
	int mode;
};
static const struct setting settings[] = {
	SETTING_ENUM(struct magic_settings, mode, "magicMode", "both", words,
		     "how media types of bodies and files are found: by a table of ours (basic), by libmagic"),
};
SETTINGS(magic, "Media types", settings);

/* ---- The table of ours */

static bool
has(struct cursor c, size_t offset, const char *bytes, size_t n)
{
	const uint8_t *p;

	cursor_skip(&c, offset);
	p = cursor_take(&c, n);
	return p != NULL && memcmp(p, bytes, n) == 0;
}
#define HAS(c, offset, literal) has(c, offset, literal, sizeof(literal) - 1)

static bool
contains(struct cursor c, const char *text)
{
	return text_find(c.p, cursor_left(&c), text) >= 0;
}

static const char *
look_ftyp(struct cursor c)
{
	if (!HAS(c, 4, "ftyp"))
		return NULL;
	/* ISO 14496-12 4.3: the major brand. */
	return HAS(c, 8, "qt") ? "video/quicktime" : HAS(c, 8, "3g") ? "video/3gpp" : NULL;
}

static const char *
look_ebml(struct cursor c)
{
	return contains(c, "webm") ? "video/webm" : contains(c, "matroska") ? "video/x-matroska" : NULL;
}

static const char *
look_script(struct cursor c)
{
	if (contains(c, "node"))
		return "application/javascript";
	if (contains(c, "perl"))
		return "text/x-perl";
	if (contains(c, "ruby"))
		return "text/x-ruby";
	return contains(c, "python") ? "text/x-python" : "text/x-shellscript";
}

static const char *
look_xml(struct cursor c)
{
	return contains(c, "<svg") ? "image/svg+xml" : "text/xml";
}

static const char *
look_json(struct cursor c)
{
	uint8_t letter = cursor_peek(&c, 2);

	return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ? "application/json" : NULL;
}

/* ISO 13818-1 2.4.3: packets of 188 bytes. */
static const char *
look_transport_stream(struct cursor c)
{
	return cursor_left(&c) > 188 && cursor_peek(&c, 2) == 0 && cursor_peek(&c, 188) == 'G' ? "video/mp2t" : NULL;
}

static const char *
look_ogg(struct cursor c)
{
	if (HAS(c, 28, "Speex   ") || HAS(c, 29, "FLAC") || HAS(c, 28, "\001vorbis"))
		return "audio/ogg";
	return HAS(c, 28, "\200theora") ? "video/ogg" : NULL;
}

static const char *
look_riff(struct cursor c)
{
	return HAS(c, 8, "WEBP") ? "image/webp" : HAS(c, 8, "AVI ") ? "video/x-msvideo" : "audio/x-wav";
}

/* e_type in the byte order that EI_DATA says; 3: a shared object. */
static const char *
look_elf(struct cursor c)
{
	return cursor_peek(&c, cursor_peek(&c, 5) == 2 ? 17 : 16) == 3 ? "application/x-sharedlib"
								       : "application/x-executable";
}

/* Java classes and universal Mach-O begin alike: the one has its version there, the other a small number of parts. */
static const char *
look_cafebabe(struct cursor c)
{
	return HAS(c, 4, "\0\0\0") && cursor_left(&c) > 7 && cursor_peek(&c, 7) < 0x20 ? "application/x-mach-binary"
										       : "application/x-java-applet";
}

#define BYTES(literal) .bytes = (literal), .n_bytes = sizeof(literal) - 1

/* By first byte, which only helps the reader; of those that begin alike the first that fits wins. */
static const struct magic_row rows[] = {
	{BYTES("\0"), .longer_than = 10, .look = look_ftyp},
	{BYTES("\0\1\0\0\0"), .type = "application/x-font-ttf"},
	{BYTES("\0\0\2\0\1\0"), .type = "image/x-win-bitmap"},
	{BYTES("\0asm"), .type = "application/wasm"},
	{BYTES("\x04\x22\x4d\x18"), .type = "application/x-lz4"},
	{BYTES("\x1a\x45\xdf\xa3"), .look = look_ebml},
	{BYTES("\x1f\x8b"), .type = "application/x-gzip"},
	{BYTES("\x1f\x9d"), .type = "application/x-compress"},
	{BYTES("!<arch>\ndebian-binary"), .type = "application/x-debian-package"},
	{BYTES("#!"), .look = look_script},
	{BYTES("%PDF-"), .type = "application/pdf"},
	{BYTES("%!PS"), .type = "application/postscript"},
	{BYTES("\x28\xb5\x2f\xfd"), .type = "application/zstd"},
	{BYTES("7z\xbc\xaf\x27\x1c"), .type = "application/x-7z-compressed"},
	{BYTES("8BPS"), .type = "image/vnd.adobe.photoshop"},
	{BYTES("<!doctype html"), .any_case = true, .type = "text/html"},
	{BYTES("<!doctype svg"), .any_case = true, .type = "text/svg+xml"},
	{BYTES("<?xml"), .any_case = true, .look = look_xml},
	{BYTES("<?php"), .any_case = true, .type = "text/x-php"},
	{BYTES("<? php"), .any_case = true, .type = "text/x-php"},
	{BYTES("<body"), .any_case = true, .type = "text/html"},
	{BYTES("<head"), .any_case = true, .type = "text/html"},
	{BYTES("<html"), .any_case = true, .type = "text/html"},
	{BYTES("<svg"), .any_case = true, .type = "image/svg"},
	{BYTES("BM"), .type = "application/x-ms-bmp"},
	{BYTES("BZh"), .type = "application/x-bzip2"},
	{BYTES("CWS"), .type = "application/x-shockwave-flash"},
	{BYTES("FWS"), .type = "application/x-shockwave-flash"},
	{BYTES("FLV\1"), .type = "video/x-flv"},
	{BYTES("GIF8"), .type = "image/gif"},
	{BYTES("G"), .look = look_transport_stream},
	{BYTES("ID3"), .type = "audio/mpeg"},
	{BYTES("II*\0"), .type = "image/tiff"},
	{BYTES("L\0\0\0\1\x14\2\0"), .type = "application/x-ms-shortcut"},
	{BYTES("MM\0*"), .type = "image/tiff"},
	{BYTES("MZ"), .type = "application/x-dosexec"},
	{BYTES("MSCF\0\0"), .type = "application/vnd.ms-cab-compressed"},
	{BYTES("M<\xb2\xa1"), .type = "application/vnd.tcpdump.pcap"},
	{BYTES("OggS"), .longer_than = 40, .look = look_ogg},
	{BYTES("OTTO"), .type = "application/vnd.ms-opentype"},
	{BYTES("PK\3\4"), .type = "application/zip"},
	{BYTES("PK\5\6"), .type = "application/zip"},
	{BYTES("PK\7\x08PK"), .type = "application/zip"},
	{BYTES("RIFF"), .look = look_riff},
	{BYTES("Rar!\x1a"), .type = "application/x-rar"},
	{BYTES("SQLite format 3"), .type = "application/vnd.sqlite3"},
	{BYTES("WAVE"), .type = "audio/x-wav"},
	{BYTES("d8:announce"), .type = "application/x-bittorrent"},
	{BYTES("fLaC"), .type = "audio/flac"},
	{BYTES("icns"), .type = "image/x-icns"},
	{BYTES("wOFF"), .type = "application/font-woff"},
	{BYTES("wOF2"), .type = "application/font-woff2"},
	{BYTES("{\""), .look = look_json},
	{BYTES("{\\rtf"), .type = "text/rtf"},
	{BYTES("\x7f"
	       "ELF"),
	 .longer_than = 17, .look = look_elf},
	{BYTES("\x89PNG"), .type = "image/png"},
	{BYTES("\xa1\xb2\xc3\xd4"), .type = "application/vnd.tcpdump.pcap"},
	{BYTES("\xa1\xb2\x3c\x4d"), .type = "application/vnd.tcpdump.pcap"},
	{BYTES("\xca\xfe\xba\xbe"), .look = look_cafebabe},
	{BYTES("\xce\xfa\xed\xfe"), .type = "application/x-mach-binary"},
	{BYTES("\xcf\xfa\xed\xfe"), .type = "application/x-mach-binary"},
	{BYTES("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), .type = "application/x-ole-storage"},
	{BYTES("\xd4\xc3\xb2\xa1"), .type = "application/vnd.tcpdump.pcap"},
	{BYTES("\xed\xab\xee\xdb"), .longer_than = 10, .type = "application/x-rpm"},
	{BYTES("\xfd"
	       "7zXZ"),
	 .type = "application/x-xz"},
	{BYTES("\xfe\xed\xfa\xce"), .type = "application/x-mach-binary"},
	{BYTES("\xfe\xed\xfa\xcf"), .type = "application/x-mach-binary"},
	{BYTES("\xff\xd8\xff"), .longer_than = 10, .type = "image/jpeg"},
};
enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };
_Static_assert(N_ROWS < UINT8_MAX, "places in a byte");

/* What libmagic said of bodies that began like this: it takes 200 us, and servers send the same again and again. Each
 * beginning has WAYS places, of which the one filled longest ago makes room. Memory is touched as it fills, 750 KB. */
enum { ANSWER_SETS = 1024, WAYS = 4 };

struct answer {
	uint8_t size; /* of 'bytes'; 0: the place is empty */
	uint8_t bytes[LIBMAGIC_BYTES_MAX];
	char type[TYPE_BYTES]; /* "": none */
};

struct magic {
	enum magic_mode mode;
	magic_t libmagic;			  /* NULL: not asked */
	uint8_t first[FIRST_BYTES], next[N_ROWS]; /* place + 1 of a row; 0: none */
	uint8_t next_way[ANSWER_SETS];
	struct answer answer[ANSWER_SETS][WAYS];
};

/* Chains the rows of each first byte in the order of the table. */
static void
index_rows(struct magic *m)
{
	for (unsigned i = N_ROWS; i-- > 0;) {
		uint8_t byte = (uint8_t)rows[i].bytes[0];

		m->next[i] = m->first[byte];
		m->first[byte] = (uint8_t)(i + 1);
	}
}

static bool
row_fits(const struct magic_row *row, const struct cursor *c)
{
	if (cursor_left(c) <= row->longer_than || cursor_left(c) < row->n_bytes)
		return false;
	return row->any_case ? text_starts_nocase(c, row->bytes) : memcmp(c->p, row->bytes, row->n_bytes) == 0;
}

static const char *
basic(const struct magic *m, struct cursor c)
{
	for (unsigned i = m->first[cursor_peek(&c, 0)]; i != 0; i = m->next[i - 1]) {
		const struct magic_row *row = &rows[i - 1];
		const char *type;

		if (!row_fits(row, &c))
			continue;
		type = row->type != NULL ? row->type : row->look(c);
		if (type != NULL)
			return type;
	}
	if (HAS(c, 257, "ustar"))
		return "application/x-tar";
	return contains(c, "document.write") || contains(c, "'use strict'") ? "text/javascript" : NULL;
}

/* ---- libmagic */

static magic_t
libmagic_open(enum magic_mode mode)
{
	int flags = MAGIC_MIME | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_TAR | MAGIC_NO_CHECK_APPTYPE |
		    MAGIC_NO_CHECK_ELF | MAGIC_NO_CHECK_TOKENS | MAGIC_NO_CHECK_CDF;
	magic_t cookie = magic_open(flags | (mode == MAGIC_MODE_LIBMAGIC_NO_TEXT ? MAGIC_NO_CHECK_TEXT : 0));

	if (cookie == NULL)
		return NULL;
	if (magic_load(cookie, NULL) == 0)
		return cookie;
	LOG_ERROR("magic.load", "error=\"%s\": magicMode=basic does without libmagic's database", magic_error(cookie));
	magic_close(cookie);
	errno = ENOENT;
	return NULL;
}

static void
ask_libmagic(struct magic *m, struct answer *answer, struct cursor c)
{
	size_t size = cursor_left(&c);
	struct cursor text, stem;
	const char *type;

	answer->size = (uint8_t)size;
	memcpy(answer->bytes, c.p, size);
	type = magic_buffer(m->libmagic, c.p, size);
	text = cursor_make(type != NULL ? type : "", type != NULL ? strnlen(type, TYPE_BYTES - 1) : 0);
	stem = text;
	stem = cursor_until(&stem, ';');
	if (!cursor_bad(&stem))
		text = stem;
	memcpy(answer->type, text.p, cursor_left(&text));
	answer->type[cursor_left(&text)] = '\0';
}

static uint32_t
beginning_hash(struct cursor c)
{
	uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);

	for (; cursor_left(&c) >= 8; hash ^= hash >> 32)
		hash = (hash ^ cursor_le64(&c)) * UINT64_C(0xff51afd7ed558ccd);
	while (cursor_left(&c) > 0)
		hash = (hash ^ cursor_u8(&c)) * UINT64_C(0x100000001b3);
	return (uint32_t)(hash >> 32);
}

static const struct answer *
answer_find(const struct magic *m, unsigned set, struct cursor c)
{
	for (unsigned way = 0; way < WAYS; way++) {
		const struct answer *answer = &m->answer[set][way];

		if (answer->size == cursor_left(&c) && memcmp(answer->bytes, c.p, answer->size) == 0)
			return answer;
	}
	return NULL;
}

static const char *
libmagic_answer(struct magic *m, struct cursor c)
{
	const struct answer *answer;
	unsigned set;

	cursor_limit(&c, LIBMAGIC_BYTES_MAX);
	set = beginning_hash(c) % ANSWER_SETS;
	answer = answer_find(m, set, c);
	if (answer == NULL) {
		struct answer *oldest = &m->answer[set][m->next_way[set]++ % WAYS];

		ask_libmagic(m, oldest, c);
		answer = oldest;
	}
	return answer->type[0] != '\0' ? answer->type : NULL;
}

/* ---- */

enum magic_mode
magic_mode(const struct conf *conf)
{
	struct magic_settings s;

	conf_fill(conf, &magic_settings_group, &s);
	return s.mode == WORD_MOLOCHMAGIC ? MAGIC_MODE_BOTH : (enum magic_mode)s.mode;
}

struct magic *
magic_create(enum magic_mode mode)
{
	struct magic *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->mode = mode;
	index_rows(m);
	if (mode == MAGIC_MODE_BASIC || mode == MAGIC_MODE_NONE)
		return m;
	m->libmagic = libmagic_open(mode);
	if (m->libmagic != NULL)
		return m;
	free(m);
	return NULL;
}

void
magic_destroy(struct magic *m)
{
	if (m == NULL)
		return;
	if (m->libmagic != NULL)
		magic_close(m->libmagic);
	free(m);
}

const char *
magic_of(struct magic *m, const void *bytes, size_t size)
{
	struct cursor c = cursor_make(bytes, size);
	const char *type = NULL;

	if (size < BYTES_MIN || m->mode == MAGIC_MODE_NONE)
		return NULL;
	if (m->mode == MAGIC_MODE_BASIC || m->mode == MAGIC_MODE_BOTH)
		type = basic(m, c);
	return type == NULL && m->libmagic != NULL ? libmagic_answer(m, c) : type;
}
