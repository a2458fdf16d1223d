/* Link and IP protocols of somebody else's, built as a .so from the installed headers alone. All of them are made up.
 *
 *   chirp    ethertype 88b5 (for local experiments): nests call each other by a number of four bytes. A header of kind
 *            (1 call, 2 answer) and number, then a name up to a NUL; the frame's padding behind it is nobody's. Calls
 *            and answers of one number in one VLAN are a session, whoever sent them.
 *   hum      IP protocol 254: a two-way protocol between addresses, text to the end of the packet.
 *   burrow   IP protocol 253 and UDP port 55555: a tunnel. Ethertype, two reserved bytes that are zero, a network
 * number of four bytes; then that ethertype's packet. */
#include <shrike/parser.h>
#include <shrike/protocol.h>

enum { CHIRP_ETHERTYPE = 0x88b5, CHIRP_CALL = 1, CHIRP_ANSWER = 2, CHIRP_NAME_MAX = 64 };
enum { BURROW_IP_PROTOCOL = 253, HUM_IP_PROTOCOL = 254, BURROW_UDP_PORT = 55555 };

/* ---- chirp: sessions with a key of their own */

static const struct packet_protocol chirp_protocol = {
	.name = "chirp", .record_name = "chirp-v1", .type = SESSION_OTHER, .timeout_s = 20};
PACKET_PROTOCOL(chirp_protocol);

static enum packet_verdict
handle_chirp(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint8_t id[6], kind = cursor_u8(&c);
	const uint8_t *number = cursor_take(&c, 4);
	struct cursor name = cursor_until(&c, '\0');
	uint16_t vlan = packet_vlan_id(p);

	(void)conf;
	if (cursor_bad(&c) || (kind != CHIRP_CALL && kind != CHIRP_ANSWER) || cursor_left(&name) > CHIRP_NAME_MAX)
		return PACKET_CORRUPT;
	memcpy(id, number, 4);
	memcpy(&id[4], &vlan, 2);
	packet_key_opaque(p, PACKET_PROTOCOL_ID(chirp_protocol), id, sizeof(id));
	packet_set_reversed(p, kind == CHIRP_ANSWER);
	packet_set_payload(p, name);
	return PACKET_OK;
}
static const struct packet_hook chirp_hook = {
	.kind = HOOK_ETHERTYPE, .number = CHIRP_ETHERTYPE, .handle = handle_chirp, .parser = "chirp"};
PACKET_HOOK(chirp_hook);

enum { F_CALL, F_ANSWER, N_FIELDS };
static const struct field chirp_fields[N_FIELDS] = {
	[F_CALL] = {"chirp.call", "chirp.call", "chirp", "termfield", FIELD_STR_SET, FIELD_COUNT, "Call",
		    "Name that a nest calls", NULL},
	[F_ANSWER] = {"chirp.answer", "chirp.answer", "chirp", "termfield", FIELD_STR_SET, FIELD_COUNT, "Answer",
		      "Name that a nest answers with", NULL},
};

static enum shrike_verdict
chirp_parse(struct shrike_ctx *ctx, struct cursor in)
{
	shrike_add_protocol(ctx, "chirp");
	shrike_emit_rest(ctx, shrike_direction(ctx) == 0 ? F_CALL : F_ANSWER, &in);
	return SHRIKE_MORE;
}
static const struct shrike_match chirp_match[] = {{.session = "chirp"}, {0}};
static const struct shrike_parser chirp = {
	.api = SHRIKE_API,
	.name = "chirp",
	.match = chirp_match,
	.fields = chirp_fields,
	.n_fields = N_FIELDS,
	.parse = chirp_parse,
};
SHRIKE_PARSER(chirp);

/* ---- hum: sessions between addresses */

static const struct packet_protocol hum_protocol = {.name = "hum",
						    .record_name = "hum",
						    .type = SESSION_OTHER,
						    .timeout_s = 60,
						    .timeout_setting = "udpTimeout",
						    .has_addresses = true};
PACKET_PROTOCOL(hum_protocol);

static enum packet_verdict
handle_hum(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	if (cursor_left(&c) == 0)
		return PACKET_UNKNOWN_IP;
	packet_key_endpoints(conf, p, PACKET_PROTOCOL_ID(hum_protocol), 0, 0);
	packet_set_payload(p, c);
	return PACKET_OK;
}
static const struct packet_hook hum_hook = {
	.kind = HOOK_IP_PROTOCOL, .number = HUM_IP_PROTOCOL, .handle = handle_hum, .parser = "hum"};
PACKET_HOOK(hum_hook);

enum { F_TUNE };
static const struct field hum_fields[] = {
	[F_TUNE] = {"hum.tune", "hum.tune", "hum", "termfield", FIELD_STR_SET, FIELD_COUNT, "Tune", "What is hummed",
		    NULL},
};

static enum shrike_verdict
hum_parse(struct shrike_ctx *ctx, struct cursor in)
{
	shrike_emit_rest(ctx, F_TUNE, &in);
	return SHRIKE_MORE;
}
static const struct shrike_match hum_match[] = {{.session = "hum"}, {0}};
static const struct shrike_parser hum = {
	.api = SHRIKE_API, .name = "hum", .match = hum_match, .fields = hum_fields, .n_fields = 1, .parse = hum_parse};
SHRIKE_PARSER(hum);

/* ---- burrow: a tunnel over IP and over UDP */

static const struct packet_tunnel_name burrow = {"burrow"};
PACKET_TUNNEL(burrow);

static enum packet_verdict
handle_burrow(const struct decode_conf *conf, struct packet *p, struct cursor c)
{
	uint16_t ethertype = cursor_be16(&c), reserved = cursor_be16(&c);
	uint32_t network = cursor_be32(&c);

	if (cursor_bad(&c) || reserved != 0)
		return PACKET_UNKNOWN_IP;
	packet_enter_tunnel(p, PACKET_TUNNEL_BIT(burrow), network);
	return packet_decode_ethertype(conf, p, ethertype, c);
}
static const struct packet_hook burrow_ip_hook = {
	.kind = HOOK_IP_PROTOCOL, .number = BURROW_IP_PROTOCOL, .handle = handle_burrow, .parser = "burrow"};
static const struct packet_hook burrow_udp_hook = {
	.kind = HOOK_UDP_PORT, .number = BURROW_UDP_PORT, .handle = handle_burrow, .parser = "burrow"};
PACKET_HOOK(burrow_ip_hook);
PACKET_HOOK(burrow_udp_hook);

SHRIKE_PLUGIN(.name = "chirp");
