/* SCCP (ITU-T Q.713) and TCAP (Q.773): who asks whom in the telephone network, and in which application.
 *
 * Only a hook, for m3ua.c. Of SCCP, unitdata is read: point codes of both addresses, and the TCAP message within. That
 * one belongs to the application whose context its dialogue portion names; messages that name none, as most of those
 * after the first of a dialogue, are not recorded: dialogues are not followed. */
#include "ber.h"
#include "hooks.h"
#include "parser.h"

enum { F_SOURCE, F_DESTINATION, F_OPERATION, N_FIELDS };

static const struct field tcap_fields[N_FIELDS] = {
	[F_SOURCE] = {"sccp.src", "sccp.src", "sccp", "integer", FIELD_INT_SET, FIELD_COUNT, "Src Point Code",
		      "Point codes of calling parties", NULL},
	[F_DESTINATION] = {"sccp.dst", "sccp.dst", "sccp", "integer", FIELD_INT_SET, FIELD_COUNT, "Dst Point Code",
			   "Point codes of called parties", NULL},
	[F_OPERATION] = {"tcap.opcode", "tcap.opcode", "tcap", "integer", FIELD_INT_SET, FIELD_COUNT, "Op Code",
			 "Operations of applications", NULL},
};

enum { CALL_MESSAGE };
static const char *const tcap_calls[] = {[CALL_MESSAGE] = "tcap.message", NULL};

enum {
	SERVICE_SCCP = 3,
	UNITDATA = 9,
	UNITDATA_MIN = 6,
	/* Pointers count from where they stand. */
	POINTER_CALLED = 2,
	POINTER_CALLING = 3,
	POINTER_DATA = 4,
	ADDRESS_MIN = 3,
	HAS_POINT_CODE = 1, /* bit of the address indicator */
	TRANSACTION_MIN = 2,

	/* Identifiers of TCAP elements. */
	TCAP_BEGIN = 0x62,
	TCAP_END = 0x64,
	TCAP_CONTINUE = 0x65,
	TCAP_DIALOGUE = 0x6b,
	TCAP_COMPONENTS = 0x6c,

	CONTEXT_MIN = 4,
	CONTEXT_MAX = 19,
};

static const uint8_t context_prefix[CONTEXT_MIN] = {0x04, 0x00, 0x00, 0x01}; /* of ETSI's applications */

/* The variable part that the pointer at this place of the message means. */
static struct cursor
variable_part(struct cursor in, size_t pointer)
{
	cursor_skip(&in, pointer);
	cursor_skip(&in, cursor_peek(&in, 0));
	return cursor_sub(&in, cursor_u8(&in));
}

static void
address(struct shrike_ctx *ctx, unsigned field, struct cursor in)
{
	if (cursor_left(&in) >= ADDRESS_MIN && (cursor_u8(&in) & HAS_POINT_CODE) != 0)
		shrike_emit_int(ctx, field, cursor_le16(&in));
}

/* An OID that begins as those of applications do, wherever it is. */
static bool
find_context(struct cursor in, struct cursor *context)
{
	while (cursor_left(&in) > 0) {
		struct cursor c = in;
		uint8_t tag = cursor_u8(&c), size = cursor_u8(&c);

		*context = cursor_sub(&c, size);
		if (tag == BER_OID && size >= CONTEXT_MIN && size <= CONTEXT_MAX && !cursor_bad(&c) &&
		    memcmp(context->p, context_prefix, sizeof(context_prefix)) == 0)
			return true;
		cursor_skip(&in, 1);
	}
	return false;
}

/* Into the transaction, whatever length it says it has. */
static void
skip_header(struct cursor *c)
{
	enum { LENGTH_LONG = 0x80 };
	uint8_t length;

	cursor_skip(c, 1);
	length = cursor_u8(c);
	if ((length & LENGTH_LONG) != 0)
		cursor_skip(c, length & (LENGTH_LONG - 1));
}

static bool
find_dialogue(struct cursor in, struct cursor *dialogue)
{
	struct ber_element e;

	skip_header(&in);
	while (ber_next(&in, &e) && !e.clipped && cursor_left(&e.value) > 0 && e.identifier != TCAP_COMPONENTS)
		if (e.identifier == TCAP_DIALOGUE) {
			*dialogue = e.value;
			return true;
		}
	return false;
}

/* False: bytes that no application can make sense of. */
static bool
transaction(struct shrike_ctx *ctx, struct cursor in)
{
	struct shrike_tcap_message message = {0};
	uint8_t type = cursor_peek(&in, 0);
	struct cursor dialogue, context;

	if ((type != TCAP_BEGIN && type != TCAP_END && type != TCAP_CONTINUE) || !find_dialogue(in, &dialogue) ||
	    !find_context(dialogue, &context))
		return true;
	message.context = context.p;
	message.context_bytes = cursor_left(&context);
	(void)shrike_call(ctx, CALL_MESSAGE, in, &message);
	return !message.is_bad;
}

/* False: this is nothing that goes on. */
static bool
sccp(struct shrike_ctx *ctx, struct cursor in)
{
	struct cursor data;

	if (cursor_left(&in) < UNITDATA_MIN || cursor_peek(&in, 0) != UNITDATA)
		return false;
	address(ctx, F_DESTINATION, variable_part(in, POINTER_CALLED));
	address(ctx, F_SOURCE, variable_part(in, POINTER_CALLING));
	data = variable_part(in, POINTER_DATA);
	if (cursor_left(&data) < TRANSACTION_MIN)
		return false;
	shrike_add_protocol(ctx, "sccp");
	return transaction(ctx, data);
}

static int
tcap_user(struct shrike_ctx *ctx, struct cursor in, void *argument)
{
	struct shrike_mtp3_user *user = argument;

	if (user->service == SERVICE_SCCP)
		user->wants_more = sccp(ctx, in);
	return 0;
}

/* Only its hook is used. */
static enum shrike_verdict
tcap_parse(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	(void)in;
	return SHRIKE_NOT_MINE;
}

static const struct shrike_parser tcap = {
	.api = SHRIKE_API,
	.name = "tcap",
	.fields = tcap_fields,
	.n_fields = N_FIELDS,
	.calls = tcap_calls,
	.parse = tcap_parse,
};
SHRIKE_PARSER(tcap);

static const struct shrike_hook tcap_hook = {.name = "mtp3.user", .owner = &tcap, .call = tcap_user};
SHRIKE_HOOK(tcap_hook);
