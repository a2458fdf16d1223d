/* libFuzzer: what Elasticsearch answers to bulk requests.
 *
 *   1 byte: how many items were sent; then the answer
 *
 * Each item is told of once, in order, or none is; an error in words ends where its room ends. */
#include "fuzz.h"

#include "elastic_priv.h"

enum { WHY_BYTES = 128 };

static void
each(unsigned item, const struct item_answer *a, void *context)
{
	unsigned *n = context;

	fuzz_require(item == (*n)++, "items are told of in order");
	fuzz_require(a->type != NULL && a->reason != NULL, "an item has its words");
	fuzz_require(a->fate == ITEM_TAKEN || a->fate == ITEM_AGAIN || a->fate == ITEM_REFUSED, "an item has a fate");
	fuzz_require(!a->is_double || a->fate == ITEM_TAKEN, "what was taken before is taken");
}

static void
explain(const char *text, size_t size)
{
	json_error_t error;
	json_t *answer = json_loadb(text, size, 0, &error);

	for (size_t room = 1; room <= WHY_BYTES; room *= 4) {
		char *why = malloc(room);

		fuzz_require(why != NULL, "memory");
		elastic_explain(answer, 400, why, room);
		fuzz_require(memchr(why, '\0', room) != NULL, "words end");
		free(why);
	}
	json_decref(answer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	unsigned n, told = 0;
	char *text;
	bool is_clean;

	if (size < 1)
		return -1;
	n = bytes[0];
	size--;
	/* With its end, as curl's buffer has it, which is none of the answer's bytes. */
	text = malloc(size + 1);
	fuzz_require(text != NULL, "memory");
	memcpy(text, &bytes[1], size);
	text[size] = '\0';
	is_clean = answer_is_clean(text, size, n);
	fuzz_require(!is_clean || !answer_is_clean(text, size, n + 1), "an answer has one number of items");
	if (answer_each(text, size, n, each, &told) == 0)
		fuzz_require(told == n, "every item is told of");
	else
		fuzz_require(told == 0, "of a bad answer nothing is told");
	explain(text, size);
	free(text);
	return 0;
}
