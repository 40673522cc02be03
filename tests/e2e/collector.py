"""An OTLP/HTTP receiver: what gateways and executors send, read by Google's own protobuf."""
import http.server
import importlib
import pathlib
import subprocess
import sys
import threading

PROTO = pathlib.Path(__file__).parents[1] / "shared" / "otlp" / "otlp.proto"
SERVER, INTERNAL, CLIENT = 2, 1, 3
ERROR = 2


def messages(folder):
    """The module of tests/shared/otlp/otlp.proto."""
    subprocess.run(["protoc", f"-I{PROTO.parent}", f"--python_out={folder}", PROTO.name], check=True)
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("otlp_pb2")
    finally:
        sys.path.remove(str(folder))


def value(v):
    kind = v.WhichOneof("value")
    return [value(x) for x in v.list.values] if kind == "list" else getattr(v, kind)


class Span:
    def __init__(self, span, resource):
        self.trace, self.id, self.parent = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
        self.name, self.kind, self.state, self.flags = span.name, span.kind, span.trace_state, span.flags
        self.start, self.end = span.start_ns, span.end_ns
        self.status, self.words = span.status.code, span.status.message
        self.attributes = {a.key: value(a.value) for a in span.attributes}
        assert len(self.attributes) == len(span.attributes), "an attribute comes twice"
        self.resource = resource
        self.service = resource["service.name"]

    def __getitem__(self, key):
        return self.attributes.get(key)

    def __repr__(self):
        return f"<{self.service} {self.name!r} {self.id} in {self.parent or '-'} {self.attributes}>"


class Collector:
    """answer(handler) may be set to answer in another way than 200."""

    def __init__(self, folder, port=0):
        self.otlp, self.lock = messages(folder), threading.Lock()
        self.answer, self.seen, self.headers, self.requests = None, [], [], 0
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with collector.lock:
                    collector.requests += 1
                    collector.headers.append((self.path, dict(self.headers)))
                if collector.answer is not None and collector.answer(self):
                    return
                collector.take(body)
                self.reply(200)

            def reply(self, status, body=b"", **headers):
                self.send_response(status)
                for name, text in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name.replace("_", "-"), text)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that has left

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, body):
        request = self.otlp.Request.FromString(body)
        spans = []
        for part in request.resource_spans:
            resource = {a.key: value(a.value) for a in part.resource.attributes}
            for scope in part.scope_spans:
                assert scope.scope.name == "heddle"
                spans += [Span(s, resource) for s in scope.spans]
        with self.lock:
            self.seen += spans

    def spans(self, trace=None):
        with self.lock:
            return [s for s in self.seen if trace in (None, s.trace)]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
