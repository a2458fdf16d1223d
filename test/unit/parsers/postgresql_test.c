/* PostgreSQL. */
#include "harness.h"

#define SSL_REQUEST "\0\0\0\x08\x04\xd2\x16\x2f"
#define STARTUP	    "\0\0\0\x38\0\x03\0\0user\0Bob\0database\0db\0application_name\0psql\0x\0y\0\0"

#define client(h, bytes) harness_tcp(h, 0, HARNESS_TEXT(bytes))
#define server(h, bytes) harness_tcp(h, 1, HARNESS_TEXT(bytes))

TEST(user_database_and_application_are_recorded)
{
	struct harness *h = harness_create();

	client(h, SSL_REQUEST);
	EXPECT_FIELD(h, "protocol", "postgresql");
	server(h, "N");
	client(h, STARTUP);
	EXPECT_FIELD(h, "postgresql.user", "Bob");
	EXPECT_FIELD(h, "postgresql.db", "db");
	EXPECT_FIELD(h, "postgresql.app", "psql");
	harness_every_truncation(h);
	harness_every_split(h, 3, NULL);
	harness_destroy(h);
}

TEST(a_startup_message_alone_is_enough)
{
	struct harness *h = harness_create();

	client(h, STARTUP);
	EXPECT_FIELD(h, "postgresql.user", "Bob");
	harness_every_split(h, 3, NULL);
	harness_destroy(h);
}

TEST(a_startup_message_without_a_user_is_not_named_postgresql)
{
	struct harness *h = harness_create();

	client(h, "\0\0\0\x15\0\x03\0\0database\0db\0\0");
	EXPECT_FIELD(h, "postgresql.db", "db");
	EXPECT_NO_FIELD(h, "protocol");
	harness_destroy(h);
}

TEST(other_messages_are_not_postgresql)
{
	struct harness *h = harness_create();

	client(h, "\0\0\0\x15\0\x02\0\0user\0x\0\0\0\0\0\0\0");
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	client(h, "\0\0\0\x0f\0\x03\0\0user\0x\0");
	EXPECT_NO_FIELD(h, "postgresql.user");
	harness_reset(h);
	client(h, SSL_REQUEST "\x16\x03\x01\0\x05hello");
	EXPECT_FIELD(h, "protocol", "postgresql");
	EXPECT(harness_memory_bytes(h) < 512); /* the session waits for its other side */
	harness_destroy(h);
}
