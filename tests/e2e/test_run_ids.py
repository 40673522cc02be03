"""A caller's own run id: one run at most, however often it is asked for; who asks again is told how it ended."""
import concurrent.futures
import signal
import sqlite3
import time

import grpc
import pytest

from conftest import BIN, Process, free_port, wait_until
from example_calls import CHAT, FLOW, Code, chat, flow, new_id, run, say  # noqa: F401
from heddle import Client, RpcFailure, answer, events, failure, finished


def names(got):
    return [name for name, _ in got]


def models_asked(h):
    return len(h.model.requests())


def outcome(end):
    """What has to be the same, however often it is told."""
    return (end.status, end.end_reason, end.error, end.total_tokens, end.total_steps, end.elapsed_ms, end.created_at_ms,
            end.finished_at_ms, end.end_user_id, end.user, end.workflow_id)


def test_a_chat_that_has_ended_is_told_again(heddle, chat):
    mine = {"run_id": new_id()}
    first = events(say(heddle, chat, request=mine))
    again = events(say(heddle, chat, request=mine))
    assert names(again) == ["message", "message_end", "workflow_finished"]
    assert answer(again) == answer(first) == "fine" and models_asked(heddle) == 1
    assert outcome(finished(again)) == outcome(finished(first))
    assert finished(again).outputs == finished(first).outputs
    for _, event in again:
        assert (event.task_id, event.workflow_run_id) == (mine["run_id"],) * 2
        assert (event.conversation_id, event.message_id) == (first[0][1].conversation_id, first[0][1].message_id)
    assert [e.sequence for _, e in again] == [1, 2, 3]
    ends = [e.message_end.metadata.usage for got in (first, again) for name, e in got if name == "message_end"]
    assert ends[0] == ends[1] and ends[0].total_tokens > 0


@pytest.mark.parametrize("payloads", ["PAYLOADS_STRUCT", "PAYLOADS_JSON", "PAYLOADS_NONE"])
def test_a_workflow_that_has_ended_is_told_again_in_the_form_asked_for(heddle, flow, payloads):
    mine = {"run_id": new_id(), "payloads": payloads}
    first = events(run(heddle, flow, request=mine))
    again = events(run(heddle, flow, request=mine))
    assert names(again) == ["workflow_finished"] and models_asked(heddle) == 1
    assert outcome(finished(again)) == outcome(finished(first))
    assert finished(again).outputs == finished(first).outputs
    assert finished(again).outputs_json == finished(first).outputs_json


def test_only_the_events_asked_for_are_told_again(heddle, chat):
    mine = {"run_id": new_id()}
    events(say(heddle, chat, request=mine))
    for kind, told in (("EVENTS_TEXT", ["message", "message_end", "workflow_finished"]),
                       ("EVENTS_FINAL", ["message_end", "workflow_finished"])):
        assert names(events(say(heddle, chat, request={**mine, "events": kind}))) == told


def test_a_run_that_failed_is_told_again_as_it_failed(heddle, chat):
    heddle.model.script({"status": 400, "error_body": {"error": {"message": "no such thing"}}})
    mine = {"run_id": new_id()}
    first = events(say(heddle, chat, request=mine))
    asked = models_asked(heddle)
    again = events(say(heddle, chat, request=mine))
    assert names(again) == ["workflow_finished", "error"] and names(first)[-2:] == names(again)
    assert outcome(finished(again)) == outcome(finished(first)) and "no such thing" in finished(again).error
    assert again[-1][1].error == first[-1][1].error
    assert models_asked(heddle) == asked


def test_a_run_that_was_stopped_is_told_again_with_what_it_had_said(heddle, chat):
    heddle.model.script({"reply": "one two three four", "break_after": 2, "break_how": "stall"})
    mine = {"run_id": new_id()}
    got = []
    for event in say(heddle, chat, request=mine):
        got.append((event.WhichOneof("event"), event))
        if answer(got) == "one two":
            heddle.public.TaskService.StopTask({"task_id": mine["run_id"], "user": "u-1"}, token=chat)
    again = events(say(heddle, chat, request=mine))
    assert names(again) == ["message", "workflow_finished", "message_end"]
    assert answer(again) == "one two" and outcome(finished(again)) == outcome(finished(got))


def test_while_it_runs_it_is_not_begun_again(heddle, chat):
    heddle.model.script({"reply": "fine", "break_after": 0, "break_how": "stall"})
    mine = {"run_id": new_id()}
    stream = say(heddle, chat, request=mine)
    next(iter(stream))
    wait_until(lambda: models_asked(heddle) == 1, what="the model asked")
    refused = failure(say, heddle, chat, request=mine)
    assert (refused.code, refused.reason) == (Code.ALREADY_EXISTS, "RUN_EXISTS")
    heddle.public.TaskService.StopTask({"task_id": mine["run_id"], "user": "u-1"}, token=chat)
    list(stream)
    assert models_asked(heddle) == 1


def test_nothing_is_told_of_somebody_elses_run(heddle, chat, flow):
    mine = {"run_id": new_id(), "user": "u-1"}
    events(say(heddle, chat, request={**mine, "query": "a secret question"}))
    other = heddle.app(CHAT)[1]
    for call in (lambda: say(heddle, chat, request={**mine, "user": "u-2"}), lambda: say(heddle, other, request=mine),
                 lambda: run(heddle, flow, request=mine)):
        refused = failure(call)
        assert (refused.code, refused.reason) == (Code.ALREADY_EXISTS, "RUN_EXISTS")
        assert "secret" not in refused.words and "fine" not in refused.words
    assert models_asked(heddle) == 1


def test_an_id_whose_call_was_refused_can_be_used(heddle, chat):
    mine = {"run_id": new_id()}
    assert failure(say, heddle, chat, request={**mine, "inputs": {"tone": "not one of the choices"}}).code == Code.INVALID_ARGUMENT
    assert answer(events(say(heddle, chat, request=mine))) == "fine"


def test_many_at_once_make_one_run(heddle, chat):
    heddle.model.script({"reply": "fine", "first_token_ms": 100})
    mine = {"run_id": new_id()}

    def ask(_):
        try:
            return answer(events(say(heddle, chat, request=mine)))
        except grpc.RpcError as error:
            return RpcFailure(error).reason

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        got = list(pool.map(ask, range(64)))
    assert set(got) <= {"fine", "RUN_EXISTS"} and "fine" in got
    assert models_asked(heddle) == 1


def test_a_run_is_told_again_after_both_processes_were_restarted(fresh):
    h = fresh()
    h.model.script({"reply": "fine"})
    key = h.app(CHAT)[1]
    mine = {"run_id": new_id()}
    first = events(say(h, key, request=mine))
    for process, start in ((h.gateway, h.start_gateway), (h.executor, h.start_executor)):
        assert process.stop() == 0
        start()
    again = wait_until(lambda: try_events(h, key, mine), what="both processes serve")
    assert outcome(finished(again)) == outcome(finished(first)) and answer(again) == "fine"
    assert models_asked(h) == 1


def try_events(h, key, request):
    try:
        return events(say(h, key, request=request))
    except grpc.RpcError as error:
        assert error.code() == Code.UNAVAILABLE
        return None


def test_a_run_whose_executor_was_killed_is_lost_for_good(fresh):
    h = fresh()
    h.model.script({"reply": "one two three four", "break_after": 2, "break_how": "stall"})
    key = h.app(FLOW)[1]
    mine = {"run_id": new_id()}
    stream = run(h, key, request=mine)
    got = [next(stream)]
    wait_until(lambda: models_asked(h) == 1, what="the model asked")
    h.executor.stop(signal.SIGKILL)
    got += list(stream)
    end = got[-1].workflow_finished
    assert (end.status, end.end_reason) == (4, 8)
    again = events(run(h, key, request=mine))  # while there is no executor
    assert names(again) == ["workflow_finished"] and outcome(finished(again)) == outcome(end)
    h.start_executor()
    again = events(run(h, key, request=mine))
    assert outcome(finished(again)) == outcome(end) and models_asked(h) == 1


def test_two_gateways_make_one_run_of_one_id(fresh, tmp_path):
    h = fresh()
    h.model.script({"reply": "fine", "first_token_ms": 50})
    key = h.app(CHAT)[1]
    port = free_port()
    second = Process("second", [BIN / "heddle-gateway", "--listen", f"127.0.0.1:{port}", "--admin_listen",
                                f"127.0.0.1:{free_port()}", "--store", h.store, "--executor_target", h.socket], tmp_path, h.env)
    try:
        with Client(f"127.0.0.1:{port}", key) as other, concurrent.futures.ThreadPoolExecutor(8) as pool:
            for round_ in range(10):
                mine = {"query": "hi", "user": "u-1", "run_id": new_id()}

                def ask(i):
                    client = h.public if i % 2 else other
                    try:
                        return answer(events(client.ChatService.SendMessage(mine, token=key)))
                    except grpc.RpcError as error:
                        return RpcFailure(error).reason

                got = list(pool.map(ask, range(8)))
                assert set(got) <= {"fine", "RUN_EXISTS"} and "fine" in got, got
                assert models_asked(h) == round_ + 1
                assert ask(0) == ask(1) == "fine"
    finally:
        assert second.stop() == 0


def test_a_run_waits_for_its_id_also_when_its_caller_has_left(fresh):
    h = fresh()
    h.model.script({"reply": "fine"})
    key = h.app(CHAT)[1]
    events(say(h, key))
    mine = {"run_id": new_id(), "on_disconnect": "ON_DISCONNECT_CONTINUE"}
    other = sqlite3.connect(h.folder / "heddle.records.db", isolation_level=None)
    other.execute("begin immediate")  # nobody can be told whether the id is new
    with pytest.raises(grpc.RpcError):
        events(say(h, key, request=mine, timeout=0.5))
    time.sleep(0.5)
    assert models_asked(h) == 1
    other.execute("rollback")
    other.close()
    again = wait_until(lambda: try_again(h, key, mine), what="it has ended")
    assert answer(again) == "fine" and models_asked(h) == 2


def test_an_executor_ends_while_an_id_is_looked_at(fresh):
    h = fresh(executor_options=["--grace_seconds", "0"])
    h.model.script({"reply": "fine"})
    key = h.app(CHAT)[1]
    events(say(h, key))
    other = sqlite3.connect(h.folder / "heddle.records.db", isolation_level=None)
    other.execute("begin immediate")
    mine = {"run_id": new_id()}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        refused = pool.submit(failure, say, h, key, request=mine)
        time.sleep(0.5)
        ended = pool.submit(h.executor.stop)
        time.sleep(3)  # longer than callers are waited for: the worker of the run is gone
        other.execute("rollback")
        other.close()
        assert ended.result() == 0 and refused.result().code == Code.UNAVAILABLE
    assert models_asked(h) == 1


def try_again(h, key, request):
    try:
        return events(say(h, key, request=request))
    except grpc.RpcError as error:
        assert error.code() in (Code.UNAVAILABLE, Code.ALREADY_EXISTS)
        return None


def test_a_run_that_outlived_its_gateway_is_not_begun_again(fresh):
    h = fresh(gateway_options=["--grace_seconds", "0"])
    h.model.script({"reply": "one two three", "break_after": 1, "break_how": "stall"})
    key = h.app(CHAT)[1]
    mine = {"run_id": new_id(), "on_disconnect": "ON_DISCONNECT_CONTINUE"}
    stream = say(h, key, request=mine)
    next(stream)
    wait_until(lambda: models_asked(h) == 1, what="the model asked")
    assert h.gateway.stop() == 0
    h.start_gateway()
    with Client(f"127.0.0.1:{h.port}", key) as public:
        request = {"query": "hi", "user": "u-1", **mine}
        refused = failure(public.ChatService.SendMessage, request)
        assert (refused.code, refused.reason) == (Code.ALREADY_EXISTS, "RUN_EXISTS")
        assert public.TaskService.StopTask({"task_id": mine["run_id"], "user": "u-1"}).result == 1
        again = wait_until(lambda: told(public, request), what="it has ended")
        assert finished(again).status == 5 and models_asked(h) == 1


def told(public, request):
    try:
        return events(public.ChatService.SendMessage(request))
    except grpc.RpcError as error:
        assert RpcFailure(error).reason == "RUN_EXISTS"
        return None
