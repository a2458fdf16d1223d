/* ADB, the Android Debug Bridge (protocol.txt, SERVICES.TXT, SYNC.TXT, shell_service.h of Android's
 * packages/modules/adb): who connects to what, which services are opened, files that are copied, how a shell ends.
 *
 * Device and host exchange messages of 24 bytes of header (LE) and a payload. A client asks its own host's server with
 * texts that have their length of four hex digits before them; which of both it is, each direction shows by itself, on
 * any port. When both sides said STLS, TLS follows and is parsed as such.
 *
 * At most BUFFER_MAX_BYTES of a direction wait for more, a message; those of more than PAYLOAD_MAX_BYTES are lost.
 * What is no message empties the direction's buffer, and the next chunk may begin with one again: payloads that are
 * too long are passed over like this. */
#include "parser.h"
#include "text.h"

enum {
	PORT_SERVER = 5037,
	PORT_DEVICE = 5555,
	HEADER_BYTES = 24,
	BUFFER_MAX_BYTES = 8192,
	PAYLOAD_MAX_BYTES = BUFFER_MAX_BYTES - HEADER_BYTES,
	HEX_BYTES = 4,
	REQUEST_MAX_BYTES = 4096,
	BANNER_MAX_BYTES = 1023,
	SERVICE_TEXT_MAX_BYTES = 511,
	SERVICE_MAX_BYTES = 63,
	FORWARD_MAX_BYTES = 511,
	PATH_MAX_BYTES = 1023,
	PATH_LENGTH_END = 4096, /* paths as long as this are passed over */
	FAIL_LENGTH_END = 256,	/* and texts of FAIL are not even that */
	SYNC_HEADER_BYTES = 8,
	SHELL_HEADER_BYTES = 5,
	SHELL_EXIT = 3,
};

/* Four letters as they stand in a message. */
#define WORD(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
#define CNXN		 WORD('C', 'N', 'X', 'N')
#define AUTH		 WORD('A', 'U', 'T', 'H')
#define OPEN		 WORD('O', 'P', 'E', 'N')
#define OKAY		 WORD('O', 'K', 'A', 'Y')
#define WRTE		 WORD('W', 'R', 'T', 'E')
#define STLS		 WORD('S', 'T', 'L', 'S')
#define SYNC		 WORD('S', 'Y', 'N', 'C')
#define CLSE		 WORD('C', 'L', 'S', 'E')
#define DATA		 WORD('D', 'A', 'T', 'A')
#define FAIL		 WORD('F', 'A', 'I', 'L')

enum {
	F_VERSION,
	F_SERIAL,
	F_SYSTEM,
	F_COMMAND,
	F_SERVICE,
	F_MAX_PAYLOAD,
	F_AUTH,
	F_STREAM,
	F_OPERATION,
	F_PATH,
	F_EXIT,
	F_LOCAL,
	F_REMOTE,
	F_DIRECTION,
	N_FIELDS
};

#define ROW(name, kind, friendly, help)                                                                                \
	{                                                                                                              \
		name, name, "adb", kind, FIELD_STR_SET, FIELD_COUNT, friendly, help, NULL                              \
	}

static const struct field adb_fields[N_FIELDS] = {
	[F_VERSION] = ROW("adb.version", "termfield", "Version", "Versions of the protocol that the sides offer"),
	[F_SERIAL] = ROW("adb.serial", "lotermfield", "Serial", "Serial numbers of devices"),
	[F_SYSTEM] = ROW("adb.systemtype", "lotermfield", "System Type", "What the sides are: host, device, ..."),
	[F_COMMAND] = ROW("adb.command", "lotermfield", "Command", "Commands of messages"),
	[F_SERVICE] = ROW("adb.service", "lotermfield", "Service", "Services that are asked for"),
	[F_MAX_PAYLOAD] = ROW("adb.maxpayload", "termfield", "Max Payload", "Longest payloads that the sides accept"),
	[F_AUTH] = ROW("adb.authtype", "lotermfield", "Auth Type", "Steps of authentication"),
	[F_STREAM] = ROW("adb.streamid", "termfield", "Stream ID", "Streams opened, and pairs of those accepted"),
	[F_OPERATION] = ROW("adb.sync.operation", "lotermfield", "Sync Operation", "Requests and answers about files"),
	[F_PATH] = ROW("adb.sync.path", "lotermfield", "Sync Path", "Paths of files that are asked for or copied"),
	[F_EXIT] = ROW("adb.shell.exitcode", "termfield", "Shell Exit Code", "Exit codes of shells"),
	[F_LOCAL] = ROW("adb.forward.local", "lotermfield", "Forward Local", "Where forwarded connections arrive"),
	[F_REMOTE] = ROW("adb.forward.remote", "lotermfield", "Forward Remote", "Where forwarded connections go"),
	[F_DIRECTION] = ROW("adb.forward.direction", "lotermfield", "Forward Direction", "Which way: forward, reverse"),
};

struct adb_side {
	struct shrike_buffer buffer;
	bool is_hex; /* texts with lengths in hex digits, no messages */
	bool has_tls;
};

struct adb {
	bool is_adb;
	bool is_sync, is_shell; /* WRTE carries these, of whatever stream */
	struct adb_side side[2];
};

struct header {
	uint32_t command, arg0, arg1, length;
};

/* ---- Texts */

/* How many bytes come before the first 'a' or 'b'; all of them when there is none. */
static size_t
span(const struct cursor *text, char a, char b)
{
	size_t size = 0;

	while (size < cursor_left(text) && cursor_peek(text, size) != (uint8_t)a &&
	       cursor_peek(text, size) != (uint8_t)b)
		size++;
	return size;
}

static struct cursor
to_nul(struct cursor text, size_t max)
{
	cursor_limit(&text, max);
	cursor_limit(&text, span(&text, '\0', '\0'));
	return text;
}

static void
emit_max(struct shrike_ctx *ctx, unsigned field, struct cursor text, size_t max)
{
	cursor_limit(&text, max);
	shrike_emit_rest(ctx, field, &text);
}

/* "forward:LOCAL;REMOTE", the same behind "reverse:", or another request about those ("reverse:list-forward"). */
static void
forward(struct shrike_ctx *ctx, struct cursor text)
{
	struct cursor local;
	bool is_reverse = text_starts(&text, "reverse:");
	size_t size;

	shrike_emit_str(ctx, F_DIRECTION, is_reverse ? "reverse" : "forward");
	if (is_reverse)
		cursor_skip(&text, sizeof("reverse:") - 1);
	if (!text_starts(&text, "forward:"))
		return;
	cursor_skip(&text, sizeof("forward:") - 1);
	size = span(&text, ';', ';');
	if (size == cursor_left(&text))
		return;
	local = cursor_sub(&text, size);
	cursor_skip(&text, 1);
	emit_max(ctx, F_LOCAL, local, FORWARD_MAX_BYTES);
	emit_max(ctx, F_REMOTE, text, FORWARD_MAX_BYTES);
}

/* The service's name, up to 'a' or 'b'. */
static void
service(struct shrike_ctx *ctx, struct cursor text, char a, char b)
{
	size_t size = span(&text, a, b);

	if (size > 0 && size < cursor_left(&text))
		cursor_limit(&text, size < SERVICE_MAX_BYTES ? size : SERVICE_MAX_BYTES);
	size = cursor_left(&text);
	shrike_emit_lower(ctx, F_SERVICE, cursor_take(&text, size), size);
}

/* ---- Payloads */

/* "device:SERIAL:properties" */
static void
banner(struct shrike_ctx *ctx, struct cursor text)
{
	struct cursor type, serial;

	text = to_nul(text, BANNER_MAX_BYTES);
	type = cursor_until(&text, ':');
	if (cursor_bad(&text))
		return;
	shrike_emit_lower(ctx, F_SYSTEM, type.p, cursor_left(&type));
	serial = cursor_until(&text, ':');
	if (cursor_left(&serial) > 0)
		shrike_emit_rest(ctx, F_SERIAL, &serial);
}

static bool
is_shell_v2(struct cursor text)
{
	static const char *const prefixes[] = {"shell,v2:", "shell,v2,", "shell,V2:", "shell,V2,"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (text_starts(&text, prefixes[i]))
			return true;
	return false;
}

static void
stream_open(struct shrike_ctx *ctx, struct adb *s, struct cursor text)
{
	text = to_nul(text, SERVICE_TEXT_MAX_BYTES);
	if (text_starts(&text, "sync:")) {
		s->is_sync = true;
		shrike_add_tag(ctx, "adb:sync");
	} else if (is_shell_v2(text)) {
		s->is_shell = true;
		shrike_add_tag(ctx, "adb:shell-v2");
	} else if (text_starts(&text, "forward:") || text_starts(&text, "reverse:")) {
		forward(ctx, text);
	}
	service(ctx, text, ':', ',');
}

static void
authentication(struct shrike_ctx *ctx, uint32_t type)
{
	static const char *const names[] = {[1] = "token", [2] = "signature", [3] = "rsapublickey"};
	bool is_known = type >= 1 && type < sizeof(names) / sizeof(names[0]);

	shrike_emit_str(ctx, F_AUTH, is_known ? names[type] : "unknown");
}

enum sync_rest { SYNC_NOTHING, SYNC_BYTES, SYNC_PATH, SYNC_TEXT };

static const struct {
	uint32_t id;
	const char *name;
	enum sync_rest rest; /* what follows, as long as the record says */
} sync_operations[] = {
	{WORD('S', 'T', 'A', 'T'), "STAT", SYNC_PATH},
	{WORD('L', 'I', 'S', 'T'), "LIST", SYNC_PATH},
	{WORD('S', 'E', 'N', 'D'), "SEND", SYNC_PATH},
	{WORD('R', 'E', 'C', 'V'), "RECV", SYNC_PATH},
	{DATA, "DATA", SYNC_BYTES},
	{WORD('D', 'O', 'N', 'E'), "DONE", SYNC_NOTHING},
	{OKAY, "OKAY", SYNC_NOTHING},
	{FAIL, "FAIL", SYNC_TEXT},
	{WORD('D', 'E', 'N', 'T'), "DENT", SYNC_NOTHING},
	{WORD('Q', 'U', 'I', 'T'), "QUIT", SYNC_NOTHING},
};

/* SEND has the file's mode behind a comma. */
static void
sync_path(struct shrike_ctx *ctx, struct cursor path)
{
	if (cursor_left(&path) >= PATH_LENGTH_END)
		return;
	cursor_limit(&path, span(&path, ',', ','));
	emit_max(ctx, F_PATH, path, PATH_MAX_BYTES);
}

/* What follows the record of 8 bytes off 'in'; beyond its end, 'in' is bad. */
static void
sync_record(struct shrike_ctx *ctx, struct cursor *in, enum sync_rest rest, uint32_t length)
{
	struct cursor bytes;

	if (rest == SYNC_NOTHING || (rest == SYNC_TEXT && length >= FAIL_LENGTH_END))
		return;
	bytes = cursor_sub(in, length);
	if (rest == SYNC_PATH && !cursor_bad(in))
		sync_path(ctx, bytes);
}

static void
sync_records(struct shrike_ctx *ctx, struct cursor in)
{
	while (cursor_left(&in) >= SYNC_HEADER_BYTES) {
		uint32_t id = cursor_le32(&in), length = cursor_le32(&in);

		for (size_t i = 0; i < sizeof(sync_operations) / sizeof(sync_operations[0]); i++)
			if (sync_operations[i].id == id) {
				shrike_emit_str(ctx, F_OPERATION, sync_operations[i].name);
				sync_record(ctx, &in, sync_operations[i].rest, length);
				break;
			}
	}
}

static void
shell_records(struct shrike_ctx *ctx, struct cursor in)
{
	while (cursor_left(&in) >= SHELL_HEADER_BYTES) {
		uint8_t id = cursor_u8(&in);
		uint32_t length = cursor_le32(&in);
		struct cursor bytes = cursor_sub(&in, length);

		if (id == SHELL_EXIT && cursor_left(&bytes) > 0)
			shrike_emit_format(ctx, F_EXIT, "%u", cursor_u8(&bytes));
	}
}

/* ---- Messages */

static void
command(struct shrike_ctx *ctx, uint32_t id)
{
	static const struct {
		uint32_t id;
		const char *name;
	} names[] = {{SYNC, "sync"}, {CNXN, "cnxn"}, {OPEN, "open"}, {OKAY, "okay"},
		     {CLSE, "clse"}, {WRTE, "wrte"}, {AUTH, "auth"}, {STLS, "stls"}};
	const char *name = "unknown";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].id == id)
			name = names[i].name;
	shrike_emit_str(ctx, F_COMMAND, name);
}

static void
start_tls(struct shrike_ctx *ctx, struct adb *s)
{
	s->side[shrike_direction(ctx)].has_tls = true;
	shrike_add_tag(ctx, "adb:tls");
	if (s->side[0].has_tls && s->side[1].has_tls)
		shrike_add_tag(ctx, "adb:tls-encrypted");
}

static void
message(struct shrike_ctx *ctx, struct adb *s, const struct header *h, struct cursor payload)
{
	command(ctx, h->command);
	switch (h->command) {
	case CNXN:
		shrike_emit_format(ctx, F_VERSION, "0x%08x", h->arg0);
		shrike_emit_format(ctx, F_MAX_PAYLOAD, "%u", h->arg1);
		banner(ctx, payload);
		break;
	case OPEN:
		shrike_emit_format(ctx, F_STREAM, "%u", h->arg0);
		stream_open(ctx, s, payload);
		break;
	case AUTH:
		authentication(ctx, h->arg0);
		break;
	case STLS:
		start_tls(ctx, s);
		break;
	case OKAY:
		shrike_emit_format(ctx, F_STREAM, "%u-%u", h->arg0, h->arg1);
		break;
	case WRTE:
		if (s->is_sync)
			sync_records(ctx, payload);
		if (s->is_shell)
			shell_records(ctx, payload);
		break;
	default:
		break;
	}
}

/* False: this is no header. The checksum is not looked at, newer versions leave it 0. */
static bool
read_header(struct cursor *c, struct header *h)
{
	uint32_t magic;

	h->command = cursor_le32(c);
	h->arg0 = cursor_le32(c);
	h->arg1 = cursor_le32(c);
	h->length = cursor_le32(c);
	cursor_skip(c, 4);
	magic = cursor_le32(c);
	return !cursor_bad(c) && magic == ~h->command;
}

/* What is left in 'in' is kept. */
static void
messages(struct shrike_ctx *ctx, struct adb *s, struct cursor *in)
{
	while (cursor_left(in) >= HEADER_BYTES) {
		struct cursor c = *in, payload;
		struct header h;

		if (!read_header(&c, &h) || h.length > PAYLOAD_MAX_BYTES) {
			*in = cursor_make("", 0);
			return;
		}
		payload = cursor_sub(&c, h.length);
		if (cursor_bad(&c))
			return;
		*in = c;
		message(ctx, s, &h, payload);
	}
}

/* ---- Texts with lengths in hex */

/* False: these are no four hex digits. */
static bool
read_hex(struct cursor *c, uint32_t *length)
{
	*length = 0;
	for (unsigned i = 0; i < HEX_BYTES; i++) {
		uint8_t byte = cursor_u8(c), lower = byte | 0x20;

		if (byte >= '0' && byte <= '9')
			*length = *length << 4 | (byte - '0');
		else if (lower >= 'a' && lower <= 'f')
			*length = *length << 4 | (lower - 'a' + 10u);
		else
			return false;
	}
	return true;
}

/* What is forwarded begins at the first "forward:", wherever it is, as the reference has it: this hides "reverse:". */
static void
request(struct shrike_ctx *ctx, struct cursor text)
{
	struct cursor from;
	ptrdiff_t place;

	text = to_nul(text, SERVICE_TEXT_MAX_BYTES);
	service(ctx, text, ':', ':');
	from = text;
	if (text_starts(&from, "host:"))
		cursor_skip(&from, sizeof("host:") - 1);
	if (!text_starts(&from, "forward:") && !text_starts(&from, "reverse:"))
		return;
	place = text_find(text.p, cursor_left(&text), "forward:");
	if (place < 0)
		place = text_find(text.p, cursor_left(&text), "reverse:");
	if (place < 0)
		return;
	cursor_skip(&text, (size_t)place);
	forward(ctx, text);
}

/* What is left in 'in' is kept. Other bytes than hex digits end it, and are read with the next chunk, as messages. */
static void
requests(struct shrike_ctx *ctx, struct adb_side *side, struct cursor *in)
{
	while (cursor_left(in) >= HEX_BYTES) {
		struct cursor c = *in, text;
		uint32_t length;

		if (!read_hex(&c, &length)) {
			side->is_hex = false;
			return;
		}
		if (length > REQUEST_MAX_BYTES) {
			side->is_hex = false;
			*in = cursor_make("", 0);
			return;
		}
		text = cursor_sub(&c, length);
		if (cursor_bad(&c))
			return;
		*in = c;
		request(ctx, text);
	}
}

/* ---- The stream */

static bool
is_port(const struct shrike_ctx *ctx, uint16_t port)
{
	return shrike_port(ctx, 0) == port || shrike_port(ctx, 1) == port;
}

static bool
is_adb(struct shrike_ctx *ctx, struct cursor in)
{
	struct cursor c = in;
	struct header h;
	uint32_t length;

	if (is_port(ctx, PORT_SERVER) && read_hex(&c, &length) && length >= 1 && length <= REQUEST_MAX_BYTES)
		return true;
	if (!read_header(&in, &h))
		return false;
	switch (h.command) {
	case CNXN:
	case AUTH:
		return true;
	case SYNC:
	case OPEN:
	case OKAY:
	case CLSE:
	case WRTE:
	case STLS:
		return is_port(ctx, PORT_DEVICE);
	default:
		return false;
	}
}

static enum shrike_verdict
adb_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct adb *s = shrike_state(ctx);
	struct adb_side *side = &s->side[shrike_direction(ctx)];
	struct cursor joined, c = in;
	uint32_t length;

	if (!s->is_adb) {
		if (!is_adb(ctx, in) || shrike_has_protocol(ctx, "adb"))
			return SHRIKE_NOT_MINE;
		s->is_adb = true;
		shrike_add_protocol(ctx, "adb");
	}
	if (s->side[0].has_tls && s->side[1].has_tls) {
		shrike_reclassify(ctx, in);
		return SHRIKE_DONE;
	}
	if (side->buffer.used == 0 && read_hex(&c, &length))
		side->is_hex = true;
	if (!shrike_join(ctx, &side->buffer, in, BUFFER_MAX_BYTES, &joined))
		return SHRIKE_DONE;
	if (side->is_hex)
		requests(ctx, side, &joined);
	else
		messages(ctx, s, &joined);
	shrike_keep(ctx, &side->buffer, joined);
	return SHRIKE_MORE;
}

static const struct shrike_match adb_match[] = {
	{.transports = SHRIKE_TCP, .port = PORT_SERVER},
	{.transports = SHRIKE_TCP, .port = PORT_DEVICE},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("CNXN")},
	{.transports = SHRIKE_TCP, SHRIKE_BYTES("AUTH")},
	{0},
};

static const struct shrike_parser adb = {
	.api = SHRIKE_API,
	.name = "adb",
	.match = adb_match,
	.fields = adb_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct adb),
	.parse = adb_parse,
};
SHRIKE_PARSER(adb);
