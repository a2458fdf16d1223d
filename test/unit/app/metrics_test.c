/* Where /metrics listens, and names. The page itself is held against Prometheus' parser by test/check/stats. */
#include "metrics.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "test.h"

static void
expect_address(const char *text, const char *host, unsigned port)
{
	struct sockaddr_storage address;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
	char found[INET6_ADDRSTRLEN] = "", why[128];

	if (!metrics_parse_address(text, &address, why, sizeof(why))) {
		EXPECT_STR(text, "an address");
		return;
	}
	inet_ntop(address.ss_family, address.ss_family == AF_INET ? (const void *)&v4->sin_addr : &v6->sin6_addr, found,
		  sizeof(found));
	EXPECT_STR(found, host);
	EXPECT_EQ(ntohs(address.ss_family == AF_INET ? v4->sin_port : v6->sin6_port), port);
}

TEST(metrics_listen_on_the_loopback_address_unless_told_another)
{
	expect_address("9150", "127.0.0.1", 9150);
	expect_address("65535", "127.0.0.1", 65535);
	expect_address("0.0.0.0:80", "0.0.0.0", 80);
	expect_address("10.1.2.3:1", "10.1.2.3", 1);
	expect_address("[::1]:9150", "::1", 9150);
	expect_address("[::]:9150", "::", 9150);
}

TEST(addresses_that_are_none_are_refused_with_a_reason)
{
	static const char *const bad[] = {
		"",	     ":9150",	 "0",	  "65536",
		"-1",	     "x",	 "9150x", "1.2.3.4",
		"host:9150", "::1:9150", "[::1]", "[]:1",
		"[::1:9150", "1.2.3.4:", " 9150", "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21.22:80"};
	struct sockaddr_storage address;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char why[128] = "";

		if (metrics_parse_address(bad[i], &address, why, sizeof(why)))
			EXPECT_STR(bad[i], "refused");
		EXPECT(why[0] != '\0');
	}
}

TEST(metric_names_have_letters_digits_and_underscores)
{
	char name[METRIC_NAME_BYTES], longest[256];

	EXPECT_STR(metrics_name(name, "session.not_saved-x y"), "shrike_session_not_saved_x_y_total");
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	EXPECT_EQ(strlen(metrics_name(name, longest)), strlen("shrike_") + 100 + strlen("_total"));
}
