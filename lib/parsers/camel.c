/* CAMEL (3GPP TS 29.078): what the switches of mobile networks ask of the services that steer calls.
 *
 * Only a hook, for tcap.c. Recorded are the operations, and of those that begin a call, a short message or a data
 * session who is involved. Parameters are searched for at the top level of an operation's argument. */
#include "ber.h"
#include "hooks.h"
#include "parser.h"

#include <rte_common.h>

enum { F_OPERATION, F_CALLING, F_CALLED, F_IMSI, F_TCAP_OPERATION, N_FIELDS };

static const struct field camel_fields[N_FIELDS] = {
	[F_OPERATION] = {"camel.op", "camel.op", "camel", "lotermfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
			 "Operation", "Names of operations", NULL},
	[F_CALLING] = {"camel.calling", "camel.calling", "camel", "termfield", FIELD_STR_SET,
		       FIELD_COUNT | FIELD_TO_NUL, "Calling", "Numbers of those who call", NULL},
	[F_CALLED] = {"camel.called", "camel.called", "camel", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL,
		      "Called", "Numbers called", NULL},
	[F_IMSI] = {"camel.imsi", "camel.imsi", "camel", "termfield", FIELD_STR_SET, FIELD_COUNT | FIELD_TO_NUL, "IMSI",
		    "Subscribers", NULL},
	[F_TCAP_OPERATION] = {.name = "tcap.opcode"},
};

enum {
	CONTEXT_BYTES = 7,
	LENGTH_INDEFINITE = 0x80,
	LENGTH_LONGEST = 0x83, /* of a length before the components: three more bytes */

	/* Identifiers of TCAP. */
	COMPONENTS = 0x6c,
	INVOKE = 0xa1,
	RETURN_RESULT = 0xa2,
	INTEGER = 0x02,
	INTEGER_MAX = 2,
	SEQUENCE = 0x30,

	/* Operations that begin something. */
	INITIAL_DP = 0,
	INITIAL_DP_SMS = 60,
	INITIAL_DP_GPRS = 78,

	/* Identifiers of their parameters: primitive, constructed. */
	CALLED = 0x82,
	CALLED_CONSTRUCTED = 0xa2,
	CALLING = 0x83,
	CALLING_CONSTRUCTED = 0xa3,
	IMSI_SMS = 0x8a,
	IMSI_SMS_CONSTRUCTED = 0xaa,
	IMSI_LONG = 0x9f, /* followed by IMSI_LONG_NUMBER */
	IMSI_LONG_NUMBER = 50,
	IMSI_MIN = 3,
	IMSI_MAX = 8,

	NUMBER_HEAD_BYTES = 2, /* nature of address and numbering plan (ITU-T Q.763, 3.9) */
	IS_ODD = 0x80,	       /* in the first: the last half byte is none */
	DIGITS_MAX = 31,
};

/* etsi(0) mobileDomain(0) gsm-Network(1) applicationContext(0) ... of versions 1 to 4. */
static const uint8_t contexts[][CONTEXT_BYTES] = {
	{0x04, 0x00, 0x00, 0x01, 0x00, 0x32, 0x00},
	{0x04, 0x00, 0x00, 0x01, 0x00, 0x32, 0x01},
	{0x04, 0x00, 0x00, 0x01, 0x15, 0x03, 0x04},
	{0x04, 0x00, 0x00, 0x01, 0x17, 0x03, 0x04},
};

static const char *const operation_names[] = {
	[0] = "initialDP",
	[16] = "assistRequestInstructions",
	[17] = "establishTemporaryConnection",
	[18] = "disconnectForwardConnection",
	[19] = "connectToResource",
	[20] = "connect",
	[22] = "releaseCall",
	[23] = "requestReportBCSMEvent",
	[24] = "eventReportBCSM",
	[27] = "collectInformation",
	[31] = "continue",
	[32] = "initiateCallAttempt",
	[33] = "resetTimer",
	[34] = "furnishChargingInformation",
	[35] = "applyCharging",
	[36] = "applyChargingReport",
	[41] = "callGap",
	[44] = "callInformationReport",
	[45] = "callInformationRequest",
	[46] = "sendChargingInformation",
	[47] = "playAnnouncement",
	[48] = "promptAndCollectUserInformation",
	[49] = "specializedResourceReport",
	[53] = "cancel",
	[55] = "activityTest",
	[60] = "initialDPSMS",
	[61] = "furnishChargingInformationSMS",
	[62] = "connectSMS",
	[63] = "requestReportSMSEvent",
	[64] = "eventReportSMS",
	[65] = "continueSMS",
	[66] = "releaseSMS",
	[67] = "resetTimerSMS",
	[70] = "activityTestGPRS",
	[71] = "applyChargingGPRS",
	[72] = "applyChargingReportGPRS",
	[73] = "cancelGPRS",
	[74] = "connectGPRS",
	[75] = "continueGPRS",
	[76] = "entityReleasedGPRS",
	[77] = "furnishChargingInformationGPRS",
	[78] = "initialDPGPRS",
	[79] = "releaseGPRS",
	[80] = "eventReportGPRS",
	[81] = "requestReportGPRSEvent",
	[82] = "resetTimerGPRS",
	[83] = "sendChargingInformationGPRS",
	[86] = "dFCWithArgument",
	[88] = "continueWithArgument",
	[90] = "disconnectLeg",
	[93] = "moveLeg",
	[95] = "splitLeg",
	[96] = "entityReleased",
	[97] = "playTone",
};

/* Digits in half bytes, the low one first, 'half_bytes' at most. */
static void
emit_digits(struct shrike_ctx *ctx, unsigned field, struct cursor in, size_t half_bytes)
{
	static const char digits[] = "0123456789*#";
	enum { END = 15, HALF_BYTE_BITS = 4 };
	char text[DIGITS_MAX];
	size_t size = 0;

	for (size_t i = 0; i < half_bytes && cursor_left(&in) > 0; i++) {
		uint8_t digit = i % 2 == 0 ? cursor_peek(&in, 0) & 0x0f : cursor_u8(&in) >> HALF_BYTE_BITS;

		if (digit == END)
			break;
		if (digit >= sizeof(digits) - 1)
			continue;
		if (size == DIGITS_MAX)
			return;
		text[size++] = digits[digit];
	}
	if (size > 0)
		shrike_emit_bytes(ctx, field, text, size);
}

static void
emit_number(struct shrike_ctx *ctx, unsigned field, struct cursor in)
{
	bool is_odd = (cursor_u8(&in) & IS_ODD) != 0;
	size_t half_bytes;

	cursor_skip(&in, NUMBER_HEAD_BYTES - 1);
	half_bytes = 2 * cursor_left(&in);
	if (half_bytes > 0)
		emit_digits(ctx, field, in, is_odd ? half_bytes - 1 : half_bytes);
}

static void
emit_imsi(struct shrike_ctx *ctx, struct cursor in)
{
	size_t size = cursor_left(&in);

	if (size >= IMSI_MIN && size <= IMSI_MAX)
		emit_digits(ctx, F_IMSI, in, 2 * size);
}

static bool
next_element(struct cursor *in, struct ber_element *e)
{
	return ber_next(in, e) && !e->clipped;
}

static void
argument_parameters(struct shrike_ctx *ctx, struct cursor in)
{
	struct ber_element e;

	while (next_element(&in, &e))
		switch (e.identifier) {
		case CALLED:
		case CALLED_CONSTRUCTED:
			emit_number(ctx, F_CALLED, e.value);
			break;
		case CALLING:
		case CALLING_CONSTRUCTED:
			emit_number(ctx, F_CALLING, e.value);
			break;
		case IMSI_SMS:
		case IMSI_SMS_CONSTRUCTED:
			emit_imsi(ctx, e.value);
			break;
		case IMSI_LONG:
			if (e.tag == IMSI_LONG_NUMBER)
				emit_imsi(ctx, e.value);
			break;
		default:
			break;
		}
}

static void
operation(struct shrike_ctx *ctx, unsigned code)
{
	shrike_add_protocol(ctx, "camel");
	shrike_emit_int(ctx, F_TCAP_OPERATION, code);
	SHRIKE_EMIT_NAME(ctx, F_OPERATION, operation_names, code);
}

/* The first number is that of the invocation, further ones are operations, of which an argument follows. */
static void
component(struct shrike_ctx *ctx, struct cursor in)
{
	struct ber_element e;
	unsigned n_numbers = 0, code = 0;

	while (next_element(&in, &e)) {
		if (e.identifier == INTEGER && cursor_left(&e.value) >= 1 && cursor_left(&e.value) <= INTEGER_MAX) {
			code = (unsigned)ber_int(&e);
			if (n_numbers++ > 0)
				operation(ctx, code);
		} else if (e.identifier == SEQUENCE && n_numbers > 1 &&
			   (code == INITIAL_DP || code == INITIAL_DP_SMS || code == INITIAL_DP_GPRS)) {
			argument_parameters(ctx, e.value);
		}
	}
}

static void
components(struct shrike_ctx *ctx, struct cursor in)
{
	struct ber_element e;

	while (next_element(&in, &e))
		if (e.identifier == INVOKE || e.identifier == RETURN_RESULT)
			component(ctx, e.value);
}

/* The reference's reader knows no longer lengths here, and no indefinite one. */
static bool
length_is_usable(const struct cursor *c)
{
	uint8_t length = cursor_peek(c, 1);

	return length != LENGTH_INDEFINITE && length <= LENGTH_LONGEST;
}

/* Puts 'in' behind the transaction's own header; false: its length is not usable. What it is does not matter: the
 * message ends where its bytes do. */
static bool
enter_transaction(struct cursor *in)
{
	uint8_t identifier;
	uint32_t length;

	return length_is_usable(in) && ber_header(in, &identifier, &length) == BER_HEADER_OK;
}

static int
camel_message(struct shrike_ctx *ctx, struct cursor in, void *argument)
{
	struct shrike_tcap_message *tcap = argument;
	struct ber_element e;
	bool is_ours = false;

	for (size_t i = 0; i < RTE_DIM(contexts); i++)
		is_ours |=
			tcap->context_bytes == CONTEXT_BYTES && memcmp(tcap->context, contexts[i], CONTEXT_BYTES) == 0;
	if (!is_ours)
		return 0;
	tcap->is_bad = !enter_transaction(&in);
	while (!tcap->is_bad && cursor_left(&in) > 0) {
		tcap->is_bad = !length_is_usable(&in);
		if (tcap->is_bad || !next_element(&in, &e))
			break;
		if (e.identifier == COMPONENTS) {
			components(ctx, e.value);
			break;
		}
	}
	return 0;
}

/* Only its hook is used. */
static enum shrike_verdict
camel_parse(struct shrike_ctx *ctx, struct cursor in)
{
	(void)ctx;
	(void)in;
	return SHRIKE_NOT_MINE;
}

static const struct shrike_parser camel = {
	.api = SHRIKE_API,
	.name = "camel",
	.fields = camel_fields,
	.n_fields = N_FIELDS,
	.parse = camel_parse,
};
SHRIKE_PARSER(camel);

static const struct shrike_hook camel_hook = {.name = "tcap.message", .owner = &camel, .call = camel_message};
SHRIKE_HOOK(camel_hook);
