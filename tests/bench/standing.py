"""Parts about what Heddle takes while it only stands there: its start, its memory when idle and while runs wait for a model."""
import socket
import time

from bench import say
from processes import Broken, System, wait_until

STEPS = 5
NAMES = ("gateway", "executor")
WAITED = "waited long enough"


def ready_after_ms(start, address):
    """From before start() to the answer "serving" of grpc.health.v1."""
    import grpc  # its own start takes longer than what is measured

    def is_open():
        unix = address.removeprefix("unix:") if address.startswith("unix:") else None
        with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as s:
            host, _, port = address.rpartition(":")
            return s.connect_ex(unix or (host, int(port))) == 0

    def is_serving():
        with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check", request_serializer=bytes, response_deserializer=bytes)
            try:
                return check(b"", timeout=5) == b"\x08\x01"
            except grpc.RpcError:
                return False

    began_s = time.monotonic()
    start()
    wait_until(is_open, 20, f"{address} listens", pause_s=0.001)
    wait_until(is_serving, 20, f"{address} serves", pause_s=0.002)
    return 1000 * (time.monotonic() - began_s)


def idle(bench):
    """Starts the two by turns on a store that exists, and reads their memory when they have been idle for a second."""
    own = System(bench.system.binaries, bench.own_folder("idle"))
    ready_ms, rss_kib = {name: [] for name in NAMES}, {name: [] for name in NAMES}
    try:
        own.start()
        for _ in range(bench.sizes.starts):
            for name in NAMES:
                if getattr(own, name).stop() != 0:
                    raise Broken(f"idle: {name} did not end well:\n{getattr(own, name).last_words()}")
            ready_ms["executor"].append(ready_after_ms(lambda: own.start_executor(waits=False), own.executor_address))
            ready_ms["gateway"].append(ready_after_ms(lambda: own.start_gateway(waits=False), own.address))
            time.sleep(1)
            for name in NAMES:
                rss_kib[name].append(getattr(own, name).rss_kib())
    finally:
        bench.check_end("idle", own)
    bench.raw["idle"] = {"ready_ms": ready_ms, "rss_kib": rss_kib}
    for name in NAMES:
        ready, rss = sorted(ready_ms[name]), sorted(rss_kib[name])
        bench.row("idle", f"ready after start, {name}", ready[len(ready) // 2], "ms", f"middle of {len(ready)}; {ready[-1]:.0f} ms at most")
        bench.row("idle", f"idle memory, {name}", rss[len(rss) // 2] / 1024, "MiB", "resident")


def open_runs(bench):
    """Runs that wait for their model, more of them in steps; then all are answered. On a machine so slow that the first have been
    answered before the last wait, a point has fewer runs than were begun."""
    own = System(bench.system.binaries, bench.own_folder("open"))
    count = bench.sizes.open_runs
    children, points = [], []
    try:
        own.start()
        named = {name: getattr(own, name) for name in NAMES}
        own.model.answer_with(reply=WAITED)
        bench.gateway("open-warm-up", "--in-flight", 8, "--count", 100, "--answer", WAITED, system=own)
        own.model.answer_with(reply=WAITED, first_token_ms=bench.sizes.open_seconds * 1000)
        points.append({"begun": 0, "runs": 0, **{name: p.rss_kib() for name, p in named.items()}})
        for step in range(1, STEPS + 1):
            each, wanted = count // STEPS, step * count // STEPS
            children.append(bench.start_load("--gateway", own.address, "--in-flight", each, "--count", each, "--answer", WAITED,
                                             "--timeout", 300, system=own))
            wait_until(lambda: own.model.stats()["received"] == wanted, 60, f"open: {wanted} runs ask the model")
            time.sleep(0.2)
            points.append({"begun": wanted, "runs": own.model.stats()["in_flight"], **{name: p.rss_kib() for name, p in named.items()}})
        say("open: all wait; now they are answered")
        for number, child in enumerate(children):
            bench.check_runs(f"open, step {number + 1}", bench.ended_load(child, own), ("cancelled", "refused", "failed", "lost", "wrong"))
        after = {name: p.rss_kib() for name, p in named.items()}
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
                child.communicate()
        bench.check_end("open", own)
    waiting = max(1, points[-1]["runs"])
    per_run = {name: (points[-1][name] - points[0][name]) / waiting for name in NAMES}
    bench.raw["open"] = {"points": points, "after_kib": after, "kib_per_run": per_run, "count": waiting}
    for name in NAMES:
        bench.row("open", f"memory per open run, {name}", per_run[name], "KiB", f"{points[-1][name] / 1024:.0f} MiB with {waiting:,} "
                  f"open, {points[0][name] / 1024:.0f} MiB before, {after[name] / 1024:.0f} MiB after")
