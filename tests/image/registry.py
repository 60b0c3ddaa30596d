#!/usr/bin/env python3
"""A scripted registry on loopback that misbehaves, for pull.bats.

    registry.py LOG [--tls CERT KEY] [--port N]

prints its port, then serves one image whose name says what goes wrong with it: /v2/<behaviour>/…. Every request is a
line of LOG: method, path, Range, Authorization. Needs nothing but Python and archives.py.
"""
import argparse
import base64
import functools
import http.server
import json
import os
import random
import socketserver
import ssl
import struct
import sys
import socket
import threading

import archives

LAYER_BYTES = 3 << 20
USER = "Basic " + base64.b64encode(b"user:secret").decode()
TOKEN = "a-token"


def make_image(size):
    noise = random.Random(1).randbytes(size)
    small = archives.tar(archives.folder("bin"), archives.entry("bin/sh", b"plain", mode=0o755))
    layers = [small, archives.tar(archives.entry("noise", noise))]
    oci = archives.Oci()
    manifest = oci.manifest(layers)
    index = archives.compact({"schemaVersion": 2, "mediaType": archives.INDEX_TYPE, "manifests": [
        {**manifest, "digest": archives.sha256(b"x"), "platform": {"architecture": "s390x", "os": "linux"}},
        {**manifest, "digest": archives.sha256(b"y"), "platform": {"architecture": "unknown", "os": "unknown"}},
        {"mediaType": "application/x-other", "digest": archives.sha256(b"z"), "size": 1},
        {**manifest, "platform": {"architecture": archives.ARCHITECTURE, "os": "linux"}}]})
    blobs = {archives.sha256(data): data for data in oci.blobs.values()}
    return index, manifest, blobs, archives.sha256(layers[1])


INDEX, MANIFEST, BLOBS, BIG = make_image(LAYER_BYTES)
LARGE_BYTES = 100 << 20
large_image = functools.cache(lambda: make_image(LARGE_BYTES))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    counts = {}

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        headers.setdefault("Content-Length", str(len(body)))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def reset(self):
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def count(self, key):
        self.counts[key] = self.counts.get(key, 0) + 1
        return self.counts[key]

    def challenge(self, realm):
        self.answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}',
                    WWW_Authenticate=f'Bearer realm="{realm}",service="s"')

    def do_GET(self):
        with open(Handler.log, "a") as f:
            print("GET", self.path, self.headers.get("Range", "-"), self.headers.get("Authorization", "-"), file=f)
        path = self.path.split("?")[0]
        if path == "/token":
            ok = self.headers.get("Authorization") == USER
            return self.answer(200, json.dumps({"token": TOKEN}).encode()) if ok else self.answer(401)
        parts = path.split("/")
        if len(parts) != 5 or parts[1] != "v2":
            return self.answer(404)
        getattr(self, "do_" + parts[2], self.plain)(parts[3], parts[4])

    # ---- what is right ----

    def content(self, kind, name):
        if kind == "manifests" and name in ("latest", archives.sha256(INDEX)):
            return INDEX, archives.INDEX_TYPE
        return BLOBS.get(name), archives.MANIFEST_TYPE if kind == "manifests" else "application/octet-stream"

    def plain(self, kind, name):
        self.ranged(*self.content(kind, name))

    def ranged(self, data, media_type):
        if data is None:
            return self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
        asked = self.headers.get("Range")
        if not asked:
            return self.answer(200, data, Content_Type=media_type)
        start, _, end = asked[6:].partition("-")
        start, end = int(start), min(int(end or len(data)), len(data) - 1)
        if start >= len(data):
            return self.answer(416)
        return self.answer(206, memoryview(data)[start:end + 1], Content_Range=f"bytes {start}-{end}/{len(data)}")

    def do_large(self, kind, name, has_ranges=True):
        index, _, blobs, _ = large_image()
        if kind == "manifests" and name == "latest":
            return self.answer(200, index, Content_Type=archives.INDEX_TYPE)
        data, media_type = blobs.get(name), archives.MANIFEST_TYPE if kind == "manifests" else "application/octet-stream"
        return self.ranged(data, media_type) if has_ranges else self.answer(200, data, Content_Type=media_type)

    def do_largewhole(self, kind, name):
        self.do_large(kind, name, has_ranges=False)

    def do_largeonce(self, kind, name):
        """The second part breaks, until somebody makes the file LOG.go."""
        if "67108863" in self.headers.get("Range", "") and not os.path.exists(Handler.log + ".go"):
            return self.answer(403)
        self.do_large(kind, name)

    # ---- what goes wrong ----

    def cut(self, kind, name, has_ranges, times=3, step=LAYER_BYTES // 4):
        data, _ = self.content(kind, name)
        start = int((self.headers.get("Range") or "bytes=0-")[6:].rstrip("-")) if has_ranges else 0
        if name != BIG or self.count((self.path, "cut")) > times:
            return self.whole(kind, name) if not has_ranges else self.plain(kind, name)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start:start + step])
        self.wfile.flush()
        # What was sent must arrive before the reset throws it away.
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.close()
        self.close_connection = True

    def whole(self, kind, name):
        data, media_type = self.content(kind, name)
        self.answer(200, data, Content_Type=media_type) if data else self.answer(404)

    def do_reset(self, kind, name):
        self.cut(kind, name, True)

    def do_norange(self, kind, name):
        self.cut(kind, name, False)

    def do_forever(self, kind, name):
        self.cut(kind, name, True, times=1 << 30, step=0)

    def do_once(self, kind, name):
        """Breaks for good until somebody makes the file LOG.go."""
        if name == BIG and not os.path.exists(Handler.log + ".go"):
            return self.cut(kind, name, True, times=1, step=LAYER_BYTES // 2) if self.count("once") == 1 \
                else self.answer(403)
        return self.plain(kind, name)

    def do_digest(self, kind, name):
        data, media_type = self.content(kind, name)
        if name == BIG:
            data = data[:-1] + bytes([data[-1] ^ 1])
        self.answer(200, data, Content_Type=media_type)

    def do_manifest(self, kind, name):
        data, media_type = self.content(kind, name)
        self.answer(200, data + b" " if name == MANIFEST["digest"] else data, Content_Type=media_type)

    def do_header(self, kind, name):
        data, media_type = self.content(kind, name)
        self.answer(200, data, Content_Type=media_type, Docker_Content_Digest=archives.sha256(b"else"))

    def do_short(self, kind, name):
        data, media_type = self.content(kind, name)
        self.answer(200, data[:-1000] if name == BIG else data, Content_Type=media_type)

    def do_long(self, kind, name):
        data, media_type = self.content(kind, name)
        self.answer(200, data + bytes(1000) if name == BIG else data, Content_Type=media_type)

    def do_loop(self, kind, name):
        self.answer(307, Location=self.path)

    def do_busy(self, kind, name):
        if self.count(self.path) <= 2:
            return self.answer(429, Retry_After="1")
        self.plain(kind, name)

    def do_toobusy(self, kind, name):
        self.answer(429, Retry_After="0")

    def do_basic(self, kind, name):
        if self.headers.get("Authorization") != USER:
            return self.answer(401, WWW_Authenticate='Basic realm="r"')
        self.plain(kind, name)

    def do_login(self, kind, name):
        if self.headers.get("Authorization") != "Bearer " + TOKEN:
            return self.challenge(f"http://{self.headers['Host']}/token")
        self.plain(kind, name)

    def do_foreign(self, kind, name):
        self.challenge(f"http://127.0.0.1:{Handler.other}/token")

    def do_elsewhere(self, kind, name):
        """Blobs lie on another host; the manifests need a login."""
        if kind == "blobs":
            return self.answer(307, Location=f"http://127.0.0.1:{Handler.other}/v2/plain/blobs/{name}")
        self.do_login(kind, name)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def main():
    p = argparse.ArgumentParser()
    p.add_argument("log")
    p.add_argument("--tls", nargs=2)
    p.add_argument("--port", type=int, default=0)
    o = p.parse_args()
    Handler.log = o.log
    servers = [Server(("127.0.0.1", o.port), Handler), Server(("127.0.0.1", 0), Handler)]
    if o.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*o.tls)
        servers[0].socket = context.wrap_socket(servers[0].socket, server_side=True)
    Handler.other = servers[1].server_address[1]
    threading.Thread(target=servers[1].serve_forever, daemon=True).start()
    print(servers[0].server_address[1], flush=True)
    sys.stdout.close()
    servers[0].serve_forever()


main()
