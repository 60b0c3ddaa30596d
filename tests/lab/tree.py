#!/usr/bin/env python3
"""Lists a root file system, one object a line, sorted: what two unpackers must agree on.

Columns: path, type, mode, uid:gid, mtime (s; not of folders), size or device, sha256 or link target, first name of
its hard link group, xattrs. Paths are escaped as Python does. Reads DIR only, never follows a link.
"""
import hashlib
import os
import stat
import sys

TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link", stat.S_IFCHR: "char",
         stat.S_IFBLK: "block", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}
XATTRS_OF_OTHERS = ("trusted.overlay.", "user.overlay.", "security.selinux")


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest") \
            else hashlib.sha256(f.read()).hexdigest()


def xattrs(path):
    names = sorted(n for n in os.listxattr(path, follow_symlinks=False) if not n.startswith(XATTRS_OF_OTHERS))
    return ",".join(f"{n}={os.getxattr(path, n, follow_symlinks=False).hex()}" for n in names) or "-"


def escaped(raw):
    return os.fsencode(raw).decode("latin-1").encode("unicode_escape").decode()


def row(root, name, groups):
    path = os.path.join(root, name)
    st = os.lstat(path)
    kind = TYPES[stat.S_IFMT(st.st_mode)]
    size, content, group = "-", "-", "-"
    if kind == "file":
        size, content = st.st_size, digest(path)
        if st.st_nlink > 1:
            group = escaped(groups.setdefault((st.st_dev, st.st_ino), name))
    elif kind == "link":
        content = escaped(os.readlink(path))
    elif kind in ("char", "block"):
        size = f"{os.major(st.st_rdev)}:{os.minor(st.st_rdev)}"
    mtime = "-" if kind == "dir" else int(st.st_mtime)
    return (escaped(name), kind, f"{stat.S_IMODE(st.st_mode):04o}", f"{st.st_uid}:{st.st_gid}", mtime, size,
            content, group, xattrs(path))


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: tree.py DIR")
    root = sys.argv[1]
    names = []
    for folder, dirs, files in os.walk(root):
        names += [os.path.relpath(os.path.join(folder, n), root) for n in dirs + files]
    groups = {}
    for name in sorted(names, key=os.fsencode):
        print(*row(root, name, groups), sep="\t")


if __name__ == "__main__":
    main()
