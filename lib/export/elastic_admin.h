/* The database's schema, for people: "shrike db".
 *
 * Threads: control, without a sensor. Each prints what it did on standard output and what went wrong on standard error.
 * fields_init() was called. */
#ifndef ELASTIC_ADMIN_H
#define ELASTIC_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "document.h"

struct elastic_admin {
	const struct conf *conf;
	const struct document_conf *document;
	unsigned shards;   /* of each session index; 0: one for each data node, 24 at most */
	unsigned replicas; /* of each shard */
};

/* Makes what is missing, and leaves alone what is there. 0 or -errno. */
int elastic_db_init(const struct elastic_admin *);
/* The same, and templates that Shrike made get the fields that came since. Those of others stay. */
int elastic_db_upgrade(const struct elastic_admin *);
/* 0: everything is there and new enough; -ENOENT: it is not; another -errno. */
int elastic_db_check(const struct elastic_admin *);

struct elastic_expiry {
	unsigned days;	    /* session indices that ended so long ago go; 0: none for their age */
	uint64_t max_bytes; /* the oldest go until the rest has so many; 0: none for their size */
	bool dry_run;	    /* only say which */
	uint64_t now_s;
};
int elastic_db_expire(const struct elastic_admin *, const struct elastic_expiry *);

/* When the period of an index is over, in seconds since 1970: "261121", "261121h06", "26w46", "26m11", and what follows
 * them after a '-'. 'hours': of an hourly period. 0: that is no period. */
uint64_t elastic_period_end(const char *period, unsigned hours);

#endif
