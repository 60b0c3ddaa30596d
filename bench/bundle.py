"""Makes what is run: a busybox rootfs, bundles with a Docker-like config.json, and a docker archive of the rootfs."""
import hashlib
import io
import json
import os
import shutil
import tarfile

CAPS = ("CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD "
        "AUDIT_WRITE SETFCAP").split()
MASKED = ("/proc/asound /proc/acpi /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list "
          "/proc/timer_stats /proc/sched_debug /proc/scsi /sys/firmware /sys/devices/virtual/powercap").split()
READONLY = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger".split()
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SAFE = ["nosuid", "noexec", "nodev"]
MOUNTS = (
    ("/proc", "proc", "proc", SAFE),
    ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts", "devpts",
     ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
    ("/sys", "sysfs", "sysfs", SAFE + ["ro"]),
    ("/sys/fs/cgroup", "cgroup", "cgroup", SAFE + ["relatime", "ro"]),
    ("/dev/mqueue", "mqueue", "mqueue", SAFE),
    ("/dev/shm", "tmpfs", "shm", SAFE + ["mode=1777", "size=65536k"]),
)
APPLETS = ("sh", "true", "sleep", "cat", "echo", "ls")


def config(args, rootfs):
    """The runtime-spec configuration; @rootfs is an absolute path."""
    caps = ["CAP_" + c for c in CAPS]
    devices = [{"allow": False, "access": "rwm"}]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0}, "args": args, "env": [PATH], "cwd": "/",
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            "noNewPrivileges": True,
        },
        "root": {"path": rootfs, "readonly": False},
        "hostname": "bench",
        "mounts": [{"destination": d, "type": t, "source": s, "options": o} for d, t, s, o in MOUNTS],
        "linux": {
            "resources": {"devices": devices},
            "namespaces": [{"type": t} for t in ("pid", "mount", "ipc", "uts", "network", "cgroup")],
            "maskedPaths": MASKED, "readonlyPaths": READONLY,
        },
    }


def find_busybox():
    """Path of a static busybox, or None."""
    path = shutil.which("busybox")
    if not path:
        return None
    with open(path, "rb") as f:
        # A dynamic program names its loader near its start.
        return None if b"/ld-linux" in f.read(4096) else path


def make_rootfs(path, busybox):
    for d in ("bin", "etc", "proc", "sys", "dev", "tmp", "root"):
        os.makedirs(os.path.join(path, d))
    shutil.copy2(busybox, os.path.join(path, "bin/busybox"))
    os.chmod(os.path.join(path, "bin/busybox"), 0o755)
    for a in APPLETS:
        os.symlink("busybox", os.path.join(path, "bin", a))
    for name, text in (("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n")):
        with open(os.path.join(path, "etc", name), "w", encoding="ascii") as f:
            f.write(text)


def make_bundle(path, rootfs, args):
    os.makedirs(path)
    with open(os.path.join(path, "config.json"), "w", encoding="ascii") as f:
        json.dump(config(args, rootfs), f, indent=1)


def add_bytes(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def make_archive(path, rootfs, reference):
    """A docker archive with one layer, as `docker load` and its like read it."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(rootfs, arcname=".")
    layer = layer.getvalue()
    image = json.dumps({
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "os": "linux", "config": {"Env": [PATH], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        "history": [{"created_by": "bench"}], "created": "2020-01-01T00:00:00Z",
    }).encode()
    name = hashlib.sha256(image).hexdigest() + ".json"
    manifest = json.dumps([{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(path, "w") as tar:
        for n, data in (("layer.tar", layer), (name, image), ("manifest.json", manifest)):
            add_bytes(tar, n, data)
