"""What a task knows and says about one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plainnet.engine.elements.element import Element
from plainnet.errors import UsageError

__all__ = ["DataSample", "pseudo_collate"]


class DataSample(Element):
    """One image's truth and predictions, each an element of its own: `sample.truth`, `sample.predictions`, or any other name.

    A task's own sample declares what it holds:

    class DetectionSample(DataSample):
        truth: InstanceData
        predictions: InstanceData
    """


def pseudo_collate(samples: Sequence[Any]) -> Any:
    """Samples as a batch that stacks nothing: mappings become one mapping of lists, tuples a tuple of lists, everything else a
    list of it. So images may be of several sizes, and have any number of objects.
    """
    if not samples:
        raise UsageError("a batch of no samples")
    first = samples[0]
    if isinstance(first, Mapping):
        for sample in samples:
            if list(sample) != list(first):
                raise UsageError(f"samples hold {', '.join(first)} and {', '.join(sample)}; accepted: the same of each")
        return {name: pseudo_collate([sample[name] for sample in samples]) for name in first}
    if isinstance(first, tuple) and not hasattr(first, "_fields"):
        return tuple(pseudo_collate(list(parts)) for parts in zip(*samples, strict=True))
    return list(samples)
