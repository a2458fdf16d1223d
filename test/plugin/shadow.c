/* A parser with the name of a built-in one: "tftp". Built twice, with two tags. */
#include <shrike/parser.h>

static enum shrike_verdict
shadow_parse(struct shrike_ctx *ctx, struct cursor in)
{
	(void)in;
	shrike_add_tag(ctx, SHADOW_TAG);
	return SHRIKE_DONE;
}

static const struct shrike_match shadow_match[] = {{.transports = SHRIKE_UDP, .port = 69}, {0}};

static const struct shrike_parser shadow = {
	.api = SHRIKE_API,
	.name = "tftp",
	.match = shadow_match,
	.parse = shadow_parse,
};
SHRIKE_PARSER(shadow);
SHRIKE_PLUGIN(.name = "shadow");
