/* The list of commands, in the order of the help. */
#include "cli/commands.h"

const struct cli_command *const cli_commands[] = {
	&cli_run,    &cli_exec,	  &cli_ps,	&cli_images,  &cli_pull, &cli_push,    &cli_load,
	&cli_save,   &cli_create, &cli_start,	&cli_stop,    &cli_kill, &cli_rm,      &cli_rmi,
	&cli_logs,   &cli_wait,	  &cli_login,	&cli_logout,  &cli_tag,	 &cli_history, &cli_import,
	&cli_commit, &cli_diff,	  &cli_export,	&cli_inspect, &cli_port, &cli_image,   &cli_network,
	&cli_system, &cli_info,	  &cli_version, NULL,
};
