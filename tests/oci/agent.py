"""Takes one descriptor over a unix socket: agent.py SOCKET pidfd|seccomp.

pidfd: prints the number of the process that it stands for. seccomp: prints the text that came along, then answers
each call that the listener reports with EDOM, so that the answer cannot be taken for the kernel's own.
"""
import array
import errno
import fcntl
import os
import select
import socket
import struct
import sys

NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101

path, kind = sys.argv[1:]
sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
sock.bind(path)
sock.listen(1)
conn, _ = sock.accept()
text, anc, _, _ = conn.recvmsg(65536, socket.CMSG_SPACE(4))
fds = array.array("i")
fds.frombytes(anc[0][2][:4])
if kind == "pidfd":
    with open(f"/proc/self/fdinfo/{fds[0]}") as f:
        print([line.split()[1] for line in f if line.startswith("Pid:")][0], flush=True)
    sys.exit()
print(text.decode(), flush=True)
poll = select.poll()
poll.register(fds[0], select.POLLIN)
while poll.poll(10000)[0][1] == select.POLLIN:
    call = bytearray(80)
    fcntl.ioctl(fds[0], NOTIF_RECV, call)
    fcntl.ioctl(fds[0], NOTIF_SEND, struct.pack("=QqiI", struct.unpack_from("=Q", call)[0], 0, -errno.EDOM, 0))
