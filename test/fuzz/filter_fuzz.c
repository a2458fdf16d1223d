/* libFuzzer: 'bpf' as it runs by default, in libpcap's interpreter. (Machine code of DPDK 22.11's rte_bpf is known to
 * be wrong for some expressions: bpfMachineCode.)
 *
 *   1 byte of link type, 1 byte of how deep the expression nests, 1 byte: how many bytes of dice for it
 *   (filter_expressions.h); then the frame
 *
 * Of the frame and of all of its beginnings nothing behind the end is read: the page there is not mapped. A filter that
 * says yes to an expression says no to its contrary. */
#include "fuzz.h"

#include <sys/mman.h>

#include "../unit/port/filter_expressions.h"
#include "filter_priv.h"
#include "packet.h"

enum { DEPTH_MAX = 4, PAGE = 4096, FRAME_BYTES_MAX = PAGE, HEADER_BYTES = 3, STEP = 7 };

static uint8_t *page_end; /* of a page; the next one is not mapped */

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	page_end = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fuzz_require(page_end != MAP_FAILED && mprotect(page_end + PAGE, PAGE, PROT_NONE) == 0, "two pages");
	page_end += PAGE;
	return 0;
}

static void
compare(const struct filter_program *program, const struct filter_program *contrary, struct cursor frame)
{
	size_t size = cursor_left(&frame);
	const uint8_t *bytes = cursor_take(&frame, size);

	for (size_t cut = 0; cut <= size; cut += STEP) {
		uint32_t n = (uint32_t)(size - cut);
		uint8_t *at = page_end - n;

		if (n > 0)
			memcpy(at, bytes, n);
		/* A load behind the end makes both say no. */
		fuzz_require(!(filter_run_interpreter(program, at, n, n) && filter_run_interpreter(contrary, at, n, n)),
			     "not both an expression and its contrary");
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const uint16_t link_types[] = {LINK_ETHERNET, LINK_RAW, LINK_LINUX_SLL, LINK_NULL, LINK_IPV4};
	struct cursor in = cursor_make(bytes, size);
	uint16_t link_type = link_types[cursor_u8(&in) % (sizeof(link_types) / sizeof(link_types[0]))];
	unsigned depth = cursor_u8(&in) % DEPTH_MAX, n_dice = cursor_u8(&in);
	struct filter_dice dice = {.state = 88172645463325252};
	struct filter_text t = {.size = 0};
	struct filter_program program, contrary;
	char text[sizeof(t.bytes) + 8];
	char why[PCAP_ERRBUF_SIZE];

	if (size < HEADER_BYTES || size > HEADER_BYTES + UINT8_MAX + FRAME_BYTES_MAX)
		return -1;
	dice.bytes = cursor_sub(&in, n_dice < cursor_left(&in) ? n_dice : cursor_left(&in));
	cursor_limit(&in, FRAME_BYTES_MAX);
	filter_add_expression(&t, &dice, depth);
	snprintf(text, sizeof(text), "not (%s)", t.bytes);
	if (filter_program_make(&program, t.bytes, link_type, why, sizeof(why))) {
		if (filter_program_make(&contrary, text, link_type, why, sizeof(why)))
			compare(&program, &contrary, in);
		filter_program_free(&contrary);
	}
	filter_program_free(&program);
	return 0;
}
