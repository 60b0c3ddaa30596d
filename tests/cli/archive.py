#!/usr/bin/env python3
"""Makes the image that most tests use, without any tool for images: busybox, as archives of both kinds.

    archive.py FOLDER

writes into FOLDER
    box-docker.tar   docker archive with box:latest and box:entry
    box-oci.tar      OCI archive with docker.io/library/box:oci
    box-root.tar     the root alone
box:latest has CMD sh and an environment; box:entry has ENTRYPOINT, CMD, USER, WORKDIR, STOPSIGNAL and a label.
"""
import hashlib
import io
import json
import os
import platform
import sys
import tarfile

APPLETS = """ash awk basename cat chmod chown cp cut date dd df dirname dmesg echo env expr false find fold free grep head
hostname id ifconfig ip kill ln ls mkdir mkfifo mknod mount mv nc nproc od pidof ping printf ps pwd readlink rm rmdir
route sed seq sh sha256sum sleep sort stat stty su sync tail tar tee test timeout touch tr true tty umount uname uniq
unshare uptime usleep wc which whoami xargs yes""".split()

PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"
GROUP = "root:x:0:\ntty:x:5:\napp:x:1000:\nextra:x:2000:app,nobody\nnogroup:x:65534:\n"


def busybox():
    for path in ("/bin/busybox", "/usr/bin/busybox"):
        if os.path.exists(path):
            with open(path, "rb") as f:
                return f.read()
    sys.exit("archive.py: no busybox on this machine: install busybox-static")


class Root:
    """A tar file whose bytes depend on nothing but what is added."""

    def __init__(self):
        self.file = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.file, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name, kind=tarfile.REGTYPE, mode=0o755, data=b"", link="", uid=0):
        t = tarfile.TarInfo(name)
        t.type, t.mode, t.linkname, t.uid, t.gid, t.size = kind, mode, link, uid, uid, len(data)
        self.tar.addfile(t, io.BytesIO(data))

    def bytes(self):
        self.tar.close()
        return self.file.getvalue()


def make_root():
    r = Root()
    for name in ("bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "var"):
        r.add(name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755)
    r.add("home/app", tarfile.DIRTYPE, 0o755, uid=1000)
    r.add("bin/busybox", data=busybox())
    for name in APPLETS:
        r.add("bin/" + name, tarfile.SYMTYPE, link="busybox")
    r.add("bin/not-executable", mode=0o644, data=b"#!/bin/sh\n")
    r.add("bin/garbage", data=b"\x01\x02\x03 no program at all\n")
    r.add("etc/passwd", mode=0o644, data=PASSWD.encode())
    r.add("etc/group", mode=0o644, data=GROUP.encode())
    return r.bytes()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def config_of(root, config):
    return json.dumps({
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "os": "linux", "created": "2024-01-02T03:04:05Z", "config": config,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(root)]},
        "history": [{"created": "2024-01-02T03:04:05Z", "created_by": "archive.py"}],
    }).encode()


LATEST = {"Env": ["PATH=/usr/bin:/bin", "FROM_IMAGE=yes"], "Cmd": ["sh"]}
ENTRY = {"Env": ["PATH=/usr/bin:/bin"], "Entrypoint": ["echo", "entry"], "Cmd": ["cmd"], "User": "app",
         "WorkingDir": "/home/app", "StopSignal": "SIGUSR1", "Labels": {"made.by": "archive"}}


def write_tar(path, files):
    with tarfile.open(path, "w") as tar:
        for name, data in files:
            t = tarfile.TarInfo(name)
            t.mode, t.size = 0o644, len(data)
            tar.addfile(t, io.BytesIO(data))


def docker_archive(path, root):
    layer, configs = sha256(root), [config_of(root, c) for c in (LATEST, ENTRY)]
    rows = [{"Config": sha256(c) + ".json", "RepoTags": [tag], "Layers": [layer + "/layer.tar"]}
            for c, tag in zip(configs, ("box:latest", "box:entry"))]
    write_tar(path, [(layer + "/layer.tar", root)] + [(sha256(c) + ".json", c) for c in configs] +
              [("manifest.json", json.dumps(rows).encode())])


def oci_archive(path, root):
    config = config_of(root, LATEST)
    kind = "application/vnd.oci.image."
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
        "config": {"mediaType": kind + "config.v1+json", "digest": "sha256:" + sha256(config), "size": len(config)},
        "layers": [{"mediaType": kind + "layer.v1.tar", "digest": "sha256:" + sha256(root), "size": len(root)}],
    }).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [{
        "mediaType": kind + "manifest.v1+json", "digest": "sha256:" + sha256(manifest), "size": len(manifest),
        "annotations": {"io.containerd.image.name": "docker.io/library/box:oci",
                        "org.opencontainers.image.ref.name": "docker.io/library/box:oci"}}]}).encode()
    write_tar(path, [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", index)] +
              [("blobs/sha256/" + sha256(b), b) for b in (root, config, manifest)])


def main():
    folder, root = sys.argv[1], make_root()
    docker_archive(os.path.join(folder, "box-docker.tar"), root)
    oci_archive(os.path.join(folder, "box-oci.tar"), root)
    with open(os.path.join(folder, "box-root.tar"), "wb") as f:
        f.write(root)


main()
