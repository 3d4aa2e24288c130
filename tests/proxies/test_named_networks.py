"""Closed forms in Python take every name of a network, at the size and in the variant that go with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import plainnet
from plainnet.errors import UnknownNetworkError, UsageError
from plainnet.network.published import find_published
from plainnet.proxies.calibrated.features import network_features
from plainnet.proxies.closed import baselines, entropy
from plainnet.proxies.closed.composite import composite, composite_parts
from plainnet.proxies.closed.composite_fitted import composite_fitted
from plainnet.proxies.closed.residual import residual_sensitivity
from plainnet.proxies.closed.zen import ZenScorer, zen_score

FORMS: dict[str, Callable[..., Any]] = {
    "zen": zen_score,
    "composite": composite,
    "composite_parts": composite_parts,
    "composite_fitted": composite_fitted,
    "residual_sensitivity": residual_sensitivity,
    "stages": entropy.stages,
    "madnas": entropy.madnas,
    "deepmad": entropy.deepmad,
    "rho": entropy.rho,
    "depth": baselines.depth,
    "macs": baselines.macs,
    "params": baselines.params,
}
NAME = "zennet_imagenet1k_flops400M_res224"
SMALL = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)SuperConvK1BNRELU(16,32,1,1)"


@pytest.mark.parametrize("form", FORMS)
def test_a_name_is_its_structure_at_its_size(form: str, tmp_path: Path) -> None:
    ask = FORMS[form]
    published = find_published(NAME)
    size = published.resolution
    expected = ask(plainnet.parse(published.text), resolution=size)
    assert _same(ask(NAME), expected)
    assert _same(ask(plainnet.resolve(NAME)), expected)
    assert _same(ask(NAME, resolution=size + 32), ask(published.text, resolution=size + 32))
    file = tmp_path / "net.txt"
    file.write_text(SMALL, encoding="utf-8")
    assert _same(ask(str(file)), ask(SMALL))
    assert _same(ask(file), ask(plainnet.parse(SMALL)))
    with pytest.raises(UnknownNetworkError, match=f"did you mean {NAME}"):
        ask(NAME.replace("400M", "400N"))


def test_features_are_those_of_the_name() -> None:
    assert network_features(NAME, 64) == network_features(find_published(NAME).text, 64)


def _same(found: Any, expected: Any) -> bool:
    return bool(found == expected or (isinstance(found, float) and math.isnan(found) and math.isnan(expected)))


def test_the_default_score_is_one_everywhere() -> None:
    from plainnet.cli.score import score_command
    from plainnet.proxies.shipped import DEFAULT

    (option,) = (each for each in score_command.params if each.name == "names")
    assert option.default == plainnet.score(SMALL).proxy == plainnet.score_all([SMALL])[0].proxy == DEFAULT


def test_a_module_is_told_which_scores_it_has() -> None:
    import torch

    with pytest.raises(UsageError, match=r"a module has none\. Accepted for it: params, macs, zen_mc, naswot"):
        plainnet.score(torch.nn.Conv2d(3, 8, 3))


def test_a_scorer_that_is_kept_takes_every_name(tmp_path: Path) -> None:
    (tmp_path / "net.txt").write_text(str(plainnet.resolve("resnet18").structure))
    scorer = ZenScorer(64)
    expected = scorer(plainnet.resolve("resnet18").structure)
    assert [scorer(name) for name in ("resnet18", str(tmp_path / "net.txt"), tmp_path / "net.txt")] == [expected] * 3
    with pytest.raises(UnknownNetworkError, match="did you mean resnet18"):
        scorer("resnet81")
