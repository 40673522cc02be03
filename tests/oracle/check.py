#!/usr/bin/env python3
"""Random graphs, played by the engine and predicted by the oracle: both must come to the same.

    tests/oracle/check.py --player build/bin/graph_player [--count N] [--seed FIRST] [--jobs N]
    tests/oracle/check.py --player build/bin/graph_player --replay FILE

A case that differs is written to a file for --replay; it may be edited, e.g. made smaller.
"""

import argparse
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import generate  # noqa: E402
import graph  # noqa: E402
import oracle  # noqa: E402
import values  # noqa: E402

BATCH = 250


def play(player, cases):
    replies = []
    while len(replies) < len(cases):
        lines = "".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases[len(replies) :])
        done = subprocess.run([player], input=lines.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        replies += [json.loads(line) for line in done.stdout.decode().split("\n") if line]
        if done.returncode != 0:  # of the case it said nothing to
            words = done.stderr.decode(errors="replace").strip()
            replies.append({"exit code": done.returncode, "stderr": words[-2000:]})
    return replies


def is_like(expected, got):
    """Equal, types too; values.SOME stands for any text."""
    if isinstance(expected, str) and values.SOME in expected:
        pattern = ".*".join(re.escape(part) for part in expected.split(values.SOME))
        return isinstance(got, str) and re.fullmatch(pattern, got, re.DOTALL) is not None
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


def check_batch(work):
    player, seeds = work
    cases, predictions = [], []
    for seed in seeds:
        case = {"seed": seed, **generate.make(seed)}
        try:
            predictions.append(oracle.predict(case))
        except graph.TooManyPaths:
            continue
        cases.append(case)
    replies = play(player, cases)
    found = [(case, differences(*pair)) for case, *pair in zip(cases, predictions, replies)]
    statuses = [prediction["status"] for prediction in predictions]
    return len(seeds), len(cases), statuses, [(case, diff) for case, diff in found if diff]


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
    played, differ, statuses = 0, 0, {}
    with multiprocessing.Pool(args.jobs) as pool:
        for _, count, batch_statuses, found in pool.imap(check_batch, work):
            played += count
            for status in batch_statuses:
                statuses[status] = statuses.get(status, 0) + 1
            for case, diff in found:
                differ += 1
                if differ <= args.show:
                    path = os.path.join(args.keep, f"oracle-{case['seed']}.json")
                    with open(path, "w", encoding="utf-8") as file:
                        json.dump(case, file, ensure_ascii=False, indent=1)
                    print(f"seed {case['seed']} differs (--replay {path})", *diff, sep="\n  ")
    shares = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    print(f"oracle: {played} graphs, {differ} differ ({shares})")
    return 1 if differ or not played else 0


if __name__ == "__main__":
    sys.exit(main())
