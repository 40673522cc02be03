"""Where the time of a run goes: perf, by library and by system call. Needs the tool and the right to use it."""
import re
import shutil
import signal
import subprocess

from bench import IN_FLIGHT, WORDS
from processes import Broken, wait_until

NAMES = ("gateway", "executor")
SECONDS, TOP = 5, 25
GROUPS = (("kernel", r"\[kernel|\[guest|\[vdso"), ("grpc", r"libgrpc|libgpr|libabsl|libupb|libaddress_sorting|libre2|libcares"),
          ("protobuf", r"libprotobuf"), ("sqlite", r"libsqlite"), ("curl", r"libcurl|libnghttp2"), ("uv", r"libuv"),
          ("allocator", r"malloc"), ("crypto", r"libcrypto|libssl"), ("ours", r"^heddle-"), ("libc", r"^libc[.-]|^libm[.-]|^ld-"))
ALLOCATOR = re.compile(r"^\[\.\] _*(?:libc_|int_)?(?:malloc|free|calloc|realloc|memalign|cfree|unlink_chunk)")
CALLS = ("sendmsg", "recvmsg", "sendto", "recvfrom", "read", "write", "writev", "pread64", "pwrite64", "fdatasync", "futex", "epoll_wait",
         "epoll_pwait", "epoll_ctl", "poll", "clock_nanosleep", "mmap", "munmap", "madvise", "openat", "close", "connect")


def group_of(library, symbol):
    if ALLOCATOR.match(symbol):
        return "allocator"
    return next((name for name, pattern in GROUPS if re.search(pattern, library)), "other")


def read_report(text):
    """(share, library, symbol) of each line."""
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(";", 2)]
        if len(fields) == 3 and fields[0].endswith("%"):
            yield float(fields[0][:-1]) / 100, fields[1], fields[2]


def beside(bench, commands, seconds):
    """A closed loop with these programs watching; its result. They end by SIGINT."""
    bench.system.model.answer_with(reply=WORDS)
    watchers = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for command in commands]
    try:
        got = bench.generate("--gateway", bench.system.address, "--in-flight", IN_FLIGHT, "--seconds", seconds, "--answer", WORDS)
    finally:
        for watcher in watchers:
            watcher.send_signal(signal.SIGINT)
        words = [watcher.communicate(timeout=60)[1] for watcher in watchers]
    bench.check_runs("perf", got)
    return got, words


def samples(bench):
    folder = bench.own_folder("perf")
    files = {name: folder / name for name in NAMES}
    got, _ = beside(bench, [["perf", "record", "-q", "-F", "1999", "-o", files[name], "-p", str(getattr(bench.system, name).child.pid)]
                            for name in NAMES], SECONDS)
    runs = max(1, got["runs"]["ok"])
    kept = {}
    for name in NAMES:
        us = got["used"][name]["cpu_us"] / runs
        done = subprocess.run(["perf", "report", "-i", files[name], "--stdio", "--no-children", "-F", "overhead,dso,sym", "-t", ";",
                               "--percent-limit", "0"], capture_output=True, text=True)
        lines = sorted(read_report(done.stdout), reverse=True)
        if not lines:
            raise Broken(f"perf: nothing was recorded of {name}: {done.stderr.strip()[:300]}")
        groups = {}
        for share, library, symbol in lines:
            group = group_of(library, symbol)
            groups[group] = groups.get(group, 0) + share
        kept[name] = {"us_per_run": us, "groups": groups, "symbols": lines[:200]}
        for group, share in sorted(groups.items(), key=lambda item: -item[1]):
            bench.row("perf", f"{name}: {group}", us * share, "us", f"{100 * share:.1f} % of {us:.0f} us per run")
    for name in NAMES:
        for share, library, symbol in kept[name]["symbols"][:TOP]:
            bench.row("perf", f"{name}: {symbol[4:]}"[:62], kept[name]["us_per_run"] * share, "us",
                      f"{group_of(library, symbol)}, {library}")
    return kept


def calls(bench):
    events = ",".join(f"syscalls:sys_enter_{call}" for call in CALLS)
    got, words = beside(bench, [["perf", "stat", "-x", ";", "-e", events, "-p", str(getattr(bench.system, name).child.pid)]
                                for name in NAMES], 2)
    runs, kept = max(1, got["runs"]["ok"]), {}
    for name, text in zip(NAMES, words):
        counted = re.findall(r"^(\d+);[^;]*;syscalls:sys_enter_(\w+)", text, re.MULTILINE)
        kept[name] = {call: int(count) / runs for count, call in counted}
        if not counted:
            bench.row("perf", f"{name}: system calls per run", 0, "", "cannot be counted here: no tracepoints")
        for call, count in sorted(kept[name].items(), key=lambda item: -item[1]):
            if count >= 0.05:
                bench.row("perf", f"{name}: {call}() per run", count, "")
    return kept


def perf(bench):
    if shutil.which("perf") is None:
        raise Broken("perf: the program is not there (Debian: linux-perf)")
    bench.raw["perf"] = {"samples": samples(bench), "calls_per_run": calls(bench)}
    wait_until(lambda: bench.system.model.stats()["in_flight"] == 0, 15, "perf: the model's requests end")
