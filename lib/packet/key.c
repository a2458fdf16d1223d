/* Session keys.
 *
 * Endpoints are ordered by address, as bytes, then port; equal ones count as sent by the first. An IPv6 packet whose
 * addresses are v4-mapped shares its key with the IPv4 flow it names: the key has no room for the IP version, and such
 * packets must not be on a wire (RFC 4291 section 2.5.5.2, draft-itojun-v6ops-v4mapped-harmful). */

#include "decode_priv.h"

static uint32_t
collapse_find(const struct decode_conf *conf, uint32_t id)
{
	uint32_t low = 0, high = conf->n_collapse;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (conf->collapse[middle].from == id)
			return conf->collapse[middle].to;
		if (conf->collapse[middle].from < id)
			low = middle + 1;
		else
			high = middle;
	}
	return id;
}

uint32_t
packet_tracking_id(const struct decode_conf *conf, const struct packet *p)
{
	uint32_t id = 0;

	if (conf->tracking == TRACKING_VLAN)
		id = p->vlan;
	else if (conf->tracking == TRACKING_VNI)
		id = p->vni;
	return id != 0 || conf->n_collapse > 0 ? collapse_find(conf, id) : 0;
}

static void
key_begin(struct packet *p, uint8_t protocol)
{
	p->key = (struct flow_key){.protocol = protocol};
	p->protocol = protocol;
	p->reversed = false;
}

static void
address_map_ipv4(uint8_t out[16], const uint8_t *in)
{
	out[10] = 0xff;
	out[11] = 0xff;
	memcpy(&out[12], in, 4);
}

/* The addresses of the innermost IP header, sender first. Zero where there is none. */
static void
key_addresses(struct packet *p)
{
	struct cursor c = packet_from(p, p->ip_offset);
	const uint8_t *header = cursor_take(&c, p->ip_version == 6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES);

	if (p->ip_version == 0 || header == NULL)
		return;
	if (p->ip_version == 6) {
		memcpy(p->key.address[0], &header[8], 16);
		memcpy(p->key.address[1], &header[24], 16);
	} else {
		address_map_ipv4(p->key.address[0], &header[12]);
		address_map_ipv4(p->key.address[1], &header[16]);
	}
}

void
packet_key_endpoints(const struct decode_conf *conf, struct packet *p, uint8_t protocol, uint16_t source_port,
		     uint16_t destination_port)
{
	uint32_t tracking = packet_tracking_id(conf, p);
	int order;

	key_begin(p, protocol);
	key_addresses(p);
	p->key.tracking[0] = (uint8_t)(tracking >> 16);
	p->key.tracking[1] = (uint8_t)(tracking >> 8);
	p->key.tracking[2] = (uint8_t)tracking;

	order = memcmp(p->key.address[0], p->key.address[1], 16);
	p->reversed = order > 0 || (order == 0 && source_port > destination_port);
	if (order > 0) {
		uint8_t swap[16];

		memcpy(swap, p->key.address[0], 16);
		memcpy(p->key.address[0], p->key.address[1], 16);
		memcpy(p->key.address[1], swap, 16);
	}
	p->key.port[p->reversed] = source_port;
	p->key.port[!p->reversed] = destination_port;
}

void
packet_key_opaque(struct packet *p, uint8_t protocol, const void *id, unsigned size)
{
	key_begin(p, protocol);
	if (size > sizeof(p->key.address))
		size = sizeof(p->key.address);
	if (size > 0)
		memcpy(p->key.address, id, size);
}

void
packet_key_sender_first(struct packet *p, uint8_t protocol, uint16_t number)
{
	key_begin(p, protocol);
	key_addresses(p);
	p->key.port[0] = number;
}
