"""Where the time of a run goes: perf, by thread and library, by function, by system call. Needs the tool and the right to use it."""
import re
import shutil
import signal
import subprocess

from bench import IN_FLIGHT, WORDS, words_of
from processes import Broken, thread_group, wait_until

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
    """(share, thread, library, symbol) of each line."""
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(";", 3)]
        if len(fields) == 4 and fields[0].endswith("%"):
            yield float(fields[0][:-1]) / 100, thread_group(fields[1], fields[1].startswith("heddle-")), fields[2], fields[3]


def summed(pairs):
    """{key: sum of its values}, the largest first."""
    sums = {}
    for key, value in pairs:
        sums[key] = sums.get(key, 0) + value
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


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
        done = subprocess.run(["perf", "report", "-i", files[name], "--stdio", "--no-children", "-F", "overhead,comm,dso,sym", "-t", ";",
                               "--percent-limit", "0"], capture_output=True, text=True)
        lines = list(read_report(done.stdout))
        if not lines:
            raise Broken(f"perf: nothing was recorded of {name}: {done.stderr.strip()[:300]}")
        by_group = summed((group_of(library, symbol), share * us) for share, _, library, symbol in lines)
        by_thread = {}
        for share, thread, library, symbol in lines:
            by_thread.setdefault(thread, []).append((group_of(library, symbol), share * us))
        by_thread = {thread: summed(pairs) for thread, pairs in by_thread.items()}
        by_symbol = summed(((symbol[4:], library), share * us) for share, _, library, symbol in lines)
        kept[name] = {"us_per_run": us, "groups": by_group, "threads": by_thread,
                      "symbols": [[*key, of] for key, of in list(by_symbol.items())[:200]]}
        for group, of in by_group.items():
            bench.row("perf", f"{name}: {group}", of, "us", f"{100 * of / us:.1f} % of {us:.0f} us per run")
        for thread, split in sorted(by_thread.items(), key=lambda item: -sum(item[1].values())):
            if sum(split.values()) >= 1:
                bench.row("perf", f"{name}, thread {thread}", sum(split.values()), "us",
                          words_of({group: of for group, of in split.items() if of >= 0.5}))
        for (symbol, library), of in list(by_symbol.items())[:TOP]:
            bench.row("perf", f"{name}: {symbol}"[:62], of, "us", library)
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
