/* Classification: which rules the first payload of a direction matches.
 *
 * Port rules and byte rules are found in small open-addressing tables: by port, by the first byte, by the first two.
 * Rules whose bytes stand at another offset, and those without bytes, are a short list that is always walked. All rules
 * that match count, in the order of PARSERS.md 0.1: source port, destination port, the list, one byte, two and more;
 * within a kind by parser name. A look-up costs five cache lines when nothing matches, twice in a session's life. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parsing_priv.h"

enum { DNS_PORT = 53, TCP_BYTES_MIN = 2 };

static const uint8_t transport_bit[TRANSPORTS] = {SHRIKE_TCP, SHRIKE_UDP, SHRIKE_SCTP};

/* ---- Building */

/* A rule and the key under which it is found, before they are sorted into a table. */
struct keyed_rule {
	uint32_t key, order;
	struct rule rule;
};
struct rule_list {
	struct keyed_rule *rule;
	unsigned n, capacity;
	bool failed;
};

static void
list_add(struct rule_list *list, uint32_t key, struct rule rule)
{
	if (list->n == list->capacity) {
		unsigned capacity = list->capacity * 2 + 16;
		struct keyed_rule *grown = realloc(list->rule, capacity * sizeof(list->rule[0]));

		if (grown == NULL) {
			list->failed = true;
			return;
		}
		list->rule = grown;
		list->capacity = capacity;
	}
	list->rule[list->n] = (struct keyed_rule){key, list->n, rule};
	list->n++;
}

static int
compare_keyed(const void *a, const void *b)
{
	const struct keyed_rule *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static uint32_t
slot_of(const struct rule_table *t, uint32_t key)
{
	return (key * 2654435761U) >> 16 & t->mask;
}

static void
table_insert(struct rule_table *t, uint32_t key, unsigned first, unsigned n)
{
	uint32_t i = slot_of(t, key);

	while (t->slot[i].key != 0)
		i = (i + 1) & t->mask;
	t->slot[i] = (struct rule_slot){.key = key + 1, .first = (uint16_t)first, .n = (uint16_t)n};
}

static bool
table_build(struct rule_table *t, struct rule_list *list)
{
	uint32_t slots = 2;

	while (slots < 2 * list->n + 1)
		slots *= 2;
	t->mask = slots - 1;
	t->slot = calloc(slots, sizeof(t->slot[0]));
	t->rule = calloc(list->n + 1, sizeof(t->rule[0]));
	if (list->failed || t->slot == NULL || t->rule == NULL)
		return false;
	if (list->n > 0)
		qsort(list->rule, list->n, sizeof(list->rule[0]), compare_keyed);
	for (unsigned i = 0, first = 0; i < list->n; i++) {
		t->rule[i] = list->rule[i].rule;
		if (i + 1 < list->n && list->rule[i + 1].key == list->rule[i].key)
			continue;
		table_insert(t, list->rule[i].key, first, i + 1 - first);
		first = i + 1;
	}
	return true;
}

static uint32_t
two_bytes(const char *bytes)
{
	return (uint32_t)(uint8_t)bytes[0] << 8 | (uint8_t)bytes[1];
}

static void
add_rule(struct rule_list list[RULE_KINDS], struct rule rule)
{
	const struct shrike_match *m = rule.match;

	if (m->port != 0 || m->source_port != 0)
		list_add(&list[RULE_SOURCE_PORT], m->port != 0 ? m->port : m->source_port, rule);
	if (m->port != 0 || m->destination_port != 0)
		list_add(&list[RULE_DESTINATION_PORT], m->port != 0 ? m->port : m->destination_port, rule);
	if (m->port != 0 || m->source_port != 0 || m->destination_port != 0)
		return;
	if (m->offset != 0 || m->n_bytes == 0)
		list_add(&list[RULE_ANYWHERE], 0, rule);
	else if (m->n_bytes == 1)
		list_add(&list[RULE_ONE_BYTE], (uint8_t)m->bytes[0], rule);
	else
		list_add(&list[RULE_BYTES], two_bytes(m->bytes), rule);
}

static bool
rules_end(const struct shrike_match *m)
{
	return m->transports == 0 && m->session == NULL;
}

static bool
build_transport(struct parsers *parsers, unsigned transport)
{
	struct rule_list list[RULE_KINDS] = {0};
	bool ok = true;

	for (unsigned i = 0; i < parsers->n; i++)
		for (const struct shrike_match *m = parsers->entry[i].parser->match; m != NULL && !rules_end(m); m++)
			if ((m->transports & transport_bit[transport]) != 0)
				add_rule(list, (struct rule){m, &parsers->entry[i]});
	for (unsigned kind = 0; kind < RULE_KINDS; kind++) {
		ok = ok && table_build(&parsers->classifier.table[transport][kind], &list[kind]);
		free(list[kind].rule);
	}
	return ok;
}

bool
classifier_build(struct parsers *parsers)
{
	for (unsigned transport = 0; transport < TRANSPORTS; transport++)
		if (!build_transport(parsers, transport))
			return false;
	return true;
}

bool
classifier_build_sessions(struct parsers *parsers, const char *(*name_of)(uint8_t id), unsigned n)
{
	struct rule_list list = {0};
	bool ok;

	for (unsigned id = 1; id <= n; id++)
		for (unsigned i = 0; i < parsers->n; i++)
			for (const struct shrike_match *m = parsers->entry[i].parser->match; m != NULL && !rules_end(m);
			     m++)
				if (m->session != NULL && name_of((uint8_t)id) != NULL &&
				    strcmp(m->session, name_of((uint8_t)id)) == 0)
					list_add(&list, id, (struct rule){m, &parsers->entry[i]});
	ok = table_build(&parsers->classifier.session, &list);
	free(list.rule);
	return ok;
}

bool
parsers_want_session(const struct parsers *parsers, const char *protocol_name)
{
	for (unsigned i = 0; i < parsers->n; i++)
		for (const struct shrike_match *m = parsers->entry[i].parser->match; m != NULL && !rules_end(m); m++)
			if (m->session != NULL && strcmp(m->session, protocol_name) == 0)
				return true;
	return false;
}

static void
table_free(struct rule_table *t)
{
	free(t->slot);
	free(t->rule);
}

void
classifier_free(struct classifier *c)
{
	for (unsigned transport = 0; transport < TRANSPORTS; transport++)
		for (unsigned kind = 0; kind < RULE_KINDS; kind++)
			table_free(&c->table[transport][kind]);
	table_free(&c->session);
}

/* ---- Use */

static bool
bytes_match(const struct shrike_match *m, struct cursor in)
{
	const uint8_t *bytes;

	if (cursor_left(&in) < m->min_bytes)
		return false;
	if (m->n_bytes == 0)
		return true;
	cursor_skip(&in, m->offset);
	bytes = cursor_take(&in, m->n_bytes);
	/* Rules at an offset mostly differ in their first byte. */
	return bytes != NULL && bytes[0] == (uint8_t)m->bytes[0] && memcmp(bytes, m->bytes, m->n_bytes) == 0;
}

static void
add_protocol(struct shrike_ctx *ctx, const struct rule *rule, struct cursor in)
{
	const struct parser_entry *entry = ctx->entry;

	ctx->entry = rule->entry;
	if (rule->match->check == NULL || rule->match->check(ctx, in))
		shrike_add_protocol(ctx, rule->match->protocol);
	ctx->entry = entry;
}

static const struct rule_slot *
table_find(const struct rule_table *t, uint32_t key)
{
	if (t->slot == NULL)
		return NULL;
	for (uint32_t i = slot_of(t, key); t->slot[i].key != 0; i = (i + 1) & t->mask)
		if (t->slot[i].key == key + 1)
			return &t->slot[i];
	return NULL;
}

static void
apply(struct shrike_ctx *ctx, const struct rule_table *t, uint32_t key, struct cursor in)
{
	const struct rule_slot *slot = table_find(t, key);

	for (unsigned i = 0; slot != NULL && i < slot->n; i++) {
		const struct rule *rule = &t->rule[slot->first + i];

		if (!bytes_match(rule->match, in))
			continue;
		if (rule->match->protocol != NULL)
			add_protocol(ctx, rule, in);
		else
			(void)parsing_attach(ctx, rule->entry, rule->match->variant);
	}
}

static unsigned
transport_index(uint8_t transport)
{
	return transport == SHRIKE_TCP ? 0 : transport == SHRIKE_UDP ? 1 : 2;
}

void
classify_payload(struct shrike_ctx *ctx, struct cursor in)
{
	uint8_t transport = ctx->chunk->transport;
	const struct rule_table *table = ctx->parsing->parsers->classifier.table[transport_index(transport)];
	const struct parsing_facts *facts;

	if (cursor_left(&in) == 0 || (transport == SHRIKE_TCP && cursor_left(&in) < TCP_BYTES_MIN))
		return;
	facts = context_facts(ctx);
	apply(ctx, &table[RULE_SOURCE_PORT], facts->port[0], in);
	apply(ctx, &table[RULE_DESTINATION_PORT], facts->port[1], in);
	/* A DNS message may begin with anything. */
	if (transport == SHRIKE_UDP && (facts->port[0] == DNS_PORT || facts->port[1] == DNS_PORT))
		return;
	apply(ctx, &table[RULE_ANYWHERE], 0, in);
	apply(ctx, &table[RULE_ONE_BYTE], cursor_peek(&in, 0), in);
	if (cursor_left(&in) >= 2)
		apply(ctx, &table[RULE_BYTES], (uint32_t)cursor_peek(&in, 0) << 8 | cursor_peek(&in, 1), in);
}

void
classify_session(struct shrike_ctx *ctx, uint8_t protocol, struct cursor in)
{
	apply(ctx, &ctx->parsing->parsers->classifier.session, protocol, in);
}
