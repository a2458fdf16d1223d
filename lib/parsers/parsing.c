/* Feeding: a chunk of a session goes through classification and all parsers attached.
 *
 * What a session has attached is one small block that hangs on the session's pointer: which parsers, their state, which
 * directions were classified. It exists from the first payload byte until both directions were classified and no parser
 * wants more. The context of a call is on the stack, because saving another session may happen in between.
 *
 * The record is opened before the first parser of a feed is called, not when it emits: making room may save another
 * session, whose parsers share this worker's places (shrike_local()). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_prefetch.h>

#include "log.h"
#include "parsing_priv.h"

COUNTER_LOSS(no_memory, "parser.no_memory", "parsers that ended because parserMemory was used up", LEDGER_NONE);
COUNTER(attached_max, "parser.too_many", "parsers not attached: the session has 31", LEDGER_NONE, LEDGER_IN);
COUNTER(chunks_fed, "parser.chunks", "chunks of payload given to parsers", LEDGER_NONE, LEDGER_IN);
COUNTER(gaps_told, "parser.gaps", "holes in streams that parsers were told of", LEDGER_NONE, LEDGER_IN);

enum { BOTH_DIRECTIONS = 3 };

static bool
create_locals(struct parsing *p)
{
	for (unsigned i = 0; i < p->parsers->n; i++) {
		const struct parser_entry *entry = &p->parsers->entry[i];

		if (entry->parser->create_local == NULL)
			continue;
		p->local[i] = entry->parser->create_local(entry->shared);
		if (p->local[i] == NULL) {
			LOG_ERROR("parser.create", "parser=%s error=%s", entry->parser->name, strerror(errno));
			return false;
		}
	}
	return true;
}

struct parsing *
parsing_create(const struct parsing_params *params)
{
	struct parsing *p = calloc(1, sizeof(*p));
	int error;

	if (p == NULL)
		return NULL;
	p->parsers = params->parsers;
	p->records = params->records;
	p->counters = params->counters;
	p->host = params->host;
	p->worker = params->worker;
	p->protocol = field_find("protocol");
	p->tags = field_find("tags");
	/* NULL: no commands, as in tests with several of one number. */
	p->mailbox = params->host.named != NULL ? parsing_mailbox_open(params->worker) : NULL;
	errno = ENOMEM;
	error = parser_memory_init(&p->memory, (size_t)params->memory_bytes);
	p->algorithms = digest_algorithms_get();
	p->magic = error == 0 ? magic_create(params->parsers->magic_mode) : NULL;
	if (error != 0 || p->algorithms == NULL || p->magic == NULL || !create_locals(p)) {
		error = errno;
		parsing_destroy(p);
		errno = error;
		return NULL;
	}
	return p;
}

void
parsing_destroy(struct parsing *p)
{
	if (p == NULL)
		return;
	parsing_mailbox_close(p->mailbox);
	for (unsigned i = 0; i < p->parsers->n; i++)
		if (p->parsers->entry[i].parser->destroy_local != NULL && p->local[i] != NULL)
			p->parsers->entry[i].parser->destroy_local(p->local[i]);
	if (p->memory.used > 0)
		LOG_WARN("parser.memory_left", "worker=%u bytes=%zu", p->worker, p->memory.used);
	digests_destroy(p);
	magic_destroy(p->magic);
	parser_memory_fini(&p->memory);
	free(p);
}

uint64_t
parsing_bytes_used(const struct parsing *p)
{
	return p->memory.used;
}

/* ---- A session's block */

static struct parsed_session *
session_block(struct parsing *p, uint32_t *skip)
{
	uint32_t blocks = 0;
	struct parsed_session *session = parser_alloc(&p->memory, &blocks, sizeof(*session));

	if (session == NULL)
		return NULL;
	session->blocks = blocks;
	session->skip = skip;
	return session;
}

static void
release_attached(struct parsing *p, struct attached *a)
{
	digests_free_all(p, a);
	parser_free_all(&p->memory, &a->blocks);
}

static void
session_release(struct parsing *p, void **slot)
{
	struct parsed_session *session = *slot;
	uint32_t blocks = session->blocks;

	for (unsigned i = 0; i < session->n; i++)
		release_attached(p, &session->attached[i]);
	if (session->skip != NULL)
		session->skip[0] = session->skip[1] = 0;
	*slot = NULL;
	parser_free_all(&p->memory, &blocks);
}

void
parsing_end(struct parsing *p, void **slot)
{
	if (*slot != NULL)
		session_release(p, slot);
}

static bool
ever_attached(const struct parsed_session *session, unsigned parser)
{
	return (session->ever[parser / 64] >> parser % 64 & 1) != 0;
}

static bool
is_attached(const struct parsed_session *session, unsigned parser)
{
	for (unsigned i = 0; i < session->n; i++)
		if (session->attached[i].parser == parser && !session->attached[i].is_done)
			return true;
	return false;
}

static bool
grow_attached(struct shrike_ctx *ctx)
{
	struct parsed_session *session = ctx->session;
	unsigned capacity = session->capacity == 0 ? ATTACHED_FIRST : session->capacity * 2u;
	struct attached *grown;

	if (session->n < session->capacity)
		return true;
	grown = parser_realloc(&ctx->parsing->memory, &session->blocks, session->attached, capacity * sizeof(*grown));
	if (grown == NULL)
		return false;
	session->attached = grown;
	session->capacity = (uint8_t)capacity;
	return true;
}

/* The array may move: the parser that is being called stands in it. */
static struct attached *
add_attached(struct shrike_ctx *ctx)
{
	size_t current = ctx->attached != NULL ? (size_t)(ctx->attached - ctx->session->attached) : 0;

	if (!grow_attached(ctx))
		return NULL;
	if (ctx->attached != NULL)
		ctx->attached = &ctx->session->attached[current];
	return &ctx->session->attached[ctx->session->n];
}

struct attached *
parsing_attach(struct shrike_ctx *ctx, const struct parser_entry *entry, unsigned variant)
{
	struct parsed_session *session = ctx->session;
	struct parsing *p = ctx->parsing;
	struct attached *a;

	/* One that only names protocols has nothing to be called. */
	if (entry->parser->parse == NULL || is_attached(session, entry->index) ||
	    (ever_attached(session, entry->index) && !entry->parser->repeats))
		return NULL;
	if (session->n == ATTACHED_MAX) {
		COUNTER_ADD(p->counters, attached_max, 1);
		return NULL;
	}
	a = add_attached(ctx);
	if (a == NULL) {
		COUNTER_ADD(p->counters, no_memory, 1);
		return NULL;
	}
	*a = (struct attached){.parser = entry->index, .is_new = true, .variant = variant};
	if (entry->parser->state_bytes > 0) {
		a->state = parser_alloc(&p->memory, &a->blocks, entry->parser->state_bytes);
		if (a->state == NULL) {
			COUNTER_ADD(p->counters, no_memory, 1);
			return NULL;
		}
	}
	session->ever[entry->index / 64] |= UINT64_C(1) << entry->index % 64;
	session->n++;
	return a;
}

/* ---- One chunk */

static void
call_begin(struct shrike_ctx *ctx, unsigned i)
{
	ctx->attached = &ctx->session->attached[i];
	ctx->entry = &ctx->parsing->parsers->entry[ctx->attached->parser];
}

static void
end_attached(struct shrike_ctx *ctx)
{
	struct attached *a = ctx->attached;

	release_attached(ctx->parsing, a);
	a->state = NULL;
	a->is_done = true;
}

static void
not_mine(struct shrike_ctx *ctx)
{
	unsigned parser = ctx->attached->parser;

	ctx->session->ever[parser / 64] &= ~(UINT64_C(1) << parser % 64);
}

/* Takes off what the parser does not want of this direction; returns how much of 'size' that is. */
static uint64_t
pass_over(struct attached *a, unsigned direction, uint64_t size)
{
	uint64_t passed = a->skip[direction] < size ? a->skip[direction] : size;

	a->skip[direction] -= passed;
	return passed;
}

static void
parse_one(struct shrike_ctx *ctx, unsigned i, struct cursor bytes)
{
	bool was_new;
	enum shrike_verdict verdict;

	call_begin(ctx, i);
	cursor_skip(&bytes, (size_t)pass_over(ctx->attached, ctx->chunk->direction, cursor_left(&bytes)));
	if (cursor_left(&bytes) == 0)
		return;
	was_new = ctx->attached->is_new;
	ctx->attached->is_new = false;
	verdict = ctx->entry->parser->parse(ctx, bytes);
	if (verdict == SHRIKE_MORE)
		return;
	if (verdict == SHRIKE_NOT_MINE && was_new)
		not_mine(ctx);
	end_attached(ctx);
}

/* Those that were attached from 'first' on; more may come while this runs. */
static void
parse_from(struct shrike_ctx *ctx, unsigned first, struct cursor bytes)
{
	for (unsigned i = first; i < ctx->session->n && !ctx->is_consumed; i++) {
		struct attached *a = &ctx->session->attached[i];

		if (!a->is_done && !a->is_waiting)
			parse_one(ctx, i, bytes);
	}
	ctx->attached = NULL;
}

static void
tell_gap(struct shrike_ctx *ctx, uint32_t missing)
{
	unsigned n = ctx->session->n;

	for (unsigned i = 0; i < n; i++) {
		uint32_t unseen = missing;

		if (ctx->session->attached[i].is_done)
			continue;
		call_begin(ctx, i);
		unseen -= (uint32_t)pass_over(ctx->attached, ctx->chunk->direction, missing);
		if (unseen == 0)
			continue;
		COUNTER_ADD(ctx->parsing->counters, gaps_told, 1);
		if (ctx->entry->parser->gap == NULL || ctx->entry->parser->gap(ctx, unseen) != SHRIKE_MORE)
			end_attached(ctx);
	}
	ctx->attached = NULL;
}

static void
forget_done(struct parsed_session *session)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < session->n; i++) {
		if (session->attached[i].is_done)
			continue;
		if (kept != i)
			session->attached[kept] = session->attached[i];
		session->attached[kept++].is_waiting = false;
	}
	session->n = (uint8_t)kept;
}

static void
classify(struct shrike_ctx *ctx)
{
	const struct parsing_chunk *chunk = ctx->chunk;
	struct parsed_session *session = ctx->session;
	uint8_t bit = (uint8_t)(1u << chunk->direction);

	if (chunk->transport == 0) {
		if (session->classified == 0)
			classify_session(ctx, chunk->protocol, chunk->bytes);
		session->classified = BOTH_DIRECTIONS;
		return;
	}
	if ((session->classified & bit) != 0 && (session->classify_next & bit) == 0)
		return;
	session->classified |= bit;
	session->classify_next &= (uint8_t)~bit;
	classify_payload(ctx, chunk->bytes);
}

static void
feed_bytes(struct shrike_ctx *ctx)
{
	const struct parsing_chunk *chunk = ctx->chunk;

	COUNTER_ADD(ctx->parsing->counters, chunks_fed, 1);
	classify(ctx);
	if (ctx->session->n > 0) {
		(void)context_record(ctx);
		parse_from(ctx, 0, chunk->bytes);
	}
	ctx->session->bytes[chunk->direction] += cursor_left(&chunk->bytes);
}

static void
context_close(struct shrike_ctx *ctx)
{
	if (ctx->record != NULL)
		ctx->parsing->host.record_close(ctx->parsing->host.context, ctx->chunk->session);
}

static bool
is_classified(const struct parsed_session *session, unsigned direction)
{
	return ((session->classified & ~session->classify_next) >> direction & 1) != 0;
}

/* How many of the next bytes of a direction nobody wants. */
static uint64_t
unwanted(const struct parsed_session *session, unsigned direction)
{
	uint64_t least = is_classified(session, direction) ? UINT64_MAX : 0;

	for (unsigned i = 0; i < session->n; i++)
		if (session->attached[i].skip[direction] < least)
			least = session->attached[i].skip[direction];
	return least;
}

static void
pass_all_over(struct parsed_session *session, unsigned direction, uint64_t size)
{
	for (unsigned i = 0; i < session->n; i++)
		session->attached[i].skip[direction] -= size;
	session->bytes[direction] += size;
}

/* Nobody wants any of these bytes: most of a download, and datagrams of a direction that no rule has matched. */
static bool
skip_chunk(struct parsed_session *session, const struct parsing_chunk *chunk)
{
	uint64_t size = cursor_left(&chunk->bytes) + chunk->missing;

	if (chunk->transport == 0 || unwanted(session, chunk->direction) < size)
		return false;
	pass_all_over(session, chunk->direction, size);
	return true;
}

/* Such bytes need not come here at all: the session is told how many, and keeps them back where the packet is at hand,
 * so that what is attached stays out of the cache. */
static void
offer_skip(struct parsed_session *session, const struct parsing_chunk *chunk)
{
	if (session->skip == NULL || chunk->transport == 0 || chunk->is_heard)
		return;
	for (unsigned d = 0; d < 2; d++) {
		uint64_t size = unwanted(session, d);

		session->offered[d] = session->skip[d] = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
	}
}

/* What was kept back since. */
static void
settle_skip(struct parsed_session *session)
{
	if (session->skip == NULL)
		return;
	for (unsigned d = 0; d < 2; d++) {
		uint32_t kept_back = session->offered[d] - session->skip[d];

		if (kept_back != 0)
			pass_all_over(session, d, kept_back);
		session->offered[d] = session->skip[d] = 0;
	}
}

void
parsing_prefetch_step(const void *slot, unsigned step)
{
	const struct parsed_session *session = slot;
	const uint8_t *state;

	switch (step) {
	case 0:
		rte_prefetch0(session);
		rte_prefetch0(&session->attached);
		return;
	case 1:
		rte_prefetch0(session->attached);
		return;
	default:
		state = session->n > 0 ? session->attached[0].state : NULL;
		if (state == NULL)
			return;
		rte_prefetch0(state);
		rte_prefetch0(state + RTE_CACHE_LINE_SIZE);
	}
}

/* A pass for each step of the way, so that the misses of different sessions overlap. */
void
parsing_prefetch(void *const slot[], unsigned n)
{
	for (unsigned step = 0; step < PARSING_PREFETCH_STEPS; step++)
		for (unsigned i = 0; i < n; i++)
			if (slot[i] != NULL)
				parsing_prefetch_step(slot[i], step);
}

/* False: nobody wants any more of the session. */
static bool
feed(struct parsing *p, const struct parsing_chunk *chunk, struct parsed_session *session)
{
	struct shrike_ctx ctx = {.parsing = p, .chunk = chunk, .session = session};

	if (chunk->missing > 0) {
		(void)context_record(&ctx);
		tell_gap(&ctx, chunk->missing);
		session->bytes[chunk->direction] += chunk->missing;
	}
	if (cursor_left(&chunk->bytes) > 0)
		feed_bytes(&ctx);
	forget_done(session);
	context_close(&ctx);
	return session->n > 0 || session->classified != BOTH_DIRECTIONS || session->classify_next != 0;
}

bool
parsing_feed(struct parsing *p, const struct parsing_chunk *chunk)
{
	struct parsed_session *session = *chunk->slot;

	if (session == NULL) {
		*chunk->slot = session = session_block(p, chunk->skip);
		if (session == NULL) {
			COUNTER_ADD(p->counters, no_memory, 1);
			return false;
		}
	}
	settle_skip(session);
	if (skip_chunk(session, chunk) || feed(p, chunk, session)) {
		offer_skip(session, chunk);
		return true;
	}
	if (!chunk->is_heard)
		session_release(p, chunk->slot);
	return false;
}

void
parsing_save(struct parsing *p, void *session, void **slot, uint64_t time_ns, bool is_final)
{
	const struct parsing_chunk nothing = {.session = session, .slot = slot, .time_ns = time_ns};
	struct shrike_ctx ctx = {.parsing = p, .chunk = &nothing, .session = *slot};

	if (ctx.session == NULL)
		return;
	settle_skip(ctx.session);
	for (unsigned i = 0; i < ctx.session->n; i++) {
		call_begin(&ctx, i);
		if (ctx.entry->parser->save != NULL)
			ctx.entry->parser->save(&ctx, is_final);
	}
	context_close(&ctx);
	if (is_final)
		session_release(p, slot);
}

static struct attached *
attached_of(struct parsed_session *session, unsigned parser)
{
	for (unsigned i = 0; session != NULL && i < session->n; i++)
		if (session->attached[i].parser == parser && !session->attached[i].is_done)
			return &session->attached[i];
	return NULL;
}

/* A parser that is done with the session, or that took its name in another's call, has memory for the time of the call
 * only. */
void
parsing_run(struct parsing *p, const struct parsing_named *named, unsigned parser,
	    void (*run)(struct shrike_ctx *, void *, size_t), void *data, size_t length)
{
	const struct parsing_chunk nothing = {
		.session = named->session, .slot = named->slot, .time_ns = named->time_ns};
	struct shrike_ctx ctx = {.parsing = p, .chunk = &nothing, .session = *named->slot, .is_command = true};
	struct attached passing = {.parser = (uint16_t)parser};

	ctx.entry = &p->parsers->entry[parser];
	ctx.attached = attached_of(ctx.session, parser);
	if (ctx.session != NULL)
		settle_skip(ctx.session);
	if (ctx.attached == NULL)
		ctx.attached = &passing;
	run(&ctx, data, length);
	release_attached(p, &passing);
	context_close(&ctx);
}

/* ---- What parsers may ask of it */

bool
shrike_attach(struct shrike_ctx *ctx, const char *parser, unsigned variant)
{
	const struct parser_entry *entry = parsers_find(ctx->parsing->parsers, parser);
	struct attached *a = entry != NULL && !ctx->is_command ? parsing_attach(ctx, entry, variant) : NULL;

	if (a == NULL)
		return false;
	a->is_waiting = true;
	return true;
}

void
shrike_reclassify(struct shrike_ctx *ctx, struct cursor rest)
{
	const struct parser_entry *entry = ctx->entry;
	bool is_consumed = ctx->is_consumed;
	unsigned first;
	size_t current;

	if (cursor_left(&rest) == 0 || ctx->is_command) {
		shrike_reclassify_next(ctx, ctx->chunk->direction);
		return;
	}
	first = ctx->session->n;
	current = (size_t)(ctx->attached - ctx->session->attached);
	/* That the chunk is consumed is said to the parsers after this one, not to those inside. */
	ctx->is_consumed = false;
	classify_payload(ctx, rest);
	parse_from(ctx, first, rest);
	ctx->is_consumed = is_consumed;
	/* They have seen what is theirs of this chunk. */
	for (unsigned i = first; i < ctx->session->n; i++)
		ctx->session->attached[i].is_waiting = true;
	ctx->entry = entry;
	ctx->attached = &ctx->session->attached[current];
}

void
shrike_reclassify_next(struct shrike_ctx *ctx, unsigned direction)
{
	if (!ctx->is_command)
		ctx->session->classify_next |= (uint8_t)(1u << direction);
}

void
shrike_skip(struct shrike_ctx *ctx, uint64_t n)
{
	if (!ctx->is_command)
		ctx->attached->skip[ctx->chunk->direction] += n;
}

void
shrike_consume(struct shrike_ctx *ctx)
{
	ctx->is_consumed = true;
}
