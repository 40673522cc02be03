"""The node types but for containers (dify-dsl.md section 4)."""

import re

from assignments import assigned
from conditions import all_hold
from frames import Call
from values import NUMBERS, SOME, Failed, Undetermined, markdown_of, pieces, render, text_of


class Nodes:
    """A part of Run: start_<type>(execution) runs a node."""

    def start_start(self, x):
        outputs = {
            f"{first}.{name}": segment
            for (first, name), segment in x.frame.pool.values.items()
            if first in ("sys", "env", "conversation")
        }
        self.succeed(x, {**self.inputs, **outputs}, shown=self.inputs)

    def start_answer(self, x):
        self.succeed(x, {"answer": render(x.node.data["answer"], x.frame.pool, markdown_of), "files": []})

    def start_end(self, x):
        outputs = {}
        for output in x.node.data["outputs"]:
            segment = x.frame.pool.get(output["value_selector"])
            outputs[output["variable"]] = segment.value if segment else None
        self.succeed(x, outputs)

    def start_template_transform(self, x):
        values = {}
        for variable in x.node.data["variables"]:
            segment = x.frame.pool.get(variable["value_selector"])
            values[variable["variable"]] = segment.value if segment else None
        template = x.node.data["template"]
        template = template[:-1] if template.endswith("\n") else template
        text = re.sub(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}", lambda m: str(values[m[1]]) if m[1] in values else "", template)
        self.succeed(x, {"output": text})

    def start_variable_aggregator(self, x):
        def first(selectors):
            for selector in selectors:
                segment = x.frame.pool.get(selector)
                if segment:
                    return {"output": segment}
            return {}

        advanced = x.node.data.get("advanced_settings") or {}
        if not advanced.get("group_enabled"):
            self.succeed(x, first(x.node.data["variables"]))
            return
        outputs = {}
        for group in advanced["groups"]:
            found = first(group["variables"])
            if found:
                outputs[group["group_name"]] = {"output": found["output"].value}
        self.succeed(x, outputs)

    start_variable_assigner = start_variable_aggregator  # its old name

    def start_if_else(self, x):
        chosen = "false"
        data = x.node.data
        for case in data["cases"] if "cases" in data else [{**data, "case_id": "true"}]:
            if all_hold(case["conditions"], case["logical_operator"], x.frame.pool):
                chosen = case["case_id"]
                break
        self.succeed(x, {"result": chosen != "false", "selected_case_id": chosen}, chosen)

    def start_assigner(self, x):
        data = x.node.data
        if str(data.get("version", "1")) == "2":
            self.assign_items(x, data["items"])
            return
        target, pool = data["assigned_variable_selector"], x.frame.pool
        old = pool.get(target)
        if old is None:
            raise Failed
        if data["write_mode"] == "clear":
            self.assign(x, target, assigned("clear", old.kind, old.value, None), old.kind)
        else:
            source = pool.get(data["input_variable_selector"])
            if source is None or (data["write_mode"] == "append" and not isinstance(old.value, list)):
                raise Failed
            is_append = data["write_mode"] == "append"
            self.assign(x, target, old.value + [source.value] if is_append else source.value, old.kind)
        self.succeed(x, {})

    def assign_items(self, x, items):
        pool, changed = x.frame.pool.copy(), {}
        for item in items:
            target, operation, given = item["variable_selector"], item["operation"], item.get("value")
            is_variable = item["input_type"] == "variable"
            old = pool.get(target)
            if old is None:
                raise Failed
            is_array = old.kind.startswith("array[")
            if operation in ("append", "extend", "remove-first", "remove-last"):
                is_supported = is_array
            elif operation in ("+=", "-=", "*=", "/="):
                is_supported = old.kind in NUMBERS and not is_variable
            else:
                is_supported = operation != "set" or not (is_array or is_variable)
            if not is_variable:
                is_supported &= operation not in ("append", "extend") and not (operation == "over-write" and is_array)
            if not is_supported:
                raise Failed
            if is_variable and operation in ("over-write", "append", "extend"):
                source = pool.get(given)
                if source is None:
                    raise Failed
                if source.value is None:
                    continue
                given = source.value
            value = assigned(operation, old.kind, old.value, given)
            pool.put(*target, value, old.kind)
            changed[tuple(target)] = (value, old.kind)
        for target, (value, kind) in changed.items():
            self.assign(x, target, value, kind)
        self.succeed(x, {})

    def assign(self, x, target, value, kind):
        self.assign_in(x.frame, target, value, kind)

    @staticmethod
    def assign_in(frame, target, value, kind):
        frame.pool.put(*target, value, kind)
        frame.written[tuple(target)] = (value, kind)

    def start_llm(self, x):
        data, pool = x.node.data, x.frame.pool
        for message in data["prompt_template"]:
            for is_reference, piece in pieces(message["text"]):
                if is_reference and pool.get(piece.split(".")) is None:
                    raise Failed(f"Variable #{piece}# not found", "VariableNotFoundError")
        texts = [render(message["text"], pool, text_of) for message in data["prompt_template"]]
        texts = [text for text in texts if text]
        if not texts:
            raise Failed(SOME, "NoPromptFoundError")
        kind, _, text = data["model"]["name"].partition(":")
        if kind == "refuse":
            raise Failed(SOME, SOME)
        if kind in ("echo", "unless") and SOME in texts[-1]:
            raise Undetermined
        said, error, is_half = text, None, False
        if kind == "echo":
            said = text + texts[-1]
        elif kind == "unless":
            said = texts[-1]
            error = said or "failed" if text in said else None
        elif kind != "say":
            name, times = data["model"]["name"], int(kind[-1])
            before = self.model_counts.get(name, 0)
            self.model_counts[name] = before + 1
            if times == 9 or before % (times + 1) < times:
                error, is_half = text or "failed", kind.startswith("half")
        words = re.findall(r"(?s).[^ ]*", said)
        if error is not None:
            words = words[: len(words) // 2] if is_half else []
        self.calls.append(Call(x, words, error))
