#include "engine/doc.h"

#include "base/err.h"
#include "base/str.h"

static const struct json_field bind_rows[] = {
	JSON_ROW(doc_bind, source, "source", JSON_STR, JSON_REQUIRED),
	JSON_ROW(doc_bind, target, "target", JSON_STR, JSON_REQUIRED),
	JSON_ROW(doc_bind, propagation, "propagation", JSON_STR, 0),
	JSON_ROW(doc_bind, is_readonly, "readonly", JSON_BOOL, 0),
};
static JSON_TABLE(bind_table, "bind", doc_bind, bind_rows);

static const struct json_field network_rows[] = {
	JSON_ROW(doc_network, name, "name", JSON_STR, JSON_REQUIRED),
	JSON_ROW(doc_network, id, "id", JSON_STR, 0),
	JSON_ROW(doc_network, aliases, "aliases", JSON_STRS, 0),
	JSON_ROW(doc_network, ip, "ip", JSON_STR, 0),
	JSON_ROW(doc_network, ip6, "ip6", JSON_STR, 0),
	JSON_ROW(doc_network, mac, "mac", JSON_STR, 0),
};
static JSON_TABLE(network_table, "network", doc_network, network_rows);

static const struct json_field port_rows[] = {
	JSON_ROW(doc_port, proto, "proto", JSON_STR, JSON_REQUIRED),
	JSON_ROW(doc_port, host_ip, "hostIp", JSON_STR, 0),
	JSON_ROW(doc_port, container_port, "port", JSON_U32, 0),
	JSON_ROW(doc_port, host_first, "hostFirst", JSON_U32, 0),
	JSON_ROW(doc_port, host_last, "hostLast", JSON_U32, 0),
};
static JSON_TABLE(port_table, "port", doc_port, port_rows);

static const struct json_field state_rows[] = {
	JSON_ROW(doc_state, started_ns, "started", JSON_I64, 0),
	JSON_ROW(doc_state, finished_ns, "finished", JSON_I64, 0),
	JSON_ROW(doc_state, exit_code, "exitCode", JSON_I64, 0),
	JSON_ROW(doc_state, is_oom, "oom", JSON_BOOL, 0),
	JSON_ROW(doc_state, is_dead, "dead", JSON_BOOL, 0),
	JSON_ROW(doc_state, error, "error", JSON_STR, 0),
};
static JSON_TABLE(state_table, "state", doc_state, state_rows);

static const struct json_field doc_rows[] = {
	JSON_ROW(doc, version, "version", JSON_STR, JSON_REQUIRED),
	JSON_ROW(doc, image_id, "imageId", JSON_STR, 0),
	JSON_ROW(doc, entrypoint_path, "path", JSON_STR, 0),
	JSON_ROW(doc, args, "args", JSON_STRS, 0),
	JSON_ROW(doc, entrypoint, "entrypoint", JSON_STRS, 0),
	JSON_ROW(doc, cmd, "cmd", JSON_STRS, 0),
	JSON_ROW(doc, env, "env", JSON_STRS, 0),
	JSON_ROW(doc, hostname, "hostname", JSON_STR, 0),
	JSON_ROW(doc, user, "user", JSON_STR, 0),
	JSON_ROW(doc, workdir, "workdir", JSON_STR, 0),
	JSON_ROW(doc, network, "network", JSON_STR, 0),
	JSON_ROW_SUB(doc, networks, "networks", JSON_OBJS, 0, network_table),
	JSON_ROW_SUB(doc, ports, "ports", JSON_OBJS, 0, port_table),
	JSON_ROW(doc, exposed, "exposed", JSON_STRS, 0),
	JSON_ROW(doc, dns, "dns", JSON_STRS, 0),
	JSON_ROW(doc, dns_search, "dnsSearch", JSON_STRS, 0),
	JSON_ROW(doc, dns_options, "dnsOptions", JSON_STRS, 0),
	JSON_ROW(doc, extra_hosts, "extraHosts", JSON_STRS, 0),
	JSON_ROW_SUB(doc, binds, "binds", JSON_OBJS, 0, bind_table),
	JSON_ROW(doc, cap_add, "capAdd", JSON_STRS, 0),
	JSON_ROW(doc, cap_drop, "capDrop", JSON_STRS, 0),
	JSON_ROW(doc, memory, "memory", JSON_I64, 0),
	JSON_ROW(doc, nano_cpus, "nanoCpus", JSON_I64, 0),
	JSON_ROW(doc, pids_limit, "pidsLimit", JSON_I64, 0),
	JSON_ROW(doc, log_size, "logSize", JSON_I64, 0),
	JSON_ROW(doc, log_files, "logFiles", JSON_I64, 0),
	JSON_ROW(doc, stop_signal, "stopSignal", JSON_STR, 0),
	JSON_ROW(doc, stop_timeout_s, "stopTimeout", JSON_I64, JSON_ALWAYS),
	JSON_ROW(doc, is_readonly, "readonly", JSON_BOOL, 0),
	JSON_ROW(doc, is_privileged, "privileged", JSON_BOOL, 0),
	JSON_ROW(doc, is_terminal, "terminal", JSON_BOOL, 0),
	JSON_ROW(doc, has_stdin, "stdin", JSON_BOOL, 0),
	JSON_ROW(doc, is_stdin_once, "stdinOnce", JSON_BOOL, 0),
	JSON_ROW(doc, is_auto_remove, "autoRemove", JSON_BOOL, 0),
	JSON_ROW(doc, is_attached, "attached", JSON_BOOL, 0),
	JSON_ROW_SUB(doc, state, "state", JSON_OBJ, 0, state_table),
};
JSON_TABLE(doc_table, "container", doc, doc_rows);

/* What can be said of a container that another client made. */
static int doc_from_spec(const struct container_row *row, struct arena *a, struct doc *d,
			 struct err *e)
{
	struct oci_spec *spec;
	int r;

	d->version = DOC_VERSION;
	d->stop_timeout_s = 10;
	if (row->spec_len == 0)
		return 0;
	r = oci_spec_read(row->spec, row->spec_len, a, &spec, e);
	if (r < 0)
		return err_wrap(e, r, "container '%s'", row->id);
	d->hostname = spec->hostname;
	if (!spec->process)
		return 0;
	d->env = spec->process->env;
	d->workdir = spec->process->cwd;
	d->is_terminal = spec->process->terminal;
	if (spec->process->args.n > 0) {
		d->entrypoint_path = spec->process->args.v[0];
		d->args = (struct json_strs){ spec->process->args.v + 1,
					      spec->process->args.n - 1 };
		d->cmd = spec->process->args;
	}
	return 0;
}

int doc_of_row(const struct container_row *row, struct arena *a, struct doc **ret, struct err *e)
{
	struct doc *d = arena_alloc(a, sizeof(*d));
	int r;

	if (!d)
		return err_sys(e, -ENOMEM, "container '%s'", row->id);
	if (row->doc_len > 0) {
		r = json_read(&doc_table, row->doc, row->doc_len, NULL, a, d, e);
		if (r < 0)
			return err_wrap(e, r, "document of container '%s'", row->id);
		if (!str_skip(d->version, "1."))
			return err_set(
				e, -EPROTO,
				"container '%s' was written by a newer corten (document version %s)",
				row->id, d->version);
	} else {
		r = doc_from_spec(row, a, d, e);
		if (r < 0)
			return r;
	}
	if (!d->state)
		d->state = arena_alloc(a, sizeof(*d->state));
	if (!d->state)
		return err_sys(e, -ENOMEM, "container '%s'", row->id);
	*ret = d;
	return 0;
}

int doc_to_row(const struct doc *d, struct container_row *row, struct arena *a, struct err *e)
{
	AUTO_STRBUF struct strbuf b = { 0 };

	json_write(&doc_table, d, 0, &b);
	if (strbuf_ok(&b) < 0)
		return err_sys(e, -ENOMEM, "container '%s'", row->id);
	row->doc = arena_strndup(a, b.p, b.len);
	row->doc_len = b.len;
	return row->doc ? 0 : err_sys(e, -ENOMEM, "container '%s'", row->id);
}
