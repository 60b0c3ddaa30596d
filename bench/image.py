"""Rows of the image side: pull with unpack, and push. Each timed command has a filesystem of its own.

ext4 avoids inodes that were deleted seconds ago, so a loop that deletes what it unpacked lies by a factor of ten. Every
round of every peer gets a new ext4 on a loop device, with the peer's store and, where it has one, its daemon on it; only
the command is timed. For a push the registry is a new one each time.
"""
import gzip
import hashlib
import json
import os
import random
import shlex
import shutil
import subprocess
import tarfile
import threading
import urllib.request
from dataclasses import dataclass

import bundle
import measure
import report

DISK_BYTES = 4 << 30
SAMPLE_S = 0.02
LAYERS = 10
LAYER_BYTES = 30 << 20
DEBIAN_BYTES = 204_000_000  # what a Debian root has unpacked; 93 MB as gzip
OURS = ("corten", "corten-worker", "corten-fetch")


@dataclass(frozen=True)
class ImageRow:
    """`commands`: {registry}, {fs} (the new filesystem), {tars} (the layers, plain and as .gz), {image}; of a peer with an engine
    the daemon is started on {fs} before. `prepare` runs untimed on the same filesystem."""
    name: str
    title: str
    image: str
    commands: dict
    prepare: dict
    is_push: bool = False
    rounds: int = 5
    ours: str = "corten"


CORTEN = "{bin}/corten --root {fs}/corten --state {run}/image"
PULL = {
    # The slower of inflating and unpacking, and one sync: what a perfect pipeline of both on two processors takes.
    "floor": "sh -c 'mkdir {fs}/x; igzip -dc {tars}/{image}/*.gz >/dev/null & "
             "for t in {tars}/{image}/*.tar; do tar -C {fs}/x -xf $t; done; wait; sync -f {fs}'",
    "corten": CORTEN + " pull -q {registry}/{image}:latest",
    "ctr": "ctr images pull --plain-http {registry}/{image}:latest",
    "docker": "docker pull -q {registry}/{image}:latest",
    "podman": "podman pull -q --tls-verify=false {registry}/{image}:latest",
}
PUSH = {
    # What the registry needs for the bytes: the largest blob, sent by curl, which neither reads an image nor hashes.
    "floor": "sh -c 'cd {layout}/blobs/sha256; b=$(ls -S | head -n 1); "
             "to=$(curl -si -X POST -H Content-Length:0 http://{registry}/v2/{image}/blobs/uploads/ | tr -d \"\\r\" | "
             "sed -n \"s/^Location: //p\"); curl -s -o {fs}/answer -H Expect: -H Content-Type:application/octet-stream "
             "-T $b \"$to&digest=sha256:$b\"'",
    "corten": CORTEN + " push -q {registry}/{image}:latest",
    "skopeo": "skopeo --insecure-policy copy -q --dest-tls-verify=false oci:{layout}:{image} "
              "docker://{registry}/{image}:latest",
}
ROWS = (
    ImageRow("pull", "pull and unpack a Debian root, one layer", "debian", PULL, {}),
    ImageRow("pull 10 layers", "pull and unpack ten layers of 30 MB", "layers", PULL, {}),
    ImageRow("push", "push a Debian root, one layer", "debian", PUSH,
             {"corten": CORTEN + " load -q -i {layout}-{image}.tar"}, is_push=True),
)
ENGINES = {"ctr": "containerd", "docker": "docker", "podman": "podman"}


# ---- what is pulled ----

def debian_like(out):
    """The files of this root's /usr up to a Debian root's size: real names, modes, links and contents."""
    total = 0
    with tarfile.open(out, "w") as tar:
        for top, dirs, files in os.walk("/usr"):
            dirs.sort()
            tar.add(top, recursive=False)
            for name in sorted(files):
                path = os.path.join(top, name)
                if os.path.islink(path) or os.path.isfile(path):
                    tar.add(path, recursive=False)
                    total += os.lstat(path).st_size
                if total > DEBIAN_BYTES:
                    return


def noise(out, seed):
    """A hundred files that do not compress."""
    data = random.Random(seed)
    with tarfile.open(out, "w") as tar:
        for i in range(100):
            bundle.add_bytes(tar, f"layer{seed}/file{i}", data.randbytes(LAYER_BYTES // 100))


class Layout:
    """OCI layout folder with both images, and their plain layers beside it."""

    def __init__(self, path, tars):
        self.path, self.tars, self.entries = path, tars, []
        os.makedirs(os.path.join(path, "blobs/sha256"))

    def blob(self, data):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(self.path, "blobs/sha256", digest), "wb") as f:
            f.write(data)
        return {"digest": "sha256:" + digest, "size": len(data)}

    def add(self, name, tar_paths):
        layers, diff_ids = [], []
        for path in tar_paths:
            with open(path, "rb") as f:
                plain = f.read()
            diff_ids.append("sha256:" + hashlib.sha256(plain).hexdigest())
            packed = gzip.compress(plain, 6, mtime=0)
            layers.append({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **self.blob(packed)})
            with open(path + ".gz", "wb") as f:
                f.write(packed)
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
        config = self.blob(json.dumps({"architecture": machine, "os": "linux", "config": {"Cmd": ["/bin/true"]},
                                       "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode())
        manifest = self.blob(json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config}, "layers": layers}).encode())
        self.entries.append({"mediaType": "application/vnd.oci.image.manifest.v1+json", **manifest,
                             "annotations": {"org.opencontainers.image.ref.name": name}})

    def write(self, names, to):
        """index.json and oci-layout of some images, as the folder `to` says."""
        entries = [e for e in self.entries if e["annotations"]["org.opencontainers.image.ref.name"] in names]
        for name, value in (("index.json", {"schemaVersion": 2, "manifests": entries}),
                            ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
            with open(os.path.join(to, name), "w", encoding="ascii") as f:
                json.dump(value, f)

    def archive(self, name, reference):
        """The layout with one image as a tar, whose name in it is what will be pushed."""
        path = f"{self.path}-{name}.tar"
        entry = next(e for e in self.entries if e["annotations"]["org.opencontainers.image.ref.name"] == name)
        entry = {**entry, "annotations": {"org.opencontainers.image.ref.name": reference,
                                          "io.containerd.image.name": reference}}
        with tarfile.open(path, "w") as tar:
            bundle.add_bytes(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
            bundle.add_bytes(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
            tar.add(os.path.join(self.path, "blobs"), "blobs")


# ---- the registry ----

def request(method, url, data=None, media_type="application/octet-stream"):
    r = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": media_type})
    with urllib.request.urlopen(r, timeout=60) as answer:
        return answer.headers


def push(host, layout, entry, name):
    """An image of the layout into a registry, in as many words as the distribution-spec needs."""
    def read(digest):
        with open(os.path.join(layout.path, "blobs/sha256", digest.split(":")[1]), "rb") as f:
            return f.read()
    manifest = json.loads(read(entry["digest"]))
    for d in [manifest["config"], *manifest["layers"]]:
        to = request("POST", f"http://{host}/v2/{name}/blobs/uploads/", b"")["Location"]
        request("PUT", to + ("&" if "?" in to else "?") + "digest=" + d["digest"], read(d["digest"]))
    request("PUT", f"http://{host}/v2/{name}/manifests/latest", read(entry["digest"]), entry["mediaType"])


class Registry:
    def __init__(self, script, folder):
        self.script, self.env = script, dict(os.environ, CORTEN_REGISTRY_DIR=folder)

    def call(self, verb):
        return subprocess.run([self.script, verb], env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=True).stdout.strip()

    def start(self):
        self.call("start")
        return self.call("host")

    def stop(self):
        self.call("stop")


# ---- one round ----

class Disk:
    """A new ext4 on a loop device, mounted at `path`."""

    def __init__(self, path):
        self.path, self.file = path, path + ".img"

    def __enter__(self):
        with open(self.file, "wb") as f:
            f.truncate(DISK_BYTES)
        os.makedirs(self.path, exist_ok=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.file], check=True)
        subprocess.run(["mount", "-o", "loop", self.file, self.path], check=True)
        os.sync()
        return self.path

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=False)
        os.unlink(self.file)


class Memory(threading.Thread):
    """The most that all of Corten's processes had at one time, in kB of PSS."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most, self.is_done = 0, threading.Event()

    def run(self):
        while not self.is_done.wait(SAMPLE_S):
            self.most = max(self.most, sum(measure.rollup(p)["Pss"] for p in measure.pids_of(OURS)))

    def stop(self):
        self.is_done.set()
        self.join()
        return self.most


class ImageBench:
    """All image rows of one bench run: its inputs, its registry, and an engine for each round."""

    def __init__(self, bench, scratch, lab):
        self.bench, self.lab = bench, lab
        self.scratch = os.path.join(scratch, "image")
        self.names = {"bin": bench.names["bin"], "run": self.scratch, "fs": os.path.join(self.scratch, "fs"),
                      "tars": os.path.join(self.scratch, "tars"), "layout": os.path.join(self.scratch, "layout")}
        self.registry = Registry(os.path.join(lab, "registry.sh"), os.path.join(self.scratch, "registry"))
        self.layout = Layout(self.names["layout"], self.names["tars"])

    def make_inputs(self):
        tars = {"debian": ["0.tar"], "layers": [f"{i}.tar" for i in range(LAYERS)]}
        for image, names in tars.items():
            os.makedirs(os.path.join(self.names["tars"], image))
            paths = [os.path.join(self.names["tars"], image, n) for n in names]
            for i, path in enumerate(paths):
                if image == "debian":
                    debian_like(path)
                else:
                    noise(path, i)
            self.layout.add(image, paths)
        self.layout.write(tars, self.names["layout"])

    def fill_registry(self, row):
        host = self.registry.start()
        if not row.is_push:
            for entry in self.layout.entries:
                push(host, self.layout, entry, entry["annotations"]["org.opencontainers.image.ref.name"])
        return host

    # ---- peers ----

    def missing(self, name):
        need = {"floor": ["tar", "igzip", "curl"], "ctr": ["ctr", "containerd"], "docker": ["docker", "dockerd"]}.get(name, [name])
        paths = [self.bench.fill("{bin}/corten")] if name == "corten" else need
        absent = [os.path.basename(p) for p in paths if not shutil.which(p)]
        return "missing: " + " ".join(absent) if absent else None

    def engine_env(self):
        return dict(os.environ, ENGINE_DIR=os.path.join(self.names["fs"], "engine"),
                    ENGINE_RUN=os.path.join(self.scratch, "engine"))

    def engine(self, *args):
        done = subprocess.run([os.path.join(self.lab, "engine.sh"), *args], env=self.engine_env(),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise measure.Failed((done.stderr.strip().splitlines() or ["engine.sh failed"])[-1])
        return done.stdout

    def one(self, row, name, host):
        """One command on a filesystem of its own: (wall ns, CPU ns)."""
        with Disk(self.names["fs"]):
            own = Registry(self.registry.script, os.path.join(self.scratch, "target")) if row.is_push else None
            try:
                pids = []
                if name in ENGINES:
                    self.engine("start", ENGINES[name])
                    pids = [int(self.engine("pid", d)) for d in {"ctr": ["containerd"], "docker": ["docker", "containerd"]}
                            .get(name, [])]
                names = dict(self.names, registry=own.start() if own else host, image=row.image)
                exports = dict(line.removeprefix("export ").split("=", 1) for line in self.engine("env").splitlines())
                runner = measure.Runner(dict(os.environ, **exports))
                if name in row.prepare:
                    self.layout.archive(row.image, f"{names['registry']}/{row.image}:latest")
                    runner.must(row.prepare[name].format(**names))
                os.sync()
                return runner.timed(shlex.split(row.commands[name].format(**names)), measure.cpu_clock(pids))
            finally:
                if name in ENGINES:
                    self.engine("stop")
                if own:
                    own.stop()

    # ---- rows ----

    def run_row(self, row, rounds):
        self.bench.say(f"{row.name}: {row.title}")
        absent = {n: self.missing(n) for n in row.commands}
        results = [{"row": row.name, "peer": n, "ours": row.ours, "missing": why} for n, why in absent.items() if why]
        names = [n for n in row.commands if not absent[n]]
        samples = {n: [] for n in names}
        host = self.fill_registry(row)
        try:
            for i in range(rounds):
                for name in names[i % len(names):] + names[:i % len(names)]:
                    if name not in samples:
                        continue
                    try:
                        samples[name].append(self.one(row, name, host))
                    except (measure.Failed, subprocess.CalledProcessError) as e:
                        self.bench.say(f"{row.name}, {name}: {e}")
                        results.append({"row": row.name, "peer": name, "ours": row.ours, "missing": f"failed: {e}"})
                        del samples[name]
            results += [report.timed_result(row, n, got) for n, got in samples.items() if got]
            if not row.is_push and samples.get("corten"):
                results.append(self.memory(row, host))
        finally:
            self.registry.stop()
        return results

    def memory(self, row, host):
        """Once more while its memory is watched: the watching costs time."""
        watch = Memory()
        watch.start()
        try:
            self.one(row, "corten", host)
        finally:
            most = watch.stop()
        return {"row": f"{row.name}, memory", "peer": "corten", "ours": "corten", "unit": "kB", "value": most, "count": 1,
                "title": f"{row.title}: memory of all of Corten's processes (PSS)", "note": "PSS of all processes together"}


def run(bench, scratch, lab, wanted, is_quick):
    """Results of the wanted rows."""
    chosen = [r for r in ROWS if not wanted or r.name in wanted]
    if not chosen:
        return []
    b = ImageBench(bench, scratch, lab)
    b.make_inputs()
    return [result for row in chosen for result in b.run_row(row, 1 if is_quick else row.rounds)]
