// The program weir-dpdk: EAL's options, then weir run's.
#include "capture_dpdk.h"
#include "collect.h"
#include "core/base/log.h"
#include "core/shard/process.h"
#include "options.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

static void usage(FILE *out)
{
	fputs("weir-dpdk collects traffic information from a NIC's port under DPDK and lets out "
	      "what\nthe privacy policy permits.\n\n"
	      "usage: weir-dpdk [EAL OPTIONS] -- -i PORT [OPTIONS]\n\n"
	      "PORT is a PCI address or the name of a --vdev. EAL's options: DPDK's guide, \"EAL "
	      "parameters\".\n\n",
		out);
	options_print_help(out);
}

static int find_split(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return i;
	return 0;
}

// Standard output is for rows: what EAL prints there goes to standard error.
static int init_aside(int argc, char **argv)
{
	int out = dup(STDOUT_FILENO);

	fflush(stdout);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	rte_openlog_stream(stderr);
	int err = 0;
	if (rte_eal_init(argc, argv) < 0)
		err = rte_errno > 0 ? -rte_errno : -ENODEV; // not every failure has a number
	fflush(stdout);
	if (out < 0) {
		close(STDOUT_FILENO);
	} else {
		dup2(out, STDOUT_FILENO);
		close(out);
	}
	return err;
}

// EAL binds the thread that starts it to a core, and those that it starts inherit that: the
// exporter's thread must not, so only the one that polls goes there (capture_dpdk.c).
static int start_eal(int argc, char **argv)
{
	cpu_set_t cores;

	bool known = sched_getaffinity(0, sizeof(cores), &cores) == 0;
	int err = init_aside(argc, argv);
	if (err) {
		log_error("DPDK does not start: %s; what it said stands above. Without huge pages "
			  "it takes --no-huge",
			rte_strerror(-err));
		return err;
	}
	if (known)
		sched_setaffinity(0, sizeof(cores), &cores);
	return 0;
}

int main(int argc, char **argv)
{
	process_keep_standard();
	process_no_dumps();
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		usage(stdout);
		return 0;
	}
	int split = find_split(argc, argv);
	if (split == 0) {
		usage(stderr);
		return EXIT_REFUSED;
	}
	// EAL may put its arguments into another order: it gets a list of its own.
	char *eal[split + 1];
	memcpy(eal, argv, (size_t)split * sizeof(*eal));
	eal[split] = NULL;
	if (start_eal(split, eal) != 0)
		return EXIT_REFUSED;
	int status = collect_command(argc - split, argv + split, &dpdk_capture_ops);
	rte_eal_cleanup();
	return status;
}
