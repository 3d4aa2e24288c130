"""Which samples of a data set are used: rules, and how many each left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from plainnet.engine.data.decoding import BrokenImageError
from plainnet.engine.data.known_targets import each_sample
from plainnet.engine.data.source import Batch, DataSource, Samples, Unread
from plainnet.engine.data.targets import NONE
from plainnet.errors import UsageError

__all__ = ["Chosen", "HasObjects", "OfClasses", "Rule", "filtered"]

Rule = Callable[[Mapping[str, Any]], bool]
"""Whether a sample is used, as a batch of one, before its augmentations. One that does not ask for `image` costs no decoding."""
Part = Literal["both", "train", "val"]


@dataclass(frozen=True)
class Chosen:
    """Some of other samples, by their numbers."""

    samples: Samples
    numbers: Sequence[int]

    def __len__(self) -> int:
        return len(self.numbers)

    def fetch(self, indices: Sequence[int], draws: Sequence[int]) -> Batch:
        """The batch of these."""
        return self.samples.fetch([self.numbers[index] for index in indices], draws)


class _ChosenWithTargets(Chosen):
    """Some of samples that know what they hold beside their images."""

    def targets(self, index: int) -> Batch:
        """What one of these holds beside its image."""
        found: Batch = self.samples.targets(self.numbers[index])  # type: ignore[attr-defined]
        return found


class HasObjects:
    """Samples with at least `least` boxes whose shorter side is at least `side` pixels."""

    def __init__(self, *, least: int = 1, side: float = 0.0) -> None:
        if least < 1 or side < 0:
            raise UsageError(f"least is {least} and side {side}; accepted: 1 or more objects, 0 or more pixels")
        self.least, self.side = least, side

    def __call__(self, sample: Mapping[str, Any]) -> bool:
        """Count them."""
        if "boxes" not in sample:
            raise UsageError(f"HasObjects counts boxes, and a sample holds {', '.join(map(str, sample))}")
        boxes = sample["boxes"][sample["classes"] != NONE]
        sides = (boxes[:, 2:] - boxes[:, :2]).amin(1) if len(boxes) else boxes.new_zeros(0)
        return int((sides >= self.side).sum()) >= self.least


class OfClasses:
    """Samples that are of one of the classes `numbers` (their labels), or that hold an object or a pixel of one."""

    def __init__(self, *, numbers: list[int]) -> None:
        if not numbers or min(numbers) < 0:
            raise UsageError(f"numbers are {numbers}; accepted: the numbers of classes, from 0")
        self.numbers = set(numbers)

    def __call__(self, sample: Mapping[str, Any]) -> bool:
        """Look at what the sample is."""
        name = next((name for name in ("classes", "mask", "label") if name in sample), None)
        if name is None:
            raise UsageError(f"OfClasses looks at classes, a mask or a label, and a sample holds {', '.join(sample)}")
        return not self.numbers.isdisjoint(sample[name].flatten().tolist())


def filtered(data: DataSource, rules: Sequence[tuple[str, Part, Rule]], *, keep_broken: bool = False) -> DataSource:
    """The data without the samples that one of the rules (name, part, rule) refuses; a note says how many each left out.

    Every sample is looked at once, images only where a rule does; the first rule that refuses one counts it. keep_broken: no rule
    is asked about a sample that cannot be read, and it stays. Raises `UsageError` where nothing is left.
    """
    notes: list[str] = []
    parts: dict[str, Samples] = {}
    for part, samples in (("train", data.train), ("val", data.val)):
        own = [(name, rule) for name, where, rule in rules if where in ("both", part)]
        parts[part] = samples
        if own and not isinstance(samples, Unread):
            what = "training" if part == "train" else "validation"
            parts[part] = _chosen(samples, own, what, notes, keep_broken=keep_broken)
    return replace(data, train=parts["train"], val=parts["val"], notes=(*data.notes, *notes))


def _chosen(
    samples: Samples, rules: Sequence[tuple[str, Rule]], what: str, notes: list[str], *, keep_broken: bool
) -> Chosen:
    left_out, kept = dict.fromkeys((name for name, _ in rules), 0), list[int]()
    for number, sample in enumerate(each_sample(samples)):
        try:
            refused = next((name for name, rule in rules if not rule(sample)), None)
        except BrokenImageError:
            if not keep_broken:
                raise
            refused = None
        if refused is None:
            kept.append(number)
        else:
            left_out[refused] += 1
    counted = ", ".join(f"{name} {count:,}" for name, count in left_out.items())
    if not kept:
        raise UsageError(f"the filters leave no {what} sample of {len(samples):,}: left out by {counted}")
    notes.append(f"filters leave {len(kept):,} of {len(samples):,} {what} samples; left out by {counted}")
    return (_ChosenWithTargets if hasattr(samples, "targets") else Chosen)(samples, kept)
