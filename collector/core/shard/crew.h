// The crew: all shards of a run with their sources, turned by main alone where there is one, each
// by a thread of its own where there are several.
//
// Several shards of a live source each have a queue of it. Of a file, or a source that cannot share
// its packets out, or where all must have one clock, a dispatching reader feeds them: main turns it
// where the source is live, else the first shard does. Of two shards main turns that one: they are
// two threads, and half of what is said to the ledger stays on its core; of more each is a thread,
// and main has the ledger alone. Main's thread calls everything here, and opens every shard:
// libraries of classifiers have state of the process, which one thread must set up.
#pragma once

#include "core/shard/shard.h"
#include "core/shard/worker.h"

#include "core/settings/interfaces.h"

struct crew;

enum { CREW_ERROR_SIZE = CAPTURE_ERROR_SIZE };

struct crew_config {
	const struct settings *settings; // all borrowed
	const struct interfaces *interfaces;
	const struct capture_ops *capture;
	const struct classifier_ops *const *classifiers;
	const struct excluded *excluded;
	bool live;
};

// Opens sources and makes shards; no thread yet. Returns 0, or -errno with *ret untouched and in
// `error` one sentence for the operator.
int crew_new(struct crew **ret, const struct crew_config *config, char error[CREW_ERROR_SIZE]);
void crew_free(struct crew *crew); // accepts NULL; ends and joins threads

// Lets packets come and, for several shards, starts their threads: after privileges were dropped.
// Returns 0, or -errno and a sentence in `error`.
int crew_start(struct crew *crew, char error[CREW_ERROR_SIZE]);

// One turn of whatever is main's: the only shard, the reader, or a look at the threads. Returns the
// count of packets it moved, or -ENODATA when every shard has said its last. A shard whose source
// breaks ends the others.
int crew_turn(struct crew *crew);
struct nap crew_nap(const struct crew *crew); // how main may sleep between turns
void crew_stop(struct crew *crew); // ends the sources: the next turns flush

// Where the ledger hears the shards; `*ret_count` of them.
struct event_ring **crew_rings(struct crew *crew, uint32_t *ret_count);
const struct taxonomy *crew_taxonomy(const struct crew *crew);

// Whether the source's end has been read, or where it broke: nothing more comes of it.
bool crew_read_whole(const struct crew *crew);

// How many interfaces or files there are, and why number `i` is broken now, or NULL. An only one is
// told of when nobody turns it any more.
uint32_t crew_captures(const struct crew *crew);
const char *crew_broken(const struct crew *crew, uint32_t i);

void crew_memory(const struct crew *crew, struct memory_pools *pools);

// Flows at this time.
uint32_t crew_flows(const struct crew *crew);

// Adds what all shards and the reader have counted to `sum`.
void crew_counters(const struct crew *crew, uint64_t sum[COUNTER_COUNT]);

// How many queues there are of each interface.
uint32_t crew_queues(const struct crew *crew);

// What queue `queue` of interface `interface` has lost, and what came of it (packets and octets). A
// tenth of a second old at the most while threads run.
void crew_source(const struct crew *crew, uint32_t interface, uint32_t queue,
	struct capture_stats *ret_stats, uint64_t *ret_packets, uint64_t *ret_bytes);
