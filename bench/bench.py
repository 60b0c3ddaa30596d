#!/usr/bin/env python3
"""Corten and its peers side by side: interleaved rounds, medians, CPU, memory, sizes. See README.md."""
import argparse
import datetime
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile

import bundle
import image
import measure
import report
import rows

HERE = os.path.dirname(os.path.abspath(__file__))
ENGINE_SH = os.path.join(HERE, "../tests/lab/engine.sh")
SLOW_NS = 50_000_000
WARM_UP = 3
QUICK_ROUNDS = 12
QUICK_IDLE = (1, 3)


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Bench:
    """One run: where things lie, who takes part and why the others do not."""

    def __init__(self, args, scratch):
        self.quick = args.quick
        self.counter = 0
        self.missing = {}
        self.usable = {}
        self.names = {"bin": args.bin, "floor": args.floor, "run": os.path.join(scratch, "run"),
                      "store": os.path.join(scratch, "store"), "rootfs": os.path.join(scratch, "rootfs"),
                      "bundle": os.path.join(scratch, "bundle"), "idle": os.path.join(scratch, "idle"),
                      "archive": os.path.join(scratch, "image.tar")}
        self.engine_env = dict(os.environ)
        if not os.environ.get("CORTEN_IN_LAB"):
            self.engine_env.update(ENGINE_DIR=os.path.join(scratch, "engine"))
        self.env = dict(os.environ, **self.engine_exports())
        self.runner = measure.Runner(self.env)
        self.cpu = None

    say = staticmethod(say)

    def engine_exports(self):
        out = subprocess.run([ENGINE_SH, "env"], env=self.engine_env, capture_output=True, text=True, check=True).stdout
        return dict(line.removeprefix("export ").split("=", 1) for line in out.splitlines())

    def fill(self, command, peer="", **more):
        self.counter += 1
        return command.format(**self.names, peer=peer, id=f"bench-{self.counter}", **more)

    # ---- preparation ----

    def make_inputs(self):
        busybox = bundle.find_busybox()
        if not busybox:
            sys.exit("bench: missing: a static busybox (apt-get install busybox-static)")
        for d in ("run", "store"):
            os.makedirs(self.names[d])
        bundle.make_rootfs(self.names["rootfs"], busybox)
        bundle.make_bundle(self.names["bundle"], self.names["rootfs"], ["/bin/true"])
        bundle.make_bundle(self.names["idle"], self.names["rootfs"], shlex.split(rows.SLEEP))
        bundle.make_archive(self.names["archive"], self.names["rootfs"], rows.IMAGE + ":latest")

    def find_peers(self, wanted):
        for peer in rows.PEERS:
            absent = [p for p in map(self.fill, peer.programs) if not shutil.which(p)]
            if wanted and peer.name not in wanted:
                continue
            if absent:
                self.missing[peer.name] = "missing: " + " ".join(map(os.path.basename, absent))
                continue
            try:
                if peer.engine:
                    self.engine("start", peer.engine)
                if peer.prepare:
                    self.runner.must(self.fill(peer.prepare))
                self.usable[peer.name] = peer
            except measure.Failed as e:
                self.missing[peer.name] = f"failed: {e}"
        for name, why in self.missing.items():
            say(f"{name}: {why}")
        pids = {p for peer in self.usable.values() for p in self.daemon_pids(peer)}
        self.cpu = measure.cpu_clock(sorted(pids))

    def engine(self, *args):
        done = subprocess.run([ENGINE_SH, *args], env=self.engine_env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False)
        if done.returncode:
            raise measure.Failed((done.stderr.strip().splitlines() or ["engine.sh failed"])[-1])
        return done.stdout.strip()

    def stop_engines(self):
        subprocess.run([ENGINE_SH, "stop"], env=self.engine_env, stdin=subprocess.DEVNULL, check=False)

    def daemon_pids(self, peer):
        return [int(self.engine("pid", d)) for d in peer.daemons]

    # ---- timed rows ----

    def run_row(self, row):
        say(f"{row.name}: {row.title}")
        live = {}
        results = [self.skipped(row, name) for name in row.commands if name not in self.usable]
        for name, command in row.commands.items():
            if name not in self.usable:
                continue
            try:
                if name in row.prepare:
                    self.runner.must(self.fill(row.prepare[name], name))
                warm = [self.one(name, command)[0] for _ in range(WARM_UP)]
                live[name] = self.rounds_for(row, statistics.median(warm))
            except measure.Failed as e:
                say(f"{row.name}, {name}: {e}")
                results.append(dict(self.skipped(row, name), missing=f"failed: {e}"))
        samples = self.interleave(row, live, results)
        for name, got in samples.items():
            results.append(report.timed_result(row, name, got))
        for name, command in row.cleanup.items():
            if name in self.usable:
                try:
                    self.runner.must(self.fill(command, name))
                except measure.Failed as e:
                    say(f"{row.name}, clean-up of {name}: {e}")
        order = list(row.commands)
        return sorted(results, key=lambda r: order.index(r["peer"]))

    def rounds_for(self, row, warm_ns):
        rounds = QUICK_ROUNDS if self.quick else row.rounds
        return rounds if warm_ns < SLOW_NS else max(rounds // 4, 3)

    def one(self, name, command):
        return self.runner.timed(shlex.split(self.fill(command, name)), self.cpu)

    def interleave(self, row, live, results):
        """All peers in turn, the order rotated each round; a slow peer's rounds are spread over the whole time."""
        samples = {name: [] for name in live}
        total = max(live.values(), default=0)
        names = list(live)
        for n in range(total):
            for name in names[n % len(names):] + names[:n % len(names)]:
                if name not in samples or len(samples[name]) > n * live[name] // total:
                    continue
                try:
                    samples[name].append(self.one(name, row.commands[name]))
                except measure.Failed as e:
                    say(f"{row.name}, {name}: {e}")
                    results.append(dict(self.skipped(row, name), missing=f"failed in round {n}: {e}"))
                    del samples[name]
        return samples

    def skipped(self, row, name):
        return {"row": row.name, "peer": name, "ours": row.ours, "missing": self.missing.get(name, "not asked for")}

    # ---- memory and sizes ----

    def run_memory(self):
        results = []
        for name, (start, remove) in rows.IDLE.items():
            for count in QUICK_IDLE if self.quick else rows.IDLE_COUNTS:
                row = {"row": f"memory, {count} idle", "peer": name, "ours": "corten",
                       "title": f"memory of the process that stays per container (PSS), {count} idle"}
                if name not in self.usable:
                    results.append(dict(row, missing=self.missing.get(name, "not asked for")))
                    continue
                say(f"{row['row']}: {name}")
                try:
                    results.append(dict(row, **self.measure_idle(self.usable[name], start, remove, count)))
                except measure.Failed as e:
                    say(f"{row['row']}, {name}: {e}")
                    results.append(dict(row, missing=f"failed: {e}"))
        return sorted(results, key=lambda r: int(r["row"].split()[1]))

    def measure_idle(self, peer, start, remove, count):
        started = 0
        try:
            for n in range(count):
                started += 1
                self.runner.must(self.fill(start, n=n))
            helpers = measure.memory(lambda: measure.pids_of(peer.helpers))
            daemons = measure.memory(lambda: self.daemon_pids(peer))
        finally:
            for n in range(started):
                try:
                    self.runner.must(self.fill(remove, n=n))
                except measure.Failed as e:
                    say(f"clean-up of {peer.name}: {e}")
        if helpers["processes"] == 0:
            raise measure.Failed(f"no process of {' '.join(peer.helpers)} found")
        return {"unit": "kB", "count": count, "value": helpers["Pss"] / count, "rss": helpers["Rss"] / count,
                "private": helpers["Private"] / count, "processes": helpers["processes"],
                "daemons_pss": daemons["Pss"], "daemons_rss": daemons["Rss"],
                "total_per_container": (helpers["Pss"] + daemons["Pss"]) / count}

    def run_sizes(self):
        results = []
        for peer in rows.PEERS:
            ours = "corten-runtime" if len(peer.programs) == 1 else "corten"
            row = {"row": "size", "peer": peer.name, "ours": ours, "title": "programs on disk"}
            if peer.name not in self.usable:
                results.append(dict(row, missing=self.missing.get(peer.name, "not asked for")))
                continue
            sizes = {os.path.basename(p): measure.stripped_size(os.path.realpath(shutil.which(p)))
                     for p in map(self.fill, peer.programs)}
            if peer.name != "floor":
                results.append(dict(row, unit="bytes", value=sum(sizes.values()), programs=sizes))
        return [r for r in results if r["peer"] != "floor"]


def versions(usable):
    """First line of each peer's version."""
    out = {}
    for peer in usable.values():
        if peer.name != "floor":
            done = subprocess.run([peer.programs[0].split("/")[-1], "--version"], capture_output=True, text=True,
                                  check=False) if "{" not in peer.programs[0] else None
            out[peer.name] = done.stdout.splitlines()[0] if done and done.stdout else "this tree"
    return out


def parse_args():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--bin", default=os.path.join(HERE, "../build/bin"), help="folder of Corten's programs")
    p.add_argument("--floor", default="floor", help="the program made from floor.c")
    p.add_argument("--out", default=".", help="folder for bench.json, .md, .txt and .svg")
    p.add_argument("--quick", action="store_true", help="few rounds: does it work, not how fast")
    p.add_argument("--rows", default="", help="only these rows, by name, with commas (memory and size are rows too)")
    p.add_argument("--peers", default="", help="only these peers, by name, with commas")
    return p.parse_args()


def main():
    args = parse_args()
    args.bin = os.path.abspath(args.bin)
    wanted = [w for w in args.rows.split(",") if w]
    known = [r.name for r in rows.ROWS] + ["memory", "size"] + [r.name for r in image.ROWS]
    for w in wanted:
        if w not in known:
            sys.exit(f"bench: no row '{w}': {', '.join(known)}")
    scratch = tempfile.mkdtemp(prefix="bench-", dir="/lab" if os.environ.get("CORTEN_IN_LAB") else "/var/tmp")
    bench = Bench(args, scratch)
    results = []
    try:
        bench.make_inputs()
        bench.find_peers([w for w in args.peers.split(",") if w])
        load = os.getloadavg()
        for row in rows.ROWS:
            if not wanted or row.name in wanted:
                results += bench.run_row(row)
        if not wanted or "memory" in wanted:
            results += bench.run_memory()
        if not wanted or "size" in wanted:
            results += bench.run_sizes()
        # Its engines are new in each round.
        bench.stop_engines()
        results += image.run(bench, scratch, os.path.dirname(ENGINE_SH), wanted, args.quick)
    finally:
        bench.stop_engines()
        shutil.rmtree(scratch, ignore_errors=True)
    about = {"date": datetime.datetime.now().strftime("%Y-%m-%d"), "kernel": os.uname().release,
             "processors": os.cpu_count(), "load_before": load, "load_after": os.getloadavg(),
             "cpu_clock": bench.cpu.name, "in_lab": bool(os.environ.get("CORTEN_IN_LAB")), "quick": args.quick,
             "versions": versions(bench.usable), "missing": bench.missing}
    report.write_all(args.out, about, results)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
