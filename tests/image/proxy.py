#!/usr/bin/env python3
"""A proxy on loopback, for registry-config.bats.

    proxy.py LOG --to PORT [--auth USER:PASSWORD]

prints its port, then serves absolute http URLs and CONNECT; whatever the host, the connection goes to 127.0.0.1:PORT, so
that names need no resolver. Every request is a line of LOG: method, target, Proxy-Authorization.
"""
import argparse
import base64
import select
import socket
import socketserver
import sys


class Handler(socketserver.StreamRequestHandler):
    def head(self):
        lines = []
        while (line := self.rfile.readline()) not in (b"\r\n", b"\n", b""):
            lines.append(line.decode().rstrip("\r\n"))
        return lines

    def handle(self):
        while lines := self.head():
            method, target, version = lines[0].split(" ")
            given = [h.split(": ", 1)[1] for h in lines[1:] if h.lower().startswith("proxy-authorization:")]
            with open(self.server.log, "a") as f:
                print(method, target, given[0] if given else "-", file=f)
            if self.server.auth and given != [self.server.auth]:
                self.wfile.write(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n"
                                 b"Proxy-Authenticate: Basic realm=\"p\"\r\n\r\n")
                continue
            with socket.create_connection(("127.0.0.1", self.server.to)) as up:
                if method == "CONNECT":
                    self.wfile.write(b"HTTP/1.1 200 Go on\r\n\r\n")
                    return self.relay(up)
                path = "/" + target.split("/", 3)[3]
                kept = [h for h in lines[1:] if not h.lower().startswith(("proxy-", "connection:"))]
                up.sendall("\r\n".join([f"{method} {path} {version}", *kept, "Connection: close", "", ""]).encode())
                while data := up.recv(65536):
                    self.wfile.write(data)
            return

    def relay(self, up):
        ends = [self.connection, up]
        while True:
            for s in select.select(ends, [], [])[0]:
                data = s.recv(65536)
                if not data:
                    return
                ends[1 - ends.index(s)].sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, address):
        """A client that goes away is no news."""


p = argparse.ArgumentParser()
p.add_argument("log")
p.add_argument("--to", type=int, required=True)
p.add_argument("--auth")
o = p.parse_args()
server = Server(("127.0.0.1", 0), Handler)
server.log, server.to = o.log, o.to
server.auth = "Basic " + base64.b64encode(o.auth.encode()).decode() if o.auth else None
print(server.server_address[1], flush=True)
sys.stdout.close()
server.serve_forever()
