"""What fakellm says."""

import json

import pytest

from fakellm_server import events_of, server, shared, wait_until  # noqa: F401


@pytest.mark.parametrize("reply, words", [
    ("mocked llm response", ["mocked", " llm", " response"]),
    ("one", ["one"]),
    ("two  blanks", ["two", "  blanks"]),
    (" first", [" first"]),
    ("end ", ["end", " "]),
    ("line\nbreak \"quoted\" \\ é\U0001f600", ["line\nbreak", " \"quoted\"", " \\", " é\U0001f600"]),
    ("", []),
])
def test_a_reply_is_streamed_word_by_word(server, reply, words):
    server.script({"reply": reply})
    assert server.words() == words


def test_a_stream_has_the_events_of_openai(server):
    server.script({"reply": "a b"})
    status, headers, body = server.chat(stream=True)
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    events = events_of(body)
    assert [event["choices"] for event in events] == [
        [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": " b"}, "finish_reason": None}],
        [{"index": 0, "delta": {}, "finish_reason": "stop"}]]
    assert {(event["id"], event["object"], event["model"]) for event in events} == {
        (headers["x-request-id"], "chat.completion.chunk", "m")}
    assert not any("usage" in event for event in events)


def test_usage_comes_last_when_it_is_asked_for(server):
    server.script({"reply": "a b c"})
    events = events_of(server.chat("four words for you", stream=True, stream_options={"include_usage": True})[2])
    assert events[-1]["choices"] == []
    assert events[-1]["usage"] == {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}
    assert all(event["usage"] is None for event in events[:-1])


def test_a_reply_without_stream_is_one_body(server):
    server.script({"reply": "a b c"})
    status, headers, body = server.chat("two words")
    answer = json.loads(body)
    assert (status, headers["content-type"], answer["object"]) == (200, "application/json", "chat.completion")
    assert answer["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "a b c"}, "finish_reason": "stop"}]
    assert answer["usage"] == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


@pytest.mark.parametrize("messages, reply", [
    ([{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"},
      {"role": "user", "content": "three"}, {"role": "system", "content": "four"}], "You said: three"),
    ([{"role": "user", "content": [{"type": "text", "text": "part"}, {"type": "image_url", "image_url": {}},
                                   {"type": "text", "text": "two"}]}], "You said: part\ntwo"),
    ([], "Hello! How can I help you today?"),
    ([{"role": "system", "content": "be kind"}], "Hello! How can I help you today?"),
])
def test_the_default_reply_echoes_the_last_user_message(server, messages, reply):
    body = json.loads(server.chat(messages=messages)[2])
    assert body["choices"][0]["message"]["content"] == reply
    assert "".join(server.words(messages=messages)) == reply


@pytest.mark.parametrize("prompt", ["one two", ["zero", "one two"]])
def test_text_completions_are_answered(server, prompt):
    answer = json.loads(server.call("POST", "/v1/completions", {"prompt": prompt})[2])
    assert (answer["object"], answer["choices"][0]["text"]) == ("text_completion", "You said: one two")
    events = events_of(server.call("POST", "/v1/completions", {"prompt": prompt, "stream": True})[2])
    assert [event["choices"][0]["text"] for event in events] == ["You", " said:", " one", " two", ""]
    assert events[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("reply, words", [(" a b", [" a", " b"]), ("a b", ["a", " b"]), ("a ", ["a", " "])])
def test_a_reply_is_repeated_as_it_stands(server, reply, words):
    server.script({"reply": reply, "repeat": 3})
    assert server.words() == words * 3
    assert json.loads(server.chat()[2])["choices"][0]["message"]["content"] == reply * 3


def test_a_long_burst_arrives_whole(server):
    server.script({"reply": " word", "repeat": 100000})
    assert server.words() == [" word"] * 100000
    wait_until(lambda: server.stats()["completed"] == 1)
    assert server.requests()[0]["chunks_sent"] == 100000


def test_models_lists_those_the_script_names(server):
    server.script({"match": {"model": "a"}}, {"match": {"model": "b"}}, {"match": {"model": "a"}}, {})
    body = json.loads(server.call("GET", "/v1/models")[2])
    assert [model["id"] for model in body["data"]] == ["fake-model", "a", "b"]
