/* A parser of somebody else's, built as a .so from the installed headers alone: "ACME name\n" names its sender. Its
 * lines go through a hook of its own, too. */
#include <shrike/parser.h>

enum { F_NAME, F_USER, F_EXTRA, N_FIELDS };

static const struct field acme_fields[N_FIELDS] = {
	[F_NAME] = {"acme.name", "acme.name", "acme", "termfield", FIELD_STR_SET, FIELD_COUNT, "Name",
		    "Name that an ACME client gives itself", NULL},
	[F_USER] = {.name = "user"},
	[F_EXTRA] = {"acme.lines", "acme.lines", "acme", "integer", FIELD_INT, 0, "Lines", "Lines of an ACME client",
		     NULL},
};

enum { CALL_NAME };
static const char *const acme_calls[] = {[CALL_NAME] = "acme.name", NULL};

struct state {
	uint32_t lines;
};

static enum shrike_verdict
acme_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct state *state = shrike_state(ctx);
	const uint8_t *magic = cursor_take(&in, 5);
	struct cursor name = cursor_until(&in, '\n');

	if (cursor_bad(&in) || memcmp(magic, "ACME ", 5) != 0)
		return state->lines == 0 ? SHRIKE_NOT_MINE : SHRIKE_DONE;
	if (state->lines++ == 0)
		shrike_add_protocol(ctx, "acme");
	shrike_emit_rest(ctx, F_NAME, &name);
	(void)shrike_call(ctx, CALL_NAME, name, NULL);
	return SHRIKE_MORE;
}

static void
acme_save(struct shrike_ctx *ctx, bool is_final)
{
	const struct state *state = shrike_state(ctx);

	if (is_final)
		shrike_emit_int(ctx, F_EXTRA, state->lines);
}

static const struct shrike_match acme_match[] = {{.transports = SHRIKE_TCP | SHRIKE_UDP, SHRIKE_BYTES("ACME ")}, {0}};

static const struct shrike_parser acme = {
	.api = SHRIKE_API,
	.name = "acme",
	.match = acme_match,
	.fields = acme_fields,
	.n_fields = N_FIELDS,
	.calls = acme_calls,
	.state_bytes = sizeof(struct state),
	.parse = acme_parse,
	.save = acme_save,
};
SHRIKE_PARSER(acme);

static int
name_call(struct shrike_ctx *ctx, struct cursor in, void *argument)
{
	(void)argument;
	shrike_emit_rest(ctx, F_USER, &in);
	return 1;
}
static const struct shrike_hook acme_name = {.name = "acme.name", .owner = &acme, .call = name_call};
SHRIKE_HOOK(acme_name);

SHRIKE_PLUGIN(.name = "acme");
