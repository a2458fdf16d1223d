/* Settings and dispatch tables of decode.
 *
 * Everything a packet may need is looked up by an index: 64 KB of ethertype slots, of which traffic touches a few
 * lines, 256 IP protocols, a bit per UDP port. The object is const once it is made, so all workers share one; what may
 * change while they run hangs on a pointer that they read for each packet (packet-drop-ips). */

#include "decode_priv.h"

#include "log.h"

#include <errno.h>
#include <stdlib.h>

static const char *const tracking_words[] = {"none", "vlan", "vni", NULL};

static const struct setting packet_settings[] = {
	SETTING_LIST(struct decode_settings, save_unknown_packets, "saveUnknownPackets", "",
		     "unknown or corrupt packets that become sessions: all; ip:all; ether:all; ip:NUMBER or NAME; "
		     "ether:NUMBER or NAME; corrupt; with '-' before it: not these"),
	SETTING_ENUM(struct decode_settings, tracking, "sessionIdTracking", "none", tracking_words,
		     "part of a session's identity besides addresses and ports: vlan (802.1Q id) or vni (VXLAN id); "
		     "[vlan-vni-collapse] makes several ids one"),
	SETTING_BOOL(struct decode_settings, trim_ethernet_padding, "trimEthernetPadding", "false",
		     "cut bytes beyond the IP length from stored packets and byte counts"),
	SETTING_BOOL(struct decode_settings, track_esp, "trackESP", "false", "create sessions for IPsec ESP"),
	SETTING_BOOL(struct decode_settings, keep_ipv4_fragments, "disableIp4Defrag", "false",
		     "do not put IPv4 fragments together: the first one of a datagram is taken for all of it"),
	SETTING_BOOL(struct decode_settings, keep_ipv6_fragments, "disableIp6Defrag", "false",
		     "do not put IPv6 fragments together: they are packets of an unknown IP protocol"),
	SETTING_LIST(struct decode_settings, drop_ips_files, "packetDropIpsFiles", "",
		     "files whose section [packet-drop-ips] is read after the one here (ADDRESS/BITS = drop or allow: "
		     "packets from or to these addresses are dropped; the longest prefix decides)"),
};
SETTINGS(packet, "Packets", packet_settings);

static const struct decode_settings settings_defaults = {
	.disabled = {.list = {.item = (const char *[]){"arp.so"}, .n = 1}},
};

static int
add_ethertype(struct decode_conf *conf, const struct packet_hook *hook)
{
	/* IPv4 and IPv6 are called without looking at the table. */
	if (conf->ethertype_slot[hook->number] != 0 || hook->number == ETHERTYPE_IPV4 || hook->number == ETHERTYPE_IPV6)
		return -EEXIST;
	if (conf->n_ethertypes + 1 >= ETHERTYPE_HANDLERS_MAX)
		return -ENOSPC;
	conf->ethertype[++conf->n_ethertypes] = hook->handle;
	conf->ethertype_slot[hook->number] = (uint8_t)conf->n_ethertypes;
	return 0;
}

static int
add_ip_protocol(struct decode_conf *conf, const struct packet_hook *hook)
{
	if (hook->number > UINT8_MAX || conf->ip_protocol[hook->number] != NULL || hook->number == IP_PROTOCOL_TCP ||
	    hook->number == IP_PROTOCOL_UDP)
		return -EEXIST;
	conf->ip_protocol[hook->number] = hook->handle;
	return 0;
}

static int
add_udp_port(struct decode_conf *conf, const struct packet_hook *hook)
{
	if (bit_test(conf->udp_port_bits, hook->number))
		return -EEXIST;
	if (conf->n_udp_ports == UDP_PORT_HANDLERS_MAX)
		return -ENOSPC;
	bit_set(conf->udp_port_bits, hook->number);
	conf->udp_port[conf->n_udp_ports].number = hook->number;
	conf->udp_port[conf->n_udp_ports++].handle = hook->handle;
	return 0;
}

int
decode_conf_add_hook(struct decode_conf *conf, const struct packet_hook *hook)
{
	switch (hook->kind) {
	case PACKET_HOOK_KINDS:
		break;
	case HOOK_ETHERTYPE:
		return add_ethertype(conf, hook);
	case HOOK_IP_PROTOCOL:
		return add_ip_protocol(conf, hook);
	case HOOK_UDP_PORT:
		return add_udp_port(conf, hook);
	}
	return -EINVAL;
}

struct adding {
	struct decode_conf *conf;
	const struct disabled_names *disabled;
	const struct packet_hook *refused, *rival;
};

static int
find_rival(void *context, const struct packet_hook *hook)
{
	struct adding *adding = context;

	if (adding->rival == NULL && hook != adding->refused && hook->kind == adding->refused->kind &&
	    hook->number == adding->refused->number && !name_is_disabled(adding->disabled, hook->parser))
		adding->rival = hook;
	return 0;
}

static int
say_refused(struct adding *adding, const struct packet_hook *hook, int error)
{
	static const char *const kinds[PACKET_HOOK_KINDS] = {
		[HOOK_ETHERTYPE] = "ethertype", [HOOK_IP_PROTOCOL] = "ip_protocol", [HOOK_UDP_PORT] = "udp_port"};
	char who[256], whose[256] = "shrike", quoted[2][256];

	adding->refused = hook;
	packet_hooks_each(find_rival, adding);
	packet_hook_print(hook, who, sizeof(who));
	if (adding->rival != NULL)
		packet_hook_print(adding->rival, whose, sizeof(whose));
	if (error == -EEXIST)
		LOG_ERROR("decode.hook",
			  "%s=%u (0x%04x) wanted_by=\"%s\" taken_by=\"%s\" "
			  "note=\"disableParsers=NAME.so switches hooks of that name off\"",
			  kinds[hook->kind], hook->number, hook->number, log_quote(quoted[0], sizeof(quoted[0]), who),
			  log_quote(quoted[1], sizeof(quoted[1]), whose));
	else
		LOG_ERROR("decode.hook", "%s=%u (0x%04x) wanted_by=\"%s\" error=\"too many handlers\"",
			  kinds[hook->kind], hook->number, hook->number, log_quote(quoted[0], sizeof(quoted[0]), who));
	return error;
}

static int
add_hook(void *context, const struct packet_hook *hook)
{
	struct adding *adding = context;
	int error = name_is_disabled(adding->disabled, hook->parser) ? 0 : decode_conf_add_hook(adding->conf, hook);

	return error == 0 ? 0 : say_refused(adding, hook, error);
}

static int
apply(struct decode_conf *conf, const struct decode_settings *settings)
{
	const char *bad;

	if (!packet_protocols_valid()) {
		LOG_ERROR("decode.protocols", "reason=\"too many protocols, or two of one name\"");
		return -EEXIST;
	}
	if (!save_unknown_parse(&settings->save_unknown_packets, &conf->save, &bad)) {
		char quoted[128];

		LOG_ERROR(
			"conf.saveUnknownPackets",
			"item=\"%s\" reason=\"neither all, corrupt, ip:NUMBER, ip:NAME, ether:NUMBER nor ether:NAME\"",
			log_quote(quoted, sizeof(quoted), bad));
		return -EINVAL;
	}
	conf->trim_ethernet_padding = settings->trim_ethernet_padding;
	conf->track_esp = settings->track_esp;
	conf->keep_ipv4_fragments = settings->keep_ipv4_fragments;
	conf->keep_ipv6_fragments = settings->keep_ipv6_fragments;
	conf->tracking = (uint8_t)settings->tracking;
	conf->fast = !conf->trim_ethernet_padding;
	conf->tcp = packet_protocol_find("tcp");
	conf->udp = packet_protocol_find("udp");
	return packet_hooks_each(add_hook, &(struct adding){.conf = conf, .disabled = &settings->disabled});
}

struct decode_conf *
decode_conf_create_from(const struct decode_settings *settings, const struct conf *from)
{
	struct decode_conf *conf = calloc(1, sizeof(*conf));
	const struct drop_ips *list = NULL;
	int error;

	if (conf == NULL)
		return NULL;
	error = apply(conf, settings);
	if (error == 0 && from != NULL)
		error = collapse_load(from, conf);
	if (error == 0 && from != NULL)
		error = drop_ips_load(from, &settings->drop_ips_files, stderr, &list);
	atomic_init(&conf->drop_ips, (void *)(uintptr_t)list);
	conf->tracks = conf->tracking != TRACKING_NONE || conf->n_collapse > 0;
	if (error != 0) {
		decode_conf_destroy(conf);
		errno = -error;
		return NULL;
	}
	return conf;
}

struct decode_conf *
decode_conf_create(const struct conf *from)
{
	struct decode_settings settings = settings_defaults;

	if (from != NULL) {
		conf_fill(from, &packet_settings_group, &settings);
		conf_fill(from, &disabled_settings_group, &settings.disabled);
	}
	return decode_conf_create_from(&settings, from);
}

void
decode_conf_destroy(struct decode_conf *conf)
{
	if (conf == NULL)
		return;
	free(conf->collapse);
	drop_ips_destroy(conf->drop_ips);
	free(conf);
}

static void
free_drop_ips(void *list)
{
	drop_ips_destroy(list);
}

struct rcu_change
decode_conf_change_of_drop_ips(struct decode_conf *conf, const struct drop_ips *list)
{
	return (struct rcu_change){&conf->drop_ips, (void *)(uintptr_t)list, free_drop_ips};
}

int
decode_conf_replace_drop_ips(struct decode_conf *conf, const struct drop_ips *list)
{
	struct rcu_change change = decode_conf_change_of_drop_ips(conf, list);

	return rcu_replace_all(&change, 1);
}

const struct drop_ips *
decode_conf_drop_ips(const struct decode_conf *conf)
{
	return packet_drop_ips(conf);
}

int
packet_drop_ips_load(const struct conf *from, FILE *errors, const struct drop_ips **list)
{
	struct decode_settings settings = settings_defaults;

	conf_fill(from, &packet_settings_group, &settings);
	return drop_ips_load(from, &settings.drop_ips_files, errors, list);
}
