#pragma once
/*
 * Every limit that holds in more than one file, each with its reason. A limit that one file alone
 * knows stands at that file's top. Beyond a limit comes a clear error, never a cut.
 */

/* config.json, process.json, seccomp profiles: runc's users have at most some 100 kB. */
#define LIMIT_SPEC_BYTES ((size_t)4 << 20)
/* Manifest, index and image config: the floor that the distribution-spec recommends registries to accept. */
#define LIMIT_MANIFEST_BYTES ((size_t)4 << 20)
/* Nesting of JSON: the specs need 9 levels. */
#define LIMIT_JSON_DEPTH 64
/* Values in one JSON text; bounds time, as bytes alone would allow two million. */
#define LIMIT_JSON_NODES 100000
/* Layers: overlay takes about 500 lower folders. */
#define LIMIT_LAYERS 512
/* Index in index: the specs nest once; attestation tools twice. */
#define LIMIT_INDEX_NESTING 4
#define LIMIT_HISTORY 2048
/* Container, image and network names and ids, and labels' keys. */
#define LIMIT_NAME 255
/* Mounts of one container: more make every mount table read slow. */
#define LIMIT_MOUNTS 4096
#define LIMIT_DEVICES 1024
#define LIMIT_SECCOMP_RULES 4096
#define LIMIT_HOOKS 256
/* Arguments and environment together: the kernel's own bound, checked before clone. */
#define LIMIT_ARGS_BYTES ((size_t)2 << 20)
/* passwd and group of a container, and a line of them. */
#define LIMIT_PASSWD_BYTES ((size_t)1 << 20)
#define LIMIT_PASSWD_LINE ((size_t)64 << 10)
/* One ttrpc message, as containerd's own limit. */
#define LIMIT_TTRPC_MSG ((size_t)4 << 20)
/* One frame of the attach protocol: a pipe's default capacity. */
#define LIMIT_ATTACH_FRAME ((size_t)64 << 10)
/* What an attached client may lag behind before it is cut off (design, decision 10). */
#define LIMIT_ATTACH_LAG ((size_t)1 << 20)
/* A log line is split into chunks of this size, as docker and CRI do. */
#define LIMIT_LOG_LINE ((size_t)16 << 10)
/* Hooks and exec'ed helpers that name no timeout. */
#define LIMIT_HOOK_TIMEOUT_MS 30000
/* A call to a shim or a start of one; far above the milliseconds they take. */
#define LIMIT_SHIM_CALL_MS 10000
