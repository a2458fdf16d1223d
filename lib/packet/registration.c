/* What .so files register, beside what is built in.
 *
 * A .so is compiled without knowing the numbers of its protocols and tunnels, so it has arrays for them, by the place
 * of each in its own lists (plugin.h), which are filled here; its handlers then read a number with one load, as ours
 * do. Everything is checked before anything is taken: what is refused leaves no trace. Hooks stay where they are, in
 * the lists of the .so: decode_conf_create() walks all lists, and that is where two of one number are found.
 *
 * Given up: a .so cannot be taken back alone. It is a matter of start, and of tests. */
#include "decode_priv.h"

#include <errno.h>

#include "log.h"

enum { PLUGINS_MAX = 256, QUOTED_BYTES = 256 };

struct registered {
	const struct shrike_plugin *plugin;
	const char *path;
};
static struct registered registered[PLUGINS_MAX];
static unsigned n_registered;

static const char *tunnel_names[PACKET_TUNNELS_MAX] = {"gre", "pppoe", "ppp",	    "mpls",
						       "gtp", "vxlan", "vxlan-gpe", "geneve"};
static unsigned n_tunnels = PACKET_OWN_TUNNELS;

static const char *const kind_names[PACKET_HOOK_KINDS] = {
	[HOOK_ETHERTYPE] = "ethertype", [HOOK_IP_PROTOCOL] = "IP protocol", [HOOK_UDP_PORT] = "UDP port"};

const char *
packet_tunnel_name(unsigned bit)
{
	return bit < n_tunnels ? tunnel_names[bit] : NULL;
}

/* ---- Who it is */

static bool
contains(const struct shrike_plugin *plugin, const struct packet_hook *hook)
{
	for (const struct packet_hook *const *slot = plugin->packet_hooks; slot < plugin->packet_hooks_end; slot++)
		if (*slot == hook)
			return true;
	return false;
}

void
packet_hook_print(const struct packet_hook *hook, char *out, size_t size)
{
	for (unsigned i = 0; i < n_registered; i++) {
		if (contains(registered[i].plugin, hook)) {
			snprintf(out, size, "%s (%s)", registered[i].plugin->name, registered[i].path);
			return;
		}
	}
	snprintf(out, size, "shrike%s%s", hook->parser != NULL ? "'s " : "", hook->parser != NULL ? hook->parser : "");
}

static const char *
protocol_owner(const char *name)
{
	for (unsigned i = 0; i < n_registered; i++)
		for (const struct packet_protocol *const *slot = registered[i].plugin->protocols;
		     slot < registered[i].plugin->protocols_end; slot++)
			if (strcmp((*slot)->name, name) == 0)
				return registered[i].plugin->name;
	return "shrike";
}

static const char *
tunnel_owner(const char *name)
{
	for (unsigned i = 0; i < n_registered; i++)
		for (const struct packet_tunnel_name *const *slot = registered[i].plugin->tunnels;
		     slot < registered[i].plugin->tunnels_end; slot++)
			if (strcmp((*slot)->name, name) == 0)
				return registered[i].plugin->name;
	return "shrike";
}

/* ---- Whether it makes sense */

static __attribute__((format(printf, 3, 4))) int
refuse(const struct registered *r, int error, const char *format, ...)
{
	char why[QUOTED_BYTES], quoted[3][QUOTED_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	LOG_ERROR("packet.register", "plugin=\"%s\" file=\"%s\" error=\"%s\"",
		  log_quote(quoted[0], sizeof(quoted[0]), r->plugin->name),
		  log_quote(quoted[1], sizeof(quoted[1]), r->path), log_quote(quoted[2], sizeof(quoted[2]), why));
	return error;
}

static bool
is_text(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static int
check_protocol(const struct registered *r, const struct packet_protocol *p)
{
	if (!is_text(p->name) || !is_text(p->record_name))
		return refuse(r, -EINVAL, "a packet protocol without a name or record_name");
	if (p->type >= SESSION_TYPES || p->type == SESSION_TCP || p->type == SESSION_SCTP)
		return refuse(r, -EINVAL,
			      "packet protocol %s: sessions of type TCP and SCTP are those of TCP and SCTP alone",
			      p->name);
	if (p->timeout_s == 0)
		return refuse(r, -EINVAL, "packet protocol %s: its timeout_s is 0", p->name);
	if (packet_protocol_find(p->name) != 0)
		return refuse(r, -EEXIST, "packet protocol %s: %s has one of that name already", p->name,
			      protocol_owner(p->name));
	return 0;
}

static int
check_protocols(const struct registered *r)
{
	const struct packet_protocol *const *first = r->plugin->protocols, *const *end = r->plugin->protocols_end;
	int error = 0;

	if (first == end)
		return 0;
	if (r->plugin->protocol_ids == NULL)
		return refuse(r, -EINVAL, "packet protocols without a place for their ids: use SHRIKE_PLUGIN()");
	if ((size_t)(end - first) + packet_protocol_count() > PACKET_PROTOCOLS_MAX - 1)
		return refuse(r, -ENOSPC, "more than %d packet protocols in all", PACKET_PROTOCOLS_MAX - 1);
	for (const struct packet_protocol *const *slot = first; slot < end && error == 0; slot++) {
		error = check_protocol(r, *slot);
		for (const struct packet_protocol *const *other = first; other < slot && error == 0; other++)
			if (strcmp((*other)->name, (*slot)->name) == 0)
				error = refuse(r, -EEXIST, "packet protocol %s is there twice", (*slot)->name);
	}
	return error;
}

static int
check_tunnels(const struct registered *r)
{
	const struct packet_tunnel_name *const *first = r->plugin->tunnels, *const *end = r->plugin->tunnels_end;

	if (first == end)
		return 0;
	if (r->plugin->tunnel_bits == NULL)
		return refuse(r, -EINVAL, "tunnels without a place for their bits: use SHRIKE_PLUGIN()");
	if ((size_t)(end - first) + n_tunnels > PACKET_TUNNELS_MAX)
		return refuse(r, -ENOSPC, "more than %d tunnels of .so files in all",
			      PACKET_TUNNELS_MAX - PACKET_OWN_TUNNELS);
	for (const struct packet_tunnel_name *const *slot = first; slot < end; slot++) {
		if (!is_text((*slot)->name))
			return refuse(r, -EINVAL, "a tunnel without a name");
		for (unsigned i = 0; i < n_tunnels; i++)
			if (strcmp(tunnel_names[i], (*slot)->name) == 0)
				return refuse(r, -EEXIST, "tunnel %s: %s has one of that name already", (*slot)->name,
					      tunnel_owner((*slot)->name));
		for (const struct packet_tunnel_name *const *other = first; other < slot; other++)
			if (strcmp((*other)->name, (*slot)->name) == 0)
				return refuse(r, -EEXIST, "tunnel %s is there twice", (*slot)->name);
	}
	return 0;
}

static int
check_hooks(const struct registered *r)
{
	for (const struct packet_hook *const *slot = r->plugin->packet_hooks; slot < r->plugin->packet_hooks_end;
	     slot++) {
		const struct packet_hook *hook = *slot;

		if (hook->kind >= PACKET_HOOK_KINDS)
			return refuse(r, -EINVAL, "a packet hook of no kind there is (%d)", (int)hook->kind);
		if (hook->handle == NULL)
			return refuse(r, -EINVAL, "%s %u: a packet hook without a handler", kind_names[hook->kind],
				      hook->number);
		if (hook->kind == HOOK_IP_PROTOCOL && hook->number > UINT8_MAX)
			return refuse(r, -EINVAL, "IP protocol %u: there are 256", hook->number);
	}
	return 0;
}

/* ---- All of it */

static bool
is_known(const char *name)
{
	for (unsigned i = 0; i < n_registered; i++)
		if (strcmp(registered[i].plugin->name, name) == 0)
			return true;
	return false;
}

int
packet_register(const struct shrike_plugin *plugin, const char *path)
{
	struct registered r = {plugin, path};
	int error;

	if (is_known(plugin->name))
		return 0;
	if (n_registered == PLUGINS_MAX)
		return refuse(&r, -ENOSPC, "more than %d .so files", PLUGINS_MAX);
	error = check_protocols(&r);
	if (error == 0)
		error = check_tunnels(&r);
	if (error == 0)
		error = check_hooks(&r);
	if (error != 0)
		return error;
	registered[n_registered++] = r;
	for (ptrdiff_t i = 0; i < plugin->protocols_end - plugin->protocols; i++)
		plugin->protocol_ids[i] = packet_protocol_add(plugin->protocols[i]);
	for (ptrdiff_t i = 0; i < plugin->tunnels_end - plugin->tunnels; i++) {
		plugin->tunnel_bits[i] = (uint16_t)(1u << n_tunnels);
		tunnel_names[n_tunnels++] = plugin->tunnels[i]->name;
	}
	return 0;
}

void
packet_unregister(void)
{
	n_registered = 0;
	n_tunnels = PACKET_OWN_TUNNELS;
	packet_protocols_forget();
}

int
packet_hooks_each(int (*each)(void *context, const struct packet_hook *), void *context)
{
	int error = 0;

	REGISTRY_FOREACH (packet_hook, struct packet_hook, slot)
		error = error == 0 ? each(context, *slot) : error;
	for (unsigned i = 0; i < n_registered; i++)
		for (const struct packet_hook *const *slot = registered[i].plugin->packet_hooks;
		     slot < registered[i].plugin->packet_hooks_end && error == 0; slot++)
			error = each(context, *slot);
	return error;
}
