/* NFS (RFC 1813, RFC 8881): recognised by a call of its RPC program (RFC 5531), 100003, not parsed. On TCP the length
 * of a record stands before the message. */
#include "parser.h"

enum {
	MESSAGE_OFFSET_UDP = 4, /* behind the transaction */
	MESSAGE_OFFSET_TCP = 8, /* and behind the record mark */
};

/* Message type 0 (call), RPC version 2, program. */
#define NFS_CALL "\0\0\0\0\0\0\0\x02\0\x01\x86\xa3"

static const struct shrike_match nfs_match[] = {
	{.transports = SHRIKE_UDP, .offset = MESSAGE_OFFSET_UDP, SHRIKE_BYTES(NFS_CALL), .protocol = "nfs"},
	{.transports = SHRIKE_TCP, .offset = MESSAGE_OFFSET_TCP, SHRIKE_BYTES(NFS_CALL), .protocol = "nfs"},
	{0},
};

static const struct shrike_parser nfs = {.api = SHRIKE_API, .name = "nfs", .match = nfs_match};
SHRIKE_PARSER(nfs);
