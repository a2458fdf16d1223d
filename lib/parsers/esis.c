/* ES-IS (ISO 9542): the types of its PDUs. */
#include "parser.h"

enum { TYPE_OFFSET = 4, TYPE_MASK = 0x1f };

enum { F_TYPE, N_FIELDS };

static const struct field esis_fields[N_FIELDS] = {
	[F_TYPE] = {"esis.type", "esis.type", "esis", "lotermfield", FIELD_STR_SET, FIELD_TO_NUL, "Type",
		    "Types of the PDUs", NULL},
};

static enum shrike_verdict
esis_parse(struct shrike_ctx *ctx, struct cursor in)
{
	unsigned type = cursor_peek(&in, TYPE_OFFSET) & TYPE_MASK;

	if (cursor_left(&in) <= TYPE_OFFSET)
		return SHRIKE_MORE;
	if (type == 2)
		shrike_emit_str(ctx, F_TYPE, "esh");
	else if (type == 4)
		shrike_emit_str(ctx, F_TYPE, "ish");
	else if (type == 6)
		shrike_emit_str(ctx, F_TYPE, "rd");
	else
		shrike_emit_format(ctx, F_TYPE, "unknown-%u", type);
	return SHRIKE_MORE;
}

static const struct shrike_parser esis = {
	.api = SHRIKE_API,
	.name = "esis",
	.match = (const struct shrike_match[]){{.session = "esis"}, {0}},
	.fields = esis_fields,
	.n_fields = N_FIELDS,
	.parse = esis_parse,
};
SHRIKE_PARSER(esis);
