"""The limiter: requests and tokens in any window of time, requests at one time."""

import datetime
import json
import threading
import time

import pytest

from fakellm_server import server, server_with, shared, wait_until  # noqa: F401

ANTHROPIC = {"anthropic-version": "2023-06-01"}


def statuses(server, count, **fields):
    return [server.chat(**fields)[0] for _ in range(count)]


def test_requests_of_a_key_are_limited(server):
    server.limits({"requests": 2})
    assert statuses(server, 3, key="a") == [200, 200, 429]
    assert statuses(server, 3, key="b") == [200, 200, 429]
    assert statuses(server, 1) == [200]
    server.limits({"match": {"api_key": "a"}, "requests": 1}, {"match": {"model": "n"}, "requests": 0})
    assert statuses(server, 2, key="a") == [200, 429]
    assert statuses(server, 2, key="b") == [200, 200]
    assert statuses(server, 1, key="b", model="n") == [429]
    assert [row["limited"] for row in server.keys()["keys"]] == [2, 1, 0, 1]
    assert [request["limited"] for request in server.requests()][-1:] == [True]
    server.call("POST", "/control/reset")
    assert statuses(server, 3, key="a") == [200, 200, 200]


def test_the_window_slides(server):
    server.limits({"requests": 2, "window_ms": 300})
    begin = time.monotonic()
    assert server.chat()[0] == 200
    time.sleep(max(0, begin + 0.15 - time.monotonic()))
    second = time.monotonic()
    assert server.chat()[0] == 200
    assert server.chat()[0] == 429
    while server.chat()[0] == 429:
        assert time.monotonic() < begin + 5
        time.sleep(0.002)
    assert time.monotonic() - begin >= 0.300, "the first one must have left the window"
    assert server.chat()[0] == 429, "the second one is still in it"
    while server.chat()[0] == 429:
        assert time.monotonic() < begin + 5
        time.sleep(0.002)
    assert time.monotonic() - second >= 0.300


def test_a_refusal_says_exactly_when_to_come_back(server):
    server.limits({"requests": 1, "window_ms": 250})
    assert server.chat()[0] == 200
    status, headers, body = server.chat()
    assert (status, json.loads(body)["error"]["code"], headers["retry-after"]) == (429, "rate_limit_exceeded", "1")
    wait_ms = int(headers["retry-after-ms"])
    assert 0 < wait_ms <= 250
    time.sleep(wait_ms / 1000)
    assert server.chat()[0] == 200
    row = server.key(None)
    assert (row["rests"], row["while_resting"], row["limited"]) == (1, 0, 1)


def test_tokens_count_from_the_request_on_and_with_the_reply(server):
    server.script({"reply": "a b c"})
    server.limits({"tokens": 10})
    assert server.chat("one two")[0] == 200            # 5
    assert server.chat("1 2 3 4 5 6")[0] == 429        # 11
    status, headers, _ = server.chat("1 2")            # 7, and 10 with its reply
    assert (status, headers["x-ratelimit-limit-tokens"], headers["x-ratelimit-remaining-tokens"]) == (200, "10", "3")
    assert server.chat("1")[0] == 429
    status, headers, _ = server.chat("1 2 3 4 5 6 7 8 9 10 11")
    assert (status, headers["retry-after"]) == (429, "60"), "it can never fit"


def test_requests_at_one_time_are_limited(server):
    server.script({"match": {"contains": "slow"}, "first_token_ms": 60000})
    server.limits({"concurrent": 2})
    socks = [server.start_stream("slow") for _ in range(2)]
    status, headers, _ = server.chat()
    assert (status, headers["retry-after"]) == (429, "1")
    socks[0].close()
    wait_until(lambda: server.stats()["in_flight"] == 1)
    assert server.chat()[0] == 200
    socks[1].close()


def test_a_limit_may_keep_silent_about_the_end(server):
    server.limits({"requests": 0, "retry_after": False})
    status, headers, _ = server.chat()
    assert (status, headers["retry-after"], headers["retry-after-ms"]) == (429, None, None)
    assert server.key(None)["rests"] == 0


def test_headers_are_as_the_provider_has_them(server):
    server.limits({"requests": 1, "tokens": 1000})
    status, headers, _ = server.chat(key="o")
    assert (status, headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"],
            headers["x-ratelimit-reset-requests"]) == (200, "1", "0", "1m0s")
    wall = time.time()
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    for expected in (200, 429):
        status, headers, answer = server.call("POST", "/v1/messages", body, {"x-api-key": "a", **ANTHROPIC})
        assert (status, headers["anthropic-ratelimit-requests-remaining"]) == (expected, "0")
        at = datetime.datetime.fromisoformat(headers["anthropic-ratelimit-requests-reset"].replace("Z", "+00:00"))
        assert 58 <= at.timestamp() - wall <= 63
    assert (json.loads(answer)["error"]["type"], headers["retry-after"]) == ("rate_limit_error", "60")
    contents = {"contents": [{"parts": [{"text": "hi"}]}]}
    path = "/v1beta/models/m:generateContent"
    for expected in (200, 429):
        status, headers, answer = server.call("POST", path, contents, {"x-goog-api-key": "g"})
        assert status == expected
    details = json.loads(answer)["error"]["details"]
    delay = [float(d["retryDelay"].removesuffix("s")) for d in details if d["@type"].endswith("RetryInfo")]
    assert len(delay) == 1 and 58 < delay[0] <= 60 and headers["retry-after"] is None


def test_the_count_is_exact_under_load(server):
    server.limits({"requests": 100})
    got = []

    def ask():
        got.extend(statuses(server, 30, key="k"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (got.count(200), got.count(429)) == (100, 140)


def test_limits_are_read_from_a_file(tmp_path):
    file = tmp_path / "limits.json"
    file.write_text(json.dumps([{"requests": 1}]))
    with server_with("--limits", str(file)) as own:
        assert statuses(own, 2) == [200, 429]
        own.limits()
        assert statuses(own, 2) == [200, 200]
        own.call("POST", "/control/reset")
        assert statuses(own, 2) == [200, 429]


@pytest.mark.parametrize("body, message", [
    (b"", "limits: is empty"),
    (b"{", "limits: is not JSON"),
    (b"{}", "limits: must be a list of at most 1,000"),
    (b"[1]", "limit 0: must be an object"),
    (b'[{},{"request":1}]', "limit 1: request: no such field, or not a right value"),
    (b'[{"requests":1.5}]', "limit 0: requests: no such field, or not a right value"),
    (b'[{"window_ms":0}]', "limit 0: window_ms: no such field, or not a right value"),
    (b'[{"match":{"key":"a"}}]', "limit 0: match: no such field, or not a right value"),
])
def test_wrong_limits_are_refused_and_the_old_ones_stay(server, body, message):
    server.limits({"requests": 0})
    status, _, answer = server.call("POST", "/control/limits", body)
    assert (status, json.loads(answer)["error"]["message"]) == (400, message)
    assert server.chat()[0] == 429


def test_limits_can_be_replaced_while_requests_are_in_flight(server):
    server.script({"match": {"contains": "slow"}, "first_token_ms": 50})
    server.limits({"concurrent": 1, "tokens": 100})
    got = []
    thread = threading.Thread(target=lambda: got.append(server.chat("slow")[0]))
    thread.start()
    wait_until(lambda: server.stats()["in_flight"] == 1)
    server.limits({"concurrent": 1})
    assert server.chat()[0] == 200
    thread.join()
    assert got == [200]
