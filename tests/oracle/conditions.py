"""Conditions of if-else and loop (dify-dsl.md 4.4)."""

import json

from values import SOME, Failed, Undetermined, render, text_of


def to_bool(text):
    if isinstance(text, bool):
        return text
    if not isinstance(text, str):
        raise Failed
    try:
        value = json.loads(text)
    except ValueError:
        raise Failed from None
    if not isinstance(value, (bool, int, float)):
        raise Failed
    return bool(value)


def to_number(kind, value):
    try:
        return kind(value)
    except (TypeError, ValueError):
        raise Failed from None


def equals_number(actual, expected):
    if isinstance(actual, bool):
        return actual == bool(expected)
    if isinstance(actual, int):
        return actual == to_number(int, expected)
    if isinstance(actual, float):
        return actual == to_number(float, expected)
    raise Failed


def compare_number(operator, actual, expected):
    if not isinstance(actual, (int, float)):
        raise Failed
    if isinstance(expected, str):
        try:
            expected = int(expected) if isinstance(actual, int) else float(expected)
        except ValueError:
            expected = to_number(float, expected)
    elif not isinstance(expected, (int, float)):
        raise Failed
    return {">": actual > expected, "<": actual < expected, "≥": actual >= expected, "≤": actual <= expected}[operator]


def contains(actual, expected):
    if isinstance(actual, str):
        return str(expected) in actual
    if isinstance(actual, list):
        return expected in actual
    raise Failed


def is_same(actual, expected):
    if not isinstance(actual, (str, bool)):
        raise Failed
    return actual == expected


def is_in(actual, expected):
    if not isinstance(expected, list):
        raise Failed
    return actual in expected


def all_of(actual, expected):
    if not actual or not isinstance(actual, (list, str)):
        return False
    if not isinstance(expected, list):
        raise Failed
    return all(item in actual for item in expected)


def edge_with(actual, expected, which):
    if not actual:
        return False
    if not isinstance(actual, str) or not isinstance(expected, str):
        raise Failed
    return getattr(actual, which)(expected)


OPERATORS = {
    "contains": lambda a, e: bool(a) and contains(a, e),
    "not contains": lambda a, e: not a or not contains(a, e),
    "start with": lambda a, e: edge_with(a, e, "startswith"),
    "end with": lambda a, e: edge_with(a, e, "endswith"),
    "is": lambda a, e: a is not None and is_same(a, e),
    "is not": lambda a, e: a is not None and not is_same(a, e),
    "empty": lambda a, e: not a,
    "not empty": lambda a, e: bool(a),
    "in": lambda a, e: bool(a) and is_in(a, e),
    "not in": lambda a, e: not a or not is_in(a, e),
    "all of": all_of,
    "=": lambda a, e: a is not None and equals_number(a, e),
    "≠": lambda a, e: a is not None and not equals_number(a, e),
    ">": lambda a, e: a is not None and compare_number(">", a, e),
    "<": lambda a, e: a is not None and compare_number("<", a, e),
    "≥": lambda a, e: a is not None and compare_number("≥", a, e),
    "≤": lambda a, e: a is not None and compare_number("≤", a, e),
    "null": lambda a, e: a is None,
    "not null": lambda a, e: a is not None,
    "exists": lambda a, e: a is not None,
    "not exists": lambda a, e: a is None,
}


ALONE = ("empty", "not empty", "null", "not null", "exists", "not exists")  # have nothing they compare with


def holds(condition, pool):
    segment = pool.get(condition["variable_selector"])
    if segment is None:
        raise Failed
    expected = condition.get("value")
    if isinstance(expected, str):
        expected = render(expected, pool, text_of)
    operator = condition["comparison_operator"]
    if operator not in ALONE and (SOME in str(segment.value) or SOME in str(expected)):
        raise Undetermined
    if segment.kind in ("boolean", "array[boolean]") and expected is not None and operator not in ALONE:
        expected = [to_bool(e) for e in expected] if isinstance(expected, list) else to_bool(expected)
    return OPERATORS[operator](segment.value, expected)


def all_hold(conditions, logical_operator, pool):
    test = all if logical_operator == "and" else any
    return test(holds(condition, pool) for condition in conditions)
