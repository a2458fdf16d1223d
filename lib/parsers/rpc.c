/* Sun RPC over UDP (RFC 5531): a call of one of the well-known programs (RFC 1833 and the ONC program numbers) is
 * recognised by its program number, not parsed. NFS is in nfs.c. */
#include "parser.h"

enum {
	MESSAGE_OFFSET = 4, /* behind the transaction */
};

/* Message type 0 (call), RPC version 2, program 100000 + n. */
#define CALL_OF(name, program)                                                                                         \
	{                                                                                                              \
		.transports = SHRIKE_UDP, .offset = MESSAGE_OFFSET,                                                    \
		SHRIKE_BYTES("\0\0\0\0\0\0\0\x02\0\x01\x86" program), .protocol = name                                 \
	}

static const struct shrike_match rpc_match[] = {
	CALL_OF("portmap", "\xa0"), CALL_OF("rstat", "\xa1"),  CALL_OF("rusers", "\xa2"), CALL_OF("ypprog", "\xa4"),
	CALL_OF("mount", "\xa5"),   CALL_OF("ypbind", "\xa7"), CALL_OF("wall", "\xa8"),	  CALL_OF("yppasswd", "\xa9"),
	CALL_OF("rquota", "\xab"),  CALL_OF("rexec", "\xb1"),  CALL_OF("tfs", "\xc5"),	  {0},
};

static const struct shrike_parser rpc = {.api = SHRIKE_API, .name = "rpc", .match = rpc_match};
SHRIKE_PARSER(rpc);
