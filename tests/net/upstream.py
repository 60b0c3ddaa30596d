#!/usr/bin/env python3
"""A name server for tests: upstream.py ADDRESS PORT [LOG]. Speaks UDP and TCP; the first label says what it does.

a.*        10.11.12.13          big.*   TXT that needs TCP          slow.*  no answer
nx.*       NXDOMAIN             fail.*  SERVFAIL                    forged.*  wrong answers, then the right one
"""
import socket
import socketserver
import struct
import sys
import threading

LOG = open(sys.argv[3], "a", buffering=1) if len(sys.argv) > 3 else None


def labels(msg):
    out, at = [], 12
    while msg[at]:
        out.append(msg[at + 1:at + 1 + msg[at]].decode("latin-1"))
        at += 1 + msg[at]
    return out, at + 5


def answer(msg, code, records, flags=0):
    _, end = labels(msg)
    has_edns = struct.unpack(">H", msg[10:12])[0]
    head = msg[:2] + struct.pack(">HHHHH", 0x8180 | flags | code, 1, len(records), 0, has_edns)
    body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", t, 1, 60, len(d)) + d for t, d in records)
    edns = b"\0\0\x29\x04\xd0\0\0\0\0\0\0" if has_edns else b""
    return head + msg[12:end] + body + edns


def reply(msg, is_tcp):
    """All datagrams that go back."""
    names, end = labels(msg)
    kind, qtype = names[0].lower(), struct.unpack(">H", msg[end - 4:end - 2])[0]
    if LOG:
        LOG.write(f"{'tcp' if is_tcp else 'udp'} {'.'.join(names)} {qtype} {struct.unpack('>H', msg[:2])[0]}\n")
    right = answer(msg, 0, [(1, bytes([10, 11, 12, 13]))] if qtype == 1 else [])
    if kind == "slow":
        return []
    if kind == "nx":
        return [answer(msg, 3, [])]
    if kind == "fail":
        return [answer(msg, 2, [])]
    if kind == "big":
        text = b"\xfa" + b"x" * 250
        return [answer(msg, 0, [(16, text)] * 20) if is_tcp else answer(msg, 0, [], 0x200)]
    if kind == "forged":
        forged = answer(msg, 0, [(1, bytes([6, 6, 6, 6]))])
        other = bytearray(forged)
        other[13] ^= 1
        return [bytes([msg[0] ^ 1]) + forged[1:], bytes(other), forged[:11], right]
    return [right]


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        for r in reply(self.request[0], False):
            self.request[1].sendto(r, self.client_address)


class Tcp(socketserver.StreamRequestHandler):
    def handle(self):
        while len(head := self.rfile.read(2)) == 2:
            for r in reply(self.rfile.read(struct.unpack(">H", head)[0]), True):
                self.wfile.write(struct.pack(">H", len(r)) + r)


socketserver.ThreadingTCPServer.allow_reuse_address = True
where = (sys.argv[1], int(sys.argv[2]))
threading.Thread(target=socketserver.ThreadingTCPServer(where, Tcp).serve_forever, daemon=True).start()
server = socketserver.ThreadingUDPServer(where, Udp)
print("ready", flush=True)
server.serve_forever()
