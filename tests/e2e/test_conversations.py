"""Conversations over several turns through the real binaries: history, variables, whose they are."""
import uuid

import pytest

from heddle import answer, events, failure

CHATFLOW = """
app: {mode: advanced-chat, name: talk}
kind: app
version: 0.3.1
workflow:
  conversation_variables:
    - {name: seen, value_type: number, value: 0}
    - {name: said, value_type: 'array[string]', value: []}
  features: {}
  graph:
    nodes:
      - {id: start, type: custom, data: {type: start, title: Start, variables: []}}
      - id: note
        type: custom
        data:
          type: assigner
          title: Note
          version: '2'
          items:
            - {variable_selector: [conversation, seen], input_type: constant, operation: '+=', value: 1}
            - {variable_selector: [conversation, said], input_type: variable, operation: append, value: [sys, query]}
      - id: model
        type: custom
        data:
          type: llm
          title: Model
          model: {provider: openai, name: gpt-4o-mini, mode: chat, completion_params: {}}
          prompt_template: [{role: system, text: "turn {{#sys.dialogue_count#}}"}]
          memory: {window: {enabled: true, size: 2}, query_prompt_template: ''}
          context: {enabled: false, variable_selector: []}
          vision: {enabled: false}
      - {id: answer, type: custom, data: {type: answer, title: Answer, answer: "{{#model.text#}} {{#conversation.seen#}} {{#conversation.said#}}"}}
    edges:
      - {source: start, target: note}
      - {source: note, target: model}
      - {source: model, target: answer}
"""


@pytest.fixture(scope="module")
def chat(heddle):
    return heddle.app(CHATFLOW)[1]


def say(heddle, key, query, conversation="", user="u-1"):
    heddle.model.script({"reply": f"re:{query}"})
    got = events(heddle.public.ChatService.SendMessage(
        {"query": query, "user": user, "conversation_id": conversation}, token=key))
    return answer(got), got[0][1].conversation_id


def test_a_conversation_keeps_its_variables_and_shows_the_model_its_history(heddle, chat):
    text, conversation = say(heddle, chat, "a")
    assert text == "re:a 1 - a"
    texts = [say(heddle, chat, q, conversation) for q in ("b", "c", "d")]
    assert texts == [("re:b 2 - a\n- b", conversation), ("re:c 3 - a\n- b\n- c", conversation),
                     ("re:d 4 - a\n- b\n- c\n- d", conversation)]
    sent = heddle.model.requests()[-1]["body"]["messages"]
    assert [(m["role"], m["content"]) for m in sent] == [
        ("system", "turn 4"),
        ("user", "b"), ("assistant", "re:b 2 - a\n- b"), ("user", "c"), ("assistant", "re:c 3 - a\n- b\n- c"),
        ("user", "d")]


def test_conversations_do_not_know_each_other(heddle, chat):
    _, one = say(heddle, chat, "a")
    text, two = say(heddle, chat, "x")
    assert text == "re:x 1 - x" and one != two
    assert say(heddle, chat, "b", one)[0] == "re:b 2 - a\n- b"


def test_only_who_began_a_conversation_goes_on_with_it(heddle, chat):
    _, mine = say(heddle, chat, "a")
    other = heddle.app(CHATFLOW)[1]
    for key, user, conversation in ((chat, "u-2", mine), (other, "u-1", mine), (chat, "u-1", str(uuid.uuid4()))):
        refused = failure(say, heddle, key, "b", conversation, user)
        assert (refused.code.name, refused.reason) == ("NOT_FOUND", "CONVERSATION_NOT_FOUND")
    assert failure(say, heddle, chat, "b", "no-id").details["BadRequest"]["fields"] == ["conversation_id"]
    assert say(heddle, chat, "b", mine)[0] == "re:b 2 - a\n- b"


def test_a_turn_that_failed_keeps_what_it_had_set(heddle, chat):
    _, conversation = say(heddle, chat, "a")
    heddle.model.script({"status": 400, "error_body": {"error": {"message": "no"}}})
    events(heddle.public.ChatService.SendMessage(
        {"query": "b", "user": "u-1", "conversation_id": conversation}, token=chat))
    assert say(heddle, chat, "c", conversation)[0] == "re:c 3 - a\n- b\n- c"
