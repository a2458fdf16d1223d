/* Settings: one table entry beside each user, one reader, one check.
 *
 * A module declares a plain struct and a table of its settings:
 *
 *   static const struct setting session_settings[] = {
 *           SETTING_U32(struct session_conf, tcp_timeout_s, "tcpTimeout", 480, 10, 65535, "seconds", "idle time of TCP
 * sessions"),
 *   };
 *   SETTINGS(session, "Sessions", session_settings);
 *
 * and after conf_load() calls conf_fill(conf, &session, &its_struct). From the same tables come the check,
 * conf/shrike.conf,
 * --list-settings and --dump-config. Keys are Arkime's where Arkime has the setting; the known Arkime settings that do
 * nothing here are in a table of their own and give a warning.
 *
 * File format: INI with [default] and [NODE] sections (NODE wins), # and ; comments at a line's start, lists separated
 * by ';', values of any length; 'includes' names further files, whose settings win. Order of precedence: -o key=value,
 * environment ARKIME__key / SHRIKE__key, [NODE], [nodeClass], [default]. Sections that hold free keys ([override-ips],
 * [keks], ...) are kept as they are: conf_section_each().
 *
 * Threads: control only. Ownership: strings in filled structs belong to the conf and live until conf_destroy(). */
#ifndef CONF_H
#define CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "registry.h"

enum setting_type {
	SETTING_TYPE_BOOL,
	SETTING_TYPE_U32,
	SETTING_TYPE_U64,
	SETTING_TYPE_DOUBLE,
	SETTING_TYPE_STR,
	SETTING_TYPE_ENUM,
	SETTING_TYPE_LIST
};

struct conf_list {
	const char **item;
	unsigned n;
};

struct setting {
	const char *key;
	enum setting_type type;
	size_t offset; /* in the module's struct: bool, uint32_t, uint64_t, double, const char *, int, struct conf_list
			*/
	const char *fallback;	  /* the default, as written in a file */
	double min, max;	  /* U32, U64, DOUBLE */
	const char *const *words; /* ENUM: NULL-terminated; the value is the index */
	const char *unit;	  /* "seconds", "bytes", "" */
	const char *help;
};

#define SETTING_BOOL(s, member, key_, default_, help_)                                                                 \
	{                                                                                                              \
		.key = key_, .type = SETTING_TYPE_BOOL, .offset = offsetof(s, member), .fallback = default_,           \
		.unit = "", .help = help_                                                                              \
	}
#define SETTING_U32(s, member, key_, default_, min_, max_, unit_, help_)                                               \
	{                                                                                                              \
		.key = key_, .type = SETTING_TYPE_U32, .offset = offsetof(s, member), .fallback = #default_,           \
		.min = (double)(min_), .max = (double)(max_), .unit = unit_, .help = help_                             \
	}
#define SETTING_U64(s, member, key_, default_, min_, max_, unit_, help_)                                               \
	{                                                                                                              \
		.key = key_, .type = SETTING_TYPE_U64, .offset = offsetof(s, member), .fallback = #default_,           \
		.min = (double)(min_), .max = (double)(max_), .unit = unit_, .help = help_                             \
	}
#define SETTING_DOUBLE(s, member, key_, default_, min_, max_, unit_, help_)                                            \
	{                                                                                                              \
		.key = key_, .type = SETTING_TYPE_DOUBLE, .offset = offsetof(s, member), .fallback = #default_,        \
		.min = (double)(min_), .max = (double)(max_), .unit = unit_, .help = help_                             \
	}
#define SETTING_STR(s, member, key_, default_, help_)                                                                  \
	{                                                                                                              \
		.key = key_, .type = SETTING_TYPE_STR, .offset = offsetof(s, member), .fallback = default_,            \
		.unit = "", .help = help_                                                                              \
	}
#define SETTING_ENUM(s, member, key_, default_, words_, help_)                                                         \
	{                                                                                                              \
		.key = key_, .type = SETTING_TYPE_ENUM, .offset = offsetof(s, member), .fallback = default_,           \
		.words = words_, .unit = "", .help = help_                                                             \
	}
#define SETTING_LIST(s, member, key_, default_, help_)                                                                 \
	{                                                                                                              \
		.key = key_, .type = SETTING_TYPE_LIST, .offset = offsetof(s, member), .fallback = default_,           \
		.unit = "", .help = help_                                                                              \
	}

struct setting_group {
	const char *name;  /* "session" */
	const char *title; /* heading in conf/shrike.conf */
	const struct setting *settings;
	unsigned n_settings;
};
REGISTRY_DECLARE(setting_group, struct setting_group);

/* Defines 'const struct setting_group NAME_settings_group'. */
#define SETTINGS(name_, title_, table)                                                                                 \
	const struct setting_group name_##_settings_group = {                                                          \
		.name = #name_, .title = title_, .settings = table, .n_settings = sizeof(table) / sizeof(table[0])};   \
	REGISTRY_ADD(setting_group, name_##_settings_group)

struct conf;

struct conf_params {
	const char *path;	      /* NULL: defaults, environment and overrides only */
	const char *node;	      /* NULL: the host name up to its first dot */
	const char *const *overrides; /* "key=value" */
	unsigned n_overrides;
};

/* Reads and checks everything; every error is written to 'errors' as "FILE:LINE: what is wrong, and the nearest name",
 * one a line, all of them, not only the first. Returns NULL when there was one. */
struct conf *conf_load(const struct conf_params *, FILE *errors);

/* Accepts NULL. */
void conf_destroy(struct conf *);

const char *conf_node(const struct conf *);

/* Fills the module's struct. Cannot fail: conf_load() checked every value. */
void conf_fill(const struct conf *, const struct setting_group *, void *out);

/* Every key of a free section, in file order, then what the environment sets there. Nothing is checked: a key may come
 * again (an included file, the environment), and then the later one should count. */
void conf_section_each(const struct conf *, const char *section,
		       void (*each)(const char *key, const char *value, void *context), void *context);

/* The same with the place of each, for messages. */
struct conf_line {
	const char *key, *value;
	const char *where; /* the file's path, or the environment's variable */
	unsigned line;	   /* 0: not of a file */
};
void conf_section_lines(const struct conf *, const char *section, void (*each)(const struct conf_line *, void *context),
			void *context);

/* The same of a file of its own, of which nothing else is looked at. False: it cannot be read, or is no conf file; the
 * reasons were written to 'errors'. */
bool conf_file_section_lines(const char *path, const char *section,
			     void (*each)(const struct conf_line *, void *context), void *context, FILE *errors);

/* What two confs of one program say differently: 'each' gets the key of a setting or, for a free section, "[name]". The
 * texts are compared: true and 1 differ. */
void conf_differences(const struct conf *, const struct conf *, void (*each)(const char *name, void *context),
		      void *context);

/* True when somebody set the key (file, environment or override). */
bool conf_is_set(const struct conf *, const char *key);

/* --dump-config: every setting with its value and where it came from. */
void conf_dump(const struct conf *, FILE *);

/* --list-settings: key, type, default, range, unit, meaning. */
void conf_list_settings(FILE *);

/* conf/shrike.conf: every setting as a comment with its default. */
void conf_print_template(FILE *);

/* Two settings with one key, a default out of its range, ...: false, and the reason to 'errors'. A test calls it. */
bool conf_validate_tables(FILE *errors);

#endif
