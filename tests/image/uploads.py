"""The side of registry.py that is written to: /v2/<behaviour>/… takes blobs and manifests as the behaviour says.

`registry.py --archive HOST` makes the image that push.bats pushes to each of them. A behaviour is a row of BEHAVIOURS:
what goes wrong, once (a counter of the handler says when). Needs nothing but Python and archives.py.
"""
import json
import random
import threading

import archives

LAYER_BYTES = 3 << 20
STEP = 1 << 20

BEHAVIOURS = {
    "good": {},
    "broken": {"breaks": STEP},
    "slips": {"breaks": 2 * STEP, "slips": STEP},
    "lost": {"breaks": STEP, "loses": True},
    "unheard": {"unheard": True},
    "midway": {"fails": 503},
    "never": {"breaks": 0, "times": 1 << 30},
    "busypost": {"busy": 2},
    "small": {"whole_max": STEP, "chunk_min": 1 << 16},
    "nomount": {"refuses_mount": True},
    "mounts": {"mounts": True},
    "relative": {"relative": True},
    "pushlogin": {"login": True},
    "warns": {"warning": True},
    "offsite": {"offsite": True},
    "worse": {"worse": True},
    "subject": {"subject": True},
    "nosubject": {},
    "pages": {},
    "endless": {},
    "kinds": {"referrers": True},
    "unfiltered": {"referrers": True, "unfiltered": True},
}


def archive(host):
    """One image under every behaviour's name; one with it as its subject as subject:latest and nosubject:latest."""
    layers = [archives.tar(archives.folder("bin"), archives.entry("bin/sh", b"plain", mode=0o755)),
              archives.tar(archives.entry("noise", random.Random(2).randbytes(LAYER_BYTES)))]
    oci = archives.Oci()
    image = oci.manifest(layers)
    signature = oci.manifest(layers[:1], subject=image, annotations={"a": "b"})
    for name in BEHAVIOURS:
        oci.top(signature if "subject" in name else image, f"{host}/{name}:latest")
    return oci.bytes()


class Uploads:
    """Methods of registry.py's Handler."""
    lock = threading.Lock()
    blobs, manifests, tags, sessions = {}, {}, {}, {}

    def parts(self):
        path, _, query = self.path.partition("?")
        parts = path.split("/")
        return parts[2], parts[3:], dict(x.partition("=")[::2] for x in query.split("&") if x)

    def note_write(self):
        with open(self.log, "a") as f:
            print(self.command, self.path, self.headers.get("Content-Range", "-"),
                  self.headers.get("Authorization", "-"), file=f)

    def once(self, name, what, times=1):
        return self.count((name, what)) <= times

    def body(self, name, flags, is_data):
        """The request's body; broken off as the behaviour says: what came then is None's second half."""
        length = int(self.headers.get("Content-Length", "0"))
        if is_data and length > STEP and "breaks" in flags and self.once(name, "break", flags.get("times", 1)):
            return self.rfile.read(flags["breaks"]), True
        return self.rfile.read(length), False

    def do_POST(self):
        self.note_write()
        name, parts, query = self.parts()
        flags = BEHAVIOURS.get(name)
        if flags is None or parts[:2] != ["blobs", "uploads"]:
            return self.answer(404)
        if flags.get("login") and not self.is_logged_in(name):
            return None
        if "busy" in flags and self.once(name, "busy", flags["busy"]):
            return self.answer(429, Retry_After="1")
        if "mount" in query and flags.get("mounts"):
            digest = query["mount"].replace("%3a", ":")
            return self.answer(201, Location=f"/v2/{name}/blobs/{digest}", Docker_Content_Digest=digest)
        if "mount" in query and flags.get("refuses_mount"):
            return self.answer(403, b'{"errors":[{"code":"DENIED"}]}')
        session = str(self.count("session"))
        self.sessions[name, session] = b""
        return self.answer(202, **self.place(name, session, flags))

    def place(self, name, session, flags):
        where = f"/v2/{name}/blobs/uploads/{session}?_state=s%3D"
        if flags.get("offsite"):
            where = f"http://127.0.0.1:{self.other}{where}"
        elif flags.get("worse"):
            where = f"ftp://{self.headers['Host']}{where}"
        elif not flags.get("relative"):
            where = f"{self.headers.get('X-Forwarded-Proto', 'http')}://{self.headers['Host']}{where}"
        else:
            where = f"{session}?_state=s%3D"
        headers = {"Location": where, "Range": f"0-{max(len(self.sessions[name, session]) - 1, 0)}"}
        if "chunk_min" in flags:
            headers["OCI_Chunk_Min_Length"] = str(flags["chunk_min"])
        return headers

    def do_PATCH(self):
        self.note_write()
        name, parts, query = self.parts()
        flags, key = BEHAVIOURS[name], (name, parts[2])
        start, _, end = self.headers["Content-Range"].partition("-")
        data, is_broken = self.body(name, flags, "times" in flags)
        if is_broken:
            return self.reset()
        if key not in self.sessions or query.get("_state") != "s%3D":
            return self.answer(404)
        if "slips" in flags and self.once(name, "slip"):
            self.sessions[key] = self.sessions[key][:flags["slips"]]
        if int(start) != len(self.sessions[key]) or int(end) - int(start) + 1 != len(data):
            return self.answer(416, **self.place(name, parts[2], flags))
        self.sessions[key] += data
        return self.answer(202, **self.place(name, parts[2], flags))

    def do_PUT(self):
        self.note_write()
        name, parts, query = self.parts()
        flags = BEHAVIOURS.get(name)
        if flags is None:
            return self.answer(404)
        if parts[0] == "manifests":
            return self.put_manifest(name, parts[1], flags)
        key = (name, parts[2])
        if key not in self.sessions or query.get("_state") != "s%3D":
            return self.answer(404)
        if int(self.headers.get("Content-Length", "0")) > flags.get("whole_max", 1 << 40):
            self.close_connection = True
            return self.answer(413)
        data, is_broken = self.body(name, flags, True)
        if is_broken:
            self.sessions[key] += data
            if flags.get("loses"):
                del self.sessions[key]
            return self.reset()
        if "fails" in flags and len(data) > STEP and self.once(name, "fail"):
            self.sessions[key] += data[:STEP]
            return self.answer(flags["fails"])
        data = self.sessions.pop(key) + data
        digest = archives.sha256(data)
        if digest != query.get("digest", "").replace("%3a", ":"):
            return self.answer(400, b'{"errors":[{"code":"DIGEST_INVALID","message":"wrong digest"}]}')
        self.blobs[name, digest] = data
        if flags.get("unheard") and len(data) > STEP:
            return self.reset()
        return self.answer(201, Docker_Content_Digest=digest)

    def put_manifest(self, name, ref, flags):
        data, _ = self.body(name, flags, False)
        value, digest = json.loads(data), archives.sha256(data)
        for d in [value["config"], *value["layers"]] if "layers" in value else []:
            if (name, d["digest"]) not in self.blobs and not flags.get("mounts"):
                return self.answer(400, b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"no blob"}]}')
        self.manifests[name, digest] = self.manifests[name, ref] = data, self.headers["Content-Type"]
        headers = {"Docker_Content_Digest": digest}
        if flags.get("warning"):
            headers["Warning"] = '299 - "your quota is nearly full"'
        if "subject" in value and flags.get("subject"):
            headers["OCI_Subject"] = value["subject"]["digest"]
        return self.answer(201, **headers)

    def do_DELETE(self):
        self.note_write()
        name, parts, _ = self.parts()
        if parts[:2] == ["blobs", "uploads"]:
            return self.answer(204 if self.sessions.pop((name, parts[2]), None) is not None else 404)
        where = self.manifests if parts[0] == "manifests" else self.blobs
        return self.answer(202 if where.pop((name, parts[1]), None) is not None else 404)

    def do_HEAD(self):
        self.note_write()
        name, parts, _ = self.parts()
        if name in BEHAVIOURS and BEHAVIOURS[name].get("login") and not self.is_logged_in(name):
            return
        found = self.manifests.get((name, parts[1])) if parts[0] == "manifests" else \
            (self.blobs.get((name, parts[1])), "application/octet-stream")
        if not found or found[0] is None:
            self.send_response(404)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(found[0])))
        self.send_header("Content-Type", found[1])
        self.send_header("Docker-Content-Digest", archives.sha256(found[0]))
        self.end_headers()

    def is_logged_in(self, name):
        if self.headers.get("Authorization") == "Bearer pushing":
            return True
        self.answer(401, WWW_Authenticate=f'Bearer realm="http://{self.headers["Host"]}/pushtoken",service="s"')
        return False

    # ---- read back ----

    def get_written(self):
        """Whether this was a request for what was written."""
        name, parts, query = self.parts()
        flags = BEHAVIOURS.get(name)
        if flags is None:
            return False
        if parts[0] == "tags":
            self.get_tags(name, query)
        elif parts[0] == "referrers":
            self.get_referrers(flags, query)
        elif parts[:2] == ["blobs", "uploads"]:
            key = (name, parts[2])
            self.answer(204, **self.place(name, parts[2], flags)) if key in self.sessions else self.answer(404)
        elif parts[0] == "manifests" and (name, parts[1]) in self.manifests:
            data, kind = self.manifests[name, parts[1]]
            self.answer(200, data, Content_Type=kind, Docker_Content_Digest=archives.sha256(data))
        elif parts[0] == "blobs" and (name, parts[1]) in self.blobs:
            self.answer(200, self.blobs[name, parts[1]])
        elif hasattr(self, "do_" + name):
            # A pull's behaviour has the same name.
            return False
        else:
            self.answer(404)
        return True

    def get_tags(self, name, query):
        tags = [f"t{i:03}" for i in range(25)] + ["../no", "n o"]
        start = tags.index(query["last"]) + 1 if "last" in query else 0
        page = tags[start:start + 10]
        headers = {"Link": f'</v2/{name}/tags/list?n=10&last={page[-1]}>; rel="next"'} if start + 10 < len(tags) else {}
        if name == "endless":
            headers = {"Link": f'<{self.path}>; rel="next"'}
        self.answer(200, json.dumps({"name": name, "tags": page}).encode(), **headers)

    def get_referrers(self, flags, query):
        if not flags.get("referrers"):
            return self.answer(404)
        all_of_them = [{"mediaType": archives.MANIFEST_TYPE, "digest": archives.sha256(kind.encode()), "size": 1,
                        "artifactType": kind} for kind in ("application/x-one", "application/x-two")]
        headers = {"Content_Type": archives.INDEX_TYPE}
        wanted = query.get("artifactType", "").replace("%2f", "/")
        if wanted and not flags.get("unfiltered"):
            all_of_them = [x for x in all_of_them if x["artifactType"] == wanted]
            headers["OCI_Filters_Applied"] = "artifactType"
        return self.answer(200, archives.compact({"schemaVersion": 2, "mediaType": archives.INDEX_TYPE,
                                                  "manifests": all_of_them}), **headers)
