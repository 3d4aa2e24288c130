"""NAS-Bench-Macro: strings from codes, counts of every network, and the composite's bars."""

import math
import random

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from plainnet import PlainNet, parse
from plainnet.blocks.rows.shapes import Shape
from plainnet.errors import UsageError
from plainnet.network.published import published_networks
from plainnet.proxies.closed.composite import composite
from plainnet.proxies.closed.composite_fitted import (
    CENTRES,
    RANGES,
    SCALES,
    WEIGHTS,
    composite_fitted,
    fit,
    in_fitting_half,
)
from plainnet.templates.nas_bench_macro import (
    HEAD_CHANNELS,
    NUM_CLASSES,
    RESOLUTION,
    canonical_code,
    codes,
    network_of_code,
    structure_of_code,
    trained_networks,
)


def test_all_networks_have_the_published_params_and_macs():
    shape = Shape(3, RESOLUTION, RESOLUTION)
    weights = HEAD_CHANNELS * NUM_CLASSES
    for network in trained_networks():
        totals = [block.sums for block in network_of_code(network.code).totals(shape)]
        params = sum(sums.params for sums in totals) + weights + NUM_CLASSES
        macs = sum(sums.macs for sums in totals) + weights
        assert (params, macs) == (network.params, network.macs), network.code


def test_facts_of_the_published_file():
    networks = trained_networks()
    assert [network.code for network in networks] == list(codes())
    assert len(networks) == 3**8
    known = {network.code: network for network in networks}
    assert known["02012100"].accuracies == (89.47, 88.95, 89.17)
    assert (known["02012100"].params, known["02012100"].macs) == (890666, 47327744)
    assert known["22220212"].accuracies == (92.70, 93.00, 92.73)
    assert known["00000000"].accuracy == pytest.approx(45.36333, abs=1e-5)
    assert known["00020000"].accuracies == known["00002000"].accuracies


def test_codes_of_one_network_have_one_string():
    assert len({canonical_code(code) for code in codes()}) == 3969
    assert len(set(map(structure_of_code, codes()))) == 3969
    assert structure_of_code("00001020") == structure_of_code("00010002".replace("0002", "0020"))


@pytest.mark.parametrize("code", ["", "0120121", "012012012", "01201203", "0120120x"])
def test_a_wrong_code_is_a_usage_error(code):
    with pytest.raises(UsageError, match="eight digits"):
        structure_of_code(code)


def test_network_of_code_is_what_its_string_reads_as():
    for code in random.Random(0).sample(codes(), 40):
        assert network_of_code(code) == parse(structure_of_code(code))


@pytest.mark.slow
def test_a_network_is_built_with_the_published_parameters():
    torch = pytest.importorskip("torch")
    for network in random.Random(1).sample(trained_networks(), 3):
        module = PlainNet(structure_of_code(network.code), num_classes=NUM_CLASSES)
        assert sum(parameter.numel() for parameter in module.parameters()) == network.params
        assert module(torch.zeros(2, 3, RESOLUTION, RESOLUTION)).shape == (2, NUM_CLASSES)


@pytest.mark.parametrize(("version", "spearman", "kendall"), [(1, 0.965, 0.84), (2, 0.945, 0.81)])
def test_the_composite_ranks_all_trained_networks(version, spearman, kendall):
    networks = trained_networks()
    scores = [composite(network_of_code(network.code), RESOLUTION, version=version) for network in networks]
    accuracies = [network.accuracy for network in networks]
    assert spearmanr(scores, accuracies).statistic > spearman
    assert kendalltau(scores, accuracies).statistic > kendall


def test_an_input_that_is_none_is_refused():
    with pytest.raises(UsageError, match="resolution is 0"):
        composite("SuperConvK3BNRELU(3,8,1,1)", 0)


def test_the_fitted_weights_are_what_the_fit_gives():
    centres, scales, ranges, weights = fit()
    assert np.array(ranges) == pytest.approx(np.array(RANGES), rel=1e-4)
    assert pytest.approx(centres, rel=1e-4) == CENTRES
    assert pytest.approx(scales, rel=1e-4) == SCALES
    assert pytest.approx(weights, rel=1e-3, abs=1e-5) == WEIGHTS


def test_the_halves_share_no_network():
    halves = {code: in_fitting_half(code) for code in codes()}
    assert all(halves[code] == halves[canonical_code(code)] for code in codes())
    assert 0.45 < sum(halves.values()) / len(halves) < 0.55


def test_the_fitted_composite_is_better_on_the_half_that_it_was_not_fitted_to():
    networks = [network for network in trained_networks() if not in_fitting_half(network.code)]
    scores = [composite_fitted(network_of_code(network.code), RESOLUTION) for network in networks]
    accuracies = [network.accuracy for network in networks]
    assert spearmanr(scores, accuracies).statistic > 0.98
    assert kendalltau(scores, accuracies).statistic > 0.88


def test_the_fitted_composite_has_no_score_outside_of_what_it_knows():
    assert all(math.isfinite(composite_fitted(network_of_code(code), RESOLUTION)) for code in codes()[::7])
    assert math.isfinite(composite_fitted(network_of_code("22222222")))
    assert math.isfinite(composite_fitted(network_of_code("00000000")))
    assert math.isnan(composite_fitted("ConvKX(3,8,3,1)BN(8)"))
    assert math.isnan(composite_fitted(published_networks()["resnet50"].structure, 224))
