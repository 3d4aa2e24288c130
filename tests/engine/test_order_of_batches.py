"""Loading: the same batches in any number of workers and processes."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from plainnet.engine.data.draws import Draws
from plainnet.engine.data.loader import Loader, as_batches
from plainnet.engine.data.source import MapSamples, TensorSamples
from plainnet.engine.data.torch_loader import IterableBatches
from plainnet.errors import RunError, UsageError

NUMBERS = TensorSamples(torch.arange(23.0).view(-1, 1, 1, 1), torch.arange(23))


def labels(loader: Loader, epoch: int = 0, start: int = 0) -> list[list[int]]:
    return [batch["label"].tolist() for batch in loader.at(epoch, start)]


# ---- order ----


def test_an_epoch_is_a_permutation_that_depends_on_seed_and_epoch_alone() -> None:
    loader = Loader(NUMBERS, batch_size=5, shuffle=True, seed=3)
    first = labels(loader)
    assert sorted(chain(*first)) == list(range(23))
    assert labels(loader) == first == labels(Loader(NUMBERS, batch_size=5, shuffle=True, seed=3))
    assert labels(loader, epoch=1) != first
    assert labels(Loader(NUMBERS, batch_size=5, shuffle=True, seed=4)) != first
    assert [len(batch) for batch in first] == [5, 5, 5, 5, 3] == [loader.total(i) for i in range(5)]


def test_an_epoch_can_begin_in_its_middle() -> None:
    loader = Loader(NUMBERS, batch_size=5, shuffle=True)
    assert labels(loader, 2, start=3) == labels(loader, 2)[3:]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("processes", [2, 3, 4])
def test_processes_share_each_batch(processes: int, training: bool) -> None:
    """23 images in batches of 5, the last of 3: with 4 processes each has all of it in training, where all must have some."""
    options: dict[str, Any] = {"batch_size": 5, "shuffle": training, "seed": 1}
    whole = labels(Loader(NUMBERS, **options))
    parts = []
    for rank in range(processes):
        loader = Loader(NUMBERS, **options)
        loader.join(rank=rank, processes=processes, training=training)
        assert len(loader) == len(whole)
        parts.append(labels(loader))
    if training:
        shares = [list(chain(*shares)) for shares in zip(*parts, strict=True)]
        assert shares[:-1] == whole[:-1]
        assert shares[-1] == whole[-1] * (4 if processes == 4 else 1)
    else:
        assert sorted(chain(*chain(*parts))) == sorted(chain(*whole))


def test_a_loader_of_other_processes_is_refused() -> None:
    loader = Loader(NUMBERS, batch_size=2, shuffle=True, rank=0, processes=2)
    with pytest.raises(UsageError, match=r"made for 2 processes, and there are 3"):
        loader.join(rank=0, processes=3, training=True)
    with pytest.raises(UsageError, match=r"a batch of 2 cannot be shared by 3 processes"):
        Loader(NUMBERS, batch_size=2, shuffle=True).join(rank=0, processes=3, training=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(workers: int) -> None:
    dataset = Noisy()
    alone = Loader(MapSamples(dataset, torch.utils.data.default_collate), batch_size=4, shuffle=True)
    helped = Loader(MapSamples(dataset, torch.utils.data.default_collate), batch_size=4, shuffle=True, workers=workers)
    for epoch in (0, 1):
        for one, other in zip(alone.at(epoch), helped.at(epoch), strict=True):
            assert one.keys() == other.keys()
            assert all(torch.equal(one[key], other[key]) for key in one)
    helped.close()


class Noisy(Dataset[Any]):
    """Random transforms from every global generator."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[Any, int]:
        import random

        return torch.randn(3) + float(np.random.rand()) + random.random(), index


def test_the_global_generators_are_left_alone() -> None:
    loader = Loader(MapSamples(Noisy(), torch.utils.data.default_collate), batch_size=4, shuffle=True)
    before = torch.get_rng_state()
    list(loader.at(0))
    assert torch.equal(before, torch.get_rng_state())


def test_a_torch_loader_becomes_ours() -> None:
    dataset = TensorDataset(torch.arange(10.0), torch.arange(10))
    ours = as_batches(DataLoader(dataset, batch_size=4, shuffle=True), seed=5, rank=0, processes=2)
    assert isinstance(ours, Loader)
    assert (ours.batch_size, ours.shuffle, len(ours)) == (8, True, 2)
    plain = as_batches([{"label": torch.arange(3)}] * 4, seed=0, rank=0, processes=1)
    assert isinstance(plain, IterableBatches)
    assert len(list(plain.at(0, start=3))) == 1


def test_impossible_loaders() -> None:
    with pytest.raises(RunError, match=r"the data set is empty"):
        Loader(TensorSamples(torch.zeros(0, 1, 2, 2), torch.zeros(0)), batch_size=2, shuffle=True)
    with pytest.raises(RunError, match=r"23 images make no batch of 30"):
        Loader(NUMBERS, batch_size=30, shuffle=True, drop_last=True)


def test_draws_belong_to_the_image() -> None:
    seeds = torch.tensor([5, 6, 2**62])
    values = Draws(seeds, 1).uniform(0)
    assert torch.equal(Draws(seeds.flip(0), 1).uniform(0).flip(0), values)
    assert not torch.equal(Draws(seeds, 2).uniform(0), values)
    many = Draws(torch.arange(20000), 0)
    assert float(many.uniform(0).mean()) == pytest.approx(0.5, abs=0.01)
    assert float(many.normal(0).std()) == pytest.approx(1.0, abs=0.02)
    correlation = np.corrcoef(many.uniform(0).numpy(), many.uniform(1).numpy())[0, 1]
    assert abs(correlation) < 0.03
