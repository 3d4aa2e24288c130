"""Optima of the published searches: CPU seconds, the gap that is proven, and the whole closed form of the network."""

import time

import pytest

from plainnet.search import optimum

CASES = {
    "cifar": ("zennas-resnet", {"params": 1.041e6, "layers": 18}),
    "cifar, two budgets": ("zennas-resnet", {"params": 1.041e6, "macs": 159.3e6, "layers": 18}),
    "mobile 400M": ("zennas-mobile", {"macs": 400.2e6, "layers": 14}),
    "mobile 600M": ("zennas-mobile", {"macs": 597.5e6, "layers": 14}),
    "mobile 900M": ("zennas-mobile", {"macs": 909.3e6, "layers": 16}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_published_budgets(name):
    space, limits = CASES[name]
    began = time.process_time()
    found = optimum(space, limits=limits, top=1)
    seconds = time.process_time() - began
    assert found.reason == "optimal"
    print(
        f"{name}: {seconds:.1f} s of CPU time, {found.value:.4f} of at most {found.bound:.4f} ({found.gap:.3%}), "
        f"closed form {found.best.scores['zen']:.2f}"
    )
