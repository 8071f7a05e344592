// The capture files of a folder: captures.h.
#include "captures.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int is_capture(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL && (strncmp(dot, ".pcap", 5) == 0 || strcmp(dot, ".cap") == 0);
}

unsigned captures_below(
	const char *folder, void (*run)(const char *path, uint32_t seed), uint32_t seed)
{
	struct dirent **found;
	unsigned ran = 0;
	int count = scandir(folder, &found, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		const char *name = found[i]->d_name;
		char path[4096];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", folder, name);
		if (*name != '.' && stat(path, &st) == 0) {
			if (S_ISDIR(st.st_mode)) {
				ran += captures_below(path, run, seed);
			} else if (is_capture(name)) {
				run(path, seed);
				ran++;
			}
		}
		free(found[i]);
	}
	if (count >= 0)
		free(found);
	return ran;
}
