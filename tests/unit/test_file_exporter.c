// The file exporter and the null exporter, called as the export thread calls them: rotation, names,
// what a crash left, a full disk, standard output.
#include "batches.h"

#include "core/export/exporter.h"
#include "core/export/segment_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

extern const struct exporter_ops file_exporter_ops, null_exporter_ops;

// What the exporter tells, in place of the export thread.
struct export_done {
	uint64_t delivered, lost[LOST_CAUSE_COUNT];
	unsigned batches, errors;
	bool gone;
	char error[EXPORTER_ERROR_SIZE];
};

void export_delivered(struct export_done *done, enum record_type, uint64_t count)
{
	done->delivered += count;
}

void export_lost(struct export_done *done, enum record_type, enum lost_cause cause, uint64_t count)
{
	done->lost[cause] += count;
}

void export_batch(struct export_done *done, struct batch *)
{
	done->batches++;
}

void export_error(struct export_done *done, const char *text)
{
	done->errors++;
	snprintf(done->error, sizeof(done->error), "%s", text == NULL ? "" : text);
}

void export_gone(struct export_done *done)
{
	done->gone = true;
}

struct fixture {
	char directory[64];
	struct settings settings;
	struct record_identity identity;
	struct export_done done;
	struct exporter_config config;
	uint8_t sha256[32];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->directory, sizeof(f->directory), "/tmp/weir-test-file-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	assert_int_equal(settings_init(&f->settings), 0);
	free(f->settings.directory);
	assert_true(asprintf(&f->settings.directory, "%s/a/b", f->directory) > 0);
	f->settings.segment_bytes = 64 << 10;
	f->settings.format = FORMAT_JSON;
	free(f->settings.user);
	f->settings.user = strdup("");
	f->identity.boot_id = 0x1234;
	f->config = (struct exporter_config){
		.settings = &f->settings,
		.identity = &f->identity,
		.policy_sha256 = f->sha256,
		.done = &f->done,
	};
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", f->directory);
	assert_int_equal(system(command), 0);
	settings_fini(&f->settings);
	free(f);
	return 0;
}

static struct exporter *open_exporter(struct fixture *f)
{
	char error[EXPORTER_ERROR_SIZE] = "";
	struct exporter *e = NULL;

	assert_int_equal(file_exporter_ops.open(&e, &f->config, error), 0);
	assert_string_equal(error, "");
	return e;
}

static void submit_rows(struct exporter *e, unsigned first, unsigned count)
{
	struct batch *batch = rows_batch(RECORD_FLOW, 1 << 20);

	for (unsigned i = 0; i < count; i++)
		rows_add(batch, first + i, 1 + i % 50);
	assert_int_equal(file_exporter_ops.submit(e, batch), 0);
	rows_batch_free(batch);
}

// The names in the directory that end in `suffix`, sorted.
static unsigned list(const struct fixture *f, const char *suffix, char names[][256])
{
	struct dirent **entries;
	unsigned count = 0;
	int found = scandir(f->settings.directory, &entries, NULL, alphasort);

	assert_true(found >= 0);
	for (int i = 0; i < found; i++) {
		size_t len = strlen(entries[i]->d_name);
		if (len > strlen(suffix) &&
			strcmp(entries[i]->d_name + len - strlen(suffix), suffix) == 0)
			snprintf(names[count++], 256, "%s", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return count;
}

// Rows in a segment of the directory; *ret_finished whether it has its footer.
static uint64_t rows_in(const struct fixture *f, const char *name, bool *ret_finished)
{
	struct segment_reader *reader;
	struct segment_block block;
	char path[512];
	uint64_t rows = 0;
	enum segment_found found;

	snprintf(path, sizeof(path), "%s/%s", f->settings.directory, name);
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(segment_reader_new(&reader), 0);
	segment_reader_open(reader, fd, NULL, 0);
	while ((found = segment_reader_next(reader, &block)) == SEGMENT_BLOCK)
		rows += block.rows;
	assert_int_equal(found, SEGMENT_END);
	*ret_finished = segment_reader_finished(reader);
	segment_reader_free(reader);
	close(fd);
	return rows;
}

static char names[200][256];

static void test_rotation_by_size(void **state)
{
	struct fixture *f = *state;
	struct exporter *e = open_exporter(f);
	struct stat info;
	char path[512];
	bool finished;
	uint64_t rows = 0;

	for (unsigned i = 0; i < 100; i++)
		submit_rows(e, i * 1000, 1000);
	submit_rows(e, 100000, 10);
	unsigned count = list(f, ".wseg", names);
	assert_true(count >= 2);
	assert_int_equal(list(f, ".open", names), 1);
	file_exporter_ops.idle(e, true);
	file_exporter_ops.close(e);
	assert_int_equal(list(f, ".open", names), 0);
	assert_int_equal(list(f, ".wseg", names), count + 1);
	for (unsigned i = 0; i <= count; i++) {
		char wanted[64];
		snprintf(wanted, sizeof(wanted), "-0000000000001234-%06u.wseg", i + 1);
		assert_memory_equal(names[i], "weir-20", 7);
		assert_non_null(strstr(names[i], wanted));
		rows += rows_in(f, names[i], &finished);
		assert_true(finished);
		snprintf(path, sizeof(path), "%s/%s", f->settings.directory, names[i]);
		assert_int_equal(stat(path, &info), 0);
		assert_int_equal(info.st_mode & 0777 & ~0640u, 0);
		if (i < count) // over the limit by one block at most
			assert_in_range(info.st_size, 64 << 10, 128 << 10);
	}
	assert_int_equal(stat(f->settings.directory, &info), 0);
	assert_int_equal(info.st_mode & 0027, 0);
	assert_int_equal(rows, 100010);
	assert_int_equal(f->done.delivered, 100010);
	assert_int_equal(f->done.batches, 101);
	assert_int_equal(f->done.errors, 0);
}

// By age also when nothing comes: idle() sees to it.
static void test_rotation_by_age(void **state)
{
	struct fixture *f = *state;
	bool finished;

	f->settings.segment_age = 50 * NS_PER_MS;
	struct exporter *e = open_exporter(f);
	assert_true(file_exporter_ops.idle(e, false));
	assert_int_equal(list(f, "", names), 2); // "." and "..": no empty segments
	submit_rows(e, 0, 10);
	file_exporter_ops.idle(e, false);
	assert_int_equal(list(f, ".wseg", names), 0);
	assert_int_equal(list(f, ".open", names), 1);
	assert_int_equal(rows_in(f, names[0], &finished), 10); // readable while written
	assert_false(finished);
	nanosleep(&(struct timespec){.tv_nsec = 60 * (long)NS_PER_MS}, NULL);
	file_exporter_ops.idle(e, false);
	assert_int_equal(list(f, ".open", names), 0);
	assert_int_equal(list(f, ".wseg", names), 1);
	assert_int_equal(rows_in(f, names[0], &finished), 10);
	assert_true(finished);
	file_exporter_ops.close(e);
}

// -o DIR overrides the directory.
static void test_output(void **state)
{
	struct fixture *f = *state;
	struct exporter_stats stats;

	f->settings.output = f->settings.directory;
	f->settings.directory = strdup("/proc/nowhere");
	struct exporter *e = open_exporter(f);
	submit_rows(e, 0, 10);
	file_exporter_ops.stats(e, &stats);
	assert_true(stats.up);
	assert_true(stats.bytes_raw > stats.bytes_sent && stats.bytes_sent > 256);
	file_exporter_ops.close(e);
	free(f->settings.directory);
	f->settings.directory = f->settings.output;
	f->settings.output = NULL;
	assert_int_equal(list(f, ".wseg", names), 1);
}

static void test_no_directory(void **state)
{
	struct fixture *f = *state;
	char error[EXPORTER_ERROR_SIZE] = "";
	struct exporter *e = NULL;

	free(f->settings.directory);
	f->settings.directory = strdup("/dev/null/x");
	assert_true(file_exporter_ops.open(&e, &f->config, error) < 0);
	assert_null(e);
	assert_string_equal(
		error, "cannot write segments into the directory \"/dev/null/x\": Not a directory");
}

// Root makes the directory for the user whom the collector becomes; one that is there and not that
// user's stops the start. (Only root can try: for others there is no such change of user.)
static void test_user(void **state)
{
	struct fixture *f = *state;
	char error[EXPORTER_ERROR_SIZE] = "";
	struct exporter *e = NULL;
	struct stat info;

	if (geteuid() != 0)
		skip();
	free(f->settings.user);
	f->settings.user = strdup("nobody");
	file_exporter_ops.close(open_exporter(f));
	assert_int_equal(stat(f->settings.directory, &info), 0);
	assert_int_equal(info.st_uid, 65534);
	file_exporter_ops.close(open_exporter(f));
	assert_int_equal(chown(f->settings.directory, 0, 0), 0);
	assert_int_equal(file_exporter_ops.open(&e, &f->config, error), -EACCES);
	assert_non_null(strstr(error, "user \"nobody\" may not; chown it"));
	assert_int_equal(chmod(f->settings.directory, 0777), 0);
	file_exporter_ops.close(open_exporter(f));
}

// A segment that a crash left is finished at the next start, unless somebody is writing it; one
// without its head was nothing yet; a damaged one stays as it is, with a word to the operator.
static void test_left_over(void **state)
{
	struct fixture *f = *state;
	char command[2048];
	bool finished;

	struct exporter *writing = open_exporter(f);
	submit_rows(writing, 0, 10);
	assert_int_equal(list(f, ".open", names), 1);
	snprintf(command, sizeof(command),
		"cd %s && cp %s weir-20200101T000000Z-00-000001.wseg.open &&"
		" head -c 100 %s > weir-20200101T000000Z-00-000002.wseg.open &&"
		" head -c 320 %s > weir-20200101T000000Z-00-000003.wseg.open &&"
		" (head -c 300 %s; echo; tail -c +290 %s) > "
		"weir-20200101T000000Z-00-000004.wseg.open",
		f->settings.directory, names[0], names[0], names[0], names[0], names[0]);
	assert_int_equal(system(command), 0);

	struct exporter *next = open_exporter(f);
	assert_int_equal(list(f, ".open", names), 2);
	assert_non_null(strstr(names[0], "000004"));
	assert_int_equal(f->done.errors, 1);
	assert_non_null(strstr(f->done.error, "000004.wseg.open\": Bad message"));
	assert_int_equal(list(f, ".wseg", names), 2);
	assert_int_equal(rows_in(f, names[0], &finished), 10);
	assert_true(finished);
	assert_int_equal(rows_in(f, names[1], &finished), 0);
	assert_true(finished);
	file_exporter_ops.close(next);
	file_exporter_ops.close(writing);
	assert_int_equal(list(f, ".wseg", names), 3);
}

static void limit_files(uint64_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes == 0 ? limit.rlim_max : bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

// As with a full disk: rows are lost and counted, the operator reads why, and when there is room
// again a new segment begins. What was written before stays readable.
static void test_no_room(void **state)
{
	struct fixture *f = *state;
	struct exporter *e = open_exporter(f);
	struct exporter_stats stats;
	bool finished;

	submit_rows(e, 0, 100);
	assert_int_equal(f->done.delivered, 100);
	signal(SIGXFSZ, SIG_IGN);
	limit_files(2000);
	for (unsigned i = 0; i < 10; i++)
		submit_rows(e, 0, 1000);
	limit_files(100);
	submit_rows(e, 0, 100);
	limit_files(0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(f->done.lost[LOST_SPOOL_FULL], 10100);
	assert_int_equal(f->done.batches, 12);
	assert_non_null(strstr(f->done.error, "File too large; rows are lost until"));
	file_exporter_ops.stats(e, &stats);
	assert_false(stats.up);

	// The first segment had no room for its footer either; the failed ones had no rows.
	assert_int_equal(list(f, ".wseg", names), 0);
	assert_int_equal(list(f, ".open", names), 1);
	assert_int_equal(rows_in(f, names[0], &finished), 100);

	submit_rows(e, 0, 100);
	file_exporter_ops.stats(e, &stats);
	assert_true(stats.up);
	file_exporter_ops.close(e);
	assert_int_equal(f->done.delivered, 200);
	assert_int_equal(list(f, ".open", names), 0);
	assert_int_equal(list(f, ".wseg", names), 2);
	assert_non_null(strstr(names[1], "-000002.wseg")); // numbers have no gaps
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(rows_in(f, names[i], &finished), 100);
		assert_true(finished);
	}
}

// Two runs with the same seed in one directory: neither replaces the other's segments.
// A directory removed under us: what was in it is gone and told, what comes is lost and counted,
// until there is a directory again, which gets the segment after the one that is gone.
static void test_directory_removed(void **state)
{
	struct fixture *f = *state;
	struct exporter *e = open_exporter(f);
	bool finished;
	char command[128];

	submit_rows(e, 0, 10);
	assert_int_equal(f->done.delivered, 10);
	snprintf(command, sizeof(command), "rm -r %s/a", f->directory);
	assert_int_equal(system(command), 0);
	submit_rows(e, 10, 20);
	submit_rows(e, 30, 30);
	assert_int_equal(f->done.delivered, 10);
	assert_int_equal(f->done.lost[LOST_SPOOL_FULL], 50);
	assert_int_equal(f->done.errors, 3);
	assert_non_null(strstr(f->done.error, "lost"));
	snprintf(command, sizeof(command), "mkdir -p %s", f->settings.directory);
	assert_int_equal(system(command), 0);
	submit_rows(e, 60, 40);
	assert_int_equal(f->done.delivered, 50);
	assert_true(file_exporter_ops.idle(e, true));
	assert_int_equal(f->done.errors, 3);
	file_exporter_ops.close(e);
	assert_int_equal(list(f, ".wseg", names), 1);
	assert_non_null(strstr(names[0], "-000002.wseg"));
	assert_int_equal(rows_in(f, names[0], &finished), 40);
	assert_true(finished);
}

static void test_same_seed(void **state)
{
	struct fixture *f = *state;

	f->settings.seed = 7;
	f->identity.run_start_ns = UINT64_C(1700000000) * NS_PER_S;
	for (unsigned run = 0; run < 2; run++) {
		struct exporter *e = open_exporter(f);
		submit_rows(e, 0, 10);
		file_exporter_ops.close(e);
	}
	assert_int_equal(list(f, ".wseg", names), 2);
	assert_string_equal(names[0], "weir-20231114T221320Z-0000000000001234-000001.wseg");
	assert_string_equal(names[1], "weir-20231114T221320Z-0000000000001234-000002.wseg");
}

// Standard output as a pipe, in place of ours while the test runs.
static int pipe_begin(int ends[2])
{
	fflush(stdout);
	int ours = dup(STDOUT_FILENO);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
	dup2(ends[1], STDOUT_FILENO);
	close(ends[1]);
	return ours;
}

static void pipe_end(int ours)
{
	dup2(ours, STDOUT_FILENO);
	close(ours);
}

// All rows come out, without their Kafka keys, and nobody ever waits for a reader who does not
// read.
static void test_stdout(void **state)
{
	struct fixture *f = *state;
	char wanted[65536], seen[65536];
	size_t wanted_len = 0, seen_len = 0;
	struct batch *batch = rows_batch(RECORD_FLOW, 1 << 17),
		     *second = rows_batch(RECORD_USAGE, 4096);
	int ends[2];

	for (unsigned i = 0; i < 500; i++) {
		rows_add(batch, i, 1);
		memcpy(wanted + wanted_len, batch->bytes + batch->rows[i].offset,
			batch->rows[i].len);
		wanted_len += batch->rows[i].len;
	}
	rows_add(second, 0, 0);
	f->config.to_stdout = true;
	int ours = pipe_begin(ends);
	struct exporter *e = open_exporter(f);
	int first = file_exporter_ops.submit(e, batch);
	int again = file_exporter_ops.submit(e, second);
	file_exporter_ops.poll(e, 1);
	unsigned done_early = f->done.batches;
	while (f->done.batches == 0) {
		seen_len += (size_t)read(ends[0], seen + seen_len, 1000);
		file_exporter_ops.poll(e, 0);
	}
	bool idle = file_exporter_ops.idle(e, true);
	file_exporter_ops.close(e);
	pipe_end(ours);
	for (ssize_t count; (count = read(ends[0], seen + seen_len, 1000)) > 0;)
		seen_len += (size_t)count;
	close(ends[0]);

	assert_int_equal(first, 0);
	assert_int_equal(again, -EAGAIN);
	assert_int_equal(done_early, 0);
	assert_true(idle);
	assert_int_equal(seen_len, wanted_len);
	assert_memory_equal(seen, wanted, wanted_len);
	assert_int_equal(f->done.delivered, 500);
	assert_int_equal(access(f->settings.directory, F_OK), -1);
	rows_batch_free(batch);
	rows_batch_free(second);
}

// The reader goes in the middle: what it did not take is lost, and the run is told to end. Closing
// before it took everything counts the rest, too.
static void test_stdout_gone(void **state)
{
	struct fixture *f = *state;
	struct batch *batch = rows_batch(RECORD_FLOW, 1 << 17);
	int ends[2];

	for (unsigned i = 0; i < 500; i++)
		rows_add(batch, i, 1);
	f->config.to_stdout = true;
	int ours = pipe_begin(ends);
	signal(SIGPIPE, SIG_IGN);
	struct exporter *e = open_exporter(f);
	file_exporter_ops.submit(e, batch);
	file_exporter_ops.close(e);
	struct export_done first = f->done;
	e = open_exporter(f);
	file_exporter_ops.submit(e, batch);
	close(ends[0]);
	file_exporter_ops.poll(e, 10);
	struct export_done second = f->done;
	file_exporter_ops.submit(e, batch);
	file_exporter_ops.close(e);
	signal(SIGPIPE, SIG_DFL);
	pipe_end(ours);

	assert_int_equal(first.delivered + first.lost[LOST_SHUTDOWN], 500);
	assert_in_range(first.delivered, 1, 100);
	assert_int_equal(first.batches, 1);
	assert_int_equal(second.batches, 2);
	assert_true(second.gone);
	assert_int_equal(second.lost[LOST_BROKER] + second.delivered - first.delivered, 500);
	assert_string_equal(
		second.error, "the reader of standard output has gone: collection ends");
	assert_int_equal(f->done.batches, 3);
	assert_int_equal(f->done.lost[LOST_BROKER], second.lost[LOST_BROKER] + 500);
	rows_batch_free(batch);
}

static void test_null(void **state)
{
	struct fixture *f = *state;
	char error[EXPORTER_ERROR_SIZE] = "";
	struct exporter *e = NULL;
	struct exporter_stats stats;
	struct batch *batch = rows_batch(RECORD_FLOW, 4096);

	rows_add(batch, 1, 1);
	rows_add(batch, 2, 1);
	assert_int_equal(null_exporter_ops.open(&e, &f->config, error), 0);
	assert_int_equal(null_exporter_ops.submit(e, batch), 0);
	assert_true(null_exporter_ops.idle(e, true));
	null_exporter_ops.stats(e, &stats);
	assert_true(stats.up);
	assert_int_equal(stats.bytes_raw, batch->rows[0].len + batch->rows[1].len);
	null_exporter_ops.close(e);
	null_exporter_ops.close(NULL);
	assert_int_equal(f->done.delivered, 2);
	assert_int_equal(f->done.batches, 1);
	rows_batch_free(batch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rotation_by_size),
		TEST(test_rotation_by_age),
		TEST(test_output),
		TEST(test_no_directory),
		TEST(test_user),
		TEST(test_left_over),
		TEST(test_no_room),
		TEST(test_directory_removed),
		TEST(test_same_seed),
		TEST(test_stdout),
		TEST(test_stdout_gone),
		TEST(test_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
