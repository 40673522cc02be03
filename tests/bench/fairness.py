"""Do slow streams stay smooth while another caller's runs keep a worker busy? The real binaries, one worker thread."""
import json
import os
import random
import subprocess

import engine
from processes import Broken, System

STREAMS, TOKENS_PER_SECOND = 40, 50
SHARES = ("p50", "p99", "max")
NUMBERS, ELEMENTS, TEMPLATE_BYTES = 100_000, 400, 399_900


def big_inputs():
    """Just under 1 MiB, the largest request a gateway takes."""
    numbers = random.Random(1)
    return json.dumps({"data": {"note": "numbers", "items": [numbers.randrange(10**8, 10**9) for _ in range(NUMBERS)]}},
                      separators=(",", ":"))


def big_list():
    """Binds the list to a template, sorts it, and iterates over the first of it."""
    node, variables_of = engine.node, engine.variables_of
    items = ["start", "data", "items"]
    return engine.export("workflow", [
        engine.form(data="json_object"),
        node("head", "template-transform", template="Sorted {{ note }}:",
             variables=variables_of(note=["start", "data", "note"], items=items)),
        node("sort", "list-operator", variable=items, filter_by={"enabled": False, "conditions": []},
             extract_by={"enabled": False, "serial": "1"}, order_by={"enabled": True, "key": "", "value": "asc"},
             limit={"enabled": True, "size": ELEMENTS}),
        node("each", "iteration", iterator_selector=["sort", "result"], output_selector=["line", "output"],
             start_node_id="eachstart", is_parallel=False),
        {"id": "eachstart", "type": "custom-iteration-start", "parentId": "each", "data": {"type": "iteration-start", "title": ""}},
        node("line", "template-transform", "each", template="{{ head }} {{ index }} is {{ item }}",
             variables=variables_of(head=["head", "output"], index=["each", "index"], item=["each", "item"])),
        node("end", "end", outputs=variables_of(lines=["each", "output"]))],
        [*engine.chain(["start", "head", "sort", "each", "end"]), ("eachstart", None, "line")])


def big_template():
    """Nearly as long as a template's output may be, with a name every 60 characters."""
    piece = "{{ name }} says that this is one line of a very long text. "
    text = (piece * (TEMPLATE_BYTES // len(piece) + 1))[:TEMPLATE_BYTES]
    return engine.export("workflow", [
        engine.form(name="text-input"),
        engine.node("text", "template-transform", template=text, variables=engine.variables_of(name=["start", "name"])),
        engine.node("end", "end", outputs=engine.variables_of(text=["text", "output"]))], engine.chain(["start", "text", "end"]))


class Fairness:
    def __init__(self, binaries, folder, seconds, turns):
        self.system, self.seconds, self.turns = System(binaries, folder), seconds, turns
        self.others = {"a 1 MiB list through six nodes": (big_list(), big_inputs()),
                       "a template of 400 kB": (big_template(), json.dumps({"name": "Ada"}))}

    def load(self, key, *words):
        return subprocess.Popen([self.system.binaries / "load_bench", *map(str, words)], env={**os.environ, "HEDDLE_TOKEN": key},
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ended(self, child):
        out, err = child.communicate(timeout=600)
        self.system.check()
        if child.returncode != 0:
            raise Broken(f"load_bench: {err.strip()}")
        result = json.loads(out)
        runs = result["runs"]
        if runs["ok"] == 0 or runs["ok"] != runs["started"]:
            raise Broken(f"fairness: of {runs['started']} runs {runs['ok']} ended well; first: {result['problem']}")
        return result

    def streams(self):
        """Two seconds a run, so that few of them begin or end at a time."""
        reply = " ".join(["word"] * 2 * TOKENS_PER_SECOND)
        self.system.model.answer_with(reply=reply, tokens_per_second=TOKENS_PER_SECOND)
        return self.load(self.system.key, "--gateway", self.system.address, "--in-flight", STREAMS, "--seconds", self.seconds,
                         "--answer", reply)

    def prepare(self, number, export, inputs):
        """What load_bench is told for the runs of another caller, and its key."""
        key = self.system.import_app(f"heavy-{number}", export)[2]
        path = self.system.folder / f"heavy-{number}.json"
        path.write_text(inputs)
        words = ["--workflow", self.system.address, "--inputs", path]
        self.ended(self.load(key, *words, "--count", 3))  # compiles, grows the heap
        return key, words

    def beside(self, key, words):
        """The streams' result, and that of the other caller, who begins first and goes on until they have ended."""
        other = self.load(key, *words, "--seconds", self.seconds + 2)
        return self.ended(self.streams()), self.ended(other)

    def measure(self):
        """({name: results}, rows). All take turns, so that they see the same machine."""
        self.system.start("--workers", 1)
        others = {name: self.prepare(number, *app) for number, (name, app) in enumerate(self.others.items())}
        raw = {name: [] for name in ("alone", *others)}
        for _ in range(self.turns):
            raw["alone"].append((self.ended(self.streams()), None))
            for name, other in others.items():
                raw[name].append(self.beside(*other))
        gap = {name: {share: engine.middle(streams["gap_us"][share] for streams, _ in of_name) for share in SHARES}
               for name, of_name in raw.items()}
        rows = [(f"{STREAMS} streams of {TOKENS_PER_SECOND} tokens per second, gap between tokens, {share}", gap["alone"][share] / 1e3,
                 "ms", "") for share in SHARES]
        for name in others:
            rows += [(f"beside {name}, {share}", gap[name][share] / 1e3, "ms", f"{gap[name][share] / gap['alone'][share]:.2f} x alone")
                     for share in SHARES]
            rate = engine.middle(other["runs_per_second"] for _, other in raw[name])
            whole_us = engine.middle(other["whole_us"]["p50"] for _, other in raw[name])
            rows.append((f"{name}, runs per second", rate, "1/s", f"whole run, p50: {whole_us / 1e3:.0f} ms"))
        return raw, rows
