"""The report per key."""

import contextlib
import email.utils
import http.client
import json
import time

import pytest

from fakellm_server import server, shared, wait_until  # noqa: F401


def test_each_key_and_model_has_a_row(server):
    server.script({"match": {"api_key": "bad"}, "status": 503}, {"reply": "a b"})
    server.chat("one two three", key="k")
    server.chat("x", key="k", model="n")
    server.chat(key="bad")
    server.chat(key="bad", stream=True)
    report = server.keys()
    assert [(row["key"], row["model"]) for row in report["keys"]] == [("k", "m"), ("k", "n"), ("bad", "m")]
    row = server.key("k")
    assert (row["received"], row["served"], row["prompt_tokens"], row["completion_tokens"], row["delivered"]) == (
        1, 1, 3, 2, 1)
    assert row["ends"] == {"completed": 1, "client_closed": 0, "reset": 0, "broken_off": 0}
    assert abs(row["first_at_monotonic_ms"] - time.monotonic() * 1000) < 60000
    row = server.key("bad")
    assert (row["received"], row["served"], row["refused"], row["delivered"]) == (2, 0, {"503": 2}, 0)
    assert row["first_at_monotonic_ms"] < row["last_at_monotonic_ms"]
    assert (report["received"], report["served"], report["double_sends"]) == (4, 2, 0)


def test_requests_in_flight_are_counted(server):
    server.script({"first_token_ms": 60000})
    socks = [server.start_stream() for _ in range(3)]
    assert (server.key(None, None)["in_flight"], server.key(None, None)["in_flight_max"]) == (3, 3)
    socks.pop().close()
    wait_until(lambda: server.key(None, None)["in_flight"] == 2)
    server.call("POST", "/control/reset")
    row = server.key(None, None)
    assert (row["received"], row["in_flight"], row["in_flight_max"], row["ends"]["client_closed"]) == (2, 2, 2, 0)
    for sock in socks:
        sock.close()
    wait_until(lambda: server.key(None, None)["in_flight"] == 0)
    server.call("POST", "/control/reset")
    assert server.keys()["keys"] == []


# ---- rests ----

@pytest.mark.parametrize("rule", [
    {"status": 429, "headers": {"Retry-After": "1"}},
    {"status": 429, "headers": {"retry-after-ms": "1000"}},
    {"status": 503, "rest_ms": 1000},
    {"status": 429, "error_after": 0, "headers": {"Retry-After": "1"}},
    {"break_at": "request", "break_how": "reset", "rest_ms": 1000},
    {"garbage": "bytes", "rest_ms": 1000},
])
def test_a_call_to_a_resting_key_is_counted(server, rule):
    server.script({"match": {"api_key": "k"}, "times": 1, **rule})
    with contextlib.suppress(ConnectionError, http.client.HTTPException):
        server.chat(key="k")
    server.chat(key="k")
    server.chat(key="k", model="n")
    server.chat(key="j")
    row = server.key("k")
    assert (row["rests"], row["while_resting"]) == (1, 1)
    assert 0 < row["while_resting_latest_ms"] < 1000
    assert (server.key("k", "n")["while_resting"], server.key("j")["while_resting"]) == (0, 0)
    assert server.keys()["while_resting"] == 1


def test_a_rest_may_be_told_as_a_date(server):
    server.script({"status": 429, "times": 1, "headers": {"Retry-After": email.utils.formatdate(time.time() + 5, usegmt=True)}})
    server.chat()
    server.chat()
    row = server.key(None)
    assert row["while_resting"] == 1
    assert 3000 < row["rests_until_monotonic_ms"] - time.monotonic() * 1000 <= 5000


def test_a_call_after_the_rest_is_not_counted(server):
    server.script({"status": 503, "rest_ms": 50, "times": 1})
    server.chat()
    time.sleep(0.06)
    server.chat()
    assert (server.key(None)["rests"], server.key(None)["while_resting"]) == (1, 0)


def test_a_rest_never_gets_shorter(server):
    server.script({"status": 503, "rest_ms": 60000, "times": 1}, {"status": 503, "rest_ms": 10})
    for _ in range(3):
        server.chat()
    row = server.key(None)
    assert (row["rests"], row["while_resting"]) == (3, 2)
    assert row["rests_until_monotonic_ms"] - time.monotonic() * 1000 > 50000


def test_what_was_under_way_when_a_rest_began_is_set_apart(server):
    server.script({"status": 503, "rest_ms": 60000, "rest_grace_ms": 10000, "times": 1})
    server.chat()
    server.chat()
    row = server.key(None)
    assert (row["in_grace"], row["while_resting"]) == (1, 0)


# ---- double sends ----

def test_a_prompt_that_was_answered_with_content_must_not_come_again(server):
    server.script({"match": {"api_key": "bad"}, "status": 503}, {"match": {"api_key": "cut"}, "reply": "a b", "break_after": 1})
    server.chat("one", key="bad", stream=True)
    server.chat("one", key="good", stream=True)
    server.chat("two", key="good", stream=True)
    assert server.keys()["double_sends"] == 0
    server.chat("one", key="bad", stream=True)
    server.chat("two", key="other")
    with contextlib.suppress(http.client.HTTPException):
        server.chat("three", key="cut", stream=True)
    server.chat("three", key="good", stream=True)
    assert server.keys()["double_sends"] == 3
    assert [server.key(key)["double_sends"] for key in ("bad", "good", "other", "cut")] == [1, 1, 1, 0]


def test_two_answers_at_the_same_time_are_a_double_send(server):
    server.script({"reply": "a b", "first_token_ms": 50, "break_after": 2, "break_how": "stall"})
    socks = [server.start_stream("same") for _ in range(2)]
    wait_until(lambda: server.key(None, None)["delivered"] == 2)
    assert server.keys()["double_sends"] == 1
    for sock in socks:
        sock.close()


def test_prompts_are_the_same_through_every_api(server):
    server.call("POST", "/v1/messages", {"model": "m", "max_tokens": 1, "system": "s", "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]}, {"role": "assistant", "content": "ho"}]},
        {"anthropic-version": "2023-06-01"})
    server.call("POST", "/v1beta/models/m:generateContent", {
        "systemInstruction": {"parts": [{"text": "s"}]},
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}, {"role": "model", "parts": [{"text": "ho"}]}]})
    server.chat(messages=[{"role": "system", "content": "s"}, {"role": "user", "content": "hi"},
                          {"role": "assistant", "content": "ho"}])
    assert len({request["messages_digest"] for request in server.requests()}) == 1
    assert server.keys()["double_sends"] == 2


# ---- many ----

def test_the_report_does_not_grow_with_requests(server):
    with contextlib.closing(server.connection()) as conn:
        for number in range(20000):
            conn.request("POST", "/v1/chat/completions", b'{"messages":[{"role":"user","content":"%d"}]}' % number,
                         {"authorization": "Bearer k%d" % (number % 10)})
            conn.getresponse().read()
    report = server.keys()
    assert [row["received"] for row in report["keys"]] == [2000] * 10
    assert (report["served"], report["double_sends"], report["digests_forgotten"]) == (20000, 0, 0)
    assert len(json.dumps(report)) < 20000


def test_keys_beyond_ten_thousand_share_a_row(server):
    with contextlib.closing(server.connection()) as conn:
        for number in range(10003):
            conn.request("POST", "/v1/chat/completions", b"{}", {"authorization": f"Bearer {number}"})
            conn.getresponse().read()
    rows = server.keys()["keys"]
    assert (len(rows), rows[-1]["is_others"], rows[-1]["received"]) == (10001, True, 3)
