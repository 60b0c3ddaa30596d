#!/usr/bin/env python3
"""Makes an OCI layout for copies.bats and sync.bats: the tags `one` and `other` (images), `many` (an index of two
platforms), `chart` (an artifact as helm makes it).

    layouts.py FOLDER
"""
import gzip
import io
import os
import sys
import tarfile

sys.dont_write_bytecode = True
from archives import ARCHITECTURE, INDEX_TYPE, Oci, compact, entry, folder, tar

HELM = "application/vnd.cncf.helm."


def pack(data):
    return gzip.compress(data, mtime=0)


def image(o, text, **config):
    layer = tar(folder("etc"), entry("etc/text", text))
    return o.manifest([layer], config=o.config([layer], **config) if config else None, pack=pack)


def index(o):
    platforms = [(ARCHITECTURE, b"ours"), ("s390x", b"another")]
    return o.blob(compact({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [
        {**image(o, text, architecture=name), "platform": {"architecture": name, "os": "linux"}}
        for name, text in platforms]}), INDEX_TYPE)


def chart(o):
    config = o.blob(compact({"name": "chart", "version": "1.2.3", "apiVersion": "v2"}), HELM + "config.v1+json")
    layer = o.blob(pack(tar(entry("chart/Chart.yaml", b"name: chart\n"))), HELM + "chart.content.v1.tar+gzip")
    return o.manifest([], config=config, layers=[layer])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    o = Oci()
    o.top(image(o, b"one"), "one").top(image(o, b"other"), "other").top(index(o), "many").top(chart(o), "chart")
    os.makedirs(sys.argv[1], exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(o.bytes())) as t:
        t.extractall(sys.argv[1])


if __name__ == "__main__":
    main()
