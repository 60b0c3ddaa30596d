"""Runs a command and says what it cost: wall time, processor time with what daemons did for it, memory of processes.

Processor time comes from the lab's own cpuacct group, which counts every process of the lab to the nanosecond, shims
and daemons included; it is read until the group is quiet, so that late work belongs to its cause. Without such a group
it is the child's rusage plus the daemons' ticks from /proc/PID/stat, which miss a shim that outlives its parent.
"""
import os
import resource
import select
import shlex
import signal
import subprocess
import tempfile
import time

QUIET_STEP_S = 0.004
QUIET_CPU_NS = 150_000       # idle Go daemons use less than this in a step
QUIET_LIMIT_S = 0.25
COMMAND_LIMIT_S = 60
STABLE_STEP_S = 0.5
STABLE_LIMIT_S = 10
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
LAB_GROUPS = ("/sys/fs/cgroup/cpuacct/cpuacct.usage", "/sys/fs/cgroup/cpu,cpuacct/cpuacct.usage")


class Failed(Exception):
    """A command of a peer failed; the text says which and why."""


def self_cpu_ns():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return int((u.ru_utime + u.ru_stime) * 1e9)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


class GroupCpu:
    """CPU of everything in the lab's group but this process."""
    name = "cgroup of the lab"

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def now(self):
        return int(os.pread(self.fd, 32, 0)) - self_cpu_ns()

    def settle(self):
        end = time.monotonic() + QUIET_LIMIT_S
        last = self.now()
        while time.monotonic() < end:
            time.sleep(QUIET_STEP_S)
            this = self.now()
            if this - last < QUIET_CPU_NS:
                return
            last = this


class TickCpu:
    """CPU of finished children, and of the daemons in ticks."""
    name = "rusage and daemon ticks"

    def __init__(self, pids):
        self.pids = pids

    def now(self):
        u = resource.getrusage(resource.RUSAGE_CHILDREN)
        ticks = 0
        for pid in self.pids:
            fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
            ticks += sum(int(n) for n in fields[11:15])
        return int((u.ru_utime + u.ru_stime) * 1e9) + ticks * TICK_NS

    def settle(self):
        pass


def cpu_clock(daemon_pids):
    """The best clock this place has."""
    if os.environ.get("CORTEN_IN_LAB"):
        for path in LAB_GROUPS:
            if os.path.exists(path):
                return GroupCpu(path)
    return TickCpu(daemon_pids)


class Runner:
    """Runs commands with stdin and stdout on /dev/null, and keeps stderr for the message of a failure."""

    def __init__(self, env):
        self.env = env
        self.stderr = tempfile.TemporaryFile()
        self.actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, self.stderr.fileno(), 2),
        ]

    def timed(self, argv, cpu):
        """Returns (wall ns, CPU ns) of one command that must succeed."""
        self.stderr.seek(0)
        self.stderr.truncate()
        before = cpu.now()
        start = time.monotonic_ns()
        pid = os.posix_spawnp(argv[0], argv, self.env, file_actions=self.actions)
        status = self.wait(pid, argv)
        wall = time.monotonic_ns() - start
        cpu.settle()
        used = cpu.now() - before
        if status:
            raise Failed(self.message(argv, os.waitstatus_to_exitcode(status)))
        return wall, used

    def wait(self, pid, argv):
        fd = os.pidfd_open(pid)
        try:
            ended = select.select([fd], [], [], COMMAND_LIMIT_S)[0]
            if not ended:
                os.kill(pid, signal.SIGKILL)
        finally:
            os.close(fd)
        _, status = os.waitpid(pid, 0)
        if not ended:
            raise Failed(f"'{os.path.basename(argv[0])} {' '.join(argv[1:])[:80]}' did not end in {COMMAND_LIMIT_S} s")
        return status

    def message(self, argv, code):
        self.stderr.seek(0)
        lines = self.stderr.read().decode(errors="replace").strip().splitlines() or ["no message"]
        return f"'{os.path.basename(argv[0])} {' '.join(argv[1:])[:80]}' gave {code}: {lines[-1][:200]}"

    def must(self, command):
        """Runs a preparation; detached children must not hold our stderr, so it goes to a file."""
        argv = shlex.split(command)
        self.stderr.seek(0)
        self.stderr.truncate()
        try:
            done = subprocess.run(argv, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=self.stderr, timeout=COMMAND_LIMIT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as e:
            raise Failed(f"'{argv[0]}': {e}") from e
        if done.returncode:
            raise Failed(self.message(argv, done.returncode))


def rollup(pid):
    """Memory of one process in kB: {"Pss": …, "Rss": …, "Private": …}; zeros if it is gone."""
    out = {"Pss": 0, "Rss": 0, "Private": 0}
    try:
        for line in read(f"/proc/{pid}/smaps_rollup").splitlines()[1:]:
            key, value = line.split()[:2]
            key = key.rstrip(":")
            if key in ("Pss", "Rss"):
                out[key] = int(value)
            elif key.startswith("Private_"):
                out["Private"] += int(value)
    except OSError:
        pass
    return out


def pids_of(names):
    """Processes whose program has one of these names."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.path.basename(os.readlink(f"/proc/{entry}/exe")) in names:
                    found.append(int(entry))
            except OSError:
                pass
    return found


def memory(find_pids):
    """Sums over the processes that find_pids() gives, once two readings half a second apart agree within 1 %."""
    end = time.monotonic() + STABLE_LIMIT_S
    last = None
    while True:
        pids = find_pids()
        each = [rollup(p) for p in pids]
        total = {k: sum(e[k] for e in each) for k in ("Pss", "Rss", "Private")}
        total["processes"] = len(pids)
        if last and abs(total["Pss"] - last["Pss"]) * 100 <= last["Pss"] or time.monotonic() > end:
            return total
        last = total
        time.sleep(STABLE_STEP_S)


def stripped_size(path):
    """Bytes of an ELF file up to the end of what is loaded: what `strip` leaves, but for its section table."""
    with open(path, "rb") as f:
        head = f.read(64)
        if head[:5] != b"\x7fELF\x02":
            return os.path.getsize(path)
        offset = int.from_bytes(head[32:40], "little")
        size, count = int.from_bytes(head[54:56], "little"), int.from_bytes(head[56:58], "little")
        f.seek(offset)
        table = f.read(size * count)
    ends = []
    for i in range(count):
        row = table[i * size:(i + 1) * size]
        if int.from_bytes(row[:4], "little") == 1:  # PT_LOAD
            ends.append(int.from_bytes(row[8:16], "little") + int.from_bytes(row[32:40], "little"))
    return max(ends, default=os.path.getsize(path))
