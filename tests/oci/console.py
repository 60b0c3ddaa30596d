"""Listens on a console socket, takes one terminal, prints what comes out of it until its end."""
import array
import os
import socket
import sys

sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
sock.bind(sys.argv[1])
sock.listen(1)
conn, _ = sock.accept()
_, anc, _, _ = conn.recvmsg(4096, socket.CMSG_SPACE(4))
fds = array.array("i")
fds.frombytes(anc[0][2][:4])
while True:
    try:
        data = os.read(fds[0], 4096)
    except OSError:
        break
    if not data:
        break
    sys.stdout.write(data.decode().replace("\r", ""))
