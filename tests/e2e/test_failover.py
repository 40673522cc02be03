"""One provider refuses: the next credential answers, and nobody notices. The fake model's own count is the witness."""
import collections

import pytest

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
          model: {provider: many, name: m, mode: chat, completion_params: {}}
          prompt_template: [{role: user, text: "{{#sys.query#}}"}]
          context: {enabled: false, variable_selector: []}
          vision: {enabled: false}
      - {id: answer, type: custom, data: {type: answer, title: Answer, answer: "{{#model.text#}}"}}
    edges:
      - {source: start, target: model}
      - {source: model, target: answer}
"""
KEYS = ["sk-one-0123456789", "sk-two-0123456789", "sk-three-0123456789"]


@pytest.fixture
def many(fresh):
    h = fresh()
    for key in KEYS:
        h.admin.AdminService.CreateCredential(
            {"provider": "many", "name": key[3:6], "base_url": h.model.url, "secret": key})
    return h, h.app(CHATFLOW)[1]


def say(h, key):
    return events(h.public.ChatService.SendMessage({"query": "hi", "user": "u-1"}, token=key))


def by_key(h):
    return collections.Counter(r["key"] for r in h.model.requests())


@pytest.mark.parametrize("refusal", [
    {"status": 429}, {"status": 500}, {"status": 503}, {"status": 401}, {"status": 402}, {"break_after": 0}])
def test_a_credential_that_refuses_is_passed_over_and_rests(many, refusal):
    h, key = many
    h.model.script({"match": {"api_key": KEYS[0]}, "reply": "never", **refusal}, {"reply": "good morning"})
    for _ in range(12):
        got = say(h, key)
        assert answer(got) == "good morning" and finished(got).status == 2
    counts = by_key(h)
    assert counts[KEYS[0]] == 1 and counts[KEYS[1]] + counts[KEYS[2]] == 12
    assert abs(counts[KEYS[1]] - counts[KEYS[2]]) <= 2
    assert "credential_rests" in h.executor.text() and KEYS[0] not in h.executor.text()


def test_when_all_refuse_the_node_fails_and_says_what_each_said(many):
    h, key = many
    h.model.script({"status": 429})
    end = finished(say(h, key))
    assert end.status == 4 and end.error.count("429") == 3
    assert all(name[3:6] in end.error for name in KEYS) and not any(k in end.error for k in KEYS)
    assert by_key(h) == {k: 1 for k in KEYS}


def test_after_the_first_text_nothing_is_sent_again(many):
    h, key = many
    h.model.script({"reply": "one two three four", "break_after": 2})
    end = finished(say(h, key))
    assert end.status == 4 and sum(by_key(h).values()) == 1


def test_what_is_wrong_with_the_request_is_not_asked_again(many):
    h, key = many
    h.model.script({"status": 400, "error_body": {"error": {"message": "no such parameter"}}})
    end = finished(say(h, key))
    assert end.status == 4 and "no such parameter" in end.error and sum(by_key(h).values()) == 1


def test_a_lone_credential_is_asked_although_it_rests(fresh):
    h = fresh()
    h.admin.AdminService.CreateCredential({"provider": "many", "name": "only", "base_url": h.model.url, "secret": KEYS[0]})
    _, key = h.app(CHATFLOW)
    h.model.script({"status": 429})
    assert finished(say(h, key)).status == 4
    h.model.script({"reply": "again"})
    assert answer(say(h, key)) == "again"
