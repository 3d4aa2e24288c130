"""torch's DataLoaders of every kind: they train, and a resume sees what would have come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from plainnet.engine import Classification, EpochBasedTrainer, MapSamples, NamedLoss
from plainnet.engine.data.loader import Loader, as_batches
from plainnet.engine.tasks.losses import CrossEntropy
from plainnet.errors import RunError, UsageError

COUNT = 22
DATA = TensorDataset(torch.arange(COUNT).float().view(-1, 1, 1, 1), torch.arange(COUNT) % 2)


class Noisy(Dataset[Any]):
    """Draws from all three global generators."""

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> Any:
        import random

        noise = random.random() + float(np.random.rand()) + float(torch.rand(()))
        return {"image": torch.full((1, 1, 1), index + noise / 10), "label": index % 2}


class Backwards(Sampler[int]):
    def __init__(self, size: int) -> None:
        self.size = size

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.size - 1, -1, -1))

    def __len__(self) -> int:
        return self.size


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([DATA[index] for index in range(COUNT)])

    def __len__(self) -> int:
        return COUNT


WEIGHTS = [1.0 + index for index in range(COUNT)]
LOADERS: dict[str, Callable[[], DataLoader[Any]]] = {
    "plain": lambda: DataLoader(DATA, batch_size=4),
    "shuffled": lambda: DataLoader(DATA, batch_size=4, shuffle=True, drop_last=True),
    "sequential sampler": lambda: DataLoader(DATA, batch_size=4, sampler=SequentialSampler(DATA)),
    "drawn with replacement": lambda: DataLoader(DATA, batch_size=4, sampler=RandomSampler(DATA, replacement=True)),
    "fewer": lambda: DataLoader(DATA, batch_size=4, sampler=RandomSampler(DATA, num_samples=9)),
    "weighted": lambda: DataLoader(DATA, batch_size=4, sampler=WeightedRandomSampler(WEIGHTS, 12)),
    "weighted, with a generator": lambda: DataLoader(
        DATA, batch_size=4, sampler=WeightedRandomSampler(WEIGHTS, 12, generator=torch.Generator().manual_seed(3))
    ),
    "subset": lambda: DataLoader(DATA, batch_size=4, sampler=SubsetRandomSampler(range(3, 17))),
    "own sampler": lambda: DataLoader(DATA, batch_size=4, sampler=Backwards(COUNT)),
    "batch sampler": lambda: DataLoader(DATA, batch_sampler=BatchSampler(RandomSampler(DATA), 5, drop_last=False)),
    "list of batches": lambda: DataLoader(DATA, batch_sampler=[[0, 1, 2], [5], [7, 8]]),
    "noisy data": lambda: DataLoader(Noisy(), batch_size=4, sampler=SubsetRandomSampler(range(COUNT))),
    "noisy data, plain": lambda: DataLoader(Noisy(), batch_size=4, shuffle=True),
    "no batches": lambda: DataLoader(
        [(torch.ones(2, 1, 1, 1) * n, torch.tensor([0, 1])) for n in range(5)],  # type: ignore[arg-type]
        batch_size=None,
    ),
}
OPTIONS: dict[str, Any] = {"seed": 3, "rank": 0, "processes": 1}


def numbers(batches: Iterator[Any]) -> list[list[float]]:
    return [batch["image"].flatten().tolist() for batch in batches]


@pytest.mark.parametrize("name", LOADERS)
def test_a_resume_sees_what_would_have_come(name: str) -> None:
    """In a new process, whose loader has drawn nothing; whatever the trainer draws between the batches."""
    first, second = (as_batches(LOADERS[name](), training=True, **OPTIONS) for _ in range(2))
    epochs = []
    for epoch in range(3):
        torch.manual_seed(epoch)
        found = []
        for batch in first.at(epoch):
            torch.rand(3)
            found.append(batch["image"].flatten().tolist())
        epochs.append(found)
        assert len(found) == len(first)
    torch.manual_seed(99)
    assert numbers(second.at(2, 1)) == epochs[2][1:]
    assert numbers(second.at(1)) == epochs[1]
    if name not in ("plain", "sequential sampler", "own sampler", "list of batches", "no batches"):
        assert epochs[0] != epochs[1]


def test_the_trainers_random_state_is_its_own() -> None:
    """What comes after a batch is drawn as if there were no loader."""
    batches = as_batches(LOADERS["noisy data"](), training=True, **OPTIONS)
    torch.manual_seed(0)
    without = [float(torch.rand(())) for _ in range(6)]
    torch.manual_seed(0)
    assert [float(torch.rand(())) for _ in batches.at(0)] == without


@pytest.mark.parametrize("name", LOADERS)
def test_every_loader_trains(name: str) -> None:
    torch.manual_seed(0)
    task = Classification(nn.Sequential(nn.Flatten(), nn.Linear(1, 2)), losses=[NamedLoss("ce", CrossEntropy())])
    trainer = EpochBasedTrainer(epochs=2, device="cpu")
    trainer.register_model(task)
    trainer.register_optimizer(torch.optim.SGD(task.parameters(), lr=1e-4))
    trainer.register_loader(LOADERS[name](), LOADERS[name]())
    history = trainer.fit()
    assert history[-1]["val"]["loss"] > 0
    assert trainer.iteration == 2 * len(trainer.train_loader)  # type: ignore[arg-type]


def test_a_loader_that_does_more_than_shuffle_is_used_as_it_is() -> None:
    """A drawing with replacement is no permutation, and a part is not the whole."""
    plain = ("plain", "shuffled", "sequential sampler", "noisy data, plain")
    for name, make in LOADERS.items():
        assert isinstance(as_batches(make(), **OPTIONS), Loader) == (name in plain), name
    weighted = as_batches(LOADERS["weighted"](), **OPTIONS)
    drawn = [number for epoch in range(40) for batch in numbers(weighted.at(epoch)) for number in batch]
    assert np.mean(drawn) > 12.5, "the larger numbers weigh more; all alike would give 10.5"


@pytest.mark.parametrize("training", [True, False])
def test_several_processes_share_the_batches(training: bool) -> None:
    """In training each has as many; in validation each batch comes once."""
    make = LOADERS["subset"]
    whole = numbers(as_batches(make(), seed=3, rank=0, processes=1, training=training).at(0))
    parts = [as_batches(make(), seed=3, rank=rank, processes=3, training=training) for rank in range(3)]
    found = [numbers(part.at(0)) for part in parts]
    expected = [[whole[0]], [whole[1]], [whole[2]]] if training else [[whole[0], whole[3]], [whole[1]], [whole[2]]]
    assert len(whole) == 4
    assert found == expected
    assert numbers(parts[0].at(0, 1)) == found[0][1:]
    with pytest.raises(UsageError, match=r"4 batches cannot be shared by 5 processes"):
        as_batches(make(), seed=3, rank=0, processes=5, training=True)


def test_a_distributed_sampler_shares_by_itself() -> None:
    loaders = [
        DataLoader(DATA, batch_size=4, sampler=DistributedSampler(DATA, num_replicas=2, rank=rank)) for rank in range(2)
    ]
    parts = [as_batches(loader, seed=3, rank=rank, processes=2, training=True) for rank, loader in enumerate(loaders)]
    seen = [number for part in parts for batch in numbers(part.at(0)) for number in batch]
    assert sorted(seen) == list(range(COUNT))
    assert numbers(parts[0].at(0)) != numbers(parts[0].at(1))


class Own(Backwards):
    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.random = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: DataLoader(Stream(), batch_size=4), "Stream is a stream"),
        (lambda: DataLoader(DATA, sampler=Own(COUNT)), "Own draws from a generator of its own"),
        (
            lambda: DataLoader(DATA, sampler=Backwards(COUNT), num_workers=1, persistent_workers=True),
            "its workers go on from epoch to epoch",
        ),
    ],
)
def test_what_cannot_be_repeated_says_so(make: Callable[[], Any], reason: str) -> None:
    with pytest.warns(UserWarning, match=rf"cannot repeat the order of this loader: {reason}"):
        as_batches(make(), **OPTIONS)


def test_what_has_no_length_is_refused() -> None:
    with pytest.raises(UsageError, match=r"the loader generator has no length"):
        as_batches((batch for batch in [1]), **OPTIONS)


def test_samples_of_a_map_need_no_collate() -> None:
    batch = next(Loader(MapSamples(DATA), batch_size=4, shuffle=False).at(0))
    assert batch["image"].shape == (4, 1, 1, 1)
    assert batch["label"].tolist() == [0, 1, 0, 1]
    three = TensorDataset(torch.ones(4), torch.ones(4), torch.ones(4))
    with pytest.raises(RunError, match=r"is a list of 3; accepted: a mapping, or a pair of tensors"):
        next(Loader(MapSamples(three), batch_size=4, shuffle=False).at(0))
