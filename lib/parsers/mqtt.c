/* MQTT (OASIS; versions 3.1, 3.1.1 and 5.0).
 *
 * Recorded are the kinds of control packets, who connects with what (client, user, will), and the topics that are
 * published, subscribed to and left. What is published is passed over, of any size and without keeping it; properties
 * of version 5 are passed over too. Limits: PACKET_MAX_BYTES. */
#include "parser.h"

#include <rte_common.h>

enum { F_CLIENT, F_TOPIC, F_VERSION, F_TYPE, F_WILL_TOPIC, F_QOS, F_FLAGS, F_CONNACK_CODE, F_USER, N_FIELDS };

static const struct field mqtt_fields[N_FIELDS] = {
	[F_CLIENT] = {"mqtt.clientId", "mqtt.clientId", "mqtt", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		      "Client ID", "Identifiers of clients", NULL},
	[F_TOPIC] = {"mqtt.topic", "mqtt.topic", "mqtt", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		     "Topic", "Topics that are published, subscribed to or left", NULL},
	[F_VERSION] = {"mqtt.version", "mqtt.version", "mqtt", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		       "Version", "Versions of the protocol", NULL},
	[F_TYPE] = {"mqtt.type", "mqtt.type", "mqtt", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL, "Type",
		    "Kinds of control packets", NULL},
	[F_WILL_TOPIC] = {"mqtt.willTopic", "mqtt.willTopic", "mqtt", "termfield", FIELD_STR_SET,
			  FIELD_COUNT | FIELD_TO_NUL, "Will Topic", "Topics of wills", NULL},
	[F_QOS] = {"mqtt.qos", "mqtt.qos", "mqtt", "integer", FIELD_INT_SET, FIELD_COUNT, "QoS",
		   "Qualities of service of publications and wills", NULL},
	[F_FLAGS] = {"mqtt.flags", "mqtt.flags", "mqtt", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		     "Flags", "Flags of connections", NULL},
	[F_CONNACK_CODE] = {"mqtt.connackCode", "mqtt.connackCode", "mqtt", "integer", FIELD_INT_SET, FIELD_COUNT,
			    "CONNACK Code", "Answers to connections", NULL},
	[F_USER] = {.name = "user"},
};

enum {
	PACKET_MAX_BYTES = 8192, /* without the fixed header; for PUBLISH with it, but without what is published */
	LENGTH_BYTES = 4,	 /* of the length of a body */
	FIXED_BYTES_MAX = 1 + LENGTH_BYTES,
	FIRST_MIN_BYTES = 10,
	PACKET_ID_BYTES = 2,
	KEEP_ALIVE_BYTES = 2,

	CONNECT = 1,
	CONNACK = 2,
	PUBLISH = 3,
	SUBSCRIBE = 8,
	UNSUBSCRIBE = 10,

	CONNECT_CLEAN_SESSION = 0x02,
	CONNECT_WILL = 0x04,
	CONNECT_WILL_RETAIN = 0x20,
	CONNECT_PASSWORD = 0x40,
	CONNECT_USER = 0x80,
	WILL_QOS_SHIFT = 3,
	PUBLISH_QOS_SHIFT = 1,
	QOS_MASK = 3,
	QOS_MAX = 2,

	VERSION_5 = 5,
};

static const char *const type_names[] = {
	"Reserved",  "CONNECT", "CONNACK",     "PUBLISH",  "PUBACK",  "PUBREC",	  "PUBREL",	"PUBCOMP",
	"SUBSCRIBE", "SUBACK",	"UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
};

static const char *const version_names[] = {[3] = "3.1", [4] = "3.1.1", [5] = "5.0"};

struct mqtt {
	struct shrike_buffer buffer[2];
	bool is_version_5; /* of the last CONNECT */
};

enum read { READ_OK, READ_MORE, READ_BAD };

/* A number of 1 to 4 bytes, 7 bits each, the lowest first. */
static enum read
read_length(struct cursor *in, uint32_t *length)
{
	*length = 0;
	for (unsigned i = 0; i < LENGTH_BYTES; i++) {
		uint8_t byte = cursor_u8(in);

		if (cursor_bad(in))
			return READ_MORE;
		*length |= (uint32_t)(byte & 0x7f) << 7 * i;
		if ((byte & 0x80) == 0)
			return READ_OK;
	}
	return READ_BAD;
}

static bool
is_mqtt(struct cursor in)
{
	size_t size = cursor_left(&in);
	struct cursor name;
	uint32_t length;

	if (size < FIRST_MIN_BYTES || cursor_u8(&in) != CONNECT << 4 || read_length(&in, &length) != READ_OK)
		return false;
	name = cursor_sub(&in, cursor_be16(&in));
	size = cursor_left(&name);
	if (size == 4)
		return memcmp(name.p, "MQTT", size) == 0;
	return size == 6 && memcmp(name.p, "MQIsdp", size) == 0;
}

static struct cursor
read_text(struct cursor *in)
{
	return cursor_sub(in, cursor_be16(in));
}

static void
emit_text(struct shrike_ctx *ctx, unsigned field, struct cursor text)
{
	if (cursor_left(&text) > 0)
		shrike_emit_rest(ctx, field, &text);
}

static void
emit_qos(struct shrike_ctx *ctx, uint8_t qos)
{
	if (qos <= QOS_MAX)
		shrike_emit_int(ctx, F_QOS, qos);
}

static void
skip_properties(struct cursor *in)
{
	uint32_t length;

	if (read_length(in, &length) == READ_OK)
		cursor_skip(in, length);
	else
		cursor_fail(in);
}

static void
emit_flags(struct shrike_ctx *ctx, uint8_t flags)
{
	if ((flags & CONNECT_WILL) != 0) {
		shrike_emit_str(ctx, F_FLAGS, "hasWill");
		if ((flags & CONNECT_WILL_RETAIN) != 0)
			shrike_emit_str(ctx, F_FLAGS, "willRetain");
		emit_qos(ctx, flags >> WILL_QOS_SHIFT & QOS_MASK);
	}
	if ((flags & CONNECT_CLEAN_SESSION) != 0)
		shrike_emit_str(ctx, F_FLAGS, "cleanSession");
	if ((flags & CONNECT_PASSWORD) != 0)
		shrike_emit_str(ctx, F_FLAGS, "hasPassword");
}

static void
take_connect(struct shrike_ctx *ctx, struct mqtt *s, struct cursor in)
{
	uint8_t version, flags;
	struct cursor user;

	(void)read_text(&in);
	version = cursor_u8(&in);
	flags = cursor_u8(&in);
	cursor_skip(&in, KEEP_ALIVE_BYTES);
	if (cursor_bad(&in))
		return;
	s->is_version_5 = version == VERSION_5;
	shrike_emit_str(ctx, F_VERSION,
			version < RTE_DIM(version_names) && version_names[version] != NULL ? version_names[version]
											   : "unknown");
	emit_flags(ctx, flags);
	if (s->is_version_5)
		skip_properties(&in);
	emit_text(ctx, F_CLIENT, read_text(&in));
	if ((flags & CONNECT_WILL) != 0) {
		if (s->is_version_5)
			skip_properties(&in);
		emit_text(ctx, F_WILL_TOPIC, read_text(&in));
		(void)read_text(&in); /* the will itself */
	}
	if ((flags & CONNECT_USER) == 0)
		return;
	user = read_text(&in);
	if (cursor_left(&user) > 0)
		shrike_emit_lower(ctx, F_USER, user.p, cursor_left(&user));
}

static void
take_topics(struct shrike_ctx *ctx, const struct mqtt *s, uint8_t type, struct cursor in)
{
	cursor_skip(&in, PACKET_ID_BYTES);
	if (s->is_version_5)
		skip_properties(&in);
	while (cursor_left(&in) > 0) {
		emit_text(ctx, F_TOPIC, read_text(&in));
		if (type == SUBSCRIBE)
			cursor_skip(&in, 1); /* options */
	}
}

static void
take_body(struct shrike_ctx *ctx, struct mqtt *s, uint8_t type, struct cursor body)
{
	switch (type) {
	case CONNECT:
		take_connect(ctx, s, body);
		break;
	case CONNACK:
		cursor_skip(&body, 1);
		if (cursor_left(&body) > 0)
			shrike_emit_int(ctx, F_CONNACK_CODE, cursor_u8(&body));
		break;
	case SUBSCRIBE:
	case UNSUBSCRIBE:
		take_topics(ctx, s, type, body);
		break;
	default:
		break;
	}
}

static enum read
refuse(struct shrike_ctx *ctx, const char *tag)
{
	shrike_add_tag(ctx, tag);
	return READ_BAD;
}

/* 'rest': of this direction, behind the fixed header, which has 'fixed' bytes. */
static enum read
take_publish(struct shrike_ctx *ctx, uint8_t flags, size_t fixed, uint32_t length, struct cursor *rest)
{
	uint8_t qos = flags >> PUBLISH_QOS_SHIFT & QOS_MASK;
	uint32_t head = sizeof(uint16_t) + (qos > 0 ? PACKET_ID_BYTES : 0);
	struct cursor c = *rest;

	if (length < head)
		return refuse(ctx, "mqtt:bad-publish");
	head += cursor_be16(&c);
	if (cursor_bad(&c))
		return READ_MORE;
	if (length < head)
		return refuse(ctx, "mqtt:bad-publish");
	if (fixed + head > PACKET_MAX_BYTES)
		return refuse(ctx, "mqtt:message-too-long");
	if (cursor_left(rest) < head)
		return READ_MORE;
	c = cursor_sub(rest, head);
	emit_text(ctx, F_TOPIC, read_text(&c));
	emit_qos(ctx, qos);
	length -= head;
	if (length > cursor_left(rest)) {
		shrike_skip(ctx, length - cursor_left(rest));
		length = (uint32_t)cursor_left(rest);
	}
	cursor_skip(rest, length);
	return READ_OK;
}

static enum read
take_whole(struct shrike_ctx *ctx, struct mqtt *s, uint8_t type, uint32_t length, struct cursor *rest)
{
	if (length > PACKET_MAX_BYTES)
		return refuse(ctx, "mqtt:message-too-long");
	if (cursor_left(rest) < length)
		return READ_MORE;
	take_body(ctx, s, type, cursor_sub(rest, length));
	return READ_OK;
}

/* One packet off '*in', or READ_MORE and '*in' as it was. */
static enum read
take_packet(struct shrike_ctx *ctx, struct mqtt *s, struct cursor *in)
{
	struct cursor c = *in;
	uint8_t first = cursor_u8(&c), type = first >> 4;
	uint32_t length;
	enum read read = read_length(&c, &length);

	if (read == READ_BAD)
		return refuse(ctx, "mqtt:bad-varint");
	if (read == READ_MORE)
		return READ_MORE;
	shrike_emit_str(ctx, F_TYPE, type_names[type]);
	if (type == PUBLISH)
		read = take_publish(ctx, first, cursor_left(in) - cursor_left(&c), length, &c);
	else
		read = take_whole(ctx, s, type, length, &c);
	if (read == READ_OK)
		*in = c;
	return read;
}

static enum shrike_verdict
mqtt_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct mqtt *s = shrike_state(ctx);
	struct shrike_buffer *buffer = &s->buffer[shrike_direction(ctx)];
	enum read read = READ_OK;
	struct cursor joined;

	if (!shrike_has_protocol(ctx, "mqtt")) {
		if (!is_mqtt(in))
			return SHRIKE_NOT_MINE;
		shrike_add_protocol(ctx, "mqtt");
	}
	if (!shrike_join(ctx, buffer, in, FIXED_BYTES_MAX + PACKET_MAX_BYTES, &joined))
		return SHRIKE_DONE;
	while (read == READ_OK && cursor_left(&joined) > 0)
		read = take_packet(ctx, s, &joined);
	if (read == READ_BAD)
		return SHRIKE_DONE;
	shrike_keep(ctx, buffer, joined);
	return SHRIKE_MORE;
}

static const struct shrike_parser mqtt = {
	.api = SHRIKE_API,
	.name = "mqtt",
	.match =
		(const struct shrike_match[]){
			{.transports = SHRIKE_TCP, SHRIKE_BYTES("\x10")},
			{0},
		},
	.fields = mqtt_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct mqtt),
	.parse = mqtt_parse,
};
SHRIKE_PARSER(mqtt);
