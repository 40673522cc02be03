"""Conversations over several turns through the real binaries: history, variables, whose they are."""
import concurrent.futures
import uuid

import grpc
import pytest

from conftest import wait_until
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


ECHO = """
app: {mode: advanced-chat, name: echo}
kind: app
version: 0.3.1
workflow:
  features: {}
  graph:
    nodes:
      - {id: start, type: custom, data: {type: start, title: Start, variables: []}}
      - {id: answer, type: custom, data: {type: answer, title: Answer, answer: "yes"}}
    edges:
      - {source: start, target: answer}
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


# --- what is kept of them ---

def conversations(heddle, key, user="u-1", **fields):
    return heddle.public.ConversationService.ListConversations({"user": user, **fields}, token=key)


def messages(heddle, key, conversation, user="u-1", **fields):
    return heddle.public.ConversationService.ListMessages(
        {"user": user, "conversation_id": conversation, "payloads": "PAYLOADS_JSON", **fields}, token=key)


@pytest.fixture
def own(heddle):
    """A key of an app that no other test has used."""
    return heddle.app(CHATFLOW)[1]


def test_messages_are_what_was_said(heddle, own):
    _, conversation = say(heddle, own, "a")
    say(heddle, own, "b", conversation)
    page = messages(heddle, own, conversation)
    assert [(m.query, m.answer) for m in page.messages] == [("a", "re:a 1 - a"), ("b", "re:b 2 - a\n- b")]
    first, second = page.messages
    assert (first.parent_message_id, second.parent_message_id) == ("", first.message_id)
    assert first.conversation_id == second.conversation_id == conversation and not page.next_page_token
    for m in page.messages:
        run = heddle.public.WorkflowService.GetRun({"run_id": m.run_id}, token=own)
        assert (run.message_id, run.status, m.status) == (m.message_id, 2, 2)
        assert m.usage == run.usage and m.usage.total_tokens > 0
        assert m.inputs_json == "{}" and not m.error and m.finished_at_ms >= m.created_at_ms > 0


def test_pages_of_messages_go_back_in_time(heddle, own):
    _, conversation = say(heddle, own, "q0")
    for i in range(1, 7):
        say(heddle, own, f"q{i}", conversation)
    seen, token = [], ""
    while True:
        page = messages(heddle, own, conversation, page_size=3, page_token=token)
        seen.append([m.query for m in page.messages])
        token = page.next_page_token
        if not token:
            break
        assert token == page.messages[0].message_id
    assert seen == [["q4", "q5", "q6"], ["q1", "q2", "q3"], ["q0"]]


def test_a_page_of_long_messages_stays_below_what_clients_take(heddle):
    key = heddle.app(ECHO)[1]
    heddle.model.reset()
    conversation = ""
    for i in range(6):
        got = events(heddle.public.ChatService.SendMessage(
            {"query": f"{i}" + "x" * 900000, "user": "u-1", "conversation_id": conversation, "events": "EVENTS_FINAL"}, token=key))
        conversation = got[0][1].conversation_id
    seen, token = [], ""
    while True:
        page = messages(heddle, key, conversation, page_token=token)
        assert 0 < page.ByteSize() <= (3 << 20) + 100
        seen = [m.query[0] for m in page.messages] + seen
        token = page.next_page_token
        if not token:
            break
    assert seen == list("012345")


def test_conversations_are_listed_in_the_order_asked_for(heddle, own):
    ids = [say(heddle, own, q)[1] for q in ("first words", "second words", "third words")]
    say(heddle, own, "again", ids[0])
    say(heddle, own, "somebody else's", user="u-2")
    for order, expected in (("SORT_BY_UPDATED_AT_DESC", [0, 2, 1]), ("SORT_BY_UPDATED_AT", [1, 2, 0]),
                            ("SORT_BY_CREATED_AT_DESC", [2, 1, 0]), ("SORT_BY_CREATED_AT", [0, 1, 2])):
        want, seen, token = [ids[i] for i in expected], [], ""
        while True:
            page = conversations(heddle, own, sort_by=order, page_size=2, page_token=token)
            seen += [c.conversation_id for c in page.conversations]
            token = page.next_page_token
            if not token:
                break
        assert seen == want, order
    named = {c.conversation_id: c.name for c in conversations(heddle, own).conversations}
    assert named == dict(zip(ids, ("first words", "second words", "third words")))
    assert len(conversations(heddle, own, user="nobody").conversations) == 0


def test_a_conversation_is_renamed_and_named_after_its_first_message_again(heddle, own):
    _, conversation = say(heddle, own, "w" * 60)
    rename = heddle.public.ConversationService.RenameConversation
    base = {"user": "u-1", "conversation_id": conversation}
    assert conversations(heddle, own).conversations[0].name == "w" * 47 + "..."
    assert rename({**base, "name": " My talk "}, token=own).name == "My talk"
    assert conversations(heddle, own).conversations[0].name == "My talk"
    assert rename({**base, "auto_generate": True}, token=own).name == "w" * 47 + "..."
    for fields in ({}, {"name": "  "}, {"name": "n" * 300}):
        assert failure(rename, {**base, **fields}, token=own).details["BadRequest"]["fields"] == ["name"]


def test_a_deleted_conversation_is_gone(heddle, own):
    _, conversation = say(heddle, own, "a")
    _, other = say(heddle, own, "b")
    run_id = messages(heddle, own, conversation).messages[0].run_id
    delete = heddle.public.ConversationService.DeleteConversation
    delete({"user": "u-1", "conversation_id": conversation}, token=own)
    assert [c.conversation_id for c in conversations(heddle, own).conversations] == [other]
    for call in (lambda: messages(heddle, own, conversation), lambda: variables(heddle, own, conversation),
                 lambda: delete({"user": "u-1", "conversation_id": conversation}, token=own),
                 lambda: say(heddle, own, "c", conversation)):
        refused = failure(call)
        assert (refused.code.name, refused.reason) == ("NOT_FOUND", "CONVERSATION_NOT_FOUND")
    assert heddle.public.WorkflowService.GetRun({"run_id": run_id}, token=own).status == 2  # its run is a record of its own


def variables(heddle, key, conversation, user="u-1", **fields):
    return heddle.public.ConversationService.ListVariables(
        {"user": user, "conversation_id": conversation, **fields}, token=key)


def test_variables_are_listed_as_they_stand(heddle, own):
    _, conversation = say(heddle, own, "a")
    say(heddle, own, "b", conversation)
    listed = variables(heddle, own, conversation).variables
    assert {(v.name, v.value_type, v.value) for v in listed} == {
        ("seen", "number", "2"), ("said", "array[string]", '["a","b"]')}
    assert [v.name for v in variables(heddle, own, conversation, variable_name="said").variables] == ["said"]
    assert len(variables(heddle, own, conversation, variable_name="none").variables) == 0
    page = variables(heddle, own, conversation, page_size=1)
    rest = variables(heddle, own, conversation, page_size=1, page_token=page.next_page_token)
    assert [v.variable_id for v in (*page.variables, *rest.variables)] == [v.variable_id for v in listed]
    assert all(v.updated_at_ms >= v.created_at_ms > 0 for v in listed)


def test_nobody_else_sees_a_conversation(heddle, own):
    _, conversation = say(heddle, own, "a")
    service = heddle.public.ConversationService
    other = heddle.app(CHATFLOW)[1]
    for key, user, wanted in ((own, "u-2", conversation), (other, "u-1", conversation), (own, "u-1", str(uuid.uuid4()))):
        request = {"user": user, "conversation_id": wanted}
        for call, fields in ((service.ListMessages, {}), (service.ListVariables, {}), (service.RenameConversation, {"name": "x"}),
                             (service.DeleteConversation, {})):
            refused = failure(call, {**request, **fields}, token=key)
            assert (refused.code.name, refused.reason) == ("NOT_FOUND", "CONVERSATION_NOT_FOUND")
        assert conversation not in [c.conversation_id for c in conversations(heddle, key, user).conversations] or user == "u-1"
    for call in (service.ListMessages, service.ListVariables, service.RenameConversation, service.DeleteConversation):
        named = failure(call, {"user": "u-1", "conversation_id": "no id"}, token=own).details["BadRequest"]["fields"]
        assert named == ["conversation_id"]
        assert failure(call, {"conversation_id": conversation}, token=own).details["BadRequest"]["fields"] == ["user"]
    assert failure(conversations, heddle, own, page_token="x").details["BadRequest"]["fields"] == ["page_token"]


def test_a_turn_follows_the_message_it_names(heddle, own):
    """A tree: two answers to the first turn, each with its own history."""
    _, conversation = say(heddle, own, "root")
    root = messages(heddle, own, conversation).messages[0].message_id

    def follow(query, parent):
        heddle.model.script({"reply": f"re:{query}"})
        got = events(heddle.public.ChatService.SendMessage(
            {"query": query, "user": "u-1", "conversation_id": conversation, "parent_message_id": parent}, token=own))
        return got[0][1].message_id

    left, right = follow("left", root), follow("right", root)
    sent = [m["content"] for m in heddle.model.requests()[-1]["body"]["messages"] if m["role"] == "user"]
    assert sent == ["root", "right"]
    deeper = follow("deeper", left)
    sent = [m["content"] for m in heddle.model.requests()[-1]["body"]["messages"] if m["role"] == "user"]
    assert sent == ["root", "left", "deeper"]
    parents = {m.message_id: m.parent_message_id for m in messages(heddle, own, conversation).messages}
    assert parents == {root: "", left: root, right: root, deeper: left}
    refused = failure(follow, "x", str(uuid.uuid4()))
    assert (refused.code.name, refused.reason) == ("NOT_FOUND", "MESSAGE_NOT_FOUND")


def test_two_turns_at_once_are_both_kept(heddle, own):
    _, conversation = say(heddle, own, "a")
    heddle.model.script({"reply": "slow answer", "first_token_ms": 150})

    def turn(query):
        return answer(events(heddle.public.ChatService.SendMessage(
            {"query": query, "user": "u-1", "conversation_id": conversation}, token=own)))

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        said = list(pool.map(turn, ("b", "c")))
    page = messages(heddle, own, conversation).messages
    assert {m.query: m.answer for m in page[1:]} == dict(zip(("b", "c"), said)) and len(page) == 3


def test_conversations_outlive_both_processes(fresh):
    h = fresh()
    key = h.app(CHATFLOW)[1]
    _, conversation = say(h, key, "a")
    for process, start in ((h.gateway, h.start_gateway), (h.executor, h.start_executor)):
        assert process.stop() == 0
        start()

    def again():
        try:
            return say(h, key, "b", conversation)[0]
        except grpc.RpcError as error:
            assert error.code().name == "UNAVAILABLE"
            return None

    assert wait_until(again, what="both processes serve") == "re:b 2 - a\n- b"
    sent = [m["content"] for m in h.model.requests()[-1]["body"]["messages"]]
    assert sent == ["turn 2", "a", "re:a 1 - a", "b"]
