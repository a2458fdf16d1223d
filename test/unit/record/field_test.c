/* The field tables against the specification. */
#include "field.h"

#include <stdlib.h>

#include "test.h"

#include "reference.h"

enum { COLUMNS = 10 };

static const char *
type_of(const char *text)
{
	static const char *const names[][2] = {
		{"(none)", "none"},
		{"(no fields doc)", "none"},
		{"int", "int"},
		{"int_array", "int list"},
		{"int_array_unique", "int list unique"},
		{"int_ghash", "int set"},
		{"int_hash", "int set"},
		{"str", "str"},
		{"str_array", "str list"},
		{"str_hash", "str set"},
		{"str_ghash", "str set"},
		{"ip", "ip"},
		{"ip_ghash", "ip set"},
		{"object", "object"},
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i][0], text) == 0)
			return names[i][1];
	return "unknown";
}

static const char *
our_type(enum field_type type)
{
	static const char *const names[] = {"none",    "int",	     "int list",  "int set", "int list unique",
					    "float",   "float list", "float set", "str",     "str list",
					    "str set", "ip",	     "ip set",	  "object"};

	return names[type];
}

static uint32_t
flags_of(const char *text, const char *type)
{
	static const struct {
		const char *name;
		uint32_t flag;
	} names[] = {
		{"cnt", FIELD_COUNT},
		{"ecs_cnt", FIELD_ECS_COUNT},
		{"linked_sessions", FIELD_LINKED},
		{"force_utf8", FIELD_FORCE_UTF8},
		{"nodb", FIELD_NO_DB},
		{"fake", FIELD_FAKE},
		{"nosave", FIELD_NO_SAVE},
		{"diff_from_last", FIELD_DIFF_FROM_LAST},
		{"ippre", FIELD_IP_PREFIX},
	};
	uint32_t flags = strcmp(type, "str_ghash") == 0 ? FIELD_TO_NUL : 0;
	char copy[128], *save, *word;

	snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save))
		for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strcmp(names[i].name, word) == 0)
				flags |= names[i].flag;
	return flags;
}

static unsigned
split(char *line, char *column[COLUMNS])
{
	unsigned n = 0;

	line[strcspn(line, "\n")] = '\0';
	while (n < COLUMNS && line != NULL)
		column[n++] = strsep(&line, "\t");
	return n;
}

static void
compare(const struct field *f, char *const column[COLUMNS])
{
	EXPECT_STR(f->expression, column[2]);
	EXPECT_STR(f->group, column[3]);
	EXPECT_STR(f->kind, column[4]);
	EXPECT_STR(our_type(f->type), type_of(column[5]));
	EXPECT_EQ(f->flags, flags_of(column[6], column[5]));
	EXPECT_STR(f->friendly, column[7]);
	/* Without a fields document the column holds a remark. */
	if ((f->flags & FIELD_NO_DB) == 0)
		EXPECT_STR(f->extra != NULL ? f->extra : "", column[9]);
	EXPECT(f->help != NULL && f->help[0] != '\0');
}

/* The rows that lib/record owns: defined by the core of the reference, and the two of ICMP. */
static bool
is_ours(const char *defined_in)
{
	return strchr(defined_in, '/') == NULL || strcmp(defined_in, "parsers/icmp.c") == 0;
}

TEST(every_field_is_as_the_specification_has_it)
{
	unsigned compared = 0;
	char path[512], line[4096], *column[COLUMNS];
	FILE *in;

	REQUIRE(fields_init());
	if (!reference_path("spec/FIELDS.tsv", path, sizeof(path))) {
		test_skip("no specification beside the source");
		return;
	}
	in = fopen(path, "r");
	REQUIRE(in != NULL);
	while (fgets(line, sizeof(line), in) != NULL) {
		field_id id;

		if (split(line, column) != COLUMNS || strcmp(column[0], "A") != 0)
			continue;
		id = field_find(column[1]);
		EXPECT(id != 0 || !is_ours(column[8]));
		if (id == 0)
			continue;
		compare(field_at(id), column);
		compared++;
	}
	fclose(in);
	EXPECT(compared >= 58);
}

/* What is in our tables and not in the specification is a test's or has no right to be there. */
/* Fields of headers that a conf names and of the test plugin, which tests that ran before have brought. */
static bool
comes_from_a_conf(const char *name)
{
	static const char *const prefixes[] = {"http.request-", "http.response-", "email.header-", "acme."};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

TEST(no_field_is_invented)
{
	char path[512], line[4096], *column[COLUMNS];
	bool *known;
	FILE *in;

	REQUIRE(fields_init());
	if (!reference_path("spec/FIELDS.tsv", path, sizeof(path))) {
		test_skip("no specification beside the source");
		return;
	}
	in = fopen(path, "r");
	known = calloc(fields_count() + 1, sizeof(known[0]));
	REQUIRE(in != NULL && known != NULL);
	while (fgets(line, sizeof(line), in) != NULL)
		if (split(line, column) >= 7 && column[0][0] == 'A')
			known[field_find(column[1])] = true;
	fclose(in);
	for (unsigned id = 1; id <= fields_count(); id++)
		if (!known[id] && strcmp(field_at((field_id)id)->group, "test") != 0 &&
		    !comes_from_a_conf(field_at((field_id)id)->name))
			test_fail(__FILE__, __LINE__, field_at((field_id)id)->name);
	free(known);
}

TEST(ids_follow_the_names)
{
	REQUIRE(fields_init());
	REQUIRE(fields_count() > 50);
	for (unsigned id = 2; id <= fields_count(); id++) {
		EXPECT(strcmp(field_at((field_id)(id - 1))->name, field_at((field_id)id)->name) < 0);
		EXPECT(field_rank((field_id)(id - 1)) < field_rank((field_id)id));
	}
}

TEST(a_field_nobody_defined_is_not_found)
{
	static const struct field_table unknown = {.name = "unknown"};

	REQUIRE(fields_init());
	EXPECT_STR(field_tail(field_at(field_find("source.mac"))), "mac");
	for (unsigned id = 1; id <= fields_count(); id++)
		EXPECT_EQ(field_tail_bytes((field_id)id), strlen(field_tail(field_at((field_id)id))));
	EXPECT_EQ(field_find("no.such.field"), 0);
	EXPECT_EQ(field_find(""), 0);
	EXPECT_EQ(field_find_expression("source.mac"), 0);
	EXPECT(field_find_expression("mac.src") == field_find("source.mac"));
	EXPECT(field_ids(&unknown) == NULL);
}

TEST(the_list_has_a_line_of_six_columns_for_every_field)
{
	char *text = NULL, *line, *rest;
	size_t size = 0;
	unsigned lines = 0;
	bool found = false;
	FILE *out;

	REQUIRE(fields_init());
	out = open_memstream(&text, &size);
	REQUIRE(out != NULL);
	fields_list(out);
	fclose(out);
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		unsigned tabs = 0;

		for (const char *p = line; *p != '\0'; p++)
			tabs += *p == '\t';
		EXPECT_EQ(tabs, 5);
		found = found || strstr(line, "vlan\tnetwork.vlan.id\tint list unique\tgeneral\tinteger\t") == line;
		lines++;
	}
	EXPECT_EQ(lines, fields_count());
	EXPECT(found);
	free(text);
}
