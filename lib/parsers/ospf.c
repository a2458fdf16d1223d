/* OSPF (RFC 2328 and 5340): message types, routers and areas of the first packets of a session.
 *
 * Neighbours repeat themselves for as long as they live, so only some packets of each record are looked at. */
#include "parser.h"

enum { PACKETS_READ = 11, VERSION_2 = 2, VERSION_3 = 3, AUTH_NULL = 0, AUTH_SIMPLE = 1 };

enum { F_TYPE, F_ROUTER, F_AREA, N_FIELDS };

static const struct field ospf_fields[N_FIELDS] = {
	[F_TYPE] = {"ospf.msgType", "ospf.msgType", "ospf", "termfield", FIELD_STR_SET, FIELD_TO_NUL, "OSPF Msg Type",
		    "Message types", NULL},
	[F_ROUTER] = {"ospf.routerId", "ospf.routerId", "ospf", "termfield", FIELD_STR_SET, FIELD_TO_NUL, "Router ID",
		      "Identifiers of the routers that sent", NULL},
	[F_AREA] = {"ospf.areaId", "ospf.areaId", "ospf", "termfield", FIELD_STR_SET, FIELD_TO_NUL, "Area ID",
		    "Areas that the messages belong to", NULL},
};

struct ospf_state {
	unsigned packets; /* of this record */
};

static void
emit_dotted(struct shrike_ctx *ctx, unsigned field, const uint8_t id[4])
{
	shrike_emit_format(ctx, field, "%u.%u.%u.%u", id[0], id[1], id[2], id[3]);
}

static void
message_type(struct shrike_ctx *ctx, uint8_t type)
{
	static const char *const names[] = {NULL, "Hello", "DBDesc", "LSReq", "LSUpdate", "LSAck"};

	if (type >= 1 && type <= 5)
		shrike_emit_str(ctx, F_TYPE, names[type]);
	else
		shrike_emit_format(ctx, F_TYPE, "unk-%u", type);
}

static enum shrike_verdict
ospf_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct ospf_state *state = shrike_state(ctx);
	uint8_t version = cursor_u8(&in), type = cursor_u8(&in);
	const uint8_t *router, *area;
	uint16_t authentication;

	if (state->packets++ >= PACKETS_READ)
		return SHRIKE_MORE;
	cursor_skip(&in, 2);
	router = cursor_take(&in, 4);
	area = cursor_take(&in, 4);
	if (cursor_bad(&in) || (version != VERSION_2 && version != VERSION_3))
		return SHRIKE_MORE;
	message_type(ctx, type);
	emit_dotted(ctx, F_ROUTER, router);
	emit_dotted(ctx, F_AREA, area);
	cursor_skip(&in, 2);
	authentication = cursor_be16(&in);
	if (version == VERSION_2 && !cursor_bad(&in) && authentication == AUTH_NULL)
		shrike_add_tag(ctx, "ospf:auth-null");
	else if (version == VERSION_2 && !cursor_bad(&in) && authentication == AUTH_SIMPLE)
		shrike_add_tag(ctx, "ospf:auth-simple");
	return SHRIKE_MORE;
}

static void
ospf_save(struct shrike_ctx *ctx, bool is_final)
{
	struct ospf_state *state = shrike_state(ctx);

	(void)is_final;
	state->packets = 0;
}

static const struct shrike_parser ospf = {
	.api = SHRIKE_API,
	.name = "ospf",
	.match = (const struct shrike_match[]){{.session = "ospf"}, {0}},
	.fields = ospf_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct ospf_state),
	.parse = ospf_parse,
	.save = ospf_save,
};
SHRIKE_PARSER(ospf);
