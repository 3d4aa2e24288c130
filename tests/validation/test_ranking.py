"""Rank agreement with intervals."""

import math
import random

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from plainnet.errors import UsageError
from plainnet.validation.ranking import agreement, point_agreement


def noisy(count=200, seed=0, coarse=False):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=count)
    scores = truth + rng.normal(size=count)
    return (np.round(scores) if coarse else scores), truth


@pytest.mark.parametrize("coarse", [False, True])
def test_correlations_are_scipys(coarse):
    scores, truth = noisy(coarse=coarse)
    found = agreement(scores, truth, resamples=0)
    assert found.spearman.value == pytest.approx(spearmanr(scores, truth).statistic)
    assert found.kendall.value == pytest.approx(kendalltau(scores, truth).statistic)


def test_overlap_and_regret_by_hand():
    accuracies = np.arange(100.0)
    scores = accuracies.copy()
    scores[[99, 80]] = scores[[80, 99]]  # the best network is scored like the 20th
    _, _, top_1, top_10, regret = point_agreement(scores, accuracies)
    assert top_1 == 0
    assert top_10 == pytest.approx(0.9)
    assert regret == 19


@pytest.mark.parametrize(("draws", "tolerance"), [(500, 0.03), pytest.param(4000, 0.01, marks=pytest.mark.tail)])
def test_equal_scores_give_the_expectation_over_their_orders(draws, tolerance):
    rng = random.Random(0)
    accuracies = np.array([float(rng.random()) for _ in range(50)])
    coarse = np.array([float(index % 4) for index in range(50)])
    expected = point_agreement(coarse, accuracies)
    drawn = []
    for _ in range(draws):
        order = coarse + 1e-6 * np.array([rng.random() for _ in range(50)])
        drawn.append(point_agreement(order, accuracies))
    means = np.mean(drawn, axis=0)
    assert expected[2:] == pytest.approx(means[2:], abs=tolerance)


def test_any_increasing_function_of_a_score_agrees_as_well():
    scores, truth = noisy()
    assert point_agreement(np.exp(3 * scores), truth) == pytest.approx(point_agreement(scores, truth))


def test_intervals_hold_the_value_and_narrow_with_more_networks():
    few, many = (agreement(*noisy(count), resamples=200) for count in (60, 2000))
    for found in (few, many):
        assert found.spearman.low < found.spearman.value < found.spearman.high
        assert found.kendall.low < found.kendall.value < found.kendall.high
    assert many.spearman.high - many.spearman.low < 0.5 * (few.spearman.high - few.spearman.low)


@pytest.mark.parametrize(("seeds", "least"), [(20, 16), pytest.param(60, 50, marks=pytest.mark.tail)])
def test_intervals_cover_the_truth_about_as_often_as_they_say(seeds, least):
    correlation = 6 / math.pi * math.asin(math.sqrt(0.5) / 2)  # Spearman's, of normal pairs of correlation sqrt(1/2)
    covered = 0
    for seed in range(seeds):
        found = agreement(*noisy(150, seed), resamples=100, seed=seed).spearman
        covered += found.low <= correlation <= found.high
    assert least <= covered <= seeds


def test_copies_of_a_network_do_not_narrow_the_interval():
    scores, truth = noisy(60)
    copied = agreement(np.tile(scores, 4), np.tile(truth, 4), networks=list(range(60)) * 4)
    single = agreement(scores, truth)
    naive = agreement(np.tile(scores, 4), np.tile(truth, 4))
    width = [found.spearman.high - found.spearman.low for found in (copied, single, naive)]
    assert width[0] == pytest.approx(width[1], rel=0.15)
    assert width[2] < 0.7 * width[1]


def test_the_same_seed_gives_the_same_intervals():
    pair = noisy()
    assert agreement(*pair, seed=3) == agreement(*pair, seed=3)
    assert agreement(*pair, seed=3).spearman.low != agreement(*pair, seed=4).spearman.low


def test_a_constant_score_says_nothing_and_infinities_are_ordered():
    found = agreement([1.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0], resamples=20)
    assert math.isnan(found.spearman.value)
    assert math.isnan(found.spearman.low)
    assert found.regret.value == 2
    assert agreement([-math.inf, 1, 2, math.inf], [1, 2, 3, 4], resamples=0).spearman.value == pytest.approx(1)


def test_bad_input_is_said():
    with pytest.raises(UsageError, match="3 scores for 4"):
        agreement([1, 2, 3], [1, 2, 3, 4])
    with pytest.raises(UsageError, match="three different networks"):
        agreement([1, 2], [1, 2])
    with pytest.raises(UsageError, match="three different networks"):
        agreement([1, 2, 3], [1, 2, 3], networks=["a", "b", "a"])
    with pytest.raises(UsageError, match="nan"):
        agreement([1, math.nan, 3], [1, 2, 3])
