#include "harness.h"

#define ASK(h, text)	harness_tcp(h, 0, HARNESS_TEXT(text))
#define ANSWER(h, text) harness_tcp(h, 1, HARNESS_TEXT(text))

static struct harness *
upgraded(struct harness *h)
{
	ASK(h, "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n");
	ANSWER(h, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
	return h;
}

TEST(frames_are_counted_and_texts_sampled)
{
	struct harness *h = upgraded(harness_create());

	EXPECT(harness_has(h, "protocol", "websocket"));
	ASK(h, "\x81\x85\x01\x02\x03\x04\x69\x67\x6f\x68\x6e"); /* "hello", masked */
	ANSWER(h, "\x01\x03one\x00\x03two\x80\x01\x01\x82\x02\xff\xff\x89\x00\x8a\x00\x83\x00");
	ANSWER(h, "\x88\x06\x03\xe8"
		  "by\x01"
		  "e");
	harness_save(h, true);
	EXPECT_FIELD(h, "websocket.opcode", "Text,Binary,Ping,Pong,0x3,Close");
	EXPECT_FIELD(h, "websocket.textSample", "hello,one,two,.");
	EXPECT_FIELD(h, "websocket.closeCode", "1000");
	EXPECT_FIELD(h, "websocket.closeReason", "by.e");
	EXPECT_FIELD(h, "websocket.frameCnt", "9");
	EXPECT_FIELD(h, "websocket.maskedFromClient", "1");
	EXPECT_FIELD(h, "websocket.payloadBytes", "20");
	EXPECT_NO_FIELD(h, "http.method-GET");
	harness_destroy(h);
}

TEST(frames_may_lie_across_segments)
{
	struct harness *h = upgraded(harness_create());

	ASK(h, "\x81\x85\x01\x02\x03\x04\x69\x67\x6f\x68\x6e\x81\x7e\x00\x05"
	       "again");
	ANSWER(h, "\x88\x85\x01\x02\x03\x04\x02\xea\x61\x7d\x64");
	harness_save(h, true);
	EXPECT_FIELD(h, "websocket.textSample", "hello,again");
	EXPECT_FIELD(h, "websocket.closeCode", "1000");
	EXPECT_FIELD(h, "websocket.closeReason", "bye");
	harness_destroy(h);
	h = upgraded(harness_create());
	ASK(h, "\x81\x85\x01\x02\x03\x04\x69\x67\x6f\x68\x6e\x81\x7e\x00\x05"
	       "again");
	ANSWER(h, "\x88\x85\x01\x02\x03\x04\x02\xea\x61\x7d\x64");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(a_long_payload_is_passed_over_without_being_kept)
{
	struct harness *h = upgraded(harness_create());
	static const char payload[1000];

	ANSWER(h, "\x82\x7f\x00\x00\x00\x00\x00\x01\x86\xa0"); /* 100000 bytes */
	for (unsigned i = 0; i < 50; i++)
		harness_tcp(h, 1, payload, sizeof(payload));
	EXPECT(harness_gap(h, 1, 50000));
	EXPECT(harness_memory_bytes(h) < 2048);
	ANSWER(h, "\x81\x02hi");
	harness_save(h, true);
	EXPECT_FIELD(h, "websocket.textSample", "hi");
	EXPECT_FIELD(h, "websocket.payloadBytes", "100002");
	harness_destroy(h);
}

TEST(a_hole_between_frames_ends_the_parser)
{
	struct harness *h = upgraded(harness_create());

	ANSWER(h, "\x81\x02hi");
	harness_gap(h, 1, 3);
	EXPECT(!harness_is_live(h) || harness_memory_bytes(h) < 1024);
	EXPECT_FIELD(h, "websocket.frameCnt", "1");
	harness_destroy(h);
}

TEST(an_impossible_length_is_tagged)
{
	struct harness *h = upgraded(harness_create());

	ANSWER(h, "\x81\x02hi\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00");
	EXPECT(harness_has(h, "tags", "websocket:bad-length"));
	EXPECT_FIELD(h, "websocket.frameCnt", "1");
	harness_destroy(h);
}

TEST(samples_have_a_limit)
{
	struct harness *h = upgraded(harness_create("websocketTextSampleCnt=2"));

	ANSWER(h, "\x81\x00\x81\x01\xff\x81\x01"
		  "a\x81\x01"
		  "a\x81\x01"
		  "b");
	EXPECT_FIELD(h, "websocket.textSample", "a"); /* the same text takes a place too */
	harness_destroy(h);
}
