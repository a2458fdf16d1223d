/* Session keys.
 *
 * Endpoints are ordered by address, as bytes, then port; equal ones count as sent by the first. An IPv6 packet whose
 * addresses are v4-mapped shares its key with the IPv4 flow it names: the key has no room for the IP version, and such
 * packets must not be on a wire (RFC 4291 section 2.5.5.2, draft-itojun-v6ops-v4mapped-harmful). */

#include "key_priv.h"

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

	if (!conf->tracks)
		return 0;
	if (conf->tracking == TRACKING_VLAN)
		id = p->vlan;
	else if (conf->tracking == TRACKING_VNI)
		id = p->vni;
	return collapse_find(conf, id);
}

void
packet_key_endpoints(const struct decode_conf *conf, struct packet *p, uint8_t protocol, uint16_t source_port,
		     uint16_t destination_port)
{
	unsigned bytes;
	const uint8_t *addresses = packet_ip_addresses(p, &bytes);
	uint64_t tail = key_tail(packet_tracking_id(conf, p), protocol);

	p->protocol = protocol;
	if (addresses == NULL) {
		struct endpoint none[2] = {{.port = source_port}, {.port = destination_port}};

		p->reversed = key_set_endpoints(&p->key, &none[0], &none[1], tail);
	} else if (p->ip_version == 4) {
		p->reversed = key_set_ipv4(&p->key, read_be32(&addresses[0]), read_be32(&addresses[4]), source_port,
					   destination_port, tail);
	} else {
		p->reversed = key_set_ipv6(&p->key, addresses, source_port, destination_port, tail);
	}
}

void
packet_key_opaque(struct packet *p, uint8_t protocol, const void *id, unsigned size)
{
	p->key = (struct flow_key){.protocol = protocol};
	p->protocol = protocol;
	p->reversed = false;
	if (size > sizeof(p->key.address))
		size = sizeof(p->key.address);
	if (size > 0)
		memcpy(p->key.address, id, size);
}

void
packet_key_sender_first(struct packet *p, uint8_t protocol, uint16_t number)
{
	unsigned bytes;
	const uint8_t *addresses = packet_ip_addresses(p, &bytes);

	p->key = (struct flow_key){.protocol = protocol, .port = {number}};
	p->protocol = protocol;
	p->reversed = false;
	for (unsigned i = 0; i < 2 && addresses != NULL; i++) {
		if (p->ip_version == 6)
			memcpy(p->key.address[i], &addresses[16 * i], 16);
		else
			key_set_address(p->key.address[i], 0, ipv4_mapped(read_be32(&addresses[4 * i])));
	}
}
