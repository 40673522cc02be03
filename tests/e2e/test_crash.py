"""Truth under kill -9: real binaries under load are killed at random moments, and three witnesses are compared: what callers
saw, what the records say, what the model served. HEDDLE_CRASH_ROUNDS sets the rounds (default 10; 200 before a release)."""
import collections
import json
import os
import random
import sqlite3
import threading
import time
import uuid

import grpc
import pytest

from conftest import SOURCE, wait_until
from heddle import Client, RpcFailure, answer

CHAT = (SOURCE / "deploy" / "examples" / "support-chat.yml").read_text()
FLOW = (SOURCE / "deploy" / "examples" / "summarise.yml").read_text()
ROUNDS = int(os.environ.get("HEDDLE_CRASH_ROUNDS", "10"))
SEED = int(os.environ.get("HEDDLE_CRASH_SEED", "1"))
CALLERS = 12
RUNNING, FAILED, EXECUTOR_LOST = 1, 4, 8
# s. What is promised after a restart (architecture.md section 6, Presence).
PROMISE = 2


class Seen:
    """What one caller saw of one run."""

    def __init__(self, marker, own_id, is_chat):
        self.marker, self.own_id, self.is_chat = marker, own_id, is_chat
        self.run_id, self.conversation_id, self.end, self.text, self.nodes, self.failure = own_id, None, None, "", 0, None

    def read(self, stream):
        try:
            for event in stream:
                name = event.WhichOneof("event")
                self.run_id = event.task_id or self.run_id
                self.conversation_id = event.conversation_id or self.conversation_id
                if name in ("message", "message_replace"):
                    text = event.message.answer if name == "message" else event.message_replace.answer
                    self.text = self.text + text if name == "message" else text
                if name == "workflow_finished":
                    assert self.end is None, "a second end"
                    self.end = event.workflow_finished
        except grpc.RpcError as error:
            self.failure = RpcFailure(error)
        return self


class Callers:
    def __init__(self, public, chat, flow, seed):
        self.public, self.keys, self.done, self.lock, self.seen = public, (chat, flow), threading.Event(), threading.Lock(), []
        self.threads = [threading.Thread(target=self.loop, args=(random.Random(seed * 100 + i),)) for i in range(CALLERS)]
        for t in self.threads:
            t.start()

    def loop(self, rng):
        while not self.done.is_set():
            marker = f"m{uuid.UUID(int=rng.getrandbits(128)).hex}"
            own = str(uuid.UUID(int=rng.getrandbits(128), version=4)) if rng.random() < 0.4 else None
            seen = Seen(marker, own, rng.random() < 0.6).read(begin(self.public, self.keys, marker, own, rng))
            with self.lock:
                self.seen.append(seen)

    def end(self):
        self.done.set()
        for t in self.threads:
            t.join(60)
        assert not any(t.is_alive() for t in self.threads), "a call was never ended"
        return self.seen


def begin(public, keys, marker, own_id, rng=None):
    kind = rng.choice(["quick", "quick", "slow"]) if rng else "quick"
    request = {"user": "u-1", "on_disconnect": rng.choice(["ON_DISCONNECT_CANCEL", "ON_DISCONNECT_CONTINUE"]) if rng else 0}
    if own_id:
        request["run_id"] = own_id
    return public.ChatService.SendMessage({**request, "query": f"{kind} {marker}"}, token=keys[0], timeout=20)


class System:
    def __init__(self, h):
        self.h = h
        self.chat, self.flow = h.app(CHAT)[1], h.app(FLOW)[1]
        h.model.script({"match": {"contains": "slow"}, "reply": "word " * 60, "tokens_per_second": 200}, {"reply": "a short reply"})

    def kill(self, names):
        for name in names:
            getattr(self.h, name).child.kill()
        for name in names:
            getattr(self.h, name).child.wait()

    def start(self, names):
        for name in names:
            process = getattr(self.h, name)
            before = process.text().count("event=started")
            getattr(self.h, f"start_{name}")()
            wait_until(lambda: process.text().count("event=started") > before, what=f"{name} started")

    def records(self):
        db = sqlite3.connect(f"file:{self.h.folder}/heddle.records.db?mode=ro", uri=True, timeout=5)
        try:
            runs = db.execute("select id, status, end_reason, finished_at_ms, owner from runs").fetchall()
            messages = db.execute("select run_id, count(*) from messages group by run_id having count(*) > 1").fetchall()
            alive = {row[0] for row in db.execute("select id from instances where died_at_ms = 0")}
            return {str(uuid.UUID(bytes=r[0])): r[1:] for r in runs}, messages, alive, len(runs)
        finally:
            db.close()


def no_orphan(system):
    runs, _, alive, _ = system.records()
    return all(run[2] > 0 or run[3] in alive for run in runs.values())


def nothing_runs(system):
    runs, _, _, _ = system.records()
    return all(run[2] > 0 for run in runs.values())


def served(model):
    """How many requests the model got for each marker."""
    count = collections.Counter()
    for request in model.requests():
        words = json.dumps(request["body"]).replace('"', " ").replace("\\", " ").split()
        for marker in {w.strip(".,:;") for w in words if w.startswith("m") and len(w.strip(".,:;")) == 33}:
            count[marker] += 1
    return count


def said_again(public, system, s):
    """The same call with the same run id, once an executor can be reached again."""
    again = Seen(s.marker, s.own_id, True).read(begin(public, (system.chat, system.flow), s.marker, s.own_id))
    is_away = again.failure and again.failure.reason == "EXECUTOR_UNAVAILABLE"
    return None if is_away else again


def check(system, seen, rng):
    h = system.h
    public = Client(f"127.0.0.1:{h.port}")
    runs, twice, _, count = system.records()
    assert twice == [] and count == len(runs), "something is recorded twice"
    for s in seen:
        if s.end is None:
            continue
        assert s.run_id in runs, f"{s.run_id} was seen as ended ({s.end.status}, {s.end.end_reason}) and is not recorded"
        record = public.WorkflowService.GetRun({"run_id": s.run_id, "payloads": "PAYLOADS_JSON"}, token=system.chat)
        assert (record.status, record.end_reason) == (s.end.status, s.end.end_reason), (s.run_id, s.end, record)
        if s.end.status == 2:
            assert json.loads(record.outputs_json)["answer"] == s.text, s.run_id
            assert record.nodes, "a run that succeeded has nodes"
    open_ids = [s for s in seen if s.own_id and s.end is None]
    for s in rng.sample(open_ids, min(4, len(open_ids))):
        again = wait_until(lambda: said_again(public, system, s), what=f"{s.run_id} is answered")
        assert again.end is not None, (s.run_id, again.failure)
        if s.own_id in runs:
            assert (again.end.status, again.end.end_reason) == runs[s.own_id][:2], s.own_id
    public.close()
    for marker, times in served(h.model).items():
        assert times <= 1, f"{marker} was sent to the model {times} times"


@pytest.mark.parametrize("durability", ["power", "process"])
def test_the_records_are_true_whatever_is_killed(fresh, durability):
    h = fresh(executor_options=["--durability", durability])
    system, rng = System(h), random.Random(SEED)
    ends = collections.Counter()
    for turn in range(max(1, ROUNDS // 2)):
        callers = Callers(Client(f"127.0.0.1:{h.port}"), system.chat, system.flow, SEED * 10000 + turn)
        time.sleep(0.05 + rng.random() * 0.7)
        names = rng.choice([["executor"], ["executor"], ["gateway"], ["gateway", "executor"]])
        system.kill(names)
        time.sleep(rng.random() * 0.3)
        callers.done.set()
        system.start(names)
        wait_until(lambda: no_orphan(system), seconds=PROMISE, what=f"round {turn}: no record runs without an owner")
        seen = callers.end()
        wait_until(lambda: nothing_runs(system), seconds=15, what=f"round {turn}: every run has an end")
        check(system, seen, rng)
        ends.update((s.end.status, s.end.end_reason) if s.end else "no end" for s in seen)
        callers.public.close()
        h.model.reset()
        h.model.script({"match": {"contains": "slow"}, "reply": "word " * 60, "tokens_per_second": 200}, {"reply": "a short reply"})
    print(f"{durability}: {dict(ends)}")
    assert ends[(2, 1)] > 0, "no run ever succeeded: the load was none"
    assert h.stop() == {"gateway": 0, "executor": 0}, h.gateway.text()[-3000:] + h.executor.text()[-3000:]
