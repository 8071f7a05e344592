// The file exporter: segments in a directory, named so that they sort by time, each under its name
// with ".open" behind it until it is whole. Without a place on disk rows are lost, and counted;
// with room again a new segment begins.
//
// A segment that a crash left open is finished at the next start. One that a running collector
// writes is locked, and left alone.
#include "core/base/clock.h"
#include "core/export/exporter.h"
#include "core/export/segment.h"
#include "exporters/stream.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAME_SIZE = 96 };

static const char open_suffix[] = ".wseg.open";

struct exporter {
	struct export_done *done;
	const struct settings *settings;
	struct stream *stream; // standard output instead of segments, or NULL
	struct segment_info info;
	struct segment_writer *writer;
	const char *directory; // the settings'
	int directory_fd;
	int fd; // of the open segment, or -1
	char name[NAME_SIZE]; // its name once it is finished
	uint64_t begun_ns; // steady
	uint32_t number; // of the last segment
	bool failing;
	bool left_open; // a segment could not be finished
	uint64_t bytes_raw, bytes_sent; // of segments before the open one
};

static void open_name(char name[NAME_SIZE + 8], const char *final)
{
	snprintf(name, NAME_SIZE + 8, "%s.open", final);
}

// The directory, and those above it; *ret_made: whether it was not there.
static int make_directory(const char *path, bool *ret_made)
{
	char partial[4096];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(partial))
		return len == 0 ? -ENOENT : -ENAMETOOLONG;
	memcpy(partial, path, len + 1);
	*ret_made = false;
	for (size_t i = 1; i <= len; i++) {
		if (partial[i] != '/' && partial[i] != '\0')
			continue;
		partial[i] = '\0';
		if (mkdir(partial, 0750) == 0)
			*ret_made = true;
		else if (errno != EEXIST)
			return -errno;
		else
			*ret_made = false;
		partial[i] = path[i];
	}
	return 0;
}

// Whom the collector becomes once everything is open, or NULL: it stays who it is.
static const struct passwd *user_to_be(const struct exporter *e)
{
	const char *user = e->settings->user;

	// Where there is no such user, whoever becomes it says so.
	return geteuid() == 0 && user != NULL && user[0] != '\0' ? getpwnam(user) : NULL;
}

static bool may_write(int fd, const struct passwd *user)
{
	struct stat info;

	if (user == NULL || user->pw_uid == 0)
		return faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0;
	if (fstat(fd, &info) != 0)
		return false;
	mode_t wanted = info.st_uid == user->pw_uid ? S_IWUSR | S_IXUSR
		: info.st_gid == user->pw_gid       ? S_IWGRP | S_IXGRP
						    : S_IWOTH | S_IXOTH;
	return (info.st_mode & wanted) == wanted;
}

// A directory that root makes belongs to the user whom the collector becomes. One that was there
// stays as it is: then it must do.
static int open_directory(struct exporter *e, char error[EXPORTER_ERROR_SIZE])
{
	const struct passwd *user = user_to_be(e);
	bool made = false;

	int err = make_directory(e->directory, &made);
	if (err == 0) {
		e->directory_fd = open(e->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		err = e->directory_fd < 0 ? -errno : 0;
	}
	if (err == 0 && made && user != NULL &&
		fchown(e->directory_fd, user->pw_uid, user->pw_gid) != 0)
		err = -errno;
	if (err != 0) {
		snprintf(error, EXPORTER_ERROR_SIZE,
			"cannot write segments into the directory \"%.400s\": %s", e->directory,
			strerror(-err));
		return err;
	}
	if (may_write(e->directory_fd, user))
		return 0;
	snprintf(error, EXPORTER_ERROR_SIZE,
		"cannot write segments into the directory \"%.300s\": user \"%s\" may not; chown "
		"it, name another, or choose the user by setting user",
		e->directory, user != NULL ? user->pw_name : "of this process");
	return -EACCES;
}

static void complain(
	struct exporter *e, const char *what, const char *name, int err, const char *hint)
{
	char text[EXPORTER_ERROR_SIZE];

	snprintf(text, sizeof(text), "cannot %s \"%.200s/%s\": %s; %s", what, e->directory, name,
		strerror(err), hint);
	export_error(e->done, text);
}

static int rename_final(struct exporter *e, const char *from, const char *to)
{
	if (renameat2(e->directory_fd, from, e->directory_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	// Not every file system can refuse to replace; then the name was free when it was chosen.
	if (errno == EINVAL && renameat(e->directory_fd, from, e->directory_fd, to) == 0)
		return 0;
	return -errno;
}

// The file is whole: to the disk with it, and to its name.
static int settle(struct exporter *e, int fd, const char *from, const char *to)
{
	if (fsync(fd) != 0)
		return -errno;
	int err = rename_final(e, from, to);
	if (err == 0 && fsync(e->directory_fd) != 0 && errno != EINVAL)
		err = -errno;
	return err;
}

static void recover(struct exporter *e, const char *name)
{
	char final[NAME_SIZE];
	size_t len = strlen(name) - strlen(".open");

	if (len >= sizeof(final))
		return;
	memcpy(final, name, len);
	final[len] = '\0';
	int fd = openat(e->directory_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		complain(e, "finish", name, errno, "weir read may still read it");
		return;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd); // somebody writes it
		return;
	}
	int err = segment_recover(e->writer, fd);
	if (err == -ENODATA)
		err = unlinkat(e->directory_fd, name, 0) != 0 ? -errno : 0;
	else if (err == 0)
		err = settle(e, fd, name, final);
	if (err != 0)
		complain(e, "finish", name, -err, "weir read prints what can be read of it");
	close(fd);
}

static void recover_all(struct exporter *e)
{
	int fd = openat(e->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		size_t len = strlen(entry->d_name), suffix = strlen(open_suffix);
		if (len > suffix && strncmp(entry->d_name, "weir-", 5) == 0 &&
			strcmp(entry->d_name + len - suffix, open_suffix) == 0)
			recover(e, entry->d_name);
	}
	closedir(dir);
}

static void fill_info(struct exporter *e, const struct exporter_config *config)
{
	const struct settings *settings = config->settings;

	e->info = (struct segment_info){
		.schema_version = SEGMENT_SCHEMA_VERSION,
		.boot_id = config->identity->boot_id,
		.json = settings->format == FORMAT_JSON,
	};
	memcpy(e->info.collector_id, config->identity->collector_id, sizeof(e->info.collector_id));
	memcpy(e->info.policy_sha256, config->policy_sha256, sizeof(e->info.policy_sha256));
	snprintf(e->info.region, sizeof(e->info.region), "%s",
		settings->region == NULL ? "" : settings->region);
	snprintf(e->info.policy_id, sizeof(e->info.policy_id), "%s",
		settings->policy_id == NULL ? "" : settings->policy_id);
	snprintf(e->info.policy_version, sizeof(e->info.policy_version), "%s",
		settings->policy_version == NULL ? "" : settings->policy_version);
	// With a seed a run repeats to the octet: its segments then begin when the run did.
	e->info.created_ns = settings->seed != 0 ? config->identity->run_start_ns : 0;
}

static void file_close(struct exporter *exporter);

static int file_open(struct exporter **ret, const struct exporter_config *config,
	char error[EXPORTER_ERROR_SIZE])
{
	struct exporter *e = calloc(1, sizeof(*e));
	if (e == NULL) {
		snprintf(error, EXPORTER_ERROR_SIZE, "no memory for the file exporter");
		return -ENOMEM;
	}
	e->done = config->done;
	e->settings = config->settings;
	e->fd = e->directory_fd = -1;
	int err;
	if (config->to_stdout) {
		err = stream_new(&e->stream, config->done, STDOUT_FILENO);
	} else {
		fill_info(e, config);
		e->directory = config->settings->output != NULL ? config->settings->output
								: config->settings->directory;
		err = segment_writer_new(&e->writer, (int)config->settings->zstd_level);
	}
	if (err != 0)
		snprintf(error, EXPORTER_ERROR_SIZE, "no memory for the file exporter");
	else if (!config->to_stdout)
		err = open_directory(e, error);
	if (err != 0) {
		file_close(e);
		return err;
	}
	if (!config->to_stdout)
		recover_all(e);
	*ret = e;
	return 0;
}

// The name of the next segment, and its file under that name with ".open"; or -errno.
static int create_segment(struct exporter *e, uint64_t created_ns)
{
	char name[NAME_SIZE + 8], created[32];
	time_t created_s = (time_t)(created_ns / NS_PER_S);
	struct tm utc;

	gmtime_r(&created_s, &utc);
	strftime(created, sizeof(created), "%Y%m%dT%H%M%SZ", &utc);
	for (;;) {
		snprintf(e->name, sizeof(e->name), "weir-%s-%016" PRIx64 "-%06" PRIu32 ".wseg",
			created, e->info.boot_id, ++e->number);
		// A run with a seed may come again to where it was.
		if (faccessat(e->directory_fd, e->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		open_name(name, e->name);
		int fd = openat(e->directory_fd, name,
			O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
		if (fd >= 0)
			return fd;
		if (errno != EEXIST) {
			e->number--; // numbers have no gaps
			return -errno;
		}
	}
}

// The directory that stands where the one that we had was. Whether there is one.
static bool open_directory_again(struct exporter *e)
{
	int fd = open(e->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return false;
	close(e->directory_fd);
	e->directory_fd = fd;
	return true;
}

static int begin_segment(struct exporter *e)
{
	char name[NAME_SIZE + 8];
	struct segment_info info = e->info;

	if (info.created_ns == 0)
		info.created_ns = clock_wall_ns();
	int fd = create_segment(e, info.created_ns);
	if (fd == -ENOENT && open_directory_again(e))
		fd = create_segment(e, info.created_ns);
	if (fd < 0)
		return fd;
	// For those who would finish it as left over.
	int err = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno != ENOLCK && errno != ENOSYS
		? -errno
		: segment_writer_begin(e->writer, fd, &info);
	if (err != 0) {
		open_name(name, e->name);
		unlinkat(e->directory_fd, name, 0);
		e->number--;
		close(fd);
		return err;
	}
	e->fd = fd;
	e->begun_ns = clock_steady_ns();
	return 0;
}

// Whether somebody removed the open segment, alone or with its directory: what is written to it is
// gone.
static bool is_removed(const struct exporter *e)
{
	struct stat info;

	return fstat(e->fd, &info) == 0 && info.st_nlink == 0;
}

static void finish_segment(struct exporter *e)
{
	char name[NAME_SIZE + 8];
	bool empty = segment_writer_raw_bytes(e->writer) == 0;

	open_name(name, e->name);
	int err = empty ? 0 : segment_writer_finish(e->writer);
	if (empty) { // no room for a single block
		unlinkat(e->directory_fd, name, 0);
		e->number--;
	} else if (err == 0) {
		err = settle(e, e->fd, name, e->name);
	}
	e->bytes_raw += segment_writer_raw_bytes(e->writer);
	e->bytes_sent += empty ? 0 : segment_writer_bytes(e->writer);
	close(e->fd);
	e->fd = -1;
	if (err == -ENOENT) {
		complain(e, "finish", name, ENOENT, "somebody removed it with the rows in it");
	} else if (err != 0) {
		complain(e, "finish", name, -err, "weir read reads it, and it is finished later");
		e->left_open = true;
	} else if (e->left_open && !empty) {
		// There is room again: now for those that could not be finished.
		e->left_open = false;
		recover_all(e);
	}
}

static bool due(const struct exporter *e)
{
	return segment_writer_bytes(e->writer) >= e->settings->segment_bytes ||
		segment_writer_full(e->writer) ||
		clock_steady_ns() - e->begun_ns >= e->settings->segment_age;
}

static int file_submit(struct exporter *exporter, struct batch *batch)
{
	struct exporter *e = exporter;

	if (e->stream != NULL)
		return stream_submit(e->stream, batch);
	if (e->fd >= 0 && is_removed(e))
		finish_segment(e);
	int err = e->fd < 0 ? begin_segment(e) : 0;
	if (err == 0)
		err = segment_writer_put(e->writer, batch);
	if (err == 0) {
		e->failing = false;
		export_delivered(e->done, batch->type, batch->count);
	} else {
		e->failing = true;
		export_lost(e->done, batch->type, LOST_SPOOL_FULL, batch->count);
		complain(e, "write", e->name, -err,
			err == -ENOSPC || err == -EDQUOT ? "rows are lost until there is room: "
							   "make some, or lower how much is kept"
							 : "rows are lost until that is mended");
	}
	export_batch(e->done, batch);
	// After an error the next batch begins anew, in a segment of its own.
	if (e->fd >= 0 && (err != 0 || due(e)))
		finish_segment(e);
	return 0;
}

static void file_poll(struct exporter *exporter, int timeout_ms)
{
	if (exporter->stream != NULL)
		stream_poll(exporter->stream, timeout_ms);
}

static bool file_idle(struct exporter *exporter, bool finish)
{
	if (exporter->stream != NULL)
		return stream_idle(exporter->stream);
	if (exporter->fd >= 0 && (finish || due(exporter)))
		finish_segment(exporter);
	return true;
}

static void file_stats(struct exporter *exporter, struct exporter_stats *ret)
{
	if (exporter->stream != NULL) {
		stream_stats(exporter->stream, ret);
		return;
	}
	*ret = (struct exporter_stats){
		.up = !exporter->failing,
		.bytes_raw = exporter->bytes_raw,
		.bytes_sent = exporter->bytes_sent,
	};
	if (exporter->fd >= 0) {
		ret->bytes_raw += segment_writer_raw_bytes(exporter->writer);
		ret->bytes_sent += segment_writer_bytes(exporter->writer);
	}
}

static void file_close(struct exporter *exporter)
{
	if (exporter == NULL)
		return;
	if (exporter->fd >= 0)
		finish_segment(exporter);
	stream_free(exporter->stream);
	segment_writer_free(exporter->writer);
	if (exporter->directory_fd >= 0)
		close(exporter->directory_fd);
	free(exporter);
}

const struct exporter_ops file_exporter_ops = {
	.name = "file",
	.open = file_open,
	.submit = file_submit,
	.poll = file_poll,
	.idle = file_idle,
	.stats = file_stats,
	.close = file_close,
};
