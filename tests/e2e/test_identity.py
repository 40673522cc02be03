"""Who calls with a JSON Web Token: passports, issuers whose keys come from a server that changes and fails, and what nobody may."""
import base64
import hashlib
import hmac
import http.server
import json
import subprocess
import threading
import time
import uuid

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from conftest import BIN, Process, free_port, wait_until
from example_calls import CHAT, FLOW, Code, new_id, run, say
from heddle import Client, answer, events, failure, finished

SECRET = "the secret key of a Dify, forty bytes long"
CLUSTER = "https://kubernetes.default.svc.cluster.local"
WEB, JOB = "system:serviceaccount:shop:web", "system:serviceaccount:shop:job"
CHAT_APP, FLOW_APP = str(uuid.uuid4()), str(uuid.uuid4())


class Key:
    def __init__(self, kid, kind="RS256"):
        self.kid, self.kind = kid, kind
        self.private = (rsa.generate_private_key(public_exponent=65537, key_size=2048) if kind == "RS256"
                        else ec.generate_private_key(ec.SECP256R1()))

    @property
    def pem(self):
        return self.private.public_key().public_bytes(serialization.Encoding.PEM,
                                                      serialization.PublicFormat.SubjectPublicKeyInfo)

    def jwk(self):
        def number(n, size):
            return base64.urlsafe_b64encode(n.to_bytes(size, "big")).rstrip(b"=").decode()
        numbers = self.private.public_key().public_numbers()
        if self.kind == "RS256":
            return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.kid, "n": number(numbers.n, 256),
                    "e": number(numbers.e, 3)}
        return {"kty": "EC", "crv": "P-256", "kid": self.kid, "x": number(numbers.x, 32), "y": number(numbers.y, 32)}

    def token(self, header=None, **claims):
        now = time.time()
        claims = {"iss": CLUSTER, "aud": ["heddle"], "sub": WEB, "iat": now, "exp": now + 600, **claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, self.private, algorithm=self.kind, headers={"kid": self.kid, **(header or {})})


def passport(secret=SECRET, **claims):
    claims = {"iss": CHAT_APP, "sub": "Web API Passport", "app_id": CHAT_APP, "app_code": "x", **claims}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, secret, algorithm="HS256")


class KeyServer:
    """Serves a JWKS; `mode` is ok, error, garbage, huge or silent."""

    def __init__(self, *keys, port=0):
        self.keys, self.mode, self.requests, self.headers = list(keys), "ok", 0, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests += 1
                outer.headers.append(dict(self.headers))
                body = json.dumps({"keys": [k.jwk() for k in outer.keys]}).encode()
                if outer.mode == "silent":
                    outer.released.wait(20)
                if outer.mode == "garbage":
                    body = b'{"keys": 7}'
                if outer.mode == "huge":
                    body = b" " * (1 << 20) + body
                self.send_response(500 if outer.mode == "error" else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass  # the gateway has had enough

            def log_message(self, *args):
                pass

        self.released = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/openid/v1/jwks"

    def stop(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def cluster(url, **more):
    keys = {"jwks_url": url, "refresh_seconds": 3600, "refetch_seconds": 1, **more.pop("keys", {})}
    return {"issuer": CLUSTER, "audiences": ["heddle"], "keys": keys,
            "app": {"claim": "sub", "map": {WEB: CHAT_APP, JOB: FLOW_APP}}, **more}


@pytest.fixture
def identity(fresh, tmp_path):
    """Makes a Heddle with these issuers, passports, and both example apps under their ids."""
    servers = []

    def make(*issuers, server=None):
        if server is not None:
            servers.append(server)
        (tmp_path / "jwt_secret").write_text(SECRET + "\n")
        (tmp_path / "issuers.json").write_text(json.dumps({"issuers": list(issuers)}))
        h = fresh(gateway_options=["--jwt_secret_file", tmp_path / "jwt_secret", "--jwt_issuers", tmp_path / "issuers.json"])
        h.model.script({"reply": "fine"})
        h.keys = [h.app(CHAT, app_id=CHAT_APP)[1], h.app(FLOW, app_id=FLOW_APP)[1]]
        return h

    yield make
    for server in servers:
        server.stop()


def no_user(h, token, **options):
    return say(h, token, request={"user": "", **options.pop("request", {})}, **options)


def record(h, token, run_id):
    return h.public.WorkflowService.GetRun({"run_id": run_id}, token=token)


def recorded(h, token, run_id):
    """The record, as soon as it is there."""
    wait_until(lambda: failed(record, h, token, run_id) is None, what="the record is there")
    return record(h, token, run_id)


def run_id_of(stream_events):
    return stream_events[0][1].task_id


# --- issuers ---

@pytest.mark.parametrize("kind", ["RS256", "ES256"])
def test_a_service_account_of_kubernetes_calls_its_app(identity, kind):
    key = Key("k1", kind)
    server = KeyServer(key)
    h = identity(cluster(server.url), server=server)
    assert answer(events(no_user(h, key.token()))) == "fine"
    got = events(run(h, key.token(sub=JOB), request={"user": ""}))
    assert finished(got).status == 2, got
    assert recorded(h, key.token(sub=JOB), run_id_of(got)).user == JOB
    for token, call in ((key.token(), run), (key.token(sub=JOB), say)):  # each opens its own app only
        assert failure(call, h, token, request={"user": ""}).code == Code.FAILED_PRECONDITION
    assert failure(no_user, h, key.token(sub="system:serviceaccount:shop:other")).reason == "UNKNOWN_APP"
    assert server.requests == 1
    assert key.token() not in h.gateway.text() and "Bearer" not in h.gateway.text()


def test_whoever_is_trusted_to_names_end_users(identity):
    key = Key("k1")
    server = KeyServer(key)
    h = identity(cluster(server.url, user="request"), server=server)
    ids = [run_id_of(events(say(h, key.token(), request={"user": user}))) for user in ("anna", "bert")]
    assert recorded(h, h.keys[0], ids[0]).user == "anna"
    by_key = run_id_of(events(say(h, h.keys[0], request={"user": "anna"})))
    recorded(h, h.keys[0], by_key)
    runs = h.public.WorkflowService.ListRuns({"user": "anna"}, token=key.token()).runs
    assert {r.run_id for r in runs} >= {ids[0], by_key} and ids[1] not in {r.run_id for r in runs}
    refused = failure(no_user, h, key.token())
    assert (refused.code, refused.details["BadRequest"]["fields"]) == (Code.INVALID_ARGUMENT, ["user"])


def test_keys_are_rotated_and_taken_away(identity):
    old, new = Key("k1"), Key("k2", "ES256")
    server = KeyServer(old)
    h = identity(cluster(server.url), server=server)
    assert answer(events(no_user(h, old.token()))) == "fine"
    wait_until(lambda: failure(no_user, h, new.token()).reason == "UNKNOWN_KEY", what="the new key is not known")
    server.keys = [old, new]
    wait_until(lambda: time.sleep(0.3) or not failed(no_user, h, new.token()), what="the new key is fetched when it is needed")
    assert answer(events(no_user(h, old.token()))) == "fine"
    remembered = old.token()
    assert answer(events(no_user(h, remembered))) == "fine"
    server.keys = [new]
    # a key that nobody has makes the set be fetched again, and with it the old key is gone, for tokens that were good before, too
    wait_until(lambda: time.sleep(0.3) or (failure(no_user, h, Key("k3").token()).reason == "UNKNOWN_KEY" and
                                          failed(no_user, h, remembered) == "UNKNOWN_KEY"), what="the old key is gone")
    assert answer(events(no_user(h, new.token()))) == "fine"


def failed(call, *args):
    """The reason of a failure, or None."""
    try:
        return failure(call, *args).reason
    except AssertionError:
        return None


def test_invented_keys_make_no_traffic(identity):
    key = Key("k1")
    server = KeyServer(key)
    h = identity(cluster(server.url, keys={"refetch_seconds": 3600}), server=server)
    assert answer(events(no_user(h, key.token()))) == "fine"
    for i in range(200):
        assert failure(no_user, h, key.token(header={"kid": f"invented-{i}"})).reason == "UNKNOWN_KEY"
    assert server.requests == 1
    assert answer(events(no_user(h, key.token()))) == "fine"


def test_a_server_of_keys_that_is_away(identity):
    key, port = Key("k1"), free_port()
    h = identity(cluster(f"http://127.0.0.1:{port}/jwks"))
    refused = failure(no_user, h, key.token())
    assert (refused.code, refused.reason) == (Code.UNAVAILABLE, "ISSUER_KEYS_UNAVAILABLE")
    assert refused.details["RetryInfo"]["seconds"] > 0
    assert answer(events(say(h, h.keys[0]))) == "fine"  # others do not mind
    assert answer(events(no_user(h, passport(end_user_id="anna")))) == "fine"
    server = KeyServer(key, port=port)
    try:
        wait_until(lambda: failed(no_user, h, key.token()) is None, seconds=60, what="the keys came")
    finally:
        server.stop()
    assert answer(events(no_user(h, key.token()))) == "fine"  # known keys hold while it is away again
    assert failure(no_user, h, Key("k2").token()).code in (Code.UNAUTHENTICATED, Code.UNAVAILABLE)


@pytest.mark.parametrize("mode,words", [("error", "status 500"), ("garbage", "JWKS"), ("huge", "too large")])
def test_answers_that_are_no_keys(identity, mode, words):
    key = Key("k1")
    server = KeyServer(key)
    server.mode = mode
    h = identity(cluster(server.url), server=server)
    assert failure(no_user, h, key.token()).reason == "ISSUER_KEYS_UNAVAILABLE"
    wait_until(lambda: words in h.gateway.text(), what="the log says why")
    server.mode = "ok"
    wait_until(lambda: failed(no_user, h, key.token()) is None, seconds=60, what="the keys came")


def test_a_silent_server_of_keys_holds_up_nobody_else(identity):
    key = Key("k1")
    server = KeyServer(key)
    server.mode = "silent"
    h = identity(cluster(server.url), server=server)
    waiting = []
    thread = threading.Thread(target=lambda: waiting.append(failed(no_user, h, key.token())))
    thread.start()
    for _ in range(20):
        assert answer(events(say(h, h.keys[0]))) == "fine"
    gone = failure(no_user, h, key.token(), timeout=0.5)  # a caller that leaves while it waits
    assert gone.code in (Code.DEADLINE_EXCEEDED, Code.UNAVAILABLE)
    thread.join(30)
    assert waiting == ["ISSUER_KEYS_UNAVAILABLE"]
    h.gateway.stop()  # also with a fetch under way
    h.start_gateway()


def test_the_server_of_keys_is_shown_a_token(identity, tmp_path):
    key = Key("k1")
    server = KeyServer(key)
    (tmp_path / "account").write_text("a-token-of-its-own\n")
    h = identity(cluster(server.url, keys={"token_file": str(tmp_path / "account")}), server=server)
    assert answer(events(no_user(h, key.token()))) == "fine"
    assert server.headers[0]["Authorization"] == "Bearer a-token-of-its-own"
    assert "a-token-of-its-own" not in h.gateway.text()


# --- what nobody may ---

def hs256(secret, header, claims):
    """By hand: libraries refuse to sign with a public key."""
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")
    text = part(header) + b"." + part(claims)
    return (text + b"." + base64.urlsafe_b64encode(hmac.new(secret, text, hashlib.sha256).digest()).rstrip(b"=")).decode()


def test_tokens_that_are_confused_foreign_or_late(identity, tmp_path):
    key, foreign = Key("k1"), Key("k1")
    (tmp_path / "k1.pem").write_bytes(key.pem)
    issuer = cluster("x", leeway_seconds=1)
    issuer["keys"] = {"pem": [{"file": str(tmp_path / "k1.pem"), "algorithm": "RS256", "kid": "k1"}]}
    h = identity(issuer)
    now = time.time()
    claims = {"iss": CLUSTER, "aud": "heddle", "sub": WEB, "exp": now + 600}
    good = key.token()
    head, body, signature = good.split(".")
    rows = {
        "none": (jwt.encode(claims, None, algorithm="none"), "INVALID_TOKEN"),
        "no signature": (f"{head}.{body}.", "INVALID_TOKEN"),
        "HS256 with the public key": (hs256(key.pem, {"alg": "HS256", "kid": "k1"}, claims), "INVALID_TOKEN"),
        "HS256 with the secret of passports": (hs256(SECRET.encode(), {"alg": "HS256", "kid": "k1"}, claims), "INVALID_TOKEN"),
        "RS512": (jwt.encode(claims, key.private, algorithm="RS512", headers={"kid": "k1"}), "INVALID_TOKEN"),
        "PS256": (jwt.encode(claims, key.private, algorithm="PS256", headers={"kid": "k1"}), "INVALID_TOKEN"),
        "wrong kid": (key.token(header={"kid": "k9"}), "UNKNOWN_KEY"),
        "crit": (key.token(header={"crit": ["exp"]}), "INVALID_TOKEN"),
        "expired": (key.token(exp=now - 2), "TOKEN_EXPIRED"),
        "without exp": (key.token(exp=None), "INVALID_TOKEN"),
        "not yet valid": (key.token(nbf=now + 60), "TOKEN_NOT_YET_VALID"),
        "foreign issuer": (foreign.token(iss="https://evil"), "UNKNOWN_ISSUER"),
        "foreign key": (foreign.token(), "INVALID_TOKEN"),
        "foreign audience": (key.token(aud="shop"), "WRONG_AUDIENCE"),
        "truncated": (good[:-5], "INVALID_TOKEN"),
        "swapped": (f"{head}.{key.token(sub=JOB).split('.')[1]}.{signature}", "INVALID_TOKEN"),
        "huge": ("a" * 7000 + "." + "b" * 3000 + ".c", "INVALID_TOKEN"),
        "passport of another Dify": (passport("another secret key, also forty bytes long", end_user_id="a"), "INVALID_TOKEN"),
        "passport that has expired": (passport(end_user_id="a", exp=now - 1), "TOKEN_EXPIRED"),
        "passport of no known app": (passport(app_id=new_id(), end_user_id="a"), "UNKNOWN_APP"),
    }
    for name, (token, reason) in rows.items():
        refused = failure(no_user, h, token)
        assert (refused.code, refused.reason) == (Code.UNAUTHENTICATED, reason), name
        assert token not in refused.words
        assert failure(h.public.WorkflowService.GetRun, {"run_id": new_id()}, token=token).reason == reason, name
    assert h.model.requests() == []
    assert answer(events(no_user(h, good))) == "fine"
    for token, _ in rows.values():
        assert token not in h.gateway.text()


def test_guessing_tokens_locks_nobody_out(identity):
    key = Key("k1")
    server = KeyServer(key)
    h = identity(cluster(server.url, keys={"refetch_seconds": 3600}), server=server)
    assert answer(events(no_user(h, key.token()))) == "fine"
    stopped, refused = threading.Event(), []

    def guess(seed):
        client = Client(f"127.0.0.1:{h.port}")
        head, body, _ = key.token().split(".")
        while not stopped.is_set():
            seed = hashlib.sha256(seed).digest()
            token = f"{head}.{body}." + base64.urlsafe_b64encode(seed * 8).rstrip(b"=").decode()
            refused.append(failure(client.WorkflowService.GetRun, {"run_id": new_id()}, token=token).reason)
        client.close()

    threads = [threading.Thread(target=guess, args=(bytes([i]),)) for i in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            assert answer(events(no_user(h, key.token()))) == "fine"
            assert answer(events(say(h, h.keys[0]))) == "fine"
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    assert len(refused) > 10 and set(refused) == {"INVALID_TOKEN"}
    assert server.requests == 1


# --- end users ---

def test_a_passport_speaks_for_its_end_user_alone(identity):
    h = identity()
    anna, bert = passport(end_user_id="anna"), passport(user_id="bert", exp=time.time() + 600)
    got = events(no_user(h, anna))
    assert answer(got) == "fine"
    assert answer(events(say(h, anna, request={"user": "anna"}))) == "fine"
    for call in (lambda: say(h, anna, request={"user": "bert"}),
                 lambda: h.public.ConversationService.ListConversations({"user": "bert"}, token=anna),
                 lambda: h.public.WorkflowService.ListRuns({"user": "bert"}, token=anna),
                 lambda: h.public.TaskService.StopTask({"task_id": new_id(), "user": "bert"}, token=anna)):
        refused = failure(call)
        assert (refused.code, refused.reason) == (Code.PERMISSION_DENIED, "USER_MISMATCH")
    # records: their own, whatever the request leaves out; an API key sees all
    run_id, conversation = run_id_of(got), got[0][1].conversation_id
    assert recorded(h, anna, run_id).user == "anna"
    assert record(h, h.keys[0], run_id).user == "anna"
    assert failure(record, h, bert, run_id).reason == "RUN_NOT_FOUND"
    assert len(h.public.WorkflowService.ListRuns({}, token=anna).runs) == 2
    assert len(h.public.WorkflowService.ListRuns({}, token=bert).runs) == 0
    conversations = h.public.ConversationService
    assert conversation in [c.conversation_id for c in conversations.ListConversations({}, token=anna).conversations]
    assert len(conversations.ListConversations({}, token=bert).conversations) == 0
    # an API key's end user of the same name is another
    assert len(conversations.ListConversations({"user": "anna"}, token=h.keys[0]).conversations) == 0
    for other, fields in ((bert, {}), (h.keys[0], {"user": "anna"})):
        asked = {"conversation_id": conversation, **fields}
        assert failure(conversations.ListMessages, asked, token=other).reason == "CONVERSATION_NOT_FOUND"
        assert failure(conversations.DeleteConversation, asked, token=other).reason == "CONVERSATION_NOT_FOUND"


def test_a_run_is_stopped_by_its_end_user_alone(identity):
    h = identity()
    h.model.script({"reply": "one two three", "first_token_ms": 60000})
    anna, bert = passport(end_user_id="anna"), passport(end_user_id="bert")
    stream = no_user(h, anna)
    task = {"task_id": next(stream).task_id}
    stop = h.public.TaskService.StopTask
    assert stop(task, token=bert).result == 3
    assert stop({**task, "user": "anna"}, token=h.keys[0]).result == 3
    assert stop(task, token=anna).result == 1
    assert finished(events(stream)).end_reason == 3


# --- scopes ---

def test_scopes(identity):
    key = Key("k1")
    server = KeyServer(key)
    admins = {**cluster(server.url, scopes={"claim": "scope"}), "issuer": "https://admins"}
    h = identity(cluster(server.url, scopes={"claim": "scope"}), admins, server=server)
    only = {scope: key.token(scope=scope) for scope in ("run", "read", "admin", "", "RUN", "run admin")}
    reads = lambda token: h.public.WorkflowService.ListRuns({}, token=token)  # noqa: E731
    stops = lambda token: h.public.TaskService.StopTask({"task_id": new_id()}, token=token)  # noqa: E731
    starts = lambda token: events(no_user(h, token))  # noqa: E731
    lists = lambda token: Client(f"127.0.0.1:{h.admin_port}", token).AdminService.ListApps({})  # noqa: E731
    may = {starts: {"run", "run admin"}, stops: {"run", "run admin"}, reads: {"read"}, lists: {"admin", "run admin"}}
    for call, scopes in may.items():
        for scope, token in only.items():
            if scope in scopes:
                call(token)
            else:
                refused = failure(call, token)
                assert (refused.code, refused.reason) == (Code.PERMISSION_DENIED, "SCOPE_MISSING"), scope
    assert failure(lists, h.keys[0]).reason == "INVALID_TOKEN"
    assert failure(lists, passport(end_user_id="anna")).reason == "SCOPE_MISSING"
    assert failure(lists, key.token(scope="admin", aud="shop")).reason == "WRONG_AUDIENCE"
    lists(h.admin_token)
    lists(key.token(iss="https://admins", scope="admin"))


# --- the file ---

def test_all_mistakes_are_told_at_the_start(tmp_path):
    (tmp_path / "secret").write_text("short")
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "weak.pem").write_bytes(weak)
    (tmp_path / "issuers.json").write_text(json.dumps({"issuers": [
        {"issuer": "a", "audiences": [], "keys": {"jwks_url": "http://example.com/jwks"}, "leeway_seconds": 9999},
        {"issuer": "a", "audiences": ["x"], "keys": {"pem": [{"file": str(tmp_path / "weak.pem"), "algorithm": "RS256"}]},
         "app": {"id": "no-uuid"}, "scopes": ["root"], "colour": "red"},
        {"issuer": "b", "audiences": ["x"], "keys": {"jwks_file": str(tmp_path / "missing")}, "user": {"claim": ""}},
    ]}))
    process = Process("gateway", [BIN / "heddle-gateway", "--listen", f"127.0.0.1:{free_port()}", "--admin_listen",
                                  f"127.0.0.1:{free_port()}", "--store", f"sqlite:{tmp_path}/heddle.db", "--jwt_secret_file",
                                  tmp_path / "secret", "--jwt_issuers", tmp_path / "issuers.json"], tmp_path)
    assert process.child.wait(20) == 1
    for words in ("jwt_secret: must have at least 32 bytes", "issuers[0].audiences", "issuers[0].keys.jwks_url: must be https",
                  "issuers[0].leeway_seconds", "issuers[1].issuer: is there twice", "RSA key of 1024 bits", "issuers[1].app.id",
                  "issuers[1].scopes", "colour", "issuers[2].keys.jwks_file", "issuers[2].user.claim"):
        assert words in process.text(), words
    assert "short" not in process.text()


def test_options_are_shown_without_the_secret(tmp_path):
    (tmp_path / "secret").write_text(SECRET)
    shown = subprocess.run([BIN / "heddle-gateway", "--print-config", "--jwt_secret_file", tmp_path / "secret"],
                           capture_output=True, text=True)
    assert shown.returncode == 0 and "jwt_secret" in shown.stdout and SECRET not in shown.stdout
