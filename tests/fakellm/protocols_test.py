"""The APIs of other providers: Azure's OpenAI, Anthropic's Messages, Gemini's generateContent."""

import json

import pytest

from fakellm_server import events_of, server, shared, words_of  # noqa: F401

AZURE = "/openai/deployments/gpt%204/chat/completions?api-version=2024-10-21"
GEMINI = "/v1beta/models/m:generateContent"
GEMINI_STREAM = "/v1beta/models/m:streamGenerateContent?alt=sse"
VERSION = {"anthropic-version": "2023-06-01"}
CALLS = [{"name": "add", "arguments": {"a": 1, "b": "x y"}}, {"name": "now", "arguments": {}}]


def anthropic(server, text="hello", key="sk-ant", headers=VERSION, **fields):
    body = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": text}], **fields}
    status, head, answer = server.call("POST", "/v1/messages", body, {"x-api-key": key, **headers})
    return status, head, answer


def anthropic_events(body):
    events = []
    for event in body.decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        value = json.loads(data.removeprefix("data: "))
        assert name == "event: " + value["type"]
        events.append(value)
    return events


def gemini(server, text="hello", path=GEMINI, key="AIza", **fields):
    body = {"contents": [{"role": "user", "parts": [{"text": text}]}], **fields}
    return server.call("POST", path, body, {"x-goog-api-key": key})


def gemini_events(body):
    events = body.decode().split("\r\n\r\n")
    assert events[-1] == ""
    return [json.loads(event.removeprefix("data: ")) for event in events[:-1]]


# ---- Azure ----

def test_azure_names_its_model_in_the_path(server):
    server.script({"match": {"model": "gpt 4", "api_key": "az", "protocol": "azure_openai"}, "reply": "a b"})
    for headers in ({"api-key": "az"}, {"authorization": "Bearer az"}):
        status, _, body = server.call("POST", AZURE, {"messages": []}, headers)
        answer = json.loads(body)
        assert (status, answer["model"], answer["choices"][0]["message"]["content"]) == (200, "gpt 4", "a b")
    request = server.requests()[0]
    assert (request["path"], request["protocol"], request["model"], request["key"]) == (
        "/openai/deployments/gpt%204/chat/completions", "azure_openai", "gpt 4", "az")


def test_azure_streams_begin_with_what_its_filter_says(server):
    server.script({"reply": "a b"})
    body = server.call("POST", AZURE, {"messages": [], "stream": True})[2]
    events = events_of(body)
    assert (events[0]["choices"], "prompt_filter_results" in events[0]) == ([], True)
    assert words_of(events) == ["a", " b"]
    assert all(choice["content_filter_results"] == {} for event in events[1:] for choice in event["choices"])


@pytest.mark.parametrize("path, status", [
    ("/openai/deployments/d/chat/completions", 404),
    ("/openai/deployments/d/chat/completions?api-version=", 404),
    ("/openai/deployments//chat/completions?api-version=1", 404),
    ("/openai/deployments/a/b/chat/completions?api-version=1", 404),
    ("/openai/deployments/%zz/chat/completions?api-version=1", 404),
    ("/openai/deployments/d/completions?a=b&api-version=1", 200),
    ("/openai/v1/chat/completions", 200),
])
def test_azure_wants_its_version(server, path, status):
    assert server.call("POST", path, {"prompt": "x"})[0] == status


def test_azure_errors_have_a_code_and_a_message(server):
    server.script({"status": 429, "headers": {"retry-after": "6"}})
    error = json.loads(server.call("POST", AZURE, {})[2])["error"]
    assert (sorted(error), error["code"]) == (["code", "message"], "429")
    assert "retry after 6 seconds" in error["message"]


# ---- Anthropic ----

def test_anthropic_streams_the_events_of_a_message_in_their_order(server):
    server.script({"reply": "a b"})
    status, headers, body = anthropic(server, "one two", stream=True)
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    events = anthropic_events(body)
    assert [event["type"] for event in events] == [
        "message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta",
        "content_block_stop", "message_delta", "message_stop"]
    message = events[0]["message"]
    assert (message["role"], message["content"], message["stop_reason"]) == ("assistant", [], None)
    assert message["usage"]["input_tokens"] == 2
    assert events[1]["content_block"] == {"type": "text", "text": ""}
    assert [event["delta"] for event in events[3:5]] == [
        {"type": "text_delta", "text": "a"}, {"type": "text_delta", "text": " b"}]
    assert events[6] == {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                         "usage": {"output_tokens": 2}}


def test_anthropic_thinks_and_calls_tools_in_blocks(server):
    server.script({"reasoning": "let me think", "reply": "so", "tool_calls": CALLS, "cached_tokens": 1})
    events = anthropic_events(anthropic(server, "one two", stream=True)[2])
    starts = [(event["index"], event["content_block"]) for event in events if event["type"] == "content_block_start"]
    assert starts == [(0, {"type": "thinking", "thinking": "", "signature": ""}), (1, {"type": "text", "text": ""}),
                      (2, {"type": "tool_use", "id": "toolu_0", "name": "add", "input": {}}),
                      (3, {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}})]
    assert [event["index"] for event in events if event["type"] == "content_block_stop"] == [0, 1, 2, 3]
    said = {}
    for event in events:
        if event["type"] == "content_block_delta":
            kind = event["delta"].pop("type")
            said.setdefault((event["index"], kind), []).extend(event["delta"].values())
    assert {key: "".join(pieces) for key, pieces in said.items()} == {
        (0, "thinking_delta"): "let me think", (0, "signature_delta"): "c2lnbmVk", (1, "text_delta"): "so",
        (2, "input_json_delta"): '{"a":1,"b":"x y"}', (3, "input_json_delta"): "{}"}
    assert said[(2, "input_json_delta")][0] == ""
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    assert events[0]["message"]["usage"]["cache_read_input_tokens"] == 1

    answer = json.loads(anthropic(server)[2])
    assert answer["content"] == [
        {"type": "thinking", "thinking": "let me think", "signature": "c2lnbmVk"}, {"type": "text", "text": "so"},
        {"type": "tool_use", "id": "toolu_0", "name": "add", "input": {"a": 1, "b": "x y"}},
        {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}}]
    assert answer["usage"]["output_tokens"] == events[-2]["usage"]["output_tokens"] == 3 + 1 + 3 + 2


@pytest.mark.parametrize("reason, said", [("length", "max_tokens"), ("content_filter", "refusal"), ("pause_turn", "pause_turn")])
def test_anthropic_has_words_of_its_own_for_the_end(server, reason, said):
    server.script({"finish_reason": reason})
    assert json.loads(anthropic(server)[2])["stop_reason"] == said


@pytest.mark.parametrize("status, kind, type_", [
    (400, "by_status", "invalid_request_error"), (401, "by_status", "authentication_error"),
    (402, "by_status", "billing_error"), (403, "by_status", "permission_error"), (404, "by_status", "not_found_error"),
    (413, "by_status", "request_too_large"), (429, "by_status", "rate_limit_error"), (500, "by_status", "api_error"),
    (529, "by_status", "overloaded_error"), (400, "quota", "invalid_request_error")])
def test_anthropic_errors_have_their_types(server, status, kind, type_):
    server.script({"status": status, "error_kind": kind})
    got, _, body = anthropic(server)
    answer = json.loads(body)
    assert (got, answer["type"], answer["error"]["type"]) == (status, "error", type_)
    assert ("credit balance is too low" in answer["error"]["message"]) == (kind == "quota")


def test_an_anthropic_stream_may_break_into_an_error(server):
    server.script({"reply": "a b", "status": 529, "error_after": 1})
    events = anthropic_events(anthropic(server, stream=True)[2])
    assert [event["type"] for event in events] == [
        "message_start", "content_block_start", "ping", "content_block_delta", "error"]
    assert events[-1]["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize("fields, headers, problem", [
    ({}, {}, "anthropic-version"),
    ({"max_tokens": None}, VERSION, "max_tokens"),
    ({"messages": []}, VERSION, "messages"),
    ({"messages": [{"role": "system", "content": "x"}]}, VERSION, "role"),
    ({"messages": [{"role": "user", "content": ""}]}, VERSION, "non-empty"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, VERSION, "non-empty"),
])
def test_anthropic_refuses_what_only_other_apis_take(server, fields, headers, problem):
    status, _, body = anthropic(server, headers=headers, **fields)
    error = json.loads(body)["error"]
    assert (status, error["type"], problem in error["message"]) == (400, "invalid_request_error", True)


@pytest.mark.parametrize("end, last", [("no_done", "message_delta"), ("no_finish", "content_block_stop")])
def test_an_anthropic_stream_may_lack_its_end(server, end, last):
    server.script({"stream_end": end})
    assert anthropic_events(anthropic(server, stream=True)[2])[-1]["type"] == last


# ---- Gemini ----

def test_gemini_streams_whole_answers_with_crlf(server):
    server.script({"reply": "a b", "cached_tokens": 1})
    status, headers, body = gemini(server, "one two", GEMINI_STREAM)
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    events = gemini_events(body)
    assert [event["candidates"][0]["content"] for event in events] == [
        {"parts": [{"text": text}], "role": "model"} for text in ("a", " b", "")]
    assert [event["candidates"][0].get("finishReason") for event in events] == [None, None, "STOP"]
    assert events[-1]["usageMetadata"] == {
        "promptTokenCount": 2, "candidatesTokenCount": 2, "cachedContentTokenCount": 1, "totalTokenCount": 4}
    assert {event["modelVersion"] for event in events} == {"m"}
    request = server.requests()[0]
    assert (request["protocol"], request["model"], request["key"], request["stream"]) == ("gemini", "m", "AIza", True)


@pytest.mark.parametrize("path", [GEMINI, GEMINI.replace("v1beta", "v1")])
def test_gemini_thinks_and_calls_functions(server, path):
    server.script({"reasoning": "hm hm", "reply": "so", "tool_calls": CALLS})
    parts = [{"text": "so"}, {"functionCall": {"name": "add", "args": {"a": 1, "b": "x y"}}},
             {"functionCall": {"name": "now", "args": {}}}]
    answer = json.loads(gemini(server, path=path)[2])
    assert answer["candidates"][0]["content"]["parts"] == [{"text": "hm hm", "thought": True}, *parts]
    usage = answer["usageMetadata"]
    assert (usage["thoughtsTokenCount"], usage["candidatesTokenCount"], usage["totalTokenCount"]) == (2, 6, 9)
    events = gemini_events(gemini(server, path=GEMINI_STREAM)[2])
    assert [part for event in events for part in event["candidates"][0]["content"]["parts"]] == [
        {"text": "hm", "thought": True}, {"text": " hm", "thought": True}, *parts]
    assert events[-1]["usageMetadata"] == usage


@pytest.mark.parametrize("status, kind, name, detail", [
    (400, "by_status", "INVALID_ARGUMENT", None), (401, "by_status", "UNAUTHENTICATED", None),
    (403, "by_status", "PERMISSION_DENIED", None), (404, "by_status", "NOT_FOUND", None),
    (429, "by_status", "RESOURCE_EXHAUSTED", "PerMinute"), (429, "quota", "RESOURCE_EXHAUSTED", "PerDay"),
    (500, "by_status", "INTERNAL", None), (503, "by_status", "UNAVAILABLE", None),
    (400, "invalid_key", "INVALID_ARGUMENT", "API_KEY_INVALID")])
def test_gemini_errors_have_their_status(server, status, kind, name, detail):
    server.script({"status": status, "error_kind": kind})
    for path in (GEMINI, GEMINI_STREAM):
        got, _, body = gemini(server, path=path)
        error = json.loads(body)["error"]
        assert (got, error["code"], error["status"]) == (status, status, name)
        assert detail in json.dumps(error["details"]) if detail else "details" not in error


def test_gemini_tells_when_to_come_back(server):
    server.script({"status": 429, "headers": {"retry-after-ms": "1500"}})
    details = json.loads(gemini(server)[2])["error"]["details"]
    assert {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"} in details


@pytest.mark.parametrize("body, query", [
    ({}, ""), ({"contents": []}, ""), ({"contents": [{"role": "assistant", "parts": []}]}, "")])
def test_gemini_refuses_what_only_other_apis_take(server, body, query):
    status, _, answer = server.call("POST", GEMINI + query, body)
    assert (status, json.loads(answer)["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_gemini_takes_its_key_from_the_query_too(server):
    server.call("POST", GEMINI + "?key=from-query", {"contents": [{"parts": [{"text": "x"}]}]})
    assert server.requests()[0]["key"] == "from-query"
    assert server.call("POST", GEMINI_STREAM.replace("alt=sse", "x=y"), {"contents": [{"parts": []}]})[0] == 400


# ---- all of them ----

ASK = {
    "openai": lambda server, **extra: server.chat(key="k", **extra),
    "azure_openai": lambda server, **extra: server.call(
        "POST", "/openai/deployments/m/chat/completions?api-version=1",
        {"messages": [{"role": "user", "content": "weather"}], **extra}, {"api-key": "k"}),
    "anthropic": lambda server, **extra: anthropic(server, "weather", "k", **extra),
    "gemini": lambda server, **extra: gemini(
        server, "weather", GEMINI_STREAM if extra.pop("stream", False) else GEMINI, "k", **extra),
}


@pytest.mark.parametrize("protocol", ASK)
def test_the_same_rules_are_for_every_api(server, protocol):
    tools = {"tools": [{"name": "f"}]}
    server.script({"match": {"protocol": protocol, "api_key": "k", "tools": True}, "status": 418},
                  {"match": {"protocol": protocol, "stream": True}, "reply": "a", "break_at": "head", "break_how": "stall", "stall_ms": 1},
                  {"match": {"protocol": protocol, "model": "m"}, "status": 503, "times": 1})
    ask = ASK[protocol]
    assert [ask(server)[0], ask(server)[0], ask(server, stream=True)[0], ask(server, **tools)[0]] == [503, 200, 200, 418]
    assert [request["rule"] for request in server.requests()] == [2, None, 1, 0]
    assert server.key("k")["refused"] == {"418": 1, "503": 1}


@pytest.mark.parametrize("protocol", ASK)
def test_usage_can_be_left_out_of_every_api(server, protocol):
    server.script({"usage": False})
    for stream in (False, True):
        extra = {"stream": True} if stream else {}
        assert b"usage" not in ASK[protocol](server, **extra)[2]


@pytest.mark.parametrize("format_, path, body", [
    ({"generationConfig": {"responseMimeType": "application/json"}}, GEMINI, {"contents": [{"parts": [{"text": "x"}]}]}),
    ({"output_config": {"format": {"type": "json_schema"}}}, "/v1/messages",
     {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}),
])
def test_a_format_is_seen_in_every_api(server, format_, path, body):
    server.script({"match": {"response_format": True}, "status": 418})
    assert server.call("POST", path, body, VERSION)[0] == 200
    assert server.call("POST", path, {**body, **format_}, VERSION)[0] == 418


# ---- models ----

@pytest.mark.parametrize("path, headers, list_, name, names", [
    ("/v1/models", {}, "data", "id", ["fake-model", "a"]),
    ("/openai/models?api-version=1", {}, "data", "id", ["fake-model", "a"]),
    ("/openai/v1/models", {}, "data", "id", ["fake-model", "a"]),
    ("/v1/models", {"x-api-key": "k", **VERSION}, "data", "id", ["fake-model", "a"]),
    ("/v1beta/models", {"x-goog-api-key": "k"}, "models", "name", ["models/fake-model", "models/a"]),
])
def test_each_api_lists_its_models(server, path, headers, list_, name, names):
    server.script({"match": {"model": "a"}}, {"match": {"api_key": "bad"}, "status": 401})
    status, _, body = server.call("GET", path, headers=headers)
    assert (status, [model[name] for model in json.loads(body)[list_]]) == (200, names)
    assert server.requests()[0]["end"] == "completed"
    assert server.call("GET", path, headers={**headers, "authorization": "Bearer bad"})[0] == (401 if len(headers) == 0 else 200)


def test_an_anthropic_list_needs_its_version(server):
    assert server.call("GET", "/v1/models", headers={"x-api-key": "k"})[0] == 400
    answer = json.loads(server.call("GET", "/v1/models", headers=VERSION)[2])
    assert (answer["has_more"], answer["first_id"], answer["last_id"]) == (False, "fake-model", "fake-model")


def test_a_list_misbehaves_as_its_rule_says(server):
    server.script({"match": {"api_key": "k"}, "break_at": "request", "break_how": "reset"})
    with pytest.raises(ConnectionError):
        server.call("GET", "/v1/models", headers={"authorization": "Bearer k"})
    assert server.key("k", None)["resets"] == 1
