// Replays a folder of inputs through a fuzz target in the ordinary test run, and each of them cut
// at every length up to 512 octets and with every octet of the first 64 changed in turn.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A copy of exact size, so that the sanitizer sees a read past the end.
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static int replay(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *file = fopen(path, "rb");

	if (file == NULL)
		return 0;
	size_t size = fread(data, 1, sizeof(data), file);
	fclose(file);
	run(data, size);
	for (size_t cut = 0; cut < size && cut < 512; cut++)
		run(data, cut);
	for (size_t at = 0; at < size && at < 64; at++) {
		uint8_t was = data[at];
		for (unsigned change = 1; change < 256; change <<= 1) {
			data[at] = (uint8_t)(was ^ change);
			run(data, size);
		}
		data[at] = was;
	}
	return 1;
}

int main(int argc, char **argv)
{
	int inputs = 0;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		if (dir == NULL) {
			perror(argv[i]);
			return 1;
		}
		for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
			char path[4096];
			if (entry->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
			inputs += replay(path);
		}
		closedir(dir);
	}
	printf("%d inputs replayed\n", inputs);
	// A corpus that is not there proves nothing.
	return inputs > 0 ? 0 : 1;
}
