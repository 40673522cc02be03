"""Calls of the bundled example apps, with what is needed filled in."""
import uuid

import grpc
import pytest

from conftest import SOURCE

CHAT = (SOURCE / "deploy" / "examples" / "support-chat.yml").read_text()
FLOW = (SOURCE / "deploy" / "examples" / "summarise.yml").read_text()
Code = grpc.StatusCode
PUBLIC = ["heddle.v1.ChatService", "heddle.v1.ConversationService", "heddle.v1.TaskService", "heddle.v1.WorkflowService"]


@pytest.fixture
def chat(heddle):
    heddle.model.script({"reply": "fine"})
    return heddle.app(CHAT)[1]


@pytest.fixture
def flow(heddle):
    heddle.model.script({"reply": "fine"})
    return heddle.app(FLOW)[1]


def say(h, key=None, **options):
    """SendMessage with what is needed, and the fields given in `request` over it."""
    request = {"query": "hi", "user": "u-1", **options.pop("request", {})}
    return h.public.ChatService.SendMessage(request, token=key, **options)


def run(h, key=None, **options):
    request = {"inputs": {"text": "t"}, "user": "u-1", **options.pop("request", {})}
    return h.public.WorkflowService.RunWorkflow(request, token=key, **options)


def new_id():
    return str(uuid.uuid4())
