"""What a training step costs: the peak is what can be added up by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from plainnet.errors import UsageError
from plainnet.profiler.training_step import measure_step


def test_the_peak_of_a_matrix_is_that_of_its_tensors() -> None:
    """Weights, images, outputs, and the gradients of weights and outputs."""
    size, batch = 256, 16
    module = nn.Linear(size, size, bias=False)
    step = measure_step(module, (batch, size), seconds=0.01)
    tensors = 4 * (2 * size * size + 3 * batch * size)
    assert step.training_peak_bytes == pytest.approx(tensors, rel=0.05)
    assert module.weight.grad is None, "a copy is measured"
    assert 0 < step.forward_ms < 1000
    assert 0 < step.forward_backward_ms < 1000


def test_activations_grow_with_the_batch_and_weights_do_not() -> None:
    module = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
    peaks = [measure_step(module, (batch, 1, 16, 16), seconds=0.005).training_peak_bytes or 0 for batch in (1, 2, 4)]
    assert peaks[2] - peaks[1] == pytest.approx(2 * (peaks[1] - peaks[0]), rel=0.05)
    one_map = 4 * 8 * 16 * 16
    assert peaks[1] - peaks[0] >= 3 * one_map, "what the backward pass needs is kept"


def test_the_state_of_the_process_is_left_alone() -> None:
    module = nn.Linear(2, 2)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    measure_step(module, (3, 2), seconds=0.001)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    with pytest.raises(UsageError, match="Expected more than 1 value"):
        measure_step(nn.BatchNorm1d(2), (1, 2), seconds=0.001)
