"""The graph of an export, and what blocks its responses (dify-dsl.md sections 1, 3.1, 3.9)."""

import json

from values import pieces

PATHS_MAX = 4000


class TooManyPaths(Exception):
    """The graph is not one for this oracle: it looks at every simple path."""


CONTAINERS = ("iteration", "loop")
RETRYING = ("llm", "code", "http-request", "tool")


class Node:
    def __init__(self, entry):
        self.id, self.data = entry["id"], entry["data"]
        self.type = self.data["type"]
        self.container = self.data.get("iteration_id") or self.data.get("loop_id")
        self.strategy = self.data.get("error_strategy")
        self.out, self.into = [], []
        self.is_response = self.type in ("answer", "end")
        self.is_container_start = self.type in ("iteration-start", "loop-start")
        self.is_container = self.type in CONTAINERS
        self.is_branch = self.type in ("if-else", "question-classifier") or self.strategy == "fail-branch"

    def retries(self):
        config = self.data.get("retry_config") or {}
        if self.type not in RETRYING or not config.get("retry_enabled"):
            return 0, 0
        return config.get("max_retries", 0), config.get("retry_interval", 0)

    def writes(self):
        """Selectors an assigner writes."""
        if self.type != "assigner":
            return []
        if str(self.data.get("version", "1")) == "2":
            return [item["variable_selector"] for item in self.data["items"]]
        return [self.data["assigned_variable_selector"]]

    def segments(self):
        """Of a response: literal texts and selectors, in order (3.9)."""
        if self.type == "answer":
            return [text.split(".") if is_reference else text for is_reference, text in pieces(self.data["answer"])]
        segments = []
        for output in self.data["outputs"]:
            segments += ["\n"] if segments else []
            segments.append(output["value_selector"])
        return segments


class Edge:
    def __init__(self, index, entry):
        self.index, self.source, self.target = index, entry["source"], entry["target"]
        self.handle = entry.get("sourceHandle") or "source"


class Graph:
    def __init__(self, export):
        workflow = export["workflow"]
        self.mode = export["app"]["mode"]
        self.environment = workflow.get("environment_variables", [])
        self.conversation = workflow.get("conversation_variables", []) if self.mode == "advanced-chat" else []
        entries = [entry for entry in workflow["graph"]["nodes"] if entry.get("type") != "custom-note"]
        self.nodes = {entry["id"]: Node(entry) for entry in entries}
        for node in self.nodes.values():
            if node.is_container:
                self.nodes[node.data["start_node_id"]].container = node.id
        self.edges = [Edge(i, entry) for i, entry in enumerate(workflow["graph"]["edges"])]
        for edge in self.edges:
            self.nodes[edge.source].out.append(edge)
            self.nodes[edge.target].into.append(edge)
        self.root = next(node.id for node in self.nodes.values() if node.type == "start")
        self.responses = {}  # container or None: the ids of its responses, sorted
        self.paths = {}  # response: the blocking edges of every simple path to it
        for node in self.nodes.values():
            if node.is_response:
                self.responses.setdefault(node.container, []).append(node.id)
        for container, ids in self.responses.items():
            ids.sort()
            root = self.nodes[container].data["start_node_id"] if container else self.root
            for response in ids:
                self.paths[response] = self.blocking_paths(root, response)

    def blocking_paths(self, root, response):
        mentioned = {tuple(s[:2]) for s in self.nodes[response].segments() if isinstance(s, list)}

        def is_blocking(edge):
            source = self.nodes[edge.source]
            return (
                source.is_branch
                or source.is_container
                or source.is_response
                or any(tuple(selector[:2]) in mentioned for selector in source.writes())
            )

        leads_there, todo = {response}, [response]
        while todo:
            for edge in self.nodes[todo.pop()].into:
                if edge.source not in leads_there:
                    leads_there.add(edge.source)
                    todo.append(edge.source)
        paths, count = set(), 0
        stack = [(root, frozenset([root]), frozenset())]
        while stack:
            at, met, blocking = stack.pop()
            count += 1
            if count > PATHS_MAX:
                raise TooManyPaths
            if at == response:
                paths.add(blocking)
                continue
            for edge in self.nodes[at].out:
                if edge.target in leads_there and edge.target not in met:
                    more = blocking | {edge.index} if is_blocking(edge) else blocking
                    stack.append((edge.target, met | {edge.target}, more))
        return paths


def default_outputs(node):
    outputs = {}
    for entry in node.data.get("default_value") or []:
        value = entry["value"]
        if isinstance(value, str) and entry["type"] != "string":
            value = float(value) if entry["type"] == "number" else json.loads(value)
        outputs[entry["key"]] = value
    return outputs
