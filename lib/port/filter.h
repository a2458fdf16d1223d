/* 'bpf': which packets are taken at all, in the language of tcpdump (pcap-filter(7)).
 *
 * libpcap compiles the expression, once for each link type that is seen; what it compiles to runs in
 * libpcap's interpreter, or with bpfMachineCode as machine code where rte_bpf's compiler is thought to mean the same
 * (filter_priv.h). It sees the frame as
 * captured, from the link layer on, and its length on the wire.
 *
 * Threads: a filter belongs to one lcore; several may be made of one expression. filter_check() needs no EAL. */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"

struct filter_conf {
	const char *bpf; /* NULL or "": everything */
	bool machine_code;
};
extern const struct setting_group filter_settings_group;

enum filter_answer {
	FILTER_YES,
	FILTER_NO,
	FILTER_IMPOSSIBLE, /* the expression means nothing for this link type; the reason was logged once */
};

enum { FILTER_LINK_TYPES_MAX = 16 };

struct filter;

/* False: libpcap does not understand it (for Ethernet), and says why. */
bool filter_check(const char *expression, char *why, size_t why_size);

/* NULL with errno EINVAL and 'why', or ENOMEM. Ethernet's program is made at once. */
struct filter *filter_create(const struct filter_conf *, char *why, size_t why_size);
void filter_destroy(struct filter *); /* accepts NULL */

/* A link type that is asked about for the first time is compiled then. */
enum filter_answer filter_ask(struct filter *, const uint8_t *bytes, uint32_t captured_bytes, uint32_t wire_bytes,
			      uint16_t link_type);

#endif
