"""A store whose disk is full or has become read-only: what is refused, what goes on, and that all is well again by itself."""
import subprocess
import time

import pytest

from conftest import wait_until
from example_calls import CHAT, FLOW, Code, new_id, run, say
from heddle import answer, events, failure, finished

STORE_UNAVAILABLE = 10


@pytest.fixture
def disk(tmp_path):
    """A small file system of its own; only root can make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True)
    if made.returncode != 0:
        pytest.skip("no file system of its own can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder):
    """Takes all the room there is."""
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass


def try_say(h, key):
    refused = None
    try:
        return answer(events(say(h, key)))
    except Exception as error:  # noqa: BLE001 - shown when it does not go away
        refused = error
    assert refused.code() == Code.UNAVAILABLE, refused
    return None


def test_a_full_disk_refuses_new_runs_and_is_over_when_there_is_room(disk, fresh):
    h = fresh(store_folder=disk)
    h.model.script({"reply": "fine"})
    (_, key), (app, quiet) = h.app(CHAT), h.app(FLOW)
    h.admin.AdminService.UpdateApp({"app_id": app, "record": "RECORD_NONE"})
    run_id = events(say(h, key))[0][1].task_id
    fill(disk)
    wait_until(lambda: refusal(h, key), what="new runs are refused")
    refused = failure(say, h, key)
    assert (refused.code, refused.reason) == (Code.UNAVAILABLE, "STORE_FULL") and "RetryInfo" in refused.details
    before = len(h.model.requests())
    assert failure(say, h, key).reason == "STORE_FULL" and len(h.model.requests()) == before  # nothing was begun
    assert h.public.WorkflowService.GetRun({"run_id": run_id}, token=key).status == 2  # reading goes on
    assert finished(events(run(h, quiet))).status == 2  # nothing of it is recorded
    changed = failure(h.admin.AdminService.UpdateApp, {"app_id": app, "name": "n" * 200})
    assert (changed.code, changed.reason) == (Code.UNAVAILABLE, "STORE_FULL")
    (disk / "filler").unlink()
    begun = time.monotonic()
    assert wait_until(lambda: try_say(h, key), what="runs are taken again") == "fine"
    assert time.monotonic() - begun < 5
    listed = h.public.WorkflowService.ListRuns({"status": "RUN_STATUS_RUNNING"}, token=key).runs
    assert len(listed) == 0


def refusal(h, key):
    """Runs until one is refused: what does not fit is known only after it was tried."""
    try:
        events(say(h, key, timeout=20))
        return False
    except Exception as error:  # noqa: BLE001
        return error.code() == Code.UNAVAILABLE


def test_a_run_that_ends_on_a_full_disk_says_so_and_its_record_agrees(disk, fresh):
    h = fresh(store_folder=disk)
    key = h.app(CHAT)[1]
    h.model.script({"reply": "one two three", "tokens_per_second": 2})
    mine = {"run_id": new_id()}
    stream = say(h, key, request=mine, timeout=60)
    next(stream)
    wait_until(lambda: h.public.WorkflowService.ListRuns({}, token=key).runs, what="it is recorded")
    fill(disk)
    got = events(stream)
    end = finished(got)
    assert (end.status, end.end_reason) == (4, STORE_UNAVAILABLE), end
    (disk / "filler").unlink()
    record = wait_until(lambda: (lambda r: r if r.finished_at_ms else None)(
        h.public.WorkflowService.GetRun({"run_id": mine["run_id"]}, token=key)), what="its end is recorded at last")
    assert (record.status, record.end_reason, record.error) == (end.status, end.end_reason, end.error)
    assert (record.finished_at_ms, record.elapsed_ms) == (end.finished_at_ms, end.elapsed_ms)
    assert (record.total_tokens, record.total_steps) == (end.total_tokens, end.total_steps)
    told, again = ([e.error for name, e in seen if name == "error"] for seen in (got, events(say(h, key, request=mine))))
    assert len(told) == 1 and told == again


def test_a_full_disk_that_has_room_in_time_is_not_noticed(disk, fresh):
    h = fresh(store_folder=disk)
    key = h.app(CHAT)[1]
    h.model.script({"reply": "one two three", "tokens_per_second": 4})
    stream = say(h, key, timeout=60)
    first = next(stream)
    wait_until(lambda: h.public.WorkflowService.ListRuns({}, token=key).runs, what="it is recorded")
    fill(disk)
    time.sleep(3)  # it has ended, and waits for its record
    (disk / "filler").unlink()
    got = events(stream)
    assert finished(got).status == 2
    assert h.public.WorkflowService.GetRun({"run_id": first.task_id}, token=key).status == 2
