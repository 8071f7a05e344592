// A run, put together and taken apart.
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/shard/process.h"
#include "core/shard/run_parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

bool run_waits(const struct run *r)
{
	if (r->settings->overload == OVERLOAD_AUTO)
		return !r->live;
	return r->settings->overload == OVERLOAD_WAIT;
}

bool run_time_is_up(void *run)
{
	struct run *r = run;

	if (process_stop && r->export_by_ns == 0)
		r->export_by_ns = clock_steady_ns() + r->settings->shutdown_timeout;
	return process_stop > 1 || (r->export_by_ns != 0 && clock_steady_ns() >= r->export_by_ns);
}

static int make_crew(struct run *r)
{
	char error[CREW_ERROR_SIZE] = "";
	struct crew_config config = {
		.settings = r->settings,
		.interfaces = &r->interfaces,
		.capture = r->config->capture,
		.classifiers = r->config->classifiers,
		.excluded = policy_excluded(r->config->policy),
		.live = r->live,
	};

	int err = crew_new(&r->crew, &config, error);
	if (!err) // no source is opened any more
		err = process_drop_capabilities(error, sizeof(error));
	if (err && process_stop) { // while it waited for a pipe to say anything
		log_warning("a signal came before there was anything to read");
		return -EINTR;
	}
	if (err)
		log_error("%s", error);
	return err;
}

static int make_ledger(struct run *r)
{
	const struct settings *s = r->settings;
	struct ledger_config config = {
		.settings = s,
		.policy = r->config->policy,
		.interface_names = r->titles,
		.counters = r->counters,
		.seed = s->seed,
		.prefault = r->live,
	};

	config.rings = crew_rings(r->crew, &config.ring_count);
	int err = batch_pool_init(&r->batches, (uint32_t)s->batches, (uint32_t)s->batch_bytes);
	r->batches.give_up = run_time_is_up;
	r->batches.give_up_arg = r;
	if (!err)
		err = record_new(&r->record, r->config->policy, crew_taxonomy(r->crew),
			&r->identity, &r->batches, s->format == FORMAT_JSON, run_waits(r));
	config.record = r->record;
	if (!err)
		err = ledger_new(&r->ledger, &config);
	if (err)
		log_error("the ledger does not start: %s; lower clients.max, clients.answers, "
			  "usage.max or export.batches",
			strerror(-err));
	return err;
}

// Whether it is a link with clients behind it.
static bool is_lan(const struct run *r, const char *name)
{
	for (uint32_t i = 0; i < r->interfaces.count; i++)
		if (strcmp(r->interfaces.items[i].name, name) == 0)
			return r->interfaces.items[i].role == ROLE_LAN;
	return false;
}

// The links' own prefixes are local.
static int add_link_prefixes(struct run *r)
{
	struct ifaddrs *all;
	int err = 0;

	if (!r->live)
		return 0;
	if (getifaddrs(&all) != 0)
		return -errno;
	for (const struct ifaddrs *a = all; a != NULL && !err; a = a->ifa_next) {
		if (a->ifa_addr == NULL || a->ifa_netmask == NULL || !is_lan(r, a->ifa_name))
			continue;
		bool ip6 = a->ifa_addr->sa_family == AF_INET6;
		if (!ip6 && a->ifa_addr->sa_family != AF_INET)
			continue;
		const uint8_t *ip = ip6 ? ((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr.s6_addr
					: (uint8_t *)&((struct sockaddr_in *)a->ifa_addr)->sin_addr;
		const uint8_t *mask = ip6
			? ((struct sockaddr_in6 *)a->ifa_netmask)->sin6_addr.s6_addr
			: (uint8_t *)&((struct sockaddr_in *)a->ifa_netmask)->sin_addr;
		unsigned bits = 0;
		for (unsigned i = 0; i < (ip6 ? 16u : 4u); i++)
			bits += (unsigned)__builtin_popcount(mask[i]);
		err = ledger_add_local(r->ledger, ip, ip6, (uint8_t)bits);
	}
	freeifaddrs(all);
	return err;
}

bool run_to_stdout(const struct run *r)
{
	return r->settings->output != NULL && strcmp(r->settings->output, "-") == 0;
}

static int start_export(struct run *r)
{
	char error[EXPORTER_ERROR_SIZE] = "";
	struct exporter_config config = {
		.settings = r->settings,
		.identity = &r->identity,
		.policy_sha256 = policy_sha256(r->config->policy),
		.to_stdout = run_to_stdout(r),
		.patience_ns = r->live ? 0 : r->settings->patience,
	};

	// What the exporter makes must be writable for whom we become.
	if (r->settings->exporter == EXPORTER_FILE && !config.to_stdout) {
		const char *directory =
			r->settings->output != NULL ? r->settings->output : r->settings->directory;
		int err = process_make_directory(directory, r->settings->user);
		if (err) {
			log_error("%s: cannot be made: %s", directory, strerror(-err));
			return err;
		}
	}
	int err = export_start(&r->export, r->config->exporter, &config, &r->batches, error);
	if (err)
		log_error("%s", error);
	return err;
}

static int drop_privileges(const struct run *r)
{
	char error[256];

	int err = process_drop_privileges(r->settings->user, error, sizeof(error));
	if (err)
		log_error("%s", error);
	return err;
}

// Several shards have threads, which start when nothing of root's is left to do.
static int start_crew(const struct run *r)
{
	char error[CREW_ERROR_SIZE] = "";

	int err = crew_start(r->crew, error);
	if (err)
		log_error("%s", error);
	return err;
}

int run_open(struct run *r)
{
	r->counters = aligned_alloc(CACHE_LINE, sizeof(*r->counters));
	if (r->counters == NULL)
		return -ENOMEM;
	memset(r->counters, 0, sizeof(*r->counters));
	int err = make_crew(r);
	if (!err)
		err = make_ledger(r);
	if (!err)
		err = add_link_prefixes(r);
	if (!err)
		err = summary_new(&r->summary, r->record);
	if (!err)
		err = start_export(r);
	if (!err)
		err = drop_privileges(r);
	if (!err)
		err = start_crew(r);
	return err;
}

void run_close(struct run *r)
{
	if (r->export != NULL)
		export_stop(r->export, 0); // its thread, where the start failed after it
	export_free(r->export);
	summary_free(r->summary);
	ledger_free(r->ledger);
	record_free(r->record);
	batch_pool_fini(&r->batches);
	crew_free(r->crew);
	free(r->counters);
}
