/*
 * The main of a fuzzer that does not fuzz: feeds every file named, and every file in a folder named, to
 * LLVMFuzzerTestOneInput. A folder that is missing holds nothing. It fails by crashing, or when a name
 * cannot be read.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t *whole, *data;
	size_t len;
	int r;

	if (!f) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	whole = malloc(INPUT_MAX);
	len = whole ? fread(whole, 1, INPUT_MAX, f) : 0;
	r = !whole || ferror(f) ? -1 : 0;
	/* A block of exactly this size, so that a sanitizer sees a read behind the end. */
	data = malloc(len ? len : 1);
	if (r == 0 && data) {
		memcpy(data, whole, len);
		LLVMFuzzerTestOneInput(data, len);
	}
	free(data);
	free(whole);
	fclose(f);
	return r;
}

static int replay_folder(const char *path, unsigned int *count)
{
	DIR *d = opendir(path);
	struct dirent *entry;
	char name[4096];
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : -1;
	while ((entry = readdir(d)) && r == 0) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		r = replay_file(name);
		(*count)++;
	}
	closedir(d);
	return r;
}

int main(int argc, char **argv)
{
	unsigned int count = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) == 0 && !S_ISDIR(st.st_mode)) {
			if (replay_file(argv[i]))
				return 1;
			count++;
		} else if (replay_folder(argv[i], &count)) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
			return 1;
		}
	}
	printf("%u inputs\n", count);
	return 0;
}
