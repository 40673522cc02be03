"""Parts about runs that end early, in every way there is: how soon the model sees it, and whether anything stays behind."""
import json
import random
import time

from bench import IN_FLIGHT, WORDS
from processes import Broken, wait_until

NAMES = ("gateway", "executor")
PACE = {"reply": WORDS, "tokens_per_second": 200}  # a run of some 50 ms
# (how a part of the runs ends, its share of all, what the generator is told, rules of the model)
WAYS = [("cancel", 0.3, ["--cancel-percent", 50, "--leave-within", 60], [PACE]),
        ("stop", 0.2, ["--stop-percent", 50, "--leave-within", 60], [PACE]),
        ("deadline", 0.15, ["--deadline-percent", 50, "--leave-within", 60], [PACE]),
        ("fail", 0.15, ["--may-fail"], [{"probability": 0.5, "status": 400, "error_kind": "context_length"}, PACE]),
        ("end", 0.1, ["--answer", WORDS], [PACE])]
KILLED = 0.1  # of the runs, at least: their caller is killed
MEMORY_SLACK = 0.1, 8192  # share, KiB: what memory may grow by from one round to the next, whichever is more


def leave(bench):
    """How soon the model sees a run end whose caller cancels, or calls StopTask."""
    system = bench.system
    for how in ("cancel", "stop"):
        part = f"leave-{how}"
        system.model.answer_with(reply=" ".join(["word"] * 200), tokens_per_second=40)
        got = bench.gateway(part, f"--{how}-percent", 100, "--leave-within", 500, "--list-left", "--count", bench.sizes.leave,
                            "--in-flight", 50, "--query", part)
        wait_until(lambda: system.model.stats()["in_flight"] == 0, 15, f"{part}: the model's requests end")
        left = {f"{part} {number}": at_ms for number, at_ms in got.pop("left")}
        seen = [(request, request["body"]["messages"][-1]["content"]) for request in system.model.requests()]
        seen = [(request, query) for request, query in seen if query in left]
        late = sorted(max(0.0, request["ended_at"]["monotonic_ms"] - left[query]) for request, query in seen
                      if request["end"] in ("client_closed", "reset"))
        got["left_to_end_ms"] = late
        if len(late) < len(seen):
            bench.fault(f"{part}: the model was asked for {len(seen)} runs that were left, and saw {len(late)} of them end early")
        bench.row("leave", f"{how}: requests the model saw end", len(late), "", f"of {len(left)}; others had not been sent")
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1)):
            value = late[min(len(late) - 1, int(share * len(late)))] if late else 0
            bench.row("leave", f"{how}: request ended after, {name}", value, "ms")


def churn(bench, count, seed, tally):
    """A round of so many runs, in every way; tally counts how they ended."""
    system = bench.system
    for way, share, words, rules in WAYS:
        system.model.answer_by(*rules)
        got = bench.generate("--gateway", system.address, "--in-flight", IN_FLIGHT, "--count", round(share * count), "--seed", seed, *words)
        faults = ("refused", "lost", "wrong") if way == "fail" else ("refused", "failed", "lost", "wrong")
        bench.check_runs(f"leaks: {way}", got, faults)
        for end, number in got["runs"].items():
            tally[end] = tally.get(end, 0) + number
    system.model.answer_by(PACE)
    moments = random.Random(seed)
    killed = 0
    while killed < KILLED * count:
        before = system.model.stats()["received"]
        child = bench.start_load("--gateway", system.address, "--in-flight", IN_FLIGHT, "--seconds", 60)
        wait_until(lambda: child.poll() is not None or system.model.stats()["received"] > before, 20, "leaks: a caller begins")
        time.sleep(moments.uniform(0, 0.3))
        child.kill()
        child.communicate()
        killed += system.model.stats()["received"] - before
    tally["runs of killed callers"] = tally.get("runs of killed callers", 0) + killed


def standing(bench):
    """What each process holds now. Connections to the model come and go, so they are left out of the executor's files."""
    held = {name: {"files": getattr(bench.system, name).open_files(), "threads": getattr(bench.system, name).threads(),
                   "kib": getattr(bench.system, name).rss_kib()} for name in NAMES}
    held["executor"]["files"] -= bench.system.model.stats()["open_connections"]
    return held


def running(bench):
    """Runs that have no end, as the records say."""
    listed = bench.system.ctl(bench.system.key, "--json", "runs", "list", "--status", "running")
    return [json.loads(line) for line in listed.splitlines()]


def settle(bench):
    wait_until(lambda: bench.system.model.stats()["in_flight"] == 0, 20, "leaks: the model's requests end")
    wait_until(lambda: not running(bench), 20, "leaks: no record says that its run still runs")
    time.sleep(0.5)  # lets closed connections go; what is held after the last wait below is a leak


def leaks(bench):
    """Two equal rounds: what the second leaves behind that the first did not is a leak."""
    rounds = []
    for number in (1, 2):
        tally = {}
        churn(bench, bench.sizes.churn, number, tally)
        settle(bench)
        rounds.append((tally, standing(bench)))
    before, (tally, after) = rounds[0][1], rounds[1]
    grown = lambda name, what: after[name][what] > before[name][what]  # noqa: E731
    try:
        wait_until(lambda: after.update(standing(bench)) or not any(grown(n, w) for n in NAMES for w in ("files", "threads")), 10, "")
    except Broken:
        pass  # said below
    live = bench.system.model.stats()["in_flight"]
    bench.raw["leaks"] = {"ends": tally, "before": before, "after": after, "live_model_requests": live}
    runs = tally["started"] + tally["runs of killed callers"]
    ends = ", ".join(f"{count:,} {end}" for end, count in tally.items() if count and end != "started")
    bench.row("leaks", "runs of the second round", runs, "", ends)
    for name in NAMES:
        for what in ("files", "threads"):
            bench.row("leaks", f"open {what}, {name}", after[name][what], "", f"before: {before[name][what]}")
            if grown(name, what):
                bench.fault(f"leaks: {name} has {after[name][what]} {what}, before {before[name][what]}")
        kib, was = after[name]["kib"], before[name]["kib"]
        bench.row("leaks", f"memory, {name}", kib, "KiB", f"before: {was:,} KiB")
        if kib - was > max(MEMORY_SLACK[0] * was, MEMORY_SLACK[1]):
            bench.fault(f"leaks: {name} has {kib:,} KiB, before {was:,} KiB")
    if live:
        bench.fault(f"leaks: {live} model requests are still live")
    # A slot that was not given back would be missed now: as many runs at once as ever, all to their end.
    bench.system.model.answer_by(PACE)
    bench.gateway("leaks-after", "--in-flight", IN_FLIGHT, "--count", 2 * IN_FLIGHT, "--answer", WORDS)
