/* A parser's view of its session: facts, values, memory, calls. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "parsing_priv.h"

COUNTER_LOSS(alloc_failed, "parser.alloc_failed", "allocations of parsers that parserMemory had no room for",
	     LEDGER_NONE);

enum { HEX_MAX = 2048, FORMAT_MAX = 512 };

struct record *
context_record(struct shrike_ctx *ctx)
{
	const struct parsing_host *host = &ctx->parsing->host;

	if (ctx->record == NULL && !ctx->record_failed) {
		ctx->record = host->record_open(host->context, ctx->chunk->session);
		ctx->record_failed = ctx->record == NULL;
	}
	return ctx->record;
}

static const struct record *
context_peek(const struct shrike_ctx *ctx)
{
	const struct parsing_host *host = &ctx->parsing->host;

	return ctx->record != NULL ? ctx->record : host->record_peek(host->context, ctx->chunk->session);
}

const struct parsing_facts *
context_facts(const struct shrike_ctx *ctx)
{
	/* Asked for once; a context is never const itself. */
	struct shrike_ctx *own = (struct shrike_ctx *)(uintptr_t)ctx;

	if (!ctx->has_facts) {
		ctx->parsing->host.facts(ctx->parsing->host.context, ctx->chunk->session, &own->facts);
		own->has_facts = true;
	}
	return &ctx->facts;
}

/* ---- Facts */

void *
shrike_state(struct shrike_ctx *ctx)
{
	return ctx->attached->state;
}

const void *
shrike_shared(const struct shrike_ctx *ctx)
{
	return ctx->entry->shared;
}

void *
shrike_local(struct shrike_ctx *ctx)
{
	return ctx->parsing->local[ctx->entry->index];
}

unsigned
shrike_variant(const struct shrike_ctx *ctx)
{
	return ctx->attached->variant;
}

unsigned
shrike_direction(const struct shrike_ctx *ctx)
{
	return ctx->chunk->direction;
}

enum shrike_transport
shrike_transport(const struct shrike_ctx *ctx)
{
	return (enum shrike_transport)ctx->chunk->transport;
}

uint8_t
shrike_ip_protocol(const struct shrike_ctx *ctx)
{
	return context_facts(ctx)->ip_protocol;
}

uint32_t
shrike_sctp_protocol(const struct shrike_ctx *ctx)
{
	return ctx->chunk->sctp_protocol;
}

uint16_t
shrike_port(const struct shrike_ctx *ctx, unsigned side)
{
	return context_facts(ctx)->port[side & 1];
}

const uint8_t *
shrike_address(const struct shrike_ctx *ctx, unsigned side)
{
	return context_facts(ctx)->address[side & 1];
}

uint64_t
shrike_time_ns(const struct shrike_ctx *ctx)
{
	return ctx->chunk->time_ns;
}

void
shrike_save_after(struct shrike_ctx *ctx, uint64_t second)
{
	const struct parsing_host *host = &ctx->parsing->host;

	if (host->save_after != NULL)
		host->save_after(host->context, ctx->chunk->session, second);
}

uint64_t
shrike_first_time_ns(const struct shrike_ctx *ctx)
{
	return context_facts(ctx)->first_ns;
}

uint64_t
shrike_bytes_before(const struct shrike_ctx *ctx, unsigned direction)
{
	return ctx->session != NULL ? ctx->session->bytes[direction & 1] : 0;
}

/* ---- Values */

/* 0: the field does not exist here. */
static field_id
field_of(const struct shrike_ctx *ctx, unsigned place)
{
	return place < ctx->entry->n_fields ? ctx->entry->field[place] : 0;
}

void
shrike_emit_int(struct shrike_ctx *ctx, unsigned field, int64_t value)
{
	field_id id = field_of(ctx, field);

	if (id != 0 && context_record(ctx) != NULL)
		(void)record_add_int(ctx->parsing->records, ctx->record, id, value);
}

void
shrike_emit_double(struct shrike_ctx *ctx, unsigned field, double value)
{
	field_id id = field_of(ctx, field);

	if (id != 0 && context_record(ctx) != NULL)
		(void)record_add_double(ctx->parsing->records, ctx->record, id, value);
}

void
shrike_emit_name(struct shrike_ctx *ctx, unsigned field, const char *const *names, size_t n_names, uint64_t code)
{
	if (code < n_names && names[code] != NULL)
		shrike_emit_str(ctx, field, names[code]);
}

void
shrike_emit_bytes(struct shrike_ctx *ctx, unsigned field, const void *text, size_t size)
{
	field_id id = field_of(ctx, field);

	if (id != 0 && context_record(ctx) != NULL)
		(void)record_add_str(ctx->parsing->records, ctx->record, id, size > 0 ? text : "", size);
}

void
shrike_emit_str(struct shrike_ctx *ctx, unsigned field, const char *text)
{
	shrike_emit_bytes(ctx, field, text, strlen(text));
}

void
shrike_emit_rest(struct shrike_ctx *ctx, unsigned field, const struct cursor *rest)
{
	struct cursor c = *rest;
	size_t size = cursor_left(&c);

	shrike_emit_bytes(ctx, field, cursor_take(&c, size), size);
}

void
shrike_emit_lower(struct shrike_ctx *ctx, unsigned field, const void *text, size_t size)
{
	const char *in = text;
	char *lower = ctx->parsing->lower;

	if (size > LOWER_MAX) {
		/* record_add_str() cuts it and says so. */
		shrike_emit_bytes(ctx, field, text, size);
		return;
	}
	for (size_t i = 0; i < size; i++)
		lower[i] = in[i] >= 'A' && in[i] <= 'Z' ? (char)(in[i] - 'A' + 'a') : in[i];
	shrike_emit_bytes(ctx, field, lower, size);
}

void
shrike_emit_utf8(struct shrike_ctx *ctx, unsigned field, const void *text, size_t size)
{
	field_id id = field_of(ctx, field);

	if (id != 0 && context_record(ctx) != NULL)
		(void)record_add_utf8(ctx->parsing->records, ctx->record, id, size > 0 ? text : "", size);
}

void
shrike_emit_hex(struct shrike_ctx *ctx, unsigned field, const void *bytes, size_t size)
{
	char text[HEX_MAX];

	if (size > sizeof(text) / 2)
		size = sizeof(text) / 2;
	(void)json_put_hex(text, bytes, size);
	shrike_emit_bytes(ctx, field, text, 2 * size);
}

void
shrike_emit_mac(struct shrike_ctx *ctx, unsigned field, const uint8_t mac[6])
{
	char text[3 * 6 - 1];

	(void)json_put_hex_colons(text, mac, 6);
	shrike_emit_bytes(ctx, field, text, sizeof(text));
}

void
shrike_emit_ip(struct shrike_ctx *ctx, unsigned field, const uint8_t address[16])
{
	field_id id = field_of(ctx, field);

	if (id != 0 && context_record(ctx) != NULL)
		(void)record_add_ip(ctx->parsing->records, ctx->record, id, address);
}

void
shrike_emit_ipv4(struct shrike_ctx *ctx, unsigned field, const uint8_t address[4])
{
	uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};

	memcpy(mapped + 12, address, 4);
	shrike_emit_ip(ctx, field, mapped);
}

bool
shrike_emit_ip_text(struct shrike_ctx *ctx, unsigned field, const void *text, size_t size)
{
	field_id id = field_of(ctx, field);

	if (id == 0 || context_record(ctx) == NULL)
		return false;
	return record_add_ip_text(ctx->parsing->records, ctx->record, id, text, size);
}

void
shrike_emit_object(struct shrike_ctx *ctx, unsigned field, const char *json, size_t size)
{
	field_id id = field_of(ctx, field);

	if (id != 0 && context_record(ctx) != NULL)
		(void)record_add_object(ctx->parsing->records, ctx->record, id, json, size);
}

void
shrike_emit_format(struct shrike_ctx *ctx, unsigned field, const char *format, ...)
{
	char text[FORMAT_MAX];
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (size < 0)
		return;
	shrike_emit_bytes(ctx, field, text, (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1);
}

void
shrike_add_protocol(struct shrike_ctx *ctx, const char *name)
{
	if (context_record(ctx) != NULL)
		(void)record_add_str(ctx->parsing->records, ctx->record, ctx->parsing->protocol, name, strlen(name));
}

bool
shrike_has_protocol(const struct shrike_ctx *ctx, const char *name)
{
	const struct record *r = context_peek(ctx);

	return r != NULL && record_has_str(ctx->parsing->records, r, ctx->parsing->protocol, name, strlen(name));
}

void
shrike_remove_protocol(struct shrike_ctx *ctx, const char *name)
{
	if (context_record(ctx) != NULL)
		record_remove_str(ctx->parsing->records, ctx->record, ctx->parsing->protocol, name, strlen(name));
}

void
shrike_add_tag(struct shrike_ctx *ctx, const char *tag)
{
	if (context_record(ctx) != NULL)
		(void)record_add_str(ctx->parsing->records, ctx->record, ctx->parsing->tags, tag, strlen(tag));
}

void
shrike_remove_field(struct shrike_ctx *ctx, unsigned field)
{
	field_id id = field_of(ctx, field);

	if (id != 0 && context_record(ctx) != NULL)
		record_remove(ctx->parsing->records, ctx->record, id);
}

bool
shrike_has_field(const struct shrike_ctx *ctx, unsigned field)
{
	const struct record *r = context_peek(ctx);
	field_id id = field_of(ctx, field);

	return r != NULL && id != 0 && record_has(ctx->parsing->records, r, id);
}

/* ---- Memory */

void *
shrike_alloc(struct shrike_ctx *ctx, size_t size)
{
	void *block = NULL;

	if (ctx->attached != NULL && size <= SHRIKE_ALLOC_MAX)
		block = parser_alloc(&ctx->parsing->memory, &ctx->attached->blocks, size);
	if (block == NULL)
		COUNTER_ADD(ctx->parsing->counters, alloc_failed, 1);
	return block;
}

void *
shrike_realloc(struct shrike_ctx *ctx, void *old, size_t size)
{
	void *block = NULL;

	if (ctx->attached != NULL && size <= SHRIKE_ALLOC_MAX)
		block = parser_realloc(&ctx->parsing->memory, &ctx->attached->blocks, old, size);
	if (block == NULL)
		COUNTER_ADD(ctx->parsing->counters, alloc_failed, 1);
	return block;
}

void
shrike_free(struct shrike_ctx *ctx, void *block)
{
	parser_free(&ctx->parsing->memory, &ctx->attached->blocks, block);
}

/* ---- Calls */

int
shrike_call(struct shrike_ctx *ctx, unsigned call, struct cursor in, void *argument)
{
	const struct parser_entry *caller = ctx->entry;
	const struct call_list *list;
	int result = 0;

	if (call >= caller->n_calls)
		return 0;
	list = &caller->call[call];
	for (unsigned i = 0; i < list->n; i++) {
		ctx->entry = list->target[i].owner;
		result = list->target[i].hook->call(ctx, in, argument);
	}
	ctx->entry = caller;
	return result;
}

bool
shrike_has_listener(const struct shrike_ctx *ctx, unsigned call)
{
	return call < ctx->entry->n_calls && ctx->entry->call[call].n > 0;
}

const char *
shrike_magic(struct shrike_ctx *ctx, const void *bytes, size_t size)
{
	return magic_of(ctx->parsing->magic, bytes, size);
}
