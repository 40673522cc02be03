"""What a gateway refuses and how it says so: who calls, what for, and bytes nobody should send."""
import concurrent.futures
import signal
import uuid

import grpc
import pytest

from conftest import BIN, Process, wait_until
from example_calls import CHAT, FLOW, PUBLIC, Code, chat, flow, new_id, run, say  # noqa: F401
from heddle import Client, answer, events, failure, finished


# --- who calls ---

def test_a_key_is_taken_with_any_writing_of_bearer(heddle, chat):
    for header in (f"Bearer {chat}", f"bearer {chat}", f"BEARER   {chat} "):
        assert answer(events(say(heddle, metadata=(("authorization", header),)))) == "fine"


@pytest.mark.parametrize("header,reason", [
    (None, "MISSING_TOKEN"),
    ("", "INVALID_TOKEN"),
    ("Bearer", "INVALID_TOKEN"),
    ("Bearer ", "INVALID_TOKEN"),
    ("Basic dXNlcjpwYXNz", "INVALID_TOKEN"),
    ("app-AbCdEfGhIjKlMnOpQrStUvWx", "INVALID_TOKEN"),
    ("Bearer something", "INVALID_TOKEN"),
    ("Bearer app-AbCdEfGhIjKlMnOpQrStUvWx", "INVALID_TOKEN"),
    ("Bearer dataset-AbCdEfGhIjKlMnOpQrStUv", "INVALID_TOKEN"),
    ("Bearer app-" + "A" * 5000, "INVALID_TOKEN"),
    ("Bearer app-AbCdEfGhIjKl MnOpQrStUvWx", "INVALID_TOKEN"),
], ids=["none", "empty", "no-token", "blank-token", "basic", "no-scheme", "no-key", "unknown", "dataset", "endless", "with-space"])
def test_without_a_valid_key_nothing_is_served(heddle, header, reason):
    metadata = () if header is None else (("authorization", header),)
    for call in (lambda: say(heddle, metadata=metadata), lambda: run(heddle, metadata=metadata),
                 lambda: heddle.public.TaskService.StopTask({"task_id": new_id(), "user": "u-1"}, metadata=metadata)):
        refused = failure(call)
        assert (refused.code, refused.reason) == (Code.UNAUTHENTICATED, reason)
        assert refused.details["ErrorInfo"]["domain"] == "heddle"


def test_a_key_with_one_wrong_character_is_refused(heddle, chat):
    for i in (4, len(chat) // 2, len(chat) - 1):
        wrong = chat[:i] + ("b" if chat[i] == "a" else "a") + chat[i + 1:]
        assert failure(say, heddle, wrong).reason == "INVALID_TOKEN"


def test_the_administrators_token_is_no_api_key(heddle):
    assert failure(say, heddle, heddle.admin_token).reason == "INVALID_TOKEN"


def test_a_key_brought_from_dify_is_accepted_as_it_is(heddle):
    heddle.model.script({"reply": "fine"})
    app, _ = heddle.app(CHAT)
    brought = "app-" + uuid.uuid4().hex[:24]
    assert failure(say, heddle, brought).reason == "INVALID_TOKEN"
    made = heddle.admin.AdminService.CreateApiKey({"app_id": app, "key": brought})
    assert made.key == brought
    assert answer(events(say(heddle, brought))) == "fine"
    again = failure(heddle.admin.AdminService.CreateApiKey, {"app_id": app, "key": brought})
    assert again.code == Code.ALREADY_EXISTS and brought not in again.words


@pytest.mark.parametrize("key", ["app-short", "sk-AbCdEfGhIjKlMnOpQrStUvWx", "app-with space in it, long enough"])
def test_a_brought_key_of_another_form_is_refused(heddle, key):
    app, _ = heddle.app(CHAT)
    refused = failure(heddle.admin.AdminService.CreateApiKey, {"app_id": app, "key": key})
    assert refused.code == Code.INVALID_ARGUMENT and refused.details["BadRequest"]["fields"] == ["key"]


def test_a_deleted_key_is_refused_at_once(heddle):
    heddle.model.script({"reply": "fine"})
    app, _ = heddle.app(CHAT)
    for _ in range(20):
        made = heddle.admin.AdminService.CreateApiKey({"app_id": app, "name": "short-lived"})
        assert answer(events(say(heddle, made.key))) == "fine"
        heddle.admin.AdminService.DeleteApiKey({"id": made.id})
        assert failure(say, heddle, made.key).reason == "INVALID_TOKEN"
    gone = failure(heddle.admin.AdminService.DeleteApiKey, {"id": made.id})
    assert gone.code == Code.NOT_FOUND


def test_a_key_deleted_while_many_use_it_is_refused_at_once(heddle):
    heddle.model.script({"reply": "fine"})
    app, _ = heddle.app(CHAT)

    def ask(key):
        try:
            return answer(events(say(heddle, key)))
        except grpc.RpcError as error:
            assert error.code() == Code.UNAUTHENTICATED
            return None

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            made = heddle.admin.AdminService.CreateApiKey({"app_id": app})
            asked = [pool.submit(ask, made.key) for _ in range(24)]
            heddle.admin.AdminService.DeleteApiKey({"id": made.id})
            assert failure(say, heddle, made.key).reason == "INVALID_TOKEN"
            assert {a.result() for a in asked} <= {"fine", None}


def test_a_disabled_app_refuses_and_an_enabled_one_serves_at_once(heddle):
    heddle.model.script({"reply": "fine"})
    app, key = heddle.app(CHAT)
    for _ in range(3):
        heddle.admin.AdminService.UpdateApp({"app_id": app, "disabled": True})
        refused = failure(say, heddle, key)
        assert (refused.code, refused.reason) == (Code.PERMISSION_DENIED, "APP_DISABLED")
        heddle.admin.AdminService.UpdateApp({"app_id": app, "disabled": False})
        assert answer(events(say(heddle, key))) == "fine"


def test_a_deleted_app_takes_its_keys_along(heddle):
    app, key = heddle.app(CHAT)
    heddle.admin.AdminService.DeleteApp({"app_id": app})
    assert failure(say, heddle, key).reason == "INVALID_TOKEN"


def test_each_service_takes_apps_of_its_mode(heddle, chat, flow):
    refused = failure(say, heddle, flow)
    assert (refused.code, refused.reason) == (Code.FAILED_PRECONDITION, "NOT_CHAT_APP")
    refused = failure(run, heddle, chat)
    assert (refused.code, refused.reason) == (Code.FAILED_PRECONDITION, "NOT_WORKFLOW_APP")


# --- what for ---

BOTH = [
    ({"user": ""}, "user"),
    ({"user": "u" * 1000}, "user"),
    ({"inputs": {"text": "t"}, "inputs_json": '{"text": "t"}'}, "inputs_json"),
    ({"run_id": "not-a-uuid"}, "run_id"),
    ({"run_id": "019AAF00-0000-7000-8000-0000000000FF"}, "run_id"),
    ({"version_id": "latest"}, "version_id"),
    ({"on_disconnect": 7}, "on_disconnect"),
    ({"events": 7}, "events"),
    ({"payloads": -1}, "payloads"),
]


@pytest.mark.parametrize("fields,field_name", BOTH + [({"query": ""}, "query"), ({"query": " \n"}, "query")])
def test_a_wrong_field_of_a_message_is_named(heddle, chat, fields, field_name):
    refused = failure(say, heddle, chat, request=fields)
    assert refused.code == Code.INVALID_ARGUMENT and refused.details["BadRequest"]["fields"] == [field_name]
    assert field_name in refused.words and heddle.model.requests() == []


@pytest.mark.parametrize("fields,field_name", BOTH)
def test_a_wrong_field_of_a_workflow_is_named(heddle, flow, fields, field_name):
    refused = failure(run, heddle, flow, request=fields)
    assert refused.code == Code.INVALID_ARGUMENT and refused.details["BadRequest"]["fields"] == [field_name]


def test_the_executors_verdict_on_inputs_passes_unchanged(heddle, flow):
    refused = failure(run, heddle, flow, request={"inputs": {}})
    assert refused.code == Code.INVALID_ARGUMENT and "text" in refused.words
    assert "BadRequest" in refused.details
    refused = failure(run, heddle, flow, request={"inputs": {}, "inputs_json": "{"})
    assert refused.code == Code.INVALID_ARGUMENT


def test_ids_are_minted_and_stay_the_same_in_all_events(heddle, chat, flow):
    got = [e for _, e in events(say(heddle, chat)) if e.WhichOneof("event") != "ping"]
    first = got[0]
    assert {(e.task_id, e.workflow_run_id, e.conversation_id, e.message_id) for e in got} == {
        (first.task_id, first.task_id, first.conversation_id, first.message_id)}
    ids = [first.task_id, first.conversation_id, first.message_id]
    assert len(set(ids)) == 3 and all(uuid.UUID(i).version == 7 and i == str(uuid.UUID(i)) for i in ids)
    workflow = [e for _, e in events(run(heddle, flow))]
    assert all(e.conversation_id == e.message_id == "" for e in workflow)


def test_a_run_id_of_the_callers_own_runs_once(heddle, chat):
    mine = new_id()
    heddle.model.script({"reply": "one two three", "tokens_per_second": 10})
    stream = say(heddle, chat, request={"run_id": mine})
    assert next(stream).task_id == mine
    again = failure(say, heddle, chat, request={"run_id": mine})
    assert again.code == Code.ALREADY_EXISTS and again.reason
    said = answer([("message", e) for e in stream if e.WhichOneof("event") == "message"])
    assert answer(events(say(heddle, chat, request={"run_id": mine}))) == said == "one two three"  # told, not run
    assert len(heddle.model.requests()) == 1


def test_a_refused_run_leaves_its_id_free(heddle, flow):
    mine = new_id()
    assert failure(run, heddle, flow, request={"run_id": mine, "inputs": {}}).code == Code.INVALID_ARGUMENT
    assert events(run(heddle, flow, request={"run_id": mine}))[0][1].task_id == mine


def test_a_version_is_the_published_one_unless_named_and_must_be_the_apps(heddle):
    heddle.model.script({"reply": "fine"})
    first = heddle.admin.AdminService.ImportApp({"dsl": FLOW})
    app = first.app_id
    key = heddle.admin.AdminService.CreateApiKey({"app_id": app}).key
    second = heddle.admin.AdminService.ImportApp({"dsl": FLOW.replace("Summary", "Digest"), "app_id": app})
    assert second.version_id != first.version_id and second.published

    def heading(**fields):
        return finished(events(run(heddle, key, request=fields))).outputs["heading"]

    assert heading().startswith("Digest")
    assert heading(version_id=first.version_id).startswith("Summary")
    assert heading(version_id=second.version_id).startswith("Digest")
    heddle.admin.AdminService.PublishVersion({"app_id": app, "version_id": first.version_id})
    assert heading().startswith("Summary")
    foreign = heddle.admin.AdminService.ImportApp({"dsl": FLOW, "name": "another"}).version_id
    for version in (foreign, new_id()):
        refused = failure(run, heddle, key, request={"version_id": version})
        assert (refused.code, refused.reason) == (Code.NOT_FOUND, "VERSION_NOT_FOUND")


def test_stop_names_what_is_missing_and_knows_no_foreign_tasks(heddle, chat):
    stop = heddle.public.TaskService.StopTask
    for request, field_name in (({"user": "u-1"}, "task_id"), ({"task_id": "no UUID", "user": "u-1"}, "task_id"),
                                ({"task_id": new_id()}, "user")):
        refused = failure(stop, request, token=chat)
        assert refused.code == Code.INVALID_ARGUMENT and refused.details["BadRequest"]["fields"] == [field_name]
    assert stop({"task_id": new_id(), "user": "u-1"}, token=chat).result == 3
    done = events(say(heddle, chat))[0][1].task_id
    assert stop({"task_id": done, "user": "u-1"}, token=chat).result == 2
    assert stop({"task_id": done, "user": "somebody else"}, token=chat).result == 3


# --- bytes nobody should send ---

def raw_call(client, path, data, token=None, timeout=10):
    call = client.channel.unary_stream(path, request_serializer=lambda b: b, response_deserializer=lambda b: b)
    return failure(call, data, timeout=timeout, metadata=client.metadata(token))


def field(number, data):
    """A length-delimited protobuf field."""
    size, length = len(data), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + data


def nested_struct(depth):
    """A google.protobuf.Struct with `depth` of them inside each other."""
    value = b""
    for _ in range(depth):
        value = field(1, field(1, b"a") + field(2, field(5, value)))
    return value


SEND = "/heddle.v1.ChatService/SendMessage"
GOOD = field(1, b"hi") + field(4, b"u-1")


@pytest.mark.parametrize("data", [
    b"\xff\xff\xff\xff", bytes(range(256)), b"\x0a", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b\x0c", b"\x08\x01",
    GOOD + field(1, b"a\0b"), GOOD + field(4, b"\xff\xfe"), GOOD + field(1, b"\xed\xa0\x80"),
    GOOD + field(2, nested_struct(100)), GOOD + field(2, nested_struct(1000)), GOOD + field(2, nested_struct(10000)),
    GOOD + field(2, nested_struct(1)) + field(2, nested_struct(1)), GOOD + field(7, b"") * 250000,
], ids=["ff", "all-bytes", "cut", "long-length", "group", "wrong-type", "nul", "not-utf8", "surrogate", "nested-100",
        "nested-1000", "nested-10000", "twice", "too-many"])
def test_malformed_messages_are_refused_and_harm_nobody(heddle, chat, data):
    refused = raw_call(heddle.public, SEND, data, chat)
    assert refused.code == Code.INVALID_ARGUMENT, refused
    assert answer(events(say(heddle, chat))) == "fine"


def test_a_message_that_is_too_large_is_refused(heddle, chat):
    refused = failure(say, heddle, chat, request={"query": "x" * (5 << 20)})
    assert refused.code == Code.RESOURCE_EXHAUSTED
    assert answer(events(say(heddle, chat, request={"query": "x" * 900_000}))) == "fine"


def test_unknown_methods_and_services_are_unimplemented(heddle, chat):
    for path in ("/heddle.v1.ChatService/Nothing", "/heddle.v1.Nothing/SendMessage", "/x", "/"):
        assert raw_call(heddle.public, path, b"", chat).code == Code.UNIMPLEMENTED


def test_administration_is_not_on_the_public_port_nor_chat_on_the_other(heddle, chat):
    for token in (chat, heddle.admin_token):
        assert raw_call(heddle.public, "/heddle.v1.AdminService/ListApps", b"", token).code == Code.UNIMPLEMENTED
    assert raw_call(heddle.admin, SEND, GOOD, chat).code == Code.UNIMPLEMENTED


def test_a_flood_of_refused_calls_leaves_the_gateway_as_it_was(heddle, chat):
    def burst(_):
        for i in range(25):
            wrong = "app-" + uuid.uuid4().hex[:24]
            assert failure(say, heddle, wrong).reason == "INVALID_TOKEN"
            assert failure(say, heddle, chat, request={"user": ""}).code == Code.INVALID_ARGUMENT

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(burst, range(8)))
        files = heddle.gateway.open_files()
        list(pool.map(burst, range(16)))
    assert heddle.gateway.open_files() <= files + 4
    assert answer(events(say(heddle, chat))) == "fine"


# --- listeners ---

@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_both_listeners_show_their_services(heddle, version):
    with Client(f"127.0.0.1:{heddle.port}", version=version) as public:
        assert [s for s in public.services if s.startswith("heddle.")] == PUBLIC
    with Client(f"127.0.0.1:{heddle.admin_port}", version=version) as admin:
        assert [s for s in admin.services if s.startswith("heddle.")] == ["heddle.v1.AdminService"]


def test_both_listeners_say_how_they_are(heddle):
    for client, services in ((heddle.public, PUBLIC), (heddle.admin, ["heddle.v1.AdminService"])):
        check = client.channel.unary_unary("/grpc.health.v1.Health/Check", request_serializer=lambda b: b,
                                           response_deserializer=lambda b: b)
        for name in ["", *services]:
            assert check(field(1, name.encode()), timeout=5) == b"\x08\x01", name
        assert failure(check, field(1, b"no.such.Service"), timeout=5).code == Code.NOT_FOUND


def gateway_on(h, tmp_path, *options, env=None):
    """A second gateway beside that of `h`, which ends by itself; gives exit code and output."""
    process = Process("second", [BIN / "heddle-gateway", *options], tmp_path, h.env if env is None else env)
    return process.child.wait(20), process.text()


@pytest.mark.parametrize("option", ["listen", "admin_listen"])
def test_a_port_in_use_refuses_the_start(heddle, tmp_path, option):
    addresses = {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0", option: f"127.0.0.1:{heddle.port}"}
    flags = [word for name, value in addresses.items() for word in (f"--{name}", value)]
    code, text = gateway_on(heddle, tmp_path, *flags, "--store", f"sqlite:{tmp_path}/other.db", "--executor_target", heddle.socket)
    assert code == 1 and f"127.0.0.1:{heddle.port}" in text and "in use" in text


def test_mistakes_in_options_are_listed_together(heddle, tmp_path):
    code, text = gateway_on(heddle, tmp_path, "--grace_seconds", "soon", "--log_level", "loud", "--no_such_option", "1")
    assert code == 2 and all(word in text for word in ("grace_seconds", "log_level", "no_such_option"))


def test_secrets_are_never_printed(heddle, tmp_path):
    code, text = gateway_on(heddle, tmp_path, "--print-config")
    assert code == 0 and "admin_token=***" in text and "master_key=***" in text
    assert not any(secret in text for secret in heddle.env.values())


def test_doctor_tells_a_whole_set_from_a_broken_one(heddle, tmp_path):
    flags = ["--store", heddle.store, "--executor_target", heddle.socket, "--listen", "127.0.0.1:0", "--admin_listen", "127.0.0.1:0"]
    code, text = gateway_on(heddle, tmp_path, "doctor", *flags)
    assert code == 0 and "FAIL" not in text, text
    flags[1], flags[3] = f"sqlite:{tmp_path}/none/heddle.db", f"unix:{tmp_path}/nobody.sock"
    code, text = gateway_on(heddle, tmp_path, "doctor", *flags)
    assert code == 1 and text.count("FAIL") >= 2


def test_migrate_makes_a_store_and_finds_it_made(heddle, tmp_path):
    for _ in range(2):
        code, text = gateway_on(heddle, tmp_path, "migrate", "--store", f"sqlite:{tmp_path}/made.db")
        assert code == 0, text
    assert (tmp_path / "made.db").stat().st_mode & 0o777 == 0o600


def test_without_an_executor_nothing_begins(fresh):
    h = fresh()
    key = h.app(CHAT)[1]
    h.executor.stop()
    refused = wait_until(lambda: _reason(h, key), what="the executor is seen to be gone")
    assert refused.code == Code.UNAVAILABLE
    assert refused.details["RetryInfo"]["seconds"] > 0
    assert h.admin.AdminService.ListApps({}).apps
    with concurrent.futures.ThreadPoolExecutor(1) as pool:  # an import waits for an executor that is just starting
        imported = pool.submit(h.admin.AdminService.ImportApp, {"dsl": FLOW})
        h.start_executor()
        assert imported.result().version_id


def _reason(h, key):
    refused = failure(say, h, key)
    return refused if refused.reason == "EXECUTOR_UNAVAILABLE" else None


SLOW = {"reply": "word " * 400, "tokens_per_second": 20}


def test_a_second_signal_ends_at_once_and_truthfully(fresh):
    h = fresh()
    key = h.app(CHAT)[1]
    h.model.script(SLOW)
    stream = say(h, key)
    next(stream)
    h.gateway.child.send_signal(signal.SIGTERM)
    wait_until(lambda: "draining" in h.gateway.text(), what="the gateway drains")
    assert h.gateway.alive()
    refused = failure(say, h, key)
    assert (refused.code, refused.reason) == (Code.UNAVAILABLE, "SHUTTING_DOWN")
    h.gateway.child.send_signal(signal.SIGTERM)
    assert finished(events(stream)).end_reason == 9
    assert h.gateway.child.wait(10) == 0
    wait_until(lambda: h.model.stats()["in_flight"] == 0, what="the model's request ended")


def test_after_the_grace_time_runs_end_but_for_those_that_go_on(fresh):
    h = fresh(gateway_options=["--grace_seconds", "1"])
    key = h.app(CHAT)[1]
    h.model.script(SLOW)
    stream, second = say(h, key), say(h, key, request={"on_disconnect": "ON_DISCONNECT_CONTINUE"})
    next(stream)
    task = next(second).task_id
    h.gateway.child.send_signal(signal.SIGTERM)
    assert finished(events(stream)).end_reason == 9
    sent_away = failure(lambda: second)
    assert (sent_away.code, sent_away.reason) == (Code.UNAVAILABLE, "SHUTTING_DOWN") and task in sent_away.words
    assert h.gateway.child.wait(10) == 0
    assert h.model.stats()["in_flight"] == 1
    h.start_gateway()
    h.public = Client(f"127.0.0.1:{h.port}")
    assert h.public.TaskService.StopTask({"task_id": task, "user": "u-1"}, token=key).result == 1
    wait_until(lambda: h.model.stats()["in_flight"] == 0, what="the model's request ended")


def test_a_deleted_apps_runs_are_stopped(heddle):
    app, key = heddle.app(CHAT)
    heddle.model.script(SLOW)
    streams = [say(heddle, key) for _ in range(3)]
    for stream in streams:
        next(stream)
    other_key = heddle.app(CHAT)[1]
    other = say(heddle, other_key)
    next(other)
    heddle.admin.AdminService.DeleteApp({"app_id": app})
    for stream in streams:
        assert finished(events(stream)).end_reason == 3
    assert heddle.public.TaskService.StopTask({"task_id": next(other).task_id, "user": "u-1"}, token=other_key).result == 1
    events(other)


def test_more_runs_than_the_gateway_takes_are_refused(fresh):
    h = fresh(gateway_options=["--max_runs", "2"])
    key = h.app(CHAT)[1]
    h.model.script(SLOW)
    streams = [say(h, key), say(h, key)]
    for stream in streams:
        next(stream)
    refused = failure(say, h, key)
    assert (refused.code, refused.reason) == (Code.UNAVAILABLE, "GATEWAY_BUSY") and refused.details["RetryInfo"]["seconds"] > 0
    for stream in streams:
        stream.cancel()
    h.model.script({"reply": "fine"})
    wait_until(lambda: _fine(h, key), what="room again")


def _fine(h, key):
    try:
        return answer(events(say(h, key))) == "fine"
    except grpc.RpcError as error:
        assert error.code() == Code.UNAVAILABLE
        return False


def test_full_executors_are_named_as_the_reason(fresh):
    h = fresh(executor_options=["--max_runs", "1"])
    key = h.app(CHAT)[1]
    h.model.script(SLOW)
    stream = say(h, key)
    next(stream)
    refused = failure(say, h, key)
    assert (refused.code, refused.reason) == (Code.UNAVAILABLE, "EXECUTORS_BUSY")
    stream.cancel()
    h.model.script({"reply": "fine"})
    wait_until(lambda: _fine(h, key), what="room again")


def test_an_executor_that_does_not_know_the_gateway_is_not_the_callers_fault(fresh, tmp_path):
    h = fresh()
    key = h.app(CHAT)[1]
    h.executor.stop()
    h.env = {**h.env, "HEDDLE_EXECUTOR_TOKEN": "a token that only the executor has"}
    h.start_executor()
    refused = wait_until(lambda: _reason(h, key), what="the executor is there again")
    assert refused.code == Code.UNAVAILABLE
    wait_until(lambda: "executor_token_refused" in _asked(h, key).gateway.text(), what="the log says why")
    for call in (lambda: h.admin.AdminService.ImportApp({"dsl": FLOW}),
                 lambda: h.public.TaskService.StopTask({"task_id": new_id(), "user": "u-1"}, token=key)):
        refused = failure(call)
        assert (refused.code, refused.reason) == (Code.UNAVAILABLE, "EXECUTOR_UNAVAILABLE")
    assert "a token that only" not in h.gateway.text()


def _asked(h, key):
    failure(say, h, key)
    return h


def test_logs_hold_no_secrets(heddle, chat):
    say_no = failure(say, heddle, "app-AbCdEfGhIjKlMnOpQrStUvWx")
    assert "AbCdEfGh" not in say_no.words
    events(say(heddle, chat))
    for text in (heddle.gateway.text(), heddle.executor.text()):
        assert chat not in text and "AbCdEfGhIjKl" not in text and "sk-fake" not in text
        assert not any(secret in text for secret in heddle.env.values())
