/* A .so that wants what others have: chirp's ethertype, or, by its build, another number or name. */
#include <shrike/protocol.h>

static const struct packet_protocol rival_protocol = {
	.name = RIVAL_PROTOCOL, .record_name = "rival", .type = SESSION_OTHER, .timeout_s = 60};
PACKET_PROTOCOL(rival_protocol);

static enum packet_verdict
handle_rival(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	(void)conf, (void)c;
	packet_key_opaque(p, PACKET_PROTOCOL_ID(rival_protocol), NULL, 0);
	return PACKET_OK;
}
static const struct packet_hook rival_hook = {
	.kind = HOOK_ETHERTYPE, .number = RIVAL_ETHERTYPE, .handle = handle_rival, .parser = "rival"};
PACKET_HOOK(rival_hook);

SHRIKE_PLUGIN(.name = "rival");
