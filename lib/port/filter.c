/* 'bpf'.
 *
 * Programs are found by link type in a short list, the one of the packet before first. Ethernet's is made at start, so
 * a bad expression is an error of the conf; of other link types nobody knows before their file is opened, and an
 * expression that means nothing there (ether host, on a tunnel's capture) takes no packet of it.
 *
 * The interpreter is the default: rte_bpf of DPDK 22.11 makes its code in passes and stops when two are of one size,
 * not when they are the same, so a jump that became 3 bytes shorter beside one that became 3 longer leaves others that
 * end in the middle of an instruction ("dst host 2001:db8::1 or vlan 7 or tcp port 80 or ip6 proto 6": filter_fuzz). */
#include "filter_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_branch_prediction.h>

#include "log.h"
#include "packet.h"

static const struct setting filter_settings[] = {
	SETTING_STR(
		struct filter_conf, bpf, "bpf", "",
		"only packets that match are taken, live and from files: an expression of tcpdump, as in: not port 22"),
	SETTING_BOOL(struct filter_conf, machine_code, "bpfMachineCode", "false",
		     "run bpf as machine code; DPDK 22.11's compiler makes code that crashes of some expressions"),
};
SETTINGS(filter, "Filters", filter_settings);

struct entry {
	struct filter_program program;
	uint16_t link_type;
	bool is_bad;
};

struct filter {
	struct entry *last; /* asked */
	unsigned n;
	char *expression;
	bool machine_code;
	struct rte_mbuf scratch;
	struct entry entry[FILTER_LINK_TYPES_MAX];
};

bool
filter_check(const char *expression, char *why, size_t why_size)
{
	struct filter_program program;
	bool good = filter_program_make(&program, expression, LINK_ETHERNET, why, why_size);

	filter_program_free(&program);
	return good;
}

/* NULL: too many link types. */
static struct entry *
add_link_type(struct filter *f, uint16_t link_type, char *why, size_t why_size)
{
	struct entry *e = &f->entry[f->n];

	if (f->n == FILTER_LINK_TYPES_MAX)
		return NULL;
	f->n++;
	e->link_type = link_type;
	e->is_bad = !filter_program_make(&e->program, f->expression, link_type, why, why_size);
	if (!e->is_bad && f->machine_code)
		filter_program_compile(&e->program);
	return e;
}

struct filter *
filter_create(const struct filter_conf *conf, char *why, size_t why_size)
{
	struct filter *f = calloc(1, sizeof(*f));

	snprintf(why, why_size, "no memory");
	if (f == NULL)
		return NULL;
	f->scratch.nb_segs = 1;
	f->machine_code = conf->machine_code;
	f->expression = strdup(conf->bpf);
	if (f->expression == NULL) {
		filter_destroy(f);
		errno = ENOMEM;
		return NULL;
	}
	f->last = add_link_type(f, LINK_ETHERNET, why, why_size);
	if (f->last->is_bad) {
		filter_destroy(f);
		errno = EINVAL;
		return NULL;
	}
	return f;
}

void
filter_destroy(struct filter *f)
{
	if (f == NULL)
		return;
	for (unsigned i = 0; i < f->n; i++)
		filter_program_free(&f->entry[i].program);
	free(f->expression);
	free(f);
}

static __attribute__((noinline)) struct entry *
find(struct filter *f, uint16_t link_type)
{
	char why[PCAP_ERRBUF_SIZE] = "too many link types", quoted[2][512];
	struct entry *e;

	for (unsigned i = 0; i < f->n; i++)
		if (f->entry[i].link_type == link_type)
			return &f->entry[i];
	e = add_link_type(f, link_type, why, sizeof(why));
	if (e != NULL && e->is_bad)
		LOG_ERROR("filter.link_type",
			  "link_type=%u bpf=\"%s\" reason=\"%s\" note=\"its packets are not taken\"", link_type,
			  log_quote(quoted[0], sizeof(quoted[0]), f->expression),
			  log_quote(quoted[1], sizeof(quoted[1]), why));
	return e;
}

enum filter_answer
filter_ask(struct filter *f, const uint8_t *bytes, uint32_t captured_bytes, uint32_t wire_bytes, uint16_t link_type)
{
	struct entry *e = f->last;
	bool yes;

	if (unlikely(e->link_type != link_type)) {
		e = find(f, link_type);
		if (e == NULL)
			return FILTER_IMPOSSIBLE;
		f->last = e;
	}
	if (unlikely(e->is_bad))
		return FILTER_IMPOSSIBLE;
	if (unlikely(e->program.run != NULL && (!e->program.uses_length || captured_bytes == wire_bytes) &&
		     captured_bytes <= UINT16_MAX))
		yes = filter_run_native(&e->program, &f->scratch, bytes, captured_bytes);
	else
		yes = filter_run_interpreter(&e->program, bytes, captured_bytes, wire_bytes);
	return yes ? FILTER_YES : FILTER_NO;
}
