/* From manifest and config to the normalised record, and which platform is ours. */
#include "worker/parse.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/ref.h"
#include "spec/worker_protocol.h"

/* ---- platforms ---- */

static const struct {
	const char *alias, *name;
} architectures[] = {
	{ "x86_64", "amd64" }, { "x86-64", "amd64" }, { "aarch64", "arm64" },
	{ "armhf", "arm" },    { "armel", "arm" },    { "i386", "386" },
};

static const char *architecture_name(const char *s)
{
	for (size_t i = 0; i < ARRAY_LEN(architectures); i++)
		if (streq(architectures[i].alias, s))
			return architectures[i].name;
	return s;
}

/* What an architecture means without a variant. */
static int variant_default(const char *architecture)
{
	return streq(architecture, "arm64")   ? 8
	       : streq(architecture, "arm")   ? 7
	       : streq(architecture, "amd64") ? 1
					      : 0;
}

static int variant_number(const char *architecture, const char *variant)
{
	int64_t n;

	if (!variant || !*variant)
		return variant_default(architecture);
	return *variant == 'v' && str_to_i64(variant + 1, 1, 99, &n) == 0 ? (int)n : -1;
}

int parse_rank(const struct parse_platform *want, const char *os, const char *architecture,
	       const char *variant)
{
	int have, wanted = want->variant ? want->variant : variant_default(want->architecture);

	if (os && *os && !streq(os, want->os))
		return 0;
	if (!architecture || !*architecture)
		return 1;
	architecture = architecture_name(architecture);
	if (!streq(architecture, want->architecture))
		return 0;
	have = variant_number(architecture, variant);
	return have < 0 || have > wanted ? 0 : 1 + wanted - have;
}

bool parse_is_document(const struct oci_descriptor *d)
{
	static const char *const types[] = { MT_OCI_INDEX, MT_OCI_MANIFEST, MT_DOCKER_INDEX,
					     MT_DOCKER_MANIFEST };

	for (size_t i = 0; d->media_type && i < ARRAY_LEN(types); i++)
		if (streq(types[i], d->media_type))
			return !parse_is_extra(d);
	return false;
}

int parse_rank_descriptor(const struct parse_platform *want, const struct oci_descriptor *d)
{
	const struct oci_platform *pf = d->platform;

	if (!parse_is_document(d))
		return 0;
	if (!pf || !pf->os || !*pf->os)
		return INT32_MAX;
	return parse_rank(want, pf->os, pf->architecture, pf->variant);
}

int parse_platform_read(const char *text, struct parse_platform *ret, struct err *e)
{
	char os[64], architecture[64], variant[16] = "";
	int n = sscanf(text, "%63[^/]/%63[^/]/%15s", os, architecture, variant);

	*ret = (struct parse_platform){ 0 };
	if (n < 2)
		return err_set(e, -EINVAL, "platform '%.100s' is not of the form os/arch[/variant]",
			       text);
	snprintf(ret->os, sizeof(ret->os), "%s", os);
	snprintf(ret->architecture, sizeof(ret->architecture), "%s",
		 architecture_name(architecture));
	ret->variant = *variant ? variant_number(ret->architecture, variant) : 0;
	if (ret->variant < 0)
		return err_set(e, -EINVAL, "platform '%.100s': unknown variant", text);
	return 0;
}

void parse_note_platform(struct parse *p, const char *os, const char *architecture,
			 const char *variant)
{
	size_t len = strlen(p->found);
	bool has_variant = variant && *variant;

	snprintf(p->found + len, sizeof(p->found) - len, "%s%.20s/%.20s%s%.10s", len ? ", " : "",
		 os ? os : "", architecture ? architecture : "", has_variant ? "/" : "",
		 has_variant ? variant : "");
}

/* ---- names ---- */

int parse_normalise_names(struct json_strs *names, struct arena *a, struct err *e)
{
	char full[REF_TEXT_MAX + DIGEST_TEXT_MAX];
	struct ref ref;

	for (size_t i = 0; i < names->n; i++) {
		int r = ref_parse(names->v[i], &ref, e);

		if (r < 0)
			return err_wrap(e, r, "image name '%.200s'", names->v[i]);
		names->v[i] = arena_strdup(a, ref_full(&ref, full));
		if (!names->v[i])
			return err_set(e, -ENOMEM, "out of memory");
	}
	return 0;
}

/* ---- the record ---- */

static void copy_settings(struct image_record *r, const struct oci_image_settings *s)
{
	r->user = s->user;
	r->working_dir = s->working_dir;
	r->stop_signal = s->stop_signal;
	r->env = s->env;
	r->entrypoint = s->entrypoint;
	r->cmd = s->cmd;
	r->volumes = s->volumes;
	r->exposed_ports = s->exposed_ports;
	r->labels = s->labels;
}

static int copy_layers(struct image_record *r, const struct parse_image *image, struct arena *a,
		       struct err *e)
{
	const struct oci_manifest *m = image->manifest;
	const struct json_strs *diff_ids = &image->config->rootfs->diff_ids;
	const char *parent = NULL;

	if (m->layers.n != diff_ids->n)
		return err_set(e, -EBADMSG, "the manifest has %zu layers, the config %zu",
			       m->layers.n, diff_ids->n);
	r->layers.n = m->layers.n;
	r->layers.v = arena_calloc(a, m->layers.n + 1, sizeof(*r->layers.v));
	if (!r->layers.v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < m->layers.n; i++) {
		const struct oci_descriptor *d = &m->layers.v[i];
		char chain[CHAIN_ID_MAX];

		parent = arena_strdup(a, image_chain_id(parent, diff_ids->v[i], chain));
		if (!parent)
			return err_set(e, -ENOMEM, "out of memory");
		r->layers.v[i] = (struct image_layer){ d->digest, d->media_type, diff_ids->v[i],
						       parent, d->size };
		if (__builtin_add_overflow(r->size, d->size, &r->size))
			return err_set(e, -EBADMSG, "the layers' sizes are too large");
	}
	return 0;
}

int parse_send_image(struct parse *p, const struct parse_image *image, struct arena *a,
		     struct err *e)
{
	AUTO_STRBUF struct strbuf out = { 0 };
	const struct oci_image_config *c = image->config;
	struct image_record record = {
		.version = 1,
		.manifest_digest = image->manifest_digest,
		.config_digest = image->manifest->config->digest,
		.architecture = c->architecture,
		.os = c->os,
		.variant = c->variant,
		.size = image->manifest_size + image->manifest->config->size,
	};
	struct image_offer offer = { image->names, image->media_type, image->manifest_size,
				     &record };
	int64_t ns;
	int r;

	if (c->created && clock_parse_rfc3339(c->created, &ns) == 0)
		record.created = c->created;
	if (c->config)
		copy_settings(&record, c->config);
	r = copy_layers(&record, image, a, e);
	if (r < 0)
		return r;
	json_write(&image_offer_table, &offer, 0, &out);
	if (strbuf_ok(&out) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	if (out.len > WORKER_PAYLOAD_MAX)
		return err_set(e, -E2BIG, "the image's settings take more than %zu MiB",
			       WORKER_PAYLOAD_MAX >> 20);
	p->images++;
	return p->peer->image(p, out.p, out.len, e);
}
