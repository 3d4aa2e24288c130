"""Which samples of a data set are used: rules, and how many each left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from plainnet.engine.data.decoding import BrokenImageError
from plainnet.engine.data.known_targets import each_sample
from plainnet.engine.data.listing import named
from plainnet.engine.data.source import Batch, DataSource, Samples, Unread
from plainnet.engine.data.targets import NONE
from plainnet.errors import UsageError, nearest

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
    """Samples that are of one of some classes (their labels), or that hold an object or a pixel of one.

    names: the classes by their names; numbers: or as the data set counts them, whose first one is the background where it is of
    masks. target: the entry of a sample that is looked at; by default the first of `classes`, `mask` and `label` that it holds.
    """

    def __init__(self, *, numbers: list[int] | None = None, names: list[str] | None = None, target: str = "") -> None:
        if (numbers is None) == (names is None):
            raise UsageError("OfClasses takes either names or numbers of classes")
        if names is not None and not names:
            raise UsageError("names are []; accepted: the names of classes")
        if numbers is not None and (not numbers or min(numbers) < 0):
            raise UsageError(f"numbers are {numbers}; accepted: the numbers of classes, from 0")
        self.numbers, self.names, self.target = numbers, names, target

    def among(self, data: DataSource) -> OfClasses:
        """The rule for the entry that the classes of these data are of. Raises `UsageError` for a class that they do not have."""
        for name in self.names or ():
            if name not in data.classes:
                near = nearest(name, data.classes)
                hint = f"did you mean {near}?" if near else f"accepted: {named(data.classes)}"
                raise UsageError(f"OfClasses: the data have no class {name!r}; {hint}")
        numbers = self.numbers or [data.classes.index(name) for name in self.names or ()]
        if data.classes and max(numbers) >= len(data.classes):
            raise UsageError(
                f"OfClasses: class {max(numbers)}, of {len(data.classes)}; accepted: 0 to {len(data.classes) - 1}, or their names"
            )
        return OfClasses(numbers=numbers, target=self.target or data.target)

    def __call__(self, sample: Mapping[str, Any]) -> bool:
        """Look at what the sample is."""
        wanted = {"boxes": "classes"}.get(self.target, self.target)
        name = wanted or next((name for name in ("classes", "mask", "label") if name in sample), "")
        if name not in sample:
            what = name or "classes, a mask or a label"
            raise UsageError(f"OfClasses looks at {what}, and a sample holds {', '.join(sample)}")
        if self.numbers is None:
            raise UsageError(
                "OfClasses knows the names of classes from the data: it is used in data.filters, or by among(data)"
            )
        return not set(self.numbers).isdisjoint(sample[name].flatten().tolist())


def filtered(data: DataSource, rules: Sequence[tuple[str, Part, Rule]], *, keep_broken: bool = False) -> DataSource:
    """The data without the samples that one of the rules (name, part, rule) refuses; a note says how many each left out. A rule
    that has a method `among(data)` is asked for the one that goes with these data.

    Every sample is looked at once, images only where a rule does; the first rule that refuses one counts it. keep_broken: no rule
    is asked about a sample that cannot be read, and it stays. Raises `UsageError` where nothing is left.
    """
    notes: list[str] = []
    parts: dict[str, Samples] = {}
    rules = [(name, where, rule.among(data) if hasattr(rule, "among") else rule) for name, where, rule in rules]
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
