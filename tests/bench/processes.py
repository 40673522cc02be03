"""The real binaries in a folder of their own, and what /proc and fakellm tell of them."""
import base64
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.request

DURABILITY = "power"
TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
APP = """\
app:
  mode: advanced-chat
  name: Bench
kind: app
version: 0.6.0
workflow:
  conversation_variables: []
  environment_variables: []
  features: {}
  graph:
    edges:
    - {id: start-llm, source: start, sourceHandle: source, target: llm, targetHandle: target, type: custom}
    - {id: llm-answer, source: llm, sourceHandle: source, target: answer, targetHandle: target, type: custom}
    nodes:
    - id: start
      type: custom
      data: {type: start, title: Start, desc: '', variables: []}
    - id: llm
      type: custom
      data:
        type: llm
        title: Model
        desc: ''
        model:
          provider: langgenius/openai/openai
          name: gpt-4o-mini
          mode: chat
          completion_params: {temperature: 0.3}
        prompt_template:
        - {id: system-prompt, role: system, text: You answer briefly.}
        - {id: user-prompt, role: user, text: '{{#sys.query#}}'}
        context: {enabled: false, variable_selector: []}
        vision: {enabled: false}
    - id: answer
      type: custom
      data: {type: answer, title: Answer, desc: '', answer: '{{#llm.text#}}', variables: []}
"""


class Broken(Exception):
    """Something did not start, did not answer or did not end."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def machine_busy_us():
    """CPU time of everything on this machine since its start, idle time left out."""
    user, nice, system, _, _, irq, softirq, steal = map(int, pathlib.Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) * TICK_US


def wait_until(condition, seconds, what, pause_s=0.01):
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise Broken(f"{what}: not within {seconds} s")
        time.sleep(pause_s)
    return value


def thread_group(name, is_main):
    """What a thread does, by its name: rpc-0 and rpc-1 are of one group, and so are all that the gRPC library starts for itself."""
    if is_main:
        return "main"
    if name.startswith("MHD-"):
        return "http"
    if name.startswith(("grpc_", "default-exec", "resolver-exec", "event_engine", "timer_manager")):
        return "grpc's own"
    return re.sub(r"-\d+$", "", name)


class Process:
    """A child with its output in a file."""

    def __init__(self, name, arguments, folder, env=None):
        self.name, self.log = name, folder / f"{name}.log"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("HEDDLE_")}
        try:
            with self.log.open("ab") as log:
                self.child = subprocess.Popen([str(a) for a in arguments], stdout=log, stderr=subprocess.STDOUT,
                                              stdin=subprocess.DEVNULL, cwd=folder, env={**clean, **(env or {})})
        except OSError as why:
            raise Broken(f"{name} did not start: {why.strerror}") from why
        self.proc = pathlib.Path(f"/proc/{self.child.pid}")

    def last_words(self):
        return self.log.read_text(errors="replace")[-1500:]

    def check(self):
        if self.child.poll() is not None:
            raise Broken(f"{self.name} has ended with {self.child.returncode}:\n{self.last_words()}")

    def stop(self, seconds=20):
        """Asks it to end. Returns its exit code, or None when it had to be killed."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            return None

    def cpu_us(self):
        fields = (self.proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_US

    def counts(self):
        """What it has used so far. waits: how often a thread has gone to sleep, each a wake-up later; writes: of write() and its
        like, which leaves out what goes to a socket by sendmsg(); threads_us: CPU by thread_group()."""
        waits, threads_us = 0, {}
        for task in (self.proc / "task").iterdir():
            try:
                status, ran_ns = (task / "status").read_text(), int((task / "schedstat").read_text().split()[0])
                group = thread_group((task / "comm").read_text().strip(), task.name == self.proc.name)
            except (FileNotFoundError, ProcessLookupError):
                continue  # has ended meanwhile
            waits += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)[1])
            threads_us[group] = threads_us.get(group, 0) + ran_ns // 1000
        writes = int(re.search(r"^syscw: (\d+)", (self.proc / "io").read_text(), re.MULTILINE)[1])
        return {"cpu_us": self.cpu_us(), "waits": waits, "writes": writes, "threads_us": threads_us}

    def threads(self):
        """How many it has started itself: the gRPC library's own come and go."""
        names = [(task.name, (task / "comm").read_text().strip()) for task in (self.proc / "task").iterdir()]
        return sum(thread_group(name, number == self.proc.name) != "grpc's own" for number, name in names)

    def rss_kib(self):
        for line in (self.proc / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise Broken(f"{self.name}: no VmRSS")

    def open_files(self):
        return len(os.listdir(self.proc / "fd"))


class Model:
    """fakellm."""

    def __init__(self, binary, folder):
        self.process = Process("fakellm", [binary, "--listen", "127.0.0.1:0"], folder)
        mark = "fakellm listening on "

        def address():
            self.process.check()
            lines = self.process.log.read_text().splitlines()
            return lines and lines[0].startswith(mark) and lines[0][len(mark):]

        self.url = wait_until(address, 10, "fakellm ready")

    def control(self, path, body=None):
        request = urllib.request.Request(self.url.removesuffix("/v1") + "/control/" + path,
                                         data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=20) as reply:
            return json.loads(reply.read())

    def answer_with(self, **rule):
        """Forgets what it saw; from now on all requests are answered like that."""
        self.answer_by(rule)

    def answer_by(self, *rules):
        """The same with several rules, of which the first that is for a request answers."""
        self.control("reset", {})
        self.control("script", list(rules))

    def stats(self):
        return self.control("stats")

    def requests(self):
        return self.control("requests")


class System:
    """fakellm, executor and gateway with a store, one app, its key and a credential."""

    def __init__(self, binaries, folder):
        self.binaries, self.folder = binaries, folder
        self.gateway = self.executor = None
        self.model = Model(binaries / "fakellm", folder)

    def start(self, *executor_options):
        self.prepare(*executor_options)
        self.start_executor()
        self.start_gateway()
        self.ctl(self.admin_token, "credential", "add", "--provider", "openai", "--name", "bench", "--base-url", self.model.url,
                 HEDDLE_SECRET="bench")
        self.app_id, self.version_id, self.key = self.import_app("bench", APP)

    def prepare(self, *executor_options):
        self.admin_token = base64.b16encode(os.urandom(16)).decode()
        self.env = {"HEDDLE_MASTER_KEY": base64.b64encode(os.urandom(32)).decode(), "HEDDLE_ADMIN_TOKEN": self.admin_token}
        self.store, self.executor_address = f"sqlite:{self.folder}/heddle.db", f"unix:{self.folder}/executor.sock"
        self.executor_options = executor_options
        self.address, self.admin_address = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"

    def start_executor(self, waits=True):
        self.executor = Process("executor", [self.binaries / "heddle-executor", "--listen", self.executor_address, "--store",
                                             self.store, "--durability", DURABILITY, "--http_listen", "127.0.0.1:0",
                                             *self.executor_options], self.folder, self.env)
        if waits:
            wait_until(lambda: self.check() or (self.folder / "executor.sock").exists(), 20, "executor ready")

    def start_gateway(self, waits=True):
        self.gateway = Process("gateway", [self.binaries / "heddle-gateway", "--listen", self.address, "--admin_listen",
                                           self.admin_address, "--store", self.store, "--executor_target", self.executor_address,
                                           "--http_listen", "127.0.0.1:0"], self.folder, self.env)
        if waits:
            self.ctl(None, "health", "--wait", "20")

    def import_app(self, name, export):
        """Its id, that of its version, and a key for it."""
        (self.folder / f"{name}.yml").write_text(export)
        imported = json.loads(self.ctl(self.admin_token, "--json", "app", "import", f"{name}.yml"))
        key = self.ctl(self.admin_token, "key", "create", imported["appId"], "--name", name, "--quiet").strip()
        return imported["appId"], imported["versionId"], key

    def ctl(self, token, *words, **env):
        if token is not None:
            env["HEDDLE_TOKEN"] = token
        command = [self.binaries / "heddlectl", "--gateway", self.address, "--admin", self.admin_address, *words]
        done = subprocess.run(command, cwd=self.folder, env={**os.environ, **env}, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60)
        self.check()
        if done.returncode != 0:
            raise Broken(f"heddlectl {' '.join(words[:2])}: {done.stderr.strip()}")
        return done.stdout

    def check(self):
        for process in self.processes().values():
            process.check()

    def processes(self):
        """By name; only those that were started."""
        named = {"gateway": self.gateway, "executor": self.executor, "fakellm": self.model.process}
        return {name: process for name, process in named.items() if process is not None}

    def stop(self):
        """Exit codes by name; the gateway ends first."""
        return {name: process.stop() for name, process in self.processes().items()}
