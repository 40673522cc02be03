#!/usr/bin/env python3
"""Random graphs, played by the engine and predicted by the oracle: both must come to the same.

    tests/oracle/check.py --player build/bin/graph_player [--count N] [--seed FIRST] [--jobs N]
    tests/oracle/check.py --player build/bin/graph_player --replay FILE

A case that differs is written to a file for --replay; it may be edited, e.g. made smaller.
"""

import argparse
import collections
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import generate  # noqa: E402
import graph  # noqa: E402
import oracle  # noqa: E402
import values  # noqa: E402

BATCH = 250
BATCH_SECONDS = 120  # they take less than one


def play(player, cases):
    replies = []
    while len(replies) < len(cases):
        lines = "".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases[len(replies) :])
        try:
            done = subprocess.run([player], input=lines.encode(), capture_output=True, timeout=BATCH_SECONDS, check=False)
            words, said = f"exit code {done.returncode}", done
        except subprocess.TimeoutExpired as late:
            words, said = f"nothing within {BATCH_SECONDS} s", late
        complete = (said.stdout or b"").decode().split("\n")[:-1]
        replies += [json.loads(line) for line in complete]
        if len(replies) < len(cases):  # the case it said nothing to
            replies.append({"died": words, "stderr": (said.stderr or b"").decode(errors="replace")[-2000:]})
        elif words != "exit code 0":
            raise SystemExit(f"{player}: {words} after the last case")
    return replies


def has_parts(text, parts):
    """Does the text begin with the first part, end with the last, and hold the others in order between?"""
    first, *middle, last = parts
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def is_like(expected, got):
    """Equal, types too; values.SOME stands for any text."""
    if isinstance(expected, str) and values.SOME in expected:
        return isinstance(got, str) and has_parts(got, expected.split(values.SOME))
    if isinstance(expected, dict) and isinstance(got, dict):
        return expected.keys() == got.keys() and all(is_like(expected[key], got[key]) for key in expected)
    if isinstance(expected, list) and isinstance(got, list):
        return len(expected) == len(got) and all(map(is_like, expected, got))
    return type(expected) is type(got) and expected == got


def normal(events):
    """What can be compared: texts of one source in one piece, however they were cut; no `usage`; no rounds of what failed."""
    out = []
    for event in events:
        if event[0] in ("message", "text_chunk"):
            event = event[:4]
            if not event[3]:
                continue
            if out and out[-1][:3] == event[:3]:
                event = event[:3] + [out.pop()[3] + event[3]]
        elif event[0] == "node_finished":
            event = event[:6] + [{key: value for key, value in (event[6] or {}).items() if key != "usage"}]
        elif event[0] in ("iteration_completed", "loop_completed"):
            event = event[:5] + (event[5:] if event[3] == "succeeded" else [])
        elif event[0] in ("iteration_started", "loop_started"):
            event = event[:3]
        out.append(event)
    return out


def differences(expected, got):
    if "status" not in got:
        return [f"engine: {got}"]
    out = []
    for key in ("status", "reason", "error", "outputs", "exceptions", "steps", "text"):
        if not is_like(expected[key], got.get(key) or type(expected[key])()):
            out.append(f"{key}\n    oracle {expected[key]!r}\n    engine {got.get(key)!r}")
    left, right = normal(expected["events"]), normal(got["events"])
    for i in range(max(len(left), len(right))):
        pair = [events[i] if i < len(events) else None for events in (left, right)]
        if not is_like(*pair):
            out.append(f"event {i + 1}, behind {left[i - 1] if i else None}\n    oracle {pair[0]}\n    engine {pair[1]}")
            break
    return out


def foreseen(seed):
    """The case of a seed and what it must come to."""
    for name in (seed, *(f"{seed}.{i}" for i in range(1, 100))):
        case = {"seed": name, **generate.make(name)}
        try:
            return case, oracle.predict(case)
        except (graph.TooManyPaths, values.Undetermined):
            pass  # the next one
    raise SystemExit(f"seed {seed}: no case can be foreseen")


def check_batch(work):
    player, seeds = work
    cases, predictions = zip(*map(foreseen, seeds))
    replies = play(player, cases)
    found = [(case, differences(*pair)) for case, *pair in zip(cases, predictions, replies)]
    statuses = [prediction["status"] for prediction in predictions]
    return statuses, [(case, diff) for case, diff in found if diff]


def replay(player, path):
    with open(path, encoding="utf-8") as file:
        case = json.load(file)
    expected, got = oracle.predict(case), play(player, [case])[0]
    for name, events in (("oracle", expected["events"]), ("engine", got.get("events", []))):
        print(name, *normal(events), sep="\n    ")
    diff = differences(expected, got)
    print("\n".join(diff) or "no difference")
    return 1 if diff else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--player", required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--keep", default=tempfile.gettempdir(), help="folder for cases that differ")
    parser.add_argument("--show", type=int, default=5, help="how many differences are shown and kept")
    parser.add_argument("--replay", metavar="FILE")
    args = parser.parse_args()
    if args.replay:
        return replay(args.player, args.replay)
    last = args.seed + args.count
    work = [(args.player, range(at, min(at + BATCH, last))) for at in range(args.seed, last, BATCH)]
    played, differ, statuses = 0, 0, collections.Counter()
    with multiprocessing.Pool(args.jobs) as pool:
        for batch_statuses, found in pool.imap(check_batch, work):
            played += len(batch_statuses)
            statuses.update(batch_statuses)
            for case, diff in found:
                differ += 1
                if differ <= args.show:
                    path = os.path.join(args.keep, f"oracle-{case['seed']}.json")
                    with open(path, "w", encoding="utf-8") as file:
                        json.dump(case, file, ensure_ascii=False, indent=1)
                    print(f"seed {case['seed']} differs (--replay {path})", *diff, sep="\n  ")
    shares = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    print(f"oracle: runs that {shares}")
    print(f"oracle: {played} graphs, {differ} differ")
    return 1 if differ or not played else 0


if __name__ == "__main__":
    sys.exit(main())
