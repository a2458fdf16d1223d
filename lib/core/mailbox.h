/* Mailboxes: messages of one size from any thread to one that polls.
 *
 * Threads: mailbox_send() any, at any time, also while boxes are opened and closed; the others the box's owner.
 * Ownership: messages are copied. A full box refuses. */
#ifndef MAILBOX_H
#define MAILBOX_H

#include <stddef.h>
#include <stdint.h>

enum { MAILBOXES = 64, MAILBOX_MESSAGES = 4096 };

struct mailbox;

/* 'bytes' of a message: a multiple of 4. NULL with errno: EBUSY (the number is in use or too high), ENOMEM. */
struct mailbox *mailbox_open(unsigned number, size_t bytes);

/* 0, -ESHUTDOWN (no such box is open) or -ENOBUFS (it is full). 'bytes' as at its opening. */
int mailbox_send(unsigned number, const void *message, size_t bytes);

/* How many of at most 'max' messages were taken. Cheap when there is none. */
unsigned mailbox_take(struct mailbox *, void *messages, size_t bytes, unsigned max);

/* Messages refused because the box was full, since it was opened. */
uint64_t mailbox_refused(const struct mailbox *);

/* Nothing more comes in; what is inside can still be taken. */
void mailbox_shut(struct mailbox *);

/* After mailbox_shut(): what is inside is dropped. */
void mailbox_close(struct mailbox *);

#endif
