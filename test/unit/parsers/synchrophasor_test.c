/* Synchrophasor frames (IEEE C37.118.2). */
#include "harness.h"

/* Sync, type, size, stream 0x012c, time. */
#define FRAME(type, size)                                                                                              \
	"\xaa" type size "\x01\x2c"                                                                                    \
	"\x5f\0\0\0\0\0\0\1"
#define CHECK	   "\xab\xcd"
#define COMMAND(n) FRAME("\x42", "\0\x12") "\0" n CHECK
#define DATA	   FRAME("\x01", "\0\x14") "\0\0\1\2" CHECK
/* Time base, one unit; its name, idcode, format, 1 phasor, 1 analog, 1 digital, frequency, changes; rate. */
#define CHANNEL "0123456789abcdef"
#define CHANNELS_16                                                                                                    \
	CHANNEL CHANNEL CHANNEL CHANNEL CHANNEL CHANNEL CHANNEL CHANNEL CHANNEL CHANNEL CHANNEL CHANNEL CHANNEL        \
		CHANNEL CHANNEL CHANNEL
#define STATION(name)                                                                                                  \
	name "\0\7"                                                                                                    \
	     "\0\0"                                                                                                    \
	     "\0\1\0\1\0\1" CHANNEL CHANNEL CHANNELS_16 "aaaabbbbcccc"                                                 \
	     "\0\1\0\0"
/* A unit without channels. */
#define STATION_BARE(name)                                                                                             \
	name "\0\7"                                                                                                    \
	     "\0\0"                                                                                                    \
	     "\0\0\0\0\0\0"                                                                                            \
	     "\0\1\0\0"
/* Configuration 3: name "PMU-A", idcode, global id, format, 1 phasor, 0 analogs, 1 digital; 17 names, scales, place. */
#define STATION_3(size, name)                                                                                          \
	size name "\0\7" CHANNEL "\0\0"                                                                                \
		  "\0\1\0\0\0\1"                                                                                       \
		  "\3one"                                                                                              \
		  "\1x\1x\1x\1x\1x\1x\1x\1x\1x\1x\1x\1x\1x\1x\1x\0"                                                    \
		  "phasorscale!"                                                                                       \
		  "mask"                                                                                               \
		  "123456789012345678901"                                                                              \
		  "\0\1\0\0"

#define source(h, bytes)      harness_tcp(h, 0, HARNESS_TEXT(bytes))
#define destination(h, bytes) harness_tcp(h, 1, HARNESS_TEXT(bytes))
#define datagram(h, bytes)    harness_udp(h, 0, HARNESS_TEXT(bytes))

/* 14 + 6 + 330 + 2 + 2 */
#define CONFIGURATION_2                                                                                                \
	FRAME("\x31", "\1\x62")                                                                                        \
	"\0\0\0\1"                                                                                                     \
	"\0\1" STATION("DeltaPMU        ") "\0\x3c" CHECK

TEST(a_stream_says_its_frames_commands_and_stations)
{
	struct harness *h = harness_create();

	EXPECT(source(h, COMMAND("\5")));
	EXPECT(destination(h, CONFIGURATION_2 DATA));
	EXPECT(source(h, COMMAND("\2") COMMAND("\1")));
	EXPECT_FIELD(h, "protocol", "synchrophasor");
	EXPECT_FIELD(h, "synchrophasor.frameType", "command,cfg2,data");
	EXPECT_FIELD(h, "synchrophasor.idcode", "300");
	EXPECT_FIELD(h, "synchrophasor.cmd", "5,2,1");
	EXPECT_FIELD(h, "synchrophasor.numPMU", "1");
	EXPECT_FIELD(h, "synchrophasor.station", "DeltaPMU");
	EXPECT_FIELD(h, "synchrophasor.dataRate", "60");
	harness_every_truncation(h);
	harness_every_split(h, 16, NULL);
	harness_destroy(h);
}

/* 14 + 8 + 109 + 2 + 2 */
#define CONFIGURATION_3                                                                                                \
	FRAME("\x52", "\0\x87")                                                                                        \
	"\0\0"                                                                                                         \
	"\0\0\0\1"                                                                                                     \
	"\0\1" STATION_3("\6", "PMU-A ") "\xff\xfe" CHECK

TEST(names_of_configuration_3_have_a_length_and_are_not_trimmed)
{
	struct harness *h = harness_create();

	EXPECT_EQ(sizeof(CONFIGURATION_3) - 1, 0x87);
	EXPECT(datagram(h, CONFIGURATION_3));
	EXPECT_FIELD(h, "synchrophasor.frameType", "cfg3");
	EXPECT_FIELD(h, "synchrophasor.station", "PMU-A ");
	EXPECT_FIELD(h, "synchrophasor.dataRate", "65534");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(where_announced_stations_are_missing_the_rate_is_read_at_their_end)
{
	struct harness *h = harness_create();

	/* 14 + 6 + 30 + 2 + 2, three units announced */
	EXPECT(datagram(h, FRAME("\x21", "\0\x36") "\0\0\0\1"
						   "\0\3" STATION_BARE("                ") "\0\x19" CHECK));
	EXPECT_FIELD(h, "synchrophasor.frameType", "cfg1");
	EXPECT_FIELD(h, "synchrophasor.numPMU", "3");
	EXPECT_NO_FIELD(h, "synchrophasor.station");
	EXPECT_FIELD(h, "synchrophasor.dataRate", "25");
	harness_reset(h);
	/* more channels than bytes */
	EXPECT(datagram(h, FRAME("\x21", "\0\x36") "\0\0\0\1"
						   "\0\1"
						   "Here            "
						   "\0\7\0\0\0\1\0\0\0\0"
						   "\0\1\0\0"
						   "\0\x19" CHECK));
	EXPECT_FIELD(h, "synchrophasor.station", "Here");
	EXPECT_NO_FIELD(h, "synchrophasor.dataRate");
	harness_destroy(h);
}

TEST(frames_of_sixteen_bytes_and_unnamed_types_say_their_stream_alone)
{
	struct harness *h = harness_create();

	EXPECT(datagram(h, FRAME("\x42", "\0\x10") CHECK));
	EXPECT(datagram(h, "\xaa\x62\0\x10\0\x09"
			   "\0\0\0\0\0\0\0\0" CHECK));
	EXPECT_FIELD(h, "synchrophasor.frameType", "command");
	EXPECT_NO_FIELD(h, "synchrophasor.cmd");
	EXPECT_FIELD(h, "synchrophasor.idcode", "300,9");
	harness_destroy(h);
}

TEST(datagrams_hold_one_frame_and_end_at_another_beginning)
{
	struct harness *h = harness_create();

	EXPECT(harness_udp(h, 1, HARNESS_TEXT(DATA)));
	EXPECT(datagram(h, COMMAND("\1") COMMAND("\2")));
	EXPECT(datagram(h, FRAME("\x42", "\0\x13") "\0\3" CHECK));
	EXPECT(!datagram(h, "\xab" COMMAND("\4")));
	EXPECT_FIELD(h, "synchrophasor.cmd", "1");
	harness_reset(h);
	EXPECT(harness_udp(h, 1, HARNESS_TEXT(DATA)));
	EXPECT(datagram(h, COMMAND("\1")));
	EXPECT(!datagram(h, "\xaa\x42\0\x10\0\1"));
	harness_destroy(h);
}

TEST(a_stream_that_lost_its_place_finds_it_again)
{
	struct harness *h = harness_create();

	EXPECT(destination(h, DATA));
	EXPECT(source(h, COMMAND("\1") "junk"
				       "\xaa\x42\0\x0f" COMMAND("\2")));
	EXPECT_FIELD(h, "synchrophasor.cmd", "1,2");
	EXPECT(!source(h, "no beginning"));
	harness_destroy(h);
}

TEST(frames_that_are_too_long_end_it)
{
	static uint8_t bytes[8200] = COMMAND("\1");
	struct harness *h = harness_create();

	EXPECT(destination(h, DATA));
	EXPECT(source(h, COMMAND("\1")));
	EXPECT(!source(h, FRAME("\x42", "\x20\x01") CHECK));
	EXPECT_NO_FIELD(h, "tags");
	harness_reset(h);
	EXPECT(destination(h, DATA));
	EXPECT(source(h, COMMAND("\1") FRAME("\x31", "\x20\0")));
	EXPECT(harness_tcp(h, 0, bytes, 8192 - 14 - 1));
	EXPECT_NO_FIELD(h, "tags");
	memcpy(&bytes[sizeof(bytes) - 18], COMMAND("\2"), 18);
	EXPECT(harness_tcp(h, 0, bytes, sizeof(bytes)));
	EXPECT_FIELD(h, "synchrophasor.cmd", "1,2");
	EXPECT_NO_FIELD(h, "tags");
	harness_destroy(h);
}

TEST(what_is_no_synchrophasor_emits_nothing)
{
	static const uint8_t heads[][4] = {{0xab, 0x42, 0, 18},
					   {0xaa, 0x40, 0, 18},
					   {0xaa, 0x43, 0, 18},
					   {0xaa, 0x61, 0, 18},
					   {0xaa, 0x42, 0, 15}};
	struct harness *h = harness_create();

	for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		uint8_t bytes[18] = {0};

		memcpy(bytes, heads[i], sizeof(heads[i]));
		harness_tcp(h, 0, bytes, sizeof(bytes));
		EXPECT_NO_FIELD(h, "synchrophasor.idcode");
		EXPECT_NO_FIELD(h, "protocol");
		harness_reset(h);
	}
	/* longer than its datagram: a stream may go on, a datagram not */
	datagram(h, FRAME("\x42", "\0\x13") "\0\1" CHECK);
	EXPECT_NO_FIELD(h, "protocol");
	harness_reset(h);
	source(h, FRAME("\x42", "\0\x13") "\0\1" CHECK);
	EXPECT_FIELD(h, "protocol", "synchrophasor");
	harness_destroy(h);
}
