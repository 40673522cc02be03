"""The real binaries on loopback, one set per test session; each process ends by its id."""
import base64
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from heddle import Client  # noqa: E402

SOURCE = pathlib.Path(os.environ.get("HEDDLE_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
BIN = pathlib.Path(os.environ.get("HEDDLE_BIN_DIR", SOURCE / "build-asan" / "bin"))
DSL = pathlib.Path(os.environ.get("HEDDLE_DSL_DIR", SOURCE.parent / "shared" / "dsl"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, seconds=20, what="condition"):
    """Polls until condition() is truthy and returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.005)


class Process:
    """A child with its output in a file; stop() asks for a clean end and reports the exit code."""

    def __init__(self, name, arguments, folder, env=None):
        self.name, self.log = name, folder / f"{name}.log"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("HEDDLE_")}
        clean["HEDDLE_HTTP_LISTEN"] = "none"  # several may run at a time; who wants it names a port of its own
        self.child = subprocess.Popen([str(a) for a in arguments], stdout=self.log.open("ab"), stderr=subprocess.STDOUT,
                                      cwd=folder, env={**clean, **(env or {})})

    @property
    def pid(self):
        return self.child.pid

    def text(self):
        return self.log.read_text(errors="replace")

    def alive(self):
        return self.child.poll() is None

    def stop(self, how=signal.SIGTERM, seconds=20):
        if self.alive():
            self.child.send_signal(how)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"{self.name} did not end within {seconds} s:\n{self.text()[-2000:]}")

    def memory_kib(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class FakeModel:
    def __init__(self, folder):
        self.port = free_port()
        self.process = Process("fakellm", [BIN / "fakellm", "--listen", f"127.0.0.1:{self.port}"], folder)
        self.url = f"http://127.0.0.1:{self.port}/v1"
        wait_until(lambda: "listening" in self.process.text(), what="fakellm ready")

    def _control(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/control/{path}", data=data,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as reply:
            text = reply.read()
            return json.loads(text) if text else None

    def script(self, *rules):
        self._control("script", list(rules))

    def reset(self):
        self._control("script", [])
        self._control("reset", {})

    def limits(self, *limits):
        self._control("limits", list(limits))

    def keys(self):
        return self._control("keys")

    def requests(self):
        return self._control("requests")

    def stats(self):
        return self._control("stats")


class Heddle:
    """fakellm, executor, gateway with a store of their own, and an administrator's client."""

    def __init__(self, folder, executor_options=(), gateway_options=(), store_folder=None):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.admin_token = "admin-" + base64.b16encode(os.urandom(12)).decode()
        secrets = {"HEDDLE_MASTER_KEY": base64.b64encode(os.urandom(32)).decode(), "HEDDLE_ADMIN_TOKEN": self.admin_token}
        self.env = secrets
        self.port, self.admin_port = free_port(), free_port()
        self.gateway_http, self.executor_http = free_port(), free_port()
        self.socket = f"unix:{folder}/executor.sock"
        self.store = f"sqlite:{store_folder or folder}/heddle.db"
        self.executor_options, self.gateway_options = list(executor_options), list(gateway_options)
        self.model = FakeModel(folder)
        self.executor = self.gateway = None
        self.start_executor()
        self.start_gateway()
        self.admin = Client(f"127.0.0.1:{self.admin_port}", self.admin_token)
        self.public = Client(f"127.0.0.1:{self.port}")
        for provider in ("openai", "deepseek"):
            self.admin.AdminService.CreateCredential({"provider": provider, "name": "fake", "base_url": self.model.url,
                                                      "secret": "sk-fake-0123456789"})

    def start_executor(self):
        self.executor = Process("executor", [BIN / "heddle-executor", "--listen", self.socket, "--store", self.store,
                                             "--http_listen", f"127.0.0.1:{self.executor_http}", *self.executor_options], self.folder, self.env)

    def start_gateway(self):
        self.gateway = Process("gateway", [
            BIN / "heddle-gateway", "--listen", f"127.0.0.1:{self.port}", "--admin_listen", f"127.0.0.1:{self.admin_port}",
            "--store", self.store, "--executor_target", self.socket, "--http_listen", f"127.0.0.1:{self.gateway_http}", *self.gateway_options], self.folder, self.env)

    def app(self, dsl, **fields):
        """Imports an export and makes a key: (app_id, key)."""
        reply = self.admin.AdminService.ImportApp({"dsl": dsl, **fields})
        assert not reply.problems, reply
        return reply.app_id, self.admin.AdminService.CreateApiKey({"app_id": reply.app_id, "name": "test"}).key

    def stop(self):
        codes = {}
        for name in ("gateway", "executor"):
            process = getattr(self, name)
            if process is not None:
                codes[name] = process.stop()
        self.model.process.stop()
        return codes


@pytest.fixture(scope="session")
def heddle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heddle")
    h = Heddle(folder)
    yield h
    codes = h.stop()
    assert codes == {"gateway": 0, "executor": 0}, (codes, h.gateway.text()[-3000:], h.executor.text()[-3000:])


@pytest.fixture
def fresh(tmp_path):
    """Makes Heddle sets of a test's own; they are stopped after it."""
    made = []

    def make(**options):
        h = Heddle(tmp_path / f"heddle{len(made)}", **options)
        made.append(h)
        return h

    yield make
    for h in made:
        h.stop()


@pytest.fixture(autouse=True)
def quiet_model(request):
    if "heddle" in request.fixturenames:
        request.getfixturevalue("heddle").model.reset()


@pytest.fixture(scope="session")
def exports():
    if not DSL.is_dir():
        pytest.skip("the folder of real exports is not here")

    def read(name):
        return (DSL / name).read_text()

    return read
