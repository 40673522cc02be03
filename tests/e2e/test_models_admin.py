"""Models and credentials as administrators set, see and try them, over the API and with heddlectl."""
import concurrent.futures
import json
import os
import re
import subprocess
import time

import grpc
import pytest

from conftest import BIN, Process, free_port, wait_until
from example_calls import Code, new_id
from heddle import Client, answer, events, failure, finished

SECRET = "sk-nobody-sees-0123456789"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
FLOW = """
app: {mode: advanced-chat, name: ask}
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
          model: {provider: langgenius/PROVIDER/PROVIDER, name: old-name, mode: chat, completion_params: {}}
          prompt_template: [{role: user, text: "{{#sys.query#}}"}]
          context: {enabled: false, variable_selector: []}
          vision: {enabled: false}
      - {id: answer, type: custom, data: {type: answer, title: Answer, answer: "{{#model.text#}}"}}
    edges:
      - {source: start, target: model}
      - {source: model, target: answer}
"""


class Team:
    """A provider of its own within a Heddle, an app that asks it, and heddlectl."""

    def __init__(self, h):
        self.h, self.model, self.admin = h, h.model, h.admin.AdminService
        self.provider = "p" + new_id().replace("-", "")
        self.root = h.model.url.removesuffix("/v1")
        self.key = None

    def add(self, name="main", secret=SECRET, base_url=None, **fields):
        return self.admin.CreateCredential({"provider": self.provider, "name": name, "base_url": base_url or self.model.url,
                                            "secret": secret, **fields})

    def listed(self):
        return self.admin.ListCredentials({"provider": self.provider}).credentials

    def set_model(self, **fields):
        return self.admin.SetModel({"model": {"provider": self.provider, "model": "old-name", **fields}})

    def say(self, query="hi", **options):
        if self.key is None:
            self.key = self.h.app(FLOW.replace("PROVIDER", self.provider))[1]
        return events(self.h.public.ChatService.SendMessage(
            {"query": query, "user": "u-1", "payloads": "PAYLOADS_JSON", **options}, token=self.key))

    def mine(self):
        """Requests with this team's key."""
        return [r for r in self.model.requests() if r["key"] == SECRET]

    def ctl(self, *words, code=0, secret=None):
        env = {k: v for k, v in os.environ.items() if not k.startswith("HEDDLE_")}
        env.update(HEDDLE_GATEWAY=f"127.0.0.1:{self.h.port}", HEDDLE_ADMIN=f"127.0.0.1:{self.h.admin_port}",
                   HEDDLE_TOKEN=self.h.admin_token)
        if secret is not None:
            env["HEDDLE_SECRET"] = secret
        done = subprocess.run([BIN / "heddlectl", *map(str, words)], input="", capture_output=True, text=True, timeout=60, env=env)
        assert done.returncode == code, (words, done)
        assert SECRET not in done.stdout + done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr


@pytest.fixture
def team(heddle):
    return Team(heddle)


def node_of(got):
    return [e.node_finished for n, e in got if n == "node_finished" and e.node_finished.node_type == "llm"][0]


def no_secret_in_logs(h):
    for process in (h.executor, h.gateway):
        assert SECRET not in process.text()


# --- trials ---

@pytest.mark.parametrize("protocol", ["openai", "azure_openai", "anthropic", "gemini"])
@pytest.mark.parametrize("model", ["", "m-1"])
def test_a_good_credential_is_taken_in_every_protocol(team, protocol, model):
    credential = team.add(protocol=protocol, base_url=team.model.url if protocol == "openai" else team.root)
    trial = team.admin.TestCredential({"id": credential.id, "model": model})
    assert (trial.ok, trial.http_status, trial.message) == (True, 200, "") and 0 <= trial.elapsed_ms < 15000
    request, = team.mine()
    assert request["protocol"] == protocol and request["model"] == (model or None)


@pytest.mark.parametrize("protocol", ["openai", "azure_openai", "anthropic", "gemini"])
@pytest.mark.parametrize("model", ["", "m-1"])
def test_a_refused_credential_comes_back_with_the_providers_words(team, protocol, model):
    words = f"no such key: {SECRET}, ask your administrator"
    team.model.script({"match": {"api_key": SECRET}, "status": 401, "error_body": {"error": {"message": words}}})
    credential = team.add(protocol=protocol, base_url=team.model.url if protocol == "openai" else team.root)
    trial = team.admin.TestCredential({"id": credential.id, "model": model})
    assert (trial.ok, trial.http_status) == (False, 401)
    assert "ask your administrator" in trial.message and SECRET not in trial.message
    assert not team.listed()[0].cooldowns and not team.listed()[0].disabled
    no_secret_in_logs(team.h)


def test_a_disabled_credential_can_be_tried(team):
    credential = team.add(disabled=True)
    assert team.admin.TestCredential({"id": credential.id}).ok
    assert team.listed()[0].disabled


def test_a_trial_asks_for_the_model_as_calls_do(team):
    credential = team.add(base_url=team.root)
    team.set_model(upstream_model="new-name", protocol="anthropic")
    assert team.admin.TestCredential({"id": credential.id, "model": "old-name"}).ok
    request, = team.mine()
    assert (request["model"], request["protocol"]) == ("new-name", "anthropic")


def test_a_provider_that_is_not_there_is_told_at_once(team):
    credential = team.add(base_url=f"http://127.0.0.1:{free_port()}/v1")
    trial = team.admin.TestCredential({"id": credential.id})
    assert (trial.ok, trial.http_status) == (False, 0) and trial.message


def test_a_provider_that_says_nothing_takes_no_longer_than_the_caller_waits_and_holds_up_no_run(team):
    team.model.script({"match": {"api_key": SECRET}, "break_at": "request", "break_how": "stall"}, {"reply": "fine"})
    silent = team.add(models=["nothing"])
    team.add(name="other", secret="sk-other")
    trial = team.admin.TestCredential({"id": silent.id}, timeout=3)
    assert (trial.ok, trial.http_status) == (False, 0) and 1000 < trial.elapsed_ms < 3000
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        hanging = [pool.submit(team.admin.TestCredential, {"id": silent.id}, timeout=6) for _ in range(4)]
        wait_until(lambda: team.model.stats()["in_flight"] >= 2, what="trials hang")
        assert answer(team.say()) == "fine"  # a new export: compiled and run meanwhile
        assert not any(call.done() for call in hanging)
        for call in hanging:
            assert call.exception() is not None or not call.result().ok
    wait_until(lambda: team.model.stats()["in_flight"] == 0, what="trials nobody waits for end")


def test_what_cannot_be_tried_is_refused_with_its_reason(team):
    unknown = failure(team.admin.TestCredential, {"id": "01890000-0000-7000-8000-000000000000"})
    assert (unknown.code, unknown.reason) == (Code.NOT_FOUND, "CREDENTIAL_NOT_FOUND")
    bad = failure(team.admin.TestCredential, {"id": "7"})
    assert bad.code == Code.INVALID_ARGUMENT and bad.details["BadRequest"]["fields"] == ["id"]


def test_without_an_executor_nothing_is_tried(fresh):
    h = fresh()
    team = Team(h)
    credential = team.add()
    assert team.admin.TestCredential({"id": credential.id}).ok
    h.executor.stop()
    refused = failure(team.admin.TestCredential, {"id": credential.id})
    assert (refused.code, refused.reason) == (Code.UNAVAILABLE, "EXECUTOR_UNAVAILABLE")
    assert "no executor" in team.ctl("credential", "test", credential.id, code=1)


def test_a_trial_does_not_hold_up_the_end_of_an_executor(fresh):
    h = fresh(executor_options=("--grace_seconds", "1"))
    team = Team(h)
    credential = team.add()
    team.model.script({"break_at": "request", "break_how": "stall"})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pending = pool.submit(failure, team.admin.TestCredential, {"id": credential.id})
        wait_until(lambda: h.model.stats()["in_flight"] == 1, what="the provider is asked")
        began = time.monotonic()
        assert h.executor.stop() == 0
        assert time.monotonic() - began < 8
        assert pending.result().code in (Code.UNAVAILABLE, Code.CANCELLED)


# --- models ---

def test_an_alias_is_asked_for_under_its_own_name_and_prices_are_in_the_record(team):
    team.add()
    model = team.set_model(upstream_model="new-name", prompt_unit_price="2.50", completion_unit_price="10", currency="EUR")
    assert (model.upstream_model, model.price_unit, model.currency) == ("new-name", "0.000001", "EUR")
    team.model.script({"reply": "one two three four"})
    got = team.say("a b c")
    assert answer(got) == "one two three four"
    request, = team.mine()
    assert request["model"] == "new-name" and request["body"]["model"] == "new-name"
    node = node_of(got)
    usage = json.loads(node.process_data_json)["usage"]
    expected = usage["prompt_tokens"] * 2.5e-6 + usage["completion_tokens"] * 10e-6
    assert usage["currency"] == "EUR" and float(usage["total_price"]) == pytest.approx(expected, abs=1e-7)
    assert float(node.total_price) == pytest.approx(expected, abs=1e-7) and node.currency == "EUR"

    team.admin.SetModel({"model": {"provider": team.provider, "model": "old-name"}, "remove": True})

    def asked():
        team.say("d")
        return team.mine()[-1]["model"] == "old-name"

    wait_until(asked, what="the settings are gone")


@pytest.mark.parametrize("protocol", ["azure_openai", "anthropic", "gemini"])
def test_a_model_has_a_protocol_of_its_own(team, protocol):
    team.add(base_url=team.root)
    team.set_model(protocol=protocol)
    team.model.script({"reply": "in other words"})
    assert answer(team.say()) == "in other words"
    assert team.mine()[0]["protocol"] == protocol


def test_models_are_listed_by_provider_and_bad_ones_refused_by_field(team):
    for name in ("b", "a", "c"):
        team.admin.SetModel({"model": {"provider": team.provider, "model": name, "context_size": 4096}})
    page = team.admin.ListModels({"provider": team.provider, "page_size": 2})
    assert [m.model for m in page.models] == ["a", "b"]
    rest = team.admin.ListModels({"provider": team.provider, "page_size": 2, "page_token": page.next_page_token})
    assert [m.model for m in rest.models] == ["c"] and rest.next_page_token == ""
    for field, value in {"protocol": "soap", "prompt_unit_price": "-1", "completion_unit_price": "x", "price_unit": "1e-6",
                         "currency": "euro", "context_size": -1, "provider": ""}.items():
        refused = failure(team.set_model, **{field: value})
        assert refused.code == Code.INVALID_ARGUMENT and refused.details["BadRequest"]["fields"] == [f"model.{field}"]
    gone = {"model": {"provider": team.provider, "model": "z"}, "remove": True}
    assert failure(team.admin.SetModel, gone).reason == "MODEL_NOT_FOUND"


# --- credentials ---

def test_a_new_secret_is_used_for_the_next_call_and_ends_what_was_held_against_the_old_one(team):
    credential = team.add(secret="sk-old-key")
    team.model.script({"match": {"api_key": "sk-old-key"}, "status": 402}, {"reply": "fine"})
    assert finished(team.say()).status == 4
    disabled = wait_until(lambda: team.listed()[0].disabled and team.listed()[0], what="disabled")
    assert disabled.disabled_reason.startswith("out of quota")
    changed = team.admin.UpdateCredential({"id": credential.id, "secret": SECRET, "disabled": False})
    assert not changed.disabled and changed.disabled_reason == "" and not changed.cooldowns
    assert answer(team.say()) == "fine" and len(team.mine()) == 1
    no_secret_in_logs(team.h)


def test_what_cannot_be_is_refused_by_its_field(team):
    credential = team.add()
    for field, value in {"requests_per_minute": -1, "tokens_per_minute": -1, "max_concurrent": -1, "protocol": "soap"}.items():
        for call, request in ((team.add, {"name": new_id(), field: value}),
                              (lambda **r: team.admin.UpdateCredential(r), {"id": credential.id, field: value})):
            refused = failure(call, **request)
            assert refused.code == Code.INVALID_ARGUMENT and refused.details["BadRequest"]["fields"] == [field]


def test_a_rest_that_one_executor_sees_holds_for_another_at_once(fresh):
    h = fresh()
    team, port = Team(h), free_port()
    for name in ("a", "b", "c"):
        team.add(name, f"sk-{name}-0123456789")
    limit = {"match": {"api_key": "sk-a-0123456789"}, "status": 429, "headers": {"Retry-After": "90"}}
    others = [Process("executor2", [BIN / "heddle-executor", "--listen", f"unix:{h.folder}/executor2.sock", "--store", h.store],
                      h.folder, h.env),
              Process("gateway2", [BIN / "heddle-gateway", "--listen", f"127.0.0.1:{port}", "--admin_listen",
                                   f"127.0.0.1:{free_port()}", "--store", h.store, "--executor_target",
                                   f"unix:{h.folder}/executor2.sock"], h.folder, h.env)]
    try:
        wait_until(lambda: all("event=started" in p.text() for p in others), what="both started")
        with Client(f"127.0.0.1:{port}") as second:
            def say_there():
                return events(second.ChatService.SendMessage({"query": "hi", "user": "u-1"}, token=team.key))

            def serves():
                try:
                    return answer(say_there())
                except grpc.RpcError:
                    return None

            team.say()  # makes the key of the app
            wait_until(serves, what="the second executor serves")
            team.model.reset()
            team.model.script(limit, {"reply": "fine"})
            while not [r for r in team.model.requests() if r["status"] == 429]:
                assert answer(team.say()) == "fine"
            seen = [r["ended_at"]["monotonic_ms"] for r in team.model.requests() if r["status"] == 429][0]
            for _ in range(30):
                assert answer(say_there()) == "fine"
            late = [r["received_at"]["monotonic_ms"] - seen for r in team.model.requests() if r["status"] == 429][1:]
            assert all(ms < 150 for ms in late), late  # 50 ms are promised; the rest is for a loaded machine
            cooldown, = [c for c in team.listed() if c.name == "a"][0].cooldowns
            assert cooldown.seen_by in h.executor.text() + others[0].text() and 80 < cooldown.until_ms / 1000 - time.time() <= 90
            team.admin.UpdateCredential({"id": [c for c in team.listed() if c.name == "a"][0].id, "end_cooldowns": True})
            team.model.script({"reply": "fine"})

            def is_back(say):
                before = len([r for r in team.model.requests() if r["key"] == "sk-a-0123456789"])
                say()
                return len([r for r in team.model.requests() if r["key"] == "sk-a-0123456789"]) > before

            wait_until(lambda: is_back(team.say), what="the first uses it again")
            wait_until(lambda: is_back(say_there), what="the second uses it again")
    finally:
        assert [p.stop() for p in reversed(others)] == [0, 0]


# --- heddlectl ---

def test_heddlectl_adds_changes_tests_and_shows_a_credential(team):
    team.model.script({"match": {"api_key": SECRET}, "status": 429, "headers": {"Retry-After": "120"}})
    added = team.ctl("credential", "add", "--provider", team.provider, "--name", "ctl", "--base-url", team.model.url, "--protocol",
                     "openai", "--weight", 2, "--models", "old-*", "--models", "x", "--rpm", 60, "--tpm", 5000000000,
                     "--max-concurrent", 4, secret=SECRET).strip()
    assert re.fullmatch(UUID, added)
    shown = team.ctl("credential", "show", added)
    assert re.search(r"^limits +60 requests/min, 5000000000 tokens/min, 4 at a time$", shown, re.M)
    assert re.search(r"^state +enabled$", shown, re.M)
    refused = team.ctl("credential", "test", added, "--model", "old-1", code=1)
    assert refused.startswith("refused: HTTP 429: ") and refused.rstrip().endswith("ms)")

    assert finished(team.say()).status == 4
    wait_until(lambda: team.listed()[0].cooldowns, what="it rests")
    row = team.ctl("credential", "list", "--provider", team.provider).splitlines()[1]
    assert re.search(rf"^{added} +ctl +{team.provider} +openai +2 +old-\* x +{team.model.url} +enabled; old-name rests 1[012]\d s: rate limited$", row)
    assert re.search(rf"^old-name +\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d +rate limited +{UUID}$", team.ctl("credential", "show", added), re.M)

    team.model.script({"reply": "fine"})
    changed = json.loads(team.ctl("--json", "credential", "set", added, "--end-rests", "--rpm", 0, "--tpm", 0, "--max-concurrent", 0,
                                  "--weight", 1))
    assert "cooldowns" not in changed and "requestsPerMinute" not in changed
    assert re.fullmatch(r"ok: HTTP 200 \(\d+ ms\)\n", team.ctl("credential", "test", added))
    assert json.loads(team.ctl("--json", "credential", "test", added, "--model", "old-1"))["ok"] is True
    assert "there is no credential" in team.ctl("credential", "show", "01890000-0000-7000-8000-000000000000", code=1)
    team.ctl("credential", "set", added, "--rpm", "many", code=2)
    team.ctl("credential", "set", added, code=2)


def test_heddlectl_sets_lists_and_removes_models(team):
    assert team.ctl("model", "set", team.provider, "gpt-4", "--upstream", "gpt-4o", "--protocol", "azure_openai", "--context", 128000,
                    "--prompt-price", "2.50", "--completion-price", 10, "--price-unit", "0.001", "--currency", "EUR", "--affinity") == "set\n"
    row = team.ctl("model", "list", "--provider", team.provider).splitlines()[1]
    assert re.fullmatch(rf"{team.provider} +gpt-4 +gpt-4o +azure_openai +128000 +yes +2\.50 / 10 EUR by 0\.001", row)
    assert json.loads(team.ctl("--json", "model", "set", team.provider, "gpt-4", "--context", 1))["contextSize"] == "1"
    row = team.ctl("model", "list", "--provider", team.provider).splitlines()[1]
    assert re.fullmatch(rf"{team.provider} +gpt-4 +1 +no *", row)
    assert "currency" in team.ctl("model", "set", team.provider, "gpt-4", "--currency", "gold", code=1)
    assert team.ctl("model", "remove", team.provider, "gpt-4") == "removed\n"
    assert "MODEL_NOT_FOUND" in team.ctl("model", "remove", team.provider, "gpt-4", code=1)
    team.ctl("model", "set", team.provider, code=2)


def test_heddlectl_sets_priority_and_records_of_an_app(team):
    app = team.h.app(FLOW)[0]
    assert team.ctl("app", "set", app, "--priority", -5, "--record", "summary", "--retention-days", 30) == "changed\n"
    shown = team.ctl("app", "show", app)
    for line in ("priority +-5", "record +summary", "retention +30 days"):
        assert re.search(f"^{line}$", shown, re.M), shown
    team.ctl("app", "set", app, "--priority", 101, code=2)
    team.ctl("app", "set", app, "--record", "some", code=2)
    team.ctl("app", "set", app, code=2)
    refused = failure(team.admin.UpdateApp, {"app_id": app, "priority": -101})
    assert refused.code == Code.INVALID_ARGUMENT and refused.details["BadRequest"]["fields"] == ["priority"]
