/* SMB 1 (MS-CIFS 2.2.4, MS-SMB 2.2.4): dialects offered and chosen, names of files, shares, and the login with what the
 * client says of itself, which may be an NTLM message, alone or within SPNEGO (RFC 4178).
 *
 * Texts are UCS-2LE or in an unknown code page, as a flag of the header says. Their places follow from the lengths
 * before them and their alignment; places are counted from the body's first byte, which is even as the standard's are.
 * Where the reference's idea of a place is another one than the standard's, it says so below. */
#include "ber.h"
#include "smb_priv.h"

enum {
	COMMAND_OFFSET = 4,
	FLAGS_OFFSET = 9,
	FLAG_RESPONSE = 0x80,
	FLAG_UNICODE = 0x8000,
	DELETE = 0x06,
	OPEN_ANDX = 0x2d,
	NEGOTIATE = 0x72,
	SESSION_SETUP_ANDX = 0x73,
	TREE_CONNECT_ANDX = 0x75,
	CREATE_ANDX = 0xa2,
	NEGOTIATE_WORDS_MIN = 13,
	SETUP_WORDS_BLOB = 12,	/* with a security blob (MS-SMB 2.2.4.6.1) */
	SETUP_WORDS_PLAIN = 13, /* with passwords (MS-CIFS 2.2.4.53.1) */
	SPNEGO_RESPONSE = 1,
	SPNEGO_RESPONSE_TOKEN = 2,
	NTLM_AUTHENTICATE = 3,
	NTLM_ENTRIES = 6,
};

#define NTLM_SIGNATURE "NTLMSSP"

struct header {
	uint8_t command;
	bool is_response, is_unicode;
};

static struct header
read_header(struct cursor c)
{
	struct header h;

	cursor_skip(&c, COMMAND_OFFSET);
	h.command = cursor_u8(&c);
	cursor_skip(&c, FLAGS_OFFSET - COMMAND_OFFSET - 1);
	h.is_response = (cursor_u8(&c) & FLAG_RESPONSE) != 0;
	h.is_unicode = (cursor_le16(&c) & FLAG_UNICODE) != 0;
	return h;
}

bool
smb1_is_wanted(struct cursor header)
{
	struct header h = read_header(header);

	switch (h.command) {
	case NEGOTIATE:
		return true;
	case DELETE:
	case OPEN_ANDX:
	case CREATE_ANDX:
	case SESSION_SETUP_ANDX:
	case TREE_CONNECT_ANDX:
		return !h.is_response;
	default:
		return false;
	}
}

/* ---- NEGOTIATE (MS-CIFS 2.2.4.52) */

static void
remember_dialect(struct shrike_ctx *ctx, struct smb *s, struct cursor name)
{
	struct smb_dialect *dialect = &s->dialect[s->n_dialects];

	cursor_limit(&name, SMB_DIALECT_MAX_BYTES);
	dialect->size = (uint8_t)cursor_left(&name);
	if (dialect->size > 0) {
		dialect->text = shrike_alloc(ctx, dialect->size);
		if (dialect->text == NULL)
			return;
		memcpy(dialect->text, cursor_take(&name, dialect->size), dialect->size);
	}
	s->n_dialects++;
}

/* Further requests add to the list of the first one, as the reference has it. */
static void
negotiate_request(struct shrike_ctx *ctx, struct smb *s, struct cursor body)
{
	cursor_skip(&body, 3); /* no words, number of bytes */
	while (s->n_dialects < SMB_DIALECTS_MAX && cursor_left(&body) > 0) {
		struct cursor name;

		cursor_skip(&body, 1); /* format of the text: 2 */
		name = cursor_until(&body, '\0');
		if (cursor_bad(&body))
			return;
		remember_dialect(ctx, s, name);
	}
}

static void
negotiate_response(struct shrike_ctx *ctx, const struct smb *s, struct cursor body)
{
	uint8_t words = cursor_u8(&body);
	uint16_t chosen = cursor_le16(&body);

	if (words >= NEGOTIATE_WORDS_MIN && !cursor_bad(&body) && chosen < s->n_dialects)
		shrike_emit_bytes(ctx, SMB_DIALECT, s->dialect[chosen].text, s->dialect[chosen].size);
}

/* ---- SESSION_SETUP_ANDX */

/* A text with its NUL off 'c'; the last one may have lost it. */
static struct cursor
take_text(struct cursor *c, bool is_unicode)
{
	struct cursor rest = *c;
	size_t size = 0;

	if (!is_unicode) {
		if (memchr(rest.p, '\0', cursor_left(&rest)) != NULL)
			return cursor_until(c, '\0');
		return cursor_sub(c, cursor_left(c));
	}
	while (cursor_left(&rest) >= 2 && cursor_le16(&rest) != 0)
		size += 2;
	rest = cursor_sub(c, size);
	cursor_skip(c, cursor_left(c) < 2 ? cursor_left(c) : 2);
	return rest;
}

static void
texts(struct shrike_ctx *ctx, struct cursor c, bool is_unicode, const enum smb_field *fields, unsigned n)
{
	for (unsigned i = 0; i < n && cursor_left(&c) > 0; i++)
		smb_emit_text(ctx, fields[i], take_text(&c, is_unicode), is_unicode, false);
}

/* One of the six texts and digests of AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3). False: it is not in the message. */
static bool
ntlm_entry(struct shrike_ctx *ctx, struct cursor message, struct cursor *entries, unsigned i)
{
	static const int8_t fields[NTLM_ENTRIES] = {-1, -1, SMB_DOMAIN, SMB_USER, SMB_HOST, -1};
	uint16_t length = cursor_le16(entries);
	struct cursor bytes;

	cursor_skip(entries, 2);
	cursor_skip(&message, cursor_le32(entries));
	bytes = cursor_sub(&message, length);
	if (cursor_bad(entries) || cursor_bad(&bytes))
		return false;
	if (fields[i] >= 0)
		smb_emit_text(ctx, (enum smb_field)fields[i], bytes, true, false);
	return true;
}

static void
ntlm_names(struct shrike_ctx *ctx, struct cursor message)
{
	struct cursor entries = message;

	cursor_skip(&entries, sizeof(NTLM_SIGNATURE));
	if (cursor_le32(&entries) != NTLM_AUTHENTICATE)
		return;
	for (unsigned i = 0; i < NTLM_ENTRIES; i++)
		if (!ntlm_entry(ctx, message, &entries, i)) {
			shrike_add_tag(ctx, "smb:bad-security-blob");
			return;
		}
}

static bool
is_ntlm(struct cursor c, size_t signature_bytes)
{
	const uint8_t *signature = cursor_take(&c, signature_bytes);

	return signature != NULL && memcmp(signature, NTLM_SIGNATURE, signature_bytes) == 0;
}

/* NegTokenResp (RFC 4178 4.2.2): its token. Empty: this is none. */
static struct cursor
spnego_token(struct cursor blob)
{
	struct ber_element response, sequence, member, token;

	if (ber_next(&blob, &response) && response.tag == SPNEGO_RESPONSE && ber_next(&response.value, &sequence) &&
	    sequence.tag == BER_SEQUENCE)
		while (ber_next(&sequence.value, &member))
			if (member.tag == SPNEGO_RESPONSE_TOKEN && ber_next(&member.value, &token) &&
			    token.tag == BER_OCTET_STRING)
				return token.value;
	return cursor_make("", 0);
}

static void
security_blob(struct shrike_ctx *ctx, struct cursor blob)
{
	struct cursor token;

	if (is_ntlm(blob, sizeof(NTLM_SIGNATURE))) {
		(void)shrike_call(ctx, SMB_CALL_NTLM, blob, NULL);
		return;
	}
	token = spnego_token(blob);
	if (!is_ntlm(token, sizeof(NTLM_SIGNATURE) - 1))
		return;
	(void)shrike_call(ctx, SMB_CALL_NTLM, token, NULL);
	ntlm_names(ctx, token);
}

/* The reference aligns texts that need not be, too, and so loses the first character of some. */
static void
align(struct cursor *c, size_t body_bytes)
{
	if ((body_bytes - cursor_left(c)) % 2 != 0)
		cursor_skip(c, 1);
}

static void
setup_with_blob(struct shrike_ctx *ctx, struct cursor c, size_t body_bytes, bool is_unicode)
{
	static const enum smb_field fields[] = {SMB_OS, SMB_VERSION, SMB_DOMAIN};
	struct cursor blob;
	uint16_t length;

	cursor_skip(&c, 14);
	length = cursor_le16(&c);
	cursor_skip(&c, 10);
	blob = cursor_sub(&c, length);
	if (cursor_bad(&c))
		return;
	security_blob(ctx, blob);
	align(&c, body_bytes);
	texts(ctx, c, is_unicode, fields, sizeof(fields) / sizeof(fields[0]));
}

static void
setup_with_passwords(struct shrike_ctx *ctx, struct cursor c, size_t body_bytes, bool is_unicode)
{
	static const enum smb_field fields[] = {SMB_USER, SMB_DOMAIN, SMB_OS, SMB_VERSION};
	uint32_t length;

	cursor_skip(&c, 14);
	length = cursor_le16(&c);
	length += cursor_le16(&c);
	cursor_skip(&c, 10 + length);
	align(&c, body_bytes);
	texts(ctx, c, is_unicode, fields, sizeof(fields) / sizeof(fields[0]));
}

static void
session_setup(struct shrike_ctx *ctx, struct cursor body, bool is_unicode)
{
	size_t body_bytes = cursor_left(&body);
	uint8_t words = cursor_u8(&body);

	if (words == SETUP_WORDS_BLOB)
		setup_with_blob(ctx, body, body_bytes, is_unicode);
	else if (words == SETUP_WORDS_PLAIN)
		setup_with_passwords(ctx, body, body_bytes, is_unicode);
}

/* ---- Names */

/* DELETE, OPEN_ANDX, CREATE_ANDX (MS-CIFS 2.2.4.7, 2.2.4.41, 2.2.4.64): words, number of bytes, a byte of format or
 * alignment, the name. */
static void
file(struct shrike_ctx *ctx, struct cursor body, bool is_unicode)
{
	uint8_t words = cursor_u8(&body);

	cursor_skip(&body, words * 2u + 3);
	if (!cursor_bad(&body))
		smb_emit_text(ctx, SMB_FILENAME, body, is_unicode, true);
}

/* MS-CIFS 2.2.4.55. The reference reads the password's length as the high byte of the flags, which is 0, and the low
 * byte of the length, and arrives one byte before the password's end; then it aligns the path in either encoding. */
static void
tree_connect(struct shrike_ctx *ctx, struct cursor body, bool is_unicode)
{
	size_t body_bytes = cursor_left(&body);
	uint16_t length;

	cursor_skip(&body, 6);
	length = cursor_be16(&body);
	cursor_skip(&body, 2u + length);
	cursor_skip(&body, (body_bytes - cursor_left(&body)) % 2 == 0 ? 2 : 1);
	if (!cursor_bad(&body))
		smb_emit_text(ctx, SMB_SHARE, body, is_unicode, false);
}

void
smb1_message(struct shrike_ctx *ctx, struct smb *s, struct cursor message)
{
	struct header h = read_header(message);

	cursor_skip(&message, SMB1_HEADER_BYTES);
	switch (h.command) {
	case NEGOTIATE:
		if (h.is_response)
			negotiate_response(ctx, s, message);
		else
			negotiate_request(ctx, s, message);
		break;
	case SESSION_SETUP_ANDX:
		session_setup(ctx, message, h.is_unicode);
		break;
	case TREE_CONNECT_ANDX:
		tree_connect(ctx, message, h.is_unicode);
		break;
	default:
		file(ctx, message, h.is_unicode);
		break;
	}
}
