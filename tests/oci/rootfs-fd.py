"""Executes a command with a detached clone of a folder's mount as descriptor 3: rootfs-fd.py DIR COMMAND..."""
import ctypes
import os
import sys

OPEN_TREE, OPEN_TREE_CLONE, AT_FDCWD = 428, 1, -100
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.syscall(OPEN_TREE, AT_FDCWD, sys.argv[1].encode(), OPEN_TREE_CLONE)
if fd < 0:
    sys.exit("open_tree: " + os.strerror(ctypes.get_errno()))
if fd != 3:
    os.dup2(fd, 3)
os.set_inheritable(3, True)
os.execvp(sys.argv[2], sys.argv[2:])
