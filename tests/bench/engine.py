#!/usr/bin/python3
"""Graphs played by the engine (engine_bench) and by the same logic in hand-written Python, side by side.

The Python is what one would write for a service of one's own: a function per node, dicts for variables, f-strings for
templates, a scheduler that counts open edges. With events it makes a record of each start and end of a node with an id and
the time, as the engine always does; without, it only runs.
"""
import asyncio
import collections
import hashlib
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import uuid

CHAIN, ITEMS, ROUNDS, WAITING = 400, 1000, 100, 2000
MODEL_WORDS = "one two three four five six seven eight nine ten"
JSON_BYTES = 10 * 1024 * 1024
TURNS = 7  # of both sides, one after the other; a figure is the least: other load on the machine only adds to CPU time


class Wrong(Exception):
    """The two sides do not agree, or one did not end well."""


# ---- a small engine in Python ----


class Node:
    def __init__(self, name, work):
        self.name, self.work = name, work
        self.out = []  # (handle, number of the target)
        self.edges_in = 0


class Graph:
    """nodes: {name: function}; the first is the root. edges: (source, handle or None, target)."""

    def __init__(self, nodes, edges):
        self.nodes = [Node(name, work) for name, work in nodes.items()]
        numbers = {name: number for number, name in enumerate(nodes)}
        for source, handle, target in edges:
            self.nodes[numbers[source]].out.append((handle, numbers[target]))
            self.nodes[numbers[target]].edges_in += 1

    def play(self, variables, emit, steps=None):
        """A node's function takes (variables, emit) and returns its inputs, its outputs and the handle it chose."""
        nodes = self.nodes
        undecided = [node.edges_in for node in nodes]
        is_taken = [False] * len(nodes)
        ready = collections.deque([0])
        steps = steps or itertools.count(1)
        while ready:
            number = ready.popleft()
            node = nodes[number]
            if emit:
                begun = {"event": "node_started", "id": str(uuid.uuid4()), "node_id": node.name, "index": next(steps),
                         "created_at": time.time()}
                emit(begun)
            inputs, outputs, handle = node.work(variables, emit)
            variables[node.name] = outputs
            if emit:
                emit({**begun, "event": "node_finished", "inputs": inputs, "outputs": outputs, "status": "succeeded",
                      "finished_at": time.time()})
            decided = [(target, handle is None or handle == of_edge) for of_edge, target in node.out]
            while decided:
                target, taken = decided.pop(0)
                undecided[target] -= 1
                is_taken[target] |= taken
                if undecided[target] == 0:
                    if is_taken[target]:
                        ready.append(target)
                    else:
                        decided += [(after, False) for _, after in nodes[target].out]


def run(graph, inputs, emit, system=None):
    """A whole run; what its end nodes put out."""
    variables = {"inputs": inputs, "sys": system or {}, "outputs": {}, "conversation": {"total": 0}}
    if emit:
        emit({"event": "workflow_started", "inputs": inputs, "created_at": time.time()})
    graph.play(variables, emit)
    if emit:
        emit({"event": "workflow_finished", "outputs": variables["outputs"], "created_at": time.time()})
    return variables["outputs"]


def start(v, _):
    return v["inputs"], v["inputs"], None


def end_of(name, node, output):
    def work(v, _):
        outputs = {name: v[node][output]}
        v["outputs"].update(outputs)
        return outputs, outputs, None
    return work


# ---- exports ----


def export(mode, nodes, edges, **more):
    """An export; JSON is YAML."""
    return json.dumps({"app": {"mode": mode, "name": "Bench"}, "kind": "app", "version": "0.6.0", "workflow": {
        **more, "graph": {"nodes": nodes, "edges": [{"source": a, "sourceHandle": handle or "source", "target": b}
                                                    for a, handle, b in edges]}}})


def node(name, kind, inside=None, **data):
    return {"id": name, "type": "custom", **({"parentId": inside} if inside else {}), "data": {"type": kind, "title": name, **data}}


def form(**types):
    return node("start", "start", variables=[{"variable": name, "type": kind, "label": name, "required": True}
                                             for name, kind in types.items()])


def variables_of(**selectors):
    return [{"variable": name, "value_selector": selector} for name, selector in selectors.items()]


def chain(names):
    return [(a, None, b) for a, b in zip(names, names[1:])]


# ---- the cases: an export, and the same in Python ----


class Case:
    def __init__(self, name, nodes, dsl, graph, inputs=None, query="", rounds=20, max_steps=0):
        self.name, self.nodes, self.dsl, self.graph = name, nodes, dsl, graph
        self.inputs, self.query, self.rounds, self.max_steps = inputs or {}, query, rounds, max_steps


def templates():
    names = [f"t{i}" for i in range(CHAIN)]
    sources = [["start", "greeting"] if i % 2 == 0 else [names[i - 1], "output"] for i in range(CHAIN)]

    def work_of(source, output):
        def work(v, _):
            inputs = {"name": v["start"]["name"], "last": v[source][output]}
            return inputs, {"output": f"{inputs['name']}: {inputs['last']}, it said."}, None
        return work

    edges = chain(["start", *names, "end"])
    dsl = export("workflow", [form(name="text-input", greeting="text-input"), *(
        node(name, "template-transform", template="{{ name }}: {{ last }}, it said.",
             variables=variables_of(name=["start", "name"], last=source)) for name, source in zip(names, sources)),
        node("end", "end", outputs=variables_of(said=[names[-1], "output"]))], edges)
    graph = Graph({"start": start, **{name: work_of(*source) for name, source in zip(names, sources)},
                   "end": end_of("said", names[-1], "output")}, edges)
    return Case("template-transform", CHAIN, dsl, graph, {"name": "Ada", "greeting": "good morning"})


def if_elses():
    """Each goes on when its two conditions hold; what it leads to otherwise is the same node for all."""
    names = [f"i{i}" for i in range(CHAIN)]

    def conditions(v, _):
        name, count = v["start"]["name"], v["start"]["count"]
        inputs = {"conditions": [{"actual_value": name, "expected_value": "d", "comparison_operator": "contains"},
                                 {"actual_value": count, "expected_value": "5", "comparison_operator": ">"}]}
        chosen = "yes" if "d" in name and count > 5 else "false"
        return inputs, {"result": chosen == "yes", "selected_case_id": chosen}, chosen

    edges = [("start", None, names[0]), *((a, "yes", b) for a, b in zip(names, [*names[1:], "end"])),
             *((name, "false", "other") for name in names)]
    cases = [{"case_id": "yes", "logical_operator": "and", "conditions": [
        {"variable_selector": ["start", "name"], "comparison_operator": "contains", "value": "d", "varType": "string"},
        {"variable_selector": ["start", "count"], "comparison_operator": ">", "value": "5", "varType": "number"}]}]
    dsl = export("workflow", [form(name="text-input", count="number"), *(node(name, "if-else", cases=cases) for name in names),
                              node("end", "end", outputs=variables_of(name=["start", "name"])),
                              node("other", "end", outputs=variables_of(other=["start", "name"]))], edges)
    graph = Graph({"start": start, **{name: conditions for name in names}, "end": end_of("name", "start", "name"),
                   "other": end_of("other", "start", "name")}, edges)
    return Case("if-else", CHAIN, dsl, graph, {"name": "Ada", "count": 7})


def assigners():
    names = [f"a{i}" for i in range(CHAIN)]

    def add(v, _):
        v["conversation"]["total"] += 1
        return {}, {}, None

    def answer(v, emit):
        outputs = {"answer": str(v["conversation"]["total"]), "files": []}
        v["outputs"].update(outputs)
        if emit:
            emit({"event": "message", "answer": outputs["answer"]})
        return {}, outputs, None

    edges = chain(["start", *names, "answer"])
    items = [{"variable_selector": ["conversation", "total"], "input_type": "constant", "operation": "+=", "value": 1}]
    dsl = export("advanced-chat", [form(), *(node(name, "assigner", version="2", items=items) for name in names),
                                   node("answer", "answer", answer="{{#conversation.total#}}")], edges,
                 conversation_variables=[{"name": "total", "value_type": "number", "value": 0,
                                          "selector": ["conversation", "total"], "id": "total"}])
    return Case("assigner", CHAIN, dsl, Graph({"start": start, **{name: add for name in names}, "answer": answer}, edges),
                query="Count.")


def aggregators():
    """Each takes what the one before it has; the first choice comes from a branch that was not taken."""
    names = [f"v{i}" for i in range(CHAIN)]
    before = ["first", *names]

    def is_long(v, _):
        chosen = "yes" if "dd" in v["start"]["name"] else "false"
        return {}, {"result": chosen == "yes", "selected_case_id": chosen}, chosen

    def text_of(word):
        def work(v, _):
            inputs = {"name": v["start"]["name"]}
            return inputs, {"output": f"{word} {inputs['name']}"}, None
        return work

    def first_of(*choices):
        def work(v, _):
            for name in choices:
                if name in v:
                    value = v[name]["output"]
                    return {f"{name}.output": value}, {"output": value}, None
            return {}, {}, None
        return work

    edges = [("start", None, "long"), ("long", "yes", "never"), ("long", "false", "first"), ("never", None, names[0]),
             ("first", None, names[0]), *chain([*names, "end"])]
    cases = [{"case_id": "yes", "logical_operator": "and", "conditions": [
        {"variable_selector": ["start", "name"], "comparison_operator": "contains", "value": "dd", "varType": "string"}]}]
    bound = variables_of(name=["start", "name"])
    dsl = export("workflow", [
        form(name="text-input"), node("long", "if-else", cases=cases),
        node("never", "template-transform", template="never {{ name }}", variables=bound),
        node("first", "template-transform", template="first {{ name }}", variables=bound),
        *(node(name, "variable-aggregator", output_type="string", variables=[["never", "output"], [last, "output"]])
          for name, last in zip(names, before)),
        node("end", "end", outputs=variables_of(said=[names[-1], "output"]))], edges)
    graph = Graph({"start": start, "long": is_long, "never": text_of("never"), "first": text_of("first"),
                   **{name: first_of("never", last) for name, last in zip(names, before)},
                   "end": end_of("said", names[-1], "output")}, edges)
    return Case("variable-aggregator", CHAIN, dsl, graph, {"name": "Ada"})


def iteration(parallel):
    def line(v, _):
        inputs = {"item": v["each"]["item"], "index": v["each"]["index"]}
        return inputs, {"output": f"{inputs['index']}: {inputs['item']}"}, None

    inner = Graph({"line": line}, [])

    def element(v, emit, index, item, steps):
        if emit:
            emit({"event": "iteration_next", "node_id": "each", "index": index, "created_at": time.time()})
        own = {**v, "each": {"item": item, "index": index}}
        inner.play(own, emit, steps)
        return own["line"]["output"]

    async def in_parallel(v, emit, items):
        results, steps, left = [None] * len(items), itertools.count(3), iter(enumerate(items))

        async def worker():
            for index, item in left:
                results[index] = element(v, emit, index, item, steps)
                await asyncio.sleep(0)

        await asyncio.gather(*(worker() for _ in range(10)))
        return results

    def each(v, emit):
        items = v["start"]["data"]["items"]
        if emit:
            emit({"event": "iteration_started", "node_id": "each", "length": len(items), "created_at": time.time()})
        if parallel:
            output = asyncio.run(in_parallel(v, emit, items))
        else:
            steps = itertools.count(3)
            output = [element(v, emit, index, item, steps) for index, item in enumerate(items)]
        if emit:
            emit({"event": "iteration_completed", "node_id": "each", "outputs": {"output": output}, "created_at": time.time()})
        return {"iterator_selector": items}, {"output": output}, None

    edges = chain(["start", "each", "end"])
    dsl = export("workflow", [
        form(data="json_object"),
        node("each", "iteration", iterator_selector=["start", "data", "items"], output_selector=["line", "output"],
             start_node_id="eachstart", is_parallel=parallel, parallel_nums=10),
        {"id": "eachstart", "type": "custom-iteration-start", "parentId": "each", "data": {"type": "iteration-start", "title": ""}},
        node("line", "template-transform", "each", template="{{ index }}: {{ item }}",
             variables=variables_of(index=["each", "index"], item=["each", "item"])),
        node("end", "end", outputs=variables_of(lines=["each", "output"]))], [*edges, ("eachstart", None, "line")])
    graph = Graph({"start": start, "each": each, "end": end_of("lines", "each", "output")}, edges)
    return Case("iteration, 10 in parallel" if parallel else "iteration, in turn", ITEMS, dsl, graph,
                {"data": {"items": [f"item number {i}" for i in range(ITEMS)]}}, rounds=5, max_steps=10 * ITEMS)


def loop():
    """Each round counts, and adds to a list."""
    def assign(v, _):
        v["loop"]["n"] += 1
        v["loop"]["log"].append("a round")
        return {}, {}, None

    inner = Graph({"set": assign}, [])

    def rounds(v, emit):
        own = v["loop"] = {"n": 0, "log": []}
        steps, record = itertools.count(3), {}
        if emit:
            emit({"event": "loop_started", "node_id": "loop", "length": ROUNDS, "created_at": time.time()})
        for index in range(ROUNDS):
            if emit and index > 0:
                emit({"event": "loop_next", "node_id": "loop", "index": index, "created_at": time.time()})
            v.pop("set", None)
            inner.play(v, emit, steps)
            if emit:
                record[str(index)] = {"n": own["n"], "log": list(own["log"])}
        outputs = {**own, "loop_round": ROUNDS}
        if emit:
            emit({"event": "loop_completed", "node_id": "loop", "outputs": outputs, "loop_variables": record,
                  "created_at": time.time()})
        return {"loop_count": ROUNDS}, outputs, None

    edges = chain(["start", "loop", "end"])
    dsl = export("workflow", [
        form(),
        node("loop", "loop", loop_count=ROUNDS, break_conditions=[], start_node_id="loopstart", loop_variables=[
            {"id": "n", "label": "n", "var_type": "number", "value_type": "constant", "value": 0},
            {"id": "log", "label": "log", "var_type": "array[string]", "value_type": "constant", "value": "[]"},
            {"id": "line", "label": "line", "var_type": "string", "value_type": "constant", "value": "a round"}]),
        {"id": "loopstart", "type": "custom-loop-start", "parentId": "loop", "data": {"type": "loop-start", "title": ""}},
        node("set", "assigner", "loop", version="2", items=[
            {"variable_selector": ["loop", "n"], "input_type": "constant", "operation": "+=", "value": 1},
            {"variable_selector": ["loop", "log"], "input_type": "variable", "operation": "append", "value": ["loop", "line"]}]),
        node("end", "end", outputs=variables_of(n=["loop", "n"], log=["loop", "log"]))], [*edges, ("loopstart", None, "set")])

    def ends(v, _):
        outputs = {"n": v["loop"]["n"], "log": v["loop"]["log"]}
        v["outputs"].update(outputs)
        return outputs, outputs, None

    return Case("loop", ROUNDS, dsl, Graph({"start": start, "loop": rounds, "end": ends}, edges), rounds=50)


CHAT = export("advanced-chat", [
    form(), node("llm", "llm", model={"provider": "openai", "name": "m", "mode": "chat", "completion_params": {"temperature": 0.3}},
                 prompt_template=[{"role": "system", "text": "You answer briefly."}, {"role": "user", "text": "{{#sys.query#}}"}],
                 context={"enabled": False}, vision={"enabled": False}),
    node("answer", "answer", answer="{{#llm.text#}}")], chain(["start", "llm", "answer"]))


def chat_steps(query, emit):
    """start → llm → answer as a generator: yields the messages for the model, is sent its pieces and None at the end."""
    variables = {"sys": {"query": query}}
    emit({"event": "workflow_started", "inputs": {"sys.query": query}, "created_at": time.time()})
    records = []
    for index, name in enumerate(("start", "llm", "answer"), 1):
        record = {"id": str(uuid.uuid4()), "node_id": name, "index": index, "created_at": time.time()}
        records.append(record)
        emit({"event": "node_started", **record})
        if name == "start":
            outputs = variables["start"] = {"sys.query": query}
        elif name == "llm":
            messages = [{"role": "system", "content": "You answer briefly."}, {"role": "user", "content": f"{query}"}]
            pieces = []
            while (piece := (yield messages)) is not None:
                pieces.append(piece)
                emit({"event": "message", "answer": piece, "created_at": time.time()})
            outputs = variables["llm"] = {"text": "".join(pieces)}
        else:
            outputs = {"answer": variables["llm"]["text"], "files": []}
        emit({"event": "node_finished", **record, "outputs": outputs, "status": "succeeded", "finished_at": time.time()})
    emit({"event": "workflow_finished", "outputs": outputs, "created_at": time.time()})
    yield outputs


class Chat:
    """Played like a Graph; always with events, since a caller gets its text by them."""

    def play(self, variables, emit):
        steps = chat_steps(variables["sys"]["query"], emit or (lambda event: None))
        next(steps)
        first, *others = MODEL_WORDS.split(" ")
        for piece in [first, *(" " + word for word in others)]:
            steps.send(piece)
        variables["outputs"].update(steps.send(None))


def chat():
    return Case("start, llm, answer: a run", 1, CHAT, Chat(), query="How are you?", rounds=1000)


def cases():
    return [templates(), if_elses(), assigners(), aggregators(), iteration(False), iteration(True), loop(), chat()]


# ---- both sides ----


class Engine:
    """engine_bench."""

    def __init__(self, binaries):
        self.child = subprocess.Popen([binaries / "engine_bench"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        self.child.wait(60)
        self.child.stdout.close()
        self.child.stderr.close()

    def ask(self, **task):
        self.child.stdin.write(json.dumps(task) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            raise Wrong(self.child.stderr.read().strip())
        return json.loads(line)


def middle(values):
    values = sorted(values)
    return values[len(values) // 2]


def python_cpu_us(case, emit):
    begin = time.process_time()
    for _ in range(case.rounds):
        outputs = run(case.graph, case.inputs, emit, {"query": case.query})
    return (time.process_time() - begin) * 1e6 / case.rounds, outputs


def compare(engine, case, turns):
    """CPU time of one run: {"engine_us", "python_us", "bare_us"}."""
    events = collections.deque(maxlen=1)  # takes them; keeping all would be memory's cost, not theirs
    got = {"engine_us": [], "python_us": [], "bare_us": []}
    for _ in range(turns):
        ours = engine.ask(task="run", dsl=case.dsl, inputs=case.inputs, query=case.query, max_steps=case.max_steps,
                          rounds=case.rounds)
        python_us, outputs = python_cpu_us(case, events.append)
        bare_us, bare_outputs = python_cpu_us(case, None)
        if not ours["outputs"] == outputs == bare_outputs:
            raise Wrong(f"{case.name}: {str(ours['outputs'])[:200]} is not {str(outputs)[:200]}")
        for name, value in zip(got, (ours["cpu_us"], python_us, bare_us)):
            got[name].append(value)
    return {**{name: min(values) for name, values in got.items()}, "nodes": case.nodes, "events": ours["events"],
            "turn_us": ours["turn_us"], "compile_us": ours["compile_us"]}


def rss_bytes():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def hold():
    """Bytes of one of many generators that wait for their model. For a process of its own."""
    events = collections.deque(maxlen=1)
    queries = [f"How are you, number {i}?" for i in range(WAITING)]
    run(Chat(), {}, events.append, {"query": "warm up"})
    waiting = [None] * WAITING
    before = rss_bytes()
    for i, query in enumerate(queries):
        waiting[i] = chat_steps(query, events.append)
        next(waiting[i])
    return (rss_bytes() - before) / WAITING


def waiting(binaries):
    with Engine(binaries) as engine:
        ours = engine.ask(task="wait", dsl=CHAT, query="How are you, number 1234?", rounds=WAITING)
    done = subprocess.run([sys.executable, __file__, "hold"], capture_output=True, text=True)
    if done.returncode != 0:
        raise Wrong(f"python: {done.stderr.strip()}")
    return {**ours, "python_rss_bytes": float(done.stdout)}


def big_value():
    """A list of records as applications pass them around: texts, numbers, flags, a nested list, some of it not ASCII."""
    size, records = 0, []
    while size < JSON_BYTES:
        i = len(records)
        record = {"id": i, "name": f"Customer {i} of Zürich", "note": "It's a line.\nAnd \"another\" one, a little longer than the first.",
                  "price": i * 1.25, "share": i / 7, "is_open": i % 3 == 0, "parent": None, "tags": ["alpha", "beta", f"tag-{i % 10}"],
                  "place": {"lat": 47.3769 + i / 1e5, "lon": 8.5417}}
        size += len(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()) + 1
        records.append(record)
    return records


def json_costs(engine, turns):
    """A value of 10 MiB read, put into a text and written: {"engine_us": {step: …}, "python_us": {step: …}}."""
    steps = ("parse", "text", "encode")
    text = json.dumps(big_value(), ensure_ascii=False, separators=(",", ":"))
    got = {"engine_us": {step: [] for step in steps}, "python_us": {step: [] for step in steps}}
    digest = lambda s: hashlib.sha256(s.encode()).hexdigest()  # noqa: E731
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(text)
        file.flush()
        for _ in range(turns):
            ours = engine.ask(task="json", path=file.name, rounds=1)
            times = [time.process_time()]
            value = json.loads(text)
            times.append(time.process_time())
            shown = f"{value}"
            times.append(time.process_time())
            encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            times.append(time.process_time())
            if (digest(shown), digest(encoded)) != (ours["text_sha256"], ours["encoded_sha256"]):
                raise Wrong("json: the texts differ")
            for step, begin, end in zip(steps, times, times[1:]):
                got["engine_us"][step].append(ours[f"{step}_us"])
                got["python_us"][step].append((end - begin) * 1e6)
    least = {side: {step: min(values) for step, values in of_side.items()} for side, of_side in got.items()}
    return {**least, "bytes": len(text.encode()), "value_bytes": ours["value_bytes"]}


def measure(binaries, turns=TURNS):
    """All of it, and the rows that tell it: (raw, [(name, value, unit, beside)])."""
    raw, rows = {"cases": {}}, []
    with Engine(binaries) as engine:
        for case in cases():
            got = raw["cases"][case.name] = compare(engine, case, turns)
            ours, python, bare = (got[f"{side}_us"] / case.nodes for side in ("engine", "python", "bare"))
            beside = f"Python: {python:.2f} us, {python / ours:.1f} x"
            if case.nodes > 1:
                beside += f"; without events {bare:.2f} us, {bare / ours:.1f} x"
            rows.append((f"{case.name}, CPU per node of {case.nodes}" if case.nodes > 1 else f"{case.name}, CPU", ours, "us", beside))
        got = raw["json"] = json_costs(engine, turns)
    for step, title in (("parse", "parsed"), ("text", "as text in a template"), ("encode", "encoded")):
        ours, python = got["engine_us"][step], got["python_us"][step]
        rows.append((f"JSON of 10 MiB, {title}, CPU", ours / 1e3, "ms", f"Python: {python / 1e3:.1f} ms, {python / ours:.1f} x"))
    got = raw["waiting"] = waiting(binaries)
    python, ours = got["python_rss_bytes"], got["rss_bytes"]
    rows.append((f"memory of a waiting run, of {WAITING:,}", ours / 1024, "KiB",
                 f"{got['heap_bytes'] / 1024:.1f} KiB of heap; Python generator: {python / 1024:.1f} KiB, {python / ours:.1f} x"))
    return raw, rows


def main():
    if sys.argv[1:] == ["hold"]:
        print(hold())
        return 0
    if len(sys.argv) != 2:
        print("usage: engine.py DIR    (the folder with engine_bench)", file=sys.stderr)
        return 2
    try:
        for name, value, unit, beside in measure(pathlib.Path(sys.argv[1]).resolve())[1]:
            print(f"{name:<58} {value:>9.2f} {unit:<4} {beside}")
    except Wrong as why:
        print(f"engine.py: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
