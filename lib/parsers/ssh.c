/* SSH (RFC 4253): version lines, HASSH of both sides' KEXINIT, and the host key.
 *
 * Each side sends a version line and then packets, in clear until the keys change. The line ends at its LF wherever
 * segments end, and what follows it is read as packets. Decoding ends with the host key (in the server's answer of the
 * key exchange) or with a length that cannot be. After that only the sizes of chunks are looked at, for a while: many
 * keystrokes in both directions of a session whose source never types are a shell that was opened the wrong way round
 * (tag "ssh-reverse-shell"). */
#include "base64.h"
#include "parser.h"
#include "text.h"

enum {
	BANNER_MAX = 4096, /* a line; RFC 4253 4.2: 255 */
	PACKET_MAX = 8192, /* a KEXINIT with every known algorithm is a third of it */
	PACKET_MIN = 2,
	LENGTH_BYTES = 4,
	MESSAGE_KEXINIT = 20,
	MESSAGE_KEX_REPLY = 33, /* of the group exchange; RFC 4419 5 */
	COOKIE_BYTES = 16,
	NAME_LISTS = 8,
	HASSH_MAX = PACKET_MAX,
	KEY_TEXT_MAX = (PACKET_MAX + 2) / 3 * 4,
	CHUNKS_COUNTED_FROM = 6,
	CHUNKS_COUNTED_TO = 16,
	KEYSTROKE_FROM = 50,
	KEYSTROKE_TO = 99,
};

/* The name lists of a KEXINIT, in order (RFC 4253 7.1). */
enum { LIST_KEX, LIST_HOST_KEY, LIST_ENCRYPTION, LIST_MAC = 4, LIST_COMPRESSION = 6 };

enum { F_VERSION, F_KEY, F_HASSH, F_HASSH_SERVER, N_FIELDS };

static const struct field ssh_fields[N_FIELDS] = {
	[F_VERSION] = {"ssh.version", "ssh.ver", "ssh", "lotermfield", FIELD_STR_SET, FIELD_COUNT, "Version",
		       "Version lines of both sides", NULL},
	[F_KEY] = {"ssh.key", "ssh.key", "ssh", "termfield", FIELD_STR_SET, FIELD_COUNT, "Key",
		   "Host key, as known_hosts files have it", NULL},
	[F_HASSH] = {"ssh.hassh", "ssh.hassh", "ssh", "lotermfield", FIELD_STR_SET, FIELD_COUNT, "HASSH",
		     "Digest of the algorithms that the session's source offers", NULL},
	[F_HASSH_SERVER] = {"ssh.hasshServer", "ssh.hasshServer", "ssh", "lotermfield", FIELD_STR_SET, FIELD_COUNT,
			    "HASSH Server", "Digest of the algorithms that the session's destination offers", NULL},
};

struct ssh_side {
	struct shrike_buffer buffer;
	bool has_banner;
	uint16_t chunks, small, keystrokes;
};

struct ssh_state {
	struct ssh_side side[2];
	bool is_decoded, is_judged;
};

static size_t
append(char *out, size_t used, const struct cursor *list, char separator)
{
	struct cursor c = *list;
	size_t size = cursor_left(&c);

	if (used + size + 1 > HASSH_MAX)
		return used;
	if (size > 0)
		memcpy(out + used, cursor_take(&c, size), size);
	used += size;
	if (separator != '\0')
		out[used++] = separator;
	return used;
}

/* HASSH: the digest of key exchange; encryption; MAC; compression, as the sender offers them for what it sends. */
static void
kexinit(struct shrike_ctx *ctx, struct cursor in)
{
	unsigned d = shrike_direction(ctx);
	struct cursor list[NAME_LISTS];
	char text[HASSH_MAX];
	uint8_t digest[32];
	size_t used = 0;

	cursor_skip(&in, COOKIE_BYTES);
	for (unsigned i = 0; i < NAME_LISTS; i++) {
		uint32_t size = cursor_be32(&in);

		list[i] = cursor_sub(&in, size);
	}
	if (cursor_bad(&in))
		return;
	used = append(text, used, &list[LIST_KEX], ';');
	used = append(text, used, &list[LIST_ENCRYPTION + d], ';');
	used = append(text, used, &list[LIST_MAC + d], ';');
	used = append(text, used, &list[LIST_COMPRESSION + d], '\0');
	if (shrike_digest_of(ctx, SHRIKE_MD5, text, used, digest) > 0)
		shrike_emit_hex(ctx, d == 0 ? F_HASSH : F_HASSH_SERVER, digest, 16);
}

static void
host_key(struct shrike_ctx *ctx, struct cursor in)
{
	uint32_t size = cursor_be32(&in);
	const uint8_t *key = cursor_take(&in, size);
	char text[KEY_TEXT_MAX];

	if (key != NULL && size <= PACKET_MAX)
		shrike_emit_bytes(ctx, F_KEY, text, (size_t)(base64_put(text, key, size, false) - text));
}

/* False: this was the last packet that anybody reads. */
static bool
packet(struct shrike_ctx *ctx, struct cursor in)
{
	uint8_t code;

	cursor_skip(&in, 1); /* length of the padding */
	code = cursor_u8(&in);
	if (code == MESSAGE_KEXINIT)
		kexinit(ctx, in);
	if (code != MESSAGE_KEX_REPLY)
		return true;
	host_key(ctx, in);
	return false;
}

static void
version(struct shrike_ctx *ctx, struct cursor line)
{
	size_t size = cursor_left(&line);
	const char *text = (const char *)cursor_take(&line, size);

	if (size > 0 && text[size - 1] == '\r')
		size--;
	shrike_emit_lower(ctx, F_VERSION, text, size);
}

/* A server may say other lines before (RFC 4253 4.2). False: there is no whole version line yet. */
static bool
banner(struct shrike_ctx *ctx, struct cursor *in)
{
	for (;;) {
		struct cursor c = *in, line = cursor_until(&c, '\n');

		if (cursor_bad(&c))
			return false;
		*in = c;
		if (text_starts_nocase(&line, "SSH")) {
			version(ctx, line);
			return true;
		}
	}
}

/* False: nothing more can be decoded. */
static bool
packets(struct shrike_ctx *ctx, struct cursor *in)
{
	while (cursor_left(in) >= LENGTH_BYTES) {
		struct cursor c = *in, body;
		uint32_t size = cursor_be32(&c);

		if (size < PACKET_MIN || size > PACKET_MAX)
			return false;
		body = cursor_sub(&c, size);
		if (cursor_bad(&c))
			return true;
		*in = c;
		if (!packet(ctx, body))
			return false;
	}
	return true;
}

static void
stop_decoding(struct shrike_ctx *ctx, struct ssh_state *state)
{
	state->is_decoded = true;
	for (unsigned i = 0; i < 2; i++)
		shrike_buffer_free(ctx, &state->side[i].buffer);
}

static void
decode(struct shrike_ctx *ctx, struct ssh_state *state, struct cursor in)
{
	struct ssh_side *side = &state->side[shrike_direction(ctx)];
	struct cursor joined;

	if (!shrike_join(ctx, &side->buffer, in, SHRIKE_ALLOC_MAX, &joined)) {
		stop_decoding(ctx, state);
		return;
	}
	if (!side->has_banner)
		side->has_banner = banner(ctx, &joined);
	if (!side->has_banner ? cursor_left(&joined) > BANNER_MAX : !packets(ctx, &joined))
		stop_decoding(ctx, state);
	else
		shrike_keep(ctx, &side->buffer, joined);
}

/* Sizes of a direction's 6th to 16th chunk: small ones are acknowledgements, larger ones echoed keystrokes. */
static void
count_chunk(struct shrike_ctx *ctx, struct ssh_state *state, size_t size)
{
	struct ssh_side *side = &state->side[shrike_direction(ctx)];

	side->chunks++;
	if (side->chunks >= CHUNKS_COUNTED_FROM && side->chunks <= CHUNKS_COUNTED_TO) {
		side->small += size < KEYSTROKE_FROM;
		side->keystrokes += size >= KEYSTROKE_FROM && size <= KEYSTROKE_TO;
	}
	if (side->chunks < CHUNKS_COUNTED_TO)
		return;
	state->is_judged = true;
	if (state->side[0].keystrokes > state->side[0].small && state->side[1].keystrokes > state->side[1].small)
		shrike_add_tag(ctx, "ssh-reverse-shell");
}

static enum shrike_verdict
ssh_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct ssh_state *state = shrike_state(ctx);

	if (state->side[0].chunks + state->side[1].chunks == 0)
		shrike_add_protocol(ctx, "ssh");
	if (!state->is_decoded)
		decode(ctx, state, in);
	if (!state->is_judged)
		count_chunk(ctx, state, cursor_left(&in));
	return state->is_decoded && state->is_judged ? SHRIKE_DONE : SHRIKE_MORE;
}

static const struct shrike_parser ssh = {
	.api = SHRIKE_API,
	.name = "ssh",
	.match = (const struct shrike_match[]){{.transports = SHRIKE_TCP, SHRIKE_BYTES("SSH")}, {0}},
	.fields = ssh_fields,
	.n_fields = N_FIELDS,
	.state_bytes = sizeof(struct ssh_state),
	.parse = ssh_parse,
};
SHRIKE_PARSER(ssh);
