"""What the journal costs: runs handed to it by a program that does nothing else (journal_bench)."""
import json
import shutil
import subprocess

# (name, options); the closed loop makes commits as large as they get.
LOADS = [("closed loop, 2,000 at a time", ["--in-flight", "2000"]), ("closed loop, 64 at a time", ["--in-flight", "64"]),
         *((f"{rate:,} runs/s of 100 ms", ["--rate", str(rate), "--lasts-ms", "100"]) for rate in (100, 1000, 3000))]


class Wrong(Exception):
    """A run was not durable, or the program did not end well."""


def play(binaries, folder, options):
    """One load on a new store; its raw result."""
    folder.mkdir()
    try:
        done = subprocess.run([binaries / "journal_bench", "--store", folder / "heddle.db", *options], capture_output=True, text=True)
    finally:
        shutil.rmtree(folder)
    if done.returncode != 0:
        raise Wrong(f"{' '.join(options)}: {done.stderr.strip() or done.stdout.strip()}")
    return json.loads(done.stdout)


def rows_of(title, got, is_closed_loop):
    own, commits = got["cpu_us_per_run"] - got["maker_cpu_us_per_run"], f"{got['runs_per_commit']:.1f} runs a commit"
    yield f"{title}: CPU per run", got["cpu_us_per_run"], "us", f"{own:.1f} us of it in the journal's threads"
    if is_closed_loop:
        yield f"{title}: runs per second", got["runs_per_second"], "1/s", commits
    yield f"{title}: durable after, p50", got["durable_us"]["p50"], "us", commits
    yield f"{title}: durable after, p99", got["durable_us"]["p99"], "us", f"max {got['durable_us']['max']:,} us"


def measure(binaries, folder, seconds):
    """Raw results by durability and load, and rows (name, value, unit, beside)."""
    raw, rows = {}, []
    for durability, name, load in [("power", *load) for load in LOADS] + [("process", *load) for load in LOADS[:2]]:
        title = f"durability {durability}, {name}"
        got = raw[title] = play(binaries, folder, ["--durability", durability, "--seconds", str(seconds), *load])
        rows += rows_of(title, got, "--in-flight" in load)
    largest = raw[f"durability power, {LOADS[0][0]}"]
    rows.append(("on disk per run of a chat, 1.5 kB of nodes, with indexes", largest["bytes_per_run"], "bytes", ""))
    rows.append(("write-ahead log, at most", largest["log_bytes_max"] / 2**20, "MiB", ""))
    return raw, rows
