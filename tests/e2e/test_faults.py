"""What goes wrong outside: providers, processes that die under load, changes while runs begin."""
import random
import signal
import threading
import time
from pathlib import Path

import grpc
import pytest

from conftest import BIN, SOURCE, Heddle, Process, wait_until
from heddle import RpcFailure, events, finished

EXAMPLE = (SOURCE / "deploy" / "examples" / "support-chat.yml").read_text()
SLOW = {"match": {"contains": "slow"}, "reply": "word " * 400, "tokens_per_second": 100}
STOPPED, EXECUTOR_LOST = 3, 8


def send(h, key, query="a question", **options):
    return h.public.ChatService.SendMessage({"query": query, "user": "u-1", **options.pop("request", {})}, token=key, **options)


def until(stream, name):
    for event in stream:
        if event.WhichOneof("event") == name:
            return event
    raise AssertionError(f"no {name}")


@pytest.fixture
def chat(heddle):
    return heddle.app(EXAMPLE)[1]


@pytest.mark.parametrize("secret", ["sk-fake-0123456789"])
def test_a_provider_that_quotes_the_key_does_not_give_it_away(heddle, chat, secret):
    said = f"Incorrect API key provided: {secret}. {'x' * 550}{secret}"
    heddle.model.script({"status": 401, "error_body": {"error": {"message": said, "code": "invalid_api_key"}}})
    seen = events(send(heddle, chat))
    texts = [str(e) for _, e in seen]
    assert "Incorrect API key provided: ***." in finished(seen).error
    assert not any(secret[:-4] in text for text in texts)
    assert secret not in heddle.executor.text() + heddle.gateway.text()


def test_a_change_holds_for_the_run_that_begins_right_after_it(heddle):
    app, key = heddle.app(EXAMPLE, app_id="019aaf00-0000-7000-8000-0000000000c1", name="changing")
    done = threading.Event()

    def load():
        while not done.is_set():
            events(send(heddle, key))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for t in threads:
        t.start()
    try:
        for i in range(60):
            heddle.admin.AdminService.SetAppEnvironment(
                {"app_id": app, "set": [{"name": "PRODUCT", "value_type": "string", "value": f"product {i}"}]})
            seen = events(send(heddle, key, request={"payloads": "PAYLOADS_JSON"}))
            assert any(f"product {i}" in e.node_finished.process_data_json for n, e in seen if n == "node_finished"), i
    finally:
        done.set()
        for t in threads:
            t.join()


def test_a_stop_finds_an_executor_whose_socket_has_a_relative_path(fresh):
    h = fresh()
    assert h.executor.stop() == 0
    h.executor = Process("executor", [BIN / "heddle-executor", "--listen", "unix:executor.sock", "--store", h.store],
                         h.folder, h.env)
    elsewhere = h.folder / "elsewhere"
    elsewhere.mkdir()
    assert h.gateway.stop() == 0
    h.gateway = Process("gateway", [
        BIN / "heddle-gateway", "--listen", f"127.0.0.1:{h.port}", "--admin_listen", f"127.0.0.1:{h.admin_port}",
        "--store", h.store, "--executor_target", h.socket], elsewhere, h.env)
    wait_until(lambda: "event=started" in h.gateway.text() and "event=started" in h.executor.text(), what="both started")
    h.model.script(SLOW)
    key = wait_until(lambda: app_of(h), what="import")
    stream = send(h, key, "slow")
    task = until(stream, "message").task_id
    assert h.public.TaskService.StopTask({"task_id": task, "user": "u-1"}, token=key).result == 1
    assert finished(events(stream)).end_reason == STOPPED


def stands_still(pid):
    """A stopped process may still run for a moment: a thread stops when it next leaves the kernel."""
    def state(stat):
        return stat.read_text().rpartition(")")[2].split()[0]

    return all(state(stat) == "T" for stat in Path(f"/proc/{pid}/task").glob("*/stat"))


def app_of(h):
    try:
        return h.app(EXAMPLE)[1]
    except grpc.RpcError:
        return None  # the channels are being opened anew


def test_an_executor_that_does_not_answer_holds_up_neither_stop_nor_shutdown(fresh):
    h = fresh()
    key = h.app(EXAMPLE)[1]
    h.model.script(SLOW)
    stream = send(h, key, "slow")
    task = until(stream, "message").task_id
    h.executor.child.send_signal(signal.SIGSTOP)
    wait_until(lambda: stands_still(h.executor.child.pid), what="an executor that stands still")
    try:
        with pytest.raises(grpc.RpcError) as error:
            h.public.TaskService.StopTask({"task_id": task, "user": "u-1"}, token=key)
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE
        assert RpcFailure(error.value).reason == "EXECUTOR_UNAVAILABLE"
        h.gateway.child.send_signal(signal.SIGTERM)
        wait_until(lambda: "event=draining" in h.gateway.text(), what="draining")
        h.gateway.child.send_signal(signal.SIGTERM)
        assert finished(events(stream)).end_reason == EXECUTOR_LOST
        assert h.gateway.stop(seconds=10) == 0
    finally:
        h.executor.child.send_signal(signal.SIGCONT)


def test_a_deadline_that_passes_is_no_lost_executor(fresh):
    h = fresh()
    key = h.app(EXAMPLE)[1]
    h.model.script(SLOW)
    seen, threads = [], []

    def one():
        names = []
        try:
            for event in send(h, key, "slow", timeout=2):
                names.append(event.WhichOneof("event"))
        except grpc.RpcError as error:
            names.append(error.code())
        seen.append(names)

    for _ in range(60):
        threads.append(threading.Thread(target=one))
        threads[-1].start()
    time.sleep(1)
    h.executor.child.send_signal(signal.SIGSTOP)
    try:
        for t in threads:
            t.join(20)
    finally:
        h.executor.child.send_signal(signal.SIGCONT)
    assert len(seen) == 60
    assert [names[-3:] for names in seen if names[-1] != grpc.StatusCode.DEADLINE_EXCEEDED or "workflow_finished" in names] == []


class Load:
    """Callers that read, cancel, stop, are slow or give up after a short time, until told to end."""

    def __init__(self, h, key, callers, seed):
        self.h, self.key, self.done, self.lock, self.wrong, self.streams = h, key, threading.Event(), threading.Lock(), [], 0
        self.threads = [threading.Thread(target=self.loop, args=(random.Random(seed * 1000 + i),)) for i in range(callers)]
        for t in self.threads:
            t.start()

    def loop(self, rng):
        while not self.done.is_set():
            self.one(rng)

    def one(self, rng):
        request = {"on_disconnect": rng.choice(["ON_DISCONNECT_CANCEL", "ON_DISCONNECT_CONTINUE"])}
        act, limit, names, sequence = rng.choice(["read", "read", "cancel", "stop", "slow"]), rng.randrange(12), [], 0
        stream = send(self.h, self.key, rng.choice(["slow", "big", "broken", "refused", "quick", "quick"]),
                      request=request, timeout=rng.choice([0.02, 0.2, 30, 30]))
        try:
            for event in stream:
                names.append(event.WhichOneof("event"))
                if names[-1] != "ping" and event.sequence <= sequence:
                    self.note(f"sequence {sequence} → {event.sequence}")
                sequence = max(sequence, event.sequence)
                if len(names) == limit and act == "cancel":
                    stream.cancel()
                if len(names) == limit and act == "stop":
                    self.h.public.TaskService.StopTask({"task_id": event.task_id, "user": "u-1"}, token=self.key)
                if act == "slow" and len(names) < 20:
                    time.sleep(0.01)
            if "workflow_finished" not in names:
                self.note(f"an OK stream without an end: {names[-3:]}")
        except grpc.RpcError as error:
            code, reason = error.code(), RpcFailure(error).reason
            expected = {grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}
            if code not in expected or (names and code == grpc.StatusCode.UNAVAILABLE and reason == "RUN_STATE_UNKNOWN"):
                self.note(f"{code} {reason} after {names[-3:]}")
        with self.lock:
            self.streams += 1

    def note(self, what):
        with self.lock:
            self.wrong.append(what)

    def end(self):
        self.done.set()
        for t in self.threads:
            t.join(60)
        assert not any(t.is_alive() for t in self.threads), "a call was never ended"
        assert self.wrong == [] and self.streams > 0


@pytest.fixture
def loaded(fresh):
    h = fresh(executor_options=["--all_resting", "fail"])  # the one credential rests now and then: nobody waits for it
    key = h.app(EXAMPLE)[1]
    h.model.script(SLOW, {"match": {"contains": "big"}, "reply": "lorem ipsum ", "repeat": 3000},
                   {"match": {"contains": "broken"}, "reply": "word " * 20, "break_after": 5},
                   {"match": {"contains": "refused"}, "status": 500}, {"reply": "a short reply"})
    return h, key


def test_executors_killed_under_load_leave_no_call_behind(loaded):
    h, key = loaded
    load = Load(h, key, 30, 1)
    for _ in range(3):
        time.sleep(1)
        h.executor.child.kill()
        h.executor.child.wait()
        h.start_executor()
    time.sleep(1)
    load.end()
    assert h.stop() == {"gateway": 0, "executor": 0}, h.gateway.text()[-3000:] + h.executor.text()[-3000:]


@pytest.mark.parametrize("who", ["executor", "gateway"])
@pytest.mark.parametrize("is_urged", [False, True], ids=["patient", "urged"])
def test_sigterm_under_load_ends_clean(loaded, who, is_urged):
    h, key = loaded
    load = Load(h, key, 30, 2)
    for _ in range(2):
        time.sleep(1)
        process = getattr(h, who)
        process.child.send_signal(signal.SIGTERM)
        if is_urged:
            time.sleep(0.05)
        assert process.stop(seconds=45) == 0, process.text()[-3000:]
        getattr(h, f"start_{who}")()
        wait_until(lambda: getattr(h, who).text().count("event=started") > getattr(h, who).text().count("event=stopped"),
                   what="started anew")
    load.end()
    assert h.stop() == {"gateway": 0, "executor": 0}, h.gateway.text()[-3000:] + h.executor.text()[-3000:]
