"""What is under way in a run."""

from responses import Responses


class Frame:
    """The run itself, or one round or element of a container."""

    def __init__(self, run, root, container=None, owner=None, index=0, pool=None):
        self.run, self.root, self.container, self.owner, self.index = run, root, container, owner, index
        self.parent = owner.frame if owner else None
        if owner:
            owner.children.append(self)
        self.pool = pool
        self.node_states, self.edge_states = {}, {}  # absent: unknown
        self.ended_nodes = set()
        self.queue = []  # nodes that can start
        self.live = 0  # nodes queued or running
        self.is_over = self.must_leave = False
        self.outputs = []  # of response nodes that have ended
        self.written = {}  # conversation variables
        self.responses = Responses(run, self)

    def place(self):
        """The innermost iteration and the innermost loop around its nodes."""
        around, frame = {}, self
        while frame.owner:
            around.setdefault(frame.owner.node.type, f"{frame.container}#{frame.index}")
            frame = frame.parent
        return "/".join(around[kind] for kind in ("iteration", "loop") if kind in around)


class Exec:
    """One execution of a node, with its retries."""

    def __init__(self, frame, node):
        self.frame, self.node = frame, node
        self.retries_left, self.interval = node.retries()
        self.retry_index = 0
        self.is_over = False
        self.children = []  # frames of a container
        self.has_begun, self.rounds, self.reason = False, 0, ""  # of containers


class Call:
    """Of the model; `words` are what it says, then it is done, or fails when `error` is set."""

    def __init__(self, execution, words, error):
        self.exec, self.words, self.error, self.is_open, self.text = execution, words, error, True, ""
