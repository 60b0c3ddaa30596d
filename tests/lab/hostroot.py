#!/usr/bin/env python3
"""Makes a root of this Debian machine's own essential packages, without a mirror.

    hostroot.py FILE.tar

Packages are those of priority required and what they depend on, as dpkg lists their files; nothing else of the machine
is read: no passwd, no keys, no state. Files lie where the merged /usr has them; half of them, manuals and translations,
are left out.
"""
import os
import re
import subprocess
import sys

LEFT_OUT = tuple(os.fsencode(f"/usr/share/{d}/") for d in ("doc", "locale", "man", "zoneinfo"))
FIELDS = "${Package}\t${Priority}\t${Pre-Depends}, ${Depends}\t${Provides}\n"


def installed():
    out = subprocess.run(["dpkg-query", "-W", "-f", FIELDS], check=True, capture_output=True, text=True).stdout
    return [line.split("\t") for line in out.splitlines()]


def names(text):
    return [re.match(r"[a-z0-9.+-]*", n.strip())[0] for n in re.split("[,|]", text) if n.strip()]


def closure(rows):
    depends = {name: names(needs) for name, _, needs, _ in rows}
    provided = {p: name for name, _, _, provides in rows for p in names(provides)}
    todo, found = [name for name, priority, _, _ in rows if priority == "required"], set()
    while todo:
        name = todo.pop()
        name = name if name in depends else provided.get(name)
        if name and name not in found:
            found.add(name)
            todo += depends[name]
    return sorted(found)


def files(packages):
    out = subprocess.run(["dpkg-query", "-L", *packages], check=True, capture_output=True).stdout
    tops = [os.fsencode(f"/{d}") for d in ("bin", "sbin", "lib", "lib32", "lib64", "libx32")]
    found = {p for p in tops if os.path.islink(p)}
    for path in out.splitlines():
        if not path.startswith(b"/") or path == b"/.":
            continue
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if os.path.lexists(path) and not path.startswith(LEFT_OUT):
            found.add(path)
    # Folders that only a link of the top names.
    for path in list(found):
        while (path := os.path.dirname(path)) != b"/":
            found.add(path)
    # A folder's content right behind it: GNU tar gives the folder its time back when it leaves it.
    return sorted(found, key=lambda p: p.split(b"/"))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    paths = b"".join(b"." + p + b"\0" for p in files(closure(installed())))
    subprocess.run(["tar", "-C", "/", "--numeric-owner", "--no-recursion", "--null", "--files-from=-", "-cf",
                    sys.argv[1]], check=True, input=paths)


main()
