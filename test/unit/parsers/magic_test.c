#include "magic_priv.h"

#include "test.h"

#define OF(mode, literal) of(mode, literal, sizeof(literal) - 1)

static const char *
of(enum magic_mode mode, const void *bytes, size_t size)
{
	static char type[128];
	struct magic *m = magic_create(mode);
	uint8_t *guarded = test_guard(bytes, size);
	const char *found;

	if (m == NULL) {
		test_fail(__FILE__, __LINE__, "magic_create() failed");
		return NULL;
	}
	found = magic_of(m, guarded, size);
	if (found != NULL)
		snprintf(type, sizeof(type), "%s", found);
	test_guard_free(guarded, size);
	magic_destroy(m);
	return found != NULL ? type : NULL;
}

TEST(the_table_knows_the_common_types)
{
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "\x89PNG\r\n"), "image/png");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "GIF89a"), "image/gif");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "\xff\xd8\xff\xe0\0\20JFIF\0"), "image/jpeg");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "<!DOCTYPE HTML PUBLIC"), "text/html");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "<html>"), "text/html");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "%PDF-1.4"), "application/pdf");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "\x1f\x8b\x08\0\0"), "application/x-gzip");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "MZ\x90\0\3"), "application/x-dosexec");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "PK\3\4\x14"), "application/zip");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "{\"a\":1}"), "application/json");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "wOF2\0"), "application/font-woff2");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "\0asm\1"), "application/wasm");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "\0\1\0\0\0\x0e"), "application/x-font-ttf");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "\xd4\xc3\xb2\xa1\2"), "application/vnd.tcpdump.pcap");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "!<arch>\ndebian-binary   "), "application/x-debian-package");
}

TEST(the_table_looks_further_where_the_start_is_not_enough)
{
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "\0\0\0\x14"
					"ftypqt  "),
		   "video/quicktime");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "\0\0\0\x14"
					"ftyp3gp4"),
		   "video/3gpp");
	EXPECT(OF(MAGIC_MODE_BASIC, "\0\0\0\x14"
				    "ftypisom") == NULL);
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "\x1a\x45\xdf\xa3....webm"), "video/webm");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "\x1a\x45\xdf\xa3....matroska"), "video/x-matroska");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "#!/usr/bin/env python3"), "text/x-python");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "#!/usr/bin/perl"), "text/x-perl");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "#!/bin/sh"), "text/x-shellscript");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "<?xml?><svg>"), "image/svg+xml");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "<?xml?><a>"), "text/xml");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "RIFF....WEBP"), "image/webp");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "RIFF....AVI "), "video/x-msvideo");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "RIFF."), "audio/x-wav");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "\xca\xfe\xba\xbe\0\0\0\2"), "application/x-mach-binary");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "\xca\xfe\xba\xbe\0\0\0\x34"), "application/x-java-applet");
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "\xca\xfe\xba\xbe\0\0\0"), "application/x-java-applet");
	EXPECT(OF(MAGIC_MODE_BASIC, "{\"1\":1}") == NULL);
	EXPECT_STR(OF(MAGIC_MODE_BASIC, "function() { 'use strict'; }"), "text/javascript");
}

static const char *
elf(uint8_t data, uint8_t low, uint8_t high)
{
	uint8_t bytes[18] = {0x7f, 'E', 'L', 'F', 2, data, [16] = low, [17] = high};

	return of(MAGIC_MODE_BASIC, bytes, sizeof(bytes));
}

TEST(elf_types_are_read_in_their_byte_order)
{
	EXPECT_STR(elf(1, 3, 0), "application/x-sharedlib");
	EXPECT_STR(elf(1, 2, 0), "application/x-executable");
	EXPECT_STR(elf(2, 0, 3), "application/x-sharedlib");
	EXPECT_STR(elf(2, 3, 0), "application/x-executable");
}

TEST(places_far_into_the_data_are_looked_at)
{
	uint8_t bytes[300] = {0};

	memcpy(&bytes[257], "ustar", 5);
	EXPECT_STR(of(MAGIC_MODE_BASIC, bytes, sizeof(bytes)), "application/x-tar");
	EXPECT(of(MAGIC_MODE_BASIC, bytes, 261) == NULL);
	memset(bytes, 0, sizeof(bytes));
	bytes[0] = bytes[188] = 'G';
	EXPECT_STR(of(MAGIC_MODE_BASIC, bytes, 189), "video/mp2t");
	EXPECT(of(MAGIC_MODE_BASIC, bytes, 188) == NULL);
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, "OggS", 4);
	memcpy(&bytes[28], "\1vorbis", 7);
	EXPECT_STR(of(MAGIC_MODE_BASIC, bytes, 41), "audio/ogg");
	EXPECT(of(MAGIC_MODE_BASIC, bytes, 40) == NULL);
}

TEST(short_data_and_mode_none_say_nothing)
{
	EXPECT(OF(MAGIC_MODE_BASIC, "GIF8") == NULL);
	EXPECT(OF(MAGIC_MODE_BOTH, "GIF8") == NULL);
	EXPECT(OF(MAGIC_MODE_NONE, "GIF89a") == NULL);
}

/* "\xff\xd8\xff" is a JPEG for libmagic, too short for the table. */
TEST(libmagic_is_asked_as_the_mode_says)
{
	EXPECT_STR(OF(MAGIC_MODE_LIBMAGIC, "\x1f\x8b\x08\0\0\0\0\0\0\3"), "application/gzip");
	EXPECT_STR(OF(MAGIC_MODE_BOTH, "\x1f\x8b\x08\0\0\0\0\0\0\3"), "application/x-gzip");
	EXPECT(OF(MAGIC_MODE_BASIC, "plain words") == NULL);
	EXPECT_STR(OF(MAGIC_MODE_BOTH, "plain words"), "text/plain");
	EXPECT_STR(OF(MAGIC_MODE_LIBMAGIC_NO_TEXT, "plain words"), "application/octet-stream");
}

TEST(what_libmagic_said_is_remembered_for_the_same_beginning_only)
{
	struct magic *m = magic_create(MAGIC_MODE_LIBMAGIC);
	char words[64] = "plain words in a row, and then some more of them, on ";

	REQUIRE(m != NULL);
	for (unsigned i = 0; i < 3; i++) {
		EXPECT_STR(magic_of(m, words, sizeof(words) - 1), "text/plain");
		EXPECT_STR(magic_of(m, "\x1f\x8b\x08\0\0\0\0\0\0\3", 10), "application/gzip");
		EXPECT_STR(magic_of(m, words, 20), "text/plain");
	}
	words[0] = '\x01';
	words[1] = '\0';
	EXPECT_STR(magic_of(m, words, sizeof(words) - 1), "application/octet-stream");
	magic_destroy(m);
}

/* Every prefix of every kind at an unmapped page. */
TEST(every_truncation_stays_within_its_bytes)
{
	static const char *const text[] = {"<!DOCTYPE svg",
					   "\177ELF01234567890123",
					   "OggS................................\1vorbis......",
					   "RIFF....AVI ",
					   "#!/usr/bin/ruby",
					   "!<arch>\ndebian-binary",
					   "\xca\xfe\xba\xbe",
					   "{\"a\"",
					   "SQLite format 3"};

	for (unsigned i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		for (size_t size = 0; size <= strlen(text[i]); size++)
			(void)of(MAGIC_MODE_BASIC, text[i], size);
}

TEST(the_word_of_old_configurations_is_both)
{
	const char *override = "magicMode=molochmagic";
	struct conf *conf =
		conf_load(&(struct conf_params){.node = "t", .overrides = &override, .n_overrides = 1}, stderr);

	REQUIRE(conf != NULL);
	EXPECT_EQ(magic_mode(conf), MAGIC_MODE_BOTH);
	conf_destroy(conf);
	override = "magicMode=basic";
	conf = conf_load(&(struct conf_params){.node = "t", .overrides = &override, .n_overrides = 1}, stderr);
	REQUIRE(conf != NULL);
	EXPECT_EQ(magic_mode(conf), MAGIC_MODE_BASIC);
	conf_destroy(conf);
}
