"""Proxies of `plainnet score` as objectives: closed forms in microseconds, and those that build the network for who wants
to pay for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import pstdev
from typing import TYPE_CHECKING, Any

from plainnet.blocks.structure import Structure
from plainnet.errors import UnknownScoreError, UsageError, nearest
from plainnet.proxies.calibrated.names import is_calibrated
from plainnet.search.candidates.budgets import Costs
from plainnet.search.candidates.evaluation import Setting
from plainnet.search.candidates.faults import FAULTS
from plainnet.search.candidates.genes import Genes
from plainnet.search.candidates.measures import one_torch_thread, refuse_unsuitable, variant_of
from plainnet.search.candidates.structures import as_structure

if TYPE_CHECKING:
    from plainnet.proxies.contract import Proxy

__all__ = ["depth_penalty", "find_proxy_scorer"]

DIRECT = {"structure", "table", "resolution", "network", "num_classes", "batch"}
"""What a proxy may need to be called at once, without weights or images."""
BATCH = 16
PENALISED = ("madnas", "deepmad")
"""The proxies with the option depth_penalty of TinyNAS's searches."""


class _Proxy:
    """A proxy with its options at one setting."""

    def __init__(self, proxy: Proxy, options: Mapping[str, Any], setting: Setting, seed: int) -> None:
        self._proxy, self._seed, self._setting = proxy, seed, setting
        self._options = dict(options)
        self._penalty = float(self._options.pop("depth_penalty", 0.0))
        self._resolution = (setting.shape.height, setting.shape.width)
        self._inputs: dict[str, Any] | None = None
        if set(proxy.inputs()) <= DIRECT:
            known = {
                "resolution": self._resolution,
                "network": variant_of(proxy.name, setting),
                "num_classes": setting.num_classes or None,
                "batch": BATCH,
            }
            self._inputs = {name: known[name] for name in proxy.inputs() if name in known}

    def score(self, genes: Genes, costs: Costs) -> float:  # noqa: ARG002
        """The value of a candidate."""
        structure = as_structure(genes)
        value = self._direct(structure) if self._inputs is not None else self._measured(structure)
        return value - self._penalty * depth_penalty(structure) if self._penalty else value

    def check(self, starts: Sequence[Genes]) -> None:
        """`UnknownScoreError` where a closed form cannot be worked out on any start of a space: ratios for another number of
        stages, say. Then no candidate has it either, or none that matters.
        """
        if self._inputs is None:
            return
        refused: UsageError | None = None
        for genes in starts:
            try:
                self._direct(as_structure(genes))
            except UsageError as error:
                refused = refused or error
            except FAULTS:
                return  # the start's own affair: it is met and counted in the search
            else:
                return
        if refused is not None:
            raise UnknownScoreError(f"the objective {self._proxy.name}, on the start of the space: {refused}")

    def _direct(self, structure: Structure) -> float:
        assert self._inputs is not None
        network: dict[str, Any] = {}
        for name in self._proxy.inputs():
            if name == "structure":
                network[name] = structure
            elif name == "table":
                network[name] = structure.at(self._setting.shape, variant=variant_of(self._proxy.name, self._setting))
        return float(self._proxy.function(**network, **self._inputs, **self._options))

    def _measured(self, structure: Structure) -> float:
        from plainnet.proxies.score import score

        with one_torch_thread():
            found = score(
                structure,
                self._proxy,
                resolution=self._resolution,
                num_classes=self._setting.num_classes or None,
                batch=BATCH,
                repeats=1,
                seed=self._seed,
                use_se=variant_of(self._proxy.name, self._setting).use_se,
                **self._options,
            )
        return found.mean


def depth_penalty(structure: Structure) -> float:
    """exp(standard deviation of the blocks' depths), what DeepMAD's searches take away, times a factor, from the score.

    As in TinyNAS, depths are those of blocks with sub-layers, without the first of SuperResKXKX and the first two of
    SuperResK1KXK1.
    """
    deep = [block for block in structure.blocks if hasattr(block, "sub_layers")]
    passed_over = {"SuperResKXKX": 1, "SuperResK1KXK1": 2}.get(deep[0].name, 0) if deep else 0
    depths = [float(block.sub_layers) for block in deep[passed_over:]]
    return math.exp(pstdev(depths)) if depths else 1.0


def find_proxy_scorer(
    name: str, options: Mapping[str, Any], setting: Setting, *, seed: int, costs: Sequence[str]
) -> _Proxy:
    """The scorer of a proxy; `UsageError` for a name or an option that is none."""
    from plainnet.proxies.catalogue import find_proxy, known_proxies
    from plainnet.proxies.contract import check_options

    accepted = list(dict.fromkeys([*known_proxies(), *costs]))
    if name not in known_proxies() and not is_calibrated(name):
        near = nearest(name, accepted)
        hint = f"; did you mean {near}?" if near else ""
        if name in costs:
            raise UsageError(f"the cost {name} has no options")
        raise UsageError(
            f"no objective {name!r}; accepted: {', '.join(accepted)}, calibrated:FILE, or file.py:function{hint}"
        )
    proxy = find_proxy(name)
    refuse_unsuitable(proxy)
    own = {key: value for key, value in options.items() if key != "depth_penalty" or name not in PENALISED}
    check_options(proxy, own)
    penalty = options.get("depth_penalty", 0.0)
    if name in PENALISED and not (isinstance(penalty, (int, float)) and 0 <= penalty < math.inf):
        raise UsageError(f"depth_penalty is {penalty!r}; accepted: a number of at least 0")
    return _Proxy(proxy, options, setting, seed)
