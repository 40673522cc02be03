"""Records of runs: what GetRun and ListRuns say is what callers saw, whoever restarts or dies in between."""
import json
import os
import signal
import sqlite3
import subprocess
import time

import grpc
import pytest

from conftest import BIN, Process, free_port, wait_until
from example_calls import CHAT, FLOW, Code, chat, flow, new_id, run, say  # noqa: F401
from heddle import Client, answer, events, failure, finished

SUCCEEDED, FAILED, STOPPED, RUNNING = 2, 4, 5, 1
NODE_FAILED, STOPPED_BY_USER, CALLER_GONE, EXECUTOR_LOST = 2, 3, 7, 8


def get(h, key, run_id, payloads="PAYLOADS_JSON"):
    return h.public.WorkflowService.GetRun({"run_id": run_id, "payloads": payloads}, token=key)


def recorded(h, key, run_id):
    """The record; None while it is not there: tokens do not wait for it."""
    try:
        return get(h, key, run_id)
    except grpc.RpcError as error:
        assert error.code() == Code.NOT_FOUND
        return None


def ended(h, key, run_id):
    """The record once the run has ended."""
    return wait_until(lambda: (lambda r: r if r and r.finished_at_ms else None)(recorded(h, key, run_id)),
                      what="the run has ended")


def listed(h, key, **request):
    return [r.run_id for r in h.public.WorkflowService.ListRuns(request, token=key).runs]


# --- GetRun ---

def test_a_record_says_what_the_stream_said(heddle, chat):
    got = events(say(heddle, chat))
    end, first = finished(got), got[0][1]
    record = get(heddle, chat, first.task_id)
    assert (record.run_id, record.conversation_id, record.message_id) == (first.task_id, first.conversation_id, first.message_id)
    for field in ("workflow_id", "status", "end_reason", "error", "elapsed_ms", "total_tokens", "total_steps",
                  "exceptions_count", "created_at_ms", "finished_at_ms", "end_user_id", "user"):
        assert getattr(record, field) == getattr(end, field), field
    assert (record.end_user_type, record.attempt, record.version_number) == ("service-api", 1, 1)
    assert json.loads(record.outputs_json)["answer"] == "fine"
    assert json.loads(record.inputs_json)["sys.query"] == "hi"
    assert record.usage.total_tokens == record.total_tokens > 0
    told = [e.node_finished for name, e in got if name == "node_finished"]
    assert [n.node_execution_id for n in record.nodes] == [n.node_execution_id for n in told]
    for node, seen in zip(record.nodes, told):
        for field in ("node_id", "node_type", "title", "index", "status", "elapsed_ms", "error", "total_tokens"):
            assert getattr(node, field) == getattr(seen, field), (node.node_id, field)
    model = next(n for n in record.nodes if n.node_type == "llm")
    assert json.loads(model.process_data_json)["credential"]["name"] == "fake"


def test_payloads_come_in_the_form_asked_for(heddle, flow):
    got = events(run(heddle, flow))
    run_id = got[0][1].task_id
    as_struct = get(heddle, flow, run_id, "PAYLOADS_STRUCT")
    seen = [e.node_finished for name, e in got if name == "node_finished"]
    assert as_struct.outputs == finished(got).outputs and not as_struct.outputs_json
    for node, told in zip(as_struct.nodes, seen):
        assert (node.inputs, node.outputs, node.process_data) == (told.inputs, told.outputs, told.process_data)
    nothing = get(heddle, flow, run_id, "PAYLOADS_NONE")
    assert not nothing.HasField("outputs") and not nothing.outputs_json
    assert not any(n.HasField("outputs") or n.outputs_json or n.process_data_json for n in nothing.nodes)
    assert len(nothing.nodes) == len(seen) and nothing.status == SUCCEEDED


def test_a_failure_is_recorded_with_its_node_and_its_cause(heddle, flow):
    heddle.model.script({"status": 400, "error_body": {"error": {"message": "that is too long"}}})
    got = events(run(heddle, flow, request={"payloads": "PAYLOADS_JSON"}))
    record = get(heddle, flow, got[0][1].task_id)
    assert record.outputs_json == finished(got).outputs_json == "{}"
    assert (record.status, record.end_reason) == (FAILED, NODE_FAILED) and "that is too long" in record.error
    bad = [n for n in record.nodes if n.status == 4]
    assert len(bad) == 1 and bad[0].node_type == "llm" and "that is too long" in bad[0].error and bad[0].error_type


def test_a_run_is_known_to_the_keys_of_its_app_only(heddle, chat, flow):
    run_id = events(say(heddle, chat))[0][1].task_id
    for key, wanted in ((flow, run_id), (heddle.app(CHAT)[1], run_id), (chat, new_id())):
        refused = failure(get, heddle, key, wanted)
        assert (refused.code, refused.reason) == (Code.NOT_FOUND, "RUN_NOT_FOUND")
    refused = failure(get, heddle, chat, "no id")
    assert refused.code == Code.INVALID_ARGUMENT and refused.details["BadRequest"]["fields"] == ["run_id"]
    refused = failure(heddle.public.WorkflowService.GetRun, {"run_id": run_id, "payloads": 9}, token=chat)
    assert refused.details["BadRequest"]["fields"] == ["payloads"]


def test_a_record_too_large_for_a_client_comes_without_its_largest_payloads(heddle, flow):
    heddle.model.script({"reply": " word", "repeat": 300000})
    end = finished(events(run(heddle, flow, request={"payloads": "PAYLOADS_JSON"})))
    run_id = heddle.public.WorkflowService.ListRuns({"page_size": 1}, token=flow).runs[0].run_id
    assert end.status == SUCCEEDED
    for payloads in ("PAYLOADS_JSON", "PAYLOADS_STRUCT"):
        record = get(heddle, flow, run_id, payloads)
        assert record.ByteSize() <= 3 << 20
        assert any(n.payloads_left_out for n in record.nodes) or record.payloads_left_out
        assert record.nodes_left_out == 0 and len(record.nodes) >= 3 and record.status == SUCCEEDED


# --- runs that do not come to their end ---

def test_a_stopped_run_keeps_what_it_had_said(heddle, chat):
    heddle.model.script({"reply": "one two three four", "break_after": 2, "break_how": "stall"})
    got = []
    for event in say(heddle, chat):
        got.append((event.WhichOneof("event"), event))
        if answer(got) == "one two":
            heddle.public.TaskService.StopTask({"task_id": event.task_id, "user": "u-1"}, token=chat)
    record = get(heddle, chat, got[0][1].task_id)
    assert (record.status, record.end_reason) == (STOPPED, STOPPED_BY_USER)
    assert record.outputs_json == "{}" and finished(got).HasField("outputs")  # no answer node came to its end
    assert [n.status for n in record.nodes][-1] == 6  # the model, stopped
    message = heddle.public.ConversationService.ListMessages(
        {"user": "u-1", "conversation_id": record.conversation_id}, token=chat).messages[0]
    assert (message.answer, message.status, message.run_id) == ("one two", STOPPED, record.run_id)


@pytest.mark.parametrize("on_disconnect,status,reason", [("ON_DISCONNECT_CANCEL", STOPPED, CALLER_GONE),
                                                         ("ON_DISCONNECT_CONTINUE", SUCCEEDED, 1)])
def test_a_run_whose_caller_left_can_be_read(heddle, chat, on_disconnect, status, reason):
    heddle.model.script({"reply": "one two three", "tokens_per_second": 10})
    stream = say(heddle, chat, request={"on_disconnect": on_disconnect})
    run_id = next(e.task_id for e in stream if e.WhichOneof("event") == "message")
    stream.cancel()
    record = ended(heddle, chat, run_id)
    assert (record.status, record.end_reason) == (status, reason)
    message = heddle.public.ConversationService.ListMessages(
        {"user": "u-1", "conversation_id": record.conversation_id}, token=chat).messages[0]
    assert message.answer == "one two three" if status == SUCCEEDED else message.answer.startswith("one")


def test_a_running_run_reads_as_running_and_stops_by_any_gateway(heddle, chat, tmp_path):
    heddle.model.script({"reply": "one two three", "break_after": 1, "break_how": "stall"})
    stream = say(heddle, chat)
    run_id = next(e.task_id for e in stream if e.WhichOneof("event") == "message")
    record = wait_until(lambda: next((r for r in heddle.public.WorkflowService.ListRuns(
        {"status": "RUN_STATUS_RUNNING"}, token=chat).runs if r.run_id == run_id), None), what="it is listed as running")
    assert (record.status, record.end_reason, record.finished_at_ms, record.elapsed_ms) == (RUNNING, 0, 0, 0)
    port = free_port()
    second = Process("second", [BIN / "heddle-gateway", "--listen", f"127.0.0.1:{port}", "--admin_listen",
                                f"127.0.0.1:{free_port()}", "--store", heddle.store, "--executor_target", heddle.socket],
                     tmp_path, heddle.env)
    try:
        with Client(f"127.0.0.1:{port}", chat) as other:
            stop = other.TaskService.StopTask
            assert stop({"task_id": run_id, "user": "somebody else"}).result == 3
            assert stop({"task_id": run_id, "user": "u-1"}).result == 1
            list(stream)
            assert get(heddle, chat, run_id).end_reason == STOPPED_BY_USER
            assert stop({"task_id": run_id, "user": "u-1"}).result == 2
            assert stop({"task_id": run_id, "user": "somebody else"}).result == 3
    finally:
        assert second.stop() == 0


def test_a_lost_executor_is_in_the_record_as_in_the_event(fresh):
    h = fresh()
    key = h.app(CHAT)[1]
    h.model.script({"reply": "one two three four", "break_after": 2, "break_how": "stall"})
    got = []
    for event in say(h, key):
        got.append((event.WhichOneof("event"), event))
        if answer(got) == "one two" and h.executor.alive():
            h.executor.stop(signal.SIGKILL)
    assert [name for name, _ in got[-2:]] == ["workflow_finished", "error"]
    end = finished(got)
    assert (end.status, end.end_reason) == (FAILED, EXECUTOR_LOST), end
    record = get(h, key, got[0][1].task_id)
    for field in ("status", "end_reason", "error", "created_at_ms", "elapsed_ms"):
        assert getattr(record, field) == getattr(end, field), field
    h.start_executor()
    time.sleep(1)  # whoever looks for the dead ones changes nothing
    assert get(h, key, record.run_id) == record


def test_runs_without_a_caller_are_closed_when_their_executor_died(fresh):
    h = fresh()
    key = h.app(CHAT)[1]
    h.model.script({"reply": "one two", "break_after": 1, "break_how": "stall"})
    stream = say(h, key, request={"on_disconnect": "ON_DISCONNECT_CONTINUE"})
    run_id = next(e.task_id for e in stream if e.WhichOneof("event") == "message")
    stream.cancel()
    wait_until(lambda: recorded(h, key, run_id), what="it is recorded")
    assert get(h, key, run_id).status == RUNNING
    h.executor.stop(signal.SIGKILL)
    begun = time.monotonic()
    record = ended(h, key, run_id)  # no executor lives: the gateway closes it
    assert time.monotonic() - begun < 2.5
    assert (record.status, record.end_reason) == (FAILED, EXECUTOR_LOST)


# --- what is kept ---

@pytest.mark.parametrize("record,fields", [("RECORD_SUMMARY", True), ("RECORD_NONE", False)])
def test_an_app_says_how_much_is_kept(heddle, record, fields):
    heddle.model.script({"reply": "fine"})
    app, key = heddle.app(FLOW)
    heddle.admin.AdminService.UpdateApp({"app_id": app, "record": record})
    run_id = events(run(heddle, key))[0][1].task_id
    if not fields:
        assert failure(get, heddle, key, run_id).code == Code.NOT_FOUND and listed(heddle, key) == []
        return
    kept = get(heddle, key, run_id)
    assert (kept.status, kept.user) == (SUCCEEDED, "u-1") and kept.total_tokens > 0
    assert not kept.nodes and not kept.inputs_json and not kept.outputs_json
    assert listed(heddle, key) == [run_id]


def records_of(h):
    """A reader's connection to the file of records."""
    files = [f for f in os.listdir(h.folder) if "records" in f and f.endswith(".db")]
    return sqlite3.connect(f"file:{h.folder}/{files[0]}?mode=ro", uri=True)


def test_the_records_of_a_deleted_app_are_removed(fresh):
    h = fresh()
    h.model.script({"reply": "fine"})
    (app, key), (kept, other) = h.app(CHAT), h.app(CHAT)
    for k in (key, key, other):
        events(say(h, k))

    def count(app_id):
        raw = bytes.fromhex(app_id.replace("-", ""))
        with records_of(h) as db:
            return [db.execute(f"select count(*) from {table} where app_id = ?", (raw,)).fetchone()[0]
                    for table in ("runs", "conversations")]

    assert count(app) == [2, 2]
    h.admin.AdminService.DeleteApp({"app_id": app})
    assert h.gateway.stop() == 0  # it is done once a minute, and at a start
    h.start_gateway()
    wait_until(lambda: count(app) == [0, 0], what="its records are removed")
    assert count(kept) == [1, 1]


# --- ListRuns ---

def test_runs_are_listed_newest_first_and_filtered(heddle):
    heddle.model.script({"match": {"contains": "bad"}, "status": 400}, {"reply": "fine"})
    key = heddle.app(CHAT)[1]
    made, times = [], []
    for query, user in (("one", "u-1"), ("bad", "u-1"), ("two needle", "u-2"), ("three", "u-1")):
        got = events(say(heddle, key, request={"query": query, "user": user}))
        made.append(got[0][1].task_id)
        times.append(got[0][1].workflow_started.created_at_ms)
        time.sleep(0.003)
    one, bad, two, three = made
    assert listed(heddle, key) == [three, two, bad, one]
    assert listed(heddle, key, status="RUN_STATUS_FAILED") == [bad]
    assert listed(heddle, key, status="RUN_STATUS_SUCCEEDED") == [three, two, one]
    assert listed(heddle, key, end_reason="END_REASON_NODE_FAILED") == [bad]
    assert listed(heddle, key, end_reason="END_REASON_EXECUTOR_LOST") == []
    assert listed(heddle, key, user="u-2") == [two] and listed(heddle, key, user="nobody") == []
    assert listed(heddle, key, user="u-1", status="RUN_STATUS_SUCCEEDED") == [three, one]
    assert listed(heddle, key, keyword="needle") == [two]
    assert listed(heddle, key, created_after_ms=times[1]) == [three, two, bad]
    assert listed(heddle, key, created_before_ms=times[1]) == [one]
    assert listed(heddle, key, created_after_ms=times[1], created_before_ms=times[3]) == [two, bad]
    conversation = get(heddle, key, two).conversation_id
    assert listed(heddle, key, conversation_id=conversation) == [two]
    row = heddle.public.WorkflowService.ListRuns({"page_size": 1}, token=key).runs[0]
    assert not row.nodes and not row.HasField("inputs") and not row.outputs_json and row.status == SUCCEEDED


def test_pages_hold_every_run_once(heddle, flow):
    made = [events(run(heddle, flow))[0][1].task_id for _ in range(7)]
    lists = heddle.public.WorkflowService.ListRuns
    seen, token = [], ""
    while True:
        page = lists({"page_size": 3, "page_token": token}, token=flow)
        assert len(page.runs) <= 3
        seen += [r.run_id for r in page.runs]
        token = page.next_page_token
        if not token:
            break
    assert seen == made[::-1]
    by_number = lists({"page_size": 3, "page": 3, "with_total": True}, token=flow)
    assert [r.run_id for r in by_number.runs] == [made[0]] and by_number.total == 7
    assert not by_number.next_page_token


@pytest.mark.parametrize("fields,field_name", [
    ({"status": 77}, "status"), ({"end_reason": -3}, "end_reason"), ({"keyword": "k" * 1000}, "keyword"),
    ({"conversation_id": "no id"}, "conversation_id"), ({"user": "u" * 1000}, "user"), ({"page_size": 101}, "page_size"),
    ({"page_size": -1}, "page_size"), ({"page_token": "nonsense"}, "page_token"), ({"page": -1}, "page")])
def test_a_wrong_field_of_a_list_is_named(heddle, flow, fields, field_name):
    refused = failure(heddle.public.WorkflowService.ListRuns, fields, token=flow)
    assert refused.code == Code.INVALID_ARGUMENT and refused.details["BadRequest"]["fields"] == [field_name]


@pytest.mark.parametrize("service,method", [
    ("WorkflowService", "GetRun"), ("WorkflowService", "ListRuns"), ("ConversationService", "ListConversations"),
    ("ConversationService", "ListMessages"), ("ConversationService", "RenameConversation"),
    ("ConversationService", "DeleteConversation"), ("ConversationService", "ListVariables")])
def test_records_need_a_key_of_an_app_that_is_on(heddle, service, method):
    app, key = heddle.app(CHAT)
    call = getattr(getattr(heddle.public, service), method)
    assert failure(call, {}).reason == "MISSING_TOKEN"
    assert failure(call, {}, token="app-AbCdEfGhIjKlMnOpQrStUvWx").reason == "INVALID_TOKEN"
    heddle.admin.AdminService.UpdateApp({"app_id": app, "disabled": True})
    assert failure(call, {}, token=key).reason == "APP_DISABLED"


# --- restarts, copies, tools ---

def test_records_outlive_both_processes(fresh):
    h = fresh()
    h.model.script({"reply": "fine"})
    key = h.app(CHAT)[1]
    run_id = events(say(h, key))[0][1].task_id
    before = get(h, key, run_id)
    assert h.gateway.stop() == 0 and h.executor.stop() == 0
    h.start_gateway()
    with Client(f"127.0.0.1:{h.port}", key) as public:
        after = public.WorkflowService.GetRun({"run_id": run_id, "payloads": "PAYLOADS_JSON"})
    assert after.SerializeToString() == before.SerializeToString()


def test_a_copy_of_a_store_in_use_is_a_store(fresh, tmp_path):
    h = fresh()
    h.model.script({"reply": "fine"})
    key = h.app(CHAT)[1]
    run_id = events(say(h, key))[0][1].task_id
    copy = tmp_path / "copy"
    copy.mkdir()
    backup = lambda: subprocess.run([BIN / "heddle-gateway", "backup", copy, "--store", h.store], capture_output=True, text=True,
                                    timeout=60)
    done = backup()
    assert done.returncode == 0 and "records" in done.stdout, done
    again = backup()
    assert again.returncode == 1 and "already" in again.stderr  # it overwrites nothing
    missing = subprocess.run([BIN / "heddle-gateway", "backup"], capture_output=True, text=True, timeout=60)
    assert missing.returncode == 2 and "DIRECTORY" in missing.stderr
    port = free_port()
    restored = Process("restored", [BIN / "heddle-gateway", "--listen", f"127.0.0.1:{port}", "--admin_listen",
                                    f"127.0.0.1:{free_port()}", "--store", f"sqlite:{copy}/heddle.db"], tmp_path, h.env)
    try:
        with Client(f"127.0.0.1:{port}", key) as public:
            assert public.WorkflowService.GetRun({"run_id": run_id}).status == SUCCEEDED
    finally:
        assert restored.stop() == 0


def ctl(h, key, *words, code=0):
    env = {k: v for k, v in os.environ.items() if not k.startswith("HEDDLE_")}
    env.update(HEDDLE_GATEWAY=f"127.0.0.1:{h.port}", HEDDLE_TOKEN=key)
    result = subprocess.run([BIN / "heddlectl", *words], capture_output=True, text=True, timeout=60, env=env)
    assert result.returncode == code, (words, result)
    return result.stdout if code == 0 else result.stderr


def test_heddlectl_answers_why_a_run_failed(heddle, flow):
    heddle.model.script({"status": 400, "error_body": {"error": {"message": "that is too long"}}})
    run_id = events(run(heddle, flow))[0][1].task_id
    heddle.model.script({"reply": "fine"})
    good = events(run(heddle, flow, request={"user": "u-2"}))[0][1].task_id
    rows = ctl(heddle, flow, "runs", "list").splitlines()
    assert rows[0].split()[:2] == ["RUN", "BEGUN"] and rows[1].startswith(good) and rows[2].startswith(run_id)
    assert "failed" in rows[2] and "node-failed" in rows[2] and "that is too long" in rows[2]
    for words, expected in ((("--status", "failed"), [run_id]), (("--reason", "node-failed"), [run_id]),
                            (("--user", "u-2"), [good]), (("--since", "1h"), [good, run_id]), (("--limit", "1"), [good]),
                            (("--reason", "executor_lost"), [])):
        got = [json.loads(line)["runId"] for line in ctl(heddle, flow, "--json", "runs", "list", *words).splitlines()]
        assert got == expected, words
    shown = ctl(heddle, flow, "runs", "show", run_id)
    for part in (run_id, "failed, node-failed", "that is too long", "u-1 (service-api)", "llm", "CREDENTIAL", "fake", "inputs"):
        assert part in shown, part
    assert json.loads(ctl(heddle, flow, "--json", "runs", "show", run_id))["endReason"] == "END_REASON_NODE_FAILED"
    assert "RUN_NOT_FOUND" in ctl(heddle, flow, "runs", "show", new_id(), code=1)
    assert "there is no" in ctl(heddle, flow, "runs", "list", "--status", "sick", code=2)


def test_heddlectl_follows_runs_as_they_begin_and_end(heddle, flow, tmp_path):
    old = events(run(heddle, flow))[0][1].task_id
    tail = Process("tail", [BIN / "heddlectl", "runs", "tail"], tmp_path,
                   {"HEDDLE_GATEWAY": f"127.0.0.1:{heddle.port}", "HEDDLE_TOKEN": flow})
    try:
        wait_until(lambda: old in tail.text(), what="the last run is shown")
        heddle.model.script({"reply": "one two", "break_after": 1, "break_how": "stall"})
        stream = run(heddle, flow)
        new = next(stream).task_id
        wait_until(lambda: f"{new}  running" in tail.text(), what="it is shown as running")
        heddle.public.TaskService.StopTask({"task_id": new, "user": "u-1"}, token=flow)
        list(stream)
        wait_until(lambda: f"{new}  stopped, stopped-by-user" in tail.text(), what="its end is shown")
        assert tail.text().count(new) == 2 and tail.text().count(old) == 1
    finally:
        tail.stop()
