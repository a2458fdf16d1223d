/* Mbufs: the packet in them, and the poison around it. */
#include "test.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "packet.h"
#include "poison.h"
#include "port.h"
#include "port_packet.h"
#include "port_priv.h"

static struct rte_mempool *pool;
static uint8_t linear[PACKET_BYTES_MAX];

static void
begin(void)
{
	test_eal();
	pool = port_pool_create("mbuf test", 255, 1, 0);
}

static void
end(void)
{
	EXPECT_EQ(rte_mempool_in_use_count(pool), 0);
	rte_mempool_free(pool);
}

static struct rte_mbuf *
make_packet(uint16_t size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct packet_meta *meta;

	if (m == NULL)
		abort();
	meta = rte_mbuf_to_priv(m);
	*meta = (struct packet_meta){.time_ns = 1,
				     .clock_ns = 2,
				     .sequence = 3,
				     .input_position = 4,
				     .wire_bytes = 5000,
				     .input = 6,
				     .link_type = 7,
				     .has_nanoseconds = true};
	for (unsigned i = 0; i < size; i++)
		rte_pktmbuf_mtod(m, uint8_t *)[i] = (uint8_t)i;
	m->data_len = size;
	m->pkt_len = size;
	return m;
}

TEST(pools_have_room_for_metadata_and_for_2048_bytes)
{
	begin();
	REQUIRE(pool != NULL);
	EXPECT_EQ(rte_pktmbuf_priv_size(pool), sizeof(struct packet_meta));
	EXPECT_EQ(rte_pktmbuf_data_room_size(pool), 2048 + RTE_PKTMBUF_HEADROOM);
	EXPECT(port_pool_create("mbuf test", 255, 1, 0) == NULL); /* the name is taken */
	end();
}

TEST(a_packet_is_what_its_metadata_says)
{
	struct packet p = {.vlan = 99};
	struct rte_mbuf *m;

	begin();
	m = make_packet(61);
	EXPECT(port_packet(m, rte_mbuf_to_priv(m), linear, 0, &p));
	EXPECT(p.data == rte_pktmbuf_mtod(m, uint8_t *) && p.mbuf == m);
	EXPECT_EQ(p.captured_bytes, 61);
	EXPECT_EQ(p.wire_bytes, 5000);
	EXPECT_EQ(p.time_ns, 1);
	EXPECT_EQ(p.clock_ns, 2);
	EXPECT_EQ(p.sequence, 3);
	EXPECT_EQ(p.input_position, 4);
	EXPECT_EQ(p.input, 6);
	EXPECT_EQ(p.link_type, 7);
	EXPECT(p.has_nanoseconds);
	EXPECT_EQ(p.vlan, 99); /* not a receive member */
	port_free(&m, 1);
	end();
}

TEST(a_chain_is_copied_and_one_beyond_65535_bytes_refused)
{
	struct packet p = {0};
	struct rte_mbuf *m;

	begin();
	m = make_packet(2000);
	for (unsigned i = 0; i < 31; i++)
		EXPECT(rte_pktmbuf_chain(m, make_packet(2048)) == 0);
	EXPECT_EQ(m->pkt_len, 2000 + 31 * 2048);
	EXPECT(port_packet(m, rte_mbuf_to_priv(m), linear, 0, &p));
	EXPECT(p.data == linear);
	EXPECT_EQ(p.captured_bytes, 2000 + 31 * 2048);
	EXPECT_EQ(linear[1999], (uint8_t)1999);
	EXPECT_EQ(linear[2000], 0);
	EXPECT_EQ(linear[2000 + 31 * 2048 - 1], (uint8_t)2047);
	EXPECT(rte_pktmbuf_chain(m, make_packet(48)) == 0);
	EXPECT(rte_pktmbuf_chain(m, make_packet(1)) == 0);
	EXPECT_EQ(m->pkt_len, 65537);
	EXPECT(!port_packet(m, rte_mbuf_to_priv(m), linear, 0, &p));
	port_free(&m, 1);
	UNPOISON(linear, sizeof(linear));
	end();
}

#if POISON_ENABLED
static bool
poisoned(const uint8_t *p)
{
	return __asan_address_is_poisoned(p) != 0;
}

TEST(the_bytes_around_a_packet_of_any_length_are_poisoned_until_it_is_freed)
{
	begin();
	for (uint16_t size = 0; size <= 2048; size = (uint16_t)(size < 70 || size > 2030 ? size + 1 : size * 2)) {
		struct rte_mbuf *m = make_packet(size);
		const uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);

		if (size > 2048)
			break;
		port_poison(m);
		for (unsigned i = 0; i < size; i++)
			EXPECT(!poisoned(data + i));
		EXPECT(poisoned(data - 1));
		EXPECT(poisoned((const uint8_t *)m->buf_addr));
		if (size < 2048) {
			EXPECT(poisoned(data + size));
			EXPECT(poisoned(data + 2047));
		}
		EXPECT(!poisoned((const uint8_t *)rte_mbuf_to_priv(m)));
		port_free(&m, 1);
		for (unsigned i = 0; i < 2048; i++)
			EXPECT(!poisoned(data + i));
		EXPECT(!poisoned(data - 1));
	}
	end();
}

TEST(the_byte_after_a_chain_is_poisoned_too)
{
	struct packet p = {0};
	struct rte_mbuf *m;

	begin();
	m = make_packet(2001);
	EXPECT(rte_pktmbuf_chain(m, make_packet(1000)) == 0);
	port_poison(m);
	EXPECT(port_packet(m, rte_mbuf_to_priv(m), linear, 0, &p));
	EXPECT(!poisoned(p.data + 3000));
	EXPECT(poisoned(p.data + 3001));
	/* A longer one afterwards. */
	port_free(&m, 1);
	m = make_packet(2001);
	EXPECT(rte_pktmbuf_chain(m, make_packet(2000)) == 0);
	EXPECT(port_packet(m, rte_mbuf_to_priv(m), linear, 0, &p));
	EXPECT(!poisoned(p.data + 4000));
	port_free(&m, 1);
	UNPOISON(linear, sizeof(linear));
	end();
}

TEST(an_mbuf_somebody_else_holds_keeps_its_poison)
{
	struct rte_mbuf *m;

	begin();
	m = make_packet(100);
	port_poison(m);
	rte_mbuf_refcnt_update(m, 1);
	port_free(&m, 1);
	EXPECT(poisoned(rte_pktmbuf_mtod(m, uint8_t *) + 100));
	port_free(&m, 1);
	EXPECT(!poisoned(rte_pktmbuf_mtod(m, uint8_t *) + 100));
	end();
}

TEST(reading_one_byte_beyond_a_packet_ends_the_program)
{
	begin();
	for (unsigned beyond = 0; beyond < 2; beyond++) {
		struct rte_mbuf *m = make_packet(61);
		int status = 0;
		pid_t child;

		port_poison(m);
		fflush(stdout);
		child = fork();
		if (child == 0) {
			volatile uint8_t byte;

			(void)!freopen("/dev/null", "w", stderr);
			byte = rte_pktmbuf_mtod(m, volatile uint8_t *)[60 + beyond];
			(void)byte;
			_exit(0);
		}
		EXPECT(waitpid(child, &status, 0) == child);
		EXPECT_EQ(WIFEXITED(status) && WEXITSTATUS(status) == 0, beyond == 0);
		port_free(&m, 1);
	}
	end();
}
#endif
