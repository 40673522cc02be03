"""Administration: who may, what it stores, what it shows and refuses."""
import json
import re
import uuid

import pytest

from example_calls import CHAT, FLOW, Code, chat, new_id, say  # noqa: F401
from heddle import Client, events, failure


@pytest.mark.parametrize("token,reason", [("", "MISSING_TOKEN"), ("wrong", "INVALID_TOKEN"), ("a" * 34, "INVALID_TOKEN")])
def test_administration_wants_its_token(heddle, token, reason):
    refused = failure(heddle.admin.AdminService.ListApps, {}, token=token)
    assert (refused.code, refused.reason) == (Code.UNAUTHENTICATED, reason)


def test_administration_is_off_without_a_token_and_takes_two_for_rotation(fresh):
    h = fresh()
    h.gateway.stop()
    second = "second-" + uuid.uuid4().hex
    h.env = {**h.env, "HEDDLE_ADMIN_TOKEN": f"{h.admin_token},{second}"}
    h.start_gateway()
    with Client(f"127.0.0.1:{h.admin_port}") as admin:
        for token in (h.admin_token, second):
            assert admin.AdminService.ListApps({}, token=token) is not None
        both = failure(admin.AdminService.ListApps, {}, token=f"{h.admin_token},{second}")
        assert both.reason == "INVALID_TOKEN"
    h.gateway.stop()
    h.env = {k: v for k, v in h.env.items() if k != "HEDDLE_ADMIN_TOKEN"}
    h.start_gateway()
    with Client(f"127.0.0.1:{h.admin_port}") as admin:
        refused = failure(admin.AdminService.ListApps, {}, token=second)
        assert (refused.code, refused.reason) == (Code.UNAUTHENTICATED, "ADMIN_DISABLED")


def test_an_export_with_problems_is_answered_and_not_stored(heddle):
    admin = heddle.admin.AdminService
    app = new_id()
    for dsl in ("not: [yaml", "kind: app\n", FLOW.replace("type: template-transform", "type: no-such-node")):
        reply = admin.ImportApp({"dsl": dsl, "app_id": app})
        assert reply.problems and all(p.text for p in reply.problems) and reply.app_id == reply.version_id == ""
    assert failure(admin.GetApp, {"app_id": app}).code == Code.NOT_FOUND
    empty = failure(admin.ImportApp, {"dsl": ""})
    assert empty.code == Code.INVALID_ARGUMENT and empty.details["BadRequest"]["fields"] == ["dsl"]


def test_a_dry_run_stores_nothing(heddle):
    admin = heddle.admin.AdminService
    app = new_id()
    reply = admin.ImportApp({"dsl": FLOW, "app_id": app, "dry_run": True})
    assert reply.mode == "workflow" and not reply.problems and reply.app_id == reply.version_id == ""
    assert failure(admin.GetApp, {"app_id": app}).code == Code.NOT_FOUND


def test_the_same_text_is_the_same_version(heddle):
    admin = heddle.admin.AdminService
    app = new_id()
    first = admin.ImportApp({"dsl": FLOW, "app_id": app})
    again = admin.ImportApp({"dsl": FLOW, "app_id": app})
    assert first.created and first.app_id == app and not again.created and again.version_id == first.version_id
    held = admin.ImportApp({"dsl": FLOW.replace("Summary", "Digest"), "app_id": app, "no_publish": True})
    assert held.created and not held.published
    versions = admin.ListVersions({"app_id": app}).versions
    assert [(v.number, v.published) for v in versions] == [(2, False), (1, True)]
    assert all(re.fullmatch("[0-9a-f]{64}", v.content_hash) for v in versions)
    other_mode = failure(admin.ImportApp, {"dsl": CHAT, "app_id": app})
    assert (other_mode.code, other_mode.reason) == (Code.FAILED_PRECONDITION, "APP_MODE_MISMATCH")


def test_an_app_shows_its_form_and_features(heddle):
    app, _ = heddle.app(FLOW)
    reply = heddle.admin.AdminService.GetApp({"app_id": app})
    assert [(f.variable, f.type, f.required) for f in reply.input_form] == [
        ("text", "paragraph", True), ("language", "text-input", False)]
    chat_app, _ = heddle.app(CHAT)
    chat_reply = heddle.admin.AdminService.GetApp({"app_id": chat_app})
    assert chat_reply.app.mode == "advanced-chat" and chat_reply.features.opening_statement
    assert list(chat_reply.features.suggested_questions) == ["What is it for?"]
    assert [(v.name, v.value) for v in chat_reply.app.environment] == [("PRODUCT", "Heddle")]


def test_secret_variables_of_an_export_are_shown_as_stars(heddle):
    secret = "s3cr3t-" + uuid.uuid4().hex
    app, _ = heddle.app(CHAT.replace("value: Heddle\n    value_type: string", f"value: {secret}\n    value_type: secret"))
    reply = heddle.admin.AdminService.GetApp({"app_id": app})
    shown = reply.app.environment[0]
    assert shown.name == "PRODUCT" and shown.secret and set(shown.value) == {"*"}
    assert secret not in str(reply) and secret not in heddle.gateway.text()


@pytest.mark.parametrize("fields,field_name", [
    ({"max_active_requests": 5}, "max_active_requests"), ({"requests_per_minute": 5}, "requests_per_minute")])
def test_a_setting_that_nobody_would_keep_to_is_refused(heddle, fields, field_name):
    app, _ = heddle.app(FLOW)
    refused = failure(heddle.admin.AdminService.UpdateApp, {"app_id": app, "name": "renamed", **fields})
    assert refused.code == Code.UNIMPLEMENTED and field_name in refused.words
    assert heddle.admin.AdminService.GetApp({"app_id": app}).app.name != "renamed"
    plain = {name: 0 for name in fields}
    assert heddle.admin.AdminService.UpdateApp({"app_id": app, "name": "renamed", **plain}).name == "renamed"


def test_an_apps_own_variables_go_before_those_of_its_export(heddle):
    admin = heddle.admin.AdminService
    app, key = heddle.app(CHAT)
    secret = "s3cr3t-" + uuid.uuid4().hex
    reply = admin.SetAppEnvironment({"app_id": app, "set": [
        {"name": "PRODUCT", "value": "Loom"}, {"name": "TOKEN", "value_type": "secret", "value": secret},
        {"name": "LIMIT", "value_type": "number", "value": "2.5"}]})
    shown = {v.name: v for v in admin.GetApp({"app_id": app}).app.environment}
    assert shown == {v.name: v for v in reply.environment} and list(shown) == ["PRODUCT", "LIMIT", "TOKEN"]
    assert shown == {v.name: v for v in admin.UpdateApp({"app_id": app, "name": "renamed"}).environment}
    assert shown["PRODUCT"].value == "Loom" and shown["LIMIT"].value == "2.5"
    assert shown["TOKEN"].secret and set(shown["TOKEN"].value) == {"*"}
    assert secret not in str(reply) + str(shown)
    heddle.model.script({"reply": "fine"})
    events(say(heddle, key))
    assert "Loom" in str(heddle.model.requests()[-1]["body"])
    admin.SetAppEnvironment({"app_id": app, "remove": ["PRODUCT", "TOKEN", "unknown"]})
    events(say(heddle, key))
    assert "Loom" not in str(heddle.model.requests()[-1]["body"])


@pytest.mark.parametrize("value_type,value,is_right", [
    ("", "any text", True), ("string", "", True), ("secret", "x", True), ("number", "1e3", True), ("number", "abc", False),
    ("integer", "-12", True), ("integer", "1.5", False), ("float", "1.5", True), ("boolean", "true", True),
    ("boolean", "yes", False), ("object", '{"a": 1}', True), ("object", "[1]", False), ("object", '{"a": 1} x', False),
    ("array[string]", '["a"]', True), ("array[string]", "[1]", False), ("array[number]", "[1, 2.5]", True),
    ("array[object]", "[{}]", True), ("array[boolean]", "[true, 1]", False), ("array[any]", "[]", False), ("text", "x", False)])
def test_a_variable_has_a_value_of_its_type(heddle, value_type, value, is_right):
    app, _ = heddle.app(FLOW)
    request = {"app_id": app, "set": [{"name": "GOOD", "value": "x"}, {"name": "V", "value_type": value_type, "value": value}]}
    if is_right:
        assert heddle.admin.AdminService.SetAppEnvironment(request)
        return
    refused = failure(heddle.admin.AdminService.SetAppEnvironment, request)
    assert refused.code == Code.INVALID_ARGUMENT and refused.details["BadRequest"]["fields"][0].startswith("set[1].value")
    assert "GOOD" not in [v.name for v in heddle.admin.AdminService.GetApp({"app_id": app}).app.environment]


def test_keys_are_shown_once_and_hinted_at_later(heddle):
    admin = heddle.admin.AdminService
    app, key = heddle.app(FLOW)
    listed = admin.ListApiKeys({"app_id": app}).api_keys
    assert [k.name for k in listed] == ["test"] and key not in str(listed)
    assert listed[0].prefix and len(listed[0].prefix.encode()) <= 16


def test_credentials_never_show_their_secret(heddle):
    admin = heddle.admin.AdminService
    secret = "sk-" + uuid.uuid4().hex
    name = "made-" + uuid.uuid4().hex
    made = admin.CreateCredential({"provider": "nobody", "name": name, "base_url": "http://127.0.0.1:1/v1", "secret": secret})
    changed = admin.UpdateCredential({"id": made.id, "disabled": True, "models": {"globs": ["a-*", "b"]}, "secret": secret + "2"})
    assert changed.disabled and list(changed.models) == ["a-*", "b"] and changed.weight == 1
    listed = admin.ListCredentials({"provider": "nobody"}).credentials
    assert [c.name for c in listed] == [name]
    assert secret not in str(made) + str(changed) + str(listed)
    assert not admin.UpdateCredential({"id": made.id, "end_cooldowns": True}).cooldowns
    twice = failure(admin.CreateCredential, {"provider": "nobody", "name": name, "base_url": "http://x"})
    assert twice.code == Code.ALREADY_EXISTS
    admin.DeleteCredential({"id": made.id})
    assert failure(admin.DeleteCredential, {"id": made.id}).code == Code.NOT_FOUND


@pytest.mark.parametrize("fields,field_name", [
    ({"provider": ""}, "provider"), ({"name": ""}, "name"), ({"base_url": ""}, "base_url"),
    ({"base_url": "file:///etc/passwd"}, "base_url"), ({"base_url": "http://a b"}, "base_url"), ({"secret": "a\nb"}, "secret")])
def test_a_wrong_credential_is_refused(heddle, fields, field_name):
    request = {"provider": "p", "name": new_id(), "base_url": "http://127.0.0.1:1", "secret": "s", **fields}
    refused = failure(heddle.admin.AdminService.CreateCredential, request)
    assert refused.code == Code.INVALID_ARGUMENT and refused.details["BadRequest"]["fields"] == [field_name]


def test_lists_come_in_pages_and_miss_nothing(heddle):
    admin = heddle.admin.AdminService
    app, _ = heddle.app(FLOW)
    names = {f"key {i}" for i in range(7)}
    for name in names:
        admin.CreateApiKey({"app_id": app, "name": name})
    seen, token, pages = [], "", 0
    while True:
        page = admin.ListApiKeys({"app_id": app, "page_size": 3, "page_token": token})
        seen += [k.name for k in page.api_keys]
        pages, token = pages + 1, page.next_page_token
        if not token:
            break
    assert sorted(seen) == sorted(names | {"test"}) and pages == 3
    for wrong in ({"page_size": 101}, {"page_size": -1}, {"page_token": "no such token"}):
        assert failure(admin.ListApiKeys, {"app_id": app, **wrong}).code == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("method,request_", [
    ("GetApp", {"app_id": ""}), ("GetApp", {"app_id": "x"}), ("DeleteApp", {}), ("ListVersions", {}),
    ("PublishVersion", {"app_id": "x"}), ("SetAppEnvironment", {}), ("CreateApiKey", {}), ("DeleteApiKey", {"id": "x"}),
    ("UpdateCredential", {}), ("DeleteCredential", {}), ("TestCredential", {}), ("SetModel", {})])
def test_ids_are_checked(heddle, method, request_):
    refused = failure(getattr(heddle.admin.AdminService, method), request_)
    assert refused.code == Code.INVALID_ARGUMENT and "BadRequest" in refused.details


@pytest.mark.parametrize("method,request_", [
    ("GetApp", {"app_id": "{id}"}), ("DeleteApp", {"app_id": "{id}"}), ("UpdateApp", {"app_id": "{id}", "disabled": True}),
    ("ListVersions", {"app_id": "{id}"}), ("PublishVersion", {"app_id": "{id}", "version_id": "{id}"}),
    ("SetAppEnvironment", {"app_id": "{id}", "set": [{"name": "A", "value": "b"}]}), ("CreateApiKey", {"app_id": "{id}"}),
    ("DeleteApiKey", {"id": "{id}"}), ("UpdateCredential", {"id": "{id}", "disabled": True}), ("DeleteCredential", {"id": "{id}"}),
    ("TestCredential", {"id": "{id}"}), ("SetModel", {"model": {"provider": "{id}", "model": "m"}, "remove": True})])
def test_what_is_not_there_is_not_found(heddle, method, request_):
    request = json.loads(json.dumps(request_).replace("{id}", new_id()))
    refused = failure(getattr(heddle.admin.AdminService, method), request)
    assert refused.code == Code.NOT_FOUND and refused.reason
