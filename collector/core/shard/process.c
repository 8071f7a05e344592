// The process around the pipeline.
#include "core/shard/process.h"

#include "core/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

volatile sig_atomic_t process_stop;

static void on_stop(int)
{
	process_stop = process_stop + 1;
}

void process_catch_signals(void)
{
	struct sigaction stop = {.sa_handler = on_stop}, ignore = {.sa_handler = SIG_IGN}, hangup;

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	// A terminal that closes ends a run like Ctrl-C, unless nohup said otherwise.
	if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
}

void process_keep_standard(void)
{
	// Open the other way round, so that to use them fails as it did before.
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
			open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(EXIT_FAILURE);
}

void process_no_dumps(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	// Nothing is ever executed; set before there are threads, it holds for all of them.
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

// All capabilities of this thread, and so of those it will start.
static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) != 0 ? -errno : 0;
}

int process_drop_capabilities(char *error, size_t size)
{
	if (geteuid() == 0)
		return 0;
	int err = drop_capabilities();
	if (err)
		snprintf(error, size, "cannot give up capabilities: %s", strerror(-err));
	return err;
}

int process_drop_privileges(const char *user, char *error, size_t size)
{
	if (geteuid() != 0 || *user == '\0')
		return 0;
	errno = 0;
	const struct passwd *entry = getpwnam(user);
	if (entry == NULL) {
		snprintf(error, size, "there is no user \"%s\" to become (setting user)", user);
		return errno != 0 ? -errno : -ENOENT;
	}
	if (entry->pw_uid == 0)
		return 0;
	if (setgroups(1, &entry->pw_gid) != 0 ||
		setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0 ||
		setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) != 0) {
		int err = errno;
		snprintf(error, size, "cannot become user \"%s\": %s", user, strerror(err));
		return -err;
	}
	REQUIRE(setuid(0) != 0);
	// Changing the user made the process dumpable again.
	process_no_dumps();
	return 0;
}

int process_make_directory(const char *path, const char *user)
{
	char part[4096];
	const struct passwd *entry = geteuid() == 0 && *user != '\0' ? getpwnam(user) : NULL;
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0750) == 0) {
			if (entry != NULL && chown(part, entry->pw_uid, entry->pw_gid) != 0)
				return -errno;
		} else if (errno != EEXIST) {
			return -errno;
		}
	}
	return 0;
}

uint64_t process_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t process_peak_rss(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_maxrss << 10;
}
