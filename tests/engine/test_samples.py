"""Gradients and means are those of the samples, however batches are made up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader, Dataset

from plainnet.engine import BatchTester, EpochBasedTrainer, SingleTester
from plainnet.engine.loop.batch_size import samples_in
from plainnet.errors import RunError

Batch = Any
CLOUDS = 24


class Clouds(Dataset[Any]):
    """Point clouds of 20 to 70 points, each with a label; number 3, 10, 17 are broken."""

    def __len__(self) -> int:
        return CLOUDS

    def __getitem__(self, index: int) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(index)
        count = int(torch.randint(20, 70, (), generator=generator))
        return {
            "points": torch.randn(count, 3, generator=generator),
            "label": index % 4,
            "name": f"cloud {index}",
            "broken": index % 7 == 3,
        }


def stacked(items: list[dict[str, Any]]) -> Batch:
    """The first entry is (N, 3) of all points, whose number is not that of the clouds."""
    counts = torch.tensor([len(item["points"]) for item in items])
    return {
        "points": torch.cat([item["points"] for item in items]),
        "cloud": torch.arange(len(items)).repeat_interleave(counts),
        "label": torch.tensor([item["label"] for item in items]),
    }


def dropping(items: list[dict[str, Any]]) -> Batch:
    return stacked([item for item in items if not item["broken"]])


def said(items: list[dict[str, Any]]) -> Batch:
    batch = dropping(items)
    return {**batch, "samples": len(batch["label"])}


def named(items: list[dict[str, Any]]) -> Batch:
    """The first entry is a list of words."""
    return {"name": [item["name"] for item in items], **stacked(items)}


class PointNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.each, self.head = nn.Linear(3, 8), nn.Linear(8, 4)

    def forward(self, batch: Batch) -> Tensor:
        features = torch.tanh(self.each(batch["points"]))
        clouds = len(batch["label"])
        pooled = torch.zeros(clouds, 8).index_add(0, batch["cloud"], features)
        out: Tensor = self.head(pooled / torch.bincount(batch["cloud"], minlength=clouds).unsqueeze(1))
        return out


class Points(EpochBasedTrainer):
    def train_step(self, batch: Batch) -> Any:
        assert self.model is not None
        logits = self.model(batch)
        return logits, {"loss": F.cross_entropy(logits, batch["label"])}


class Counting(Points):
    def count_samples(self, batch: Batch) -> int:
        return len(batch["label"])


def loader_of(collate: Callable[[list[Any]], Batch]) -> DataLoader[Any]:
    return DataLoader(Clouds(), batch_size=5, collate_fn=collate)


def trained(collate: Callable[[list[Any]], Batch], *, kind: type[Points] = Points, accumulate: int = 1) -> Any:
    model = PointNet()
    trainer = kind(epochs=1, device="cpu", accumulate=accumulate)
    trainer.register_model(model)
    trainer.register_optimizer(torch.optim.SGD(model.parameters(), lr=0.5))
    trainer.register_loader(loader_of(collate), loader_of(collate))
    trainer.fit()
    return trainer


def bare(collate: Callable[[list[Any]], Batch], *, accumulate: int = 1) -> tuple[PointNet, float, float]:
    """The same by hand: each update is of the mean over its clouds, the loss over all of an epoch; then a validation."""
    model = PointNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    batches = [collate([Clouds()[i] for i in range(first, min(first + 5, CLOUDS))]) for first in range(0, CLOUDS, 5)]
    total, seen = 0.0, 0
    for number in range(0, len(batches), accumulate):
        group = batches[number : number + accumulate]
        losses = torch.cat([F.cross_entropy(model(b), b["label"], reduction="none") for b in group])
        optimizer.zero_grad()
        losses.mean().backward()
        optimizer.step()
        total, seen = total + float(losses.detach().sum()), seen + len(losses)
    with torch.no_grad():
        losses = torch.cat([F.cross_entropy(model(b), b["label"], reduction="none") for b in batches])
    return model, total / seen, float(losses.mean())


@pytest.mark.parametrize(
    ("collate", "kind", "accumulate"),
    [
        (stacked, Points, 1),
        (stacked, Points, 3),
        (named, Points, 1),
        (named, Points, 2),
        (dropping, Points, 1),  # nothing is scaled, so what came is what counts
        (dropping, Counting, 3),
        (said, Points, 3),
    ],
)
def test_gradients_and_means_are_those_of_the_samples(collate: Any, kind: type[Points], accumulate: int) -> None:
    trainer = trained(collate, kind=kind, accumulate=accumulate)
    model, train, val = bare(collate, accumulate=accumulate)
    for one, other in zip(trainer.module.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    assert trainer.history[0]["train"]["loss"] == pytest.approx(train, abs=1e-6)
    assert trainer.history[0]["val"]["loss"] == pytest.approx(val, abs=1e-6)


def test_one_process_without_accumulation_scales_nothing() -> None:
    """To the last bit: the loss goes into the backward pass as the step gave it."""
    trainer = trained(dropping)
    model, _, _ = bare(dropping)
    assert all(map(torch.equal, trainer.module.parameters(), model.parameters()))


def test_a_number_that_did_not_come_is_an_error_with_both() -> None:
    message = r"the loader announced 5 samples in batch 0, and 4 came: let the batch say it \(an entry samples"
    with pytest.raises(RunError, match=message):
        trained(dropping, accumulate=2)


class Announcing:
    """A user's own loader, which announces more than it gives."""

    def __len__(self) -> int:
        return 2

    def total(self, number: int) -> int:  # noqa: ARG002
        return 16

    def at(self, epoch: int, start: int = 0) -> Iterator[Batch]:  # noqa: ARG002
        return iter([stacked([Clouds()[i] for i in range(8)])] * (2 - start))


def test_what_a_loader_of_yours_announces_is_compared_too() -> None:
    trainer = Points(epochs=1, device="cpu", accumulate=2)
    model = PointNet()
    trainer.register_model(model)
    trainer.register_optimizer(torch.optim.SGD(model.parameters(), lr=0.5))
    trainer.register_loader(Announcing())
    with pytest.raises(RunError, match=r"announced 16 samples in batch 0, and 8 came"):
        trainer.fit()


IMAGE, LABEL, POINTS = torch.zeros(6, 3, 4, 4), torch.zeros(6, dtype=torch.int64), torch.zeros(70, 3)


@pytest.mark.parametrize(
    ("batch", "count"),
    [
        ({"image": IMAGE, "label": LABEL}, 6),
        ({"image": IMAGE, "label": LABEL, "samples": 4}, 4),
        ({"image": IMAGE, "samples": torch.tensor(5)}, 5),
        ({"image": IMAGE, "samples": ["a"] * 6}, 6),  # an entry of that name that is no number
        ({"image": IMAGE, "scale": torch.tensor(2.0), "epoch": 3}, 6),
        ({"points": POINTS, "label": LABEL}, 6),
        ({"points": POINTS, "answer": LABEL, "draw": LABEL}, 6),
        ({"points": POINTS, "per_point": torch.zeros(70), "draw": LABEL}, 70),
        ({"name": ["a"] * 6, "size": 3}, 6),
        ({"name": ["a"] * 6, "image": IMAGE}, 6),
        ({"boxes": [torch.zeros(2, 4), torch.zeros(5, 4)], "image": IMAGE[:2]}, 2),
        ({"inputs": {"image": IMAGE, "mask": IMAGE}, "label": LABEL}, 6),
        ([IMAGE, LABEL], 6),
        (IMAGE, 6),
    ],
)
def test_samples_in_a_batch(batch: Batch, count: int) -> None:
    assert samples_in(batch) == count


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"points": POINTS, "answer": LABEL}, r"differ in length \(points 70, answer 6\).*an entry samples"),
        ([POINTS, LABEL], r"differ in length \(0 70, 1 6\)"),
        ({"number": 3, "word": "images"}, r"holds no tensor and no list"),
        ({}, r"holds no tensor and no list"),
    ],
)
def test_what_is_not_known_is_not_guessed(batch: Batch, message: str) -> None:
    with pytest.raises(RunError, match=message):
        samples_in(batch)


@pytest.mark.parametrize("collate", [stacked, dropping, said, named])
def test_a_testers_means_are_those_of_the_samples(collate: Any) -> None:
    class Tester(SingleTester):
        def eval_step(self, batch: Batch, output: Any) -> dict[str, Any]:
            return {"loss": F.cross_entropy(output, batch["label"])}

    model, _, expected = bare(collate)
    tester = Tester(device="cpu")
    tester.register_model(model)
    tester.register_loader(loader_of(collate))
    assert tester.run()["loss"] == pytest.approx(expected, abs=1e-6)


def test_a_batch_that_cannot_be_cut_is_not_cut_wrongly() -> None:
    tester = BatchTester(device="cpu")
    tester.register_model(PointNet())
    tester.register_loader(loader_of(stacked))
    with pytest.raises(
        RunError, match=r"a batch of 5 cases cannot be split: points has \d+ rows; override split_batch"
    ):
        tester.run()
