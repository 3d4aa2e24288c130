"""What the rungs of a ladder measure: proxies that are too dear for every candidate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.structure import Structure, parse
from plainnet.errors import UsageError, nearest
from plainnet.proxies.calibrated.names import is_calibrated
from plainnet.search.candidates.evaluation import Setting
from plainnet.search.candidates.training_names import TRAIN, is_training

if TYPE_CHECKING:
    from plainnet.proxies.contract import Proxy

__all__ = [
    "MEASURES",
    "Measurement",
    "find_measurement",
    "mean_and_error",
    "one_torch_thread",
    "refuse_unsuitable",
    "variant_of",
]


class Measurement:
    """A proxy on a rung.

    exact: a repeat gives the same value again, so one is enough.
    higher_is_better: which way the best are.
    decides: its last rung needs no verdict: what was measured is what counts.
    """

    def __init__(
        self,
        name: str,
        measure: Callable[[Structure, Setting, int, int], list[float]],
        *,
        exact: bool = False,
        higher_is_better: bool = True,
        decides: bool = False,
    ) -> None:
        self.name, self._measure, self.exact = name, measure, exact
        self.higher_is_better, self.decides = higher_is_better, exact or decides

    def measure(self, text: str, setting: Setting, *, seed: int, repeats: int) -> list[float]:
        """`repeats` values for a structure; NaN where the proxy has none."""
        return self._measure(parse(text), setting, seed, repeats)


def _size(setting: Setting) -> tuple[int, int]:
    return setting.shape.height, setting.shape.width


def _zen(structure: Structure, setting: Setting, seed: int, repeats: int) -> list[float]:  # noqa: ARG001
    from plainnet.proxies.closed.zen import zen_score

    return [zen_score(structure, _size(setting))]


def _composite(structure: Structure, setting: Setting, seed: int, repeats: int) -> list[float]:  # noqa: ARG001
    from plainnet.proxies.closed.composite import composite

    return [composite(structure, _size(setting), variant=setting.variant, version=setting.composite_version)]


def _latency(structure: Structure, setting: Setting, seed: int, repeats: int) -> list[float]:  # noqa: ARG001
    """As a table of latencies is measured, and checked: the least of some passes, in the thread's own time."""
    from plainnet.profiler.lut.measuring import time_networks
    from plainnet.profiler.lut.setting import LutSetting

    height, width = _size(setting)
    how = LutSetting("", setting.shape.channels, max(height, width), setting.num_classes or 0, setting.variant.use_se)
    table = structure.at(setting.shape, variant=setting.variant)
    return [time_networks([table], how, parts=False)[0].whole / 1000 for _ in range(repeats)]


def _trained(structure: Structure, setting: Setting, seed: int, repeats: int) -> list[float]:  # noqa: ARG001
    raise AssertionError("a rung that trains has jobs of its own (plainnet.search.ladder.train_rung)")


def _calibrated(name: str) -> Measurement:
    """A calibrated score; its file is read when something is measured, not when a run is looked at."""

    def scored(structure: Structure, setting: Setting, seed: int, repeats: int) -> list[float]:  # noqa: ARG001
        from plainnet.proxies.catalogue import find_proxy

        found = find_proxy(name).function
        return [float(found(structure=structure, resolution=_size(setting), network=setting.variant))]

    return Measurement(name, scored, exact=True)


MEASURES = {
    "zen": Measurement("zen", _zen, exact=True),
    "composite": Measurement("composite", _composite, exact=True),
    "latency_ms": Measurement("latency_ms", _latency, higher_is_better=False),
}
"""What is not asked of `plainnet.score`: closed forms (which would import torch for nothing), and the latency of one image."""


def find_measurement(name: str) -> Measurement:
    """The measurement of a name: one of `MEASURES`, a training, or any proxy; `UsageError` with the nearest name."""
    if name in MEASURES:
        return MEASURES[name]
    if is_training(name):
        return Measurement(name, _trained, decides=True)
    if is_calibrated(name):
        return _calibrated(name)
    from plainnet.proxies.catalogue import find_proxy, known_proxies

    accepted = [*MEASURES, TRAIN, *(each for each in known_proxies() if each not in MEASURES)]
    if name not in accepted:
        near = nearest(name, accepted)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"no proxy {name!r} for a rung; accepted: {', '.join(accepted)}{hint}")
    proxy = find_proxy(name)
    refuse_unsuitable(proxy)

    def scored(structure: Structure, setting: Setting, seed: int, repeats: int) -> list[float]:
        from plainnet.proxies.score import score

        found = score(
            structure,
            proxy,
            resolution=_size(setting),
            num_classes=setting.num_classes or None,
            repeats=repeats,
            seed=seed,
            variant=variant_of(name, setting),
        )
        return list(found.values)

    return Measurement(name, scored, exact=proxy.is_exact, higher_is_better=proxy.higher_is_better)


def variant_of(proxy: str, setting: Setting) -> Variant:
    """The variant that a proxy scores: squeeze-excite changes costs only for the Zen-score, as in the paper's searches."""
    return PLAIN if proxy.startswith("zen") else setting.variant


def refuse_unsuitable(proxy: Proxy) -> None:
    """`UsageError` for a proxy that a search cannot ask about one candidate."""
    if proxy.combine is not None:
        raise UsageError(
            f"{proxy.name} ranks networks within a set, and has no value for one candidate of a search; accepted: a proxy "
            "of single networks, such as zen, zen_mc or naswot"
        )
    if "labels" in proxy.needs:
        raise UsageError(
            f"{proxy.name} needs labels, and a search has none; accepted: a proxy that needs no labels, such as zen, "
            "zen_mc or naswot"
        )


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
