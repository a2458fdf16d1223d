/* A parser with a table that is made anew when the settings are read again: "TIDE" is answered with how often that was.
 * It refuses what the third reload brings. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <shrike/parser.h>

enum { F_LEVEL };
static const struct field tide_fields[] = {
	[F_LEVEL] = {"tide.level", "tide.level", "tide", "integer", FIELD_INT_SET, FIELD_COUNT, "Level",
		     "Reloads before the datagram", NULL},
};

struct level {
	int64_t number;
};

struct tide {
	struct level *_Atomic level;
};

static struct level *
level_make(int64_t number)
{
	struct level *level = malloc(sizeof(*level));

	if (level != NULL)
		level->number = number;
	return level;
}

static void *
tide_create(const struct conf *conf, struct shrike_setup *setup)
{
	struct tide *tide = calloc(1, sizeof(*tide));

	(void)conf, (void)setup;
	if (tide != NULL)
		atomic_init(&tide->level, level_make(0));
	return tide;
}

static void
tide_destroy(void *shared)
{
	struct tide *tide = shared;

	free(tide->level);
	free(tide);
}

static void
level_free(void *level)
{
	((struct level *)level)->number = -1;
	free(level);
}

static int
tide_reload(void *shared, const struct conf *conf)
{
	struct tide *tide = shared;
	struct level *fresh, *old = atomic_load(&tide->level);

	(void)conf;
	if (old->number == 2)
		return -ERANGE;
	fresh = level_make(old->number + 1);
	if (fresh == NULL)
		return -ENOMEM;
	atomic_store(&tide->level, fresh);
	if (shrike_free_later(old, level_free) == 0)
		return 0;
	atomic_store(&tide->level, old);
	free(fresh);
	return -EBUSY;
}

static enum shrike_verdict
tide_parse(struct shrike_ctx *ctx, struct cursor in)
{
	const struct tide *tide = shrike_shared(ctx);

	(void)in;
	shrike_emit_int(ctx, F_LEVEL, atomic_load(&tide->level)->number);
	return SHRIKE_DONE;
}

static const struct shrike_match tide_match[] = {{.transports = SHRIKE_UDP, SHRIKE_BYTES("TIDE")}, {0}};
static const struct shrike_parser tide = {
	.api = SHRIKE_API,
	.name = "tide",
	.match = tide_match,
	.fields = tide_fields,
	.n_fields = 1,
	.create = tide_create,
	.destroy = tide_destroy,
	.reload = tide_reload,
	.parse = tide_parse,
};
SHRIKE_PARSER(tide);
SHRIKE_PLUGIN(.name = "tide");
