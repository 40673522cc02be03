"""When fakellm says it."""

import json
import re
import time

from fakellm_server import post_bytes, server, server_with, shared  # noqa: F401


def arrivals(server):
    """Seconds after the request at which each word of a stream was there."""
    sock = server.raw()
    body = json.dumps({"stream": True, "messages": []}).encode()
    begin = time.monotonic()
    sock.sendall(post_bytes(body))
    times, seen = [], b""
    while b"[DONE]" not in seen:
        piece = sock.recv(65536)
        assert piece
        seen += piece
        count = len(re.findall(rb'"content":"[^"]', seen))
        times += [time.monotonic() - begin] * (count - len(times))
    sock.close()
    return times


def test_words_come_at_their_pace_and_never_early(server):
    server.script({"reply": "a b c d e", "first_token_ms": 60, "tokens_per_second": 50})
    times = arrivals(server)
    assert len(times) == 5
    for index, at in enumerate(times):
        assert at >= 0.060 + index * 0.020, times
    assert times == sorted(times) and len(set(times)) > 1
    assert times[-1] < 5


def test_a_body_waits_for_its_last_word(server):
    server.script({"reply": "a b c", "first_token_ms": 40, "tokens_per_second": 50})
    begin = time.monotonic()
    server.chat()
    assert 0.080 <= time.monotonic() - begin < 5


def test_an_error_waits_for_the_first_word(server):
    server.script({"status": 500, "first_token_ms": 50})
    begin = time.monotonic()
    assert server.chat()[0] == 500
    assert 0.050 <= time.monotonic() - begin < 5


def test_a_fast_pace_sends_several_words_at_a_time(server):
    server.script({"reply": "w", "repeat": 2000, "tokens_per_second": 10000})
    begin = time.monotonic()
    assert len(server.words()) == 2000
    assert 0.199 <= time.monotonic() - begin < 5


def test_burst_takes_the_pace_from_every_rule():
    with server_with("--burst", "--tokens-per-second", "1") as own:
        begin = time.monotonic()
        own.words("a b c d")
        own.script({"reply": "a b c d", "tokens_per_second": 1})
        own.words()
        assert time.monotonic() - begin < 3
