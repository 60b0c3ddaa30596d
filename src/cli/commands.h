#pragma once
/* Every command's row, one for a file's command. */
#include "cli/cli.h"

extern const struct cli_command cli_run, cli_create, cli_exec, cli_start, cli_stop, cli_kill,
	cli_wait, cli_rm, cli_ps, cli_images, cli_rmi, cli_load, cli_pull, cli_logs, cli_inspect,
	cli_version, cli_info, cli_image, cli_login, cli_logout, cli_image_resolve, cli_system,
	cli_system_task_exited, cli_system_df, cli_system_prune, cli_system_empty_trash,
	cli_image_prune, cli_image_check, cli_image_verify, cli_commit, cli_diff, cli_export,
	cli_history, cli_import, cli_save, cli_tag, cli_image_repack, cli_image_unpack, cli_push,
	cli_image_tags, cli_image_copy, cli_image_sync, cli_image_delete, cli_image_referrers,
	cli_image_inspect, cli_network, cli_network_connect, cli_network_create,
	cli_network_disconnect, cli_network_inspect, cli_network_ls, cli_network_prune,
	cli_network_rm, cli_port;

/* pull.c: says on standard error that the image is missing, and pulls it. */
int cli_pull_missing(struct cli *c, const char *what, bool is_quiet, struct err *e);
/* Whether a tag was written: "host:5000/a" has none. */
bool cli_has_tag(const char *what);
/* info.c: one JSON object through 'json' or a template. */
int cli_print_formatted(const char *format, const struct strbuf *json, struct err *e);
/* Prints objects of the store as docker inspect does; `type` "container", "image", "network" or NULL. The exit code. */
int cli_inspect_objects(struct cli *c, const char *format, const char *type, char *const *names,
			int n_names);
