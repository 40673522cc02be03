"""Answers that go wrong on order."""

import contextlib
import gzip
import http.client
import json
import re
import socket
import time
import zlib

import pytest

from fakellm_server import (  # noqa: F401
    WAIT_SECONDS, events_of, post_bytes, read_to_end, server, server_with, shared, wait_until,
    words_of)

STREAM = b'{"stream":true}'


def read_to_reset(sock):
    """What arrives before the connection is reset."""
    seen = b""
    with pytest.raises(ConnectionResetError):
        while piece := sock.recv(65536):
            seen += piece
    return seen


def words_in(seen):
    return re.findall(rb'"content":"([^"]+)"', seen)


def body_of(seen):
    """The bytes of a chunked body that may be cut, after a head."""
    body, rest = b"", seen.partition(b"\r\n\r\n")[2]
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[:int(size, 16)], rest[int(size, 16) + 2:]
    return body


# ---- breaking off ----

@pytest.mark.parametrize("body", [STREAM, b"{}"])
@pytest.mark.parametrize("rule, has_head, words", [
    ({"break_at": "request"}, False, 0),
    ({"break_at": "head"}, True, 0),
    ({"break_after": 0}, True, 0),
    ({"break_after": 2}, True, 2),
])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_answer_breaks_off(server, body, rule, has_head, words, how):
    server.script({"reply": "a b c", "break_how": how, **rule})
    sock = server.raw(post_bytes(body))
    seen = read_to_reset(sock) if how == "reset" else read_to_end(sock)
    assert seen.startswith(b"HTTP/1.1 200 OK\r\n") == has_head and bool(seen) == has_head
    assert b"".join(words_in(seen) or re.findall(rb'"content":"([a-c ]*)$', seen)) == b"a b"[:max(2 * words - 1, 0)]
    row = server.key(None, None)
    assert (row["resets"], row["cuts"], row["served"]) == ((1, 0, 0) if how == "reset" else (0, 1, 0))
    assert server.requests()[0]["end"] == "broken_off"
    assert server.requests()[0]["chunks_sent"] == words


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("rule", [{"break_at": "request"}, {"break_at": "head"}, {"break_after": 0}, {"break_after": 2}])
def test_a_stall_ends_in_time(server, stream, rule):
    server.script({"reply": "a b c", "break_how": "stall", "stall_ms": 60, **rule})
    begin = time.monotonic()
    body = server.chat(stream=stream)[2]
    assert 0.060 <= time.monotonic() - begin < 5
    assert "".join(words_of(events_of(body))) == "a b c" if stream else (
        json.loads(body)["choices"][0]["message"]["content"] == "a b c")
    wait_until(lambda: server.stats()["completed"] == 1)
    row = server.key(None)
    assert (row["stalls"], row["served"], row["completion_tokens"]) == (1, 1, 3)


@pytest.mark.parametrize("rule, head, words", [
    ({"break_at": "request"}, b"", 0), ({"break_at": "head"}, b"HTTP/1.1 200", 0), ({"break_after": 1}, b"HTTP/1.1 200", 1)])
def test_a_stall_may_last_for_ever(server, rule, head, words):
    server.script({"reply": "a b c", "break_how": "stall", **rule})
    sock = server.start_stream()
    sock.settimeout(0.15)
    seen = b""
    with pytest.raises(TimeoutError):
        while piece := sock.recv(65536):
            seen += piece
    assert seen.startswith(head) and bool(seen) == bool(head) and len(words_in(seen)) == words
    assert server.stats()["in_flight"] == 1
    sock.close()
    wait_until(lambda: server.stats()["in_flight"] == 0)
    row = server.key(None, None)
    assert (row["stalls"], row["served"], row["ends"]["client_closed"] + row["ends"]["reset"]) == (1, 0, 1)


def test_words_keep_their_pace_after_a_stall(server):
    server.script({"reply": "a b c", "break_after": 1, "break_how": "stall", "stall_ms": 50, "tokens_per_second": 50})
    begin = time.monotonic()
    assert server.words() == ["a", " b", " c"]
    assert 0.090 <= time.monotonic() - begin < 5


# ---- errors ----

@pytest.mark.parametrize("rule, words, has_role", [
    ({"error_after": 0}, 0, False), ({"error_after": 0, "start_before_error": True}, 0, True),
    ({"error_after": 2}, 2, True), ({"error_after": 3}, 3, True)])
def test_an_error_comes_inside_a_stream(server, rule, words, has_role):
    server.script({"reply": "a b c", "status": 429, "error_kind": "quota", **rule})
    status, _, body = server.chat(stream=True)
    events = [json.loads(event[len("data: "):]) for event in body.decode().split("\n\n")[:-1]]
    assert (status, len(events)) == (200, words + has_role + 1)
    assert words_of(events[:-1]) == ["a", " b", " c"][:words]
    assert events[-1]["error"]["code"] == "insufficient_quota"
    wait_until(lambda: server.stats()["completed"] == 1)
    row = server.key(None)
    assert (row["error_events"], row["served"], row["refused"]) == (1, 0, {})


def test_an_error_comes_as_a_body_with_status_200(server):
    server.script({"status": 503, "error_after": 0, "error_body": {"error": {"message": "no"}}})
    status, _, body = server.chat()
    assert (status, json.loads(body)) == (200, {"error": {"message": "no"}})


def test_an_answer_has_the_headers_of_its_rule(server):
    server.script({"match": {"contains": "error"}, "status": 429, "headers": {"Retry-After": "7", "x-a": "b: c"}},
                  {"headers": {"x-b": "2"}})
    status, headers, _ = server.chat("error")
    assert (status, headers["retry-after"], headers["x-a"], headers["x-b"]) == (429, "7", "b: c", None)
    for stream in (True, False):
        assert server.chat(stream=stream)[1]["x-b"] == "2"


# ---- bytes that are no answer ----

def test_bytes_that_are_no_http(server):
    server.script({"garbage": "bytes"})
    with pytest.raises(http.client.BadStatusLine):
        server.chat()
    assert server.key(None)["garbage"] == 1


@pytest.mark.parametrize("stream, content_type", [(True, "text/event-stream"), (False, "application/json")])
def test_a_body_that_is_no_answer(server, stream, content_type):
    server.script({"garbage": "body"})
    status, headers, body = server.chat(stream=stream)
    assert (status, headers["content-type"], body[:6]) == (200, content_type, b"<html>")
    assert server.key(None)["served"] == 0


def test_an_event_that_is_no_json(server):
    server.script({"reply": "a", "garbage": "event"})
    events = server.chat(stream=True)[2].decode().split("\n\n")
    with pytest.raises(json.JSONDecodeError):
        json.loads(events[1][len("data: "):])
    assert words_of([json.loads(events[2][len("data: "):])]) == ["a"]


@pytest.mark.parametrize("stream_end, done, finished", [
    ("done", True, True), ("no_done", False, True), ("no_finish", False, False)])
def test_a_stream_ends_without_its_end(server, stream_end, done, finished):
    server.script({"reply": "a b", "stream_end": stream_end})
    body = server.chat(stream=True)[2]
    assert (b"[DONE]" in body, b'"stop"' in body) == (done, finished)
    assert b'"content":" b"' in body


def test_a_connection_stays_open_after_the_end(server):
    server.script({"reply": "a", "stream_end": "open"})
    sock = server.start_stream()
    seen = b""
    while b"[DONE]" not in seen:
        seen += sock.recv(65536)
    sock.settimeout(0.1)
    with pytest.raises(TimeoutError):
        while piece := sock.recv(65536):
            seen += piece
    assert not seen.endswith(b"0\r\n\r\n")
    sock.close()
    wait_until(lambda: server.stats()["in_flight"] == 0)
    assert server.key(None, None)["served"] == 1


@pytest.mark.parametrize("stream", [True, False])
def test_usage_is_left_out(server, stream):
    server.script({"usage": False})
    assert b"usage" not in server.chat(stream=stream, stream_options={"include_usage": True})[2]


# ---- lines ----

def lines_of_events(body, line_end):
    """The events of a body, each a list of its lines without comments."""
    events = body.decode().split(line_end * 2)
    assert events[-1] == ""
    return [[line for line in event.split(line_end) if not line.startswith(":")] for event in events[:-1]]


@pytest.mark.parametrize("line_end, bytes_", [("lf", "\n"), ("crlf", "\r\n"), ("cr", "\r")])
@pytest.mark.parametrize("data_lines", [1, 2, 3])
@pytest.mark.parametrize("comments", [True, False])
def test_lines_of_events_come_in_every_form(server, line_end, bytes_, data_lines, comments):
    server.script({"reply": "a, \"b", "line_end": line_end, "data_lines": data_lines, "comments": comments})
    body = server.chat(stream=True)[2]
    events = lines_of_events(body, bytes_)
    assert (b": keep-alive" in body) == comments
    assert events[-1] == ["data: [DONE]"]
    assert {len(event) for event in events[:-1]} == {data_lines}
    values = [json.loads("\n".join(line.removeprefix("data: ") for line in event)) for event in events[:-1]]
    assert words_of(values) == ["a,", " \"b"]


def test_a_data_line_is_as_long_as_asked(server):
    server.script({"reply": "a b", "line_bytes": 3 * 1024 * 1024})
    body = server.chat(stream=True)[2]
    lines = [line for line in body.split(b"\n") if len(line) >= 3 * 1024 * 1024]
    assert [len(line) for line in lines] == [3 * 1024 * 1024]
    assert words_of(events_of(body)) == ["a", " b"]


# ---- compressed bodies ----

@pytest.mark.parametrize("compress, decompress", [("gzip", gzip.decompress), ("deflate", zlib.decompress)])
@pytest.mark.parametrize("chunk_bytes", [0, 1])
def test_a_body_is_compressed_when_the_client_takes_it(server, compress, decompress, chunk_bytes):
    server.script({"match": {"contains": "error"}, "status": 500, "compress": compress},
                  {"reply": "a b c", "compress": compress, "chunk_bytes": chunk_bytes})
    for accepted in ("gzip, deflate", f"br;q=1, {compress};q=0.5"):
        for stream in (True, False):
            body = {"messages": [], "stream": stream}
            _, headers, got = server.call("POST", "/v1/chat/completions", body, {"accept-encoding": accepted})
            assert headers["content-encoding"] == compress
            got = decompress(got)
            assert (words_of(events_of(got)) if stream else json.loads(got)["usage"]["completion_tokens"]) == (
                ["a", " b", " c"] if stream else 3)
    for refused in ("identity", f"{compress};q=0"):
        assert server.call("POST", "/v1/chat/completions", {}, {"accept-encoding": refused})[1]["content-encoding"] is None
    body = {"messages": [{"role": "user", "content": "error"}]}
    status, _, got = server.call("POST", "/v1/chat/completions", body, {"accept-encoding": compress})
    assert (status, "error" in json.loads(decompress(got))) == (500, True)


def test_compressed_words_can_be_read_as_they_come(server):
    server.script({"reply": "a b", "compress": "gzip", "break_after": 1, "break_how": "stall"})
    sock = server.raw(post_bytes(STREAM, "accept-encoding: gzip\r\n"))
    unpack, seen = zlib.decompressobj(31), b""
    sock.settimeout(WAIT_SECONDS)
    while b'"content":"a"' not in unpack.copy().decompress(body_of(seen)):
        seen += sock.recv(65536)
    sock.close()


# ---- how often ----

def test_a_rule_is_for_the_first_times(server):
    server.script({"match": {"api_key": "k"}, "status": 503, "times": 2}, {"reply": "fine"})
    assert [server.chat(key=key)[0] for key in ("k", "j", "k", "k")] == [503, 200, 503, 200]
    server.script({"status": 500, "times": 1})
    assert [server.chat()[0] for _ in range(2)] == [500, 200]


def test_a_rule_is_for_some_at_random_and_the_same_ones_again(server):
    rules = [{"status": 503, "probability": 0.3}, {"status": 429, "probability": 0.5}]
    runs = []
    for _ in range(2):
        server.script(*rules)
        with contextlib.closing(server.connection()) as conn:
            statuses = []
            for _ in range(1000):
                conn.request("POST", "/v1/chat/completions", b"{}")
                answer = conn.getresponse()
                answer.read()
                statuses.append(answer.status)
        runs.append(statuses)
    assert runs[0] == runs[1]
    assert 240 < runs[0].count(503) < 360 and 290 < runs[0].count(429) < 410 and 290 < runs[0].count(200) < 410


@pytest.mark.parametrize("rule, message", [
    ({"break_how": "melt"}, "break_how: must be one of close reset stall"),
    ({"break_how": "reset"}, "break_how: needs break_at or break_after"),
    ({"probability": 2}, "probability: must be from 0 to 1"),
    ({"error_after": 0}, "status: says which error: it must not be 200"),
    ({"headers": {"a b": "x"}}, "headers: names and texts; not those fakellm writes itself"),
    ({"headers": {"a": "x\r\ny: z"}}, "headers: names and texts; not those fakellm writes itself"),
    ({"headers": {"Content-Length": "1"}}, "headers: names and texts; not those fakellm writes itself"),
    ({"usage": 1}, "usage: must be true or false"),
])
def test_a_wrong_rule_is_refused(server, rule, message):
    status, _, body = server.call("POST", "/control/script", [rule])
    assert (status, json.loads(body)["error"]["message"]) == (400, "rule 0: " + message)


def test_a_reset_takes_back_what_was_counted_of_rules(tmp_path):
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"status": 500, "times": 1}]))
    with server_with("--script", str(script)) as own:
        assert [own.chat()[0] for _ in range(2)] == [500, 200]
        own.call("POST", "/control/reset")
        assert [own.chat()[0] for _ in range(2)] == [500, 200]


def test_a_client_may_leave_during_a_stall(server):
    server.script({"break_at": "head", "break_how": "stall", "stall_ms": 30})
    server.start_stream().close()
    wait_until(lambda: server.stats()["in_flight"] == 0)
    time.sleep(0.05)
    server.script()
    assert server.words("still here")[-1] == " here"
