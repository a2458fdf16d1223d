/* What frames.h declares. */
#include "packet/frames.h"

#include <stdlib.h>

struct packet
frames_decode(const struct decode_conf *conf, uint16_t link_type, const void *bytes, size_t size)
{
	uint8_t *guarded = test_guard(bytes, size);
	struct packet p, general;

	memset(&p, 0xa5, sizeof(p));
	p.data = guarded;
	p.captured_bytes = p.wire_bytes = (uint32_t)size;
	p.link_type = link_type;
	general = p;
	packet_decode(conf, &p);
	packet_decode_general(conf, &general);
	EXPECT(memcmp(&p, &general, sizeof(p)) == 0);
	test_guard_free(guarded, size);
	p.data = NULL;
	return p;
}

struct packet
frames_decode_default(uint16_t link_type, const struct frame *f)
{
	struct decode_conf *conf = decode_conf_create(NULL);
	struct packet p;

	if (conf == NULL)
		abort();
	p = frames_decode(conf, link_type, f->bytes, f->size);
	decode_conf_destroy(conf);
	return p;
}

struct decode_conf *
frames_conf(const struct decode_settings *settings)
{
	return decode_conf_create_from(settings, NULL);
}

void
frames_expect_truncations_refused(uint16_t link_type, const struct frame *f)
{
	struct decode_conf *conf = decode_conf_create(NULL);

	REQUIRE(conf != NULL);
	for (size_t n = 0; n < f->size; n++) {
		struct packet p = frames_decode(conf, link_type, f->bytes, n);

		EXPECT(p.verdict != PACKET_OK);
	}
	decode_conf_destroy(conf);
}

const char *
frames_protocol(const struct packet *p)
{
	const struct packet_protocol *protocol = packet_protocol(p->protocol);

	return protocol != NULL ? protocol->name : "";
}

TEST(a_frame_cut_to_nothing_is_corrupt)
{
	struct frame f = {.size = 0};

	EXPECT_EQ(frames_decode_default(LINK_ETHERNET, &f).verdict, PACKET_CORRUPT);
}
