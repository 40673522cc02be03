"""Behaviour of fakellm, seen by a client. HEDDLE_BIN_DIR names the folder with the built binaries."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

BINARY = os.path.join(os.environ["HEDDLE_BIN_DIR"], "fakellm")
WAIT_SECONDS = 10


class Server:
    def __init__(self, *options):
        self.process = subprocess.Popen(
            [BINARY, "--listen", "127.0.0.1:0", *options], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.fullmatch(r"fakellm listening on http://127\.0\.0\.1:(\d+)/v1\n", line)
        assert found, line
        self.port = int(found.group(1))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(WAIT_SECONDS) == 0
        assert self.process.stdout.read() == ""

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS)

    def call(self, method, path, body=None, headers=None):
        """(status, headers, bytes) of one request."""
        with contextlib.closing(self.connection()) as conn:
            data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
            conn.request(method, path, data, headers or {})
            answer = conn.getresponse()
            return answer.status, answer.headers, answer.read()

    def chat(self, text="hello", key=None, path="/v1/chat/completions", **fields):
        headers = {"authorization": "Bearer " + key} if key else {}
        body = {"model": "m", "messages": [{"role": "user", "content": text}], **fields}
        return self.call("POST", path, body, headers)

    def words(self, text="hello", **fields):
        return words_of(events_of(self.chat(text, stream=True, **fields)[2]))

    def script(self, *rules):
        status, _, body = self.call("POST", "/control/script", list(rules))
        assert (status, json.loads(body)) == (200, {"rules": len(rules)})

    def requests(self):
        return json.loads(self.call("GET", "/control/requests")[2])

    def stats(self):
        return json.loads(self.call("GET", "/control/stats")[2])

    def raw(self, data=b""):
        """A plain socket that has sent data."""
        sock = socket.create_connection(("127.0.0.1", self.port), WAIT_SECONDS)
        sock.sendall(data)
        return sock

    def start_stream(self, text="hello"):
        """A plain socket whose streamed request is under way at the server."""
        before = self.stats()["in_flight"]
        body = json.dumps({"stream": True, "messages": [{"role": "user", "content": text}]}).encode()
        sock = self.raw(post_bytes(body))
        wait_until(lambda: self.stats()["in_flight"] > before)
        return sock


@pytest.fixture(scope="module")
def shared():
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def server(shared):
    shared.call("POST", "/control/reset")
    return shared


@contextlib.contextmanager
def server_with(*options):
    server = Server(*options)
    try:
        yield server
    finally:
        server.stop()


def wait_until(is_true):
    end = time.monotonic() + WAIT_SECONDS
    while not is_true():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.002)


def post_bytes(body, headers="", path="/v1/chat/completions"):
    return (f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{headers}\r\n").encode() + body


def read_to_end(sock):
    pieces = []
    while piece := sock.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def events_of(body):
    """The data of a stream's events; [DONE] must be the last and is left out."""
    events = body.decode().split("\n\n")
    assert events[-1] == "" and events[-2] == "data: [DONE]"
    assert all(event.startswith("data: ") for event in events[:-1])
    return [json.loads(event[len("data: "):]) for event in events[:-2]]


def words_of(events):
    deltas = [event["choices"][0]["delta"] for event in events if event["choices"]]
    return [delta["content"] for delta in deltas if delta.get("content")]


# ---- replies ----

@pytest.mark.parametrize("reply, words", [
    ("mocked llm response", ["mocked", " llm", " response"]),
    ("one", ["one"]),
    ("two  blanks", ["two", "  blanks"]),
    (" first", [" first"]),
    ("end ", ["end", " "]),
    ("line\nbreak \"quoted\" \\ é\U0001f600", ["line\nbreak", " \"quoted\"", " \\", " é\U0001f600"]),
    ("", []),
])
def test_a_reply_is_streamed_word_by_word(server, reply, words):
    server.script({"reply": reply})
    assert server.words() == words


def test_a_stream_has_the_events_of_openai(server):
    server.script({"reply": "a b"})
    status, headers, body = server.chat(stream=True)
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    events = events_of(body)
    assert [event["choices"] for event in events] == [
        [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": " b"}, "finish_reason": None}],
        [{"index": 0, "delta": {}, "finish_reason": "stop"}]]
    assert {(event["id"], event["object"], event["model"]) for event in events} == {
        (headers["x-request-id"], "chat.completion.chunk", "m")}
    assert not any("usage" in event for event in events)


def test_usage_comes_last_when_it_is_asked_for(server):
    server.script({"reply": "a b c"})
    events = events_of(server.chat("four words for you", stream=True, stream_options={"include_usage": True})[2])
    assert events[-1]["choices"] == []
    assert events[-1]["usage"] == {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}
    assert all(event["usage"] is None for event in events[:-1])


def test_a_reply_without_stream_is_one_body(server):
    server.script({"reply": "a b c"})
    status, headers, body = server.chat("two words")
    answer = json.loads(body)
    assert (status, headers["content-type"], answer["object"]) == (200, "application/json", "chat.completion")
    assert answer["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "a b c"}, "finish_reason": "stop"}]
    assert answer["usage"] == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


@pytest.mark.parametrize("messages, reply", [
    ([{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"},
      {"role": "user", "content": "three"}, {"role": "system", "content": "four"}], "You said: three"),
    ([{"role": "user", "content": [{"type": "text", "text": "part"}, {"type": "image_url", "image_url": {}},
                                   {"type": "text", "text": "two"}]}], "You said: part\ntwo"),
    ([], "Hello! How can I help you today?"),
    ([{"role": "system", "content": "be kind"}], "Hello! How can I help you today?"),
])
def test_the_default_reply_echoes_the_last_user_message(server, messages, reply):
    body = json.loads(server.chat(messages=messages)[2])
    assert body["choices"][0]["message"]["content"] == reply
    assert "".join(server.words(messages=messages)) == reply


@pytest.mark.parametrize("prompt", ["one two", ["zero", "one two"]])
def test_text_completions_are_answered(server, prompt):
    answer = json.loads(server.call("POST", "/v1/completions", {"prompt": prompt})[2])
    assert (answer["object"], answer["choices"][0]["text"]) == ("text_completion", "You said: one two")
    events = events_of(server.call("POST", "/v1/completions", {"prompt": prompt, "stream": True})[2])
    assert [event["choices"][0]["text"] for event in events] == ["You", " said:", " one", " two", ""]
    assert events[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("reply, words", [(" a b", [" a", " b"]), ("a b", ["a", " b"]), ("a ", ["a", " "])])
def test_a_reply_is_repeated_as_it_stands(server, reply, words):
    server.script({"reply": reply, "repeat": 3})
    assert server.words() == words * 3
    assert json.loads(server.chat()[2])["choices"][0]["message"]["content"] == reply * 3


def test_a_long_burst_arrives_whole(server):
    server.script({"reply": " word", "repeat": 100000})
    assert server.words() == [" word"] * 100000
    wait_until(lambda: server.stats()["completed"] == 1)
    assert server.requests()[0]["chunks_sent"] == 100000


def test_models_lists_those_the_script_names(server):
    server.script({"match": {"model": "a"}}, {"match": {"model": "b"}}, {"match": {"model": "a"}}, {})
    body = json.loads(server.call("GET", "/v1/models")[2])
    assert [model["id"] for model in body["data"]] == ["fake-model", "a", "b"]


# ---- rules ----

def test_the_first_rule_that_matches_answers(server):
    server.script({"match": {"model": "m", "api_key": "k1"}, "reply": "one"},
                  {"match": {"contains": "weather"}, "reply": "two"},
                  {"match": {"api_key": "k1"}, "reply": "three"},
                  {"match": {"model": "n"}, "reply": "four"})
    assert server.words(key="k1") == ["one"]
    assert server.words("the weather today", key="k2") == ["two"]
    assert server.words("the weather today", key="k1", model="n") == ["two"]
    assert server.words(key="k1", model="n") == ["three"]
    assert server.words(model="n") == ["four"]
    assert server.words("other") == ["You", " said:", " other"]
    assert [request["rule"] for request in server.requests()] == [0, 1, 1, 2, 3, None]


CALLS = [{"name": "add", "arguments": {"a": 1, "b": "x y"}}, {"name": "now", "arguments": "not  {JSON"}]
CALLED = [("call_0", "add", '{"a":1,"b":"x y"}'), ("call_1", "now", "not  {JSON")]


def called(calls):
    return [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls]


@pytest.mark.parametrize("rule, content, reason", [
    ({}, None, "tool_calls"),
    ({"reply": "let me see", "finish_reason": "stop"}, "let me see", "stop"),
])
def test_tools_are_called(server, rule, content, reason):
    server.script({"tool_calls": CALLS, **rule})
    body = json.loads(server.chat()[2])
    choice = body["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (content, reason)
    assert called(choice["message"]["tool_calls"]) == CALLED
    assert body["usage"]["completion_tokens"] == len((content or "").split()) + 6

    events = events_of(server.chat(stream=True)[2])
    assert "".join(words_of(events)) == (content or "")
    assert events[-1]["choices"][0]["finish_reason"] == reason
    calls = {}
    pieces = [call for event in events for call in event["choices"][0]["delta"].get("tool_calls", [])]
    assert len(pieces) == 6
    for piece in pieces:
        if "id" in piece:
            assert piece["function"]["arguments"] == ""
            calls[piece["index"]] = piece
        else:
            calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
    assert called(calls[i] for i in sorted(calls)) == CALLED


def test_a_completion_calls_no_tools(server):
    server.script({"reply": "a b", "tool_calls": CALLS})
    body = json.loads(server.chat(path="/v1/completions", prompt="x")[2])
    assert body["choices"][0] == {"text": "a b", "index": 0, "logprobs": None, "finish_reason": "stop"}


@pytest.mark.parametrize("stream", [False, True])
def test_the_finish_reason_is_as_scripted(server, stream):
    server.script({"reply": "cut", "finish_reason": "length"})
    body = server.chat(stream=stream)[2]
    last = events_of(body)[-1] if stream else json.loads(body)
    assert last["choices"][0]["finish_reason"] == "length"


def test_rules_look_for_tools_and_formats(server):
    server.script({"match": {"tools": True}, "reply": "tools"},
                  {"match": {"response_format": True, "tools": False}, "reply": "format"},
                  {"match": {"response_format": False}, "reply": "neither"})
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert server.words(tools=tools) == ["tools"]
    assert server.words(tools=tools, response_format={"type": "json_object"}) == ["tools"]
    assert server.words(tools=[], response_format={"type": "json_object"}) == ["format"]
    assert server.words() == ["neither"]


def test_a_script_file_and_options_are_read(tmp_path):
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"match": {"model": "x"}, "status": 503}, {"match": {"model": "y"}, "repeat": 2}]))
    with server_with("--script", str(script), "--reply", "default", "--burst") as own:
        assert own.chat(model="x")[0] == 503
        assert own.words(model="y") == ["default", "default"]
        assert own.words(model="z") == ["default"]
        own.script()
        assert own.chat(model="x")[0] == 200
        own.call("POST", "/control/reset")
        assert own.chat(model="x")[0] == 503


@pytest.mark.parametrize("body, message", [
    (b"", "script: is empty"),
    (b"[{]", "script: is not JSON"),
    (b"[] []", "script: is not JSON"),
    (b"{}", "script: must be a list of rules"),
    (b"[1]", "rule 0: rule: must be an object"),
    (b'[{},{"replay":"x"}]', "rule 1: replay: no such field"),
    (b'[{"match":{"reply":"x"}}]', "rule 0: reply: no such field in match"),
    (b'[{"reply":1}]', "rule 0: reply: must be a string"),
    (b'[{"repeat":0}]', "rule 0: repeat: must be from 1 to 1000000"),
    (b'[{"repeat":1.5}]', "rule 0: repeat: must be a whole number"),
    (b'[{"match":{"tools":1}}]', "rule 0: tools: must be true or false"),
    (b'[{"tool_calls":{}}]', "rule 0: tool_calls: must be a list of at most 128 calls"),
    (b'[{"tool_calls":[{"name":"f"}]}]', "rule 0: tool_calls: a call is {\"name\": text, \"arguments\": …}"),
    (b'[{"finish_reason":null}]', "rule 0: finish_reason: must be a string"),
    (b'[{"status":302}]', "rule 0: status: must be 200, or an error from 400 to 599"),
])
def test_a_wrong_script_is_refused_and_the_old_one_stays(server, body, message):
    server.script({"reply": "old"})
    status, _, answer = server.call("POST", "/control/script", body)
    assert (status, json.loads(answer)["error"]["message"]) == (400, message)
    assert server.words() == ["old"]


@pytest.mark.parametrize("status, code", [
    (401, "invalid_api_key"), (404, "model_not_found"), (429, "rate_limit_exceeded"), (400, None), (500, None)])
def test_an_error_status_has_the_body_openai_sends(server, status, code):
    server.script({"status": status})
    for is_stream in (True, False):
        got, headers, body = server.chat(stream=is_stream)
        error = json.loads(body)["error"]
        assert (got, headers["content-type"], error["code"]) == (status, "application/json", code)
        assert error["message"] and error["type"]


@pytest.mark.parametrize("error_body, content_type, body", [
    ({"detail": ["x", 1]}, "application/json", b'{"detail":["x",1]}'),
    ("<html>bad gateway</html>", "text/plain; charset=utf-8", b"<html>bad gateway</html>"),
])
def test_an_error_body_is_sent_as_scripted(server, error_body, content_type, body):
    server.script({"status": 502, "error_body": error_body})
    status, headers, got = server.chat()
    assert (status, headers["content-type"], got) == (502, content_type, body)


# ---- time ----

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


# ---- how a request ends ----

def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("leave, ended", [(socket.socket.close, "client_closed"), (reset, "reset")])
@pytest.mark.parametrize("rule", [{"first_token_ms": 60000}, {"reply": "a b c", "tokens_per_second": 0.1}])
def test_a_client_that_leaves_is_noticed_at_once(server, leave, ended, rule):
    server.script(rule)
    sock = server.start_stream()
    if "reply" in rule:
        assert b'"content":"a"' in sock.recv(65536)
    assert server.requests()[0]["ended_at"] is None
    left_at_ms = time.monotonic() * 1000
    leave(sock)
    wait_until(lambda: server.stats()[ended] == 1)
    request = server.requests()[0]
    assert request["end"] == ended
    assert -0.001 <= request["ended_at"]["monotonic_ms"] - left_at_ms < 50
    assert request["chunks_sent"] == (1 if "reply" in rule else 0)
    assert server.stats()["in_flight"] == 0


def test_a_client_that_leaves_while_it_does_not_read_is_noticed(server):
    server.script({"reply": " " + "word" * 1000, "repeat": 4000})
    sock = server.start_stream()
    sock.close()
    wait_until(lambda: server.stats()["in_flight"] == 0)
    assert server.requests()[0]["end"] in ("client_closed", "reset")
    assert server.requests()[0]["chunks_sent"] < 4000


@pytest.mark.parametrize("break_after", [0, 2, 3])
def test_a_stream_is_broken_off_after_so_many_words(server, break_after):
    server.script({"reply": "a b c", "break_after": break_after})
    sock = server.raw(post_bytes(b'{"stream":true}'))
    seen = read_to_end(sock)
    assert len(re.findall(rb'"content":"[^"]', seen)) == break_after
    assert b"[DONE]" not in seen and b'"stop"' not in seen and b"\r\n0\r\n" not in seen
    request = server.requests()[0]
    assert (request["end"], request["chunks_sent"]) == ("broken_off", break_after)


def test_a_body_is_broken_off_in_its_text(server):
    server.script({"reply": "a b c", "break_after": 2})
    with pytest.raises(http.client.IncompleteRead) as broken:
        server.chat()
    assert broken.value.partial.endswith(b'"content":"a b')


def test_a_break_after_the_end_does_nothing(server):
    server.script({"reply": "a b c", "break_after": 4})
    assert server.words() == ["a", " b", " c"]
    assert json.loads(server.chat()[2])["choices"][0]["message"]["content"] == "a b c"


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1000000])
def test_a_stream_is_cut_into_pieces(server, chunk_bytes):
    server.script({"reply": "mocked llm réponse", "chunk_bytes": chunk_bytes})
    sock = server.raw(post_bytes(b'{"stream":true}', "connection: close\r\n"))
    body = read_to_end(sock).partition(b"\r\n\r\n")[2]
    sizes, events = [], b""
    while body:
        size, _, body = body.partition(b"\r\n")
        sizes.append(int(size, 16))
        events += body[:sizes[-1]]
        body = body[sizes[-1] + 2:]
    assert words_of(events_of(events)) == ["mocked", " llm", " réponse"]
    assert sizes[-1] == 0 and all(size == chunk_bytes for size in sizes[:-2]) and sizes[-2] <= chunk_bytes
    assert len(sizes) - 1 == -(-len(events) // chunk_bytes)


def test_bodies_and_errors_are_cut_too(server):
    server.script({"match": {"contains": "error"}, "status": 500, "chunk_bytes": 3}, {"reply": "a b", "chunk_bytes": 3})
    assert json.loads(server.chat()[2])["choices"][0]["message"]["content"] == "a b"
    assert json.loads(server.chat("error")[2])["error"]["type"] == "server_error"


# ---- the log ----

def test_the_log_shows_what_was_asked(server):
    server.chat("hi", key="sk-1", temperature=1.0)
    server.chat("hi", stream=True, model="n")
    first, second = server.requests()
    assert (first["path"], first["model"], first["key"], first["stream"]) == (
        "/v1/chat/completions", "m", "sk-1", False)
    assert (second["model"], second["key"], second["stream"], second["end"]) == ("n", None, True, "completed")
    assert first["body"] == {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 1.0}
    assert first["messages_digest"] == second["messages_digest"]
    times = [request[name] for request in (first, second) for name in ("received_at", "first_byte_at", "ended_at")]
    for clock, now in (("monotonic_ms", time.monotonic()), ("wall_ms", time.time())):
        at = [moment[clock] for moment in times]
        assert at == sorted(at) and all(abs(ms - now * 1000) < 60000 for ms in at)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a":1} x', b"\xff\x00"])
def test_a_body_that_is_no_request_is_refused_and_logged(server, body):
    status, _, answer = server.call("POST", "/v1/chat/completions", body)
    assert (status, json.loads(answer)["error"]["type"]) == (400, "invalid_request_error")
    request = server.requests()[0]
    assert (request["status"], request["end"], request["body_bytes"]) == (400, "completed", len(body))


def test_the_counts_agree(server):
    server.script({"match": {"contains": "slow"}, "first_token_ms": 60000}, {"match": {"contains": "cut"}, "break_after": 0})
    server.chat()
    with pytest.raises(http.client.IncompleteRead):
        server.chat("cut")
    slow = server.start_stream("slow")
    gone = server.start_stream("slow")
    gone.close()
    wait_until(lambda: server.stats()["client_closed"] == 1)
    stats = server.stats()
    assert {name: stats[name] for name in stats if name != "open_connections"} == {
        "received": 4, "in_flight": 1, "completed": 1, "client_closed": 1, "reset": 0, "broken_off": 1}
    assert stats["open_connections"] >= 2
    server.call("POST", "/control/reset")
    assert [request["end"] for request in server.requests()] == [None]
    assert (server.stats()["received"], server.stats()["in_flight"]) == (1, 1)
    slow.close()
    wait_until(lambda: server.stats()["in_flight"] == 0)


def test_the_log_keeps_the_newest_ten_thousand(server):
    with contextlib.closing(server.connection()) as conn:
        for number in range(10003):
            conn.request("POST", "/v1/chat/completions", b'{"messages":[],"n":%d}' % number)
            conn.getresponse().read()
    assert [request["body"]["n"] for request in server.requests()] == list(range(3, 10003))
    assert server.stats()["received"] == 10003


def test_the_request_log_file_has_a_line_for_every_end(tmp_path):
    log = tmp_path / "requests.jsonl"
    with server_with("--request-log", str(log), "--first-token-ms", "0") as own:
        own.chat("first\nline")
        wait_until(lambda: len(log.read_text().splitlines()) == 1)
        assert json.loads(log.read_text()) == own.requests()[0]
        own.script({"first_token_ms": 60000})
        open_stream = own.start_stream()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["end"] for line in lines] == ["completed", "broken_off"]
    open_stream.close()


# ---- HTTP ----

def test_a_connection_serves_many_requests(server):
    with contextlib.closing(server.connection()) as conn:
        conn.connect()
        sock = conn.sock
        for is_stream in (True, False, True, True, False):
            conn.request("POST", "/v1/chat/completions", json.dumps({"stream": is_stream}))
            conn.getresponse().read()
            assert conn.sock is sock


def test_requests_sent_ahead_are_answered_in_order(server):
    first = post_bytes(b'{"messages":[{"role":"user","content":"one"}]}')
    second = post_bytes(b'{"messages":[{"role":"user","content":"two"}]}', "connection: close\r\n")
    server.script({"first_token_ms": 30})
    seen = read_to_end(server.raw(first + second))
    assert seen.index(b"You said: one") < seen.index(b"You said: two")


def test_a_request_may_come_byte_by_byte(server):
    sock = server.raw()
    for byte in post_bytes(b'{"messages":[]}', "connection: close\r\n"):
        sock.sendall(bytes([byte]))
    assert b"Hello!" in read_to_end(sock)


def test_a_chunked_body_is_read(server):
    body = json.dumps({"messages": [{"role": "user", "content": "x" * 300000}]}).encode()
    pieces = [body[at:at + 7777] for at in range(0, len(body), 7777)]
    with contextlib.closing(server.connection()) as conn:
        conn.request("POST", "/v1/chat/completions", iter(pieces), encode_chunked=True,
                     headers={"transfer-encoding": "chunked"})
        assert json.loads(conn.getresponse().read())["choices"][0]["message"]["content"].endswith("x" * 300000)
        conn.request("GET", "/v1/models")
        assert conn.getresponse().status == 200


def test_a_client_that_expects_continue_gets_it(server):
    body = b'{"messages":[]}'
    sock = server.raw(post_bytes(body, "expect: 100-continue\r\nconnection: close\r\n")[:-len(body)])
    assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    sock.sendall(body)
    assert read_to_end(sock).startswith(b"HTTP/1.1 200 ")


def test_http_1_0_is_answered_without_chunks(server):
    body = b'{"stream":true}'
    sock = server.raw(b"POST /v1/chat/completions HTTP/1.0\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    head, _, events = read_to_end(sock).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert words_of(events_of(events))[0] == "Hello!"


@pytest.mark.parametrize("data, status", [
    (b"GARBAGE\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00", 400),
    (b"GET /v1/models HTTP/2.0\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\n\n", 400),
    (b"GET /v1/models HTTP/1.1\r\nno colon\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\r\nspace : x\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\r\nx: a\0b\r\n\r\n", 400),
    (b"POST /v1/completions HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
    (b"POST /v1/completions HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
    (b"POST /v1/completions HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
    (b"POST /v1/completions HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", 400),
    (b"POST /v1/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"POST /v1/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
    (b"POST /v1/completions HTTP/1.1\r\ncontent-length: 16777217\r\n\r\n", 413),
    (b"POST /v1/completions HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n", 413),
    (b"POST /v1/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1000001\r\n", 413),
    (b"GET /v1/models HTTP/1.1\r\nx: " + b"y" * 70000 + b"\r\n\r\n", 431),
])
def test_what_is_not_http_is_refused_and_the_connection_closed(server, data, status):
    seen = read_to_end(server.raw(data))
    assert seen.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close\r\n" in seen


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/", 404), ("GET", "/v1/chat/completions", 405), ("POST", "/v1/models", 405),
    ("GET", "/v1/models?limit=1", 200)])
def test_unknown_paths_and_methods_are_refused(server, method, path, status):
    assert server.call(method, path)[0] == status


def test_the_largest_body_is_taken(server):
    body = b'{"messages":[{"role":"system","content":"' + b"x" * (16 * 1024 * 1024 - 45) + b'"}]}'
    assert len(body) == 16 * 1024 * 1024
    assert server.call("POST", "/v1/chat/completions", body)[0] == 200


def test_many_connections_stream_at_the_same_time(server):
    server.script({"reply": "a b c d", "first_token_ms": 100, "tokens_per_second": 100})
    request = post_bytes(b'{"stream":true}', "connection: close\r\n")
    socks = [server.raw(request) for _ in range(500)]
    for sock in socks:
        assert b"[DONE]" in read_to_end(sock)
        sock.close()
    wait_until(lambda: server.stats()["open_connections"] == 1)
    assert server.stats()["completed"] == 500


def test_a_script_can_be_replaced_while_its_replies_go_out(server):
    server.script({"reply": "old old old", "tokens_per_second": 20})
    got = []
    reader = threading.Thread(target=lambda: got.extend(server.words()))
    reader.start()
    wait_until(lambda: server.stats()["in_flight"] == 1)
    server.script({"reply": "new"})
    assert server.words() == ["new"]
    reader.join(WAIT_SECONDS)
    assert got == ["old", " old", " old"]


# ---- the program ----

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
                   "tokens-per-second", "status", "break-after", "chunk-bytes"):
        assert f"--{option} " in done.stdout


@pytest.mark.parametrize("options, message", [
    (["x"], "x: is no option"),
    (["--nonsense"], "--nonsense: is no option"),
    (["--listen"], "--listen: needs a value"),
    (["--listen", "localhost"], "localhost: is not a numeric address and a port"),
    (["--listen", "127.0.0.1:65536"], "127.0.0.1:65536: is not a numeric address and a port"),
    (["--repeat=x"], "repeat: must be a number"),
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
