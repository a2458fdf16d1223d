/* The settings of lib/session, and --op. */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct setting session_settings[] = {
	SETTING_U32(struct session_conf, tcp_timeout_s, "tcpTimeout", 480, 10, 65535, "seconds",
		    "idle time after which a TCP session is saved"),
	SETTING_U32(struct session_conf, udp_timeout_s, "udpTimeout", 60, 10, 65535, "seconds",
		    "idle time after which a UDP session is saved"),
	SETTING_U32(struct session_conf, icmp_timeout_s, "icmpTimeout", 10, 1, 65535, "seconds",
		    "idle time after which an ICMP or ICMPv6 session is saved"),
	SETTING_U32(struct session_conf, sctp_timeout_s, "sctpTimeout", 60, 10, 65535, "seconds",
		    "idle time after which an SCTP session is saved"),
	SETTING_U32(struct session_conf, max_sctp_chunks, "maxSctpOutOfOrderPackets", 256, 64, 10000, "chunks",
		    "SCTP data chunks of a session that may wait, for earlier ones or for the rest of their message"),
	SETTING_BOOL(struct session_conf, esp_save_packets, "espSavePackets", "false",
		     "store all packets of ESP sessions, not only the first"),
	SETTING_U32(struct session_conf, esp_timeout_s, "espTimeout", 600, 10, 65535, "seconds",
		    "idle time after which an ESP session is saved"),
	SETTING_U32(struct session_conf, dhcp_timeout_s, "dhcpTimeout", 60, 10, 65535, "seconds",
		    "idle time after which a DHCP or DHCPv6 session is saved"),
	SETTING_U32(struct session_conf, tcp_closing_timeout_s, "tcpClosingTimeout", 5, 1, 255, "seconds",
		    "how long a closed TCP session waits for more packets before it is saved"),
	SETTING_U32(struct session_conf, tcp_save_timeout_s, "tcpSaveTimeout", 480, 10, 7200, "seconds",
		    "time after which a TCP session that is still open is saved as a linked record"),
	SETTING_U32(struct session_conf, max_packets, "maxPackets", 10000, 1, 65535, "packets",
		    "packets of a session after which it is saved as a linked record"),
	SETTING_U32(struct session_conf, max_streams, "maxStreams", 1500000, 1, 1000000000, "sessions",
		    "sessions kept by all workers together: TCP 1.25 times that, UDP, SCTP and other protocols a "
		    "twentieth each, ICMP and ESP a 200th, at least 64 in each worker; beyond it the one that has been "
		    "idle longest is saved early"),
};
SETTINGS(session, "Sessions", session_settings);

static uint32_t
timeout_of(const struct session_conf *conf, const struct packet_protocol *protocol)
{
	const struct {
		const char *key;
		uint32_t timeout_s;
	} settings[] = {
		{"tcpTimeout", conf->tcp_timeout_s},   {"udpTimeout", conf->udp_timeout_s},
		{"icmpTimeout", conf->icmp_timeout_s}, {"sctpTimeout", conf->sctp_timeout_s},
		{"espTimeout", conf->esp_timeout_s},   {"dhcpTimeout", conf->dhcp_timeout_s},
	};

	if (protocol->timeout_setting != NULL)
		for (unsigned i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
			if (strcmp(settings[i].key, protocol->timeout_setting) == 0)
				return settings[i].timeout_s;
	return protocol->timeout_s;
}

void
session_conf_finish(struct session_conf *conf)
{
	for (unsigned id = 1; id <= packet_protocol_count(); id++)
		conf->timeout_s[id] = timeout_of(conf, packet_protocol((uint8_t)id));
}

static bool
parse_integer(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0';
}

/* The operation that names no field (FEATURES 10). */
#define OP_MAX_PACKETS "_maxPacketsToSave"

bool
field_op_parse(const char *text, struct field_op *op, char *why, size_t why_size)
{
	const char *equals = strchr(text, '=');
	const struct field *field;
	char name[128];

	memset(op, 0, sizeof(*op));
	if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof(name)) {
		snprintf(why, why_size, "\"%s\" is not FIELD=VALUE", text);
		return false;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
	op->text = equals + 1;
	if (strlen(op->text) > FIELD_OP_TEXT_MAX) {
		snprintf(why, why_size, "the value of \"%s\" is longer than %d bytes", name, FIELD_OP_TEXT_MAX);
		return false;
	}
	if (strcmp(name, OP_MAX_PACKETS) == 0) {
		op->is_integer = true;
		op->is_store_limit = true;
		if (!parse_integer(op->text, &op->integer) || op->integer < 0 || op->integer > UINT32_MAX) {
			snprintf(why, why_size, "\"%s\" is no number of packets", op->text);
			return false;
		}
		return true;
	}
	op->field = field_find_expression(name);
	if (op->field == 0)
		op->field = field_find(name);
	if (op->field == 0) {
		snprintf(why, why_size, "there is no field \"%s\" (--list-fields shows them)", name);
		return false;
	}
	field = field_at(op->field);
	switch (field->type) {
	case FIELD_INT:
	case FIELD_INT_LIST:
	case FIELD_INT_SET:
		op->is_integer = true;
		if (parse_integer(op->text, &op->integer))
			return true;
		snprintf(why, why_size, "field \"%s\" takes a number, not \"%s\"", name, op->text);
		return false;
	case FIELD_STR:
	case FIELD_STR_LIST:
	case FIELD_STR_SET:
		return true;
	default:
		snprintf(why, why_size, "field \"%s\" cannot be set", name);
		return false;
	}
}
