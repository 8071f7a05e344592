// The command weir read: files, directories in order, standard input, damage and its exit status.
#include "batches.h"
#include "read.h"

#include "core/export/segment.h"

#include <fcntl.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64];
static char output[1 << 16], messages[1 << 16];

static int set_up(void **)
{
	snprintf(directory, sizeof(directory), "/tmp/weir-test-read-XXXXXX");
	assert_non_null(mkdtemp(directory));
	return 0;
}

static int tear_down(void **)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	assert_int_equal(system(command), 0);
	return 0;
}

static const char *path_of(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

// A protobuf row, delimited: field 3 (sequence) alone; and 14 (bytes_up) when it is a flow.
static void add_protobuf(struct batch *batch, unsigned sequence)
{
	struct batch_row *row = &batch->rows[batch->count++];
	const uint8_t bytes[] = {2, 3 << 3, (uint8_t)sequence};

	memset(row, 0, sizeof(*row));
	row->offset = batch->size;
	row->len = sizeof(bytes);
	memcpy(batch->bytes + batch->size, bytes, sizeof(bytes));
	batch->size += row->len;
}

// Two flows and a usage row, numbered from `first`.
static void write_segment(const char *name, unsigned first, bool json, bool finish)
{
	struct segment_info info = {.json = json};
	struct segment_writer *writer;
	struct batch *flows = rows_batch(RECORD_FLOW, 4096),
		     *usage = rows_batch(RECORD_USAGE, 4096);
	int fd = open(path_of(name), O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	for (unsigned i = 0; i < 3; i++) {
		struct batch *batch = i < 2 ? flows : usage;
		if (json)
			rows_add(batch, first + i, 0);
		else
			add_protobuf(batch, first + i);
	}
	assert_int_equal(segment_writer_new(&writer, 1), 0);
	assert_int_equal(segment_writer_begin(writer, fd, &info), 0);
	assert_int_equal(segment_writer_put(writer, flows), 0);
	assert_int_equal(segment_writer_put(writer, usage), 0);
	if (finish)
		assert_int_equal(segment_writer_finish(writer), 0);
	segment_writer_free(writer);
	rows_batch_free(flows);
	rows_batch_free(usage);
	close(fd);
}

static void slurp(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t len = read(fd, text, size - 1);

	assert_true(len >= 0);
	text[len] = '\0';
	close(fd);
}

static int redirect(int fd, const char *path, int flags)
{
	int before = dup(fd), to = open(path, flags, 0600);

	assert_true(before >= 0 && to >= 0);
	dup2(to, fd);
	close(to);
	return before;
}

static void restore(int fd, int before)
{
	dup2(before, fd);
	close(before);
}

// Runs the command with these arguments; its output and messages stand in `output` and `messages`.
static int weir_read(const char *input, const char *a, const char *b, const char *c)
{
	const char *argv[] = {"read", a, b, c, NULL};
	int argc = 1;

	while (argv[argc] != NULL)
		argc++;
	fflush(stdout);
	int in = redirect(STDIN_FILENO, input != NULL ? input : "/dev/null", O_RDONLY);
	int out = redirect(STDOUT_FILENO, path_of("out"), O_WRONLY | O_CREAT | O_TRUNC);
	int err = redirect(STDERR_FILENO, path_of("err"), O_WRONLY | O_CREAT | O_TRUNC);
	optind = 0;
	int status = command_read(argc, (char **)argv);
	fflush(stdout);
	fflush(stderr);
	restore(STDIN_FILENO, in);
	restore(STDOUT_FILENO, out);
	restore(STDERR_FILENO, err);
	slurp(path_of("out"), output, sizeof(output));
	slurp(path_of("err"), messages, sizeof(messages));
	return status;
}

// The sequence numbers in the output, in its order: "1 2 3 ".
static const char *sequences(void)
{
	static char text[256];
	size_t len = 0;

	text[0] = '\0';
	for (const char *at = output; (at = strstr(at, "\"sequence\":")) != NULL; at++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%ld ",
			strtol(at + strlen("\"sequence\":"), NULL, 10));
	return text;
}

static void test_protobuf(void **)
{
	write_segment("weir-1.wseg", 1, false, true);
	assert_int_equal(weir_read(NULL, path_of("weir-1.wseg"), NULL, NULL), 0);
	assert_string_equal(output,
		"{\"record\":\"flow\",\"sequence\":1}\n"
		"{\"record\":\"flow\",\"sequence\":2}\n"
		"{\"record\":\"usage\",\"sequence\":3}\n");
	assert_string_equal(messages, "");
	assert_int_equal(weir_read(NULL, "--type", "usage", path_of("weir-1.wseg")), 0);
	assert_string_equal(sequences(), "3 ");
}

// Finished and open ones of a directory in the order of time; an open one is no damage.
static void test_directory(void **)
{
	write_segment("weir-3.wseg.open", 7, true, false);
	write_segment("weir-1.wseg", 1, false, true);
	write_segment("weir-2.wseg", 4, true, true);
	write_segment("other", 10, true, true);
	assert_int_equal(weir_read(NULL, directory, NULL, NULL), 0);
	assert_string_equal(sequences(), "1 2 3 4 5 6 7 8 9 ");
	assert_non_null(strstr(messages, "weir-3.wseg.open\" is not finished"));
	assert_int_equal(weir_read(NULL, "--stats", directory, NULL), 0);
	assert_non_null(strstr(output, "flow                6 rows"));
	assert_non_null(strstr(output, "usage               3 rows"));
	assert_non_null(strstr(output, "segments            3 "));
}

static void change(const char *name, off_t at)
{
	int fd = open(path_of(name), O_RDWR);
	uint8_t octet;

	assert_int_equal(pread(fd, &octet, 1, at), 1);
	octet ^= 1;
	assert_int_equal(pwrite(fd, &octet, 1, at), 1);
	close(fd);
}

static void test_damage(void **)
{
	struct stat info;

	write_segment("weir-1.wseg", 1, false, true);
	write_segment("weir-2.wseg", 4, false, true);
	change("weir-1.wseg", 256 + 48 + 3);
	assert_int_equal(weir_read(NULL, directory, NULL, NULL), 1);
	assert_string_equal(sequences(), "3 4 5 6 ");
	assert_non_null(strstr(messages, "weir-1.wseg\": the block at offset 256 is damaged, "));
	assert_non_null(strstr(messages, "its footer counts 3 rows, 1 were read"));

	assert_int_equal(stat(path_of("weir-2.wseg"), &info), 0);
	assert_int_equal(truncate(path_of("weir-2.wseg"), info.st_size - 1), 0);
	assert_int_equal(weir_read(NULL, path_of("weir-2.wseg"), NULL, NULL), 1);
	assert_string_equal(sequences(), "4 5 6 ");
	assert_non_null(strstr(messages, "it has no end"));
}

// A block whose sums are right, and whose rows are not what it says.
static void test_lies(void **)
{
	struct segment_info info = {.json = false};
	struct segment_writer *writer;
	struct batch *batch = rows_batch(RECORD_FLOW, 4096);
	int fd = open(path_of("weir-1.wseg"), O_RDWR | O_CREAT, 0600);

	add_protobuf(batch, 1);
	add_protobuf(batch, 2);
	batch->bytes[batch->rows[1].offset] = 200; // longer than the block
	assert_int_equal(segment_writer_new(&writer, 1), 0);
	assert_int_equal(segment_writer_begin(writer, fd, &info), 0);
	assert_int_equal(segment_writer_put(writer, batch), 0);
	assert_int_equal(segment_writer_finish(writer), 0);
	segment_writer_free(writer);
	rows_batch_free(batch);
	close(fd);
	assert_int_equal(weir_read(NULL, directory, NULL, NULL), 1);
	assert_string_equal(sequences(), "1 ");
	assert_non_null(strstr(messages, "the block at offset 256 holds what is no flow row"));
}

static void test_nothing(void **)
{
	assert_int_equal(weir_read(NULL, directory, NULL, NULL), 2);
	assert_non_null(strstr(messages, "no segments there"));
	assert_int_equal(weir_read(NULL, path_of("none.wseg"), NULL, NULL), 2);
	assert_non_null(strstr(messages, "No such file"));
	assert_int_equal(weir_read(NULL, "/dev/zero-is-not-there", NULL, NULL), 2);
	assert_int_equal(weir_read(NULL, NULL, NULL, NULL), 2);
	assert_int_equal(weir_read(NULL, "--type", "people", directory), 2);
	assert_non_null(strstr(messages, "usage: weir read"));
	assert_int_equal(weir_read(NULL, "--help", NULL, NULL), 0);
	assert_non_null(strstr(output, "usage: weir read"));
	assert_int_equal(weir_read(path_of("err"), "-", NULL, NULL), 2);
}

static void test_stdin(void **)
{
	static const char json[] = "{\"record\":\"flow\",\"sequence\":1}\n"
				   "{\"record\":\"usage\",\"sequence\":2}\n";
	static const uint8_t rows[] = {2, 3 << 3, 5, 2, 3 << 3, 6};
	int fd;

	write_segment("weir-1.wseg", 1, false, true);
	assert_int_equal(weir_read(path_of("weir-1.wseg"), "-", NULL, NULL), 0);
	assert_string_equal(sequences(), "1 2 3 ");

	fd = open(path_of("json"), O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, json, strlen(json)), strlen(json));
	assert_int_equal(weir_read(path_of("json"), "-", NULL, NULL), 0);
	assert_string_equal(output, json);
	assert_int_equal(weir_read(path_of("json"), "--type", "usage", "-"), 0);
	assert_string_equal(sequences(), "2 ");
	assert_int_equal(write(fd, "{\"half", 6), 6);
	assert_int_equal(weir_read(path_of("json"), "-", NULL, NULL), 1);
	assert_string_equal(output, json);
	close(fd);

	fd = open(path_of("rows"), O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, rows, sizeof(rows)), sizeof(rows));
	assert_int_equal(weir_read(path_of("rows"), "--type", "flow", "-"), 0);
	assert_string_equal(sequences(), "5 6 ");
	assert_int_equal(weir_read(path_of("rows"), "-", NULL, NULL), 2);
	assert_non_null(strstr(messages, "weir read --type flow -"));
	assert_int_equal(write(fd, "\x09", 1), 1);
	assert_int_equal(weir_read(path_of("rows"), "--type", "flow", "-"), 1);
	assert_string_equal(sequences(), "5 6 ");
	assert_non_null(strstr(messages, "after 2 rows 1 octets are left"));
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_protobuf),
		TEST(test_directory),
		TEST(test_damage),
		TEST(test_lies),
		TEST(test_nothing),
		TEST(test_stdin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
