"""What a run of an export must come to, worked out from the rules of dify-dsl.md sections 2 to 4 alone.

An engine of its own, slow and plain: it knows nothing of the one it is compared with. Where the rules leave a choice of
order, it takes ready nodes first in, first out, one of each frame in turn, and lets a model's words come only when nothing
is ready.
"""

import json

from containers import Containers
from frames import Exec, Frame
from graph import Graph, default_outputs
from nodes import Nodes
from values import SOME, Failed, Pool, plain


class Run(Nodes, Containers):
    def __init__(self, case):
        self.graph = Graph(json.loads(case["dsl"]))
        self.case = case
        self.max_steps = case.get("max_steps") or 500
        self.ends, self.child_ends, self.ready = [], [], []  # ready: frames with a queue
        self.calls, self.timers, self.now = [], [], 0
        self.model_counts = {}
        self.events, self.text, self.offset = [], b"", 0
        self.writer, self.writer_from = None, 0  # the session that wrote last, and from where on nobody else did
        self.starts = self.steps = self.limit_steps = self.exceptions = 0
        self.outputs, self.result = {}, None
        self.running = []
        self.root = Frame(self, self.graph.root, pool=self.first_pool())

    def first_pool(self):
        pool, case, graph = Pool(), self.case, self.graph
        system = {"files": [], "user_id": "u-1", "app_id": "app-1", "workflow_id": "version-1", "workflow_run_id": "run-1"}
        if graph.mode == "advanced-chat":
            system.update(query=case["query"], conversation_id="conversation-1", dialogue_count=1)
        else:
            system.update(timestamp=1754000000)
        for name, value in system.items():
            pool.put("sys", name, value)
        for first, variables in (("env", graph.environment), ("conversation", graph.conversation)):
            for variable in variables:
                pool.put(first, variable["name"], variable["value"], variable["value_type"])
        self.inputs = {}
        for field in graph.nodes[graph.root].data["variables"]:
            value = case["inputs"].get(field["variable"])
            self.inputs[field["variable"]] = field.get("default") if value is None else value
        for name, value in self.inputs.items():
            pool.put(graph.root, name, value)
        return pool

    # --- events ---

    def emit(self, *event):
        self.events.append(list(event))

    def emit_text(self, session, source, selector, text):
        kind = "message" if self.graph.mode == "advanced-chat" else "text_chunk"
        self.emit(kind, source, selector, text)
        self.text = self.text[: self.offset] + text.encode()
        self.offset = len(self.text)
        if text and session is not self.writer:
            self.writer, self.writer_from = session, self.offset - len(text.encode())

    def rewind(self, session, count):
        """The next text takes the place of the last `count` bytes, unless somebody else has written among them."""
        if session is self.writer and self.offset - count >= self.writer_from:
            self.offset -= count

    # --- states ---

    def frame_of(self, frame, node):
        while frame and (node not in self.graph.nodes or self.graph.nodes[node].container != frame.container):
            frame = frame.parent
        return frame

    def state_of(self, frame, node):
        owner = self.frame_of(frame, node)
        return owner.node_states.get(node, "unknown") if owner else "unknown"

    def has_ended(self, frame, node):
        owner = self.frame_of(frame, node)
        return not owner or node in owner.ended_nodes

    # --- the course (3.2 to 3.7) ---

    def play(self):
        self.enqueue(self.root, self.graph.root)
        while not self.result:
            if self.ends or self.child_ends or self.ready:
                self.step()
            elif any(call.is_open for call in self.calls):
                self.let_models_speak()
            elif self.timers:
                self.let_time_pass()
            else:
                self.root.responses.end()
                status = "partial-succeeded" if self.exceptions else "succeeded"
                self.finish(status, "completed", "")
        return self.result

    def let_time_pass(self):
        self.now = max(self.now, min(at for at, _ in self.timers))
        due = sorted((timer for timer in self.timers if timer[0] <= self.now), key=lambda timer: timer[1].started)
        self.timers = [timer for timer in self.timers if timer[0] > self.now]
        for _, execution in due:
            self.attempt(execution)

    def step(self):
        """Nodes that have ended go before children that have, and those before what can start; frames take turns."""
        ended = self.ends or self.child_ends
        if ended:
            execution, end = ended.pop(0)
            if not execution.is_over:
                end()
            return
        frame = self.ready.pop(0)
        execution = frame.queue.pop(0)
        if frame.queue:
            self.ready.append(frame)
        self.start(execution)

    def finish(self, status, reason, error):
        self.result = {
            "status": status,
            "reason": reason,
            "error": error,
            "outputs": self.outputs,
            "exceptions": self.exceptions,
            "steps": self.steps,
            "text": self.text.decode(),
            "events": self.events,
        }

    def enqueue(self, frame, node):
        frame.node_states[node] = "taken"
        frame.live += 1
        frame.queue.append(Exec(frame, self.graph.nodes[node]))
        if frame not in self.ready:
            self.ready.append(frame)

    def start(self, execution):
        frame, node = execution.frame, execution.node
        if frame.is_over:
            return
        self.running.append(execution)
        execution.started = self.starts = self.starts + 1
        if not node.is_container_start:
            self.limit_steps += 1
            if not node.is_container:
                self.emit("node_started", node.id, frame.place())
        self.attempt(execution)

    def attempt(self, execution):
        if execution.is_over:
            return
        if not execution.frame.owner:
            self.steps += 1
        try:
            getattr(self, "start_" + execution.node.type.replace("-", "_"))(execution)
        except Failed as failure:
            error = failure
            self.ends.append((execution, lambda: self.fail(execution, error.error, error.error_type)))

    def when_container_goes_on(self, x, go_on):
        try:
            go_on(x)
        except Failed as failure:
            error = failure
            self.ends.append((x, lambda: self.fail(x, error.error, error.error_type)))

    def let_models_speak(self):
        calls, pace = self.calls, self.case.get("pace", "round")
        for call in list(reversed(calls) if pace == "last" else calls):
            if call.is_open:
                self.speak(call)
                while (self.ends or self.child_ends or self.ready) and not self.result:
                    self.step()
                if pace != "round" or self.result:
                    break
        self.calls = [call for call in self.calls if call.is_open]

    def speak(self, call):
        execution = call.exec
        if call.words:
            word = call.words.pop(0)
            call.text += word
            execution.frame.responses.chunk((execution.node.id, "text"), word, False)
        elif call.error is not None:
            call.is_open = False
            self.fail(execution, call.error, "InvokeServerUnavailableError")
        else:
            call.is_open = False
            execution.frame.responses.chunk((execution.node.id, "text"), "", True)
            usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "currency": "USD"}
            self.succeed(
                execution, {"text": call.text, "reasoning_content": "", "usage": usage, "finish_reason": "stop"}
            )

    def over(self, execution):
        execution.is_over = True
        self.running.remove(execution)
        execution.frame.live -= 1
        execution.frame.ended_nodes.add(execution.node.id)

    def succeed(self, execution, outputs, handle="source", shown=None):
        def end():
            self.over(execution)
            self.leave(execution, outputs, handle, "succeeded", "", "", outputs if shown is None else shown)

        self.ends.append((execution, end))

    def fail(self, execution, error, error_type):
        node, frame = execution.node, execution.frame
        self.exceptions += 1
        frame.responses.forget(node.id)
        if execution.retries_left > 0:
            execution.retries_left -= 1
            execution.retry_index += 1
            self.emit("node_retry", node.id, frame.place(), execution.retry_index, error)
            if execution.interval > 0:
                self.timers.append((self.now + execution.interval, execution))
            else:
                self.attempt(execution)
            return
        self.over(execution)
        if node.strategy == "fail-branch":
            outputs = {"error_message": error, "error_type": error_type}
            self.leave(execution, outputs, "fail-branch", "exception", error, error_type, outputs)
        elif node.strategy == "default-value":
            outputs = {**default_outputs(node), "error_message": error, "error_type": error_type}
            self.leave(execution, outputs, None, "exception", error, error_type, outputs)
        else:
            self.emit_finished(execution, "failed", error, error_type, {})
            self.fail_frame(frame, error, error_type)

    def emit_finished(self, execution, status, error, error_type, outputs):
        node, place = execution.node, execution.frame.place()
        if node.is_container_start:
            return
        if node.is_container:
            if not execution.has_begun:
                self.emit(f"{node.type}_started", node.id, place, 0)
            self.emit(f"{node.type}_completed", node.id, place, status, error, execution.rounds, execution.reason, outputs)
            return
        self.emit("node_finished", node.id, place, status, error, error_type, outputs)

    def leave(self, execution, outputs, handle, status, error, error_type, shown):
        """The node has ended well, or its failure is handled."""
        frame, node = execution.frame, execution.node
        for name, value in outputs.items():
            frame.pool.put(node.id, name, value)
        if node.is_response:
            self.put_out(frame, [outputs])
        if node.is_container:  # its end is told before what it leads to (5.1)
            self.emit_finished(execution, status, error, error_type, plain(shown))
        self.take_edges(frame, node, handle)
        frame.responses.node_ended(node.id)
        if not node.is_container:
            self.emit_finished(execution, status, error, error_type, plain(shown))
        if not self.is_over_limit():
            self.check_frame(frame)

    def is_over_limit(self):
        """Looked at when a node has succeeded or failed (3.7)."""
        if self.limit_steps <= self.max_steps:
            return False
        error = f"{SOME}Maximum execution steps exceeded: {self.limit_steps} > {self.max_steps}"
        self.stop_frame(self.root, error, "stopped")
        self.finish("stopped", "step_limit", error)
        return True

    def stop_frame(self, frame, error, status="failed"):
        """What runs in it is abandoned, from the inside out; at a failure it is recorded as failed (3.5)."""
        for execution in [x for x in self.running if x.frame is frame]:
            for child in execution.children:
                self.stop_frame(child, error, status)
            if execution.is_over:
                continue
            execution.is_over = True
            self.running.remove(execution)
            for call in self.calls:
                if call.exec is execution:
                    call.is_open = False
            self.emit_finished(execution, status, error, "", {})
        frame.is_over = True
        if frame in self.ready:
            self.ready.remove(frame)

    def take_edges(self, frame, node, handle):
        edges = node.out
        if node.is_branch and handle is not None:
            edges = [edge for edge in node.out if edge.handle == handle]
            for edge in node.out:
                if edge not in edges:
                    self.skip(frame, edge)
        for edge in edges:
            frame.edge_states[edge.index] = "taken"
            frame.responses.edge_taken(edge)
            states = [frame.edge_states.get(e.index) for e in self.graph.nodes[edge.target].into]
            if None not in states and edge.target not in frame.node_states:
                self.enqueue(frame, edge.target)

    def skip(self, frame, edge):
        frame.edge_states[edge.index] = "skipped"
        target = self.graph.nodes[edge.target]
        states = [frame.edge_states.get(e.index) for e in target.into]
        if None in states or target.id in frame.node_states:
            return
        if "taken" in states:
            self.enqueue(frame, target.id)
            return
        frame.node_states[target.id] = "skipped"
        for further in target.out:
            self.skip(frame, further)

    def put_out(self, frame, all_outputs):
        """What response nodes put out: the run's at once, a child's when it has ended (3.8)."""
        if frame.owner:
            frame.outputs += all_outputs
            return
        for outputs in all_outputs:
            for name, value in outputs.items():
                if name == "answer":
                    value = self.outputs.get("answer", "") + value
                self.outputs[name] = plain(value)

    def fail_frame(self, frame, error, error_type):
        self.stop_frame(frame, error)
        if not frame.owner:
            self.finish("failed", "node_failed", error)
        elif not self.is_over_limit():
            self.end_child(frame, Failed(error, error_type))

    def end_child(self, frame, failure):
        owner = frame.owner

        def end():
            owner.children.remove(frame)
            getattr(self, "child_ended_" + owner.node.type)(owner, frame, failure)

        self.child_ends.append((owner, end))

    def check_frame(self, frame):
        if frame.owner and frame.live == 0 and not frame.is_over:
            frame.responses.end()
            frame.is_over = True
            self.end_child(frame, None)


def predict(case):
    return Run(case).play()
