#include "harness.h"

#include <stdlib.h>

#include "http_priv.h"

static const char request[] = "GET /a/b?x=1&y=%41&=5&z HTTP/1.1\r\n"
			      "Host: Example.COM:8080\r\n"
			      "User-Agent: curl/7\r\n"
			      "Accept: Text/HTML\r\n"
			      "Cookie: a=1; b = 2 ;c\r\n"
			      "X-Forwarded-For: 10.1.2.3,10.1.2.4, 10.1.2.5\r\n"
			      "\r\n";
static const char response[] = "HTTP/1.1 200 OK\r\n"
			       "Content-Type: text/html\r\n"
			       "Content-Length: 14\r\n"
			       "\r\n"
			       "<html>1</html>";
static const char *const all[] = {"parseQSValue=true", "parseCookieValue=true", "parseHTTPHeaderRequestAll=true",
				  "parseHTTPHeaderResponseAll=true", "supportSha256=true"};

#define CREATE_ALL()	harness_create(all[0], all[1], all[2], all[3], all[4], "magicMode=basic")
#define ASK(h, text)	harness_tcp(h, 0, HARNESS_TEXT(text))
#define ANSWER(h, text) harness_tcp(h, 1, HARNESS_TEXT(text))

/* ---- One exchange */

TEST(a_request_and_its_response_are_recorded)
{
	struct harness *h = CREATE_ALL();

	EXPECT(ASK(h, request));
	EXPECT_FIELD(h, "http.method", "GET");
	EXPECT_FIELD(h, "http.clientVersion", "1.1");
	EXPECT_FIELD(h, "http.uri", "example.com:8080/a/b?x=1&y=%41&=5&z");
	EXPECT_FIELD(h, "http.host", "Example.COM:8080,example.com");
	EXPECT_FIELD(h, "http.path", "/a/b");
	EXPECT_FIELD(h, "http.key", "x,y");
	EXPECT_FIELD(h, "http.value", "1,A,5");
	EXPECT_FIELD(h, "http.useragent", "curl/7");
	EXPECT_FIELD(h, "http.cookieKey", "a,b ");
	EXPECT_FIELD(h, "http.cookieValue", "1,2 ");
	EXPECT_FIELD(h, "http.requestHeader", "host,user-agent,accept,cookie,x-forwarded-for");
	EXPECT_FIELD(h, "http.requestHeaderField", "accept,cookie");
	EXPECT_FIELD(h, "http.requestHeaderValue", "text/html,a=1; b = 2 ;c");
	EXPECT_EQ(harness_count(h, "http.xffIp"), 2);
	EXPECT(ANSWER(h, response));
	EXPECT_FIELD(h, "http.statuscode", "200");
	EXPECT_FIELD(h, "http.serverVersion", "1.1");
	EXPECT_FIELD(h, "http.responseHeaderValue", "text/html,14");
	EXPECT_FIELD(h, "http.bodyMagic", "text/html");
	EXPECT_FIELD(h, "http.md5", "be6113853c604c6e10bb8cecea65e839");
	EXPECT_EQ(strlen(harness_values(h, "http.sha256")), 64);
	EXPECT(harness_has(h, "protocol", "http"));
	harness_save(h, true);
	EXPECT_FIELD(h, "http.method-GET", "1");
	harness_destroy(h);
}

TEST(where_the_segments_end_does_not_matter)
{
	struct harness *h = CREATE_ALL();
	static const char more[] = "POST /form HTTP/1.0\r\nHost: h\r\nContent-Length: 5\r\nAuthorization: Basic "
				   "bmFtZTpwYXNz\r\n\r\nhelloHEAD /last HTTP/1.1\r\n\r\n";
	static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: one\r\n  two\r\n\r\n"
				      "5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\nTrailer: t\r\n\r\n"
				      "HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n";

	ASK(h, request);
	ANSWER(h, response);
	ASK(h, more);
	ANSWER(h, chunked);
	EXPECT_FIELD(h, "http.responseHeader", "content-type,content-length,transfer-encoding,x,trailer");
	EXPECT(harness_has(h, "http.md5", "5d41402abc4b2a76b9719d911017c592"));
	EXPECT_EQ(harness_count(h, "http.md5"), 3);
	EXPECT_FIELD(h, "http.user", "name");
	harness_every_split(h, 8, "http.bodyMagic,http.requestBody");
	harness_every_truncation(h);
	harness_destroy(h);
}

TEST(a_session_may_begin_with_a_response)
{
	struct harness *h = CREATE_ALL();

	EXPECT(harness_tcp(h, 0, HARNESS_TEXT(response)));
	/* Before any request line the source is taken for the one that asks. */
	EXPECT_FIELD(h, "http.requestHeader", "content-type,content-length");
	EXPECT_FIELD(h, "http.statuscode", "200");
	EXPECT_FIELD(h, "http.requestBody", "<html>1</html>");
	harness_destroy(h);
}

TEST(sctp_carries_requests_too)
{
	struct harness *h = harness_create();

	harness_sctp(h, 0, HARNESS_TEXT(request));
	EXPECT_FIELD(h, "http.method", "GET");
	harness_destroy(h);
}

/* ---- Request lines */

static const char *
uri_of(struct harness *h, const char *text)
{
	harness_reset(h);
	harness_tcp(h, 0, text, strlen(text));
	return harness_values(h, "http.uri");
}

TEST(the_uri_is_host_and_target_unless_the_target_names_the_host)
{
	struct harness *h = harness_create();

	EXPECT_STR(uri_of(h, "GET /x HTTP/1.1\r\nHost: A.b:80\r\n\r\n"), "a.b:80/x");
	EXPECT_STR(uri_of(h, "GET http://a.b/x HTTP/1.1\r\nHost: A.B\r\n\r\n"), "http://a.b/x");
	EXPECT_STR(uri_of(h, "GET http://other/x HTTP/1.1\r\nHost: a.b\r\n\r\n"), "a.b;http://other/x");
	EXPECT_STR(uri_of(h, "OPTIONS * HTTP/1.1\r\nHost: h.com\r\n\r\n"), "h.com;*");
	EXPECT_STR(uri_of(h, "GET /x HTTP/1.1\r\n\r\n"), "/x");
	EXPECT_NO_FIELD(h, "http.path");
	EXPECT_STR(uri_of(h, "GET /x HTTP/1.1\r\nHost: one.com\r\nHost: Two.com\r\n\r\n"), "one.comtwo.com/x");
	EXPECT_FIELD(h, "http.host", "one.com,Two.com,one.comtwo.com");
	EXPECT_STR(uri_of(h, "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"), "h:443");
	harness_destroy(h);
}

TEST(a_request_line_may_be_unusual)
{
	struct harness *h = harness_create();

	EXPECT_STR(uri_of(h, "GET HTTP/1.1\r\nHost: h\r\n\r\n"), "h;HTTP/1.1");
	EXPECT_FIELD(h, "http.clientVersion", "0.9");
	EXPECT(uri_of(h, "\r\n\r\nGET   /a   HTTP/1.0\nHost: h\n\n") == NULL); /* not classified */
	EXPECT_STR(uri_of(h, "GET   /a   HTTP/1.0\nHost: h\n\n"), "h/a");
	EXPECT_FIELD(h, "http.clientVersion", "1.0");
	EXPECT_STR(uri_of(h, "QUERY ?a=b HTTP/1.1\r\nHost: h\r\n\r\n"), "h;?a=b");
	EXPECT_FIELD(h, "http.method", "QUERY");
	EXPECT_STR(uri_of(h, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "*");
	EXPECT_FIELD(h, "http.clientVersion", "2.0");
	EXPECT_STR(uri_of(h, "GET /a\tb HTTP/1.1\r\n\r\n"), "/a\tb");
	EXPECT(harness_has(h, "tags", "http:control-char"));
	harness_destroy(h);
}

TEST(a_refused_request_line_ends_its_direction_only)
{
	static const char *const refused[] = {
		"GET\r\nHost: h\r\n\r\n",    "GETX / HTTP/1.1\r\n\r\n", "GET /\x01 HTTP/1.1\r\n\r\n",
		"GET / HTTP/1\r\n\r\n",	     "GET / HTTP/1.1 \r\n\r\n", "GET / ICE/1.0\r\n\r\n",
		"GET / HTTP/9999.1\r\n\r\n", "GET  \r\n\r\n",		"GET /\x7f HTTP/1.1\r\n\r\n"};
	struct harness *h = harness_create();

	for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		harness_reset(h);
		EXPECT(harness_tcp(h, 0, refused[i], strlen(refused[i])));
		EXPECT_NO_FIELD(h, "http.method");
		EXPECT(harness_has(h, "protocol", "http"));
		EXPECT(ANSWER(h, response));
		EXPECT_FIELD(h, "http.statuscode", "200");
	}
	harness_destroy(h);
}

TEST(the_target_of_a_line_without_version_is_recorded_when_it_is_answered)
{
	struct harness *h = harness_create();

	EXPECT(uri_of(h, "GET /x HTTP/1.\nHost: h\n\n") == NULL);
	ANSWER(h, response);
	EXPECT_FIELD(h, "http.uri", "/x");
	EXPECT_NO_FIELD(h, "http.method");
	harness_destroy(h);
}

TEST(both_directions_refused_is_the_end_of_the_parser)
{
	struct harness *h = harness_create();

	EXPECT(ASK(h, "GET nothing of the kind\r\n"));
	EXPECT(!ANSWER(h, "something else\r\n"));
	EXPECT_EQ(harness_memory_bytes(h), 0);
	harness_destroy(h);
}

TEST(a_uri_is_cut_and_a_line_has_an_end)
{
	struct harness *h = harness_create();
	char *line = malloc(HTTP_BLOCK_BYTES_MAX + 100);
	size_t size = 5000;

	REQUIRE(line != NULL);
	memset(line, 'a', HTTP_BLOCK_BYTES_MAX + 100);
	memcpy(line, "GET /", 5);
	memcpy(&line[size], " HTTP/1.1\r\nHost: h\r\n\r\n", 22);
	harness_tcp(h, 0, line, size + 22);
	EXPECT_EQ(strlen(harness_values(h, "http.uri")), HTTP_URI_BYTES_MAX);
	EXPECT(harness_has(h, "tags", "http:url-truncated"));
	harness_reset(h);
	memset(&line[size], 'a', 22);
	for (size_t at = 0; at + 100 <= HTTP_BLOCK_BYTES_MAX + 100; at += 100)
		harness_tcp(h, 0, &line[at], 100);
	EXPECT(harness_memory_bytes(h) < 4096);
	harness_tcp(h, 0, HARNESS_TEXT(" HTTP/1.1\r\n\r\n"));
	EXPECT_NO_FIELD(h, "http.method");
	free(line);
	harness_destroy(h);
}

TEST(every_equals_sign_of_a_query_ends_a_piece)
{
	struct harness *h = CREATE_ALL();

	uri_of(h, "GET /?x=1=2&k&a=%zz&b=%00&c=%26&d==&e+f=g+h&last HTTP/1.1\r\nHost: h\r\n\r\n");
	EXPECT_FIELD(h, "http.key", "x,k,a,b,c,d,e+f");
	EXPECT_FIELD(h, "http.value", "1,2,%zz,%00,&,g+h");
	harness_destroy(h);
}

TEST(protocols_are_known_by_their_path)
{
	struct harness *h = harness_create();

	uri_of(h, "POST /WSMan?x HTTP/1.1\r\nHost: h\r\n\r\n");
	EXPECT(harness_has(h, "protocol", "winrm"));
	uri_of(h, "POST /certsrv/certfnsh.asp HTTP/1.1\r\nHost: h\r\n\r\n");
	EXPECT(harness_has(h, "protocol", "adcs-web"));
	harness_destroy(h);
}

/* ---- Headers */

TEST(headers_may_be_unusual)
{
	struct harness *h = CREATE_ALL();

	uri_of(h, "GET / HTTP/1.1\r\nEmpty:\r\nUser-Agent:\r\nHost:\r\nFolded: one\r\n  two\r\n\tthree\r\n"
		  "Trailing: x  \r\n1234567890123456789012345678901234567890name: v\r\nHigh: \xff\x01\r\n\r\n");
	EXPECT_FIELD(h, "http.method", "GET");
	EXPECT_FIELD(h, "http.useragent", "");
	EXPECT_FIELD(h, "http.host", "");
	EXPECT_FIELD(h, "http.requestHeaderField",
		     "empty,folded,trailing,123456789012345678901234567890123456789,high");
	EXPECT(harness_has(h, "http.requestHeaderValue", "one  two\tthree"));
	EXPECT(harness_has(h, "http.requestHeaderValue", "x  "));
	harness_destroy(h);
}

TEST(a_header_line_that_is_none_is_passed_over)
{
	struct harness *h = CREATE_ALL();

	uri_of(h, "POST / HTTP/1.1\r\nBefore: 1\r\nNocolon\r\nB(ad: 2\r\n\x01: 3\r\nContent-Length: 2\r\nAfter: "
		  "4\r\n\r\nok"
		  "GET /next HTTP/1.1\r\n\r\n");
	EXPECT_FIELD(h, "http.requestHeader", "before,content-length,after");
	EXPECT_FIELD(h, "http.requestBody", "ok");
	EXPECT_FIELD(h, "http.method", "POST,GET");
	harness_every_split(h, 8, "http.requestBody");
	harness_destroy(h);
}

TEST(a_value_keeps_its_first_bytes)
{
	struct harness *h = harness_create("[headers-http-request]\nx-long=type:string\n");
	char *text = malloc(20000);

	REQUIRE(text != NULL);
	memset(text, 'v', 20000);
	memcpy(text, "GET / HTTP/1.1\r\nX-Long: ", 24);
	memcpy(&text[19996], "\r\n\r\n", 4);
	harness_tcp(h, 0, text, 20000);
	EXPECT_EQ(strlen(harness_values(h, "http.request-x-long")), HTTP_VALUE_BYTES_MAX);
	EXPECT_FIELD(h, "http.method", "GET");
	free(text);
	harness_destroy(h);
}

TEST(the_conf_gives_headers_fields_of_their_own)
{
	struct harness *h = harness_create("[headers-http-request]\nreferer=type:string;count:true\nx-n=type:integer\n"
					   "[headers-http-response]\nlocation=type:string\nx-ip=type:ip\n");

	ASK(h, "GET / HTTP/1.1\r\nReferer: From\r\nX-N: 12\r\n\r\n");
	ANSWER(h, "HTTP/1.1 302 Found\r\nLocation: To\r\nX-IP: 1.2.3.4\r\nContent-Length: 0\r\n\r\n");
	EXPECT_FIELD(h, "http.request-referer", "From");
	EXPECT_FIELD(h, "http.request-x-n", "12");
	EXPECT_FIELD(h, "http.response-location", "To");
	EXPECT_EQ(harness_count(h, "http.response-x-ip"), 1);
	harness_destroy(h);
}

TEST(cookies_without_a_sign_go_to_the_next_key)
{
	struct harness *h = CREATE_ALL();

	uri_of(h, "GET / HTTP/1.1\r\nCookie: foo; a=1;b=;  c= x=y; d\r\n\r\n");
	EXPECT_FIELD(h, "http.cookieKey", "foo; a,b,c");
	EXPECT_FIELD(h, "http.cookieValue", "1,x=y");
	harness_destroy(h);
}

TEST(who_authorizes_is_recorded)
{
	struct harness *h = harness_create();

	uri_of(h, "GET / HTTP/1.1\r\nAuthorization: Basic bmFtZTpwYXNz\r\nProxy-Authorization: Digest a=b, "
		  "username=\"Mufasa\", c=d\r\n\r\n");
	EXPECT_FIELD(h, "http.authType", "basic,digest");
	EXPECT_FIELD(h, "http.user", "name,Mufasa");
	uri_of(h, "GET / HTTP/1.1\r\nAuthorization: Basic token=abc\r\nProxy-Authorization: Nospace\r\n\r\n");
	EXPECT_FIELD(h, "http.authType", "basic");
	EXPECT_NO_FIELD(h, "http.user");
	ANSWER(h, "HTTP/1.1 401 No\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\nWWW-Authenticate: Basic "
		  "realm=\"x y\"\r\nContent-Length: 0\r\n\r\n");
	EXPECT(harness_has(h, "http.authType", "negotiatentlmbasic"));
	uri_of(h, "GET / HTTP/1.1\r\nAuthorization: NTLM "
		  "TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAGAbEdAAAADw==\r\n\r\n");
	EXPECT_FIELD(h, "ntlm.type", "1");
	EXPECT(harness_has(h, "protocol", "ntlm"));
	harness_destroy(h);
}

TEST(a_header_block_has_an_end)
{
	struct harness *h = harness_create();
	static const char fold[] = " folded\r\n";
	uint64_t most = 0;

	ASK(h, "GET / HTTP/1.1\r\nX: 1\r\n");
	for (unsigned i = 0; i < 30000; i++) {
		harness_tcp(h, 0, HARNESS_TEXT(fold));
		if (harness_memory_bytes(h) > most)
			most = harness_memory_bytes(h);
	}
	EXPECT(most < 2 * HTTP_VALUE_BYTES_MAX + 4096);
	EXPECT(harness_memory_bytes(h) < 2048);
	EXPECT_NO_FIELD(h, "http.method");
	harness_destroy(h);
}

/* ---- Bodies and lengths */

TEST(answers_to_head_have_no_body)
{
	struct harness *h = CREATE_ALL();

	ASK(h, "GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n");
	ANSWER(h, "HTTP/1.1 100 Continue\r\n\r\n");
	ANSWER(h, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst");
	ANSWER(h, "HTTP/1.1 201 OK\r\nContent-Length: 77\r\n\r\n");
	ANSWER(h, "HTTP/1.1 202 OK\r\nContent-Length: 5\r\n\r\nthird");
	EXPECT_FIELD(h, "http.statuscode", "100,200,201,202");
	EXPECT_EQ(harness_count(h, "http.md5"), 2);
	harness_destroy(h);
}

TEST(more_requests_than_are_remembered_lose_only_that)
{
	struct harness *h = harness_create();

	for (unsigned i = 0; i < 3 * HTTP_REQUESTS_WAITING_MAX; i++)
		ASK(h, "HEAD / HTTP/1.1\r\n\r\n");
	ANSWER(h, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 404 No\r\n\r\n");
	EXPECT_FIELD(h, "http.statuscode", "200,404");
	harness_save(h, true);
	EXPECT_FIELD(h, "http.method-HEAD", "192");
	harness_destroy(h);
}

TEST(no_content_has_none_whatever_it_announces)
{
	struct harness *h = harness_create();

	ANSWER(h, "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\nHTTP/1.1 204 No\r\nContent-Length: "
		  "3\r\n\r\nHTTP/1.1 500 E\r\nContent-Length: 0\r\n\r\n");
	EXPECT_FIELD(h, "http.statuscode", "304,204,500");
	EXPECT_NO_FIELD(h, "http.md5");
	harness_destroy(h);
}

TEST(the_end_of_the_session_ends_a_body_without_length)
{
	struct harness *h = harness_create();

	ANSWER(h, "HTTP/1.0 200 OK\r\n\r\nhel");
	ANSWER(h, "lo");
	EXPECT_NO_FIELD(h, "http.md5");
	harness_save(h, true);
	EXPECT_FIELD(h, "http.md5", "5d41402abc4b2a76b9719d911017c592");
	harness_destroy(h);
	h = harness_create();
	ANSWER(h, "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello");
	harness_save(h, true);
	EXPECT_NO_FIELD(h, "http.md5");
	harness_destroy(h);
}

TEST(lengths_that_contradict_end_the_direction)
{
	static const char *const bad[] = {"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
					  "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
					  "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
					  "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"};
	struct harness *h = harness_create();

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		harness_reset(h);
		harness_tcp(h, 0, bad[i], strlen(bad[i]));
		ASK(h, "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
		EXPECT(!harness_has(h, "http.path", "/smuggled"));
	}
	harness_destroy(h);
}

TEST(short_request_bodies_are_kept)
{
	struct harness *h = harness_create("maxReqBody=4");

	uri_of(h, "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd");
	EXPECT_FIELD(h, "http.requestBody", "abcd");
	uri_of(h, "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde");
	EXPECT_NO_FIELD(h, "http.requestBody");
	uri_of(h, "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n\xff\xff");
	EXPECT_NO_FIELD(h, "http.requestBody");
	harness_destroy(h);
	h = harness_create("reqBodyOnlyUtf8=false");
	uri_of(h, "POST / HTTP/1.1\r\nContent-Length: 21\r\n\r\n\xffuser=a&PassWd=secret.");
	EXPECT_EQ(harness_count(h, "http.requestBody"), 1);
	EXPECT(harness_has(h, "tags", "http:password"));
	harness_destroy(h);
}

TEST(the_settings_say_which_bodies_get_digests)
{
	struct harness *h = harness_create("bodyDigests=small", "bodyDigestMaxBytes=5");

	ANSWER(h,
	       "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	EXPECT_FIELD(h, "http.md5", "5d41402abc4b2a76b9719d911017c592");
	harness_reset(h);
	ANSWER(h, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n1\r\ng\r\n0\r\n\r\n");
	EXPECT_NO_FIELD(h, "http.md5");
	ANSWER(h, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");
	EXPECT_FIELD(h, "http.md5", "5d41402abc4b2a76b9719d911017c592");
	harness_destroy(h);
	h = harness_create("bodyDigests=off");
	ANSWER(h, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	EXPECT_NO_FIELD(h, "http.md5");
	harness_destroy(h);
}

/* ---- What follows */

TEST(a_tunnel_is_classified_anew)
{
	struct harness *h = harness_create();

	ASK(h, "CONNECT h:22 HTTP/1.1\r\nHost: h:22\r\n\r\n");
	EXPECT(ANSWER(h, "HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nno"));
	ASK(h, "CONNECT h:22 HTTP/1.1\r\nHost: h:22\r\nProxy-Authorization: Basic bmFtZTpwYXNz\r\n\r\n");
	EXPECT(ANSWER(h, "HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\n"));
	EXPECT_FIELD(h, "http.method-CONNECT", "2");
	EXPECT_FIELD(h, "http.user", "name");
	ANSWER(h, "SSH-2.0-server\r\n");
	ASK(h, "SSH-2.0-client\r\n");
	EXPECT(harness_has(h, "protocol", "ssh"));
	EXPECT_FIELD(h, "http.statuscode", "407,200");
	harness_destroy(h);
}

TEST(a_tunnel_may_begin_in_the_chunk_of_its_answer)
{
	struct harness *h = harness_create();

	ASK(h, "CONNECT h:22 HTTP/1.1\r\n\r\n");
	ANSWER(h, "HTTP/1.1 200 OK\r\n\r\nSSH-2.0-server\r\n");
	EXPECT(harness_has(h, "protocol", "ssh"));
	harness_reset(h);
	/* The client does not wait for the answer. */
	ASK(h, "CONNECT h:22 HTTP/1.1\r\n\r\nSSH-2.0-client\r\n");
	EXPECT(harness_has(h, "protocol", "ssh"));
	ANSWER(h, "HTTP/1.1 200 OK\r\n\r\n");
	EXPECT_FIELD(h, "http.statuscode", "200");
	harness_destroy(h);
}

TEST(an_offer_to_upgrade_alone_changes_nothing)
{
	struct harness *h = harness_create();

	ASK(h, "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
	ANSWER(h, "HTTP/1.1 200 OK\r\nUpgrade: h2,h2c\r\nConnection: Upgrade\r\nContent-Length: 5\r\n\r\nhello"
		  "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
	EXPECT_FIELD(h, "http.statuscode", "200,404");
	EXPECT_FIELD(h, "http.md5", "5d41402abc4b2a76b9719d911017c592");
	EXPECT(!harness_has(h, "protocol", "websocket"));
	harness_destroy(h);
}

TEST(an_upgrade_to_h2c_is_classified)
{
	struct harness *h = harness_create();

	ASK(h, "GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n");
	ANSWER(h, "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n");
	ASK(h, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	EXPECT(harness_has(h, "protocol", "http2"));
	harness_destroy(h);
}

/* ---- Holes */

TEST(a_hole_in_a_body_costs_its_digest_only)
{
	struct harness *h = harness_create();

	ANSWER(h, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc");
	EXPECT(harness_gap(h, 1, 99990));
	ANSWER(h, "1234567HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\nhello");
	EXPECT_FIELD(h, "http.statuscode", "200,404");
	EXPECT_FIELD(h, "http.md5", "5d41402abc4b2a76b9719d911017c592");
	EXPECT(harness_gap(h, 1, 100));
	ANSWER(h, "lost");
	ANSWER(h, "HTTP/1.1 500 E\r\n\r\nto the end");
	EXPECT(harness_gap(h, 1, 1 << 20));
	ANSWER(h, "of it");
	harness_save(h, true);
	EXPECT_FIELD(h, "http.statuscode", "200,404,500");
	EXPECT_EQ(harness_count(h, "http.md5"), 1);
	harness_destroy(h);
}

TEST(behind_a_hole_in_headers_the_next_message_counts)
{
	struct harness *h = harness_create();

	ASK(h, "GET /one HTTP/1.1\r\nHost: h");
	EXPECT(harness_gap(h, 0, 10));
	ASK(h, "ader: rest\r\n\r\n");
	ASK(h, "GET /two HTTP/1.1\r\nHost: x\r\n\r\n");
	EXPECT_FIELD(h, "http.uri", "x/two");
	harness_destroy(h);
}

/* ---- Plugins */

static unsigned events[4], headers_told, urls_told;
static size_t body_bytes_told;

static int
message_told(struct shrike_ctx *ctx, struct cursor in, void *argument)
{
	const struct shrike_http_message *message = argument;

	(void)ctx;
	(void)in;
	events[message->event]++;
	if (message->event == SHRIKE_HTTP_COMPLETE && message->is_request && message->url_bytes == 2 &&
	    memcmp(message->url, "/e", 2) == 0)
		urls_told++;
	return 0;
}

static int
header_told(struct shrike_ctx *ctx, struct cursor in, void *argument)
{
	const struct shrike_http_header *header = argument;

	(void)ctx;
	if (header->name_bytes == 6 && memcmp(header->name, "X-Told", 6) == 0 &&
	    memcmp(header->lower_name, "x-told", 6) == 0)
		headers_told += (unsigned)cursor_left(&in);
	return 0;
}

static int
body_told(struct shrike_ctx *ctx, struct cursor in, void *argument)
{
	(void)ctx;
	(void)argument;
	body_bytes_told += cursor_left(&in);
	return 0;
}

static const struct shrike_hook message_hook = {"http.message", &http_protocol, message_told};
static const struct shrike_hook header_hook = {"http.header", &http_protocol, header_told};
static const struct shrike_hook body_hook = {"http.body", &http_protocol, body_told};
SHRIKE_HOOK(message_hook);
SHRIKE_HOOK(header_hook);
SHRIKE_HOOK(body_hook);

TEST(plugins_hear_of_messages_headers_and_bodies)
{
	struct harness *h = harness_create();

	memset(events, 0, sizeof(events));
	headers_told = 0;
	urls_told = 0;
	body_bytes_told = 0;
	ASK(h, "POST /e HTTP/1.1\r\nX-Told: abc\r\nContent-Length: 4\r\n\r\nwh");
	ASK(h, "at");
	ANSWER(h, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	EXPECT_EQ(events[SHRIKE_HTTP_BEGIN], 2);
	EXPECT_EQ(events[SHRIKE_HTTP_HEADERS_COMPLETE], 2);
	EXPECT_EQ(events[SHRIKE_HTTP_COMPLETE], 2);
	EXPECT_EQ(headers_told, 3);
	EXPECT_EQ(urls_told, 1);
	EXPECT_EQ(body_bytes_told, 6);
	harness_destroy(h);
}
