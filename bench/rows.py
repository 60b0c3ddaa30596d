"""What is measured, as data: the peers, the rows, and the commands of each peer in each row.

A command is a string for shlex; in braces: bin (Corten's programs), floor, peer (its name), run (state), store, rootfs,
bundle (ends at once), idle (a bundle that sleeps), archive (a docker archive), id (new each time), n (in a set).
"""
from dataclasses import dataclass, field

IMAGE = "busybox"
LONG = f"docker.io/library/{IMAGE}:latest"
SLEEP = "/bin/sleep 1000000"

CORTEN = "{bin}/corten --root {store}/corten --state {run}/corten"
OUR_RUNTIME = "{bin}/corten-runtime --root {run}/corten-runtime"
CRUN = "crun --root {run}/crun"
RUNC = "runc --root {run}/runc"


@dataclass(frozen=True)
class Peer:
    """One contestant: what it needs, and which of its processes stay while a container runs."""
    name: str
    programs: tuple          # measured on disk; all must be there
    engine: str = ""         # what tests/lab/engine.sh starts for it
    prepare: str = ""        # once, before its first row: loads the image
    helpers: tuple = ()      # program names of the resident process per container
    daemons: tuple = ()      # names that engine.sh knows a pid of
    cleanup: str = ""


@dataclass(frozen=True)
class Row:
    """One comparison. Peers that are quick run `rounds` times, slow ones a quarter of it."""
    name: str
    title: str
    ours: str                # the peer that ratios refer to
    commands: dict
    prepare: dict = field(default_factory=dict)
    cleanup: dict = field(default_factory=dict)
    rounds: int = 200


PEERS = (
    Peer("floor", ("{floor}",)),
    Peer("corten-runtime", ("{bin}/corten-runtime",)),
    Peer("crun", ("crun",)),
    Peer("runc", ("runc",)),
    Peer("corten", ("{bin}/corten", "{bin}/corten-runtime", "{bin}/containerd-shim-corten-v2", "{bin}/corten-worker"),
         prepare=CORTEN + " load -i {archive}", helpers=("containerd-shim-corten-v2",)),
    Peer("ctr", ("ctr", "containerd", "containerd-shim-runc-v2", "runc"), engine="containerd",
         prepare="ctr images import {archive}", helpers=("containerd-shim-runc-v2",), daemons=("containerd",)),
    Peer("docker", ("docker", "dockerd", "containerd", "containerd-shim-runc-v2", "runc"), engine="docker",
         prepare="docker load -q -i {archive}", helpers=("containerd-shim-runc-v2",),
         daemons=("docker", "containerd")),
    Peer("podman", ("podman", "conmon", "crun"), engine="podman", prepare="podman load -q -i {archive}",
         helpers=("conmon",)),
)

ROWS = (
    Row("runtime run", "OCI runtime: run /bin/true on a bundle", "corten-runtime", {
        "floor": "{floor} --quiet --rounds 1 {rootfs} /bin/true",
        "corten-runtime": OUR_RUNTIME + " run -b {bundle} {id}",
        "crun": CRUN + " run -b {bundle} {id}",
        "runc": RUNC + " run -b {bundle} {id}",
    }),
    Row("runtime exec", "OCI runtime: exec /bin/true in a running container", "corten-runtime", {
        "corten-runtime": OUR_RUNTIME + " exec held-{peer} /bin/true",
        "crun": CRUN + " exec held-{peer} /bin/true",
        "runc": RUNC + " exec held-{peer} /bin/true",
    }, prepare={
        "corten-runtime": OUR_RUNTIME + " run -d -b {idle} held-{peer}",
        "crun": CRUN + " run -d -b {idle} held-{peer}",
        "runc": RUNC + " run -d -b {idle} held-{peer}",
    }, cleanup={
        "corten-runtime": OUR_RUNTIME + " delete -f held-{peer}",
        "crun": CRUN + " delete -f held-{peer}",
        "runc": RUNC + " delete -f held-{peer}",
    }),
    Row("image run", "run --rm without network, busybox true", "corten", {
        "corten": CORTEN + f" run --rm --network none {IMAGE} true",
        "ctr": f"ctr run --rm {LONG} {{id}} /bin/true",
        "docker": f"docker run --rm --network none {IMAGE} true",
        "podman": f"podman run --rm --network none {IMAGE} true",
    }),
    Row("exec", "exec true in a running container", "corten", {
        "corten": CORTEN + " exec held true",
        "ctr": "ctr task exec --exec-id {id} held /bin/true",
        "docker": "docker exec held true",
        "podman": "podman exec held true",
    }, prepare={
        "corten": CORTEN + f" run -d --name held --network none {IMAGE} {SLEEP}",
        "ctr": f"ctr run -d {LONG} held {SLEEP}",
        "docker": f"docker run -d --name held --network none {IMAGE} {SLEEP}",
        "podman": f"podman run -d --name held --network none {IMAGE} {SLEEP}",
    }, cleanup={
        "corten": CORTEN + " rm -f held",
        "ctr": "sh -c 'ctr task rm -f held; ctr container rm held'",
        "docker": "docker rm -f held",
        "podman": "podman rm -f -t 0 held",
    }),
    Row("client start", "the program alone: its version", "corten", {
        "corten": "{bin}/corten --version",
        "corten-runtime": "{bin}/corten-runtime --version",
        "crun": "crun --version",
        "runc": "runc --version",
        "ctr": "ctr --version",
        "docker": "docker --version",
        "podman": "podman --version",
    }),
)

# Idle containers for the memory rows: start one, remove one.
IDLE = {
    "corten": (CORTEN + f" run -d --name idle{{n}} --network none {IMAGE} {SLEEP}", CORTEN + " rm -f idle{n}"),
    "ctr": (f"ctr run -d --null-io {LONG} idle{{n}} {SLEEP}",
            "sh -c 'ctr task rm -f idle{n}; ctr container rm idle{n}'"),
    "docker": (f"docker run -d --name idle{{n}} --network none {IMAGE} {SLEEP}", "docker rm -f idle{n}"),
    "podman": (f"podman run -d --name idle{{n}} --network none {IMAGE} {SLEEP}", "podman rm -f -t 0 idle{n}"),
}
IDLE_COUNTS = (1, 20)
