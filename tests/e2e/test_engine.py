"""What the engine promises under load: parallel is parallel, one run's work does not stop another's."""
import json

import pytest

from conftest import wait_until
from heddle import events, finished

LLM = ("{type: llm, title: Model, model: {provider: openai, name: gpt-4o-mini, mode: chat, completion_params: {}}, "
       "prompt_template: [{role: user, text: '%s'}], context: {enabled: false}, vision: {enabled: false}}")


def export(nodes, edges):
    lines = ["app: {mode: workflow, name: engine}", "kind: app", "version: 0.3.1", "workflow:", "  graph:", "    nodes:"]
    lines += [f"      - {{id: {name}, type: custom, {extra}data: {data}}}" for name, data, extra in nodes]
    lines += ["    edges:"] + [f"      - {{source: {a}, target: {b}}}" for a, b in edges]
    return "\n".join(lines)


def run(heddle, dsl, inputs):
    _, key = heddle.app(dsl)
    return events(heddle.public.WorkflowService.RunWorkflow(
        {"inputs": inputs, "user": "u-1", "payloads": "PAYLOADS_JSON"}, token=key))


def most_at_once(requests):
    """Requests in flight at the same time, as the model saw them."""
    points = []
    for r in requests:
        points += [(r["received_at"]["monotonic_ms"], 1), (r["ended_at"]["monotonic_ms"], -1)]
    most = now = 0
    for _, step in sorted(points, key=lambda p: (p[0], p[1])):
        now += step
        most = max(most, now)
    return most


def iteration(parallel):
    return export(
        [("start", "{type: start, title: Start, variables: [{variable: o, type: json_object, required: true}]}", ""),
         ("it", "{type: iteration, title: Each, iterator_selector: [start, o, list], output_selector: [model, text], "
                f"start_node_id: itstart, is_parallel: true, parallel_nums: {parallel}}}", ""),
         ("itstart", "{type: iteration-start, title: ''}", "parentId: it, "),
         ("model", LLM % "say {{#it.item#}}", "parentId: it, "),
         ("end", "{type: end, title: End, outputs: [{variable: out, value_selector: [it, output]}]}", "")],
        [("start", "it"), ("it", "end"), ("itstart", "model")])


@pytest.mark.parametrize("parallel,expected", [(10, 10), (3, 3), (1, 1)])
def test_an_iteration_asks_as_many_models_at_once_as_it_may(heddle, parallel, expected):
    heddle.model.script({"reply": "x", "first_token_ms": 200})
    got = run(heddle, iteration(parallel), {"o": {"list": list(range(10))}})
    assert json.loads(finished(got).outputs_json) == {"out": ["x"] * 10}
    requests = heddle.model.requests()
    assert len(requests) == 10 and most_at_once(requests) == expected


def test_fifty_ready_branches_start_all_at_once(heddle):
    heddle.model.script({"reply": "x", "first_token_ms": 300})
    names = [f"m{i}" for i in range(50)]
    dsl = export([("start", "{type: start, title: Start, variables: []}", "")] + [(n, LLM % n, "") for n in names],
                 [("start", n) for n in names])
    assert finished(run(heddle, dsl, {})).status == 2
    assert most_at_once(heddle.model.requests()) == 50


def test_events_of_a_container_name_it_and_the_element(heddle):
    heddle.model.script({"reply": "x"})
    got = run(heddle, iteration(1), {"o": {"list": ["a", "b"]}})
    seen = [(name, getattr(e, name)) for name, e in got]
    assert [n for n, _ in seen if n != "ping"] == [
        "workflow_started", "node_started", "node_finished", "iteration_started", "iteration_next", "node_started",
        "node_finished", "iteration_next", "node_started", "node_finished", "iteration_completed", "text_chunk",
        "node_started", "node_finished", "workflow_finished"]
    inner = [e for n, e in seen if n == "node_finished" and e.node_id == "model"]
    assert [(e.iteration_id, e.iteration_index) for e in inner] == [("it", 0), ("it", 1)]
    done = next(e for n, e in seen if n == "iteration_completed")
    assert done.steps == 2 and len(done.iteration_durations_ms) == 2 and done.total_tokens > 0
    assert json.loads(done.inputs_json) == {"iterator_selector": ["a", "b"]}
    assert json.loads(done.outputs_json) == {"output": ["x", "x"]}


LARGE = export(
    [("start", "{type: start, title: Start, variables: [{variable: o, type: json_object, required: true}]}", ""),
     ("sort", "{type: list-operator, title: Sort, variable: [start, o, list], filter_by: {enabled: false, conditions: []}, "
              "order_by: {enabled: true, key: '', value: desc}, limit: {enabled: true, size: 3}, extract_by: {enabled: false}}", ""),
     ("text", "{type: template-transform, title: Text, template: '{{ list }}', "
              "variables: [{variable: list, value_selector: [start, o, list]}]}", ""),
     ("model", LLM % "say {{#sort.result#}}", ""),
     ("end", "{type: end, title: End, outputs: [{variable: top, value_selector: [sort, result]}, "
             "{variable: said, value_selector: [model, text]}]}", "")],
    [("start", "sort"), ("sort", "text"), ("text", "model"), ("model", "end")])


def start_large(heddle, key, count, **options):
    return heddle.public.WorkflowService.RunWorkflow(
        {"inputs_json": json.dumps({"o": {"list": list(range(count))}}), "user": "u-1", "payloads": "PAYLOADS_JSON",
         **options}, token=key)


def test_large_values_go_through_beside_others(heddle):
    """Runs with large values take their turns away from the loop: nothing is lost on the way there and back."""
    heddle.model.script({"reply": "one two three", "tokens_per_second": 100})
    _, key = heddle.app(LARGE)
    streams = [start_large(heddle, key, 50000) for _ in range(6)]
    small = run(heddle, iteration(3), {"o": {"list": [1, 2, 3]}})
    assert json.loads(finished(small).outputs_json) == {"out": ["one two three"] * 3}
    for stream in streams:
        end = finished(events(stream))
        assert end.status == 2, end
        assert json.loads(end.outputs_json) == {"top": [49999, 49998, 49997], "said": "one two three"}


def test_a_run_with_large_values_can_be_stopped_and_left(heddle):
    heddle.model.script({"reply": " word", "repeat": 10000, "tokens_per_second": 50})
    _, key = heddle.app(LARGE)
    stopped, left = start_large(heddle, key, 50000), start_large(heddle, key, 50000)
    for stream in (stopped, left):
        task = next(e for e in stream if e.WhichOneof("event") == "text_chunk" and e.text_chunk.text.strip()).task_id
        if stream is stopped:
            heddle.public.TaskService.StopTask({"task_id": task, "user": "u-1"}, token=key)
    left.cancel()
    end = finished(events(stopped))
    assert (end.status, end.end_reason) == (5, 3)
    wait_until(lambda: heddle.model.stats()["in_flight"] == 0, what="the model's requests end")
