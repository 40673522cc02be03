"""Iterations and loops (dify-dsl.md 4.12, 4.13)."""

import copy
import json

from assignments import is_element_of, is_of
from conditions import all_hold
from frames import Frame
from values import Failed, Segment


class Containers:
    """A part of Run: start_<type>(execution), and child_ended_<type>() for each element or round."""

    def start_iteration_start(self, x):
        self.succeed(x, {})

    start_loop_start = start_iteration_start

    def start_loop_end(self, x):
        x.frame.must_leave = True
        self.succeed(x, {})

    # --- iteration ---

    def start_iteration(self, x):
        found = x.frame.pool.get(x.node.data["iterator_selector"])
        if found is None or not isinstance(found.value, (list, type(None))):
            raise Failed
        x.items = copy.deepcopy(found.value or [])
        x.next, x.open, x.results, x.failure = 0, 0, {}, None
        self.emit("iteration_started", x.node.id, x.frame.place(), len(x.items))
        x.has_begun, x.rounds, x.reason = True, len(x.items), ""
        self.go_on_iteration(x)

    def go_on_iteration(self, x):
        data = x.node.data
        most = data.get("parallel_nums", 10) if data.get("is_parallel") else 1
        while x.open < most and x.next < len(x.items) and not x.failure:
            index = x.next
            x.next += 1
            x.open += 1
            self.emit("iteration_next", x.node.id, x.frame.place(), index)
            child = Frame(self, data["start_node_id"], x.node.id, x, index, x.frame.pool.copy())
            child.pool.put(x.node.id, "item", x.items[index])
            child.pool.put(x.node.id, "index", index)
            self.enqueue(child, child.root)
        if x.open:
            return
        if x.failure:
            raise x.failure
        results = [x.results[index] for index in sorted(x.results)]
        lists = [result for result in results if result is not None]
        if data.get("flatten_output", True) and lists and all(isinstance(result, list) for result in lists):
            results = [item for result in lists for item in result]
        self.succeed(x, {"output": results})

    def child_ended_iteration(self, x, child, failure):
        x.open -= 1
        mode = x.node.data.get("error_handle_mode", "terminated")
        if failure is None:
            for target, (value, kind) in child.written.items():
                if target[0] == "conversation":
                    self.assign_in(x.frame, target, value, kind)
            found = child.pool.get(x.node.data["output_selector"])
            x.results[child.index] = found.value if found else None
            if child.index == len(x.items) - 1:
                self.put_out(x.frame, child.outputs)
        elif mode == "terminated":
            x.failure = x.failure or failure
        elif mode == "continue-on-error":
            x.results[child.index] = None
        self.when_container_goes_on(x, self.go_on_iteration)

    # --- loop ---

    def start_loop(self, x):
        data = x.node.data
        x.index, x.rounds, x.reason = 0, 0, ""
        variables = data.get("loop_variables") or []
        for variable in variables:
            segment = self.first_value(x, variable)
            x.frame.pool.put(x.node.id, variable["label"], segment.value, segment.kind)
        x.labels = [variable["label"] for variable in variables]
        self.emit("loop_started", x.node.id, x.frame.place(), data["loop_count"])
        x.has_begun = True
        try:
            is_reached = self.must_break(x)
        except Failed:
            is_reached = False
        if is_reached:
            x.reason = "loop_break"
            self.succeed(x, {})
        else:
            x.rounds = data["loop_count"]
            self.start_round(x)

    def first_value(self, x, variable):
        kind, value = variable["var_type"], variable.get("value")
        if variable["value_type"] == "variable":
            found = x.frame.pool.get(value)
            if found is None:
                raise Failed
            return Segment(copy.deepcopy(found.value), found.kind)
        if kind.startswith("array["):
            if not isinstance(value, str) or value == "":
                return Segment([], kind)
            value = self.parsed(value)
            if not isinstance(value, list) or not all(is_element_of(item, kind) for item in value):
                raise Failed
            return Segment(value, kind)
        if not is_of(value, kind):
            value = self.parsed(value) if isinstance(value, str) else None
            if not is_of(value, kind):
                raise Failed
        return Segment(value, kind)

    @staticmethod
    def parsed(text):
        try:
            return json.loads(text)
        except ValueError:
            raise Failed from None

    def must_break(self, x):
        conditions = x.node.data.get("break_conditions") or []
        return bool(conditions) and all_hold(conditions, x.node.data.get("logical_operator", "and"), x.frame.pool)

    def forget_inside(self, container, pool):
        for node in self.graph.nodes.values():
            if node.container == container:
                pool.forget(node.id)
                if node.is_container:
                    self.forget_inside(node.id, pool)

    def start_round(self, x):
        if x.index > 0:
            self.emit("loop_next", x.node.id, x.frame.place(), x.index)
        self.forget_inside(x.node.id, x.frame.pool)
        child = Frame(self, x.node.data["start_node_id"], x.node.id, x, x.index, x.frame.pool)
        child.written = x.frame.written
        self.enqueue(child, child.root)

    def child_ended_loop(self, x, child, failure):
        if failure is None:
            self.put_out(x.frame, child.outputs)

        def go_on(_):
            if failure is not None:
                x.reason = "error"
                raise failure
            outputs = {label: copy.deepcopy(x.frame.pool.get([x.node.id, label])) for label in x.labels}
            outputs["loop_round"] = x.index + 1
            try:
                is_reached = child.must_leave or self.must_break(x)
            except Failed:
                x.reason = "error"
                raise
            x.index += 1
            if is_reached or x.index == x.node.data["loop_count"]:
                x.reason = "loop_break" if is_reached else "loop_completed"
                self.succeed(x, outputs)
            else:
                self.start_round(x)

        self.when_container_goes_on(x, go_on)
