// Answers: what the names were that a client asked for, by who asked and the server address that
// the answer gave; so that a flow without a name of its own can take the client's own newest one.
//
// Kept by the address that asked, since whose it is may be learned later. The last four answers of
// each (asker, server address) are kept; the same name answered again takes no further place, but
// adds its time. Ledger's thread only. Fixed memory: the pair answered longest ago is forgotten,
// and so are the oldest names.
#pragma once

#include "core/base/counters.h"
#include "core/base/hash.h"
#include "core/base/pool.h"
#include "core/client/client.h"

enum {
	ANSWERS_KEPT = 4,
	ANSWER_TIMES = 4, // of one name: the first, and the last three
	ANSWER_NAME_OCTETS = 64, // of the names' memory for each pair, on average
};

struct answers {
	struct pool pool; // of struct answer_pair
	uint32_t *buckets;
	uint32_t bucket_mask;
	uint32_t newest, oldest;
	struct hash_key key;
	// Names, one after the other, round and round: {length u16, octets}.
	uint8_t *names;
	uint32_t names_size;
	uint64_t names_written;
	struct counters *counters;
};

struct answer_name {
	uint64_t time_ns; // of the answer
	const uint8_t *name; // borrowed until the next answers_add()
	uint16_t name_len;
};

// `counters`: borrowed. Returns 0 or -ENOMEM.
int answers_init(
	struct answers *answers, uint32_t max, struct hash_key key, struct counters *counters);
void answers_fini(struct answers *answers); // accepts a zeroed one
size_t answers_bytes(const struct answers *answers);
void answers_prefault(struct answers *answers);

// Where the names of an asker and server address belong, for answers_add() and answers_find().
uint32_t answers_bucket(const struct answers *answers, const struct identity *asker,
	const uint8_t *server_ip, bool server_ip6);

// Puts a name down once, for all addresses of an answer; answers_add() then says for which.
uint64_t answers_name(struct answers *answers, const uint8_t *name, uint16_t name_len);
void answers_add(struct answers *answers, uint32_t bucket, const struct identity *asker,
	const uint8_t *server_ip, bool server_ip6, uint64_t name, uint64_t time_ns);

// The newest answer from `not_before_ns` on and not later than `when_ns`. Returns whether there is
// one.
bool answers_find(struct answers *answers, uint32_t bucket, const struct identity *asker,
	const uint8_t *server_ip, bool server_ip6, uint64_t not_before_ns, uint64_t when_ns,
	struct answer_name *ret);

// Hints, in steps, so that the memory of many can be fetched together: the bucket, the first pair
// in it, and what adding to that touches: those answered before and after it, and its name.
void answers_fetch_bucket(const struct answers *answers, uint32_t bucket);
void answers_fetch_pair(const struct answers *answers, uint32_t bucket);
void answers_fetch_around(const struct answers *answers, uint32_t bucket);
