/* Templates and indices (RECORD.md 9).
 *
 * They are the older kind of template (_template), which Elasticsearch 7 and 8 and OpenSearch 1 to 3 all know, under
 * the names that the reference's db.pl gives them, so that either program finds the other's. What comes from a sensor's
 * own parsers is taken from the field tables; types that no table has are decided by rules on names, in the index as
 * here:
 * ...Ip and ip are addresses, other texts are keywords. */
#include "elastic_schema_priv.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 256, FIELDS_LIMIT = 6000 };

/* Sets the mapping of "a.b.c" in nested "properties". The first word on a name stays. */
static void
set_mapping(json_t *properties, const char *name, size_t length, json_t *mapping)
{
	char part[NAME_BYTES];

	for (;;) {
		size_t n = strcspn(name, ".");
		json_t *child;

		if (n > length)
			n = length;
		snprintf(part, sizeof(part), "%.*s", (int)n, name);
		child = json_object_get(properties, part);
		if (n == length) {
			if (child == NULL)
				json_object_set_new(properties, part, mapping);
			else
				json_decref(mapping);
			return;
		}
		if (child == NULL) {
			child = json_pack("{s:{}}", "properties");
			json_object_set_new(properties, part, child);
		}
		properties = json_object_get(child, "properties");
		if (properties == NULL) { /* a name that is both a value and a group: the value was first */
			json_decref(mapping);
			return;
		}
		name += n + 1;
		length -= n + 1;
	}
}

static void
set_type(json_t *properties, const char *name, const char *type)
{
	set_mapping(properties, name, strlen(name), json_pack("{s:s}", "type", type));
}

/* Stored, but nobody searches for them. */
static json_t *
mapping_of(const char *name, size_t length, const char *type)
{
	static const char *const unsearched[] = {"packetPos", "packetLen"};

	for (size_t i = 0; i < 2; i++)
		if (strlen(unsearched[i]) == length && memcmp(unsearched[i], name, length) == 0)
			return json_pack("{s:s,s:b}", "type", type, "index", 0);
	return json_pack("{s:s}", "type", type);
}

static void
set_tokens(json_t *properties, const char *name, size_t length)
{
	char tokens[NAME_BYTES];

	snprintf(tokens, sizeof(tokens), "%.*sTokens", (int)length, name);
	set_mapping(properties, name, length, json_pack("{s:s,s:[s]}", "type", "keyword", "copy_to", tokens));
	set_mapping(properties, tokens, strlen(tokens),
		    json_pack("{s:s,s:b,s:s}", "type", "text", "norms", 0, "analyzer", "wordSplit"));
}

static void
set_listed(json_t *properties, const struct schema_names *list)
{
	for (const char *p = list->names; *p != '\0'; p += strspn(p, " ")) {
		size_t length = strcspn(p, " ");

		if (list->has_tokens)
			set_tokens(properties, p, length);
		else
			set_mapping(properties, p, length, mapping_of(p, length, list->type));
		p += length;
	}
}

static const char *
type_of(const struct field *f)
{
	switch (f->type) {
	case FIELD_INT:
	case FIELD_INT_LIST:
	case FIELD_INT_SET:
	case FIELD_INT_LIST_UNIQUE:
		return "long";
	case FIELD_FLOAT:
	case FIELD_FLOAT_LIST:
	case FIELD_FLOAT_SET:
		return "float";
	case FIELD_STR:
	case FIELD_STR_LIST:
	case FIELD_STR_SET:
		return "keyword";
	case FIELD_IP:
	case FIELD_IP_SET:
		return "ip";
	default:
		return NULL; /* nothing is stored under it, or its members have names of their own */
	}
}

static void
set_field(json_t *properties, const struct field *f)
{
	const char *type = type_of(f);
	size_t length = strlen(f->name);
	char name[NAME_BYTES];

	if (type == NULL)
		return;
	/* The words of a text are of the tokens kind, if they stand in the tables at all. */
	if (length > 6 && strcmp(f->name + length - 6, "Tokens") == 0)
		return;
	set_type(properties, f->name, type);
	if ((f->flags & (FIELD_COUNT | FIELD_ECS_COUNT)) != 0) {
		snprintf(name, sizeof(name), "%s%s", f->name, (f->flags & FIELD_ECS_COUNT) != 0 ? "-cnt" : "Cnt");
		set_type(properties, name, "long");
	}
}

static json_t *
session_properties(void)
{
	json_t *properties = json_object();

	for (unsigned i = 0; i < n_schema_names; i++)
		set_listed(properties, &schema_names[i]);
	for (unsigned id = 1; id <= fields_count(); id++)
		set_field(properties, field_at((field_id)id));
	return properties;
}

static json_t *
session_rules(void)
{
	static const char rules[] =
		"[{\"ips_end\":{\"match\":\"*Ip\",\"mapping\":{\"type\":\"ip\"}}},"
		"{\"ips_named\":{\"match\":\"ip\",\"mapping\":{\"type\":\"ip\"}}},"
		"{\"tokens\":{\"match\":\"*Tokens\",\"mapping\":{\"type\":\"text\",\"norms\":false,\"analyzer\":"
		"\"wordSplit\"}}},"
		"{\"strings\":{\"match_mapping_type\":\"string\",\"mapping\":{\"type\":\"keyword\"}}}]";

	return json_loads(rules, 0, NULL);
}

json_t *
schema_sessions_template(const struct schema_params *p)
{
	char pattern[NAME_BYTES];

	snprintf(pattern, sizeof(pattern), "%ssessions3-*", p->prefix);
	return json_pack("{s:[s],s:i,s:{s:{s:i,s:i,s:s,s:{s:{s:i}},s:{s:{s:{s:s,s:s,s:[s]}}}}},"
			 "s:{s:{s:i,s:s},s:s,s:o,s:o}}",
			 "index_patterns", pattern, "order", 99, "settings", "index", "number_of_shards",
			 (int)p->shards, "number_of_replicas", (int)p->replicas, "refresh_interval", "60s", "mapping",
			 "total_fields", "limit", FIELDS_LIMIT, "analysis", "analyzer", "wordSplit", "type", "custom",
			 "tokenizer", "pattern", "filter", "lowercase", "mappings", "_meta", "molochDbVersion",
			 SCHEMA_VERSION, "madeBy", "shrike", "dynamic", "true", "dynamic_templates", session_rules(),
			 "properties", session_properties());
}

/* Names of before, for what has a name of the Elastic Common Schema now. */
static const struct {
	const char *alias, *name, *type;
} ecs_names[] = {
	{"srcIp", "source.ip", "ip"},
	{"dstIp", "destination.ip", "ip"},
	{"srcPort", "source.port", "long"},
	{"dstPort", "destination.port", "long"},
	{"srcGEO", "source.geo.country_iso_code", "keyword"},
	{"dstGEO", "destination.geo.country_iso_code", "keyword"},
	{"srcASN", "source.as.full", "keyword"},
	{"dstASN", "destination.as.full", "keyword"},
	{"srcBytes", "source.bytes", "long"},
	{"dstBytes", "destination.bytes", "long"},
	{"srcDataBytes", "client.bytes", "long"},
	{"dstDataBytes", "server.bytes", "long"},
	{"srcPackets", "source.packets", "long"},
	{"dstPackets", "destination.packets", "long"},
	{"srcMac", "source.mac", "keyword"},
	{"dstMac", "destination.mac", "keyword"},
	{"srcMacCnt", "source.mac-cnt", "long"},
	{"dstMacCnt", "destination.mac-cnt", "long"},
	{"communityId", "network.community_id", "keyword"},
	{"totBytes", "network.bytes", "long"},
	{"totPackets", "network.packets", "long"},
	{"vlan", "network.vlan.id", "long"},
	{"vlanCnt", "network.vlan.id-cnt", "long"},
	{"timestamp", "@timestamp", "date"},
};

json_t *
schema_ecs_template(const struct schema_params *p)
{
	json_t *properties = json_object();
	char pattern[NAME_BYTES];

	for (size_t i = 0; i < sizeof(ecs_names) / sizeof(ecs_names[0]); i++) {
		set_type(properties, ecs_names[i].name, ecs_names[i].type);
		json_object_set_new(properties, ecs_names[i].alias,
				    json_pack("{s:s,s:s}", "type", "alias", "path", ecs_names[i].name));
	}
	snprintf(pattern, sizeof(pattern), "%ssessions3-*", p->prefix);
	return json_pack("{s:[s],s:i,s:{s:o}}", "index_patterns", pattern, "order", 1, "mappings", "properties",
			 properties);
}

/* ---- indices that are one for all */

static json_t *
keyword_mappings(const char *properties)
{
	json_t *mappings = json_loads("{\"dynamic\":\"true\",\"dynamic_templates\":[{\"strings\":{\"match_mapping_"
				      "type\":\"string\",\"mapping\":{"
				      "\"type\":\"keyword\"}}}]}",
				      0, NULL);

	json_object_set_new(mappings, "properties", json_loads(properties, 0, NULL));
	return mappings;
}

static json_t *
files_mappings(void)
{
	return keyword_mappings(
		"{\"num\":{\"type\":\"long\"},\"node\":{\"type\":\"keyword\"},\"name\":{\"type\":\"keyword\"},"
		"\"first\":{\"type\":\"long\"},\"locked\":{\"type\":\"short\"},\"filesize\":{\"type\":\"long\"},"
		"\"packetsSize\":{\"type\":\"long\"},\"packets\":{\"type\":\"long\"},"
		"\"sessionsStarted\":{\"type\":\"long\"},\"sessionsPresent\":{\"type\":\"long\"},"
		"\"startTimestamp\":{\"type\":\"date\"},\"finishTimestamp\":{\"type\":\"date\"},"
		"\"firstTimestamp\":{\"type\":\"date\"},\"lastTimestamp\":{\"type\":\"date\"}}");
}

static json_t *
sequence_mappings(void)
{
	return json_pack("{s:b}", "enabled", 0);
}

static json_t *
fields_mappings(void)
{
	return keyword_mappings("{}");
}

static json_t *
stats_mappings(void)
{
	json_t *mappings = keyword_mappings("{\"hostname\":{\"type\":\"keyword\"},\"nodeName\":{\"type\":\"keyword\"},"
					    "\"currentTime\":{\"type\":\"date\",\"format\":\"epoch_second\"}}");
	json_t *rules = json_object_get(mappings, "dynamic_templates");

	json_array_append_new(rules, json_pack("{s:{s:s,s:{s:s}}}", "numbers", "match_mapping_type", "long", "mapping",
					       "type", "long"));
	json_array_append_new(rules, json_pack("{s:{s:s,s:{s:s}}}", "fractions", "match_mapping_type", "double",
					       "mapping", "type", "float"));
	return mappings;
}

const struct schema_index schema_indices[] = {
	{"files", "_v30", files_mappings}, {"sequence", "_v30", sequence_mappings}, {"fields", "_v30", fields_mappings},
	{"stats", "_v30", stats_mappings}, {"dstats", "_v30", stats_mappings},
};
const unsigned n_schema_indices = sizeof(schema_indices) / sizeof(schema_indices[0]);

/* A copy on every node but one: these are small, and everything depends on them. */
json_t *
schema_index_body(const struct schema_index *index)
{
	return json_pack("{s:{s:{s:i,s:s}},s:o}", "settings", "index", "number_of_shards", 1, "auto_expand_replicas",
			 "0-2", "mappings", index->mappings());
}
