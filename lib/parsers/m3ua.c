/* SS7 over IP: M3UA (RFC 4666) and M2UA (RFC 3331), both over SCTP.
 *
 * Recorded is which user part of the telephone network messages are of; what SCCP carries is looked into by tcap.c.
 * The first message of a direction says by its payload protocol which adaptation layer it is. Both are read by one
 * parser, since a session may hold either in each direction, but end independently. */
#include "hooks.h"
#include "parser.h"

enum { F_SERVICE, N_FIELDS };

static const struct field m3ua_fields[N_FIELDS] = {
	[F_SERVICE] = {"m3ua.si", "m3ua.si", "m3ua", "integer", FIELD_INT_SET, FIELD_COUNT, "Service Indicator",
		       "User parts that messages are of", NULL},
};

enum { CALL_USER };
static const char *const m3ua_calls[] = {[CALL_USER] = "mtp3.user", NULL};

enum {
	VERSION = 1,
	HEADER_BYTES = 8, /* version, reserved, class, type, length of all */
	PARAMETER_HEAD_BYTES = 4,

	MTP3_BYTES = 5, /* service and its network, routing label */
	SERVICE_MASK = 0x0f,
	SERVICE_TUP = 4,
	SERVICE_ISUP = 5,

	TAG_M2UA_DATA = 0x0300,
	TAG_M2UA_DATA_TTC = 0x0301,
	TAG_M3UA_DATA = 0x0210,
	TAG_M3UA_DRAFT_DATA = 0x0002, /* of drafts of RFC 3332 */
	TAG_M3UA_DRAFT_DATA_TTC = 0x0003,
	POINT_CODES_BYTES = 8,
	LABEL_REST_BYTES = 3, /* network, priority, link */
};

enum layer { LAYER_M2UA, LAYER_M3UA, LAYERS };

static const struct {
	const char *name;
	uint32_t sctp_protocol;
	uint8_t data_class, data_type;
} layers[LAYERS] = {
	[LAYER_M2UA] = {"m2ua", 2, 6, 1},
	[LAYER_M3UA] = {"m3ua", 3, 1, 1},
};

struct m3ua {
	bool is_live[LAYERS];
};

/* A message of MTP level 3. False: it is not whole. */
static bool
read_mtp3(struct cursor *c, uint8_t *service)
{
	*service = cursor_peek(c, 0) & SERVICE_MASK;
	cursor_skip(c, MTP3_BYTES);
	return !cursor_bad(c);
}

/* The same in Japan's networks: a length indicator comes first. */
static bool
read_mtp3_ttc(struct cursor *c, uint8_t *service)
{
	cursor_skip(c, 1);
	return read_mtp3(c, service);
}

/* RFC 4666, 3.3.1: the fields of the routing label one by one. */
static bool
read_protocol_data(struct cursor *c, uint8_t *service)
{
	cursor_skip(c, POINT_CODES_BYTES);
	*service = cursor_u8(c);
	cursor_skip(c, LABEL_REST_BYTES);
	return !cursor_bad(c);
}

/* False: no such parameter carries a message. On success 'c' is the user part's data. */
static bool
read_parameter(enum layer layer, uint16_t tag, struct cursor *c, uint8_t *service)
{
	if (layer == LAYER_M2UA)
		switch (tag) {
		case TAG_M2UA_DATA:
			return read_mtp3(c, service);
		case TAG_M2UA_DATA_TTC:
			return read_mtp3_ttc(c, service);
		default:
			return false;
		}
	switch (tag) {
	case TAG_M3UA_DATA:
		return read_protocol_data(c, service);
	case TAG_M3UA_DRAFT_DATA:
		return read_mtp3(c, service);
	case TAG_M3UA_DRAFT_DATA_TTC:
		return read_mtp3_ttc(c, service);
	default:
		return false;
	}
}

/* The first parameter that carries a message; false: none does. */
static bool
find_data(enum layer layer, struct cursor parameters, struct cursor *data, uint8_t *service)
{
	while (cursor_left(&parameters) >= PARAMETER_HEAD_BYTES) {
		uint16_t tag = cursor_be16(&parameters), length = cursor_be16(&parameters);
		size_t padding = -(size_t)length & 3;

		if (length < PARAMETER_HEAD_BYTES)
			return false;
		*data = cursor_sub(&parameters, length - (size_t)PARAMETER_HEAD_BYTES);
		if (cursor_bad(&parameters))
			return false;
		if (read_parameter(layer, tag, data, service))
			return true;
		if (padding < cursor_left(&parameters))
			cursor_skip(&parameters, padding);
		else
			return false;
	}
	return false;
}

/* Whether more of the session is wanted. */
static bool
user_part(struct shrike_ctx *ctx, uint8_t service, struct cursor data)
{
	struct shrike_mtp3_user user = {.service = service};

	shrike_emit_int(ctx, F_SERVICE, service);
	switch (service) {
	case SERVICE_TUP:
		shrike_add_protocol(ctx, "tup");
		return true;
	case SERVICE_ISUP:
		shrike_add_protocol(ctx, "isup");
		return true;
	default:
		(void)shrike_call(ctx, CALL_USER, data, &user);
		return user.wants_more;
	}
}

/* Whether more of the session is wanted. */
static bool
message(struct shrike_ctx *ctx, enum layer layer, struct cursor in)
{
	size_t all = cursor_left(&in);
	uint8_t version = cursor_u8(&in), class, type, service;
	uint32_t length;
	struct cursor data;

	cursor_skip(&in, 1);
	class = cursor_u8(&in);
	type = cursor_u8(&in);
	length = cursor_be32(&in);
	if (cursor_bad(&in) || version != VERSION)
		return false;
	if (class != layers[layer].data_class || type != layers[layer].data_type)
		return true;
	if (length < HEADER_BYTES || length > all)
		return false;
	cursor_limit(&in, length - HEADER_BYTES);
	return find_data(layer, in, &data, &service) && user_part(ctx, service, data);
}

static void
classify(struct shrike_ctx *ctx, struct m3ua *state, struct cursor in)
{
	if (cursor_left(&in) < HEADER_BYTES || cursor_peek(&in, 0) != VERSION)
		return;
	for (unsigned i = 0; i < LAYERS; i++)
		if (shrike_sctp_protocol(ctx) == layers[i].sctp_protocol && !shrike_has_protocol(ctx, layers[i].name)) {
			shrike_add_protocol(ctx, layers[i].name);
			state->is_live[i] = true;
		}
}

static enum shrike_verdict
m3ua_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct m3ua *state = shrike_state(ctx);
	bool wants_more = false;

	if (shrike_bytes_before(ctx, shrike_direction(ctx)) == 0)
		classify(ctx, state, in);
	if (!state->is_live[LAYER_M2UA] && !state->is_live[LAYER_M3UA])
		return SHRIKE_NOT_MINE;
	for (unsigned i = 0; i < LAYERS; i++) {
		state->is_live[i] = state->is_live[i] && message(ctx, (enum layer)i, in);
		wants_more |= state->is_live[i];
	}
	return wants_more ? SHRIKE_MORE : SHRIKE_DONE;
}

static const struct shrike_parser m3ua = {
	.api = SHRIKE_API,
	.name = "m3ua",
	.match =
		(const struct shrike_match[]){
			{.transports = SHRIKE_SCTP, SHRIKE_BYTES("\1"), .min_bytes = HEADER_BYTES}, {0}},
	.fields = m3ua_fields,
	.n_fields = N_FIELDS,
	.calls = m3ua_calls,
	.state_bytes = sizeof(struct m3ua),
	.repeats = true, /* one layer may begin when the other has ended */
	.parse = m3ua_parse,
};
SHRIKE_PARSER(m3ua);
