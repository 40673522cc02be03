"""/metrics, /healthz and /readyz of both processes, read as Prometheus reads them, beside what was called, the records and the model."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from conftest import BIN, SOURCE, Process, free_port, wait_until
from example_calls import CHAT, FLOW, new_id, run, say
from heddle import answer, events, failure, finished

STATUS = {2: "succeeded", 3: "partial_succeeded", 4: "failed", 5: "stopped"}
REASON = {1: "completed", 2: "node_failed", 3: "stopped_by_user", 4: "deadline", 7: "caller_gone", 8: "executor_lost"}


def get(port, path="/metrics", method="GET"):
    """(status, headers, text)"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path)
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    return reply.status, reply.headers, text


def families(port):
    status, headers, text = get(port)
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = list(text_string_to_metric_families(text))
    assert len({f.name for f in found}) == len(found)
    return found


class Counts:
    """All samples of one reading: counts("name", label="x") adds up those that fit."""

    def __init__(self, port):
        self.samples = [s for f in families(port) for s in f.samples]

    def __call__(self, name, **labels):
        return sum(s.value for s in self.samples if s.name == name and labels.items() <= s.labels.items())

    def by(self, name, *labels, **fixed):
        return {tuple(s.labels[x] for x in labels): s.value for s in self.samples
                if s.name == name and fixed.items() <= s.labels.items()}


def ends(port, process, app):
    return Counts(port).by(f"heddle_{process}_runs_ended_total", "status", "end_reason", app=app)


# --- the pages ---


@pytest.mark.parametrize("process", ["gateway", "executor"])
def test_pages_methods_and_names(heddle, process):
    port = getattr(heddle, f"{process}_http")
    assert get(port, "/healthz")[::2] == (200, "alive\n")
    wait_until(lambda: get(port, "/readyz")[::2] == (200, "ready\n"), what="ready")
    status, headers, text = get(port, method="HEAD")
    assert (status, text) == (200, "") and int(headers["Content-Length"]) > 1000
    assert [get(port, p)[0] for p in ("/", "/metrics/", "/Metrics", "/..", "/healthz/x")] == [404] * 5
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        status, headers, _ = get(port, method=method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD"), method
    assert get(port, "/metrics?name=x")[0] == 200
    for family in families(port):
        assert re.fullmatch(r"(heddle|process)_[a-z_]+", family.name), family.name
        assert family.documentation and family.type in ("counter", "gauge", "histogram"), family.name
        assert not re.search(r"_(ms|us|milliseconds|kb|kib)(_|$)", family.name), "base units only"
    counts = Counts(port)
    assert counts("heddle_build_info", component=process) == 1
    child = getattr(heddle, process)
    assert abs(counts("process_open_fds") - child.open_files()) < 10
    assert counts("process_resident_memory_bytes") > 1 << 20
    assert abs(counts("process_start_time_seconds") - time.time()) < 3600


@pytest.mark.parametrize("process", ["gateway", "executor"])
def test_every_metric_is_documented_and_no_other(heddle, process):
    text = (SOURCE / "docs" / "operations.md").read_text()
    documented = set(re.findall(r"^\| `((?:heddle|process)_[a-z_]+)`", text, re.M))
    shown = set(re.findall(r"^# TYPE (\S+) ", get(getattr(heddle, f"{process}_http"))[2], re.M))
    assert shown <= documented, shown - documented
    other = set(re.findall(r"^# TYPE (\S+) ", get(heddle.gateway_http)[2] + get(heddle.executor_http)[2], re.M))
    assert documented <= other, documented - other


def test_a_port_that_is_taken_is_said_at_the_start(heddle, tmp_path):
    second = Process("second", [BIN / "heddle-executor", "--listen", f"unix:{tmp_path}/e.sock", "--store", heddle.store,
                                "--http_listen", f"127.0.0.1:{heddle.executor_http}"], tmp_path, heddle.env)
    assert second.child.wait(60) == 1
    assert re.search(rf'event=start_failed .*words="http_listen: 127.0.0.1:{heddle.executor_http}: in use"', second.text())


def test_it_can_be_off_or_a_unix_socket(fresh):
    h = fresh(executor_options=["--http_listen", "none"], gateway_options=["--http_listen", "unix:metrics.sock"])
    path = h.folder / "metrics.sock"
    wait_until(path.exists, what="the socket")
    assert path.stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
        s.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b" 200 " in s.recv(4096)
    with pytest.raises(OSError):
        get(h.executor_http)


# --- counts ---


def test_counts_equal_what_was_called_recorded_and_asked_of_the_model(fresh):
    h = fresh()
    h.model.script({"match": {"contains": "break"}, "status": 400, "error_body": {"error": {"message": "no"}}},
                   {"match": {"contains": "slow"}, "reply": "word " * 200, "tokens_per_second": 20},
                   {"reply": "good morning"})
    app, key = h.app(CHAT)
    flow, flow_key = h.app(FLOW, name="flow")
    told, prompt = [], 0
    for i in range(7):
        told.append(finished(events(say(h, key))))
    told.append(finished(events(say(h, key, request={"query": "break"}))))
    run_id = new_id()
    stream = say(h, key, request={"query": "slow", "run_id": run_id})
    until_text(stream)
    in_flight = Counts(h.gateway_http)("heddle_gateway_runs_in_flight", app=app)
    assert in_flight == 1 and Counts(h.executor_http)("heddle_executor_runs_in_flight", app=app) == 1
    h.public.TaskService.StopTask({"task_id": run_id, "user": "u-1"}, token=key)
    told.append(finished(events(stream)))
    flows = [finished(events(run(h, flow_key))) for _ in range(3)]
    for h_app, h_key, seen in ((app, key, told), (flow, flow_key, flows)):
        expected = {}
        for f in seen:
            pair = STATUS[f.status], REASON[f.end_reason]
            expected[pair] = expected.get(pair, 0) + 1
        assert ends(h.gateway_http, "gateway", h_app) == expected
        assert ends(h.executor_http, "executor", h_app) == expected
        recorded = {}
        for r in h.public.WorkflowService.ListRuns({"page_size": 100}, token=h_key).runs:
            pair = STATUS[r.status], REASON[r.end_reason]
            recorded[pair] = recorded.get(pair, 0) + 1
        assert recorded == expected
    g, e = Counts(h.gateway_http), Counts(h.executor_http)
    for counts, process in ((g, "gateway"), (e, "executor")):
        assert counts(f"heddle_{process}_runs_started_total") == len(told + flows)
        assert counts(f"heddle_{process}_runs_ended_total") == len(told + flows)
        assert counts(f"heddle_{process}_runs_in_flight") == 0
        assert counts(f"heddle_{process}_run_seconds_count") == len(told + flows)
    tokens = sum(f.total_tokens for f in told + flows)
    assert tokens > 0 and g("heddle_gateway_tokens_total") == e("heddle_executor_tokens_total") == tokens
    asked = len(h.model.requests())
    assert e("heddle_model_picks_total") == asked
    assert e("heddle_model_picks_total", credential="fake", provider="openai") == asked
    assert e("heddle_model_refusals_total", kind="request") == 1 == e("heddle_model_refusals_total")
    assert e("heddle_executor_node_seconds_count", type="llm") == asked
    assert e("heddle_executor_node_seconds_count", type="llm", status="failed") == 1
    assert g("heddle_grpc_calls_total", method="/heddle.v1.ChatService/SendMessage", code="OK") == len(told)
    assert g("heddle_grpc_calls_total", method="/heddle.v1.TaskService/StopTask", code="OK") == 1
    assert g("heddle_gateway_first_text_seconds_count") == len(told + flows) - 1  # the refused one said nothing
    assert e("heddle_journal_commit_seconds_count") > 0 and e("heddle_journal_open_runs") == 0
    assert e("heddle_executor_outbox_bytes") == 0


def until_text(stream):
    for event in stream:
        if event.WhichOneof("event") == "message":
            return
    raise AssertionError("no text")


def test_refusals_and_wrong_keys_by_reason(fresh):
    h = fresh()
    app, key = h.app(FLOW)
    assert failure(say, h, key).reason == "NOT_CHAT_APP"
    assert failure(run, h, None).reason == "MISSING_TOKEN"
    for _ in range(3):
        assert failure(run, h, "app-" + "x" * 24).reason == "INVALID_TOKEN"
    before = len(h.model.requests())
    g = Counts(h.gateway_http)
    assert g.by("heddle_gateway_refusals_total", "reason") == {
        ("NOT_CHAT_APP",): 1, ("MISSING_TOKEN",): 1, ("INVALID_TOKEN",): 3}
    assert g.by("heddle_gateway_auth_failures_total", "reason") == {("MISSING_TOKEN",): 1, ("INVALID_TOKEN",): 3}
    assert g("heddle_gateway_runs_started_total") == 0 and before == 0
    assert g("heddle_grpc_calls_total", method="/heddle.v1.WorkflowService/RunWorkflow", code="UNAUTHENTICATED") == 4


def test_credentials_that_rest_and_fail_over(fresh):
    h = fresh()
    for c in h.admin.AdminService.ListCredentials({}).credentials:
        h.admin.AdminService.DeleteCredential({"id": c.id})
    for name, secret in (("first \"one\"", "sk-first-0123456789"), ("second", "sk-second-0123456789")):
        h.admin.AdminService.CreateCredential({"provider": "openai", "name": name, "base_url": h.model.url, "secret": secret})
    h.model.script({"match": {"api_key": "sk-first-0123456789"}, "status": 429}, {"reply": "good morning"})
    _, key = h.app(CHAT)
    for _ in range(4):
        assert answer(events(say(h, key)))
    e = Counts(h.executor_http)
    by_key = {k: len([r for r in h.model.requests() if r["key"] == k]) for k in ("sk-first-0123456789", "sk-second-0123456789")}
    assert e("heddle_model_picks_total", credential="first \"one\"") == by_key["sk-first-0123456789"] >= 1
    assert e("heddle_model_picks_total", credential="second") == by_key["sk-second-0123456789"] == 4
    assert e.by("heddle_model_refusals_total", "credential", "kind") == {("first \"one\"", "rate_limit"): by_key["sk-first-0123456789"]}
    assert e("heddle_model_rests_total", credential="first \"one\"") == 1
    assert e("heddle_model_failovers_total") == by_key["sk-first-0123456789"]
    assert e("heddle_model_tokens_total") == e("heddle_executor_tokens_total") > 0
    assert "sk-first" not in get(h.executor_http)[2]


def test_one_line_for_each_run_that_ends(fresh):
    h = fresh(executor_options=["--log_format", "json"])
    h.model.script({"reply": "a secret answer"})
    app, key = h.app(CHAT)
    seen = events(say(h, key, request={"query": "a secret question"}))
    end = finished(seen)

    def line():
        found = [json.loads(x) for x in h.executor.text().splitlines() if '"run_finished"' in x]
        return found if len(found) == 1 else None

    (line,) = wait_until(line, what="the line of the run")
    assert (line["run_id"], line["app_id"]) == (seen[0][1].task_id, app)
    assert (line["status"], line["end_reason"], line["level"]) == ("succeeded", "completed", "info")
    assert line["tokens"] == end.total_tokens and line["end_user_id"] == end.end_user_id
    assert line["took_ms"] >= 0 and line["first_token_ms"] >= 0 and line["steps"] == end.total_steps
    assert "secret" not in h.executor.text() + h.gateway.text()


def test_an_executor_that_is_lost_ends_its_runs_in_the_gateways_counts(fresh):
    h = fresh()
    h.model.script({"reply": "word " * 400, "tokens_per_second": 20})
    app, key = h.app(CHAT)
    streams = [say(h, key) for _ in range(3)]
    for stream in streams:
        until_text(stream)
    h.executor.stop(signal.SIGKILL)
    told = [finished(events(s)) for s in streams]
    assert {(STATUS[f.status], REASON[f.end_reason]) for f in told} == {("failed", "executor_lost")}
    assert ends(h.gateway_http, "gateway", app) == {("failed", "executor_lost"): 3}
    assert Counts(h.gateway_http)("heddle_gateway_runs_in_flight") == 0
    h.start_executor()


def test_a_caller_who_leaves_ends_his_run_once(fresh):
    h = fresh()
    h.model.script({"reply": "word " * 400, "tokens_per_second": 20})
    app, key = h.app(CHAT)
    for _ in range(5):
        stream = say(h, key)
        until_text(stream)
        stream.cancel()
    wait_until(lambda: Counts(h.executor_http)("heddle_executor_runs_in_flight") == 0, what="runs have ended")
    wait_until(lambda: Counts(h.gateway_http)("heddle_gateway_runs_in_flight") == 0, what="and in the gateway")
    assert ends(h.executor_http, "executor", app) == {("stopped", "caller_gone"): 5}
    assert ends(h.gateway_http, "gateway", app) == {("unknown", "unknown"): 5}
    assert {r.end_reason for r in h.public.WorkflowService.ListRuns({}, token=key).runs} == {7}


def test_apps_beyond_the_bound_are_other(fresh):
    """More models than children: the names come from exports, which anybody who may import writes."""
    h = fresh()
    h.model.script({"reply": "fine"})
    many, e = 230, None
    for i in range(many):
        export = CHAT.replace("name: gpt-4o-mini", f"name: model-{i}")
        assert export != CHAT
        _, key = h.app(export, name=f"app {i}")
        assert finished(events(say(h, key))).status == 2
    e = Counts(h.executor_http)
    by_model = e.by("heddle_model_first_content_seconds_count", "provider", "model")
    assert len([p for p, _ in by_model if p != "other"]) == 200 and sum(by_model.values()) == many
    assert sum(v for (p, _), v in by_model.items() if p == "other") == many - 200
    assert len(by_model) <= 200 + 64 + 1


# --- readiness ---


def test_readiness_follows_the_executor(fresh):
    h = fresh()
    ready = lambda: get(h.gateway_http, "/readyz")[0] == 200
    wait_until(ready, what="the gateway is ready")
    assert Counts(h.gateway_http)("heddle_gateway_executor_reachable") == 1
    h.executor.stop(signal.SIGKILL)
    wait_until(lambda: not ready(), what="it is not ready any more")
    status, _, words = get(h.gateway_http, "/readyz")
    assert status == 503 and words == f"no executor can be reached at {h.socket}\n"
    assert get(h.gateway_http, "/healthz")[0] == 200  # restarting the gateway would mend nothing
    counts = Counts(h.gateway_http)
    assert (counts("heddle_ready"), counts("heddle_gateway_executor_reachable")) == (0, 0)
    names = ("", "heddle.v1.ChatService", "heddle.v1.WorkflowService", "heddle.v1.ConversationService")
    assert [grpc_health(h, name) for name in names] == [2, 2, 2, 1]
    h.start_executor()
    wait_until(ready, what="it is ready again")
    wait_until(lambda: [grpc_health(h, name) for name in names] == [1] * 4, what="health follows")
    assert h.gateway.text().count("event=not_ready") == 1


def grpc_health(h, service):
    """grpc.health.v1.Health/Check, spoken by hand: 1 serving, 2 not serving."""
    name = service.encode()
    call = h.public.channel.unary_unary("/grpc.health.v1.Health/Check")
    request = b"\n" + bytes([len(name)]) + name if name else b""
    reply = call(request, timeout=30)
    return reply[1]


def test_a_process_that_drains_is_not_ready_and_lives(fresh):
    h = fresh()
    h.model.script({"reply": "word " * 60, "tokens_per_second": 20})
    _, key = h.app(CHAT)
    stream = say(h, key)
    until_text(stream)
    for name, port in (("gateway", h.gateway_http), ("executor", h.executor_http)):
        getattr(h, name).child.send_signal(signal.SIGTERM)
        wait_until(lambda: get(port, "/readyz")[::2] == (503, "draining\n"), what=f"the {name} says so")
        assert get(port, "/healthz")[0] == 200 and Counts(port)("heddle_ready") == 0
    assert finished(events(stream)).status == 2  # what runs goes on
    assert h.gateway.child.wait(60) == 0 and h.executor.child.wait(60) == 0


# --- callers who take their time ---


def test_idle_and_dripping_connections_keep_nobody_out(heddle):
    port = heddle.gateway_http
    files = heddle.gateway.open_files()
    silent = []
    for _ in range(500):
        s = socket.socket()
        s.settimeout(30)
        s.connect(("127.0.0.1", port))
        silent.append(s)
    assert get(port, "/healthz")[0] == 200
    assert heddle.gateway.open_files() - files <= 140  # bounded, whatever comes
    drip = socket.create_connection(("127.0.0.1", port))
    drip.settimeout(30)
    began = time.monotonic()
    drip.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
    ended = False
    while not ended and time.monotonic() - began < 60:
        try:
            drip.sendall(b"X: y\r\n")
            drip.settimeout(0.2)
            ended = drip.recv(1) == b""
        except socket.timeout:
            pass
        except OSError:
            ended = True
    assert ended, "a request that never ends was borne with for a minute"
    for s in silent:
        s.close()
    assert get(port)[0] == 200
    wait_until(lambda: heddle.gateway.open_files() <= files + 5, seconds=60, what="they are all gone")


def test_requests_that_are_none(heddle):
    port = heddle.executor_http
    for bad in (b"\r\n" * 5000, b"GET " + b"/" * 100000 + b" HTTP/1.1\r\n\r\n", b"\x00\xff" * 1000 + b"\r\n\r\n",
                b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 60000 + b"\r\n\r\n",
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
            try:
                s.sendall(bad)
                s.shutdown(socket.SHUT_WR)
                said = s.recv(65536)
            except OSError:
                said = b""
            assert b" 200 " not in said.split(b"\r\n")[0], bad[:40]
    assert get(port)[0] == 200


def test_a_full_pipe_for_the_log_stops_no_run(fresh):
    """Nobody reads the executor's log: lines are lost and counted, runs go on."""
    h = fresh()
    h.executor.stop()
    reader, writer = os.pipe()
    env = {k: v for k, v in os.environ.items() if not k.startswith("HEDDLE_")}
    child = subprocess.Popen([str(BIN / "heddle-executor"), "--listen", h.socket, "--store", h.store, "--http_listen",
                              f"127.0.0.1:{h.executor_http}"], stderr=writer, stdout=subprocess.DEVNULL, cwd=h.folder,
                             env={**env, **h.env})
    os.close(writer)
    try:
        h.model.script({"reply": "fine"})
        _, key = h.app(CHAT)
        runs = 0
        wait_until(lambda: get(h.gateway_http, "/readyz")[0] == 200, what="ready")
        while runs < 2000 and Counts(h.executor_http)("heddle_log_lines_dropped_total") == 0:
            for _ in range(50):
                assert finished(events(say(h, key))).status == 2
                runs += 1
        assert Counts(h.executor_http)("heddle_log_lines_dropped_total") > 0
        assert finished(events(say(h, key))).status == 2
    finally:
        child.send_signal(signal.SIGTERM)
        code = child.wait(60)
        os.close(reader)
    assert code == 0

