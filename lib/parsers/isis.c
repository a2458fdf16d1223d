/* IS-IS (ISO/IEC 10589): the types of its PDUs. The payload begins behind the discriminator 83. */
#include "parser.h"

enum { TYPE_OFFSET = 3, TYPE_MASK = 0x1f, PDU_BYTES_MIN = 4 };

enum { F_TYPE, N_FIELDS };

static const struct field isis_fields[N_FIELDS] = {
	[F_TYPE] = {"isis.msgType", "isis.msgType", "isis", "lotermfield", FIELD_STR_SET, FIELD_TO_NUL, "Msg Type",
		    "Types of the PDUs", NULL},
};

static enum shrike_verdict
isis_parse(struct shrike_ctx *ctx, struct cursor in)
{
	static const char *const names[TYPE_MASK + 1] = {
		[15] = "lan-l1-hello", [16] = "lan-l2-hello", [17] = "p2p-hello", [18] = "l1-lsp",  [20] = "l2-lsp",
		[24] = "l1-csnp",      [25] = "l2-csnp",      [26] = "l1-psnp",	  [27] = "l2-psnp",
	};
	unsigned type = cursor_peek(&in, TYPE_OFFSET) & TYPE_MASK;

	if (cursor_left(&in) < PDU_BYTES_MIN)
		shrike_emit_format(ctx, F_TYPE, "err-len-%zu", cursor_left(&in));
	else if (names[type] != NULL)
		shrike_emit_str(ctx, F_TYPE, names[type]);
	else
		shrike_emit_format(ctx, F_TYPE, "unk-%u", type);
	return SHRIKE_MORE;
}

static const struct shrike_parser isis = {
	.api = SHRIKE_API,
	.name = "isis",
	.match = (const struct shrike_match[]){{.session = "isis"}, {0}},
	.fields = isis_fields,
	.n_fields = N_FIELDS,
	.parse = isis_parse,
};
SHRIKE_PARSER(isis);
