#!/usr/bin/env python3
"""Signatures for trust.bats, made with the openssl program and pushed to a registry over plain http.

    sign.py key KIND FILE                 a private key (p256, p384, ed25519, rsa, rsa1024, p521), and FILE.pub
    sign.py cosign-key FILE OUT           the same key as skopeo and cosign keep it, encrypted with the passphrase "secret"
    sign.py tag HOST REPO TAG KEY [OPTION=VALUE...]      cosign's tag sha256-<hex>.sig
    sign.py bundle HOST REPO TAG KEY [OPTION=VALUE...]   a sigstore bundle v0.3 among the referrers (fallback tag)
    sign.py index HOST REPO TAG FROM      an index with the image FROM of the same repository; prints FROM's digest

Options: reference=, digest= (what is signed), image=DIGEST (where the signature hangs), type=, tamper=payload|signature,
hash=sha384, extra=critical, and for bundles kind=message, predicate=, certificate=1, listed= (its type in the list). Several signatures of a tag are several calls.
"""
import base64
import hashlib
import http.client
import json
import os
import struct
import subprocess
import sys
import tempfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
ACCEPT = ", ".join([MANIFEST, INDEX, "application/vnd.docker.distribution.manifest.v2+json",
                    "application/vnd.docker.distribution.manifest.list.v2+json"])
PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
STATEMENT = "application/vnd.in-toto+json"


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, check=True, capture_output=True).stdout


# ---- keys ----

KINDS = {
    "p256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "p521": ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
    "ed25519": ["ed25519"],
    "rsa": ["rsa", "-pkeyopt", "rsa_keygen_bits:2048"],
    "rsa1024": ["rsa", "-pkeyopt", "rsa_keygen_bits:1024"],
}


def make_key(kind, path):
    openssl("genpkey", "-algorithm", *KINDS[kind], "-out", path)
    openssl("pkey", "-in", path, "-pubout", "-out", path + ".pub")


def sign(key, data, digest="sha256"):
    if b"ED25519" in openssl("pkey", "-in", key, "-noout", "-text").upper():
        with tempfile.NamedTemporaryFile() as f:
            f.write(data)
            f.flush()
            return openssl("pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", f.name)
    return openssl("dgst", "-" + digest, "-sign", key, data=data)


def rotate(value, bits):
    value &= 0xffffffff
    return (value << bits | value >> (32 - bits)) & 0xffffffff


def salsa_rounds(x):
    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11),
                           (0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)):
            x[b] ^= rotate(x[a] + x[d], 7)
            x[c] ^= rotate(x[b] + x[a], 9)
            x[d] ^= rotate(x[c] + x[b], 13)
            x[a] ^= rotate(x[d] + x[c], 18)
    return x


def salsa_state(key, block):
    k, n, s = struct.unpack("<8I", key), struct.unpack("<4I", block), struct.unpack("<4I", b"expand 32-byte k")
    return [s[0], *k[:4], s[1], *n, s[2], *k[4:], s[3]]


def secretbox(key, nonce, text):
    """NaCl's crypto_secretbox: XSalsa20 and Poly1305."""
    x = salsa_rounds(salsa_state(key, nonce[:16]))
    subkey = struct.pack("<8I", *(x[i] for i in (0, 5, 10, 15, 6, 7, 8, 9)))
    stream = b""
    while len(stream) < len(text) + 32:
        state = salsa_state(subkey, nonce[16:] + struct.pack("<Q", len(stream) // 64))
        stream += struct.pack("<16I", *((a + b) & 0xffffffff for a, b in zip(state, salsa_rounds(state[:]))))
    box = bytes(a ^ b for a, b in zip(text, stream[32:]))
    r = int.from_bytes(stream[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    total = 0
    for i in range(0, len(box), 16):
        total = (total + int.from_bytes(box[i:i + 16] + b"\1", "little")) * r % ((1 << 130) - 5)
    tag = (total + int.from_bytes(stream[16:32], "little")) % (1 << 128)
    return tag.to_bytes(16, "little") + box


def cosign_key(path, out):
    der = openssl("pkcs8", "-topk8", "-nocrypt", "-in", path, "-outform", "DER")
    salt, nonce = os.urandom(32), os.urandom(24)
    key = hashlib.scrypt(b"secret", salt=salt, n=32768, r=8, p=1, dklen=32, maxmem=64 << 20)
    text = base64.b64encode(compact({
        "kdf": {"name": "scrypt", "params": {"N": 32768, "r": 8, "p": 1}, "salt": base64.b64encode(salt).decode()},
        "cipher": {"name": "nacl/secretbox", "nonce": base64.b64encode(nonce).decode()},
        "ciphertext": base64.b64encode(secretbox(key, nonce, der)).decode()})).decode()
    with open(out, "w") as f:
        f.write("-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n")
        f.writelines(text[i:i + 64] + "\n" for i in range(0, len(text), 64))
        f.write("-----END ENCRYPTED COSIGN PRIVATE KEY-----\n")


# ---- the registry ----

class Registry:
    def __init__(self, host, repo):
        self.host, self.repo = host, repo

    def ask(self, method, path, data=None, **headers):
        c = http.client.HTTPConnection(self.host)
        c.request(method, path, data, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = c.getresponse()
        body = answer.read()
        return answer, body

    def manifest(self, tag):
        answer, body = self.ask("GET", f"/v2/{self.repo}/manifests/{tag}", Accept=ACCEPT)
        return (body, answer.getheader("Content-Type")) if answer.status == 200 else (None, None)

    def put_blob(self, data):
        answer, _ = self.ask("POST", f"/v2/{self.repo}/blobs/uploads/")
        place = answer.getheader("Location")
        place = place[place.index("/v2/"):]
        answer, body = self.ask("PUT", f"{place}{'&' if '?' in place else '?'}digest={sha256(data)}", data,
                                Content_Type="application/octet-stream")
        assert answer.status == 201, (answer.status, body)
        return {"digest": sha256(data), "size": len(data)}

    def put_manifest(self, tag, value):
        data = compact(value)
        answer, body = self.ask("PUT", f"/v2/{self.repo}/manifests/{tag or sha256(data)}", data,
                                Content_Type=value["mediaType"])
        assert answer.status == 201, (answer.status, body)
        return {"mediaType": value["mediaType"], "digest": sha256(data), "size": len(data)}

    def add_to(self, tag, name, kind, element):
        """One element more of a list in the manifest at `tag`."""
        body, _ = self.manifest(tag)
        value = json.loads(body) if body else kind
        value[name].append(element)
        self.put_manifest(tag, value)


def tampered(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def target(registry, tag, o):
    body, _ = registry.manifest(tag)
    image = o.get("image", sha256(body))
    return image, o.get("digest", image), body


def push_tag(registry, tag, key, o):
    image, digest, _ = target(registry, tag, o)
    critical = {"identity": {"docker-reference": o.get("reference", f"{registry.host}/{registry.repo}")},
                "image": {"docker-manifest-digest": digest},
                "type": o.get("type", "cosign container image signature")}
    if "extra" in o:
        critical[o["extra"]] = 1
    payload = compact({"critical": critical, "optional": None})
    signature = sign(key, payload, o.get("hash", "sha256"))
    if o.get("tamper") == "payload":
        payload = payload.replace(b"sha256:", b"sha256: "[:-1]).replace(b"optional", b"optionam")
    if o.get("tamper") == "signature":
        signature = tampered(signature)
    layer = {"mediaType": PAYLOAD, **registry.put_blob(payload),
             "annotations": {"dev.cosignproject.cosign/signature": base64.b64encode(signature).decode()}}
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", **registry.put_blob(b"{}")}
    registry.add_to(image.replace(":", "-") + ".sig", "layers",
                    {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}, layer)


def envelope(digest, key, o):
    payload = compact({"_type": "https://in-toto.io/Statement/v1",
                       "subject": [{"name": o.get("reference", ""), "digest": {"sha256": digest[7:]}}],
                       "predicateType": o.get("predicate", "https://sigstore.dev/cosign/sign/v1"), "predicate": {}})
    kind = o.get("type", STATEMENT)
    encoded = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    signature = sign(key, encoded, o.get("hash", "sha256"))
    if o.get("tamper") == "payload":
        payload = payload.replace(b"predicate\":{}", b"predicate\":{ }")
    if o.get("tamper") == "signature":
        signature = tampered(signature)
    return {"payload": base64.b64encode(payload).decode(), "payloadType": kind,
            "signatures": [{"sig": base64.b64encode(signature).decode()}]}


def push_bundle(registry, tag, key, o):
    image, digest, body = target(registry, tag, o)
    bundle = {"mediaType": BUNDLE, "verificationMaterial": {"publicKey": {"hint": "x"}, "tlogEntries": []}}
    if "certificate" in o:
        bundle["verificationMaterial"] = {"certificate": {"rawBytes": "AA=="}}
    if o.get("kind") == "message":
        bundle["messageSignature"] = {
            "messageDigest": {"algorithm": "SHA2_256", "digest": base64.b64encode(hashlib.sha256(body).digest()).decode()},
            "signature": base64.b64encode(sign(key, body, o.get("hash", "sha256"))).decode()}
    else:
        bundle["dsseEnvelope"] = envelope(digest, key, o)
    layer = {"mediaType": BUNDLE, **registry.put_blob(compact(bundle))}
    config = {"mediaType": "application/vnd.oci.empty.v1+json", **registry.put_blob(b"{}")}
    subject = {"mediaType": MANIFEST, "digest": image, "size": len(body)}
    manifest = registry.put_manifest(None, {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE,
                                            "config": config, "layers": [layer], "subject": subject})
    registry.add_to(image.replace(":", "-"), "manifests", {"schemaVersion": 2, "mediaType": INDEX, "manifests": []},
                    {**manifest, "artifactType": o.get("listed", BUNDLE)})


def push_index(host, repo, tag, source):
    registry = Registry(host, repo)
    body, kind = registry.manifest(source)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    registry.put_manifest(tag, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": kind, "digest": sha256(body), "size": len(body),
         "platform": {"os": "linux", "architecture": machine}}]})
    print(sha256(body))


def main(verb, *args):
    if verb == "index":
        return push_index(*args)
    if verb == "key":
        return make_key(*args)
    if verb == "cosign-key":
        return cosign_key(*args)
    host, repo, tag, key, *options = args
    push = {"tag": push_tag, "bundle": push_bundle}[verb]
    return push(Registry(host, repo), tag, key, dict(o.split("=", 1) for o in options))


main(*sys.argv[1:])
