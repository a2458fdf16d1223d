/* DTLS: hellos and certificates in datagrams. */
#include "harness.h"
#include "tls_build.h"
#include "tls_bytes.h"

/* Fragments of one message, 'size' bytes each, one in a datagram; 'except' is left out (0: none). */
static void
feed_fragments(struct harness *h, unsigned direction, const struct build *message, size_t size, unsigned except)
{
	struct build out = build_create();
	size_t length = message->size - 4;

	for (size_t at = 0, i = 1; at < length; at += size, i++) {
		size_t n = length - at < size ? length - at : size;

		out.size = 0;
		put_number(&out, 0x16fefd, 3);
		put_number(&out, i, 8); /* epoch 0 */
		put_number(&out, n + 12, 2);
		put(&out, message->bytes, 4);
		put_number(&out, 1, 2);
		put_number(&out, at, 3);
		put_number(&out, n, 3);
		put(&out, message->bytes + 4 + at, n);
		if (i != except)
			harness_udp(h, direction, out.bytes, out.size);
	}
	build_destroy(&out);
}

TEST(a_hello_is_that_of_the_reference)
{
	struct harness *h = harness_create("ja4Raw=true");

	harness_udp(h, 0, dtls12_client, sizeof(dtls12_client));
	EXPECT_FIELD(h, "protocol", "dtls");
	EXPECT_FIELD(h, "tls.ja4", "dd2i030300_f7e428980f70_6c817ce3d217");
	EXPECT_FIELD(h, "tls.ja4_r", "dd2i030300_c037,c0a8,c0ff_000a,000b,0100");
	EXPECT_NO_FIELD(h, "tls.ja3");
	EXPECT_NO_FIELD(h, "tls.version");
	harness_every_truncation(h);
	harness_destroy(h);
}

static const struct certificate_says chain[] = {
	{.serial = "a", .subject_common = "one", .alternative = "some-name.example", .n_alternatives = 50},
	{.serial = "b", .subject_common = "two", .alternative = "some-name.example", .n_alternatives = 50},
};

TEST(a_certificate_message_in_many_datagrams_is_put_together)
{
	struct harness *h = harness_create();
	struct build message = build_create();

	harness_udp(h, 0, dtls12_client, sizeof(dtls12_client));
	put_certificates(&message, chain, 2);
	feed_fragments(h, 1, &message, 100, 0);
	EXPECT_EQ(harness_count(h, "cert"), 2);
	EXPECT(harness_memory_bytes(h) < 4096);
	harness_every_truncation(h);
	build_destroy(&message);
	harness_destroy(h);
}

TEST(what_was_lost_comes_with_the_next_flight)
{
	struct harness *h = harness_create();
	struct build message = build_create();

	harness_udp(h, 0, dtls12_client, sizeof(dtls12_client));
	put_certificates(&message, chain, 2);
	feed_fragments(h, 1, &message, 100, 3);
	EXPECT_NO_FIELD(h, "cert");
	feed_fragments(h, 1, &message, 70, 0);
	EXPECT_EQ(harness_count(h, "cert"), 2);
	build_destroy(&message);
	harness_destroy(h);
}

TEST(too_long_a_message_is_not_kept)
{
	struct harness *h = harness_create();
	struct build message = build_create();

	harness_udp(h, 0, dtls12_client, sizeof(dtls12_client));
	put_number(&message, 0x0bffffff, 4);
	memset(message.bytes + 4, 0, 5000);
	message.size = 5004;
	feed_fragments(h, 1, &message, 1000, 0);
	EXPECT(harness_memory_bytes(h) < 4096);
	EXPECT(harness_is_live(h));
	build_destroy(&message);
	harness_destroy(h);
}

TEST(a_datagram_that_is_no_handshake_ends_it)
{
	static const uint8_t data[] = {0x17, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0xff};
	struct harness *h = harness_create();

	EXPECT(harness_udp(h, 0, dtls12_client, sizeof(dtls12_client)));
	EXPECT(!harness_udp(h, 1, data, sizeof(data)));
	EXPECT_EQ(harness_memory_bytes(h), 0);
	harness_destroy(h);
}

TEST(only_a_client_hello_of_some_size_begins_it)
{
	struct harness *h = harness_create();
	uint8_t other[sizeof(dtls12_client)];

	harness_udp(h, 0, dtls12_client, 99);
	EXPECT(!harness_has(h, "protocol", "dtls"));
	harness_reset(h);
	memcpy(other, dtls12_client, sizeof(other));
	other[13] = 2;
	harness_udp(h, 0, other, sizeof(other));
	EXPECT(!harness_has(h, "protocol", "dtls"));
	harness_destroy(h);
}
