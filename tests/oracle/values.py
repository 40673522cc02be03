"""Values, their text forms, the variable pool and templates (dify-dsl.md section 2)."""

import copy
import json
import re

REFERENCE = re.compile(r"\{\{#([A-Za-z0-9_]{1,50}(?:\.[A-Za-z_][A-Za-z0-9_]{0,29}){1,10})#\}\}", re.ASCII)
LENGTH_MAX = 10000  # of texts and lists: what doubles in every round would take for ever
NUMBERS = ("number", "integer", "float")
SOME = "⟦some⟧"  # stands for a text that the rules do not give word by word; may be a part of a text


class Failed(Exception):
    def __init__(self, error=SOME, error_type=SOME):
        super().__init__(error, error_type)
        self.error, self.error_type = error, error_type


class Undetermined(Exception):
    """What comes next hangs on a text that the rules do not give word by word, or takes too long."""


class Segment:
    """A value, Python's own, with its type beside it."""

    def __init__(self, value, kind=None):
        # A number is an integer or a float as its value is, whatever was declared (1.2).
        self.value, self.kind = value, kind if kind not in (None, *NUMBERS) else kind_of(value)


def kind_of(value):
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "float"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "object"
    kinds = {kind_of(item) for item in value}
    for element, of in (("string", {"string"}), ("boolean", {"boolean"}), ("object", {"object"})):
        if kinds == of:
            return f"array[{element}]"
    return "array[number]" if kinds and kinds <= {"integer", "float"} else "array[any]"


def text_of(segment):
    value = segment.value
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        if not value:
            return ""
        return json.dumps(value, ensure_ascii=False) if segment.kind == "array[string]" else repr(value)
    return str(value)


def markdown_of(segment):
    if isinstance(segment.value, dict):
        return json.dumps(segment.value, ensure_ascii=False, indent=2)
    if isinstance(segment.value, list):
        return "\n".join(f"- {item}" for item in segment.value)
    return text_of(segment)


class Pool:
    """pool[node][name], see 2.1."""

    def __init__(self):
        self.values = {}

    def copy(self):
        other = Pool()
        other.values = copy.deepcopy(self.values)
        return other

    def put(self, node, name, value, kind=None):
        segment = value if isinstance(value, Segment) else Segment(copy.deepcopy(value), kind)
        if isinstance(segment.value, (str, list)) and len(segment.value) > LENGTH_MAX:
            raise Undetermined
        self.values[node, name] = segment

    def forget(self, node):
        for key in [key for key in self.values if key[0] == node]:
            del self.values[key]

    def get(self, selector):
        if len(selector) < 2:
            return None
        segment = self.values.get((selector[0], selector[1]))
        for key in selector[2:]:
            if segment is None or not isinstance(segment.value, dict) or key not in segment.value:
                return None
            segment = Segment(segment.value[key])
        return segment


def pieces(template):
    """(is_reference, text) of each piece of a template."""
    parts = REFERENCE.split(template)
    return [(i % 2 == 1, part) for i, part in enumerate(parts) if part]


def render(template, pool, form):
    out = []
    for _, piece in pieces(template):
        segment = pool.get(piece.split(".")) if "." in piece else None
        out.append(form(segment) if segment else piece)
    return "".join(out)


def plain(value):
    if isinstance(value, Segment):
        return copy.deepcopy(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value
