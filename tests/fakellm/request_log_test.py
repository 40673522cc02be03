"""What fakellm tells of its requests."""

import contextlib
import http.client
import json
import time

import pytest

from fakellm_server import server, server_with, shared, wait_until  # noqa: F401


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
