"""Traces: the caller's trace context on its way to the model, and the spans a collector gets of it."""
import os
import re
import subprocess
import time

import pytest

from collector import CLIENT, ERROR, INTERNAL, SERVER, Collector
from conftest import BIN, free_port, wait_until
from heddle import answer, events, failure, finished
from test_engine import LLM, export, iteration

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
STATE = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
CHATFLOW = """
app: {mode: advanced-chat, name: traced}
kind: app
version: 0.3.1
workflow:
  graph:
    nodes:
      - {id: start, type: custom, data: {type: start, title: Start, variables: []}}
      - id: model
        type: custom
        data:
          type: llm
          title: Ask the model
          model: {provider: traced, name: m-1, mode: chat, completion_params: {}}
          prompt_template: [{role: user, text: "{{#sys.query#}}"}]
          context: {enabled: false, variable_selector: []}
          vision: {enabled: false}
      - {id: answer, type: custom, data: {type: answer, title: Answer, answer: "{{#model.text#}}"}}
    edges:
      - {source: start, target: model}
      - {source: model, target: answer}
"""


class Traced:
    """Heddle whose two processes send to one collector, and an app with one credential."""

    def __init__(self, h, names=("one",)):
        self.h, self.model = h, h.model
        for i, name in enumerate(names):
            h.admin.AdminService.CreateCredential({"provider": "traced", "name": name, "base_url": h.model.url,
                                                   "secret": f"sk-{name}-0123456789", "weight": 1000 if i == 0 else 1})
        self.app_id, self.key = h.app(CHATFLOW)

    def say(self, parent=None, state=None, query="hi", key=None, **request):
        metadata = [("authorization", f"Bearer {key or self.key}")]
        metadata += [("traceparent", p) for p in ([parent] if isinstance(parent, str) else parent or [])]
        metadata += [("tracestate", s) for s in ([state] if isinstance(state, str) else state or [])]
        return events(self.h.public.ChatService.SendMessage({"query": query, "user": "u-1", **request}, metadata=metadata))

    def told(self):
        """(traceparent, tracestate) of the newest request the model saw."""
        request = self.model.requests()[-1]
        return request["traceparent"], request["tracestate"]


@pytest.fixture
def collector(tmp_path):
    c = Collector(tmp_path)
    yield c
    c.stop()


@pytest.fixture
def traced(fresh, collector):
    def make(*more, names=("one",), executor=(), gateway=(), endpoint=None):
        to = ["--otlp_endpoint", endpoint or collector.endpoint, *more]
        return Traced(fresh(executor_options=[*to, *executor], gateway_options=[*to, *gateway]), names)

    return make


@pytest.fixture(scope="module")
def module_traced(tmp_path_factory):
    """One set for the tests that only look at what comes."""
    from conftest import Heddle
    folder = tmp_path_factory.mktemp("traces")
    c = Collector(folder)
    to = ["--otlp_endpoint", c.endpoint]
    h = Heddle(folder / "heddle", executor_options=to, gateway_options=to)
    t = Traced(h)
    t.collector = c
    yield t
    codes = h.stop()
    c.stop()
    assert codes == {"gateway": 0, "executor": 0}, (h.gateway.text()[-3000:], h.executor.text()[-3000:])


@pytest.fixture
def shared(module_traced):
    module_traced.model.reset()
    module_traced.model.script({"reply": "fine"})
    return module_traced


def whole(collector, trace, count=5):
    """The spans of a trace, once its root of the gateway and `count` in all are there."""
    wait_until(lambda: len(collector.spans(trace)) >= count, what=f"{count} spans of {trace}: {collector.spans(trace)}")
    return collector.spans(trace)


def one(spans, **wanted):
    found = [s for s in spans if all(s[k.replace("__", ".")] == v for k, v in wanted.items())]
    assert len(found) == 1, (wanted, spans)
    return found[0]


def node(spans, name):
    return one(spans, heddle__node__id=name)


def new_parent():
    return os.urandom(16).hex()


def test_the_spans_of_a_run_are_one_tree_from_the_caller_to_the_model(shared):
    trace = new_parent()
    before = time.time_ns()
    seen = shared.say(f"00-{trace}-{PARENT}-01", STATE)
    after = time.time_ns()
    assert answer(seen) == "fine"
    spans = whole(shared.collector, trace, 6)
    gateway, run = [one(spans, rpc__method=m) for m in ("SendMessage", "Execute")]
    attempt = one(spans, gen_ai__operation__name="chat")
    nodes = {name: node(spans, name) for name in ("start", "model", "answer")}
    assert len(spans) == 6
    assert (gateway.parent, run.parent, attempt.parent) == (PARENT, gateway.id, nodes["model"].id)
    assert {n.parent for n in nodes.values()} == {run.id}
    assert len({s.id for s in spans}) == 6
    assert shared.told() == (f"00-{trace}-{attempt.id}-01", STATE)

    assert {s.service for s in spans} == {"heddle-gateway", "heddle-executor"} and gateway.service == "heddle-gateway"
    for s in spans:
        assert s.resource["service.version"] and re.fullmatch("[0-9a-f-]{36}", s.resource["service.instance.id"])
        assert s.state == STATE and s.flags & 1 and s.status == 0
        assert before - 10**9 < s.start <= s.end < after + 10**9
    for inner, outer in [(attempt, nodes["model"]), *((n, run) for n in nodes.values())]:
        assert outer.start <= inner.start and inner.end <= outer.end, (inner, outer)
    assert (gateway.kind, run.kind, attempt.kind, nodes["model"].kind) == (SERVER, SERVER, CLIENT, INTERNAL)

    started = seen[0][1]
    assert gateway.name == "heddle.v1.ChatService/SendMessage"
    assert gateway.attributes == {
        "rpc.system": "grpc", "rpc.service": "heddle.v1.ChatService", "rpc.method": "SendMessage", "rpc.grpc.status_code": 0,
        "heddle.app.id": shared.app_id, "heddle.run.id": started.task_id, "gen_ai.conversation.id": started.conversation_id,
        "heddle.run.attempt": 1, "heddle.run.status": "succeeded", "heddle.run.end_reason": "completed"}
    assert (run["heddle.run.id"], run["heddle.run.end_reason"], run["heddle.run.steps"]) == (started.task_id, "completed", 3)
    assert run["heddle.run.tokens"] == finished(seen).total_tokens > 0
    model = nodes["model"]
    assert (model.name, model["heddle.node.type"], model["heddle.node.title"], model["heddle.node.status"]) == (
        "llm Ask the model", "llm", "Ask the model", "succeeded")
    assert model["heddle.node.tokens"] == finished(seen).total_tokens
    assert (attempt.name, attempt["gen_ai.provider.name"], attempt["gen_ai.request.model"]) == ("chat m-1", "traced", "m-1")
    assert (attempt["heddle.credential.name"], attempt["http.response.status_code"]) == ("one", 200)
    assert attempt["gen_ai.response.finish_reasons"] == ["stop"]
    assert attempt["gen_ai.usage.input_tokens"] + attempt["gen_ai.usage.output_tokens"] == finished(seen).total_tokens
    assert f"trace_id={trace}" in shared.h.executor.text()
    assert "0123456789" not in str(spans), "a secret"


def test_without_a_trace_of_the_callers_one_begins(shared):
    seen = shared.say()
    trace, parent = re.fullmatch("00-([0-9a-f]{32})-([0-9a-f]{16})-01", shared.told()[0]).groups()
    spans = whole(shared.collector, trace, 6)
    gateway = one(spans, rpc__method="SendMessage")
    assert gateway.parent == "" and gateway["heddle.run.id"] == seen[0][1].task_id
    assert one(spans, gen_ai__operation__name="chat").id == parent


@pytest.mark.parametrize("parent", [
    "", "00", f"00-{TRACE}-{PARENT}", f"00-{TRACE}-{PARENT}-1", f"00-{TRACE}-{PARENT}-01-", f"ff-{TRACE}-{PARENT}-01",
    f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{PARENT}-01", f"00-{TRACE}-{PARENT}-0g",
    f"0x-{TRACE}-{PARENT}-01", "x" * 5000, [SAMPLED, SAMPLED]],
    ids=["empty", "short", "no-flags", "one-flag", "more", "ff", "zero-trace", "zero-span", "capitals", "flags", "version",
         "endless", "twice"])
def test_a_traceparent_that_is_none_is_left_out_with_its_state(shared, parent):
    assert answer(shared.say(parent, STATE)) == "fine"
    told, state = shared.told()
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", told) and TRACE not in told and state is None
    assert one(whole(shared.collector, told[3:35], 6), rpc__method="SendMessage").parent == ""


@pytest.mark.parametrize("states,joined", [
    (["a=1", "b=2"], "a=1,b=2"), (" a=1 ,, b=2 ", "a=1,b=2"), ("a=1,a=2", None), ("A=1", None), ("a", None),
    (",".join(f"k{i}=1" for i in range(33)), None), ("a=" + "x" * 200 + ",b=" + "y" * 250 + ",c=1," + "d=" + "z" * 250, "a=" + "x" * 200 + ",b=" + "y" * 250 + ",c=1")],
    ids=["two", "blanks", "repeated", "capitals", "no-value", "33", "too-long"])
def test_a_tracestate_is_joined_shortened_or_dropped(shared, states, joined):
    trace = new_parent()
    assert answer(shared.say(f"00-{trace}-{PARENT}-01", states)) == "fine"
    assert shared.told()[0][3:35] == trace and shared.told()[1] == joined


def test_what_the_caller_does_not_record_is_passed_on_and_not_sent(shared):
    trace, later = new_parent(), new_parent()
    parent = f"00-{trace}-{PARENT}-00"
    assert answer(shared.say(parent, STATE)) == "fine"
    assert shared.told() == (parent, STATE)
    shared.say(f"00-{later}-{PARENT}-01")
    whole(shared.collector, later, 6)  # of what was there before, everything has come
    assert shared.collector.spans(trace) == []


def test_a_later_version_is_taken_for_what_it_has_in_common(shared):
    trace = new_parent()
    shared.say(f"cc-{trace}-{PARENT}-01-what-the-future-brings")
    assert shared.told()[0].startswith(f"00-{trace}-")


def test_a_refused_call_is_a_span_of_the_gateway(shared):
    trace = new_parent()
    metadata = (("authorization", "Bearer app-AbCdEfGhIjKlMnOpQrStUvWx"), ("traceparent", f"00-{trace}-{PARENT}-01"))
    failure(shared.h.public.ChatService.SendMessage, {"query": "hi", "user": "u"}, metadata=metadata)
    span, = whole(shared.collector, trace, 1)
    assert (span.parent, span["rpc.grpc.status_code"], span["heddle.refusal"], span.status) == (PARENT, 16, "INVALID_TOKEN", 0)
    assert "heddle.run.id" not in span.attributes and "AbCdEfGh" not in str(span)


def test_a_failed_node_says_why(shared):
    trace = new_parent()
    shared.model.script({"status": 400, "error_body": {"error": {"message": "no such tool"}}})
    assert finished(shared.say(f"00-{trace}-{PARENT}-01")).status == 4
    spans = whole(shared.collector, trace, 5)
    attempt, model = one(spans, gen_ai__operation__name="chat"), node(spans, "model")
    run, gateway = [one(spans, rpc__method=m) for m in ("Execute", "SendMessage")]
    assert {s.status for s in (attempt, model, run)} == {ERROR} and gateway.status == 0
    assert (attempt["http.response.status_code"], attempt["heddle.refusal"], attempt["error.type"]) == (
        400, "request", "InvokeBadRequestError")
    assert "no such tool" in attempt.words and "no such tool" in model.words and "no such tool" in run.words
    assert (model["heddle.node.status"], run["heddle.run.end_reason"]) == ("failed", "node_failed")
    assert gateway["heddle.run.end_reason"] == "node_failed"


def test_children_of_an_iteration_lie_in_it(shared):
    trace = new_parent()
    _, key = shared.h.app(iteration(3))
    events(shared.h.public.WorkflowService.RunWorkflow(
        {"inputs": {"o": {"list": [1, 2, 3]}}, "user": "u-1"},
        metadata=(("authorization", f"Bearer {key}"), ("traceparent", f"00-{trace}-{PARENT}-01"))))
    spans = whole(shared.collector, trace, 2 + 3 + 3 + 3)
    run, around = one(spans, rpc__method="Execute"), node(spans, "it")
    children = [s for s in spans if s["heddle.node.id"] == "model"]
    assert around.parent == run.id and {s.parent for s in children} == {around.id}
    assert sorted(s["heddle.iteration.index"] for s in children) == [0, 1, 2]
    assert {s["heddle.iteration.id"] for s in children} == {"it"} and around["heddle.node.steps"] == 3
    attempts = [s for s in spans if s.kind == CLIENT]
    assert sorted(s.parent for s in attempts) == sorted(s.id for s in children)
    assert all(around.start <= s.start and s.end <= around.end for s in children + attempts)


def test_a_stopped_run_ends_its_spans(shared):
    trace = new_parent()
    shared.model.script({"reply": "word " * 1000, "tokens_per_second": 50})
    stream = shared.h.public.ChatService.SendMessage(
        {"query": "hi", "user": "u-1"}, metadata=(("authorization", f"Bearer {shared.key}"), ("traceparent", f"00-{trace}-{PARENT}-01")))
    task = next(e.task_id for e in stream if e.WhichOneof("event") == "message")
    shared.h.public.TaskService.StopTask({"task_id": task, "user": "u-1"}, token=shared.key)
    events(stream)
    spans = whole(shared.collector, trace, 5)
    attempt, model, run = one(spans, gen_ai__operation__name="chat"), node(spans, "model"), one(spans, rpc__method="Execute")
    assert (attempt["error.type"], model["heddle.node.status"], run["heddle.run.end_reason"]) == ("cancelled", "stopped", "stopped_by_user")


def test_each_attempt_is_a_span(traced, collector):
    t = traced(names=("first", "second"))
    t.model.script({"match": {"api_key": "sk-first-0123456789"}, "status": 429, "error_body": {"error": {"message": "slow down"}}},
                   {"reply": "fine"})
    trace = new_parent()
    assert answer(t.say(f"00-{trace}-{PARENT}-01")) == "fine"
    spans = whole(collector, trace, 7)
    first, second = sorted((s for s in spans if s.kind == CLIENT), key=lambda s: s.start)
    assert first.parent == second.parent == node(spans, "model").id
    assert (first["heddle.credential.name"], first["http.response.status_code"], first["heddle.refusal"], first.status) == (
        "first", 429, "rate_limit", ERROR)
    assert (second["heddle.credential.name"], second["http.response.status_code"], second.status) == ("second", 200, 0)
    assert (first["heddle.model.attempt"], second["heddle.model.attempt"]) == (1, 2)
    assert "slow down" in first.words
    told = [r["traceparent"] for r in t.model.requests()]
    assert told == [f"00-{trace}-{s.id}-01" for s in (first, second)]


# --- without a collector, and with one that fails ---

def test_without_an_endpoint_the_context_goes_through_as_it_is(fresh):
    t = Traced(fresh())
    t.model.script({"reply": "fine"})
    for parent in (SAMPLED, UNSAMPLED):
        assert answer(t.say(parent, STATE)) == "fine"
        assert t.told() == (parent, STATE)
    for parent in (None, "garbage"):
        assert answer(t.say(parent, STATE)) == "fine"
        assert t.told() == (None, None)


def test_models_are_told_nothing_when_they_shall_not(traced, collector):
    t = traced(executor=["--trace_models", "no"])
    t.model.script({"reply": "fine"})
    trace = new_parent()
    assert answer(t.say(f"00-{trace}-{PARENT}-01", STATE)) == "fine"
    assert t.told() == (None, None)
    assert len(whole(collector, trace, 6)) == 6


def test_the_ratio_is_for_traces_that_begin_here(traced, collector):
    t = traced("--otlp_sample_ratio", "0")
    t.model.script({"reply": "fine"})
    t.say()
    told, _ = t.told()
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", told)
    trace = new_parent()
    t.say(f"00-{trace}-{PARENT}-01")
    whole(collector, trace, 6)
    assert {s.trace for s in collector.spans()} == {trace}


def test_the_headers_of_the_collector_are_sent_and_stay_secret(traced, collector, tmp_path):
    (tmp_path / "headers").write_text("authorization=Bearer%20t0p-s3cret,x-scope-orgid=7\n")
    t = traced("--otlp_headers_file", tmp_path / "headers")
    t.model.script({"reply": "fine"})
    trace = new_parent()
    t.say(f"00-{trace}-{PARENT}-01")
    whole(collector, trace, 6)
    for path, headers in collector.headers:
        assert path == "/v1/traces" and headers["Content-Type"] == "application/x-protobuf"
        assert (headers["authorization"], headers["x-scope-orgid"]) == ("Bearer t0p-s3cret", "7")
    assert "t0p-s3cret" not in t.h.gateway.text() + t.h.executor.text()


def test_what_waits_is_sent_at_the_end(traced, collector):
    t = traced()
    t.model.script({"reply": "fine"})
    trace = new_parent()
    t.say(f"00-{trace}-{PARENT}-01")
    assert t.h.gateway.stop() == 0 and t.h.executor.stop() == 0
    assert len(collector.spans(trace)) == 6


def silent(handler):
    time.sleep(60)
    return True


def garbage(handler):
    handler.wfile.write(b"\x00\xff no HTTP at all\r\n\r\n")
    handler.close_connection = True
    return True


@pytest.mark.parametrize("how", ["away", "silent", "garbage", "500", "302"])
def test_a_collector_that_fails_does_not_touch_runs(traced, collector, how):
    if how in ("silent", "garbage"):
        collector.answer = silent if how == "silent" else garbage
    elif how != "away":
        collector.answer = lambda handler: handler.reply(int(how)) or True
    t = traced(endpoint=f"http://127.0.0.1:{free_port()}" if how == "away" else None)
    t.model.script({"reply": "fine"})
    for i in range(60):
        assert answer(t.say(query=f"hi {i}")) == "fine"
    if how in ("away", "garbage", "500", "302"):
        for process in (t.h.gateway, t.h.executor):
            wait_until(lambda: "event=traces_not_sent" in process.text(), what="a warning")
            assert process.text().count("event=traces_not_sent") == 1
    started = time.monotonic()
    assert t.h.gateway.stop() == 0 and t.h.executor.stop() == 0
    assert time.monotonic() - started < 15
    assert "event=traces_dropped" in t.h.executor.text() and collector.seen == []


def test_a_collector_that_comes_back_gets_what_waited(traced, collector):
    refused = []
    collector.answer = lambda handler: not refused.append(1) and len(refused) <= 2 and (handler.reply(503, Retry_After="1") or True)
    t = traced()
    t.model.script({"reply": "fine"})
    traces = [new_parent() for _ in range(5)]
    for trace in traces:
        t.say(f"00-{trace}-{PARENT}-01")
    for trace in traces:
        assert len(whole(collector, trace, 6)) == 6
    wait_until(lambda: "event=traces_sent_again" in t.h.gateway.text() + t.h.executor.text(), what="a line that it is back")


def test_the_memory_of_spans_is_bounded(traced):
    port = free_port()  # nobody is there
    t = traced(endpoint=f"http://127.0.0.1:{port}")
    many = export(
        [("start", "{type: start, title: Start, variables: []}", "")]
        + [(f"n{i}", f"{{type: template-transform, title: {'t' * 200}, template: x, variables: []}}", "") for i in range(300)]
        + [("end", "{type: end, title: End, outputs: [{variable: out, value_selector: [n299, output]}]}", "")],
        [("start", "n0"), *((f"n{i}", f"n{i + 1}") for i in range(299)), ("n299", "end")])
    _, key = t.h.app(many)

    def run():
        got = events(t.h.public.WorkflowService.RunWorkflow({"inputs": {}, "user": "u-1", "events": "EVENTS_FINAL"}, token=key))
        assert finished(got).status == 2

    for _ in range(20):
        run()
    before = t.h.executor.memory_kib()
    for _ in range(60):  # 18,000 spans of 600 bytes: more than twice what may wait
        run()
    assert t.h.executor.memory_kib() - before < 64 * 1024
    assert t.h.executor.stop() == 0
    dropped = int(re.search(r"event=traces_dropped spans=(\d+)", t.h.executor.text()).group(1))
    assert dropped == 80 * 303


# --- options and doctor ---

@pytest.mark.parametrize("program", ["heddle-gateway", "heddle-executor"])
@pytest.mark.parametrize("options,words", [
    (["--otlp_endpoint", "collector:4318"], "--otlp_endpoint"),
    (["--otlp_endpoint", "https://user:hunter2@collector"], "--otlp_endpoint"),
    (["--otlp_sample_ratio", "2"], "--otlp_sample_ratio"),
    (["--otlp_headers", "a=b"], "otlp_headers"),
], ids=["no-scheme", "password", "ratio", "secret"])
def test_a_wrong_option_is_refused(program, options, words, tmp_path):
    done = subprocess.run([BIN / program, *options], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 2 and words in done.stderr and "hunter2" not in done.stderr


@pytest.mark.parametrize("program", ["heddle-gateway", "heddle-executor"])
def test_the_doctor_asks_the_collector(program, collector, tmp_path):
    def look(*options):
        done = subprocess.run([BIN / program, "doctor", "--store", f"sqlite:{tmp_path}/x.db", *options], capture_output=True,
                              text=True, cwd=tmp_path, timeout=120)
        return [line for line in done.stdout.splitlines() if "collector" in line]

    assert look() == []
    assert [line.split()[0] for line in look("--otlp_endpoint", collector.endpoint)] == ["ok"]
    collector.answer = lambda handler: handler.reply(401) or True
    failed = look("--otlp_endpoint", collector.endpoint)
    assert failed[0].startswith("FAIL") and "401" in failed[0]
    assert look("--otlp_endpoint", f"http://127.0.0.1:{free_port()}")[0].startswith("FAIL")
