/* The list reads as the tables do: a rule is its transports and its condition, "tcp destination port 53",
 * "udp @0 1603 = dtls" (a match that only names the protocol), "session dhcp", "tcp" (every first payload). */
#include "parsers_list.h"

static void
print_transports(uint8_t transports, FILE *out)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} names[] = {{SHRIKE_TCP, "tcp"}, {SHRIKE_UDP, "udp"}, {SHRIKE_SCTP, "sctp"}};
	const char *between = "";

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((transports & names[i].bit) == 0)
			continue;
		fprintf(out, "%s%s", between, names[i].name);
		between = "+";
	}
}

static void
print_bytes(const struct shrike_match *m, FILE *out)
{
	fprintf(out, " @%u ", m->offset);
	for (unsigned i = 0; i < m->n_bytes; i++)
		fprintf(out, "%02x", (uint8_t)m->bytes[i]);
}

static void
print_rule(const struct shrike_match *m, FILE *out)
{
	if (m->session != NULL) {
		fprintf(out, "session %s", m->session);
		return;
	}
	print_transports(m->transports, out);
	if (m->port != 0)
		fprintf(out, " port %u", m->port);
	if (m->source_port != 0)
		fprintf(out, " source port %u", m->source_port);
	if (m->destination_port != 0)
		fprintf(out, " destination port %u", m->destination_port);
	if (m->n_bytes > 0)
		print_bytes(m, out);
	if (m->protocol != NULL)
		fprintf(out, " = %s", m->protocol);
}

static void
print_parser(const struct shrike_parser *parser, FILE *out)
{
	const struct shrike_match *m = parser->match;

	fprintf(out, "%s\t", parser->name);
	for (; m != NULL && (m->transports != 0 || m->session != NULL); m++) {
		if (m != parser->match)
			fputs(", ", out);
		print_rule(m, out);
	}
	fputc('\t', out);
	for (unsigned i = 0; i < parser->n_fields; i++)
		fprintf(out, "%s%s", i > 0 ? "," : "", parser->fields[i].name);
	fputc('\n', out);
}

void
parsers_list(const struct parsers *parsers, FILE *out)
{
	for (unsigned i = 0; i < parsers_count(parsers); i++)
		print_parser(parsers_at(parsers, i), out);
}
