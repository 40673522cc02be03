"""Real exports give their stated outcomes through gateway and executor (the folder's MANIFEST.md says which)."""
import json

import pytest

from conftest import SOURCE
from heddle import answer, events, finished

T = "mocked llm response"


def run(heddle, dsl, inputs, query=None):
    app, key = heddle.app(dsl)
    if query is None:
        stream = heddle.public.WorkflowService.RunWorkflow({"inputs": inputs, "user": "u-1", "payloads": "PAYLOADS_JSON"}, token=key)
    else:
        stream = heddle.public.ChatService.SendMessage(
            {"query": query, "inputs": inputs, "user": "u-1", "payloads": "PAYLOADS_JSON"}, token=key)
    got = events(stream)
    assert got[-1][0] == "workflow_finished", got[-2:]
    return got


def outputs(got):
    end = finished(got)
    assert end.status == 2, end
    return json.loads(end.outputs_json)


@pytest.mark.parametrize("query", ["hello world", "", "日本語 🧵", "line\nbreak"])
def test_passthrough_returns_its_input(heddle, exports, query):
    got = run(heddle, exports("dify-fixtures/simple_passthrough_workflow.yml"), {"query": query})
    assert outputs(got) == {"query": query}


@pytest.mark.parametrize("query,branch", [("hello world", "true"), ("hello123", "true"), ("say hello", "true"),
                                          ("Hello world", "false"), ("HELLO", "false"), ("helo", "false"), ("", "false")])
def test_if_else_takes_the_branch_of_contains(heddle, exports, query, branch):
    got = run(heddle, exports("dify-fixtures/conditional_hello_branching_workflow.yml"), {"query": query})
    assert outputs(got) == {branch: query}


def test_llm_workflow_returns_the_model_text(heddle, exports):
    heddle.model.script({"reply": T})
    assert outputs(run(heddle, exports("dify-fixtures/basic_llm_chat_workflow.yml"), {"query": "hi"})) == {"answer": T}


def test_failing_model_fails_the_run_and_names_the_cause(heddle, exports):
    heddle.model.script({"status": 400, "error_body": {"error": {"message": "no such thing"}}})
    end = finished(run(heddle, exports("dify-fixtures/basic_llm_chat_workflow.yml"), {"query": "hi"}))
    assert end.status == 4 and "no such thing" in end.error and end.end_reason == 2


def test_chatflow_streams_word_by_word_in_the_order_of_events(heddle, exports):
    heddle.model.script({"reply": T, "tokens_per_second": 50})
    got = run(heddle, exports("dify-fixtures/basic_chatflow.yml"), {}, query="hi")
    assert answer(got) == T
    names = [name for name, _ in got]
    shape = [n for i, n in enumerate(names) if n != "ping" and not (n == "message" and names[i - 1] == "message")]
    assert shape == ["workflow_started", "node_started", "node_finished", "node_started", "message", "node_finished",
                     "node_started", "node_finished", "message_end", "workflow_finished"]
    assert len([n for n in names if n == "message"]) >= 3
    sequences = [e.sequence for _, e in got]
    assert sequences == sorted(set(sequences))
    offset = 0
    for name, event in got:
        if name == "message":
            assert event.message.offset == offset
            offset += len(event.message.answer.encode())


def test_answer_around_the_query_comes_before_start_has_succeeded(heddle, exports):
    got = run(heddle, exports("dify-fixtures/answer_end_with_text.yml"), {}, query="Hello, AI!")
    assert answer(got) == "prefixHello, AI!suffix"
    names = [name for name, _ in got]
    assert names.index("message") > names.index("node_started")
    assert max(i for i, n in enumerate(names) if n == "message") < names.index("node_finished")


@pytest.mark.parametrize("query,expected", [("hello there", "contains 'hello'" + T), ("good day", T)])
def test_branch_beside_a_parallel_model_call(heddle, exports, query, expected):
    heddle.model.script({"reply": T})
    assert answer(run(heddle, exports("dify-fixtures/test_complex_branch.yml"), {}, query=query)) == expected


@pytest.mark.parametrize("choice,key", [("True", "text_2"), ("False", "text")])
def test_legacy_if_else_on_a_select_input(heddle, exports, choice, key):
    heddle.model.script({"reply": T})
    dsl = exports("dify-recommended/sentiment-analysis.yml")
    got = run(heddle, dsl, {"input_text": "fine", "Multisentiment": choice, "Categories": "a,b"})
    assert outputs(got) == {key: T}


@pytest.mark.parametrize("country,calls", [("", 3), ("Norway", 3)])
def test_reflective_translation_joins_its_branches(heddle, exports, country, calls):
    heddle.model.script({"reply": T})
    dsl = exports("awesome-dify-workflow/translation_workflow.yml")
    inputs = {"source_lang": "English", "target_lang": "Norwegian", "source_text": "hi", "country": country}
    assert T in outputs(run(heddle, dsl, inputs)).values()
    assert len(heddle.model.requests()) == calls


@pytest.mark.parametrize("blocking,first", [(1, "query"), (2, "query")])
def test_two_ends_one_streams_the_model_one_a_template(heddle, exports, blocking, first):
    heddle.model.script({"reply": T, "first_token_ms": 150})
    dsl = exports("dify-fixtures/conditional_streaming_vs_template_workflow.yml")
    got = run(heddle, dsl, {"query": "Hello, how are you?", "blocking": blocking})
    chunks = [e.text_chunk.text for name, e in got if name == "text_chunk"]
    assert chunks[:2] == ["Hello, how are you?", "\n"]
    if blocking == 1:
        assert len(chunks) == 3
    else:
        assert "".join(chunks[2:]) == T


@pytest.mark.parametrize("name", ["support-chat", "summarise"])
def test_our_own_examples_run(heddle, name):
    heddle.model.script({"reply": T})
    dsl = (SOURCE / "deploy" / "examples" / f"{name}.yml").read_text()
    if name == "support-chat":
        assert answer(run(heddle, dsl, {"tone": "brief"}, query="What is it?")) == T
        assert "one sentence" in heddle.model.requests()[-1]["body"]["messages"][0]["content"]
    else:
        assert outputs(run(heddle, dsl, {"text": "A long text."})) == {"heading": "Summary (English)", "summary": T}
