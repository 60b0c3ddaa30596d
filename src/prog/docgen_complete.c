/* What options and arguments may be, and the completions for bash; those for zsh and fish are next door. */
#include "prog/docgen.h"

/* Options whose values are known words, files or folders; by name, whatever the command. */
static const struct {
	const char *name;
	enum doc_value kind;
	const char *words;
} values[] = {
	{ "cap-add", DOC_VALUE_WORDS,
	  "ALL AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE "
	  "DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD "
	  "NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN "
	  "SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME "
	  "SYS_TTY_CONFIG WAKE_ALARM" },
	{ "cap-drop", DOC_VALUE_WORDS,
	  "ALL AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID "
	  "SETPCAP SETUID SYS_CHROOT" },
	{ "cidfile", DOC_VALUE_FILE, NULL },
	{ "env-file", DOC_VALUE_FILE, NULL },
	{ "filter", DOC_VALUE_WORDS, "ancestor= exited= id= label= name= status=" },
	{ "format", DOC_VALUE_WORDS, "json" },
	{ "input", DOC_VALUE_FILE, NULL },
	{ "log-level", DOC_VALUE_WORDS, "debug info warn error" },
	{ "network", DOC_VALUE_WORDS, "bridge none host" },
	{ "root", DOC_VALUE_DIR, NULL },
	{ "security-opt", DOC_VALUE_WORDS, "no-new-privileges seccomp=unconfined" },
	{ "signal", DOC_VALUE_WORDS, "HUP INT QUIT KILL TERM USR1 USR2 STOP CONT" },
	{ "state", DOC_VALUE_DIR, NULL },
	{ "stop-signal", DOC_VALUE_WORDS, "HUP INT QUIT KILL TERM USR1 USR2" },
	{ "type", DOC_VALUE_WORDS, "container image" },
	{ "volume", DOC_VALUE_FILE, NULL },
};

enum doc_value doc_value_kind(const struct opt *o, const char **ret_words)
{
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		if (!o->name || !streq(o->name, values[i].name))
			continue;
		*ret_words = values[i].words;
		return values[i].kind;
	}
	return DOC_VALUE_ANY;
}

static const struct {
	const char *usage;
	enum doc_operand kind;
} operands[] = {
	{ "CONTAINER", DOC_OPERAND_CONTAINER },
	{ "IMAGE", DOC_OPERAND_IMAGE },
	{ "NAME|ID", DOC_OPERAND_BOTH },
	{ "[REPOSITORY", DOC_OPERAND_IMAGE },
};

/* Commands that only make sense for a container that runs. */
static const char *const running_only[] = { "exec", "stop", "kill" };

enum doc_operand doc_operand_kind(const struct doc_command *c, bool *ret_many)
{
	const char *usage = str_skip(c->usage, "[OPTIONS] ");

	usage = usage ? usage : c->usage;
	for (size_t i = 0; i < ARRAY_LEN(operands); i++) {
		const char *rest = str_skip(usage, operands[i].usage);
		AUTO_FREE char *again = str_printf(" [%s...]", operands[i].usage);

		if (!rest)
			continue;
		*ret_many = again && str_skip(rest, again);
		for (size_t k = 0; k < ARRAY_LEN(running_only); k++)
			if (streq(c->name, running_only[k]))
				return DOC_OPERAND_RUNNING;
		return operands[i].kind;
	}
	*ret_many = false;
	return DOC_OPERAND_NONE;
}

/* Every option of `rows` once; one that has a value ends in "=". */
static void put_options(FILE *f, const struct opt *rows)
{
	for (const struct opt *o = rows; !doc_is_last(o); o++) {
		const char *end = doc_takes_value(o) ? "=" : "";

		if (!doc_is_shown(o))
			continue;
		if (o->letter)
			fprintf(f, "-%c%s ", o->letter, end);
		if (o->name)
			fprintf(f, "--%s%s ", o->name, end);
	}
	fputs("--help", f);
}

static void put_values(FILE *f, const char *command, const struct opt *rows)
{
	static const char *const actions[] = {
		[DOC_VALUE_FILE] = "compgen -f -- \"$3\"",
		[DOC_VALUE_DIR] = "compgen -d -- \"$3\"",
	};

	for (const struct opt *o = rows; !doc_is_last(o); o++) {
		const char *words = NULL;
		enum doc_value kind = doc_value_kind(o, &words);

		if (!doc_is_shown(o) || !doc_takes_value(o) || kind == DOC_VALUE_ANY)
			continue;
		fprintf(f, "\t'%s':--%s", command, o->name);
		if (o->letter)
			fprintf(f, " | '%s':-%c", command, o->letter);
		if (kind == DOC_VALUE_WORDS)
			fprintf(f, ") compgen -W '%s' -- \"$3\" ;;\n", words);
		else
			fprintf(f, ") %s ;;\n", actions[kind]);
	}
}

static void put_operands(FILE *f, const struct doc_program *p)
{
	static const char *const lists[] = {
		[DOC_OPERAND_CONTAINER] = "_corten_containers -a",
		[DOC_OPERAND_RUNNING] = "_corten_containers",
		[DOC_OPERAND_IMAGE] = "_corten_images",
		[DOC_OPERAND_BOTH] = "{ _corten_containers -a; _corten_images; }",
	};

	for (size_t i = 0; i < p->commands_n; i++) {
		bool is_many;
		enum doc_operand kind = doc_operand_kind(&p->commands[i], &is_many);

		if (kind != DOC_OPERAND_NONE)
			fprintf(f, "\t'%s':%s) %s ;;\n", p->commands[i].name, is_many ? "*" : "0",
				lists[kind]);
	}
}

static void put_member_words(FILE *f, const struct doc_program *p)
{
	for (size_t i = 0; i < p->commands_n; i++) {
		const struct doc_command *c = &p->commands[i];

		if (c->members == 0)
			continue;
		fprintf(f, "\t%s) echo '", c->name);
		for (size_t k = 1; k <= c->members; k++)
			fprintf(f, "%s%s", k > 1 ? " " : "", doc_last_word(&c[k]));
		fputs("' ;;\n", f);
	}
}

static const char bash_head[] =
	"# bash completion for corten. Made by corten-docgen from the option rows; do not edit.\n"
	"\n"
	"_corten_containers() { # [-a]\n"
	"\tcorten ps \"$@\" --format '{{.Names}}' 2>/dev/null\n"
	"}\n"
	"\n"
	"_corten_images() {\n"
	"\tcorten images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null | grep -v '<none>'\n"
	"}\n"
	"\n";

static const char bash_tail[] =
	"# Whether option $2 of command $1 has a value.\n"
	"_corten_has_value() {\n"
	"\t[[ \" $(_corten_options \"$1\") \" == *\" $2= \"* ]]\n"
	"}\n"
	"\n"
	"_corten() {\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} words=() cur prev command= n=0 i word prefix=\n"
	"\t# Readline parts words at \":\" and \"=\" too, which names of images contain.\n"
	"\tbuiltin read -ra words <<<\"$line\"\n"
	"\t[[ $line == *[[:space:]] ]] && words+=('')\n"
	"\tcur=${words[-1]} COMPREPLY=()\n"
	"\tfor ((i = 1; i < ${#words[@]} - 1; i++)); do\n"
	"\t\tword=${words[i]}\n"
	"\t\tif [[ $word == -* && ( -z $command || $n -eq 0 || $(_corten_stops \"$command\") != yes ) ]]; then\n"
	"\t\t\t_corten_has_value \"$command\" \"$word\" && ((i++))\n"
	"\t\telif [[ -z $command ]]; then\n"
	"\t\t\tcommand=$word\n"
	"\t\telif [[ $n -eq 0 && -n $(_corten_members \"$command\") ]]; then\n"
	"\t\t\tcommand+=\" $word\"\n"
	"\t\telse\n"
	"\t\t\t((n++))\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tprev=${words[-2]}\n"
	"\tif [[ $cur == --*=* ]]; then\n"
	"\t\tprev=${cur%%=*} cur=${cur#*=}\n"
	"\t\tmapfile -t COMPREPLY < <(_corten_value \"$command\" \"$prev\" \"$cur\")\n"
	"\telif ((i >= ${#words[@]})); then\n"
	"\t\tmapfile -t COMPREPLY < <(_corten_value \"$command\" \"$prev\" \"$cur\")\n"
	"\telif [[ $cur == -* && ( $n -eq 0 || $(_corten_stops \"$command\") != yes ) ]]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$(_corten_options \"$command\" | tr -d =)\" -- \"$cur\")\n"
	"\telif [[ -z $command ]]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$_corten_commands\" -- \"$cur\")\n"
	"\telif [[ -n $(_corten_members \"$command\") ]]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$(_corten_members \"$command\")\" -- \"$cur\")\n"
	"\telse\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$(_corten_operands \"$command\" \"$n\")\" -- \"$cur\")\n"
	"\tfi\n"
	"\t# What stands before the last \":\" or \"=\" is no part of the word that readline replaces.\n"
	"\t[[ $cur == *[:=]* ]] && prefix=${cur%\"${cur##*[:=]}\"}\n"
	"\tCOMPREPLY=(\"${COMPREPLY[@]#\"$prefix\"}\")\n"
	"}\n"
	"\n"
	"complete -o bashdefault -F _corten corten\n";

void complete_bash(FILE *f, const struct doc_program *p)
{
	fputs(bash_head, f);
	fputs("_corten_commands='", f);
	for (size_t i = 0; i < p->commands_n; i++)
		if (!p->commands[i].is_member)
			fprintf(f, "%s%s", i ? " " : "", p->commands[i].name);
	fputs("'\n\n# The commands of group $1; nothing when it is none.\n_corten_members() {\n\tcase $1 in\n",
	      f);
	put_member_words(f, p);
	fputs("\tesac\n}\n\n# The options of command $1, of corten itself without; \"=\" behind those that have a value.\n"
	      "_corten_options() {\n\tcase $1 in\n\t'') echo '",
	      f);
	put_options(f, p->rows);
	fputs("' ;;\n", f);
	for (size_t i = 0; i < p->commands_n; i++) {
		fprintf(f, "\t'%s') echo '", p->commands[i].name);
		put_options(f, p->commands[i].rows);
		fputs("' ;;\n", f);
	}
	fputs("\tesac\n}\n\n# Whether the options of command $1 end at its first argument.\n"
	      "_corten_stops() {\n\tcase $1 in\n",
	      f);
	for (size_t i = 0; i < p->commands_n; i++)
		if (p->commands[i].parse_flags & OPT_STOP_AT_POSITIONAL)
			fprintf(f, "\t'%s') echo yes ;;\n", p->commands[i].name);
	fputs("\tesac\n}\n\n# What the value of option $2 of command $1 may be, when it begins with $3.\n"
	      "_corten_value() {\n\tcase $1:$2 in\n",
	      f);
	put_values(f, "", p->rows);
	for (size_t i = 0; i < p->commands_n; i++)
		put_values(f, p->commands[i].name, p->commands[i].rows);
	fputs("\tesac\n}\n\n# What argument number $2 of command $1 may be.\n_corten_operands() {\n\tcase $1:$2 in\n",
	      f);
	put_operands(f, p);
	fputs("\tesac\n}\n\n", f);
	fputs(bash_tail, f);
}
