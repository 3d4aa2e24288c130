"""Outputs that are known beforehand are those that torch works out: every operator, layout and type against torch itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plainnet.network.counting.blank_outputs import _IN_PLACE, _KNOWN, _LIKE_INPUT, BlankOutputs, blank_output

aten = torch.ops.aten
SHAPES = ((2, 3, 5, 4), (2, 3), (4,), (), (1, 3, 1, 1))


def values() -> list[Tensor]:
    """Tensors without contents: in both layouts, with gaps, turned, of whole numbers, in half precision."""
    plain = [torch.empty(shape, device="meta") for shape in SHAPES]
    image = plain[0]
    odd = [
        image.to(memory_format=torch.channels_last),
        image.transpose(2, 3),
        image[:, ::2],
        image[..., ::2],
        image[:1].expand(4, 3, 5, 4),
    ]
    return [*plain, *odd, *(image.to(kind) for kind in (torch.int64, torch.float16, torch.bool, torch.complex64))]


def about(out: Any) -> Any:
    if isinstance(out, tuple):
        return tuple(map(about, out))
    return (out.shape, out.stride(), out.dtype, out.device)


def by_torch(operator: Any, args: tuple[Any, ...]) -> Any:
    try:
        return operator(*args)
    except (RuntimeError, NotImplementedError, TypeError) as error:
        return error


@pytest.mark.parametrize("operator", [*_LIKE_INPUT, *_IN_PLACE], ids=str)
def test_an_activation_gives_what_torch_gives(operator: Any) -> None:
    known = 0
    for value in values():
        found = blank_output(operator, (value,), {})
        if found is None:
            continue
        known += 1
        expected = by_torch(operator, (value,))
        assert about(found) == about(expected)
        assert (found is value) == (operator in _IN_PLACE)
    assert known >= 7


@pytest.mark.parametrize("operator", [aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor], ids=str)
def test_a_sum_gives_what_torch_gives(operator: Any) -> None:
    known = 0
    for one in values():
        for other in [*values(), 2.0]:
            found = blank_output(operator, (one, other), {})
            if found is not None:
                known += 1
                assert about(found) == about(operator(one, other))
    assert known >= 7


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("channels", [3, 7])
def test_a_batch_norm_gives_what_torch_gives(*, training: bool, affine: bool, channels: int) -> None:
    statistics = [torch.empty(channels, device="meta") for _ in range(4)]
    known = 0
    for value in values():
        args = (value, *(statistics[:2] if affine else (None, None)), *statistics[2:], training, 0.1, 1e-5)
        found = blank_output(aten.native_batch_norm.default, args, {})
        if found is not None:
            known += 1
            assert about(found) == about(aten.native_batch_norm.default(*args))
    assert bool(known) == (not training and channels == 3)


def test_what_has_contents_or_words_or_a_class_of_its_own_is_left_to_torch() -> None:
    class Mine(Tensor):
        pass

    blank = torch.empty(3, device="meta")
    for args, kwargs in (((torch.ones(3),), {}), ((blank.as_subclass(Mine),), {}), ((blank,), {"beta": 1})):
        assert blank_output(aten.softplus.default, args, kwargs) is None
    assert blank_output(aten.add.Tensor, (blank, torch.ones(3)), {}) is None
    assert blank_output(aten.add.Tensor, (blank, blank), {"alpha": 2}) is None
    assert blank_output(aten.addmm.default, (blank, blank, blank), {}) is None
    assert set(_KNOWN) > set(_LIKE_INPUT)


def test_a_batch_norm_of_the_wrong_width_is_still_an_error() -> None:
    from plainnet import UsageError
    from plainnet.network.counting.module_counts import count_module

    with pytest.raises(UsageError, match="does not run on an input of 1x3x4x4"):
        count_module(nn.BatchNorm2d(5), (1, 3, 4, 4))


def asked(name: str) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """A call of an operator on tensors without contents."""
    image, wide, words = (torch.empty(shape, device="meta") for shape in ((1, 4, 6, 6), (4, 4, 3, 3), (2, 5, 8)))
    calls = {
        "conv": (aten.convolution.default, (image, wide, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1), {}),
        "strided conv": (aten.convolution.default, (image, wide, None, [2, 2], [1, 1], [1, 1], False, [0, 0], 1), {}),
        "norm": (aten.native_layer_norm.default, (words, [8], None, None, 1e-5), {}),
        "cat": (aten.cat.default, ([image, image], 1), {}),
        "softmax": (aten._softmax.default, (words, -1, False), {}),
        "sum": (aten.sum.dim_IntList, (words, [1]), {"dtype": torch.float64}),
        "made": (aten.zeros.default, ([3, 2],), {"device": torch.device("meta")}),
        "whole": (aten.add.Tensor, (words, 2), {}),
        "true": (aten.add.Tensor, (words.bool(), True), {}),
        "one": (aten.add.Tensor, (words.bool(), 1), {}),
    }
    return calls[name]


@pytest.mark.parametrize("name", ["conv", "norm", "cat", "softmax", "sum", "made", "whole"])
def test_what_was_asked_before_looks_the_same_and_torch_is_not_asked_again(name: str) -> None:
    outputs, (operator, args, kwargs) = BlankOutputs(), asked(name)
    first, again = outputs.run(operator, args, kwargs), outputs.run(operator, args, kwargs)
    assert about(first) == about(again) == about(operator(*args, **kwargs))
    assert len(outputs._seen) == 1
    assert first is not again


def test_what_looks_otherwise_is_asked_anew() -> None:
    outputs = BlankOutputs()
    for name in ("conv", "strided conv", "true", "one"):
        operator, args, kwargs = asked(name)
        assert about(outputs.run(operator, args, kwargs)) == about(operator(*args, **kwargs))
    assert len(outputs._seen) == 4


def test_views_changes_and_contents_are_not_remembered() -> None:
    outputs, blank = BlankOutputs(), torch.empty(4, 3, device="meta")
    view = outputs.run(aten.view.default, (blank, [3, 4]), {})
    assert view.untyped_storage()._cdata == blank.untyped_storage()._cdata
    assert outputs.run(aten.add_.Tensor, (blank, 2.0), {}) is blank
    assert torch.equal(outputs.run(aten.mul.Tensor, (torch.ones(2), 2.0), {}), torch.full((2,), 2.0))
    assert torch.equal(outputs.run(aten.mul.Tensor, (torch.ones(2), 3.0), {}), torch.full((2,), 3.0))
    assert outputs._seen == {}
