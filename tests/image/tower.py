#!/usr/bin/env python3
"""Makes a docker archive with an image of many layers: tower.py LAYERS FILE

The lowest has busybox; layer n has /n with n in it, replaces /last, and removes /n-1 when n is a multiple of ten.
"""
import io
import json
import os
import sys
import tarfile

from archives import ARCHITECTURE, entry, folder, sha256, symlink, tar

count, path = int(sys.argv[1]), sys.argv[2]
with open(next(p for p in ("/bin/busybox", "/usr/bin/busybox") if os.path.exists(p)), "rb") as f:
    busybox = f.read()
layers = [tar(*(folder(d) for d in ("bin", "dev", "proc", "sys", "tmp")), entry("bin/busybox", busybox, mode=0o755),
              *(symlink("bin/" + n, "busybox") for n in ("sh", "cat", "ls", "touch")))]
for n in range(1, count):
    text = f"{n}\n".encode()
    more = [entry(f".wh.{n - 1}")] if n % 10 == 0 else []
    layers.append(tar(entry(str(n), text), entry("last", text), *more))
config = json.dumps({"architecture": ARCHITECTURE, "os": "linux", "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
                     "rootfs": {"type": "layers", "diff_ids": [sha256(x) for x in layers]}}).encode()
manifest = json.dumps([{"Config": "config.json", "RepoTags": ["tower:latest"],
                        "Layers": [f"{i}/layer.tar" for i in range(count)]}]).encode()
with tarfile.open(path, "w") as t:
    for name, data in [("config.json", config), *((f"{i}/layer.tar", x) for i, x in enumerate(layers)),
                       ("manifest.json", manifest)]:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o644
        t.addfile(info, io.BytesIO(data))
