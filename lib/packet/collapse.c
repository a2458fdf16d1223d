/* [vlan-vni-collapse]: several VLAN or VNI ids that count as one.
 *
 *   10 = 11,12      sessions of VLAN 11 and 12 are sessions of VLAN 10 */

#include "decode_priv.h"

#include "log.h"

#include <errno.h>
#include <stdlib.h>

enum { ID_MAX = 0xffffff };

struct collapse_load {
	struct decode_conf *conf;
	int error;
};

/* A decimal id with blanks around it, then 'stop' or the end, where *text is left. */
static bool
parse_id(const char **text, char stop, uint32_t *id)
{
	const char *p = *text;
	unsigned long number = 0;
	unsigned digits = 0;

	p += strspn(p, " \t");
	for (; *p >= '0' && *p <= '9' && digits < 9; p++, digits++)
		number = number * 10 + (unsigned long)(*p - '0');
	p += strspn(p, " \t");
	*text = p;
	*id = (uint32_t)number;
	return digits > 0 && number <= ID_MAX && (*p == stop || *p == '\0');
}

int
collapse_add(struct decode_conf *conf, uint32_t from, uint32_t to)
{
	struct collapse *grown;

	if (conf->n_collapse == COLLAPSE_MAX)
		return -ENOSPC;
	for (uint32_t i = 0; i < conf->n_collapse; i++)
		if (conf->collapse[i].from == from)
			return conf->collapse[i].to == to ? 0 : -EINVAL;
	grown = realloc(conf->collapse, (conf->n_collapse + 1) * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	conf->collapse = grown;
	conf->collapse[conf->n_collapse++] = (struct collapse){.from = from, .to = to};
	return 0;
}

static int
add_line(struct decode_conf *conf, const char *key, const char *value)
{
	uint32_t to, from;

	if (!parse_id(&key, '\0', &to))
		return -EINVAL;
	for (;; value++) {
		int error = parse_id(&value, ',', &from) ? collapse_add(conf, from, to) : -EINVAL;

		if (error != 0 || *value == '\0')
			return error;
	}
}

static void
load_line(const char *key, const char *value, void *context)
{
	struct collapse_load *load = context;
	char quoted[2][128];
	int error = add_line(load->conf, key, value);

	if (error == 0)
		return;
	LOG_ERROR("conf.vlan-vni-collapse",
		  "line=\"%s=%s\" reason=\"not ID=ID,ID,... with ids from 0 to 16777215, each of them once\"",
		  log_quote(quoted[0], sizeof(quoted[0]), key), log_quote(quoted[1], sizeof(quoted[1]), value));
	load->error = error;
}

static int
by_from(const void *a, const void *b)
{
	const struct collapse *left = a, *right = b;

	return left->from < right->from ? -1 : left->from > right->from;
}

void
collapse_sort(struct decode_conf *conf)
{
	if (conf->n_collapse > 0)
		qsort(conf->collapse, conf->n_collapse, sizeof(conf->collapse[0]), by_from);
}

int
collapse_load(const struct conf *from, struct decode_conf *conf)
{
	struct collapse_load load = {.conf = conf};

	conf_section_each(from, "vlan-vni-collapse", load_line, &load);
	collapse_sort(conf);
	return load.error;
}
