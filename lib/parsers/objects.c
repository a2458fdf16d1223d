/* Objects of a record, read back by the parser that emitted them.
 *
 * Rare, and only from records that are still open: a look at all values of the record, no index. */
#include <string.h>

#include "parsing_priv.h"

struct copy {
	char *out;
	size_t size, length;
};

static void
copy_part(struct copy *copy, const struct record_value *v)
{
	if (copy->length + v->str.size <= copy->size)
		memcpy(copy->out + copy->length, v->str.text, v->str.size);
	copy->length += v->str.size;
}

size_t
shrike_object_at(struct shrike_ctx *ctx, unsigned field, unsigned i, char *out, size_t size)
{
	struct copy copy = {.out = out, .size = size};
	struct record_iterator it;
	struct record_value v;
	bool is_wanted = false, continues = false;

	if (!shrike_has_field(ctx, field))
		return 0;
	record_values_begin(context_record(ctx), &it);
	while (record_values_next(&it, &v)) {
		if (!continues)
			is_wanted = v.field == ctx->entry->field[field] && i-- == 0;
		if (is_wanted)
			copy_part(&copy, &v);
		continues = v.more;
		if (is_wanted && !continues)
			break;
	}
	return copy.length;
}
