/* Our Community IDs against those of the reference records. */
#include <arpa/inet.h>
#include <dirent.h>
#include <jansson.h>

#include "document.h"
#include "test.h"

#include "reference.h"

static unsigned n_checked;

static bool
read_side(const json_t *session, const char *name, struct record_summary *s, unsigned side)
{
	const json_t *object = json_object_get(session, name);
	const char *ip = json_string_value(json_object_get(object, "ip"));

	if (ip == NULL)
		return false;
	s->port[side] = (uint16_t)json_integer_value(json_object_get(object, "port"));
	s->ip_version = strchr(ip, ':') != NULL ? 6 : 4;
	if (s->ip_version == 6)
		return inet_pton(AF_INET6, ip, s->address[side]) == 1;
	s->address[side][10] = s->address[side][11] = 0xff;
	return inet_pton(AF_INET, ip, s->address[side] + 12) == 1;
}

static bool
is_icmp(uint8_t protocol)
{
	return protocol == 1 || protocol == 58;
}

/* The first of a set is not always that of the first packet: any of them may have been. */
static bool
any_icmp_agrees(struct record_summary *s, const json_t *icmp, const char *id)
{
	const json_t *types = json_object_get(icmp, "type"), *codes = json_object_get(icmp, "code");
	char ours[COMMUNITY_ID_BYTES];

	for (size_t t = 0; t < json_array_size(types); t++)
		for (size_t c = 0; c < json_array_size(codes); c++)
			for (unsigned turned = 0; turned < 2; turned++) {
				struct record_summary try = *s;

				try.icmp_type = (uint8_t)json_integer_value(json_array_get(types, t));
				try.icmp_code = (uint8_t)json_integer_value(json_array_get(codes, c));
				memcpy(try.address[0], s->address[turned], 16);
				memcpy(try.address[1], s->address[!turned], 16);
				community_id(&try, ours);
				if (strcmp(ours, id) == 0)
					return true;
			}
	return false;
}

static void
check_session(const char *file, const json_t *session)
{
	const char *id = json_string_value(json_object_get(json_object_get(session, "network"), "community_id"));
	struct record_summary s = {.has_community_id = true};
	char ours[COMMUNITY_ID_BYTES], what[512];
	bool right;

	if (id == NULL || !read_side(session, "source", &s, 0) || !read_side(session, "destination", &s, 1))
		return;
	s.ip_protocol = (uint8_t)json_integer_value(json_object_get(session, "ipProtocol"));
	n_checked++;
	community_id(&s, ours);
	right = is_icmp(s.ip_protocol) ? any_icmp_agrees(&s, json_object_get(session, "icmp"), id)
				       : strcmp(ours, id) == 0;
	if (right)
		return;
	snprintf(what, sizeof(what), "%s: reference %s, ours %s", file, id, ours);
	test_fail(__FILE__, __LINE__, what);
}

static void
check_file(const char *folder, const char *name)
{
	char path[1024];
	json_t *root;
	const json_t *sessions;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	root = json_load_file(path, 0, NULL);
	sessions = json_object_get(root, "sessions");
	for (size_t i = 0; i < json_array_size(sessions); i++)
		check_session(name, json_array_get(sessions, i));
	json_decref(root);
}

static void
check_folder(const char *name)
{
	char folder[512];
	struct dirent *entry;
	DIR *dir;

	if (!reference_path(name, folder, sizeof(folder))) {
		test_skip("no reference records beside the source");
		return;
	}
	dir = opendir(folder);
	REQUIRE(dir != NULL);
	while ((entry = readdir(dir)) != NULL)
		if (strstr(entry->d_name, ".json") != NULL)
			check_file(folder, entry->d_name);
	closedir(dir);
	EXPECT(n_checked > 500);
}

TEST(community_ids_are_those_of_the_reference_records)
{
	n_checked = 0;
	check_folder("conformance/refs");
}

TEST(community_ids_are_those_of_the_reference_records_of_zeek)
{
	n_checked = 0;
	check_folder("conformance/zeek/refs");
}
