#!/usr/bin/env python3
"""Writes an OCI archive with one layer that holds one program; the same bytes for the same program.

usage: mkimage.py PROGRAM NAME ARCHITECTURE OUT
"""
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

# The program and its folder are of no date; nothing in the archive is.
EPOCH = 0


def compact(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def add(tar, name, data=None, mode=0o644):
    info = tarfile.TarInfo(name)
    info.mtime, info.mode = EPOCH, mode
    if data is None:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    else:
        info.size = len(data)
    tar.addfile(info, io.BytesIO(data or b""))


def make_tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data, mode in files:
            add(tar, name, data, mode)
    return out.getvalue()


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    program, name, architecture, out = sys.argv[1:]
    file = "/" + os.path.basename(program)
    with open(program, "rb") as f:
        layer = make_tar([(file[1:], f.read(), 0o755)])
    packed = gzip.compress(layer, 9, mtime=EPOCH)
    blobs = []

    def blob(data, media_type):
        blobs.append(("blobs/sha256/" + sha256(data)[7:], data, 0o644))
        return {"mediaType": "application/vnd.oci.image." + media_type, "digest": sha256(data), "size": len(data)}

    platform = {"architecture": architecture, "os": "linux"}
    config = blob(compact(platform | {
        "created": "1970-01-01T00:00:00Z",
        "config": {"Entrypoint": [file], "Env": ["PATH=/"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [sha256(layer)]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "tools/mkimage.py"}],
    }), "config.v1+json")
    manifest = blob(compact({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": [blob(packed, "layer.v1.tar+gzip")],
    }), "manifest.v1+json")
    manifest |= {"platform": platform, "annotations": {
        "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rsplit(":", 1)[1]}}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]}
    archive = make_tar([("blobs", None, 0), ("blobs/sha256", None, 0)] + sorted(blobs) + [
        ("index.json", compact(index), 0o644), ("oci-layout", compact({"imageLayoutVersion": "1.0.0"}), 0o644)])
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    with open(out, "wb") as f:
        f.write(archive)


if __name__ == "__main__":
    main()
