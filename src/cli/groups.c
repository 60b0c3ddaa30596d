/* Commands of two words: what belongs to which group. The members' own files have their rows. */
#include "cli/commands.h"

static const struct cli_member image_members[] = {
	{ "ls", &cli_images },
	{ "pull", &cli_pull },
	{ "push", &cli_push },
	{ "load", &cli_load },
	{ "save", &cli_save },
	{ "import", &cli_import },
	{ "tag", &cli_tag },
	{ "rm", &cli_rmi },
	{ "prune", &cli_image_prune },
	{ "history", &cli_history },
	{ "resolve", &cli_image_resolve },
	{ "verify", &cli_image_verify },
	{ "copy", &cli_image_copy },
	{ "sync", &cli_image_sync },
	{ "inspect", &cli_image_inspect },
	{ "tags", &cli_image_tags },
	{ "referrers", &cli_image_referrers },
	{ "delete", &cli_image_delete },
	{ "check", &cli_image_check },
	{ "unpack", &cli_image_unpack },
	{ "repack", &cli_image_repack },
	{ NULL, NULL },
};

const struct cli_command cli_image = {
	.name = "image",
	.usage = "COMMAND",
	.summary = "Manage images",
	.args_max = -1,
	.run = cli_group_main,
	.members = image_members,
	.missing = " build ",
};

static const struct cli_member system_members[] = {
	{ "df", &cli_system_df },
	{ "prune", &cli_system_prune },
	{ "task-exited", &cli_system_task_exited },
	{ "empty-trash", &cli_system_empty_trash },
	{ NULL, NULL },
};

const struct cli_command cli_system = {
	.name = "system",
	.usage = "COMMAND",
	.summary = "Manage the store and the host's side",
	.args_max = -1,
	.run = cli_group_main,
	.members = system_members,
	.missing = " events info start ",
};
