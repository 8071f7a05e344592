// The command `weir read`: takes segments one after another, rows out of their blocks, and prints
// each as a JSON line; or the counts of all. What is damaged is named on standard error, and the
// rest is read.
#include "read.h"

#include "core/base/compiler.h"
#include "core/base/log.h"
#include "core/export/segment_read.h"
#include "core/record/read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	EXIT_DAMAGED = 1,
	EXIT_NOTHING = 2,
	TEXT_MIN = 64 << 10, // of one row as JSON
	TEXT_MAX = 64 << 20,
	STREAM_READ = 256 << 10,
	STREAM_ROW_MAX = 16 << 20,
};

static_assert(STREAM_READ + 8 <= (int)SEGMENT_PREFIX_MAX);

struct reading {
	struct segment_reader *reader;
	enum record_type only; // RECORD_NONE: all
	bool stats;
	bool damaged, any;
	struct read_text text;
	uint64_t rows[RECORD_TYPE_COUNT], bytes[RECORD_TYPE_COUNT];
	uint64_t files, raw_bytes, file_bytes;
};

__attribute__((format(printf, 3, 4))) static void damage(
	struct reading *r, const char *path, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_warning("\"%s\": %s", path, text);
	r->damaged = true;
}

// ---- rows

static bool text_grow(struct read_text *text)
{
	size_t capacity = text->capacity == 0 ? TEXT_MIN : text->capacity * 2;
	char *bytes = capacity > TEXT_MAX ? NULL : realloc(text->bytes, capacity);

	if (bytes == NULL)
		return false;
	text->bytes = bytes;
	text->capacity = capacity;
	return true;
}

// Returns 0 or -EBADMSG: this is no row.
static int print_protobuf(struct reading *r, enum record_type type, const uint8_t *row, size_t len)
{
	int err;

	do {
		r->text.size = 0;
		err = read_row_json(type, row, len, &r->text);
	} while (err == -ENOBUFS && text_grow(&r->text));
	if (err != 0)
		return -EBADMSG;
	fwrite(r->text.bytes, 1, r->text.size, stdout);
	putchar('\n');
	return 0;
}

static bool wanted(const struct reading *r, enum record_type type)
{
	return r->only == RECORD_NONE || r->only == type;
}

// Returns 0 or -EBADMSG. `row` is a message, or a JSON object without its newline.
static int take_row(
	struct reading *r, enum record_type type, bool json, const uint8_t *row, size_t len)
{
	int err = 0;

	if (!wanted(r, type))
		return 0;
	if (!r->stats && json) {
		fwrite(row, 1, len, stdout);
		putchar('\n');
	} else if (!r->stats) {
		err = print_protobuf(r, type, row, len);
	}
	if (err == 0) {
		r->rows[type]++;
		r->bytes[type] += len;
	}
	return err;
}

// The next row of rows: 1, 0 at the end, or -EBADMSG.
static int next_row(
	const uint8_t **bytes, size_t *left, bool json, const uint8_t **ret_row, size_t *ret_len)
{
	if (!json)
		return read_delimited(bytes, left, ret_row, ret_len);
	if (*left == 0)
		return 0;
	const uint8_t *end = memchr(*bytes, '\n', *left);
	if (end == NULL)
		return -EBADMSG;
	*ret_row = *bytes;
	*ret_len = (size_t)(end - *bytes);
	*left -= *ret_len + 1;
	*bytes = end + 1;
	return 1;
}

// ---- segments

static void take_block(struct reading *r, const char *path, const struct segment_block *block)
{
	const uint8_t *at = block->bytes, *row;
	size_t left = block->size, len;
	uint32_t rows = 0;
	int more, err = 0;

	r->any = true;
	r->raw_bytes += block->size;
	if (block->type >= RECORD_TYPE_COUNT) {
		damage(r, path,
			"%" PRIu32 " rows at offset %" PRIu64 " are of a later version of weir",
			block->rows, block->offset);
		return;
	}
	while ((more = next_row(&at, &left, block->json, &row, &len)) > 0) {
		rows++;
		if (take_row(r, block->type, block->json, row, len) != 0)
			err = -EBADMSG;
	}
	if (err != 0 || more < 0)
		damage(r, path, "the block at offset %" PRIu64 " holds what is no %s row",
			block->offset, record_type_name(block->type));
	else if (rows != block->rows)
		damage(r, path,
			"the block at offset %" PRIu64 " holds %" PRIu32 " rows, not %" PRIu32,
			block->offset, rows, block->rows);
}

// `open`: it is called unfinished by its name, so that it may be.
static void read_segment(
	struct reading *r, const char *path, int fd, bool open, const uint8_t *prefix, size_t len)
{
	struct segment_block block;
	struct segment_info info;
	enum segment_found found;
	uint64_t bytes = 0;

	segment_reader_open(r->reader, fd, prefix, len);
	while ((found = segment_reader_next(r->reader, &block)) != SEGMENT_END) {
		if (found == SEGMENT_DAMAGE) {
			// A segment that was begun this moment has not even its head.
			if (!open || segment_reader_whole_bytes(r->reader) > 0)
				damage(r, path, "%s", segment_reader_damage(r->reader));
			continue;
		}
		take_block(r, path, &block);
		bytes = block.offset + block.file_size;
	}
	r->any = r->any || segment_reader_info(r->reader, &info);
	r->files++;
	r->file_bytes += MAX(bytes, segment_reader_whole_bytes(r->reader));
	if (segment_reader_finished(r->reader))
		return;
	if (open)
		log_info("\"%s\" is not finished: it is being written, or its collector was "
			 "stopped hard",
			path);
	else
		damage(r, path, "it has no end: what follows offset %" PRIu64 " is missing",
			segment_reader_whole_bytes(r->reader));
}

static bool ends_with(const char *text, const char *suffix)
{
	size_t len = strlen(text), suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

static void read_file(struct reading *r, const char *path)
{
	bool open_name = ends_with(path, ".open");
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	// It may have been finished since its directory was listed.
	if (fd < 0 && errno == ENOENT && open_name) {
		char *final = strndup(path, strlen(path) - strlen(".open"));
		if (final != NULL)
			fd = open(final, O_RDONLY | O_CLOEXEC);
		free(final);
	}
	if (fd < 0) {
		damage(r, path, "%s", strerror(errno));
		return;
	}
	read_segment(r, path, fd, open_name, NULL, 0);
	close(fd);
}

static int is_segment(const struct dirent *entry)
{
	return ends_with(entry->d_name, ".wseg") || ends_with(entry->d_name, ".wseg.open");
}

static void read_directory(struct reading *r, const char *path)
{
	struct dirent **entries = NULL;
	int count = scandir(path, &entries, is_segment, alphasort);

	if (count < 0)
		damage(r, path, "%s", strerror(errno));
	else if (count == 0)
		log_warning("\"%s\": no segments there", path);
	for (int i = 0; i < count; i++) {
		char *name = NULL;
		if (asprintf(&name, "%s/%s", path, entries[i]->d_name) >= 0)
			read_file(r, name);
		free(name);
		free(entries[i]);
	}
	free(entries);
}

// ---- rows from standard input

struct stream {
	uint8_t *bytes;
	size_t at, have, max;
	bool at_eof;
};

// More octets behind those there; false at the end, or when a row would be too long.
static bool stream_fill(struct stream *s)
{
	if (s->at > 0) {
		memmove(s->bytes, s->bytes + s->at, s->have - s->at);
		s->have -= s->at;
		s->at = 0;
	}
	if (s->max - s->have < STREAM_READ) {
		uint8_t *bytes = s->max > STREAM_ROW_MAX
			? NULL
			: realloc(s->bytes, MAX(2 * s->max, 2 * (size_t)STREAM_READ));
		if (bytes == NULL)
			return false;
		s->bytes = bytes;
		s->max = MAX(2 * s->max, 2 * (size_t)STREAM_READ);
	}
	ssize_t count;
	do
		count = read(STDIN_FILENO, s->bytes + s->have, STREAM_READ);
	while (count < 0 && errno == EINTR);
	if (count <= 0)
		s->at_eof = true;
	else
		s->have += (size_t)count;
	return count > 0;
}

// Of a JSON row, by its first key.
static enum record_type json_type(const uint8_t *row, size_t len)
{
	for (enum record_type type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++) {
		char first[64];
		int size = snprintf(
			first, sizeof(first), "{\"record\":\"%s\"", record_type_name(type));
		if (len >= (size_t)size && memcmp(row, first, (size_t)size) == 0)
			return type;
	}
	return RECORD_NONE;
}

static void read_rows(struct reading *r, struct stream *s, bool json)
{
	uint64_t rows = 0, bad = 0;

	do {
		const uint8_t *at = s->bytes + s->at, *row;
		size_t left = s->have - s->at, len;
		while (next_row(&at, &left, json, &row, &len) > 0) {
			enum record_type type = json ? json_type(row, len) : r->only;
			if (type == RECORD_NONE || take_row(r, type, json, row, len) != 0)
				bad++;
			else
				r->any = true;
			rows++;
		}
		s->at = s->have - left;
	} while (stream_fill(s));
	if (bad > 0)
		damage(r, "-", "%" PRIu64 " of %" PRIu64 " rows are no %s rows", bad, rows,
			r->only == RECORD_NONE ? "JSON" : record_type_name(r->only));
	if (s->at < s->have)
		damage(r, "-", "after %" PRIu64 " rows %zu octets are left that are no row", rows,
			s->have - s->at);
}

static void read_stdin(struct reading *r)
{
	struct stream s = {0};

	while (s.have < 8 && stream_fill(&s))
		;
	if (s.have > 0 && s.bytes[0] == '{') {
		read_rows(r, &s, true);
	} else if (segment_is(s.bytes, s.have)) {
		read_segment(r, "-", STDIN_FILENO, false, s.bytes, s.have);
	} else if (r->only != RECORD_NONE) {
		read_rows(r, &s, false);
	} else {
		log_error("standard input is neither a segment nor JSON; of delimited protobuf say "
			  "the record: weir read --type flow -");
	}
	free(s.bytes);
}

// ---- the command

static void print_stats(const struct reading *r)
{
	for (enum record_type type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++)
		if (wanted(r, type))
			printf("%-8s %12" PRIu64 " rows %14" PRIu64 " octets\n",
				record_type_name(type), r->rows[type], r->bytes[type]);
	if (r->files > 0 && r->file_bytes > 0)
		printf("%-8s %12" PRIu64 "      %14" PRIu64 " octets: 1 to %.2f\n", "segments",
			r->files, r->file_bytes, (double)r->raw_bytes / (double)r->file_bytes);
}

static void usage(FILE *out)
{
	fputs("usage: weir read [--type flow|client|usage|health|erasure] [--stats] PATH...\n\n"
	      "Prints the records of segments as JSON lines: of files, of all segments of a "
	      "directory in the\norder of time, or (-) of a segment, JSON lines or, with --type, "
	      "delimited protobuf from standard\ninput.\n\n"
	      "  --type NAME   only records of this type\n"
	      "  --stats       counts and sizes instead of the records\n\n"
	      "Exit status: 0; 1 when something was damaged, which is named, and the rest was "
	      "printed; 2 when\nnothing could be read.\n",
		out);
}

static bool type_of(const char *name, enum record_type *ret)
{
	for (enum record_type type = RECORD_FLOW; type < RECORD_TYPE_COUNT; type++) {
		if (strcmp(name, record_type_name(type)) == 0) {
			*ret = type;
			return true;
		}
	}
	return false;
}

// -1: go on; else the exit status.
static int read_options(struct reading *r, int argc, char **argv)
{
	static const struct option options[] = {
		{"type", required_argument, NULL, 't'},
		{"stats", no_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};

	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == 'h') {
			usage(stdout);
			return 0;
		}
		if (option == 's') {
			r->stats = true;
		} else if (option != 't' || !type_of(optarg, &r->only)) {
			usage(stderr);
			return EXIT_NOTHING;
		}
	}
	if (optind == argc) {
		usage(stderr);
		return EXIT_NOTHING;
	}
	return -1;
}

static void read_path(struct reading *r, const char *path)
{
	struct stat info;

	if (strcmp(path, "-") == 0)
		read_stdin(r);
	else if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
		read_directory(r, path);
	else
		read_file(r, path);
}

int command_read(int argc, char **argv)
{
	struct reading r = {0};

	int status = read_options(&r, argc, argv);
	if (status >= 0)
		return status;
	if (segment_reader_new(&r.reader) != 0 || !text_grow(&r.text)) {
		log_error("no memory");
		segment_reader_free(r.reader);
		return EXIT_NOTHING;
	}
	for (int i = optind; i < argc; i++)
		read_path(&r, argv[i]);
	if (r.stats)
		print_stats(&r);
	segment_reader_free(r.reader);
	free(r.text.bytes);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		log_error("cannot write to standard output: %s", strerror(errno));
		return EXIT_NOTHING;
	}
	if (!r.any)
		return EXIT_NOTHING;
	return r.damaged ? EXIT_DAMAGED : 0;
}
