"""How requests end."""

import http.client
import json
import re
import socket
import struct
import time

import pytest

from fakellm_server import events_of, post_bytes, read_to_end, server, shared, wait_until, words_of  # noqa: F401


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
