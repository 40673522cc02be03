"""Parts that make load through all of Heddle, and what stands beside it: the model alone, a bare gRPC stream."""
import hashlib

from bench import IN_FLIGHT, WORDS, per_run, threads_per, words_of
from processes import APP, wait_until

STREAM_RATE = 20  # tokens per second of each
CURVE_IN_FLIGHT = 2000


def load(bench):
    system = bench.system
    system.model.answer_with(reply=WORDS)
    bench.generate("--gateway", system.address, "--in-flight", IN_FLIGHT, "--count", 20 * IN_FLIGHT)  # warms caches up
    system.model.answer_with(reply=WORDS)
    got = bench.gateway("load", "--in-flight", IN_FLIGHT, "--seconds", bench.sizes.load, "--answer", WORDS)
    bench.check_model("load", got["runs"]["started"])
    got["rss_kib"] = {name: process.rss_kib() for name, process in system.processes().items()}
    runs = max(1, got["runs"]["ok"])
    row = lambda *words: bench.row("load", *words)  # noqa: E731
    row("runs per second", got["runs_per_second"], "1/s")
    row("cores in use by all of them", sum(used["cpu_us"] for used in got["used"].values()) / got["elapsed_us"], "")
    for name in ("gateway", "executor", "fakellm", "generator"):
        split = words_of(threads_per(got, name, runs)) if "threads_us" in got["used"][name] else ""
        row(f"CPU per run, {name}", per_run(got, name), "us", split)
    row("events per run", got["events"] / runs, "")
    row("gRPC messages per run, gateway to caller", got["messages"] / runs, "")
    if got["segments"]["in"]:
        row("messages per write, gateway to caller", got["messages"] / got["segments"]["in"], "",
            f"{got['segments']['in'] / runs:.2f} TCP segments with data per run")
    for name in ("gateway", "executor"):
        row(f"wake-ups per run, {name}", got["used"][name]["waits"] / runs, "")
        row(f"write() per run, {name}", got["used"][name]["writes"] / runs, "", "files, eventfds; sockets: see --perf")
    for name, key in (("first token", "first_token_us"), ("whole run", "whole_us")):
        for share in ("p50", "p99"):
            row(f"{name}, {share}", got[key][share], "us")


def refs(bench):
    bench.system.model.answer_with(reply=WORDS)
    direct = bench.measure("direct", "--direct", bench.system.model.url, "--in-flight", IN_FLIGHT, "--seconds", bench.sizes.refs)
    hop = bench.measure("hop", "--hop", "--in-flight", IN_FLIGHT, "--seconds", bench.sizes.refs)
    of_load = bench.raw.get("load")
    rate, cpu = (lambda r: r["runs_per_second"]), (lambda r: per_run(r, "generator"))
    both = of_load and per_run(of_load, "gateway") + per_run(of_load, "executor")
    bench.row("refs", "straight to the model: calls per second", rate(direct), "1/s",
              of_load and f"{rate(direct) / rate(of_load):.1f} x Heddle")
    bench.row("refs", "bare gRPC stream of ten messages: calls per second, one thread", rate(hop), "1/s",
              of_load and f"{rate(hop) / rate(of_load):.1f} x Heddle")
    bench.row("refs", "bare gRPC stream of ten messages: CPU per call, both ends", cpu(hop), "us",
              of_load and f"gateway + executor: {both / cpu(hop):.2f} x")


def first(bench):
    """One call at a time: Heddle, the direct call and a bare gRPC stream in turns, so that all see the same machine."""
    bench.system.model.answer_with(reply=WORDS)
    turns, seen = 5, []
    for turn in range(turns):
        count = bench.sizes.first // turns
        seen.append((bench.gateway(f"first-{turn}", "--count", count, "--answer", WORDS),
                     bench.measure(f"first-direct-{turn}", "--direct", bench.system.model.url, "--count", count),
                     bench.measure(f"first-hop-{turn}", "--hop", "--count", count)))
    middle = lambda side, key, share: sorted(of_turn[side][key][share] for of_turn in seen)[turns // 2]  # noqa: E731
    kept = bench.raw["first"] = {"added_us": {}, "direct_us": {}, "hop_us": {}}
    for share in ("p50", "p99"):
        ours, bare, hop = (middle(side, "first_token_us", share) for side in range(3))
        kept["added_us"][share], kept["direct_us"][share], kept["hop_us"][share] = ours - bare, bare, hop
        bench.row("first", f"first token, {share}", ours, "us", f"direct: {bare} us")
        bench.row("first", f"first token, {share}, added by Heddle", ours - bare, "us", f"{ours / max(1, bare):.1f} x direct")
        bench.row("first", f"bare gRPC stream: first message with text, {share}", hop, "us")
    bench.row("first", "whole run, p50", middle(0, "whole_us", "p50"), "us", f"direct: {middle(1, 'whole_us', 'p50')} us")


def executor(bench):
    system = bench.system
    system.model.answer_with(reply=WORDS)
    got = bench.measure("executor", "--executor", system.executor_address, "--app-id", system.app_id, "--version-id",
                        system.version_id, "--version-hash", hashlib.sha256(APP.encode()).hexdigest(), "--in-flight",
                        IN_FLIGHT, "--seconds", bench.sizes.refs, "--answer", WORDS)
    bench.check_model("executor", got["runs"]["started"])
    runs = max(1, got["runs"]["ok"])
    of_load = bench.raw.get("load")
    bench.row("executor", "runs per second", got["runs_per_second"], "1/s",
              of_load and f"{got['runs_per_second'] / of_load['runs_per_second']:.2f} x with gateway")
    bench.row("executor", "CPU per run, executor", per_run(got, "executor"), "us", words_of(threads_per(got, "executor", runs)))
    bench.row("executor", "gRPC messages (frames) per run", got["messages"] / runs, "", f"{got['events'] / runs:.1f} events")


def streams(bench):
    """Many slow streams: nearly every token travels alone."""
    system, count = bench.system, bench.sizes.streams
    words = bench.sizes.stream_seconds * STREAM_RATE
    reply = " ".join(["word"] * words)
    system.model.answer_with(reply=reply, tokens_per_second=STREAM_RATE)
    got = bench.gateway("streams", "--in-flight", count, "--count", count, "--answer", reply)
    bench.check_model("streams", got["runs"]["started"])
    direct = bench.measure("streams-direct", "--direct", system.model.url, "--in-flight", count, "--count", count)
    tokens = got["tokens"] = max(1, got["runs"]["ok"] * words)
    interval_us = 1_000_000 // STREAM_RATE
    for result in (got, direct):
        result["added_gap_us"] = {share: max(0, result["gap_us"][share] - interval_us) for share in ("p50", "p99", "p999", "max")}
    bench.row("streams", "open streams", count, "", f"{STREAM_RATE} tokens per second each")
    bench.row("streams", "tokens per second", tokens * 1e6 / got["elapsed_us"], "1/s")
    for name in ("gateway", "executor", "fakellm", "generator"):
        split = words_of(threads_per(got, name, tokens)) if "threads_us" in got["used"][name] else ""
        bench.row("streams", f"CPU per token, {name}", got["used"][name]["cpu_us"] / tokens, "us", split)
    bench.row("streams", "tokens per message", tokens / max(1, got["gap_us"]["count"] + got["runs"]["ok"]), "",
              "above 1: some waited for each other")
    for share in ("p50", "p99", "p999"):
        bench.row("streams", f"gap between tokens beyond {interval_us // 1000} ms, {share}", got["added_gap_us"][share] / 1e3, "ms",
                  f"straight to the model: {direct['added_gap_us'][share] / 1e3:.2f} ms")


def refusals(bench):
    """An app that may have one run at a time has one; everybody else is refused, and no executor hears of it."""
    system = bench.system
    system.ctl(system.admin_token, "app", "set", system.app_id, "--max-active", "1")
    system.model.answer_with(reply="held", first_token_ms=600_000)
    holder = bench.start_load("--gateway", system.address, "--count", 1, "--timeout", 600)
    try:
        wait_until(lambda: system.model.stats()["in_flight"] == 1, 20, "refusals: the one run is under way")
        got = bench.gateway("refusals", "--in-flight", IN_FLIGHT, "--limited", "--seconds", bench.sizes.refusals)
        seen = got["model"] = system.model.stats()
    finally:
        holder.kill()
        holder.communicate()
        system.ctl(system.admin_token, "app", "set", system.app_id, "--max-active", "0")
    wait_until(lambda: system.model.stats()["in_flight"] == 0, 20, "refusals: the one run ends with its caller")
    if (seen["received"], seen["in_flight"]) != (1, 1):
        bench.fault(f"refusals: one run was admitted, but the model saw {seen}")
    refused = max(1, got["runs"]["limited"])
    got["per_second"] = refused * 1e6 / got["elapsed_us"]
    bench.row("refusals", "refused calls per second", got["per_second"], "1/s")
    for name in ("gateway", "executor", "generator"):
        split = words_of(threads_per(got, name, refused)) if "threads_us" in got["used"][name] else ""
        bench.row("refusals", f"CPU per refusal, {name}", got["used"][name]["cpu_us"] / refused, "us", split)
    for share in ("p50", "p99"):
        bench.row("refusals", f"refused after, {share}", got["whole_us"][share], "us")


def curve(bench):
    """Open loop: runs become due at random moments, whatever became of the others; ends where Heddle no longer keeps up."""
    points = bench.raw["curve"] = []
    for rate in bench.sizes.curve_rates:
        bench.system.model.answer_with(reply=WORDS)
        got = bench.generate("--gateway", bench.system.address, "--in-flight", CURVE_IN_FLIGHT, "--rate", rate, "--seconds",
                             bench.sizes.curve_seconds, "--answer", WORDS)
        bench.check_runs(f"curve at {rate}/s", got)
        got["rate"] = rate
        points.append(got)
        first_us, whole_us = got["first_token_us"], got["whole_us"]
        bench.row("curve", f"{rate:,} runs due per second: first token, p50", first_us["p50"] / 1e3, "ms",
                  f"p99 {first_us['p99'] / 1e3:.1f} ms; whole run {whole_us['p50'] / 1e3:.1f}, {whole_us['p99'] / 1e3:.1f} ms; "
                  f"ended {got['runs_per_second']:,.0f} a second")
        if got["elapsed_us"] > 1.25e6 * bench.sizes.curve_seconds:
            break  # higher rates would only tell how long the line grew
