"""fakellm as a program."""

import subprocess

import pytest

from fakellm_server import BINARY, WAIT_SECONDS, server, server_with, shared  # noqa: F401


def run(*options):
    return subprocess.run([BINARY, *options], capture_output=True, text=True, timeout=WAIT_SECONDS)


def test_a_port_in_use_is_said_clearly(server):
    done = run("--listen", f"127.0.0.1:{server.port}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"fakellm: cannot listen on 127.0.0.1:{server.port}: address already in use\n"


def test_help_names_every_option():
    done = run("--help")
    assert done.returncode == 0
    for option in ("listen", "script", "request-log", "burst", "reply", "repeat", "first-token-ms",
                   "tokens-per-second", "status", "break-after", "chunk-bytes", "limits", "seed", "break-how", "line-end"):
        assert f"--{option} " in done.stdout


@pytest.mark.parametrize("options, message", [
    (["x"], "x: is no option"),
    (["--nonsense"], "--nonsense: is no option"),
    (["--listen"], "--listen: needs a value"),
    (["--listen", "localhost"], "localhost: is not a numeric address and a port"),
    (["--listen", "127.0.0.1:65536"], "127.0.0.1:65536: is not a numeric address and a port"),
    (["--repeat=x"], "repeat: must be a number"),
    (["--break-how=melt"], "break_how: must be one of close reset stall"),
    (["--break-how", "reset"], "options: break_how: needs break_at or break_after"),
    (["--times", "1"], "--times: is no option"),
    (["--seed", "x"], "--seed: must be a whole number"),
    (["--limits", "/nonexistent"], "/nonexistent: No such file"),
    (["--script", "/nonexistent"], "/nonexistent: No such file"),
    (["--request-log", "/nonexistent/log"], "request log: No such file"),
])
def test_wrong_options_are_refused(options, message):
    done = run(*options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_it_ends_with_streams_under_way():
    with server_with("--first-token-ms", "60000") as own:
        socks = [own.start_stream() for _ in range(3)]
    for sock in socks:
        assert sock.recv(1) == b""
        sock.close()


def test_options_misbehave_too():
    with server_with("--status", "429", "--break-at", "words", "--error-after", "1", "--reply", "a b") as own:
        assert own.chat(stream=True)[2].count(b"data: ") == 3


def test_the_seed_decides_what_happens_at_random():
    runs = []
    for seed in ("1", "1", "2"):
        with server_with("--seed", seed) as own:
            own.script({"status": 500, "probability": 0.5})
            runs.append([own.chat()[0] for _ in range(40)])
    assert runs[0] == runs[1] != runs[2]
