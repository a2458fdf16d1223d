/* The schema: templates and indices as JSON. Threads: pure functions; fields_init() was called. */
#ifndef ELASTIC_SCHEMA_PRIV_H
#define ELASTIC_SCHEMA_PRIV_H

#include <stdbool.h>

#include <jansson.h>

#include "field.h"

enum { SCHEMA_VERSION = 86 }; /* of the reference's db.pl that writes what we write */

struct schema_names {
	const char *type;
	bool has_tokens;   /* the words of NAME are searched under NAMETokens */
	const char *names; /* separated by blanks */
};
extern const struct schema_names schema_names[];
extern const unsigned n_schema_names;

extern const struct field schema_fields[];
extern const unsigned n_schema_fields;

/* An index that is one for all sensors: PREFIX + name is an alias of PREFIX + name + suffix. */
struct schema_index {
	const char *name, *suffix;
	json_t *(*mappings)(void);
};
extern const struct schema_index schema_indices[];
extern const unsigned n_schema_indices;

struct schema_params {
	const char *prefix;
	unsigned shards, replicas;
};

/* Each is the caller's; NULL: out of memory. */
json_t *schema_sessions_template(const struct schema_params *);
json_t *schema_ecs_template(const struct schema_params *);
json_t *schema_index_body(const struct schema_index *);

#endif
