#!/usr/bin/env python3
"""A scripted registry on loopback that misbehaves, for pull.bats.

    registry.py LOG [--tls CERT KEY [--client-ca CERT]] [--port N] [--status N]

prints its port, then serves one image whose name says what goes wrong with it: /v2/<behaviour>/…. Every request is a
line of LOG: method, path, Range, Authorization, and X-Test if it is there; every body that is sent one of LOG.bytes: path,
bytes. With --status every answer is that. Needs nothing but Python and archives.py.
"""
import argparse
import base64
import functools
import gzip
import http.server
import json
import os
import random
import select
import socketserver
import ssl
import struct
import sys
import socket
import threading

import archives
import uploads

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


class Handler(uploads.Uploads, http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    counts = {}
    warnings = []
    has_first = threading.Event()

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        headers.setdefault("Content-Length", str(len(body)))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        for words in self.warnings:
            self.send_header("Warning", words)
        self.end_headers()
        self.send(body)

    def note(self, *words, to=""):
        with open(Handler.log + to, "a") as f:
            print(*words, file=f)

    def send(self, body):
        """Of a body, and counted: what the other side took may be less."""
        self.note(self.path, len(body), to=".bytes")
        self.wfile.write(body)
        self.wfile.flush()

    def begin(self, status, length, **headers):
        """Headers whose body comes piece by piece."""
        self.send_response(status)
        for key, value in {"Content_Length": length, **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def start(self):
        return int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0])

    def hang_up(self):
        """An end in the middle: what was sent arrives; behind TLS there is no farewell."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.close()
        self.close_connection = True

    def hold(self):
        """Until the other side gives up."""
        self.connection.settimeout(120)
        try:
            while self.connection.recv(4096):
                pass
        except OSError:
            pass
        self.close_connection = True

    def reset(self):
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def count(self, key):
        self.counts[key] = self.counts.get(key, 0) + 1
        return self.counts[key]

    def forget(self):
        """All that cases before this one asked."""
        Handler.has_first.clear()
        for known in (Handler.counts, self.blobs, self.manifests, self.tags, self.sessions):
            known.clear()
        self.answer(200)

    def challenge(self, realm):
        self.answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}',
                    WWW_Authenticate=f'Bearer realm="{realm}",service="s"')

    def do_GET(self):
        if self.path == "/forget":
            return self.forget()
        self.note("GET", self.path, self.headers.get("Range", "-"), self.headers.get("Authorization", "-"),
                  *self.headers.get_all("X-Test", []))
        path = self.path.split("?")[0]
        if Handler.status:
            return self.answer(Handler.status)
        if path == "/v2/":
            return self.do_basic("manifests", "latest")
        if path.startswith("/token-"):
            return getattr(self, "token_" + path[7:])()
        if path == "/token":
            ok = self.headers.get("Authorization") == USER
            return self.answer(200, json.dumps({"token": TOKEN}).encode()) if ok else self.answer(401)
        if path == "/pushtoken":
            return self.answer(200, b'{"token":"pushing"}')
        parts = path.split("/")
        if len(parts) > 4 and parts[1] == "v2" and self.get_written():
            return None
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
        asked = self.headers.get("Range", "")
        if "67108863" in asked and not os.path.exists(Handler.log + ".go"):
            # What the first part brought is what counts: it must have come.
            Handler.has_first.wait(30)
            return self.answer(403)
        self.do_large(kind, name)
        if "33554431" in asked:
            Handler.has_first.set()

    # ---- tokens that are none ----

    def token_huge(self):
        self.answer(200, json.dumps({"token": "x" * 100000}).encode())

    def token_endless(self):
        self.begin(200, 1 << 40)
        try:
            while True:
                self.wfile.write(b"x" * 65536)
        except OSError:
            self.close_connection = True

    def token_garbage(self):
        self.answer(200, random.Random(2).randbytes(500))

    def token_lines(self):
        self.answer(200, json.dumps({"token": "a\r\nX-Evil: b"}).encode())

    def token_empty(self):
        self.answer(200, b"{}")

    def token_broken(self):
        self.answer(500, b"no")

    # ---- words for the user ----

    def do_warned(self, kind, name):
        """The same words with every answer, and some that are an order to a terminal with the image itself."""
        self.warnings = ['299 - "this registry closes"'] + ['299 - "red\x1b[31m"'] * (name == "latest")
        self.plain(kind, name)
        self.warnings = []

    # ---- what goes wrong ----

    def on_blob(self, kind, name, act):
        """`act` on the large blob, everything else as it should be."""
        data, _ = self.content(kind, name)
        return act(data) if name == BIG else self.plain(kind, name)

    def do_rst(self, kind, name):
        """A hard reset in the middle, once: what was under way is lost."""
        def act(data):
            if self.count("rst") > 1:
                return self.plain(kind, name)
            self.begin(200, len(data))
            self.send(data[:LAYER_BYTES // 2])
            self.reset()
        self.on_blob(kind, name, act)

    def do_stall(self, kind, name):
        """Stops in the middle, once; then it goes on by ranges."""
        def act(data):
            if self.count("stall") > 1:
                return self.plain(kind, name)
            self.begin(200, len(data))
            self.send(data[:LAYER_BYTES // 2])
            self.hold()
        self.on_blob(kind, name, act)

    def do_silent(self, kind, name):
        """Takes the request and says nothing."""
        self.on_blob(kind, name, lambda data: self.hold())

    def do_trickle(self, kind, name):
        """A few bytes each second, for ever; ranges are honoured, so that every try gets on."""
        def act(data):
            at = self.start()
            self.begin(206, len(data) - at, Content_Range=f"bytes {at}-{len(data) - 1}/{len(data)}")
            try:
                while at < len(data):
                    self.send(data[at:at + 100])
                    at += 100
                    if select.select([self.connection], [], [], 0.5)[0]:
                        break
            except OSError:
                pass
            self.close_connection = True
        self.on_blob(kind, name, act)

    def do_drip(self, kind, name):
        """Headers, a byte of them at a time."""
        def act(data):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            try:
                while not select.select([self.connection], [], [], 0.5)[0]:
                    self.wfile.write(b"x")
                    self.wfile.flush()
            except OSError:
                pass
            self.close_connection = True
        self.on_blob(kind, name, act)

    def do_headers(self, kind, name):
        """Headers without end."""
        try:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for i in range(1 << 20):
                self.wfile.write(b"X-%d: %s\r\n" % (i, b"x" * 1000))
        except OSError:
            pass
        self.close_connection = True

    def do_chunks(self, kind, name):
        """Chunks whose sizes are none."""
        def act(data):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"10\r\n" + data[:16] + b"\r\nffffffffffffffffff\r\n" + data)
            self.hang_up()
        self.on_blob(kind, name, act)

    def do_wrongrange(self, kind, name):
        """Breaks off, then goes on from somewhere else, and calls it what was asked or what it is."""
        def act(data):
            if self.start() == 0:
                return self.cut(kind, name, True, times=1)
            self.answer(206, data, Content_Range=f"bytes 0-{len(data) - 1}/{len(data)}")
        self.on_blob(kind, name, act)

    def do_lyingrange(self, kind, name):
        def act(data):
            at = self.start()
            if at == 0:
                return self.cut(kind, name, True, times=1)
            self.answer(206, data[:-at], Content_Range=f"bytes {at}-{len(data) - 1}/{len(data)}")
        self.on_blob(kind, name, act)

    def do_encoded(self, kind, name):
        """Packed on the way, which nobody asked for."""
        self.on_blob(kind, name, lambda data: self.answer(200, gzip.compress(data, 1), Content_Encoding="gzip"))

    def do_labelled(self, kind, name):
        """Object stores keep an encoding as a label: the bytes are the blob's own."""
        self.on_blob(kind, name, lambda data: self.answer(200, data, Content_Encoding="gzip"))

    def do_oversized(self, kind, name):
        """A manifest that is larger than any."""
        if kind == "manifests":
            return self.answer(200, b" " * (5 << 20), Content_Type=archives.MANIFEST_TYPE)
        self.plain(kind, name)

    def do_endless(self, kind, name):
        """A manifest of unknown length that does not end."""
        if kind != "manifests":
            return self.plain(kind, name)
        self.send_response(200)
        self.send_header("Content-Type", archives.MANIFEST_TYPE)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b" " * 65536)
        except OSError:
            pass
        self.close_connection = True

    def do_broken(self, kind, name):
        self.on_blob(kind, name, lambda data: self.answer(500, b"<html>" + b"\x1b[2J" * 100))

    def do_later(self, kind, name):
        """Tells to come back next year."""
        self.answer(503, Retry_After="31536000")

    def do_file(self, kind, name):
        self.on_blob(kind, name, lambda data: self.answer(307, Location="file:///etc/passwd"))

    def do_gopher(self, kind, name):
        self.on_blob(kind, name, lambda data: self.answer(307, Location="gopher://127.0.0.1:1/x"))

    def do_nowhere(self, kind, name):
        self.on_blob(kind, name, lambda data: self.answer(307))

    def do_never(self, kind, name):
        """No token is good enough."""
        self.challenge(f"http://{self.headers['Host']}/token")

    def do_tokenhuge(self, kind, name):
        self.challenge(f"http://{self.headers['Host']}/token-huge")

    def do_tokenendless(self, kind, name):
        self.challenge(f"http://{self.headers['Host']}/token-endless")

    def do_tokengarbage(self, kind, name):
        self.challenge(f"http://{self.headers['Host']}/token-garbage")

    def do_tokenlines(self, kind, name):
        self.challenge(f"http://{self.headers['Host']}/token-lines")

    def do_tokenempty(self, kind, name):
        self.challenge(f"http://{self.headers['Host']}/token-empty")

    def do_tokenbroken(self, kind, name):
        self.challenge(f"http://{self.headers['Host']}/token-broken")

    def do_badchallenge(self, kind, name):
        self.answer(401, WWW_Authenticate="Bearer realm=\"" + "x" * 7000)

    def cut(self, kind, name, has_ranges, times=3, step=LAYER_BYTES // 4):
        data, _ = self.content(kind, name)
        start = self.start() if has_ranges else 0
        if name != BIG or self.count((self.path, "cut")) > times:
            return self.whole(kind, name) if not has_ranges else self.plain(kind, name)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.send(data[start:start + step])
        self.hang_up()

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

    def handle_error(self, request, client_address):
        """A client that went away is none of this side's errors."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("log")
    p.add_argument("--tls", nargs=2)
    p.add_argument("--client-ca")
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--status", type=int, default=0)
    p.add_argument("--archive", metavar="HOST", help="write the image for uploads.py to LOG instead")
    o = p.parse_args()
    if o.archive:
        with open(o.log, "wb") as f:
            f.write(uploads.archive(o.archive))
        return
    Handler.log = o.log
    Handler.status = o.status
    servers = [Server(("127.0.0.1", o.port), Handler), Server(("127.0.0.1", 0), Handler)]
    if o.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*o.tls)
        if o.client_ca:
            context.load_verify_locations(o.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        servers[0].socket = context.wrap_socket(servers[0].socket, server_side=True)
    Handler.other = servers[1].server_address[1]
    threading.Thread(target=servers[1].serve_forever, daemon=True).start()
    print(servers[0].server_address[1], flush=True)
    sys.stdout.close()
    servers[0].serve_forever()


main()
