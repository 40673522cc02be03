"""Which rule answers, and how scripts are read."""

import json

import pytest

from fakellm_server import events_of, server, server_with, shared, words_of  # noqa: F401


def test_the_first_rule_that_matches_answers(server):
    server.script({"match": {"model": "m", "api_key": "k1"}, "reply": "one"},
                  {"match": {"contains": "weather"}, "reply": "two"},
                  {"match": {"api_key": "k1"}, "reply": "three"},
                  {"match": {"model": "n"}, "reply": "four"})
    assert server.words(key="k1") == ["one"]
    assert server.words("the weather today", key="k2") == ["two"]
    assert server.words("the weather today", key="k1", model="n") == ["two"]
    assert server.words(key="k1", model="n") == ["three"]
    assert server.words(model="n") == ["four"]
    assert server.words("other") == ["You", " said:", " other"]
    assert [request["rule"] for request in server.requests()] == [0, 1, 1, 2, 3, None]


CALLS = [{"name": "add", "arguments": {"a": 1, "b": "x y"}}, {"name": "now", "arguments": "not  {JSON"}]
CALLED = [("call_0", "add", '{"a":1,"b":"x y"}'), ("call_1", "now", "not  {JSON")]


def called(calls):
    return [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls]


@pytest.mark.parametrize("rule, content, reason", [
    ({}, None, "tool_calls"),
    ({"reply": "let me see", "finish_reason": "stop"}, "let me see", "stop"),
])
def test_tools_are_called(server, rule, content, reason):
    server.script({"tool_calls": CALLS, **rule})
    body = json.loads(server.chat()[2])
    choice = body["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (content, reason)
    assert called(choice["message"]["tool_calls"]) == CALLED
    assert body["usage"]["completion_tokens"] == len((content or "").split()) + 6

    events = events_of(server.chat(stream=True)[2])
    assert "".join(words_of(events)) == (content or "")
    assert events[-1]["choices"][0]["finish_reason"] == reason
    calls = {}
    pieces = [call for event in events for call in event["choices"][0]["delta"].get("tool_calls", [])]
    assert len(pieces) == 6
    for piece in pieces:
        if "id" in piece:
            assert piece["function"]["arguments"] == ""
            calls[piece["index"]] = piece
        else:
            calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
    assert called(calls[i] for i in sorted(calls)) == CALLED


def test_a_completion_calls_no_tools(server):
    server.script({"reply": "a b", "tool_calls": CALLS})
    body = json.loads(server.chat(path="/v1/completions", prompt="x")[2])
    assert body["choices"][0] == {"text": "a b", "index": 0, "logprobs": None, "finish_reason": "stop"}


@pytest.mark.parametrize("stream", [False, True])
def test_the_finish_reason_is_as_scripted(server, stream):
    server.script({"reply": "cut", "finish_reason": "length"})
    body = server.chat(stream=stream)[2]
    last = events_of(body)[-1] if stream else json.loads(body)
    assert last["choices"][0]["finish_reason"] == "length"


def test_rules_look_for_tools_and_formats(server):
    server.script({"match": {"tools": True}, "reply": "tools"},
                  {"match": {"response_format": True, "tools": False}, "reply": "format"},
                  {"match": {"response_format": False}, "reply": "neither"})
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert server.words(tools=tools) == ["tools"]
    assert server.words(tools=tools, response_format={"type": "json_object"}) == ["tools"]
    assert server.words(tools=[], response_format={"type": "json_object"}) == ["format"]
    assert server.words() == ["neither"]


def test_a_script_file_and_options_are_read(tmp_path):
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"match": {"model": "x"}, "status": 503}, {"match": {"model": "y"}, "repeat": 2}]))
    with server_with("--script", str(script), "--reply", "default", "--burst") as own:
        assert own.chat(model="x")[0] == 503
        assert own.words(model="y") == ["default", "default"]
        assert own.words(model="z") == ["default"]
        own.script()
        assert own.chat(model="x")[0] == 200
        own.call("POST", "/control/reset")
        assert own.chat(model="x")[0] == 503


@pytest.mark.parametrize("body, message", [
    (b"", "script: is empty"),
    (b"[{]", "script: is not JSON"),
    (b"[] []", "script: is not JSON"),
    (b"{}", "script: must be a list of rules"),
    (b"[1]", "rule 0: rule: must be an object"),
    (b'[{},{"replay":"x"}]', "rule 1: replay: no such field"),
    (b'[{"match":{"reply":"x"}}]', "rule 0: reply: no such field in match"),
    (b'[{"reply":1}]', "rule 0: reply: must be a string"),
    (b'[{"repeat":0}]', "rule 0: repeat: must be from 1 to 1000000"),
    (b'[{"repeat":1.5}]', "rule 0: repeat: must be a whole number"),
    (b'[{"match":{"tools":1}}]', "rule 0: tools: must be true or false"),
    (b'[{"tool_calls":{}}]', "rule 0: tool_calls: must be a list of at most 128 calls"),
    (b'[{"tool_calls":[{"name":"f"}]}]', "rule 0: tool_calls: a call is {\"name\": text, \"arguments\": …}"),
    (b'[{"finish_reason":null}]', "rule 0: finish_reason: must be a string"),
    (b'[{"status":302}]', "rule 0: status: must be 200, or an error from 400 to 599"),
])
def test_a_wrong_script_is_refused_and_the_old_one_stays(server, body, message):
    server.script({"reply": "old"})
    status, _, answer = server.call("POST", "/control/script", body)
    assert (status, json.loads(answer)["error"]["message"]) == (400, message)
    assert server.words() == ["old"]


@pytest.mark.parametrize("status, code", [
    (401, "invalid_api_key"), (404, "model_not_found"), (429, "rate_limit_exceeded"), (400, None), (500, None)])
def test_an_error_status_has_the_body_openai_sends(server, status, code):
    server.script({"status": status})
    for is_stream in (True, False):
        got, headers, body = server.chat(stream=is_stream)
        error = json.loads(body)["error"]
        assert (got, headers["content-type"], error["code"]) == (status, "application/json", code)
        assert error["message"] and error["type"]


@pytest.mark.parametrize("error_body, content_type, body", [
    ({"detail": ["x", 1]}, "application/json", b'{"detail":["x",1]}'),
    ("<html>bad gateway</html>", "text/plain; charset=utf-8", b"<html>bad gateway</html>"),
])
def test_an_error_body_is_sent_as_scripted(server, error_body, content_type, body):
    server.script({"status": 502, "error_body": error_body})
    status, headers, got = server.chat()
    assert (status, headers["content-type"], got) == (502, content_type, body)
