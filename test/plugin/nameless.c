/* A .so whose author forgot its name. */
#include <shrike/protocol.h>

static const struct packet_tunnel_name tunnel = {"nameless"};
PACKET_TUNNEL(tunnel);
SHRIKE_PLUGIN();
