"""A trainer that trains nothing: accuracies follow from structure, seed and length, and something may go wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from plainnet.search.settings.trainer import TrainedNumbers

PLAN = {"train": {"epochs": 5}}


class FakeTrainer:
    """`happens(number of the training)`: what to do at it, before it counts."""

    def __init__(self, happens: Callable[[int], TrainedNumbers | None] = lambda _: None) -> None:
        self.happens, self.trained, self.checked = happens, list[tuple[str, str, int, int | None]](), list[Any]()

    def check(self, plan: Mapping[str, Any], **known: Any) -> None:
        self.checked.append((dict(plan), known))

    def train(
        self,
        plan: Mapping[str, Any],
        *,
        structure: str,
        use_se: bool,  # noqa: ARG002
        folder: str,
        seed: int,
        length: int | None,
        blocks: Sequence[str],  # noqa: ARG002
    ) -> TrainedNumbers:
        odd = self.happens(len(self.trained))
        self.trained.append((structure, folder, seed, length))
        if odd is not None:
            return odd
        return TrainedNumbers(accuracy_of(structure, seed, length or plan["train"]["epochs"]), 1.5)


class SentTrainer(FakeTrainer):
    """One that can be sent to other processes."""

    def __init__(self) -> None:
        super().__init__(nothing)


def nothing(number: int) -> None:
    """Nothing happens."""


def accuracy_of(structure: str, seed: int, length: int) -> float:
    """Between 0 and 1: the longer the better, half by the structure and a little by the seed."""
    return 0.5 * _part(structure) + 0.02 * _part(f"{structure} {seed}") + 0.4 * length / (length + 3)


def _part(text: str) -> float:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") / 2**32


def folder_names(trainer: FakeTrainer) -> list[str]:
    return [f"{Path(folder).parent.name}/{Path(folder).name}" for _, folder, _, _ in trainer.trained]
