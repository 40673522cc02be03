"""Parts that need no system, or have one of their own: programs of their own, and other modules."""
import json
import shutil
import subprocess

import engine as engine_alone
import fairness as fairness_beside
import journal as journal_alone
import models as many_models
from bench import IN_FLIGHT


def engine(bench):
    try:
        bench.raw["engine"], rows = engine_alone.measure(bench.system.binaries, bench.sizes.engine_turns)
    except engine_alone.Wrong as why:
        bench.fault(f"engine: {why}")
        return
    for row in rows:
        bench.row("engine", *row)


def fairness(bench):
    own = fairness_beside.Fairness(bench.system.binaries, bench.own_folder("fairness"), bench.sizes.fairness, bench.sizes.fairness_turns)
    try:
        bench.raw["fairness"], rows = own.measure()
    finally:
        bench.check_end("fairness", own.system)
    for row in rows:
        bench.row("fairness", *row)


def models(bench):
    got = bench.raw["models"] = {}
    for name in ("failover", "many"):
        own = many_models.Models(bench.system.binaries, bench.own_folder(f"models-{name}"), bench.sizes.calls, IN_FLIGHT)
        try:
            own.system.start()
            got[name] = getattr(own, name)()
        finally:
            bench.check_end("models", own.system)
    us, runs, seen = got["failover"]["us"], got["many"]["runs"], got["many"]["model"]
    bench.row("models", "from a refusal to the next request, p99", us["p99"], "us",
              f"p50 {us['p50']:,.0f} us; {got['failover']['failovers']} in one call")
    bench.row("models", "calls, nine of ten keys fail at random", runs["started"], "")
    bench.row("models", "of them failed at the caller", runs["started"] - runs["ok"], "")
    bench.row("models", "requests to a resting key, as the model counts", seen["while_resting"], "")
    bench.row("models", "second sends after content", seen["double_sends"], "")
    for what, count in (("calls failed", runs["started"] - runs["ok"]), ("requests came to a resting key", seen["while_resting"]),
                        ("second sends", seen["double_sends"])):
        if count:
            bench.fault(f"models: {count} {what}; first problem: {got['many']['problem']}")


def journal(bench):
    try:
        bench.raw["journal"], rows = journal_alone.measure(bench.system.binaries, bench.system.folder / "journal", bench.sizes.journal)
    except journal_alone.Wrong as why:
        bench.fault(f"journal: {why}")
        return
    for row in rows:
        bench.row("journal", *row)


def records(bench):
    """A store of so many runs, read as the gateway reads it, one question at a time."""
    folder = bench.own_folder("records")
    done = subprocess.run([bench.system.binaries / "records_bench", "--store", folder / "heddle.db", "--runs", str(bench.sizes.records),
                           "--rounds", str(bench.sizes.record_rounds)], capture_output=True, text=True)
    shutil.rmtree(folder)  # gigabytes
    if done.returncode != 0:
        bench.fault(f"records: {done.stderr.strip()}")
        return
    got = bench.raw["records"] = json.loads(done.stdout)
    bench.row("records", "runs in the store, half of them messages", got["runs"], "")
    bench.row("records", "on disk per run, with nodes, messages, indexes", got["bytes"] / got["runs"], "bytes")
    for question in got["questions"]:
        bench.row("records", f"{question['name']}, p99", question["us"]["p99"], "us",
                  f"p50 {question['us']['p50']:,} us; {question['items']:g} items")


def pick(bench):
    """Credentials of a pool, without a provider."""
    done = subprocess.run([bench.system.binaries / "pool_bench", "--picks", str(bench.sizes.picks)], capture_output=True, text=True)
    if done.returncode != 0:
        bench.fault(f"pick: pool_bench ended with {done.returncode}: {done.stderr.strip()}")
        return
    bench.raw["pick"] = json.loads(done.stdout)
    for row in bench.raw["pick"]:
        credentials = f"{row['credentials']} credential{'s' if row['credentials'] > 1 else ''}"
        beside = ", with limits" if row["limits"] else f", {row['threads']} threads" if row["threads"] > 1 else ""
        bench.row("pick", f"pick of {credentials}{beside}", row["pick_ns"], "ns", f"with its end {row['pick_end_ns']:,.0f} ns")
