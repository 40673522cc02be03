"""What the parts of the bench share: the system, the generator, and a place for what came out."""
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

import engine
from processes import Broken, machine_busy_us

WORDS = "one two three four five six seven eight nine ten"
IN_FLIGHT = 64


def say(text):
    print(f"==> {text}", file=sys.stderr, flush=True)


class Sizes:
    """How much of everything; seconds or counts."""

    def __init__(self, is_short, seconds):
        self.load = seconds or (2 if is_short else 20)
        self.refs = 1 if is_short else 5
        self.first = 250 if is_short else 5000
        self.streams, self.stream_seconds = (200, 2) if is_short else (1500, 10)
        self.open_runs, self.open_seconds = (500, 8) if is_short else (5000, 20)
        self.starts = 2 if is_short else 5
        self.refusals = 1 if is_short else 5
        self.curve_rates = (50, 100) if is_short else (250, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500, 5000)
        self.curve_seconds = 1 if is_short else 3
        self.engine_turns = 2 if is_short else engine.TURNS
        self.fairness, self.fairness_turns = (2, 1) if is_short else (3, 3)
        self.leave = 60 if is_short else 400
        self.churn = 600 if is_short else 10_000
        self.calls = 20_000 if is_short else 1_000_000
        self.picks = 100_000 if is_short else 1_000_000
        self.journal = seconds or (1 if is_short else 5)
        self.records, self.record_rounds = (50_000, 100) if is_short else (1_000_000, 1000)


class Bench:
    def __init__(self, system, sizes):
        self.system, self.sizes = system, sizes
        self.raw, self.rows, self.faults = {}, [], []
        self.others = {}  # by part: cores that were busy with anything else

    def row(self, part, name, value, unit, beside=""):
        self.rows.append({"part": part, "name": name, "value": value, "unit": unit, "beside": beside})

    def fault(self, text):
        self.faults.append(text)
        say(f"FAULT: {text}")

    def start_load(self, *words, system=None):
        """load_bench under way; its result is on standard output."""
        system = system or self.system
        env = {**os.environ, "HEDDLE_TOKEN": getattr(system, "key", "")}
        if words[0] != "--gateway":
            del env["HEDDLE_TOKEN"]
        return subprocess.Popen([system.binaries / "load_bench", *map(str, words)], env=env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ended_load(self, child, system=None):
        try:
            out, err = child.communicate()
        except BaseException:  # the bench is to end
            child.kill()
            child.wait()
            raise
        (system or self.system).check()
        if child.returncode != 0:
            raise Broken(f"load_bench: {err.strip()}")
        return json.loads(out)

    def generate(self, *words, system=None):
        """Runs load_bench; its result, with what the other processes used meanwhile (Process.counts())."""
        system = system or self.system
        before = {name: p.counts() for name, p in system.processes().items()}
        result = self.ended_load(self.start_load(*words, system=system), system)
        used = result["used"] = {name: minus(p.counts(), before[name]) for name, p in system.processes().items()}
        used["generator"] = {"cpu_us": result["cpu_us"]["user"] + result["cpu_us"]["system"]}
        return result

    def check_runs(self, part, result, faults=("refused", "failed", "lost", "wrong")):
        runs = result["runs"]
        bad = sum(runs[end] for end in faults)
        if bad:
            self.fault(f"{part}: {bad} of {runs['started']} runs went wrong; first: {result['problem']}")
        ended = sum(count for end, count in runs.items() if end != "started")
        if ended != runs["started"] or ended == 0:
            self.fault(f"{part}: {runs['started']} runs started, {ended} ended")

    def measure(self, part, *words, system=None):
        """generate(), kept under that name, with its counts checked."""
        result = self.raw[part] = self.generate(*words, system=system)
        self.check_runs(part, result)
        return result

    def gateway(self, part, *words, system=None):
        return self.measure(part, "--gateway", (system or self.system).address, *words, system=system)

    def check_model(self, part, started, system=None):
        """Each run made one model request, and none is left."""
        stats = self.raw[part]["model"] = (system or self.system).model.stats()
        if (stats["received"], stats["completed"], stats["in_flight"]) != (started, started, 0):
            self.fault(f"{part}: {started} runs, but the model saw {stats}")

    def check_end(self, part, system):
        """Ends a system that a part had to itself."""
        for name, code in system.stop().items():
            if code != 0:
                self.fault(f"{part}: {name} ended with {code}:\n{system.processes()[name].last_words()}")

    def own_folder(self, name):
        folder = self.system.folder / name
        folder.mkdir()
        return folder

    def others_us(self):
        """CPU time of this machine that went into anything but the bench."""
        own_s = sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
        return machine_busy_us() - sum(p.cpu_us() for p in self.system.processes().values()) - own_s * 1e6

    def is_alive(self):
        try:
            self.system.check()
        except Broken:
            return False
        return True

    def run(self, parts):
        """parts: (name, function of this bench)."""
        for name, part in parts:
            say(name)
            began_s, others_us = time.monotonic(), self.others_us()
            try:
                part(self)
            except Broken as why:
                self.fault(f"{name}: {why}")
                if not self.is_alive():
                    return
            self.others[name] = max(0, self.others_us() - others_us) / 1e6 / (time.monotonic() - began_s)


def minus(after, before):
    """Field by field; what is new counts from nothing."""
    if isinstance(after, dict):
        return {name: minus(value, before.get(name, {} if isinstance(value, dict) else 0)) for name, value in after.items()}
    return after - before


def per_run(result, process, what="cpu_us"):
    return result["used"][process][what] / max(1, result["runs"]["ok"])


def threads_per(result, process, count):
    """CPU in us of each thread group of a process, over count; the largest first, without what is under 0.05."""
    groups = sorted(result["used"][process]["threads_us"].items(), key=lambda item: -item[1])
    return {name: us / count for name, us in groups if us / count >= 0.05}


def words_of(split):
    return ", ".join(f"{name} {us:.1f}" for name, us in split.items())
