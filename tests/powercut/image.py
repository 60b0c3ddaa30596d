#!/usr/bin/env python3
"""Makes an OCI archive whose files can tell from inside whether they are whole.

    image.py FILE

Three layers: busybox, files of many sizes, and /sums, the list of their digests. `sha256sum -c /sums` in a container
is the proof.
"""
import gzip
import hashlib
import io
import json
import os
import platform
import random
import sys
import tarfile

KIND = "application/vnd.oci.image."


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def busybox():
    for path in ("/bin/busybox", "/usr/bin/busybox"):
        if os.path.exists(path):
            with open(path, "rb") as f:
                return f.read()
    sys.exit("image.py: no busybox on this machine: install busybox-static")


def tar(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.mode = 0o755
            info.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            info.size = len(data or b"")
            if isinstance(data, str):
                info.type, info.linkname, info.size = tarfile.SYMTYPE, data, 0
            t.addfile(info, io.BytesIO(data) if isinstance(data, bytes) else None)
    return out.getvalue()


def layers():
    dice = random.Random(3)
    files = {"bin/busybox": busybox()}
    base = [(d, None) for d in ("bin", "data", "dev", "etc", "proc", "sys", "tmp")]
    base += [("bin/busybox", files["bin/busybox"])]
    base += [("bin/" + name, "busybox") for name in ("sh", "sha256sum", "true", "cat", "touch", "sync")]
    for i in range(60):
        files[f"data/{i}"] = dice.randbytes(dice.choice((10, 700, 5000, 70000)))
    more = [(name, data) for name, data in files.items() if name.startswith("data/")]
    sums = "".join(f"{sha256(data)}  /{name}\n" for name, data in files.items()).encode()
    return tar(base), tar(more), tar([("sums", sums)])


def main():
    plain = layers()
    blobs = [gzip.compress(layer, 1, mtime=0) for layer in plain]
    config = json.dumps({
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "os": "linux", "created": "2024-01-02T03:04:05Z",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["sha256sum", "-c", "-s", "/sums"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(layer) for layer in plain]},
    }).encode()
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": KIND + "manifest.v1+json",
        "config": {"mediaType": KIND + "config.v1+json", "digest": "sha256:" + sha256(config), "size": len(config)},
        "layers": [{"mediaType": KIND + "layer.v1.tar+gzip", "digest": "sha256:" + sha256(b), "size": len(b)}
                   for b in blobs],
    }).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [{
        "mediaType": KIND + "manifest.v1+json", "digest": "sha256:" + sha256(manifest), "size": len(manifest),
        "annotations": {"org.opencontainers.image.ref.name": "docker.io/library/whole:latest",
                        "io.containerd.image.name": "docker.io/library/whole:latest"}}]}).encode()
    with tarfile.open(sys.argv[1], "w") as t:
        for name, data in [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", index)] + \
                [("blobs/sha256/" + sha256(b), b) for b in (*blobs, config, manifest)]:
            info = tarfile.TarInfo(name)
            info.mode, info.size = 0o644, len(data)
            t.addfile(info, io.BytesIO(data))


main()
