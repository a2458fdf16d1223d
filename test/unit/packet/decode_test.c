#include "packet/frames.h"

#include <dirent.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdlib.h>

enum { VERDICTS = PACKET_DUPLICATE + 1 };

TEST(a_burst_is_decoded_and_hashed)
{
	static struct burst b;
	struct hash_secret secret = {{1, 2, 3, 4}};
	struct decode_conf *conf = decode_conf_create(NULL);
	struct frame good = {.size = 0}, bad = {.size = 0};

	REQUIRE(conf != NULL);
	frame_ethernet(&good, ETHERTYPE_IPV4);
	frame_ipv4_udp(&good);
	frame_ethernet(&bad, 0x9999);
	frame_u8(&bad, 0);
	for (b.n = 0; b.n < BURST_MAX; b.n++) {
		const struct frame *f = b.n % 3 == 0 ? &bad : &good;

		memset(&b.packet[b.n], 0xff, sizeof(b.packet[0]));
		b.packet[b.n].data = f->bytes;
		b.packet[b.n].captured_bytes = b.packet[b.n].wire_bytes = (uint32_t)f->size;
		b.packet[b.n].link_type = LINK_ETHERNET;
	}
	decode_part(conf, &secret, &b, 0, b.n);
	for (unsigned i = 0; i < BURST_MAX; i++) {
		const struct packet *p = &b.packet[i];

		EXPECT_EQ(p->verdict, i % 3 == 0 ? PACKET_UNKNOWN_ETHER : PACKET_OK);
		EXPECT_EQ(p->hash, i % 3 == 0 ? 0 : flow_key_hash(&p->key, &secret));
	}
	b.n = 0;
	decode_part(conf, &secret, &b, 0, b.n);
	decode_conf_destroy(conf);
}

TEST(each_verdict_but_ok_and_fragment_has_a_counter)
{
	static const char *const names[VERDICTS] = {NULL,
						    "packet.corrupt",
						    "packet.unknown_ether",
						    "packet.unknown_ip",
						    NULL, /* fragments_push() counts */
						    "packet.dropped_ip",
						    "packet.duplicate"};
	static struct counters counters;

	for (unsigned verdict = 0; verdict < VERDICTS; verdict++) {
		struct packet p = {.verdict = (uint8_t)verdict};
		uint64_t counted = 0;

		memset(&counters, 0, sizeof(counters));
		counters_attach(&counters, "test");
		packet_count_verdict(&counters, &p);
		for (unsigned i = 0; i < COUNTERS_MAX; i++)
			counted += counters.value[i];
		EXPECT_EQ(counted, names[verdict] != NULL);
		if (names[verdict] != NULL)
			EXPECT_EQ(counters_total(names[verdict]), 1);
		counters_detach(&counters);
	}
}

/* ------------------------------------------------------------------------------------------------------------------
 * All reference captures. */

struct walk {
	struct decode_conf *conf[4];
	unsigned captures;
	uint64_t packets, fast, glanced, glanced_tagged, misplaced, different, outside, verdict[VERDICTS];
};

static bool
within(const struct packet *p)
{
	if (p->verdict != PACKET_OK)
		return true;
	return p->transport_offset <= p->captured_bytes && p->payload_offset <= p->captured_bytes &&
	       (uint64_t)p->payload_offset + p->payload_bytes <= p->captured_bytes &&
	       p->data_bytes <= p->captured_bytes && p->protocol != 0 && p->key.protocol == p->protocol &&
	       (p->ip_version == 0 || p->ip_offset < p->captured_bytes) &&
	       (p->ethernet_offset == PACKET_NO_OFFSET || p->ethernet_offset <= PACKET_HEADER_OFFSET_MAX);
}

/* Whoever decodes it gives it to the same worker. */
static void
walk_glance(struct walk *w, const struct decode_conf *conf, const struct packet *p, uint32_t captured_bytes)
{
	struct flow_key key;
	bool is_equal;

	if (p->link_type != LINK_ETHERNET || !packet_glance(conf, p->data, captured_bytes, &key))
		return;
	w->glanced++;
	w->glanced_tagged += p->vlan != 0;
	is_equal = packet_tracking_id(conf, p) != 0 || flow_key_equal(&key, &p->key);
	w->misplaced += p->verdict != PACKET_OK || !is_equal ||
			flow_key_owner(&key, 1 << 16) != flow_key_owner(&p->key, 1 << 16);
}

static void
walk_packet(struct walk *w, uint16_t link_type, const uint8_t *bytes, uint32_t captured_bytes, uint32_t wire_bytes)
{
	for (unsigned i = 0; i < 4; i++) {
		struct packet p = {.data = bytes,
				   .captured_bytes = captured_bytes,
				   .wire_bytes = wire_bytes,
				   .link_type = link_type};
		struct packet general = p;

		packet_decode(w->conf[i], &p);
		packet_decode_general(w->conf[i], &general);
		w->different += memcmp(&p, &general, sizeof(p)) != 0;
		w->outside += !within(&p);
		walk_glance(w, w->conf[i], &p, captured_bytes);
		if (i == 0) {
			w->verdict[p.verdict]++;
			w->fast += packet_decode_fast(w->conf[0], &general);
		}
	}
	w->packets++;
}

static void
walk_capture(struct walk *w, const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline(path, error);
	struct pcap_pkthdr *header;
	const uint8_t *bytes;

	if (pcap == NULL)
		return;
	w->captures++;
	while (pcap_next_ex(pcap, &header, &bytes) == 1) {
		/* A copy of exactly its size, so that the sanitizer sees what is read beyond it. */
		uint8_t *copy = malloc(header->caplen > 0 ? header->caplen : 1);

		memcpy(copy, bytes, header->caplen);
		walk_packet(w, (uint16_t)pcap_datalink(pcap), copy, header->caplen, header->len);
		free(copy);
	}
	pcap_close(pcap);
}

static void
walk_folder(struct walk *w, const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	char path[4096];

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (entry->d_name[0] != '.')
			walk_capture(w, path);
	}
	closedir(dir);
}

TEST(the_short_path_gives_what_the_general_one_gives_on_all_captures)
{
	const char *all[] = {"all", "corrupt"};
	struct walk w = {
		.conf = {decode_conf_create(NULL),
			 frames_conf(&(struct decode_settings){.tracking = TRACKING_VLAN, .track_esp = true}),
			 frames_conf(&(struct decode_settings){.save_unknown_packets = {.item = all, .n = 2},
							       .track_esp = true}),
			 frames_conf(&(struct decode_settings){.trim_ethernet_padding = true})},
	};

	const char *folder = getenv("SHRIKE_CONFORMANCE");
	char path[4096];

	for (unsigned i = 0; i < 4; i++)
		REQUIRE(w.conf[i] != NULL);
	folder = folder != NULL ? folder : SOURCE_ROOT "/../shared/conformance";
	snprintf(path, sizeof(path), "%s/pcap", folder);
	walk_folder(&w, path);
	snprintf(path, sizeof(path), "%s/zeek/pcap", folder);
	walk_folder(&w, path);
	if (w.captures == 0) {
		char why[4200];

		snprintf(why, sizeof(why), "no reference captures in %s (SHRIKE_CONFORMANCE names another folder)",
			 folder);
		test_skip(why);
	} else {
		printf("    %u captures, %" PRIu64 " packets: %" PRIu64 " ok, %" PRIu64 " corrupt, %" PRIu64
		       " unknown ether, %" PRIu64 " unknown IP, %" PRIu64 " fragments\n",
		       w.captures, w.packets, w.verdict[PACKET_OK], w.verdict[PACKET_CORRUPT],
		       w.verdict[PACKET_UNKNOWN_ETHER], w.verdict[PACKET_UNKNOWN_IP], w.verdict[PACKET_FRAGMENT]);
		EXPECT_EQ(w.different, 0);
		EXPECT_EQ(w.outside, 0);
		EXPECT(w.verdict[PACKET_OK] > w.packets * 8 / 10);
		EXPECT(w.fast > w.packets / 2);
		EXPECT(w.glanced > w.packets); /* of three times as many */
		EXPECT(w.glanced_tagged > 0);
		EXPECT_EQ(w.misplaced, 0);
	}
	for (unsigned i = 0; i < 4; i++)
		decode_conf_destroy(w.conf[i]);
}
