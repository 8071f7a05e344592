// Deadlines: in order of time, then of age, whatever queue or heap they stand in; each client's
// last word counts.
#include "core/ledger/deadlines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { CLIENTS = 48, STEPS = 200000 };

struct model {
	struct client_table clients;
	struct deadlines deadlines;
	struct client *client[CLIENTS];
	uint64_t due_ns[CLIENTS]; // as it should be
	uint64_t random;
};

static void open_model(struct model *m)
{
	*m = (struct model){.random = 88172645463325252u};
	assert_int_equal(
		client_table_init(&m->clients, CLIENTS, CLIENTS, NS_PER_S, hash_key_new(1, 1)), 0);
	assert_int_equal(deadlines_init(&m->deadlines, &m->clients), 0);
	for (unsigned i = 0; i < CLIENTS; i++) {
		uint8_t mac[6] = {0, 0, 0, 0, 0, (uint8_t)(i + 1)};
		struct identity id = identity_of_mac(0, mac);
		m->client[i] = client_table_add(&m->clients, &id, client_bucket(&m->clients, &id));
		m->due_ns[i] = CLIENT_NEVER;
	}
}

static void close_model(struct model *m)
{
	deadlines_fini(&m->deadlines);
	client_table_fini(&m->clients);
}

static uint64_t draw(struct model *m, uint64_t below)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return (m->random >> 16) % below;
}

static void set(struct model *m, unsigned i, uint64_t due_ns, enum deadline_kind kind)
{
	deadline_set(&m->deadlines, m->client[i], due_ns, kind);
	m->due_ns[i] = due_ns;
	assert_true(m->client[i]->due_ns == due_ns);
}

// Who should be first: clients are in the order of their age.
static unsigned earliest(const struct model *m)
{
	unsigned first = 0;

	for (unsigned i = 1; i < CLIENTS; i++)
		if (m->due_ns[i] < m->due_ns[first])
			first = i;
	return first;
}

static void check(struct model *m)
{
	unsigned first = earliest(m);

	assert_true(deadline_first_ns(&m->deadlines) == m->due_ns[first]);
	assert_ptr_equal(deadline_first(&m->deadlines),
		m->due_ns[first] == CLIENT_NEVER ? NULL : m->client[first]);
}

static void test_random(void **)
{
	static struct model m;
	uint64_t now = 1;

	open_model(&m);
	check(&m);
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned i = (unsigned)draw(&m, CLIENTS);
		now += draw(&m, 3); // often the same time for several
		switch (draw(&m, 6)) {
		case 0:
			set(&m, i, CLIENT_NEVER, DEADLINE_OTHER);
			break;
		case 1:
			set(&m, i, now + draw(&m, 100), DEADLINE_OTHER);
			break;
		case 2:
			set(&m, i, now + 10, DEADLINE_FIRST_ROW);
			break;
		case 3:
			// A hint that is wrong now and then.
			set(&m, i, now + 60 - (draw(&m, 50) == 0) * 40, DEADLINE_NEXT_ROW);
			break;
		default:
			while (deadline_first_ns(&m.deadlines) <= now) {
				check(&m);
				set(&m, earliest(&m), now + 60, DEADLINE_NEXT_ROW);
			}
		}
		check(&m);
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		set(&m, i, CLIENT_NEVER, DEADLINE_OTHER);
	check(&m);
	close_model(&m);
}

// One who never is due first while others' deadlines come and go does not fill a queue.
static void test_left(void **)
{
	static struct model m;

	open_model(&m);
	set(&m, 0, 10, DEADLINE_FIRST_ROW);
	for (unsigned i = 0; i < 100 * CLIENTS; i++) {
		set(&m, 1 + i % (CLIENTS - 1), 100 + i, DEADLINE_FIRST_ROW);
		assert_true(m.deadlines.queues[DEADLINE_FIRST_ROW].to -
				m.deadlines.queues[DEADLINE_FIRST_ROW].from <=
			4 * CLIENTS);
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		check(&m);
		set(&m, earliest(&m), CLIENT_NEVER, DEADLINE_OTHER);
	}
	assert_null(deadline_first(&m.deadlines));
	assert_int_equal(m.deadlines.count, 0); // all stood in the queue
	close_model(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
