#!/usr/bin/env python3
"""Hostile images, through `load` and through `pull`, with a clock and a scale.

    hostile.py GROUP FOLDER

runs every image of the group with $CORTEN and stores below FOLDER. Each must come to its verdict (words of the error, or
that it is taken) within CPU_SECONDS of CPU of all processes together and RSS_MIB of resident memory of all that live at
once, and must leave alone everything that is not its layer: a canary tree beside the stores, and a list of what lies in
the places that escapes aim at. Prints a line for each; needs nothing but Python and archives.py.
"""
import gzip
import http.server
import os
import resource
import socketserver
import struct
import subprocess
import sys
import tarfile
import threading
import time

from archives import (ARCHITECTURE, CONFIG_TYPE, INDEX_TYPE, LAYER_TYPE, MANIFEST_TYPE, PLAIN, Oci, compact, entry,
                      folder, hardlink, sha256, symlink, tar)

# The verdict's time is CPU: others on the machine are no part of it; the wall is for what waits without end.
CPU_SECONDS, WALL_SECONDS, RSS_MIB = 2, 10, 64
TAKEN = None
AIMS = ("/", "/etc", "/etc/cron.d", "/tmp", "/dev", "/root")


# ---- layers by hand ----

def header(name, size=b"00000000000\0", kind=b"0", link=b"", magic=b"ustar\x0000", prefix=b"", extra=b""):
    h = bytearray(512)
    h[0:100] = name.ljust(100, b"\0")[:100]
    h[100:124] = b"0000644\0" + b"0000000\0" + b"0000000\0"
    h[124:136] = size
    h[136:148] = b"07346545000\0"
    h[156:157] = kind
    h[157:257] = link.ljust(100, b"\0")[:100]
    h[257:265] = magic
    h[345:345 + len(extra or prefix)] = extra or prefix
    h[148:156] = b" " * 8
    h[148:156] = b"%06o\0 " % sum(h)
    return bytes(h)


END = bytes(1024)


def padded(data):
    return data + bytes(-len(data) % 512)


def octal(n):
    return b"%011o\0" % n


def base256(n):
    return b"\x80" + n.to_bytes(11, "big") if n >= 0 else (n + (1 << 96)).to_bytes(12, "big")


def pax(**records):
    """A pax header whose records may lie."""
    body = b""
    for key, value in records.items():
        line = b" %s=%s\n" % (key.replace("__", ".").encode(), value)
        n = len(line) + 1
        while len(str(n)) + len(line) != n:
            n += 1
        body += str(n).encode() + line
    return header(b"pax", octal(len(body)), b"x") + padded(body)


def zstd_zeros(n):
    """A frame of run-length blocks: 4 bytes for 128 KiB."""
    blocks = n >> 17
    return b"\x28\xb5\x2f\xfd\x00\x38" + b"".join(
        struct.pack("<I", (i == blocks - 1) | 1 << 1 | 131072 << 3)[:3] + b"\0" for i in range(blocks))


def gzip_zeros(n):
    return gzip.compress(bytes(1 << 24), 9) * (n >> 24)


def zeros_header(n):
    return header(b"zeros", octal(n) if n < 1 << 33 else base256(n))


# ---- images ----

def packed(layer, blob, kind):
    """An image of one layer, whose blob is given."""
    o = Oci()
    return o.top(o.manifest([layer], layers=[o.blob(blob, LAYER_TYPE + kind)]))


def plain(layer):
    o = Oci()
    return o.top(o.manifest([layer]))


def entries(*list_):
    return lambda: plain(tar(*list_))


def raw(data):
    return lambda: plain(data)


def gnu_sparse_old(count, size):
    """Old GNU sparse: a map that goes on in extension blocks."""
    first = b"".join(octal(i * 512)[:12] + octal(0)[:12] for i in range(4)) + b"\1" + octal(size)
    head = bytearray(header(b"sparse", octal(0), b"S", magic=b"ustar  \0"))
    head[386:386 + len(first)] = first
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    more = b"".join((octal(i * 512) + octal(0)) * 21 + (b"\1" if i < count - 1 else b"\0") + bytes(7)
                    for i in range(count))
    return bytes(head) + more + END


def pax_sparse(map_, realsize):
    body = padded(map_)
    return pax(GNU__sparse__major=b"1", GNU__sparse__minor=b"0", GNU__sparse__name=b"sparse",
               GNU__sparse__realsize=realsize) + header(b"GNUSparseFile.0/sparse", octal(len(body))) + body + END


def many_layers():
    o = Oci()
    layer = o.blob(PLAIN, LAYER_TYPE)
    return o.top(o.blob(compact({"schemaVersion": 2, "config": o.config([]), "layers": [layer] * 20000}),
                        MANIFEST_TYPE))


def large_config():
    o = Oci()
    big = b'{"architecture":"x","os":"linux","rootfs":{"diff_ids":[]},"a":"' + b"x" * (64 << 20) + b'"}'
    return o.top(o.manifest([], config=o.blob(big, CONFIG_TYPE)))


def index_of(text, kind=INDEX_TYPE):
    def make():
        o = Oci()
        o.manifest([PLAIN])
        return o.top(o.blob(text, kind))
    return make


def confused():
    o = Oci()
    return o.top(o.manifest([PLAIN], manifests=[o.manifest([PLAIN])]))


def confused_type():
    """A manifest that is announced as an index."""
    o = Oci()
    return o.top({**o.manifest([PLAIN]), "mediaType": INDEX_TYPE})


def nested(depth):
    def make():
        o = Oci()
        d = o.manifest([PLAIN])
        for _ in range(depth):
            d = o.blob(compact({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [d]}), INDEX_TYPE)
        return o.top(d)
    return make


def wide_index():
    """Many entries for our platform, none of which is there."""
    o = Oci()
    m = o.manifest([PLAIN])
    return o.top(o.blob(compact({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [
        {**m, "digest": sha256(b"%d" % i), "platform": {"architecture": ARCHITECTURE, "os": "linux"}}
        for i in range(9000)]}), INDEX_TYPE))


def sized(size):
    def make():
        o = Oci()
        return o.top(o.manifest([PLAIN], layers=[o.blob(PLAIN, LAYER_TYPE, size=size)]))
    return make


def with_digest(digest):
    def make():
        o = Oci()
        layer = {**o.blob(PLAIN, LAYER_TYPE), "digest": digest}
        return o.top(o.manifest([PLAIN], layers=[layer]))
    return make


CLIMBS, ODD = "leaves the archive's root", "Damaged|damaged|not supported|sparse|too|limit|invalid|Truncated|cut off"
DEVICE = dict(kind=tarfile.BLKTYPE, device=(8, 0), mode=0o666)
NAME_255, NAME_256 = "n" * 255, "n" * 256

GROUPS = {
    "escapes": [
        ("dotdot", CLIMBS, entries(entry("../escaped", b"x"))),
        ("dotdot-inside", CLIMBS, entries(folder("a"), entry("a/../../escaped", b"x"))),
        ("dotdot-many", CLIMBS, entries(entry("../" * 40 + "etc/cron.d/escaped", b"x"))),
        ("dotdot-folder", CLIMBS, entries(folder("../escaped"))),
        ("dotdot-whiteout", CLIMBS, entries(entry("../../.wh.etc"))),
        ("absolute", TAKEN, entries(entry("/etc/cron.d/escaped", b"x"))),
        ("absolute-slashes", TAKEN, entries(entry("///tmp/escaped", b"x"))),
        ("symlink-absolute", TAKEN, entries(symlink("out", "/"), entry("out/etc/cron.d/escaped", b"x"))),
        ("symlink-dotdot", TAKEN, entries(symlink("out", "../" * 20), entry("out/tmp/escaped", b"x"))),
        ("symlink-chain", TAKEN, entries(symlink("a", "/"), symlink("b", "a/.."), symlink("c", "b/../tmp"),
                                         entry("c/escaped", b"x"))),
        ("symlink-proc", TAKEN, entries(folder("proc"), symlink("out", "/proc/self/root"), entry("out/escaped", b"x"))),
        ("symlink-loop", "symbolic links|symlink|ELOOP|is no folder", entries(symlink("a", "b"), symlink("b", "a"),
                                                                       entry("a/escaped", b"x"))),
        ("symlink-over-root", TAKEN, entries(symlink(".", "/tmp"), entry("escaped", b"x"))),
        ("file-through-link", TAKEN, entries(symlink("out", "/tmp/escaped"), entry("out", b"x"))),
        ("hardlink-dotdot", CLIMBS, entries(hardlink("shadow", "../../../../etc/shadow"))),
        ("hardlink-absolute", "not in this layer", entries(hardlink("shadow", "/etc/shadow"))),
        ("hardlink-through-link", "not in this layer", entries(symlink("e", "/etc"), hardlink("shadow", "e/shadow"))),
        ("hardlink-to-link", TAKEN, entries(symlink("e", "/etc/passwd"), hardlink("f", "e"), entry("f", b"x"))),
        ("hardlink-to-folder", "not in this layer|permitted|folder|directory|link", entries(folder("d"), hardlink("e", "d"))),
        ("device", TAKEN, entries(entry("sda", **DEVICE), entry("mem", kind=tarfile.CHRTYPE, device=(1, 1)))),
        ("device-then-file", TAKEN, entries(entry("sda", **DEVICE), entry("sda", b"x" * 4096))),
        ("fifo-then-file", TAKEN, entries(entry("f", kind=tarfile.FIFOTYPE), entry("f", b"x"))),
        ("through-device", "is no folder", entries(entry("sda", **DEVICE), entry("sda/x", b"x"))),
        ("whiteout-bare", "whiteout without a name", entries(entry("a/.wh."))),
        ("whiteout-dotdot", "whiteout without a name", entries(entry("a/.wh..."))),
        ("whiteout-of-whiteout", TAKEN, entries(entry(".wh..wh.a"))),
    ],
    "names": [
        ("newline", TAKEN, entries(entry("a\nb\x1b[2J", b"x"))),
        ("not-utf8", TAKEN, raw(header(b"\xff\xfe\x80", octal(1)) + padded(b"x") + END)),
        ("empty", TAKEN, raw(header(b"", octal(0)) + END)),
        ("dots", TAKEN, entries(folder("."), folder("./"), entry("./././x", b"x"))),
        ("255", TAKEN, entries(entry(NAME_255, b"x"))),
        ("256", "File name too long|too long|limit", entries(entry(NAME_256, b"x"))),
        ("path-4000", TAKEN, entries(entry("/".join(["d" * 99] * 39) + "/x", b"x"))),
        ("path-5000", "too long|limit|4096", entries(entry("/".join(["d" * 99] * 50) + "/x", b"x"))),
        ("path-1-mib", "too long|limit|header|4096", entries(entry("d/" * (1 << 19) + "x", b"x"))),
        ("link-5000", "too long|limit|4096", entries(symlink("l", "x" * 5000))),
        ("deep-1000", TAKEN, entries(entry("d/" * 1000 + "x", b"x"))),
        ("same-path-1000", TAKEN, entries(*[entry("same", b"%d" % i) for i in range(1000)])),
        ("file-folder-link", TAKEN, entries(entry("x", b"1"), folder("x"), entry("x/y", b"2"), symlink("x", "y"),
                                            entry("x", b"3"))),
        ("folders-4000", TAKEN, entries(*[folder(f"d{i}") for i in range(4000)])),
    ],
    "bombs": [
        ("gzip-1-gib", "1000 times", lambda: packed(PLAIN, gzip.compress(zeros_header(1 << 30)) + gzip_zeros(1 << 30), "+gzip")),
        ("zstd-1-gib", "1000 times", lambda: packed(PLAIN, zstd_zeros(1 << 30), "+zstd")),
        ("zstd-in-tar-1-gib", "1000 times", lambda: packed(PLAIN, bytes.fromhex("28b52ffd0038") + struct.pack("<I", 512 << 3)[:3]
                                              + zeros_header(1 << 30) + zstd_zeros(1 << 30)[6:], "+zstd")),
        ("gzip-in-gzip", "Unrecognized|damaged", lambda: packed(PLAIN, gzip.compress(gzip.compress(gzip_zeros(1 << 28))), "+gzip")),
        ("zstd-window", "window|memory|zstd|too much", lambda: packed(PLAIN, bytes.fromhex("28b52ffd00f8") + struct.pack("<I", 1 | 1 << 1 | 1 << 20)[:3] + b"\0", "+zstd")),
        ("layers-20000", "the limit is 512", many_layers),
        ("config-64-mib", "the limit is|sends more than|4194304", large_config),
        ("json-deep", "nest|deep", index_of(b'{"schemaVersion":2,"a":' + b"[" * 200000 + b"]" * 200000 + b"}")),
        ("json-values", "limit|values|nodes|too many", index_of(b'{"schemaVersion":2,"a":[' + b"0," * 1500000 + b"0]}")),
        ("json-long-key", TAKEN, index_of(compact({"schemaVersion": 2, "mediaType": INDEX_TYPE, "k" * 1000000: 1, "manifests": [
            Oci().manifest([PLAIN])]}))),
        ("index-nested-4", TAKEN, nested(3)),
        ("index-nested-9", "nest deeper", nested(9)),
        ("index-wide", "the limit is 4096", wide_index),
        ("gzip-empty-members", TAKEN, lambda: packed(PLAIN, gzip.compress(b"") * 50000 + gzip.compress(PLAIN), "+gzip")),
        ("pax-1-gib", ODD, raw(header(b"pax", octal(1 << 30), b"x"))),
        ("gnu-long-1-gib", ODD, raw(header(b"././@LongLink", octal(1 << 30), b"L", magic=b"ustar  \0"))),
    ],
    "lies": [
        ("size-more", "descriptor says|is not there|sends", sized(len(PLAIN) + 1)),
        ("size-less", "descriptor says|sends more|digest", sized(len(PLAIN) - 1)),
        ("size-negative", "size|number|range|negative", sized(-1)),
        ("size-huge", "descriptor says|size|sends|limit|range", sized((1 << 63) - 1)),
        ("size-none", "descriptor says|sends more|size|empty|digest", sized(0)),
        ("digest-path", "digest|invalid", with_digest("sha256:../../../../etc/passwd")),
        ("digest-other", "digest|supported|invalid", with_digest("md5:" + "0" * 32)),
        ("digest-short", "digest|invalid", with_digest("sha256:00")),
        ("digest-upper", "digest|invalid", with_digest("sha256:" + "A" * 64)),
        ("confusion", "a manifest and an index", confused),
        ("confusion-type", "index|manifest|mediaType", confused_type),
        ("base256-negative", ODD, raw(header(b"f", base256(-512)) + END)),
        ("base256-huge", ODD, raw(header(b"f", base256(1 << 80)) + END)),
        ("base256-8-gib", ODD, raw(header(b"f", base256(1 << 33)) + END)),
        ("pax-size-more", ODD, raw(pax(size=b"100000") + header(b"f", octal(5)) + padded(b"12345") + END)),
        ("pax-size-less", TAKEN, raw(pax(size=b"2") + header(b"f", octal(5)) + padded(b"12345") + END)),
        ("pax-size-huge", ODD, raw(pax(size=b"99999999999999999999") + header(b"f", octal(5)) + padded(b"12345") + END)),
        ("pax-length", TAKEN, raw(header(b"p", octal(20), b"x") + padded(b"99999 path=a\n") + header(b"f") + END)),
        ("pax-garbage", TAKEN, raw(header(b"p", octal(512), b"x") + b"\xff" * 512 + header(b"f") + END)),
        ("sparse-old", TAKEN, raw(gnu_sparse_old(3000, 1 << 32))),
        ("sparse-map-billion", ODD, raw(pax_sparse(b"1000000000\n0\n1\n", b"10"))),
        ("sparse-overlap", TAKEN, raw(pax_sparse(b"2\n0\n5\n0\n5\n", b"10"))),
        ("sparse-huge", ODD, raw(pax_sparse(b"1\n9223372036854775000\n5\n", b"9223372036854775807"))),
        ("checksum", "Damaged|damaged|Unrecognized", raw(b"x" * 512 + END)),
        ("truncated", "Truncated|cut off|damaged|Damaged", raw(header(b"f", octal(1 << 20)) + bytes(512))),
        ("gzip-truncated", "cut off", lambda: packed(PLAIN, gzip.compress(PLAIN)[:-20], "+gzip")),
        ("gzip-trailing", "gzip stream", lambda: packed(PLAIN, gzip.compress(PLAIN) + b"more", "+gzip")),
        ("zstd-truncated", "cut off|zstd", lambda: packed(PLAIN, zstd_zeros(1 << 20)[:-4], "+zstd")),
        ("type-unknown", TAKEN, raw(header(b"f", octal(0), b"Z") + END)),
        ("type-volume", TAKEN, raw(header(b"label", octal(0), b"V", magic=b"ustar  \0") + END)),
        ("type-multivolume", TAKEN, raw(header(b"f", octal(0), b"M", magic=b"ustar  \0") + END)),
    ],
}


# ---- what must be left alone ----

def picture(canary):
    out = []
    for top, _, names in os.walk(canary):
        for n in sorted(names):
            p = os.path.join(top, n)
            st = os.lstat(p)
            out.append((p, st.st_mode, st.st_size, st.st_nlink, st.st_mtime_ns, open(p, "rb").read()))
    passwd = os.lstat("/etc/passwd")
    return out, [n for a in AIMS if os.path.isdir(a) for n in os.listdir(a) if "escaped" in n], \
        (passwd.st_nlink, passwd.st_mtime_ns, os.lstat("/etc").st_mode)


# ---- the clock and the scale ----

def resident(pid):
    """Peaks of the process and of what descends from it, together."""
    total, todo = 0, [pid]
    while todo:
        p = todo.pop()
        try:
            with open(f"/proc/{p}/status") as f:
                for line in f:
                    if line.startswith("VmHWM:"):
                        total += int(line.split()[1])
            with open(f"/proc/{p}/task/{p}/children") as f:
                todo += [int(c) for c in f.read().split()]
        except (OSError, ValueError):
            pass
    return total


def measure(command, env, out):
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(out, "wb") as f:
        p = subprocess.Popen(command, env=env, stdout=f, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        peak = 0
        while p.poll() is None:
            peak = max(peak, resident(p.pid))
            time.sleep(0.002)
            if time.monotonic() - began > WALL_SECONDS:
                p.kill()
                p.wait()
                break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    with open(out, errors="replace") as f:
        return p.returncode, time.monotonic() - began, cpu, peak / 1024, f.read()


class Registry(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    image = None

    def log_message(self, *args):
        pass

    def do_GET(self):
        name = self.path.split("/")[-1]
        top = Registry.image.tops[0]
        digest = top["digest"] if name == "latest" else name
        body = Registry.image.blobs.get("blobs/sha256/" + digest[7:])
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.send_header("Content-Type", top["mediaType"] if name == "latest" else MANIFEST_TYPE)
        self.end_headers()
        self.wfile.write(body or b"")


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


def check(verdict, code, words, cpu, wall, rss):
    wrong = []
    if verdict is TAKEN and code != 0:
        wrong.append("refused")
    elif verdict is not TAKEN and (code != 1 or not any(w in words for w in verdict.split("|"))):
        wrong.append("exit code %s" % code)
    if cpu > CPU_SECONDS or wall > WALL_SECONDS:
        wrong.append("too slow")
    if rss > RSS_MIB:
        wrong.append("too large")
    return wrong


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in GROUPS:
        sys.exit(__doc__)
    work, corten = os.path.abspath(sys.argv[2]), os.environ["CORTEN"]
    canary = os.path.join(work, "canary")
    os.makedirs(canary)
    for i in range(3):
        with open(os.path.join(canary, f"file{i}"), "w") as f:
            f.write("canary")
    before, failed = picture(canary), 0
    server = Server(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, verdict, make in GROUPS[sys.argv[1]]:
        Registry.image = make()
        archive = os.path.join(work, "image.tar")
        with open(archive, "wb") as f:
            f.write(Registry.image.bytes())
        for verb, args in (("load", ["-i", archive]), ("pull", [f"127.0.0.1:{server.server_address[1]}/image"])):
            env = {**os.environ, "CORTEN_ROOT": os.path.join(work, "r"), "CORTEN_STATE": os.path.join(work, "s")}
            code, wall, cpu, rss, words = measure([corten, verb, *args], env, os.path.join(work, "out"))
            wrong = check(verdict, code, words, cpu, wall, rss)
            if picture(canary) != before:
                wrong.append("something outside was touched")
            last = (words.strip().splitlines() or [""])[-1][:150]
            print(f"{'not ok' if wrong else 'ok':6} {verb} {name:22} {wall:5.2f} s, CPU {cpu:4.2f} s, {rss:4.1f} MiB: "
                  f"{last}{' <- ' + ', '.join(wrong) if wrong else ''}")
            failed += bool(wrong)
            subprocess.run(["rm", "-rf", env["CORTEN_ROOT"]], check=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
