"""What an assigner of version 2 makes of a variable (dify-dsl.md 4.11)."""

import copy
import json

from values import NUMBERS, Failed, Undetermined

ZERO = {"string": "", "integer": 0, "float": 0.0, "boolean": False, "object": {}}


def is_of(value, kind):
    if kind in NUMBERS:
        if isinstance(value, bool):
            raise Undetermined  # is True a number, as in Python?
        return isinstance(value, (int, float))
    return isinstance(value, {"string": str, "boolean": bool, "object": dict}[kind])


def is_element_of(value, kind):
    element = kind[len("array[") : -1]
    if element == "any":
        return isinstance(value, (str, int, float, dict))
    return is_of(value, element)


def assigned(operation, kind, old, given):
    """The new value of a variable of this kind, by an item of version 2."""
    is_array = kind.startswith("array[")
    if operation == "clear":
        return [] if is_array else copy.deepcopy(ZERO[kind])
    if operation in ("remove-first", "remove-last"):
        if not is_array:
            raise Failed
        return old[1:] if operation == "remove-first" else old[:-1]
    if operation == "over-write":
        fits = (
            isinstance(given, list) and all(is_element_of(item, kind) for item in given)
            if is_array
            else is_of(given, kind)
        )
        if not fits:
            raise Failed
        return copy.deepcopy(given)
    if operation == "set":
        if is_array:
            raise Failed
        if kind == "object" and isinstance(given, str):
            try:
                given = json.loads(given)
            except ValueError:
                raise Failed from None
        if not is_of(given, kind):
            raise Failed
        return copy.deepcopy(given)
    if operation in ("append", "extend"):
        items = given if operation == "extend" else [given]
        if not is_array or not isinstance(items, list) or not all(is_element_of(item, kind) for item in items):
            raise Failed
        return old + copy.deepcopy(items)
    if kind not in NUMBERS or not is_of(given, kind):
        raise Failed
    if operation == "+=":
        return old + given
    if operation == "-=":
        return old - given
    if operation == "*=":
        return old * given
    if operation == "/=" and given != 0:
        return old / given
    raise Failed
