/* The sink "zmq": what subscribers get. And libzmq's own header of that name, which this one includes.
 *
 * Every message has two frames: the topic, and the message. Topics are "record", "http", "stream" and "stats"; a
 * subscriber subscribes to those it wants (a prefix of a topic, or the empty one for all). With zmqType=pub the
 * endpoint is a PUB socket (XPUB, which speaks the same), with push a PUSH socket, of which each message goes to one of
 * its peers.
 *
 * "record"  the session's document as the sinks ndjson and sqlite have it: one JSON object (RECORD.md 1).
 *
 * "stats"   {"index":"stats"|"dstats", "id":"...", "document":{...}}: what the Elasticsearch sink puts into that index
 *           under that id (RECORD.md 7).
 *
 * "http"    one request or response of HTTP/1 or of HTTP/2 in the clear. A JSON object on one line, '\n', and then the
 *           body's first bytes: without the framing of chunks or of HTTP/2's frames, and before any content coding is
 *           undone (RFC 9112 7.1, RFC 9113 6.1, RFC 9110 8.4). "curl" without "--compressed" writes the same into a
 *           file: a gzip body is still gzip. Messages come in the order in which they end; a response without a length
 *           ends when its session is saved. What goes through a tunnel (CONNECT) is said, too, though its record has
 *           nothing of it; what follows an upgrade to WebSocket is no HTTP. Members of the object:
 *             "firstPacket"   of the session, ms since 1970; with "network" and the two ends it finds the record
 *             "source", "destination"   {"ip":"10.0.0.1", "port":40000} of the session
 *             "ipProtocol"    6
 *             "network"       {"community_id":"1:..."}
 *             "direction"     "source" or "destination": which end sent this
 *             "timestamp"     when it began, ms since 1970
 *             "type"          "request" or "response"; informational responses (1xx) are messages, too
 *             "stream"        of HTTP/2: the stream. Absent in HTTP/1
 *             "startLine"     "GET /a HTTP/1.1", "HTTP/1.1 200 OK"; of HTTP/2 "GET /a HTTP/2", "HTTP/2 200". The
 *                             direction of a request that a server promises (PUSH_PROMISE) is the server's
 *             "statusCode"    200; responses only
 *             "headers"       [["Host","a.example"], ...] in their order, names as sent, trailers last. Those of HTTP/2
 *                             that begin with a colon are among them
 *             "bodyBytes"     length of the body as far as it was seen
 *             "bodyCut"       bytes of it that are not behind the '\n': zmqBodyMax is less than bodyBytes
 *             "bodyMissing"   bytes of it that were lost on the way to the sensor, or came in a frame of HTTP/2 above
 *                             1 MiB (0: none)
 *             "complete"      false: the connection or stream ended, or bytes were lost, before the message did; or it
 *                             has more headers or open streams than the sensor follows
 *
 * "stream"  the next bytes of one direction of a TCP session, in order. JSON, '\n', bytes, as above:
 *             "firstPacket", "source", "destination", "ipProtocol", "network", "direction"   as above
 *             "timestamp"     of the packet that brought them
 *             "sequence"      TCP sequence number of the first byte
 *             "missing"       bytes before it that were lost on the way to the sensor (0: none)
 *             "bytes"         how many follow
 *           Sessions whose parsers have finished before somebody subscribes are not begun again; of others the rest of
 *           what the parsers were passing over just then (a large body) is not said, which "sequence" shows.
 *
 * Texts in JSON are UTF-8; bytes that are not are taken as Latin-1.
 *
 * Nobody waits for a subscriber. One whose queue (zmqHighWater messages) is full gets nothing until it has fetched
 * some, while others get everything. "zmq.TOPIC_refused" counts how often a queue was found full; with PUSH that is
 * each message, with PUB the first one of those that a subscriber misses in a row, for libzmq does not tell of the
 * others. What workers have for a topic that nobody listens to is not even copied. */

/* No guard: found beside its user first and by the include path then, this file includes itself once before the other.
 * clang warns of that for headers that are not the system's. */
#pragma GCC system_header
#include_next <zmq.h>
