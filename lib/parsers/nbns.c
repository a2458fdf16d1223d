/* NetBIOS name service (RFC 1002, 4.2).
 *
 * Recorded are the names in questions and records and the addresses that NB records give for them. A name is 16 bytes,
 * each sent as two letters; the last byte is a kind of service and is not part of what people call the name. What
 * contradicts the format in a question ends the datagram. Steps are bounded by the bytes of the datagram, whatever its
 * counts say: each question and each record takes some. */
#include "parser.h"

enum { F_NAME, F_QUERY_TYPE, F_QUERY_HOST, F_HOST, F_IP, N_FIELDS };

static const struct field nbns_fields[N_FIELDS] = {
	[F_NAME] = {"nbns.name", "nbns.name", "nbns", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL, "Name",
		    "All names, asked for or answered", NULL},
	[F_QUERY_TYPE] = {"nbns.queryType", "nbns.queryType", "nbns", "termfield", FIELD_STR_SET,
			  FIELD_COUNT | FIELD_TO_NUL, "Query Type", "What was asked for: NB or NBSTAT", NULL},
	[F_QUERY_HOST] = {"nbns.queryHost", "nbns.queryHost", "nbns", "termfield", FIELD_STR_SET,
			  FIELD_COUNT | FIELD_TO_NUL, "Query Host", "Names that were asked for", NULL},
	[F_HOST] = {"nbns.host", "nbns.host", "nbns", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL, "Host",
		    "Names that records are about", NULL},
	[F_IP] = {"nbns.ip", "nbns.ip", "nbns", "ip", FIELD_IP_SET, FIELD_COUNT, "IP", "Addresses of names", NULL},
};

enum {
	NBNS_PORT = 137,
	DATAGRAM_BYTES_MIN = 50,
	HEADER_BYTES = 12,
	NAME_BYTES = 15,
	ENCODED_BYTES = 32, /* also the length byte of a name */
	PROBED_LETTERS = 4,
	POINTER = 0xc0,
	POINTER_HIGH = 0x3f,
	RESPONSE_FLAG = 0x8000,
	TYPE_NB = 0x20,
	TYPE_NBSTAT = 0x21,
	ADDRESS_ENTRY_BYTES = 6,
	IPV4_BYTES = 4,
};

struct nbns_name {
	char text[NAME_BYTES];
	size_t size;
	bool is_broken; /* a letter outside A..P */
};

struct nbns_header {
	bool is_query;
	uint16_t n_questions;
	uint32_t n_records;
};

static bool
is_letter(uint8_t c)
{
	return c >= 'A' && c <= 'P';
}

/* RFC 1001, 14.1. Ends at the first pair that is none; what does not print is left out, and blanks fill up the end. */
static void
decode_name(struct nbns_name *name, struct cursor encoded)
{
	name->size = 0;
	name->is_broken = false;
	for (unsigned i = 0; cursor_left(&encoded) > 0; i++) {
		uint8_t high = cursor_u8(&encoded), low = cursor_u8(&encoded), c;

		name->is_broken = !is_letter(high) || !is_letter(low);
		if (name->is_broken)
			break;
		c = (uint8_t)((high - 'A') << 4 | (low - 'A'));
		if (i < NAME_BYTES && c >= ' ' && c <= '~')
			name->text[name->size++] = (char)c;
	}
	while (name->size > 0 && name->text[name->size - 1] == ' ')
		name->size--;
}

/* After the length byte: the letters, and a scope that is passed over. */
static bool
read_plain_name(struct nbns_name *name, struct cursor *in)
{
	decode_name(name, cursor_sub(in, ENCODED_BYTES));
	(void)cursor_until(in, '\0');
	return !cursor_bad(in);
}

/* A pointer that leads to no name leaves an empty one. */
static void
read_pointed_name(struct nbns_name *name, struct cursor whole, uint16_t offset)
{
	name->size = 0;
	cursor_skip(&whole, offset);
	if (cursor_u8(&whole) == ENCODED_BYTES && cursor_left(&whole) >= ENCODED_BYTES)
		decode_name(name, cursor_sub(&whole, ENCODED_BYTES));
}

static bool
read_record_name(struct nbns_name *name, struct cursor whole, struct cursor *in)
{
	uint8_t first = cursor_u8(in);

	if (first == ENCODED_BYTES)
		return read_plain_name(name, in);
	if ((first & POINTER) != POINTER)
		return false;
	read_pointed_name(name, whole, (uint16_t)((first & POINTER_HIGH) << 8 | cursor_u8(in)));
	return !cursor_bad(in);
}

static void
emit_name(struct shrike_ctx *ctx, unsigned field, const struct nbns_name *name)
{
	if (name->size > 0)
		shrike_emit_bytes(ctx, field, name->text, name->size);
}

static bool
parse_question(struct shrike_ctx *ctx, const struct nbns_header *header, struct cursor *in)
{
	struct nbns_name name;
	uint16_t type;

	if (cursor_u8(in) != ENCODED_BYTES || !read_plain_name(&name, in) || name.is_broken)
		return false;
	type = cursor_be16(in);
	cursor_skip(in, sizeof(uint16_t));
	if (cursor_bad(in))
		return false;
	if (type == TYPE_NB || type == TYPE_NBSTAT)
		shrike_emit_str(ctx, F_QUERY_TYPE, type == TYPE_NB ? "NB" : "NBSTAT");
	emit_name(ctx, F_NAME, &name);
	if (header->is_query)
		emit_name(ctx, F_QUERY_HOST, &name);
	return true;
}

static bool
parse_record(struct shrike_ctx *ctx, struct cursor whole, struct cursor *in)
{
	struct nbns_name name;
	struct cursor data;
	uint16_t type;

	if (!read_record_name(&name, whole, in))
		return false;
	type = cursor_be16(in);
	cursor_skip(in, sizeof(uint16_t) + sizeof(uint32_t));
	data = cursor_sub(in, cursor_be16(in));
	if (cursor_bad(in))
		return false;
	emit_name(ctx, F_NAME, &name);
	emit_name(ctx, F_HOST, &name);
	while (type == TYPE_NB && cursor_left(&data) >= ADDRESS_ENTRY_BYTES) {
		cursor_skip(&data, ADDRESS_ENTRY_BYTES - IPV4_BYTES);
		shrike_emit_ipv4(ctx, F_IP, cursor_take(&data, IPV4_BYTES));
	}
	return true;
}

static struct nbns_header
read_header(struct cursor *in)
{
	struct nbns_header header;

	cursor_skip(in, sizeof(uint16_t));
	header.is_query = (cursor_be16(in) & RESPONSE_FLAG) == 0;
	header.n_questions = cursor_be16(in);
	header.n_records = cursor_be16(in);
	header.n_records += cursor_be16(in);
	header.n_records += cursor_be16(in);
	return header;
}

static bool
begins_with_name(struct cursor in)
{
	if (cursor_left(&in) < DATAGRAM_BYTES_MIN || cursor_peek(&in, HEADER_BYTES) != ENCODED_BYTES)
		return false;
	for (unsigned i = 0; i < PROBED_LETTERS; i++)
		if (!is_letter(cursor_peek(&in, HEADER_BYTES + 1 + i)))
			return false;
	return true;
}

static enum shrike_verdict
nbns_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct cursor whole = in;
	struct nbns_header header;

	if (!shrike_has_protocol(ctx, "nbns") && !begins_with_name(in))
		return SHRIKE_NOT_MINE;
	if (cursor_left(&in) < DATAGRAM_BYTES_MIN)
		return SHRIKE_MORE;
	shrike_add_protocol(ctx, "nbns");
	header = read_header(&in);
	for (unsigned i = 0; i < header.n_questions; i++)
		if (!parse_question(ctx, &header, &in))
			return SHRIKE_MORE;
	for (uint32_t i = 0; i < header.n_records; i++)
		if (!parse_record(ctx, whole, &in))
			return SHRIKE_MORE;
	return SHRIKE_MORE;
}

static const struct shrike_parser nbns = {
	.api = SHRIKE_API,
	.name = "nbns",
	.match = (const struct shrike_match[]){{.transports = SHRIKE_UDP, .port = NBNS_PORT}, {0}},
	.fields = nbns_fields,
	.n_fields = N_FIELDS,
	.parse = nbns_parse,
};
SHRIKE_PARSER(nbns);
