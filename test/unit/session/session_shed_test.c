/* What overload takes from sessions shows in their records, or in the ledger. */
#include "session/harness.h"

static struct rig rig;

static void
begin(void)
{
	rig_init(&rig);
	rig_start(&rig);
}

TEST(a_session_says_what_it_has_lost)
{
	begin();
	rig_udp(&rig, 0, 1, 0, 20);
	rig_udp(&rig, 1, 2, 0, 20);
	session_shed(rig.packet.session, SESSION_NOT_PARSED);
	rig_udp(&rig, 2, 3, 0, 20);
	session_shed(rig.packet.session, SESSION_NOT_PARSED);
	session_shed(rig.packet.session, SESSION_HEADERS_ONLY);
	rig_flush(&rig);
	EXPECT_STR(rig_values(rig_record(&rig), "tags"), "");
	EXPECT_STR(rig_values(rig_record(&rig), "tags"), "overload-not-parsed");
	EXPECT_STR(rig_values(rig_record(&rig), "tags"), "overload-not-parsed,overload-headers-only");
	rig_stop(&rig);
}

TEST(linked_records_say_it_once_each)
{
	rig_init(&rig);
	rig.conf.max_packets = 4;
	rig_start(&rig);
	rig_udp(&rig, 0, 1, 0, 20);
	session_shed(rig.packet.session, SESSION_HEADERS_ONLY);
	session_add_tag(rig.table, rig.packet.session, "mine");
	for (unsigned i = 1; i < 6; i++)
		rig_udp(&rig, i, 1, 0, 20);
	rig_flush(&rig);
	EXPECT_STR(rig_values(rig_record(&rig), "tags"), "mine,overload-headers-only");
	EXPECT_STR(rig_values(rig_record(&rig), "tags"), "mine,overload-headers-only");
	rig_stop(&rig);
}

TEST(a_session_that_begins_and_ends_while_new_ones_are_refused_has_no_record)
{
	struct record *r;

	begin();
	rig_udp(&rig, 0, 1, 0, 20);
	session_refuse_new(rig.table, true);
	rig_udp(&rig, 1, 2, 0, 20);
	rig_udp(&rig, 2, 1, 0, 20);
	rig_clock(&rig, 200000);
	r = rig_record(&rig);
	REQUIRE(r != NULL);
	EXPECT_EQ(r->summary.packets[0], 2); /* the one that was there before */
	EXPECT(rig_record(&rig) == NULL);
	EXPECT_EQ(rig_counter(&rig, "session.not_saved_overload"), 1);
	rig_stop(&rig);
}

TEST(a_session_that_lasts_longer_has_lost_nothing)
{
	struct record *r;

	begin();
	session_refuse_new(rig.table, true);
	rig_udp(&rig, 0, 1, 0, 20);
	rig_udp(&rig, 1, 1, 1, 20);
	session_refuse_new(rig.table, false);
	rig_flush(&rig);
	r = rig_record(&rig);
	REQUIRE(r != NULL);
	EXPECT_EQ(r->summary.packets[0] + r->summary.packets[1], 2);
	EXPECT_EQ(rig_counter(&rig, "session.not_saved_overload"), 0);
	rig_stop(&rig);
}

/* Names */

TEST(a_name_finds_its_session_until_that_ends)
{
	struct session_name a, b, again;
	struct session *s;

	begin();
	rig_udp(&rig, 0, 1, 0, 20);
	s = rig.packet.session;
	a = session_name(rig.table, s);
	again = session_name(rig.table, s);
	EXPECT(a.generation != 0 && a.generation == again.generation && a.place == again.place);
	rig_udp(&rig, 1, 2, 0, 20);
	b = session_name(rig.table, rig.packet.session);
	EXPECT(session_named(rig.table, a) == s);
	EXPECT(session_named(rig.table, b) == rig.packet.session);
	rig_flush(&rig);
	EXPECT(session_named(rig.table, a) == NULL);
	EXPECT(session_named(rig.table, b) == NULL);
	rig_stop(&rig);
}

TEST(the_next_session_in_the_same_place_is_another)
{
	struct session_name old, fresh, forged;
	struct session *s;

	begin();
	rig_udp(&rig, 0, 1, 0, 20);
	s = rig.packet.session;
	old = session_name(rig.table, s);
	rig_flush(&rig);
	rig_udp(&rig, 1, 1, 0, 20);
	EXPECT(rig.packet.session == s);
	EXPECT(session_named(rig.table, old) == NULL);
	fresh = session_name(rig.table, s);
	EXPECT_EQ(fresh.place, old.place);
	EXPECT(fresh.generation != old.generation);
	EXPECT(session_named(rig.table, old) == NULL);
	EXPECT(session_named(rig.table, fresh) == s);
	forged = (struct session_name){.generation = fresh.generation, .place = fresh.place + 1};
	EXPECT(session_named(rig.table, forged) == NULL);
	EXPECT(session_named(rig.table, (struct session_name){.place = fresh.place}) == NULL);
	rig_stop(&rig);
}

TEST(a_name_outlives_linked_records)
{
	struct session_name name;

	rig_init(&rig);
	rig.conf.max_packets = 2;
	rig_start(&rig);
	rig_udp(&rig, 0, 1, 0, 20);
	name = session_name(rig.table, rig.packet.session);
	for (unsigned i = 1; i < 8; i++)
		rig_udp(&rig, i, 1, 0, 20);
	EXPECT(session_named(rig.table, name) == rig.packet.session);
	rig_stop(&rig);
}
