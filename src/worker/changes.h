#pragma once
/*
 * Dockerfile instructions that only change an image's settings, as `commit --change` and `import --change` take them:
 * CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR. Docker's grammar and rules; of its
 * variables $NAME and ${NAME}. Safe after fork: yes, while the parent had one thread.
 */
#include <stdbool.h>

struct arena;
struct err;
struct oci_image_settings;

struct changes {
	struct oci_image_settings *s; /* changed */
	struct arena *a;	      /* what is new lives here */
	bool has_cmd;		      /* a CMD stood before */
};
/* One instruction. -EINVAL names it. */
int changes_apply(struct changes *c, const char *line, struct err *e);
