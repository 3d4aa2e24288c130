"""Outputs that are known beforehand are those that torch works out: every operator, layout and type against torch itself."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plainnet.network.counting.blank_outputs import _IN_PLACE, _KNOWN, _LIKE_INPUT, BlankOperator

aten = torch.ops.aten
SHAPES = ((2, 3, 5, 4), (2, 3), (4,), (), (1, 3, 1, 1))


def values() -> list[Tensor]:
    """Tensors without contents: in both layouts, with gaps, turned, of whole numbers, in half precision."""
    plain = [torch.empty(shape, device="meta") for shape in SHAPES]
    image = plain[0]
    odd = [
        torch.empty(3, 1, 4, device="meta").transpose(0, 1),
        image.to(memory_format=torch.channels_last),
        image.transpose(2, 3),
        image[:, ::2],
        image[..., ::2],
        image[:1].expand(4, 3, 5, 4),
    ]
    return [*plain, *odd, *(image.to(kind) for kind in (torch.int64, torch.float16, torch.bool, torch.complex64))]


def about(out: Any) -> Any:
    """What can be seen of outputs: how far apart the elements of an axis of one element would be cannot."""
    if isinstance(out, tuple):
        return tuple(map(about, out))
    strides = [stride for stride, size in zip(out.stride(), out.shape, strict=True) if size > 1]
    return (out.shape, strides if out.numel() else None, out.dtype, out.device)


def by_torch(operator: Any, args: tuple[Any, ...]) -> Any:
    try:
        return operator(*args)
    except (RuntimeError, NotImplementedError, TypeError) as error:
        return error


@pytest.mark.parametrize("operator", [*_LIKE_INPUT, *_IN_PLACE], ids=str)
def test_an_activation_gives_what_torch_gives(operator: Any) -> None:
    known = 0
    for value in values():
        found = BlankOperator(operator).known((value,), {})
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
            found = BlankOperator(operator).known((one, other), {})
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
        found = BlankOperator(aten.native_batch_norm.default).known(args, {})
        if found is not None:
            known += 1
            assert about(found) == about(aten.native_batch_norm.default(*args))
    assert bool(known) == (not training and channels == 3)


def operands() -> list[Tensor]:
    """Matrices and stacks of them in every layout, some of which fit each other."""
    sizes = ((3, 4), (4, 5), (5,), (1, 4), (4, 1), (2, 3, 4), (2, 4, 5), (1, 4, 5), (3, 5), (0, 4), (1,))
    plain = [torch.empty(size, device="meta") for size in sizes]
    turned = [each.mT for each in plain if each.dim() > 1]
    gaps = torch.empty(4, 10, device="meta")[:, ::2]
    return [*plain, *turned, gaps, plain[1].half(), plain[1].long(), plain[0].expand(2, 3, 4)]


def compared(operator: Any, calls: Any) -> int:
    """How many of the calls are known; each of these gives what torch gives, and none of them is an error."""
    known = 0
    for args in calls:
        found = BlankOperator(operator).known(args, {})
        if found is not None:
            known += 1
            expected = by_torch(operator, args)
            assert not isinstance(expected, Exception), (operator, args)
            assert about(found) == about(expected), (operator, args)
    return known


@pytest.mark.parametrize("operator", [aten.mm.default, aten.bmm.default], ids=str)
def test_a_product_gives_what_torch_gives(operator: Any) -> None:
    axes = 2 if operator is aten.mm.default else 3
    fits = [each for each in operands() if each.dim() == axes]
    assert compared(operator, itertools.product(fits, fits)) >= 4
    others = [(one, other) for one, other in itertools.product(operands(), operands()) if one.dim() != axes]
    assert all(isinstance(by_torch(operator, args), Exception) for args in others)


def test_a_product_with_a_bias_gives_what_torch_gives() -> None:
    assert compared(aten.addmm.default, itertools.product(operands(), operands(), operands())) >= 5


@pytest.mark.parametrize(
    "operator", [aten._softmax.default, aten._log_softmax.default, aten._safe_softmax.default], ids=str
)
def test_a_softmax_gives_what_torch_gives(operator: Any) -> None:
    last = (None, torch.float64) if operator is aten._safe_softmax.default else (False, True)
    assert compared(operator, itertools.product(values(), (-1, 0, 2, 4, -5), last)) >= 10


@pytest.mark.parametrize("affine", ["both", "weight", "none", "wide"])
def test_a_layer_norm_gives_what_torch_gives(affine: str) -> None:
    calls = []
    for value in values():
        for axes in range(5):
            size = list(value.shape[value.dim() - axes :])
            params = [torch.empty([*size, *([1] if affine == "wide" else [])], device="meta") for _ in range(2)]
            weight, bias = (None if affine == "none" else params[0], params[1] if affine == "both" else None)
            calls.append((value, size, weight, bias, 1e-5))
    assert (compared(aten.native_layer_norm.default, calls) >= 5) == (affine != "wide")


def test_a_mean_gives_what_torch_gives() -> None:
    calls = itertools.product(values(), ([-1, -2], [2, 3], [0], [1, 1], [5], [], None), (True, False))
    assert compared(aten.mean.dim, calls) >= 5


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_convolution_gives_what_torch_gives(*, axes: int, groups: int, transposed: bool) -> None:
    calls = []
    for size, kernel, stride, padding, dilation in itertools.product((1, 4, 7), (1, 3), (1, 2), (0, 1), (1, 2)):
        for wide, bias, image_of in itertools.product((6, 5), (None, 6), (4, 1)):
            image = torch.empty(2, image_of, *([size] * axes), device="meta")
            weight = torch.empty(wide, 4 // groups, *([kernel] * axes), device="meta")
            biases = None if bias is None else torch.empty(bias, device="meta")
            usual = [[value] * axes for value in (stride, padding, dilation)]
            calls.append((image, weight, biases, *usual, transposed, [0] * axes, groups))
            calls.append((image.half(), *calls[-1][1:]))
    assert (compared(aten.convolution.default, calls) >= 20) == (not transposed)


def test_a_convolution_in_another_layout_is_left_to_torch() -> None:
    image, weight = torch.empty(2, 4, 5, 5, device="meta"), torch.empty(6, 4, 3, 3, device="meta")
    rest = (None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
    last = torch.channels_last
    for args in (
        (image.to(memory_format=last), weight),
        (image, weight.to(memory_format=last)),
        (image[:, :, ::2], weight),
    ):
        assert BlankOperator(aten.convolution.default).known((*args, *rest), {}) is None


def test_what_has_contents_or_words_or_a_class_of_its_own_is_left_to_torch() -> None:
    class Mine(Tensor):
        pass

    blank = torch.empty(3, device="meta")
    for args, kwargs in (((torch.ones(3),), {}), ((blank.as_subclass(Mine),), {}), ((blank,), {"beta": 1})):
        assert BlankOperator(aten.softplus.default).known(args, kwargs) is None
    assert BlankOperator(aten.add.Tensor).known((blank, torch.ones(3)), {}) is None
    assert BlankOperator(aten.add.Tensor).known((blank, blank), {"alpha": 2}) is None
    assert BlankOperator(aten.addmm.default).known((blank, blank, blank), {}) is None
    assert set(_KNOWN) > set(_LIKE_INPUT)


def test_a_batch_norm_of_the_wrong_width_is_still_an_error() -> None:
    from plainnet import UsageError
    from plainnet.network.counting.module_counts import count_module

    with pytest.raises(UsageError, match="does not run on an input of 1x3x4x4"):
        count_module(nn.BatchNorm2d(5), (1, 3, 4, 4))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    ("said", "kernel"), [({"padding": -1}, 3), ({"dilation": 0}, 3), ({"dilation": -1}, 3), ({"stride": 0}, 3), ({}, 0)]
)
def test_a_convolution_that_never_runs_is_not_counted(said: dict[str, int], kernel: int, *, transposed: bool) -> None:
    from plainnet import UsageError
    from plainnet.network.counting.module_counts import count_module

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3, 3, kernel, kernel))

        def forward(self, images: Any) -> Any:
            function = nn.functional.conv_transpose2d if transposed else nn.functional.conv2d
            return function(images, self.weight, **said)

    with pytest.raises(UsageError, match="does not run on an input of 1x3x8x8"):
        count_module(Odd(), (1, 3, 8, 8))


def asked(name: str) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """A call of an operator on tensors without contents."""
    image, wide, words = (torch.empty(shape, device="meta") for shape in ((1, 4, 6, 6), (4, 4, 3, 3), (2, 5, 8)))
    turned = True, [0, 0], 1
    calls = {
        "conv": (aten.convolution.default, (image, wide, None, [1, 1], [1, 1], [1, 1], *turned), {}),
        "strided conv": (aten.convolution.default, (image, wide, None, [2, 2], [1, 1], [1, 1], *turned), {}),
        "norm": (aten.native_group_norm.default, (image, None, None, 1, 4, 36, 2, 1e-5), {}),
        "cat": (aten.cat.default, ([image, image], 1), {}),
        "turned": (aten._softmax.default, (words.mT, -1, False), {}),
        "sum": (aten.sum.dim_IntList, (words, [1]), {"dtype": torch.float64}),
        "made": (aten.zeros.default, ([3, 2],), {"device": torch.device("meta")}),
        "whole": (aten.add.Tensor, (words.long(), 2), {}),
        "true": (aten.add.Tensor, (words.bool(), True), {}),
        "one": (aten.add.Tensor, (words.bool(), 1), {}),
    }
    return calls[name]


@pytest.mark.parametrize("name", ["conv", "norm", "cat", "turned", "sum", "made", "whole"])
def test_what_was_asked_before_looks_the_same_and_torch_is_not_asked_again(name: str) -> None:
    operator, args, kwargs = asked(name)
    asked_before = BlankOperator(operator)
    first, again = asked_before.run(args, kwargs), asked_before.run(args, kwargs)
    assert about(first) == about(again) == about(operator(*args, **kwargs))
    assert len(asked_before._seen) == 1
    assert first is not again


@pytest.mark.parametrize("names", [("conv", "strided conv"), ("true", "one")])
def test_what_looks_otherwise_is_asked_anew(names: tuple[str, str]) -> None:
    asked_before = BlankOperator(asked(names[0])[0])
    for name in names:
        operator, args, kwargs = asked(name)
        assert about(asked_before.run(args, kwargs)) == about(operator(*args, **kwargs))
    assert len(asked_before._seen) == 2


def test_views_changes_and_contents_are_not_remembered() -> None:
    blank, product = torch.empty(4, 3, device="meta"), BlankOperator(aten.mul.Tensor)
    view, change = BlankOperator(aten.view.default), BlankOperator(aten.add_.Tensor)
    assert not view.may_be_known
    assert not change.may_be_known
    assert view.run((blank, [3, 4]), {}).untyped_storage()._cdata == blank.untyped_storage()._cdata
    assert change.run((blank, 2.0), {}) is blank
    assert torch.equal(product.run((torch.ones(2), 2.0), {}), torch.full((2,), 2.0))
    assert torch.equal(product.run((torch.ones(2), 3.0), {}), torch.full((2,), 3.0))
    assert all(each._seen == {} for each in (view, change, product))


@pytest.mark.parametrize("words", [{}, {"memory_format": torch.contiguous_format}], ids=["as it lies", "without gaps"])
def test_a_clone_gives_what_torch_gives(words: dict[str, Any]) -> None:
    operator, known = BlankOperator(aten.clone.default), 0
    for value in [*values(), *operands(), torch.empty(2, 3, 4, 5, device="meta").to(memory_format=torch.channels_last)]:
        found = operator.known((value,), words)
        if found is not None:
            known += 1
            assert about(found) == about(aten.clone.default(value, **words))
    assert known >= 12
    assert operator.known((value,), {"memory_format": torch.channels_last}) is None


def test_an_unsafe_view_gives_what_torch_gives() -> None:
    sizes = ([12], [3, 4], [4, 3, 1], [2, -1], [5, 2], [], [1], [0, 4])
    assert compared(aten._unsafe_view.default, [(value, size) for value in operands() for size in sizes]) >= 5
