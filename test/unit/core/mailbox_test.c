#include "mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "test.h"

struct message {
	uint32_t sender, number;
};

TEST(a_box_gives_what_was_sent_in_order)
{
	struct mailbox *m = mailbox_open(7, sizeof(struct message));
	struct message out[4];

	REQUIRE(m != NULL);
	for (uint32_t i = 0; i < 3; i++)
		EXPECT_EQ(mailbox_send(7, &(struct message){.number = i}, sizeof(out[0])), 0);
	EXPECT_EQ(mailbox_take(m, out, sizeof(out[0]), 4), 3);
	for (uint32_t i = 0; i < 3; i++)
		EXPECT_EQ(out[i].number, i);
	EXPECT_EQ(mailbox_take(m, out, sizeof(out[0]), 4), 0);
	mailbox_shut(m);
	mailbox_close(m);
}

TEST(a_full_box_refuses_and_a_shut_one_keeps_what_is_inside)
{
	struct mailbox *m = mailbox_open(8, sizeof(struct message));
	struct message message = {0};
	unsigned sent = 0;

	REQUIRE(m != NULL);
	while (sent <= MAILBOX_MESSAGES && mailbox_send(8, &message, sizeof(message)) == 0)
		sent++;
	EXPECT_EQ(sent, MAILBOX_MESSAGES - 1);
	EXPECT_EQ(mailbox_send(8, &message, sizeof(message)), -ENOBUFS);
	EXPECT_EQ(mailbox_refused(m), 2);
	mailbox_shut(m);
	EXPECT_EQ(mailbox_send(8, &message, sizeof(message)), -ESHUTDOWN);
	EXPECT_EQ(mailbox_take(m, &message, sizeof(message), 1), 1);
	mailbox_close(m);
}

TEST(numbers_are_taken_once_and_come_back)
{
	struct mailbox *m = mailbox_open(9, sizeof(struct message));
	struct message message = {0};

	REQUIRE(m != NULL);
	EXPECT(mailbox_open(9, sizeof(message)) == NULL);
	EXPECT_EQ(errno, EBUSY);
	EXPECT(mailbox_open(MAILBOXES, sizeof(message)) == NULL);
	EXPECT_EQ(mailbox_send(MAILBOXES, &message, sizeof(message)), -ESHUTDOWN);
	EXPECT_EQ(mailbox_send(10, &message, sizeof(message)), -ESHUTDOWN);
	mailbox_shut(m);
	mailbox_close(m);
	m = mailbox_open(9, sizeof(message));
	REQUIRE(m != NULL);
	EXPECT_EQ(mailbox_take(m, &message, sizeof(message), 1), 0);
	mailbox_shut(m);
	mailbox_close(m);
}

enum { SENDERS = 3, EACH = 5000 };

static void *
send_all(void *context)
{
	struct message message = {.sender = *(const uint32_t *)context};

	for (message.number = 0; message.number < EACH; message.number++)
		while (mailbox_send(11, &message, sizeof(message)) != 0)
			sched_yield();
	return NULL;
}

TEST(messages_of_several_threads_arrive_once_and_each_senders_in_order)
{
	struct mailbox *m = mailbox_open(11, sizeof(struct message));
	uint32_t name[SENDERS], expected[SENDERS] = {0};
	pthread_t thread[SENDERS];
	struct message message;

	REQUIRE(m != NULL);
	for (uint32_t i = 0; i < SENDERS; i++) {
		name[i] = i;
		REQUIRE(pthread_create(&thread[i], NULL, send_all, &name[i]) == 0);
	}
	for (unsigned taken = 0; taken < SENDERS * EACH;) {
		if (mailbox_take(m, &message, sizeof(message), 1) == 0) {
			sched_yield();
			continue;
		}
		EXPECT_EQ(message.number, expected[message.sender]);
		expected[message.sender]++;
		taken++;
	}
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(thread[i], NULL);
	mailbox_shut(m);
	mailbox_close(m);
}
