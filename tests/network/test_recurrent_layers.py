"""Recurrent layers by one formula: what their steps cost, padded and packed, with data and without."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

from plainnet.errors import UsageError
from plainnet.network.counting.counted_run import OperatorCounter
from plainnet.network.counting.module_counts import count_module
from plainnet.network.counting.module_tree import RunningModules
from plainnet.network.counting.operator_rules import OPERATION_COLUMNS
from tests.network.counted import Call, columns

RECURRENT: list[tuple[type[nn.RNNBase], dict[str, Any]]] = [
    (kind, options)
    for kind in (nn.LSTM, nn.GRU, nn.RNN)
    for options in (
        {},
        {"bias": False},
        {"num_layers": 3, "bidirectional": True},
        {"batch_first": True, "num_layers": 2, "dropout": 0.5},
        *(
            [{"proj_size": 2}, {"proj_size": 2, "bias": False, "num_layers": 2, "bidirectional": True}]
            * (kind is nn.LSTM)
        ),
        *([{"nonlinearity": "relu", "num_layers": 2}] * (kind is nn.RNN)),
    )
]


def taken_apart(layer: nn.Module, *inputs: Any) -> dict[str, int]:
    """What torch's own decomposition runs, step by step, without data."""
    counter = OperatorCounter(RunningModules(layer))
    with torch.no_grad(), counter:
        layer.eval()(*inputs)
    assert counter.uncounted == set()
    costs = counter.costs.values()
    return {column: total for column in OPERATION_COLUMNS if (total := sum(cost[column] for cost in costs))}


@pytest.mark.parametrize(("kind", "options"), RECURRENT, ids=[f"{k.__name__}-{'-'.join(o)}" for k, o in RECURRENT])
def test_a_recurrent_layer_costs_what_its_steps_cost(kind: Any, options: dict[str, Any], either_way: bool) -> None:
    layer = kind(4, 5, **options)
    found = count_module(layer, (3, 2, 4))
    expected = taken_apart(copy.deepcopy(layer).to("meta"), torch.empty(3, 2, 4, device="meta"))
    assert columns(found) == expected
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says which of its kernels it takes
        out, state = layer.eval()(torch.zeros(3, 2, 4))
    shapes = tuple(tuple(part.shape) for part in (state if isinstance(state, tuple) else (state,)))
    assert found.output_shape == (tuple(out.shape), shapes if isinstance(state, tuple) else shapes[0])
    assert sum(row.calls for row in found.operators if row.macs) == 1
    assert either_way == bool(found.notes)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_packed_batch_costs_its_steps_alone(kind: Any) -> None:
    lengths = [5, 3, 1]
    layer = kind(4, 6, num_layers=2, bidirectional=True)
    packed = pack_sequence([torch.zeros(length, 4) for length in lengths])
    found = count_module(layer, inputs=[packed])
    one_step = columns(count_module(layer, (1, 1, 4)))
    assert columns(found) == {column: 9 * count for column, count in one_step.items()}
    assert found.notes == ()

    class Packs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, words: Tensor) -> Any:
            return self.layer(pack_padded_sequence(words, torch.tensor(lengths), batch_first=True))

    inside = count_module(Packs(), (3, 5, 4))
    assert columns(inside) == columns(found)
    unsorted = pack_sequence([torch.zeros(length, 4) for length in (1, 5, 3)], enforce_sorted=False)
    assert isinstance(unsorted, PackedSequence)
    assert columns(count_module(layer, inputs=[unsorted])) == columns(found)


def test_steps_change_figures_and_not_the_work_of_counting() -> None:
    long = count_module(nn.LSTM(16, 32), (2000, 1, 16))
    assert long.macs == 2000 * 4 * 32 * (16 + 32)
    assert sum(row.calls for row in long.operators) == sum(
        row.calls for row in count_module(nn.LSTM(16, 32), (2, 1, 16)).operators
    )
    unbatched = count_module(nn.GRU(16, 32), (2000, 16))
    assert (unbatched.macs, unbatched.output_shape) == (2000 * 3 * 32 * 48, ((2000, 32), (1, 32)))
    cell = count_module(nn.LSTMCell(16, 32), (1, 16))
    assert 2000 * cell.macs == long.macs
    given = count_module(
        nn.LSTM(16, 32), inputs=[torch.zeros(4, 2, 16), (torch.zeros(1, 2, 32), torch.zeros(1, 2, 32))]
    )
    assert given.macs == 8 * 4 * 32 * 48


def test_a_recurrent_layer_that_torch_refuses_is_refused() -> None:
    with pytest.raises(UsageError, match=r"does not run on an input of 3x2x5: RuntimeError: input.size\(-1\)"):
        count_module(nn.LSTM(4, 6), (3, 2, 5))


def test_the_function_itself_is_counted_too() -> None:
    weights = [torch.zeros(24, 4), torch.zeros(24, 6)]

    def raw(x: Tensor, state: Tensor, *params: Tensor) -> Any:
        return torch.lstm(x, (state, state), params, False, 1, 0.0, False, False, False)

    assert count_module(Call(raw), inputs=[torch.zeros(3, 2, 4), torch.zeros(1, 2, 6), *weights]).macs == 6 * 24 * 10
