"""Many credentials, most of which fail: what a failover costs, and whether callers ever notice. The fake model counts."""
import json
import os
import subprocess

from processes import Broken, System

KEYS, FAILOVERS = 10, 500
GOOD = "sk-good"
# Of nine keys: three ways to fail, and now and then an answer. A rest that no header asks for is told to the fake model.
FAILING = [{"match": {"api_key": GOOD}, "reply": "fine"},
           {"probability": 0.3, "status": 429, "headers": {"Retry-After": "2"}, "rest_ms": 60000, "rest_grace_ms": 500},
           {"probability": 0.4, "status": 529, "error_after": 0, "rest_ms": 10000, "rest_grace_ms": 500},
           {"probability": 0.5, "break_at": "head", "break_how": "reset", "rest_ms": 10000, "rest_grace_ms": 500},
           {"reply": "fine"}]


class Models:
    def __init__(self, binaries, folder, calls, in_flight):
        self.system, self.calls, self.in_flight = System(binaries, folder), calls, in_flight

    def add(self, name, secret):
        self.system.ctl(self.system.admin_token, "credential", "add", "--provider", "openai", "--name", name, "--base-url",
                        self.system.model.url, HEDDLE_SECRET=secret)

    def disable_first(self):
        """The one that every system of a bench has."""
        listed = self.system.ctl(self.system.admin_token, "--json", "credential", "list")
        ids = {c["name"]: c["id"] for c in map(json.loads, listed.splitlines())}
        self.system.ctl(self.system.admin_token, "credential", "disable", ids["bench"])

    def load(self, *words):
        done = subprocess.run([self.system.binaries / "load_bench", "--gateway", self.system.address, *map(str, words)],
                              env={**os.environ, "HEDDLE_TOKEN": self.system.key}, capture_output=True, text=True)
        self.system.check()
        if done.returncode != 0:
            raise Broken(f"load_bench: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def failover(self):
        """One call through as many refusals: from each refusal's end to the next request at the model, as the model saw it."""
        for number in range(FAILOVERS):
            self.add(f"bad-{number}", f"sk-bad-{number}")
        self.add("good", GOOD)
        self.disable_first()
        self.system.model.control("reset", {})
        self.system.model.control("script", [{"match": {"api_key": GOOD}, "reply": "fine"}, {"status": 500}])
        result = self.load("--count", 1, "--answer", "fine")
        if result["runs"]["ok"] != 1:
            raise Broken(f"models: the healthy one of {FAILOVERS + 1} credentials was not found: {result['problem']}")
        seen = self.system.model.requests()
        gaps = sorted(1000 * (b["received_at"]["monotonic_ms"] - a["first_byte_at"]["monotonic_ms"]) for a, b in zip(seen, seen[1:]))
        return {"failovers": len(gaps), "us": {"p50": gaps[len(gaps) // 2], "p99": gaps[len(gaps) * 99 // 100]}} if gaps else None

    def many(self):
        """Nine keys that fail at random and one that never does."""
        for number in range(KEYS - 1):
            self.add(f"unsure-{number}", f"sk-unsure-{number}")
        self.add("good", GOOD)
        self.disable_first()
        self.system.model.control("reset", {})
        self.system.model.control("script", FAILING)
        result = self.load("--count", self.calls, "--in-flight", self.in_flight, "--answer", "fine")
        report = self.system.model.control("keys")
        return {"runs": result["runs"], "problem": result["problem"],
                "model": {name: report[name] for name in ("received", "served", "while_resting", "double_sends")},
                "resting_latest_ms": max((row["while_resting_latest_ms"] or 0 for row in report["keys"]), default=0)}
