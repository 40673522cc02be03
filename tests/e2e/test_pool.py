"""Many credentials for one model: used evenly, rested, passed over, waited for. The fake model's own count is the witness."""
import collections
import concurrent.futures
import contextlib
import email.utils
import json
import socket
import time

import grpc
import pytest

from conftest import wait_until
from heddle import answer, events, finished

CHATFLOW = """
app: {mode: advanced-chat, name: talk}
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
          title: Model
          model: {provider: many, name: m, mode: chat, completion_params: {max_tokens: 50}}
          prompt_template: [{role: user, text: "{{#sys.query#}}"}]
          context: {enabled: false, variable_selector: []}
          vision: {enabled: false}
      - {id: answer, type: custom, data: {type: answer, title: Answer, answer: "{{#model.text#}}"}}
    edges:
      - {source: start, target: model}
      - {source: model, target: answer}
"""
KEYS = ["sk-one-0123456789", "sk-two-0123456789", "sk-three-0123456789"]
SECOND = 1000
IN_AN_HOUR = email.utils.formatdate(time.time() + 3600, usegmt=True)  # when the tests begin


class Many:
    """Heddle with some credentials of one provider, and an app that asks it."""

    def __init__(self, h, keys=tuple(KEYS), **fields):
        self.h, self.model = h, h.model
        self.admin = h.admin.AdminService
        self.ids = {key: self.admin.CreateCredential({"provider": "many", "name": key[3:6], "base_url": h.model.url,
                                                      "secret": key, **fields}).id for key in keys}
        self.app_id, self.key = h.app(CHATFLOW)

    def say(self, query="hi", key=None, timeout=30, **request):
        return events(self.h.public.ChatService.SendMessage(
            {"query": query, "user": "u-1", "payloads": "PAYLOADS_JSON", **request}, token=key or self.key, timeout=timeout))

    def say_all(self, count, workers=16, **options):
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            return list(pool.map(lambda i: self.say(f"hi {i}", **options), range(count)))

    def counts(self):
        return collections.Counter(r["key"] for r in self.model.requests())

    def credential(self, key):
        return [c for c in self.admin.ListCredentials({"provider": "many"}).credentials if c.id == self.ids[key]][0]


@pytest.fixture
def many(fresh):
    def make(*keys, options=(), **fields):
        return Many(fresh(executor_options=options), keys or tuple(KEYS), **fields)

    return make


def ok(got):
    assert finished(got).status == 2, finished(got)
    return answer(got)


def node(got):
    return json.loads([e.node_finished for n, e in got if n == "node_finished" and e.node_finished.node_type == "llm"][0].process_data_json)


# --- shares ---

@pytest.mark.parametrize("at_once", [1, 16])
def test_every_credential_gets_its_share_to_within_one(many, at_once):
    m = many()
    for key, weight in zip(KEYS, (1, 2, 3)):
        m.admin.UpdateCredential({"id": m.ids[key], "weight": weight})
    m.model.script({"reply": "good morning"})
    for got in m.say_all(61, workers=at_once):
        ok(got)
    counts = m.counts()
    for key, weight in zip(KEYS, (1, 2, 3)):
        assert abs(counts[key] - 61 * weight / 6) <= 1, counts


# --- refusals ---

@pytest.mark.parametrize("refusal", [
    {"status": 429}, {"status": 500}, {"status": 503}, {"status": 529}, {"status": 401}, {"status": 402},
    {"break_at": "request"}, {"break_at": "request", "break_how": "reset"}, {"break_at": "head", "break_how": "reset"},
    {"break_after": 0}, {"status": 500, "error_after": 0}, {"garbage": "bytes"}, {"garbage": "body"}, {"garbage": "event"}], ids=str)
def test_who_refuses_is_passed_over_and_nobody_notices(many, refusal):
    m = many()
    m.model.script({"match": {"api_key": KEYS[0]}, "reply": "never", **refusal}, {"reply": "good morning"})
    for _ in range(12):
        assert ok(m.say()) == "good morning"
    counts = m.counts()
    assert counts[KEYS[0]] == 1 and counts[KEYS[1]] + counts[KEYS[2]] == 12
    assert abs(counts[KEYS[1]] - counts[KEYS[2]]) <= 1
    assert KEYS[0] not in m.h.executor.text()


@pytest.mark.parametrize("stall", [{"break_at": "request"}, {"break_at": "head"}], ids=str)
def test_who_says_nothing_for_too_long_is_passed_over(many, stall):
    m = many(options=("--model_first_seconds", "1"))
    m.model.script({"match": {"api_key": KEYS[0]}, "reply": "never", "break_how": "stall", **stall}, {"reply": "good morning"})
    for _ in range(6):
        assert ok(m.say()) == "good morning"
    assert m.counts()[KEYS[0]] == 1


def test_who_does_not_take_the_connection_is_passed_over(many):
    m = many(options=("--model_connect_seconds", "1"))
    m.model.script({"reply": "good morning"})
    with contextlib.ExitStack() as stack:  # a listener whose backlog is full: further connections wait
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        m.admin.UpdateCredential({"id": m.ids[KEYS[0]], "base_url": f"http://127.0.0.1:{listener.getsockname()[1]}/v1"})
        for _ in range(6):
            assert ok(m.say()) == "good morning"
    assert m.credential(KEYS[0]).cooldowns[0].reason == "unavailable" and m.counts()[KEYS[0]] == 0


def test_who_falls_silent_within_an_answer_ends_it(many):
    m = many(options=("--model_idle_seconds", "1"))
    m.model.script({"reply": "one two three four", "break_after": 2, "break_how": "stall"})
    assert finished(m.say()).status == 4 and sum(m.counts().values()) == 1


@pytest.mark.parametrize("rule, low, high, reason", [
    ({"status": 429}, 55, 61, "rate limited"),
    ({"status": 429, "headers": {"Retry-After": "120"}}, 115, 121, "rate limited"),
    ({"status": 429, "headers": {"Retry-After": "5"}}, 55, 61, "rate limited"),
    ({"status": 429, "headers": {"Retry-After": IN_AN_HOUR}}, 1800, 3601, "rate limited"),
    ({"status": 429, "headers": {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2m0s"}}, 115, 121, "rate limited"),
    ({"status": 429, "headers": {"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "150s"}},
     145, 151, "rate limited"),
    ({"status": 503, "headers": {"Retry-After": "90"}}, 85, 91, "unavailable"),
    ({"status": 500}, 5, 11, "unavailable"),
    ({"status": 401}, 5, 11, "unauthorized")],
    ids=["429", "429-120", "429-5", "429-date", "429-reset", "429-tokens", "503-90", "500", "401"])
def test_a_rest_is_as_long_as_its_cause_asks_and_can_be_seen(many, rule, low, high, reason):
    m = many()
    m.model.script({"match": {"api_key": KEYS[0]}, **rule}, {"reply": "good morning"})
    while not m.counts()[KEYS[0]]:
        ok(m.say())
    rest = wait_until(lambda: m.credential(KEYS[0]).cooldowns, what="the rest is told")[0]
    assert low * SECOND <= rest.until_ms - time.time() * SECOND <= high * SECOND
    assert (rest.model, rest.reason) == ("m", reason) and rest.seen_by
    assert not m.credential(KEYS[0]).disabled
    m.admin.UpdateCredential({"id": m.ids[KEYS[0]], "end_cooldowns": True})
    m.model.script({"reply": "good morning"})
    wait_until(lambda: (ok(m.say()), m.counts()[KEYS[0]] > 1)[1], what="it is used again")


def test_a_key_that_is_not_taken_three_times_in_a_row_is_disabled(many):
    m = many(KEYS[0])
    m.model.script({"status": 401, "error_body": {"error": {"message": f"bad key {KEYS[0]}"}}})
    for _ in range(3):
        assert finished(m.say()).status == 4
        m.admin.UpdateCredential({"id": m.ids[KEYS[0]], "end_cooldowns": True})
        time.sleep(0.1)
    c = wait_until(lambda: m.credential(KEYS[0]).disabled and m.credential(KEYS[0]), what="disabled")
    assert "three times" in c.disabled_reason and "401" in c.disabled_reason and KEYS[0] not in c.disabled_reason
    assert "no enabled credential" in finished(m.say()).error and m.counts()[KEYS[0]] == 3
    m.admin.UpdateCredential({"id": m.ids[KEYS[0]], "disabled": False})
    m.model.script({"reply": "good morning"})
    assert ok(m.say()) == "good morning" and m.credential(KEYS[0]).disabled_reason == ""


def test_a_key_without_quota_is_disabled_at_once(many):
    m = many()
    m.model.script({"match": {"api_key": KEYS[1]}, "status": 429, "error_kind": "quota"}, {"reply": "good morning"})
    for _ in range(6):
        ok(m.say())
    c = wait_until(lambda: m.credential(KEYS[1]).disabled and m.credential(KEYS[1]), what="disabled")
    assert "out of quota" in c.disabled_reason and m.counts()[KEYS[1]] == 1


def test_rests_outlive_the_executor(many):
    m = many()
    m.model.script({"match": {"api_key": KEYS[0]}, "status": 429}, {"reply": "good morning"})
    while not m.counts()[KEYS[0]]:
        ok(m.say())
    wait_until(lambda: m.credential(KEYS[0]).cooldowns, what="the rest is stored")
    m.h.executor.child.kill()
    m.h.executor.child.wait()
    m.h.start_executor()
    wait_until(lambda: m.h.executor.text().count("event=started") == 2, what="started anew")

    def said():
        try:
            return ok(m.say())
        except grpc.RpcError:
            return None

    wait_until(said, what="served again")
    for _ in range(9):
        ok(m.say())
    assert m.counts()[KEYS[0]] == 1


def test_when_all_refuse_the_node_fails_and_says_what_each_said(many):
    m = many()
    m.model.script({"status": 429})
    end = finished(m.say())
    assert end.status == 4 and end.error.count("429") == 3
    assert all(key[3:6] in end.error for key in KEYS) and not any(k in end.error for k in KEYS)
    assert m.counts() == {k: 1 for k in KEYS}


def test_after_the_first_text_nothing_is_sent_again(many):
    m = many()
    m.model.script({"reply": "one two three four", "break_after": 2})
    assert finished(m.say()).status == 4 and sum(m.counts().values()) == 1


def test_what_is_wrong_with_the_request_is_not_asked_again(many):
    m = many()
    m.model.script({"status": 400, "error_body": {"error": {"message": "no such parameter"}}})
    end = finished(m.say())
    assert end.status == 4 and "no such parameter" in end.error and sum(m.counts().values()) == 1
    assert not any(m.credential(k).cooldowns for k in KEYS)


# --- all resting ---

def test_calls_wait_for_the_first_return_and_one_is_tried_before_the_others(many):
    m = many(KEYS[0])
    m.model.script({"status": 500, "times": 1}, {"reply": "good morning", "first_token_ms": 300})
    assert finished(m.say()).status == 4
    rest = wait_until(lambda: m.credential(KEYS[0]).cooldowns, what="it rests")[0]
    for got in m.say_all(4):
        assert ok(got) == "good morning" and node(got)["credential"]["waited_ms"] > 5000
    requests = m.model.requests()[1:]
    first = requests[0]
    assert 0 <= first["received_at"]["wall_ms"] - rest.until_ms <= 40 + 20  # at the return: 20 ms promised; clocks and wire
    assert all(r["received_at"]["monotonic_ms"] >= first["first_byte_at"]["monotonic_ms"] for r in requests[1:])


def test_a_deadline_before_the_first_return_fails_at_once_and_says_when(many):
    m = many(KEYS[0])
    m.model.script({"status": 429})
    assert finished(m.say()).status == 4
    began = time.monotonic()
    end = finished(m.say(timeout=20))
    assert time.monotonic() - began < 5 and end.status == 4
    assert 30 < end.retry_info.retry_delay.seconds <= 60 and "back in" in end.error
    assert m.counts()[KEYS[0]] == 1


def test_told_not_to_wait_calls_fail_at_once(many):
    m = many(KEYS[0], options=("--all_resting", "fail"))
    m.model.script({"status": 500})
    assert finished(m.say()).status == 4
    end = finished(m.say(timeout=60))
    assert end.status == 4 and 0 < end.retry_info.retry_delay.seconds + end.retry_info.retry_delay.nanos / 1e9 <= 10
    assert m.counts()[KEYS[0]] == 1


def test_in_the_line_the_more_important_app_goes_first(many):
    m = many(KEYS[0], max_concurrent=1)
    vip_id, vip = m.h.app(CHATFLOW, name="vip")
    m.admin.UpdateApp({"app_id": vip_id, "priority": 10})
    m.model.script({"reply": "good morning", "first_token_ms": 300})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(m.say, f"plain {i}") for i in range(3)]
        wait_until(lambda: m.model.stats()["in_flight"] == 1, what="one is asked")
        time.sleep(0.1)
        calls.append(pool.submit(m.say, "important", vip))
        for call in calls:
            ok(call.result())
    order = [r["body"]["messages"][-1]["content"] for r in m.model.requests()]
    assert order.index("important") == 1, order


def test_a_call_that_waits_can_be_stopped(many):
    m = many(KEYS[0], max_concurrent=1)
    m.model.script({"reply": "good morning", "first_token_ms": 3000})
    first = m.h.public.ChatService.SendMessage({"query": "first", "user": "u-1"}, token=m.key)
    wait_until(lambda: m.model.stats()["in_flight"] == 1, what="one is asked")
    second = m.h.public.ChatService.SendMessage({"query": "second", "user": "u-1"}, token=m.key)
    task = next(second).task_id
    assert m.h.public.TaskService.StopTask({"task_id": task, "user": "u-1"}, token=m.key).result == 1
    assert finished(events(second)).end_reason == 3
    assert ok(events(first)) == "good morning"
    assert len(m.model.requests()) == 1


# --- quotas ---

def test_a_known_limit_is_never_met(many):
    m = many(options=("--all_resting", "fail"), requests_per_minute=4)
    m.model.limits({"requests": 4})
    m.model.script({"reply": "good morning"})
    got = m.say_all(20)
    assert sum(finished(g).status == 2 for g in got) == 12
    assert m.model.keys()["limited"] == 0 and set(m.counts().values()) == {4}
    assert all(0 < finished(g).retry_info.retry_delay.seconds <= 60 for g in got if finished(g).status == 4)


def test_tokens_are_reserved_and_settled(many):
    m = many(KEYS[0], options=("--all_resting", "fail"), tokens_per_minute=200)
    m.model.script({"reply": "one two three"})
    # 50 of max_tokens and a few of the prompt are reserved, 4 are used: far more than 4 calls fit one after the other.
    for _ in range(10):
        ok(m.say())
    m.model.script({"reply": "word " * 160})
    ok(m.say())
    assert finished(m.say()).status == 4  # the limit is used up, and the provider was not asked
    assert m.counts()[KEYS[0]] == 11


def test_no_more_run_at_one_time_than_a_credential_may(many):
    m = many(max_concurrent=2)
    m.model.script({"reply": "good morning", "first_token_ms": 100})
    for got in m.say_all(18, workers=18):
        ok(got)
    rows = m.model.keys()["keys"]
    assert {row["key"] for row in rows} == set(KEYS) and all(row["in_flight_max"] <= 2 for row in rows), rows


# --- affinity ---

def test_a_conversation_stays_with_one_credential(many):
    m = many()
    m.admin.SetModel({"model": {"provider": "many", "model": "m", "affinity": True}})
    m.model.script({"reply": "good morning"})
    talks = []
    for talk in range(12):
        got = m.say(f"talk {talk}")
        ok(got)
        talks.append(got[0][1].conversation_id)
    for talk, conversation in enumerate(talks):
        for _ in range(3):
            ok(m.say(f"talk {talk}", conversation_id=conversation))
    used = collections.defaultdict(set)
    for r in m.model.requests():
        used[r["body"]["messages"][-1]["content"]].add(r["key"])
    assert all(len(keys) == 1 for keys in used.values()), used
    assert len(m.counts()) > 1, "all conversations went to one key"
    # When its credential rests the conversation goes on with another.
    gone = used["talk 0"].pop()
    m.model.script({"match": {"api_key": gone}, "status": 429}, {"reply": "good morning"})
    for _ in range(3):
        ok(m.say("talk 0", conversation_id=talks[0]))


# --- records ---

def test_the_record_says_why_this_key(many):
    m = many()
    m.model.script({"match": {"api_key": KEYS[0]}, "status": 500, "error_body": {"error": {"message": "broken today"}}},
                   {"reply": "good morning"})
    for _ in range(3):
        got = m.say()
        why = node(got)["credential"]
        if why["refused"]:
            break
    assert why["tried"] == 2 and why["refused"][0]["credential"] == KEYS[0][3:6]
    assert "broken today" in why["refused"][0]["message"] and why["name"] in {k[3:6] for k in KEYS[1:]}
    record = m.h.public.WorkflowService.GetRun({"run_id": got[0][1].task_id, "payloads": "PAYLOADS_JSON"}, token=m.key)
    assert "broken today" in "".join(n.process_data_json for n in record.nodes)
    assert not any(k in str(record) for k in KEYS)


def test_prices_and_aliases(many):
    m = many()
    m.admin.SetModel({"model": {"provider": "many", "model": "m", "upstream_model": "other-model", "prompt_unit_price": "2.5",
                                "completion_unit_price": "10", "currency": "EUR"}})
    m.model.script({"match": {"model": "other-model"}, "reply": "one two three"})
    got = m.say("four words are sent")
    assert ok(got) == "one two three"
    usage = [e.message_end.metadata.usage for n, e in got if n == "message_end"][0]
    assert (usage.prompt_tokens, usage.completion_tokens, usage.currency) == (4, 3, "EUR")
    assert (usage.prompt_price, usage.completion_price, usage.total_price) == ("0.0000100", "0.0000300", "0.0000400")
    assert {r["model"] for r in m.model.requests()} == {"other-model"}
    record = m.h.public.WorkflowService.GetRun({"run_id": got[0][1].task_id}, token=m.key)
    assert record.usage.total_price == "0.0000400"


def test_a_changed_credential_counts_from_the_next_call(many):
    m = many(KEYS[0], KEYS[1])
    m.model.script({"reply": "good morning", "first_token_ms": 500})
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(m.say) for _ in range(2)]
        wait_until(lambda: m.model.stats()["in_flight"] == 2, what="both are asked")
        m.admin.DeleteCredential({"id": m.ids[KEYS[1]]})
        m.admin.UpdateCredential({"id": m.ids[KEYS[0]], "secret": "sk-new-0123456789"})
        for call in running:
            ok(call.result())
    for _ in range(4):
        ok(m.say())
    assert m.counts() == {KEYS[0]: 1, KEYS[1]: 1, "sk-new-0123456789": 4}
    m.admin.UpdateCredential({"id": m.ids[KEYS[0]], "disabled": True})
    assert "no enabled credential" in finished(m.say()).error


# --- protocols ---

@pytest.mark.parametrize("protocol, path", [("openai", "/v1"), ("azure_openai", ""), ("anthropic", ""), ("gemini", "")])
def test_each_protocol_streams_answers_usage_and_errors(many, protocol, path):
    m = many(KEYS[0])
    root = m.model.url[:-len("/v1")]
    m.admin.UpdateCredential({"id": m.ids[KEYS[0]], "protocol": protocol, "base_url": root + path})
    m.model.script({"match": {"protocol": protocol}, "reply": "one two three", "chunk_bytes": 7})
    got = m.say("hello there")
    assert ok(got) == "one two three"
    usage = [e.message_end.metadata.usage for n, e in got if n == "message_end"][0]
    assert (usage.prompt_tokens, usage.completion_tokens) == (2, 3)
    assert m.admin.TestCredential({"id": m.ids[KEYS[0]], "model": "m"}).ok
    m.model.script({"status": 401})
    tested = m.admin.TestCredential({"id": m.ids[KEYS[0]], "model": "m"})
    assert not tested.ok and tested.http_status == 401 and tested.message and KEYS[0] not in tested.message
    end = finished(m.say())
    assert end.status == 4 and "401" in end.error


@pytest.mark.parametrize("manner", [
    {"line_end": "crlf"}, {"line_end": "cr"}, {"comments": True}, {"data_lines": 3}, {"stream_end": "no_done"}, {"usage": False},
    {"stream_end": "open"}, {"chunk_bytes": 1}, {"compress": "gzip"}, {"compress": "deflate"}, {"line_bytes": 1000000}], ids=str)
def test_a_stream_is_read_however_it_is_written(many, manner):
    m = many(KEYS[0])
    m.model.script({"reply": "one two three", **manner})
    began = time.monotonic()
    assert ok(m.say()).split() == "one two three".split()
    assert time.monotonic() - began < 10
