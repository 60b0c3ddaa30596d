/* image verify: what the policy says of an image that is here, and why. */
#include <stdio.h>

#include "cli/commands.h"
#include "image/image.h"

static int verify(struct cli *c, const char *what, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct image_verified v;
	int r = image_verify(engine_store(c->engine), engine_ns(c->engine), what, &a, &v, e);

	if (r < 0)
		return r;
	printf("Image: %s\nManifest: %s\n", v.name ? v.name : "<none>", v.manifest_digest);
	if (strcmp(v.digest, v.manifest_digest) != 0)
		printf("Accepted by: %s\n", v.digest);
	printf("Policy: %s\n", v.rule);
	for (size_t i = 0; i < v.words.n; i++)
		printf("%s\n", v.words.v[i]);
	return 0;
}

static int verify_main(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct err e = ERR_INIT;
	char unused;
	int code, first = cli_parse(cmd, argc, argv, &unused, &code), r;

	if (first < 0)
		return code;
	if (!cli_engine(c))
		return 1;
	r = verify(c, argv[first], &e);
	return r < 0 ? cli_fail(&e, r, 1) : 0;
}

const struct cli_command cli_image_verify = {
	"image verify",
	"IMAGE",
	"Say whether the policy accepts an image, and by which signature",
	NULL,
	0,
	1,
	1,
	false,
	verify_main,
};
