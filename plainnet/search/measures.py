"""What the rungs of a ladder measure: proxies that are too dear for every candidate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from plainnet.blocks.structure import Structure, parse
from plainnet.errors import UsageError, nearest
from plainnet.search.evaluation import Setting

__all__ = ["MEASURES", "Measurement", "find_measurement", "mean_and_error", "one_torch_thread"]


class Measurement:
    """A proxy on a rung.

    exact: a repeat gives the same value again, so one is enough.
    higher_is_better: which way the best are.
    """

    def __init__(
        self,
        name: str,
        measure: Callable[[Structure, Setting, int, int], list[float]],
        *,
        exact: bool = False,
        higher_is_better: bool = True,
        deterministic: bool = True,
    ) -> None:
        self.name, self._measure, self.exact = name, measure, exact
        self.higher_is_better, self.deterministic = higher_is_better, deterministic

    def measure(self, text: str, setting: Setting, *, seed: int, repeats: int) -> list[float]:
        """`repeats` values for a structure; NaN where the proxy has none."""
        return self._measure(parse(text), setting, seed, repeats)


def _size(setting: Setting) -> tuple[int, int]:
    return setting.shape.height, setting.shape.width


def _zen(structure: Structure, setting: Setting, seed: int, repeats: int) -> list[float]:  # noqa: ARG001
    from plainnet.profiler.zen import zen_score

    return [zen_score(structure, _size(setting))]


def _composite(structure: Structure, setting: Setting, seed: int, repeats: int) -> list[float]:  # noqa: ARG001
    from plainnet.profiler.composite import composite

    return [composite(structure, _size(setting), variant=setting.variant)]


def _zen_mc(structure: Structure, setting: Setting, seed: int, repeats: int) -> list[float]:
    from plainnet.profiler.proxies.zen_mc import zen_mc

    resolution, batch = _size(setting), 16
    return list(zen_mc(structure, resolution=resolution, batch=batch, repeats=repeats, seed=seed).values)


def _latency(structure: Structure, setting: Setting, seed: int, repeats: int) -> list[float]:  # noqa: ARG001
    import torch

    from plainnet.net import PlainNet
    from plainnet.profiler.latency import measure_latency

    net = PlainNet(
        structure,
        num_classes=setting.num_classes or None,
        in_channels=setting.shape.channels,
        resolution=_size(setting),
        use_se=setting.variant.use_se,
    ).eval()
    images = torch.zeros(1, *setting.shape)
    return [measure_latency(net, images).median_ms for _ in range(repeats)]


MEASURES = {
    "zen": Measurement("zen", _zen, exact=True),
    "composite": Measurement("composite", _composite, exact=True),
    "zen_mc": Measurement("zen_mc", _zen_mc),
    "latency_ms": Measurement("latency_ms", _latency, higher_is_better=False, deterministic=False),
}
"""Name -> what a rung may measure."""


def find_measurement(name: str) -> Measurement:
    """The measurement of a name; `UsageError` with the nearest one."""
    if name in MEASURES:
        return MEASURES[name]
    near = nearest(name, MEASURES)
    hint = f"; did you mean {near}?" if near else ""
    raise UsageError(f"no proxy {name!r} for a rung; accepted: {', '.join(MEASURES)}{hint}")


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Inside, torch works in one thread: sums come out the same whatever the machine has."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def mean_and_error(values: list[float]) -> tuple[float, float | None]:
    """The mean and its standard error (None for fewer than two values)."""
    count = len(values)
    mean = math.fsum(values) / count
    if count < 2:
        return mean, None
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1) / count)
