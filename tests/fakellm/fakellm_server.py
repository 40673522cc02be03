"""fakellm as its tests see it. HEDDLE_BIN_DIR names the folder with the built binaries."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
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

    def limits(self, *limits):
        status, _, body = self.call("POST", "/control/limits", list(limits))
        assert (status, json.loads(body)) == (200, {"limits": len(limits)})

    def keys(self):
        return json.loads(self.call("GET", "/control/keys")[2])

    def key(self, key, model="m"):
        """The row of a key and a model in the report."""
        rows = [row for row in self.keys()["keys"] if (row["key"], row["model"]) == (key, model)]
        assert len(rows) == 1, rows
        return rows[0]

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
