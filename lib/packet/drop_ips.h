/* packet-drop-ips: addresses whose packets nobody wants.
 *
 *   [packet-drop-ips]
 *   10.0.0.0/8 = drop
 *   10.1.2.3 = allow
 *
 * Of several prefixes that hold an address the longest decides; of one that is there twice the line that comes last. A
 * packet is dropped when its source or its destination is, in any of its IP headers.
 *
 * Threads: a list is const once it is made. The one that packet_decode() asks can be replaced at any time
 * (decode_conf_replace_drop_ips()). */
#ifndef DROP_IPS_H
#define DROP_IPS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "conf.h"

enum { DROP_IPS_MAX = 1 << 24 };

struct drop_ips;
struct drop_ips_builder;

/* NULL: no memory. */
struct drop_ips_builder *drop_ips_begin(void);
void drop_ips_abandon(struct drop_ips_builder *); /* accepts NULL */

/* One line: "ADDRESS", "ADDRESS/BITS" or a short "10.1/16", and "drop" or "allow". -EINVAL, -ENOSPC, -ENOMEM. */
int drop_ips_add(struct drop_ips_builder *, const char *prefix, const char *verdict);

/* Takes the builder. NULL: no memory. */
struct drop_ips *drop_ips_finish(struct drop_ips_builder *);
void drop_ips_destroy(const struct drop_ips *); /* accepts NULL */

/* The section [packet-drop-ips] of the conf, then those of 'files'. 0 and *list, which is NULL when there is no line;
 * else a negative errno, and the reasons, "FILE:LINE: ...", one a line, were written to 'errors'. */
int drop_ips_load(const struct conf *, const struct conf_list *files, FILE *errors, const struct drop_ips **list);

/* How many lines made it; 0 for NULL. */
uint32_t drop_ips_lines(const struct drop_ips *);

/* Either of two addresses is to be dropped; host order, or 16 bytes each. */
bool drop_ips_either_ipv4(const struct drop_ips *, uint32_t a, uint32_t b);
bool drop_ips_either_ipv6(const struct drop_ips *, const uint8_t *a, const uint8_t *b);

#endif
