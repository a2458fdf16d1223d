/* What smb.c, smb1.c and smb2.c share. */
#ifndef SMB_PRIV_H
#define SMB_PRIV_H

#include "parser.h"

enum smb_field {
	SMB_SHARE,
	SMB_FILENAME,
	SMB_OS,
	SMB_DOMAIN,
	SMB_VERSION,
	SMB_DIALECT,
	SMB_USER,
	SMB_HOST,
	SMB_HOST_TOKENS,
	SMB_N_FIELDS
};

enum { SMB_CALL_NTLM }; /* place of shrike_call() */

enum {
	SMB1_HEADER_BYTES = 32,
	SMB2_HEADER_BYTES = 64,
	SMB_DIALECTS_MAX = 10,
	SMB_DIALECT_MAX_BYTES = 255,
};

/* A name that the client offers; the server answers with its place. */
struct smb_dialect {
	char *text; /* shrike_alloc() */
	uint8_t size;
};

struct smb {
	bool is_smb;
	uint8_t n_dialects;
	struct smb_dialect dialect[SMB_DIALECTS_MAX];
	struct shrike_buffer buffer[2];
};

/* Whether the message with this header, which is there as a whole, is looked into. */
bool smb1_is_wanted(struct cursor header);
bool smb2_is_wanted(struct cursor header);

/* A whole message, header included, without the length before it. */
void smb1_message(struct shrike_ctx *, struct smb *, struct cursor message);
void smb2_message(struct shrike_ctx *, struct cursor message);

/* 'text' as a value: what becomes UTF-8 of UCS-2LE up to its first NUL, or the bytes as they are. What cannot be
 * converted is nothing; an empty value is one only when 'may_be_empty'. */
void smb_emit_text(struct shrike_ctx *, enum smb_field, struct cursor text, bool is_unicode, bool may_be_empty);

#endif
