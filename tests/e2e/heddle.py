"""A gRPC client that knows no proto files: it learns every service from the server's reflection."""
import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, symbol_database  # noqa: F401
from google.protobuf import any_pb2, duration_pb2, struct_pb2, json_format  # noqa: F401

LABEL = {"opt": 1, "rep": 3}
TYPE = {"int32": 5, "string": 9, "message": 11, "bytes": 12}


def _reflection_classes(package):
    """Message classes of `package`.ServerReflection, from the few fields the client needs (grpc/reflection/v1)."""
    file = descriptor_pb2.FileDescriptorProto(name=package.replace(".", "/") + ".proto", package=package, syntax="proto3")

    def message(name, *fields):
        m = file.message_type.add(name=name)
        for field, number, kind, label, type_name in fields:
            m.field.add(name=field, number=number, label=LABEL[label], type=TYPE[kind],
                        type_name=f".{package}.{type_name}" if type_name else None)

    message("ServerReflectionRequest", ("host", 1, "string", "opt", ""), ("file_by_filename", 3, "string", "opt", ""),
            ("file_containing_symbol", 4, "string", "opt", ""), ("list_services", 7, "string", "opt", ""))
    message("FileDescriptorResponse", ("file_descriptor_proto", 1, "bytes", "rep", ""))
    message("ServiceResponse", ("name", 1, "string", "opt", ""))
    message("ListServiceResponse", ("service", 1, "message", "rep", "ServiceResponse"))
    message("ErrorResponse", ("error_code", 1, "int32", "opt", ""), ("error_message", 2, "string", "opt", ""))
    message("ServerReflectionResponse", ("file_descriptor_response", 4, "message", "opt", "FileDescriptorResponse"),
            ("list_services_response", 6, "message", "opt", "ListServiceResponse"),
            ("error_response", 7, "message", "opt", "ErrorResponse"))
    # In proto3 without a oneof, an empty string is not sent; the requests below are never empty.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return [factory.GetPrototype(pool.FindMessageTypeByName(f"{package}.{n}"))
            for n in ("ServerReflectionRequest", "ServerReflectionResponse")]


class Reflection:
    def __init__(self, channel, version="v1"):
        package = f"grpc.reflection.{version}"
        self.request, response = _reflection_classes(package)
        self.call = channel.stream_stream(f"/{package}.ServerReflection/ServerReflectionInfo",
                                          request_serializer=self.request.SerializeToString,
                                          response_deserializer=response.FromString)

    def ask(self, **field):
        answers = list(self.call(iter([self.request(**field)]), timeout=10))
        assert len(answers) == 1
        return answers[0]

    def services(self):
        return sorted(s.name for s in self.ask(list_services="*").list_services_response.service)


class Client:
    """client.ChatService.SendMessage({...}) → a list-like stream; unary rpcs → a message. Requests are dicts."""

    def __init__(self, target, token=None, version="v1"):
        self.target = target
        self.token = token
        self.channel = grpc.insecure_channel(target, options=[
            ("grpc.max_receive_message_length", 16 << 20), ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_http_proxy", 0)])
        grpc.channel_ready_future(self.channel).result(timeout=20)
        self.pool = descriptor_pool.DescriptorPool()
        self.factory = message_factory.MessageFactory(self.pool)
        self.reflection = Reflection(self.channel, version)
        self._files = set()
        self.services = self.reflection.services()
        for service in self.services:
            self._load(self.reflection.ask(file_containing_symbol=service))
            setattr(self, service.rsplit(".", 1)[1], _Service(self, self.pool.FindServiceByName(service)))

    def _load(self, answer):
        protos = [descriptor_pb2.FileDescriptorProto.FromString(raw)
                  for raw in answer.file_descriptor_response.file_descriptor_proto]
        assert protos, answer
        by_name = {p.name: p for p in protos}

        def add(name):
            if name in self._files:
                return
            if name not in by_name:
                for raw in self.reflection.ask(file_by_filename=name).file_descriptor_response.file_descriptor_proto:
                    p = descriptor_pb2.FileDescriptorProto.FromString(raw)
                    by_name[p.name] = p
            for dependency in by_name[name].dependency:
                add(dependency)
            self.pool.Add(by_name[name])
            self._files.add(name)

        for p in protos:
            add(p.name)

    def message(self, full_name):
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName(full_name))

    def metadata(self, token=None):
        token = token if token is not None else self.token
        return (("authorization", f"Bearer {token}"),) if token else ()

    def close(self):
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class _Service:
    def __init__(self, client, descriptor):
        for method in descriptor.methods:
            setattr(self, method.name, self._method(client, descriptor, method))

    @staticmethod
    def _method(client, service, method):
        request_class = client.factory.GetPrototype(method.input_type)
        response_class = client.factory.GetPrototype(method.output_type)
        proto = descriptor_pb2.MethodDescriptorProto()
        method.CopyToProto(proto)
        make = client.channel.unary_stream if proto.server_streaming else client.channel.unary_unary
        call = make(f"/{service.full_name}/{method.name}", request_serializer=lambda m: m if isinstance(m, bytes) else m.SerializeToString(),
                    response_deserializer=response_class.FromString)

        def invoke(request=None, token=None, timeout=30, metadata=None):
            if not isinstance(request, bytes):
                request = json_format.ParseDict(request or {}, request_class())
            return call(request, timeout=timeout, metadata=client.metadata(token) if metadata is None else metadata)

        return invoke


def events(stream):
    """[(name, RunEvent)] of a whole stream."""
    return [(e.WhichOneof("event"), e) for e in stream]


def answer(stream_events):
    return "".join(e.message.answer for name, e in stream_events if name == "message")


def finished(stream_events):
    return [e.workflow_finished for name, e in stream_events if name == "workflow_finished"][0]


class RpcFailure:
    """What a failed call said: code, words, and the google.rpc details by type name."""

    def __init__(self, error):
        self.code, self.words, self.details = error.code(), error.details(), {}
        raw = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
        if raw:
            for type_name, value in _status_details(raw):
                self.details[type_name] = value

    @property
    def reason(self):
        return self.details.get("ErrorInfo", {}).get("reason")

    def __repr__(self):
        return f"{self.code} {self.words!r} {self.details}"


def _fields(raw):
    """(number, value) of a serialized message, for the few google.rpc types: varints and bytes only."""
    i = 0
    while i < len(raw):
        key, i = _varint(raw, i)
        if key & 7 == 0:
            value, i = _varint(raw, i)
        else:
            assert key & 7 == 2, "unexpected wire type"
            size, i = _varint(raw, i)
            value, i = raw[i:i + size], i + size
        yield key >> 3, value


def _varint(raw, i):
    value = shift = 0
    while True:
        value |= (raw[i] & 127) << shift
        shift += 7
        i += 1
        if raw[i - 1] < 128:
            return value, i


def _status_details(raw):
    for number, value in _fields(raw):
        if number != 3:
            continue
        any_fields = dict(_fields(value))
        name = any_fields[1].decode().rsplit(".", 1)[1]
        body = any_fields.get(2, b"")
        if name == "ErrorInfo":
            f = dict(_fields(body))
            yield name, {"reason": f.get(1, b"").decode(), "domain": f.get(2, b"").decode()}
        elif name == "RetryInfo":
            d = duration_pb2.Duration.FromString(dict(_fields(body)).get(1, b""))
            yield name, {"seconds": d.seconds + d.nanos / 1e9}
        elif name == "BadRequest":
            yield name, {"fields": [dict(_fields(v)).get(1, b"").decode() for n, v in _fields(body) if n == 1]}


def failure(call, *args, **kwargs):
    """Runs a call that must fail (unary, or a stream read to its end) and returns what it said."""
    try:
        result = call(*args, **kwargs)
        if hasattr(result, "__next__"):
            list(result)
    except grpc.RpcError as error:
        return RpcFailure(error)
    raise AssertionError("the call succeeded")
