"""The figures that Heddle has to reach, each beside its target and beside what the same run measured of others."""
from bench import per_run, threads_per, words_of

OURS = ("gateway", "executor")


def figure(name, value, unit, sign, target, beside=""):
    """sign: ">=" or "<="; target None: it is only shown."""
    met = value >= target if sign == ">=" else value <= target
    return {"name": name, "value": value, "unit": unit, "sign": sign, "target": target, "met": met, "beside": beside}


def of_load(raw):
    got, direct, hop = raw["load"], raw.get("direct"), raw.get("hop")
    rates = [f"straight to the model {direct['runs_per_second']:,.0f}"] if direct else []
    rates += [f"bare gRPC stream {hop['runs_per_second']:,.0f}"] if hop else []
    yield figure("runs per second, 64 in flight", got["runs_per_second"], "1/s", ">=", 4000, ", ".join(rates))
    split = "; ".join(f"{name} {per_run(got, name):.0f} ({words_of(threads_per(got, name, max(1, got['runs']['ok'])))})" for name in OURS)
    bare = f"; bare gRPC stream, both ends: {per_run(hop, 'generator'):.0f}" if hop else ""
    yield figure("CPU per run, gateway + executor + journal", sum(per_run(got, name) for name in OURS), "us", "<=", 180, split + bare)


def of_first(raw):
    added, direct, hop = (raw["first"][name] for name in ("added_us", "direct_us", "hop_us"))
    for share, target in (("p50", 0.5), ("p99", 1.5)):
        yield figure(f"added latency to first token, 1 in flight, {share}", added[share] / 1000, "ms", "<=", target,
                     f"direct {direct[share] / 1000:.3f} ms, bare gRPC stream {hop[share] / 1000:.3f} ms")


def of_streams(raw):
    got, direct = raw["streams"], raw["streams-direct"]
    runs, per_token = got["runs"], {name: used["cpu_us"] / got["tokens"] for name, used in got["used"].items()}
    name = f"{runs['started']:,} streams of 20 tokens/s"
    yield figure(f"{name}: lost or wrong", runs["started"] - runs["ok"], "", "<=", 0)
    yield figure(f"{name}: added gap, p99.9", got["added_gap_us"]["p999"] / 1000, "ms", "<=", 100,
                 f"straight to the model {direct['added_gap_us']['p999'] / 1000:.1f} ms")
    beside = ", ".join(f"{name} {us:.1f}" for name, us in per_token.items())
    yield figure(f"{name}: CPU per token, gateway + executor", sum(per_token[name] for name in OURS), "us", "<=", 35,
                 f"{beside}: {sum(per_token.values()):.1f} with model and generator")


def of_open(raw):
    got = raw["open"]
    per = got["kib_per_run"]
    yield figure(f"memory per open run, {got['count']:,} wait for the model", sum(per.values()), "KiB", "<=", 80,
                 ", ".join(f"{name} {per[name]:.1f}" for name in OURS))


def of_idle(raw):
    middle = lambda values: sorted(values)[len(values) // 2]  # noqa: E731
    for name in OURS:
        loaded = f"{raw['load']['rss_kib'][name] / 1024:.0f} MiB after the closed loop" if "load" in raw else ""
        yield figure(f"idle memory, {name}", middle(raw["idle"]["rss_kib"][name]) / 1024, "MiB", "<=", 24, loaded)
    for name in OURS:
        ready = raw["idle"]["ready_ms"][name]
        yield figure(f"ready after start, {name}", middle(ready), "ms", "<=", 200, f"{max(ready):.0f} ms at most")


def of_refusals(raw):
    got = raw["refusals"]
    refused = max(1, got["runs"]["limited"])
    per = {name: used["cpu_us"] / refused for name, used in got["used"].items()}
    yield figure("refusals over a limit per second", got["per_second"], "1/s", ">=", 20_000,
                 f"bare gRPC stream {raw['hop']['runs_per_second']:,.0f}" if "hop" in raw else "")
    yield figure("CPU per refusal, gateway + executor", sum(per[name] for name in OURS), "us", "<=", 40,
                 f"generator {per['generator']:.1f}")


SOURCES = {"load": of_load, "first": of_first, "streams": of_streams, "open": of_open, "idle": of_idle, "refusals": of_refusals}
PARTS = ("load", "refs", "first", "streams", "open", "idle", "refusals")


def table(raw):
    """Figures of the parts that were measured."""
    return [row for part, source in SOURCES.items() if part in raw for row in source(raw)]
