/* EtherNet/IP and CIP (ODVA: The CIP Networks Library, volumes 1 and 2) on TCP and UDP.
 *
 * An encapsulation message is a header of 24 bytes and a body. Recorded are command and status of each; who answers to
 * ListIdentity; and of what SendRRData and SendUnitData carry, the service, and of a request the class that it is for.
 * Routes are passed over, and services within services (Multiple_Service_Packet, Unconnected_Send) are not looked at.
 * A TCP stream ends with the first header that is none; datagrams are each for themselves. */
#include <rte_common.h>

#include "parser.h"

enum { F_COMMAND, F_STATUS, F_SERVICE, F_CLASS, F_VENDOR, F_PRODUCT, F_DEVICE_TYPE, N_FIELDS };

static const struct field enip_fields[N_FIELDS] = {
	[F_COMMAND] = {"enip.command", "enip.command", "enip", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		       "ENIP Command", "Commands of the encapsulation", NULL},
	[F_STATUS] = {"enip.status", "enip.status", "enip", "integer", FIELD_INT_SET, FIELD_COUNT, "ENIP Status",
		      "Status in the encapsulation, 0: success", NULL},
	[F_SERVICE] = {"enip.service", "enip.service", "enip", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		       "CIP Service", "Services that were asked for or answered", NULL},
	[F_CLASS] = {"enip.class", "enip.class", "enip", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		     "CIP Class", "Classes of objects that were asked", NULL},
	[F_VENDOR] = {"enip.vendor", "enip.vendor", "enip", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		      "ENIP Vendor", "Vendors of devices that named themselves", NULL},
	[F_PRODUCT] = {"enip.product", "enip.product", "enip", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		       "ENIP Product", "Products that named themselves", NULL},
	[F_DEVICE_TYPE] = {"enip.deviceType", "enip.device-type", "enip", "termfield", FIELD_STR_SET,
			   FIELD_COUNT | FIELD_TO_NUL, "ENIP Device Type",
			   "Kinds of devices that named themselves, as numbers", NULL},
};

enum {
	EXPLICIT_PORT = 44818,
	IMPLICIT_PORT = 2222,
	HEADER_BYTES = 24,
	STATUS_OFFSET = 8,
	CLASSIFY_BYTES_MAX = 65535,
	MESSAGE_MAX_BYTES = 8192,

	COMMAND_LIST_IDENTITY = 0x63,
	COMMAND_SEND_RR_DATA = 0x6f,
	COMMAND_SEND_UNIT_DATA = 0x70,

	ITEM_IDENTITY = 0x0c,
	ITEM_CONNECTED = 0xb1,
	ITEM_UNCONNECTED = 0xb2,
	IDENTITY_ITEMS_MAX = 8,
	DATA_ITEMS_MAX = 16,

	SERVICE_IS_REPLY = 0x80,

	/* Segments of a path (volume 1, appendix C): kind, and within a logical one what it names and how long. */
	SEGMENT_KIND = 0xe0,
	SEGMENT_PORT = 0x00,
	SEGMENT_LOGICAL = 0x20,
	SEGMENT_DATA = 0x80,
	PORT_NUMBER = 0x0f,
	PORT_NUMBER_EXTENDED = 0x0f,
	PORT_ADDRESS_EXTENDED = 0x10,
	LOGICAL_TYPE = 0x1c,
	LOGICAL_CLASS = 0x00,
	LOGICAL_FORMAT = 0x03,
	FORMAT_8_BIT = 0,
	FORMAT_16_BIT = 1,
	FORMAT_32_BIT = 2,
};

static const char *const command_names[] = {
	[0x00] = "NOP",
	[0x04] = "ListServices",
	[0x63] = "ListIdentity",
	[0x64] = "ListInterfaces",
	[0x65] = "RegisterSession",
	[0x66] = "UnRegisterSession",
	[0x6f] = "SendRRData",
	[0x70] = "SendUnitData",
	[0x72] = "IndicateStatus",
	[0x73] = "Cancel",
};

static const char *const service_names[] = {
	[0x01] = "Get_Attributes_All",
	[0x02] = "Set_Attributes_All",
	[0x03] = "Get_Attribute_List",
	[0x04] = "Set_Attribute_List",
	[0x05] = "Reset",
	[0x06] = "Start",
	[0x07] = "Stop",
	[0x08] = "Create",
	[0x09] = "Delete",
	[0x0a] = "Multiple_Service_Packet",
	[0x0d] = "Apply_Attributes",
	[0x0e] = "Get_Attribute_Single",
	[0x10] = "Set_Attribute_Single",
	[0x11] = "Find_Next_Object_Instance",
	[0x14] = "Error_Response",
	[0x15] = "Restore",
	[0x16] = "Save",
	[0x17] = "NoOp",
	[0x18] = "Get_Member",
	[0x19] = "Set_Member",
	[0x1a] = "Insert_Member",
	[0x1b] = "Remove_Member",
	[0x1c] = "GroupSync",
	[0x4b] = "Execute_PCCC",
	[0x4c] = "Read_Tag",
	[0x4d] = "Write_Tag",
	[0x4e] = "Forward_Close",
	[0x52] = "Read_Tag_Fragmented",
	[0x53] = "Write_Tag_Fragmented",
	[0x54] = "Forward_Open",
	[0x55] = "Get_Connection_Owner",
	[0x5b] = "Large_Forward_Open",
};

static const char *const class_names[] = {
	[0x01] = "Identity",
	[0x02] = "Message Router",
	[0x03] = "DeviceNet",
	[0x04] = "Assembly",
	[0x05] = "Connection",
	[0x06] = "Connection Manager",
	[0x07] = "Register",
	[0x08] = "Discrete Input Point",
	[0x09] = "Discrete Output Point",
	[0x0a] = "Analog Input Point",
	[0x0b] = "Analog Output Point",
	[0x0e] = "Presence Sensing",
	[0x0f] = "Parameter",
	[0x10] = "Parameter Group",
	[0x1d] = "Discrete Input Group",
	[0x1e] = "Discrete Output Group",
	[0x1f] = "Discrete Group",
	[0x20] = "Analog Input Group",
	[0x21] = "Analog Output Group",
	[0x22] = "Analog Group",
	[0x23] = "Position Sensor",
	[0x24] = "Position Controller Supervisor",
	[0x25] = "Position Controller",
	[0x26] = "Block Sequencer",
	[0x27] = "Command Block",
	[0x28] = "Motor Data",
	[0x29] = "Control Supervisor",
	[0x2a] = "AC/DC Drive",
	[0x2b] = "Acknowledge Handler",
	[0x2c] = "Overload",
	[0x2d] = "Softstart",
	[0x2e] = "Selection",
	[0x30] = "S-Device Supervisor",
	[0x31] = "S-Analog Sensor",
	[0x32] = "S-Analog Actuator",
	[0x33] = "S-Single Stage Controller",
	[0x34] = "S-Gas Calibration",
	[0x35] = "Trip Point",
	[0x37] = "File",
	[0x38] = "S-Partial Pressure",
	[0x39] = "Safety Supervisor",
	[0x3a] = "Safety Validator",
	[0x3b] = "Safety Discrete Output Point",
	[0x3c] = "Safety Discrete Output Group",
	[0x3d] = "Safety Discrete Input Point",
	[0x3e] = "Safety Discrete Input Group",
	[0x3f] = "Safety Dual Channel Output",
	[0x40] = "S-Sensor Calibration",
	[0x41] = "Event Log",
	[0x42] = "Motion Device Axis",
	[0x43] = "Time Sync",
	[0x44] = "Modbus",
	[0xf0] = "ControlNet",
	[0xf1] = "ControlNet Keeper",
	[0xf2] = "ControlNet Scheduling",
	[0xf3] = "Connection Configuration",
	[0xf4] = "Port",
	[0xf5] = "TCP/IP Interface",
	[0xf6] = "EtherNet Link",
	[0xf7] = "CompoNet",
	[0xf8] = "CompoNet Repeater",
};

static const struct {
	uint16_t id;
	const char *name;
} vendors[] = {
	{0x001, "Rockwell Automation/Allen-Bradley"},
	{0x002, "Namco Controls Corp."},
	{0x005, "Schneider Electric"},
	{0x00c, "Festo"},
	{0x017, "OMRON"},
	{0x01a, "Hitachi"},
	{0x02a, "Mitsubishi Electric"},
	{0x031, "Siemens"},
	{0x036, "Bosch Rexroth"},
	{0x04d, "Lenze"},
	{0x05a, "Beckhoff"},
	{0x064, "Yaskawa"},
	{0x090, "Pilz"},
	{0x100, "Phoenix Contact"},
	{0x11b, "WAGO"},
	{0x12e, "Rockwell Automation"},
};

struct enip_state {
	struct shrike_buffer buffer[2];
};

struct message {
	uint16_t command, length;
	uint32_t status;
};

/* NULL: it has none. */
static const char *
name_of(const char *const *names, size_t n_names, uint32_t i)
{
	return i < n_names ? names[i] : NULL;
}

#define NAME_OF(names, i) name_of((names), RTE_DIM(names), (i))

/* The header, which the caller knows to be there. */
static struct message
read_header(struct cursor *in)
{
	struct message m = {.command = cursor_le16(in), .length = cursor_le16(in)};

	cursor_skip(in, STATUS_OFFSET - 4);
	m.status = cursor_le32(in);
	cursor_skip(in, HEADER_BYTES - STATUS_OFFSET - 4);
	return m;
}

static bool
is_enip(const struct shrike_ctx *ctx, struct cursor in)
{
	size_t size = cursor_left(&in), wanted;
	struct message m;

	if (size < HEADER_BYTES)
		return false;
	m = read_header(&in);
	wanted = HEADER_BYTES + (size_t)m.length;
	if (NAME_OF(command_names, m.command) == NULL || wanted > CLASSIFY_BYTES_MAX)
		return false;
	return shrike_transport(ctx) == SHRIKE_TCP || wanted == size;
}

/* ---- ListIdentity */

static void
emit_vendor(struct shrike_ctx *ctx, uint16_t id)
{
	for (size_t i = 0; i < RTE_DIM(vendors); i++)
		if (vendors[i].id == id) {
			shrike_emit_str(ctx, F_VENDOR, vendors[i].name);
			return;
		}
	shrike_emit_format(ctx, F_VENDOR, "Vendor-%u", id);
}

/* Version and socket address, vendor, device type, product code to serial number, name, state. False: too short. */
static bool
identity(struct shrike_ctx *ctx, struct cursor in)
{
	uint16_t vendor, device_type;
	struct cursor name;
	uint8_t size;

	cursor_skip(&in, 18);
	vendor = cursor_le16(&in);
	device_type = cursor_le16(&in);
	cursor_skip(&in, 10);
	size = cursor_u8(&in);
	if (cursor_bad(&in))
		return false;
	emit_vendor(ctx, vendor);
	shrike_emit_format(ctx, F_DEVICE_TYPE, "DeviceType-0x%04x", device_type);
	name = cursor_sub(&in, size);
	if (size > 0 && !cursor_bad(&in))
		shrike_emit_rest(ctx, F_PRODUCT, &name);
	return true;
}

/* ---- CIP */

static void
emit_class(struct shrike_ctx *ctx, uint32_t id)
{
	const char *name = NAME_OF(class_names, id);

	if (name != NULL)
		shrike_emit_str(ctx, F_CLASS, name);
	else
		shrike_emit_format(ctx, F_CLASS, "Class-0x%02x", id);
}

/* What a logical segment holds; longer values stand behind a pad byte. False: of no known length. */
static bool
logical_value(struct cursor *path, uint8_t segment, uint32_t *value)
{
	switch (segment & LOGICAL_FORMAT) {
	case FORMAT_8_BIT:
		*value = cursor_u8(path);
		return true;
	case FORMAT_16_BIT:
		cursor_skip(path, 1);
		*value = cursor_le16(path);
		return true;
	case FORMAT_32_BIT:
		cursor_skip(path, 1);
		*value = cursor_le32(path);
		return true;
	default:
		return false;
	}
}

/* A size and as many bytes, padded to an even number. */
static void
skip_sized(struct cursor *path)
{
	size_t size = cursor_u8(path);

	cursor_skip(path, size + (size & 1));
}

static void
skip_port(struct cursor *path, uint8_t segment)
{
	if ((segment & PORT_NUMBER) == PORT_NUMBER_EXTENDED)
		cursor_skip(path, 2);
	if ((segment & PORT_ADDRESS_EXTENDED) != 0)
		skip_sized(path);
	else
		cursor_skip(path, 1);
}

/* The first class of a path. */
static void
request_path(struct shrike_ctx *ctx, struct cursor path)
{
	while (cursor_left(&path) > 0) {
		uint8_t segment = cursor_u8(&path), kind = segment & SEGMENT_KIND;
		uint32_t value;

		if (kind == SEGMENT_LOGICAL) {
			if (!logical_value(&path, segment, &value))
				return;
			if ((segment & LOGICAL_TYPE) == LOGICAL_CLASS) {
				emit_class(ctx, value);
				return;
			}
		} else if (kind == SEGMENT_PORT) {
			skip_port(&path, segment);
		} else if (kind == SEGMENT_DATA) {
			skip_sized(&path);
		} else {
			return;
		}
	}
}

static void
cip(struct shrike_ctx *ctx, struct cursor in)
{
	uint8_t service = cursor_u8(&in);
	const char *name = NAME_OF(service_names, service & ~(unsigned)SERVICE_IS_REPLY);

	if (cursor_bad(&in))
		return;
	shrike_add_protocol(ctx, "cip");
	if (name != NULL)
		shrike_emit_str(ctx, F_SERVICE, name);
	else if ((service & SERVICE_IS_REPLY) != 0)
		shrike_emit_str(ctx, F_SERVICE, "Reply");
	else
		shrike_emit_format(ctx, F_SERVICE, "Service-0x%02x", service);
	if ((service & SERVICE_IS_REPLY) == 0) {
		size_t size = 2 * (size_t)cursor_u8(&in);

		cursor_limit(&in, size);
		request_path(ctx, in);
	}
}

/* ---- Messages */

/* False: what follows is not read. */
static bool
take_item(struct shrike_ctx *ctx, uint16_t command, uint16_t type, struct cursor item)
{
	if (command == COMMAND_LIST_IDENTITY)
		return type != ITEM_IDENTITY || identity(ctx, item);
	if (type == ITEM_CONNECTED)
		cursor_skip(&item, 2); /* sequence number */
	if (type == ITEM_CONNECTED || type == ITEM_UNCONNECTED)
		cip(ctx, item);
	return true;
}

/* A count and that many items of type, length and value. */
static void
items(struct shrike_ctx *ctx, uint16_t command, struct cursor in, uint16_t items_max)
{
	uint16_t n_items = cursor_le16(&in);

	if (n_items > items_max)
		return;
	for (unsigned i = 0; i < n_items; i++) {
		uint16_t type = cursor_le16(&in), size = cursor_le16(&in);
		struct cursor item = cursor_sub(&in, size);

		if (cursor_bad(&in) || !take_item(ctx, command, type, item))
			return;
	}
}

/* 'in': what follows the header, maybe more than the body. */
static void
take_message(struct shrike_ctx *ctx, const struct message *m, struct cursor in)
{
	const char *name = NAME_OF(command_names, m->command);

	if (name != NULL)
		shrike_emit_str(ctx, F_COMMAND, name);
	shrike_emit_int(ctx, F_STATUS, m->status);
	if (m->length > cursor_left(&in))
		return;
	cursor_limit(&in, m->length);
	if (m->command == COMMAND_LIST_IDENTITY && m->status == 0) {
		items(ctx, m->command, in, IDENTITY_ITEMS_MAX);
	} else if (m->command == COMMAND_SEND_RR_DATA || m->command == COMMAND_SEND_UNIT_DATA) {
		cursor_skip(&in, 6); /* interface, timeout */
		items(ctx, m->command, in, DATA_ITEMS_MAX);
	}
}

static enum shrike_verdict
messages(struct shrike_ctx *ctx, struct cursor *in)
{
	while (cursor_left(in) >= HEADER_BYTES) {
		struct cursor c = *in;
		struct message m = read_header(&c);

		if (NAME_OF(command_names, m.command) == NULL)
			return SHRIKE_DONE;
		if (HEADER_BYTES + (size_t)m.length > MESSAGE_MAX_BYTES) {
			shrike_add_tag(ctx, "enip:message-too-long");
			return SHRIKE_DONE;
		}
		if (m.length > cursor_left(&c))
			return SHRIKE_MORE;
		take_message(ctx, &m, c);
		cursor_skip(in, HEADER_BYTES + (size_t)m.length);
	}
	return SHRIKE_MORE;
}

/* Nothing but the size is checked of datagrams behind the first. */
static enum shrike_verdict
parse_datagram(struct shrike_ctx *ctx, struct cursor in)
{
	struct message m;

	if (cursor_left(&in) < HEADER_BYTES)
		return SHRIKE_MORE;
	m = read_header(&in);
	take_message(ctx, &m, in);
	return SHRIKE_MORE;
}

static enum shrike_verdict
parse_stream(struct shrike_ctx *ctx, struct cursor in)
{
	struct enip_state *state = shrike_state(ctx);
	struct shrike_buffer *buffer = &state->buffer[shrike_direction(ctx)];
	struct cursor joined;

	if (!shrike_join(ctx, buffer, in, MESSAGE_MAX_BYTES, &joined))
		return SHRIKE_DONE;
	if (messages(ctx, &joined) == SHRIKE_DONE)
		return SHRIKE_DONE;
	shrike_keep(ctx, buffer, joined);
	return SHRIKE_MORE;
}

static enum shrike_verdict
enip_parse(struct shrike_ctx *ctx, struct cursor in)
{
	if (!shrike_has_protocol(ctx, "enip")) {
		if (!is_enip(ctx, in))
			return SHRIKE_NOT_MINE;
		shrike_add_protocol(ctx, "enip");
	}
	return shrike_transport(ctx) == SHRIKE_UDP ? parse_datagram(ctx, in) : parse_stream(ctx, in);
}

static const struct shrike_parser enip = {
	.api = SHRIKE_API,
	.name = "enip",
	.match =
		(const struct shrike_match[]){
			{.transports = SHRIKE_TCP | SHRIKE_UDP, .port = EXPLICIT_PORT},
			{.transports = SHRIKE_UDP, .port = IMPLICIT_PORT},
			{0},
		},
	.fields = enip_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct enip_state),
	.parse = enip_parse,
};
SHRIKE_PARSER(enip);
