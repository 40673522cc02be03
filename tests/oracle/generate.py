"""Random apps, by seed: small graphs with everything that makes runs hard. The same seed is always the same case."""

import json
import random

WORDS = ["alpha", "beta gamma", "x", "Hello", "hello world", "it's", 'say "so"', "back\\slash", "ünï", "🙂 ok", "line\nbreak", " lead", "trail ", "0", "1.5", "true", "a.b"]
ODD_TEXTS = ["", " ", "None", "[]", "{{ x }}", "{{#a-b.c#}}", "{{#no such#}}", "{{#a.b.#}}", "{{#1.2#}}", "{#", "#}}", "sys.query", "sys.query", "\t", "\u200b"]
NUMBERS = [0, 1, 2, -1, 5, 42, 1.5, 0.0, -0.5, 1.0, 2.0, 0.1, 100000, 1234567890123]
OPERATORS = {
    "string": ["contains", "not contains", "start with", "end with", "is", "is not", "empty", "not empty", "in", "not in", "all of", "null", "not null"],
    "number": ["=", "≠", ">", "<", "≥", "≤", "empty", "not empty", "null", "not null"],
    "boolean": ["is", "is not", "=", "≠", ">", "null", "not null"],
    "list": ["contains", "not contains", "empty", "not empty", "all of", "null", "not null"],
    "object": ["empty", "not empty", "null", "not null", "exists", "not exists"],
}
ALL_OPERATORS = sorted({operator for operators in OPERATORS.values() for operator in operators})
DEPTH_MAX = 3
FAILING = ["fail1", "fail2", "fail9", "half1", "half2", "half9", "refuse"]


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.is_chat = self.chance(0.55)
        self.nodes, self.edges = [], []
        self.handles = {}  # node: the handles an edge may leave it by
        self.variables = []  # (selector, kind) of what may exist
        self.ids = set()
        self.conversation = []
        self.loop_variables = {}  # container: the variables its inside may assign to, those around it too
        self.loops_around = {}  # iteration: the same
        self.depth = 0
        self.has_containers = self.chance(0.45)
        self.node_budget = self.random.choice([3, 5, 7, 9, 12, 16])

    def chance(self, p):
        return self.random.random() < p

    def pick(self, items):
        return self.random.choice(items)

    def some(self, low, high):
        return range(self.random.randint(low, high))

    # --- values ---

    def text(self):
        return self.pick(ODD_TEXTS) if self.chance(0.1) else self.pick(WORDS)

    def value(self, kind, depth=0):
        if kind == "string":
            return self.text()
        if kind == "integer":
            return self.pick([n for n in NUMBERS if isinstance(n, int)])
        if kind == "float":
            return float(self.pick([0, 1, -1.5, 0.1, 2.25, 1000.0]))
        if kind == "number":
            return self.pick(NUMBERS)
        if kind == "boolean":
            return self.chance(0.5)
        if kind == "null":
            return None
        if kind == "object":
            kinds = ["string", "number", "boolean", "null", "array[string]", "array[number]"]
            kinds += ["object", "array[object]", "array[any]"] if depth < 2 else []
            return {self.pick("abcde") + self.pick(["", "1", "_x"]): self.value(self.pick(kinds), depth + 1) for _ in self.some(0, 4)}
        element = kind[len("array[") : -1]
        kinds = ["string", "number", "boolean", "null"] + (["object", "array[number]"] if depth < 2 else [])
        return [self.value(self.pick(kinds) if element == "any" else element, depth + 1) for _ in self.some(0, 4)]

    def selector(self, kind=None):
        """Of something that may exist; now and then of nothing."""
        if self.chance(0.04):
            return self.pick([["nowhere", "x"], ["sys", "nothing"], ["start", "missing"], ["conversation", "gone"], ["env", "gone"]])
        fitting = [s for s, k in self.variables if kind is None or k == kind or (kind == "list" and k.startswith("array["))]
        if not fitting or self.chance(0.05):
            fitting = [s for s, _ in self.variables]
        # What is near is more likely: long chains are what joins and streams are about.
        near = fitting[-6:] if self.chance(0.6) else fitting
        return list(self.pick(near))

    def safe_selector(self, kind=None):
        """Of something that exists from the start, if there is such a thing."""
        if self.chance(0.06):
            return self.selector(kind)
        safe = [s for s, k in self.variables if s[0] in ("sys", "env", "conversation", "start") and (kind is None or k == kind or (kind == "list" and k.startswith("array[")))]
        return list(self.pick(safe)) if safe else self.selector(kind)

    def reference(self, is_safe=False):
        return "{{#" + ".".join(self.safe_selector() if is_safe else self.selector()) + "#}}"

    def template(self, low=0, high=4, is_safe=False):
        out = []
        for _ in self.some(low, high):
            out.append(self.reference(is_safe and self.chance(0.85)) if self.chance(0.55) else self.text())
            out.append(self.pick(["", "", " ", "\n", "|"]))
        return "".join(out)

    # --- the app ---

    def make(self):
        start = self.start()
        self.system()
        self.body([start], self.node_budget, None)
        self.mix(self.nodes)
        self.mix(self.edges)
        if self.chance(0.1):
            self.nodes.append({"id": "note", "type": "custom-note", "data": {"type": "", "text": "a note"}})
        workflow = {
            "graph": {"nodes": self.nodes, "edges": self.edges},
            "environment_variables": self.environment,
            "conversation_variables": self.conversation,
        }
        export = {
            "app": {"mode": "advanced-chat" if self.is_chat else "workflow", "name": "random"},
            "kind": "app",
            "version": "0.3.1",
            "workflow": workflow,
        }
        return {
            "dsl": json.dumps(export, ensure_ascii=False),
            "query": self.query if self.is_chat else "",
            "inputs": self.inputs,
            "max_steps": self.random.randint(1, 12) if self.chance(0.08) else 0,
            "pace": self.pick(["round", "first", "last"]),
            "budget": self.pick([1, 1, 2, 7, 64]),
        }

    def mix(self, items):
        """Sometimes whole, mostly a few neighbours: order in the file is the order of edges."""
        if self.chance(0.3):
            self.random.shuffle(items)

    def system(self):
        self.query = self.pick(["hello", "Hello there", "1", "äöü", "say hello", "a b c"])
        self.variables += [(["sys", "files"], "array[any]"), (["sys", "user_id"], "string")]
        if self.is_chat:
            self.variables += [(["sys", "query"], "string"), (["sys", "dialogue_count"], "number")]
        else:
            self.variables.append((["sys", "timestamp"], "number"))
        self.environment = [self.stored("env", i) for i in self.some(0, 3)]
        if self.has_containers:
            self.environment.append(self.stored("env", 9, self.pick(["array[string]", "array[number]", "array[object]"])))
        if self.is_chat:
            self.conversation += [self.stored("conversation", i) for i in self.some(0, 4)]

    def stored(self, first, i, kind=None):
        kind = kind or self.pick(["string", "number", "integer", "float", "boolean", "object", "array[string]", "array[number]", "array[object]", "array[boolean]"])
        kind = "array[string]" if first == "env" and kind == "array[boolean]" else kind
        name = f"{first[0]}{i}"
        self.variables.append(([first, name], "number" if kind in ("integer", "float") else kind))
        return {"id": f"id-{first}-{i}", "name": name, "value_type": kind, "value": self.value(kind), "selector": [first, name], "description": ""}

    def start(self):
        fields, self.inputs = [], {}
        for i in self.some(0, 4):
            kind = self.pick(["text-input", "paragraph", "select", "number", "checkbox", "json_object"])
            field = {"variable": f"in{i}", "label": f"In {i}", "type": kind, "required": False}
            of = {"number": "number", "checkbox": "boolean", "json_object": "object"}.get(kind, "string")
            value = self.pick(WORDS) if of == "string" else self.value(of)
            if kind == "select":
                field["options"] = sorted({value, "other"})
            if self.chance(0.8):
                self.inputs[field["variable"]] = value
            elif of == "string" and self.chance(0.5):
                field["default"] = value
            fields.append(field)
            self.variables.append((["start", field["variable"]], of))
            for key, member in (value.items() if of == "object" else ()):
                self.variables.append((["start", field["variable"], key], self.kind_of(member)))
        self.nodes.append({"id": "start", "type": "custom", "data": {"type": "start", "title": "Start", "variables": fields}})
        self.handles["start"] = ["source"]
        if self.chance(0.1):
            self.inputs["unknown"] = "dropped"
        return "start"

    @staticmethod
    def kind_of(value):
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "boolean"
        if isinstance(value, (int, float)):
            return "number"
        return {str: "string", dict: "object", list: "array[any]"}[type(value)]

    def new_id(self):
        while True:
            name = self.pick("abcdefghijklmnopqrstuvwxyz") + str(self.random.randint(1, 99))
            if name not in self.ids:
                self.ids.add(name)
                return name

    def body(self, members, count, container):
        """Nodes behind those in `members`, all in the same container."""
        responses = "answer" if self.is_chat else "end"
        targets = self.targets(container)
        may_nest = self.has_containers and self.depth < DEPTH_MAX
        kinds = ["iteration", "iteration", "loop", "loop"] * may_nest + ["loop-end"] * (container in self.loop_variables)
        kinds += ["llm"] * 6 + ["assigner"] * (3 if targets else 0) + ["template-transform"] * 4 + ["if-else"] * 5 + [responses] * 5 + ["variable-aggregator"] * 2
        for _ in range(count):
            kind = self.pick(kinds)
            node = self.new_id()
            make = getattr(self, "make_" + kind.replace("-", "_"))
            data = make(node, container) if kind in ("assigner", "iteration", "loop") else make(node)
            self.add(node, kind, data, container)
            self.lead_to(node, members, container)
            members.append(node)
        if container is None and not any(entry["data"]["type"] == responses for entry in self.nodes):
            node = self.new_id()
            self.add(node, responses, getattr(self, "make_" + responses)(node), container)
            self.lead_to(node, members, container)

    def add(self, node, kind, data, container):
        if kind == "variable-aggregator" and self.chance(0.2):
            kind = "variable-assigner"
        self.strategy(node, kind, data)
        entry = {"id": node, "type": "custom", "data": {"type": kind, "title": node.upper(), **data, **self.inside(container)}}
        if container:
            entry["parentId"] = container
        self.nodes.append(entry)

    def inside(self, container):
        """The marks of a node in a container."""
        if container is None:
            return {}
        kind = "loop" if container in self.loop_variables else "iteration"
        return {f"{kind}_id": container, f"isIn{kind.title()}": True}

    def lead_to(self, node, members, container):
        if self.chance(0.02):
            return  # nothing leads to it
        near = members[-3:] if self.chance(0.7) else members
        sources = [self.pick(near if self.chance(0.7) else members) for _ in range(self.pick([1, 1, 1, 2, 2, 3]))]
        for source in dict.fromkeys(sources):
            self.edge(source, node)
            if self.chance(0.03):
                self.edge(source, node)

    def edge(self, source, target):
        handle = self.pick(self.handles[source])
        if self.chance(0.02):
            handle = "no-such-handle"
        entry = {"id": f"{source}-{handle}-{target}", "source": source, "target": target, "sourceHandle": handle, "targetHandle": "target", "type": "custom"}
        if handle == "source" and self.chance(0.1):
            del entry["sourceHandle"]
        self.edges.append(entry)

    def strategy(self, node, kind, data):
        handles = self.handles.setdefault(node, ["source"])
        fails = kind == "llm" and data["model"]["name"].partition(":")[0] in FAILING
        may_fail = {"llm": 0.85 if fails else 0.45, "if-else": 0.1, "assigner": 0.3, "iteration": 0.3, "loop": 0.3}
        if not self.chance(may_fail.get(kind, 0)):
            return
        if kind != "if-else" and self.chance(0.5):
            data["error_strategy"] = "default-value"
            data["default_value"] = [
                {"key": key, "type": of, "value": value}
                for key, of, value in [
                    ("text", "string", "default " + self.text()),
                    ("n", "number", self.pick(["5", 7, 2.5, "1.5"])),
                    ("o", "object", self.pick(['{"a": 1}', {"b": [1, 2]}])),
                    ("s", "array[string]", self.pick(['["p", "q"]', ["r"], []])),
                    ("m", "array[number]", [1, 2.5]),
                    ("d", "array[object]", [{"k": None}]),
                ]
                if self.chance(0.85 if key == "text" else 0.2)
            ]
            self.variables += [([node, entry["key"]], entry["type"]) for entry in data["default_value"]]
        else:
            data["error_strategy"] = "fail-branch"
            handles.append("fail-branch")
        if kind == "llm":
            self.variables += [([node, "error_message"], "string"), ([node, "error_type"], "string")]

    # --- node types ---

    def targets(self, container):
        """Variables that may be assigned to there, with their types."""
        stored = [(variable["selector"], variable["value_type"]) for variable in self.conversation]
        return stored + self.loop_variables.get(container, self.loops_around.get(container, [])) * 2

    def make_assigner(self, node, container):
        targets = self.targets(container)
        if self.chance(0.25):
            target, kind = self.pick(targets)
            modes = ["over-write", "clear"] + (["append"] if kind.startswith("array[") or self.chance(0.1) else [])
            mode = self.pick(modes)
            source = self.typed_selector(kind[len("array[") : -1] if mode == "append" else kind)
            if source is None:
                mode, source = "clear", []
            target = target if self.chance(0.97) else ["conversation", "gone"]
            return {"assigned_variable_selector": target, "write_mode": mode, "input_variable_selector": source}
        return {"version": "2", "items": [self.assignment(*self.pick(targets)) for _ in range(self.pick([0, 1, 1, 1, 2, 3]))]}

    def make_loop_end(self, _node):
        return {}

    def make_iteration(self, node, container):
        lists = [s for s, k in self.variables if k.startswith("array[") and s != ["sys", "files"]] or [["sys", "files"]]
        data = {
            "iterator_selector": list(self.pick(lists)) if self.chance(0.95) else self.selector(),
            "is_parallel": self.chance(0.4),
            "parallel_nums": self.random.randint(1, 4),
            "error_handle_mode": self.pick(["terminated", "continue-on-error", "remove-abnormal-output"]),
        }
        if self.chance(0.5):
            data["flatten_output"] = self.chance(0.5)
        for key in ("is_parallel", "parallel_nums", "error_handle_mode"):
            if self.chance(0.1):
                del data[key]
        self.loops_around[node] = self.targets(container)[len(self.conversation) :]
        around = list(self.variables)
        self.variables += [([node, "item"], "string")] * 3 + [([node, "index"], "number")]
        self.fill(node, "iteration", data)
        inner = [s for s, _ in self.variables[len(around) :]]
        data["output_selector"] = list(self.pick(inner)) if self.chance(0.85) else self.selector()
        self.variables = around + [([node, "output"], "array[any]")] * 2
        return data

    def make_loop(self, node, container):
        variables = [self.loop_variable(i) for i in self.some(0, 3)]
        mine = [([node, v["label"]], v["var_type"]) for v in variables]
        self.loop_variables[node] = mine + self.targets(container)[len(self.conversation) :]
        around = list(self.variables)
        self.variables += mine * 2
        data = {"loop_count": self.random.randint(1, 4), "loop_variables": variables, "logical_operator": self.pick(["and", "or"])}
        self.fill(node, "loop", data)
        data["break_conditions"] = [self.condition() for _ in range(self.pick([0, 0, 1, 1, 2]))]
        self.variables = around + mine + [([node, "loop_round"], "number")]
        return data

    def loop_variable(self, i):
        kind = self.pick(["number", "number", "string", "boolean", "object", "array[string]", "array[number]", "array[object]"])
        entry = {"id": f"l{i}", "label": f"l{i}", "var_type": kind, "value_type": "constant"}
        if self.chance(0.25):
            selector = self.typed_selector(kind)
            if selector:
                return {**entry, "value_type": "variable", "value": selector if self.chance(0.95) else ["nowhere", "x"]}
        value = self.value(kind)
        if kind.startswith("array[") or (kind != "string" and self.chance(0.5)):
            value = json.dumps(value, ensure_ascii=False)
        if self.chance(0.02):
            value = self.pick(["", "x", None])
        return {**entry, "value": value}

    def fill(self, node, kind, data):
        """The nodes inside."""
        start = f"{node}start"
        data["start_node_id"] = start
        self.handles[start] = ["source"]
        self.nodes.append(
            {
                "id": start,
                "type": f"custom-{kind}-start",
                "parentId": node,
                "data": {"type": f"{kind}-start", "title": "", f"isIn{kind.title()}": True},
            }
        )
        self.depth += 1
        self.body([start], self.pick([0, 1, 2, 2, 3, 4, 5]), node)
        self.depth -= 1

    def typed_selector(self, kind):
        """Of a variable of just this type that exists from the start; None: there is none."""
        fitting = [entry["selector"] for entry in self.environment + self.conversation if entry["value_type"] == kind]
        fitting += [["sys", "user_id"]] * (kind == "string")
        return list(self.pick(fitting)) if fitting else None

    def assignment(self, target, kind):
        is_array = kind.startswith("array[")
        numbers = ("number", "integer", "float")
        if self.chance(0.05):
            target = ["conversation", "gone"]
        if is_array:
            operation = self.pick(["over-write", "clear", "append", "extend", "remove-first", "remove-last"])
        else:
            operation = self.pick(["over-write", "set", "clear"] + (["+=", "-=", "*=", "/="] * 2 if kind in numbers else []))
        if self.chance(0.03):
            operation = self.pick(["over-write", "set", "clear", "append", "extend", "remove-first", "+=", "/="])
        item = {"variable_selector": target, "operation": operation, "input_type": "constant", "value": None}
        if operation in ("append", "extend") or (operation == "over-write" and (is_array or self.chance(0.5))):
            item["input_type"] = "variable"
            of = kind[len("array[") : -1] if operation == "append" and is_array else kind
            item["value"] = (self.typed_selector(of) if self.chance(0.85) else None) or self.safe_selector()
        elif operation in ("over-write", "set"):
            item["value"] = self.value(kind) if self.chance(0.9) else self.value(self.pick(["string", "object", "array[string]"]))
            if kind == "object" and operation == "set" and self.chance(0.4):
                item["value"] = self.pick(['{"a": 1}', '{"n": null, "l": [1.5]}', "{}"])
        elif operation in ("+=", "-=", "*=", "/="):
            item["value"] = self.pick([1, 2, -3, 0.5, 1.0, 10, 0] if self.chance(0.9) else ["1", None, [1]])
        return item

    def make_llm(self, node):
        kind = self.pick(["say"] * 10 + ["echo"] * 4 + ["unless", "unless"] + FAILING)
        text = " ".join(self.pick(["one", "two", "three", "four", "ü", "🙂", "a\nb", ""]) for _ in self.some(0, 5))
        text = text or "t" if kind == "refuse" else text
        if kind == "unless":
            text = self.pick(["hello", "a", "1", "zzz"])
        roles = self.pick([["user"], ["system", "user"], ["user", "assistant", "user"]])
        data = {
            "model": {"provider": "p", "name": f"{kind}:{text}", "mode": "chat", "completion_params": {}},
            "prompt_template": [{"role": role, "text": self.template(0 if self.chance(0.1) else 1, 3, is_safe=True) or "p"} for role in roles],
            "context": {"enabled": False, "variable_selector": []},
            "vision": {"enabled": False},
        }
        if self.chance(0.03):
            data["prompt_template"] = [{"role": "user", "text": ""}]
        if self.chance(0.8 if kind in FAILING else 0.2):
            data["retry_config"] = {"retry_enabled": self.chance(0.85), "max_retries": self.random.randint(0, 3), "retry_interval": self.pick([0, 100, 100, 1000])}
        self.variables += [([node, "text"], "string")] * 2
        if self.chance(0.2):
            self.variables += [([node, "usage", "total_tokens"], "number"), ([node, "reasoning_content"], "string"), ([node, "finish_reason"], "string")]
        return data

    def make_answer(self, node):
        data = {"answer": self.template(0, 5), "variables": []}
        self.variables.append(([node, "answer"], "string"))
        return data

    def make_end(self, node):
        names = [f"o{i}" for i in self.some(0, 4)]
        outputs = [{"variable": name, "value_selector": self.selector(), "value_type": "string"} for name in names]
        if self.chance(0.1):
            outputs.append({"variable": "flat", "value_selector": ["start", "sys.user_id"]})
        self.variables += [([node, name], "string") for name in names]
        return {"outputs": outputs}

    def make_template_transform(self, node):
        variables = [{"variable": f"v{i}", "value_selector": self.selector()} for i in self.some(0, 3)]
        parts = [self.pick(["{{ v%d }}", "{{v%d}}", "{{  v%d }}"]) % self.random.randint(0, 3) if self.chance(0.6) else self.pick(["a", " b ", "ü", "\n", "-"]) for _ in self.some(0, 5)]
        self.variables.append(([node, "output"], "string"))
        return {"variables": variables, "template": "".join(parts)}

    def make_variable_aggregator(self, node):
        selectors = lambda: [self.selector() for _ in self.some(0, 3)]
        data = {"variables": selectors(), "output_type": "string"}
        if self.chance(0.3):
            groups = [{"groupId": f"g{i}", "group_name": f"g{i}", "output_type": "string", "variables": selectors()} for i in self.some(1, 3)]
            data["advanced_settings"] = {"group_enabled": True, "groups": groups}
            self.variables += [([node, group["group_name"], "output"], "string") for group in groups]
        else:
            self.variables.append(([node, "output"], "string"))
        return data

    def make_if_else(self, node):
        cases = [
            {"case_id": self.pick(["true", "yes", f"case-{i}"]) if i == 0 else f"case-{i}", "logical_operator": self.pick(["and", "or"]), "conditions": self.conditions()}
            for i in self.some(0, 2)
        ]
        if len(cases) == 1 and self.chance(0.3):
            self.handles[node] = ["true", "false"]
            self.variables += [([node, "result"], "boolean"), ([node, "selected_case_id"], "string")]
            return {"logical_operator": cases[0]["logical_operator"], "conditions": cases[0]["conditions"]}
        for case in cases:
            case["id"] = case["case_id"]
        self.handles[node] = [case["case_id"] for case in cases] + ["false"]
        self.variables += [([node, "result"], "boolean"), ([node, "selected_case_id"], "string")]
        return {"cases": cases}

    def conditions(self):
        return [self.condition() for _ in range(self.pick([0, 1, 1, 1, 2, 3]))]

    def condition(self):
        kind = self.pick(["string"] * 4 + ["number"] * 2 + ["boolean", "list", "object"])
        selector = self.safe_selector(kind) if self.chance(0.8) else self.selector(kind)
        real = next((k for s, k in self.variables if s == selector), kind)
        kind = "list" if real.startswith("array[") else real if real in OPERATORS else "object"
        operator = self.pick(ALL_OPERATORS if self.chance(0.06) else OPERATORS[kind])
        if operator in ("in", "not in", "all of"):
            value = [self.pick(["hello", "1", "a", "alpha", "x", ""]) for _ in self.some(0, 3)]
            value = "a, b" if self.chance(0.05) else value
        elif kind == "boolean":
            value = self.pick(["true", "false", "1", True, False])
        elif kind == "number":
            value = self.pick(["0", "1", "5", "-1", "42", " 7 ", "+2", "1.0"] if self.chance(0.95) else ["", "1.5", "abc", "1e3"])
        else:
            value = self.template(0, 1).strip("|\n ") if self.chance(0.3) else self.pick(["", "hello", "a", "e", "Hello", "x", "1", "default"])
        if self.chance(0.03):
            value = None
        return {"id": "c", "variable_selector": selector, "comparison_operator": operator, "value": value, "varType": "string"}


def make(seed):
    return Maker(seed).make()
