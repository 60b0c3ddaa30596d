#!/usr/bin/env python3
"""Makes image archives, good and hostile, for image.bats.

    archives.py FOLDER

writes one archive per function below whose name begins with `make_` into FOLDER. Needs nothing but Python.
"""
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def entry(name, data=b"", kind=tarfile.REGTYPE, link="", mode=0o644, uid=0, gid=0, pax=None, mtime=1000000000,
          device=(0, 0)):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.uid, info.gid, info.mtime = kind, link, mode, uid, gid, mtime
    info.size = len(data) if kind == tarfile.REGTYPE else 0
    info.pax_headers = pax or {}
    info.devmajor, info.devminor = device
    return info, data


def folder(name, **rest):
    return entry(name, kind=tarfile.DIRTYPE, **{"mode": 0o755, **rest})


def symlink(name, target):
    return entry(name, kind=tarfile.SYMTYPE, link=target, mode=0o777)


def hardlink(name, target):
    return entry(name, kind=tarfile.LNKTYPE, link=target)


def tar(*entries, format=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as t:
        for info, data in entries:
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Oci:
    """An OCI archive under construction; every step can be told to lie."""

    def __init__(self):
        self.blobs, self.tops = {}, []

    def blob(self, data, media_type, digest=None, size=None, **rest):
        digest = digest or sha256(data)
        if data is not None:
            self.blobs["blobs/sha256/" + digest[7:]] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data) if size is None else size, **rest}

    def config(self, layers, **changes):
        value = {"architecture": ARCHITECTURE, "os": "linux", "config": {"Cmd": ["/bin/sh"]},
                 "rootfs": {"type": "layers", "diff_ids": [sha256(x) for x in layers]}}
        value.update(changes)
        return self.blob(compact(value), CONFIG_TYPE)

    def manifest(self, contents, config=None, pack=None, **changes):
        value = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config or self.config(contents),
                 "layers": [self.blob(pack(x), LAYER_TYPE + "+gzip") if pack else self.blob(x, LAYER_TYPE)
                            for x in contents]}
        value.update(changes)
        return self.blob(compact(value), MANIFEST_TYPE)

    def top(self, descriptor, name="image:latest", **rest):
        self.tops.append({**descriptor, "annotations": {"org.opencontainers.image.ref.name": name}, **rest})
        return self

    def bytes(self, index=None, extra=()):
        index = index if index is not None else compact(
            {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": self.tops})
        return tar(*[entry(n, d) for n, d in self.blobs.items()], entry("index.json", index),
                   entry("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), *extra)


def simple(*layers, **rest):
    o = Oci()
    return o.top(o.manifest(list(layers), **rest)).bytes()


def docker(layers, manifest=None, config=None, extra=()):
    names = [f"{i}/layer.tar" for i in range(len(layers))]
    config = config or compact({"architecture": ARCHITECTURE, "os": "linux", "config": {},
                                "rootfs": {"type": "layers", "diff_ids": [sha256(x) for x in layers]}})
    manifest = manifest or compact([{"Config": "config.json", "RepoTags": ["image:latest"], "Layers": names}])
    return tar(entry("config.json", config), *[entry(n, x) for n, x in zip(names, layers)], *extra,
               entry("manifest.json", manifest))


PLAIN = tar(folder("bin"), entry("bin/sh", b"plain", mode=0o755))

# ---- good ----


def make_good_oci():
    return simple(PLAIN)


def make_good_gzip():
    return simple(PLAIN, pack=gzip.compress)


def make_good_members():
    """A gzip layer in several members, as pigz and eStargz write them."""
    return simple(PLAIN, pack=lambda x: b"".join(gzip.compress(x[i:i + 700]) for i in range(0, len(x), 700)))


def make_good_docker():
    return docker([PLAIN])


def make_good_shared_layer():
    """Old docker: a layer that is a link to another one's file."""
    config = compact({"architecture": ARCHITECTURE, "os": "linux", "rootfs": {
        "type": "layers", "diff_ids": [sha256(PLAIN), sha256(PLAIN)]}})
    manifest = compact([{"Config": "c.json", "RepoTags": None, "Layers": ["a/layer.tar", "b/layer.tar"]}])
    return tar(entry("c.json", config), entry("a/layer.tar", PLAIN), symlink("b/layer.tar", "../a/layer.tar"),
               entry("manifest.json", manifest))


def make_good_docker_nameless():
    return docker([PLAIN], manifest=compact([{"Config": "config.json", "RepoTags": None, "Layers": ["0/layer.tar"]}]))


def make_good_index():
    """A nested index with an attestation, an unknown type, and other platforms, one without its blobs."""
    o = Oci()
    ours = o.manifest([PLAIN])
    index = o.blob(compact({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [
        {**ours, "digest": sha256(b"x"), "platform": {"architecture": "s390x", "os": "linux"}},
        {**ours, "digest": sha256(b"y"), "platform": {"architecture": "unknown", "os": "unknown"}},
        {"mediaType": "application/x-other", "digest": sha256(b"z"), "size": 1},
        {**ours, "platform": {"architecture": ARCHITECTURE, "os": "linux"}},
    ]}), INDEX_TYPE)
    return o.top(index).bytes()


def make_good_whiteouts():
    """Three layers; what must come out is in image.bats."""
    return simple(
        tar(folder("a"), entry("a/gone", b"1"), entry("a/stays", b"1"), folder("b"), entry("b/old", b"1"),
            folder("c", mode=0o700, uid=5, gid=6), entry("c/x", b"1"), folder("d"), entry("d/old", b"1"),
            folder("e"), entry("e/old", b"1"), symlink("l", "a"), entry("twice", b"1")),
        tar(entry("a/.wh.gone"), entry("b/.wh..wh..opq"), entry("b/new", b"2"), entry("c/y", b"2"),
            entry(".wh.d"), folder("d"), entry("d/new", b"2"), folder("e"), entry("e/new", b"2"),
            entry("e/.wh..wh..opq"), entry("twice", b"2"), entry("twice", b"last"), entry("f/g/h", b"2")),
        tar(entry("first", b"3"), hardlink("hard", "first"), entry(".wh.nothing"), entry("a/.wh..wh.plnk/1", b"")))


def make_good_links():
    """Links inside the layer lead nowhere but inside."""
    return simple(tar(folder("usr"), folder("usr/lib"), symlink("lib", "usr/lib"), entry("lib/one", b"1"),
                      symlink("up", "../../../.."), entry("up/two", b"2"), symlink("abs", "/usr/lib"),
                      entry("abs/three", b"3"), symlink("dangling", "/made/later"), entry("dangling/four", b"4"),
                      entry("/absolute", b"5"), entry("./a/../dotted", b"6")))


def make_good_replaced():
    """Folders that give way to a file and to a link: what stood in them is gone, and nothing is made for it."""
    return simple(tar(folder("a"), folder("a/b"), folder("a/b/c"), entry("a", b"file"),
                      folder("s"), folder("s/t"), symlink("s", "gone"),
                      entry("u/v/x", b"1", pax={"SCHILY.xattr.trusted.t": "v"}), entry("u", b"file")))


def make_good_attributes():
    return simple(tar(
        folder("group", mode=0o2775, uid=1, gid=50), entry("group/file", b"x", mode=0o640, uid=7, gid=8),
        entry("group/root", b"x"), entry("suid", b"x", mode=0o4755, uid=9, gid=9),
        entry("x", b"x", pax={"SCHILY.xattr.user.a": "b", "SCHILY.xattr.trusted.t": "v",
                              "SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.overlay.opaque": "y",
                              "SCHILY.xattr.security.selinux": "label"}),
        folder("sticky", mode=0o1777), entry("null", kind=tarfile.CHRTYPE, device=(1, 3), mode=0o666),
        entry("pipe", kind=tarfile.FIFOTYPE), entry("old", b"", mtime=1)))


# ---- hostile ----


def make_bad_dotdot():
    return simple(tar(entry("../escaped", b"x")))


def make_bad_dotdot_inside():
    return simple(tar(entry("a/../../escaped", b"x")))


def make_bad_hardlink():
    return simple(tar(hardlink("shadow", "../../../../etc/shadow")))


def make_bad_hardlink_absolute():
    return simple(tar(hardlink("shadow", "/etc/shadow")))


def make_bad_symlink_parent():
    """A link to the host's root and a file through it: must land inside, where there is no such folder."""
    return simple(tar(symlink("out", "/etc"), hardlink("shadow", "out/shadow")))


def make_bad_whiteout():
    return simple(PLAIN, tar(entry("a/.wh.")))


def make_bad_whiteout_dots():
    return simple(PLAIN, tar(entry("a/.wh...")))


def make_bad_parent_file():
    return simple(tar(entry("f", b"x"), entry("f/g", b"x")))


def make_bad_bomb():
    layer = tar(entry("zeros", bytes(200 << 20)))
    return simple(layer, pack=lambda x: gzip.compress(x, 9))


def make_bad_archive_bomb():
    return gzip.compress(tar(entry("a", bytes(100 << 20))), 9) * 3


def make_bad_layer_truncated():
    o = Oci()
    packed = gzip.compress(PLAIN)[:-20]
    layer = o.blob(packed, LAYER_TYPE + "+gzip")
    return o.top(o.manifest([PLAIN], layers=[layer])).bytes()


def make_bad_layer_garbage():
    o = Oci()
    return o.top(o.manifest([PLAIN], layers=[o.blob(b"no tar at all" * 100, LAYER_TYPE)])).bytes()


def make_bad_trailing():
    o = Oci()
    return o.top(o.manifest([PLAIN], layers=[o.blob(gzip.compress(PLAIN) + b"more", LAYER_TYPE + "+gzip")])).bytes()


def make_bad_diff_id():
    o = Oci()
    return o.top(o.manifest([PLAIN], config=o.config([PLAIN + bytes(512)]))).bytes()


def make_bad_diff_count():
    o = Oci()
    return o.top(o.manifest([PLAIN], config=o.config([PLAIN, PLAIN]))).bytes()


def make_bad_blob_digest():
    o = Oci()
    o.top(o.manifest([PLAIN]))
    o.blob(b"something else", LAYER_TYPE, digest=sha256(PLAIN))
    return o.bytes()


def make_bad_blob_size():
    o = Oci()
    return o.top(o.manifest([PLAIN], layers=[o.blob(PLAIN, LAYER_TYPE, size=len(PLAIN) + 1)])).bytes()


def make_bad_link_digest():
    """A blob's name that is a link to something else of the same size: the image of good-oci.tar with other content."""
    o, evil = Oci(), Oci()
    good = o.manifest([PLAIN])
    layer = tar(folder("bin"), entry("bin/sh", b"other", mode=0o755))
    text = evil.blobs["blobs/sha256/" + evil.manifest([layer])["digest"][7:]].ljust(good["size"])
    return evil.top(good).bytes(extra=[entry("evil", text), symlink("blobs/sha256/" + good["digest"][7:], "../../evil")])


def make_bad_shared_config():
    """Many images of one large config: each is within its limit, all together are not."""
    config = compact({"architecture": ARCHITECTURE, "os": "linux", "config": {"Labels": {"a": "x" * (3 << 20)}},
                      "rootfs": {"type": "layers", "diff_ids": []}})
    return docker([], config=config, manifest=compact(
        [{"Config": "config.json", "RepoTags": [f"i:{i}"], "Layers": []} for i in range(40)]))


def make_bad_blob_missing():
    o = Oci()
    m = o.manifest([PLAIN])
    del o.blobs["blobs/sha256/" + sha256(PLAIN)[7:]]
    return o.top(m).bytes()


def make_bad_confusion():
    """CVE-2021-41190: one text that is a manifest and an index."""
    o = Oci()
    m = o.manifest([PLAIN], manifests=[o.manifest([PLAIN])])
    return o.top(m).bytes()


def make_bad_layer_count():
    o = Oci()
    config = o.config([])
    layer = o.blob(PLAIN, LAYER_TYPE)
    return o.top(o.blob(compact({"schemaVersion": 2, "config": config, "layers": [layer] * 20000}), MANIFEST_TYPE)).bytes()


def make_bad_config_size():
    o = Oci()
    big = b'{"architecture":"x","os":"linux","rootfs":{"diff_ids":[]},"a":"' + b"x" * (64 << 20) + b'"}'
    return o.top(o.manifest([], config=o.blob(big, CONFIG_TYPE))).bytes()


def make_bad_nesting():
    o = Oci()
    d = o.manifest([PLAIN])
    for _ in range(6):
        d = o.blob(compact({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [d]}), INDEX_TYPE)
    return o.top(d).bytes()


def make_bad_duplicate_key():
    o = Oci()
    o.top(o.manifest([PLAIN]))
    return o.bytes(index=b'{"schemaVersion":2,"manifests":[],"manifests":' + compact(o.tops) + b"}")


def make_bad_platform():
    o = Oci()
    return o.top(o.manifest([PLAIN], config=o.config([PLAIN], architecture="s390x"))).bytes()


def make_bad_media_type():
    o = Oci()
    return o.top(o.manifest([PLAIN], layers=[o.blob(PLAIN, LAYER_TYPE + "+encrypted")])).bytes()


def make_bad_name():
    o = Oci()
    return o.top(o.manifest([PLAIN]), name="Upper/../Case:x").bytes()


def make_bad_archive_dotdot():
    o = Oci()
    return o.top(o.manifest([PLAIN])).bytes(extra=[entry("../../etc/cron.d/x", b"x" * 600)])


def make_bad_archive_truncated():
    return make_good_oci()[:-14000]


def make_bad_archive_other():
    return tar(entry("README", b"nothing"))


def make_bad_archive_garbage():
    return os.urandom(100000)


def make_bad_docker_layer():
    return docker([PLAIN], manifest=compact([{"Config": "config.json", "RepoTags": [], "Layers": ["../../etc/passwd"]}]))


def make_bad_docker_config():
    return docker([PLAIN], manifest=compact([{"Config": "0/layer.tar", "RepoTags": [], "Layers": ["0/layer.tar"]}]))


def make_bad_docker_loop():
    return docker([PLAIN], extra=[symlink("0/layer.tar", "layer.tar")])


def make_bad_files():
    return tar(*[entry(f"f{i}", b"") for i in range(20000)])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for name, make in list(globals().items()):
        if name.startswith("make_"):
            with open(os.path.join(sys.argv[1], name[5:].replace("_", "-") + ".tar"), "wb") as f:
                f.write(make())


if __name__ == "__main__":
    main()
