#include "quic_priv.h"

#include "quic_packets.h"
#include "test.h"

static void
expect_bytes(const uint8_t *bytes, size_t n, const char *hex)
{
	char text[65] = "";

	for (size_t i = 0; i < n; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	EXPECT_STR(text, hex);
}

static const uint8_t connection_id[8] = {0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08};

static void
expect_keys(uint32_t version, enum quic_role role, const char *key, const char *iv, const char *header)
{
	struct quic_keys keys;

	quic_keys_derive(version, connection_id, sizeof(connection_id), role, &keys);
	expect_bytes(keys.key, sizeof(keys.key), key);
	expect_bytes(keys.iv, sizeof(keys.iv), iv);
	expect_bytes(keys.header, sizeof(keys.header), header);
}

TEST(keys_of_version_1_are_those_of_rfc_9001_a_1)
{
	expect_keys(PACKETS_V1, QUIC_CLIENT, "1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c",
		    "9f50449e04a0e810283a1e9933adedd2");
	expect_keys(PACKETS_V1, QUIC_SERVER, "cf3a5331653c364c88f0f379b6067e37", "0ac1493ca1905853b0bba03e",
		    "c206b8d9b9f0f37644430b490eeaa314");
}

TEST(keys_of_version_2_are_those_of_rfc_9369_a_1)
{
	expect_keys(PACKETS_V2, QUIC_CLIENT, "8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f",
		    "45b95e15235d6f45a6b19cbcb0294ba9");
	expect_keys(PACKETS_V2, QUIC_SERVER, "82db637861d55e1d011f19ea71d5d2a7", "dd13c276499c0249d3310652",
		    "edf6d05c83121201b436e16877593c3a");
}

/* The server's Initial of RFC 9001 A.3, whole. */
static const char server_initial[] = "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1"
				     "c69797554780bb38cc5a99f5ede4cf73c"
				     "3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022"
				     "f8ef4cdd93795d77d06edbb7aaf2f5889"
				     "1850abbdca3d20398c276456cbc42158407dd074ee";

TEST(the_server_initial_of_rfc_9001_a_3_opens)
{
	struct quic_protection *p = quic_protection_create();
	uint8_t packet[135];
	struct cursor header, protected, plain;
	struct quic_keys keys;

	REQUIRE(p != NULL && sizeof(server_initial) - 1 == 2 * sizeof(packet));
	for (unsigned i = 0; i < sizeof(packet); i++)
		sscanf(server_initial + 2 * i, "%2hhx", &packet[i]);
	header = cursor_make(packet, 18);
	protected = cursor_make(packet + 18, sizeof(packet) - 18);
	quic_keys_derive(1, connection_id, sizeof(connection_id), QUIC_SERVER, &keys);
	REQUIRE(quic_unprotect(p, &keys, header, protected, &plain));
	EXPECT_EQ(cursor_left(&plain), 99);
	EXPECT_EQ(cursor_peek(&plain, 0), 2); /* ACK */
	EXPECT_EQ(cursor_peek(&plain, 5), 6); /* CRYPTO */
	EXPECT_EQ(cursor_peek(&plain, 9), 2); /* ServerHello */

	packet[sizeof(packet) - 1] ^= 1;
	EXPECT(!quic_unprotect(p, &keys, header, protected, &plain));
	packet[sizeof(packet) - 1] ^= 1;
	packet[6] ^= 1; /* the header is authenticated, too */
	EXPECT(!quic_unprotect(p, &keys, header, protected, &plain));
	packet[6] ^= 1;
	EXPECT(quic_unprotect(p, &keys, header, protected, &plain));
	for (size_t n = 0; n < sizeof(packet) - 18; n++)
		EXPECT(!quic_unprotect(p, &keys, header, cursor_make(packet + 18, n), &plain));
	quic_protection_destroy(p);
}

/* The sanitizer's runtime tells of every allocation. */
int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t), void (*)(const volatile void *))
	__attribute__((weak));

static unsigned n_allocations;

static void
count_allocation(const volatile void *memory, size_t size)
{
	(void)memory;
	(void)size;
	n_allocations++;
}

static void
count_nothing(const volatile void *memory)
{
	(void)memory;
}

TEST(no_packet_makes_openssl_allocate)
{
	struct bytes frames = {.n = 0}, hello = client_hello("example.com", 0), datagram;
	struct quic_protection *p;
	struct cursor header, plain;
	struct quic_keys keys;
	unsigned before;

	if (__sanitizer_install_malloc_and_free_hooks == NULL) {
		test_skip("allocations are counted in the sanitize build only");
		return;
	}
	__sanitizer_install_malloc_and_free_hooks(count_allocation, count_nothing);
	put_crypto(&frames, 0, hello.at, hello.n);
	datagram = initial(&(struct packet_of){.version = 1, .keys_from = "abcdefgh"}, &frames);
	header = cursor_make(datagram.at, 1 + 4 + 1 + 8 + 1 + 1 + 4);
	p = quic_protection_create();
	REQUIRE(p != NULL);
	EXPECT(n_allocations > 0);
	before = n_allocations;
	for (unsigned i = 0; i < 3; i++) {
		quic_keys_derive(1, "abcdefgh", 8, QUIC_CLIENT, &keys);
		EXPECT(quic_unprotect(
			p, &keys, header,
			cursor_make(datagram.at + cursor_left(&header), datagram.n - cursor_left(&header)), &plain));
	}
	EXPECT_EQ(n_allocations, before);
	quic_protection_destroy(p);
}
