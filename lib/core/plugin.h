/* What a .so of parsersDir offers: one const descriptor, which SHRIKE_PLUGIN() makes of the lists that its files have
 * added to. The same files are built in, or built as a .so when one of them says SHRIKE_PLUGIN(.name = "acme").
 *
 *   SHRIKE_PARSER(object), SHRIKE_HOOK(object)                     parser.h
 *   PACKET_PROTOCOL(object), PACKET_HOOK(object), PACKET_TUNNEL()  protocol.h
 *
 * Ownership: what a .so defines has to live as long as the process; it is never closed. Errors: a .so of another
 * SHRIKE_API, without a name or without anything in its lists is refused, with its path, and the program does not
 * start. */
#ifndef PLUGIN_H
#define PLUGIN_H

#include <stdint.h>

#include "registry.h"

/* 2: packet protocols, packet hooks and tunnels; reload(). */
enum { SHRIKE_API = 2 };

struct shrike_parser;
struct shrike_hook;
struct packet_protocol;
struct packet_hook;
struct packet_tunnel_name;
REGISTRY_DECLARE(shrike_parser, struct shrike_parser);
REGISTRY_DECLARE(shrike_hook, struct shrike_hook);
REGISTRY_DECLARE(packet_protocol, struct packet_protocol);
REGISTRY_DECLARE(packet_hook, struct packet_hook);
REGISTRY_DECLARE(packet_tunnel_name, struct packet_tunnel_name);

enum { PACKET_PROTOCOLS_MAX = 64, PACKET_TUNNELS_MAX = 16 };

/* Numbers of this module's protocols and tunnels, by their place in its lists; written once, at start. The program and
 * every .so have arrays of their own. */
extern uint8_t packet_protocol_ids[PACKET_PROTOCOLS_MAX] __attribute__((visibility("hidden")));
extern uint16_t packet_tunnel_bits[PACKET_TUNNELS_MAX] __attribute__((visibility("hidden")));

struct shrike_plugin {
	unsigned api;
	const char *name; /* of two with one name the first counts */
	const struct shrike_parser *const *parsers, *const *parsers_end;
	const struct shrike_hook *const *hooks, *const *hooks_end;
	const struct packet_protocol *const *protocols, *const *protocols_end;
	const struct packet_hook *const *packet_hooks, *const *packet_hooks_end;
	const struct packet_tunnel_name *const *tunnels, *const *tunnels_end;
	uint8_t *protocol_ids; /* packet_protocol_ids of the .so */
	uint16_t *tunnel_bits;
};

#define SHRIKE_PLUGIN(...)                                                                                             \
	uint8_t packet_protocol_ids[PACKET_PROTOCOLS_MAX];                                                             \
	uint16_t packet_tunnel_bits[PACKET_TUNNELS_MAX];                                                               \
	__attribute__((visibility("default"))) const struct shrike_plugin *shrike_parser_init(void);                   \
	const struct shrike_plugin *shrike_parser_init(void)                                                           \
	{                                                                                                              \
		static const struct shrike_plugin plugin = {.api = SHRIKE_API,                                         \
							    .parsers = __start_registry_shrike_parser,                 \
							    .parsers_end = __stop_registry_shrike_parser,              \
							    .hooks = __start_registry_shrike_hook,                     \
							    .hooks_end = __stop_registry_shrike_hook,                  \
							    .protocols = __start_registry_packet_protocol,             \
							    .protocols_end = __stop_registry_packet_protocol,          \
							    .packet_hooks = __start_registry_packet_hook,              \
							    .packet_hooks_end = __stop_registry_packet_hook,           \
							    .tunnels = __start_registry_packet_tunnel_name,            \
							    .tunnels_end = __stop_registry_packet_tunnel_name,         \
							    .protocol_ids = packet_protocol_ids,                       \
							    .tunnel_bits = packet_tunnel_bits,                         \
							    __VA_ARGS__};                                              \
		return &plugin;                                                                                        \
	}

#endif
