#pragma once
/*
 * Which capabilities a container gets: docker's fourteen, --cap-add and --cap-drop with docker's rules
 * (ALL, names with or without CAP_, any case). Not the kernel's side of it (sys/caps).
 */
#include "base/mem.h"
#include "codec/json.h"

struct err;

/*
 * The names ("CAP_CHOWN") in the order of their numbers, in the arena. Capabilities that this process cannot
 * grant (missing in its bounding set) are left out of "ALL". -EINVAL: `invalid capability: "X"`.
 */
int caps_choose(bool is_privileged, const struct json_strs *add, const struct json_strs *drop,
		struct arena *a, struct json_strs *ret, struct err *e);
