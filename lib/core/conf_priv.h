/* The parts of the conf reader.
 *
 *   conf.c           loading, and who wins when a key is set in several places
 *   conf_file.c      text of a file -> sections of key and value
 *   conf_override.c  -o key=value and the environment -> sections of key and value
 *   conf_check.c     every key known, once, and of its type
 *   conf_value.c     one value: text -> type, range
 *   conf_arkime.c    what Arkime knows and Shrike does not use
 *   conf_issue.c     errors and warnings, collected and printed in order
 *   conf_print.c     conf/shrike.conf, --list-settings, --dump-config
 *
 * Everything takes its settings from a 'struct conf_tables', which is the registry, or a test's own. */
#ifndef CONF_PRIV_H
#define CONF_PRIV_H

#include "arena.h"
#include "conf.h"

enum {
	CONF_FILE_BYTES_MAX = 64 << 20,
	CONF_SECTIONS_MAX = 4096,
	CONF_ISSUES_MAX = 1000,	      /* printed; the rest is counted */
	CONF_NEAREST_LENGTH_MAX = 64, /* longer keys get no suggestion */
};

struct conf_tables {
	const struct setting_group *const *groups;
	unsigned n;
};

struct conf_tables conf_registry(void);
const struct setting *conf_setting_find(const struct conf_tables *, const char *key);

/* Where something was read. */
enum conf_layer { CONF_LAYER_FILE, CONF_LAYER_ENVIRONMENT, CONF_LAYER_OVERRIDE };

struct conf_source {
	enum conf_layer layer;
	const char *where; /* the file's path, the variable's name, "key=value" */
	unsigned file;	   /* 0: the file of conf_params, then the included ones */
	unsigned line;	   /* 0: the file as a whole */
};

struct conf_entry {
	const char *key, *value;
	struct conf_source source;
};

/* Sections are one for each layer and name: a file may open one several times. */
struct conf_section {
	struct conf_section *next;
	enum conf_layer layer;
	const char *name;
	struct conf_source source;
	struct conf_entry *entries; /* in order of reading */
	unsigned n, room;
};

struct conf_issue {
	struct conf_source source;
	unsigned number; /* order of finding, for a stable sort */
	const char *text;
};

struct conf {
	struct arena *arena;
	struct conf_tables tables;
	const char *node, *node_class;
	struct conf_section *sections;
	unsigned n_sections, n_files;
	struct conf_issue *issues;
	unsigned n_issues, n_errors, n_unprinted;
	bool no_memory;
};

/* conf.c */
extern const struct setting_group conf_settings_group;
struct conf *conf_load_tables(const struct conf_params *, const struct conf_tables *, FILE *errors);
/* The entry that wins, or NULL: nobody set the key. */
const struct conf_entry *conf_entry_find(const struct conf *, const char *key);
/* Finds or creates. NULL: too many, or no memory; both are reported. */
struct conf_section *conf_section_lookup(struct conf *, const char *name, const struct conf_source *);
/* The strings must live as long as the conf. */
void conf_entry_add(struct conf *, struct conf_section *, const char *key, const char *value,
		    const struct conf_source *);

/* conf_file.c, conf_override.c: read into the conf, and report what is wrong. */
void conf_file_read(struct conf *, const char *path, bool optional);
void conf_overrides_read(struct conf *, const char *const *overrides, unsigned n);
void conf_environment_read(struct conf *);

/* conf_check.c */
void conf_check(struct conf *);
/* The key nearest to 'key', or NULL when none is near. */
const char *conf_nearest(const struct conf_tables *, const char *key);
bool conf_validate_groups(const struct conf_tables *, FILE *errors);

/* conf_value.c */
union conf_value {
	bool boolean;
	uint64_t number;
	double real;
	int word;
};

/* False, and why not, as in "not a whole number (10 to 65535 seconds)". Strings and lists always pass. */
bool conf_value_parse(const struct setting *, const char *text, union conf_value *, char *why, size_t why_size);
/* "10 to 65535 seconds", "true or false", "a, b, c" or "". Returns 'out'. */
const char *conf_value_range(const struct setting *, char *out, size_t size);
/* Cuts white space from both ends, in place. Returns the new start. */
char *conf_trim(char *text);
struct conf_list conf_list_split(struct arena *, const char *text);

/* conf_arkime.c */
enum conf_foreign {
	CONF_FOREIGN_NO,      /* unknown */
	CONF_FOREIGN_CAPTURE, /* Arkime's capture uses it, Shrike does not yet */
	CONF_FOREIGN_VIEWER,  /* for the other programs that share Arkime's file: no business of ours */
};
enum conf_foreign conf_foreign_key(const char *key);
/* Keys of Arkime's capture, NULL-terminated. */
extern const char *const conf_arkime_keys[];
/* Sections whose keys are free: those that capture reads, and those of the other programs. */
extern const char *const conf_free_sections[];
bool conf_section_is_free(const char *name);

/* conf_issue.c */
void conf_error(struct conf *, const struct conf_source *, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void conf_warning(struct conf *, const struct conf_source *, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Prints all, in the order of files and lines. */
void conf_issues_print(struct conf *, FILE *out);
/* "FILE:3", "environment NAME", "-o key=value". Returns 'out'. */
const char *conf_source_print(const struct conf_source *, char *out, size_t size);

/* conf_print.c */
void conf_dump_tables(const struct conf *, FILE *);
void conf_list_tables(const struct conf_tables *, FILE *);
void conf_template_tables(const struct conf_tables *, FILE *);

#endif
