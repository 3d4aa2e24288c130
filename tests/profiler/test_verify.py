"""The cross-check: every counter's difference is explained, on published and on random structures."""

import json
import logging
import random
import sys
import warnings
from typing import Any

import pytest
import torch

from plainnet.blocks.rows.layers import ACTIVATIONS
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.network.published import published_networks
from plainnet.profiler import counters, verify
from plainnet.profiler.verify import verify_counts
from plainnet.testing import sample_shape, sample_structure

SMALL = "SuperConvK3BNRELU(3,8,2,1)SuperResK1DWSEK1(8,16,3,2,8,2)AvgPool(16,3,1)"


def unexplained(verification: verify.Verification) -> list[str]:
    return [str(part) for part in verification.comparisons if part.residual]


def every_published_network() -> list[Any]:
    """One for every set of kinds of blocks; the others, which are wider or deeper, are a long tail."""
    seen, found = set(), []
    for name, network in published_networks().items():
        kinds = (network.use_se, frozenset(type(block).__name__ for block in network.structure.blocks))
        found.append(pytest.param(name, marks=[pytest.mark.tail] if kinds in seen else []))
        seen.add(kinds)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", every_published_network())
def test_published_networks(name: str) -> None:
    network = published_networks()[name]
    found = verify_counts(network.text, network.resolution, network.num_classes, Variant(use_se=network.use_se))
    assert found.unavailable == {}
    assert unexplained(found) == []
    assert found.ok


def test_resnet50_is_the_published_discriminator() -> None:
    found = verify_counts(published_networks()["resnet50"].text)
    macs = {part.counter: part for part in found.comparisons if part.quantity == "macs"}
    assert macs["FlopCounterMode"].counted == 2 * 4_089_184_256
    assert macs["thop"].counted == 4_133_742_592
    assert [part.count for part in macs["thop"].differences] == [4 * 11_113_984, 50 * 2_048]
    assert any("2 per batch norm element: 22,227,968" in term for term in macs["fvcore"].terms)
    assert found.ok


def check_random(seed: int) -> None:
    rng = random.Random(seed)
    shape = sample_shape(rng)
    structure = sample_structure(rng, shape=shape)
    if structure.in_channels != shape.channels:  # nothing in it declares channels
        return
    variant = Variant(rng.random() < 0.3, rng.random() < 0.3, rng.random() < 0.3, rng.choice(ACTIVATIONS))
    found = verify_counts(structure, shape[1:], rng.choice((None, 1, 10)), variant)
    assert (found.unavailable, unexplained(found), found.ok) == ({}, [], True), f"{structure} on {shape} [{variant}]"


@pytest.mark.parametrize("seed", range(30))
def test_random_structures(seed: int) -> None:
    check_random(seed)


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [30, 40, 50, *(pytest.param(seed, marks=pytest.mark.tail) for seed in range(60, 180, 10))]
)
def test_more_random_structures(seed: int) -> None:
    for offset in range(10):
        check_random(seed + offset)


def test_a_wrong_count_is_unexplained(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = counters.COUNTERS["fvcore"]
    monkeypatch.setitem(
        counters.COUNTERS, "fvcore", lambda subject: honest(subject) | {"macs": honest(subject)["macs"] + 1}
    )
    found = verify_counts(SMALL, 32, 10)
    assert not found.ok
    assert [(part.counter, part.residual) for part in found.comparisons if part.residual] == [("fvcore", 1)]
    assert "UNEXPLAINED 1" in str(found)


def test_a_counter_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "thop", None)
    found = verify_counts(SMALL, 32, 10)
    assert list(found.unavailable) == ["thop"]
    assert found.ok
    assert "thop was not asked" in str(found)


def test_the_record_is_json_and_reads_well() -> None:
    found = verify_counts(SMALL, (33, 18), 10, Variant(activation="silu"))
    record = json.loads(json.dumps(found.as_dict()))
    assert record["ok"] is True
    assert record["input"] == [3, 33, 18]
    assert record["variant"] == {"activation": "silu"}
    text = str(found)
    for word in (
        "closed form",
        "FlopCounterMode",
        "fvcore",
        "thop",
        "4 per batch norm element",
        "average pooling puts out",
    ):
        assert word in text


def test_it_is_quiet_and_leaves_no_trace(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    threads, filters, disabled = torch.get_num_threads(), list(warnings.filters), logging.root.manager.disable
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    verify_counts(SMALL, 32, 10, PLAIN)
    assert torch.equal(torch.rand(2), expected)
    assert torch.get_num_threads() == threads
    assert list(warnings.filters) == filters
    assert logging.root.manager.disable == disabled
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
