"""The HTTP that fakellm takes and speaks."""

import contextlib
import json
import threading

import pytest

from fakellm_server import WAIT_SECONDS, events_of, post_bytes, read_to_end, server, shared, wait_until, words_of  # noqa: F401


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
