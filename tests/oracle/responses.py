"""Which text of answer and end nodes goes out when (dify-dsl.md 3.9)."""

from values import markdown_of


class Session:
    def __init__(self, node, paths):
        self.node, self.segments = node, node.segments()
        self.paths = [set(path) for path in paths]
        self.is_activated = self.node_has_ended = False
        self.cursor = self.read = self.read_bytes = 0  # read: chunks of the segment at the cursor that have been emitted
        self.has_written = False


class Stream:
    """What one variable has streamed."""

    def __init__(self):
        self.chunks, self.is_closed = [], False


class Responses:
    """The sessions of one frame."""

    def __init__(self, run, frame):
        graph = run.graph
        self.run, self.frame = run, frame
        self.sessions = [
            Session(graph.nodes[node], graph.paths[node]) for node in graph.responses.get(frame.container, [])
        ]
        self.mentioned = {tuple(s) for session in self.sessions for s in session.segments if isinstance(s, list)}
        self.streams = {}
        self.queue = []  # the first is the active one
        self.is_ending = False

    def edge_taken(self, edge):
        for session in self.sessions:
            for path in session.paths:
                path.discard(edge.index)
        for session in self.sessions:
            if not session.is_activated and any(not path for path in session.paths):
                session.is_activated = True
                self.enqueue(session)

    def enqueue(self, session):
        # Fixed by a known outcome (test_complex_branch): a text that can be written whole does not wait for one that has
        # not begun.
        if self.queue and not self.queue[0].has_written and self.can_be_completed(session):
            self.queue.insert(0, session)
        else:
            self.queue.append(session)
        self.flush()

    def can_be_completed(self, session):
        for segment in session.segments[session.cursor :]:
            if isinstance(segment, str) or self.is_skipped(segment):
                continue
            stream = self.streams.get(tuple(segment))
            if not (stream.is_closed if stream else self.frame.pool.get(segment)):
                return False
        return True

    def is_skipped(self, selector):
        return self.run.state_of(self.frame, selector[0]) == "skipped"

    def chunk(self, selector, text, is_final):
        if selector in self.mentioned:
            stream = self.streams.setdefault(selector, Stream())
            stream.chunks.append(text)
            stream.is_closed |= is_final
            self.flush()

    def forget(self, node):
        """What a failed attempt had streamed does not count."""
        for selector in [s for s in self.streams if s[0] == node]:
            del self.streams[selector]
            active = self.queue[0] if self.queue else None
            if active and active.read and active.segments[active.cursor] == list(selector):
                self.run.rewind(active, active.read_bytes)
                active.read = active.read_bytes = 0

    def node_ended(self, node):
        for session in self.sessions:
            session.node_has_ended |= session.node.id == node
        self.flush()

    def end(self):
        self.is_ending = True
        self.queue = [session for session in self.queue if session.node_has_ended]  # those that never ran hold back none
        self.flush()

    def flush(self):
        while self.queue:
            session = self.queue[0]
            while session.cursor < len(session.segments):
                if not self.write(session):
                    return
                session.cursor, session.read, session.read_bytes = session.cursor + 1, 0, 0
            self.queue.pop(0)

    def write(self, session):
        """True: the segment is complete."""
        segment = session.segments[session.cursor]
        node = session.node.id
        if isinstance(segment, str):
            # A literal that is a selector is resolved in the outputs (2.3), so it is in the text: they must agree.
            value = self.frame.pool.get(segment.split(".")) if "." in segment else None
            if value:
                self.emit(session, node, segment, markdown_of(value))
            else:
                self.emit(session, node, f"{node}.answer", segment)
            return True
        if self.is_skipped(segment):
            return True
        source = segment[0] if segment[0] in self.run.graph.nodes else node
        stream = self.streams.get(tuple(segment))
        if stream:
            for text in stream.chunks[session.read :]:
                session.read_bytes += len(text.encode())
                session.read += 1
                self.emit(session, source, ".".join(segment), text)
            return stream.is_closed
        value = self.frame.pool.get(segment)
        if value:
            self.emit(session, source, ".".join(segment), markdown_of(value))
            return True
        if session.node_has_ended and (self.is_ending or self.run.has_ended(self.frame, segment[0])):
            # Nothing comes any more: written as the node has written it in its outputs.
            if session.node.type == "answer":
                self.emit(session, source, ".".join(segment), ".".join(segment))
            return True
        return False

    def emit(self, session, source, selector, text):
        session.has_written = True
        self.run.emit_text(session, source, selector, text)
