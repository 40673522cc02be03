"""Models over TLS, by HTTP/1.1 and HTTP/2: nghttpx stands in front of the fake model, with a certificate of our own."""
import shutil
import subprocess

import pytest

from conftest import Process, free_port, wait_until
from heddle import answer, finished
from test_pool import KEYS, Many

PROXY = shutil.which("nghttpx", path="/usr/sbin:/usr/bin:/usr/local/bin")
pytestmark = pytest.mark.skipif(PROXY is None or shutil.which("openssl") is None, reason="nghttpx or openssl is not here")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(key, certificate, another authority's certificate) for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    made = []
    for name in ("own", "other"):
        key, cert = folder / f"{name}.key", folder / f"{name}.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                        "-subj", "/CN=fake model", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        made.append((key, cert))
    return made[0][0], made[0][1], made[1][1]


class Front:
    """nghttpx, and what it logs of each request: the protocol of the client's side."""

    def __init__(self, folder, model_port, key, cert):
        self.port, self.log = free_port(), folder / "front.access"
        self.process = Process("front", [PROXY, f"--frontend=127.0.0.1,{self.port}", f"--backend=127.0.0.1,{model_port}",
                                         f"--accesslog-file={self.log}", "--accesslog-format=$alpn $request", "--errorlog-file=/dev/stderr",
                                         "--workers=1", key, cert], folder)
        self.url = f"https://127.0.0.1:{self.port}/v1"

    def protocols(self):
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.split()[0] for line in lines]


@pytest.fixture
def fronted(fresh, certificate):
    made = []

    def make(version, trusted=True):
        key, cert, other = certificate
        h = fresh(executor_options=("--model_http", version, "--ca_file", cert if trusted else other))
        front = Front(h.folder, h.model.port, key, cert)
        made.append(front)
        m = Many(h, KEYS[:1])
        m.admin.UpdateCredential({"id": m.ids[KEYS[0]], "base_url": front.url})
        return m, front

    yield make
    for front in made:
        front.process.stop()


@pytest.mark.parametrize("version, protocol", [("1.1", "http/1.1"), ("2", "h2")])
def test_streams_come_over_tls_by_either_http(fronted, version, protocol):
    m, front = fronted(version)
    m.model.script({"reply": "one two three", "tokens_per_second": 50})
    for got in m.say_all(20):
        assert finished(got).status == 2 and answer(got) == "one two three"
    wait_until(lambda: len(front.protocols()) == 20, what="all requests are logged")
    assert set(front.protocols()) == {protocol}
    assert m.admin.TestCredential({"id": m.ids[KEYS[0]], "model": "m"}).ok


def test_a_cancelled_stream_of_http2_is_reset_and_its_connection_goes_on(fronted):
    m, front = fronted("2")
    m.model.script({"match": {"contains": "long"}, "reply": "word " * 400, "tokens_per_second": 50}, {"reply": "short"})
    stream = m.h.public.ChatService.SendMessage({"query": "long", "user": "u-1"}, token=m.key)
    wait_until(lambda: next(stream).WhichOneof("event") == "message", what="it streams")
    stream.cancel()
    wait_until(lambda: m.model.stats()["in_flight"] == 0, what="the model's request has ended")
    assert answer(m.say()) == "short"


def test_a_server_that_cannot_be_checked_is_not_spoken_to(fronted):
    m, front = fronted("1.1", trusted=False)
    m.model.script({"reply": "never"})
    end = finished(m.say())
    assert end.status == 4 and "certificate" in end.error.lower() and not m.model.requests()
