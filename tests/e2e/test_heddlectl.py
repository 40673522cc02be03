"""heddlectl as people and scripts use it: every command, its exit codes, its JSON, its silence about secrets, Ctrl-C."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

from conftest import BIN, SOURCE, free_port, wait_until

CHAT = SOURCE / "deploy" / "examples" / "support-chat.yml"
FLOW = SOURCE / "deploy" / "examples" / "summarise.yml"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
NOBODY = "019aaf00-0000-7000-8000-00000000ffff"
SECRET = "sk-a-secret-that-nobody-sees"


class Ctl:
    """ctl("app", "list") runs heddlectl with a token; the result has code, out and err."""

    def __init__(self, h, token):
        self.h, self.token = h, token

    def environment(self, secret=None, token=None):
        env = {k: v for k, v in os.environ.items() if not k.startswith("HEDDLE_")}
        env.update(HEDDLE_GATEWAY=f"127.0.0.1:{self.h.port}", HEDDLE_ADMIN=f"127.0.0.1:{self.h.admin_port}")
        token = self.token if token is None else token
        if token:
            env["HEDDLE_TOKEN"] = token
        if secret is not None:
            env["HEDDLE_SECRET"] = secret
        return env

    def __call__(self, *words, code=0, stdin="", secret=None, token=None):
        result = subprocess.run([BIN / "heddlectl", *map(str, words)], input=stdin, capture_output=True, text=True,
                                timeout=60, env=self.environment(secret, token))
        assert result.returncode == code, (words, result)
        for text in (result.stdout, result.stderr):
            assert SECRET not in text
            assert token is None or not token or token not in text
        return result

    def out(self, *words, **options):
        result = self(*words, **options)
        assert result.stderr == "", result.stderr
        return result.stdout

    def json(self, *words, **options):
        return json.loads(self.out("--json", *words, **options))

    def lines(self, *words, **options):
        return [json.loads(line) for line in self.out("--json", *words, **options).splitlines()]


@pytest.fixture
def admin(heddle):
    return Ctl(heddle, heddle.admin_token)


def new_app(admin, file):
    return re.search(rf"^app +({UUID})", admin.out("app", "import", file), re.M)[1]


def new_key(admin, app):
    return admin.out("key", "create", app, "--quiet").strip()


@pytest.fixture
def chat(heddle, admin):
    heddle.model.script({"reply": "one two three"})
    return Ctl(heddle, new_key(admin, new_app(admin, CHAT)))


@pytest.fixture
def flow(heddle, admin):
    heddle.model.script({"reply": "short"})
    return Ctl(heddle, new_key(admin, new_app(admin, FLOW)))


# --- apps ---

def test_an_app_from_import_to_deletion(admin):
    app = new_app(admin, CHAT)
    assert re.search(rf"^version +{UUID}, which was there already", admin.out("app", "import", "--app-id", app, CHAT), re.M)
    shown = admin.out("app", "show", app)
    assert app in shown and "advanced-chat" in shown and re.search(r"^tone +select +", shown, re.M)
    assert admin.out("app", "set", app, "--name", "Weaver", "--disabled", "yes") == "changed\n"
    row = next(line for line in admin.out("app", "list").splitlines() if app in line)
    assert "Weaver" in row and "disabled" in row
    assert admin.out("app", "set", app, "--disabled=no") == "changed\n"

    changed = CHAT.read_text() + "\n# another version\n"
    second = re.search(rf"^version +({UUID})$", admin.out("app", "import", "-", "--app-id", app, "--no-publish", stdin=changed), re.M)[1]
    versions = admin.lines("app", "versions", app)
    assert [v["number"] for v in versions] == [2, 1] and versions[0]["versionId"] == second
    assert [v.get("published", False) for v in versions] == [False, True]
    assert admin.out("app", "publish", app, second) == "published\n"
    assert re.search(rf"^2 +{second} +yes", admin.out("app", "versions", app), re.M)

    assert "--yes" in admin("app", "delete", app, code=2).stderr
    assert admin.out("app", "delete", app, "--yes") == "deleted\n"
    assert "NOT_FOUND (APP_NOT_FOUND)" in admin("app", "show", app, code=1).stderr


def test_environment_variables_and_their_secrets(admin):
    app = new_app(admin, FLOW)
    assert re.search(r"^CITY +string +Oslo=north$", admin.out("app", "env", app, "set", "CITY=Oslo=north", "N=1"), re.M)
    assert re.search(r"^TOKEN +secret +\*\*\*$", admin.out("app", "env", app, "set", "TOKEN", "--secret", secret=SECRET), re.M)
    assert re.search(r"^TOKEN ", admin.out("app", "env", app), re.M)
    assert SECRET not in json.dumps(admin.json("app", "env", app)) + json.dumps(admin.json("app", "show", app))
    left = admin.out("app", "env", app, "remove", "CITY", "N")
    assert "CITY" not in left and "TOKEN" in left
    for words in (["set"], ["put", "A=1"], ["set", "A"], ["set", "A=1", "--secret"], ["set", "A", "B", "--secret"]):
        admin("app", "env", app, *words, code=2, secret=SECRET)


def test_problems_of_an_export_are_listed_with_place_and_mending(admin, tmp_path):
    broken = tmp_path / "broken.yml"
    broken.write_text(CHAT.read_text().replace("type: template-transform", "type: code").replace("type: answer", "type: nonsense"))
    result = admin("app", "import", broken, code=1)
    problems = re.findall(r"^problem: (\S.*)\n {4}(\S.*)(?:\n {4}mend: (\S.*))?$", result.stdout, re.M)
    assert len(problems) >= 2 and all("nodes" in path for path, _, _ in problems[:2]), result.stdout
    assert re.search(r"^not imported: \d+ problems$", result.stdout, re.M)
    as_json = json.loads(admin("--json", "app", "import", broken, code=1).stdout)
    assert len(as_json["problems"]) == len(problems) and "appId" not in as_json
    assert "nothing was stored" in admin.out("app", "import", CHAT, "--dry-run")


def test_files_that_are_none_are_named(admin, tmp_path):
    assert "nowhere.yml: No such file" in admin("app", "import", tmp_path / "nowhere.yml", code=1).stderr
    (tmp_path / "nul").write_bytes(b"app:\0")
    assert "NUL" in admin("app", "import", tmp_path / "nul", code=1).stderr
    (tmp_path / "no.yml").write_text("[1, 2")
    assert "problem:" in admin("app", "import", tmp_path / "no.yml", code=1).stdout


# --- keys and credentials ---

def test_keys_are_shown_once_and_then_by_a_hint(admin):
    app = new_app(admin, CHAT)
    made = admin.out("key", "create", app, "--name", "first")
    key, key_id = re.search(r"^key +(app-\w+)$", made, re.M)[1], re.search(rf"^id +({UUID})$", made, re.M)[1]
    listed = admin.out("key", "list", app)
    assert key_id in listed and "first" in listed and key not in listed and key not in json.dumps(admin.lines("key", "list"))
    assert "key" in admin.json("key", "create", app)
    brought = "app-" + os.urandom(12).hex()
    assert admin.out("key", "create", app, "--key-stdin", "--quiet", stdin=brought + "\n").strip() == brought
    assert "ALREADY_EXISTS (KEY_EXISTS)" in admin("key", "create", app, "--key-stdin", stdin=brought, code=1).stderr
    assert "deleted" in admin.out("key", "delete", key_id)
    assert key_id not in admin.out("key", "list", app)
    assert "KEY_NOT_FOUND" in admin("key", "delete", key_id, code=1).stderr


def test_credentials_come_and_go_without_showing_their_secret(admin):
    credential = admin.out("credential", "add", "--provider", "weaver", "--name", "ctl", "--base-url", "http://127.0.0.1:9/v1",
                           "--models", "w-*", "--models", "x", "--weight", 3, secret=SECRET).strip()
    assert re.fullmatch(UUID, credential)
    assert re.search(rf"^{credential} +ctl +weaver +openai +3 +w-\* x +http://127.0.0.1:9/v1 +enabled$",
                     admin.out("credential", "list", "--provider", "weaver"), re.M)
    assert admin.out("credential", "disable", credential).strip() == credential
    assert admin.lines("credential", "list", "--provider", "weaver")[0]["disabled"] is True
    assert admin.out("credential", "enable", credential).strip() == credential
    changed = admin.json("credential", "set", credential, "--name", "new", "--weight=5", "--secret", stdin=SECRET + "\n")
    assert changed["name"] == "new" and changed["weight"] == 5 and "secret" not in changed
    assert admin.out("credential", "delete", credential) == "deleted\n"
    assert "CREDENTIAL_NOT_FOUND" in admin("credential", "enable", credential, code=1).stderr


def test_an_empty_secret_is_refused(admin):
    for options in ({"stdin": ""}, {"stdin": "\n"}, {"secret": "", "stdin": ""}):
        said = admin("credential", "add", "--provider", "p", "--name", "n", "--base-url", "http://x/v1", code=1, **options)
        assert "secret is empty" in said.stderr


# --- runs ---

def test_chat_prints_the_answer_as_it_streams(heddle, chat):
    heddle.model.script({"reply": "word " * 40, "tokens_per_second": 40})
    with subprocess.Popen([BIN / "heddlectl", "chat", "Hi"], stdout=subprocess.PIPE, env=chat.environment()) as child:
        first = os.read(child.stdout.fileno(), 10000)
        assert b"word" in first and first.count(b"word") < 40 and child.poll() is None
        rest = child.stdout.read()
        assert child.wait(20) == 0
    assert first + rest == b"word " * 40 + b"\n"


def test_chat_shows_events_as_words_or_as_json(chat):
    words = chat.out("chat", "Hi", "--user", "me", "--input", "tone=brief", "--events").splitlines()
    assert words[0].split()[:3] == ["1", "workflow_started", "conversation"] and words[-1].split()[1:3] == ["workflow_finished", "RUN_STATUS_SUCCEEDED"]
    events = chat.lines("chat", "Hi", "--inputs-json", '{"tone": "full"}')
    assert "workflowStarted" in events[0] and events[-1]["workflowFinished"]["status"] == "RUN_STATUS_SUCCEEDED"
    assert json.loads(events[0]["workflowStarted"]["inputsJson"])["tone"] == "full"
    assert "".join(e["message"].get("answer", "") for e in events if "message" in e) == "one two three"


def test_run_prints_outputs_or_the_text_as_it_streams(flow, tmp_path):
    (tmp_path / "inputs.json").write_text('{"text": "A text."}')
    outputs = json.loads(flow.out("run", "--inputs-json", f"@{tmp_path}/inputs.json"))
    assert outputs["summary"] == "short"
    assert flow.out("run", "--input", "text=A text.", "--stream").endswith("short\n")


def test_a_text_of_the_model_cannot_steer_the_terminal(heddle, chat, flow):
    heddle.model.script({"reply": "a\x1b[31mb\x9bc\x7f"})
    assert chat.out("chat", "Hi") == "a?[31mb?c?\n"
    text = flow.out("run", "--input", "text=t")
    assert json.loads(text)["summary"] == "a\x1b[31mb\x9bc\x7f" and not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


def test_a_failed_run_says_which_node_and_why(heddle, chat):
    heddle.model.script({"status": 401, "error_body": {"error": {"message": "no such key"}}})
    said = chat("chat", "Hi", code=1)
    assert "(llm) failed: " in said.stderr and "401" in said.stderr and "RUN_STATUS_FAILED" in said.stderr
    events = [json.loads(line) for line in chat("--json", "chat", "Hi", code=1).stdout.splitlines()]
    assert events[-1]["error"]["message"].startswith("Run failed: ")


def stream_in_background(ctl, *words):
    child = subprocess.Popen([BIN / "heddlectl", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env=ctl.environment())
    assert child.stdout.read(4) == "word"
    return child


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_an_interrupt_stops_the_run_and_the_request_to_the_model(heddle, chat, how):
    heddle.model.script({"reply": "word " * 2000, "tokens_per_second": 20})
    child = stream_in_background(chat, "chat", "Hi")
    before = time.monotonic()
    child.send_signal(how)
    out, err = child.communicate(timeout=10)
    assert child.returncode == 130 and time.monotonic() - before < 5
    assert "RUN_STATUS_STOPPED" in err and out.endswith("\n")
    wait_until(lambda: heddle.model.requests()[-1]["ended_at"] is not None, seconds=5, what="the model's request ended")


def test_a_run_is_stopped_by_its_id_and_user_only(heddle, chat):
    heddle.model.script({"reply": "word " * 2000, "tokens_per_second": 20})
    child = subprocess.Popen([BIN / "heddlectl", "--json", "chat", "Hi", "--user", "ann"], stdout=subprocess.PIPE, text=True,
                             env=chat.environment())
    task = json.loads(child.stdout.readline())["taskId"]
    assert "not found" in chat("stop", task, "--user", "bob", code=1).stdout
    assert chat.json("stop", task, "--user", "ann") == {"result": "STOP_RESULT_STOPPING"}
    rest = child.communicate(timeout=10)[0]
    assert child.returncode == 1 and "END_REASON_STOPPED_BY_USER" in rest
    assert chat.out("stop", task, "--user", "ann") == "it has already ended\n"


def test_a_time_limit_ends_a_run(heddle, chat):
    heddle.model.script({"reply": "word " * 2000, "tokens_per_second": 20})
    said = chat("--timeout", "1", "chat", "Hi", code=1)
    assert said.stdout.startswith("word") and "deadline" in said.stderr.lower()


# --- what is wrong, and where ---

def test_health_is_an_exit_code(heddle, admin):
    assert admin.out("health", token="") == "serving\n"
    assert admin.json("health") == {"status": "SERVING"}
    before = time.monotonic()
    gone = admin("--gateway", f"127.0.0.1:{free_port()}", "health", "--wait", "1", code=1)
    assert time.monotonic() - before >= 1 and "is the gateway running" in gone.stderr


def test_tokens_are_asked_for_and_never_repeated(heddle, admin, chat):
    assert "HEDDLE_TOKEN" in admin("app", "list", code=1, token="").stderr
    assert "UNAUTHENTICATED (INVALID_TOKEN)" in admin("app", "list", code=1, token="not-the-admin-token").stderr
    assert "INVALID_TOKEN" in chat("chat", "Hi", code=1, token="not-an-api-key-at-all").stderr
    assert "APP" in admin.out("--token-stdin", "app", "list", token="", stdin=heddle.admin_token + "\n")
    assert "no line" in admin("--token-stdin", "app", "list", code=2).stderr
    assert "standard input" in admin("--token-stdin", "app", "import", "-", token="", code=1, stdin=heddle.admin_token + "\n").stderr


def test_calls_that_are_refused_say_their_reason(admin, chat, flow):
    assert "FAILED_PRECONDITION (NOT_WORKFLOW_APP)" in chat("run", code=1).stderr
    assert "FAILED_PRECONDITION (NOT_CHAT_APP)" in flow("chat", "Hi", code=1).stderr
    assert "INVALID_ARGUMENT (INVALID_FIELD)" in chat("chat", "Hi", "--input", "tone=loud", code=1).stderr
    assert "VERSION_NOT_FOUND" in chat("chat", "Hi", "--version-id", NOBODY, code=1).stderr
    assert "APP_NOT_FOUND" in admin("app", "versions", NOBODY, code=1).stderr
    for words in (["app", "set", NOBODY, "--name", "x"], ["app", "publish", NOBODY, NOBODY], ["app", "delete", NOBODY, "--yes"],
                  ["key", "create", NOBODY], ["app", "env", NOBODY, "set", "A=1"]):
        assert "NOT_FOUND" in admin(*words, code=1).stderr


@pytest.mark.parametrize("line,words", [
    ("", "heddlectl --help"),
    ("app", 'no command "app"'),
    ("app lost", 'no command "app lost"'),
    ("chat", "something is missing: chat TEXT"),
    ("chat a b", "one word too many"),
    ("app list --all", "unknown option --all"),
    ("--gateway", "--gateway needs a value"),
    ("health --wait soon", "whole number"),
    ("--timeout 0 health", "whole number"),
    ("app set x", "nothing to change"),
    ("app set x --disabled perhaps", "neither yes nor no"),
    ("credential set x", "nothing to change"),
    ("credential add --provider p", "are needed"),
    ("credential add --provider p --name n --base-url u --weight 0", "whole number"),
    ("app import f --unsupported ignore", "neither refuse nor fail-when-reached"),
    ("chat hi --input novalue", "NAME=VALUE"),
    ("run --input a=1 --inputs-json {}", "not both"),
])
def test_mistakes_of_the_command_line_are_exit_code_two(admin, line, words):
    assert words in admin(*line.split(), code=2).stderr


def test_every_command_has_help(admin):
    listed = re.findall(r"^  ([a-z]+(?: [a-z]+)?)  +[A-Z]", admin.out("--help"), re.M)
    assert len(listed) >= 21
    for command in listed:
        assert admin.out(*command.split(), "--help").startswith(f"usage: heddlectl {command}")


def test_chat_goes_on_with_a_conversation(chat):
    words = chat.out("chat", "Hi", "--events").splitlines()
    conversation = words[0].split()[-1]
    again = chat.out("chat", "Hi", "--conversation", conversation, "--events").splitlines()
    assert again[0].split()[-1] == conversation
    refused = chat("chat", "Hi", "--conversation", conversation, "--user", "somebody else", code=1)
    assert "CONVERSATION_NOT_FOUND" in refused.stderr
