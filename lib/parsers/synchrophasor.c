/* Synchrophasor measurements of power grids (IEEE C37.118.2), over TCP and over UDP.
 *
 * Recorded are the kinds of frames and the devices they are of, commands, and of configurations the stations and how
 * often they measure. Measurements themselves are not looked at. A stream that lost its place goes on at the next byte
 * that may begin a frame. Each station and each channel name takes bytes of its frame, which bounds their number. */
#include "parser.h"

#include <rte_common.h>

enum { F_TYPE, F_IDCODE, F_COMMAND, F_STATION, F_DATA_RATE, F_N_STATIONS, N_FIELDS };

static const struct field synchrophasor_fields[N_FIELDS] = {
	[F_TYPE] = {"synchrophasor.frameType", "synchrophasor.frameType", "synchrophasor", "lotermfield", FIELD_STR_SET,
		    FIELD_COUNT | FIELD_TO_NUL, "Frame Type", "Kinds of frames", NULL},
	[F_IDCODE] = {"synchrophasor.idcode", "synchrophasor.idcode", "synchrophasor", "integer", FIELD_INT_SET,
		      FIELD_COUNT, "ID Code", "Numbers of the streams of data", NULL},
	[F_COMMAND] = {"synchrophasor.cmd", "synchrophasor.cmd", "synchrophasor", "integer", FIELD_INT_SET, FIELD_COUNT,
		       "Command", "Commands to a measurement unit", NULL},
	[F_STATION] = {"synchrophasor.station", "synchrophasor.station", "synchrophasor", "termfield", FIELD_STR_SET,
		       FIELD_COUNT | FIELD_TO_NUL, "Station Name", "Names of stations in configurations", NULL},
	[F_DATA_RATE] = {"synchrophasor.dataRate", "synchrophasor.dataRate", "synchrophasor", "integer", FIELD_INT_SET,
			 FIELD_COUNT, "Data Rate", "Rates of transmission, as sent, without their sign", NULL},
	[F_N_STATIONS] = {"synchrophasor.numPMU", "synchrophasor.numPMU", "synchrophasor", "integer", FIELD_INT_SET,
			  FIELD_COUNT, "Number of PMUs", "Measurement units that a configuration announces", NULL},
};

enum {
	SYNC = 0xaa,
	FRAME_MIN = 16,
	FRAME_MAX = 8192, /* of TCP */
	TIME_BYTES = 8,	  /* seconds and their fraction */
	VERSION_MASK = 0x0f,
	VERSION_MAX = 2,
	TYPE_SHIFT = 4,
	TYPE_MASK = 7,
	TYPE_MAX = 5,

	TYPE_CONFIGURATION_1 = 2,
	TYPE_CONFIGURATION_2 = 3,
	TYPE_COMMAND = 4,
	TYPE_CONFIGURATION_3 = 5,
	TIME_BASE_BYTES = 4,
	STATION_BYTES = 16,
	NAME_BYTES = 16,
	UNIT_BYTES = 4,	      /* of a channel of configurations 1 and 2: its factor */
	DIGITAL_NAMES = 16,   /* of a digital word: one a bit */
	GLOBAL_ID_BYTES = 16, /* from here on configuration 3 alone */
	CONTINUATION_BYTES = 2,
	PHASOR_SCALE_BYTES = 12,
	ANALOG_SCALE_BYTES = 8,
	DIGITAL_MASK_BYTES = 4,
	PLACE_BYTES = 21,      /* latitude, longitude, elevation, class, window, delay */
	STATION_END_BYTES = 4, /* nominal frequency, count of changes */
};

static const char *const type_names[] = {"data", "header", "cfg1", "cfg2", "command", "cfg3"};

struct synchrophasor {
	struct shrike_buffer buffer[2];
};

static bool
is_synchrophasor(const struct shrike_ctx *ctx, struct cursor in)
{
	size_t all = cursor_left(&in);
	uint8_t type;
	uint16_t size;

	cursor_skip(&in, 1);
	type = cursor_u8(&in);
	size = cursor_be16(&in);
	return all >= FRAME_MIN && (type & VERSION_MASK) >= 1 && (type & VERSION_MASK) <= VERSION_MAX &&
	       (type >> TYPE_SHIFT & TYPE_MASK) <= TYPE_MAX && size >= FRAME_MIN &&
	       (shrike_transport(ctx) == SHRIKE_TCP || size <= all);
}

/* Channels of a measurement unit. */
struct channels {
	size_t phasors, analogs, digitals;
};

static struct channels
read_channels(struct cursor *c)
{
	struct channels n;

	cursor_skip(c, 2); /* format */
	n.phasors = cursor_be16(c);
	n.analogs = cursor_be16(c);
	n.digitals = cursor_be16(c);
	return n;
}

/* False: there is no further station. */
static bool
station(struct shrike_ctx *ctx, struct cursor *c)
{
	struct channels n;
	const uint8_t *name;
	size_t size = STATION_BYTES;

	if (cursor_left(c) < STATION_BYTES)
		return false;
	name = cursor_take(c, STATION_BYTES);
	while (size > 0 && name[size - 1] == ' ')
		size--;
	if (size > 0)
		shrike_emit_bytes(ctx, F_STATION, name, size);
	cursor_skip(c, 2); /* its own idcode */
	n = read_channels(c);
	cursor_skip(c, (NAME_BYTES + UNIT_BYTES) * (n.phasors + n.analogs) +
			       (DIGITAL_NAMES * NAME_BYTES + UNIT_BYTES) * n.digitals);
	cursor_skip(c, STATION_END_BYTES);
	return true;
}

/* The same of configuration 3, where names have their length before them. */
static bool
station_of_3(struct shrike_ctx *ctx, struct cursor *c)
{
	struct channels n;
	struct cursor name;
	uint8_t size;

	if (cursor_left(c) < 1)
		return false;
	size = cursor_u8(c);
	if (cursor_left(c) < size)
		return false;
	name = cursor_sub(c, size);
	shrike_emit_rest(ctx, F_STATION, &name);
	cursor_skip(c, 2 + GLOBAL_ID_BYTES);
	n = read_channels(c);
	for (size_t names = n.phasors + n.analogs + DIGITAL_NAMES * n.digitals; names > 0 && !cursor_bad(c); names--)
		cursor_skip(c, cursor_u8(c));
	cursor_skip(c,
		    PHASOR_SCALE_BYTES * n.phasors + ANALOG_SCALE_BYTES * n.analogs + DIGITAL_MASK_BYTES * n.digitals);
	cursor_skip(c, PLACE_BYTES + STATION_END_BYTES);
	return true;
}

/* Where fewer stations are there than announced, the rate is read where they end, as the reference does. */
static void
configuration(struct shrike_ctx *ctx, struct cursor in, bool is_3)
{
	uint16_t n_stations, rate;

	cursor_skip(&in, is_3 ? CONTINUATION_BYTES + TIME_BASE_BYTES : TIME_BASE_BYTES);
	n_stations = cursor_be16(&in);
	if (cursor_bad(&in))
		return;
	shrike_emit_int(ctx, F_N_STATIONS, n_stations);
	for (unsigned i = 0; i < n_stations; i++)
		if (is_3 ? !station_of_3(ctx, &in) : !station(ctx, &in))
			break;
	rate = cursor_be16(&in);
	if (!cursor_bad(&in))
		shrike_emit_int(ctx, F_DATA_RATE, rate);
}

/* A whole frame, of FRAME_MIN bytes at least. */
static void
frame(struct shrike_ctx *ctx, struct cursor in)
{
	uint8_t type;

	cursor_skip(&in, 1);
	type = cursor_u8(&in) >> TYPE_SHIFT & TYPE_MASK;
	cursor_skip(&in, 2);
	if (type < RTE_DIM(type_names))
		shrike_emit_str(ctx, F_TYPE, type_names[type]);
	shrike_emit_int(ctx, F_IDCODE, cursor_be16(&in));
	cursor_skip(&in, TIME_BYTES);
	if (cursor_left(&in) <= 2) /* the checksum alone */
		return;
	if (type == TYPE_COMMAND)
		shrike_emit_int(ctx, F_COMMAND, cursor_be16(&in));
	else if (type == TYPE_CONFIGURATION_1 || type == TYPE_CONFIGURATION_2 || type == TYPE_CONFIGURATION_3)
		configuration(ctx, in, type == TYPE_CONFIGURATION_3);
}

static enum shrike_verdict
datagram(struct shrike_ctx *ctx, struct cursor in)
{
	struct cursor c = in;
	uint16_t size;

	if (cursor_left(&in) < FRAME_MIN || cursor_u8(&c) != SYNC)
		return SHRIKE_DONE;
	cursor_skip(&c, 1);
	size = cursor_be16(&c);
	if (size >= FRAME_MIN && size <= cursor_left(&in))
		frame(ctx, cursor_sub(&in, size));
	return SHRIKE_MORE;
}

/* False: nothing here begins a frame, or one is too long. */
static bool
frames(struct shrike_ctx *ctx, struct cursor *in)
{
	while (cursor_left(in) > 0) {
		struct cursor c;
		uint16_t size;

		while (cursor_left(in) > 0 && cursor_peek(in, 0) != SYNC)
			cursor_skip(in, 1);
		if (cursor_left(in) == 0)
			return false;
		c = *in;
		cursor_skip(&c, 2);
		size = cursor_be16(&c);
		if (cursor_bad(&c))
			return true;
		if (size > FRAME_MAX)
			return false;
		if (size < FRAME_MIN)
			cursor_skip(in, 1);
		else if (size > cursor_left(in))
			return true;
		else
			frame(ctx, cursor_sub(in, size));
	}
	return true;
}

static enum shrike_verdict
synchrophasor_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct synchrophasor *state = shrike_state(ctx);
	struct shrike_buffer *buffer = &state->buffer[shrike_direction(ctx)];
	struct cursor joined;

	if (!shrike_has_protocol(ctx, "synchrophasor")) {
		if (!is_synchrophasor(ctx, in))
			return SHRIKE_NOT_MINE;
		shrike_add_protocol(ctx, "synchrophasor");
	}
	if (shrike_transport(ctx) == SHRIKE_UDP)
		return datagram(ctx, in);
	if (!shrike_join(ctx, buffer, in, FRAME_MAX, &joined))
		return SHRIKE_DONE;
	if (!frames(ctx, &joined))
		return SHRIKE_DONE;
	shrike_keep(ctx, buffer, joined);
	return SHRIKE_MORE;
}

static const struct shrike_parser synchrophasor = {
	.api = SHRIKE_API,
	.name = "synchrophasor",
	.match =
		(const struct shrike_match[]){
			{.transports = SHRIKE_TCP | SHRIKE_UDP, SHRIKE_BYTES("\xaa"), .min_bytes = FRAME_MIN}, {0}},
	.fields = synchrophasor_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct synchrophasor),
	.parse = synchrophasor_parse,
};
SHRIKE_PARSER(synchrophasor);
