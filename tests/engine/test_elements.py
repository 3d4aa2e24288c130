"""Data elements: what they hold, refuse, index, put together and print."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from plainnet.engine import DataSample, Element, InstanceData, LabelData, PixelData, pseudo_collate
from plainnet.errors import UsageError


def found() -> InstanceData:
    return InstanceData(
        {"path": "a.png", "size": (8, 9)},
        scores=torch.tensor([0.9, 0.5, 0.1]),
        boxes=torch.arange(12.0).view(3, 4),
        names=["a", "b", "c"],
        areas=np.array([3, 2, 1]),
        parts=InstanceData(kinds=torch.tensor([7, 8, 9])),
    )


class Answer(DataSample):
    """A sample of one's own: what it declares is kept."""

    truth: InstanceData
    score: Tensor


INDICES: list[tuple[Any, list[int]]] = [
    (0, [0]),
    (-1, [2]),
    (slice(1, None), [1, 2]),
    (slice(None, None, -1), [2, 1, 0]),
    ([2, 0], [2, 0]),
    ([], []),
    (torch.tensor([1, 1]), [1, 1]),
    (torch.tensor([True, False, True]), [0, 2]),
    (np.array([False, False, False]), []),
    (np.array([-3, 2]), [0, 2]),
    ([True, False, False], [0]),
    (torch.tensor(1), [1]),
]


@pytest.mark.parametrize(("index", "numbers"), INDICES)
def test_an_index_takes_the_same_objects_of_every_value(index: Any, numbers: list[int]) -> None:
    some = found()[index]
    assert len(some) == len(numbers)
    assert some.scores.tolist() == found().scores[torch.tensor(numbers, dtype=torch.int64)].tolist()
    assert some.names == ["abc"[number] for number in numbers]
    assert some.areas.tolist() == [[3, 2, 1][number] for number in numbers]
    assert some.parts.kinds.tolist() == [[7, 8, 9][number] for number in numbers]
    assert some.boxes.shape == (len(numbers), 4)
    assert some.meta == {"path": "a.png", "size": (8, 9)}


@pytest.mark.parametrize("index", [3, -4, [0, 3], [True, False], torch.zeros(3, 3), "a", [0.5], torch.ones(4) > 0])
def test_an_index_that_is_none_is_told(index: Any) -> None:
    with pytest.raises(IndexError, match=r"object|mask|index"):
        found()[index]


@pytest.mark.parametrize("value", [torch.zeros(2), torch.zeros(()), [1], 5, "abc", torch.zeros(0, 4), {"a": 1}])
def test_a_value_for_each_object(value: Any) -> None:
    with pytest.raises(UsageError, match=r"one for each object|accepted: a tensor"):
        found().more = value
    empty = InstanceData(boxes=torch.zeros(0, 4))
    with pytest.raises(UsageError, match="labels has 5 entries, and boxes has 0"):
        empty.labels = torch.zeros(5)
    empty.boxes = torch.zeros(5, 4)  # the only value may get another length
    assert len(empty) == 5
    assert len(InstanceData()) == 0


def test_parts_are_put_together() -> None:
    whole = InstanceData.cat([found()[:1], found()[1:1], found()[1:]])
    assert whole == found()
    with pytest.raises(UsageError, match="one part has scores, another boxes"):
        InstanceData.cat([InstanceData(scores=[1]), InstanceData(boxes=[1])])
    with pytest.raises(UsageError, match="scores is of several types"):
        InstanceData.cat([InstanceData(scores=[1]), InstanceData(scores=torch.ones(1))])
    with pytest.raises(UsageError, match="nothing"):
        InstanceData.cat([])


def test_a_clone_shares_nothing_and_a_new_one_shares_all() -> None:
    one = found()
    other, same = one.clone(), one.new()
    other.boxes += 1
    other.parts.kinds += 1
    other.areas += 1
    other.names.append("d")
    assert one == found()
    same.boxes += 1
    assert one != found()
    assert found().new(scores=[1, 2]).keys() == ["scores"]
    assert found().new({"b": 1}, scores=[1]).meta == {"b": 1}


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda item: pickle.loads(pickle.dumps(item))])
def test_copies_and_pickles_are_equal(copied: Any) -> None:
    assert copied(found()) == found()
    assert list(copied(found()).keys()) == ["scores", "boxes", "names", "areas", "parts"]


def test_tensors_inside_are_moved_and_nothing_else_is() -> None:
    half = found().to(torch.float16)
    assert (half.boxes.dtype, half.areas.dtype, half.names) == (torch.float16, np.int64, ["a", "b", "c"])
    assert half.parts.kinds.dtype == torch.float16
    arrays = found().numpy()
    assert isinstance(arrays.parts.kinds, np.ndarray)
    assert isinstance(arrays.tensor().areas, Tensor)
    leaf = torch.ones(2, requires_grad=True)
    assert not InstanceData(a=leaf * 2).detach().a.requires_grad
    assert found().cpu() == found()
    assert found().to_dict()["parts"]["kinds"].tolist() == [7, 8, 9]


def test_names_are_checked() -> None:
    sample = Answer({"path": "a"}, truth=found())
    for name in ("clone", "keys", "_x", "1a", "a b"):
        with pytest.raises(UsageError, match="cannot name a value"):
            setattr(sample, name, 1)
    with pytest.raises(UsageError, match="metainfo is no value of a Answer: it is meta here"):
        Answer(metainfo={"path": "a"})
    with pytest.raises(AttributeError, match="no set_metainfo; did you mean set_meta"):
        sample.set_metainfo({})
    with pytest.raises(UsageError, match="path is one of meta"):
        sample.path = 1
    with pytest.raises(UsageError, match="truth is a value"):
        sample.set_meta({"truth": 1})
    with pytest.raises(UsageError, match=r"Answer.truth is a PixelData; accepted: a InstanceData"):
        sample.truth = PixelData()
    with pytest.raises(UsageError, match=r"Answer.score is a float"):
        Answer(score=0.5)
    with pytest.raises(AttributeError, match="no trut; did you mean truth"):
        _ = sample.trut
    with pytest.raises(AttributeError, match="has no other; it has truth, path"):
        sample.pop("other")
    sample.other = 3
    del sample.other
    assert sample.pop("other", 4) == 4
    assert "path" in sample
    assert "truth" in sample
    assert "other" not in sample
    assert (sample.get("path"), sample.get("none", 2), sample.path) == ("a", 2, "a")


def test_a_type_that_cannot_be_found_is_told() -> None:
    class Local(DataSample):
        truth: Nowhere  # type: ignore[name-defined] # noqa: F821

    with pytest.raises(UsageError, match="Local declares the type Nowhere"):
        Local(truth=1)


def test_pixels_are_of_one_size() -> None:
    maps = PixelData(mask=torch.arange(12).view(3, 4), scores=np.zeros((2, 3, 4)))
    assert maps.size == (3, 4)
    assert PixelData().size is None
    cut = maps[1:, :2]
    assert (cut.size, cut.scores.shape, cut.mask.tolist()) == ((2, 2), (2, 2, 2), [[4, 5], [8, 9]])
    for value in (torch.zeros(4, 3), torch.zeros(3), [1, 2]):
        with pytest.raises(UsageError, match=r"pixels, and mask|accepted: a tensor"):
            maps.more = value
    for index in (1, (1, 2), (slice(1), slice(1), slice(1))):
        with pytest.raises(IndexError, match="two slices"):
            maps[index]  # type: ignore[index]


def test_labels_become_vectors_and_back() -> None:
    vector = LabelData.label_to_onehot(torch.tensor([2, 0]), 4)
    assert vector.tolist() == [1, 0, 1, 0]
    assert LabelData.onehot_to_label(vector).tolist() == [0, 2]
    assert LabelData.label_to_onehot(torch.tensor([], dtype=torch.int64), 3).tolist() == [0, 0, 0]
    for wrong in (torch.tensor([4]), torch.tensor([-1]), torch.tensor([0.5])):
        with pytest.raises(UsageError, match="labels"):
            LabelData.label_to_onehot(wrong, 4)
    with pytest.raises(UsageError, match="no vector of 0 and 1"):
        LabelData.onehot_to_label(torch.tensor([0, 2]))


def test_a_sample_prints_as_a_tree() -> None:
    sample = Answer(
        {"path": "a.png"}, truth=InstanceData(boxes=torch.zeros(2, 4), names=["a", "b"]), score=torch.tensor(0.5)
    )
    assert repr(sample).splitlines() == [
        "Answer",
        "  path = 'a.png'",
        "  truth: InstanceData",
        "    boxes: float32 (2, 4)",
        "    names: ['a', 'b']",
        "  score: float32 () 0.5",
    ]


def test_a_batch_that_stacks_nothing() -> None:
    samples = [{"image": torch.zeros(1, size, 4), "sample": Element(number=size)} for size in (2, 3)]
    batch = pseudo_collate(samples)
    assert [tuple(image.shape) for image in batch["image"]] == [(1, 2, 4), (1, 3, 4)]
    assert [sample.number for sample in batch["sample"]] == [2, 3]
    assert pseudo_collate([(1, "a"), (2, "b")]) == ([1, 2], ["a", "b"])
    with pytest.raises(UsageError, match="the same of each"):
        pseudo_collate([{"a": 1}, {"b": 1}])
    with pytest.raises(UsageError, match="no samples"):
        pseudo_collate([])
