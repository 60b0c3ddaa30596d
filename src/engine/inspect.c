/* docker's inspect objects, from the row, the document and the task folder. */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"
#include "engine/priv.h"

static void put_time(struct json_writer *w, const char *key, int64_t ns)
{
	char buf[CLOCK_TEXT_MAX];

	json_put_str(w, key, ns ? clock_rfc3339(ns, buf) : "0001-01-01T00:00:00Z");
}

static void put_strs(struct json_writer *w, const char *key, const struct json_strs *v)
{
	if (v->n == 0) {
		json_put_null(w, key);
		return;
	}
	json_begin_array(w, key);
	for (size_t i = 0; i < v->n; i++)
		json_put_str(w, NULL, v->v[i]);
	json_end_array(w);
}

static void put_map(struct json_writer *w, const char *key, const struct json_map *m)
{
	json_begin_object(w, key);
	for (size_t i = 0; i < m->n; i++)
		json_put_str(w, m->v[i].key, m->v[i].value);
	json_end_object(w);
}

static void put_set(struct json_writer *w, const char *key, const struct json_strs *v)
{
	if (v->n == 0) {
		json_put_null(w, key);
		return;
	}
	json_begin_object(w, key);
	for (size_t i = 0; i < v->n; i++) {
		json_begin_object(w, v->v[i]);
		json_end_object(w);
	}
	json_end_object(w);
}

static void put_state(struct json_writer *w, const struct engine_container *c, const struct doc *d)
{
	json_begin_object(w, "State");
	json_put_str(w, "Status", engine_status_name(c->status));
	json_put_bool(w, "Running", c->status == ENGINE_RUNNING || c->status == ENGINE_PAUSED);
	json_put_bool(w, "Paused", c->status == ENGINE_PAUSED);
	json_put_bool(w, "Restarting", false);
	json_put_bool(w, "OOMKilled", c->is_oom);
	json_put_bool(w, "Dead", c->status == ENGINE_DEAD);
	json_put_i64(w, "Pid", c->pid);
	json_put_i64(w, "ExitCode", c->exit_code);
	json_put_str(w, "Error", d->state->error ? d->state->error : "");
	put_time(w, "StartedAt", c->started_ns);
	put_time(w, "FinishedAt", c->finished_ns);
	json_end_object(w);
}

static void put_host_config(struct json_writer *w, const struct doc *d)
{
	json_begin_object(w, "HostConfig");
	if (d->binds.n == 0) {
		json_put_null(w, "Binds");
	} else {
		json_begin_array(w, "Binds");
		for (size_t i = 0; i < d->binds.n; i++) {
			AUTO_FREE char *s = str_printf("%s:%s%s", d->binds.v[i].source,
						       d->binds.v[i].target,
						       d->binds.v[i].is_readonly ? ":ro" : "");

			json_put_str(w, NULL, s ? s : "");
		}
		json_end_array(w);
	}
	json_begin_object(w, "LogConfig");
	json_put_str(w, "Type", "json-file");
	json_begin_object(w, "Config");
	json_end_object(w);
	json_end_object(w);
	json_put_str(w, "NetworkMode", d->network ? d->network : "none");
	engine_inspect_bindings(w, d);
	put_strs(w, "Dns", &d->dns);
	put_strs(w, "DnsOptions", &d->dns_options);
	put_strs(w, "DnsSearch", &d->dns_search);
	put_strs(w, "ExtraHosts", &d->extra_hosts);
	json_begin_object(w, "RestartPolicy");
	json_put_str(w, "Name", "no");
	json_put_i64(w, "MaximumRetryCount", 0);
	json_end_object(w);
	json_put_bool(w, "AutoRemove", d->is_auto_remove);
	put_strs(w, "CapAdd", &d->cap_add);
	put_strs(w, "CapDrop", &d->cap_drop);
	json_put_str(w, "CgroupnsMode", "private");
	json_put_bool(w, "Privileged", d->is_privileged);
	json_put_bool(w, "ReadonlyRootfs", d->is_readonly);
	json_put_str(w, "Runtime", "corten-runtime");
	json_put_i64(w, "Memory", d->memory);
	json_put_i64(w, "NanoCpus", d->nano_cpus);
	json_put_i64(w, "PidsLimit", d->pids_limit ? d->pids_limit : 2048);
	json_put_i64(w, "ShmSize", 64 << 20);
	json_end_object(w);
}

static void put_config(struct json_writer *w, const struct loaded *l)
{
	const struct doc *d = l->doc;
	struct json_strs none = { 0 };

	json_begin_object(w, "Config");
	json_put_str(w, "Hostname", d->hostname ? d->hostname : "");
	json_put_str(w, "Domainname", "");
	json_put_str(w, "User", d->user ? d->user : "");
	json_put_bool(w, "AttachStdin", d->is_attached && d->has_stdin);
	json_put_bool(w, "AttachStdout", d->is_attached);
	json_put_bool(w, "AttachStderr", d->is_attached);
	if (d->exposed.n)
		put_set(w, "ExposedPorts", &d->exposed);
	json_put_bool(w, "Tty", d->is_terminal);
	json_put_bool(w, "OpenStdin", d->has_stdin);
	json_put_bool(w, "StdinOnce", d->is_stdin_once);
	put_strs(w, "Env", &d->env);
	put_strs(w, "Cmd", &d->cmd);
	json_put_str(w, "Image", l->row.image ? l->row.image : "");
	put_set(w, "Volumes", &none);
	json_put_str(w, "WorkingDir", d->workdir ? d->workdir : "");
	put_strs(w, "Entrypoint", &d->entrypoint);
	put_map(w, "Labels", &l->row.labels);
	if (d->stop_signal)
		json_put_str(w, "StopSignal", d->stop_signal);
	json_put_i64(w, "StopTimeout", d->stop_timeout_s >= 0 ? d->stop_timeout_s : 10);
	json_end_object(w);
}

static void put_mounts(struct json_writer *w, const struct doc *d)
{
	json_begin_array(w, "Mounts");
	for (size_t i = 0; i < d->binds.n; i++) {
		const struct doc_bind *b = &d->binds.v[i];

		json_begin_object(w, NULL);
		json_put_str(w, "Type", "bind");
		json_put_str(w, "Source", b->source);
		json_put_str(w, "Destination", b->target);
		json_put_str(w, "Mode", b->is_readonly ? "ro" : "");
		json_put_bool(w, "RW", !b->is_readonly);
		json_put_str(w, "Propagation", b->propagation ? b->propagation : "rprivate");
		json_end_object(w);
	}
	json_end_array(w);
}

static void put_graph_driver(struct engine *en, struct json_writer *w, const struct loaded *l,
			     struct arena *a)
{
	static const struct {
		const char *option, *key;
	} keys[] = {
		{ "lowerdir=", "LowerDir" },
		{ "upperdir=", "UpperDir" },
		{ "workdir=", "WorkDir" },
	};
	struct snapshot_mounts m;

	json_begin_object(w, "GraphDriver");
	json_put_str(w, "Name", store_snapshotter(en->store));
	json_begin_object(w, "Data");
	/* A bind has none of these, and asking for it may copy a whole image. */
	if (l->row.snapshot_key && store_snapshot_can_stack(en->store) &&
	    store_snapshot_mounts(en->store, en->ns, l->row.snapshot_key, a, &m, NULL) == 0) {
		for (size_t i = 0; i < m.options.n; i++)
			for (size_t k = 0; k < ARRAY_LEN(keys); k++)
				if (str_skip(m.options.v[i], keys[k].option))
					json_put_str(w, keys[k].key,
						     str_skip(m.options.v[i], keys[k].option));
	}
	json_end_object(w);
	json_end_object(w);
}

static void put_paths(struct json_writer *w, const struct engine_container *c, struct arena *a)
{
	static const char *const files[][2] = {
		{ "ResolvConfPath", "resolv.conf" },
		{ "HostnamePath", "hostname" },
		{ "HostsPath", "hosts" },
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		const char *path = arena_printf(a, "%s/%s", c->task_dir, files[i][1]);

		json_put_str(w, files[i][0], path ? path : "");
	}
	const char *log = arena_printf(a, "%s/log", c->log_dir);

	json_put_str(w, "LogPath", log ? log : "");
}

int engine_container_inspect(struct engine *en, const char *what, struct strbuf *out, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct json_writer w = { .out = out };
	struct engine_container c;
	struct loaded l;
	int r = engine_load(en, what, &a, &l, e);

	if (r == 0)
		r = engine_container_find(en, l.row.id, &a, &c, e);
	if (r < 0)
		return r;
	json_begin_object(&w, NULL);
	json_put_str(&w, "Id", l.row.id);
	put_time(&w, "Created", l.row.created_ns);
	json_put_str(&w, "Path", l.doc->entrypoint_path ? l.doc->entrypoint_path : "");
	json_begin_array(&w, "Args");
	for (size_t i = 0; i < l.doc->args.n; i++)
		json_put_str(&w, NULL, l.doc->args.v[i]);
	json_end_array(&w);
	put_state(&w, &c, l.doc);
	json_put_str(&w, "Image", l.doc->image_id ? l.doc->image_id : "");
	put_paths(&w, &c, &a);
	AUTO_FREE char *name = str_printf("/%s", c.name);

	json_put_str(&w, "Name", name ? name : "");
	json_put_i64(&w, "RestartCount", 0);
	json_put_str(&w, "Driver", store_snapshotter(en->store));
	json_put_str(&w, "Platform", "linux");
	json_put_str(&w, "MountLabel", "");
	json_put_str(&w, "ProcessLabel", "");
	json_put_str(&w, "AppArmorProfile", "");
	json_put_null(&w, "ExecIDs");
	put_host_config(&w, l.doc);
	put_graph_driver(en, &w, &l, &a);
	put_mounts(&w, l.doc);
	put_config(&w, &l);
	engine_inspect_network(en, &w, &l);
	json_end_object(&w);
	return strbuf_ok(out) < 0 ? err_sys(e, -ENOMEM, "inspect") : 0;
}

/* "docker.io/library/busybox:latest" as people say it: "busybox:latest". */
static void put_tag(struct json_writer *w, const char *name)
{
	char familiar[REF_TEXT_MAX];
	AUTO_FREE char *tag = NULL;
	struct ref ref;

	if (ref_parse(name, &ref, NULL) == 0 && ref.tag[0])
		tag = str_printf("%s:%s", ref_familiar_name(&ref, familiar), ref.tag);
	json_put_str(w, NULL, tag ? tag : name);
}

static bool is_same_repository(const struct image_listed *i, const struct ref *ref)
{
	struct ref other;

	return i->name && ref_parse(i->name, &other, NULL) == 0 && streq(other.host, ref->host) &&
	       streq(other.path, ref->path);
}

/* "busybox@sha256:…" of each name's repository, once. */
static void put_repo_digests(struct json_writer *w, const struct image_listed *v, size_t n,
			     const struct image_record *img)
{
	const char *last = "";

	json_begin_array(w, "RepoDigests");
	for (size_t i = 0; i < n; i++) {
		char name[REF_TEXT_MAX];
		AUTO_FREE char *text = NULL;
		struct ref ref;

		if (!streq(v[i].manifest_digest, img->manifest_digest) || !v[i].name ||
		    ref_parse(v[i].name, &ref, NULL) < 0)
			continue;
		text = str_printf("%s@%s", ref_familiar_name(&ref, name), v[i].digest);
		/* Names are sorted, so a repository's stand together. */
		if (text &&
		    !(streq(last, v[i].digest) && i > 0 && is_same_repository(&v[i - 1], &ref)))
			json_put_str(w, NULL, text);
		last = v[i].digest;
	}
	json_end_array(w);
}

static void put_image_config(struct json_writer *w, const struct image_record *img)
{
	json_begin_object(w, "Config");
	json_put_str(w, "User", img->user ? img->user : "");
	put_set(w, "ExposedPorts", &img->exposed_ports);
	put_strs(w, "Env", &img->env);
	put_strs(w, "Cmd", &img->cmd);
	put_set(w, "Volumes", &img->volumes);
	json_put_str(w, "WorkingDir", img->working_dir ? img->working_dir : "");
	put_strs(w, "Entrypoint", &img->entrypoint);
	put_map(w, "Labels", &img->labels);
	if (img->stop_signal)
		json_put_str(w, "StopSignal", img->stop_signal);
	json_end_object(w);
}

int engine_image_inspect(struct engine *en, const char *what, struct strbuf *out, struct err *e)
{
	AUTO_ARENA struct arena a = { 0 };
	struct json_writer w = { .out = out };
	struct image_record *img;
	struct image_listed *v;
	const char *name;
	size_t n;
	int r = image_find(en->store, en->ns, what, &a, &img, &name, e);

	if (r == 0)
		r = image_list(en->store, en->ns, &a, &v, &n, e);
	if (r < 0)
		return r;
	json_begin_object(&w, NULL);
	json_put_str(&w, "Id", img->config_digest);
	json_begin_array(&w, "RepoTags");
	for (size_t i = 0; i < n; i++)
		if (streq(v[i].manifest_digest, img->manifest_digest) && v[i].name)
			put_tag(&w, v[i].name);
	json_end_array(&w);
	put_repo_digests(&w, v, n, img);
	json_put_str(&w, "Created", img->created ? img->created : "");
	put_image_config(&w, img);
	json_put_str(&w, "Architecture", img->architecture);
	if (img->variant)
		json_put_str(&w, "Variant", img->variant);
	json_put_str(&w, "Os", img->os);
	json_put_i64(&w, "Size", img->size);
	json_begin_object(&w, "RootFS");
	json_put_str(&w, "Type", "layers");
	json_begin_array(&w, "Layers");
	for (size_t i = 0; i < img->layers.n; i++)
		json_put_str(&w, NULL, img->layers.v[i].diff_id);
	json_end_array(&w);
	json_end_object(&w);
	json_begin_object(&w, "Descriptor");
	json_put_str(&w, "digest", img->manifest_digest);
	json_end_object(&w);
	json_end_object(&w);
	return strbuf_ok(out) < 0 ? err_sys(e, -ENOMEM, "inspect") : 0;
}
