"""Functions that take the same arguments take them by one name, in one meaning and with one default."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import plainnet
from plainnet.engine.run import evaluation
from plainnet.profiler.forward_trace import trace_forward
from plainnet.profiler.latency import measure_latency
from plainnet.profiler.latency_ratio import compare_latencies
from plainnet.profiler.memory import measure_memory
from plainnet.profiler.module_times import measure_module_times


def options(function: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    """The arguments that have a default: their type and that."""
    found = inspect.signature(function).parameters.values()
    return {each.name: (each.annotation, each.default) for each in found if each.default is not each.empty}


def test_what_is_measured_is_said_in_one_way() -> None:
    first = options(measure_latency)
    assert {"device", "dtype", "threads", "channels_last", "seconds", "inputs", "kwargs"} <= first.keys()
    for other in (measure_module_times, trace_forward, measure_memory):
        said = options(other)
        assert {name: said[name] for name in said.keys() & first.keys()} == {
            name: first[name] for name in said.keys() & first.keys()
        }
        assert said.keys() - first.keys() <= {"training"}
    compared = options(compare_latencies)
    differing = {name for name in compared if compared[name] != first[name]}
    assert differing == {"threads", "seconds"}, "its docstring says which"


def test_a_network_is_evaluated_as_its_weights_are() -> None:
    by_name, of_weights = options(plainnet.evaluate), options(evaluation.evaluate)
    assert of_weights.keys() - by_name.keys() == {"cases"}
    assert by_name.keys() - of_weights.keys() == {"trust"}
    assert all(by_name[name] == of_weights[name] for name in by_name.keys() & of_weights.keys())
