/* LDAP (RFC 4511), over TCP and over UDP: who binds, and how.
 *
 * Messages are read by their lengths; only binds and the request to start TLS are looked into, everything else is
 * passed over without being kept. Of a message that is longer than MESSAGE_MAX_BYTES the beginning is read. A direction
 * ends at what is no message, which is also how a security layer (SASL) looks from outside. */

#include "ber.h"
#include "parser.h"

enum { F_AUTHTYPE, F_BINDNAME, N_FIELDS };

static const struct field ldap_fields[N_FIELDS] = {
	[F_AUTHTYPE] = {"ldap.authtype", "ldap.authtype", "ldap", "termfield", FIELD_STR_SET, FIELD_COUNT, "Auth Type",
			"Ways to authenticate in bind requests", NULL},
	[F_BINDNAME] = {"ldap.bindname", "ldap.bindname", "ldap", "termfield", FIELD_STR_SET, FIELD_COUNT, "Bind Name",
			"Names in bind requests; <ROOT> for none", NULL},
};

enum { CALL_NTLM };
static const char *const ldap_calls[] = {[CALL_NTLM] = "ntlm", NULL};

enum {
	MESSAGE_MAX_BYTES = 16384,
	MESSAGE_MIN_BYTES = 6,
	ID_MAX_BYTES = 8,
	TAG_MASK = 0x1f,
	CLASS_MASK = 0xc0,
	CLASS_APPLICATION = 0x40,
	CONSTRUCTED = 0x20,
	OPERATION_MAX = 25,
	BIND_REQUEST = 0,
	BIND_RESPONSE = 1,
	EXTENDED_REQUEST = 23,
	AUTH_SIMPLE = 0,
	AUTH_SASL = 3,
	AUTH_NTLM_NEGOTIATE = 10,
	AUTH_NTLM_AUTH = 11,
	SERVER_CREDENTIALS = 7,
};

static const char starttls_oid[] = "1.3.6.1.4.1.1466.20037"; /* RFC 4511 4.14.1 */

struct ldap_side {
	struct shrike_buffer buffer;
	bool is_closed;
	bool may_be_tls; /* TLS was asked for: the next byte is its first, or the server refused */
};

struct ldap {
	bool is_ldap;
	struct ldap_side side[2];
};

/* The beginning of a message: its size in all, and the identifier of its operation. */
static enum ber_header
read_message(struct cursor c, uint64_t *size, uint8_t *operation)
{
	size_t all = cursor_left(&c);
	uint32_t length, id_length;
	uint8_t outer, id;
	enum ber_header result = ber_header(&c, &outer, &length);

	if (result != BER_HEADER_OK)
		return result;
	*size = all - cursor_left(&c) + (uint64_t)length;
	result = ber_header(&c, &id, &id_length);
	if (result != BER_HEADER_OK)
		return result;
	if ((outer & CONSTRUCTED) == 0 || id != BER_INTEGER || id_length > ID_MAX_BYTES)
		return BER_HEADER_BAD;
	cursor_skip(&c, id_length);
	*operation = cursor_u8(&c);
	if (cursor_bad(&c))
		return BER_HEADER_MORE;
	return (*operation & TAG_MASK) <= OPERATION_MAX ? BER_HEADER_OK : BER_HEADER_BAD;
}

static void
bind_sasl(struct shrike_ctx *ctx, struct cursor c)
{
	struct ber_element mechanism, credentials;

	if (ber_next(&c, &mechanism) && ber_next(&c, &credentials) && mechanism.tag == BER_OCTET_STRING &&
	    credentials.tag == BER_OCTET_STRING)
		(void)shrike_call(ctx, CALL_NTLM, credentials.value, NULL);
}

static void
bind_authentication(struct shrike_ctx *ctx, const struct ber_element *auth)
{
	switch (auth->tag) {
	case AUTH_SIMPLE:
		shrike_emit_str(ctx, F_AUTHTYPE, cursor_left(&auth->value) == 0 ? "none" : "simple");
		return;
	case AUTH_SASL:
		shrike_emit_str(ctx, F_AUTHTYPE, "sasl");
		bind_sasl(ctx, auth->value);
		return;
	case AUTH_NTLM_NEGOTIATE: /* MS-ADTS 5.1.1.1.3, as the next one */
		shrike_emit_str(ctx, F_AUTHTYPE, "ntlmsspNegotiate");
		(void)shrike_call(ctx, CALL_NTLM, auth->value, NULL);
		return;
	case AUTH_NTLM_AUTH:
		shrike_emit_str(ctx, F_AUTHTYPE, "ntlmsspAuth");
		(void)shrike_call(ctx, CALL_NTLM, auth->value, NULL);
		return;
	default:
		shrike_emit_format(ctx, F_AUTHTYPE, "%u", auth->tag);
		return;
	}
}

/* RFC 4511 4.2: version, name, authentication. */
static void
bind_request(struct shrike_ctx *ctx, struct cursor c)
{
	struct ber_element version, name, auth;
	struct cursor text;

	if (!ber_next(&c, &version) || !ber_next(&c, &name))
		return;
	text = ber_string(&name);
	if (cursor_left(&text) > 0)
		shrike_emit_rest(ctx, F_BINDNAME, &text);
	else
		shrike_emit_str(ctx, F_BINDNAME, "<ROOT>");
	if (ber_next(&c, &auth))
		bind_authentication(ctx, &auth);
}

/* RFC 4511 4.2.2: code, matched name (where the server's NTLM message is), text, and perhaps the server's credentials.
 */
static void
bind_response(struct shrike_ctx *ctx, struct cursor c)
{
	struct ber_element code, name, text, further;

	if (!ber_next(&c, &code) || !ber_next(&c, &name))
		return;
	(void)shrike_call(ctx, CALL_NTLM, name.value, NULL);
	if (!ber_next(&c, &text))
		return;
	while (ber_next(&c, &further))
		if (further.tag == SERVER_CREDENTIALS) {
			(void)shrike_call(ctx, CALL_NTLM, further.value, NULL);
			return;
		}
}

static bool
is_starttls(struct cursor c)
{
	struct ber_element name;

	return ber_next(&c, &name) && cursor_left(&name.value) == sizeof(starttls_oid) - 1 &&
	       memcmp(name.value.p, starttls_oid, sizeof(starttls_oid) - 1) == 0;
}

/* What is cut off at its end is read as far as it goes. */
static void
message(struct shrike_ctx *ctx, struct ldap_side *side, struct cursor bytes)
{
	struct ber_element outer, id, operation;

	if (!ber_next(&bytes, &outer) || !ber_next(&outer.value, &id) || !ber_next(&outer.value, &operation) ||
	    !operation.constructed)
		return;
	if (operation.tag == BIND_REQUEST)
		bind_request(ctx, operation.value);
	else if (operation.tag == BIND_RESPONSE)
		bind_response(ctx, operation.value);
	else if (operation.tag == EXTENDED_REQUEST && is_starttls(operation.value))
		side->may_be_tls = true;
}

static bool
is_wanted(uint8_t operation)
{
	uint8_t tag = operation & TAG_MASK;

	return tag == BIND_REQUEST || tag == BIND_RESPONSE || tag == EXTENDED_REQUEST;
}

/* The next message off 'in'. BER_HEADER_MORE: it is not all there, and it is wanted. */
static enum ber_header
next_message(struct shrike_ctx *ctx, struct ldap_side *side, struct cursor *in)
{
	uint64_t size, have = cursor_left(in);
	uint8_t operation;
	enum ber_header result = read_message(*in, &size, &operation);

	if (result != BER_HEADER_OK)
		return result;
	if (is_wanted(operation)) {
		uint64_t need = size < MESSAGE_MAX_BYTES ? size : MESSAGE_MAX_BYTES;
		struct cursor bytes = *in;

		if (have < need)
			return BER_HEADER_MORE;
		cursor_limit(&bytes, (size_t)need);
		message(ctx, side, bytes);
	}
	cursor_skip(in, (size_t)(size < have ? size : have));
	if (size > have)
		shrike_skip_next(&side->buffer, size - have);
	return BER_HEADER_OK;
}

/* False: TLS begins. */
static bool
messages(struct shrike_ctx *ctx, struct ldap_side *side, struct cursor in)
{
	while (cursor_left(&in) > 0) {
		enum ber_header result;

		if (side->may_be_tls && cursor_peek(&in, 0) != (CONSTRUCTED | BER_SEQUENCE)) {
			shrike_reclassify(ctx, in);
			return false;
		}
		side->may_be_tls = false;
		result = next_message(ctx, side, &in);
		if (result == BER_HEADER_BAD)
			side->is_closed = true;
		if (result != BER_HEADER_OK)
			break;
	}
	if (side->is_closed)
		shrike_buffer_free(ctx, &side->buffer);
	else
		shrike_keep(ctx, &side->buffer, in);
	return true;
}

/* A first message is a sequence with an operation of LDAP that is constructed. */
static enum ber_header
looks(const struct cursor *first)
{
	uint64_t size;
	uint8_t operation;
	enum ber_header result = read_message(*first, &size, &operation);

	if (result != BER_HEADER_OK)
		return result;
	return (operation & (CLASS_MASK | CONSTRUCTED)) == (CLASS_APPLICATION | CONSTRUCTED) ? BER_HEADER_OK
											     : BER_HEADER_BAD;
}

/* Every datagram begins with a message (RFC 1798). */
static enum shrike_verdict
datagram(struct shrike_ctx *ctx, struct ldap_side *side, struct cursor in)
{
	while (cursor_left(&in) > 0 && next_message(ctx, side, &in) == BER_HEADER_OK)
		;
	side->buffer.skip = 0;
	return SHRIKE_MORE;
}

static enum shrike_verdict
ldap_parse(struct shrike_ctx *ctx, struct cursor in)
{
	struct ldap *s = shrike_state(ctx);
	struct ldap_side *side = &s->side[shrike_direction(ctx)];
	bool is_stream = shrike_transport(ctx) == SHRIKE_TCP;
	struct cursor joined = in;

	if (side->is_closed)
		return SHRIKE_MORE;
	if (is_stream && !shrike_join(ctx, &side->buffer, in, MESSAGE_MAX_BYTES, &joined))
		return SHRIKE_DONE;
	if (!s->is_ldap) {
		enum ber_header result = looks(&joined);

		if (result == BER_HEADER_BAD || (result == BER_HEADER_MORE && !is_stream))
			return SHRIKE_NOT_MINE;
		if (result == BER_HEADER_MORE) {
			shrike_keep(ctx, &side->buffer, joined);
			return SHRIKE_MORE;
		}
		s->is_ldap = true;
		shrike_add_protocol(ctx, "ldap");
	}
	if (!is_stream)
		return datagram(ctx, side, in);
	if (!messages(ctx, side, joined))
		return SHRIKE_DONE;
	return s->side[0].is_closed && s->side[1].is_closed ? SHRIKE_DONE : SHRIKE_MORE;
}

/* The last message may have lost its end. */
static void
ldap_save(struct shrike_ctx *ctx, bool is_final)
{
	struct ldap *s = shrike_state(ctx);

	for (unsigned d = 0; d < 2 && is_final && s->is_ldap; d++) {
		struct ldap_side *side = &s->side[d];

		if (side->buffer.used >= MESSAGE_MIN_BYTES)
			message(ctx, side, cursor_make(side->buffer.bytes, side->buffer.used));
	}
}

static const struct shrike_match ldap_match[] = {
	{.transports = SHRIKE_TCP | SHRIKE_UDP, SHRIKE_BYTES("\x30")},
	{0},
};

static const struct shrike_parser ldap = {
	.api = SHRIKE_API,
	.name = "ldap",
	.match = ldap_match,
	.fields = ldap_fields,
	.n_fields = N_FIELDS,
	.calls = ldap_calls,
	.state_bytes = sizeof(struct ldap),
	.parse = ldap_parse,
	.save = ldap_save,
};
SHRIKE_PARSER(ldap);
